use serde_json::{Value, json};

use crate::stored::{distribution_with, no_distribution, refused};
use crate::world::World;

const ARN: &str = "arn:aws:cloudfront::123456789012:realtime-log-config/logs";

fn input(name: &str) -> Value {
    json!({
        "Name": name,
        "SamplingRate": 100,
        "Fields": ["timestamp", "c-ip", "sc-status"],
        "EndPoints": [{
            "StreamType": "Kinesis",
            "KinesisStreamConfig": {
                "RoleARN": "arn:aws:iam::123456789012:role/logs",
                "StreamARN": "arn:aws:kinesis:us-east-1:123456789012:stream/logs",
            },
        }],
    })
}

#[tokio::test]
async fn a_config_is_found_by_name_and_by_arn() {
    let world = World::new();
    let created = world.ok("CreateRealtimeLogConfig", input("logs")).await;
    let config = &created["RealtimeLogConfig"];
    assert_eq!(config["ARN"], ARN);
    assert_eq!(config["Fields"], input("logs")["Fields"]);
    for by in [
        json!({ "Name": "logs" }),
        json!({ "ARN": ARN }),
        json!({ "Name": "logs", "ARN": "other" }),
    ] {
        let got = world.ok("GetRealtimeLogConfig", by).await;
        assert_eq!(got["RealtimeLogConfig"], *config);
    }
    let missing = (404, "NoSuchRealtimeLogConfig");
    for by in [
        json!({ "Name": "other" }),
        json!({ "ARN": ARN.replace("123456789012", "210987654321") }),
        json!({ "ARN": "logs" }),
    ] {
        refused(&world, "GetRealtimeLogConfig", by.clone(), missing).await;
        refused(&world, "DeleteRealtimeLogConfig", by, missing).await;
    }
    refused(
        &world,
        "GetRealtimeLogConfig",
        json!({}),
        (400, "InvalidArgument"),
    )
    .await;
    let taken = (409, "RealtimeLogConfigAlreadyExists");
    refused(&world, "CreateRealtimeLogConfig", input("logs"), taken).await;
}

#[tokio::test]
async fn an_update_leaves_what_it_does_not_name() {
    let world = World::new();
    world.ok("CreateRealtimeLogConfig", input("logs")).await;
    let update = json!({ "ARN": ARN, "SamplingRate": 5 });
    let updated = world.ok("UpdateRealtimeLogConfig", update).await;
    let config = &updated["RealtimeLogConfig"];
    assert_eq!(config["SamplingRate"], 5);
    assert_eq!(config["Fields"], input("logs")["Fields"]);
    assert_eq!(config["EndPoints"], input("logs")["EndPoints"]);
    let invalid = json!({ "Name": "logs", "SamplingRate": 0 });
    refused(
        &world,
        "UpdateRealtimeLogConfig",
        invalid,
        (400, "InvalidArgument"),
    )
    .await;
}

#[tokio::test]
async fn a_config_that_a_behavior_names_stays() {
    let world = World::new();
    world.ok("CreateRealtimeLogConfig", input("logs")).await;
    distribution_with(&world, "E1", |config| {
        config["DefaultCacheBehavior"]["RealtimeLogConfigArn"] = json!(ARN);
    })
    .await;
    let delete = json!({ "Name": "logs" });
    let in_use = (400, "RealtimeLogConfigInUse");
    refused(&world, "DeleteRealtimeLogConfig", delete.clone(), in_use).await;
    no_distribution(&world, "E1").await;
    world.ok("DeleteRealtimeLogConfig", delete.clone()).await;
    let missing = (404, "NoSuchRealtimeLogConfig");
    refused(&world, "DeleteRealtimeLogConfig", delete, missing).await;
}

#[tokio::test]
async fn what_no_log_can_be_made_of_is_refused() {
    let world = World::new();
    let cases = [
        ("/Name", json!("a b")),
        ("/SamplingRate", json!(0)),
        ("/SamplingRate", json!(101)),
        ("/Fields", json!([])),
        ("/Fields", json!(["c-ip", "c-ip"])),
        ("/Fields", json!(["shoe-size"])),
        ("/EndPoints", json!([])),
        ("/EndPoints/0/StreamType", json!("Firehose")),
        ("/EndPoints/0/KinesisStreamConfig", Value::Null),
        ("/EndPoints/0/KinesisStreamConfig/RoleARN", json!("role")),
        (
            "/EndPoints/0/KinesisStreamConfig/StreamARN",
            json!("arn:aws:iam::123456789012:role/logs"),
        ),
    ];
    for (pointer, value) in cases {
        let mut input = input("logs");
        *input.pointer_mut(pointer).unwrap() = value;
        refused(
            &world,
            "CreateRealtimeLogConfig",
            input,
            (400, "InvalidArgument"),
        )
        .await;
    }
}

#[tokio::test]
async fn configs_are_listed_by_page() {
    let world = World::new();
    for name in ["b", "a", "c"] {
        world.ok("CreateRealtimeLogConfig", input(name)).await;
    }
    let first = world
        .ok("ListRealtimeLogConfigs", json!({ "MaxItems": "2" }))
        .await;
    let first = &first["RealtimeLogConfigs"];
    assert_eq!(first["Items"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&first["IsTruncated"], &first["NextMarker"]),
        (&json!(true), &json!("a"))
    );
    let second = json!({ "MaxItems": "2", "Marker": "a" });
    let second = world.ok("ListRealtimeLogConfigs", second).await;
    let second = &second["RealtimeLogConfigs"];
    assert_eq!(second["Items"][0]["Name"], "c");
    assert_eq!(
        (&second["IsTruncated"], &second["Marker"]),
        (&json!(false), &json!("a"))
    );
}
