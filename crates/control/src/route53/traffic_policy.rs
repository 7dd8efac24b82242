//! Route 53: traffic_policy.

use crate::service::Entry;

pub(super) const OPERATIONS: &[Entry] = &[];
