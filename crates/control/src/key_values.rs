//! The data of key value stores: CloudFront KeyValueStore, API version 2022-07-26. To be written.

use crate::service::Entry;

const OPERATIONS: &[Entry] = &[];

/// The implementation of an operation, if there is one.
pub(crate) fn find(operation: &str) -> Option<&'static Entry> {
    OPERATIONS.iter().find(|entry| entry.operation == operation)
}
