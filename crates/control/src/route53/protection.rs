//! Protected record sets (spec §8.2): no batch may touch them. They lie under
//! [`forms::protection`]; who writes them compares and puts the zone's state, as whoever writes
//! records does.

use documents::decode;
use documents::route53 as forms;
use shapes::route53 as r53;

use crate::call::Call;
use crate::error::Failure;
use crate::service::Entry;

pub(super) const OPERATIONS: &[Entry] = &[];

/// Whether anything of a zone is protected.
pub(super) async fn has_any(call: &Call<'_>, zone: &str) -> Result<bool, Failure> {
    Ok(!call.list_all(&forms::protections(zone)).await?.is_empty())
}

/// What is protected at these keys: as many as there are, in their order.
pub(super) async fn find(
    call: &Call<'_>,
    keys: &[String],
) -> Result<Vec<Option<r53::ResourceRecordSetProtectionConfig>>, Failure> {
    let mut found = Vec::with_capacity(keys.len());
    for keys in keys.chunks(store::limits::GET_KEYS_MAX) {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        for document in call.store().get_many(&keys).await? {
            let protection = document.map(|document| decode(&document.key, &document.value));
            found.push(protection.transpose()?);
        }
    }
    Ok(found)
}
