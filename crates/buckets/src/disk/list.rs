//! Lists: of objects, of versions, of uploads, by the bytes of their keys.
//!
//! Keys that have the delimiter are given as one common prefix, and the list goes on behind all of
//! them by a new search in the index: a page costs as many rows as it has entries, however many
//! keys are behind its common prefixes.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    Disk,
    buckets::{self, Place, unsigned},
    error::DiskError,
    types::{
        Entry, ListRequest, Listing, NULL_VERSION, Upload, Uploads, UploadsRequest, VersionEntry,
        Versions, VersionsRequest,
    },
    versions::{algorithm, kind, text},
};
use crate::limits;

impl Disk {
    /// A page of the newest versions that are no delete markers.
    pub async fn list(&self, bucket: &str, request: ListRequest) -> Result<Listing, DiskError> {
        let bucket = bucket.to_owned();
        self.index()
            .read(move |sql| {
                let txn = sql.transaction()?;
                let place = buckets::place(&txn, &bucket)?;
                list(&txn, place, &request).map(|(listing, _)| listing)
            })
            .await
    }

    /// A page of all versions and delete markers.
    pub async fn list_versions(
        &self,
        bucket: &str,
        request: VersionsRequest,
    ) -> Result<Versions, DiskError> {
        let bucket = bucket.to_owned();
        self.index()
            .read(move |sql| {
                let txn = sql.transaction()?;
                let place = buckets::place(&txn, &bucket)?;
                list_versions(&txn, place, &request)
            })
            .await
    }

    /// A page of open uploads.
    pub async fn list_uploads(
        &self,
        bucket: &str,
        request: UploadsRequest,
    ) -> Result<Uploads, DiskError> {
        let bucket = bucket.to_owned();
        self.index()
            .read(move |sql| {
                let txn = sql.transaction()?;
                let place = buckets::place(&txn, &bucket)?;
                list_uploads(&txn, place, &request)
            })
            .await
    }
}

/// A page and where it is.
struct Walk<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
    /// Entries that there is room for.
    room: usize,
    /// Rows that were looked at.
    rows: usize,
}

/// What a page has.
enum Item<'a, 'row> {
    Row(String, &'a Row<'row>),
    CommonPrefix(String),
}

impl<'a> Walk<'a> {
    fn new(prefix: &'a str, delimiter: &'a Option<String>, max_entries: usize) -> Walk<'a> {
        Walk {
            prefix,
            delimiter: delimiter
                .as_deref()
                .filter(|delimiter| !delimiter.is_empty()),
            room: max_entries.min(limits::PAGE_ENTRIES_MAX),
            rows: 0,
        }
    }

    /// The common prefix that a key is given as.
    fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter?;
        let rest = key.strip_prefix(self.prefix)?;
        let end = rest.find(delimiter)? + delimiter.len();
        Some(&key[..self.prefix.len() + end])
    }

    /// The least key after this one, or after the common prefix that it is.
    fn start(&self, after: Option<&str>) -> Vec<u8> {
        let start = match after {
            None => Vec::new(),
            Some(after) if self.common_prefix(after) == Some(after) => behind(after),
            Some(after) => [after.as_bytes(), b"\0"].concat(),
        };
        start.max(self.prefix.as_bytes().to_vec())
    }

    /// Visits what comes from `start` on. The query's parameters are the bucket, the least key and
    /// the key that is the first beyond; its first column is the key. Returns whether there is
    /// more than there was room for.
    fn visit(
        &mut self,
        sql: &Connection,
        query: &str,
        place: Place,
        mut start: Vec<u8>,
        mut each: impl FnMut(Item<'_, '_>) -> rusqlite::Result<()>,
    ) -> Result<bool, DiskError> {
        let end = behind(self.prefix);
        let mut statement = sql.prepare_cached(query)?;
        'search: loop {
            let mut rows = statement.query(params![place.id, start, end])?;
            while let Some(row) = rows.next()? {
                self.rows += 1;
                if self.room == 0 {
                    return Ok(true);
                }
                self.room -= 1;
                let key = text(row, 0)?;
                if let Some(common_prefix) = self.common_prefix(&key) {
                    start = behind(common_prefix);
                    each(Item::CommonPrefix(common_prefix.to_owned()))?;
                    continue 'search;
                }
                each(Item::Row(key, row))?;
            }
            return Ok(false);
        }
    }

    /// Visits what is left of one key's rows. Returns as [`Walk::visit`].
    fn visit_key(
        &mut self,
        sql: &Connection,
        query: &str,
        parameters: impl rusqlite::Params,
        mut each: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<bool, DiskError> {
        let mut statement = sql.prepare_cached(query)?;
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            if self.room == 0 {
                return Ok(true);
            }
            self.room -= 1;
            each(row)?;
        }
        Ok(false)
    }
}

/// The first bytes that come after all keys with this prefix: no UTF-8 has the byte 0xff.
fn behind(prefix: &str) -> Vec<u8> {
    let mut bytes = prefix.as_bytes().to_vec();
    match bytes.last_mut() {
        Some(last) => *last += 1,
        None => bytes.push(0xff),
    }
    bytes
}

