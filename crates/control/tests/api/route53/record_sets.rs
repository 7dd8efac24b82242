use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{alias, batch, change, listed, malformed, private_zone, refused, set, with, zone};
use crate::world::World;

const IPV4: &[&str] = &["192.0.2.1"];

fn a(name: &str) -> Value {
    set(name, "A", IPV4)
}

#[tokio::test]
async fn a_batch_creates_replaces_and_deletes_in_order() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    change(
        &world,
        &id,
        &[
            ("CREATE", a("A.example.com.")),
            ("UPSERT", a("b.example.com")),
        ],
    )
    .await;
    let told = world.ok("GetHostedZone", json!({ "Id": id })).await;
    assert_eq!(told["HostedZone"]["ResourceRecordSetCount"], 4);
    // A CNAME in place of an address, in one batch.
    change(
        &world,
        &id,
        &[
            ("DELETE", a("a.example.com")),
            ("CREATE", set("a.example.com", "CNAME", &["b.example.com"])),
            (
                "UPSERT",
                set("b.example.com", "A", &["192.0.2.2", "192.0.2.3"]),
            ),
        ],
    )
    .await;
    assert_eq!(
        listed(&world, &id).await,
        [
            "example.com. NS",
            "example.com. SOA",
            "a.example.com. CNAME",
            "b.example.com. A",
        ]
    );
    let told = world.ok("GetHostedZone", json!({ "Id": id })).await;
    assert_eq!(told["HostedZone"]["ResourceRecordSetCount"], 4);
    // Values in another order are the same.
    let b = set("b.example.com", "A", &["192.0.2.3", "192.0.2.2"]);
    change(&world, &id, &[("DELETE", b)]).await;
    let told = world.ok("GetHostedZone", json!({ "Id": id })).await;
    assert_eq!(told["HostedZone"]["ResourceRecordSetCount"], 3);
}

#[tokio::test]
async fn all_that_is_wrong_with_a_batch_is_told_at_once_and_nothing_is_changed() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    change(&world, &id, &[("CREATE", a("a.example.com"))]).await;
    let message = refused(
        &world,
        &id,
        &[
            ("CREATE", a("good.example.com")),
            ("CREATE", a("a.example.com")),
            ("DELETE", a("none.example.com")),
            ("DELETE", set("a.example.com", "A", &["192.0.2.9"])),
            ("CREATE", a("www.example.org")),
            ("CREATE", set("v.example.com", "A", &["1.2.3"])),
        ],
    )
    .await;
    assert_eq!(
        message,
        "[Tried to create resource record set [name='a.example.com.', type='A'] but it already \
         exists, Tried to delete resource record set [name='none.example.com.', type='A'] but it \
         was not found, Tried to delete resource record set [name='a.example.com.', type='A'] but \
         the values provided do not match the current values, RRSet with DNS name www.example.org. \
         is not permitted in zone example.com., Invalid Resource Record: 'FATAL problem: \
         ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with '1.2.3'']"
    );
}

#[tokio::test]
async fn a_cname_is_alone_at_its_name_and_not_at_the_apex() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let cname = |name: &str| set(name, "CNAME", &["x.example.net"]);
    change(
        &world,
        &id,
        &[
            ("CREATE", a("a.example.com")),
            ("CREATE", cname("c.example.com")),
        ],
    )
    .await;
    for (set, message) in [
        (
            cname("example.com"),
            "[RRSet of type CNAME with DNS name example.com. is not permitted at apex in zone \
             example.com., RRSet of type CNAME with DNS name example.com. is not permitted as it \
             conflicts with other records with the same DNS name in zone example.com.]",
        ),
        (
            cname("a.example.com"),
            "[RRSet of type CNAME with DNS name a.example.com. is not permitted as it conflicts \
             with other records with the same DNS name in zone example.com.]",
        ),
        (
            set("c.example.com", "TXT", &["\"x\""]),
            "[RRSet of type TXT with DNS name c.example.com. is not permitted because a \
             conflicting RRSet of type CNAME with the same DNS name already exists in zone \
             example.com.]",
        ),
    ] {
        assert_eq!(refused(&world, &id, &[("CREATE", set)]).await, message);
    }
}

