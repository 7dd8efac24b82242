//! Who works on what: claims in the store, which go with the node that holds them.

use std::sync::Arc;

use documents::{acm as forms, decode, encode, keys};
use store::{LeaseId, Outcome, Revision, Store, StoreError, Txn};
use tokio::sync::Mutex;

use super::pace::Pace;
use crate::limits::{ORDERS_AT_ONCE, WORK_LEASE_SECS};

/// Kinds of claims: of a certificate, and of one of the few orders that may be under way.
const WORK: &str = "acm-work";
const ORDER: &str = "acm-order";

/// Attempts against other nodes that claim something at the same moment.
const ATTEMPTS_MAX: usize = 5;

/// A claim that is held.
pub struct Claim {
    key: String,
    revision: Revision,
    order: Option<String>,
}

impl Claim {
    /// A transaction that happens only while the claim is held.
    pub fn hold(&self, txn: Txn) -> Txn {
        txn.if_modified_at(&self.key, self.revision)
    }
}

/// What became of asking for an order.
pub enum Ordering {
    /// It may begin.
    Held(Claim),
    /// Another one has the certificate, or there are as many orders as may be.
    Taken,
    /// No order is to be started before that time, in milliseconds since 1970.
    Wait(u64),
}

/// The claims of a node.
pub struct Claims {
    store: Arc<dyn Store>,
    lease: Mutex<Option<LeaseId>>,
}

impl Claims {
    /// None yet.
    pub fn new(store: Arc<dyn Store>) -> Claims {
        Claims {
            store,
            lease: Mutex::default(),
        }
    }

    async fn lease(&self) -> Result<LeaseId, StoreError> {
        let mut lease = self.lease.lock().await;
        if let Some(lease) = *lease {
            return Ok(lease);
        }
        let granted = self.store.grant(WORK_LEASE_SECS).await?;
        *lease = Some(granted);
        Ok(granted)
    }

    /// Keeps all claims; false if they are lost, and with them the right to go on.
    pub async fn keep(&self) -> bool {
        let mut lease = self.lease.lock().await;
        let Some(held) = *lease else {
            return true;
        };
        match self.store.renew(held).await {
            Ok(true) => true,
            Ok(false) => {
                *lease = None;
                false
            }
            // It is tried again; what is committed meanwhile asks whether the claim is held.
            Err(error) => {
                tracing::debug!(%error, "claims are not renewed");
                true
            }
        }
    }

    /// Gives all of them up.
    pub async fn drop_all(&self) {
        if let Some(lease) = self.lease.lock().await.take() {
            // If it cannot be said, it ends by itself.
            let _ = self.store.revoke(lease).await;
        }
    }

    /// Claims a certificate, if nobody has.
    pub async fn take(&self, id: &str) -> Result<Option<Claim>, StoreError> {
        let key = keys::claim(WORK, id);
        let lease = self.lease().await?;
        let txn = Txn::new().if_absent(&key).put_leased(&key, "", lease);
        Ok(match self.store.commit(txn).await? {
            Outcome::Committed(revision) => Some(Claim {
                key,
                revision,
                order: None,
            }),
            Outcome::Conflict => None,
        })
    }

    /// Claims a certificate, if it is as it was put then, and one of the orders.
    pub async fn take_order(
        &self,
        id: &str,
        modified: Revision,
        now_ms: u64,
    ) -> Result<Ordering, StoreError> {
        let certificate = forms::certificate(id);
        let key = keys::claim(WORK, id);
        let orders: Vec<String> = (0..ORDERS_AT_ONCE)
            .map(|number| keys::claim(ORDER, &number.to_string()))
            .collect();
        let mut all = vec![forms::PACE, &key, &certificate];
        all.extend(orders.iter().map(String::as_str));
        for _ in 0..ATTEMPTS_MAX {
            let lease = self.lease().await?;
            let found = self.store.get_many(&all).await?;
            let free = orders.iter().zip(&found[3..]);
            let free = free
                .filter(|(_, found)| found.is_none())
                .map(|(key, _)| key);
            let (None, Some(order)) = (&found[1], free.into_iter().next()) else {
                return Ok(Ordering::Taken);
            };
            if found[2].as_ref().map(|found| found.modified) != Some(modified) {
                return Ok(Ordering::Taken);
            }
            let pace = match read(found[0].as_ref()).start(now_ms) {
                Ok(pace) => pace,
                Err(until_ms) => return Ok(Ordering::Wait(until_ms)),
            };
            let txn = Txn::new()
                .if_absent(&key)
                .if_absent(order)
                .if_modified_at(&certificate, modified)
                .put_leased(&key, "", lease)
                .put_leased(order, "", lease)
                .put(forms::PACE, encode(&pace));
            let txn = match &found[0] {
                Some(document) => txn.if_modified_at(forms::PACE, document.modified),
                None => txn.if_absent(forms::PACE),
            };
            if let Outcome::Committed(revision) = self.store.commit(txn).await? {
                return Ok(Ordering::Held(Claim {
                    key,
                    revision,
                    order: Some(order.clone()),
                }));
            }
        }
        Ok(Ordering::Taken)
    }

    /// Tells the other nodes what became of an order.
    pub async fn ordered(&self, now_ms: u64, is_server_away: bool) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            let found = self.store.get(forms::PACE).await?;
            let Some(next) = read(found.as_ref()).ended(now_ms, is_server_away) else {
                return Ok(());
            };
            let txn = match &found {
                Some(document) => Txn::new().if_modified_at(forms::PACE, document.modified),
                None => Txn::new().if_absent(forms::PACE),
            };
            let txn = txn.put(forms::PACE, encode(&next));
            if let Outcome::Committed(_) = self.store.commit(txn).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Gives a claim up. If the store is away, it goes with the lease.
    pub async fn release(&self, claim: Claim) {
        let mut txn = Txn::new()
            .if_modified_at(&claim.key, claim.revision)
            .delete(&claim.key);
        if let Some(order) = claim.order {
            txn = txn.if_modified_at(&order, claim.revision).delete(order);
        }
        let mut left = ATTEMPTS_MAX;
        while let Err(error) = self.store.commit(txn.clone()).await {
            left -= 1;
            if left == 0 {
                tracing::warn!(%error, "a claim is not given up; all go with their lease");
                return self.drop_all().await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }
}

/// What cannot be read counts as nothing: it is only for the pace.
fn read(document: Option<&store::Document>) -> Pace {
    let read = document.and_then(|document| decode(forms::PACE, &document.value).ok());
    read.unwrap_or_default()
}