/// Begins with the columns of [`entry`], as the next two.
const OBJECTS: &str = "
    SELECT key, size_bytes, etag, modified_ms, algorithm, checksum_kind FROM versions
    WHERE bucket = ? AND key >= ? AND key < ? AND is_live = 1 ORDER BY key";

const VERSIONS: &str = "
    SELECT key, size_bytes, etag, modified_ms, algorithm, checksum_kind, version, content IS NULL
    FROM versions WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key, sequence DESC";

const VERSIONS_OF_KEY: &str = "
    SELECT key, size_bytes, etag, modified_ms, algorithm, checksum_kind, version, content IS NULL
    FROM versions WHERE bucket = ? AND key = ? AND sequence < ? ORDER BY sequence DESC";

fn entry(key: String, row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        key,
        size_bytes: unsigned(row.get(1)?),
        etag: row.get(2)?,
        modified_ms: row.get(3)?,
        algorithm: algorithm(row, 4)?,
        checksum_kind: kind(row, 5)?,
    })
}

/// A page, and how many rows were looked at for it.
fn list(
    sql: &Connection,
    place: Place,
    request: &ListRequest,
) -> Result<(Listing, usize), DiskError> {
    let mut walk = Walk::new(&request.prefix, &request.delimiter, request.max_entries);
    let start = walk.start(request.after.as_deref());
    let mut listing = Listing::default();
    let mut last = None;
    let has_more = walk.visit(sql, OBJECTS, place, start, |item| {
        match item {
            Item::Row(key, row) => {
                last = Some(key.clone());
                listing.objects.push(entry(key, row)?);
            }
            Item::CommonPrefix(common_prefix) => {
                last = Some(common_prefix.clone());
                listing.common_prefixes.push(common_prefix);
            }
        }
        Ok(())
    })?;
    listing.next = last.filter(|_| has_more && request.max_entries > 0);
    Ok((listing, walk.rows))
}

fn version_entry(key: String, row: &Row<'_>, is_latest: bool) -> rusqlite::Result<VersionEntry> {
    let is_marker: bool = row.get(7)?;
    Ok(VersionEntry {
        version_id: row.get(6)?,
        is_latest,
        modified_ms: row.get(3)?,
        object: match is_marker {
            true => None,
            false => Some(entry(key.clone(), row)?),
        },
        key,
    })
}

fn list_versions(
    sql: &Connection,
    place: Place,
    request: &VersionsRequest,
) -> Result<Versions, DiskError> {
    let mut walk = Walk::new(&request.prefix, &request.delimiter, request.max_entries);
    let mut page = Versions::default();
    let mut has_more = false;
    let after = request.after_key.as_deref();
    if let (Some(key), Some(version)) = (after, &request.after_version)
        && key.starts_with(&request.prefix)
        && walk.common_prefix(key).is_none()
        && let Some(sequence) = sequence_of(sql, place, key, version)?
    {
        let parameters = params![place.id, key.as_bytes(), sequence];
        has_more = walk.visit_key(sql, VERSIONS_OF_KEY, parameters, |row| {
            page.versions
                .push(version_entry(key.to_owned(), row, false)?);
            Ok(())
        })?;
    }
    let mut last = page.versions.last().map(position);
    if !has_more {
        let mut before: Option<String> = None;
        has_more = walk.visit(sql, VERSIONS, place, walk.start(after), |item| {
            match item {
                Item::Row(key, row) => {
                    let is_latest = before.as_ref() != Some(&key);
                    let entry = version_entry(key.clone(), row, is_latest)?;
                    before = Some(key);
                    last = Some(position(&entry));
                    page.versions.push(entry);
                }
                Item::CommonPrefix(common_prefix) => {
                    last = Some((common_prefix.clone(), None));
                    page.common_prefixes.push(common_prefix);
                }
            }
            Ok(())
        })?;
    }
    page.next = last.filter(|_| has_more && request.max_entries > 0);
    Ok(page)
}

fn position(entry: &VersionEntry) -> (String, Option<String>) {
    (entry.key.clone(), Some(entry.version_id.clone()))
}

/// Where a version is among those of its key; it may be gone, but for the null one its id says it.
fn sequence_of(
    sql: &Connection,
    place: Place,
    key: &str,
    version: &str,
) -> Result<Option<i64>, DiskError> {
    if version != NULL_VERSION {
        let digits = version.get(..16).unwrap_or_default();
        let sequence = i64::from_str_radix(digits, 16);
        return sequence.map(Some).map_err(|_| {
            DiskError::invalid("version id marker", "it is no version of this bucket")
        });
    }
    let query = "SELECT sequence FROM versions WHERE bucket = ? AND key = ? AND version = ?";
    Ok(sql
        .prepare_cached(query)?
        .query_row(params![place.id, key.as_bytes(), version], |row| row.get(0))
        .optional()?)
}

/// Begins with the columns of [`upload`], as the next two.
pub(super) const UPLOAD: &str = "
    SELECT key, id, started_ms, owner, algorithm, checksum_kind FROM uploads
    WHERE bucket = ? AND key = ? AND id = ?";