#[tokio::test]
async fn the_apex_keeps_its_ns_and_soa_and_they_can_be_replaced() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let sets = world
        .ok("ListResourceRecordSets", json!({ "HostedZoneId": id }))
        .await;
    let (ns, soa) = (
        &sets["ResourceRecordSets"][0],
        &sets["ResourceRecordSets"][1],
    );
    let message = refused(
        &world,
        &id,
        &[("DELETE", ns.clone()), ("DELETE", soa.clone())],
    )
    .await;
    assert_eq!(
        message,
        "[A HostedZone must contain at least one NS record for the zone itself., A HostedZone must \
         contain exactly one SOA record.]"
    );
    let ns = set("example.com", "NS", &["ns1.example.net"]);
    let soa = set(
        "example.com",
        "SOA",
        &["ns1.example.net. h.example.net. 7 1 1 1 1"],
    );
    change(&world, &id, &[("UPSERT", ns), ("UPSERT", soa)]).await;
    let below = set(
        "a.example.com",
        "SOA",
        &["ns1.example.net. h.example.net. 7 1 1 1 1"],
    );
    refused(&world, &id, &[("CREATE", below)]).await;
    let wildcard = set("*.example.com", "NS", &["ns1.example.net"]);
    refused(&world, &id, &[("CREATE", wildcard)]).await;
    let ds = set("example.com", "DS", &["1 13 2 00"]);
    refused(&world, &id, &[("CREATE", ds)]).await;
}

#[tokio::test]
async fn one_record_set_is_not_changed_twice_in_a_batch() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    change(&world, &id, &[("CREATE", a("a.example.com"))]).await;
    let invalid = "[The request contains an invalid set of changes for a resource record set \
                   'A a.example.com.']";
    for actions in [["DELETE", "DELETE"], ["UPSERT", "UPSERT"]] {
        let changes = actions.map(|action| (action, a("a.example.com")));
        assert_eq!(refused(&world, &id, &changes).await, invalid, "{actions:?}");
    }
    let changes = ["DELETE", "CREATE"].map(|action| (action, a("a.example.com")));
    change(&world, &id, &changes).await;
}

#[tokio::test]
async fn names_are_folded_and_escaped_in_whatever_form_they_come() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    change(
        &world,
        &id,
        &[
            ("CREATE", a("*.Example.COM")),
            ("CREATE", a("x\\100y.example.com")),
        ],
    )
    .await;
    assert_eq!(
        listed(&world, &id).await[2..],
        ["\\052.example.com. A", "x\\100y.example.com. A"]
    );
    let same = [
        ("CREATE", a("\\052.example.com")),
        ("CREATE", a("x@y.example.com")),
    ];
    let message = refused(&world, &id, &same).await;
    assert_eq!(
        message.matches("but it already exists").count(),
        2,
        "{message}"
    );
    let long = format!("{}.example.com", "a".repeat(64));
    for (name, problem) in [
        ("a..example.com", "DomainLabelEmpty"),
        (long.as_str(), "DomainLabelTooLong"),
        ("a b.example.com", "UnsupportedCharacter"),
    ] {
        let message = refused(&world, &id, &[("CREATE", a(name))]).await;
        assert!(message.contains(problem), "{message}");
    }
    // Names that are short as such, and long with their escapes.
    let long = format!("{0}.{0}.{0}.example.com", "@".repeat(60));
    change(&world, &id, &[("CREATE", a(&long))]).await;
    let longer = format!("{0}.{0}.{0}.{0}.example.com", "@".repeat(58));
    let set = with(
        a(&longer),
        json!({ "SetIdentifier": "i".repeat(128), "Weight": 1 }),
    );
    let message = refused(&world, &id, &[("CREATE", set)]).await;
    assert!(message.contains("too long"), "{message}");
}

#[tokio::test]
async fn values_are_those_of_their_type() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let good: &[(&str, &[&str])] = &[
        ("A", &["192.0.2.1", "192.0.2.2"]),
        ("AAAA", &["2001:db8::1"]),
        ("TXT", &["\"a\" \"b\"", "\"c\""]),
        ("MX", &["10 mail.example.com"]),
        ("SRV", &["1 2 3 a.example.com"]),
        ("CAA", &["0 issue \"ca.example\""]),
        ("NAPTR", &["1 2 \"u\" \"sip\" \"!^.*$!sip:x@y!\" ."]),
        ("SPF", &["\"v=spf1 -all\""]),
        ("PTR", &["a.example.com"]),
        ("NS", &["ns.example.net"]),
        (
            "DS",
            &["1 13 2 0011223344556677889900112233445566778899001122334455667788990011"],
        ),
        ("SSHFP", &["1 1 0011223344556677889900112233445566778899"]),
        (
            "TLSA",
            &["3 1 1 0011223344556677889900112233445566778899001122334455667788990011"],
        ),
        ("HTTPS", &["1 . alpn=\"h2\""]),
        ("SVCB", &["0 a.example.com"]),
    ];
    let sets = good
        .iter()
        .map(|(kind, values)| ("CREATE", set("g.example.com", kind, values)));
    change(&world, &id, &sets.collect::<Vec<_>>()).await;
    for (kind, values, problem) in [
        ("A", vec!["192.0.2.1 "], "ARRDATANotSingleField"),
        ("AAAA", vec!["192.0.2.1"], "AAAARRDATAIllegalIPv6Address"),
        ("TXT", vec!["x"], "InvalidCharacterString"),
        (
            "A",
            vec!["192.0.2.1", "192.0.2.1"],
            "Duplicate Resource Record: '192.0.2.1'",
        ),
        (
            "CNAME",
            vec!["a.example.com", "b.example.com"],
            "at most 1 are permitted",
        ),
    ] {
        let message = refused(
            &world,
            &id,
            &[("CREATE", set("b.example.com", kind, &values))],
        )
        .await;
        assert!(message.contains(problem), "{kind}: {message}");
    }
    let long = format!("\"{}\"", "x".repeat(256));
    let set = set("b.example.com", "TXT", &[&long]);
    let message = refused(&world, &id, &[("CREATE", set)]).await;
    assert!(message.contains("CharacterStringTooLong"), "{message}");
}

