//! `warmfront zone`: zone files into hosted zones, and back.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use records::zone_file::{self, Limits, Record, ZoneFileError};
use records::{Name, NameError, RecordType, rdata};
use serde_json::{Value, json};
use thiserror::Error;

use crate::arguments::{Output, ZoneAction, ZoneArguments};
use crate::client::{self, Client, ClientError, Variable};
use crate::limits;
use crate::table::{self, text};

/// Why a zone is not imported or exported.
#[derive(Debug, Error)]
pub enum ZoneError {
    /// The server could not be asked, or says no.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The file cannot be read.
    #[error("{}: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is no zone's.
    #[error("{}", problems(.path, .errors))]
    File {
        /// The file.
        path: PathBuf,
        /// All that is wrong.
        errors: Vec<ZoneFileError>,
    },
    /// The name is none.
    #[error("{name:?} is no name of a zone: {error}")]
    Name {
        /// What was given.
        name: String,
        /// Why not.
        error: NameError,
    },
    /// Nobody says which zone a file is of.
    #[error("{}: it has no SOA record, and so no name; say --origin NAME", .0.display())]
    NoOrigin(PathBuf),
    /// A batch is refused, or the server is away.
    #[error(
        "{error}\n{done} of {all} record sets are in the hosted zone {id}; they stay. Import the \
         whole file again, once that is mended"
    )]
    Partly {
        /// What came between.
        error: ClientError,
        /// The zone's id.
        id: String,
        /// How many record sets were taken.
        done: usize,
        /// How many the file has.
        all: usize,
    },
    /// There is no such zone.
    #[error("there is no hosted zone {0}; `aws route53 list-hosted-zones` tells those that are")]
    NoZone(String),
    /// There are several.
    #[error("there are {count} hosted zones {name}; name one of them by its id")]
    SeveralZones {
        /// The name.
        name: String,
        /// How many.
        count: usize,
    },
}

fn problems(path: &Path, errors: &[ZoneFileError]) -> String {
    let lines = errors.iter();
    let lines = lines.map(|error| format!("{}:{}: {}", path.display(), error.line, error.message));
    lines.collect::<Vec<_>>().join("\n")
}

