//! What CloudFront makes of a config that leaves things out: the one that is stored and given
//! back. Clients compare it with what they sent (Terraform's second plan must be empty), so a
//! member that they set stays as it is, in its order.

use documents::distribution::{as_behavior, as_default};
use shapes::cloudfront as cf;

/// Seconds that objects stay without word of the origin, in the legacy style.
const DEFAULT_TTL_SECS: i64 = 86_400;
/// Seconds that objects stay at most, in the legacy style.
const MAX_TTL_SECS: i64 = 31_536_000;
/// Seconds that an error stays.
const ERROR_TTL_SECS: i64 = 10;

/// The config with everything said that it leaves to CloudFront.
pub fn normalise(mut config: cf::DistributionConfig) -> cf::DistributionConfig {
    let is_template = config.connection_mode == Some(cf::ConnectionMode::TenantOnly);
    config.aliases = Some(refilled(config.aliases, |list| list.items));
    config.default_root_object.get_or_insert_default();
    for origin in &mut config.origins.items {
        complete_origin(origin);
    }
    config.origin_groups = Some(refilled(config.origin_groups, |list| list.items));
    let default = completed_behavior(as_behavior(config.default_cache_behavior));
    config.default_cache_behavior = as_default(default);
    let behaviors = config.cache_behaviors.and_then(|list| list.items);
    let behaviors = behaviors.unwrap_or_default().into_iter();
    let behaviors: Vec<_> = behaviors.map(completed_behavior).collect();
    config.cache_behaviors = Some(behaviors.into());
    let responses = config.custom_error_responses.and_then(|list| list.items);
    let mut responses = responses.unwrap_or_default();
    for response in &mut responses {
        response.response_page_path.get_or_insert_default();
        response.response_code.get_or_insert_default();
        response.error_caching_min_ttl.get_or_insert(ERROR_TTL_SECS);
    }
    config.custom_error_responses = Some(responses.into());
    complete_logging(config.logging.get_or_insert_default());
    config.price_class.get_or_insert(match is_template {
        true => cf::PriceClass::None,
        false => cf::PriceClass::PriceClassAll,
    });
    complete_certificate(config.viewer_certificate.get_or_insert_default());
    complete_restrictions(&mut config.restrictions);
    config.web_acl_id.get_or_insert_default();
    config.http_version.get_or_insert(cf::HttpVersion::Http2);
    config.is_ipv6_enabled.get_or_insert(false);
    config
        .continuous_deployment_policy_id
        .get_or_insert_default();
    config.staging.get_or_insert(false);
    config
        .connection_mode
        .get_or_insert(cf::ConnectionMode::Direct);
    clear_if_empty(&mut config.anycast_ip_list_id);
    config
}

/// A list whose `Quantity` is right and whose `Items` are there only if there are any.
fn refilled<L: From<Vec<T>>, T>(list: Option<L>, items: fn(L) -> Option<Vec<T>>) -> L {
    list.and_then(items).unwrap_or_default().into()
}

/// Clients say "none" of an id by an empty text too.
fn clear_if_empty(id: &mut Option<String>) {
    if id.as_deref() == Some("") {
        *id = None;
    }
}

fn complete_origin(origin: &mut cf::Origin) {
    origin.origin_path.get_or_insert_default();
    origin.custom_headers = Some(refilled(origin.custom_headers.take(), |list| list.items));
    origin.connection_attempts.get_or_insert(3);
    origin.connection_timeout.get_or_insert(10);
    origin.origin_shield.get_or_insert_default();
    origin.origin_access_control_id.get_or_insert_default();
    if let Some(custom) = &mut origin.custom_origin_config {
        custom
            .origin_ssl_protocols
            .get_or_insert_with(|| vec![cf::SslProtocol::TLSv1_2].into());
        custom.origin_read_timeout.get_or_insert(30);
        custom.origin_keepalive_timeout.get_or_insert(5);
    }
    if let Some(vpc) = &mut origin.vpc_origin_config {
        vpc.origin_read_timeout.get_or_insert(30);
        vpc.origin_keepalive_timeout.get_or_insert(5);
    }
}

