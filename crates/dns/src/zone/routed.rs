//! Record sets that are chosen from, or that lead elsewhere: groups, aliases, traffic policies.

use std::sync::Arc;

use records::{Name, RecordType};
use routing::Group;

use crate::cells::Elsewhere;

/// The record sets of a name that are not simple.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routed {
    /// By ascending type; none is without members.
    pub sets: Vec<RoutedSet>,
}

/// One of them, of one type.
#[derive(Clone, Debug)]
pub(crate) struct RoutedSet {
    pub record_type: RecordType,
    pub choice: Choice,
    /// The stored forms of its members.
    pub documents: Vec<Stored>,
}

/// A record set as it is stored: compiled, it does not show its rule any more.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// None for the one record set of its name and type.
    pub identifier: Option<Box<str>>,
    /// JSON of the shape.
    pub json: Arc<str>,
    pub modified: u64,
}

/// What is chosen from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    /// How; without it, the first member answers.
    pub group: Option<Arc<Group>>,
    pub members: Arc<[Member]>,
}

/// What may be chosen.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Its set identifier, or the name of what a traffic policy's reference leads to.
    pub label: Box<str>,
    /// Of its values; an alias has its target's.
    pub ttl: u32,
    pub health: Option<Arc<health::Cell>>,
    pub content: Content,
}

/// What is answered by a member.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Values {
        count: u16,
        /// Packed as in a node.
        records: Box<[u8]>,
    },
    Alias {
        target: Target,
        is_health_evaluated: bool,
    },
    /// A rule of a traffic policy.
    Nested {
        choice: Choice,
        is_health_evaluated: bool,
    },
}

/// Where an alias leads.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A record set of the same zone and of the type of the alias.
    Here(Name),
    /// A distribution: the platform's nearest PoPs.
    Platform(Name),
    /// A name that others serve.
    Elsewhere(Arc<Elsewhere>),
}

impl Routed {
    pub fn set(&self, record_type: RecordType) -> Option<&RoutedSet> {
        self.sets.iter().find(|set| set.record_type == record_type)
    }
}
