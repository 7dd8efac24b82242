//! Origins whose health check fails are passed over without an attempt, where there is another.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no tests to Clippy"
)]

mod world;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use documents::route53::{self, HEALTH_CHECK, HealthCheck, Opinion};
use documents::{Resource, encode};
use edge::explain::Question;
use health::{Board, Runner, RunnerConfig};
use parking_lot::Mutex;
use serde_json::{Value, json};
use store::sqlite::Sqlite;
use store::{Outcome, Store, Txn};
use world::{Origin, World, distribution, origin_json};

/// An edge, and the board that it is told of.
struct Checked {
    world: World,
    board: Board,
}

impl Checked {
    /// A group of two origins that fails over on nothing: what the second answers, it was asked
    /// first.
    fn group(main: &Origin, spare: &Origin) -> Checked {
        Checked::group_of("127.0.0.1", main.address, spare.address)
    }

    fn group_of(name: &str, main: SocketAddr, spare: SocketAddr) -> Checked {
        let mut config = distribution(main);
        let mut first = origin_json("main", main);
        first["DomainName"] = json!(name);
        config["Origins"] = json!({
            "Quantity": 2, "Items": [first, origin_json("spare", spare)],
        });
        config["OriginGroups"] = json!({ "Quantity": 1, "Items": [{
            "Id": "group",
            "FailoverCriteria": { "StatusCodes": { "Quantity": 1, "Items": [500] } },
            "Members": {
                "Quantity": 2, "Items": [{ "OriginId": "main" }, { "OriginId": "spare" }],
            },
        }] });
        config["DefaultCacheBehavior"]["TargetOriginId"] = json!("group");
        Checked::of(&config)
    }

    fn of(config: &Value) -> Checked {
        Checked {
            world: World::new(config),
            board: Board::new(),
        }
    }

    fn apply(&mut self, key: &str, value: Option<&[u8]>) {
        self.board.apply(key, value, 1).unwrap();
        let edge = self.world.edge.as_ref().unwrap();
        edge.updates().set_origin_health(&self.board);
    }

    fn check(&mut self, id: &str, config: Value) {
        let key = route53::resource(HEALTH_CHECK, id);
        self.apply(&key, Some(&resource(id, config).encode()));
    }

    fn check_of(&mut self, id: &str, address: SocketAddr) {
        let (ip, port) = (address.ip(), address.port());
        self.check(id, json!({ "Type": "TCP", "IPAddress": ip, "Port": port }));
    }

    fn say(&mut self, id: &str, is_healthy: bool) {
        let opinion = Opinion {
            region: "eu-west-1".to_owned(),
            address: "192.0.2.1".to_owned(),
            is_healthy,
            status: "Failure: no".to_owned(),
            checked_ms: 0,
            last_failure: None,
        };
        self.apply(&route53::opinion(id, "n1"), Some(&encode(&opinion)));
    }

    /// Who answers.
    fn answer(&self) -> String {
        self.world.get("/", &[]).text()
    }

    fn explain(&self) -> String {
        let edge = self.world.edge.as_ref().unwrap();
        let question = Question::new("http://site.test/", 1_000);
        edge.explain(&question).unwrap().text
    }
}

fn resource(id: &str, config: Value) -> Resource<HealthCheck> {
    Resource {
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
    }
}

/// An origin that is asked for everything.
fn origin(name: &str) -> Origin {
    Origin::fixed("200 OK", &[("Cache-Control", "no-store")], name)
}

#[test]
fn a_group_goes_to_the_second_origin_while_the_check_of_the_first_fails() {
    let (main, spare) = (origin("main"), origin("spare"));
    let mut checked = Checked::group(&main, &spare);
    checked.check_of("c", main.address);
    assert_eq!(checked.answer(), "main");
    assert!(!checked.explain().contains("Health checks"));
    checked.say("c", false);
    let before = main.count();
    assert_eq!(checked.answer(), "spare");
    assert_eq!(main.count(), before, "it was not asked");
    let text = checked.explain();
    let words = "not asked; check c: 0 of 1 checkers see it healthy (18 % rule): Failure: no";
    assert!(text.contains("Health checks that fail"), "{text}");
    assert!(joined(&text).contains(words), "{text}");
    checked.say("c", true);
    assert_eq!(checked.answer(), "main");
    checked.say("c", false);
    assert_eq!(checked.answer(), "spare");
    checked.apply("route53/health-check/c", None);
    assert_eq!(checked.answer(), "main", "the check is gone");
}

#[test]
fn where_both_fail_the_first_is_tried_as_ever() {
    let (main, spare) = (origin("main"), origin("spare"));
    let mut checked = Checked::group(&main, &spare);
    for (id, address) in [("a", main.address), ("b", spare.address)] {
        checked.check_of(id, address);
        checked.say(id, false);
    }
    assert_eq!(checked.answer(), "main");
    let text = joined(&checked.explain());
    assert_eq!(text.matches("asked in its turn all the same").count(), 2);
}