fn completed_behavior(mut behavior: cf::CacheBehavior) -> cf::CacheBehavior {
    let signers = behavior.trusted_signers.get_or_insert_default();
    signers.items = signers.items.take().filter(|items| !items.is_empty());
    let groups = behavior.trusted_key_groups.get_or_insert_default();
    groups.items = groups.items.take().filter(|items| !items.is_empty());
    let read_only = || vec![cf::Method::Head, cf::Method::Get];
    let methods = behavior
        .allowed_methods
        .get_or_insert_with(|| cf::AllowedMethods {
            quantity: 2,
            items: read_only(),
            cached_methods: None,
        });
    methods
        .cached_methods
        .get_or_insert_with(|| read_only().into());
    behavior.smooth_streaming.get_or_insert(false);
    behavior.compress.get_or_insert(false);
    let lambdas = behavior.lambda_function_associations.take();
    let mut lambdas: Vec<_> = lambdas.and_then(|list| list.items).unwrap_or_default();
    for lambda in &mut lambdas {
        lambda.include_body.get_or_insert(false);
    }
    behavior.lambda_function_associations = Some(lambdas.into());
    let functions = behavior.function_associations.take();
    behavior.function_associations = Some(refilled(functions, |list| list.items));
    behavior.field_level_encryption_id.get_or_insert_default();
    behavior.grpc_config.get_or_insert_default();
    clear_if_empty(&mut behavior.realtime_log_config_arn);
    clear_if_empty(&mut behavior.cache_policy_id);
    clear_if_empty(&mut behavior.origin_request_policy_id);
    clear_if_empty(&mut behavior.response_headers_policy_id);
    complete_legacy(&mut behavior);
    behavior
}

/// The legacy style: `ForwardedValues` and three lifetimes.
fn complete_legacy(behavior: &mut cf::CacheBehavior) {
    let Some(values) = &mut behavior.forwarded_values else {
        // Some clients send 0 for what they do not set; beside a policy it says nothing.
        for ttl in [
            &mut behavior.min_ttl,
            &mut behavior.default_ttl,
            &mut behavior.max_ttl,
        ] {
            *ttl = ttl.filter(|secs| *secs != 0 || behavior.cache_policy_id.is_none());
        }
        return;
    };
    values.headers = Some(refilled(values.headers.take(), |list| list.items));
    let keys = values.query_string_cache_keys.take();
    values.query_string_cache_keys = Some(refilled(keys, |list| list.items));
    let names = values.cookies.whitelisted_names.take();
    let names = names.filter(|names| !names.items().is_empty());
    values.cookies.whitelisted_names = names;
    // A lifetime that is left out gives way to one that is set.
    let min = *behavior.min_ttl.get_or_insert(0);
    let default = behavior.default_ttl;
    let max = *behavior
        .max_ttl
        .get_or_insert(MAX_TTL_SECS.max(min).max(default.unwrap_or(0)));
    behavior.default_ttl = default.or(Some(DEFAULT_TTL_SECS.min(max).max(min)));
}

/// What is said of logs that are not wanted is forgotten.
fn complete_logging(logging: &mut cf::LoggingConfig) {
    let is_enabled = *logging.enabled.get_or_insert(false);
    logging.include_cookies.get_or_insert(false);
    for text in [&mut logging.bucket, &mut logging.prefix] {
        if text.is_none() || !is_enabled {
            *text = Some(String::new());
        }
    }
}

/// `Certificate` and `CertificateSource` say the same again, for older clients.
fn complete_certificate(certificate: &mut cf::ViewerCertificate) {
    clear_if_empty(&mut certificate.acm_certificate_arn);
    clear_if_empty(&mut certificate.iam_certificate_id);
    let acm = certificate.acm_certificate_arn.clone();
    let iam = certificate.iam_certificate_id.clone();
    certificate.certificate_source = Some(match (&acm, &iam) {
        (Some(_), _) => cf::CertificateSource::Acm,
        (None, Some(_)) => cf::CertificateSource::Iam,
        (None, None) => cf::CertificateSource::Cloudfront,
    });
    certificate.certificate = acm.or(iam);
    if certificate.certificate.is_some() {
        certificate
            .cloud_front_default_certificate
            .get_or_insert(false);
        certificate
            .minimum_protocol_version
            .get_or_insert(cf::MinimumProtocolVersion::TLSv1_2_2021);
    } else {
        // The certificate of CloudFront's own names has one policy, whatever is asked for.
        certificate.cloud_front_default_certificate = Some(true);
        certificate.ssl_support_method = Some(cf::SSLSupportMethod::Vip);
        certificate.minimum_protocol_version = Some(cf::MinimumProtocolVersion::TLSv1);
    }
}

