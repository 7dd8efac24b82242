//! Distribution tenants: instances of a template distribution (spec §1.9).
//!
//! What is stored is [`Tenant`]; edges make a distribution of it and its template by
//! [`documents::tenant::config_of`], and a tenant of which they cannot is not accepted.

mod lists;
mod rules;

use documents::tenant::{Tenant, TenantError, config_of};
use documents::{Resource, keys};
use shapes::Timestamp;
use shapes::cloudfront::{self as cf, DistributionConfig, error};

use super::connection_group::{self, tags_of};
use super::distribution::{Found, HOST_NAME};
use super::{inputs, invalidation, tags, viewer_certificate};
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::{ApiError, Failure};
use crate::ids::IdForm;
use crate::limits;
use crate::nodes::Living;
use crate::resource::{Kind, Stored};
use crate::service::{Entry, served, stored};

const NAME_CLAIM: &str = "name/distribution-tenant";

pub(super) const KIND: Kind = Kind {
    noun: "distribution tenant",
    collection: keys::DISTRIBUTION_TENANT,
    id: IdForm::Prefixed("dt_"),
    cfn_type: "AWS::CloudFront::DistributionTenant",
    missing: &error::ENTITY_NOT_FOUND,
};

const NOTE: &str =
    "Web ACLs are not evaluated yet; certificates that CloudFront manages are refused.";
const WEB_ACL_NOTE: &str = "Web ACLs are not evaluated yet.";
const DNS_NOTE: &str = "DNS is not asked: every domain is unknown-configuration.";
const CERTIFICATE_NOTE: &str = "No certificates are managed yet, so that no tenant has one.";

pub(super) const OPERATIONS: &[Entry] = &[
    stored("CreateDistributionTenant", NOTE, |call| {
        Box::pin(create(call))
    }),
    served("GetDistributionTenant", |call| Box::pin(get(call))),
    served("GetDistributionTenantByDomain", |call| {
        Box::pin(get_by_domain(call))
    }),
    stored("UpdateDistributionTenant", NOTE, |call| {
        Box::pin(update(call))
    }),
    served("DeleteDistributionTenant", |call| Box::pin(delete(call))),
    served("ListDistributionTenants", |call| {
        Box::pin(lists::by_association(call))
    }),
    served("ListDistributionTenantsByCustomization", |call| {
        Box::pin(lists::by_customization(call))
    }),
    stored("AssociateDistributionTenantWebACL", WEB_ACL_NOTE, |call| {
        Box::pin(associate_web_acl(call))
    }),
    stored(
        "DisassociateDistributionTenantWebACL",
        WEB_ACL_NOTE,
        |call| Box::pin(disassociate_web_acl(call)),
    ),
    stored("GetManagedCertificateDetails", CERTIFICATE_NOTE, |call| {
        Box::pin(managed_certificate(call))
    }),
    stored("VerifyDnsConfiguration", DNS_NOTE, |call| {
        Box::pin(verify_dns(call))
    }),
];

async fn create(call: &Call<'_>) -> Answer {
    let input: cf::CreateDistributionTenantRequest = call.input()?;
    inputs::check_bounds(call)?;
    refuse_managed_certificate(input.managed_certificate_request.as_ref())?;
    rules::check_name(&input.name)?;
    if let Some(id) = call.claimed(NAME_CLAIM, &input.name).await? {
        let message = format!(
            "The distribution tenant {id} is named '{}' already.",
            input.name
        );
        return Err(Failure::api(&error::ENTITY_ALREADY_EXISTS, message));
    }
    let guard = call.guard(KIND.collection).await?;
    let count = call
        .list_all(&keys::collection(KIND.collection))
        .await?
        .len();
    if count >= limits::TENANTS_MAX {
        let message = format!("There are {count} distribution tenants already; no more may be.");
        return Err(Failure::api(&error::ENTITY_LIMIT_EXCEEDED, message));
    }
    let named_group = input.connection_group_id.as_deref();
    let (change, connection_group_id) =
        connection_group::of_tenant(call, Change::new(), named_group).await?;
    let config = Tenant {
        distribution_id: input.distribution_id,
        name: input.name,
        domains: rules::domains(&input.domains, &call.control.config.domain)?,
        customizations: input.customizations,
        parameters: input.parameters.unwrap_or_default(),
        connection_group_id,
        enabled: input.enabled.unwrap_or(true),
    };
    let tenant = KIND.first_version(call, config);
    let key = KIND.key(&tenant.id);
    let change = change
        .about(KIND.cfn_type, &tenant.id)
        .if_still(keys::guard(KIND.collection), guard)
        .if_absent(&key)
        .touch(KIND.collection)
        .claim(NAME_CLAIM, &tenant.config.name, &tenant.id)
        .save(call, &key, &tenant);
    let change = with_domains(call, change, &tenant.id, &[], &tenant.config.domains).await?;
    let change = with_template(call, change, None, &tenant).await?;
    let change = tags::attach(change, &arn(call, &tenant.id), input.tags.as_ref())?;
    let stored = Stored {
        key,
        modified: call.commit(change).await?,
        resource: tenant,
    };
    Ok(Reply::of(&cf::CreateDistributionTenantResult {
        distribution_tenant: Some(output(call, &stored).await?),
        etag: Some(stored.resource.etag),
    }))
}

