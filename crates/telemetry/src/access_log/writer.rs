//! The writer: takes batches, keeps the hours' files, compresses them when their hour is over.
//!
//! One thread does all of it. Compression proceeds in small steps whenever the queue is empty, so
//! that a large file of the last hour never makes lines of this hour wait, or be dropped.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};

use super::files::{CompressionJob, LogDirectory, LogTarget};
use super::record::FILE_HEADER;
use super::{Batch, Message, Shared, lock};
use crate::limits::{FILE_SIZE_BYTES_MAX, HOUR_GRACE_SECS, OPEN_FILES_MAX};

pub(super) struct Writer {
    shared: Arc<Shared>,
    directory: LogDirectory,
    files: HashMap<FileKey, HourFile>,
    /// How many of `files` have a descriptor.
    open_files: usize,
    /// Grows with each write; orders files by their last use.
    uses: u64,
    /// Plain files that nobody writes any more.
    closed: VecDeque<PathBuf>,
    job: Option<CompressionJob>,
    /// Errors are traced when they begin, not for each batch that a full disk refuses.
    is_failing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FileKey {
    log_index: u32,
    hour: u64,
}

struct HourFile {
    path: PathBuf,
    /// `None` while its descriptor is lent to busier files.
    file: Option<File>,
    size_bytes: u64,
    last_use: u64,
}

impl Writer {
    pub fn new(directory: LogDirectory, shared: Arc<Shared>) -> Self {
        Self {
            shared,
            closed: directory.leftovers().into(),
            directory,
            files: HashMap::new(),
            open_files: 0,
            uses: 0,
            job: None,
            is_failing: false,
        }
    }

    /// Works until all senders are gone, or a shutdown is asked for and done, or time is up.
    pub fn run(&mut self, receiver: &Receiver<Message>) {
        loop {
            if self.shared.abandoned.load(Ordering::Acquire) {
                return self.abandon();
            }
            match receiver.try_recv() {
                Ok(message) => self.accept(message),
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) if self.shared.stopping.load(Ordering::Acquire) => break,
                Err(TryRecvError::Empty) => {
                    if !self.compress_step() {
                        match receiver.recv() {
                            Ok(message) => self.accept(message),
                            Err(_) => break,
                        }
                    }
                }
            }
        }
        self.close_files(|_| true);
        while self.compress_step() {
            if self.shared.abandoned.load(Ordering::Acquire) {
                return self.abandon();
            }
        }
    }

    fn accept(&mut self, message: Message) {
        self.shared
            .queued_size_bytes
            .fetch_sub(message.size_bytes(), Ordering::Relaxed);
        for batch in message.batches {
            self.write(&batch);
            self.shared.keep_spare(batch.buffer);
        }
        if let Some(now_ms) = message.now_ms {
            let now_secs = now_ms / 1000;
            // A clock set back keeps files open longer, which is harmless.
            self.close_files(|key| (key.hour + 1) * 3600 + HOUR_GRACE_SECS <= now_secs);
        }
    }

    fn write(&mut self, batch: &Batch) {
        match self.append(batch) {
            Ok(()) => {
                self.shared
                    .totals
                    .lines_written
                    .fetch_add(batch.lines, Ordering::Relaxed);
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("access log is being written again");
                }
            }
            Err(error) => {
                self.shared
                    .totals
                    .lines_lost
                    .fetch_add(batch.lines, Ordering::Relaxed);
                self.report("access log cannot be written; lines are lost", &error);
            }
        }
    }

    fn append(&mut self, batch: &Batch) -> io::Result<()> {
        let key = FileKey {
            log_index: batch.log_index,
            hour: batch.hour,
        };
        self.ensure_open(key)?;
        self.uses += 1;
        let hour_file = self.files.get_mut(&key).expect("ensured just above");
        let file = hour_file.file.as_mut().expect("ensured just above");
        hour_file.last_use = self.uses;
        if let Err(error) = file.write_all(batch.buffer.as_bytes()) {
            // No torn line may stay in front of later ones. If this fails too, the file is
            // given up: what follows goes to a new one.
            if file.set_len(hour_file.size_bytes).is_err() {
                self.close_files(|open| *open == key);
            }
            return Err(error);
        }
        hour_file.size_bytes += batch.buffer.len() as u64;
        if hour_file.size_bytes >= FILE_SIZE_BYTES_MAX {
            self.close_files(|open| *open == key);
        }
        Ok(())
    }

    fn ensure_open(&mut self, key: FileKey) -> io::Result<()> {
        if self
            .files
            .get(&key)
            .is_some_and(|hour_file| hour_file.file.is_some())
        {
            return Ok(());
        }
        if self.open_files >= OPEN_FILES_MAX {
            self.lend_descriptor();
        }
        if let Some(hour_file) = self.files.get_mut(&key) {
            match File::options().append(true).open(&hour_file.path) {
                Ok(file) => {
                    hour_file.file = Some(file);
                    self.open_files += 1;
                    return Ok(());
                }
                // Somebody removed it. The hour continues in another.
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.files.remove(&key),
                Err(error) => return Err(error),
            };
        }
        let target = self.target(key.log_index);
        let (path, mut file) = self.directory.create(&target, key.hour)?;
        if let Err(error) = file.write_all(FILE_HEADER.as_bytes()) {
            // A full disk: leave no heap of empty files behind.
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        let size_bytes = FILE_HEADER.len() as u64;
        self.files.insert(
            key,
            HourFile {
                path,
                file: Some(file),
                size_bytes,
                last_use: 0,
            },
        );
        self.open_files += 1;
        Ok(())
    }

    fn target(&self, log_index: u32) -> Arc<LogTarget> {
        Arc::clone(&lock(&self.shared.targets).list[log_index as usize])
    }

    /// Closes the descriptor that has not been used for longest.
    fn lend_descriptor(&mut self) {
        let least_used = self
            .files
            .values_mut()
            .filter(|hour_file| hour_file.file.is_some())
            .min_by_key(|hour_file| hour_file.last_use);
        if let Some(hour_file) = least_used {
            hour_file.file = None;
            self.open_files -= 1;
        }
    }

    fn close_files(&mut self, is_over: impl Fn(&FileKey) -> bool) {
        for (_, hour_file) in self.files.extract_if(|key, _| is_over(key)) {
            self.open_files -= usize::from(hour_file.file.is_some());
            self.closed.push_back(hour_file.path);
        }
    }

    /// Does a piece of compression; false if there is nothing to compress.
    fn compress_step(&mut self) -> bool {
        let result = match self.job.take() {
            Some(job) => self.advance(job),
            None => match self.closed.pop_front() {
                None => return false,
                Some(path) => CompressionJob::start(&path).map(|job| self.job = job),
            },
        };
        if let Err(error) = result {
            self.report(
                "an access log file cannot be compressed; it stays plain",
                &error,
            );
        }
        true
    }

    fn advance(&mut self, mut job: CompressionJob) -> io::Result<()> {
        match job.step() {
            Ok(false) => self.job = Some(job),
            Ok(true) => {
                job.finish()?;
                self.shared
                    .totals
                    .files_compressed
                    .fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                job.abandon();
                return Err(error);
            }
        }
        Ok(())
    }

    fn abandon(&mut self) {
        if let Some(job) = self.job.take() {
            job.abandon();
        }
    }

    fn report(&mut self, what: &'static str, error: &io::Error) {
        self.shared
            .totals
            .write_errors
            .fetch_add(1, Ordering::Relaxed);
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::error!(%error, "{what}");
        }
    }
}
