//! Record sets out of their compiled form.

use bytes::Bytes;
use documents::route53::{bare, record};
use records::{Name, RecordType, rdata};
use shapes::route53::{RRType, ResourceRecord, ResourceRecordSet};
use store::Revision;

use super::Zone;
use super::node::{Node, Simple};
use super::routed::Stored;

/// A record set out of its compiled form.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The record set. Values are as the wire has them: of equal meaning, not of equal letters.
    pub record_set: ResourceRecordSet,
    /// The store's revision of its last change.
    pub modified: u64,
}

impl Zone {
    /// All its record sets, in no order.
    pub fn documents(&self) -> impl Iterator<Item = Document> + '_ {
        self.nodes.iter().flat_map(|node| {
            let name = self.name_of(node);
            let text = name.to_string();
            let simple: Vec<_> = node
                .simple_sets()
                .filter_map(|set| {
                    Some(Document {
                        record_set: simple_document(&text, &set)?,
                        modified: set.modified,
                    })
                })
                .collect();
            let routed = stored(node).filter_map(|(_, stored)| {
                Some(Document {
                    record_set: serde_json::from_str(&stored.json).ok()?,
                    modified: stored.modified,
                })
            });
            simple.into_iter().chain(routed)
        })
    }

    /// The same, as the store has them.
    pub(crate) fn stored_documents(&self) -> impl Iterator<Item = store::Document> + '_ {
        self.nodes.iter().flat_map(|node| {
            let name = self.name_of(node);
            let order_key = name.order_key();
            let text = name.to_string();
            let document = |record_type: RecordType, identifier, value, modified| store::Document {
                key: record(&self.id, &order_key, &record_type.to_string(), identifier),
                value,
                created: Revision(modified),
                modified: Revision(modified),
            };
            let simple = node.simple_sets().filter_map(|set| {
                let json = serde_json::to_vec(&simple_document(&text, &set)?).ok()?;
                Some(document(set.record_type, None, json.into(), set.modified))
            });
            let routed = stored(node).map(|(record_type, stored)| {
                let json = Bytes::copy_from_slice(stored.json.as_bytes());
                let identifier = stored.identifier.as_deref();
                document(record_type, identifier, json, stored.modified)
            });
            let documents: Vec<_> = simple.chain(routed).collect();
            documents
        })
    }

    /// The whole name of a node.
    pub(crate) fn name_of(&self, node: &Node) -> Name {
        let wire = [node.labels(), self.apex.wire()].concat();
        Name::from_wire(&wire).expect("a node's labels were cut from a name with this apex")
    }
}

fn stored(node: &Node) -> impl Iterator<Item = (RecordType, &Stored)> {
    let sets = node.routed.iter().flat_map(|routed| &routed.sets);
    sets.flat_map(|set| set.documents.iter().map(|stored| (set.record_type, stored)))
}

fn simple_document(name: &str, set: &Simple<'_>) -> Option<ResourceRecordSet> {
    let value = |rdata| ResourceRecord {
        value: rdata::print(set.record_type, rdata),
    };
    let record_type = set.record_type.to_string();
    let mut types = RRType::ALL.iter();
    let record_type = *types.find(|known| known.as_str() == record_type)?;
    Some(ResourceRecordSet {
        ttl: Some(set.ttl.into()),
        resource_records: Some(set.rdatas().map(value).collect()),
        ..bare(name, record_type)
    })
}
