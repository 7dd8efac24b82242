//! Slots for entries, and queues that link them: an index is 4 bytes where a pointer is 8.

use std::sync::atomic::AtomicU32;

/// The index of a slot; [`NONE`] is no slot.
pub type SlotIndex = u32;

/// No slot.
pub const NONE: SlotIndex = SlotIndex::MAX;

/// Sizes are counted in units, so that 32 bits are enough for an object of 16 GiB.
pub const SIZE_UNIT_BYTES: u64 = 4;

/// One entry and its place in a queue.
pub struct Slot<T> {
    /// `None` while the slot is free.
    pub entry: Option<T>,
    /// Towards the queue's oldest; in a free slot, the next free one.
    pub older: SlotIndex,
    /// Towards the queue's newest.
    pub newer: SlotIndex,
    /// The entry's size in [`SIZE_UNIT_BYTES`], rounded up.
    pub size_units: u32,
    /// The owner's notes. Hits write them under a shared lock, hence atomic; that one of two
    /// simultaneous hits may be lost is of no importance.
    pub state: AtomicU32,
}

const _: () = assert!(
    size_of::<Slot<crate::object::Object>>() == 24,
    "INDEX_BYTES_PER_OBJECT counts on it"
);

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

    /// Number of slots, free or not: indexes are below this.
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

    /// Puts an entry into a free slot, in no queue yet; gives it back when all 2³² − 1 are taken.
    pub fn put(&mut self, entry: T, size_units: u32, state: u32) -> Result<SlotIndex, T> {
        let slot = Slot {
            entry: Some(entry),
            older: NONE,
            newer: NONE,
            size_units,
            state: AtomicU32::new(state),
        };
        if self.free != NONE {
            let index = self.free;
            self.free = self.slot(index).older;
            *self.slot_mut(index) = slot;
            return Ok(index);
        }
        if self.slots.len() >= NONE as usize {
            return slot
                .entry
                .map_or_else(|| unreachable!("it was just put there"), Err);
        }
        self.slots.push(slot);
        Ok(self.len() - 1)
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
#[derive(Clone, Copy)]
pub struct Queue {
    oldest: SlotIndex,
    newest: SlotIndex,
}

impl Queue {
    pub const EMPTY: Self = Self {
        oldest: NONE,
        newest: NONE,
    };

    /// Who came first.
    #[inline]
    pub fn oldest(&self) -> Option<SlotIndex> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// Appends a slot that is in no queue.
    pub fn push<T>(&mut self, slab: &mut Slab<T>, index: SlotIndex) {
        let newest = self.newest;
        let slot = slab.slot_mut(index);
        slot.older = newest;
        slot.newer = NONE;
        if newest == NONE {
            self.oldest = index;
        } else {
            slab.slot_mut(newest).newer = index;
        }
        self.newest = index;
    }

    /// Takes a slot out, wherever in this queue it is.
    pub fn unlink<T>(&mut self, slab: &mut Slab<T>, index: SlotIndex) {
        let slot = slab.slot(index);
        let (older, newer) = (slot.older, slot.newer);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_keeps_its_order_when_one_leaves_from_anywhere() {
        for leaves in 0..4u32 {
            let mut slab = Slab::new();
            let mut queue = Queue::EMPTY;
            for entry in 0..4 {
                let index = slab.put(entry, 1, 0).unwrap();
                queue.push(&mut slab, index);
            }
            queue.unlink(&mut slab, leaves);
            assert_eq!(slab.take(leaves), leaves);
            let mut left = Vec::new();
            while let Some(index) = queue.oldest() {
                queue.unlink(&mut slab, index);
                left.push(slab.take(index));
            }
            assert_eq!(
                left,
                (0..4).filter(|&entry| entry != leaves).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn free_slots_are_used_again() {
        let mut slab = Slab::new();
        for entry in 0..3 {
            slab.put(entry, 1, 0).unwrap();
        }
        slab.take(1);
        slab.take(0);
        assert_eq!(slab.put(3, 1, 0), Ok(0));
        assert_eq!(slab.put(4, 1, 0), Ok(1));
        assert_eq!(slab.put(5, 1, 0), Ok(3));
    }
}
