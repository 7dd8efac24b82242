//! Ghosts: fingerprints of what left lately.

use std::collections::{HashSet, VecDeque};

use crate::key::CacheKey;

/// Fingerprints of keys, in the order in which they left.
pub struct Ghosts {
    order: VecDeque<u32>,
    set: HashSet<u32>,
}

impl Ghosts {
    pub fn new() -> Self {
        Self {
            order: VecDeque::new(),
            set: HashSet::new(),
        }
    }

    /// Whether this key left lately; if so, it is forgotten.
    pub fn take(&mut self, key: &CacheKey) -> bool {
        self.set.remove(&fingerprint(key))
    }

    /// Remembers a key, and no more than `count_max` altogether.
    pub fn remember(&mut self, key: &CacheKey, count_max: u64) {
        let fingerprint = fingerprint(key);
        if self.set.insert(fingerprint) {
            self.order.push_back(fingerprint);
        }
        while self.order.len() as u64 > count_max {
            if let Some(oldest) = self.order.pop_front() {
                self.set.remove(&oldest);
            }
        }
    }
}

fn fingerprint(key: &CacheKey) -> u32 {
    (key.shard_bits() >> 32) as u32
}
