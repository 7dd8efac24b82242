//! Field-level encryption: configs and profiles.

use serde_json::{Value, json};

use crate::family::{self, ECDSA_P256, Family, RSA_2048, conforming, key, refused};
use crate::world::{World, distribution};

const CONFIG: Family = Family {
    operations: [
        "CreateFieldLevelEncryptionConfig",
        "GetFieldLevelEncryption",
        "GetFieldLevelEncryptionConfig",
        "UpdateFieldLevelEncryptionConfig",
        "DeleteFieldLevelEncryptionConfig",
        "ListFieldLevelEncryptionConfigs",
    ],
    members: [
        "FieldLevelEncryptionConfig",
        "FieldLevelEncryption",
        "FieldLevelEncryptionList",
    ],
    path: "field-level-encryption",
    config: |number, profile| config(number, &[("a", profile)], profile),
    name: None,
    comment: "Comment",
    codes: [
        "NoSuchFieldLevelEncryptionConfig",
        "FieldLevelEncryptionConfigAlreadyExists",
        "FieldLevelEncryptionConfigInUse",
        "TooManyFieldLevelEncryptionConfigs",
    ],
    quota: 10,
    user: |id| {
        let behavior = json!({ "FieldLevelEncryptionId": id });
        ("distribution", json!({ "DefaultCacheBehavior": behavior }))
    },
};

const PROFILE: Family = Family {
    operations: [
        "CreateFieldLevelEncryptionProfile",
        "GetFieldLevelEncryptionProfile",
        "GetFieldLevelEncryptionProfileConfig",
        "UpdateFieldLevelEncryptionProfile",
        "DeleteFieldLevelEncryptionProfile",
        "ListFieldLevelEncryptionProfiles",
    ],
    members: [
        "FieldLevelEncryptionProfileConfig",
        "FieldLevelEncryptionProfile",
        "FieldLevelEncryptionProfileList",
    ],
    path: "field-level-encryption-profile",
    config: |number, key| profile(number, &[(key, &["Card*", "Name"])]),
    name: Some("Name"),
    comment: "Comment",
    codes: [
        "NoSuchFieldLevelEncryptionProfile",
        "FieldLevelEncryptionProfileAlreadyExists",
        "FieldLevelEncryptionProfileInUse",
        "TooManyFieldLevelEncryptionProfiles",
    ],
    quota: 10,
    user: |id| ("field-level-encryption", config(1, &[("a", id)], "")),
};

fn config(number: usize, args: &[(&str, &str)], by_type: &str) -> Value {
    let args: Vec<Value> = args
        .iter()
        .map(|(arg, profile)| json!({ "QueryArg": arg, "ProfileId": profile }))
        .collect();
    json!({
        "CallerReference": format!("reference {number}"),
        "Comment": "",
        "QueryArgProfileConfig": {
            "ForwardWhenQueryArgProfileIsUnknown": true,
            "QueryArgProfiles": { "Quantity": args.len(), "Items": args },
        },
        "ContentTypeProfileConfig": {
            "ForwardWhenContentTypeIsUnknown": false,
            "ContentTypeProfiles": { "Quantity": 1, "Items": [{
                "Format": "URLEncoded",
                "ProfileId": by_type,
                "ContentType": "application/x-www-form-urlencoded",
            }]},
        },
    })
}

fn profile(number: usize, entities: &[(&str, &[&str])]) -> Value {
    let entities: Vec<Value> = entities
        .iter()
        .map(|(key, patterns)| {
            json!({
                "PublicKeyId": key,
                "ProviderId": "provider",
                "FieldPatterns": { "Quantity": patterns.len(), "Items": patterns },
            })
        })
        .collect();
    json!({
        "Name": format!("profile {number}"),
        "CallerReference": format!("reference {number}"),
        "Comment": "",
        "EncryptionEntities": { "Quantity": entities.len(), "Items": entities },
    })
}

/// An API with a profile; gives the profile's id, too.
async fn with_profile() -> (World, String) {
    let world = World::new();
    let key = key(&world, 1, RSA_2048).await;
    let made = PROFILE.make(&world, 1, &key).await;
    let id = PROFILE.id(&made).to_owned();
    (world, id)
}

#[tokio::test]
async fn a_profile_is_made_got_listed_changed_and_deleted() {
    let world = World::new();
    let key = key(&world, 1, RSA_2048).await;
    family::lives(&PROFILE, &world, &key).await;
}

#[tokio::test]
async fn a_config_is_made_got_listed_changed_and_deleted() {
    let (world, profile) = with_profile().await;
    family::lives(&CONFIG, &world, &profile).await;
}

