//! The index: who may open it, its tables, and which versions of them are known.
//!
//! | table | a row is |
//! |---|---|
//! | `buckets` | a bucket, and the sums of what it holds |
//! | `configurations` | one configuration of a bucket |
//! | `versions` | a version of an object, or a delete marker (`content` NULL) |
//! | `contents` | the bytes of an object; `uses` versions have them |
//! | `pieces` | a file of a content, in order; `blob` NULL if it has no bytes |
//! | `uploads`, `parts` | an open upload and its parts, each with its file |
//! | `meta` | a number by name: `sequence`, the last that was given away |
//!
//! The version of a key with the highest `sequence` is its newest; it `is_live` if it is no marker.
//! Keys are blobs: SQLite orders them by their bytes, as S3 does.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use super::error::OpenError;

/// Says to SQLite's tools whose file it is: "WFBK".
const APPLICATION_ID: i32 = 0x5746_424b;

/// The version of the tables below. Each change adds one and a step from the version before.
const VERSION: i32 = 1;

const TABLES: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT;
INSERT INTO meta VALUES ('sequence', 0);
CREATE TABLE buckets (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, region TEXT NOT NULL,
    owner TEXT NOT NULL, created_ms INTEGER NOT NULL, versioning INTEGER NOT NULL,
    objects INTEGER NOT NULL, bytes INTEGER NOT NULL
) STRICT;
CREATE TABLE configurations (
    bucket INTEGER NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (bucket, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE versions (
    sequence INTEGER PRIMARY KEY, bucket INTEGER NOT NULL, key BLOB NOT NULL,
    version TEXT NOT NULL, is_live INTEGER NOT NULL, content INTEGER, size_bytes INTEGER NOT NULL,
    etag TEXT NOT NULL, modified_ms INTEGER NOT NULL, attributes TEXT NOT NULL,
    tags TEXT NOT NULL, algorithm TEXT NOT NULL, checksum_kind TEXT NOT NULL,
    checksum TEXT NOT NULL, parts INTEGER
) STRICT;
CREATE UNIQUE INDEX versions_ordered ON versions (bucket, key, sequence DESC);
CREATE UNIQUE INDEX versions_named ON versions (bucket, key, version);
CREATE UNIQUE INDEX versions_live ON versions (bucket, key) WHERE is_live = 1;
CREATE TABLE contents (id INTEGER PRIMARY KEY, uses INTEGER NOT NULL) STRICT;
CREATE TABLE pieces (
    content INTEGER NOT NULL, number INTEGER NOT NULL, blob BLOB, size_bytes INTEGER NOT NULL,
    etag TEXT NOT NULL, checksum TEXT NOT NULL, PRIMARY KEY (content, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE uploads (
    id TEXT PRIMARY KEY, bucket INTEGER NOT NULL, key BLOB NOT NULL, started_ms INTEGER NOT NULL,
    owner TEXT NOT NULL, attributes TEXT NOT NULL, tags TEXT NOT NULL, algorithm TEXT NOT NULL,
    checksum_kind TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX uploads_ordered ON uploads (bucket, key, id);
CREATE INDEX uploads_started ON uploads (started_ms);
CREATE TABLE parts (
    upload TEXT NOT NULL, number INTEGER NOT NULL, blob BLOB, size_bytes INTEGER NOT NULL,
    etag TEXT NOT NULL, checksum TEXT NOT NULL, modified_ms INTEGER NOT NULL,
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
";

/// Keeps other processes from a directory for as long as it lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub fn take(dir: &Path) -> Result<Lock, OpenError> {
        let path = dir.join("lock");
        let file = private(&path).map_err(|source| io_error(&path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(fs::TryLockError::WouldBlock) => Err(OpenError::InUse(dir.to_owned())),
            Err(fs::TryLockError::Error(source)) => Err(io_error(&path, source)),
        }
    }
}

/// Makes a directory that the owner alone reads, if there is none.
pub(super) fn make_dir(path: &Path) -> Result<(), OpenError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| io_error(path, source))
}

/// Makes the index's file if there is none. Its write-ahead log takes over its mode.
pub(super) fn make_file(path: &Path) -> Result<(), OpenError> {
    private(path)
        .map(drop)
        .map_err(|source| io_error(path, source))
}

/// Opens or makes a file that the owner alone reads.
fn private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// A connection to the index; nothing is in it yet if it is new.
pub(super) fn connect(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .and_then(|connection| {
            // Only a checkpoint or a reader that recovers the log holds others up, briefly.
            connection.busy_timeout(Duration::from_secs(10))?;
            connection.set_prepared_statement_cache_capacity(64);
            Ok(connection)
        })
        .map_err(|source| sqlite_error(path, source))
}

/// Makes the writer's connection durable and its tables those of [`VERSION`].
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let number = |name| -> Result<i32, OpenError> {
        connection
            .pragma_query_value(None, name, |row| row.get(0))
            .map_err(|source| match source.sqlite_error_code() {
                Some(rusqlite::ErrorCode::NotADatabase) => OpenError::Foreign(path.to_owned()),
                _ => sqlite_error(path, source),
            })
    };
    let found = number("user_version")?;
    match (number("application_id")?, found) {
        (APPLICATION_ID, 0..=VERSION) => {}
        (APPLICATION_ID, _) => {
            return Err(OpenError::Newer {
                path: path.to_owned(),
                found,
                known: VERSION,
            });
        }
        // A file that has just been made, perhaps by a process that was killed then.
        (0, 0) if number("schema_version")? == 0 => {}
        _ => return Err(OpenError::Foreign(path.to_owned())),
    }
    migrate(connection, found).map_err(|source| sqlite_error(path, source))
}

fn migrate(connection: &mut Connection, found: i32) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // An acknowledged change survives the machine's crash, not only the program's.
    connection.pragma_update(None, "synchronous", "FULL")?;
    let txn = connection.transaction()?;
    if found == 0 {
        txn.execute_batch(TABLES)?;
        txn.pragma_update(None, "application_id", APPLICATION_ID)?;
        txn.pragma_update(None, "user_version", VERSION)?;
    }
    txn.commit()
}

pub(super) fn io_error(path: &Path, source: io::Error) -> OpenError {
    OpenError::Io {
        path: path.to_owned(),
        source,
    }
}

pub(super) fn sqlite_error(path: &Path, source: rusqlite::Error) -> OpenError {
    OpenError::Sqlite {
        path: path.to_owned(),
        source,
    }
}
