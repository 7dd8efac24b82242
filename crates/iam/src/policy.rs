//! What a caller may: IAM's policy documents, of which everything is either honoured or refused.
//!
//! ```text
//! {"Version": "2012-10-17", "Statement": [
//!     {"Effect": "Allow", "Action": "cloudfront:Get*", "Resource": "*"}]}
//! ```
//!
//! What no statement allows is refused, and a statement that denies outweighs all that allow.
//! `*` stands for any characters, none included, `?` for one; in resources they reach across colons
//! and slashes.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use thiserror::Error;

use crate::limits;

/// An IAM policy document.
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

#[derive(Clone, Debug, PartialEq)]
struct Statement {
    is_allowing: bool,
    actions: Patterns,
    resources: Patterns,
}

/// `Action`, or with `is_negated` `NotAction`; and so with resources.
#[derive(Clone, Debug, PartialEq)]
struct Patterns {
    is_negated: bool,
    patterns: Vec<String>,
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
        if text.len() > limits::POLICY_BYTES_MAX {
            return Err(PolicyError(format!(
                "the policy has {} bytes; at most {} are allowed",
                text.len(),
                limits::POLICY_BYTES_MAX
            )));
        }
        let error = |error| PolicyError(format!("the policy is not understood: {error}"));
        let written: Document = serde_json::from_str(text).map_err(error)?;
        let document = serde_json::from_str(text).map_err(error)?;
        written.check(document)
    }

    /// Decides about an action (`cloudfront:GetDistribution`) on a resource (an ARN, or `*`).
    pub fn decide(&self, action: &str, resource: &str) -> Decision {
        // Actions are the same in any case; resources are not.
        let action = action.to_ascii_lowercase();
        let mut decision = Decision::NotAllowed;
        for statement in &self.statements {
            if !statement.actions.hold(&action) || !statement.resources.hold(resource) {
                continue;
            }
            if !statement.is_allowing {
                return Decision::Denied;
            }
            decision = Decision::Allowed;
        }
        decision
    }

    fn allowing(actions: &[&str]) -> Policy {
        let document = json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }],
        });
        Policy::parse(&document.to_string()).expect("the policies of this file are in order")
    }
}

impl Patterns {
    fn hold(&self, text: &str) -> bool {
        let is_matched = self.patterns.iter().any(|pattern| matches(pattern, text));
        is_matched != self.is_negated
    }
}

/// Whether a pattern with `*` and `?` is a text's. Goes back to the last star only, so that no
/// pattern costs more than its length times the text's.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star_p, star_t)) = star else {
                    return false;
                };
                star = Some((star_p, star_t + 1));
                p = star_p + 1;
                t = star_t + 1;
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
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

/// A document as it is written. Members that stand there twice are an error: two readers could
/// take different ones for the one that counts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Document {
    version: Option<String>,
    #[serde(rename = "Id")]
    _id: Option<String>,
    statement: Statements,
}

struct Statements(Vec<Written>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Written {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    effect: Effect,
    action: Option<Value>,
    not_action: Option<Value>,
    resource: Option<Value>,
    not_resource: Option<Value>,
    condition: Option<IgnoredAny>,
    principal: Option<IgnoredAny>,
    not_principal: Option<IgnoredAny>,
}

#[derive(Deserialize)]
enum Effect {
    Allow,
    Deny,
}

impl<'de> Deserialize<'de> for Statements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMany)
    }
}

struct OneOrMany;

impl<'de> Visitor<'de> for OneOrMany {
    type Value = Statements;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a statement or a list of statements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Statements, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Statements)
    }

    fn visit_map<A: MapAccess<'de>>(self, one: A) -> Result<Statements, A::Error> {
        let one = Written::deserialize(MapAccessDeserializer::new(one))?;
        Ok(Statements(vec![one]))
    }
}

impl Document {
    fn check(self, document: Value) -> Result<Policy, PolicyError> {
        if let Some(version) = &self.version
            && !matches!(version.as_str(), "2012-10-17" | "2008-10-17")
        {
            return Err(PolicyError(format!(
                "Version is '{version}'; allowed is 2012-10-17 (or 2008-10-17)"
            )));
        }
        if self.statement.0.is_empty() {
            return Err(PolicyError("Statement is empty".to_owned()));
        }
        let statements = self.statement.0.into_iter().enumerate();
        let statements = statements.map(|(index, written)| {
            let named = |PolicyError(what)| PolicyError(format!("Statement[{index}].{what}"));
            written.check().map_err(named)
        });
        Ok(Policy {
            document,
            statements: statements.collect::<Result<_, _>>()?,
        })
    }
}

