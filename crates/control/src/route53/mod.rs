//! Route 53, API version 2013-04-01.
//!
//! Each family of operations is a module with a table of its own; together they are the service.
//! What is in the model and in no table answers 501.
//!
//! Read `zone.rs` first, then `record_sets.rs`: whoever writes records of a zone does it as that
//! says. What all inputs have in common is `inputs.rs`; how name servers come to what was changed
//! is `changes.rs`.

mod arn;
mod changes;
mod cidr_collection;
mod delegation_set;
mod dnssec;
mod geo_location;
mod health_check;
mod inputs;
mod protection;
mod query_logging;
mod quota;
mod record_sets;
mod tags;
mod test_answer;
mod traffic_policy;
mod traffic_policy_instance;
mod vpc;
mod zone;

use std::borrow::Cow;

use crate::service::Entry;

pub(crate) use inputs::{bare_id, request_error};

/// Every family, in the order in which the documentation lists them.
const FAMILIES: &[&[Entry]] = &[
    zone::OPERATIONS,
    record_sets::OPERATIONS,
    changes::OPERATIONS,
    vpc::OPERATIONS,
    delegation_set::OPERATIONS,
    quota::OPERATIONS,
    tags::OPERATIONS,
    test_answer::OPERATIONS,
    protection::OPERATIONS,
    health_check::OPERATIONS,
    traffic_policy::OPERATIONS,
    traffic_policy_instance::OPERATIONS,
    cidr_collection::OPERATIONS,
    geo_location::OPERATIONS,
    query_logging::OPERATIONS,
    dnssec::OPERATIONS,
];

/// A path as the model has it. Ids in it may come with their kind, `/hostedzone//hostedzone/Z1`,
/// and the path of batches with or without the slash at its end (spec §2, §3).
pub(crate) fn path<'p>(method: &str, path: &'p str) -> Cow<'p, str> {
    let mut path = Cow::Borrowed(path);
    for kind in ["hostedzone", "change", "delegationset", "healthcheck"] {
        let twice = format!("/{kind}//{kind}/");
        if path.contains(&twice) {
            path = path.replacen(&twice, &format!("/{kind}/"), 1).into();
        }
    }
    match (method, path.strip_suffix('/')) {
        ("POST", None) if path.ends_with("/rrset") => format!("{path}/").into(),
        ("POST", Some(bare)) if bare.ends_with("/rrset") => path,
        (_, Some(bare)) => bare.to_owned().into(),
        _ => path,
    }
}

/// The implementation of an operation, if there is one.
pub(crate) fn find(operation: &str) -> Option<&'static Entry> {
    let mut entries = FAMILIES.iter().flat_map(|family| family.iter());
    entries.find(|entry| entry.operation == operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_known_with_kinds_in_ids_and_slashes_at_their_ends() {
        for (method, sent, known) in [
            (
                "GET",
                "/2013-04-01/hostedzone/Z1",
                "/2013-04-01/hostedzone/Z1",
            ),
            (
                "GET",
                "/2013-04-01/hostedzone//hostedzone/Z1",
                "/2013-04-01/hostedzone/Z1",
            ),
            (
                "GET",
                "/2013-04-01/change//change/C1",
                "/2013-04-01/change/C1",
            ),
            (
                "POST",
                "/2013-04-01/hostedzone/Z1/rrset",
                "/2013-04-01/hostedzone/Z1/rrset/",
            ),
            (
                "POST",
                "/2013-04-01/hostedzone/Z1/rrset/",
                "/2013-04-01/hostedzone/Z1/rrset/",
            ),
            (
                "GET",
                "/2013-04-01/hostedzone/Z1/rrset/",
                "/2013-04-01/hostedzone/Z1/rrset",
            ),
            ("POST", "/2013-04-01/hostedzone/", "/2013-04-01/hostedzone"),
        ] {
            assert_eq!(path(method, sent), known, "{method} {sent}");
        }
    }
}
