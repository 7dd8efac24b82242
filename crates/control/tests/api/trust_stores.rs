use serde_json::{Value, json};

use crate::stored::refused;
use crate::world::World;

#[tokio::test]
async fn a_trust_store_is_refused_as_long_as_buckets_are_not_reached() {
    let world = World::new();
    let location = json!({ "Bucket": "certificates", "Key": "ca.pem", "Region": "us-east-1" });
    let input = json!({
        "Name": "t",
        "CaCertificatesBundleSource": { "CaCertificatesBundleS3Location": location },
    });
    let error = world
        .call("CreateTrustStore", input.clone())
        .await
        .unwrap_err();
    assert!(error.message.contains("certificates"), "{}", error.message);
    refused(&world, "CreateTrustStore", input, (400, "InvalidArgument")).await;
}

#[tokio::test]
async fn there_are_no_trust_stores() {
    let world = World::new();
    let listed = world.ok("ListTrustStores", json!({})).await;
    assert_eq!(listed["TrustStoreList"], json!([]));
    assert_eq!(listed["NextMarker"], Value::Null);
    let missing = (404, "EntityNotFound");
    refused(
        &world,
        "GetTrustStore",
        json!({ "Identifier": "ts_1" }),
        missing,
    )
    .await;
    let change = json!({ "Id": "ts_1", "IfMatch": "E0000000000000" });
    refused(&world, "UpdateTrustStore", change.clone(), missing).await;
    refused(&world, "DeleteTrustStore", change, missing).await;
}
