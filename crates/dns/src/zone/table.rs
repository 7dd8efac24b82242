//! A hash table that shares all but a few kilobytes with the one that it was made from.
//!
//! ```text
//! chunks: Vec ─► [128 buckets] ─► bucket: some 32 to 64 entries in open slots
//! ```
//!
//! A change copies the chunk and the bucket that it touches, unless nobody else has them, and the
//! list of chunks. The table grows by one bucket at a time (linear hashing), so that no single
//! change pays for all entries. A look-up reads the chunk, a slot, and what the slot has.

use std::sync::Arc;

/// Buckets in a chunk; a power of two.
const CHUNK_BUCKETS: usize = 128;

/// Entries for each bucket before another one comes.
const BUCKET_ENTRIES_MEAN: usize = 64;

/// What a table holds.
pub(crate) trait Entry: Clone {
    /// Half of the hash that the entry is found by.
    fn tag(&self) -> u32;
}

#[derive(Clone, Debug)]
struct Bucket<E> {
    /// At most four fifths are taken.
    slots: Arc<[Option<E>]>,
    count: u32,
}

/// A persistent hash table. Its keys are its entries' own; callers compare.
#[derive(Clone, Debug)]
pub(crate) struct Table<E> {
    chunks: Vec<Arc<[Bucket<E>]>>,
    buckets: usize,
    entries: usize,
}

impl<E: Entry> Table<E> {
    pub(crate) fn new() -> Table<E> {
        Table {
            chunks: vec![Arc::from([Bucket::of(Vec::new())])],
            buckets: 1,
            entries: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries
    }

    /// The entry that is looked for.
    #[inline]
    pub(crate) fn find(&self, tag: u32, is_it: impl Fn(&E) -> bool) -> Option<&E> {
        let (chunk, place) = self.place(tag);
        let slots = &self.chunks[chunk][place].slots;
        let at = position(slots, tag, is_it)?;
        slots[at].as_ref()
    }

    /// The entry that is looked for, to be changed; its tag must stay.
    pub(crate) fn find_mut(&mut self, tag: u32, is_it: impl Fn(&E) -> bool) -> Option<&mut E> {
        let (chunk, place) = self.place(tag);
        let at = position(&self.chunks[chunk][place].slots, tag, is_it)?;
        let bucket = &mut Arc::make_mut(&mut self.chunks[chunk])[place];
        Arc::make_mut(&mut bucket.slots)[at].as_mut()
    }

    /// Adds an entry, which must not be there yet.
    pub(crate) fn insert(&mut self, entry: E) {
        if self.entries >= self.buckets * BUCKET_ENTRIES_MEAN {
            self.split();
        }
        let (chunk, place) = self.place(entry.tag());
        Arc::make_mut(&mut self.chunks[chunk])[place].insert(entry);
        self.entries += 1;
    }

    /// Takes an entry away.
    pub(crate) fn remove(&mut self, tag: u32, is_it: impl Fn(&E) -> bool) -> Option<E> {
        let (chunk, place) = self.place(tag);
        let at = position(&self.chunks[chunk][place].slots, tag, is_it)?;
        let bucket = &mut Arc::make_mut(&mut self.chunks[chunk])[place];
        let mut entries = bucket.take();
        let removed = entries[at].take();
        *bucket = Bucket::of(entries.into_iter().flatten().collect());
        self.entries -= 1;
        removed
    }

    /// All entries, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &E> {
        let buckets = self.chunks.iter().flat_map(|chunk| chunk.iter());
        buckets.flat_map(|bucket| bucket.slots.iter().flatten())
    }

    #[inline]
    fn place(&self, tag: u32) -> (usize, usize) {
        let mask = self.buckets.next_power_of_two() - 1;
        let mut index = tag as usize & mask;
        if index >= self.buckets {
            // Not split yet: it is still with the one that it will be split from.
            index &= mask >> 1;
        }
        (index / CHUNK_BUCKETS, index % CHUNK_BUCKETS)
    }

    /// Adds a bucket, and moves to it what belongs there.
    fn split(&mut self) {
        let added = self.buckets;
        let bit = 1 << added.ilog2();
        let from = added - bit;
        let chunk = Arc::make_mut(&mut self.chunks[from / CHUNK_BUCKETS]);
        let entries = chunk[from % CHUNK_BUCKETS].take();
        let (moved, kept): (Vec<E>, Vec<E>) = entries
            .into_iter()
            .flatten()
            .partition(|entry| entry.tag() as usize & bit != 0);
        chunk[from % CHUNK_BUCKETS] = Bucket::of(kept);
        self.push(Bucket::of(moved));
    }

    fn push(&mut self, bucket: Bucket<E>) {
        let (chunk, place) = (self.buckets / CHUNK_BUCKETS, self.buckets % CHUNK_BUCKETS);
        self.buckets += 1;
        if chunk == 0 {
            // Small tables have one chunk, as long as it must be.
            let mut buckets = self.chunks[0].to_vec();
            buckets.push(bucket);
            self.chunks[0] = buckets.into();
        } else if place == 0 {
            let mut buckets = vec![bucket];
            buckets.resize_with(CHUNK_BUCKETS, || Bucket::of(Vec::new()));
            self.chunks.push(buckets.into());
        } else {
            Arc::make_mut(&mut self.chunks[chunk])[place] = bucket;
        }
    }
}

