//! Route 53: changes.

use crate::service::Entry;

pub(super) const OPERATIONS: &[Entry] = &[];
