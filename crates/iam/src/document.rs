//! Documents as they are written: JSON of which every member is taken, or refused by name.

use std::fmt;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};

use crate::PolicyError;

/// Reads JSON. Members that stand there twice are an error: two readers could take different ones
/// for the one that counts.
pub(crate) fn read(text: &str, bytes_max: usize) -> Result<Value, PolicyError> {
    if text.len() > bytes_max {
        return Err(PolicyError(format!(
            "the policy has {} bytes; at most {bytes_max} are allowed",
            text.len(),
        )));
    }
    match serde_json::from_str(text) {
        Ok(Unique(value)) => Ok(value),
        Err(error) => Err(PolicyError(format!(
            "the policy is not understood: {error}"
        ))),
    }
}

/// An object whose members are taken out one by one.
pub(crate) struct Members {
    /// Where it stands, for messages.
    place: String,
    members: Map<String, Value>,
}

impl Members {
    pub fn of(place: &str, value: Value) -> Result<Members, PolicyError> {
        match value {
            Value::Object(members) => Ok(Members {
                place: place.to_owned(),
                members,
            }),
            _ => Err(PolicyError(format!("{place} must be an object"))),
        }
    }

    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    /// The place of a member.
    pub fn place(&self, name: &str) -> String {
        match self.place.as_str() {
            "the policy" => name.to_owned(),
            place => format!("{place}.{name}"),
        }
    }

    /// A member that is a text.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, PolicyError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(PolicyError(format!("{} must be a text", self.place(name)))),
        }
    }

    /// Refuses what was not taken.
    pub fn finish(self, allowed: &str) -> Result<(), PolicyError> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(name) => Err(PolicyError(format!(
                "{} has the member '{}'; allowed are {allowed}",
                self.place,
                clipped(name)
            ))),
        }
    }
}

/// A text or a list of texts, of which there must be one.
pub(crate) fn texts(place: &str, value: Value) -> Result<Vec<String>, PolicyError> {
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
    let texts = texts.filter(|texts| !texts.is_empty());
    texts.ok_or_else(|| {
        PolicyError(format!(
            "{place} must be a text or a list of texts, and not empty"
        ))
    })
}

/// A value as messages have it: no longer than a line.
pub(crate) fn clipped(text: &str) -> String {
    const CHARS: usize = 160;
    match text.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// JSON without members that stand there twice.
pub(crate) struct Unique(pub Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue).map(Unique)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Unique(item)) = list.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Unique(value))) = object.next_entry::<String, Unique>()? {
            if members.contains_key(&name) {
                let message = format!("duplicate member '{}'", clipped(&name));
                return Err(A::Error::custom(message));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}
