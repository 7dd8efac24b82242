//! A replica against its store: random changes, starts anew, forgotten changes, stores that are
//! away and stores that are others.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod subject;

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use proptest::prelude::*;
use store::{
    Batch, Document, Event, LeaseId, Outcome, Page, Range, Revision, Store, StoreError, Txn, Watch,
    replica::{
        ID_KEY, Replica,
        snapshot::{self, Snapshot},
    },
    sqlite::Sqlite,
};
use subject::{block_on, committed, etcd_server::EtcdServer};
use tempfile::TempDir;

#[test]
fn a_replica_of_a_new_store_is_told_of_everything_and_gives_the_store_an_id() {
    block_on(async {
        let store = Sqlite::in_memory().unwrap();
        let directory = TempDir::new().unwrap();
        let mut replica = open(&directory, "p/");
        // Nothing is there: the first answer says that the replica is as new as its store.
        assert_eq!(replica.advance(&store).await.unwrap(), []);
        let id = store.get(ID_KEY).await.unwrap().unwrap();
        assert!(id.value.len() > 16);
        let first = committed(&store, Txn::new().put("p/a", "1").put("q", "1")).await;
        let batches = replica.advance(&store).await.unwrap();
        assert_eq!(shape(&batches), [(first.0, "+p/a".into())]);
        let second = committed(&store, Txn::new().delete("p/a").put("p/b", "2")).await;
        let batches = replica.advance(&store).await.unwrap();
        assert_eq!(shape(&batches), [(second.0, "-p/a +p/b".into())]);
        assert_eq!(replica.revision(), second);
        assert_eq!(keys(&replica), ["p/b"]);
        assert_eq!(replica.get("p/b").unwrap().value, "2");
        assert_eq!(replica.get("q"), None);
        assert_eq!(replica.range("p/b").count(), 1);
        assert_eq!(replica.range("p/c").count(), 0);
    });
}

#[test]
fn a_replica_that_starts_anew_has_what_it_saved_and_hears_of_what_it_missed() {
    block_on(async {
        let store = Sqlite::in_memory().unwrap();
        let directory = TempDir::new().unwrap();
        committed(&store, Txn::new().put("p/a", "1").put("p/b", "1")).await;
        let mut replica = open(&directory, "p/");
        replica.advance(&store).await.unwrap();
        replica.save().unwrap();
        let mode = path(&directory).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(replica);
        let missed = committed(&store, Txn::new().delete("p/a").put("p/c", "1")).await;
        let mut replica = open(&directory, "p/");
        assert_eq!(keys(&replica), ["p/a", "p/b"]);
        let batches = replica.advance(&store).await.unwrap();
        assert_eq!(shape(&batches), [(missed.0, "-p/a +p/c".into())]);
    });
}

#[test]
fn a_replica_whose_changes_are_forgotten_is_told_of_the_differences() {
    block_on(async {
        let store = Sqlite::in_memory().unwrap();
        let directory = TempDir::new().unwrap();
        committed(
            &store,
            Txn::new().put("p/a", "1").put("p/b", "1").put("p/c", "1"),
        )
        .await;
        let mut replica = open(&directory, "p/");
        replica.advance(&store).await.unwrap();
        replica.save().unwrap();
        committed(&store, Txn::new().put("p/b", "2").delete("p/c")).await;
        committed(&store, Txn::new().put("p/b", "3").put("p/d", "1")).await;
        let last = committed(&store, Txn::new().put("q", "1")).await;
        store.compact(last).await.unwrap();
        // Opened again, and with a watch that had begun before.
        let mut other = open(&directory, "p/");
        for replica in [&mut replica, &mut other] {
            let batches = replica.advance(&store).await.unwrap();
            assert_eq!(shape(&batches), [(last.0, "+p/b -p/c +p/d".into())]);
            assert_eq!(replica.revision(), last);
        }
        let next = committed(&store, Txn::new().delete("p/a")).await;
        let batches = replica.advance(&store).await.unwrap();
        assert_eq!(shape(&batches), [(next.0, "-p/a".into())]);
    });
}

