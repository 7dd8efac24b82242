//! Names on their way through tables: folded, cut into labels, and hashed from the root, so that
//! every suffix has its hash after one pass.

use records::limits::NAME_BYTES_MAX;

/// Labels of the longest name: each takes two bytes, and the root one.
const LABELS_MAX: usize = NAME_BYTES_MAX / 2;

/// Hashes names with keys that nobody knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hasher {
    root: u64,
    factor: u64,
}

impl Hasher {
    pub(crate) fn new(seed: u64) -> Hasher {
        let root = mix(seed ^ 0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9);
        Hasher {
            root,
            factor: mix(root ^ seed, 0x94d0_49bb_1331_11eb) | 1,
        }
    }

    /// The hash of a name, of which `parent` is what is right of the leftmost label. `label` begins
    /// with its length.
    #[inline]
    pub(crate) fn child(&self, parent: u64, label: &[u8]) -> u64 {
        let mut hash = parent;
        let (words, rest) = label.as_chunks::<8>();
        for word in words {
            hash = mix(hash ^ u64::from_le_bytes(*word), self.factor);
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            hash = mix(hash ^ u64::from_le_bytes(word), self.factor);
        }
        hash
    }

    /// The hash of a name in wire form and lower case.
    pub(crate) fn name(&self, wire: &[u8]) -> u64 {
        let mut name = Hashed::default();
        name.set(self, wire);
        name.hash(0)
    }
}

#[inline]
fn mix(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    product as u64 ^ (product >> 64) as u64
}

/// A name, folded to lower case, with the hashes of all its suffixes. It is large, and made again
/// and again in the same place.
#[derive(Clone, Debug)]
pub(crate) struct Hashed {
    wire: [u8; NAME_BYTES_MAX],
    bytes: usize,
    labels: usize,
    /// Where each label begins; after them, where the root's 0 is.
    starts: [u8; LABELS_MAX + 1],
    hashes: [u64; LABELS_MAX + 1],
}

impl Default for Hashed {
    fn default() -> Hashed {
        Hashed {
            wire: [0; NAME_BYTES_MAX],
            bytes: 1,
            labels: 0,
            starts: [0; LABELS_MAX + 1],
            hashes: [0; LABELS_MAX + 1],
        }
    }
}

impl Hashed {
    /// Takes a name in wire form, complete and not compressed, in any case.
    #[inline]
    pub(crate) fn set(&mut self, hasher: &Hasher, wire: &[u8]) {
        let bytes = wire.len().min(NAME_BYTES_MAX);
        self.bytes = bytes;
        let folded = &mut self.wire[..bytes];
        folded.copy_from_slice(&wire[..bytes]);
        // Lengths are at most 63, and no letters.
        folded.make_ascii_lowercase();
        let (mut at, mut labels) = (0, 0);
        while at < bytes && self.wire[at] != 0 && labels < LABELS_MAX {
            self.starts[labels] = at as u8;
            labels += 1;
            at += 1 + usize::from(self.wire[at]);
        }
        self.starts[labels] = at.min(NAME_BYTES_MAX - 1) as u8;
        self.labels = labels;
        let mut hash = hasher.root;
        self.hashes[labels] = hash;
        for label in (0..labels).rev() {
            let range = usize::from(self.starts[label])..usize::from(self.starts[label + 1]);
            hash = hasher.child(hash, &self.wire[range]);
            self.hashes[label] = hash;
        }
    }

    /// The suffix that begins at a label; all labels left out, the root.
    #[inline]
    pub(crate) fn suffix(&self, label: usize) -> &[u8] {
        &self.wire[self.start(label)..self.bytes]
    }

    /// What stands from one label up to another.
    #[inline]
    pub(crate) fn between(&self, label: usize, end: usize) -> &[u8] {
        &self.wire[self.start(label)..self.start(end)]
    }

    /// The hash of the suffix that begins at a label.
    #[inline]
    pub(crate) fn hash(&self, label: usize) -> u64 {
        self.hashes[label]
    }

    /// How many labels it has, without the root.
    #[inline]
    pub(crate) fn labels(&self) -> usize {
        self.labels
    }

    /// Where a label begins.
    #[inline]
    pub(crate) fn start(&self, label: usize) -> usize {
        usize::from(self.starts[label])
    }
}

#[cfg(test)]
mod tests {
    use records::Name;

    use super::*;

    #[test]
    fn every_suffix_has_the_hash_of_the_name_that_it_is() {
        let hasher = Hasher::new(7);
        let mut name = Hashed::default();
        name.set(&hasher, b"\x03WwW\x13a-much-longer-label\x03com\0");
        assert_eq!(name.labels(), 3);
        for label in 0..=3 {
            assert_eq!(name.hash(label), hasher.name(name.suffix(label)));
        }
        assert_eq!(name.suffix(2), b"\x03com\0");
        assert_eq!(name.between(0, 2), b"\x03www\x13a-much-longer-label");
        assert_ne!(name.hash(0), Hasher::new(8).name(name.suffix(0)));
    }

    #[test]
    fn the_longest_name_has_its_place() {
        let text = "a.".repeat(127);
        let longest = Name::parse(&text).unwrap();
        assert_eq!(longest.wire().len(), 255);
        let mut name = Hashed::default();
        name.set(&Hasher::new(1), longest.wire());
        assert_eq!((name.labels(), name.suffix(127)), (127, &b"\0"[..]));
    }
}
