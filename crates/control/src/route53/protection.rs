//! Protected record sets (spec §8.2): no batch may touch them. They lie under
//! [`forms::protection`]; who writes them compares and puts the zone's state, as whoever writes
//! records does.

use std::collections::BTreeSet;

use documents::route53::{self as forms, Zone, ZoneState};
use documents::{Resource, decode, encode};
use records::Name;
use shapes::route53::{self as r53, RRType, error};
use shapes::schema::ErrorShape;
use store::{Range, Revision};

use super::inputs::{self, invalid_input};
use super::zone;
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::Failure;
use crate::service::{Entry, served};

/// Protections that are made or deleted at once (spec §8.2).
const BATCH_MAX: usize = 100;
/// Members of a page.
const PAGE_PROTECTIONS_MAX: usize = 300;

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreateResourceRecordSetProtections", |call| {
        Box::pin(create(call))
    }),
    served("DeleteResourceRecordSetProtections", |call| {
        Box::pin(delete(call))
    }),
    served("ListResourceRecordSetProtections", |call| {
        Box::pin(list(call))
    }),
];

/// Whether anything of a zone is protected.
pub(super) async fn has_any(call: &Call<'_>, zone: &str) -> Result<bool, Failure> {
    let first = Range {
        prefix: forms::protections(zone),
        limit: 1,
        ..Range::default()
    };
    Ok(!call.store().list(first).await?.documents.is_empty())
}

/// What is protected at these keys: as many as there are, in their order.
pub(super) async fn find(
    call: &Call<'_>,
    keys: &[String],
) -> Result<Vec<Option<r53::ResourceRecordSetProtectionConfig>>, Failure> {
    let mut found = Vec::with_capacity(keys.len());
    for keys in keys.chunks(store::limits::GET_KEYS_MAX) {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        for document in call.store().get_many(&keys).await? {
            let protection = document.map(|document| decode(&document.key, &document.value));
            found.push(protection.transpose()?);
        }
    }
    Ok(found)
}

/// What is wrong with one member of a batch.
struct Problem {
    name: String,
    record_type: RRType,
    code: &'static str,
    message: &'static str,
}

const ALREADY_EXISTS: &str = "ProtectionAlreadyExists";

/// A zone whose protections change.
struct Batch {
    zone: Resource<Zone>,
    apex: Name,
    state: ZoneState,
    read: Revision,
    problems: Vec<Problem>,
    /// The keys that it is about.
    keys: BTreeSet<String>,
}

impl Batch {
    async fn load(call: &Call<'_>, zone: &str, count: usize) -> Result<Batch, Failure> {
        inputs::check_bounds(call)?;
        let zone = zone::load(call, zone).await?.resource;
        if count > BATCH_MAX {
            return Err(invalid_input(format!(
                "Protections has {count} members; at most {BATCH_MAX} are allowed."
            )));
        }
        let (state, read) = zone::state(call, &zone.id).await?;
        Ok(Batch {
            apex: zone::apex(&zone)?,
            zone,
            state,
            read,
            problems: Vec::new(),
            keys: BTreeSet::new(),
        })
    }

    /// The name and the key of a member, if it is one of the zone's and there is no other one.
    fn member(&mut self, text: &str, record_type: RRType) -> Option<(Name, String)> {
        let name = Name::parse(text).ok();
        let Some(name) = name.filter(|name| name.is_within(&self.apex)) else {
            self.wrong(
                text,
                record_type,
                "InvalidInput",
                "it is no name of the zone",
            );
            return None;
        };
        let key = forms::protection(&self.zone.id, &name.order_key(), record_type.as_str());
        match self.keys.insert(key.clone()) {
            true => Some((name, key)),
            false => {
                self.wrong(text, record_type, "InvalidInput", "it is there twice");
                None
            }
        }
    }

    fn wrong(
        &mut self,
        name: &str,
        record_type: RRType,
        code: &'static str,
        message: &'static str,
    ) {
        self.problems.push(Problem {
            name: name.to_owned(),
            record_type,
            code,
            message,
        });
    }

    /// All that is wrong, in one message: the code of those that exist already, if that is all.
    fn into_change(self, writes: Change) -> Result<Change, Failure> {
        if self.problems.is_empty() {
            let state = forms::zone_state(&self.zone.id);
            return Ok(writes
                .about(zone::KIND.cfn_type, &self.zone.id)
                .if_still(&state, Some(self.read))
                .put(state, encode(&self.state)));
        }
        let all_exist = self
            .problems
            .iter()
            .all(|problem| problem.code == ALREADY_EXISTS);
        let shape: &'static ErrorShape = match all_exist {
            true => &error::PROTECTION_ALREADY_EXISTS,
            false => &error::INVALID_RESOURCE_RECORD_SET_PROTECTION_BATCH,
        };
        let told = self.problems.iter().map(|problem| {
            let Problem {
                name,
                record_type,
                code,
                message,
            } = problem;
            format!("[name='{name}', type='{record_type}'] {code}: {message}")
        });
        Err(Failure::api(shape, told.collect::<Vec<_>>().join(", ")))
    }
}

