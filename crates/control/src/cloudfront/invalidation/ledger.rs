//! The order of an owner's invalidations, and what of them is in progress.
//!
//! Beside each invalidation lies a small entry, put by the same transaction and numbered in the
//! order of making. Ids of invalidations are in that order too. So the newest are listed without
//! the others and without their paths; and since revisions grow with numbers, those in progress
//! are the last few numbers, of which the first is found in a handful of reads, however many there
//! were. Each entry carries sums over all before it, so that nothing between is read to count it.

use documents::{decode, encode, keys};
use serde::{Deserialize, Serialize};
use shapes::cloudfront::InvalidationBatch;
use store::{Document, Range, Revision, Txn};

use super::rules::Weight;
use super::{document_key, reference_claim};
use crate::call::Call;
use crate::change::Change;
use crate::error::Failure;
use crate::nodes::Living;
use crate::{ids, limits};

/// An invalidation among those of its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts the owner's invalidations from 1.
    pub number: u64,
    /// The invalidation's id.
    pub id: String,
    /// Its caller reference, which is claimed as long as it is kept.
    pub caller_reference: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// What all invalidations before it had.
    pub before: Weight,
    /// What it has.
    pub own: Weight,
}

impl Entry {
    /// The entry of a new invalidation, after the newest.
    pub fn following(
        newest: Option<&(Entry, Revision)>,
        batch: &InvalidationBatch,
        own: Weight,
        now_ms: u64,
    ) -> Entry {
        let number = newest.map_or(0, |(entry, _)| entry.number) + 1;
        Entry {
            number,
            id: id(number),
            caller_reference: batch.caller_reference.clone(),
            created_ms: now_ms,
            before: newest.map_or(Weight::default(), |(entry, _)| entry.total()),
            own,
        }
    }

    fn total(&self) -> Weight {
        self.before + self.own
    }
}

/// Characters of an id that tell its number: enough for 78 billion.
const NUMBER_DIGITS: usize = 7;
const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// `I`, the number, and 6 random characters: other owners' invalidations have other ids.
fn id(number: u64) -> String {
    let mut digits = [b'0'; NUMBER_DIGITS];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 36) as usize];
        rest /= 36;
    }
    let digits = digits.map(char::from).iter().collect::<String>();
    format!("I{digits}{}", ids::text(DIGITS, 6))
}

/// The number that an id tells.
fn number_of(id: &str) -> Option<u64> {
    let digits = id.strip_prefix('I')?.get(..NUMBER_DIGITS)?;
    u64::from_str_radix(digits, 36).ok()
}

fn read(document: &Document) -> Result<Entry, Failure> {
    Ok(decode(&document.key, &document.value)?)
}

/// Puts an entry, unless another has its number by now.
pub fn append(change: Change, owner: &str, entry: &Entry) -> Change {
    let key = keys::invalidation_entry(owner, entry.number);
    change.if_absent(&key).put(key, encode(entry))
}

/// The newest entry and its revision, which is that of its invalidation.
pub async fn newest(call: &Call<'_>, owner: &str) -> Result<Option<(Entry, Revision)>, Failure> {
    Ok(newest_first(call, owner, "", 1).await?.pop())
}

/// At most `limit` entries, the newest first; those after the one with the id `marker`, if it is
/// not empty. A marker that is no id begins behind everything.
pub async fn newest_first(
    call: &Call<'_>,
    owner: &str,
    marker: &str,
    limit: usize,
) -> Result<Vec<(Entry, Revision)>, Failure> {
    let after = match (marker, number_of(marker)) {
        ("", _) => None,
        (_, Some(number)) => Some(keys::invalidation_entry(owner, number)),
        (_, None) => return Ok(Vec::new()),
    };
    let range = Range {
        prefix: keys::invalidation_entries(owner),
        after,
        limit,
        is_descending: true,
    };
    let page = call.store().list(range).await?;
    let entries = page.documents.iter();
    entries
        .map(|document| Ok((read(document)?, document.modified)))
        .collect()
}

/// What of an owner's invalidations living edges have yet to apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InProgress {
    /// How many invalidations.
    pub batches: u64,
    /// How many paths they have.
    pub weight: Weight,
}

/// What of an owner's invalidations is in progress.
pub async fn in_progress(
    call: &Call<'_>,
    owner: &str,
    edges: &Living,
) -> Result<InProgress, Failure> {
    let newest = newest(call, owner).await?;
    in_progress_of(call, owner, newest.as_ref(), edges).await
}

