//! Requests to operations, and what is wrong with those that are wrong.

// A helper that cannot go on fails the test that called it.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use shapes::cloudfront::SERVICE;
use shapes::rest::{
    Found, RequestError, RouteError, Router, read_request, read_response, write_request,
    write_response,
};
use shapes::{cloudfront_keyvaluestore, cloudtrail};

fn find(method: &str, path: &str, query: &str) -> Result<Found, RouteError> {
    let path = format!("/2020-05-31{path}");
    Router::new(&SERVICE).find(method, &path, query)
}

fn name(method: &str, path: &str, query: &str) -> &'static str {
    find(method, path, query).unwrap().operation.name
}

#[test]
fn operations_are_told_apart_by_method_path_and_constants_of_the_query() {
    for (method, path, query, expected) in [
        ("POST", "/distribution", "", "CreateDistribution"),
        (
            "POST",
            "/distribution",
            "WithTags",
            "CreateDistributionWithTags",
        ),
        (
            "POST",
            "/distribution",
            "WithTags=",
            "CreateDistributionWithTags",
        ),
        (
            "POST",
            "/distribution",
            "a=b&WithTags&c",
            "CreateDistributionWithTags",
        ),
        ("POST", "/distribution", "withtags", "CreateDistribution"),
        ("GET", "/distribution", "Marker=a", "ListDistributions"),
        ("GET", "/distribution/E1", "", "GetDistribution"),
        (
            "GET",
            "/distribution/E1/config",
            "",
            "GetDistributionConfig",
        ),
        ("PUT", "/distribution/E1/config", "", "UpdateDistribution"),
        (
            "POST",
            "/tagging",
            "Operation=Tag&Resource=a",
            "TagResource",
        ),
        (
            "POST",
            "/tagging",
            "Resource=a&Operation=Untag",
            "UntagResource",
        ),
        ("GET", "/tagging", "Resource=a", "ListTagsForResource"),
        (
            "GET",
            "/distribution-tenant",
            "domain=a.test",
            "GetDistributionTenantByDomain",
        ),
        (
            "GET",
            "/distribution-tenant/dt_1",
            "",
            "GetDistributionTenant",
        ),
        (
            "GET",
            "/origin-access-identity/cloudfront",
            "",
            "ListCloudFrontOriginAccessIdentities",
        ),
        (
            "GET",
            "/distributions/E1/monitoring-subscription",
            "",
            "GetMonitoringSubscription",
        ),
    ] {
        assert_eq!(name(method, path, query), expected);
    }
}

#[test]
fn placeholders_are_decoded_once_and_an_encoded_slash_stays_inside() {
    let found = find(
        "GET",
        "/distributionsByOwnedResource/arn%3Aaws%2Fa%2520b",
        "",
    )
    .unwrap();
    assert_eq!(
        found.placeholders,
        [("ResourceArn", "arn:aws/a%20b".to_owned())]
    );
    for path in [
        "/distribution/",
        "/distribution/%zz",
        "/distribution/%ff",
        "/distribution/a/b",
    ] {
        assert_eq!(
            find("GET", path, "").unwrap_err(),
            RouteError::NoSuchPath,
            "{path}"
        );
    }
}

#[test]
fn a_wrong_method_is_not_a_wrong_path() {
    let error = find("PATCH", "/distribution/E1", "").unwrap_err();
    assert_eq!(error.to_string(), "the path takes DELETE, GET");
    for (method, path) in [("GET", "/nothing"), ("GET", ""), ("POST", "/tagging")] {
        assert_eq!(find(method, path, "").unwrap_err(), RouteError::NoSuchPath);
    }
    let error = Router::new(&SERVICE).find("GET", "", "").unwrap_err();
    assert_eq!(error, RouteError::NoSuchPath);
}

