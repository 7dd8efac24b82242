//! Hosted zones (spec §4).
//!
//! Beside a zone lie its record sets, and a state that counts them: `record_sets.rs`.

mod lists;
mod name_servers;

use documents::route53::{self as forms, Zone, ZoneState};
use documents::{Resource, decode, encode};
use records::Name;
use shapes::route53::{self as r53, AcceleratedRecoveryStatus, RRType, error};
use store::Revision;

use super::inputs::{self, bare_id, invalid_input};
use super::{changes, delegation_set, protection, query_logging, tags, vpc};
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::Failure;
use crate::ids::IdForm;
use crate::limits;
use crate::resource::{Kind, Stored};
use crate::service::{Entry, served, stored};

pub(super) use name_servers::NameServers;

pub(super) static KIND: Kind = Kind {
    noun: "hosted zone",
    collection: forms::ZONE,
    id: IdForm::Letter('Z'),
    cfn_type: "AWS::Route53::HostedZone",
    missing: &error::NO_SUCH_HOSTED_ZONE,
};

/// References stay taken when their zones are gone.
const REFERENCE_CLAIM: &str = "reference/hosted-zone";

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreateHostedZone", |call| Box::pin(create(call))),
    served("GetHostedZone", |call| Box::pin(get(call))),
    served("DeleteHostedZone", |call| Box::pin(delete(call))),
    served("UpdateHostedZoneComment", |call| {
        Box::pin(update_comment(call))
    }),
    stored(
        "UpdateHostedZoneFeatures",
        "every name server answers for every zone, so there is nothing to recover faster",
        |call| Box::pin(update_features(call)),
    ),
    served("ListHostedZones", |call| Box::pin(lists::all(call))),
    served("ListHostedZonesByName", |call| {
        Box::pin(lists::by_name(call))
    }),
    served("ListHostedZonesByVPC", |call| Box::pin(lists::by_vpc(call))),
    served("GetHostedZoneCount", |call| Box::pin(lists::count(call))),
];

const NS_TTL_SECS: i64 = 172_800;
const SOA_TTL_SECS: i64 = 900;

/// A zone, by its id with or without its kind.
pub(super) async fn load(call: &Call<'_>, id: &str) -> Result<Stored<Zone>, Failure> {
    let id = bare_id(id);
    if id.len() > limits::ROUTE53_ID_BYTES_MAX {
        return Err(missing(id));
    }
    match KIND.load(call, id).await {
        Err(Failure::Api(error)) if error.code == KIND.missing.code => Err(missing(id)),
        result => result,
    }
}

/// The error for a zone that is not there.
pub(super) fn missing(id: &str) -> Failure {
    let message = format!("No hosted zone found with ID: {id}");
    Failure::api(&error::NO_SUCH_HOSTED_ZONE, message)
}

/// What is kept of a zone besides, and when it was put last. Who writes records of the zone, or
/// anything that depends on them, compares it and puts it anew.
pub(super) async fn state(call: &Call<'_>, id: &str) -> Result<(ZoneState, Revision), Failure> {
    let key = forms::zone_state(id);
    let document = call.store().get(&key).await?.ok_or_else(|| missing(id))?;
    Ok((decode(&key, &document.value)?, document.modified))
}

/// A zone's name as a name: it was one when the zone was made.
pub(super) fn apex(zone: &Resource<Zone>) -> Result<Name, Failure> {
    Name::parse(&zone.config.name).map_err(|error| {
        let key = KIND.key(&zone.id);
        let message = error.to_string();
        documents::FormError { key, message }.into()
    })
}

/// As clients are told of a zone.
pub(super) fn output(zone: &Resource<Zone>, state: &ZoneState) -> r53::HostedZone {
    let config = &zone.config;
    let status = config.accelerated_recovery.as_deref();
    let status = status.map(|status| match status {
        "ENABLED" => AcceleratedRecoveryStatus::Enabled,
        _ => AcceleratedRecoveryStatus::Disabled,
    });
    r53::HostedZone {
        id: format!("/hostedzone/{}", zone.id),
        name: config.name.clone(),
        caller_reference: config.caller_reference.clone(),
        config: Some(r53::HostedZoneConfig {
            comment: config.comment.clone(),
            private_zone: Some(config.is_private),
        }),
        resource_record_set_count: i64::try_from(state.record_set_count).ok(),
        linked_service: None,
        features: status.map(|status| r53::HostedZoneFeatures {
            accelerated_recovery_status: Some(status),
            failure_reasons: None,
        }),
    }
}

/// As clients are told of its name servers.
async fn delegation(
    call: &Call<'_>,
    zone: &Resource<Zone>,
) -> Result<Option<r53::DelegationSet>, Failure> {
    if zone.config.is_private {
        return Ok(None);
    }
    if let Some(id) = &zone.config.delegation_set {
        let set = delegation_set::load(call, id).await?;
        return Ok(Some(delegation_set::output(&set.resource)));
    }
    Ok(Some(r53::DelegationSet {
        id: None,
        caller_reference: None,
        name_servers: zone.config.name_servers.clone(),
    }))
}

