use documents::Role;
use serde_json::json;

use super::{change, set, zone};
use crate::world::World;

#[tokio::test]
async fn a_change_is_in_sync_when_every_name_server_has_it() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    world.node("dns-1", Role::Dns, u64::MAX).await;
    world.node("dns-2", Role::Dns, 1).await;
    // Edges are not asked.
    world.edge("edge", 1).await;
    let input = json!({ "HostedZoneId": id, "ChangeBatch": { "Comment": "why", "Changes": [
        { "Action": "CREATE", "ResourceRecordSet": set("a.example.com", "A", &["192.0.2.1"]) },
    ]}});
    let told = world.ok("ChangeResourceRecordSets", input).await;
    let info = &told["ChangeInfo"];
    assert_eq!(
        (&info["Status"], &info["Comment"]),
        (&json!("PENDING"), &json!("why"))
    );
    assert!(info["SubmittedAt"].as_str().unwrap().ends_with("Z"));
    let change_id = info["Id"].as_str().unwrap();
    assert!(change_id.starts_with("/change/C"), "{change_id}");
    let status = |id: &str| {
        let input = json!({ "Id": id });
        let world = &world;
        async move { world.ok("GetChange", input).await["ChangeInfo"]["Status"].clone() }
    };
    assert_eq!(status(change_id).await, "PENDING");
    world.node("dns-2", Role::Dns, u64::MAX).await;
    assert_eq!(status(change_id).await, "INSYNC");
    assert_eq!(status(&change_id["/change/".len()..]).await, "INSYNC");
}

#[tokio::test]
async fn an_unknown_change_is_not_found() {
    let world = World::route53();
    let (status, code, message) = world.refusal("GetChange", json!({ "Id": "C1" })).await;
    assert_eq!((status, &*code), (404, "NoSuchChange"));
    assert_eq!(message, "Could not find resource with ID: /change/C1");
}

#[tokio::test]
async fn changes_of_long_ago_go() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    world.pass(31 * 86_400_000);
    for round in 0..100 {
        let value = format!("192.0.2.{round}");
        change(
            &world,
            &id,
            &[("UPSERT", set("a.example.com", "A", &[&value]))],
        )
        .await;
    }
    let left = world.content("changes/").await;
    assert_eq!(left.matches("changes/C").count(), 100);
}
