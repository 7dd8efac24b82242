use super::*;
use proptest::prelude::*;

const NOW: u64 = 1_800_000_000;
const ZERO_MIN: TtlBounds = TtlBounds {
    min_secs: 0,
    default_secs: 86_400,
    max_secs: 31_536_000,
};
const MIN_300: TtlBounds = TtlBounds {
    min_secs: 300,
    default_secs: 600,
    max_secs: 3_600,
};

fn terms(bounds: TtlBounds) -> Terms {
    Terms {
        bounds,
        error_min_secs: 10,
        is_s3_origin: false,
    }
}

fn judged(status: u16, pairs: &[(&str, &str)], bounds: TtlBounds) -> Verdict {
    judge(
        status,
        &pairs.iter().copied().collect(),
        &terms(bounds),
        NOW,
    )
}

fn lifetime(status: u16, pairs: &[(&str, &str)], bounds: TtlBounds) -> Lifetime {
    match judged(status, pairs, bounds) {
        Verdict::Store(lifetime) => lifetime,
        Verdict::DoNotStore(reason) => panic!("{pairs:?} is not stored: {reason}"),
    }
}

fn fresh_secs(pairs: &[(&str, &str)], bounds: TtlBounds) -> u32 {
    lifetime(200, pairs, bounds).fresh_secs
}

fn reason(status: u16, pairs: &[(&str, &str)], bounds: TtlBounds) -> Reason {
    match judged(status, pairs, bounds) {
        Verdict::DoNotStore(reason) => reason,
        Verdict::Store(lifetime) => panic!("{pairs:?} is stored: {lifetime:?}"),
    }
}

fn date(secs: u64) -> String {
    message::format_http_date(secs)
}

#[test]
fn the_ttl_matrix_holds() {
    let past = date(NOW - 5);
    let soon = date(NOW + 60);
    let in_an_hour = date(NOW + 4_000);
    for (pairs, zero_min, min_300) in [
        (&[][..], 86_400, 600),
        (&[("Cache-Control", "public, must-understand")], 86_400, 600),
        (&[("Cache-Control", "max-age=60")], 60, 300),
        (&[("Cache-Control", "max-age=4000")], 4_000, 3_600),
        (
            &[("Cache-Control", "max-age=99999999999")],
            31_536_000,
            3_600,
        ),
        (&[("Cache-Control", "max-age=60, s-maxage=700")], 700, 700),
        (
            &[("Cache-Control", "max-age=60"), ("Expires", &*in_an_hour)],
            60,
            300,
        ),
        (&[("Expires", &*soon)], 60, 300),
        (&[("Expires", &*in_an_hour)], 4_000, 3_600),
        (&[("Expires", &*past)], 0, 300),
        (&[("Expires", "0")], 0, 300),
        (&[("Cache-Control", "max-age=0")], 0, 300),
        (&[("Cache-Control", "max-age=60, s-maxage=0")], 0, 300),
        (&[("Cache-Control", "no-cache=\"Set-Cookie\"")], 86_400, 600),
    ] {
        assert_eq!(
            fresh_secs(pairs, ZERO_MIN),
            zero_min,
            "{pairs:?} with MinTTL 0"
        );
        assert_eq!(
            fresh_secs(pairs, MIN_300),
            min_300,
            "{pairs:?} with MinTTL 300"
        );
    }
}

#[test]
fn prohibitions_count_with_min_ttl_zero_only() {
    for (value, want) in [
        ("no-store", Reason::NoStore),
        ("private, max-age=60", Reason::Private),
        ("no-cache, s-maxage=60", Reason::NoCache),
    ] {
        let pairs = [("Cache-Control", value)];
        assert_eq!(reason(200, &pairs, ZERO_MIN), want);
        let stored = lifetime(200, &pairs, MIN_300);
        assert_eq!(stored.fresh_secs, 300);
        assert_eq!(stored.rule.source, Source::MinTtlDespite(want));
    }
    assert_eq!(reason(200, &[("Vary", "a, *")], ZERO_MIN), Reason::VaryStar);
    assert_eq!(fresh_secs(&[("Vary", "*")], MIN_300), 600);
}

