//! Objects: put, read, copied, deleted.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::{
    Body, Disk, Staged, Written,
    buckets::{self, Place, signed, unsigned},
    checksum::{Algorithm, Checksum, ChecksumKind},
    error::DiskError,
    files::{Files, hex},
    index::Change,
    names,
    types::{CopyRequest, DeleteTarget, Deleted, ObjectInfo, Part, Put, PutRequest, Tags},
    versions::{self, Found, New},
};
use crate::limits;

impl Disk {
    /// Begins to take the bytes of an object or a part; nothing is done before they come.
    pub fn stage(&self, algorithm: Algorithm) -> Staged {
        Staged::new(Arc::clone(self.files()), algorithm)
    }

    /// Puts an object that was written. When this returns it is durable; if it fails, what was
    /// there before is there.
    pub async fn put(
        &self,
        request: PutRequest,
        written: Written,
        now_ms: i64,
    ) -> Result<Put, DiskError> {
        names::check_key(&request.key)?;
        names::check_attributes(&request.attributes)?;
        names::check_tags(&request.tags, limits::OBJECT_TAGS_MAX)?;
        self.index()
            .change(move |change| {
                let place = buckets::place(change.sql, &request.bucket)?;
                versions::check(change.sql, place, &request.key, &request.condition)?;
                put(change, place, &request, written, now_ms)
            })
            .await
    }