/// There are none, and a tenant that asks for one would wait for it for ever.
fn refuse_managed_certificate(
    request: Option<&cf::ManagedCertificateRequest>,
) -> Result<(), Failure> {
    match request {
        None => Ok(()),
        Some(_) => Err(Failure::api(
            &error::UNSUPPORTED_OPERATION,
            "ManagedCertificateRequest: certificates are not managed here yet.",
        )),
    }
}

/// Adds to a change that a tenant takes the domains that are new and gives up those that it has
/// no more.
async fn with_domains(
    call: &Call<'_>,
    mut change: Change,
    id: &str,
    old: &[String],
    new: &[String],
) -> Result<Change, Failure> {
    let taken: Vec<&String> = new.iter().filter(|domain| !old.contains(domain)).collect();
    let given_up: Vec<&String> = old.iter().filter(|domain| !new.contains(domain)).collect();
    if taken.len() + given_up.len() > limits::TENANT_DOMAINS_MAX {
        let message = format!(
            "Domains: {} are taken and {} given up; one update may change {} of them.",
            taken.len(),
            given_up.len(),
            limits::TENANT_DOMAINS_MAX
        );
        return Err(Failure::api(&error::INVALID_ARGUMENT, message));
    }
    let claims: Vec<String> = taken
        .iter()
        .map(|domain| keys::claim(HOST_NAME, domain))
        .collect();
    let claims: Vec<&str> = claims.iter().map(String::as_str).collect();
    let owners = call.store().get_many(&claims).await?;
    if let Some((domain, _)) = taken.iter().zip(owners).find(|(_, owner)| owner.is_some()) {
        let message = format!("The domain '{domain}' is that of a different resource already.");
        return Err(Failure::api(&error::CNAME_ALREADY_EXISTS, message));
    }
    for domain in given_up {
        change = change.release(HOST_NAME, domain);
    }
    for domain in taken {
        change = change.claim(HOST_NAME, domain, id);
    }
    Ok(change)
}

/// Holds a tenant against the rules and against its template, asks edges whether they could serve
/// what comes of it, and makes the change depend on that the template stays as it is.
pub(super) async fn with_template(
    call: &Call<'_>,
    change: Change,
    old: Option<&Tenant>,
    tenant: &Resource<Tenant>,
) -> Result<Change, Failure> {
    let template = template_of(call, &tenant.config.distribution_id).await?;
    rules::check(&tenant.config, &template.resource.config)?;
    let config = config_of(&template.resource.config, &tenant.config).map_err(|problem| {
        let path = match problem {
            TenantError::MissingParameter(_) => "Parameters",
            TenantError::UndefinedParameter { .. } => "DistributionId",
        };
        Failure::api(&error::INVALID_ARGUMENT, format!("{path}: {problem}."))
    })?;
    let change = viewer_certificate::of_tenant(call, change, old, &tenant.config, &config).await?;
    let found = Found::of(call, &config).await?;
    let named = found.with_what_they_name(call).await?;
    let served = Resource {
        config,
        ..template.resource
    };
    let problems = call.control.sites.check(&served, &named);
    if !problems.is_empty() {
        return Err(Failure::invalid(&error::INVALID_ARGUMENT, &problems));
    }
    Ok(change.if_still(&template.key, Some(template.modified)))
}

/// The template of that id; other distributions have no tenants.
async fn template_of(call: &Call<'_>, id: &str) -> Result<Stored<DistributionConfig>, Failure> {
    let message = format!("DistributionId is '{id}'; there is no such distribution.");
    let missing = || Failure::api(&error::ENTITY_NOT_FOUND, message);
    if id.is_empty() || id.contains('/') {
        return Err(missing());
    }
    let key = keys::resource(keys::DISTRIBUTION, id);
    let document = call.store().get(&key).await?.ok_or_else(missing)?;
    let resource: Resource<DistributionConfig> = Resource::decode(&key, &document.value)?;
    if resource.config.connection_mode != Some(cf::ConnectionMode::TenantOnly) {
        let message = format!(
            "DistributionId is '{id}', whose ConnectionMode is not 'tenant-only': it has no tenants."
        );
        return Err(Failure::api(&error::INVALID_ASSOCIATION, message));
    }
    Ok(Stored {
        key,
        resource,
        modified: document.modified,
    })
}

