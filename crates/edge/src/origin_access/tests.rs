use message::Version;
use origin::{Protocol, Scheme};
use sigv4::{Terms, Verifier};

use super::*;
use crate::site::AccessKey;

const NOW_SECS: u64 = 1_700_000_000;
const HASH: &str = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08";

fn access(signing: Signing, service: Service) -> OriginAccess {
    OriginAccess {
        signing,
        service,
        key: AccessKey::Setting("origin.test".to_owned()),
    }
}

fn key() -> OriginKey {
    OriginKey::parse("eu-west-1 AKIA secret").unwrap()
}

fn viewer(fields: &[(&str, &str)]) -> RequestHead {
    let mut head = RequestHead::default();
    head.start(b"PUT", b"/a", Version::Http11);
    for (name, value) in fields {
        head.push(name.as_bytes(), value.as_bytes());
    }
    head
}

struct Endless;

impl BodySource for Endless {
    fn poll_data(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Pending
    }
}

fn stream() -> RequestBody {
    RequestBody::Stream {
        length: None,
        body: Box::new(Endless),
    }
}

/// A request to S3 as the edge sends it.
fn signed(access: &OriginAccess, target: &str, fields: &[(&str, &str)]) -> OriginRequest {
    let mut all = Fields::new();
    all.push(b"Host", b"origin.test");
    for (name, value) in fields {
        all.push(name.as_bytes(), value.as_bytes());
    }
    let mut request = OriginRequest {
        method: Method::Get,
        scheme: Scheme::Http,
        protocol: Protocol::Http1,
        target: spelling::respell(target.as_bytes(), access.service),
        fields: all,
        sni: None,
        body: RequestBody::Empty,
        upgrade: false,
    };
    purge(access, &viewer(&[]), EMPTY_SHA256, &mut request.fields);
    sign(access, &key(), NOW_SECS, &mut request);
    request
}

/// What a server thinks of it.
fn verdict(request: &OriginRequest, dialect: Dialect) -> Result<Vec<String>, String> {
    let target = std::str::from_utf8(&request.target).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<(&str, &[u8])> = request
        .fields
        .iter()
        .map(|(name, value)| (std::str::from_utf8(name).unwrap(), value))
        .collect();
    let parts = sigv4::Request {
        method: request.method.as_str(),
        path,
        query,
        headers: &headers,
        body: b"",
    };
    let presented = sigv4::parse(&parts).map_err(|error| error.to_string())?;
    let terms = Terms {
        now_secs: NOW_SECS,
        dialect,
        region: "eu-west-1",
    };
    Verifier::default()
        .verify(&parts, &presented, "secret", &terms)
        .map_err(|error| error.to_string())?;
    Ok(presented.signed_headers)
}

