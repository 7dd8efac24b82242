//! Who may what.

use crate::world::{Ask, By, OAC, PUBLIC, World};

const PAGE: &str = "/site/index.html";

#[tokio::test]
async fn a_new_bucket_is_its_accounts_alone() {
    let world = World::with_site().await;
    for (by, status) in [
        (By::Root, 200),
        (By::Reader, 200),
        (By::Anybody, 403),
        (By::Distribution, 403),
        (By::Identity, 403),
        (By::Stranger, 403),
    ] {
        assert_eq!(world.status(by, "GET", PAGE).await, status, "{by:?}");
    }
    let refusal = world.ask(By::Stranger, "GET", PAGE, b"").await;
    assert_eq!(refusal.element("Code"), "InvalidAccessKeyId");
    let refusal = world.ask(By::Anybody, "GET", PAGE, b"").await;
    assert_eq!(refusal.element("Code"), "AccessDenied");
    assert_eq!(refusal.element("Message"), "Access Denied");
    assert_eq!(world.status(By::Reader, "PUT", "/site/new").await, 403);
    assert_eq!(world.status(By::Reader, "DELETE", PAGE).await, 403);
}

#[tokio::test]
async fn an_origin_access_control_opens_a_bucket_to_one_distribution() {
    let world = World::with_site().await;
    let put = world.put_policy(OAC).await;
    assert_eq!(
        put.status,
        204,
        "the block of public access does not hinder: {}",
        put.text()
    );
    for (by, status) in [
        (By::Distribution, 200),
        (By::OtherDistribution, 403),
        (By::Identity, 403),
        (By::Anybody, 403),
    ] {
        assert_eq!(world.status(by, "GET", PAGE).await, status, "{by:?}");
    }
    assert_eq!(
        world.status(By::Distribution, "PUT", "/site/new").await,
        403
    );
    let missing = world.status(By::Distribution, "GET", "/site/none").await;
    assert_eq!(missing, 403, "who may not list is not told what is missing");
    let list = r#"{"Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"},
        "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::site"}"#;
    assert_eq!(
        world.put_policy(&format!("{OAC}, {list}")).await.status,
        204
    );
    let missing = world.ask(By::Distribution, "GET", "/site/none", b"").await;
    assert_eq!(missing.refusal(), (404, "NoSuchKey".to_owned()));
}

#[tokio::test]
async fn an_origin_access_identity_is_named_by_its_arn() {
    let world = World::with_site().await;
    let statement = r#"{"Effect": "Allow", "Principal": {"AWS":
        "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity O1"},
        "Action": "s3:GetObject", "Resource": "arn:aws:s3:::site/*"}"#;
    assert_eq!(world.put_policy(statement).await.status, 204);
    assert_eq!(world.status(By::Identity, "GET", PAGE).await, 200);
    assert_eq!(world.status(By::Distribution, "GET", PAGE).await, 403);
    assert_eq!(world.status(By::Anybody, "GET", PAGE).await, 403);
}

#[tokio::test]
async fn public_policies_are_blocked_until_the_block_is_lifted() {
    let world = World::with_site().await;
    let blocked = world.put_policy(PUBLIC).await;
    assert_eq!(blocked.refusal(), (403, "AccessDenied".to_owned()));
    world.set_policy(PUBLIC).await;
    assert_eq!(world.status(By::Anybody, "GET", PAGE).await, 200);
    assert_eq!(world.status(By::Anybody, "PUT", "/site/new").await, 403);
    assert_eq!(world.status(By::Anybody, "GET", "/site").await, 403);
    let status = world.ask(By::Root, "GET", "/site?policyStatus", b"").await;
    assert_eq!(status.element("IsPublic"), "true");
    let restrict = b"<PublicAccessBlockConfiguration><RestrictPublicBuckets>true\
        </RestrictPublicBuckets></PublicAccessBlockConfiguration>";
    let put = world
        .ask(By::Root, "PUT", "/site?publicAccessBlock", restrict)
        .await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(world.status(By::Anybody, "GET", PAGE).await, 403);
    assert_eq!(world.status(By::Identity, "GET", PAGE).await, 403);
    assert_eq!(world.status(By::Distribution, "GET", PAGE).await, 200);
    assert_eq!(world.status(By::Reader, "GET", PAGE).await, 200);
}

#[tokio::test]
async fn a_policy_that_denies_everybody_can_still_be_taken_back_by_the_account() {
    let world = World::with_site().await;
    let deny = r#"{"Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": ["arn:aws:s3:::site", "arn:aws:s3:::site/*"]}"#;
    assert_eq!(world.put_policy(deny).await.status, 204);
    assert_eq!(world.status(By::Root, "GET", PAGE).await, 403);
    assert_eq!(world.status(By::Reader, "GET", PAGE).await, 403);
    assert_eq!(
        world.status(By::Reader, "DELETE", "/site?policy").await,
        403
    );
    assert_eq!(world.status(By::Root, "DELETE", "/site?policy").await, 204);
    assert_eq!(world.status(By::Root, "GET", PAGE).await, 200);
}