#[test]
fn a_default_ttl_is_not_bounded_by_the_maximum_but_by_the_minimum() {
    let bounds = TtlBounds {
        min_secs: 50,
        default_secs: 20,
        max_secs: 60,
    };
    assert_eq!(fresh_secs(&[], bounds), 50);
    let bounds = TtlBounds {
        min_secs: 0,
        default_secs: 200,
        max_secs: 200,
    };
    assert_eq!(fresh_secs(&[], bounds), 200);
    let out_of_order = TtlBounds {
        min_secs: 50,
        default_secs: 20,
        max_secs: 10,
    };
    assert_eq!(
        fresh_secs(&[("Cache-Control", "max-age=70")], out_of_order),
        50
    );
}

#[test]
fn a_disabled_policy_stores_nothing_and_no_errors_either() {
    let disabled = TtlBounds {
        min_secs: 0,
        default_secs: 0,
        max_secs: 0,
    };
    for status in [200, 404, 503] {
        let pairs = [("Cache-Control", "max-age=60")];
        assert_eq!(reason(status, &pairs, disabled), Reason::CachingDisabled);
    }
}

#[test]
fn redirects_and_parts_follow_the_ordinary_rules_and_304_is_no_response() {
    for status in [201, 204, 206, 301, 302, 307, 308] {
        assert_eq!(lifetime(status, &[], ZERO_MIN).fresh_secs, 86_400);
    }
    for status in [100, 101, 304, 416, 401, 410, 429, 505, 600, 0] {
        let pairs = [("Cache-Control", "max-age=60")];
        assert_eq!(reason(status, &pairs, ZERO_MIN), Reason::Status(status));
    }
}

#[test]
fn errors_are_kept_for_the_error_minimum_or_longer() {
    for status in [404, 414, 500, 501, 502, 503, 504] {
        assert_eq!(lifetime(status, &[], MIN_300).fresh_secs, 10);
        let max_age = |value| lifetime(status, &[("Cache-Control", value)], MIN_300).fresh_secs;
        assert_eq!(max_age("max-age=5"), 10);
        assert_eq!(max_age("max-age=60"), 60);
        assert_eq!(max_age("s-maxage=9999"), 3_600);
        assert_eq!(max_age("no-store, max-age=60"), 10);
    }
    for status in [400, 403, 405, 412, 415] {
        assert_eq!(
            reason(status, &[], MIN_300),
            Reason::ErrorWithoutMaxAge(status)
        );
        let expires = date(NOW + 60);
        let want = Reason::ErrorWithoutMaxAge(status);
        assert_eq!(reason(status, &[("Expires", &expires)], MIN_300), want);
        let pairs = [("Cache-Control", "max-age=60")];
        assert_eq!(lifetime(status, &pairs, MIN_300).fresh_secs, 60);
        let pairs = [("Cache-Control", "private, max-age=60")];
        assert_eq!(reason(status, &pairs, MIN_300), Reason::Private);
    }
}

#[test]
fn an_error_minimum_of_zero_stores_only_what_the_origin_gave_a_lifetime() {
    let terms = Terms {
        error_min_secs: 0,
        ..terms(ZERO_MIN)
    };
    let judged = |value: &str| {
        judge(
            404,
            &[("Cache-Control", value)].into_iter().collect(),
            &terms,
            NOW,
        )
    };
    assert_eq!(judged("x"), Verdict::DoNotStore(Reason::ErrorTtlZero(404)));
    assert_eq!(
        judged("max-age=0"),
        Verdict::DoNotStore(Reason::ErrorTtlZero(404))
    );
    assert!(matches!(
        judged("max-age=7"),
        Verdict::Store(Lifetime { fresh_secs: 7, .. })
    ));
}

#[test]
fn s3_may_forbid_to_store_its_501() {
    let fields = [("Cache-Control", "no-cache")].into_iter().collect();
    let s3 = Terms {
        is_s3_origin: true,
        ..terms(MIN_300)
    };
    assert_eq!(
        judge(501, &fields, &s3, NOW),
        Verdict::DoNotStore(Reason::NoCache)
    );
    assert!(matches!(
        judge(501, &fields, &terms(MIN_300), NOW),
        Verdict::Store(_)
    ));
}

