//! When certificates are renewed: over whole lives, with authorities that come and go.

#![allow(clippy::unwrap_used)]

use certificates::limits::{RENEWAL_OVERDUE_RETRY_MS_MAX, RENEWAL_RETRY_MS};
use certificates::renewal::{due_ms, next_attempt_ms, ocsp_due_ms};
use proptest::prelude::*;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Everything that is tried for a certificate from when it is due on, until it succeeds: at times
/// when the authority works.
fn attempts(id: &str, life_ms: u64, works: impl Fn(u64) -> bool, until_ms: u64) -> Vec<u64> {
    let end_secs = life_ms / 1_000;
    let mut at_ms = due_ms(id, 0, end_secs);
    let mut all = Vec::new();
    while at_ms < until_ms {
        all.push(at_ms);
        if works(at_ms) {
            break;
        }
        at_ms = next_attempt_ms(id, all.len() as u32, at_ms, end_secs);
    }
    all
}

#[test]
fn a_certificate_is_due_at_two_thirds_of_its_life_or_a_little_before() {
    let (from, life) = (1_790_000_000, 90 * DAY_MS / 1_000);
    for number in 0..1_000 {
        let due = due_ms(&format!("us-east-1/{number}"), from, from + life) - from * 1_000;
        let (latest, earliest) = (60 * DAY_MS, 60 * DAY_MS - 90 * HOUR_MS);
        assert!((earliest..=latest).contains(&due), "{due}");
    }
    assert_eq!(
        due_ms("a", from, from + life),
        due_ms("a", from, from + life)
    );
    assert_eq!(due_ms("a", 0, 0), 0);
}

#[test]
fn certificates_that_were_made_together_are_not_due_together() {
    let mut by_hour = [0; 90];
    for number in 0..9_000 {
        let due = due_ms(&format!("us-east-1/{number}"), 0, 90 * DAY_MS / 1_000);
        by_hour[((60 * DAY_MS - due) / HOUR_MS).min(89) as usize] += 1;
    }
    assert!(
        by_hour.iter().all(|due| (50..=150).contains(due)),
        "{by_hour:?}"
    );
}

#[test]
fn a_responder_is_asked_again_well_before_its_answer_is_outdated() {
    for number in 0..100 {
        let id = format!("us-east-1/{number}");
        let due = ocsp_due_ms(&id, 1_000, Some(1_000 + 7 * DAY_MS / 1_000)) - 1_000_000;
        assert!((63 * HOUR_MS..=84 * HOUR_MS).contains(&due), "{due}");
        let due = ocsp_due_ms(&id, 1_000, None) - 1_000_000;
        assert!((9 * HOUR_MS..=12 * HOUR_MS).contains(&due), "{due}");
    }
    assert_eq!(ocsp_due_ms("a", 5, Some(0)), 5_000);
}

#[test]
fn waits_double_from_a_minute_to_six_hours() {
    let mut now = 0;
    let far_secs = 365 * DAY_MS / 1_000;
    for failures in 1..=40 {
        let next = next_attempt_ms("a", failures, now, far_secs);
        let most = (MINUTE_MS << (failures - 1).min(20)).min(6 * HOUR_MS);
        assert!(
            (most - most / 10..=most).contains(&(next - now)),
            "{failures}"
        );
        now = next;
    }
    assert_eq!(next_attempt_ms("a", 0, 7, far_secs), 7);
    assert!(next_attempt_ms("a", u32::MAX, 7, u64::MAX) <= 7 + 6 * HOUR_MS);
    assert_eq!(next_attempt_ms("a", 3, u64::MAX, 0), u64::MAX);
}

#[test]
fn without_a_valid_certificate_it_is_tried_every_hour_at_least() {
    for end_secs in [0, 1_000] {
        let wait = next_attempt_ms("a", 40, 2_000_000, end_secs) - 2_000_000;
        assert!(
            wait <= RENEWAL_OVERDUE_RETRY_MS_MAX && wait > 50 * MINUTE_MS,
            "{wait}"
        );
    }
}

proptest! {
    #[test]
    fn no_certificate_expires_if_its_authority_works_for_its_last_two_minutes(
        id in "[a-z0-9]{1,8}",
        life_hours in 1u64..10_000,
        works_before_ms in 2 * MINUTE_MS + 1_000..DAY_MS,
    ) {
        let life_ms = life_hours * HOUR_MS;
        let works_from = life_ms.saturating_sub(works_before_ms);
        let tried = attempts(&id, life_ms, |now| now >= works_from, u64::MAX);
        prop_assert!(*tried.last().unwrap() < life_ms, "{:?}", tried);
    }

    #[test]
    fn an_authority_that_fails_for_months_is_not_stormed(
        id in "[a-z0-9]{1,8}",
        life_hours in 1u64..10_000,
    ) {
        let life_ms = life_hours * HOUR_MS;
        let tried = attempts(&id, life_ms, |_| false, life_ms + 90 * DAY_MS);
        for pair in tried.windows(2) {
            prop_assert!(pair[1] - pair[0] >= RENEWAL_RETRY_MS * 9 / 10);
        }
        // The first hour has the most: six before the waits are a quarter of an hour, and five
        // more when expiry is that near already.
        for window in tried.windows(14) {
            prop_assert!(window[13] - window[0] > HOUR_MS);
        }
        // One in six hours, a bit more as expiry nears, one in an hour afterwards.
        let most = life_ms / 3 / (5 * HOUR_MS) + 90 * 24 * 10 / 9 + 60;
        prop_assert!((tried.len() as u64) <= most, "{}", tried.len());
    }

    #[test]
    fn the_next_attempt_is_never_in_the_past(
        failures in 1u32.., now_ms in 0..u64::MAX / 2, not_after_secs: u64
    ) {
        let next = next_attempt_ms("a", failures, now_ms, not_after_secs);
        prop_assert!(next >= now_ms + RENEWAL_RETRY_MS * 9 / 10);
        prop_assert!(next <= now_ms + 6 * HOUR_MS);
    }
}
