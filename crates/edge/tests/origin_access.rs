//! Private origins: what is signed, with which key, in which spelling. One origin verifies with our
//! own verifier and says what it saw; another is an S3 server that others wrote (`s3s-fs`), which
//! verifies in its own way.

#![allow(
    clippy::unwrap_used,
    reason = "Clippy sees a test only in what is marked as one"
)]

mod world;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use documents::bucket::{Asker, Bucket};
use edge::site::{Policies, compile, compile_tenant};
use edge::{Clock, OriginKey};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sigv4::{Dialect, Presented, Terms, Verifier};
use world::{Answer, Asked, Client, Origin, World, distribution, origin_json, response};

const NOW_SECS: u64 = 1_700_000_000;
const SECRET: &str = "a/secret+of=40";

/// The `AllViewer…` policy forwards what it must not to see what becomes of it.
const ALL_VIEWER: &str = "216adef6-5c7f-47e4-b989-5492eafa07d3";
const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";

/// Policies with a control of that kind, `EOAC`.
fn policies(signing: &str, kind: &str) -> Policies {
    let mut policies = Policies::managed();
    let control = shapes::from_value(&json!({
        "Name": "test", "SigningProtocol": "sigv4",
        "SigningBehavior": signing, "OriginAccessControlOriginType": kind,
    }));
    let private = &mut policies.private;
    private
        .access_controls
        .insert("EOAC".to_owned(), control.unwrap());
    private.access_identities.insert("EOAI".to_owned());
    policies
}

/// A distribution that forwards everything a viewer says to a signed origin with a path.
fn config(address: SocketAddr) -> Value {
    let mut config = distribution(address);
    config["Origins"]["Items"][0]["OriginAccessControlId"] = json!("EOAC");
    config["Origins"]["Items"][0]["OriginPath"] = json!("/bucket");
    config["DefaultCacheBehavior"]["OriginRequestPolicyId"] = json!(ALL_VIEWER);
    config
}

fn edge(config: &Value, policies: &Policies) -> World {
    World::with(config, policies, |settings| {
        let key = OriginKey::parse(&format!("eu-west-1 AKIATEST {SECRET}")).unwrap();
        settings.origin_keys.insert("127.0.0.1", key);
    })
}

/// What a server that verifies finds in a request.
fn verified(asked: &Asked, secret: &str, dialect: Dialect) -> Result<Presented, String> {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let headers: Vec<(&str, &[u8])> = asked
        .fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let request = sigv4::Request {
        method: &asked.method,
        path,
        query,
        headers: &headers,
        body: &asked.body,
    };
    let presented = sigv4::parse(&request).map_err(|error| error.to_string())?;
    let terms = Terms {
        now_secs: NOW_SECS,
        dialect,
        region: "eu-west-1",
    };
    Verifier::default()
        .verify(&request, &presented, secret, &terms)
        .map_err(|error| error.to_string())?;
    Ok(presented)
}

