//! CloudFront, API version 2020-05-31.
//!
//! Each family of operations is a module with a table of its own; together they are the service.
//! What is in the model and in no table answers 501.

mod anycast;
mod cache_policy;
mod connection_function;
mod connection_group;
mod continuous_deployment;
mod distribution;
mod family;
mod field_level_encryption;
mod function;
mod inputs;
mod invalidation;
mod key_group;
pub(crate) mod key_value_store;
mod monitoring;
mod name_lists;
mod origin_access_control;
mod origin_access_identity;
mod origin_request_policy;
mod public_key;
mod realtime_log;
mod resource_policy;
mod response_headers_policy;
mod staged;
mod streaming;
pub(crate) mod tags;
mod tenant;
mod trust_store;
mod viewer_certificate;
mod vpc_origin;

use documents::Resource;

use crate::call::Call;
use crate::error::Failure;
use crate::service::Entry;

/// Every family, in the order in which the documentation lists them.
const FAMILIES: &[&[Entry]] = &[
    distribution::OPERATIONS,
    invalidation::OPERATIONS,
    continuous_deployment::OPERATIONS,
    cache_policy::OPERATIONS,
    origin_request_policy::OPERATIONS,
    response_headers_policy::OPERATIONS,
    origin_access_control::OPERATIONS,
    origin_access_identity::OPERATIONS,
    public_key::OPERATIONS,
    key_group::OPERATIONS,
    field_level_encryption::OPERATIONS,
    function::OPERATIONS,
    key_value_store::OPERATIONS,
    monitoring::OPERATIONS,
    realtime_log::OPERATIONS,
    tags::OPERATIONS,
    trust_store::OPERATIONS,
    vpc_origin::OPERATIONS,
    tenant::OPERATIONS,
    connection_group::OPERATIONS,
    connection_function::OPERATIONS,
    anycast::OPERATIONS,
    resource_policy::OPERATIONS,
    streaming::OPERATIONS,
];

/// The implementation of an operation, if there is one.
pub(crate) fn find(operation: &str) -> Option<&'static Entry> {
    let mut entries = FAMILIES.iter().flat_map(|family| family.iter());
    entries.find(|entry| entry.operation == operation)
}

/// The id of the distribution, or of the tenant of one, that has a host name.
pub(crate) async fn owner_of_host(call: &Call<'_>, host: &str) -> Result<Option<String>, Failure> {
    let host = host.to_ascii_lowercase();
    match call.claimed(distribution::HOST_NAME, &host).await? {
        Some(id) => Ok(Some(id)),
        None => call.claimed(distribution::OWN_NAME, &host).await,
    }
}

/// `Location` of what was made (spec §16.1).
fn location(collection: &str, id: &str) -> String {
    format!("https://cloudfront.amazonaws.com/2020-05-31/{collection}/{id}")
}

/// A policy that AWS manages, as if it were stored. It never changes.
fn managed_resource<C>(id: &str, config: C) -> Resource<C> {
    Resource {
        id: id.to_owned(),
        etag: "E23ZP02F085DFQ".to_owned(),
        version: 1,
        created_ms: 0,
        modified_ms: 0,
        domain: None,
        config,
    }
}
