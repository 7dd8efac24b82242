//! Serves zones without a store: for comparisons with other servers, and for measuring.
//!
//!     serve_zone ADDRESS:PORT [--rate-limit RESPONSES_PER_SECOND|off] [--sign]
//!                [--zone APEX FILE] [--sets APEX FILE] [--generate APEX COUNT]
//!
//! `--zone` takes a zone file, `--sets` record sets of Route 53 as JSON, one a line, `--generate`
//! makes so many A records. Where addresses are, an invented database says. It is ended by a
//! signal.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use dns::rrl::RateLimit;
use dns::server::{Server, ServerConfig};
use dns::{Builder, Settings, World};
use dnssec::ZoneKeys;
use documents::Resource;
use documents::route53::{KeySigningKey, Zone, ZoneSigningKeys, bare};
use geo::testing::{DatabaseWriter, Datum};
use records::zone_file::{self, Limits};
use records::{Name, RecordType, rdata};
use shapes::route53::{RRType, ResourceRecord, ResourceRecordSet};

/// As the program: it decides what a record takes of the machine.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Countries of the invented database, with a place in each.
const COUNTRIES: [(&str, &str, f64, f64); 8] = [
    ("US", "NA", 38.0, -97.0),
    ("CA", "NA", 56.0, -106.0),
    ("BR", "SA", -14.0, -51.0),
    ("DE", "EU", 51.0, 10.0),
    ("ZA", "AF", -30.0, 22.0),
    ("JP", "AS", 36.0, 138.0),
    ("SG", "AS", 1.0, 103.0),
    ("AU", "OC", -25.0, 133.0),
];

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("an address comes first")?;
    let mut config = ServerConfig {
        addresses: vec![address.parse()?],
        ..ServerConfig::default()
    };
    let mut next = || arguments.next().ok_or("an option lacks its value");
    let (mut zones, mut is_signing) = (Vec::new(), false);
    while let Ok(option) = next() {
        match option.as_str() {
            "--rate-limit" => config.rate_limit = rate_limit(&next()?)?,
            "--sign" => is_signing = true,
            "--zone" | "--sets" | "--generate" => zones.push((option, next()?, next()?)),
            _ => return Err(format!("{option} is no option").into()),
        }
    }
    let world = World::empty(1, Settings::default());
    let mut builder = Builder::new(&world);
    builder.set_geo(Some(Arc::new(invented_geo()?)));
    for (number, (kind, apex, source)) in zones.iter().enumerate() {
        let id = format!("Z{number}");
        let started = Instant::now();
        builder.put_zone(&zone(&id, apex, is_signing));
        if is_signing {
            builder.set_keys(&id, Some(keys(&id, apex)?));
        }
        let count = match kind.as_str() {
            "--zone" => put_file(&mut builder, &id, apex, source)?,
            "--sets" => put_sets(&mut builder, &id, source)?,
            _ => put_generated(&mut builder, &id, apex, source.parse()?),
        };
        println!("{count} record sets of {apex} in {:?}", started.elapsed());
    }
    let (world, refusals) = builder.finish();
    for refusal in refusals {
        eprintln!("{}: {}", refusal.key, refusal.message);
    }
    let server = Server::start(config, Arc::new(ArcSwap::from_pointee(world)))?;
    println!("listening on {}", server.addresses()[0]);
    loop {
        std::thread::park();
    }
}

fn rate_limit(text: &str) -> Outcome<RateLimit> {
    let responses_per_sec = match text {
        "off" => None,
        number => Some(number.parse()?),
    };
    Ok(RateLimit {
        responses_per_sec,
        ..RateLimit::default()
    })
}

fn zone(id: &str, apex: &str, is_signing: bool) -> Resource<Zone> {
    Resource {
        id: id.into(),
        etag: "1".into(),
        version: 1,
        created_ms: 0,
        modified_ms: 0,
        domain: None,
        config: Zone {
            name: format!("{apex}."),
            caller_reference: String::new(),
            comment: None,
            is_private: false,
            vpcs: Vec::new(),
            delegation_set: None,
            name_servers: Vec::new(),
            is_signing,
            accelerated_recovery: None,
        },
    }
}

