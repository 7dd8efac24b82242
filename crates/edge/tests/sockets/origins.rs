//! Origins that are slow, broken, or hostile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{Answer, Origin, World, distribution, response};
use crate::{metric, raw_origin, read_head, read_to_end};

/// An origin that answers each connection's first request with these bytes, and closes.
fn answering(bytes: impl Into<Vec<u8>>) -> World {
    let bytes = bytes.into();
    let address = raw_origin(move |mut stream| {
        if !read_head(&mut stream).is_empty() {
            let _ = stream.write_all(&bytes);
        }
    });
    World::new(&distribution(address))
}

/// A distribution whose origin gets one attempt and a second.
fn hasty(address: std::net::SocketAddr) -> Value {
    let mut config = distribution(address);
    config["Origins"]["Items"][0]["ConnectionAttempts"] = json!(1);
    config["Origins"]["Items"][0]["CustomOriginConfig"]["OriginReadTimeout"] = json!(1);
    config
}

#[test]
fn an_origin_that_says_nothing_is_told_as_504() {
    let address = raw_origin(|mut stream| drop(read_to_end(&mut stream)));
    let world = World::new(&hasty(address));
    let started = Instant::now();
    let answer = world.get("/a", &[]);
    assert_eq!((answer.status, answer.cache()), (504, "Error"));
    assert!(started.elapsed() >= Duration::from_millis(900));
    let sample = "warmfront_origin_errors_total{distribution=\"ETEST\",kind=\"read_timeout\"}";
    assert_eq!(metric(&world, sample), 1);
}

#[test]
fn an_origin_that_takes_too_long_altogether_is_cut_off() {
    let address = raw_origin(|mut stream| {
        read_head(&mut stream);
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
        while stream.write_all(b".").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let mut config = hasty(address);
    config["Origins"]["Items"][0]["ResponseCompletionTimeout"] = json!(1);
    let world = World::new(&config);
    let started = Instant::now();
    let answer = world.get("/a", &[]);
    assert!(answer.is_broken && answer.status == 200);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_silence_within_a_body_ends_it() {
    let address = raw_origin(|mut stream| {
        read_head(&mut stream);
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
        let _ = stream.write_all(head.as_bytes());
        read_to_end(&mut stream);
    });
    let world = World::new(&hasty(address));
    let mut client = world.client();
    client.ask("GET", "/a", &[]);
    client.read_head().unwrap();
    let wire = [client.buffer.clone(), read_to_end(&mut client.stream)].concat();
    assert_eq!(wire, b"3\r\nabc\r\n", "no last chunk");
    assert_eq!(metric(&world, "warmfront_cache_objects"), 0);
}

#[test]
fn answers_that_are_no_http_are_told_as_502() {
    let long_line = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(21_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(200));
    for bytes in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "nonsense\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 999 Much\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX Y: a\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        &long_line,
        &many,
    ] {
        let world = answering(bytes);
        for method in ["GET", "POST"] {
            let answer = world.ask(method, "/a", &[]);
            let start: String = bytes.chars().take(60).collect();
            assert_eq!(
                (answer.status, answer.cache()),
                (502, "Error"),
                "{method} {start:?}"
            );
        }
    }
}

#[test]
fn interim_answers_are_swallowed() {
    let world = answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    );
    let mut client = world.client();
    let answer = client.get("/a", &[]);
    assert_eq!(
        (answer.status, answer.text().as_str(), answer.get("link")),
        (200, "hello", None)
    );
}

#[test]
fn bodies_that_break_off_break_off_for_the_viewer_and_are_not_stored() {
    for (head, body) in [
        ("Content-Length: 10", "hello"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\nzz\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nhelloX"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n"),
    ] {
        for lifetime in ["max-age=60", "no-store"] {
            let fields = format!("Cache-Control: {lifetime}\r\n{head}");
            let world = answering(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}"));
            for _ in 0..2 {
                let answer = world.get("/a", &[]);
                assert!(answer.is_broken, "{head} {body:?} {lifetime}: {answer:?}");
                assert_ne!(answer.cache(), "Hit");
            }
            assert_eq!(metric(&world, "warmfront_cache_objects"), 0);
        }
    }
}

#[test]
fn bytes_beyond_a_body_reach_nobody() {
    // What follows the announced length would be the answer to the next viewer's request.
    let address = raw_origin(|mut stream| {
        while !read_head(&mut stream).is_empty() {
            let answer = response("200 OK", &[("Cache-Control", "no-store")], "hello");
            let extra = response("200 OK", &[("X-Poison", "yes")], "poison");
            if stream
                .write_all(format!("{answer}{extra}").as_bytes())
                .is_err()
            {
                return;
            }
        }
    });
    let world = World::new(&distribution(address));
    let mut client = world.client();
    for round in 0..20 {
        let answer = client.get("/a", &[]);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "hello"),
            "{round}"
        );
        assert_eq!(answer.get("x-poison"), None);
    }
}

