//! Names of log files, the directory that holds them, and their compression.
//!
//! | name | meaning |
//! |---|---|
//! | `<prefix>/<id>.YYYY-MM-DD-HH.<unique>.log` | plain, being written, or left by a crash |
//! | `<prefix>/<id>.YYYY-MM-DD-HH.<unique>.gz.tmp` | being compressed; worthless after a crash |
//! | `<prefix>/<id>.YYYY-MM-DD-HH.<unique>.gz` | complete and on disk |
//! | `.warmfront-lock` | held by the process that owns the directory |

use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::date::hour_text;
use super::{RegisterError, StartError};
use crate::limits::{
    COMPRESSION_STEP_BYTES, DISTRIBUTION_ID_SIZE_BYTES_MAX, PREFIX_DEPTH_MAX, PREFIX_SIZE_BYTES_MAX,
};

const LOCK_FILE_NAME: &str = ".warmfront-lock";
const PLAIN_SUFFIX: &str = ".log";
const COMPRESSED_SUFFIX: &str = ".gz";
const TEMPORARY_SUFFIX: &str = ".gz.tmp";

/// By `examples/log_line.rs`, bytes and instructions for each line: level 1 79 and 9,800, level 2
/// 62 and 12,400, level 4 61 and 19,900, level 6 59 and 23,800.
const COMPRESSION_LEVEL: u32 = 2;

/// Where one distribution's lines go, below the log directory.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct LogTarget {
    distribution_id: String,
    /// Levels of the prefix, without the final `/`.
    prefix: String,
}

impl LogTarget {
    pub fn new(distribution_id: &str, prefix: &str) -> Result<Self, RegisterError> {
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if distribution_id.is_empty()
            || distribution_id.len() > DISTRIBUTION_ID_SIZE_BYTES_MAX
            || !distribution_id.bytes().all(is_id)
        {
            return Err(RegisterError::DistributionId(distribution_id.to_owned()));
        }
        let levels = prefix.strip_suffix('/').unwrap_or(prefix);
        let is_level = |level: &str| !matches!(level, "" | "." | "..");
        let is_allowed = prefix.len() <= PREFIX_SIZE_BYTES_MAX
            && !prefix.chars().any(|char| char.is_control() || char == '\\')
            && levels.split('/').count() <= PREFIX_DEPTH_MAX
            && levels.split('/').all(is_level);
        if !prefix.is_empty() && !is_allowed {
            return Err(RegisterError::Prefix(prefix.to_owned()));
        }
        Ok(Self {
            distribution_id: distribution_id.to_owned(),
            prefix: levels.to_owned(),
        })
    }
}

/// The log directory, owned by this process as long as this lives.
pub(super) struct LogDirectory {
    path: PathBuf,
    /// The operating system frees the lock with the file, however the process ends.
    _lock: File,
    unique_seed: u64,
    files_created: u64,
}

impl LogDirectory {
    pub fn open(path: PathBuf) -> Result<Self, StartError> {
        let open = || {
            fs::create_dir_all(&path)?;
            File::options()
                .create(true)
                .append(true)
                .open(path.join(LOCK_FILE_NAME))
        };
        let error = |source| StartError::Directory {
            directory: path.clone(),
            source,
        };
        let lock = open().map_err(error)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StartError::InUse { directory: path }),
            Err(TryLockError::Error(source)) => return Err(error(source)),
        }
        // A fresh random state is the standard library's own source of randomness.
        let unique_seed = RandomState::new().build_hasher().finish();
        Ok(Self {
            path,
            _lock: lock,
            unique_seed,
            files_created: 0,
        })
    }

    /// Creates a plain file for `hour` with a name that neither exists nor has existed.
    pub fn create(&mut self, target: &LogTarget, hour: u64) -> io::Result<(PathBuf, File)> {
        let directory = self.path.join(&target.prefix);
        fs::create_dir_all(&directory)?;
        loop {
            let stem = format!(
                "{}.{}.{}",
                target.distribution_id,
                hour_text(hour),
                self.unique()
            );
            if directory
                .join(format!("{stem}{COMPRESSED_SUFFIX}"))
                .exists()
            {
                continue;
            }
            let path = directory.join(format!("{stem}{PLAIN_SUFFIX}"));
            match File::options().append(true).create_new(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                result => return result.map(|file| (path, file)),
            }
        }
    }

    /// Eight digits that differ from file to file and, most likely, from process to process.
    fn unique(&mut self) -> String {
        self.files_created += 1;
        let mut mixed = self.unique_seed.wrapping_add(self.files_created << 32);
        // The finalizer of SplitMix64.
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        format!("{:08x}", (mixed ^ (mixed >> 31)) as u32)
    }

    /// Plain files of an earlier process. Half-made compressed files are removed on the way.
    /// Directories and files that cannot be read are left for another day.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect_leftovers(&self.path, PREFIX_DEPTH_MAX, &mut found);
        found.sort();
        found
    }
}

