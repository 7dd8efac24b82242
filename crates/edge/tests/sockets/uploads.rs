//! Request bodies on their way to the origin.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::world::files::pattern;
use crate::world::{Origin, World, distribution, eventually, response};
use crate::{impatient, metric, raw_origin, read_head, read_to_end};

fn storing_origin() -> Origin {
    Origin::fixed("201 Created", &[], "made")
}

/// An origin that hands each connection's bytes over as they come, until they end, and answers
/// nothing.
fn listening_origin() -> (std::net::SocketAddr, mpsc::Receiver<Vec<u8>>) {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    let address = raw_origin(move |mut stream| {
        let sender = sender.lock().unwrap().clone();
        let _ = sender.send(read_to_end(&mut stream));
    });
    (address, receiver)
}

#[test]
fn a_chunked_body_arrives_whole_however_it_is_cut() {
    let origin = storing_origin();
    let world = World::new(&distribution(origin.address));
    let body = pattern(300_000, 1);
    for chunk_bytes in [1_000, 16_384, 65_536, 300_000] {
        let mut client = world.client();
        client.send("PUT /a HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n");
        for chunk in body.chunks(chunk_bytes) {
            client.send(format!("{:X};extension\r\n", chunk.len()));
            client.send(chunk);
            client.send("\r\n");
        }
        client.send("0\r\nTrailer-Field: x\r\n\r\n");
        assert_eq!(client.read_answer("PUT").unwrap().status, 201);
        let asked = origin.last();
        assert!(asked.body == body);
        assert_eq!(asked.get("transfer-encoding"), Some("chunked"));
        assert_eq!(
            (asked.get("content-length"), asked.get("trailer-field")),
            (None, None)
        );
        assert_eq!(
            client.get("/next", &[]).status,
            201,
            "the connection goes on"
        );
    }
}

#[test]
fn a_hundred_megabytes_arrive_byte_for_byte() {
    let piece = pattern(1 << 20, 5);
    let sent = piece.clone();
    let address = raw_origin(move |mut stream| {
        let head = read_head(&mut stream);
        assert!(head.contains("Content-Length: 104857600\r\n"), "{head}");
        let mut bytes = vec![0; sent.len()];
        for _ in 0..100 {
            stream.read_exact(&mut bytes).unwrap();
            assert!(bytes == sent);
        }
        stream
            .write_all(response("200 OK", &[], "all of it").as_bytes())
            .unwrap();
    });
    let world = World::new(&distribution(address));
    let mut client = world.client();
    client.send("PUT /a HTTP/1.1\r\nHost: site.test\r\nContent-Length: 104857600\r\n\r\n");
    for _ in 0..100 {
        client.send(&piece);
    }
    assert_eq!(client.read_answer("PUT").unwrap().text(), "all of it");
}

#[test]
fn an_origin_that_takes_nothing_holds_up_the_viewer_and_no_memory_is_spent() {
    let (done, is_done) = mpsc::channel::<()>();
    let is_done = Mutex::new(is_done);
    let address = raw_origin(move |mut stream| {
        read_head(&mut stream);
        let _ = is_done.lock().unwrap().recv();
    });
    let world = World::new(&distribution(address));
    let mut client = world.client();
    client.send("PUT /a HTTP/1.1\r\nHost: site.test\r\nContent-Length: 1000000000\r\n\r\n");
    client
        .stream
        .set_write_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let mut sent = 0;
    let stuck = loop {
        match client.stream.write(&[b'x'; 65_536]) {
            Ok(count) => sent += count,
            Err(error) => break error,
        }
        assert!(
            sent < 64 << 20,
            "the kernel's buffers on both sides are smaller"
        );
    };
    assert!(
        matches!(stuck.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{stuck}"
    );
    drop(done);
}

#[test]
fn who_expects_100_continue_gets_it_when_the_origin_is_asked() {
    let origin = storing_origin();
    let world = World::new(&distribution(origin.address));
    let mut client = world.client();
    let head =
        "POST /a HTTP/1.1\r\nHost: site.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    for _ in 0..2 {
        client.send(head);
        let interim = client.read_answer("POST").unwrap();
        assert_eq!((interim.status, interim.fields.len()), (100, 0));
        client.send("hello");
        assert_eq!(client.read_answer("POST").unwrap().status, 201);
        assert_eq!(origin.last().body, b"hello");
        assert_eq!(origin.last().get("expect"), None);
    }
    // Who does not wait needs none.
    client.send(format!("{head}world"));
    assert_eq!(client.read_answer("POST").unwrap().status, 201);
    assert_eq!(origin.last().body, b"world");
}

