//! Route 53: dnssec.

use crate::service::Entry;

pub(super) const OPERATIONS: &[Entry] = &[];
