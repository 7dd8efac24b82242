//! Cache keys: 128 bits of keyed SipHash-2-4 over everything that makes two requests the same.
//!
//! The secret differs from process to process, so nobody outside can construct two requests with
//! one key; by chance, a billion objects collide with a probability below 2⁻⁶⁸.

use std::fmt;

use siphasher::sip128::SipHasher24;

/// What makes two requests the same. Equal keys mean the same stored response.
///
/// The bits are already uniformly distributed: tables use them as they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheKey {
    // Two halves rather than a `u128`, so that what embeds a key is aligned to 8 bytes, not to 16.
    low: u64,
    high: u64,
}

impl CacheKey {
    /// The key with exactly these bits.
    #[inline]
    pub const fn from_bits(bits: u128) -> Self {
        Self {
            low: bits as u64,
            high: (bits >> 64) as u64,
        }
    }

    /// All 128 bits.
    #[inline]
    pub const fn bits(self) -> u128 {
        (self.high as u128) << 64 | self.low as u128
    }

    /// The half that finds an entry within its shard's table.
    #[inline]
    pub(crate) const fn table_bits(self) -> u64 {
        self.low
    }

    /// The half that chooses the shard, and fingerprints; independent of [`Self::table_bits`].
    #[inline]
    pub(crate) const fn shard_bits(self) -> u64 {
        self.high
    }

    fn to_bytes(self) -> [u8; 16] {
        self.bits().to_le_bytes()
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CacheKey({:032x})", self.bits())
    }
}

/// Makes [`CacheKey`]s; holds the secret.
///
/// Each of the three kinds of key is made under its own secret derived from the seed, so that no
/// variant's or chunk's material can be mistaken for a request's.
#[derive(Clone)]
pub struct KeyHasher {
    request: SipHasher24,
    variant: SipHasher24,
    chunk: SipHasher24,
}

impl KeyHasher {
    /// The hasher of this seed, which should be random and never leave the process (or, for a
    /// store that outlives it, the node).
    pub fn new(seed: [u8; 16]) -> Self {
        let root = SipHasher24::new_with_key(&seed);
        let derived = |label: &[u8]| SipHasher24::new_with_key(&root.hash(label).as_bytes());
        Self {
            request: derived(b"request"),
            variant: derived(b"variant"),
            chunk: derived(b"chunk"),
        }
    }

    /// The key of a request, from its unambiguously encoded parts.
    #[inline]
    pub fn key(&self, material: &[u8]) -> CacheKey {
        CacheKey::from_bits(self.request.hash(material).as_u128())
    }

    /// The key of one variant of `base`: `material` encodes the values that the response varies on.
    pub fn variant(&self, base: CacheKey, material: &[u8]) -> CacheKey {
        use std::hash::Hasher as _;

        use siphasher::sip128::Hasher128 as _;

        let mut hasher = self.variant;
        hasher.write(&base.to_bytes());
        hasher.write(material);
        CacheKey::from_bits(hasher.finish128().as_u128())
    }

    /// The key of chunk `index` of the large object `base`. The validator (a hash of the entity
    /// tag, or whatever tells two representations apart) keeps chunks of different versions from
    /// ever being mixed.
    pub fn chunk(&self, base: CacheKey, validator: u64, index: u32) -> CacheKey {
        let mut material = [0; 28];
        material[..16].copy_from_slice(&base.to_bytes());
        material[16..24].copy_from_slice(&validator.to_le_bytes());
        material[24..].copy_from_slice(&index.to_le_bytes());
        CacheKey::from_bits(self.chunk.hash(&material).as_u128())
    }
}

impl fmt::Debug for KeyHasher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyHasher(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_equal_only_for_equal_material_under_the_same_seed() {
        let hasher = KeyHasher::new([7; 16]);
        assert_eq!(hasher.key(b"a"), hasher.key(b"a"));
        assert_ne!(hasher.key(b"a"), hasher.key(b"b"));
        assert_ne!(hasher.key(b"a"), KeyHasher::new([8; 16]).key(b"a"));
    }

    #[test]
    fn kinds_of_keys_never_meet_even_on_equal_material() {
        let hasher = KeyHasher::new([7; 16]);
        let base = hasher.key(b"base");
        let mut material = base.to_bytes().to_vec();
        material.extend_from_slice(&[0; 12]);
        let keys = [
            hasher.key(&material),
            hasher.variant(base, &[0; 12]),
            hasher.chunk(base, 0, 0),
            hasher.chunk(base, 0, 1),
            hasher.chunk(base, 1, 0),
            base,
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(
                !keys[..index].contains(key),
                "key {index} repeats an earlier one"
            );
        }
    }

    #[test]
    fn bits_round_trip() {
        let bits = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210;
        assert_eq!(CacheKey::from_bits(bits).bits(), bits);
    }

    #[test]
    fn debug_output_does_not_show_the_secret() {
        assert_eq!(
            format!("{:?}", KeyHasher::new([7; 16])),
            "KeyHasher(secret)"
        );
    }
}
