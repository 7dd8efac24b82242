//! A store in one file of this machine: the default.
//!
//! [`Sqlite`] has one thread that writes ([`writer`]) and a few that read ([`reader`]); what a
//! write does to the tables is in [`ledger`], the tables are in [`schema`]. Why it is made so:
//! `docs/decisions/0013-documents-and-events-in-sqlite.md`.

mod ledger;
mod reader;
mod schema;
mod writer;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;
use rusqlite::{
    Connection, ErrorCode, ToSql,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef},
};
use tokio::sync::watch;

use self::{
    ledger::Retention,
    reader::{Reads, TableWatch},
    writer::Writer,
};
use crate::{
    Document, LeaseId, Outcome, Page, Range, Revision, Store, StoreError, Txn, Watch, check, limits,
};

pub use self::schema::OpenError;

/// A store in a file. One process has it at a time; dropping it ends its threads and its watches.
pub struct Sqlite {
    reads: Arc<Reads>,
    writer: Writer,
    head: watch::Receiver<Revision>,
}

impl Sqlite {
    /// Opens the file, or makes it, readable for its owner alone.
    pub fn open(path: &Path) -> Result<Sqlite, OpenError> {
        Sqlite::open_with(path, KEPT)
    }

    /// A store that is gone when it is dropped, for tests.
    pub fn in_memory() -> Result<Sqlite, OpenError> {
        let path = Path::new(":memory:");
        let start = |connection: Connection| {
            let connection = Arc::new(Mutex::new(connection));
            Sqlite::start(Arc::clone(&connection), vec![connection], KEPT, ())
        };
        let sqlite = |source| OpenError::Sqlite {
            path: path.to_owned(),
            source,
        };
        let mut connection = Connection::open_in_memory().map_err(sqlite)?;
        schema::prepare(&mut connection, path)?;
        start(connection).map_err(sqlite)
    }

    /// Forgets changes up to and including this revision: watches can no longer begin before it.
    /// The store does so by itself when there are many ([`limits::EVENTS_KEPT_MAX`]).
    pub async fn compact(&self, through: Revision) -> Result<(), StoreError> {
        self.writer
            .write(0, move |ledger| ledger.compact(through))
            .await
    }

    fn open_with(path: &Path, retention: Retention) -> Result<Sqlite, OpenError> {
        let lock = schema::Lock::take(path)?;
        schema::make_file(path)?;
        let mut connection = schema::connect(path)?;
        schema::prepare(&mut connection, path)?;
        let readers = (0..limits::READER_THREADS)
            .map(|_| Ok(Arc::new(Mutex::new(schema::connect(path)?))))
            .collect::<Result<Vec<_>, OpenError>>()?;
        Sqlite::start(Arc::new(Mutex::new(connection)), readers, retention, lock).map_err(
            |source| OpenError::Sqlite {
                path: path.to_owned(),
                source,
            },
        )
    }

    /// Starts the threads. `guard` lives as long as the one that writes.
    fn start(
        connection: Arc<Mutex<Connection>>,
        readers: Vec<Arc<Mutex<Connection>>>,
        retention: Retention,
        guard: impl Send + 'static,
    ) -> rusqlite::Result<Sqlite> {
        let (sender, head) = watch::channel(Revision(0));
        Ok(Sqlite {
            writer: Writer::start(connection, retention, sender, guard)?,
            reads: Arc::new(Reads::start(readers)?),
            head,
        })
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // Watches have a share in the readers, which must not outlive the file's lock.
        self.reads.stop();
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Document>>, StoreError> {
        check::keys(keys)?;
        let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        self.reads
            .read(move |txn| reader::documents(txn, &keys))
            .await
    }

    async fn list(&self, range: Range) -> Result<Page, StoreError> {
        self.reads.read(move |txn| reader::page(txn, &range)).await
    }

    async fn commit(&self, txn: Txn) -> Result<Outcome, StoreError> {
        let size_bytes = check::txn(&txn)?;
        self.writer
            .write(size_bytes, |ledger| ledger.commit(txn))
            .await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        let (reads, head) = (Arc::clone(&self.reads), self.head.clone());
        Ok(Box::new(TableWatch::new(reads, head, prefix, after)))
    }

    async fn grant(&self, ttl_secs: u32) -> Result<LeaseId, StoreError> {
        self.writer
            .write(0, move |ledger| ledger.grant(ttl_secs))
            .await
    }

    async fn renew(&self, lease: LeaseId) -> Result<bool, StoreError> {
        self.writer
            .write(0, move |ledger| ledger.renew(lease))
            .await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.writer
            .write(0, move |ledger| ledger.revoke(lease))
            .await
    }
}

const KEPT: Retention = Retention {
    events_max: limits::EVENTS_KEPT_MAX,
    bytes_max: limits::EVENTS_KEPT_BYTES_MAX,
    slack: limits::EVENTS_SLACK,
};

/// What callers hear when the store is dropped while they wait.
fn closed() -> StoreError {
    StoreError::Unavailable("it is closed".into())
}

/// What SQLite's errors mean to callers.
fn failed(error: rusqlite::Error) -> StoreError {
    let is_damaged = matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::QueryReturnedNoRows
    ) || matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    );
    match is_damaged {
        true => StoreError::Damaged(error.to_string()),
        false => StoreError::Unavailable(error.to_string()),
    }
}

impl ToSql for Revision {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        // No store comes that far; callers may ask for what is after it.
        Ok(i64::try_from(self.0).unwrap_or(i64::MAX).into())
    }
}

impl FromSql for Revision {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Revision> {
        let number = i64::column_result(value)?;
        let number = u64::try_from(number).map_err(|_| FromSqlError::OutOfRange(number))?;
        Ok(Revision(number))
    }
}
