//! Viewers that break the rules, by mistake or on purpose.

use std::time::Duration;

use serde_json::json;

use crate::world::{Client, Origin, World, distribution, eventually};
use crate::{impatient, metric, read_to_end, world_with};

fn rejected(world: &World, reason: &str) -> u64 {
    let sample = format!("warmfront_rejected_requests_total{{reason=\"{reason}\"}}");
    metric(world, &sample)
}

fn plain_origin() -> Origin {
    Origin::fixed("200 OK", &[("Cache-Control", "no-store")], "hello")
}

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: site.test\r\n\r\n";

/// Everything that the edge sends until it closes.
fn all_answers(mut client: Client) -> String {
    String::from_utf8(read_to_end(&mut client.stream)).unwrap()
}

#[test]
fn requests_that_could_be_read_in_two_ways_are_refused_and_nothing_after_them_is_read() {
    let origin = plain_origin();
    let world = World::new(&distribution(origin.address));
    let post = |fields: &str| format!("POST / HTTP/1.1\r\nHost: site.test\r\n{fields}\r\n");
    let get = |fields: &str| format!("GET / HTTP/1.1\r\nHost: site.test\r\n{fields}\r\n");
    let shapes = [
        post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
        post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n") + "0\r\n\r\n",
        post("Content-Length: 0\r\nContent-Length: 0\r\n"),
        post("Content-Length: 0\r\nContent-Length: 46\r\n"),
        post("Content-Length: 0, 0\r\n"),
        post("Content-Length: +5\r\n") + "abcde",
        post("Content-Length: -1\r\n"),
        post("Content-Length: 0x5\r\n") + "abcde",
        post("Content-Length: 18446744073709551616\r\n"),
        post("Content-Length:\r\n"),
        post("Content-Length : 5\r\n") + "abcde",
        post("Content-Length: 5\r\n Transfer-Encoding: chunked\r\n") + "abcde",
        post("Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n",
        post("Transfer-Encoding: chunked, identity\r\n") + "0\r\n\r\n",
        post("Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n",
        post("Transfer-Encoding: \x0bchunked\r\n") + "0\r\n\r\n",
        post("Transfer-Encoding : chunked\r\n") + "0\r\n\r\n",
        post("Transfer-Encoding\r\n : chunked\r\n") + "0\r\n\r\n",
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
        post("Transfer-Encoding: chunked\nX: y\r\n") + "0\r\n\r\n",
        post("X: y\rTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
        get("Host: site.test\r\n"),
        get("Host: other.test\r\n"),
        get("X: a\0b\r\n"),
        get("X: a\r\n folded\r\n"),
        get("X\0: a\r\n"),
        get("X Y: a\r\n"),
        get(": a\r\n"),
        get("no colon\r\n"),
        get("X: a\nY: b\r\n"),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: site.test/x\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: user@site.test\r\n\r\n".to_owned(),
        "GET http://user@site.test/ HTTP/1.1\r\nHost: site.test\r\n\r\n".to_owned(),
        "GET ftp://site.test/ HTTP/1.1\r\nHost: site.test\r\n\r\n".to_owned(),
        "GET * HTTP/1.1\r\nHost: site.test\r\n\r\n".to_owned(),
        "GET site.test HTTP/1.1\r\nHost: site.test\r\n\r\n".to_owned(),
        "CONNECT site.test:80 HTTP/1.1\r\nHost: site.test\r\n\r\n".to_owned(),
        "GET /a\0b HTTP/1.1\r\nHost: site.test\r\n\r\n".to_owned(),
        "GET\t/ HTTP/1.1\r\nHost: site.test\r\n\r\n".to_owned(),
        " GET / HTTP/1.1\r\nHost: site.test\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\nHost: site.test\n\n".to_owned(),
        "POST / HTTP/1.0\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            .to_owned(),
    ];
    for shape in &shapes {
        let mut client = world.client();
        client.try_send(shape.clone() + SMUGGLED);
        let text = all_answers(client);
        assert!(text.starts_with("HTTP/1.1 400 "), "{shape:?}\n{text}");
        assert!(text.contains("\r\nConnection: close\r\n"), "{shape:?}");
        assert_eq!(
            text.matches("\r\nX-Cache: ").count(),
            1,
            "{shape:?}\n{text}"
        );
    }
    assert_eq!(rejected(&world, "malformed"), shapes.len() as u64);
    assert_eq!(origin.count(), 0);
    assert_eq!(world.get("/", &[]).status, 200);
}

#[test]
fn broken_chunks_end_the_request_and_the_connection() {
    let origin = plain_origin();
    let world = World::new(&distribution(origin.address));
    let bodies = [
        "5\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "3 \rX\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "ffffffffffffffff1\r\nabc\r\n0\r\n\r\n",
        "g\r\n\r\n",
        "\r\n0\r\n\r\n",
        "3;\0\r\nabc\r\n0\r\n\r\n",
    ];
    for body in bodies {
        for follows in [SMUGGLED.repeat(3), "x".repeat(40_000)] {
            let mut client = world.client();
            client.send("POST / HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n");
            client.try_send(format!("{body}{follows}"));
            let text = all_answers(client);
            assert!(text.starts_with("HTTP/1.1 400 "), "{body:?} {text:?}");
            assert_eq!(text.matches("\r\nX-Cache: ").count(), 1, "{body:?}");
        }
    }
    assert_eq!(origin.count(), 0, "{:?}", origin.asked.lock().unwrap());
}

#[test]
fn a_url_has_8192_bytes_and_no_more() {
    let origin = plain_origin();
    let world = World::new(&distribution(origin.address));
    let target = format!("/{}", "a".repeat(8_191));
    assert_eq!(world.get(&target, &[]).status, 200);
    assert_eq!(origin.last().target, target);
    let target = format!("/{}?{}", "a".repeat(4_095), "b".repeat(4_095));
    assert_eq!(world.get(&target, &[]).status, 200);
    let mut client = world.client();
    let answer = client.get(&(target + "c"), &[]);
    assert_eq!(
        (answer.status, answer.get("connection")),
        (413, Some("close"))
    );
    assert!(client.is_closed());
    assert_eq!(rejected(&world, "url_too_long"), 1);
}

#[test]
fn a_head_has_20480_bytes_and_128_fields_and_no_more() {
    let origin = plain_origin();
    let world = World::new(&distribution(origin.address));
    let head = |size_bytes: usize| {
        let start = "GET / HTTP/1.1\r\nHost: site.test\r\nX: ";
        let filler = "a".repeat(size_bytes - start.len() - 4);
        format!("{start}{filler}\r\n\r\n")
    };
    let fields = |count: usize| {
        let fields = "X: y\r\n".repeat(count - 1);
        format!("GET / HTTP/1.1\r\nHost: site.test\r\n{fields}\r\n")
    };
    for (request, status) in [
        (head(20_480), 200),
        (head(20_481), 413),
        (head(60_000), 413),
        (fields(128), 200),
        (fields(129), 413),
    ] {
        let mut client = world.client();
        client.try_send(&request);
        let answer = client.read_answer("GET").unwrap();
        assert_eq!(answer.status, status, "{} bytes", request.len());
    }
    // A head without end is refused as soon as it is too large.
    let mut client = world.client();
    client.try_send(&head(60_000)[..20_500]);
    assert_eq!(client.read_answer("GET").unwrap().status, 413);
    assert_eq!(rejected(&world, "header_too_big"), 4);
}

#[test]
fn other_versions_are_told_that_they_are_not_spoken() {
    let world = World::new(&distribution(plain_origin().address));
    for line in [
        "GET / HTTP/2.0",
        "GET / HTTP/1.2",
        "GET / HTTP/0.9",
        "GET /a b HTTP/1.1",
    ] {
        let mut client = world.client();
        client.send(format!("{line}\r\nHost: site.test\r\n\r\n"));
        assert_eq!(client.read_answer("GET").unwrap().status, 505, "{line}");
        assert!(client.is_closed());
    }
    assert_eq!(rejected(&world, "unsupported_version"), 4);
}

#[test]
fn a_head_that_comes_too_slowly_is_refused() {
    let origin = plain_origin();
    let world = impatient(&distribution(origin.address), |timeouts| {
        timeouts.head = Duration::from_millis(150);
    });
    let mut client = world.client();
    client.stream.set_nodelay(true).unwrap();
    assert_eq!(
        client.get("/a", &[]).status,
        200,
        "an earlier request changes nothing"
    );
    let started = std::time::Instant::now();
    client.send("GET / HTTP/1.1\r\n");
    // A byte now and then does not prolong it.
    while started.elapsed() < Duration::from_millis(400) && client.try_send("X") {
        std::thread::sleep(Duration::from_millis(20));
    }
    let answer = client.read_answer("GET").unwrap();
    assert_eq!(
        (answer.status, answer.get("connection")),
        (408, Some("close"))
    );
    assert_eq!(rejected(&world, "header_timeout"), 1);
    assert_eq!(origin.count(), 1);
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let world = impatient(&distribution(plain_origin().address), |timeouts| {
        timeouts.keep_alive = Duration::from_millis(100);
    });
    let mut silent = world.client();
    assert!(silent.is_closed());
    let mut client = world.client();
    assert_eq!(client.get("/", &[]).status, 200);
    assert!(client.is_closed());
    eventually("nothing is open", || {
        metric(&world, "warmfront_open_connections") == 0
    });
}

#[test]
fn one_client_has_no_more_connections_than_its_bound() {
    let world = world_with(&distribution(plain_origin().address), |settings| {
        settings.connections_per_client = 3;
    });
    let mut clients: Vec<Client> = (0..3).map(|_| world.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/", &[]).status, 200);
    }
    assert!(world.client().is_closed());
    assert_eq!(metric(&world, "warmfront_refused_connections_total"), 1);
    assert_eq!(clients[0].get("/", &[]).status, 200);
    clients.pop();
    eventually("the place is free again", || {
        metric(&world, "warmfront_open_connections") == 2
    });
    assert_eq!(world.get("/", &[]).status, 200);
}

#[test]
fn a_host_that_is_not_served_is_refused_with_its_body_unread() {
    let origin = plain_origin();
    let world = World::new(&distribution(origin.address));
    let mut client = world.client();
    client.try_send(format!(
        "POST / HTTP/1.1\r\nHost: other.test\r\nContent-Length: {}\r\n\r\n{SMUGGLED}",
        SMUGGLED.len(),
    ));
    client.try_send(SMUGGLED);
    let text = all_answers(client);
    assert!(text.starts_with("HTTP/1.1 403 "), "{text}");
    assert_eq!(text.matches("\r\nX-Cache: ").count(), 1);
    assert_eq!(rejected(&world, "unknown_host"), 1);
    // Without any host, as HTTP/1.0 allows, it is nobody's site.
    let mut client = world.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.read_answer("GET").unwrap().status, 403);
    assert_eq!(origin.count(), 0);
}

#[test]
fn get_and_head_with_a_body_are_refused_and_the_body_is_no_request() {
    let origin = plain_origin();
    let world = World::new(&distribution(origin.address));
    for method in ["GET", "HEAD"] {
        let mut client = world.client();
        client.send(format!(
            "{method} / HTTP/1.1\r\nHost: site.test\r\nContent-Length: {}\r\n\r\n{SMUGGLED}",
            SMUGGLED.len(),
        ));
        assert_eq!(client.read_answer(method).unwrap().status, 403);
        assert_eq!(client.get("/next", &[]).status, 200);
        assert_eq!(origin.last().target, "/next");
    }
    assert_eq!(origin.count(), 2);
}

#[test]
fn methods_that_nobody_knows_are_refused() {
    let world = World::new(&distribution(plain_origin().address));
    for method in ["TRACE", "get", "PROPFIND", "GETX", "!", &"A".repeat(5_000)] {
        assert_eq!(world.ask(method, "/", &[]).status, 403, "{method}");
    }
}

#[test]
fn a_site_that_answers_itself_is_no_endless_loop() {
    // The origin is the edge itself: known once it listens, and put in place by a swap.
    let world = World::new(&distribution(crate::nowhere()));
    let mut config = distribution(world.address);
    config["DefaultCacheBehavior"]["OriginRequestPolicyId"] =
        json!("216adef6-5c7f-47e4-b989-5492eafa07d3");
    let shape = shapes::from_value(&config).unwrap();
    let policies = edge::site::Policies::managed();
    let site = edge::site::compile("ETEST", "dtest.cdn.test", &shape, &policies).unwrap();
    world
        .edge
        .as_ref()
        .unwrap()
        .updates()
        .update(&[], vec![site])
        .unwrap();
    let answer = world.ask("POST", "/", &[]);
    assert_eq!(answer.status, 403, "{}", answer.text());
}

#[test]
fn noise_hurts_nobody() {
    let world = World::new(&distribution(plain_origin().address));
    let good = "POST /a HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\nRange: bytes=0-1\r\n\
        Cookie: a=b\r\nExpect: 100-continue\r\nConnection: keep-alive\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let mut seed = 1_u64;
    let mut roll = move |below: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for _ in 0..400 {
        let mut bytes = good.repeat(1 + roll(3)).into_bytes();
        for _ in 0..1 + roll(4) {
            let at = roll(bytes.len());
            match roll(3) {
                0 => bytes[at] = roll(256) as u8,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"\r\n :;,0f\0\x80"[roll(10)]),
            }
        }
        let mut client = world.client();
        client.try_send(&bytes);
        client.stream.shutdown(std::net::Shutdown::Write).ok();
        let text = String::from_utf8_lossy(&read_to_end(&mut client.stream)).into_owned();
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 "), "{text:?}");
    }
    assert_eq!(world.get("/", &[]).status, 200);
    eventually("all are closed", || {
        metric(&world, "warmfront_open_connections") == 0
    });
}
