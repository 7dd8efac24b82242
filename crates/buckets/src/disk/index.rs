//! The one thread that changes the index, and the connections that read it.
//!
//! What waits for the writer is done in one SQLite transaction, so that a hundred objects that are
//! put together cost one write of the index to the disk; each is done within a savepoint of its
//! own, so that one that fails is undone alone.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, mpsc},
    thread,
};

use parking_lot::{Mutex, RwLock};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{Semaphore, oneshot};

use super::{
    buckets,
    error::{DiskError, OpenError},
    files::{BlobId, Files, NewFile},
    schema::{self, Lock},
    types::Bucket,
};
use crate::limits;

/// The buckets by name, as the index has them.
pub(super) type Cache = RwLock<BTreeMap<String, Arc<Bucket>>>;

/// The index. Its thread ends when it is dropped.
pub(super) struct Index {
    sender: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
    thread: Option<thread::JoinHandle<()>>,
    readers: Arc<Mutex<Vec<Connection>>>,
    reads: Arc<Semaphore>,
    cache: Arc<Cache>,
}

impl Index {
    /// Starts the writer with this connection; `lock` lives as long as it.
    pub fn start(
        path: &Path,
        connection: Connection,
        files: Arc<Files>,
        lock: Lock,
    ) -> Result<Index, OpenError> {
        let failed = |source| schema::sqlite_error(path, source);
        let cache = Arc::new(RwLock::new(buckets::load(&connection).map_err(failed)?));
        let readers = (0..limits::READERS)
            .map(|_| schema::connect(path))
            .collect::<Result<Vec<_>, _>>()?;
        let (sender, receiver) = mpsc::channel();
        let mut writer = Writer {
            connection,
            files,
            cache: Arc::clone(&cache),
        };
        let thread = thread::Builder::new()
            .name("buckets-writer".into())
            .spawn(move || {
                writer.run(&receiver);
                drop(writer);
                drop(lock); // The directory is free only when nobody writes to it any more.
            })
            .map_err(|source| schema::io_error(path, source))?;
        Ok(Index {
            sender,
            room: Arc::new(Semaphore::new(limits::CHANGES_WAITING_MAX)),
            thread: Some(thread),
            readers: Arc::new(Mutex::new(readers)),
            reads: Arc::new(Semaphore::new(limits::READERS)),
            cache,
        })
    }

    /// The buckets, as of the last change that was answered, or later.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Has a change made and made durable, in turn. It is made even if nobody waits for it any
    /// more.
    pub async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Change<'_>) -> Result<T, DiskError> + Send + 'static,
    ) -> Result<T, DiskError> {
        let permit = Arc::clone(&self.room).acquire_owned().await;
        let permit = permit.map_err(|_| DiskError::closed())?;
        let (reply, answer) = oneshot::channel();
        let job = Task {
            work: Some(work),
            value: Err(DiskError::closed()),
            reply,
            _permit: permit,
        };
        self.sender
            .send(Message::Job(Box::new(job)))
            .map_err(|_| DiskError::closed())?;
        answer.await.map_err(|_| DiskError::closed())?
    }

    /// Reads, all of it as of one moment if it is within a transaction.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, DiskError> + Send + 'static,
    ) -> Result<T, DiskError> {
        let permit = Arc::clone(&self.reads).acquire_owned().await;
        let permit = permit.map_err(|_| DiskError::closed())?;
        let readers = Arc::clone(&self.readers);
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let connection = readers.lock().pop();
            let mut connection = connection.expect("there are as many permits as connections");
            let result = work(&mut connection);
            readers.lock().push(connection);
            result
        });
        task.await.map_err(|_| DiskError::closed())?
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // An error says that the thread has ended already.
        let _ = self.sender.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The index while it is being changed.
pub(super) struct Change<'connection> {
    /// Within a transaction.
    pub sql: &'connection Connection,
    /// What is to be done when the change is durable.
    pub effects: Effects,
}

/// What follows from a change.
#[derive(Default)]
pub(super) struct Effects {
    /// Files that the index names now.
    pub adopted: Vec<NewFile>,
    /// Contents (0: of a part, which nobody reads) whose files the index does not name any more.
    pub dropped: Vec<(i64, Vec<BlobId>)>,
    /// Names of the buckets that have changed.
    pub changed: Vec<String>,
}

