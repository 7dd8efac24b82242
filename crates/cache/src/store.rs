//! What every store of objects can do; RAM is the first of them.

use crate::key::CacheKey;
use crate::object::Object;

/// A place that keeps objects until it needs the room for better ones.
///
/// A store may forget at any time and may refuse; it never returns another key's object.
pub trait Store {
    /// The object under this key, if the store still has it. Counts as a use of it.
    fn get(&self, key: &CacheKey) -> Option<Object>;

    /// Keeps the object under its own key, in place of one that is there already.
    fn insert(&self, object: Object) -> Inserted;

    /// Forgets the object under this key; says whether there was one.
    fn remove(&self, key: &CacheKey) -> bool;
}

/// What became of an object that was offered to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is stored.
    Stored,
    /// The store judged it worth less than what would have to go for it, or found it too large.
    /// What was under its key before is gone all the same.
    Refused,
}

/// What a store holds and has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Objects stored now.
    pub objects: u64,
    /// What they cost, all overheads included.
    pub bytes: u64,
    /// Objects that had to go for others.
    pub evictions: u64,
    /// Objects that were not accepted.
    pub refused: u64,
}
