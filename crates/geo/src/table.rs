use crate::limits;

/// The place of a range that has none.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// An address as a number.
pub(crate) trait Address: Copy + Default + Ord {
    /// The number made of its upper bits, so many of them; 1 to 16.
    fn upper(self, bits: u32) -> usize;

    /// The address before it, unless it is the first.
    fn before(self) -> Option<Self>;

    /// The address after it, unless it is the last.
    fn after(self) -> Option<Self>;

    /// How many leading bits it has in common with another one.
    fn shared_bits(self, other: Self) -> u8;
}

macro_rules! address {
    ($number:ty) => {
        impl Address for $number {
            #[inline]
            fn upper(self, bits: u32) -> usize {
                (self >> (<$number>::BITS - bits)) as usize
            }

            #[inline]
            fn before(self) -> Option<Self> {
                self.checked_sub(1)
            }

            #[inline]
            fn after(self) -> Option<Self> {
                self.checked_add(1)
            }

            #[inline]
            fn shared_bits(self, other: Self) -> u8 {
                (self ^ other).leading_zeros() as u8
            }
        }
    };
}

address!(u32);
address!(u128);

/// The whole address space cut into ranges. Each goes from its start to before the next one's; the
/// first start is 0.
#[derive(Clone, Debug)]
pub(crate) struct Table<A> {
    starts: Vec<A>,
    /// Number of each range's place, or [`NOWHERE`].
    places: Vec<u32>,
    /// How many starts have upper bits below the index: where to begin the search, so that it
    /// touches two or three cache lines and not twenty.
    before: Box<[u32]>,
    /// How many upper bits that are: fewer in a small table.
    upper_bits: u32,
}

/// A network to lay over a table: its first and last address, and its place.
pub(crate) type Patch<A> = (A, A, u32);

impl<A: Address> Table<A> {
    /// A table of one range, which is nowhere; to be searched once it is finished.
    pub fn new() -> Table<A> {
        Table {
            starts: vec![A::default()],
            places: vec![NOWHERE],
            before: Box::default(),
            upper_bits: 0,
        }
    }

    /// Adds the next range. Starts must ascend; the first may be 0 and then replaces the nothing
    /// that is there.
    pub fn push(&mut self, start: A, place: u32) {
        let last = self.starts.len() - 1;
        if self.starts[last] == start {
            self.places[last] = place;
        } else if self.places[last] != place {
            debug_assert!(self.starts[last] < start);
            self.starts.push(start);
            self.places.push(place);
        }
    }

    /// Makes it searchable.
    pub fn finish(&mut self) {
        self.starts.shrink_to_fit();
        self.places.shrink_to_fit();
        self.upper_bits = self.starts.len().ilog2().clamp(1, limits::INDEX_BITS_MAX);
        let mut before = vec![0u32; (1 << self.upper_bits) + 1];
        for start in &self.starts {
            before[start.upper(self.upper_bits) + 1] += 1;
        }
        for upper in 1..before.len() {
            before[upper] += before[upper - 1];
        }
        self.before = before.into();
    }

    /// A table of the same ranges with other places; neighbours that get the same one become one
    /// range.
    pub fn map(&self, mut place_of: impl FnMut(u32) -> u32) -> Table<A> {
        let mut mapped = Table::new();
        for (start, place) in self.starts.iter().zip(&self.places) {
            mapped.push(*start, place_of(*place));
        }
        mapped.finish();
        mapped
    }

    /// A table with networks laid over it. They are sorted by their first address, and of those
    /// with the same one the wider is first; so the narrower lies on top. Networks are either
    /// inside of one another or apart.
    pub fn overlay(&self, patches: &[Patch<A>]) -> Table<A> {
        let changes = changes(patches);
        let mut laid = Table::new();
        let (mut below, mut on_top) = (NOWHERE, None);
        let (mut base, mut change) = (0, 0);
        loop {
            let starts = [
                self.starts.get(base).copied(),
                changes.get(change).map(|(start, _)| *start),
            ];
            let Some(start) = starts.into_iter().flatten().min() else {
                break;
            };
            if starts[0] == Some(start) {
                below = self.places[base];
                base += 1;
            }
            while let Some((_, place)) = changes.get(change).filter(|(at, _)| *at == start) {
                on_top = *place;
                change += 1;
            }
            laid.push(start, on_top.unwrap_or(below));
        }
        laid.finish();
        laid
    }

    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// The place of an address.
    #[inline]
    pub fn find(&self, address: A) -> u32 {
        self.places[self.range(address)]
    }

    /// The place of an address, and the length of the shortest prefix of it that only addresses
    /// of the same range have.
    #[inline]
    pub fn find_prefix(&self, address: A) -> (u32, u8) {
        let range = self.range(address);
        // The bit after the last one shared with the address before the range must be known, and
        // so for the one after it.
        let low = match self.starts[range].before() {
            Some(before) => address.shared_bits(before) + 1,
            None => 0,
        };
        let high = match self.starts.get(range + 1) {
            Some(next) => address.shared_bits(*next) + 1,
            None => 0,
        };
        (self.places[range], low.max(high))
    }

    #[inline]
    fn range(&self, address: A) -> usize {
        let upper = address.upper(self.upper_bits);
        let (from, to) = (self.before[upper] as usize, self.before[upper + 1] as usize);
        let at = from + self.starts[from..to].partition_point(|start| *start <= address);
        // The first start is 0, so at least one is not after the address.
        at - 1
    }
}

/// Where what lies on top changes, and to what; `None` is the table itself. Of several changes at
/// one address the last counts.
fn changes<A: Address>(patches: &[Patch<A>]) -> Vec<(A, Option<u32>)> {
    let mut changes = Vec::with_capacity(2 * patches.len());
    // The networks around the present address, the widest first.
    let mut around: Vec<(A, u32)> = Vec::new();
    let leave = |around: &mut Vec<(A, u32)>, changes: &mut Vec<(A, Option<u32>)>| {
        if let Some((last, _)) = around.pop()
            && let Some(next) = last.after()
        {
            changes.push((next, around.last().map(|(_, place)| *place)));
        }
    };
    for (first, last, place) in patches {
        while around.last().is_some_and(|(last, _)| last < first) {
            leave(&mut around, &mut changes);
        }
        changes.push((*first, Some(*place)));
        around.push((*last, *place));
    }
    while !around.is_empty() {
        leave(&mut around, &mut changes);
    }
    changes
}
