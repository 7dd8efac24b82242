//! Uploads of parts: begun, filled, and made objects or given up.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use s3s::crypto::{Checksum as _, Md5};

use super::{
    Disk, Written,
    buckets::{self, signed, unsigned},
    checksum::{self, Checksum, ChecksumKind},
    error::DiskError,
    files::{BlobId, hex},
    index::Change,
    list, names, objects,
    types::{CompleteRequest, Part, PartChoice, Parts, Put, Upload, UploadRequest},
    versions::{self, New},
};
use crate::limits;

impl Disk {
    /// Begins an upload of parts.
    pub async fn create_upload(
        &self,
        request: UploadRequest,
        now_ms: i64,
    ) -> Result<Upload, DiskError> {
        names::check_key(&request.key)?;
        names::check_attributes(&request.attributes)?;
        names::check_tags(&request.tags, limits::OBJECT_TAGS_MAX)?;
        let algorithm = request.algorithm;
        let checksum_kind = request.checksum_kind.unwrap_or(algorithm.default_kind());
        if !algorithm.can_be(checksum_kind) {
            let (kind, algorithm) = (checksum_kind.as_str(), algorithm.as_str());
            let reason = format!("{algorithm} cannot be {kind}");
            return Err(DiskError::invalid("checksum type", reason));
        }
        self.index()
            .change(move |change| create(change.sql, request, checksum_kind, now_ms))
            .await
    }

    /// An open upload, to know with which algorithm its parts are staged.
    pub async fn upload(&self, bucket: &str, key: &str, id: &str) -> Result<Upload, DiskError> {
        let name = Name::new(bucket, key, id);
        self.index().read(move |sql| name.find(sql)).await
    }

    /// Puts a part, or puts it again. It must be staged with the upload's algorithm.
    pub async fn put_part(
        &self,
        bucket: &str,
        key: &str,
        upload_id: &str,
        number: u32,
        written: Written,
        now_ms: i64,
    ) -> Result<Part, DiskError> {
        let max = limits::PARTS_MAX;
        if !(1..=max).contains(&number) {
            let reason = format!("it is {number}; 1 to {max} are taken");
            return Err(DiskError::invalid("part number", reason));
        }
        let name = Name::new(bucket, key, upload_id);
        let part = Part {
            number,
            size_bytes: written.size_bytes(),
            etag: hex(&written.md5()),
            checksum: written.checksum().clone(),
            modified_ms: now_ms,
        };
        self.index()
            .change(move |change| {
                let upload = name.find(change.sql)?;
                if upload.algorithm != part.checksum.algorithm {
                    let reason = format!("the upload has {}", upload.algorithm.as_str());
                    return Err(DiskError::invalid("checksum algorithm", reason));
                }
                put_part(change, &upload, &part, written)?;
                Ok(part)
            })
            .await
    }

    /// Up to `max` of an upload's parts after the number `after` (0 for all).
    pub async fn list_parts(
        &self,
        bucket: &str,
        key: &str,
        upload_id: &str,
        after: u32,
        max: usize,
    ) -> Result<Parts, DiskError> {
        let name = Name::new(bucket, key, upload_id);
        self.index()
            .read(move |sql| {
                let txn = sql.transaction()?;
                let upload = name.find(&txn)?;
                list_parts(&txn, upload, after, max.min(limits::PAGE_ENTRIES_MAX))
            })
            .await
    }

    /// Makes an object of an upload's parts, without copying them; what parts it does not name go.
    pub async fn complete_upload(
        &self,
        request: CompleteRequest,
        now_ms: i64,
    ) -> Result<Put, DiskError> {
        if request.parts.is_empty() {
            return Err(DiskError::invalid(
                "parts",
                "there are none; at least one is wanted",
            ));
        }
        if request
            .parts
            .windows(2)
            .any(|pair| pair[0].number >= pair[1].number)
        {
            return Err(DiskError::InvalidPartOrder);
        }
        self.index()
            .change(move |change| complete(change, &request, now_ms))
            .await
    }

    /// Gives an upload up; its parts go.
    pub async fn abort_upload(&self, bucket: &str, key: &str, id: &str) -> Result<(), DiskError> {
        let name = Name::new(bucket, key, id);
        self.index()
            .change(move |change| {
                let upload = name.find(change.sql)?;
                remove(change, &upload.id)
            })
            .await
    }

    /// Aborts the uploads that began more than
    /// [`UPLOAD_AGE_MS_MAX`](crate::limits::UPLOAD_AGE_MS_MAX) ago. Returns how many. To be called
    /// now and then.
    pub async fn sweep_uploads(&self, now_ms: i64) -> Result<usize, DiskError> {
        self.index()
            .change(move |change| sweep(change, now_ms))
            .await
    }
}

/// Which upload is meant.
struct Name {
    bucket: String,
    key: String,
    id: String,
}

impl Name {
    fn new(bucket: &str, key: &str, id: &str) -> Name {
        let [bucket, key, id] = [bucket, key, id].map(str::to_owned);
        Name { bucket, key, id }
    }

