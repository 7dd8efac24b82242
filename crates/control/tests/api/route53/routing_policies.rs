use serde_json::{Value, json};

use super::{alias, change, private_zone, refused, set, with, zone};
use crate::world::World;

/// A member of a group at `p.example.com`.
fn member(identifier: &str, policy: Value) -> Value {
    let set = set("p.example.com", "A", &["192.0.2.1"]);
    with(with(set, json!({ "SetIdentifier": identifier })), policy)
}

fn cannot(identifier: &str, why: &str) -> String {
    format!(
        "[RRSet with DNS name p.example.com., type A, SetIdentifier {identifier} cannot be created \
         as {why}]"
    )
}

#[tokio::test]
async fn every_policy_is_taken_and_told_of_as_it_was_given() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let policies = [
        json!({ "Weight": 0 }),
        json!({ "Region": "eu-west-1" }),
        json!({ "Failover": "PRIMARY" }),
        json!({ "GeoLocation": { "CountryCode": "US", "SubdivisionCode": "CA" } }),
        json!({ "MultiValueAnswer": true }),
        json!({ "GeoProximityLocation": { "AWSRegion": "eu-west-1", "Bias": -5 } }),
        json!({ "GeoProximityLocation": { "Coordinates": { "Latitude": "49.22",
            "Longitude": "-74.01" } } }),
    ];
    for policy in policies {
        let given = member("one", policy.clone());
        change(&world, &id, &[("CREATE", given.clone())]).await;
        let input = json!({ "HostedZoneId": id, "StartRecordName": "p.example.com" });
        let listed = world.ok("ListResourceRecordSets", input).await;
        let expected = with(given.clone(), json!({ "Name": "p.example.com." }));
        assert_eq!(listed["ResourceRecordSets"][0], expected);
        change(&world, &id, &[("DELETE", given)]).await;
    }
}

#[tokio::test]
async fn a_group_is_of_one_policy_and_simple_records_are_alone() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let simple = set("p.example.com", "A", &["192.0.2.1"]);
    let weighted = |identifier: &str| member(identifier, json!({ "Weight": 1 }));
    change(&world, &id, &[("CREATE", weighted("w"))]).await;
    assert_eq!(
        refused(&world, &id, &[("UPSERT", simple.clone())]).await,
        "[RRSet with DNS name p.example.com., type A cannot be created as other RRSets exist with \
         the same name and type.]"
    );
    for (policy, word) in [
        (json!({ "Region": "eu-west-1" }), "latency"),
        (
            json!({ "GeoLocation": { "CountryCode": "*" } }),
            "geolocation",
        ),
        (json!({ "Failover": "PRIMARY" }), "failover"),
        (json!({ "MultiValueAnswer": true }), "multivalue answer"),
    ] {
        let why = format!("a non-{word} set exists with the same name and type.");
        let message = refused(&world, &id, &[("CREATE", member("x", policy))]).await;
        assert_eq!(message, cannot("x", &why));
    }
    // Another type is another group.
    let other = with(
        set("p.example.com", "TXT", &["\"x\""]),
        json!({ "SetIdentifier": "t",
        "Region": "eu-west-1" }),
    );
    change(&world, &id, &[("CREATE", other)]).await;
    change(
        &world,
        &id,
        &[("DELETE", weighted("w")), ("CREATE", simple.clone())],
    )
    .await;
    assert_eq!(
        refused(&world, &id, &[("CREATE", weighted("w"))]).await,
        cannot(
            "w",
            "a non-weighted set exists with the same name and type."
        )
    );
}

#[tokio::test]
async fn members_of_a_group_differ_in_what_they_are_chosen_by() {
    let world = World::route53();
    for (policy, why) in [
        (
            json!({ "Region": "us-east-1" }),
            "a latency record with region us-east-1 already exists",
        ),
        (
            json!({ "GeoLocation": { "ContinentCode": "EU" } }),
            "a geolocation record for EU already exists",
        ),
        (
            json!({ "Failover": "SECONDARY" }),
            "a failover record of role SECONDARY already exists",
        ),
    ] {
        let id = zone(&world, "example.com").await;
        // Both are new: the later one is told of.
        let both = [
            ("CREATE", member("a", policy.clone())),
            ("CREATE", member("b", policy.clone())),
        ];
        assert_eq!(refused(&world, &id, &both).await, cannot("b", why));
        change(&world, &id, &both[..1]).await;
        assert_eq!(refused(&world, &id, &both[1..]).await, cannot("b", why));
    }
}

#[tokio::test]
async fn members_can_change_places_in_one_batch() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let role = |identifier: &str, role: &str| member(identifier, json!({ "Failover": role }));
    let first = [
        ("CREATE", role("a", "PRIMARY")),
        ("CREATE", role("b", "SECONDARY")),
    ];
    change(&world, &id, &first).await;
    let swapped = [
        ("UPSERT", role("a", "SECONDARY")),
        ("UPSERT", role("b", "PRIMARY")),
    ];
    change(&world, &id, &swapped).await;
    refused(&world, &id, &[("UPSERT", role("b", "SECONDARY"))]).await;
}

