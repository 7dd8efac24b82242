//! Route 53: protection.

use crate::service::Entry;

pub(super) const OPERATIONS: &[Entry] = &[];