    fn find(&self, sql: &Connection) -> Result<Upload, DiskError> {
        let place = buckets::place(sql, &self.bucket)?;
        let key = self.key.as_bytes();
        sql.prepare_cached(list::UPLOAD)?
            .query_row(params![place.id, key, self.id], |row| {
                list::upload(self.key.clone(), row)
            })
            .optional()?
            .ok_or(DiskError::NoSuchUpload)
    }
}

fn create(
    sql: &Connection,
    request: UploadRequest,
    checksum_kind: ChecksumKind,
    now_ms: i64,
) -> Result<Upload, DiskError> {
    let place = buckets::place(sql, &request.bucket)?;
    let open: u32 = sql
        .prepare_cached("SELECT count(*) FROM uploads WHERE bucket = ?")?
        .query_row([place.id], |row| row.get(0))?;
    let max = limits::UPLOADS_OPEN_MAX;
    if open as usize >= max {
        let field = "open uploads";
        return Err(DiskError::TooMany { field, max });
    }
    let upload = Upload {
        id: versions::id_of(versions::sequence(sql)?)?,
        key: request.key,
        started_ms: now_ms,
        owner: request.owner,
        algorithm: request.algorithm,
        checksum_kind,
    };
    sql.prepare_cached("INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            upload.id,
            place.id,
            upload.key.as_bytes(),
            now_ms,
            upload.owner,
            versions::text_of(&request.attributes)?,
            versions::text_of(&request.tags)?,
            upload.algorithm.as_str(),
            checksum_kind.as_str(),
        ])?;
    Ok(upload)
}

fn put_part(
    change: &mut Change<'_>,
    upload: &Upload,
    part: &Part,
    written: Written,
) -> Result<(), DiskError> {
    let replaced: Option<Option<BlobId>> = change
        .sql
        .prepare_cached("DELETE FROM parts WHERE upload = ? AND number = ? RETURNING blob")?
        .query_row(params![upload.id, part.number], |row| row.get(0))
        .optional()?;
    if let Some(blob) = replaced.flatten() {
        change.effects.dropped.push((0, vec![blob]));
    }
    let file = written.into_file();
    change
        .sql
        .prepare_cached("INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            upload.id,
            part.number,
            file.as_ref().map(|file| file.id()),
            signed(part.size_bytes),
            part.etag,
            part.checksum.value,
            part.modified_ms,
        ])?;
    change.effects.adopted.extend(file);
    Ok(())
}

fn list_parts(
    sql: &Connection,
    upload: Upload,
    after: u32,
    max: usize,
) -> Result<Parts, DiskError> {
    let mut query = sql.prepare_cached(
        "SELECT number, size_bytes, etag, checksum, modified_ms FROM parts
         WHERE upload = ? AND number > ? ORDER BY number LIMIT ?",
    )?;
    let limit = signed(max as u64 + 1);
    let rows = query.query_map(params![upload.id, after, limit], |row| {
        Ok(Part {
            number: row.get(0)?,
            size_bytes: unsigned(row.get(1)?),
            etag: row.get(2)?,
            checksum: Checksum {
                algorithm: upload.algorithm,
                kind: ChecksumKind::FullObject,
                value: row.get(3)?,
            },
            modified_ms: row.get(4)?,
        })
    })?;
    let mut parts = rows.collect::<Result<Vec<_>, _>>()?;
    let has_more = parts.len() > max;
    parts.truncate(max);
    let next = parts.last().map(|part| part.number).filter(|_| has_more);
    Ok(Parts {
        upload,
        parts,
        next,
    })
}

/// A part's row.
struct Stored {
    blob: Option<BlobId>,
    size_bytes: u64,
    etag: String,
    checksum: String,
}

