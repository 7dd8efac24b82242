//! Many callers at once: of those that want the same thing, one gets it.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::distributions::{aliases, made, updated};
use crate::world::{World, distribution};

/// Calls at once, and how many there were of each outcome.
async fn outcomes(
    world: &Arc<World>,
    operation: &'static str,
    inputs: impl Iterator<Item = Value>,
) -> Vec<(u16, usize)> {
    let mut tasks = tokio::task::JoinSet::new();
    for input in inputs {
        let world = Arc::clone(world);
        tasks.spawn(async move {
            match world.call(operation, input).await {
                Ok(_) => 200,
                Err(error) => error.status,
            }
        });
    }
    let mut statuses = tasks.join_all().await;
    statuses.sort_unstable();
    let counts = statuses.chunk_by(|a, b| a == b);
    counts.map(|same| (same[0], same.len())).collect()
}

#[tokio::test]
async fn of_a_thousand_updates_with_one_etag_exactly_one_wins() {
    let world = Arc::new(World::new());
    let id = made(&world, "r", |_| ()).await;
    let input = updated(&world, &id, |_| ()).await;
    let inputs = (0..1_000).map(|number| {
        let mut input = input.clone();
        input["DistributionConfig"]["Comment"] = format!("{number}").into();
        input
    });
    let outcomes = outcomes(&world, "UpdateDistribution", inputs).await;
    assert_eq!(outcomes, [(200, 1), (412, 999)]);
    let got = world.ok("GetDistribution", json!({ "Id": id })).await;
    assert_ne!(got["ETag"], input["IfMatch"]);
}

#[tokio::test]
async fn of_many_creations_with_one_alias_one_wins() {
    let world = Arc::new(World::new());
    let inputs = (0..50).map(|number| {
        let mut config = distribution(&format!("{number}"));
        config["Aliases"] = aliases(&["a.example.com"]);
        json!({ "DistributionConfig": config })
    });
    let outcomes = outcomes(&world, "CreateDistribution", inputs).await;
    assert_eq!(outcomes, [(200, 1), (409, 49)]);
    let list = world.ok("ListDistributions", json!({})).await;
    assert_eq!(list["DistributionList"]["Quantity"], 1);
}

#[tokio::test]
async fn of_many_creations_with_one_caller_reference_one_wins() {
    let world = Arc::new(World::new());
    let inputs = (0..50).map(|_| json!({ "DistributionConfig": distribution("r") }));
    let outcomes = outcomes(&world, "CreateDistribution", inputs).await;
    assert_eq!(outcomes, [(200, 1), (409, 49)]);
}

/// Either the policy is gone and there is no distribution, or there is one and the policy stays.
#[tokio::test]
async fn a_policy_is_not_deleted_under_a_distribution_that_is_being_made() {
    for number in 0..20 {
        let world = Arc::new(World::new());
        let config = json!({ "Name": "p", "MinTTL": 0 });
        let input = json!({ "CachePolicyConfig": config });
        let policy = world.ok("CreateCachePolicy", input).await;
        let id = policy["CachePolicy"]["Id"].clone();
        let mut config = distribution("r");
        config["DefaultCacheBehavior"]["CachePolicyId"] = id.clone();
        let create = json!({ "DistributionConfig": config });
        let delete = json!({ "Id": id, "IfMatch": policy["ETag"] });
        let (created, deleted) = tokio::join!(
            world.call("CreateDistribution", create),
            world.call("DeleteCachePolicy", delete),
        );
        assert_ne!(created.is_ok(), deleted.is_ok(), "round {number}");
    }
}

#[tokio::test]
async fn all_of_many_invalidations_at_once_are_taken() {
    let world = Arc::new(World::new());
    let id = made(&world, "r", |_| ()).await;
    let inputs = (0..300).map(|number| {
        let batch = json!({
            "CallerReference": format!("{number}"),
            "Paths": { "Quantity": 1, "Items": [format!("/{number}")] },
        });
        json!({ "DistributionId": id, "InvalidationBatch": batch })
    });
    let outcomes = outcomes(&world, "CreateInvalidation", inputs).await;
    assert_eq!(outcomes, [(200, 300)]);
}

#[tokio::test]
async fn all_of_many_creations_in_one_collection_are_taken() {
    let world = Arc::new(World::new());
    let inputs = (0..100).map(|number| {
        json!({ "OriginAccessControlConfig": {
            "Name": format!("{number}"), "SigningProtocol": "sigv4",
            "SigningBehavior": "always", "OriginAccessControlOriginType": "s3",
        }})
    });
    let outcomes = outcomes(&world, "CreateOriginAccessControl", inputs).await;
    assert_eq!(outcomes, [(200, 100)]);
}
