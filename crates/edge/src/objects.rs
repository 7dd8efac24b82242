//! The node's objects: the RAM store, and the bans that stand over it.
//!
//! # How a ban takes hold
//!
//! 1. It is added under the write lock, so that every insertion happens before it or knows it.
//! 2. From then on look-ups hold what they find against the bans: nobody is served what is banned.
//! 3. The upkeep thread sweeps the store, removing what is banned.
//! 4. After that nothing in the store is banned, and nothing banned comes in, so look-ups need not
//!    ask any more: a hit costs the same however many bans stand.
//!
//! The write lock is held for moments, by one thread; insertions share the read lock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cache::bans::{Ban, Bans, Pattern};
use cache::flight::Takeoff;
use cache::key::CacheKey;
use cache::object::{Object, ObjectKind};
use cache::ram::RamStore;
use cache::store::{Inserted, Usage};
use parking_lot::RwLock;

/// Stored responses of all distributions, without those that are banned.
pub(crate) struct Objects {
    ram: RamStore,
    bans: RwLock<Bans>,
    /// Revision of the newest ban, as this node counts.
    newest: AtomicU64,
    /// Whether the store may hold what is banned.
    is_unswept: AtomicBool,
}

impl Objects {
    pub fn new(ram: RamStore) -> Objects {
        Objects {
            ram,
            bans: RwLock::default(),
            newest: AtomicU64::new(0),
            is_unswept: AtomicBool::new(false),
        }
    }

    /// The object under this key, if it is here and not banned.
    #[inline]
    pub fn get(&self, key: &CacheKey) -> Option<Object> {
        // Asked first: what is found after a sweep has ended is not banned.
        let is_unswept = self.is_unswept.load(Ordering::Acquire);
        let object = self.ram.get(key)?;
        if is_unswept && self.is_banned(&object) {
            return None;
        }
        Some(object)
    }

    #[cold]
    fn is_banned(&self, object: &Object) -> bool {
        is_banned(&self.bans.read(), object)
    }

    /// Whether a ban has come since the object was looked up.
    pub fn has_banned(&self, object: &Object) -> bool {
        object.meta().revision < self.newest_ban() && self.is_banned(object)
    }

    /// Keeps an object, unless a ban has overtaken its fetch.
    pub fn insert(&self, object: Object) -> Inserted {
        // Held until the object is in, so that the sweep of a ban that comes now will find it.
        let bans = self.bans.read();
        if is_banned(&bans, &object) {
            return Inserted::Refused;
        }
        self.ram.insert(object)
    }

    pub fn remove(&self, key: &CacheKey) -> bool {
        self.ram.remove(key)
    }

    /// What a fetch for that path notes when it begins.
    pub fn takeoff(&self, scope: u32, path: &[u8]) -> Takeoff {
        let revision = self.newest_ban();
        let not_before = match revision {
            0 => 0,
            _ => self.bans.read().not_before(scope, path),
        };
        Takeoff {
            revision,
            not_before,
        }
    }

    /// Revision of the newest ban, 0 before the first.
    pub fn newest_ban(&self) -> u64 {
        self.newest.load(Ordering::Acquire)
    }

    /// The newest ban that matches.
    pub fn ban_for(&self, scope: u32, path: &[u8], tags: &[u8]) -> Option<Ban> {
        self.bans.read().newest_for(scope, path, tags).cloned()
    }

    /// Bans; when this returns, no look-up gives what is banned.
    ///
    /// Each ban counts as newer than all before it, whatever the store's revision of it: several
    /// may have the same, and a store that was put back to an earlier state begins again.
    pub fn ban(&self, scope: u32, patterns: impl Iterator<Item = Pattern>, ban: &Ban) {
        let mut bans = self.bans.write();
        let ban = Ban {
            revision: ban.revision.max(bans.newest() + 1),
            ..ban.clone()
        };
        for pattern in patterns {
            bans.add(scope, pattern, ban.clone());
        }
        self.is_unswept.store(true, Ordering::Release);
        self.newest.store(bans.newest(), Ordering::Release);
    }

