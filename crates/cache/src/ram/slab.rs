//! Slots for entries, and queues that link them: an index is 4 bytes where a pointer is 8.

use std::sync::atomic::AtomicU32;

/// The index of a slot; [`NONE`] is no slot.
pub type SlotIndex = u32;

/// No slot.
pub const NONE: SlotIndex = SlotIndex::MAX;

/// One entry and its place in a queue.
pub struct Slot<T> {
    /// `None` while the slot is free.
    pub entry: Option<T>,
    /// Towards the queue's head (evicted next); in a free slot, the next free one.
    pub older: SlotIndex,
    /// Towards the queue's tail (inserted last).
    pub newer: SlotIndex,
    /// The entry's size in [`SIZE_UNIT_BYTES`].
    pub size_units: u32,
    /// Uses since it was last looked at, and which queue: see the policy. Hits write it under a
    /// shared lock, hence atomic; a lost count between two hits at once is of no importance.
    pub state: AtomicU32,
}

/// Sizes are multiples of what the allocator rounds to (rounded up where not).
pub const SIZE_UNIT_BYTES: u64 = 16;

const _: () = assert!(size_of::<Slot<crate::object::Object>>() == 24);

/// All slots of a shard; free ones are chained.
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: SlotIndex,
}

impl<T> Slab<T> {
    pub const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: NONE,
        }
    }

    /// Slots, free or not: indexes are below this.
    pub fn len(&self) -> u32 {
        self.slots.len() as u32
    }

    #[inline]
    pub fn slot(&self, index: SlotIndex) -> &Slot<T> {
        &self.slots[index as usize]
    }

    #[inline]
    pub fn slot_mut(&mut self, index: SlotIndex) -> &mut Slot<T> {
        &mut self.slots[index as usize]
    }

    /// The entry in a slot that is known to be taken.
    #[inline]
    pub fn entry(&self, index: SlotIndex) -> &T {
        self.slot(index)
            .entry
            .as_ref()
            .expect("the index and the queues name taken slots only")
    }

    /// Puts an entry into a free slot, in no queue yet.
    pub fn put(&mut self, entry: T, size_units: u32, state: u32) -> SlotIndex {
        let slot = Slot {
            entry: Some(entry),
            older: NONE,
            newer: NONE,
            size_units,
            state: AtomicU32::new(state),
        };
        if self.free == NONE {
            self.slots.push(slot);
            return self.len() - 1;
        }
        let index = self.free;
        self.free = self.slot(index).older;
        *self.slot_mut(index) = slot;
        index
    }

    /// Frees a slot that is in no queue any more.
    pub fn take(&mut self, index: SlotIndex) -> T {
        let free = self.free;
        let slot = self.slot_mut(index);
        slot.older = free;
        let entry = slot.entry.take().expect("only taken slots are freed");
        self.free = index;
        entry
    }
}

/// A first-in-first-out queue of slots, which can also lose one from its middle.
pub struct Queue {
    oldest: SlotIndex,
    newest: SlotIndex,
    /// What its entries cost together.
    pub size_units: u64,
    /// How many they are.
    pub entries: u64,
}

impl Queue {
    pub const fn new() -> Self {
        Self {
            oldest: NONE,
            newest: NONE,
            size_units: 0,
            entries: 0,
        }
    }

    /// Who is next to go.
    #[inline]
    pub fn oldest(&self) -> Option<SlotIndex> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    pub fn push<T>(&mut self, slab: &mut Slab<T>, index: SlotIndex) {
        let newest = self.newest;
        let slot = slab.slot_mut(index);
        slot.older = newest;
        slot.newer = NONE;
        self.size_units += u64::from(slot.size_units);
        self.entries += 1;
        if newest == NONE {
            self.oldest = index;
        } else {
            slab.slot_mut(newest).newer = index;
        }
        self.newest = index;
    }

    pub fn unlink<T>(&mut self, slab: &mut Slab<T>, index: SlotIndex) {
        let slot = slab.slot(index);
        let (older, newer) = (slot.older, slot.newer);
        self.size_units -= u64::from(slot.size_units);
        self.entries -= 1;
        if older == NONE {
            self.oldest = newer;
        } else {
            slab.slot_mut(older).newer = newer;
        }
        if newer == NONE {
            self.newest = older;
        } else {
            slab.slot_mut(newer).older = older;
        }
    }
}
