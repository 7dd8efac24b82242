//! What changes without a new world, besides the state of health checks: addresses of names
//! elsewhere.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwapOption, Guard};
use parking_lot::Mutex;
use records::{Name, RecordType};

use crate::limits::{ELSEWHERE_ADDRESSES_MAX, ELSEWHERE_TTL_SECS_MAX};
use crate::zone::node::pack;

/// Addresses of a name that is not served here, as a resolver found them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The first [`ELSEWHERE_ADDRESSES_MAX`] are answered.
    pub v4: Vec<Ipv4Addr>,
    /// The same.
    pub v6: Vec<Ipv6Addr>,
    /// Until when they hold, in milliseconds since 1970. They are answered beyond it, until there
    /// are others.
    pub until_ms: u64,
}

/// Addresses as answers have them.
#[derive(Debug)]
pub(crate) struct Resolved {
    addresses: Arc<Addresses>,
    v4: Box<[u8]>,
    v6: Box<[u8]>,
}

impl Resolved {
    /// The records of a type, packed, and how many they are.
    pub fn records(&self, record_type: RecordType) -> (&[u8], usize) {
        match record_type {
            RecordType::A => (&self.v4, self.addresses.v4.len()),
            RecordType::AAAA => (&self.v6, self.addresses.v6.len()),
            _ => (&[], 0),
        }
    }

    /// For how long they hold.
    pub fn ttl_secs(&self, now_ms: u64) -> u32 {
        let left_secs = self.addresses.until_ms.saturating_sub(now_ms) / 1000;
        left_secs.clamp(1, u64::from(ELSEWHERE_TTL_SECS_MAX)) as u32
    }
}

/// An alias's target that is resolved elsewhere (spec §11).
#[derive(Debug)]
pub struct Elsewhere {
    name: Name,
    resolved: ArcSwapOption<Resolved>,
    asked_ms: AtomicU64,
    /// When a resolver failed last, before anything was found.
    failed_ms: AtomicU64,
}

impl Elsewhere {
    /// The name that is resolved.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What was found; nothing before the first resolution.
    pub fn addresses(&self) -> Option<Arc<Addresses>> {
        let resolved = self.resolved.load();
        resolved.as_ref().map(|found| found.addresses.clone())
    }

    /// The same, as answers have it.
    #[inline]
    pub(crate) fn resolved(&self) -> Guard<Option<Arc<Resolved>>> {
        self.resolved.load()
    }

    /// Keeps what a resolver found.
    pub fn set(&self, mut addresses: Addresses) {
        addresses.v4.truncate(ELSEWHERE_ADDRESSES_MAX);
        addresses.v6.truncate(ELSEWHERE_ADDRESSES_MAX);
        let v4: Vec<_> = addresses.v4.iter().map(|v4| v4.octets().to_vec()).collect();
        let v6: Vec<_> = addresses.v6.iter().map(|v6| v6.octets().to_vec()).collect();
        self.resolved.store(Some(Arc::new(Resolved {
            v4: pack(&v4).into(),
            v6: pack(&v6).into(),
            addresses: Arc::new(addresses),
        })));
    }

    /// When an answer needed it last, in milliseconds since 1970: what nobody asks for need not be
    /// refreshed.
    pub fn asked_ms(&self) -> u64 {
        self.asked_ms.load(Ordering::Relaxed)
    }

    /// When a resolver had nothing to say last, in milliseconds since 1970; 0 if it never was so.
    pub(crate) fn failed_ms(&self) -> u64 {
        self.failed_ms.load(Ordering::Relaxed)
    }

    /// Notes that a resolver had nothing to say: that there is no address is not known.
    pub(crate) fn fail(&self, now_ms: u64) {
        self.failed_ms.store(now_ms, Ordering::Relaxed);
    }

    pub(crate) fn ask(&self, now_ms: u64) {
        // A second's precision is enough, and spares the cores each other's cache lines.
        if now_ms.abs_diff(self.asked_ms.load(Ordering::Relaxed)) >= 1000 {
            self.asked_ms.store(now_ms, Ordering::Relaxed);
        }
    }
}

/// All names elsewhere that aliases lead to. A task resolves [`Elsewheres::all`] now and then.
#[derive(Debug, Default)]
pub struct Elsewheres(Mutex<HashMap<Name, Arc<Elsewhere>>>);

impl Elsewheres {
    /// The cell of a name.
    pub fn cell(&self, name: &Name) -> Arc<Elsewhere> {
        let cell = || {
            Arc::new(Elsewhere {
                name: name.clone(),
                resolved: ArcSwapOption::empty(),
                asked_ms: AtomicU64::new(0),
                failed_ms: AtomicU64::new(0),
            })
        };
        let mut cells = self.0.lock();
        cells.entry(name.clone()).or_insert_with(cell).clone()
    }

    /// Every name that is to be resolved; those that no record leads to any more are forgotten.
    pub fn all(&self) -> Vec<Arc<Elsewhere>> {
        let mut cells = self.0.lock();
        cells.retain(|_, cell| Arc::strong_count(cell) > 1);
        cells.values().cloned().collect()
    }
}