impl<'connection> Change<'connection> {
    pub fn new(sql: &'connection Connection) -> Change<'connection> {
        Change {
            sql,
            effects: Effects::default(),
        }
    }

    /// Does work as a whole or not at all. The outer error says that the transaction is lost.
    pub fn attempt<T>(
        &mut self,
        work: impl FnOnce(&mut Change<'_>) -> Result<T, DiskError>,
    ) -> Result<Result<T, DiskError>, DiskError> {
        let run = |sql| self.sql.prepare_cached(sql)?.execute([]);
        run("SAVEPOINT attempt")?;
        let mut inner = Change::new(self.sql);
        let result = work(&mut inner);
        match result {
            Ok(_) => {
                run("RELEASE attempt")?;
                self.effects.adopted.append(&mut inner.effects.adopted);
                self.effects.dropped.append(&mut inner.effects.dropped);
                self.effects.changed.append(&mut inner.effects.changed);
            }
            // SQLite gives the whole transaction up after some errors, such as a full disk.
            Err(error) if self.sql.is_autocommit() => return Err(error),
            Err(_) => {
                run("ROLLBACK TO attempt")?;
                run("RELEASE attempt")?;
            }
        }
        Ok(result)
    }
}

enum Message {
    Job(Box<dyn Job>),
    Stop,
}

/// A change and somebody who waits for it.
trait Job: Send {
    /// Makes the change. An error is the whole group's.
    fn run(&mut self, change: &mut Change<'_>) -> Result<(), DiskError>;
    /// Tells what became of it, once it is durable or has failed.
    fn answer(self: Box<Self>, result: Result<(), DiskError>);
}

struct Task<T, F> {
    work: Option<F>,
    value: Result<T, DiskError>,
    reply: oneshot::Sender<Result<T, DiskError>>,
    _permit: tokio::sync::OwnedSemaphorePermit,
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: FnOnce(&mut Change<'_>) -> Result<T, DiskError> + Send,
{
    fn run(&mut self, change: &mut Change<'_>) -> Result<(), DiskError> {
        if let Some(work) = self.work.take() {
            self.value = change.attempt(work)?;
        }
        Ok(())
    }

    fn answer(self: Box<Self>, result: Result<(), DiskError>) {
        let _ = self.reply.send(result.and(self.value)); // Nobody may wait any more.
    }
}

/// The thread's own.
struct Writer {
    connection: Connection,
    files: Arc<Files>,
    cache: Arc<Cache>,
}

impl Writer {
    fn run(&mut self, receiver: &mpsc::Receiver<Message>) {
        let mut is_stopped = false;
        while !is_stopped {
            let mut group = Vec::new();
            let mut next = receiver.recv().ok();
            is_stopped = next.is_none();
            while let Some(message) = next {
                match message {
                    Message::Job(job) => group.push(job),
                    Message::Stop => {
                        is_stopped = true;
                        break;
                    }
                }
                next = match group.len() {
                    limits::GROUP_CHANGES_MAX.. => None,
                    _ => receiver.try_recv().ok(),
                };
            }
            self.settle(group);
        }
    }

    fn settle(&mut self, mut group: Vec<Box<dyn Job>>) {
        let (result, dropped) = match self.apply(&mut group) {
            Ok(dropped) => (Ok(()), dropped),
            Err(error) => {
                tracing::error!(%error, "the index of the buckets cannot be written");
                (Err(error), Vec::new())
            }
        };
        for job in group {
            job.answer(result.clone());
        }
        for (content, blobs) in dropped {
            self.files.release(content, blobs);
        }
    }

    /// Makes a group's changes durable. Returns what is dropped by them.
    fn apply(&mut self, group: &mut [Box<dyn Job>]) -> Result<Vec<(i64, Vec<BlobId>)>, DiskError> {
        let behavior = TransactionBehavior::Immediate;
        let txn = self.connection.transaction_with_behavior(behavior)?;
        let mut change = Change::new(&txn);
        group.iter_mut().try_for_each(|job| job.run(&mut change))?;
        let effects = change.effects;
        let mut changed = Vec::new();
        for name in effects.changed {
            let bucket = buckets::load_one(&txn, &name)?;
            changed.push((name, bucket));
        }
        // Even a commit that fails may be found done after a crash: its files must be there then.
        // If it is not, they are swept when the directory is opened.
        effects.adopted.into_iter().for_each(NewFile::keep);
        txn.commit()?;
        let mut cache = self.cache.write();
        for (name, bucket) in changed {
            match bucket {
                Some(bucket) => cache.insert(name, Arc::new(bucket)),
                None => cache.remove(&name),
            };
        }
        Ok(effects.dropped)
    }
}
