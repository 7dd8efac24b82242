//! Errors: remembered, replaced by pages, and answered by another origin.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no tests to Clippy"
)]

mod world;

use std::io::{Read as _, Write as _};

use serde_json::{Value, json};
use world::{Answer, Origin, World, behavior, distribution, origin_json, response};

/// A port that nobody listens on.
fn nowhere() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn with_errors(mut config: Value, rules: Value) -> Value {
    let count = rules.as_array().unwrap().len();
    config["CustomErrorResponses"] = json!({ "Quantity": count, "Items": rules });
    config
}

/// How often the origin is asked when a second request comes after so many seconds.
fn asked_after(status: &str, fields: &[(&str, &str)], rules: Value, secs: u64) -> usize {
    let origin = Origin::fixed(status, fields, "error");
    let config = with_errors(distribution(origin.address), rules);
    let world = World::caching_with(&config, (0, 0, 1_000));
    for _ in 0..2 {
        let answer = world.get("/", &[]);
        assert_eq!((answer.cache(), answer.text().as_str()), ("Error", "error"));
        world.clock.advance_secs(secs);
    }
    origin.count()
}

#[test]
fn errors_are_remembered_by_status_and_minimum() {
    let none = json!([]);
    let max_age = |secs| [("Cache-Control", secs)];
    let rows = [
        ("404 Not Found", vec![], none.clone(), 9, 1),
        ("404 Not Found", vec![], none.clone(), 10, 2),
        (
            "404 Not Found",
            max_age("max-age=50").to_vec(),
            none.clone(),
            49,
            1,
        ),
        (
            "404 Not Found",
            max_age("max-age=1").to_vec(),
            none.clone(),
            9,
            1,
        ),
        (
            "404 Not Found",
            max_age("no-store").to_vec(),
            none.clone(),
            9,
            1,
        ),
        (
            "404 Not Found",
            vec![],
            json!([{ "ErrorCode": 404, "ErrorCachingMinTTL": 0 }]),
            0,
            2,
        ),
        (
            "404 Not Found",
            vec![],
            json!([{ "ErrorCode": 404, "ErrorCachingMinTTL": 60 }]),
            59,
            1,
        ),
        (
            "404 Not Found",
            vec![],
            json!([{ "ErrorCode": 403, "ErrorCachingMinTTL": 60 }]),
            59,
            2,
        ),
        ("403 Forbidden", vec![], none.clone(), 0, 2),
        (
            "403 Forbidden",
            max_age("max-age=50").to_vec(),
            none.clone(),
            49,
            1,
        ),
        (
            "401 Unauthorized",
            max_age("max-age=50").to_vec(),
            none.clone(),
            0,
            2,
        ),
        ("429 Too Many Requests", vec![], none.clone(), 0, 2),
        ("500 Internal Server Error", vec![], none.clone(), 9, 1),
        ("503 Service Unavailable", vec![], none, 9, 1),
    ];
    for (status, fields, rules, secs, want) in rows {
        let count = asked_after(status, &fields, rules.clone(), secs);
        assert_eq!(count, want, "{status} {fields:?} {rules} {secs}");
    }
}

#[test]
fn an_origin_that_takes_no_connection_is_let_alone_for_a_while() {
    let address = nowhere();
    let world = World::caching(address, (0, 0, 1_000));
    assert_eq!(world.get("/", &[]).status, 502);
    let listener = std::net::TcpListener::bind(address).unwrap();
    world.clock.advance_secs(9);
    let remembered = world.get("/", &[]);
    assert_eq!((remembered.status, remembered.cache()), (502, "Error"));
    assert!(remembered.text().contains("502"));
    assert_eq!(world.ask("HEAD", "/", &[]).status, 502);
    world.clock.advance_secs(1);
    let origin = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // An answer before the request would be no answer.
        let read = stream.read(&mut [0; 4_096]).unwrap();
        assert!(read > 0);
        stream
            .write_all(response("200 OK", &[], "back").as_bytes())
            .unwrap();
        stream
    });
    assert_eq!(world.get("/", &[]).text(), "back");
    drop(origin.join());
}

