//! Staging distributions: copies of a primary one that take a part of its traffic, and what becomes
//! of them (spec §1.8).

use documents::{Resource, keys};
use shapes::cloudfront::{self as cf, error};

use super::{Distribution, KIND, accept, creation, load, output};
use crate::call::{Answer, Call, Reply};
use crate::cloudfront::continuous_deployment::{self, Policy};
use crate::error::Failure;

/// `CopyDistribution`: a staging distribution with the config of a primary one.
pub async fn copy(call: &Call<'_>) -> Answer {
    let input: cf::CopyDistributionRequest = call.input()?;
    let primary = load(call, &input.primary_distribution_id).await?;
    primary.check_if_match(input.if_match.as_deref())?;
    if input.staging != Some(true) {
        return invalid("Staging must be true: a copy is a staging distribution.");
    }
    if primary.resource.config.staging == Some(true) {
        return invalid("PrimaryDistributionId is that of a staging distribution.");
    }
    let mut config = primary.resource.config.clone();
    config.caller_reference = input.caller_reference;
    config.enabled = input.enabled.unwrap_or(config.enabled);
    config.staging = Some(true);
    config.aliases = Some(cf::Aliases::default());
    config.continuous_deployment_policy_id = Some(String::new());
    let (resource, change) = creation(call, config);
    let change = change.if_still(&primary.key, Some(primary.modified));
    let change = accept(call, change, None, &resource).await?;
    let modified = call.commit(change).await?;
    Ok(Reply::of(&cf::CopyDistributionResult {
        location: Some(crate::cloudfront::location("distribution", &resource.id)),
        etag: Some(resource.etag.clone()),
        distribution: Some(output::distribution(call, resource, modified).await?),
    }))
}

/// `UpdateDistributionWithStagingConfig`: the staging distribution's config becomes the primary
/// one's, and traffic is no longer parted.
pub async fn promote(call: &Call<'_>) -> Answer {
    let input: cf::UpdateDistributionWithStagingConfigRequest = call.input()?;
    let primary = load(call, &input.id).await?;
    let policy = policy_of(call, &primary).await?;
    let named = continuous_deployment::staging_of(call, &policy.resource.config).await?;
    let Some(staging_id) = input.staging_distribution_id.or_else(|| named.clone()) else {
        return invalid("StagingDistributionId is required.");
    };
    // Whoever names it, the request or the policy, its config is read.
    let arn = call.control.arn(&format!("distribution/{staging_id}"));
    call.permit("cloudfront:GetDistribution", &arn)?;
    let staging = load(call, &staging_id).await?;
    check_if_match(&primary, &staging, input.if_match.as_deref())?;
    if named.as_ref() != Some(&staging_id) {
        let message = format!(
            "The staging distribution of {} is not '{staging_id}'.",
            primary.resource.id
        );
        return invalid(message);
    }
    let next = primary.next_version(call, promoted(&primary, &staging));
    let mut config = policy.resource.config.clone();
    config.enabled = false;
    let next_policy: Resource<_> = policy.next_version(call, config);
    let change = primary
        .change(&KIND)
        .about(continuous_deployment::KIND.cfn_type, &next_policy.id)
        .if_still(&staging.key, Some(staging.modified))
        .if_still(&policy.key, Some(policy.modified))
        .touch(keys::CONTINUOUS_DEPLOYMENT_POLICY)
        .save(call, &primary.key, &next)
        .save(call, &policy.key, &next_policy);
    let change = accept(call, change, Some(&primary.resource.config), &next).await?;
    let modified = call.commit(change).await?;
    Ok(Reply::of(&cf::UpdateDistributionWithStagingConfigResult {
        etag: Some(next.etag.clone()),
        distribution: Some(output::distribution(call, next, modified).await?),
    }))
}

/// The staging distribution's config with what stays the primary one's own.
fn promoted(primary: &Distribution, staging: &Distribution) -> cf::DistributionConfig {
    let own = &primary.resource.config;
    cf::DistributionConfig {
        caller_reference: own.caller_reference.clone(),
        aliases: own.aliases.clone(),
        continuous_deployment_policy_id: own.continuous_deployment_policy_id.clone(),
        staging: own.staging,
        ..staging.resource.config.clone()
    }
}

async fn policy_of(call: &Call<'_>, primary: &Distribution) -> Result<Policy, Failure> {
    let id = primary
        .resource
        .config
        .continuous_deployment_policy_id
        .as_deref();
    let Some(id) = id.filter(|id| !id.is_empty()) else {
        let message = format!(
            "The distribution {} has no continuous deployment policy, and so no staging \
             distribution.",
            primary.resource.id
        );
        return Err(Failure::api(&error::INVALID_ARGUMENT, message));
    };
    continuous_deployment::KIND.load(call, id).await
}

/// `If-Match` names both: `primaryETag,stagingETag`.
fn check_if_match(
    primary: &Distribution,
    staging: &Distribution,
    if_match: Option<&str>,
) -> Result<(), Failure> {
    let Some((first, second)) = if_match.and_then(|both| both.split_once(',')) else {
        let message = "If-Match must be the ETags of the primary and of the staging distribution, \
                       with a comma between them.";
        return Err(Failure::api(&error::INVALID_IF_MATCH_VERSION, message));
    };
    primary.check_if_match(Some(first))?;
    staging.check_if_match(Some(second))
}

fn invalid<T>(message: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::api(&error::INVALID_ARGUMENT, message))
}
