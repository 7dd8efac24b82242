use serde_json::json;

use crate::stored::refused;
use crate::world::World;

#[tokio::test]
async fn addresses_that_there_are_not_are_not_given() {
    let world = World::new();
    let input = json!({ "Name": "a", "IpCount": 21 });
    refused(
        &world,
        "CreateAnycastIpList",
        input,
        (501, "NotImplemented"),
    )
    .await;
    refused(
        &world,
        "ListAnycastIpLists",
        json!({}),
        (501, "NotImplemented"),
    )
    .await;
}

#[tokio::test]
async fn there_are_no_streaming_distributions() {
    let world = World::new();
    let listed = world.ok("ListStreamingDistributions", json!({})).await;
    let list = &listed["StreamingDistributionList"];
    assert_eq!(
        (&list["Quantity"], &list["IsTruncated"]),
        (&json!(0), &json!(false))
    );
    refused(
        &world,
        "GetStreamingDistribution",
        json!({ "Id": "E1" }),
        (501, "NotImplemented"),
    )
    .await;
}
