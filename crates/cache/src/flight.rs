//! Flights: one fetch in progress that any number of exchanges follow.
//!
//! # Structures and locks
//!
//! [`FlightTable`] maps a key to its flight; one lock a shard, held for a map operation only.
//! A flight's own lock covers its landing, its body window and its readers. The table's is taken
//! first where both are held, which is while a follower joins. Nothing here waits on a lock for
//! longer than a few moves of pointers.
//!
//! # Life
//!
//! ```text
//! join ─ Leader ─ land(T) ─ push(bytes)* ─ finish | fail
//!      └ Follower ─ landing() ─ read()* ─ End | Failed | Gone
//! ```
//!
//! - Whoever joins first leads. Followers wait for the landing, which tells them what to make of
//!   the fetch: stream it, answer from the store, or go alone.
//! - The body is a window of segments. Readers stream while it fills. The leader waits for room
//!   when the window is full, so a fetch never outruns its readers by more than
//!   [`limits::FLIGHT_WINDOW_BYTES`](crate::limits::FLIGHT_WINDOW_BYTES).
//! - A leader that goes away without a landing abandons the flight: its followers learn of it,
//!   join again, and one of them leads. A leader that goes away within the body fails it.
//! - A follower that goes away is forgotten.
//!
//! No clock and no runtime: waiting is by [`std::task::Waker`].

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hashbrown::HashMap;
use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::key::CacheKey;
use crate::limits::{FLIGHT_SHARDS, FLIGHT_WINDOW_BYTES};

/// All flights of a node, by key. `T` is what a landing tells.
pub struct FlightTable<T> {
    shards: Box<[Mutex<Shard<T>>]>,
    flights: AtomicU64,
}

type Shard<T> = HashMap<CacheKey, Arc<Flight<T>>>;

/// What became of joining.
pub enum Role<T> {
    /// First: fetch, and tell the others.
    Leader(Leader<T>),
    /// Somebody fetches already: wait for the landing.
    Follower(Reader<T>),
}

impl<T> FlightTable<T> {
    /// A table without flights.
    pub fn new() -> Arc<FlightTable<T>> {
        let shards = (0..FLIGHT_SHARDS)
            .map(|_| Mutex::new(HashMap::new()))
            .collect();
        Arc::new(FlightTable {
            shards,
            flights: AtomicU64::new(0),
        })
    }

    /// Joins the flight of a key, or starts it.
    pub fn join(self: &Arc<Self>, key: CacheKey) -> Role<T> {
        self.join_after(key, Takeoff::default())
    }

    /// Joins the flight of a key if it took off late enough, or starts another one. An earlier one
    /// goes on for those who follow it, and nobody new finds it.
    pub fn join_after(self: &Arc<Self>, key: CacheKey, takeoff: Takeoff) -> Role<T> {
        let mut shard = self.shard(key).lock();
        if let Some(flight) = shard.get(&key)
            && flight.revision >= takeoff.not_before
        {
            // Before the table is let go, so that the leader never counts one too few.
            return Role::Follower(Reader::new(Arc::clone(flight), 0));
        }
        let flight = Arc::new(Flight::new(takeoff.revision));
        if shard.insert(key, Arc::clone(&flight)).is_none() {
            self.flights.fetch_add(1, Ordering::Relaxed);
        }
        Role::Leader(Leader {
            flight,
            place: Some((Arc::clone(self), key)),
            has_landed: false,
        })
    }

    /// Follows the flight of a key if there is one that took off at that revision or later.
    pub fn follow(&self, key: CacheKey, not_before: u64) -> Option<Reader<T>> {
        let shard = self.shard(key).lock();
        let flight = shard
            .get(&key)
            .filter(|flight| flight.revision >= not_before)?;
        Some(Reader::new(Arc::clone(flight), 0))
    }

    /// A flight that nobody else can find: for a fetch that is stored but not shared.
    pub fn alone() -> Leader<T> {
        Leader {
            flight: Arc::new(Flight::new(0)),
            place: None,
            has_landed: false,
        }
    }

    /// How many flights are in progress.
    pub fn count(&self) -> u64 {
        self.flights.load(Ordering::Relaxed)
    }

