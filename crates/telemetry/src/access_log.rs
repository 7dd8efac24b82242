//! Access logs: formatted by the workers, written by one thread, never waited for.
//!
//! ```text
//! worker: Record ─ LogHandle::write ─> 64 KiB batch ─┐ bounded channel
//! worker: Record ─ LogHandle::write ─> 64 KiB batch ─┼──> writer ─> <id>.<hour>.<unique>.log
//!                                                    ┘              └ hour over ─> ….gz
//! ```
//!
//! A batch holds lines of one distribution and one UTC hour. A worker formats a line in place, for
//! about 0.27 µs: to copy its strings for another thread to format would cost 0.06 µs on top. When
//! the writer is behind by more than [`QUEUED_SIZE_BYTES_MAX`], lines are dropped and counted; a
//! disk error loses lines and counts them too. Neither ever blocks or fails a request.

mod date;
mod files;
mod line;
mod record;
mod result;
mod writer;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use date::DateCache;
pub use line::LineBuffer;
pub use record::{FILE_HEADER, Record};
pub use result::{DetailedResult, HttpVersion, Protocol, ResultType};

use crate::limits::{
    BATCH_SIZE_BYTES, LOGS_MAX, PENDING_SIZE_BYTES_MAX, QUEUED_MESSAGES_MAX, QUEUED_SIZE_BYTES_MAX,
    SPARE_BUFFER_SIZE_BYTES_MAX, SPARE_BUFFERS_MAX,
};
use files::{LogDirectory, LogTarget};
use writer::Writer;

/// Which log a record goes to; from [`AccessLog::register`], and kept in the compiled site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogId {
    index: u32,
    include_cookies: bool,
}

/// Why the log could not be started: the operator's directory.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory cannot be made or written.
    #[error("log directory {directory:?} cannot be used: {source}")]
    Directory {
        /// As configured.
        directory: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process writes there; it would compress our files and we its.
    #[error("log directory {directory:?} is in use by another process; each node needs its own")]
    InUse {
        /// As configured.
        directory: PathBuf,
    },
    /// No thread could be started.
    #[error("the log's writer thread did not start: {0}")]
    Thread(std::io::Error),
}

/// Why a distribution's log was refused: its configuration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The id becomes a file name.
    #[error(
        "distribution id {0:?} cannot name a log file: 1 to 128 of A-Z a-z 0-9 - _ are allowed"
    )]
    DistributionId(String),
    /// The prefix becomes a path below the log directory.
    #[error(
        "Logging.Prefix {0:?} is not allowed: at most 256 bytes and 16 levels, no leading '/', \
         no empty, '.' or '..' level, no control characters"
    )]
    Prefix(String),
    /// More logs than a process may ever have.
    #[error("more than {LOGS_MAX} logs have been configured since the start")]
    TooMany,
}

/// How a shutdown ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownOutcome {
    /// Every line is in a compressed file.
    Complete,
    /// Time ran out: what was not compressed (or, with a stuck disk, not written) stays behind as
    /// plain files, which the next start compresses.
    Unfinished,
}

/// What happened to lines so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogTotals {
    /// Lines in files.
    pub lines_written: u64,
    /// Lines dropped because the writer was behind.
    pub lines_dropped: u64,
    /// Lines lost to disk errors.
    pub lines_lost: u64,
    /// Failed operations on files.
    pub write_errors: u64,
    /// Files compressed.
    pub files_compressed: u64,
}

/// The node's access log. Dropping it without [`shutdown`](Self::shutdown) lets the writer finish
/// on its own.
pub struct AccessLog {
    shared: Arc<Shared>,
    sender: SyncSender<Message>,
    thread: Mutex<Option<WriterThread>>,
}

struct WriterThread {
    join: JoinHandle<()>,
    finished: Receiver<()>,
}

/// What workers, the writer and the owner share. Locks are leaves: none is taken under another.
#[derive(Default)]
struct Shared {
    /// Targets by [`LogId`]'s index. Locked on registration, and by the writer for a new index.
    targets: Mutex<Targets>,
    /// Empty buffers on their way back to workers. Locked once for each batch.
    spare_buffers: Mutex<Vec<LineBuffer>>,
    /// Bytes handed over and not yet taken up by the writer.
    queued_size_bytes: AtomicUsize,
    /// No more batches will come: the writer ends when the queue is empty.
    stopping: AtomicBool,
    /// Time is up: the writer ends at its next step.
    abandoned: AtomicBool,
    totals: Totals,
}

#[derive(Default)]
struct Targets {
    list: Vec<Arc<LogTarget>>,
    index_by_target: HashMap<Arc<LogTarget>, u32>,
}

