//! Trust stores (spec §14.5). The certificates of one come from a bucket, and no other way; buckets
//! are not reached yet. So none can be made, and there are none.

use shapes::cloudfront::{self as cf, error};

use super::family::invalid;
use super::inputs;
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;
use crate::service::{Entry, stored};

const NOTE: &str = "refused: a trust store is read from a bucket, and buckets are not reached yet";
const NONE: &str = "there are no trust stores, as none can be made yet";

pub(super) const OPERATIONS: &[Entry] = &[
    stored("CreateTrustStore", NOTE, |call| Box::pin(create(call))),
    stored("GetTrustStore", NONE, |call| {
        Box::pin(missing(call, "Identifier"))
    }),
    stored("UpdateTrustStore", NONE, |call| {
        Box::pin(missing(call, "Id"))
    }),
    stored("DeleteTrustStore", NONE, |call| {
        Box::pin(missing(call, "Id"))
    }),
    stored("ListTrustStores", NONE, |call| Box::pin(list(call))),
];

async fn create(call: &Call<'_>) -> Answer {
    let input: cf::CreateTrustStoreRequest = call.input()?;
    inputs::check_bounds(call)?;
    let source = input.ca_certificates_bundle_source;
    let bucket = source
        .ca_certificates_bundle_s3_location
        .map(|at| at.bucket);
    Err(invalid(
        "CaCertificatesBundleSource",
        format!(
            "the bucket '{}' is not reached: trust stores cannot be read from buckets yet",
            bucket.unwrap_or_default()
        ),
    ))
}

async fn missing(call: &Call<'_>, member: &str) -> Answer {
    let id = call.text(member).unwrap_or_default();
    let message = format!("There is no trust store '{id}'.");
    Err(Failure::api(&error::ENTITY_NOT_FOUND, message))
}

async fn list(_: &Call<'_>) -> Answer {
    Ok(Reply::of(&cf::ListTrustStoresResult {
        next_marker: None,
        trust_store_list: Some(Vec::new()),
    }))
}
