//! How long responses are used, how they are renewed, and what stands in when that fails.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no tests to Clippy"
)]

mod world;

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use world::{Asked, Gate, Origin, World, distribution, eventually, response};

/// For how many seconds a response with these fields is a hit, up to `most`.
fn lifetime(fields: &[(&str, &str)], ttl: (u64, u64, u64), most: u64) -> Option<u64> {
    let origin = Origin::fixed("200 OK", fields, "x");
    let world = World::caching(origin.address, ttl);
    world.get("/", &[]);
    if world.get("/", &[]).cache() != "Hit" {
        return None;
    }
    let mut elapsed = 0;
    for step in [1_000, 100, 10, 1] {
        while elapsed + step <= most {
            // A world of its own for each probe: looking would renew.
            let origin = Origin::fixed("200 OK", fields, "x");
            let world = World::caching(origin.address, ttl);
            world.get("/", &[]);
            world.clock.advance_secs(elapsed + step);
            if world.get("/", &[]).cache() != "Hit" {
                break;
            }
            elapsed += step;
        }
    }
    Some(elapsed + 1)
}

/// Fields of the origin; MinTTL, DefaultTTL and MaxTTL; for how long it is a hit.
type LifetimeRow = (
    &'static [(&'static str, &'static str)],
    (u64, u64, u64),
    Option<u64>,
);

#[test]
fn lifetimes_follow_the_matrix_of_origin_and_policy() {
    const DAY: (&str, &str) = ("Expires", "Tue, 14 Nov 2023 22:14:40 GMT"); // The clock starts 80 s earlier.
    let rows: [LifetimeRow; 16] = [
        (&[], (0, 30, 100), Some(30)),
        (&[], (0, 0, 100), None),
        (&[], (40, 30, 100), Some(40)),
        (&[("Cache-Control", "public")], (0, 30, 100), Some(30)),
        (&[("Cache-Control", "max-age=50")], (0, 30, 100), Some(50)),
        (&[("Cache-Control", "max-age=500")], (0, 30, 100), Some(100)),
        (&[("Cache-Control", "max-age=5")], (20, 30, 100), Some(20)),
        (
            &[("Cache-Control", "max-age=5, s-maxage=70")],
            (0, 30, 100),
            Some(70),
        ),
        (
            &[("Cache-Control", "s-maxage=0, max-age=9")],
            (0, 30, 100),
            None,
        ),
        (&[DAY], (0, 30, 100), Some(80)),
        (&[DAY], (0, 30, 60), Some(60)),
        (&[("Expires", "0")], (0, 30, 100), None),
        (&[("Cache-Control", "no-store")], (0, 30, 100), None),
        (
            &[("Cache-Control", "private, max-age=50")],
            (0, 30, 100),
            None,
        ),
        (&[("Cache-Control", "no-cache")], (15, 30, 100), Some(15)),
        (
            &[("Cache-Control", "max-age=50"), ("Age", "20")],
            (0, 30, 100),
            Some(30),
        ),
    ];
    for (fields, ttl, want) in rows {
        assert_eq!(lifetime(fields, ttl, 200), want, "{fields:?} {ttl:?}");
    }
}

#[test]
fn age_goes_on_from_the_age_that_the_origin_gave() {
    let fields = [("Cache-Control", "max-age=60"), ("Age", "20")];
    let origin = Origin::fixed("200 OK", &fields, "x");
    let world = World::caching(origin.address, (0, 0, 1_000));
    assert_eq!(world.get("/", &[]).get_all("age"), ["20"]);
    world.clock.advance_secs(5);
    assert_eq!(world.get("/", &[]).get_all("age"), ["25"]);
}

#[test]
fn redirects_are_cached_by_the_default_ttl() {
    let origin = Origin::fixed("302 Found", &[("Location", "/else")], "");
    let world = World::caching(origin.address, (0, 30, 100));
    world.get("/", &[]);
    let again = world.get("/", &[]);
    assert_eq!(
        (again.status, again.cache(), again.get("location")),
        (302, "Hit", Some("/else"))
    );
}

