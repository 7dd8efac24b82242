//! Which entries stay: S3-FIFO over bytes.
//!
//! New entries enter a small queue; those that were used there move on to the main queue, the
//! others leave and are remembered as ghosts: what comes back while it is a ghost enters the main
//! queue at once. In the main queue, an entry that was used gets another round.

use std::sync::atomic::Ordering::Relaxed;

use hashbrown::HashTable;
use hashbrown::hash_table;

use super::ghosts::Ghosts;
use super::slab::{Queue, SIZE_UNIT_BYTES, Slab, SlotIndex};
use crate::key::CacheKey;
use crate::limits;
use crate::store::Usage;

/// What a policy can keep: the store keeps objects, the simulator only their keys and sizes.
pub trait Entry {
    fn key(&self) -> CacheKey;
    fn size_bytes(&self) -> u64;
}

/// What one step of an insert came to.
pub enum Step<T> {
    Stored,
    /// Not accepted: here it is back.
    Refused(T),
    /// Room was made, but not enough yet: call again.
    NeedsRoom(T),
}

/// The entries of one shard: index, queues and ghosts, within a budget of bytes.
pub struct Policy<T> {
    table: HashTable<SlotIndex>,
    slab: Slab<T>,
    small: Queue,
    main: Queue,
    ghosts: Ghosts,
    capacity_units: u64,
    evictions: u64,
    refused: u64,
}

/// In `Slot::state`: uses since it was last considered.
const USES_MASK: u32 = 3;
/// In `Slot::state`: in the main queue rather than the small one.
const IN_MAIN: u32 = 1 << 31;

impl<T: Entry> Policy<T> {
    pub fn new(capacity_bytes: u64) -> Self {
        Self {
            table: HashTable::new(),
            slab: Slab::new(),
            small: Queue::new(),
            main: Queue::new(),
            ghosts: Ghosts::new(),
            capacity_units: capacity_bytes / SIZE_UNIT_BYTES,
            evictions: 0,
            refused: 0,
        }
    }

    /// The entry under this key, and one more use for it.
    #[inline]
    pub fn get(&self, key: &CacheKey) -> Option<&T> {
        let index = *self.table.find(key.table_bits(), |&index| {
            self.slab.entry(index).key() == *key
        })?;
        let slot = self.slab.slot(index);
        let state = slot.state.load(Relaxed);
        // Hot entries are at the maximum: then the line stays shared between cores.
        if state & USES_MASK < USES_MASK {
            slot.state.store(state + 1, Relaxed);
        }
        slot.entry.as_ref()
    }

    /// Stores an entry, or does a bounded part of the work for it. What had to go is in `gone`.
    pub fn insert(&mut self, entry: T, gone: &mut impl Extend<T>) -> Step<T> {
        let units = entry.size_bytes().div_ceil(SIZE_UNIT_BYTES);
        if units > self.capacity_units || units > u64::from(u32::MAX) {
            gone.extend(self.remove(&entry.key()));
            self.refused += 1;
            return Step::Refused(entry);
        }
        for _ in 0..limits::RAM_EVICTIONS_PER_LOCK {
            let replaced = self.find(&entry.key()).map_or(0, |index| self.units(index));
            if self.units_used() - replaced + units <= self.capacity_units {
                self.place(entry, units as u32, gone);
                return Step::Stored;
            }
            gone.extend(self.evict());
        }
        Step::NeedsRoom(entry)
    }

    /// Forgets the entry under this key.
    pub fn remove(&mut self, key: &CacheKey) -> Option<T> {
        let index = self.find(key)?;
        Some(self.detach(index))
    }

    /// Removes what `keep` rejects among `count` slots from slot `from`; says where to go on.
    pub fn retain(
        &mut self,
        from: u32,
        count: usize,
        mut keep: impl FnMut(&T) -> bool,
        mut gone: impl FnMut(T),
    ) -> Option<u32> {
        let to = (from as usize + count).min(self.slab.len() as usize) as u32;
        for index in from..to {
            if self
                .slab
                .slot(index)
                .entry
                .as_ref()
                .is_some_and(|entry| !keep(entry))
            {
                gone(self.detach(index));
            }
        }
        (to < self.slab.len()).then_some(to)
    }

