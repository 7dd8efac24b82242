//! What can go wrong, by whose fault.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why something was not done. Nothing has changed then.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DiskError {
    /// The caller's: there is no such bucket.
    #[error("there is no bucket {0}")]
    NoSuchBucket(String),
    /// The caller's: the bucket is there already.
    #[error("the bucket {0} exists")]
    BucketExists(String),
    /// The caller's: only empty buckets are deleted; versions and delete markers count.
    #[error("the bucket {0} is not empty")]
    BucketNotEmpty(String),
    /// The caller's: there is no such object.
    #[error("there is no such key")]
    NoSuchKey,
    /// The caller's: the object has no such version.
    #[error("there is no such version")]
    NoSuchVersion,
    /// The caller's: what was asked for is a delete marker: the newest version if no version was
    /// named (S3: 404), or the version that was named (S3: 405).
    #[error("the version {version_id} is a delete marker")]
    IsDeleteMarker {
        /// The marker's version.
        version_id: String,
        /// When it was made, in milliseconds since 1970.
        modified_ms: i64,
    },
    /// The caller's: the object is not as the caller's condition wants it (S3: 412).
    #[error("the object is not as the condition wants it")]
    PreconditionFailed,
    /// The caller's: there is no such upload; it may have been completed, aborted or swept.
    #[error("there is no such upload")]
    NoSuchUpload,
    /// The caller's: this part was not uploaded, or has another ETag or checksum.
    #[error("part {0} was not uploaded, or has another ETag or checksum")]
    InvalidPart(u32),
    /// The caller's: the parts' numbers do not ascend.
    #[error("the parts' numbers do not ascend")]
    InvalidPartOrder,
    /// The caller's: this part, which is not the last, is below
    /// [`PART_BYTES_MIN`](crate::limits::PART_BYTES_MIN).
    #[error("part {0}, which is not the last, has less than 5 MiB")]
    PartTooSmall(u32),
    /// The caller's: what was sent is not what the caller's checksum says.
    #[error("the {0} of what was sent is another one")]
    BadDigest(&'static str),
    /// The caller's: what was sent is too large.
    #[error("too large: at most {0} bytes are taken")]
    TooLarge(u64),
    /// The caller's: something has a form that S3 does not take, or is beyond a bound.
    #[error("{field}: {reason}")]
    Invalid {
        /// Which part of the request, such as `key`.
        field: &'static str,
        /// What is wrong with it and what is allowed.
        reason: String,
    },
    /// The caller's: there would be more than the bound of `field`.
    #[error("there are {max} {field}, which is the most")]
    TooMany {
        /// Of what.
        field: &'static str,
        /// How many there may be.
        max: usize,
    },
    /// Ours or the machine's: the disk or the index cannot be read or written now.
    #[error("the disk cannot be read or written: {0}")]
    Unavailable(String),
    /// Ours or the machine's: what is on the disk is not what was put there.
    #[error("damaged: {0}")]
    Damaged(String),
}

impl DiskError {
    pub(crate) fn invalid(field: &'static str, reason: impl Into<String>) -> DiskError {
        DiskError::Invalid {
            field,
            reason: reason.into(),
        }
    }

    /// What callers hear when the disk is dropped while they wait.
    pub(crate) fn closed() -> DiskError {
        DiskError::Unavailable("it is closed".into())
    }
}

impl From<io::Error> for DiskError {
    fn from(error: io::Error) -> DiskError {
        DiskError::Unavailable(error.to_string())
    }
}

impl From<rusqlite::Error> for DiskError {
    fn from(error: rusqlite::Error) -> DiskError {
        use rusqlite::{Error, ErrorCode};
        let is_damaged = matches!(
            error,
            Error::FromSqlConversionFailure(..)
                | Error::IntegralValueOutOfRange(..)
                | Error::InvalidColumnType(..)
                | Error::QueryReturnedNoRows
        ) || matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        );
        match is_damaged {
            true => DiskError::Damaged(error.to_string()),
            false => DiskError::Unavailable(error.to_string()),
        }
    }
}

/// Why a directory cannot be opened as a disk of buckets.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process, or another disk of this one, has it.
    #[error("{0} is in use by another process; a directory of buckets has one at a time")]
    InUse(PathBuf),
    /// There are files of objects, and nothing that names them; swept, they would be lost.
    #[error(
        "{0} is missing, and beside it are objects that it named: put it back (with its -wal), or \
         move the directory away"
    )]
    NoIndex(PathBuf),
    /// A newer program made it.
    #[error("{path} has version {found}; this program knows versions up to {known}")]
    Newer {
        /// The index.
        path: PathBuf,
        /// The version that it has.
        found: i32,
        /// The newest version that is known here.
        known: i32,
    },
    /// The index is another database, or another file.
    #[error("{0} is not an index of buckets")]
    Foreign(PathBuf),
    /// A file or directory cannot be made, read or written.
    #[error("cannot open {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// SQLite cannot read or write the index.
    #[error("cannot open {path}: {source}")]
    Sqlite {
        /// The index.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}
