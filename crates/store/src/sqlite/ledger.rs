//! What happens to the tables: transactions are judged and applied, leases begin and end, old
//! changes are forgotten. Everything is within one SQLite transaction that the writer makes, and
//! `now_ms` comes from it.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::{Compare, LeaseId, Outcome, Revision, Txn, Write};

/// How much the events table keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retention {
    pub events_max: i64,
    pub bytes_max: i64,
    /// How many more there may be before the oldest go.
    pub slack: i64,
}

/// The tables while one group of transactions is applied to them.
pub(super) struct Ledger<'connection> {
    txn: &'connection Transaction<'connection>,
    now_ms: i64,
    head: Revision,
    /// Bytes of keys and values of the events that were added, less those that went.
    event_bytes: i64,
}

impl<'connection> Ledger<'connection> {
    /// `head` is the revision of the last commit.
    pub fn new(txn: &'connection Transaction<'_>, head: Revision, now_ms: i64) -> Self {
        Ledger {
            txn,
            now_ms,
            head,
            event_bytes: 0,
        }
    }

    /// Does the transaction if its comparisons hold, at a revision of its own.
    pub fn commit(&mut self, mut txn: Txn) -> rusqlite::Result<Outcome> {
        for compare in &txn.compares {
            if !self.holds(compare)? {
                return Ok(Outcome::Conflict);
            }
        }
        for write in &txn.writes {
            if let Write::Put {
                lease: Some(lease), ..
            } = write
                && !self.is_alive(*lease)?
            {
                return Ok(Outcome::Conflict);
            }
        }
        // Watchers are told of one revision's changes in the order of their keys.
        txn.writes.sort_unstable_by(|a, b| a.key().cmp(b.key()));
        let revision = Revision(self.head.0 + 1);
        let mut has_changed = false;
        for write in &txn.writes {
            has_changed |= match write {
                Write::Put { key, value, lease } => self.put(revision, key, value, *lease)?,
                Write::Delete { key } => self.delete(revision, key.as_bytes())?,
            };
        }
        if has_changed {
            self.head = revision;
        }
        Ok(Outcome::Committed(self.head))
    }

    /// Begins a lease.
    pub fn grant(&mut self, ttl_secs: u32) -> rusqlite::Result<LeaseId> {
        let ttl_ms = i64::from(ttl_secs) * 1_000;
        self.txn
            .prepare_cached("INSERT INTO leases (ttl_ms, ends_ms) VALUES (?, ?)")?
            .insert(params![ttl_ms, self.now_ms + ttl_ms])
            .map(LeaseId)
    }

    /// Lets a lease begin again; false if it has ended.
    pub fn renew(&mut self, lease: LeaseId) -> rusqlite::Result<bool> {
        self.txn
            .prepare_cached(
                "UPDATE leases SET ends_ms = ?2 + ttl_ms WHERE id = ?1 AND ends_ms > ?2",
            )?
            .execute(params![lease.0, self.now_ms])
            .map(|count| count > 0)
    }

    /// Ends a lease: what goes with it is deleted, at one revision.
    pub fn revoke(&mut self, lease: LeaseId) -> rusqlite::Result<()> {
        let keys = self
            .txn
            .prepare_cached("SELECT key FROM documents WHERE lease = ? ORDER BY key")?
            .query_map([lease.0], |row| row.get::<_, Vec<u8>>(0))?
            .collect::<Result<Vec<_>, _>>()?;
        let revision = Revision(self.head.0 + 1);
        for key in &keys {
            self.delete(revision, key)?;
            self.head = revision;
        }
        self.txn
            .prepare_cached("DELETE FROM leases WHERE id = ?")?
            .execute([lease.0])?;
        Ok(())
    }

    /// Ends the leases whose time has come.
    pub fn expire(&mut self) -> rusqlite::Result<()> {
        let ended = self
            .txn
            .prepare_cached("SELECT id FROM leases WHERE ends_ms <= ? ORDER BY ends_ms, id")?
            .query_map([self.now_ms], |row| row.get(0).map(LeaseId))?
            .collect::<Result<Vec<_>, _>>()?;
        ended.into_iter().try_for_each(|lease| self.revoke(lease))
    }

    /// Lets no lease last longer than its time from now: the clock may have been set back.
    pub fn shorten_leases(&mut self) -> rusqlite::Result<()> {
        self.txn.execute(
            "UPDATE leases SET ends_ms = ?1 + ttl_ms WHERE ends_ms > ?1 + ttl_ms",
            [self.now_ms],
        )?;
        Ok(())
    }

