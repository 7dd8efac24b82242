//! The audit record, as CloudTrail's `LookupEvents` tells it.

use control::identity::AccessKey;
use serde_json::{Value, json};

use crate::wire::{Ask, cache_policy};
use crate::world::World;

async fn create(world: &World, key: &AccessKey, name: &str) -> u16 {
    let input = json!({ "CachePolicyConfig": cache_policy(name) });
    let ask = Ask::cloudfront("CreateCachePolicy", input).header("User-Agent", "test/1.0");
    world.ask(&ask, key).await.status
}

fn names(events: &Value) -> Vec<&str> {
    let events = events["Events"].as_array().unwrap();
    events
        .iter()
        .map(|event| event["EventName"].as_str().unwrap())
        .collect()
}

fn document(event: &Value) -> Value {
    serde_json::from_str(event["CloudTrailEvent"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_change_is_told_with_who_what_when_and_from_where() {
    let world = World::new();
    let root = world.root().await;
    let alice = world.key(&root, "alice", json!("administrator")).await;
    assert_eq!(create(&world, &alice, "p").await, 201);
    let at_secs = (world.tick() - 1_000) / 1_000;
    let events = world.events(&root, json!({})).await;
    assert_eq!(names(&events), ["CreateCachePolicy", "CreateAccessKey"]);
    let event = &events["Events"][0];
    assert_eq!(event["EventTime"], json!(at_secs));
    assert_eq!(event["EventSource"], "cloudfront.amazonaws.com");
    assert_eq!(event["Username"], "alice");
    assert_eq!(event["AccessKeyId"], json!(alice.id));
    assert_eq!(event["ReadOnly"], "false");
    assert_eq!(
        event["Resources"][0]["ResourceType"],
        "AWS::CloudFront::CachePolicy"
    );

    let told = document(event);
    assert_eq!(told["eventVersion"], "1.09");
    assert_eq!(told["userIdentity"]["type"], "IAMUser");
    assert_eq!(told["userIdentity"]["userName"], "alice");
    assert_eq!(
        told["userIdentity"]["arn"],
        "arn:aws:iam::123456789012:user/alice"
    );
    assert_eq!(told["sourceIPAddress"], "192.0.2.7");
    assert_eq!(told["userAgent"], "test/1.0");
    assert_eq!(told["requestParameters"]["cachePolicyConfig"]["name"], "p");
    assert_eq!(told["eventID"], event["EventId"]);
    assert_eq!(told["readOnly"], false);
    assert_eq!(told["eventCategory"], "Management");
    assert_eq!(told["recipientAccountId"], "123456789012");
    assert!(told.get("errorCode").is_none());
    assert!(told["eventTime"].as_str().unwrap().ends_with('Z'));

    let root_event = document(&events["Events"][1]);
    assert_eq!(root_event["userIdentity"]["type"], "Root");
    assert!(
        !events.to_string().contains(&alice.secret),
        "secrets are in no record"
    );
}

#[tokio::test]
async fn refused_and_failed_changes_are_told_too_and_reads_are_not() {
    let world = World::new();
    let root = world.root().await;
    let reader = world.key(&root, "reader", json!("read-only")).await;
    assert_eq!(create(&world, &reader, "p").await, 403);
    assert_eq!(create(&world, &root, "p").await, 201);
    assert_eq!(create(&world, &root, "p").await, 409);
    let broken = Ask::new("cloudfront", "POST", "/2020-05-31/cache-policy", "<no");
    assert_eq!(world.ask(&broken, &root).await.status, 400);
    let list = Ask::cloudfront("ListCachePolicies", json!({}));
    assert_eq!(world.ask(&list, &root).await.status, 200);

    let events = world.events(&root, json!({})).await;
    let codes: Vec<Value> = events["Events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| document(event)["errorCode"].clone())
        .collect();
    let expected = [
        json!("MalformedXML"),
        json!("CachePolicyAlreadyExists"),
        json!(null),
        json!("AccessDenied"),
        json!(null),
    ];
    assert_eq!(codes, expected);
    let refusal = document(&events["Events"][3]);
    let message = refusal["errorMessage"].as_str().unwrap();
    assert!(
        message.contains("cloudfront:CreateCachePolicy"),
        "{message}"
    );
    assert_eq!(
        refusal["requestParameters"]["cachePolicyConfig"]["name"],
        "p"
    );
}

#[tokio::test]
async fn events_are_found_by_their_attributes() {
    let world = World::new();
    let root = world.root().await;
    let alice = world.key(&root, "alice", json!("administrator")).await;
    assert_eq!(create(&world, &alice, "p").await, 201);
    assert_eq!(create(&world, &root, "q").await, 201);
    let by = async |key: &str, value: &str| {
        let attribute = json!({ "AttributeKey": key, "AttributeValue": value });
        let events = world
            .events(&root, json!({ "LookupAttributes": [attribute] }))
            .await;
        events["Events"].as_array().unwrap().len()
    };
    assert_eq!(by("Username", "alice").await, 1);
    assert_eq!(by("EventName", "CreateCachePolicy").await, 2);
    assert_eq!(by("EventName", "createcachepolicy").await, 0);
    assert_eq!(by("EventSource", "cloudfront.amazonaws.com").await, 2);
    assert_eq!(by("ResourceType", "AWS::IAM::AccessKey").await, 1);
    assert_eq!(by("ResourceName", &alice.id).await, 1);
    assert_eq!(by("AccessKeyId", &root.id).await, 2);
    assert_eq!(by("ReadOnly", "false").await, 3);
    assert_eq!(by("ReadOnly", "true").await, 0);
    let events = world.events(&root, json!({})).await;
    let id = events["Events"][1]["EventId"].as_str().unwrap();
    assert_eq!(by("EventId", id).await, 1);
}

#[tokio::test]
async fn pages_follow_one_another_from_the_newest_to_the_oldest() {
    let world = World::new();
    let root = world.root().await;
    for number in 0..7 {
        assert_eq!(create(&world, &root, &format!("p{number}")).await, 201);
    }
    let mut seen = Vec::new();
    let mut input = json!({ "MaxResults": 3 });
    let mut pages = 0;
    loop {
        let page = world.events(&root, input.clone()).await;
        let events = page["Events"].as_array().unwrap();
        assert!(events.len() <= 3);
        seen.extend(events.iter().map(|event| {
            document(event)["requestParameters"]["cachePolicyConfig"]["name"].clone()
        }));
        pages += 1;
        match page.get("NextToken") {
            Some(token) => input["NextToken"] = token.clone(),
            None => break,
        }
    }
    let expected: Vec<Value> = (0..7)
        .rev()
        .map(|number| json!(format!("p{number}")))
        .collect();
    assert_eq!((seen, pages), (expected, 3));
}

#[tokio::test]
async fn times_bound_what_is_found_ends_included() {
    let world = World::new();
    let root = world.root().await;
    let mut at_secs = Vec::new();
    for number in 0..4 {
        at_secs.push((world.tick() + 1_000) / 1_000);
        assert_eq!(create(&world, &root, &format!("p{number}")).await, 201);
    }
    let range = json!({ "StartTime": at_secs[1], "EndTime": at_secs[2] });
    let events = world.events(&root, range).await;
    let names: Vec<_> = events["Events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| document(event)["requestParameters"]["cachePolicyConfig"]["name"].clone())
        .collect();
    assert_eq!(names, [json!("p2"), json!("p1")]);
}

#[tokio::test]
async fn what_cannot_be_looked_up_has_cloudtrails_own_codes() {
    let world = World::new();
    let root = world.root().await;
    let attribute = json!({ "AttributeKey": "Username", "AttributeValue": "x" });
    for (input, code) in [
        (json!({ "MaxResults": 0 }), "InvalidMaxResultsException"),
        (json!({ "MaxResults": 51 }), "InvalidMaxResultsException"),
        (json!({ "NextToken": "abc" }), "InvalidNextTokenException"),
        (
            json!({ "StartTime": 2_000, "EndTime": 1_000 }),
            "InvalidTimeRangeException",
        ),
        (
            json!({ "LookupAttributes": [attribute, attribute] }),
            "InvalidLookupAttributesException",
        ),
        (
            json!({ "LookupAttributes": [{ "AttributeKey": "X", "AttributeValue": "x" }] }),
            "InvalidLookupAttributesException",
        ),
        (
            json!({ "EventCategory": "other" }),
            "InvalidEventCategoryException",
        ),
    ] {
        let told = world
            .ask(
                &Ask::json("cloudtrail", "LookupEvents", input.clone()),
                &root,
            )
            .await;
        assert_eq!(told.error(), (400, code.to_owned()), "{input}");
    }
    let insights = world
        .events(&root, json!({ "EventCategory": "insight" }))
        .await;
    assert!(insights.get("Events").is_none());
}

#[tokio::test]
async fn only_who_may_sees_the_record() {
    let world = World::new();
    let root = world.root().await;
    let ci = world.key(&root, "ci", json!("invalidate-only")).await;
    let ask = Ask::json("cloudtrail", "LookupEvents", json!({}));
    let told = world.ask(&ask, &ci).await;
    assert_eq!(told.error(), (403, "AccessDeniedException".to_owned()));
    assert!(
        told.text.contains("cloudtrail:LookupEvents"),
        "{}",
        told.text
    );
}

#[tokio::test]
async fn records_of_more_than_ninety_days_go_in_the_end() {
    let world = World::new();
    let root = world.root().await;
    for number in 0..5 {
        assert_eq!(create(&world, &root, &format!("p{number}")).await, 201);
    }
    world.pass(91 * 86_400_000);
    // Not found any more at once, and removed after a while of writing.
    let events = world.events(&root, json!({})).await;
    assert_eq!(events["Events"], json!([]));
    for _ in 0..control::limits::AUDIT_SWEEP_EVERY {
        assert_eq!(create(&world, &root, "p0").await, 409);
    }
    let record = world.content("audit/").await;
    let count = record.lines().count() as u64;
    assert_eq!(count, control::limits::AUDIT_SWEEP_EVERY);
}

#[tokio::test]
async fn parameters_that_are_too_long_are_left_out() {
    let world = World::new();
    let root = world.root().await;
    let paths: Vec<String> = (0..3_000).map(|n| format!("/{n:050}")).collect();
    let input = json!({ "DistributionId": "E0", "InvalidationBatch": {
        "CallerReference": "r", "Paths": { "Quantity": paths.len(), "Items": paths },
    }});
    let told = world
        .ask(&Ask::cloudfront("CreateInvalidation", input), &root)
        .await;
    assert_eq!(told.status, 404, "{}", told.text);
    let events = world.events(&root, json!({})).await;
    let parameters = document(&events["Events"][0])["requestParameters"].clone();
    assert_eq!(parameters["omitted"], true);
    assert!(parameters["originalSize"].as_u64().unwrap() > 100_000);
}

#[tokio::test]
async fn questions_that_fail_are_no_changes() {
    let world = World::new();
    let root = world.root().await;
    for (operation, input) in [
        ("History", json!({ "Id": "nothing" })),
        ("Explain", json!({ "Url": "http://a.example.com/" })),
    ] {
        let told = world
            .ask(&Ask::json("warmfront", operation, input), &root)
            .await;
        assert!(told.status >= 400, "{}", told.text);
    }
    assert_eq!(world.content("audit/").await, "");
}