impl Written {
    fn check(self) -> Result<Statement, PolicyError> {
        if self.condition.is_some() {
            return Err(PolicyError(
                "Condition: conditions are not evaluated here, so that none are accepted".into(),
            ));
        }
        if self.principal.is_some() || self.not_principal.is_some() {
            return Err(PolicyError(
                "Principal: the policy of a key is about that key; leave it out".into(),
            ));
        }
        let mut actions = patterns("Action", self.action, self.not_action)?;
        for action in &mut actions.patterns {
            check_action(action)?;
            action.make_ascii_lowercase();
        }
        let resources = patterns("Resource", self.resource, self.not_resource)?;
        resources
            .patterns
            .iter()
            .try_for_each(|name| check_resource(name))?;
        Ok(Statement {
            is_allowing: matches!(self.effect, Effect::Allow),
            actions,
            resources,
        })
    }
}

/// `Action` or `NotAction`, of which there must be exactly one.
fn patterns(
    name: &str,
    plain: Option<Value>,
    negated: Option<Value>,
) -> Result<Patterns, PolicyError> {
    let (is_negated, value) = match (plain, negated) {
        (Some(value), None) => (false, value),
        (None, Some(value)) => (true, value),
        (None, None) => return Err(PolicyError(format!("{name} is missing"))),
        (Some(_), Some(_)) => {
            let message = format!("{name} and Not{name} are both there; allowed is one of them");
            return Err(PolicyError(message));
        }
    };
    let texts = match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(items) => {
            let texts = items.into_iter().map(|item| match item {
                Value::String(text) => Some(text),
                _ => None,
            });
            texts.collect()
        }
        _ => None,
    };
    match texts {
        Some(patterns) if !patterns.is_empty() => Ok(Patterns {
            is_negated,
            patterns,
        }),
        _ => Err(PolicyError(format!(
            "{}{name} must be a text or a list of texts, and not empty",
            if is_negated { "Not" } else { "" }
        ))),
    }
}

fn check_action(action: &str) -> Result<(), PolicyError> {
    let is_name = |text: &str| {
        let mut bytes = text.bytes();
        !text.is_empty() && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-*?".contains(&byte))
    };
    let is_fine = match action.split_once(':') {
        Some((service, name)) => is_name(service) && is_name(name),
        None => action == "*",
    };
    match is_fine {
        true => Ok(()),
        false => Err(PolicyError(format!(
            "Action is '{action}'; allowed is '*' or a service and an action, such as \
             cloudfront:Get*"
        ))),
    }
}

fn check_resource(resource: &str) -> Result<(), PolicyError> {
    if resource.contains("${") {
        return Err(PolicyError(format!(
            "Resource is '{resource}': variables are not evaluated here, so that none are accepted"
        )));
    }
    match resource == "*" || resource.starts_with("arn:") || resource.starts_with("*:") {
        true => Ok(()),
        false => Err(PolicyError(format!(
            "Resource is '{resource}'; allowed is '*' or an ARN, such as \
             arn:aws:cloudfront::123456789012:distribution/E*"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
            policy.decide("cloudfront:GetDistribution", E1),
            Decision::Allowed
        );
        assert_eq!(
            policy.decide("CloudFront:getdistribution", E1),
            Decision::Allowed
        );
        assert_eq!(
            policy.decide("cloudfront:GetDistributionConfig", E1),
            Decision::NotAllowed
        );
        assert_eq!(
            policy.decide("cloudfront:DeleteDistribution", E1),
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
                policy.decide("cloudfront:DeleteDistribution", E1),
                Decision::Denied
            );
            assert!(
                policy
                    .decide("cloudfront:UpdateDistribution", E1)
                    .is_allowed()
            );
            assert!(
                policy
                    .decide("cloudfront:DeleteDistribution", &E1.replace("E1", "E2"))
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
        assert!(policy.decide("cloudfront:GetDistribution", E1).is_allowed());
        assert!(!policy.decide("iam:GetUser", "*").is_allowed());
        let function = "arn:aws:cloudfront::123456789012:function/f";
        assert!(
            !policy
                .decide("cloudfront:GetFunction", function)
                .is_allowed()
        );
    }

    #[test]
    fn resources_are_told_apart_by_case() {
        let policy = policy(json!({ "Effect": "Allow", "Action": "*", "Resource": E1 }));
        assert!(policy.decide("cloudfront:GetDistribution", E1).is_allowed());
        let other = E1.replace("E1", "e1");
        assert!(
            !policy
                .decide("cloudfront:GetDistribution", &other)
                .is_allowed()
        );
        // A whole collection is not its one member.
        assert!(
            !policy
                .decide("cloudfront:ListDistributions", "*")
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
            (allow(json!({ "Condition": {} })), "Condition"),
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
                allow(json!({ "Resource": "arn:aws:x:::${aws:username}" })),
                "variables",
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
            policy.decide(action, E1).is_allowed()
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
        fn patterns_match_as_the_obvious_matcher_says(
            pattern in "[ab*?]{0,7}",
            text in "[ab]{0,7}",
        ) {
            let obvious = plainly_matches(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(matches(&pattern, &text), obvious);
        }

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
            prop_assert_eq!(policy(json!(written)).decide(&action, &resource), obvious);
        }

        #[test]
        fn no_document_makes_the_reader_panic(text in "[\\[{}\",:a-zA-Z* \\]]{0,60}") {
            let _ = Policy::parse(&text);
        }
    }
}
