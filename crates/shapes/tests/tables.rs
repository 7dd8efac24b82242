//! The tables say what AWS's model says, and the structs what the tables say.

// A helper that cannot go on fails the test that called it.
#![allow(clippy::unwrap_used)]

mod documents;

use documents::documents;
use proptest::prelude::*;
use serde_json::{Value, json};
use shapes::cloudfront::{
    CachePolicyConfig, CreateDistributionWithTagsRequest, GetDistributionResult,
    OriginRequestPolicyConfig, ResponseHeadersPolicyConfig, SERVICE, TestFunctionRequest,
    TrafficConfig, error, shape,
};
use shapes::schema::{Kind, Location, Member, Operation, Protocol, Shape};
use shapes::{Structure, check_types, from_value, unknown_members};

#[test]
fn every_list_of_a_distribution_has_its_wire_name() {
    for (shape, expected) in [
        (&shape::ALIAS_LIST, "CNAME"),
        (&shape::ORIGIN_LIST, "Origin"),
        (&shape::ORIGIN_GROUP_LIST, "OriginGroup"),
        (&shape::ORIGIN_GROUP_MEMBER_LIST, "OriginGroupMember"),
        (&shape::STATUS_CODE_LIST, "StatusCode"),
        (&shape::ORIGIN_CUSTOM_HEADERS_LIST, "OriginCustomHeader"),
        (&shape::SSL_PROTOCOLS_LIST, "SslProtocol"),
        (&shape::CACHE_BEHAVIOR_LIST, "CacheBehavior"),
        (&shape::METHODS_LIST, "Method"),
        (&shape::HEADER_LIST, "Name"),
        (&shape::COOKIE_NAME_LIST, "Name"),
        (&shape::QUERY_STRING_CACHE_KEYS_LIST, "Name"),
        (&shape::CUSTOM_ERROR_RESPONSE_LIST, "CustomErrorResponse"),
        (&shape::LOCATION_LIST, "Location"),
        (&shape::FUNCTION_ASSOCIATION_LIST, "FunctionAssociation"),
        (&shape::AWS_ACCOUNT_NUMBER_LIST, "AwsAccountNumber"),
        (&shape::TRUSTED_KEY_GROUP_ID_LIST, "KeyGroup"),
        (&shape::PATH_LIST, "Path"),
        (&shape::TAG_LIST, "Tag"),
        (&shape::DOMAIN_LIST, "member"),
    ] {
        let Kind::List {
            wire_name,
            is_flattened,
            ..
        } = shape.kind
        else {
            panic!("{} is a list", shape.name)
        };
        assert_eq!(
            (wire_name, is_flattened),
            (expected, false),
            "{}",
            shape.name
        );
    }
}

#[test]
fn operations_say_how_http_carries_them() {
    assert_eq!(
        (SERVICE.name, SERVICE.api_version),
        ("cloudfront", "2020-05-31")
    );
    assert_eq!(SERVICE.protocol, Protocol::RestXml);
    assert_eq!(SERVICE.operations.len(), 167);

    let update = operation("UpdateDistribution");
    assert_eq!((update.method, update.status), ("PUT", 200));
    assert_eq!(update.uri, "/2020-05-31/distribution/{Id}/config");
    assert!(update.errors.contains(&&error::NO_SUCH_DISTRIBUTION));
    let input = update.input.as_ref().unwrap().shape;
    let Kind::Structure { payload, .. } = input.kind else {
        panic!("a structure")
    };
    assert_eq!(payload, Some("DistributionConfig"));
    let located = |name| (member(input, name).location, member(input, name).wire_name);
    assert_eq!(located("IfMatch"), (Location::Header, "If-Match"));
    assert_eq!(located("Id"), (Location::Uri, "Id"));
    let namespace = Some("http://cloudfront.amazonaws.com/doc/2020-05-31/");
    assert_eq!(SERVICE.xml_namespace, namespace);
    for body in [&update.input, &update.output] {
        assert_eq!(body.as_ref().unwrap().xml_namespace, namespace);
    }

    let root = operation("CreateVpcOrigin").input.as_ref().unwrap();
    assert_eq!(root.wire_name, "CreateVpcOriginRequest");
    assert_eq!(operation("CreateDistribution").status, 201);
    assert!(operation("DeleteDistribution").output.is_none());
}

