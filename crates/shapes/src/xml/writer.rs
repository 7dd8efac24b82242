//! A value of a shape in, an XML document out.

use std::borrow::Cow;

use serde_json::Value;

use super::is_character;
use crate::codec::{member, text};
use crate::schema::{Kind, Location, Shape};

/// Writes a document whose root element is `root`, declares `namespace`, and holds `value`.
///
/// Members are in the table's order. What is null, what the shape does not have, and what travels
/// outside the body is left out; an empty list is an empty element. `value` is taken to fit its
/// shape, as [`crate::check_types`] says it: what does not fit is written as an empty element.
pub fn write(shape: &Shape, root: &str, namespace: Option<&str>, value: &Value) -> Vec<u8> {
    let mut document = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<");
    document.push_str(root);
    if let Some(namespace) = namespace {
        document.push_str(" xmlns=\"");
        document.push_str(&escape(namespace));
        document.push('"');
    }
    document.push('>');
    write_content(shape, value, &mut document);
    close(root, &mut document);
    document.into_bytes()
}

fn write_element(shape: &Shape, name: &str, value: &Value, document: &mut String) {
    document.push('<');
    document.push_str(name);
    document.push('>');
    write_content(shape, value, document);
    close(name, document);
}

fn close(name: &str, document: &mut String) {
    document.push_str("</");
    document.push_str(name);
    document.push('>');
}

fn write_content(shape: &Shape, value: &Value, document: &mut String) {
    match &shape.kind {
        Kind::Structure { members, .. } => {
            let members = members.iter().filter(|m| m.location == Location::Body);
            for entry in members {
                let Some(value) = member(value, entry.name) else {
                    continue;
                };
                match entry.flattened_item() {
                    Some(item) => write_items(item, entry.wire_name, value, document),
                    None => write_element(entry.shape, entry.wire_name, value, document),
                }
            }
        }
        Kind::List {
            item, wire_name, ..
        } => write_items(item, wire_name, value, document),
        _ => document.push_str(&escape(&text(value))),
    }
}

fn write_items(item: &Shape, name: &str, list: &Value, document: &mut String) {
    for value in list.as_array().into_iter().flatten() {
        write_element(item, name, value, document);
    }
}

/// Text as content or as an attribute's value holds it.
///
/// A carriage return is written as a reference, since readers make a line feed of a bare one. A
/// character that XML cannot hold in any form becomes U+FFFD: a document that could not be read
/// would be worse, and a character that vanished could not be seen.
pub fn escape(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| is_character(c) && !matches!(c, '<' | '>' | '&' | '"' | '\'' | '\r');
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\r' => escaped.push_str("&#13;"),
            _ if is_character(character) => escaped.push(character),
            _ => escaped.push('\u{fffd}'),
        }
    }
    Cow::Owned(escaped)
}
