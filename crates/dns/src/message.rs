//! Messages: queries read in place, responses written in place.

pub(crate) mod edns;
pub mod inside;
mod query;
mod writer;

use std::net::IpAddr;

pub use query::{Malformed, Query, read};
pub(crate) use writer::{Full, Owner, Section, Writer};

pub(crate) const HEADER_BYTES: usize = 12;
pub(crate) const CLASS_IN: u16 = 1;

/// Response codes (RFC 1035 §4.1.1, RFC 6891 §9, RFC 8945 §5.2).
pub mod rcode {
    /// All is well.
    pub const NOERROR: u16 = 0;
    /// The query cannot be read.
    pub const FORMERR: u16 = 1;
    /// The answer cannot be made.
    pub const SERVFAIL: u16 = 2;
    /// The name does not exist.
    pub const NXDOMAIN: u16 = 3;
    /// The kind of query is not known here.
    pub const NOTIMP: u16 = 4;
    /// Not for this client, or not from this server.
    pub const REFUSED: u16 = 5;
    /// The key of a signature is not known here.
    pub const NOTAUTH: u16 = 9;
    /// The version of EDNS is not known here.
    pub const BADVERS: u16 = 16;

    /// Its name, as in logs.
    pub fn name(rcode: u16) -> &'static str {
        match rcode {
            NOERROR => "NOERROR",
            FORMERR => "FORMERR",
            SERVFAIL => "SERVFAIL",
            NXDOMAIN => "NXDOMAIN",
            NOTIMP => "NOTIMP",
            REFUSED => "REFUSED",
            NOTAUTH => "NOTAUTH",
            BADVERS => "BADVERS",
            _ => "OTHER",
        }
    }
}

/// What a client said of the viewer's network (RFC 7871).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientSubnet {
    /// The network's address; bits beyond the prefix are 0.
    pub address: IpAddr,
    /// How many bits of it the client told; with 0, the client wants nobody's network to count.
    pub prefix_bits: u8,
}
