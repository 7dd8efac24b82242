//! Route 53.

mod changes;
mod cidr_collections;
mod delegation_sets;
mod dnssec;
mod geo_locations;
mod health_checks;
mod lists;
mod protections;
mod query_logging;
mod record_sets;
mod routing_policies;
mod tags;
mod traffic_policies;
mod vpcs;
mod zones;

use serde_json::{Value, json};

use crate::world::World;

/// Makes a public zone; gives its id, `/hostedzone/Z…`.
pub async fn zone(world: &World, name: &str) -> String {
    let made = zone_of(world, json!({ "Name": name })).await;
    made["HostedZone"]["Id"].as_str().unwrap().to_owned()
}

/// Makes a zone of an input without its reference; gives the output.
pub async fn zone_of(world: &World, mut input: Value) -> Value {
    input["CallerReference"] = format!("r{}", world.tick()).into();
    world.ok("CreateHostedZone", input).await
}

/// Makes a private zone for `vpc-1`; gives its id.
pub async fn private_zone(world: &World, name: &str) -> String {
    let made = zone_of(world, json!({ "Name": name, "VPC": vpc("vpc-1") })).await;
    made["HostedZone"]["Id"].as_str().unwrap().to_owned()
}

pub fn vpc(id: &str) -> Value {
    json!({ "VPCRegion": "eu-west-1", "VPCId": id })
}

/// A simple record set of 60 seconds.
pub fn set(name: &str, kind: &str, values: &[&str]) -> Value {
    let records = values.iter().map(|value| json!({ "Value": value }));
    json!({ "Name": name, "Type": kind, "TTL": 60, "ResourceRecords": records.collect::<Value>() })
}

/// A record set and more members.
pub fn with(mut set: Value, members: Value) -> Value {
    for (name, value) in members.as_object().unwrap() {
        set[name] = value.clone();
    }
    set
}

/// An alias.
pub fn alias(name: &str, kind: &str, zone: &str, target: &str) -> Value {
    json!({ "Name": name, "Type": kind, "AliasTarget": {
        "HostedZoneId": zone, "DNSName": target, "EvaluateTargetHealth": false,
    }})
}

/// The input of a batch.
pub fn batch(zone: &str, changes: &[(&str, Value)]) -> Value {
    let changes = changes
        .iter()
        .map(|(action, set)| json!({ "Action": action, "ResourceRecordSet": set }));
    json!({ "HostedZoneId": zone, "ChangeBatch": { "Changes": changes.collect::<Value>() } })
}

/// A batch that must succeed.
pub async fn change(world: &World, zone: &str, changes: &[(&str, Value)]) -> Value {
    world
        .ok("ChangeResourceRecordSets", batch(zone, changes))
        .await
}

/// The message of a batch that must be refused; nothing has changed.
pub async fn refused(world: &World, zone: &str, changes: &[(&str, Value)]) -> String {
    let before = world.content("route53/").await;
    let input = batch(zone, changes);
    let (status, code, message) = world.refusal("ChangeResourceRecordSets", input).await;
    assert_eq!((status, &*code), (400, "InvalidChangeBatch"), "{message}");
    assert_eq!(world.content("route53/").await, before);
    message
}

/// What is wrong with the form of a batch.
pub async fn malformed(world: &World, zone: &str, changes: &[(&str, Value)]) -> String {
    let input = batch(zone, changes);
    let (status, code, message) = world.refusal("ChangeResourceRecordSets", input).await;
    assert_eq!((status, &*code), (400, "InvalidInput"), "{message}");
    message
}

/// Name and type of all record sets, in their order.
pub async fn listed(world: &World, zone: &str) -> Vec<String> {
    let input = json!({ "HostedZoneId": zone });
    let listed = world.ok("ListResourceRecordSets", input).await;
    let sets = listed["ResourceRecordSets"].as_array().unwrap().iter();
    sets.map(|set| {
        let text = |member: &str| set[member].as_str().unwrap_or_default().to_owned();
        let named = format!(
            "{} {} {}",
            text("Name"),
            text("Type"),
            text("SetIdentifier")
        );
        named.trim_end().to_owned()
    })
    .collect()
}
