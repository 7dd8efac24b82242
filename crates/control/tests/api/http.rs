//! What is refused before, or instead of, an operation; over whole signed requests.

use control::ControlConfig;
use control::identity::AccessKey;
use serde_json::json;

use crate::wire::{Ask, Told, cache_policy};
use crate::world::{World, config};

fn create() -> Ask {
    Ask::cloudfront(
        "CreateCachePolicy",
        json!({ "CachePolicyConfig": cache_policy("p") }),
    )
}

fn list() -> Ask {
    Ask::cloudfront("ListCachePolicies", json!({}))
}

#[tokio::test]
async fn a_signed_request_is_answered_and_has_an_id() {
    let world = World::new();
    let root = world.root().await;
    let told = world.ask(&create(), &root).await;
    assert_eq!(told.status, 201, "{}", told.text);
    assert_eq!(told.element("Name"), Some("p"));
    assert!(told.headers.contains_key("etag") && told.headers.contains_key("location"));
    assert_eq!(told.headers["x-amzn-requestid"].len(), 36);
    assert_eq!(told.headers["content-type"], "text/xml");
    assert_eq!(world.ask(&list(), &root).await.status, 200);
}

/// Whatever is wrong with a signature: the store stays as it was, audit records included, since
/// anybody can send such a request.
async fn refused(world: &World, told: Told, before: &str, expected: (u16, &str)) {
    let (status, code) = told.error();
    assert_eq!((status, code.as_str()), expected, "{}", told.text);
    assert!(told.headers.contains_key("x-amzn-requestid"));
    assert_eq!(world.content("").await, before);
}

#[tokio::test]
async fn what_is_not_signed_well_changes_nothing() {
    let world = World::new();
    let root = world.root().await;
    let before = world.content("").await;
    let now_ms = world.tick();
    let now = now_ms / 1_000;

    let told = world.send(create().unsigned(), now_ms).await;
    refused(&world, told, &before, (403, "MissingAuthenticationToken")).await;

    let stranger = AccessKey {
        id: "AKIAAAAAAAAAAAAAAAAA".to_owned(),
        ..root.clone()
    };
    let told = world.send(create().signed(&stranger, now), now_ms).await;
    assert!(told.text.contains("AKIAAAAAAAAAAAAAAAAA"), "{}", told.text);
    refused(&world, told, &before, (403, "InvalidClientTokenId")).await;

    let slash = AccessKey {
        id: "../root".to_owned(),
        ..root.clone()
    };
    let told = world.send(create().signed(&slash, now), now_ms).await;
    assert!(matches!(told.status, 400 | 403), "{}", told.text);

    let guess = AccessKey {
        secret: "x".repeat(40),
        ..root.clone()
    };
    let told = world.send(create().signed(&guess, now), now_ms).await;
    assert!(!told.text.contains(&root.secret));
    refused(&world, told, &before, (403, "SignatureDoesNotMatch")).await;

    let mut altered = create().signed(&root, now);
    let body = String::from_utf8(altered.body().to_vec()).unwrap();
    *altered.body_mut() = body.replace("<Name>p<", "<Name>q<").into();
    let told = world.send(altered, now_ms).await;
    refused(&world, told, &before, (403, "SignatureDoesNotMatch")).await;

    let mut elsewhere = create().signed(&root, now);
    *elsewhere.uri_mut() = "/2020-05-31/origin-request-policy".parse().unwrap();
    let told = world.send(elsewhere, now_ms).await;
    refused(&world, told, &before, (403, "SignatureDoesNotMatch")).await;

    let mut added = create().signed(&root, now);
    let value = "Warmfront.CreateAccessKey".parse().unwrap();
    added.headers_mut().insert("x-amz-target", value);
    let told = world.send(added, now_ms).await;
    refused(&world, told, &before, (403, "SignatureDoesNotMatch")).await;

    let mut broken = create().signed(&root, now);
    let value = "AWS4-HMAC-SHA256 Credential=".parse().unwrap();
    broken.headers_mut().insert("authorization", value);
    let told = world.send(broken, now_ms).await;
    refused(&world, told, &before, (400, "IncompleteSignature")).await;

    for signed in [now - 301, now + 301] {
        let told = world.send(create().signed(&root, signed), now_ms).await;
        assert!(told.text.contains("clock"), "{}", told.text);
        refused(&world, told, &before, (403, "SignatureDoesNotMatch")).await;
    }
    let told = world.send(create().signed(&root, now - 299), now_ms).await;
    assert_eq!(told.status, 201, "{}", told.text);
}

