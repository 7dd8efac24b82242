//! Versions of resources, and the way back to one.

use control::identity::AccessKey;
use serde_json::{Value, json};

use crate::wire::{Ask, Told, cache_policy};
use crate::world::World;

/// A cache policy of three versions, its id, and its revisions from the oldest on.
async fn policy(world: &World, key: &AccessKey) -> (String, Vec<Value>) {
    let create = json!({ "CachePolicyConfig": cache_policy("p") });
    let made = world
        .ask(&Ask::cloudfront("CreateCachePolicy", create), key)
        .await;
    let id = made.element("Id").unwrap().to_owned();
    let mut etag = made.headers["etag"].to_str().unwrap().to_owned();
    for ttl in [2, 3] {
        let mut config = cache_policy("p");
        config["MinTTL"] = json!(ttl);
        let update = json!({ "Id": id, "IfMatch": etag, "CachePolicyConfig": config });
        let told = world
            .ask(&Ask::cloudfront("UpdateCachePolicy", update), key)
            .await;
        assert_eq!(told.status, 200, "{}", told.text);
        etag = told.headers["etag"].to_str().unwrap().to_owned();
    }
    let told = history(world, key, &id).await.json();
    let versions = told["Versions"].as_array().unwrap().iter().rev();
    (
        id,
        versions
            .map(|version| version["Revision"].clone())
            .collect(),
    )
}

async fn history(world: &World, key: &AccessKey, id: &str) -> Told {
    let ask = Ask::json("warmfront", "History", json!({ "Id": id }));
    world.ask(&ask, key).await
}

async fn rollback(world: &World, key: &AccessKey, input: Value) -> Told {
    world
        .ask(&Ask::json("warmfront", "Rollback", input), key)
        .await
}

async fn min_ttl(world: &World, id: &str) -> Value {
    let policy = world.ok("GetCachePolicy", json!({ "Id": id })).await;
    policy["CachePolicy"]["CachePolicyConfig"]["MinTTL"].clone()
}

#[tokio::test]
async fn every_version_is_told_the_newest_first() {
    let world = World::new();
    let root = world.root().await;
    let (id, revisions) = policy(&world, &root).await;
    let told = history(&world, &root, &id).await.json();
    assert_eq!(told["Collection"], "cache-policy");
    assert_eq!(told["IsDeleted"], false);
    let versions = told["Versions"].as_array().unwrap();
    let numbers: Vec<_> = versions.iter().map(|version| &version["Version"]).collect();
    assert_eq!(numbers, [3, 2, 1]);
    assert_eq!(versions[0]["Operation"], "UpdateCachePolicy");
    assert_eq!(versions[2]["Operation"], "CreateCachePolicy");
    assert_eq!(versions[2]["By"], "arn:aws:iam::123456789012:root");
    let now = world.ok("GetCachePolicy", json!({ "Id": id })).await;
    assert_eq!(versions[0]["ETag"], now["ETag"]);
    assert!(
        revisions
            .iter()
            .is_sorted_by_key(|revision| revision.as_u64())
    );
    // By its name, too.
    let by_name = history(&world, &root, "p").await.json();
    assert_eq!(by_name, told);
}

#[tokio::test]
async fn a_rollback_is_a_new_version_with_the_old_content() {
    let world = World::new();
    let root = world.root().await;
    let (id, revisions) = policy(&world, &root).await;
    assert_eq!(min_ttl(&world, &id).await, 3);
    let told = rollback(
        &world,
        &root,
        json!({ "Id": id, "ToRevision": revisions[0] }),
    )
    .await;
    let told = told.json();
    assert_eq!(told["Operation"], "UpdateCachePolicy");
    assert_eq!(min_ttl(&world, &id).await, 1);
    let now = world.ok("GetCachePolicy", json!({ "Id": id })).await;
    assert_eq!(told["ETag"], now["ETag"]);
    let versions = history(&world, &root, &id).await.json()["Versions"].clone();
    assert_eq!(versions.as_array().unwrap().len(), 4);
    let events = world.events(&root, json!({ "MaxResults": 1 })).await;
    assert_eq!(events["Events"][0]["EventName"], "UpdateCachePolicy");
    // And forward again.
    let told = rollback(
        &world,
        &root,
        json!({ "Id": "p", "ToRevision": revisions[2] }),
    )
    .await;
    assert_eq!(told.status, 200, "{}", told.text);
    assert_eq!(min_ttl(&world, &id).await, 3);
}

