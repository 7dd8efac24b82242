//! One thread that answers over connections (RFC 7766): each message behind its length in two
//! bytes, several at once if the client likes, answered in their order.
//!
//! What a connection can take is bounded: time without a whole query, time to take what it asked
//! for, memory of responses not taken yet, queries; and there are so many connections, and so many
//! of one client. Zone transfers are made elsewhere ([`Transfers`]) and sent here, message by
//! message, as the client takes them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::answering::{Answering, refuse};
use super::limits::{
    ERROR_PAUSE_MS, TCP_BACKLOG_COUNT, TCP_BUFFER_BYTES_KEPT, TCP_PENDING_BYTES, TCP_READ_BYTES,
};
use super::now_ms;
use crate::answer::{Asker, Outcome, Transport};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::world::World;
use crate::zone::Zone;

/// What connections may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpLimits {
    /// Connections at once.
    pub connections_max: usize,
    /// Connections at once of one IPv4 address or one /64 of IPv6.
    pub connections_per_client_max: usize,
    /// Queries of one connection, which is closed after them.
    pub queries_per_connection_max: u64,
    /// Until when a whole query must be there, counted from the answer to the one before.
    pub idle_secs: u64,
    /// How long a client may take for what is written at once.
    pub write_secs: u64,
}

impl Default for TcpLimits {
    fn default() -> Self {
        TcpLimits {
            connections_max: 2048,
            connections_per_client_max: 128,
            queries_per_connection_max: 100_000,
            idle_secs: 10,
            write_secs: 10,
        }
    }
}

/// Makes the messages of zone transfers.
pub trait Transfers: Send + Sync {
    /// Whether a query for a zone's SOA record is a secondary's that looks for news, by what it
    /// signed. It is answered by [`Transfers::begin`] then, by either transport.
    fn is_secondary(&self, query: &[u8], asker: &Asker) -> bool {
        let _ = (query, asker);
        false
    }

    /// The messages that answer `query`, in order; each is made when the one before is on its way.
    /// A transfer that is refused has one message, which says so. Longer ones than
    /// [`MESSAGE_BYTES_MAX`] end the connection.
    fn begin<'w>(
        &self,
        zone: &'w Zone,
        query: &[u8],
        asker: &Asker,
        is_incremental: bool,
    ) -> Box<dyn Iterator<Item = Vec<u8>> + 'w>;
}

pub(super) struct TcpThread {
    pub answering: Answering,
    pub world: Arc<ArcSwap<World>>,
    pub limits: TcpLimits,
}

/// A socket that connections come to.
pub(super) fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(TCP_BACKLOG_COUNT)?;
    Ok(socket.into())
}

impl TcpThread {
    /// Answers until the other end of `stopped` is gone.
    pub fn run(self, listeners: Vec<std::net::TcpListener>, stopped: oneshot::Receiver<()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "DNS over TCP is not served");
                return;
            }
        };
        let shared = Rc::new(Shared {
            answering: RefCell::new(self.answering),
            scratch: RefCell::new(vec![0; MESSAGE_BYTES_MAX].into()),
            world: self.world,
            limits: self.limits,
            clients: RefCell::default(),
            open: Cell::new(0),
        });
        let tasks = LocalSet::new();
        tasks.block_on(&runtime, async {
            for listener in listeners {
                match TcpListener::from_std(listener) {
                    Ok(listener) => drop(tokio::task::spawn_local(accept(
                        listener,
                        Rc::clone(&shared),
                    ))),
                    Err(error) => tracing::error!(%error, "DNS over TCP is not served"),
                }
            }
            let log_ticks = tokio::task::spawn_local(tick(Rc::clone(&shared)));
            let _ = stopped.await;
            log_ticks.abort();
        });
    }
}

/// What the connections of the thread share.
struct Shared {
    answering: RefCell<Answering>,
    /// Where a response is written before its length is known.
    scratch: RefCell<Box<[u8]>>,
    world: Arc<ArcSwap<World>>,
    limits: TcpLimits,
    /// How many connections each client has; those with none are not in it.
    clients: RefCell<HashMap<IpAddr, usize>>,
    open: Cell<usize>,
}

/// A connection's place among those that are allowed.
struct Place {
    shared: Rc<Shared>,
    client: IpAddr,
}

impl Place {
    fn take(shared: &Rc<Shared>, client: IpAddr) -> Option<Place> {
        let client = match client {
            IpAddr::V4(_) => client,
            IpAddr::V6(client) => Ipv6Addr::from(client.to_bits() >> 64 << 64).into(),
        };
        if shared.open.get() >= shared.limits.connections_max {
            return None;
        }
        let mut clients = shared.clients.borrow_mut();
        let connections = clients.entry(client).or_default();
        // The entry of a client that is refused has connections, as the limit is not zero.
        if *connections >= shared.limits.connections_per_client_max.max(1) {
            return None;
        }
        *connections += 1;
        shared.open.set(shared.open.get() + 1);
        let shared = Rc::clone(shared);
        Some(Place { shared, client })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut clients = self.shared.clients.borrow_mut();
        if let Some(connections) = clients.get_mut(&self.client) {
            *connections -= 1;
            if *connections == 0 {
                clients.remove(&self.client);
            }
        }
        self.shared.open.set(self.shared.open.get() - 1);
        let answering = self.shared.answering.borrow();
        answering.counters.connections_closed.increment();
    }
}

