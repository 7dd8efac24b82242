//! Signed URLs and cookies over real sockets: what opens a behavior, what does not, and that
//! nothing private is ever had without (spec §9).

#![allow(
    clippy::unwrap_used,
    reason = "Clippy sees a test only in what is marked as one"
)]

mod world;

use std::io::Write;
use std::sync::Arc;

use edge::site::Policies;
use serde_json::{Value, json};
use signed::sign::{self, SigningKey, Terms};
use world::{
    Answer, Gate, Origin, World, behavior, distribution, eventually, let_them_arrive, response,
};

/// The clock of these worlds begins here.
const NOW_SECS: u64 = 1_700_000_000;

fn pem(name: &str) -> String {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/signing");
    std::fs::read_to_string(format!("{dir}/{name}.pem")).unwrap()
}

fn key(name: &str) -> SigningKey {
    SigningKey::from_pem(&pem(name)).unwrap()
}

/// Two keys, each in a group of its own.
fn policies() -> Policies {
    let mut policies = Policies::managed();
    policies.insert_cache("test", world::cache_policy(0, 100, 1_000));
    let private = &mut policies.private;
    for (name, id, group) in [("ours", "KOURS", "members"), ("other", "KOTHER", "others")] {
        let public = json!({
            "CallerReference": name, "Name": name, "EncodedKey": pem(&format!("{name}.pub")),
        });
        let public = shapes::from_value(&public).unwrap();
        private.public_keys.insert(id.into(), public);
        let config = shapes::from_value(&json!({ "Name": group, "Items": [id] })).unwrap();
        private.key_groups.insert(group.into(), config);
    }
    policies
}

fn signers(group: &str) -> Value {
    json!({ "Enabled": true, "Quantity": 1, "Items": [group] })
}

/// `/private/*` opens to members, `/other/*` to others, everything else to all.
fn config(origin: &Origin) -> Value {
    let mut config = distribution(origin.address);
    let items = [("/private/*", "members"), ("/other/*", "others")].map(|(pattern, group)| {
        let mut item = behavior("main");
        item["PathPattern"] = json!(pattern);
        item["TrustedKeyGroups"] = signers(group);
        item
    });
    config["CacheBehaviors"] = json!({ "Quantity": 2, "Items": items });
    config["Aliases"] = json!({ "Quantity": 2, "Items": ["site.test", "alias.test"] });
    config
}

fn secret() -> Origin {
    Origin::scripted(|asked, _, stream| {
        let fields = [("Cache-Control", "max-age=100"), ("ETag", "\"1\"")];
        let answer = response("200 OK", &fields, &format!("secret of {}", asked.target));
        stream.write_all(answer.as_bytes()).is_ok()
    })
}

fn world(origin: &Origin) -> World {
    World::with(&config(origin), &policies(), |_| {})
}

fn until(expires_secs: u64) -> Terms<'static> {
    Terms {
        expires_secs,
        not_before_secs: None,
        cidr: None,
        resource: None,
    }
}

/// The target of a URL that members may see for another hour, on terms that a test changes.
fn signed_on(url: &str, terms: &Terms<'_>) -> String {
    let url = sign::sign(url, terms, "KOURS", &key("ours")).unwrap().url();
    let at = url.find("/private").unwrap();
    url[at..].to_owned()
}

fn signed(path: &str) -> String {
    signed_on(&format!("http://site.test{path}"), &until(NOW_SECS + 3_600))
}

/// `Cookie` for whatever a pattern names.
fn cookies(resource: &str) -> String {
    let terms = Terms {
        resource: Some(resource),
        ..until(NOW_SECS + 3_600)
    };
    let url = resource.replace('*', "x");
    let signed = sign::sign(&url, &terms, "KOURS", &key("ours")).unwrap();
    let pairs = signed
        .cookies()
        .map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("; ")
}

fn assert_refused(answer: &Answer, code: &str) {
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(answer.get("content-type"), Some("text/xml"));
    assert_eq!(answer.cache(), "Error");
    let text = answer.text();
    assert!(text.contains(&format!("<Code>{code}</Code>")), "{text}");
    assert!(!text.contains("secret"));
}

#[test]
fn a_signature_opens_and_reaches_neither_the_key_nor_the_origin() {
    let origin = secret();
    let world = world(&origin);
    let first = world.get(&signed("/private/a?x=1"), &[]);
    assert_eq!((first.status, first.cache()), (200, "Miss"));
    assert_eq!(origin.last().target, "/private/a?x=1");
    // Another signature, for the same object.
    let terms = until(NOW_SECS + 60);
    let second = world.get(&signed_on("http://site.test/private/a?x=1", &terms), &[]);
    assert_eq!((second.status, second.cache()), (200, "Hit"));
    let by_cookie = world.get(
        "/private/a?x=1",
        &[("Cookie", &cookies("http://site.test/private/*"))],
    );
    assert_eq!((by_cookie.status, by_cookie.cache()), (200, "Hit"));
    assert_eq!(origin.count(), 1);
    assert_eq!(origin.last().get("cookie"), None);
}

