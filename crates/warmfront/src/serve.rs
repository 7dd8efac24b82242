//! `warmfront serve`: assembly, the first words, and what happens until the end.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, PoisonError};
use std::{fs, io};

use control::{Control, ControlConfig, Objects};
use documents::acm::{AUTHORITY, Authority};
use documents::{Node, Role};
use edge::{Edge, EdgeConfig, Follower, Following, StartError};
use health::{Board, Runner, RunnerConfig};
use parking_lot::Mutex;
use secrets::Secrets;
use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::MissedTickBehavior;

use crate::api::{self, Api, EdgeSlot, now_ms};
use crate::buckets::{self, Announcer, OwnObjects};
use crate::demo::{self, Demo};
use crate::distributions::Document;
use crate::limits;
use crate::name_server::{self, NameServer};
use crate::node::{Compiler, Local};
use crate::reload::Watch;
use crate::settings::{SettingError, Settings, Sources, StorePlace, print_size};
use crate::sites::{self, Sites, SitesError};
use crate::store;
use crate::upkeep;

/// Why serving does not start.
#[derive(Debug, Error)]
pub enum ServeError {
    /// A setting is wrong.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// What is to be served is wrong.
    #[error(transparent)]
    Sites(#[from] SitesError),
    /// The edge does not start.
    #[error("{settings}{error}")]
    Edge {
        /// Settings to look at, where one of them is to blame.
        settings: String,
        /// What it says.
        error: StartError,
    },
    /// The node's own copy of its store cannot be read.
    #[error("{}: {error}", .path.display())]
    Copy {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The system refuses something.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

/// Serves until a signal says otherwise.
pub fn serve(sources: &Sources) -> Result<ExitCode, ServeError> {
    let settings = sources.read()?;
    crate::log::start(settings.log);
    // Each connection is a file; Debian's usual 1,024 would be the first bound that viewers meet.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(system("a runtime does not start"))?;
    runtime.block_on(run(sources, settings))
}

fn system(what: &'static str) -> impl Fn(io::Error) -> ServeError {
    move |error| ServeError::System { what, error }
}

async fn run(sources: &Sources, settings: Settings) -> Result<ExitCode, ServeError> {
    // Before anything is said: who reads the first words may send a signal at once.
    let mut signals = Signals::new().map_err(system("signals cannot be received"))?;
    let mut watch = Watch::new(&settings);
    let mut demo = None;
    let Sites { sites, documents } = sites::compile(&settings, &mut demo)?;
    let api = TcpListener::bind(settings.api)
        .map_err(|error| settings.error("api", settings.api, free_address(&error)))?;
    if let Some(logs) = &settings.access_logs {
        fs::create_dir_all(logs).map_err(|error| {
            let allowed = format!("a directory that can be written, or \"off\": {error}");
            settings.error("access_logs", logs.display(), allowed)
        })?;
    }
    fs::create_dir_all(&settings.data).map_err(|error| {
        let allowed = format!("a directory that can be written: {error}");
        settings.error("data", settings.data.display(), allowed)
    })?;
    let secrets = installation_key(&settings)?;
    let store = store::open(&settings)?;
    let is_new = first_key(&settings, &store).await?;
    tell_of_other_key(&settings, &*store, &secrets).await;
    let name = node_name(&settings)?;
    let geo = load_geo(&settings)?;
    let mut addresses = Vec::new();
    let mut https = Vec::new();
    let edge: EdgeSlot = Arc::default();
    let mut others = Others::default();
    let served: Vec<String> = sites.iter().map(|site| site.id.clone()).collect();
    let board = Arc::new(Mutex::new(Board::new()));
    if settings.is_edge() {
        let edge_config = edge_config(&settings, &name, &geo, &secrets);
        let (started, follower, is_served) = start_edge(&settings, edge_config, sites, &mut demo)?;
        addresses = started.addresses();
        https = started.https_addresses();
        let node = node(&settings, &name, &addresses);
        let updates = started.updates().clone();
        let followed = follower.start(is_served, updates, Arc::clone(&store), node);
        others.following = Some(followed.map_err(system("the store cannot be followed"))?);
        *edge.write().unwrap_or_else(PoisonError::into_inner) = Some(started);
    }
    // First, so that answers know of health from their start.
    others.check_health(&settings, &name, &store, &board, &edge)?;
    if settings.is_dns() {
        let node = node(&settings, &name, &[]);
        let server = NameServer::start(&settings, Arc::clone(&store), node, geo, board)?;
        others.name_server = Some(server);
    }
    let disk = match settings.is_control() {
        true => Some(buckets::open(&settings)?),
        false => None,
    };
    let own_objects = disk.clone().map(OwnObjects);
    let config = ControlConfig {
        account_id: settings.account_id.clone(),
        domain: settings.domain.clone(),
        allow_private_health_checks: true,
        is_control: settings.is_control(),
        secrets: Arc::clone(&secrets),
        acme: acme_server(&settings)?,
        validate_certificates: settings.tls.validate_certificates,
        buckets: own_objects.map(|objects| Arc::new(objects) as Arc<dyn Objects>),
    };
    let local = Arc::new(Local {
        edge: Arc::clone(&edge),
        world: others.name_server.as_ref().map(NameServer::world),
    });
    let control = Arc::new(Control::new(
        Arc::clone(&store),
        config,
        Arc::new(Compiler),
        local,
    ));
    if settings.is_control() {
        tokio::spawn(upkeep::keep_up(Arc::clone(&control)));
        tokio::spawn(upkeep::keep_certificates(Arc::clone(&control)));
        tokio::spawn(upkeep::put_pops(Arc::clone(&store), settings.pops.clone()));
    }
    let address = api.local_addr().map_err(system("the API has no address"))?;
    let buckets = disk.map(|disk| {
        let announcer = Arc::new(Announcer {
            store,
            node: name,
            endpoint: settings.buckets.endpoint(address),
        });
        tokio::spawn(buckets::keep_up(disk.clone(), Arc::clone(&announcer)));
        let control = Arc::clone(&control);
        buckets::serve(&settings, disk, control, secrets, announcer)
    });
    let answering = Api {
        edge: settings.is_edge().then(|| Arc::clone(&edge)),
        name_server: others.name_server.as_ref().map(NameServer::metrics),
        control,
        buckets,
    };
    let api = api::start(api, Arc::new(answering)).map_err(system("the API does not start"))?;
    let dns = others.name_server.as_ref().map(NameServer::addresses);
    let dns = dns.unwrap_or_default();
    crate::print(&first_words(
        &settings, &documents, &addresses, &https, dns, api, is_new,
    ));

    let mut serving = Serving {
        sources,
        settings,
        demo,
        edge,
        served,
        others,
    };
    serving.until_stopped(&mut signals, &mut watch).await;
    Ok(serving.stop(&mut signals).await)
}

/// The installation's key; the first node makes it.
fn installation_key(settings: &Settings) -> Result<Arc<Secrets>, SettingError> {
    let path = &settings.tls.secrets;
    let read = Secrets::read_or_make(path);
    let (secrets, is_new) = read.map_err(|error| {
        let allowed = format!("a file with the installation's key, or a place for it: {error}");
        settings.error("secrets", path.display(), allowed)
    })?;
    if is_new && settings.store != StorePlace::Embedded {
        tracing::warn!(
            file = %path.display(),
            "a key of the installation was made; nodes that share a store must share it too"
        );
    }
    Ok(Arc::new(secrets))
}

/// Says at the start what else is seen in handshakes that fail: a node with another key than the
/// installation's opens nothing that the others sealed. It serves what needs no key all the same.
async fn tell_of_other_key(settings: &Settings, store: &dyn ::store::Store, secrets: &Secrets) {
    let read = tokio::time::timeout(store::PATIENCE, store.get(AUTHORITY)).await;
    let Ok(Ok(Some(document))) = read else {
        return;
    };
    let Ok(authority) = documents::decode::<Authority>(AUTHORITY, &document.value) else {
        return;
    };
    if let Err(error) = secrets.open(AUTHORITY, &authority.sealed_key) {
        let file = settings.tls.secrets.display();
        tracing::error!(
            %file, %error,
            "this is not the installation's key: HTTPS is not served until the file is the same \
             as on the other nodes"
        );
    }
}

/// The ACME server that issues certificates, if there is one.
fn acme_server(settings: &Settings) -> Result<Option<acme::Server>, SettingError> {
    let tls = &settings.tls;
    let Some(directory_url) = tls.acme.clone() else {
        return Ok(None);
    };
    let read = tls.acme_root.as_ref().map(|path| {
        let bytes = fs::read(path).map_err(|error| error.to_string());
        let certificates = bytes.and_then(|bytes| {
            let read = certificates::chain::read(&bytes).map_err(|error| error.to_string())?;
            match read.is_empty() {
                true => Err("there is none in it".to_owned()),
                false => Ok(bytes),
            }
        });
        certificates.map_err(|error| {
            let allowed = format!("a file of certificates in PEM form: {error}");
            settings.error("acme_root", path.display(), allowed)
        })
    });
    Ok(Some(acme::Server {
        directory_url,
        root_pem: read.transpose()?,
        contact: tls.acme_contact.clone(),
        eab: tls.acme_key.clone(),
    }))
}

/// Makes the root key at the first start. A store that is away is not waited for: the key is made
/// when it is there.
async fn first_key(
    settings: &Settings,
    store: &Arc<dyn ::store::Store>,
) -> Result<bool, ServeError> {
    if !settings.is_control() {
        return Ok(false);
    }
    let (store, data) = (Arc::clone(store), settings.data.clone());
    let made = tokio::spawn(async move { store::ensure_root_key(&*store, &data, now_ms()).await });
    match tokio::time::timeout(store::PATIENCE, made).await {
        Ok(Ok(made)) => made.map_err(system("the root access key cannot be written")),
        Ok(Err(_)) | Err(_) => Ok(false),
    }
}

/// Starts the edge with what files say and with what was served last out of the store. If those
/// two want the same name, the files' sites come first: then the last value is false.
fn start_edge(
    settings: &Settings,
    config: EdgeConfig,
    mut sites: Vec<edge::site::Site>,
    demo: &mut Option<Demo>,
) -> Result<(Edge, Follower, bool), ServeError> {
    let path = settings.data.join("replica");
    let follower = Follower::open(&path);
    let mut follower = follower.map_err(|error| ServeError::Copy { path, error })?;
    sites.extend(follower.sites());
    match Edge::start(config.clone(), sites) {
        Ok(edge) => Ok((edge, follower, true)),
        Err(StartError::Sites(error)) => {
            tracing::error!(%error, "what the store says is served without the one at fault");
            let sites = sites::compile(settings, demo)?.sites;
            let edge = Edge::start(config, sites);
            let edge = edge.map_err(|error| start_error(settings, error))?;
            Ok((edge, follower, false))
        }
        Err(error) => Err(start_error(settings, error)),
    }
}

/// What this node says of itself.
fn node(settings: &Settings, name: &str, addresses: &[SocketAddr]) -> Node {
    let mut roles = vec![Role::Edge];
    if settings.is_control() {
        roles.push(Role::Control);
    }
    Node {
        id: name.to_owned(),
        roles,
        pop: settings.pop.clone(),
        region: settings.region.clone(),
        http: addresses.iter().map(SocketAddr::to_string).collect(),
        started_ms: now_ms(),
        applied: 0,
        refused: Default::default(),
    }
}

fn free_address(error: &io::Error) -> String {
    format!("an address of this machine that nobody else listens on: {error}")
}

fn start_error(settings: &Settings, error: StartError) -> ServeError {
    let name = match error {
        StartError::Listen { address, .. } if settings.tls.https.contains(&address) => "https",
        StartError::Listen { .. } => "http",
        StartError::Worker { .. } => "workers",
        StartError::AccessLog(_) => "access_logs",
        StartError::CaBundle(_) => "origin_ca",
        // The system is to blame, or the message names what is.
        _ => "",
    };
    let settings = match name {
        "" => String::new(),
        name => format!("{name} ({}): ", settings.source(name)),
    };
    ServeError::Edge { settings, error }
}

fn load_geo(settings: &Settings) -> Result<Option<Arc<geo::Geo>>, SettingError> {
    let Some(file) = &settings.geo else {
        return Ok(None);
    };
    let loaded = geo::Geo::load(file);
    let loaded = loaded.map_err(|error| {
        let allowed = format!("a MaxMind database: {error}");
        settings.error("geo", file.display(), allowed)
    })?;
    Ok(Some(Arc::new(loaded)))
}

fn edge_config(
    settings: &Settings,
    name: &str,
    geo: &Option<Arc<geo::Geo>>,
    secrets: &Arc<Secrets>,
) -> EdgeConfig {
    EdgeConfig {
        http: settings.http.clone(),
        https: settings.tls.https.clone(),
        http3: settings.tls.http3,
        secrets: Arc::clone(secrets),
        unknown_names: settings.tls.unknown_names,
        workers: settings.workers,
        cache_bytes: settings.cache_bytes,
        pop: settings.pop.clone(),
        node: name.to_owned(),
        access_logs: settings.access_logs.clone(),
        geo: geo.clone(),
        connections_per_client: settings.connections_per_client,
        origin_ca_bundle: settings.origin_ca.clone(),
        origin_keys: settings.origin_keys.clone(),
        clock: edge::Clock::system(),
        timeouts: edge::Timeouts::default(),
    }
}

/// 32 hexadecimal digits, made at the first start and kept in the data directory. They tell this
/// node from others, in `Via` and in the store; nothing is to be read out of them.
fn node_name(settings: &Settings) -> Result<String, ServeError> {
    let path = settings.data.join("node");
    let is_name = |name: &str| name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit());
    let kept = fs::read_to_string(&path).ok();
    if let Some(name) = kept
        .map(|name| name.trim().to_owned())
        .filter(|name| is_name(name))
    {
        return Ok(name);
    }
    let mut bytes = [0; 16];
    let random = fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    random.map_err(system("there are no random numbers"))?;
    let name = format!("{:032x}", u128::from_le_bytes(bytes));
    fs::write(&path, format!("{name}\n")).map_err(system("the node's name cannot be kept"))?;
    Ok(name)
}

/// What is said on standard output at the start.
fn first_words(
    settings: &Settings,
    documents: &[Document],
    addresses: &[SocketAddr],
    https: &[SocketAddr],
    dns: &[SocketAddr],
    api: SocketAddr,
    is_new: bool,
) -> String {
    let mut words = format!("Warmfront {}\n", env!("CARGO_PKG_VERSION"));
    let mut line = |name: &str, value: &str| words.push_str(&format!("  {name:<9}{value}\n"));
    for address in addresses {
        line("serving", &format!("http://{}", reachable(*address)));
    }
    for address in https {
        line("serving", &format!("https://{}", reachable(*address)));
    }
    for document in documents {
        let items = document
            .config
            .aliases
            .as_ref()
            .and_then(|aliases| aliases.items.as_ref());
        let aliases = items.into_iter().flatten().chain(&document.local_name);
        let names: Vec<&str> = std::iter::once(&document.domain)
            .chain(aliases)
            .map(String::as_str)
            .collect();
        let text = format!(
            "{} for {} ({})",
            document.id,
            document.source,
            names.join(", ")
        );
        line("site", &text);
    }
    if settings.is_edge() {
        let size = print_size(settings.cache_bytes);
        line("cache", &format!("{size} of memory"));
        let logs = settings.access_logs.as_ref();
        line(
            "logs",
            &logs.map_or("off".to_owned(), |logs| logs.display().to_string()),
        );
    }
    for address in dns {
        line("dns", &reachable(*address).to_string());
    }
    line("metrics", &format!("http://{}/metrics", reachable(api)));
    line("api", &format!("http://{}", reachable(api)));
    if settings.is_control() {
        let file = store::credentials_file(&settings.data);
        let made = match is_new {
            true => ", made just now; eval \"$(warmfront keys export)\" hands it to AWS's clients",
            false => "",
        };
        line("key", &format!("{}{made}", file.display()));
    }
    if settings.wants_demo() {
        let port = addresses.first().map_or(0, SocketAddr::port);
        words.push_str(&demo::commands_to_try(port));
    }
    words
}

/// Where this machine finds a listener that is bound to every address.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The signals that mean something.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A running server, as its main thread has it.
struct Serving<'a> {
    sources: &'a Sources,
    settings: Settings,
    demo: Option<Demo>,
    edge: EdgeSlot,
    /// Ids of the sites that files say.
    served: Vec<String>,
    others: Others,
}

/// What runs beside the edge; it stops when it is dropped.
#[derive(Default)]
struct Others {
    following: Option<Following>,
    name_server: Option<NameServer>,
    health: Option<health::Following>,
    runner: Option<health::Runner>,
}

impl Others {
    /// Checks endpoints, if that is a role of this node, and keeps those informed who ask.
    fn check_health(
        &mut self,
        settings: &Settings,
        name: &str,
        store: &Arc<dyn ::store::Store>,
        board: &Arc<Mutex<Board>>,
        edge: &EdgeSlot,
    ) -> Result<(), ServeError> {
        let edge = Arc::clone(edge);
        let on_change = move |board: &Board| {
            let edge = edge.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(edge) = edge.as_ref() {
                edge.updates().set_origin_health(board);
            }
        };
        let followed = health::follow(Arc::clone(store), Arc::clone(board), on_change);
        self.health = Some(followed.map_err(system("the store cannot be followed"))?);
        if !settings.is_health() {
            return Ok(());
        }
        let region = settings.region.as_deref().unwrap_or("us-east-1");
        let address = name_server::checker_address(settings);
        let mut config = RunnerConfig::new(&format!("{name}-health"), region, &address);
        config.pop.clone_from(&settings.pop);
        let runner = Runner::start(Arc::clone(store), config);
        self.runner = Some(runner.map_err(system("health checks do not start"))?);
        Ok(())
    }
}

impl Serving<'_> {
    /// Takes up changes until a signal ends it.
    async fn until_stopped(&mut self, signals: &mut Signals, watch: &mut Watch) {
        let mut looks = tokio::time::interval(limits::WATCH_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_due = tokio::select! {
                _ = signals.terminate.recv() => return,
                _ = signals.interrupt.recv() => return,
                _ = signals.hangup.recv() => true,
                _ = looks.tick() => watch.look(&self.settings),
            };
            if is_due {
                self.reload(watch);
            }
        }
    }

