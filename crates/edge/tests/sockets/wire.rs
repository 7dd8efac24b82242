//! Framing and connections, as a viewer sees them.

use std::io::{Read, Write};
use std::time::Duration;

use crate::world::files::pattern;
use crate::world::{Origin, World, distribution, eventually, response};
use crate::{impatient, metric, read_to_end};

/// Answers with the target, so that answers cannot be taken for one another.
fn telling_origin() -> Origin {
    Origin::scripted(|asked, _, stream| {
        let fields = [("Cache-Control", "max-age=60")];
        let answer = response("200 OK", &fields, &format!("this is {}", asked.target));
        stream.write_all(answer.as_bytes()).is_ok()
    })
}

/// An origin whose bodies come in chunks, without an announced length.
fn chunking_origin() -> Origin {
    Origin::scripted(|_, _, stream| {
        let head =
            "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer-Field: secret\r\n\r\n";
        stream
            .write_all((head.to_owned() + body).as_bytes())
            .is_ok()
    })
}

#[test]
fn a_connection_serves_one_request_after_the_other() {
    let origin = telling_origin();
    let world = World::new(&distribution(origin.address));
    let mut client = world.client();
    for target in ["/a", "/b", "/a", "/c?d"] {
        let answer = client.get(target, &[]);
        assert_eq!(answer.text(), format!("this is {target}"));
        assert_eq!(answer.get("connection"), None);
    }
    assert_eq!(metric(&world, "warmfront_accepted_connections_total"), 1);
}

#[test]
fn pipelined_requests_are_answered_in_order_wherever_they_are_cut() {
    let origin = telling_origin();
    let world = World::new(&distribution(origin.address));
    let requests = "GET /a HTTP/1.1\r\nHost: site.test\r\n\r\n\
        POST /b HTTP/1.1\r\nHost: site.test\r\nContent-Length: 12\r\n\r\nGET /x HTTP/\
        POST /c HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
        GET /d HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n";
    for cut in 0..=requests.len() {
        let mut client = world.client();
        client.stream.set_nodelay(true).unwrap();
        client.send(&requests[..cut]);
        let mut answered = 0;
        // A head that has left completely is answered before the rest follows.
        if cut > 40 {
            assert_eq!(client.read_answer("GET").unwrap().text(), "this is /a");
            answered = 1;
        }
        client.send(&requests[cut..]);
        for target in &["/a", "/b", "/c", "/d"][answered..] {
            let answer = client.read_answer("GET").unwrap();
            assert_eq!(answer.text(), format!("this is {target}"), "cut at {cut}");
        }
        assert!(client.is_closed(), "cut at {cut}");
    }
    let asked = origin.asked.lock().unwrap();
    assert!(asked.iter().all(|asked| asked.target != "/x"));
    let bodies = asked.iter().filter(|asked| asked.target == "/c");
    assert!(bodies.into_iter().all(|asked| asked.body == b"abc"));
}

