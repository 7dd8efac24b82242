//! Route 53: geo_location.

use crate::service::Entry;

pub(super) const OPERATIONS: &[Entry] = &[];
