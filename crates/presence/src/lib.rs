//! A node's word in the store: that it lives, and which changes it has applied.
//!
//! What it does: keeps a lease, and bound to it the node's document, as long as the node lives and
//! the store can be reached ([`Presence`]). It does so beside whatever the node applies, so that no
//! change waits for the acknowledgement of the one before. What it does not do: follow documents,
//! or know what they mean.
//!
//! Read [`Presence::start`] and [`Presence::say`] first.

pub mod limits;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use documents::{Node, Refusal, encode, keys};
use store::{LeaseId, Outcome, Store, StoreError, Txn};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, timeout};

/// What a node has applied, and what it cannot serve. Nothing is said until it is known that the
/// node's copy is one of this store: a node that has not caught up must not hold others' changes
/// for served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Word {
    applied: Option<u64>,
    refused: BTreeMap<String, Refusal>,
}

/// A node's document in the store, kept by a task of the runtime that it was started in. Dropped
/// without [`Presence::end`], it leaves the lease to end by itself.
pub struct Presence {
    word: watch::Sender<Word>,
    lease: watch::Receiver<Option<LeaseId>>,
    task: JoinHandle<()>,
    store: Arc<dyn Store>,
}

impl Presence {
    /// Begins to keep `node`'s document. Must be called within a tokio runtime.
    pub fn start(store: Arc<dyn Store>, node: Node) -> Presence {
        let (word, words) = watch::channel(Word::default());
        let (leases, lease) = watch::channel(None);
        let keeper = Keeper {
            store: Arc::clone(&store),
            node,
            words,
            leases,
            said: None,
        };
        Presence {
            word,
            lease,
            task: tokio::spawn(keeper.keep()),
            store,
        }
    }

    /// Says that the documents are served as they were at revision `applied`, except those that
    /// are refused. `None`: it is not known whether the node's copy is one of this store.
    pub fn say(&self, applied: Option<u64>, refused: &BTreeMap<String, Refusal>) {
        self.word.send_if_modified(|word| {
            let is_news = word.applied != applied || word.refused != *refused;
            if is_news {
                word.applied = applied;
                word.refused.clone_from(refused);
            }
            is_news
        });
    }

    /// The node's lease, for what else goes with it; none while the store is away.
    pub fn lease(&self) -> watch::Receiver<Option<LeaseId>> {
        self.lease.clone()
    }

