//! The shell: threads, sockets, starting and stopping.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use cache::flight::FlightTable;
use cache::key::KeyHasher;
use cache::ram::RamStore;
use geo::Geo;
use origin::{Client, ClientConfig, SystemResolver, TlsRoots};
use secrets::Secrets;
use telemetry::access_log::AccessLog;
use telemetry::metrics::{NodeGauges, Registry};
use tls::{Hosts, Tickets};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::clients::Clients;
use crate::directory::Directory;
use crate::explain::{Live, LiveError, Question, live};
use crate::http3::{self, WorkerSocket};
use crate::keyring::Keyring;
use crate::listen::{self, Spoken};
use crate::objects::Objects;
use crate::origin_access::{NodeKeys, OriginKeys};
use crate::signed_access::Grants;
use crate::site::Site;
use crate::stopping::Stopping;
use crate::updates::{UpdateError, Updates};
use crate::worker::{Shared, Uncacheable, Worker};
use crate::{Clock, Timeouts};

/// How an edge runs.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// Where viewers connect by HTTP. Port 0 takes any that is free.
    pub http: Vec<SocketAddr>,
    /// Where viewers connect by TLS, and by QUIC where HTTP/3 is on. Port 0 takes any that is free.
    pub https: Vec<SocketAddr>,
    /// Whether HTTP/3 is spoken at all.
    pub http3: bool,
    /// The key of the installation: private keys are sealed with it.
    pub secrets: Arc<Secrets>,
    /// What viewers get who ask for a name that nobody has.
    pub unknown_names: tls::UnknownName,
    /// Threads that serve.
    pub workers: usize,
    /// Memory of the cache.
    pub cache_bytes: u64,
    /// This place, as `X-Amz-Cf-Pop` tells it.
    pub pop: String,
    /// This node, as `Via` tells it.
    pub node: String,
    /// Where access logs are written; nowhere if not set.
    pub access_logs: Option<PathBuf>,
    /// Where addresses are on earth.
    pub geo: Option<Arc<Geo>>,
    /// Connections of one address at once.
    pub connections_per_client: usize,
    /// Certificate authorities of origins besides Mozilla's, as a PEM file.
    pub origin_ca_bundle: Option<PathBuf>,
    /// Access keys for private origins that are not this installation's.
    pub origin_keys: OriginKeys,
    /// What time it is.
    pub clock: Clock,
    /// How long viewers are waited for.
    pub timeouts: Timeouts,
}

