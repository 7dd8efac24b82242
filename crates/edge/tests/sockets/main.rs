//! The edge over real sockets: what viewers and origins send and get, byte by byte, and what
//! operators see of it.

#![allow(
    clippy::unwrap_used,
    reason = "Clippy sees a test only in what is marked as one"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "a slow viewer or origin is one that really is slow"
)]

#[path = "../world/mod.rs"]
mod world;

mod crowd;
mod hostile;
mod logs;
mod origins;
mod stopping;
mod uploads;
mod websocket;
mod wire;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use edge::site::Policies;
use edge::{EdgeConfig, Timeouts};
use serde_json::Value;
use world::{Client, PATIENCE, World};

/// An edge with other settings than usual.
fn world_with(config: &Value, adjust: impl FnOnce(&mut EdgeConfig)) -> World {
    World::with(config, &Policies::managed(), adjust)
}

/// An edge that has this little patience with viewers.
fn impatient(config: &Value, adjust: impl FnOnce(&mut Timeouts)) -> World {
    world_with(config, |settings| adjust(&mut settings.timeouts))
}

/// An origin that handles its connections itself, from the first byte on.
fn raw_origin(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let handle = Arc::new(handle);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.set_write_timeout(Some(PATIENCE)).unwrap();
            let handle = Arc::clone(&handle);
            std::thread::spawn(move || handle(stream));
        }
    });
    address
}

/// An address where nobody listens.
fn nowhere() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Reads a head to its empty line, and not a byte more.
fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Reads to the end of the stream, or to its reset.
fn read_to_end(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

impl Client {
    /// Whether the edge ends the connection without another byte.
    fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        self.buffer.is_empty()
            && match self.stream.read(&mut byte) {
                Ok(count) => count == 0,
                Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
            }
    }

    /// Sends what the edge may refuse to take.
    fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Ends the connection by a reset.
    fn reset(self) {
        let socket = socket2::Socket::from(self.stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// The value of a sample in the text of the metrics.
fn metric(world: &World, sample: &str) -> u64 {
    let text = world.edge.as_ref().unwrap().metrics();
    let line = text.lines().find(|line| {
        line.strip_prefix(sample)
            .is_some_and(|rest| rest.starts_with(' '))
    });
    line.and_then(|line| line.rsplit(' ').next())
        .map_or(0, |value| value.parse().unwrap())
}
