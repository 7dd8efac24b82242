//! One hosted zone, compiled: a persistent tree of names.
//!
//! Read [`Zone`] first; [`node`] has the layout of a name's records, [`table`] how names are found.

mod document;
pub(crate) mod names;
pub(crate) mod node;
pub(crate) mod routed;
pub(crate) mod table;

use std::sync::Arc;

use dnssec::ZoneKeys;
use records::{Name, RecordType};

pub use document::Document;

use crate::limits::SIGNED_TTL_SECS_MAX;
use names::{Hashed, Hasher};
use node::Node;
use table::{Entry, Table};

/// One hosted zone, compiled. It never changes; the next one shares with it all that is the same.
#[derive(Clone, Debug)]
pub struct Zone {
    pub(crate) id: Arc<str>,
    pub(crate) apex: Name,
    pub(crate) apex_hash: u64,
    pub(crate) apex_labels: usize,
    pub(crate) number: u32,
    pub(crate) created_ms: u64,
    /// What its answers are signed with.
    pub(crate) keys: Option<Arc<Keys>>,
    /// The VPCs that see it; none for a public zone.
    pub(crate) vpcs: Option<Arc<[Arc<str>]>>,
    pub(crate) nodes: Table<Node>,
    /// How many names below the apex have NS records: where others go on.
    pub(crate) cuts: usize,
    /// How many names begin with `*`.
    pub(crate) wildcards: usize,
    /// How many names have record sets that are not simple.
    pub(crate) routed: usize,
    /// How many record sets there are.
    pub(crate) records: usize,
    /// The store's revision of its last change, or a later one at which it was the same.
    pub(crate) modified: u64,
}

/// What a zone's answers are signed with.
#[derive(Debug)]
pub(crate) struct Keys {
    keys: ZoneKeys,
    dnskeys: Vec<u8>,
}

impl Keys {
    pub fn new(keys: ZoneKeys) -> Keys {
        Keys {
            dnskeys: node::pack(keys.dnskeys()),
            keys,
        }
    }
}

