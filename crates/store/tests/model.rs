//! Random transactions against a model of a dozen lines: outcomes, documents and changes.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod subject;

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::{prelude::*, test_runner::TestRunner};
use store::{
    Batch, Compare, Document, Event, LeaseId, Outcome, Range, Revision, Store, Txn, Write,
    etcd::{Etcd, Options},
    sqlite::Sqlite,
};
use subject::{block_on, etcd_server::EtcdServer, head, told_until};

#[test]
fn sqlite_does_what_the_model_does() {
    check(96, |steps| {
        block_on(agree(&Sqlite::in_memory().unwrap(), steps));
    });
}

#[test]
fn etcd_does_what_the_model_does() {
    let Some(server) = EtcdServer::start() else {
        return;
    };
    let mut case = 0;
    let mut client = move || {
        case += 1;
        Etcd::connect(Options {
            endpoints: vec![server.address()],
            prefix: format!("case{case}/"),
            ..Options::default()
        })
        .unwrap()
    };
    let client = std::sync::Mutex::new(&mut client);
    check(24, |steps| {
        let store = client.lock().unwrap()();
        block_on(agree(&store, steps));
    });
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(CompareKind, u8)>, BTreeMap<u8, WriteKind>),
    Grant,
    Revoke(usize),
    List(Range),
    GetMany(Vec<u8>),
}

#[derive(Clone, Copy, Debug)]
enum CompareKind {
    Absent,
    Present,
    /// That which is the case.
    Current,
    /// That which may have been.
    Stale,
}

#[derive(Clone, Debug)]
enum WriteKind {
    Put(u8),
    PutLeased(u8, usize),
    Delete,
}

const KEYS: [&str; 8] = ["a", "a/1", "a/2", "a/é", "a0", "b", "b/1", "c/\u{10ffff}"];
const PREFIXES: [&str; 5] = ["", "a", "a/", "b", "zz"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..KEYS.len() as u8;
    let compare = prop_oneof![
        1 => Just(CompareKind::Absent),
        1 => Just(CompareKind::Present),
        4 => Just(CompareKind::Current),
        1 => Just(CompareKind::Stale),
    ];
    let write = prop_oneof![
        4 => any::<u8>().prop_map(WriteKind::Put),
        2 => (any::<u8>(), 0..4_usize).prop_map(|(v, lease)| WriteKind::PutLeased(v, lease)),
        3 => Just(WriteKind::Delete),
    ];
    let compares = proptest::collection::vec((compare, key.clone()), 0..3);
    let writes = proptest::collection::btree_map(key.clone(), write, 0..5);
    let after = proptest::option::of("[abc]{1}/?[0-3é]?");
    let range = (0..PREFIXES.len(), after, 0..5_usize, any::<bool>());
    let range = range.prop_map(|(prefix, after, limit, is_descending)| Range {
        prefix: PREFIXES[prefix].into(),
        after,
        limit,
        is_descending,
    });
    let step = prop_oneof![
        12 => (compares, writes).prop_map(|(compares, writes)| Step::Commit(compares, writes)),
        1 => Just(Step::Grant),
        1 => (0..4_usize).prop_map(Step::Revoke),
        3 => range.prop_map(Step::List),
        1 => proptest::collection::vec(key, 0..6).prop_map(Step::GetMany),
    ];
    proptest::collection::vec(step, 1..50)
}

fn check(cases: u32, agree: impl Fn(Vec<Step>)) {
    TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    })
    .run(&steps(), |steps| {
        agree(steps);
        Ok(())
    })
    .unwrap();
}

async fn agree(store: &dyn Store, steps: Vec<Step>) {
    let start = head(store).await;
    let mut model = Model {
        head: start,
        ..Model::default()
    };
    let mut live = store.watch("", start).await.unwrap();
    for step in steps {
        match step {
            Step::Commit(compares, writes) => {
                let txn = model.txn(compares, writes);
                let expected = model.commit(&txn);
                assert_eq!(
                    store.commit(txn.clone()).await.unwrap(),
                    expected,
                    "{txn:?}"
                );
            }
            Step::Grant => model.leases.push((store.grant(600).await.unwrap(), true)),
            Step::Revoke(index) => {
                if let Some((lease, is_alive)) = model.leases.get_mut(index) {
                    let lease = *lease;
                    *is_alive = false;
                    model.revoke(lease);
                    store.revoke(lease).await.unwrap();
                }
            }
            Step::List(range) => {
                let page = store.list(range.clone()).await.unwrap();
                let (documents, has_more) = model.list(&range);
                assert_eq!(page.documents, documents, "{range:?}");
                assert_eq!((page.has_more, page.revision), (has_more, model.head));
            }
            Step::GetMany(keys) => {
                let keys: Vec<&str> = keys.iter().map(|&key| KEYS[usize::from(key)]).collect();
                let expected = keys.iter().map(|&key| model.get(key).cloned());
                let expected: Vec<_> = expected.collect();
                assert_eq!(store.get_many(&keys).await.unwrap(), expected);
            }
        }
    }
    assert_eq!(head(store).await, model.head);
    let Some(last) = model.log.last().map(|batch| batch.revision) else {
        return;
    };
    assert_eq!(told_until(&mut live, last).await, model.log);
    for prefix in PREFIXES {
        let middle = Revision(u64::midpoint(start.0, last.0));
        let expected = model.told(prefix, middle);
        if let Some(last) = expected.last() {
            let mut watch = store.watch(prefix, middle).await.unwrap();
            assert_eq!(told_until(&mut watch, last.revision).await, expected);
        }
    }
}

