use serde_json::{Value, json};

use super::{private_zone, zone};
use crate::stored::refused;
use crate::world::World;

const GROUP: &str = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/route53/example.com";

fn config(zone: &str, group: &str) -> Value {
    json!({ "HostedZoneId": zone, "CloudWatchLogsLogGroupArn": group })
}

#[tokio::test]
async fn a_zone_has_one_config_which_goes_with_it() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let made = world
        .ok("CreateQueryLoggingConfig", config(&id, GROUP))
        .await;
    let told = &made["QueryLoggingConfig"];
    let bare = id.trim_start_matches("/hostedzone/");
    assert_eq!(told["HostedZoneId"], bare);
    assert_eq!(told["CloudWatchLogsLogGroupArn"], GROUP);
    let get = json!({ "Id": told["Id"] });
    let got = world.ok("GetQueryLoggingConfig", get.clone()).await;
    assert_eq!(got["QueryLoggingConfig"], *told);
    let taken = (409, "QueryLoggingConfigAlreadyExists");
    refused(
        &world,
        "CreateQueryLoggingConfig",
        config(&id, GROUP),
        taken,
    )
    .await;
    world.ok("DeleteHostedZone", json!({ "Id": id })).await;
    let missing = (404, "NoSuchQueryLoggingConfig");
    refused(&world, "GetQueryLoggingConfig", get.clone(), missing).await;
    refused(&world, "DeleteQueryLoggingConfig", get, missing).await;
    assert!(world.content("claims/zone/query-logging").await.is_empty());
}

#[tokio::test]
async fn a_deleted_config_makes_room_for_another() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    let made = world
        .ok("CreateQueryLoggingConfig", config(&id, GROUP))
        .await;
    let gone = json!({ "Id": made["QueryLoggingConfig"]["Id"] });
    world.ok("DeleteQueryLoggingConfig", gone).await;
    world
        .ok(
            "CreateQueryLoggingConfig",
            config(&id, &format!("{GROUP}:*")),
        )
        .await;
}

#[tokio::test]
async fn only_log_groups_of_public_zones_are_taken() {
    let world = World::route53();
    let id = zone(&world, "example.com").await;
    for bad in [
        "",
        "nonsense",
        "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/route53/a",
        "arn:aws:logs:us-east-1:123456789012:log-group:",
        "arn:aws:logs:us-east-1:123456789012:log-stream:a",
        "arn:aws:sns:us-east-1:123456789012:log-group:a",
    ] {
        let (status, code, message) = world
            .refusal("CreateQueryLoggingConfig", config(&id, bad))
            .await;
        assert_eq!((status, &*code), (400, "InvalidInput"), "{bad}");
        assert_eq!(
            message,
            "The ARN for the CloudWatch Logs log group is invalid"
        );
    }
    let private = private_zone(&world, "internal.example").await;
    let input = config(&private, GROUP);
    refused(
        &world,
        "CreateQueryLoggingConfig",
        input,
        (400, "InvalidInput"),
    )
    .await;
    let missing = (404, "NoSuchHostedZone");
    refused(
        &world,
        "CreateQueryLoggingConfig",
        config("Z1", GROUP),
        missing,
    )
    .await;
}

#[tokio::test]
async fn configs_are_listed_for_all_zones_or_one() {
    let world = World::route53();
    let mut ids = Vec::new();
    for number in 0..3 {
        let zone = zone(&world, &format!("example{number}.com")).await;
        let made = world
            .ok("CreateQueryLoggingConfig", config(&zone, GROUP))
            .await;
        ids.push(
            made["QueryLoggingConfig"]["Id"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
        let one = json!({ "HostedZoneId": zone });
        let listed = world.ok("ListQueryLoggingConfigs", one).await;
        assert_eq!(
            listed["QueryLoggingConfigs"],
            json!([made["QueryLoggingConfig"]])
        );
    }
    ids.sort();
    let first = world
        .ok("ListQueryLoggingConfigs", json!({ "MaxResults": "2" }))
        .await;
    let input = json!({ "MaxResults": "2", "NextToken": first["NextToken"] });
    let second = world.ok("ListQueryLoggingConfigs", input).await;
    let listed = |page: &Value| -> Vec<String> {
        let configs = page["QueryLoggingConfigs"].as_array().unwrap().iter();
        configs
            .map(|config| config["Id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!([listed(&first), listed(&second)].concat(), ids);
    assert_eq!(second.get("NextToken"), None);
    let bad = json!({ "NextToken": "%" });
    refused(
        &world,
        "ListQueryLoggingConfigs",
        bad,
        (400, "InvalidPaginationToken"),
    )
    .await;
}