/// Imports or exports.
pub fn zone(
    arguments: &ZoneArguments,
    output: Output,
    variable: Variable<'_>,
) -> Result<ExitCode, ZoneError> {
    let client = Client::new(&arguments.connection, variable)?;
    match &arguments.action {
        ZoneAction::Import { file, origin } => {
            let zone = read(file, origin.as_deref())?;
            let done = client::run(async { Ok(import(&client, zone).await) })?;
            let done = done?;
            crate::print(&match output {
                Output::Json => table::json(&done),
                Output::Text => table::pairs(&[
                    ("Zone", text(&done["Id"])),
                    ("Name", text(&done["Name"])),
                    ("Record sets", text(&done["RecordSets"])),
                    ("Name servers", text(&done["NameServers"])),
                ]),
            });
        }
        ZoneAction::Export { zone } => {
            let exported = client::run(async { Ok(export(&client, zone).await) })?;
            crate::print(&exported?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A file's zone.
struct Zone {
    apex: Name,
    records: Vec<Record>,
}

fn read(path: &PathBuf, origin: Option<&str>) -> Result<Zone, ZoneError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| {
        // One more than is allowed: a part of a file is no zone.
        file.take(limits::ZONE_FILE_BYTES_MAX + 1)
            .read_to_string(&mut text)?;
        match text.len() as u64 > limits::ZONE_FILE_BYTES_MAX {
            true => Err(io::Error::other(format!(
                "it has more than {} bytes, which are the most",
                limits::ZONE_FILE_BYTES_MAX
            ))),
            false => Ok(()),
        }
    });
    read.map_err(|error| ZoneError::Read {
        path: path.clone(),
        error,
    })?;
    let apex = match origin {
        Some(name) => Name::parse_in_file(name).map_err(|error| ZoneError::Name {
            name: name.to_owned(),
            error,
        })?,
        None => {
            let records = parse(path, &text, &Name::root())?;
            let mut records = records.into_iter();
            let soa = records.find(|record| record.record_type == RecordType::SOA);
            let apex = soa.map(|soa| soa.name).filter(|apex| !apex.is_root());
            apex.ok_or_else(|| ZoneError::NoOrigin(path.clone()))?
        }
    };
    let records = parse(path, &text, &apex)?;
    Ok(Zone { apex, records })
}

fn parse(path: &Path, text: &str, origin: &Name) -> Result<Vec<Record>, ZoneError> {
    let records = zone_file::parse(text, origin, Limits::default());
    records.map_err(|errors| ZoneError::File {
        path: path.to_owned(),
        errors,
    })
}

/// Record sets, as the API takes them. SOA and the name servers of the apex are the zone's own.
fn record_sets(zone: &Zone) -> Vec<Value> {
    let mut sets: BTreeMap<(String, RecordType), (u32, Vec<String>)> = BTreeMap::new();
    for record in &zone.records {
        let is_apex = record.name == zone.apex;
        if is_apex && matches!(record.record_type, RecordType::SOA | RecordType::NS) {
            continue;
        }
        let set = (record.name.to_string(), record.record_type);
        let (ttl, values) = sets.entry(set).or_insert((record.ttl, Vec::new()));
        // One set has one time to live (RFC 2181 §5.2); the shortest is safe.
        *ttl = record.ttl.min(*ttl);
        values.push(rdata::print(record.record_type, &record.rdata));
    }
    let sets = sets
        .into_iter()
        .map(|((name, record_type), (ttl, values))| {
            let values: Vec<Value> = values
                .iter()
                .map(|value| json!({ "Value": value }))
                .collect();
            json!({
                "Name": name,
                "Type": record_type.to_string(),
                "TTL": ttl,
                "ResourceRecords": values,
            })
        });
    sets.collect()
}

async fn import(client: &Client, file: Zone) -> Result<Value, ZoneError> {
    let name = file.apex.to_string();
    let zone = match find(client, &name).await? {
        Some(zone) => zone,
        None => {
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
            let input = json!({
                "Name": name,
                "CallerReference": format!("warmfront-{}-{}", now.as_nanos(), std::process::id()),
            });
            client.route53("CreateHostedZone", &input).await?["HostedZone"].clone()
        }
    };
    let id = text(&zone["Id"]);
    let bare_id = id.trim_start_matches("/hostedzone/");
    let sets = record_sets(&file);
    let mut done = 0;
    for batch in batches(&sets) {
        let changes: Vec<Value> = batch
            .iter()
            .map(|set| json!({ "Action": "UPSERT", "ResourceRecordSet": set }))
            .collect();
        let input = json!({ "HostedZoneId": id, "ChangeBatch": { "Changes": changes } });
        let taken = client.route53("ChangeResourceRecordSets", &input).await;
        taken.map_err(|error| ZoneError::Partly {
            error,
            id: bare_id.to_owned(),
            done,
            all: sets.len(),
        })?;
        done += batch.len();
    }
    let zone = client
        .route53("GetHostedZone", &json!({ "Id": id }))
        .await?;
    Ok(json!({
        "Id": bare_id,
        "Name": name,
        "RecordSets": sets.len(),
        "NameServers": zone["DelegationSet"]["NameServers"],
    }))
}

/// What one batch takes: an UPSERT counts twice (spec §8.2).
fn batches(sets: &[Value]) -> impl Iterator<Item = &[Value]> {
    let mut rest = sets;
    std::iter::from_fn(move || {
        let (mut records, mut characters) = (0, 0);
        let fits = rest.iter().take_while(|set| {
            let values = set["ResourceRecords"].as_array().into_iter().flatten();
            for value in values {
                records += 2;
                characters += 2 * value["Value"]
                    .as_str()
                    .map_or(0, |text| text.chars().count());
            }
            records <= limits::BATCH_RECORDS_MAX && characters <= limits::BATCH_CHARACTERS_MAX
        });
        // A set that is too large by itself is sent, and refused with the reason.
        let count = fits.count().max(1).min(rest.len());
        let (batch, others) = rest.split_at(count);
        rest = others;
        (!batch.is_empty()).then_some(batch)
    })
}

/// The one hosted zone of a name.
async fn find(client: &Client, name: &str) -> Result<Option<Value>, ZoneError> {
    let input = json!({ "DNSName": name });
    let told = client.route53("ListHostedZonesByName", &input).await?;
    let zones = told["HostedZones"].as_array().into_iter().flatten();
    let mut zones: Vec<&Value> = zones.filter(|zone| zone["Name"] == name).collect();
    match zones.len() {
        0 | 1 => Ok(zones.pop().cloned()),
        count => Err(ZoneError::SeveralZones {
            name: name.to_owned(),
            count,
        }),
    }
}

async fn export(client: &Client, zone: &str) -> Result<String, ZoneError> {
    let name = Name::parse(zone).map(|name| name.to_string());
    let found = match &name {
        Ok(name) => find(client, name).await?,
        Err(_) => None,
    };
    let id = match found {
        Some(zone) => text(&zone["Id"]),
        None if zone.starts_with('Z') => zone.to_owned(),
        None => return Err(ZoneError::NoZone(zone.to_owned())),
    };
    let told = client
        .route53("GetHostedZone", &json!({ "Id": id }))
        .await?;
    let apex = text(&told["HostedZone"]["Name"]);
    let apex = Name::parse(&apex).map_err(|error| ZoneError::Name { name: apex, error })?;
    let mut records = Vec::new();
    let mut others = Vec::new();
    let mut input = json!({ "HostedZoneId": id });
    loop {
        let page = client.route53("ListResourceRecordSets", &input).await?;
        for set in page["ResourceRecordSets"].as_array().into_iter().flatten() {
            match plain(set) {
                Some(set) => records.extend(set),
                None => others.push(set.to_string()),
            }
        }
        if page["IsTruncated"] != json!(true) {
            break;
        }
        input = json!({
            "HostedZoneId": id,
            "StartRecordName": page["NextRecordName"],
            "StartRecordType": page["NextRecordType"],
        });
        if page["NextRecordIdentifier"].is_string() {
            input["StartRecordIdentifier"] = page["NextRecordIdentifier"].clone();
        }
    }
    let mut file = String::new();
    // Names and data are bounded, so writing to a text cannot fail.
    let _ = zone_file::write(&apex, &records, &mut file);
    for other in others {
        file.push_str(&format!("; not of zone files: {other}\n"));
    }
    Ok(file)
}

/// The records of a set that zone files can say: no alias, no routing.
fn plain(set: &Value) -> Option<Vec<Record>> {
    if !set["SetIdentifier"].is_null() {
        return None;
    }
    let name = Name::parse(set["Name"].as_str()?).ok()?;
    let record_type: RecordType = set["Type"].as_str()?.parse().ok()?;
    let ttl = u32::try_from(set["TTL"].as_i64()?).ok()?;
    let values = set["ResourceRecords"].as_array()?.iter();
    let records = values.map(|value| {
        let rdata = rdata::parse(record_type, value["Value"].as_str()?).ok()?;
        Some(Record {
            name: name.clone(),
            ttl,
            record_type,
            rdata,
        })
    });
    records.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(text: &str) -> Zone {
        let apex = Name::parse("example.com").unwrap();
        let records = zone_file::parse(text, &apex, Limits::default()).unwrap();
        Zone { apex, records }
    }

    #[test]
    fn records_of_one_name_and_type_are_one_set_with_the_shortest_time() {
        let sets = record_sets(&zone(
            "@ 900 IN SOA a. b. 1 2 3 4 5\n@ 900 IN NS a.\nwww 300 IN A 192.0.2.1\n\
             www 60 IN A 192.0.2.2\n* 60 IN TXT \"x\"\n",
        ));
        let expected = json!([
            { "Name": "\\052.example.com.", "Type": "TXT", "TTL": 60,
              "ResourceRecords": [{ "Value": "\"x\"" }] },
            { "Name": "www.example.com.", "Type": "A", "TTL": 60,
              "ResourceRecords": [{ "Value": "192.0.2.1" }, { "Value": "192.0.2.2" }] },
        ]);
        assert_eq!(json!(sets), expected);
    }

    #[test]
    fn batches_are_as_large_as_the_api_takes() {
        let set = |values: usize| {
            let values = vec![json!({ "Value": "192.0.2.1" }); values];
            json!({ "ResourceRecords": values })
        };
        let sets: Vec<Value> = [400, 100, 1, 1_000, 1].map(set).to_vec();
        let sizes: Vec<usize> = batches(&sets).map(<[Value]>::len).collect();
        assert_eq!(sizes, [2, 1, 1, 1]);
        assert_eq!(batches(&[]).count(), 0);
    }

    #[test]
    fn a_file_that_is_too_long_is_refused_and_not_cut() {
        let path = std::env::temp_dir().join(format!("warmfront-zone-{}", std::process::id()));
        let file = File::create(&path).unwrap();
        file.set_len(limits::ZONE_FILE_BYTES_MAX + 1).unwrap();
        let refused = read(&path, Some("example.com")).err();
        std::fs::remove_file(&path).unwrap();
        let message = refused.unwrap().to_string();
        assert!(message.contains("more than"), "{message}");
    }

    #[test]
    fn a_set_that_is_routed_is_not_of_zone_files() {
        let set = json!({
            "Name": "a.example.com.", "Type": "A", "TTL": 60, "SetIdentifier": "x", "Weight": 1,
            "ResourceRecords": [{ "Value": "192.0.2.1" }],
        });
        assert_eq!(plain(&set), None);
    }
}
