//! The access log as a node uses it: real threads, real files, and `gzip` as an outside judge.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use telemetry::access_log::{
    AccessLog, DetailedResult, FILE_HEADER, HttpVersion, Protocol, Record, RegisterError,
    ResultType, ShutdownOutcome, StartError,
};

/// 2026-01-01 00:00:00 UTC.
const MIDNIGHT_MS: u64 = 1_767_225_600_000;
const WAIT: Duration = Duration::from_secs(60);

fn record(path: &[u8]) -> Record<'_> {
    Record {
        finished_ms: MIDNIGHT_MS,
        time_taken_us: 900,
        time_to_first_byte_us: 700,
        edge_location: b"ICN1",
        viewer_address: IpAddr::from([192, 0, 2, 1]),
        viewer_port: 50_000,
        method: b"GET",
        distribution_domain: b"d111.cdn.localhost",
        path,
        query: b"",
        referer: b"",
        user_agent: b"curl/8.5.0",
        cookie: b"secret",
        host: b"localhost",
        x_forwarded_for: b"",
        request_id: b"id==",
        protocol: Protocol::Http,
        http_version: HttpVersion::Http11,
        tls_protocol: b"",
        tls_cipher: b"",
        status: 200,
        bytes_received: 80,
        bytes_sent: 1300,
        result: ResultType::Hit,
        response_result: ResultType::Hit,
        detailed_result: DetailedResult::AsResult,
        content_type: b"text/plain",
        content_length: Some(1024),
        content_range: None,
        encryption_status: "",
        encrypted_fields: None,
    }
}

/// The only log file of the directory, by the tool that an operator would use.
fn gunzip_only_file(directory: &Path) -> String {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("the directory is there")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| !path.ends_with(".warmfront-lock"))
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let file = files.remove(0);
    let output = Command::new("gzip")
        .arg("-dc")
        .arg(&file)
        .output()
        .expect("gzip is installed");
    assert!(output.status.success(), "gzip refuses {file:?}");
    String::from_utf8(output.stdout).expect("logs are ASCII")
}

#[test]
fn every_line_of_every_worker_is_in_the_compressed_file_after_a_shutdown() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let log = AccessLog::start(directory.path().to_owned()).expect("the log starts");
    let id = log.register("E1", "", false).expect("the id is valid");
    let lines_by_worker = 3000;
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let mut handle = log.handle();
            scope.spawn(move || {
                for line in 0..lines_by_worker {
                    handle.write(id, &record(format!("/{worker}/{line}").as_bytes()));
                }
                handle.flush(MIDNIGHT_MS);
            });
        }
    });
    assert_eq!(log.shutdown(WAIT), ShutdownOutcome::Complete);
    assert_eq!(log.totals().lines_written, 4 * lines_by_worker);
    assert_eq!(log.totals().lines_dropped, 0);
    let text = gunzip_only_file(directory.path());
    let records = text
        .strip_prefix(FILE_HEADER)
        .expect("the header comes first");
    let mut paths: Vec<&str> = records
        .lines()
        .map(|line| line.split('\t').nth(7).expect("33 fields"))
        .collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len() as u64, 4 * lines_by_worker);
    assert!(!text.contains("secret"));
}

#[test]
fn a_dropped_handle_loses_no_line() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let log = AccessLog::start(directory.path().to_owned()).expect("the log starts");
    let id = log.register("E1", "", true).expect("the id is valid");
    log.handle().write(id, &record(b"/"));
    assert_eq!(log.shutdown(WAIT), ShutdownOutcome::Complete);
    let text = gunzip_only_file(directory.path());
    assert_eq!(text.lines().count(), 3);
    assert!(text.contains("\tsecret\t"));
}

#[test]
fn lines_after_a_shutdown_are_dropped_and_counted() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let log = AccessLog::start(directory.path().to_owned()).expect("the log starts");
    let id = log.register("E1", "", false).expect("the id is valid");
    let mut handle = log.handle();
    assert_eq!(log.shutdown(WAIT), ShutdownOutcome::Complete);
    assert_eq!(log.shutdown(WAIT), ShutdownOutcome::Complete);
    handle.write(id, &record(b"/"));
    handle.flush(MIDNIGHT_MS);
    assert_eq!(log.totals().lines_dropped, 1);
}

#[test]
fn two_processes_do_not_share_a_directory() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let first = AccessLog::start(directory.path().to_owned()).expect("the log starts");
    let second = AccessLog::start(directory.path().to_owned());
    assert!(matches!(second, Err(StartError::InUse { .. })));
    assert_eq!(first.shutdown(WAIT), ShutdownOutcome::Complete);
}

#[test]
fn a_directory_that_cannot_be_made_is_named_in_the_error() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let Err(error) = AccessLog::start(file.path().join("logs")) else {
        panic!("a directory below a file was made");
    };
    assert!(error.to_string().contains("logs"), "{error}");
}

#[test]
fn names_that_would_leave_the_directory_are_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let log = AccessLog::start(directory.path().to_owned()).expect("the log starts");
    for prefix in ["", "a", "a/", "a/b c/ü", "AWSLogs/123"] {
        assert!(log.register("E1", prefix, false).is_ok(), "{prefix:?}");
    }
    let deep = "a/".repeat(17);
    for prefix in [
        "/", "/a", "a//b", "..", "a/../b", "./a", "a\0b", "a\nb", "a\\b", &deep,
    ] {
        let refused = log.register("E1", prefix, false);
        assert_eq!(refused, Err(RegisterError::Prefix(prefix.to_owned())));
    }
    for id in ["", "a/b", "..", "a.b", &"E".repeat(129)] {
        let refused = log.register(id, "", false);
        assert_eq!(refused, Err(RegisterError::DistributionId(id.to_owned())));
    }
    assert_eq!(
        log.register("E1", "a", false),
        log.register("E1", "a/", false)
    );
    assert_eq!(log.shutdown(WAIT), ShutdownOutcome::Complete);
}
