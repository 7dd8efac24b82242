//! What a newcomer sees: the demo behind the real binary.

use std::time::Instant;

use crate::world::{self, Answer, Server, eventually};

fn demo() -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    (directory, server)
}

#[test]
fn the_first_answer_is_a_miss_and_the_second_a_hit() {
    let (_directory, server) = demo();
    assert_eq!(server.get("/hello.txt").cache(), "Miss");
    let hit = server.get("/hello.txt");
    assert_eq!((hit.status, hit.cache()), (200, "Hit"));
    assert_eq!(hit.body, b"Hello from the demo origin.\n");
    assert!(!hit.field("age").is_empty());

    let page = server.get("/");
    assert_eq!(page.status, 200);
    let html = page.text();
    let css = html
        .split("href=\"")
        .find(|part| part.starts_with("/assets/app.") && part.contains(".css\""));
    let css = css.unwrap().split('"').next().unwrap();
    assert_eq!(
        server.get(css).field("cache-control"),
        "max-age=31536000, immutable"
    );
    assert_eq!(server.get(css).cache(), "Hit");

    let head = server.ask("HEAD", "localhost", "/hello.txt");
    assert_eq!((head.cache(), head.field("content-length")), ("Hit", "28"));
    let visits = || server.get("/api/visits").text();
    assert_ne!(visits(), visits(), "never kept");
    let missing = server.get("/missing");
    assert_eq!((missing.status, missing.cache()), (404, "Error"));
    assert!(
        missing.text().contains("custom error response"),
        "{}",
        missing.text()
    );
}

#[test]
fn news_that_expired_are_revalidated() {
    let (_directory, server) = demo();
    let first = server.get("/news");
    assert_eq!(first.cache(), "Miss");
    let refreshed = eventually("expiry", || {
        Some(server.get("/news")).filter(|answer| answer.cache() != "Hit")
    });
    assert_eq!(refreshed.cache(), "RefreshHit");
    assert_eq!((refreshed.status, &refreshed.body), (200, &first.body));
}

#[test]
fn a_failing_origin_is_hidden_by_what_was_kept() {
    let (_directory, server) = demo();
    let origin_requests = |answer: &Answer| answer.text();
    let good = server.get("/flaky");
    assert_eq!(good.status, 200);
    assert_eq!(server.ask("POST", "localhost", "/demo/break").status, 200);
    // Kept for 3 s: an answer of that age or more is stale.
    let stale = eventually("a stale answer", || {
        let answer = server.get("/flaky");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
            .field("age")
            .parse::<u64>()
            .is_ok_and(|age| age >= 4)
            .then_some(answer)
    });
    assert_eq!(origin_requests(&stale), origin_requests(&good));
    assert_eq!(server.ask("POST", "localhost", "/demo/mend").status, 200);
    eventually("a new answer", || {
        (server.get("/flaky").text() != good.text()).then_some(())
    });
}

#[test]
fn a_slow_page_is_fetched_once_for_everybody() {
    let (_directory, server) = demo();
    let started = Instant::now();
    let bodies: Vec<String> = std::thread::scope(|scope| {
        let address = server.viewer_address;
        let ask = move || world::ask(address, "GET", "localhost", "/slow", &[]).text();
        let asking: Vec<_> = (0..20).map(|_| scope.spawn(ask)).collect();
        asking
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(started.elapsed().as_secs_f64() < 3.9, "one after the other");
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert_eq!(server.get("/slow").cache(), "Hit");
}

#[test]
fn a_part_of_the_large_file_is_right() {
    let (_directory, server) = demo();
    let part = |range: &str| {
        world::ask(
            server.viewer_address,
            "GET",
            "localhost",
            "/large.bin",
            &[("Range", range)],
        )
    };
    for _ in 0..2 {
        let answer = part("bytes=2097152-2097183");
        assert_eq!(answer.status, 206);
        assert_eq!(
            answer.field("content-range"),
            "bytes 2097152-2097183/67108864"
        );
        assert_eq!(answer.text(), "000000000200000\n000000000200010\n");
    }
}

#[test]
fn a_miss_by_head_has_the_length_that_the_origin_says_once() {
    let (_directory, server) = demo();
    let head = server.ask("HEAD", "localhost", "/hello.txt");
    let is_length = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("content-length");
    let lengths: Vec<_> = head.fields.iter().filter(is_length).collect();
    assert_eq!(lengths.len(), 1, "{head:?}");
    assert_eq!(head.field("content-length"), "28");
}
