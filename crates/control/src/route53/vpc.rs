//! Route 53: vpc.

use crate::service::Entry;

pub(super) const OPERATIONS: &[Entry] = &[];
