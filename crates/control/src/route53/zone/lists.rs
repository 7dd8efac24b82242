//! Lists of zones: by id, by name, by network.

use documents::route53::{self as forms, Zone, ZoneState};
use documents::{Resource, decode};
use records::Name;
use shapes::route53::{self as r53, error};

use super::{KIND, output};
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;
use crate::route53::inputs::{self, PAGE_ITEMS_MAX, Page, bare_id, invalid_input};
use crate::route53::{delegation_set, vpc};

async fn sorted_by<K: Ord>(
    call: &Call<'_>,
    key: impl Fn(&Resource<Zone>) -> K,
) -> Result<Vec<Resource<Zone>>, Failure> {
    let zones = KIND.load_all::<Zone>(call).await?.into_iter();
    let mut zones: Vec<_> = zones.map(|zone| zone.resource).collect();
    zones.sort_by_cached_key(key);
    Ok(zones)
}

/// As clients are told of a page of zones.
async fn outputs(
    call: &Call<'_>,
    zones: &[Resource<Zone>],
) -> Result<Vec<r53::HostedZone>, Failure> {
    let keys: Vec<String> = zones
        .iter()
        .map(|zone| forms::zone_state(&zone.id))
        .collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let states = call.store().get_many(&keys).await?;
    let mut told = Vec::with_capacity(zones.len());
    for (zone, state) in zones.iter().zip(states) {
        // Without a state it was deleted after the list was read.
        if let Some(document) = state {
            let state: ZoneState = decode(&document.key, &document.value)?;
            told.push(output(zone, &state));
        }
    }
    Ok(told)
}

pub(super) async fn all(call: &Call<'_>) -> Answer {
    let input: r53::ListHostedZonesRequest = call.input()?;
    let limit = inputs::page_size("MaxItems", input.max_items.as_deref(), PAGE_ITEMS_MAX)?;
    let set = input.delegation_set_id.as_deref().map(bare_id);
    let set = set.filter(|id| !id.is_empty());
    if let Some(id) = set {
        delegation_set::load(call, id).await?;
    }
    let marker = input.marker.as_deref().map(bare_id).unwrap_or_default();
    let zones = sorted_by(call, |zone| zone.id.clone()).await?.into_iter();
    let zones = zones
        .filter(|zone| set.is_none() || zone.config.delegation_set.as_deref() == set)
        .filter(|zone| input.hosted_zone_type.is_none() || zone.config.is_private)
        .filter(|zone| zone.id.as_str() >= marker);
    let page = Page::of(zones, limit);
    let mut reply = Reply::of(&r53::ListHostedZonesResponse {
        hosted_zones: outputs(call, &page.items).await?,
        marker: marker.to_owned(),
        is_truncated: page.next.is_some(),
        next_marker: page.next.map(|zone| zone.id),
        max_items: limit.to_string(),
    });
    if marker.is_empty()
        && let Some(members) = reply.output.as_object_mut()
    {
        members.remove("Marker");
    }
    Ok(reply)
}

/// From a name on, in the order of names with their labels in reverse.
pub(super) async fn by_name(call: &Call<'_>) -> Answer {
    let input: r53::ListHostedZonesByNameRequest = call.input()?;
    let limit = inputs::page_size("MaxItems", input.max_items.as_deref(), PAGE_ITEMS_MAX)?;
    let dns_name = input.dns_name.as_deref().filter(|name| !name.is_empty());
    let id = input.hosted_zone_id.as_deref().map(bare_id);
    let start = match (dns_name, id) {
        (None, Some(_)) => {
            let message = "HostedZoneId is given without DNSName, which it goes on from.";
            return Err(invalid_input(message));
        }
        (None, None) => (String::new(), String::new()),
        (Some(name), id) => {
            let name = Name::parse(name).map_err(|error| {
                let message = format!("DNSName is '{name}': {error}.");
                Failure::api(&error::INVALID_DOMAIN_NAME, message)
            })?;
            (name.order_key(), id.unwrap_or_default().to_owned())
        }
    };
    let key = |zone: &Resource<Zone>| {
        let name = Name::parse(&zone.config.name);
        (
            name.map(|name| name.order_key()).unwrap_or_default(),
            zone.id.clone(),
        )
    };
    let zones = sorted_by(call, key).await?.into_iter();
    let page = Page::of(zones.filter(|zone| key(zone) >= start), limit);
    let (next_dns_name, next_hosted_zone_id) = match page.next {
        Some(zone) => (Some(zone.config.name), Some(zone.id)),
        None => (None, None),
    };
    Ok(Reply::of(&r53::ListHostedZonesByNameResponse {
        hosted_zones: outputs(call, &page.items).await?,
        is_truncated: next_dns_name.is_some(),
        dns_name: input.dns_name,
        hosted_zone_id: input.hosted_zone_id,
        next_dns_name,
        next_hosted_zone_id,
        max_items: limit.to_string(),
    }))
}

pub(super) async fn by_vpc(call: &Call<'_>) -> Answer {
    let input: r53::ListHostedZonesByVPCRequest = call.input()?;
    let limit = inputs::page_size("MaxItems", input.max_items.as_deref(), PAGE_ITEMS_MAX)?;
    let wanted = vpc::check(Some(&r53::VPC {
        vpc_region: Some(input.vpc_region),
        vpc_id: Some(input.vpc_id),
    }))
    // The model has no InvalidVPCId here.
    .map_err(|_| invalid_input("VPCId is no id of a VPC."))?;
    let start = match input
        .next_token
        .as_deref()
        .filter(|token| !token.is_empty())
    {
        None => String::new(),
        Some(token) => inputs::read_token(token).ok_or_else(|| {
            let message = format!("NextToken is '{token}', which is none of this list's.");
            Failure::api(&error::INVALID_PAGINATION_TOKEN, message)
        })?,
    };
    let zones = sorted_by(call, |zone| zone.id.clone()).await?.into_iter();
    let zones = zones.filter(|zone| zone.config.vpcs.contains(&wanted) && zone.id >= start);
    let page = Page::of(zones, limit);
    let owner = &call.control.config.account_id;
    let summaries = page.items.into_iter().map(|zone| r53::HostedZoneSummary {
        hosted_zone_id: zone.id,
        name: zone.config.name,
        owner: r53::HostedZoneOwner {
            owning_account: Some(owner.clone()),
            owning_service: None,
        },
    });
    Ok(Reply::of(&r53::ListHostedZonesByVPCResponse {
        hosted_zone_summaries: summaries.collect(),
        max_items: limit.to_string(),
        next_token: page.next.map(|zone| inputs::token(&zone.id)),
    }))
}

pub(super) async fn count(call: &Call<'_>) -> Answer {
    let zones = call.list_all(&KIND.prefix()).await?;
    Ok(Reply::of(&r53::GetHostedZoneCountResponse {
        hosted_zone_count: zones.len() as i64,
    }))
}
