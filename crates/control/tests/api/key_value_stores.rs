use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use shapes::cloudfront_keyvaluestore::SERVICE;

use crate::signed::Client;
use crate::stored::{documents, refused};
use crate::world::World;

async fn created(world: &World, name: &str) -> Value {
    world
        .ok("CreateKeyValueStore", json!({ "Name": name }))
        .await
}

#[tokio::test]
async fn a_store_is_ready_as_soon_as_it_is_made() {
    let world = World::new();
    let input = json!({ "Name": "s", "Comment": "redirects" });
    let created = world.ok("CreateKeyValueStore", input).await;
    let store = &created["KeyValueStore"];
    let id = store["Id"].as_str().unwrap();
    assert_eq!(id.len(), 36);
    assert_eq!(
        store["ARN"],
        format!("arn:aws:cloudfront::123456789012:key-value-store/{id}")
    );
    assert_eq!(
        (&store["Status"], &store["Comment"]),
        (&json!("READY"), &json!("redirects"))
    );
    let described = world
        .ok("DescribeKeyValueStore", json!({ "Name": "s" }))
        .await;
    assert_eq!(described["KeyValueStore"], *store);
    assert_eq!(described["ETag"], created["ETag"]);
    let taken = (409, "EntityAlreadyExists");
    refused(&world, "CreateKeyValueStore", json!({ "Name": "s" }), taken).await;
    let missing = (404, "EntityNotFound");
    refused(
        &world,
        "DescribeKeyValueStore",
        json!({ "Name": "t" }),
        missing,
    )
    .await;
}

#[tokio::test]
async fn a_store_made_without_a_comment_has_none_in_any_answer() {
    let world = World::new();
    let made = created(&world, "none").await;
    let empty = json!({ "Name": "empty", "Comment": "" });
    let empty = world.ok("CreateKeyValueStore", empty).await;
    let described = world
        .ok("DescribeKeyValueStore", json!({ "Name": "none" }))
        .await;
    let list = world.ok("ListKeyValueStores", json!({})).await;
    let items = list["KeyValueStoreList"]["Items"].as_array().unwrap();
    let listed = |name| items.iter().find(|store| store["Name"] == name).unwrap();
    for none in [
        &made["KeyValueStore"],
        &described["KeyValueStore"],
        listed("none"),
    ] {
        assert_eq!((&none["Name"], none.get("Comment")), (&json!("none"), None));
    }
    for empty in [&empty["KeyValueStore"], listed("empty")] {
        assert_eq!(
            (&empty["Name"], &empty["Comment"]),
            (&json!("empty"), &json!(""))
        );
    }
}

#[tokio::test]
async fn a_comment_is_changed_by_who_knows_the_etag() {
    let world = World::new();
    let created = created(&world, "s").await;
    let update = |etag: &Value| json!({ "Name": "s", "Comment": "new", "IfMatch": etag });
    for (etag, error) in [
        ("E0000000000000", (412, "PreconditionFailed")),
        ("nonsense", (400, "InvalidIfMatchVersion")),
        ("", (400, "InvalidIfMatchVersion")),
    ] {
        for operation in ["UpdateKeyValueStore", "DeleteKeyValueStore"] {
            refused(&world, operation, update(&json!(etag)), error).await;
        }
    }
    let updated = world
        .ok("UpdateKeyValueStore", update(&created["ETag"]))
        .await;
    assert_eq!(updated["KeyValueStore"]["Comment"], "new");
    assert_ne!(updated["ETag"], created["ETag"]);
    let stale = (412, "PreconditionFailed");
    refused(
        &world,
        "DeleteKeyValueStore",
        update(&created["ETag"]),
        stale,
    )
    .await;
    world
        .ok("DeleteKeyValueStore", update(&updated["ETag"]))
        .await;
    let missing = (404, "EntityNotFound");
    refused(
        &world,
        "DescribeKeyValueStore",
        json!({ "Name": "s" }),
        missing,
    )
    .await;
    world
        .ok("CreateKeyValueStore", json!({ "Name": "s" }))
        .await;
}

