//! What operators see: access logs and metrics.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::world::{Origin, World, distribution, eventually, response};
use crate::{metric, raw_origin, read_head, world_with};

/// A directory of its own for a test, gone afterwards.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Directory {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("edge-logs-{}-{count}", std::process::id());
        Directory(std::env::temp_dir().join(name))
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut directories = vec![self.0.clone()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    directories.push(entry.path());
                } else {
                    files.push(entry.path());
                }
            }
        }
        files.retain(|path| !path.ends_with(".warmfront-lock"));
        files
    }

    /// The lines of all files, as fields; in the order of their targets, since files have none.
    fn lines(&self) -> Vec<Vec<String>> {
        let mut lines = Vec::new();
        for path in self.files() {
            let text = unpacked(&path);
            let mut text = text.lines();
            assert_eq!(text.next(), Some("#Version: 1.0"));
            assert!(
                text.next()
                    .unwrap()
                    .starts_with("#Fields: date time x-edge-location ")
            );
            lines.extend(text.map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>()));
        }
        lines.sort_by(|one, other| one[7].cmp(&other[7]));
        lines
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    assert_eq!(path.extension().unwrap(), "gz", "{path:?}");
    flate2::read::MultiGzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    text
}

fn logging_world(directory: &Directory, origin: std::net::SocketAddr) -> World {
    let mut config = distribution(origin);
    config["Logging"] = json!({
        "Enabled": true, "IncludeCookies": true, "Bucket": "logs.s3.amazonaws.com",
        "Prefix": "shop",
    });
    world_with(&config, |settings| {
        settings.access_logs = Some(directory.0.clone());
        settings.timeouts.write = Duration::from_millis(300);
    })
}

/// The line of that path, its fields counted from 1 as the format's documentation does.
fn line_of(lines: &[Vec<String>], path: &str) -> Vec<String> {
    let found: Vec<_> = lines.iter().filter(|line| line[7] == path).collect();
    assert_eq!(found.len(), 1, "{path}: {lines:?}");
    assert_eq!(found[0].len(), 33, "{found:?}");
    let mut line = vec![String::new()];
    line.extend_from_slice(found[0]);
    line
}