#[test]
fn errors_are_not_remembered_where_caching_is_off() {
    let origin = Origin::fixed("500 Internal Server Error", &[], "error");
    let mut config = distribution(origin.address);
    config["DefaultCacheBehavior"]["CachePolicyId"] = json!("4135ea2d-6df8-44a3-9df3-4b5a84be39ad");
    let world = World::new(&config);
    world.get("/", &[]);
    world.get("/", &[]);
    assert_eq!(origin.count(), 2);
}

/// An origin that has a page for errors, and nothing else.
fn with_page() -> Origin {
    Origin::scripted(|asked, _, stream| {
        let answer = match asked.target.as_str() {
            "/errors/404.html" => response(
                "200 OK",
                &[
                    ("Cache-Control", "max-age=600"),
                    ("Content-Type", "text/x-page"),
                    ("ETag", "\"p\""),
                ],
                "sorry",
            ),
            "/chunked" => {
                "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nraw\r\n0\r\n\r\n"
                    .into()
            }
            "/busy" => response("503 Service Unavailable", &[], "raw"),
            "/forbidden" => response("403 Forbidden", &[], "raw"),
            _ => response("404 Not Found", &[("X-Raw", "1")], "raw"),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    })
}

fn rule(code: u16, page: &str, status: &str) -> Value {
    json!({ "ErrorCode": code, "ResponsePagePath": page, "ResponseCode": status, "ErrorCachingMinTTL": 10 })
}

fn page(answer: &Answer) -> (u16, &str, String) {
    (answer.status, answer.cache(), answer.text())
}

#[test]
fn a_page_of_the_site_takes_the_place_of_an_error() {
    let origin = with_page();
    let config = with_errors(
        distribution(origin.address),
        json!([
            rule(404, "/errors/404.html", "200"),
            rule(503, "/errors/404.html", "500")
        ]),
    );
    let world = World::new(&config);
    for _ in 0..2 {
        let answer = world.get(
            "/missing",
            &[("If-None-Match", "\"p\""), ("Range", "bytes=0-1")],
        );
        assert_eq!(page(&answer), (200, "Error", "sorry".into()));
        assert_eq!(
            (
                answer.get("content-type"),
                answer.get("x-raw"),
                answer.get_all("content-length")
            ),
            (Some("text/x-page"), None, vec!["5"])
        );
    }
    assert_eq!(origin.count(), 2, "the error, and the page");
    let head = world.ask("HEAD", "/missing", &[]);
    assert_eq!((head.status, head.get("content-length")), (200, Some("5")));
    assert_eq!(
        page(&world.get("/busy", &[])),
        (500, "Error", "sorry".into())
    );
    assert_eq!(
        page(&world.get("/forbidden", &[])),
        (403, "Error", "raw".into())
    );
}

#[test]
fn an_error_of_unknown_length_is_remembered_under_its_page() {
    let origin = with_page();
    let config = with_errors(
        distribution(origin.address),
        json!([rule(404, "/errors/404.html", "404")]),
    );
    let world = World::new(&config);
    world.get("/chunked", &[]);
    world::eventually("it is remembered", || {
        let before = origin.count();
        world.get("/chunked", &[]).status == 404 && origin.count() == before
    });
    assert!(origin.count() <= 3);
}

#[test]
fn a_page_that_is_missing_leaves_the_viewer_with_that() {
    let origin = with_page();
    let config = with_errors(
        distribution(origin.address),
        json!([rule(503, "/errors/gone.html", "200")]),
    );
    let world = World::new(&config);
    assert_eq!(page(&world.get("/busy", &[])), (404, "Error", "raw".into()));
}

#[test]
fn refusals_and_unreachable_origins_get_the_page_as_well() {
    let pages = with_page();
    let mut config = with_errors(
        distribution(nowhere()),
        json!([
            rule(502, "/errors/404.html", "200"),
            rule(403, "/errors/404.html", "403")
        ]),
    );
    config["Origins"] = json!({ "Quantity": 2, "Items": [origin_json("main", nowhere()), origin_json("pages", pages.address)] });
    let mut to_pages = behavior("pages");
    to_pages["PathPattern"] = json!("/errors/*");
    config["CacheBehaviors"] = json!({ "Quantity": 1, "Items": [to_pages] });
    config["DefaultCacheBehavior"]["AllowedMethods"] =
        json!({ "Quantity": 2, "Items": ["GET", "HEAD"] });
    let world = World::new(&config);
    for _ in 0..2 {
        assert_eq!(page(&world.get("/", &[])), (200, "Error", "sorry".into()));
    }
    assert_eq!(
        page(&world.ask("DELETE", "/", &[])),
        (403, "Error", "sorry".into())
    );
}

/// A distribution with a group of two origins.
fn grouped(first: std::net::SocketAddr, second: std::net::SocketAddr, codes: Value) -> World {
    let mut config = distribution(first);
    config["Origins"] = json!({ "Quantity": 2, "Items": [origin_json("main", first), origin_json("spare", second)] });
    for index in 0..2 {
        config["Origins"]["Items"][index]["ConnectionAttempts"] = json!(1);
    }
    let count = codes.as_array().unwrap().len();
    config["OriginGroups"] = json!({ "Quantity": 1, "Items": [{
        "Id": "group",
        "FailoverCriteria": { "StatusCodes": { "Quantity": count, "Items": codes } },
        "Members": { "Quantity": 2, "Items": [{ "OriginId": "main" }, { "OriginId": "spare" }] },
    }] });
    config["DefaultCacheBehavior"]["TargetOriginId"] = json!("group");
    config["DefaultCacheBehavior"]["AllowedMethods"] = json!({
        "Quantity": 3, "Items": ["GET", "HEAD", "OPTIONS"], "CachedMethods": { "Quantity": 2, "Items": ["GET", "HEAD"] },
    });
    World::caching_with(&config, (0, 0, 1_000))
}

#[test]
fn the_second_origin_answers_for_a_failing_first() {
    let spare = Origin::fixed("200 OK", &[("Cache-Control", "max-age=60")], "spare");
    let failing = Origin::fixed("503 Service Unavailable", &[], "failing");
    let missing = Origin::fixed("404 Not Found", &[], "missing");
    for (first, codes, want) in [
        (failing.address, json!([503]), "spare"),
        (failing.address, json!([500]), "failing"),
        (missing.address, json!([404, 503]), "spare"),
        (missing.address, json!([503]), "missing"),
        (nowhere(), json!([503]), "spare"),
    ] {
        let world = grouped(first, spare.address, codes.clone());
        let answer = world.get("/", &[]);
        assert_eq!(answer.text(), want, "{codes}");
        let again = world.get("/", &[]);
        assert_eq!(again.cache(), if want == "spare" { "Hit" } else { "Error" });
        assert_eq!(world.ask("OPTIONS", "/", &[]).text(), want);
    }
    let world = grouped(failing.address, missing.address, json!([503]));
    assert_eq!(
        world.get("/", &[]).text(),
        "missing",
        "the second one's answer is final"
    );
    let world = grouped(failing.address, nowhere(), json!([503]));
    assert!(matches!(world.get("/", &[]).status, 502 | 504));
}

#[test]
fn ranges_fail_over_like_everything_else() {
    let failing = Origin::fixed("503 Service Unavailable", &[], "failing");
    let spare = Origin::serving(&world::files::file(1_000).shared());
    let world = grouped(failing.address, spare.address, json!([503]));
    let part = world.get("/", &[("Range", "bytes=1-5")]);
    assert_eq!((part.status, part.body.len()), (206, 5));
    assert_eq!(world.get("/", &[("Range", "bytes=1-5")]).cache(), "Hit");
}