/// What a zone may be called (spec §4).
fn check_name(text: &str) -> Result<Name, Failure> {
    let refuse = |why: &str| {
        let message = format!("Name is '{text}', which is no valid domain name of a zone: {why}.");
        Failure::api(&error::INVALID_DOMAIN_NAME, message)
    };
    let name = Name::parse(text).map_err(|error| refuse(&error.to_string()))?;
    match name.labels().count() {
        0 | 1 if !name.is_root() => return Err(refuse("it needs two labels at least")),
        0 => return Err(refuse("it is the root")),
        _ => {}
    }
    match name.is_wildcard() {
        true => Err(refuse("it begins with a wildcard")),
        false => Ok(name),
    }
}

async fn create(call: &Call<'_>) -> Answer {
    let input: r53::CreateHostedZoneRequest = call.input()?;
    inputs::check_bounds(call)?;
    inputs::check_word("CallerReference", &input.caller_reference)?;
    let name = check_name(&input.name)?;
    let reference = &input.caller_reference;
    if call.claimed(REFERENCE_CLAIM, reference).await?.is_some() {
        let message = format!(
            "A hosted zone has already been created with the specified caller reference: \
             {reference}"
        );
        return Err(Failure::api(&error::HOSTED_ZONE_ALREADY_EXISTS, message));
    }
    let config = input.hosted_zone_config.unwrap_or_default();
    let is_private = config.private_zone == Some(true) || input.vpc.is_some();
    let set_id = input.delegation_set_id.as_deref().map(bare_id);
    let set_id = set_id.filter(|id| !id.is_empty());
    if is_private && set_id.is_some() {
        let message = "DelegationSetId is given, but a private hosted zone has no delegation set.";
        return Err(invalid_input(message));
    }
    let guard = call.guard(KIND.collection).await?;
    let zones = KIND.load_all::<Zone>(call).await?;
    if zones.len() >= limits::HOSTED_ZONES_MAX {
        let message = format!("There are {} hosted zones, which is the most.", zones.len());
        return Err(Failure::api(&error::TOO_MANY_HOSTED_ZONES, message));
    }
    let zones: Vec<_> = zones.into_iter().map(|zone| zone.resource).collect();
    let mut change = Change::new();
    let mut zone = Zone {
        name: name.to_string(),
        caller_reference: reference.clone(),
        comment: config.comment,
        is_private,
        vpcs: Vec::new(),
        delegation_set: None,
        name_servers: Vec::new(),
        is_signing: false,
        accelerated_recovery: None,
    };
    let servers = NameServers::new(call);
    if is_private {
        let vpc = vpc::check(input.vpc.as_ref())?;
        vpc::check_conflict(&zones, &name.to_string(), &vpc, None)?;
        zone.vpcs.push(vpc);
        zone.name_servers = servers.of_private_zones();
    } else if let Some(id) = set_id {
        let set = delegation_set::load(call, id).await?;
        delegation_set::check_room(&zones, id, &name)?;
        change = change.if_still(&set.key, Some(set.modified));
        zone.delegation_set = Some(id.to_owned());
        zone.name_servers = set.resource.config.name_servers;
    } else {
        zone.name_servers = servers.choose_for(&zones, &zone.name)?;
    }
    let zone = KIND.first_version(call, zone);
    let (change, state) = with_first_records(call, change, &zone, &name)?;
    let change = change
        .about(KIND.cfn_type, &zone.id)
        .if_absent(KIND.key(&zone.id))
        .if_still(documents::keys::guard(KIND.collection), guard)
        .touch(KIND.collection)
        .claim(REFERENCE_CLAIM, reference, &zone.id)
        .save(call, &KIND.key(&zone.id), &zone);
    let change_info = changes::commit(call, change, None).await?;
    let delegation_set = delegation(call, &zone).await?;
    let is_public = delegation_set.is_some();
    let mut reply = Reply::of(&r53::CreateHostedZoneResponse {
        hosted_zone: output(&zone, &state),
        change_info,
        delegation_set: delegation_set.unwrap_or_default(),
        vpc: zone.config.vpcs.first().cloned(),
        location: inputs::location(&format!("hostedzone/{}", zone.id)),
    });
    if !is_public && let Some(members) = reply.output.as_object_mut() {
        members.remove("DelegationSet");
    }
    Ok(reply)
}

