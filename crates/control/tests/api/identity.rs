//! Access keys, and what clients ask about themselves.

use control::identity::{AccessKey, has_root_key, install_root_key, new_root_key};
use serde_json::{Value, json};

use crate::distributions::{aliases, made};
use crate::wire::{Ask, cache_policy};
use crate::world::World;

fn warmfront(operation: &str, input: Value) -> Ask {
    Ask::json("warmfront", operation, input)
}

#[tokio::test]
async fn an_installation_has_one_root_key_and_no_second() {
    let world = World::new();
    let root = world.root().await;
    assert_eq!(root.user_name, "root");
    assert!(!format!("{root:?}").contains(&root.secret));
    let install = |key: AccessKey| {
        let store = &*world.store;
        async move { install_root_key(store, &key).await.unwrap() }
    };
    assert!(has_root_key(&*world.store).await.unwrap());
    assert!(!install(new_root_key(0)).await);
    assert!(install(root).await, "it is the root key");
}

#[tokio::test]
async fn a_key_works_from_when_it_is_made_until_it_is_deleted() {
    let world = World::new();
    let root = world.root().await;
    let key = world.key(&root, "ci", json!("administrator")).await;
    let create = Ask::cloudfront(
        "CreateCachePolicy",
        json!({ "CachePolicyConfig": cache_policy("p") }),
    );
    assert_eq!(world.ask(&create, &key).await.status, 201);

    let all = world
        .ask(&warmfront("ListAccessKeys", json!({})), &root)
        .await;
    assert!(!all.text.contains(&key.secret) && !all.text.contains(&root.secret));
    let all = all.json();
    let users: Vec<_> = all["AccessKeys"].as_array().unwrap().iter().collect();
    assert_eq!(users.len(), 2);
    assert_eq!(users[1]["UserName"], "ci");
    assert_eq!(users[1]["Policy"], "administrator");

    let delete = warmfront("DeleteAccessKey", json!({ "AccessKeyId": key.id }));
    assert_eq!(world.ask(&delete, &root).await.status, 200);
    let told = world.ask(&create, &key).await;
    assert_eq!(told.error(), (403, "InvalidClientTokenId".to_owned()));
    let told = world.ask(&delete, &root).await;
    assert_eq!(told.error(), (404, "NoSuchEntity".to_owned()));
}

#[tokio::test]
async fn the_last_key_that_can_make_keys_stays() {
    let world = World::new();
    let root = world.root().await;
    world.key(&root, "reader", json!("read-only")).await;
    let delete = |id: &str| warmfront("DeleteAccessKey", json!({ "AccessKeyId": id }));
    let told = world.ask(&delete(&root.id), &root).await;
    assert_eq!(told.error(), (409, "DeleteConflict".to_owned()));
    let other = world.key(&root, "other", json!("administrator")).await;
    assert_eq!(world.ask(&delete(&root.id), &root).await.status, 200);
    let told = world.ask(&delete(&other.id), &other).await;
    assert_eq!(told.error(), (409, "DeleteConflict".to_owned()));
}

#[tokio::test]
async fn a_key_may_what_its_conditions_let_it() {
    let world = World::new();
    let root = world.root().await;
    let lists = |condition: Value| {
        json!({ "Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Action": "cloudfront:ListDistributions", "Resource": "*",
            "Condition": condition,
        }})
    };
    let list = Ask::cloudfront("ListDistributions", json!({}));
    // Calls come from 192.0.2.7.
    for (user, condition, status) in [
        (
            "here",
            json!({ "IpAddress": { "aws:SourceIp": "192.0.2.0/24" } }),
            200,
        ),
        (
            "there",
            json!({ "IpAddress": { "aws:SourceIp": "198.51.100.0/24" } }),
            403,
        ),
        (
            "alice",
            json!({ "StringEquals": { "aws:username": "alice" } }),
            200,
        ),
        (
            "bob",
            json!({ "StringEquals": { "aws:username": "alice" } }),
            403,
        ),
        (
            "past",
            json!({ "DateLessThan": { "aws:CurrentTime": "2020-01-01T00:00:00Z" } }),
            403,
        ),
        (
            "region",
            json!({ "StringEquals": { "aws:RequestedRegion": "us-east-1" } }),
            200,
        ),
        (
            "secure",
            json!({ "Bool": { "aws:SecureTransport": "true" } }),
            403,
        ),
    ] {
        let key = world.key(&root, user, lists(condition)).await;
        assert_eq!(world.ask(&list, &key).await.status, status, "{user}");
    }
}