#[test]
fn a_replica_of_another_store_or_of_an_older_state_takes_over_what_is_there() {
    block_on(async {
        let directory = TempDir::new().unwrap();
        let old = Sqlite::in_memory().unwrap();
        for index in 0..10 {
            committed(&old, Txn::new().put(format!("p/{index}"), "old")).await;
        }
        let mut replica = open(&directory, "p/");
        replica.advance(&old).await.unwrap();
        replica.save().unwrap();

        let new = Sqlite::in_memory().unwrap();
        let put = committed(&new, Txn::new().put("p/3", "old").put("p/x", "new")).await;
        let mut other = open(&directory, "p/");
        let batches = other.advance(&new).await.unwrap();
        assert_eq!(batches.len(), 1);
        assert_eq!(batches[0].events.len(), 11, "nine are gone, two are others");
        assert_eq!(keys(&other), ["p/3", "p/x"]);
        assert!(other.revision() >= put);

        // The same id, but a revision of before: it was put back from a copy.
        let id = old.get(ID_KEY).await.unwrap().unwrap().value;
        let copy = Sqlite::in_memory().unwrap();
        committed(&copy, Txn::new().put(ID_KEY, id).put("p/0", "copy")).await;
        let mut replica = open(&directory, "p/");
        replica.advance(&copy).await.unwrap();
        assert_eq!(keys(&replica), ["p/0"]);
        assert_eq!(replica.get("p/0").unwrap().value, "copy");
    });
}

#[test]
fn a_snapshot_that_cannot_be_used_is_as_none() {
    block_on(async {
        let store = Sqlite::in_memory().unwrap();
        committed(&store, Txn::new().put("p/a", "1")).await;
        let directory = TempDir::new().unwrap();
        let mut replica = open(&directory, "p/");
        replica.advance(&store).await.unwrap();
        replica.save().unwrap();
        let saved = std::fs::read(path(&directory)).unwrap();
        let mut damaged = saved.clone();
        *damaged.last_mut().unwrap() ^= 1;
        for (bytes, prefix) in [
            (&saved[..saved.len() - 1], "p/"),
            (&damaged, "p/"),
            (&saved, "q/"),
            (b"", "p/"),
            (b"something else that somebody put there", "p/"),
        ] {
            std::fs::write(path(&directory), bytes).unwrap();
            assert_eq!(open(&directory, prefix).documents().count(), 0);
        }
        std::fs::write(path(&directory), saved).unwrap();
        assert_eq!(keys(&open(&directory, "p/")), ["p/a"]);
    });
}

#[test]
fn a_list_of_many_pages_that_changes_meanwhile_is_made_good_by_the_watch() {
    block_on(async {
        let store = Flaky::new(Sqlite::in_memory().unwrap());
        for hundred in 0..25 {
            let txn = (0..100).fold(Txn::new(), |txn, index| {
                txn.put(format!("p/{hundred:02}{index:02}"), "1")
            });
            committed(&store.inner, txn).await;
        }
        let directory = TempDir::new().unwrap();
        let mut replica = open(&directory, "p/");
        // After each page, both a page that was listed and one that comes change.
        store.changes_after_pages.store(3, Ordering::Relaxed);
        replica.advance(&store).await.unwrap();
        let last = committed(&store.inner, Txn::new().put("p/end", "1")).await;
        while replica.revision() < last {
            replica.advance(&store).await.unwrap();
        }
        assert_same(&replica, &store.inner, "p/").await;
        assert!(replica.get("p/0000").is_none() && replica.get("p/2499").is_none());
    });
}

#[test]
fn a_replica_of_etcd_survives_that_etcd_is_away_and_that_it_forgets() {
    let Some(mut server) = EtcdServer::start() else {
        return;
    };
    let store = server.client();
    block_on(async {
        let directory = TempDir::new().unwrap();
        let mut replica = open(&directory, "p/");
        let first = committed(&store, Txn::new().put("p/a", "1").put("p/b", "1")).await;
        let batches = replica.advance(&store).await.unwrap();
        assert_eq!(shape(&batches)[0].1, "+p/a +p/b");
        assert!(replica.revision() >= first);
        let second = committed(&store, Txn::new().delete("p/a")).await;
        let batches = replica.advance(&store).await.unwrap();
        assert_eq!(shape(&batches), [(second.0, "-p/a".into())]);

        server.stop();
        for _ in 0..2 {
            let error = replica.advance(&store).await.unwrap_err();
            assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        }
        assert_eq!(keys(&replica), ["p/b"]);
        server.restart();
        let third = committed(&store, Txn::new().put("p/c", "1")).await;
        let batches = replica.advance(&store).await.unwrap();
        assert_eq!(shape(&batches), [(third.0, "+p/c".into())]);

        server.restart();
        committed(&store, Txn::new().put("p/c", "2").delete("p/b")).await;
        let last = committed(&store, Txn::new().put("p/d", "1")).await;
        store.compact(last).await.unwrap();
        let told = loop {
            match replica.advance(&store).await {
                Ok(batches) => break batches,
                Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error}"),
            }
        };
        assert_eq!(shape(&told), [(last.0, "-p/b +p/c +p/d".into())]);
        assert_same(&replica, &store, "p/").await;
    });
}

