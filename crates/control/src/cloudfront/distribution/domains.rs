//! Host names: who has one, and moving it from one to another in one transaction (spec §1.7).
//!
//! AWS asks the DNS (a TXT record) whether a name may be moved to a distribution. Here both are
//! one owner's, and nothing is asked; but the caller must be allowed the same for both.

use documents::tenant::Tenant;
use documents::{Resource, keys};
use shapes::cloudfront::{self as cf, DistributionConfig, error};

use super::claims::HOST_NAME;
use super::{KIND, accept, validate};
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::cloudfront::tenant;
use crate::error::Failure;
use crate::limits;
use crate::resource::{self, Paged, Stored};

/// What can have host names.
enum Holder {
    Distribution(Box<Stored<DistributionConfig>>),
    Tenant(Box<Stored<Tenant>>),
}

impl Holder {
    async fn load(call: &Call<'_>, id: &str) -> Result<Holder, Failure> {
        if is_tenant(id) {
            return Ok(Holder::Tenant(Box::new(tenant::KIND.load(call, id).await?)));
        }
        Ok(Holder::Distribution(Box::new(KIND.load(call, id).await?)))
    }

    fn is_enabled(&self) -> bool {
        match self {
            Holder::Distribution(stored) => stored.resource.config.enabled,
            Holder::Tenant(stored) => stored.resource.config.enabled,
        }
    }

    fn check_if_match(&self, if_match: Option<&str>) -> Result<(), Failure> {
        match self {
            Holder::Distribution(stored) => stored.check_if_match(if_match),
            Holder::Tenant(stored) => stored.check_if_match(if_match),
        }
    }

    /// Adds to a change that its host names are others: those that `edit` makes of them. Gives its
    /// new entity tag. Claims are the caller's to move.
    async fn edit(
        &self,
        call: &Call<'_>,
        change: Change,
        edit: impl Fn(&mut Vec<String>),
    ) -> Result<(Change, String), Failure> {
        match self {
            Holder::Distribution(stored) => {
                let mut config = stored.resource.config.clone();
                let mut aliases = config.aliases.take().unwrap_or_default().items;
                edit(aliases.get_or_insert_default());
                config.aliases = Some(aliases.unwrap_or_default().into());
                let next = stored.next_version(call, config);
                let change = change
                    .about(KIND.cfn_type, &next.id)
                    .if_still(&stored.key, Some(stored.modified))
                    .save(call, &stored.key, &next);
                // As if it had had the names before: so it claims nothing.
                let change = accept(call, change, Some(&next.config), &next).await?;
                Ok((change, next.etag))
            }
            Holder::Tenant(stored) => {
                let mut config = stored.resource.config.clone();
                edit(&mut config.domains);
                let (count, most) = (config.domains.len(), limits::TENANT_DOMAINS_MAX);
                if count > most.max(stored.resource.config.domains.len()) {
                    let message = format!("It would have {count} domains; at most {most} may be.");
                    return Err(Failure::api(&error::INVALID_ARGUMENT, message));
                }
                let next: Resource<Tenant> = stored.next_version(call, config);
                let change = change
                    .about(tenant::KIND.cfn_type, &next.id)
                    .if_still(&stored.key, Some(stored.modified))
                    .save(call, &stored.key, &next);
                let old = &stored.resource.config;
                let mut domains = next.config.domains.iter();
                let change = match domains.any(|domain| !old.domains.contains(domain)) {
                    true => tenant::with_template(call, change, Some(old), &next).await?,
                    false => change,
                };
                Ok((change, next.etag))
            }
        }
    }

    fn arn(&self, call: &Call<'_>) -> String {
        let resource = match self {
            Holder::Distribution(stored) => format!("distribution/{}", stored.resource.id),
            Holder::Tenant(stored) => format!("distribution-tenant/{}", stored.resource.id),
        };
        call.control.arn(&resource)
    }

    fn collection(&self) -> &'static str {
        match self {
            Holder::Distribution(_) => KIND.collection,
            Holder::Tenant(_) => tenant::KIND.collection,
        }
    }
}

