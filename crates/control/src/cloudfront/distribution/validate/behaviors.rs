//! Rules of behaviors (spec §2, §12.1, §13.1).

use std::collections::BTreeSet;

use shapes::cloudfront::{self as cf, DistributionConfig, EventType, Method, error};

use super::super::behavior;
use super::super::limits::*;
use super::{Rule, ensure, forwarded, text};
use crate::call::Call;

pub fn check(call: &Call<'_>, config: &DistributionConfig) -> Rule {
    let mut patterns = BTreeSet::new();
    for (at, behavior) in behavior::all(config) {
        if at != "DefaultCacheBehavior" {
            pattern(&at, &behavior, &mut patterns)?;
        }
        target(config, &at, &behavior)?;
        methods(&at, &behavior)?;
        policies(&at, &behavior)?;
        forwarded::check(config, &at, &behavior)?;
        trust(&at, &behavior)?;
        lambdas(&at, &behavior)?;
        functions(call, &at, &behavior)?;
        encryption(config, &at, &behavior)?;
        grpc(config, &at, &behavior)?;
        log(call, &at, &behavior)?;
    }
    Ok(())
}

/// A leading `/` says nothing, so that two patterns that differ in it are the same.
fn pattern(at: &str, behavior: &cf::CacheBehavior, patterns: &mut BTreeSet<String>) -> Rule {
    let pattern = behavior.path_pattern.as_str();
    let plain = pattern.strip_prefix('/').unwrap_or(pattern);
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_-.*?$/~\"'@:+&%".contains(c);
    let is_pattern = !pattern.is_empty()
        && plain.chars().count() <= PATH_CHARS_MAX
        && plain.chars().all(is_allowed);
    let member = format!("{at}.PathPattern");
    ensure(is_pattern, &error::INVALID_ARGUMENT, &member, || {
        format!(
            "is '{pattern}'; allowed are up to {PATH_CHARS_MAX} of A-Z a-z 0-9 and each of \
             _ - . * ? $ / ~ \" ' @ : + & %"
        )
    })?;
    ensure(
        patterns.insert(plain.to_owned()),
        &error::INVALID_ARGUMENT,
        member,
        || format!("is '{pattern}' a second time"),
    )
}

fn target(config: &DistributionConfig, at: &str, behavior: &cf::CacheBehavior) -> Rule {
    let id = &behavior.target_origin_id;
    let is_origin = config.origins.items.iter().any(|origin| origin.id == *id);
    let mut groups = config.origin_groups.iter().flat_map(|list| list.items());
    let is_target = is_origin || groups.any(|group| group.id == *id);
    ensure(
        is_target,
        &error::NO_SUCH_ORIGIN,
        format!("{at}.TargetOriginId"),
        || format!("is '{id}', which is no origin and no origin group of this distribution"),
    )
}

/// Which of the three sets of methods a list is: 2, 3, 7; 0 if none.
fn set_of(methods: &[Method]) -> usize {
    let has = |method| methods.contains(&method);
    let read = has(Method::Get) && has(Method::Head);
    let write = [Method::Put, Method::Post, Method::Patch, Method::Delete];
    let writes = write.iter().filter(|method| has(**method)).count();
    match (methods.len(), read, has(Method::Options), writes) {
        (2, true, false, 0) => 2,
        (3, true, true, 0) => 3,
        (7, true, true, 4) => 7,
        _ => 0,
    }
}

fn allows_all(behavior: &cf::CacheBehavior) -> bool {
    behavior
        .allowed_methods
        .as_ref()
        .is_some_and(|methods| set_of(&methods.items) == 7)
}

