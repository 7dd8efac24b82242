//! What the API and the edges must agree on about distributions, besides the documents themselves.

use shapes::cloudfront::{CacheBehavior, DefaultCacheBehavior};

/// Header fields that no origin may be given a value for: the edge sets or reads them itself
/// (spec §3.8). In lower case, sorted.
pub const RESERVED_ORIGIN_FIELDS: &[&str] = &[
    "cache-control",
    "connection",
    "content-length",
    "cookie",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "max-forwards",
    "pragma",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "request-range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-real-ip",
];

/// The default behavior, with the pattern that it stands for.
pub fn as_behavior(default: DefaultCacheBehavior) -> CacheBehavior {
    CacheBehavior {
        path_pattern: "*".to_owned(),
        target_origin_id: default.target_origin_id,
        trusted_signers: default.trusted_signers,
        trusted_key_groups: default.trusted_key_groups,
        viewer_protocol_policy: default.viewer_protocol_policy,
        allowed_methods: default.allowed_methods,
        smooth_streaming: default.smooth_streaming,
        compress: default.compress,
        lambda_function_associations: default.lambda_function_associations,
        function_associations: default.function_associations,
        field_level_encryption_id: default.field_level_encryption_id,
        realtime_log_config_arn: default.realtime_log_config_arn,
        cache_policy_id: default.cache_policy_id,
        origin_request_policy_id: default.origin_request_policy_id,
        response_headers_policy_id: default.response_headers_policy_id,
        grpc_config: default.grpc_config,
        forwarded_values: default.forwarded_values,
        min_ttl: default.min_ttl,
        default_ttl: default.default_ttl,
        max_ttl: default.max_ttl,
    }
}

/// A behavior as the default one.
pub fn as_default(behavior: CacheBehavior) -> DefaultCacheBehavior {
    DefaultCacheBehavior {
        target_origin_id: behavior.target_origin_id,
        trusted_signers: behavior.trusted_signers,
        trusted_key_groups: behavior.trusted_key_groups,
        viewer_protocol_policy: behavior.viewer_protocol_policy,
        allowed_methods: behavior.allowed_methods,
        smooth_streaming: behavior.smooth_streaming,
        compress: behavior.compress,
        lambda_function_associations: behavior.lambda_function_associations,
        function_associations: behavior.function_associations,
        field_level_encryption_id: behavior.field_level_encryption_id,
        realtime_log_config_arn: behavior.realtime_log_config_arn,
        cache_policy_id: behavior.cache_policy_id,
        origin_request_policy_id: behavior.origin_request_policy_id,
        response_headers_policy_id: behavior.response_headers_policy_id,
        grpc_config: behavior.grpc_config,
        forwarded_values: behavior.forwarded_values,
        min_ttl: behavior.min_ttl,
        default_ttl: behavior.default_ttl,
        max_ttl: behavior.max_ttl,
    }
}
