//! Continuous deployment policies: which part of a primary distribution's traffic goes to its
//! staging distribution (spec §1.8).
//!
//! A policy is attached by the primary distribution, which names it; the policy names the staging
//! one. Each has one of the other at most.

use documents::{Resource, keys};
use shapes::Timestamp;
use shapes::cloudfront::{
    self as cf, ContinuousDeploymentPolicyConfig, ContinuousDeploymentPolicyType,
    DistributionConfig, error,
};

use super::distribution::{self, DEPLOYMENT_POLICY, OWN_NAME, STAGING};
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::Failure;
use crate::ids::IdForm;
use crate::resource::{self, Kind, Stored};
use crate::service::{Entry, served};

/// Largest part of the traffic that may go to the staging distribution.
const WEIGHT_MAX: f64 = 0.15;
/// Seconds that a session may be idle, or last.
const SESSION_SECS: std::ops::RangeInclusive<i32> = 300..=3_600;
/// What the names of headers begin with that choose the staging distribution.
const HEADER_PREFIX: &str = "aws-cf-cd-";
/// Longest name of such a header.
const HEADER_NAME_CHARS_MAX: usize = 256;
/// Longest value of such a header.
const HEADER_VALUE_CHARS_MAX: usize = 1_783;

pub(super) const KIND: Kind = Kind {
    noun: "continuous deployment policy",
    collection: keys::CONTINUOUS_DEPLOYMENT_POLICY,
    id: IdForm::Uuid,
    cfn_type: "AWS::CloudFront::ContinuousDeploymentPolicy",
    missing: &error::NO_SUCH_CONTINUOUS_DEPLOYMENT_POLICY,
};

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreateContinuousDeploymentPolicy", |call| {
        Box::pin(create(call))
    }),
    served("GetContinuousDeploymentPolicy", |call| Box::pin(get(call))),
    served("GetContinuousDeploymentPolicyConfig", |call| {
        Box::pin(get_config(call))
    }),
    served("UpdateContinuousDeploymentPolicy", |call| {
        Box::pin(update(call))
    }),
    served("DeleteContinuousDeploymentPolicy", |call| {
        Box::pin(delete(call))
    }),
    served("ListContinuousDeploymentPolicies", |call| {
        Box::pin(list(call))
    }),
];

/// A policy as it lies in the store.
pub(super) type Policy = Stored<ContinuousDeploymentPolicyConfig>;

/// The id of the staging distribution that a policy names, if there still is one.
pub(super) async fn staging_of(
    call: &Call<'_>,
    config: &ContinuousDeploymentPolicyConfig,
) -> Result<Option<String>, Failure> {
    match config.staging_distribution_dns_names.items() {
        [name, ..] => call.claimed(OWN_NAME, &name.to_ascii_lowercase()).await,
        [] => Ok(None),
    }
}

async fn create(call: &Call<'_>) -> Answer {
    let input: cf::CreateContinuousDeploymentPolicyRequest = call.input()?;
    let config = input.continuous_deployment_policy_config;
    check(call, &config)?;
    let policy = KIND.first_version(call, config);
    let staging = staging(call, &policy.config).await?;
    refuse_taken(call, &staging.resource.id).await?;
    let change = KIND
        .creation(call, &policy)
        .claim(STAGING, &staging.resource.id, &policy.id)
        .if_present(&staging.key);
    call.commit(change).await?;
    Ok(Reply::of(&cf::CreateContinuousDeploymentPolicyResult {
        location: Some(super::location("continuous-deployment-policy", &policy.id)),
        etag: Some(policy.etag.clone()),
        continuous_deployment_policy: Some(output(policy)),
    }))
}

async fn get(call: &Call<'_>) -> Answer {
    let input: cf::GetContinuousDeploymentPolicyRequest = call.input()?;
    let policy: Policy = KIND.load(call, &input.id).await?;
    Ok(Reply::of(&cf::GetContinuousDeploymentPolicyResult {
        etag: Some(policy.resource.etag.clone()),
        continuous_deployment_policy: Some(output(policy.resource)),
    }))
}