#[test]
fn http_1_0_is_answered_and_closed_unless_it_asks_to_stay() {
    let origin = telling_origin();
    let world = World::new(&distribution(origin.address));
    let mut client = world.client();
    client.send("GET /a HTTP/1.0\r\nHost: site.test\r\n\r\n");
    let answer = client.read_answer("GET").unwrap();
    assert_eq!(answer.text(), "this is /a");
    assert_eq!(answer.get("connection"), Some("close"));
    assert!(client.is_closed());

    let mut client = world.client();
    for _ in 0..2 {
        client.send("GET /a HTTP/1.0\r\nHost: site.test\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.read_answer("GET").unwrap();
        assert_eq!(answer.get("connection"), Some("keep-alive"));
        assert_eq!(answer.text(), "this is /a");
    }
}

#[test]
fn http_1_0_gets_no_chunks() {
    let origin = chunking_origin();
    let world = World::new(&distribution(origin.address));
    let mut client = world.client();
    client.send("GET /a HTTP/1.0\r\nHost: site.test\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.read_answer("GET").unwrap();
    assert_eq!(answer.get("transfer-encoding"), None);
    assert_eq!(answer.get("content-length"), None);
    assert_eq!(answer.get("connection"), Some("close"));
    assert_eq!(answer.text(), "abcdefg");
}

#[test]
fn a_body_of_unknown_length_comes_in_chunks_without_trailers() {
    let origin = chunking_origin();
    let world = World::new(&distribution(origin.address));
    let mut client = world.client();
    for _ in 0..2 {
        let answer = client.get("/a", &[]);
        assert_eq!(answer.get("transfer-encoding"), Some("chunked"));
        assert_eq!(answer.get("content-length"), None);
        assert_eq!(answer.text(), "abcdefg");
    }
    client.ask("GET", "/a", &[("Connection", "close")]);
    let bytes = String::from_utf8(read_to_end(&mut client.stream)).unwrap();
    assert!(
        bytes.ends_with("0\r\n\r\n") && !bytes.contains("secret"),
        "{bytes}"
    );
}

#[test]
fn head_get_and_replies_without_a_body_share_a_connection() {
    let origin = Origin::scripted(|asked, _, stream| {
        let answer = match (asked.method.as_str(), asked.target.as_str()) {
            (_, "/none") => "HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\n\r\n".to_owned(),
            ("HEAD", _) => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_owned(),
            _ => response(
                "200 OK",
                &[("ETag", "\"v1\""), ("Cache-Control", "max-age=60")],
                "hello",
            ),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let world = World::new(&distribution(origin.address));
    let mut client = world.client();
    for _ in 0..2 {
        for target in ["/a", "/b"] {
            client.ask("HEAD", target, &[]);
            let head = client.read_answer("HEAD").unwrap();
            assert_eq!((head.status, head.get("content-length")), (200, Some("5")));
            assert_eq!(client.get(target, &[]).text(), "hello");
        }
        let none = client.get("/none", &[]);
        assert_eq!((none.status, none.get("content-length")), (204, None));
        assert_eq!(none.get("transfer-encoding"), None);
        let unchanged = client.get("/a", &[("If-None-Match", "\"v1\"")]);
        assert_eq!(
            (unchanged.status, unchanged.get("content-length")),
            (304, None)
        );
        assert!(client.buffer.is_empty());
    }
}

#[test]
fn an_absolute_target_is_served_by_its_own_host() {
    let origin = telling_origin();
    let world = World::new(&distribution(origin.address));
    let fields = [("Host", "other.test")];
    let answer = world.ask("GET", "http://site.test/a?b", &fields);
    assert_eq!(answer.text(), "this is /a?b");
    let answer = world.ask("GET", "http://other.test/a?b", &[("Host", "site.test")]);
    assert_eq!(answer.status, 403);
    assert_eq!(
        world.ask("GET", "HTTP://SITE.TEST", &fields).text(),
        "this is /"
    );
}

#[test]
fn not_a_byte_follows_the_last_reply() {
    let origin = telling_origin();
    let world = World::new(&distribution(origin.address));
    world.get("/a", &[]);
    let mut client = world.client();
    client.ask("GET", "/a", &[]);
    client.ask("HEAD", "/a", &[]);
    client.ask("GET", "/b", &[("Connection", "close")]);
    client.ask("GET", "/never", &[]);
    let text = String::from_utf8(read_to_end(&mut client.stream)).unwrap();
    let heads: Vec<&str> = text.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
    assert_eq!(heads.len(), 3, "{text}");
    assert!(heads[0].ends_with("\r\n\r\nthis is /a"));
    assert!(heads[1].ends_with("\r\n\r\n"));
    assert!(heads[2].ends_with("\r\n\r\nthis is /b"));
    assert!(!text.contains("never"));
}

#[test]
fn large_bodies_arrive_byte_for_byte_however_they_come() {
    let body = pattern(10 << 20, 7);
    let sent = body.clone();
    let origin = Origin::scripted(move |asked, _, stream| {
        let lifetime = match asked.target.starts_with("/kept") {
            true => "max-age=60",
            false => "no-store",
        };
        let head = format!("HTTP/1.1 200 OK\r\nCache-Control: {lifetime}\r\n");
        if asked.target.ends_with("length") {
            let head = format!("{head}Content-Length: {}\r\n\r\n", sent.len());
            return stream.write_all(head.as_bytes()).is_ok() && stream.write_all(&sent).is_ok();
        }
        let head = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        for chunk in sent.chunks(77_777) {
            stream
                .write_all(format!("{:x}\r\n", chunk.len()).as_bytes())
                .unwrap();
            stream.write_all(chunk).unwrap();
            stream.write_all(b"\r\n").unwrap();
        }
        stream.write_all(b"0\r\n\r\n").is_ok()
    });
    let world = World::new(&distribution(origin.address));
    let mut client = world.client();
    for target in [
        "/kept/length",
        "/kept/chunks",
        "/passed/length",
        "/passed/chunks",
    ] {
        for round in 0..2 {
            let answer = client.get(target, &[]);
            assert!(
                answer.body == body,
                "{target} {round}: {}",
                answer.body.len()
            );
            let is_hit = round == 1 && target.starts_with("/kept");
            assert_eq!(answer.cache() == "Hit", is_hit, "{target} {round}");
        }
    }
}

#[test]
fn a_piece_leaves_before_the_next_one_comes() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let origin = Origin::scripted(move |_, _, stream| {
        let head =
            "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        for size in [1, 20_000, 70_000] {
            let _ = gone.lock().unwrap().recv();
            let piece = format!("{size:x}\r\n{}\r\n", "x".repeat(size));
            stream.write_all(piece.as_bytes()).unwrap();
        }
        stream.write_all(b"0\r\n\r\n").is_ok()
    });
    let world = World::new(&distribution(origin.address));
    let mut client = world.client();
    client.ask("GET", "/events", &[]);
    client.read_head().unwrap();
    let mut received = 0;
    for size in [1, 20_000, 70_000] {
        go.send(()).unwrap();
        let wanted = received + size;
        while received < wanted || !client.buffer.ends_with(b"\r\n") {
            let mut bytes = [0; 4096];
            let count = client.stream.read(&mut bytes).unwrap();
            assert!(count > 0);
            client.buffer.extend_from_slice(&bytes[..count]);
            received += bytes[..count].iter().filter(|byte| **byte == b'x').count();
        }
    }
}

#[test]
fn a_viewer_that_reads_nothing_is_let_go() {
    let origin = Origin::scripted(|_, _, stream| {
        let head =
            "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 100000000\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        (0..100).all(|_| stream.write_all(&[b'x'; 1_000_000]).is_ok())
    });
    let world = impatient(&distribution(origin.address), |timeouts| {
        timeouts.write = Duration::from_millis(200);
    });
    let mut client = world.client();
    client.ask("GET", "/a", &[]);
    eventually("the connection is closed", || {
        metric(&world, "warmfront_accepted_connections_total") == 1
            && metric(&world, "warmfront_open_connections") == 0
    });
    let result = "warmfront_requests_total{distribution=\"ETEST\",result=\"Error\"}";
    assert_eq!(metric(&world, result), 1);
    let answer = client.read_answer("GET").unwrap();
    assert!(
        answer.is_broken && answer.body.len() > 1_000,
        "{}",
        answer.body.len()
    );
}

#[test]
fn a_viewer_that_reads_slowly_gets_everything() {
    let body = pattern(1 << 20, 3);
    let sent = body.clone();
    let origin = Origin::scripted(move |_, _, stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", sent.len());
        stream.write_all(head.as_bytes()).is_ok() && stream.write_all(&sent).is_ok()
    });
    let world = World::new(&distribution(origin.address));
    for _ in 0..2 {
        let mut client = world.client();
        socket2::SockRef::from(&client.stream)
            .set_recv_buffer_size(65_536)
            .unwrap();
        client.ask("GET", "/a", &[("Connection", "close")]);
        let mut bytes = Vec::new();
        let mut piece = [0; 1_000];
        while let Ok(count @ 1..) = client.stream.read(&mut piece) {
            bytes.extend_from_slice(&piece[..count]);
        }
        assert!(bytes.ends_with(&body));
    }
}
