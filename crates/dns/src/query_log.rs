//! Query logs (spec §17): a line for each query of a zone that wants it.
//!
//! ```text
//! 1.0 2017-12-13T08:16:02.130Z Z12341234 example.com A NOERROR UDP FRA6 192.0.2.1 198.51.100.0/24
//! ```
//!
//! Version, time, zone, name without its dot, type, code, transport, this PoP, the resolver, and
//! the viewer's network if the resolver told it. The lines of a zone are in
//! `<directory>/<log group>/<zone>/<pop>.log`; a file that is large enough is renamed to `.log.1`,
//! what had that name to `.log.2`, and so on, up to a number.
//!
//! A thread that answers keeps what it has to say in a [`LogHandle`] and hands it over now and
//! then, through a queue with a bound: if the writer is behind, queries go unlogged and are
//! counted, but never wait. Lines are formatted by the writer. Read [`QueryLog`] first.
//!
//! Access logs of distributions have a writer of their own (crate `telemetry`): their files are of
//! an hour each, compressed and with a header, which these are not.

mod writer;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use records::RecordType;
use smallvec::SmallVec;

use crate::answer::{Asker, Facts, Transport};
use crate::message::ClientSubnet;
use crate::server::limits::{LOG_BATCH_COUNT, LOG_FLUSH_MS, LOG_QUEUE_COUNT};
use writer::Writer;

/// A zone's name for its log: where its lines go.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Target {
    /// `Z…`.
    zone: Box<str>,
    /// Below the log's directory.
    path: PathBuf,
}

type Targets = HashMap<Box<str>, Arc<Target>>;

/// The query logs of a node.
pub struct QueryLog {
    pop: Arc<str>,
    shared: Arc<Shared>,
    sender: Mutex<Option<SyncSender<Vec<Entry>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    targets: ArcSwap<Targets>,
    written: AtomicU64,
    dropped: AtomicU64,
    lost: AtomicU64,
}

/// How many lines there were so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogTotals {
    /// In files.
    pub written: u64,
    /// Not taken, because the writer was behind.
    pub dropped: u64,
    /// Taken, and refused by the disk.
    pub lost: u64,
}

/// A query that is to be logged.
#[derive(Debug)]
struct Entry {
    target: Arc<Target>,
    at_ms: u64,
    /// Wire form; what few names exceed is allocated.
    name: SmallVec<[u8; 40]>,
    qtype: RecordType,
    rcode: u16,
    transport: Transport,
    resolver: IpAddr,
    subnet: Option<ClientSubnet>,
}

