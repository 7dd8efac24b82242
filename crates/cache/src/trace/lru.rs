//! Plain LRU, to compare with.

use hashbrown::HashTable;

use super::{Request, cost_bytes};
use crate::ram::slab::{Queue, SIZE_UNIT_BYTES, Slab, SlotIndex};

/// Whole objects; who was not asked for the longest goes.
pub struct Lru {
    table: HashTable<SlotIndex>,
    slab: Slab<Request>,
    queue: Queue,
    used_units: u64,
    capacity_units: u64,
}

impl Lru {
    pub fn new(capacity_bytes: u64) -> Self {
        Self {
            table: HashTable::new(),
            slab: Slab::new(),
            queue: Queue::EMPTY,
            used_units: 0,
            capacity_units: capacity_bytes / SIZE_UNIT_BYTES,
        }
    }

    /// Asks for an object and stores it if it is not there; says how many bytes were missing.
    pub fn request(&mut self, request: &Request) -> Option<u64> {
        let hash = request.key.table_bits();
        let is_it = |&index: &SlotIndex| self.slab.entry(index).key == request.key;
        if let Some(&index) = self.table.find(hash, is_it) {
            if self.slab.entry(index).size_bytes == request.size_bytes {
                self.queue.unlink(&mut self.slab, index);
                self.queue.push(&mut self.slab, index);
                return None;
            }
            self.evict(index);
        }
        self.store(request);
        Some(request.size_bytes)
    }

    fn store(&mut self, request: &Request) {
        let units = cost_bytes(request.size_bytes).div_ceil(SIZE_UNIT_BYTES);
        let Some(size_units) = u32::try_from(units)
            .ok()
            .filter(|_| units <= self.capacity_units)
        else {
            return;
        };
        while self.used_units + units > self.capacity_units {
            let Some(oldest) = self.queue.oldest() else {
                break;
            };
            self.evict(oldest);
        }
        let Ok(index) = self.slab.put(*request, size_units, 0) else {
            return;
        };
        self.queue.push(&mut self.slab, index);
        self.used_units += units;
        let rehash = |&index: &SlotIndex| self.slab.entry(index).key.table_bits();
        self.table
            .insert_unique(request.key.table_bits(), index, rehash);
    }

    fn evict(&mut self, index: SlotIndex) {
        self.used_units -= u64::from(self.slab.slot(index).size_units);
        self.queue.unlink(&mut self.slab, index);
        let request = self.slab.take(index);
        if let Ok(found) = self
            .table
            .find_entry(request.key.table_bits(), |&other| other == index)
        {
            found.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::CacheKey;

    #[test]
    fn the_least_recently_used_goes_first() {
        let request = |key: u128| Request {
            time: 0.0,
            key: CacheKey::from_bits(key),
            size_bytes: 1000,
        };
        let mut lru = Lru::new(3 * cost_bytes(1000));
        for key in [1, 2, 3] {
            assert_eq!(lru.request(&request(key)), Some(1000));
        }
        assert_eq!(lru.request(&request(1)), None);
        assert_eq!(lru.request(&request(4)), Some(1000));
        assert_eq!(lru.request(&request(1)), None);
        assert_eq!(lru.request(&request(2)), Some(1000));
    }
}
