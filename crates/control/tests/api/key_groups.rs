//! Public keys and key groups.

use serde_json::{Value, json};

use crate::family::{self, ECDSA_P256, Family, RSA_2048, conforming, key, public_key, refused};
use crate::world::World;

const KEY: Family = Family {
    operations: [
        "CreatePublicKey",
        "GetPublicKey",
        "GetPublicKeyConfig",
        "UpdatePublicKey",
        "DeletePublicKey",
        "ListPublicKeys",
    ],
    members: ["PublicKeyConfig", "PublicKey", "PublicKeyList"],
    path: "public-key",
    config: |number, _| public_key(number, RSA_2048),
    name: None,
    comment: "Comment",
    codes: [
        "NoSuchPublicKey",
        "PublicKeyAlreadyExists",
        "PublicKeyInUse",
        "TooManyPublicKeys",
    ],
    quota: 10,
    user: |id| ("key-group", json!({ "Name": "user", "Items": [id] })),
};

const GROUP: Family = Family {
    operations: [
        "CreateKeyGroup",
        "GetKeyGroup",
        "GetKeyGroupConfig",
        "UpdateKeyGroup",
        "DeleteKeyGroup",
        "ListKeyGroups",
    ],
    members: ["KeyGroupConfig", "KeyGroup", "KeyGroupList"],
    path: "key-group",
    config: |number, key| group(&format!("group-{number}"), &[key]),
    name: Some("Name"),
    comment: "Comment",
    codes: [
        "NoSuchResource",
        "KeyGroupAlreadyExists",
        "ResourceInUse",
        "TooManyKeyGroups",
    ],
    quota: 10,
    user: |id| {
        let groups = json!({ "Enabled": true, "Quantity": 1, "Items": [id] });
        let behavior = json!({ "TrustedKeyGroups": groups });
        ("distribution", json!({ "DefaultCacheBehavior": behavior }))
    },
};

const RSA_1024: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDGI7oJqG/0RRJgNjoDWfV69lR4
2p4VsfM72cQmu/erImxFj3LfZ0Kv9jB6bjW2k5lSXKt4qnc/meZigoQNmJWDV2pC
SLwKCKty1CQVqys3ZA71FBlLbVkYO2zKB1xLSYQak4SetCoVX64QLVD0bp0iqc23
XLfCzC7f5EgIeVsj9wIDAQAB
-----END PUBLIC KEY-----
";

const ECDSA_P384: &str = "-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEtZUkMKc950K3ht6TC4MQqdX743IpPkUI
6Tpz4Wz55shvXAmUERLhaK3uO8BvkCep3OpiMb0p22DaRL4AH+/D4tsaHZMb9lVe
PQt9HDuhEldDD5EuiiYp/v+bpDsrV+36
-----END PUBLIC KEY-----
";

const ED25519: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAytV4X7Wv7oY0pZGgxZrnmIvVJ6RH8ymrRodWL+aHPro=
-----END PUBLIC KEY-----
";

fn group(name: &str, keys: &[&str]) -> Value {
    json!({ "Name": name, "Items": keys, "Comment": "" })
}

#[tokio::test]
async fn a_public_key_is_made_got_listed_changed_and_deleted() {
    family::lives(&KEY, &World::new(), "").await;
}

#[tokio::test]
async fn a_key_group_is_made_got_listed_changed_and_deleted() {
    let world = World::new();
    let key = key(&world, 1, ECDSA_P256).await;
    family::lives(&GROUP, &world, &key).await;
}

#[tokio::test]
async fn names_and_references_of_keys_and_groups_are_taken_once() {
    let world = World::new();
    family::names_are_taken(&KEY, &world, "").await;
    let key_id = key(&world, 7, RSA_2048).await;
    family::names_are_taken(&GROUP, &world, &key_id).await;
    for (member, other) in [("Name", "another"), ("CallerReference", "another")] {
        let mut config = public_key(7, RSA_2048);
        config[member] = json!(other);
        let input = json!({ "PublicKeyConfig": config });
        refused(
            &world,
            "CreatePublicKey",
            input,
            (409, "PublicKeyAlreadyExists"),
        )
        .await;
    }
}

#[tokio::test]
async fn there_are_ten_keys_and_ten_groups_at_most() {
    let world = World::new();
    family::quota_holds(&KEY, &world, "").await;
    let listed = world.ok("ListPublicKeys", json!({})).await;
    let key = listed["PublicKeyList"]["Items"][0]["Id"].as_str().unwrap();
    family::quota_holds(&GROUP, &world, key).await;
}

