//! Record sets (spec §7 to §9): batches of changes, and lists.
//!
//! A batch goes through these steps, and the first that fails refuses it whole:
//!
//! 1. `form.rs`: does each change have the members that its kind must have? `InvalidInput`.
//! 2. `references.rs`: is there what the batch names outside of the zone? `NoSuchHealthCheck`.
//! 3. `working.rs`: one change after another on a copy of the names that the batch touches;
//!    `values.rs` says what is wrong with a record set by itself, `group.rs` among those of its
//!    name and type, `alias.rs` with its target. All that is wrong is told at once:
//!    `InvalidChangeBatch`.
//!
//! What comes of it is one transaction, which compares and puts the zone's state: of two batches
//! for one zone the later one begins anew. Nothing here depends on how many record sets a zone has.

mod alias;
mod form;
mod group;
mod list;
mod references;
mod values;
mod working;

use documents::Resource;
use documents::encode;
use documents::route53::{self as forms, Zone};
use shapes::route53::{self as r53, ChangeAction, error};

use super::cidr_collection::{self, Uses};
use super::inputs;
use super::{changes, protection, zone};
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::Failure;
use crate::limits;
use crate::service::{Entry, served};

pub(super) use form::{check_geo_location, check_geo_proximity};
use references::References;
use working::Working;

pub(super) const OPERATIONS: &[Entry] = &[
    served("ChangeResourceRecordSets", |call| Box::pin(change(call))),
    served("ListResourceRecordSets", |call| Box::pin(list::list(call))),
];

/// Who writes record sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// A client, by a batch. Those that stand for a traffic policy are not his to write.
    Client,
    /// A traffic policy instance, which writes those and no others.
    TrafficPolicyInstance,
}

/// What is wrong with a batch: at which of its changes, and what.
#[derive(Debug, Default)]
struct Problems {
    found: Vec<(usize, String)>,
}

impl Problems {
    fn add(&mut self, index: usize, message: String) {
        self.found.push((index, message));
    }

    fn any_at(&self, index: usize) -> bool {
        self.found.iter().any(|(other, _)| *other == index)
    }

    /// All of them in the order of the changes, as Route 53 puts them into one message.
    fn into_result(mut self) -> Result<(), Failure> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort_by_key(|(index, _)| *index);
        let messages = self.found.into_iter().map(|(_, message)| message);
        Err(invalid_batch(&messages.collect::<Vec<_>>()))
    }
}

fn invalid_batch(messages: &[String]) -> Failure {
    let message = format!("[{}]", messages.join(", "));
    Failure::api(&error::INVALID_CHANGE_BATCH, message)
}

