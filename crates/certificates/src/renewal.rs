//! When certificates are renewed.
//!
//! A certificate is due when two thirds of its life are over, a little earlier by what its id
//! says, so that those that were made together do not come due together. When renewing fails, it
//! is tried again later and later, and more often again as expiry comes near.

use aws_lc_rs::digest::{SHA256, digest};

use crate::limits::{
    OCSP_LIFE_SECS, RENEWAL_OVERDUE_RETRY_MS_MAX, RENEWAL_RETRY_MS, RENEWAL_RETRY_MS_MAX,
    RENEWAL_URGENT_RETRY_MS,
};

/// When a certificate is to be renewed, in milliseconds since 1970: at two thirds of its life, or
/// up to a twenty-fourth of it earlier.
pub fn due_ms(id: &str, not_before_secs: u64, not_after_secs: u64) -> u64 {
    let life_ms = not_after_secs
        .saturating_sub(not_before_secs)
        .saturating_mul(1_000);
    let early_ms = share(life_ms / 24, id, 0);
    let due_ms = not_before_secs
        .saturating_mul(1_000)
        .saturating_add(life_ms / 3 * 2);
    due_ms.saturating_sub(early_ms)
}

/// When a responder is asked again, in milliseconds since 1970: when half of the time from an
/// answer to the next is over, or up to an eighth of it earlier; see [`crate::ocsp::Response`] for
/// the arguments.
pub fn ocsp_due_ms(id: &str, this_update_secs: u64, next_update_secs: Option<u64>) -> u64 {
    let unsaid_secs = this_update_secs.saturating_add(OCSP_LIFE_SECS);
    let end_secs = next_update_secs.unwrap_or(unsaid_secs);
    let life_ms = end_secs
        .saturating_sub(this_update_secs)
        .saturating_mul(1_000);
    let early_ms = share(life_ms / 8, id, 0);
    this_update_secs
        .saturating_mul(1_000)
        .saturating_add(life_ms / 2 - early_ms)
}

/// When it is tried again after so many failures in a row, the last of them now, in milliseconds
/// since 1970. `not_after_secs` is the end of what is served now; 0 if nothing is.
///
/// The wait doubles from 1 minute to 6 hours, but is an eighth of what is left until expiry at
/// most, or 15 minutes if that is longer, and no more than half of what is left as long as that is
/// 2 minutes; and 1 hour at most when nothing valid is served. A tenth of it is taken off by what
/// the id says.
pub fn next_attempt_ms(id: &str, failures: u32, now_ms: u64, not_after_secs: u64) -> u64 {
    if failures == 0 {
        return now_ms;
    }
    let doublings = (failures - 1).min(16);
    let left_ms = not_after_secs.saturating_mul(1_000).saturating_sub(now_ms);
    let longest_ms = if left_ms == 0 {
        RENEWAL_OVERDUE_RETRY_MS_MAX
    } else {
        let often_ms = (left_ms / 8).clamp(RENEWAL_URGENT_RETRY_MS, RENEWAL_RETRY_MS_MAX);
        often_ms.min((left_ms / 2).max(RENEWAL_RETRY_MS))
    };
    let wait_ms = (RENEWAL_RETRY_MS << doublings).min(longest_ms);
    let early_ms = share(wait_ms / 10, id, failures);
    now_ms.saturating_add(wait_ms - early_ms)
}

/// A number from 0 to `most` that follows from an id and a count, evenly.
fn share(most: u64, id: &str, count: u32) -> u64 {
    let digest = digest(&SHA256, &[id.as_bytes(), &count.to_be_bytes()].concat());
    let (first, _) = digest.as_ref().split_at(8);
    let number = u64::from_be_bytes(first.try_into().expect("eight bytes"));
    let share = (u128::from(number) * (u128::from(most) + 1)) >> 64;
    u64::try_from(share).expect("it is not above `most`")
}
