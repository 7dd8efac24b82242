//! What a caller may. To be completed.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An IAM policy document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {}

/// Why a policy document is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct PolicyError(pub String);

/// What a policy says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allowed,
    /// It may not.
    Refused,
}

impl Decision {
    /// Whether it may.
    pub fn is_allowed(self) -> bool {
        self == Decision::Allowed
    }
}

impl Policy {
    /// Everything is allowed.
    pub fn administrator() -> Policy {
        Policy {}
    }

    /// Decides about an action on a resource.
    pub fn decide(&self, _action: &str, _resource: &str) -> Decision {
        Decision::Allowed
    }
}
