//! The threads that read, what they ask, and watches.

use std::{
    sync::{Arc, mpsc},
    thread,
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::{closed, failed};
use crate::{
    Batch, Document, Event, Page, Range, Revision, StoreError, Watch, check::Interval, limits,
};

/// The way to the threads that read.
pub(super) struct Reads {
    sender: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

impl Reads {
    /// Starts a thread for each connection.
    pub fn start(connections: Vec<Arc<Mutex<Connection>>>) -> rusqlite::Result<Reads> {
        let (sender, receiver) = mpsc::channel();
        let receiver = Arc::new(Mutex::new(receiver));
        let reads = Reads {
            sender,
            room: Arc::new(Semaphore::new(limits::READS_WAITING_MAX)),
            threads: Mutex::default(),
        };
        for connection in connections {
            let receiver = Arc::clone(&receiver);
            let thread = thread::Builder::new()
                .name("store-reader".into())
                .spawn(move || run(&connection, &receiver))
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
            reads.threads.lock().push(thread);
        }
        Ok(reads)
    }

    /// Reads, all at one revision.
    pub async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.room).acquire_owned().await;
        let permit: OwnedSemaphorePermit = permit.map_err(|_| closed())?;
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move |connection: &mut Connection| {
            let _permit = permit;
            let result = connection.transaction().and_then(|txn| {
                let value = query(&txn)?;
                txn.finish()?;
                Ok(value)
            });
            let _ = reply.send(result); // Nobody may wait any more.
        });
        self.sender.send(Message::Job(job)).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?.map_err(failed)
    }

    /// Ends the threads. Reads that come later are refused.
    pub fn stop(&self) {
        let threads = std::mem::take(&mut *self.threads.lock());
        for _ in &threads {
            let _ = self.sender.send(Message::Stop); // An error says that they have ended.
        }
        for thread in threads {
            let _ = thread.join();
        }
    }
}

enum Message {
    Job(Box<dyn FnOnce(&mut Connection) + Send>),
    Stop,
}

fn run(connection: &Mutex<Connection>, receiver: &Mutex<mpsc::Receiver<Message>>) {
    loop {
        let message = receiver.lock().recv();
        match message {
            Ok(Message::Job(job)) => job(&mut connection.lock()),
            Ok(Message::Stop) | Err(_) => return,
        }
    }
}

/// The documents under these keys.
pub(super) fn documents(
    txn: &Transaction<'_>,
    keys: &[String],
) -> rusqlite::Result<Vec<Option<Document>>> {
    let mut statement =
        txn.prepare_cached("SELECT key, value, created, modified FROM documents WHERE key = ?")?;
    keys.iter()
        .map(|key| statement.query_row([key.as_bytes()], document).optional())
        .collect()
}

/// A page of documents.
pub(super) fn page(txn: &Transaction<'_>, range: &Range) -> rusqlite::Result<Page> {
    let interval = Interval::of_range("", range);
    let documents_max = range.documents_max();
    let mut page = Page {
        documents: Vec::new(),
        has_more: false,
        revision: number(txn, "revision")?,
    };
    let mut statement =
        txn.prepare_cached(page_query(interval.end.is_some(), range.is_descending))?;
    let mut rows = match interval.end {
        Some(end) => statement.query(params![interval.start, end])?,
        None => statement.query(params![interval.start])?,
    };
    let mut size_bytes = 0;
    while let Some(row) = rows.next()? {
        if page.documents.len() == documents_max || size_bytes >= limits::PAGE_BYTES_MAX {
            page.has_more = true;
            break;
        }
        let document = document(row)?;
        size_bytes += document.key.len() + document.value.len();
        page.documents.push(document);
    }
    Ok(page)
}

/// An end that may be absent in one query for both would be no bound that the index knows: every
/// list would read on to the end of the table.
fn page_query(has_end: bool, is_descending: bool) -> &'static str {
    match (has_end, is_descending) {
        (true, false) => {
            "SELECT key, value, created, modified FROM documents
             WHERE key >= ?1 AND key < ?2 ORDER BY key"
        }
        (true, true) => {
            "SELECT key, value, created, modified FROM documents
             WHERE key >= ?1 AND key < ?2 ORDER BY key DESC"
        }
        (false, false) => {
            "SELECT key, value, created, modified FROM documents WHERE key >= ?1 ORDER BY key"
        }
        (false, true) => {
            "SELECT key, value, created, modified FROM documents WHERE key >= ?1 ORDER BY key DESC"
        }
    }
}

/// What a watcher is told next.
pub(super) enum Changes {
    /// Nothing that it watches has changed after this revision (the last one).
    UpTo(Revision, Vec<Batch>),
    /// What it asks for is forgotten.
    Compacted(Revision),
}

