//! The micro paths of a hit, one by one, for counting their instructions under callgrind:
//! `micro NAME ITERATIONS`. `bench/micro` compares the counts with those that are committed.

use std::hint::black_box;

use cache::headblock;
use cache::key::{CacheKey, KeyHasher};
use cache::object::{Meta, Object};
use cache::ram::RamStore;
use edge::key::{KeyMaterial, KeySource};
use edge::response_headers::ResponseHeaders;
use edge::site::{Policies, Site, compile};
use edge::{Dice, Viewer};
use message::http1::{Parsed, parse_request, write_status_line};
use message::{Fields, Known, RequestHead};
use serde_json::json;

const REQUEST: &[u8] = b"GET /assets/app.3f2a9c.js?v=2 HTTP/1.1\r\n\
    Host: www.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: */*\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br\r\n\
    Referer: https://www.example.com/\r\n\
    Cookie: session=0123456789abcdef; theme=dark\r\n\
    Connection: keep-alive\r\n\r\n";

/// UseOriginCacheControlHeaders-QueryStrings: the default of `--origin`, and the longest key.
const CACHE_POLICY: &str = "4cc15a8a-d715-48a4-82b8-cc0b614638fe";
/// CORS-with-preflight-and-SecurityHeadersPolicy.
const RESPONSE_HEADERS_POLICY: &str = "eaab4381-ed33-4a86-88ca-d9558dc6cd63";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(name), Some(count)) = (
        arguments.first(),
        arguments.get(1).and_then(|count| count.parse().ok()),
    ) else {
        eprintln!("usage: micro parse|key|lookup|head|policy|id ITERATIONS");
        std::process::exit(2);
    };
    match name.as_str() {
        "parse" => parse(count),
        "key" => key(count),
        "lookup" => lookup(count),
        "head" => head(count),
        "policy" => policy(count),
        "id" => id(count),
        other => {
            eprintln!("micro: no path '{other}'");
            std::process::exit(2);
        }
    }
}

/// A request head off the wire.
fn parse(count: u64) {
    let mut request = RequestHead::default();
    for _ in 0..count {
        let parsed = parse_request(black_box(REQUEST), &mut request);
        assert!(matches!(black_box(parsed), Ok(Parsed::Complete { .. })));
    }
}

/// The parts of a key, and its hash.
fn key(count: u64) {
    let (site, request) = (site(), request());
    let hasher = KeyHasher::new([7; 16]);
    let viewer = Viewer::new(([192, 0, 2, 1], 4711).into());
    let behavior = &site.behaviors[0];
    let (mut material, mut scratch) = (KeyMaterial::default(), Vec::new());
    for _ in 0..count {
        material.bytes.clear();
        let encodings = behavior
            .key
            .encoding
            .normalise(request.known(Known::AcceptEncoding));
        let source = KeySource {
            distribution: &site.id,
            request: black_box(&request),
            path: request.path(),
            encodings,
            viewer: &viewer,
        };
        behavior.key.write(source, &mut scratch, &mut material);
        black_box(hasher.key(&material.bytes));
    }
}

/// The store asked for an object that it has.
fn lookup(count: u64) {
    let store = RamStore::new(256 << 20, 64);
    let keys: Vec<CacheKey> = (0..1_000u128)
        .map(|number| CacheKey::from_bits(number << 64 | number.wrapping_mul(0x9e37_79b9)))
        .collect();
    for key in &keys {
        let object = Object::new(&Meta::new(*key), b"/path", b"", b"head", &[b"body"]);
        store.insert(object.expect("a small object"));
    }
    for index in 0..count {
        let found = store.get(&keys[index as usize % keys.len()]);
        assert!(black_box(found).is_some());
    }
}

/// A stored head written as HTTP/1.1.
fn head(count: u64) {
    let block = headblock::encode(&stored_fields());
    let mut out = Vec::with_capacity(1_024);
    for _ in 0..count {
        out.clear();
        write_status_line(200, &mut out);
        headblock::write_wire(black_box(&block), &mut out);
        black_box(&out);
    }
}

/// A response headers policy applied to a stored head.
fn policy(count: u64) {
    let policies = Policies::managed();
    let config = policies
        .response_headers(RESPONSE_HEADERS_POLICY)
        .expect("a managed policy");
    let policy = ResponseHeaders::compile(config).expect("a managed policy compiles");
    let (request, stored) = (request(), stored_fields());
    let mut fields = Fields::with_capacity(2_048);
    for _ in 0..count {
        fields.clear();
        fields.extend_from(&stored);
        policy.apply(black_box(&request), &mut fields);
        black_box(&fields);
    }
}

/// A request id.
fn id(count: u64) {
    let dice = Dice::new(7);
    for _ in 0..count {
        black_box(dice.request_id());
    }
}

fn request() -> RequestHead {
    let mut request = RequestHead::default();
    parse_request(REQUEST, &mut request).expect("a good request");
    request
}

fn stored_fields() -> Fields {
    [
        ("Server", "nginx"),
        ("Date", "Tue, 14 Nov 2023 22:13:20 GMT"),
        ("Content-Type", "text/javascript"),
        ("Last-Modified", "Tue, 14 Nov 2023 20:00:00 GMT"),
        ("ETag", "\"6553d0a0-1f4\""),
        ("Cache-Control", "public, max-age=31536000, immutable"),
        ("Accept-Ranges", "bytes"),
        ("Vary", "Accept-Encoding"),
    ]
    .into_iter()
    .collect()
}

fn site() -> Site {
    let config = json!({
        "CallerReference": "micro", "Comment": "", "Enabled": true,
        "Origins": { "Quantity": 1, "Items": [{
            "Id": "main", "DomainName": "origin.test",
            "CustomOriginConfig": {
                "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only",
            },
        }]},
        "DefaultCacheBehavior": {
            "TargetOriginId": "main",
            "ViewerProtocolPolicy": "allow-all",
            "CachePolicyId": CACHE_POLICY,
        },
    });
    let config = shapes::from_value(&config).expect("a good distribution");
    compile("EMICRO", "dmicro.test", &config, &Policies::managed()).expect("a good distribution")
}