fn arn(call: &Call<'_>, id: &str) -> String {
    call.control.arn(&format!("distribution-tenant/{id}"))
}

async fn find(call: &Call<'_>, identifier: &str) -> Result<Stored<Tenant>, Failure> {
    connection_group::find(call, &KIND, NAME_CLAIM, identifier).await
}

async fn output(
    call: &Call<'_>,
    stored: &Stored<Tenant>,
) -> Result<cf::DistributionTenant, Failure> {
    let (tenant, config) = (&stored.resource, &stored.resource.config);
    let arn = arn(call, &tenant.id);
    let status = Living::edges(call)
        .await?
        .status(&stored.key, stored.modified);
    Ok(cf::DistributionTenant {
        id: Some(tenant.id.clone()),
        distribution_id: Some(config.distribution_id.clone()),
        name: Some(config.name.clone()),
        tags: Some(tags_of(call, &arn).await?),
        arn: Some(arn),
        domains: Some(domain_results(config)),
        customizations: config.customizations.clone(),
        parameters: Some(config.parameters.clone()),
        connection_group_id: Some(config.connection_group_id.clone()),
        created_time: Some(Timestamp::from_unix_ms(tenant.created_ms as i64)),
        last_modified_time: Some(Timestamp::from_unix_ms(tenant.modified_ms as i64)),
        enabled: Some(config.enabled),
        status: Some(status.to_owned()),
    })
}

/// A domain is active as soon as the tenant has it: nothing else is waited for.
fn domain_results(tenant: &Tenant) -> Vec<cf::DomainResult> {
    let domains = tenant.domains.iter();
    let result = |domain: &String| cf::DomainResult {
        domain: domain.clone(),
        status: Some(cf::DomainStatus::Active),
    };
    domains.map(result).collect()
}

async fn get(call: &Call<'_>) -> Answer {
    let input: cf::GetDistributionTenantRequest = call.input()?;
    let stored = find(call, &input.identifier).await?;
    Ok(Reply::of(&cf::GetDistributionTenantResult {
        distribution_tenant: Some(output(call, &stored).await?),
        etag: Some(stored.resource.etag),
    }))
}

async fn get_by_domain(call: &Call<'_>) -> Answer {
    let input: cf::GetDistributionTenantByDomainRequest = call.input()?;
    let domain = input.domain.to_ascii_lowercase();
    let missing = || {
        let message = format!("No distribution tenant has the domain '{domain}'.");
        Failure::api(&error::ENTITY_NOT_FOUND, message)
    };
    let owner = call.claimed(HOST_NAME, &domain).await?;
    // Another owner would be a distribution.
    let owner = owner
        .filter(|id| id.starts_with("dt_"))
        .ok_or_else(missing)?;
    let stored = KIND.load(call, &owner).await?;
    Ok(Reply::of(&cf::GetDistributionTenantByDomainResult {
        distribution_tenant: Some(output(call, &stored).await?),
        etag: Some(stored.resource.etag),
    }))
}

/// What an update does not name stays as it is.
async fn update(call: &Call<'_>) -> Answer {
    let input: cf::UpdateDistributionTenantRequest = call.input()?;
    inputs::check_bounds(call)?;
    let old = KIND.load::<Tenant>(call, &input.id).await?;
    old.check_if_match(Some(&input.if_match))?;
    refuse_managed_certificate(input.managed_certificate_request.as_ref())?;
    let kept = old.resource.config.clone();
    let named_group = input.connection_group_id.as_deref();
    let named_group = named_group.unwrap_or(&kept.connection_group_id);
    let (change, connection_group_id) =
        connection_group::of_tenant(call, old.change(&KIND), Some(named_group)).await?;
    let config = Tenant {
        distribution_id: input.distribution_id.unwrap_or(kept.distribution_id),
        name: kept.name,
        domains: match &input.domains {
            Some(domains) => rules::domains(domains, &call.control.config.domain)?,
            None => kept.domains,
        },
        customizations: input.customizations.or(kept.customizations),
        parameters: input.parameters.unwrap_or(kept.parameters),
        connection_group_id,
        enabled: input.enabled.unwrap_or(kept.enabled),
    };
    let tenant = old.next_version(call, config);
    let change = change.save(call, &old.key, &tenant);
    let (before, after) = (&old.resource.config.domains, &tenant.config.domains);
    let change = with_domains(call, change, &tenant.id, before, after).await?;
    let change = with_template(call, change, Some(&old.resource.config), &tenant).await?;
    let stored = Stored {
        modified: call.commit(change).await?,
        resource: tenant,
        ..old
    };
    Ok(Reply::of(&cf::UpdateDistributionTenantResult {
        distribution_tenant: Some(output(call, &stored).await?),
        etag: Some(stored.resource.etag),
    }))
}