#[tokio::test]
async fn conditions_look_at_the_request() {
    let world = World::with_site().await;
    let by_address = PUBLIC.replace(
        "\"Resource\"",
        "\"Condition\": {\"IpAddress\": {\"aws:SourceIp\": \"192.0.2.0/24\"}}, \"Resource\"",
    );
    world.set_policy(&by_address).await;
    assert_eq!(world.status(By::Anybody, "GET", PAGE).await, 200);
    world
        .set_policy(&by_address.replace("192.0.2.0", "198.51.100.0"))
        .await;
    assert_eq!(world.status(By::Anybody, "GET", PAGE).await, 403);
    let by_tag = PUBLIC.replace(
        "\"Resource\"",
        "\"Condition\": {\"StringEquals\": {\"s3:ExistingObjectTag/open\": \"yes\"}}, \"Resource\"",
    );
    world.set_policy(&by_tag).await;
    assert_eq!(world.status(By::Anybody, "GET", PAGE).await, 403);
    let tags = b"<Tagging><TagSet><Tag><Key>open</Key><Value>yes</Value></Tag></TagSet></Tagging>";
    let tagged = world
        .ask(By::Root, "PUT", "/site/index.html?tagging", tags)
        .await;
    assert_eq!(tagged.status, 200, "{}", tagged.text());
    assert_eq!(world.status(By::Anybody, "GET", PAGE).await, 200);
}

#[tokio::test]
async fn a_copy_needs_a_right_at_both_ends() {
    let world = World::with_site().await;
    assert_eq!(world.status(By::Root, "PUT", "/secrets").await, 200);
    let put = world.ask(By::Root, "PUT", "/secrets/key", b"secret").await;
    assert_eq!(put.status, 200);
    let write = OAC.replace("s3:GetObject", "s3:PutObject");
    assert_eq!(
        world.put_policy(&format!("{OAC}, {write}")).await.status,
        204
    );
    let source = [("x-amz-copy-source", "/secrets/key")];
    let copied = world
        .ask_with(By::Distribution, "PUT", "/site/stolen", &source, b"")
        .await;
    assert_eq!(copied.refusal(), (403, "AccessDenied".to_owned()));
    let own = [("x-amz-copy-source", "/site/index.html")];
    let copied = world
        .ask_with(By::Distribution, "PUT", "/site/copy", &own, b"")
        .await;
    assert_eq!(copied.status, 200, "{}", copied.text());
}

#[tokio::test]
async fn deletion_of_many_judges_each_key() {
    let world = World::with_site().await;
    let statement = OAC.replace("s3:GetObject", "s3:DeleteObject");
    let statement = statement.replace("site/*", "site/docs/*");
    assert_eq!(world.put_policy(&statement).await.status, 204);
    let delete = b"<Delete><Object><Key>docs/a b.txt</Key></Object>\
        <Object><Key>index.html</Key></Object></Delete>";
    let told = world
        .ask(By::Distribution, "POST", "/site?delete", delete)
        .await;
    assert_eq!(told.status, 200, "{}", told.text());
    assert!(
        told.element("Deleted").contains("docs/a b.txt"),
        "{}",
        told.text()
    );
    assert!(
        told.element("Error").contains("AccessDenied"),
        "{}",
        told.text()
    );
    assert_eq!(world.status(By::Root, "GET", PAGE).await, 200);
    assert_eq!(
        world.status(By::Root, "GET", "/site/docs/a%20b.txt").await,
        404
    );
}

#[tokio::test]
async fn who_expects_another_owner_has_another_bucket_in_mind() {
    let world = World::with_site().await;
    for (owner, status) in [("123456789012", 200), ("210987654321", 403)] {
        let expected = [("x-amz-expected-bucket-owner", owner)];
        let told = world.ask_with(By::Root, "GET", PAGE, &expected, b"").await;
        assert_eq!(told.status, status, "{owner}");
    }
}

#[tokio::test]
async fn hosts_that_are_a_buckets_own_lead_to_it() {
    let world = World::with_site().await;
    for host in ["site.s3.us-east-1.amazonaws.com", "site.localhost:4566"] {
        let ask = Ask {
            by: By::Root,
            method: "GET",
            host,
            target: "/index.html",
            headers: &[],
            body: b"",
        };
        let told = world.send(&ask).await;
        assert_eq!(
            (told.status, &*told.body),
            (200, &b"<h1>hi</h1>"[..]),
            "{host}"
        );
    }
}

const TAGGED: (&str, &str) = ("x-amz-tagging", "open=yes");

