use serde_json::{Value, json};

use super::{change, with, zone};
use crate::stored::refused;
use crate::world::World;

/// Makes a collection; gives its id.
async fn collection(world: &World, name: &str) -> String {
    let input = json!({ "Name": name, "CallerReference": name });
    let made = world.ok("CreateCidrCollection", input).await;
    made["Collection"]["Id"].as_str().unwrap().to_owned()
}

fn put(location: &str, blocks: &[&str]) -> Value {
    json!({ "LocationName": location, "Action": "PUT", "CidrList": blocks })
}

fn remove(location: &str, blocks: &[&str]) -> Value {
    with(
        put(location, blocks),
        json!({ "Action": "DELETE_IF_EXISTS" }),
    )
}

fn changes(id: &str, changes: &[Value]) -> Value {
    json!({ "Id": id, "Changes": changes })
}

/// All blocks, each behind its location.
async fn blocks(world: &World, id: &str) -> Vec<String> {
    let listed = world
        .ok("ListCidrBlocks", json!({ "CollectionId": id }))
        .await;
    let blocks = listed["CidrBlocks"].as_array().unwrap().iter();
    let text = |block: &Value, member: &str| block[member].as_str().unwrap().to_owned();
    blocks
        .map(|block| {
            format!(
                "{} {}",
                text(block, "LocationName"),
                text(block, "CidrBlock")
            )
        })
        .collect()
}

fn routed(name: &str, identifier: &str, collection: &str, location: &str) -> Value {
    json!({ "Name": name, "Type": "A", "TTL": 60, "SetIdentifier": identifier,
        "ResourceRecords": [{ "Value": "192.0.2.1" }],
        "CidrRoutingConfig": { "CollectionId": collection, "LocationName": location } })
}

const IN_USE: (u16, &str) = (400, "CidrBlockInUseException");
const INVALID: (u16, &str) = (400, "InvalidInput");

#[tokio::test]
async fn a_collection_is_made_once_by_its_name_and_reference() {
    let world = World::route53();
    let input = json!({ "Name": "offices", "CallerReference": "r" });
    let made = world.ok("CreateCidrCollection", input.clone()).await;
    let collection = &made["Collection"];
    let id = collection["Id"].as_str().unwrap();
    assert_eq!(
        collection["Arn"],
        format!("arn:aws:route53:::cidrcollection/{id}")
    );
    assert_eq!(
        (&collection["Name"], &collection["Version"]),
        (&json!("offices"), &json!(1))
    );
    assert_eq!(world.ok("CreateCidrCollection", input).await, made);
    let other = json!({ "Name": "offices", "CallerReference": "s" });
    let taken = (400, "CidrCollectionAlreadyExistsException");
    refused(&world, "CreateCidrCollection", other, taken).await;
    let odd = json!({ "Name": "a b", "CallerReference": "s" });
    refused(&world, "CreateCidrCollection", odd, INVALID).await;
    let listed = world.ok("ListCidrCollections", json!({})).await;
    assert_eq!(listed["CidrCollections"], json!([collection]));
}

#[tokio::test]
async fn changes_happen_one_after_the_other_and_raise_the_version() {
    let world = World::route53();
    let id = collection(&world, "c").await;
    let told = world
        .ok(
            "ChangeCidrCollection",
            changes(
                &id,
                &[
                    put("b", &["198.51.100.0/24", "2001:DB8::/32"]),
                    put("a", &["192.0.2.0/24", "192.0.0.0/16"]),
                    remove("a", &["192.0.2.0/24", "203.0.113.0/24"]),
                    put("b", &["192.0.2.0/24"]),
                ],
            ),
        )
        .await;
    let change = json!({ "Id": told["Id"] });
    assert_eq!(
        world.ok("GetChange", change).await["ChangeInfo"]["Status"],
        "INSYNC"
    );
    let expected = [
        "a 192.0.0.0/16",
        "b 192.0.2.0/24",
        "b 198.51.100.0/24",
        "b 2001:db8::/32",
    ];
    assert_eq!(blocks(&world, &id).await, expected);
    let locations = world
        .ok("ListCidrLocations", json!({ "CollectionId": id }))
        .await;
    let names = json!([{ "LocationName": "a" }, { "LocationName": "b" }]);
    assert_eq!(locations["CidrLocations"], names);
    let listed = world.ok("ListCidrCollections", json!({})).await;
    assert_eq!(listed["CidrCollections"][0]["Version"], 2);

    let gone = changes(&id, &[remove("a", &["192.0.0.0/16"])]);
    let stale = with(gone.clone(), json!({ "CollectionVersion": 1 }));
    let mismatch = (409, "CidrCollectionVersionMismatchException");
    refused(&world, "ChangeCidrCollection", stale, mismatch).await;
    let known = with(gone, json!({ "CollectionVersion": 2 }));
    world.ok("ChangeCidrCollection", known).await;
    let locations = world
        .ok("ListCidrLocations", json!({ "CollectionId": id }))
        .await;
    assert_eq!(locations["CidrLocations"], json!([{ "LocationName": "b" }]));
}

