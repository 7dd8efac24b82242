//! What happens to versions in the index: one is found, added, removed, as S3's versioning says.
//!
//! A bucket that never had versioning has at most one version of a key, which is null. Where it is
//! enabled, every version is named and stays. Where it is suspended, the null version is replaced
//! and the named ones stay. The newest version of a key is what is seen without naming one.

use aws_lc_rs::rand;
use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    buckets::{Place, signed, unsigned},
    checksum::{Algorithm, Checksum, ChecksumKind},
    error::DiskError,
    files::{BlobId, hex},
    index::Change,
    types::{
        Attributes, Condition, DeleteTarget, Deleted, NULL_VERSION, ObjectInfo, Put, Tags,
        Versioning,
    },
};

/// A version that was found and is no delete marker.
pub(super) struct Found {
    pub info: ObjectInfo,
    pub content: i64,
}

const COLUMNS: &str = "sequence, key, version, content, size_bytes, etag, modified_ms, attributes,
    tags, algorithm, checksum_kind, checksum, parts";

/// Finds a version; `None` for the newest.
pub(super) fn find(
    sql: &Connection,
    place: Place,
    key: &str,
    version: Option<&str>,
) -> Result<Found, DiskError> {
    let bytes = key.as_bytes();
    match version {
        None => sql
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM versions WHERE bucket = ? AND key = ?
                 ORDER BY sequence DESC LIMIT 1"
            ))?
            .query_row(params![place.id, bytes], |row| Ok(found(row, place)))
            .optional()?
            .unwrap_or(Err(DiskError::NoSuchKey)),
        Some(version) => sql
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM versions WHERE bucket = ? AND key = ? AND version = ?"
            ))?
            .query_row(params![place.id, bytes, version], |row| {
                Ok(found(row, place))
            })
            .optional()?
            .unwrap_or(Err(DiskError::NoSuchVersion)),
    }
}

fn found(row: &Row<'_>, place: Place) -> Result<Found, DiskError> {
    let version: String = row.get(2)?;
    let Some(content) = row.get(3)? else {
        return Err(DiskError::IsDeleteMarker {
            version_id: version,
            modified_ms: row.get(6)?,
        });
    };
    let info = ObjectInfo {
        key: text(row, 1)?,
        version_id: (place.versioning != Versioning::Unversioned).then_some(version),
        sequence: row.get(0)?,
        size_bytes: unsigned(row.get(4)?),
        etag: row.get(5)?,
        modified_ms: row.get(6)?,
        attributes: json(row, 7)?,
        tags: json(row, 8)?,
        checksum: Checksum {
            algorithm: algorithm(row, 9)?,
            kind: kind(row, 10)?,
            value: row.get(11)?,
        },
        parts_count: row.get(12)?,
    };
    Ok(Found { info, content })
}

