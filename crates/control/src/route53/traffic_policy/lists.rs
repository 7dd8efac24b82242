//! Lists of policies and of versions of one. A page begins with what its marker names; the marker
//! of the next page is always in the answer, as the model has it, and empty behind the last.

use documents::decode;
use documents::route53::{self as forms, TrafficPolicyState};
use shapes::route53 as r53;

use super::{load, output, record_type, state};
use crate::call::{Answer, Call, Reply};
use crate::route53::inputs::{self, PAGE_ITEMS_MAX, Page, invalid_input};

pub(super) async fn policies(call: &Call<'_>) -> Answer {
    let input: r53::ListTrafficPoliciesRequest = call.input()?;
    let limit = inputs::page_size("MaxItems", input.max_items.as_deref(), PAGE_ITEMS_MAX)?;
    let start = forms::traffic_policy_state(&input.traffic_policy_id_marker.unwrap_or_default());
    let documents = call.list_all(forms::TRAFFIC_POLICIES).await?.into_iter();
    let page = Page::of(documents.filter(|document| document.key >= start), limit);
    let id = |key: &str| key.trim_start_matches(forms::TRAFFIC_POLICIES).to_owned();
    let mut summaries = Vec::with_capacity(page.items.len());
    for document in &page.items {
        let state: TrafficPolicyState = decode(&document.key, &document.value)?;
        summaries.push(r53::TrafficPolicySummary {
            id: id(&document.key),
            name: state.name,
            r#type: record_type(&state.record_type),
            latest_version: state.versions.last().copied().unwrap_or(state.newest),
            traffic_policy_count: state.versions.len() as i32,
        });
    }
    Ok(Reply::of(&r53::ListTrafficPoliciesResponse {
        traffic_policy_summaries: summaries,
        is_truncated: page.next.is_some(),
        traffic_policy_id_marker: page.next.map(|next| id(&next.key)).unwrap_or_default(),
        max_items: limit.to_string(),
    }))
}

/// In the order of their numbers.
pub(super) async fn versions(call: &Call<'_>) -> Answer {
    let input: r53::ListTrafficPolicyVersionsRequest = call.input()?;
    let limit = inputs::page_size("MaxItems", input.max_items.as_deref(), PAGE_ITEMS_MAX)?;
    let marker = input.traffic_policy_version_marker;
    let start: i32 = match marker.filter(|marker| !marker.is_empty()) {
        None => 0,
        Some(marker) => marker.parse().map_err(|_| {
            invalid_input(format!(
                "TrafficPolicyVersionMarker is '{marker}'; allowed is the number of a version."
            ))
        })?,
    };
    let (state, _) = state(call, &input.id).await?;
    let numbers = state.versions.into_iter().filter(|number| *number >= start);
    let page = Page::of(numbers, limit);
    let mut policies = Vec::with_capacity(page.items.len());
    for number in page.items {
        policies.push(output(
            &load(call, &input.id, number).await?.resource.config,
        ));
    }
    let next = page.next.map(|next| next.to_string());
    Ok(Reply::of(&r53::ListTrafficPolicyVersionsResponse {
        traffic_policies: policies,
        is_truncated: next.is_some(),
        traffic_policy_version_marker: next.unwrap_or_default(),
        max_items: limit.to_string(),
    }))
}