fn methods(at: &str, behavior: &cf::CacheBehavior) -> Rule {
    let Some(allowed) = &behavior.allowed_methods else {
        return Ok(());
    };
    let set = set_of(&allowed.items);
    let member = format!("{at}.AllowedMethods");
    ensure(set != 0, &error::INVALID_ARGUMENT, &member, || {
        "must be GET and HEAD; or these and OPTIONS; or all seven methods".to_owned()
    })?;
    let cached = allowed.cached_methods.as_ref();
    let cached = cached.map_or(2, |cached| set_of(&cached.items));
    let is_part = matches!(cached, 2 | 3) && cached <= set;
    ensure(
        is_part,
        &error::INVALID_ARGUMENT,
        format!("{member}.CachedMethods"),
        || "must be GET and HEAD, or these and OPTIONS, and be allowed".to_owned(),
    )
}

/// One style or the other.
fn policies(at: &str, behavior: &cf::CacheBehavior) -> Rule {
    let shape = &error::INVALID_ARGUMENT;
    let has_policy = behavior.cache_policy_id.is_some();
    let is_legacy = behavior.forwarded_values.is_some();
    ensure(has_policy || is_legacy, shape, at, || {
        "has neither CachePolicyId nor, in the legacy style, ForwardedValues".to_owned()
    })?;
    ensure(
        !(has_policy && is_legacy),
        shape,
        format!("{at}.ForwardedValues"),
        || "cannot be used together with CachePolicyId".to_owned(),
    )?;
    let ttls = [behavior.min_ttl, behavior.default_ttl, behavior.max_ttl];
    let has_ttl = ttls.iter().any(Option::is_some);
    ensure(!(has_policy && has_ttl), shape, at, || {
        "has MinTTL, DefaultTTL or MaxTTL, which cannot be used together with CachePolicyId"
            .to_owned()
    })?;
    let is_alone = behavior.origin_request_policy_id.is_some() && !has_policy;
    ensure(
        !is_alone,
        shape,
        format!("{at}.OriginRequestPolicyId"),
        || "needs a CachePolicyId on the same behavior".to_owned(),
    )
}

fn trust(at: &str, behavior: &cf::CacheBehavior) -> Rule {
    let groups = behavior.trusted_key_groups.as_ref();
    let (is_enabled, count) = groups.map_or((false, 0), |g| (g.enabled, g.items().len()));
    let member = format!("{at}.TrustedKeyGroups");
    let shape = &error::TOO_MANY_KEY_GROUPS_ASSOCIATED_TO_DISTRIBUTION;
    ensure(count <= KEY_GROUPS_MAX, shape, &member, || {
        format!("has {count} items; {KEY_GROUPS_MAX} are allowed")
    })?;
    ensure(
        is_enabled == (count > 0),
        &error::INVALID_ARGUMENT,
        &member,
        || format!("has {count} items, but Enabled is {is_enabled}"),
    )?;
    let signers = behavior.trusted_signers.as_ref();
    let is_enabled = signers.is_some_and(|signers| signers.enabled);
    let accounts = signers.map(|signers| signers.items()).unwrap_or_default();
    let count = accounts.len();
    let member = format!("{at}.TrustedSigners");
    ensure(
        count <= TRUSTED_SIGNERS_MAX,
        &error::TOO_MANY_TRUSTED_SIGNERS,
        &member,
        || format!("has {count} items; {TRUSTED_SIGNERS_MAX} are allowed"),
    )?;
    ensure(
        is_enabled == (count > 0),
        &error::INVALID_ARGUMENT,
        &member,
        || format!("has {count} items, but Enabled is {is_enabled}"),
    )?;
    let is_account = |account: &String| {
        account == "self" || account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())
    };
    let wrong = accounts.iter().find(|account| !is_account(account));
    ensure(
        wrong.is_none(),
        &error::TRUSTED_SIGNER_DOES_NOT_EXIST,
        &member,
        || {
            format!(
                "has '{}', which is no account",
                wrong.map_or("", String::as_str)
            )
        },
    )
}

fn is_at_viewer(event: EventType) -> bool {
    matches!(event, EventType::ViewerRequest | EventType::ViewerResponse)
}

/// Whether no event is there twice.
fn each_once(events: impl Iterator<Item = EventType>) -> bool {
    let mut seen = Vec::new();
    for event in events {
        if seen.contains(&event) {
            return false;
        }
        seen.push(event);
    }
    true
}

