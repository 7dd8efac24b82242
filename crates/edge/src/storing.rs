//! What an origin's response is to the store: for how long, under which key, in which form.

use cache::freshness::{self, StaleIfError, Terms, Verdict};
use cache::object::{Meta, Object, ObjectFlags, ObjectKind};
use cache::vary::{self, VaryRule};
use message::{Fields, Method, ResponseHead, list_items};

use crate::compress::{self, Coding};
use crate::exchange::Exchange;
use crate::limits;
use crate::lookup::{Lookup, head_key, variant_key};
use crate::prepare;
use crate::respond::{RANGES, WEAKENED};
use crate::worker::Worker;

/// Whether a response may be stored, and for how long.
pub(crate) fn judge(
    exchange: &Exchange<'_>,
    status: u16,
    fields: &Fields,
    now_secs: u64,
) -> Verdict {
    let site = &exchange.served.site;
    let behavior = exchange.behavior();
    let terms = Terms {
        bounds: behavior.ttl,
        error_min_secs: site.error_min_secs(status),
        is_s3_origin: site.origins[behavior.target.primary()].is_s3,
    };
    freshness::judge(status, fields, &terms, now_secs)
}

/// Notes how long a response is good for, from now on.
pub(crate) fn set_lifetime(meta: &mut Meta, lifetime: &freshness::Lifetime, now_secs: u64) {
    meta.stored_at_secs = now_secs as u32;
    meta.fresh_secs = lifetime.fresh_secs;
    meta.stale_while_revalidate_secs = lifetime.stale_while_revalidate_secs;
    meta.stale_if_error_secs = lifetime.stale_if_error.to_secs();
    meta.initial_age_secs = lifetime.initial_age_secs;
}

/// A stale response counts as fresh for a pause, within the time that it may be served stale.
/// What the pause takes is gone from that time, so that pauses do not prolong it.
pub(crate) fn with_pause(mut meta: Meta, now_secs: u64, pause_secs: u64) -> Meta {
    let elapsed_secs = now_secs.saturating_sub(u64::from(meta.stored_at_secs));
    let expired_for_secs = elapsed_secs.saturating_sub(u64::from(meta.fresh_secs));
    let left = |secs: u32| u64::from(secs).saturating_sub(expired_for_secs);
    let revalidate_secs = left(meta.stale_while_revalidate_secs);
    let error_secs = match StaleIfError::from_secs(meta.stale_if_error_secs) {
        StaleIfError::UntilEvicted => None,
        StaleIfError::Forbidden => Some(0),
        StaleIfError::Seconds(secs) => Some(left(secs)),
    };
    let pause_secs = match error_secs {
        None => pause_secs,
        Some(error_secs) => pause_secs.min(error_secs.max(revalidate_secs)),
    };
    // Another flight may have paused it a moment ago: never shorter than it is fresh already.
    let paused_secs = u32::try_from(elapsed_secs + pause_secs).unwrap_or(u32::MAX);
    meta.fresh_secs = meta.fresh_secs.max(paused_secs);
    meta.stale_while_revalidate_secs = revalidate_secs.saturating_sub(pause_secs) as u32;
    meta.stale_if_error_secs = match error_secs {
        None => u32::MAX,
        Some(secs) => secs.saturating_sub(pause_secs) as u32,
    };
    meta
}

/// The names that a response's variants differ by: those in `Vary` that reach the origin and are
/// not in the key anyway.
pub(crate) fn varies_on(exchange: &Exchange<'_>, fields: &Fields) -> Vec<String> {
    let (behavior, method) = (exchange.behavior(), exchange.request.method);
    let forwarded = |name: &str| behavior.forward.forwards(name, method);
    match vary::relevant(fields, forwarded, |name| behavior.key.has_header(name)) {
        VaryRule::None => Vec::new(),
        VaryRule::On(names) | VaryRule::Star(names) => {
            names.iter().map(|n| n.to_string()).collect()
        }
    }
}

/// The key to store under. Where the response varies, a marker under the request's own key says
/// by what.
pub(crate) fn store_key(
    worker: &Worker,
    exchange: &Exchange<'_>,
    found: &Lookup,
    names: &[String],
    revision: u64,
) -> cache::key::CacheKey {
    let key = if names.is_empty() {
        found.base
    } else {
        let mut meta = Meta::new(found.base);
        meta.kind = ObjectKind::VaryMarker;
        meta.scope = exchange.served.site.scope;
        meta.revision = revision;
        let extra = names.join(",");
        let path = prepare::path(exchange);
        if let Ok(marker) = Object::new(&meta, &path, extra.as_bytes(), b"", &[]) {
            worker.shared.store.insert(marker);
        }
        variant_key(worker, exchange, found.base, names)
    };
    if exchange.request.method == Method::Head {
        head_key(worker, key)
    } else {
        key
    }
}

