//! A year of thousands of certificates with an ACME server that is away for days: none ends while
//! it could be renewed, and there never is a storm.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use acme::AcmeError;
use documents::acm::{Certificate, Source, State, Work};

use super::order::{self, OrderError};
use super::pace::Pace;
use super::plan::{Facts, Next, plan};
use crate::limits::{ERROR_CHARS_MAX, ORDERS_PER_MINUTE_MAX, RENEWED_AGAIN_MS_MIN, VALIDATION_MS};

const START_MS: u64 = 1_790_000_000_000;
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 86_400_000;

fn certificate(id: String, created_ms: u64) -> Certificate {
    Certificate {
        arn: format!("arn:{id}"),
        id,
        names: vec!["a.example".to_owned()],
        source: Source::Requested,
        state: State::Pending,
        key_algorithm: "EC_prime256v1".to_owned(),
        created_ms,
        issued_ms: 0,
        validated: Vec::new(),
        is_exportable: false,
        is_exported: false,
        is_unlogged: false,
        not_before_secs: 0,
        not_after_secs: 0,
        work: Work::default(),
    }
}

fn used() -> Facts {
    Facts {
        is_by_acme: true,
        is_used: true,
        ..Facts::default()
    }
}

fn issue(certificate: &mut Certificate, now_ms: u64, life_ms: u64) {
    certificate.state = State::Issued;
    certificate.not_before_secs = now_ms / 1_000;
    certificate.not_after_secs = (now_ms + life_ms) / 1_000;
    certificate.work = Work::default();
}

fn away() -> OrderError {
    OrderError::Acme(AcmeError::Unreachable("refused".to_owned()))
}

fn rejected(kind: &str) -> OrderError {
    OrderError::Acme(AcmeError::Rejected {
        problem: format!("urn:ietf:params:acme:error:{kind}"),
        detail: "no".to_owned(),
        name: None,
        retry_after: None,
    })
}

/// What a year came to.
#[derive(Default)]
struct Year {
    orders: u64,
    orders_while_away: u64,
    in_an_hour: u64,
    in_a_minute: u32,
    minutes_over: u64,
    smallest_rest_ms: u64,
}

/// `is_away` says when the server is away; `is_bad` which certificates it never issues again.
fn year(
    count: usize,
    life_ms: u64,
    is_away: impl Fn(u64) -> bool,
    is_bad: impl Fn(usize) -> bool,
) -> Year {
    let mut all: Vec<Certificate> = (0..count)
        .map(|number| {
            let mut made = certificate(format!("us-east-1/{number}"), START_MS);
            // They were made one after the other, none so long ago that it is due.
            let age_ms = number as u64 * (life_ms * 6 / 10) / count as u64;
            issue(&mut made, START_MS - age_ms, life_ms);
            made
        })
        .collect();
    let mut queue: BinaryHeap<Reverse<(u64, usize)>> = (0..count)
        .map(|number| Reverse((START_MS, number)))
        .collect();
    let mut pace = Pace::default();
    let mut told = Year {
        smallest_rest_ms: u64::MAX,
        ..Year::default()
    };
    let (mut hour, mut minute) = ((0, 0), (0, 0));
    while let Some(Reverse((now_ms, number))) = queue.pop() {
        if now_ms > START_MS + 365 * DAY_MS {
            break;
        }
        let one = &mut all[number];
        let next_ms = match plan(one, now_ms, &used()) {
            Next::Wait(until_ms) => until_ms,
            Next::Renew => match pace.start(now_ms) {
                Err(until_ms) => until_ms,
                Ok(started) => {
                    pace = started;
                    told.orders += 1;
                    let ends_ms = one.not_after_secs * 1_000;
                    let is_server_away = is_away(now_ms);
                    told.orders_while_away += u64::from(is_server_away);
                    if now_ms / HOUR_MS != hour.0 {
                        hour = (now_ms / HOUR_MS, 0);
                    }
                    hour.1 += 1;
                    told.in_an_hour = told.in_an_hour.max(hour.1);
                    if now_ms / MINUTE_MS != minute.0 {
                        minute = (now_ms / MINUTE_MS, 0);
                    }
                    minute.1 += 1;
                    told.in_a_minute = told.in_a_minute.max(minute.1);
                    if is_server_away || is_bad(number) {
                        let error = if is_server_away {
                            away()
                        } else {
                            rejected("dns")
                        };
                        *one = order::after_failure(one, &error, now_ms);
                        assert_eq!(one.state, State::Issued);
                    } else {
                        told.smallest_rest_ms =
                            told.smallest_rest_ms.min(ends_ms.saturating_sub(now_ms));
                        told.minutes_over += u64::from(ends_ms < now_ms);
                        issue(one, now_ms, life_ms);
                    }
                    if let Some(ended) = pace.ended(now_ms, is_server_away) {
                        pace = ended;
                    }
                    now_ms + 1_000
                }
            },
            other => panic!("{other:?}"),
        };
        assert!(next_ms > now_ms, "it stands still");
        queue.push(Reverse((next_ms, number)));
    }
    let end_ms = START_MS + 365 * DAY_MS;
    for (number, one) in all
        .iter()
        .enumerate()
        .filter(|(number, _)| !is_bad(*number))
    {
        assert!(
            one.not_after_secs * 1_000 > end_ms,
            "{number} is over at the end"
        );
    }
    told
}

