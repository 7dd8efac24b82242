//! Freshness: for how long a response is kept, and what a stored one may still be used for.
//!
//! Pure: fields, policy and `now` in, decision out. [`judge`] decides when a response arrives,
//! [`state`] when a stored one is looked up, [`merge_304`] when the origin confirms one. Every
//! decision names the [`Rule`] or [`Reason`] behind it, for people who ask why.
//!
//! Where CloudFront and RFC 9111 differ, CloudFront wins: a MinTTL overrides `no-store`, and a
//! stale object outlives a failing origin unless the origin forbade it.

mod cache_control;
mod explain;

use message::{Fields, list_items, parse_http_date};

pub use cache_control::CacheControl;
pub use explain::{Bound, Reason, Rule, Source};

use cache_control::delta_seconds;
use limits::SECS_MAX;

mod limits {
    /// The longest lifetime there is, 100 years: also the largest `max-age` that CloudFront takes.
    pub const SECS_MAX: u64 = 100 * 365 * 86_400;

    /// Field names that `no-cache="…"` may list; with more, it counts for the whole response.
    pub const UNSTORED_FIELDS_MAX: usize = 16;

    // Lifetimes are stored in 32 bits, of which the largest value means "until evicted".
    const _: () = assert!(SECS_MAX < u32::MAX as u64);
}

/// ErrorCachingMinTTL where a distribution does not set it for the status.
pub const ERROR_CACHING_MIN_SECS: u64 = 10;

/// The TTLs of a cache policy. Should they be out of order, the minimum wins over the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TtlBounds {
    /// MinTTL.
    pub min_secs: u64,
    /// DefaultTTL.
    pub default_secs: u64,
    /// MaxTTL.
    pub max_secs: u64,
}

impl TtlBounds {
    /// Whether the policy switches caching off altogether: all three are zero.
    pub fn is_caching_disabled(&self) -> bool {
        self.min_secs == 0 && self.default_secs == 0 && self.max_secs == 0
    }
}

/// Everything besides the response that [`judge`] goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The TTLs of the behavior's cache policy.
    pub bounds: TtlBounds,
    /// ErrorCachingMinTTL of the response's status, or [`ERROR_CACHING_MIN_SECS`].
    pub error_min_secs: u64,
    /// Whether the response came from an S3 origin.
    pub is_s3_origin: bool,
}

/// Whether a response is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Store it, for so long.
    Store(Lifetime),
    /// Do not store it, nor answer anybody else with it.
    DoNotStore(Reason),
}

/// How long a stored response is good for, counted from the moment it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// For how long it is fresh. With 0 it is stored, and revalidated for every request.
    pub fresh_secs: u32,
    /// For how long after that it is served while it is revalidated in the background.
    pub stale_while_revalidate_secs: u32,
    /// Whether it is served after that when the origin fails.
    pub stale_if_error: StaleIfError,
    /// The age that it arrived with, to be added to the `Age` that viewers see.
    pub initial_age_secs: u32,
    /// What decided.
    pub rule: Rule,
}

/// Whether a stale response may be served while the origin fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleIfError {
    /// Never: `stale-if-error=0`, `must-revalidate`, or it is an error itself.
    Forbidden,
    /// For so long after it went stale.
    Seconds(u32),
    /// For as long as it is there: the origin said nothing about it.
    UntilEvicted,
}

impl StaleIfError {
    /// As a number of seconds; [`u32::MAX`] is [`StaleIfError::UntilEvicted`].
    pub fn to_secs(self) -> u32 {
        match self {
            StaleIfError::Forbidden => 0,
            StaleIfError::Seconds(secs) => secs,
            StaleIfError::UntilEvicted => u32::MAX,
        }
    }

    /// The reverse of [`StaleIfError::to_secs`].
    pub fn from_secs(secs: u32) -> StaleIfError {
        match secs {
            0 => StaleIfError::Forbidden,
            u32::MAX => StaleIfError::UntilEvicted,
            secs => StaleIfError::Seconds(secs),
        }
    }
}

/// Decides whether the response to a GET, HEAD or (where the behavior caches it) OPTIONS request
/// is stored, and for how long. `fields` are those the origin sent, before any policy.
pub fn judge(status: u16, fields: &Fields, terms: &Terms, now_secs: u64) -> Verdict {
    if terms.bounds.is_caching_disabled() {
        return Verdict::DoNotStore(Reason::CachingDisabled);
    }
    let directives = CacheControl::parse(fields);
    match status {
        304 => Verdict::DoNotStore(Reason::Status(status)),
        200..=399 => judge_ordinary(fields, &directives, terms, now_secs),
        400..=599 => judge_error(status, fields, &directives, terms, now_secs),
        _ => Verdict::DoNotStore(Reason::Status(status)),
    }
}