/// An origin that answers 403 to whatever is not signed with [`SECRET`], and else with a body of
/// 26 letters: whole, in part, or not at all where the viewer has it.
fn verifying(dialect: Dialect) -> Origin {
    Origin::scripted(move |asked, _, stream| {
        let answer = match verified(asked, SECRET, dialect) {
            Err(error) => response("403 Forbidden", &[("Cache-Control", "no-store")], &error),
            Ok(_) => letters(asked),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    })
}

fn letters(asked: &Asked) -> String {
    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";
    let fields = [("ETag", "\"v1\""), ("Cache-Control", "max-age=10")];
    if asked.get("if-none-match") == Some("\"v1\"") {
        return "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n".to_owned();
    }
    match asked.get("range") {
        Some(range) => {
            let first = range.strip_prefix("bytes=").unwrap().split('-').next();
            let first: usize = first.unwrap().parse().unwrap();
            let part = format!("bytes {first}-25/26");
            let fields = [&fields[..], &[("Content-Range", &part)]].concat();
            response("206 Partial Content", &fields, &LETTERS[first..])
        }
        None => response("200 OK", &fields, LETTERS),
    }
}

#[test]
fn every_request_for_a_private_origin_is_signed() {
    let origin = verifying(Dialect::S3);
    let world = edge(&config(origin.address), &policies("always", "s3"));
    for (method, target) in [
        ("GET", "/a"),
        ("HEAD", "/b"),
        ("GET", "/c?acl&x=1"),
        ("DELETE", "/d"),
        ("OPTIONS", "/e"),
    ] {
        let answer = world.ask(method, target, &[]);
        assert_eq!(answer.status, 200, "{method} {target}: {}", answer.text());
    }
    let asked = origin.last();
    let presented = verified(&asked, SECRET, Dialect::S3).unwrap();
    assert_eq!(presented.credential.access_key_id, "AKIATEST");
    assert_eq!(presented.credential.region.as_deref(), Some("eu-west-1"));
    assert_eq!(presented.credential.service, "s3");
    assert_eq!(
        presented.signed_headers,
        ["host", "x-amz-cf-id", "x-amz-content-sha256", "x-amz-date"]
    );
}

#[test]
fn ranges_and_revalidations_are_signed_like_whole_objects() {
    let origin = verifying(Dialect::S3);
    let world = edge(&config(origin.address), &policies("always", "s3"));
    let answer = world.get("/range", &[("Range", "bytes=3-5")]);
    assert_eq!((answer.status, answer.text().as_str()), (206, "def"));
    assert!(origin.last().get("range").is_some());
    assert_eq!(world.get("/stale", &[]).cache(), "Miss");
    world.clock.advance_secs(11);
    assert_eq!(world.get("/stale", &[]).cache(), "RefreshHit");
    assert_eq!(origin.last().get("if-none-match"), Some("\"v1\""));
    for asked in origin.asked.lock().unwrap().iter() {
        verified(asked, SECRET, Dialect::S3).unwrap();
    }
}

#[test]
fn the_viewers_credentials_are_replaced_or_passed_as_the_control_says() {
    let theirs = [("Authorization", "Basic dGhlaXJz")];
    for (signing, is_signed, with_theirs) in [
        ("always", true, true),
        ("no-override", true, false),
        ("never", false, false),
    ] {
        let origin = Origin::fixed("200 OK", &[("Cache-Control", "no-store")], "");
        let world = edge(&config(origin.address), &policies(signing, "s3"));
        world.get("/a", &[]);
        let signed = verified(&origin.last(), SECRET, Dialect::S3).is_ok();
        assert_eq!(signed, is_signed, "{signing}");
        // By POST a viewer's Authorization reaches the origin whatever the policies say.
        world.ask("POST", "/a", &theirs);
        let asked = origin.last();
        let signed = verified(&asked, SECRET, Dialect::S3).is_ok();
        assert_eq!(signed, with_theirs, "{signing}");
        if !with_theirs {
            assert_eq!(asked.get("authorization"), Some(theirs[0].1), "{signing}");
            assert_eq!(asked.get("x-amz-date"), None, "{signing}");
        }
    }
    // An Authorization that stays behind is none.
    let origin = Origin::fixed("200 OK", &[("Cache-Control", "no-store")], "");
    let mut config = config(origin.address);
    config["DefaultCacheBehavior"]
        .as_object_mut()
        .unwrap()
        .remove("OriginRequestPolicyId");
    let world = edge(&config, &policies("no-override", "s3"));
    world.get("/a", &theirs);
    verified(&origin.last(), SECRET, Dialect::S3).unwrap();
}

#[test]
fn viewers_smuggle_nothing_into_a_signed_request() {
    let origin = verifying(Dialect::S3);
    let world = edge(&config(origin.address), &policies("always", "s3"));
    let target = "/a?X-Amz-Signature=0&x-amz-credential=c&X%2dAmz-Date=d&AWSAccessKeyId=k&ok=1";
    let answer = world.get(
        target,
        &[
            ("Authorization", "AWS4-HMAC-SHA256 Credential=x"),
            ("X-Amz-Date", "20000101T000000Z"),
            ("X-Amz-Security-Token", "theirs"),
            ("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            ("X-Amz-Source-Arn", "arn:aws:cloudfront::1:distribution/E1"),
            ("X-Amz-Source-Account", "1"),
        ],
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    let asked = origin.last();
    assert_eq!(asked.target, "/bucket/a?ok=1");
    for (name, _) in &asked.fields {
        assert!(!name.to_lowercase().contains("source"), "{name}");
        assert_ne!(name.to_lowercase(), "x-amz-security-token");
    }
    for name in ["authorization", "x-amz-date", "x-amz-content-sha256"] {
        let fields = asked.fields.iter();
        let count = fields.filter(|(other, _)| other.eq_ignore_ascii_case(name));
        assert_eq!(count.count(), 1, "{name}");
    }
}

#[test]
fn nobody_copies_with_the_edges_rights() {
    let origin = verifying(Dialect::S3);
    let mut config = config(origin.address);
    let methods = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"];
    config["DefaultCacheBehavior"]["AllowedMethods"] = json!({ "Quantity": 7, "Items": methods });
    let world = edge(&config, &policies("always", "s3"));
    let copy = [("X-Amz-Copy-Source", "/bucket/private/a")];
    assert_eq!(world.ask("PUT", "/public/a", &copy).status, 400);
    assert_eq!(origin.count(), 0);
    // It means nothing to other methods, and spoils nothing for those who wait for the same.
    assert_eq!(world.get("/public/a", &copy).status, 200);
    // Who signs for himself has his own rights.
    let world = edge(&config, &policies("no-override", "s3"));
    let theirs = [copy[0], ("Authorization", "theirs")];
    world.ask("PUT", "/public/a", &theirs);
    assert_eq!(origin.last().get("authorization"), Some("theirs"));
}

#[test]
fn the_viewers_host_does_not_reach_a_signed_origin() {
    let origin = verifying(Dialect::S3);
    let world = edge(&config(origin.address), &policies("always", "s3"));
    assert_eq!(world.get("/a", &[("Host", "site.test")]).status, 200);
    let host = origin.address.to_string();
    assert_eq!(origin.last().get("host"), Some(host.as_str()));
    // Where nothing is signed, the behavior has its way.
    let world = edge(&config(origin.address), &policies("never", "s3"));
    world.get("/a", &[("Host", "site.test")]);
    assert_eq!(origin.last().get("host"), Some("site.test"));
}

#[test]
fn without_a_key_nothing_is_sent_and_the_page_names_the_setting() {
    let origin = verifying(Dialect::S3);
    let world = World::with(
        &config(origin.address),
        &policies("always", "s3"),
        |settings| {
            let key = OriginKey::parse("eu-west-1 AKIATEST other").unwrap();
            settings.origin_keys.insert("*.example.com", key);
        },
    );
    for method in ["GET", "POST"] {
        let answer = world.ask(method, "/a", &[]);
        assert_eq!(answer.status, 502);
        assert!(answer.text().contains("origin_keys"), "{}", answer.text());
    }
    assert_eq!(origin.count(), 0);
    let question = edge::explain::Question::new("http://site.test/a", NOW_SECS);
    let told = world.edge.as_ref().unwrap().explain(&question).unwrap();
    let text = told.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let missing = "origin_keys of this node has no key for 127.0.0.1";
    assert!(text.contains(missing), "{text}");
}

#[test]
fn a_member_of_a_group_without_a_key_fails_over_to_one_with_a_key() {
    let origin = verifying(Dialect::S3);
    let mut config = config(origin.address);
    let mut first = origin_json("first", origin.address);
    first["DomainName"] = json!("localhost");
    first["OriginAccessControlId"] = json!("EOAC");
    config["Origins"]["Items"]
        .as_array_mut()
        .unwrap()
        .push(first);
    config["Origins"]["Quantity"] = json!(2);
    config["OriginGroups"] = json!({ "Quantity": 1, "Items": [{
        "Id": "group",
        "FailoverCriteria": { "StatusCodes": { "Quantity": 1, "Items": [502] } },
        "Members": { "Quantity": 2, "Items": [{ "OriginId": "first" }, { "OriginId": "main" }] },
    }]});
    config["DefaultCacheBehavior"]["TargetOriginId"] = json!("group");
    let world = edge(&config, &policies("always", "s3"));
    assert_eq!(world.get("/a", &[]).status, 200);
    assert_eq!(origin.count(), 1);
    // What has a body is asked of the first member alone.
    assert_eq!(upload(&world, "PUT", "/a", "", b"body").status, 502);
    assert_eq!(origin.count(), 1);
}

/// Sends a body; `fields` are lines of the head.
fn upload(world: &World, method: &str, target: &str, fields: &str, body: &[u8]) -> Answer {
    let mut client = Client::connect(world.address);
    let length = body.len();
    client.send(format!(
        "{method} {target} HTTP/1.1\r\nHost: site.test\r\n{fields}Content-Length: {length}\r\n\r\n"
    ));
    client.send(body);
    client.read_answer(method).expect("an answer")
}

#[test]
fn bodies_for_s3_pass_unsigned_unless_the_viewer_says_their_hash() {
    let origin = verifying(Dialect::S3);
    let mut config = config(origin.address);
    // No policy needs to name what the viewer says of its body.
    config["DefaultCacheBehavior"]["CachePolicyId"] = json!(CACHING_DISABLED);
    config["DefaultCacheBehavior"]
        .as_object_mut()
        .unwrap()
        .remove("OriginRequestPolicyId");
    let world = edge(&config, &policies("always", "s3"));
    for method in ["PUT", "POST"] {
        let answer = upload(
            &world,
            method,
            "/a",
            "Content-Type: text/plain\r\n",
            b"hello",
        );
        assert_eq!(answer.status, 200, "{}", answer.text());
        let asked = origin.last();
        assert_eq!(asked.get("x-amz-content-sha256"), Some("UNSIGNED-PAYLOAD"));
        assert_eq!(asked.body, b"hello");
    }
    let hash = sigv4::payload_hash(b"hello");
    let said = format!("X-Amz-Content-Sha256: {hash}\r\n");
    assert_eq!(upload(&world, "PUT", "/a", &said, b"hello").status, 200);
    assert_eq!(origin.last().get("x-amz-content-sha256"), Some(&*hash));
    let refused = upload(&world, "PUT", "/a", &said, b"other").text();
    assert!(
        refused.contains("SHA-256"),
        "the origin compares: {refused}"
    );
    let count = origin.count();
    let chunks = "X-Amz-Content-Sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\n";
    let answer = upload(&world, "PUT", "/a", chunks, b"0;chunk-signature=00\r\n\r\n");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("UNSIGNED-PAYLOAD"));
    assert_eq!(origin.count(), count);
}

#[test]
fn bodies_for_lambda_are_read_and_hashed_within_lambdas_bound() {
    let origin = verifying(Dialect::Common);
    let world = edge(&config(origin.address), &policies("always", "lambda"));
    let answer = upload(&world, "POST", "/a%2Fb//c%20d", "", b"hello");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let asked = origin.last();
    let hash = sigv4::payload_hash(b"hello");
    assert_eq!(asked.get("x-amz-content-sha256"), Some(hash.as_str()));
    assert_eq!(asked.get("content-length"), Some("5"));
    assert_eq!(
        (asked.body, asked.target.as_str()),
        (b"hello".to_vec(), "/bucket/a%2Fb//c%20d")
    );
    let presented = verified(&origin.last(), SECRET, Dialect::Common).unwrap();
    assert_eq!(presented.credential.service, "lambda");
    let mut client = Client::connect(world.address);
    let head = "POST /a HTTP/1.1\r\nHost: site.test\r\n";
    client.send(format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
    ));
    assert_eq!(client.read_answer("POST").unwrap().status, 200);
    assert_eq!(origin.last().body, b"hello");
    let count = origin.count();
    let mut client = Client::connect(world.address);
    let length = edge::limits::SIGNED_BODY_BYTES_MAX + 1;
    client.send(format!("{head}Content-Length: {length}\r\n\r\n"));
    assert_eq!(client.read_answer("POST").unwrap().status, 413);
    assert_eq!(origin.count(), count);
}

#[test]
fn a_target_goes_to_the_origin_in_one_spelling() {
    let origin = verifying(Dialect::S3);
    let world = edge(&config(origin.address), &policies("always", "s3"));
    for (written, sent) in [
        ("/a%20b", "/bucket/a%20b"),
        ("/a+b", "/bucket/a%2Bb"),
        ("/%61%2bb", "/bucket/a%2Bb"),
        ("/%c3%a9", "/bucket/%C3%A9"),
        ("/\u{e9}", "/bucket/%C3%A9"),
        ("/a//b/", "/bucket/a//b/"),
        ("/a/../b/./c", "/bucket/a/../b/./c"),
        ("/a%2Fb", "/bucket/a/b"),
        ("/100%zz", "/bucket/100%25zz"),
        ("/a'(b)*!~", "/bucket/a%27%28b%29%2A%21~"),
        ("/q?b=+&a=%7e&c", "/bucket/q?b=%2B&a=~&c"),
    ] {
        let answer = world.get(written, &[]);
        assert_eq!(answer.status, 200, "{written}: {}", answer.text());
        assert_eq!(origin.last().target, sent, "{written}");
    }
}

/// An S3 origin that is a bucket of the installation.
fn bucket_config() -> Value {
    let mut config = distribution("127.0.0.1:1".parse().unwrap());
    config["Origins"]["Items"][0] = json!({
        "Id": "main",
        "DomainName": "site.s3.eu-west-1.amazonaws.com",
        "S3OriginConfig": { "OriginAccessIdentity": "" },
    });
    config["DefaultCacheBehavior"]["OriginRequestPolicyId"] = json!(ALL_VIEWER);
    config
}

fn announce(policies: &mut Policies, endpoint: String) {
    let bucket = Bucket {
        node: "node".to_owned(),
        endpoint,
        region: "eu-west-1".to_owned(),
    };
    policies.private.buckets.insert("site".to_owned(), bucket);
}

/// The secret that a bucket of the installation of these tests expects.
fn derived(asker: &Asker) -> String {
    let secrets = secrets::Secrets::new([7; secrets::KEY_BYTES]);
    let secret = secrets.derive(&asker.purpose(), 0);
    secret.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_bucket_of_the_installation_is_asked_where_it_is_kept_in_the_distributions_name() {
    let origin = Origin::fixed("200 OK", &[("Cache-Control", "no-store")], "");
    let mut policies = policies("always", "s3");
    announce(&mut policies, format!("http://{}", origin.address));
    let host = Some("site.s3.eu-west-1.amazonaws.com");
    let mut config = bucket_config();
    // Without a control anybody's request goes there, and the bucket decides.
    let world = World::with(&config, &policies, |_| {});
    assert_eq!(world.get("/a", &[]).status, 200);
    assert_eq!(origin.last().get("host"), host);
    assert_eq!(origin.last().get("authorization"), None);
    let identity = json!("origin-access-identity/cloudfront/EOAI");
    for (control, identity, asker) in [
        (
            json!("EOAC"),
            json!(""),
            Asker::Distribution("ETEST".to_owned()),
        ),
        (json!(""), identity, Asker::Identity("EOAI".to_owned())),
    ] {
        config["Origins"]["Items"][0]["OriginAccessControlId"] = control;
        config["Origins"]["Items"][0]["S3OriginConfig"]["OriginAccessIdentity"] = identity;
        let world = World::with(&config, &policies, |_| {});
        assert_eq!(world.get("/a", &[("Host", "site.test")]).status, 200);
        let asked = origin.last();
        assert_eq!(asked.get("host"), host);
        let presented = verified(&asked, &derived(&asker), Dialect::S3).unwrap();
        assert_eq!(presented.credential.access_key_id, asker.access_key_id());
        assert_eq!(presented.credential.region.as_deref(), Some("eu-west-1"));
    }
}

#[test]
fn a_tenant_asks_in_the_name_of_its_template() {
    let mut policies = policies("always", "s3");
    announce(&mut policies, "http://127.0.0.1:4566".to_owned());
    let mut config = bucket_config();
    config["Origins"]["Items"][0]["OriginAccessControlId"] = json!("EOAC");
    let config = shapes::from_value(&config).unwrap();
    let site = compile_tenant("dt_1", "ETEMPLATE", &config, &policies).unwrap();
    assert_eq!(site.id, "dt_1");
    let access = site.origins[0].access.as_ref().unwrap();
    let text = format!("{:?}", access.key);
    assert!(
        text.contains("ETEMPLATE") && !text.contains("dt_1"),
        "{text}"
    );
}

#[test]
fn what_is_wrong_with_an_access_is_told_at_the_member() {
    let wrong = |change: &dyn Fn(&mut Value), policies: &Policies| {
        let mut config = bucket_config();
        change(&mut config["Origins"]["Items"][0]);
        let config = shapes::from_value(&config).unwrap();
        let errors = compile("E1", "d1.test", &config, policies).unwrap_err();
        errors[0].to_string()
    };
    let s3 = policies("always", "s3");
    let control = |id: &'static str| move |o: &mut Value| o["OriginAccessControlId"] = json!(id);
    let identity = |path: &'static str| {
        move |o: &mut Value| o["S3OriginConfig"]["OriginAccessIdentity"] = json!(path)
    };
    let at = "DistributionConfig.Origins.Items[0].";
    for (told, want) in [
        (
            wrong(&control("EX"), &s3),
            "OriginAccessControlId: 'EX' is no",
        ),
        (
            wrong(&identity("origin-access-identity/cloudfront/EX"), &s3),
            "S3OriginConfig.OriginAccessIdentity: 'EX' is no",
        ),
        (
            wrong(&identity("EOAI"), &s3),
            "S3OriginConfig.OriginAccessIdentity: 'EOAI' is not",
        ),
        (
            wrong(&control("EOAC"), &policies("always", "lambda")),
            "OriginAccessControlId: 'EOAC' is for lambda",
        ),
        (
            wrong(&control("EOAC"), &policies("always-amz-auth", "s3")),
            "OriginAccessControlId: 'EOAC' is always-amz-auth",
        ),
    ] {
        let want = format!("{at}{want}");
        assert!(told.starts_with(&want), "{told}\n{want}");
    }
    let mut lost = policies("always", "s3");
    announce(&mut lost, "nowhere".to_owned());
    let told = wrong(&|_| {}, &lost);
    assert!(
        told.starts_with(&format!("{at}DomainName: its bucket")),
        "{told}"
    );
}

/// An S3 server that we did not write, on a directory with the bucket `bucket`. It takes nothing
/// that is not signed with [`SECRET`].
fn s3_server(directory: &std::path::Path) -> Origin {
    std::fs::create_dir(directory.join("bucket")).unwrap();
    let files = s3s_fs::FileSystem::new(directory).unwrap();
    let mut builder = s3s::service::S3ServiceBuilder::new(files);
    builder.set_auth(s3s::auth::SimpleAuth::from_single("AKIATEST", SECRET));
    let service = builder.build();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = Arc::new(runtime.unwrap());
    Origin::scripted(move |asked, _, stream| {
        let mut request = http::Request::builder()
            .method(asked.method.as_str())
            .uri(asked.target.as_str());
        for (name, value) in &asked.fields {
            request = request.header(name.as_str(), value.as_str());
        }
        let request = request.body(s3s::Body::from(asked.body.clone())).unwrap();
        let answer = runtime.block_on(async {
            let (head, body) = service.call(request).await.unwrap().into_parts();
            (head, body.collect().await.unwrap().to_bytes())
        });
        write_answer(asked, answer, stream)
    })
}

fn write_answer(
    asked: &Asked,
    (head, body): (http::response::Parts, bytes::Bytes),
    stream: &mut std::net::TcpStream,
) -> bool {
    let mut text = format!("HTTP/1.1 {}\r\n", head.status);
    let mut has_length = false;
    for (name, value) in &head.headers {
        if name == http::header::TRANSFER_ENCODING {
            continue;
        }
        has_length |= name == http::header::CONTENT_LENGTH;
        text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    let is_bodiless = head.status == 304 || head.status == 204;
    if !has_length && !is_bodiless {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    let mut bytes = (text + "\r\n").into_bytes();
    if asked.method != "HEAD" {
        bytes.extend_from_slice(&body);
    }
    stream.write_all(&bytes).is_ok()
}

fn edge_with_the_time(config: &Value, secret: &str) -> World {
    World::with(config, &policies("always", "s3"), |settings| {
        let key = OriginKey::parse(&format!("eu-west-1 AKIATEST {secret}")).unwrap();
        settings.origin_keys.insert("127.0.0.1", key);
        settings.clock = Clock::system();
    })
}

#[test]
fn a_foreign_s3_server_takes_what_we_sign_whatever_the_key_is_called() {
    let directory = tempfile::tempdir().unwrap();
    let server = s3_server(directory.path());
    let mut config = config(server.address);
    // So that viewers' own ranges get there.
    config["DefaultCacheBehavior"]["CachePolicyId"] = json!(CACHING_DISABLED);
    let world = edge_with_the_time(&config, SECRET);
    for (number, (put, get)) in [
        ("/plain.txt", "/plain.txt"),
        ("/a%20b", "/a%20b"),
        ("/with+plus", "/with%2Bplus"),
        ("/with%2Bplus2", "/with+plus2"),
        ("/\u{e9}t\u{e9}", "/%C3%A9t%c3%a9"),
        ("/%E6%97%A5%E6%9C%AC", "/\u{65e5}\u{672c}"),
        ("/deep/er/file", "/deep%2Fer%2ffile"),
        ("/100%25", "/100%"),
        ("/a'(b)!~@$,;=&", "/a%27%28b%29%21%7E%40%24%2C%3B%3D%26"),
    ]
    .into_iter()
    .enumerate()
    {
        let body = format!("body {number}");
        let answer = upload(
            &world,
            "PUT",
            put,
            "Content-Type: text/x\r\n",
            body.as_bytes(),
        );
        assert_eq!(answer.status, 200, "{put}: {}", answer.text());
        for target in [put, get] {
            let answer = world.get(target, &[]);
            assert_eq!(
                (answer.status, answer.text()),
                (200, body.clone()),
                "{target}"
            );
        }
        let answer = world.get(get, &[("Range", "bytes=5-")]);
        assert_eq!(
            (answer.status, answer.text()),
            (206, number.to_string()),
            "{get}"
        );
        assert_eq!(world.ask("HEAD", get, &[]).status, 200);
        assert_eq!(world.ask("DELETE", get, &[]).status, 204);
    }
}

#[test]
fn a_foreign_s3_server_takes_our_signatures_of_keys_that_no_file_system_has() {
    let directory = tempfile::tempdir().unwrap();
    let server = s3_server(directory.path());
    let world = edge_with_the_time(&config(server.address), SECRET);
    for target in [
        "/a//b",
        "//",
        "/a/../b",
        "/a/./b",
        "/..%2f..%2fetc/passwd",
        "/%00",
        "/%ff%fe",
        "/a?versionId=1&x=%20+",
        "/?list-type=2&prefix=a%20b",
    ] {
        let answer = world.get(target, &[]);
        let text = answer.text();
        assert!(!text.contains("SignatureDoesNotMatch"), "{target}: {text}");
        assert!(!text.contains("AccessDenied"), "{target}: {text}");
    }
}

#[test]
fn a_foreign_s3_server_refuses_another_secret_and_no_signature() {
    let directory = tempfile::tempdir().unwrap();
    let server = s3_server(directory.path());
    std::fs::write(directory.path().join("bucket/a"), "secret").unwrap();
    let mut config = config(server.address);
    assert_eq!(
        edge_with_the_time(&config, SECRET).get("/a", &[]).text(),
        "secret"
    );
    let answer = edge_with_the_time(&config, "wrong").get("/a", &[]);
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("SignatureDoesNotMatch"));
    config["Origins"]["Items"][0]["OriginAccessControlId"] = json!("");
    assert_eq!(
        edge_with_the_time(&config, SECRET).get("/a", &[]).status,
        403
    );
}

#[test]
fn a_foreign_s3_server_compares_the_hash_that_a_viewer_said_with_the_body() {
    let directory = tempfile::tempdir().unwrap();
    let server = s3_server(directory.path());
    let world = edge_with_the_time(&config(server.address), SECRET);
    let said = format!(
        "x-amz-content-sha256: {}\r\n",
        sigv4::payload_hash(b"hello")
    );
    assert_eq!(upload(&world, "PUT", "/a", &said, b"hello").status, 200);
    assert_eq!(world.get("/a", &[]).text(), "hello");
    let refused = upload(&world, "PUT", "/b", &said, b"other");
    assert!(refused.status >= 400, "{}", refused.text());
    assert_eq!(world.get("/b", &[]).status, 404);
}

#[test]
fn chunks_with_checksums_reach_a_foreign_s3_server_as_the_object_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let server = s3_server(directory.path());
    let world = edge_with_the_time(&config(server.address), SECRET);
    let fields = "Content-Encoding: aws-chunked\r\nX-Amz-Decoded-Content-Length: 5\r\n\
                  X-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n\
                  X-Amz-Trailer: x-amz-checksum-crc32\r\n";
    let body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    let answer = upload(&world, "PUT", "/a", fields, body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(world.get("/a", &[]).text(), "hello");
}
