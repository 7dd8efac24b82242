//! Which entries stay: S3-FIFO over bytes, made aware of sizes.
//!
//! As in S3-FIFO, new entries enter a *small* queue with a small share of the bytes. Who was used
//! there moves on to the *main* queue; the others leave, and are remembered as *ghosts*. In the
//! main queue, who was used gets another round. Three things know of sizes:
//!
//! - Both queues consist of one queue for each size class, and who is next to go is the oldest of
//!   a class for which *age × size^exponent* is greatest. A hit on a small object is as good as a
//!   hit on a large one, but costs less room: with exponent 1, the most hits for the room; with
//!   exponent 0, the most bytes from it. In the small queue we look for hits, as few bytes are at
//!   stake; in the main queue for a compromise.
//! - What comes back as a ghost enters the main queue only if it came back soon enough: if its
//!   *age × size^exponent* is well below that of those who leave the main queue. Large ones must
//!   come back sooner. Others start in the small queue again.
//! - Ages are counted in inserts: hits write nothing that other cores must see.
//!
//! How the constants were found: `docs/internals/ram-store.md`.

use std::sync::atomic::Ordering::Relaxed;

use hashbrown::HashTable;

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
    /// Some room was made, but not enough yet: call again.
    NeedsRoom(T),
}

/// The entries of one shard: index, queues and ghosts, within a budget of bytes.
pub struct Policy<T> {
    table: HashTable<SlotIndex>,
    slab: Slab<T>,
    small: Region,
    main: Region,
    ghosts: Ghosts,
    capacity_units: u64,
    /// Inserts of new keys so far, wrapping.
    clock: u32,
    /// Moving average of age × size^[`RETURN_EXPONENT`] at the main queue's end.
    main_end: f32,
    evictions: u64,
    refused: u64,
}

/// The small queue's share of the bytes is one in this many.
const SMALL_SHARE: u64 = 20;
/// What size counts for in the small queue.
const SMALL_EXPONENT: f32 = 1.5;
/// What size counts for in the main queue.
const MAIN_EXPONENT: f32 = 0.375;
/// What size counts for when a ghost returns.
const RETURN_EXPONENT: f32 = 0.75;
/// How much sooner than the main queue's end a ghost must return to enter it.
const RETURN_SHARE: f32 = 0.4;
/// Weight of a new value in the moving average [`Policy::main_end`].
const MAIN_END_WEIGHT: f32 = 0.01;

/// The size classes are powers of four of [`SIZE_UNIT_BYTES`]; the last has no upper end.
const CLASSES: usize = 12;

// Layout of `Slot::state`.
/// Bits 0–1: uses since the entry last moved.
const USES_MASK: u32 = 0b11;
/// Bit 2: in the main queue.
const IN_MAIN: u32 = 0b100;
/// Bits 3–31: the clock when the entry last moved.
const MOVED_SHIFT: u32 = 3;

/// One of the two queues: a queue for each size class.
struct Region {
    classes: [Queue; CLASSES],
    /// Size to the region's exponent, by class.
    weights: [f32; CLASSES],
    size_units: u64,
    entries: u64,
}

impl<T: Entry> Policy<T> {
    pub fn new(capacity_bytes: u64) -> Self {
        Self {
            table: HashTable::new(),
            slab: Slab::new(),
            small: Region::new(SMALL_EXPONENT),
            main: Region::new(MAIN_EXPONENT),
            ghosts: Ghosts::new(),
            capacity_units: capacity_bytes / SIZE_UNIT_BYTES,
            clock: 0,
            main_end: 0.0,
            evictions: 0,
            refused: 0,
        }
    }

    /// The entry under this key, and one more use for it.
    #[inline]
    pub fn get(&self, key: &CacheKey) -> Option<&T> {
        let slot = self.slab.slot(self.find(key)?);
        let state = slot.state.load(Relaxed);
        // A hot entry is at the maximum: its line stays shared between the cores.
        if state & USES_MASK < USES_MASK {
            slot.state.store(state + 1, Relaxed);
        }
        slot.entry.as_ref()
    }