#[tokio::test]
async fn a_functions_code_comes_back() {
    let world = World::new();
    let root = world.root().await;
    let config = json!({ "Comment": "c", "Runtime": "cloudfront-js-2.0" });
    let function = |code: &str| {
        json!({
            "Name": "f", "FunctionConfig": config, "FunctionCode": code,
        })
    };
    let made = world.ok("CreateFunction", function("b25l")).await;
    let mut update = function("dHdv");
    update["IfMatch"] = made["ETag"].clone();
    world.ok("UpdateFunction", update).await;
    let versions = history(&world, &root, "f").await.json()["Versions"].clone();
    let first = versions.as_array().unwrap().last().unwrap();
    let input = json!({ "Id": "f", "ToRevision": first["Revision"] });
    let told = rollback(&world, &root, input).await;
    assert_eq!(told.json()["Operation"], "UpdateFunction");
    let now = world.ok("GetFunction", json!({ "Name": "f" })).await;
    assert_eq!(now["FunctionCode"], "b25l");
}

#[tokio::test]
async fn what_cannot_be_rolled_back_stays_as_it_is() {
    let world = World::new();
    let root = world.root().await;
    let (id, revisions) = policy(&world, &root).await;
    let before = world.state().await;
    for (input, status, code) in [
        (
            json!({ "Id": id, "ToRevision": 1_000_000 }),
            400,
            "ValidationException",
        ),
        (json!({ "Id": id }), 400, "ValidationException"),
        (
            json!({ "Id": "nothing", "ToRevision": 1 }),
            404,
            "NoSuchResource",
        ),
        (json!({ "Id": "", "ToRevision": 1 }), 404, "NoSuchResource"),
        (
            json!({ "Id": "../x", "ToRevision": 1 }),
            404,
            "NoSuchResource",
        ),
        (
            json!({ "Id": id, "ToRevision": revisions[0], "IfMatch": "E1A1A1A1A1A1A1" }),
            412,
            "PreconditionFailed",
        ),
    ] {
        let told = rollback(&world, &root, input.clone()).await;
        let (told_status, told_code) = told.error();
        assert_eq!((told_status, told_code.as_str()), (status, code), "{input}");
    }
    assert_eq!(world.state().await, before);
}

#[tokio::test]
async fn a_rollback_needs_the_permission_to_update() {
    let world = World::new();
    let root = world.root().await;
    let (id, revisions) = policy(&world, &root).await;
    let document = json!({ "Statement": [
        { "Effect": "Allow", "Action": ["warmfront:*", "cloudfront:Get*"], "Resource": "*" },
    ]});
    let half = world.key(&root, "half", document).await;
    assert_eq!(history(&world, &half, &id).await.status, 200);
    let told = rollback(
        &world,
        &half,
        json!({ "Id": id, "ToRevision": revisions[0] }),
    )
    .await;
    assert_eq!(told.error(), (403, "AccessDeniedException".to_owned()));
    assert!(
        told.text.contains("cloudfront:UpdateCachePolicy"),
        "{}",
        told.text
    );
    assert_eq!(min_ttl(&world, &id).await, 3);
}

#[tokio::test]
async fn a_deleted_resource_has_a_history_and_no_way_back() {
    let world = World::new();
    let root = world.root().await;
    let (id, revisions) = policy(&world, &root).await;
    let now = world.ok("GetCachePolicy", json!({ "Id": id })).await;
    world
        .ok(
            "DeleteCachePolicy",
            json!({ "Id": id, "IfMatch": now["ETag"] }),
        )
        .await;
    let told = history(&world, &root, &id).await.json();
    assert_eq!(told["IsDeleted"], true);
    assert_eq!(told["Versions"][0]["Operation"], "DeleteCachePolicy");
    assert_eq!(told["Versions"][0]["ETag"], Value::Null);
    let told = rollback(
        &world,
        &root,
        json!({ "Id": id, "ToRevision": revisions[1] }),
    )
    .await;
    assert_eq!(told.error(), (400, "ValidationException".to_owned()));
    assert!(told.text.contains("deleted"), "{}", told.text);
}

