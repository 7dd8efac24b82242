use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::testing::{DatabaseWriter, Datum};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn country(geo: &Geo, address: &str) -> Option<String> {
    geo.lookup(ip(address))
        .and_then(Location::country_code)
        .map(String::from)
}

fn map(pairs: Vec<(&'static str, Datum)>) -> Datum {
    Datum::Map(pairs)
}

fn named(name: &str) -> Datum {
    map(vec![(
        "names",
        map(vec![
            ("de", Datum::text("falsch")),
            ("en", Datum::text(name)),
        ]),
    )])
}

#[test]
fn countries_are_found_for_both_address_families_and_every_record_size() {
    for record_bits in [24, 28, 32] {
        let database = DatabaseWriter::new(record_bits)
            .add(ip("192.0.2.0"), 24, &Datum::country("kr"))
            .add(ip("198.51.100.128"), 25, &Datum::country("DE"))
            .add(ip("2001:db8::"), 32, &Datum::country("US"))
            .finish();
        let geo = Geo::compile(&database).unwrap();
        for (address, want) in [
            ("192.0.1.255", None),
            ("192.0.2.0", Some("KR")),
            ("192.0.2.255", Some("KR")),
            ("192.0.3.0", None),
            ("198.51.100.127", None),
            ("198.51.100.200", Some("DE")),
            ("255.255.255.255", None),
            ("::ffff:192.0.2.7", Some("KR")),
            ("2001:db7:ffff::", None),
            ("2001:db8::", Some("US")),
            ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Some("US")),
            ("2001:db9::", None),
            ("::", None),
            ("::1", None),
        ] {
            assert_eq!(
                country(&geo, address).as_deref(),
                want,
                "{address}, {record_bits} bits"
            );
        }
        assert_eq!(geo.database_type(), "Warmfront-Test");
        assert_eq!(geo.built_at_secs(), 1_700_000_000);
        assert_eq!(geo.counts().1, 3);
    }
}

#[test]
fn a_city_record_is_read_in_full() {
    let record = map(vec![
        ("city", named("Seattle")),
        (
            "country",
            map(vec![
                ("iso_code", Datum::text("US")),
                ("names", map(vec![("en", Datum::text("United States"))])),
            ]),
        ),
        (
            "location",
            map(vec![
                ("latitude", Datum::Double(47.6109)),
                ("longitude", Datum::Double(-122.3303)),
                ("metro_code", Datum::Uint16(819)),
                ("time_zone", Datum::text("America/Los_Angeles")),
            ]),
        ),
        ("postal", map(vec![("code", Datum::text("98101"))])),
        (
            "subdivisions",
            Datum::Array(vec![map(vec![
                ("iso_code", Datum::text("WA")),
                ("names", map(vec![("en", Datum::text("Washington"))])),
            ])]),
        ),
        (
            "traits",
            map(vec![("autonomous_system_number", Datum::Uint32(64_496))]),
        ),
    ]);
    let database = DatabaseWriter::new(28)
        .add(ip("192.0.2.0"), 24, &record)
        .finish();
    let geo = Geo::compile(&database).unwrap();
    let text = |text: &str| Some(Arc::from(text));
    let want = Location {
        country: Some(*b"US"),
        country_name: text("United States"),
        region: text("WA"),
        region_name: text("Washington"),
        city: text("Seattle"),
        latitude: Some(47.6109),
        longitude: Some(-122.3303),
        metro_code: Some(819),
        postal_code: text("98101"),
        time_zone: text("America/Los_Angeles"),
        asn: Some(64_496),
    };
    assert_eq!(geo.lookup(ip("192.0.2.1")), Some(&want));
}

