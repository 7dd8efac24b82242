//! Groups: the record sets of one name and type, among which name servers choose by one policy
//! (spec §7.1, §8.3 rules 8 to 13).

use documents::route53::DISTRIBUTIONS_ZONE;
use shapes::route53::{self as r53, RRType, ResourceRecordSet};

use crate::limits;

/// By what a record set is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Weighted,
    Latency,
    Failover,
    Geolocation,
    Multivalue,
    Cidr,
    Geoproximity,
}

impl Policy {
    /// Every policy that a record set has the members of; more than one is refused.
    pub(super) fn all_of(set: &ResourceRecordSet) -> Vec<Policy> {
        [
            (Policy::Weighted, set.weight.is_some()),
            (Policy::Latency, set.region.is_some()),
            (Policy::Failover, set.failover.is_some()),
            (Policy::Geolocation, set.geo_location.is_some()),
            (Policy::Multivalue, set.multi_value_answer.is_some()),
            (Policy::Cidr, set.cidr_routing_config.is_some()),
            (Policy::Geoproximity, set.geo_proximity_location.is_some()),
        ]
        .into_iter()
        .filter_map(|(policy, is_meant)| is_meant.then_some(policy))
        .collect()
    }

    /// The policy of a record set; none of a simple one.
    pub(super) fn of(set: &ResourceRecordSet) -> Option<Policy> {
        Policy::all_of(set).into_iter().next()
    }

    /// As messages call it.
    fn word(self) -> &'static str {
        match self {
            Policy::Weighted => "weighted",
            Policy::Latency => "latency",
            Policy::Failover => "failover",
            Policy::Geolocation => "geolocation",
            Policy::Multivalue => "multivalue answer",
            Policy::Cidr => "IP-based",
            Policy::Geoproximity => "geoproximity",
        }
    }
}

/// What keeps a record set from being beside the others of its group, as these are now: simple ones
/// are alone, and all others of one policy.
pub(super) fn beside<'a>(
    set: &ResourceRecordSet,
    mut others: impl Iterator<Item = &'a ResourceRecordSet>,
) -> Option<String> {
    let (name, kind) = (&set.name, set.r#type);
    let Some(policy) = Policy::of(set) else {
        return others.next().map(|_| {
            format!(
                "RRSet with DNS name {name}, type {kind} cannot be created as other RRSets exist \
                 with the same name and type."
            )
        });
    };
    others.find(|other| Policy::of(other) != Some(policy)).map(|_| {
        let (identifier, word) = (identifier(set), policy.word());
        format!(
            "RRSet with DNS name {name}, type {kind}, SetIdentifier {identifier} cannot be created \
             as a non-{word} set exists with the same name and type."
        )
    })
}

/// What is wrong with a member of a group as it is after the whole batch: order does not matter, so
/// that members can change places.
pub(super) fn among<'a>(
    set: &ResourceRecordSet,
    others: impl Iterator<Item = &'a ResourceRecordSet>,
) -> Vec<String> {
    let others: Vec<&ResourceRecordSet> = others.collect();
    let Some(policy) = Policy::of(set) else {
        return Vec::new();
    };
    let (name, kind, identifier) = (&set.name, set.r#type, identifier(set));
    let refused = |why: String| {
        format!(
            "RRSet with DNS name {name}, type {kind}, SetIdentifier {identifier} cannot be created \
             as {why}"
        )
    };
    let mut problems = Vec::new();
    let most = match policy {
        Policy::Geoproximity => limits::GEOPROXIMITY_PER_GROUP_MAX,
        _ => limits::RECORD_SETS_PER_GROUP_MAX,
    };
    if others.len() >= most {
        let why = format!("there would be more than {most} with the same name and type.");
        problems.push(refused(why));
    }
    match policy {
        Policy::Weighted => {
            // Aliases have none.
            let ttls = others.iter().filter_map(|other| other.ttl);
            if let Some(ttl) = set.ttl
                && ttls.into_iter().any(|other| other != ttl)
            {
                problems.push(format!(
                    "RRSet with DNS name {name} and type {kind}, SetIdentifier {identifier} cannot \
                     be created as weighted sets must contain the same TTL."
                ));
            }
        }
        Policy::Latency => {
            if let Some(region) = set.region
                && others.iter().any(|other| other.region == Some(region))
            {
                let why = format!("a latency record with region {region} already exists");
                problems.push(refused(why));
            }
        }
        Policy::Geolocation => {
            if others
                .iter()
                .any(|other| other.geo_location == set.geo_location)
            {
                let place = set.geo_location.as_ref().map(place).unwrap_or_default();
                let why = format!("a geolocation record for {place} already exists");
                problems.push(refused(why));
            }
        }
        Policy::Failover => problems.extend(failover(set, &others).map(refused)),
        Policy::Cidr => problems.extend(cidr(set, &others).into_iter().map(refused)),
        Policy::Multivalue | Policy::Geoproximity => {}
    }
    problems
}

fn failover(set: &ResourceRecordSet, others: &[&ResourceRecordSet]) -> Option<String> {
    let role = set.failover?;
    if others.iter().any(|other| other.failover == Some(role)) {
        return Some(format!("a failover record of role {role} already exists"));
    }
    let is_distribution = |set: &ResourceRecordSet| {
        let target = set.alias_target.as_ref();
        target.is_some_and(|target| target.hosted_zone_id == DISTRIBUTIONS_ZONE)
    };
    let are_both = is_distribution(set) && others.iter().any(|other| is_distribution(other));
    are_both.then(|| {
        "both primary and secondary would be aliases to CloudFront distributions".to_owned()
    })
}

fn cidr(set: &ResourceRecordSet, others: &[&ResourceRecordSet]) -> Vec<String> {
    let Some(config) = &set.cidr_routing_config else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    let mut theirs = others
        .iter()
        .filter_map(|other| other.cidr_routing_config.as_ref());
    if theirs
        .clone()
        .any(|other| other.collection_id != config.collection_id)
    {
        problems.push("another one has another CIDR collection".to_owned());
    }
    if theirs.any(|other| other.location_name == config.location_name) {
        problems.push(format!(
            "an IP-based record for location {} already exists",
            config.location_name
        ));
    }
    problems
}

fn place(location: &r53::GeoLocation) -> String {
    let codes = [
        &location.continent_code,
        &location.country_code,
        &location.subdivision_code,
    ];
    let codes = codes.into_iter().flatten();
    codes.map(String::as_str).collect::<Vec<_>>().join("-")
}

/// What a type does not have by any policy, or not by this one (spec §7.1).
pub(super) fn of_type(set: &ResourceRecordSet) -> Option<String> {
    let policy = Policy::of(set)?;
    let is_simple_only = matches!(set.r#type, RRType::Ns | RRType::Soa | RRType::Ds);
    let is_refused = match policy {
        Policy::Multivalue => {
            is_simple_only || set.r#type == RRType::Cname || set.alias_target.is_some()
        }
        _ => is_simple_only,
    };
    let what = match set.alias_target {
        Some(_) => "alias",
        None => "record",
    };
    is_refused.then(|| {
        format!(
            "RRSet with DNS name {}, type {}, SetIdentifier {} cannot be created as no {what} of \
             this type can be a {} record.",
            set.name,
            set.r#type,
            identifier(set),
            policy.word()
        )
    })
}

fn identifier(set: &ResourceRecordSet) -> &str {
    set.set_identifier.as_deref().unwrap_or("null")
}
