//! Route 53: delegation_set.

use crate::service::Entry;

pub(super) const OPERATIONS: &[Entry] = &[];
