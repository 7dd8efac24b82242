//! The name server of this node, and what health checks say to all of it.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use dns::cookie::CookieSecret;
use dns::query_log::QueryLog;
use dns::rrl::RateLimit;
use dns::server::{Server, ServerConfig, StartError, Transfers};
use dns::transfer::TransferKeys;
use dns::{FollowConfig, Follower, Following, View, World};
use documents::{Node, Role};
use health::Board;
use parking_lot::Mutex;
use store::Store;

use crate::settings::{SettingError, Settings};

/// A running name server. Dropped, it stops.
pub struct NameServer {
    server: Server,
    world: Arc<ArcSwap<World>>,
    _following: Following,
}

impl NameServer {
    /// Starts to answer out of the copy on disk, and follows the store.
    pub fn start(
        settings: &Settings,
        store: Arc<dyn Store>,
        node: Node,
        geo: Option<Arc<geo::Geo>>,
        board: Arc<Mutex<Board>>,
    ) -> Result<NameServer, SettingError> {
        let query_log = match &settings.query_logs {
            Some(directory) => {
                let log = QueryLog::start(directory.clone(), &settings.pop);
                let log = log.map_err(|error| {
                    let allowed = format!("a directory that can be written: {error}");
                    settings.error("query_logs", directory.display(), allowed)
                })?;
                Some(Arc::new(log))
            }
            None => None,
        };
        let path = settings.data.join("replica-dns");
        let follower = Follower::open(FollowConfig {
            copy: path.clone(),
            settings: dns::Settings {
                server_id: Some(settings.pop.as_bytes().into()),
                cookie_secrets: vec![CookieSecret::new(random())],
                ..dns::Settings::default()
            },
            views: settings.vpcs.iter().map(view).collect(),
            domain: settings.domain.clone(),
            geo,
            board,
            query_log: query_log.clone(),
        });
        let follower = follower.map_err(|error| {
            let allowed = format!("a directory whose {} can be read: {error}", path.display());
            settings.error("data", settings.data.display(), allowed)
        })?;
        let world = Arc::clone(follower.world());
        let config = ServerConfig {
            addresses: settings.dns.clone(),
            workers: settings.workers,
            rate_limit: RateLimit {
                responses_per_sec: settings.dns_rate_limit,
                ..RateLimit::default()
            },
            query_log,
            transfers: transfers(settings)?,
            ..ServerConfig::default()
        };
        let server = Server::start(config, Arc::clone(&world));
        let server = server.map_err(|error| match error {
            StartError::Listen { address, source } => {
                let allowed =
                    format!("an address of this machine that nobody else listens on: {source}");
                settings.error("dns", address, allowed)
            }
            StartError::Thread(error) => {
                settings.error("workers", settings.workers, error.to_string())
            }
        })?;
        let node = Node {
            id: format!("{}-dns", node.id),
            roles: vec![Role::Dns],
            http: Vec::new(),
            ..node
        };
        let following = follower.start(store, node);
        let following = following.map_err(|error: io::Error| {
            settings.error("data", settings.data.display(), error.to_string())
        })?;
        Ok(NameServer {
            server,
            world,
            _following: following,
        })
    }

    /// Where it answers.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.server.addresses()
    }

    /// What it answers with at this moment, and later.
    pub fn world(&self) -> Arc<ArcSwap<World>> {
        Arc::clone(&self.world)
    }

    /// What is counted.
    pub fn metrics(&self) -> Arc<dns::server::Metrics> {
        Arc::clone(self.server.metrics())
    }
}

/// Who may have zones as a whole, if anybody.
fn transfers(settings: &Settings) -> Result<Option<Arc<dyn Transfers>>, SettingError> {
    let pairs = settings.transfer_keys.iter();
    let pairs = pairs.map(|(name, key)| (name.as_str(), key.as_str()));
    let keys = TransferKeys::parse(pairs).map_err(|error| {
        let names: Vec<&str> = settings
            .transfer_keys
            .iter()
            .map(|(name, _)| &**name)
            .collect();
        settings.error("transfer_keys", names.join(","), error.to_string())
    })?;
    let is_anybody = !keys.is_empty();
    Ok(is_anybody.then(|| Arc::new(keys) as Arc<dyn Transfers>))
}

fn view(vpc: &crate::settings::Vpc) -> View {
    View {
        vpc: vpc.id.as_str().into(),
        region: vpc.region.as_deref().map(Arc::from),
        networks: vpc.networks.clone(),
    }
}

/// Nothing that others could guess; each `RandomState` has a key of its own from the system.
fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    for half in bytes.chunks_mut(8) {
        half.copy_from_slice(&RandomState::new().hash_one(0).to_ne_bytes());
    }
    bytes
}

/// The address that endpoints see of this node, as far as it knows: the first that it serves on.
pub fn checker_address(settings: &Settings) -> String {
    let serves = settings
        .http
        .iter()
        .chain(&settings.dns)
        .map(SocketAddr::ip);
    let mut known = serves.filter(|ip: &IpAddr| !ip.is_unspecified());
    known
        .next()
        .map_or("127.0.0.1".to_owned(), |ip| ip.to_string())
}
