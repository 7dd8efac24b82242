//! Statements, which both kinds of policies are lists of.

use serde_json::Value;

use crate::actions;
use crate::condition::{self, Condition};
use crate::document::{Members, clipped, texts};
use crate::principals::Principals;
use crate::template::{Syntax, Template};
use crate::{Decision, PolicyError, Request};

/// What is allowed or denied: to whom, what, to which resources, and when.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    pub is_allowing: bool,
    /// None in policies of whoever asks.
    pub principals: Option<Principals>,
    /// In lower case.
    pub actions: Patterns,
    pub resources: Patterns,
    /// All must hold.
    pub conditions: Vec<Condition>,
}

/// `Action`, or with `is_negated` `NotAction`; and so with resources.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Patterns {
    is_negated: bool,
    patterns: Vec<Template>,
}

/// What a policy is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum About<'a> {
    /// Whoever asks, who is not named therefore.
    Asker,
    /// A resource: what is asked of it begins with the service's name.
    Resource { service: &'a str, arn: &'a str },
}

/// The statements of a document.
pub(crate) fn parse(document: Value, about: About<'_>) -> Result<Vec<Statement>, PolicyError> {
    let not_understood =
        |PolicyError(what)| PolicyError(format!("the policy is not understood: {what}"));
    let mut members = Members::of("the policy", document).map_err(not_understood)?;
    let version = members.text("Version")?;
    if let Some(version) = &version
        && !matches!(version.as_str(), "2012-10-17" | "2008-10-17")
    {
        return Err(PolicyError(format!(
            "Version is '{}'; allowed is 2012-10-17 (or 2008-10-17)",
            clipped(version)
        )));
    }
    members.text("Id")?;
    let statements = match members.take("Statement") {
        Some(Value::Array(statements)) => statements,
        Some(statement @ Value::Object(_)) => vec![statement],
        Some(_) => {
            let message = "Statement must be a statement or a list of statements";
            return Err(PolicyError(message.to_owned()));
        }
        None => return Err(PolicyError("Statement is missing".to_owned())),
    };
    members.finish("Version, Id and Statement")?;
    if statements.is_empty() {
        return Err(PolicyError("Statement is empty".to_owned()));
    }
    let has_variables = version.as_deref() == Some("2012-10-17");
    let statements = statements
        .into_iter()
        .enumerate()
        .map(|(index, statement)| {
            let place = format!("Statement[{index}]");
            Statement::parse(Members::of(&place, statement)?, about, has_variables)
        });
    statements.collect()
}

/// What statements say together.
pub(crate) fn decide(statements: &[Statement], request: &Request<'_>) -> Decision {
    // Actions are the same in any case; resources are not.
    let action = request.action.to_ascii_lowercase();
    let mut decision = Decision::NotAllowed;
    for statement in statements {
        if !statement.counts(&action, request) {
            continue;
        }
        if !statement.is_allowing {
            return Decision::Denied;
        }
        decision = Decision::Allowed;
    }
    decision
}

impl Statement {
    fn parse(
        mut members: Members,
        about: About<'_>,
        has_variables: bool,
    ) -> Result<Statement, PolicyError> {
        members.text("Sid")?;
        let is_allowing = is_allowing(&mut members)?;
        let principals = principals(&mut members, about, is_allowing)?;
        let actions = actions(&mut members, about)?;
        let resources = resources(&mut members, about, has_variables)?;
        let conditions = match members.take("Condition") {
            Some(value) => condition::parse(&members.place("Condition"), value, has_variables)?,
            None => Vec::new(),
        };
        members.finish(
            "Sid, Effect, Principal, NotPrincipal, Action, NotAction, Resource, NotResource and \
             Condition",
        )?;
        Ok(Statement {
            is_allowing,
            principals,
            actions,
            resources,
            conditions,
        })
    }

    /// Whether it has anything to say to a request, of which the action is in lower case.
    fn counts(&self, action: &str, request: &Request<'_>) -> bool {
        let mean = |principals: &Principals| principals.mean(&request.principal, self.is_allowing);
        self.actions.hold(action, request)
            && self.resources.hold(request.resource, request)
            && self.principals.as_ref().is_none_or(mean)
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds(request))
    }

    /// Whether it has, whoever asks and whatever the circumstances; `None` if it depends on them.
    pub fn counts_always(&self, action: &str, resource: &str) -> Option<bool> {
        let action = self.actions.hold_always(&action.to_ascii_lowercase());
        match (action, self.resources.hold_always(resource)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) if self.conditions.is_empty() => Some(true),
            _ => None,
        }
    }
}

impl Patterns {
    fn hold(&self, text: &str, request: &Request<'_>) -> bool {
        let mut patterns = self.patterns.iter();
        patterns.any(|pattern| pattern.matches(text, request)) != self.is_negated
    }

    /// The same whatever the circumstances; `None` if it depends on them.
    fn hold_always(&self, text: &str) -> Option<bool> {
        let mut is_matched = false;
        for pattern in &self.patterns {
            is_matched |= pattern.always_matches(text)?;
        }
        Some(is_matched != self.is_negated)
    }
}