#[test]
fn an_age_from_the_origin_counts_against_what_it_gave_and_nothing_else() {
    let with_age = |pairs: &[(&'static str, &'static str)], age: &'static str| {
        let mut pairs = pairs.to_vec();
        pairs.push(("Age", age));
        lifetime(200, &pairs, ZERO_MIN)
    };
    let max_age = [("Cache-Control", "max-age=60")];
    assert_eq!(with_age(&max_age, "20").fresh_secs, 40);
    assert_eq!(with_age(&max_age, "20").initial_age_secs, 20);
    assert_eq!(with_age(&max_age, "99").fresh_secs, 0);
    assert_eq!(with_age(&[], "99").fresh_secs, 86_400);
    assert_eq!(with_age(&max_age, "20, 50").fresh_secs, 40);
    for garbage in ["-1", "x", "", "1.5", "\"20\""] {
        assert_eq!(with_age(&max_age, garbage).fresh_secs, 60, "{garbage}");
    }
}

#[test]
fn an_age_beside_expires_is_not_counted_twice() {
    let at = |date_secs: u64| {
        let pairs = [
            ("Expires", date(NOW + 60)),
            ("Date", date(date_secs)),
            ("Age", "20".into()),
        ];
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        fresh_secs(&pairs, ZERO_MIN)
    };
    assert_eq!(at(NOW - 20), 60);
    assert_eq!(at(NOW), 40);
}

#[test]
fn stale_directives_are_capped_by_the_maximum_and_silenced_by_must_revalidate() {
    let stale = |value: &str| {
        let stored = lifetime(200, &[("Cache-Control", value)], MIN_300);
        (stored.stale_while_revalidate_secs, stored.stale_if_error)
    };
    assert_eq!(stale("x"), (0, StaleIfError::UntilEvicted));
    assert_eq!(
        stale("stale-while-revalidate=9, stale-if-error=8"),
        (9, StaleIfError::Seconds(8))
    );
    assert_eq!(
        stale("stale-while-revalidate=99999, stale-if-error=99999"),
        (3_600, StaleIfError::Seconds(3_600))
    );
    assert_eq!(stale("stale-if-error=0"), (0, StaleIfError::Forbidden));
    assert_eq!(
        stale("must-revalidate, stale-while-revalidate=9"),
        (0, StaleIfError::Forbidden)
    );
    assert_eq!(
        stale("proxy-revalidate, stale-if-error=9"),
        (0, StaleIfError::Forbidden)
    );
    let error = lifetime(
        404,
        &[("Cache-Control", "stale-while-revalidate=9")],
        MIN_300,
    );
    assert_eq!(
        (error.stale_while_revalidate_secs, error.stale_if_error),
        (0, StaleIfError::Forbidden)
    );
}

#[test]
fn a_stored_response_goes_from_fresh_to_stale_to_unusable() {
    let at = |now| state(100, 10, 5, StaleIfError::Seconds(20), now);
    assert_eq!(at(90), State::Fresh { remaining_secs: 10 });
    assert_eq!(at(109), State::Fresh { remaining_secs: 1 });
    assert_eq!(at(110), State::StaleWhileRevalidate);
    assert_eq!(at(114), State::StaleWhileRevalidate);
    assert_eq!(
        at(115),
        State::Stale {
            usable_if_error: true
        }
    );
    assert_eq!(
        at(129),
        State::Stale {
            usable_if_error: true
        }
    );
    assert_eq!(
        at(130),
        State::Stale {
            usable_if_error: false
        }
    );
    let forever = state(100, 0, 0, StaleIfError::UntilEvicted, u64::MAX);
    assert_eq!(
        forever,
        State::Stale {
            usable_if_error: true
        }
    );
    assert_eq!(age_secs(100, 7, 110), 17);
    for secs in [0, 1, u32::MAX] {
        assert_eq!(StaleIfError::from_secs(secs).to_secs(), secs);
    }
}

#[test]
fn rules_and_reasons_explain_themselves() {
    let text = |pairs: &[(&str, &str)]| lifetime(200, pairs, MIN_300).rule.to_string();
    assert_eq!(
        text(&[("Cache-Control", "max-age=60")]),
        "max-age=60 from the origin, raised to MinTTL 300"
    );
    assert_eq!(
        text(&[("Cache-Control", "s-maxage=9000"), ("Age", "5")]),
        "s-maxage=9000 from the origin, less the Age of 5 it sent, lowered to MaxTTL 3600"
    );
    assert_eq!(
        text(&[]),
        "the origin gave no lifetime, so DefaultTTL 600 applies"
    );
    assert_eq!(
        text(&[("Cache-Control", "private")]),
        "MinTTL overrides private from the origin"
    );
    assert_eq!(
        reason(200, &[("Cache-Control", "no-store")], ZERO_MIN).to_string(),
        "no-store from the origin"
    );
}

