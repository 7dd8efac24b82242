//! Uploads of parts, and browsers' forms.

use crate::world::{By, PUBLIC, World};

const PART: usize = 5 << 20;

async fn begun(world: &World) -> String {
    let begun = world.ask(By::Root, "POST", "/site/big?uploads", b"").await;
    assert_eq!(begun.status, 200, "{}", begun.text());
    begun.element("UploadId")
}

#[tokio::test]
async fn parts_become_an_object_that_can_be_read_by_part() {
    let world = World::with_site().await;
    let id = begun(&world).await;
    let mut chosen = String::new();
    for (number, byte, length) in [(1, b'a', PART), (2, b'b', 3)] {
        let target = format!("/site/big?partNumber={number}&uploadId={id}");
        let put = world
            .ask(By::Root, "PUT", &target, &vec![byte; length])
            .await;
        assert_eq!(put.status, 200, "{}", put.text());
        let etag = put.header("etag");
        chosen += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    let parts = world
        .ask(By::Root, "GET", &format!("/site/big?uploadId={id}"), b"")
        .await;
    assert_eq!(
        parts.text().matches("<PartNumber>").count(),
        2,
        "{}",
        parts.text()
    );
    let uploads = world.ask(By::Root, "GET", "/site?uploads", b"").await;
    assert_eq!(uploads.element("UploadId"), id);
    let complete = format!("<CompleteMultipartUpload>{chosen}</CompleteMultipartUpload>");
    let target = format!("/site/big?uploadId={id}");
    let done = world
        .ask(By::Root, "POST", &target, complete.as_bytes())
        .await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert!(done.element("ETag").contains("-2"), "{}", done.text());
    let second = world
        .ask(By::Root, "GET", "/site/big?partNumber=2", b"")
        .await;
    assert_eq!((second.status, &*second.text()), (206, "bbb"));
    assert_eq!(second.header("x-amz-mp-parts-count"), "2");
    assert_eq!(
        world
            .status(By::Root, "GET", "/site/big?partNumber=3")
            .await,
        416
    );
    let wanted = [("x-amz-object-attributes", "ObjectParts,ObjectSize,ETag")];
    let told = world
        .ask_with(By::Root, "GET", "/site/big?attributes", &wanted, b"")
        .await;
    assert_eq!(
        told.element("ObjectSize"),
        (PART + 3).to_string(),
        "{}",
        told.text()
    );
    assert_eq!(told.element("PartsCount"), "2", "{}", told.text());
}

#[tokio::test]
async fn parts_can_be_copied_and_uploads_given_up() {
    let world = World::with_site().await;
    let id = begun(&world).await;
    let target = format!("/site/big?partNumber=1&uploadId={id}");
    let source = ("x-amz-copy-source", "/site/docs/a%20b.txt");
    let range = ("x-amz-copy-source-range", "bytes=2-4");
    let copied = world
        .ask_with(By::Root, "PUT", &target, &[source, range], b"")
        .await;
    assert_eq!(copied.status, 200, "{}", copied.text());
    let outside = [source, ("x-amz-copy-source-range", "bytes=2-99")];
    let refused = world
        .ask_with(By::Root, "PUT", &target, &outside, b"")
        .await;
    assert_eq!(refused.refusal(), (400, "InvalidArgument".to_owned()));
    let whole = format!("/site/big?uploadId={id}");
    assert_eq!(world.status(By::Root, "DELETE", &whole).await, 204);
    let gone = world.ask(By::Root, "PUT", &target, b"x").await;
    assert_eq!(gone.refusal(), (404, "NoSuchUpload".to_owned()));
    let bad = world
        .ask(By::Root, "PUT", &target.replace("=1&", "=0&"), b"x")
        .await;
    assert_eq!(bad.refusal(), (400, "InvalidArgument".to_owned()));
}

#[tokio::test]
async fn parts_are_summed_up_as_their_client_likes() {
    let world = World::with_site().await;
    let id = begun(&world).await;
    let target = format!("/site/big?partNumber=1&uploadId={id}");
    for (value, status) in [("AAAAAA==", 400), ("NhCmhg==", 200)] {
        let sum = [("x-amz-checksum-crc32", value)];
        let put = world
            .ask_with(By::Root, "PUT", &target, &sum, b"hello")
            .await;
        assert_eq!(put.status, status, "{}", put.text());
    }
    let complete = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>\
        <ETag>5d41402abc4b2a76b9719d911017c592</ETag><ChecksumCRC32>NhCmhg==</ChecksumCRC32></Part>\
        </CompleteMultipartUpload>";
    let target = format!("/site/big?uploadId={id}");
    let done = world
        .ask(By::Root, "POST", &target, complete.as_bytes())
        .await;
    assert_eq!(done.status, 200, "{}", done.text());
}

#[tokio::test]
async fn a_form_without_a_signature_needs_a_policy_that_lets_anybody_write() {
    let world = World::with_site().await;
    let form = "--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nposted\r\n--x\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nhello\r\n--x--\r\n";
    let kind = [("content-type", "multipart/form-data; boundary=x")];
    let post = |world| {
        let ask: &World = world;
        ask.ask_with(By::Anybody, "POST", "/site", &kind, form.as_bytes())
    };
    let refused = post(&world).await;
    assert_eq!(refused.refusal(), (403, "AccessDenied".to_owned()));
    world
        .set_policy(&PUBLIC.replace("s3:GetObject", "s3:PutObject"))
        .await;
    let posted = post(&world).await;
    assert_eq!(posted.status, 204, "{}", posted.text());
    let got = world.ask(By::Root, "GET", "/site/posted", b"").await;
    assert_eq!(got.text(), "hello");
    let named = form.replace("posted", "to/${filename}");
    let posted = world.ask_with(By::Anybody, "POST", "/site", &kind, named.as_bytes());
    assert_eq!(posted.await.status, 204);
    assert_eq!(world.status(By::Root, "GET", "/site/to/f").await, 200);
}
