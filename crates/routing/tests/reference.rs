//! The selection algorithm against a plain one, written from the specification's §10 and §12: it
//! looks at everything for every question. Whatever the world, the group and the health of its
//! members, both answer alike, and the answer holds in all of its scope.
#![allow(clippy::unwrap_used)] // Its functions that are no tests belong to tests.

mod common;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use common::*;
use geo::testing::DatabaseWriter;
use geo::{Geo, Network, places};
use proptest::prelude::*;
use routing::{Atlas, Choice, Client, Dice, GeoCode, Group, Latencies, Rule, limits};

/// A place in the world: country, subdivision, coordinates.
type Spot = (
    Option<&'static str>,
    Option<&'static str>,
    Option<(f64, f64)>,
);

const SPOTS: [Spot; 10] = [
    (Some("US"), Some("CA"), Some((34.0, -118.0))),
    (Some("US"), Some("NY"), Some((41.0, -74.0))),
    (Some("US"), None, None),
    (Some("DE"), Some("BE"), Some((52.0, 13.0))),
    (Some("KR"), None, Some((37.0, 127.0))),
    (Some("UA"), Some("30"), None),
    (Some("BR"), None, Some((-23.0, -46.0))),
    (Some("ZZ"), None, None),
    (None, None, Some((-33.0, 151.0))),
    (Some("ZA"), None, None),
];

/// A small corner of the net in which all networks are, in both families.
const CORNER_BITS: u8 = 10;

/// The corner's address with these low bits.
fn address(is_v6: bool, low: u16) -> IpAddr {
    if is_v6 {
        std::net::Ipv6Addr::from(0x2001_0db8_0001_u128 << 80 | u128::from(low) << 70).into()
    } else {
        std::net::Ipv4Addr::from(10 << 24 | u32::from(low) << 8).into()
    }
}

/// How many bits stand before the low ones.
fn base_bits(is_v6: bool) -> u8 {
    if is_v6 { 48 } else { 14 }
}

/// The network with these low bits, of which so many count.
fn network(is_v6: bool, low: u16, bits: u8) -> Network {
    Network::new(address(is_v6, low), base_bits(is_v6) + bits).unwrap()
}

/// All that is known.
#[derive(Clone, Debug)]
struct World {
    /// Later ones are on top of earlier ones.
    geo: Vec<(Network, Spot)>,
    /// Region's number and milliseconds.
    measured: Vec<(Network, usize, u16)>,
    has_database: bool,
}

fn networks<T: std::fmt::Debug>(
    of: impl Strategy<Value = T>,
    count: usize,
) -> impl Strategy<Value = Vec<(Network, T)>> {
    let network = (any::<bool>(), 0..1u16 << CORNER_BITS, 1..=CORNER_BITS)
        .prop_map(|(is_v6, low, bits)| network(is_v6, low, bits));
    prop::collection::vec((network, of), 0..count)
}

fn worlds() -> impl Strategy<Value = World> {
    let spots = prop::sample::select(&SPOTS[..]);
    (
        networks(spots, 16),
        networks((0..8usize, 1..300u16), 8),
        prop::bool::weighted(0.9),
    )
        .prop_map(|(geo, measured, has_database)| World {
            geo,
            measured: (measured.into_iter())
                .map(|(network, (region, ms))| (network, region, ms))
                .collect(),
            has_database,
        })
}

const REGIONS: [&str; 8] = [
    "us-east-1",
    "us-west-2",
    "eu-west-1",
    "eu-central-1",
    "ap-northeast-2",
    "sa-east-1",
    "af-south-1",
    "ap-southeast-2",
];

impl World {
    fn atlas(&self) -> Atlas {
        let mut latencies = Latencies::default();
        for (network, region, ms) in &self.measured {
            let region = REGIONS[*region];
            let network = (network.address(), network.prefix_bits());
            // A point of presence for each region.
            assert!(latencies.add(network, region, Some(region), f32::from(*ms)));
        }
        let atlas = Atlas::new();
        atlas.replace_latencies(latencies);
        // Of nothing no database can be made.
        if self.has_database && !self.geo.is_empty() {
            let mut writer = DatabaseWriter::new(24);
            for (network, (country, part, place)) in &self.geo {
                let datum = city(*country, *part, *place);
                writer.add(network.address(), network.prefix_bits(), &datum);
            }
            atlas.replace_geo(Some(Arc::new(Geo::compile(&writer.finish()).unwrap())));
        }
        atlas
    }

