//! Route 53: tags.

use crate::service::Entry;

pub(super) const OPERATIONS: &[Entry] = &[];