/// `name='www.example.com.', type='A'`, as messages have it.
fn named(set: &r53::ResourceRecordSet) -> String {
    let identifier = match &set.set_identifier {
        Some(identifier) => format!(", set-identifier='{identifier}'"),
        None => String::new(),
    };
    format!("[name='{}', type='{}'{identifier}]", set.name, set.r#type)
}

async fn change(call: &Call<'_>) -> Answer {
    let input: r53::ChangeResourceRecordSetsRequest = call.input()?;
    let zone = zone::load(call, &input.hosted_zone_id).await?.resource;
    inputs::check_bounds(call)?;
    let batch = &input.change_batch;
    let about = Change::new().about(zone::KIND.cfn_type, &zone.id);
    let change = apply(call, &zone, &batch.changes, Writer::Client, about).await?;
    let change_info = changes::commit(call, change, batch.comment.as_deref()).await?;
    Ok(Reply::of(&r53::ChangeResourceRecordSetsResponse {
        change_info,
    }))
}

/// Adds changes of a zone's record sets to a change, if the rules allow them all.
pub(super) async fn apply(
    call: &Call<'_>,
    zone: &Resource<Zone>,
    changes: &[r53::Change],
    writer: Writer,
    mut change: Change,
) -> Result<Change, Failure> {
    check_size(changes)?;
    form::check(changes)?;
    // The state is read first: what is read after it and holds at the commit held all the time.
    let (mut state, read) = zone::state(call, &zone.id).await?;
    let references = References::load(call, zone, changes).await?;
    let mut working = Working::load(call, zone, changes).await?;
    let mut problems = Problems::default();
    check_protection(call, &working, &mut problems).await?;
    working.run(&references, writer, &mut problems);
    working.check_aliases(call, &mut problems).await?;
    working.check_groups(&mut problems);
    problems.into_result()?;
    let mut count = state.record_set_count;
    let mut uses = Uses::new();
    for write in working.into_writes() {
        for (set, one) in [(&write.before, -1), (&write.set, 1)] {
            count = match set {
                Some(_) => count.saturating_add_signed(one),
                None => count,
            };
            let routing = set
                .as_ref()
                .and_then(|set| set.cidr_routing_config.as_ref());
            if let Some(r53::CidrRoutingConfig {
                collection_id,
                location_name,
            }) = routing
            {
                let place = (collection_id.clone(), location_name.clone());
                *uses.entry(place).or_default() += one;
            }
        }
        change = match write.set {
            Some(set) => change.put(write.key, encode(&set)),
            None => change.delete(write.key),
        };
    }
    if count > limits::RECORD_SETS_PER_ZONE_MAX && count > state.record_set_count {
        return Err(invalid_batch(&[format!(
            "Number of records limit of {} per hosted zone exceeded.",
            limits::RECORD_SETS_PER_ZONE_MAX
        )]));
    }
    state.record_set_count = count;
    let state_key = forms::zone_state(&zone.id);
    let change = cidr_collection::count_uses(call, change, &zone.id, &uses).await?;
    Ok(references
        .hold(change)
        .if_still(&state_key, Some(read))
        .put(&state_key, encode(&state)))
}

/// Bounds of a batch (spec §8.2): values, and their characters. An UPSERT's count twice, since it
/// may be a deletion and a creation.
fn check_size(changes: &[r53::Change]) -> Result<(), Failure> {
    let (mut records, mut chars) = (0, 0);
    for change in changes {
        let times = match change.action {
            ChangeAction::Upsert => 2,
            ChangeAction::Create | ChangeAction::Delete => 1,
        };
        let values = change.resource_record_set.resource_records.as_deref();
        let values = values.unwrap_or_default();
        records += times * values.len().max(1);
        let lengths = values.iter().map(|record| record.value.chars().count());
        chars += times * lengths.sum::<usize>();
    }
    let mut exceeded = Vec::new();
    for (what, count, most) in [
        ("records", records, limits::BATCH_RECORDS_MAX),
        ("characters", chars, limits::BATCH_CHARS_MAX),
    ] {
        if count > most {
            exceeded.push(format!("Number of {what} limit of {most} exceeded."));
        }
    }
    match exceeded.is_empty() {
        true => Ok(()),
        false => Err(invalid_batch(&exceeded)),
    }
}

/// Refuses changes of what is protected (spec §8.2).
async fn check_protection(
    call: &Call<'_>,
    working: &Working<'_>,
    problems: &mut Problems,
) -> Result<(), Failure> {
    let mut touched = Vec::new();
    for (index, order_key, set) in working.touched() {
        let key = forms::protection(working.zone_id(), order_key, set.r#type.as_str());
        touched.push((index, key));
    }
    let keys: Vec<String> = touched.iter().map(|(_, key)| key.clone()).collect();
    for ((index, _), found) in touched.iter().zip(protection::find(call, &keys).await?) {
        if let Some(protection) = found {
            let comment = protection.comment.unwrap_or_default();
            problems.add(
                *index,
                format!(
                    "RRSet with DNS name {}, type {} is protected and cannot be changed: {comment}",
                    protection.record_name, protection.record_type
                ),
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(action: ChangeAction, values: usize, length: usize) -> r53::Change {
        let value = "x".repeat(length);
        let records = vec![r53::ResourceRecord { value }; values];
        r53::Change {
            action,
            resource_record_set: r53::ResourceRecordSet {
                ttl: Some(60),
                resource_records: Some(records),
                ..forms::bare("a.example.com", r53::RRType::A)
            },
        }
    }

    #[test]
    fn a_batch_has_a_thousand_records_and_upserts_count_twice() {
        let fits = |changes: &[r53::Change]| check_size(changes).is_ok();
        assert!(fits(&vec![change(ChangeAction::Create, 400, 1); 2]));
        assert!(fits(&vec![change(ChangeAction::Upsert, 1, 1); 500]));
        assert!(!fits(&vec![change(ChangeAction::Upsert, 1, 1); 501]));
        assert!(fits(&vec![change(ChangeAction::Delete, 8, 4_000); 1]));
        assert!(!fits(&vec![change(ChangeAction::Create, 9, 4_000); 1]));
        assert!(!fits(&vec![change(ChangeAction::Upsert, 5, 4_000); 1]));
    }
}
