//! Bans: standing invalidations. A ban removes what matches it and is older than it.
//!
//! Every object carries the revision of the newest ban that its node knew when the object's fetch
//! began ([`Meta::revision`](crate::object::Meta::revision)). A ban of a later revision that
//! matches the object's path or one of its tags removes it, whenever the object arrives: a fetch
//! that a ban overtakes brings what may be old.
//!
//! [`Bans`] is only the knowledge; who asks it when is in the `edge` crate's `objects.rs`. Matching
//! costs a table look-up for the path, one for each different length of a wildcard that is no
//! longer than the path, and one for each tag, however many bans stand.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use crate::limits::BANS_PER_SCOPE_MAX;

/// What an invalidation removes (spec §8.1, §8.5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// One path, with its query if the cache key has one.
    Exact(Arc<[u8]>),
    /// Every path that begins so.
    Prefix(Arc<[u8]>),
    /// Every object with the tag, in lower case.
    Tag(Arc<[u8]>),
}

impl Pattern {
    /// Reads an item of `InvalidationBatch.Paths`: `/a`, `/a*`, `#tag`.
    pub fn parse(item: &str) -> Pattern {
        if let Some(tag) = item.strip_prefix('#') {
            return Pattern::Tag(tag.to_ascii_lowercase().as_bytes().into());
        }
        match item.strip_suffix('*') {
            Some(prefix) => Pattern::Prefix(prefix.as_bytes().into()),
            None => Pattern::Exact(item.as_bytes().into()),
        }
    }
}

/// One invalidation, as it can be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The store's revision that it was made at; on a node, at least one more than that of the ban
    /// before it.
    pub revision: u64,
    /// `I…`.
    pub id: Arc<str>,
    /// When it was made, in milliseconds since 1970.
    pub at_ms: u64,
}

/// All standing bans of a node.
#[derive(Debug, Default)]
pub struct Bans {
    scopes: HashMap<u32, Scope>,
    newest: u64,
}

/// The bans of one distribution.
#[derive(Debug, Default)]
struct Scope {
    exact: HashMap<Arc<[u8]>, Ban>,
    prefix: HashMap<Arc<[u8]>, Ban>,
    /// How many of `prefix` have each length.
    prefix_lengths: BTreeMap<usize, usize>,
    tag: HashMap<Arc<[u8]>, Ban>,
    /// The newest of `tag`.
    newest_tag: u64,
    /// In the order of their making.
    order: VecDeque<(u64, Pattern)>,
    /// What is older than this may match a ban that is forgotten.
    floor: u64,
}

impl Bans {
    /// Adds a ban. Revisions never fall.
    pub fn add(&mut self, scope: u32, pattern: Pattern, ban: Ban) {
        self.newest = self.newest.max(ban.revision);
        self.scopes.entry(scope).or_default().add(pattern, ban);
    }

    /// The newest revision of all.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// How many patterns stand.
    pub fn count(&self) -> usize {
        self.scopes.values().map(|scope| scope.order.len()).sum()
    }

    /// Whether an object of that scope, path, tags and revision is banned.
    pub fn is_banned(&self, scope: u32, path: &[u8], tags: &[u8], revision: u64) -> bool {
        revision < self.newest
            && self.scopes.get(&scope).is_some_and(|scope| {
                revision < scope.floor
                    || scope
                        .newest(path, tags)
                        .is_some_and(|ban| revision < ban.revision)
            })
    }

    /// The newest ban that matches a path or one of the tags (`a,b`).
    pub fn newest_for(&self, scope: u32, path: &[u8], tags: &[u8]) -> Option<&Ban> {
        self.scopes.get(&scope)?.newest(path, tags)
    }

    /// A fetch for that path that began before this revision brings nothing for those who come
    /// now: a ban matches it, or may match its tags, which nobody knows before it lands.
    pub fn not_before(&self, scope: u32, path: &[u8]) -> u64 {
        let Some(scope) = self.scopes.get(&scope) else {
            return 0;
        };
        let by_path = scope.newest(path, b"").map_or(0, |ban| ban.revision);
        by_path.max(scope.newest_tag).max(scope.floor)
    }
}

impl Scope {
    fn add(&mut self, pattern: Pattern, ban: Ban) {
        self.order.push_back((ban.revision, pattern.clone()));
        match pattern {
            Pattern::Exact(path) => {
                self.exact.insert(path, ban);
            }
            Pattern::Prefix(path) => {
                let length = path.len();
                if self.prefix.insert(path, ban).is_none() {
                    *self.prefix_lengths.entry(length).or_default() += 1;
                }
            }
            Pattern::Tag(tag) => {
                self.newest_tag = ban.revision;
                self.tag.insert(tag, ban);
            }
        }
        while self.order.len() > BANS_PER_SCOPE_MAX {
            self.forget_oldest();
        }
    }