#[test]
fn a_database_says_how_many_countries_it_has() {
    let flat = |code| map(vec![("country_code", Datum::text(code))]);
    let mut writer = DatabaseWriter::new(24);
    writer
        .add(ip("192.0.2.0"), 24, &flat("GB"))
        .add(ip("2001:db8::"), 32, &flat("GB"))
        .add(ip("198.51.100.0"), 24, &Datum::country("KR"));
    let geo = Geo::compile(&writer.finish()).unwrap();
    assert_eq!((geo.countries(), geo.has_countries()), (2, true));
    for address in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"] {
        let found = geo.lookup(ip(address)).and_then(Location::country_code);
        assert_eq!(found, Some("GB"), "{address}");
    }
    let networks = DatabaseWriter::new(24)
        .add(
            ip("192.0.2.0"),
            24,
            &map(vec![("asn", Datum::Uint32(64_496))]),
        )
        .finish();
    let geo = Geo::compile(&networks).unwrap();
    assert_eq!((geo.countries(), geo.has_countries()), (0, false));
}

#[test]
fn flat_records_are_read_too() {
    let record = map(vec![
        ("country_code", Datum::text("GB")),
        ("state1", Datum::text("England")),
        ("city", Datum::text("London")),
        ("latitude", Datum::text("51.5")),
        ("longitude", Datum::Double(999.0)),
        ("postcode", Datum::text(&"9".repeat(300))),
        ("timezone", Datum::text("")),
        ("asn", Datum::text("AS64497")),
    ]);
    let database = DatabaseWriter::v4_only(24)
        .add(ip("192.0.2.0"), 24, &record)
        .finish();
    let geo = Geo::compile(&database).unwrap();
    let found = geo.lookup(ip("192.0.2.1")).unwrap();
    assert_eq!(found.country_code(), Some("GB"));
    assert_eq!(
        (found.region_name.as_deref(), found.city.as_deref()),
        (Some("England"), Some("London"))
    );
    assert_eq!((found.latitude, found.longitude), (Some(51.5), None));
    assert_eq!(
        (found.asn, &found.postal_code, &found.time_zone),
        (Some(64_497), &None, &None)
    );
    assert_eq!(geo.lookup(ip("2001:db8::1")), None);
}

#[test]
fn aliases_of_the_ipv4_addresses_are_left_out() {
    let database = DatabaseWriter::new(24)
        .alias_v4(ip("2002::"), 16)
        .add(ip("192.0.2.0"), 24, &Datum::country("KR"))
        .add(ip("2003::"), 16, &Datum::country("DE"))
        .finish();
    let geo = Geo::compile(&database).unwrap();
    assert_eq!(country(&geo, "192.0.2.1").as_deref(), Some("KR"));
    assert_eq!(country(&geo, "2002:c000:201::").as_deref(), None);
    assert_eq!(country(&geo, "2003::1").as_deref(), Some("DE"));
}

#[test]
fn a_network_above_the_ipv4_addresses_holds_them_too() {
    let database = DatabaseWriter::new(24)
        .add(ip("::"), 8, &Datum::country("FR"))
        .finish();
    let geo = Geo::compile(&database).unwrap();
    assert_eq!(country(&geo, "192.0.2.1").as_deref(), Some("FR"));
    assert_eq!(country(&geo, "::1").as_deref(), Some("FR"));
    assert_eq!(country(&geo, "100::1").as_deref(), None);
}

#[test]
fn a_tree_without_end_is_refused() {
    // Both sides of every node lead to the next one: few bytes, and 2^96 leaves.
    let mut writer = DatabaseWriter::new(24);
    writer.add(ip("::1"), 128, &Datum::country("FR"));
    let mut database = writer.finish();
    for node in 0..127 {
        let next = u32::to_be_bytes(node + 1);
        let start = node as usize * 6;
        database[start..start + 3].copy_from_slice(&next[1..]);
        database[start + 3..start + 6].copy_from_slice(&next[1..]);
    }
    let refused = Geo::compile(&database);
    assert!(matches!(refused, Err(DatabaseError::Tree)), "{refused:?}");
    // A node that leads to itself.
    database[..6].fill(0);
    assert!(Geo::compile(&database).is_err());
}

