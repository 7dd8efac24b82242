//! A name of a zone, and its record sets.
//!
//! Nearly all record sets are simple: values that everybody gets. They lie packed behind the
//! node's name, ready to be copied into answers:
//!
//! ```text
//! the node's labels, relative to the apex, in lower case: length (1), bytes
//! each simple set, by ascending type:
//!    0  type (2)
//!    2  how many records (2)
//!    4  bytes of the records (4)
//!    8  revision of its last change (8)
//!   16  time to live (4)
//!   20  each record: length (2, big endian), data
//! ```
//!
//! Numbers that are not sent as they are lie in the machine's order.

use std::sync::Arc;

use records::RecordType;

use super::routed::Routed;
use super::table::Entry;

const SET_HEADER_BYTES: usize = 20;

/// A name of a zone, and its record sets.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    packed: Arc<[u8]>,
    /// Record sets that are chosen from, or that lead elsewhere.
    pub routed: Option<Arc<Routed>>,
    /// How many names are directly below this one: as long as there are, it exists.
    pub children: u32,
    tag: u32,
}

impl Entry for Node {
    #[inline]
    fn tag(&self) -> u32 {
        self.tag
    }
}

/// A record set that everybody gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Simple<'n> {
    pub record_type: RecordType,
    pub count: u16,
    pub ttl: u32,
    pub modified: u64,
    /// Each record: its length (2, big endian) and data.
    pub records: &'n [u8],
}

impl<'n> Simple<'n> {
    pub fn rdatas(&self) -> Rdatas<'n> {
        Rdatas { rest: self.records }
    }
}

/// The data of records that lie packed.
#[derive(Clone, Debug)]
pub(crate) struct Rdatas<'n> {
    pub rest: &'n [u8],
}

impl<'n> Iterator for Rdatas<'n> {
    type Item = &'n [u8];

    #[inline]
    fn next(&mut self) -> Option<&'n [u8]> {
        let (length, rest) = self.rest.split_first_chunk::<2>()?;
        let (rdata, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        self.rest = rest;
        Some(rdata)
    }
}

/// Packs the data of records.
pub(crate) fn pack(rdatas: &[Vec<u8>]) -> Vec<u8> {
    let bytes = rdatas.iter().map(|rdata| 2 + rdata.len()).sum();
    let mut packed = Vec::with_capacity(bytes);
    for rdata in rdatas {
        packed.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        packed.extend_from_slice(rdata);
    }
    packed
}

impl Node {
    /// A node without records. `labels` is its name without the apex's labels.
    pub fn new(labels: &[u8], tag: u32) -> Node {
        let mut packed = Vec::with_capacity(1 + labels.len());
        packed.push(labels.len() as u8);
        packed.extend_from_slice(labels);
        Node {
            packed: packed.into(),
            routed: None,
            children: 0,
            tag,
        }
    }

    /// Its name without the apex's labels.
    #[inline]
    pub fn labels(&self) -> &[u8] {
        &self.packed[1..self.sets_at()]
    }

    #[inline]
    fn sets_at(&self) -> usize {
        1 + usize::from(self.packed[0])
    }

