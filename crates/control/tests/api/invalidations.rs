//! Invalidations of distributions; those of tenants are in `tenants.rs`.

use documents::keys;
use serde_json::{Value, json};
use store::Range;

use crate::world::World;

async fn distribution(world: &World) -> String {
    let output = world.distribution("d").await;
    output["Distribution"]["Id"].as_str().unwrap().to_owned()
}

fn batch(id: &str, reference: &str, paths: &[&str]) -> Value {
    json!({ "DistributionId": id, "InvalidationBatch": {
        "CallerReference": reference,
        "Paths": { "Quantity": paths.len(), "Items": paths },
    }})
}

async fn create(world: &World, id: &str, reference: &str, paths: &[&str]) -> Value {
    world
        .ok("CreateInvalidation", batch(id, reference, paths))
        .await["Invalidation"]
        .clone()
}

async fn status(world: &World, id: &str, invalidation: &Value) -> Value {
    let input = json!({ "DistributionId": id, "Id": invalidation["Id"] });
    let output = world.ok("GetInvalidation", input).await;
    output["Invalidation"]["Status"].clone()
}

/// Keys of everything but the audit record, and the revision of each.
pub async fn documents(world: &World) -> Vec<(String, u64)> {
    let page = world.store.list(Range::default()).await.unwrap();
    assert!(!page.has_more);
    let documents = page.documents.into_iter();
    documents
        .filter(|document| !document.key.starts_with(keys::AUDIT))
        .map(|document| (document.key, document.modified.0))
        .collect()
}

async fn revision(world: &World) -> u64 {
    world.store.list(Range::default()).await.unwrap().revision.0
}

#[tokio::test]
async fn an_invalidation_is_stored_where_edges_look_and_told_as_it_was_given() {
    let world = World::new();
    let id = distribution(&world).await;
    let output = world
        .ok("CreateInvalidation", batch(&id, "r", &["/a", "/b*"]))
        .await;
    let invalidation = &output["Invalidation"];
    let invalidation_id = invalidation["Id"].as_str().unwrap();
    assert!(invalidation_id.starts_with('I') && invalidation_id.len() == 14);
    let location = output["Location"].as_str().unwrap();
    assert!(location.ends_with(&format!(
        "/distribution/{id}/invalidation/{invalidation_id}"
    )));
    assert_eq!(
        invalidation["InvalidationBatch"]["Paths"]["Items"],
        json!(["/a", "/b*"])
    );
    // No edge lives that could have the old objects.
    assert_eq!(invalidation["Status"], "Completed");

    let key = keys::resource(keys::INVALIDATION, &format!("{id}/{invalidation_id}"));
    assert!(world.store.get(&key).await.unwrap().is_some());
    let input = json!({ "DistributionId": id, "Id": invalidation_id });
    let got = world.ok("GetInvalidation", input).await;
    assert_eq!(&got["Invalidation"], invalidation);
}

#[tokio::test]
async fn it_is_in_progress_until_every_living_edge_has_applied_it() {
    let world = World::new();
    let id = distribution(&world).await;
    let before = revision(&world).await;
    world.edge("fast", before).await;
    world.edge("slow", before).await;
    let invalidation = create(&world, &id, "r", &["/*"]).await;
    assert_eq!(invalidation["Status"], "InProgress");
    let created = revision(&world).await;
    world.edge("fast", created).await;
    assert_eq!(status(&world, &id, &invalidation).await, "InProgress");
    world.edge("slow", created).await;
    assert_eq!(status(&world, &id, &invalidation).await, "Completed");
}

#[tokio::test]
async fn the_same_reference_with_the_same_paths_is_the_same_invalidation() {
    let world = World::new();
    let id = distribution(&world).await;
    let first = create(&world, &id, "r", &["/a"]).await;
    let before = documents(&world).await;
    assert_eq!(create(&world, &id, "r", &["/a"]).await, first);
    let refused = (409, "InvalidationBatchAlreadyExists".to_owned());
    assert_eq!(
        world
            .fail("CreateInvalidation", batch(&id, "r", &["/b"]))
            .await,
        refused
    );
    assert_eq!(documents(&world).await, before);

    let other = world.distribution("other").await;
    let other = other["Distribution"]["Id"].as_str().unwrap();
    assert_ne!(create(&world, other, "r", &["/b"]).await["Id"], first["Id"]);
}

