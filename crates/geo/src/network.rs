use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A block of addresses. IPv4 addresses in IPv6 form are the IPv4 addresses that they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

impl Network {
    /// The block of that address and length; `None` if there is no such length. Bits of the
    /// address behind it are cleared.
    pub fn new(address: IpAddr, prefix_bits: u8) -> Option<Network> {
        let (address, prefix_bits) = match (address, address.to_canonical()) {
            (IpAddr::V6(_), IpAddr::V4(inside)) if prefix_bits >= 96 => {
                (IpAddr::V4(inside), prefix_bits - 96)
            }
            _ => (address, prefix_bits),
        };
        let address = match address {
            IpAddr::V4(address) if prefix_bits <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix_bits));
                IpAddr::V4(Ipv4Addr::from(u32::from(address) & mask.unwrap_or(0)))
            }
            IpAddr::V6(address) if prefix_bits <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix_bits));
                IpAddr::V6(Ipv6Addr::from(u128::from(address) & mask.unwrap_or(0)))
            }
            _ => return None,
        };
        Some(Network {
            address,
            prefix_bits,
        })
    }

    /// Its first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many leading bits its addresses share.
    pub fn prefix_bits(&self) -> u8 {
        self.prefix_bits
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        Network::new(address.to_canonical(), self.prefix_bits)
            .is_some_and(|network| network == *self)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    /// Reads `192.0.2.0/24` or `2001:db8::/32`.
    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let parse = || {
            let (address, bits) = text.split_once('/')?;
            let is_number = bits.bytes().all(|byte| byte.is_ascii_digit());
            let bits = bits.parse().ok().filter(|_| is_number)?;
            Network::new(address.parse().ok()?, bits)
        };
        parse().ok_or(NetworkError)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.prefix_bits)
    }
}

/// A text is no block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no block of addresses such as 192.0.2.0/24 or 2001:db8::/32")]
pub struct NetworkError;
