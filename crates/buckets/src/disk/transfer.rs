//! Bytes on their way in and out.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;
use s3s::crypto::{Checksum as _, Md5};
use tokio::task::JoinHandle;

use super::{
    checksum::{self, Algorithm, Checksum, ChecksumKind, Running},
    error::DiskError,
    files::{BlobId, Files, NewFile, Pin},
};
use crate::limits;

/// Bytes that are coming in. What was written goes when it is dropped.
pub struct Staged {
    algorithm: Algorithm,
    size_bytes: u64,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    sink: Work<Sink>,
}

impl Staged {
    pub(super) fn new(files: Arc<Files>, algorithm: Algorithm) -> Staged {
        Staged {
            algorithm,
            size_bytes: 0,
            gathered: Vec::new(),
            gathered_bytes: 0,
            sink: Work::Idle(Box::new(Sink {
                files,
                file: None,
                md5: Md5::new(),
                checksum: Running::new(algorithm),
            })),
        }
    }

    /// Takes the bytes that come next. [`DiskError::TooLarge`] beyond
    /// [`PUT_BYTES_MAX`](crate::limits::PUT_BYTES_MAX).
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), DiskError> {
        let size_bytes = self.size_bytes + bytes.len() as u64;
        if size_bytes > limits::PUT_BYTES_MAX {
            return Err(DiskError::TooLarge(limits::PUT_BYTES_MAX));
        }
        self.size_bytes = size_bytes;
        self.gathered_bytes += bytes.len();
        self.gathered.push(bytes);
        if self.gathered_bytes < limits::WRITE_CHUNK_BYTES {
            return Ok(());
        }
        // What was gathered is written while more is gathered.
        self.sink = Work::Idle(self.sink.take().await?);
        let gathered = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        self.sink.start(move |sink| Ok(sink.write(&gathered)?));
        Ok(())
    }

    /// Makes them durable. They are compared with the caller's digests then
    /// ([`Written::md5`], [`Written::checksum`]), and put.
    pub async fn finish(mut self) -> Result<Written, DiskError> {
        let mut sink = self.sink.take().await?;
        let Staged {
            algorithm,
            size_bytes,
            gathered,
            ..
        } = self;
        let task = tokio::task::spawn_blocking(move || -> io::Result<Written> {
            sink.write(&gathered)?;
            let Sink {
                mut file,
                md5,
                checksum,
                ..
            } = *sink;
            if let Some(file) = &mut file {
                file.persist()?;
            }
            Ok(Written {
                size_bytes,
                md5: md5.finalize(),
                checksum: Checksum {
                    algorithm,
                    kind: ChecksumKind::FullObject,
                    value: checksum::encode(&checksum.finish()),
                },
                file,
            })
        });
        Ok(task.await.map_err(|_| DiskError::closed())??)
    }
}

/// Where staged bytes go.
struct Sink {
    files: Arc<Files>,
    /// None is made for no bytes.
    file: Option<NewFile>,
    md5: Md5,
    checksum: Running,
}

impl Sink {
    fn write(&mut self, chunks: &[Bytes]) -> io::Result<()> {
        for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
            let file = match &mut self.file {
                Some(file) => file,
                none => none.insert(NewFile::create(&self.files)?),
            };
            file.write(chunk)?;
            self.md5.update(chunk);
            self.checksum.update(chunk);
        }
        Ok(())
    }
}

/// Bytes that are durable, to be put. They go when it is dropped.
pub struct Written {
    size_bytes: u64,
    md5: [u8; 16],
    checksum: Checksum,
    file: Option<NewFile>,
}

impl Written {
    /// How many there are.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// MD5.
    pub fn md5(&self) -> [u8; 16] {
        self.md5
    }

    /// By the algorithm that they were staged with.
    pub fn checksum(&self) -> &Checksum {
        &self.checksum
    }

    pub(super) fn into_file(self) -> Option<NewFile> {
        self.file
    }
}

/// The bytes of an object, to be read.
pub struct Body {
    files: Arc<Files>,
    /// Keeps the files.
    pin: Pin,
    /// Files and their lengths, none of which is 0, in order.
    pieces: Vec<(BlobId, u64)>,
}

impl Body {
    pub(super) fn new(files: Arc<Files>, pin: Pin, pieces: Vec<(BlobId, u64)>) -> Body {
        Body { files, pin, pieces }
    }

    /// How many there are.
    pub fn size_bytes(&self) -> u64 {
        self.pieces.iter().map(|&(_, size_bytes)| size_bytes).sum()
    }

