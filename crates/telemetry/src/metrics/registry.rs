//! All sites' counters, by distribution.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::counters::{Rejections, SiteCounters, SiteTotals};
use super::render::render;
use crate::access_log::LogTotals;

/// The counters of one site: one set for each worker.
#[derive(Debug)]
pub struct SiteMetrics {
    workers: Box<[SiteCounters]>,
}

impl SiteMetrics {
    fn new(workers: usize) -> Self {
        Self {
            workers: (0..workers).map(|_| SiteCounters::new()).collect(),
        }
    }

    /// The counters that only worker `index`'s thread may increase.
    ///
    /// # Panics
    /// If there are not that many workers in the registry.
    #[inline]
    pub fn worker(&self, index: usize) -> &SiteCounters {
        &self.workers[index]
    }

    fn totals(&self) -> SiteTotals {
        let mut totals = SiteTotals::default();
        for counters in &self.workers {
            counters.add_to(&mut totals);
        }
        totals
    }
}

/// What the node itself knows at the time of a scrape. The edge fills it in.
#[derive(Debug, Default)]
pub struct NodeGauges {
    /// Viewer connections open now.
    pub open_connections: u64,
    /// Viewer connections accepted since the start.
    pub accepted_connections: u64,
    /// Viewer connections refused because of a bound.
    pub refused_connections: u64,
    /// TLS handshakes since the start: full, resumed, failed.
    pub handshakes: [u64; 3],
    /// Objects in the cache.
    pub cache_objects: u64,
    /// Bytes that they take.
    pub cache_size_bytes: u64,
    /// Bytes that they may take.
    pub cache_capacity_bytes: u64,
    /// Objects evicted for others.
    pub cache_evictions: u64,
    /// Objects that admission refused.
    pub cache_refusals: u64,
    /// Flights in progress.
    pub flights_in_progress: u64,
    /// The access log, if there is one.
    pub log: LogTotals,
    /// Requests rejected before they belonged to a site.
    pub rejections: Arc<Rejections>,
}

/// The counters of all sites of a node. Locked on a reload and on a scrape, never by a request.
#[derive(Debug)]
pub struct Registry {
    workers: usize,
    sites: Mutex<BTreeMap<String, Arc<SiteMetrics>>>,
}

impl Registry {
    /// A registry for that many workers.
    pub fn new(workers: usize) -> Self {
        Self {
            workers,
            sites: Mutex::default(),
        }
    }

    /// The site's counters: those it already has, if it was registered before.
    pub fn register(&self, distribution_id: &str) -> Arc<SiteMetrics> {
        let mut sites = self.sites();
        if let Some(site) = sites.get(distribution_id) {
            return Arc::clone(site);
        }
        let site = Arc::new(SiteMetrics::new(self.workers));
        sites.insert(distribution_id.to_owned(), Arc::clone(&site));
        site
    }

    /// Forgets a site that is no longer served, with its totals.
    pub fn unregister(&self, distribution_id: &str) {
        self.sites().remove(distribution_id);
    }

    /// Forgets all sites that are not kept: what a reload does after it has registered its own,
    /// so that a site that stays keeps its totals.
    pub fn retain(&self, mut is_kept: impl FnMut(&str) -> bool) {
        self.sites()
            .retain(|distribution_id, _| is_kept(distribution_id));
    }

    /// Appends everything in the Prometheus text format 0.0.4
    /// (`text/plain; version=0.0.4; charset=utf-8`).
    pub fn render(&self, out: &mut String, gauges: &NodeGauges) {
        let sites: Vec<(String, SiteTotals)> = self
            .sites()
            .iter()
            .map(|(distribution_id, site)| (distribution_id.clone(), site.totals()))
            .collect();
        render(out, &sites, gauges);
    }

    /// A map of counters is valid after any panic, so poisoning means nothing.
    fn sites(&self) -> MutexGuard<'_, BTreeMap<String, Arc<SiteMetrics>>> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
