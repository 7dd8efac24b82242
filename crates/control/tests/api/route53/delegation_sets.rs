use serde_json::{Value, json};

use super::{private_zone, zone, zone_of};
use crate::world::World;

async fn made(world: &World, reference: &str) -> Value {
    let input = json!({ "CallerReference": reference });
    world.ok("CreateReusableDelegationSet", input).await["DelegationSet"].clone()
}

#[tokio::test]
async fn zones_of_one_set_have_its_name_servers() {
    let world = World::route53();
    let set = made(&world, "s").await;
    assert_eq!(set["NameServers"].as_array().unwrap().len(), 4);
    let id = set["Id"].as_str().unwrap();
    assert!(id.starts_with("/delegationset/N"), "{id}");
    for name in ["example.com", "example.org"] {
        let zone = zone_of(&world, json!({ "Name": name, "DelegationSetId": id })).await;
        assert_eq!(zone["DelegationSet"], set);
    }
    let got = world
        .ok("GetReusableDelegationSet", json!({ "Id": id }))
        .await;
    assert_eq!(got["DelegationSet"], set);
    for name in ["example.com", "a.example.com", "com.", "example.org"] {
        let input = json!({ "Name": name, "CallerReference": name, "DelegationSetId": id });
        let (status, code, message) = world.refusal("CreateHostedZone", input).await;
        assert_eq!(status, 400);
        if name != "com." {
            assert_eq!(code, "ConflictingDomainExists");
            assert!(
                message.contains("conflicts with existing ones sharing"),
                "{message}"
            );
        }
    }
    let input = json!({ "DelegationSetId": id });
    let listed = world.ok("ListHostedZones", input).await;
    assert_eq!(listed["HostedZones"].as_array().unwrap().len(), 2);
    let input = json!({ "DelegationSetId": id, "Type": "MAX_ZONES_BY_REUSABLE_DELEGATION_SET" });
    let limit = world.ok("GetReusableDelegationSetLimit", input).await;
    assert_eq!(
        (&limit["Count"], &limit["Limit"]["Value"]),
        (&json!(2), &json!(100))
    );
    let failed = world
        .fail("DeleteReusableDelegationSet", json!({ "Id": id }))
        .await;
    assert_eq!(failed, (400, "DelegationSetInUse".to_owned()));
}

#[tokio::test]
async fn a_set_that_nobody_uses_goes_and_its_reference_stays_taken() {
    let world = World::route53();
    let set = made(&world, "s").await;
    let list = || world.ok("ListReusableDelegationSets", json!({}));
    assert_eq!(list().await["DelegationSets"], json!([set]));
    world
        .ok("DeleteReusableDelegationSet", json!({ "Id": set["Id"] }))
        .await;
    assert_eq!(list().await["DelegationSets"], json!([]));
    let failed = world
        .fail("GetReusableDelegationSet", json!({ "Id": set["Id"] }))
        .await;
    assert_eq!(failed, (400, "NoSuchDelegationSet".to_owned()));
    let again = json!({ "CallerReference": "s" });
    let failed = world.fail("CreateReusableDelegationSet", again).await;
    assert_eq!(failed, (400, "DelegationSetAlreadyCreated".to_owned()));
}

#[tokio::test]
async fn the_name_servers_of_a_zone_become_reusable_once() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let before = world.ok("GetHostedZone", json!({ "Id": id })).await;
    let input = json!({ "CallerReference": "s", "HostedZoneId": id });
    let made = world.ok("CreateReusableDelegationSet", input).await;
    let set = &made["DelegationSet"];
    assert_eq!(set["NameServers"], before["DelegationSet"]["NameServers"]);
    let after = world.ok("GetHostedZone", json!({ "Id": id })).await;
    assert_eq!(after["DelegationSet"], *set);
    let again = json!({ "CallerReference": "t", "HostedZoneId": id });
    let failed = world.fail("CreateReusableDelegationSet", again).await;
    assert_eq!(failed, (400, "DelegationSetAlreadyReusable".to_owned()));
    let unknown = json!({ "CallerReference": "u", "HostedZoneId": "Z1" });
    let failed = world.fail("CreateReusableDelegationSet", unknown).await;
    assert_eq!(failed, (400, "HostedZoneNotFound".to_owned()));
    let private = private_zone(&world, "example.com").await;
    let private = json!({ "CallerReference": "v", "HostedZoneId": private });
    let failed = world.fail("CreateReusableDelegationSet", private).await;
    assert_eq!(failed, (400, "InvalidArgument".to_owned()));
}