#[test]
fn files_that_are_no_use_say_why() {
    let error = |bytes: &[u8]| Geo::compile(bytes).unwrap_err().to_string();
    assert!(error(b"hello").starts_with("it is no MaxMind DB file, or damaged"));
    let other = map(vec![("is_anonymous", Datum::Uint32(1))]);
    let database = DatabaseWriter::new(24)
        .add(ip("192.0.2.0"), 24, &other)
        .finish();
    assert!(error(&database).contains("Warmfront-Test"));
    let missing = Geo::load("/nowhere/to/be/found.mmdb")
        .unwrap_err()
        .to_string();
    assert!(missing.contains("/nowhere/to/be/found.mmdb"), "{missing}");
}

fn any_network() -> impl Strategy<Value = (IpAddr, u8, usize)> {
    // Few distinct bits, so that networks overlap and neighbors touch.
    let v4 = (any::<u32>(), 1u8..=32)
        .prop_map(|(bits, prefix)| (IpAddr::V4(Ipv4Addr::from(bits & 0xc003_00c1)), prefix));
    let v6 = (any::<u128>(), 97u8..=128).prop_map(|(bits, prefix)| {
        let bits = 0x2001_0db8 << 96 | bits & 0x8000_0000_0000_0000_c000_00c1;
        (IpAddr::V6(Ipv6Addr::from(bits)), prefix - 60)
    });
    (prop_oneof![v4, v6], 0..COUNTRIES.len()).prop_map(|((at, prefix), n)| (at, prefix, n))
}

const COUNTRIES: [&str; 4] = ["AA", "BB", "CC", "DD"];

fn contains(network: IpAddr, prefix_bits: u8, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            (u32::from(one) ^ u32::from(other)).leading_zeros() >= u32::from(prefix_bits)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            (u128::from(one) ^ u128::from(other)).leading_zeros() >= u32::from(prefix_bits)
        }
        _ => false,
    }
}

fn written(networks: &[(IpAddr, u8, usize)], record_bits: u16) -> Vec<u8> {
    let mut writer = DatabaseWriter::new(record_bits);
    for (address, prefix, country) in networks {
        writer.add(*address, *prefix, &Datum::country(COUNTRIES[*country]));
    }
    writer.finish()
}

proptest! {
    #[test]
    fn lookups_agree_with_a_scan_of_the_networks(
        networks in prop::collection::vec(any_network(), 1..12),
        others in prop::collection::vec(any_network(), 8),
        record_bits in prop::sample::select(vec![24u16, 28, 32]),
    ) {
        let geo = Geo::compile(&written(&networks, record_bits)).unwrap();
        for (address, ..) in networks.iter().chain(&others) {
            let neighbors = match *address {
                IpAddr::V4(at) => [u32::from(at).wrapping_sub(1), u32::from(at).wrapping_add(1)]
                    .map(|bits| IpAddr::V4(Ipv4Addr::from(bits))),
                IpAddr::V6(at) => [u128::from(at).wrapping_sub(1), u128::from(at).wrapping_add(1)]
                    .map(|bits| IpAddr::V6(Ipv6Addr::from(bits))),
            };
            for address in neighbors.into_iter().chain([*address]) {
                let want = networks.iter().rev()
                    .find(|(network, prefix, _)| contains(*network, *prefix, address))
                    .map(|(.., country)| COUNTRIES[*country]);
                let found = geo.lookup(address).and_then(Location::country_code);
                prop_assert_eq!(found, want, "{}", address);
            }
        }
    }

    #[test]
    fn a_damaged_database_never_panics(
        networks in prop::collection::vec(any_network(), 1..6),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        at_the_end in any::<bool>(),
        length in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut database = written(&networks, 24);
        // Half of the time only the data and metadata, which are a small part.
        let from = if at_the_end { database.len().saturating_sub(260) } else { 0 };
        for (at, byte) in &damage {
            let at = from + at.index(database.len() - from);
            database[at] = *byte;
        }
        if let Some(length) = length {
            database.truncate(length.index(database.len()));
        }
        if let Ok(geo) = Geo::compile(&database) {
            networks.iter().for_each(|(address, ..)| { geo.lookup(*address); });
        }
    }
}
