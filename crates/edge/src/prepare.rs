//! Origin responses made ready for viewers and for the store (spec §3.9).

use cache::freshness::CacheControl;
use message::{Fields, HOP_BY_HOP, Method, has_name, list_items};

use crate::exchange::Exchange;
use crate::names::select_query;
use crate::site::Behavior;

/// Removes what belongs to the connection with the origin, or is set anew on each reply.
pub(crate) fn hop_by_hop(fields: &mut Fields) {
    const REMOVED: &[&str] = &["content-length", "x-cache", "x-amz-cf-id", "age"];
    let named: Vec<Vec<u8>> = fields
        .get_all("connection")
        .flat_map(list_items)
        .map(<[u8]>::to_ascii_lowercase)
        .collect();
    fields.retain(|name, _| {
        !has_name(HOP_BY_HOP, name)
            && !has_name(REMOVED, name)
            && !named
                .iter()
                .any(|removed| name.eq_ignore_ascii_case(removed))
    });
}

/// For a viewer, straight from the origin.
pub(crate) fn for_viewer(exchange: &Exchange<'_>, fields: &mut Fields) {
    hop_by_hop(fields);
    let forward = &exchange.behavior().forward;
    if forward.cookies.is_none() {
        fields.remove("set-cookie");
    }
    reduce_vary(exchange, fields);
    if !fields.contains("date") {
        fields.push_with(b"Date", |out| {
            message::write_http_date(exchange.now_secs(), out)
        });
    }
}

/// For the store, and for all who follow. Gives the fields that are for nobody but the viewer whom
/// the response was fetched for.
pub(crate) fn for_store(exchange: &Exchange<'_>, fields: &mut Fields) -> Fields {
    let directives = CacheControl::parse(fields);
    for_viewer(exchange, fields);
    let mut unstored = Fields::new();
    fields.retain(|name, value| {
        let is_stored =
            directives.stores_field(name) && !name.eq_ignore_ascii_case(b"server-timing");
        if !is_stored {
            unstored.push_trusted(name, value);
        }
        is_stored
    });
    unstored
}

/// What an answer to HEAD says of the length that GET would have. Its own is 0.
pub(crate) fn length_of_head(exchange: &Exchange<'_>, fields: &Fields) -> Option<u64> {
    if exchange.request.method != Method::Head {
        return None;
    }
    let length = std::str::from_utf8(fields.get("content-length")?).ok()?;
    length.trim().parse().ok()
}

/// What invalidations match: the path, and the part of the query that is in the key.
pub(crate) fn path(exchange: &Exchange<'_>) -> Vec<u8> {
    let query = exchange.request.query();
    banned_path(exchange.behavior(), exchange.path, query)
}

/// The same, for a request that has not become an exchange.
pub(crate) fn banned_path(behavior: &Behavior, path: &[u8], query: Option<&[u8]>) -> Vec<u8> {
    let mut path = path.to_vec();
    let length = path.len();
    path.push(b'?');
    select_query(&behavior.key.query, query, &mut path);
    if path.len() == length + 1 {
        path.pop();
    }
    path
}

/// `Vary` names only what reached the origin, and what the edge itself chose by: other fields
/// made no difference, and must not split viewers' own caches.
fn reduce_vary(exchange: &Exchange<'_>, fields: &mut Fields) {
    if !fields.contains("vary") {
        return;
    }
    let (behavior, method) = (exchange.behavior(), exchange.request.method);
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for name in fields.get_all("vary").flat_map(list_items) {
        let lower = name.to_ascii_lowercase();
        let reached = lower == b"*"
            || lower == b"accept-encoding"
            || std::str::from_utf8(&lower)
                .is_ok_and(|lower| behavior.forward.forwards(lower, method));
        if reached && !kept.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            kept.push(name.to_vec());
        }
    }
    fields.remove("vary");
    if !kept.is_empty() {
        fields.push(b"Vary", &kept.join(&b", "[..]));
    }
}