async fn get_config(call: &Call<'_>) -> Answer {
    let input: cf::GetContinuousDeploymentPolicyConfigRequest = call.input()?;
    let policy: Policy = KIND.load(call, &input.id).await?;
    Ok(Reply::of(&cf::GetContinuousDeploymentPolicyConfigResult {
        etag: Some(policy.resource.etag),
        continuous_deployment_policy_config: Some(policy.resource.config),
    }))
}

async fn update(call: &Call<'_>) -> Answer {
    let input: cf::UpdateContinuousDeploymentPolicyRequest = call.input()?;
    let stored: Policy = KIND.load(call, &input.id).await?;
    stored.check_if_match(input.if_match.as_deref())?;
    let config = input.continuous_deployment_policy_config;
    check(call, &config)?;
    let staging = staging(call, &config).await?;
    let mut change = stored.change(&KIND).if_present(&staging.key);
    let old = staging_of(call, &stored.resource.config).await?;
    if old.as_ref() != Some(&staging.resource.id) {
        refuse_taken(call, &staging.resource.id).await?;
        if let Some(old) = old {
            change = change.release(STAGING, &old);
        }
        change = change.claim(STAGING, &staging.resource.id, &stored.resource.id);
    }
    let policy = stored.next_version(call, config);
    call.commit(change.save(call, &stored.key, &policy)).await?;
    Ok(Reply::of(&cf::UpdateContinuousDeploymentPolicyResult {
        etag: Some(policy.etag.clone()),
        continuous_deployment_policy: Some(output(policy)),
    }))
}

async fn delete(call: &Call<'_>) -> Answer {
    let input: cf::DeleteContinuousDeploymentPolicyRequest = call.input()?;
    let stored: Policy = KIND.load(call, &input.id).await?;
    stored.check_if_match(input.if_match.as_deref())?;
    let id = &stored.resource.id;
    if let Some(primary) = call.claimed(DEPLOYMENT_POLICY, id).await? {
        let message = format!("The distribution {primary} names the policy {id}.");
        return Err(Failure::api(
            &error::CONTINUOUS_DEPLOYMENT_POLICY_IN_USE,
            message,
        ));
    }
    let mut change: Change = stored
        .change(&KIND)
        .if_absent(keys::claim(DEPLOYMENT_POLICY, id));
    if let Some(staging) = staging_of(call, &stored.resource.config).await? {
        change = change.release(STAGING, &staging);
    }
    let version = stored.resource.version;
    call.commit(change.remove(call, &stored.key, version))
        .await?;
    Ok(Reply::empty())
}

async fn list(call: &Call<'_>) -> Answer {
    let input: cf::ListContinuousDeploymentPoliciesRequest = call.input()?;
    let policies: Vec<Policy> = KIND.load_all(call).await?;
    let (marker, max_items) = (input.marker.as_deref(), input.max_items.as_deref());
    let page = resource::page(policies, |policy| &policy.resource.id, marker, max_items)?;
    let items = page.items.into_iter();
    let items: Vec<_> = items
        .map(|policy| cf::ContinuousDeploymentPolicySummary {
            continuous_deployment_policy: output(policy.resource),
        })
        .collect();
    Ok(Reply::of(&cf::ListContinuousDeploymentPoliciesResult {
        continuous_deployment_policy_list: Some(cf::ContinuousDeploymentPolicyList {
            next_marker: page.next_marker,
            max_items: page.max_items,
            quantity: items.len() as i32,
            items: (!items.is_empty()).then_some(items),
        }),
    }))
}

fn output(policy: Resource<ContinuousDeploymentPolicyConfig>) -> cf::ContinuousDeploymentPolicy {
    cf::ContinuousDeploymentPolicy {
        id: policy.id,
        last_modified_time: Timestamp::from_unix_ms(policy.modified_ms as i64),
        continuous_deployment_policy_config: policy.config,
    }
}

/// The staging distribution that a config names; it must be one.
async fn staging(
    call: &Call<'_>,
    config: &ContinuousDeploymentPolicyConfig,
) -> Result<Stored<DistributionConfig>, Failure> {
    let names = config.staging_distribution_dns_names.items();
    let name = names.first().map(String::as_str).unwrap_or_default();
    let unknown = || invalid(format!("'{name}' is the name of no staging distribution"));
    let id = staging_of(call, config).await?.ok_or_else(unknown)?;
    let staging: Stored<DistributionConfig> = distribution::KIND.load(call, &id).await?;
    match staging.resource.config.staging {
        Some(true) => Ok(staging),
        _ => Err(unknown()),
    }
}

