//! WebSockets: the handshake, and the bytes after it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::world::{Client, Origin, World, distribution, eventually, response};
use crate::{impatient, metric, raw_origin, read_head, read_to_end};

const HANDSHAKE: &str = "GET /chat?room=1 HTTP/1.1\r\nHost: site.test\r\nConnection: keep-alive, Upgrade\r\n\
    Upgrade: WebSocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\
    Origin: http://site.test\r\n\r\n";

const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

/// An origin that switches, sends `early` right behind its head, and then does as the test says.
fn switching_origin(
    early: &'static str,
    talk: impl Fn(&mut TcpStream) + Send + Sync + 'static,
) -> (SocketAddr, Arc<Mutex<String>>) {
    let head = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&head);
    let address = raw_origin(move |mut stream| {
        *seen.lock().unwrap() = read_head(&mut stream);
        stream
            .write_all(format!("{SWITCHED}{early}").as_bytes())
            .unwrap();
        talk(&mut stream);
    });
    (address, head)
}

fn echo(stream: &mut TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        if stream.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}

fn connect(world: &World) -> Client {
    let mut client = world.client();
    client.send(HANDSHAKE);
    let answer = client.read_head().unwrap();
    assert_eq!(answer.status, 101);
    client
}

impl Client {
    fn read_exactly(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            let mut bytes = [0; 4096];
            let read = self.stream.read(&mut bytes).unwrap();
            assert!(read > 0, "closed after {} bytes", self.buffer.len());
            self.buffer.extend_from_slice(&bytes[..read]);
        }
        self.buffer.drain(..count).collect()
    }
}

#[test]
fn the_handshake_reaches_the_origin_and_its_answer_the_viewer() {
    let (address, head) = switching_origin("", echo);
    let mut config = distribution(address);
    // Even where the policy forwards nothing of it.
    config["DefaultCacheBehavior"]
        .as_object_mut()
        .unwrap()
        .remove("OriginRequestPolicyId");
    let world = World::new(&config);
    let mut client = world.client();
    client.send(HANDSHAKE);
    let answer = client.read_head().unwrap();
    assert_eq!(answer.status, 101);
    assert_eq!(answer.get_all("connection"), ["Upgrade"]);
    assert_eq!(answer.get_all("upgrade"), ["websocket"]);
    assert_eq!(
        answer.get_all("sec-websocket-accept"),
        ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]
    );
    assert_eq!(answer.get("sec-websocket-protocol"), Some("chat"));
    assert_eq!(answer.cache(), "Miss");
    assert_eq!(
        (
            answer.get("content-length"),
            answer.get("transfer-encoding")
        ),
        (None, None)
    );
    let head = head.lock().unwrap().to_ascii_lowercase();
    assert!(head.starts_with("get /chat?room=1 http/1.1\r\n"), "{head}");
    for line in [
        "sec-websocket-key: dghlihnhbxbszsbub25jzq==",
        "sec-websocket-version: 13",
        "sec-websocket-protocol: chat",
        "sec-websocket-extensions: permessage-deflate",
        "connection: upgrade",
        "upgrade: websocket",
    ] {
        assert_eq!(
            head.matches(&format!("\r\n{line}\r\n")).count(),
            1,
            "{line} in {head}"
        );
    }
}

#[test]
fn bytes_go_both_ways_as_they_come() {
    let (address, _) = switching_origin("welcome", echo);
    let world = World::new(&distribution(address));
    let mut client = connect(&world);
    assert_eq!(client.read_exactly(7), b"welcome");
    for size in [1, 2, 100, 16_384, 16_385, 100_000] {
        let message = vec![size as u8; size];
        let mut writer = client.stream.try_clone().unwrap();
        let sent = message.clone();
        let writing = std::thread::spawn(move || writer.write_all(&sent).unwrap());
        assert!(client.read_exactly(size) == message, "{size}");
        writing.join().unwrap();
    }
}

#[test]
fn what_came_with_the_handshake_goes_through_too() {
    let (address, _) = switching_origin("", echo);
    let world = World::new(&distribution(address));
    let mut client = world.client();
    client.send(format!("{HANDSHAKE}GET /not-a-request HTTP/1.1\r\n\r\n"));
    assert_eq!(client.read_head().unwrap().status, 101);
    assert_eq!(
        client.read_exactly(31),
        b"GET /not-a-request HTTP/1.1\r\n\r\n"
    );
}