    fn spot(&self, address: IpAddr) -> Spot {
        (self.geo.iter().rev())
            .find(|(network, _)| self.has_database && network.contains(address))
            .map_or((None, None, None), |(_, spot)| *spot)
    }

    fn coordinates(&self, address: IpAddr) -> Option<(f64, f64)> {
        let (country, _, coordinates) = self.spot(address);
        coordinates.or_else(|| Some(places::country(country?)?.coordinates()))
    }

    /// Milliseconds to each of these regions, for those who have them in a group.
    fn milliseconds(&self, address: IpAddr, regions: &[usize]) -> Vec<f64> {
        let around = (self.measured.iter())
            .filter(|(network, region, _)| network.contains(address) && regions.contains(region))
            .map(|(network, ..)| *network)
            .max_by_key(Network::prefix_bits);
        let from = around.map_or(address, |network| network.address());
        let coordinates = self.coordinates(from);
        let of_region = |region: &usize| {
            let measured = (self.measured.iter())
                .filter(|(network, of, _)| Some(*network) == around && of == region)
                .map(|(_, _, ms)| f64::from(*ms))
                .min_by(f64::total_cmp);
            let estimate = || {
                let to = places::region(REGIONS[*region]).unwrap();
                Some(2.0 + kilometres(coordinates?, to) * 0.016)
            };
            measured.or_else(estimate).unwrap_or(f64::INFINITY)
        };
        regions.iter().map(of_region).collect()
    }
}

/// By the haversine formula.
fn kilometres(from: (f64, f64), to: (f64, f64)) -> f64 {
    let [(a, b), (c, d)] = [from, to].map(|(one, two)| (one.to_radians(), two.to_radians()));
    let haversine =
        ((c - a) / 2.0).sin().powi(2) + a.cos() * c.cos() * ((d - b) / 2.0).sin().powi(2);
    2.0 * 6371.0 * haversine.sqrt().min(1.0).asin()
}

/// Members in groups of equals, the best first, as `policy_order` of §12.
fn by_distance(distances: &[f64]) -> Vec<u16> {
    let mut order: Vec<u16> = (0..distances.len() as u16).collect();
    order.sort_by(|one, other| {
        distances[usize::from(*one)].total_cmp(&distances[usize::from(*other)])
    });
    order
}

/// `choose` of §12.
fn first_healthy(order: &[u16], sick: &[usize]) -> (Option<u16>, bool) {
    match order
        .iter()
        .find(|member| !sick.contains(&usize::from(**member)))
    {
        Some(member) => (Some(*member), false),
        None => (order.first().copied(), !order.is_empty()),
    }
}

fn clients() -> impl Strategy<Value = Client> {
    (
        any::<bool>(),
        0..1u16 << CORNER_BITS,
        1..=CORNER_BITS,
        any::<bool>(),
    )
        .prop_map(|(is_v6, low, bits, is_whole)| {
            if is_whole {
                return Client::whole(address(is_v6, low));
            }
            let network = network(is_v6, low, bits);
            Client {
                address: network.address(),
                prefix_bits: network.prefix_bits(),
            }
        })
}

fn sick() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..8usize, 0..10)
}

/// All addresses of the corner, of which as much is known as of the client, that are within the
/// scope of its answer, are answered alike.
fn holds_in_scope(
    group: &Group,
    client: &Client,
    choice: &Choice,
    sick: &[usize],
) -> Result<(), TestCaseError> {
    let Some(scope) = Network::new(client.address, choice.scope_bits) else {
        return Err(TestCaseError::fail(format!("{choice:?} for {client:?}")));
    };
    let is_v6 = client.address.is_ipv6();
    let far = [
        "0.0.0.0",
        "9.255.255.255",
        "10.255.255.255",
        "255.255.255.255",
        "::",
        "ffff::",
    ];
    let corner = (0..1u16 << CORNER_BITS).map(|low| address(is_v6, low));
    for address in corner
        .chain(far.map(ip))
        .filter(|address| scope.contains(*address))
    {
        let other = Network::new(address, client.prefix_bits).unwrap();
        let other = Client {
            address: other.address(),
            prefix_bits: client.prefix_bits,
        };
        let same = choose(group, &other, sick, &mut Dice::new(1));
        prop_assert_eq!(&same.members, &choice.members, "{:?} in {}", other, scope);
    }
    Ok(())
}

