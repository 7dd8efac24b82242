//! Route 53, API version 2013-04-01.
//!
//! Each family of operations is a module with a table of its own; together they are the service.
//! What is in the model and in no table answers 501.

mod changes;
mod cidr_collection;
mod delegation_set;
mod dnssec;
mod geo_location;
mod health_check;
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

use crate::service::Entry;

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

/// The implementation of an operation, if there is one.
pub(crate) fn find(operation: &str) -> Option<&'static Entry> {
    let mut entries = FAMILIES.iter().flat_map(|family| family.iter());
    entries.find(|entry| entry.operation == operation)
}