async fn create(call: &Call<'_>) -> Answer {
    let input: r53::CreateResourceRecordSetProtectionsRequest = call.input()?;
    let count = input.protections.len();
    let mut batch = Batch::load(call, &input.hosted_zone_id, count).await?;
    let mut change = Change::new();
    for protection in input.protections {
        let Some((name, key)) = batch.member(&protection.record_name, protection.record_type)
        else {
            continue;
        };
        if call.store().get(&key).await?.is_some() {
            let (name, kind) = (&protection.record_name, protection.record_type);
            batch.wrong(name, kind, ALREADY_EXISTS, "it is protected already");
            continue;
        }
        let protection = r53::ResourceRecordSetProtectionConfig {
            record_name: name.to_string(),
            comment: protection.comment.filter(|comment| !comment.is_empty()),
            ..protection
        };
        change = change.put(key, encode(&protection));
    }
    call.commit(batch.into_change(change)?).await?;
    Ok(Reply::empty())
}

async fn delete(call: &Call<'_>) -> Answer {
    let input: r53::DeleteResourceRecordSetProtectionsRequest = call.input()?;
    let count = input.protections.len();
    let mut batch = Batch::load(call, &input.hosted_zone_id, count).await?;
    let mut change = Change::new();
    for protection in input.protections {
        let (name, kind) = (&protection.record_name, protection.record_type);
        let Some((_, key)) = batch.member(name, kind) else {
            continue;
        };
        match call.store().get(&key).await? {
            Some(_) => change = change.delete(key),
            None => batch.wrong(name, kind, "ProtectionNotFound", "it is not protected"),
        }
    }
    call.commit(batch.into_change(change)?).await?;
    Ok(Reply::empty())
}

/// In the order of record sets. A token is the key that the page before ended with.
async fn list(call: &Call<'_>) -> Answer {
    let input: r53::ListResourceRecordSetProtectionsRequest = call.input()?;
    let given = input.max_results.as_deref();
    let limit = inputs::page_size("MaxResults", given, PAGE_PROTECTIONS_MAX)?;
    let zone = zone::load(call, &input.hosted_zone_id).await?.resource;
    let prefix = forms::protections(&zone.id);
    let token = input.next_token.filter(|token| !token.is_empty());
    let after = match &token {
        None => None,
        Some(token) => {
            let key = inputs::read_token(token).filter(|key| key.starts_with(&prefix));
            Some(key.ok_or_else(|| {
                let message = format!("NextToken is '{token}', which is none of this list's.");
                Failure::api(&error::INVALID_PAGINATION_TOKEN, message)
            })?)
        }
    };
    let start = start(&zone.id, input.start_record_name, input.start_record_type)?;
    // What lies before the start is passed over; a zone has few protections.
    let mut range = Range {
        prefix,
        after,
        ..Range::default()
    };
    let mut found = Vec::new();
    loop {
        let page = call.store().list(range.clone()).await?;
        let last = page.documents.last().map(|document| document.key.clone());
        let wanted = page.documents.into_iter();
        found.extend(wanted.filter(|document| document.key >= start));
        if !page.has_more || found.len() > limit {
            break;
        }
        range.after = last;
    }
    let has_more = found.len() > limit;
    found.truncate(limit);
    let mut protections = Vec::with_capacity(found.len());
    for document in &found {
        protections.push(decode(&document.key, &document.value)?);
    }
    let last = found.last().filter(|_| has_more);
    Ok(Reply::of(&r53::ListResourceRecordSetProtectionsResponse {
        resource_record_set_protections: protections,
        next_token: last.map(|last| inputs::token(&last.key)),
    }))
}

/// The key that a list begins at.
fn start(zone: &str, name: Option<String>, record_type: Option<RRType>) -> Result<String, Failure> {
    let name = name.filter(|name| !name.is_empty());
    match (name, record_type) {
        (None, None) => Ok(String::new()),
        (None, Some(_)) => Err(invalid_input(
            "StartRecordType is given without StartRecordName.",
        )),
        (Some(text), record_type) => {
            let name = Name::parse(&text)
                .map_err(|error| invalid_input(format!("StartRecordName is '{text}': {error}.")))?;
            let record_type = record_type.map(|kind| kind.to_string()).unwrap_or_default();
            Ok(forms::protection(zone, &name.order_key(), &record_type))
        }
    }
}
