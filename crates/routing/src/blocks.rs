use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use geo::{Network, Projection};

use crate::plan::Order;
use crate::{Choice, Client, Located, RoutingError, Source, Witness, ordered};

/// The location of those who are in none.
const DEFAULT_LOCATION: &str = "*";

/// A CIDR collection as a group sees it (spec §10.8).
#[derive(Debug)]
pub(crate) struct Blocks {
    /// Who answers, best first. The first is for those who are in no location, or in one that no
    /// member is for.
    orders: Vec<Order>,
    /// Number of the order for those of whom all bits are known.
    narrowest: Projection<u16>,
    /// Every block: the number of its location.
    blocks: HashMap<Network, usize>,
    /// The longest prefix of a block, by address family.
    longest_v4: u8,
    longest_v6: u8,
    /// Name and number of the order of each location.
    locations: Vec<(Arc<str>, u16)>,
    /// How many members there are.
    count: u16,
}

impl Blocks {
    /// `members` are the locations that the group's members are for, in the members' order.
    pub fn new(
        members: &[&str],
        collection: &BTreeMap<String, Vec<String>>,
    ) -> Result<Blocks, RoutingError> {
        let members_for = |location: &str| -> Order {
            (members.iter().zip(0..))
                .filter(|(wanted, _)| **wanted == location)
                .map(|(_, member)| member)
                .collect()
        };
        let default = members_for(DEFAULT_LOCATION);
        let mut compiled = Blocks {
            orders: vec![default.clone()],
            narrowest: Projection::constant(0),
            blocks: HashMap::new(),
            longest_v4: 0,
            longest_v6: 0,
            locations: Vec::new(),
            count: members.len() as u16,
        };
        for (location, blocks) in collection {
            let mut order = members_for(location);
            let number = if order.is_empty() {
                0
            } else {
                order.extend(default.iter().copied());
                compiled.orders.push(order);
                compiled.orders.len() as u16 - 1
            };
            let place = compiled.locations.len();
            compiled.locations.push((location.as_str().into(), number));
            for text in blocks {
                let block: Network = text.parse().map_err(|_| RoutingError::Block {
                    location: location.clone(),
                    block: text.clone(),
                })?;
                let longest = match block.address() {
                    IpAddr::V4(_) => &mut compiled.longest_v4,
                    IpAddr::V6(_) => &mut compiled.longest_v6,
                };
                *longest = block.prefix_bits().max(*longest);
                compiled.blocks.insert(block, place);
            }
        }
        let numbers =
            (compiled.blocks.iter()).map(|(block, place)| (*block, compiled.locations[*place].1));
        compiled.narrowest = compiled.narrowest.overlay(numbers);
        Ok(compiled)
    }

    /// The member for the client's location.
    #[inline]
    pub fn choose<W: Witness + ?Sized>(
        &self,
        client: &Client,
        is_healthy: impl FnMut(usize) -> bool,
        witness: &mut W,
    ) -> Choice {
        let (number, mut scope_bits) = self.narrowest.find(client.address);
        let mut number = *number;
        let (longest, known_bits) = match client.address {
            IpAddr::V4(_) => (self.longest_v4, client.prefix_bits),
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(_) => (self.longest_v4, client.prefix_bits.saturating_sub(96)),
                None => (self.longest_v6, client.prefix_bits),
            },
        };
        if known_bits < longest {
            // A block narrower than what is known does not count, and others with more bits may be
            // in it.
            number = self.location(client).map_or(0, |(_, number)| *number);
            scope_bits = scope_bits.max(client.prefix_bits);
        }
        let order = &self.orders[usize::from(number)];
        if witness.is_listening() {
            let location = self.location(client).map(|(name, _)| name.clone());
            witness.located(&Located {
                source: location
                    .as_ref()
                    .map_or(Source::None, |_| Source::Collection),
                cidr_location: location.or_else(|| Some(DEFAULT_LOCATION.into())),
                ..Located::default()
            });
        }
        let choice = ordered::choose(order, self.count, is_healthy, witness);
        Choice {
            scope_bits,
            ..choice
        }
    }

    /// The location of the narrowest block that all of what is known of the client is in.
    #[cold]
    fn location(&self, client: &Client) -> Option<&(Arc<str>, u16)> {
        let known = Network::new(client.address, client.prefix_bits)?;
        (0..=known.prefix_bits()).rev().find_map(|bits| {
            let place = self.blocks.get(&Network::new(known.address(), bits)?)?;
            self.locations.get(*place)
        })
    }
}
