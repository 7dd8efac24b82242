//! Compression at the edge.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no tests to Clippy"
)]

mod world;

use std::io::{Read as _, Write as _};

use serde_json::{Value, json};
use world::{Answer, Asked, Origin, World, distribution, response};

fn compressing(origin: &Origin) -> Value {
    let mut config = distribution(origin.address);
    config["DefaultCacheBehavior"]["Compress"] = json!(true);
    config
}

fn text(size_bytes: usize) -> String {
    "The quick brown fox jumps over the lazy dog. "
        .chars()
        .cycle()
        .take(size_bytes)
        .collect()
}

const CACHED: (&str, &str) = ("Cache-Control", "max-age=60");
const PLAIN: (&str, &str) = ("Content-Type", "text/plain");

fn serving(fields: &[(&str, &str)], body: &str) -> (World, Origin) {
    let origin = Origin::fixed("200 OK", fields, body);
    (World::new(&compressing(&origin)), origin)
}

fn get(world: &World, accepted: &str) -> Answer {
    world.get("/", &[("Accept-Encoding", accepted)])
}

fn decoded(answer: &Answer) -> Vec<u8> {
    let mut out = Vec::new();
    match answer.get("content-encoding") {
        Some("br") => drop(
            brotli::Decompressor::new(&answer.body[..], 4_096)
                .read_to_end(&mut out)
                .unwrap(),
        ),
        Some("gzip") => drop(
            flate2::read::GzDecoder::new(&answer.body[..])
                .read_to_end(&mut out)
                .unwrap(),
        ),
        Some(other) => panic!("{other}"),
        None => out.clone_from(&answer.body),
    }
    out
}

#[test]
fn viewers_get_the_best_coding_that_they_know() {
    let body = text(5_000);
    let (world, _origin) = serving(&[CACHED, PLAIN, ("ETag", "\"x\"")], &body);
    for cache in ["Miss", "Hit"] {
        for (accepted, coding) in [
            ("gzip, deflate, br", Some("br")),
            ("gzip", Some("gzip")),
            ("br", Some("br")),
            ("deflate", None),
            ("gzip;q=0, br;q=0", None),
        ] {
            let answer = get(&world, accepted);
            assert_eq!(
                (answer.get("content-encoding"), answer.status),
                (coding, 200),
                "{accepted} {cache}"
            );
            assert_eq!(decoded(&answer), body.as_bytes());
            let etag = if coding.is_some() { "W/\"x\"" } else { "\"x\"" };
            assert_eq!(answer.get_all("etag"), [etag]);
            let vary = if coding.is_some() {
                Some("Accept-Encoding")
            } else {
                None
            };
            assert_eq!(answer.get("vary"), vary);
            if cache == "Hit" {
                assert_eq!(
                    (answer.cache(), answer.get("content-length")),
                    ("Hit", Some(answer.body.len().to_string().as_str()))
                );
            }
        }
    }
}

#[test]
fn only_sizes_that_are_worth_it_are_compressed() {
    for (size, is_compressed) in [
        (999, false),
        (1_000, true),
        (3 << 20, true),
        (10_000_000, true),
        (10_000_001, false),
    ] {
        let body = text(size);
        let (world, origin) = serving(&[CACHED, PLAIN], &body);
        for cache in ["Miss", "Hit"] {
            let answer = get(&world, "gzip");
            assert_eq!(
                (answer.cache(), answer.get("content-encoding").is_some()),
                (cache, is_compressed),
                "{size}"
            );
            assert!(decoded(&answer) == body.as_bytes(), "{size}");
        }
        assert_eq!(origin.count(), 1);
    }
}

#[test]
fn only_what_may_be_compressed_is() {
    let body = text(2_000);
    for (status, fields, is_compressed) in [
        (
            "200 OK",
            vec![CACHED, ("Content-Type", "text/html; charset=utf-8")],
            true,
        ),
        (
            "200 OK",
            vec![CACHED, ("Content-Type", "APPLICATION/JSON")],
            true,
        ),
        ("404 Not Found", vec![CACHED, PLAIN], true),
        ("500 Internal Server Error", vec![CACHED, PLAIN], false),
        ("200 OK", vec![CACHED, ("Content-Type", "image/png")], false),
        ("200 OK", vec![CACHED], false),
        (
            "200 OK",
            vec![CACHED, PLAIN, ("Content-Encoding", "identity")],
            false,
        ),
    ] {
        let origin = Origin::fixed(status, &fields, &body);
        let world = World::new(&compressing(&origin));
        let answer = get(&world, "br");
        assert_eq!(
            answer.get("content-encoding") == Some("br"),
            is_compressed,
            "{status} {fields:?}"
        );
    }
    let (world, _origin) = serving(&[("Cache-Control", "no-store"), PLAIN], &body);
    assert_eq!(decoded(&get(&world, "gzip")), body.as_bytes());
    let origin = Origin::fixed("200 OK", &[CACHED, PLAIN], &body);
    let world = World::new(&distribution(origin.address));
    assert_eq!(
        get(&world, "gzip").get("content-encoding"),
        None,
        "Compress is off"
    );
}