#[test]
fn who_expects_100_continue_and_is_refused_gets_the_refusal_alone() {
    let origin = storing_origin();
    let mut config = distribution(origin.address);
    config["DefaultCacheBehavior"]["AllowedMethods"] =
        json!({ "Quantity": 2, "Items": ["GET", "HEAD"] });
    let world = World::new(&config);
    let mut client = world.client();
    client.send(
        "POST /a HTTP/1.1\r\nHost: site.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    let answer = client.read_answer("POST").unwrap();
    assert_eq!(
        (answer.status, answer.get("connection")),
        (403, Some("close"))
    );
    assert!(client.is_closed());
}

#[test]
fn a_refusal_is_readable_while_the_viewer_still_sends() {
    let origin = storing_origin();
    let mut config = distribution(origin.address);
    config["DefaultCacheBehavior"]["AllowedMethods"] =
        json!({ "Quantity": 2, "Items": ["GET", "HEAD"] });
    let world = World::new(&config);
    for _ in 0..10 {
        let mut client = world.client();
        client.send("POST /a HTTP/1.1\r\nHost: site.test\r\nContent-Length: 200000\r\n\r\n");
        for _ in 0..4 {
            client.send([b'x'; 50_000]);
        }
        let answer = client.read_answer("POST").expect("the refusal");
        assert_eq!((answer.status, answer.is_broken), (403, false));
        assert!(client.is_closed());
    }
    // A body that is there already is skipped, and the connection goes on.
    let mut client = world.client();
    client.send("POST /a HTTP/1.1\r\nHost: site.test\r\nContent-Length: 5\r\n\r\nGET /");
    assert_eq!(client.read_answer("POST").unwrap().status, 403);
    assert_eq!(client.get("/b", &[]).status, 201);
    assert_eq!(origin.count(), 1);
}

#[test]
fn an_early_answer_reaches_a_viewer_that_still_uploads() {
    let address = raw_origin(|mut stream| {
        read_head(&mut stream);
        stream
            .write_all(response("413 Content Too Large", &[], "enough").as_bytes())
            .unwrap();
        read_to_end(&mut stream);
    });
    let world = World::new(&distribution(address));
    for framing in ["Content-Length: 1000000", "Transfer-Encoding: chunked"] {
        let mut client = world.client();
        client.send(format!(
            "POST /a HTTP/1.1\r\nHost: site.test\r\n{framing}\r\n\r\n5\r\nabcde\r\n"
        ));
        let answer = client.read_answer("POST").unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (413, "enough"));
        assert_eq!(answer.get("connection"), Some("close"));
        client.try_send("5\r\nabcde\r\n");
        assert!(client.is_closed());
    }
    eventually("nothing is open", || {
        metric(&world, "warmfront_open_connections") == 0
    });
}

#[test]
fn an_origin_may_answer_while_it_reads_and_misses_nothing_of_the_body() {
    // The origin sends its head at once, then every byte of the body back as it comes.
    let address = raw_origin(|mut stream| {
        read_head(&mut stream);
        let head = "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut wire = Vec::new();
        let mut bytes = [0; 4096];
        while !wire.ends_with(b"0\r\n\r\n") {
            match stream.read(&mut bytes) {
                Ok(count @ 1..) => wire.extend_from_slice(&bytes[..count]),
                _ => return,
            }
            stream.write_all(b".").unwrap();
        }
        stream.write_all(&wire).unwrap();
    });
    let world = World::new(&distribution(address));
    for round in 0..50 {
        let mut client = world.client();
        let chunks: String = (0..200).map(|n| format!("5\r\n<{n:03}>\r\n")).collect();
        let request = "POST /a HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.send(format!("{request}{chunks}"));
        client.read_head().unwrap();
        client.send(format!("{chunks}0\r\n\r\n"));
        let echo = String::from_utf8(read_to_end(&mut client.stream)).unwrap();
        for n in 0..200 {
            let piece = format!("<{n:03}>");
            assert_eq!(
                echo.matches(&piece).count(),
                2,
                "round {round}: {piece} in {echo}"
            );
        }
    }
}