#[tokio::test]
async fn a_refused_invalidation_changes_no_document() {
    let world = World::new();
    let id = distribution(&world).await;
    let before = documents(&world).await;
    let many: Vec<String> = (0..3_001).map(|n| format!("/{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut inconsistent = batch(&id, "r", &["/a"]);
    inconsistent["InvalidationBatch"]["Paths"]["Quantity"] = json!(2);
    for (input, refusal) in [
        (batch(&id, "r", &["a"]), (400, "InvalidArgument")),
        (batch(&id, "r", &["/a", "/*/b"]), (400, "InvalidArgument")),
        (batch(&id, "r", &["/é"]), (400, "InvalidArgument")),
        (batch(&id, "r", &["#"]), (400, "InvalidArgument")),
        (batch(&id, "r", &["#tag*"]), (400, "InvalidArgument")),
        (batch(&id, "r", &[]), (400, "InvalidArgument")),
        (batch(&id, "", &["/a"]), (400, "InvalidArgument")),
        (inconsistent, (400, "InconsistentQuantities")),
        (batch(&id, "r", &many), (413, "BatchTooLarge")),
        (batch("E0", "r", &["/a"]), (404, "NoSuchDistribution")),
        (
            batch(&format!("{id}/x"), "r", &["/a"]),
            (404, "NoSuchDistribution"),
        ),
    ] {
        let (status, code) = world.fail("CreateInvalidation", input.clone()).await;
        assert_eq!((status, code.as_str()), refusal, "{input:.200}");
    }
    assert_eq!(documents(&world).await, before);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::new();
    let id = distribution(&world).await;
    let invalidation = create(&world, &id, "r", &["/a"]).await;
    for (distribution, invalidation, code) in [
        (id.as_str(), &json!("I0"), "NoSuchInvalidation"),
        ("E0", &invalidation["Id"], "NoSuchDistribution"),
    ] {
        let input = json!({ "DistributionId": distribution, "Id": invalidation });
        assert_eq!(
            world.fail("GetInvalidation", input).await,
            (404, code.to_owned())
        );
    }
    let input = json!({ "DistributionId": "E0" });
    let missing = (404, "NoSuchDistribution".to_owned());
    assert_eq!(world.fail("ListInvalidations", input).await, missing);
}

#[tokio::test]
async fn lists_begin_with_the_newest_and_go_on_where_a_page_ended() {
    let world = World::new();
    let id = distribution(&world).await;
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(create(&world, &id, &n.to_string(), &["/a"]).await["Id"].clone());
    }
    made.reverse();
    let mut listed = Vec::new();
    let mut marker = json!("");
    let mut pages = 0;
    loop {
        let input = json!({ "DistributionId": id, "Marker": marker, "MaxItems": "2" });
        let output = world.ok("ListInvalidations", input).await;
        let list = &output["InvalidationList"];
        assert_eq!((&list["Marker"], &list["MaxItems"]), (&marker, &json!(2)));
        let items = list["Items"].as_array().unwrap();
        assert_eq!(list["Quantity"], items.len());
        listed.extend(items.iter().map(|item| item["Id"].clone()));
        pages += 1;
        assert_eq!(list["IsTruncated"], pages < 3);
        if pages == 3 {
            assert!(list.get("NextMarker").is_none());
            break;
        }
        marker = list["NextMarker"].clone();
    }
    assert_eq!(listed, made);
    for max_items in ["0", "x"] {
        let input = json!({ "DistributionId": id, "MaxItems": max_items });
        let refused = (400, "InvalidArgument".to_owned());
        assert_eq!(world.fail("ListInvalidations", input).await, refused);
    }
}

#[tokio::test]
async fn a_list_says_of_each_whether_it_is_completed() {
    let world = World::new();
    let id = distribution(&world).await;
    create(&world, &id, "old", &["/a"]).await;
    world.edge("n", revision(&world).await).await;
    create(&world, &id, "new", &["/a"]).await;
    let list = world
        .ok("ListInvalidations", json!({ "DistributionId": id }))
        .await;
    let items = &list["InvalidationList"]["Items"];
    assert_eq!(items[0]["Status"], "InProgress");
    assert_eq!(items[1]["Status"], "Completed");
}

#[tokio::test]
async fn too_many_in_progress_are_refused_until_edges_have_applied_some() {
    let world = World::new();
    let id = distribution(&world).await;
    // More than a few, of all of which the oldest are applied.
    for n in 0..20 {
        create(&world, &id, &format!("done{n}"), &["/done*"]).await;
    }
    world.edge("n", revision(&world).await).await;
    let mut applied = 0;
    for n in 0..15 {
        create(&world, &id, &format!("w{n}"), &["/w*"]).await;
        if n == 9 {
            applied = revision(&world).await;
        }
    }
    let before = documents(&world).await;
    let refused = (400, "TooManyInvalidationsInProgress".to_owned());
    let another = || batch(&id, "w15", &["/w*"]);
    assert_eq!(world.fail("CreateInvalidation", another()).await, refused);
    assert_eq!(documents(&world).await, before);
    // Paths without a wildcard count for themselves.
    create(&world, &id, "p", &["/p"]).await;

    world.edge("n", applied).await;
    let eleven = ["/w*"; 11];
    let input = batch(&id, "more", &eleven);
    assert_eq!(world.fail("CreateInvalidation", input).await, refused);
    create(&world, &id, "ten", &eleven[..10]).await;
    world.edge("n", revision(&world).await).await;
    world.ok("CreateInvalidation", another()).await;
}

#[tokio::test]
async fn invalidations_made_at_once_all_happen_one_after_the_other() {
    let world = std::sync::Arc::new(World::new());
    let id = distribution(&world).await;
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let (world, id) = (std::sync::Arc::clone(&world), id.clone());
            tokio::spawn(async move { create(&world, &id, &n.to_string(), &["/a"]).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let list = world
        .ok("ListInvalidations", json!({ "DistributionId": id }))
        .await;
    assert_eq!(list["InvalidationList"]["Quantity"], 20);
}

#[tokio::test]
async fn the_oldest_goes_with_its_reference_when_there_are_more_than_are_kept() {
    let world = World::new();
    let id = distribution(&world).await;
    let first = create(&world, &id, "first", &["/a"]).await;
    let second = create(&world, &id, "second", &["/a"]).await;
    // As if there had been as many since then as are kept: the next one has the number after.
    let kept = control::limits::INVALIDATIONS_KEPT;
    let key = keys::invalidation_entry(&id, 2);
    let entry = world.store.get(&key).await.unwrap().unwrap();
    let mut entry: Value = documents::decode(&key, &entry.value).unwrap();
    entry["number"] = json!(kept);
    let moved = store::Txn::new().delete(key).put(
        keys::invalidation_entry(&id, kept),
        documents::encode(&entry),
    );
    world.store.commit(moved).await.unwrap();

    create(&world, &id, "another", &["/a"]).await;
    let input = json!({ "DistributionId": id, "Id": first["Id"] });
    let gone = (404, "NoSuchInvalidation".to_owned());
    assert_eq!(world.fail("GetInvalidation", input).await, gone);
    assert_eq!(status(&world, &id, &second).await, "Completed");
    // Its reference is free again, and nothing else of it is left.
    let left = documents(&world).await;
    let first_id = first["Id"].as_str().unwrap();
    assert!(
        !left
            .iter()
            .any(|(key, _)| key.contains(first_id) || key.ends_with("/first"))
    );
    assert!(
        !left
            .iter()
            .any(|(key, _)| *key == keys::invalidation_entry(&id, 1))
    );
    create(&world, &id, "first", &["/b"]).await;
}

#[tokio::test]
async fn invalidations_go_with_their_distribution() {
    let world = World::new();
    let id = distribution(&world).await;
    for n in 0..50 {
        create(&world, &id, &n.to_string(), &["/a"]).await;
    }
    let output = world.ok("GetDistributionConfig", json!({ "Id": id })).await;
    let mut config = output["DistributionConfig"].clone();
    config["Enabled"] = json!(false);
    let input = json!({ "Id": id, "IfMatch": output["ETag"], "DistributionConfig": config });
    let output = world.ok("UpdateDistribution", input).await;
    let input = json!({ "Id": id, "IfMatch": output["ETag"] });
    world.ok("DeleteDistribution", input).await;
    let left = documents(&world).await;
    let of_invalidations = |key: &str| key.contains("invalidation") && !key.starts_with("guards/");
    assert!(
        !left.iter().any(|(key, _)| of_invalidations(key)),
        "{left:?}"
    );
}
