//! Checks of a JSON document against its shape's table.
//!
//! [`check_types`] says what keeps a document from being the structure at all, [`check_bounds`]
//! what is out of its bounds, [`unknown_members`] what nobody will read.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::limits::{PROBLEMS_MAX, QUOTED_CHARS_MAX};
use crate::path::{Path, ShapeError};
use crate::scalar::{Blob, Timestamp};
use crate::schema::{Bounds, Kind, Member, Shape};

/// Everything that keeps `value` from being a `shape`: members of a wrong type, required members
/// that are absent, values that are none of the choices. [`crate::from_value`] succeeds exactly
/// where this is empty.
pub fn check_types(shape: &'static Shape, value: &Value) -> Vec<ShapeError> {
    let mut findings = Findings::at_most(PROBLEMS_MAX);
    types(shape, value, &mut findings);
    findings.into_errors()
}

/// Every value out of the bounds that AWS's model states, every union without exactly one member,
/// and every `Quantity` that is not the number of its `Items`. Values of a wrong type are passed
/// over.
pub fn check_bounds(shape: &'static Shape, value: &Value) -> Vec<ShapeError> {
    let mut findings = Findings::at_most(PROBLEMS_MAX);
    visit(shape, value, Path::Root, &mut |shape, value, path| {
        findings.add(|| bounds_problem(shape, value), path);
        if let Value::Object(object) = value {
            findings.add(|| quantity_problem(object), &Path::Member(path, "Quantity"));
        }
    });
    findings.into_errors()
}

/// The paths of members that the shape does not have.
pub fn unknown_members(shape: &'static Shape, value: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    visit(shape, value, Path::Root, &mut |shape, value, path| {
        if let (Kind::Structure { members, .. }, Value::Object(object)) = (&shape.kind, value) {
            for name in object.keys() {
                if unknown.len() < PROBLEMS_MAX && !members.iter().any(|m| m.name == name) {
                    unknown.push(Path::Member(path, name).to_string());
                }
            }
        }
    });
    unknown
}

/// A bounded list of problems.
pub(crate) struct Findings {
    errors: Vec<ShapeError>,
    max: usize,
}

impl Findings {
    pub(crate) fn at_most(max: usize) -> Self {
        Self {
            errors: Vec::new(),
            max,
        }
    }

    pub(crate) fn into_errors(self) -> Vec<ShapeError> {
        self.errors
    }

    fn add(&mut self, problem: impl FnOnce() -> Option<String>, path: &Path<'_>) {
        if self.errors.len() < self.max
            && let Some(message) = problem()
        {
            self.errors.push(path.error(message));
        }
    }
}

pub(crate) fn types(shape: &'static Shape, value: &Value, findings: &mut Findings) {
    visit(shape, value, Path::Root, &mut |shape, value, path| {
        findings.add(|| type_problem(shape, value), path);
        if let (Kind::Structure { members, .. }, Value::Object(object)) = (&shape.kind, value) {
            for Member { name, .. } in members.iter().filter(|member| member.is_required) {
                let is_absent = object.get(*name).is_none_or(Value::is_null);
                findings.add(
                    || is_absent.then(|| "is required".into()),
                    &Path::Member(path, name),
                );
            }
        }
    });
}

/// Calls `node` for a value and for everything below it that the shape knows, parents first, in
/// the order of the shape. A member that is null counts as absent.
fn visit(
    shape: &'static Shape,
    value: &Value,
    path: Path<'_>,
    node: &mut dyn FnMut(&'static Shape, &Value, &Path<'_>),
) {
    node(shape, value, &path);
    match (&shape.kind, value) {
        (Kind::Structure { members, .. }, Value::Object(object)) => {
            for member in *members {
                if let Some(value) = object.get(member.name).filter(|value| !value.is_null()) {
                    visit(member.shape, value, Path::Member(&path, member.name), node);
                }
            }
        }
        (Kind::List { item, .. }, Value::Array(values)) => {
            for (index, value) in values.iter().enumerate() {
                visit(item, value, Path::Item(&path, index), node);
            }
        }
        _ => {}
    }
}