#[tokio::test]
async fn a_record_set_has_values_or_an_alias() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let expected = "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and \
                    ResourceRecords], or TrafficPolicyInstanceId], but found";
    let bare = json!({ "Name": "A.example.com", "Type": "A" });
    let within = "Change with [Action=CREATE, Name=A.example.com, Type=A, SetIdentifier=null]";
    assert_eq!(
        malformed(&world, &id, &[("CREATE", bare.clone())]).await,
        format!("{expected} none in {within}")
    );
    let without_ttl = with(
        bare,
        json!({ "ResourceRecords": [{ "Value": "192.0.2.1" }] }),
    );
    malformed(&world, &id, &[("CREATE", without_ttl)]).await;
    let both = with(
        alias("A.example.com", "A", &id, "b.example.com"),
        json!({ "TTL": 60, "ResourceRecords": [{ "Value": "192.0.2.1" }] }),
    );
    assert_eq!(
        malformed(&world, &id, &[("CREATE", both)]).await,
        format!("{expected} more than one in {within}")
    );
    let weighted = with(a("a.example.com"), json!({ "Weight": 1 }));
    let message = malformed(&world, &id, &[("CREATE", weighted)]).await;
    assert!(message.contains("Missing field 'SetIdentifier' in Change with [Action=CREATE"));
    let named = with(a("a.example.com"), json!({ "SetIdentifier": "x" }));
    malformed(&world, &id, &[("CREATE", named)]).await;
    let two = with(
        a("a.example.com"),
        json!({ "SetIdentifier": "x", "Weight": 1, "Region": "eu-west-1" }),
    );
    malformed(&world, &id, &[("CREATE", two)]).await;
    for (member, value) in [("TTL", json!(-1)), ("Weight", json!(256))] {
        let set = with(
            a("a.example.com"),
            json!({ member: value, "SetIdentifier": "x" }),
        );
        malformed(&world, &id, &[("CREATE", set)]).await;
    }
    let unknown = with(
        a("a.example.com"),
        json!({ "SetIdentifier": "x", "Region": "xx-east-1" }),
    );
    let message = malformed(&world, &id, &[("CREATE", unknown)]).await;
    assert!(
        message.contains("cvc-enumeration-valid: Value 'xx-east-1'"),
        "{message}"
    );
    let (status, code) = world
        .fail("ChangeResourceRecordSets", batch(&id, &[]))
        .await;
    assert_eq!((status, &*code), (400, "InvalidInput"));
}

#[tokio::test]
async fn a_batch_is_bounded_and_the_largest_is_taken() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let many = |action: &'static str, count: usize| -> Vec<(&str, Value)> {
        (0..count)
            .map(|n| (action, a(&format!("n{n}.example.com"))))
            .collect()
    };
    assert_eq!(
        refused(&world, &id, &many("CREATE", 1_001)).await,
        "[Number of records limit of 1000 exceeded.]"
    );
    assert_eq!(
        refused(&world, &id, &many("UPSERT", 501)).await,
        "[Number of records limit of 1000 exceeded.]"
    );
    let long = format!("\"{}\"", "x".repeat(250));
    let texts = vec![long; 15].join(" ");
    let texts: Vec<_> = (0..9)
        .map(|n| {
            (
                "CREATE",
                set(&format!("t{n}.example.com"), "TXT", &[&texts]),
            )
        })
        .collect();
    assert_eq!(
        refused(&world, &id, &texts).await,
        "[Number of characters limit of 32000 exceeded.]"
    );
    change(&world, &id, &many("CREATE", 1_000)).await;
    let told = world.ok("GetHostedZone", json!({ "Id": id })).await;
    assert_eq!(told["HostedZone"]["ResourceRecordSetCount"], 1_002);
    change(&world, &id, &many("DELETE", 1_000)).await;
    assert_eq!(listed(&world, &id).await.len(), 2);
}