fn collect_leftovers(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let path = entry.path();
        if kind.is_dir() {
            if depth > 0 {
                collect_leftovers(&path, depth - 1, found);
            }
        } else if kind.is_file() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if is_log_name(&name, PLAIN_SUFFIX) {
                found.push(path);
            } else if is_log_name(&name, TEMPORARY_SUFFIX) {
                // If it stays it does no harm: the next compression of its source overwrites it.
                let _ = fs::remove_file(&path);
            }
        }
    }
}

/// Whether `name` is `<id>.YYYY-MM-DD-HH.<unique><suffix>`, so that nobody else's `.log` files
/// are touched.
fn is_log_name(name: &str, suffix: &str) -> bool {
    let Some(stem) = name.strip_suffix(suffix) else {
        return false;
    };
    let mut parts = stem.split('.');
    let (Some(id), Some(hour), Some(unique), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let is_hour = hour.len() == 13
        && hour.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 | 10 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let is_unique = unique.len() == 8 && unique.bytes().all(|byte| byte.is_ascii_hexdigit());
    !id.is_empty() && is_hour && is_unique
}

/// One plain file on its way to a compressed one, a step at a time.
pub(super) struct CompressionJob {
    source_path: PathBuf,
    temporary_path: PathBuf,
    target_path: PathBuf,
    source: File,
    /// Not read beyond: a line torn by a crash is left out.
    remaining_bytes: u64,
    encoder: GzEncoder<BufWriter<File>>,
    buffer: Vec<u8>,
}

impl CompressionJob {
    /// Opens the files. `None` if there was nothing left to do, because the process died between
    /// the rename and the removal, or before the first line was whole.
    pub fn start(source_path: &Path) -> io::Result<Option<Self>> {
        let target_path = with_suffix(source_path, COMPRESSED_SUFFIX);
        let mut source = File::open(source_path)?;
        let remaining_bytes = whole_lines_size_bytes(&mut source)?;
        if remaining_bytes == 0 || target_path.exists() {
            fs::remove_file(source_path)?;
            return Ok(None);
        }
        let temporary_path = with_suffix(source_path, TEMPORARY_SUFFIX);
        let output = BufWriter::new(File::create(&temporary_path)?);
        Ok(Some(Self {
            source_path: source_path.to_owned(),
            temporary_path,
            target_path,
            source,
            remaining_bytes,
            encoder: GzEncoder::new(output, Compression::new(COMPRESSION_LEVEL)),
            buffer: vec![0; COMPRESSION_STEP_BYTES],
        }))
    }

    /// Compresses a piece; true when all pieces are done and [`finish`](Self::finish) is next.
    pub fn step(&mut self) -> io::Result<bool> {
        let wanted = self.remaining_bytes.min(self.buffer.len() as u64) as usize;
        let read = self.source.read(&mut self.buffer[..wanted])?;
        self.encoder.write_all(&self.buffer[..read])?;
        self.remaining_bytes -= read as u64;
        // A file that somebody shortened meanwhile ends where it ends.
        Ok(read == 0 || self.remaining_bytes == 0)
    }

    /// Makes the compressed file durable under its final name, and only then removes the plain.
    pub fn finish(self) -> io::Result<()> {
        let file = self
            .encoder
            .finish()?
            .into_inner()
            .map_err(|error| error.into_error())?;
        file.sync_all()?;
        fs::rename(&self.temporary_path, &self.target_path)?;
        if let Some(directory) = self.target_path.parent() {
            File::open(directory)?.sync_all()?;
        }
        fs::remove_file(&self.source_path)
    }

    /// Removes the half-made file; the plain one stays.
    pub fn abandon(self) {
        // If it stays, the next start removes it.
        let _ = fs::remove_file(&self.temporary_path);
    }
}

fn with_suffix(plain_path: &Path, suffix: &str) -> PathBuf {
    let mut path = plain_path.with_extension("").into_os_string();
    path.push(suffix);
    path.into()
}

/// The size up to and with the last newline; leaves the file at its start.
fn whole_lines_size_bytes(file: &mut File) -> io::Result<u64> {
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut piece = [0u8; 4096];
    while end > 0 {
        let start = end.saturating_sub(piece.len() as u64);
        let piece = &mut piece[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(piece)?;
        if let Some(index) = piece.iter().rposition(|&byte| byte == b'\n') {
            end = start + index as u64 + 1;
            break;
        }
        end = start;
    }
    file.rewind()?;
    Ok(end)
}
