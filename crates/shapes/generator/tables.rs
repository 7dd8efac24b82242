//! Writes the tables that checks and codecs walk: shapes, operations, errors.

use std::fmt::Write;

use super::model::{Body, Item, Kind, Member, Model, Operation, Shape};
use super::names;

pub fn write(model: &Model, code: &mut String) -> Result<(), String> {
    let Model {
        service,
        api_version,
        protocol,
        target_prefix,
        ..
    } = model;
    let namespace = model.xml_namespace()?;
    let _ = writeln!(
        code,
        "/// The service whose shapes these are.\n\
         pub static SERVICE: Service = Service {{ name: {service:?}, \
         api_version: {api_version:?}, protocol: Protocol::{protocol:?}, \
         xml_namespace: {namespace:?}, target_prefix: {target_prefix:?}, \
         operations: OPERATIONS }};\n",
    );
    let _ = writeln!(
        code,
        "/// Every shape as a table, which checks and codecs walk.\n\
         pub mod shape {{\n    use crate::schema::{{Bounds, Kind, Member, Shape}};\n"
    );
    for (name, entry) in model
        .shapes
        .iter()
        .filter(|(_, entry)| !entry.is_bare_error())
    {
        shape(model, name, entry, code)?;
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
        operation(model, name, entry, code)?;
    }
    code.push_str("];\n");
    Ok(())
}

fn shape(model: &Model, name: &str, shape: &Shape, code: &mut String) -> Result<(), String> {
    let kind = match shape.kind {
        Kind::Structure => {
            let members: Result<String, _> = shape
                .members
                .iter()
                .map(|entry| member(model, entry))
                .collect();
            let members = members?;
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

fn member(model: &Model, member: &Member) -> Result<String, String> {
    // The parts of an HTTP message that are not its body hold text, and times there have a form of
    // their own, which no service here has needed yet.
    let kind = model.shape(&member.shape)?.kind;
    if member.location.is_some()
        && matches!(
            kind,
            Kind::Structure | Kind::List | Kind::Timestamp | Kind::Blob
        )
    {
        return Err(format!("{} is a {kind:?} outside a body", member.name));
    }
    let mut text = format!(
        "Member::new({:?}, &{})",
        member.name,
        names::constant(&member.shape)
    );
    if member.required {
        text.push_str(".required()");
    }
    if let Some(location) = member.location {
        let _ = write!(text, ".located(crate::schema::Location::{location:?})");
    }
    if let Some(name) = &member.location_name {
        let _ = write!(text, ".wire_name({name:?})");
    }
    if member.deprecated {
        text.push_str(".deprecated()");
    }
    Ok(text + ", ")
}

fn error(name: &str, shape: &Shape, code: &mut String) {
    let (status, is_senders_fault) = match &shape.error {
        Some(fault) => (fault.http_status_code, fault.sender_fault),
        // What JSON 1.1 makes of an error that says nothing else.
        None if shape.exception => (400, true),
        None => return,
    };
    let _ = writeln!(
        code,
        "    pub static {}: ErrorShape = ErrorShape {{ code: {name:?}, status: {status}, \
         is_senders_fault: {is_senders_fault} }};",
        names::constant(name),
    );
}

fn operation(
    model: &Model,
    name: &str,
    operation: &Operation,
    code: &mut String,
) -> Result<(), String> {
    let namespace = model.xml_namespace()?;
    let errors: Vec<_> = operation
        .errors
        .iter()
        .map(|name| format!("&error::{}", names::constant(name)))
        .collect();
    let _ = writeln!(
        code,
        "    Operation {{ name: {name:?}, protocol: Protocol::{:?}, method: {:?}, uri: {:?}, \
         status: {}, input: {}, output: {}, errors: &[{}] }},",
        model.protocol,
        operation.method,
        operation.request_uri,
        operation.response_code,
        body(operation.input.as_ref(), namespace),
        body(operation.output.as_ref(), namespace),
        errors.join(", "),
    );
    Ok(())
}

fn body(body: Option<&Body>, namespace: Option<&str>) -> String {
    let Some(Body {
        shape,
        location_name,
        ..
    }) = body
    else {
        return "None".to_owned();
    };
    format!(
        "Some(Body {{ shape: &shape::{}, wire_name: {:?}, xml_namespace: {namespace:?} }})",
        names::constant(shape),
        location_name.as_deref().unwrap_or(shape),
    )
}
