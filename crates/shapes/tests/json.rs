//! Documents as the AWS CLI prints and takes them.

// A helper that cannot go on fails the test that called it.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use shapes::cloudfront::{
    CacheBehaviors, CreateDistributionRequest, DistributionConfig, EventType, Format,
    GetDistributionConfigResult, GetDistributionResult, HttpVersion, ItemSelection, Method,
    MinimumProtocolVersion, Origins, PriceClass, SslProtocol, ViewerProtocolPolicy,
};
use shapes::{
    ShapeError, Structure, Timestamp, check_bounds, check_types, from_json, from_value,
    unknown_members,
};

const GET_DISTRIBUTION: &str = include_str!("fixtures/get-distribution.json");
const SKELETON: &str = include_str!("fixtures/create-distribution-skeleton.json");

#[test]
fn what_get_distribution_prints_is_read_in_full() {
    let result: GetDistributionResult = from_json(GET_DISTRIBUTION).unwrap();
    assert_eq!(result.etag.as_deref(), Some("E2QWRUHEXAMPLE"));
    let distribution = result.distribution.unwrap();
    assert_eq!(
        distribution.last_modified_time,
        Timestamp::from_unix_ms(1_709_803_304_512)
    );
    assert_eq!(distribution.alias_icp_recordals.unwrap().len(), 1);

    let config = distribution.distribution_config;
    assert_eq!(
        config.aliases.unwrap().items(),
        ["shop.example.com", "*.shop.example.com"]
    );
    assert_eq!(config.price_class, Some(PriceClass::PriceClass100));
    assert_eq!(config.http_version, Some(HttpVersion::Http2and3));
    assert_eq!(config.web_acl_id.as_deref(), Some(""));
    assert_eq!(config.is_ipv6_enabled, Some(true));
    assert_eq!(
        config.viewer_certificate.unwrap().minimum_protocol_version,
        Some(MinimumProtocolVersion::TLSv1_2_2021)
    );
    let [assets, app, standby] = config.origins.items() else {
        panic!("three origins")
    };
    assert_eq!(
        assets.origin_access_control_id.as_deref(),
        Some("E327GJI25M56DG")
    );
    assert!(assets.custom_origin_config.is_none());
    assert_eq!(
        app.custom_headers.as_ref().unwrap().items()[1].header_value,
        "north"
    );
    let custom = standby.custom_origin_config.as_ref().unwrap();
    assert_eq!((custom.http_port, custom.https_port), (8080, 8443));
    let protocols = custom.origin_ssl_protocols.as_ref().unwrap();
    assert_eq!(protocols.items(), [SslProtocol::TLSv1_2]);

    let groups = config.origin_groups.unwrap();
    assert_eq!(
        groups.items()[0].failover_criteria.status_codes.items(),
        [502, 503, 504]
    );
    assert_eq!(
        groups.items()[0].members.items()[1].origin_id,
        "app-standby"
    );

    let default = config.default_cache_behavior;
    assert_eq!(
        default.viewer_protocol_policy,
        ViewerProtocolPolicy::RedirectToHttps
    );
    let functions = default.function_associations.unwrap();
    assert_eq!(functions.items()[0].event_type, EventType::ViewerRequest);

    let behaviors = config.cache_behaviors.unwrap();
    let [api, images] = behaviors.items() else {
        panic!("two behaviors")
    };
    let methods = api.allowed_methods.as_ref().unwrap();
    assert_eq!(methods.items()[1], Method::Delete);
    assert_eq!(methods.cached_methods.as_ref().unwrap().items().len(), 3);
    let forwarded = api.forwarded_values.as_ref().unwrap();
    assert_eq!(forwarded.cookies.forward, ItemSelection::Whitelist);
    assert_eq!(
        forwarded
            .cookies
            .whitelisted_names
            .as_ref()
            .unwrap()
            .items(),
        ["session", "cart-*"]
    );
    assert_eq!(
        forwarded.query_string_cache_keys.as_ref().unwrap().items(),
        ["page"]
    );
    assert_eq!(images.min_ttl, Some(3600));
    assert_eq!(
        images
            .forwarded_values
            .as_ref()
            .unwrap()
            .headers
            .as_ref()
            .unwrap()
            .items()
            .len(),
        0
    );

    let errors = config.custom_error_responses.unwrap();
    assert_eq!(errors.items()[0].response_code.as_deref(), Some("404"));
    assert_eq!(errors.items()[1].error_caching_min_ttl, Some(0));
}

