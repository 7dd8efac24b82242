//! The bytes of a replica's file. All numbers are little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `WFREPL01` |
//! | 16 | SipHash-1-3 of all that follows, with a key of zeros: it finds damage, not forgers |
//! | 8 | revision |
//! | 2, n | length, and the prefix |
//! | 2, n | length, and the store's id |
//! | 8 | number of documents |
//!
//! and for each document, in ascending order of keys:
//!
//! | bytes | what |
//! |---|---|
//! | 2 | length of the key |
//! | 4 | length of the value |
//! | 8 | revision of its creation |
//! | 8 | revision of its last modification |
//! | n | the key |
//! | n | the value |

use std::{collections::BTreeMap, hash::Hasher};

use bytes::Bytes;
use siphasher::sip128::{Hasher128, SipHasher13};
use thiserror::Error;

use crate::{Document, Revision, limits};

const MAGIC: &[u8; 8] = b"WFREPL01";

/// Magic and checksum.
const HEAD_BYTES: usize = 24;

/// What a replica's file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// What all keys begin with.
    pub prefix: String,
    /// Which store was copied; empty for none yet.
    pub store_id: String,
    /// The last revision whose changes are here.
    pub revision: Revision,
    /// The documents by their keys.
    pub documents: BTreeMap<String, Document>,
}

/// Why bytes are not a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// They begin otherwise, or are too few to tell, or are too many.
    #[error("it is not a snapshot of a replica")]
    Foreign,
    /// They are not the bytes that were written.
    #[error("its checksum is wrong: it was damaged or cut off")]
    Checksum,
    /// The checksum is right, and yet what they say cannot be.
    #[error("its contents are impossible at byte {0}")]
    Impossible(usize),
}

/// The bytes of a snapshot.
pub fn encode(snapshot: &Snapshot) -> Vec<u8> {
    let size_bytes: usize = snapshot
        .documents
        .values()
        .map(|document| 22 + document.key.len() + document.value.len())
        .sum();
    let mut bytes = Vec::with_capacity(size_bytes + HEAD_BYTES + 1_024);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&snapshot.revision.0.to_le_bytes());
    for text in [&snapshot.prefix, &snapshot.store_id] {
        put_length16(&mut bytes, text.len());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.extend_from_slice(&(snapshot.documents.len() as u64).to_le_bytes());
    for document in snapshot.documents.values() {
        let value_length = u32::try_from(document.value.len()).expect("values are bounded");
        put_length16(&mut bytes, document.key.len());
        bytes.extend_from_slice(&value_length.to_le_bytes());
        bytes.extend_from_slice(&document.created.0.to_le_bytes());
        bytes.extend_from_slice(&document.modified.0.to_le_bytes());
        bytes.extend_from_slice(document.key.as_bytes());
        bytes.extend_from_slice(&document.value);
    }
    let checksum = checksum(&bytes[HEAD_BYTES..]);
    bytes[MAGIC.len()..HEAD_BYTES].copy_from_slice(&checksum);
    bytes
}

/// The snapshot that these bytes are. Fuzzed: any bytes are given an answer.
pub fn decode(bytes: &[u8]) -> Result<Snapshot, DecodeError> {
    if bytes.len() > limits::SNAPSHOT_BYTES_MAX {
        return Err(DecodeError::Foreign);
    }
    let (head, body) = bytes
        .split_at_checked(HEAD_BYTES)
        .ok_or(DecodeError::Foreign)?;
    let claimed = head.strip_prefix(MAGIC).ok_or(DecodeError::Foreign)?;
    if claimed != checksum(body) {
        return Err(DecodeError::Checksum);
    }
    decode_body(body)
}

/// What follows the checksum. Public so that fuzzing gets past that.
pub fn decode_body(body: &[u8]) -> Result<Snapshot, DecodeError> {
    let mut cursor = Cursor { body, at: 0 };
    let revision = Revision(cursor.number64()?);
    let mut snapshot = Snapshot {
        revision,
        prefix: cursor.text16(limits::KEY_BYTES_MAX)?,
        store_id: cursor.text16(limits::STORE_ID_BYTES_MAX)?,
        documents: BTreeMap::new(),
    };
    let count = cursor.number64()?;
    let mut documents = Vec::new();
    for _ in 0..count {
        let start = cursor.at;
        let document = cursor.document()?;
        let follows = documents
            .last()
            .is_none_or(|(last, _): &(String, Document)| *last < document.key);
        if !follows || !document.key.starts_with(&snapshot.prefix) {
            return Err(DecodeError::Impossible(HEAD_BYTES + start));
        }
        documents.push((document.key.clone(), document));
    }
    if cursor.at != body.len() {
        return Err(cursor.impossible());
    }
    snapshot.documents = documents.into_iter().collect();
    Ok(snapshot)
}

fn put_length16(bytes: &mut Vec<u8>, length: usize) {
    let length = u16::try_from(length).expect("keys, prefixes and ids are bounded");
    bytes.extend_from_slice(&length.to_le_bytes());
}

