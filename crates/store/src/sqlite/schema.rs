//! The file: who may open it, its tables, and which versions of them are known.
//!
//! | table | a row is |
//! |---|---|
//! | `documents` | a document as it is now; `lease` if it goes with one |
//! | `events` | one change: `value` NULL is a deletion; `id` grows without gaps |
//! | `leases` | a lease and when it ends, in milliseconds since 1970 |
//! | `meta` | a number by name: `revision`, `compacted` |

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use thiserror::Error;

/// Says to SQLite's tools whose file it is: "WFST".
const APPLICATION_ID: i32 = 0x5746_5354;

/// The version of the tables below. Each change adds one and a step from the version before.
const VERSION: i32 = 1;

const TABLES: &str = "
CREATE TABLE documents (
    key BLOB PRIMARY KEY, value BLOB NOT NULL,
    created INTEGER NOT NULL, modified INTEGER NOT NULL, lease INTEGER
) STRICT;
CREATE INDEX documents_lease ON documents (lease) WHERE lease IS NOT NULL;
CREATE TABLE events (
    id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, key BLOB NOT NULL,
    value BLOB, created INTEGER NOT NULL
) STRICT;
CREATE INDEX events_revision ON events (revision);
CREATE TABLE leases (
    id INTEGER PRIMARY KEY AUTOINCREMENT, ttl_ms INTEGER NOT NULL, ends_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX leases_ends ON leases (ends_ms);
CREATE TABLE meta (name TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT;
INSERT INTO meta VALUES ('revision', 0), ('compacted', 0);
";

/// Why a file cannot be opened as a store.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process, or another store of this one, has it.
    #[error("{0} is in use by another process; a store has one at a time")]
    InUse(PathBuf),
    /// A newer program made it.
    #[error("{path} has version {found}; this program knows versions up to {known}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version that it has.
        found: i32,
        /// The newest version that is known here.
        known: i32,
    },
    /// It is a database, or another file, that is not a store.
    #[error("{0} is not a store of this program")]
    Foreign(PathBuf),
    /// The file, or one next to it, cannot be made, read or written.
    #[error("cannot open {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// SQLite cannot read or write it.
    #[error("cannot open {path}: {source}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

/// Keeps other processes from a store's file for as long as it lives.
///
/// It locks a file of its own: closing any handle of the database would drop SQLite's own locks.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub fn take(path: &Path) -> Result<Lock, OpenError> {
        let mut lock_path = path.as_os_str().to_owned();
        lock_path.push(".lock");
        let lock_path = PathBuf::from(lock_path);
        let failed = |source| OpenError::Io {
            path: lock_path.clone(),
            source,
        };
        let file = private(&lock_path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(fs::TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
            Err(fs::TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

/// Makes the file if there is none. Its write-ahead log takes over its mode.
pub(super) fn make_file(path: &Path) -> Result<(), OpenError> {
    let make = || {
        if private(path)?.metadata()?.len() == 0 {
            let parent = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            File::open(parent)?.sync_all()?;
        }
        Ok(())
    };
    make().map_err(|source| OpenError::Io {
        path: path.to_owned(),
        source,
    })
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

/// A connection to the file; nothing is in it yet if it is new.
pub(super) fn connect(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .and_then(|connection| {
            // Only a checkpoint or a reader that recovers the log holds others up, briefly.
            connection.busy_timeout(Duration::from_secs(10))?;
            connection.set_prepared_statement_cache_capacity(32);
            Ok(connection)
        })
        .map_err(|source| sqlite(path, source))
}

/// Makes the writer's connection durable and its tables those of [`VERSION`].
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let number = |name| -> Result<i32, OpenError> {
        connection
            .pragma_query_value(None, name, |row| row.get(0))
            .map_err(|source| match source.sqlite_error_code() {
                Some(rusqlite::ErrorCode::NotADatabase) => OpenError::Foreign(path.to_owned()),
                _ => sqlite(path, source),
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
    migrate(connection, found).map_err(|source| sqlite(path, source))
}

fn migrate(connection: &mut Connection, found: i32) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // An acknowledged commit survives the machine's crash, not only the program's.
    connection.pragma_update(None, "synchronous", "FULL")?;
    let txn = connection.transaction()?;
    if found == 0 {
        txn.execute_batch(TABLES)?;
        txn.pragma_update(None, "application_id", APPLICATION_ID)?;
        txn.pragma_update(None, "user_version", VERSION)?;
    }
    txn.commit()
}

fn sqlite(path: &Path, source: rusqlite::Error) -> OpenError {
    OpenError::Sqlite {
        path: path.to_owned(),
        source,
    }
}