const UPLOADS: &str = "
    SELECT key, id, started_ms, owner, algorithm, checksum_kind FROM uploads
    WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key, id";

const UPLOADS_OF_KEY: &str = "
    SELECT key, id, started_ms, owner, algorithm, checksum_kind FROM uploads
    WHERE bucket = ? AND key = ? AND id > ? ORDER BY id";

/// An upload, from the row of a query such as [`UPLOAD`].
pub(super) fn upload(key: String, row: &Row<'_>) -> rusqlite::Result<Upload> {
    Ok(Upload {
        key,
        id: row.get(1)?,
        started_ms: row.get(2)?,
        owner: row.get(3)?,
        algorithm: algorithm(row, 4)?,
        checksum_kind: kind(row, 5)?,
    })
}

fn list_uploads(
    sql: &Connection,
    place: Place,
    request: &UploadsRequest,
) -> Result<Uploads, DiskError> {
    let mut walk = Walk::new(&request.prefix, &request.delimiter, request.max_entries);
    let mut page = Uploads::default();
    let mut has_more = false;
    let after = request.after_key.as_deref();
    if let (Some(key), Some(id)) = (after, &request.after_upload)
        && key.starts_with(&request.prefix)
        && walk.common_prefix(key).is_none()
    {
        let parameters = params![place.id, key.as_bytes(), id];
        has_more = walk.visit_key(sql, UPLOADS_OF_KEY, parameters, |row| {
            page.uploads.push(upload(key.to_owned(), row)?);
            Ok(())
        })?;
    }
    let position = |upload: &Upload| (upload.key.clone(), Some(upload.id.clone()));
    let mut last = page.uploads.last().map(position);
    if !has_more {
        has_more = walk.visit(sql, UPLOADS, place, walk.start(after), |item| {
            match item {
                Item::Row(key, row) => {
                    let upload = upload(key, row)?;
                    last = Some(position(&upload));
                    page.uploads.push(upload);
                }
                Item::CommonPrefix(common_prefix) => {
                    last = Some((common_prefix.clone(), None));
                    page.common_prefixes.push(common_prefix);
                }
            }
            Ok(())
        })?;
    }
    page.next = last.filter(|_| has_more && request.max_entries > 0);
    Ok(page)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{super::schema, *};

    #[test]
    fn a_page_looks_at_as_many_rows_as_it_has_entries_however_many_keys_there_are() {
        let (sql, place) = bucket_of(50_000);
        let mut request = ListRequest {
            delimiter: Some("/".into()),
            max_entries: 1_000,
            ..ListRequest::default()
        };
        let (page, rows) = list(&sql, place, &request).unwrap();
        assert_eq!((page.common_prefixes.len(), rows), (50, 50));
        request.max_entries = 7;
        request.after = Some("dir41/".into());
        let (page, rows) = list(&sql, place, &request).unwrap();
        assert_eq!(page.common_prefixes[0], "dir42/");
        assert_eq!((page.common_prefixes.len(), rows), (7, 8));
        request.prefix = "dir42/".into();
        let (page, rows) = list(&sql, place, &request).unwrap();
        assert_eq!((page.objects.len(), rows), (7, 8));
    }

    #[test]
    fn every_page_is_a_search_in_an_index_that_needs_no_sorting() {
        let (sql, _) = bucket_of(10);
        for query in [
            OBJECTS,
            VERSIONS,
            VERSIONS_OF_KEY,
            UPLOAD,
            UPLOADS,
            UPLOADS_OF_KEY,
        ] {
            let plan: Vec<String> = sql
                .prepare(&format!("EXPLAIN QUERY PLAN {query}"))
                .unwrap()
                .query_map(params![1, b"a", b"b"], |row| row.get(3))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            assert_eq!(plan.len(), 1, "{query}: {plan:?}");
            assert!(
                plan[0].contains("SEARCH") && plan[0].contains("bucket=?"),
                "{plan:?}"
            );
            assert!(plan[0].contains("key"), "{plan:?}");
        }
    }

    /// A bucket of objects in directories of a thousand each.
    fn bucket_of(objects: u32) -> (Connection, Place) {
        let mut sql = Connection::open_in_memory().unwrap();
        schema::prepare(&mut sql, Path::new(":memory:")).unwrap();
        sql.execute(
            "INSERT INTO buckets VALUES (1, 'site', '', '', 0, 0, 0, 0)",
            [],
        )
        .unwrap();
        sql.execute(
            "WITH RECURSIVE numbers (number) AS
             (SELECT 0 UNION ALL SELECT number + 1 FROM numbers WHERE number + 1 < ?)
             INSERT INTO versions SELECT number + 1, 1,
             CAST(format('dir%02d/%05d', number / 1000, number) AS BLOB), 'null', 1, 1, 0, '', 0,
             '{}', '[]', 'CRC32', 'FULL_OBJECT', '', NULL FROM numbers",
            [objects],
        )
        .unwrap();
        let place = buckets::place(&sql, "site").unwrap();
        (sql, place)
    }
}
