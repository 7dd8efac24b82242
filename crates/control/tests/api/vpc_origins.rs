use serde_json::{Value, json};

use crate::stored::{distribution_with, documents, no_distribution, refused};
use crate::world::World;

fn config(name: &str) -> Value {
    json!({
        "Name": name,
        "Arn": "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/a/1",
        "HTTPPort": 80,
        "HTTPSPort": 8_443,
        "OriginProtocolPolicy": "https-only",
        "OriginSslProtocols": { "Quantity": 1, "Items": ["TLSv1.2"] },
    })
}

fn input(name: &str) -> Value {
    json!({ "VpcOriginEndpointConfig": config(name) })
}

fn uses(id: &str) -> impl FnOnce(&mut Value) {
    let id = json!(id);
    move |distribution| {
        distribution["Origins"]["Items"][0]["VpcOriginConfig"] = json!({ "VpcOriginId": id });
    }
}

#[tokio::test]
async fn a_vpc_origin_is_deployed_as_soon_as_it_is_made() {
    let world = World::new();
    let created = world.ok("CreateVpcOrigin", input("v")).await;
    let origin = &created["VpcOrigin"];
    let id = origin["Id"].as_str().unwrap();
    assert!(id.starts_with("vo_"), "{id}");
    assert_eq!(
        origin["Arn"],
        format!("arn:aws:cloudfront::123456789012:vpcorigin/{id}")
    );
    assert_eq!(origin["Status"], "Deployed");
    assert_eq!(origin["VpcOriginEndpointConfig"], config("v"));
    let got = world.ok("GetVpcOrigin", json!({ "Id": id })).await;
    assert_eq!(
        (&got["VpcOrigin"], &got["ETag"]),
        (origin, &created["ETag"])
    );
    refused(
        &world,
        "GetVpcOrigin",
        json!({ "Id": "vo_1" }),
        (404, "EntityNotFound"),
    )
    .await;
    refused(
        &world,
        "CreateVpcOrigin",
        input("v"),
        (409, "EntityAlreadyExists"),
    )
    .await;
}

#[tokio::test]
async fn a_vpc_origin_is_changed_and_deleted_while_nobody_uses_it() {
    let world = World::new();
    let created = world.ok("CreateVpcOrigin", input("v")).await;
    let id = created["VpcOrigin"]["Id"].as_str().unwrap();
    let change = |etag: &Value| {
        let mut input = input("w");
        input["Id"] = json!(id);
        input["IfMatch"] = etag.clone();
        input
    };
    for (etag, error) in [
        ("E0000000000000", (412, "PreconditionFailed")),
        ("nonsense", (400, "InvalidIfMatchVersion")),
        ("", (400, "InvalidIfMatchVersion")),
    ] {
        for operation in ["UpdateVpcOrigin", "DeleteVpcOrigin"] {
            refused(&world, operation, change(&json!(etag)), error).await;
        }
    }
    let own = change(&created["ETag"]);
    distribution_with(&world, "E1", uses(id)).await;
    let in_use = (409, "CannotUpdateEntityWhileInUse");
    refused(&world, "UpdateVpcOrigin", own.clone(), in_use).await;
    let in_use = (409, "CannotDeleteEntityWhileInUse");
    refused(&world, "DeleteVpcOrigin", own.clone(), in_use).await;
    no_distribution(&world, "E1").await;

    let updated = world.ok("UpdateVpcOrigin", own.clone()).await;
    assert_eq!(updated["VpcOrigin"]["VpcOriginEndpointConfig"], config("w"));
    world.ok("CreateVpcOrigin", input("v")).await;
    refused(&world, "DeleteVpcOrigin", own, (412, "PreconditionFailed")).await;
    let deleted = world.ok("DeleteVpcOrigin", change(&updated["ETag"])).await;
    assert_eq!(deleted["VpcOrigin"]["Id"], id);
    refused(
        &world,
        "GetVpcOrigin",
        json!({ "Id": id }),
        (404, "EntityNotFound"),
    )
    .await;
    world.ok("CreateVpcOrigin", input("w")).await;
}