fn lambdas(at: &str, behavior: &cf::CacheBehavior) -> Rule {
    let lambdas = behavior.lambda_function_associations.as_ref();
    let lambdas = lambdas.map(|list| list.items()).unwrap_or_default();
    let member = format!("{at}.LambdaFunctionAssociations");
    let count = lambdas.len();
    let shape = &error::TOO_MANY_LAMBDA_FUNCTION_ASSOCIATIONS;
    ensure(count <= LAMBDAS_MAX, shape, &member, || {
        format!("has {count} items; {LAMBDAS_MAX} are allowed")
    })?;
    let shape = &error::INVALID_LAMBDA_FUNCTION_ASSOCIATION;
    let is_once = each_once(lambdas.iter().map(|lambda| lambda.event_type));
    ensure(is_once, shape, &member, || "has one event twice".to_owned())?;
    for lambda in lambdas {
        let arn = &lambda.lambda_function_arn;
        ensure(is_version(arn), shape, &member, || {
            format!("has '{arn}'; allowed are numbered versions of functions in us-east-1")
        })?;
        let event = lambda.event_type;
        let is_request = matches!(event, EventType::ViewerRequest | EventType::OriginRequest);
        ensure(
            is_request || lambda.include_body != Some(true),
            shape,
            &member,
            || {
                format!(
                    "has IncludeBody at {}; only requests have one",
                    event.as_str()
                )
            },
        )?;
    }
    Ok(())
}

/// `arn:aws:lambda:us-east-1:123456789012:function:name:7`.
fn is_version(arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    matches!(
        parts.as_slice(),
        ["arn", "aws", "lambda", "us-east-1", account, "function", name, version]
            if is_number(account) && !name.is_empty() && is_number(version)
    )
}

fn functions(call: &Call<'_>, at: &str, behavior: &cf::CacheBehavior) -> Rule {
    let functions = behavior.function_associations.as_ref();
    let functions = functions.map(|list| list.items()).unwrap_or_default();
    let member = format!("{at}.FunctionAssociations");
    let count = functions.len();
    ensure(
        count <= FUNCTIONS_MAX,
        &error::TOO_MANY_FUNCTION_ASSOCIATIONS,
        &member,
        || format!("has {count} items; {FUNCTIONS_MAX} are allowed"),
    )?;
    let shape = &error::INVALID_FUNCTION_ASSOCIATION;
    let is_once = each_once(functions.iter().map(|function| function.event_type));
    ensure(is_once, shape, &member, || "has one event twice".to_owned())?;
    let own = call.control.arn("function/");
    for function in functions {
        let (arn, event) = (&function.function_arn, function.event_type);
        ensure(is_at_viewer(event), shape, &member, || {
            format!(
                "has {}; allowed are viewer-request and viewer-response",
                event.as_str()
            )
        })?;
        let is_function = arn
            .strip_prefix(&own)
            .is_some_and(|name| !name.contains('/'));
        ensure(is_function, shape, &member, || {
            format!("has '{arn}'; allowed are functions of this account: {own}name")
        })?;
    }
    let lambdas = behavior
        .lambda_function_associations
        .iter()
        .flat_map(|list| list.items());
    let mut at_viewer = lambdas.filter(|lambda| is_at_viewer(lambda.event_type));
    let is_one_kind = functions.is_empty() || at_viewer.next().is_none();
    ensure(is_one_kind, shape, &member, || {
        "has functions at viewer events, as LambdaFunctionAssociations has; one kind is allowed"
            .to_owned()
    })
}