    fn shard(&self, key: CacheKey) -> &Mutex<Shard<T>> {
        &self.shards[key.shard_bits() as usize % self.shards.len()]
    }

    fn remove(&self, key: CacheKey, flight: &Arc<Flight<T>>) {
        let mut shard = self.shard(key).lock();
        if shard
            .get(&key)
            .is_some_and(|other| Arc::ptr_eq(other, flight))
        {
            shard.remove(&key);
            self.flights.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// When a flight takes off, as the store's revisions count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Takeoff {
    /// The newest ban that is known.
    pub revision: u64,
    /// What took off before this revision is not joined: a ban has overtaken it.
    pub not_before: u64,
}

struct Flight<T> {
    /// The newest ban that was known when it took off.
    revision: u64,
    state: Mutex<State<T>>,
}

struct State<T> {
    landing: Landing<T>,
    body: Window,
    end: Option<End>,
    readers: Vec<Place>,
    /// Places that a reader has left.
    free: Vec<usize>,
    leader: Option<Waker>,
    pace: Pace,
}

/// What a flight knows of one reader.
struct Place {
    /// `None` once it has left.
    position: Option<u64>,
    /// Set while it waits.
    waker: Option<Waker>,
}

enum Landing<T> {
    Awaited,
    Landed(T),
    Abandoned,
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum End {
    Finished,
    Failed,
}

/// Whom a leader waits for when the window is full.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub enum Pace {
    /// For the slowest reader: nobody loses a byte, but one can hold up all.
    #[default]
    Slowest,
    /// For the fastest: the others find that bytes are gone, and must get them elsewhere.
    Fastest,
}

/// The last part of a body, as segments with their offsets.
#[derive(Default)]
struct Window {
    segments: VecDeque<(u64, Bytes)>,
    start: u64,
    end: u64,
}

impl Window {
    fn push(&mut self, bytes: Bytes) {
        let offset = self.end;
        self.end += bytes.len() as u64;
        self.segments.push_back((offset, bytes));
    }

    fn is_full(&self) -> bool {
        self.end - self.start > FLIGHT_WINDOW_BYTES
    }

    /// Drops what is before `position` until the window is no longer full.
    fn trim(&mut self, position: u64) {
        while self.is_full() {
            match self.segments.front() {
                Some((offset, bytes)) if offset + bytes.len() as u64 <= position => {
                    self.start = offset + bytes.len() as u64;
                    self.segments.pop_front();
                }
                _ => break,
            }
        }
    }

    /// What is from `position` to the end of its segment.
    fn read(&self, position: u64) -> Option<Bytes> {
        let index = self
            .segments
            .partition_point(|(offset, _)| *offset <= position);
        let (offset, bytes) = self.segments.get(index.checked_sub(1)?)?;
        let skip = usize::try_from(position - offset).ok()?;
        (skip < bytes.len()).then(|| bytes.slice(skip..))
    }
}

impl<T> Flight<T> {
    fn new(revision: u64) -> Flight<T> {
        let state = State {
            landing: Landing::Awaited,
            body: Window::default(),
            end: None,
            readers: Vec::new(),
            free: Vec::new(),
            leader: None,
            pace: Pace::default(),
        };
        Flight {
            revision,
            state: Mutex::new(state),
        }
    }

    /// Changes the state and wakes the readers outside of the lock.
    fn change(&self, change: impl FnOnce(&mut State<T>)) {
        let waiting: SmallVec<[Waker; 4]> = {
            let mut state = self.state.lock();
            change(&mut state);
            state
                .readers
                .iter_mut()
                .filter_map(|place| place.waker.take())
                .collect()
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl<T> State<T> {
    /// Drops what may be dropped of a window that is full.
    fn trim(&mut self) {
        if !self.body.is_full() {
            return;
        }
        let positions = self.readers.iter().filter_map(|place| place.position);
        let passed = match self.pace {
            Pace::Slowest => positions.min(),
            Pace::Fastest => positions.max(),
        };
        self.body.trim(passed.unwrap_or(self.body.end));
    }
}

/// The one that fetches.
pub struct Leader<T> {
    flight: Arc<Flight<T>>,
    place: Option<(Arc<FlightTable<T>>, CacheKey)>,
    has_landed: bool,
}

impl<T> Leader<T> {
    /// Tells the followers what the fetch has come to, and keeps the flight for a body.
    pub fn land(&mut self, landing: T, pace: Pace) {
        self.has_landed = true;
        self.flight.change(|state| {
            state.pace = pace;
            state.landing = Landing::Landed(landing);
        });
    }

    /// Tells the followers what the fetch has come to when there is no body to follow. Whoever
    /// comes from now on starts anew.
    pub fn conclude(mut self, landing: T) {
        self.leave_table();
        self.land(landing, Pace::Slowest);
        self.flight.change(|state| state.end = Some(End::Finished));
    }

    /// A reader of this flight from its start.
    pub fn reader(&self) -> Reader<T> {
        Reader::new(Arc::clone(&self.flight), 0)
    }

    /// Adds to the body.
    pub fn push(&self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.flight.change(|state| {
            state.body.push(bytes);
            state.trim();
        });
    }

    /// Waits until the window has room.
    pub async fn room(&self) {
        poll_fn(|cx| {
            let mut state = self.flight.state.lock();
            state.trim();
            if !state.body.is_full() {
                return Poll::Ready(());
            }
            state.leader = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// How many follow, the leader's own reader included.
    pub fn readers_count(&self) -> usize {
        let state = self.flight.state.lock();
        state.readers.len() - state.free.len()
    }

    /// The body is complete (and, if it is to be stored, stored).
    pub fn finish(mut self) {
        self.leave_table();
        self.flight.change(|state| state.end = Some(End::Finished));
    }

    /// Whether newcomers find this flight.
    pub fn is_listed(&self) -> bool {
        self.place.is_some()
    }

    /// No longer found by newcomers; those who follow go on.
    pub fn leave_table(&mut self) {
        if let Some((table, key)) = self.place.take() {
            table.remove(key, &self.flight);
        }
    }
}

impl<T> Drop for Leader<T> {
    fn drop(&mut self) {
        self.leave_table();
        let has_landed = self.has_landed;
        self.flight.change(|state| {
            if !has_landed {
                state.landing = Landing::Abandoned;
            }
            state.end.get_or_insert(End::Failed);
        });
    }
}

/// One that follows a flight.
pub struct Reader<T> {
    flight: Arc<Flight<T>>,
    place: usize,
    position: u64,
}

/// What reading a flight's body gives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Read {
    /// The next bytes; never empty.
    Data(Bytes),
    /// The body is complete.
    End,
    /// The bytes at this position are no longer there.
    Gone,
    /// The body broke off.
    Failed,
}

impl<T> Reader<T> {
    fn new(flight: Arc<Flight<T>>, position: u64) -> Reader<T> {
        let place = {
            let mut state = flight.state.lock();
            let taken = Place {
                position: Some(position),
                waker: None,
            };
            match state.free.pop() {
                Some(place) => {
                    state.readers[place] = taken;
                    place
                }
                None => {
                    state.readers.push(taken);
                    state.readers.len() - 1
                }
            }
        };
        Reader {
            flight,
            place,
            position,
        }
    }

    /// Another reader of the same flight, at its start.
    pub fn another(&self) -> Reader<T> {
        Reader::new(Arc::clone(&self.flight), 0)
    }

    /// Goes to a position; says whether the bytes there are, or will be, in the window.
    pub fn seek(&mut self, position: u64) -> bool {
        self.position = position;
        let mut state = self.flight.state.lock();
        state.readers[self.place].position = Some(position);
        position >= state.body.start
    }

    /// Up to which byte the body has come.
    pub fn received_bytes(&self) -> u64 {
        self.flight.state.lock().body.end
    }

    /// Takes the next bytes.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Read> {
        let mut state = self.flight.state.lock();
        if self.position < state.body.start {
            return Poll::Ready(Read::Gone);
        }
        if let Some(bytes) = state.body.read(self.position) {
            self.position += bytes.len() as u64;
            state.readers[self.place].position = Some(self.position);
            let leader = if state.body.is_full() {
                state.leader.take()
            } else {
                None
            };
            drop(state);
            leader.into_iter().for_each(Waker::wake);
            return Poll::Ready(Read::Data(bytes));
        }
        match state.end {
            Some(End::Finished) => Poll::Ready(Read::End),
            Some(End::Failed) => Poll::Ready(Read::Failed),
            None => {
                state.readers[self.place].waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Takes the next bytes.
    pub async fn read(&mut self) -> Read {
        poll_fn(|cx| self.poll_read(cx)).await
    }
}

impl<T: Clone> Reader<T> {
    /// What the fetch has come to, if it has landed.
    pub fn landed(&self) -> Option<T> {
        match &self.flight.state.lock().landing {
            Landing::Landed(landing) => Some(landing.clone()),
            Landing::Awaited | Landing::Abandoned => None,
        }
    }

    /// Waits for the landing. `None`: the leader went away without one; join again.
    pub async fn landing(&self) -> Option<T> {
        poll_fn(|cx| {
            let mut state = self.flight.state.lock();
            match &state.landing {
                Landing::Landed(landing) => Poll::Ready(Some(landing.clone())),
                Landing::Abandoned => Poll::Ready(None),
                Landing::Awaited => {
                    state.readers[self.place].waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        let leader = {
            let mut state = self.flight.state.lock();
            state.readers[self.place] = Place {
                position: None,
                waker: None,
            };
            state.free.push(self.place);
            state.leader.take()
        };
        leader.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Wake for Counting {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn poll<F: Future>(future: F) -> Poll<F::Output> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn key(number: u128) -> CacheKey {
        CacheKey::from_bits(number)
    }

    fn pair(table: &Arc<FlightTable<u8>>) -> (Leader<u8>, Reader<u8>) {
        let Role::Leader(leader) = table.join(key(1)) else {
            panic!("leads")
        };
        let Role::Follower(follower) = table.join(key(1)) else {
            panic!("follows")
        };
        (leader, follower)
    }

    fn bytes(length: usize) -> Bytes {
        Bytes::from(vec![7; length])
    }

    #[test]
    fn the_first_leads_and_the_others_follow() {
        let table = FlightTable::new();
        let (mut leader, mut follower) = pair(&table);
        assert_eq!(table.count(), 1);
        assert!(poll(follower.landing()).is_pending());
        leader.land(5, Pace::Slowest);
        assert_eq!(poll(follower.landing()), Poll::Ready(Some(5)));
        assert!(poll(follower.read()).is_pending());
        leader.push(Bytes::from_static(b"ab"));
        assert_eq!(
            poll(follower.read()),
            Poll::Ready(Read::Data(Bytes::from_static(b"ab")))
        );
        leader.finish();
        assert_eq!(poll(follower.read()), Poll::Ready(Read::End));
        assert_eq!(table.count(), 0);
    }

    #[test]
    fn a_leader_that_leaves_before_landing_strands_nobody() {
        let table = FlightTable::new();
        let (leader, follower) = pair(&table);
        let counting = Arc::new(Counting::default());
        let waker = Waker::from(Arc::clone(&counting));
        {
            let mut waiting = pin!(follower.landing());
            assert!(
                waiting
                    .as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            drop(leader);
            assert_eq!(counting.0.load(Ordering::SeqCst), 1);
            let again = waiting.as_mut().poll(&mut Context::from_waker(&waker));
            assert_eq!(again, Poll::Ready(None));
        }
        assert!(matches!(table.join(key(1)), Role::Leader(_)));
    }

    #[test]
    fn a_leader_that_leaves_within_the_body_fails_it_after_what_came() {
        let table = FlightTable::new();
        let (mut leader, mut follower) = pair(&table);
        leader.land(0, Pace::Slowest);
        leader.push(bytes(3));
        drop(leader);
        assert_eq!(poll(follower.read()), Poll::Ready(Read::Data(bytes(3))));
        assert_eq!(poll(follower.read()), Poll::Ready(Read::Failed));
    }

    #[test]
    fn a_concluded_flight_is_not_joined_by_newcomers() {
        let table = FlightTable::new();
        let (leader, follower) = pair(&table);
        leader.conclude(9);
        assert_eq!(poll(follower.landing()), Poll::Ready(Some(9)));
        assert!(matches!(table.join(key(1)), Role::Leader(_)));
    }

    #[test]
    fn the_leader_waits_for_the_slowest_reader() {
        let table = FlightTable::new();
        let (mut leader, mut slow) = pair(&table);
        leader.land(0, Pace::Slowest);
        let mut fast = leader.reader();
        for _ in 0..=FLIGHT_WINDOW_BYTES / 1024 {
            leader.push(bytes(1024));
        }
        while let Poll::Ready(Read::Data(_)) = poll(fast.read()) {}
        assert!(poll(leader.room()).is_pending());
        assert!(matches!(poll(slow.read()), Poll::Ready(Read::Data(_))));
        assert!(poll(leader.room()).is_ready());
        drop((slow, fast));
        leader.push(bytes(FLIGHT_WINDOW_BYTES as usize));
        assert!(poll(leader.room()).is_ready(), "nobody to wait for");
    }

    #[test]
    fn at_the_pace_of_the_fastest_the_slow_find_bytes_gone() {
        let table = FlightTable::new();
        let (mut leader, mut slow) = pair(&table);
        leader.land(0, Pace::Fastest);
        let mut fast = leader.reader();
        for _ in 0..=FLIGHT_WINDOW_BYTES / 1024 {
            leader.push(bytes(1024));
            assert!(matches!(poll(fast.read()), Poll::Ready(Read::Data(_))));
        }
        assert!(poll(leader.room()).is_ready());
        assert_eq!(poll(slow.read()), Poll::Ready(Read::Gone));
        assert!(
            slow.seek(FLIGHT_WINDOW_BYTES),
            "what is in the window can be read again"
        );
        assert!(matches!(poll(slow.read()), Poll::Ready(Read::Data(_))));
    }

    #[test]
    fn a_reader_that_leaves_lets_the_leader_go_on() {
        let table = FlightTable::new();
        let (mut leader, slow) = pair(&table);
        leader.land(0, Pace::Slowest);
        leader.push(bytes(FLIGHT_WINDOW_BYTES as usize + 1));
        assert_eq!(leader.readers_count(), 1);
        assert!(poll(leader.room()).is_pending());
        drop(slow);
        assert!(poll(leader.room()).is_ready());
    }

    #[derive(Clone, Debug)]
    enum Act {
        Push(usize),
        Read(usize),
        Leave(usize),
        Join,
    }

    proptest! {
        /// Whatever the order of events, a reader gets the body's bytes in order, or is told
        /// that they are gone.
        #[test]
        fn readers_get_every_byte_in_order(acts in prop::collection::vec(prop_oneof![
            (1usize..2_000_000).prop_map(Act::Push),
            (0usize..4).prop_map(Act::Read),
            (0usize..4).prop_map(Act::Leave),
            Just(Act::Join),
        ], 1..60)) {
            let table = FlightTable::new();
            let Role::Leader(mut leader) = table.join(key(1)) else { panic!("leads") };
            leader.land(0u8, Pace::Slowest);
            let (mut sent, mut readers) = (0u64, Vec::<(Reader<u8>, u64)>::new());
            for act in acts {
                match act {
                    Act::Push(length) if poll(leader.room()).is_ready() => {
                        leader.push(Bytes::from(vec![0; length]));
                        sent += length as u64;
                    }
                    Act::Push(_) => prop_assert!(!readers.is_empty(), "waits for nobody"),
                    Act::Join => {
                        let Role::Follower(reader) = table.join(key(1)) else { panic!("follows") };
                        readers.push((reader, 0));
                    }
                    Act::Leave(index) if index < readers.len() => drop(readers.remove(index)),
                    Act::Read(index) if index < readers.len() => {
                        let (reader, position) = &mut readers[index];
                        match poll(reader.read()) {
                            Poll::Ready(Read::Data(bytes)) => *position += bytes.len() as u64,
                            Poll::Pending => prop_assert_eq!(*position, sent),
                            // Only one that joined too late has missed anything.
                            Poll::Ready(Read::Gone) => prop_assert_eq!(*position, 0),
                            Poll::Ready(other) => prop_assert!(false, "{:?}", other),
                        }
                    }
                    Act::Leave(_) | Act::Read(_) => {}
                }
            }
        }
    }
}
