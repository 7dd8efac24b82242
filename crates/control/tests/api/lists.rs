//! Lists of distributions.

use serde_json::{Value, json};

use crate::distributions::{aliases, made, updated};
use crate::stored::refused;
use crate::world::World;

const CACHING_OPTIMIZED: &str = "658327ea-f89d-4fab-a63d-7e88639e58f6";

/// Ids of what a list gives, whatever its form.
async fn ids(world: &World, operation: &str, input: Value) -> Vec<String> {
    let output = world.ok(operation, input).await;
    let list = output.as_object().unwrap().values().next().unwrap();
    let items = list["Items"].as_array().cloned().unwrap_or_default();
    assert_eq!(list["Quantity"], items.len(), "{operation}");
    let id = |item: &Value| match item {
        Value::String(id) => id.clone(),
        item => item["Id"]
            .as_str()
            .or(item["DistributionId"].as_str())
            .unwrap()
            .to_owned(),
    };
    items.iter().map(id).collect()
}

#[tokio::test]
async fn distributions_are_listed_in_the_order_of_their_making() {
    let world = World::new();
    let empty = world.ok("ListDistributions", json!({})).await;
    assert_eq!(
        empty["DistributionList"],
        json!({ "Marker": "", "MaxItems": 100, "IsTruncated": false, "Quantity": 0 })
    );
    let mut made_ids = Vec::new();
    for reference in ["1", "2", "3"] {
        made_ids.push(made(&world, reference, |_| ()).await);
    }
    let input = updated(&world, &made_ids[0], |config| {
        config["Comment"] = "new".into()
    })
    .await;
    world.ok("UpdateDistribution", input).await;
    assert_eq!(ids(&world, "ListDistributions", json!({})).await, made_ids);
}

#[tokio::test]
async fn pages_follow_one_another() {
    let world = World::new();
    let one = made(&world, "1", |_| ()).await;
    let two = made(&world, "2", |_| ()).await;
    let first = world
        .ok("ListDistributions", json!({ "MaxItems": "1" }))
        .await;
    let first = &first["DistributionList"];
    assert_eq!(
        (&first["IsTruncated"], &first["NextMarker"]),
        (&json!(true), &json!(one))
    );
    let input = json!({ "MaxItems": "1", "Marker": one });
    let second = world.ok("ListDistributions", input).await;
    let second = &second["DistributionList"];
    assert_eq!(second["Marker"], one);
    assert_eq!(second["Items"][0]["Id"], two);
    assert_eq!(
        (&second["IsTruncated"], &second["NextMarker"]),
        (&json!(false), &Value::Null)
    );
    let input = json!({ "MaxItems": "none" });
    refused(&world, "ListDistributions", input, (400, "InvalidArgument")).await;
}

#[tokio::test]
async fn a_summary_has_the_etag_and_the_config_in_short() {
    let world = World::new();
    let id = made(&world, "r", |c| c["Aliases"] = aliases(&["a.example.com"])).await;
    let got = world.ok("GetDistribution", json!({ "Id": id })).await;
    let list = world.ok("ListDistributions", json!({})).await;
    let summary = &list["DistributionList"]["Items"][0];
    assert_eq!(summary["ETag"], got["ETag"]);
    let config = &got["Distribution"]["DistributionConfig"];
    for member in [
        "Aliases",
        "Origins",
        "DefaultCacheBehavior",
        "HttpVersion",
        "Enabled",
    ] {
        assert_eq!(summary[member], config[member], "{member}");
    }
    for member in ["CallerReference", "Logging", "DefaultRootObject"] {
        assert_eq!(summary[member], Value::Null, "{member}");
    }
}

#[tokio::test]
async fn distributions_are_found_by_the_policies_that_they_name() {
    let world = World::new();
    let policy = json!({ "CachePolicyConfig": { "Name": "p", "MinTTL": 0 } });
    let policy = world.ok("CreateCachePolicy", policy).await["CachePolicy"]["Id"].clone();
    let all = made(&world, "1", |_| ()).await;
    let own = made(&world, "2", |c| {
        c["DefaultCacheBehavior"]["CachePolicyId"] = policy.clone();
    })
    .await;
    let operation = "ListDistributionsByCachePolicyId";
    let of = |id: &Value| json!({ "CachePolicyId": id });
    assert_eq!(ids(&world, operation, of(&policy)).await, [own]);
    assert_eq!(
        ids(&world, operation, of(&json!(CACHING_OPTIMIZED))).await,
        [all]
    );
    let named = made(&world, "3", |c| {
        c["DefaultCacheBehavior"]["OriginRequestPolicyId"] =
            "216adef6-5c7f-47e4-b989-5492eafa07d3".into();
        c["DefaultCacheBehavior"]["ResponseHeadersPolicyId"] =
            "60669652-455b-4ae9-85a4-c4c02393f86c".into();
    })
    .await;
    let input = json!({ "OriginRequestPolicyId": "216adef6-5c7f-47e4-b989-5492eafa07d3" });
    let found = ids(&world, "ListDistributionsByOriginRequestPolicyId", input).await;
    assert_eq!(found, [named.as_str()]);
    let input = json!({ "ResponseHeadersPolicyId": "60669652-455b-4ae9-85a4-c4c02393f86c" });
    let found = ids(&world, "ListDistributionsByResponseHeadersPolicyId", input).await;
    assert_eq!(found, [named.as_str()]);
}

