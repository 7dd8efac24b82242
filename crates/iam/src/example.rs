//! What the tests of this crate ask with.

use std::net::IpAddr;

use crate::{Connection, Context, Decision, Policy, PolicyError, Principal, Request};
use crate::{ResourcePolicy, Scope};

pub const ACCOUNT: &str = "123456789012";
pub const ROOT: Principal<'_> = Principal::Account {
    account_id: ACCOUNT,
};
pub const ALICE: Principal<'_> = Principal::User {
    account_id: ACCOUNT,
    user_name: "alice",
};
pub const CLOUDFRONT: Principal<'_> = Principal::Service {
    name: "cloudfront.amazonaws.com",
};
pub const BUCKET: &str = "arn:aws:s3:::site";

/// At 2026-11-21T12:00:00Z, from 192.0.2.7, over TLS.
pub fn context() -> Context {
    Context::new(&Connection {
        now_ms: 1_795_262_400_000,
        source: Some(IpAddr::from([192, 0, 2, 7])),
        is_tls: true,
        account_id: ACCOUNT,
    })
}

/// With these values besides.
pub fn context_with(values: &[(&str, &str)]) -> Context {
    let mut context = context();
    for (key, value) in values {
        context.add(key, *value);
    }
    context
}

/// A bucket's policy.
pub fn of_bucket(document: &serde_json::Value) -> Result<ResourcePolicy, PolicyError> {
    ResourcePolicy::parse(&document.to_string(), &Scope::of_bucket(BUCKET))
}

impl Policy {
    /// Decides about what alice asks.
    pub fn asked(&self, action: &str, resource: &str) -> Decision {
        self.decide(&Request {
            principal: ALICE,
            action,
            resource,
            context: &context(),
        })
    }
}
