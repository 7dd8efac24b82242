//! Signatures that were made already.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use records::limits::NAME_BYTES_MAX;
use siphasher::sip128::SipHasher13;

use crate::key::{KeyError, SIGNATURE_BYTES};
use crate::limits::{EVICTION_LOOKS_MAX, SIGNATURE_WINDOW_SECS};
use crate::zone::{Rrset, Rrsig, Signer, window_start};

/// What of a set of records goes before its name when it is hashed: the signer (8), the type (2),
/// the time to live (4), and the data's sum (16).
const KEY_HEAD_BYTES: usize = 30;

/// Signatures of one thread, by a keyed hash of all that they sign.
///
/// It is bounded by the number of its entries, whose size is fixed. When it is full, the hand goes
/// around and takes the first entry that was not asked for since it passed last: names that are
/// asked for once, as random ones are, push out each other and not what is asked for again.
#[derive(Debug)]
pub struct SignatureCache {
    hasher: SipHasher13,
    index: HashTable<u32>,
    slots: Vec<Slot>,
    slots_max: usize,
    hand: usize,
}

#[derive(Debug)]
struct Slot {
    key: u128,
    signature: [u8; SIGNATURE_BYTES],
    /// Of the window in which it was made, in seconds since 1970.
    start: u64,
    was_asked_for: bool,
}

impl SignatureCache {
    /// An empty one for at most `signatures_max` (at least 1; see
    /// [`SIGNATURES_MAX`](crate::limits::SIGNATURES_MAX)). `seed` is random, and nobody else's: who
    /// knows it could make two sets of records look like one.
    pub fn new(signatures_max: usize, seed: [u8; 16]) -> SignatureCache {
        SignatureCache {
            hasher: SipHasher13::new_with_key(&seed),
            index: HashTable::new(),
            slots: Vec::new(),
            slots_max: signatures_max.clamp(1, u32::MAX as usize),
            hand: 0,
        }
    }

    /// How many signatures it has.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The RRSIG record of `set` by `signer`: from here, or made now if it is not here or less than
    /// half of its time is left.
    pub fn rrsig<'k, 'r, I>(
        &mut self,
        signer: &'k Signer,
        set: &Rrset<'r, I>,
        now_secs: u64,
    ) -> Result<Rrsig<'k>, KeyError>
    where
        I: Iterator<Item = &'r [u8]> + Clone,
    {
        let key = self.key(signer, set);
        let found = self
            .index
            .find(key as u64, |at| self.slots[*at as usize].key == key);
        if let Some(&at) = found {
            let slot = &mut self.slots[at as usize];
            slot.was_asked_for = true;
            let window = slot.start..slot.start + SIGNATURE_WINDOW_SECS;
            if !window.contains(&now_secs) {
                let made = signer.sign(set, now_secs)?;
                slot.signature = *made.signature();
                slot.start = window_start(set.owner, now_secs);
            }
            return Ok(signer.rrsig(set, slot.start, slot.signature));
        }
        let made = signer.sign(set, now_secs)?;
        self.insert(Slot {
            key,
            signature: *made.signature(),
            start: window_start(set.owner, now_secs),
            was_asked_for: false,
        });
        Ok(made)
    }

