use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Answers the API.
    Control,
    /// Serves viewers.
    Edge,
    /// Answers DNS.
    Dns,
    /// Checks whether endpoints are healthy.
    Health,
}

/// A node that lives, as it tells of itself. Bound to a lease: it is gone when the node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Differs from that of every other node.
    pub id: String,
    /// What it does.
    pub roles: Vec<Role>,
    /// The place, as `X-Amz-Cf-Pop` has it.
    pub pop: String,
    /// The AWS region that it is in or near.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Where it serves viewers.
    pub http: Vec<String>,
    /// When it started, in milliseconds since 1970.
    pub started_ms: u64,
    /// It serves the documents as they were at this revision of the store.
    pub applied: u64,
    /// Documents that it cannot serve, by key; what was served before them still is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, Refusal>,
}

/// Why a node does not serve a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The revision of the document.
    pub revision: u64,
    /// What is wrong with it.
    pub message: String,
}

impl Node {
    /// Whether the document under `key`, put last at `modified`, is served as it is there.
    pub fn serves(&self, key: &str, modified: u64) -> bool {
        self.applied >= modified && !self.refused.contains_key(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_serves_what_it_has_applied_and_not_refused() {
        let refusal = Refusal {
            revision: 7,
            message: "no".to_owned(),
        };
        let node = Node {
            id: "n".to_owned(),
            roles: vec![Role::Edge],
            pop: "LOC1-C1".to_owned(),
            region: None,
            http: vec![],
            started_ms: 0,
            applied: 9,
            refused: [("bad".to_owned(), refusal)].into(),
        };
        assert!(node.serves("good", 9));
        assert!(!node.serves("good", 10));
        assert!(!node.serves("bad", 7));
    }
}
