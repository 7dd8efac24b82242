//! What is in the key, what reaches the origin, and what variants come of `Vary`.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no tests to Clippy"
)]

mod world;

use std::io::Write as _;

use edge::site::Policies;
use serde_json::{Value, json};
use world::{Asked, Origin, World, distribution, response};

/// What a policy says of query strings or cookies.
#[derive(Copy, Clone, Debug, PartialEq)]
enum Names {
    None,
    All,
    Only(&'static str),
    Except(&'static str),
}

impl Names {
    fn json(self, kind: &str, list: &str) -> Value {
        let (word, names) = match self {
            Names::None => ("none", None),
            Names::All => ("all", None),
            Names::Only(name) => ("whitelist", Some(name)),
            Names::Except(name) => ("allExcept", Some(name)),
        };
        let mut config = json!({ kind: word });
        if let Some(name) = names {
            config[list] = json!({ "Quantity": 1, "Items": [name] });
        }
        config
    }

    fn selects(self, name: &str) -> bool {
        match self {
            Names::None => false,
            Names::All => true,
            Names::Only(only) => name == only,
            Names::Except(except) => name != except,
        }
    }
}

/// An origin that lets its answers be cached and says its target and cookies.
fn echo() -> Origin {
    Origin::scripted(|asked: &Asked, _, stream| {
        let fields = [("Cache-Control", "max-age=60")];
        stream
            .write_all(response("200 OK", &fields, &asked.target).as_bytes())
            .is_ok()
    })
}

fn cache_json(headers: &Value, query: Names, cookies: Names) -> Value {
    json!({
        "Name": "test", "MinTTL": 0, "DefaultTTL": 0, "MaxTTL": 1000,
        "ParametersInCacheKeyAndForwardedToOrigin": {
            "EnableAcceptEncodingGzip": false,
            "HeadersConfig": headers,
            "CookiesConfig": cookies.json("CookieBehavior", "Cookies"),
            "QueryStringsConfig": query.json("QueryStringBehavior", "QueryStrings"),
        },
    })
}

fn origin_request_json(headers: &Value, query: Names, cookies: Names) -> Value {
    json!({
        "Name": "test",
        "HeadersConfig": headers,
        "CookiesConfig": cookies.json("CookieBehavior", "Cookies"),
        "QueryStringsConfig": query.json("QueryStringBehavior", "QueryStrings"),
    })
}

/// An edge in front of the origin with a cache policy, and an origin request policy.
fn with_policies(mut config: Value, cache: &Value, origin_request: &Value) -> World {
    let mut policies = Policies::managed();
    policies.insert_cache("c", shapes::from_value(cache).unwrap());
    policies.insert_origin_request("o", shapes::from_value(origin_request).unwrap());
    config["DefaultCacheBehavior"]["CachePolicyId"] = json!("c");
    config["DefaultCacheBehavior"]["OriginRequestPolicyId"] = json!("o");
    World::with(&config, &policies, |_| {})
}

fn no_headers() -> Value {
    json!({ "HeaderBehavior": "none" })
}

#[test]
fn queries_and_cookies_are_keyed_and_forwarded_as_the_table_says() {
    use Names::{All, Except, None, Only};
    let rules = [None, All, Only("a"), Except("a")];
    let more = [None, All, Only("b"), Except("b")];
    for (keyed, sent) in rules
        .iter()
        .flat_map(|k| more.iter().map(move |s| (*k, *s)))
    {
        let origin = echo();
        let world = with_policies(
            distribution(origin.address),
            &cache_json(&no_headers(), keyed, keyed),
            &origin_request_json(&no_headers(), sent, sent),
        );
        let forwarded = |name: &str| match (keyed, sent) {
            (Except(_), Except(_)) => keyed.selects(name) && sent.selects(name),
            _ => keyed.selects(name) || sent.selects(name),
        };
        let names: Vec<&str> = ["c", "a", "b"]
            .into_iter()
            .filter(|name| forwarded(name))
            .collect();
        let pairs = |names: &[&str], by: &str| {
            let pairs: Vec<String> = names.iter().map(|name| format!("{name}=1")).collect();
            pairs.join(by)
        };
        world.get(
            "/p?c=1&a=1&b=1",
            &[("Cookie", "c=1; b=1"), ("Cookie", "a=1")],
        );
        let asked = origin.last();
        let query = if names.is_empty() {
            String::new()
        } else {
            "?".to_owned() + &pairs(&names, "&")
        };
        assert_eq!(asked.target, format!("/p{query}"), "{keyed:?} {sent:?}");
        let mut sorted = names.clone();
        sorted.sort_unstable();
        let cookies = asked.get("cookie").unwrap_or_default();
        assert_eq!(cookies, pairs(&sorted, "; "), "{keyed:?} {sent:?}");
        for name in ["a", "b", "c"] {
            let changed = "/p?c=1&a=1&b=1".replace(&format!("{name}=1"), &format!("{name}=2"));
            let answer = world.get(&changed, &[("Cookie", "a=1; b=1; c=1")]);
            let want = if keyed.selects(name) { "Miss" } else { "Hit" };
            assert_eq!(answer.cache(), want, "query {name} {keyed:?} {sent:?}");
            let cookie = "a=1; b=1; c=1".replace(&format!("{name}=1"), &format!("{name}=2"));
            let answer = world.get("/p?c=1&a=1&b=1", &[("Cookie", &cookie)]);
            assert_eq!(answer.cache(), want, "cookie {name} {keyed:?} {sent:?}");
        }
    }
}

#[test]
fn headers_are_keyed_and_forwarded_as_the_policies_say() {
    let only = |name: &str| json!({ "HeaderBehavior": "whitelist", "Headers": { "Quantity": 1, "Items": [name] } });
    let all = json!({ "HeaderBehavior": "allViewer" });
    let except =
        json!({ "HeaderBehavior": "allExcept", "Headers": { "Quantity": 1, "Items": ["X-B"] } });
    for (keyed, sent, want) in [
        (no_headers(), no_headers(), vec![]),
        (no_headers(), only("X-B"), vec!["x-b"]),
        (no_headers(), all.clone(), vec!["x-a", "x-b", "x-c"]),
        (no_headers(), except.clone(), vec!["x-a", "x-c"]),
        (only("X-A"), no_headers(), vec!["x-a"]),
        (only("X-A"), only("X-B"), vec!["x-a", "x-b"]),
        (only("X-B"), except, vec!["x-a", "x-b", "x-c"]),
        (only("x-a"), all, vec!["x-a", "x-b", "x-c"]),
    ] {
        let origin = echo();
        let world = with_policies(
            distribution(origin.address),
            &cache_json(&keyed, Names::None, Names::None),
            &origin_request_json(&sent, Names::None, Names::None),
        );
        world.get("/", &[("X-A", "1"), ("X-B", "1"), ("X-C", "1")]);
        let asked = origin.last();
        let got: Vec<&str> = ["x-a", "x-b", "x-c"]
            .into_iter()
            .filter(|name| asked.get(name).is_some())
            .collect();
        assert_eq!(got, want, "{keyed} {sent}");
        let is_keyed = |name: &str| keyed.to_string().to_lowercase().contains(name);
        for name in ["x-a", "x-b", "x-c"] {
            let fields: Vec<(&str, &str)> = ["x-a", "x-b", "x-c"]
                .iter()
                .map(|n| (*n, if *n == name { "2" } else { "1" }))
                .collect();
            let want = if is_keyed(name) { "Miss" } else { "Hit" };
            assert_eq!(
                world.get("/", &fields).cache(),
                want,
                "{name} {keyed} {sent}"
            );
        }
    }
}

#[test]
fn the_origin_learns_the_way_that_a_request_came() {
    let origin = echo();
    let world = World::caching(origin.address, (0, 0, 100));
    let answer = world.get(
        "/",
        &[
            ("X-Forwarded-For", "198.51.100.7"),
            ("Via", "1.1 other"),
            ("CDN-Loop", "other; x=1"),
            ("User-Agent", "curl"),
        ],
    );
    let asked = origin.last();
    assert_eq!(
        asked.get("x-forwarded-for"),
        Some("198.51.100.7, 127.0.0.1")
    );
    assert_eq!(
        asked.get("via"),
        Some("1.1 other, 1.1 0123456789abcdef.test (Warmfront)")
    );
    assert_eq!(asked.get("cdn-loop"), Some("other; x=1, warmfront"));
    assert_eq!(asked.get("x-amz-cf-id"), answer.get("x-amz-cf-id"));
    assert_eq!(asked.get("host"), Some(origin.address.to_string().as_str()));
}

#[test]
fn a_request_that_goes_in_circles_is_refused() {
    let origin = echo();
    let world = World::new(&distribution(origin.address));
    assert_eq!(
        world
            .get("/", &[("CDN-Loop", "warmfront, warmfront")])
            .status,
        200
    );
    assert_eq!(
        world
            .get(
                "/",
                &[
                    ("CDN-Loop", "warmfront, warmfront"),
                    ("CDN-Loop", "warmfront")
                ]
            )
            .status,
        403
    );
    assert_eq!(origin.count(), 1);
}

#[test]
fn an_edge_that_is_its_own_origin_ends_the_circle() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut config = distribution(address);
    config["DefaultCacheBehavior"]["OriginRequestPolicyId"] =
        json!("216adef6-5c7f-47e4-b989-5492eafa07d3");
    let world = World::with(&config, &Policies::managed(), |settings| {
        settings.http = vec![address]
    });
    let answer = world.get("/", &[]);
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("came back"), "{}", answer.text());
}

