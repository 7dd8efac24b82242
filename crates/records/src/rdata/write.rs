use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::form::{Field, types};
use super::{svcb, time};
use crate::text::Escapes;

/// Appends the text of a field, whose bytes [`super::form::Form::split`] found to be well.
pub(super) fn field(field: Field, bytes: &[u8], escapes: Escapes, text: &mut String) {
    let number = || {
        bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u32::from(*byte))
    };
    match field {
        Field::Byte | Field::Number | Field::Serial | Field::Period => display(number(), text),
        Field::Time => time::write(number(), text),
        Field::Type => display(crate::RecordType(number() as u16), text),
        Field::Ipv4 => display(Ipv4Addr::from_bits(number()), text),
        Field::Ipv6 => {
            let bits = bytes
                .iter()
                .fold(0, |bits, byte| bits << 8 | u128::from(*byte));
            display(Ipv6Addr::from_bits(bits), text);
        }
        Field::Name | Field::ExactName => escapes.write_name(bytes, text),
        Field::String => escapes.write_string(&bytes[1..], text),
        Field::Strings => {
            let mut rest = bytes;
            while let Some((&length, after)) = rest.split_first() {
                if rest.len() < bytes.len() {
                    text.push(' ');
                }
                let (string, after) = after.split_at(usize::from(length));
                escapes.write_string(string, text);
                rest = after;
            }
        }
        Field::Tag => text.extend(bytes[1..].iter().map(|byte| char::from(*byte))),
        Field::Value => escapes.write_string(bytes, text),
        Field::Hex => hex(bytes, text),
        Field::Base64 => STANDARD.encode_string(bytes, text),
        Field::Parameters => separated(text, |text| svcb::write(bytes, escapes, text)),
        Field::Types => separated(text, |text| {
            let mut is_first = true;
            let _ = types(bytes, |listed| {
                if !std::mem::take(&mut is_first) {
                    text.push(' ');
                }
                display(listed, text);
            });
        }),
    }
}

/// Data without a known form (RFC 3597 §5).
pub(super) fn unknown(rdata: &[u8], text: &mut String) {
    text.push_str("\\# ");
    display(rdata.len(), text);
    if !rdata.is_empty() {
        text.push(' ');
        hex(rdata, text);
    }
}

/// A field that may be empty takes the blank before it back.
fn separated(text: &mut String, write: impl FnOnce(&mut String)) {
    let before = text.len();
    write(text);
    if text.len() == before {
        text.pop();
    }
}

fn display(value: impl std::fmt::Display, text: &mut String) {
    write!(text, "{value}").expect("a String takes all");
}

fn hex(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
        }
    }
}
