//! Who calls, and what they may.

mod keys;
mod resources;

use ::iam::Decision;
use aws_lc_rs::digest;

use crate::error::ApiError;

pub use ::iam::Policy;
pub use keys::{AccessKey, has_root_key, install_root_key, new_root_key};
pub(crate) use keys::{ROOT, create, delete, find, list};
pub(crate) use resources::needs;

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

impl Caller {
    /// Refuses what the policy does not allow.
    pub(crate) fn permit(&self, action: &str, resource: &str) -> Result<(), ApiError> {
        let why = match self.policy.decide(action, resource) {
            Decision::Allowed => return Ok(()),
            Decision::Denied => "with an explicit deny in its policy".to_owned(),
            Decision::NotAllowed => format!("because its policy does not allow {action}"),
        };
        let message = format!(
            "User: {} is not authorized to perform: {action} on resource: {resource} {why}",
            self.arn
        );
        Err(ApiError::common("AccessDenied", 403, message))
    }
}

/// What AWS calls a unique id: the account's for `root`, `AIDA…` for others. It follows from the
/// name.
pub(crate) fn principal_id(account_id: &str, user_name: &str) -> String {
    const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    if user_name == ROOT {
        return account_id.to_owned();
    }
    let hash = digest::digest(
        &digest::SHA256,
        format!("{account_id}:{user_name}").as_bytes(),
    );
    let letters = hash.as_ref().iter().take(17);
    let letters = letters.map(|byte| char::from(BASE32[usize::from(byte % 32)]));
    format!("AIDA{}", letters.collect::<String>())
}
