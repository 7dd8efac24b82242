//! Stopping, and changing sites, while viewers are served.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use edge::site::{Policies, Site, compile};

use crate::impatient;
use crate::world::{Origin, World, distribution, eventually, response};

/// An origin whose answers wait for a word each, once their request is there.
fn held_origin() -> (Origin, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let ((arrived, arrival), (go, gone)) = (mpsc::channel(), mpsc::channel());
    let (arrived, gone) = (Mutex::new(arrived), Mutex::new(gone));
    let origin = Origin::scripted(move |_, _, stream| {
        let head = "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 10\r\n\r\nhello";
        stream.write_all(head.as_bytes()).unwrap();
        let _ = arrived.lock().unwrap().send(());
        let _ = gone.lock().unwrap().recv();
        stream.write_all(b"world").is_ok()
    });
    (origin, arrival, go)
}

#[test]
fn idle_connections_end_at_once_and_running_responses_finish() {
    let (origin, arrival, go) = held_origin();
    let mut world = World::new(&distribution(origin.address));
    let address = world.address;
    let mut idle = world.client();
    idle.ask("POST", "/none", &[("Host", "site.test")]);
    arrival.recv().unwrap();
    go.send(()).unwrap();
    assert_eq!(idle.read_answer("POST").unwrap().text(), "helloworld");
    let mut fresh = world.client();
    let mut running = world.client();
    let mut waiting = world.client();
    running.ask("GET", "/a", &[]);
    arrival.recv().unwrap();
    waiting.ask("GET", "/b", &[]);
    arrival.recv().unwrap();
    let edge = world.edge.take().unwrap();
    let stopping = std::thread::spawn(move || edge.stop());
    assert!(idle.is_closed());
    assert!(fresh.is_closed());
    eventually("nobody new is let in", || {
        TcpStream::connect(address).is_err()
    });
    assert!(!stopping.is_finished());
    go.send(()).unwrap();
    go.send(()).unwrap();
    for client in [&mut running, &mut waiting] {
        let answer = client.read_answer("GET").unwrap();
        assert_eq!(
            (answer.text().as_str(), answer.is_broken),
            ("helloworld", false)
        );
        assert!(client.is_closed());
    }
    stopping.join().unwrap();
}

#[test]
fn a_reply_that_begins_during_the_stop_says_that_the_connection_ends() {
    let ((arrived, arrival), (go, gone)) = (mpsc::channel(), mpsc::channel::<()>());
    let (arrived, gone) = (Mutex::new(arrived), Mutex::new(gone));
    let origin = Origin::scripted(move |_, _, stream| {
        let _ = arrived.lock().unwrap().send(());
        let _ = gone.lock().unwrap().recv();
        stream
            .write_all(response("200 OK", &[], "late").as_bytes())
            .is_ok()
    });
    let mut world = World::new(&distribution(origin.address));
    let mut idle = world.client();
    let mut client = world.client();
    client.ask("GET", "/a", &[]);
    arrival.recv().unwrap();
    let edge = world.edge.take().unwrap();
    let stopping = std::thread::spawn(move || edge.stop());
    assert!(idle.is_closed(), "the stop has begun");
    // The other worker may be a moment behind.
    while TcpStream::connect(world.address).is_ok() {}
    std::thread::sleep(Duration::from_millis(50));
    go.send(()).unwrap();
    let answer = client.read_answer("GET").unwrap();
    assert_eq!(
        (answer.text().as_str(), answer.get("connection")),
        ("late", Some("close"))
    );
    assert!(client.is_closed());
    stopping.join().unwrap();
}

#[test]
fn a_stop_waits_no_longer_than_it_may() {
    let (origin, arrival, _go) = held_origin();
    let mut world = impatient(&distribution(origin.address), |timeouts| {
        timeouts.stop = Duration::from_millis(300);
    });
    let mut client = world.client();
    client.ask("GET", "/a", &[]);
    arrival.recv().unwrap();
    let started = Instant::now();
    world.edge.take().unwrap().stop();
    assert!(started.elapsed() >= Duration::from_millis(250));
    assert!(started.elapsed() < Duration::from_secs(5));
    let answer = client.read_answer("GET").unwrap();
    assert!(answer.is_broken && answer.text() == "hello");
}

fn site(id: &str, alias: &str, origin: &Origin) -> Site {
    let mut config = distribution(origin.address);
    config["Aliases"]["Items"][0] = alias.into();
    let shape = shapes::from_value(&config).unwrap();
    let domain = format!("{}.cdn.test", id.to_lowercase());
    compile(id, &domain, &shape, &Policies::managed()).unwrap()
}

#[test]
fn a_request_is_served_to_its_end_by_the_site_that_it_began_with() {
    let (old, arrival, go) = held_origin();
    let new = Origin::fixed("200 OK", &[], "new");
    let world = World::new(&distribution(old.address));
    let mut running = world.client();
    running.ask("GET", "/a", &[]);
    arrival.recv().unwrap();
    world
        .edge
        .as_ref()
        .unwrap()
        .updates()
        .update(&["ETEST".to_owned()], vec![site("ENEW", "site.test", &new)])
        .unwrap();
    assert_eq!(world.get("/a", &[]).text(), "new");
    go.send(()).unwrap();
    assert_eq!(running.read_answer("GET").unwrap().text(), "helloworld");
    // The same connection sees the new site from its next request on.
    assert_eq!(running.get("/a", &[]).text(), "new");
    world
        .edge
        .as_ref()
        .unwrap()
        .updates()
        .update(&[], vec![site("ENEW", "other.test", &new)])
        .unwrap();
    assert_eq!(running.get("/a", &[]).status, 403);
    assert_eq!(world.get("/a", &[("Host", "other.test")]).text(), "new");
}

#[test]
fn sites_change_under_load_and_every_answer_is_of_one_of_them() {
    let (one, two) = (
        Origin::fixed("200 OK", &[("Cache-Control", "max-age=60")], "one"),
        Origin::fixed("200 OK", &[("Cache-Control", "max-age=60")], "two"),
    );
    let world = Arc::new(World::new(&distribution(one.address)));
    let is_over = Arc::new(AtomicBool::new(false));
    let viewers: Vec<_> = (0..4)
        .map(|viewer| {
            let (world, is_over) = (Arc::clone(&world), Arc::clone(&is_over));
            std::thread::spawn(move || {
                let mut client = world.client();
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let answer = client.get(&format!("/{}", (count + viewer) % 50), &[]);
                    assert_eq!(answer.status, 200);
                    assert!(matches!(answer.text().as_str(), "one" | "two"));
                    count += 1;
                }
                count
            })
        })
        .collect();
    for round in 0..100 {
        let gone = ["ETEST", "EONE", "ETWO"].map(str::to_owned);
        let next = match round % 2 {
            0 => site("ETWO", "site.test", &two),
            _ => site("EONE", "site.test", &one),
        };
        world
            .edge
            .as_ref()
            .unwrap()
            .updates()
            .update(&gone, vec![next])
            .unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    is_over.store(true, Ordering::Relaxed);
    for viewer in viewers {
        assert!(viewer.join().unwrap() > 0);
    }
}