fn numbered(rules: impl IntoIterator<Item = Rule>) -> Vec<(String, Rule)> {
    (rules.into_iter().enumerate())
        .map(|(at, rule)| (format!("{at}"), rule))
        .collect()
}

fn areas() -> impl Strategy<Value = Vec<GeoCode>> {
    let mut codes = vec![GeoCode::Default];
    codes.extend(["NA", "EU", "AS", "SA"].map(|code| GeoCode::Continent(code.to_owned())));
    codes.extend(["US", "DE", "UA", "ZZ"].map(|code| GeoCode::Country(code.to_owned())));
    codes.extend(
        [("US", "CA"), ("US", "NY"), ("UA", "30"), ("DE", "30")].map(|(country, part)| {
            GeoCode::Subdivision {
                country: country.to_owned(),
                subdivision: part.to_owned(),
            }
        }),
    );
    prop::sample::subsequence(codes, 1..=8).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn latency_is_the_shortest_way(
        world in worlds(),
        regions in prop::sample::subsequence((0..8usize).collect::<Vec<_>>(), 1..=8)
            .prop_shuffle(),
        client in clients(),
        sick in sick(),
    ) {
        let members: Vec<(String, Rule)> = (regions.iter())
            .map(|region| (format!("{region}"), latency(REGIONS[*region])))
            .collect();
        let group = Group::compile(&members, None, &world.atlas()).unwrap();
        let choice = choose(&group, &client, &sick, &mut Dice::new(1));
        // Between equals the region's name decides.
        let mut by_name = regions.clone();
        by_name.sort_by_key(|region| REGIONS[*region]);
        let milliseconds = world.milliseconds(client.address, &by_name);
        let order: Vec<u16> = (by_distance(&milliseconds).iter())
            .map(|at| {
                let region = by_name[usize::from(*at)];
                regions.iter().position(|of| *of == region).unwrap() as u16
            })
            .collect();
        let (want, is_fallback) = first_healthy(&order, &sick);
        prop_assert_eq!(choice.is_fallback, is_fallback);
        let rank = order.iter().position(|member| Some(*member) == want).unwrap();
        if rank < limits::RANKS_EXACT {
            prop_assert_eq!(choice.members.first().copied(), want);
        }
        holds_in_scope(&group, &client, &choice, &sick)?;
    }

    #[test]
    fn geolocation_is_the_smallest_area(
        world in worlds(),
        codes in areas(),
        client in clients(),
        sick in sick(),
    ) {
        let members = numbered(codes.iter().cloned().map(Rule::Geolocation));
        let group = Group::compile(&members, None, &world.atlas()).unwrap();
        let choice = choose(&group, &client, &sick, &mut Dice::new(1));
        let (country, part, _) = world.spot(client.address);
        let continent = country.and_then(places::country).map(|country| country.continent);
        let levels = [
            GeoCode::new(None, country, part).filter(|_| part.is_some()),
            GeoCode::new(None, country, None),
            GeoCode::new(continent, None, None),
            Some(GeoCode::Default),
        ];
        let order: Vec<u16> = (levels.iter().flatten())
            .filter_map(|level| codes.iter().position(|code| code == level))
            .map(|member| member as u16)
            .collect();
        let (want, is_fallback) = first_healthy(&order, &sick);
        prop_assert_eq!(choice.members.first().copied(), want);
        prop_assert_eq!(choice.is_fallback, is_fallback);
        holds_in_scope(&group, &client, &choice, &sick)?;
    }

    #[test]
    fn geoproximity_is_the_shortest_biased_way(
        world in worlds(),
        spots in prop::collection::vec((-90..=90i16, -180..=180i16, -99..=99i8), 1..8),
        client in clients(),
        sick in sick(),
    ) {
        let members = numbered((spots.iter()).map(|(latitude, longitude, bias)| {
            near(f64::from(*latitude), f64::from(*longitude), *bias)
        }));
        let group = Group::compile(&members, None, &world.atlas()).unwrap();
        let choice = choose(&group, &client, &sick, &mut Dice::new(1));
        let from = world.coordinates(client.address);
        let distances: Vec<f64> = (spots.iter())
            .map(|(latitude, longitude, bias)| {
                let to = (f64::from(*latitude), f64::from(*longitude));
                let bias = f64::from(*bias) / 100.0;
                let km = from.map_or(f64::INFINITY, |from| kilometres(from, to));
                if bias > 0.0 { km * (1.0 - bias) } else { km / (1.0 + bias) }
            })
            .collect();
        let order = by_distance(&distances);
        let (want, is_fallback) = first_healthy(&order, &sick);
        prop_assert_eq!(choice.is_fallback, is_fallback);
        let rank = order.iter().position(|member| Some(*member) == want).unwrap();
        if rank < limits::RANKS_EXACT {
            // Two ways of calculating may differ between those who are as good as equal.
            let [got, want] = [choice.members.first().copied(), want]
                .map(|member| distances[usize::from(member.unwrap())]);
            prop_assert!(got == want || (got - want).abs() < want * 1e-6 + 1e-3, "{got} {want}");
        }
        holds_in_scope(&group, &client, &choice, &sick)?;
    }

    #[test]
    fn a_cidr_group_is_its_longest_matching_block(
        blocks in networks(0..6usize, 24),
        locations in prop::sample::subsequence(vec!["*", "0", "1", "2", "3"], 1..=5),
        client in clients(),
        sick in sick(),
    ) {
        // A block is in one location only.
        let blocks: BTreeMap<Network, usize> = blocks.into_iter().collect();
        let mut collection: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (block, location) in &blocks {
            collection.entry(location.to_string()).or_default().push(block.to_string());
        }
        let members = numbered(locations.iter().map(|location| cidr(location)));
        let group = Group::compile(&members, Some(&collection), &Atlas::new()).unwrap();
        let choice = choose(&group, &client, &sick, &mut Dice::new(1));
        let location = (blocks.iter())
            .filter(|(block, _)| {
                block.prefix_bits() <= client.prefix_bits && block.contains(client.address)
            })
            .max_by_key(|(block, _)| block.prefix_bits())
            .map(|(_, location)| location.to_string());
        let order: Vec<u16> = (location.as_deref().into_iter().chain(["*"]))
            .filter_map(|location| locations.iter().position(|of| *of == location))
            .map(|member| member as u16)
            .collect();
        let (want, is_fallback) = first_healthy(&order, &sick);
        prop_assert_eq!(choice.members.first().copied(), want);
        prop_assert_eq!(choice.is_fallback, is_fallback);
        holds_in_scope(&group, &client, &choice, &sick)?;
    }

    #[test]
    fn a_draw_is_of_the_healthy_if_there_are_any(
        weights in prop::collection::vec(prop_oneof![Just(0), any::<u8>()], 1..8),
        sick in sick(),
        seed in any::<u64>(),
        is_multivalue in any::<bool>(),
    ) {
        let rule = |weight: &u8| match is_multivalue {
            true => Rule::Multivalue,
            false => Rule::Weighted(*weight),
        };
        let group =
            Group::compile(&numbered(weights.iter().map(rule)), None, &Atlas::new()).unwrap();
        let choice = choose(&group, &client("::1"), &sick, &mut Dice::new(seed));
        let all = 0..weights.len() as u16;
        let healthy: Vec<u16> =
            all.clone().filter(|member| !sick.contains(&usize::from(*member))).collect();
        let pool = if healthy.is_empty() { all.collect() } else { healthy.clone() };
        let heavy: Vec<u16> =
            (pool.iter().copied()).filter(|member| weights[usize::from(*member)] > 0).collect();
        prop_assert_eq!(choice.is_fallback, healthy.is_empty());
        prop_assert_eq!(choice.scope_bits, 0);
        if is_multivalue {
            let mut members = choice.members.to_vec();
            members.sort_unstable();
            prop_assert_eq!(members, pool);
        } else {
            prop_assert_eq!(choice.members.len(), 1);
            let pool = if heavy.is_empty() { pool } else { heavy };
            prop_assert!(pool.contains(&choice.members[0]));
        }
    }
}
