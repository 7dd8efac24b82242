//! What a log line costs: `cargo run --release -p telemetry --example log_line [MODE [LINES]]`.
//!
//! Modes: `format` (the line alone), `copy` (the record's bytes alone: what a worker would pay to
//! have another thread format), `handle` (a worker's whole share: format, batch, hand over),
//! `compress` (the writer's gzip, per line). Without a mode all are timed. For instructions:
//!
//! ```text
//! valgrind --tool=callgrind --toggle-collect='*measured*' target/release/examples/log_line format
//! ```

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use telemetry::access_log::{
    AccessLog, DateCache, DetailedResult, HttpVersion, LineBuffer, LogHandle, LogId, Protocol,
    Record, ResultType,
};

const START_MS: u64 = 1_767_225_600_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next();
    LazyLock::force(&REQUEST_IDS);
    let lines = arguments
        .next()
        .map_or(1_000_000, |text| text.parse().expect("LINES is a number"));
    for (name, run) in [
        ("format", measured_format as fn(u64) -> Duration),
        ("copy", measured_copy),
        ("handle", handle),
        ("compress", compress),
    ] {
        if mode.as_deref().is_none_or(|mode| mode == name) {
            let elapsed = run(lines);
            println!(
                "{name:9} {:7.1} ns/line",
                elapsed.as_nanos() as f64 / lines as f64
            );
        }
    }
}

#[inline(never)]
fn measured_format(lines: u64) -> Duration {
    let mut dates = DateCache::new();
    let mut buffer = LineBuffer::new();
    let start = Instant::now();
    for index in 0..lines {
        if buffer.len() > 64 * 1024 {
            buffer.clear();
        }
        black_box(record(index)).write_line(false, &mut dates, &mut buffer);
    }
    black_box(buffer.as_bytes());
    start.elapsed()
}

/// Length-prefixed strings and the fixed-size rest: about what a queue of records would hold.
#[inline(never)]
fn measured_copy(lines: u64) -> Duration {
    let mut buffer: Vec<u8> = Vec::with_capacity(128 * 1024);
    let start = Instant::now();
    for index in 0..lines {
        if buffer.len() > 64 * 1024 {
            buffer.clear();
        }
        let record = black_box(record(index));
        buffer.extend_from_slice(&[0; 96]);
        for value in [
            record.edge_location,
            record.method,
            record.distribution_domain,
            record.path,
            record.query,
            record.referer,
            record.user_agent,
            record.host,
            record.x_forwarded_for,
            record.request_id,
            record.tls_protocol,
            record.tls_cipher,
            record.content_type,
        ] {
            buffer.extend_from_slice(&(value.len() as u32).to_le_bytes());
            buffer.extend_from_slice(value);
        }
    }
    black_box(&buffer);
    start.elapsed()
}

fn handle(lines: u64) -> Duration {
    let (log, _directory) = open();
    let id = log
        .register("EDFDVBD6EXAMPLE", "", false)
        .expect("a valid id");
    let mut handle = log.handle();
    let mut elapsed = Duration::ZERO;
    let mut done = 0;
    while done < lines {
        let burst = (lines - done).min(1000);
        elapsed += measured_handle(&mut handle, id, burst);
        done += burst;
        // As on a real node, the writer has time between bursts; here that time is not counted.
        handle.flush(START_MS);
        while log.totals().lines_written < done {
            std::thread::yield_now();
        }
    }
    drop(handle);
    log.shutdown(Duration::from_secs(60));
    assert_eq!(log.totals().lines_dropped, 0);
    elapsed
}

#[inline(never)]
fn measured_handle(handle: &mut LogHandle, log: LogId, lines: u64) -> Duration {
    let start = Instant::now();
    for index in 0..lines {
        handle.write(log, black_box(&record(index)));
    }
    start.elapsed()
}

/// Writing and compressing what is still queued after a burst; single-threaded work.
fn compress(lines: u64) -> Duration {
    let (log, directory) = open();
    let id = log
        .register("EDFDVBD6EXAMPLE", "", false)
        .expect("a valid id");
    let mut handle = log.handle();
    for index in 0..lines {
        handle.write(id, &record(index));
        if index % 1000 == 999 {
            handle.flush(START_MS);
            while log.totals().lines_written <= index {
                std::thread::yield_now();
            }
        }
    }
    drop(handle);
    let start = Instant::now();
    log.shutdown(Duration::from_secs(60));
    let elapsed = start.elapsed();
    let size_bytes: u64 = std::fs::read_dir(directory.path().join("logs"))
        .expect("the directory is there")
        .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
        .sum();
    println!(
        "          {:.1} bytes/line compressed",
        size_bytes as f64 / lines as f64
    );
    elapsed
}

fn open() -> (AccessLog, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let log = AccessLog::start(directory.path().join("logs")).expect("the log starts");
    (log, directory)
}

/// Different enough from line to line that neither the branch predictor nor gzip cheats.
static REQUEST_IDS: LazyLock<Vec<[u8; 56]>> = LazyLock::new(|| {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = 1u64;
    let mut letter = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ALPHABET[(state >> 58) as usize]
    };
    (0..4096)
        .map(|_| std::array::from_fn(|_| letter()))
        .collect()
});

const PATHS: [&[u8]; 8] = [
    b"/assets/images/products/1234567/large.webp",
    b"/assets/css/main.0a1b2c3d.css",
    b"/",
    b"/products/1234567",
    b"/assets/js/vendor.99887766.js",
    b"/api/v1/products/1234567/reviews",
    b"/search",
    b"/assets/fonts/inter-var-latin.woff2",
];

const USER_AGENTS: [&[u8]; 4] = [
    b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
        Chrome/131.0.0.0 Safari/537.36",
    b"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
        Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    b"Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    b"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) \
        Chrome/131.0.0.0 Mobile Safari/537.36",
];

fn record(index: u64) -> Record<'static> {
    let id = &REQUEST_IDS[index as usize % REQUEST_IDS.len()];
    Record {
        finished_ms: START_MS + index / 50,
        time_taken_us: 180 + index % 700,
        time_to_first_byte_us: 120 + index % 500,
        edge_location: b"ICN1",
        viewer_address: IpAddr::V4(Ipv4Addr::from(0xc633_6400 + (index % 250) as u32)),
        viewer_port: 40_000 + (index % 20_000) as u16,
        method: b"GET",
        distribution_domain: b"d111111abcdef8.cdn.localhost",
        path: PATHS[usize::from(id[0]) % PATHS.len()],
        query: b"",
        referer: b"https://www.example.com/products/1234567",
        user_agent: USER_AGENTS[usize::from(id[1]) % USER_AGENTS.len()],
        cookie: b"",
        host: b"www.example.com",
        x_forwarded_for: b"",
        request_id: id,
        protocol: Protocol::Https,
        http_version: HttpVersion::Http11,
        tls_protocol: b"TLSv1.3",
        tls_cipher: b"TLS_AES_128_GCM_SHA256",
        status: 200,
        bytes_received: 523,
        bytes_sent: 1398 + index % 1000,
        result: ResultType::Hit,
        response_result: ResultType::Hit,
        detailed_result: DetailedResult::AsResult,
        content_type: b"image/webp",
        content_length: Some(1024),
        content_range: None,
        encryption_status: "",
        encrypted_fields: None,
    }
}
