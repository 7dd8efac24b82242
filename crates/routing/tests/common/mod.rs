//! What the tests of this folder share.
#![allow(dead_code, reason = "each of them uses a part of it")]
#![allow(clippy::unwrap_used)] // Functions for tests are tests.

use std::net::IpAddr;
use std::sync::Arc;

use geo::Geo;
use geo::testing::{DatabaseWriter, Datum};
use routing::{Atlas, Choice, Client, Dice, GeoCode, Group, Recording, Role, Rule};

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// `192.0.2.1`, or `192.0.2.0/24` for a client subnet.
pub fn client(text: &str) -> Client {
    match text.split_once('/') {
        Some((address, bits)) => Client {
            address: ip(address),
            prefix_bits: bits.parse().unwrap(),
        },
        None => Client::whole(ip(text)),
    }
}

/// A record of a database with cities.
pub fn city(country: Option<&str>, subdivision: Option<&str>, place: Option<(f64, f64)>) -> Datum {
    let code = |code: &str| Datum::Map(vec![("iso_code", Datum::text(code))]);
    let mut members = Vec::new();
    members.extend(country.map(|country| ("country", code(country))));
    members.extend(subdivision.map(|part| ("subdivisions", Datum::Array(vec![code(part)]))));
    members.extend(place.map(|(latitude, longitude)| {
        let degrees = vec![
            ("latitude", Datum::Double(latitude)),
            ("longitude", Datum::Double(longitude)),
        ];
        ("location", Datum::Map(degrees))
    }));
    Datum::Map(members)
}

pub fn database(networks: &[(&str, Datum)]) -> Option<Arc<Geo>> {
    let mut writer = DatabaseWriter::new(24);
    for (network, datum) in networks {
        let Client {
            address,
            prefix_bits,
        } = client(network);
        writer.add(address, prefix_bits, datum);
    }
    Some(Arc::new(Geo::compile(&writer.finish()).unwrap()))
}

pub fn named<const N: usize>(rules: [Rule; N]) -> Vec<(String, Rule)> {
    (rules.into_iter().enumerate())
        .map(|(at, rule)| (format!("m{at:02}"), rule))
        .collect()
}

pub fn group<const N: usize>(atlas: &Atlas, rules: [Rule; N]) -> Group {
    Group::compile(&named(rules), None, atlas).unwrap()
}

pub fn latency(region: &str) -> Rule {
    Rule::Latency {
        region: region.to_owned(),
    }
}

pub fn cidr(location: &str) -> Rule {
    Rule::Cidr {
        location: location.to_owned(),
    }
}

pub fn near(latitude: f64, longitude: f64, bias: i8) -> Rule {
    Rule::Geoproximity {
        latitude,
        longitude,
        bias,
    }
}

/// `*`, `continent EU`, `US` or `US-CA`.
pub fn area(text: &str) -> Rule {
    Rule::Geolocation(
        match (text.strip_prefix("continent "), text.split_once('-')) {
            (Some(continent), _) => GeoCode::new(Some(continent), None, None).unwrap(),
            (_, Some((country, part))) => GeoCode::new(None, Some(country), Some(part)).unwrap(),
            _ => GeoCode::new(None, Some(text), None).unwrap(),
        },
    )
}

pub const PRIMARY: Rule = Rule::Failover(Role::Primary);
pub const SECONDARY: Rule = Rule::Failover(Role::Secondary);

/// Chooses while the members in `sick` are unhealthy; checks that nobody is asked twice.
pub fn choose(group: &Group, client: &Client, sick: &[usize], dice: &mut Dice) -> Choice {
    let mut asked = Vec::new();
    let is_healthy = |member: usize| {
        assert!(!asked.contains(&member), "{member} is asked twice");
        asked.push(member);
        !sick.contains(&member)
    };
    group.choose(client, dice, is_healthy, &mut ())
}

/// The members that are chosen, and the scope.
pub fn chosen(group: &Group, from: &str, sick: &[usize]) -> (Vec<u16>, u8) {
    let choice = choose(group, &client(from), sick, &mut Dice::new(1));
    (choice.members.to_vec(), choice.scope_bits)
}

/// The member that is chosen; nobody if there is no answer.
pub fn one(group: &Group, from: &str, sick: &[usize]) -> Option<u16> {
    let (members, _) = chosen(group, from, sick);
    assert!(members.len() <= 1);
    members.first().copied()
}

/// What a witness is told.
pub fn told(group: &Group, from: &str, sick: &[usize]) -> Recording {
    let mut recording = Recording::default();
    let is_healthy = |member: usize| !sick.contains(&member);
    let choice = group.choose(&client(from), &mut Dice::new(1), is_healthy, &mut recording);
    assert_eq!(
        choice,
        choose(group, &client(from), sick, &mut Dice::new(1))
    );
    recording
}