#[tokio::test]
async fn a_change_that_is_wrong_anywhere_changes_nothing() {
    let world = World::route53();
    let id = collection(&world, "c").await;
    let first = changes(&id, &[put("a", &["192.0.2.0/24"])]);
    world.ok("ChangeCidrCollection", first).await;
    let many: Vec<String> = (0..1_001)
        .map(|n| format!("10.{}.{}.0/24", n / 256, n % 256))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (wrong, error) in [
        (put("b", &["192.0.2.0/25"]), INVALID),
        (put("b", &["0.0.0.0/0"]), INVALID),
        (put("b", &["2001:db8::/49"]), INVALID),
        (put("b", &["198.51.100.7/24"]), INVALID),
        (put("b", &["nonsense"]), INVALID),
        (put("b", &[]), INVALID),
        (put("*", &["198.51.100.0/24"]), INVALID),
        (put("seventeen-letters", &["198.51.100.0/24"]), INVALID),
        (put("b", &["192.0.2.0/24"]), IN_USE),
        (put("b", &many), INVALID),
    ] {
        let input = changes(&id, &[put("c", &["203.0.113.0/24"]), wrong]);
        refused(&world, "ChangeCidrCollection", input, error).await;
    }
    assert_eq!(blocks(&world, &id).await, ["a 192.0.2.0/24"]);
    let missing = (404, "NoSuchCidrCollectionException");
    let input = changes(
        "c4b5c7a6-1111-4222-8333-444444444444",
        &[put("a", &["192.0.2.0/24"])],
    );
    refused(&world, "ChangeCidrCollection", input, missing).await;
}

