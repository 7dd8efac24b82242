//! What must be done now and then though nobody calls: zone signing keys replace one another.

use documents::route53::{self as forms, ZoneSigningKeys};
use documents::{decode, encode};
use store::{Document, Range, Store, StoreError, Txn};

use crate::Control;

impl Control {
    /// Brings the zone signing keys of all signed zones to where they are at `now_ms`, in
    /// milliseconds since 1970. To be called about hourly, on any number of nodes: of several that
    /// do the same at once, one does it. What fails is logged, and the next call goes on with it.
    pub async fn upkeep(&self, now_ms: u64) {
        if let Err(error) = roll_over(&*self.store, now_ms).await {
            tracing::warn!(%error, "zone signing keys are not looked at");
        }
    }
}

async fn roll_over(store: &dyn Store, now_ms: u64) -> Result<(), StoreError> {
    let mut range = Range {
        prefix: forms::resource(forms::ZONE_SIGNING_KEYS, ""),
        ..Range::default()
    };
    loop {
        let page = store.list(range.clone()).await?;
        for document in &page.documents {
            let key = &document.key;
            match rolled_over(document, now_ms) {
                Ok(None) => {}
                Ok(Some(keys)) => {
                    let txn = Txn::new()
                        .if_modified_at(key, document.modified)
                        .put(key, encode(&keys));
                    // On a conflict, who was faster did the same, or stopped signing the zone.
                    store.commit(txn).await?;
                }
                // Those of other zones come to their turn.
                Err(error) => tracing::error!(error, key, "zone signing keys are not replaced"),
            }
        }
        match page.documents.last() {
            Some(last) if page.has_more => range.after = Some(last.key.clone()),
            _ => return Ok(()),
        }
    }
}

/// The keys of a zone as they are to be, if they are not.
fn rolled_over(document: &Document, now_ms: u64) -> Result<Option<ZoneSigningKeys>, String> {
    let read = decode(&document.key, &document.value);
    let mut keys: ZoneSigningKeys = read.map_err(|error| error.to_string())?;
    let has_changed = ::dnssec::rollover(now_ms, &mut keys);
    let has_changed = has_changed.map_err(|error| error.to_string())?;
    Ok(has_changed.then_some(keys))
}
