//! The sockets: threads that receive queries, answer them out of the current [`World`], and send.
//!
//! Each address has as many UDP threads as there are workers, each with a socket of its own
//! ([`udp`], on the batches of [`mmsg`]), and all addresses together one thread for TCP ([`tcp`]).
//! A thread shares nothing with others but the world, which it reads without a lock.
//!
//! Read [`ServerConfig`] and [`Server::start`] first.

mod answering;
mod counters;
pub mod limits;
pub mod mmsg;
mod tcp;
mod udp;

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::answer::Responder;
use crate::query_log::QueryLog;
use crate::rrl::{Limiter, RateLimit};
use crate::world::World;
use answering::Answering;
use counters::Counters;
pub use counters::Metrics;
pub(crate) use counters::rcode_name;
use limits::BIND_ATTEMPTS_MAX;
use mmsg::BatchSocket;
pub use tcp::{TcpLimits, Transfers};

/// How a server runs.
#[derive(Clone)]
pub struct ServerConfig {
    /// Where it listens, each by UDP and by TCP. Port 0 takes one that both have free.
    pub addresses: Vec<SocketAddr>,
    /// UDP threads for each address; at least one.
    pub workers: usize,
    /// What an unproven address is sent.
    pub rate_limit: RateLimit,
    /// What a connection may take.
    pub tcp: TcpLimits,
    /// Where queries are logged, if anywhere.
    pub query_log: Option<Arc<QueryLog>>,
    /// Who makes the messages of zone transfers; without, transfers are refused.
    pub transfers: Option<Arc<dyn Transfers>>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            addresses: Vec::new(),
            workers: 1,
            rate_limit: RateLimit::default(),
            tcp: TcpLimits::default(),
            query_log: None,
            transfers: None,
        }
    }
}

/// Why a server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("DNS cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A thread cannot be made.
    #[error("a thread for DNS cannot be started: {0}")]
    Thread(io::Error),
}

/// A running server. It stops when it is dropped.
pub struct Server {
    addresses: Vec<SocketAddr>,
    metrics: Arc<Metrics>,
    stop: Arc<AtomicBool>,
    sockets: Vec<BatchSocket>,
    stop_tcp: Option<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Binds all sockets, then starts the threads. What they answer is the `world` of the moment.
    pub fn start(config: ServerConfig, world: Arc<ArcSwap<World>>) -> Result<Server, StartError> {
        let mut listeners = Vec::new();
        let mut sockets = Vec::new();
        let mut addresses = Vec::new();
        for &address in &config.addresses {
            let bound = bind(address, config.workers.max(1));
            let (listener, batch) =
                bound.map_err(|source| StartError::Listen { address, source })?;
            let local = listener.local_addr();
            addresses.push(local.map_err(|source| StartError::Listen { address, source })?);
            listeners.push(listener);
            sockets.extend(batch);
        }
        let counters: Vec<Arc<Counters>> = (0..=sockets.len()).map(|_| Arc::default()).collect();
        let (stop_tcp, stopped) = oneshot::channel();
        let mut server = Server {
            addresses,
            metrics: Arc::new(Metrics::new(counters.clone())),
            stop: Arc::default(),
            sockets: Vec::new(),
            stop_tcp: Some(stop_tcp),
            threads: Vec::new(),
        };
        // From here on a failure drops `server`, which stops what was started.
        let mut counters = counters.into_iter();
        let mut answering = || Answering {
            responder: Responder::new(random()),
            counters: counters.next().expect("one for each thread"),
            log: config.query_log.as_ref().map(|log| log.handle()),
            transfers: config.transfers.clone(),
        };
        let tcp = tcp::TcpThread {
            answering: answering(),
            world: world.clone(),
            limits: config.tcp,
        };
        server.spawn("dns-tcp", move || tcp.run(listeners, stopped))?;
        for socket in sockets {
            let held = socket.try_clone().map_err(StartError::Thread)?;
            server.sockets.push(held);
            let udp = udp::UdpThread {
                answering: answering(),
                limiter: Limiter::new(config.rate_limit, random_key()),
                world: world.clone(),
                stop: server.stop.clone(),
                socket,
            };
            server.spawn("dns-udp", move || udp.run())?;
        }
        Ok(server)
    }

    /// Where it listens, in the order of the configuration, with the ports that were free.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What was counted so far, and goes on being counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(run).map_err(StartError::Thread)?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        drop(self.stop_tcp.take());
        for socket in &self.sockets {
            socket.shut_down();
        }
        for thread in self.threads.drain(..) {
            // What a panicking thread had to say, it said.
            let _ = thread.join();
        }
    }
}

/// A TCP listener and the UDP sockets of one address.
fn bind(
    address: SocketAddr,
    workers: usize,
) -> io::Result<(std::net::TcpListener, Vec<BatchSocket>)> {
    let mut attempt = 1;
    loop {
        let listener = tcp::listen(address)?;
        let local = listener.local_addr()?;
        // Without this, two servers would share the queries of one address, unknowing.
        let sockets = std::net::UdpSocket::bind(local).and_then(|probe| {
            drop(probe);
            (0..workers).map(|_| BatchSocket::bind(local)).collect()
        });
        match sockets {
            Ok(sockets) => return Ok((listener, sockets)),
            // A port that is free for TCP may be taken for UDP; another may not.
            Err(_) if address.port() == 0 && attempt < BIND_ATTEMPTS_MAX => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// Nothing that others could guess; each `RandomState` has a key of its own from the system.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

fn random_key() -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&random().to_ne_bytes());
    key[8..].copy_from_slice(&random().to_ne_bytes());
    key
}