fn type_problem(shape: &Shape, value: &Value) -> Option<String> {
    let (fits, expected) = match shape.kind {
        Kind::Structure { .. } => (value.is_object(), "an object"),
        Kind::List { .. } => (value.is_array(), "a list"),
        Kind::String { choices, .. } => {
            if let (Some(text), false) = (value.as_str(), choices.is_empty()) {
                let is_choice = choices.contains(&text);
                return (!is_choice).then(|| {
                    format!(
                        "{} is not one of {}",
                        quoted(shape, value),
                        choices.join(", ")
                    )
                });
            }
            (value.is_string(), "a string")
        }
        Kind::Integer => (
            value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
            "a 32-bit integer",
        ),
        Kind::Long => (value.is_i64(), "a 64-bit integer"),
        Kind::Float | Kind::Double => (value.is_number(), "a number"),
        Kind::Boolean => (value.is_boolean(), "true or false"),
        Kind::Timestamp => (
            value
                .as_str()
                .is_some_and(|text| Timestamp::parse(text).is_some()),
            "a time such as 2020-05-31T00:00:00Z",
        ),
        Kind::Blob => (
            value
                .as_str()
                .is_some_and(|text| Blob::decode(text).is_some()),
            "base64",
        ),
    };
    (!fits).then(|| format!("{} is not {expected}", quoted(shape, value)))
}

fn bounds_problem(shape: &Shape, value: &Value) -> Option<String> {
    let (Bounds { min, max }, amount, what) = amount(shape, value)?;
    if min.is_none_or(|min| amount >= min) && max.is_none_or(|max| amount <= max) {
        return None;
    }
    let is = if what.is_empty() { "is" } else { "has" };
    let allowed = match (min, max) {
        (Some(min), Some(max)) if min == max => format!("exactly {min} allowed"),
        (Some(min), Some(max)) => format!("{min} to {max} allowed"),
        (Some(min), None) => format!("at least {min} needed"),
        (None, Some(max)) => format!("at most {max} allowed"),
        (None, None) => return None,
    };
    Some(format!("{is} {amount}{what}; {allowed}"))
}

/// What the bounds of a shape count, and how much of it there is.
fn amount(shape: &Shape, value: &Value) -> Option<(Bounds, f64, &'static str)> {
    let bounds = shape.bounds;
    Some(match (&shape.kind, value) {
        (Kind::Structure { is_union: true, .. }, Value::Object(members)) => {
            let set = members.values().filter(|value| !value.is_null()).count();
            (
                Bounds {
                    min: Some(1.0),
                    max: Some(1.0),
                },
                set as f64,
                " members",
            )
        }
        (Kind::String { .. }, Value::String(text)) => {
            (bounds, text.chars().count() as f64, " characters")
        }
        (Kind::Blob, Value::String(text)) => (bounds, Blob::decode(text)?.0.len() as f64, " bytes"),
        (Kind::List { .. }, Value::Array(items)) => (bounds, items.len() as f64, " items"),
        (Kind::Integer | Kind::Long | Kind::Float | Kind::Double, _) => {
            (bounds, value.as_f64()?, "")
        }
        _ => return None,
    })
}

/// AWS states the length of a list beside it, and refuses a document in which the two differ.
fn quantity_problem(object: &Map<String, Value>) -> Option<String> {
    let quantity = object.get("Quantity")?.as_i64()?;
    let items = match object.get("Items") {
        Some(Value::Array(items)) => items.len(),
        None | Some(Value::Null) => 0,
        Some(_) => return None,
    };
    let is_equal = usize::try_from(quantity).is_ok_and(|quantity| quantity == items);
    (!is_equal).then(|| format!("is {quantity}, but Items has {items}"))
}

/// A value as a message shows it.
fn quoted(shape: &Shape, value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".into(),
        Value::Array(_) => "a list".into(),
        Value::Null => "null".into(),
        _ if shape.is_sensitive => "the value".into(),
        Value::String(text) => format!("'{}'", cut(text)),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// As much of a text as a message quotes.
pub(crate) fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}