#[test]
fn the_end_of_one_side_is_the_end_of_the_other() {
    let (address, _) = switching_origin("bye", |_| {});
    let world = World::new(&distribution(address));
    let mut client = connect(&world);
    assert_eq!(client.read_exactly(3), b"bye");
    assert!(client.is_closed());

    let ended = Arc::new(Mutex::new(false));
    let seen = Arc::clone(&ended);
    let (address, _) = switching_origin("", move |stream| {
        assert_eq!(read_to_end(stream), b"done");
        stream.write_all(b"so long").unwrap();
        *seen.lock().unwrap() = true;
    });
    let world = World::new(&distribution(address));
    let mut client = connect(&world);
    client.send("done");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut client.stream), b"so long");
    assert!(*ended.lock().unwrap());

    let (address, _) = switching_origin("", echo);
    let world = World::new(&distribution(address));
    connect(&world).reset();
    eventually("nothing is open", || {
        metric(&world, "warmfront_open_connections") == 0
    });
}

#[test]
fn a_side_that_does_not_read_does_not_silence_itself() {
    let (address, _) = switching_origin("", |stream| {
        let mut writer = stream.try_clone().unwrap();
        let flood = std::thread::spawn(move || while writer.write_all(&[b'x'; 65_536]).is_ok() {});
        let mut received = 0;
        let mut bytes = [0; 65_536];
        while received < 1_000_000 {
            received += stream.read(&mut bytes).unwrap();
        }
        stream.shutdown(std::net::Shutdown::Both).unwrap();
        flood.join().unwrap();
    });
    let world = World::new(&distribution(address));
    let mut client = connect(&world);
    // Let the flood fill every buffer first.
    std::thread::sleep(Duration::from_millis(300));
    client.send(vec![b'y'; 1_000_000]);
    assert!(
        read_to_end(&mut client.stream)
            .iter()
            .all(|byte| *byte == b'x')
    );
}

#[test]
fn a_silent_websocket_is_closed_after_its_time() {
    let (address, _) = switching_origin("", |stream| drop(read_to_end(stream)));
    let world = impatient(&distribution(address), |timeouts| {
        timeouts.websocket_idle = Duration::from_millis(200);
    });
    let mut client = connect(&world);
    let started = Instant::now();
    assert!(client.is_closed());
    assert!(started.elapsed() >= Duration::from_millis(150));
}

#[test]
fn bytes_of_the_origin_keep_a_websocket_open() {
    let (address, _) = switching_origin("", |stream| {
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(50));
            stream.write_all(b".").unwrap();
        }
    });
    let world = impatient(&distribution(address), |timeouts| {
        timeouts.websocket_idle = Duration::from_millis(250);
    });
    assert_eq!(read_to_end(&mut connect(&world).stream), b"..........");
}

#[test]
fn an_origin_that_does_not_switch_answers_as_to_any_request() {
    let origin = Origin::scripted(|asked, _, stream| {
        let fields = [("Cache-Control", "max-age=60"), ("Upgrade", "websocket")];
        let status = if asked.target == "/chat?room=1" {
            "426 Upgrade Required"
        } else {
            "200 OK"
        };
        stream
            .write_all(response(status, &fields, "no").as_bytes())
            .is_ok()
    });
    let world = World::new(&distribution(origin.address));
    let mut client = world.client();
    for _ in 0..2 {
        client.send(HANDSHAKE);
        let answer = client.read_answer("GET").unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (426, "no"));
        assert_eq!(
            (answer.get("upgrade"), answer.get("connection")),
            (None, None)
        );
    }
    assert_eq!(client.get("/a", &[]).status, 200);
    assert_eq!(origin.count(), 3, "answers to handshakes are not stored");
}

#[test]
fn nobody_is_switched_without_asking() {
    let (address, _) = switching_origin("smuggled", echo);
    let world = World::new(&distribution(address));
    for fields in [
        &[("Upgrade", "websocket")][..],
        &[("Connection", "Upgrade"), ("Upgrade", "h2c")],
        &[],
    ] {
        let mut client = world.client();
        let answer = client.get("/a", fields);
        assert_eq!(answer.status, 502, "{fields:?}");
        world.clock.advance_secs(60);
    }
}

#[test]
fn an_early_end_of_the_edge_ends_its_websockets() {
    let (address, _) = switching_origin("", |stream| drop(read_to_end(stream)));
    let mut world = World::new(&distribution(address));
    let mut client = connect(&world);
    let started = Instant::now();
    world.edge.take().unwrap().stop();
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(client.is_closed());
}