#[test]
fn a_body_of_unknown_length_stays_as_it_is() {
    let origin = Origin::scripted(|_, _, stream| {
        let body = text(2_000);
        let answer = format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        );
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let world = World::new(&compressing(&origin));
    for _ in 0..2 {
        let answer = get(&world, "gzip");
        assert_eq!(
            (answer.get("content-encoding"), answer.body.len()),
            (None, 2_000)
        );
    }
}

/// An origin that revalidates by comparing tags as plain strings, as simple ones do.
fn literal(etag: &'static str) -> Origin {
    Origin::scripted(move |asked: &Asked, _, stream| {
        let answer = if asked.get("if-none-match") == Some(etag) {
            format!(
                "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\nETag: {etag}\r\nX-New: 1\r\n\r\n"
            )
        } else {
            response(
                "200 OK",
                &[CACHED, PLAIN, ("ETag", etag), ("Accept-Ranges", "bytes")],
                &text(5_000),
            )
        };
        stream.write_all(answer.as_bytes()).is_ok()
    })
}

#[test]
fn a_compressed_object_is_revalidated_by_the_origins_own_tag() {
    for etag in ["\"x\"", "W/\"x\""] {
        let origin = literal(etag);
        let world = World::new(&compressing(&origin));
        get(&world, "gzip");
        for _ in 0..2 {
            world.clock.advance_secs(61);
            let renewed = get(&world, "gzip");
            assert_eq!(
                (
                    renewed.cache(),
                    renewed.get("content-encoding"),
                    renewed.get("x-new")
                ),
                ("RefreshHit", Some("gzip"), Some("1")),
                "{etag}"
            );
            assert_eq!(renewed.get_all("etag"), ["W/\"x\""]);
            assert_eq!(decoded(&renewed), text(5_000).as_bytes());
        }
    }
}

#[test]
fn viewers_revalidate_by_the_weak_tag_and_by_the_strong_one() {
    let (world, origin) = serving(&[CACHED, PLAIN, ("ETag", "\"x\"")], &text(5_000));
    get(&world, "gzip");
    for etag in ["W/\"x\"", "\"x\""] {
        let answer = world.get("/", &[("Accept-Encoding", "gzip"), ("If-None-Match", etag)]);
        assert_eq!(
            (answer.status, answer.get("etag"), answer.get("vary")),
            (304, Some("W/\"x\""), Some("Accept-Encoding"))
        );
    }
    assert_eq!(origin.count(), 1);
}

#[test]
fn head_of_a_compressed_object_says_what_get_would() {
    let (world, _origin) = serving(&[CACHED, PLAIN, ("ETag", "\"x\"")], &text(5_000));
    get(&world, "gzip");
    let (whole, head) = (
        get(&world, "gzip"),
        world.ask("HEAD", "/", &[("Accept-Encoding", "gzip")]),
    );
    for name in ["content-encoding", "content-length", "etag", "vary"] {
        assert_eq!(head.get(name), whole.get(name), "{name}");
    }
}

#[test]
fn ranges_are_of_the_compressed_form() {
    let (world, _origin) = serving(
        &[CACHED, PLAIN, ("ETag", "\"x\""), ("Accept-Ranges", "bytes")],
        &text(5_000),
    );
    get(&world, "gzip");
    let whole = get(&world, "gzip");
    let part = world.get("/", &[("Accept-Encoding", "gzip"), ("Range", "bytes=5-14")]);
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[5..15]));
    assert_eq!(
        part.get("content-range"),
        Some(format!("bytes 5-14/{}", whole.body.len()).as_str())
    );
}

#[test]
fn a_range_first_does_not_leave_the_object_uncompressed() {
    let shared = world::files::File {
        fields: "Cache-Control: max-age=60\r\nContent-Type: text/plain\r\n",
        ..world::files::file(5_000)
    }
    .shared();
    let origin = Origin::serving(&shared);
    let world = World::new(&compressing(&origin));
    let part = world.get("/", &[("Accept-Encoding", "gzip"), ("Range", "bytes=5-14")]);
    assert_eq!((part.status, part.body.len()), (206, 10));
    assert_eq!(get(&world, "gzip").get("content-encoding"), Some("gzip"));
    assert_eq!(get(&world, "gzip").cache(), "Hit");
}

#[test]
fn what_the_origin_compressed_is_kept_by_coding() {
    let origin = Origin::scripted(|asked, _, stream| {
        let coding = asked
            .get("accept-encoding")
            .unwrap_or("identity")
            .split(',')
            .next()
            .unwrap();
        let fields = [
            CACHED,
            PLAIN,
            ("Content-Encoding", coding),
            ("Vary", "Accept-Encoding"),
        ];
        stream
            .write_all(response("200 OK", &fields, &text(2_000)).as_bytes())
            .is_ok()
    });
    let world = World::new(&compressing(&origin));
    for cache in ["Miss", "Hit"] {
        for (accepted, coding) in [
            ("gzip", "gzip"),
            ("br, gzip", "br"),
            ("deflate", "identity"),
        ] {
            let answer = get(&world, accepted);
            assert_eq!(
                (
                    answer.cache(),
                    answer.get("content-encoding"),
                    answer.body.len()
                ),
                (cache, Some(coding), 2_000)
            );
        }
    }
}

#[test]
fn http_1_0_gets_no_compression() {
    let (world, _origin) = serving(&[CACHED, PLAIN], &text(2_000));
    get(&world, "gzip");
    let mut client = world.client();
    client.send("GET / HTTP/1.0\r\nHost: site.test\r\nAccept-Encoding: gzip\r\n\r\n");
    let answer = client.read_answer("GET").unwrap();
    assert_eq!(
        (answer.get("content-encoding"), answer.body.len()),
        (None, 2_000)
    );
}

#[test]
fn a_crowd_shares_one_compression() {
    let (world, origin) = serving(&[CACHED, PLAIN], &text(2_000_000));
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = world.client();
        client.ask("GET", "/", &[("Accept-Encoding", "br")]);
        clients.push(client);
    }
    for mut client in clients {
        assert!(decoded(&client.read_answer("GET").unwrap()) == text(2_000_000).as_bytes());
    }
    assert_eq!(origin.count(), 1);
}
