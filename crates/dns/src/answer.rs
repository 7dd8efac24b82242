//! From a query to its answer.

use std::net::SocketAddr;

use records::RecordType;

use crate::message::ClientSubnet;
use crate::world::World;
use crate::zone::Zone;

/// How a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In a datagram, from a source that may be forged.
    Udp,
    /// Over a connection.
    Tcp,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// Where the query came from.
    pub source: SocketAddr,
    /// How it came.
    pub transport: Transport,
    /// When, in milliseconds since 1970.
    pub now_ms: u64,
}

/// What is to be done about a query.
#[derive(Debug)]
pub enum Outcome<'w> {
    /// Nothing: it is no query.
    Silent,
    /// The first `bytes` of the buffer are sent.
    Answer {
        /// How long the response is.
        bytes: usize,
        /// About the response.
        facts: Facts<'w>,
    },
    /// It asks, over TCP, for a zone as a whole; nothing was written.
    Transfer {
        /// The zone.
        zone: &'w Zone,
        /// Whether it asks for what has changed (IXFR).
        is_incremental: bool,
    },
}

/// About a response: for logs, counters and rate limits.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'w> {
    /// The zone that answered.
    pub zone: Option<&'w Zone>,
    /// The response's code, with the bits that EDNS adds.
    pub rcode: u16,
    /// The type that was asked for.
    pub qtype: RecordType,
    /// Length of the name that was asked for, which begins at byte 12 of the query; 0 if the
    /// query has no readable question.
    pub name_bytes: usize,
    /// What kind of response it is.
    pub category: Category,
    /// What the response is about, as a number: the name, or the wildcard that stood in for it; the
    /// zone of a denial; the cut of a referral. Equal for equal ones in all threads.
    pub subject: u64,
    /// Whether it tells the client to ask again over TCP.
    pub is_truncated: bool,
    /// What the client said of the viewer's network.
    pub client_subnet: Option<ClientSubnet>,
    /// The cookie that came with the query.
    pub cookie: Cookie,
}

/// What rate limits tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// There are answers.
    Answer,
    /// The name does not exist.
    NameError,
    /// The name has no such type, or is a referral's.
    NoData,
    /// Anything else: refused, malformed, not possible.
    Error,
}

/// A query's cookie (RFC 7873).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// There is none.
    None,
    /// The client's part alone, or with a server's part that is not of ours or has run out.
    Client,
    /// The server's part is ours: the source is not forged.
    Valid,
}

/// What a thread answers with. It holds what answers need beside the world, and nothing of a query
/// stays in it.
#[derive(Debug)]
pub struct Responder {}

impl Responder {
    /// A thread's responder. Its dice are thrown from `seed`.
    pub fn new(_seed: u64) -> Responder {
        Responder {}
    }

    /// Writes the response to a query into `out`, which is as long as the transport allows.
    ///
    /// It takes no more of a datagram's room than the client said that it can take.
    pub fn respond<'w>(
        &mut self,
        _world: &'w World,
        _query: &[u8],
        _asker: &Asker,
        _out: &mut [u8],
    ) -> Outcome<'w> {
        Outcome::Silent
    }
}
