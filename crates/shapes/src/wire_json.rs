//! JSON as AWS's JSON services write it, which is not quite the form that the AWS CLI prints:
//! times are seconds since 1970, and members have the names that the wire gives them.

use serde_json::{Map, Value};

use crate::codec::{Decoded, member};
use crate::limits::PROBLEMS_MAX;
use crate::path::{Path, ShapeError};
use crate::scalar::Timestamp;
use crate::schema::{Kind, Location, Shape};

/// Reads a body; paths begin with `path`. A time may be text too.
pub(crate) fn read_at(shape: &Shape, body: &[u8], path: &Path<'_>) -> Result<Decoded, ShapeError> {
    let value =
        serde_json::from_slice(body).map_err(|error| path.error(format!("not JSON: {error}")))?;
    let mut unknown = Vec::new();
    Ok(Decoded {
        value: from_wire(shape, value, path, &mut unknown),
        unknown,
    })
}

/// Writes a body. `value` is taken to fit its shape.
pub(crate) fn write(shape: &Shape, value: &Value) -> Vec<u8> {
    to_wire(shape, value).to_string().into_bytes()
}

fn from_wire(shape: &Shape, value: Value, path: &Path<'_>, unknown: &mut Vec<String>) -> Value {
    match (&shape.kind, value) {
        (Kind::Structure { members, .. }, Value::Object(object)) => {
            let mut known = Map::new();
            for (name, value) in object {
                let member = members
                    .iter()
                    .find(|m| m.location == Location::Body && m.wire_name == name);
                if let Some(member) = member {
                    let path = Path::Member(path, member.name);
                    let value = from_wire(member.shape, value, &path, unknown);
                    known.insert(member.name.into(), value);
                } else if unknown.len() < PROBLEMS_MAX {
                    unknown.push(Path::Member(path, &name).to_string());
                }
            }
            Value::Object(known)
        }
        (Kind::List { item, .. }, Value::Array(items)) => {
            let items = items.into_iter().enumerate();
            items
                .map(|(index, value)| from_wire(item, value, &Path::Item(path, index), unknown))
                .collect()
        }
        // A number that is no time becomes a year that no time has, and is refused as one.
        (Kind::Timestamp, Value::Number(secs)) => match secs.as_f64() {
            Some(secs) => {
                let unix_ms = (secs * 1_000.0).round() as i64;
                Value::from(Timestamp::from_unix_ms(unix_ms).to_string())
            }
            None => Value::Number(secs),
        },
        (_, value) => value,
    }
}

fn to_wire(shape: &Shape, value: &Value) -> Value {
    match (&shape.kind, value) {
        (Kind::Structure { members, .. }, value) => {
            let members = members.iter().filter(|m| m.location == Location::Body);
            let set = members.filter_map(|entry| Some((entry, member(value, entry.name)?)));
            set.map(|(entry, value)| (entry.wire_name.into(), to_wire(entry.shape, value)))
                .collect::<Map<_, _>>()
                .into()
        }
        (Kind::List { item, .. }, Value::Array(items)) => {
            items.iter().map(|value| to_wire(item, value)).collect()
        }
        (Kind::Timestamp, Value::String(text)) => match Timestamp::parse(text) {
            Some(time) if time.unix_ms() % 1_000 == 0 => Value::from(time.unix_ms() / 1_000),
            Some(time) => Value::from(time.unix_ms() as f64 / 1_000.0),
            None => value.clone(),
        },
        _ => value.clone(),
    }
}