#[test]
fn what_get_distribution_prints_is_written_back_as_it_was() {
    let result: GetDistributionResult = from_json(GET_DISTRIBUTION).unwrap();
    let mut expected: Value = serde_json::from_str(GET_DISTRIBUTION).unwrap();
    expected["Distribution"]["LastModifiedTime"] = json!("2024-03-07T09:21:44.512Z");
    assert_eq!(serde_json::to_value(&result).unwrap(), expected);
    let text = serde_json::to_string(&result).unwrap();
    assert_eq!(from_json::<GetDistributionResult>(&text), Ok(result));
}

#[test]
fn members_are_written_in_the_order_of_the_model() {
    let origins = Origins::from(vec![]);
    assert_eq!(
        serde_json::to_string(&origins).unwrap(),
        r#"{"Quantity":0,"Items":[]}"#
    );
    let text = serde_json::to_string(&config()).unwrap();
    let places: Vec<_> = ["CallerReference", "Aliases", "DefaultRootObject", "Origins"]
        .map(|name| text.find(&format!("\"{name}\"")).unwrap())
        .into();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn what_get_distribution_config_prints_is_read() {
    let document = json!({"ETag": "E1", "DistributionConfig": distribution_config()});
    let result: GetDistributionConfigResult = from_value(&document).unwrap();
    assert_eq!(result.distribution_config, Some(config()));
}

#[test]
fn the_skeleton_of_create_distribution_is_read() {
    let request: CreateDistributionRequest = from_json(SKELETON).unwrap();
    let value: Value = serde_json::from_str(SKELETON).unwrap();
    assert_eq!(
        unknown_members(CreateDistributionRequest::SHAPE, &value),
        [""; 0]
    );
    assert_eq!(serde_json::to_value(&request).unwrap(), value);
}

#[test]
fn a_skeleton_with_an_empty_choice_is_refused_with_the_choices() {
    let mut skeleton: Value = serde_json::from_str(SKELETON).unwrap();
    skeleton["DistributionConfig"]["PriceClass"] = json!("");
    assert_eq!(
        from_value::<CreateDistributionRequest>(&skeleton)
            .unwrap_err()
            .to_string(),
        "DistributionConfig.PriceClass: '' is not one of \
         PriceClass_100, PriceClass_200, PriceClass_All, None"
    );
}

#[test]
fn an_error_names_the_path_the_value_and_what_is_allowed() {
    for (pointer, wrong, expected) in [
        (
            "/Origins/Items/1/CustomOriginConfig/OriginProtocolPolicy",
            json!("http"),
            "Origins.Items[1].CustomOriginConfig.OriginProtocolPolicy: \
             'http' is not one of http-only, match-viewer, https-only",
        ),
        (
            "/Origins/Items/0/Id",
            json!(7),
            "Origins.Items[0].Id: 7 is not a string",
        ),
        (
            "/Enabled",
            json!("true"),
            "Enabled: 'true' is not true or false",
        ),
        ("/Enabled", json!(null), "Enabled: is required"),
        ("/Aliases", json!([]), "Aliases: a list is not an object"),
        (
            "/Aliases/Items",
            json!({}),
            "Aliases.Items: an object is not a list",
        ),
        (
            "/Aliases/Items/0",
            json!(null),
            "Aliases.Items[0]: null is not a string",
        ),
        (
            "/CacheBehaviors/Items/0/MinTTL",
            json!(1.5),
            "CacheBehaviors.Items[0].MinTTL: 1.5 is not a 64-bit integer",
        ),
        (
            "/Origins/Items/1/CustomOriginConfig/HTTPPort",
            json!(4_294_967_296_i64),
            "Origins.Items[1].CustomOriginConfig.HTTPPort: 4294967296 is not a 32-bit integer",
        ),
        // AWS marks comments and custom header values sensitive.
        ("/Comment", json!(7), "Comment: the value is not a string"),
    ] {
        let mut document = distribution_config();
        *document.pointer_mut(pointer).unwrap() = wrong;
        let error = from_value::<DistributionConfig>(&document).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn every_absent_required_member_is_named() {
    let problems = check_types(
        DistributionConfig::SHAPE,
        &json!({"Origins": {"Quantity": 0}}),
    );
    let paths: Vec<_> = problems
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    let expected = [
        "CallerReference",
        "DefaultCacheBehavior",
        "Comment",
        "Enabled",
        "Origins.Items",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn text_that_is_not_json_is_refused_with_its_place() {
    let error = from_json::<DistributionConfig>("{\n  \"Enabled\": yes\n}").unwrap_err();
    assert_eq!(error.path, "");
    assert!(error.to_string().contains("line 2 column"), "{error}");
}

#[test]
fn a_long_value_is_cut_in_the_message() {
    let document = json!({"Quantity": 0, "Items": "é".repeat(1000)});
    let error = from_value::<CacheBehaviors>(&document).unwrap_err();
    assert_eq!(
        error.message,
        format!("'{}…' is not a list", "é".repeat(64))
    );
}

#[test]
fn unknown_members_are_passed_over_and_can_be_named() {
    let mut document = distribution_config();
    document["Origins"]["Items"][1]["ConectionTimeout"] = json!(3);
    document["Tomorrow"] = json!({"Items": [1]});
    assert_eq!(from_value::<DistributionConfig>(&document), Ok(config()));
    assert_eq!(
        unknown_members(DistributionConfig::SHAPE, &document),
        ["Tomorrow", "Origins.Items[1].ConectionTimeout"]
    );
}

#[test]
fn a_real_distribution_is_within_its_bounds() {
    let document: Value = serde_json::from_str(GET_DISTRIBUTION).unwrap();
    assert_eq!(check_bounds(GetDistributionResult::SHAPE, &document), []);
}

#[test]
fn quantities_and_bounds_are_checked_with_their_paths() {
    let mut document = distribution_config();
    document["Aliases"]["Quantity"] = json!(3);
    document["CacheBehaviors"]["Items"] = json!(null);
    document["Origins"]["Items"][0]["OriginShield"]["OriginShieldRegion"] = json!("r".repeat(33));
    document["OriginGroups"]["Items"][0]["Members"] =
        json!({"Quantity": 1, "Items": [{"OriginId": "app"}]});
    let problems = check_bounds(DistributionConfig::SHAPE, &document);
    let lines: Vec<_> = problems.iter().map(ShapeError::to_string).collect();
    assert_eq!(
        lines,
        [
            "Aliases.Quantity: is 3, but Items has 2",
            "Origins.Items[0].OriginShield.OriginShieldRegion: \
             has 33 characters; 1 to 32 allowed",
            "OriginGroups.Items[0].Members.Items: has 1 items; exactly 2 allowed",
            "CacheBehaviors.Quantity: is 2, but Items has 0",
        ]
    );
}

#[test]
fn a_list_made_of_a_vector_is_counted() {
    let aliases = shapes::cloudfront::Aliases::from(vec!["a.example".to_owned()]);
    assert_eq!(
        serde_json::to_value(aliases).unwrap(),
        json!({"Quantity": 1, "Items": ["a.example"]})
    );
    let none = shapes::cloudfront::Aliases::from(vec![]);
    assert_eq!(serde_json::to_value(none).unwrap(), json!({"Quantity": 0}));
}

#[test]
fn choices_read_and_write_their_wire_form() {
    for method in Method::ALL {
        assert_eq!(json!(method), json!(method.as_str()));
        assert_eq!(method.to_string(), method.as_str());
    }
    assert_eq!(Format::URLEncoded.as_str(), "URLEncoded");
}

fn distribution_config() -> Value {
    let document: Value = serde_json::from_str(GET_DISTRIBUTION).unwrap();
    document["Distribution"]["DistributionConfig"].clone()
}

fn config() -> DistributionConfig {
    from_value(&distribution_config()).unwrap()
}