#[test]
fn a_part_that_is_shorter_than_it_says_does_no_harm() {
    for (status, fields, body) in [
        (
            "206 Partial Content",
            "Content-Range: bytes 0-99/100\r\nContent-Length: 50",
            50,
        ),
        (
            "206 Partial Content",
            "Content-Range: bytes 0-99/100\r\nContent-Length: 150",
            150,
        ),
        (
            "206 Partial Content",
            "Content-Range: bytes 0-49/100\r\nContent-Length: 50",
            50,
        ),
        (
            "206 Partial Content",
            "Content-Range: bytes 5-99/100\r\nContent-Length: 95",
            95,
        ),
        (
            "206 Partial Content",
            "Content-Range: bytes 0-99/*\r\nContent-Length: 100",
            100,
        ),
        (
            "206 Partial Content",
            "Content-Range: bytes 99-0/100\r\nContent-Length: 100",
            100,
        ),
        (
            "206 Partial Content",
            "Content-Range: bytes 0-18446744073709551615/18446744073709551615\r\nContent-Length: 100",
            100,
        ),
        (
            "206 Partial Content",
            "Content-Range: bytes 0-0/0\r\nContent-Length: 1",
            1,
        ),
        ("206 Partial Content", "Content-Length: 100", 100),
        (
            "416 Range Not Satisfiable",
            "Content-Range: bytes */100\r\nContent-Length: 0",
            0,
        ),
        ("304 Not Modified", "ETag: \"x\"", 0),
        ("200 OK", "Content-Length: 0", 0),
    ] {
        let head = format!(
            "HTTP/1.1 {status}\r\nETag: \"v\"\r\nCache-Control: max-age=60\r\n{fields}\r\n\r\n"
        );
        let address = raw_origin(move |mut stream| {
            while !read_head(&mut stream).is_empty() {
                let bytes = [head.as_bytes(), &vec![b'x'; body]].concat();
                if stream.write_all(&bytes).is_err() {
                    return;
                }
            }
        });
        let world = World::new(&distribution(address));
        for range in [
            "bytes=0-9",
            "bytes=90-",
            "bytes=-5",
            "bytes=0-9,20-29",
            "bytes=200-",
        ] {
            for _ in 0..2 {
                let mut client = world.client();
                client.ask("GET", "/a", &[("Range", range)]);
                let answer: Answer = client
                    .read_answer("GET")
                    .unwrap_or_else(|| panic!("{status} {fields} {range}: no answer"));
                if answer.status == 206
                    && !answer.is_broken
                    && answer
                        .get("content-range")
                        .is_some_and(|r| r.starts_with("bytes 0-9/"))
                {
                    assert_eq!(answer.body, [b'x'; 10], "{fields} {range}");
                }
            }
        }
        assert!(world.ask("POST", "/b", &[]).status >= 200);
    }
}

#[test]
fn connections_to_the_origin_are_used_again() {
    let origin = Origin::fixed("200 OK", &[("Cache-Control", "no-store")], "hello");
    let world = crate::world_with(&distribution(origin.address), |settings| {
        settings.workers = 1
    });
    for _ in 0..20 {
        assert_eq!(world.get("/a", &[]).text(), "hello");
    }
    assert_eq!(
        (origin.count(), origin.connections.load(Ordering::SeqCst)),
        (20, 1)
    );
}

#[test]
fn a_connection_that_the_origin_has_closed_is_replaced_without_a_word() {
    let count = Arc::new(AtomicUsize::new(0));
    let connections = Arc::clone(&count);
    // Each connection serves one request although it promises more.
    let address = raw_origin(move |mut stream: TcpStream| {
        connections.fetch_add(1, Ordering::SeqCst);
        read_head(&mut stream);
        let answer = response("200 OK", &[("Cache-Control", "no-store")], "hello");
        stream.write_all(answer.as_bytes()).unwrap();
        // Wait for the next request, and close instead of answering.
        let _ = stream.read(&mut [0; 10]);
    });
    let world = crate::world_with(&distribution(address), |settings| settings.workers = 1);
    for _ in 0..10 {
        assert_eq!(world.get("/a", &[]).text(), "hello");
    }
    assert_eq!(count.load(Ordering::SeqCst), 10);
}

#[test]
fn fields_between_edge_and_origin_stay_there() {
    let world = answering(
        "HTTP/1.1 200 OK\r\nConnection: close, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nTrailer: X\r\nX-Cache: Hit from elsewhere\r\n\
         X-Amz-Cf-Id: fake\r\nX-Kept: 2\r\nContent-Length: 5\r\n\r\nhello",
    );
    let answer = world.get("/a", &[]);
    for name in [
        "connection",
        "x-private",
        "keep-alive",
        "proxy-authenticate",
        "upgrade",
        "trailer",
    ] {
        assert_eq!(answer.get(name), None, "{name}");
    }
    assert_eq!(answer.get("x-kept"), Some("2"));
    assert_eq!(answer.get_all("x-cache"), ["Miss from cloudfront"]);
    assert_eq!(answer.get_all("x-amz-cf-id").len(), 1);
    assert_eq!(answer.get_all("content-length").len(), 1);
}

#[test]
fn a_response_that_ends_with_its_connection_is_whole_for_the_viewer() {
    let world = answering("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\n\r\nhello");
    let mut client = world.client();
    for _ in 0..2 {
        let answer = client.get("/a", &[]);
        assert_eq!(
            (answer.get("transfer-encoding"), answer.text().as_str()),
            (Some("chunked"), "hello")
        );
    }
}
