//! Texts at `_acme-challenge.<name>` in hosted zones.
//!
//! They are written as every client's changes are, by `ChangeResourceRecordSets`. A record set that
//! is there already stays, with one more value; a batch deletes it as it was read and makes it
//! anew, so that of two who change it the later one begins again and nothing is lost. What is in a
//! zone is noted in the store before, so that whoever finds it there later can take it away.

use documents::route53 as forms;
use documents::{Role, acm, decode, encode};
use records::Name;
use serde_json::{Value, json};
use shapes::route53::{RRType, ResourceRecord, ResourceRecordSet};
use store::{Range, StoreError, Txn};

use super::worker::Worker;
use crate::limits::{CHALLENGE_ATTEMPTS_MAX, CHALLENGE_MS};

/// Seconds that resolvers may keep a text: those of one name come and go.
const TTL_SECS: i64 = 1;

/// Why a text cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum TxtError {
    /// The store does not answer, or what is in it cannot be read.
    #[error("{0}")]
    Store(String),
    /// The zone does not take it.
    #[error("the hosted zone {zone} does not take the record: {message}")]
    Refused {
        /// The zone's id.
        zone: String,
        /// What Route 53 says.
        message: String,
    },
    /// Others change the same again and again.
    #[error("others change the same record set at this moment")]
    Conflict,
}

impl From<StoreError> for TxtError {
    fn from(error: StoreError) -> TxtError {
        TxtError::Store(error.to_string())
    }
}

/// A text of a name in a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txt {
    /// The zone's id.
    pub zone: String,
    /// `_acme-challenge.example.com`.
    pub name: String,
    /// The text, of letters, digits, `-` and `_`.
    pub text: String,
}

impl Txt {
    fn note(&self) -> String {
        format!(
            "{}{}/{} {}",
            acm::CHALLENGES,
            self.zone,
            self.name,
            self.text
        )
    }

    /// Of the key of a note.
    fn of_note(key: &str) -> Option<Txt> {
        let (zone, rest) = key.strip_prefix(acm::CHALLENGES)?.split_once('/')?;
        let (name, text) = rest.split_once(' ')?;
        Some(Txt {
            zone: zone.to_owned(),
            name: name.to_owned(),
            text: text.to_owned(),
        })
    }
}

/// Shows a text, and returns when the name servers have it.
pub async fn show(worker: &Worker, txt: &Txt) -> Result<(), TxtError> {
    let until_ms = worker.now_ms() + CHALLENGE_MS;
    let note = Txn::new().put(txt.note(), encode(&until_ms));
    worker.store().commit(note).await?;
    if let Some(change) = edit(worker, txt, true).await?
        && let Some(document) = worker.store().get(&change).await?
    {
        let revision = document.modified;
        worker.shown(Role::Dns, &change, revision).await;
    }
    Ok(())
}

/// Takes a text away.
pub async fn hide(worker: &Worker, txt: &Txt) -> Result<(), TxtError> {
    match edit(worker, txt, false).await {
        Ok(_) => {}
        // The zone is gone, and its texts with it.
        Err(TxtError::Refused { message, .. }) if message.starts_with("NoSuchHostedZone") => {}
        Err(error) => return Err(error),
    }
    let note = Txn::new().delete(txt.note());
    worker.store().commit(note).await?;
    Ok(())
}

/// Takes away what others left behind.
pub async fn sweep(worker: &Worker, now_ms: u64) -> Result<(), TxtError> {
    let notes = Range {
        prefix: acm::CHALLENGES.to_owned(),
        limit: 100,
        ..Range::default()
    };
    for document in worker.store().list(notes).await?.documents {
        let until_ms: u64 = decode(&document.key, &document.value).unwrap_or(0);
        if let Some(txt) = Txt::of_note(&document.key).filter(|_| until_ms <= now_ms) {
            tracing::warn!(
                zone = txt.zone,
                name = txt.name,
                "a text was left behind; it goes"
            );
            if let Err(error) = hide(worker, &txt).await {
                tracing::warn!(%error, zone = txt.zone, name = txt.name, "it stays for now");
            }
        }
    }
    Ok(())
}

/// Adds a text to its record set, or takes it out; gives the key of the change, if there is one.
async fn edit(worker: &Worker, txt: &Txt, is_shown: bool) -> Result<Option<String>, TxtError> {
    let unreadable = |error: &dyn std::fmt::Display| TxtError::Store(error.to_string());
    let name = Name::parse(&txt.name).map_err(|error| unreadable(&error))?;
    let key = forms::record(&txt.zone, &name.order_key(), RRType::Txt.as_str(), None);
    let value = format!("\"{}\"", txt.text);
    let mut refusal = None;
    for _ in 0..CHALLENGE_ATTEMPTS_MAX {
        let document = worker.store().get(&key).await?;
        // Nobody changed it meanwhile: it is refused for another reason.
        let modified = document.as_ref().map(|document| document.modified);
        match refusal.take() {
            Some((read, message)) if read == modified => {
                let zone = txt.zone.clone();
                return Err(TxtError::Refused { zone, message });
            }
            _ => {}
        }
        let before: Option<ResourceRecordSet> = match &document {
            Some(document) => {
                let read = decode(&key, &document.value);
                Some(read.map_err(|error| unreadable(&error))?)
            }
            None => None,
        };
        let Some(changes) = changes(before, &name.to_string(), &value, is_shown) else {
            return Ok(None);
        };
        let input = json!({
            "HostedZoneId": txt.zone,
            "ChangeBatch": { "Comment": "proof for a certificate", "Changes": changes },
        });
        match worker.route53("ChangeResourceRecordSets", input).await {
            Ok(told) => {
                let id = told["ChangeInfo"]["Id"].as_str().unwrap_or_default();
                let id = id.strip_prefix("/change/").unwrap_or(id);
                return Ok(Some(forms::change(id)));
            }
            Err(error) if error.is_senders_fault => {
                refusal = Some((modified, format!("{}: {}", error.code, error.message)));
            }
            Err(error) => return Err(TxtError::Store(error.message)),
        }
    }
    Err(TxtError::Conflict)
}

/// What makes a record set have the value, or not; nothing if it is so.
fn changes(
    before: Option<ResourceRecordSet>,
    name: &str,
    value: &str,
    is_shown: bool,
) -> Option<Vec<Value>> {
    let records = before
        .as_ref()
        .and_then(|set| set.resource_records.clone())
        .unwrap_or_default();
    let is_there = records.iter().any(|record| record.value == value);
    if is_there == is_shown {
        return None;
    }
    let mut after = records;
    match is_shown {
        true => after.push(ResourceRecord {
            value: value.to_owned(),
        }),
        false => after.retain(|record| record.value != value),
    }
    let change = |action: &str, set: &ResourceRecordSet| {
        let set = serde_json::to_value(set).expect("shapes are JSON");
        json!({ "Action": action, "ResourceRecordSet": set })
    };
    let mut changes: Vec<Value> = before.iter().map(|set| change("DELETE", set)).collect();
    if !after.is_empty() {
        let set = ResourceRecordSet {
            resource_records: Some(after),
            ..before.unwrap_or_else(|| ResourceRecordSet {
                ttl: Some(TTL_SECS),
                ..forms::bare(name, RRType::Txt)
            })
        };
        changes.push(change("CREATE", &set));
    }
    Some(changes)
}
