//! Route 53: record_sets.

use crate::service::Entry;

pub(super) const OPERATIONS: &[Entry] = &[];
