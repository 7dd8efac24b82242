//! Policies of resources.

use crate::{Decision, PolicyError, Request, limits};

/// The policy of a resource: who may do what to it, on which conditions.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourcePolicy {}

/// What a policy of a resource may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// Longest document.
    pub bytes_max: usize,
    /// What actions begin with: `s3`.
    pub service: &'a str,
    /// The ARN of the resource: `arn:aws:s3:::bucket`. What is in it, `arn:aws:s3:::bucket/…`, is
    /// meant too.
    pub resource: &'a str,
}

impl<'a> Scope<'a> {
    /// The policy of the bucket of that ARN.
    pub fn of_bucket(arn: &'a str) -> Scope<'a> {
        Scope {
            bytes_max: limits::BUCKET_POLICY_BYTES_MAX,
            service: "s3",
            resource: arn,
        }
    }
}

impl ResourcePolicy {
    /// Reads a document.
    pub fn parse(text: &str, scope: &Scope<'_>) -> Result<ResourcePolicy, PolicyError> {
        let _ = (text, scope);
        Err(PolicyError("policies of resources are not read".to_owned()))
    }

    /// Decides about a request.
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        let _ = request;
        Decision::NotAllowed
    }

    /// Whether it lets anybody in.
    pub fn is_public(&self) -> bool {
        true
    }
}