#[tokio::test]
async fn a_store_that_a_function_reads_in_either_stage_stays() {
    let world = World::new();
    let store = created(&world, "s").await;
    let stores = json!({
        "Quantity": 1,
        "Items": [{ "KeyValueStoreARN": store["KeyValueStore"]["ARN"] }],
    });
    let mut function = json!({
        "Name": "f",
        "FunctionConfig": {
            "Comment": "", "Runtime": "cloudfront-js-2.0", "KeyValueStoreAssociations": stores,
        },
        "FunctionCode": "eA==",
    });
    let etag = world.ok("CreateFunction", function.clone()).await["ETag"].take();
    let delete = json!({ "Name": "s", "IfMatch": store["ETag"] });
    let in_use = (409, "CannotDeleteEntityWhileInUse");
    refused(&world, "DeleteKeyValueStore", delete.clone(), in_use).await;

    world
        .ok("PublishFunction", json!({ "Name": "f", "IfMatch": etag }))
        .await;
    function["IfMatch"] = etag;
    function["FunctionConfig"]["KeyValueStoreAssociations"] = Value::Null;
    let etag = world.ok("UpdateFunction", function).await["ETag"].take();
    refused(&world, "DeleteKeyValueStore", delete.clone(), in_use).await;

    world
        .ok("PublishFunction", json!({ "Name": "f", "IfMatch": etag }))
        .await;
    world.ok("DeleteKeyValueStore", delete).await;
}

#[tokio::test]
async fn buckets_are_not_pretended_to_be_read() {
    let world = World::new();
    let source = json!({ "SourceType": "S3", "SourceARN": "arn:aws:s3:::bucket/key" });
    let input = json!({ "Name": "s", "ImportSource": source });
    refused(
        &world,
        "CreateKeyValueStore",
        input,
        (400, "InvalidArgument"),
    )
    .await;
}

#[tokio::test]
async fn stores_are_listed_by_status_and_by_page() {
    let world = World::new();
    for name in ["b", "a", "c"] {
        created(&world, name).await;
    }
    let list = |input: Value| async {
        let mut output = world.ok("ListKeyValueStores", input).await;
        output["KeyValueStoreList"].take()
    };
    let first = list(json!({ "MaxItems": "2", "Status": "READY" })).await;
    assert_eq!(
        (&first["Quantity"], &first["Items"][0]["Name"]),
        (&json!(2), &json!("b"))
    );
    let second = list(json!({ "MaxItems": "2", "Marker": first["NextMarker"] })).await;
    assert_eq!(
        (&second["Quantity"], &second["Items"][0]["Name"]),
        (&json!(1), &json!("c"))
    );
    assert_eq!(second["NextMarker"], Value::Null);
    let none = list(json!({ "Status": "PROVISIONING" })).await;
    assert_eq!(none["Quantity"], 0);
    for name in ["", "a b", "a/b"] {
        let input = json!({ "Name": name });
        refused(
            &world,
            "CreateKeyValueStore",
            input,
            (400, "InvalidArgument"),
        )
        .await;
    }
}

/// A store, and a client of its data.
struct Data {
    world: World,
    client: Client,
    arn: Value,
    control_etag: Value,
}

impl Data {
    async fn new() -> Data {
        let world = World::new();
        let client = Client::new(&world, "cloudfront-keyvaluestore").await;
        let mut created = created(&world, "s").await;
        Data {
            arn: created["KeyValueStore"]["ARN"].take(),
            control_etag: created["ETag"].take(),
            client,
            world,
        }
    }

    /// What an operation on the store gives: its output, or status and code.
    async fn call(&self, operation: &str, mut input: Value) -> Result<Value, (u16, String)> {
        if input["KvsARN"].is_null() {
            input["KvsARN"] = self.arn.clone();
        }
        let operation = SERVICE.operation(operation).unwrap();
        let answer = self.client.send(&self.world, operation, &input).await;
        let (head, body) = answer.into_parts();
        if !head.status.is_success() {
            let error: Value = serde_json::from_slice(&body).unwrap();
            let code = error["__type"].as_str().unwrap();
            return Err((head.status.as_u16(), code.to_owned()));
        }
        let headers = head.headers.iter();
        let headers: Vec<(&str, &str)> = headers
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        Ok(shapes::rest::read_response(operation, &headers, &body).unwrap())
    }