#[test]
fn what_is_cached_is_not_had_without_a_signature() {
    let origin = secret();
    let world = world(&origin);
    let target = signed("/private/a");
    assert_eq!(world.get(&target, &[]).status, 200);
    assert_eq!(world.get(&target, &[]).cache(), "Hit");
    assert_refused(&world.get("/private/a", &[]), "MissingKey");
    assert_refused(
        &world.get("/private/a", &[("Range", "bytes=0-3")]),
        "MissingKey",
    );
    assert_refused(
        &world.get("/private/a", &[("If-None-Match", "\"1\"")]),
        "MissingKey",
    );
    for method in ["HEAD", "OPTIONS", "POST", "DELETE", "PUT", "PATCH"] {
        assert_eq!(world.ask(method, "/private/a", &[]).status, 403, "{method}");
    }
    assert_eq!(origin.count(), 1);
}

#[test]
fn a_private_path_is_private_in_every_spelling() {
    let origin = secret();
    let world = world(&origin);
    for path in [
        "/public/../private/a",
        "/./private/a",
        "//private/a",
        "/%70rivate/a",
        "/private%2Fa",
        "/private%2fa",
        "/public/%2e%2e/private/a",
        "/public/%2E./private/a",
        "/public%2F..%2Fprivate%2Fa",
        "/public/..%2Fprivate/a",
        "/x/..//private/a",
        "/%2570rivate/a",
        "/private/a/../../public",
        "/private/a%2F..%2F..%2Fpublic",
        "/public\\..\\private\\a",
        "/%5Cprivate%5Ca",
        "/../private/a",
        "/private;x/a",
        "/a;x/..;y/private/a",
        "/private;x%2Fa",
        // An origin for which a backslash is a letter finds it in the root.
        "/z%5Cz%2F..%2Fprivate/a",
        "/z\\z%2F..%2Fprivate/a",
        // So does one that decodes twice before it resolves.
        "/z/z%252Fz%2F..%2F..%2F..%2Fprivate/a",
        // One whose paths all begin with `/public` may have the private ones beside them.
        "/../root/private/a",
        "/a/../../root/private/a",
        "/private/",
        "/private//a",
    ] {
        let answer = world.get(path, &[]);
        assert!(
            matches!(answer.status, 400 | 403),
            "{path}: {}",
            answer.status
        );
        assert!(!answer.text().contains("secret"), "{path}");
    }
    assert_eq!(origin.count(), 0);
    // What only looks like it is not.
    for path in ["/Private/a", "/privat/a", "/public/private/a", "/private"] {
        assert_eq!(world.get(path, &[]).status, 200, "{path}");
    }
}

#[test]
fn a_signature_for_one_part_of_a_site_opens_no_other() {
    let origin = secret();
    let world = world(&origin);
    let cookies = cookies("http://site.test/private/a/*");
    let ask = |path: &str| world.get(path, &[("Cookie", &cookies)]);
    assert_eq!(ask("/private/a/b").status, 200);
    for path in [
        "/private/b",
        "/private/a/../b",
        "/private/a/%2e%2e/b",
        "/private/a/..%2fb",
        "/private/a%2F..%2Fb",
        "/private/a/b/../../b",
        "/private/a/x%2Fy/../../b",
        "/private/a/x%5Cy%2F..%2F..%2Fb",
        "/private/A/b",
    ] {
        assert_refused(&ask(path), "AccessDenied");
    }
    // Members are not others, though the path begins where they may be.
    assert_refused(&ask("/other/a"), "InvalidKey");
    assert_eq!(ask("/private/a/../../other/a").status, 403);
    assert_eq!(ask("/other%2Fa").status, 403);
    assert_eq!(origin.count(), 1);
}

#[test]
fn a_signature_ends_with_its_time_though_it_is_remembered() {
    let origin = secret();
    let world = world(&origin);
    let target = signed_on("http://site.test/private/a", &until(NOW_SECS + 10));
    assert_eq!(world.get(&target, &[]).status, 200);
    world.clock.advance_secs(9);
    assert_eq!(world.get(&target, &[]).cache(), "Hit");
    world.clock.advance_secs(1);
    assert_refused(&world.get(&target, &[]), "AccessDenied");
}

#[test]
fn a_signature_begins_with_its_time() {
    let origin = secret();
    let world = world(&origin);
    let terms = Terms {
        not_before_secs: Some(NOW_SECS + 10),
        ..until(NOW_SECS + 20)
    };
    let target = signed_on("http://site.test/private/a", &terms);
    assert_refused(&world.get(&target, &[]), "AccessDenied");
    world.clock.advance_secs(11);
    assert_eq!(world.get(&target, &[]).status, 200);
}

