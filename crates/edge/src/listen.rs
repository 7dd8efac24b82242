//! Listening: sockets, and what becomes of a connection that comes in.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use socket2::{Domain, Protocol, Socket, Type};
use tls::Negotiated;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::clients::Place;
use crate::front::Front;
use crate::stopping::{Open, Stopping};
use crate::worker::{Shared, Worker};
use crate::{Viewer, http1, http2, limits};

/// What is spoken on a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// HTTP/1.1 in the clear.
    Plain,
    /// What ALPN says, over TLS.
    Tls,
}

/// The workers' sockets share an address, and would share it with another process too, which would
/// silently take a part of the viewers: so it is tried alone first.
pub(crate) fn refuse_taken(address: SocketAddr) -> io::Result<()> {
    if address.port() != 0 {
        drop(std::net::TcpListener::bind(address)?);
    }
    Ok(())
}

pub(crate) fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    // Each worker has a socket of its own, and the kernel spreads connections over them.
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(limits::LISTEN_BACKLOG)?;
    Ok(socket.into())
}

/// Takes connections, each into a task of its own.
pub(crate) async fn accept(
    worker: Rc<Worker>,
    listener: TcpListener,
    spoken: Spoken,
    stopping: Rc<Stopping>,
) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // A viewer that was gone again is no reason to let the others wait. Anything else
                // is mostly: no file descriptors left. Wait for some to come back.
                if error.kind() != io::ErrorKind::ConnectionAborted {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                }
                continue;
            }
        };
        let Some(place) = admit(&worker.shared, peer) else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let shared = &worker.shared;
        shared
            .latencies
            .note_connection(&stream, place.ip, worker.now_ms());
        let (worker, open) = (Rc::clone(&worker), stopping.enter());
        match spoken {
            Spoken::Plain => {
                let front = Front::new(worker, Viewer::new(peer), None);
                tokio::task::spawn_local(async move {
                    http1::serve(front, stream, open).await;
                    drop(place);
                });
            }
            Spoken::Tls => {
                tokio::task::spawn_local(async move {
                    // What a handshake takes is given back before the conversation, which may
                    // be idle for long.
                    let shaken = Box::pin(handshake(worker, stream, peer, open)).await;
                    if let Some(conversation) = shaken {
                        conversation.await;
                    }
                    drop(place);
                });
            }
        }
    }
}

/// A place among the connections of this node and of one client, if there is one.
pub(crate) fn admit(shared: &Arc<Shared>, peer: SocketAddr) -> Option<Place> {
    let ip = peer.ip().to_canonical();
    shared.accepted.fetch_add(1, Ordering::Relaxed);
    let is_full = shared.open.load(Ordering::Relaxed) >= limits::CONNECTIONS_MAX;
    if is_full || !shared.clients.enter(ip) {
        shared.refused.fetch_add(1, Ordering::Relaxed);
        return None;
    }
    shared.open.fetch_add(1, Ordering::Relaxed);
    Some(Place {
        shared: Arc::clone(shared),
        ip,
    })
}

/// What follows a handshake. It lies in memory of its own, so that a connection takes no more than
/// its protocol needs.
type Conversation = Pin<Box<dyn Future<Output = ()>>>;

/// Speaks what was agreed upon.
fn speak(front: Front, stream: TlsStream<TcpStream>, open: Open) -> Conversation {
    let spoken = front.viewer.tls.as_ref().map(|tls| tls.spoken);
    match spoken {
        Some(tls::Spoken::Http2) => Box::pin(http2::serve(Rc::new(front), stream, open)),
        _ => Box::pin(http1::serve(front, stream, open)),
    }
}

/// Shakes hands: with the certificate of the name that is asked for.
async fn handshake(
    worker: Rc<Worker>,
    stream: TcpStream,
    peer: SocketAddr,
    open: Open,
) -> Option<Conversation> {
    let shaken = timeout(limits::HANDSHAKE_TIMEOUT, shake(&worker, stream)).await;
    let handshakes = &worker.shared.handshakes;
    let Ok(Some((stream, host))) = shaken else {
        handshakes.failed.fetch_add(1, Ordering::Relaxed);
        return None;
    };
    let negotiated = Negotiated::of(stream.get_ref().1)?;
    handshakes.count(&negotiated);
    let host = host?;
    if !is_still_welcome(&worker, &host, &negotiated) {
        return None;
    }
    let viewer = Viewer::over_tls(peer, negotiated);
    let front = Front::new(worker, viewer, Some(host));
    Some(speak(front, stream, open))
}

/// Whether a viewer whose session was resumed would still be let in: since its certificate was
/// looked at, it may have expired.
fn is_still_welcome(worker: &Worker, host: &tls::Host, negotiated: &Negotiated) -> bool {
    let shown = negotiated.viewer_certificate.as_ref();
    match (&host.client_auth, shown.filter(|_| negotiated.resumed)) {
        (Some(asked), Some(shown)) => asked.still_holds(shown, worker.now_ms() / 1_000),
        _ => true,
    }
}

/// The handshake itself. No host means that a challenge was answered, and that was all.
async fn shake(
    worker: &Worker,
    stream: TcpStream,
) -> Option<(TlsStream<TcpStream>, Option<Arc<tls::Host>>)> {
    let acceptor = rustls::server::Acceptor::default();
    let start = LazyConfigAcceptor::new(acceptor, stream).await;
    let start = start
        .inspect_err(|error| tracing::debug!(%error, "no handshake"))
        .ok()?;
    let hello = start.client_hello();
    let challenges = worker.shared.challenges.load();
    if !challenges.is_empty()
        && let Some(name) = hello.server_name()
        && hello
            .alpn()
            .is_some_and(|mut offered| offered.any(|one| one == tls::ALPN_ACME))
    {
        let config = challenges.alpn(name, worker.now_ms()).map(Arc::clone)?;
        return Some((start.into_stream(config).await.ok()?, None));
    }
    let host = worker
        .shared
        .hosts
        .load()
        .find(hello.server_name())
        .cloned();
    let Some(host) = host else {
        // Nobody waits for a viewer that does not take seven bytes.
        let _ = start.io.try_write(&tls::UNRECOGNIZED_NAME);
        return None;
    };
    let stream = start.into_stream(Arc::clone(&host.config)).await;
    let stream = stream.inspect_err(|error| tracing::debug!(%error, "the handshake failed"));
    Some((stream.ok()?, Some(host)))
}
