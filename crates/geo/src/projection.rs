use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use crate::table::{Address, NOWHERE, Patch, Table};
use crate::{Geo, Location, Network};

/// A value for every address: what of the world matters for one purpose.
///
/// Ranges of addresses with equal values are one range, so that a find also tells how much of the
/// address it depended on.
#[derive(Clone, Debug)]
pub struct Projection<K> {
    v4: Table<u32>,
    v6: Table<u128>,
    values: Box<[K]>,
}

impl Geo {
    /// The value of every location and of being nowhere. `of` is asked once for each location.
    pub fn project<K: Clone + Eq + Hash>(
        &self,
        mut of: impl FnMut(Option<&Location>) -> K,
    ) -> Projection<K> {
        let mut values = Values::default();
        let mut known = vec![NOWHERE; self.locations.len()];
        let nowhere = values.number(of(None));
        let mut value_of = |place: u32| match known.get_mut(place as usize) {
            Some(number) => {
                if *number == NOWHERE {
                    *number = values.number(of(self.locations.get(place as usize)));
                }
                *number
            }
            None => nowhere,
        };
        Projection {
            v4: self.v4.map(&mut value_of),
            v6: self.v6.map(&mut value_of),
            values: values.finish(),
        }
    }
}

impl<K: Clone + Eq + Hash> Projection<K> {
    /// The same value everywhere.
    pub fn constant(value: K) -> Projection<K> {
        Projection {
            v4: Table::new().map(|_| 0),
            v6: Table::new().map(|_| 0),
            values: Box::new([value]),
        }
    }

    /// What matters of what matters.
    pub fn project<J: Clone + Eq + Hash>(&self, of: impl FnMut(&K) -> J) -> Projection<J> {
        let mut values = Values::default();
        let numbers: Vec<u32> = self
            .values
            .iter()
            .map(of)
            .map(|value| values.number(value))
            .collect();
        Projection {
            v4: self.v4.map(|place| numbers[place as usize]),
            v6: self.v6.map(|place| numbers[place as usize]),
            values: values.finish(),
        }
    }

    /// Other values for some networks. The narrowest network around an address counts, and of two
    /// equal ones the later.
    pub fn overlay(&self, networks: impl IntoIterator<Item = (Network, K)>) -> Projection<K> {
        let mut values = Values::of(&self.values);
        let mut networks: Vec<(Network, u32)> = networks
            .into_iter()
            .map(|(network, value)| (network, values.number(value)))
            .collect();
        // Stable, by address and then length: as tables want them.
        networks.sort_by_key(|(network, _)| *network);
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, value) in networks {
            let bits = u32::from(network.prefix_bits());
            match network.address() {
                IpAddr::V4(first) => {
                    let rest = u32::MAX.checked_shr(bits).unwrap_or(0);
                    v4.push(patch(u32::from(first), rest, value));
                }
                IpAddr::V6(first) => {
                    let rest = u128::MAX.checked_shr(bits).unwrap_or(0);
                    v6.push(patch(u128::from(first), rest, value));
                }
            }
        }
        Projection {
            v4: self.v4.overlay(&v4),
            v6: self.v6.overlay(&v6),
            values: values.finish(),
        }
    }

    /// How many ranges of addresses and how many values there are.
    pub fn counts(&self) -> (usize, usize) {
        (self.v4.len() + self.v6.len(), self.values.len())
    }
}

impl<K> Projection<K> {
    /// The value for an address, and how many of its leading bits that depends on: the length of
    /// the widest network around it in which all addresses have the same value. 0 if that is the
    /// whole family. IPv4 addresses in IPv6 form are found as what they are; their first 96 bits
    /// count then.
    #[inline]
    pub fn find(&self, address: IpAddr) -> (&K, u8) {
        let (value, prefix_bits) = match address {
            IpAddr::V4(address) => self.v4.find_prefix(u32::from(address)),
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(inside) => {
                    let (value, prefix_bits) = self.v4.find_prefix(u32::from(inside));
                    (value, prefix_bits + 96)
                }
                None => self.v6.find_prefix(u128::from(address)),
            },
        };
        (&self.values[value as usize], prefix_bits)
    }
}

