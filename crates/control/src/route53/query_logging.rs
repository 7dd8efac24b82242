//! Route 53: query_logging.

use crate::service::Entry;

pub(super) const OPERATIONS: &[Entry] = &[];
