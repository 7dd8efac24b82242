//! The members of a structure on an HTTP message: from their places to a value, and back.
//! Requests and responses differ in nothing but which places they have.

use serde_json::{Map, Value};

use super::RequestError;
use super::uri::parameters;
use crate::check::{check_types, cut};
use crate::codec::{Decoded, member, scalar, text};
use crate::path::{Path, ShapeError};
use crate::scalar::Blob;
use crate::schema::{Body, Kind, Location, Member, Protocol, Shape};
use crate::{wire_json, xml};

/// What a message says, place by place.
pub(super) struct Received<'m> {
    pub(super) placeholders: &'m [(&'static str, String)],
    pub(super) query: &'m str,
    pub(super) headers: &'m [(&'m str, &'m str)],
    pub(super) body: &'m [u8],
}

/// A message to send, place by place.
#[derive(Default)]
pub(super) struct Written {
    pub(super) placeholders: Vec<(&'static str, String)>,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) content_type: Option<String>,
    pub(super) body: Vec<u8>,
}

/// Reads a message that carries `carried`, if it carries anything: a value of that shape.
/// Unknown members of the body are reported, not refused.
pub(super) fn read(
    protocol: Protocol,
    carried: Option<&'static Body>,
    received: &Received<'_>,
) -> Result<Decoded, RequestError> {
    let Some(carried) = carried else {
        return Ok(Decoded::nothing());
    };
    let mut decoded = match Content::of(protocol, carried) {
        Some(content) => content.read(received.body)?,
        None => Decoded::nothing(),
    };
    let Value::Object(members) = &mut decoded.value else {
        let error = Path::Root.error("is not an object");
        return Err(RequestError::Body(vec![error]));
    };
    read_parameters(members_of(carried.shape), received, members)
        .map_err(|error| RequestError::Parameters(vec![error]))?;
    let (body, parameters): (Vec<_>, Vec<_>) = check_types(carried.shape, &decoded.value)
        .into_iter()
        .partition(|error| is_in_body(carried.shape, &error.path));
    if !parameters.is_empty() {
        return Err(RequestError::Parameters(parameters));
    }
    if !body.is_empty() {
        return Err(RequestError::Body(body));
    }
    Ok(decoded)
}

/// Writes a message that carries `carried`, if it carries anything.
pub(super) fn write(protocol: Protocol, carried: Option<&'static Body>, value: &Value) -> Written {
    let mut written = Written::default();
    let Some(carried) = carried else {
        return written;
    };
    let content = Content::of(protocol, carried);
    if let Some((body, content_type)) = content.and_then(|content| content.write(value)) {
        written.body = body;
        written.content_type = Some(content_type.into());
    }
    for entry in members_of(carried.shape) {
        let Some(value) = member(value, entry.name) else {
            continue;
        };
        let (name, value) = (entry.wire_name, text(value).into_owned());
        match entry.location {
            Location::Body => {}
            Location::Uri => written.placeholders.push((name, value)),
            Location::QueryString => written.query.push((name, value)),
            Location::Header if name.eq_ignore_ascii_case("Content-Type") => {
                written.content_type = Some(value);
            }
            Location::Header => written.headers.push((name.into(), value)),
        }
    }
    written
}

fn members_of(shape: &'static Shape) -> &'static [Member] {
    match shape.kind {
        Kind::Structure { members, .. } => members,
        _ => &[],
    }
}

/// Whether a path begins with a member that travels in the body.
fn is_in_body(shape: &'static Shape, path: &str) -> bool {
    let name = path.split(['.', '[']).next().unwrap_or_default();
    let member = members_of(shape).iter().find(|member| member.name == name);
    member.is_none_or(|member| member.location == Location::Body)
}

/// Reads what travels outside the body.
fn read_parameters(
    members: &'static [Member],
    received: &Received<'_>,
    into: &mut Map<String, Value>,
) -> Result<(), ShapeError> {
    let query = parameters(received.query).map_err(|parameter| {
        let parameter = cut(parameter);
        Path::Root.error(format!(
            "'{parameter}' in the query is not percent-encoded UTF-8"
        ))
    })?;
    for member in members {
        let name = member.wire_name;
        let values: Vec<&str> = match member.location {
            Location::Body => continue,
            Location::Uri => (received.placeholders.iter())
                .filter(|(other, _)| *other == name)
                .map(|(_, value)| value.as_str())
                .collect(),
            Location::QueryString => (query.iter())
                .filter(|(other, _)| other == name)
                .map(|(_, value)| value.as_str())
                .collect(),
            Location::Header => (received.headers.iter())
                .filter(|(other, _)| other.eq_ignore_ascii_case(name))
                .map(|(_, value)| *value)
                .collect(),
        };
        match values.as_slice() {
            [] => {}
            [value] => {
                into.insert(member.name.into(), scalar(member.shape, value));
            }
            _ => return Err(Path::Member(&Path::Root, member.name).error("is given twice")),
        }
    }
    Ok(())
}

/// What the body of a message holds.
struct Content {
    /// The member that is the whole body, or the structure whose members are in it.
    shape: &'static Shape,
    /// The name of the member that is the whole body.
    payload: Option<&'static str>,
    is_required: bool,
    format: Format,
}

/// How a body holds it.
enum Format {
    /// A blob as it is.
    Raw,
    Xml {
        root: &'static str,
        namespace: Option<&'static str>,
    },
    Json {
        content_type: &'static str,
    },
}

impl Content {
    /// Nothing where no member travels in the body.
    fn of(protocol: Protocol, carried: &'static Body) -> Option<Self> {
        let Kind::Structure {
            members, payload, ..
        } = carried.shape.kind
        else {
            return None;
        };
        let mut in_body = members.iter().filter(|m| m.location == Location::Body);
        let payload = payload.and_then(|name| members.iter().find(|m| m.name == name));
        let (shape, root, is_required) = match payload {
            Some(payload) => (payload.shape, payload.wire_name, payload.is_required),
            None => {
                let first = in_body.next()?;
                let is_required = first.is_required || in_body.any(|m| m.is_required);
                (carried.shape, carried.wire_name, is_required)
            }
        };
        let format = match (&shape.kind, protocol) {
            (Kind::Blob, _) => Format::Raw,
            (_, Protocol::RestXml) => Format::Xml {
                root,
                namespace: carried.xml_namespace,
            },
            (_, Protocol::RestJson) => Format::Json {
                content_type: "application/json",
            },
            (_, Protocol::Json) => Format::Json {
                content_type: "application/x-amz-json-1.1",
            },
        };
        Some(Self {
            shape,
            payload: payload.map(|payload| payload.name),
            is_required,
            format,
        })
    }

    /// Reads an object of the payload member, or of all members of the body.
    fn read(&self, body: &[u8]) -> Result<Decoded, RequestError> {
        let is_raw = matches!(self.format, Format::Raw);
        if body.is_empty() || !is_raw && body.trim_ascii().is_empty() {
            if self.is_required {
                return Err(RequestError::MissingBody);
            }
            return Ok(Decoded::nothing());
        }
        let path = match self.payload {
            Some(name) => Path::Member(&Path::Root, name),
            None => Path::Root,
        };
        let decoded = match self.format {
            Format::Raw => Ok(Decoded::known(Blob(body.into()).encode())),
            Format::Xml { root, .. } => xml::read_at(self.shape, root, body, &path),
            Format::Json { .. } => wire_json::read_at(self.shape, body, &path),
        };
        let mut decoded = decoded.map_err(|error| RequestError::Body(vec![error]))?;
        if let Some(name) = self.payload {
            decoded.value = Value::Object(Map::from_iter([(name.to_owned(), decoded.value)]));
        }
        Ok(decoded)
    }

    /// The body of a message that carries `value`, and its type. A payload that is not set makes
    /// no body.
    fn write(&self, value: &Value) -> Option<(Vec<u8>, &'static str)> {
        let value = match self.payload {
            Some(name) => member(value, name)?,
            None => value,
        };
        Some(match self.format {
            Format::Raw => {
                let bytes = Blob::decode(&text(value)).unwrap_or_default();
                (bytes.0, "application/octet-stream")
            }
            Format::Xml { root, namespace } => {
                (xml::write(self.shape, root, namespace, value), "text/xml")
            }
            Format::Json { content_type } => (wire_json::write(self.shape, value), content_type),
        })
    }
}