fn is_tenant(id: &str) -> bool {
    id.starts_with("dt_")
}

/// Gives a host name to a holder, and takes it from the one that has it.
async fn transfer(
    call: &Call<'_>,
    domain: &str,
    id: &str,
    target: &Holder,
    is_source_disabled: bool,
) -> Result<Option<String>, Failure> {
    let claim = keys::claim(HOST_NAME, domain);
    let claimed = call.store().get(&claim).await?;
    let revision = claimed.as_ref().map(|document| document.modified);
    let owner = claimed.map(|found| String::from_utf8_lossy(&found.value).into_owned());
    if owner.as_deref() == Some(id) {
        return Ok(None);
    }
    let mut change = Change::new()
        .if_still(&claim, revision)
        .put(&claim, id.to_owned());
    let mut collections = vec![target.collection()];
    if let Some(owner) = owner {
        let source = Holder::load(call, &owner).await?;
        // It is changed as the target is.
        let action = format!("cloudfront:{}", call.operation.name);
        call.permit(&action, &source.arn(call))?;
        if is_source_disabled && source.is_enabled() {
            let message = format!("{owner} has '{domain}' and is enabled: disable it first.");
            return Err(Failure::api(&error::ILLEGAL_UPDATE, message));
        }
        let without = |names: &mut Vec<String>| {
            names.retain(|name| !name.eq_ignore_ascii_case(domain));
        };
        (change, _) = source.edit(call, change, without).await?;
        if !collections.contains(&source.collection()) {
            collections.push(source.collection());
        }
    }
    let with = |names: &mut Vec<String>| names.push(domain.to_owned());
    let (mut change, etag) = target.edit(call, change, with).await?;
    for collection in collections {
        change = change.touch(collection);
    }
    call.commit(change).await?;
    Ok(Some(etag))
}

/// `AssociateAlias`.
pub async fn associate_alias(call: &Call<'_>) -> Answer {
    let input: cf::AssociateAliasRequest = call.input()?;
    let alias = input.alias.to_ascii_lowercase();
    validate::host_name("Alias", &alias)?;
    let id = &input.target_distribution_id;
    let target = Holder::Distribution(Box::new(KIND.load(call, id).await?));
    transfer(call, &alias, id, &target, false).await?;
    Ok(Reply::empty())
}

/// `UpdateDomainAssociation`: the one that has the domain must be disabled.
pub async fn update_association(call: &Call<'_>) -> Answer {
    let input: cf::UpdateDomainAssociationRequest = call.input()?;
    let domain = input.domain.to_ascii_lowercase();
    validate::host_name("Domain", &domain)?;
    let id = one_of(&input.target_resource, "TargetResource")?;
    let target = find(call, id).await?;
    target.check_if_match(input.if_match.as_deref())?;
    let etag = transfer(call, &domain, id, &target, true).await?;
    Ok(Reply::of(&cf::UpdateDomainAssociationResult {
        domain: Some(domain),
        resource_id: Some(id.to_owned()),
        etag: etag.or(input.if_match),
    }))
}

/// `ListConflictingAliases`: those of others that the alias is, covers or is covered by.
pub async fn list_conflicting_aliases(call: &Call<'_>) -> Answer {
    let input: cf::ListConflictingAliasesRequest = call.input()?;
    let alias = input.alias.to_ascii_lowercase();
    validate::host_name("Alias", &alias)?;
    KIND.load::<DistributionConfig>(call, &input.distribution_id)
        .await?;
    let max_items = input.max_items;
    let page = conflicts(call, &alias, &input.distribution_id, max_items).await?;
    let account_id = &call.control.config.account_id;
    let items: Vec<cf::ConflictingAlias> = page
        .items
        .into_iter()
        .map(|(name, owner)| cf::ConflictingAlias {
            alias: Some(name),
            distribution_id: Some(owner),
            account_id: Some(account_id.clone()),
        })
        .collect();
    Ok(Reply::of(&cf::ListConflictingAliasesResult {
        conflicting_aliases_list: Some(cf::ConflictingAliasesList {
            next_marker: page.next_marker,
            max_items: Some(page.max_items),
            quantity: Some(items.len() as i32),
            items: (!items.is_empty()).then_some(items),
        }),
    }))
}