/// Every zone has NS and SOA at its apex (spec §4).
fn with_first_records(
    call: &Call<'_>,
    change: Change,
    zone: &Resource<Zone>,
    apex: &Name,
) -> Result<(Change, ZoneState), Failure> {
    let servers = zone.config.name_servers.iter();
    let servers: Vec<String> = servers.map(|server| format!("{server}.")).collect();
    let first = servers.first().map(String::as_str).unwrap_or_default();
    let soa = format!(
        "{first} hostmaster.{}. 1 7200 900 1209600 86400",
        call.control.config.domain
    );
    let set = |record_type, ttl, values: Vec<String>| {
        let records = values
            .into_iter()
            .map(|value| r53::ResourceRecord { value });
        r53::ResourceRecordSet {
            ttl: Some(ttl),
            resource_records: Some(records.collect()),
            ..forms::bare(&zone.config.name, record_type)
        }
    };
    let sets = [
        set(RRType::Ns, NS_TTL_SECS, servers.clone()),
        set(RRType::Soa, SOA_TTL_SECS, vec![soa]),
    ];
    let state = ZoneState {
        record_set_count: sets.len() as u64,
        ..ZoneState::default()
    };
    let order_key = apex.order_key();
    let change = sets.iter().fold(change, |change, set| {
        let key = forms::record(&zone.id, &order_key, set.r#type.as_str(), None);
        change.put(key, encode(set))
    });
    Ok((
        change.put(forms::zone_state(&zone.id), encode(&state)),
        state,
    ))
}

async fn get(call: &Call<'_>) -> Answer {
    let input: r53::GetHostedZoneRequest = call.input()?;
    let zone = load(call, &input.id).await?.resource;
    let (state, _) = state(call, &zone.id).await?;
    let vpcs = zone.config.vpcs.clone();
    Ok(Reply::of(&r53::GetHostedZoneResponse {
        hosted_zone: output(&zone, &state),
        delegation_set: delegation(call, &zone).await?,
        vp_cs: zone.config.is_private.then_some(vpcs),
    }))
}

async fn update_comment(call: &Call<'_>) -> Answer {
    let input: r53::UpdateHostedZoneCommentRequest = call.input()?;
    let stored = load(call, &input.id).await?;
    inputs::check_bounds(call)?;
    let config = Zone {
        comment: input.comment,
        ..stored.resource.config.clone()
    };
    let zone = stored.next_version(call, config);
    let change = stored.change(&KIND).save(call, &stored.key, &zone);
    call.commit(change).await?;
    let (state, _) = state(call, &zone.id).await?;
    Ok(Reply::of(&r53::UpdateHostedZoneCommentResponse {
        hosted_zone: output(&zone, &state),
    }))
}

async fn update_features(call: &Call<'_>) -> Answer {
    let input: r53::UpdateHostedZoneFeaturesRequest = call.input()?;
    let stored = load(call, &input.hosted_zone_id).await?;
    let Some(is_enabled) = input.enable_accelerated_recovery else {
        return Ok(Reply::empty());
    };
    let status = if is_enabled { "ENABLED" } else { "DISABLED" };
    let config = Zone {
        accelerated_recovery: Some(status.to_owned()),
        ..stored.resource.config.clone()
    };
    let zone = stored.next_version(call, config);
    let change = stored.change(&KIND).save(call, &stored.key, &zone);
    call.commit(change).await?;
    Ok(Reply::empty())
}

async fn delete(call: &Call<'_>) -> Answer {
    let input: r53::DeleteHostedZoneRequest = call.input()?;
    let stored = load(call, &input.id).await?;
    let zone = &stored.resource;
    let (state, state_revision) = state(call, &zone.id).await?;
    let not_empty = |message: &str| Failure::api(&error::HOSTED_ZONE_NOT_EMPTY, message);
    if state.record_set_count > 2 {
        return Err(not_empty(
            "The specified hosted zone contains non-required resource record sets and so cannot \
             be deleted.",
        ));
    }
    let keys = forms::resource(forms::KEY_SIGNING_KEY, &format!("{}/", zone.id));
    if zone.config.is_signing || !call.list_all(&keys).await?.is_empty() {
        return Err(not_empty(
            "The specified hosted zone has DNSSEC keys and so cannot be deleted; disable signing \
             and delete them first.",
        ));
    }
    if protection::has_any(call, &zone.id).await? {
        return Err(not_empty(
            "The specified hosted zone contains protected resource record sets and so cannot be \
             deleted.",
        ));
    }
    let mut change = stored
        .change(&KIND)
        .if_still(forms::zone_state(&zone.id), Some(state_revision))
        .delete(forms::zone_state(&zone.id))
        .delete(forms::resource(forms::ZONE_SIGNING_KEYS, &zone.id))
        .remove(call, &stored.key, zone.version);
    for document in call.list_all(&forms::records(&zone.id)).await? {
        change = change.delete(document.key);
    }
    change = tags::forget(change, r53::TagResourceType::Hostedzone, &zone.id);
    change = query_logging::forget(call, change, &zone.id).await?;
    let change_info = changes::commit(call, change, None).await?;
    Ok(Reply::of(&r53::DeleteHostedZoneResponse { change_info }))
}