#[derive(Default)]
struct Model {
    head: Revision,
    documents: BTreeMap<String, (Document, Option<LeaseId>)>,
    leases: Vec<(LeaseId, bool)>,
    log: Vec<Batch>,
}

impl Model {
    fn get(&self, key: &str) -> Option<&Document> {
        self.documents.get(key).map(|(document, _)| document)
    }

    fn modified(&self, key: &str) -> Revision {
        self.get(key)
            .map_or(Revision(0), |document| document.modified)
    }

    fn txn(&self, compares: Vec<(CompareKind, u8)>, writes: BTreeMap<u8, WriteKind>) -> Txn {
        let txn = compares.into_iter().fold(Txn::new(), |txn, (kind, key)| {
            let key = KEYS[usize::from(key)];
            let modified = self.modified(key);
            match kind {
                CompareKind::Absent => txn.if_absent(key),
                CompareKind::Present => txn.if_present(key),
                CompareKind::Current => txn.if_modified_at(key, modified),
                CompareKind::Stale => txn.if_modified_at(key, Revision(modified.0.max(2) - 1)),
            }
        });
        // Backwards, because the order of writes must not matter.
        writes.into_iter().rev().fold(txn, |txn, (key, kind)| {
            let key = KEYS[usize::from(key)];
            match kind {
                WriteKind::Put(value) => txn.put(key, vec![value]),
                WriteKind::PutLeased(value, lease) => match self.leases.get(lease) {
                    Some((lease, _)) => txn.put_leased(key, vec![value], *lease),
                    None => txn.put(key, vec![value]),
                },
                WriteKind::Delete => txn.delete(key),
            }
        })
    }

    fn commit(&mut self, txn: &Txn) -> Outcome {
        let holds = txn.compares.iter().all(|compare| match compare {
            Compare::Absent(key) => self.get(key).is_none(),
            Compare::Present(key) => self.get(key).is_some(),
            Compare::ModifiedAt(key, revision) => self.modified(key) == *revision,
        });
        let are_alive = txn.writes.iter().all(|write| match write {
            Write::Put {
                lease: Some(lease), ..
            } => self.leases.contains(&(*lease, true)),
            _ => true,
        });
        if !holds || !are_alive {
            return Outcome::Conflict;
        }
        let revision = Revision(self.head.0 + 1);
        let mut events = Vec::new();
        for write in &txn.writes {
            match write {
                Write::Put { key, value, lease } => {
                    let document = Document {
                        key: key.clone(),
                        value: Bytes::clone(value),
                        created: self.get(key).map_or(revision, |before| before.created),
                        modified: revision,
                    };
                    self.documents
                        .insert(key.clone(), (document.clone(), *lease));
                    events.push(Event::Put(document));
                }
                Write::Delete { key } => {
                    if self.documents.remove(key).is_some() {
                        events.push(Event::Deleted { key: key.clone() });
                    }
                }
            }
        }
        self.tell(revision, events);
        Outcome::Committed(self.head)
    }

    fn revoke(&mut self, lease: LeaseId) {
        let gone = self
            .documents
            .extract_if(.., |_, (_, with)| *with == Some(lease));
        let events = gone.map(|(key, _)| Event::Deleted { key }).collect();
        self.tell(Revision(self.head.0 + 1), events);
    }

    fn tell(&mut self, revision: Revision, mut events: Vec<Event>) {
        if !events.is_empty() {
            events.sort_by(|a, b| a.key().cmp(b.key()));
            self.log.push(Batch { revision, events });
            self.head = revision;
        }
    }

    fn list(&self, range: &Range) -> (Vec<Document>, bool) {
        let is_after = |key: &str| match &range.after {
            None => true,
            Some(after) if range.is_descending => key < after.as_str(),
            Some(after) => key > after.as_str(),
        };
        let all = self.documents.values().map(|(document, _)| document);
        let mut found: Vec<Document> = all
            .filter(|document| document.key.starts_with(&range.prefix) && is_after(&document.key))
            .cloned()
            .collect();
        if range.is_descending {
            found.reverse();
        }
        let limit = if range.limit == 0 { 1_000 } else { range.limit };
        let has_more = found.len() > limit;
        found.truncate(limit);
        (found, has_more)
    }

    fn told(&self, prefix: &str, after: Revision) -> Vec<Batch> {
        let batches = self.log.iter().filter(|batch| batch.revision > after);
        let batches = batches.cloned().map(|mut batch| {
            batch.events.retain(|event| event.key().starts_with(prefix));
            batch
        });
        batches.filter(|batch| !batch.events.is_empty()).collect()
    }
}
