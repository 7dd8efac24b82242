//! Route 53: cidr_collection.

use crate::service::Entry;

pub(super) const OPERATIONS: &[Entry] = &[];
