//! Invalidations: after a ban, nobody gets what was fetched before it.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no tests to Clippy"
)]

mod world;

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use edge::Ban;
use serde_json::json;
use world::{Gate, Origin, World, distribution, response};

fn ban(world: &World, items: &[&str], revision: u64) {
    let ban = Ban {
        revision,
        id: format!("I{revision}").into(),
        at_ms: 0,
    };
    let updates = world.edge.as_ref().unwrap().updates();
    updates.ban("ETEST", items.iter().copied(), &ban);
}

/// An origin whose bodies count up, so that an old one is told from a new one.
fn counting(fields: &'static [(&'static str, &'static str)]) -> Origin {
    Origin::scripted(move |_, number, stream| {
        let answer = response("200 OK", fields, &format!("version {number}"));
        stream.write_all(answer.as_bytes()).is_ok()
    })
}

#[test]
fn an_exact_path_bans_itself_alone() {
    let origin = counting(&[("Cache-Control", "max-age=1000")]);
    let world = World::new(&distribution(origin.address));
    for path in ["/a", "/a?q=1", "/b"] {
        world.get(path, &[]);
    }
    ban(&world, &["/a"], 1);
    assert_eq!(world.get("/a", &[]).cache(), "Miss");
    assert_eq!(world.get("/a?q=1", &[]).cache(), "Hit", "another object");
    assert_eq!(world.get("/b", &[]).cache(), "Hit");
    assert_eq!(
        world.get("/a", &[]).cache(),
        "Hit",
        "what came after the ban stays"
    );
}

#[test]
fn a_wildcard_bans_all_variants_of_all_that_begins_so() {
    let origin = counting(&[("Cache-Control", "max-age=1000"), ("Vary", "X-Kind")]);
    let world = World::new(&distribution(origin.address));
    let one = [("X-Kind", "1")];
    let two = [("X-Kind", "2")];
    for kind in [&one, &two] {
        world.get("/img/a?b=c", kind);
        assert_eq!(world.get("/img/a?b=c", kind).cache(), "Hit");
    }
    ban(&world, &["/img/*"], 1);
    for kind in [&one, &two] {
        assert_eq!(world.get("/img/a?b=c", kind).cache(), "Miss");
        assert_eq!(world.get("/img/a?b=c", kind).cache(), "Hit");
    }
}

#[test]
fn the_root_means_the_default_root_object_too() {
    let origin = counting(&[("Cache-Control", "max-age=1000")]);
    let mut config = distribution(origin.address);
    config["DefaultRootObject"] = json!("index.html");
    let world = World::new(&config);
    world.get("/", &[]);
    assert_eq!(world.get("/", &[]).cache(), "Hit");
    ban(&world, &["/"], 1);
    assert_eq!(world.get("/", &[]).cache(), "Miss");
}

#[test]
fn the_root_with_a_query_means_the_default_root_object_with_it() {
    let origin = counting(&[("Cache-Control", "max-age=1000")]);
    let mut config = distribution(origin.address);
    config["DefaultRootObject"] = json!("index.html");
    let world = World::new(&config);
    for path in ["/?q=1", "/?q=2", "/"] {
        world.get(path, &[]);
    }
    ban(&world, &["/?q=1"], 1);
    assert_eq!(world.get("/?q=1", &[]).cache(), "Miss");
    assert_eq!(world.get("/?q=2", &[]).cache(), "Hit");
    ban(&world, &["/?*"], 2);
    assert_eq!(world.get("/?q=1", &[]).cache(), "Miss");
    assert_eq!(world.get("/?q=2", &[]).cache(), "Miss");
    assert_eq!(world.get("/", &[]).cache(), "Hit");
}

