//! Websites, and requests across origins.

use crate::world::{Ask, By, PUBLIC, Told, World};

const SITE: &str = "site.s3-website-us-east-1.amazonaws.com";

async fn visit(world: &World, method: &str, target: &str) -> Told {
    let ask = Ask {
        by: By::Anybody,
        method,
        host: SITE,
        target,
        headers: &[],
        body: b"",
    };
    world.send(&ask).await
}

async fn website(rules: &str) -> World {
    let world = World::with_site().await;
    let configuration = format!(
        "<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument>\
         <ErrorDocument><Key>error.html</Key></ErrorDocument>{rules}</WebsiteConfiguration>"
    );
    let put = world
        .ask(By::Root, "PUT", "/site?website", configuration.as_bytes())
        .await;
    assert_eq!(put.status, 200, "{}", put.text());
    for (key, body) in [("docs/index.html", "docs"), ("error.html", "oh no")] {
        let html = [("content-type", "text/html")];
        let target = format!("/site/{key}");
        let put = world
            .ask_with(By::Root, "PUT", &target, &html, body.as_bytes())
            .await;
        assert_eq!(put.status, 200);
    }
    world
}

#[tokio::test]
async fn a_website_shows_what_anybody_may_read() {
    let world = website("").await;
    let closed = visit(&world, "GET", "/").await;
    assert_eq!(closed.status, 403);
    assert_eq!(closed.header("content-type"), "text/html; charset=utf-8");
    assert!(closed.text().contains("403 Forbidden"), "{}", closed.text());
    world.set_policy(PUBLIC).await;
    let home = visit(&world, "GET", "/?acl").await;
    assert_eq!((home.status, &*home.text()), (200, "<h1>hi</h1>"));
    assert_eq!(visit(&world, "GET", "/docs/").await.text(), "docs");
    let directory = visit(&world, "GET", "/docs").await;
    assert_eq!(
        (directory.status, directory.header("location")),
        (302, "/docs/")
    );
    let missing = visit(&world, "GET", "/none").await;
    assert_eq!((missing.status, &*missing.text()), (403, "oh no"));
    assert_eq!(missing.header("content-type"), "text/html");
    assert_eq!(visit(&world, "PUT", "/x").await.status, 405);
    assert_eq!(visit(&world, "HEAD", "/").await.status, 200);
    let list = r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket",
        "Resource": "arn:aws:s3:::site"}"#;
    world.set_policy(&format!("{PUBLIC}, {list}")).await;
    assert_eq!(visit(&world, "GET", "/none").await.status, 404);
}

#[tokio::test]
async fn a_website_redirects_by_object_and_by_rule() {
    let rules = "<RoutingRules><RoutingRule><Condition><KeyPrefixEquals>old/</KeyPrefixEquals>\
        </Condition><Redirect><ReplaceKeyPrefixWith>docs/</ReplaceKeyPrefixWith></Redirect>\
        </RoutingRule><RoutingRule><Condition><HttpErrorCodeReturnedEquals>403\
        </HttpErrorCodeReturnedEquals></Condition><Redirect><HostName>other.example</HostName>\
        <Protocol>https</Protocol></Redirect></RoutingRule></RoutingRules>";
    let world = website(rules).await;
    world.set_policy(PUBLIC).await;
    let moved = [("x-amz-website-redirect-location", "https://example.com/new")];
    world
        .ask_with(By::Root, "PUT", "/site/moved", &moved, b"")
        .await;
    for (target, location) in [
        ("/moved", "https://example.com/new"),
        (
            "/old/a",
            "http://site.s3-website-us-east-1.amazonaws.com/docs/a",
        ),
        ("/none", "https://other.example/none"),
    ] {
        let told = visit(&world, "GET", target).await;
        assert_eq!(
            (told.status, told.header("location")),
            (301, location),
            "{target}"
        );
    }
}

#[tokio::test]
async fn a_bucket_that_is_no_website_says_so() {
    let world = World::with_site().await;
    let told = visit(&world, "GET", "/").await;
    assert_eq!(told.status, 404);
    assert!(
        told.text().contains("NoSuchWebsiteConfiguration"),
        "{}",
        told.text()
    );
}

#[tokio::test]
async fn preflights_are_answered_by_the_buckets_rules() {
    let world = World::with_site().await;
    let origin = ("origin", "https://www.example.com");
    let method = ("access-control-request-method", "GET");
    let preflight = [origin, method];
    let ask = || world.ask_with(By::Anybody, "OPTIONS", "/site/index.html", &preflight, b"");
    assert_eq!(ask().await.status, 403);
    let rules = "<CORSConfiguration><CORSRule><AllowedOrigin>https://*.example.com</AllowedOrigin>\
        <AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>";
    let put = world
        .ask(By::Root, "PUT", "/site?cors", rules.as_bytes())
        .await;
    assert_eq!(put.status, 200, "{}", put.text());
    let told = ask().await;
    assert_eq!(told.status, 200);
    assert_eq!(told.header("access-control-allow-origin"), origin.1);
    let without = world
        .ask_with(By::Anybody, "OPTIONS", "/site/x", &[method], b"")
        .await;
    assert_eq!(without.status, 400);
    let got = world
        .ask_with(By::Root, "GET", "/site/index.html", &[origin], b"")
        .await;
    assert_eq!(got.header("access-control-allow-origin"), origin.1);
    assert!(got.header("vary").contains("Origin"));
    // Scripts may read errors, too.
    let refused = world
        .ask_with(By::Anybody, "GET", "/site/index.html", &[origin], b"")
        .await;
    assert_eq!(refused.header("access-control-allow-origin"), origin.1);
}
