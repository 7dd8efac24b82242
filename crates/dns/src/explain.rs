//! How an answer comes about, for those who ask.

use std::net::IpAddr;

use records::{Name, RecordType};
use serde::Serialize;

use crate::world::World;

/// How an answer comes about.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Explanation {
    /// The id of the zone that answers.
    pub zone: Option<String>,
    /// What happens, in order.
    pub steps: Vec<String>,
    /// `NOERROR`, `NXDOMAIN`, …
    pub rcode: String,
    /// The records of the answer, as text.
    pub answers: Vec<String>,
}

/// Answers as if `client` asked, and tells how.
pub fn explain(
    _world: &World,
    _name: &Name,
    _record_type: RecordType,
    _client: IpAddr,
    _now_ms: u64,
) -> Explanation {
    Explanation::default()
}
