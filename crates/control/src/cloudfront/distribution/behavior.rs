//! The default behavior as one behavior among others, and back: AWS's model has two structures of
//! the same members.

use shapes::cloudfront::{CacheBehavior, DefaultCacheBehavior, DistributionConfig};

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

/// Every behavior with where in the config it is, the default one first.
pub fn all(config: &DistributionConfig) -> Vec<(String, CacheBehavior)> {
    let default = as_behavior(config.default_cache_behavior.clone());
    let others = config.cache_behaviors.iter().flat_map(|list| list.items());
    let others = others
        .enumerate()
        .map(|(index, behavior)| (format!("CacheBehaviors.Items[{index}]"), behavior.clone()));
    std::iter::once(("DefaultCacheBehavior".to_owned(), default))
        .chain(others)
        .collect()
}
