use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hyper::client::conn::http1;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::client::Shared;
use crate::limits::{CONNECTION_BUFFER_BYTES_MAX, RESPONSE_HEAD_BYTES_MAX};
use crate::pool::{Link, Pool, Seat, TaskGuard};
use crate::timer::LazyTimer;
use crate::transport::{Transport, Upgraded};
use crate::upload::Upload;
use crate::{FetchError, OriginSpec, Scheme, Timing, TlsFailure};

/// Resolves to the bare stream once the origin has switched protocols.
pub(crate) type UpgradeReceiver = oneshot::Receiver<Upgraded>;

/// A connection that nothing has been said over yet, TLS aside.
pub(crate) struct Connected {
    pub(crate) transport: Transport,
    pub(crate) seat: Seat,
    pub(crate) connected_at: Instant,
    /// When the attempt is over, whatever it is at.
    pub(crate) deadline: Instant,
}

/// Makes one attempt to connect, over all addresses of the origin, within its connection timeout.
pub(crate) async fn connected(
    shared: &Shared,
    pool: &Pool,
    origin: &OriginSpec,
    scheme: Scheme,
    timing: &mut Timing,
) -> Result<Connected, FetchError> {
    let started = Instant::now();
    let seat = shared.pools.take_seat(pool, started)?;
    let addresses = shared
        .names
        .look_up(&origin.host, origin.address_family)
        .await;
    let resolved = Instant::now();
    timing.dns_us += micros(resolved - started);
    let order = pool.order(&addresses?, resolved);

    let trying = Cell::new(None);
    let deadline = resolved + Duration::from_millis(origin.connection_timeout_ms.into());
    let connecting = connect(pool, &order, origin.port(scheme), &trying);
    let result = timeout_at(deadline, connecting).await;
    let connected_at = Instant::now();
    timing.connect_us += micros(connected_at - resolved).max(1);
    let transport = result.unwrap_or_else(|_| {
        if let Some(address) = trying.get() {
            pool.shun(address, connected_at);
        }
        Err(FetchError::ConnectTimeout)
    })?;
    Ok(Connected {
        transport,
        seat,
        connected_at,
        deadline,
    })
}

/// Makes one attempt to open an HTTP/1.1 connection.
pub(crate) async fn open(
    shared: &Shared,
    pool: &Pool,
    origin: &OriginSpec,
    scheme: Scheme,
    timing: &mut Timing,
) -> Result<(Link, UpgradeReceiver), FetchError> {
    let Connected {
        transport,
        seat,
        connected_at,
        ..
    } = connected(shared, pool, origin, scheme, timing).await?;
    let (sender, connection) =
        builder()
            .handshake::<_, Upload>(transport)
            .await
            .map_err(|error| {
                // The handshake of HTTP/1 is no more than allocation.
                tracing::debug!(%error, "no handshake");
                FetchError::Connect(io::ErrorKind::Other)
            })?;
    let (upgrade, upgrade_receiver) = oneshot::channel();
    let task = tokio::task::spawn_local(run(connection, upgrade));
    let timer = LazyTimer::new(connected_at + Duration::from_millis(origin.read_timeout_ms.into()));
    Ok((
        Link {
            sender,
            timer,
            _task: TaskGuard(task.abort_handle()),
            seat,
        },
        upgrade_receiver,
    ))
}

/// Drives a connection until it closes, and hands the stream over if it was upgraded.
async fn run(
    mut connection: http1::Connection<Transport, Upload>,
    upgrade: oneshot::Sender<Upgraded>,
) {
    match poll_fn(|cx| connection.poll_without_shutdown(cx)).await {
        Ok(()) => {
            let parts = connection.into_parts();
            // Nobody waits for the parts of a connection that merely closed.
            let _ = upgrade.send(Upgraded::new(parts.io, parts.read_buf));
        }
        Err(error) => tracing::debug!(%error, "origin connection failed"),
    }
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .title_case_headers(true)
        .max_header_size(RESPONSE_HEAD_BYTES_MAX)
        .max_buf_size(CONNECTION_BUFFER_BYTES_MAX);
    builder
}

/// Connects to the first address that takes the connection. `trying` says which one is at it.
async fn connect(
    pool: &Pool,
    order: &[IpAddr],
    port: u16,
    trying: &Cell<Option<IpAddr>>,
) -> Result<Transport, FetchError> {
    let mut failure = FetchError::Connect(io::ErrorKind::AddrNotAvailable);
    for address in order {
        trying.set(Some(*address));
        match TcpStream::connect(SocketAddr::new(*address, port)).await {
            Ok(stream) => {
                // Only latency is at stake: a socket without it works too.
                let _ = stream.set_nodelay(true);
                let Some(tls) = &pool.tls else {
                    return Ok(Transport::Plain(stream));
                };
                match tls.connect(stream).await {
                    Ok(stream) => return Ok(Transport::Tls(Box::new(stream))),
                    Err(error) => {
                        tracing::debug!(%address, port, %error, "no TLS");
                        failure = error;
                    }
                }
            }
            Err(error) => {
                tracing::debug!(%address, port, %error, "connecting failed");
                failure = FetchError::Connect(error.kind());
            }
        }
        pool.shun(*address, Instant::now());
    }
    Err(failure)
}

/// Whether another attempt may do better. A bad certificate, a name that does not exist and our
/// own limits stay what they are.
pub(crate) fn is_worth_another_attempt(error: FetchError) -> bool {
    matches!(
        error,
        FetchError::Connect(_)
            | FetchError::ConnectTimeout
            | FetchError::Tls(TlsFailure::Handshake)
    )
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
