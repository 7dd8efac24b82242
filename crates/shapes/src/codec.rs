//! What the codecs have in common: what they read a document as, and scalars as text.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use crate::schema::{Kind, Shape};

/// What a codec read a document as.
///
/// A scalar that is not what its shape says stays the text (or the JSON) that it was, so that the
/// words about wrong values are those of [`crate::check_types`] alone, whatever the format was.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The document in the JSON form that [`crate::from_value`] takes.
    pub value: Value,
    /// The paths of what the shape does not have, which `value` leaves out.
    pub unknown: Vec<String>,
}

impl Decoded {
    /// A value with nothing beside it.
    pub(crate) fn known(value: impl Into<Value>) -> Self {
        Self {
            value: value.into(),
            unknown: Vec::new(),
        }
    }

    /// A structure without members.
    pub(crate) fn nothing() -> Self {
        Self::known(Map::new())
    }
}

/// Reads a scalar from the text that XML, a header, a query or a path holds.
pub(crate) fn scalar(shape: &Shape, text: &str) -> Value {
    let trimmed = text.trim_ascii();
    let read = match shape.kind {
        Kind::Integer | Kind::Long => trimmed.parse::<i64>().ok().map(Value::from),
        Kind::Float | Kind::Double => trimmed
            .parse()
            .ok()
            .and_then(Number::from_f64)
            .map(Value::from),
        Kind::Boolean => match trimmed {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        Kind::Timestamp => Some(Value::from(trimmed)),
        // MIME's line ends come with base64 from some hands.
        Kind::Blob => Some(Value::from(
            text.split_ascii_whitespace().collect::<String>(),
        )),
        Kind::String { .. } | Kind::Structure { .. } | Kind::List { .. } => None,
    };
    read.unwrap_or_else(|| Value::from(text))
}

/// A scalar as text; empty for what is none.
pub(crate) fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Bool(_) | Value::Number(_) => Cow::Owned(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Cow::Borrowed(""),
    }
}

/// The members of an object that are set, by name; nothing for what is no object.
pub(crate) fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.get(name).filter(|value| !value.is_null())
}