#[test]
fn an_origin_alone_is_never_passed_over() {
    let main = origin("main");
    let mut checked = Checked::of(&distribution(main.address));
    checked.check_of("c", main.address);
    checked.say("c", false);
    assert_eq!(checked.answer(), "main");
}

#[test]
fn requests_that_never_fail_over_go_to_the_first_origin() {
    let (main, spare) = (origin("main"), origin("spare"));
    let mut checked = Checked::group(&main, &spare);
    checked.check_of("c", main.address);
    checked.say("c", false);
    assert_eq!(checked.world.ask("OPTIONS", "/", &[]).text(), "spare");
    assert_eq!(checked.world.ask("POST", "/", &[]).text(), "main");
}

#[test]
fn checks_of_other_endpoints_and_inverted_ones_do_not_matter() {
    let (main, spare) = (origin("main"), origin("spare"));
    let mut checked = Checked::group(&main, &spare);
    let (ip, port) = (main.address.ip(), main.address.port());
    let configs = [
        json!({ "Type": "TCP", "IPAddress": "127.0.0.2", "Port": port }),
        json!({ "Type": "TCP", "IPAddress": ip, "Port": port ^ 1 }),
        json!({ "Type": "HTTP", "FullyQualifiedDomainName": "localhost", "Port": port }),
        json!({
            "Type": "HTTP", "IPAddress": "192.0.2.1", "Port": port,
            "FullyQualifiedDomainName": ip,
        }),
    ];
    for (number, config) in configs.into_iter().enumerate() {
        let id = format!("c{number}");
        checked.check(&id, config);
        checked.say(&id, false);
    }
    checked.check(
        "inverted",
        json!({ "Type": "TCP", "IPAddress": ip, "Port": port, "Inverted": true }),
    );
    checked.say("inverted", true);
    assert_eq!(checked.answer(), "main");
}

#[test]
fn an_origin_and_a_check_meet_by_name_in_whatever_case() {
    let (main, spare) = (origin("main"), origin("spare"));
    let mut checked = Checked::group_of("LocalHost", main.address, spare.address);
    let port = main.address.port();
    checked.check(
        "c",
        json!({ "Type": "HTTP", "FullyQualifiedDomainName": "LOCALHOST.", "Port": port }),
    );
    assert_eq!(checked.answer(), "main");
    checked.say("c", false);
    assert_eq!(checked.answer(), "spare");
}

/// An origin that can die.
struct Mortal {
    address: SocketAddr,
    is_dead: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Mortal {
    fn born(address: SocketAddr) -> Mortal {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let is_dead = Arc::<AtomicBool>::default();
        let stop = Arc::clone(&is_dead);
        let thread = std::thread::spawn(move || {
            let answer = world::response(
                "200 OK",
                &[("Cache-Control", "no-store"), ("Connection", "close")],
                "main",
            );
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let mut stream = stream.unwrap();
                if stream.read(&mut [0; 4_000]).unwrap_or(0) > 0 {
                    let _ = stream.write_all(answer.as_bytes());
                }
            }
        });
        Mortal {
            address,
            is_dead,
            thread,
        }
    }

    fn die(self) -> SocketAddr {
        self.is_dead.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        self.thread.join().unwrap();
        self.address
    }
}

#[test]
fn a_pair_of_real_origins_is_checked_and_the_edge_moves_from_one_to_the_other_and_back() {
    let (main, spare) = (Mortal::born(([127, 0, 0, 1], 0).into()), origin("spare"));
    let checked = Checked::group_of("127.0.0.1", main.address, spare.address);
    let edge = checked.world.edge.as_ref().unwrap();
    let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
    let updates = edge.updates().clone();
    let board = Arc::new(Mutex::new(Board::new()));
    let follow = health::follow(Arc::clone(&store), board, move |board| {
        updates.set_origin_health(board);
    });
    let _following = follow.unwrap();
    let mut config = RunnerConfig::new("n1-health", "eu-west-1", "192.0.2.1");
    config.interval_scale = 0.005;
    let _runner = Runner::start(Arc::clone(&store), config).unwrap();
    let (ip, port) = (main.address.ip(), main.address.port());
    let check = json!({
        "Type": "HTTP", "IPAddress": ip, "Port": port, "RequestInterval": 10,
        "FailureThreshold": 2,
    });
    let put = Txn::new().put(
        route53::resource(HEALTH_CHECK, "c"),
        resource("c", check).encode(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let committed = runtime.unwrap().block_on(store.commit(put)).unwrap();
    assert!(matches!(committed, Outcome::Committed(_)));

    // What failed is cached; each question is another one.
    let asked = AtomicUsize::new(0);
    let answer = || {
        let number = asked.fetch_add(1, Ordering::Relaxed);
        checked.world.get(&format!("/{number}"), &[]).text()
    };
    assert_eq!(answer(), "main");
    let address = main.die();
    world::eventually("the second answers", || answer() == "spare");
    let _main = Mortal::born(address);
    world::eventually("the first answers again", || answer() == "main");
}

/// The words of an explanation, however its lines are wrapped.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
