//! Resource policies: with whom VPC origins are shared. They lie under `resource-policies/<arn>`.
//! An installation has one account, so that nobody is there to be let in by them.

use documents::{decode, encode};
use serde_json::Value;
use shapes::cloudfront::{self as cf, error};

use super::family::invalid;
use super::vpc_origin;
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::Failure;
use crate::limits;
use crate::service::{Entry, stored};

const NOTE: &str = "there is one account, so nothing is shared";

pub(super) const OPERATIONS: &[Entry] = &[
    stored("PutResourcePolicy", NOTE, |call| Box::pin(put(call))),
    stored("GetResourcePolicy", NOTE, |call| Box::pin(get(call))),
    stored("DeleteResourcePolicy", NOTE, |call| Box::pin(delete(call))),
];

fn key(arn: &str) -> String {
    format!("resource-policies/{arn}")
}

/// Adds to the change that deletes a resource that its policy goes.
pub(super) fn forget(change: Change, arn: &str) -> Change {
    change.delete(key(arn))
}

/// The key of the VPC origin that an ARN names, and its id.
async fn shared(call: &Call<'_>, arn: &str) -> Result<(String, String), Failure> {
    let own = call.control.arn("vpcorigin/");
    let id = arn.strip_prefix(&own).ok_or_else(|| {
        let arn: String = arn.chars().take(200).collect();
        let message = format!("'{arn}' is no ARN of a VPC origin, which alone can be shared");
        invalid("ResourceArn", message)
    })?;
    let found = vpc_origin::KIND.load::<Value>(call, id).await?;
    Ok((found.key, id.to_owned()))
}

fn check_document(document: &str) -> Result<(), Failure> {
    if document.len() > limits::POLICY_BYTES_MAX {
        let message = format!(
            "has {} bytes; at most {} are allowed",
            document.len(),
            limits::POLICY_BYTES_MAX
        );
        return Err(invalid("PolicyDocument", message));
    }
    let policy: Value = serde_json::from_str(document)
        .map_err(|error| invalid("PolicyDocument", format!("is no JSON: {error}")))?;
    match policy["Statement"].is_array() || policy["Statement"].is_object() {
        true => Ok(()),
        false => Err(invalid("PolicyDocument", "has no Statement")),
    }
}

async fn put(call: &Call<'_>) -> Answer {
    let input: cf::PutResourcePolicyRequest = call.input()?;
    let (resource, id) = shared(call, &input.resource_arn).await?;
    check_document(&input.policy_document)?;
    let change = Change::new()
        .about(vpc_origin::KIND.cfn_type, id)
        .if_present(resource)
        .put(key(&input.resource_arn), encode(&input.policy_document));
    call.commit(change).await?;
    Ok(Reply::of(&cf::PutResourcePolicyResult {
        resource_arn: Some(input.resource_arn),
    }))
}

fn missing(arn: &str) -> Failure {
    let message = format!("'{arn}' has no resource policy.");
    Failure::api(&error::ENTITY_NOT_FOUND, message)
}

async fn get(call: &Call<'_>) -> Answer {
    let input: cf::GetResourcePolicyRequest = call.input()?;
    shared(call, &input.resource_arn).await?;
    let key = key(&input.resource_arn);
    let document = call.store().get(&key).await?;
    let document = document.ok_or_else(|| missing(&input.resource_arn))?;
    Ok(Reply::of(&cf::GetResourcePolicyResult {
        policy_document: Some(decode(&key, &document.value)?),
        resource_arn: Some(input.resource_arn),
    }))
}

async fn delete(call: &Call<'_>) -> Answer {
    let input: cf::DeleteResourcePolicyRequest = call.input()?;
    let (_, id) = shared(call, &input.resource_arn).await?;
    let key = key(&input.resource_arn);
    let document = call.store().get(&key).await?;
    let document = document.ok_or_else(|| missing(&input.resource_arn))?;
    let change = Change::new()
        .about(vpc_origin::KIND.cfn_type, id)
        .if_still(&key, Some(document.modified))
        .delete(&key);
    call.commit(change).await?;
    Ok(Reply::empty())
}
