//! Everything that answers are made of, at one moment.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use documents::route53::{CidrCollection, DISTRIBUTIONS_ZONE, TrafficPolicyInstance};
use health::Board;
use parking_lot::Mutex;
use records::Name;
use routing::Atlas;

use crate::cells::Elsewheres;
use crate::cookie::CookieSecret;
use crate::limits::UDP_PAYLOAD_BYTES;
use crate::platform::Platform;
use crate::zone::names::{Hashed, Hasher};
use crate::zone::table::{Entry, Table};
use crate::zone::{Namesakes, Zone, tag};

/// Everything that answers are made of. It never changes; the next one is made from it by a
/// [`crate::Builder`], shares with it all that is the same, and is put into its place.
#[derive(Clone, Debug)]
pub struct World {
    pub(crate) settings: Arc<Settings>,
    pub(crate) hasher: Hasher,
    pub(crate) health: Arc<Mutex<Board>>,
    pub(crate) elsewheres: Arc<Elsewheres>,
    pub(crate) atlas: Arc<Atlas>,
    pub(crate) platform: Arc<Platform>,
    pub(crate) public: Directory,
    pub(crate) private: Directory,
    pub(crate) views: Arc<[View]>,
    /// Where the zones of ids are.
    pub(crate) ids: Table<Id>,
    pub(crate) instances: Arc<HashMap<String, Arc<TrafficPolicyInstance>>>,
    pub(crate) collections: Arc<HashMap<String, Arc<CidrCollection>>>,
    /// The next zone's number.
    pub(crate) numbers: Arc<AtomicU32>,
}

/// What an operator says of answers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most that is sent in a datagram, and that we say we take, in bytes: 512 to 4096.
    pub udp_payload_bytes: u16,
    /// What this server calls itself to those who ask (NSID, RFC 5001): its PoP's code.
    pub server_id: Option<Box<[u8]>>,
    /// Secrets of cookies (RFC 9018): the first makes them, all are honoured. None, no cookies.
    pub cookie_secrets: Vec<CookieSecret>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            udp_payload_bytes: UDP_PAYLOAD_BYTES,
            server_id: None,
            cookie_secrets: Vec::new(),
        }
    }
}

/// Networks that see the private zones of one VPC (spec §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// `vpc-…`: what private zones are associated with.
    pub vpc: Arc<str>,
    /// The region that its clients are in, for routing: `eu-west-1`.
    pub region: Option<Arc<str>>,
    /// Its networks: address and bits of the prefix.
    pub networks: Vec<(IpAddr, u8)>,
}

impl View {
    /// How many bits of the narrowest of its networks that has the address.
    fn bits(&self, address: IpAddr) -> Option<u8> {
        let has = |network: &&(IpAddr, u8)| is_within(address, network.0, network.1);
        self.networks
            .iter()
            .filter(has)
            .map(|(_, bits)| *bits)
            .max()
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX
                .checked_shl(32 - u32::from(bits.min(32)))
                .unwrap_or(0);
            (u32::from(address) ^ u32::from(network)) & mask == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX
                .checked_shl(128 - u32::from(bits.min(128)))
                .unwrap_or(0);
            (u128::from(address) ^ u128::from(network)) & mask == 0
        }
        _ => false,
    }
}

/// Zones by their names.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    pub zones: Table<Namesakes>,
    /// A bit for each number of labels that a zone's name has, or had.
    pub depths: u128,
}

impl Directory {
    fn new() -> Directory {
        Directory {
            zones: Table::new(),
            depths: 0,
        }
    }

    /// The zone of the longest name that `name` is within, from its `label` on, of those that
    /// `sees`.
    #[inline]
    fn find(&self, name: &Hashed, label: usize, sees: impl Fn(&Zone) -> bool) -> Option<&Zone> {
        let labels = name.labels();
        for label in label..=labels {
            if self.depths >> (labels - label) & 1 == 0 {
                continue;
            }
            let is_it = |zones: &Namesakes| zones.apex().wire() == name.suffix(label);
            let Some(namesakes) = self.zones.find(tag(name.hash(label)), is_it) else {
                continue;
            };
            if let Some(zone) = namesakes.zones.iter().find(|zone| sees(zone)) {
                return Some(zone);
            }
        }
        None
    }
}