#[tokio::test]
async fn weighted_records_have_one_ttl() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let weighted =
        |identifier: &str, ttl: u32| member(identifier, json!({ "Weight": 1, "TTL": ttl }));
    change(
        &world,
        &id,
        &[("CREATE", weighted("a", 60)), ("CREATE", weighted("b", 60))],
    )
    .await;
    assert_eq!(
        refused(&world, &id, &[("UPSERT", weighted("b", 30))]).await,
        "[RRSet with DNS name p.example.com. and type A, SetIdentifier b cannot be created as \
         weighted sets must contain the same TTL.]"
    );
    change(
        &world,
        &id,
        &[("UPSERT", weighted("a", 30)), ("UPSERT", weighted("b", 30))],
    )
    .await;
}

#[tokio::test]
async fn a_group_has_a_hundred_members() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let many: Vec<_> = (0..101)
        .map(|n| {
            (
                "CREATE",
                member(&format!("m{n}"), json!({ "MultiValueAnswer": true })),
            )
        })
        .collect();
    let message = refused(&world, &id, &many).await;
    assert_eq!(
        message,
        cannot(
            "m100",
            "there would be more than 100 with the same name and type."
        )
    );
    change(&world, &id, &many[..100]).await;
    let near = |n: u32| {
        let members = json!({ "GeoProximityLocation": { "AWSRegion": "eu-west-1" },
            "Name": "q.example.com" });
        ("CREATE", with(member(&format!("g{n}"), json!({})), members))
    };
    refused(&world, &id, &(0..31).map(near).collect::<Vec<_>>()).await;
    change(&world, &id, &(0..30).map(near).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn some_types_have_no_policy_and_aliases_are_not_one_of_many_values() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    change(
        &world,
        &id,
        &[("CREATE", set("a.example.com", "A", &["192.0.2.1"]))],
    )
    .await;
    let weighted = json!({ "SetIdentifier": "x", "Weight": 1 });
    let many = json!({ "SetIdentifier": "x", "MultiValueAnswer": true });
    for set in [
        with(set("s.example.com", "NS", &["ns.example.net"]), weighted),
        with(
            set("s.example.com", "CNAME", &["x.example.net"]),
            many.clone(),
        ),
        with(alias("s.example.com", "A", &id, "a.example.com"), many),
    ] {
        let message = refused(&world, &id, &[("CREATE", set)]).await;
        assert!(message.contains("cannot be created as no"), "{message}");
    }
}

#[tokio::test]
async fn failover_does_not_go_from_one_distribution_to_another() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let role = |identifier: &str, role: &str| {
        let target = alias("f.example.com", "A", "Z2FDTNDATAQYW2", "d1.cdn.localhost");
        with(
            target,
            json!({ "SetIdentifier": identifier, "Failover": role }),
        )
    };
    let both = [
        ("CREATE", role("a", "PRIMARY")),
        ("CREATE", role("b", "SECONDARY")),
    ];
    let message = refused(&world, &id, &both).await;
    assert!(message.contains("both primary and secondary"), "{message}");
}

#[tokio::test]
async fn ip_based_routing_needs_its_collection_and_location() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let made = world
        .ok(
            "CreateCidrCollection",
            json!({ "Name": "c", "CallerReference": "c" }),
        )
        .await;
    let collection = made["Collection"]["Id"].as_str().unwrap().to_owned();
    let put = json!({ "Id": collection, "Changes": [
        { "LocationName": "home", "Action": "PUT", "CidrList": ["192.0.2.0/24"] } ] });
    world.ok("ChangeCidrCollection", put).await;
    let at = |identifier: &str, collection: &str, location: &str| {
        let config = json!({ "CollectionId": collection, "LocationName": location });
        member(identifier, json!({ "CidrRoutingConfig": config }))
    };
    let message = refused(&world, &id, &[("CREATE", at("a", &collection, "away"))]).await;
    assert!(message.contains("away"), "{message}");
    let none = "00000000-0000-4000-8000-000000000000";
    refused(&world, &id, &[("CREATE", at("a", none, "home"))]).await;
    let good = [
        ("CREATE", at("a", &collection, "home")),
        ("CREATE", at("b", &collection, "*")),
    ];
    change(&world, &id, &good).await;
    refused(&world, &id, &[("CREATE", at("c", &collection, "home"))]).await;
    // What is used stays.
    let empty = json!({ "Id": collection, "Changes": [
        { "LocationName": "home", "Action": "DELETE_IF_EXISTS", "CidrList": ["192.0.2.0/24"] } ] });
    let in_use = world.fail("ChangeCidrCollection", empty.clone()).await;
    assert_eq!(in_use.1, "CidrBlockInUseException");
    change(&world, &id, &[("DELETE", at("a", &collection, "home"))]).await;
    world.ok("ChangeCidrCollection", empty).await;

    let private = private_zone(&world, "example.com").await;
    let message = refused(&world, &private, &[("CREATE", at("a", &collection, "*"))]).await;
    assert!(message.contains("private"), "{message}");
}
