//! The stores that the suites run against, each empty and gone when it is dropped.

pub mod etcd_server;

use std::future::Future;

use store::{
    Batch, Outcome, Page, Range, Revision, Store, StoreError, Txn, Watch, etcd::Etcd,
    sqlite::Sqlite,
};
use tempfile::TempDir;

use self::etcd_server::EtcdServer;

/// A store under test, and what it lives on.
#[allow(dead_code, reason = "what it lives on is only held")]
pub enum Subject {
    Sqlite(Sqlite, Option<TempDir>),
    Etcd(Box<Etcd>, EtcdServer),
}

#[allow(dead_code, reason = "not every suite uses everything")]
impl Subject {
    pub fn sqlite_in_memory() -> Option<Subject> {
        Some(Subject::Sqlite(Sqlite::in_memory().unwrap(), None))
    }

    pub fn sqlite_on_disk() -> Option<Subject> {
        let directory = TempDir::new().unwrap();
        let store = Sqlite::open(&directory.path().join("store")).unwrap();
        Some(Subject::Sqlite(store, Some(directory)))
    }

    /// Nothing where there is no etcd; the test's output says so.
    pub fn etcd() -> Option<Subject> {
        let server = EtcdServer::start()?;
        Some(Subject::Etcd(Box::new(server.client()), server))
    }

    pub fn store(&self) -> &dyn Store {
        match self {
            Subject::Sqlite(store, _) => store,
            Subject::Etcd(store, _) => &**store,
        }
    }

    pub async fn compact(&self, through: Revision) {
        match self {
            Subject::Sqlite(store, _) => store.compact(through).await.unwrap(),
            Subject::Etcd(store, _) => store.compact(through).await.unwrap(),
        }
    }
}

/// Runs a test's future with several threads, as the program does.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

#[allow(dead_code, reason = "not every suite uses everything")]
pub async fn committed(store: &dyn Store, txn: Txn) -> Revision {
    match store.commit(txn).await.unwrap() {
        Outcome::Committed(revision) => revision,
        Outcome::Conflict => panic!("a transaction without a reason to fail was a conflict"),
    }
}

#[allow(dead_code, reason = "not every suite uses everything")]
pub async fn head(store: &dyn Store) -> Revision {
    let Page { revision, .. } = store.list(Range::default()).await.unwrap();
    revision
}

/// The batches of a watch up to a revision that it does tell of.
#[allow(dead_code, reason = "not every suite uses everything")]
pub async fn told_until(watch: &mut Box<dyn Watch>, last: Revision) -> Vec<Batch> {
    let mut batches = Vec::new();
    while batches
        .last()
        .is_none_or(|batch: &Batch| batch.revision < last)
    {
        let next = tokio::time::timeout(std::time::Duration::from_secs(20), watch.next());
        let next = next.await.expect("the watch tells in time").unwrap();
        assert!(!next.is_empty());
        batches.extend(next);
    }
    batches
}

/// What a watch that begins there ends with, which may be said at once or later.
#[allow(dead_code, reason = "not every suite uses everything")]
pub async fn watch_error(store: &dyn Store, prefix: &str, after: Revision) -> StoreError {
    match store.watch(prefix, after).await {
        Ok(mut watch) => watch.next().await.unwrap_err(),
        Err(error) => error,
    }
}
