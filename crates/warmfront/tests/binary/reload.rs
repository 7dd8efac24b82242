//! Changes while the binary serves. What is seen of a change is what HTTP viewers get: a redirect
//! to HTTPS, or a refusal; no origin is needed for either.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use crate::world::{Server, ask, eventually};

const REDIRECTING: &str = include_str!("distribution.json");

fn refusing() -> String {
    REDIRECTING.replace("redirect-to-https", "https-only")
}

/// Replaces a file at once, as careful programs do.
fn replace(directory: &Path, name: &str, content: &str) {
    let new = directory.join("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, directory.join(name)).unwrap();
}

fn status(server: &Server) -> u16 {
    server.ask("GET", "shop.test", "/").status
}

#[test]
fn a_changed_file_is_taken_up_and_a_wrong_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    fs::write(here.join("a.json"), REDIRECTING).unwrap();
    let server = Server::start(here, &["--distribution", "a.json"]);
    assert!(
        server.first_words.contains("for a.json (d"),
        "{}",
        server.first_words
    );
    assert_eq!(status(&server), 301);

    replace(here, "a.json", &refusing());
    server.logged("reloaded");
    assert_eq!(status(&server), 403);

    let wrong = REDIRECTING.replace("\"ConnectionAttempts\": 3", "\"ConnectionAttempts\": 7");
    replace(here, "a.json", &wrong);
    let line = server.logged("not reloaded");
    let problem =
        "a.json: DistributionConfig.Origins.Items[0].ConnectionAttempts: 7 is not from 1 to 3";
    assert!(line.contains(problem), "{line}");
    assert!(line.contains("ERROR"), "{line}");
    assert_eq!(status(&server), 403, "the old one serves on");

    replace(here, "a.json", REDIRECTING);
    server.logged("reloaded");
    assert_eq!(status(&server), 301);
}

#[test]
fn a_hangup_reloads_settings_too_and_says_what_waits_for_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    fs::write(here.join("a.json"), REDIRECTING).unwrap();
    fs::write(here.join("b.json"), refusing()).unwrap();
    fs::write(here.join("warmfront.toml"), "distribution = \"a.json\"\n").unwrap();
    let server = Server::start(here, &[]);
    assert_eq!(status(&server), 301);

    replace(
        here,
        "warmfront.toml",
        "distribution = [\"b.json\"]\npop = \"ICN1-C1\"\n",
    );
    server.signal("HUP");
    let line = server.logged("waits for a restart");
    assert!(
        line.contains("pop = \"ICN1-C1\" (warmfront.toml:2)"),
        "{line}"
    );
    server.logged("reloaded");
    assert_eq!(status(&server), 403);

    replace(here, "warmfront.toml", "distributions = [\"a.json\"]\n");
    server.signal("HUP");
    let line = server.logged("not reloaded");
    assert!(line.contains("did you mean distribution?"), "{line}");
    assert_eq!(status(&server), 403);
}

#[test]
fn an_exported_distribution_answers_under_a_local_name_too() {
    let directory = tempfile::tempdir().unwrap();
    let config: serde_json::Value = serde_json::from_str(REDIRECTING).unwrap();
    let exported = serde_json::json!({ "Distribution": {
        "Id": "EDFDVBD6EXAMPLE",
        "DomainName": "d111111abcdef8.cloudfront.net",
        "DistributionConfig": config["DistributionConfig"],
    }});
    fs::write(directory.path().join("a.json"), exported.to_string()).unwrap();
    let server = Server::start(directory.path(), &["--distribution", "a.json"]);
    for host in [
        "d111111abcdef8.cloudfront.net",
        "d111111abcdef8.cdn.localhost:80",
        "shop.test",
    ] {
        assert_eq!(server.ask("GET", host, "/").status, 301, "{host}");
    }
    assert_eq!(server.ask("GET", "other.test", "/").status, 403);
}

#[test]
fn the_api_shows_metrics_and_health_and_a_signal_ends_it_all() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.json"), REDIRECTING).unwrap();
    let mut server = Server::start(directory.path(), &["--distribution", "a.json"]);
    let api = |method, path| ask(server.api_address, method, "localhost", path, &[]);
    assert_eq!(api("GET", "/health").text(), "ok\n");
    assert_eq!(
        api("GET", "/nothing").status,
        403,
        "the API takes nothing unsigned"
    );
    assert_eq!(api("POST", "/metrics").status, 405);
    assert_eq!(status(&server), 301);
    let metrics = eventually("a counted request", || {
        let metrics = api("GET", "/metrics").text();
        metrics.contains("requests").then_some(metrics)
    });
    assert!(metrics.contains("# TYPE "), "{metrics}");
    server.signal("TERM");
    server.logged("stopping");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_second_signal_does_not_wait_for_running_responses() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(directory.path(), &[]);
    // A viewer that reads nothing of a large answer.
    let mut viewer = TcpStream::connect(server.viewer_address).unwrap();
    viewer
        .write_all(b"GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    viewer.read_exact(&mut [0; 16]).unwrap();
    server.signal("TERM");
    server.logged("stopping");
    server.signal("INT");
    server.logged("stopped at once");
    assert_eq!(server.wait().code(), Some(1));
}
