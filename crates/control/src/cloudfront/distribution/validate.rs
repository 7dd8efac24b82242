//! The rules of a config, with CloudFront's error for each (spec §16.5).
//!
//! A rule is a condition that must hold, the error if it does not, the member, and words that say
//! what is there and what is allowed ([`ensure`]). Configs are completed before they come here, so
//! that the rules hold for what is stored. What needs other resources is in `references.rs` and
//! `claims.rs`.

mod behaviors;
mod errors;
mod forwarded;
mod origins;
mod template;
mod viewers;

use shapes::cloudfront::{self as cf, DistributionConfig, error};
use shapes::schema::ErrorShape;

use super::limits::*;
use super::references::Found;
use crate::call::Call;
use crate::error::Failure;

pub use template::with_example_parameters;
pub use viewers::{host_name, web_acl_id};

/// What comes of a rule.
type Rule = Result<(), Failure>;

/// Refuses what does not keep to a rule; `message` says what is at the member instead.
fn ensure(
    holds: bool,
    shape: &'static ErrorShape,
    member: impl AsRef<str>,
    message: impl FnOnce() -> String,
) -> Rule {
    match holds {
        true => Ok(()),
        false => Err(Failure::api(
            shape,
            format!("DistributionConfig.{} {}.", member.as_ref(), message()),
        )),
    }
}

/// Refuses an input with a `Quantity` that is not the number of its `Items`, and then one that is
/// out of the bounds of AWS's model.
pub fn quantities(call: &Call<'_>) -> Rule {
    let Some(input) = &call.operation.input else {
        return Ok(());
    };
    let errors = shapes::check_bounds(input.shape, &call.input);
    match errors.iter().find(|error| error.path.ends_with("Quantity")) {
        Some(wrong) => Err(Failure::api(
            &error::INCONSISTENT_QUANTITIES,
            wrong.to_string(),
        )),
        None if errors.is_empty() => Ok(()),
        None => Err(Failure::invalid(&error::INVALID_ARGUMENT, &errors)),
    }
}

/// What holds for a new distribution alone.
pub fn new(config: &DistributionConfig) -> Rule {
    let policy = text(&config.continuous_deployment_policy_id);
    ensure(
        policy.is_empty(),
        &error::INVALID_ARGUMENT,
        "ContinuousDeploymentPolicyId",
        || format!("is '{policy}'; a policy can be set once the distribution is made"),
    )
}

/// An update is the whole config: members that may be left out of a new one may not be left out
/// here (spec §1.2). Templates lack some of them altogether.
pub fn completeness(config: &DistributionConfig) -> Rule {
    if config.connection_mode == Some(cf::ConnectionMode::TenantOnly) {
        return Ok(());
    }
    let members = [
        ("Aliases", config.aliases.is_some()),
        ("DefaultRootObject", config.default_root_object.is_some()),
        ("CacheBehaviors", config.cache_behaviors.is_some()),
        (
            "CustomErrorResponses",
            config.custom_error_responses.is_some(),
        ),
        ("Logging", config.logging.is_some()),
        ("PriceClass", config.price_class.is_some()),
        ("ViewerCertificate", config.viewer_certificate.is_some()),
        ("Restrictions", config.restrictions.is_some()),
        ("WebACLId", config.web_acl_id.is_some()),
        ("HttpVersion", config.http_version.is_some()),
    ];
    for (member, is_there) in members {
        ensure(is_there, &error::ILLEGAL_UPDATE, member, || {
            "is missing; an update has all that GetDistributionConfig gives".to_owned()
        })?;
    }
    let responses = config
        .custom_error_responses
        .iter()
        .flat_map(|list| list.items());
    for (index, response) in responses.enumerate() {
        let is_whole = response.response_page_path.is_some() && response.response_code.is_some();
        let member = format!("CustomErrorResponses.Items[{index}]");
        ensure(is_whole, &error::ILLEGAL_UPDATE, member, || {
            "lacks ResponsePagePath or ResponseCode; both may be empty".to_owned()
        })?;
    }
    Ok(())
}

/// What never changes.
pub fn update(old: &DistributionConfig, new: &DistributionConfig) -> Rule {
    let shape = &error::ILLEGAL_UPDATE;
    let (was, is) = (&old.caller_reference, &new.caller_reference);
    ensure(was == is, shape, "CallerReference", || {
        format!("is '{is}', but must stay '{was}'")
    })?;
    ensure(old.staging == new.staging, shape, "Staging", || {
        "cannot change".to_owned()
    })?;
    let mode =
        |config: &DistributionConfig| config.connection_mode.unwrap_or(cf::ConnectionMode::Direct);
    ensure(mode(old) == mode(new), shape, "ConnectionMode", || {
        "cannot change".to_owned()
    })
}