async fn refuse_taken(call: &Call<'_>, staging: &str) -> Result<(), Failure> {
    match call.claimed(STAGING, staging).await? {
        None => Ok(()),
        Some(policy) => Err(Failure::api(
            &error::STAGING_DISTRIBUTION_IN_USE,
            format!("The continuous deployment policy {policy} has {staging} already."),
        )),
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::api(&error::INVALID_ARGUMENT, message)
}

/// What is wrong with a config.
fn check(call: &Call<'_>, config: &ContinuousDeploymentPolicyConfig) -> Result<(), Failure> {
    distribution::check_quantities(call)?;
    let names = config.staging_distribution_dns_names.items().len();
    if names != 1 {
        let message = format!("StagingDistributionDnsNames has {names} names; 1 is allowed");
        return Err(invalid(message));
    }
    match &config.traffic_config {
        Some(traffic) => check_traffic(traffic),
        None if config.enabled => Err(invalid("TrafficConfig is required when Enabled is true")),
        None => Ok(()),
    }
}

fn check_traffic(traffic: &cf::TrafficConfig) -> Result<(), Failure> {
    let by_weight = traffic.single_weight_config.as_ref();
    let by_header = traffic.single_header_config.as_ref();
    match (traffic.r#type, by_weight, by_header) {
        (ContinuousDeploymentPolicyType::SingleWeight, Some(weight), None) => check_weight(weight),
        (ContinuousDeploymentPolicyType::SingleHeader, None, Some(header)) => check_header(header),
        (ContinuousDeploymentPolicyType::SingleWeight, ..) => Err(invalid(
            "TrafficConfig of Type SingleWeight needs SingleWeightConfig and nothing else",
        )),
        (ContinuousDeploymentPolicyType::SingleHeader, ..) => Err(invalid(
            "TrafficConfig of Type SingleHeader needs SingleHeaderConfig and nothing else",
        )),
    }
}

fn check_weight(config: &cf::ContinuousDeploymentSingleWeightConfig) -> Result<(), Failure> {
    // Weights are floats of 32 bits to some clients: 0.15 is a little more there.
    let is_allowed = (0.0..=WEIGHT_MAX + 1e-6).contains(&config.weight);
    if !is_allowed {
        let message = format!("Weight is {}; 0 to {WEIGHT_MAX} are allowed", config.weight);
        return Err(invalid(message));
    }
    let Some(session) = &config.session_stickiness_config else {
        return Ok(());
    };
    for (member, secs) in [
        ("IdleTTL", session.idle_ttl),
        ("MaximumTTL", session.maximum_ttl),
    ] {
        if !SESSION_SECS.contains(&secs) {
            let (least, most) = (SESSION_SECS.start(), SESSION_SECS.end());
            let message = format!("{member} is {secs}; {least} to {most} are allowed");
            return Err(invalid(message));
        }
    }
    match session.idle_ttl <= session.maximum_ttl {
        true => Ok(()),
        false => Err(invalid(format!(
            "IdleTTL is {}, which is more than MaximumTTL, {}",
            session.idle_ttl, session.maximum_ttl
        ))),
    }
}

fn check_header(config: &cf::ContinuousDeploymentSingleHeaderConfig) -> Result<(), Failure> {
    let name = config.header.as_str();
    let starts = name.get(..HEADER_PREFIX.len());
    let is_prefixed = starts.is_some_and(|start| start.eq_ignore_ascii_case(HEADER_PREFIX));
    let is_token = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if !is_prefixed || !is_token || name.len() > HEADER_NAME_CHARS_MAX {
        let message = format!(
            "Header is '{name}'; allowed are {HEADER_PREFIX} and letters, digits, - and _ after it"
        );
        return Err(invalid(message));
    }
    let value = config.value.as_str();
    let is_text = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    match !value.is_empty() && is_text && value.len() <= HEADER_VALUE_CHARS_MAX {
        true => Ok(()),
        false => Err(invalid(format!(
            "Value must be 1 to {HEADER_VALUE_CHARS_MAX} printable characters"
        ))),
    }
}
