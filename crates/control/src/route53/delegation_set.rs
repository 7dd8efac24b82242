//! Reusable delegation sets (spec §5): four names of name servers that several zones share.

use documents::Resource;
use documents::keys;
use documents::route53::{self as forms, DelegationSet, Zone};
use records::Name;
use shapes::route53::{self as r53, error};

use super::inputs::{self, PAGE_ITEMS_MAX, Page, bare_id};
use super::zone::{self, NameServers};
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;
use crate::ids::IdForm;
use crate::limits;
use crate::resource::{Kind, Stored};
use crate::service::{Entry, served};

pub(super) static KIND: Kind = Kind {
    noun: "reusable delegation set",
    collection: forms::DELEGATION_SET,
    id: IdForm::Letter('N'),
    cfn_type: "AWS::Route53::DelegationSet",
    missing: &error::NO_SUCH_DELEGATION_SET,
};

/// References stay taken when their sets are gone.
const REFERENCE_CLAIM: &str = "reference/delegation-set";

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreateReusableDelegationSet", |call| Box::pin(create(call))),
    served("GetReusableDelegationSet", |call| Box::pin(get(call))),
    served("DeleteReusableDelegationSet", |call| Box::pin(delete(call))),
    served("ListReusableDelegationSets", |call| Box::pin(list(call))),
];

/// A set, by its id with or without its kind.
pub(super) async fn load(call: &Call<'_>, id: &str) -> Result<Stored<DelegationSet>, Failure> {
    let id = bare_id(id);
    if id.len() > limits::ROUTE53_ID_BYTES_MAX {
        return Err(KIND.missing(id));
    }
    KIND.load(call, id).await
}

/// As clients are told of a set.
pub(super) fn output(set: &Resource<DelegationSet>) -> r53::DelegationSet {
    r53::DelegationSet {
        id: Some(format!("/delegationset/{}", set.id)),
        caller_reference: Some(set.config.caller_reference.clone()),
        name_servers: set.config.name_servers.clone(),
    }
}

/// Zones that were made with a set.
pub(super) fn users<'z>(
    zones: &'z [Resource<Zone>],
    id: &'z str,
) -> impl Iterator<Item = &'z Resource<Zone>> {
    let uses = move |zone: &&Resource<Zone>| zone.config.delegation_set.as_deref() == Some(id);
    zones.iter().filter(uses)
}

/// Refuses one more zone for a set that is full, or that has one of the same name, of a parent's or
/// of a child's: its servers could not tell them apart (spec §4).
pub(super) fn check_room(zones: &[Resource<Zone>], id: &str, name: &Name) -> Result<(), Failure> {
    let mut count = 0;
    for other in users(zones, id) {
        count += 1;
        let other = zone::apex(other)?;
        if name.is_within(&other) || other.is_within(name) {
            return Err(Failure::api(
                &error::CONFLICTING_DOMAIN_EXISTS,
                format!(
                    "Cannot create hosted zone with DelegationSetId DelegationSetId:{id} as the \
                     DNSName{name} conflicts with existing ones sharing the delegation set"
                ),
            ));
        }
    }
    if count >= limits::ZONES_PER_DELEGATION_SET_MAX {
        let message = format!("The delegation set {id} has {count} hosted zones: the most.");
        return Err(Failure::api(&error::DELEGATION_SET_NOT_AVAILABLE, message));
    }
    Ok(())
}

