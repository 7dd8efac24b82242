use serde_json::{Value, json};

use super::{change, listed, set, with, zone};
use crate::world::World;

async fn page(world: &World, zone: &str, members: Value) -> (Vec<String>, Value) {
    let input = with(json!({ "HostedZoneId": zone }), members);
    let page = world.ok("ListResourceRecordSets", input).await;
    let sets = page["ResourceRecordSets"].as_array().unwrap().iter();
    let named = sets.map(|set| {
        let text = |member: &str| set[member].as_str().unwrap_or_default().to_owned();
        let named = format!(
            "{} {} {}",
            text("Name"),
            text("Type"),
            text("SetIdentifier")
        );
        named.trim_end().to_owned()
    });
    (named.collect(), page)
}

async fn world() -> (World, String) {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let weighted = |identifier: &str| {
        let members = json!({ "SetIdentifier": identifier, "Weight": 1 });
        with(set("b.example.com", "A", &["192.0.2.1"]), members)
    };
    let a = |name: &str| set(name, "A", &["192.0.2.1"]);
    let sets = [
        a("a.b.example.com"),
        a("b-c.example.com"),
        weighted("two"),
        weighted("one"),
        set("b.example.com", "TXT", &["\"x\""]),
        a("*.example.com"),
        a("example.com"),
    ];
    change(&world, &id, &sets.map(|set| ("CREATE", set))).await;
    (world, id)
}

const ALL: [&str; 9] = [
    "example.com. A",
    "example.com. NS",
    "example.com. SOA",
    "\\052.example.com. A",
    "b-c.example.com. A",
    "b.example.com. A one",
    "b.example.com. A two",
    "b.example.com. TXT",
    "a.b.example.com. A",
];

#[tokio::test]
async fn record_sets_are_listed_by_their_labels_from_the_right() {
    let (world, id) = world().await;
    assert_eq!(listed(&world, &id).await, ALL);
}

#[tokio::test]
async fn every_page_goes_on_where_the_last_one_ended() {
    let (world, id) = world().await;
    for size in 1..=9 {
        let mut seen = Vec::new();
        let mut start = json!({});
        loop {
            let members = with(start, json!({ "MaxItems": size.to_string() }));
            let (named, page) = page(&world, &id, members).await;
            assert_eq!(page["MaxItems"], size.to_string());
            seen.extend(named);
            if page["IsTruncated"] == false {
                assert_eq!(page.get("NextRecordName"), None);
                break;
            }
            start = json!({
                "StartRecordName": page["NextRecordName"],
                "StartRecordType": page["NextRecordType"],
                "StartRecordIdentifier": page.get("NextRecordIdentifier"),
            });
        }
        assert_eq!(seen, ALL, "{size}");
    }
}

#[tokio::test]
async fn a_list_begins_at_its_start_or_behind_it() {
    let (world, id) = world().await;
    for (name, kind, identifier, first) in [
        ("*.example.com", None, None, 3),
        ("\\052.EXAMPLE.com.", None, None, 3),
        ("b.example.com", None, None, 5),
        ("b.example.com", Some("A"), None, 5),
        ("b.example.com", Some("A"), Some("one"), 5),
        ("b.example.com", Some("A"), Some("p"), 6),
        ("b.example.com", Some("AAAA"), None, 7),
        ("b.example.com", Some("TXT"), None, 7),
        ("bb.example.com", None, None, 9),
        ("com", None, None, 0),
        ("org", None, None, 9),
    ] {
        let members = json!({ "StartRecordName": name, "StartRecordType": kind,
            "StartRecordIdentifier": identifier });
        let (named, _) = page(&world, &id, members).await;
        assert_eq!(named, ALL[first..], "{name} {kind:?} {identifier:?}");
    }
}

#[tokio::test]
async fn a_start_without_what_it_is_of_is_refused() {
    let (world, id) = world().await;
    for members in [
        json!({ "StartRecordType": "A" }),
        json!({ "StartRecordName": "a.example.com", "StartRecordIdentifier": "x" }),
        json!({ "StartRecordName": "a..example.com" }),
        json!({ "MaxItems": "0" }),
        json!({ "MaxItems": "x" }),
    ] {
        let input = with(json!({ "HostedZoneId": id }), members.clone());
        let failed = world.fail("ListResourceRecordSets", input).await;
        assert_eq!(failed, (400, "InvalidInput".to_owned()), "{members}");
    }
    let (_, page) = page(&world, &id, json!({ "MaxItems": "1000" })).await;
    assert_eq!(page["MaxItems"], "300");
    let input = json!({ "HostedZoneId": "Z1" });
    let failed = world.fail("ListResourceRecordSets", input).await;
    assert_eq!(failed, (404, "NoSuchHostedZone".to_owned()));
}