/// Why an edge did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A thread or its runtime cannot be made.
    #[error("cannot start worker {index}: {source}")]
    Worker {
        /// Which worker.
        index: usize,
        /// What the system says.
        source: io::Error,
    },
    /// The thread that looks after the store cannot be made.
    #[error("cannot start the upkeep of the cache: {0}")]
    Upkeep(io::Error),
    /// The access logs cannot be written.
    #[error("access logs: {0}")]
    AccessLog(#[from] telemetry::access_log::StartError),
    /// The file of certificate authorities cannot be used.
    #[error("certificate authorities of origins: {0}")]
    CaBundle(#[from] origin::CaBundleError),
    /// The system's resolver configuration cannot be used.
    #[error("name resolution: {0}")]
    Resolver(String),
    /// There is no source of random numbers.
    #[error("no random numbers: {0}")]
    Random(io::Error),
    /// The sites cannot be served together.
    #[error(transparent)]
    Sites(#[from] UpdateError),
}

/// A running edge.
pub struct Edge {
    shared: Arc<Shared>,
    http: Vec<SocketAddr>,
    https: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    updates: Updates,
}

impl Edge {
    /// Binds the sockets, starts the workers, and serves the sites.
    pub fn start(config: EdgeConfig, sites: Vec<Site>) -> Result<Edge, StartError> {
        let workers = config.workers.max(1);
        let mut sockets: Vec<Sockets> = (0..workers).map(|_| Sockets::default()).collect();
        let (http, https) = bind(&config, &mut sockets)?;
        let tls_roots = match &config.origin_ca_bundle {
            Some(path) => TlsRoots::mozilla_and_file(path)?,
            None => TlsRoots::mozilla(),
        };
        let (shared, keyring) = shared(&config, workers, https.first())?;
        let quic = Hosts::quic_config(Arc::clone(&shared.hosts), keyring.tickets());
        let shared = Arc::new(shared);
        let (stop, stopped) = watch::channel(false);
        // One wish to sweep is as good as many.
        let (upkeep, wishes) = mpsc::sync_channel(1);
        let updates = Updates::new(Arc::clone(&shared), keyring, config.unknown_names, upkeep);
        updates.update(&[], sites)?;
        let mut edge = Edge {
            shared,
            http,
            https,
            stop,
            threads: Vec::new(),
            updates,
        };
        let upkeep = keep_up(Arc::clone(&edge.shared), wishes, stopped.clone())?;
        edge.threads.push(upkeep);
        for (index, sockets) in sockets.into_iter().enumerate() {
            let seed = u64::from_le_bytes(random().map_err(StartError::Random)?);
            let start = WorkerStart {
                shared: Arc::clone(&edge.shared),
                index,
                sockets,
                quic: Arc::clone(&quic),
                stopped: stopped.clone(),
                tls_roots: tls_roots.clone(),
                seed,
            };
            let thread = start
                .spawn()
                .map_err(|source| StartError::Worker { index, source })?;
            edge.threads.push(thread);
        }
        Ok(edge)
    }

    /// Where viewers connect by HTTP.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.http.clone()
    }

    /// Where viewers connect by TLS, and by QUIC.
    pub fn https_addresses(&self) -> Vec<SocketAddr> {
        self.https.clone()
    }

    /// Changes what is served, also while others use the edge.
    pub fn updates(&self) -> &Updates {
        &self.updates
    }

    /// What would become of a request, and what is stored for it.
    pub fn explain(&self, question: &Question) -> Result<Live, LiveError> {
        live::explain(&self.shared, question)
    }

    /// What is counted, in Prometheus' text form.
    pub fn metrics(&self) -> String {
        let shared = &self.shared;
        let usage = shared.store.usage();
        let gauges = NodeGauges {
            open_connections: shared.open.load(Ordering::Relaxed) as u64,
            accepted_connections: shared.accepted.load(Ordering::Relaxed),
            refused_connections: shared.refused.load(Ordering::Relaxed),
            handshakes: shared.handshakes.values(),
            cache_objects: usage.objects,
            cache_size_bytes: usage.bytes,
            cache_capacity_bytes: shared.store.capacity_bytes(),
            cache_evictions: usage.evictions,
            cache_refusals: usage.refused,
            flights_in_progress: shared.flights.count(),
            log: shared
                .log
                .as_ref()
                .map(AccessLog::totals)
                .unwrap_or_default(),
            rejections: Arc::clone(&shared.rejections),
        };
        let mut text = String::new();
        shared.registry.render(&mut text, &gauges);
        text
    }

    /// Stops gracefully: no new connections, running responses finish, WebSockets end, all
    /// within [`Timeouts::stop`].
    pub fn stop(self) {
        let _ = self.stop.send(true);
        self.updates.wake_upkeep();
        for thread in self.threads {
            let _ = thread.join();
        }
        if let Some(log) = &self.shared.log {
            log.shutdown(Duration::from_secs(10));
        }
    }
}

/// Looks after the store once a second, and as soon as there is something to sweep, on a thread
/// that serves nobody.
fn keep_up(
    shared: Arc<Shared>,
    wishes: mpsc::Receiver<()>,
    stopped: watch::Receiver<bool>,
) -> Result<JoinHandle<()>, StartError> {
    let second = Duration::from_secs(1);
    let upkeep = move || {
        while !*stopped.borrow() {
            let _ = wishes.recv_timeout(second);
            shared.store.sweep();
            shared.store.upkeep();
        }
    };
    let thread = std::thread::Builder::new().name("edge-upkeep".into());
    thread.spawn(upkeep).map_err(StartError::Upkeep)
}

fn shared(
    config: &EdgeConfig,
    workers: usize,
    https: Option<&SocketAddr>,
) -> Result<(Shared, Keyring), StartError> {
    let log = config
        .access_logs
        .clone()
        .map(AccessLog::start)
        .transpose()?;
    let common = format!(
        "Via: 1.1 {} (Warmfront)\r\nX-Amz-Cf-Pop: {}\r\n",
        config.node, config.pop
    );
    let tickets = Tickets::new(Arc::clone(&config.secrets));
    let keyring = Keyring::new(Arc::clone(&config.secrets), tickets);
    let alt_svc = match https {
        Some(address) if config.http3 => {
            format!("Alt-Svc: h3=\":{}\"; ma=86400\r\n", address.port())
        }
        _ => String::new(),
    };
    let shared = Shared {
        clock: config.clock.clone(),
        directory: Arc::new(ArcSwap::from_pointee(Directory::default())),
        hosts: Arc::new(ArcSwap::from_pointee(Hosts::default())),
        challenges: Default::default(),
        handshakes: Default::default(),
        client_identities: Default::default(),
        origin_keys: NodeKeys::new(config.origin_keys.clone(), Arc::clone(&config.secrets)),
        store: Objects::new(RamStore::new(
            config.cache_bytes,
            cache::limits::RAM_SHARDS_MAX,
        )),
        hasher: KeyHasher::new(random().map_err(StartError::Random)?),
        grants: Grants::new(random().map_err(StartError::Random)?),
        flights: FlightTable::new(),
        uncacheable: Uncacheable::new(),
        registry: Registry::new(workers),
        rejections: Arc::default(),
        log,
        geo: config.geo.clone(),
        clients: Clients::new(config.connections_per_client),
        origin_health: Default::default(),
        timeouts: config.timeouts,
        latencies: Default::default(),
        accepted: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        open: AtomicUsize::new(0),
        via: config.node.clone(),
        pop: config.pop.clone(),
        common_fields: common.into_bytes(),
        alt_svc_field: alt_svc.into_bytes(),
        https_port: https.map(SocketAddr::port),
    };
    Ok((shared, keyring))
}

/// A worker's own sockets.
#[derive(Default)]
struct Sockets {
    tcp: Vec<(std::net::TcpListener, Spoken)>,
    quic: Vec<WorkerSocket>,
}

/// Binds every address once for each worker; says where plain HTTP and TLS are.
fn bind(
    config: &EdgeConfig,
    sockets: &mut [Sockets],
) -> Result<(Vec<SocketAddr>, Vec<SocketAddr>), StartError> {
    let mut http = Vec::new();
    for address in &config.http {
        let (listeners, address) = bind_tcp(*address, sockets.len())?;
        for (sockets, listener) in sockets.iter_mut().zip(listeners) {
            sockets.tcp.push((listener, Spoken::Plain));
        }
        http.push(address);
    }
    let mut https = Vec::new();
    for address in &config.https {
        let bound = bind_tls(*address, sockets.len(), config.http3)?;
        for (sockets, listener) in sockets.iter_mut().zip(bound.tcp) {
            sockets.tcp.push((listener, Spoken::Tls));
        }
        for (sockets, socket) in sockets.iter_mut().zip(bound.quic) {
            sockets.quic.push(socket);
        }
        https.push(bound.address);
    }
    Ok((http, https))
}

/// Listeners on one address, a worker each, and where that is.
fn bind_tcp(
    mut address: SocketAddr,
    workers: usize,
) -> Result<(Vec<std::net::TcpListener>, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    listen::refuse_taken(address).map_err(failed)?;
    let mut listeners = Vec::new();
    for _ in 0..workers {
        let failed = |source| StartError::Listen { address, source };
        let listener = listen::listen(address).map_err(failed)?;
        // With port 0, the others share the one that the first was given.
        address = listener.local_addr().map_err(failed)?;
        listeners.push(listener);
    }
    Ok((listeners, address))
}

/// What is bound for TLS: TCP, and UDP on the same port.
struct BoundTls {
    address: SocketAddr,
    tcp: Vec<std::net::TcpListener>,
    quic: Vec<WorkerSocket>,
}

fn bind_tls(wanted: SocketAddr, workers: usize, http3: bool) -> Result<BoundTls, StartError> {
    // A port that TCP is given may be another's for UDP: then another one does.
    let mut tries_left = if wanted.port() == 0 { 8 } else { 1 };
    loop {
        tries_left -= 1;
        let (tcp, address) = bind_tcp(wanted, workers)?;
        let quic = match http3 {
            true => http3::listen(address, workers),
            false => Ok(Vec::new()),
        };
        match quic {
            Ok(quic) => return Ok(BoundTls { address, tcp, quic }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries_left > 0 => {}
            Err(source) => return Err(StartError::Listen { address, source }),
        }
    }
}

/// Bytes from the system's generator.
fn random<const N: usize>() -> io::Result<[u8; N]> {
    use std::io::Read as _;
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Everything that a worker's thread needs to begin.
struct WorkerStart {
    shared: Arc<Shared>,
    index: usize,
    sockets: Sockets,
    /// For handshakes over QUIC.
    quic: Arc<rustls::ServerConfig>,
    stopped: watch::Receiver<bool>,
    tls_roots: TlsRoots,
    seed: u64,
}

impl WorkerStart {
    fn spawn(self) -> io::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let name = format!("edge-{}", self.index);
        std::thread::Builder::new().name(name).spawn(move || {
            let local = LocalSet::new();
            local.block_on(&runtime, self.run());
        })
    }

    async fn run(self) {
        let resolver = match SystemResolver::new() {
            Ok(resolver) => resolver,
            Err(error) => {
                tracing::error!(%error, "name resolution cannot be set up; this worker ends");
                return;
            }
        };
        let client = Client::new(ClientConfig {
            resolver: Rc::new(resolver),
            tls_roots: self.tls_roots,
            pool_limits: Default::default(),
        });
        let worker = Rc::new(Worker::new(self.shared, self.index, client, self.seed));
        let stopping = Rc::new(Stopping::default());
        let accepting = self
            .sockets
            .tcp
            .into_iter()
            .filter_map(|(listener, spoken)| {
                let listener = TcpListener::from_std(listener).ok()?;
                let task =
                    listen::accept(Rc::clone(&worker), listener, spoken, Rc::clone(&stopping));
                Some(tokio::task::spawn_local(task))
            });
        let mut accepting: Vec<_> = accepting.collect();
        for socket in self.sockets.quic {
            let (worker, stopping) = (Rc::clone(&worker), Rc::clone(&stopping));
            let task = http3::serve_endpoint(worker, socket, Arc::clone(&self.quic), stopping);
            accepting.push(tokio::task::spawn_local(task));
        }
        let ticking = tokio::task::spawn_local(tick(Rc::clone(&worker)));
        let mut stopped = self.stopped;
        let _ = stopped.wait_for(|is_set| *is_set).await;
        accepting.iter().for_each(tokio::task::JoinHandle::abort);
        stopping.set();
        let timeout = worker.shared.timeouts.stop;
        let _ = tokio::time::timeout(timeout, stopping.all_closed()).await;
        ticking.abort();
        // The handle writes out what it holds when it is dropped.
        worker.log.borrow_mut().take();
    }
}

/// Hands log lines over each second, also when nothing happens: hours end.
async fn tick(worker: Rc<Worker>) {
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    loop {
        interval.tick().await;
        if let Some(log) = worker.log.borrow_mut().as_mut() {
            log.flush(worker.now_ms());
        }
    }
}