    pub fn usage(&self) -> Usage {
        Usage {
            objects: self.small.entries + self.main.entries,
            bytes: self.units_used() * SIZE_UNIT_BYTES,
            evictions: self.evictions,
            refused: self.refused,
        }
    }

    fn units_used(&self) -> u64 {
        self.small.size_units + self.main.size_units
    }

    fn units(&self, index: SlotIndex) -> u64 {
        u64::from(self.slab.slot(index).size_units)
    }

    fn find(&self, key: &CacheKey) -> Option<SlotIndex> {
        self.table
            .find(key.table_bits(), |&index| {
                self.slab.entry(index).key() == *key
            })
            .copied()
    }

    /// Puts the entry where it belongs; there is room for it.
    fn place(&mut self, entry: T, units: u32, gone: &mut impl Extend<T>) {
        let key = entry.key();
        if let Some(index) = self.find(&key) {
            let queue = self.queue_of(index);
            let old = {
                let slot = self.slab.slot_mut(index);
                let old_units = std::mem::replace(&mut slot.size_units, units);
                let old = slot.entry.replace(entry);
                let queue = if queue == IN_MAIN {
                    &mut self.main
                } else {
                    &mut self.small
                };
                queue.size_units = queue.size_units - u64::from(old_units) + u64::from(units);
                old
            };
            gone.extend(old);
            return;
        }
        let into_main = self.ghosts.take(&key);
        let state = if into_main { IN_MAIN } else { 0 };
        let index = self.slab.put(entry, units, state);
        let queue = if into_main {
            &mut self.main
        } else {
            &mut self.small
        };
        queue.push(&mut self.slab, index);
        let slab = &self.slab;
        let rehash = |&index: &SlotIndex| slab.entry(index).key().table_bits();
        self.table.insert_unique(key.table_bits(), index, rehash);
    }

    fn queue_of(&self, index: SlotIndex) -> u32 {
        self.slab.slot(index).state.load(Relaxed) & IN_MAIN
    }

    /// One step: an entry goes, or moves to another place.
    fn evict(&mut self) -> Option<T> {
        let from_small = self.small.size_units * 10 > self.capacity_units || self.main.entries == 0;
        if from_small {
            self.evict_small()
        } else {
            self.evict_main()
        }
    }

    fn evict_small(&mut self) -> Option<T> {
        let index = self.small.oldest()?;
        let state = self.slab.slot(index).state.load(Relaxed);
        if state & USES_MASK > 0 {
            self.small.unlink(&mut self.slab, index);
            self.slab.slot(index).state.store(IN_MAIN, Relaxed);
            self.main.push(&mut self.slab, index);
            return None;
        }
        let entries = self.small.entries + self.main.entries;
        self.ghosts.remember(&self.slab.entry(index).key(), entries);
        self.evictions += 1;
        Some(self.detach(index))
    }

    fn evict_main(&mut self) -> Option<T> {
        let index = self.main.oldest()?;
        let state = self.slab.slot(index).state.load(Relaxed);
        if state & USES_MASK > 0 {
            self.main.unlink(&mut self.slab, index);
            self.slab.slot(index).state.store(state - 1, Relaxed);
            self.main.push(&mut self.slab, index);
            return None;
        }
        self.evictions += 1;
        Some(self.detach(index))
    }

    /// Takes an entry out of table, queue and slab.
    fn detach(&mut self, index: SlotIndex) -> T {
        let key = self.slab.entry(index).key();
        match self
            .table
            .find_entry(key.table_bits(), |&other| other == index)
        {
            Ok(found) => drop::<(SlotIndex, hash_table::VacantEntry<'_, _>)>(found.remove()),
            Err(_) => unreachable!("every taken slot is in the table"),
        }
        let in_main = self.queue_of(index) == IN_MAIN;
        let queue = if in_main {
            &mut self.main
        } else {
            &mut self.small
        };
        queue.unlink(&mut self.slab, index);
        self.slab.take(index)
    }
}
