//! Many viewers at once.

use std::io::Write;
use std::process::Command;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use crate::metric;
use crate::world::files::pattern;
use crate::world::{Client, Origin, World, distribution, eventually};

/// Sees to it that so many file descriptors may be open; says how many may.
fn raise_file_limit(wanted: usize) -> usize {
    let process = std::process::id().to_string();
    let limit = format!("--nofile={wanted}:");
    let _ = Command::new("prlimit")
        .args(["--pid", &process, &limit])
        .status();
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let soft = line.split_whitespace().nth(3).unwrap();
    soft.parse().unwrap_or(usize::MAX)
}

#[test]
fn two_thousand_simultaneous_requests_for_a_cold_object_are_one_fetch() {
    // Each viewer takes two descriptors here, and other tests run beside this one.
    let viewers = 2_000.min((raise_file_limit(8_192) - 1_000) / 2);
    let body = pattern(300_000, 9);
    let (go, gone) = mpsc::channel::<()>();
    let (gone, sent) = (Mutex::new(gone), body.clone());
    let origin = Origin::scripted(move |_, _, stream| {
        let _ = gone.lock().unwrap().recv();
        let head = format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n",
            sent.len()
        );
        stream.write_all(head.as_bytes()).is_ok() && stream.write_all(&sent).is_ok()
    });
    let world = Arc::new(World::new(&distribution(origin.address)));
    let mut clients: Vec<Client> = (0..viewers).map(|_| world.client()).collect();
    for client in &mut clients {
        client.ask("GET", "/cold", &[]);
    }
    let followers = "warmfront_collapsed_followers_total{distribution=\"ETEST\"}";
    eventually("all wait", || {
        metric(&world, followers) == viewers as u64 - 1
    });
    drop(go);
    let shares: Vec<Vec<Client>> = {
        let mut shares: Vec<Vec<Client>> = (0..8).map(|_| Vec::new()).collect();
        for (index, client) in clients.into_iter().enumerate() {
            shares[index % 8].push(client);
        }
        shares
    };
    let readers: Vec<_> = shares
        .into_iter()
        .map(|share| {
            let body = body.clone();
            std::thread::spawn(move || {
                let answers = share.into_iter().map(|mut client| {
                    let answer = client.read_answer("GET").unwrap();
                    assert!(answer.status == 200 && answer.body == body);
                    usize::from(answer.cache() == "Miss")
                });
                answers.sum::<usize>()
            })
        })
        .collect();
    let misses: usize = readers
        .into_iter()
        .map(|reader| reader.join().unwrap())
        .sum();
    assert_eq!((misses, origin.count()), (1, 1));
}

#[test]
fn a_follower_that_leaves_changes_nothing_for_the_others() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let origin = Origin::scripted(move |_, _, stream| {
        let _ = gone.lock().unwrap().recv();
        let answer = crate::world::response("200 OK", &[("Cache-Control", "max-age=60")], "hello");
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let world = World::new(&distribution(origin.address));
    let mut clients: Vec<Client> = (0..20).map(|_| world.client()).collect();
    for client in &mut clients {
        client.ask("GET", "/cold", &[]);
    }
    let followers = "warmfront_collapsed_followers_total{distribution=\"ETEST\"}";
    eventually("all wait", || metric(&world, followers) == 19);
    // The one that leads may be among them.
    for client in clients.drain(..10) {
        client.reset();
    }
    drop(go);
    for mut client in clients {
        assert_eq!(client.read_answer("GET").unwrap().text(), "hello");
    }
    assert_eq!(origin.count(), 1);
}
