//! Objects: put, read in whole and in part, on conditions; copied, listed, deleted.

use crate::world::{By, World};

const PAGE: &str = "/site/index.html";
const DIGITS: &str = "/site/docs/a%20b.txt";

#[tokio::test]
async fn what_is_kept_with_an_object_comes_back_with_it() {
    let world = World::with_site().await;
    let headers = [
        ("content-type", "text/css"),
        ("cache-control", "max-age=60"),
        ("content-encoding", "gzip"),
        ("content-disposition", "inline"),
        ("content-language", "de"),
        ("expires", "Thu, 01 Jan 2037 00:00:00 GMT"),
        ("x-amz-meta-author", "me"),
        ("x-amz-website-redirect-location", "/other"),
    ];
    let put = world
        .ask_with(By::Root, "PUT", "/site/style.css", &headers, b"body{}")
        .await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert!(put.header("etag").starts_with('"'));
    for method in ["GET", "HEAD"] {
        let got = world.ask(By::Root, method, "/site/style.css", b"").await;
        assert_eq!(got.status, 200);
        for (name, value) in headers {
            assert_eq!(got.header(name), value, "{method} {name}");
        }
        assert_eq!(got.header("etag"), put.header("etag"));
        assert_eq!(got.header("accept-ranges"), "bytes");
        assert_eq!(got.header("content-length"), "6");
        assert!(!got.header("x-amz-request-id").is_empty());
        assert!(!got.header("last-modified").is_empty());
    }
    let plain = world.ask(By::Root, "GET", PAGE, b"").await;
    assert_eq!(plain.header("content-type"), "binary/octet-stream");
}

#[tokio::test]
async fn ranges_are_single_and_bad_ones_are_as_good_as_none() {
    let world = World::with_site().await;
    for (range, status, body, told) in [
        ("bytes=0-3", 206, "0123", "bytes 0-3/10"),
        ("bytes=8-", 206, "89", "bytes 8-9/10"),
        ("bytes=-2", 206, "89", "bytes 8-9/10"),
        ("bytes=5-99", 206, "56789", "bytes 5-9/10"),
        ("bytes=10-", 416, "", "bytes */10"),
    ] {
        let got = world
            .ask_with(By::Root, "GET", DIGITS, &[("range", range)], b"")
            .await;
        assert_eq!(
            (got.status, got.header("content-range")),
            (status, told),
            "{range}"
        );
        match status {
            416 => assert_eq!(got.element("Code"), "InvalidRange"),
            _ => assert_eq!(got.text(), body, "{range}"),
        }
    }
    world.set_policy(crate::world::PUBLIC).await;
    for range in ["bytes=3-1", "bytes=0-1,4-5", "lines=1-2", "nonsense"] {
        let got = world
            .ask_with(By::Anybody, "GET", DIGITS, &[("range", range)], b"")
            .await;
        assert_eq!((got.status, &*got.text()), (200, "0123456789"), "{range}");
    }
}

#[tokio::test]
async fn conditions_of_reading_answer_412_and_304() {
    let world = World::with_site().await;
    let head = world.ask(By::Root, "HEAD", PAGE, b"").await;
    let (etag, date) = (head.header("etag"), head.header("last-modified"));
    let past = "Thu, 01 Jan 2015 00:00:00 GMT";
    for (headers, status) in [
        (vec![("if-match", etag)], 200),
        (vec![("if-match", "\"other\"")], 412),
        (vec![("if-none-match", etag)], 304),
        (vec![("if-none-match", "\"other\"")], 200),
        (vec![("if-modified-since", date)], 304),
        (vec![("if-modified-since", past)], 200),
        (vec![("if-unmodified-since", past)], 412),
        (vec![("if-match", etag), ("if-unmodified-since", past)], 200),
        (
            vec![("if-none-match", etag), ("if-modified-since", past)],
            304,
        ),
    ] {
        for method in ["GET", "HEAD"] {
            let got = world.ask_with(By::Root, method, PAGE, &headers, b"").await;
            assert_eq!(got.status, status, "{method} {headers:?}");
            if status == 304 {
                assert_eq!(got.header("etag"), etag);
                assert!(got.body.is_empty());
            }
        }
    }
}

#[tokio::test]
async fn writes_can_ask_that_nothing_or_something_is_there() {
    let world = World::with_site().await;
    let absent = [("if-none-match", "*")];
    let taken = world.ask_with(By::Root, "PUT", PAGE, &absent, b"new").await;
    assert_eq!(taken.refusal(), (412, "PreconditionFailed".to_owned()));
    let free = world
        .ask_with(By::Root, "PUT", "/site/new", &absent, b"new")
        .await;
    assert_eq!(free.status, 200);
    let etag = free.header("etag").to_owned();
    let stale = [("if-match", "\"00000000000000000000000000000000\"")];
    let refused = world
        .ask_with(By::Root, "PUT", "/site/new", &stale, b"x")
        .await;
    assert_eq!(refused.status, 412);
    let fresh = [("if-match", &*etag)];
    let replaced = world
        .ask_with(By::Root, "PUT", "/site/new", &fresh, b"x")
        .await;
    assert_eq!(replaced.status, 200);
}