    /// Forgets the changes up to this revision.
    pub fn compact(&mut self, through: Revision) -> rusqlite::Result<()> {
        let through = through.min(self.head);
        self.event_bytes -= self
            .txn
            .prepare_cached(
                "SELECT coalesce(sum(length(key) + coalesce(length(value), 0)), 0)
                 FROM events WHERE revision <= ?",
            )?
            .query_row([through], |row| row.get::<_, i64>(0))?;
        self.txn
            .prepare_cached("DELETE FROM events WHERE revision <= ?")?
            .execute([through])?;
        self.txn
            .prepare_cached("UPDATE meta SET number = max(number, ?) WHERE name = 'compacted'")?
            .execute([through])?;
        Ok(())
    }

    /// Up to which revision changes must go, if there are more than shall be kept.
    pub fn due(&self, kept_bytes: i64, retention: Retention) -> rusqlite::Result<Option<Revision>> {
        // Ids have no gaps, because events go from the front alone.
        let count: i64 = self
            .txn
            .prepare_cached("SELECT coalesce(max(id) - min(id) + 1, 0) FROM events")?
            .query_row([], |row| row.get(0))?;
        let is_due = count > retention.events_max + retention.slack
            || kept_bytes > retention.bytes_max + retention.bytes_max / 16;
        if !is_due {
            return Ok(None);
        }
        let mut too_many = count - retention.events_max;
        let mut too_heavy_bytes = kept_bytes - retention.bytes_max;
        let mut statement = self.txn.prepare_cached(
            "SELECT revision, length(key) + coalesce(length(value), 0) FROM events ORDER BY id",
        )?;
        let mut rows = statement.query([])?;
        let mut through = None;
        while (too_many > 0 || too_heavy_bytes > 0)
            && let Some(row) = rows.next()?
        {
            through = Some(row.get(0)?);
            too_many -= 1;
            too_heavy_bytes -= row.get::<_, i64>(1)?;
        }
        Ok(through)
    }

    /// Notes the revision that was reached. Returns it, and by how many bytes the events have
    /// grown.
    pub fn finish(self) -> rusqlite::Result<(Revision, i64)> {
        self.txn
            .prepare_cached("UPDATE meta SET number = ?1 WHERE name = 'revision' AND number <> ?1")?
            .execute([self.head])?;
        Ok((self.head, self.event_bytes))
    }

    fn holds(&self, compare: &Compare) -> rusqlite::Result<bool> {
        Ok(match compare {
            Compare::Absent(key) => self.modified(key)?.is_none(),
            Compare::Present(key) => self.modified(key)?.is_some(),
            Compare::ModifiedAt(key, revision) => {
                self.modified(key)?.unwrap_or_default() == *revision
            }
        })
    }

    fn modified(&self, key: &str) -> rusqlite::Result<Option<Revision>> {
        self.txn
            .prepare_cached("SELECT modified FROM documents WHERE key = ?")?
            .query_row([key.as_bytes()], |row| row.get(0))
            .optional()
    }

    fn is_alive(&self, lease: LeaseId) -> rusqlite::Result<bool> {
        self.txn
            .prepare_cached("SELECT 1 FROM leases WHERE id = ? AND ends_ms > ?")?
            .exists(params![lease.0, self.now_ms])
    }

    fn put(
        &mut self,
        revision: Revision,
        key: &str,
        value: &[u8],
        lease: Option<LeaseId>,
    ) -> rusqlite::Result<bool> {
        let key = key.as_bytes();
        let created: Revision = self
            .txn
            .prepare_cached(
                "INSERT INTO documents (key, value, created, modified, lease)
                 VALUES (?1, ?2, ?3, ?3, ?4)
                 ON CONFLICT (key) DO UPDATE SET
                 value = excluded.value, modified = excluded.modified, lease = excluded.lease
                 RETURNING created",
            )?
            .query_row(
                params![key, value, revision, lease.map(|lease| lease.0)],
                |row| row.get(0),
            )?;
        self.tell(revision, key, Some(value), created)?;
        Ok(true)
    }

    fn delete(&mut self, revision: Revision, key: &[u8]) -> rusqlite::Result<bool> {
        let count = self
            .txn
            .prepare_cached("DELETE FROM documents WHERE key = ?")?
            .execute([key])?;
        if count > 0 {
            self.tell(revision, key, None, Revision(0))?;
        }
        Ok(count > 0)
    }

