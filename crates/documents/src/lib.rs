//! What lies in the store.