fn keys(id: &str, apex: &str) -> Outcome<ZoneKeys> {
    let key_signing_key = KeySigningKey {
        name: "ksk".into(),
        zone: id.into(),
        caller_reference: String::new(),
        kms_arn: String::new(),
        is_active: true,
        private_key: dnssec::KeyPair::generate()?.to_base64()?,
        created_ms: 0,
        modified_ms: 0,
    };
    let mut zone_signing_keys = ZoneSigningKeys::default();
    dnssec::rollover(0, &mut zone_signing_keys)?;
    let apex = Name::parse(apex)?;
    let keys = ZoneKeys::of_documents(apex, &[key_signing_key], &zone_signing_keys)?;
    Ok(keys)
}

/// Records of one name and type are one set.
fn put_file(builder: &mut Builder, id: &str, apex: &str, path: &str) -> Outcome<usize> {
    let limits = Limits {
        records: usize::MAX,
        ..Limits::default()
    };
    let text = std::fs::read_to_string(path)?;
    let records = zone_file::parse(&text, &Name::parse(apex)?, limits);
    let records = records.map_err(|errors| format!("{path}: {}", errors[0]))?;
    let mut sets: BTreeMap<(Vec<u8>, RecordType), Vec<zone_file::Record>> = BTreeMap::new();
    for record in records {
        let key = (record.name.wire().to_vec(), record.record_type);
        sets.entry(key).or_default().push(record);
    }
    for ((_, record_type), set) in &sets {
        let values = set
            .iter()
            .map(|record| rdata::print(*record_type, &record.rdata));
        let record_set = ResourceRecordSet {
            ttl: Some(set[0].ttl.into()),
            ..record_set(&set[0].name.to_string(), &record_type.to_string(), values)?
        };
        builder.put_record(id, &record_set, 1);
    }
    Ok(sets.len())
}

fn put_sets(builder: &mut Builder, id: &str, path: &str) -> Outcome<usize> {
    let mut count = 0;
    for line in BufReader::new(std::fs::File::open(path)?).lines() {
        builder.put_record(id, &serde_json::from_str(&line?)?, 1);
        count += 1;
    }
    Ok(count)
}

fn put_generated(builder: &mut Builder, id: &str, apex: &str, count: u32) -> usize {
    let mut put = |name: String, record_type: &str, value: String| {
        let record_set = record_set(&name, record_type, [value]).expect("the type is known");
        builder.put_record(id, &record_set, 1);
    };
    let soa = format!("ns1.{apex}. hostmaster.{apex}. 1 7200 900 1209600 86400");
    put(format!("{apex}."), "SOA", soa);
    put(format!("{apex}."), "NS", format!("ns1.{apex}."));
    for n in 0..count {
        let address = Ipv4Addr::from(0xc612_0000 | n & 0x1_ffff);
        put(format!("www{n}.{apex}."), "A", address.to_string());
    }
    count as usize + 2
}

fn record_set(
    name: &str,
    record_type: &str,
    values: impl IntoIterator<Item = String>,
) -> Outcome<ResourceRecordSet> {
    let values = values.into_iter().map(|value| ResourceRecord { value });
    let record_type: RRType = serde_json::from_value(record_type.into())?;
    Ok(ResourceRecordSet {
        ttl: Some(300),
        resource_records: Some(values.collect()),
        ..bare(name, record_type)
    })
}

/// Every /16 is in another country than the one before.
fn invented_geo() -> Outcome<geo::Geo> {
    let mut database = DatabaseWriter::v4_only(24);
    for network in 0x0100..0xe000_u32 {
        let (country, continent, latitude, longitude) = COUNTRIES[network as usize % 8];
        let location = vec![
            ("latitude", Datum::Double(latitude)),
            ("longitude", Datum::Double(longitude)),
        ];
        let datum = Datum::Map(vec![
            ("country", coded("iso_code", country)),
            ("continent", coded("code", continent)),
            ("location", Datum::Map(location)),
        ]);
        let address = IpAddr::V4(Ipv4Addr::from(network << 16));
        database.add(address, 16, &datum);
    }
    Ok(geo::Geo::compile(&database.finish())?)
}

fn coded(name: &'static str, code: &str) -> Datum {
    Datum::Map(vec![(name, Datum::text(code))])
}
