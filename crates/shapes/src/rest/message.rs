//! The members of a structure on an HTTP message: from their places to a value, and back.
//! Requests and responses differ in nothing but which places they have.

use serde_json::{Map, Value};

use super::RequestError;
use super::uri::parameters;
use crate::check::check_types;
use crate::codec::{Decoded, member, scalar, text};
use crate::path::{Path, ShapeError};
use crate::scalar::Blob;
use crate::schema::{Body, Kind, Location, Member, Operation, Protocol, Shape};
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

/// The parts of a structure, as HTTP carries them.
struct Layout {
    members: &'static [Member],
    /// The member that is the whole body.
    payload: Option<&'static Member>,
}

impl Layout {
    fn of(shape: &'static Shape) -> Self {
        let Kind::Structure {
            members, payload, ..
        } = shape.kind
        else {
            return Self {
                members: &[],
                payload: None,
            };
        };
        Self {
            members,
            payload: payload.and_then(|name| members.iter().find(|m| m.name == name)),
        }
    }

    fn location(&self, name: &str) -> Location {
        let member = self.members.iter().find(|member| member.name == name);
        member.map_or(Location::Body, |member| member.location)
    }

    fn in_body(&self) -> impl Iterator<Item = &'static Member> {
        let members = self.members.iter();
        members.filter(|member| member.location == Location::Body)
    }
}

/// Reads a message of the structure `carried`: a value of its shape. Unknown members are reported.
pub(super) fn read(
    operation: &'static Operation,
    carried: Option<&'static Body>,
    received: &Received<'_>,
) -> Result<Decoded, RequestError> {
    let Some(carried) = carried else {
        return Ok(Decoded {
            value: Value::Object(Map::new()),
            unknown: Vec::new(),
        });
    };
    let layout = Layout::of(carried.shape);
    let mut decoded = read_body(operation, carried, &layout, received.body)?;
    let Value::Object(members) = &mut decoded.value else {
        let is = "is not an object".to_owned();
        return Err(RequestError::Body(vec![Path::Root.error(is)]));
    };
    read_parameters(&layout, received, members)
        .map_err(|error| RequestError::Parameters(vec![error]))?;
    let (body, parameters): (Vec<_>, Vec<_>) = check_types(carried.shape, &decoded.value)
        .into_iter()
        .partition(|error| {
            let end = error.path.find(['.', '[']).unwrap_or(error.path.len());
            layout.location(&error.path[..end]) == Location::Body
        });
    if !parameters.is_empty() {
        return Err(RequestError::Parameters(parameters));
    }
    if !body.is_empty() {
        return Err(RequestError::Body(body));
    }
    Ok(decoded)
}

/// Reads what travels outside the body.
fn read_parameters(
    layout: &Layout,
    received: &Received<'_>,
    members: &mut Map<String, Value>,
) -> Result<(), ShapeError> {
    let query = parameters(received.query).map_err(|parameter| {
        let parameter = crate::check::cut(parameter);
        Path::Root.error(format!(
            "'{parameter}' in the query is not percent-encoded UTF-8"
        ))
    })?;
    for member in layout.members {
        let name = member.wire_name;
        let values: Vec<&str> = match member.location {
            Location::Body => continue,
            Location::Uri => values(received.placeholders, |other| other == name),
            Location::QueryString => values(&query, |other| other == name),
            Location::Header => (received.headers.iter())
                .filter(|(other, _)| other.eq_ignore_ascii_case(name))
                .map(|(_, value)| *value)
                .collect(),
        };
        match values.as_slice() {
            [] => {}
            [value] => {
                members.insert(member.name.into(), scalar(member.shape, value));
            }
            _ => return Err(Path::Member(&Path::Root, member.name).error("is given twice")),
        }
    }
    Ok(())
}