#[test]
fn the_host_of_the_viewer_is_forwarded_where_a_policy_says_so() {
    let origin = echo();
    let mut config = distribution(origin.address);
    config["DefaultCacheBehavior"]["OriginRequestPolicyId"] =
        json!("216adef6-5c7f-47e4-b989-5492eafa07d3");
    let world = World::new(&config);
    world.get("/", &[]);
    assert_eq!(origin.last().get("host"), Some("site.test"));
}

#[test]
fn custom_fields_and_the_path_of_the_origin_are_put_in() {
    let origin = echo();
    let mut config = distribution(origin.address);
    config["Origins"]["Items"][0]["OriginPath"] = json!("/base");
    config["Origins"]["Items"][0]["CustomHeaders"] =
        json!({ "Quantity": 1, "Items": [{ "HeaderName": "X-Secret", "HeaderValue": "s" }] });
    let world = World::new(&config);
    world.get("/a%20b//c/../d?x=%31", &[("X-Secret", "guess")]);
    let asked = origin.last();
    assert_eq!(asked.target, "/base/a%20b//c/../d?x=%31");
    let secrets: Vec<&String> = asked
        .fields
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("x-secret"))
        .map(|(_, value)| value)
        .collect();
    assert_eq!(secrets, ["s"]);
}

