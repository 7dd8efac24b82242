//! Changes (spec §8.1): what every call that changes answers is given, so that its client can ask
//! when name servers have it.
//!
//! A change's id begins with its time, so that the oldest lie first and go first.

use documents::route53::{self as forms, ChangeRecord};
use documents::{Role, decode, encode};
use shapes::Timestamp;
use shapes::route53::{self as r53, ChangeStatus, error};
use store::{Range, Txn};

use super::inputs::bare_id;
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::Failure;
use crate::nodes::Living;
use crate::service::{Entry, served};
use crate::{ids, limits};

pub(super) const OPERATIONS: &[Entry] = &[served("GetChange", |call| Box::pin(get(call)))];

const DAY_MS: u64 = 86_400_000;

/// Commits a change of what name servers answer; gives what its maker is told of it.
pub(super) async fn commit(
    call: &Call<'_>,
    change: Change,
    comment: Option<&str>,
) -> Result<r53::ChangeInfo, Failure> {
    let id = id_at(call.now_ms);
    let record = ChangeRecord {
        submitted_ms: call.now_ms,
        comment: comment.filter(|text| !text.is_empty()).map(str::to_owned),
    };
    let change = change.put(forms::change(&id), encode(&record));
    let revision = call.commit(change).await?;
    if revision.0.is_multiple_of(limits::CHANGES_SWEEP_EVERY) {
        sweep(call).await;
    }
    Ok(info(&id, record, ChangeStatus::Pending))
}

/// `C`, the milliseconds since 1970 in nine digits to the base of 36, and ten of `A-Z0-9`.
fn id_at(now_ms: u64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut id = String::from("C");
    for place in (0..9).rev() {
        let digit = now_ms / 36_u64.pow(place) % 36;
        id.push(char::from(DIGITS[digit as usize]));
    }
    id + &ids::text(DIGITS, 10)
}

fn info(id: &str, record: ChangeRecord, status: ChangeStatus) -> r53::ChangeInfo {
    r53::ChangeInfo {
        id: format!("/change/{id}"),
        status,
        submitted_at: Timestamp::from_unix_ms(record.submitted_ms as i64),
        comment: record.comment,
    }
}

/// Removes some of the changes that nobody asks for any more. A failure leaves them to the next.
async fn sweep(call: &Call<'_>) {
    let oldest = Range {
        prefix: forms::CHANGES.to_owned(),
        limit: limits::CHANGES_SWEPT_AT_ONCE,
        ..Range::default()
    };
    let past_ms = call
        .now_ms
        .saturating_sub(limits::CHANGES_KEPT_DAYS * DAY_MS);
    // Where no id of that time has come yet; ids are of one length.
    let first_kept = forms::change(&id_at(past_ms)[..10]);
    let Ok(page) = call.store().list(oldest).await else {
        return;
    };
    let old = page.documents.into_iter().map(|document| document.key);
    let txn = old
        .filter(|key| *key < first_kept)
        .fold(Txn::new(), |txn, key| txn.delete(key));
    if !txn.writes.is_empty()
        && let Err(error) = call.store().commit(txn).await
    {
        tracing::warn!(%error, "old changes are not removed");
    }
}

/// A change is in sync where every name server that lives has what was put with it.
async fn get(call: &Call<'_>) -> Answer {
    let input: r53::GetChangeRequest = call.input()?;
    let id = bare_id(&input.id);
    let key = forms::change(id);
    let missing = || {
        let message = format!("Could not find resource with ID: /change/{id}");
        Failure::api(&error::NO_SUCH_CHANGE, message)
    };
    if id.is_empty() || id.len() > limits::ROUTE53_ID_BYTES_MAX {
        return Err(missing());
    }
    let document = call.store().get(&key).await?.ok_or_else(missing)?;
    let record: ChangeRecord = decode(&key, &document.value)?;
    let servers = Living::of(call, Role::Dns).await?;
    let status = match servers.serve(&key, document.modified) {
        true => ChangeStatus::Insync,
        false => ChangeStatus::Pending,
    };
    Ok(Reply::of(&r53::GetChangeResponse {
        change_info: info(id, record, status),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_changes_sort_by_their_time() {
        let (early, late) = (id_at(1_790_000_000_000), id_at(1_790_000_000_001));
        assert!(early < late, "{early} {late}");
        assert_eq!((early.len(), &early[..1]), (20, "C"));
    }
}