    /// Reads these bytes; what is not within is left out. They come in chunks of at most
    /// [`READ_CHUNK_BYTES`](crate::limits::READ_CHUNK_BYTES).
    pub fn read(self, range: Range<u64>) -> Chunks {
        let end = range.end.min(self.size_bytes());
        let mut offset = range.start;
        let mut piece = 0;
        while let Some(&(_, size_bytes)) = self.pieces.get(piece)
            && offset >= size_bytes
        {
            offset -= size_bytes;
            piece += 1;
        }
        Chunks {
            remaining_bytes: end.saturating_sub(range.start),
            source: Work::Idle(Box::new(Source {
                files: self.files,
                pieces: self.pieces,
                piece,
                offset,
                file: None,
                chunk: Bytes::new(),
                _pin: self.pin,
            })),
        }
    }
}

/// Bytes that are being read. They end early with an error alone.
pub struct Chunks {
    remaining_bytes: u64,
    source: Work<Source>,
}

impl Chunks {
    /// The bytes that come next; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, DiskError>> {
        if self.remaining_bytes == 0 {
            return None;
        }
        let chunk = self.chunk().await;
        match &chunk {
            Ok(bytes) => self.remaining_bytes -= bytes.len() as u64,
            Err(_) => self.remaining_bytes = 0,
        }
        // The next ones are read while the caller sends these.
        if let Work::Idle(_) = self.source {
            match self.remaining_bytes {
                0 => self.source = Work::Gone,
                remaining_bytes => self
                    .source
                    .start(move |source| source.fill(remaining_bytes)),
            }
        }
        Some(chunk)
    }

    async fn chunk(&mut self) -> Result<Bytes, DiskError> {
        let remaining_bytes = self.remaining_bytes;
        self.source
            .start(move |source| source.fill(remaining_bytes));
        let mut source = self.source.take().await?;
        let chunk = std::mem::take(&mut source.chunk);
        self.source = Work::Idle(source);
        Ok(chunk)
    }
}

/// Where the bytes of an object come from.
struct Source {
    files: Arc<Files>,
    pieces: Vec<(BlobId, u64)>,
    piece: usize,
    /// Within the piece.
    offset: u64,
    /// The piece's.
    file: Option<File>,
    /// What was read and is still to be given.
    chunk: Bytes,
    _pin: Pin,
}

impl Source {
    /// Reads a chunk, of which at least one byte is wanted.
    fn fill(&mut self, wanted_bytes: u64) -> Result<(), DiskError> {
        let Some(&(blob, size_bytes)) = self.pieces.get(self.piece) else {
            return Err(DiskError::Damaged("an object's parts are too short".into()));
        };
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(self.files.read(blob)?),
        };
        let length = (size_bytes - self.offset)
            .min(wanted_bytes)
            .min(limits::READ_CHUNK_BYTES as u64);
        let mut chunk = vec![0; length as usize];
        file.read_exact_at(&mut chunk, self.offset)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    DiskError::Damaged("a file is shorter than it was".into())
                }
                _ => error.into(),
            })?;
        self.chunk = chunk.into();
        self.offset += length;
        if self.offset == size_bytes {
            self.piece += 1;
            self.offset = 0;
            self.file = None;
        }
        Ok(())
    }
}

/// Something that is here, or with a thread that works on it.
enum Work<T> {
    Idle(Box<T>),
    Busy(JoinHandle<Result<Box<T>, DiskError>>),
    /// Taken, or an earlier work has failed.
    Gone,
}

impl<T: Send + 'static> Work<T> {
    /// Gives it to a thread, unless it is with one.
    fn start(&mut self, work: impl FnOnce(&mut T) -> Result<(), DiskError> + Send + 'static) {
        *self = match std::mem::replace(self, Work::Gone) {
            Work::Idle(mut it) => Work::Busy(tokio::task::spawn_blocking(move || {
                work(&mut it)?;
                Ok(it)
            })),
            other => other,
        };
    }

    /// Takes it, when it is back. It is not lost to a caller who gives up waiting.
    async fn take(&mut self) -> Result<Box<T>, DiskError> {
        let result = match self {
            Work::Busy(handle) => match handle.await {
                Ok(result) => result,
                Err(_) => Err(DiskError::closed()),
            },
            _ => match std::mem::replace(self, Work::Gone) {
                Work::Idle(it) => Ok(it),
                _ => Err(DiskError::Unavailable("it has failed before".into())),
            },
        };
        *self = Work::Gone;
        result
    }
}
