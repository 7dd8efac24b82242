//! Who calls, and what they may.

mod keys;
mod policy;
mod resources;

pub(crate) use keys::find;
pub use keys::{AccessKey, root_key};
pub use policy::{Decision, Policy, PolicyError};
pub(crate) use resources::arns;

/// Who calls.
#[derive(Clone, Debug)]
pub struct Caller {
    /// `AKIA…`.
    pub access_key_id: String,
    /// The name that the key was made for; `root` for the first one.
    pub user_name: String,
    /// `arn:aws:iam::123456789012:user/<name>`, or `…:root`.
    pub arn: String,
    /// What it may.
    pub policy: Policy,
}
