//! Writes the tables that checks and codecs walk: shapes, operations, errors.

use std::fmt::Write;

use super::model::{Body, Item, Kind, Member, Model, Operation, Shape};
use super::names;

pub fn write(model: &Model, code: &mut String) -> Result<(), String> {
    let _ = writeln!(
        code,
        "/// The service whose shapes these are.\n\
         pub static SERVICE: Service = Service {{ name: {:?}, api_version: {:?}, protocol: {:?}, \
         operations: OPERATIONS }};\n",
        model.service, model.api_version, model.protocol
    );
    let _ = writeln!(
        code,
        "/// Every shape as a table, which checks and codecs walk.\n\
         pub mod shape {{\n    use crate::schema::{{Bounds, Kind, Location, Member, Shape}};\n"
    );
    for (name, entry) in model
        .shapes
        .iter()
        .filter(|(_, entry)| !entry.is_bare_error())
    {
        shape(name, entry, code)?;
    }
    let _ = writeln!(
        code,
        "}}\n\n/// Every error that the service answers with.\n\
         pub mod error {{\n    use crate::schema::ErrorShape;\n"
    );
    for (name, entry) in &model.shapes {
        error(name, entry, code);
    }
    let _ = writeln!(
        code,
        "}}\n\n/// Every operation of the service, in name order.\n\
         pub static OPERATIONS: &[Operation] = &["
    );
    for (name, entry) in &model.operations {
        operation(name, entry, code);
    }
    code.push_str("];\n");
    Ok(())
}

fn shape(name: &str, shape: &Shape, code: &mut String) -> Result<(), String> {
    let kind = match shape.kind {
        Kind::Structure => {
            let members: String = shape.members.iter().map(member).collect();
            let (payload, is_union) = (&shape.payload, shape.union);
            format!(
                "Kind::Structure {{ members: &[{members}], payload: {payload:?}, is_union: {is_union} }}"
            )
        }
        Kind::List => {
            let item = shape
                .item
                .as_ref()
                .ok_or_else(|| format!("list {name} of nothing"))?;
            let Item {
                shape: of,
                location_name,
            } = item;
            let wire_name = location_name.as_deref().unwrap_or("member");
            format!(
                "Kind::List {{ item: &{}, wire_name: {wire_name:?}, is_flattened: {} }}",
                names::constant(of),
                shape.flattened,
            )
        }
        Kind::String => {
            format!(
                "Kind::String {{ choices: &{:?}, pattern: {:?} }}",
                shape.choices, shape.pattern
            )
        }
        kind => format!("Kind::{kind:?}"),
    };
    let Shape {
        min,
        max,
        sensitive,
        ..
    } = shape;
    let _ = writeln!(
        code,
        "    pub static {}: Shape = Shape {{ name: {name:?}, kind: {kind}, \
         bounds: Bounds {{ min: {min:?}, max: {max:?} }}, is_sensitive: {sensitive} }};",
        names::constant(name),
    );
    Ok(())
}

fn member(member: &Member) -> String {
    let mut text = format!(
        "Member::new({:?}, &{})",
        member.name,
        names::constant(&member.shape)
    );
    if member.required {
        text.push_str(".required()");
    }
    if let Some(location) = member.location {
        let _ = write!(text, ".located(Location::{location:?})");
    }
    if let Some(name) = &member.location_name {
        let _ = write!(text, ".wire_name({name:?})");
    }
    if let Some(namespace) = &member.xml_namespace {
        let _ = write!(text, ".xml_namespace({:?})", namespace.uri);
    }
    if member.deprecated {
        text.push_str(".deprecated()");
    }
    text + ", "
}

fn error(name: &str, shape: &Shape, code: &mut String) {
    let Some(fault) = &shape.error else { return };
    let _ = writeln!(
        code,
        "    pub static {}: ErrorShape = ErrorShape {{ code: {name:?}, status: {}, is_senders_fault: {} }};",
        names::constant(name),
        fault.http_status_code,
        fault.sender_fault,
    );
}

fn operation(name: &str, operation: &Operation, code: &mut String) {
    let errors: Vec<_> = operation
        .errors
        .iter()
        .map(|name| format!("&error::{}", names::constant(name)))
        .collect();
    let _ = writeln!(
        code,
        "    Operation {{ name: {name:?}, method: {:?}, uri: {:?}, status: {}, input: {}, output: {}, errors: &[{}] }},",
        operation.method,
        operation.request_uri,
        operation.response_code,
        body(operation.input.as_ref()),
        body(operation.output.as_ref()),
        errors.join(", "),
    );
}

fn body(body: Option<&Body>) -> String {
    let Some(Body {
        shape,
        location_name,
        xml_namespace,
    }) = body
    else {
        return "None".to_owned();
    };
    let namespace = xml_namespace.as_ref().map(|namespace| &namespace.uri);
    format!(
        "Some(Body {{ shape: &shape::{}, wire_name: {:?}, xml_namespace: {namespace:?} }})",
        names::constant(shape),
        location_name.as_deref().unwrap_or(shape),
    )
}
