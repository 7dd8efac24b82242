use serde_json::{Value, json};

use crate::signed::Client;
use crate::stored::{distribution_with, documents, no_distribution, refused};
use crate::world::World;

/// `function handler(event) { return event.request }`, in base64.
const CODE: &str = "ZnVuY3Rpb24gaGFuZGxlcihldmVudCkgeyByZXR1cm4gZXZlbnQucmVxdWVzdCB9";

fn input(name: &str) -> Value {
    json!({
        "Name": name,
        "FunctionConfig": { "Comment": "c", "Runtime": "cloudfront-js-2.0" },
        "FunctionCode": CODE,
    })
}

async fn created(world: &World, name: &str) -> String {
    let output = world.ok("CreateFunction", input(name)).await;
    output["ETag"].as_str().unwrap().to_owned()
}

async fn status(world: &World, stage: &str) -> String {
    let input = json!({ "Name": "f", "Stage": stage });
    let output = world.ok("DescribeFunction", input).await;
    assert_eq!(
        output["FunctionSummary"]["FunctionMetadata"]["Stage"],
        stage
    );
    output["FunctionSummary"]["Status"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn association(config: &mut Value) {
    config["DefaultCacheBehavior"]["FunctionAssociations"] = json!({
        "Quantity": 1,
        "Items": [{
            "FunctionARN": "arn:aws:cloudfront::123456789012:function/f",
            "EventType": "viewer-request",
        }],
    });
}

#[tokio::test]
async fn a_new_function_is_in_development_and_given_back_as_it_came() {
    let world = World::new();
    let created = world.ok("CreateFunction", input("f")).await;
    let summary = &created["FunctionSummary"];
    assert_eq!(summary["Name"], "f");
    assert_eq!(summary["Status"], "UNPUBLISHED");
    assert_eq!(summary["FunctionConfig"]["Runtime"], "cloudfront-js-2.0");
    let metadata = &summary["FunctionMetadata"];
    assert_eq!(metadata["Stage"], "DEVELOPMENT");
    assert_eq!(
        metadata["FunctionARN"],
        "arn:aws:cloudfront::123456789012:function/f"
    );
    let described = world.ok("DescribeFunction", json!({ "Name": "f" })).await;
    assert_eq!(described["FunctionSummary"], *summary);
    assert_eq!(described["ETag"], created["ETag"]);
    let got = world.ok("GetFunction", json!({ "Name": "f" })).await;
    assert_eq!(got["FunctionCode"], CODE);
    assert_eq!(got["ETag"], created["ETag"]);
    assert_eq!(got["ContentType"], "application/octet-stream");
}

#[tokio::test]
async fn a_function_has_no_live_stage_before_it_is_published() {
    let world = World::new();
    created(&world, "f").await;
    for operation in ["DescribeFunction", "GetFunction"] {
        let live = json!({ "Name": "f", "Stage": "LIVE" });
        refused(&world, operation, live, (404, "NoSuchFunctionExists")).await;
        let other = json!({ "Name": "other" });
        refused(&world, operation, other, (404, "NoSuchFunctionExists")).await;
    }
}

#[tokio::test]
async fn publishing_copies_and_what_is_worked_on_goes_on_by_itself() {
    let world = World::new();
    let etag = created(&world, "f").await;
    let publish = json!({ "Name": "f", "IfMatch": etag });
    let published = world.ok("PublishFunction", publish.clone()).await;
    let summary = &published["FunctionSummary"];
    assert_eq!(summary["FunctionMetadata"]["Stage"], "LIVE");
    assert_eq!(summary["Status"], "UNASSOCIATED");
    let live = json!({ "Name": "f", "Stage": "LIVE" });
    let first = world.ok("GetFunction", live.clone()).await;
    assert_eq!(first["FunctionCode"], CODE);
    assert_ne!(first["ETag"], etag);

    let mut update = input("f");
    update["IfMatch"] = json!(etag);
    update["FunctionCode"] = json!("eA==");
    let updated = world.ok("UpdateFunction", update).await;
    assert_ne!(updated["ETag"], etag);
    let stage = &updated["FunctionSummary"]["FunctionMetadata"]["Stage"];
    assert_eq!(stage, "DEVELOPMENT");
    assert_eq!(world.ok("GetFunction", live.clone()).await, first);
    let worked_on = world.ok("GetFunction", json!({ "Name": "f" })).await;
    assert_eq!(worked_on["FunctionCode"], "eA==");

    refused(
        &world,
        "PublishFunction",
        publish,
        (412, "PreconditionFailed"),
    )
    .await;
    let publish = json!({ "Name": "f", "IfMatch": updated["ETag"] });
    world.ok("PublishFunction", publish).await;
    let second = world.ok("GetFunction", live).await;
    assert_eq!(second["FunctionCode"], "eA==");
    assert_ne!(second["ETag"], first["ETag"]);
}

#[tokio::test]
async fn stale_and_malformed_etags_change_no_function() {
    let world = World::new();
    created(&world, "f").await;
    let attempts = [
        ("E0000000000000", (412, "PreconditionFailed")),
        ("nonsense", (400, "InvalidIfMatchVersion")),
        ("", (400, "InvalidIfMatchVersion")),
    ];
    for (etag, error) in attempts {
        for operation in ["UpdateFunction", "PublishFunction", "DeleteFunction"] {
            let mut input = input("f");
            input["IfMatch"] = json!(etag);
            refused(&world, operation, input, error).await;
        }
    }
    let mut other = input("other");
    other["IfMatch"] = json!("E0000000000000");
    for operation in ["UpdateFunction", "PublishFunction", "DeleteFunction"] {
        refused(
            &world,
            operation,
            other.clone(),
            (404, "NoSuchFunctionExists"),
        )
        .await;
    }
}

#[tokio::test]
async fn a_function_that_a_distribution_names_is_deployed_and_stays() {
    let world = World::new();
    let etag = created(&world, "f").await;
    world
        .ok("PublishFunction", json!({ "Name": "f", "IfMatch": etag }))
        .await;
    distribution_with(&world, "E1", association).await;
    assert_eq!(status(&world, "LIVE").await, "DEPLOYED");
    assert_eq!(status(&world, "DEVELOPMENT").await, "DEPLOYED");
    let delete = json!({ "Name": "f", "IfMatch": etag });
    refused(
        &world,
        "DeleteFunction",
        delete.clone(),
        (409, "FunctionInUse"),
    )
    .await;
    no_distribution(&world, "E1").await;
    assert_eq!(status(&world, "LIVE").await, "UNASSOCIATED");
    world.ok("DeleteFunction", delete).await;
    for stage in ["DEVELOPMENT", "LIVE"] {
        let get = json!({ "Name": "f", "Stage": stage });
        refused(&world, "GetFunction", get, (404, "NoSuchFunctionExists")).await;
    }
    let keys = documents(&world)
        .await
        .into_iter()
        .map(|document| document.key);
    let left: Vec<_> = keys
        .filter(|key| key.starts_with("cloudfront/function"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn a_function_in_a_later_behavior_is_in_use_too() {
    let world = World::new();
    let etag = created(&world, "f").await;
    distribution_with(&world, "E1", |config| {
        let mut behavior = config.clone();
        association(&mut behavior);
        let behavior = behavior["DefaultCacheBehavior"].take();
        config["CacheBehaviors"] = json!({ "Quantity": 1, "Items": [behavior] });
    })
    .await;
    let delete = json!({ "Name": "f", "IfMatch": etag });
    refused(&world, "DeleteFunction", delete, (409, "FunctionInUse")).await;
}

#[tokio::test]
async fn names_are_taken_once() {
    let world = World::new();
    created(&world, "f").await;
    let taken = (409, "FunctionAlreadyExists");
    refused(&world, "CreateFunction", input("f"), taken).await;
}

#[tokio::test]
async fn what_is_no_function_is_refused() {
    let world = World::new();
    let long_name = "a".repeat(65);
    for name in ["", "a b", "a/b", "a.b", long_name.as_str()] {
        refused(
            &world,
            "CreateFunction",
            input(name),
            (400, "InvalidArgument"),
        )
        .await;
    }
    let mut code = input("f");
    code["FunctionCode"] = json!("");
    refused(&world, "CreateFunction", code, (400, "InvalidArgument")).await;
    let mut runtime = input("f");
    runtime["FunctionConfig"]["Runtime"] = json!("cloudfront-js-3.0");
    refused(&world, "CreateFunction", runtime, (400, "MalformedXML")).await;
}

#[tokio::test]
async fn code_is_at_most_ten_kibibytes() {
    let world = World::new();
    let code = |bytes: usize| {
        let mut input = input("f");
        // Three bytes are four characters.
        input["FunctionCode"] = json!("YWFh".repeat(bytes / 3) + ["", "YQ==", "YWE="][bytes % 3]);
        input
    };
    let too_large = (413, "FunctionSizeLimitExceeded");
    refused(&world, "CreateFunction", code(10_241), too_large).await;
    refused(&world, "CreateFunction", code(50_000), too_large).await;
    let etag = world.ok("CreateFunction", code(10_240)).await["ETag"].take();
    let mut update = code(10_241);
    update["IfMatch"] = etag;
    refused(&world, "UpdateFunction", update, too_large).await;
}

#[tokio::test]
async fn a_function_reads_one_store_that_is_there() {
    let world = World::new();
    let store = world
        .ok("CreateKeyValueStore", json!({ "Name": "s" }))
        .await;
    let arn = store["KeyValueStore"]["ARN"].as_str().unwrap();
    let reading = |runtime: &str, arns: &[&str]| {
        let stores: Vec<_> = arns
            .iter()
            .map(|arn| json!({ "KeyValueStoreARN": arn }))
            .collect();
        let mut input = input("f");
        input["FunctionConfig"]["Runtime"] = json!(runtime);
        input["FunctionConfig"]["KeyValueStoreAssociations"] =
            json!({ "Quantity": stores.len(), "Items": stores });
        input
    };
    let other = "arn:aws:cloudfront::123456789012:key-value-store/\
                 00000000-0000-4000-8000-000000000000";
    for input in [
        reading("cloudfront-js-1.0", &[arn]),
        reading("cloudfront-js-2.0", &[arn, arn]),
        reading("cloudfront-js-2.0", &[other]),
        reading("cloudfront-js-2.0", &["s"]),
    ] {
        refused(&world, "CreateFunction", input, (400, "InvalidArgument")).await;
    }
    let input = reading("cloudfront-js-2.0", &[arn]);
    let output = world.ok("CreateFunction", input).await;
    let associations = &output["FunctionSummary"]["FunctionConfig"]["KeyValueStoreAssociations"];
    assert_eq!(associations["Items"][0]["KeyValueStoreARN"], arn);
}

#[tokio::test]
async fn lists_go_by_stage_and_by_page() {
    let world = World::new();
    for name in ["b", "a", "c"] {
        let etag = created(&world, name).await;
        if name != "c" {
            world
                .ok("PublishFunction", json!({ "Name": name, "IfMatch": etag }))
                .await;
        }
    }
    let names = |output: &Value| -> Vec<String> {
        let items = output["FunctionList"]["Items"].as_array().unwrap().iter();
        let line = |item: &Value| {
            let stage = item["FunctionMetadata"]["Stage"].as_str().unwrap();
            format!(
                "{} {stage} {}",
                item["Name"].as_str().unwrap(),
                item["Status"]
            )
        };
        items.map(|item| line(item).replace('"', "")).collect()
    };
    let live = world.ok("ListFunctions", json!({ "Stage": "LIVE" })).await;
    assert_eq!(names(&live), ["a LIVE UNASSOCIATED", "b LIVE UNASSOCIATED"]);
    let development = world
        .ok("ListFunctions", json!({ "Stage": "DEVELOPMENT" }))
        .await;
    assert_eq!(development["FunctionList"]["Quantity"], 3);

    let (mut all, mut input) = (Vec::new(), json!({ "MaxItems": "2" }));
    loop {
        let page = world.ok("ListFunctions", input.clone()).await;
        all.extend(names(&page));
        assert_eq!(page["FunctionList"]["MaxItems"], 2);
        match &page["FunctionList"]["NextMarker"] {
            Value::Null => break,
            marker => input["Marker"] = marker.clone(),
        }
    }
    assert_eq!(
        all,
        [
            "a DEVELOPMENT UNASSOCIATED",
            "a LIVE UNASSOCIATED",
            "b DEVELOPMENT UNASSOCIATED",
            "b LIVE UNASSOCIATED",
            "c DEVELOPMENT UNPUBLISHED",
        ]
    );
}

#[tokio::test]
async fn there_are_at_most_a_hundred_functions() {
    let world = World::new();
    for index in 0..100 {
        created(&world, &format!("f{index}")).await;
    }
    refused(
        &world,
        "CreateFunction",
        input("f"),
        (400, "TooManyFunctions"),
    )
    .await;
}

#[tokio::test]
async fn tags_go_with_their_function() {
    let world = World::new();
    let mut tagged = input("f");
    tagged["Tags"] = json!({ "Items": [{ "Key": "team", "Value": "web" }] });
    let created = world.ok("CreateFunction", tagged).await;
    let arn = json!({ "Resource": "arn:aws:cloudfront::123456789012:function/f" });
    let tags = world.ok("ListTagsForResource", arn).await;
    assert_eq!(tags["Tags"]["Items"][0]["Value"], "web");
    let delete = json!({ "Name": "f", "IfMatch": created["ETag"] });
    world.ok("DeleteFunction", delete).await;
    let left = documents(&world).await;
    assert!(
        left.iter()
            .all(|document| !document.key.starts_with("tags/"))
    );
}

#[tokio::test]
async fn running_functions_is_not_pretended() {
    let world = World::new();
    let etag = created(&world, "f").await;
    let test = json!({ "Name": "f", "IfMatch": etag, "EventObject": "e30=" });
    refused(&world, "TestFunction", test, (501, "NotImplemented")).await;
}

#[tokio::test]
async fn code_travels_as_it_is_and_etags_in_both_spellings() {
    let world = World::new();
    let client = Client::new(&world, "cloudfront").await;
    let operation = |name: &str| shapes::cloudfront::SERVICE.operation(name).unwrap();
    let created = client
        .send(&world, operation("CreateFunction"), &input("f"))
        .await;
    assert_eq!(created.status(), 201);
    let mut update = input("f");
    update["IfMatch"] = json!(created.headers()["etag"].to_str().unwrap());
    update["FunctionCode"] = json!("PC8+");
    let updated = client
        .send(&world, operation("UpdateFunction"), &update)
        .await;
    assert_eq!(updated.status(), 200);
    assert_eq!(updated.headers()["etag"], updated.headers()["ettag"]);
    let got = client
        .send(&world, operation("GetFunction"), &json!({ "Name": "f" }))
        .await;
    assert_eq!(got.body().as_ref(), b"</>");
    assert_eq!(got.headers()["content-type"], "application/octet-stream");
    assert_eq!(got.headers()["etag"], updated.headers()["etag"]);
}

mod connection {
    use super::*;

    fn input(name: &str) -> Value {
        json!({
            "Name": name,
            "ConnectionFunctionConfig": { "Comment": "c", "Runtime": "cloudfront-js-2.0" },
            "ConnectionFunctionCode": CODE,
        })
    }

    async fn created(world: &World, name: &str) -> (String, String) {
        let output = world.ok("CreateConnectionFunction", input(name)).await;
        let id = output["ConnectionFunctionSummary"]["Id"].as_str().unwrap();
        (id.to_owned(), output["ETag"].as_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn a_connection_function_is_found_by_id_name_and_arn() {
        let world = World::new();
        let (id, etag) = created(&world, "f").await;
        assert!(id.starts_with("cf_"), "{id}");
        let arn = format!("arn:aws:cloudfront::123456789012:connection-function/{id}");
        for identifier in [id.as_str(), "f", arn.as_str()] {
            let input = json!({ "Identifier": identifier });
            let described = world.ok("DescribeConnectionFunction", input.clone()).await;
            let summary = &described["ConnectionFunctionSummary"];
            assert_eq!(summary["Id"], id);
            assert_eq!(summary["Status"], "UNPUBLISHED");
            assert_eq!(summary["ConnectionFunctionArn"], arn);
            let got = world.ok("GetConnectionFunction", input).await;
            assert_eq!(
                (&got["ConnectionFunctionCode"], &got["ETag"]),
                (&json!(CODE), &json!(etag))
            );
        }
        let other = json!({ "Identifier": "other" });
        refused(
            &world,
            "GetConnectionFunction",
            other,
            (404, "EntityNotFound"),
        )
        .await;
        let taken = (409, "EntityAlreadyExists");
        refused(&world, "CreateConnectionFunction", input("f"), taken).await;
    }

    #[tokio::test]
    async fn a_connection_function_is_published_used_and_deleted() {
        let world = World::new();
        let (id, etag) = created(&world, "f").await;
        let stale = json!({ "Id": id, "IfMatch": "E0000000000000" });
        for operation in ["PublishConnectionFunction", "DeleteConnectionFunction"] {
            refused(
                &world,
                operation,
                stale.clone(),
                (412, "PreconditionFailed"),
            )
            .await;
        }
        let own = json!({ "Id": id, "IfMatch": etag });
        world.ok("PublishConnectionFunction", own.clone()).await;
        distribution_with(&world, "E1", |config| {
            config["ConnectionFunctionAssociation"] = json!({ "Id": id });
        })
        .await;
        let live = json!({ "Identifier": id, "Stage": "LIVE" });
        let described = world.ok("DescribeConnectionFunction", live).await;
        assert_eq!(described["ConnectionFunctionSummary"]["Status"], "DEPLOYED");
        let in_use = (409, "CannotDeleteEntityWhileInUse");
        refused(&world, "DeleteConnectionFunction", own, in_use).await;

        let mut update = input("f");
        update["Id"] = json!(id);
        update["IfMatch"] = json!(etag);
        update["ConnectionFunctionCode"] = json!("eA==");
        let updated = world.ok("UpdateConnectionFunction", update).await;
        let listed = world
            .ok("ListConnectionFunctions", json!({ "MaxItems": 1 }))
            .await;
        assert_eq!(listed["ConnectionFunctions"].as_array().unwrap().len(), 1);
        let marker = &listed["NextMarker"];
        let rest = json!({ "MaxItems": 5, "Marker": marker });
        let listed = world.ok("ListConnectionFunctions", rest).await;
        assert_eq!(listed["ConnectionFunctions"][0]["Stage"], "LIVE");
        assert_eq!(listed["NextMarker"], Value::Null);

        no_distribution(&world, "E1").await;
        let delete = json!({ "Id": id, "IfMatch": updated["ETag"] });
        world.ok("DeleteConnectionFunction", delete).await;
        let gone = json!({ "Identifier": id });
        refused(
            &world,
            "GetConnectionFunction",
            gone,
            (404, "EntityNotFound"),
        )
        .await;
        created(&world, "f").await;
    }

    #[tokio::test]
    async fn code_is_at_most_forty_kibibytes() {
        let world = World::new();
        let mut large = input("f");
        large["ConnectionFunctionCode"] = json!("YWFh".repeat(40_961_usize.div_ceil(3)));
        let too_large = (413, "EntitySizeLimitExceeded");
        refused(&world, "CreateConnectionFunction", large, too_large).await;
    }
}

#[tokio::test]
async fn a_missing_entity_tag_has_a_code_of_its_own() {
    let world = World::new();
    let refusal = world.fail("DeleteFunction", json!({ "Name": "f" })).await;
    assert_eq!(refusal, (400, "InvalidIfMatchVersion".to_owned()));
}
