//! The audit record: who changed what, when, from where, and what came of it.
//!
//! A change and its record are one transaction. A call that is refused or fails is recorded on its
//! own, if it could have changed something.

use documents::{encode, keys};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shapes::Timestamp;

use crate::call::Call;
use crate::change::Change;
use crate::error::ApiError;
use crate::ids;
use crate::service;

/// Whether an operation changes nothing, and so leaves no record.
pub fn read_only(operation: &str) -> bool {
    service::is_read_only(operation)
}

/// One record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// A UUID.
    pub id: String,
    /// `CreateDistribution`.
    pub name: String,
    /// `cloudfront.amazonaws.com`.
    pub source: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The caller's ARN.
    pub caller_arn: String,
    /// The caller's name.
    pub user_name: String,
    /// The access key.
    pub access_key_id: String,
    /// The client's address.
    pub address: String,
    /// The client's `User-Agent`.
    pub user_agent: String,
    /// The region that the request was signed for.
    pub region: String,
    /// The id of the request.
    pub request_id: String,
    /// What was asked, in the form of the operation's input; what is secret is left out.
    pub parameters: Value,
    /// Type and name of what it is about.
    pub subjects: Vec<(String, String)>,
    /// Code and message, if it failed.
    pub error: Option<(String, String)>,
}

/// Adds the record of a call to its change.
pub fn record(call: &Call<'_>, change: Change) -> Change {
    let subjects = change.subjects.iter();
    let subjects = subjects.map(|s| (s.kind.to_owned(), s.name.clone()));
    let event = event(call, subjects.collect(), None);
    change.put(key(&event), encode(&event))
}

/// The record of a call that failed.
pub fn failure(call: &Call<'_>, error: &ApiError) -> (String, bytes::Bytes) {
    let outcome = Some((error.code.to_string(), error.message.clone()));
    let event = event(call, Vec::new(), outcome);
    (key(&event), encode(&event))
}

/// Where a record lies: by its time.
pub fn key(event: &Event) -> String {
    let at = Timestamp::from_unix_ms(event.at_ms as i64);
    format!("{}{at}-{}", keys::AUDIT, event.id)
}

fn event(
    call: &Call<'_>,
    subjects: Vec<(String, String)>,
    error: Option<(String, String)>,
) -> Event {
    Event {
        id: ids::uuid(),
        name: call.operation.name.to_owned(),
        source: call.origin.event_source.to_owned(),
        at_ms: call.now_ms,
        caller_arn: call.caller.arn.clone(),
        user_name: call.caller.user_name.clone(),
        access_key_id: call.caller.access_key_id.clone(),
        address: call.origin.address.to_string(),
        user_agent: call.origin.user_agent.clone(),
        region: call.origin.region.clone(),
        request_id: call.origin.request_id.clone(),
        parameters: call.input.clone(),
        subjects,
        error,
    }
}
