//! The writer's end: lines, files, and their turns.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use message::civil_from_days;
use records::Name;

use super::{Entry, Shared, Target};
use crate::answer::Transport;
use crate::server::limits::{LOG_FILE_BYTES_MAX, LOG_FILES_KEPT, LOG_OPEN_FILES_MAX};
use crate::server::rcode_name;

pub(super) struct Writer {
    directory: PathBuf,
    pop: Box<str>,
    shared: Arc<Shared>,
    files: HashMap<PathBuf, LogFile>,
    /// Grows with each batch; orders files by their last use.
    batches: u64,
    /// Errors are traced when they begin, not for each batch that a full disk refuses.
    is_failing: bool,
}

struct LogFile {
    file: File,
    size_bytes: u64,
    last_use: u64,
}

/// Lines of one batch for one file.
#[derive(Default)]
struct Lines {
    text: String,
    count: u64,
}

impl Writer {
    pub fn new(directory: PathBuf, pop: &str, shared: Arc<Shared>) -> Writer {
        Writer {
            directory,
            pop: pop.into(),
            shared,
            files: HashMap::new(),
            batches: 0,
            is_failing: false,
        }
    }

    /// Appends the lines of a batch, a call of the system for each file.
    pub fn write(&mut self, entries: &[Entry]) {
        self.batches += 1;
        let mut lines: HashMap<&Target, Lines> = HashMap::new();
        for entry in entries {
            let lines = lines.entry(&entry.target).or_default();
            write_line(entry, &self.pop, &mut lines.text);
            lines.count += 1;
        }
        for (target, Lines { text, count }) in lines {
            match self.append(&target.path, text.as_bytes()) {
                Ok(()) => {
                    self.shared.written.fetch_add(count, Ordering::Relaxed);
                    self.is_failing = false;
                }
                Err(error) => {
                    self.shared.lost.fetch_add(count, Ordering::Relaxed);
                    // The next batch opens it anew.
                    self.files.remove(&target.path);
                    if !std::mem::replace(&mut self.is_failing, true) {
                        let path = target.path.display();
                        tracing::error!(%error, %path, "query log cannot be written");
                    }
                }
            }
        }
    }

    fn append(&mut self, path: &Path, text: &[u8]) -> io::Result<()> {
        let is_full = |file: &LogFile| {
            file.size_bytes > 0 && file.size_bytes + text.len() as u64 > LOG_FILE_BYTES_MAX
        };
        let whole = self.directory.join(path);
        if !self.files.contains_key(path) {
            self.lend_descriptor();
            self.files.insert(path.to_owned(), open(&whole)?);
        }
        if self.files.get(path).is_some_and(is_full) {
            self.files.remove(path);
            turn(&whole)?;
            self.files.insert(path.to_owned(), open(&whole)?);
        }
        let log_file = self.files.get_mut(path).expect("opened just above");
        log_file.last_use = self.batches;
        if let Err(error) = log_file.file.write_all(text) {
            // No torn line stays in front of later ones, if that can be helped.
            let _ = log_file.file.set_len(log_file.size_bytes);
            return Err(error);
        }
        log_file.size_bytes += text.len() as u64;
        Ok(())
    }

    /// As if so much had been written to each file.
    #[cfg(test)]
    pub fn grow_all(&mut self, size_bytes: u64) {
        for file in self.files.values_mut() {
            file.size_bytes = size_bytes;
        }
    }

    /// Closes the file that was not used for longest, if there are too many.
    fn lend_descriptor(&mut self) {
        if self.files.len() < LOG_OPEN_FILES_MAX {
            return;
        }
        let least_used = self.files.iter().min_by_key(|(_, file)| file.last_use);
        if let Some(path) = least_used.map(|(path, _)| path.clone()) {
            self.files.remove(&path);
        }
    }
}

fn open(path: &Path) -> io::Result<LogFile> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let file = File::options().append(true).create(true).open(path)?;
    let size_bytes = file.metadata()?.len();
    Ok(LogFile {
        file,
        size_bytes,
        last_use: 0,
    })
}

/// `a.log` becomes `a.log.1`, that `a.log.2`, and so on; what had the last number is gone.
fn turn(path: &Path) -> io::Result<()> {
    let numbered = |number: usize| {
        let mut name = path.as_os_str().to_owned();
        if number > 0 {
            name.push(format!(".{number}"));
        }
        PathBuf::from(name)
    };
    for number in (0..LOG_FILES_KEPT).rev() {
        match fs::rename(numbered(number), numbered(number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Where a zone's lines go, below the log's directory and never beside it, whatever the names are.
pub(super) fn path(group: &str, zone: &str, pop: &str) -> PathBuf {
    let plain = |text: &str| -> String {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_.#".contains(letter);
        let letters = text.chars();
        let mut text: String = letters.map(|l| if allowed(l) { l } else { '_' }).collect();
        if matches!(
            Path::new(&text).components().next(),
            Some(Component::Normal(_))
        ) {
            return text;
        }
        text.insert(0, '_');
        text
    };
    let groups = group.split('/').filter(|part| !part.is_empty());
    let mut path: PathBuf = groups.map(plain).collect();
    path.push(plain(zone));
    path.push(plain(pop) + ".log");
    path
}

fn write_line(entry: &Entry, pop: &str, line: &mut String) {
    // Writing to a `String` does not fail.
    let _ = (|| {
        line.push_str("1.0 ");
        write_time(entry.at_ms, line)?;
        write!(line, " {} ", entry.target.zone)?;
        match Name::from_wire(&entry.name) {
            Ok(name) if name.is_root() => line.push('.'),
            Ok(name) => line.push_str(name.to_string().trim_end_matches('.')),
            Err(_) => line.push('-'),
        }
        write!(line, " {} ", entry.qtype)?;
        match rcode_name(entry.rcode) {
            Some(name) => line.push_str(name),
            None => write!(line, "RCODE{}", entry.rcode)?,
        }
        line.push_str(match entry.transport {
            Transport::Udp => " UDP ",
            Transport::Tcp => " TCP ",
        });
        write!(line, "{pop} {} ", entry.resolver)?;
        match entry.subnet {
            Some(subnet) => writeln!(line, "{}/{}", subnet.address, subnet.prefix_bits),
            None => writeln!(line, "-"),
        }
    })();
}

/// `2017-12-13T08:16:02.130Z`.
fn write_time(ms: u64, line: &mut String) -> std::fmt::Result {
    let secs = ms / 1000;
    let (year, month, day) = civil_from_days(secs / 86_400);
    let (hour, minute, second) = (secs / 3600 % 24, secs / 60 % 60, secs % 60);
    let millisecond = ms % 1000;
    write!(
        line,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"
    )
}
