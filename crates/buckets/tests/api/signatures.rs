//! What a signature must be, and what nobody can add to it.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::world::{By, HOST, World, now_secs, signer};

const PAGE: &str = "/site/index.html";

fn presigned(method: &str, path: &str, at_secs: u64, expires_secs: u64) -> String {
    let headers = [("host", HOST.as_bytes())];
    let request = sigv4::Request {
        method,
        path,
        query: "",
        headers: &headers,
        body: b"",
    };
    let query = signer(By::Root)
        .presign(&request, at_secs, expires_secs)
        .unwrap();
    format!("{path}?{query}")
}

#[tokio::test]
async fn a_link_opens_an_object_until_it_ends() {
    let world = World::with_site().await;
    let now = now_secs();
    let link = presigned("GET", PAGE, now, 60);
    assert_eq!(world.status(By::Anybody, "GET", &link).await, 200);
    let other = link.replace("index.html", "docs/a%20b.txt");
    let refused = world.ask(By::Anybody, "GET", &other, b"").await;
    assert_eq!(refused.refusal(), (403, "SignatureDoesNotMatch".to_owned()));
    let late = presigned("GET", PAGE, now - 120, 60);
    let refused = world.ask(By::Anybody, "GET", &late, b"").await;
    assert_eq!(refused.refusal(), (403, "AccessDenied".to_owned()));
    assert_eq!(refused.element("Message"), "Request has expired");
    assert_eq!(world.status(By::Anybody, "DELETE", &link).await, 403);
}

#[tokio::test]
async fn a_link_to_upload_cannot_be_made_a_copy() {
    let world = World::with_site().await;
    let link = presigned("PUT", "/site/upload", now_secs(), 60);
    let copy = [("x-amz-copy-source", "/site/index.html")];
    let refused = world.ask_with(By::Anybody, "PUT", &link, &copy, b"").await;
    assert_eq!(refused.refusal(), (403, "AccessDenied".to_owned()));
    let put = world.ask(By::Anybody, "PUT", &link, b"uploaded").await;
    assert_eq!(put.status, 200, "{}", put.text());
    let got = world.ask(By::Root, "GET", "/site/upload", b"").await;
    assert_eq!(&*got.body, b"uploaded");
}

#[tokio::test]
async fn a_body_is_the_one_that_was_signed_or_nothing_happens() {
    let world = World::with_site().await;
    let headers = [("host", HOST.as_bytes())];
    let signed = sigv4::Request {
        method: "PUT",
        path: PAGE,
        query: "",
        headers: &headers,
        body: b"original",
    };
    let added = signer(By::Root).sign(&signed, now_secs()).unwrap();
    let mut request = Request::builder()
        .method("PUT")
        .uri(PAGE)
        .header("host", HOST);
    for (name, value) in &added {
        request = request.header(*name, value);
    }
    let request = request.header("content-length", 8);
    let forged = Full::new(Bytes::from_static(b"forgery!"));
    let refused = world.handle(request.body(forged).unwrap()).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    let got = world.ask(By::Root, "GET", PAGE, b"").await;
    assert_eq!(&*got.body, b"<h1>hi</h1>");
}

#[tokio::test]
async fn old_requests_and_old_ways_of_signing_are_refused() {
    let world = World::with_site().await;
    let headers = [("host", HOST.as_bytes())];
    let signed = sigv4::Request {
        method: "GET",
        path: PAGE,
        query: "",
        headers: &headers,
        body: b"",
    };
    let added = signer(By::Root).sign(&signed, now_secs() - 3_600).unwrap();
    let mut request = Request::builder().uri(PAGE).header("host", HOST);
    for (name, value) in &added {
        request = request.header(*name, value);
    }
    let old = world.handle(request.body(Full::default()).unwrap()).await;
    assert_eq!(old.refusal(), (403, "RequestTimeTooSkewed".to_owned()));
    let version_2 = [("authorization", "AWS AKIAROOT:c2lnbmF0dXJl")];
    let refused = world
        .ask_with(By::Anybody, "GET", PAGE, &version_2, b"")
        .await;
    assert_eq!(refused.refusal(), (400, "InvalidRequest".to_owned()));
    let query = format!("{PAGE}?AWSAccessKeyId=AKIAROOT&Expires=9999999999&Signature=x");
    let refused = world.ask(By::Anybody, "GET", &query, b"").await;
    assert_eq!(refused.refusal(), (400, "InvalidRequest".to_owned()));
}

#[tokio::test]
async fn answers_can_be_dressed_by_signers_alone() {
    let world = World::with_site().await;
    world.set_policy(crate::world::PUBLIC).await;
    let target = format!("{PAGE}?response-content-type=text%2Fplain");
    let refused = world.ask(By::Anybody, "GET", &target, b"").await;
    assert_eq!(refused.refusal(), (400, "InvalidRequest".to_owned()));
    let told = world.ask(By::Root, "GET", &target, b"").await;
    assert_eq!(
        (told.status, told.header("content-type")),
        (200, "text/plain")
    );
}