/// Fields are encrypted on their way from the viewer to the origin, which must be safe.
fn encryption(config: &DistributionConfig, at: &str, behavior: &cf::CacheBehavior) -> Rule {
    if text(&behavior.field_level_encryption_id).is_empty() {
        return Ok(());
    }
    let is_https = behavior.viewer_protocol_policy != cf::ViewerProtocolPolicy::AllowAll;
    let id = &behavior.target_origin_id;
    let groups = config.origin_groups.iter().flat_map(|list| list.items());
    let members = groups.filter(|group| group.id == *id);
    let members = members.flat_map(|group| &group.members.items);
    let targets: BTreeSet<&str> = members
        .map(|member| member.origin_id.as_str())
        .chain([id.as_str()])
        .collect();
    let goes_in_the_clear = |origin: &cf::Origin| {
        let custom = origin.custom_origin_config.as_ref();
        let protocol = custom.map(|custom| custom.origin_protocol_policy);
        protocol == Some(cf::OriginProtocolPolicy::HttpOnly) && targets.contains(&*origin.id)
    };
    let is_safe =
        is_https && allows_all(behavior) && !config.origins.items.iter().any(goes_in_the_clear);
    let shape = &error::ILLEGAL_FIELD_LEVEL_ENCRYPTION_CONFIG_ASSOCIATION_WITH_CACHE_BEHAVIOR;
    ensure(
        is_safe,
        shape,
        format!("{at}.FieldLevelEncryptionId"),
        || "needs HTTPS from viewers and to the origin, and all seven methods".to_owned(),
    )
}

fn grpc(config: &DistributionConfig, at: &str, behavior: &cf::CacheBehavior) -> Rule {
    if !behavior
        .grpc_config
        .as_ref()
        .is_some_and(|grpc| grpc.enabled)
    {
        return Ok(());
    }
    let speaks_http2 = matches!(
        config.http_version,
        None | Some(cf::HttpVersion::Http2 | cf::HttpVersion::Http2and3)
    );
    let fits = speaks_http2 && allows_all(behavior);
    ensure(
        fits,
        &error::INVALID_ARGUMENT,
        format!("{at}.GrpcConfig"),
        || "needs HTTP/2 in HttpVersion and all seven methods".to_owned(),
    )
}

/// Real-time logs belong to an account.
fn log(call: &Call<'_>, at: &str, behavior: &cf::CacheBehavior) -> Rule {
    let arn = text(&behavior.realtime_log_config_arn);
    let member = format!("{at}.RealtimeLogConfigArn");
    let parts: Vec<&str> = arn.split(':').collect();
    let account = match parts.as_slice() {
        _ if arn.is_empty() => return Ok(()),
        ["arn", _, "cloudfront", "", account, name] => {
            let name = name.strip_prefix("realtime-log-config/");
            name.filter(|name| !name.is_empty() && !name.contains('/'))
                .map(|_| *account)
        }
        _ => None,
    };
    ensure(account.is_some(), &error::INVALID_ARGUMENT, &member, || {
        format!("is '{arn}', which is no ARN of a real-time log config")
    })?;
    let is_own = account == Some(call.control.config.account_id.as_str());
    ensure(
        is_own,
        &error::REALTIME_LOG_CONFIG_OWNER_MISMATCH,
        &member,
        || format!("is '{arn}', which is another account's"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_come_in_three_sets() {
        use Method::{Delete, Get, Head, Options, Patch, Post, Put};
        assert_eq!(set_of(&[Head, Get]), 2);
        assert_eq!(set_of(&[Get, Options, Head]), 3);
        assert_eq!(set_of(&[Get, Head, Options, Put, Post, Patch, Delete]), 7);
        assert_eq!(set_of(&[Get]), 0);
        assert_eq!(set_of(&[Get, Get]), 0);
        assert_eq!(set_of(&[Get, Head, Post]), 0);
        assert_eq!(set_of(&[Get, Head, Options, Put, Post, Patch, Patch]), 0);
    }

    #[test]
    fn lambda_functions_are_numbered_versions_in_one_region() {
        assert!(is_version(
            "arn:aws:lambda:us-east-1:123456789012:function:f:7"
        ));
        for bad in [
            "arn:aws:lambda:us-east-1:123456789012:function:f",
            "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST",
            "arn:aws:lambda:eu-west-1:123456789012:function:f:7",
        ] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}
