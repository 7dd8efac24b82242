//! Buckets: made, configured, deleted.

use std::{collections::BTreeMap, sync::Arc};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    Disk,
    error::DiskError,
    names,
    types::{Bucket, Configuration, Usage, Versioning},
    uploads,
};
use crate::limits;

impl Disk {
    /// Makes a bucket. [`DiskError::BucketExists`] even if it is the same owner's.
    pub async fn create_bucket(
        &self,
        name: &str,
        region: &str,
        owner: &str,
        now_ms: i64,
    ) -> Result<(), DiskError> {
        names::check_bucket(name)?;
        let [name, region, owner] = [name, region, owner].map(str::to_owned);
        self.index()
            .change(move |change| {
                let sql = change.sql;
                let count: usize =
                    sql.prepare_cached("SELECT count(*) FROM buckets")?
                        .query_row([], |row| row.get::<_, u32>(0))? as usize;
                if place(sql, &name).is_ok() {
                    return Err(DiskError::BucketExists(name));
                }
                if count >= limits::BUCKETS_MAX {
                    let max = limits::BUCKETS_MAX;
                    return Err(DiskError::TooMany {
                        field: "buckets",
                        max,
                    });
                }
                sql.prepare_cached(
                    "INSERT INTO buckets
                     (name, region, owner, created_ms, versioning, objects, bytes)
                     VALUES (?, ?, ?, ?, 0, 0, 0)",
                )?
                .execute(params![name, region, owner, now_ms])?;
                change.effects.changed.push(name);
                Ok(())
            })
            .await
    }

    /// Deletes a bucket without objects, versions and markers; uploads that are open are aborted.
    pub async fn delete_bucket(&self, name: &str) -> Result<(), DiskError> {
        let name = name.to_owned();
        self.index()
            .change(move |change| {
                let bucket = place(change.sql, &name)?.id;
                let is_full = change
                    .sql
                    .prepare_cached("SELECT 1 FROM versions WHERE bucket = ? LIMIT 1")?
                    .exists([bucket])?;
                if is_full {
                    return Err(DiskError::BucketNotEmpty(name));
                }
                let ids = change
                    .sql
                    .prepare_cached("SELECT id FROM uploads WHERE bucket = ?")?
                    .query_map([bucket], |row| row.get::<_, String>(0))?
                    .collect::<Result<Vec<_>, _>>()?;
                for id in ids {
                    uploads::remove(change, &id)?;
                }
                for query in [
                    "DELETE FROM configurations WHERE bucket = ?",
                    "DELETE FROM buckets WHERE id = ?",
                ] {
                    change.sql.prepare_cached(query)?.execute([bucket])?;
                }
                change.effects.changed.push(name);
                Ok(())
            })
            .await
    }

    /// A bucket as it is now, from memory.
    pub fn bucket(&self, name: &str) -> Option<Arc<Bucket>> {
        self.index().cache().read().get(name).cloned()
    }

    /// All buckets, by name, from memory.
    pub fn buckets(&self) -> Vec<Arc<Bucket>> {
        self.index().cache().read().values().cloned().collect()
    }

    /// Sets, or with `None` removes, what a bucket is configured with. At most
    /// [`POLICY_BYTES_MAX`](crate::limits::POLICY_BYTES_MAX) for a policy,
    /// [`CONFIGURATION_BYTES_MAX`](crate::limits::CONFIGURATION_BYTES_MAX) for others. To be seen
    /// in [`Disk::bucket`] when this returns.
    pub async fn configure(
        &self,
        bucket: &str,
        configuration: Configuration,
        value: Option<String>,
    ) -> Result<(), DiskError> {
        let max = match configuration {
            Configuration::Policy => limits::POLICY_BYTES_MAX,
            _ => limits::CONFIGURATION_BYTES_MAX,
        };
        let length = value.as_ref().map_or(0, String::len);
        if length > max {
            let reason = format!("it has {length} bytes; at most {max} are taken");
            return Err(DiskError::invalid(configuration.as_str(), reason));
        }
        let name = bucket.to_owned();
        self.index()
            .change(move |change| {
                let bucket = place(change.sql, &name)?.id;
                let kind = configuration.as_str();
                match value {
                    Some(value) => change
                        .sql
                        .prepare_cached("REPLACE INTO configurations VALUES (?, ?, ?)")?
                        .execute(params![bucket, kind, value])?,
                    None => change
                        .sql
                        .prepare_cached("DELETE FROM configurations WHERE bucket = ? AND kind = ?")?
                        .execute(params![bucket, kind])?,
                };
                change.effects.changed.push(name);
                Ok(())
            })
            .await
    }

