//! Route 53: traffic_policy_instance.

use crate::service::Entry;

pub(super) const OPERATIONS: &[Entry] = &[];
