//! Distributions (spec §1).
//!
//! A config goes the same way whichever operation brings it ([`accept`]): it is completed
//! (`normalise.rs`), held against the rules (`validate.rs`), takes what it has for itself
//! (`claims.rs`), names only what is there (`references.rs`), has a certificate that covers its
//! names (`../viewer_certificate.rs`), and can be served by edges. Then it is one transaction.
//!
//! Quotas of an account, such as 500 distributions, are not kept: they are AWS's, not edges'. Those
//! of one distribution are.

mod behavior;
mod claims;
mod domains;
mod limits;
mod lists;
mod normalise;
mod output;
mod references;
mod staging;
mod validate;
mod web_acl;

use documents::tenant::Tenant;
use documents::{Resource, keys};
use shapes::cloudfront::{self as cf, DistributionConfig, error};
use store::Revision;

use self::lists::Form;
use self::normalise::normalise;
use super::{invalidation, tags, viewer_certificate};
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::Failure;
use crate::ids::{self, IdForm};
use crate::nodes::Living;
use crate::resource::{Kind, Stored};
use crate::service::{Entry, served, stored};

pub(super) use self::references::Found;
pub(super) use claims::{DEPLOYMENT_POLICY, HOST_NAME, OWN_NAME, STAGING};
pub(super) use validate::quantities as check_quantities;

pub(super) const KIND: Kind = Kind {
    noun: "distribution",
    collection: keys::DISTRIBUTION,
    id: IdForm::Letter('E'),
    cfn_type: "AWS::CloudFront::Distribution",
    missing: &error::NO_SUCH_DISTRIBUTION,
};

/// What nodes do not do with an association.
const WEB_ACL_NOTE: &str = "requests are not filtered yet; the web ACL need not exist";

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreateDistribution", |call| Box::pin(create(call))),
    served("CreateDistributionWithTags", |call| {
        Box::pin(create_with_tags(call))
    }),
    served("GetDistribution", |call| Box::pin(get(call))),
    served("GetDistributionConfig", |call| Box::pin(get_config(call))),
    served("UpdateDistribution", |call| Box::pin(update(call))),
    served("DeleteDistribution", |call| Box::pin(delete(call))),
    served("CopyDistribution", |call| Box::pin(staging::copy(call))),
    served("UpdateDistributionWithStagingConfig", |call| {
        Box::pin(staging::promote(call))
    }),
    served("AssociateAlias", |call| {
        Box::pin(domains::associate_alias(call))
    }),
    served("ListConflictingAliases", |call| {
        Box::pin(domains::list_conflicting_aliases(call))
    }),
    served("ListDomainConflicts", |call| {
        Box::pin(domains::list_conflicts(call))
    }),
    served("UpdateDomainAssociation", |call| {
        Box::pin(domains::update_association(call))
    }),
    stored("AssociateDistributionWebACL", WEB_ACL_NOTE, |call| {
        Box::pin(web_acl::associate(call))
    }),
    stored("DisassociateDistributionWebACL", WEB_ACL_NOTE, |call| {
        Box::pin(web_acl::disassociate(call))
    }),
    served("ListDistributions", |call| Box::pin(lists::all(call))),
    served("ListDistributionsByAnycastIpListId", |call| {
        Box::pin(lists::by_id(
            call,
            "AnycastIpListId",
            references::ANYCAST_IP_LIST,
            Form::Summaries,
        ))
    }),
    served("ListDistributionsByCachePolicyId", |call| {
        Box::pin(lists::by_id(
            call,
            "CachePolicyId",
            keys::CACHE_POLICY,
            Form::Ids,
        ))
    }),
    served("ListDistributionsByConnectionFunction", |call| {
        Box::pin(lists::by_id(
            call,
            "ConnectionFunctionIdentifier",
            references::CONNECTION_FUNCTION,
            Form::Summaries,
        ))
    }),
    served("ListDistributionsByKeyGroup", |call| {
        Box::pin(lists::by_id(
            call,
            "KeyGroupId",
            references::KEY_GROUP,
            Form::Ids,
        ))
    }),
    served("ListDistributionsByOriginRequestPolicyId", |call| {
        Box::pin(lists::by_id(
            call,
            "OriginRequestPolicyId",
            keys::ORIGIN_REQUEST_POLICY,
            Form::Ids,
        ))
    }),
    served("ListDistributionsByResponseHeadersPolicyId", |call| {
        Box::pin(lists::by_id(
            call,
            "ResponseHeadersPolicyId",
            keys::RESPONSE_HEADERS_POLICY,
            Form::Ids,
        ))
    }),
    served("ListDistributionsByTrustStore", |call| {
        Box::pin(lists::by_id(
            call,
            "TrustStoreIdentifier",
            references::TRUST_STORE,
            Form::Summaries,
        ))
    }),
    served("ListDistributionsByVpcOriginId", |call| {
        Box::pin(lists::by_id(
            call,
            "VpcOriginId",
            references::VPC_ORIGIN,
            Form::Ids,
        ))
    }),
    served("ListDistributionsByConnectionMode", |call| {
        Box::pin(lists::by_connection_mode(call))
    }),
    served("ListDistributionsByOwnedResource", |call| {
        Box::pin(lists::by_owned_resource(call))
    }),
    served("ListDistributionsByRealtimeLogConfig", |call| {
        Box::pin(lists::by_realtime_log_config(call))
    }),
    served("ListDistributionsByWebACLId", |call| {
        Box::pin(lists::by_web_acl(call))
    }),
];

