//! HTTP/3: QUIC connections of viewers, by quinn, and the requests on them, read by h3.
//!
//! ```text
//! kernel ── socket.rs: the worker that has the connection's keys
//!   └ mod.rs: handshakes, bounds of QUIC
//!       └ connection.rs: requests, each with a stream; the end of a connection
//!           ├ quic.rs, frames.rs: quinn as h3 wants it, and no frame held that is too long
//!           └ stream.rs, outbox.rs: a request's two directions, for `streams`
//! ```
//!
//! Fields are compressed by QPACK's static table alone: h3 announces a dynamic table of no size, so
//! nothing is kept between requests, and no request waits for another's fields. What that bounds:
//! a head takes no more memory than its own frame decodes to, and that is bounded.
//!
//! Not spoken: server push, datagrams, early data, and extended CONNECT: h3 0.0.8 knows
//! no `:protocol` of WebSockets, so we do not announce it, and viewers open them over HTTP/1.1 or
//! HTTP/2.

mod connection;
mod frames;
mod outbox;
mod quic;
mod socket;
mod stream;

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use quinn::crypto::rustls::{HandshakeData, QuicServerConfig};
use quinn::{EndpointConfig, IdleTimeout, ServerConfig, TokioRuntime, TransportConfig, VarInt};
use rustls::CipherSuite;
use tls::Negotiated;

pub(crate) use socket::{WorkerSocket, listen};

use crate::front::Front;
use crate::listen::admit;
use crate::stopping::Stopping;
use crate::worker::Worker;
use crate::{Viewer, limits};

/// Version 1 (RFC 9000).
const QUIC_VERSION: u32 = 1;

/// Takes QUIC connections on a worker's socket, each into tasks of its own, until it is dropped.
///
/// For each address, [`listen`] gives the sockets, the first of which is the first worker's; their
/// number is the workers', but at most [`limits::QUIC_WORKERS_MAX`]. Each goes to its worker, is
/// handed to this function inside its runtime and `LocalSet`, beside the tasks that accept TCP, and
/// is dropped like them when the worker stops, before [`Stopping::set`]. `config` comes from
/// [`tls::Hosts::quic_config`] and is the same for all.
pub(crate) async fn serve_endpoint(
    worker: Rc<Worker>,
    socket: WorkerSocket,
    config: Arc<rustls::ServerConfig>,
    stopping: Rc<Stopping>,
) {
    let cipher = cipher(&config);
    let endpoint = match endpoint(socket, config) {
        Ok(endpoint) => Accepting(endpoint),
        Err(error) => {
            tracing::error!(%error, "HTTP/3 is not spoken");
            return;
        }
    };
    let under_way = Rc::new(Cell::new(0));
    while let Some(incoming) = endpoint.0.accept().await {
        if under_way.get() >= limits::QUIC_HANDSHAKES_MAX {
            incoming.ignore();
            continue;
        }
        let is_proven = incoming.remote_address_validated();
        if !is_proven && under_way.get() >= limits::QUIC_UNPROVEN_HANDSHAKES_MAX {
            // Whoever has not proven its address may always be asked to.
            let _ = incoming.retry();
            continue;
        }
        let Some(place) = admit(&worker.shared, incoming.remote_address()) else {
            incoming.refuse();
            continue;
        };
        let Ok(connecting) = incoming.accept() else {
            continue;
        };
        let handshake = Handshake::begin(&under_way);
        let (worker, open) = (Rc::clone(&worker), stopping.enter());
        tokio::task::spawn_local(async move {
            let shaken = shake(&worker, connecting, cipher).await;
            drop(handshake);
            if let Some((front, quic)) = shaken {
                connection::serve(Rc::new(front), quic, open).await;
            }
            drop(place);
        });
    }
}

/// An endpoint that takes connections as long as this lives; those that it has go on.
struct Accepting(quinn::Endpoint);

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.set_server_config(None);
    }
}

/// Counts a handshake as long as it lives.
struct Handshake(Rc<Cell<usize>>);