#[tokio::test]
async fn what_is_no_endpoint_is_refused() {
    let world = World::new();
    let cases = [
        ("Name", json!(""), "InvalidArgument"),
        ("Arn", json!("arn:aws:s3:::bucket"), "InvalidArgument"),
        ("HTTPPort", json!(81), "InvalidArgument"),
        ("HTTPSPort", json!(65_536), "InvalidArgument"),
        (
            "OriginSslProtocols",
            json!({ "Quantity": 0, "Items": [] }),
            "InvalidArgument",
        ),
        (
            "OriginSslProtocols",
            json!({ "Quantity": 2, "Items": ["TLSv1"] }),
            "InconsistentQuantities",
        ),
        ("OriginProtocolPolicy", json!("ftp"), "MalformedXML"),
    ];
    for (member, value, code) in cases {
        let mut input = input("v");
        input["VpcOriginEndpointConfig"][member] = value;
        refused(&world, "CreateVpcOrigin", input, (400, code)).await;
    }
}

#[tokio::test]
async fn vpc_origins_are_listed_by_page() {
    let world = World::new();
    for name in ["b", "a", "c"] {
        world.ok("CreateVpcOrigin", input(name)).await;
    }
    let first = world.ok("ListVpcOrigins", json!({ "MaxItems": "2" })).await;
    let first = &first["VpcOriginList"];
    assert_eq!(
        (&first["Quantity"], &first["IsTruncated"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(first["Items"][0]["OriginEndpointArn"], config("b")["Arn"]);
    let second = json!({ "MaxItems": "2", "Marker": first["NextMarker"] });
    let second = world.ok("ListVpcOrigins", second).await;
    let second = &second["VpcOriginList"];
    assert_eq!(
        (&second["Quantity"], &second["Items"][0]["Name"]),
        (&json!(1), &json!("c"))
    );
}

#[tokio::test]
async fn a_policy_goes_with_its_vpc_origin() {
    let world = World::new();
    let created = world.ok("CreateVpcOrigin", input("v")).await;
    let (id, arn) = (&created["VpcOrigin"]["Id"], &created["VpcOrigin"]["Arn"]);
    let of = json!({ "ResourceArn": arn });
    let missing = (404, "EntityNotFound");
    refused(&world, "GetResourcePolicy", of.clone(), missing).await;
    refused(&world, "DeleteResourcePolicy", of.clone(), missing).await;
    let policy = r#"{"Version": "2012-10-17", "Statement": []}"#;
    let put = json!({ "ResourceArn": arn, "PolicyDocument": policy });
    let output = world.ok("PutResourcePolicy", put.clone()).await;
    assert_eq!(output["ResourceArn"], *arn);
    let got = world.ok("GetResourcePolicy", of.clone()).await;
    assert_eq!(got["PolicyDocument"], policy);
    world.ok("DeleteResourcePolicy", of.clone()).await;
    refused(&world, "GetResourcePolicy", of, missing).await;

    world.ok("PutResourcePolicy", put.clone()).await;
    let delete = json!({ "Id": id, "IfMatch": created["ETag"] });
    world.ok("DeleteVpcOrigin", delete).await;
    refused(&world, "PutResourcePolicy", put, missing).await;
    let left = documents(&world).await;
    assert!(
        left.iter()
            .all(|document| !document.key.starts_with("resource-policies/"))
    );
}

#[tokio::test]
async fn what_is_no_policy_is_refused() {
    let world = World::new();
    let created = world.ok("CreateVpcOrigin", input("v")).await;
    for policy in ["", "{", "[]", r#"{"Version": "2012-10-17"}"#] {
        let put = json!({ "ResourceArn": created["VpcOrigin"]["Arn"], "PolicyDocument": policy });
        refused(&world, "PutResourcePolicy", put, (400, "InvalidArgument")).await;
    }
    let other = json!({
        "ResourceArn": "arn:aws:cloudfront::123456789012:distribution/E1", "PolicyDocument": "{}",
    });
    refused(&world, "PutResourcePolicy", other, (400, "InvalidArgument")).await;
}
