use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use cache::flight::FlightTable;
use cache::key::{CacheKey, KeyHasher};
use geo::Geo;
use message::Fields;
use origin::{Client, ClientIdentity};
use telemetry::access_log::{AccessLog, LogHandle};
use telemetry::metrics::{Registry, Rejections, SiteCounters};
use tls::{Hosts, Negotiated};

use crate::clients::Clients;
use crate::directory::{Directory, Served};
use crate::fetch::Landing;
use crate::keyring::Challenges;
use crate::latency::Latencies;
use crate::limits;
use crate::objects::Objects;
use crate::origin_access::NodeKeys;
use crate::origin_health::OriginHealth;
use crate::signed_access::Grants;
use crate::{Clock, Dice, Timeouts};

/// What all workers of a node share.
pub(crate) struct Shared {
    pub clock: Clock,
    pub directory: Arc<ArcSwap<Directory>>,
    /// Who answers handshakes.
    pub hosts: Arc<ArcSwap<Hosts>>,
    /// Answers to certificate authorities.
    pub challenges: ArcSwap<Challenges>,
    pub handshakes: Handshakes,
    /// What requests to private origins are signed with.
    pub origin_keys: NodeKeys,
    /// What origins are shown who ask who we are, by the certificate's id.
    pub client_identities: ArcSwap<HashMap<String, ClientIdentity>>,
    pub store: Objects,
    pub hasher: KeyHasher,
    /// Signatures that were verified lately.
    pub grants: Grants,
    pub flights: Arc<FlightTable<Landing>>,
    pub uncacheable: Uncacheable,
    pub registry: Registry,
    pub rejections: Arc<Rejections>,
    pub log: Option<AccessLog>,
    pub geo: Option<Arc<Geo>>,
    pub clients: Clients,
    pub origin_health: OriginHealth,
    pub timeouts: Timeouts,
    pub latencies: Latencies,
    pub accepted: AtomicU64,
    pub refused: AtomicU64,
    pub open: AtomicUsize,
    /// This node in `Via`.
    pub via: String,
    /// This place in `X-Amz-Cf-Pop`.
    pub pop: String,
    /// `Via` and `X-Amz-Cf-Pop` as every reply has them.
    pub common_fields: Vec<u8>,
    /// `Alt-Svc`, where HTTP/3 is spoken; empty without.
    pub alt_svc_field: Vec<u8>,
    /// The port of HTTPS, for redirects.
    pub https_port: Option<u16>,
}

impl Shared {
    /// Whether there is a database that tells viewers' countries.
    pub fn knows_countries(&self) -> bool {
        self.geo.as_ref().is_some_and(|geo| geo.has_countries())
    }
}

/// Handshakes with viewers, counted.
#[derive(Default)]
pub(crate) struct Handshakes {
    pub full: AtomicU64,
    pub resumed: AtomicU64,
    pub failed: AtomicU64,
}

impl Handshakes {
    /// Full, resumed, failed.
    pub fn values(&self) -> [u64; 3] {
        [&self.full, &self.resumed, &self.failed].map(|count| count.load(Ordering::Relaxed))
    }

    pub fn count(&self, negotiated: &Negotiated) {
        let counter = match negotiated.resumed {
            true => &self.resumed,
            false => &self.full,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// One worker: a thread with its own runtime, origin connections and log buffer.
pub(crate) struct Worker {
    pub shared: Arc<Shared>,
    pub index: usize,
    pub origins: Client,
    pub log: RefCell<Option<LogHandle>>,
    pub dice: Dice,
    /// What bodies take that are read before they are signed.
    pub signed_bodies_bytes: Rc<Cell<usize>>,
    /// Buffers for making keys: the material and one value.
    pub scratch: RefCell<(Vec<u8>, Vec<u8>)>,
    spare_fields: RefCell<Vec<Fields>>,
    spare_buffers: RefCell<Vec<Vec<u8>>>,
}

impl Worker {
    pub fn new(shared: Arc<Shared>, index: usize, origins: Client, seed: u64) -> Worker {
        let log = shared.log.as_ref().map(AccessLog::handle);
        Worker {
            shared,
            index,
            origins,
            log: RefCell::new(log),
            dice: Dice::new(seed),
            signed_bodies_bytes: Rc::default(),
            scratch: RefCell::default(),
            spare_fields: RefCell::default(),
            spare_buffers: RefCell::default(),
        }
    }

    /// The counters that only this worker writes.
    pub fn counters<'s>(&self, served: &'s Served) -> &'s SiteCounters {
        served.metrics.worker(self.index)
    }

    /// The time, in milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        self.shared.clock.now_ms()
    }