fn values<N: AsRef<str>>(pairs: &[(N, String)], is_it: impl Fn(&str) -> bool) -> Vec<&str> {
    let pairs = pairs.iter().filter(|(name, _)| is_it(name.as_ref()));
    pairs.map(|(_, value)| value.as_str()).collect()
}

/// Reads what travels in the body: an object of the payload member, or of all body members.
fn read_body(
    operation: &'static Operation,
    carried: &'static Body,
    layout: &Layout,
    body: &[u8],
) -> Result<Decoded, RequestError> {
    let nothing = Decoded {
        value: Value::Object(Map::new()),
        unknown: Vec::new(),
    };
    let is_blob = |payload: &Member| matches!(payload.shape.kind, Kind::Blob);
    let is_blob = layout.payload.is_some_and(is_blob);
    if body.is_empty() || !is_blob && body.trim_ascii().is_empty() {
        let mut members = layout.in_body();
        return match members.any(|member| member.is_required) {
            true => Err(RequestError::MissingBody),
            false => Ok(nothing),
        };
    }
    let error = |error| RequestError::Body(vec![error]);
    let Some(payload) = layout.payload else {
        return match layout.in_body().next() {
            Some(_) => read_document(
                operation,
                carried.shape,
                carried.wire_name,
                body,
                &Path::Root,
            )
            .map_err(error),
            None => Ok(nothing),
        };
    };
    let path = Path::Member(&Path::Root, payload.name);
    let Decoded { value, unknown } = match is_blob {
        true => Decoded {
            value: Value::from(Blob(body.into()).encode()),
            unknown: Vec::new(),
        },
        false => read_document(operation, payload.shape, payload.wire_name, body, &path)
            .map_err(error)?,
    };
    let members = [(payload.name.to_owned(), value)];
    Ok(Decoded {
        value: Value::Object(members.into_iter().collect()),
        unknown,
    })
}

fn read_document(
    operation: &Operation,
    shape: &'static Shape,
    root: &str,
    body: &[u8],
    path: &Path<'_>,
) -> Result<Decoded, ShapeError> {
    match operation.protocol {
        Protocol::RestXml => xml::read_at(shape, root, body, path),
        Protocol::RestJson | Protocol::Json => wire_json::read_at(shape, body, path),
    }
}

/// Writes a message of the structure `carried`.
pub(super) fn write(
    operation: &'static Operation,
    carried: Option<&'static Body>,
    value: &Value,
) -> Written {
    let mut written = Written::default();
    let Some(carried) = carried else {
        return written;
    };
    let layout = Layout::of(carried.shape);
    let content = match layout.payload {
        Some(payload) => member(value, payload.name).map(|value| Content {
            shape: payload.shape,
            root: payload.wire_name,
            value,
        }),
        None => layout.in_body().next().map(|_| Content {
            shape: carried.shape,
            root: carried.wire_name,
            value,
        }),
    };
    if let Some(content) = content {
        let (body, content_type) = content.write(operation, carried.xml_namespace);
        written.body = body;
        written.content_type = Some(content_type.into());
    }
    for entry in layout.members {
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

/// What a body holds.
struct Content<'v> {
    shape: &'static Shape,
    /// The name of its root element, where it is XML.
    root: &'static str,
    value: &'v Value,
}

impl Content<'_> {
    /// The body and its type.
    fn write(&self, operation: &Operation, namespace: Option<&str>) -> (Vec<u8>, &'static str) {
        let Self { shape, root, value } = *self;
        if matches!(shape.kind, Kind::Blob) {
            let bytes = Blob::decode(&text(value)).unwrap_or_default();
            return (bytes.0, "application/octet-stream");
        }
        match operation.protocol {
            Protocol::RestXml => (xml::write(shape, root, namespace, value), "text/xml"),
            Protocol::RestJson => (wire_json::write(shape, value), "application/json"),
            Protocol::Json => (wire_json::write(shape, value), "application/x-amz-json-1.1"),
        }
    }
}