/// Where a look-up of a name ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'z> {
    /// The name exists; its node may have no records.
    Node(&'z Node),
    /// A wildcard stands in for it.
    Wildcard(&'z Node),
    /// Others have it: the NS records of a name at or above it, which begins at that label.
    Cut { node: &'z Node, label: usize },
    /// It does not exist.
    Nothing,
}

impl Zone {
    /// `Z…`.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// The name that it is about.
    pub fn apex(&self) -> &Name {
        &self.apex
    }

    /// A small number that no other zone of this process has or had: for counters.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Whether only some networks see it.
    pub fn is_private(&self) -> bool {
        self.vpcs.is_some()
    }

    /// What its answers are signed with, if they are.
    pub fn keys(&self) -> Option<&ZoneKeys> {
        self.keys.as_ref().map(|keys| &keys.keys)
    }

    /// How many DNSKEY records it has, and these, packed as in nodes.
    pub(crate) fn dnskeys(&self) -> Option<(usize, &[u8])> {
        let keys = self.keys.as_ref()?;
        Some((keys.keys.dnskeys().len(), &keys.dnskeys))
    }

    /// How many record sets it has.
    pub fn record_sets(&self) -> usize {
        self.records
    }

    /// A time to live as it is answered (spec §7.4).
    #[inline]
    pub(crate) fn ttl(&self, ttl: u32) -> u32 {
        match self.keys.is_some() {
            true => ttl.min(SIGNED_TTL_SECS_MAX),
            false => ttl,
        }
    }

    /// Where the apex begins in a name that is within the zone.
    #[inline]
    fn apex_label(&self, name: &Hashed) -> usize {
        name.labels() - self.apex_labels
    }

    /// The node of the suffix that begins at a label.
    #[inline]
    pub(crate) fn node(&self, name: &Hashed, label: usize) -> Option<&Node> {
        self.node_of(name.hash(label), name.between(label, self.apex_label(name)))
    }

    #[inline]
    pub(crate) fn node_of(&self, hash: u64, labels: &[u8]) -> Option<&Node> {
        self.nodes.find(tag(hash), |node| node.labels() == labels)
    }

    /// The node of the apex.
    pub(crate) fn apex_node(&self) -> Option<&Node> {
        self.node_of(self.apex_hash, &[])
    }

    /// Looks a name up that is within the zone (RFC 4592 §3.3, RFC 1034 §4.3.2).
    #[inline]
    pub(crate) fn find(&self, hasher: &Hasher, name: &Hashed) -> Found<'_> {
        if self.cuts > 0
            && let Some(found) = self.find_cut(name)
        {
            return found;
        }
        match self.node(name, 0) {
            Some(node) => Found::Node(node),
            None if self.wildcards == 0 => Found::Nothing,
            None => self.find_wildcard(hasher, name),
        }
    }

    /// The uppermost cut at or above a name, below the apex.
    fn find_cut(&self, name: &Hashed) -> Option<Found<'_>> {
        for label in (0..self.apex_label(name)).rev() {
            let node = self.node(name, label)?;
            if node.simple(RecordType::NS).is_some() {
                return Some(Found::Cut { node, label });
            }
        }
        None
    }

    /// The wildcard directly below the closest name that exists.
    fn find_wildcard(&self, hasher: &Hasher, name: &Hashed) -> Found<'_> {
        let apex = self.apex_label(name);
        let encloser = (1..=apex).find(|label| self.node(name, *label).is_some());
        let Some(encloser) = encloser else {
            return Found::Nothing;
        };
        let mut labels = [0; records::limits::NAME_BYTES_MAX + 2];
        let parent = name.between(encloser, apex);
        labels[..2].copy_from_slice(b"\x01*");
        labels[2..2 + parent.len()].copy_from_slice(parent);
        let hash = hasher.child(name.hash(encloser), b"\x01*");
        match self.node_of(hash, &labels[..2 + parent.len()]) {
            Some(node) => Found::Wildcard(node),
            None => Found::Nothing,
        }
    }

    /// Changes the node of a name within the zone, which comes to be, and all above it, if it must,
    /// and goes if nothing is left of it. What `change` returns is returned.
    pub(crate) fn change<T>(&mut self, name: &Hashed, change: impl FnOnce(&mut Node) -> T) -> T {
        let apex = self.apex_label(name);
        self.create(name, apex);
        let labels = name.between(0, apex);
        let tag = tag(name.hash(0));
        let node = self.nodes.find_mut(tag, |node| node.labels() == labels);
        let node = node.expect("it was created if it was not there");
        let before = Traits::of(node, apex > 0);
        let result = change(node);
        let after = Traits::of(node, apex > 0);
        self.cuts = self.cuts + usize::from(after.is_cut) - usize::from(before.is_cut);
        self.routed = self.routed + usize::from(after.is_routed) - usize::from(before.is_routed);
        self.records = self.records + after.records - before.records;
        self.delete(name, apex);
        result
    }

    /// Makes the node of a name and those between it and the apex.
    fn create(&mut self, name: &Hashed, apex: usize) {
        let mut label = 0;
        while self.node(name, label).is_none() {
            let labels = name.between(label, apex);
            let mut node = Node::new(labels, tag(name.hash(label)));
            node.children = u32::from(label > 0);
            self.wildcards += usize::from(labels.starts_with(b"\x01*"));
            self.nodes.insert(node);
            if label == apex {
                return;
            }
            label += 1;
        }
        if label > 0 {
            // This one was there, and has one more below it.
            self.children(name, label, apex, 1);
        }
    }

    /// Removes the node of a name if it is empty, and those above it that were for it alone.
    fn delete(&mut self, name: &Hashed, apex: usize) {
        for label in 0..apex {
            let Some(node) = self.node(name, label) else {
                return;
            };
            if !node.is_empty() || node.children > 0 {
                return;
            }
            let labels = name.between(label, apex);
            let tag = tag(name.hash(label));
            self.nodes.remove(tag, |node| node.labels() == labels);
            self.wildcards -= usize::from(labels.starts_with(b"\x01*"));
            self.children(name, label + 1, apex, -1);
        }
    }

    fn children(&mut self, name: &Hashed, label: usize, apex: usize, by: i32) {
        let labels = name.between(label, apex);
        let tag = tag(name.hash(label));
        let node = self.nodes.find_mut(tag, |node| node.labels() == labels);
        let node = node.expect("what is above a name exists as long as the name does");
        node.children = node.children.saturating_add_signed(by);
    }
}

/// What a zone counts of its nodes.
struct Traits {
    is_cut: bool,
    is_routed: bool,
    records: usize,
}

impl Traits {
    fn of(node: &Node, is_below_apex: bool) -> Traits {
        let routed = node.routed.iter().flat_map(|routed| &routed.sets);
        Traits {
            is_cut: is_below_apex && node.simple(RecordType::NS).is_some(),
            is_routed: node.routed.is_some(),
            records: node.simple_sets().count()
                + routed.map(|set| set.documents.len()).sum::<usize>(),
        }
    }
}

/// The part of a hash that tables keep.
#[inline]
pub(crate) fn tag(hash: u64) -> u32 {
    hash as u32
}

/// Zones of one name, among which one answers.
#[derive(Clone, Debug)]
pub(crate) struct Namesakes {
    tag: u32,
    /// The oldest first: it answers (spec §4).
    pub zones: Arc<[Arc<Zone>]>,
}

impl Entry for Namesakes {
    #[inline]
    fn tag(&self) -> u32 {
        self.tag
    }
}

impl Namesakes {
    pub fn new(hash: u64, zones: Vec<Arc<Zone>>) -> Namesakes {
        Namesakes {
            tag: tag(hash),
            zones: zones.into(),
        }
    }

    pub fn apex(&self) -> &Name {
        &self.zones[0].apex
    }
}
