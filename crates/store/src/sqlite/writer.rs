//! The one thread that writes. What waits for it is applied in one SQLite transaction, so that a
//! thousand commits that come together cost one write to the disk, and is acknowledged after that.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant, SystemTime},
};

use parking_lot::Mutex;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::{
    closed, failed,
    ledger::{Ledger, Retention},
};
use crate::{Revision, StoreError, limits};

/// The way to the writer's thread, which ends with it.
pub(super) struct Writer {
    sender: mpsc::Sender<Message>,
    /// What may wait, in KiB.
    room: Arc<Semaphore>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. `head` is told of every revision that has become durable.
    pub fn start(
        connection: Arc<Mutex<Connection>>,
        retention: Retention,
        head: watch::Sender<Revision>,
        guard: impl Send + 'static,
    ) -> rusqlite::Result<Writer> {
        let mut state = State::open(connection, retention, head)?;
        let (sender, receiver) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || {
                state.run(&receiver);
                drop(state);
                drop(guard); // The file is free only when its last connection that writes is gone.
            })
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(Writer {
            sender,
            room: Arc::new(Semaphore::new(limits::WRITES_WAITING_KIB_MAX)),
            thread: Some(thread),
        })
    }

    /// Has the work done and made durable, in turn.
    pub async fn write<T: Send + 'static>(
        &self,
        size_bytes: usize,
        work: impl FnOnce(&mut Ledger<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let weight_kib = limits::WRITE_KIB_MIN + size_bytes / 1_024;
        let weight_kib = u32::try_from(weight_kib).expect("a transaction's bytes are bounded");
        let permit = Arc::clone(&self.room).acquire_many_owned(weight_kib).await;
        let (reply, answer) = oneshot::channel();
        let task = Task {
            work: Some(work),
            value: None,
            reply,
            _permit: permit.map_err(|_| closed())?,
        };
        self.sender
            .send(Message::Job(Box::new(task)))
            .map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // An error says that the thread has ended already.
        let _ = self.sender.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

enum Message {
    Job(Box<dyn Job>),
    Stop,
}

/// Something to write and somebody who waits for it.
trait Job: Send {
    /// Does the work. An error ends the whole group.
    fn run(&mut self, ledger: &mut Ledger<'_>) -> rusqlite::Result<()>;
    /// Tells what became of it, once it is durable or has failed.
    fn answer(self: Box<Self>, result: Result<(), StoreError>);
}

struct Task<T, F> {
    work: Option<F>,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
    _permit: OwnedSemaphorePermit,
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: FnOnce(&mut Ledger<'_>) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, ledger: &mut Ledger<'_>) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take() {
            self.value = Some(work(ledger)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, result: Result<(), StoreError>) {
        let Task { value, reply, .. } = *self;
        // Nobody may wait any more.
        let _ = reply.send(result.and_then(|()| value.ok_or_else(closed)));
    }
}

/// The thread's own.
struct State {
    connection: Arc<Mutex<Connection>>,
    retention: Retention,
    head: watch::Sender<Revision>,
    clock: Clock,
    /// Bytes of keys and values in the events table.
    event_bytes: i64,
}

impl State {
    fn open(
        connection: Arc<Mutex<Connection>>,
        retention: Retention,
        head: watch::Sender<Revision>,
    ) -> rusqlite::Result<State> {
        let clock = Clock::start();
        let (revision, event_bytes) = {
            let mut connection = connection.lock();
            let txn = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let (revision, event_bytes) = txn.query_row(
                "SELECT number,
                 (SELECT coalesce(sum(length(key) + coalesce(length(value), 0)), 0) FROM events)
                 FROM meta WHERE name = 'revision'",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let mut ledger = Ledger::new(&txn, revision, clock.now_ms());
            ledger.shorten_leases()?;
            txn.commit()?;
            (revision, event_bytes)
        };
        head.send_replace(revision);
        Ok(State {
            connection,
            retention,
            head,
            clock,
            event_bytes,
        })
    }

    fn run(&mut self, receiver: &mpsc::Receiver<Message>) {
        let tick = Duration::from_millis(limits::LEASE_TICK_MS);
        loop {
            let mut group = Vec::new();
            let mut next = match receiver.recv_timeout(tick) {
                Ok(message) => Some(message),
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            while let Some(message) = next {
                match message {
                    Message::Job(job) => group.push(job),
                    Message::Stop => return,
                }
                next = match group.len() {
                    limits::GROUP_TXNS_MAX.. => None,
                    _ => receiver.try_recv().ok(),
                };
            }
            self.settle(group);
        }
    }

    /// Does what a group asks for and what has become due, and answers.
    fn settle(&mut self, mut group: Vec<Box<dyn Job>>) {
        let before = *self.head.borrow();
        let result = if group.is_empty() && !self.has_ended_leases() {
            Ok(())
        } else {
            self.apply(|ledger| {
                ledger.expire()?;
                group.iter_mut().try_for_each(|job| job.run(ledger))
            })
        };
        let result = result.map_err(|error| {
            tracing::error!(%error, "the store's file cannot be written");
            failed(error)
        });
        for job in group {
            job.answer(result.clone());
        }
        if *self.head.borrow() != before
            && let Err(error) = self.forget()
        {
            tracing::warn!(%error, "old changes cannot be removed from the store's file");
        }
    }

    /// Does work in a transaction of the file's, and tells of the revision when it is durable.
    fn apply(
        &mut self,
        work: impl FnOnce(&mut Ledger<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let head = *self.head.borrow();
        let (reached, added_bytes) = {
            let mut connection = self.connection.lock();
            let txn = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut ledger = Ledger::new(&txn, head, self.clock.now_ms());
            work(&mut ledger)?;
            let finished = ledger.finish()?;
            txn.commit()?;
            finished
        };
        self.event_bytes += added_bytes;
        if reached != head {
            self.head.send_replace(reached);
        }
        Ok(())
    }

    fn has_ended_leases(&self) -> bool {
        self.connection
            .lock()
            .prepare_cached("SELECT 1 FROM leases WHERE ends_ms <= ?")
            .and_then(|mut statement| statement.exists([self.clock.now_ms()]))
            .unwrap_or(true) // The transaction that follows says what is wrong.
    }

    /// Removes the oldest changes if there are too many.
    fn forget(&mut self) -> rusqlite::Result<()> {
        let (kept_bytes, retention) = (self.event_bytes, self.retention);
        self.apply(|ledger| match ledger.due(kept_bytes, retention)? {
            Some(through) => ledger.compact(through),
            None => Ok(()),
        })
    }
}

/// The wall clock as it was at the start, and steady since.
struct Clock {
    wall_ms: i64,
    started: Instant,
}

impl Clock {
    fn start() -> Clock {
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Clock {
            wall_ms: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX / 2),
            started: Instant::now(),
        }
    }

    fn now_ms(&self) -> i64 {
        let passed_ms = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX / 2);
        self.wall_ms.saturating_add(passed_ms)
    }
}