#[tokio::test]
async fn keys_and_groups_are_listed_in_pages() {
    let world = World::new();
    family::pages_follow(&KEY, &world, "").await;
    let key = key(&world, 7, RSA_2048).await;
    family::pages_follow(&GROUP, &world, &key).await;
}

#[tokio::test]
async fn only_keys_that_can_be_used_are_accepted() {
    let world = World::new();
    let body = RSA_2048.lines().nth(1).unwrap();
    let pkcs1_label = RSA_2048.replace("PUBLIC KEY", "RSA PUBLIC KEY");
    let cut = RSA_2048.replace(body, "");
    let long = format!("{RSA_2048}{}", "\n".repeat(5_000));
    for encoded in [
        "",
        "key",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n????\n-----END PUBLIC KEY-----",
        RSA_1024,
        ECDSA_P384,
        ED25519,
        &pkcs1_label,
        &cut,
        &long,
    ] {
        let input = json!({ "PublicKeyConfig": public_key(1, encoded) });
        refused(&world, "CreatePublicKey", input, (400, "InvalidArgument")).await;
    }
    let without_newlines = RSA_2048.trim();
    key(&world, 1, without_newlines).await;
    key(&world, 2, ECDSA_P256).await;
}

#[tokio::test]
async fn nothing_of_a_key_changes_but_its_comment() {
    let world = World::new();
    let made = KEY.make(&world, 1, "").await;
    for (member, value) in [
        ("Name", "other"),
        ("CallerReference", "other"),
        ("EncodedKey", ECDSA_P256),
    ] {
        let mut config = public_key(1, RSA_2048);
        config[member] = json!(value);
        let id = KEY.id(&made);
        let input = json!({ "Id": id, "IfMatch": made["ETag"], "PublicKeyConfig": config });
        let want = (400, "CannotChangeImmutablePublicKeyFields");
        refused(&world, "UpdatePublicKey", input, want).await;
    }
}

#[tokio::test]
async fn a_key_group_has_one_to_five_keys_that_exist_each_once() {
    let world = World::new();
    let mut keys = Vec::new();
    for number in 0..6 {
        keys.push(key(&world, number, RSA_2048).await);
    }
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    for (items, code) in [
        (&[][..], "InvalidArgument"),
        (&[keys[0], keys[0]], "InvalidArgument"),
        (&[keys[0], "K00000000000AA"], "InvalidArgument"),
        (&["a/b"], "InvalidArgument"),
        (&keys[..], "TooManyPublicKeysInKeyGroup"),
    ] {
        let input = json!({ "KeyGroupConfig": group("group", items) });
        refused(&world, "CreateKeyGroup", input, (400, code)).await;
    }
    let input = json!({ "KeyGroupConfig": group("group", &keys[..5]) });
    conforming(&world, "CreateKeyGroup", input).await;
}

#[tokio::test]
async fn a_key_stays_while_a_group_has_it() {
    let world = World::new();
    let made = KEY.make(&world, 1, "").await;
    let other = key(&world, 2, RSA_2048).await;
    let id = KEY.id(&made);
    let of_group = GROUP.make(&world, 1, id).await;
    let delete = json!({ "Id": id, "IfMatch": made["ETag"] });
    let want = (409, "PublicKeyInUse");
    refused(&world, "DeletePublicKey", delete.clone(), want).await;
    let input = json!({
        "Id": GROUP.id(&of_group),
        "IfMatch": of_group["ETag"],
        "KeyGroupConfig": group("group-1", &[&other]),
    });
    conforming(&world, "UpdateKeyGroup", input).await;
    conforming(&world, "DeletePublicKey", delete).await;
}

#[tokio::test]
async fn a_group_and_the_deletion_of_its_key_never_both_happen() {
    for number in 0..20 {
        let world = World::new();
        let made = KEY.make(&world, number, "").await;
        let id = KEY.id(&made);
        let make = world.call(
            "CreateKeyGroup",
            json!({ "KeyGroupConfig": group("g", &[id]) }),
        );
        let delete = json!({ "Id": id, "IfMatch": made["ETag"] });
        let delete = world.call("DeletePublicKey", delete);
        let (made, deleted) = tokio::join!(make, delete);
        assert_ne!(made.is_ok(), deleted.is_ok());
    }
}