#[test]
fn in_a_good_year_each_certificate_is_renewed_when_it_is_due_and_not_before() {
    let told = year(3_000, 90 * DAY_MS, |_| false, |_| false);
    // Six times in a year of sixty days each, or seven.
    assert!((18_000..21_500).contains(&told.orders), "{}", told.orders);
    assert!(told.smallest_rest_ms > 29 * DAY_MS);
    assert!(told.in_an_hour < 60, "{}", told.in_an_hour);
}

#[test]
fn a_server_that_is_away_for_days_is_not_stormed_and_nothing_ends_for_it() {
    // For ten days in every forty.
    let is_away = |now_ms: u64| (now_ms - START_MS) / DAY_MS % 40 >= 30;
    let told = year(3_000, 90 * DAY_MS, is_away, |_| false);
    assert_eq!(told.minutes_over, 0);
    assert!(
        told.smallest_rest_ms > 15 * DAY_MS,
        "{}",
        told.smallest_rest_ms / DAY_MS
    );
    assert!(told.in_a_minute <= ORDERS_PER_MINUTE_MAX);
    // One in a quarter of an hour: ten days are 960.
    assert!(
        told.orders_while_away < 10 * 1_000,
        "{}",
        told.orders_while_away
    );
}

#[test]
fn certificates_that_live_for_six_days_survive_a_day_without_their_server() {
    let is_away = |now_ms: u64| (now_ms - START_MS) / DAY_MS % 7 == 6;
    let told = year(2_000, 6 * DAY_MS, is_away, |_| false);
    assert_eq!(told.minutes_over, 0);
    assert!(
        told.smallest_rest_ms > 12 * HOUR_MS,
        "{}",
        told.smallest_rest_ms / HOUR_MS
    );
}

#[test]
fn names_that_cannot_be_proven_any_more_do_not_keep_others_from_being_renewed() {
    let told = year(3_000, 90 * DAY_MS, |_| false, |number| number % 10 == 0);
    assert_eq!(told.minutes_over, 0);
    assert!(
        told.smallest_rest_ms > 28 * DAY_MS,
        "{}",
        told.smallest_rest_ms / DAY_MS
    );
    assert!(told.in_an_hour <= 60 * u64::from(ORDERS_PER_MINUTE_MAX));
    // Each of the 300 at most once in an hour.
    assert!(told.orders < 21_500 + 300 * 365 * 24, "{}", told.orders);
}

#[test]
fn what_is_pending_waits_for_its_names_for_72_hours() {
    let one = certificate("us-east-1/1".to_owned(), START_MS);
    let facts = Facts {
        is_validated_first: true,
        ..Facts::default()
    };
    assert_eq!(plan(&one, START_MS, &facts), Next::Validate);
    let last_ms = START_MS + VALIDATION_MS;
    assert_eq!(plan(&one, last_ms - 1, &facts), Next::Validate);
    assert_eq!(plan(&one, last_ms, &facts), Next::TimeOut);
    let mut validated = one.clone();
    validated.validated.clone_from(&validated.names);
    assert_eq!(plan(&validated, START_MS, &facts), Next::Issue);
    // The local authority asks nobody, and what it is late with is not over.
    assert_eq!(plan(&one, last_ms, &Facts::default()), Next::Issue);
    let imported = Certificate {
        source: Source::Imported,
        ..one
    };
    assert_eq!(plan(&imported, last_ms, &facts), Next::Wait(u64::MAX));
}