#[tokio::test]
async fn names_and_references_of_encryption_are_taken_once() {
    let (world, profile) = with_profile().await;
    family::names_are_taken(&CONFIG, &world, &profile).await;
    let world = World::new();
    let key = key(&world, 1, RSA_2048).await;
    family::names_are_taken(&PROFILE, &world, &key).await;
}

#[tokio::test]
async fn there_are_ten_configs_and_ten_profiles_at_most() {
    let (world, profile) = with_profile().await;
    family::quota_holds(&CONFIG, &world, &profile).await;
    let world = World::new();
    let key = key(&world, 1, RSA_2048).await;
    family::quota_holds(&PROFILE, &world, &key).await;
}

#[tokio::test]
async fn configs_and_profiles_are_listed_in_pages() {
    let (world, profile) = with_profile().await;
    family::pages_follow(&CONFIG, &world, &profile).await;
    let world = World::new();
    let key = key(&world, 1, RSA_2048).await;
    family::pages_follow(&PROFILE, &world, &key).await;
}

#[tokio::test]
async fn configs_keep_to_their_rules() {
    let (world, id) = with_profile().await;
    let six = ["a", "b", "c", "d", "e", "f"].map(|arg| (arg, id.as_str()));
    let mut other_type = config(1, &[], &id);
    other_type["ContentTypeProfileConfig"]["ContentTypeProfiles"]["Items"][0]["ContentType"] =
        json!("application/json");
    let mut two_types = config(1, &[], &id);
    let types = &mut two_types["ContentTypeProfileConfig"]["ContentTypeProfiles"];
    let item = types["Items"][0].clone();
    *types = json!({ "Quantity": 2, "Items": [item, item] });
    let mut wrong_quantity = config(1, &[("a", &id)], &id);
    wrong_quantity["QueryArgProfileConfig"]["QueryArgProfiles"]["Quantity"] = json!(2);
    let mut no_reference = config(1, &[], &id);
    no_reference["CallerReference"] = json!("");
    let missing = (404, "NoSuchFieldLevelEncryptionProfile");
    for (config, want) in [
        (
            config(1, &six, ""),
            (400, "TooManyFieldLevelEncryptionQueryArgProfiles"),
        ),
        (
            two_types,
            (400, "TooManyFieldLevelEncryptionContentTypeProfiles"),
        ),
        (config(1, &[("a", "")], ""), (400, "QueryArgProfileEmpty")),
        (config(1, &[("", &id)], ""), (400, "InvalidArgument")),
        (config(1, &[("a&b", &id)], ""), (400, "InvalidArgument")),
        (
            config(1, &[("a", &id), ("a", &id)], ""),
            (400, "InvalidArgument"),
        ),
        (other_type, (400, "InvalidArgument")),
        (no_reference, (400, "InvalidArgument")),
        (wrong_quantity, (400, "InconsistentQuantities")),
        (config(1, &[("a", "P00000000000AA")], ""), missing),
        (config(1, &[], "P00000000000AA"), missing),
    ] {
        let input = json!({ "FieldLevelEncryptionConfig": config });
        refused(&world, "CreateFieldLevelEncryptionConfig", input, want).await;
    }
    let made = CONFIG.make(&world, 1, &id).await;
    let input = json!({
        "Id": CONFIG.id(&made),
        "IfMatch": made["ETag"],
        "FieldLevelEncryptionConfig": config(2, &[], &id),
    });
    let want = (400, "IllegalUpdate");
    refused(&world, "UpdateFieldLevelEncryptionConfig", input, want).await;
}

