//! IAM policy documents: who may do what to which resource, and on which conditions.
//!
//! Read [`Policy`] first.

pub mod limits;
mod policy;

pub use policy::{Decision, Policy, PolicyError};