/// The changes after a revision: whole revisions, and not too many at once.
pub(super) fn changes(
    txn: &Transaction<'_>,
    prefix: &str,
    after: Revision,
) -> rusqlite::Result<Changes> {
    let compacted = number(txn, "compacted")?;
    if after < compacted {
        return Ok(Changes::Compacted(compacted));
    }
    let interval = Interval::of_prefix(prefix.as_bytes());
    let mut statement = txn.prepare_cached(
        "SELECT key, value, created, revision FROM events
         WHERE revision > ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3) ORDER BY revision, id",
    )?;
    let mut rows = statement.query(params![after, interval.start, interval.end])?;
    let mut batches: Vec<Batch> = Vec::new();
    let (mut count, mut size_bytes) = (0, 0);
    while let Some(row) = rows.next()? {
        let revision: Revision = row.get(3)?;
        let event = match row.get_ref(1)?.as_blob_or_null()? {
            Some(_) => Event::Put(document(row)?),
            None => Event::Deleted { key: key(row)? },
        };
        size_bytes += match &event {
            Event::Put(document) => document.key.len() + document.value.len(),
            Event::Deleted { key } => key.len(),
        };
        match batches.last_mut() {
            Some(last) if last.revision == revision => last.events.push(event),
            last => {
                let is_full =
                    count >= limits::WATCH_EVENTS_MAX || size_bytes >= limits::PAGE_BYTES_MAX;
                if let (true, Some(last)) = (is_full, last) {
                    return Ok(Changes::UpTo(last.revision, batches));
                }
                batches.push(Batch {
                    revision,
                    events: vec![event],
                });
            }
        }
        count += 1;
    }
    // The watcher may have begun after revisions that are yet to come.
    let head = number(txn, "revision")?.max(after);
    Ok(Changes::UpTo(head, batches))
}

fn number(txn: &Transaction<'_>, name: &str) -> rusqlite::Result<Revision> {
    txn.prepare_cached("SELECT number FROM meta WHERE name = ?")?
        .query_row([name], |row| row.get(0))
}

/// A document from the columns key, value, created, modified.
fn document(row: &Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document {
        key: key(row)?,
        value: Bytes::copy_from_slice(row.get_ref(1)?.as_blob()?),
        created: row.get(2)?,
        modified: row.get(3)?,
    })
}

fn key(row: &Row<'_>) -> rusqlite::Result<String> {
    let bytes = row.get_ref(0)?.as_blob()?;
    String::from_utf8(bytes.to_vec()).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, error.into())
    })
}

/// Reads the events table whenever the head has moved; a slow watcher costs no memory.
pub(super) struct TableWatch {
    reads: Arc<Reads>,
    head: watch::Receiver<Revision>,
    prefix: String,
    /// Everything up to here has been told of.
    seen: Revision,
    /// Whether the table has been read, and so whether `seen` is known to be remembered.
    has_begun: bool,
    is_over: bool,
}

#[async_trait]
impl Watch for TableWatch {
    async fn next(&mut self) -> Result<Vec<Batch>, StoreError> {
        let result = self.advance().await;
        self.is_over |= result.is_err();
        result
    }
}

impl TableWatch {
    pub fn new(
        reads: Arc<Reads>,
        head: watch::Receiver<Revision>,
        prefix: &str,
        after: Revision,
    ) -> TableWatch {
        TableWatch {
            reads,
            head,
            prefix: prefix.to_owned(),
            seen: after,
            has_begun: false,
            is_over: false,
        }
    }

    async fn advance(&mut self) -> Result<Vec<Batch>, StoreError> {
        if self.is_over {
            return Err(StoreError::Unavailable("the watch is over".into()));
        }
        // Changes from before the watch are looked for, and whether they are still there.
        let mut is_due = !self.has_begun;
        loop {
            if !is_due {
                let seen = self.seen;
                let moved = self.head.wait_for(|head| *head > seen).await;
                drop(moved.map_err(|_| closed())?);
            }
            is_due = false;
            let (prefix, after) = (self.prefix.clone(), self.seen);
            let changes = self
                .reads
                .read(move |txn| changes(txn, &prefix, after))
                .await?;
            match changes {
                Changes::Compacted(first) => return Err(StoreError::Compacted { after, first }),
                Changes::UpTo(seen, batches) => {
                    self.has_begun = true;
                    self.seen = seen;
                    if !batches.is_empty() {
                        return Ok(batches);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::sqlite::schema;

    #[test]
    fn pages_are_read_between_two_keys_of_the_index() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::prepare(&mut connection, Path::new(":memory:")).unwrap();
        for (has_end, is_descending, bounds) in [
            (true, false, "(key>? AND key<?)"),
            (true, true, "(key>? AND key<?)"),
            (false, false, "(key>?)"),
            (false, true, "(key>?)"),
        ] {
            let query = format!("EXPLAIN QUERY PLAN {}", page_query(has_end, is_descending));
            let parameters = if has_end {
                vec![b"a", b"b"]
            } else {
                vec![b"a"]
            };
            let parameters = rusqlite::params_from_iter(parameters);
            let detail = |row: &Row<'_>| row.get::<_, String>(3);
            let plan = connection.query_row(&query, parameters, detail).unwrap();
            assert!(
                plan.contains("USING INDEX") && plan.ends_with(bounds),
                "{plan}"
            );
        }
    }
}
