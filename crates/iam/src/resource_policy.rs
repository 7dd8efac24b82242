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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{ACCOUNT, ALICE, BUCKET, CLOUDFRONT, ROOT, context_with, of_bucket};
    use crate::{Policy, Principal, canonical_account, canonical_user, decide};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const E1: &str = "arn:aws:cloudfront::123456789012:distribution/E1";
    const OBJECT: &str = "arn:aws:s3:::site/a/b";

    fn statement(more: Value) -> Value {
        let mut statement = json!({
            "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::site/*",
        });
        let more = more.as_object().unwrap().clone();
        statement.as_object_mut().unwrap().extend(more);
        let members = statement.as_object_mut().unwrap();
        members.retain(|_, value| *value != "leave out");
        statement
    }

    fn document(statements: Value) -> Value {
        json!({ "Version": "2012-10-17", "Id": "policy", "Statement": statements })
    }

    fn policy(statements: Value) -> ResourcePolicy {
        of_bucket(&document(statements)).unwrap()
    }

    fn asked(
        policy: &ResourcePolicy,
        principal: Principal<'_>,
        action: &str,
        values: &[(&str, &str)],
    ) -> Decision {
        policy.decide(&Request {
            principal,
            action,
            resource: OBJECT,
            context: &context_with(values),
        })
    }

    fn may_get(policy: &ResourcePolicy, principal: Principal<'_>) -> bool {
        asked(policy, principal, "s3:GetObject", &[]).is_allowed()
    }

    #[test]
    fn an_action_that_s3_does_not_have_is_refused_whatever_its_effect() {
        for effect in ["Allow", "Deny"] {
            let of = |action: &str| {
                let statement = statement(json!({ "Effect": effect, "Action": action }));
                of_bucket(&document(json!([statement])))
            };
            for action in [
                "s3:GetObject",
                "S3:getobject",
                "s3:Get*",
                "s3:*",
                "*",
                "s3:?etObject",
            ] {
                assert!(of(action).is_ok(), "{action}");
            }
            for action in ["s3:GetObjct", "s3:NoSuch*", "s3:Get", "s3:GetObject?"] {
                assert!(of(action).is_err(), "{action}");
            }
        }
    }

    fn identity(id: &str) -> Principal<'_> {
        Principal::OriginAccessIdentity { id }
    }

    #[test]
    fn a_distribution_with_access_control_reads_by_whatever_spelling_of_its_arn() {
        fn from(arn: &str) -> [(&str, &str); 2] {
            [("aws:SourceArn", arn), ("aws:SourceAccount", ACCOUNT)]
        }
        let e2 = E1.replace("/E1", "/E2");
        for condition in [
            json!({ "StringEquals": { "AWS:SourceArn": E1 } }),
            json!({ "StringEquals": { "aws:SourceArn": E1 } }),
            json!({ "StringEquals": { "aws:sourcearn": [E1, "arn:aws:cloudfront::1:x"] } }),
            json!({ "StringLike": { "AWS:SourceArn": E1 } }),
            json!({ "StringLike": { "aws:SourceArn": "arn:aws:cloudfront::*/E1" } }),
            json!({ "ArnLike": { "AWS:SourceArn": E1 } }),
            json!({ "ArnLike": { "aws:SourceArn": [E1.replace("E1", "E?1"), E1.to_owned()] } }),
            json!({ "ArnEquals": { "aws:SourceArn": E1 } }),
            json!({
                "ArnLike": { "aws:SourceArn": E1 },
                "StringEquals": { "aws:SourceAccount": ACCOUNT },
            }),
        ] {
            for services in [
                json!("cloudfront.amazonaws.com"),
                json!(["logs.amazonaws.com", "cloudfront.amazonaws.com"]),
            ] {
                let policy = policy(json!([statement(json!({
                    "Sid": "AllowCF",
                    "Principal": { "Service": services },
                    "Condition": condition,
                }))]));
                let get =
                    |principal, arn: &str| asked(&policy, principal, "s3:GetObject", &from(arn));
                assert_eq!(get(CLOUDFRONT, E1), Decision::Allowed, "{condition}");
                assert_eq!(get(CLOUDFRONT, &e2), Decision::NotAllowed, "{condition}");
                // Whoever else says that it comes from there is not the service.
                for other in [Principal::Anonymous, ROOT, ALICE, identity("E1")] {
                    assert_eq!(get(other, E1), Decision::NotAllowed, "{condition}");
                }
                assert!(
                    !may_get(&policy, CLOUDFRONT),
                    "without its ARN: {condition}"
                );
                let put = asked(&policy, CLOUDFRONT, "s3:PutObject", &from(E1));
                assert_eq!(put, Decision::NotAllowed);
                assert!(!policy.is_public());
            }
        }
    }

    #[test]
    fn a_service_reads_for_the_account_that_is_named() {
        let condition = json!({ "StringEquals": { "aws:SourceAccount": "999999999999" } });
        let policy = policy(statement(json!({
            "Principal": { "Service": "cloudfront.amazonaws.com" }, "Condition": condition,
        })));
        let own = [("aws:SourceAccount", ACCOUNT)];
        let other = [("aws:SourceAccount", "999999999999")];
        assert!(!asked(&policy, CLOUDFRONT, "s3:GetObject", &own).is_allowed());
        assert!(asked(&policy, CLOUDFRONT, "s3:GetObject", &other).is_allowed());
    }

    #[test]
    fn an_origin_access_identity_is_named_by_its_arn_or_as_a_canonical_user() {
        let arn = "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E2QWRUH";
        for principal in [
            json!({ "AWS": arn }),
            json!({ "AWS": [ACCOUNT, arn] }),
            json!({ "CanonicalUser": canonical_user("E2QWRUH") }),
            json!({ "CanonicalUser": canonical_user("E2QWRUH").to_uppercase() }),
        ] {
            let policy = policy(statement(json!({ "Principal": principal })));
            assert!(may_get(&policy, identity("E2QWRUH")), "{principal}");
            assert!(!may_get(&policy, identity("E2QWRUI")), "{principal}");
            assert!(!may_get(&policy, CLOUDFRONT), "{principal}");
            assert!(!may_get(&policy, Principal::Anonymous), "{principal}");
            assert!(!policy.is_public());
        }
    }

    #[test]
    fn a_principal_is_whom_it_names() {
        let bob = Principal::User {
            account_id: ACCOUNT,
            user_name: "bob",
        };
        let asking = [Principal::Anonymous, ROOT, ALICE, bob, CLOUDFRONT];
        let user = |name: &str| format!("arn:aws:iam::{ACCOUNT}:user/{name}");
        let root = format!("arn:aws:iam::{ACCOUNT}:root");
        for (principal, allowed, denied) in [
            (json!("*"), [true; 5], [true; 5]),
            (json!({ "AWS": "*" }), [true; 5], [true; 5]),
            (
                json!({ "AWS": user("alice") }),
                [false, false, true, false, false],
                [false, false, true, false, false],
            ),
            // An account that may leaves it to its users' own policies; one that may not has none
            // that may.
            (
                json!({ "AWS": root }),
                [false, true, false, false, false],
                [false, true, true, true, false],
            ),
            (
                json!({ "AWS": ACCOUNT }),
                [false, true, false, false, false],
                [false, true, true, true, false],
            ),
            (
                json!({ "CanonicalUser": canonical_account(ACCOUNT) }),
                [false, true, false, false, false],
                [false, true, true, true, false],
            ),
            (
                json!({ "Service": "cloudfront.amazonaws.com", "AWS": "999999999999" }),
                [false, false, false, false, true],
                [false, false, false, false, true],
            ),
            (
                json!({ "AWS": format!("arn:aws:iam::{ACCOUNT}:role/alice") }),
                [false; 5],
                [false; 5],
            ),
            (
                json!({ "Federated": "accounts.google.com" }),
                [false; 5],
                [false; 5],
            ),
        ] {
            let told = |effect: &str, decision| {
                let policy = policy(statement(
                    json!({ "Effect": effect, "Principal": principal }),
                ));
                let is_it = |who| asked(&policy, who, "s3:GetObject", &[]) == decision;
                asking.map(is_it)
            };
            assert_eq!(told("Allow", Decision::Allowed), allowed, "{principal}");
            assert_eq!(told("Deny", Decision::Denied), denied, "{principal}");
        }
    }

    #[test]
    fn not_principal_denies_everybody_else() {
        let policy = policy(json!([
            statement(json!({})),
            statement(json!({
                "Effect": "Deny", "Principal": "leave out",
                "NotPrincipal": {
                    "AWS": [format!("arn:aws:iam::{ACCOUNT}:user/alice"), ACCOUNT],
                    "Service": "cloudfront.amazonaws.com",
                },
            })),
        ]));
        let bob = Principal::User {
            account_id: ACCOUNT,
            user_name: "bob",
        };
        for (who, may) in [
            (ROOT, true),
            (ALICE, true),
            (CLOUDFRONT, true),
            (bob, false),
            (Principal::Anonymous, false),
            (identity("E1"), false),
        ] {
            assert_eq!(may_get(&policy, who), may, "{who:?}");
        }
    }

    #[test]
    fn a_denial_outweighs_whatever_the_other_policy_allows() {
        let allow = json!({ "Effect": "Allow", "Action": "s3:*", "Resource": "*" });
        let deny = json!({ "Effect": "Deny", "Action": "s3:*", "Resource": "*" });
        let own = |statement: &Value| {
            Policy::parse(&json!({ "Statement": statement }).to_string()).unwrap()
        };
        let silent = json!({ "Effect": "Allow", "Action": "iam:*", "Resource": "*" });
        let theirs = |effect: &str, principal: Value| {
            policy(statement(
                json!({ "Effect": effect, "Principal": principal }),
            ))
        };
        let everybody = || json!("*");
        let somebody = || json!({ "Service": "logs.amazonaws.com" });
        let context = context_with(&[]);
        let told = |identity: Option<&Value>, resource: Option<&ResourcePolicy>, principal| {
            let request = Request {
                principal,
                action: "s3:GetObject",
                resource: OBJECT,
                context: &context,
            };
            decide(identity.map(own).as_ref(), resource, &request)
        };
        let (allows, denies) = (theirs("Allow", everybody()), theirs("Deny", everybody()));
        let says_nothing = theirs("Allow", somebody());
        for (identity, resource, expected) in [
            (None, None, Decision::NotAllowed),
            (Some(&allow), None, Decision::Allowed),
            (Some(&allow), Some(&says_nothing), Decision::Allowed),
            (Some(&allow), Some(&denies), Decision::Denied),
            (Some(&silent), Some(&allows), Decision::Allowed),
            (Some(&silent), Some(&says_nothing), Decision::NotAllowed),
            (Some(&deny), Some(&allows), Decision::Denied),
            (None, Some(&allows), Decision::Allowed),
        ] {
            for who in [ROOT, ALICE] {
                assert_eq!(
                    told(identity, resource, who),
                    expected,
                    "{identity:?} {resource:?}"
                );
            }
        }
        // Without an account there is no policy of one's own to go by.
        for who in [Principal::Anonymous, CLOUDFRONT, identity("E1")] {
            assert_eq!(told(None, Some(&allows), who), Decision::Allowed);
            assert_eq!(told(None, None, who), Decision::NotAllowed);
            assert_eq!(told(Some(&allow), None, who), Decision::NotAllowed);
        }
    }

    #[test]
    fn each_user_has_its_own_folder() {
        let resource = "arn:aws:s3:::site/${aws:username}/*";
        let policy = policy(statement(json!({ "Resource": resource })));
        let may_get = |principal, resource: &str| {
            let context = context_with(&[]);
            let request = Request {
                principal,
                action: "S3:getobject",
                resource,
                context: &context,
            };
            policy.decide(&request).is_allowed()
        };
        assert!(may_get(ALICE, "arn:aws:s3:::site/alice/a"));
        assert!(!may_get(ALICE, "arn:aws:s3:::site/bob/a"));
        assert!(!may_get(ROOT, "arn:aws:s3:::site//a"));
        assert!(!may_get(Principal::Anonymous, "arn:aws:s3:::site//a"));
    }

    #[test]
    fn a_policy_is_public_if_it_lets_in_whom_it_does_not_name() {
        let all = || json!("*");
        for (principal, condition, is_public) in [
            (all(), json!({}), true),
            (json!({ "AWS": "*" }), json!({}), true),
            (json!({ "AWS": [ACCOUNT, "*"] }), json!({}), true),
            (json!({ "AWS": ACCOUNT }), json!({}), false),
            (
                json!({ "Service": "cloudfront.amazonaws.com" }),
                json!({}),
                false,
            ),
            (
                all(),
                json!({ "StringEquals": { "aws:SourceArn": E1 } }),
                false,
            ),
            (all(), json!({ "ArnLike": { "aws:SourceArn": E1 } }), false),
            (
                all(),
                json!({ "ArnLike": { "aws:SourceArn": "arn:aws:cloudfront::*:*" } }),
                true,
            ),
            (
                all(),
                json!({ "ArnNotEquals": { "aws:SourceArn": E1 } }),
                true,
            ),
            (
                all(),
                json!({ "ArnEqualsIfExists": { "aws:SourceArn": E1 } }),
                true,
            ),
            (
                all(),
                json!({ "ForAllValues:ArnEquals": { "aws:SourceArn": E1 } }),
                true,
            ),
            (
                all(),
                json!({ "ForAnyValue:ArnEquals": { "aws:SourceArn": E1 } }),
                false,
            ),
            (
                all(),
                json!({ "StringEquals": { "aws:SourceAccount": [ACCOUNT, "1"] } }),
                false,
            ),
            (
                all(),
                json!({ "StringLike": { "aws:SourceVpc": "vpc-91237329" } }),
                false,
            ),
            (
                all(),
                json!({ "StringLike": { "aws:SourceVpc": "vpc-*" } }),
                true,
            ),
            (
                all(),
                json!({ "StringLike": { "aws:SourceVpc": ["vpc-1", "vpc-?"] } }),
                true,
            ),
            (
                all(),
                json!({ "StringEquals": { "aws:PrincipalOrgID": "o-1" } }),
                false,
            ),
            (
                all(),
                json!({ "StringEquals": { "aws:userid": "${aws:userid}" } }),
                true,
            ),
            (
                all(),
                json!({ "StringLike": { "aws:Referer": "https://a.example/" } }),
                true,
            ),
            (
                all(),
                json!({ "Bool": { "aws:SecureTransport": true } }),
                true,
            ),
            (all(), json!({ "Null": { "aws:SourceArn": false } }), true),
            (
                all(),
                json!({ "IpAddress": { "aws:SourceIp": "192.0.2.0/24" } }),
                false,
            ),
            (
                all(),
                json!({ "IpAddress": { "aws:SourceIp": "10.0.0.0/8" } }),
                false,
            ),
            (
                all(),
                json!({ "IpAddress": { "aws:SourceIp": "0.0.0.0/0" } }),
                true,
            ),
            (
                all(),
                json!({ "IpAddress": { "aws:SourceIp": ["192.0.2.1", "0.0.0.0/1"] } }),
                true,
            ),
            (
                all(),
                json!({ "IpAddress": { "aws:SourceIp": "2001:db8::/32" } }),
                false,
            ),
            (
                all(),
                json!({ "IpAddress": { "aws:SourceIp": "2000::/3" } }),
                true,
            ),
            (
                all(),
                json!({ "NotIpAddress": { "aws:SourceIp": "192.0.2.0/24" } }),
                true,
            ),
            // One that fixes is enough.
            (
                all(),
                json!({
                    "Bool": { "aws:SecureTransport": true },
                    "IpAddress": { "aws:SourceIp": "192.0.2.1" },
                }),
                false,
            ),
        ] {
            let more = json!({ "Principal": principal, "Condition": condition });
            let one = statement(more.clone());
            assert_eq!(
                policy(one.clone()).is_public(),
                is_public,
                "{principal} {condition}"
            );
            let deny = statement(json!({ "Effect": "Deny" }));
            let both = policy(json!([deny, one]));
            assert_eq!(
                both.is_public(),
                is_public,
                "with a denial: {principal} {condition}"
            );
        }
    }

    #[test]
    fn what_a_buckets_policy_cannot_say_is_refused_by_name() {
        let user = format!("arn:aws:iam::{ACCOUNT}:user/alice");
        for (more, words) in [
            (
                json!({ "Principal": "leave out" }),
                ["Principal", "missing"],
            ),
            (
                json!({ "Principal": "leave out", "NotPrincipal": "*" }),
                ["NotPrincipal", "deny"],
            ),
            (json!({ "NotPrincipal": "*" }), ["Principal", "one of them"]),
            (json!({ "Principal": "alice" }), ["Principal", "nobody"]),
            (json!({ "Principal": {} }), ["Principal", "nobody"]),
            (json!({ "Principal": null }), ["Principal", "nobody"]),
            (
                json!({ "Principal": { "Aws": "*" } }),
                ["'Aws'", "CanonicalUser"],
            ),
            (
                json!({ "Principal": { "AWS": [] } }),
                ["Principal.AWS", "not empty"],
            ),
            (
                json!({ "Principal": { "AWS": "12" } }),
                ["'12'", "twelve digits"],
            ),
            (
                json!({ "Principal": { "AWS": "arn:aws:iam::123456789012:user/a*" } }),
                ["a*", "user"],
            ),
            (
                json!({ "Principal": { "AWS": "arn:aws:iam::*:root" } }),
                ["*:root", "user"],
            ),
            (
                json!({ "Principal": { "Service": "*" } }),
                ["Service", "cloudfront"],
            ),
            (
                json!({ "Principal": { "Service": "example.com" } }),
                ["example.com", "cloudfront"],
            ),
            (
                json!({ "Principal": { "CanonicalUser": "abc" } }),
                ["'abc'", "64 or 96"],
            ),
            (
                json!({
                    "Effect": "Deny", "Principal": "leave out", "NotPrincipal": { "AWS": user },
                }),
                ["user/alice", "123456789012:root"],
            ),
            (json!({ "Action": "cloudfront:Get*" }), ["Action", "'s3:'"]),
            (
                json!({ "Action": "s3:Get Object" }),
                ["'s3:Get Object'", "service"],
            ),
            (
                json!({ "Resource": "arn:aws:s3:::sites/*" }),
                ["sites/*", "'arn:aws:s3:::site/*'"],
            ),
            (
                json!({ "Resource": "arn:aws:s3:::other" }),
                ["'arn:aws:s3:::other'", "site"],
            ),
            (json!({ "Resource": "site/*" }), ["'site/*'", "ARN"]),
            (json!({ "Condition": null }), ["Condition", "object"]),
            (json!({ "Sid": 7 }), ["Statement[0].Sid", "text"]),
            (json!({ "Conditions": {} }), ["'Conditions'", "Condition"]),
        ] {
            let refused = of_bucket(&document(statement(more.clone())));
            let message = refused.unwrap_err().to_string();
            for word in words {
                assert!(message.contains(word), "{more}: {message}");
            }
        }
        for resource in [
            "*",
            "arn:aws:s3:::*",
            "arn:aws:s3:::site",
            "arn:*:s3:::s?te/x*",
        ] {
            policy(statement(json!({ "Resource": resource })));
        }
    }

    #[test]
    fn variables_need_the_version_that_has_them() {
        let mut written = document(statement(json!({
            "Resource": "arn:aws:s3:::site/${aws:username}/*",
        })));
        assert!(of_bucket(&written).is_ok());
        for version in [json!("2008-10-17"), json!(null)] {
            written["Version"] = version;
            written
                .as_object_mut()
                .unwrap()
                .retain(|_, value| !value.is_null());
            let message = of_bucket(&written).unwrap_err().to_string();
            assert!(message.contains("\"2012-10-17\""), "{message}");
        }
    }

    #[test]
    fn members_that_stand_twice_are_refused_however_deep() {
        let text = document(statement(json!({
            "Condition": { "StringEquals": { "aws:SourceArn": E1 } },
        })))
        .to_string();
        let scope = Scope::of_bucket(BUCKET);
        assert!(ResourcePolicy::parse(&text, &scope).is_ok());
        let inner = format!("\"aws:SourceArn\":\"{E1}\"");
        let twice = text.replace(&inner, &format!("{inner},{inner}"));
        assert_ne!(text, twice);
        let message = ResourcePolicy::parse(&twice, &scope)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("duplicate member 'aws:SourceArn'"),
            "{message}"
        );
    }

    #[test]
    fn a_bucket_policy_has_at_most_20_kib() {
        let text = document(statement(json!({}))).to_string();
        let scope = Scope::of_bucket(BUCKET);
        let padded = |bytes: usize| format!("{text}{}", " ".repeat(bytes - text.len()));
        assert!(ResourcePolicy::parse(&padded(20_480), &scope).is_ok());
        let message = ResourcePolicy::parse(&padded(20_481), &scope).unwrap_err();
        assert!(message.to_string().contains("20481 bytes; at most 20480"));
    }

    proptest! {
        #[test]
        fn no_document_makes_the_reader_panic(
            text in "[\\[{}\",:a-zA-Z* \\]]{0,60}",
            condition in "[a-zA-Z:]{0,20}",
            value in "\\PC{0,20}",
        ) {
            let _ = ResourcePolicy::parse(&text, &Scope::of_bucket(BUCKET));
            for operator in ["ArnLike", "IpAddress", "NumericEquals", "DateEquals", &condition] {
                let condition = json!({ operator: { "aws:SourceArn": value } });
                let resource = format!("arn:{value}");
                let written = statement(json!({ "Condition": condition, "Resource": resource }));
                let _ = of_bucket(&document(written)).map(|policy| may_get(&policy, ALICE));
            }
        }
    }
}