#[test]
fn errors_carry_their_status() {
    for (error, code, status) in [
        (&error::NO_SUCH_DISTRIBUTION, "NoSuchDistribution", 404),
        (&error::CNAME_ALREADY_EXISTS, "CNAMEAlreadyExists", 409),
        (
            &error::INVALID_IF_MATCH_VERSION,
            "InvalidIfMatchVersion",
            400,
        ),
        (&error::PRECONDITION_FAILED, "PreconditionFailed", 412),
    ] {
        assert_eq!(
            (error.code, error.status, error.is_senders_fault),
            (code, status, true)
        );
    }
}

#[test]
fn old_settings_are_marked_deprecated_and_secrets_sensitive() {
    assert!(member(&shape::CACHE_BEHAVIOR, "ForwardedValues").is_deprecated);
    assert!(!member(&shape::CACHE_BEHAVIOR, "CachePolicyId").is_deprecated);
    assert!(shape::SENSITIVE_STRING_TYPE.is_sensitive);
    assert!(!shape::STRING.is_sensitive);
}

fn operation(name: &str) -> &'static Operation {
    SERVICE.operation(name).unwrap()
}

fn member(shape: &'static Shape, name: &str) -> &'static Member {
    let Kind::Structure { members, .. } = shape.kind else {
        panic!("{} is a list", shape.name)
    };
    members.iter().find(|member| member.name == name).unwrap()
}

/// Puts `wrong` in the place that `choice` leads to, if it leads to one.
fn spoil(value: &mut Value, mut choice: usize, wrong: Value) {
    let mut place = value;
    loop {
        let count = match place {
            Value::Object(object) => object.len(),
            Value::Array(items) => items.len(),
            _ => 0,
        };
        if count == 0 || choice == 0 {
            *place = wrong;
            return;
        }
        let next = choice % count;
        choice /= count;
        place = match place {
            Value::Object(object) => object.values_mut().nth(next).unwrap(),
            Value::Array(items) => &mut items[next],
            _ => return,
        };
    }
}

fn agrees<T: Structure>(document: &Value) -> Result<(), TestCaseError> {
    prop_assert_eq!(check_types(T::SHAPE, document), []);
    prop_assert_eq!(unknown_members(T::SHAPE, document), [""; 0]);
    let structure: T = from_value(document).unwrap();
    prop_assert_eq!(&serde_json::to_value(&structure).unwrap(), document);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn documents_that_the_tables_allow_are_read_and_written_back(
        distribution in documents(GetDistributionResult::SHAPE),
        request in documents(CreateDistributionWithTagsRequest::SHAPE),
        cache_policy in documents(CachePolicyConfig::SHAPE),
        origin_request_policy in documents(OriginRequestPolicyConfig::SHAPE),
        response_headers_policy in documents(ResponseHeadersPolicyConfig::SHAPE),
        traffic in documents(TrafficConfig::SHAPE),
        function_test in documents(TestFunctionRequest::SHAPE),
    ) {
        agrees::<GetDistributionResult>(&distribution)?;
        agrees::<CreateDistributionWithTagsRequest>(&request)?;
        agrees::<CachePolicyConfig>(&cache_policy)?;
        agrees::<OriginRequestPolicyConfig>(&origin_request_policy)?;
        agrees::<ResponseHeadersPolicyConfig>(&response_headers_policy)?;
        agrees::<TrafficConfig>(&traffic)?;
        agrees::<TestFunctionRequest>(&function_test)?;
    }

    #[test]
    fn the_tables_refuse_exactly_what_the_structs_cannot_hold(
        mut document in documents(GetDistributionResult::SHAPE),
        choice: usize,
        wrong in prop::sample::select(vec![
            json!(null), json!({}), json!([]), json!(""), json!(1), json!(1e300),
            json!(u64::MAX), json!(i64::MIN), json!(true),
        ]),
    ) {
        spoil(&mut document, choice, wrong);
        let by_table = check_types(GetDistributionResult::SHAPE, &document);
        let by_serde = serde_json::from_value::<GetDistributionResult>(document.clone());
        prop_assert_eq!(by_table.is_empty(), by_serde.is_ok(), "{:?} {:?}", by_table, by_serde);
    }
}