#[tokio::test]
async fn a_key_that_can_make_keys_at_times_does_not_replace_the_last_that_can_always() {
    let world = World::new();
    let root = world.root().await;
    let here = json!({ "Statement": {
        "Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": { "IpAddress": { "aws:SourceIp": "192.0.2.7" } },
    }});
    let other = world.key(&root, "other", here).await;
    let delete = warmfront("DeleteAccessKey", json!({ "AccessKeyId": root.id }));
    let told = world.ask(&delete, &other).await;
    assert_eq!(told.error(), (409, "DeleteConflict".to_owned()));
}

#[tokio::test]
async fn keys_that_cannot_be_made_are_not() {
    let world = World::new();
    let root = world.root().await;
    let before = world.state().await;
    let document = json!({ "Statement": { "Effect": "Allow", "Action": "*" } });
    for (input, status, code) in [
        (json!({ "UserName": "a" }), 400, "ValidationException"),
        (
            json!({ "UserName": "a", "Policy": "root" }),
            400,
            "ValidationException",
        ),
        (
            json!({ "UserName": "a", "Policy": document }),
            400,
            "MalformedPolicyDocument",
        ),
        (
            json!({ "UserName": "a", "Policy": 7 }),
            400,
            "MalformedPolicyDocument",
        ),
        (
            json!({ "UserName": "", "Policy": "read-only" }),
            400,
            "ValidationError",
        ),
        (
            json!({ "UserName": "root", "Policy": "read-only" }),
            400,
            "ValidationError",
        ),
        (
            json!({ "UserName": "a/b", "Policy": "read-only" }),
            400,
            "ValidationError",
        ),
        (
            json!({ "UserName": "a", "Policy": "read-only", "Secret": "x" }),
            400,
            "ValidationException",
        ),
    ] {
        let told = world
            .ask(&warmfront("CreateAccessKey", input.clone()), &root)
            .await;
        let (told_status, told_code) = told.error();
        assert_eq!((told_status, told_code.as_str()), (status, code), "{input}");
    }
    assert_eq!(world.state().await, before);
    let reader = world.key(&root, "reader", json!("read-only")).await;
    let input = json!({ "UserName": "mine", "Policy": "administrator" });
    let told = world
        .ask(&warmfront("CreateAccessKey", input), &reader)
        .await;
    assert_eq!(told.error(), (403, "AccessDeniedException".to_owned()));
    assert!(
        told.text.contains("warmfront:CreateAccessKey"),
        "{}",
        told.text
    );
}

#[tokio::test]
async fn who_calls_is_told_without_any_permission() {
    let world = World::new();
    let root = world.root().await;
    let nothing = json!({ "Statement": { "Effect": "Deny", "Action": "*", "Resource": "*" } });
    let nobody = world.key(&root, "nobody", nothing).await;
    let action = "Action=GetCallerIdentity&Version=2011-06-15";
    let by_query = Ask::new("sts", "GET", &format!("/?{action}"), "");
    for ask in [Ask::form("sts", action), by_query] {
        let told = world.ask(&ask, &nobody).await;
        assert_eq!(told.status, 200, "{}", told.text);
        let arn = "arn:aws:iam::123456789012:user/nobody";
        assert_eq!(told.element("Arn"), Some(arn));
        assert_eq!(told.element("Account"), Some("123456789012"));
        assert!(told.element("UserId").unwrap().starts_with("AIDA"));
        assert_eq!(told.element("RequestId").map(str::len), Some(36));
        let namespace = "https://sts.amazonaws.com/doc/2011-06-15/";
        assert!(told.text.starts_with(&format!(
            "<GetCallerIdentityResponse xmlns=\"{namespace}\"><GetCallerIdentityResult>"
        )));
    }
    let told = world.ask(&Ask::form("sts", action), &root).await;
    assert_eq!(told.element("Arn"), Some("arn:aws:iam::123456789012:root"));
    assert_eq!(told.element("UserId"), Some("123456789012"));
}

