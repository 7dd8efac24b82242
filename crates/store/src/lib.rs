//! Ordered, versioned documents, with etcd's semantics: [`Store`] gets, lists, commits and watches.
//!
//! What it does: keeps documents under ordered keys, gives every change a [`Revision`], commits
//! several writes at once if what they were based on still holds, and tells watchers of every
//! change after a revision, none lost and none out of order. Documents may be bound to a lease
//! and go with it. What it does not do: know what is in a document; the `documents` crate does.
//!
//! [`sqlite::Sqlite`] keeps them in a file of this machine, [`etcd::Etcd`] in an etcd.
//! [`replica::Replica`] is a copy for nodes whose store may be away.
//!
//! Read [`Store`], [`Txn`] and [`Watch`] first.

mod check;
pub mod etcd;
pub mod limits;
pub mod replica;
pub mod sqlite;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

/// The store's ever-growing number. Every commit has one; 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What lies under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Where it lies: `cloudfront/distribution/E123`.
    pub key: String,
    /// What it says.
    pub value: Bytes,
    /// When the key was put that was not there before.
    pub created: Revision,
    /// When it was put last.
    pub modified: Revision,
}

/// Which documents to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// What their keys begin with; empty for all.
    pub prefix: String,
    /// Only keys after this one, in the order of the list; it need not exist.
    pub after: Option<String>,
    /// At most so many, and never more than [`limits::PAGE_DOCUMENTS_MAX`]; 0 for no other limit.
    /// Large documents make a page shorter; [`Page::has_more`] alone says whether it is the last.
    pub limit: usize,
    /// From the last key to the first.
    pub is_descending: bool,
}

/// A part of a list, all of one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order of their keys (bytewise).
    pub documents: Vec<Document>,
    /// Whether there are more after these.
    pub has_more: bool,
    /// The revision that the store was at.
    pub revision: Revision,
}

/// What must hold for a transaction to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compare {
    /// There is nothing under the key.
    Absent(String),
    /// There is something under the key.
    Present(String),
    /// What is under the key was put last at this revision; 0 if there is nothing.
    ModifiedAt(String, Revision),
}

/// One write of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Puts a document, in place of one that is there.
    Put {
        /// Where.
        key: String,
        /// What.
        value: Bytes,
        /// The lease that it goes with, in place of the one that the key had. Without one it
        /// stays. A lease that has ended is a conflict.
        lease: Option<LeaseId>,
    },
    /// Deletes what is under the key, if anything.
    Delete {
        /// Where.
        key: String,
    },
}

impl Write {
    /// The key that is written.
    pub fn key(&self) -> &str {
        match self {
            Write::Put { key, .. } | Write::Delete { key } => key,
        }
    }
}

/// Writes that happen together, or not at all. No key is written twice in one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// All must hold.
    pub compares: Vec<Compare>,
    /// What happens then.
    pub writes: Vec<Write>,
}

impl Txn {
    /// A transaction that does nothing yet.
    pub fn new() -> Txn {
        Txn::default()
    }

    /// Only if there is nothing under the key.
    pub fn if_absent(mut self, key: impl Into<String>) -> Txn {
        self.compares.push(Compare::Absent(key.into()));
        self
    }

    /// Only if there is something under the key.
    pub fn if_present(mut self, key: impl Into<String>) -> Txn {
        self.compares.push(Compare::Present(key.into()));
        self
    }

    /// Only if what is under the key was put last at that revision.
    pub fn if_modified_at(mut self, key: impl Into<String>, revision: Revision) -> Txn {
        self.compares
            .push(Compare::ModifiedAt(key.into(), revision));
        self
    }

    /// Puts a document.
    pub fn put(mut self, key: impl Into<String>, value: impl Into<Bytes>) -> Txn {
        self.writes.push(Write::Put {
            key: key.into(),
            value: value.into(),
            lease: None,
        });
        self
    }

    /// Puts a document that goes with a lease.
    pub fn put_leased(
        mut self,
        key: impl Into<String>,
        value: impl Into<Bytes>,
        lease: LeaseId,
    ) -> Txn {
        self.writes.push(Write::Put {
            key: key.into(),
            value: value.into(),
            lease: Some(lease),
        });
        self
    }

    /// Deletes what is under the key.
    pub fn delete(mut self, key: impl Into<String>) -> Txn {
        self.writes.push(Write::Delete { key: key.into() });
        self
    }
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It happened, at this revision. (One that deletes only what is not there happens at the
    /// revision that the store is at.)
    Committed(Revision),
    /// A comparison did not hold, or a lease of a write has ended; nothing happened.
    Conflict,
}

/// A lease: what goes with it is deleted when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseId(pub i64);

/// One change that a watcher is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The document was put.
    Put(Document),
    /// What was under the key is gone.
    Deleted {
        /// Where.
        key: String,
    },
}

impl Event {
    /// The key that changed.
    pub fn key(&self) -> &str {
        match self {
            Event::Put(document) => &document.key,
            Event::Deleted { key } => key,
        }
    }
}

/// All changes of one revision within the watched prefix, in the order of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The revision.
    pub revision: Revision,
    /// Never empty.
    pub events: Vec<Event>,
}

/// Why a store does not answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// It cannot be reached, or is closed; whether a commit happened is not known. Try again later.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    /// A watch begins before what the store still remembers: list everything again.
    #[error("changes after revision {after} are forgotten; the store remembers from {first}")]
    Compacted {
        /// Where the watch was to begin.
        after: Revision,
        /// The first revision that can be begun after.
        first: Revision,
    },
    /// A key, a value or a transaction is beyond [`limits`], or a key is empty or is written twice
    /// in one transaction; the caller's fault.
    #[error("{0}")]
    TooLarge(String),
    /// What is stored is not what this program stores.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

/// Changes as they come.
#[async_trait]
pub trait Watch: Send {
    /// Waits for the next batches: at least one, in the order of their revisions, and none twice.
    /// May be dropped while it waits without losing any. After an error the watch is over: begin
    /// another one after the last revision that was seen.
    async fn next(&mut self) -> Result<Vec<Batch>, StoreError>;
}

/// Ordered, versioned documents.
///
/// Reads and commits are linearizable: what was acknowledged before a read began is seen by it.
/// What is acknowledged survives a crash.
#[async_trait]
pub trait Store: Send + Sync {
    /// The documents under these keys, in their order and of one revision.
    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Document>>, StoreError>;

    /// The document under a key.
    async fn get(&self, key: &str) -> Result<Option<Document>, StoreError> {
        Ok(self.get_many(&[key]).await?.pop().flatten())
    }

    /// A page of documents.
    async fn list(&self, range: Range) -> Result<Page, StoreError>;

    /// Commits a transaction, if its comparisons hold.
    async fn commit(&self, txn: Txn) -> Result<Outcome, StoreError>;

    /// Tells of every change under the prefix after a revision.
    async fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError>;

    /// A new lease that ends unless it is renewed within so many seconds.
    async fn grant(&self, ttl_secs: u32) -> Result<LeaseId, StoreError>;

    /// Renews a lease; false if it has ended.
    async fn renew(&self, lease: LeaseId) -> Result<bool, StoreError>;

    /// Ends a lease now.
    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError>;
}