impl Handshake {
    fn begin(under_way: &Rc<Cell<usize>>) -> Handshake {
        under_way.set(under_way.get() + 1);
        Handshake(Rc::clone(under_way))
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Waits for a handshake to end well.
async fn shake(
    worker: &Rc<Worker>,
    connecting: quinn::Connecting,
    cipher: &'static str,
) -> Option<(Front, quinn::Connection)> {
    let shaken = tokio::time::timeout(limits::HANDSHAKE_TIMEOUT, connecting).await;
    let handshakes = &worker.shared.handshakes;
    let Ok(Ok(quic)) = shaken else {
        handshakes.failed.fetch_add(1, Ordering::Relaxed);
        return None;
    };
    let data = quic.handshake_data()?.downcast::<HandshakeData>().ok()?;
    let negotiated = Negotiated {
        protocol: "TLSv1.3",
        cipher,
        // quinn does not tell.
        curve: None,
        resumed: false,
        spoken: tls::Spoken::Http3,
        server_name: data.server_name,
        viewer_certificate: None,
    };
    handshakes.count(&negotiated);
    let hosts = worker.shared.hosts.load();
    // quinn does not tell who answered the handshake. If that is nobody any more, or one who would
    // not answer now, then it is over: it may have been begun long ago.
    let host = hosts.find(negotiated.server_name.as_deref());
    let host = host.filter(|host| host.http3).cloned()?;
    let viewer = Viewer::over_tls(canonical(quic.remote_address()), negotiated);
    Some((Front::new(Rc::clone(worker), viewer, Some(host)), quic))
}

/// IPv4 mapped into IPv6 is IPv4.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// The name of the suite that all connections have; quinn tells of none. It is known where ours
/// is the choice and the first is the one that everybody has (RFC 8446, section 9.1).
fn cipher(config: &rustls::ServerConfig) -> &'static str {
    let suites = config.crypto_provider().cipher_suites.iter();
    let mut suites = suites.filter(|suite| suite.tls13().is_some());
    match (suites.next().map(|suite| suite.suite()), suites.next()) {
        (Some(only), None) => tls::cipher_name(only),
        (Some(first @ CipherSuite::TLS13_AES_128_GCM_SHA256), _) if config.ignore_client_order => {
            tls::cipher_name(first)
        }
        _ => "-",
    }
}

/// A socket that speaks QUIC.
fn endpoint(
    socket: WorkerSocket,
    config: Arc<rustls::ServerConfig>,
) -> std::io::Result<quinn::Endpoint> {
    let WorkerSocket { socket, share } = socket;
    let random = config.crypto_provider().secure_random;
    let mut ids = EndpointConfig::default();
    ids.cid_generator(move || Box::new(socket::WorkerIds { share, random }));
    ids.supported_versions(vec![QUIC_VERSION]);
    let crypto = QuicServerConfig::try_from(config).map_err(std::io::Error::other)?;
    let mut server = ServerConfig::with_crypto(Arc::new(crypto));
    server
        .transport_config(Arc::new(transport()))
        .max_incoming(limits::QUIC_INCOMING_MAX)
        .incoming_buffer_size(limits::QUIC_INCOMING_BYTES)
        .incoming_buffer_size_total(limits::QUIC_INCOMING_TOTAL_BYTES);
    quinn::Endpoint::new(ids, Some(server), socket, Arc::new(TokioRuntime))
}

/// The bounds of each connection.
fn transport() -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(limits::HTTP3_REQUESTS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(limits::HTTP3_SIDE_STREAMS_MAX))
        .max_idle_timeout(Some(idle_timeout(limits::QUIC_IDLE_TIMEOUT)))
        .stream_receive_window(VarInt::from_u32(limits::HTTP3_STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(limits::HTTP3_WINDOW_BYTES))
        .send_window(limits::HTTP3_SEND_WINDOW_BYTES)
        .datagram_receive_buffer_size(None);
    config
}

fn idle_timeout(timeout: Duration) -> IdleTimeout {
    IdleTimeout::try_from(timeout).expect("it is far less than 2^62 milliseconds")
}
