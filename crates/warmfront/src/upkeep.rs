//! What the API's node sees to, now and then.

use std::collections::BTreeSet;
use std::sync::Arc;

use control::{CertificateUpkeep, Control, SystemCnames};
use documents::route53::{self, POPS, Pop};
use documents::{decode, encode};
use store::{Range, Store, StoreError, Txn};
use tokio::time::MissedTickBehavior;

use crate::api::now_ms;
use crate::limits;

/// Rolls keys over, for ever.
pub async fn keep_up(control: Arc<Control>) {
    let mut ticks = tokio::time::interval(limits::UPKEEP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        control.upkeep(now_ms()).await;
    }
}

/// Looks after certificates, for ever.
pub async fn keep_certificates(control: Arc<Control>) {
    match SystemCnames::new() {
        Ok(cnames) => {
            let upkeep = CertificateUpkeep::new(control, Arc::new(cnames), now_ms);
            upkeep.run().await;
        }
        Err(error) => tracing::error!(%error, "nobody looks after certificates: no resolver"),
    }
}

/// Sees to it that the points of presence in the store are those of the settings, if these have
/// any. A store that is away is waited for.
pub async fn put_pops(store: Arc<dyn Store>, pops: Vec<Pop>) {
    if pops.is_empty() {
        return;
    }
    while let Err(error) = try_put_pops(&*store, &pops).await {
        tracing::debug!(%error, "points of presence are not in the store yet");
        tokio::time::sleep(limits::STORE_RETRY).await;
    }
}

async fn try_put_pops(store: &dyn Store, pops: &[Pop]) -> Result<(), StoreError> {
    let range = Range {
        prefix: POPS.to_owned(),
        ..Range::default()
    };
    let there = store.list(range).await?.documents;
    let wanted: BTreeSet<String> = pops.iter().map(|pop| route53::pop(&pop.code)).collect();
    let gone = there
        .iter()
        .filter(|document| !wanted.contains(&document.key));
    let mut txn = gone.fold(Txn::new(), |txn, document| txn.delete(&document.key));
    for pop in pops {
        let key = route53::pop(&pop.code);
        let known = there.iter().find(|document| document.key == key);
        let known = known.and_then(|document| decode::<Pop>(&key, &document.value).ok());
        if known.as_ref() != Some(pop) {
            txn = txn.put(key, encode(pop));
        }
    }
    if txn.writes.is_empty() {
        return Ok(());
    }
    store.commit(txn).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use store::sqlite::Sqlite;

    use super::*;

    fn pop(code: &str) -> Pop {
        Pop {
            code: code.to_owned(),
            region: None,
            latitude: Some(1.0),
            longitude: Some(2.0),
            addresses: vec!["192.0.2.1".parse().unwrap()],
        }
    }

    #[tokio::test]
    async fn the_stores_points_of_presence_are_those_of_the_settings() {
        let store = Sqlite::in_memory().unwrap();
        try_put_pops(&store, &[pop("ICN1"), pop("NRT1")])
            .await
            .unwrap();
        try_put_pops(&store, &[pop("NRT1"), pop("LAX1")])
            .await
            .unwrap();
        let range = Range {
            prefix: POPS.to_owned(),
            ..Range::default()
        };
        let page = store.list(range).await.unwrap();
        let keys: Vec<&str> = page
            .documents
            .iter()
            .map(|found| found.key.as_str())
            .collect();
        assert_eq!(keys, ["pops/LAX1", "pops/NRT1"]);
        let revision = page.revision;
        try_put_pops(&store, &[pop("NRT1"), pop("LAX1")])
            .await
            .unwrap();
        let again = store.list(Range::default()).await.unwrap();
        assert_eq!(again.revision, revision, "what is there is not put again");
    }
}