/// The response's cache tags, by which it can be invalidated: `a,b`, in lower case (spec §8.5).
pub(crate) fn tags_of(exchange: &Exchange<'_>, fields: &Fields) -> Vec<u8> {
    let Some(name) = &exchange.served.site.cache_tag else {
        return Vec::new();
    };
    let is_tag = |tag: &&[u8]| {
        !tag.is_empty()
            && tag.len() <= limits::CACHE_TAG_BYTES_MAX
            && tag.iter().all(u8::is_ascii_graphic)
    };
    let tags: Vec<Vec<u8>> = fields
        .get_all(name)
        .flat_map(list_items)
        .filter(is_tag)
        .take(limits::CACHE_TAGS_MAX)
        .map(<[u8]>::to_ascii_lowercase)
        .collect();
    tags.join(&b","[..])
}

/// What is noted of a response as the origin sent it.
pub(crate) fn flags_of(
    exchange: &Exchange<'_>,
    head: &ResponseHead,
    coding: Option<Coding>,
) -> ObjectFlags {
    let mut flags = ObjectFlags::NONE;
    if head.status >= 400 {
        flags = flags.with(ObjectFlags::ERROR);
    }
    if coding.is_some() {
        flags = flags.with(ObjectFlags::COMPRESSED);
    }
    if exchange.request.method == Method::Head {
        flags = flags.with(ObjectFlags::HEAD_ONLY);
    }
    let serves_ranges = head
        .fields
        .get_all("accept-ranges")
        .any(|value| value.eq_ignore_ascii_case(b"bytes"));
    if coding.is_none() && serves_ranges && head.status == 200 && has_range_validator(&head.fields)
    {
        flags = flags.with(RANGES);
    }
    if coding.is_some() && has_strong_etag(&head.fields) {
        flags = flags.with(WEAKENED);
    }
    flags
}

/// Whether parts that come one by one can be told to be of one representation.
pub(crate) fn has_range_validator(fields: &Fields) -> bool {
    has_strong_etag(fields) || fields.contains("last-modified")
}

fn has_strong_etag(fields: &Fields) -> bool {
    fields
        .get("etag")
        .is_some_and(|etag| etag.starts_with(b"\""))
}

/// Whether, and how, an answer is compressed here.
pub(crate) fn coding_for(
    exchange: &Exchange<'_>,
    head: &ResponseHead,
    length: Option<u64>,
) -> Option<Coding> {
    let behavior = exchange.behavior();
    if !behavior.compress
        || exchange.request.method != Method::Get
        || !compress::eligible(head, length)
    {
        return None;
    }
    match exchange.encodings {
        encodings if encodings.brotli => Some(Coding::Brotli),
        encodings if encodings.gzip => Some(Coding::Gzip),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::state_of;
    use cache::freshness::State;
    use cache::key::CacheKey;

    fn meta(fresh_secs: u32, stale_if_error_secs: u32) -> Meta {
        let mut meta = Meta::new(CacheKey::from_bits(1));
        meta.stored_at_secs = 1_000;
        meta.fresh_secs = fresh_secs;
        meta.stale_if_error_secs = stale_if_error_secs;
        meta
    }

    #[test]
    fn a_pause_makes_a_stale_response_fresh_for_so_long() {
        let paused = with_pause(meta(10, Meta::UNTIL_EVICTED), 1_100, 10);
        assert_eq!(state_of(&paused, 1_109), State::Fresh { remaining_secs: 1 });
        assert_eq!(
            state_of(&paused, 1_110),
            State::Stale {
                usable_if_error: true
            }
        );
    }

    #[test]
    fn a_pause_leaves_the_rest_of_the_time_to_revalidate() {
        let mut stale = meta(10, 0);
        stale.stale_while_revalidate_secs = 60;
        let paused = with_pause(stale, 1_020, 10);
        assert_eq!(state_of(&paused, 1_029), State::Fresh { remaining_secs: 1 });
        assert_eq!(state_of(&paused, 1_030), State::StaleWhileRevalidate);
        assert_eq!(state_of(&paused, 1_069), State::StaleWhileRevalidate);
        assert!(matches!(state_of(&paused, 1_070), State::Stale { .. }));
    }

    #[test]
    fn pauses_do_not_prolong_the_time_that_stale_is_allowed() {
        let mut paused = meta(10, 60);
        for now_secs in [1_015, 1_030, 1_045, 1_060, 1_069] {
            paused = with_pause(paused, now_secs, 10);
        }
        assert_eq!(state_of(&paused, 1_069), State::Fresh { remaining_secs: 1 });
        assert_eq!(
            state_of(&paused, 1_070),
            State::Stale {
                usable_if_error: false
            }
        );
    }
}
