//! Route 53's documents, and what else name servers read.
//!
//! ```text
//! route53/zone/Z123                        Resource<Zone>
//! route53/record/Z123/com.example.www. A   ResourceRecordSet, an AWS shape; see [`record`]
//! route53/key-signing-key/Z123/<name>      KeySigningKey
//! route53/zone-signing-keys/Z123           ZoneSigningKeys
//! route53/health-check/<uuid>              Resource<HealthCheck>
//! route53/cidr-collection/<uuid>           Resource<CidrCollection>
//! route53/traffic-policy/<uuid>/0000000007 Resource<TrafficPolicy>, version 7
//! route53/traffic-policy-instance/<uuid>   Resource<TrafficPolicyInstance>
//! route53/query-logging/<uuid>             Resource<QueryLogging>
//! route53/delegation-set/N123              Resource<DelegationSet>
//! zones/Z123                               ZoneState, for the API alone
//! protections/Z123/com.example.www. A      ResourceRecordSetProtectionConfig, for the API alone
//! traffic-policies/<uuid>                  TrafficPolicyState, for the API alone
//! cidr-uses/<uuid>/<location>/Z123         how many record sets, for the API alone
//! changes/C123                             ChangeRecord, for the API alone
//! health/<check>/<node>                    Opinion, bound to the node's lease
//! pops/<code>                              Pop
//! latency/<node>                           Latencies, bound to the node's lease
//! ```
//!
//! Name servers watch everything below [`ROUTE53`], and act on a change of several documents at
//! once. A change record is put with what it is about: it is in sync where its revision is applied.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shapes::route53::{HealthCheckConfig, RRType, ResourceRecordSet, VPC};

/// All that makes answers.
pub const ROUTE53: &str = "route53/";
/// What checkers think.
pub const HEALTH: &str = "health/";
/// The points of presence.
pub const POPS: &str = "pops/";
/// Round-trip times that edges measured.
pub const LATENCY: &str = "latency/";
/// Changes, as `GetChange` tells of them.
pub const CHANGES: &str = "changes/";

/// Collection of hosted zones.
pub const ZONE: &str = "zone";
/// Collection of health checks.
pub const HEALTH_CHECK: &str = "health-check";
/// Collection of CIDR collections.
pub const CIDR_COLLECTION: &str = "cidr-collection";
/// Collection of traffic policies; an id is `<uuid>/<version>`, with ten digits.
pub const TRAFFIC_POLICY: &str = "traffic-policy";
/// Collection of traffic policies in use.
pub const TRAFFIC_POLICY_INSTANCE: &str = "traffic-policy-instance";
/// Collection of query logging configs.
pub const QUERY_LOGGING: &str = "query-logging";
/// Collection of reusable delegation sets.
pub const DELEGATION_SET: &str = "delegation-set";
/// Collection of key signing keys; an id is `<zone>/<name>`.
pub const KEY_SIGNING_KEY: &str = "key-signing-key";
/// Collection of zone signing keys, by zone.
pub const ZONE_SIGNING_KEYS: &str = "zone-signing-keys";
/// Collection of record sets; see [`record`].
pub const RECORD: &str = "record";

/// The hosted zone that aliases to distributions name (spec §11).
pub const DISTRIBUTIONS_ZONE: &str = "Z2FDTNDATAQYW2";

/// Key of a member of a collection.
pub fn resource(collection: &str, id: &str) -> String {
    format!("{ROUTE53}{collection}/{id}")
}

/// Collection and id of a key below [`ROUTE53`].
pub fn parse(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix(ROUTE53)?.split_once('/')
}

/// Key of a record set. `order_key` is its name with the labels in reverse, `com.example.www.`, so
/// that the store's order is the one that Route 53 lists in (spec §9): a name before what is below
/// it, then type, then identifier.
pub fn record(zone: &str, order_key: &str, record_type: &str, identifier: Option<&str>) -> String {
    let prefix = records_at(zone, order_key);
    match identifier {
        Some(identifier) => format!("{prefix}{record_type} {identifier}"),
        None => format!("{prefix}{record_type}"),
    }
}

/// Prefix of all record sets of a name.
pub fn records_at(zone: &str, order_key: &str) -> String {
    format!("{}{order_key} ", records(zone))
}

/// Prefix of all record sets of a zone.
pub fn records(zone: &str) -> String {
    format!("{ROUTE53}{RECORD}/{zone}/")
}