/// A distribution's document as it lies in the store.
type Distribution = Stored<DistributionConfig>;

async fn create(call: &Call<'_>) -> Answer {
    let input: cf::CreateDistributionRequest = call.input()?;
    let (etag, distribution) = make(call, input.distribution_config, None).await?;
    Ok(Reply::of(&cf::CreateDistributionResult {
        location: Some(super::location("distribution", &distribution.id)),
        etag: Some(etag),
        distribution: Some(distribution),
    }))
}

async fn create_with_tags(call: &Call<'_>) -> Answer {
    let input: cf::CreateDistributionWithTagsRequest = call.input()?;
    let cf::DistributionConfigWithTags {
        distribution_config,
        tags,
    } = input.distribution_config_with_tags;
    let (etag, distribution) = make(call, distribution_config, Some(&tags)).await?;
    Ok(Reply::of(&cf::CreateDistributionWithTagsResult {
        location: Some(super::location("distribution", &distribution.id)),
        etag: Some(etag),
        distribution: Some(distribution),
    }))
}

/// Makes a distribution: its entity tag, and what is told of it.
async fn make(
    call: &Call<'_>,
    config: DistributionConfig,
    tags: Option<&cf::Tags>,
) -> Result<(String, cf::Distribution), Failure> {
    validate::quantities(call)?;
    let config = normalise(config);
    validate::new(&config)?;
    let (resource, change) = creation(call, config);
    let change = tags::attach(change, &output::arn(call, &resource.id), tags)?;
    let change = accept(call, change, None, &resource).await?;
    let modified = call.commit(change).await?;
    let etag = resource.etag.clone();
    Ok((etag, output::distribution(call, resource, modified).await?))
}

/// A new distribution with a name of its own, and the change that makes it.
fn creation(call: &Call<'_>, config: DistributionConfig) -> (Resource<DistributionConfig>, Change) {
    let mut resource = KIND.first_version(call, config);
    let domain = format!("{}.{}", ids::domain_label(), call.control.config.domain);
    let domain = domain.to_ascii_lowercase();
    resource.domain = Some(domain.clone());
    let change = KIND.creation(call, &resource);
    let change = change.claim(claims::OWN_NAME, &domain, &resource.id);
    (resource, change)
}

/// Adds to a change that puts a version of a distribution what that version needs, if it may be
/// put at all.
async fn accept(
    call: &Call<'_>,
    change: Change,
    old: Option<&DistributionConfig>,
    next: &Resource<DistributionConfig>,
) -> Result<Change, Failure> {
    validate::config(call, &next.config)?;
    let change = claims::transfer(call, change, &next.id, old, Some(&next.config)).await?;
    let found = Found::of(call, &next.config).await?;
    validate::references(&next.config, &found)?;
    let named = found.with_what_they_name(call).await?;
    let problems = match validate::with_example_parameters(next) {
        Some(example) => call.control.sites.check(&example, &named),
        None => call.control.sites.check(next, &named),
    };
    if !problems.is_empty() {
        return Err(Failure::invalid(&error::INVALID_ARGUMENT, &problems));
    }
    let change = viewer_certificate::of_distribution(call, change, old, &next.config).await?;
    Ok(found.hold(change))
}

/// Puts a config in place of a distribution's: the new version, and when it was put.
async fn replace(
    call: &Call<'_>,
    stored: &Distribution,
    config: DistributionConfig,
) -> Result<(Resource<DistributionConfig>, Revision), Failure> {
    let next = stored.next_version(call, config);
    let change = stored.change(&KIND).save(call, &stored.key, &next);
    let change = accept(call, change, Some(&stored.resource.config), &next).await?;
    let modified = call.commit(change).await?;
    Ok((next, modified))
}