    /// Enables or suspends versioning; it cannot become [`Versioning::Unversioned`] again.
    pub async fn set_versioning(
        &self,
        bucket: &str,
        versioning: Versioning,
    ) -> Result<(), DiskError> {
        let name = bucket.to_owned();
        self.index()
            .change(move |change| {
                let place = place(change.sql, &name)?;
                if versioning == place.versioning {
                    return Ok(());
                }
                if versioning == Versioning::Unversioned {
                    let reason = "it can be enabled or suspended, not undone";
                    return Err(DiskError::invalid("versioning", reason));
                }
                change
                    .sql
                    .prepare_cached("UPDATE buckets SET versioning = ? WHERE id = ?")?
                    .execute(params![number_of(versioning), place.id])?;
                change.effects.changed.push(name);
                Ok(())
            })
            .await
    }

    /// What each bucket holds, by name.
    pub async fn usage(&self) -> Result<Vec<(String, Usage)>, DiskError> {
        self.index()
            .read(|sql| {
                let mut query =
                    sql.prepare_cached("SELECT name, objects, bytes FROM buckets ORDER BY name")?;
                let rows = query.query_map([], |row| {
                    let usage = Usage {
                        objects: unsigned(row.get(1)?),
                        bytes: unsigned(row.get(2)?),
                    };
                    Ok((row.get(0)?, usage))
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }
}

/// A bucket's row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub id: i64,
    pub versioning: Versioning,
}

/// Finds a bucket.
pub(super) fn place(sql: &Connection, name: &str) -> Result<Place, DiskError> {
    sql.prepare_cached("SELECT id, versioning FROM buckets WHERE name = ?")?
        .query_row([name], |row| {
            Ok(Place {
                id: row.get(0)?,
                versioning: versioning_of(row, 1)?,
            })
        })
        .optional()?
        .ok_or_else(|| DiskError::NoSuchBucket(name.to_owned()))
}

/// All buckets.
pub(super) fn load(sql: &Connection) -> rusqlite::Result<BTreeMap<String, Arc<Bucket>>> {
    let mut query = sql.prepare("SELECT name FROM buckets")?;
    let names = query.query_map([], |row| row.get::<_, String>(0))?;
    let mut all = BTreeMap::new();
    for name in names {
        let name = name?;
        if let Some(bucket) = load_one(sql, &name)? {
            all.insert(name, Arc::new(bucket));
        }
    }
    Ok(all)
}

/// A bucket, if it is there.
pub(super) fn load_one(sql: &Connection, name: &str) -> rusqlite::Result<Option<Bucket>> {
    let found = sql
        .prepare_cached(
            "SELECT id, region, owner, created_ms, versioning FROM buckets WHERE name = ?",
        )?
        .query_row([name], |row| {
            let bucket = Bucket {
                name: name.to_owned(),
                region: row.get(1)?,
                owner: row.get(2)?,
                created_ms: row.get(3)?,
                versioning: versioning_of(row, 4)?,
                configurations: BTreeMap::new(),
            };
            Ok((row.get::<_, i64>(0)?, bucket))
        })
        .optional()?;
    let Some((id, mut bucket)) = found else {
        return Ok(None);
    };
    let mut query =
        sql.prepare_cached("SELECT kind, value FROM configurations WHERE bucket = ?")?;
    let mut rows = query.query([id])?;
    while let Some(row) = rows.next()? {
        let kind: String = row.get(0)?;
        let known = Configuration::ALL
            .into_iter()
            .find(|it| it.as_str() == kind);
        if let Some(configuration) = known {
            bucket.configurations.insert(configuration, row.get(1)?);
        }
    }
    Ok(Some(bucket))
}

fn versioning_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Versioning> {
    match row.get(column)? {
        0 => Ok(Versioning::Unversioned),
        1 => Ok(Versioning::Enabled),
        2 => Ok(Versioning::Suspended),
        other => Err(rusqlite::Error::IntegralValueOutOfRange(column, other)),
    }
}

fn number_of(versioning: Versioning) -> i64 {
    match versioning {
        Versioning::Unversioned => 0,
        Versioning::Enabled => 1,
        Versioning::Suspended => 2,
    }
}

/// SQLite's numbers are signed; ours are not negative.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// No disk holds as much as does not fit.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
