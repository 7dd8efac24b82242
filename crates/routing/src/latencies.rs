use std::collections::HashMap;
use std::net::IpAddr;

use geo::Network;

use crate::limits;

/// Round-trip times from points of presence to networks, as edges measured them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Latencies {
    networks: HashMap<Network, Vec<RoundTrip>>,
    pops: HashMap<String, u16>,
    regions: HashMap<String, u16>,
}

/// A round trip from one point of presence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RoundTrip {
    pop: u16,
    region: Option<u16>,
    ms: f32,
}

/// Whose measurements count for a candidate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sources {
    pop: Option<u16>,
    region: Option<u16>,
}

impl Latencies {
    /// Adds what a point of presence measured to a network: an address and how many leading bits
    /// of it count. If it measured that before, the shorter time counts. False, and nothing is
    /// added, if the network or the time makes no sense or the table is full.
    pub fn add(
        &mut self,
        (address, prefix_bits): (IpAddr, u8),
        pop: &str,
        region: Option<&str>,
        milliseconds: f32,
    ) -> bool {
        let Some(network) = Network::new(address, prefix_bits) else {
            return false;
        };
        let is_full = !self.pops.contains_key(pop) && self.pops.len() == limits::POPS_MAX
            || !self.networks.contains_key(&network) && self.networks.len() == limits::NETWORKS_MAX;
        if !(0.0..=limits::ROUND_TRIP_MS_MAX).contains(&milliseconds) || is_full {
            return false;
        }
        let trip = RoundTrip {
            pop: number(&mut self.pops, pop),
            region: region.map(|region| number(&mut self.regions, region)),
            ms: milliseconds,
        };
        let trips = self.networks.entry(network).or_default();
        match trips.iter_mut().find(|known| known.pop == trip.pop) {
            Some(known) => known.ms = known.ms.min(milliseconds),
            None => trips.push(trip),
        }
        true
    }

    /// Whether nothing is measured.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// The numbers of a candidate that is that point of presence, or for that region, or both.
    pub(crate) fn sources(&self, pop: Option<&str>, region: Option<&str>) -> Sources {
        Sources {
            pop: pop.and_then(|pop| self.pops.get(pop)).copied(),
            region: region.and_then(|region| self.regions.get(region)).copied(),
        }
    }

    /// All networks.
    pub(crate) fn networks(&self) -> impl Iterator<Item = (Network, &[RoundTrip])> {
        self.networks
            .iter()
            .map(|(network, trips)| (*network, trips.as_slice()))
    }

    /// The narrowest network around an address with round trips that count.
    pub(crate) fn around(
        &self,
        address: IpAddr,
        counts: impl Fn(&[RoundTrip]) -> bool,
    ) -> Option<(Network, &[RoundTrip])> {
        (0..=128).rev().find_map(|bits| {
            let network = Network::new(address.to_canonical(), bits)?;
            let trips = self.networks.get(&network)?.as_slice();
            counts(trips).then_some((network, trips))
        })
    }
}

impl Sources {
    /// The shortest round trip from the point of presence itself, else from its region.
    pub fn shortest_ms(&self, trips: &[RoundTrip]) -> Option<f32> {
        let shortest = |is_ours: &dyn Fn(&RoundTrip) -> bool| {
            trips
                .iter()
                .filter(|trip| is_ours(trip))
                .map(|trip| trip.ms)
                .min_by(f32::total_cmp)
        };
        let from_pop = self.pop.and_then(|pop| shortest(&|trip| trip.pop == pop));
        from_pop.or_else(|| {
            let region = self.region?;
            shortest(&|trip| trip.region == Some(region))
        })
    }
}

fn number(numbers: &mut HashMap<String, u16>, name: &str) -> u16 {
    // Bounded by `limits::POPS_MAX`: each measurement adds one of either at most.
    let next = numbers.len() as u16;
    *numbers.entry(name.to_owned()).or_insert(next)
}
