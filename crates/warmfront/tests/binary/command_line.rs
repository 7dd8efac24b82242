//! The binary's command line, from outside.

use std::fs;
use std::net::TcpListener;

use crate::world::{run, text, warmfront};

/// A distribution that compiles.
const GOOD: &str = include_str!("distribution.json");

fn error_of(arguments: &[&str], files: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(directory.path().join(name), content).unwrap();
    }
    let output = run(directory.path(), arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(text(&output.stdout), "");
    text(&output.stderr)
}

#[test]
fn wrong_settings_are_named_with_their_place_and_what_is_allowed() {
    assert_eq!(
        error_of(&["serve", "--origin", "localhost:3000"], &[]),
        "warmfront: origin is \"localhost:3000\" (flag --origin); it must be an http:// or \
         https:// URL with a host, and perhaps a port (80, 443 or from 1024) and a path; no \
         user, query or fragment\n"
    );
    assert_eq!(
        error_of(&["serve"], &[("warmfront.toml", "pop = \"here\"\n")]),
        "warmfront: pop is \"here\" (warmfront.toml:1); it must be three capital letters, a \
         number, '-', a letter and a number, such as LOC1-C1 or ICN57-P2\n"
    );
    assert_eq!(
        error_of(&["serve"], &[("warmfront.toml", "\nworker = 2\n")]),
        "warmfront: warmfront.toml:2: worker is no setting; did you mean workers?\n"
    );
}

#[test]
fn the_environment_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let output = warmfront(directory.path(), &["serve"])
        .env("WARMFRONT_CONNECTIONS_PER_CLIENT", "none")
        .output()
        .unwrap();
    assert_eq!(
        text(&output.stderr),
        "warmfront: connections_per_client is \"none\" (environment \
         WARMFRONT_CONNECTIONS_PER_CLIENT); it must be a whole number from 1 to 1000000\n"
    );
}

#[test]
fn an_address_that_is_taken_is_named_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let message = error_of(&["serve", "--http", "127.0.0.1:0", "--api", &address], &[]);
    let start = format!("warmfront: api is \"{address}\" (flag --api); it must be an address");
    assert!(message.starts_with(&start), "{message}");
    let message = error_of(&["serve", "--http", &address, "--api", "127.0.0.1:0"], &[]);
    let start = format!("warmfront: http (flag --http): cannot listen on {address}: ");
    assert!(message.starts_with(&start), "{message}");
}

#[test]
fn a_distribution_that_does_not_compile_is_not_served() {
    let wrong = GOOD.replace(
        "\"TargetOriginId\": \"site\"",
        "\"TargetOriginId\": \"sight\"",
    );
    let message = error_of(
        &[
            "serve",
            "--http",
            "127.0.0.1:0",
            "--api",
            "127.0.0.1:0",
            "--distribution",
            "a.json",
        ],
        &[("a.json", &wrong)],
    );
    let start =
        "warmfront: a.json: DistributionConfig.DefaultCacheBehavior.TargetOriginId: 'sight'";
    assert!(message.starts_with(start), "{message}");
    let message = error_of(
        &[
            "serve",
            "--distribution",
            "a.json",
            "--distribution",
            "b.json",
        ],
        &[("a.json", GOOD), ("b.json", GOOD)],
    );
    assert!(message.contains("b.json: distribution E"), "{message}");
    assert!(message.contains("is the one of a.json too"), "{message}");
}

#[test]
fn check_passes_what_is_right() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("good.json"), GOOD).unwrap();
    let output = run(directory.path(), &["check", "good.json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let last = text(&output.stdout);
    assert!(last.lines().last().unwrap().starts_with("ok"), "{last}");
}

#[test]
fn check_names_every_wrong_member_and_fails() {
    let directory = tempfile::tempdir().unwrap();
    let wrong = GOOD
        .replace("\"redirect-to-https\"", "\"redirect\"")
        .replace("\"Enabled\": true", "\"Enabled\": \"yes\"");
    fs::write(directory.path().join("good.json"), GOOD).unwrap();
    fs::write(directory.path().join("wrong.json"), wrong).unwrap();
    fs::write(directory.path().join("broken.json"), "{").unwrap();
    let output = run(
        directory.path(),
        &["check", "good.json", "wrong.json", "broken.json"],
    );
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let lines = text(&output.stdout);
    for start in [
        "wrong.json: DistributionConfig.DefaultCacheBehavior.ViewerProtocolPolicy: ",
        "wrong.json: DistributionConfig.Enabled: ",
        "broken.json: not JSON: ",
        "3 errors",
    ] {
        assert!(
            lines.lines().any(|line| line.starts_with(start)),
            "{start}: {lines}"
        );
    }
}

#[test]
fn check_warns_of_members_that_have_no_effect_and_fails_if_strict() {
    let directory = tempfile::tempdir().unwrap();
    let unknown = GOOD.replace("\"Enabled\": true", "\"Enabled\": true, \"Enable\": true");
    fs::write(directory.path().join("a.json"), unknown).unwrap();
    let output = run(directory.path(), &["check", "a.json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines = text(&output.stdout);
    assert!(
        lines.starts_with("a.json: DistributionConfig.Enable: warning: "),
        "{lines}"
    );
    let output = run(directory.path(), &["check", "--strict", "a.json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn explain_needs_no_server() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.json"), GOOD).unwrap();
    let url = "https://shop.test/";
    let output = run(
        directory.path(),
        &["explain", "--distribution", "a.json", url],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!output.stdout.is_empty());
    let output = run(
        directory.path(),
        &["explain", "--distribution", "a.json", "-H", "Accept", url],
    );
    assert_eq!(
        text(&output.stderr),
        "warmfront: --header is \"Accept\"; it must be a name, ':' and a value\n"
    );
}

#[test]
fn traces_are_read_and_made_up() {
    let directory = tempfile::tempdir().unwrap();
    let trace = "time,id,size\n0,a,100\n1,b,100\n2,a,100\n3,a,100\n";
    fs::write(directory.path().join("t.csv"), trace).unwrap();
    let output = run(directory.path(), &["trace", "t.csv", "--capacity", "1MiB"]);
    let table = text(&output.stdout);
    assert!(
        table.starts_with("4 requests for 400 bytes, capacity 1048576 bytes\n"),
        "{table}"
    );
    let ours = table
        .lines()
        .find(|line| line.starts_with("warmfront"))
        .unwrap();
    assert_eq!(ours.split_whitespace().nth(1), Some("0.5000"));

    let generate = [
        "--generate",
        "--requests",
        "20000",
        "--objects",
        "2000",
        "--capacity",
        "5%",
    ];
    let output = run(directory.path(), &[&["trace"], &generate[..]].concat());
    let table = text(&output.stdout);
    assert!(table.starts_with("20000 requests for "), "{table}");
    assert!(
        table.contains("plain LRU") && table.contains("5% of "),
        "{table}"
    );

    fs::write(directory.path().join("t.csv"), "0,a,large\n").unwrap();
    for capacity in ["1MiB", "5%"] {
        let output = run(
            directory.path(),
            &["trace", "t.csv", "--capacity", capacity],
        );
        let error = text(&output.stderr);
        assert!(
            error.starts_with("warmfront: t.csv: line 1: field size is \"large\""),
            "{error}"
        );
    }
    let output = run(directory.path(), &["trace", "t.csv", "--capacity", "lots"]);
    assert!(text(&output.stderr).starts_with("warmfront: --capacity is \"lots\"; it must be "));
}
