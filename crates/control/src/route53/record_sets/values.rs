//! What a record set is by itself: its name, its type, its values (spec §7, §8.3 rules 1, 5 and 16
//! to 22).

use std::collections::HashSet;

use records::{Name, NameError, RecordType, rdata};
use shapes::route53::{self as r53, RRType, ResourceRecordSet};

use super::group;
use crate::limits;
use crate::route53::inputs::bare_id;

/// A record set as it is stored: names in lower case, escaped, with a dot at the end. What is no
/// name stays as it is, and is refused elsewhere.
pub(super) fn normalised(set: &ResourceRecordSet) -> ResourceRecordSet {
    let canonical = |text: &str| match Name::parse(text) {
        Ok(name) => name.to_string(),
        Err(_) => text.to_owned(),
    };
    let alias_target = set.alias_target.as_ref().map(|target| r53::AliasTarget {
        hosted_zone_id: bare_id(&target.hosted_zone_id).to_owned(),
        dns_name: canonical(&target.dns_name),
        ..target.clone()
    });
    ResourceRecordSet {
        name: canonical(&set.name),
        alias_target,
        health_check_id: set.health_check_id.clone().filter(|id| !id.is_empty()),
        resource_records: set.resource_records.clone().filter(|all| !all.is_empty()),
        ..set.clone()
    }
}

/// Whether a deletion names what is there (spec §8.2, §8.3 rule 4): values in any order.
pub(super) fn is_same(there: &ResourceRecordSet, given: &ResourceRecordSet) -> bool {
    let sorted = |set: &ResourceRecordSet| {
        let mut set = set.clone();
        if let Some(records) = &mut set.resource_records {
            records.sort_by(|a, b| a.value.cmp(&b.value));
        }
        set
    };
    sorted(there) == sorted(given)
}

/// What is wrong with text that should be a name, in the words of Route 53.
pub(super) fn name_problem(text: &str, error: NameError) -> String {
    let (code, message) = match error {
        NameError::TooLong => ("DomainNameTooLong", "Domain name is too long"),
        NameError::LabelTooLong => ("DomainLabelTooLong", "Domain label is too long"),
        NameError::EmptyLabel => ("DomainLabelEmpty", "Domain label is empty"),
        NameError::Escape => ("InvalidEscape", "Value contains an invalid escape"),
        NameError::Unescaped | NameError::Wire => (
            "UnsupportedCharacter",
            "Value contains unsupported characters",
        ),
    };
    format!("FATAL problem: {code} ({message}) encountered with '{text}'")
}

/// A zone, as far as its record sets must fit it.
pub(super) struct Bounds<'a> {
    pub(super) zone_name: &'a str,
    pub(super) apex: &'a Name,
    pub(super) is_private: bool,
}

/// Everything that is wrong with a record set that is to be written, by itself.
pub(super) fn check(set: &ResourceRecordSet, name: &Name, zone: &Bounds<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    let (kind, is_apex) = (set.r#type, name == zone.apex);
    let zone_name = zone.zone_name;
    if is_apex && matches!(kind, RRType::Cname | RRType::Ds) {
        problems.push(format!(
            "RRSet of type {kind} with DNS name {name} is not permitted at apex in zone {zone_name}"
        ));
    }
    if kind == RRType::Soa && !is_apex {
        problems.push(format!(
            "RRSet of type SOA with DNS name {name} is permitted only at apex in zone {zone_name}"
        ));
    }
    if kind == RRType::Ns && name.is_wildcard() {
        problems.push(format!(
            "RRSet of type NS with DNS name {name} is not permitted as its name is a wildcard in \
             zone {zone_name}"
        ));
    }
    if zone.is_private && set.cidr_routing_config.is_some() {
        problems.push(format!(
            "RRSet with DNS name {name}, type {kind} cannot be created as zone {zone_name} is \
             private, and IP-based routing is of public zones"
        ));
    }
    problems.extend(group::of_type(set));
    if let Some(records) = &set.resource_records {
        check_values(kind, records, &mut problems);
    }
    problems
}

fn check_values(kind: RRType, records: &[r53::ResourceRecord], problems: &mut Vec<String>) {
    let count = records.len();
    let most = match kind {
        RRType::Cname | RRType::Soa => 1,
        _ => limits::VALUES_PER_RECORD_SET_MAX,
    };
    if count > most {
        problems.push(format!(
            "RRSet of type {kind} has {count} resource records; at most {most} are permitted"
        ));
    }
    // The model has no type that has no name here.
    let Ok(record_type) = kind.as_str().parse::<RecordType>() else {
        return;
    };
    let mut seen = HashSet::new();
    for r53::ResourceRecord { value } in records {
        match rdata::parse(record_type, value) {
            Err(error) => problems.push(format!(
                "Invalid Resource Record: 'FATAL problem: {error} encountered with '{value}''"
            )),
            Ok(data) => {
                if !seen.insert(data) {
                    problems.push(format!("Duplicate Resource Record: '{value}'"));
                }
            }
        }
    }
}

/// Refuses that a zone loses what every zone has (rule 16).
pub(super) fn check_deletion(kind: RRType, is_apex: bool) -> Option<String> {
    match kind {
        RRType::Ns if is_apex => {
            Some("A HostedZone must contain at least one NS record for the zone itself.".to_owned())
        }
        RRType::Soa if is_apex => {
            Some("A HostedZone must contain exactly one SOA record.".to_owned())
        }
        _ => None,
    }
}