fn patch<A: Address + std::ops::BitOr<Output = A>>(first: A, rest: A, value: u32) -> Patch<A> {
    (first, first | rest, value)
}

/// Values, each once, by number.
struct Values<K> {
    numbers: HashMap<K, u32>,
    values: Vec<K>,
}

impl<K> Default for Values<K> {
    fn default() -> Values<K> {
        Values {
            numbers: HashMap::new(),
            values: Vec::new(),
        }
    }
}

impl<K: Clone + Eq + Hash> Values<K> {
    fn of(values: &[K]) -> Values<K> {
        let mut known = Values::default();
        for value in values {
            known.number(value.clone());
        }
        known
    }

    fn number(&mut self, value: K) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        // There are at most as many values as locations and networks, which is far from 2³².
        let number = self.values.len() as u32;
        self.values.push(value.clone());
        self.numbers.insert(value, number);
        number
    }

    fn finish(self) -> Box<[K]> {
        self.values.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::NetworkError;
    use crate::testing::{DatabaseWriter, Datum};

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn net(text: &str) -> Network {
        text.parse().unwrap()
    }

    fn countries() -> Geo {
        let database = DatabaseWriter::new(24)
            .add(ip("192.0.2.0"), 24, &Datum::country("KR"))
            .add(ip("192.0.3.0"), 24, &Datum::country("JP"))
            .add(ip("2001:db8::"), 32, &Datum::country("KR"))
            .finish();
        Geo::compile(&database).unwrap()
    }

    #[test]
    fn neighbours_that_are_alike_are_one_network() {
        let countries = countries().project(|location| location.and_then(|place| place.country));
        assert_eq!(countries.find(ip("192.0.2.9")), (&Some(*b"KR"), 24));
        assert_eq!(countries.find(ip("192.0.3.9")), (&Some(*b"JP"), 24));
        assert_eq!(countries.find(ip("2001:db8::1")), (&Some(*b"KR"), 32));
        let known = countries.project(Option::is_some);
        assert_eq!(known.find(ip("192.0.2.9")), (&true, 23));
        assert_eq!(known.find(ip("192.0.3.9")), (&true, 23));
        assert_eq!(known.find(ip("192.0.4.0")), (&false, 22));
        assert_eq!(known.find(ip("193.0.0.0")), (&false, 8));
        assert_eq!(known.find(ip("10.0.0.0")), (&false, 1));
        let all = known.project(|_| ());
        assert_eq!(all.find(ip("192.0.3.9")), (&(), 0));
        assert_eq!(all.find(ip("2001:db8::1")), (&(), 0));
        assert_eq!(all.counts(), (2, 1));
    }

    #[test]
    fn an_ipv4_address_in_ipv6_form_is_found_as_what_it_is() {
        let countries = countries().project(|location| location.and_then(|place| place.country));
        let found = countries.find(ip("::ffff:192.0.2.9"));
        assert_eq!(found, (&Some(*b"KR"), 96 + 24));
    }

    #[test]
    fn without_a_database_the_world_is_one() {
        let nothing = Projection::constant(7);
        for address in ["0.0.0.0", "255.255.255.255", "::", "ffff::"] {
            assert_eq!(nothing.find(ip(address)), (&7, 0));
        }
    }

    #[test]
    fn a_network_laid_over_the_world_hides_what_is_below_it_alone() {
        let laid = countries()
            .project(|location| location.is_some())
            .project(|known| if *known { "known" } else { "unknown" })
            .overlay([
                (net("192.0.2.128/25"), "measured"),
                (net("0.0.0.0/1"), "half"),
                (net("255.255.255.255/32"), "last"),
                (net("2001:db8::/48"), "measured"),
            ]);
        for (address, want, bits) in [
            ("192.0.2.127", "known", 25),
            ("192.0.2.128", "measured", 25),
            ("192.0.3.0", "known", 24),
            ("127.255.255.255", "half", 1),
            ("128.0.0.0", "unknown", 2),
            ("255.255.255.254", "unknown", 32),
            ("255.255.255.255", "last", 32),
            ("2001:db8::1", "measured", 48),
            ("2001:db8:1::1", "known", 48),
            ("2001:db8:8000::1", "known", 33),
        ] {
            assert_eq!(laid.find(ip(address)), (&want, bits), "{address}");
        }
    }

    #[test]
    fn texts_that_are_no_networks_are_refused() {
        for wrong in [
            "",
            "/",
            "10.0.0.0",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/+8",
            "x/8",
            "::/",
        ] {
            assert_eq!(wrong.parse::<Network>(), Err(NetworkError), "{wrong}");
        }
        assert_eq!(net("10.1.2.3/8").to_string(), "10.0.0.0/8");
        assert_eq!(net("::ffff:10.1.2.3/104").to_string(), "10.0.0.0/8");
        assert_eq!(net("2001:db8::1/32").to_string(), "2001:db8::/32");
        assert_eq!(net("0.0.0.0/0").to_string(), "0.0.0.0/0");
        assert!(net("10.0.0.0/8").contains(ip("10.9.9.9")));
        assert!(!net("10.0.0.0/8").contains(ip("11.0.0.0")));
        assert!(!net("10.0.0.0/8").contains(ip("::1")));
    }

    /// The first address of the 1024 in which the tests below have their networks.
    const CORNER: u32 = 0x0a01_0400;

    fn networks() -> impl Strategy<Value = Vec<(u32, u8, u8)>> {
        prop::collection::vec((0..1024u32, 22..=32u8, 1..4u8), 0..24)
    }

    proptest! {
        #[test]
        fn the_narrowest_network_counts_and_the_prefix_is_the_widest_true_one(
            networks in networks(),
            split in 0..20usize,
        ) {
            let networks: Vec<(Network, u8)> = networks
                .into_iter()
                .map(|(low, bits, value)| {
                    let address = std::net::Ipv4Addr::from(CORNER + low);
                    (Network::new(address.into(), bits).unwrap(), value)
                })
                .collect();
            // What is narrowest is decided within one layer; a later layer is on top.
            let (lower, upper) = networks.split_at(split.min(networks.len()));
            let laid = Projection::constant(0)
                .overlay(lower.iter().copied())
                .overlay(upper.iter().copied());
            let narrowest = |layer: &[(Network, u8)], address: IpAddr| {
                layer
                    .iter()
                    .filter(|(network, _)| network.contains(address))
                    .max_by_key(|(network, _)| network.prefix_bits())
                    .map(|(_, value)| *value)
            };
            let values: Vec<u8> = (0..1024)
                .map(|low| {
                    let address = std::net::Ipv4Addr::from(CORNER + low).into();
                    narrowest(upper, address)
                        .or_else(|| narrowest(lower, address))
                        .unwrap_or(0)
                })
                .collect();
            for (low, want) in values.iter().enumerate() {
                let address = std::net::Ipv4Addr::from(CORNER + low as u32).into();
                let is_uniform = |bits: &u8| {
                    let block = 1usize << (32 - bits);
                    let first = low & !(block - 1);
                    values[first..first + block].iter().all(|value| value == want)
                };
                let bits = if values.iter().all(|value| *value == 0) {
                    0
                } else {
                    (22..=32).find(is_uniform).unwrap()
                };
                // Outside of the corner all is 0, so a corner of another value ends at its bounds.
                prop_assert_eq!(laid.find(address), (want, bits));
            }
        }
    }
}
