//! A node's word in the store.