/// What of an owner's invalidations, the newest included, is in progress. Reads nothing if edges
/// have applied the newest; else looks back in doubling steps, all of them in one read, and halves
/// what is between the last two.
pub async fn in_progress_of(
    call: &Call<'_>,
    owner: &str,
    newest: Option<&(Entry, Revision)>,
    edges: &Living,
) -> Result<InProgress, Failure> {
    let applied = edges.nodes().iter().map(|node| node.applied).min();
    let applied = Revision(applied.unwrap_or(u64::MAX));
    let Some((newest, _)) = newest.filter(|(_, modified)| *modified > applied) else {
        return Ok(InProgress::default());
    };
    // An entry that was trimmed was completed long before.
    let is_open = |document: &Document| document.modified > applied;
    let mut first_open = newest.clone();
    let mut last_closed = 0;
    let back = (0..u64::BITS).map_while(|step| newest.number.checked_sub(1 << step));
    let numbers: Vec<u64> = back.take_while(|number| *number > 0).collect();
    let probes: Vec<String> = numbers
        .iter()
        .map(|number| keys::invalidation_entry(owner, *number))
        .collect();
    let probes: Vec<&str> = probes.iter().map(String::as_str).collect();
    for (number, document) in numbers.iter().zip(call.store().get_many(&probes).await?) {
        match document.filter(is_open) {
            Some(document) => first_open = read(&document)?,
            None => {
                last_closed = *number;
                break;
            }
        }
    }
    while first_open.number - last_closed > 1 {
        let middle = last_closed + (first_open.number - last_closed) / 2;
        let key = keys::invalidation_entry(owner, middle);
        match call.store().get(&key).await?.filter(is_open) {
            Some(document) => first_open = read(&document)?,
            None => last_closed = middle,
        }
    }
    Ok(InProgress {
        batches: newest.number - last_closed,
        weight: newest.total() - first_open.before,
    })
}

/// Deletes the oldest invalidations if, with the one of that number, there are more than are kept.
/// It is one that goes for one that comes; a second one goes in case fewer are kept than before.
pub async fn trim(
    call: &Call<'_>,
    mut change: Change,
    owner: &str,
    number: u64,
) -> Result<Change, Failure> {
    if number <= limits::INVALIDATIONS_KEPT {
        return Ok(change);
    }
    for entry in oldest(call, owner, 2).await? {
        if entry.number + limits::INVALIDATIONS_KEPT <= number {
            change = change
                .delete(document_key(owner, &entry.id))
                .delete(keys::invalidation_entry(owner, entry.number))
                .release(&reference_claim(owner), &entry.caller_reference);
        }
    }
    Ok(change)
}

async fn oldest(call: &Call<'_>, owner: &str, limit: usize) -> Result<Vec<Entry>, Failure> {
    let range = Range {
        prefix: keys::invalidation_entries(owner),
        limit,
        ..Range::default()
    };
    let page = call.store().list(range).await?;
    page.documents.iter().map(read).collect()
}

/// Deletes all invalidations of an owner that is gone, in transactions of their own: there may be
/// more than one takes. None is added meanwhile, since that needs the owner. What a failure leaves
/// does nothing but take up room.
pub async fn purge(call: &Call<'_>, owner: &str) -> Result<(), Failure> {
    const WRITES_EACH: usize = 3;
    let at_once = store::limits::TXN_OPERATIONS_COMMON / WRITES_EACH;
    loop {
        let entries = oldest(call, owner, at_once).await?;
        if entries.is_empty() {
            return Ok(());
        }
        let mut txn = Txn::new();
        for entry in entries {
            txn = txn
                .delete(document_key(owner, &entry.id))
                .delete(keys::invalidation_entry(owner, entry.number))
                .delete(keys::claim(
                    &reference_claim(owner),
                    &entry.caller_reference,
                ));
        }
        call.store().commit(txn).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_number_and_sorts_by_it() {
        for number in [1, 35, 36, 10_001, 78_364_164_095] {
            let id = id(number);
            assert_eq!((id.len(), number_of(&id)), (14, Some(number)), "{id}");
        }
        assert!(id(9) < id(10) && id(35) < id(36));
        assert_eq!(
            (number_of(""), number_of("I12"), number_of("I-------")),
            (None, None, None)
        );
    }
}