    /// Stores an entry, or does a bounded part of the work for it. What had to go is in `gone`.
    pub fn insert(&mut self, entry: T, gone: &mut impl Extend<T>) -> Step<T> {
        let key = entry.key();
        let units = entry.size_bytes().div_ceil(SIZE_UNIT_BYTES);
        let Some(size_units) = u32::try_from(units)
            .ok()
            .filter(|_| units <= self.capacity_units)
        else {
            gone.extend(self.remove(&key));
            self.refused += 1;
            return Step::Refused(entry);
        };
        let mut replaces = self.find(&key);
        for _ in 0..limits::RAM_EVICTIONS_PER_LOCK {
            let freed = replaces.map_or(0, |index| u64::from(self.slab.slot(index).size_units));
            if self.units_used() - freed + units <= self.capacity_units {
                return match replaces {
                    Some(index) => {
                        gone.extend([self.replace(index, entry, size_units)]);
                        Step::Stored
                    }
                    None => self.place(entry, size_units),
                };
            }
            gone.extend(self.evict());
            if replaces.is_some() {
                replaces = self.find(&key);
            }
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
            objects: self.entries(),
            bytes: self.units_used() * SIZE_UNIT_BYTES,
            evictions: self.evictions,
            refused: self.refused,
        }
    }

    fn units_used(&self) -> u64 {
        self.small.size_units + self.main.size_units
    }

    fn entries(&self) -> u64 {
        self.small.entries + self.main.entries
    }

    #[inline]
    fn find(&self, key: &CacheKey) -> Option<SlotIndex> {
        let is_it = |&index: &SlotIndex| self.slab.entry(index).key() == *key;
        self.table.find(key.table_bits(), is_it).copied()
    }

    /// Puts a new entry where it belongs; there is room for it.
    fn place(&mut self, entry: T, size_units: u32) -> Step<T> {
        let key = entry.key();
        self.clock = self.clock.wrapping_add(1);
        let into_main = self.ghosts.take(key, self.clock).is_some_and(|age| {
            let returned = age as f32 * return_weight(size_units);
            returned <= RETURN_SHARE * self.main_end || self.main_end == 0.0
        });
        let state = self.moved_now() | if into_main { IN_MAIN } else { 0 };
        let index = match self.slab.put(entry, size_units, state) {
            Ok(index) => index,
            Err(entry) => {
                self.refused += 1;
                return Step::Refused(entry);
            }
        };
        let region = if into_main {
            &mut self.main
        } else {
            &mut self.small
        };
        region.push(&mut self.slab, index);
        let rehash = |&index: &SlotIndex| self.slab.entry(index).key().table_bits();
        self.table.insert_unique(key.table_bits(), index, rehash);
        Step::Stored
    }

    /// Puts an entry into the place of the one under the same key, uses included.
    fn replace(&mut self, index: SlotIndex, entry: T, size_units: u32) -> T {
        let slot = self.slab.slot(index);
        let same_class = class(slot.size_units) == class(size_units);
        let state = slot.state.load(Relaxed);
        let region = if state & IN_MAIN != 0 {
            &mut self.main
        } else {
            &mut self.small
        };
        if same_class {
            region.size_units += u64::from(size_units);
            region.size_units -= u64::from(slot.size_units);
            self.slab.slot_mut(index).size_units = size_units;
        } else {
            region.unlink(&mut self.slab, index);
            let slot = self.slab.slot_mut(index);
            slot.size_units = size_units;
            // It joins the other class as its newest, and must say so, for order is by time.
            *slot.state.get_mut() = self.clock << MOVED_SHIFT | state & (IN_MAIN | USES_MASK);
            region.push(&mut self.slab, index);
        }
        let slot = self.slab.slot_mut(index);
        slot.entry
            .replace(entry)
            .expect("the index names taken slots only")
    }

    /// One step towards more room: an entry goes, or moves to where it has earned to be.
    fn evict(&mut self) -> Option<T> {
        if self.small.size_units * SMALL_SHARE > self.capacity_units || self.main.entries == 0 {
            self.evict_small()
        } else {
            self.evict_main()
        }
    }