#[tokio::test]
async fn a_session_token_is_refused_with_where_it_may_come_from() {
    let world = World::new();
    let root = world.root().await;
    let ask = list().header("X-Amz-Security-Token", "abc");
    let told = world.ask(&ask, &root).await;
    assert_eq!(told.error(), (403, "InvalidClientTokenId".to_owned()));
    assert!(told.text.contains("AWS_SESSION_TOKEN"), "{}", told.text);
}

#[tokio::test]
async fn services_in_json_have_their_own_names_for_bad_signatures() {
    let world = World::new();
    let root = world.root().await;
    let ask = Ask::json("cloudtrail", "LookupEvents", json!({}));
    let now_ms = world.tick();
    let told = world.send(ask.unsigned(), now_ms).await;
    assert_eq!(
        told.error(),
        (403, "MissingAuthenticationTokenException".to_owned())
    );
    let stranger = AccessKey {
        id: "AKIAAAAAAAAAAAAAAAAA".to_owned(),
        ..root
    };
    let told = world
        .send(ask.signed(&stranger, now_ms / 1_000), now_ms)
        .await;
    assert_eq!(
        told.error(),
        (403, "UnrecognizedClientException".to_owned())
    );
    assert_eq!(
        told.headers["x-amzn-errortype"],
        "UnrecognizedClientException"
    );
}

#[tokio::test]
async fn a_copy_of_a_change_is_a_retry_at_first_and_refused_later() {
    let world = World::new();
    let root = world.root().await;
    let now_ms = world.tick();
    let request = || create().signed(&root, now_ms / 1_000);
    assert_eq!(world.send(request(), now_ms).await.status, 201);
    // A retry reaches the operation, which finds the name taken.
    let told = world.send(request(), now_ms + 10_000).await;
    assert_eq!(told.error(), (409, "CachePolicyAlreadyExists".to_owned()));
    let before = world.state().await;
    let told = world.send(request(), now_ms + 60_000).await;
    assert_eq!(told.error(), (403, "SignatureDoesNotMatch".to_owned()));
    assert!(told.text.contains("sign it anew"), "{}", told.text);
    assert_eq!(world.state().await, before);
    // What only reads may be read again.
    let read = || list().signed(&root, now_ms / 1_000);
    assert_eq!(world.send(read(), now_ms).await.status, 200);
    assert_eq!(world.send(read(), now_ms + 60_000).await.status, 200);
}

#[tokio::test]
async fn refusals_name_the_action_and_the_resource() {
    let world = World::new();
    let root = world.root().await;
    let reader = world.key(&root, "reader", json!("read-only")).await;
    let before = world.state().await;
    let told = world.ask(&create(), &reader).await;
    assert_eq!(told.error(), (403, "AccessDenied".to_owned()));
    for word in [
        "arn:aws:iam::123456789012:user/reader",
        "cloudfront:CreateCachePolicy",
        "arn:aws:cloudfront::123456789012:cache-policy/*",
    ] {
        assert!(told.text.contains(word), "{word}: {}", told.text);
    }
    assert_eq!(world.state().await, before);
    assert_eq!(world.ask(&list(), &reader).await.status, 200);

    // What may not be done at all is said before what is wrong with it.
    let ask = Ask::new("cloudfront", "POST", "/2020-05-31/cache-policy", "<no");
    assert_eq!(world.ask(&ask, &reader).await.error().1, "AccessDenied");
}