    /// What is known of an object; `version` `None` for the newest.
    pub async fn head(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<ObjectInfo, DiskError> {
        let name = Name::new(bucket, key, version);
        let found = self.index().read(move |sql| name.find(sql));
        Ok(found.await?.info)
    }

    /// As [`Disk::head`], with its bytes, which stay whole while they are read even if the object
    /// is replaced or deleted.
    pub async fn open_object(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<(ObjectInfo, Body), DiskError> {
        let name = Name::new(bucket, key, version);
        let files = Arc::clone(self.files());
        self.index()
            .read(move |sql| open_object(sql, &name, &files))
            .await
    }

    /// Up to `max` of an object's parts after the number `after` (0 for all), by number; none if it
    /// was not made of parts.
    pub async fn object_parts(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        after: u32,
        max: usize,
    ) -> Result<Vec<Part>, DiskError> {
        let name = Name::new(bucket, key, version);
        self.index()
            .read(move |sql| {
                let txn = sql.transaction()?;
                let Found { info, content } = name.find(&txn)?;
                if info.parts_count.is_none() {
                    return Ok(Vec::new());
                }
                let mut query = txn.prepare_cached(
                    "SELECT number, size_bytes, etag, checksum FROM pieces
                     WHERE content = ? AND number > ? ORDER BY number LIMIT ?",
                )?;
                let max = signed(max.min(limits::PARTS_MAX as usize) as u64);
                let rows = query.query_map(params![content, after, max], |row| {
                    Ok(Part {
                        number: row.get(0)?,
                        size_bytes: unsigned(row.get(1)?),
                        etag: row.get(2)?,
                        checksum: Checksum {
                            algorithm: info.checksum.algorithm,
                            kind: ChecksumKind::FullObject,
                            value: row.get(3)?,
                        },
                        modified_ms: info.modified_ms,
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Makes an object of another one; they share the bytes. Also onto itself, to change what is
    /// kept with it.
    pub async fn copy(&self, request: CopyRequest, now_ms: i64) -> Result<Put, DiskError> {
        names::check_key(&request.key)?;
        if let Some(attributes) = &request.attributes {
            names::check_attributes(attributes)?;
        }
        if let Some(tags) = &request.tags {
            names::check_tags(tags, limits::OBJECT_TAGS_MAX)?;
        }
        self.index()
            .change(move |change| copy(change, &request, now_ms))
            .await
    }

    /// Deletes an object or a version.
    pub async fn delete(
        &self,
        bucket: &str,
        target: DeleteTarget,
        now_ms: i64,
    ) -> Result<Deleted, DiskError> {
        let bucket = bucket.to_owned();
        self.index()
            .change(move |change| {
                let place = buckets::place(change.sql, &bucket)?;
                versions::delete(change, place, &target, now_ms)
            })
            .await
    }

    /// Deletes up to [`DELETE_KEYS_MAX`](crate::limits::DELETE_KEYS_MAX), each for itself, all
    /// durable together. Answers in the targets' order.
    pub async fn delete_many(
        &self,
        bucket: &str,
        targets: Vec<DeleteTarget>,
        now_ms: i64,
    ) -> Result<Vec<Result<Deleted, DiskError>>, DiskError> {
        let max = limits::DELETE_KEYS_MAX;
        if targets.len() > max {
            let reason = format!("there are {}; at most {max} are taken", targets.len());
            return Err(DiskError::invalid("keys to delete", reason));
        }
        let bucket = bucket.to_owned();
        self.index()
            .change(move |change| {
                let place = buckets::place(change.sql, &bucket)?;
                targets
                    .iter()
                    .map(|target| {
                        change.attempt(|change| versions::delete(change, place, target, now_ms))
                    })
                    .collect()
            })
            .await
    }

    /// Replaces an object's tags; none removes them. Returns [`ObjectInfo::version_id`]. (They are
    /// read by [`Disk::head`].)
    pub async fn set_tags(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        tags: Tags,
    ) -> Result<Option<String>, DiskError> {
        names::check_tags(&tags, limits::OBJECT_TAGS_MAX)?;
        let name = Name::new(bucket, key, version);
        self.index()
            .change(move |change| {
                let info = name.find(change.sql)?.info;
                change
                    .sql
                    .prepare_cached("UPDATE versions SET tags = ? WHERE sequence = ?")?
                    .execute(params![versions::text_of(&tags)?, info.sequence])?;
                Ok(info.version_id)
            })
            .await
    }
}

/// Which version is meant.
struct Name {
    bucket: String,
    key: String,
    version: Option<String>,
}

impl Name {
    fn new(bucket: &str, key: &str, version: Option<&str>) -> Name {
        Name {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: version.map(str::to_owned),
        }
    }

    fn find(&self, sql: &Connection) -> Result<Found, DiskError> {
        let place = buckets::place(sql, &self.bucket)?;
        versions::find(sql, place, &self.key, self.version.as_deref())
    }
}

/// An object's files are kept before it is known that they are still its own: so it is looked up
/// once more. If it is there then, whatever removes it later finds them kept.
fn open_object(
    sql: &Connection,
    name: &Name,
    files: &Arc<Files>,
) -> Result<(ObjectInfo, Body), DiskError> {
    for _ in 0..limits::OPEN_ATTEMPTS_MAX {
        let Found { info, content } = name.find(sql)?;
        let pieces = versions::pieces(sql, content)?;
        let pin = files.pin(content);
        let is_there = sql
            .prepare_cached("SELECT 1 FROM versions WHERE sequence = ? AND content = ?")?
            .exists([info.sequence, content])?;
        if !is_there {
            continue;
        }
        let body = Body::new(Arc::clone(files), pin, pieces);
        if body.size_bytes() != info.size_bytes {
            return Err(DiskError::Damaged(
                "the files of an object do not add up".into(),
            ));
        }
        return Ok((info, body));
    }
    let reason = "the object was replaced whenever it was looked up";
    Err(DiskError::Unavailable(reason.into()))
}

fn put(
    change: &mut Change<'_>,
    place: Place,
    request: &PutRequest,
    written: Written,
    now_ms: i64,
) -> Result<Put, DiskError> {
    let sequence = versions::sequence(change.sql)?;
    let (size_bytes, etag) = (written.size_bytes(), hex(&written.md5()));
    let checksum = written.checksum().clone();
    add_content(change.sql, sequence)?;
    if let Some(file) = written.into_file() {
        change
            .sql
            .prepare_cached("INSERT INTO pieces VALUES (?, 1, ?, ?, ?, ?)")?
            .execute(params![
                sequence,
                file.id(),
                signed(size_bytes),
                etag,
                checksum.value
            ])?;
        change.effects.adopted.push(file);
    }
    let new = New {
        key: &request.key,
        sequence,
        content: sequence,
        size_bytes,
        etag,
        attributes: &request.attributes,
        tags: &request.tags,
        checksum,
        parts_count: None,
    };
    versions::add(change, place, new, now_ms)
}

/// A content that one version uses. It goes by the sequence of the first.
pub(super) fn add_content(sql: &Connection, sequence: i64) -> Result<(), DiskError> {
    sql.prepare_cached("INSERT INTO contents VALUES (?, 1)")?
        .execute([sequence])?;
    Ok(())
}

fn copy(change: &mut Change<'_>, request: &CopyRequest, now_ms: i64) -> Result<Put, DiskError> {
    let sql = change.sql;
    let source = buckets::place(sql, &request.source_bucket)?;
    let version = request.source_version.as_deref();
    let Found { info, content } = versions::find(sql, source, &request.source_key, version)?;
    if request
        .source_sequence
        .is_some_and(|sequence| sequence != info.sequence)
    {
        return Err(DiskError::PreconditionFailed);
    }
    let place = buckets::place(sql, &request.bucket)?;
    versions::check(sql, place, &request.key, &request.condition)?;
    let sequence = versions::sequence(sql)?;
    // Before what is replaced is taken, which may be the source.
    sql.prepare_cached("UPDATE contents SET uses = uses + 1 WHERE id = ?")?
        .execute([content])?;
    let new = New {
        key: &request.key,
        sequence,
        content,
        size_bytes: info.size_bytes,
        etag: info.etag,
        attributes: request.attributes.as_ref().unwrap_or(&info.attributes),
        tags: request.tags.as_ref().unwrap_or(&info.tags),
        checksum: info.checksum,
        parts_count: info.parts_count,
    };
    versions::add(change, place, new, now_ms)
}