#[tokio::test]
async fn checksums_and_digests_are_held_against_the_bytes() {
    let world = World::with_site().await;
    for (header, value, status) in [
        ("content-md5", "XUFAKrxLKna5cZ2REBfFkg==", 200),
        ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==", 400),
        ("content-md5", "nonsense", 400),
        ("x-amz-checksum-crc32", "NhCmhg==", 200),
        ("x-amz-checksum-crc32", "AAAAAA==", 400),
    ] {
        let put = world
            .ask_with(By::Root, "PUT", "/site/sum", &[(header, value)], b"hello")
            .await;
        assert_eq!(put.status, status, "{header}: {value} {}", put.text());
    }
    let mode = [("x-amz-checksum-mode", "ENABLED")];
    let got = world
        .ask_with(By::Root, "HEAD", "/site/sum", &mode, b"")
        .await;
    assert_eq!(got.header("x-amz-checksum-crc32"), "NhCmhg==");
}

#[tokio::test]
async fn lists_go_page_by_page_in_both_versions() {
    let world = World::with_site().await;
    for key in ["a/1", "a/2", "b", "c%26"] {
        let put = world
            .ask(By::Root, "PUT", &format!("/site/{key}"), b"x")
            .await;
        assert_eq!(put.status, 200);
    }
    let first = world
        .ask(By::Root, "GET", "/site?list-type=2&max-keys=2", b"")
        .await;
    assert_eq!(first.element("IsTruncated"), "true", "{}", first.text());
    assert_eq!(first.element("KeyCount"), "2");
    assert!(!first.text().contains("<Owner>"));
    let token = first.element("NextContinuationToken");
    let target = format!("/site?list-type=2&max-keys=9&continuation-token={token}");
    let second = world.ask(By::Root, "GET", &target, b"").await;
    assert_eq!(second.element("Key"), "b");
    assert_eq!(second.element("IsTruncated"), "false");
    let folded = world
        .ask(By::Root, "GET", "/site?list-type=2&delimiter=%2F", b"")
        .await;
    assert!(
        folded
            .text()
            .contains("<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>")
    );
    let encoded = "/site?encoding-type=url&prefix=c";
    let encoded = world.ask(By::Root, "GET", encoded, b"").await;
    assert_eq!(encoded.element("Key"), "c%26");
    assert!(encoded.text().contains("<Owner>"));
    let bad = "/site?list-type=2&continuation-token=%2F%2F";
    let bad = world.ask(By::Root, "GET", bad, b"").await;
    assert_eq!(bad.refusal(), (400, "InvalidArgument".to_owned()));
    let none = world
        .ask(By::Root, "GET", "/site?list-type=2&max-keys=0", b"")
        .await;
    assert_eq!(none.element("KeyCount"), "0");
}

#[tokio::test]
async fn versions_are_kept_and_markers_told() {
    let world = World::with_site().await;
    let enable = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    let enabled = world.ask(By::Root, "PUT", "/site?versioning", enable).await;
    assert_eq!(enabled.status, 200, "{}", enabled.text());
    let one = world.ask(By::Root, "PUT", "/site/k", b"one").await;
    let version = one.header("x-amz-version-id").to_owned();
    assert!(!version.is_empty());
    world.ask(By::Root, "PUT", "/site/k", b"two").await;
    let old = world
        .ask(
            By::Root,
            "GET",
            &format!("/site/k?versionId={version}"),
            b"",
        )
        .await;
    assert_eq!(old.text(), "one");
    let deleted = world.ask(By::Root, "DELETE", "/site/k", b"").await;
    assert_eq!(
        (deleted.status, deleted.header("x-amz-delete-marker")),
        (204, "true")
    );
    let marker = deleted.header("x-amz-version-id").to_owned();
    let gone = world.ask(By::Root, "GET", "/site/k", b"").await;
    assert_eq!(gone.refusal(), (404, "NoSuchKey".to_owned()));
    assert_eq!(gone.header("x-amz-delete-marker"), "true");
    let named = world
        .ask(By::Root, "GET", &format!("/site/k?versionId={marker}"), b"")
        .await;
    assert_eq!(named.refusal(), (405, "MethodNotAllowed".to_owned()));
    let versions = world
        .ask(By::Root, "GET", "/site?versions&prefix=k", b"")
        .await;
    assert_eq!(versions.text().matches("<Version>").count(), 2);
    assert_eq!(versions.text().matches("<DeleteMarker>").count(), 1);
    world
        .ask(
            By::Root,
            "DELETE",
            &format!("/site/k?versionId={marker}"),
            b"",
        )
        .await;
    assert_eq!(
        world.ask(By::Root, "GET", "/site/k", b"").await.text(),
        "two"
    );
}