/// Where the zone of an id is.
#[derive(Clone, Debug)]
pub(crate) struct Id {
    pub tag: u32,
    pub id: Arc<str>,
    pub apex: Name,
    pub apex_hash: u64,
    pub is_private: bool,
}

impl Entry for Id {
    fn tag(&self) -> u32 {
        self.tag
    }
}

impl World {
    /// A world without zones. `seed` keeps those who choose names from choosing their place in our
    /// tables.
    pub fn empty(seed: u64, settings: Settings) -> World {
        World {
            settings: Arc::new(settings),
            hasher: Hasher::new(seed),
            health: Arc::default(),
            elsewheres: Arc::default(),
            atlas: Arc::default(),
            platform: Arc::default(),
            public: Directory::new(),
            private: Directory::new(),
            views: Arc::from([]),
            ids: Table::new(),
            instances: Arc::default(),
            collections: Arc::default(),
            numbers: Arc::default(),
        }
    }

    /// The same, with health checks as somebody else's board has them.
    pub fn with_health(self, health: Arc<Mutex<Board>>) -> World {
        World { health, ..self }
    }

    /// The state of health checks, the same in all worlds made from one. Answers have a cell of
    /// each check that they name, and never lock it.
    pub fn health(&self) -> &Arc<Mutex<Board>> {
        &self.health
    }

    /// The names that are resolved elsewhere, the same in all worlds made from one.
    pub fn elsewheres(&self) -> &Arc<Elsewheres> {
        &self.elsewheres
    }

    /// What is known of where clients are, the same in all worlds made from one.
    pub fn atlas(&self) -> &Arc<Atlas> {
        &self.atlas
    }

    /// What the operator says.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The zone of an id: `Z…`.
    pub fn zone(&self, id: &str) -> Option<&Arc<Zone>> {
        let entry = self.id(id)?;
        let directory = self.directory(entry.is_private);
        let is_it = |zones: &Namesakes| *zones.apex() == entry.apex;
        let namesakes = directory.zones.find(tag(entry.apex_hash), is_it)?;
        namesakes.zones.iter().find(|zone| *zone.id == *id)
    }

    /// All zones, in no order; the platform's own is not among them.
    pub fn zones(&self) -> impl Iterator<Item = &Arc<Zone>> {
        let namesakes = self.public.zones.iter().chain(self.private.zones.iter());
        let zones = namesakes.flat_map(|namesakes| namesakes.zones.iter());
        zones.filter(|zone| &*zone.id != DISTRIBUTIONS_ZONE)
    }

    /// All record sets, as their documents in the store.
    pub fn documents(&self) -> impl Iterator<Item = store::Document> + '_ {
        self.zones().flat_map(|zone| zone.stored_documents())
    }

    pub(crate) fn directory(&self, is_private: bool) -> &Directory {
        match is_private {
            true => &self.private,
            false => &self.public,
        }
    }

    pub(crate) fn id(&self, id: &str) -> Option<&Id> {
        let tag = self.id_tag(id);
        self.ids.find(tag, |entry| *entry.id == *id)
    }

    pub(crate) fn id_tag(&self, id: &str) -> u32 {
        tag(self.hasher.child(0, id.as_bytes()))
    }

    /// The zone that answers for a name, from its `label` on, to who asks from `source`: the
    /// narrowest private zone of theirs, else the narrowest public one.
    #[inline]
    pub(crate) fn find(&self, name: &Hashed, label: usize, source: IpAddr) -> Option<&Zone> {
        if self.private.zones.len() > 0
            && let Some(view) = self.view(source)
        {
            let sees = |zone: &Zone| {
                let vpcs = zone.vpcs.iter().flat_map(|vpcs| vpcs.iter());
                vpcs.into_iter().any(|vpc| *vpc == view.vpc)
            };
            if let Some(zone) = self.private.find(name, label, sees) {
                return Some(zone);
            }
        }
        self.public.find(name, label, |_| true)
    }

    /// The view of an address: that with the narrowest network around it.
    fn view(&self, source: IpAddr) -> Option<&View> {
        let bits = |view: &&View| view.bits(source);
        self.views
            .iter()
            .filter(|view| bits(view).is_some())
            .max_by_key(bits)
    }
}