#[test]
fn an_upload_that_breaks_off_never_looks_complete_to_the_origin() {
    let (address, received) = listening_origin();
    let world = World::new(&distribution(address));
    for framing in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        for is_reset in [false, true] {
            let mut client = world.client();
            client.send(format!(
                "POST /a HTTP/1.1\r\nHost: site.test\r\n{framing}\r\n\r\n"
            ));
            client.send("5\r\nab");
            std::thread::sleep(Duration::from_millis(20));
            if is_reset {
                client.reset();
            } else {
                drop(client);
            }
            let bytes =
                String::from_utf8(received.recv_timeout(crate::world::PATIENCE).unwrap()).unwrap();
            let (_, body) = bytes.split_once("\r\n\r\n").unwrap();
            assert!(!body.contains("0\r\n\r\n") && body.len() < 10, "{bytes}");
        }
    }
    eventually("nothing is open", || {
        metric(&world, "warmfront_open_connections") == 0
    });
}

#[test]
fn an_upload_that_stalls_is_refused_after_its_time() {
    let (address, received) = listening_origin();
    let world = impatient(&distribution(address), |timeouts| {
        timeouts.body_read = Duration::from_millis(150);
    });
    let mut client = world.client();
    client.send("POST /a HTTP/1.1\r\nHost: site.test\r\nContent-Length: 10\r\n\r\nabc");
    let started = Instant::now();
    let answer = client.read_answer("POST").unwrap();
    assert_eq!(
        (answer.status, answer.get("connection")),
        (408, Some("close"))
    );
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(client.is_closed());
    let bytes = received.recv_timeout(crate::world::PATIENCE).unwrap();
    assert!(bytes.ends_with(b"\r\n\r\nabc"));
}

#[test]
fn bodies_of_many_connections_are_never_mixed() {
    let origin = Origin::scripted(|asked, _, stream| {
        let letter = asked.target.as_bytes()[1];
        let is_own = asked.body.iter().all(|byte| *byte == letter);
        let text = format!("{letter} {} {is_own}", asked.body.len());
        stream
            .write_all(response("200 OK", &[], &text).as_bytes())
            .is_ok()
    });
    let world = Arc::new(World::new(&distribution(origin.address)));
    let viewers: Vec<_> = (b'a'..=b'p')
        .map(|letter| {
            let world = Arc::clone(&world);
            std::thread::spawn(move || {
                let mut client = world.client();
                for round in 0..30_usize {
                    let size = 1 + round * 997;
                    let body = vec![letter; size];
                    let target = char::from(letter);
                    if round % 2 == 0 {
                        client.send(format!("POST /{target} HTTP/1.1\r\nHost: site.test\r\nContent-Length: {size}\r\n\r\n"));
                        client.send(&body);
                    } else {
                        client.send(format!("POST /{target} HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n"));
                        client.send(format!("{size:x}\r\n"));
                        client.send(&body);
                        client.send("\r\n0\r\n\r\n");
                    }
                    let answer = client.read_answer("POST").unwrap();
                    assert_eq!(answer.text(), format!("{letter} {size} true"));
                }
            })
        })
        .collect();
    for viewer in viewers {
        viewer.join().unwrap();
    }
}

#[test]
fn a_body_for_an_origin_that_is_away_is_skipped_if_it_is_there() {
    let world = World::new(&distribution(crate::nowhere()));
    let mut client = world.client();
    client.send("POST /a HTTP/1.1\r\nHost: site.test\r\nContent-Length: 5\r\n\r\nabcde");
    let answer = client.read_answer("POST").unwrap();
    assert_eq!((answer.status, answer.get("connection")), (502, None));
    assert_eq!(client.get("/b", &[]).status, 502);
}

#[test]
fn a_post_is_not_sent_twice() {
    let sent = Arc::new(Mutex::new(0));
    let count = Arc::clone(&sent);
    let address = raw_origin(move |mut stream: TcpStream| {
        let head = read_head(&mut stream);
        if head.is_empty() {
            return;
        }
        let mut body = [0; 5];
        stream.read_exact(&mut body).unwrap();
        *count.lock().unwrap() += 1;
    });
    let world = World::new(&distribution(address));
    let mut client = world.client();
    client.send("POST /a HTTP/1.1\r\nHost: site.test\r\nContent-Length: 5\r\n\r\nabcde");
    assert_eq!(client.read_answer("POST").unwrap().status, 502);
    assert_eq!(*sent.lock().unwrap(), 1);
}