impl<E: Entry> Bucket<E> {
    fn of(entries: Vec<E>) -> Bucket<E> {
        let count = entries.len();
        let mut slots = vec![None; slots_for(count)];
        for entry in entries {
            put(&mut slots, entry);
        }
        Bucket {
            slots: slots.into(),
            count: count as u32,
        }
    }

    fn take(&mut self) -> Vec<Option<E>> {
        let slots = std::mem::replace(&mut self.slots, Arc::from([]));
        self.count = 0;
        slots.to_vec()
    }

    fn insert(&mut self, entry: E) {
        let count = self.count as usize + 1;
        if count * 5 > self.slots.len() * 4 {
            let mut slots = vec![None; slots_for(count)];
            match Arc::get_mut(&mut self.slots) {
                Some(own) => {
                    let taken = own.iter_mut().filter_map(Option::take);
                    taken.for_each(|entry| put(&mut slots, entry));
                }
                None => {
                    let shared = self.slots.iter().flatten().cloned();
                    shared.for_each(|entry| put(&mut slots, entry));
                }
            }
            self.slots = slots.into();
        }
        put(Arc::make_mut(&mut self.slots), entry);
        self.count = count as u32;
    }
}

/// Slots for so many entries, with room for more. Never full: a search ends at an open slot.
fn slots_for(entries: usize) -> usize {
    match entries {
        0 => 0,
        1..=3 => 4,
        _ => entries * 3 / 2,
    }
}

/// Where a search begins. The upper bits say so; the lower ones chose the bucket.
#[inline]
fn first_slot(slots: usize, tag: u32) -> usize {
    ((u64::from(tag) * slots as u64) >> 32) as usize
}

#[inline]
fn position<E: Entry>(slots: &[Option<E>], tag: u32, is_it: impl Fn(&E) -> bool) -> Option<usize> {
    let mut at = first_slot(slots.len(), tag);
    for _ in 0..slots.len() {
        let entry = slots[at].as_ref()?;
        if entry.tag() == tag && is_it(entry) {
            return Some(at);
        }
        at += 1;
        if at == slots.len() {
            at = 0;
        }
    }
    None
}

fn put<E: Entry>(slots: &mut [Option<E>], entry: E) {
    let mut at = first_slot(slots.len(), entry.tag());
    while slots[at].is_some() {
        at = (at + 1) % slots.len();
    }
    slots[at] = Some(entry);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Number(u32);

    impl Entry for Number {
        fn tag(&self) -> u32 {
            // Few tags for many numbers, so that some meet.
            (self.0 / 2).wrapping_mul(2_654_435_761)
        }
    }

    fn find(table: &Table<Number>, number: u32) -> Option<&Number> {
        table.find(Number(number).tag(), |entry| entry.0 == number)
    }

    #[test]
    fn what_is_put_is_found_and_what_is_removed_is_not() {
        let mut table = Table::new();
        assert_eq!(find(&table, 1), None);
        (0..100_000).for_each(|number| table.insert(Number(number)));
        assert_eq!(table.len(), 100_000);
        assert_eq!(table.iter().count(), 100_000);
        for number in 0..100_000 {
            assert_eq!(find(&table, number), Some(&Number(number)));
        }
        assert_eq!(find(&table, 100_000), None);
        for number in (0..100_000).step_by(3) {
            let tag = Number(number).tag();
            assert!(table.remove(tag, |entry| entry.0 == number).is_some());
            assert!(table.remove(tag, |entry| entry.0 == number).is_none());
        }
        for number in 0..100_000 {
            assert_eq!(find(&table, number).is_some(), number % 3 != 0);
        }
    }

    #[test]
    fn a_changed_table_leaves_the_one_that_it_was_made_from() {
        let mut before = Table::new();
        (0..10_000).for_each(|number| before.insert(Number(number)));
        let mut after = before.clone();
        (10_000..20_000).for_each(|number| after.insert(Number(number)));
        after.remove(Number(7).tag(), |entry| entry.0 == 7);
        assert_eq!(before.len(), 10_000);
        assert!((0..10_000).all(|number| find(&before, number).is_some()));
        assert!((10_000..20_000).all(|number| find(&before, number).is_none()));
        assert!((0..20_000).all(|number| find(&after, number).is_some() == (number != 7)));
    }

    #[test]
    fn a_table_whose_tags_are_all_equal_still_finds_its_entries() {
        #[derive(Clone)]
        struct Same(u32);
        impl Entry for Same {
            fn tag(&self) -> u32 {
                u32::MAX
            }
        }
        let mut table = Table::new();
        (0..1000).for_each(|number| table.insert(Same(number)));
        for number in 0..1000 {
            assert!(table.find(u32::MAX, |entry| entry.0 == number).is_some());
        }
        assert!(table.find(u32::MAX, |entry| entry.0 == 1000).is_none());
    }
}
