//! Lists of instances: by zone, name and type. A page begins with what its markers name.

use documents::Role;
use documents::route53::TrafficPolicyInstance;
use records::Name;
use shapes::route53::{self as r53, RRType};

use super::{Instance, KIND, output};
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;
use crate::nodes::Living;
use crate::route53::inputs::{self, PAGE_ITEMS_MAX, Page, bare_id, invalid_input};
use crate::route53::{traffic_policy, zone};

/// Where an instance lies in the lists.
type Place = (String, String, String);

fn place(config: &TrafficPolicyInstance) -> Place {
    let name = Name::parse(&config.name).map(|name| name.order_key());
    (
        config.zone.clone(),
        name.unwrap_or_default(),
        config.record_type.clone(),
    )
}

/// Where a list begins.
struct Markers<'a> {
    zone: Option<&'a str>,
    name: Option<&'a str>,
    record_type: Option<RRType>,
}

impl Markers<'_> {
    fn place(&self) -> Result<Place, Failure> {
        let zone = self.zone.map(bare_id).unwrap_or_default();
        let name = match self.name.filter(|name| !name.is_empty()) {
            None => String::new(),
            Some(text) => {
                let name = Name::parse(text).map_err(|error| {
                    let member = "TrafficPolicyInstanceNameMarker";
                    invalid_input(format!("{member} is '{text}': {error}."))
                })?;
                name.order_key()
            }
        };
        let record_type = self.record_type.map(|kind| kind.to_string());
        Ok((zone.to_owned(), name, record_type.unwrap_or_default()))
    }
}

/// A page, and the instance that the next one begins with.
struct Listed {
    instances: Vec<r53::TrafficPolicyInstance>,
    next: Option<TrafficPolicyInstance>,
    limit: usize,
}

impl Listed {
    async fn of(
        call: &Call<'_>,
        is_wanted: impl Fn(&TrafficPolicyInstance) -> bool,
        markers: &Markers<'_>,
        max_items: Option<&str>,
    ) -> Result<Listed, Failure> {
        let limit = inputs::page_size("MaxItems", max_items, PAGE_ITEMS_MAX)?;
        let start = markers.place()?;
        let mut instances: Vec<Instance> = KIND.load_all(call).await?;
        instances.retain(|instance| is_wanted(&instance.resource.config));
        instances.sort_by_cached_key(|instance| place(&instance.resource.config));
        let rest = instances.into_iter();
        let page = Page::of(
            rest.filter(|instance| place(&instance.resource.config) >= start),
            limit,
        );
        let servers = Living::of(call, Role::Dns).await?;
        let instances = page.items.iter();
        Ok(Listed {
            instances: instances.map(|found| output(found, &servers)).collect(),
            next: page.next.map(|next| next.resource.config),
            limit,
        })
    }

    fn next_zone(&self) -> Option<String> {
        self.next.as_ref().map(|next| next.zone.clone())
    }

    fn next_name(&self) -> Option<String> {
        self.next.as_ref().map(|next| next.name.clone())
    }

    fn next_type(&self) -> Option<RRType> {
        let next = self.next.as_ref();
        next.map(|next| traffic_policy::record_type(&next.record_type))
    }
}

pub(super) async fn all(call: &Call<'_>) -> Answer {
    let input: r53::ListTrafficPolicyInstancesRequest = call.input()?;
    let markers = Markers {
        zone: input.hosted_zone_id_marker.as_deref(),
        name: input.traffic_policy_instance_name_marker.as_deref(),
        record_type: input.traffic_policy_instance_type_marker,
    };
    let listed = Listed::of(call, |_| true, &markers, input.max_items.as_deref()).await?;
    Ok(Reply::of(&r53::ListTrafficPolicyInstancesResponse {
        hosted_zone_id_marker: listed.next_zone(),
        traffic_policy_instance_name_marker: listed.next_name(),
        traffic_policy_instance_type_marker: listed.next_type(),
        is_truncated: listed.next.is_some(),
        max_items: listed.limit.to_string(),
        traffic_policy_instances: listed.instances,
    }))
}

pub(super) async fn by_zone(call: &Call<'_>) -> Answer {
    let input: r53::ListTrafficPolicyInstancesByHostedZoneRequest = call.input()?;
    let zone = zone::load(call, &input.hosted_zone_id).await?.resource.id;
    let markers = Markers {
        zone: Some(&zone),
        name: input.traffic_policy_instance_name_marker.as_deref(),
        record_type: input.traffic_policy_instance_type_marker,
    };
    let is_wanted = |config: &TrafficPolicyInstance| config.zone == zone;
    let listed = Listed::of(call, is_wanted, &markers, input.max_items.as_deref()).await?;
    Ok(Reply::of(
        &r53::ListTrafficPolicyInstancesByHostedZoneResponse {
            traffic_policy_instance_name_marker: listed.next_name(),
            traffic_policy_instance_type_marker: listed.next_type(),
            is_truncated: listed.next.is_some(),
            max_items: listed.limit.to_string(),
            traffic_policy_instances: listed.instances,
        },
    ))
}

pub(super) async fn by_policy(call: &Call<'_>) -> Answer {
    let input: r53::ListTrafficPolicyInstancesByPolicyRequest = call.input()?;
    let (policy, version) = (input.traffic_policy_id, input.traffic_policy_version);
    traffic_policy::load(call, &policy, version).await?;
    let markers = Markers {
        zone: input.hosted_zone_id_marker.as_deref(),
        name: input.traffic_policy_instance_name_marker.as_deref(),
        record_type: input.traffic_policy_instance_type_marker,
    };
    let is_wanted = |config: &TrafficPolicyInstance| {
        config.policy == policy && config.policy_version == version
    };
    let listed = Listed::of(call, is_wanted, &markers, input.max_items.as_deref()).await?;
    Ok(Reply::of(
        &r53::ListTrafficPolicyInstancesByPolicyResponse {
            hosted_zone_id_marker: listed.next_zone(),
            traffic_policy_instance_name_marker: listed.next_name(),
            traffic_policy_instance_type_marker: listed.next_type(),
            is_truncated: listed.next.is_some(),
            max_items: listed.limit.to_string(),
            traffic_policy_instances: listed.instances,
        },
    ))
}

pub(super) async fn count(call: &Call<'_>) -> Answer {
    let instances = call.list_all(&KIND.prefix()).await?.len();
    Ok(Reply::of(&r53::GetTrafficPolicyInstanceCountResponse {
        traffic_policy_instance_count: instances as i32,
    }))
}
