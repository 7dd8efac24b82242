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

/// The writer without its thread: messages are delivered and files compressed when a test says so.
#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::path::Path;
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::access_log::record::tests::bare;
    use crate::access_log::{LogHandle, LogId, LogTotals};
    use crate::limits::QUEUED_MESSAGES_MAX;

    /// 2026-01-01 00:00:00 UTC.
    const MIDNIGHT_MS: u64 = 1_767_225_600_000;
    const HOUR_MS: u64 = 3_600_000;

    struct World {
        directory: tempfile::TempDir,
        shared: Arc<Shared>,
        writer: Writer,
        receiver: Receiver<Message>,
        worker: LogHandle,
    }

    impl World {
        fn new() -> Self {
            Self::in_directory(tempfile::tempdir().unwrap())
        }

        fn in_directory(directory: tempfile::TempDir) -> Self {
            let shared = Arc::new(Shared::default());
            let log_directory = LogDirectory::open(directory.path().to_owned()).unwrap();
            let (sender, receiver) = sync_channel(QUEUED_MESSAGES_MAX);
            Self {
                writer: Writer::new(log_directory, Arc::clone(&shared)),
                worker: LogHandle::new(Arc::clone(&shared), sender),
                directory,
                shared,
                receiver,
            }
        }

        /// The process is gone: the directory is free for the next.
        fn end(self) -> tempfile::TempDir {
            self.directory
        }

        fn register(&self, distribution_id: &str, prefix: &str) -> LogId {
            let target = LogTarget::new(distribution_id, prefix).unwrap();
            LogId {
                index: self.shared.index_of(target).unwrap(),
                include_cookies: false,
            }
        }

        fn write(&mut self, log: LogId, finished_ms: u64) {
            self.worker.write(log, &bare(finished_ms));
        }

        /// The worker flushes, the writer accepts, and then compresses what is over.
        fn flush(&mut self, now_ms: u64) {
            self.worker.flush(now_ms);
            while let Ok(message) = self.receiver.try_recv() {
                self.writer.accept(message);
            }
            while self.writer.compress_step() {}
        }

        fn totals(&self) -> LogTotals {
            self.shared.totals.now()
        }

        /// Paths below the directory, sorted, with the unique part as `*`.
        fn names(&self) -> Vec<String> {
            let mut names: Vec<String> = paths(self.directory.path())
                .iter()
                .map(|path| {
                    let path = path.strip_prefix(self.directory.path()).unwrap();
                    let text = path.to_str().unwrap();
                    let mut parts: Vec<&str> = text.split('.').collect();
                    if parts.len() > 2 && parts[2].len() == 8 {
                        parts[2] = "*";
                    }
                    parts.join(".")
                })
                .collect();
            names.sort();
            names
        }

        /// All lines of all files but the headers.
        fn lines(&self) -> Vec<String> {
            let texts = paths(self.directory.path())
                .into_iter()
                .map(|path| text(&path));
            texts.flat_map(|text| records(&text)).collect()
        }
    }

    /// Files below `directory`, without our lock.
    fn paths(directory: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(paths(&path));
            } else if !path.ends_with(".warmfront-lock") {
                found.push(path);
            }
        }
        found.sort();
        found
    }

    fn text(path: &Path) -> String {
        let mut text = String::new();
        let file = File::open(path).unwrap();
        if path.extension().is_some_and(|extension| extension == "gz") {
            flate2::read::GzDecoder::new(file)
                .read_to_string(&mut text)
                .unwrap();
        } else {
            (&file).read_to_string(&mut text).unwrap();
        }
        text
    }

    fn records(text: &str) -> Vec<String> {
        let records = text
            .strip_prefix(FILE_HEADER)
            .expect("a file begins with its header");
        records.lines().map(str::to_owned).collect()
    }

    #[test]
    fn an_open_hour_is_a_plain_file_that_can_be_read() {
        let mut world = World::new();
        let log = world.register("E1", "");
        world.write(log, MIDNIGHT_MS);
        world.flush(MIDNIGHT_MS + 1000);
        world.write(log, MIDNIGHT_MS + 1500);
        world.flush(MIDNIGHT_MS + 2000);
        assert_eq!(world.names(), ["E1.2026-01-01-00.*.log"]);
        let lines = world.lines();
        assert_eq!(lines.len(), 2);
        assert!(lines[1].starts_with("2026-01-01\t00:00:01\t"));
        assert_eq!(world.totals().lines_written, 2);
    }

    #[test]
    fn an_hour_that_is_over_is_compressed_after_the_grace() {
        let mut world = World::new();
        let log = world.register("E1", "site/cdn/");
        world.write(log, MIDNIGHT_MS);
        let end_ms = MIDNIGHT_MS + HOUR_MS;
        world.flush(end_ms + HOUR_GRACE_SECS * 1000 - 1);
        assert_eq!(world.names(), ["site/cdn/E1.2026-01-01-00.*.log"]);
        world.flush(end_ms + HOUR_GRACE_SECS * 1000);
        assert_eq!(world.names(), ["site/cdn/E1.2026-01-01-00.*.gz"]);
        assert_eq!(world.lines().len(), 1);
        assert_eq!(world.totals().files_compressed, 1);
        assert_eq!(world.writer.open_files, 0);
    }

    #[test]
    fn the_hour_of_a_line_is_the_record_s_and_not_the_flush_s() {
        let mut world = World::new();
        let log = world.register("E1", "");
        world.write(log, MIDNIGHT_MS - 1);
        world.write(log, MIDNIGHT_MS);
        world.write(log, MIDNIGHT_MS - 1);
        world.flush(MIDNIGHT_MS + 1);
        let names = ["E1.2025-12-31-23.*.log", "E1.2026-01-01-00.*.log"];
        assert_eq!(world.names(), names);
        for (path, count) in paths(world.directory.path()).iter().zip([2, 1]) {
            assert_eq!(records(&text(path)).len(), count);
        }
    }

    #[test]
    fn a_line_that_comes_after_its_hour_was_closed_goes_to_another_file() {
        let mut world = World::new();
        let log = world.register("E1", "");
        for _ in 0..3 {
            world.write(log, MIDNIGHT_MS);
            world.flush(MIDNIGHT_MS + 2 * HOUR_MS);
        }
        assert_eq!(world.names(), ["E1.2026-01-01-00.*.gz"; 3]);
        assert_eq!(world.lines().len(), 3);
    }

    #[test]
    fn distributions_and_prefixes_have_files_of_their_own() {
        let mut world = World::new();
        let logs = [("E1", ""), ("E2", ""), ("E1", "other"), ("E1", "")];
        for (distribution_id, prefix) in logs {
            let log = world.register(distribution_id, prefix);
            world.write(log, MIDNIGHT_MS);
        }
        world.flush(MIDNIGHT_MS);
        let hour = "2026-01-01-00.*.log";
        let names = [
            format!("E1.{hour}"),
            format!("E2.{hour}"),
            format!("other/E1.{hour}"),
        ];
        assert_eq!(world.names(), names);
        assert_eq!(world.lines().len(), 4);
    }

    #[test]
    fn a_file_that_is_large_enough_is_closed_within_its_hour() {
        let mut world = World::new();
        let log = world.register("E1", "");
        world.write(log, MIDNIGHT_MS);
        world.flush(MIDNIGHT_MS);
        world.writer.files.values_mut().next().unwrap().size_bytes = FILE_SIZE_BYTES_MAX - 1;
        world.write(log, MIDNIGHT_MS);
        world.flush(MIDNIGHT_MS);
        assert_eq!(world.names(), ["E1.2026-01-01-00.*.gz"]);
        world.write(log, MIDNIGHT_MS);
        world.flush(MIDNIGHT_MS);
        assert_eq!(
            world.names(),
            ["E1.2026-01-01-00.*.gz", "E1.2026-01-01-00.*.log"]
        );
        assert_eq!(world.lines().len(), 3);
    }

    #[test]
    fn more_logs_than_descriptors_still_have_one_file_each() {
        let mut world = World::new();
        let logs: Vec<LogId> = (0..OPEN_FILES_MAX + 50)
            .map(|n| world.register(&format!("E{n}"), ""))
            .collect();
        for _ in 0..2 {
            for &log in &logs {
                world.write(log, MIDNIGHT_MS);
            }
            world.flush(MIDNIGHT_MS);
        }
        assert_eq!(world.writer.open_files, OPEN_FILES_MAX);
        assert_eq!(world.names().len(), logs.len());
        assert_eq!(world.lines().len(), 2 * logs.len());
    }

    #[test]
    fn what_a_crash_left_is_compressed_at_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put(
            "a/E1.2025-12-31-22.0000000a.log",
            &format!("{FILE_HEADER}whole\ntorn in the mid"),
        );
        put("a/E1.2025-12-31-22.0000000a.gz.tmp", "half");
        put("E1.2025-12-31-22.0000000b.log", "already compressed\n");
        put("E1.2025-12-31-22.0000000b.gz", "by this");
        put("E1.2025-12-31-22.0000000c.log", "torn in the header");
        put("access.log", "of somebody else");
        put("E1.2025-12-31-22.notunique.log", "of somebody else");
        let mut world = World::in_directory(directory);
        world.flush(MIDNIGHT_MS);
        let names = [
            "E1.2025-12-31-22.*.gz",
            "E1.2025-12-31-22.notunique.log",
            "a/E1.2025-12-31-22.*.gz",
            "access.log",
        ];
        assert_eq!(world.names(), names);
        let compressed = world
            .directory
            .path()
            .join("a/E1.2025-12-31-22.0000000a.gz");
        assert_eq!(records(&text(&compressed)), ["whole"]);
        assert_eq!(world.totals().write_errors, 0);
    }

    #[test]
    fn a_worker_drops_and_counts_lines_while_the_writer_is_behind() {
        let mut world = World::new();
        let log = world.register("E1", "");
        let user_agent = [b'a'; 30_000];
        let lines = 2000;
        for _ in 0..lines {
            world.worker.write(
                log,
                &crate::access_log::Record {
                    user_agent: &user_agent,
                    ..bare(MIDNIGHT_MS)
                },
            );
        }
        let dropped = world.totals().lines_dropped;
        assert!(dropped > 0);
        world.flush(MIDNIGHT_MS);
        assert_eq!(world.totals().lines_written + dropped, lines);
        assert_eq!(world.shared.queued_size_bytes.load(Ordering::Relaxed), 0);
        // And goes on when the writer has caught up.
        world.write(log, MIDNIGHT_MS);
        world.flush(MIDNIGHT_MS);
        assert_eq!(world.totals().lines_dropped, dropped);
    }

    #[test]
    fn a_full_channel_drops_lines_and_does_not_block() {
        let mut world = World::new();
        let log = world.register("E1", "");
        for _ in 0..QUEUED_MESSAGES_MAX + 7 {
            world.write(log, MIDNIGHT_MS);
            world.worker.flush(MIDNIGHT_MS);
        }
        assert_eq!(world.totals().lines_dropped, 7);
    }

    #[test]
    fn a_disk_error_loses_lines_counts_them_and_heals() {
        let mut world = World::new();
        let log = world.register("E1", "logs");
        let obstacle = world.directory.path().join("logs");
        fs::write(&obstacle, "a file where a directory must be").unwrap();
        world.write(log, MIDNIGHT_MS);
        world.write(log, MIDNIGHT_MS);
        world.flush(MIDNIGHT_MS);
        let totals = world.totals();
        assert_eq!(
            (totals.lines_lost, totals.write_errors, totals.lines_written),
            (2, 1, 0)
        );
        fs::remove_file(&obstacle).unwrap();
        world.write(log, MIDNIGHT_MS);
        world.flush(MIDNIGHT_MS);
        assert_eq!(world.totals().lines_written, 1);
    }

    #[test]
    fn a_file_that_can_no_longer_be_written_is_given_up_for_another() {
        let mut world = World::new();
        let log = world.register("E1", "");
        world.write(log, MIDNIGHT_MS);
        world.flush(MIDNIGHT_MS);
        let hour_file = world.writer.files.values_mut().next().unwrap();
        hour_file.file = Some(File::open(&hour_file.path).unwrap()); // For reading only.
        world.write(log, MIDNIGHT_MS);
        world.flush(MIDNIGHT_MS);
        world.write(log, MIDNIGHT_MS);
        world.flush(MIDNIGHT_MS);
        assert_eq!(
            world.names(),
            ["E1.2026-01-01-00.*.gz", "E1.2026-01-01-00.*.log"]
        );
        let totals = world.totals();
        assert_eq!(
            (totals.lines_written, totals.lines_lost, world.lines().len()),
            (2, 1, 2)
        );
        assert_eq!(world.writer.open_files, 1);
    }

    #[test]
    fn an_abandoned_writer_leaves_plain_files_for_the_next_start() {
        let mut world = World::new();
        let log = world.register("E1", "");
        world.write(log, MIDNIGHT_MS);
        world.flush(MIDNIGHT_MS);
        world.writer.close_files(|_| true);
        assert!(world.writer.compress_step());
        assert_eq!(
            world.names(),
            ["E1.2026-01-01-00.*.gz.tmp", "E1.2026-01-01-00.*.log"]
        );
        world.shared.abandoned.store(true, Ordering::Release);
        world.writer.run(&world.receiver);
        assert_eq!(world.names(), ["E1.2026-01-01-00.*.log"]);
        let mut world = World::in_directory(world.end());
        world.flush(MIDNIGHT_MS);
        assert_eq!(world.names(), ["E1.2026-01-01-00.*.gz"]);
    }
}