#[test]
fn ten_thousand_documents_are_loaded_at_once() {
    let documents = (0..10_000_u32).map(|index| Document {
        key: format!("p/{index:05}"),
        value: Bytes::from(index.to_le_bytes().repeat(1_024)),
        created: Revision(1),
        modified: Revision(u64::from(index)),
    });
    let snapshot = Snapshot {
        prefix: "p/".into(),
        store_id: "one".into(),
        revision: Revision(10_000),
        documents: documents
            .map(|document| (document.key.clone(), document))
            .collect(),
    };
    let directory = TempDir::new().unwrap();
    std::fs::write(path(&directory), snapshot::encode(&snapshot)).unwrap();
    let started = Instant::now();
    let replica = open(&directory, "p/");
    let took = started.elapsed();
    assert_eq!(replica.documents().count(), 10_000);
    println!("40 MiB in 10,000 documents were loaded in {took:?}");
    assert!(
        took < Duration::from_secs(3),
        "ten times what it may take: {took:?}"
    );
}

/// What happens to a store and its replica.
#[derive(Clone, Debug)]
enum Step {
    Change(u8, Option<u8>),
    Advance,
    /// The future is dropped after it was polled once.
    Abandon,
    SaveAndReopen,
    ReopenWithoutSaving,
    Compact,
    GoAway,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..12_u8, proptest::option::of(any::<u8>())).prop_map(|(k, v)| Step::Change(k, v)),
        4 => Just(Step::Advance),
        2 => Just(Step::Abandon),
        1 => Just(Step::SaveAndReopen),
        1 => Just(Step::ReopenWithoutSaving),
        1 => Just(Step::Compact),
        1 => Just(Step::GoAway),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_replica_is_what_its_batches_say_and_becomes_what_its_store_is(steps in steps()) {
        block_on(async {
            let store = Flaky::new(Sqlite::in_memory().unwrap());
            let directory = TempDir::new().unwrap();
            let mut replica = open(&directory, "p/");
            let mut told = BTreeMap::new(); // By the batches alone.
            let mut saved = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Change(key, value) => {
                        let key = format!("{}/{}", ["p", "q"][usize::from(key % 2)], key / 2);
                        let txn = match value {
                            Some(value) => Txn::new().put(key, vec![value]),
                            None => Txn::new().delete(key),
                        };
                        committed(&store.inner, txn).await;
                    }
                    Step::Advance => {
                        // One that is told of for certain, or the list.
                        committed(&store.inner, Txn::new().put("p/mark", "1")).await;
                        if let Ok(batches) = replica.advance(&store).await {
                            follow(&mut told, batches);
                        }
                    }
                    Step::Abandon => {
                        let patience = Duration::from_micros(50);
                        let advance = replica.advance(&store);
                        if let Ok(Ok(batches)) = tokio::time::timeout(patience, advance).await {
                            follow(&mut told, batches);
                        }
                    }
                    Step::SaveAndReopen => {
                        replica.save().unwrap();
                        saved.clone_from(&told);
                        replica = open(&directory, "p/");
                    }
                    Step::ReopenWithoutSaving => {
                        told.clone_from(&saved);
                        replica = open(&directory, "p/");
                    }
                    Step::Compact => {
                        let head = subject::head(&store.inner).await;
                        store.inner.compact(head).await.unwrap();
                    }
                    Step::GoAway => store.is_away.store(true, Ordering::Relaxed),
                }
                let here = replica.documents().map(|one| (one.key.clone(), one.clone()));
                assert_eq!(here.collect::<BTreeMap<_, _>>(), told);
            }
            let last = committed(&store.inner, Txn::new().put("p/end", "1")).await;
            while replica.revision() < last {
                if let Ok(batches) = replica.advance(&store).await {
                    follow(&mut told, batches);
                }
            }
            assert_same(&replica, &store.inner, "p/").await;
        });
    }
}

