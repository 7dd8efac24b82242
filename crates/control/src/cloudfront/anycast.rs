//! Anycast IP lists. There are no addresses to give: every operation answers 501.

use crate::service::Entry;

pub(super) const OPERATIONS: &[Entry] = &[];
