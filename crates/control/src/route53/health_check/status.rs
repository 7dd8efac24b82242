//! What checkers see (spec §13.5).

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use documents::route53::{self as forms, Opinion};
use documents::{Role, decode};
use serde_json::Value;
use shapes::Timestamp;
use shapes::route53::{self as r53, HealthCheckType};

use super::load;
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;
use crate::nodes::Living;
use crate::route53::inputs::invalid_input;

/// What every checker thinks of an endpoint now.
pub(super) async fn now(call: &Call<'_>) -> Answer {
    let input: r53::GetHealthCheckStatusRequest = call.input()?;
    let opinions = opinions(call, &input.health_check_id).await?;
    let told = opinions.into_iter().map(|opinion| {
        let report = report(opinion.status.clone(), opinion.checked_ms);
        (opinion, report)
    });
    observations(told.collect())
}

/// The last failure that each checker saw; those that saw none are not told of.
pub(super) async fn last_failure(call: &Call<'_>) -> Answer {
    let input: r53::GetHealthCheckLastFailureReasonRequest = call.input()?;
    let opinions = opinions(call, &input.health_check_id).await?;
    let told = opinions.into_iter().filter_map(|opinion| {
        let (status, at_ms) = opinion.last_failure.clone()?;
        Some((opinion, report(status, at_ms)))
    });
    observations(told.collect())
}

fn report(status: String, at_ms: u64) -> r53::StatusReport {
    r53::StatusReport {
        status: Some(status),
        checked_time: Some(Timestamp::from_unix_ms(at_ms as i64)),
    }
}

async fn opinions(call: &Call<'_>, id: &str) -> Result<Vec<Opinion>, Failure> {
    let check = load(call, id).await?.resource;
    let kind = check.config.config.r#type;
    if matches!(
        kind,
        HealthCheckType::Calculated
            | HealthCheckType::CloudwatchMetric
            | HealthCheckType::RecoveryControl
    ) {
        return Err(invalid_input(format!(
            "The health check {} is of type {kind}: it has no endpoint that checkers look at.",
            check.id
        )));
    }
    let mut opinions = Vec::new();
    for document in call.list_all(&forms::opinion(&check.id, "")).await? {
        opinions.push(decode(&document.key, &document.value)?);
    }
    Ok(opinions)
}

fn observations(told: Vec<(Opinion, r53::StatusReport)>) -> Answer {
    let observation = |report: &r53::StatusReport, address: &str| r53::HealthCheckObservation {
        region: None,
        ip_address: Some(address.to_owned()),
        status_report: Some(report.clone()),
    };
    let observations = told.iter();
    let mut reply = Reply::of(&r53::GetHealthCheckStatusResponse {
        health_check_observations: observations
            .map(|(opinion, report)| observation(report, &opinion.address))
            .collect(),
    });
    // Checkers are in more regions than the eight of AWS's, to which the model keeps.
    for (index, (opinion, _)) in told.into_iter().enumerate() {
        let told = &mut reply.output["HealthCheckObservations"][index];
        told["Region"] = Value::from(opinion.region);
    }
    Ok(reply)
}

/// The addresses of the checkers that live, as networks of one: those that they listen on, and
/// those that they say they check from.
pub(super) async fn checkers(call: &Call<'_>) -> Answer {
    let living = Living::of(call, Role::Health).await?;
    let listening = living.nodes().iter().flat_map(|node| &node.http);
    let listening = listening.filter_map(|address| address.parse::<SocketAddr>().ok());
    let mut addresses: BTreeSet<IpAddr> = listening.map(|address| address.ip()).collect();
    for document in call.list_all(forms::HEALTH).await? {
        let opinion: Opinion = decode(&document.key, &document.value)?;
        addresses.extend(opinion.address.parse::<IpAddr>().ok());
    }
    addresses.retain(|address| !address.is_unspecified());
    let ranges = addresses.into_iter().map(|address| match address {
        IpAddr::V4(address) => format!("{address}/32"),
        IpAddr::V6(address) => format!("{address}/128"),
    });
    Ok(Reply::of(&r53::GetCheckerIpRangesResponse {
        checker_ip_ranges: ranges.collect(),
    }))
}
