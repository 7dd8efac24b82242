//! The audit record: who changed what, when, from where, and what came of it.
//!
//! A change and its record are one transaction. A call that is refused or fails is recorded on its
//! own, if it could have changed something. Requests of which it is not known who sent them are
//! not: whoever can reach the port could fill the record.
//!
//! No record has what the models call sensitive, nor a private key where none belongs.

use std::sync::atomic::Ordering;

use documents::{encode, keys};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shapes::schema::{Kind, Shape};
use shapes::{Blob, Timestamp};
use store::{Range, Store, StoreError, Txn};

use crate::call::Call;
use crate::change::Change;
use crate::error::ApiError;
use crate::{Control, ids, limits};

/// In place of what AWS's models call sensitive.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

const DAY_MS: u64 = 86_400_000;

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
    let outcome = Some((error.code.to_string(), cut(&error.message)));
    let event = event(call, Vec::new(), outcome);
    (key(&event), encode(&event))
}

/// Where a record lies: by its time.
fn key(event: &Event) -> String {
    format!("{}-{}", key_at(event.at_ms), event.id)
}

/// What the keys of records of that millisecond begin with; before them lie all earlier ones.
pub fn key_at(at_ms: u64) -> String {
    let at = Timestamp::from_unix_ms(i64::try_from(at_ms).unwrap_or(i64::MAX).min(LAST_MS));
    format!("{}{at}", keys::AUDIT)
}

/// The end of the year 9999: later ones would not sort behind it.
const LAST_MS: i64 = 253_402_300_799_999;

/// Called after every record; now and then removes some that are older than CloudTrail keeps them:
/// more than have come since the last time, so that they end.
pub async fn sweep(control: &Control, now_ms: u64) {
    let count = control.records.fetch_add(1, Ordering::Relaxed);
    if !count.is_multiple_of(limits::AUDIT_SWEEP_EVERY) {
        return;
    }
    if let Err(error) = remove_old(&*control.store, now_ms).await {
        tracing::warn!(%error, "old audit records are not removed");
    }
}

async fn remove_old(store: &dyn Store, now_ms: u64) -> Result<(), StoreError> {
    let first_kept = key_at(now_ms.saturating_sub(limits::AUDIT_DAYS * DAY_MS));
    let oldest = Range {
        prefix: keys::AUDIT.to_owned(),
        limit: limits::AUDIT_SWEEP_RECORDS,
        ..Range::default()
    };
    let page = store.list(oldest).await?;
    let old = page.documents.into_iter().map(|document| document.key);
    let old = old.filter(|key| *key < first_kept);
    let txn = old.fold(Txn::new(), |txn, key| txn.delete(key));
    if !txn.writes.is_empty() {
        store.commit(txn).await?;
    }
    Ok(())
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
        user_agent: cut(&call.origin.user_agent),
        region: call.origin.region.clone(),
        request_id: call.origin.request_id.clone(),
        parameters: parameters(call),
        subjects,
        error,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(limits::AUDIT_TEXT_CHARS_MAX).collect()
}

/// The input, without secrets and of bounded length.
fn parameters(call: &Call<'_>) -> Value {
    let mut parameters = call.input.clone();
    if let Some(input) = &call.operation.input {
        hide(input.shape, &mut parameters);
    }
    let length = parameters.to_string().len();
    if length <= limits::AUDIT_PARAMETERS_BYTES_MAX {
        return parameters;
    }
    json!({
        "omitted": true,
        "originalSize": length,
        "reason": "requestParameters is too large",
    })
}

fn hide(shape: &Shape, value: &mut Value) {
    if value.is_null() {
        return;
    }
    if shape.is_sensitive || holds_private_key(value) {
        *value = Value::from(HIDDEN);
        return;
    }
    match (&shape.kind, value) {
        (Kind::Structure { members, .. }, Value::Object(object)) => {
            for member in *members {
                if let Some(value) = object.get_mut(member.name) {
                    hide(member.shape, value);
                }
            }
        }
        (Kind::List { item, .. }, Value::Array(items)) => {
            items.iter_mut().for_each(|value| hide(item, value));
        }
        _ => {}
    }
}

/// Whether a text, in base64 or not, has a private key in PEM form: people paste a file of both
/// where a certificate alone is asked for.
fn holds_private_key(value: &Value) -> bool {
    const LABEL: &str = "PRIVATE KEY-----";
    let Some(text) = value.as_str() else {
        return false;
    };
    let is_in = |bytes: &[u8]| {
        bytes
            .windows(LABEL.len())
            .any(|part| part == LABEL.as_bytes())
    };
    text.contains(LABEL) || Blob::decode(text).is_some_and(|blob| is_in(&blob.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_model_calls_sensitive_is_hidden() {
        let operation = shapes::cloudfront::SERVICE
            .operation("UpdateDistribution")
            .unwrap();
        let shape = operation.input.as_ref().unwrap().shape;
        let mut input = json!({ "Id": "E1", "DistributionConfig": { "Origins": { "Items": [{
            "Id": "o",
            "CustomHeaders": { "Items": [{ "HeaderName": "X", "HeaderValue": "secret" }] },
        }]}}});
        hide(shape, &mut input);
        let header = "/DistributionConfig/Origins/Items/0/CustomHeaders/Items/0";
        let header = input.pointer(header).unwrap();
        assert_eq!(*header, json!({ "HeaderName": "X", "HeaderValue": HIDDEN }));
        assert_eq!(input["Id"], "E1");
    }

    #[test]
    fn keys_lie_in_the_order_of_time() {
        assert!(key_at(1_790_000_000_000) < key_at(1_790_000_000_001));
        assert!(key_at(1_790_000_000_001) < key_at(u64::MAX));
        assert_eq!(key_at(0), "audit/1970-01-01T00:00:00.000Z");
    }
}
