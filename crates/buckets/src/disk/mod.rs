//! Objects on the disk of this machine: their bytes in files, all else in one SQLite database.
//!
//! | in the directory | is |
//! |---|---|
//! | `index.db` | buckets, versions of objects, uploads (`schema`) |
//! | `blobs/ab/ab…` | bytes of an object or of a part, named by 32 hex digits |
//! | `tmp/…` | bytes that are coming in |
//! | `lock` | is locked by the process that has the directory |
//!
//! A file is written in `tmp`, made durable, renamed into `blobs`, and only then named in the
//! index, in one transaction with all else that a request changes; a file whose last name goes is
//! removed after that transaction, and after the last reader that has it. So a crash at any point
//! leaves the old object or the new one, and at most files that nobody names, which are swept when
//! the directory is opened.
//!
//! Read [`Disk`] first; its methods are beside what they do: in `buckets`, `objects`, `list` and
//! `uploads`.

mod buckets;
mod checksum;
mod error;
mod files;
mod index;
mod list;
mod names;
mod objects;
mod schema;
mod transfer;
mod types;
mod uploads;
mod versions;

use std::{collections::HashSet, io, path::Path, sync::Arc};

use rusqlite::Connection;

use self::{
    files::{BlobId, Files},
    index::{Change, Index},
};

pub(crate) use self::checksum::{Running, encode};
pub use self::{
    checksum::{Algorithm, Checksum, ChecksumKind},
    error::{DiskError, OpenError},
    names::check_tags,
    transfer::{Body, Chunks, Staged, Written},
    types::*,
};

/// Buckets in a directory. Clones share it; the last one that goes ends its thread and waits for
/// it, and for what was asked of it.
#[derive(Clone)]
pub struct Disk {
    inner: Arc<Inner>,
}

struct Inner {
    index: Index,
    files: Arc<Files>,
}

impl Disk {
    /// Opens the directory, or makes it, readable for its owner alone; sweeps what a crash and
    /// forgotten uploads have left. Blocks.
    pub fn open(dir: &Path, now_ms: i64) -> Result<Disk, OpenError> {
        let is_new = !dir.exists();
        schema::make_dir(dir)?;
        if is_new {
            files::sync_parent(dir).map_err(|source| schema::io_error(dir, source))?;
        }
        let lock = schema::Lock::take(dir)?;
        let path = dir.join("index.db");
        if !path.exists() && Files::has_any(dir) {
            return Err(OpenError::NoIndex(path));
        }
        schema::make_file(&path)?;
        let mut sql = schema::connect(&path)?;
        schema::prepare(&mut sql, &path)?;
        let files = Arc::new(Files::open(dir)?);
        let forgotten = sweep_uploads(&mut sql, now_ms).map_err(|error| {
            let source = io::Error::other(error);
            schema::io_error(&path, source)
        })?;
        let named = named(&sql).map_err(|source| schema::sqlite_error(&path, source))?;
        let swept = files.sweep(&named);
        let swept = swept.map_err(|source| schema::io_error(dir, source))?;
        tracing::info!(?dir, ?swept, forgotten, "the buckets are open");
        if swept.missing > 0 {
            let missing = swept.missing;
            tracing::error!(
                ?dir,
                missing,
                "files of buckets are missing; their objects fail"
            );
        }
        Ok(Disk {
            inner: Arc::new(Inner {
                index: Index::start(&path, sql, Arc::clone(&files), lock)?,
                files,
            }),
        })
    }

    fn index(&self) -> &Index {
        &self.inner.index
    }

    fn files(&self) -> &Arc<Files> {
        &self.inner.files
    }
}

/// Aborts the uploads that are too old. Their files are swept with what else nobody names.
fn sweep_uploads(sql: &mut Connection, now_ms: i64) -> Result<usize, DiskError> {
    let txn = sql.transaction()?;
    let count = uploads::sweep(&mut Change::new(&txn), now_ms)?;
    txn.commit()?;
    Ok(count)
}

/// All files that the index names.
fn named(sql: &Connection) -> rusqlite::Result<HashSet<BlobId>> {
    let mut query = sql.prepare(
        "SELECT blob FROM pieces WHERE blob IS NOT NULL
         UNION ALL SELECT blob FROM parts WHERE blob IS NOT NULL",
    )?;
    query.query_map([], |row| row.get(0))?.collect()
}