    fn evict_small(&mut self) -> Option<T> {
        let index = self.small.next_to_go(&self.slab, self.clock)?;
        if self.slab.slot(index).state.load(Relaxed) & USES_MASK > 0 {
            let state = self.moved_now() | IN_MAIN;
            self.small.unlink(&mut self.slab, index);
            *self.slab.slot_mut(index).state.get_mut() = state;
            self.main.push(&mut self.slab, index);
            return None;
        }
        let key = self.slab.entry(index).key();
        self.ghosts.remember(key, self.clock, self.entries());
        self.evictions += 1;
        Some(self.detach(index))
    }

    fn evict_main(&mut self) -> Option<T> {
        let index = self.main.next_to_go(&self.slab, self.clock)?;
        let slot = self.slab.slot(index);
        let state = slot.state.load(Relaxed);
        let end = age(state, self.clock) * return_weight(slot.size_units);
        self.main_end += MAIN_END_WEIGHT * (end - self.main_end);
        if state & USES_MASK > 0 {
            let state = self.moved_now() | IN_MAIN | ((state & USES_MASK) - 1);
            self.main.unlink(&mut self.slab, index);
            *self.slab.slot_mut(index).state.get_mut() = state;
            self.main.push(&mut self.slab, index);
            return None;
        }
        self.evictions += 1;
        Some(self.detach(index))
    }

    /// Takes an entry out of table, queue and slab.
    fn detach(&mut self, index: SlotIndex) -> T {
        let hash = self.slab.entry(index).key().table_bits();
        if let Ok(found) = self.table.find_entry(hash, |&other| other == index) {
            found.remove();
        } else {
            debug_assert!(false, "every taken slot is in the table");
        }
        let in_main = self.slab.slot(index).state.load(Relaxed) & IN_MAIN != 0;
        let region = if in_main {
            &mut self.main
        } else {
            &mut self.small
        };
        region.unlink(&mut self.slab, index);
        self.slab.take(index)
    }

    fn moved_now(&self) -> u32 {
        self.clock << MOVED_SHIFT
    }
}

impl Region {
    fn new(exponent: f32) -> Self {
        Self {
            classes: [Queue::EMPTY; CLASSES],
            weights: std::array::from_fn(|class| 4f32.powf(class as f32 * exponent)),
            size_units: 0,
            entries: 0,
        }
    }

    fn push<T>(&mut self, slab: &mut Slab<T>, index: SlotIndex) {
        let size_units = slab.slot(index).size_units;
        self.size_units += u64::from(size_units);
        self.entries += 1;
        self.classes[class(size_units)].push(slab, index);
    }

    fn unlink<T>(&mut self, slab: &mut Slab<T>, index: SlotIndex) {
        let size_units = slab.slot(index).size_units;
        self.size_units -= u64::from(size_units);
        self.entries -= 1;
        self.classes[class(size_units)].unlink(slab, index);
    }

    /// The oldest of a class for which age × size^exponent is greatest.
    fn next_to_go<T>(&self, slab: &Slab<T>, clock: u32) -> Option<SlotIndex> {
        let mut next = None;
        let mut greatest = -1.0;
        for (class, weight) in self.classes.iter().zip(&self.weights) {
            let Some(index) = class.oldest() else {
                continue;
            };
            let state = slab.slot(index).state.load(Relaxed);
            // One more than the age, so that even among newborns large ones go first.
            let worthlessness = (age(state, clock) + 1.0) * weight;
            if worthlessness > greatest {
                greatest = worthlessness;
                next = Some(index);
            }
        }
        next
    }
}

fn class(size_units: u32) -> usize {
    (size_units.max(1).ilog2() as usize / 2).min(CLASSES - 1)
}

/// Inserts since the entry with this state last moved.
fn age(state: u32, clock: u32) -> f32 {
    // Both clocks without their upper bits, which the state has no room for.
    let moved = state & !(IN_MAIN | USES_MASK);
    ((clock << MOVED_SHIFT).wrapping_sub(moved) >> MOVED_SHIFT) as f32
}

/// Size to [`RETURN_EXPONENT`], by roots rather than by powers.
fn return_weight(size_units: u32) -> f32 {
    const { assert!(RETURN_EXPONENT == 0.75) };
    let root = (size_units as f32).sqrt();
    root * root.sqrt()
}
