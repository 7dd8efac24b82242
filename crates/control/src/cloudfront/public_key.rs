//! To be written.

use crate::service::Entry;

pub(super) const OPERATIONS: &[Entry] = &[];