#[tokio::test]
async fn a_copy_reads_its_source_by_the_tags_of_the_source() {
    let world = World::with_site().await;
    let tagged = world
        .ask_with(By::Root, "PUT", "/site/own", &[TAGGED], b"")
        .await;
    assert_eq!(tagged.status, 200, "{}", tagged.text());
    let by_tag = OAC.replace(
        "{\"AWS:SourceArn\"",
        "{\"s3:ExistingObjectTag/open\": \"yes\", \"AWS:SourceArn\"",
    );
    assert_ne!(by_tag, OAC);
    let write = OAC.replace("s3:GetObject", "s3:PutObject");
    let put = world.put_policy(&format!("{by_tag}, {write}")).await;
    assert_eq!(put.status, 204, "{}", put.text());
    for (source, status) in [("/site/index.html", 403), ("/site/own", 200)] {
        let source = [
            ("x-amz-copy-source", source),
            ("x-amz-metadata-directive", "REPLACE"),
            ("x-amz-tagging-directive", "REPLACE"),
        ];
        let copied = world
            .ask_with(By::Distribution, "PUT", "/site/own", &source, b"")
            .await;
        assert_eq!(copied.status, status, "{source:?}: {}", copied.text());
    }
}

#[tokio::test]
async fn what_tags_protect_is_not_deleted_among_many() {
    let world = World::with_site().await;
    let tagged = world
        .ask_with(By::Root, "PUT", "/site/kept", &[TAGGED], b"")
        .await;
    assert_eq!(tagged.status, 200, "{}", tagged.text());
    let deny = r#"{"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject",
        "Resource": "arn:aws:s3:::site/*",
        "Condition": {"StringEquals": {"s3:ExistingObjectTag/open": "yes"}}}"#;
    assert_eq!(world.put_policy(deny).await.status, 204);
    assert_eq!(world.status(By::Root, "DELETE", "/site/kept").await, 403);
    let delete = b"<Delete><Object><Key>kept</Key></Object>\
        <Object><Key>index.html</Key></Object></Delete>";
    let told = world.ask(By::Root, "POST", "/site?delete", delete).await;
    assert_eq!(told.status, 200, "{}", told.text());
    assert_eq!(world.status(By::Root, "GET", "/site/kept").await, 200);
    assert_eq!(world.status(By::Root, "GET", PAGE).await, 404);
}

#[tokio::test]
async fn tags_that_are_denied_are_not_given_later_either() {
    let world = World::with_site().await;
    let deny = r#"{"Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": "arn:aws:s3:::site/*",
        "Condition": {"StringEquals": {"s3:RequestObjectTag/open": "yes"}}}"#;
    assert_eq!(world.put_policy(deny).await.status, 204);
    let put = world.ask_with(By::Root, "PUT", PAGE, &[TAGGED], b"").await;
    assert_eq!(put.status, 403);
    for (value, status) in [("yes", 403), ("no", 200)] {
        let tags = format!(
            "<Tagging><TagSet><Tag><Key>open</Key><Value>{value}</Value></Tag></TagSet></Tagging>"
        );
        let target = "/site/index.html?tagging";
        let told = world.ask(By::Root, "PUT", target, tags.as_bytes()).await;
        assert_eq!(told.status, status, "{}", told.text());
    }
}

#[tokio::test]
async fn conditions_see_the_kind_and_the_age_of_a_signature_and_the_buckets_region() {
    let world = World::with_site().await;
    let deny = |condition: &str| {
        format!(
            r#"{{"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::site/*", "Condition": {condition}}}"#
        )
    };
    let request = sigv4::Request {
        method: "GET",
        path: PAGE,
        query: "",
        headers: &[("host", crate::world::HOST.as_bytes())],
        body: b"",
    };
    let signed_secs = crate::world::now_secs() - 60;
    let query = crate::world::signer(By::Root)
        .presign(&request, signed_secs, 600)
        .unwrap();
    let query = query.replace("X-Amz-Signature", "X-Amz-Signatur%65");
    let link = format!("{PAGE}?{query}");
    for (condition, by_link, by_field) in [
        (
            r#"{"StringEquals": {"s3:authType": "REST-QUERY-STRING"}}"#,
            403,
            200,
        ),
        (
            r#"{"StringEquals": {"s3:authType": "REST-HEADER"}}"#,
            200,
            403,
        ),
        (
            r#"{"NumericGreaterThan": {"s3:signatureAge": "30000"}}"#,
            403,
            200,
        ),
        (
            r#"{"NumericGreaterThan": {"s3:signatureAge": "300000"}}"#,
            200,
            200,
        ),
        (
            r#"{"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}}"#,
            200,
            200,
        ),
        (
            r#"{"StringEquals": {"aws:RequestedRegion": "us-east-1"}}"#,
            403,
            403,
        ),
    ] {
        assert_eq!(world.put_policy(&deny(condition)).await.status, 204);
        let told = world.ask(By::Anybody, "GET", &link, b"").await;
        assert_eq!(told.status, by_link, "{condition}: {}", told.text());
        assert_eq!(
            world.status(By::Root, "GET", PAGE).await,
            by_field,
            "{condition}"
        );
    }
}
