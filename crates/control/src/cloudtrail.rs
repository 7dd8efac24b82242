//! CloudTrail, API version 2013-11-01: [`LookupEvents`](self::lookup) over the audit record.
//!
//! Records are of changes alone, and of what was refused or failed of them: what only reads leaves
//! none. A page is found by walking the record backwards, and by a bounded number of records: one
//! may have fewer events than asked for, or none, and still have a next.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use documents::{decode, keys};
use serde_json::{Map, Value, json};
use shapes::Timestamp;
use shapes::cloudtrail::{self as model, LookupAttributeKey, error};
use shapes::rest::RequestError;
use shapes::schema::Operation;
use store::Range;

use crate::audit::{self, Event};
use crate::call::{Answer, Call, Reply};
use crate::error::{ApiError, Failure};
use crate::identity::{self, principal_id};
use crate::service::{Entry, served};
use crate::{Control, limits};

static LOOKUP: Entry = served("LookupEvents", |call| Box::pin(lookup(call)));

/// Records that are read from the store at once.
const READ_RECORDS: usize = 200;

/// The implementation of an operation, if there is one.
pub(crate) fn find(operation: &str) -> Option<&'static Entry> {
    (operation == LOOKUP.operation).then_some(&LOOKUP)
}

/// What is wrong with an input, by the member that it is about.
pub(crate) fn input_error(_: &Operation, error: &RequestError) -> ApiError {
    let text = error.to_string();
    match text.split([':', '[', '.']).next() {
        Some("EventCategory") => ApiError::new(&error::INVALID_EVENT_CATEGORY_EXCEPTION, text),
        Some("LookupAttributes") => {
            ApiError::new(&error::INVALID_LOOKUP_ATTRIBUTES_EXCEPTION, text)
        }
        Some("MaxResults") => ApiError::new(&error::INVALID_MAX_RESULTS_EXCEPTION, text),
        Some("StartTime" | "EndTime") => ApiError::new(&error::INVALID_TIME_RANGE_EXCEPTION, text),
        _ => ApiError::common("SerializationException", 400, text),
    }
}

/// What is looked for.
struct Query {
    attribute: Option<(LookupAttributeKey, String)>,
    /// Only keys before this one.
    before: String,
    /// And not before this one.
    first: String,
    max_results: usize,
}

impl Query {
    fn of(input: model::LookupEventsRequest, now_ms: u64) -> Result<Query, Failure> {
        let mut attributes = input.lookup_attributes.unwrap_or_default().into_iter();
        let attribute = attributes.next();
        if attributes.next().is_some() {
            return Err(Failure::api(
                &error::INVALID_LOOKUP_ATTRIBUTES_EXCEPTION,
                "LookupAttributes has more than one item; allowed is one.",
            ));
        }
        let max_results = match input.max_results.unwrap_or(50) {
            number @ 1..=50 => number as usize,
            other => {
                return Err(Failure::api(
                    &error::INVALID_MAX_RESULTS_EXCEPTION,
                    format!("MaxResults is {other}; allowed is 1 to 50."),
                ));
            }
        };
        let ms = |time: Timestamp| u64::try_from(time.unix_ms()).unwrap_or(0);
        let oldest = now_ms.saturating_sub(limits::AUDIT_DAYS * 86_400_000);
        let start = input.start_time.map_or(oldest, |time| ms(time).max(oldest));
        let end = input.end_time.map_or(u64::MAX, ms);
        if input.start_time.is_some_and(|time| ms(time) > end) {
            return Err(Failure::api(
                &error::INVALID_TIME_RANGE_EXCEPTION,
                "StartTime is later than EndTime.",
            ));
        }
        let before = match &input.next_token {
            Some(token) => key_of_token(token)?,
            None => audit::key_at(end.saturating_add(1)),
        };
        Ok(Query {
            attribute: attribute.map(|one| (one.attribute_key, one.attribute_value)),
            before,
            first: audit::key_at(start),
            max_results,
        })
    }

    fn is_meant(&self, event: &Event) -> bool {
        use LookupAttributeKey as Key;
        let Some((key, value)) = &self.attribute else {
            return true;
        };
        match key {
            Key::EventId => event.id == *value,
            Key::EventName => event.name == *value,
            Key::ReadOnly => value == "false",
            Key::Username => event.user_name == *value,
            Key::ResourceType => event.subjects.iter().any(|(kind, _)| kind == value),
            Key::ResourceName => event.subjects.iter().any(|(_, name)| name == value),
            Key::EventSource => event.source == *value,
            Key::AccessKeyId => event.access_key_id == *value,
        }
    }
}

/// A token is where the next page begins: the key of the last record that was looked at.
fn token_of_key(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(key.strip_prefix(keys::AUDIT).unwrap_or(key))
}

fn key_of_token(token: &str) -> Result<String, Failure> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    // `2026-11-21T10:00:00.000Z-` and a UUID.
    let text = text.filter(|text| text.len() == 61 && text.is_ascii());
    let text = text.filter(|text| Timestamp::parse(&text[..24]).is_some());
    match text {
        Some(text) => Ok(format!("{}{text}", keys::AUDIT)),
        None => Err(Failure::api(
            &error::INVALID_NEXT_TOKEN_EXCEPTION,
            "NextToken is none that LookupEvents has given.",
        )),
    }
}