fn follow(told: &mut BTreeMap<String, Document>, batches: Vec<Batch>) {
    for batch in batches {
        assert!(!batch.events.is_empty());
        for event in batch.events {
            match event {
                Event::Put(document) => {
                    let before = told.insert(document.key.clone(), document.clone());
                    assert_ne!(before, Some(document), "nothing was changed");
                }
                Event::Deleted { key } => {
                    assert!(told.remove(&key).is_some(), "{key} was not there");
                }
            }
        }
    }
}

/// A store that is away for one call, or changes while it is listed, when it is told to.
struct Flaky {
    inner: Sqlite,
    is_away: AtomicBool,
    changes_after_pages: AtomicU32,
}

impl Flaky {
    fn new(inner: Sqlite) -> Flaky {
        Flaky {
            inner,
            is_away: AtomicBool::new(false),
            changes_after_pages: AtomicU32::new(0),
        }
    }

    fn answer(&self) -> Result<(), StoreError> {
        match self.is_away.swap(false, Ordering::Relaxed) {
            true => Err(StoreError::Unavailable("it is away".into())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Flaky {
    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Document>>, StoreError> {
        self.answer()?;
        self.inner.get_many(keys).await
    }

    async fn list(&self, range: Range) -> Result<Page, StoreError> {
        self.answer()?;
        let is_of_prefix = range.prefix == "p/";
        let page = self.inner.list(range).await?;
        let left = self.changes_after_pages.load(Ordering::Relaxed);
        if is_of_prefix && left > 0 {
            self.changes_after_pages.store(left - 1, Ordering::Relaxed);
            let txn = Txn::new().delete("p/0000").delete("p/2499");
            let txn = txn.put("p/0001", left.to_string());
            committed(&self.inner, txn.put("p/2498", left.to_string())).await;
            let again = Txn::new().delete("p/0002").put("p/2490", "again");
            committed(&self.inner, again).await;
            committed(
                &self.inner,
                Txn::new().put("p/0002", "again").delete("p/2490"),
            )
            .await;
        }
        Ok(page)
    }

    async fn commit(&self, txn: Txn) -> Result<Outcome, StoreError> {
        self.answer()?;
        self.inner.commit(txn).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        self.answer()?;
        self.inner.watch(prefix, after).await
    }

    async fn grant(&self, ttl_secs: u32) -> Result<LeaseId, StoreError> {
        self.inner.grant(ttl_secs).await
    }

    async fn renew(&self, lease: LeaseId) -> Result<bool, StoreError> {
        self.inner.renew(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.inner.revoke(lease).await
    }
}

async fn assert_same(replica: &Replica, store: &dyn Store, prefix: &str) {
    let mut range = Range {
        prefix: prefix.into(),
        ..Range::default()
    };
    let mut expected = Vec::new();
    loop {
        let page = store.list(range.clone()).await.unwrap();
        expected.extend(page.documents);
        if !page.has_more {
            break;
        }
        range.after = expected.last().map(|document| document.key.clone());
    }
    let here: Vec<Document> = replica.documents().cloned().collect();
    assert_eq!(here, expected);
}

fn path(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("replica")
}

fn open(directory: &TempDir, prefix: &str) -> Replica {
    Replica::open(Path::new(&path(directory)), prefix).unwrap()
}

fn keys(replica: &Replica) -> Vec<&str> {
    replica.documents().map(|document| &*document.key).collect()
}

/// Batches as their revisions and the keys that were put (+) and deleted (-).
fn shape(batches: &[Batch]) -> Vec<(u64, String)> {
    let event = |event: &Event| match event {
        Event::Put(document) => format!("+{}", document.key),
        Event::Deleted { key } => format!("-{key}"),
    };
    let batch = |batch: &Batch| {
        let events: Vec<String> = batch.events.iter().map(event).collect();
        (batch.revision.0, events.join(" "))
    };
    batches.iter().map(batch).collect()
}
