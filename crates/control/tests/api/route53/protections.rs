use serde_json::{Value, json};

use super::{change, set, zone};
use crate::stored::refused;
use crate::world::World;

fn protected(name: &str, kind: &str, comment: &str) -> Value {
    json!({ "RecordName": name, "RecordType": kind, "Comment": comment })
}

fn protections(zone: &str, protections: &[Value]) -> Value {
    json!({ "HostedZoneId": zone, "Protections": protections })
}

async fn listed(world: &World, zone: &str, mut input: Value) -> Vec<Value> {
    input["HostedZoneId"] = zone.into();
    let listed = world.ok("ListResourceRecordSetProtections", input).await;
    listed["ResourceRecordSetProtections"]
        .as_array()
        .unwrap()
        .clone()
}

const CREATE: &str = "CreateResourceRecordSetProtections";
const DELETE: &str = "DeleteResourceRecordSetProtections";
const BAD_BATCH: (u16, &str) = (400, "InvalidResourceRecordSetProtectionBatch");

#[tokio::test]
async fn no_batch_touches_what_is_protected() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let old = set("www.example.com", "A", &["192.0.2.1"]);
    change(&world, &id, &[("CREATE", old.clone())]).await;
    let input = protections(&id, &[protected("WWW.example.com", "A", "the shop")]);
    world.ok(CREATE, input).await;
    let new = set("www.example.com", "A", &["192.0.2.2"]);
    let other = set("other.example.com", "A", &["192.0.2.2"]);
    for changes in [
        vec![("UPSERT", new.clone())],
        vec![("CREATE", other.clone()), ("DELETE", old)],
    ] {
        let message = super::refused(&world, &id, &changes).await;
        for part in ["www.example.com.", "A", "the shop"] {
            assert!(message.contains(part), "{message}");
        }
    }
    let txt = set("www.example.com", "TXT", &["\"free\""]);
    change(&world, &id, &[("CREATE", other), ("CREATE", txt)]).await;
    let key = json!({ "RecordName": "www.example.com", "RecordType": "A" });
    world.ok(DELETE, protections(&id, &[key])).await;
    change(&world, &id, &[("UPSERT", new)]).await;
}

#[tokio::test]
async fn a_zone_with_protections_stays() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let input = protections(&id, &[protected("a.example.com", "MX", "")]);
    world.ok(CREATE, input.clone()).await;
    let gone = json!({ "Id": id });
    refused(
        &world,
        "DeleteHostedZone",
        gone.clone(),
        (400, "HostedZoneNotEmpty"),
    )
    .await;
    let key = json!({ "RecordName": "a.example.com", "RecordType": "MX" });
    world.ok(DELETE, protections(&id, &[key])).await;
    world.ok("DeleteHostedZone", gone).await;
    refused(&world, CREATE, input, (404, "NoSuchHostedZone")).await;
}

#[tokio::test]
async fn a_batch_of_protections_is_taken_whole_or_not_at_all() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let one = protected("a.example.com", "A", "one");
    world
        .ok(CREATE, protections(&id, std::slice::from_ref(&one)))
        .await;
    let exists = (409, "ProtectionAlreadyExists");
    refused(
        &world,
        CREATE,
        protections(&id, std::slice::from_ref(&one)),
        exists,
    )
    .await;
    let new = protected("b.example.com", "A", "two");
    refused(
        &world,
        CREATE,
        protections(&id, &[new.clone(), one.clone()]),
        exists,
    )
    .await;
    let outside = protected("a.example.net", "A", "");
    refused(
        &world,
        CREATE,
        protections(&id, &[outside, one.clone()]),
        BAD_BATCH,
    )
    .await;
    refused(
        &world,
        CREATE,
        protections(&id, &[new.clone(), new.clone()]),
        BAD_BATCH,
    )
    .await;
    let missing = json!({ "RecordName": "b.example.com", "RecordType": "A" });
    let there = json!({ "RecordName": "a.example.com", "RecordType": "A" });
    refused(
        &world,
        DELETE,
        protections(&id, &[there, missing]),
        BAD_BATCH,
    )
    .await;
    refused(&world, CREATE, protections(&id, &[]), (400, "InvalidInput")).await;
    let many: Vec<Value> = (0..101)
        .map(|n| protected(&format!("n{n}.example.com"), "A", ""))
        .collect();
    refused(
        &world,
        CREATE,
        protections(&id, &many),
        (400, "InvalidInput"),
    )
    .await;
    world.ok(CREATE, protections(&id, &many[..100])).await;
    assert_eq!(listed(&world, &id, json!({})).await.len(), 101);
}

#[tokio::test]
async fn protections_are_listed_in_the_order_of_record_sets() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let all = [
        protected("example.com", "MX", ""),
        protected("a.example.com", "A", "first"),
        protected("a.example.com", "TXT", ""),
        protected("x.a.example.com", "A", ""),
        protected("b.example.com", "A", ""),
    ];
    let mut shuffled = all.clone();
    shuffled.reverse();
    world.ok(CREATE, protections(&id, &shuffled)).await;
    let names = |found: &[Value]| -> Vec<String> {
        let text = |one: &Value, member: &str| one[member].as_str().unwrap().to_owned();
        found
            .iter()
            .map(|one| format!("{} {}", text(one, "RecordName"), text(one, "RecordType")))
            .collect()
    };
    let expected = [
        "example.com. MX",
        "a.example.com. A",
        "a.example.com. TXT",
        "x.a.example.com. A",
        "b.example.com. A",
    ];
    let found = listed(&world, &id, json!({})).await;
    assert_eq!(names(&found), expected);
    assert_eq!(
        (found[0].get("Comment"), &found[1]["Comment"]),
        (None, &json!("first"))
    );
    let start = json!({ "StartRecordName": "a.example.com", "StartRecordType": "TXT" });
    assert_eq!(names(&listed(&world, &id, start).await), expected[2..]);

    let input = json!({ "HostedZoneId": id, "MaxResults": "2" });
    let first = world.ok("ListResourceRecordSetProtections", input).await;
    let rest = json!({ "NextToken": first["NextToken"] });
    assert_eq!(names(&listed(&world, &id, rest).await), expected[2..]);
}

#[tokio::test]
async fn a_record_that_is_written_as_it_is_protected_is_the_last_before() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    for round in 0..20 {
        let name = format!("w{round}.example.com");
        let batch = super::batch(&id, &[("CREATE", set(&name, "A", &["192.0.2.1"]))]);
        let input = protections(&id, &[protected(&name, "A", "")]);
        let (written, made) = tokio::join!(
            world.call("ChangeResourceRecordSets", batch),
            world.call(CREATE, input),
        );
        made.unwrap();
        let there = super::listed(&world, &id).await;
        let is_there = there.contains(&format!("{name}. A"));
        assert_eq!(written.is_ok(), is_there);
        let again = super::batch(&id, &[("UPSERT", set(&name, "A", &["192.0.2.2"]))]);
        assert!(world.call("ChangeResourceRecordSets", again).await.is_err());
    }
}
