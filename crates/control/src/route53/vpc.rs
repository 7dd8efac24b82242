//! Networks that see a private zone (spec §6). AWS calls them VPCs; name servers know them by the
//! networks that their configuration lists.
//!
//! An installation is one account: whoever may associate, may associate everything. Authorisations
//! are kept and told of.

use documents::Resource;
use documents::route53::{Zone, ZoneState};
use documents::{encode, route53 as forms};
use shapes::route53::{self as r53, error};

use super::inputs::{self, Page};
use super::{changes, zone};
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::Failure;
use crate::limits;
use crate::service::{Entry, served, stored};

pub(super) const OPERATIONS: &[Entry] = &[
    served("AssociateVPCWithHostedZone", |call| {
        Box::pin(associate(call))
    }),
    served("DisassociateVPCFromHostedZone", |call| {
        Box::pin(disassociate(call))
    }),
    stored("CreateVPCAssociationAuthorization", NOTE, |call| {
        Box::pin(authorize(call))
    }),
    stored("DeleteVPCAssociationAuthorization", NOTE, |call| {
        Box::pin(deauthorize(call))
    }),
    stored("ListVPCAssociationAuthorizations", NOTE, |call| {
        Box::pin(list(call))
    }),
];

const NOTE: &str = "there is one account, which needs no authorisation of its own";

/// Longest id: the model's bound.
const ID_CHARS_MAX: usize = 1_024;

/// A network as it must be named: `vpc-…` and a region.
pub(super) fn check(vpc: Option<&r53::VPC>) -> Result<r53::VPC, Failure> {
    let vpc = vpc.cloned().unwrap_or_default();
    let id = vpc.vpc_id.as_deref().unwrap_or_default();
    let rest = id.strip_prefix("vpc-").unwrap_or_default();
    let is_id = !rest.is_empty()
        && id.len() <= ID_CHARS_MAX
        && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match is_id && vpc.vpc_region.is_some() {
        true => Ok(vpc),
        false => Err(Failure::api(
            &error::INVALID_VPC_ID,
            "Invalid or missing VPC Id.",
        )),
    }
}

/// Refuses a second zone of a name for a network; `except` is the zone that asks.
pub(super) fn check_conflict(
    zones: &[Resource<Zone>],
    name: &str,
    vpc: &r53::VPC,
    except: Option<&str>,
) -> Result<(), Failure> {
    let mut zones = zones.iter().filter(|zone| Some(zone.id.as_str()) != except);
    let other = zones.find(|zone| zone.config.name == name && zone.config.vpcs.contains(vpc));
    match other {
        None => Ok(()),
        Some(zone) => Err(Failure::api(
            &error::CONFLICTING_DOMAIN_EXISTS,
            format!(
                "The VPC {} is already associated with another hosted zone with the same name: {}",
                vpc.vpc_id.as_deref().unwrap_or_default(),
                zone.id
            ),
        )),
    }
}

async fn associate(call: &Call<'_>) -> Answer {
    let input: r53::AssociateVPCWithHostedZoneRequest = call.input()?;
    let guard = call.guard(zone::KIND.collection).await?;
    let stored = zone::load(call, &input.hosted_zone_id).await?;
    let vpc = check(Some(&input.vpc))?;
    let mut config = stored.resource.config.clone();
    if !config.is_private {
        return Err(Failure::api(
            &error::PUBLIC_ZONE_VPC_ASSOCIATION,
            "You're trying to associate a VPC with a public hosted zone. Amazon Route 53 doesn't \
             support associating a VPC with a public hosted zone.",
        ));
    }
    let all = zone::KIND.load_all::<Zone>(call).await?.into_iter();
    let all: Vec<_> = all.map(|zone| zone.resource).collect();
    check_conflict(&all, &config.name, &vpc, Some(&stored.resource.id))?;
    if !config.vpcs.contains(&vpc) {
        if config.vpcs.len() >= limits::VPCS_PER_ZONE_MAX {
            let message = format!(
                "The hosted zone is associated with {} VPCs, which is the most.",
                config.vpcs.len()
            );
            return Err(Failure::api(&error::LIMITS_EXCEEDED, message));
        }
        config.vpcs.push(vpc);
    }
    let zone = stored.next_version(call, config);
    let change = Change::new()
        .about(zone::KIND.cfn_type, &zone.id)
        .if_still(&stored.key, Some(stored.modified))
        .if_still(documents::keys::guard(zone::KIND.collection), guard)
        .touch(zone::KIND.collection)
        .save(call, &stored.key, &zone);
    let change_info = changes::commit(call, change, input.comment.as_deref()).await?;
    Ok(Reply::of(&r53::AssociateVPCWithHostedZoneResponse {
        change_info,
    }))
}

