//! Placeholder.

pub mod conditional;
pub mod flight;
pub mod freshness;
pub mod headblock;
pub mod key;
pub mod limits;
pub mod object;
pub mod ram;
pub mod range;
pub mod store;
pub mod trace;
pub mod vary;