/// Every rule that a config can be held against alone.
pub fn config(call: &Call<'_>, config: &DistributionConfig) -> Rule {
    quotas(config)?;
    names(config)?;
    origins::check(config)?;
    origins::groups(config)?;
    behaviors::check(call, config)?;
    errors::check(config)?;
    viewers::check(call, config)?;
    template::check(config)?;
    staging(config)
}

/// How many of a thing there may be.
fn quotas(config: &DistributionConfig) -> Rule {
    let groups = config
        .origin_groups
        .as_ref()
        .map_or(0, |list| list.items().len());
    let behaviors = config
        .cache_behaviors
        .as_ref()
        .map_or(0, |list| list.items().len());
    let aliases = config.aliases.as_ref().map_or(0, |list| list.items().len());
    let origins = config.origins.items.len();
    #[rustfmt::skip]
    let counts = [
        ("Aliases", aliases, ALIASES_MAX, &error::TOO_MANY_DISTRIBUTION_CNAM_ES),
        ("Origins", origins, ORIGINS_MAX, &error::TOO_MANY_ORIGINS),
        ("OriginGroups", groups, ORIGIN_GROUPS_MAX,
            &error::TOO_MANY_ORIGIN_GROUPS_PER_DISTRIBUTION),
        ("CacheBehaviors", behaviors, BEHAVIORS_MAX, &error::TOO_MANY_CACHE_BEHAVIORS),
    ];
    for (member, count, most, shape) in counts {
        ensure(count <= most, shape, member, || {
            format!("has {count} items; {most} are allowed")
        })?;
    }
    Ok(())
}

/// Texts that are the distribution's own.
fn names(config: &DistributionConfig) -> Rule {
    let shape = &error::INVALID_ARGUMENT;
    let length = config.caller_reference.chars().count();
    let is_allowed = (1..=CALLER_REFERENCE_CHARS_MAX).contains(&length);
    ensure(is_allowed, shape, "CallerReference", || {
        format!("has {length} characters; 1 to {CALLER_REFERENCE_CHARS_MAX} are allowed")
    })?;
    let length = config.comment.chars().count();
    ensure(length <= COMMENT_CHARS_MAX, shape, "Comment", || {
        format!("has {length} characters; {COMMENT_CHARS_MAX} are allowed")
    })?;
    let Some(logging) = config
        .logging
        .as_ref()
        .filter(|logging| logging.enabled == Some(true))
    else {
        return Ok(());
    };
    let bucket = text(&logging.bucket);
    let is_bucket = bucket.ends_with(".amazonaws.com") && origins::is_bucket(bucket);
    ensure(is_bucket, shape, "Logging.Bucket", || {
        format!("is '{bucket}'; allowed is a bucket's domain such as logs.s3.amazonaws.com")
    })
}

/// What a staging distribution, and one that has one, may not be (spec §1.8).
fn staging(config: &DistributionConfig) -> Rule {
    let shape = &error::INVALID_ARGUMENT;
    let is_staging = config.staging == Some(true);
    let has_policy = !text(&config.continuous_deployment_policy_id).is_empty();
    if !is_staging && !has_policy {
        return Ok(());
    }
    let has_aliases = config
        .aliases
        .as_ref()
        .is_some_and(|list| !list.items().is_empty());
    ensure(!is_staging || !has_aliases, shape, "Aliases", || {
        "are not allowed: viewers reach a staging distribution by the primary one's".to_owned()
    })?;
    ensure(
        !is_staging || !has_policy,
        shape,
        "ContinuousDeploymentPolicyId",
        || "is for the primary distribution alone".to_owned(),
    )?;
    let is_tenant_only = config.connection_mode == Some(cf::ConnectionMode::TenantOnly);
    ensure(!is_tenant_only, shape, "ConnectionMode", || {
        "is tenant-only, which goes without continuous deployment".to_owned()
    })?;
    let speaks_http3 = matches!(
        config.http_version,
        Some(cf::HttpVersion::Http3 | cf::HttpVersion::Http2and3)
    );
    ensure(!speaks_http3, shape, "HttpVersion", || {
        "has HTTP/3, which goes without continuous deployment".to_owned()
    })?;
    for (index, origin) in config.origins.items.iter().enumerate() {
        let member = format!("Origins.Items[{index}].ResponseCompletionTimeout");
        let is_set = origin
            .response_completion_timeout
            .is_some_and(|secs| secs != 0);
        ensure(!is_set, shape, member, || {
            "is set, which goes without continuous deployment".to_owned()
        })?;
    }
    Ok(())
}

/// Rules about what a config names: that it is of the kind that is needed there.
pub fn references(config: &DistributionConfig, found: &Found) -> Rule {
    origins::access_controls(config, found)
}

/// An optional text; none is an empty one.
fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}

/// Whether a text is a header's name.
fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