async fn disassociate(call: &Call<'_>) -> Answer {
    let input: r53::DisassociateVPCFromHostedZoneRequest = call.input()?;
    let stored = zone::load(call, &input.hosted_zone_id).await?;
    let vpc = check(Some(&input.vpc))?;
    let mut config = stored.resource.config.clone();
    let Some(at) = config.vpcs.iter().position(|known| *known == vpc) else {
        let message = format!(
            "The VPC {} is not associated with the hosted zone {}.",
            vpc.vpc_id.as_deref().unwrap_or_default(),
            stored.resource.id
        );
        return Err(Failure::api(&error::VPC_ASSOCIATION_NOT_FOUND, message));
    };
    if config.vpcs.len() == 1 {
        return Err(Failure::api(
            &error::LAST_VPC_ASSOCIATION,
            "The VPC that you're trying to disassociate from the private hosted zone is the last \
             VPC that is associated with the hosted zone. Amazon Route 53 doesn't support \
             disassociating the last VPC from a hosted zone.",
        ));
    }
    config.vpcs.remove(at);
    let zone = stored.next_version(call, config);
    let change = stored.change(&zone::KIND).save(call, &stored.key, &zone);
    let change_info = changes::commit(call, change, input.comment.as_deref()).await?;
    Ok(Reply::of(&r53::DisassociateVPCFromHostedZoneResponse {
        change_info,
    }))
}

/// Puts a zone's state anew, if nobody else did meanwhile.
async fn put_state(
    call: &Call<'_>,
    zone: &str,
    state: &ZoneState,
    read: store::Revision,
) -> Result<(), Failure> {
    let key = forms::zone_state(zone);
    let change = Change::new()
        .about(zone::KIND.cfn_type, zone)
        .if_still(&key, Some(read))
        .put(&key, encode(state));
    call.commit(change).await.map(|_| ())
}

async fn authorize(call: &Call<'_>) -> Answer {
    let input: r53::CreateVPCAssociationAuthorizationRequest = call.input()?;
    let zone = zone::load(call, &input.hosted_zone_id).await?.resource;
    let vpc = check(Some(&input.vpc))?;
    let (mut state, read) = zone::state(call, &zone.id).await?;
    if !zone.config.is_private {
        return Err(inputs::invalid_input(format!(
            "The hosted zone {} is public; VPCs are associated with private ones.",
            zone.id
        )));
    }
    if !state.authorized_vpcs.contains(&vpc) {
        if state.authorized_vpcs.len() >= limits::VPC_AUTHORIZATIONS_PER_ZONE_MAX {
            let message = format!(
                "There are {} authorisations for the hosted zone, which is the most.",
                state.authorized_vpcs.len()
            );
            let shape = &error::TOO_MANY_VPC_ASSOCIATION_AUTHORIZATIONS;
            return Err(Failure::api(shape, message));
        }
        state.authorized_vpcs.push(vpc.clone());
        put_state(call, &zone.id, &state, read).await?;
    }
    Ok(Reply::of(&r53::CreateVPCAssociationAuthorizationResponse {
        hosted_zone_id: zone.id,
        vpc,
    }))
}

async fn deauthorize(call: &Call<'_>) -> Answer {
    let input: r53::DeleteVPCAssociationAuthorizationRequest = call.input()?;
    let zone = zone::load(call, &input.hosted_zone_id).await?.resource;
    let vpc = check(Some(&input.vpc))?;
    let (mut state, read) = zone::state(call, &zone.id).await?;
    let Some(at) = state.authorized_vpcs.iter().position(|known| *known == vpc) else {
        let shape = &error::VPC_ASSOCIATION_AUTHORIZATION_NOT_FOUND;
        let message = format!(
            "There is no authorisation of the VPC {} for the hosted zone {}.",
            vpc.vpc_id.as_deref().unwrap_or_default(),
            zone.id
        );
        return Err(Failure::api(shape, message));
    };
    state.authorized_vpcs.remove(at);
    put_state(call, &zone.id, &state, read).await?;
    Ok(Reply::empty())
}

async fn list(call: &Call<'_>) -> Answer {
    const MOST: usize = 50;
    let input: r53::ListVPCAssociationAuthorizationsRequest = call.input()?;
    let limit = inputs::page_size("MaxResults", input.max_results.as_deref(), MOST)?;
    let zone = zone::load(call, &input.hosted_zone_id).await?.resource;
    let start = match input
        .next_token
        .as_deref()
        .filter(|token| !token.is_empty())
    {
        None => 0,
        Some(token) => {
            let start = inputs::read_token(token).and_then(|text| text.parse::<usize>().ok());
            start.ok_or_else(|| {
                let message = format!("NextToken is '{token}', which is none of this list's.");
                Failure::api(&error::INVALID_PAGINATION_TOKEN, message)
            })?
        }
    };
    let (state, _) = zone::state(call, &zone.id).await?;
    let page = Page::of(state.authorized_vpcs.into_iter().skip(start), limit);
    Ok(Reply::of(&r53::ListVPCAssociationAuthorizationsResponse {
        hosted_zone_id: zone.id,
        next_token: page
            .next
            .map(|_| inputs::token(&(start + limit).to_string())),
        vp_cs: page.items,
    }))
}
