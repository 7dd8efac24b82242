//! What botocore sends is read, and what we answer is what botocore was shown to understand.
//!
//! `fixtures/with_botocore.py` makes the requests and checks the responses.

// A helper that cannot go on fails the test that called it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use shapes::rest::{Router, read_request, write_request, write_response};
use shapes::schema::{Kind, Operation, Service, Shape};
use shapes::{acm, cloudfront, cloudfront_keyvaluestore, cloudtrail, route53};

const REQUESTS: &str = include_str!("fixtures/requests.json");
const RESPONSES: &str = include_str!("fixtures/responses.json");

#[derive(Deserialize)]
struct Sent {
    service: String,
    operation: String,
    input: Value,
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
}

#[test]
fn every_request_of_botocore_is_read_as_what_it_was_asked_to_send() {
    let requests: Vec<Sent> = serde_json::from_str(REQUESTS).unwrap();
    assert_eq!(requests.len(), 269);
    for sent in requests {
        let name = &sent.operation;
        let router = Router::new(service(&sent.service));
        let mut found = router.find(&sent.method, &sent.path, &sent.query).unwrap();
        if let Some(prefix) = service(&sent.service).target_prefix {
            let mut headers = sent.headers.iter();
            let target = headers.find(|(name, _)| name == "X-Amz-Target").unwrap();
            let target = target.1.strip_prefix(prefix).unwrap();
            let target = target.strip_prefix('.').unwrap();
            found.operation = service(&sent.service).operation(target).unwrap();
        }
        assert_eq!(found.operation.name, name);
        let headers: Vec<_> = (sent.headers.iter())
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let read = read_request(&found, &sent.query, &headers, sent.body.as_bytes());
        assert_eq!(read.as_ref(), Ok(&sent.input), "{name}");

        let target = write_request(found.operation, &sent.input).target;
        let path = target.split('?').next();
        assert_eq!(path, Some(sent.path.as_str()), "{name}");
    }
}

/// `UPDATE_FIXTURES=1` writes the file anew; then `with_botocore.py check` has to pass.
#[test]
fn responses_are_those_that_botocore_understands() {
    let lines: Vec<_> = outputs().iter().map(Value::to_string).collect();
    let responses = format!("[\n{}\n]\n", lines.join(",\n"));
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/responses.json");
        std::fs::write(path, &responses).unwrap();
    } else {
        assert!(
            responses == RESPONSES,
            "fixtures/responses.json is not what is written now"
        );
    }
}

/// A response with every member, once for each content that responses have.
fn outputs() -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let mut outputs = Vec::new();
    for name in [
        "acm",
        "cloudfront",
        "cloudfront-keyvaluestore",
        "cloudtrail",
        "route53",
    ] {
        for operation in service(name).operations {
            if content(operation).is_none_or(|shape| !seen.insert(shape.name)) {
                continue;
            }
            let output = whole(operation.output.as_ref().unwrap().shape);
            let response = write_response(operation, &output);
            outputs.push(json!({
                "service": name,
                "operation": operation.name,
                "output": output,
                "status": response.status,
                "headers": response.headers,
                "content_type": response.content_type,
                "body": String::from_utf8(response.body).unwrap(),
            }));
        }
    }
    outputs
}

/// What is in the body of an operation's response.
fn content(operation: &Operation) -> Option<&'static Shape> {
    let shape = operation.output.as_ref()?.shape;
    let Kind::Structure {
        members, payload, ..
    } = shape.kind
    else {
        return None;
    };
    let payload = payload.and_then(|name| members.iter().find(|member| member.name == name));
    Some(payload.map_or(shape, |member| member.shape))
}

/// A value with every member.
fn whole(shape: &Shape) -> Value {
    match shape.kind {
        Kind::Structure {
            members,
            is_union: true,
            ..
        } => {
            json!({members[0].name: whole(members[0].shape)})
        }
        Kind::Structure { members, .. } => {
            let members = members.iter();
            let members = members.map(|m| (m.name.to_owned(), whole(m.shape)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        Kind::List { item, .. } => json!([whole(item)]),
        Kind::String { choices: [], .. } => json!("a&b<c>\"d'é"),
        Kind::String { choices, .. } => json!(choices[0]),
        Kind::Integer => json!(7),
        Kind::Long => json!(1_i64 << 40),
        Kind::Float | Kind::Double => json!(2.25),
        Kind::Boolean => json!(true),
        Kind::Timestamp => json!("2020-05-31T12:34:56.250Z"),
        Kind::Blob => json!("PGNvZGU+"),
    }
}

fn service(name: &str) -> &'static Service {
    match name {
        "acm" => &acm::SERVICE,
        "cloudfront" => &cloudfront::SERVICE,
        "cloudfront-keyvaluestore" => &cloudfront_keyvaluestore::SERVICE,
        "cloudtrail" => &cloudtrail::SERVICE,
        "route53" => &route53::SERVICE,
        _ => panic!("{name} is no service"),
    }
}
