//! What is written is read as it was: every structure through XML, every operation through HTTP.

// A helper that cannot go on fails the test that called it.
#![allow(clippy::unwrap_used)]

mod documents;

use documents::{documents, samples, structures};
use proptest::prelude::*;
use serde_json::{Value, json};
use shapes::cloudfront::DistributionConfig;
use shapes::rest::{Router, read_request, read_response, write_request, write_response};
use shapes::schema::{Kind, Location, Service, Shape};
use shapes::{
    Decoded, Structure, acm, check_types, cloudfront, cloudfront_keyvaluestore, cloudtrail,
    route53, xml,
};

const SERVICES: [&Service; 5] = [
    &acm::SERVICE,
    &cloudfront::SERVICE,
    &cloudfront_keyvaluestore::SERVICE,
    &cloudtrail::SERVICE,
    &route53::SERVICE,
];

#[test]
fn every_structure_of_cloudfront_is_read_from_xml_as_it_was_written() {
    let structures = structures(&cloudfront::SERVICE);
    assert!(structures.len() > 400, "{}", structures.len());
    for shape in structures {
        for mut document in samples(shape, 8) {
            keep_body(shape, &mut document);
            assert_read_as_written(shape, &document);
        }
    }
}

#[test]
fn every_request_is_routed_and_read_as_it_was_written() {
    for service in SERVICES {
        let router = Router::new(service);
        for operation in service.operations {
            let inputs = match &operation.input {
                Some(input) => samples(input.shape, 8),
                None => vec![json!({})],
            };
            for mut input in inputs {
                if let Some(carried) = &operation.input {
                    fill_placeholders(carried.shape, &mut input);
                }
                let request = write_request(operation, &input);
                let (path, query) = request
                    .target
                    .split_once('?')
                    .unwrap_or((&request.target, ""));
                let mut found = router.find(request.method, path, query).unwrap();
                // A header says which one it is, where all are at one path.
                if service.target_prefix.is_some() {
                    found.operation = operation;
                }
                assert_eq!(found.operation.name, operation.name, "{}", request.target);
                let headers = borrowed(&request.headers);
                let read = read_request(&found, query, &headers, &request.body);
                assert_eq!(read, Ok(input), "{}", operation.name);
            }
        }
    }
}

#[test]
fn every_response_is_read_as_it_was_written() {
    for service in SERVICES {
        for operation in service.operations {
            let Some(carried) = &operation.output else {
                let response = write_response(operation, &json!({}));
                assert_eq!(response.body, b"");
                assert_eq!(response.content_type, None);
                continue;
            };
            for output in samples(carried.shape, 8) {
                let response = write_response(operation, &output);
                assert_eq!(response.status, operation.status);
                let mut headers = borrowed(&response.headers);
                if let Some(content_type) = &response.content_type {
                    headers.push(("content-type", content_type));
                }
                let read = read_response(operation, &headers, &response.body).unwrap();
                assert_eq!(read, expected(operation.name, output), "{}", operation.name);
            }
        }
    }
}

/// HTTP cannot tell an empty body from none, and states a type for every body.
fn expected(operation: &str, mut output: Value) -> Value {
    let code = match operation {
        "GetFunction" => "FunctionCode",
        "GetConnectionFunction" => "ConnectionFunctionCode",
        _ => return output,
    };
    if output.get(code) == Some(&json!("")) {
        output.as_object_mut().unwrap().remove(code);
    }
    if output.get("ContentType").is_none() && output.get(code).is_some() {
        output["ContentType"] = json!("application/octet-stream");
    }
    output
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn distributions_are_read_from_xml_as_they_were_written(
        document in documents(DistributionConfig::SHAPE),
    ) {
        assert_read_as_written(DistributionConfig::SHAPE, &document);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, text in "[<>/&;!?a-c \\[\\]\"'=#x-]{0,64}") {
        let _ = xml::read(DistributionConfig::SHAPE, "a", &bytes);
        let _ = xml::read(DistributionConfig::SHAPE, "a", text.as_bytes());
    }

    #[test]
    fn whatever_the_text_is_the_document_can_be_read(text: String) {
        let document = json!({"CallerReference": text, "Paths": {"Quantity": 0}});
        let shape = cloudfront::InvalidationBatch::SHAPE;
        let written = xml::write(shape, "InvalidationBatch", None, &document);
        let read = xml::read(shape, "InvalidationBatch", &written).unwrap();
        let is_lost = |c: char| matches!(c, '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
            && !matches!(c, '\t' | '\n' | '\r');
        let kept: String = text.chars().map(|c| if is_lost(c) { '\u{fffd}' } else { c }).collect();
        prop_assert_eq!(&read.value["CallerReference"], &json!(kept));
    }
}

fn assert_read_as_written(shape: &'static Shape, document: &Value) {
    let namespace = Some("http://example.com/?a&b");
    let written = xml::write(shape, "Root", namespace, document);
    let read = xml::read(shape, "Root", &written);
    let expected = Decoded {
        value: document.clone(),
        unknown: Vec::new(),
    };
    let written = String::from_utf8_lossy(&written);
    assert_eq!(read, Ok(expected), "{}: {written}", shape.name);
}

/// Takes out what travels outside the body.
fn keep_body(shape: &'static Shape, document: &mut Value) {
    assert_eq!(check_types(shape, document), []);
    let Kind::Structure { members, .. } = shape.kind else {
        panic!("{} is no structure", shape.name)
    };
    for member in members.iter().filter(|m| m.location != Location::Body) {
        document.as_object_mut().unwrap().remove(member.name);
    }
}

/// A path has no empty segments.
fn fill_placeholders(shape: &'static Shape, document: &mut Value) {
    let Kind::Structure { members, .. } = shape.kind else {
        panic!("{} is no structure", shape.name)
    };
    for member in members.iter().filter(|m| m.location == Location::Uri) {
        if document[member.name] == json!("") {
            document[member.name] = json!("E1/é");
        }
    }
}

fn borrowed(headers: &[(String, String)]) -> Vec<(&str, &str)> {
    let headers = headers.iter();
    headers
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}