#[test]
fn a_signature_is_for_its_address_scheme_and_host() {
    let origin = secret();
    let world = world(&origin);
    let from = |cidr: &str| {
        let terms = Terms {
            cidr: Some(cidr),
            ..until(NOW_SECS + 60)
        };
        world
            .get(&signed_on("http://site.test/private/a", &terms), &[])
            .status
    };
    assert_eq!(from("127.0.0.0/8"), 200);
    assert_eq!(from("192.0.2.0/24"), 403);
    let target = signed("/private/a");
    assert_refused(
        &world.get(&target, &[("Host", "alias.test")]),
        "AccessDenied",
    );
    assert_eq!(world.get(&target, &[("Host", "SITE.test")]).status, 200);
    let https = signed_on("https://site.test/private/a", &until(NOW_SECS + 60));
    assert_refused(&world.get(&https, &[]), "AccessDenied");
}

#[test]
fn a_query_that_claims_a_signature_outweighs_cookies() {
    let origin = secret();
    let world = world(&origin);
    let cookies = cookies("http://site.test/private/*");
    let ask = |target: &str| world.get(target, &[("Cookie", &cookies)]);
    assert_eq!(ask("/private/a").status, 200);
    for name in ["Expires", "Policy", "Signature", "Key-Pair-Id"] {
        assert_eq!(ask(&format!("/private/a?{name}=x")).status, 403, "{name}");
    }
    // Names are told apart by their case, and are not decoded.
    assert_eq!(ask("/private/a?expires=x").status, 200);
    assert_eq!(ask("/private/a?%45xpires=x").status, 200);
}

#[test]
fn a_signature_that_was_touched_opens_nothing() {
    let origin = secret();
    let world = world(&origin);
    let good = signed("/private/a?x=1");
    assert_eq!(world.get(&good, &[]).status, 200);
    let expires = (NOW_SECS + 3_600).to_string();
    let later = (NOW_SECS + 9_999).to_string();
    for (what, target) in [
        ("another path", good.replace("/private/a", "/private/b")),
        ("a longer time", good.replace(&expires, &later)),
        ("another query", good.replace("x=1", "x=2")),
        ("more of a query", format!("{good}&y=2")),
        ("less of a query", good.replace("x=1&", "")),
        ("a second time", format!("{good}&Expires={later}")),
        ("a second signature", format!("{good}&Signature=abc")),
        ("another's key", good.replace("KOURS", "KOTHER")),
        ("no key", good.replace("Key-Pair-Id", "Key-Pair-ID")),
        ("an empty pair", good.replace("?x", "?&x")),
        ("a capital", good.replace("/private/a", "/private/A")),
    ] {
        let answer = world.get(&target, &[]);
        assert_eq!(answer.status, 403, "{what}: {target}");
    }
    assert_eq!(origin.count(), 1);
}

#[test]
fn a_key_that_leaves_its_group_opens_nothing_at_once() {
    let origin = secret();
    let world = world(&origin);
    let target = signed("/private/a");
    assert_eq!(world.get(&target, &[]).status, 200);
    let mut policies = policies();
    let others = policies.private.key_groups["others"].clone();
    policies.private.key_groups.insert("members".into(), others);
    let shape = shapes::from_value(&config(&origin)).unwrap();
    let site = edge::site::compile("ETEST", "dtest.cdn.test", &shape, &policies).unwrap();
    let updates = world.edge.as_ref().unwrap().updates();
    updates.update(&[], vec![site]).unwrap();
    assert_refused(&world.get(&target, &[]), "InvalidKey");
}

#[test]
fn an_error_page_of_a_private_behavior_is_not_shown_to_strangers() {
    let origin = secret();
    let mut config = config(&origin);
    let with_page = |config: &mut Value, path: &str| {
        let item = json!({
            "ErrorCode": 403, "ResponsePagePath": path, "ResponseCode": "200",
        });
        config["CustomErrorResponses"] = json!({ "Quantity": 1, "Items": [item] });
    };
    with_page(&mut config, "/private/login");
    let world = World::with(&config, &policies(), |_| {});
    assert_refused(&world.get("/private/a", &[]), "MissingKey");
    assert_eq!(origin.count(), 0);
    with_page(&mut config, "/login");
    let world = World::with(&config, &policies(), |_| {});
    let login = world.get("/private/a", &[]);
    assert_eq!(
        (login.status, login.text().as_str()),
        (200, "secret of /login")
    );
    // Nor does the page become a connection to the origin.
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    assert_eq!(world.get("/private/b", &upgrade).status, 200);
    assert_eq!(origin.last().get("upgrade"), None);
    assert_eq!(origin.count(), 1, "the page is in the cache");
}

#[test]
fn nobody_gets_on_anothers_flight_without_a_signature() {
    let gate = Gate::default();
    let opened = gate.clone();
    let origin = Origin::scripted(move |_, _, stream| {
        let answer = response("200 OK", &[("Cache-Control", "max-age=100")], "secret");
        opened.wait() && stream.write_all(answer.as_bytes()).is_ok()
    });
    let world = Arc::new(world(&origin));
    let asking = Arc::clone(&world);
    let member = std::thread::spawn(move || asking.get(&signed("/private/a"), &[]));
    eventually("the origin is asked", || origin.count() == 1);
    assert_refused(&world.get("/private/a", &[]), "MissingKey");
    let_them_arrive();
    gate.open();
    assert_eq!(member.join().unwrap().status, 200);
    assert_refused(&world.get("/private/a", &[]), "MissingKey");
}