fn stored_parts(sql: &Connection, id: &str) -> Result<BTreeMap<u32, Stored>, DiskError> {
    let mut query = sql.prepare_cached(
        "SELECT number, blob, size_bytes, etag, checksum FROM parts WHERE upload = ?",
    )?;
    let rows = query.query_map([id], |row| {
        let stored = Stored {
            blob: row.get(1)?,
            size_bytes: unsigned(row.get(2)?),
            etag: row.get(3)?,
            checksum: row.get(4)?,
        };
        Ok((row.get(0)?, stored))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn complete(
    change: &mut Change<'_>,
    request: &CompleteRequest,
    now_ms: i64,
) -> Result<Put, DiskError> {
    let sql = change.sql;
    let name = Name::new(&request.bucket, &request.key, &request.upload_id);
    let upload = name.find(sql)?;
    let place = buckets::place(sql, &request.bucket)?;
    let mut stored = stored_parts(sql, &upload.id)?;
    let chosen = choose(&mut stored, &request.parts)?;
    let size_bytes = chosen.iter().map(|part| part.size_bytes).sum();
    let checksum = sum_up(&upload, &chosen, request, size_bytes)?;
    let etag = etag(&chosen)?;
    versions::check(sql, place, &request.key, &request.condition)?;
    let sequence = versions::sequence(sql)?;
    objects::add_content(sql, sequence)?;
    let mut insert = sql.prepare_cached("INSERT INTO pieces VALUES (?, ?, ?, ?, ?, ?)")?;
    for (number, part) in (1u32..).zip(&chosen) {
        let size_bytes = signed(part.size_bytes);
        insert.execute(params![
            sequence,
            number,
            part.blob,
            size_bytes,
            part.etag,
            part.checksum
        ])?;
    }
    let (attributes, tags) = sql
        .prepare_cached("SELECT attributes, tags FROM uploads WHERE id = ?")?
        .query_row([&upload.id], |row| {
            Ok((versions::json(row, 0)?, versions::json(row, 1)?))
        })?;
    for query in QUERIES_TO_REMOVE {
        sql.prepare_cached(query)?.execute([&upload.id])?;
    }
    let unused: Vec<_> = stored.into_values().filter_map(|part| part.blob).collect();
    change.effects.dropped.push((0, unused));
    let new = New {
        key: &request.key,
        sequence,
        content: sequence,
        size_bytes,
        etag,
        attributes: &attributes,
        tags: &tags,
        checksum,
        parts_count: Some(chosen.len() as u32),
    };
    versions::add(change, place, new, now_ms)
}

/// Takes the parts that were chosen out of those that are there.
fn choose(
    stored: &mut BTreeMap<u32, Stored>,
    choices: &[PartChoice],
) -> Result<Vec<Stored>, DiskError> {
    let last = choices.last().map(|choice| choice.number);
    let take = |choice: &PartChoice| {
        let number = choice.number;
        let part = stored
            .remove(&number)
            .ok_or(DiskError::InvalidPart(number))?;
        let is_other = |checksum: &String| *checksum != part.checksum;
        if part.etag != choice.etag || choice.checksum.as_ref().is_some_and(is_other) {
            return Err(DiskError::InvalidPart(number));
        }
        if part.size_bytes < limits::PART_BYTES_MIN && Some(number) != last {
            return Err(DiskError::PartTooSmall(number));
        }
        Ok(part)
    };
    choices.iter().map(take).collect()
}

/// The checksum of an object of these parts, compared with what the caller says.
fn sum_up(
    upload: &Upload,
    parts: &[Stored],
    request: &CompleteRequest,
    size_bytes: u64,
) -> Result<Checksum, DiskError> {
    if request.size_bytes.is_some_and(|said| said != size_bytes) {
        let reason = format!("the parts have {size_bytes} bytes");
        return Err(DiskError::invalid("object size", reason));
    }
    let sums = parts
        .iter()
        .map(|part| (part.size_bytes, part.checksum.as_str()));
    let checksum = checksum::of_parts(upload.algorithm, upload.checksum_kind, sums)
        .ok_or_else(|| DiskError::Damaged("a part's checksum cannot be read".into()))?;
    let is_same = |said: &String| {
        *said == checksum.value
            || (checksum.kind == ChecksumKind::Composite
                && checksum.value.split('-').next() == Some(said))
    };
    match request.checksum.as_ref().is_none_or(is_same) {
        true => Ok(checksum),
        false => Err(DiskError::BadDigest(upload.algorithm.as_str())),
    }
}

/// The MD5 of the parts' MD5s, and how many they are.
fn etag(parts: &[Stored]) -> Result<String, DiskError> {
    let mut md5 = Md5::new();
    for part in parts {
        let number = u128::from_str_radix(&part.etag, 16)
            .map_err(|_| DiskError::Damaged("a part's ETag is no MD5".into()))?;
        md5.update(&number.to_be_bytes());
    }
    Ok(format!("{}-{}", hex(&md5.finalize()), parts.len()))
}

const QUERIES_TO_REMOVE: [&str; 2] = [
    "DELETE FROM parts WHERE upload = ?",
    "DELETE FROM uploads WHERE id = ?",
];

/// Removes an upload and its parts.
pub(super) fn remove(change: &mut Change<'_>, id: &str) -> Result<(), DiskError> {
    let parts = stored_parts(change.sql, id)?;
    for query in QUERIES_TO_REMOVE {
        change.sql.prepare_cached(query)?.execute([id])?;
    }
    let blobs = parts.into_values().filter_map(|part| part.blob).collect();
    change.effects.dropped.push((0, blobs));
    Ok(())
}

/// Removes what is too old. Returns how many.
pub(super) fn sweep(change: &mut Change<'_>, now_ms: i64) -> Result<usize, DiskError> {
    let before_ms = now_ms.saturating_sub(limits::UPLOAD_AGE_MS_MAX);
    let ids = change
        .sql
        .prepare_cached("SELECT id FROM uploads WHERE started_ms < ?")?
        .query_map([before_ms], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    for id in &ids {
        remove(change, id)?;
    }
    Ok(ids.len())
}
