//! How long responses are good for: never longer than the bounds say, and never shorter.

#![no_main]

use cache::freshness::{
    CacheControl, Lifetime, StaleIfError, State, Terms, TtlBounds, Verdict, age_secs, judge,
    merge_304, origin_age_secs, state,
};
use libfuzzer_sys::fuzz_target;
use warmfront_fuzz::{fields, lines, number};

const SECS_MAX: u64 = 100 * 365 * 86_400;

fuzz_target!(|data: &[u8]| {
    let ([status, min, default, max, error_min, now], rest) = lines::<6>(data);
    let bounds = TtlBounds {
        min_secs: number(min),
        default_secs: number(default),
        max_secs: number(max),
    };
    let status = number(status) as u16;
    let error_min_secs = number(error_min);
    let now_secs = number(now);
    let response = fields(rest);
    for is_s3_origin in [false, true] {
        let terms = Terms {
            bounds,
            error_min_secs,
            is_s3_origin,
        };
        let Verdict::Store(lifetime) = judge(status, &response, &terms, now_secs) else {
            continue;
        };
        assert!(!bounds.is_caching_disabled());
        check_bounds(status, &terms, &lifetime);
        check_states(&lifetime, now_secs.min(u64::MAX / 2));
    }
    let _ = CacheControl::parse(&response).stores_field(b"set-cookie");
    let _ = origin_age_secs(&response);
    let merged = merge_304(&response, &response);
    assert_eq!(merged.contains("etag"), response.contains("etag"));
    for (name, value) in merged.iter() {
        assert!(response.iter().any(|field| field == (name, value)));
    }
});

fn check_bounds(status: u16, terms: &Terms, lifetime: &Lifetime) {
    let TtlBounds {
        min_secs,
        default_secs,
        max_secs,
    } = terms.bounds;
    let fresh_secs = u64::from(lifetime.fresh_secs);
    assert!(fresh_secs <= SECS_MAX);
    let longest = min_secs.max(default_secs).max(max_secs);
    if (200..400).contains(&status) {
        assert!(fresh_secs <= longest, "{lifetime:?} by {terms:?}");
        assert!(
            fresh_secs >= min_secs.min(SECS_MAX),
            "{lifetime:?} by {terms:?}"
        );
    } else {
        assert!((400..600).contains(&status));
        assert!(
            fresh_secs <= longest.max(terms.error_min_secs),
            "{lifetime:?} by {terms:?}"
        );
    }
}

/// As time goes by a response only gets worse.
fn check_states(lifetime: &Lifetime, stored_at_secs: u64) {
    let at = |elapsed_secs: u64| {
        state(
            stored_at_secs,
            lifetime.fresh_secs,
            lifetime.stale_while_revalidate_secs,
            lifetime.stale_if_error,
            stored_at_secs.saturating_add(elapsed_secs),
        )
    };
    let rank = |state: State| match state {
        State::Fresh { remaining_secs } => {
            assert!(remaining_secs > 0 && remaining_secs <= lifetime.fresh_secs);
            0
        }
        State::StaleWhileRevalidate => 1,
        State::Stale {
            usable_if_error: true,
        } => 2,
        State::Stale {
            usable_if_error: false,
        } => 3,
    };
    let fresh_secs = u64::from(lifetime.fresh_secs);
    let steps = [
        0,
        1,
        fresh_secs.saturating_sub(1),
        fresh_secs,
        fresh_secs + 1,
        fresh_secs + 60,
    ];
    let mut steps = steps.map(|secs| (secs, rank(at(secs))));
    steps.sort_unstable();
    assert!(
        steps.is_sorted_by_key(|(_, rank)| *rank),
        "{steps:?} {lifetime:?}"
    );
    let secs = lifetime.stale_if_error.to_secs();
    assert_eq!(StaleIfError::from_secs(secs).to_secs(), secs);
    let age = age_secs(
        stored_at_secs,
        lifetime.initial_age_secs,
        stored_at_secs + 5,
    );
    assert_eq!(age, 5 + u64::from(lifetime.initial_age_secs));
}