#[tokio::test]
async fn sites_are_told_with_what_edges_have_applied() {
    let world = World::new();
    let root = world.root().await;
    let made = world.distribution("r").await;
    let id = made["Distribution"]["Id"].as_str().unwrap();
    let sites = async || {
        let ask = Ask::json("warmfront", "ListSites", json!({}));
        world.ask(&ask, &root).await.json()
    };
    world.edge("n1", 0).await;
    let told = sites().await;
    let site = &told["Sites"][0];
    assert_eq!(site["Id"], id);
    assert_eq!(site["Status"], "InProgress");
    assert_eq!(site["Enabled"], true);
    assert_eq!(site["Origins"], json!(["origin.example.com"]));
    assert_eq!(site["DomainName"], made["Distribution"]["DomainName"]);
    assert_eq!(told["NextMarker"], Value::Null);
    assert_eq!(told["Nodes"][0]["Id"], "n1");
    assert_eq!(told["Nodes"][0]["Roles"], json!(["edge"]));

    world.edge("n1", site["Revision"].as_u64().unwrap()).await;
    assert_eq!(sites().await["Sites"][0]["Status"], "Deployed");

    // Its own name leads to its history.
    let host = site["DomainName"].as_str().unwrap();
    let told = history(&world, &root, host).await.json();
    assert_eq!(
        (&told["Collection"], &told["Id"]),
        (&json!("distribution"), &json!(id))
    );
}

#[tokio::test]
async fn many_sites_come_in_pages() {
    let world = World::new();
    let root = world.root().await;
    for number in 0..5 {
        world.distribution(&format!("r{number}")).await;
    }
    let mut ids = Vec::new();
    let mut input = json!({ "MaxItems": 2 });
    loop {
        let ask = Ask::json("warmfront", "ListSites", input.clone());
        let page = world.ask(&ask, &root).await.json();
        let sites = page["Sites"].as_array().unwrap();
        ids.extend(sites.iter().map(|site| site["Id"].to_string()));
        match &page["NextMarker"] {
            Value::Null => break,
            marker => input["Marker"] = marker.clone(),
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[tokio::test]
async fn an_api_without_an_edge_explains_nothing() {
    let world = World::new();
    let root = world.root().await;
    let ask = Ask::json("warmfront", "Explain", json!({ "Url": "http://x/" }));
    let told = world.ask(&ask, &root).await;
    assert_eq!(told.error(), (409, "NoEdgeHere".to_owned()));
    assert!(told.text.contains("edge"), "{}", told.text);
}

#[tokio::test]
async fn what_is_made_again_under_its_name_is_the_newest_version() {
    let world = World::new();
    let root = world.root().await;
    let kinesis = json!({
        "RoleARN": "arn:aws:iam::123456789012:role/r",
        "StreamARN": "arn:aws:kinesis:us-east-1:123456789012:stream/s",
    });
    let config = json!({
        "Name": "log", "SamplingRate": 1, "Fields": ["timestamp"],
        "EndPoints": [{ "StreamType": "Kinesis", "KinesisStreamConfig": kinesis }],
    });
    world.ok("CreateRealtimeLogConfig", config.clone()).await;
    world
        .ok("DeleteRealtimeLogConfig", json!({ "Name": "log" }))
        .await;
    world.ok("CreateRealtimeLogConfig", config).await;
    let told = history(&world, &root, "log").await.json();
    let versions = told["Versions"].as_array().unwrap().iter();
    let operations: Vec<_> = versions.map(|version| &version["Operation"]).collect();
    assert_eq!(
        operations,
        ["CreateRealtimeLogConfig", "DeleteRealtimeLogConfig"]
    );
}
