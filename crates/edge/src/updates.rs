//! Changes of what an edge serves, while it serves: sites come and go, and bans take hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use cache::bans::{Ban, Pattern};
use documents::Refusal;
use parking_lot::Mutex;
use store::Event;
use tls::UnknownName;

use crate::directory::{AliasConflict, Directory, Served};
use crate::keyring::Keyring;
use crate::site::{GeoRule, Site, scope_of};
use crate::worker::Shared;

/// Why sites cannot be served; the operator's fault. Whatever was served before still is.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// Two of them want one name.
    #[error(transparent)]
    Alias(#[from] AliasConflict),
    /// The log of a distribution cannot be named so.
    #[error("Logging.Prefix of distribution {id}: {source}")]
    Log {
        /// The distribution.
        id: String,
        /// What is wrong with it.
        source: telemetry::access_log::RegisterError,
    },
}

/// What is wrong where a site restricts countries and nothing tells them: never a silent pass.
pub(crate) const COUNTRIES_UNKNOWN: &str = "Restrictions.GeoRestriction restricts countries, and \
    this node has no geographic database with countries: all viewers are answered 503. Install one \
    by `warmfront geo fetch`, or set `geo` to an .mmdb file, and start the node again";

/// Changes what an edge serves. Its copies change the same edge.
#[derive(Clone)]
pub struct Updates {
    shared: Arc<Shared>,
    /// All that is served, by id. Whoever changes it makes the directory anew.
    sites: Arc<Mutex<BTreeMap<String, Arc<Served>>>>,
    /// Locked after `sites`.
    keyring: Arc<Mutex<Keyring>>,
    unknown_names: UnknownName,
    upkeep: mpsc::SyncSender<()>,
}

impl Updates {
    /// The round-trip times of viewers' networks, in milliseconds: `192.0.2.0/24`.
    pub(crate) fn latencies(&self) -> BTreeMap<String, f32> {
        self.shared.latencies.sketch(self.shared.clock.now_ms())
    }

    pub(crate) fn new(
        shared: Arc<Shared>,
        keyring: Keyring,
        unknown_names: UnknownName,
        upkeep: mpsc::SyncSender<()>,
    ) -> Updates {
        Updates {
            shared,
            sites: Arc::default(),
            keyring: Arc::new(Mutex::new(keyring)),
            unknown_names,
            upkeep,
        }
    }

    /// Serves `sites`, each in place of the one with its id, and no longer those with the ids
    /// `gone`: all of it from one request to the next, or nothing. What is cached stays.
    pub fn update(&self, gone: &[String], sites: Vec<Site>) -> Result<(), UpdateError> {
        let mut served = self.sites.lock();
        let mut next = served.clone();
        for id in gone {
            next.remove(id);
        }
        for site in sites {
            let id = site.id.clone();
            next.insert(id, Arc::new(self.serve(site)?));
        }
        let directory = Directory::new(&all(&next))?;
        self.go_over(&mut served, next, directory);
        Ok(())
    }

    /// The same, but what cannot be served is left out, with the reason, and whatever had its id
    /// before serves on. Of two that want one name, who has it keeps it.
    pub(crate) fn update_each(
        &self,
        gone: &[String],
        sites: Vec<Site>,
    ) -> Vec<(String, UpdateError)> {
        let mut served = self.sites.lock();
        let mut old = served.clone();
        for id in gone {
            old.remove(id);
        }
        let (mut next, mut new, mut refused) = (old.clone(), BTreeSet::new(), Vec::new());
        for site in sites {
            let id = site.id.clone();
            match self.serve(site) {
                Ok(site) => {
                    next.insert(id.clone(), Arc::new(site));
                    new.insert(id);
                }
                Err(error) => refused.push((id, error)),
            }
        }
        // What is old has no conflict, so that each turn makes one of the new ones old.
        let directory = loop {
            let conflict = match Directory::new(&all(&next)) {
                Ok(directory) => break directory,
                Err(conflict) => conflict,
            };
            let has_it = old
                .get(&conflict.second)
                .is_some_and(|served| served.site.has_name(&conflict.name));
            let is_first = !new.contains(&conflict.second) || has_it;
            let id = match is_first && new.contains(&conflict.first) {
                true => conflict.first.clone(),
                false => conflict.second.clone(),
            };
            new.remove(&id);
            match old.get(&id) {
                Some(old) => next.insert(id.clone(), Arc::clone(old)),
                None => next.remove(&id),
            };
            refused.push((id, conflict.into()));
        };
        self.go_over(&mut served, next, directory);
        refused
    }

