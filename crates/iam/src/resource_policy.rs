//! What a resource lets others do to it: the policy of a bucket.
//!
//! ```text
//! {"Version": "2012-10-17", "Statement": {
//!     "Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"},
//!     "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*", "Condition": {
//!         "StringEquals": {"aws:SourceArn": "arn:aws:cloudfront::123456789012:distribution/E1"}}}}
//! ```

use geo::Network;

use crate::condition::{Condition, Quantifier, Test};
use crate::principals::Principals;
use crate::statement::{self, About, Statement};
use crate::template::Template;
use crate::{Decision, PolicyError, Request, document, limits};

/// The policy of a resource: who may do what to it, on which conditions.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourcePolicy {
    statements: Vec<Statement>,
}

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
    /// The policy of the bucket of that ARN, `arn:aws:s3:::bucket`.
    pub fn of_bucket(arn: &'a str) -> Scope<'a> {
        Scope {
            bytes_max: limits::BUCKET_POLICY_BYTES_MAX,
            service: "s3",
            resource: arn,
        }
    }
}

/// Keys that tell who or what may be let in, so that a condition with fixed values of one lets in
/// no more than that. In lower case.
const FIXING: [&str; 18] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalservicename",
    "aws:principalservicenameslist",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "aws:username",
    "aws:vpcsourceip",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
];

/// Blocks of addresses of fewer bits, of IPv4 and IPv6, are anybody's.
const BITS_MIN: (u8, u8) = (8, 32);

impl ResourcePolicy {
    /// Reads a document.
    pub fn parse(text: &str, scope: &Scope<'_>) -> Result<ResourcePolicy, PolicyError> {
        let document = document::read(text, scope.bytes_max)?;
        let about = About::Resource {
            service: scope.service,
            arn: scope.resource,
        };
        Ok(ResourcePolicy {
            statements: statement::parse(document, about)?,
        })
    }

    /// Decides about a request, by this policy alone: [`decide`](crate::decide) takes the policy
    /// of whoever asks into account.
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        statement::decide(&self.statements, request)
    }

    /// Whether it is public, as S3 has it for `GetBucketPolicyStatus` and `BlockPublicPolicy`.
    ///
    /// It is if one of its statements is, whatever others deny. A statement is public if it allows
    /// something to everybody (`*`), unless one of its conditions fixes who: an operator that is
    /// not negated, without `IfExists` and without `ForAllValues` (both hold where the key is
    /// absent), about the source (`aws:SourceArn`, `aws:SourceAccount`, `aws:SourceVpc`, …) or the
    /// principal (`aws:PrincipalOrgID`, `aws:PrincipalArn`, `aws:userid`, …), with values that
    /// have neither wildcards nor variables; or `IpAddress` of `aws:SourceIp` with blocks of no
    /// fewer than 8 bits (IPv6: 32). A statement about accounts, users, identities or services is
    /// not public, with `aws:SourceArn` or without.
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(Statement::is_public)
    }
}

impl Statement {
    fn is_public(&self) -> bool {
        let is_for_everybody = self
            .principals
            .as_ref()
            .is_some_and(Principals::have_everybody);
        self.is_allowing && is_for_everybody && !self.conditions.iter().any(Condition::fixes_who)
    }
}

impl Condition {
    fn fixes_who(&self) -> bool {
        let holds_of_none = self.is_if_exists || self.quantifier == Some(Quantifier::All);
        if self.is_negated || holds_of_none || !FIXING.contains(&self.key.as_str()) {
            return false;
        }
        match &self.test {
            Test::Equals { texts, .. } | Test::Like(texts) => texts.iter().all(Template::is_fixed),
            Test::Arn(arns) => arns.iter().flatten().all(Template::is_fixed),
            Test::Address(networks) => networks.iter().all(is_somebody),
            Test::Null(_) | Test::Bool(_) | Test::Date(..) | Test::Number(..) => false,
        }
    }
}

fn is_somebody(network: &Network) -> bool {
    let (v4_bits, v6_bits) = BITS_MIN;
    let is_v4 = network.address().is_ipv4();
    network.prefix_bits() >= if is_v4 { v4_bits } else { v6_bits }
}
