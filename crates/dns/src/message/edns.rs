//! EDNS (RFC 6891): the options that are read and written here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ClientSubnet;

const DNSSEC_OK: u32 = 0x8000;

const SERVER_ID: u16 = 3;
const CLIENT_SUBNET: u16 = 8;
const COOKIE: u16 = 10;

/// The root, type, class, time to live and length.
const OPT_BYTES: usize = 11;
const OPTION_HEADER_BYTES: usize = 4;
const COOKIE_BYTES: usize = 24;

/// What EDNS says in a query.
#[derive(Clone, Copy, Debug)]
pub struct Edns<'q> {
    /// How much the client takes in a datagram, in bytes.
    pub udp_payload_bytes: u16,
    /// 0 is the one that there is.
    pub version: u8,
    /// Whether signatures are wanted.
    pub is_dnssec_ok: bool,
    /// Whether the client wants to know which server it is that answers.
    pub wants_server_id: bool,
    /// The option of RFC 7871, as it came; it is valid.
    pub client_subnet: Option<Subnet<'q>>,
    /// The data of the option of RFC 7873, as it came.
    pub cookie: Option<&'q [u8]>,
}

/// The option of RFC 7871.
#[derive(Clone, Copy, Debug)]
pub struct Subnet<'q> {
    data: &'q [u8],
    /// None if it gives no family, and hence no address.
    pub subnet: Option<ClientSubnet>,
}

impl Edns<'_> {
    pub(crate) fn new(class: u16, ttl: u32) -> Self {
        Edns {
            udp_payload_bytes: class,
            version: (ttl >> 16) as u8,
            is_dnssec_ok: ttl & DNSSEC_OK != 0,
            wants_server_id: false,
            client_subnet: None,
            cookie: None,
        }
    }
}

/// Reads the options; none if they do not follow their format. Of an option that is there more than
/// once the first counts.
#[inline]
pub(crate) fn read_options<'q>(mut rest: &'q [u8], edns: &mut Edns<'q>) -> Option<()> {
    while !rest.is_empty() {
        let header = rest.first_chunk::<OPTION_HEADER_BYTES>()?;
        let code = u16::from_be_bytes([header[0], header[1]]);
        let bytes = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let data = rest.get(OPTION_HEADER_BYTES..OPTION_HEADER_BYTES + bytes)?;
        rest = &rest[OPTION_HEADER_BYTES + bytes..];
        match code {
            SERVER_ID => edns.wants_server_id = true,
            CLIENT_SUBNET => {
                let subnet = client_subnet(data)?;
                edns.client_subnet.get_or_insert(subnet);
            }
            COOKIE => {
                edns.cookie.get_or_insert(data);
            }
            _ => {}
        }
    }
    Some(())
}

/// The rules of RFC 7871 §6 and §7.1.2: as many bytes as the prefix needs, no bit beyond it, and no
/// scope in a query.
fn client_subnet(data: &[u8]) -> Option<Subnet<'_>> {
    let [family_high, family_low, prefix_bits, 0, network @ ..] = data else {
        return None;
    };
    let bits_max = match u16::from_be_bytes([*family_high, *family_low]) {
        // Whoever wants nobody's network to count need not say of which family none is.
        0 => 0,
        1 => 32,
        2 => 128,
        _ => return None,
    };
    let bytes = usize::from(*prefix_bits).div_ceil(8);
    if *prefix_bits > bits_max || network.len() != bytes {
        return None;
    }
    let bits_beyond = bytes * 8 - usize::from(*prefix_bits);
    if network
        .last()
        .is_some_and(|last| last.trailing_zeros() < bits_beyond as u32)
    {
        return None;
    }
    let mut address = [0; 16];
    address[..bytes].copy_from_slice(network);
    let address = match bits_max {
        0 => None,
        32 => address
            .first_chunk()
            .map(|v4: &[u8; 4]| IpAddr::V4(Ipv4Addr::from(*v4))),
        _ => Some(IpAddr::V6(Ipv6Addr::from(address))),
    };
    let subnet = address.map(|address| ClientSubnet {
        address,
        prefix_bits: *prefix_bits,
    });
    Some(Subnet { data, subnet })
}

/// The OPT record of a response.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reply<'a> {
    pub udp_payload_bytes: u16,
    pub is_dnssec_ok: bool,
    pub server_id: Option<&'a [u8]>,
    pub cookie: Option<[u8; COOKIE_BYTES]>,
    pub client_subnet: Option<Subnet<'a>>,
}

impl Reply<'_> {
    /// How long it will be.
    pub fn bytes(&self) -> usize {
        let option = |bytes: Option<usize>| bytes.map_or(0, |bytes| OPTION_HEADER_BYTES + bytes);
        OPT_BYTES
            + option(self.server_id.map(<[u8]>::len))
            + option(self.cookie.map(|cookie| cookie.len()))
            + option(self.client_subnet.map(|subnet| subnet.data.len()))
    }

    /// Writes it at the start of `out`, which is long enough.
    pub fn write(&self, rcode: u16, scope_bits: u8, out: &mut [u8]) {
        let bytes = self.bytes();
        let out = &mut out[..bytes];
        let flags = if self.is_dnssec_ok {
            DNSSEC_OK as u16
        } else {
            0
        };
        out[..3].copy_from_slice(&[0, 0, 41]);
        out[3..5].copy_from_slice(&self.udp_payload_bytes.to_be_bytes());
        out[5..7].copy_from_slice(&[(rcode >> 4) as u8, 0]);
        out[7..9].copy_from_slice(&flags.to_be_bytes());
        out[9..OPT_BYTES].copy_from_slice(&((bytes - OPT_BYTES) as u16).to_be_bytes());
        let mut at = OPT_BYTES;
        let mut option = |code: u16, data: &[u8]| {
            let from = at;
            out[at..at + 2].copy_from_slice(&code.to_be_bytes());
            out[at + 2..at + 4].copy_from_slice(&(data.len() as u16).to_be_bytes());
            at += OPTION_HEADER_BYTES + data.len();
            out[from + OPTION_HEADER_BYTES..at].copy_from_slice(data);
            from + OPTION_HEADER_BYTES
        };
        if let Some(id) = self.server_id {
            option(SERVER_ID, id);
        }
        if let Some(cookie) = &self.cookie {
            option(COOKIE, cookie);
        }
        if let Some(subnet) = self.client_subnet {
            let data_at = option(CLIENT_SUBNET, subnet.data);
            out[data_at + 3] = match subnet.data[2] {
                // Without a network, the answer is for all (RFC 7871 §7.2.1).
                0 => 0,
                _ => scope_bits,
            };
        }
    }
}
