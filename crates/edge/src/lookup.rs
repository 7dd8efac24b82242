//! Finding the stored response of an exchange.

use cache::freshness::{self, StaleIfError, State};
use cache::key::CacheKey;
use cache::object::{Meta, Object, ObjectKind};
use cache::vary;
use message::Method;

use crate::exchange::Exchange;
use crate::worker::Worker;

/// What the store has for an exchange.
pub(crate) struct Lookup {
    /// The key of the request.
    pub base: CacheKey,
    /// The key that its answer is stored under: of the variant, if the response varies.
    pub key: CacheKey,
    /// The stored response, fresh or not.
    pub found: Option<(Object, State)>,
}

/// Looks an exchange up: its key, then its variant if there is a marker, then, for HEAD, an answer
/// to an earlier HEAD.
#[inline]
pub(crate) fn lookup(worker: &Worker, exchange: &Exchange<'_>) -> Lookup {
    let base = exchange.key(worker);
    let mut lookup = Lookup {
        base,
        key: base,
        found: None,
    };
    let mut object = worker.shared.store.get(&base);
    if let Some(marker) = object
        .as_ref()
        .filter(|o| o.kind() == ObjectKind::VaryMarker)
    {
        let names = marker_names(marker);
        lookup.key = variant_key(worker, exchange, base, &names);
        object = worker.shared.store.get(&lookup.key);
    }
    let now_secs = exchange.now_secs();
    let with_state = |object: Object| {
        let state = state_of(&object.meta(), now_secs);
        (object, state)
    };
    lookup.found = object.map(with_state);
    let is_fresh = matches!(lookup.found, Some((_, State::Fresh { .. })));
    if exchange.request.method == Method::Head && !is_fresh {
        let key = head_key(worker, lookup.key);
        let answer = worker.shared.store.get(&key).map(with_state);
        let is_better = matches!(answer, Some((_, State::Fresh { .. })));
        if lookup.found.is_none() || is_better {
            lookup.key = key;
            lookup.found = answer;
        }
    }
    lookup
}

/// The state of a stored response.
#[inline]
pub(crate) fn state_of(meta: &Meta, now_secs: u64) -> State {
    freshness::state(
        u64::from(meta.stored_at_secs),
        meta.fresh_secs,
        meta.stale_while_revalidate_secs,
        StaleIfError::from_secs(meta.stale_if_error_secs),
        now_secs,
    )
}

/// The names that the responses under a marker vary on.
pub(crate) fn marker_names(marker: &Object) -> Vec<String> {
    let text = String::from_utf8_lossy(marker.extra());
    text.split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The key of the variant that this exchange gets: by the values as they are forwarded.
pub(crate) fn variant_key(
    worker: &Worker,
    exchange: &Exchange<'_>,
    base: CacheKey,
    names: &[String],
) -> CacheKey {
    worker
        .shared
        .hasher
        .variant(base, &variant_material(worker, exchange, names))
}

/// The values that a response varies on, as this exchange forwards them.
pub(crate) fn variant_material(
    worker: &Worker,
    exchange: &Exchange<'_>,
    names: &[String],
) -> Vec<u8> {
    let forward = &exchange.behavior().forward;
    let source = exchange.forward_source(worker);
    let values: Vec<(&str, Option<Vec<u8>>)> = names
        .iter()
        .map(|name| (name.as_str(), forward.forwarded_value(name, source)))
        .collect();
    vary::material(names, |wanted| {
        values
            .iter()
            .find(|(name, _)| *name == wanted)
            .and_then(|(_, value)| value.as_deref())
    })
}

/// Answers to HEAD are stored apart from those to GET, since they lack a body.
pub(crate) fn head_key(worker: &Worker, key: CacheKey) -> CacheKey {
    worker.shared.hasher.variant(key, b"HEAD")
}