    /// Gives the lease back, and with it the document.
    pub async fn end(self) {
        self.task.abort();
        let lease = *self.lease.borrow();
        if let Some(lease) = lease {
            let _ = timeout(limits::END_PATIENCE, self.store.revoke(lease)).await;
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Keeper {
    store: Arc<dyn Store>,
    node: Node,
    words: watch::Receiver<Word>,
    leases: watch::Sender<Option<LeaseId>>,
    /// What the document says, under the lease that holds.
    said: Option<Word>,
}

impl Keeper {
    async fn keep(mut self) {
        let mut renewals = tokio::time::interval(limits::LEASE_RENEWAL);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut away_since: Option<Instant> = None;
        loop {
            match self.update().await {
                Ok(()) => {
                    if let Some(since) = away_since.take() {
                        let secs = since.elapsed().as_secs();
                        tracing::info!(secs, "the store is back");
                    }
                }
                Err(error) => {
                    if away_since.is_none() {
                        tracing::warn!(%error, "the store is away; what is served stays as it is");
                        away_since = Some(Instant::now());
                    }
                    tokio::time::sleep(limits::STORE_RETRY).await;
                    continue;
                }
            }
            tokio::select! {
                changed = self.words.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                _ = renewals.tick() => {
                    if self.renew().await.is_err() {
                        // Asked for anew, which says whether the store is away.
                        self.forget_lease();
                    }
                }
            }
        }
    }

    /// Sees to it that there is a lease, and that the document says what was said last.
    async fn update(&mut self) -> Result<(), StoreError> {
        // The lease may have ended while the store was away; the second is a new one.
        for _ in 0..2 {
            let lease = self.lease().await?;
            let word = self.words.borrow_and_update().clone();
            let Some(applied) = word.applied else {
                return Ok(());
            };
            if self.said.as_ref() == Some(&word) {
                return Ok(());
            }
            self.node.applied = applied;
            self.node.refused.clone_from(&word.refused);
            let key = keys::node(&self.node.id);
            let txn = Txn::new().put_leased(key, encode(&self.node), lease);
            match self.store.commit(txn).await {
                Ok(Outcome::Committed(_)) => {
                    self.said = Some(word);
                    return Ok(());
                }
                Ok(Outcome::Conflict) => self.forget_lease(),
                Err(error) => {
                    // Whether it was committed is not known, nor what became of the lease.
                    self.forget_lease();
                    return Err(error);
                }
            }
        }
        let reason = "the node's lease ended as soon as it began";
        Err(StoreError::Unavailable(reason.to_owned()))
    }

    async fn lease(&mut self) -> Result<LeaseId, StoreError> {
        let known = *self.leases.borrow();
        if let Some(lease) = known {
            return Ok(lease);
        }
        let lease = self.store.grant(limits::LEASE_SECS).await?;
        self.leases.send_replace(Some(lease));
        Ok(lease)
    }

    async fn renew(&mut self) -> Result<(), StoreError> {
        let lease = *self.leases.borrow();
        if let Some(lease) = lease
            && !self.store.renew(lease).await?
        {
            self.forget_lease();
        }
        Ok(())
    }

    fn forget_lease(&mut self) {
        self.leases.send_replace(None);
        self.said = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use documents::{Role, decode};
    use store::sqlite::Sqlite;

    use super::*;

    fn node() -> Node {
        Node {
            id: "n1".to_owned(),
            roles: vec![Role::Dns],
            pop: "TST1".to_owned(),
            region: None,
            http: Vec::new(),
            started_ms: 0,
            applied: 0,
            refused: BTreeMap::new(),
        }
    }

    /// The node's document once `is_wanted` holds of it.
    async fn wait_for(store: &dyn Store, is_wanted: impl Fn(Option<&Node>) -> bool) {
        let seen = async {
            loop {
                let document = store.get("nodes/n1").await.unwrap();
                let node = document.map(|found| decode::<Node>(&found.key, &found.value).unwrap());
                if is_wanted(node.as_ref()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(Duration::from_secs(20), seen).await.unwrap();
    }

    #[tokio::test]
    async fn a_node_says_what_it_has_applied_and_is_gone_when_it_ends() {
        let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
        let presence = Presence::start(Arc::clone(&store), node());
        presence.say(Some(7), &BTreeMap::new());
        wait_for(&*store, |node| node.is_some_and(|node| node.applied == 7)).await;
        let refusal = Refusal {
            revision: 8,
            message: "no".to_owned(),
        };
        presence.say(Some(8), &[("k".to_owned(), refusal)].into());
        wait_for(&*store, |node| {
            node.is_some_and(|node| node.applied == 8 && node.refused.contains_key("k"))
        })
        .await;
        presence.end().await;
        wait_for(&*store, |node| node.is_none()).await;
    }

    #[tokio::test]
    async fn a_node_that_has_not_caught_up_says_nothing() {
        let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
        let presence = Presence::start(Arc::clone(&store), node());
        let mut lease = presence.lease();
        lease.wait_for(Option::is_some).await.unwrap();
        assert_eq!(store.get("nodes/n1").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_lease_that_ended_is_replaced_by_another_with_the_same_word() {
        let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
        let presence = Presence::start(Arc::clone(&store), node());
        presence.say(Some(7), &BTreeMap::new());
        wait_for(&*store, |node| node.is_some()).await;
        let lease = presence.lease().borrow().unwrap();
        store.revoke(lease).await.unwrap();
        presence.say(Some(9), &BTreeMap::new());
        wait_for(&*store, |node| node.is_some_and(|node| node.applied == 9)).await;
        assert_ne!(presence.lease().borrow().unwrap(), lease);
    }
}