async fn lookup(call: &Call<'_>) -> Answer {
    let input: model::LookupEventsRequest = call.input()?;
    if input.event_category.is_some() {
        // The one category besides events is that of insights, of which there are none.
        return Ok(Reply::of(&model::LookupEventsResponse::default()));
    }
    let query = Query::of(input, call.now_ms)?;
    let mut events = Vec::new();
    let mut last = query.before.clone();
    let mut read = 0;
    let is_over = 'pages: loop {
        let range = Range {
            prefix: keys::AUDIT.to_owned(),
            after: Some(last.clone()),
            limit: READ_RECORDS,
            is_descending: true,
        };
        let page = call.store().list(range).await?;
        read += page.documents.len();
        for document in page.documents {
            if document.key < query.first {
                break 'pages true;
            }
            if events.len() == query.max_results {
                break 'pages false;
            }
            let event: Event = decode(&document.key, &document.value)?;
            if query.is_meant(&event) {
                events.push(trail(call.control, &event));
            }
            last = document.key;
        }
        if !page.has_more {
            break true;
        }
        if read >= limits::AUDIT_LOOKUP_RECORDS_MAX {
            break false;
        }
    };
    Ok(Reply::of(&model::LookupEventsResponse {
        events: Some(events),
        next_token: (!is_over).then(|| token_of_key(&last)),
    }))
}

/// A record as CloudTrail gives it.
fn trail(control: &Control, event: &Event) -> model::Event {
    let resources = event.subjects.iter().map(|(kind, name)| model::Resource {
        resource_type: Some(kind.clone()),
        resource_name: Some(name.clone()),
    });
    model::Event {
        event_id: Some(event.id.clone()),
        event_name: Some(event.name.clone()),
        read_only: Some("false".to_owned()),
        access_key_id: Some(event.access_key_id.clone()),
        event_time: Some(whole_second(event.at_ms)),
        event_source: Some(event.source.clone()),
        username: Some(event.user_name.clone()),
        resources: Some(resources.collect()),
        cloud_trail_event: Some(document(&control.config.account_id, event).to_string()),
    }
}

fn whole_second(at_ms: u64) -> Timestamp {
    Timestamp::from_unix_ms((at_ms / 1_000 * 1_000) as i64)
}

/// The event as CloudTrail writes it to a trail (version 1.09 of its form).
fn document(account_id: &str, event: &Event) -> Value {
    let is_root = event.user_name == identity::ROOT;
    let mut user = json!({
        "type": if is_root { "Root" } else { "IAMUser" },
        "principalId": principal_id(account_id, &event.user_name),
        "arn": event.caller_arn,
        "accountId": account_id,
        "accessKeyId": event.access_key_id,
    });
    if !is_root {
        user["userName"] = json!(event.user_name);
    }
    let mut document = json!({
        "eventVersion": "1.09",
        "userIdentity": user,
        "eventTime": whole_second(event.at_ms).to_string().replace(".000Z", "Z"),
        "eventSource": event.source,
        "eventName": event.name,
        "awsRegion": event.region,
        "sourceIPAddress": event.address,
        "userAgent": event.user_agent,
        "requestParameters": camel_case(&event.parameters),
        "responseElements": null,
        "requestID": event.request_id,
        "eventID": event.id,
        "readOnly": false,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": account_id,
        "eventCategory": "Management",
    });
    if event.source == "cloudfront.amazonaws.com" {
        document["apiVersion"] = json!("2020_05_31");
    }
    if let Some((code, message)) = &event.error {
        document["errorCode"] = json!(code);
        document["errorMessage"] = json!(message);
    }
    document
}

/// Members' names with their first letter small, as trails have them.
fn camel_case(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| {
                let mut letters = name.chars();
                let first = letters.next().map(|letter| letter.to_ascii_lowercase());
                let name: String = first.into_iter().chain(letters).collect();
                (name, camel_case(value))
            });
            Value::Object(members.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(camel_case).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_keys_of_records_and_nothing_else() {
        let key = format!(
            "{}-{}",
            audit::key_at(1_790_000_000_000),
            crate::ids::uuid()
        );
        assert_eq!(key_of_token(&token_of_key(&key)).unwrap(), key);
        for wrong in ["", "x", "%", &URL_SAFE_NO_PAD.encode("access/key/AKIA")] {
            assert!(key_of_token(wrong).is_err(), "{wrong}");
        }
        let other = format!("{}é", "a".repeat(59));
        assert!(key_of_token(&URL_SAFE_NO_PAD.encode(other)).is_err());
    }

    #[test]
    fn names_begin_with_a_small_letter_at_every_depth() {
        let value = json!({ "Id": 1, "Origins": { "Items": [{ "HTTPPort": 80 }] } });
        let camel = json!({ "id": 1, "origins": { "items": [{ "hTTPPort": 80 }] } });
        assert_eq!(camel_case(&value), camel);
    }
}
