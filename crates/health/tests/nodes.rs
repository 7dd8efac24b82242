//! Nodes that check real endpoints over one store: endpoints come and go, nodes come and go.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no tests to Clippy"
)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use documents::route53::{self, HEALTH_CHECK, HealthCheck, Opinion};
use documents::{Node, Resource, Role, decode, keys};
use health::{Board, Cell, Following, Runner, RunnerConfig, follow};
use parking_lot::Mutex;
use serde_json::{Value, json};
use store::sqlite::Sqlite;
use store::{
    Batch, Document, LeaseId, Outcome, Page, Range, Revision, Store, StoreError, Txn, Watch,
};

/// 10 seconds are 50 milliseconds.
const SCALE: f64 = 0.005;

/// An endpoint that answers 200 while it lives.
struct Endpoint {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    probes: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Endpoint {
    fn start(address: SocketAddr) -> Endpoint {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, probes) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (is_stopped, count) = (Arc::clone(&stop), Arc::clone(&probes));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if is_stopped.load(Ordering::Relaxed) {
                    return;
                }
                let mut stream = stream.unwrap();
                if stream.read(&mut [0; 2_000]).unwrap_or(0) > 0 {
                    count.fetch_add(1, Ordering::Relaxed);
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                }
            }
        });
        Endpoint {
            address,
            stop,
            probes,
            thread: Some(thread),
        }
    }

    fn new() -> Endpoint {
        Endpoint::start(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    fn probes(&self) -> usize {
        self.probes.load(Ordering::Relaxed)
    }

    /// Ends it; gives back where it was.
    fn kill(mut self) -> SocketAddr {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        self.thread.take().unwrap().join().unwrap();
        self.address
    }
}

/// A store that can be away.
struct Moody {
    store: Sqlite,
    is_away: Arc<AtomicBool>,
}

struct MoodyWatch {
    watch: Box<dyn Watch>,
    is_away: Arc<AtomicBool>,
}

#[async_trait]
impl Watch for MoodyWatch {
    async fn next(&mut self) -> Result<Vec<Batch>, StoreError> {
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        loop {
            tokio::select! {
                biased;
                _ = looks.tick() => if self.is_away.load(Ordering::Relaxed) {
                    return Err(StoreError::Unavailable("it went away".to_owned()));
                },
                batches = self.watch.next() => return batches,
            }
        }
    }
}

impl Moody {
    fn here(&self) -> Result<&Sqlite, StoreError> {
        match self.is_away.load(Ordering::Relaxed) {
            true => Err(StoreError::Unavailable("it is away".to_owned())),
            false => Ok(&self.store),
        }
    }
}

#[async_trait]
impl Store for Moody {
    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Document>>, StoreError> {
        self.here()?.get_many(keys).await
    }

    async fn list(&self, range: Range) -> Result<Page, StoreError> {
        self.here()?.list(range).await
    }

    async fn commit(&self, txn: Txn) -> Result<Outcome, StoreError> {
        self.here()?.commit(txn).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        let watch = self.here()?.watch(prefix, after).await?;
        let is_away = Arc::clone(&self.is_away);
        Ok(Box::new(MoodyWatch { watch, is_away }))
    }

    async fn grant(&self, ttl_secs: u32) -> Result<LeaseId, StoreError> {
        self.here()?.grant(ttl_secs).await
    }

    async fn renew(&self, lease: LeaseId) -> Result<bool, StoreError> {
        self.here()?.renew(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.here()?.revoke(lease).await
    }
}

/// A store, and a board that follows it.
struct World {
    store: Arc<Moody>,
    board: Arc<Mutex<Board>>,
    runtime: tokio::runtime::Runtime,
    changes: Arc<AtomicUsize>,
    _following: Following,
}

impl World {
    fn new() -> World {
        let store = Arc::new(Moody {
            store: Sqlite::in_memory().unwrap(),
            is_away: Arc::default(),
        });
        let board = Arc::new(Mutex::new(Board::new()));
        let changes = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&changes);
        let following = follow(Arc::clone(&store) as _, Arc::clone(&board), move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        World {
            store,
            board,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            changes,
            _following: following.unwrap(),
        }
    }

    fn node(&self, id: &str) -> Runner {
        let mut config = RunnerConfig::new(id, "eu-west-1", "192.0.2.1");
        config.interval_scale = SCALE;
        Runner::start(Arc::clone(&self.store) as _, config).unwrap()
    }

    fn commit(&self, txn: Txn) {
        let outcome = self.runtime.block_on(self.store.store.commit(txn)).unwrap();
        assert!(matches!(outcome, Outcome::Committed(_)));
    }

    fn check(&self, id: &str, config: Value) -> Arc<Cell> {
        let resource = Resource {
            id: id.to_owned(),
            etag: String::new(),
            version: 1,
            created_ms: 0,
            modified_ms: 0,
            domain: None,
            config: HealthCheck {
                caller_reference: String::new(),
                config: shapes::from_value(&config).unwrap(),
            },
        };
        let key = route53::resource(HEALTH_CHECK, id);
        self.commit(Txn::new().put(key, resource.encode()));
        self.board.lock().cell(id)
    }

    fn opinions(&self, check: &str) -> Vec<(String, Opinion)> {
        let prefix = route53::opinion(check, "");
        let range = Range {
            prefix: prefix.clone(),
            ..Range::default()
        };
        let page = self.runtime.block_on(self.store.store.list(range)).unwrap();
        let opinion = |document: Document| {
            let node = document.key[prefix.len()..].to_owned();
            (
                node,
                documents::decode(&document.key, &document.value).unwrap(),
            )
        };
        page.documents.into_iter().map(opinion).collect()
    }

    /// The nodes with an opinion of a check, each with `+` or `-`.
    fn said(&self, check: &str) -> String {
        let opinions = self.opinions(check).into_iter();
        let each = opinions.map(|(node, opinion)| {
            let sign = if opinion.is_healthy { '+' } else { '-' };
            format!("{node}{sign}")
        });
        each.collect::<Vec<_>>().join(" ")
    }
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::yield_now();
    }
}

fn http(address: SocketAddr) -> Value {
    json!({
        "Type": "HTTP", "IPAddress": address.ip(), "Port": address.port(), "RequestInterval": 10,
    })
}

#[test]
fn an_endpoint_that_dies_and_comes_back_moves_the_check_on_every_board() {
    let world = World::new();
    let endpoint = Endpoint::new();
    let cell = world.check("c", http(endpoint.address));
    let _nodes = [world.node("n1"), world.node("n2")];
    eventually("both think well of it", || world.said("c") == "n1+ n2+");
    let (_, opinion) = world.opinions("c").remove(0);
    assert_eq!(opinion.status, "Success: HTTP Status Code 200, OK");
    assert_eq!(
        (opinion.region.as_str(), opinion.last_failure),
        ("eu-west-1", None)
    );
    assert!(cell.is_healthy());

    let address = endpoint.kill();
    eventually("the check fails", || !cell.is_healthy());
    eventually("both think ill of it", || world.said("c") == "n1- n2-");
    let (_, opinion) = world.opinions("c").remove(0);
    let refused = "Failure: The connection was refused by the endpoint.";
    assert_eq!(opinion.status, refused);
    eventually("the reason names it", || cell.reason().ends_with(refused));

    let _endpoint = Endpoint::start(address);
    eventually("the check is well again", || cell.is_healthy());
    eventually("both think well of it again", || {
        world.said("c") == "n1+ n2+"
    });
    let (_, opinion) = world.opinions("c").remove(0);
    assert_eq!(opinion.last_failure.unwrap().0, refused);
    assert!(world.changes.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_node_says_that_it_checks_for_as_long_as_it_does() {
    let world = World::new();
    let node = || {
        let document = world
            .runtime
            .block_on(world.store.store.get(&keys::node("n1")));
        let document = document.unwrap()?;
        Some(decode::<Node>(&document.key, &document.value).unwrap())
    };
    let running = world.node("n1");
    eventually("it says so", || node().is_some());
    assert_eq!(node().unwrap().roles, [Role::Health]);
    assert_eq!(node().unwrap().region.as_deref(), Some("eu-west-1"));
    drop(running);
    assert_eq!(node(), None);
}

#[test]
fn a_failure_is_known_within_threshold_times_interval() {
    let world = World::new();
    let endpoint = Endpoint::new();
    let mut config = http(endpoint.address);
    config["FailureThreshold"] = json!(4);
    let cell = world.check("c", config);
    let mut node = RunnerConfig::new("n1", "eu-west-1", "192.0.2.1");
    // A second, so that a busy machine does not matter.
    node.interval_scale = 0.1;
    let _node = Runner::start(Arc::clone(&world.store) as _, node).unwrap();
    eventually("it thinks well of it", || world.said("c") == "n1+");
    let died = Instant::now();
    endpoint.kill();
    eventually("the check fails", || !cell.is_healthy());
    let took = died.elapsed();
    assert!(took < Duration::from_secs(4 + 1), "{took:?}");
    assert!(
        took > Duration::from_secs(3 - 1),
        "{took:?}: not after less"
    );
}

#[test]
fn a_node_that_ends_takes_its_opinion_with_it_and_the_state_stays() {
    let world = World::new();
    let endpoint = Endpoint::new();
    let cell = world.check("c", http(endpoint.address));
    let (one, two) = (world.node("n1"), world.node("n2"));
    endpoint.kill();
    eventually("both think ill of it", || world.said("c") == "n1- n2-");
    drop(one);
    assert_eq!(world.said("c"), "n2-");
    drop(two);
    assert_eq!(world.said("c"), "");
    eventually("the board has heard", || cell.reason().contains("gone"));
    assert!(!cell.is_healthy());
}

#[test]
fn what_is_deleted_or_disabled_is_probed_no_more() {
    let world = World::new();
    let endpoint = Endpoint::new();
    let mut config = http(endpoint.address);
    world.check("a", config.clone());
    world.check("b", config.clone());
    let _node = world.node("n1");
    eventually("both are known", || {
        world.said("a") == "n1+" && world.said("b") == "n1+"
    });
    world.commit(Txn::new().delete(route53::resource(HEALTH_CHECK, "a")));
    config["Disabled"] = json!(true);
    world.check("b", config.clone());
    eventually("both are gone", || {
        world.said("a").is_empty() && world.said("b").is_empty()
    });
    config["Disabled"] = json!(false);
    world.check("b", config);
    eventually("it is probed again", || world.said("b") == "n1+");
}

#[test]
fn a_check_that_gets_another_endpoint_is_judged_by_that() {
    let world = World::new();
    let (good, bad) = (Endpoint::new(), Endpoint::new());
    let bad = bad.kill();
    let cell = world.check("c", http(bad));
    let _node = world.node("n1");
    eventually("it fails", || !cell.is_healthy());
    world.check("c", http(good.address));
    eventually("it is well", || cell.is_healthy());
}

#[test]
fn sixteen_of_many_nodes_probe_a_check() {
    let world = World::new();
    let endpoint = Endpoint::new();
    world.check("c", http(endpoint.address));
    let _nodes: Vec<Runner> = (0..20).map(|n| world.node(&format!("n{n:02}"))).collect();
    eventually("sixteen have an opinion, the others none", || {
        world.opinions("c").len() == 16
    });
}

#[test]
fn while_the_store_is_away_probes_go_on_and_their_news_come_later() {
    let world = World::new();
    let endpoint = Endpoint::new();
    let cell = world.check("c", http(endpoint.address));
    let _node = world.node("n1");
    eventually("it thinks well of it", || world.said("c") == "n1+");
    world.store.is_away.store(true, Ordering::Relaxed);
    let before = endpoint.probes();
    eventually("it is probed on", || endpoint.probes() >= before + 5);
    endpoint.kill();
    // Others may reach the store, and write to it.
    let other = Endpoint::new();
    let later = world.check("later", http(other.kill()));
    assert!(cell.is_healthy() && later.is_healthy());
    world.store.is_away.store(false, Ordering::Relaxed);
    eventually("the board has heard of the other", || !later.is_healthy());
    eventually("the news are there", || world.said("c") == "n1-");
    eventually("the board has heard", || !cell.is_healthy());
}
