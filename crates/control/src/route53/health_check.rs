//! Health checks (spec §13): what is checked. Checkers do it, and say what they see in documents
//! of their own; `status.rs` tells of those.

mod config;
mod status;

use documents::Resource;
use documents::route53::{self as forms, HealthCheck};
use shapes::route53::{self as r53, HealthCheckType, ResettableElementName, error};

use super::inputs::{self, Page, bare_id, invalid_input};
use super::tags;
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::Failure;
use crate::ids::IdForm;
use crate::resource::{Kind, Stored};
use crate::service::{Entry, served};

pub(super) static KIND: Kind = Kind {
    noun: "health check",
    collection: forms::HEALTH_CHECK,
    id: IdForm::Uuid,
    cfn_type: "AWS::Route53::HealthCheck",
    missing: &error::NO_SUCH_HEALTH_CHECK,
};

/// Health checks of an installation.
pub(super) const HEALTH_CHECKS_MAX: usize = 10_000;
/// Members of a page: more than of other lists (spec §13.5).
const PAGE_CHECKS_MAX: usize = 1_000;
/// Longest id (AWS's model).
const ID_BYTES_MAX: usize = 64;

/// References stay taken when their checks are gone.
const REFERENCE_CLAIM: &str = "reference/health-check";

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreateHealthCheck", |call| Box::pin(create(call))),
    served("GetHealthCheck", |call| Box::pin(get(call))),
    served("UpdateHealthCheck", |call| Box::pin(update(call))),
    served("DeleteHealthCheck", |call| Box::pin(delete(call))),
    served("ListHealthChecks", |call| Box::pin(list(call))),
    served("GetHealthCheckCount", |call| Box::pin(count(call))),
    served("GetHealthCheckStatus", |call| Box::pin(status::now(call))),
    served("GetHealthCheckLastFailureReason", |call| {
        Box::pin(status::last_failure(call))
    }),
    served("GetCheckerIpRanges", |call| {
        Box::pin(status::checkers(call))
    }),
];

/// A check, by its id.
pub(super) async fn load(call: &Call<'_>, id: &str) -> Result<Stored<HealthCheck>, Failure> {
    let id = bare_id(id);
    if id.len() > ID_BYTES_MAX {
        return Err(missing(id));
    }
    match KIND.load(call, id).await {
        Err(Failure::Api(error)) if error.code == KIND.missing.code => Err(missing(id)),
        result => result,
    }
}

/// The error for a check that is not there.
pub(super) fn missing(id: &str) -> Failure {
    let message = format!("A health check with id {id} does not exist.");
    Failure::api(&error::NO_SUCH_HEALTH_CHECK, message)
}

fn output(check: &Resource<HealthCheck>) -> r53::HealthCheck {
    r53::HealthCheck {
        id: check.id.clone(),
        caller_reference: check.config.caller_reference.clone(),
        linked_service: None,
        health_check_config: check.config.config.clone(),
        health_check_version: check.version as i64,
        cloud_watch_alarm_configuration: None,
    }
}

async fn create(call: &Call<'_>) -> Answer {
    let input: r53::CreateHealthCheckRequest = call.input()?;
    inputs::check_bounds(call)?;
    inputs::check_word("CallerReference", &input.caller_reference)?;
    let reference = input.caller_reference;
    let are_private_allowed = call.control.config.allow_private_health_checks;
    let config = config::normal(input.health_check_config);
    config::check(&config, are_private_allowed)?;
    if let Some(id) = call.claimed(REFERENCE_CLAIM, &reference).await? {
        return repeated(call, &id, &reference, &config).await;
    }
    let change = with_children(call, Change::new(), &config).await?;
    let guard = call.guard(KIND.collection).await?;
    let checks = call.list_all(&KIND.prefix()).await?.len();
    if checks >= HEALTH_CHECKS_MAX {
        let message = format!("There are {checks} health checks, which is the most.");
        return Err(Failure::api(&error::TOO_MANY_HEALTH_CHECKS, message));
    }
    let check = KIND.first_version(
        call,
        HealthCheck {
            caller_reference: reference.clone(),
            config,
        },
    );
    let key = KIND.key(&check.id);
    let change = change
        .about(KIND.cfn_type, &check.id)
        .if_absent(&key)
        .if_still(documents::keys::guard(KIND.collection), guard)
        .touch(KIND.collection)
        .claim(REFERENCE_CLAIM, &reference, &check.id)
        .save(call, &key, &check);
    call.commit(change).await?;
    Ok(created(&check))
}