#[test]
fn accept_encoding_is_one_of_four() {
    let origin = echo();
    let world = World::new(&distribution(origin.address));
    for (index, (sent, want)) in [
        (None, None),
        (Some("gzip, deflate, br"), Some("br,gzip")),
        (Some("br;q=1.0, gzip;q=0.5"), Some("br,gzip")),
        (Some("GZIP"), Some("gzip")),
        (Some("br"), Some("br")),
        (Some("gzip;q=0"), Some("identity")),
        (Some("deflate"), Some("identity")),
    ]
    .into_iter()
    .enumerate()
    {
        let fields: Vec<(&str, &str)> = sent
            .map(|value| ("Accept-Encoding", value))
            .into_iter()
            .collect();
        world.get(&format!("/{index}"), &fields);
        assert_eq!(origin.last().get("accept-encoding"), want, "{sent:?}");
    }
    assert_eq!(
        world.get("/1", &[("Accept-Encoding", "br, gzip")]).cache(),
        "Hit"
    );
    assert_eq!(
        world.get("/1", &[("Accept-Encoding", "gzip")]).cache(),
        "Miss"
    );
}

#[test]
fn legacy_settings_forward_other_fields_and_whole_queries() {
    let origin = echo();
    let mut config = distribution(origin.address);
    let behavior = config["DefaultCacheBehavior"].as_object_mut().unwrap();
    behavior.remove("CachePolicyId");
    behavior.remove("OriginRequestPolicyId");
    behavior.insert("ForwardedValues".into(), json!({
        "QueryString": true,
        "QueryStringCacheKeys": { "Quantity": 1, "Items": ["k"] },
        "Cookies": { "Forward": "whitelist", "WhitelistedNames": { "Quantity": 1, "Items": ["s*"] } },
        "Headers": { "Quantity": 1, "Items": ["Accept-Language"] },
    }));
    behavior.insert("MinTTL".into(), json!(0));
    let world = World::new(&config);
    let fields = [
        ("X-Any", "1"),
        ("Accept-Language", "de"),
        ("Cookie", "session=1; other=2"),
        ("User-Agent", "curl"),
        ("Referer", "r"),
    ];
    world.get("/?k=1&x=2", &fields);
    let asked = origin.last();
    assert_eq!(asked.target, "/?k=1&x=2");
    assert_eq!(
        (
            asked.get("x-any"),
            asked.get("accept-language"),
            asked.get("cookie")
        ),
        (Some("1"), Some("de"), Some("session=1"))
    );
    assert_eq!(
        (asked.get("user-agent"), asked.get("referer")),
        (Some("Amazon CloudFront"), None)
    );
    assert_eq!(world.get("/?k=1&x=3", &fields).cache(), "Hit");
    assert_eq!(world.get("/?k=2&x=2", &fields).cache(), "Miss");
    assert_eq!(
        world
            .get(
                "/?k=1&x=2",
                &[("Accept-Language", "en"), ("Cookie", "session=1")]
            )
            .cache(),
        "Miss"
    );
    assert_eq!(
        world
            .get(
                "/?k=1&x=2",
                &[("Accept-Language", "de"), ("Cookie", "session=2")]
            )
            .cache(),
        "Miss"
    );
}

