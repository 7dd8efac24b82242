//! Opinions on their way to the store: in batches, bound to a lease, until they are there.

use std::cell::RefCell;
use std::collections::BTreeMap;

use documents::route53::{self, Opinion};
use store::{LeaseId, Outcome, Store, StoreError, Txn};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior};

use crate::follow::note_away;
use crate::limits;

/// What one node thinks of the checks that it probes.
pub(crate) struct Outbox {
    node: String,
    entries: RefCell<BTreeMap<String, Entry>>,
    wake: Notify,
}

struct Entry {
    /// None: it is to be deleted.
    opinion: Option<Opinion>,
    /// When the store took it last; never, if it must be written now.
    written: Option<Instant>,
}

impl Outbox {
    pub fn new(node: &str) -> Outbox {
        Outbox {
            node: node.to_owned(),
            entries: RefCell::default(),
            wake: Notify::new(),
        }
    }

    /// Takes an opinion. One that is news is written at once, others when their time has come.
    pub fn put(&self, check: &str, opinion: Opinion, is_news: bool) {
        let mut entries = self.entries.borrow_mut();
        let entry = entries.entry(check.to_owned()).or_insert(Entry {
            opinion: None,
            written: None,
        });
        if is_news {
            entry.written = None;
            self.wake.notify_one();
        }
        entry.opinion = Some(opinion);
    }

    /// Takes the opinion of a check back.
    pub fn remove(&self, check: &str) {
        if let Some(entry) = self.entries.borrow_mut().get_mut(check) {
            entry.opinion = None;
            entry.written = None;
            self.wake.notify_one();
        }
    }