#[tokio::test]
async fn an_alias_needs_a_target_that_is_there_and_of_its_type() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let bare = id.trim_start_matches("/hostedzone/").to_owned();
    let to = |target: &str| alias("x.example.com", "A", &id, target);
    let tried = |target: &str| {
        format!("Tried to create an alias that targets {target}, type A in zone {bare}, but")
    };
    assert_eq!(
        refused(&world, &id, &[("CREATE", to("none.example.com"))]).await,
        format!("[{} that target was not found]", tried("none.example.com."))
    );
    assert_eq!(
        refused(&world, &id, &[("CREATE", to("www.example.org"))]).await,
        format!(
            "[{} the alias target name does not lie within the target zone, {} that target was \
             not found]",
            tried("www.example.org."),
            tried("www.example.org.")
        )
    );
    // A target of the same batch, whichever comes first; of another type it is none.
    change(
        &world,
        &id,
        &[
            ("CREATE", to("A.Example.com")),
            ("CREATE", a("a.example.com")),
        ],
    )
    .await;
    let sets = world
        .ok("ListResourceRecordSets", json!({ "HostedZoneId": id }))
        .await;
    let stored = &sets["ResourceRecordSets"][3];
    assert_eq!(
        stored,
        &json!({ "Name": "x.example.com.", "Type": "A", "AliasTarget": {
            "HostedZoneId": bare, "DNSName": "a.example.com.", "EvaluateTargetHealth": false } })
    );
    let other = alias("x.example.com", "AAAA", &id, "a.example.com");
    refused(&world, &id, &[("CREATE", other)]).await;
    change(&world, &id, &[("DELETE", to("a.example.com"))]).await;
}

#[tokio::test]
async fn aliases_do_not_go_round_and_not_too_far() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let to = |name: &str, target: &str| alias(name, "A", &id, target);
    let round = [
        ("CREATE", to("a.example.com", "b.example.com")),
        ("CREATE", to("b.example.com", "a.example.com")),
    ];
    let message = refused(&world, &id, &round).await;
    assert_eq!(
        message.matches("it would lead back to itself").count(),
        2,
        "{message}"
    );
    // Through what is stored already.
    change(&world, &id, &[("CREATE", a("a.example.com"))]).await;
    change(
        &world,
        &id,
        &[("CREATE", to("b.example.com", "a.example.com"))],
    )
    .await;
    let message = refused(
        &world,
        &id,
        &[("UPSERT", to("a.example.com", "b.example.com"))],
    )
    .await;
    assert!(
        message.contains("it would lead back to itself"),
        "{message}"
    );
    for n in 0..9 {
        let from = format!("n{n}.example.com");
        let target = match n {
            0 => "b.example.com".to_owned(),
            n => format!("n{}.example.com", n - 1),
        };
        if n < 8 {
            change(&world, &id, &[("CREATE", to(&from, &target))]).await;
        } else {
            change(&world, &id, &[("CREATE", to(&from, &target))]).await;
            let message = refused(
                &world,
                &id,
                &[("CREATE", to("m.example.com", "n8.example.com"))],
            )
            .await;
            assert!(message.contains("longer than 10"), "{message}");
        }
    }
}

#[tokio::test]
async fn aliases_to_distributions_leave_their_health_alone() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let cloudfront = "Z2FDTNDATAQYW2";
    let to = |target: &str| alias("example.com", "A", cloudfront, target);
    change(&world, &id, &[("CREATE", to("d1.cdn.localhost"))]).await;
    let mut evaluated = to("d1.cdn.localhost");
    evaluated["AliasTarget"]["EvaluateTargetHealth"] = true.into();
    let message = refused(&world, &id, &[("UPSERT", evaluated)]).await;
    assert!(
        message.contains("EvaluateTargetHealth cannot be set to true"),
        "{message}"
    );
    let message = refused(&world, &id, &[("UPSERT", to("www.example.net"))]).await;
    assert!(
        message.contains("does not lie within the target zone"),
        "{message}"
    );
    let private = private_zone(&world, "example.net").await;
    let within = alias("example.net", "A", cloudfront, "d1.cdn.localhost");
    refused(&world, &private, &[("CREATE", within)]).await;
    // Anything else is somewhere else, but for zones that are here.
    let elsewhere = alias(
        "e.example.com",
        "A",
        "Z35SXDOTRQ7X7K",
        "lb.us-east-1.elb.amazonaws.com",
    );
    change(&world, &id, &[("CREATE", elsewhere)]).await;
    let other = zone(&world, "example.org").await;
    let to_other = alias("o.example.com", "A", &other, "example.org");
    refused(&world, &id, &[("CREATE", to_other)]).await;
}