#[test]
fn a_304_replaces_what_it_names_and_nothing_that_describes_the_stored_bytes() {
    let stored: Fields = [
        ("Content-Type", "text/html"),
        ("Content-Encoding", "br"),
        ("ETag", "W/\"a\""),
        ("Cache-Control", "max-age=1"),
        ("Age", "9"),
        ("X-A", "1"),
        ("x-a", "2"),
        ("X-B", "1"),
    ]
    .into_iter()
    .collect();
    let update: Fields = [
        ("etag", "\"a\""),
        ("cache-control", "max-age=2"),
        ("Content-Length", "0"),
        ("Content-Encoding", "gzip"),
        ("X-a", "3"),
        ("X-C", "4"),
    ]
    .into_iter()
    .collect();
    assert_eq!(
        String::from_utf8_lossy(merge_304(&stored, &update).as_wire()),
        "Content-Type: text/html\r\nContent-Encoding: br\r\nETag: W/\"a\"\r\nX-B: 1\r\n\
         cache-control: max-age=2\r\nX-a: 3\r\nX-C: 4\r\n"
    );
    let other: Fields = [("ETag", "\"b\"")].into_iter().collect();
    assert_eq!(merge_304(&stored, &other).get("etag"), Some(&b"\"b\""[..]));
}

fn any_directive() -> impl Strategy<Value = String> {
    let number = prop_oneof![0u64..5_000, any::<u64>()];
    prop_oneof![
        number.clone().prop_map(|secs| format!("max-age={secs}")),
        number.prop_map(|secs| format!("s-maxage={secs}")),
        prop::sample::select(vec![
            "no-store",
            "no-cache",
            "private",
            "public",
            "max-age=-1"
        ])
        .prop_map(String::from),
        "[a-z-]{1,8}(=\"?[0-9a-z]{0,3}\"?)?",
    ]
}

proptest! {
    #[test]
    fn lifetimes_stay_within_the_policy(
        directives in prop::collection::vec(any_directive(), 0..4),
        expires in prop::option::of(0u64..2 * NOW),
        age in prop::option::of(any::<u32>()),
        (min_secs, more, most) in (0u64..4_000, 0u64..4_000, 0u64..4_000),
        status in prop::sample::select(vec![200u16, 206, 301, 404, 403, 503]),
    ) {
        let bounds = TtlBounds {
            min_secs, default_secs: min_secs + more, max_secs: min_secs + more + most
        };
        let mut fields = Fields::new();
        directives.iter().for_each(|one| fields.push(b"Cache-Control", one.as_bytes()));
        if let Some(secs) = expires { fields.push(b"Expires", date(secs).as_bytes()); }
        if let Some(secs) = age { fields.push_number(b"Age", u64::from(secs)); }
        match judge(status, &fields, &terms(bounds), NOW) {
            Verdict::Store(stored) if status < 400 => {
                let secs = u64::from(stored.fresh_secs);
                prop_assert!(secs >= min_secs);
                prop_assert!(secs <= bounds.max_secs, "{:?}", stored);
                if let Source::DefaultTtl(_) = stored.rule.source {
                    prop_assert_eq!(secs, bounds.default_secs);
                }
            }
            Verdict::Store(stored) => {
                let secs = u64::from(stored.fresh_secs);
                prop_assert!(secs >= 10 && secs <= bounds.max_secs.max(10));
            }
            Verdict::DoNotStore(_) => {
                let disabled = bounds.is_caching_disabled();
                prop_assert!(min_secs == 0 || status == 403 || disabled);
            }
        }
    }

    #[test]
    fn a_304_merge_keeps_every_name(
        stored in prop::collection::vec(("[A-Ca-c]{1,2}", "[a-z]{0,3}"), 0..6),
        update in prop::collection::vec(("[A-Ca-c]{1,2}", "[a-z]{0,3}"), 0..6),
    ) {
        let (stored, update): (Fields, Fields) =
            (stored.into_iter().collect(), update.into_iter().collect());
        let merged = merge_304(&stored, &update);
        for (name, _) in stored.iter().chain(update.iter()) {
            let name = std::str::from_utf8(name).unwrap();
            let source = if update.contains(name) { &update } else { &stored };
            prop_assert_eq!(
                merged.get_all(name).collect::<Vec<_>>(), source.get_all(name).collect::<Vec<_>>()
            );
        }
    }
}