async fn load(call: &Call<'_>, id: &str) -> Result<Distribution, Failure> {
    KIND.load(call, id).await
}

async fn get(call: &Call<'_>) -> Answer {
    let input: cf::GetDistributionRequest = call.input()?;
    let stored = load(call, &input.id).await?;
    let etag = stored.resource.etag.clone();
    let distribution = output::distribution(call, stored.resource, stored.modified).await?;
    Ok(Reply::of(&cf::GetDistributionResult {
        etag: Some(etag),
        distribution: Some(distribution),
    }))
}

async fn get_config(call: &Call<'_>) -> Answer {
    let input: cf::GetDistributionConfigRequest = call.input()?;
    let stored = load(call, &input.id).await?;
    Ok(Reply::of(&cf::GetDistributionConfigResult {
        etag: Some(stored.resource.etag),
        distribution_config: Some(stored.resource.config),
    }))
}

async fn update(call: &Call<'_>) -> Answer {
    let input: cf::UpdateDistributionRequest = call.input()?;
    let stored = load(call, &input.id).await?;
    stored.check_if_match(input.if_match.as_deref())?;
    validate::quantities(call)?;
    validate::completeness(&input.distribution_config)?;
    let config = normalise(input.distribution_config);
    validate::update(&stored.resource.config, &config)?;
    let (next, modified) = replace(call, &stored, config).await?;
    let etag = next.etag.clone();
    Ok(Reply::of(&cf::UpdateDistributionResult {
        distribution: Some(output::distribution(call, next, modified).await?),
        etag: Some(etag),
    }))
}

async fn delete(call: &Call<'_>) -> Answer {
    let input: cf::DeleteDistributionRequest = call.input()?;
    let stored = load(call, &input.id).await?;
    stored.check_if_match(input.if_match.as_deref())?;
    let resource = &stored.resource;
    if resource.config.enabled {
        let message = format!(
            "The distribution {} is enabled: disable it first.",
            resource.id
        );
        return Err(Failure::api(&error::DISTRIBUTION_NOT_DISABLED, message));
    }
    if !Living::edges(call)
        .await?
        .serve(&stored.key, stored.modified)
    {
        let message = format!(
            "The distribution {} is InProgress: it can be deleted once its Status is Deployed.",
            resource.id
        );
        return Err(Failure::api(&error::PRECONDITION_FAILED, message));
    }
    let change = if_unused(call, stored.change(&KIND), resource).await?;
    let change = claims::transfer(call, change, &resource.id, Some(&resource.config), None).await?;
    let mut change = tags::forget(change, &output::arn(call, &resource.id));
    if let Some(domain) = &resource.domain {
        change = change.release(claims::OWN_NAME, domain);
    }
    change = change.delete(keys::resource("monitoring-subscription", &resource.id));
    call.commit(change.remove(call, &stored.key, resource.version))
        .await?;
    // It is gone whether its invalidations are too; they say nothing without it.
    if let Err(failure) = invalidation::purge(call, &resource.id).await {
        tracing::warn!(
            ?failure,
            id = resource.id,
            "invalidations outlive their distribution"
        );
    }
    Ok(Reply::empty())
}

/// The change, as long as no continuous deployment policy and no tenant needs the distribution.
async fn if_unused(
    call: &Call<'_>,
    mut change: Change,
    resource: &Resource<DistributionConfig>,
) -> Result<Change, Failure> {
    let id = &resource.id;
    let in_use = |user: &str| {
        let message = format!("The distribution {id} is used by the {user}.");
        Failure::api(&error::RESOURCE_IN_USE, message)
    };
    if let Some(policy) = call.claimed(claims::STAGING, id).await? {
        return Err(in_use(&format!("continuous deployment policy {policy}")));
    }
    change = change.if_absent(keys::claim(claims::STAGING, id));
    if resource.config.connection_mode != Some(cf::ConnectionMode::TenantOnly) {
        return Ok(change);
    }
    let guard = call.guard(keys::DISTRIBUTION_TENANT).await?;
    for document in call
        .list_all(&keys::collection(keys::DISTRIBUTION_TENANT))
        .await?
    {
        let tenant = Resource::<Tenant>::decode(&document.key, &document.value)?;
        if tenant.config.distribution_id == *id {
            return Err(in_use(&format!("distribution tenant {}", tenant.id)));
        }
    }
    Ok(change.if_still(keys::guard(keys::DISTRIBUTION_TENANT), guard))
}
