//! What a distribution allows, and what it adds to responses.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no tests to Clippy"
)]

mod world;

use std::net::IpAddr;
use std::sync::Arc;

use edge::site::Policies;
use geo::testing::{DatabaseWriter, Datum};
use serde_json::{Value, json};
use world::{Answer, Origin, World, distribution};

fn hello() -> Origin {
    Origin::fixed(
        "200 OK",
        &[
            ("Cache-Control", "max-age=60"),
            ("Server", "nginx"),
            ("X-Powered-By", "php"),
            ("X-Frame-Options", "ALLOWALL"),
        ],
        "hello",
    )
}

/// An edge with a response headers policy.
fn with_response_headers(origin: &Origin, policy: Value) -> World {
    let mut policies = Policies::managed();
    let mut config = json!({ "Name": "test" });
    for (name, value) in policy.as_object().unwrap() {
        config[name] = value.clone();
    }
    policies.insert_response_headers("r", shapes::from_value(&config).unwrap());
    let mut config = distribution(origin.address);
    config["DefaultCacheBehavior"]["ResponseHeadersPolicyId"] = json!("r");
    World::with(&config, &policies, |_| {})
}

fn list(items: &[&str]) -> Value {
    json!({ "Quantity": items.len(), "Items": items })
}

#[test]
fn plain_requests_are_redirected_or_refused_as_the_behavior_says() {
    let origin = hello();
    let mut config = distribution(origin.address);
    config["DefaultCacheBehavior"]["ViewerProtocolPolicy"] = json!("redirect-to-https");
    config["DefaultRootObject"] = json!("index.html");
    let world = World::new(&config);
    for (method, status) in [
        ("GET", 301),
        ("HEAD", 301),
        ("POST", 307),
        ("PUT", 307),
        ("DELETE", 307),
        ("OPTIONS", 307),
    ] {
        let answer = world.ask(
            method,
            "/?a=b%20",
            &[("Host", "site.test:8080"), ("Content-Length", "0")],
        );
        assert_eq!(
            (answer.status, answer.cache()),
            (status, "Redirect"),
            "{method}"
        );
        assert_eq!(answer.get("location"), Some("https://site.test/?a=b%20"));
        assert_eq!(answer.body.is_empty(), method == "HEAD");
    }
    let mut client = world.client();
    client.send("POST / HTTP/1.0\r\nHost: site.test\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.read_answer("POST").unwrap().status, 403);
    config["DefaultCacheBehavior"]["ViewerProtocolPolicy"] = json!("https-only");
    let world = World::new(&config);
    assert_eq!(world.get("/", &[]).status, 403);
    assert_eq!(origin.count(), 0);
}

#[test]
fn methods_that_are_not_allowed_are_refused() {
    let origin = hello();
    let mut config = distribution(origin.address);
    config["DefaultCacheBehavior"]["AllowedMethods"] = json!({
        "Quantity": 2, "Items": ["GET", "HEAD"], "CachedMethods": list(&["GET", "HEAD"]),
    });
    let world = World::new(&config);
    for method in ["OPTIONS", "POST", "PUT", "PATCH", "DELETE"] {
        let answer = world.ask(method, "/", &[("Content-Length", "0")]);
        assert_eq!((answer.status, answer.cache()), (403, "Error"), "{method}");
    }
    for method in ["PROPFIND", "TRACE", "get"] {
        let answer = world.ask(method, "/", &[]);
        assert!(
            matches!(answer.status, 400 | 403 | 405 | 501),
            "{method} {}",
            answer.status
        );
    }
    assert_eq!(origin.count(), 0);
}

#[test]
fn a_get_with_a_body_is_refused() {
    let origin = hello();
    let world = World::new(&distribution(origin.address));
    for body in [
        "Content-Length: 2\r\n\r\nab",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    ] {
        let mut client = world.client();
        client.send(format!("GET / HTTP/1.1\r\nHost: site.test\r\n{body}"));
        assert_eq!(client.read_answer("GET").unwrap().status, 403);
    }
    assert_eq!(world.get("/", &[("Content-Length", "0")]).status, 200);
}

/// An edge whose database has the test's own address in Germany.
fn in_germany(restriction: &Value) -> (World, Origin) {
    let origin = hello();
    let mut config = distribution(origin.address);
    config["Restrictions"] = json!({ "GeoRestriction": restriction });
    let address: IpAddr = "127.0.0.0".parse().unwrap();
    let database = DatabaseWriter::new(24)
        .add(address, 8, &Datum::country("DE"))
        .finish();
    let database = Arc::new(geo::Geo::compile(&database).unwrap());
    let world = World::with(&config, &Policies::managed(), |settings| {
        settings.geo = Some(database)
    });
    (world, origin)
}

#[test]
fn countries_are_allowed_and_blocked() {
    for (kind, countries, status) in [
        ("whitelist", ["DE", "FR"], 200),
        ("whitelist", ["US", "FR"], 403),
        ("blacklist", ["DE", "FR"], 403),
        ("blacklist", ["US", "FR"], 200),
    ] {
        let (world, _origin) =
            in_germany(&json!({ "RestrictionType": kind, "Quantity": 2, "Items": countries }));
        assert_eq!(world.get("/", &[]).status, status, "{kind} {countries:?}");
    }
}

#[test]
fn a_distribution_that_is_off_serves_nothing() {
    let origin = hello();
    let mut config = distribution(origin.address);
    config["Enabled"] = json!(false);
    let answer = World::new(&config).get("/", &[]);
    assert_eq!(
        (answer.status, answer.cache(), origin.count()),
        (403, "Error", 0)
    );
}

#[test]
fn signers_of_the_old_kind_have_no_keys_here_so_that_nobody_gets_in() {
    let origin = hello();
    let mut config = distribution(origin.address);
    config["DefaultCacheBehavior"]["TrustedSigners"] =
        json!({ "Enabled": true, "Quantity": 1, "Items": ["self"] });
    let world = World::new(&config);
    assert_eq!(world.get("/", &[]).status, 403);
    assert_eq!(origin.count(), 0);
}

#[test]
fn the_root_object_stands_for_the_root_alone() {
    let origin = hello();
    let mut config = distribution(origin.address);
    config["DefaultRootObject"] = json!("index.html");
    config["Origins"]["Items"][0]["OriginPath"] = json!("/site");
    let world = World::new(&config);
    for (target, want) in [
        ("/?a=1", "/site/index.html?a=1"),
        ("/sub/", "/site/sub/"),
        ("/other", "/site/other"),
    ] {
        world.get(target, &[]);
        assert_eq!(origin.last().target, want);
    }
    assert_eq!(
        world.get("/index.html?a=1", &[]).cache(),
        "Hit",
        "the same object"
    );
}

#[test]
fn fields_are_removed_added_and_overridden_on_misses_hits_and_errors() {
    let origin = hello();
    let custom = |name: &str, value: &str, overrides: bool| json!({ "Header": name, "Value": value, "Override": overrides });
    let world = with_response_headers(
        &origin,
        json!({
            "RemoveHeadersConfig": { "Quantity": 2, "Items": [{ "Header": "X-Powered-By" }, { "Header": "Server" }] },
            "CustomHeadersConfig": { "Quantity": 2, "Items": [custom("X-New", "1", true), custom("Cache-Control", "no-cache", true)] },
            "SecurityHeadersConfig": {
                "FrameOptions": { "Override": true, "FrameOption": "DENY" },
                "ContentTypeOptions": { "Override": true },
                "StrictTransportSecurity": { "Override": true, "AccessControlMaxAgeSec": 60, "IncludeSubdomains": false, "Preload": false },
            },
        }),
    );
    let check = |answer: &Answer| {
        assert_eq!(answer.get("x-powered-by"), None);
        assert_ne!(answer.get("server"), Some("nginx"));
        assert_eq!(answer.get_all("x-new"), ["1"]);
        assert_eq!(answer.get_all("cache-control"), ["no-cache"]);
        assert_eq!(answer.get_all("x-frame-options"), ["DENY"]);
        assert_eq!(answer.get_all("strict-transport-security"), ["max-age=60"]);
        assert_eq!(answer.get_all("x-content-type-options"), ["nosniff"]);
    };
    for cache in ["Miss", "Hit", "Hit"] {
        let answer = world.get("/", &[]);
        assert_eq!(answer.cache(), cache, "the lifetime is the origin's");
        check(&answer);
    }
    check(&world.get(
        "/",
        &[("If-Modified-Since", "Tue, 14 Nov 2030 00:00:00 GMT")],
    ));
}

#[test]
fn cross_origin_fields_go_to_those_who_may() {
    let origin = Origin::fixed(
        "200 OK",
        &[
            ("Cache-Control", "max-age=60"),
            ("Access-Control-Allow-Origin", "https://origin.says"),
        ],
        "x",
    );
    let world = with_response_headers(
        &origin,
        json!({ "CorsConfig": {
        "AccessControlAllowOrigins": list(&["*.example.org"]),
        "AccessControlAllowHeaders": list(&["*"]),
        "AccessControlAllowMethods": list(&["GET"]),
        "AccessControlExposeHeaders": list(&["X-A"]),
        "AccessControlAllowCredentials": false,
        "OriginOverride": true,
    } }),
    );
    for _ in 0..2 {
        let allowed = world.get("/", &[("Origin", "https://a.example.org")]);
        assert_eq!(
            allowed.get_all("access-control-allow-origin"),
            ["https://a.example.org"]
        );
        assert_eq!(allowed.get("access-control-expose-headers"), Some("X-A"));
        let other = world.get("/", &[("Origin", "https://a.example.com")]);
        assert_ne!(
            other.get("access-control-allow-origin"),
            Some("https://a.example.com")
        );
    }
    assert_eq!(origin.count(), 2, "the key of this cache policy has Origin");
}

#[test]
fn server_timing_tells_hits_from_misses() {
    let origin = Origin::fixed(
        "200 OK",
        &[
            ("Cache-Control", "max-age=60"),
            ("Server-Timing", "db;dur=5"),
        ],
        "x",
    );
    let world = with_response_headers(
        &origin,
        json!({ "ServerTimingHeadersConfig": { "Enabled": true, "SamplingRate": 0.0 } }),
    );
    assert_eq!(
        world.get("/other", &[]).get_all("server-timing"),
        ["db;dur=5"],
        "not asked for"
    );
    let asked = [("Pragma", "server-timing")];
    let miss = world.get("/", &asked).get_all("server-timing").join(",");
    assert!(
        miss.contains("cdn-cache-miss")
            && miss.contains("cdn-upstream-fbl;dur=")
            && miss.contains("db;dur=5"),
        "{miss}"
    );
    let hit = world.get("/", &asked).get_all("server-timing").join(",");
    assert!(
        hit.contains("cdn-cache-hit")
            && hit.contains("cdn-pop;desc=\"TST1-C1\"")
            && !hit.contains("db;dur=5"),
        "{hit}"
    );
    assert_eq!(world.get("/", &[]).get("server-timing"), None);
}

#[test]
fn policies_apply_to_redirects_and_to_the_edges_own_errors() {
    let mut policies = Policies::managed();
    let config = json!({ "Name": "test", "CustomHeadersConfig": { "Quantity": 2, "Items": [
        { "Header": "X-New", "Value": "1", "Override": true },
        { "Header": "Content-Type", "Value": "text/own", "Override": true },
    ] } });
    policies.insert_response_headers("r", shapes::from_value(&config).unwrap());
    let origin = hello();
    let mut config = distribution(origin.address);
    config["DefaultCacheBehavior"]["ResponseHeadersPolicyId"] = json!("r");
    config["DefaultCacheBehavior"]["ViewerProtocolPolicy"] = json!("redirect-to-https");
    assert_eq!(
        World::with(&config, &policies, |_| {})
            .get("/", &[])
            .get("x-new"),
        Some("1")
    );
    config["DefaultCacheBehavior"]["ViewerProtocolPolicy"] = json!("allow-all");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    config["Origins"]["Items"][0]["CustomOriginConfig"]["HTTPPort"] =
        json!(listener.local_addr().unwrap().port());
    drop(listener);
    let world = World::with(&config, &policies, |_| {});
    for _ in 0..2 {
        let answer = world.get("/", &[]);
        assert_eq!((answer.status, answer.get("x-new")), (502, Some("1")));
        assert_eq!(answer.get_all("content-type"), ["text/own"]);
    }
    config["DefaultCacheBehavior"]["ViewerProtocolPolicy"] = json!("https-only");
    let answer = World::with(&config, &policies, |_| {}).get("/", &[]);
    assert_eq!(
        (answer.status, answer.get("x-new")),
        (403, Some("1")),
        "a refusal has a behavior too"
    );
}

#[test]
fn behaviors_are_chosen_by_path_and_first_match() {
    let (first, second) = (hello(), Origin::fixed("200 OK", &[], "second"));
    let mut config = distribution(first.address);
    config["Origins"] = json!({ "Quantity": 2, "Items": [
        world::origin_json("main", first.address), world::origin_json("two", second.address),
    ] });
    let mut images = world::behavior("two");
    images["PathPattern"] = json!("images/*.jpg");
    config["CacheBehaviors"] = json!({ "Quantity": 1, "Items": [images] });
    let world = World::new(&config);
    for (target, want) in [
        ("/images/a.jpg", "second"),
        ("/images/b/c.jpg?x=1", "second"),
        ("/images/a.JPG", "hello"),
        ("/a.jpg", "hello"),
        ("/a?x=/images/a.jpg", "hello"),
    ] {
        assert_eq!(world.get(target, &[]).text(), want, "{target}");
    }
}