/// The files of a content and their lengths, in order.
pub(super) fn pieces(sql: &Connection, content: i64) -> Result<Vec<(BlobId, u64)>, DiskError> {
    let mut query = sql.prepare_cached(
        "SELECT blob, size_bytes FROM pieces WHERE content = ? AND blob IS NOT NULL
         ORDER BY number",
    )?;
    let rows = query.query_map([content], |row| {
        Ok((row.get(0)?, unsigned(row.get::<_, i64>(1)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A version that shall be.
pub(super) struct New<'a> {
    pub key: &'a str,
    /// [`sequence`].
    pub sequence: i64,
    /// Made or used for it already.
    pub content: i64,
    pub size_bytes: u64,
    pub etag: String,
    pub attributes: &'a Attributes,
    pub tags: &'a Tags,
    pub checksum: Checksum,
    pub parts_count: Option<u32>,
}

/// The next number of its own.
pub(super) fn sequence(sql: &Connection) -> Result<i64, DiskError> {
    let query = "UPDATE meta SET number = number + 1 WHERE name = 'sequence' RETURNING number";
    Ok(sql.prepare_cached(query)?.query_row([], |row| row.get(0))?)
}

/// An id that others cannot guess, and that grows with the sequence.
pub(super) fn id_of(sequence: i64) -> Result<String, DiskError> {
    let mut random = [0; 8];
    let filled = rand::fill(&mut random);
    filled.map_err(|_| DiskError::Unavailable("the system gives no randomness".into()))?;
    Ok(format!("{sequence:016x}{}", hex(&random)))
}

/// Whether the newest version is what the condition wants. Markers count as absent.
pub(super) fn check(
    sql: &Connection,
    place: Place,
    key: &str,
    condition: &Condition,
) -> Result<(), DiskError> {
    if *condition == Condition::None {
        return Ok(());
    }
    let etag: Option<String> = sql
        .prepare_cached("SELECT etag FROM versions WHERE bucket = ? AND key = ? AND is_live = 1")?
        .query_row(params![place.id, key.as_bytes()], |row| row.get(0))
        .optional()?;
    holds(condition, etag.as_deref())
}

fn holds(condition: &Condition, etag: Option<&str>) -> Result<(), DiskError> {
    match (condition, etag) {
        (Condition::None, _) | (Condition::IsAbsent, None) => Ok(()),
        (Condition::Matches(wanted), Some(etag)) if wanted == "*" || wanted == etag => Ok(()),
        (Condition::Matches(_), None) => Err(DiskError::NoSuchKey),
        (Condition::Matches(_) | Condition::IsAbsent, Some(_)) => {
            Err(DiskError::PreconditionFailed)
        }
    }
}

/// Adds a version, which becomes the newest.
pub(super) fn add(
    change: &mut Change<'_>,
    place: Place,
    new: New<'_>,
    now_ms: i64,
) -> Result<Put, DiskError> {
    let version = make_way(change, place, new.key, new.sequence)?;
    let sql = change.sql;
    sql.prepare_cached(
        "INSERT INTO versions VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        new.sequence,
        place.id,
        new.key.as_bytes(),
        version,
        new.content,
        signed(new.size_bytes),
        new.etag,
        now_ms,
        text_of(new.attributes)?,
        text_of(new.tags)?,
        new.checksum.algorithm.as_str(),
        new.checksum.kind.as_str(),
        new.checksum.value,
        new.parts_count,
    ])?;
    count(sql, place, 1, signed(new.size_bytes))?;
    Ok(Put {
        version_id: (place.versioning != Versioning::Unversioned).then_some(version),
        etag: new.etag,
        size_bytes: new.size_bytes,
        checksum: new.checksum,
        modified_ms: now_ms,
    })
}

/// Makes room for a version that becomes the newest. Returns what it is called.
fn make_way(
    change: &mut Change<'_>,
    place: Place,
    key: &str,
    sequence: i64,
) -> Result<String, DiskError> {
    let version =
        match place.versioning {
            Versioning::Enabled => id_of(sequence)?,
            Versioning::Unversioned | Versioning::Suspended => {
                let null = change
                .sql
                .prepare_cached(
                    "SELECT sequence FROM versions WHERE bucket = ? AND key = ? AND version = ?",
                )?
                .query_row(params![place.id, key.as_bytes(), NULL_VERSION], |row| row.get(0))
                .optional()?;
                if let Some(null) = null {
                    take(change, place, null)?;
                }
                NULL_VERSION.to_owned()
            }
        };
    change
        .sql
        .prepare_cached(
            "UPDATE versions SET is_live = 0 WHERE bucket = ? AND key = ? AND is_live = 1",
        )?
        .execute(params![place.id, key.as_bytes()])?;
    Ok(version)
}

/// Deletes as S3 does: a version that is named goes; else the object does, or a marker hides it.
pub(super) fn delete(
    change: &mut Change<'_>,
    place: Place,
    target: &DeleteTarget,
    now_ms: i64,
) -> Result<Deleted, DiskError> {
    let key = target.key.as_str();
    if let Some(version) = &target.version_id {
        return delete_version(change, place, target, version);
    }
    check(change.sql, place, key, &target.condition)?;
    let sequence = sequence(change.sql)?;
    if place.versioning == Versioning::Unversioned {
        make_way(change, place, key, sequence)?;
        return Ok(Deleted::default());
    }
    let version = make_way(change, place, key, sequence)?;
    change
        .sql
        .prepare_cached(
            "INSERT INTO versions VALUES
             (?, ?, ?, ?, 0, NULL, 0, '', ?, '{}', '[]', '', '', '', NULL)",
        )?
        .execute(params![sequence, place.id, key.as_bytes(), version, now_ms])?;
    Ok(Deleted {
        version_id: Some(version),
        is_delete_marker: true,
    })
}

fn delete_version(
    change: &mut Change<'_>,
    place: Place,
    target: &DeleteTarget,
    version: &str,
) -> Result<Deleted, DiskError> {
    let sql = change.sql;
    let key = target.key.as_bytes();
    let found: Option<(i64, String)> = sql
        .prepare_cached(
            "SELECT sequence, etag FROM versions WHERE bucket = ? AND key = ? AND version = ?",
        )?
        .query_row(params![place.id, key, version], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    holds(
        &target.condition,
        found.as_ref().map(|(_, etag)| etag.as_str()),
    )?;
    let mut is_delete_marker = false;
    if let Some((sequence, _)) = found {
        is_delete_marker = take(change, place, sequence)?;
        // The one before it, if it is no marker, is what is seen now.
        sql.prepare_cached(
            "UPDATE versions SET is_live = 1 WHERE content IS NOT NULL AND sequence =
             (SELECT max(sequence) FROM versions WHERE bucket = ? AND key = ?)",
        )?
        .execute(params![place.id, key])?;
    }
    Ok(Deleted {
        version_id: Some(version.to_owned()),
        is_delete_marker,
    })
}

/// Takes a version out. Returns whether it was a marker.
fn take(change: &mut Change<'_>, place: Place, sequence: i64) -> Result<bool, DiskError> {
    let (content, size_bytes): (Option<i64>, i64) = change
        .sql
        .prepare_cached("DELETE FROM versions WHERE sequence = ? RETURNING content, size_bytes")?
        .query_row([sequence], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some(content) = content else {
        return Ok(true);
    };
    count(change.sql, place, -1, -size_bytes)?;
    let uses: i64 = change
        .sql
        .prepare_cached("UPDATE contents SET uses = uses - 1 WHERE id = ? RETURNING uses")?
        .query_row([content], |row| row.get(0))?;
    if uses <= 0 {
        let blobs = change
            .sql
            .prepare_cached("DELETE FROM pieces WHERE content = ? RETURNING blob")?
            .query_map([content], |row| row.get::<_, Option<BlobId>>(0))?
            .collect::<Result<Vec<_>, _>>()?;
        let sql = change.sql;
        sql.prepare_cached("DELETE FROM contents WHERE id = ?")?
            .execute([content])?;
        let blobs = blobs.into_iter().flatten().collect();
        change.effects.dropped.push((content, blobs));
    }
    Ok(false)
}

fn count(sql: &Connection, place: Place, objects: i64, bytes: i64) -> Result<(), DiskError> {
    sql.prepare_cached("UPDATE buckets SET objects = objects + ?, bytes = bytes + ? WHERE id = ?")?
        .execute(params![objects, bytes, place.id])?;
    Ok(())
}

/// A key, which is UTF-8.
pub(super) fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    String::from_utf8(row.get(column)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error))
    })
}

pub(super) fn algorithm(row: &Row<'_>, column: usize) -> rusqlite::Result<Algorithm> {
    let name: String = row.get(column)?;
    Algorithm::of(&name).ok_or_else(|| unknown(column, &name))
}

pub(super) fn kind(row: &Row<'_>, column: usize) -> rusqlite::Result<ChecksumKind> {
    let name: String = row.get(column)?;
    ChecksumKind::of(&name).ok_or_else(|| unknown(column, &name))
}

fn unknown(column: usize, name: &str) -> rusqlite::Error {
    let error = format!("{name:?} is not known");
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
}

pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}

pub(super) fn text_of(value: &impl Serialize) -> Result<String, DiskError> {
    serde_json::to_string(value).map_err(|error| DiskError::Unavailable(error.to_string()))
}