async fn create(call: &Call<'_>) -> Answer {
    let input: r53::CreateReusableDelegationSetRequest = call.input()?;
    inputs::check_bounds(call)?;
    inputs::check_word("CallerReference", &input.caller_reference)?;
    let reference = &input.caller_reference;
    if call.claimed(REFERENCE_CLAIM, reference).await?.is_some() {
        let message = format!(
            "A delegation set has already been created with the caller reference {reference}."
        );
        return Err(Failure::api(
            &error::DELEGATION_SET_ALREADY_CREATED,
            message,
        ));
    }
    let guard = call.guard(KIND.collection).await?;
    let sets = KIND.load_all::<DelegationSet>(call).await?;
    if sets.len() >= limits::DELEGATION_SETS_MAX {
        let message = format!(
            "There are {} delegation sets, which is the most.",
            sets.len()
        );
        return Err(Failure::api(&error::LIMITS_EXCEEDED, message));
    }
    let promoted = match input.hosted_zone_id.as_deref().filter(|id| !id.is_empty()) {
        Some(id) => Some(promotable(call, id).await?),
        None => None,
    };
    let name_servers = match &promoted {
        Some(zone) => zone.resource.config.name_servers.clone(),
        None => {
            let taken = sets.iter();
            let taken = taken.flat_map(|set| set.resource.config.name_servers.iter());
            NameServers::new(call).choose(&taken.collect())?
        }
    };
    let config = DelegationSet {
        caller_reference: reference.clone(),
        name_servers,
    };
    let set = KIND.first_version(call, config);
    let mut change = KIND
        .creation(call, &set)
        .if_still(keys::guard(KIND.collection), guard)
        .claim(REFERENCE_CLAIM, reference, &set.id);
    if let Some(stored) = promoted {
        let config = Zone {
            delegation_set: Some(set.id.clone()),
            ..stored.resource.config.clone()
        };
        let zone = stored.next_version(call, config);
        change = change
            .about(zone::KIND.cfn_type, &zone.id)
            .if_still(&stored.key, Some(stored.modified))
            .touch(zone::KIND.collection)
            .save(call, &stored.key, &zone);
    }
    call.commit(change).await?;
    Ok(Reply::of(&r53::CreateReusableDelegationSetResponse {
        delegation_set: output(&set),
        location: inputs::location(&format!("delegationset/{}", set.id)),
    }))
}

/// The zone whose name servers a set is to have.
async fn promotable(call: &Call<'_>, id: &str) -> Result<Stored<Zone>, Failure> {
    let zone = zone::load(call, id)
        .await
        .map_err(|failure| match failure {
            Failure::Api(_) => {
                let message = format!("The specified HostedZone can't be found: {}", bare_id(id));
                Failure::api(&error::HOSTED_ZONE_NOT_FOUND, message)
            }
            failure => failure,
        })?;
    let config = &zone.resource.config;
    if config.is_private {
        let message = "HostedZoneId names a private hosted zone, which has no delegation set.";
        return Err(Failure::api(&error::INVALID_ARGUMENT, message));
    }
    if let Some(set) = &config.delegation_set {
        let message = format!("The hosted zone's delegation set {set} is reusable already.");
        return Err(Failure::api(
            &error::DELEGATION_SET_ALREADY_REUSABLE,
            message,
        ));
    }
    Ok(zone)
}

async fn get(call: &Call<'_>) -> Answer {
    let input: r53::GetReusableDelegationSetRequest = call.input()?;
    let set = load(call, &input.id).await?.resource;
    Ok(Reply::of(&r53::GetReusableDelegationSetResponse {
        delegation_set: output(&set),
    }))
}

async fn delete(call: &Call<'_>) -> Answer {
    let input: r53::DeleteReusableDelegationSetRequest = call.input()?;
    let stored = load(call, &input.id).await?;
    let set = &stored.resource;
    let guard = call.guard(zone::KIND.collection).await?;
    let zones = zone::KIND.load_all::<Zone>(call).await?.into_iter();
    let zones: Vec<_> = zones.map(|zone| zone.resource).collect();
    if let Some(zone) = users(&zones, &set.id).next() {
        let message = format!(
            "The delegation set {} is in use by the hosted zone {}.",
            set.id, zone.id
        );
        return Err(Failure::api(&error::DELEGATION_SET_IN_USE, message));
    }
    let change = stored
        .change(&KIND)
        .if_still(keys::guard(zone::KIND.collection), guard)
        .remove(call, &stored.key, set.version);
    call.commit(change).await?;
    Ok(Reply::empty())
}

async fn list(call: &Call<'_>) -> Answer {
    let input: r53::ListReusableDelegationSetsRequest = call.input()?;
    let limit = inputs::page_size("MaxItems", input.max_items.as_deref(), PAGE_ITEMS_MAX)?;
    let marker = input.marker.as_deref().map(bare_id).unwrap_or_default();
    let sets = KIND.load_all::<DelegationSet>(call).await?.into_iter();
    let mut sets: Vec<_> = sets.map(|set| set.resource).collect();
    sets.sort_by(|a, b| a.id.cmp(&b.id));
    let page = Page::of(
        sets.into_iter().filter(|set| set.id.as_str() >= marker),
        limit,
    );
    Ok(Reply::of(&r53::ListReusableDelegationSetsResponse {
        delegation_sets: page.items.iter().map(output).collect(),
        marker: marker.to_owned(),
        is_truncated: page.next.is_some(),
        next_marker: page.next.map(|set| set.id),
        max_items: limit.to_string(),
    }))
}