    async fn ok(&self, operation: &str, input: Value) -> Value {
        self.call(operation, input)
            .await
            .unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    /// A call that is refused with that status and code, and changes nothing.
    async fn refused(&self, operation: &str, input: Value, error: (u16, &str)) {
        let before = documents(&self.world).await;
        let (status, code) = self.call(operation, input).await.unwrap_err();
        assert_eq!((status, code.as_str()), error, "{operation}");
        assert_eq!(documents(&self.world).await, before, "{operation}");
    }

    async fn etag(&self) -> Value {
        self.ok("DescribeKeyValueStore", json!({})).await["ETag"].take()
    }

    async fn put(&self, key: &str, value: &str) -> Value {
        let input = json!({ "Key": key, "Value": value, "IfMatch": self.etag().await });
        self.ok("PutKey", input).await
    }

    async fn get(&self, key: &str) -> Value {
        self.ok("GetKey", json!({ "Key": key })).await["Value"].take()
    }
}

const CONFLICT: (u16, &str) = (409, "ConflictException");
const MISSING: (u16, &str) = (404, "ResourceNotFoundException");
const INVALID: (u16, &str) = (400, "ValidationException");

#[tokio::test]
async fn a_new_store_holds_nothing_and_has_an_etag_of_its_own() {
    let data = Data::new().await;
    let described = data.ok("DescribeKeyValueStore", json!({})).await;
    assert_eq!(described["KvsARN"], data.arn);
    assert_eq!(
        (&described["ItemCount"], &described["TotalSizeInBytes"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(described["Status"], "READY");
    assert_ne!(described["ETag"], data.control_etag);
    assert_eq!(data.ok("ListKeys", json!({})).await["Items"], json!([]));
}

#[tokio::test]
async fn values_are_put_got_replaced_and_deleted() {
    let data = Data::new().await;
    let first = data.put("key", "value").await;
    assert_eq!(
        (&first["ItemCount"], &first["TotalSizeInBytes"]),
        (&json!(1), &json!(8))
    );
    let second = data.put("key", "ü").await;
    assert_eq!(
        (&second["ItemCount"], &second["TotalSizeInBytes"]),
        (&json!(1), &json!(5))
    );
    assert_ne!(first["ETag"], second["ETag"]);
    assert_eq!(data.etag().await, second["ETag"]);
    let got = data.ok("GetKey", json!({ "Key": "key" })).await;
    assert_eq!((&got["Key"], &got["Value"]), (&json!("key"), &json!("ü")));
    assert_eq!(
        (&got["ItemCount"], &got["TotalSizeInBytes"]),
        (&json!(1), &json!(5))
    );
    let delete = json!({ "Key": "key", "IfMatch": second["ETag"] });
    let deleted = data.ok("DeleteKey", delete).await;
    assert_eq!(
        (&deleted["ItemCount"], &deleted["TotalSizeInBytes"]),
        (&json!(0), &json!(0))
    );
    data.refused("GetKey", json!({ "Key": "key" }), MISSING)
        .await;
    let again = json!({ "Key": "key", "IfMatch": deleted["ETag"] });
    data.refused("DeleteKey", again, MISSING).await;
}

#[tokio::test]
async fn a_stale_etag_writes_nothing() {
    let data = Data::new().await;
    let stale = data.etag().await;
    data.put("key", "value").await;
    for etag in [stale, data.control_etag.clone(), json!("nonsense")] {
        let put = json!({ "Key": "key", "Value": "other", "IfMatch": etag });
        data.refused("PutKey", put, CONFLICT).await;
        data.refused(
            "DeleteKey",
            json!({ "Key": "key", "IfMatch": etag }),
            CONFLICT,
        )
        .await;
        let update = json!({ "Deletes": [{ "Key": "key" }], "IfMatch": etag });
        data.refused("UpdateKeys", update, CONFLICT).await;
    }
    assert_eq!(data.get("key").await, "value");
}

#[tokio::test]
async fn of_writers_with_one_etag_one_wins() {
    let data = Data::new().await;
    let etag = data.etag().await;
    let write = |value: usize| {
        data.call(
            "PutKey",
            json!({ "Key": "k", "Value": value.to_string(), "IfMatch": etag }),
        )
    };
    let (a, b, c, d) = tokio::join!(write(0), write(1), write(2), write(3));
    let outcomes = [a, b, c, d];
    let winner = outcomes.iter().position(Result::is_ok).unwrap();
    assert_eq!(data.get("k").await, winner.to_string());
    for (index, outcome) in outcomes.into_iter().enumerate() {
        if index != winner {
            assert_eq!(outcome.unwrap_err().0, 409);
        }
    }
}

#[tokio::test]
async fn keys_may_have_any_characters() {
    let data = Data::new().await;
    let keys = [
        "/",
        "a",
        "a/",
        "a/b",
        "..",
        "%2F",
        "a b+c",
        "ü\u{1F600}",
        "?x=1&y",
        "#",
        "\"'",
    ];
    for key in keys {
        data.put(key, &format!("value of {key}")).await;
    }
    for key in keys {
        assert_eq!(data.get(key).await, format!("value of {key}"));
    }
    let listed = data.ok("ListKeys", json!({ "MaxResults": 50 })).await;
    let items = listed["Items"].as_array().unwrap();
    let mut expected = keys.to_vec();
    expected.sort_unstable();
    let listed: Vec<&str> = items
        .iter()
        .map(|item| item["Key"].as_str().unwrap())
        .collect();
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn an_update_happens_as_a_whole() {
    let data = Data::new().await;
    data.put("old", "1").await;
    data.put("gone", "2").await;
    let update = json!({
        "Puts": [{ "Key": "old", "Value": "10" }, { "Key": "new", "Value": "3" }],
        "Deletes": [{ "Key": "gone" }],
        "IfMatch": data.etag().await,
    });
    let updated = data.ok("UpdateKeys", update).await;
    assert_eq!(
        (&updated["ItemCount"], &updated["TotalSizeInBytes"]),
        (&json!(2), &json!(9))
    );
    assert_eq!(
        (data.get("old").await, data.get("new").await),
        (json!("10"), json!("3"))
    );
    data.refused("GetKey", json!({ "Key": "gone" }), MISSING)
        .await;

    let etag = data.etag().await;
    let half = json!({
        "Puts": [{ "Key": "old", "Value": "20" }], "Deletes": [{ "Key": "gone" }], "IfMatch": etag,
    });
    data.refused("UpdateKeys", half, MISSING).await;
    data.refused("UpdateKeys", json!({ "IfMatch": etag }), INVALID)
        .await;
    let both = json!({
        "Puts": [{ "Key": "old", "Value": "x" }], "Deletes": [{ "Key": "old" }], "IfMatch": etag,
    });
    let updated = data.ok("UpdateKeys", both).await;
    assert_eq!(
        (&updated["ItemCount"], &updated["TotalSizeInBytes"]),
        (&json!(1), &json!(4))
    );
}

#[tokio::test]
async fn keys_values_and_updates_have_bounds() {
    let data = Data::new().await;
    let etag = data.etag().await;
    let put = |key: usize, value: usize| {
        let (key, value) = ("k".repeat(key), "v".repeat(value));
        json!({ "Key": key, "Value": value, "IfMatch": etag })
    };
    data.refused("PutKey", put(513, 1), INVALID).await;
    data.refused("PutKey", put(1, 1_025), INVALID).await;
    data.refused(
        "PutKey",
        json!({ "Key": "k", "Value": "v", "IfMatch": "" }),
        INVALID,
    )
    .await;
    data.refused("GetKey", json!({ "Key": "k".repeat(513) }), MISSING)
        .await;
    let puts = |count: usize| -> Vec<Value> {
        let keys = 0..count;
        keys.map(|key| json!({ "Key": format!("{key}"), "Value": "" }))
            .collect()
    };
    data.refused(
        "UpdateKeys",
        json!({ "Puts": puts(51), "IfMatch": etag }),
        INVALID,
    )
    .await;
    let updated = data
        .ok("UpdateKeys", json!({ "Puts": puts(50), "IfMatch": etag }))
        .await;
    assert_eq!(updated["ItemCount"], 50);
    let largest = json!({
        "Key": "k".repeat(512), "Value": "v".repeat(1_024), "IfMatch": updated["ETag"],
    });
    data.ok("PutKey", largest).await;
}

#[tokio::test]
async fn keys_are_listed_by_page() {
    let data = Data::new().await;
    let puts = (10..35).map(|key| json!({ "Key": format!("k{key}"), "Value": "v" }));
    let puts: Vec<Value> = puts.collect();
    data.ok(
        "UpdateKeys",
        json!({ "Puts": puts, "IfMatch": data.etag().await }),
    )
    .await;
    let (mut pages, mut keys, mut input) = (Vec::new(), Vec::new(), json!({}));
    loop {
        let page = data.ok("ListKeys", input.clone()).await;
        let items = page["Items"].as_array().unwrap();
        pages.push(items.len());
        keys.extend(
            items
                .iter()
                .map(|item| item["Key"].as_str().unwrap().to_owned()),
        );
        match &page["NextToken"] {
            Value::Null => break,
            token => input["NextToken"] = token.clone(),
        }
    }
    assert_eq!(pages, [10, 10, 5]);
    let expected: Vec<String> = (10..35).map(|key| format!("k{key}")).collect();
    assert_eq!(keys, expected);
    for input in [
        json!({ "MaxResults": 0 }),
        json!({ "MaxResults": 51 }),
        json!({ "NextToken": "*" }),
    ] {
        data.refused("ListKeys", input, INVALID).await;
    }
}

#[tokio::test]
async fn a_full_store_takes_no_more() {
    let data = Data::new().await;
    let value = "v".repeat(1_000);
    let mut etag = data.etag().await;
    // 5 MiB are 5,242,880 bytes; an update here is 50 × 1,005.
    for batch in 0..104 {
        let puts =
            (0..50).map(|key| json!({ "Key": format!("{:05}", batch * 50 + key), "Value": value }));
        let puts: Vec<Value> = puts.collect();
        etag = data
            .ok("UpdateKeys", json!({ "Puts": puts, "IfMatch": etag }))
            .await["ETag"]
            .take();
    }
    let put = |key: usize, value: usize, etag: &Value| {
        let (key, value) = (format!("{key:05}"), "v".repeat(value));
        json!({ "Key": key, "Value": value, "IfMatch": etag })
    };
    for key in 5_200..5_216 {
        etag = data.ok("PutKey", put(key, 1_000, &etag)).await["ETag"].take();
    }
    let quota = (402, "ServiceQuotaExceededException");
    data.refused("PutKey", put(6_000, 1_000, &etag), quota)
        .await;
    let full = data.ok("PutKey", put(6_000, 795, &etag)).await;
    assert_eq!(full["TotalSizeInBytes"], 5_242_880);
    data.refused("PutKey", put(6_000, 796, &full["ETag"]), quota)
        .await;
}

#[tokio::test]
async fn a_deleted_store_leaves_no_keys_behind() {
    let data = Data::new().await;
    let mut etag = data.etag().await;
    for batch in 0..5 {
        let puts = (0..50).map(|key| json!({ "Key": format!("{batch}/{key}"), "Value": "v" }));
        let puts: Vec<Value> = puts.collect();
        etag = data
            .ok("UpdateKeys", json!({ "Puts": puts, "IfMatch": etag }))
            .await["ETag"]
            .take();
    }
    let delete = json!({ "Name": "s", "IfMatch": data.control_etag });
    data.world.ok("DeleteKeyValueStore", delete).await;
    data.refused("DescribeKeyValueStore", json!({}), MISSING)
        .await;
    data.refused("GetKey", json!({ "Key": "0/0" }), MISSING)
        .await;
    data.refused(
        "PutKey",
        json!({ "Key": "k", "Value": "v", "IfMatch": etag }),
        MISSING,
    )
    .await;
    let left = documents(&data.world)
        .await
        .into_iter()
        .map(|document| document.key);
    let left: Vec<String> = left
        .filter(|key| key.contains("key-value") && !key.starts_with("history/"))
        .filter(|key| !key.starts_with("guards/"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn other_accounts_stores_are_not_here() {
    let data = Data::new().await;
    let own = data.arn.as_str().unwrap().to_owned();
    let id = own.rsplit('/').next().unwrap();
    for arn in [
        own.replace("123456789012", "210987654321"),
        own.replace("arn:aws:", "arn:aws-cn:"),
        format!("{own}/x"),
        id.to_owned(),
        "arn:aws:cloudfront::123456789012:key-value-store/s".to_owned(),
    ] {
        data.refused("DescribeKeyValueStore", json!({ "KvsARN": arn }), MISSING)
            .await;
    }
}

/// An update: what it puts, what it deletes, and whether it knows the latest entity tag.
type Update = (Vec<(String, String)>, Vec<String>, bool);

fn update() -> impl Strategy<Value = Update> {
    let key = || "[ab/]{1,2}";
    let puts = vec((key(), "[xü]{0,3}"), 0..4);
    (puts, vec(key(), 0..3), prop::bool::weighted(0.9))
}

/// What an update makes of the keys, or how it is refused.
fn expected(
    old: &BTreeMap<String, String>,
    (puts, deletes, is_current): &Update,
) -> Result<BTreeMap<String, String>, u16> {
    if !is_current {
        return Err(409);
    }
    if puts.is_empty() && deletes.is_empty() {
        return Err(400);
    }
    let mut keys = old.clone();
    keys.extend(puts.iter().cloned());
    match deletes.iter().all(|key| keys.contains_key(key)) {
        true => keys.retain(|key, _| !deletes.contains(key)),
        false => return Err(404),
    }
    Ok(keys)
}

async fn check(updates: Vec<Update>) {
    let data = Data::new().await;
    let (mut keys, mut etag) = (BTreeMap::new(), data.etag().await);
    for update in updates {
        let (puts, deletes, is_current) = &update;
        let puts = puts
            .iter()
            .map(|(key, value)| json!({ "Key": key, "Value": value }));
        let deletes = deletes.iter().map(|key| json!({ "Key": key }));
        let input = json!({
            "Puts": puts.collect::<Vec<_>>(),
            "Deletes": deletes.collect::<Vec<_>>(),
            "IfMatch": if *is_current { etag.clone() } else { json!("E0000000000000") },
        });
        let outcome = data.call("UpdateKeys", input).await;
        match (expected(&keys, &update), outcome) {
            (Ok(new), Ok(output)) => {
                let size: usize = new.iter().map(|(key, value)| key.len() + value.len()).sum();
                assert_eq!(output["ItemCount"], new.len());
                assert_eq!(output["TotalSizeInBytes"], size);
                etag = output["ETag"].clone();
                keys = new;
            }
            (Err(status), Err((actual, _))) => assert_eq!(actual, status),
            (expected, actual) => panic!("{update:?} gives {actual:?}, not {expected:?}"),
        }
    }
    assert_eq!(data.etag().await, etag);
    let listed = data.ok("ListKeys", json!({ "MaxResults": 50 })).await;
    let items = listed["Items"].as_array().unwrap().iter();
    let pair = |item: &Value| {
        let text = |member: &str| item[member].as_str().unwrap().to_owned();
        (text("Key"), text("Value"))
    };
    assert_eq!(items.map(pair).collect::<BTreeMap<_, _>>(), keys);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_store_holds_what_a_map_would(updates in vec(update(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(check(updates));
    }
}