/// 2xx and 3xx: the TTL matrix (spec §4.1).
fn judge_ordinary(
    fields: &Fields,
    directives: &CacheControl,
    terms: &Terms,
    now_secs: u64,
) -> Verdict {
    let TtlBounds {
        min_secs,
        default_secs,
        max_secs,
    } = terms.bounds;
    if min_secs == 0 {
        if let Some(reason) = forbids_storing(directives) {
            return Verdict::DoNotStore(reason);
        }
        if varies_on_everything(fields) {
            return Verdict::DoNotStore(Reason::VaryStar);
        }
    }
    let origin_age_secs = origin_age_secs(fields);
    let (secs, source) = if let Some(reason) = forbids_storing(directives) {
        (min_secs, Source::MinTtlDespite(reason))
    } else if let Some((secs, source)) = origin_lifetime(fields, directives, now_secs) {
        (secs, source)
    } else {
        (default_secs, Source::DefaultTtl(default_secs))
    };
    let (secs, bound) = match source {
        Source::DefaultTtl(_) if secs < min_secs => (min_secs, Bound::RaisedToMinTtl(min_secs)),
        Source::DefaultTtl(_) | Source::MinTtlDespite(_) => (secs, Bound::None),
        _ if secs < min_secs => (min_secs, Bound::RaisedToMinTtl(min_secs)),
        _ if secs > max_secs.max(min_secs) => {
            (max_secs.max(min_secs), Bound::LoweredToMaxTtl(max_secs))
        }
        _ => (secs, Bound::None),
    };
    Verdict::Store(Lifetime {
        fresh_secs: capped(secs),
        stale_while_revalidate_secs: stale_while_revalidate_secs(directives, max_secs),
        stale_if_error: stale_if_error(directives, max_secs),
        initial_age_secs: capped(origin_age_secs),
        rule: Rule {
            source,
            bound,
            origin_age_secs,
        },
    })
}

/// 4xx and 5xx (spec §4.5). They are never served stale: the next failure is as good.
fn judge_error(
    status: u16,
    fields: &Fields,
    directives: &CacheControl,
    terms: &Terms,
    now_secs: u64,
) -> Verdict {
    let forbidden = forbids_storing(directives);
    match (status, forbidden) {
        (501, Some(reason)) if terms.is_s3_origin => return Verdict::DoNotStore(reason),
        (404 | 414 | 500..=504, _) => {}
        // CloudFront caches these when the origin sends a max-age. Where it forbids caching in the
        // same breath, we believe the prohibition.
        (400 | 403 | 405 | 412 | 415, Some(reason)) => return Verdict::DoNotStore(reason),
        (400 | 403 | 405 | 412 | 415, None) => {
            if directives
                .max_age_secs
                .or(directives.s_maxage_secs)
                .is_none()
            {
                return Verdict::DoNotStore(Reason::ErrorWithoutMaxAge(status));
            }
        }
        _ => return Verdict::DoNotStore(Reason::Status(status)),
    }
    let min_secs = terms.error_min_secs;
    let from_origin = match forbidden {
        Some(_) => None,
        None => origin_lifetime(fields, directives, now_secs),
    };
    let max_secs = terms.bounds.max_secs;
    let (secs, source, bound) = match from_origin {
        Some((secs, source)) if secs.min(max_secs) < min_secs => {
            (min_secs, source, Bound::RaisedToErrorMinTtl(min_secs))
        }
        Some((secs, source)) if secs > max_secs => {
            (max_secs, source, Bound::LoweredToMaxTtl(max_secs))
        }
        Some((secs, source)) => (secs, source, Bound::None),
        None => (min_secs, Source::ErrorMinTtl(min_secs), Bound::None),
    };
    if secs == 0 {
        return Verdict::DoNotStore(Reason::ErrorTtlZero(status));
    }
    let origin_age_secs = origin_age_secs(fields);
    Verdict::Store(Lifetime {
        fresh_secs: capped(secs),
        stale_while_revalidate_secs: 0,
        stale_if_error: StaleIfError::Forbidden,
        initial_age_secs: capped(origin_age_secs),
        rule: Rule {
            source,
            bound,
            origin_age_secs,
        },
    })
}

/// The first directive that asks not to reuse the response.
fn forbids_storing(directives: &CacheControl) -> Option<Reason> {
    if directives.no_store {
        Some(Reason::NoStore)
    } else if directives.private {
        Some(Reason::Private)
    } else if directives.no_cache {
        Some(Reason::NoCache)
    } else {
        None
    }
}

/// What is left of the lifetime that the origin gave, if it gave one.
fn origin_lifetime(
    fields: &Fields,
    directives: &CacheControl,
    now_secs: u64,
) -> Option<(u64, Source)> {
    let age_secs = origin_age_secs(fields);
    if let Some(secs) = directives.s_maxage_secs {
        return Some((secs.saturating_sub(age_secs), Source::SharedMaxAge(secs)));
    }
    if let Some(secs) = directives.max_age_secs {
        return Some((secs.saturating_sub(age_secs), Source::MaxAge(secs)));
    }
    let Some(expires_secs) = parse_http_date(fields.get("expires")?) else {
        return Some((0, Source::ExpiresInvalid));
    };
    let mut left_secs = expires_secs.saturating_sub(now_secs);
    if age_secs > 0 {
        // The clock of a cache in between says more than ours: what it was given, less its age.
        let date_secs = fields
            .get("date")
            .and_then(parse_http_date)
            .unwrap_or(now_secs);
        left_secs = left_secs.min(
            expires_secs
                .saturating_sub(date_secs)
                .saturating_sub(age_secs),
        );
    }
    Some((left_secs, Source::Expires(expires_secs)))
}

