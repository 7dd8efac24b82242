//! Route 53: limits_api.

use crate::service::Entry;

pub(super) const OPERATIONS: &[Entry] = &[];