fn created(check: &Resource<HealthCheck>) -> Reply {
    Reply::of(&r53::CreateHealthCheckResponse {
        health_check: output(check),
        location: inputs::location(&format!("healthcheck/{}", check.id)),
    })
}

/// A creation under a reference that was taken: the same check again, or an error (spec §3).
async fn repeated(
    call: &Call<'_>,
    id: &str,
    reference: &str,
    config: &r53::HealthCheckConfig,
) -> Answer {
    let key = KIND.key(id);
    if let Some(document) = call.store().get(&key).await? {
        let check = Resource::<HealthCheck>::decode(&key, &document.value)?;
        if check.config.config == *config {
            return Ok(created(&check));
        }
    }
    let message = format!(
        "A health check has already been created with the caller reference '{reference}', with \
         other settings or deleted since."
    );
    Err(Failure::api(&error::HEALTH_CHECK_ALREADY_EXISTS, message))
}

/// The children of a calculated check exist, and are not calculated themselves; the change fails
/// if one of them goes meanwhile. (A child's type never changes.)
async fn with_children(
    call: &Call<'_>,
    mut change: Change,
    config: &r53::HealthCheckConfig,
) -> Result<Change, Failure> {
    let children = config.child_health_checks.as_deref().unwrap_or_default();
    let keys: Vec<String> = children.iter().map(|id| KIND.key(id)).collect();
    for (keys, ids) in keys
        .chunks(store::limits::GET_KEYS_MAX)
        .zip(children.chunks(store::limits::GET_KEYS_MAX))
    {
        let wanted: Vec<&str> = keys.iter().map(String::as_str).collect();
        let read = call.store().get_many(&wanted).await?;
        for ((key, id), document) in keys.iter().zip(ids).zip(read) {
            let document = document.ok_or_else(|| {
                invalid_input(format!(
                    "ChildHealthChecks: there is no health check '{id}'."
                ))
            })?;
            let child = Resource::<HealthCheck>::decode(key, &document.value)?;
            if child.config.config.r#type == HealthCheckType::Calculated {
                return Err(invalid_input(format!(
                    "ChildHealthChecks: '{id}' is a calculated health check itself."
                )));
            }
            change = change.if_present(key);
        }
    }
    Ok(change)
}

async fn get(call: &Call<'_>) -> Answer {
    let input: r53::GetHealthCheckRequest = call.input()?;
    let check = load(call, &input.health_check_id).await?.resource;
    Ok(Reply::of(&r53::GetHealthCheckResponse {
        health_check: output(&check),
    }))
}

async fn update(call: &Call<'_>) -> Answer {
    let input: r53::UpdateHealthCheckRequest = call.input()?;
    inputs::check_bounds(call)?;
    let stored = load(call, &input.health_check_id).await?;
    let old = &stored.resource;
    if let Some(version) = input.health_check_version
        && u64::try_from(version) != Ok(old.version)
    {
        let message = format!(
            "HealthCheckVersion is {version}, but the health check {} is at version {}.",
            old.id, old.version
        );
        return Err(Failure::api(&error::HEALTH_CHECK_VERSION_MISMATCH, message));
    }
    let config = config::normal(updated(old.config.config.clone(), input)?);
    config::check(&config, call.control.config.allow_private_health_checks)?;
    let change = with_children(call, stored.change(&KIND), &config).await?;
    let check = stored.next_version(
        call,
        HealthCheck {
            caller_reference: old.config.caller_reference.clone(),
            config,
        },
    );
    call.commit(change.save(call, &stored.key, &check)).await?;
    Ok(Reply::of(&r53::UpdateHealthCheckResponse {
        health_check: output(&check),
    }))
}