#[test]
fn a_request_is_signed_with_host_type_and_amz_fields_alone() {
    let access = access(Signing::Always, Service::S3);
    let fields = [
        ("Content-Type", "text/plain"),
        ("X-Amz-Meta-A", "1  2"),
        ("X-Amz-Cf-Id", "id"),
        ("Range", "bytes=0-9"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("User-Agent", "Amazon CloudFront"),
    ];
    let request = signed(&access, "/a b+c/é//../?x=%2f&acl", &fields);
    assert_eq!(request.target, b"/a%20b%2Bc/%C3%A9//../?x=%2F&acl".to_vec());
    let covered = verdict(&request, Dialect::S3).unwrap();
    assert_eq!(
        covered,
        [
            "content-type",
            "host",
            "x-amz-cf-id",
            "x-amz-content-sha256",
            "x-amz-date",
            "x-amz-meta-a"
        ]
    );
    let mut changed = signed(&access, "/a", &fields);
    changed.fields.set("x-amz-meta-a", b"3");
    verdict(&changed, Dialect::S3).unwrap_err();
}

#[test]
fn nothing_that_a_viewer_says_of_a_signature_is_left() {
    let access = access(Signing::Always, Service::S3);
    let request = signed(
        &access,
        "/a?X-Amz-Signature=00&b=1",
        &[
            ("Authorization", "AWS4-HMAC-SHA256 Credential=theirs"),
            ("AUTHORIZATION", "Basic x"),
            ("X-AMZ-DATE", "20000101T000000Z"),
            ("x-amz-security-token", "theirs"),
            ("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"),
            ("x-amz-source-arn", "arn:aws:cloudfront::1:distribution/E1"),
            ("X-Amz-Source-Account", "1"),
            ("x-amz-region-set", "*"),
        ],
    );
    assert_eq!(request.target, b"/a?b=1".to_vec());
    let names: Vec<String> = request
        .fields
        .iter()
        .map(|(name, _)| String::from_utf8_lossy(name).to_lowercase())
        .collect();
    assert_eq!(
        names,
        [
            "host",
            "x-amz-content-sha256",
            "x-amz-date",
            "authorization"
        ]
    );
    let authorization = request.fields.get("authorization").unwrap();
    let start = b"AWS4-HMAC-SHA256 Credential=AKIA/20231114/eu-west-1/s3/aws4_request";
    assert!(authorization.starts_with(start));
    verdict(&request, Dialect::S3).unwrap();
}

#[test]
fn a_sessions_token_is_sent_and_covered() {
    let access = access(Signing::Always, Service::S3);
    let mut request = signed(&access, "/a", &[("x-amz-security-token", "theirs")]);
    purge(&access, &viewer(&[]), EMPTY_SHA256, &mut request.fields);
    let key = OriginKey::parse("eu-west-1 ASIA secret ours").unwrap();
    sign(&access, &key, NOW_SECS, &mut request);
    let tokens: Vec<&[u8]> = request.fields.get_all("x-amz-security-token").collect();
    assert_eq!(tokens, [b"ours"]);
    let covered = verdict(&request, Dialect::S3).unwrap();
    assert!(covered.contains(&"x-amz-security-token".to_owned()));
}

#[test]
fn lambda_is_signed_for_by_the_common_rules() {
    let access = access(Signing::Always, Service::Lambda);
    let request = signed(
        &access,
        "/a%2Fb//c+d?e=f g",
        &[("Authorization", "Bearer x")],
    );
    assert_eq!(request.target, b"/a%2Fb//c%2Bd?e=f%20g".to_vec());
    verdict(&request, Dialect::Common).unwrap();
}

#[test]
fn always_amz_auth_leaves_authorization_to_the_viewer() {
    let access = access(Signing::AlwaysAmzAuth, Service::Lambda);
    for target in ["/a?b=1&X-Amz-Expires=604800", "/a"] {
        let mut request = signed(&access, target, &[("Authorization", "Bearer x")]);
        assert_eq!(request.fields.get("authorization"), Some(&b"Bearer x"[..]));
        let text = String::from_utf8(request.target.clone()).unwrap();
        assert!(text.contains("X-Amz-Expires=300&"), "{text}");
        // A verifier that looks at the query sees a good signature there.
        request.fields.remove("authorization");
        verdict(&request, Dialect::Common).unwrap();
    }
}

#[test]
fn what_is_said_of_a_body_is_what_is_known_of_it() {
    let s3 = access(Signing::Always, Service::S3);
    let lambda = access(Signing::Always, Service::Lambda);
    let said = |access, form: &str, body| {
        let viewer = viewer(&[("X-Amz-Content-Sha256", form)]);
        payload(access, &viewer, &body, None).map(Cow::into_owned)
    };
    let lower = HASH.to_lowercase();
    assert_eq!(said(&s3, HASH, stream()), Ok(lower.clone()));
    assert_eq!(said(&lambda, HASH, stream()), Ok(lower));
    for unknown in ["", "UNSIGNED-PAYLOAD", &HASH[1..], "STREAMING"] {
        assert_eq!(
            said(&s3, unknown, stream()),
            Ok(UNSIGNED_PAYLOAD.to_owned())
        );
    }
    assert_eq!(
        said(&s3, UNSIGNED_CHUNKS, stream()),
        Ok(UNSIGNED_CHUNKS.to_owned())
    );
    let chunks = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    for (access, form) in [(&s3, chunks), (&lambda, chunks), (&lambda, UNSIGNED_CHUNKS)] {
        let refused = said(access, form, stream());
        assert_eq!(refused, Err(NotSigned::ChunkSignatures), "{form}");
    }
    for form in [HASH, chunks, UNSIGNED_CHUNKS] {
        let empty = said(&s3, form, RequestBody::Empty);
        assert_eq!(empty, Ok(EMPTY_SHA256.to_owned()), "{form}");
    }
    let twice = viewer(&[
        ("x-amz-content-sha256", HASH),
        ("x-amz-content-sha256", HASH),
    ]);
    assert_eq!(
        payload(&s3, &twice, &stream(), None),
        Ok(UNSIGNED_PAYLOAD.into())
    );
    assert_eq!(
        payload(&lambda, &twice, &stream(), Some("00")),
        Ok("00".into())
    );
}

#[test]
fn chunks_with_checksums_keep_the_fields_that_tell_of_them() {
    let access = access(Signing::Always, Service::S3);
    let viewer = viewer(&[
        ("x-amz-decoded-content-length", "5"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
    ]);
    let mut fields = Fields::new();
    fields.push(b"Host", b"origin.test");
    let plain = fields.clone();
    purge(&access, &viewer, UNSIGNED_CHUNKS, &mut fields);
    assert_eq!(fields.get("x-amz-decoded-content-length"), Some(&b"5"[..]));
    assert!(fields.contains("x-amz-trailer"));
    let mut other = plain;
    purge(&access, &viewer, UNSIGNED_PAYLOAD, &mut other);
    assert!(!other.contains("x-amz-trailer"));
}

#[test]
fn the_room_for_bodies_is_bounded_and_given_back() {
    let used = Rc::default();
    let mut first = Room::new(&used);
    first.take(limits::SIGNED_BODIES_BYTES_MAX - 5).unwrap();
    let mut second = Room::new(&used);
    second.take(5).unwrap();
    assert_eq!(second.take(1), Err(NotSigned::NoRoom));
    drop(first);
    second.take(1).unwrap();
    drop(second);
    assert_eq!(used.get(), 0);
}
