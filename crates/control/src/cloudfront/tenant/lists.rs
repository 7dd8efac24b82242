//! Lists of distribution tenants.

use documents::tenant::Tenant;
use shapes::Timestamp;
use shapes::cloudfront::{self as cf, error};

use super::{KIND, arn, domain_results};
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;
use crate::nodes::Living;
use crate::resource::{self, Stored};

/// Those of a distribution, of a connection group, or all.
pub async fn by_association(call: &Call<'_>) -> Answer {
    let input: cf::ListDistributionTenantsRequest = call.input()?;
    let filter = input.association_filter.unwrap_or_default();
    if filter.distribution_id.is_some() && filter.connection_group_id.is_some() {
        return Err(Failure::api(
            &error::INVALID_ARGUMENT,
            "AssociationFilter: DistributionId or ConnectionGroupId is allowed, not both.",
        ));
    }
    let is_wanted =
        |wanted: &Option<String>, is: &String| wanted.as_ref().is_none_or(|id| id == is);
    let (next_marker, tenants) = page(call, input.marker, input.max_items, |tenant| {
        is_wanted(&filter.distribution_id, &tenant.distribution_id)
            && is_wanted(&filter.connection_group_id, &tenant.connection_group_id)
    })
    .await?;
    Ok(Reply::of(&cf::ListDistributionTenantsResult {
        next_marker,
        distribution_tenant_list: Some(tenants),
    }))
}

/// Those that have a web ACL or a certificate of their own, which is that one.
pub async fn by_customization(call: &Call<'_>) -> Answer {
    let input: cf::ListDistributionTenantsByCustomizationRequest = call.input()?;
    if input.web_acl_arn.is_some() == input.certificate_arn.is_some() {
        return Err(Failure::api(
            &error::INVALID_ARGUMENT,
            "Exactly one of WebACLArn and CertificateArn is needed.",
        ));
    }
    let (next_marker, tenants) = page(call, input.marker, input.max_items, |tenant| {
        let customizations = tenant.customizations.as_ref();
        let web_acl = customizations.and_then(|all| all.web_acl.as_ref()?.arn.as_ref());
        let certificate = customizations.and_then(|all| Some(&all.certificate.as_ref()?.arn));
        match &input.web_acl_arn {
            Some(wanted) => web_acl == Some(wanted),
            None => certificate == input.certificate_arn.as_ref(),
        }
    })
    .await?;
    Ok(Reply::of(
        &cf::ListDistributionTenantsByCustomizationResult {
            next_marker,
            distribution_tenant_list: Some(tenants),
        },
    ))
}

/// A page of the tenants that are wanted, in the order of their making, and the next one's marker.
async fn page(
    call: &Call<'_>,
    marker: Option<String>,
    max_items: Option<i32>,
    is_wanted: impl Fn(&Tenant) -> bool,
) -> Result<(Option<String>, Vec<cf::DistributionTenantSummary>), Failure> {
    let mut tenants = KIND.load_all::<Tenant>(call).await?;
    tenants.retain(|stored| is_wanted(&stored.resource.config));
    let max_items = max_items.map(|number| number.to_string());
    let (marker, max_items) = (marker.as_deref(), max_items.as_deref());
    let page = resource::page(tenants, |stored| &stored.resource.id, marker, max_items)?;
    let edges = Living::edges(call).await?;
    let summaries = page
        .items
        .into_iter()
        .map(|stored| summary(call, &edges, stored));
    Ok((page.next_marker, summaries.collect()))
}

fn summary(
    call: &Call<'_>,
    edges: &Living,
    stored: Stored<Tenant>,
) -> cf::DistributionTenantSummary {
    let tenant = stored.resource;
    cf::DistributionTenantSummary {
        arn: arn(call, &tenant.id),
        id: tenant.id,
        domains: domain_results(&tenant.config),
        distribution_id: tenant.config.distribution_id,
        name: tenant.config.name,
        connection_group_id: Some(tenant.config.connection_group_id),
        customizations: tenant.config.customizations,
        created_time: Timestamp::from_unix_ms(tenant.created_ms as i64),
        last_modified_time: Timestamp::from_unix_ms(tenant.modified_ms as i64),
        etag: tenant.etag,
        enabled: Some(tenant.config.enabled),
        status: Some(edges.status(&stored.key, stored.modified).to_owned()),
    }
}