fn read(
    (method, path, query): (&str, &str, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Value, RequestError> {
    read_request(
        &find(method, path, query).unwrap(),
        query,
        headers,
        body.as_bytes(),
    )
}

const COPY: (&str, &str, &str) = ("POST", "/distribution/E1/copy", "");
const TAG: (&str, &str, &str) = ("POST", "/tagging", "Operation=Tag&Resource=arn%3Aa+b");
const UPDATE: (&str, &str, &str) = ("PUT", "/key-group/K1", "");

#[test]
fn members_are_collected_from_their_places_in_their_types() {
    let body = "<CopyDistributionRequest><CallerReference>r</CallerReference>\
         <Enabled>false</Enabled></CopyDistributionRequest>";
    let headers = [("staging", "true"), ("IF-MATCH", "E9"), ("Host", "a")];
    let expected = json!({
        "PrimaryDistributionId": "E1", "Staging": true, "IfMatch": "E9", "CallerReference": "r",
        "Enabled": false,
    });
    assert_eq!(read(COPY, &headers, body), Ok(expected));

    let body = "<Tags><Items><Tag><Key>a</Key></Tag></Items></Tags>";
    let expected = json!({"Resource": "arn:a+b", "Tags": {"Items": [{"Key": "a"}]}});
    assert_eq!(read(TAG, &[], body), Ok(expected));

    // CloudFront has both kinds of `MaxItems`.
    let text = ("GET", "/distribution", "MaxItems=5");
    assert_eq!(read(text, &[], ""), Ok(json!({"MaxItems": "5"})));
    let number = ("GET", "/anycast-ip-list", "MaxItems=5");
    assert_eq!(read(number, &[], ""), Ok(json!({"MaxItems": 5})));
}

#[test]
fn wrong_parameters_are_named() {
    for (request, headers, expected) in [
        (
            ("GET", "/anycast-ip-list", "MaxItems=five"),
            &[][..],
            "MaxItems: 'five' is not a 32-bit integer",
        ),
        (
            ("GET", "/function", "Stage=PROD"),
            &[],
            "Stage: 'PROD' is not one of DEVELOPMENT, LIVE",
        ),
        (("GET", "/tagging", ""), &[], "Resource: is required"),
        (("DELETE", "/function/f", ""), &[], "IfMatch: is required"),
        (
            ("GET", "/distribution", "Marker=a&Marker=b"),
            &[],
            "Marker: is given twice",
        ),
        (
            ("DELETE", "/function/f", ""),
            &[("If-Match", "a"), ("if-match", "b")],
            "IfMatch: is given twice",
        ),
        (
            ("GET", "/distribution", "Marker=%e9"),
            &[],
            "'Marker=%e9' in the query is not percent-encoded UTF-8",
        ),
    ] {
        let error = read(request, headers, "").unwrap_err();
        assert!(matches!(error, RequestError::Parameters(_)), "{error:?}");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn wrong_bodies_are_told_apart() {
    let missing = Err(RequestError::MissingBody);
    assert_eq!(read(UPDATE, &[], ""), missing);
    assert_eq!(read(COPY, &[], " \n"), missing);
    // Nothing of a listing's body is required.
    assert_eq!(read(("POST", "/trust-stores", ""), &[], ""), Ok(json!({})));

    let error = read(UPDATE, &[], "<KeyGroup/>").unwrap_err();
    let expected = "KeyGroupConfig: the root element is <KeyGroup>; <KeyGroupConfig> is expected";
    assert_eq!(error.to_string(), expected);
    assert!(matches!(error, RequestError::Body(_)));

    let error = read(UPDATE, &[], "<KeyGroupConfig><Items/></KeyGroupConfig>").unwrap_err();
    assert_eq!(error.to_string(), "KeyGroupConfig.Name: is required");
    assert!(matches!(error, RequestError::Body(_)));

    let body = "<KeyGroupConfig><Name>a</Name><Items><Key>b</Key></Items><C/></KeyGroupConfig>";
    let error = read(UPDATE, &[], body).unwrap_err();
    let unknown = ["KeyGroupConfig.Items.Key", "KeyGroupConfig.C"];
    assert_eq!(
        error,
        RequestError::UnknownMembers(unknown.map(str::to_owned).into())
    );
    assert_eq!(
        error.to_string(),
        "unknown members: KeyGroupConfig.Items.Key, KeyGroupConfig.C"
    );
}

#[test]
fn a_response_has_its_members_in_their_places() {
    let create = SERVICE.operation("CreateInvalidation").unwrap();
    let output = json!({
        "Location": "https://cloudfront.amazonaws.com/2020-05-31/distribution/E1/invalidation/I1",
        "Invalidation": {"Id": "I1"},
    });
    let response = write_response(create, &output);
    assert_eq!(response.status, 201);
    assert_eq!(response.headers[0].0, "Location");
    assert_eq!(response.content_type.as_deref(), Some("text/xml"));
    assert_eq!(
        String::from_utf8(response.body).unwrap(),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Invalidation xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\">\
         <Id>I1</Id></Invalidation>"
    );

    // A root that is not named as its member.
    let list = SERVICE.operation("ListAnycastIpLists").unwrap();
    let response = write_response(list, &json!({"AnycastIpLists": {}}));
    assert!(response.body.ends_with(b"</AnycastIpListCollection>"));

    // No payload: the output itself is the root.
    let associate = SERVICE.operation("AssociateDistributionWebACL").unwrap();
    let response = write_response(associate, &json!({"Id": "E1", "ETag": "V1"}));
    assert_eq!(response.headers, [("ETag".to_owned(), "V1".to_owned())]);
    let body = String::from_utf8(response.body).unwrap();
    assert!(
        body.ends_with("/\"><Id>E1</Id></AssociateDistributionWebACLResult>"),
        "{body}"
    );

    let delete = SERVICE.operation("DeleteDistribution").unwrap();
    let response = write_response(delete, &json!({}));
    assert_eq!((response.status, response.content_type), (204, None));
    assert!(response.body.is_empty());
}

#[test]
fn a_functions_code_is_the_body_as_it_is() {
    let get = SERVICE.operation("GetFunction").unwrap();
    let mut output = json!({"FunctionCode": "PGNvZGU+", "ETag": "V1"});
    let response = write_response(get, &output);
    assert_eq!(response.body, b"<code>");
    assert_eq!(
        response.content_type.as_deref(),
        Some("application/octet-stream")
    );

    output["ContentType"] = json!("application/javascript");
    let response = write_response(get, &output);
    assert_eq!(
        response.content_type.as_deref(),
        Some("application/javascript")
    );
    let headers = [("etag", "V1"), ("content-type", "application/javascript")];
    assert_eq!(read_response(get, &headers, &response.body), Ok(output));
}

#[test]
fn json_bodies_have_times_as_seconds() {
    let lookup = cloudtrail::SERVICE.operation("LookupEvents").unwrap();
    let found = Found {
        operation: lookup,
        placeholders: vec![],
    };
    let read = |body: &str| read_request(&found, "", &[], body.as_bytes());
    let expected = json!({"StartTime": "2020-05-31T12:34:56.250Z"});
    assert_eq!(read("{\"StartTime\": 1590928496.25}"), Ok(expected));
    let expected =
        json!({"StartTime": "1969-12-31T23:59:59.000Z", "EndTime": "2020-05-31T00:00:00Z"});
    let body = "{\"StartTime\": -1, \"EndTime\": \"2020-05-31T00:00:00Z\"}";
    assert_eq!(read(body), Ok(expected));
    assert_eq!(read(""), Ok(json!({})));

    for (body, expected) in [
        ("[]", "is not an object"),
        (
            "{",
            "not JSON: EOF while parsing an object at line 1 column 1",
        ),
        (
            "{\"LookupAttributes\": [{\"AttributeKey\": 1}]}",
            "LookupAttributes[0].AttributeValue: is required; \
             LookupAttributes[0].AttributeKey: 1 is not a string",
        ),
        ("{\"A\": 1}", "unknown members: A"),
        (
            "{\"MaxResults\": 1.5}",
            "MaxResults: 1.5 is not a 32-bit integer",
        ),
    ] {
        assert_eq!(read(body).unwrap_err().to_string(), expected, "{body}");
    }
    assert!(matches!(
        read("{\"StartTime\": 1e300}"),
        Err(RequestError::Body(_))
    ));

    let output = json!({"Events": [{"EventTime": "2020-05-31T12:34:56.250Z"}], "NextToken": null});
    let response = write_response(lookup, &output);
    assert_eq!(
        response.body,
        b"{\"Events\":[{\"EventTime\":1590928496.25}]}"
    );
    assert_eq!(
        response.content_type.as_deref(),
        Some("application/x-amz-json-1.1")
    );
    assert_eq!(
        cloudtrail::SERVICE.target_prefix,
        Some("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101")
    );
}

#[test]
fn a_stores_arn_is_one_segment_of_the_path() {
    let put = cloudfront_keyvaluestore::SERVICE
        .operation("PutKey")
        .unwrap();
    let input = json!({
        "KvsARN": "arn:aws:cloudfront::123456789012:key-value-store/a1", "Key": "a/b ü",
        "Value": "v", "IfMatch": "V1",
    });
    let request = write_request(put, &input);
    assert_eq!(
        request.target,
        "/key-value-stores/arn%3Aaws%3Acloudfront%3A%3A123456789012%3Akey-value-store%2Fa1\
         /keys/a%2Fb%20%C3%BC"
    );
    assert_eq!(request.body, b"{\"Value\":\"v\"}");
    let router = Router::new(&cloudfront_keyvaluestore::SERVICE);
    let found = router.find("PUT", &request.target, "").unwrap();
    let read = read_request(&found, "", &[("if-match", "V1")], &request.body);
    assert_eq!(read, Ok(input));
}
