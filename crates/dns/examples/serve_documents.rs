//! Serves zones out of a file, without a store: for tests with other people's programs.
//!
//!     serve_documents FILE ADDRESS:PORT [KEY=hmac-sha256:SECRET...]
//!
//! The file is read again for every line of standard input, and the program ends with it. It is
//! JSON, with forms of the store: `{"zones": [{"zone": {…}, "key_signing_keys": […],
//! "zone_signing_keys": {…}, "records": [{"modified": 7, "record_set": {…}}]}]}`.

use std::error::Error;
use std::io::BufRead;
use std::sync::Arc;

use arc_swap::ArcSwap;
use dns::server::{Server, ServerConfig};
use dns::transfer::TransferKeys;
use dns::{Builder, Settings, World};
use dnssec::ZoneKeys;
use documents::Resource;
use documents::route53::{KeySigningKey, Zone, ZoneSigningKeys};
use records::Name;
use serde::Deserialize;
use shapes::route53::ResourceRecordSet;

#[derive(Deserialize)]
struct File {
    zones: Vec<ZoneFile>,
}

#[derive(Deserialize)]
struct ZoneFile {
    zone: Resource<Zone>,
    #[serde(default)]
    key_signing_keys: Vec<KeySigningKey>,
    #[serde(default)]
    zone_signing_keys: ZoneSigningKeys,
    records: Vec<RecordFile>,
}

#[derive(Deserialize)]
struct RecordFile {
    modified: u64,
    record_set: ResourceRecordSet,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "serve_documents FILE ADDRESS:PORT [KEY=hmac-sha256:SECRET...]";
    let file = arguments.next().ok_or(usage)?;
    let address = arguments.next().ok_or(usage)?;
    let keys: Vec<String> = arguments.collect();
    let keys = keys.iter().filter_map(|key| key.split_once('='));
    let config = ServerConfig {
        addresses: vec![address.parse()?],
        transfers: Some(Arc::new(TransferKeys::parse(keys)?)),
        ..ServerConfig::default()
    };
    let world = Arc::new(ArcSwap::from_pointee(read(&file)?));
    let server = Server::start(config, Arc::clone(&world))?;
    println!("listening on {}", server.addresses()[0]);
    for line in std::io::stdin().lock().lines() {
        line?;
        world.store(Arc::new(read(&file)?));
        println!("read again");
    }
    Ok(())
}

fn read(file: &str) -> Result<World, Box<dyn Error>> {
    let file: File = serde_json::from_slice(&std::fs::read(file)?)?;
    let mut builder = Builder::new(&World::empty(1, Settings::default()));
    for zone in file.zones {
        let id = &zone.zone.id;
        builder.put_zone(&zone.zone);
        if zone.zone.config.is_signing {
            let apex = Name::parse(&zone.zone.config.name)?;
            let (ksks, zsks) = (&zone.key_signing_keys, &zone.zone_signing_keys);
            builder.set_keys(id, Some(ZoneKeys::of_documents(apex, ksks, zsks)?));
        }
        for record in zone.records {
            builder.put_record(id, &record.record_set, record.modified);
        }
    }
    let (world, refusals) = builder.finish();
    match refusals.is_empty() {
        true => Ok(world),
        false => Err(format!("{refusals:?}").into()),
    }
}
