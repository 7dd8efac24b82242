//! How long a choice takes: `cargo run --release -p routing --example choose [DATABASE]`.
//!
//! Without a database, clients are in a made-up one of 300 000 networks of IPv4 in as many places.
//! Printed are nanoseconds a choice, for clients all over it and for few of them.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use geo::Geo;
use geo::testing::{DatabaseWriter, Datum};
use routing::{Atlas, Client, Dice, GeoCode, Group, Role, Rule};

const CHOICES: u32 = 4_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let geo = match std::env::args().nth(1) {
        Some(file) => Geo::load(file)?,
        None => Geo::compile(&made_up(300_000))?,
    };
    println!(
        "{:?} ranges and places in {:.1?}",
        geo.counts(),
        started.elapsed()
    );
    let atlas = Atlas::new();
    atlas.replace_geo(Some(Arc::new(geo)));
    let latency = |regions: &[&str]| -> Vec<(String, Rule)> {
        let rule = |region: &str| Rule::Latency {
            region: region.to_owned(),
        };
        regions
            .iter()
            .map(|region| (region.to_string(), rule(region)))
            .collect()
    };
    let rules = |rules: Vec<Rule>| -> Vec<(String, Rule)> {
        (rules.into_iter().enumerate())
            .map(|(at, rule)| (at.to_string(), rule))
            .collect()
    };
    let few = ["us-east-1", "eu-west-1", "ap-northeast-1"];
    let all: Vec<&str> = geo::places::regions().collect();
    let area = |country: &str| Rule::Geolocation(GeoCode::Country(country.to_owned()));
    let areas = ["US", "DE", "KR", "BR"].map(area);
    let near = |at: i16| Rule::Geoproximity {
        latitude: f64::from(at),
        longitude: f64::from(at),
        bias: 0,
    };
    let failover = [Role::Primary, Role::Secondary].map(Rule::Failover);
    for (name, members) in [
        ("latency, 3 regions", latency(&few)),
        ("latency, all regions", latency(&all)),
        ("geolocation, 4 countries", rules(areas.into())),
        (
            "geoproximity, 10 places",
            rules((-5..5).map(|at| near(at * 17)).collect()),
        ),
        (
            "weighted, 2",
            rules(vec![Rule::Weighted(99), Rule::Weighted(1)]),
        ),
        (
            "weighted, 100",
            rules((0..100).map(Rule::Weighted).collect()),
        ),
        ("failover", rules(failover.into())),
        ("multivalue, 4", rules(vec![Rule::Multivalue; 4])),
        ("multivalue, 30", rules(vec![Rule::Multivalue; 30])),
    ] {
        let started = Instant::now();
        let group = Group::compile(&members, None, &atlas)?;
        let compiled = started.elapsed();
        // As many as fit no cache, and as few as fit all.
        let [spread, hot] = [1 << 20, 64].map(|clients| nanoseconds(&group, clients));
        println!("{name:26} {spread:6.1} ns, hot {hot:6.1} ns, compiled in {compiled:.1?}");
    }
    Ok(())
}

fn nanoseconds(group: &Group, clients: usize) -> f64 {
    let mut dice = Dice::new(1);
    let clients: Vec<Client> = (0..clients)
        .map(|_| Client {
            address: IpAddr::V4(Ipv4Addr::from(dice.throw() as u32 & 0xffff_ff00)),
            prefix_bits: 24,
        })
        .collect();
    let mut sum = 0u32;
    let started = Instant::now();
    for client in clients.iter().cycle().take(CHOICES as usize) {
        let choice = group.choose(client, &mut dice, |_| true, &mut ());
        sum = sum.wrapping_add(u32::from(choice.members.first().copied().unwrap_or(0)));
        sum = sum.wrapping_add(u32::from(choice.scope_bits));
    }
    std::hint::black_box(sum);
    started.elapsed().as_secs_f64() * 1e9 / f64::from(CHOICES)
}

/// A database of so many networks, each with coordinates and a country of its own choosing.
fn made_up(networks: u32) -> Vec<u8> {
    let mut dice = Dice::new(7);
    let mut writer = DatabaseWriter::new(28);
    for _ in 0..networks {
        let country = ["US", "DE", "KR", "BR", "JP", "GB"][dice.below(6) as usize];
        let code = Datum::Map(vec![("iso_code", Datum::text(country))]);
        let degrees = |dice: &mut Dice, span: u32| {
            Datum::Double(f64::from(dice.below(2 * span)) - f64::from(span))
        };
        let place = Datum::Map(vec![
            ("latitude", degrees(&mut dice, 70)),
            ("longitude", degrees(&mut dice, 180)),
        ]);
        let record = Datum::Map(vec![("country", code), ("location", place)]);
        let address = IpAddr::V4(Ipv4Addr::from(dice.throw() as u32));
        writer.add(address, 14 + dice.below(11) as u8, &record);
    }
    writer.finish()
}
