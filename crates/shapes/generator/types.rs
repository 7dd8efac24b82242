//! Writes the structs and enums, with their JSON form as serde attributes.

use std::fmt::Write;

use super::model::{Kind, Member, Model, Shape};
use super::names;

/// Names that the generated module takes from Rust's prelude; no shape may shadow them.
const TAKEN: &[&str] = &[
    "Box", "Default", "From", "Option", "Self", "Some", "String", "Vec",
];

pub fn write(model: &Model, code: &mut String) -> Result<(), String> {
    for (name, shape) in &model.shapes {
        if (shape.is_struct() || shape.is_enum()) && TAKEN.contains(&name.as_str()) {
            return Err(format!("shape {name} would shadow Rust's own {name}"));
        }
        if shape.is_struct() {
            structure(model, name, shape, code)?;
        } else if shape.is_enum() {
            choices(name, shape, code);
        }
    }
    Ok(())
}

fn structure(model: &Model, name: &str, shape: &Shape, code: &mut String) -> Result<(), String> {
    let default = if has_default(model, shape)? {
        "Default, "
    } else {
        ""
    };
    let _ = writeln!(
        code,
        "#[derive(Clone, Debug, PartialEq, {default}Serialize, Deserialize)]\n\
         pub struct {name} {{"
    );
    for member in &shape.members {
        let skip = if member.required {
            ""
        } else {
            r#", skip_serializing_if = "Option::is_none""#
        };
        let (wire, field) = (&member.name, names::field(&member.name));
        let _ = writeln!(code, "    #[serde(rename = \"{wire}\"{skip})]");
        let _ = writeln!(
            code,
            "    pub {field}: {},",
            field_type(model, name, member)?
        );
    }
    let _ = writeln!(
        code,
        "}}\nimpl Structure for {name} {{\n    const SHAPE: &'static Shape = &shape::{};\n}}\n",
        names::constant(name),
    );
    items(model, name, shape, code)
}

/// AWS counts its lists: `{Quantity, Items}`. Code reads them as slices and makes them of vectors.
fn items(model: &Model, name: &str, shape: &Shape, code: &mut String) -> Result<(), String> {
    let Some(items) = shape.members.iter().find(|member| member.name == "Items") else {
        return Ok(());
    };
    let Some(item) = &model.shape(&items.shape)?.item else {
        return Ok(());
    };
    let item = value_type(model, &item.shape)?;
    let slice = if items.required {
        "&self.items"
    } else {
        "self.items.as_deref().unwrap_or_default()"
    };
    let _ = writeln!(
        code,
        "impl {name} {{\n    /// `Items`, and none where it is absent.\n    \
         pub fn items(&self) -> &[{item}] {{\n        {slice}\n    }}\n}}\n",
    );
    let is_counted_list = shape.members.len() == 2
        && shape
            .members
            .iter()
            .any(|member| member.name == "Quantity" && member.required);
    if is_counted_list {
        let field = if items.required {
            "items"
        } else {
            "items: (!items.is_empty()).then_some(items)"
        };
        let _ = writeln!(
            code,
            "impl From<Vec<{item}>> for {name} {{\n    fn from(items: Vec<{item}>) -> Self {{\n        \
             Self {{ quantity: quantity(items.len()), {field} }}\n    }}\n}}\n",
        );
    }
    Ok(())
}

fn choices(name: &str, shape: &Shape, code: &mut String) {
    let _ = writeln!(
        code,
        "#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]\n\
         pub enum {name} {{"
    );
    let variants: Vec<_> = shape
        .choices
        .iter()
        .map(|wire| (names::variant(wire), wire))
        .collect();
    for (variant, wire) in &variants {
        let _ = writeln!(code, "    #[serde(rename = \"{wire}\")]\n    {variant},");
    }
    let _ = writeln!(
        code,
        "}}\nimpl {name} {{\n    /// Every choice, in AWS's order."
    );
    let all: Vec<_> = variants
        .iter()
        .map(|(variant, _)| format!("Self::{variant}"))
        .collect();
    let _ = writeln!(
        code,
        "    pub const ALL: &'static [Self] = &[{}];",
        all.join(", ")
    );
    let _ = writeln!(
        code,
        "    /// The choice as it is on the wire.\n    \
         pub const fn as_str(self) -> &'static str {{\n        match self {{"
    );
    for (variant, wire) in &variants {
        let _ = writeln!(code, "            Self::{variant} => \"{wire}\",");
    }
    let _ = writeln!(
        code,
        "        }}\n    }}\n}}\nimpl std::fmt::Display for {name} {{\n    \
         fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{\n        \
         formatter.write_str(self.as_str())\n    }}\n}}\n"
    );
}

fn field_type(model: &Model, owner: &str, member: &Member) -> Result<String, String> {
    let mut kind = value_type(model, &member.shape)?;
    if contains(model, &member.shape, owner, &mut Vec::new())? {
        kind = format!("Box<{kind}>");
    }
    Ok(if member.required {
        kind
    } else {
        format!("Option<{kind}>")
    })
}

fn value_type(model: &Model, name: &str) -> Result<String, String> {
    let shape = model.shape(name)?;
    Ok(match shape.kind {
        Kind::Structure => name.to_owned(),
        Kind::List => {
            let item = shape
                .item
                .as_ref()
                .ok_or_else(|| format!("list {name} of nothing"))?;
            format!("Vec<{}>", value_type(model, &item.shape)?)
        }
        Kind::String if shape.is_enum() => name.to_owned(),
        Kind::String => "String".to_owned(),
        Kind::Integer => "i32".to_owned(),
        Kind::Long => "i64".to_owned(),
        // Decimal text is what travels, so 32 bits would only add digits that nobody wrote.
        Kind::Float | Kind::Double => "f64".to_owned(),
        Kind::Boolean => "bool".to_owned(),
        Kind::Timestamp => "Timestamp".to_owned(),
        Kind::Blob => "Blob".to_owned(),
    })
}

/// Whether a `within` holds an `owner` in itself, not behind a list, so that one must be boxed.
fn contains<'m>(
    model: &'m Model,
    within: &'m str,
    owner: &str,
    seen: &mut Vec<&'m str>,
) -> Result<bool, String> {
    if within == owner {
        return Ok(true);
    }
    if seen.contains(&within) {
        return Ok(false);
    }
    seen.push(within);
    for member in &model.shape(within)?.members {
        if contains(model, &member.shape, owner, seen)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether all that is required has a natural empty value. A choice has none.
fn has_default(model: &Model, shape: &Shape) -> Result<bool, String> {
    for member in shape.members.iter().filter(|member| member.required) {
        let inner = model.shape(&member.shape)?;
        let has_default = match inner.kind {
            Kind::Structure => has_default(model, inner)?,
            Kind::String => !inner.is_enum(),
            Kind::Timestamp => false,
            _ => true,
        };
        if !has_default {
            return Ok(false);
        }
    }
    Ok(true)
}