#[tokio::test]
async fn profiles_keep_to_their_rules() {
    let world = World::new();
    let rsa = &key(&world, 1, RSA_2048).await;
    let ecdsa = &key(&world, 2, ECDSA_P256).await;
    let names: Vec<String> = (0..11).map(|n| format!("field-{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let entities: Vec<(&str, &[&str])> = names.chunks(1).map(|name| (&rsa[..], name)).collect();
    let long = "p".repeat(129);
    for (config, want) in [
        (
            profile(1, &entities),
            (400, "TooManyFieldLevelEncryptionEncryptionEntities"),
        ),
        (
            profile(1, &[(rsa, &names)]),
            (400, "TooManyFieldLevelEncryptionFieldPatterns"),
        ),
        (profile(1, &[]), (400, "InvalidArgument")),
        (profile(1, &[(rsa, &[])]), (400, "InvalidArgument")),
        (profile(1, &[(rsa, &["a b"])]), (400, "InvalidArgument")),
        (profile(1, &[(rsa, &["a*b"])]), (400, "InvalidArgument")),
        (profile(1, &[(rsa, &[&long])]), (400, "InvalidArgument")),
        (
            profile(1, &[(rsa, &["ABC*", "AB*"])]),
            (400, "InvalidArgument"),
        ),
        (
            profile(1, &[(rsa, &["AB*"]), (rsa, &["ABC"])]),
            (400, "InvalidArgument"),
        ),
        (profile(1, &[(ecdsa, &["a"])]), (400, "InvalidArgument")),
        (
            profile(1, &[("K00000000000AA", &["a"])]),
            (404, "NoSuchPublicKey"),
        ),
    ] {
        let input = json!({ "FieldLevelEncryptionProfileConfig": config });
        refused(&world, "CreateFieldLevelEncryptionProfile", input, want).await;
    }
    let config = profile(1, &[(rsa, &["AB*", "A", "B.[x]_-*"])]);
    let input = json!({ "FieldLevelEncryptionProfileConfig": config });
    conforming(&world, "CreateFieldLevelEncryptionProfile", input).await;
}

#[tokio::test]
async fn what_encryption_needs_stays_while_it_does() {
    let (world, profile) = with_profile().await;
    CONFIG.make(&world, 1, &profile).await;
    let got = world
        .ok("GetFieldLevelEncryptionProfile", json!({ "Id": profile }))
        .await;
    let input = json!({ "Id": profile, "IfMatch": got["ETag"] });
    let want = (409, "FieldLevelEncryptionProfileInUse");
    refused(&world, "DeleteFieldLevelEncryptionProfile", input, want).await;
    let keys = world.ok("ListPublicKeys", json!({})).await;
    let key = keys["PublicKeyList"]["Items"][0]["Id"].clone();
    let got = world.ok("GetPublicKey", json!({ "Id": key })).await;
    let input = json!({ "Id": key, "IfMatch": got["ETag"] });
    refused(&world, "DeletePublicKey", input, (409, "PublicKeyInUse")).await;
}

/// Fields are encrypted for origins alone: they must not go in the clear on either side, to
/// whichever member of a group.
#[tokio::test]
async fn a_behavior_encrypts_only_with_https_on_both_sides_and_all_methods() {
    let (world, profile) = with_profile().await;
    let made = CONFIG.make(&world, 1, &profile).await;
    let id = CONFIG.id(&made);
    let create = |to_viewers: &str, methods: &[&str], to_origins: [&str; 2], target: &str| {
        let origin = |id: &str, protocol: &str| {
            json!({ "Id": id, "DomainName": "o.example.com", "CustomOriginConfig": {
                "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": protocol,
            }})
        };
        let mut config = distribution(&format!("{to_viewers}{methods:?}{to_origins:?}{target}"));
        config["Origins"] = json!({ "Quantity": 2, "Items": [
            origin("o", to_origins[0]), origin("p", to_origins[1]),
        ]});
        config["OriginGroups"] = json!({ "Quantity": 1, "Items": [{
            "Id": "group",
            "FailoverCriteria": { "StatusCodes": { "Quantity": 1, "Items": [500] } },
            "Members": { "Quantity": 2, "Items": [{ "OriginId": "o" }, { "OriginId": "p" }] },
        }]});
        let behavior = &mut config["DefaultCacheBehavior"];
        behavior["ViewerProtocolPolicy"] = json!(to_viewers);
        behavior["AllowedMethods"] = json!({ "Quantity": methods.len(), "Items": methods });
        behavior["TargetOriginId"] = json!(target);
        behavior["FieldLevelEncryptionId"] = json!(id);
        json!({ "DistributionConfig": config })
    };
    let all = ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"];
    let safe = ["https-only", "match-viewer"];
    let input = create("https-only", &all, safe, "group");
    world.ok("CreateDistribution", input).await;
    let input = create(
        "redirect-to-https",
        &all,
        ["match-viewer", "http-only"],
        "o",
    );
    world.ok("CreateDistribution", input).await;
    let code = "IllegalFieldLevelEncryptionConfigAssociationWithCacheBehavior";
    for input in [
        create("allow-all", &all, safe, "o"),
        create("https-only", &all[..3], safe, "o"),
        create("https-only", &all, ["http-only", "https-only"], "o"),
        create("https-only", &all, ["https-only", "http-only"], "group"),
    ] {
        refused(&world, "CreateDistribution", input, (400, code)).await;
    }
}
