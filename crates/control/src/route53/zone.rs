//! Route 53: zone.

use crate::service::Entry;

pub(super) const OPERATIONS: &[Entry] = &[];
