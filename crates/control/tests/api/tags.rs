//! Tags of resources.

use serde_json::{Value, json};

use crate::stored::refused;
use crate::world::{World, distribution};

fn tags(pairs: &[(&str, &str)]) -> Value {
    let items = pairs
        .iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }));
    json!({ "Items": items.collect::<Vec<_>>() })
}

async fn of(world: &World, arn: &str) -> Value {
    world
        .ok("ListTagsForResource", json!({ "Resource": arn }))
        .await["Tags"]
        .clone()
}

async fn distribution_arn(world: &World) -> String {
    let output = world.distribution("r").await;
    output["Distribution"]["ARN"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn tags_are_put_replaced_and_removed() {
    let world = World::new();
    let arn = distribution_arn(&world).await;
    assert_eq!(of(&world, &arn).await, tags(&[]));
    let input = json!({ "Resource": arn, "Tags": tags(&[("a", "1"), ("b", "2")]) });
    world.ok("TagResource", input).await;
    let input = json!({ "Resource": arn, "Tags": tags(&[("b", "3"), ("c", "")]) });
    world.ok("TagResource", input).await;
    assert_eq!(
        of(&world, &arn).await,
        tags(&[("a", "1"), ("b", "3"), ("c", "")])
    );
    let input = json!({ "Resource": arn, "TagKeys": { "Items": ["a", "c", "unknown"] } });
    world.ok("UntagResource", input).await;
    assert_eq!(of(&world, &arn).await, tags(&[("b", "3")]));
    let input = json!({ "Resource": arn, "TagKeys": { "Items": ["b"] } });
    world.ok("UntagResource", input).await;
    assert_eq!(of(&world, &arn).await, tags(&[]));
}

#[tokio::test]
async fn a_distribution_is_made_with_tags() {
    let world = World::new();
    let input = json!({ "DistributionConfigWithTags": {
        "DistributionConfig": distribution("r"), "Tags": tags(&[("a", "1")]),
    }});
    let output = world.ok("CreateDistributionWithTags", input).await;
    let arn = output["Distribution"]["ARN"].as_str().unwrap();
    assert_eq!(of(&world, arn).await, tags(&[("a", "1")]));
    let input = json!({ "DistributionConfigWithTags": {
        "DistributionConfig": distribution("s"), "Tags": tags(&[("aws:a", "1")]),
    }});
    refused(
        &world,
        "CreateDistributionWithTags",
        input,
        (400, "InvalidTagging"),
    )
    .await;
}

#[tokio::test]
async fn tags_that_aws_refuses_are_refused() {
    let world = World::new();
    let arn = distribution_arn(&world).await;
    let error = (400, "InvalidTagging");
    for bad in [("aws:a", "1"), ("a;b", "1"), ("a", "\n")] {
        let input = json!({ "Resource": arn, "Tags": tags(&[bad]) });
        refused(&world, "TagResource", input, error).await;
    }
    let many: Vec<(String, &str)> = (0..50).map(|n| (format!("k{n}"), "v")).collect();
    let many: Vec<(&str, &str)> = many
        .iter()
        .map(|(key, value)| (key.as_str(), *value))
        .collect();
    let input = json!({ "Resource": arn, "Tags": tags(&many) });
    world.ok("TagResource", input).await;
    let input = json!({ "Resource": arn, "Tags": tags(&[("one-more", "")]) });
    refused(&world, "TagResource", input, error).await;
}

#[tokio::test]
async fn what_is_not_there_has_no_tags() {
    let world = World::new();
    let arn = |resource: &str| format!("arn:aws:cloudfront::123456789012:{resource}");
    let none = (404, "NoSuchResource");
    for resource in [
        "distribution/E1",
        "distribution/",
        "nonsense/x",
        "distribution/a/b",
    ] {
        let input = json!({ "Resource": arn(resource) });
        refused(&world, "ListTagsForResource", input.clone(), none).await;
        let mut input = input;
        input["Tags"] = tags(&[("a", "1")]);
        refused(&world, "TagResource", input, none).await;
    }
    let foreign = json!({ "Resource": "arn:aws:cloudfront::111111111111:distribution/E1" });
    refused(&world, "ListTagsForResource", foreign, none).await;
    let input = json!({ "Resource": "E1" });
    refused(
        &world,
        "ListTagsForResource",
        input,
        (400, "InvalidArgument"),
    )
    .await;
}
