//! Many viewers, one fetch.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no tests to Clippy"
)]

mod world;

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use serde_json::json;
use world::{
    Answer, Client, Gate, Origin, World, distribution, eventually, let_them_arrive, response,
};

const CACHED: &str = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n";

/// Sends a request on so many connections, and does not read yet.
fn crowd(world: &World, size: usize, target: &str) -> Vec<Client> {
    let ask = |_| {
        let mut client = world.client();
        client.ask("GET", target, &[]);
        client
    };
    (0..size).map(ask).collect()
}

fn answers(clients: Vec<Client>) -> Vec<Answer> {
    let read = |mut client: Client| client.read_answer("GET").expect("an answer");
    clients.into_iter().map(read).collect()
}

#[test]
fn a_crowd_makes_one_request() {
    let gate = Gate::default();
    let door = gate.clone();
    let origin = Origin::scripted(move |_, _, stream| {
        door.wait();
        let answer = response("200 OK", &[("Cache-Control", "max-age=60")], "hello");
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let world = World::new(&distribution(origin.address));
    let clients = crowd(&world, 40, "/");
    let_them_arrive();
    gate.open();
    let answers = answers(clients);
    assert!(answers.iter().all(|answer| answer.text() == "hello"));
    let misses = answers
        .iter()
        .filter(|answer| answer.cache() == "Miss")
        .count();
    assert_eq!((misses, origin.count()), (1, 1));
}

#[test]
fn followers_get_bytes_while_the_origin_still_sends() {
    let gate = Gate::default();
    let door = gate.clone();
    let origin = Origin::scripted(move |_, _, stream| {
        let begun = stream.write_all(format!("{CACHED}Content-Length: 10\r\n\r\nhello").as_bytes());
        door.wait();
        begun.is_ok() && stream.write_all(b"world").is_ok()
    });
    let world = World::new(&distribution(origin.address));
    let mut clients = crowd(&world, 3, "/");
    eventually("asked", || origin.count() == 1);
    clients.extend(crowd(&world, 3, "/"));
    for client in &mut clients {
        client.read_head().unwrap();
        while client.buffer.len() < 5 {
            let mut bytes = [0; 16];
            let count = std::io::Read::read(&mut client.stream, &mut bytes).unwrap();
            client.buffer.extend_from_slice(&bytes[..count]);
        }
        assert_eq!(client.buffer, b"hello");
    }
    gate.open();
    for client in &mut clients {
        let mut rest = [0; 5];
        std::io::Read::read_exact(&mut client.stream, &mut rest).unwrap();
        assert_eq!(&rest, b"world");
    }
    assert_eq!(origin.count(), 1);
}

#[test]
fn what_is_not_to_be_shared_is_fetched_by_all_at_the_same_time() {
    for cache_control in ["no-store", "private", "max-age=0", "s-maxage=0, max-age=9"] {
        let gate = Gate::default();
        let door = gate.clone();
        // All who were released must be here before one of them gets an answer.
        let barrier = Barrier::new(7);
        let origin = Origin::scripted(move |_, number, stream| {
            if number == 0 {
                door.wait();
            } else if number < 8 {
                barrier.wait();
            }
            let answer = response(
                "200 OK",
                &[("Cache-Control", cache_control)],
                &number.to_string(),
            );
            stream.write_all(answer.as_bytes()).is_ok()
        });
        let world = World::caching(origin.address, (0, 0, 100));
        let clients = crowd(&world, 8, "/");
        let_them_arrive();
        gate.open();
        let mut bodies: Vec<String> = answers(clients).iter().map(Answer::text).collect();
        bodies.sort();
        assert_eq!(
            bodies,
            ["0", "1", "2", "3", "4", "5", "6", "7"],
            "{cache_control}"
        );
    }
}

#[test]
fn that_an_answer_was_not_to_be_shared_is_remembered() {
    let barrier = Arc::new(Barrier::new(4));
    let origin = Origin::scripted(move |_, number, stream| {
        if number > 0 {
            barrier.wait();
        }
        let answer = response("200 OK", &[("Cache-Control", "no-store")], "x");
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let world = World::new(&distribution(origin.address));
    world.get("/", &[]);
    // None of these waits for another, or the barrier would never open.
    assert!(
        answers(crowd(&world, 4, "/"))
            .iter()
            .all(|answer| answer.text() == "x")
    );
}

#[test]
fn an_error_of_the_origin_reaches_all() {
    let gate = Gate::default();
    let door = gate.clone();
    let origin = Origin::scripted(move |_, _, _| {
        door.wait();
        false
    });
    let mut config = distribution(origin.address);
    config["Origins"]["Items"][0]["ConnectionAttempts"] = json!(1);
    let world = World::new(&config);
    let clients = crowd(&world, 10, "/");
    let_them_arrive();
    gate.open();
    let statuses: Vec<u16> = answers(clients)
        .iter()
        .map(|answer| answer.status)
        .collect();
    assert_eq!(statuses, [502; 10]);
    assert_eq!(origin.count(), 1);
}

#[test]
fn followers_outlive_the_viewer_that_came_first() {
    // Gone before the head, and gone within the body; with and without a known length.
    for (head, gone_early) in [
        ("Content-Length: 10\r\n\r\nhello", true),
        ("Content-Length: 10\r\n\r\nhello", false),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false),
    ] {
        let (before_head, before_rest) = (Gate::default(), Gate::default());
        let doors = (before_head.clone(), before_rest.clone());
        let origin = Origin::scripted(move |_, _, stream| {
            doors.0.wait();
            let begun = stream
                .write_all(format!("{CACHED}{head}").as_bytes())
                .is_ok();
            doors.1.wait();
            let rest = if head.starts_with('C') {
                "world"
            } else {
                "5\r\nworld\r\n0\r\n\r\n"
            };
            begun && stream.write_all(rest.as_bytes()).is_ok()
        });
        let world = World::new(&distribution(origin.address));
        let mut first = crowd(&world, 1, "/").remove(0);
        eventually("asked", || origin.count() == 1);
        let followers = crowd(&world, 5, "/");
        let_them_arrive();
        if gone_early {
            drop(first);
            before_head.open();
        } else {
            before_head.open();
            first.read_head().unwrap();
            drop(first);
        }
        before_rest.open();
        for answer in answers(followers) {
            assert_eq!(
                (answer.text().as_str(), answer.is_broken),
                ("helloworld", false)
            );
        }
        assert_eq!(world.get("/", &[]).cache(), "Hit");
        assert_eq!(origin.count(), 1);
    }
}

#[test]
fn followers_that_go_away_are_not_missed() {
    let gate = Gate::default();
    let door = gate.clone();
    let origin = Origin::scripted(move |_, _, stream| {
        door.wait();
        let answer = response("200 OK", &[("Cache-Control", "max-age=60")], "hello");
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let world = World::new(&distribution(origin.address));
    let stays = crowd(&world, 2, "/");
    drop(crowd(&world, 10, "/"));
    let_them_arrive();
    gate.open();
    assert!(answers(stays).iter().all(|answer| answer.text() == "hello"));
    assert_eq!(origin.count(), 1);
}

#[test]
fn a_body_that_breaks_off_is_broken_for_all_and_not_stored() {
    for head in [
        "Content-Length: 10\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let gate = Gate::default();
        let door = gate.clone();
        let origin = Origin::scripted(move |_, number, stream| {
            door.wait();
            if number > 0 {
                let answer = response("200 OK", &[("Cache-Control", "max-age=60")], "whole");
                return stream.write_all(answer.as_bytes()).is_ok();
            }
            let _ = stream.write_all(format!("{CACHED}{head}").as_bytes());
            false
        });
        let world = World::new(&distribution(origin.address));
        let clients = crowd(&world, 4, "/");
        let_them_arrive();
        gate.open();
        for answer in answers(clients) {
            assert_eq!((answer.status, answer.is_broken), (200, true), "{head}");
        }
        let again = world.get("/", &[]);
        assert_eq!((again.cache(), again.text().as_str()), ("Miss", "whole"));
    }
}

#[test]
fn those_who_want_another_variant_fetch_it_themselves() {
    let gate = Gate::default();
    let door = gate.clone();
    let origin = Origin::scripted(move |asked, _, stream| {
        door.wait();
        let language = asked.get("accept-language").unwrap_or("none");
        let fields = [("Cache-Control", "max-age=60"), ("Vary", "Accept-Language")];
        stream
            .write_all(response("200 OK", &fields, language).as_bytes())
            .is_ok()
    });
    let world = World::new(&distribution(origin.address));
    let languages = ["de", "en", "fr"];
    let mut clients = Vec::new();
    for index in 0..12 {
        let mut client = world.client();
        client.ask("GET", "/", &[("Accept-Language", languages[index % 3])]);
        clients.push(client);
    }
    let_them_arrive();
    gate.open();
    for (index, answer) in answers(clients).iter().enumerate() {
        assert_eq!(answer.text(), languages[index % 3]);
    }
    assert_eq!(origin.count(), 3);
    for language in languages {
        let answer = world.get("/", &[("Accept-Language", language)]);
        assert_eq!((answer.cache(), answer.text().as_str()), ("Hit", language));
    }
}

#[test]
fn a_variant_on_its_way_is_followed_by_those_who_come_later() {
    let gate = Gate::default();
    let door = gate.clone();
    let origin = Origin::scripted(move |asked, _, stream| {
        let language = asked.get("accept-language").unwrap_or("none").to_owned();
        let head = format!("{CACHED}Vary: Accept-Language\r\nContent-Length: 2\r\n\r\n");
        let begun = stream.write_all(head.as_bytes()).is_ok();
        if language == "de" {
            door.wait();
        }
        begun && stream.write_all(language.as_bytes()).is_ok()
    });
    let world = World::new(&distribution(origin.address));
    let german = [("Accept-Language", "de")];
    let mut first = world.client();
    first.ask("GET", "/", &german);
    first.read_head().unwrap();
    let mut second = world.client();
    second.ask("GET", "/", &german);
    assert_eq!(second.read_head().unwrap().cache(), "Hit");
    assert_eq!(world.get("/", &[("Accept-Language", "en")]).text(), "en");
    gate.open();
    assert_eq!(origin.count(), 2);
}

#[test]
fn cookies_that_are_not_in_the_key_keep_requests_apart() {
    let count = Arc::new(AtomicUsize::new(0));
    let barrier = Arc::new(Barrier::new(3));
    let together = Arc::clone(&count);
    let origin = Origin::scripted(move |asked, _, stream| {
        together.fetch_add(1, Ordering::SeqCst);
        barrier.wait();
        let answer = response(
            "200 OK",
            &[("Cache-Control", "no-store")],
            asked.get("cookie").unwrap_or("-"),
        );
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let world = World::caching(origin.address, (0, 0, 100));
    let mut clients = Vec::new();
    for cookie in ["a=1", "a=2", "a=3"] {
        let mut client = world.client();
        client.ask("GET", "/", &[("Cookie", cookie)]);
        clients.push(client);
    }
    let bodies: Vec<String> = answers(clients).iter().map(Answer::text).collect();
    assert_eq!(bodies, ["a=1", "a=2", "a=3"]);
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[test]
fn whoever_comes_when_a_long_body_is_out_of_date_gets_a_new_one() {
    let gate = Gate::default();
    let door = gate.clone();
    let origin = Origin::scripted(move |_, number, stream| {
        let head = format!("{CACHED}Content-Length: 2\r\n\r\n{number}");
        let begun = stream.write_all(head.as_bytes()).is_ok();
        if number == 0 {
            door.wait();
        }
        begun && stream.write_all(b".").is_ok()
    });
    let world = World::new(&distribution(origin.address));
    let mut first = world.client();
    first.ask("GET", "/", &[]);
    first.read_head().unwrap();
    world.clock.advance_secs(60);
    assert_eq!(world.get("/", &[]).text(), "1.");
    gate.open();
}

#[test]
fn a_slow_viewer_of_a_small_object_holds_up_nobody() {
    let body = "x".repeat(2 << 20);
    let origin = Origin::fixed("200 OK", &[("Cache-Control", "max-age=60")], &body);
    let world = World::new(&distribution(origin.address));
    let slow = crowd(&world, 2, "/");
    assert_eq!(world.get("/", &[]).body.len(), body.len());
    drop(slow);
    assert_eq!(world.get("/", &[]).cache(), "Hit");
}

#[test]
fn a_crowd_at_an_expired_object_makes_one_request() {
    for renewed in [
        "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\n\r\n".to_owned(),
        response("200 OK", &[("Cache-Control", "max-age=60")], "hello"),
    ] {
        let gate = Gate::default();
        let door = gate.clone();
        let origin = Origin::scripted(move |_, number, stream| {
            if number > 0 {
                door.wait();
                return stream.write_all(renewed.as_bytes()).is_ok();
            }
            let fields = [("Cache-Control", "max-age=60"), ("ETag", "\"1\"")];
            stream
                .write_all(response("200 OK", &fields, "hello").as_bytes())
                .is_ok()
        });
        let world = World::new(&distribution(origin.address));
        world.get("/", &[]);
        world.clock.advance_secs(61);
        let clients = crowd(&world, 20, "/");
        let_them_arrive();
        gate.open();
        assert!(
            answers(clients)
                .iter()
                .all(|answer| answer.text() == "hello")
        );
        assert_eq!(origin.count(), 2);
    }
}

#[test]
fn what_becomes_cacheable_is_cached_at_once() {
    let origin = Origin::scripted(|_, number, stream| {
        let cache_control = if number == 0 {
            "no-store"
        } else {
            "max-age=60"
        };
        let answer = response(
            "200 OK",
            &[("Cache-Control", cache_control)],
            &number.to_string(),
        );
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let world = World::new(&distribution(origin.address));
    let caches: Vec<String> = (0..3)
        .map(|_| world.get("/", &[]).cache().to_owned())
        .collect();
    assert_eq!(caches, ["Miss", "Miss", "Hit"]);
}

#[test]
fn followers_get_the_answer_to_their_own_conditions_and_method() {
    let gate = Gate::default();
    let door = gate.clone();
    let origin = Origin::scripted(move |_, _, stream| {
        door.wait();
        let fields = [("Cache-Control", "max-age=60"), ("ETag", "\"1\"")];
        stream
            .write_all(response("200 OK", &fields, "hello").as_bytes())
            .is_ok()
    });
    let world = World::new(&distribution(origin.address));
    let whole = crowd(&world, 2, "/");
    let mut knows = world.client();
    knows.ask("GET", "/", &[("If-None-Match", "\"1\"")]);
    let mut other = world.client();
    other.ask("GET", "/", &[("If-Match", "\"2\"")]);
    let_them_arrive();
    gate.open();
    assert!(answers(whole).iter().all(|answer| answer.text() == "hello"));
    assert_eq!(knows.read_answer("GET").unwrap().status, 304);
    assert_eq!(other.read_answer("GET").unwrap().status, 412);
    assert_eq!(origin.count(), 1);
}