fn complete_restrictions(restrictions: &mut Option<cf::Restrictions>) {
    let restrictions = restrictions.get_or_insert_with(|| cf::Restrictions {
        geo_restriction: cf::GeoRestriction {
            restriction_type: cf::GeoRestrictionType::None,
            quantity: 0,
            items: None,
        },
    });
    let geo = &mut restrictions.geo_restriction;
    geo.items = geo.items.take().filter(|items| !items.is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn normalised(config: &Value) -> Value {
        let config = shapes::from_value::<cf::DistributionConfig>(config).unwrap();
        serde_json::to_value(normalise(config)).unwrap()
    }

    fn config() -> Value {
        json!({
            "CallerReference": "r", "Comment": "", "Enabled": true,
            "Origins": { "Quantity": 1, "Items": [{
                "Id": "o", "DomainName": "origin.example.com",
                "CustomOriginConfig": {
                    "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only",
                },
            }]},
            "DefaultCacheBehavior": {
                "TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all",
                "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
            },
        })
    }

    #[test]
    fn a_short_config_becomes_a_whole_one() {
        assert_eq!(
            normalised(&config()),
            json!({
                "CallerReference": "r", "Comment": "", "Enabled": true,
                "Aliases": { "Quantity": 0 },
                "DefaultRootObject": "",
                "Origins": { "Quantity": 1, "Items": [{
                    "Id": "o", "DomainName": "origin.example.com", "OriginPath": "",
                    "CustomHeaders": { "Quantity": 0 },
                    "CustomOriginConfig": {
                        "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only",
                        "OriginSslProtocols": { "Quantity": 1, "Items": ["TLSv1.2"] },
                        "OriginReadTimeout": 30, "OriginKeepaliveTimeout": 5,
                    },
                    "ConnectionAttempts": 3, "ConnectionTimeout": 10,
                    "OriginShield": { "Enabled": false }, "OriginAccessControlId": "",
                }]},
                "OriginGroups": { "Quantity": 0 },
                "DefaultCacheBehavior": {
                    "TargetOriginId": "o",
                    "TrustedSigners": { "Enabled": false, "Quantity": 0 },
                    "TrustedKeyGroups": { "Enabled": false, "Quantity": 0 },
                    "ViewerProtocolPolicy": "allow-all",
                    "AllowedMethods": {
                        "Quantity": 2, "Items": ["HEAD", "GET"],
                        "CachedMethods": { "Quantity": 2, "Items": ["HEAD", "GET"] },
                    },
                    "SmoothStreaming": false, "Compress": false,
                    "LambdaFunctionAssociations": { "Quantity": 0 },
                    "FunctionAssociations": { "Quantity": 0 },
                    "FieldLevelEncryptionId": "",
                    "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
                    "GrpcConfig": { "Enabled": false },
                },
                "CacheBehaviors": { "Quantity": 0 },
                "CustomErrorResponses": { "Quantity": 0 },
                "Logging": {
                    "Enabled": false, "IncludeCookies": false, "Bucket": "", "Prefix": "",
                },
                "PriceClass": "PriceClass_All",
                "ViewerCertificate": {
                    "CloudFrontDefaultCertificate": true, "SSLSupportMethod": "vip",
                    "MinimumProtocolVersion": "TLSv1", "CertificateSource": "cloudfront",
                },
                "Restrictions": { "GeoRestriction": { "RestrictionType": "none", "Quantity": 0 } },
                "WebACLId": "", "HttpVersion": "http2", "IsIPV6Enabled": false,
                "ContinuousDeploymentPolicyId": "", "Staging": false, "ConnectionMode": "direct",
            })
        );
    }

    #[test]
    fn a_whole_config_stays_as_it_is() {
        let mut config = config();
        config["Aliases"] = json!({ "Quantity": 2, "Items": ["b.example.com", "a.example.com"] });
        config["DefaultCacheBehavior"]["AllowedMethods"] = json!({
            "Quantity": 3, "Items": ["GET", "HEAD", "OPTIONS"],
            "CachedMethods": { "Quantity": 2, "Items": ["GET", "HEAD"] },
        });
        config["CustomErrorResponses"] = json!({ "Quantity": 1, "Items": [{
            "ErrorCode": 404, "ResponsePagePath": "/404", "ResponseCode": "200",
            "ErrorCachingMinTTL": 0,
        }]});
        config["CacheBehaviors"] = json!({ "Quantity": 1, "Items": [{
            "PathPattern": "/x", "TargetOriginId": "o", "ViewerProtocolPolicy": "https-only",
            "ForwardedValues": { "QueryString": true, "Cookies": { "Forward": "all" } },
            "DefaultTTL": 7,
        }]});
        let once = normalised(&config);
        assert_eq!(normalised(&once), once);
        assert_eq!(once["Aliases"], config["Aliases"]);
        let methods = &once["DefaultCacheBehavior"]["AllowedMethods"];
        assert_eq!(methods, &config["DefaultCacheBehavior"]["AllowedMethods"]);
        assert_eq!(once["CustomErrorResponses"], config["CustomErrorResponses"]);
        assert_eq!(once["CacheBehaviors"]["Items"][0]["DefaultTTL"], 7);
    }

    #[test]
    fn lifetimes_that_are_left_out_give_way() {
        let ttls = |set: Value| {
            let mut config = config();
            let behavior = &mut config["DefaultCacheBehavior"];
            behavior.as_object_mut().unwrap().remove("CachePolicyId");
            behavior["ForwardedValues"] =
                json!({ "QueryString": false, "Cookies": { "Forward": "none" } });
            for (name, value) in set.as_object().unwrap() {
                behavior[name] = value.clone();
            }
            let behavior = &normalised(&config)["DefaultCacheBehavior"];
            ["MinTTL", "DefaultTTL", "MaxTTL"].map(|name| behavior[name].as_i64().unwrap())
        };
        assert_eq!(ttls(json!({})), [0, 86_400, 31_536_000]);
        assert_eq!(
            ttls(json!({ "MinTTL": 100_000 })),
            [100_000, 100_000, 31_536_000]
        );
        assert_eq!(ttls(json!({ "MaxTTL": 60 })), [0, 60, 60]);
        assert_eq!(
            ttls(json!({ "MinTTL": 9, "DefaultTTL": 5 })),
            [9, 5, 31_536_000]
        );
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        let mut config = config();
        config["Logging"] = json!({
            "Enabled": false, "IncludeCookies": true, "Bucket": "b.s3.amazonaws.com", "Prefix": "p",
        });
        let behavior = &mut config["DefaultCacheBehavior"];
        behavior["OriginRequestPolicyId"] = "".into();
        behavior["RealtimeLogConfigArn"] = "".into();
        behavior["MinTTL"] = 0.into();
        config["Aliases"] = json!({ "Quantity": 0, "Items": [] });
        let whole = normalised(&config);
        assert_eq!(
            whole["Logging"],
            json!({ "Enabled": false, "IncludeCookies": true, "Bucket": "", "Prefix": "" })
        );
        let behavior = whole["DefaultCacheBehavior"].as_object().unwrap();
        for member in ["OriginRequestPolicyId", "RealtimeLogConfigArn", "MinTTL"] {
            assert!(!behavior.contains_key(member), "{member}");
        }
        assert_eq!(whole["Aliases"], json!({ "Quantity": 0 }));
    }

    #[test]
    fn a_certificate_of_ones_own_is_named_twice() {
        let arn = "arn:aws:acm:us-east-1:123456789012:certificate/abc";
        let mut config = config();
        config["ViewerCertificate"] =
            json!({ "ACMCertificateArn": arn, "SSLSupportMethod": "sni-only" });
        assert_eq!(
            normalised(&config)["ViewerCertificate"],
            json!({
                "CloudFrontDefaultCertificate": false,
                "ACMCertificateArn": arn, "SSLSupportMethod": "sni-only",
                "MinimumProtocolVersion": "TLSv1.2_2021", "Certificate": arn,
                "CertificateSource": "acm",
            })
        );
    }
}