    fn tell(
        &mut self,
        revision: Revision,
        key: &[u8],
        value: Option<&[u8]>,
        created: Revision,
    ) -> rusqlite::Result<()> {
        self.txn
            .prepare_cached(
                "INSERT INTO events (revision, key, value, created) VALUES (?, ?, ?, ?)",
            )?
            .execute(params![revision, key, value, created])?;
        self.event_bytes += (key.len() + value.map_or(0, <[u8]>::len)) as i64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rusqlite::Connection;

    use super::{super::schema, *};

    #[test]
    fn a_lease_ends_to_the_millisecond_and_a_renewal_begins_it_again() {
        let mut tables = Tables::new();
        let lease = tables.at(1_000, |ledger| ledger.grant(3));
        let put = Txn::new().put_leased("a", "1", lease);
        let put = |ledger: &mut Ledger<'_>| ledger.commit(put.clone());
        assert_eq!(tables.at(3_999, put), Outcome::Committed(Revision(1)));
        assert!(tables.at(3_999, |ledger| ledger.renew(lease)));
        tables.at(6_998, |ledger| ledger.expire());
        assert_eq!(tables.head, Revision(1));
        // Ended, even before anybody has looked.
        assert!(!tables.at(6_999, |ledger| ledger.renew(lease)));
        assert_eq!(tables.at(6_999, put), Outcome::Conflict);
        tables.at(6_999, |ledger| ledger.expire());
        assert_eq!(tables.head, Revision(2));
        tables.at(6_999, |ledger| ledger.expire());
        assert_eq!(tables.head, Revision(2));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_make_leases_last() {
        let mut tables = Tables::new();
        let lease = tables.at(1_000_000, |ledger| ledger.grant(3));
        tables.at(1_000, |ledger| ledger.shorten_leases());
        assert!(tables.at(3_999, |ledger| ledger.renew(lease)));
        assert!(!tables.at(6_999, |ledger| ledger.renew(lease)));
    }

    #[test]
    fn the_oldest_changes_are_due_when_there_are_too_many_or_too_heavy() {
        let mut tables = Tables::new();
        let retention = Retention {
            events_max: 10,
            bytes_max: 1_600,
            slack: 5,
        };
        for _ in 0..15 {
            tables.at(0, |ledger| ledger.commit(Txn::new().put("k", "")));
        }
        let bytes = |tables: &Tables| tables.event_bytes;
        let kept = bytes(&tables);
        assert_eq!(kept, 15);
        assert_eq!(tables.at(0, |ledger| ledger.due(kept, retention)), None);
        // The last two are of one revision; it goes or stays as a whole.
        tables.at(0, |ledger| {
            ledger.commit(Txn::new().put("k", "").put("l", ""))
        });
        let kept = bytes(&tables);
        let due = tables.at(0, |ledger| ledger.due(kept, retention));
        assert_eq!(due, Some(Revision(7)));
        tables.at(0, |ledger| ledger.compact(Revision(7)));
        let kept = bytes(&tables);
        assert_eq!(kept, 10);
        assert_eq!(tables.at(0, |ledger| ledger.due(kept, retention)), None);
        let large = Txn::new().put("k", vec![0; 1_699]);
        tables.at(0, |ledger| ledger.commit(large.clone()));
        let kept = bytes(&tables);
        // All the small ones do not suffice.
        let due = tables.at(0, |ledger| ledger.due(kept, retention));
        assert_eq!(due, Some(Revision(17)));
        tables.at(0, |ledger| ledger.compact(Revision(99)));
        assert_eq!(bytes(&tables), 0);
    }

    /// The tables, and what the writer keeps between two groups.
    struct Tables {
        connection: Connection,
        head: Revision,
        event_bytes: i64,
    }

    impl Tables {
        fn new() -> Tables {
            let mut connection = Connection::open_in_memory().unwrap();
            schema::prepare(&mut connection, Path::new(":memory:")).unwrap();
            Tables {
                connection,
                head: Revision(0),
                event_bytes: 0,
            }
        }

        fn at<T>(
            &mut self,
            now_ms: i64,
            work: impl FnOnce(&mut Ledger<'_>) -> rusqlite::Result<T>,
        ) -> T {
            let txn = self.connection.transaction().unwrap();
            let mut ledger = Ledger::new(&txn, self.head, now_ms);
            let value = work(&mut ledger).unwrap();
            let (head, added_bytes) = ledger.finish().unwrap();
            txn.commit().unwrap();
            self.head = head;
            self.event_bytes += added_bytes;
            value
        }
    }
}