    /// Removes what is banned, if anything may be. Takes a moment for each thousand objects, so it
    /// is not for a thread that serves. Says how many objects went.
    pub fn sweep(&self) -> u64 {
        let mut removed = 0;
        while self.is_unswept.load(Ordering::Acquire) {
            let before = self.newest_ban();
            for shard in 0..self.ram.shard_count() {
                let bans = self.bans.read();
                removed += self.ram.retain(shard, |object| !is_banned(&bans, object));
            }
            // Under the lock, so that no ban comes between the question and the answer.
            let bans = self.bans.write();
            if bans.newest() == before {
                self.is_unswept.store(false, Ordering::Release);
            }
        }
        removed
    }

    pub fn upkeep(&self) {
        self.ram.upkeep();
    }

    pub fn usage(&self) -> Usage {
        self.ram.usage()
    }

    pub fn capacity_bytes(&self) -> u64 {
        self.ram.capacity_bytes()
    }
}

fn is_banned(bans: &Bans, object: &Object) -> bool {
    let meta = object.meta();
    meta.revision < bans.newest()
        && bans.is_banned(meta.scope, object.path(), tags(object), meta.revision)
}

/// The cache tags of a response, in lower case: `a,b`. Chunks have none: they cannot be found
/// without their head, which has them.
pub(crate) fn tags(object: &Object) -> &[u8] {
    match object.kind() {
        ObjectKind::Whole => object.extra(),
        // Behind the number that ties its chunks to it.
        ObjectKind::Head => object.extra().get(8..).unwrap_or_default(),
        _ => b"",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cache::object::Meta;

    fn object(bits: u128, path: &str, revision: u64) -> Object {
        let mut meta = Meta::new(CacheKey::from_bits(bits));
        meta.scope = 1;
        meta.revision = revision;
        Object::new(&meta, path.as_bytes(), b"news", b"", &[b"body"]).unwrap()
    }

    fn ban(objects: &Objects, item: &str, revision: u64) {
        let ban = Ban {
            revision,
            id: "I1".into(),
            at_ms: 0,
        };
        objects.ban(1, std::iter::once(Pattern::parse(item)), &ban);
    }

    fn objects() -> Objects {
        Objects::new(RamStore::new(64 << 20, 4))
    }

    #[test]
    fn what_is_banned_is_not_found_before_it_is_swept_nor_after() {
        let objects = objects();
        objects.insert(object(1, "/a", 0));
        objects.insert(object(2, "/b", 0));
        ban(&objects, "/a", 5);
        assert!(objects.get(&CacheKey::from_bits(1)).is_none());
        assert!(objects.get(&CacheKey::from_bits(2)).is_some());
        assert_eq!(objects.sweep(), 1);
        assert_eq!(objects.sweep(), 0);
        assert!(objects.get(&CacheKey::from_bits(1)).is_none());
        assert!(objects.get(&CacheKey::from_bits(2)).is_some());
    }

    #[test]
    fn a_fetch_that_a_ban_overtook_is_not_stored_and_a_later_one_is() {
        let objects = objects();
        let takeoff = objects.takeoff(1, b"/a");
        ban(&objects, "#NEWS", 5);
        objects.sweep();
        assert_eq!(
            objects.insert(object(1, "/a", takeoff.revision)),
            Inserted::Refused
        );
        let takeoff = objects.takeoff(1, b"/a");
        assert_eq!((takeoff.revision, takeoff.not_before), (5, 5));
        assert_eq!(
            objects.insert(object(1, "/a", takeoff.revision)),
            Inserted::Stored
        );
        assert!(objects.get(&CacheKey::from_bits(1)).is_some());
    }

    /// An invalidation of a template is one for each of its tenants, all of one revision; and the
    /// revisions of a store that was put back to an earlier state begin again.
    #[test]
    fn what_is_stored_before_a_ban_is_banned_whatever_the_bans_revision() {
        for (first, second) in [(5, 5), (5, 3)] {
            let objects = objects();
            let other = Ban {
                revision: first,
                id: "I1".into(),
                at_ms: 0,
            };
            objects.ban(2, std::iter::once(Pattern::parse("/a")), &other);
            let takeoff = objects.takeoff(1, b"/a");
            objects.insert(object(1, "/a", takeoff.revision));
            ban(&objects, "/a", second);
            assert!(objects.get(&CacheKey::from_bits(1)).is_none());
            assert_eq!(objects.sweep(), 1);
        }
    }
}