#[test]
fn the_device_of_the_viewer_can_be_keyed() {
    let origin = echo();
    let headers = json!({ "HeaderBehavior": "whitelist", "Headers": { "Quantity": 1, "Items": ["CloudFront-Is-Mobile-Viewer"] } });
    let world = with_policies(
        distribution(origin.address),
        &cache_json(&headers, Names::None, Names::None),
        &origin_request_json(
            &json!({ "HeaderBehavior": "whitelist", "Headers": { "Quantity": 1, "Items": ["CloudFront-Viewer-Address"] } }),
            Names::None,
            Names::None,
        ),
    );
    let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1";
    let desktop = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0";
    world.get(
        "/",
        &[
            ("User-Agent", phone),
            ("CloudFront-Is-Mobile-Viewer", "false"),
            ("CloudFront-Viewer-Address", "1.2.3.4:5"),
        ],
    );
    assert_eq!(
        origin.last().get("cloudfront-is-mobile-viewer"),
        Some("true"),
        "never the viewer's own word"
    );
    assert!(
        origin
            .last()
            .get("cloudfront-viewer-address")
            .unwrap()
            .starts_with("127.0.0.1:")
    );
    assert_eq!(
        world
            .get(
                "/",
                &[
                    ("User-Agent", desktop),
                    ("CloudFront-Is-Mobile-Viewer", "true")
                ]
            )
            .cache(),
        "Miss"
    );
    assert_eq!(world.get("/", &[("User-Agent", phone)]).cache(), "Hit");
}

