//! Origin access controls and CloudFront origin access identities.

use serde_json::{Value, json};

use crate::family::{self, Family, conforming, refused};
use crate::world::World;

const CONTROL: Family = Family {
    operations: [
        "CreateOriginAccessControl",
        "GetOriginAccessControl",
        "GetOriginAccessControlConfig",
        "UpdateOriginAccessControl",
        "DeleteOriginAccessControl",
        "ListOriginAccessControls",
    ],
    members: [
        "OriginAccessControlConfig",
        "OriginAccessControl",
        "OriginAccessControlList",
    ],
    path: "origin-access-control",
    config: |number, _| control(json!({ "Name": format!("control {number}") })),
    name: Some("Name"),
    comment: "Description",
    codes: [
        "NoSuchOriginAccessControl",
        "OriginAccessControlAlreadyExists",
        "OriginAccessControlInUse",
        "TooManyOriginAccessControls",
    ],
    quota: 100,
    user: |id| {
        let origins = json!({ "Quantity": 1, "Items": [{ "OriginAccessControlId": id }] });
        ("distribution", json!({ "Origins": origins }))
    },
};

const IDENTITY: Family = Family {
    operations: [
        "CreateCloudFrontOriginAccessIdentity",
        "GetCloudFrontOriginAccessIdentity",
        "GetCloudFrontOriginAccessIdentityConfig",
        "UpdateCloudFrontOriginAccessIdentity",
        "DeleteCloudFrontOriginAccessIdentity",
        "ListCloudFrontOriginAccessIdentities",
    ],
    members: [
        "CloudFrontOriginAccessIdentityConfig",
        "CloudFrontOriginAccessIdentity",
        "CloudFrontOriginAccessIdentityList",
    ],
    path: "origin-access-identity/cloudfront",
    config: |number, _| json!({ "CallerReference": format!("reference {number}"), "Comment": "" }),
    name: None,
    comment: "Comment",
    codes: [
        "NoSuchCloudFrontOriginAccessIdentity",
        "CloudFrontOriginAccessIdentityAlreadyExists",
        "CloudFrontOriginAccessIdentityInUse",
        "TooManyCloudFrontOriginAccessIdentities",
    ],
    quota: 100,
    user: |id| {
        let path = format!("origin-access-identity/cloudfront/{id}");
        let origin = json!({ "S3OriginConfig": { "OriginAccessIdentity": path } });
        let origins = json!({ "Quantity": 1, "Items": [origin] });
        ("distribution", json!({ "Origins": origins }))
    },
};

fn control(members: Value) -> Value {
    let mut config = json!({
        "Name": "control",
        "Description": "",
        "SigningProtocol": "sigv4",
        "SigningBehavior": "always",
        "OriginAccessControlOriginType": "s3",
    });
    for (member, value) in members.as_object().unwrap() {
        config[member] = value.clone();
    }
    config
}

#[tokio::test]
async fn origin_access_is_made_got_listed_changed_and_deleted() {
    for family in [&CONTROL, &IDENTITY] {
        family::lives(family, &World::new(), "").await;
    }
}

#[tokio::test]
async fn what_names_origin_access_is_taken_once() {
    for family in [&CONTROL, &IDENTITY] {
        family::names_are_taken(family, &World::new(), "").await;
    }
}

#[tokio::test]
async fn there_are_a_hundred_of_each_kind_of_origin_access_at_most() {
    for family in [&CONTROL, &IDENTITY] {
        family::quota_holds(family, &World::new(), "").await;
    }
}

#[tokio::test]
async fn origin_access_is_listed_in_pages() {
    for family in [&CONTROL, &IDENTITY] {
        family::pages_follow(family, &World::new(), "").await;
    }
}

#[tokio::test]
async fn origin_access_controls_keep_to_their_rules() {
    let world = World::new();
    for members in [
        json!({ "Name": "" }),
        json!({ "Name": "n".repeat(65) }),
        json!({ "Description": "d".repeat(257) }),
        json!({ "SigningBehavior": "always-amz-auth" }),
    ] {
        let input = json!({ "OriginAccessControlConfig": control(members) });
        let want = (400, "InvalidArgument");
        refused(&world, "CreateOriginAccessControl", input, want).await;
    }
    let input = json!({ "OriginAccessControlConfig": control(json!({
        "SigningBehavior": "always-amz-auth", "OriginAccessControlOriginType": "lambda",
    })) });
    conforming(&world, "CreateOriginAccessControl", input).await;
}

#[tokio::test]
async fn an_origin_access_control_without_a_description_is_listed_with_an_empty_one() {
    let world = World::new();
    let mut config = control(json!({}));
    config.as_object_mut().unwrap().remove("Description");
    let input = json!({ "OriginAccessControlConfig": config });
    conforming(&world, "CreateOriginAccessControl", input).await;
    let listed = conforming(&world, "ListOriginAccessControls", json!({})).await;
    let item = &listed["OriginAccessControlList"]["Items"][0];
    assert_eq!(item["Description"], "");
    assert_eq!(item["SigningBehavior"], "always");
}

#[tokio::test]
async fn an_identity_made_twice_alike_is_the_same_one() {
    let world = World::new();
    let first = IDENTITY.make(&world, 1, "").await;
    let again = IDENTITY.make(&world, 1, "").await;
    assert_eq!(again, first);
    let resource = &first["CloudFrontOriginAccessIdentity"];
    let user = resource["S3CanonicalUserId"].as_str().unwrap();
    assert!(user.len() == 96 && user.bytes().all(|b| b.is_ascii_hexdigit()));
    let other = IDENTITY.make(&world, 2, "").await;
    let other = &other["CloudFrontOriginAccessIdentity"];
    assert_ne!(other["S3CanonicalUserId"], user);
}

#[tokio::test]
async fn the_caller_reference_of_an_identity_stays() {
    let world = World::new();
    let made = IDENTITY.make(&world, 1, "").await;
    let input = json!({
        "Id": IDENTITY.id(&made),
        "IfMatch": made["ETag"],
        "CloudFrontOriginAccessIdentityConfig": { "CallerReference": "other", "Comment": "" },
    });
    let want = (400, "IllegalUpdate");
    refused(&world, "UpdateCloudFrontOriginAccessIdentity", input, want).await;
}