#[tokio::test]
async fn a_health_check_that_is_named_must_be_there() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let checked = with(a("a.example.com"), json!({ "HealthCheckId": "no-such" }));
    let input = batch(&id, &[("CREATE", checked)]);
    let (status, code, message) = world.refusal("ChangeResourceRecordSets", input).await;
    assert_eq!((status, &*code), (404, "NoSuchHealthCheck"));
    assert_eq!(message, "A health check with id no-such does not exist.");
}

#[tokio::test]
async fn batches_for_one_zone_go_one_after_the_other() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let calls = (0..20).map(|n| {
        let set = a(&format!("n{n}.example.com"));
        world.call("ChangeResourceRecordSets", batch(&id, &[("CREATE", set)]))
    });
    let mut calls: Vec<_> = calls.map(Box::pin).collect();
    // All begin before any ends.
    let all = std::future::poll_fn(|context| {
        calls.retain_mut(|call| match call.as_mut().poll(context) {
            std::task::Poll::Ready(answer) => {
                answer.unwrap();
                false
            }
            std::task::Poll::Pending => true,
        });
        match calls.is_empty() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    });
    all.await;
    let told = world.ok("GetHostedZone", json!({ "Id": id })).await;
    assert_eq!(told["HostedZone"]["ResourceRecordSetCount"], 22);
    assert_eq!(listed(&world, &id).await.len(), 22);
}

/// What a batch does to record sets, said plainly: nothing, if one of its changes cannot be made.
fn plainly(
    before: &BTreeMap<(String, String), String>,
    changes: &[(&'static str, String, String, String)],
) -> Option<BTreeMap<(String, String), String>> {
    let mut after = before.clone();
    let mut last: BTreeMap<(String, String), bool> = BTreeMap::new();
    for (action, name, kind, value) in changes {
        let key = (name.clone(), kind.clone());
        let is_deletion = *action == "DELETE";
        if last.insert(key.clone(), is_deletion) == Some(is_deletion) {
            return None;
        }
        let mut others = after.keys().filter(|(other, _)| other == name);
        let is_alone = match kind.as_str() {
            "CNAME" => others.all(|(_, other)| other == "CNAME"),
            _ => others.all(|(_, other)| other != "CNAME"),
        };
        match (*action, after.get(&key)) {
            ("DELETE", Some(there)) if there == value => {
                after.remove(&key);
            }
            ("DELETE", _) | ("CREATE", Some(_)) => return None,
            _ if !is_alone => return None,
            _ => {
                after.insert(key, value.clone());
            }
        }
    }
    Some(after)
}

#[tokio::test]
async fn any_batches_do_what_is_said_plainly_or_nothing() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let mut seed = 7_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    let mut plain = BTreeMap::new();
    let mut taken = 0;
    for _ in 0..600 {
        let changes: Vec<_> = (0..=random(3))
            .map(|_| {
                let action = ["CREATE", "UPSERT", "DELETE", "DELETE"][random(4) as usize];
                let name = format!("n{}.example.com.", random(4));
                let (kind, value) = match random(3) {
                    0 => ("A", format!("192.0.2.{}", random(2))),
                    1 => ("TXT", format!("\"{}\"", random(2))),
                    _ => ("CNAME", format!("x{}.example.net", random(2))),
                };
                (action, name, kind.to_owned(), value)
            })
            .collect();
        let sets = changes
            .iter()
            .map(|(action, name, kind, value)| (*action, set(name, kind, &[value.as_str()])));
        let sets: Vec<_> = sets.collect();
        match plainly(&plain, &changes) {
            Some(after) => {
                change(&world, &id, &sets).await;
                plain = after;
                taken += 1;
            }
            None => {
                refused(&world, &id, &sets).await;
            }
        }
        let got = world.ok("GetHostedZone", json!({ "Id": id })).await;
        assert_eq!(got["HostedZone"]["ResourceRecordSetCount"], plain.len() + 2);
    }
    let mut expected: Vec<_> = plain
        .keys()
        .map(|(name, kind)| format!("{name} {kind}"))
        .collect();
    expected.sort();
    assert_eq!(listed(&world, &id).await[2..], expected);
    assert!((50..550).contains(&taken), "{taken}");
}