#[tokio::test]
async fn what_clients_ask_at_their_start_is_answered_truthfully() {
    let world = World::new();
    let root = world.root().await;
    let alice = world.key(&root, "alice", json!("read-only")).await;
    let iam = |action: &str| Ask::form("iam", &format!("Action={action}&Version=2010-05-08"));

    let told = world.ask(&iam("GetUser"), &alice).await;
    assert_eq!(told.element("UserName"), Some("alice"));
    assert_eq!(
        told.element("Arn"),
        Some("arn:aws:iam::123456789012:user/alice")
    );
    let told = world.ask(&iam("GetUser&UserName=bob"), &alice).await;
    assert_eq!(told.error(), (404, "NoSuchEntity".to_owned()));
    let told = world.ask(&iam("GetUser"), &root).await;
    assert_eq!(told.element("UserName"), None);
    assert_eq!(told.element("Arn"), Some("arn:aws:iam::123456789012:root"));

    let told = world.ask(&iam("ListRoles&MaxItems=1"), &alice).await;
    assert!(
        told.text.contains("<Roles/><IsTruncated>false"),
        "{}",
        told.text
    );
    let told = world.ask(&iam("ListAccountAliases"), &alice).await;
    assert!(told.text.contains("<AccountAliases/>"), "{}", told.text);

    let ci = world.key(&root, "ci", json!("invalidate-only")).await;
    let told = world.ask(&iam("GetUser"), &ci).await;
    assert_eq!(told.error(), (403, "AccessDenied".to_owned()));
    assert!(told.text.contains("iam:GetUser"), "{}", told.text);
}

#[tokio::test]
async fn the_rest_of_sts_and_iam_is_not_implemented_and_says_so() {
    let world = World::new();
    let root = world.root().await;
    for (service, form, status, code, word) in [
        (
            "iam",
            "Action=CreateRole&Version=2010-05-08",
            501,
            "NotImplemented",
            "CreateRole",
        ),
        (
            "sts",
            "Action=AssumeRole&Version=2011-06-15",
            501,
            "NotImplemented",
            "AssumeRole",
        ),
        (
            "sts",
            "Action=GetCallerIdentity",
            400,
            "InvalidAction",
            "2011-06-15",
        ),
        ("sts", "Version=2011-06-15", 400, "MissingAction", "Action"),
        (
            "iam",
            "Action=%zz",
            400,
            "MalformedQueryString",
            "parameter",
        ),
        (
            "iam",
            "Action=GetUser&Action=GetUser",
            400,
            "MalformedQueryString",
            "twice",
        ),
    ] {
        let told = world.ask(&Ask::form(service, form), &root).await;
        let (told_status, told_code) = told.error();
        assert_eq!((told_status, told_code.as_str()), (status, code), "{form}");
        assert!(
            told.element("Message").unwrap().contains(word),
            "{}",
            told.text
        );
    }
}

#[tokio::test]
async fn a_host_name_is_not_taken_from_what_the_caller_may_not_change() {
    let world = World::new();
    let root = world.root().await;
    let own = made(&world, "own", |_| ()).await;
    let other = made(&world, "other", |config| {
        config["Aliases"] = aliases(&["a.example.com"]);
    })
    .await;
    let arn = |id: &str| format!("arn:aws:cloudfront::123456789012:distribution/{id}");
    let associate = |resource: String| {
        json!({ "Statement": {
            "Effect": "Allow", "Action": "cloudfront:AssociateAlias", "Resource": resource,
        }})
    };
    let owner = world.key(&root, "owner", associate(arn(&own))).await;
    let both = world.key(&root, "both", associate(arn("*"))).await;
    let input = json!({ "TargetDistributionId": own, "Alias": "a.example.com" });
    let take = Ask::cloudfront("AssociateAlias", input);
    let before = world.state().await;
    let told = world.ask(&take, &owner).await;
    assert_eq!(told.error(), (403, "AccessDenied".to_owned()));
    assert!(told.text.contains(&arn(&other)), "{}", told.text);
    assert_eq!(world.state().await, before);
    assert_eq!(world.ask(&take, &both).await.status, 200);
}