    fn go_over(
        &self,
        served: &mut BTreeMap<String, Arc<Served>>,
        next: BTreeMap<String, Arc<Served>>,
        directory: Directory,
    ) {
        self.present(&mut self.keyring.lock(), &next);
        self.shared.directory.store(Arc::new(directory));
        let replaced_at = self.shared.store.newest_ban();
        for (id, old) in served.iter() {
            if next.get(id).is_none_or(|new| !Arc::ptr_eq(new, old)) {
                old.replaced_at.store(replaced_at, Ordering::Release);
            }
        }
        *served = next;
        let registry = &self.shared.registry;
        registry.retain(|id| served.contains_key(id));
    }

    /// Takes up changes of what TLS is spoken with. The next handshake is by them; connections that
    /// stand go on.
    pub(crate) fn set_tls<'e>(&self, events: impl Iterator<Item = &'e Event>) {
        let served = self.sites.lock();
        let mut keyring = self.keyring.lock();
        for event in events {
            keyring.take(event);
        }
        let challenges = keyring.challenges().clone();
        self.shared.challenges.store(Arc::new(challenges));
        let identities = keyring.client_identities();
        self.shared.client_identities.store(Arc::new(identities));
        self.present(&mut keyring, &served);
    }

    /// What of the store TLS cannot be spoken with, by key.
    pub(crate) fn refused_tls(&self) -> BTreeMap<String, Refusal> {
        self.keyring.lock().refused().clone()
    }

    /// Makes anew who answers handshakes.
    fn present(&self, keyring: &mut Keyring, sites: &BTreeMap<String, Arc<Served>>) {
        let hosts = &self.shared.hosts;
        let next = keyring.hosts(sites.values(), self.unknown_names, &hosts.load());
        hosts.store(Arc::new(next));
    }

    /// Whether the site restricts countries, and none can be told here: it takes its place, so that
    /// no older one without the restriction serves on, and refuses everybody.
    pub(crate) fn refuses_all(&self, site: &Site) -> bool {
        site.geo != GeoRule::Unrestricted && !self.shared.knows_countries()
    }

    fn serve(&self, site: Site) -> Result<Served, UpdateError> {
        let shared = &self.shared;
        if self.refuses_all(&site) {
            tracing::error!(distribution = site.id, "{COUNTRIES_UNKNOWN}");
        }
        let log = match (&shared.log, &site.logging) {
            (Some(log), Some(logging)) => {
                let registered = log.register(&site.id, &logging.prefix, logging.include_cookies);
                Some(registered.map_err(|source| UpdateError::Log {
                    id: site.id.clone(),
                    source,
                })?)
            }
            _ => None,
        };
        let metrics = shared.registry.register(&site.id);
        Ok(Served::new(site, metrics, log))
    }

    /// Removes what a distribution has cached and an item of an invalidation names: `/path`,
    /// `/path*`, `#tag`. When this returns, no request gets what was fetched before.
    pub fn ban<'i>(&self, distribution: &str, items: impl Iterator<Item = &'i str>, ban: &Ban) {
        let sites = self.sites.lock();
        let root = sites
            .get(distribution)
            .map(|served| served.site.default_root_path.clone())
            .filter(|root| !root.is_empty());
        drop(sites);
        // Objects lie under the path that `/` stands for, with the query.
        let at_root = |item: &str| {
            let query = item.strip_prefix('/')?;
            let is_root = query.is_empty() || query.starts_with('?');
            root.as_ref()
                .filter(|_| is_root)
                .map(|root| format!("{root}{query}"))
        };
        let patterns = items.flat_map(|item| {
            let root = at_root(item).map(|item| Pattern::parse(&item));
            std::iter::once(Pattern::parse(item)).chain(root)
        });
        self.shared.store.ban(scope_of(distribution), patterns, ban);
        self.wake_upkeep();
    }

    /// Takes over the health checks of a board: the first origins of groups that one of them sees
    /// failing are passed over from now on. To be called after changes of the board; the states of
    /// its checks are read as they are at each request.
    pub fn set_origin_health(&self, board: &health::Board) {
        self.shared.origin_health.update(board);
    }

    /// Sweeps soon. If the upkeep has a wish already, or is over, that is as good.
    pub(crate) fn wake_upkeep(&self) {
        let _ = self.upkeep.try_send(());
    }
}

fn all(sites: &BTreeMap<String, Arc<Served>>) -> Vec<Arc<Served>> {
    sites.values().cloned().collect()
}
