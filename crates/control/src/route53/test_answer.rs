//! Route 53: test_answer.

use crate::service::Entry;

pub(super) const OPERATIONS: &[Entry] = &[];