#[tokio::test]
async fn a_collection_has_a_thousand_blocks_and_no_more() {
    let world = World::route53();
    let id = collection(&world, "c").await;
    let block = |n: usize| format!("10.{}.{}.0/24", n / 256, n % 256);
    let thousand: Vec<String> = (0..1_000).map(block).collect();
    let thousand: Vec<&str> = thousand.iter().map(String::as_str).collect();
    world
        .ok("ChangeCidrCollection", changes(&id, &[put("a", &thousand)]))
        .await;
    let more = changes(&id, &[put("a", &["192.0.2.0/24"])]);
    refused(
        &world,
        "ChangeCidrCollection",
        more,
        (400, "LimitsExceeded"),
    )
    .await;
    let page = json!({ "CollectionId": id, "MaxResults": "100" });
    let mut found = std::collections::BTreeSet::new();
    let mut token = Value::Null;
    loop {
        let input = with(page.clone(), json!({ "NextToken": token }));
        let listed = world.ok("ListCidrBlocks", input).await;
        let blocks = listed["CidrBlocks"].as_array().unwrap();
        assert_eq!(blocks.len(), 100);
        found.extend(blocks.iter().map(Value::to_string));
        token = listed["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(found.len(), 1_000);
}

#[tokio::test]
async fn a_location_with_records_keeps_a_block_until_the_last_record_is_gone() {
    let world = World::route53();
    let id = collection(&world, "c").await;
    let blocks = changes(&id, &[put("a", &["192.0.2.0/24", "198.51.100.0/24"])]);
    world.ok("ChangeCidrCollection", blocks).await;
    let zones = [
        zone(&world, "example.com").await,
        zone(&world, "example.net").await,
    ];
    let set = |zone: usize| {
        let name = ["w.example.com", "w.example.net"][zone];
        routed(name, "here", &id, "a")
    };
    change(&world, &zones[0], &[("CREATE", set(0))]).await;
    change(&world, &zones[1], &[("CREATE", set(1))]).await;
    // An upsert is no second use.
    change(
        &world,
        &zones[1],
        &[("UPSERT", with(set(1), json!({ "TTL": 30 })))],
    )
    .await;
    let one = changes(&id, &[remove("a", &["192.0.2.0/24"])]);
    world.ok("ChangeCidrCollection", one).await;
    let last = changes(&id, &[remove("a", &["198.51.100.0/24"])]);
    refused(&world, "ChangeCidrCollection", last.clone(), IN_USE).await;
    change(&world, &zones[0], &[("DELETE", set(0))]).await;
    refused(&world, "ChangeCidrCollection", last.clone(), IN_USE).await;
    change(
        &world,
        &zones[1],
        &[("DELETE", with(set(1), json!({ "TTL": 30 })))],
    )
    .await;
    world.ok("ChangeCidrCollection", last).await;
    assert!(world.content("cidr-uses/").await.is_empty());
}

#[tokio::test]
async fn a_collection_goes_when_it_is_empty_and_nobody_uses_it() {
    let world = World::route53();
    let id = collection(&world, "c").await;
    let gone = json!({ "Id": id });
    let in_use = (400, "CidrCollectionInUseException");
    let blocks = changes(&id, &[put("a", &["192.0.2.0/24"])]);
    world.ok("ChangeCidrCollection", blocks).await;
    refused(&world, "DeleteCidrCollection", gone.clone(), in_use).await;
    let none = changes(&id, &[remove("a", &["192.0.2.0/24"])]);
    world.ok("ChangeCidrCollection", none).await;
    let zone = zone(&world, "example.com").await;
    let default = routed("w.example.com", "rest", &id, "*");
    change(&world, &zone, &[("CREATE", default.clone())]).await;
    refused(&world, "DeleteCidrCollection", gone.clone(), in_use).await;
    change(&world, &zone, &[("DELETE", default)]).await;
    world.ok("DeleteCidrCollection", gone.clone()).await;
    let missing = (404, "NoSuchCidrCollectionException");
    refused(&world, "DeleteCidrCollection", gone, missing).await;
    assert_ne!(collection(&world, "c").await, id);
}

#[tokio::test]
async fn records_are_for_locations_that_there_are() {
    let world = World::route53();
    let id = collection(&world, "c").await;
    let zone = zone(&world, "example.com").await;
    for (collection, location) in [(id.as_str(), "a"), ("none", "a"), ("none", "*")] {
        let set = routed("w.example.com", "x", collection, location);
        super::refused(&world, &zone, &[("CREATE", set)]).await;
    }
}

#[tokio::test]
async fn lists_say_what_is_not_there() {
    let world = World::route53();
    let id = collection(&world, "c").await;
    let location = json!({ "CollectionId": id, "LocationName": "a" });
    let missing = (404, "NoSuchCidrLocationException");
    refused(&world, "ListCidrBlocks", location, missing).await;
    for operation in ["ListCidrBlocks", "ListCidrLocations"] {
        let none = json!({ "CollectionId": "c4b5c7a6-1111-4222-8333-444444444444" });
        let missing = (404, "NoSuchCidrCollectionException");
        refused(&world, operation, none, missing).await;
    }
    refused(
        &world,
        "ListCidrCollections",
        json!({ "NextToken": "%" }),
        INVALID,
    )
    .await;
}

#[tokio::test]
async fn a_location_does_not_go_while_a_record_comes_to_it() {
    let world = World::route53();
    let zone = zone(&world, "example.com").await;
    for round in 0..20 {
        let id = collection(&world, &format!("c{round}")).await;
        let blocks = changes(&id, &[put("a", &["192.0.2.0/24"])]);
        world.ok("ChangeCidrCollection", blocks).await;
        let name = format!("w{round}.example.com");
        let batch = super::batch(&zone, &[("CREATE", routed(&name, "here", &id, "a"))]);
        let gone = changes(&id, &[remove("a", &["192.0.2.0/24"])]);
        let (written, removed) = tokio::join!(
            world.call("ChangeResourceRecordSets", batch),
            world.call("ChangeCidrCollection", gone),
        );
        assert_ne!(written.is_ok(), removed.is_ok(), "{written:?} {removed:?}");
    }
}