/// Zone, order key, type and identifier of a record set's key.
pub fn parse_record(key: &str) -> Option<(&str, &str, &str, Option<&str>)> {
    let (RECORD, id) = parse(key)? else {
        return None;
    };
    let (zone, rest) = id.split_once('/')?;
    let (order_key, rest) = rest.split_once(' ')?;
    Some(match rest.split_once(' ') {
        Some((record_type, identifier)) => (zone, order_key, record_type, Some(identifier)),
        None => (zone, order_key, rest, None),
    })
}

/// Key of what the API keeps of a zone besides.
pub fn zone_state(zone: &str) -> String {
    format!("zones/{zone}")
}

/// Prefix of what says which record sets of a zone nobody may change.
pub fn protections(zone: &str) -> String {
    format!("protections/{zone}/")
}

/// Key of one of these; see [`record`].
pub fn protection(zone: &str, order_key: &str, record_type: &str) -> String {
    format!("{}{order_key} {record_type}", protections(zone))
}

/// Prefix of what the API keeps of traffic policies besides.
pub const TRAFFIC_POLICIES: &str = "traffic-policies/";

/// Key of one of these.
pub fn traffic_policy_state(policy: &str) -> String {
    format!("{TRAFFIC_POLICIES}{policy}")
}

/// Id, in its collection, of a version of a traffic policy.
pub fn traffic_policy_version(policy: &str, version: i32) -> String {
    format!("{policy}/{version:010}")
}

/// Prefix of what says how many record sets use a CIDR collection.
pub fn cidr_uses(collection: &str) -> String {
    format!("cidr-uses/{collection}/")
}

/// Prefix of what says how many record sets use a location of a CIDR collection.
pub fn cidr_uses_of(collection: &str, location: &str) -> String {
    format!("{}{location}/", cidr_uses(collection))
}

/// Key of how many record sets of a zone use a location: a number, and never 0.
pub fn cidr_use(collection: &str, location: &str, zone: &str) -> String {
    format!("{}{zone}", cidr_uses_of(collection, location))
}

/// Key of a change.
pub fn change(id: &str) -> String {
    format!("{CHANGES}{id}")
}

/// Key of what a node thinks of a health check.
pub fn opinion(check: &str, node: &str) -> String {
    format!("{HEALTH}{check}/{node}")
}

/// Key of a point of presence.
pub fn pop(code: &str) -> String {
    format!("{POPS}{code}")
}

/// Key of the round-trip times that a node measured.
pub fn latencies(node: &str) -> String {
    format!("{LATENCY}{node}")
}

/// A record set of a name and a type, and nothing else.
pub fn bare(name: &str, record_type: RRType) -> ResourceRecordSet {
    ResourceRecordSet {
        name: name.to_owned(),
        r#type: record_type,
        set_identifier: None,
        weight: None,
        region: None,
        geo_location: None,
        failover: None,
        multi_value_answer: None,
        ttl: None,
        resource_records: None,
        alias_target: None,
        health_check_id: None,
        traffic_policy_instance_id: None,
        cidr_routing_config: None,
        geo_proximity_location: None,
    }
}

/// A hosted zone (spec §4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Zone {
    /// In lower case, escaped, with a dot at the end.
    pub name: String,
    /// What its maker called the making.
    pub caller_reference: String,
    /// What its owner says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether only the networks of `vpcs` see it.
    #[serde(default)]
    pub is_private: bool,
    /// Where a private zone is seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vpcs: Vec<VPC>,
    /// The reusable delegation set that it was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation_set: Option<String>,
    /// Its name servers, without dots at the end.
    pub name_servers: Vec<String>,
    /// Whether its answers are signed.
    #[serde(default)]
    pub is_signing: bool,
    /// `ENABLED` or `DISABLED`, once it was set (`UpdateHostedZoneFeatures`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerated_recovery: Option<String>,
}

/// What the API keeps of a zone besides. Whoever writes a record set of the zone puts it in the
/// same transaction, and compares it: so that of two who write at once one goes first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ZoneState {
    /// How many record sets it has.
    pub record_set_count: u64,
    /// Networks that other accounts may associate a private zone with (spec §6).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorized_vpcs: Vec<VPC>,
}

/// A key signing key (spec §15).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySigningKey {
    /// Unique in its zone.
    pub name: String,
    /// The zone's id.
    pub zone: String,
    /// What its maker called the making.
    pub caller_reference: String,
    /// The key that AWS would ask KMS to sign with; here it is a label.
    pub kms_arn: String,
    /// Whether it signs.
    pub is_active: bool,
    /// The private key: PKCS #8 in base64.
    pub private_key: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it was changed last, in milliseconds since 1970.
    pub modified_ms: u64,
}

