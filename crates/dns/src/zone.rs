//! One hosted zone, compiled.

use std::sync::Arc;

use records::Name;
use shapes::route53::ResourceRecordSet;

/// One hosted zone, compiled.
#[derive(Clone, Debug)]
pub struct Zone {
    id: Arc<str>,
    apex: Name,
    number: u32,
}

/// A record set with the revision of its last change.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The record set.
    pub record_set: ResourceRecordSet,
    /// The store's revision of its last change.
    pub modified: u64,
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

    /// All its record sets, in no order.
    pub fn documents(&self) -> impl Iterator<Item = Document> + '_ {
        std::iter::empty()
    }
}
