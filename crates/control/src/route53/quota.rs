//! Limits, as clients ask for them (spec §3).

use documents::Resource;
use documents::route53::{self as forms, Zone};
use shapes::route53::{self as r53, AccountLimitType, HostedZoneLimitType, error};

use super::{delegation_set, health_check, zone};
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;
use crate::limits;
use crate::service::{Entry, served};

pub(super) const OPERATIONS: &[Entry] = &[
    served("GetAccountLimit", |call| Box::pin(account(call))),
    served("GetHostedZoneLimit", |call| Box::pin(of_zone(call))),
    served("GetReusableDelegationSetLimit", |call| {
        Box::pin(of_delegation_set(call))
    }),
];

async fn account(call: &Call<'_>) -> Answer {
    let input: r53::GetAccountLimitRequest = call.input()?;
    let of = |collection| forms::resource(collection, "");
    let (prefix, value) = match input.r#type {
        AccountLimitType::MaxHealthChecksByOwner => {
            (of(forms::HEALTH_CHECK), health_check::HEALTH_CHECKS_MAX)
        }
        AccountLimitType::MaxHostedZonesByOwner => (of(forms::ZONE), limits::HOSTED_ZONES_MAX),
        AccountLimitType::MaxTrafficPolicyInstancesByOwner => (
            of(forms::TRAFFIC_POLICY_INSTANCE),
            limits::TRAFFIC_POLICY_INSTANCES_MAX,
        ),
        AccountLimitType::MaxReusableDelegationSetsByOwner => {
            (of(forms::DELEGATION_SET), limits::DELEGATION_SETS_MAX)
        }
        // Policies, whatever their versions.
        AccountLimitType::MaxTrafficPoliciesByOwner => (
            forms::TRAFFIC_POLICIES.to_owned(),
            limits::TRAFFIC_POLICIES_MAX,
        ),
    };
    let count = call.list_all(&prefix).await?.len();
    Ok(Reply::of(&r53::GetAccountLimitResponse {
        limit: r53::AccountLimit {
            r#type: input.r#type,
            value: value as i64,
        },
        count: count as i64,
    }))
}

async fn of_zone(call: &Call<'_>) -> Answer {
    let input: r53::GetHostedZoneLimitRequest = call.input()?;
    let zone = zone::load(call, &input.hosted_zone_id).await?.resource;
    let (value, count) = match input.r#type {
        HostedZoneLimitType::MaxRrsetsByZone => {
            let (state, _) = zone::state(call, &zone.id).await?;
            (
                limits::RECORD_SETS_PER_ZONE_MAX as i64,
                state.record_set_count as i64,
            )
        }
        HostedZoneLimitType::MaxVpcsAssociatedByZone => {
            if !zone.config.is_private {
                let message = format!("The hosted zone {} is not private.", zone.id);
                return Err(Failure::api(&error::HOSTED_ZONE_NOT_PRIVATE, message));
            }
            (
                limits::VPCS_PER_ZONE_MAX as i64,
                zone.config.vpcs.len() as i64,
            )
        }
    };
    Ok(Reply::of(&r53::GetHostedZoneLimitResponse {
        limit: r53::HostedZoneLimit {
            r#type: input.r#type,
            value,
        },
        count,
    }))
}

async fn of_delegation_set(call: &Call<'_>) -> Answer {
    let input: r53::GetReusableDelegationSetLimitRequest = call.input()?;
    let set = delegation_set::load(call, &input.delegation_set_id).await?;
    let zones = zone::KIND.load_all::<Zone>(call).await?.into_iter();
    let zones: Vec<Resource<Zone>> = zones.map(|zone| zone.resource).collect();
    let count = delegation_set::users(&zones, &set.resource.id).count();
    Ok(Reply::of(&r53::GetReusableDelegationSetLimitResponse {
        limit: r53::ReusableDelegationSetLimit {
            r#type: input.r#type,
            value: limits::ZONES_PER_DELEGATION_SET_MAX as i64,
        },
        count: count as i64,
    }))
}
