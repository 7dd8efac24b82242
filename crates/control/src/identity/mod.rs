//! Who calls, and what they may.

mod keys;
mod resources;

use ::iam::{Connection, Context, Decision, Principal, Request};

use crate::call::Origin;
use crate::error::ApiError;

pub use ::iam::Policy;
pub use keys::{AccessKey, ROOT, has_root_key, install_root_key, new_root_key};
pub(crate) use keys::{create, delete, find, list};
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
    /// Who it is to policies.
    pub fn principal<'a>(&'a self, account_id: &'a str) -> Principal<'a> {
        principal(account_id, &self.user_name)
    }

    /// Refuses what the policy does not allow.
    pub(crate) fn permit(
        &self,
        action: &str,
        resource: &str,
        circumstances: &Circumstances<'_>,
    ) -> Result<(), ApiError> {
        let account_id = circumstances.account_id;
        let request = Request {
            principal: self.principal(account_id),
            action,
            resource,
            context: &circumstances.context(),
        };
        let why = match self.policy.decide(&request) {
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

/// Under which a caller asks for something.
pub(crate) struct Circumstances<'a> {
    pub account_id: &'a str,
    pub origin: &'a Origin,
    pub now_ms: u64,
}

impl Circumstances<'_> {
    /// As conditions see them. The API's address speaks no TLS.
    fn context(&self) -> Context {
        let mut context = Context::new(&Connection {
            now_ms: self.now_ms,
            source: Some(self.origin.address),
            is_tls: false,
            account_id: self.account_id,
        });
        context.set("aws:RequestedRegion", &self.origin.region);
        if !self.origin.user_agent.is_empty() {
            context.set("aws:UserAgent", &self.origin.user_agent);
        }
        context
    }
}

fn principal<'a>(account_id: &'a str, user_name: &'a str) -> Principal<'a> {
    match user_name {
        ROOT => Principal::Account { account_id },
        user_name => Principal::User {
            account_id,
            user_name,
        },
    }
}

/// What AWS calls a unique id: the account's for `root`, `AIDA…` for others.
pub(crate) fn principal_id(account_id: &str, user_name: &str) -> String {
    let id = principal(account_id, user_name).unique_id();
    id.expect("accounts and users have one")
}