#[tokio::test]
async fn a_copy_takes_along_what_it_is_told_to() {
    let world = World::with_site().await;
    let kept = [
        ("content-type", "text/plain"),
        ("x-amz-meta-a", "1"),
        ("x-amz-tagging", "t=1"),
    ];
    world
        .ask_with(By::Root, "PUT", "/site/from", &kept, b"data")
        .await;
    let source = ("x-amz-copy-source", "/site/from");
    let copied = world
        .ask_with(By::Root, "PUT", "/site/to", &[source], b"")
        .await;
    assert_eq!(copied.status, 200, "{}", copied.text());
    let got = world.ask(By::Root, "GET", "/site/to", b"").await;
    assert_eq!(
        (
            got.header("x-amz-meta-a"),
            got.header("x-amz-tagging-count")
        ),
        ("1", "1")
    );
    let replace = [
        source,
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-meta-b", "2"),
        ("x-amz-tagging-directive", "REPLACE"),
    ];
    world
        .ask_with(By::Root, "PUT", "/site/to", &replace, b"")
        .await;
    let got = world.ask(By::Root, "GET", "/site/to", b"").await;
    assert_eq!(
        (got.header("x-amz-meta-a"), got.header("x-amz-meta-b")),
        ("", "2")
    );
    assert_eq!(got.header("x-amz-tagging-count"), "");
    let onto_itself = [("x-amz-copy-source", "/site/to")];
    let refused = world
        .ask_with(By::Root, "PUT", "/site/to", &onto_itself, b"")
        .await;
    assert_eq!(refused.refusal(), (400, "InvalidRequest".to_owned()));
    let failing = [source, ("x-amz-copy-source-if-match", "\"other\"")];
    let refused = world
        .ask_with(By::Root, "PUT", "/site/to", &failing, b"")
        .await;
    assert_eq!(refused.refusal(), (412, "PreconditionFailed".to_owned()));
}

#[tokio::test]
async fn what_would_not_be_served_is_not_stored() {
    let world = World::with_site().await;
    for (header, value, code) in [
        ("x-amz-acl", "public-read", "AccessControlListNotSupported"),
        ("x-amz-server-side-encryption", "AES256", "NotImplemented"),
        ("x-amz-storage-class", "GLACIER", "InvalidStorageClass"),
        ("x-amz-object-lock-mode", "GOVERNANCE", "NotImplemented"),
        ("x-amz-grant-read", "id=1", "AccessControlListNotSupported"),
    ] {
        let put = world
            .ask_with(By::Root, "PUT", "/site/x", &[(header, value)], b"x")
            .await;
        assert_eq!(put.element("Code"), code, "{header}");
    }
    let fine = [
        ("x-amz-acl", "bucket-owner-full-control"),
        ("x-amz-storage-class", "STANDARD"),
    ];
    let put = world
        .ask_with(By::Root, "PUT", "/site/x", &fine, b"x")
        .await;
    assert_eq!(put.status, 200);
}

#[tokio::test]
async fn errors_have_codes_messages_and_the_requests_id() {
    let world = World::with_site().await;
    for (method, target, status, code) in [
        ("GET", "/none/key", 404, "NoSuchBucket"),
        ("GET", "/site/none", 404, "NoSuchKey"),
        ("PUT", "/site", 409, "BucketAlreadyOwnedByYou"),
        ("PUT", "/Bad_Name", 400, "InvalidBucketName"),
        ("DELETE", "/site", 409, "BucketNotEmpty"),
        (
            "GET",
            "/site/index.html?versionId=nonsense",
            404,
            "NoSuchVersion",
        ),
        ("POST", "/site/index.html", 501, "NotImplemented"),
    ] {
        let told = world.ask(By::Root, method, target, b"").await;
        assert_eq!(
            told.refusal(),
            (status, code.to_owned()),
            "{method} {target}"
        );
        assert!(!told.element("Message").is_empty(), "{method} {target}");
        assert_eq!(told.element("RequestId"), told.header("x-amz-request-id"));
        assert_eq!(told.header("content-type"), "application/xml");
    }
    let head = world.ask(By::Root, "HEAD", "/site/none", b"").await;
    assert_eq!((head.status, head.body.len()), (404, 0));
}
