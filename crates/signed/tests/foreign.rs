//! URLs and cookies that botocore's CloudFrontSigner and npm's @aws-sdk/cloudfront-signer made, as
//! fixtures/make.py has them made.

// Clippy sees a test only in what is marked as one.
#![allow(clippy::unwrap_used)]

use std::net::IpAddr;

use serde_json::Value;
use signed::{Grant, Presented, PublicKey, Refusal, Signers, ViewerUrl};

const START_SECS: u64 = 1_861_920_000;
const END_SECS: u64 = 1_893_456_000;

fn fixtures() -> (Signers, Vec<Value>) {
    let json: Value = serde_json::from_str(include_str!("fixtures/signers.json")).unwrap();
    let keys = json["keys"].as_object().unwrap().iter();
    let key = |pem: &Value| PublicKey::from_pem(pem.as_str().unwrap()).unwrap();
    let signers = Signers::new(keys.map(|(id, pem)| (id.clone(), key(pem))));
    (signers, json["cases"].as_array().unwrap().clone())
}

fn viewer_url(url: &str) -> ViewerUrl<'_> {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (host, rest) = rest.split_at(rest.find('/').unwrap());
    let (path, query) = rest.split_once('?').unwrap();
    ViewerUrl {
        is_https: scheme == "https",
        host: host.as_bytes(),
        path: path.as_bytes(),
        query: Some(query.as_bytes()),
    }
}

fn verify(case: &Value, url: &ViewerUrl<'_>, signers: &Signers) -> Result<Grant, Refusal> {
    match case["cookies"].as_object() {
        None => Presented::in_query(url.query.unwrap())
            .unwrap()?
            .verify(url, signers),
        Some(cookies) => {
            let cookie = |(name, value): (&String, &Value)| match value {
                Value::String(text) => format!("{name}={text}"),
                other => format!("{name}={other}"),
            };
            let field: Vec<_> = cookies.iter().map(cookie).collect();
            let field = field.join("; ");
            Presented::in_cookies([field.as_bytes()].into_iter())?.verify(url, signers)
        }
    }
}

#[test]
fn what_others_sign_is_accepted_for_its_time_and_network() {
    let (signers, cases) = fixtures();
    assert!(cases.len() > 20);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let url = viewer_url(case["url"].as_str().unwrap());
        let grant = verify(&case, &url, &signers).unwrap_or_else(|error| panic!("{name}: {error}"));
        let ask = |address: &str, secs| {
            let address: IpAddr = address.parse().unwrap();
            grant.admits(&url, address, secs)
        };
        assert_eq!(ask("192.0.2.7", END_SECS - 1), Ok(()), "{name}");
        assert_eq!(ask("192.0.2.7", END_SECS), Err(Refusal::Expired), "{name}");
        let has_more = name.contains("custom") && !name.contains("cookies");
        let expect = |refusal| if has_more { Err(refusal) } else { Ok(()) };
        let early = ask("192.0.2.7", START_SECS - 1);
        assert_eq!(early, expect(Refusal::NotYetValid), "{name}");
        let elsewhere = ask("198.51.100.7", END_SECS - 1);
        assert_eq!(elsewhere, expect(Refusal::Address), "{name}");
    }
}

#[test]
fn what_others_sign_is_refused_for_another_path_host_scheme_or_query() {
    let (signers, cases) = fixtures();
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let url = viewer_url(case["url"].as_str().unwrap());
        let query = [b"y=1&", url.query.unwrap()].concat();
        let is_for_all = name == "npm policy" || name == "npm custom cookies";
        for (what, other) in [
            (
                "path",
                ViewerUrl {
                    path: b"/b.jpg",
                    ..url
                },
            ),
            (
                "query",
                ViewerUrl {
                    query: Some(&query),
                    ..url
                },
            ),
            (
                "host",
                ViewerUrl {
                    host: b"other.example",
                    ..url
                },
            ),
            (
                "scheme",
                ViewerUrl {
                    is_https: !url.is_https,
                    ..url
                },
            ),
        ] {
            let address = "192.0.2.7".parse().unwrap();
            let verdict = verify(&case, &other, &signers)
                .and_then(|grant| grant.admits(&other, address, END_SECS - 1));
            let is_admitted = is_for_all && (what == "path" || what == "query");
            assert_eq!(verdict.is_ok(), is_admitted, "{name}, {what}: {verdict:?}");
        }
    }
}

#[test]
fn a_key_of_another_kind_or_the_other_digest_does_not_match() {
    let (signers, cases) = fixtures();
    for case in cases.iter().filter(|case| case["cookies"].is_null()) {
        let text = case["url"].as_str().unwrap();
        let other_key = match text.contains("=KRSA") {
            true => text.replace("=KRSA", "=KEC"),
            false => text.replace("=KEC", "=KRSA"),
        };
        let other_digest = match text.contains("&Hash-Algorithm=SHA256") {
            true => text.replace("&Hash-Algorithm=SHA256", "&Hash-Algorithm=SHA1"),
            false => format!("{text}&Hash-Algorithm=SHA256"),
        };
        for other in [other_key, other_digest] {
            let verdict = verify(case, &viewer_url(&other), &signers);
            assert_eq!(verdict.err(), Some(Refusal::SignatureMismatch), "{other}");
        }
    }
}
