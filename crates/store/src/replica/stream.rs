//! A copy on disk for those who keep documents in a form of their own: written and read one
//! document at a time, in any order. All numbers are little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `WFCOPY01` |
//! | 8 | revision |
//! | 2, n | length, and the prefix |
//! | 2, n | length, and the store's id |
//!
//! then each document:
//!
//! | bytes | what |
//! |---|---|
//! | 2 | length of the key, which is not 0 |
//! | 4 | length of the value |
//! | 8 | revision of its last modification |
//! | n | the key |
//! | n | the value |
//!
//! and at the end two bytes of 0 and 16 of SipHash-1-3, with a key of zeros, over all before: it
//! finds damage, not forgers.

use std::fs::{self, File, OpenOptions};
use std::hash::Hasher;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use bytes::Bytes;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::{Document, Revision, limits};

const MAGIC: &[u8; 8] = b"WFCOPY01";

/// What a copy is one of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// What all keys begin with.
    pub prefix: String,
    /// Which store was copied.
    pub store_id: String,
    /// The last revision whose changes are in it.
    pub revision: Revision,
}

/// Writes a copy, whole or not at all. Blocks while the disk is written to.
pub fn write(
    path: &Path,
    head: &Head,
    documents: impl Iterator<Item = Document>,
) -> io::Result<()> {
    let mut new_path = path.as_os_str().to_owned();
    new_path.push(".new");
    // One that was left by a crash may have another mode.
    match fs::remove_file(&new_path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new_path)?;
    let mut out = Hashing {
        inner: BufWriter::with_capacity(1 << 18, file),
        hasher: SipHasher13::new(),
    };
    encode(&mut out, head, documents)?;
    let checksum = out.hasher.finish128().as_bytes();
    out.inner.write_all(&checksum)?;
    let file = out.inner.into_inner().map_err(io::Error::from)?;
    file.sync_all()?;
    fs::rename(&new_path, path)?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)?.sync_all()
}

/// Reads a copy, and hands each document to `take`. Nothing if there is none, or none of this
/// prefix, or if it is damaged (a warning says so): then what was taken is worth nothing.
pub fn read(path: &Path, prefix: &str, take: impl FnMut(Document)) -> io::Result<Option<Head>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let reason = match decode(BufReader::with_capacity(1 << 18, file), take) {
        Ok(head) if head.prefix == prefix => return Ok(Some(head)),
        Ok(head) => format!("it is of prefix {:?}, not {prefix:?}", head.prefix),
        Err(error) => error.to_string(),
    };
    tracing::warn!(path = %path.display(), reason, "the copy of the store cannot be used");
    Ok(None)
}

/// The bytes of a copy, read to their end. Fuzzed: any bytes are given an answer.
pub fn decode(bytes: impl Read, mut take: impl FnMut(Document)) -> io::Result<Head> {
    let mut input = Hashing {
        inner: bytes,
        hasher: SipHasher13::new(),
    };
    if input.array::<8>()? != *MAGIC {
        return Err(damage("it is not a copy of a store"));
    }
    let head = Head {
        revision: Revision(u64::from_le_bytes(input.array()?)),
        prefix: input.text16(limits::KEY_BYTES_MAX)?,
        store_id: input.text16(limits::STORE_ID_BYTES_MAX)?,
    };
    loop {
        let key_bytes = usize::from(u16::from_le_bytes(input.array()?));
        if key_bytes == 0 {
            break;
        }
        let value_bytes = u32::from_le_bytes(input.array()?) as usize;
        let modified = Revision(u64::from_le_bytes(input.array()?));
        if value_bytes > limits::VALUE_BYTES_MAX {
            return Err(damage("a value is longer than any"));
        }
        let key = input.text(key_bytes, limits::KEY_BYTES_MAX)?;
        let mut value = vec![0; value_bytes];
        input.read_exact(&mut value)?;
        take(Document {
            key,
            value: Bytes::from(value),
            // Nobody who keeps documents in another form has asked for it.
            created: modified,
            modified,
        });
    }
    let checksum = input.hasher.finish128().as_bytes();
    if input.array::<16>()? != checksum {
        return Err(damage("its checksum is wrong"));
    }
    Ok(head)
}

fn encode(
    out: &mut impl Write,
    head: &Head,
    documents: impl Iterator<Item = Document>,
) -> io::Result<()> {
    out.write_all(MAGIC)?;
    out.write_all(&head.revision.0.to_le_bytes())?;
    for text in [&head.prefix, &head.store_id] {
        out.write_all(&length16(text.len())?)?;
        out.write_all(text.as_bytes())?;
    }
    for document in documents {
        let value_bytes = u32::try_from(document.value.len());
        let value_bytes = value_bytes.map_err(|_| damage("a value is too long"))?;
        out.write_all(&length16(document.key.len())?)?;
        out.write_all(&value_bytes.to_le_bytes())?;
        out.write_all(&document.modified.0.to_le_bytes())?;
        out.write_all(document.key.as_bytes())?;
        out.write_all(&document.value)?;
    }
    out.write_all(&[0, 0])
}

fn length16(length: usize) -> io::Result<[u8; 2]> {
    let length = u16::try_from(length).map_err(|_| damage("a key is too long"))?;
    Ok(length.to_le_bytes())
}

fn damage(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// What goes through is hashed.
struct Hashing<T> {
    inner: T,
    hasher: SipHasher13,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.write(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Hashing<R> {
    fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(bytes)?;
        self.hasher.write(bytes);
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn text16(&mut self, most: usize) -> io::Result<String> {
        let length = u16::from_le_bytes(self.array()?);
        self.text(usize::from(length), most)
    }

    fn text(&mut self, length: usize, most: usize) -> io::Result<String> {
        if length > most {
            return Err(damage("a key is longer than any"));
        }
        let mut bytes = vec![0; length];
        self.read_exact(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| damage("a key is no text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(key: &str, value: &str, modified: u64) -> Document {
        Document {
            key: key.to_owned(),
            value: Bytes::copy_from_slice(value.as_bytes()),
            created: Revision(modified),
            modified: Revision(modified),
        }
    }

    fn bytes(head: &Head, documents: &[Document]) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("copy");
        write(&path, head, documents.iter().cloned()).unwrap();
        fs::read(path).unwrap()
    }

    fn head() -> Head {
        Head {
            prefix: "p/".to_owned(),
            store_id: "s".to_owned(),
            revision: Revision(9),
        }
    }

    #[test]
    fn a_copy_is_read_as_it_was_written_in_any_order() {
        let documents = [document("p/b", "1", 3), document("p/a", "", 9)];
        let mut read = Vec::new();
        let bytes = bytes(&head(), &documents);
        let found = decode(&*bytes, |document| read.push(document)).unwrap();
        assert_eq!((found, read), (head(), documents.to_vec()));
    }

    #[test]
    fn a_copy_that_was_damaged_or_cut_off_is_refused() {
        let whole = bytes(&head(), &[document("p/b", "value", 3)]);
        for cut in 0..whole.len() {
            assert!(decode(&whole[..cut], |_| ()).is_err(), "{cut}");
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            assert!(decode(&*bytes, |_| ()).is_err(), "{at}");
        }
    }

    #[test]
    fn where_there_is_no_copy_or_one_of_other_documents_there_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("copy");
        assert_eq!(read(&path, "p/", |_| ()).unwrap(), None);
        write(&path, &head(), std::iter::empty()).unwrap();
        assert_eq!(read(&path, "p/", |_| ()).unwrap(), Some(head()));
        assert_eq!(read(&path, "q/", |_| ()).unwrap(), None);
    }
}