async fn delete(call: &Call<'_>) -> Answer {
    let input: cf::DeleteDistributionTenantRequest = call.input()?;
    let stored = KIND.load::<Tenant>(call, &input.id).await?;
    stored.check_if_match(Some(&input.if_match))?;
    let tenant = &stored.resource;
    if tenant.config.enabled {
        let message = format!(
            "The distribution tenant {} is enabled; disable it first.",
            tenant.id
        );
        return Err(Failure::api(&error::RESOURCE_NOT_DISABLED, message));
    }
    let mut change = stored
        .change(&KIND)
        .release(NAME_CLAIM, &tenant.config.name)
        .remove(call, &stored.key, tenant.version);
    for domain in &tenant.config.domains {
        change = change.release(HOST_NAME, domain);
    }
    call.commit(tags::forget(change, &arn(call, &tenant.id)))
        .await?;
    if let Err(failure) = invalidation::purge(call, &tenant.id).await {
        tracing::warn!(
            ?failure,
            id = tenant.id,
            "invalidations outlive their tenant"
        );
    }
    Ok(Reply::empty())
}

async fn associate_web_acl(call: &Call<'_>) -> Answer {
    let input: cf::AssociateDistributionTenantWebACLRequest = call.input()?;
    inputs::check_arn("WebACLArn", &input.web_acl_arn, &["wafv2"])?;
    let web_acl = cf::WebAclCustomization {
        action: cf::CustomizationActionType::Override,
        arn: Some(input.web_acl_arn.clone()),
    };
    let if_match = input.if_match.as_deref();
    let tenant = put_web_acl(call, &input.id, if_match, Some(web_acl)).await?;
    Ok(Reply::of(&cf::AssociateDistributionTenantWebACLResult {
        id: Some(tenant.id),
        web_acl_arn: Some(input.web_acl_arn),
        etag: Some(tenant.etag),
    }))
}

async fn disassociate_web_acl(call: &Call<'_>) -> Answer {
    let input: cf::DisassociateDistributionTenantWebACLRequest = call.input()?;
    let tenant = put_web_acl(call, &input.id, input.if_match.as_deref(), None).await?;
    Ok(Reply::of(&cf::DisassociateDistributionTenantWebACLResult {
        id: Some(tenant.id),
        etag: Some(tenant.etag),
    }))
}

/// Changes nothing of a tenant but its web ACL. `If-Match` is heeded if it is there: the model
/// does not require it for these operations.
async fn put_web_acl(
    call: &Call<'_>,
    id: &str,
    if_match: Option<&str>,
    web_acl: Option<cf::WebAclCustomization>,
) -> Result<Resource<Tenant>, Failure> {
    let stored = KIND.load::<Tenant>(call, id).await?;
    if if_match.is_some() {
        stored.check_if_match(if_match)?;
    }
    let mut config = stored.resource.config.clone();
    config.customizations.get_or_insert_default().web_acl = web_acl;
    let tenant = stored.next_version(call, config);
    let change = stored.change(&KIND).save(call, &stored.key, &tenant);
    call.commit(change).await?;
    Ok(tenant)
}

async fn managed_certificate(call: &Call<'_>) -> Answer {
    let input: cf::GetManagedCertificateDetailsRequest = call.input()?;
    let stored = find(call, &input.identifier).await?;
    let message = format!(
        "The distribution tenant {} has no managed certificate.",
        stored.resource.id
    );
    Err(ApiError::new(&error::ENTITY_NOT_FOUND, message).into())
}

async fn verify_dns(call: &Call<'_>) -> Answer {
    let input: cf::VerifyDnsConfigurationRequest = call.input()?;
    let stored = find(call, &input.identifier).await?;
    let mut domains = stored.resource.config.domains;
    if let Some(wanted) = &input.domain {
        domains.retain(|domain| domain.eq_ignore_ascii_case(wanted));
        if domains.is_empty() {
            let id = &stored.resource.id;
            let message =
                format!("Domain is '{wanted}', which the distribution tenant {id} has not.");
            return Err(Failure::api(&error::INVALID_ARGUMENT, message));
        }
    }
    let configuration = |domain| cf::DnsConfiguration {
        domain,
        status: cf::DnsConfigurationStatus::UnknownConfiguration,
        reason: Some("DNS was not asked.".to_owned()),
    };
    Ok(Reply::of(&cf::VerifyDnsConfigurationResult {
        dns_configuration_list: Some(domains.into_iter().map(configuration).collect()),
    }))
}