async fn accept(listener: TcpListener, shared: Rc<Shared>) {
    loop {
        let (stream, source) = match listener.accept().await {
            Ok(accepted) => accepted,
            // The client is gone already, or descriptors ran out.
            Err(_) => {
                sleep(Duration::from_millis(ERROR_PAUSE_MS)).await;
                continue;
            }
        };
        let place = Place::take(&shared, source.ip());
        let answering = shared.answering.borrow();
        let Some(place) = place else {
            answering.counters.connections_refused.increment();
            continue;
        };
        answering.counters.connections_accepted.increment();
        tokio::task::spawn_local(async move {
            let connection = Connection {
                shared: &place.shared,
                stream,
                source,
                input: Vec::new(),
                output: Vec::new(),
            };
            // It ended as connections do: left, silent for too long, too slow, or done.
            let _ = connection.serve().await;
        });
    }
}

/// Lines that few queries left behind go to the log's writer.
async fn tick(shared: Rc<Shared>) {
    loop {
        sleep(Duration::from_millis(super::limits::STOP_CHECK_MS)).await;
        if let Some(log) = &mut shared.answering.borrow_mut().log {
            log.tick(now_ms());
        }
    }
}

struct Connection<'s> {
    shared: &'s Rc<Shared>,
    stream: TcpStream,
    source: SocketAddr,
    /// What was read and not answered yet.
    input: Vec<u8>,
    /// What was answered and not written yet.
    output: Vec<u8>,
}

impl Connection<'_> {
    async fn serve(mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        let idle = Duration::from_secs(self.shared.limits.idle_secs);
        let mut queries = 0;
        loop {
            let mut answered = 0;
            while let Some(query) = message(&self.input[answered..]) {
                let range = answered + 2..answered + 2 + query.len();
                answered = range.end;
                self.answer(range).await?;
                queries += 1;
                if queries >= self.shared.limits.queries_per_connection_max {
                    self.write().await?;
                    return self.stream.shutdown().await;
                }
            }
            self.write().await?;
            self.input.drain(..answered);
            if self.input.is_empty() {
                self.input.shrink_to(TCP_BUFFER_BYTES_KEPT);
            }
            let deadline = Instant::now() + idle;
            while message(&self.input).is_none() {
                self.input.reserve(TCP_READ_BYTES);
                let read = timeout_at(deadline, self.stream.read_buf(&mut self.input));
                if read.await?? == 0 {
                    return Ok(());
                }
            }
        }
    }

    /// Answers the query that lies there in the input.
    async fn answer(&mut self, query: std::ops::Range<usize>) -> io::Result<()> {
        if self.output.len() >= TCP_PENDING_BYTES {
            self.write().await?;
        }
        let asker = Asker {
            source: self.source,
            transport: Transport::Tcp,
            now_ms: now_ms(),
        };
        let shared = self.shared;
        let world = shared.world.load_full();
        let query = &self.input[query];
        let messages = {
            let scratch = &mut shared.scratch.borrow_mut()[..];
            let mut answering = shared.answering.borrow_mut();
            match answering.answer(&world, query, &asker, scratch) {
                Outcome::Silent => return Ok(()),
                Outcome::Answer { bytes, .. } => {
                    return append(&mut self.output, &scratch[..bytes]);
                }
                Outcome::Transfer {
                    zone,
                    is_incremental,
                } => match &answering.transfers {
                    Some(transfers) => transfers.begin(zone, query, &asker, is_incremental),
                    None => {
                        let length = refuse(query, scratch);
                        return append(&mut self.output, &scratch[..length]);
                    }
                },
            }
        };
        for message in messages {
            append(&mut self.output, &message)?;
            if self.output.len() >= TCP_PENDING_BYTES {
                self.write().await?;
            }
        }
        Ok(())
    }

    /// Writes what is answered. A client that takes it too slowly is left.
    async fn write(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        let limit = Duration::from_secs(self.shared.limits.write_secs);
        timeout(limit, self.stream.write_all(&self.output)).await??;
        self.output.clear();
        self.output.shrink_to(TCP_BUFFER_BYTES_KEPT);
        Ok(())
    }
}

/// The message at the start of what was read, if all of it is there.
fn message(input: &[u8]) -> Option<&[u8]> {
    let (length, rest) = input.split_first_chunk()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}

fn append(output: &mut Vec<u8>, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len())
        .map_err(|_| io::Error::other("a message of DNS has at most 65,535 bytes"))?;
    output.extend_from_slice(&length.to_be_bytes());
    output.extend_from_slice(message);
    Ok(())
}

const _: () = assert!(MESSAGE_BYTES_MAX == u16::MAX as usize);
