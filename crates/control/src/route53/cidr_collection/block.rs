use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest prefixes (spec §10.8): networks of this size are told apart, and no smaller ones.
const V4_BITS_MAX: u8 = 24;
const V6_BITS_MAX: u8 = 48;

/// A block of addresses: `192.0.2.0/24`. IPv4 before IPv6, each by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Block {
    address: IpAddr,
    bits: u8,
}

impl Block {
    /// Reads a block; says what is wrong with what is none, or not one that can be routed by.
    pub(super) fn parse(text: &str) -> Result<Block, String> {
        let form = || "it is no block such as 192.0.2.0/24 or 2001:db8::/32".to_owned();
        let (address, bits) = text.split_once('/').ok_or_else(form)?;
        let address: IpAddr = address.parse().map_err(|_| form())?;
        if bits.is_empty() || !bits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(form());
        }
        let bits: u8 = bits.parse().map_err(|_| form())?;
        let most = match address {
            IpAddr::V4(_) => V4_BITS_MAX,
            IpAddr::V6(_) => V6_BITS_MAX,
        };
        if bits == 0 || bits > most {
            return Err(format!(
                "its prefix has {bits} bits; allowed are 1 to {most}"
            ));
        }
        let network = network(address, bits);
        match network == address {
            true => Ok(Block { address, bits }),
            false => Err(format!(
                "its address goes beyond the prefix; the block is {network}/{bits}"
            )),
        }
    }
}

impl fmt::Display for Block {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.bits)
    }
}

/// The address with all bits after the first `bits` cleared; there are at least as many.
fn network(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX << (32 - bits);
            Ipv4Addr::from(u32::from(address) & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX << (128 - bits);
            Ipv6Addr::from(u128::from(address) & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_written_in_one_form() {
        for (text, written) in [
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("128.0.0.0/1", "128.0.0.0/1"),
            ("2001:DB8:0::/32", "2001:db8::/32"),
            ("2001:db8:1::/48", "2001:db8:1::/48"),
        ] {
            assert_eq!(Block::parse(text).unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_cannot_be_routed_by_is_no_block() {
        for text in [
            "",
            "192.0.2.0",
            "192.0.2.0/",
            "192.0.2.0/+8",
            "192.0.2.0/25",
            "0.0.0.0/0",
            "::/0",
            "2001:db8::/49",
            "192.0.2.1/24",
            "2001:db8::1/32",
            "192.0.2.0/24/1",
            "192.0.2.0/999",
        ] {
            assert!(Block::parse(text).is_err(), "{text}");
        }
    }
}
