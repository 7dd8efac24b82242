use serde_json::{Value, json};

use super::zone;
use crate::world::World;

async fn tags(world: &World, id: &str) -> Value {
    let input = json!({ "ResourceType": "hostedzone", "ResourceId": id });
    let told = world.ok("ListTagsForResource", input).await;
    told["ResourceTagSet"]["Tags"].clone()
}

#[tokio::test]
async fn tags_come_are_replaced_and_go() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    assert_eq!(tags(&world, &id).await, json!([]));
    let change = |members: Value| {
        let mut input = json!({ "ResourceType": "hostedzone", "ResourceId": id });
        input
            .as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        world.ok("ChangeTagsForResource", input)
    };
    change(json!({ "AddTags": [{ "Key": "a", "Value": "1" }, { "Key": "b" }] })).await;
    change(json!({ "AddTags": [{ "Key": "a", "Value": "2" }], "RemoveTagKeys": ["b", "c"] })).await;
    assert_eq!(
        tags(&world, &id).await,
        json!([{ "Key": "a", "Value": "2" }])
    );
    let bare = id.trim_start_matches("/hostedzone/");
    let input = json!({ "ResourceType": "hostedzone", "ResourceIds": [bare] });
    let many = world.ok("ListTagsForResources", input).await;
    assert_eq!(
        many["ResourceTagSets"],
        json!([{ "ResourceType": "hostedzone", "ResourceId": bare,
                 "Tags": [{ "Key": "a", "Value": "2" }] }])
    );
    world.ok("DeleteHostedZone", json!({ "Id": id })).await;
    assert_eq!(world.content("tags/").await, "");
}

#[tokio::test]
async fn what_cannot_be_a_tag_or_have_one_is_refused() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    for members in [
        json!({ "AddTags": [{ "Key": "aws:x" }] }),
        json!({ "AddTags": [{ "Value": "x" }] }),
        json!({ "AddTags": [{ "Key": "k".repeat(129) }] }),
        json!({}),
    ] {
        let mut input = json!({ "ResourceType": "hostedzone", "ResourceId": id });
        input
            .as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        let failed = world.fail("ChangeTagsForResource", input).await;
        assert_eq!(failed, (400, "InvalidInput".to_owned()), "{members}");
    }
    for (kind, code) in [
        ("hostedzone", "NoSuchHostedZone"),
        ("healthcheck", "NoSuchHealthCheck"),
    ] {
        let input = json!({ "ResourceType": kind, "ResourceId": "none" });
        let failed = world.fail("ListTagsForResource", input).await;
        assert_eq!(failed, (404, code.to_owned()));
    }
}
