use serde_json::{Value, json};

use crate::stored::{distribution_with, no_distribution, refused};
use crate::world::World;

fn subscription(status: &str) -> Value {
    json!({
        "RealtimeMetricsSubscriptionConfig": { "RealtimeMetricsSubscriptionStatus": status },
    })
}

fn create(status: &str) -> Value {
    json!({ "DistributionId": "E1", "MonitoringSubscription": subscription(status) })
}

#[tokio::test]
async fn a_subscription_is_made_changed_and_deleted() {
    let world = World::new();
    distribution_with(&world, "E1", |_| {}).await;
    let id = json!({ "DistributionId": "E1" });
    let missing = (404, "NoSuchMonitoringSubscription");
    refused(&world, "GetMonitoringSubscription", id.clone(), missing).await;
    refused(&world, "DeleteMonitoringSubscription", id.clone(), missing).await;
    let created = world
        .ok("CreateMonitoringSubscription", create("Enabled"))
        .await;
    assert_eq!(created["MonitoringSubscription"], subscription("Enabled"));
    let again = (409, "MonitoringSubscriptionAlreadyExists");
    refused(
        &world,
        "CreateMonitoringSubscription",
        create("Enabled"),
        again,
    )
    .await;
    world
        .ok("CreateMonitoringSubscription", create("Disabled"))
        .await;
    let got = world.ok("GetMonitoringSubscription", id.clone()).await;
    assert_eq!(got["MonitoringSubscription"], subscription("Disabled"));
    world.ok("DeleteMonitoringSubscription", id.clone()).await;
    refused(&world, "GetMonitoringSubscription", id, missing).await;
}

#[tokio::test]
async fn only_distributions_that_there_are_have_subscriptions() {
    let world = World::new();
    let missing = (404, "NoSuchDistribution");
    refused(
        &world,
        "CreateMonitoringSubscription",
        create("Enabled"),
        missing,
    )
    .await;
    distribution_with(&world, "E1", |_| {}).await;
    world
        .ok("CreateMonitoringSubscription", create("Enabled"))
        .await;
    no_distribution(&world, "E1").await;
    for id in ["E1", "E1/x", ""] {
        let id = json!({ "DistributionId": id });
        refused(&world, "GetMonitoringSubscription", id.clone(), missing).await;
        refused(&world, "DeleteMonitoringSubscription", id, missing).await;
    }
}

#[tokio::test]
async fn a_subscription_to_nothing_is_refused() {
    let world = World::new();
    distribution_with(&world, "E1", |_| {}).await;
    let input = json!({ "DistributionId": "E1", "MonitoringSubscription": {} });
    refused(
        &world,
        "CreateMonitoringSubscription",
        input,
        (400, "InvalidArgument"),
    )
    .await;
}
