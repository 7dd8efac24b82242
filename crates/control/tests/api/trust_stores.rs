//! Trust stores, out of buckets.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use certificates::authority::Authority;
use control::ControlConfig;
use documents::decode;
use documents::tls::{self, TrustBundle};
use serde_json::{Value, json};

use crate::distributions::{disabled, made, updated};
use crate::stored::refused;
use crate::world::{World, config, distribution};

/// The objects of the bucket `certs`.
#[derive(Debug)]
struct Certs(BTreeMap<&'static str, String>);

#[async_trait]
impl control::Objects for Certs {
    async fn read(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        bytes_max: u64,
    ) -> Result<Vec<u8>, String> {
        let object = self
            .0
            .get(key)
            .filter(|_| bucket == "certs" && version.is_none());
        let object = object.ok_or("there is no such object")?;
        assert!(object.len() as u64 <= bytes_max);
        Ok(object.clone().into_bytes())
    }
}

/// An API with the bucket `certs`, which has `two.pem` of two authorities, `one.pem` of one, and
/// `text.pem` of none.
fn world() -> World {
    let authority = |name: &str| {
        let made = Authority::make(name, 1_790_000_000).unwrap();
        made.certificate_pem().to_owned()
    };
    let (one, two) = (authority("one"), authority("two"));
    let objects = BTreeMap::from([
        ("two.pem", format!("{one}\n# two\n{two}")),
        ("one.pem", one),
        ("text.pem", "text".to_owned()),
    ]);
    World::of(ControlConfig {
        buckets: Some(Arc::new(Certs(objects))),
        ..config()
    })
}

fn source(bucket: &str, key: &str) -> Value {
    let location = json!({ "Bucket": bucket, "Key": key, "Region": "us-east-1" });
    json!({ "CaCertificatesBundleS3Location": location })
}

fn creation(name: &str, key: &str) -> Value {
    json!({ "Name": name, "CaCertificatesBundleSource": source("certs", key) })
}

async fn bundle(world: &World, id: &str) -> Option<TrustBundle> {
    let key = tls::key(tls::TRUST_STORE, id);
    let document = world.store.get(&key).await.unwrap();
    document.map(|document| decode(&key, &document.value).unwrap())
}

fn id_of(output: &Value) -> String {
    output["TrustStore"]["Id"].as_str().unwrap().to_owned()
}

/// A distribution that asks viewers for certificates.
fn asking(id: &str) -> impl FnOnce(&mut Value) {
    let mtls = json!({ "Mode": "required", "TrustStoreConfig": { "TrustStoreId": id } });
    move |config| {
        config["ViewerMtlsConfig"] = mtls;
        config["DefaultCacheBehavior"]["ViewerProtocolPolicy"] = "https-only".into();
    }
}

#[tokio::test]
async fn a_trust_store_is_read_once_and_put_where_edges_look() {
    let world = world();
    let made = world.ok("CreateTrustStore", creation("t", "two.pem")).await;
    let id = id_of(&made);
    let told = &made["TrustStore"];
    let arn = format!("arn:aws:cloudfront::123456789012:trust-store/{id}");
    for (member, value) in [
        ("Arn", json!(arn)),
        ("Name", json!("t")),
        ("Status", json!("active")),
        ("NumberOfCaCertificates", json!(2)),
    ] {
        assert_eq!(told[member], value, "{member}");
    }
    let first = bundle(&world, &id).await.unwrap();
    assert_eq!(first.pem.matches("BEGIN CERTIFICATE").count(), 2);
    assert!(!first.pem.contains('#'));
    for identifier in [&id, &arn, "t"] {
        let got = world
            .ok("GetTrustStore", json!({ "Identifier": identifier }))
            .await;
        assert_eq!(got, made, "{identifier}");
    }
    let listed = world.ok("ListTrustStores", json!({})).await;
    assert_eq!(listed["TrustStoreList"][0]["ETag"], made["ETag"]);

    let update = json!({
        "Id": id, "IfMatch": made["ETag"],
        "CaCertificatesBundleSource": source("certs", "one.pem"),
    });
    let next = world.ok("UpdateTrustStore", update.clone()).await;
    assert_eq!(next["TrustStore"]["NumberOfCaCertificates"], 1);
    let second = bundle(&world, &id).await.unwrap();
    assert!(second.version > first.version && second.pem != first.pem);
    refused(
        &world,
        "UpdateTrustStore",
        update,
        (412, "PreconditionFailed"),
    )
    .await;

    let delete = json!({ "Id": id, "IfMatch": next["ETag"] });
    world.ok("DeleteTrustStore", delete).await;
    assert_eq!(bundle(&world, &id).await, None);
    world.ok("CreateTrustStore", creation("t", "one.pem")).await;
}

#[tokio::test]
async fn what_is_no_bundle_makes_no_trust_store() {
    let world = world();
    let invalid = (400, "InvalidArgument");
    for (bucket, key) in [
        ("certs", "text.pem"),
        ("certs", "none.pem"),
        ("other", "one.pem"),
    ] {
        let input = json!({ "Name": "t", "CaCertificatesBundleSource": source(bucket, key) });
        refused(&world, "CreateTrustStore", input, invalid).await;
    }
    let mut versioned = creation("t", "one.pem");
    let location = "CaCertificatesBundleS3Location";
    versioned["CaCertificatesBundleSource"][location]["Version"] = "1".into();
    refused(&world, "CreateTrustStore", versioned, invalid).await;
    refused(
        &world,
        "CreateTrustStore",
        creation("a b", "one.pem"),
        invalid,
    )
    .await;
    world.ok("CreateTrustStore", creation("t", "one.pem")).await;
    let taken = (409, "EntityAlreadyExists");
    refused(&world, "CreateTrustStore", creation("t", "one.pem"), taken).await;
    let without = World::new();
    refused(
        &without,
        "CreateTrustStore",
        creation("t", "one.pem"),
        invalid,
    )
    .await;
}

#[tokio::test]
async fn a_trust_store_in_use_is_not_deleted() {
    let world = world();
    let store = world.ok("CreateTrustStore", creation("t", "one.pem")).await;
    let store_id = id_of(&store);
    let mut config = distribution("none");
    asking("ts_none")(&mut config);
    let input = json!({ "DistributionConfig": config });
    refused(&world, "CreateDistribution", input, (404, "EntityNotFound")).await;
    let id = made(&world, "r", asking(&store_id)).await;
    let listed = json!({ "TrustStoreIdentifier": store_id });
    let listed = world.ok("ListDistributionsByTrustStore", listed).await;
    assert_eq!(listed["DistributionList"]["Quantity"], 1);
    let delete = json!({ "Id": store_id, "IfMatch": store["ETag"] });
    let used = (409, "CannotDeleteEntityWhileInUse");
    refused(&world, "DeleteTrustStore", delete.clone(), used).await;
    for wrong in [
        json!(["HttpVersion", "http2and3"]),
        json!(["DefaultCacheBehavior/ViewerProtocolPolicy", "allow-all"]),
        json!(["ViewerMtlsConfig/Mode", "passthrough"]),
    ] {
        let input = updated(&world, &id, |config| {
            let pointer = format!("/{}", wrong[0].as_str().unwrap());
            *config.pointer_mut(&pointer).unwrap() = wrong[1].clone();
        });
        refused(
            &world,
            "UpdateDistribution",
            input.await,
            (400, "InvalidArgument"),
        )
        .await;
    }
    let input = disabled(&world, &id).await;
    world.ok("DeleteDistribution", input).await;
    world.ok("DeleteTrustStore", delete).await;
}

#[tokio::test]
async fn there_are_no_trust_stores_at_first() {
    let world = World::new();
    let listed = world.ok("ListTrustStores", json!({})).await;
    assert_eq!(listed["TrustStoreList"], json!([]));
    assert_eq!(listed["NextMarker"], Value::Null);
    let missing = (404, "EntityNotFound");
    let get = json!({ "Identifier": "ts_1" });
    refused(&world, "GetTrustStore", get, missing).await;
    let change = json!({ "Id": "ts_1", "IfMatch": "E0000000000000" });
    refused(&world, "UpdateTrustStore", change.clone(), missing).await;
    refused(&world, "DeleteTrustStore", change, missing).await;
}