/// An origin whose answers vary by this, and say what they got of it.
fn varying(vary: &'static str) -> Origin {
    Origin::scripted(move |asked, _, stream| {
        let first = vary.split(',').next().unwrap().trim();
        let value = asked.get(first).unwrap_or("-").to_owned();
        let fields = [("Cache-Control", "max-age=60"), ("Vary", vary)];
        stream
            .write_all(response("200 OK", &fields, &value).as_bytes())
            .is_ok()
    })
}

#[test]
fn responses_that_vary_by_what_is_forwarded_are_told_apart() {
    let origin = varying("Accept-Language, X-Other");
    let world = World::new(&distribution(origin.address));
    for cache in ["Miss", "Hit"] {
        for language in ["de", "en"] {
            let answer = world.get("/", &[("Accept-Language", language)]);
            assert_eq!((answer.cache(), answer.text().as_str()), (cache, language));
            assert_eq!(answer.get("vary"), Some("Accept-Language, X-Other"));
        }
        assert_eq!(world.get("/", &[]).cache(), cache);
        assert_eq!(
            world.ask("HEAD", "/", &[("Accept-Language", "de")]).cache(),
            "Hit"
        );
    }
    assert_eq!(
        world.ask("HEAD", "/", &[("Accept-Language", "fr")]).cache(),
        "Miss"
    );
    assert_eq!(world.get("/", &[("Accept-Language", "fr")]).cache(), "Miss");
}

#[test]
fn what_does_not_reach_the_origin_makes_no_variants() {
    let origin = varying("User-Agent, Accept-Language, Cookie");
    let mut config = distribution(origin.address);
    config["DefaultCacheBehavior"]["OriginRequestPolicyId"] = json!(null);
    let world = World::caching_with(&config, (0, 0, 100));
    assert_eq!(
        world
            .get(
                "/",
                &[
                    ("User-Agent", "a"),
                    ("Accept-Language", "de"),
                    ("Cookie", "x=1")
                ]
            )
            .get("vary"),
        None
    );
    let other = world.get("/", &[("User-Agent", "b"), ("Accept-Language", "en")]);
    assert_eq!((other.cache(), other.get("vary")), ("Hit", None));
}

#[test]
fn a_response_that_varies_by_everything_is_cached_only_above_a_minimum() {
    let origin = varying("*");
    let world = World::caching(origin.address, (0, 0, 100));
    assert_eq!(
        (world.get("/", &[]).cache(), world.get("/", &[]).cache()),
        ("Miss", "Miss")
    );
    let world = World::caching(origin.address, (1, 1, 100));
    assert_eq!(
        (world.get("/", &[]).cache(), world.get("/", &[]).cache()),
        ("Miss", "Hit")
    );
}

#[test]
fn a_response_that_varies_no_more_replaces_its_variants() {
    let origin = Origin::scripted(|asked, number, stream| {
        let vary = if number == 0 {
            "Accept-Language"
        } else {
            "X-None"
        };
        let fields = [("Cache-Control", "max-age=10"), ("Vary", vary)];
        let body = format!("{number}{}", asked.get("accept-language").unwrap_or("-"));
        stream
            .write_all(response("200 OK", &fields, &body).as_bytes())
            .is_ok()
    });
    let world = World::new(&distribution(origin.address));
    world.get("/", &[("Accept-Language", "de")]);
    assert_eq!(world.get("/", &[("Accept-Language", "en")]).text(), "1en");
    assert_eq!(world.get("/", &[("Accept-Language", "en")]).cache(), "Hit");
    assert_eq!(world.get("/", &[("Accept-Language", "fr")]).text(), "1en");
    assert_eq!(
        world
            .get("/", &[("Accept-Language", "fr"), ("X-None", "1")])
            .cache(),
        "Miss"
    );
}
