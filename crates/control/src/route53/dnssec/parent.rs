//! Whether a parent zone that is here too vouches for a key.

use documents::decode;
use documents::route53::{self as forms, Zone};
use records::Name;
use shapes::route53::ResourceRecordSet;

use crate::call::Call;
use crate::error::Failure;
use crate::route53::zone;

/// The id of a zone above `apex` that has a DS record of that text for it, if there is one here.
/// What zones elsewhere have is not looked up.
pub(super) async fn zone_with_ds(
    call: &Call<'_>,
    apex: &Name,
    record: &str,
) -> Result<Option<String>, Failure> {
    let order_key = apex.order_key();
    for stored in zone::KIND.load_all::<Zone>(call).await? {
        let zone = stored.resource;
        let name = zone::apex(&zone)?;
        if zone.config.is_private || name == *apex || !apex.is_within(&name) {
            continue;
        }
        let key = forms::record(&zone.id, &order_key, "DS", None);
        let Some(document) = call.store().get(&key).await? else {
            continue;
        };
        let set: ResourceRecordSet = decode(&key, &document.value)?;
        let values = set.resource_records.unwrap_or_default();
        if values.iter().any(|value| is_same(&value.value, record)) {
            return Ok(Some(zone.id));
        }
    }
    Ok(None)
}

/// Blanks may stand anywhere in a digest.
fn is_same(one: &str, other: &str) -> bool {
    fn fields(text: &str) -> (Vec<&str>, String) {
        let mut words = text.split_ascii_whitespace();
        let head = words.by_ref().take(3).collect();
        (head, words.collect::<String>().to_ascii_uppercase())
    }
    fields(one) == fields(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ds_record_is_known_however_its_digest_is_written() {
        let record = "55648 13 2 B4C8C1FE2E74";
        assert!(is_same("55648 13  2 b4c8 c1fe2e74", record));
        assert!(!is_same("55649 13 2 B4C8C1FE2E74", record));
        assert!(!is_same("55648 13 2 B4C8C1FE2E75", record));
        assert!(!is_same("", record));
    }
}
