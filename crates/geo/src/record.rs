use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::{Location, limits};

/// A value of any shape: providers agree on the format, not on the names and nesting in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Map(Vec<(String, Value)>),
    Array(Vec<Value>),
    Text(String),
    Number(f64),
    Other,
}

impl Value {
    /// The location that the record describes, in whichever of the known shapes it is.
    pub fn location(&self, texts: &mut Texts) -> Location {
        let mut text = |paths: &[&[&str]]| {
            paths
                .iter()
                .find_map(|path| self.at(path)?.text())
                .and_then(|text| texts.intern(text))
        };
        let number = |paths: &[&[&str]]| paths.iter().find_map(|path| self.at(path)?.number());
        Location {
            country_name: text(&[&["country", "names", "en"], &["country_name"]]),
            region: text(&[&["subdivisions", "0", "iso_code"], &["region_code"]]),
            region_name: text(&[
                &["subdivisions", "0", "names", "en"],
                &["state1"],
                &["region"],
            ]),
            city: text(&[&["city", "names", "en"], &["city"]]),
            postal_code: text(&[&["postal", "code"], &["postcode"], &["postal_code"]]),
            time_zone: text(&[&["location", "time_zone"], &["timezone"], &["time_zone"]]),
            country: [
                &["country", "iso_code"][..],
                &["country_code"],
                &["country"],
            ]
            .iter()
            .find_map(|path| country_code(self.at(path)?.text()?)),
            latitude: number(&[&["location", "latitude"], &["latitude"], &["lat"]])
                .filter(|degrees| degrees.abs() <= 90.0),
            longitude: number(&[&["location", "longitude"], &["longitude"], &["lng"]])
                .filter(|degrees| degrees.abs() <= 180.0),
            metro_code: number(&[&["location", "metro_code"]]).and_then(whole_number),
            asn: number(&[
                &["autonomous_system_number"],
                &["traits", "autonomous_system_number"],
                &["asn"],
            ])
            .and_then(whole_number),
        }
    }

    /// What is found by these keys, one inside the other; a number counts the items of an array.
    fn at(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(self, |value, key| match value {
            Value::Map(pairs) => pairs
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value),
            Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            _ => None,
        })
    }

    fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number, or a text that is one; `AS64496` counts as 64496.
    fn number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Text(text) => text.strip_prefix("AS").unwrap_or(text).parse().ok(),
            _ => None,
        }
        .filter(|number| number.is_finite())
    }
}

/// Two letters, in upper case.
fn country_code(text: &str) -> Option<[u8; 2]> {
    let code: [u8; 2] = text.as_bytes().try_into().ok()?;
    code.iter()
        .all(u8::is_ascii_alphabetic)
        .then(|| code.map(|letter| letter.to_ascii_uppercase()))
}

fn whole_number(number: f64) -> Option<u32> {
    (number >= 0.0 && number <= f64::from(u32::MAX) && number.fract() == 0.0)
        .then_some(number as u32)
}

/// Texts that many locations share, kept once.
#[derive(Default)]
pub(crate) struct Texts {
    known: HashSet<Arc<str>>,
}

impl Texts {
    /// The text, unless it is empty or too long.
    fn intern(&mut self, text: &str) -> Option<Arc<str>> {
        if text.is_empty() || text.len() > limits::TEXT_BYTES_MAX {
            return None;
        }
        if let Some(known) = self.known.get(text) {
            return Some(known.clone());
        }
        let new: Arc<str> = text.into();
        self.known.insert(new.clone());
        Some(new)
    }
}

// The library bounds the depth and the number of values of what it decodes.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(pair) = pairs.next_entry()? {
            map.push(pair);
        }
        Ok(Value::Map(map))
    }
}
