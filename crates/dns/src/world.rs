//! Everything that answers are made of, at one moment.

use std::net::IpAddr;
use std::sync::Arc;

use crate::cells::{Elsewheres, HealthCells};
use crate::limits::UDP_PAYLOAD_BYTES;
use crate::zone::Zone;

/// Everything that answers are made of. It never changes; the next one is made from it by a
/// [`crate::Builder`], shares with it all that is the same, and is put into its place.
#[derive(Clone, Debug)]
pub struct World {
    pub(crate) settings: Arc<Settings>,
    pub(crate) health: Arc<HealthCells>,
    pub(crate) elsewheres: Arc<Elsewheres>,
}

/// What an operator says of answers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most that is sent in a datagram, and that we say we take, in bytes: 512 to 4096.
    pub udp_payload_bytes: u16,
    /// What this server calls itself to those who ask (NSID, RFC 5001): its PoP's code.
    pub server_id: Option<Box<[u8]>>,
    /// Secrets of cookies (RFC 9018): the first makes them, all are honoured. None, no cookies.
    pub cookie_secrets: Vec<[u8; 16]>,
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

impl World {
    /// A world without zones. `seed` keeps those who choose names from choosing their place in our
    /// tables.
    pub fn empty(_seed: u64, settings: Settings) -> World {
        World {
            settings: Arc::new(settings),
            health: Arc::default(),
            elsewheres: Arc::default(),
        }
    }

    /// The cells of health checks, the same in all worlds made from one.
    pub fn health(&self) -> &Arc<HealthCells> {
        &self.health
    }

    /// The names that are resolved elsewhere, the same in all worlds made from one.
    pub fn elsewheres(&self) -> &Arc<Elsewheres> {
        &self.elsewheres
    }

    /// What the operator says.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The zone of an id: `Z…`.
    pub fn zone(&self, _id: &str) -> Option<&Arc<Zone>> {
        None
    }

    /// All record sets, as their documents in the store.
    pub fn documents(&self) -> impl Iterator<Item = store::Document> + '_ {
        std::iter::empty()
    }
}