/// The keys that sign a zone's records, made and rolled over by the API's node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneSigningKeys {
    /// The oldest first. All are published; see [`ZoneSigningKey::signs_from_ms`].
    pub keys: Vec<ZoneSigningKey>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneSigningKey {
    /// The private key: PKCS #8 in base64.
    pub private_key: String,
    /// The last of the keys whose time has come signs. In milliseconds since 1970.
    pub signs_from_ms: u64,
}

/// A health check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What its maker called the making.
    pub caller_reference: String,
    /// What is checked.
    pub config: HealthCheckConfig,
}

/// A CIDR collection (spec §19).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CidrCollection {
    /// Unique.
    pub name: String,
    /// What its maker called the making.
    pub caller_reference: String,
    /// Blocks by location.
    pub locations: BTreeMap<String, Vec<String>>,
}

/// A version of a traffic policy (spec §14).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficPolicy {
    /// The policy's id, which all its versions have.
    pub policy: String,
    /// Counted from 1.
    pub version: i32,
    /// What it is called.
    pub name: String,
    /// The type of the records that it makes.
    pub record_type: String,
    /// The tree, as its owner wrote it.
    pub document: String,
    /// What its owner says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Deleted versions are still told of, and not listed.
    #[serde(default)]
    pub is_deleted: bool,
}

/// What the API keeps of a traffic policy besides its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficPolicyState {
    /// What all its versions are called.
    pub name: String,
    /// The type of the records that its latest version makes.
    pub record_type: String,
    /// The number of the version that was made last, deleted or not.
    pub newest: i32,
    /// The versions that are not deleted, in their order; never none.
    pub versions: Vec<i32>,
}

/// A traffic policy in use. The record set at its name has its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficPolicyInstance {
    /// The zone's id.
    pub zone: String,
    /// In lower case, escaped, with a dot at the end.
    pub name: String,
    /// Of its answers.
    pub ttl: i64,
    /// Which policy.
    pub policy: String,
    /// Which version of it.
    pub policy_version: i32,
    /// The type of its records.
    pub record_type: String,
    /// That version's tree.
    pub document: String,
}

/// Where a zone's queries are logged (spec §17).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryLogging {
    /// The zone's id.
    pub zone: String,
    /// The log group.
    pub log_group_arn: String,
}

/// A reusable delegation set (spec §5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegationSet {
    /// What its maker called the making.
    pub caller_reference: String,
    /// Four names, without dots at the end.
    pub name_servers: Vec<String>,
}

/// A change, as `GetChange` tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRecord {
    /// When it was made, in milliseconds since 1970.
    pub submitted_ms: u64,
    /// What its maker says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// What one checker thinks of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {
    /// Where the checker is: `eu-west-1`.
    pub region: String,
    /// The checker's address.
    pub address: String,
    /// After as many equal observations as the check's threshold says.
    pub is_healthy: bool,
    /// What it saw last: `Success: HTTP Status Code 200, OK`.
    pub status: String,
    /// When it saw that, in milliseconds since 1970.
    pub checked_ms: u64,
    /// The last failure that it saw: what, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<(String, u64)>,
}

/// A point of presence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pop {
    /// `ICN1`. Nodes of it call themselves that, or that and `-…`.
    pub code: String,
    /// The AWS region that it is in or near: `ap-northeast-2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Degrees north; the region's, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    /// Degrees east; the region's, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
    /// Where viewers reach it: IPv4 and IPv6 addresses.
    pub addresses: Vec<std::net::IpAddr>,
}

/// Round-trip times from one point of presence to networks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latencies {
    /// The PoP that measured.
    pub pop: String,
    /// Its region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Milliseconds by network: `192.0.2.0/24`, `2001:db8:1::/48`.
    pub networks: BTreeMap<String, f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_sets_lie_in_the_order_in_which_they_are_listed() {
        let keys = [
            record("Z1", "com.example.", "A", None),
            record("Z1", "com.example.", "AAAA", None),
            record("Z1", "com.example.a.", "A", Some("x")),
            record("Z1", "com.example.a.", "A", Some("y z")),
            record("Z1", "com.example.a.", "TXT", None),
            record("Z1", "com.example.b-c.", "A", None),
            record("Z1", "com.example.b.", "A", None),
            record("Z1", "com.example.b.a.", "A", None),
        ];
        assert!(keys.is_sorted(), "{keys:?}");
        assert_eq!(
            parse_record(&keys[3]),
            Some(("Z1", "com.example.a.", "A", Some("y z")))
        );
        assert_eq!(
            parse_record(&keys[0]),
            Some(("Z1", "com.example.", "A", None))
        );
        assert!(keys[2].starts_with(&records_at("Z1", "com.example.a.")));
        assert!(!keys[2].starts_with(&records_at("Z1", "com.example.")));
    }
}