    /// The hash of a set of records that `signer` signs, in whatever order its records are.
    fn key<'r, I>(&self, signer: &Signer, set: &Rrset<'r, I>) -> u128
    where
        I: Iterator<Item = &'r [u8]> + Clone,
    {
        let rdatas = set.rdatas.clone();
        let sum = rdatas.fold(0_u128, |sum, rdata| {
            sum.wrapping_add(self.hasher.hash(rdata).as_u128())
        });
        let mut bytes = [0; KEY_HEAD_BYTES + NAME_BYTES_MAX];
        bytes[..8].copy_from_slice(&signer.id().to_ne_bytes());
        bytes[8..10].copy_from_slice(&set.record_type.0.to_ne_bytes());
        bytes[10..14].copy_from_slice(&set.ttl.to_ne_bytes());
        bytes[14..KEY_HEAD_BYTES].copy_from_slice(&sum.to_ne_bytes());
        let owner = &set.owner[..set.owner.len().min(NAME_BYTES_MAX)];
        let end = KEY_HEAD_BYTES + owner.len();
        bytes[KEY_HEAD_BYTES..end].copy_from_slice(owner);
        self.hasher.hash(&bytes[..end]).as_u128()
    }

    fn insert(&mut self, slot: Slot) {
        let key = slot.key;
        let at = if self.slots.len() < self.slots_max {
            self.slots.push(slot);
            self.slots.len() - 1
        } else {
            let at = self.victim();
            let old = std::mem::replace(&mut self.slots[at], slot).key;
            if let Ok(entry) = self
                .index
                .find_entry(old as u64, |other| *other == at as u32)
            {
                entry.remove();
            }
            at
        };
        let slots = &self.slots;
        let entry = self.index.entry(
            key as u64,
            |other| *other == at as u32,
            |other| slots[*other as usize].key as u64,
        );
        if let Entry::Vacant(entry) = entry {
            entry.insert(at as u32);
        }
    }

    /// The next slot that was not asked for, or the last that was looked at; each that was has that
    /// forgotten.
    fn victim(&mut self) -> usize {
        let mut at = self.hand;
        for _ in 0..EVICTION_LOOKS_MAX {
            at = self.hand;
            self.hand = (self.hand + 1) % self.slots.len();
            if !std::mem::take(&mut self.slots[at].was_asked_for) {
                break;
            }
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use records::{Name, RecordType};

    use super::*;
    use crate::ZoneKeys;
    use crate::zone::tests::{NOW, zone};

    fn rrsig(
        cache: &mut SignatureCache,
        keys: &ZoneKeys,
        (owner, ttl, rdatas): (&str, u32, &[&[u8]]),
        now: u64,
    ) -> Vec<u8> {
        let owner = Name::parse(owner).unwrap();
        let set = Rrset {
            owner: owner.wire(),
            record_type: RecordType::A,
            ttl,
            rdatas: rdatas.iter().copied(),
        };
        let signer = &keys.signers(RecordType::A, now)[0];
        cache.rrsig(signer, &set, now).unwrap().to_vec()
    }

    const WWW: (&str, u32, &[&[u8]]) = ("www.example.net", 60, &[&[1, 0, 0, 1], &[1, 0, 0, 2]]);

    #[test]
    fn equal_sets_have_one_signature_in_whatever_order() {
        let keys = zone("example.net");
        let mut cache = SignatureCache::new(10, [7; 16]);
        let first = rrsig(&mut cache, &keys, WWW, NOW);
        assert_eq!(rrsig(&mut cache, &keys, WWW, NOW), first);
        let turned = (WWW.0, WWW.1, &[WWW.2[1], WWW.2[0]][..]);
        assert_eq!(rrsig(&mut cache, &keys, turned, NOW), first);
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn sets_that_differ_in_anything_have_signatures_of_their_own() {
        let keys = zone("example.net");
        let mut cache = SignatureCache::new(10, [7; 16]);
        let sets: [(&str, u32, &[&[u8]]); 5] = [
            WWW,
            ("w.example.net", 60, WWW.2),
            (WWW.0, 61, WWW.2),
            (WWW.0, 60, &WWW.2[..1]),
            (WWW.0, 60, &[&[1, 0, 0, 1], &[1, 0, 0, 3]]),
        ];
        for set in sets {
            rrsig(&mut cache, &keys, set, NOW);
        }
        rrsig(&mut cache, &zone("example.net"), WWW, NOW);
        assert_eq!(cache.len(), 6);
    }

    #[test]
    fn a_signature_is_kept_for_its_window_and_then_made_anew_in_its_place() {
        let keys = zone("example.net");
        let mut cache = SignatureCache::new(10, [7; 16]);
        let owner = Name::parse(WWW.0).unwrap();
        let start = window_start(owner.wire(), NOW);
        let first = rrsig(&mut cache, &keys, WWW, start);
        let last = start + SIGNATURE_WINDOW_SECS - 1;
        assert_eq!(rrsig(&mut cache, &keys, WWW, last), first);
        let next = rrsig(&mut cache, &keys, WWW, last + 1);
        assert_ne!(next, first);
        assert_eq!(rrsig(&mut cache, &keys, WWW, last + 2), next);
        // A clock that is put back.
        assert_eq!(rrsig(&mut cache, &keys, WWW, last)[..16], first[..16]);
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn names_asked_for_once_do_not_push_out_what_is_asked_for_again() {
        let keys = zone("example.net");
        let mut cache = SignatureCache::new(8, [7; 16]);
        let first = rrsig(&mut cache, &keys, WWW, NOW);
        for number in 0..100 {
            assert_eq!(rrsig(&mut cache, &keys, WWW, NOW), first);
            let random = format!("r{number}.example.net");
            rrsig(&mut cache, &keys, (&random, 60, WWW.2), NOW);
            assert!(cache.len() <= 8);
            assert_eq!(cache.index.len(), cache.len());
        }
    }

    #[test]
    fn a_cache_of_one_has_the_last() {
        let keys = zone("example.net");
        let mut cache = SignatureCache::new(0, [7; 16]);
        for owner in ["a.example.net", "b.example.net"] {
            let made = rrsig(&mut cache, &keys, (owner, 60, WWW.2), NOW);
            assert_eq!(rrsig(&mut cache, &keys, (owner, 60, WWW.2), NOW), made);
            assert_eq!(cache.len(), 1);
        }
    }
}