#[derive(Default)]
struct Totals {
    lines_written: AtomicU64,
    lines_dropped: AtomicU64,
    lines_lost: AtomicU64,
    write_errors: AtomicU64,
    files_compressed: AtomicU64,
}

/// To the writer: batches, and the time if the sender knows it.
#[derive(Default)]
struct Message {
    batches: Vec<Batch>,
    now_ms: Option<u64>,
}

/// Lines of one log that finished in one hour.
struct Batch {
    log_index: u32,
    /// Hours since the epoch.
    hour: u64,
    lines: u64,
    buffer: LineBuffer,
}

impl AccessLog {
    /// Makes the directory if need be, takes it for this process, and starts the writer, which
    /// first sets about compressing what an earlier process left behind.
    pub fn start(directory: PathBuf) -> Result<Self, StartError> {
        let directory = LogDirectory::open(directory)?;
        let shared = Arc::new(Shared::default());
        let (sender, receiver) = sync_channel(QUEUED_MESSAGES_MAX);
        let (finished_sender, finished) = sync_channel(1);
        let mut writer = Writer::new(directory, Arc::clone(&shared));
        let join = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || {
                writer.run(&receiver);
                // The receiver is gone if the shutdown did not wait for us.
                let _ = finished_sender.send(());
            })
            .map_err(StartError::Thread)?;
        let thread = Mutex::new(Some(WriterThread { join, finished }));
        Ok(Self {
            shared,
            sender,
            thread,
        })
    }

    /// Registers a distribution's log. The same distribution with the same prefix keeps its files
    /// over any number of reloads.
    ///
    /// `prefix` is `Logging.Prefix`: a path below the log directory, to which `/` is appended.
    pub fn register(
        &self,
        distribution_id: &str,
        prefix: &str,
        include_cookies: bool,
    ) -> Result<LogId, RegisterError> {
        let target = LogTarget::new(distribution_id, prefix)?;
        Ok(LogId {
            index: self.shared.index_of(target)?,
            include_cookies,
        })
    }

    /// A handle for one worker.
    pub fn handle(&self) -> LogHandle {
        LogHandle::new(Arc::clone(&self.shared), self.sender.clone())
    }

    /// What happened to lines so far.
    pub fn totals(&self) -> LogTotals {
        self.shared.totals.now()
    }

    /// Writes all that workers have flushed, compresses all files, and ends the writer; gives up
    /// after `wait`. Workers flush (or drop their handles) before this is called.
    pub fn shutdown(&self, wait: Duration) -> ShutdownOutcome {
        let Some(WriterThread { join, finished }) = lock(&self.thread).take() else {
            return ShutdownOutcome::Complete;
        };
        self.stop_writer();
        let outcome = match finished.recv_timeout(wait) {
            Ok(()) => ShutdownOutcome::Complete,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                self.shared.abandoned.store(true, Ordering::Release);
                ShutdownOutcome::Unfinished
            }
        };
        // A thread that is stuck in a system call is left alone: the process is about to end.
        if outcome == ShutdownOutcome::Complete {
            // An error here is a panic of the writer after it had finished; there is none.
            let _ = join.join();
        }
        outcome
    }

    fn stop_writer(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        // Wakes a writer that waits. If the channel is full it is awake, and will see the flag.
        let _ = self.sender.try_send(Message::default());
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.stop_writer();
    }
}

/// One worker's end of the log: formats lines into batches and hands them over.
pub struct LogHandle {
    shared: Arc<Shared>,
    sender: SyncSender<Message>,
    dates: DateCache,
    /// By the log's index.
    slots: Vec<Slot>,
    /// Indices of slots that hold lines.
    filled: Vec<u32>,
    pending_size_bytes: usize,
}

#[derive(Default)]
struct Slot {
    hour: u64,
    lines: u64,
    buffer: LineBuffer,
}

impl LogHandle {
    fn new(shared: Arc<Shared>, sender: SyncSender<Message>) -> Self {
        Self {
            shared,
            sender,
            dates: DateCache::new(),
            slots: Vec::new(),
            filled: Vec::new(),
            pending_size_bytes: 0,
        }
    }