#[test]
fn a_tag_bans_every_object_that_has_it() {
    let origin = Origin::scripted(|asked, number, stream| {
        let tags = asked.target.trim_start_matches('/').replace('-', ", ");
        let fields = [("Cache-Control", "max-age=1000"), ("X-Tags", tags.as_str())];
        let answer = response("200 OK", &fields, &number.to_string());
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let mut config = distribution(origin.address);
    config["CacheTagConfig"] = json!({ "HeaderName": "x-tags" });
    let world = World::new(&config);
    for path in ["/News-sport", "/sport", "/other"] {
        world.get(path, &[]);
    }
    ban(&world, &["#NEWS"], 1);
    assert_eq!(world.get("/News-sport", &[]).cache(), "Miss");
    assert_eq!(world.get("/sport", &[]).cache(), "Hit");
    ban(&world, &["#sport", "/other"], 2);
    for path in ["/News-sport", "/sport", "/other"] {
        assert_eq!(world.get(path, &[]).cache(), "Miss", "{path}");
    }
}

#[test]
fn cached_errors_are_banned_as_well() {
    let origin = Origin::fixed("404 Not Found", &[], "gone");
    let world = World::new(&distribution(origin.address));
    world.get("/a", &[]);
    world.get("/a", &[]);
    assert_eq!(origin.count(), 1);
    ban(&world, &["/a"], 1);
    world.get("/a", &[]);
    assert_eq!(origin.count(), 2);
}

/// A viewer who asks after the ban must not be given the answer of a fetch that began before it,
/// neither while that is under way nor out of the store.
#[test]
fn a_fetch_that_a_ban_overtakes_is_for_those_who_asked_before_it() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let origin = Origin::scripted(move |_, number, stream| {
        if number == 0 {
            held.wait();
        }
        let fields = [("Cache-Control", "max-age=1000")];
        let answer = response("200 OK", &fields, &format!("version {number}"));
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let world = World::new(&distribution(origin.address));
    let mut first = world.client();
    first.ask("GET", "/a", &[]);
    world::eventually("the origin is asked", || origin.count() == 1);
    ban(&world, &["/a"], 1);
    let second = world.get("/a", &[]);
    assert_eq!(
        (second.text().as_str(), second.cache()),
        ("version 1", "Miss")
    );
    gate.open();
    assert_eq!(first.read_answer("GET").unwrap().text(), "version 0");
    for _ in 0..3 {
        assert_eq!(world.get("/a", &[]).text(), "version 1");
    }
}

#[test]
fn large_objects_are_banned_with_their_chunks() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let origin = Origin::scripted(move |_, _, stream| {
        let number = counted.fetch_add(1, Ordering::SeqCst) as u8;
        let body = vec![b'0' + number; 3 << 20];
        let head = format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=1000\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).is_ok() && stream.write_all(&body).is_ok()
    });
    let world = World::new(&distribution(origin.address));
    assert_eq!(world.get("/big", &[]).body[0], b'0');
    world::eventually("the whole is stored", || {
        world.get("/big", &[]).cache() == "Hit"
    });
    ban(&world, &["/big*"], 1);
    let answer = world.get("/big", &[]);
    assert!(
        answer.body.iter().all(|byte| *byte == b'1'),
        "none of the old bytes"
    );
    assert_eq!(answer.body.len(), 3 << 20);
}

/// Viewers ask without pause while bans come: whoever asks after a ban was acknowledged gets
/// nothing older than it.
#[test]
fn no_viewer_ever_sees_what_was_there_before_an_acknowledged_ban() {
    let version = Arc::new(AtomicUsize::new(0));
    let current = Arc::clone(&version);
    let origin = Origin::scripted(move |_, _, stream| {
        let body = current.load(Ordering::SeqCst).to_string();
        let fields = [("Cache-Control", "max-age=1000")];
        stream
            .write_all(response("200 OK", &fields, &body).as_bytes())
            .is_ok()
    });
    let world = World::new(&distribution(origin.address));
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (world, acknowledged, stop) =
                (&world, Arc::clone(&acknowledged), Arc::clone(&stop));
            scope.spawn(move || {
                let mut client = world.client();
                while stop.load(Ordering::SeqCst) == 0 {
                    let least = acknowledged.load(Ordering::SeqCst);
                    let seen: usize = client.get("/a", &[]).text().parse().unwrap();
                    assert!(seen >= least, "version {seen} after the ban for {least}");
                }
            });
        }
        for revision in 1..200 {
            version.store(revision, Ordering::SeqCst);
            ban(
                &world,
                &[if revision % 2 == 0 { "/a" } else { "/*" }],
                revision as u64,
            );
            acknowledged.store(revision, Ordering::SeqCst);
        }
        stop.store(1, Ordering::SeqCst);
    });
}