#[tokio::test]
async fn distributions_are_found_by_their_web_acl_or_by_having_none() {
    let world = World::new();
    let arn = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/name/id";
    let plain = made(&world, "1", |_| ()).await;
    let guarded = made(&world, "2", |c| c["WebACLId"] = arn.into()).await;
    let operation = "ListDistributionsByWebACLId";
    assert_eq!(
        ids(&world, operation, json!({ "WebACLId": arn })).await,
        [guarded]
    );
    assert_eq!(
        ids(&world, operation, json!({ "WebACLId": "null" })).await,
        [plain]
    );
    let input = json!({ "WebACLId": "nonsense" });
    refused(&world, operation, input, (400, "InvalidWebACLId")).await;
}

#[tokio::test]
async fn distributions_are_found_by_their_connection_mode() {
    let world = World::new();
    let direct = made(&world, "1", |_| ()).await;
    let template = made(&world, "2", |c| c["ConnectionMode"] = "tenant-only".into()).await;
    let operation = "ListDistributionsByConnectionMode";
    let of = |mode: &str| json!({ "ConnectionMode": mode, "MaxItems": 10 });
    assert_eq!(ids(&world, operation, of("direct")).await, [direct]);
    assert_eq!(ids(&world, operation, of("tenant-only")).await, [template]);
}

#[tokio::test]
async fn distributions_are_found_by_what_they_share() {
    let world = World::new();
    let input = json!({ "VpcOriginEndpointConfig": {
        "Name": "v", "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only",
        "Arn": "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/a/b",
    }});
    let vpc = world.ok("CreateVpcOrigin", input).await["VpcOrigin"].clone();
    let id = made(&world, "1", |c| {
        c["Origins"]["Items"][0] = json!({
            "Id": "o", "DomainName": "internal.example.com",
            "VpcOriginConfig": { "VpcOriginId": vpc["Id"] },
        });
    })
    .await;
    made(&world, "2", |_| ()).await;
    let input = json!({ "VpcOriginId": vpc["Id"] });
    assert_eq!(
        ids(&world, "ListDistributionsByVpcOriginId", input).await,
        [id.as_str()]
    );
    let input = json!({ "ResourceArn": vpc["Arn"] });
    assert_eq!(
        ids(&world, "ListDistributionsByOwnedResource", input).await,
        [id.as_str()]
    );
}

#[tokio::test]
async fn a_list_of_what_names_something_unknown_is_refused() {
    let world = World::new();
    for (by, member, status, code) in [
        ("CachePolicyId", "CachePolicyId", 404, "NoSuchCachePolicy"),
        (
            "OriginRequestPolicyId",
            "OriginRequestPolicyId",
            404,
            "NoSuchOriginRequestPolicy",
        ),
        (
            "ResponseHeadersPolicyId",
            "ResponseHeadersPolicyId",
            404,
            "NoSuchResponseHeadersPolicy",
        ),
        ("KeyGroup", "KeyGroupId", 404, "NoSuchResource"),
        ("VpcOriginId", "VpcOriginId", 404, "EntityNotFound"),
        ("AnycastIpListId", "AnycastIpListId", 404, "EntityNotFound"),
        ("TrustStore", "TrustStoreIdentifier", 404, "EntityNotFound"),
        (
            "ConnectionFunction",
            "ConnectionFunctionIdentifier",
            404,
            "EntityNotFound",
        ),
        ("OwnedResource", "ResourceArn", 404, "EntityNotFound"),
    ] {
        let operation = format!("ListDistributionsBy{by}");
        let input = json!({ member: "unknown" });
        refused(&world, &operation, input, (status, code)).await;
    }
    let operation = "ListDistributionsByRealtimeLogConfig";
    refused(&world, operation, json!({}), (400, "InvalidArgument")).await;
    let input = json!({ "RealtimeLogConfigName": "unknown" });
    assert_eq!(ids(&world, operation, input).await, Vec::<String>::new());
}

#[tokio::test]
async fn conflicting_names_are_those_of_others_that_overlap() {
    let world = World::new();
    let wide = made(&world, "1", |c| c["Aliases"] = aliases(&["*.example.com"])).await;
    let own = made(&world, "2", |c| {
        c["Aliases"] = aliases(&["www.example.com"])
    })
    .await;
    made(&world, "3", |c| {
        c["Aliases"] = aliases(&["www.example.org"])
    })
    .await;
    let input = json!({ "DistributionId": own, "Alias": "www.example.com" });
    let output = world.ok("ListConflictingAliases", input).await;
    assert_eq!(
        output["ConflictingAliasesList"]["Items"],
        json!([{ "Alias": "*.example.com", "DistributionId": wide, "AccountId": "123456789012" }])
    );
    let input = json!({
        "Domain": "*.example.com", "DomainControlValidationResource": { "DistributionId": wide },
    });
    let output = world.ok("ListDomainConflicts", input).await;
    assert_eq!(
        output["DomainConflicts"],
        json!([{
            "Domain": "www.example.com", "ResourceType": "distribution", "ResourceId": own,
            "AccountId": "123456789012",
        }])
    );
    let input = json!({ "DistributionId": "E1", "Alias": "www.example.com" });
    refused(
        &world,
        "ListConflictingAliases",
        input,
        (404, "NoSuchDistribution"),
    )
    .await;
}
