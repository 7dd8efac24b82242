//! Ghosts: which keys left the small queue, and when, in 4 bytes each.
//!
//! ```text
//! bits 31–16  fingerprint of the key, never 0
//! bits 15–0   when it left, on a clock that counts 2^shift inserts as one
//! ```
//!
//! Ghosts live in buckets of 16 (one cache line); a full bucket forgets its oldest. A key is
//! mistaken for another with a probability of at most 16 ∕ 65,535, which costs a misplaced entry
//! and nothing else. The 16-bit clock covers 16 inserts for each ghost of the table; a ghost is
//! pushed out long before that, and one that is not may look younger than it is.

use crate::key::CacheKey;

/// A table of ghosts; grows with the number of entries that the policy holds.
pub struct Ghosts {
    buckets: Vec<[u32; BUCKET]>,
}

/// Ghosts in one bucket.
const BUCKET: usize = 16;

/// Ghosts kept for each entry, at least; at most twice as many, for the table is a power of two.
const GHOSTS_PER_ENTRY: u64 = 2;

/// Clock ticks by which a table's lifetime is resolved, as a power of two.
const RESOLUTION_BITS: u32 = 12;

impl Ghosts {
    pub const fn new() -> Self {
        Self {
            buckets: Vec::new(),
        }
    }

    /// Forgets the ghost of this key, and says how many inserts ago it left.
    pub fn take(&mut self, key: CacheKey, now: u32) -> Option<u32> {
        let shift = self.shift();
        let print = fingerprint(key);
        let ghost = self
            .bucket(key)?
            .iter_mut()
            .find(|ghost| **ghost >> 16 == print)?;
        let ticks = tick(now, shift).wrapping_sub(*ghost as u16);
        *ghost = 0;
        Some(u32::from(ticks) << shift)
    }

    /// Remembers that the key leaves now, of a policy that holds this many entries.
    pub fn remember(&mut self, key: CacheKey, now: u32, entries: u64) {
        while (self.buckets.len() * BUCKET) as u64 <= entries * GHOSTS_PER_ENTRY {
            self.grow(now);
        }
        let now = tick(now, self.shift());
        let print = fingerprint(key);
        let bucket = self.bucket(key).expect("the table was just grown");
        let place = bucket.iter_mut().max_by_key(|ghost| match **ghost {
            same if same >> 16 == print => u32::MAX,
            0 => u32::MAX - 1,
            other => u32::from(now.wrapping_sub(other as u16)),
        });
        *place.expect("buckets are not empty") = print << 16 | u32::from(now);
    }

    /// Doubles the table. Which of the two new buckets a ghost belongs to is not known from its
    /// fingerprint, so it goes into both: the wrong one is soon pushed out.
    fn grow(&mut self, now: u32) {
        if self.buckets.is_empty() {
            self.buckets.push([0; BUCKET]);
            return;
        }
        let old_shift = self.shift();
        self.buckets.reserve_exact(self.buckets.len());
        self.buckets.extend_from_within(..);
        let new_shift = self.shift();
        if new_shift == old_shift {
            return;
        }
        let (old_now, new_now) = (tick(now, old_shift), tick(now, new_shift));
        for ghost in self
            .buckets
            .as_flattened_mut()
            .iter_mut()
            .filter(|ghost| **ghost != 0)
        {
            let age = old_now.wrapping_sub(*ghost as u16) >> (new_shift - old_shift);
            *ghost = *ghost & 0xffff_0000 | u32::from(new_now.wrapping_sub(age));
        }
    }

    fn bucket(&mut self, key: CacheKey) -> Option<&mut [u32; BUCKET]> {
        // The lowest bits chose the shard, the highest are the fingerprint.
        let mask = self.buckets.len().checked_sub(1)?;
        self.buckets
            .get_mut((key.shard_bits() >> 8) as usize & mask)
    }

    fn shift(&self) -> u32 {
        (self.buckets.len() * BUCKET)
            .max(1)
            .ilog2()
            .saturating_sub(RESOLUTION_BITS)
    }
}

fn fingerprint(key: CacheKey) -> u32 {
    ((key.shard_bits() >> 48) as u32).max(1)
}

fn tick(now: u32, shift: u32) -> u16 {
    (now >> shift) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> CacheKey {
        let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        CacheKey::from_bits(
            u128::from(mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9_94d0),
        )
    }

    #[test]
    fn a_ghost_is_found_once_with_its_age() {
        let mut ghosts = Ghosts::new();
        assert_eq!(ghosts.take(key(1), 5), None);
        ghosts.remember(key(1), 10, 100);
        assert_eq!(ghosts.take(key(2), 25), None);
        assert_eq!(ghosts.take(key(1), 25), Some(15));
        assert_eq!(ghosts.take(key(1), 25), None);
    }

    #[test]
    fn most_recent_ghosts_survive_growth_and_old_ones_are_pushed_out() {
        let mut ghosts = Ghosts::new();
        let entries = 10_000;
        for number in 0..100_000 {
            ghosts.remember(
                key(number),
                number as u32,
                if number < 50_000 { 100 } else { entries },
            );
        }
        let found = |ghosts: &mut Ghosts, from: u64, to: u64| {
            (from..to)
                .filter(|&number| {
                    let age = ghosts.take(key(number), 100_000);
                    age.is_some_and(|age| age.abs_diff(100_000 - number as u32) <= 16)
                })
                .count()
        };
        assert!(found(&mut ghosts, 90_000, 100_000) > 9_900);
        assert!(found(&mut ghosts, 0, 10_000) < 100);
    }

    #[test]
    fn the_clock_may_wrap() {
        let mut ghosts = Ghosts::new();
        ghosts.remember(key(1), u32::MAX - 1, 10);
        assert_eq!(ghosts.take(key(1), 3), Some(5));
    }
}