    /// Writes for ever, bound to the lease that the node has at the time.
    pub async fn write(&self, store: &dyn Store, mut leases: watch::Receiver<Option<LeaseId>>) {
        let mut refreshes = tokio::time::interval(limits::REFRESH_TICK);
        refreshes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut away_since: Option<Instant> = None;
        loop {
            tokio::select! {
                () = self.wake.notified() => {}
                _ = refreshes.tick() => {}
                changed = leases.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.forget_written();
                }
            }
            let Some(lease) = *leases.borrow() else {
                // There is one again when the store is back.
                continue;
            };
            match self.write_due(store, lease).await {
                Ok(()) => away_since = None,
                Err(error) => {
                    note_away(&mut away_since, &error);
                    tokio::time::sleep(limits::STORE_RETRY).await;
                    self.wake.notify_one();
                }
            }
        }
    }

    /// Whatever was written went with its lease.
    fn forget_written(&self) {
        for entry in self.entries.borrow_mut().values_mut() {
            entry.written = None;
        }
    }

    async fn write_due(&self, store: &dyn Store, lease: LeaseId) -> Result<(), StoreError> {
        loop {
            let now = Instant::now();
            let due = self.due(now);
            if due.is_empty() {
                return Ok(());
            }
            let txn = due.iter().fold(Txn::new(), |txn, (check, opinion)| {
                let key = route53::opinion(check, &self.node);
                match opinion {
                    Some(opinion) => txn.put_leased(key, documents::encode(opinion), lease),
                    None => txn.delete(key),
                }
            });
            match store.commit(txn).await? {
                Outcome::Committed(_) => self.note_written(&due, now),
                Outcome::Conflict => {
                    self.forget_written();
                    let reason = "the lease of the opinions has ended";
                    return Err(StoreError::Unavailable(reason.to_owned()));
                }
            }
        }
    }

    /// What must be written now, and no more than one transaction takes.
    fn due(&self, now: Instant) -> Vec<(String, Option<Opinion>)> {
        let entries = self.entries.borrow();
        let is_due = |entry: &Entry| {
            let written = entry.written;
            written.is_none_or(|written| now.duration_since(written) >= limits::REFRESH)
        };
        // What is news comes first.
        let (mut news, mut old) = (Vec::new(), Vec::new());
        for (check, entry) in entries.iter().filter(|(_, entry)| is_due(entry)) {
            match entry.written {
                None => news.push((check, entry)),
                Some(_) => old.push((check, entry)),
            }
        }
        let due = news.into_iter().chain(old).take(limits::OPINIONS_PER_TXN);
        due.map(|(check, entry)| (check.clone(), entry.opinion.clone()))
            .collect()
    }

    fn note_written(&self, written: &[(String, Option<Opinion>)], now: Instant) {
        let mut entries = self.entries.borrow_mut();
        for (check, opinion) in written {
            let Some(entry) = entries.get_mut(check) else {
                continue;
            };
            match (&entry.opinion, opinion) {
                (None, None) => {
                    entries.remove(check);
                }
                // Meanwhile it may have become another one.
                (Some(now_held), Some(opinion))
                    if now_held.is_healthy == opinion.is_healthy
                        && now_held.status == opinion.status =>
                {
                    entry.written = Some(now);
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use store::sqlite::Sqlite;

    use super::*;

    fn opinion(is_healthy: bool, checked_ms: u64) -> Opinion {
        Opinion {
            region: "eu-west-1".to_owned(),
            address: "192.0.2.1".to_owned(),
            is_healthy,
            status: "Success: fine".to_owned(),
            checked_ms,
            last_failure: None,
        }
    }

    fn due(outbox: &Outbox, now: Instant) -> Vec<String> {
        let due = outbox.due(now);
        due.into_iter().map(|(check, _)| check).collect()
    }

    #[test]
    fn what_is_news_is_due_at_once_and_what_is_not_within_a_minute() {
        let outbox = Outbox::new("n1");
        let start = Instant::now();
        outbox.put("a", opinion(true, 1), true);
        outbox.put("b", opinion(true, 1), true);
        assert_eq!(due(&outbox, start), ["a", "b"]);
        outbox.note_written(&outbox.due(start), start);
        outbox.put("b", opinion(true, 2), false);
        assert!(due(&outbox, start).is_empty());
        let later = start + Duration::from_secs(55);
        assert_eq!(due(&outbox, later), ["a", "b"]);
        outbox.put("b", opinion(false, 3), true);
        assert_eq!(due(&outbox, later), ["b", "a"], "news first");
    }

    #[test]
    fn what_changes_while_it_is_written_is_written_again() {
        let outbox = Outbox::new("n1");
        let now = Instant::now();
        outbox.put("a", opinion(true, 1), true);
        let writing = outbox.due(now);
        outbox.put("a", opinion(false, 2), true);
        outbox.note_written(&writing, now);
        assert_eq!(due(&outbox, now), ["a"]);
        let writing = outbox.due(now);
        outbox.remove("a");
        outbox.note_written(&writing, now);
        assert_eq!(outbox.due(now), [("a".to_owned(), None)]);
        let writing = outbox.due(now);
        outbox.put("a", opinion(true, 3), true);
        outbox.note_written(&writing, now);
        assert_eq!(due(&outbox, now), ["a"]);
        outbox.remove("a");
        outbox.note_written(&outbox.due(now), now);
        assert!(outbox.entries.borrow().is_empty());
    }

    #[test]
    fn many_opinions_are_written_in_batches_and_again_when_their_lease_has_ended() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let store = Sqlite::in_memory().unwrap();
            let outbox = Outbox::new("n1");
            for check in 0..300 {
                outbox.put(&format!("c{check}"), opinion(true, 1), true);
            }
            let lease = store.grant(60).await.unwrap();
            outbox.write_due(&store, lease).await.unwrap();
            let count = async || {
                let range = store::Range {
                    prefix: route53::HEALTH.to_owned(),
                    ..store::Range::default()
                };
                store.list(range).await.unwrap().documents.len()
            };
            assert_eq!(count().await, 300);
            store.revoke(lease).await.unwrap();
            assert_eq!(count().await, 0);
            outbox.put("c7", opinion(false, 2), true);
            assert!(outbox.write_due(&store, lease).await.is_err());
            let lease = store.grant(60).await.unwrap();
            outbox.write_due(&store, lease).await.unwrap();
            assert_eq!(count().await, 300);
            outbox.remove("c7");
            outbox.write_due(&store, lease).await.unwrap();
            assert_eq!(count().await, 299);
        });
    }
}
