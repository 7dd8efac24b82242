//! Restriction by country, with databases in the forms that their publishers write.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no tests to Clippy"
)]

mod world;

use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use edge::explain::Question;
use edge::site::Policies;
use geo::testing::{DatabaseWriter, Datum};
use serde_json::{Value, json};
use world::{Origin, World, distribution};

/// The managed policy AllViewerAndCloudFrontHeaders-2022-06.
const ALL_HEADERS: &str = "33f36d7e-f396-46d9-90e0-52428a34d9dc";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn hello() -> Origin {
    Origin::fixed("200 OK", &[("Cache-Control", "no-store")], "hello")
}

/// A database that says this of the test's own addresses, for both families.
fn database_of(record: &Datum) -> Arc<geo::Geo> {
    let database = DatabaseWriter::new(24)
        .add(ip("127.0.0.0"), 8, record)
        .add(ip("::1"), 128, record)
        .finish();
    Arc::new(geo::Geo::compile(&database).unwrap())
}

/// As ip-location-db writes it.
fn flat(country: &str) -> Datum {
    Datum::Map(vec![("country_code", Datum::text(country))])
}

/// A distribution that has these countries served alone.
fn only(origin: &Origin, countries: &[&str]) -> Value {
    let mut config = distribution(origin.address);
    config["Restrictions"] = json!({ "GeoRestriction": {
        "RestrictionType": "whitelist", "Quantity": countries.len(), "Items": countries,
    } });
    config
}

/// Has this page served with status 200 in the place of errors of a status.
fn with_page(config: &mut Value, status: u16) {
    config["CustomErrorResponses"] = json!({ "Quantity": 1, "Items": [{
        "ErrorCode": status, "ResponsePagePath": "/sorry", "ResponseCode": "200",
        "ErrorCachingMinTTL": 10,
    }] });
}

fn world(config: &Value, database: Option<Arc<geo::Geo>>) -> World {
    World::with(config, &Policies::managed(), |settings| {
        settings.geo = database
    })
}

#[test]
fn the_forms_of_all_publishers_allow_and_block() {
    let registered = Datum::Map(vec![
        ("registered_country", flat("US")),
        ("country", Datum::Map(vec![("iso_code", Datum::text("DE"))])),
    ]);
    let short = Datum::Map(vec![("country", Datum::text("de"))]);
    for record in [flat("DE"), Datum::country("DE"), registered, short] {
        let origin = hello();
        for (countries, status) in [(["DE", "FR"], 200), (["US", "FR"], 403)] {
            let world = world(&only(&origin, &countries), Some(database_of(&record)));
            assert_eq!(world.get("/", &[]).status, status, "{record:?}");
        }
        assert_eq!(origin.count(), 1);
    }
}

/// The fields of the only line of the access logs below a directory.
fn only_line(directory: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "gz") {
            let mut text = String::new();
            let file = std::fs::File::open(path).unwrap();
            let mut file = flate2::read::MultiGzDecoder::new(file);
            file.read_to_string(&mut text).unwrap();
            let is_line = |line: &&str| !line.starts_with('#');
            lines.extend(text.lines().filter(is_line).map(str::to_owned));
        }
    }
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].split('\t').map(str::to_owned).collect()
}

#[test]
fn a_blocked_viewer_is_told_so_and_logged_as_such() {
    let (origin, directory) = (hello(), tempfile::tempdir().unwrap());
    let mut config = only(&origin, &["US"]);
    config["Logging"] = json!({
        "Enabled": true, "IncludeCookies": false, "Bucket": "logs.s3.amazonaws.com", "Prefix": "",
    });
    let mut world = World::with(&config, &Policies::managed(), |settings| {
        settings.geo = Some(database_of(&flat("DE")));
        settings.access_logs = Some(directory.path().to_owned());
    });
    let answer = world.get("/", &[]);
    assert_eq!((answer.status, answer.cache()), (403, "Error"));
    let page = answer.text();
    assert!(page.contains("not available in your country"), "{page}");
    assert_eq!(origin.count(), 0);
    world.edge.take().unwrap().stop();
    let line = only_line(directory.path());
    // sc-status, x-edge-result-type and x-edge-detailed-result-type.
    assert_eq!(
        [&line[8], &line[13], &line[28]],
        ["403", "Error", "ClientGeoBlocked"]
    );
}

#[test]
fn a_blocked_viewer_may_get_a_page_of_the_sites() {
    let origin = hello();
    let mut config = only(&origin, &["US"]);
    with_page(&mut config, 403);
    let answer = world(&config, Some(database_of(&flat("DE")))).get("/", &[]);
    assert_eq!(
        (answer.status, answer.text().as_str(), answer.cache()),
        (200, "hello", "Error")
    );
    assert_eq!(origin.last().target, "/sorry");
}

#[test]
fn a_viewer_of_an_unknown_country_passes() {
    let origin = hello();
    let elsewhere = DatabaseWriter::new(24)
        .add(ip("192.0.2.0"), 24, &flat("US"))
        .finish();
    let database = Arc::new(geo::Geo::compile(&elsewhere).unwrap());
    let answer = world(&only(&origin, &["US"]), Some(database)).get("/", &[]);
    assert_eq!(answer.status, 200);
}

#[test]
fn the_origin_is_told_the_viewers_country() {
    let origin = hello();
    let mut config = only(&origin, &["DE"]);
    config["DefaultCacheBehavior"]["OriginRequestPolicyId"] = json!(ALL_HEADERS);
    let world = world(&config, Some(database_of(&flat("DE"))));
    assert_eq!(world.get("/", &[]).status, 200);
    let asked = origin.last();
    assert_eq!(asked.get("cloudfront-viewer-country"), Some("DE"));
}

#[test]
fn a_restriction_without_countries_refuses_everybody_and_says_why() {
    let networks_alone = database_of(&Datum::Map(vec![("asn", Datum::text("AS64496"))]));
    for database in [None, Some(networks_alone)] {
        let origin = hello();
        let mut config = only(&origin, &["DE"]);
        with_page(&mut config, 503);
        let world = world(&config, database);
        for method in ["GET", "POST", "OPTIONS"] {
            let answer = world.ask(method, "/", &[]);
            assert_eq!((answer.status, answer.cache()), (503, "Error"), "{method}");
        }
        let page = world.get("/", &[]).text();
        assert!(page.contains("warmfront geo fetch"), "{page}");
        assert_eq!(origin.count(), 0, "not even for a page of the site's");

        let question = Question::new("http://site.test/", 0);
        let told = world.edge.as_ref().unwrap().explain(&question).unwrap();
        assert!(told.text.contains("503 to all"), "{}", told.text);
        assert!(told.text.contains("warmfront geo fetch"), "{}", told.text);
    }
}

#[test]
fn explain_knows_the_country_of_the_viewers_address() {
    let origin = hello();
    let world = world(&only(&origin, &["US"]), Some(database_of(&flat("DE"))));
    let question = Question::new("http://site.test/", 0);
    let told = world.edge.as_ref().unwrap().explain(&question).unwrap();
    assert!(told.text.contains("DE: 403"), "{}", told.text);
}