    /// An empty list of fields with memory from an earlier reply.
    pub fn fields(&self) -> Fields {
        let spare = self.spare_fields.borrow_mut().pop();
        spare.unwrap_or_else(|| Fields::with_capacity(1_024))
    }

    /// Takes the memory of a list of fields back.
    pub fn recycle(&self, mut fields: Fields) {
        let mut spare = self.spare_fields.borrow_mut();
        if spare.len() < limits::SPARE_BUFFERS_MAX {
            fields.clear();
            spare.push(fields);
        }
    }

    /// An empty buffer to write a reply into. Connections own none while they wait.
    pub fn buffer(&self) -> Vec<u8> {
        let spare = self.spare_buffers.borrow_mut().pop();
        spare.unwrap_or_else(|| Vec::with_capacity(4 * 1_024))
    }

    /// Takes a buffer back.
    pub fn recycle_buffer(&self, mut buffer: Vec<u8>) {
        let mut spare = self.spare_buffers.borrow_mut();
        if spare.len() < limits::SPARE_BUFFERS_MAX
            && buffer.capacity() <= limits::WRITE_BUFFER_BYTES
        {
            buffer.clear();
            spare.push(buffer);
        }
    }
}

/// Keys whose last answer could not be stored, so that the next ones need not wait for a flight
/// that will be released ("hit for miss"). A table of fixed size; a forgotten key costs a wait.
pub(crate) struct Uncacheable {
    slots: Box<[AtomicU64]>,
}

impl Uncacheable {
    pub fn new() -> Uncacheable {
        Uncacheable {
            slots: (0..limits::UNCACHEABLE_KEYS)
                .map(|_| AtomicU64::new(0))
                .collect(),
        }
    }

    /// The slot of a key, and 32 bits that tell it from others there.
    fn place(&self, key: CacheKey) -> (&AtomicU64, u64) {
        let bits = key.bits();
        (
            &self.slots[bits as usize % self.slots.len()],
            (bits >> 96) as u64,
        )
    }

    pub fn remember(&self, key: CacheKey, now_secs: u64) {
        let (slot, tag) = self.place(key);
        slot.store(tag << 32 | (now_secs & 0xffff_ffff), Ordering::Relaxed);
    }

    pub fn forget(&self, key: CacheKey) {
        let (slot, tag) = self.place(key);
        if slot.load(Ordering::Relaxed) >> 32 == tag {
            slot.store(0, Ordering::Relaxed);
        }
    }

    pub fn contains(&self, key: CacheKey, now_secs: u64) -> bool {
        let (slot, tag) = self.place(key);
        let value = slot.load(Ordering::Relaxed);
        value != 0
            && value >> 32 == tag
            && (now_secs as u32).wrapping_sub(value as u32) < limits::UNCACHEABLE_SECS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uncacheable_key_is_remembered_for_a_while() {
        let table = Uncacheable::new();
        let (key, other) = (
            CacheKey::from_bits(5 | 7 << 96),
            CacheKey::from_bits(5 | 8 << 96),
        );
        assert!(!table.contains(key, 100));
        table.remember(key, 100);
        assert!(table.contains(key, 100) && !table.contains(other, 100));
        assert!(!table.contains(key, 100 + u64::from(limits::UNCACHEABLE_SECS)));
        table.forget(key);
        assert!(!table.contains(key, 100));
    }
}
