//! Connection groups.

use serde_json::{Value, json};

use crate::invalidations::documents;
use crate::world::World;

async fn create(world: &World, name: &str) -> Value {
    world
        .ok("CreateConnectionGroup", json!({ "Name": name }))
        .await
}

async fn disabled(world: &World, group: &Value) -> Value {
    let id = &group["ConnectionGroup"]["Id"];
    let input = json!({ "Id": id, "IfMatch": group["ETag"], "Enabled": false });
    world.ok("UpdateConnectionGroup", input).await
}

#[tokio::test]
async fn a_group_has_an_endpoint_of_its_own_and_is_found_by_it_its_name_and_its_arn() {
    let world = World::new();
    let input = json!({
        "Name": "shops", "Ipv6Enabled": false,
        "Tags": { "Items": [{ "Key": "team", "Value": "web" }] },
    });
    let output = world.ok("CreateConnectionGroup", input).await;
    let group = &output["ConnectionGroup"];
    let endpoint = group["RoutingEndpoint"].as_str().unwrap();
    assert!(
        endpoint.starts_with('d') && endpoint.ends_with(".cdn.localhost"),
        "{endpoint}"
    );
    assert!(group["Id"].as_str().unwrap().starts_with("cg_"));
    assert_eq!(group["Ipv6Enabled"], false);
    assert_eq!(group["Enabled"], true);
    assert_eq!(group["IsDefault"], false);
    assert_eq!(group["Status"], "Deployed");
    assert_eq!(
        group["Tags"]["Items"],
        json!([{ "Key": "team", "Value": "web" }])
    );

    for identifier in [&group["Id"], &group["Arn"], &json!("shops")] {
        let found = world
            .ok("GetConnectionGroup", json!({ "Identifier": identifier }))
            .await;
        assert_eq!(found["ConnectionGroup"], *group);
        assert_eq!(found["ETag"], output["ETag"]);
    }
    let input = json!({ "RoutingEndpoint": endpoint.to_uppercase() });
    let found = world.ok("GetConnectionGroupByRoutingEndpoint", input).await;
    assert_eq!(found["ConnectionGroup"], *group);
    for (operation, member) in [
        ("GetConnectionGroup", "Identifier"),
        ("GetConnectionGroupByRoutingEndpoint", "RoutingEndpoint"),
    ] {
        let missing = (404, "EntityNotFound".to_owned());
        assert_eq!(
            world.fail(operation, json!({ member: "nobody" })).await,
            missing
        );
    }
}

#[tokio::test]
async fn names_are_unique_and_free_again_after_a_deletion() {
    let world = World::new();
    let group = create(&world, "shops").await;
    let taken = (409, "EntityAlreadyExists".to_owned());
    assert_eq!(
        world
            .fail("CreateConnectionGroup", json!({ "Name": "shops" }))
            .await,
        taken
    );
    let group = disabled(&world, &group).await;
    let input = json!({ "Id": group["ConnectionGroup"]["Id"], "IfMatch": group["ETag"] });
    world.ok("DeleteConnectionGroup", input).await;
    create(&world, "shops").await;
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_is_deployed_when_edges_have_it() {
    let world = World::new();
    let group = create(&world, "shops").await;
    world.edge("n", 1).await;
    let id = &group["ConnectionGroup"]["Id"];
    let input = json!({ "Id": id, "IfMatch": group["ETag"], "Ipv6Enabled": false });
    let updated = world.ok("UpdateConnectionGroup", input).await;
    assert_eq!(updated["ConnectionGroup"]["Ipv6Enabled"], false);
    assert_eq!(updated["ConnectionGroup"]["Enabled"], true);
    assert_eq!(updated["ConnectionGroup"]["Status"], "InProgress");
    let endpoint = &group["ConnectionGroup"]["RoutingEndpoint"];
    assert_eq!(updated["ConnectionGroup"]["RoutingEndpoint"], *endpoint);
    assert_ne!(updated["ETag"], group["ETag"]);
    world.edge("n", u64::MAX).await;
    let got = world
        .ok("GetConnectionGroup", json!({ "Identifier": id }))
        .await;
    assert_eq!(got["ConnectionGroup"]["Status"], "Deployed");
}

#[tokio::test]
async fn a_refused_change_changes_no_document() {
    let world = World::new();
    let group = create(&world, "shops").await;
    let id = &group["ConnectionGroup"]["Id"];
    let before = documents(&world).await;
    let stale = "E0000000000000";
    for (operation, input, refusal) in [
        (
            "UpdateConnectionGroup",
            json!({ "Id": id, "IfMatch": stale, "Enabled": false }),
            (412, "PreconditionFailed"),
        ),
        (
            "UpdateConnectionGroup",
            json!({ "Id": id, "IfMatch": "?", "Enabled": false }),
            (400, "InvalidIfMatchVersion"),
        ),
        (
            "UpdateConnectionGroup",
            json!({ "Id": id, "IfMatch": group["ETag"], "AnycastIpListId": "aip_0" }),
            (404, "EntityNotFound"),
        ),
        (
            "DeleteConnectionGroup",
            json!({ "Id": id, "IfMatch": group["ETag"] }),
            (409, "ResourceNotDisabled"),
        ),
        (
            "DeleteConnectionGroup",
            json!({ "Id": "cg_0", "IfMatch": group["ETag"] }),
            (404, "EntityNotFound"),
        ),
        (
            "CreateConnectionGroup",
            json!({ "Name": "a b" }),
            (400, "InvalidArgument"),
        ),
        (
            "CreateConnectionGroup",
            json!({ "Name": "x", "Tags": { "Items": [{ "Key": "aws:x" }] } }),
            (400, "InvalidTagging"),
        ),
    ] {
        let (status, code) = world.fail(operation, input.clone()).await;
        assert_eq!((status, code.as_str()), refusal, "{operation} {input}");
    }
    assert_eq!(documents(&world).await, before);
}

#[tokio::test]
async fn lists_are_in_the_order_of_making_and_in_pages() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        create(&world, name).await;
    }
    let names = |output: &Value| -> Vec<String> {
        let groups = output["ConnectionGroups"].as_array().unwrap();
        let names = groups
            .iter()
            .map(|group| group["Name"].as_str().unwrap().to_owned());
        names.collect()
    };
    let first = world
        .ok("ListConnectionGroups", json!({ "MaxItems": 2 }))
        .await;
    assert_eq!(names(&first), ["a", "b"]);
    let input = json!({ "MaxItems": 2, "Marker": first["NextMarker"] });
    let second = world.ok("ListConnectionGroups", input).await;
    assert_eq!(names(&second), ["c"]);
    assert!(second.get("NextMarker").is_none());
    let input = json!({ "AssociationFilter": { "AnycastIpListId": "aip_0" } });
    let none = world.ok("ListConnectionGroups", input).await;
    assert_eq!(names(&none), Vec::<String>::new());
}
