//! WebSockets by extended CONNECT (RFC 8441).

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};

use crate::tls::Stage;
use crate::world::{Origin, distribution};
use crate::{Viewer, ask, impatient, pause, raw_origin, run};

const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

fn echo(stream: &mut TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        if stream.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}

/// An origin that switches, sends `early` right behind its head, and then does as the test says.
fn switching_origin(
    early: &'static str,
    talk: impl Fn(&mut TcpStream) + Send + Sync + 'static,
) -> (SocketAddr, Arc<Mutex<String>>) {
    let head = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&head);
    let address = raw_origin(move |mut stream| {
        *seen.lock().unwrap() = crate::frames::read_head(&mut stream);
        stream
            .write_all(format!("{SWITCHED}{early}").as_bytes())
            .unwrap();
        talk(&mut stream);
    });
    (address, head)
}

struct Socket {
    status: u16,
    headers: HeaderMap,
    send: SendStream<Bytes>,
    body: RecvStream,
    early: Vec<u8>,
}

async fn open(viewer: &mut Viewer) -> Socket {
    open_with(viewer, &[]).await
}

async fn open_with(viewer: &mut Viewer, fields: &[(&'static str, &str)]) -> Socket {
    while !viewer.send.is_extended_connect_protocol_enabled() {
        pause(2).await;
    }
    let mut request: Request<()> = ask("CONNECT", "/chat?room=1");
    request
        .extensions_mut()
        .insert(Protocol::from_static("websocket"));
    let headers = request.headers_mut();
    headers.insert("sec-websocket-version", "13".parse().unwrap());
    headers.insert("sec-websocket-protocol", "chat".parse().unwrap());
    headers.insert("origin", "https://site.test".parse().unwrap());
    for (name, value) in fields {
        headers.insert(*name, value.parse().unwrap());
    }
    let mut send = viewer.send.clone().ready().await.unwrap();
    let (response, send) = send.send_request(request, false).unwrap();
    let (head, body) = response.await.unwrap().into_parts();
    Socket {
        status: head.status.as_u16(),
        headers: head.headers,
        send,
        body,
        early: Vec::new(),
    }
}

impl Socket {
    async fn read(&mut self, count: usize) -> Vec<u8> {
        while self.early.len() < count {
            let bytes = self.body.data().await.expect("more").unwrap();
            self.body
                .flow_control()
                .release_capacity(bytes.len())
                .unwrap();
            self.early.extend_from_slice(&bytes);
        }
        self.early.drain(..count).collect()
    }
}

#[test]
fn the_handshake_is_that_of_http1_to_the_origin_and_bytes_go_both_ways() {
    let (address, head) = switching_origin("welcome", echo);
    let world = Stage::new(&distribution(address));
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        let mut socket = open(&mut viewer).await;
        assert_eq!(socket.status, 200);
        assert_eq!(
            socket.headers.get("sec-websocket-protocol").unwrap(),
            "chat"
        );
        for absent in [
            "sec-websocket-accept",
            "content-length",
            "upgrade",
            "connection",
        ] {
            assert!(!socket.headers.contains_key(absent), "{absent}");
        }
        assert_eq!(socket.read(7).await, b"welcome");
        for size in [1, 2, 100, 16_384, 16_385, 60_000] {
            let message = vec![size as u8; size];
            socket
                .send
                .send_data(message.clone().into(), false)
                .unwrap();
            assert!(socket.read(size).await == message);
        }
        // The end of one side is the end of the other.
        socket.send.send_data(Bytes::new(), true).unwrap();
        while let Some(bytes) = socket.body.data().await {
            assert!(bytes.unwrap().is_empty());
        }
    });
    let head = head.lock().unwrap().to_ascii_lowercase();
    assert!(head.starts_with("get /chat?room=1 http/1.1\r\n"), "{head}");
    for line in [
        "sec-websocket-version: 13",
        "sec-websocket-protocol: chat",
        "connection: upgrade",
        "upgrade: websocket",
    ] {
        assert_eq!(
            head.matches(&format!("\r\n{line}\r\n")).count(),
            1,
            "{line} in {head}"
        );
    }
    let key = head.split("sec-websocket-key: ").nth(1).unwrap();
    let key = key.split("\r\n").next().unwrap();
    assert!(key.len() == 24 && key.ends_with("=="), "{key}");
}

#[test]
fn an_origin_gets_one_key_though_the_viewer_sends_one_that_nobody_needs() {
    let (address, head) = switching_origin("", echo);
    let world = Stage::new(&distribution(address));
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        let key = [("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")];
        assert_eq!(open_with(&mut viewer, &key).await.status, 200);
    });
    let head = head.lock().unwrap().to_ascii_lowercase();
    assert_eq!(head.matches("\r\nsec-websocket-key: ").count(), 1, "{head}");
}

#[test]
fn an_origin_that_does_not_switch_answers_as_it_will() {
    let origin = Origin::fixed("403 Forbidden", &[], "members only");
    let world = Stage::new(&distribution(origin.address));
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        let mut socket = open(&mut viewer).await;
        assert_eq!(socket.status, 403);
        assert_eq!(socket.read(12).await, b"members only");
    });
}

#[test]
fn a_silent_origin_ends_the_socket_and_so_does_the_stop_of_the_edge() {
    let (address, _) = switching_origin("", |stream| {
        let _ = stream.read(&mut [0; 16]);
    });
    let world = impatient(&distribution(address), |timeouts| {
        timeouts.websocket_idle = Duration::from_millis(200);
    });
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        let mut socket = open(&mut viewer).await;
        assert_eq!(socket.status, 200);
        // CANCEL
        let error = socket.body.data().await.unwrap().unwrap_err();
        assert_eq!(error.reason(), Some(h2::Reason::CANCEL));
    });
    let mut world = Stage::new(&distribution(address));
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        let mut socket = open(&mut viewer).await;
        assert_eq!(socket.status, 200);
        let edge = world.edge.take().unwrap();
        let stopping = std::thread::spawn(move || edge.stop());
        assert!(socket.body.data().await.is_none_or(|data| data.is_err()));
        drop(socket);
        let _ = viewer.connection.await;
        stopping.join().unwrap();
    });
}

#[test]
fn a_viewer_that_resets_the_stream_is_gone_for_the_origin() {
    let (sender, gone) = std::sync::mpsc::channel();
    let sender = Mutex::new(sender);
    let (address, _) = switching_origin("", move |stream| {
        let is_over = stream.read(&mut [0; 16]).map_or(true, |count| count == 0);
        sender.lock().unwrap().send(is_over).unwrap();
    });
    let world = Stage::new(&distribution(address));
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        let mut socket = open(&mut viewer).await;
        socket.send.send_reset(h2::Reason::CANCEL);
        pause(50).await;
    });
    assert_eq!(gone.recv_timeout(crate::PATIENCE), Ok(true));
}