/// `ListDomainConflicts`.
pub async fn list_conflicts(call: &Call<'_>) -> Answer {
    let input: cf::ListDomainConflictsRequest = call.input()?;
    let domain = input.domain.to_ascii_lowercase();
    validate::host_name("Domain", &domain)?;
    let member = "DomainControlValidationResource";
    let id = one_of(&input.domain_control_validation_resource, member)?;
    find(call, id).await?;
    let page = conflicts(call, &domain, id, input.max_items).await?;
    let items = page.items.into_iter();
    let items: Vec<cf::DomainConflict> = items
        .map(|(domain, owner)| cf::DomainConflict {
            domain,
            resource_type: match is_tenant(&owner) {
                true => cf::DistributionResourceType::DistributionTenant,
                false => cf::DistributionResourceType::Distribution,
            },
            resource_id: owner,
            account_id: call.control.config.account_id.clone(),
        })
        .collect();
    Ok(Reply::of(&cf::ListDomainConflictsResult {
        domain_conflicts: Some(items),
        next_marker: page.next_marker,
    }))
}

/// A page of the host names of others than `own` that overlap with one, with who has them.
async fn conflicts(
    call: &Call<'_>,
    domain: &str,
    own: &str,
    max_items: Option<i32>,
) -> Result<Paged<(String, String)>, Failure> {
    let prefix = keys::claim(HOST_NAME, "");
    let mut found = Vec::new();
    for document in call.list_all(&prefix).await? {
        let name = document.key.strip_prefix(&prefix).unwrap_or_default();
        let owner = String::from_utf8_lossy(&document.value);
        if owner != own && overlap(name, domain) {
            found.push((name.to_owned(), owner.into_owned()));
        }
    }
    let max_items = max_items.map(|items| items.to_string());
    resource::page(
        found,
        |(name, _)| name,
        call.text("Marker"),
        max_items.as_deref(),
    )
}

/// Whether there are hosts that both names stand for; a wildcard stands for any depth.
fn overlap(one: &str, other: &str) -> bool {
    let covers = |wide: &str, name: &str| {
        let suffix = wide.strip_prefix('*');
        suffix.is_some_and(|suffix| name.ends_with(suffix))
    };
    one == other || covers(one, other) || covers(other, one)
}

fn one_of<'a>(resource: &'a cf::DistributionResourceId, member: &str) -> Result<&'a str, Failure> {
    match (&resource.distribution_id, &resource.distribution_tenant_id) {
        (Some(id), None) if !is_tenant(id) => Ok(id),
        (None, Some(id)) if is_tenant(id) => Ok(id),
        (None, Some(id)) | (Some(id), None) => Err(not_found(id)),
        _ => {
            let message = format!("{member} must have DistributionId or DistributionTenantId.");
            Err(Failure::api(&error::INVALID_ARGUMENT, message))
        }
    }
}

/// These operations have one error for all that is not there.
async fn find(call: &Call<'_>, id: &str) -> Result<Holder, Failure> {
    match Holder::load(call, id).await {
        Err(Failure::Api(_)) => Err(not_found(id)),
        found => found,
    }
}

fn not_found(id: &str) -> Failure {
    Failure::api(&error::ENTITY_NOT_FOUND, format!("There is no '{id}'."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_overlap_where_a_wildcard_covers_one() {
        assert!(overlap("www.example.com", "www.example.com"));
        assert!(overlap("*.example.com", "a.b.example.com"));
        assert!(overlap("www.example.com", "*.example.com"));
        assert!(overlap("*.a.example.com", "*.example.com"));
        assert!(!overlap("*.example.com", "example.com"));
        assert!(!overlap("*.example.com", "www.badexample.com"));
        assert!(!overlap("a.example.com", "b.example.com"));
    }
}