    /// Formats the record into the worker's batch for `log`.
    pub fn write(&mut self, log: LogId, record: &Record<'_>) {
        let index = log.index as usize;
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, Slot::default);
        }
        let hour = record.finished_ms / 3_600_000;
        if self.slots[index].lines > 0 && self.slots[index].hour != hour {
            self.hand_over_one(log.index);
        }
        let slot = &mut self.slots[index];
        if slot.lines == 0 {
            slot.hour = hour;
            slot.buffer = lock(&self.shared.spare_buffers).pop().unwrap_or_default();
            self.filled.push(log.index);
        }
        let before = slot.buffer.len();
        record.write_line(log.include_cookies, &mut self.dates, &mut slot.buffer);
        slot.lines += 1;
        self.pending_size_bytes += slot.buffer.len() - before;
        if slot.buffer.len() >= BATCH_SIZE_BYTES {
            self.hand_over_one(log.index);
        } else if self.pending_size_bytes >= PENDING_SIZE_BYTES_MAX {
            self.hand_over_all(None);
        }
    }

    /// Hands over all lines. The worker calls this each second, also when it is idle: the time
    /// in it tells the writer when an hour is over.
    pub fn flush(&mut self, now_ms: u64) {
        self.hand_over_all(Some(now_ms));
    }

    fn hand_over_one(&mut self, log_index: u32) {
        self.filled.retain(|&index| index != log_index);
        let batch = self.take_batch(log_index);
        self.send(Message {
            batches: vec![batch],
            now_ms: None,
        });
    }

    fn hand_over_all(&mut self, now_ms: Option<u64>) {
        let filled = std::mem::take(&mut self.filled);
        let batches = filled.iter().map(|&index| self.take_batch(index)).collect();
        self.filled = filled;
        self.filled.clear();
        self.send(Message { batches, now_ms });
    }

    fn take_batch(&mut self, log_index: u32) -> Batch {
        let slot = &mut self.slots[log_index as usize];
        let buffer = std::mem::take(&mut slot.buffer);
        self.pending_size_bytes -= buffer.len();
        Batch {
            log_index,
            hour: slot.hour,
            lines: std::mem::take(&mut slot.lines),
            buffer,
        }
    }

    fn send(&mut self, message: Message) {
        let size_bytes = message.size_bytes();
        let queued = self
            .shared
            .queued_size_bytes
            .fetch_add(size_bytes, Ordering::Relaxed);
        if queued + size_bytes > QUEUED_SIZE_BYTES_MAX {
            self.drop_lines(message);
        } else if let Err(error) = self.sender.try_send(message) {
            use std::sync::mpsc::TrySendError::{Disconnected, Full};
            let (Full(message) | Disconnected(message)) = error;
            self.drop_lines(message);
        }
    }

    #[cold]
    fn drop_lines(&self, message: Message) {
        self.shared
            .queued_size_bytes
            .fetch_sub(message.size_bytes(), Ordering::Relaxed);
        let lines = message.batches.iter().map(|batch| batch.lines).sum();
        self.shared
            .totals
            .lines_dropped
            .fetch_add(lines, Ordering::Relaxed);
        for batch in message.batches {
            self.shared.keep_spare(batch.buffer);
        }
    }
}

impl Drop for LogHandle {
    fn drop(&mut self) {
        self.hand_over_all(None);
    }
}

impl Message {
    fn size_bytes(&self) -> usize {
        self.batches.iter().map(|batch| batch.buffer.len()).sum()
    }
}

impl Totals {
    fn now(&self) -> LogTotals {
        LogTotals {
            lines_written: self.lines_written.load(Ordering::Relaxed),
            lines_dropped: self.lines_dropped.load(Ordering::Relaxed),
            lines_lost: self.lines_lost.load(Ordering::Relaxed),
            write_errors: self.write_errors.load(Ordering::Relaxed),
            files_compressed: self.files_compressed.load(Ordering::Relaxed),
        }
    }
}

impl Shared {
    /// The index of the target: the one that it has, or a new one.
    fn index_of(&self, target: LogTarget) -> Result<u32, RegisterError> {
        let mut targets = lock(&self.targets);
        if let Some(&index) = targets.index_by_target.get(&target) {
            return Ok(index);
        }
        if targets.list.len() >= LOGS_MAX {
            return Err(RegisterError::TooMany);
        }
        let index = targets.list.len() as u32;
        let target = Arc::new(target);
        targets.list.push(Arc::clone(&target));
        targets.index_by_target.insert(target, index);
        Ok(index)
    }

    fn keep_spare(&self, mut buffer: LineBuffer) {
        if buffer.size_bytes() <= SPARE_BUFFER_SIZE_BYTES_MAX {
            buffer.clear();
            let mut spare = lock(&self.spare_buffers);
            if spare.len() < SPARE_BUFFERS_MAX {
                spare.push(buffer);
            }
        }
    }
}

/// Data behind these locks is valid after any panic, so poisoning means nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