/// The `Age` that a response arrived with; 0 where it has none, or none that is a number.
pub fn origin_age_secs(fields: &Fields) -> u64 {
    let Some(first) = fields.get("age").and_then(|value| list_items(value).next()) else {
        return 0;
    };
    if first.starts_with(b"\"") {
        0
    } else {
        delta_seconds(first).unwrap_or(0)
    }
}

fn varies_on_everything(fields: &Fields) -> bool {
    fields
        .get_all("vary")
        .flat_map(list_items)
        .any(|name| name == b"*")
}

fn forbids_stale(directives: &CacheControl) -> bool {
    directives.must_revalidate || directives.proxy_revalidate
}

fn stale_while_revalidate_secs(directives: &CacheControl, max_secs: u64) -> u32 {
    match directives.stale_while_revalidate_secs {
        Some(secs) if !forbids_stale(directives) => capped(secs.min(max_secs)),
        _ => 0,
    }
}

fn stale_if_error(directives: &CacheControl, max_secs: u64) -> StaleIfError {
    match directives.stale_if_error_secs {
        _ if forbids_stale(directives) => StaleIfError::Forbidden,
        Some(secs) => StaleIfError::from_secs(capped(secs.min(max_secs))),
        None => StaleIfError::UntilEvicted,
    }
}

fn capped(secs: u64) -> u32 {
    secs.min(SECS_MAX) as u32
}

/// What a stored response may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Serve it.
    Fresh {
        /// For so much longer; at least 1.
        remaining_secs: u32,
    },
    /// Serve it, and revalidate it in the background.
    StaleWhileRevalidate,
    /// Revalidate it first.
    Stale {
        /// Whether it may be served when that fails.
        usable_if_error: bool,
    },
}

/// The state of a response that was stored, or last confirmed, at `stored_at_secs`. A clock that
/// went backwards makes nothing older.
#[inline]
pub fn state(
    stored_at_secs: u64,
    fresh_secs: u32,
    stale_while_revalidate_secs: u32,
    stale_if_error: StaleIfError,
    now_secs: u64,
) -> State {
    let elapsed_secs = now_secs.saturating_sub(stored_at_secs);
    let Some(stale_for_secs) = elapsed_secs.checked_sub(u64::from(fresh_secs)) else {
        return State::Fresh {
            remaining_secs: fresh_secs - elapsed_secs as u32,
        };
    };
    if stale_for_secs < u64::from(stale_while_revalidate_secs) {
        return State::StaleWhileRevalidate;
    }
    let usable_if_error = match stale_if_error {
        StaleIfError::Forbidden => false,
        StaleIfError::Seconds(secs) => stale_for_secs < u64::from(secs),
        StaleIfError::UntilEvicted => true,
    };
    State::Stale { usable_if_error }
}

/// The `Age` to show to viewers.
#[inline]
pub fn age_secs(stored_at_secs: u64, initial_age_secs: u32, now_secs: u64) -> u64 {
    now_secs.saturating_sub(stored_at_secs) + u64::from(initial_age_secs)
}

/// Fields of a stored response after a 304 confirmed it (RFC 9111 §3.2): those of the 304 replace
/// the stored ones of the same name, except what describes the stored bytes or the connection.
///
/// An entity tag that differs in strength only keeps its stored form: we may have weakened it
/// when we compressed the body. The stored `Age` is dropped, as age counts from the 304.
pub fn merge_304(stored: &Fields, update: &Fields) -> Fields {
    let is_stored_tag = |name: &[u8], value: &[u8]| {
        name.eq_ignore_ascii_case(b"etag")
            && stored
                .get("etag")
                .is_some_and(|old| crate::conditional::weak_eq(old, value))
    };
    let replaces =
        |name: &[u8], value: &[u8]| !describes_stored_bytes(name) && !is_stored_tag(name, value);
    let mut merged = stored.clone();
    merged.retain(|name, _| {
        !name.eq_ignore_ascii_case(b"age")
            && !update
                .iter()
                .any(|(other, value)| other.eq_ignore_ascii_case(name) && replaces(other, value))
    });
    for (name, value) in update.iter().filter(|(name, value)| replaces(name, value)) {
        merged.push_trusted(name, value);
    }
    merged
}

fn describes_stored_bytes(name: &[u8]) -> bool {
    const KEPT: [&str; 10] = [
        "content-length",
        "content-encoding",
        "content-range",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
    ];
    KEPT.iter()
        .any(|kept| name.eq_ignore_ascii_case(kept.as_bytes()))
}

#[cfg(test)]
mod tests;