#[test]
fn a_response_without_content_is_cached_and_never_has_a_length() {
    let origin = Origin::scripted(|_, _, stream| {
        let answer = "HTTP/1.1 204 No Content\r\nCache-Control: max-age=60\r\n\r\n";
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let world = World::caching(origin.address, (0, 0, 100));
    for cache in ["Miss", "Hit"] {
        let answer = world.get("/", &[]);
        assert_eq!((answer.status, answer.cache()), (204, cache));
        assert_eq!(answer.get("content-length"), None);
    }
}

#[test]
fn viewers_cannot_force_a_refresh() {
    let origin = Origin::fixed("200 OK", &[("Cache-Control", "max-age=60")], "x");
    let world = World::new(&distribution(origin.address));
    world.get("/", &[]);
    for field in [
        ("Cache-Control", "no-cache"),
        ("Cache-Control", "no-store"),
        ("Pragma", "no-cache"),
    ] {
        assert_eq!(world.get("/", &[field]).cache(), "Hit", "{field:?}");
    }
}

#[test]
fn posts_and_the_like_are_never_cached_and_leave_the_cache_alone() {
    let origin = Origin::fixed("200 OK", &[("Cache-Control", "max-age=60")], "x");
    let world = World::new(&distribution(origin.address));
    world.get("/", &[]);
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        for _ in 0..2 {
            assert_eq!(
                world.ask(method, "/", &[("Content-Length", "0")]).cache(),
                "Miss",
                "{method}"
            );
        }
    }
    assert_eq!(origin.count(), 11);
    assert_eq!(world.get("/", &[]).cache(), "Hit");
}

#[test]
fn options_is_cached_apart_from_get_when_so_configured() {
    let origin = Origin::scripted(|asked, _, stream| {
        let answer = response("200 OK", &[("Cache-Control", "max-age=60")], &asked.method);
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let mut config = distribution(origin.address);
    config["DefaultCacheBehavior"]["AllowedMethods"]["CachedMethods"] =
        json!({ "Quantity": 3, "Items": ["GET", "HEAD", "OPTIONS"] });
    let world = World::new(&config);
    for cache in ["Miss", "Hit"] {
        let answer = world.ask("OPTIONS", "/", &[]);
        assert_eq!((answer.cache(), answer.text().as_str()), (cache, "OPTIONS"));
        let answer = world.ask("GET", "/", &[]);
        assert_eq!((answer.cache(), answer.text().as_str()), (cache, "GET"));
    }
}

#[test]
fn head_is_answered_from_the_object_of_get() {
    let origin = Origin::fixed("200 OK", &[("Cache-Control", "max-age=60")], "hello");
    let world = World::new(&distribution(origin.address));
    world.get("/", &[]);
    let head = world.ask("HEAD", "/", &[]);
    assert_eq!(
        (head.cache(), head.get("content-length")),
        ("Hit", Some("5"))
    );
    assert_eq!(origin.count(), 1);
}

/// An origin that knows HEAD.
fn polite(fields: &'static str, body: &'static str) -> Origin {
    Origin::scripted(move |asked, _, stream| {
        let body = if asked.method == "HEAD" { "" } else { body };
        let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        stream.write_all((head + body).as_bytes()).is_ok()
    })
}

#[test]
fn head_is_cached_with_the_length_of_get_and_does_not_answer_get() {
    let origin = polite(
        "Cache-Control: max-age=60\r\nContent-Length: 5\r\n",
        "hello",
    );
    let world = World::new(&distribution(origin.address));
    for cache in ["Miss", "Hit"] {
        let head = world.ask("HEAD", "/", &[]);
        assert_eq!(
            (head.cache(), head.get_all("content-length")),
            (cache, vec!["5"])
        );
    }
    assert_eq!(origin.last().method, "HEAD");
    let whole = world.get("/", &[]);
    assert_eq!((whole.cache(), whole.text().as_str()), ("Miss", "hello"));
    assert_eq!(world.ask("HEAD", "/", &[]).get_all("content-length"), ["5"]);
}

#[test]
fn head_of_unknown_length_claims_none() {
    let origin = polite(
        "Cache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n",
        "1\r\nx\r\n0\r\n\r\n",
    );
    let world = World::new(&distribution(origin.address));
    for cache in ["Miss", "Hit"] {
        let head = world.ask("HEAD", "/", &[]);
        assert_eq!((head.cache(), head.get("content-length")), (cache, None));
    }
}

#[test]
fn head_that_is_not_cached_keeps_its_length() {
    let origin = polite("Cache-Control: no-store\r\nContent-Length: 5\r\n", "hello");
    let world = World::new(&distribution(origin.address));
    for _ in 0..2 {
        let head = world.ask("HEAD", "/", &[]);
        assert_eq!(
            (head.cache(), head.get_all("content-length")),
            ("Miss", vec!["5"])
        );
    }
}

#[test]
fn set_cookie_goes_where_cookies_come_from() {
    let fields = [
        ("Cache-Control", "max-age=60"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
    ];
    let origin = Origin::fixed("200 OK", &fields, "x");
    let with_cookies = World::new(&distribution(origin.address));
    for cache in ["Miss", "Hit"] {
        let answer = with_cookies.get("/", &[]);
        assert_eq!(
            (answer.cache(), answer.get_all("set-cookie")),
            (cache, vec!["a=1", "b=2"])
        );
    }
    let mut config = distribution(origin.address);
    config["DefaultCacheBehavior"]["OriginRequestPolicyId"] = json!(null);
    let without = World::caching_with(&config, (0, 0, 100));
    for cache in ["Miss", "Hit"] {
        let answer = without.get("/", &[]);
        assert_eq!((answer.cache(), answer.get("set-cookie")), (cache, None));
    }
}

#[test]
fn what_must_not_be_stored_reaches_the_first_viewer_alone() {
    let fields = [
        ("Cache-Control", "max-age=60, no-cache=\"Set-Cookie\""),
        ("Set-Cookie", "a=1"),
        ("Server-Timing", "db;dur=5"),
        ("X-Kept", "yes"),
    ];
    let origin = Origin::fixed("200 OK", &fields, "x");
    let world = World::new(&distribution(origin.address));
    let first = world.get("/", &[]);
    assert_eq!(
        (first.cache(), first.get("set-cookie")),
        ("Miss", Some("a=1"))
    );
    assert_eq!(first.get("server-timing"), Some("db;dur=5"));
    let second = world.get("/", &[]);
    assert_eq!((second.cache(), second.get("set-cookie")), ("Hit", None));
    assert_eq!(
        (second.get("server-timing"), second.get("x-kept")),
        (None, Some("yes"))
    );
}

/// An origin that answers each request by its number.
fn numbered(answer: impl Fn(usize, &Asked) -> String + Send + Sync + 'static) -> Origin {
    Origin::scripted(move |asked, number, stream| {
        let answer = answer(number, asked);
        stream.write_all(answer.as_bytes()).is_ok() && !answer.is_empty()
    })
}

#[test]
fn a_304_renews_the_lifetime_and_merges_fields() {
    let origin = numbered(|number, _| {
        match number {
        0 => response("200 OK", &[("Cache-Control", "max-age=10"), ("ETag", "\"1\""), ("X-A", "old"), ("X-B", "kept")], "x"),
        _ => "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=100\r\nX-A: new\r\nConnection: x-c\r\nX-C: hop\r\n\r\n".into(),
    }
    });
    let world = World::caching(origin.address, (0, 0, 1_000));
    world.get("/", &[]);
    world.clock.advance_secs(11);
    let renewed = world.get("/", &[]);
    assert_eq!(
        (renewed.status, renewed.cache(), renewed.text().as_str()),
        (200, "RefreshHit", "x")
    );
    assert_eq!(origin.last().get("if-none-match"), Some("\"1\""));
    world.clock.advance_secs(99);
    let hit = world.get("/", &[]);
    assert_eq!((hit.cache(), hit.get("age")), ("Hit", Some("99")));
    assert_eq!(hit.get_all("x-a"), ["new"]);
    assert_eq!((hit.get("x-b"), hit.get("x-c")), (Some("kept"), None));
    assert_eq!(hit.get("content-length"), Some("1"));
}

#[test]
fn a_304_with_an_age_is_fresh_for_what_is_left() {
    let origin = numbered(|number, _| match number {
        0 => response(
            "200 OK",
            &[("Cache-Control", "max-age=60"), ("ETag", "\"1\"")],
            "x",
        ),
        _ => "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\nAge: 50\r\n\r\n".into(),
    });
    let world = World::caching(origin.address, (0, 0, 1_000));
    world.get("/", &[]);
    world.clock.advance_secs(60);
    assert_eq!(world.get("/", &[]).cache(), "RefreshHit");
    world.clock.advance_secs(9);
    let hit = world.get("/", &[]);
    assert_eq!((hit.cache(), hit.get("age")), ("Hit", Some("59")));
    world.clock.advance_secs(1);
    assert_eq!(world.get("/", &[]).cache(), "RefreshHit");
}

#[test]
fn a_revalidation_that_brings_something_new_replaces_the_old() {
    for status in ["200 OK", "404 Not Found"] {
        let origin = numbered(move |number, _| {
            let status = if number == 0 { "200 OK" } else { status };
            let body = if number == 0 { "old" } else { "new" };
            response(
                status,
                &[
                    ("Cache-Control", "max-age=10"),
                    ("Last-Modified", "Tue, 14 Nov 2023 00:00:00 GMT"),
                ],
                body,
            )
        });
        let world = World::caching(origin.address, (0, 0, 1_000));
        world.get("/", &[]);
        world.clock.advance_secs(11);
        assert_eq!(world.get("/", &[]).text(), "new");
        assert_eq!(
            origin.last().get("if-modified-since"),
            Some("Tue, 14 Nov 2023 00:00:00 GMT")
        );
        let again = world.get("/", &[]);
        assert_eq!(
            (again.text().as_str(), origin.count()),
            ("new", 2),
            "{status}"
        );
    }
}

#[test]
fn what_may_not_be_stored_any_more_takes_the_old_away() {
    let origin = numbered(|number, _| match number {
        0 => response(
            "200 OK",
            &[("Cache-Control", "max-age=10"), ("ETag", "\"1\"")],
            "old",
        ),
        1 => response("200 OK", &[("Cache-Control", "no-store")], "mine"),
        _ => response("500 Internal Server Error", &[], "failed"),
    });
    let world = World::caching(origin.address, (0, 0, 1_000));
    world.get("/", &[]);
    world.clock.advance_secs(11);
    assert_eq!(world.get("/", &[]).text(), "mine");
    assert_eq!(
        world.get("/", &[]).text(),
        "failed",
        "not the old one, nor the private one"
    );
}

#[test]
fn lifetimes_count_from_when_the_answer_came() {
    let clock: Arc<Mutex<Option<edge::Clock>>> = Arc::default();
    let slow = Arc::clone(&clock);
    let origin = Origin::scripted(move |asked, _, stream| {
        slow.lock().unwrap().as_ref().unwrap().advance_secs(20);
        let answer = match asked.target.as_str() {
            "/ok" => response("200 OK", &[("Cache-Control", "max-age=10")], "x"),
            _ => response("503 Service Unavailable", &[], "x"),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let world = World::caching(origin.address, (0, 0, 1_000));
    *clock.lock().unwrap() = Some(world.clock.clone());
    world.get("/ok", &[]);
    assert_eq!(
        world.get("/ok", &[]).cache(),
        "Hit",
        "a slow answer is as good as a fast one"
    );
    world.get("/error", &[]);
    world.get("/error", &[]);
    assert_eq!(
        origin.count(),
        2,
        "an error that came late is remembered as well"
    );
}

#[test]
fn stale_while_revalidate_answers_at_once_and_asks_once() {
    let gate = Gate::default();
    let door = gate.clone();
    let origin = numbered(move |number, _| {
        if number == 1 {
            assert!(door.wait());
        }
        response(
            "200 OK",
            &[("Cache-Control", "max-age=10, stale-while-revalidate=60")],
            &format!("v{number}"),
        )
    });
    let world = World::caching(origin.address, (0, 0, 1_000));
    world.get("/", &[]);
    world.clock.advance_secs(15);
    for _ in 0..5 {
        let stale = world.get("/", &[]);
        assert_eq!(
            (stale.cache(), stale.text().as_str(), stale.get("age")),
            ("Hit", "v0", Some("15"))
        );
    }
    eventually("the origin is asked", || origin.count() == 2);
    gate.open();
    eventually("the new one is there", || {
        world.get("/", &[]).text() == "v1"
    });
    assert_eq!(origin.count(), 2);
    world.clock.advance_secs(70);
    assert_eq!(world.get("/", &[]).text(), "v2", "after that time it waits");
}

#[test]
fn a_refresh_in_the_background_brings_bodies_of_any_kind() {
    let big = "b".repeat(3 << 20);
    let origin = numbered(move |number, asked| {
        let fields = "Cache-Control: max-age=10, stale-while-revalidate=600\r\n";
        match asked.target.as_str() {
            "/chunked" => format!(
                "HTTP/1.1 200 OK\r\n{fields}Transfer-Encoding: chunked\r\n\r\n2\r\nv{number}\r\n0\r\n\r\n"
            ),
            _ => format!(
                "HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\nv{number}{big}",
                big.len() + 2
            ),
        }
    });
    for target in ["/chunked", "/big"] {
        let world = World::caching(origin.address, (0, 0, 1_000));
        world.get(target, &[]);
        let before = origin.count();
        world.clock.advance_secs(15);
        assert_eq!(world.get(target, &[]).cache(), "Hit");
        eventually("the origin is asked", || origin.count() == before + 1);
        let new = format!("v{before}");
        eventually("the new one is there", || {
            world.get(target, &[]).text().starts_with(&new)
        });
        assert_eq!(origin.count(), before + 1, "{target}");
    }
}

/// A world whose origin answers once, with this `Cache-Control`, and then fails: with a 503, or
/// by closing the connection.
fn failing(cache_control: &'static str, closes: bool) -> (World, Origin) {
    let origin = numbered(move |number, _| match number {
        0 => response(
            "200 OK",
            &[("Cache-Control", cache_control), ("ETag", "\"1\"")],
            "good",
        ),
        _ if closes => String::new(),
        _ => response("503 Service Unavailable", &[], "bad"),
    });
    let world = World::caching(origin.address, (0, 0, 1_000));
    world.get("/", &[]);
    world.clock.advance_secs(60);
    (world, origin)
}

#[test]
fn the_old_response_stands_in_for_a_failing_origin_and_spares_it() {
    for closes in [false, true] {
        let (world, origin) = failing("max-age=60", closes);
        assert_eq!(world.get("/", &[]).text(), "good");
        let asked = origin.count();
        world.clock.advance_secs(9);
        assert_eq!(
            (world.get("/", &[]).text().as_str(), origin.count()),
            ("good", asked)
        );
        world.clock.advance_secs(1);
        assert_eq!(world.get("/", &[]).text(), "good");
        assert!(origin.count() > asked, "after the pause it is tried again");
    }
}

#[test]
fn stale_if_error_limits_how_long_the_old_response_stands_in() {
    let (world, _origin) = failing("max-age=60, stale-if-error=15", false);
    assert_eq!(world.get("/", &[]).text(), "good");
    world.clock.advance_secs(14);
    assert_eq!(world.get("/", &[]).text(), "good");
    world.clock.advance_secs(1);
    assert_eq!(world.get("/", &[]).status, 503);
}

#[test]
fn origins_can_forbid_that_the_old_response_stands_in() {
    for cache_control in [
        "max-age=60, stale-if-error=0",
        "max-age=60, must-revalidate",
        "max-age=60, proxy-revalidate",
    ] {
        let (world, _origin) = failing(cache_control, false);
        assert_eq!(world.get("/", &[]).status, 503, "{cache_control}");
    }
    let (world, _origin) = failing("max-age=60, must-revalidate", true);
    assert_eq!(world.get("/", &[]).status, 502);
}

#[test]
fn a_failed_refresh_in_the_background_does_not_end_its_time() {
    let (world, origin) = failing("max-age=50, stale-while-revalidate=600", false);
    assert_eq!(world.get("/", &[]).text(), "good");
    eventually("the refresh is over", || origin.count() == 2);
    eventually("the origin is let alone", || {
        let before = origin.count();
        (0..3).all(|_| world.get("/", &[]).text() == "good") && origin.count() == before
    });
    world.clock.advance_secs(30);
    let gate = origin.count();
    assert_eq!(world.get("/", &[]).text(), "good");
    eventually("tried again", || origin.count() > gate);
}

#[test]
fn the_pause_is_that_of_the_status() {
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let origin = numbered(move |number, _| {
        count.fetch_add(1, Ordering::SeqCst);
        match number {
            0 => response("200 OK", &[("Cache-Control", "max-age=10")], "good"),
            _ => response("503 Service Unavailable", &[], "bad"),
        }
    });
    let mut config = distribution(origin.address);
    config["CustomErrorResponses"] =
        json!({ "Quantity": 1, "Items": [{ "ErrorCode": 503, "ErrorCachingMinTTL": 100 }] });
    let world = World::caching_with(&config, (0, 0, 1_000));
    world.get("/", &[]);
    world.clock.advance_secs(10);
    world.get("/", &[]);
    world.clock.advance_secs(99);
    assert_eq!(
        (
            world.get("/", &[]).text().as_str(),
            served.load(Ordering::SeqCst)
        ),
        ("good", 2)
    );
}

#[test]
fn conditions_of_viewers_are_answered_from_the_cache() {
    let date = "Tue, 14 Nov 2023 00:00:00 GMT";
    let fields = [
        ("Cache-Control", "max-age=60"),
        ("ETag", "\"v1\""),
        ("Last-Modified", date),
        ("Content-Type", "text/x"),
        ("X-Other", "1"),
    ];
    let origin = Origin::fixed("200 OK", &fields, "x");
    let world = World::new(&distribution(origin.address));
    world.get("/", &[]);
    let rows: [(&[(&str, &str)], u16); 13] = [
        (&[("If-None-Match", "\"v1\"")], 304),
        (&[("If-None-Match", "W/\"v1\"")], 304),
        (&[("If-None-Match", "\"a\", \"v1\"")], 304),
        (&[("If-None-Match", "*")], 304),
        (&[("If-None-Match", "\"v2\"")], 200),
        (
            &[("If-None-Match", "\"v2\""), ("If-Modified-Since", date)],
            200,
        ),
        (&[("If-Modified-Since", date)], 304),
        (
            &[("If-Modified-Since", "Mon, 13 Nov 2023 00:00:00 GMT")],
            200,
        ),
        (&[("If-Modified-Since", "nonsense")], 200),
        (&[("If-Match", "\"v2\"")], 412),
        (&[("If-Match", "\"v1\"")], 200),
        (
            &[("If-Unmodified-Since", "Mon, 13 Nov 2023 00:00:00 GMT")],
            412,
        ),
        (&[("If-Unmodified-Since", date)], 200),
    ];
    for (fields, status) in rows {
        for method in ["GET", "HEAD"] {
            assert_eq!(
                world.ask(method, "/", fields).status,
                status,
                "{method} {fields:?}"
            );
        }
    }
    assert_eq!(origin.count(), 1);
    let unchanged = world.get("/", &[("If-None-Match", "\"v1\"")]);
    assert_eq!(
        (
            unchanged.cache(),
            unchanged.get("etag"),
            unchanged.get("cache-control")
        ),
        ("Hit", Some("\"v1\""), Some("max-age=60"))
    );
    assert!(unchanged.get("date").is_some() && unchanged.get("age").is_some());
    assert_eq!(
        (
            unchanged.get("content-length"),
            unchanged.get("content-type")
        ),
        (None, None)
    );
}

#[test]
fn a_condition_that_comes_before_the_object_still_brings_it_in() {
    for body in [
        "Content-Length: 1\r\n\r\nx",
        "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    ] {
        let origin = numbered(move |_, _| {
            format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nETag: \"v1\"\r\n{body}")
        });
        let world = World::new(&distribution(origin.address));
        assert_eq!(world.get("/", &[("If-None-Match", "\"v1\"")]).status, 304);
        eventually("it is stored", || world.get("/", &[]).cache() == "Hit");
        assert_eq!(origin.count(), 1);
    }
}
