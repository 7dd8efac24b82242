//! The simplest things first: a miss, a hit, an error.

mod world;

use world::{Origin, World, distribution};

#[test]
fn a_second_request_is_answered_from_the_cache() {
    let origin = Origin::fixed(
        "200 OK",
        &[("Cache-Control", "max-age=60"), ("ETag", "\"v1\"")],
        "hello",
    );
    let world = World::new(&distribution(origin.address));
    let cold = world.get("/a", &[]);
    assert_eq!(
        (cold.status, cold.cache(), cold.text().as_str()),
        (200, "Miss", "hello")
    );
    world.clock.advance_secs(7);
    let warm = world.get("/a", &[]);
    assert_eq!(
        (warm.status, warm.cache(), warm.text().as_str()),
        (200, "Hit", "hello")
    );
    assert_eq!(warm.get("age"), Some("7"));
    assert_eq!(warm.get("x-amz-cf-pop"), Some("TST1-C1"));
    assert_eq!(
        warm.get("via"),
        Some("1.1 0123456789abcdef.test (Warmfront)")
    );
    assert_eq!(warm.get("x-amz-cf-id").map(str::len), Some(56));
    assert_eq!(warm.get("content-length"), Some("5"));
    assert_eq!(origin.count(), 1);
}

#[test]
fn an_expired_object_is_revalidated_by_its_entity_tag() {
    let origin = Origin::scripted(|asked, _, stream| {
        use std::io::Write as _;
        let fields = [("Cache-Control", "max-age=60"), ("ETag", "\"v1\"")];
        let answer = match asked.get("if-none-match") {
            Some("\"v1\"") => {
                "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nCache-Control: max-age=60\r\n\r\n"
                    .to_owned()
            }
            _ => world::response("200 OK", &fields, "hello"),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let world = World::new(&distribution(origin.address));
    assert_eq!(world.get("/a", &[]).cache(), "Miss");
    world.clock.advance_secs(61);
    let renewed = world.get("/a", &[]);
    assert_eq!(
        (renewed.cache(), renewed.text().as_str()),
        ("RefreshHit", "hello")
    );
    assert_eq!(world.get("/a", &[]).cache(), "Hit");
    assert_eq!(origin.count(), 2);
}

#[test]
fn an_unknown_host_gets_a_page_that_says_so() {
    let origin = Origin::fixed("200 OK", &[], "hello");
    let world = World::new(&distribution(origin.address));
    let answer = world.get("/", &[("Host", "other.test")]);
    assert_eq!((answer.status, answer.cache()), (403, "Error"));
    assert!(answer.text().contains("no site"), "{}", answer.text());
}

#[test]
fn an_origin_that_is_away_is_told_as_502_and_remembered() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let world = World::new(&distribution(gone));
    let answer = world.get("/a", &[]);
    assert_eq!((answer.status, answer.cache()), (502, "Error"));
}

#[test]
fn a_post_reaches_the_origin_with_its_body() {
    let origin = Origin::fixed("201 Created", &[], "made");
    let world = World::new(&distribution(origin.address));
    let mut client = world.client();
    client.send("POST /a HTTP/1.1\r\nHost: site.test\r\nContent-Length: 5\r\n\r\nab");
    client.send("cde");
    let answer = client.read_answer("POST").unwrap();
    assert_eq!(
        (answer.status, answer.cache(), answer.text().as_str()),
        (201, "Miss", "made")
    );
    assert_eq!(origin.last().body, b"abcde");
    assert_eq!(
        client.get("/b", &[]).status,
        201,
        "the connection is used again"
    );
}