    /// Compiles everything again. Unless all of it is right, what is served stays as it is.
    fn reload(&mut self, watch: &mut Watch) {
        watch.take_up(&self.settings);
        let settings = match self.sources.read() {
            Ok(settings) => settings,
            Err(error) => return tracing::error!(%error, "not reloaded; the old sites serve on"),
        };
        // Files may be named now that were not before.
        watch.take_up(&settings);
        for change in self.settings.waiting_for_restart(&settings) {
            tracing::warn!("{change} waits for a restart");
        }
        let compiled = sites::compile(&settings, &mut self.demo);
        self.settings = settings;
        let sites = match compiled {
            Ok(compiled) => compiled.sites,
            Err(SitesError::Distributions(problems)) => {
                for problem in problems.0 {
                    tracing::error!("not reloaded; the old sites serve on: {problem}");
                }
                return;
            }
            Err(error) => return tracing::error!("not reloaded; the old sites serve on: {error}"),
        };
        let ids: Vec<String> = sites.iter().map(|site| site.id.clone()).collect();
        let edge = self.edge.read().unwrap_or_else(PoisonError::into_inner);
        let Some(edge) = edge.as_ref() else { return };
        match edge.updates().update(&self.served, sites) {
            Ok(()) => {
                tracing::info!(sites = ids.len(), "reloaded");
                self.served = ids;
            }
            Err(error) => tracing::error!("not reloaded; the old sites serve on: {error}"),
        }
    }

    /// Lets running responses finish, in the edge's bounds; a second signal ends it at once.
    async fn stop(self, signals: &mut Signals) -> ExitCode {
        tracing::info!("stopping; a second signal stops at once");
        let others = self.others;
        let edge = self
            .edge
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let stopping = tokio::task::spawn_blocking(move || {
            drop(others);
            if let Some(edge) = edge {
                edge.stop();
            }
        });
        tokio::select! {
            _ = stopping => ExitCode::SUCCESS,
            () = signals.stop() => {
                tracing::warn!("stopped at once");
                // The runtime would wait for the edge.
                std::process::exit(1)
            }
        }
    }
}
