//! Route 53: health_check.

use crate::service::Entry;

pub(super) const OPERATIONS: &[Entry] = &[];