    /// Makes room; everything older than what is forgotten counts as banned from now on.
    fn forget_oldest(&mut self) {
        let Some((revision, pattern)) = self.order.pop_front() else {
            return;
        };
        self.floor = revision;
        // A newer ban of the same pattern stays.
        let is_it = |ban: &Ban| ban.revision == revision;
        match pattern {
            Pattern::Exact(path) => {
                if self.exact.get(&path).is_some_and(is_it) {
                    self.exact.remove(&path);
                }
            }
            Pattern::Prefix(path) => {
                if self.prefix.get(&path).is_some_and(is_it) {
                    self.prefix.remove(&path);
                    let length = path.len();
                    let count = self.prefix_lengths.entry(length).or_default();
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        self.prefix_lengths.remove(&length);
                    }
                }
            }
            Pattern::Tag(tag) => {
                if self.tag.get(&tag).is_some_and(is_it) {
                    self.tag.remove(&tag);
                }
            }
        }
    }

    fn newest(&self, path: &[u8], tags: &[u8]) -> Option<&Ban> {
        let prefixes = self
            .prefix_lengths
            .range(..=path.len())
            .filter_map(|(length, _)| self.prefix.get(&path[..*length]));
        let tags = tags
            .split(|byte| *byte == b',')
            .filter(|tag| !tag.is_empty() && !self.tag.is_empty())
            .filter_map(|tag| self.tag.get(tag));
        let exact = self.exact.get(path).into_iter();
        exact
            .chain(prefixes)
            .chain(tags)
            .max_by_key(|ban| ban.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ban(revision: u64) -> Ban {
        Ban {
            revision,
            id: "I".into(),
            at_ms: 0,
        }
    }

    fn bans(items: &[(&str, u64)]) -> Bans {
        let mut bans = Bans::default();
        for (item, revision) in items {
            bans.add(1, Pattern::parse(item), ban(*revision));
        }
        bans
    }

    #[test]
    fn a_ban_removes_what_matches_and_is_older() {
        let bans = bans(&[("/a.jpg", 5), ("/img/*", 6), ("/x*", 7), ("#Tag", 8)]);
        let is_banned = |path: &str, tags: &str, revision| {
            bans.is_banned(1, path.as_bytes(), tags.as_bytes(), revision)
        };
        assert!(is_banned("/a.jpg", "", 4) && !is_banned("/a.jpg", "", 5));
        assert!(
            !is_banned("/a.jpg?q=1", "", 0),
            "another object by its query"
        );
        assert!(is_banned("/img/", "", 5) && is_banned("/img/b/c?d", "", 5));
        assert!(!is_banned("/img", "", 0));
        assert!(is_banned("/x", "", 6) && is_banned("/xyz?q", "", 6));
        assert!(is_banned("/z", "other,tag", 7) && !is_banned("/z", "tagged", 0));
        assert!(
            !bans.is_banned(2, b"/a.jpg", b"", 0),
            "another distribution"
        );
    }

    #[test]
    fn a_fetch_that_began_before_a_matching_ban_is_not_joined() {
        let bans = bans(&[("/a", 5), ("/b*", 6)]);
        assert_eq!(bans.not_before(1, b"/a"), 5);
        assert_eq!(bans.not_before(1, b"/bcd"), 6);
        assert_eq!(bans.not_before(1, b"/z"), 0);
        let mut bans = bans;
        bans.add(1, Pattern::parse("#t"), ban(9));
        assert_eq!(
            bans.not_before(1, b"/z"),
            9,
            "it may turn out to have the tag"
        );
    }

    #[test]
    fn forgotten_bans_count_for_everything_older() {
        let mut bans = bans(&[("/gone", 3)]);
        for index in 0..BANS_PER_SCOPE_MAX as u64 {
            bans.add(1, Pattern::parse(&format!("/{index}*")), ban(10 + index));
        }
        assert_eq!(bans.count(), BANS_PER_SCOPE_MAX);
        assert!(bans.is_banned(1, b"/gone", b"", 2));
        assert!(
            bans.is_banned(1, b"/innocent", b"", 2),
            "to be on the safe side"
        );
        assert!(!bans.is_banned(1, b"/innocent", b"", 3));
    }

    proptest! {
        #[test]
        fn bans_agree_with_looking_through_a_list(
            items in prop::collection::vec(("/[ab/]{0,4}", prop::bool::ANY), 0..20),
            path in "/[ab/]{0,6}",
            revision in 0u64..25,
        ) {
            let mut bans = Bans::default();
            let mut list = Vec::new();
            for (index, (text, is_wildcard)) in items.iter().enumerate() {
                let item = if *is_wildcard { format!("{text}*") } else { text.clone() };
                bans.add(7, Pattern::parse(&item), ban(index as u64 + 1));
                list.push((item, index as u64 + 1));
            }
            let expected = list.iter().any(|(item, made)| {
                let matches = match item.strip_suffix('*') {
                    Some(prefix) => path.starts_with(prefix),
                    None => path == *item,
                };
                matches && revision < *made
            });
            prop_assert_eq!(bans.is_banned(7, path.as_bytes(), b"", revision), expected);
        }
    }
}