#[tokio::test]
async fn a_denial_of_one_resource_leaves_the_others() {
    let world = World::new();
    let root = world.root().await;
    let made = world.ask(&create(), &root).await;
    let id = made.element("Id").unwrap().to_owned();
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "cloudfront:*", "Resource": "*" },
        {
            "Effect": "Deny",
            "Action": "cloudfront:Delete*",
            "Resource": format!("arn:aws:cloudfront::*:cache-policy/{id}"),
        },
    ]});
    let careful = world.key(&root, "careful", policy).await;
    let delete = |id: &str, etag: &str| {
        Ask::cloudfront("DeleteCachePolicy", json!({ "Id": id, "IfMatch": etag }))
    };
    let etag = made.headers["etag"].to_str().unwrap();
    let told = world.ask(&delete(&id, etag), &careful).await;
    assert_eq!(told.error(), (403, "AccessDenied".to_owned()));
    assert!(told.text.contains("explicit deny"), "{}", told.text);
    let told = world.ask(&delete("other", etag), &careful).await;
    assert_eq!(told.error(), (404, "NoSuchCachePolicy".to_owned()));
    assert_eq!(world.ask(&delete(&id, etag), &root).await.status, 204);
}

#[tokio::test]
async fn requests_that_are_none_change_nothing() {
    let world = World::new();
    let root = world.root().await;
    let before = world.state().await;
    let path = "/2020-05-31/cache-policy";
    let post = |body: &str| Ask::new("cloudfront", "POST", path, body);
    let get = |path: &str| Ask::new("cloudfront", "GET", path, "");
    let xml = "application/xml";
    for (ask, status, code) in [
        (post(""), 400, "MissingBody"),
        (post("<CachePolicyConfig>"), 400, "MalformedXML"),
        (
            post("<Other/>").header("Content-Type", xml),
            400,
            "MalformedXML",
        ),
        (post("{\"Name\": \"p\"}"), 400, "MalformedXML"),
        (
            post("<!DOCTYPE a [<!ENTITY b \"c\">]><CachePolicyConfig/>"),
            400,
            "MalformedXML",
        ),
        (
            post("<CachePolicyConfig><Name>p</Name><MinTTL>x</MinTTL></CachePolicyConfig>"),
            400,
            "MalformedXML",
        ),
        (
            post("<CachePolicyConfig><Surprise>1</Surprise></CachePolicyConfig>"),
            400,
            "MalformedXML",
        ),
        (get("/2020-05-31/nothing"), 404, "UnknownOperationException"),
        (
            get("/2019-01-01/distribution"),
            404,
            "UnknownOperationException",
        ),
        (get("/"), 404, "UnknownOperationException"),
        (
            Ask::new("cloudfront", "PATCH", path, ""),
            405,
            "MethodNotAllowed",
        ),
        (Ask::new("s3", "GET", "/bucket", ""), 501, "NotImplemented"),
        (
            Ask::json("cloudtrail", "CreateTrail", json!({})),
            501,
            "NotImplemented",
        ),
        (
            Ask::json("warmfront", "Nothing", json!({})),
            400,
            "UnknownOperationException",
        ),
        (
            Ask::new("warmfront", "POST", "/", "{}"),
            400,
            "UnknownOperationException",
        ),
        (
            Ask::json("warmfront", "ListSites", json!([])),
            400,
            "ValidationException",
        ),
    ] {
        let told = world.ask(&ask, &root).await;
        let request = String::from_utf8_lossy(&ask.body).into_owned();
        let (told_status, told_code) = told.error();
        assert_eq!(
            (told_status, told_code.as_str()),
            (status, code),
            "{request}"
        );
    }
    assert_eq!(world.state().await, before);
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_refused_before_it_is_read() {
    let world = World::new();
    let root = world.root().await;
    let before = world.content("").await;
    let mut ask = Ask::new("cloudfront", "POST", "/2020-05-31/cache-policy", "");
    ask.body = vec![b' '; control::limits::BODY_BYTES_MAX + 1];
    let told = world.ask(&ask, &root).await;
    assert_eq!(told.error(), (413, "RequestEntityTooLarge".to_owned()));
    assert_eq!(world.content("").await, before);
}

#[tokio::test]
async fn what_is_not_implemented_is_named() {
    let world = World::new();
    let root = world.root().await;
    let before = world.state().await;
    let table = control::coverage_markdown();
    let mut count = 0;
    for line in table.lines().filter(|line| line.ends_with("| 501 |  |")) {
        let name = line.trim_start_matches("| ").split(' ').next().unwrap();
        let operation = shapes::cloudfront::SERVICE.operation(name).unwrap();
        if operation.method != "GET" {
            // It needs an input, which would be held against the model first.
            continue;
        }
        let path = operation.uri.replace(['{', '}'], "x");
        let ask = Ask::new("cloudfront", operation.method, &path, "");
        let told = world.ask(&ask, &root).await;
        assert_eq!(told.error(), (501, "NotImplemented".to_owned()), "{name}");
        assert!(
            told.element("Message").unwrap().contains(name),
            "{}",
            told.text
        );
        count += 1;
    }
    assert_eq!(world.state().await, before);
    // When the last one is implemented, this test has nothing left to say.
    assert!(count > 0);
}

#[tokio::test]
async fn who_may_only_read_reads_all_of_route_53_and_changes_nothing() {
    let world = World::new();
    let root = world.root().await;
    let zone = json!({ "Name": "example.com", "CallerReference": "1" });
    let making = Ask::route53("CreateHostedZone", zone.clone());
    let made = world.ask(&making, &root).await;
    let id = made
        .element("Id")
        .unwrap()
        .trim_start_matches("/hostedzone/");
    let about = json!({ "Id": id });
    let question = json!({ "HostedZoneId": id, "RecordName": "example.com", "RecordType": "A" });
    let reader = world.key(&root, "reader", json!("read-only")).await;
    let before = world.state().await;
    for (operation, input) in [
        ("GetHostedZone", &about),
        ("ListHostedZones", &json!({})),
        ("TestDNSAnswer", &question),
    ] {
        let told = world
            .ask(&Ask::route53(operation, input.clone()), &reader)
            .await;
        assert_eq!(told.status, 200, "{operation}: {}", told.text);
    }
    let told = world
        .ask(&Ask::json("warmfront", "ExplainDns", json!({})), &reader)
        .await;
    assert_eq!(told.error(), (409, "NoNameServerHere".to_owned()));
    assert_eq!(world.state().await, before);
    for key in [
        &reader,
        &world.key(&root, "clerk", json!("invalidate-only")).await,
    ] {
        for (operation, input) in [("DeleteHostedZone", &about), ("CreateHostedZone", &zone)] {
            let told = world
                .ask(&Ask::route53(operation, input.clone()), key)
                .await;
            assert_eq!(
                told.error(),
                (403, "AccessDenied".to_owned()),
                "{operation}"
            );
        }
    }
}

#[tokio::test]
async fn a_node_without_the_role_control_tells_of_itself_alone() {
    let world = World::with_config(ControlConfig {
        is_control: false,
        ..config()
    });
    let root = world.root().await;
    let before = world.state().await;
    let zone = json!({ "Name": "example.com", "CallerReference": "1" });
    for ask in [
        create(),
        list(),
        Ask::route53("CreateHostedZone", zone),
        Ask::route53("ListHostedZones", json!({})),
        Ask::json("warmfront", "ListAccessKeys", json!({})),
        Ask::json("cloudtrail", "LookupEvents", json!({})),
        Ask::form("sts", "Action=GetCallerIdentity&Version=2011-06-15"),
        Ask::form("iam", "Action=GetUser&Version=2010-05-08"),
    ] {
        let told = world.ask(&ask, &root).await;
        assert_eq!(told.error(), (501, "NotImplemented".to_owned()));
        assert!(told.text.contains("role"), "{}", told.text);
    }
    assert_eq!(world.state().await, before);
    for (operation, code) in [
        ("Explain", "NoEdgeHere"),
        ("ExplainDns", "NoNameServerHere"),
    ] {
        let told = world
            .ask(&Ask::json("warmfront", operation, json!({})), &root)
            .await;
        assert_eq!(told.error(), (409, code.to_owned()));
    }
}

#[tokio::test]
async fn an_id_that_is_too_long_for_any_is_of_nothing() {
    let world = World::new();
    let root = world.root().await;
    let id = "a".repeat(3_000);
    for (ask, code) in [
        (
            Ask::cloudfront("GetCachePolicy", json!({ "Id": id })),
            "NoSuchCachePolicy",
        ),
        (
            Ask::route53("GetTrafficPolicyInstance", json!({ "Id": id })),
            "NoSuchTrafficPolicyInstance",
        ),
        (
            Ask::route53("ListCidrBlocks", json!({ "CollectionId": id })),
            "NoSuchCidrCollectionException",
        ),
    ] {
        let told = world.ask(&ask, &root).await;
        assert_eq!(told.error(), (404, code.to_owned()));
    }
}