/// A config with what an update says; what it does not name stays (spec §13.1).
fn updated(
    mut config: r53::HealthCheckConfig,
    input: r53::UpdateHealthCheckRequest,
) -> Result<r53::HealthCheckConfig, Failure> {
    if input.ip_address.is_some() && config.ip_address.is_none() {
        return Err(invalid_input(
            "IPAddress is given, but the health check was made without one; make another check.",
        ));
    }
    for element in input.reset_elements.unwrap_or_default() {
        match element {
            ResettableElementName::FullyQualifiedDomainName => {
                config.fully_qualified_domain_name = None;
            }
            ResettableElementName::Regions => config.regions = None,
            ResettableElementName::ResourcePath => config.resource_path = None,
            ResettableElementName::ChildHealthChecks => {
                config.child_health_checks = Some(Vec::new());
            }
        }
    }
    fn put<T>(member: &mut Option<T>, given: Option<T>) {
        if given.is_some() {
            *member = given;
        }
    }
    put(&mut config.ip_address, input.ip_address);
    put(&mut config.port, input.port);
    put(&mut config.resource_path, input.resource_path);
    put(
        &mut config.fully_qualified_domain_name,
        input.fully_qualified_domain_name,
    );
    put(&mut config.search_string, input.search_string);
    put(&mut config.failure_threshold, input.failure_threshold);
    put(&mut config.inverted, input.inverted);
    put(&mut config.disabled, input.disabled);
    put(&mut config.health_threshold, input.health_threshold);
    put(&mut config.child_health_checks, input.child_health_checks);
    put(&mut config.enable_sni, input.enable_sni);
    put(&mut config.regions, input.regions);
    put(&mut config.alarm_identifier, input.alarm_identifier);
    put(
        &mut config.insufficient_data_health_status,
        input.insufficient_data_health_status,
    );
    Ok(config)
}

/// A check may go though record sets name it: they count as healthy then (spec §13.5).
async fn delete(call: &Call<'_>) -> Answer {
    let input: r53::DeleteHealthCheckRequest = call.input()?;
    let stored = load(call, &input.health_check_id).await?;
    let Resource { id, version, .. } = &stored.resource;
    let change = stored.change(&KIND).remove(call, &stored.key, *version);
    let change = tags::forget(change, r53::TagResourceType::Healthcheck, id);
    call.commit(change).await?;
    Ok(Reply::empty())
}

async fn list(call: &Call<'_>) -> Answer {
    let input: r53::ListHealthChecksRequest = call.input()?;
    let limit = inputs::page_size("MaxItems", input.max_items.as_deref(), PAGE_CHECKS_MAX)?;
    let marker = input.marker.unwrap_or_default();
    let start = KIND.key(bare_id(&marker));
    let documents = call.list_all(&KIND.prefix()).await?.into_iter();
    let page = Page::of(documents.filter(|document| document.key >= start), limit);
    let mut checks = Vec::with_capacity(page.items.len());
    for document in &page.items {
        let check = Resource::<HealthCheck>::decode(&document.key, &document.value)?;
        checks.push(output(&check));
    }
    let next = page.next.as_ref();
    let next = next.and_then(|next| next.key.strip_prefix(&KIND.prefix()));
    Ok(Reply::of(&r53::ListHealthChecksResponse {
        health_checks: checks,
        marker,
        is_truncated: next.is_some(),
        next_marker: next.map(str::to_owned),
        max_items: limit.to_string(),
    }))
}

async fn count(call: &Call<'_>) -> Answer {
    let checks = call.list_all(&KIND.prefix()).await?.len();
    Ok(Reply::of(&r53::GetHealthCheckCountResponse {
        health_check_count: checks as i64,
    }))
}