impl QueryLog {
    /// Starts the writer. `pop` names this place in lines and files; no zone is logged yet.
    pub fn start(directory: PathBuf, pop: &str) -> io::Result<QueryLog> {
        let shared = Arc::new(Shared::default());
        let (sender, receiver) = sync_channel::<Vec<Entry>>(LOG_QUEUE_COUNT);
        let mut writer = Writer::new(directory, pop, shared.clone());
        let thread = std::thread::Builder::new().name("dns-log".to_owned());
        let thread = thread.spawn(move || {
            while let Ok(entries) = receiver.recv() {
                writer.write(&entries);
            }
        })?;
        Ok(QueryLog {
            pop: pop.into(),
            shared,
            sender: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// From now on these zones are logged, and no others: pairs of a zone's id and the name of its
    /// log group, `/aws/route53/example.com`.
    pub fn set_zones<'z>(&self, zones: impl IntoIterator<Item = (&'z str, &'z str)>) {
        let targets = zones.into_iter().map(|(zone, group)| {
            let path = writer::path(group, zone, &self.pop);
            let zone: Box<str> = zone.into();
            (zone.clone(), Arc::new(Target { zone, path }))
        });
        self.shared.targets.store(Arc::new(targets.collect()));
    }

    /// What a thread logs with.
    pub fn handle(&self) -> LogHandle {
        LogHandle {
            shared: self.shared.clone(),
            sender: self.sender.lock().clone(),
            entries: Vec::new(),
            flushed_ms: 0,
        }
    }

    /// Lines so far.
    pub fn totals(&self) -> LogTotals {
        LogTotals {
            written: self.shared.written.load(Ordering::Relaxed),
            dropped: self.shared.dropped.load(Ordering::Relaxed),
            lost: self.shared.lost.load(Ordering::Relaxed),
        }
    }
}

/// Waits until what was handed over is written. Handles must be gone by then.
impl Drop for QueryLog {
    fn drop(&mut self) {
        drop(self.sender.lock().take());
        if let Some(thread) = self.thread.lock().take() {
            // What a panicking thread had to say, it said.
            let _ = thread.join();
        }
    }
}

/// One thread's end of the log. What it still has when it is dropped is handed over.
pub struct LogHandle {
    shared: Arc<Shared>,
    sender: Option<SyncSender<Vec<Entry>>>,
    entries: Vec<Entry>,
    flushed_ms: u64,
}

impl LogHandle {
    /// Notes a query, if its zone wants it. `name` is in wire form.
    #[inline]
    pub fn record(&mut self, facts: &Facts<'_>, name: &[u8], asker: &Asker) {
        let Some(zone) = facts.zone else { return };
        let targets = self.shared.targets.load();
        if targets.is_empty() {
            return;
        }
        let Some(target) = targets.get(&**zone.id()) else {
            return;
        };
        let entry = Entry {
            target: target.clone(),
            at_ms: asker.now_ms,
            name: name.into(),
            qtype: facts.qtype,
            rcode: facts.rcode,
            transport: asker.transport,
            resolver: asker.source.ip(),
            subnet: facts.client_subnet,
        };
        drop(targets);
        self.push(entry);
    }

    /// Hands over what was noted, if it waited long enough. Call it now and then, after a batch of
    /// queries or without any.
    #[inline]
    pub fn tick(&mut self, now_ms: u64) {
        if !self.entries.is_empty() && now_ms.abs_diff(self.flushed_ms) >= LOG_FLUSH_MS {
            self.flushed_ms = now_ms;
            self.flush();
        }
    }

    fn push(&mut self, entry: Entry) {
        if self.entries.capacity() == 0 {
            self.entries.reserve_exact(LOG_BATCH_COUNT);
        }
        self.entries.push(entry);
        if self.entries.len() >= LOG_BATCH_COUNT {
            self.flush();
        }
    }

    /// Keeps its memory if the writer has no room.
    fn flush(&mut self) {
        let Some(sender) = &self.sender else { return };
        let refused = match sender.try_send(std::mem::take(&mut self.entries)) {
            Ok(()) => return,
            Err(TrySendError::Full(refused) | TrySendError::Disconnected(refused)) => refused,
        };
        let dropped = refused.len() as u64;
        self.shared.dropped.fetch_add(dropped, Ordering::Relaxed);
        self.entries = refused;
        self.entries.clear();
    }
}

impl Drop for LogHandle {
    fn drop(&mut self) {
        if !self.entries.is_empty() {
            self.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::mpsc::Receiver;

    use super::*;

    /// 2017-12-13T08:16:02.130Z.
    const NOW_MS: u64 = 1_513_152_962_130;

    /// A log without its thread: what was handed over is written when a test says so.
    struct Bench {
        directory: tempfile::TempDir,
        shared: Arc<Shared>,
        receiver: Receiver<Vec<Entry>>,
        handle: LogHandle,
        writer: Writer,
    }

    impl Bench {
        fn new(queue: usize) -> Bench {
            let directory = tempfile::tempdir().unwrap();
            let shared = Arc::new(Shared::default());
            let (sender, receiver) = sync_channel(queue);
            Bench {
                handle: LogHandle {
                    shared: shared.clone(),
                    sender: Some(sender),
                    entries: Vec::new(),
                    flushed_ms: 0,
                },
                writer: Writer::new(directory.path().to_owned(), "FRA6", shared.clone()),
                directory,
                shared,
                receiver,
            }
        }

        fn write(&mut self) {
            while let Ok(entries) = self.receiver.try_recv() {
                self.writer.write(&entries);
            }
        }

        fn text(&self, path: &str) -> String {
            fs::read_to_string(self.directory.path().join(path)).unwrap()
        }

        fn dropped(&self) -> u64 {
            self.shared.dropped.load(Ordering::Relaxed)
        }
    }

    fn entry(group: &str, zone: &str) -> Entry {
        Entry {
            target: Arc::new(Target {
                zone: zone.into(),
                path: writer::path(group, zone, "FRA6"),
            }),
            at_ms: NOW_MS,
            name: SmallVec::from_slice(b"\x07EXAMPLE\x03com\0"),
            qtype: RecordType::A,
            rcode: 0,
            transport: Transport::Udp,
            resolver: "192.168.1.1".parse().unwrap(),
            subnet: None,
        }
    }

    #[test]
    fn a_line_is_route_53_s() {
        let mut bench = Bench::new(4);
        bench.handle.push(Entry {
            subnet: Some(ClientSubnet {
                address: "192.168.222.0".parse().unwrap(),
                prefix_bits: 24,
            }),
            ..entry("/aws/route53/example.com", "Z123412341234")
        });
        bench.handle.push(Entry {
            name: SmallVec::from_slice(b"\x01*\x07example\x03com\0"),
            qtype: RecordType(1234),
            rcode: 3,
            transport: Transport::Tcp,
            resolver: "2001:db8::1".parse().unwrap(),
            ..entry("/aws/route53/example.com", "Z123412341234")
        });
        bench.handle.tick(NOW_MS);
        bench.write();
        let time = "1.0 2017-12-13T08:16:02.130Z Z123412341234";
        assert_eq!(
            bench.text("aws/route53/example.com/Z123412341234/FRA6.log"),
            format!(
                "{time} example.com A NOERROR UDP FRA6 192.168.1.1 192.168.222.0/24\n\
                 {time} \\052.example.com TYPE1234 NXDOMAIN TCP FRA6 2001:db8::1 -\n"
            )
        );
        assert_eq!(bench.shared.written.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn lines_wait_for_others_but_not_long() {
        let mut bench = Bench::new(4);
        bench.handle.tick(NOW_MS);
        bench.handle.push(entry("g", "Z1"));
        bench.handle.flushed_ms = NOW_MS;
        bench.handle.tick(NOW_MS + LOG_FLUSH_MS - 1);
        assert!(bench.receiver.try_recv().is_err());
        bench.handle.tick(NOW_MS + LOG_FLUSH_MS);
        assert_eq!(bench.receiver.try_recv().unwrap().len(), 1);
        for _ in 0..LOG_BATCH_COUNT {
            bench.handle.push(entry("g", "Z1"));
        }
        assert_eq!(bench.receiver.try_recv().unwrap().len(), LOG_BATCH_COUNT);
    }

    #[test]
    fn a_writer_that_is_behind_costs_lines_and_no_time() {
        let mut bench = Bench::new(1);
        for _ in 0..3 * LOG_BATCH_COUNT {
            bench.handle.push(entry("g", "Z1"));
        }
        assert_eq!(bench.dropped(), 2 * LOG_BATCH_COUNT as u64);
        bench.write();
        bench.handle.push(entry("g", "Z1"));
        bench.handle.tick(NOW_MS);
        bench.write();
        let lines = bench.text("g/Z1/FRA6.log").lines().count();
        assert_eq!(lines, LOG_BATCH_COUNT + 1);
    }

    #[test]
    fn names_of_groups_lead_nowhere_else() {
        for (group, path) in [
            ("/aws/route53/a", "aws/route53/a/Z1/P.log"),
            ("../../etc", "_../_../etc/Z1/P.log"),
            ("a//./b", "a/_./b/Z1/P.log"),
            ("", "Z1/P.log"),
            ("a b\0", "a_b_/Z1/P.log"),
        ] {
            assert_eq!(writer::path(group, "Z1", "P"), Path::new(path), "{group:?}");
        }
        assert_eq!(writer::path("g", "..", "../x"), Path::new("g/_../.._x.log"));
    }

    #[test]
    fn a_disk_error_loses_lines_counts_them_and_heals() {
        let mut bench = Bench::new(4);
        let obstacle = bench.directory.path().join("g");
        fs::write(&obstacle, "a file where a directory must be").unwrap();
        bench.writer.write(&[entry("g", "Z1"), entry("h", "Z2")]);
        let lost = bench.shared.lost.load(Ordering::Relaxed);
        assert_eq!((lost, bench.text("h/Z2/FRA6.log").lines().count()), (1, 1));
        fs::remove_file(&obstacle).unwrap();
        bench.writer.write(&[entry("g", "Z1")]);
        assert_eq!(bench.text("g/Z1/FRA6.log").lines().count(), 1);
    }

    #[test]
    fn a_large_file_is_renamed_and_the_oldest_goes() {
        use crate::server::limits::{LOG_FILE_BYTES_MAX, LOG_FILES_KEPT};
        let mut bench = Bench::new(4);
        for turn in 0..LOG_FILES_KEPT + 3 {
            let mut entry = entry("g", "Z1");
            entry.rcode = 100 + turn as u16;
            bench.writer.write(&[entry]);
            bench.writer.grow_all(LOG_FILE_BYTES_MAX);
        }
        let mut names: Vec<_> = fs::read_dir(bench.directory.path().join("g/Z1"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let numbered = (1..=LOG_FILES_KEPT).map(|number| format!("FRA6.log.{number}"));
        let expected: Vec<_> = [String::from("FRA6.log")]
            .into_iter()
            .chain(numbered)
            .collect();
        assert_eq!(names, expected);
        assert!(bench.text("g/Z1/FRA6.log").contains("RCODE106"));
        assert!(bench.text("g/Z1/FRA6.log.4").contains("RCODE102"));
    }

    #[test]
    fn more_logs_than_descriptors_are_all_written() {
        use crate::server::limits::LOG_OPEN_FILES_MAX;
        let mut bench = Bench::new(4);
        for _ in 0..2 {
            for n in 0..LOG_OPEN_FILES_MAX + 5 {
                bench.writer.write(&[entry("g", &format!("Z{n}"))]);
            }
        }
        assert_eq!(bench.text("g/Z0/FRA6.log").lines().count(), 2);
        assert_eq!(bench.shared.lost.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_was_handed_over_is_written_before_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let log = QueryLog::start(directory.path().to_owned(), "FRA6").unwrap();
        let mut handle = log.handle();
        handle.push(entry("g", "Z1"));
        drop(handle);
        drop(log);
        let text = fs::read_to_string(directory.path().join("g/Z1/FRA6.log")).unwrap();
        assert_eq!(text.lines().count(), 1);
    }
}
