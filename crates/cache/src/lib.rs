//! Placeholder.

pub mod key;
pub mod limits;
pub mod object;
pub mod ram;
pub mod store;
