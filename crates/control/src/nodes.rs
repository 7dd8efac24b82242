//! Which nodes live, and what they serve.

use documents::{Node, Role, decode, keys};
use store::Revision;

use crate::call::Call;
use crate::error::Failure;

/// The nodes of a role that live.
pub struct Living(Vec<Node>);

impl Living {
    /// The edges.
    pub async fn edges(call: &Call<'_>) -> Result<Living, Failure> {
        Living::of(call, Role::Edge).await
    }

    /// Those whose lease holds at this moment.
    pub async fn of(call: &Call<'_>, role: Role) -> Result<Living, Failure> {
        let mut nodes = Vec::new();
        for document in call.list_all(keys::NODES).await? {
            let node: Node = decode(&document.key, &document.value)?;
            if node.roles.contains(&role) {
                nodes.push(node);
            }
        }
        Ok(Living(nodes))
    }

    /// Whether all of them serve a document as it was put at that revision. If there are none,
    /// nothing is held back for them.
    pub fn serve(&self, key: &str, modified: Revision) -> bool {
        self.0.iter().all(|node| node.serves(key, modified.0))
    }

    /// `Deployed` or `InProgress` (spec §1.1).
    pub fn status(&self, key: &str, modified: Revision) -> &'static str {
        if self.serve(key, modified) {
            "Deployed"
        } else {
            "InProgress"
        }
    }

    /// The nodes themselves.
    pub fn nodes(&self) -> &[Node] {
        &self.0
    }
}