fn checksum(body: &[u8]) -> [u8; 16] {
    let mut hasher = SipHasher13::new();
    hasher.write(body);
    hasher.finish128().as_bytes()
}

/// Reads from the front; errors name the byte of the file.
struct Cursor<'body> {
    body: &'body [u8],
    at: usize,
}

impl<'body> Cursor<'body> {
    fn document(&mut self) -> Result<Document, DecodeError> {
        let key_length = self.length16(limits::KEY_BYTES_MAX)?;
        let value_length = u32::from_le_bytes(self.array()?) as usize;
        if value_length > limits::VALUE_BYTES_MAX {
            return Err(self.impossible());
        }
        Ok(Document {
            created: Revision(self.number64()?),
            modified: Revision(self.number64()?),
            key: self.text(key_length)?,
            value: Bytes::copy_from_slice(self.take(value_length)?),
        })
    }

    fn text16(&mut self, max: usize) -> Result<String, DecodeError> {
        let length = self.length16(max)?;
        self.text(length)
    }

    fn text(&mut self, length: usize) -> Result<String, DecodeError> {
        let error = self.impossible();
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| error)?;
        Ok(text.to_owned())
    }

    fn length16(&mut self, max: usize) -> Result<usize, DecodeError> {
        let error = self.impossible();
        let length = usize::from(u16::from_le_bytes(self.array()?));
        if length > max { Err(error) } else { Ok(length) }
    }

    fn number64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = self.take(N)?;
        Ok(bytes.try_into().expect("as many were taken"))
    }

    fn take(&mut self, length: usize) -> Result<&'body [u8], DecodeError> {
        let rest = &self.body[self.at..];
        let taken = rest.get(..length).ok_or_else(|| self.impossible())?;
        self.at += length;
        Ok(taken)
    }

    fn impossible(&self) -> DecodeError {
        DecodeError::Impossible(HEAD_BYTES + self.at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_that_are_cut_off_or_damaged_are_refused() {
        let bytes = encode(&example());
        assert_eq!(decode(&bytes), Ok(example()));
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length} bytes");
        }
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 0x10;
            assert!(decode(&damaged).is_err(), "byte {index}");
        }
        assert_eq!(
            decode(b"SQLite format 3\0 and more of it"),
            Err(DecodeError::Foreign)
        );
    }

    #[test]
    fn a_right_checksum_does_not_make_impossible_contents_possible() {
        let bytes = encode(&example());
        let body = &bytes[HEAD_BYTES..];
        for (index, value) in [
            (8, 0xff),              // The prefix is longer than the file.
            (body.len() - 1, 0xff), // Nothing is wrong with this one: it is a value.
            (body.len() - 2, 0xff), // The last key is not UTF-8.
            (body.len() - 2, b'a'), // The last key is the one before.
        ] {
            let mut body = body.to_vec();
            body[index] = value;
            assert_eq!(
                decode_body(&body).is_ok(),
                index == body.len() - 1,
                "byte {index}"
            );
        }
        let mut longer = body.to_vec();
        longer.push(0);
        assert!(decode_body(&longer).is_err());
    }

    proptest! {
        #[test]
        fn every_snapshot_comes_back(
            revision in any::<u64>(),
            store_id in "[a-f0-9-]{0,40}",
            contents in proptest::collection::btree_map(
                "\\PC{1,12}",
                (proptest::collection::vec(any::<u8>(), 0..50), any::<u64>(), any::<u64>()),
                0..20,
            ),
        ) {
            let documents = contents.into_iter().map(|(key, (value, created, modified))| {
                let key = format!("p/{key}");
                (key.clone(), Document {
                    key,
                    value: value.into(),
                    created: Revision(created),
                    modified: Revision(modified),
                })
            });
            let snapshot = Snapshot {
                prefix: "p/".into(),
                store_id,
                revision: Revision(revision),
                documents: documents.collect(),
            };
            prop_assert_eq!(decode(&encode(&snapshot)), Ok(snapshot));
        }

        #[test]
        fn any_bytes_are_given_an_answer_and_one_that_is_a_snapshot_is_the_only_one(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let mut body = encode(&example())[HEAD_BYTES..].to_vec();
            for (index, value) in changes {
                let index = index.index(body.len());
                body[index] = value;
            }
            if let Ok(snapshot) = decode_body(&body) {
                prop_assert_eq!(&encode(&snapshot)[HEAD_BYTES..], &body[..]);
            }
        }
    }

    fn example() -> Snapshot {
        let document = |key: &str, value: &'static str| Document {
            key: key.into(),
            value: Bytes::from_static(value.as_bytes()),
            created: Revision(3),
            modified: Revision(7),
        };
        Snapshot {
            prefix: String::new(),
            store_id: "one".into(),
            revision: Revision(9),
            documents: [document("a", "first"), document("b", "x")]
                .map(|document| (document.key.clone(), document))
                .into(),
        }
    }
}