fn is_allowing(members: &mut Members) -> Result<bool, PolicyError> {
    let place = members.place("Effect");
    match members.text("Effect")?.as_deref() {
        Some("Allow") => Ok(true),
        Some("Deny") => Ok(false),
        Some(other) => Err(PolicyError(format!(
            "{place} is '{}'; allowed are Allow and Deny",
            clipped(other)
        ))),
        None => Err(PolicyError(format!("{place} is missing"))),
    }
}

fn principals(
    members: &mut Members,
    about: About<'_>,
    is_allowing: bool,
) -> Result<Option<Principals>, PolicyError> {
    let written = one_of(members, "Principal");
    match (about, written) {
        (About::Resource { .. }, Ok((place, true, _))) if is_allowing => Err(PolicyError(format!(
            "{place} is for statements that deny; an Allow would let in everybody else"
        ))),
        (About::Resource { .. }, written) => {
            let (place, is_negated, value) = written?;
            Principals::parse(&place, value, is_negated).map(Some)
        }
        (About::Asker, Err(NotOne::Missing(_))) => Ok(None),
        (About::Asker, _) => Err(PolicyError(format!(
            "{}: the policy of a key is about that key; leave it out",
            members.place("Principal")
        ))),
    }
}

fn actions(members: &mut Members, about: About<'_>) -> Result<Patterns, PolicyError> {
    let syntax = Syntax {
        has_wildcards: true,
        has_variables: false,
    };
    let read = |action: &str| {
        if !is_action(action) {
            let what = "allowed is '*' or a service and an action, such as cloudfront:Get*";
            return Err(what.to_owned());
        }
        let pattern = Template::parse(&action.to_ascii_lowercase(), syntax)?;
        match about {
            About::Resource { service, .. } if !pattern.could_be(&format!("{service}:"), true) => {
                Err(format!("allowed are actions of '{service}:'"))
            }
            About::Resource { service: "s3", .. } if !names_any(&pattern) => {
                Err("S3 has no such action for a bucket or what is in it".to_owned())
            }
            _ => Ok(pattern),
        }
    };
    patterns(members, "Action", read)
}

/// Whether S3 has an action that a pattern means.
fn names_any(pattern: &Template) -> bool {
    let mut actions = actions::OF_BUCKETS.iter();
    actions.any(|action| pattern.could_be(action, false))
}

fn resources(
    members: &mut Members,
    about: About<'_>,
    has_variables: bool,
) -> Result<Patterns, PolicyError> {
    let syntax = Syntax {
        has_wildcards: true,
        has_variables,
    };
    let read = |resource: &str| {
        if resource != "*" && !resource.starts_with("arn:") && !resource.starts_with("*:") {
            let what = "allowed is '*' or an ARN, such as \
                        arn:aws:cloudfront::123456789012:distribution/E*";
            return Err(what.to_owned());
        }
        let pattern = Template::parse(resource, syntax)?;
        match about {
            About::Resource { arn, .. }
                if !pattern.could_be(arn, false) && !pattern.could_be(&format!("{arn}/"), true) =>
            {
                Err(format!("allowed is '{arn}' and what is in it, '{arn}/*'"))
            }
            _ => Ok(pattern),
        }
    };
    patterns(members, "Resource", read)
}

/// `Action` or `NotAction`, of which there must be exactly one.
fn patterns(
    members: &mut Members,
    name: &str,
    read: impl Fn(&str) -> Result<Template, String>,
) -> Result<Patterns, PolicyError> {
    let (place, is_negated, value) = one_of(members, name)?;
    let patterns = texts(&place, value)?.into_iter().map(|text| {
        let error = |what| PolicyError(format!("{place} is '{}': {what}", clipped(&text)));
        read(&text).map_err(error)
    });
    Ok(Patterns {
        is_negated,
        patterns: patterns.collect::<Result<_, _>>()?,
    })
}

/// Why none of a pair counts.
enum NotOne {
    Missing(String),
    Twice(String),
}

impl From<NotOne> for PolicyError {
    fn from(why: NotOne) -> PolicyError {
        match why {
            NotOne::Missing(place) => PolicyError(format!("{place} is missing")),
            NotOne::Twice(place) => PolicyError(format!(
                "{place} and its Not… are both there; allowed is one of them"
            )),
        }
    }
}

/// The one that is there of `Action` and `NotAction`: its place, whether it is the second, and
/// what it says.
fn one_of(members: &mut Members, name: &str) -> Result<(String, bool, Value), NotOne> {
    let negated = format!("Not{name}");
    match (members.take(name), members.take(&negated)) {
        (Some(value), None) => Ok((members.place(name), false, value)),
        (None, Some(value)) => Ok((members.place(&negated), true, value)),
        (None, None) => Err(NotOne::Missing(members.place(name))),
        (Some(_), Some(_)) => Err(NotOne::Twice(members.place(name))),
    }
}

fn is_action(action: &str) -> bool {
    let is_name = |text: &str| {
        let mut bytes = text.bytes();
        !text.is_empty() && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-*?".contains(&byte))
    };
    match action.split_once(':') {
        Some((service, name)) => is_name(service) && is_name(name),
        None => action == "*",
    }
}