    /// Its simple record sets, by ascending type.
    #[inline]
    pub fn simple_sets(&self) -> SimpleSets<'_> {
        SimpleSets {
            rest: &self.packed[self.sets_at()..],
        }
    }

    /// Its simple record set of a type.
    #[inline]
    pub fn simple(&self, record_type: RecordType) -> Option<Simple<'_>> {
        self.simple_sets()
            .find(|set| set.record_type == record_type)
    }

    /// Whether it has any record set.
    pub fn is_empty(&self) -> bool {
        self.sets_at() == self.packed.len() && self.routed.is_none()
    }

    /// Puts a simple record set in the place of the one of its type.
    pub fn put_simple(&mut self, added: Simple<'_>) {
        let mut packed =
            Vec::with_capacity(self.packed.len() + SET_HEADER_BYTES + added.records.len());
        packed.extend_from_slice(&self.packed[..self.sets_at()]);
        let mut is_put = false;
        for set in self.simple_sets() {
            if set.record_type >= added.record_type && !is_put {
                write_set(&added, &mut packed);
                is_put = true;
            }
            if set.record_type != added.record_type {
                write_set(&set, &mut packed);
            }
        }
        if !is_put {
            write_set(&added, &mut packed);
        }
        self.packed = packed.into();
    }

    /// Takes the simple record set of a type away; whether there was one.
    pub fn remove_simple(&mut self, record_type: RecordType) -> bool {
        if self.simple(record_type).is_none() {
            return false;
        }
        let mut packed = self.packed[..self.sets_at()].to_vec();
        let kept = self.simple_sets();
        for set in kept.filter(|set| set.record_type != record_type) {
            write_set(&set, &mut packed);
        }
        self.packed = packed.into();
        true
    }
}

/// Simple record sets of a node.
#[derive(Clone, Debug)]
pub(crate) struct SimpleSets<'n> {
    rest: &'n [u8],
}

impl<'n> Iterator for SimpleSets<'n> {
    type Item = Simple<'n>;

    #[inline]
    fn next(&mut self) -> Option<Simple<'n>> {
        let (header, rest) = self.rest.split_first_chunk::<SET_HEADER_BYTES>()?;
        let number = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
        let bytes = u32::from_ne_bytes(number(4)) as usize;
        let (records, rest) = rest.split_at(bytes);
        self.rest = rest;
        let (low, high) = (number(8), number(12));
        Some(Simple {
            record_type: RecordType(u16::from_ne_bytes([header[0], header[1]])),
            count: u16::from_ne_bytes([header[2], header[3]]),
            ttl: u32::from_ne_bytes(number(16)),
            modified: u64::from(u32::from_le_bytes(low))
                | u64::from(u32::from_le_bytes(high)) << 32,
            records,
        })
    }
}

fn write_set(set: &Simple<'_>, packed: &mut Vec<u8>) {
    packed.extend_from_slice(&set.record_type.0.to_ne_bytes());
    packed.extend_from_slice(&set.count.to_ne_bytes());
    packed.extend_from_slice(&(set.records.len() as u32).to_ne_bytes());
    packed.extend_from_slice(&set.modified.to_le_bytes());
    packed.extend_from_slice(&set.ttl.to_ne_bytes());
    packed.extend_from_slice(set.records);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(record_type: RecordType, ttl: u32, records: &[u8]) -> Simple<'_> {
        Simple {
            record_type,
            count: 1,
            ttl,
            modified: u64::from(ttl) << 40 | 7,
            records,
        }
    }

    #[test]
    fn record_sets_lie_by_type_and_are_replaced_and_removed_alone() {
        let mut node = Node::new(b"\x03www", 9);
        assert!(node.is_empty());
        let records = pack(&[vec![1, 2, 3, 4], vec![]]);
        node.put_simple(set(RecordType::TXT, 16, b"\0\x02\x01x"));
        node.put_simple(set(RecordType::A, 1, &records));
        node.put_simple(set(RecordType::MX, 15, b"\0\x03abc"));
        node.put_simple(set(RecordType::A, 2, &records));
        let types: Vec<_> = node.simple_sets().map(|set| set.record_type.0).collect();
        assert_eq!(types, [1, 15, 16]);
        let a = node.simple(RecordType::A).unwrap();
        assert_eq!((a.ttl, a.modified), (2, 2 << 40 | 7));
        assert_eq!(a.rdatas().collect::<Vec<_>>(), [&[1, 2, 3, 4][..], &[]]);
        assert!(node.remove_simple(RecordType::MX));
        assert!(!node.remove_simple(RecordType::MX));
        assert_eq!(node.labels(), b"\x03www");
        assert_eq!(node.simple_sets().count(), 2);
        assert!(!node.is_empty());
    }
}