#[test]
fn a_line_says_what_was_asked_and_what_was_sent() {
    let directory = Directory::new();
    let origin = Origin::scripted(|asked, _, stream| {
        let fields = [
            ("Cache-Control", "max-age=60"),
            ("Content-Type", "text/plain; charset=x"),
        ];
        let answer = match asked.target.as_str() {
            "/gone" => response("404 Not Found", &[("Cache-Control", "no-store")], "gone"),
            _ => response("200 OK", &fields, "hello world"),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let mut world = logging_world(&directory, origin.address);
    let mut client = world.client();
    let port = client.stream.local_addr().unwrap().port().to_string();
    let fields = [
        ("User-Agent", "curl/8 (x; \"y\")"),
        ("Referer", "http://r.test/ä?b"),
        ("Cookie", "a=1; b=2"),
        ("X-Forwarded-For", "192.0.2.9"),
    ];
    let mut ids = Vec::new();
    let mut sizes = Vec::new();
    for (method, target, fields) in [
        ("GET", "/miss%20one?q=1&r=<2>", &fields[..]),
        ("HEAD", "/miss%20one?q=1&r=<2>", &fields[2..3]),
        ("GET", "/gone", &[]),
        ("GET", "/whole", &[]),
        ("GET", "/whole", &[("Range", "bytes=2-5")]),
        ("POST", "/post", &[]),
    ] {
        client.ask(method, target, fields);
        let head_only = client.read_head().unwrap();
        // Written again as it came, to know how many bytes it took.
        let head: usize = head_only
            .fields
            .iter()
            .map(|(n, v)| n.len() + v.len() + 4)
            .sum();
        let mut answer = head_only.clone();
        let length = match method {
            "HEAD" => 0,
            _ => answer.get("content-length").unwrap().parse().unwrap(),
        };
        while client.buffer.len() < length {
            let mut bytes = [0; 4096];
            let count = client.stream.read(&mut bytes).unwrap();
            client.buffer.extend_from_slice(&bytes[..count]);
        }
        answer.body = client.buffer.drain(..length).collect();
        let reason = match answer.status {
            200 => "OK",
            206 => "Partial Content",
            _ => "Not Found",
        };
        sizes.push(
            (format!("HTTP/1.1 {} {reason}\r\n\r\n", answer.status).len() + head + length)
                .to_string(),
        );
        ids.push(answer.get("x-amz-cf-id").unwrap().to_owned());
    }
    let bytes_out: u64 = sizes.iter().map(|size| size.parse::<u64>().unwrap()).sum();
    let sample = "warmfront_viewer_bytes_total{distribution=\"ETEST\",direction=\"out\"}";
    eventually("all is counted", || metric(&world, sample) == bytes_out);
    world.edge.take().unwrap().stop();

    for path in directory.files() {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("ETEST.2023-11-14-22."), "{name}");
        assert!(path.parent().unwrap().ends_with("shop"));
    }
    let lines = directory.lines();
    assert_eq!(lines.len(), 6);
    let both: Vec<_> = lines
        .iter()
        .filter(|line| line[7] == "/miss%2520one")
        .collect();
    let (get, head): (Vec<_>, Vec<_>) = both.into_iter().partition(|line| line[5] == "GET");
    let get = line_of(&[get[0].clone()], "/miss%2520one");
    let expected = [
        (1, "2023-11-14"),
        (2, "22:13:20"),
        (3, "TST1-C1"),
        (4, &sizes[0]),
        (5, "127.0.0.1"),
        (6, "GET"),
        (7, "dtest.cdn.test"),
        (9, "200"),
        (10, "http://r.test/%C3%A4?b"),
        (11, "curl/8%20(x;%20%22y%22)"),
        (12, "q=1&r=%3C2%3E"),
        (13, "a=1;%20b=2"),
        (14, "Miss"),
        (15, &ids[0]),
        (16, "site.test"),
        (17, "http"),
        (20, "192.0.2.9"),
        (21, "-"),
        (22, "-"),
        (23, "Miss"),
        (24, "HTTP/1.1"),
        (25, "-"),
        (26, "-"),
        (27, &port),
        (29, "Miss"),
        (30, "text/plain;%20charset=x"),
        (31, "11"),
        (32, "-"),
        (33, "-"),
    ];
    for (number, value) in expected {
        assert_eq!(get[number], value, "field {number}");
    }
    let sent = "GET /miss%20one?q=1&r=<2> HTTP/1.1\r\nHost: site.test\r\n\r\n".len()
        + fields
            .iter()
            .map(|(n, v)| n.len() + v.len() + 4)
            .sum::<usize>();
    assert_eq!(get[18], sent.to_string());
    let (taken, first): (f64, f64) = (get[19].parse().unwrap(), get[28].parse().unwrap());
    assert!(first <= taken && taken < 5.0);

    let head = line_of(&[head[0].clone()], "/miss%2520one");
    for (number, value) in [
        (4, sizes[1].as_str()),
        (6, "HEAD"),
        (9, "200"),
        (10, "-"),
        (11, "-"),
        (14, "Hit"),
        (20, "-"),
        (29, "Hit"),
        (31, "11"),
    ] {
        assert_eq!(head[number], value, "field {number} of HEAD");
    }
    let gone = line_of(&lines, "/gone");
    for (number, value) in [
        (4, sizes[2].as_str()),
        (9, "404"),
        (12, "-"),
        (14, "Error"),
        (23, "Error"),
        (29, "Error"),
        (31, "4"),
    ] {
        assert_eq!(gone[number], value, "field {number} of an error");
    }
    let parts: Vec<_> = lines
        .iter()
        .filter(|line| line[8] == "206")
        .cloned()
        .collect();
    let part = line_of(&parts, "/whole");
    for (number, value) in [
        (4, sizes[4].as_str()),
        (14, "Hit"),
        (9, "206"),
        (31, "4"),
        (32, "2"),
        (33, "5"),
    ] {
        assert_eq!(part[number], value, "field {number} of a part");
    }
    assert_eq!(line_of(&lines, "/post")[6], "POST");
}

#[test]
fn a_viewer_that_leaves_is_logged_as_such() {
    let directory = Directory::new();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let address = raw_origin(move |mut stream| {
        let head = read_head(&mut stream);
        if head.starts_with("GET /before ") {
            let _ = gone.lock().unwrap().recv();
        }
        let head = "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 50000000\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
        while stream.write_all(&[b'x'; 65_536]).is_ok() {}
    });
    let mut world = logging_world(&directory, address);
    let mut client = world.client();
    client.ask("GET", "/before", &[]);
    eventually("the origin is asked", || {
        metric(
            &world,
            "warmfront_origin_fetches_total{distribution=\"ETEST\"}",
        ) == 1
    });
    client.reset();
    std::thread::sleep(Duration::from_millis(50));
    go.send(()).unwrap();
    let mut client = world.client();
    client.ask("GET", "/within", &[]);
    client.read_head().unwrap();
    client.reset();
    let errors = "warmfront_requests_total{distribution=\"ETEST\",result=\"Error\"}";
    eventually("both are counted", || metric(&world, errors) == 2);
    let before = "warmfront_responses_total{distribution=\"ETEST\",class=\"none\",status=\"000\"}";
    assert_eq!(
        metric(&world, before),
        1,
        "{}",
        world.edge.as_ref().unwrap().metrics()
    );
    world.edge.take().unwrap().stop();
    let lines = directory.lines();
    let before = line_of(&lines, "/before");
    for (number, value) in [
        (4, "0"),
        (9, "000"),
        (14, "Error"),
        (23, "Miss"),
        (29, "ClientCommError"),
    ] {
        assert_eq!(before[number], value, "field {number} before the reply");
    }
    let within = line_of(&lines, "/within");
    for (number, value) in [
        (9, "200"),
        (14, "Error"),
        (23, "Miss"),
        (29, "ClientCommError"),
    ] {
        assert_eq!(within[number], value, "field {number} within the reply");
    }
    let sent: u64 = within[4].parse().unwrap();
    assert!((100..50_000_000).contains(&sent), "{sent}");
}

#[test]
fn an_origin_that_breaks_off_is_not_logged_as_the_viewers_fault() {
    let directory = Directory::new();
    let address = raw_origin(move |mut stream| {
        read_head(&mut stream);
        let head = "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 10\r\n\r\nhello";
        stream.write_all(head.as_bytes()).unwrap();
    });
    let mut world = logging_world(&directory, address);
    let answer = world.get("/a", &[]);
    assert!(answer.is_broken && answer.text() == "hello");
    world.edge.take().unwrap().stop();
    let line = line_of(&directory.lines(), "/a");
    for (number, value) in [
        (9, "200"),
        (14, "Error"),
        (23, "Miss"),
        (29, "OriginReadError"),
    ] {
        assert_eq!(line[number], value, "field {number}");
    }
}

#[test]
fn a_websocket_is_logged_when_it_ends() {
    let directory = Directory::new();
    let address = raw_origin(|mut stream| {
        read_head(&mut stream);
        let head =
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes).unwrap();
        stream.write_all(&[b'x'; 1_000]).unwrap();
    });
    let mut world = logging_world(&directory, address);
    let mut client = world.client();
    client.ask(
        "GET",
        "/chat",
        &[("Connection", "Upgrade"), ("Upgrade", "websocket")],
    );
    assert_eq!(client.read_head().unwrap().status, 101);
    client.send("hello");
    assert_eq!(
        crate::read_to_end(&mut client.stream).len() + client.buffer.len(),
        1_000
    );
    drop(client);
    world.edge.take().unwrap().stop();
    let line = line_of(&directory.lines(), "/chat");
    for (number, value) in [
        (9, "101"),
        (14, "Miss"),
        (17, "ws"),
        (23, "Miss"),
        (29, "Miss"),
        (31, "-"),
    ] {
        assert_eq!(line[number], value, "field {number}");
    }
    let (sent, received): (u64, u64) = (line[4].parse().unwrap(), line[18].parse().unwrap());
    assert!(sent > 1_100 && received > 70, "{sent} {received}");
}

#[test]
fn refused_heads_are_not_logged_and_refused_requests_are() {
    let directory = Directory::new();
    let mut world = logging_world(&directory, crate::nowhere());
    let mut client = world.client();
    client.send("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.read_answer("GET").unwrap().status, 400);
    assert_eq!(
        world.get(&format!("/{}", "a".repeat(9_000)), &[]).status,
        413
    );
    assert_eq!(world.ask("TRACE", "/trace", &[]).status, 403);
    assert_eq!(world.get("/away", &[]).status, 502);
    world.edge.take().unwrap().stop();
    let lines = directory.lines();
    assert_eq!(lines.len(), 2);
    let trace = line_of(&lines, "/trace");
    assert_eq!(
        (trace[6].as_str(), trace[9].as_str(), trace[29].as_str()),
        ("TRACE", "403", "InvalidRequestMethod")
    );
    let away = line_of(&lines, "/away");
    assert_eq!(
        (away[9].as_str(), away[29].as_str()),
        ("502", "OriginConnectError")
    );
}

#[test]
fn metrics_agree_with_what_was_sent() {
    let origin = Origin::fixed("200 OK", &[("Cache-Control", "max-age=60")], "hello");
    let world = World::new(&distribution(origin.address));
    let mut clients = [world.client(), world.client(), world.client()];
    for round in 0..30 {
        let client = &mut clients[round % 3];
        assert_eq!(client.get(&format!("/{}", round % 6), &[]).status, 200);
    }
    clients[0].ask("POST", "/x", &[]);
    clients[0].read_answer("POST").unwrap();
    let request = |result: &str| {
        format!("warmfront_requests_total{{distribution=\"ETEST\",result=\"{result}\"}}")
    };
    eventually("all is counted", || metric(&world, &request("Miss")) == 7);
    assert_eq!(
        (
            metric(&world, &request("Hit")),
            metric(&world, &request("Error"))
        ),
        (24, 0)
    );
    let site = "{distribution=\"ETEST\"}";
    assert_eq!(
        metric(&world, &format!("warmfront_origin_fetches_total{site}")),
        7
    );
    assert_eq!(metric(&world, &format!("warmfront_flights_total{site}")), 6);
    assert_eq!(
        metric(&world, &format!("warmfront_origin_bytes_total{site}")),
        35
    );
    assert_eq!(
        metric(
            &world,
            &format!("warmfront_time_to_first_byte_seconds_count{site}")
        ),
        31
    );
    assert_eq!(
        metric(
            &world,
            "warmfront_responses_total{distribution=\"ETEST\",class=\"2xx\",status=\"200\"}"
        ),
        31
    );
    assert_eq!(metric(&world, "warmfront_open_connections"), 3);
    assert_eq!(metric(&world, "warmfront_cache_objects"), 6);
    assert_eq!(metric(&world, "warmfront_flights_in_progress"), 0);
}
