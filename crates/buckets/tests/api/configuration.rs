//! What buckets are set to, and what they are told to be.

use crate::world::{By, World};

#[tokio::test]
async fn a_bucket_is_made_found_and_deleted() {
    let world = World::new();
    let configuration = b"<CreateBucketConfiguration><LocationConstraint>eu-west-1\
        </LocationConstraint></CreateBucketConfiguration>";
    let made = world.ask(By::Root, "PUT", "/europe", configuration).await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(made.header("location"), "/europe");
    let head = world.ask(By::Root, "HEAD", "/europe", b"").await;
    assert_eq!(
        (head.status, head.header("x-amz-bucket-region")),
        (200, "eu-west-1")
    );
    let location = world.ask(By::Root, "GET", "/europe?location", b"").await;
    assert!(location.text().contains("eu-west-1"), "{}", location.text());
    let listed = world.ask(By::Root, "GET", "/", b"").await;
    assert_eq!(listed.element("Name"), "europe");
    assert_eq!(world.status(By::Anybody, "GET", "/").await, 403);
    assert_eq!(world.status(By::Reader, "PUT", "/other").await, 403);
    assert_eq!(world.status(By::Root, "DELETE", "/europe").await, 204);
    assert_eq!(world.status(By::Root, "HEAD", "/europe").await, 404);
}

#[tokio::test]
async fn a_name_that_another_node_has_is_taken() {
    let world = World::new();
    world.taken_elsewhere("taken");
    let refused = world.ask(By::Root, "PUT", "/taken", b"").await;
    assert_eq!(refused.refusal(), (409, "BucketAlreadyExists".to_owned()));
}

#[tokio::test]
async fn what_is_not_configured_is_told_as_clients_expect_it() {
    let world = World::with_site().await;
    for (part, status, code) in [
        ("policy", 404, "NoSuchBucketPolicy"),
        ("policyStatus", 404, "NoSuchBucketPolicy"),
        ("cors", 404, "NoSuchCORSConfiguration"),
        ("website", 404, "NoSuchWebsiteConfiguration"),
        ("tagging", 404, "NoSuchTagSet"),
        (
            "encryption",
            404,
            "ServerSideEncryptionConfigurationNotFoundError",
        ),
        ("lifecycle", 404, "NoSuchLifecycleConfiguration"),
        ("replication", 404, "ReplicationConfigurationNotFoundError"),
        ("object-lock", 404, "ObjectLockConfigurationNotFoundError"),
        ("inventory&id=x", 404, "NoSuchConfiguration"),
        ("versioning", 200, ""),
        ("logging", 200, ""),
        ("notification", 200, ""),
        ("requestPayment", 200, ""),
        ("accelerate", 200, ""),
        ("acl", 200, ""),
        ("ownershipControls", 200, ""),
        ("publicAccessBlock", 200, ""),
        ("inventory", 200, ""),
    ] {
        let told = world
            .ask(By::Root, "GET", &format!("/site?{part}"), b"")
            .await;
        assert_eq!(
            told.refusal(),
            (status, code.to_owned()),
            "{part}: {}",
            told.text()
        );
    }
}

#[tokio::test]
async fn configurations_come_back_as_they_were_put() {
    let world = World::with_site().await;
    for (part, body, elements) in [
        (
            "tagging",
            "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>",
            vec![("Key", "a"), ("Value", "1")],
        ),
        (
            "website",
            "<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument>\
             <RoutingRules><RoutingRule><Condition><KeyPrefixEquals>old/</KeyPrefixEquals>\
             </Condition><Redirect><ReplaceKeyPrefixWith>new/</ReplaceKeyPrefixWith>\
             <HttpRedirectCode>302</HttpRedirectCode></Redirect></RoutingRule></RoutingRules>\
             </WebsiteConfiguration>",
            vec![
                ("Suffix", "index.html"),
                ("KeyPrefixEquals", "old/"),
                ("HttpRedirectCode", "302"),
            ],
        ),
        (
            "cors",
            "<CORSConfiguration><CORSRule><ID>r</ID><AllowedOrigin>https://*.example</AllowedOrigin>\
             <AllowedMethod>GET</AllowedMethod><MaxAgeSeconds>5</MaxAgeSeconds></CORSRule>\
             </CORSConfiguration>",
            vec![
                ("ID", "r"),
                ("AllowedOrigin", "https://*.example"),
                ("MaxAgeSeconds", "5"),
            ],
        ),
        (
            "publicAccessBlock",
            "<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy>\
             </PublicAccessBlockConfiguration>",
            vec![
                ("BlockPublicPolicy", "true"),
                ("RestrictPublicBuckets", "false"),
            ],
        ),
    ] {
        let target = format!("/site?{part}");
        let put = world.ask(By::Root, "PUT", &target, body.as_bytes()).await;
        assert!(matches!(put.status, 200 | 204), "{part}: {}", put.text());
        let got = world.ask(By::Root, "GET", &target, b"").await;
        for (name, value) in elements {
            assert_eq!(got.element(name), value, "{part}: {}", got.text());
        }
        assert_eq!(
            world.status(By::Root, "DELETE", &target).await,
            204,
            "{part}"
        );
        assert_eq!(world.status(By::Root, "GET", &target).await, 404, "{part}");
    }
}

#[tokio::test]
async fn what_would_not_be_served_is_refused_with_a_sentence() {
    let world = World::with_site().await;
    let lifecycle = "<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter><Prefix/>\
        </Filter><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>";
    let encryption = "<ServerSideEncryptionConfiguration><Rule>\
        <ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>\
        </ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>";
    let ownership = "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership>\
        </Rule></OwnershipControls>";
    for (part, body, code) in [
        ("lifecycle", lifecycle, "NotImplemented"),
        ("encryption", encryption, "NotImplemented"),
        (
            "ownershipControls",
            ownership,
            "AccessControlListNotSupported",
        ),
        ("policy", "{}", "MalformedPolicy"),
        ("policy", "nonsense", "MalformedPolicy"),
        ("website", "<WebsiteConfiguration/>", "InvalidArgument"),
        (
            "versioning",
            "<VersioningConfiguration/>",
            "IllegalVersioningConfigurationException",
        ),
        ("tagging", "nonsense", "MalformedXML"),
    ] {
        let put = world
            .ask(By::Root, "PUT", &format!("/site?{part}"), body.as_bytes())
            .await;
        assert_eq!(put.element("Code"), code, "{part}: {}", put.text());
        assert!(!put.element("Message").is_empty(), "{part}");
    }
    let public = [("x-amz-acl", "public-read")];
    let put = world
        .ask_with(By::Root, "PUT", "/site?acl", &public, b"")
        .await;
    assert_eq!(put.element("Code"), "AccessControlListNotSupported");
    let private = [("x-amz-acl", "private")];
    let put = world
        .ask_with(By::Root, "PUT", "/site?acl", &private, b"")
        .await;
    assert_eq!(put.status, 200, "{}", put.text());
}