#[test]
fn who_is_served_with_nothing_is_renewed_by_the_local_authority_alone() {
    let mut one = certificate("us-east-1/1".to_owned(), START_MS);
    issue(&mut one, START_MS, 90 * DAY_MS);
    let late_ms = START_MS + 80 * DAY_MS;
    let unused = Facts {
        is_used: false,
        ..used()
    };
    assert_eq!(plan(&one, late_ms, &unused), Next::Wait(u64::MAX));
    assert_eq!(plan(&one, late_ms, &used()), Next::Renew);
    assert_eq!(plan(&one, late_ms, &Facts::default()), Next::Renew);
    one.work.is_wanted = true;
    assert_eq!(plan(&one, START_MS, &unused), Next::Renew);
    one.source = Source::Imported;
    assert_eq!(plan(&one, late_ms, &used()), Next::Wait(u64::MAX));
    one.state = State::TimedOut;
    assert_eq!(plan(&one, late_ms, &used()), Next::Wait(u64::MAX));
}

#[test]
fn an_authority_may_want_a_renewal_earlier_and_responders_have_their_time() {
    let mut one = certificate("us-east-1/1".to_owned(), START_MS);
    issue(&mut one, START_MS, 90 * DAY_MS);
    one.work.ocsp_due_ms = START_MS + DAY_MS;
    let facts = Facts {
        asked_ms: Some(START_MS + 5 * DAY_MS),
        has_responder: true,
        window_due_ms: Some(START_MS + 2 * DAY_MS),
        ..used()
    };
    let at = |days: u64, facts: &Facts| plan(&one, START_MS + days * DAY_MS, facts);
    assert_eq!(at(0, &facts), Next::Wait(START_MS + DAY_MS));
    assert_eq!(at(1, &facts), Next::Staple);
    assert_eq!(at(5, &facts), Next::Renew);
    let silent = Facts {
        has_responder: false,
        ..facts
    };
    assert_eq!(at(1, &silent), Next::Wait(START_MS + 2 * DAY_MS));
    assert_eq!(at(2, &silent), Next::Window);
    let ended = Facts {
        staple_ends_ms: Some(START_MS),
        ..silent
    };
    assert_eq!(at(1, &ended), Next::Staple);
}

#[test]
fn only_what_was_never_issued_fails_for_good() {
    let pending = certificate("us-east-1/1".to_owned(), START_MS);
    for (kind, reason) in [
        ("caa", Some("CAA_ERROR")),
        ("rejectedIdentifier", Some("DOMAIN_NOT_ALLOWED")),
        ("badCSR", Some("OTHER")),
        ("dns", None),
        ("rateLimited", None),
        ("externalAccountRequired", None),
        ("accountDoesNotExist", None),
    ] {
        let after = order::after_failure(&pending, &rejected(kind), START_MS);
        let expected = reason.map_or(State::Pending, |reason| State::Failed {
            reason: reason.to_owned(),
        });
        assert_eq!(after.state, expected, "{kind}");
        assert_eq!(after.work.failures, 1);
        assert!(after.work.not_before_ms > START_MS);
        assert!(after.work.last_error.contains(kind));
        let mut issued = pending.clone();
        issue(&mut issued, START_MS, 90 * DAY_MS);
        let after = order::after_failure(&issued, &rejected(kind), START_MS);
        assert_eq!(after.state, State::Issued, "{kind}");
    }
}

#[test]
fn an_authority_that_wants_a_renewal_at_once_again_and_again_gets_it_now_and_then() {
    let mut one = certificate("us-east-1/1".to_owned(), START_MS);
    issue(&mut one, START_MS, 90 * DAY_MS);
    one.issued_ms = START_MS;
    let facts = Facts {
        asked_ms: Some(START_MS - DAY_MS),
        ..used()
    };
    let then_ms = START_MS + RENEWED_AGAIN_MS_MIN;
    assert_eq!(plan(&one, START_MS, &facts), Next::Wait(then_ms));
    assert_eq!(plan(&one, then_ms, &facts), Next::Renew);
    // Those that live for less are renewed in time all the same.
    issue(&mut one, START_MS, HOUR_MS);
    assert_eq!(plan(&one, START_MS + 40 * MINUTE_MS, &facts), Next::Renew);
}

#[test]
fn what_is_wrong_with_the_account_is_wrong_for_all_orders() {
    for kind in [
        "invalidContact",
        "unsupportedContact",
        "externalAccountRequired",
    ] {
        assert!(rejected(kind).is_of_server(), "{kind}");
    }
    for kind in ["dns", "unauthorized", "rejectedIdentifier"] {
        assert!(!rejected(kind).is_of_server(), "{kind}");
    }
}

#[test]
fn what_a_failure_says_has_a_bound() {
    let pending = certificate("us-east-1/1".to_owned(), START_MS);
    let long = OrderError::Acme(AcmeError::Unsolvable {
        name: "a.example".to_owned(),
        offered: "\u{e4}".repeat(100_000),
    });
    let after = order::after_failure(&pending, &long, START_MS);
    assert_eq!(after.work.last_error.chars().count(), ERROR_CHARS_MAX);
}
