//! What a caller may: the policy of its access key.
//!
//! ```text
//! {"Version": "2012-10-17", "Statement": [
//!     {"Effect": "Allow", "Action": "cloudfront:Get*", "Resource": "*"}]}
//! ```

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use thiserror::Error;

use crate::statement::{self, About, Statement};
use crate::{Request, document, limits};

/// What a caller may. What no statement allows is refused, and a statement that denies outweighs
/// all that allow.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// As it was written, but for its blanks.
    document: Value,
    statements: Vec<Statement>,
}

/// Why a policy document is refused; its author is to blame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct PolicyError(pub String);

/// What a policy says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A statement allows it, and none denies it.
    Allowed,
    /// A statement denies it.
    Denied,
    /// No statement says anything of it.
    NotAllowed,
}

impl Decision {
    /// Whether it may.
    pub fn is_allowed(self) -> bool {
        self == Decision::Allowed
    }
}

const READING: &[&str] = &[
    "acm:Describe*",
    "acm:Get*",
    "acm:List*",
    "acm:Search*",
    "cloudfront:Get*",
    "cloudfront:List*",
    "cloudfront:Describe*",
    "cloudfront:Verify*",
    "cloudfront-keyvaluestore:Get*",
    "cloudfront-keyvaluestore:List*",
    "cloudfront-keyvaluestore:Describe*",
    "cloudtrail:LookupEvents",
    "iam:Get*",
    "iam:List*",
    "route53:Get*",
    "route53:List*",
    "route53:TestDNSAnswer",
    "s3:Get*",
    "s3:Head*",
    "s3:List*",
    "sts:GetCallerIdentity",
    "warmfront:Explain",
    "warmfront:ExplainDns",
    "warmfront:History",
    "warmfront:List*",
];

/// The last two find what serves a host.
const INVALIDATING: &[&str] = &[
    "cloudfront:CreateInvalidation",
    "cloudfront:CreateInvalidationForDistributionTenant",
    "cloudfront:GetInvalidation",
    "cloudfront:GetInvalidationForDistributionTenant",
    "cloudfront:ListInvalidations",
    "cloudfront:ListInvalidationsForDistributionTenant",
    "cloudfront:ListDistributions",
    "cloudfront:GetDistributionTenantByDomain",
];

impl Policy {
    /// The names of [`Policy::named`].
    pub const NAMES: [&'static str; 3] = ["administrator", "read-only", "invalidate-only"];

    /// Everything is allowed.
    pub fn administrator() -> Policy {
        Policy::allowing(&["*"])
    }

    /// A policy that has a name instead of a document.
    pub fn named(name: &str) -> Option<Policy> {
        match name {
            "administrator" => Some(Policy::administrator()),
            "read-only" => Some(Policy::allowing(READING)),
            "invalidate-only" => Some(Policy::allowing(INVALIDATING)),
            _ => None,
        }
    }

    /// The name of a policy that is one of [`Policy::NAMES`].
    pub fn name(&self) -> Option<&'static str> {
        let is_it = |name: &&str| Policy::named(name).as_ref() == Some(self);
        Policy::NAMES.into_iter().find(is_it)
    }

    /// Reads a document.
    pub fn parse(text: &str) -> Result<Policy, PolicyError> {
        let document = document::read(text, limits::POLICY_BYTES_MAX)?;
        Ok(Policy {
            statements: statement::parse(document.clone(), About::Asker)?,
            document,
        })
    }

    /// Decides about a request of whom the policy is about.
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        statement::decide(&self.statements, request)
    }

    /// Whether an action on a resource is allowed whatever the circumstances are: to whomever it
    /// is, by statements without conditions and variables, and denied by none that may count.
    pub fn always_allows(&self, action: &str, resource: &str) -> bool {
        let mut is_allowed = false;
        for statement in &self.statements {
            let counts = statement.counts_always(action, resource);
            match (statement.is_allowing, counts) {
                (true, Some(true)) => is_allowed = true,
                (false, Some(true) | None) => return false,
                (true, None) | (_, Some(false)) => {}
            }
        }
        is_allowed
    }

    fn allowing(actions: &[&str]) -> Policy {
        let document = json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }],
        });
        Policy::parse(&document.to_string()).expect("the policies of this file are in order")
    }
}

impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.document.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document = Value::deserialize(deserializer)?;
        Policy::parse(&document.to_string()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{ACCOUNT, ALICE};
    use crate::{Connection, Context};
    use proptest::prelude::*;

    fn policy(statements: Value) -> Policy {
        Policy::parse(&json!({ "Version": "2012-10-17", "Statement": statements }).to_string())
            .unwrap()
    }

    fn refusal(document: Value) -> String {
        Policy::parse(&document.to_string())
            .unwrap_err()
            .to_string()
    }

    const E1: &str = "arn:aws:cloudfront::123456789012:distribution/E1";

    #[test]
    fn what_nothing_allows_is_refused() {
        let policy = policy(json!({
            "Effect": "Allow", "Action": "cloudfront:GetDistribution", "Resource": "*",
        }));
        assert_eq!(
            policy.asked("cloudfront:GetDistribution", E1),
            Decision::Allowed
        );
        assert_eq!(
            policy.asked("CloudFront:getdistribution", E1),
            Decision::Allowed
        );
        assert_eq!(
            policy.asked("cloudfront:GetDistributionConfig", E1),
            Decision::NotAllowed
        );
        assert_eq!(
            policy.asked("cloudfront:DeleteDistribution", E1),
            Decision::NotAllowed
        );
    }

    #[test]
    fn a_denial_outweighs_what_is_allowed_wherever_it_stands() {
        let allow = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
        let deny = json!({ "Effect": "Deny", "Action": ["cloudfront:Delete*"], "Resource": E1 });
        for statements in [json!([allow, deny]), json!([deny, allow])] {
            let policy = policy(statements);
            assert_eq!(
                policy.asked("cloudfront:DeleteDistribution", E1),
                Decision::Denied
            );
            assert!(
                policy
                    .asked("cloudfront:UpdateDistribution", E1)
                    .is_allowed()
            );
            assert!(
                policy
                    .asked("cloudfront:DeleteDistribution", &E1.replace("E1", "E2"))
                    .is_allowed()
            );
        }
    }

    #[test]
    fn what_is_not_named_is_meant_by_not() {
        let policy = policy(json!({
            "Effect": "Allow",
            "NotAction": "iam:*",
            "NotResource": "arn:aws:cloudfront::*:function/*",
        }));
        assert!(policy.asked("cloudfront:GetDistribution", E1).is_allowed());
        assert!(!policy.asked("iam:GetUser", "*").is_allowed());
        let function = "arn:aws:cloudfront::123456789012:function/f";
        assert!(
            !policy
                .asked("cloudfront:GetFunction", function)
                .is_allowed()
        );
    }

    #[test]
    fn resources_are_told_apart_by_case() {
        let policy = policy(json!({ "Effect": "Allow", "Action": "*", "Resource": E1 }));
        assert!(policy.asked("cloudfront:GetDistribution", E1).is_allowed());
        let other = E1.replace("E1", "e1");
        assert!(
            !policy
                .asked("cloudfront:GetDistribution", &other)
                .is_allowed()
        );
        // A whole collection is not its one member.
        assert!(
            !policy
                .asked("cloudfront:ListDistributions", "*")
                .is_allowed()
        );
    }

    #[test]
    fn what_would_not_be_evaluated_is_refused() {
        let allow = |more: Value| {
            let mut statement = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
            let (object, more) = (
                statement.as_object_mut().unwrap(),
                more.as_object().unwrap(),
            );
            object.extend(more.clone());
            object.retain(|_, value| !value.is_null());
            json!({ "Version": "2012-10-17", "Statement": statement })
        };
        for (document, word) in [
            (
                allow(json!({ "Condition": { "BinaryEquals": {} } })),
                "BinaryEquals",
            ),
            (allow(json!({ "Principal": "*" })), "Principal"),
            (allow(json!({ "Effect": "allow" })), "allow"),
            (allow(json!({ "Action": null })), "Action is missing"),
            (allow(json!({ "NotAction": "a:b" })), "both"),
            (allow(json!({ "Action": [] })), "Action"),
            (allow(json!({ "Action": [7] })), "Action"),
            (
                allow(json!({ "Action": "GetDistribution" })),
                "'GetDistribution'",
            ),
            (
                allow(json!({ "Action": "cloudfront:Get Distribution" })),
                "Get Distribution",
            ),
            (allow(json!({ "Resource": "E1" })), "'E1'"),
            (
                allow(json!({ "Resource": "arn:aws:x:::${aws:nobody}" })),
                "'aws:nobody'",
            ),
            (
                allow(json!({ "Resource": "arn:aws:x:::${" })),
                "without '}'",
            ),
            (allow(json!({ "Actions": "*" })), "Actions"),
            (
                json!({ "Version": "2012-10-18", "Statement": [] }),
                "2012-10-18",
            ),
            (json!({ "Version": "2012-10-17", "Statement": [] }), "empty"),
            (json!({ "Version": "2012-10-17" }), "Statement"),
            (json!([]), "not understood"),
        ] {
            let message = refusal(document.clone());
            assert!(message.contains(word), "{document}: {message}");
        }
        let twice = r#"{"Statement":
            {"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}}"#;
        assert!(
            Policy::parse(twice)
                .unwrap_err()
                .to_string()
                .contains("duplicate")
        );
        let long = " ".repeat(limits::POLICY_BYTES_MAX + 1);
        assert!(
            Policy::parse(&long)
                .unwrap_err()
                .to_string()
                .contains("bytes")
        );
    }

    #[test]
    fn the_named_policies_allow_what_their_names_say() {
        let may = |name: &str, action: &str| {
            let policy = Policy::named(name).unwrap();
            assert_eq!(policy.name(), Some(name));
            policy.asked(action, E1).is_allowed()
        };
        for (action, who) in [
            ("cloudfront:GetDistribution", [true, true, false]),
            ("cloudfront:ListDistributions", [true, true, true]),
            ("cloudfront:CreateInvalidation", [true, false, true]),
            ("cloudfront:UpdateDistribution", [true, false, false]),
            ("cloudfront:TestFunction", [true, false, false]),
            ("cloudfront-keyvaluestore:PutKey", [true, false, false]),
            ("cloudtrail:LookupEvents", [true, true, false]),
            ("warmfront:CreateAccessKey", [true, false, false]),
            ("warmfront:Rollback", [true, false, false]),
            ("warmfront:ListSites", [true, true, false]),
            ("s3:GetObject", [true, true, false]),
            ("s3:ListBucket", [true, true, false]),
            ("s3:PutObject", [true, false, false]),
        ] {
            let told = Policy::NAMES.map(|name| may(name, action));
            assert_eq!(told, who, "{action}");
        }
        assert_eq!(Policy::named("root"), None);
    }

    #[test]
    fn a_policy_survives_its_document() {
        let policy = policy(json!({ "Sid": "one", "Effect": "Deny", "Action": "*",
            "Resource": ["*"] }));
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy);
        assert!(serde_json::from_str::<Policy>("{}").is_err());
    }

    #[test]
    fn conditions_are_about_the_circumstances() {
        let policy = policy(json!({
            "Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::${aws:username}/*",
            "Condition": { "IpAddress": { "aws:SourceIp": "192.0.2.0/24" } },
        }));
        let asked = |address: [u8; 4], resource: &str| {
            let context = Context::new(&Connection {
                now_ms: 0,
                source: Some(address.into()),
                is_tls: false,
                account_id: ACCOUNT,
            });
            policy.decide(&Request {
                principal: ALICE,
                action: "s3:GetObject",
                resource,
                context: &context,
            })
        };
        let own = "arn:aws:s3:::alice/a";
        assert_eq!(asked([192, 0, 2, 1], own), Decision::Allowed);
        assert_eq!(asked([192, 0, 3, 1], own), Decision::NotAllowed);
        let other = "arn:aws:s3:::bob/a";
        assert_eq!(asked([192, 0, 2, 1], other), Decision::NotAllowed);
    }

    #[test]
    fn what_depends_on_circumstances_is_not_always_allowed() {
        let allow = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
        let at_times = json!({ "Bool": { "aws:SecureTransport": true } });
        let with = |statement: &Value, more: Value| {
            let mut statement = statement.clone();
            let more = more.as_object().unwrap().clone();
            statement.as_object_mut().unwrap().extend(more);
            statement
        };
        let deny = with(&allow, json!({ "Effect": "Deny" }));
        let by_name = json!({ "Resource": "arn:aws:x:::${aws:username}" });
        for (statements, is_always) in [
            (json!([allow]), true),
            (
                json!([with(&allow, json!({ "Condition": at_times }))]),
                false,
            ),
            (json!([with(&allow, by_name.clone())]), false),
            (json!([allow, deny]), false),
            (
                json!([allow, with(&deny, json!({ "Condition": at_times }))]),
                false,
            ),
            (json!([allow, with(&deny, by_name)]), false),
            (
                json!([allow, with(&deny, json!({ "Action": "s3:*" }))]),
                true,
            ),
            (
                json!([allow, with(&allow, json!({ "Condition": at_times }))]),
                true,
            ),
        ] {
            let always = policy(statements.clone()).always_allows("warmfront:CreateAccessKey", "*");
            assert_eq!(always, is_always, "{statements}");
        }
    }

    /// The slow, obvious one.
    fn plainly_matches(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => {
                (0..=text.len()).any(|length| plainly_matches(rest, &text[length..]))
            }
            Some((byte, rest)) => text.split_first().is_some_and(|(first, text)| {
                (*byte == b'?' || byte == first) && plainly_matches(rest, text)
            }),
        }
    }

    /// Effect, whether actions are negated, actions, whether resources are, resources.
    type Drawn = (bool, bool, Vec<String>, bool, Vec<String>);

    fn plainly_decides(statements: &[Drawn], action: &str, resource: &str) -> Decision {
        let one_of = |patterns: &[String], text: &str| {
            patterns
                .iter()
                .any(|pattern| plainly_matches(pattern.as_bytes(), text.as_bytes()))
        };
        let meant: Vec<_> = statements
            .iter()
            .filter(|(_, negated, actions, ..)| {
                let actions: Vec<_> = actions.iter().map(|name| name.to_lowercase()).collect();
                one_of(&actions, &action.to_lowercase()) != *negated
            })
            .filter(|(.., negated, resources)| one_of(resources, resource) != *negated)
            .collect();
        if meant.iter().any(|(allows, ..)| !allows) {
            Decision::Denied
        } else if meant.is_empty() {
            Decision::NotAllowed
        } else {
            Decision::Allowed
        }
    }

    fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
        let actions = proptest::collection::vec("[aB*]:[aAb*?]{1,3}", 1..3);
        let resources = proptest::collection::vec("arn:[aB*?]{0,3}", 1..3);
        let bools = (any::<bool>(), any::<bool>(), any::<bool>());
        let statement = (bools, actions, resources);
        let statement = statement.prop_map(|((allows, na, nr), actions, resources)| -> Drawn {
            (allows, na, actions, nr, resources)
        });
        proptest::collection::vec(statement, 1..5)
    }

    proptest! {
        #[test]
        fn decisions_are_those_of_the_obvious_evaluation(
            statements in drawn(),
            action in "[aAbB]:[aAbB]{1,3}",
            resource in "arn:[aAbB]{0,3}",
        ) {
            let written: Vec<Value> = statements.iter().map(|statement| {
                let (allows, not_actions, actions, not_resources, resources) = statement;
                let name = |negated: bool, name: &str| {
                    if negated { format!("Not{name}") } else { name.to_owned() }
                };
                json!({
                    "Effect": if *allows { "Allow" } else { "Deny" },
                    name(*not_actions, "Action"): actions,
                    name(*not_resources, "Resource"): resources,
                })
            }).collect();
            let obvious = plainly_decides(&statements, &action, &resource);
            prop_assert_eq!(policy(json!(written)).asked(&action, &resource), obvious);
        }

        #[test]
        fn no_document_makes_the_reader_panic(text in "[\\[{}\",:a-zA-Z* \\]]{0,60}") {
            let _ = Policy::parse(&text);
        }
    }
}
