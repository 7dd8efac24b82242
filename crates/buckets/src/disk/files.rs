//! The files that hold bytes, and those readers that keep some of them from being removed.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::rand;
use parking_lot::Mutex;
use rusqlite::{
    ToSql,
    types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef},
};

use super::{
    error::{DiskError, OpenError},
    schema,
};

/// The name of a file. Random, so that no two are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct BlobId([u8; 16]);

impl BlobId {
    fn random() -> io::Result<BlobId> {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes).map_err(|_| io::Error::other("the system gives no randomness"))?;
        Ok(BlobId(bytes))
    }

    fn of(name: &str) -> Option<BlobId> {
        let number = u128::from_str_radix(name, 16).ok()?;
        let id = BlobId(number.to_be_bytes());
        (id.name() == name).then_some(id)
    }

    fn name(self) -> String {
        hex(&self.0)
    }
}

impl ToSql for BlobId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_slice().into())
    }
}

impl FromSql for BlobId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<BlobId> {
        <[u8; 16]>::column_result(value).map(BlobId)
    }
}

/// In lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // A string takes all.
        text
    })
}

/// A disk's files.
pub(super) struct Files {
    blobs: PathBuf,
    temporary: PathBuf,
    /// The contents that somebody reads, by id.
    pinned: Mutex<HashMap<i64, Pinned>>,
}

#[derive(Default)]
struct Pinned {
    readers: usize,
    /// The content's files, if nothing but its readers has it any more.
    dropped: Vec<BlobId>,
}

/// What a sweep has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Swept {
    /// Files that were still being written.
    pub temporary: usize,
    /// Files that the index does not name.
    pub unnamed: usize,
    /// Files that the index names and that are not there.
    pub missing: usize,
}

impl Files {
    /// Makes the directories, if they are not there.
    pub fn open(dir: &Path) -> Result<Files, OpenError> {
        let files = Files {
            blobs: dir.join("blobs"),
            temporary: dir.join("tmp"),
            pinned: Mutex::default(),
        };
        schema::make_dir(&files.temporary)?;
        for number in 0..=u8::MAX {
            schema::make_dir(&files.blobs.join(hex(&[number])))?;
        }
        for path in [&files.blobs, dir] {
            sync_dir(path).map_err(|source| schema::io_error(path, source))?;
        }
        Ok(files)
    }

    /// Whether a directory has files of objects.
    pub fn has_any(dir: &Path) -> bool {
        let numbered = fs::read_dir(dir.join("blobs")).into_iter().flatten();
        let mut numbered = numbered
            .flatten()
            .flat_map(|number| fs::read_dir(number.path()));
        numbered.any(|mut files| files.next().is_some())
    }

    /// Removes the files that are not `named`.
    pub fn sweep(&self, named: &HashSet<BlobId>) -> io::Result<Swept> {
        let mut swept = Swept::default();
        for entry in fs::read_dir(&self.temporary)? {
            fs::remove_file(entry?.path())?;
            swept.temporary += 1;
        }
        let mut found = 0;
        for number in 0..=u8::MAX {
            for entry in fs::read_dir(self.blobs.join(hex(&[number])))? {
                let entry = entry?;
                match entry.file_name().to_str().and_then(BlobId::of) {
                    Some(id) if named.contains(&id) => found += 1,
                    Some(_) => {
                        fs::remove_file(entry.path())?;
                        swept.unnamed += 1;
                    }
                    None => {} // Not ours.
                }
            }
        }
        swept.missing = named.len().saturating_sub(found);
        Ok(swept)
    }

    /// Opens a file to read it.
    pub fn read(&self, id: BlobId) -> Result<File, DiskError> {
        File::open(self.path(id)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                DiskError::Damaged(format!("the file {} is missing", id.name()))
            }
            _ => error.into(),
        })
    }

    /// Keeps the files of a content from being removed.
    pub fn pin(self: &Arc<Files>, content: i64) -> Pin {
        self.pinned.lock().entry(content).or_default().readers += 1;
        Pin {
            files: Arc::clone(self),
            content,
        }
    }

    /// Removes the files of a content that is in the index no more: now, or when the last of its
    /// readers goes. What cannot be removed is left for the next sweep.
    pub fn release(&self, content: i64, blobs: Vec<BlobId>) {
        if let Some(pinned) = self.pinned.lock().get_mut(&content) {
            pinned.dropped = blobs;
            return;
        }
        self.remove(&blobs);
    }

    fn remove(&self, blobs: &[BlobId]) {
        for &id in blobs {
            if let Err(error) = fs::remove_file(self.path(id)) {
                tracing::warn!(%error, file = id.name(), "a file of a bucket cannot be removed");
            }
        }
    }

    fn path(&self, id: BlobId) -> PathBuf {
        let name = id.name();
        self.blobs.join(&name[..2]).join(name)
    }
}

/// Keeps the files of a content while it lives.
pub(super) struct Pin {
    files: Arc<Files>,
    content: i64,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut all = self.files.pinned.lock();
        let Some(pinned) = all.get_mut(&self.content) else {
            return;
        };
        pinned.readers -= 1;
        if pinned.readers > 0 {
            return;
        }
        let dropped = std::mem::take(&mut pinned.dropped);
        all.remove(&self.content);
        drop(all);
        if dropped.is_empty() {
            return;
        }
        let files = Arc::clone(&self.files);
        // Removing a large file can take a while, and readers are dropped anywhere.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || files.remove(&dropped))),
            Err(_) => files.remove(&dropped),
        }
    }
}

/// A file that the index does not name yet. It is removed when it is dropped.
pub(super) struct NewFile {
    files: Arc<Files>,
    id: BlobId,
    file: File,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Temporary,
    Durable,
    Kept,
}

impl NewFile {
    pub fn create(files: &Arc<Files>) -> io::Result<NewFile> {
        let id = BlobId::random()?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(files.temporary.join(id.name()))?;
        Ok(NewFile {
            files: Arc::clone(files),
            id,
            file,
            state: State::Temporary,
        })
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Makes the bytes, and then the file's name, durable.
    pub fn persist(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        let path = self.files.path(self.id);
        fs::rename(self.files.temporary.join(self.id.name()), &path)?;
        self.state = State::Durable;
        path.parent().map_or(Ok(()), sync_dir)
    }

    pub fn id(&self) -> BlobId {
        self.id
    }

    /// The file stays: the index names it, or may name it.
    pub fn keep(mut self) {
        self.state = State::Kept;
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        let path = match self.state {
            State::Temporary => self.files.temporary.join(self.id.name()),
            State::Durable => self.files.path(self.id),
            State::Kept => return,
        };
        if let Err(error) = fs::remove_file(path) {
            tracing::warn!(%error, "a file that was given up cannot be removed");
        }
    }
}

fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes the name of a directory durable.
pub(super) fn sync_parent(dir: &Path) -> io::Result<()> {
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => sync_dir(Path::new(".")),
    }
}
