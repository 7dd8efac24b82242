//! Messages: queries read in place.

use std::net::IpAddr;

/// What a client said of the viewer's network (RFC 7871).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientSubnet {
    /// The network's address; bits beyond the prefix are 0.
    pub address: IpAddr,
    /// How many bits of it the client told.
    pub prefix_bits: u8,
}
