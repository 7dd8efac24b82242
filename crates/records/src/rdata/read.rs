use std::iter;
use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::form::{Field, Form, form};
use super::{ValueError, svcb, time};
use crate::limits::{RDATA_BYTES_MAX, STRING_BYTES_MAX};
use crate::text::{Escapes, Kind, Token, push_name};
use crate::{NameError, RecordType};

/// How a text is meant.
#[derive(Clone, Copy)]
pub(crate) struct Grammar<'o> {
    /// Octal ones are Route 53's, which wants strings in quotation marks and numbers without units.
    pub escapes: Escapes,
    /// The wire form of the name with which those without a dot at their end go on.
    pub origin: &'o [u8],
}

type Tokens<'i, 't> = &'i mut dyn Iterator<Item = Token<'t>>;

pub(super) const fn error(code: &'static str, message: &'static str) -> ValueError {
    ValueError { code, message }
}

const NOT_QUOTED: ValueError = error(
    "InvalidCharacterString",
    "Value should be enclosed in quotation marks",
);
pub(super) const UNSUPPORTED: ValueError = error(
    "UnsupportedCharacter",
    "Value contains unsupported characters",
);
const NOT_IPV4: ValueError = error(
    "ARRDATAIllegalIPv4Address",
    "Value is not a valid IPv4 address",
);
const NOT_IPV6: ValueError = error(
    "AAAARRDATAIllegalIPv6Address",
    "Value is not a valid IPv6 address",
);
const STRING_TOO_LONG: ValueError = error("CharacterStringTooLong", "Value is too long");
const TOO_LONG: ValueError = error("RRDATATooLong", "Value is longer than 65535 bytes");
const NOT_BYTE: ValueError = error(
    "IllegalNumber",
    "Value has a number that is not between 0 and 255",
);
const NOT_NUMBER: ValueError = error(
    "IllegalNumber",
    "Value has a number that is not between 0 and 65535",
);
const NOT_SERIAL: ValueError = error(
    "IllegalNumber",
    "Value has a number that is not between 0 and 4294967295",
);
const NOT_TIME: ValueError = error(
    "IllegalTime",
    "Value has a time that is not YYYYMMDDHHmmSS or seconds since 1970",
);
const NOT_TAG: ValueError = error(
    "CAARRDATAIllegalTag",
    "Value has a tag that is not 1 to 255 letters and digits",
);
const NOT_HEX: ValueError = error(
    "IllegalHexadecimal",
    "Value has binary data that is not pairs of hexadecimal digits",
);
const NOT_BASE64: ValueError = error("IllegalBase64", "Value has a key that is not in base 64");
const NOT_TYPE: ValueError = error("IllegalType", "Value names a type that does not exist");
const NOT_GENERIC: ValueError = error(
    "IllegalRRDATA",
    "Value of this type should be \\#, its length in bytes, and as many pairs of hexadecimal digits",
);
const NOT_ITS_FORM: ValueError = error(
    "IllegalRRDATA",
    "Value in hexadecimal digits is not of the form that its type has",
);

/// The wire form of the data that all of `tokens` say.
pub(crate) fn read(
    record_type: RecordType,
    tokens: Tokens<'_, '_>,
    grammar: Grammar<'_>,
) -> Result<Vec<u8>, ValueError> {
    let form = form(record_type);
    let first = tokens.next();
    let is_generic = first.is_some_and(|first| first.kind == Kind::Plain && first.text == "\\#");
    let rdata = match form {
        None if is_generic => read_generic(tokens)?,
        None => return Err(NOT_GENERIC),
        Some(form) if is_generic && grammar.escapes == Escapes::Decimal => {
            let rdata = read_generic(tokens)?;
            form.split(&rdata, |_, _| {}).ok_or(NOT_ITS_FORM)?;
            rdata
        }
        Some(form) => {
            let first_bytes = first.map_or(0, |first| first.text.len());
            let capacity = match form.fields {
                [Field::Ipv4] => 4,
                [Field::Ipv6] => 16,
                [Field::Name] => 1 + grammar.origin.len() + first_bytes,
                _ => 24 + first_bytes,
            };
            let mut rdata = Vec::with_capacity(capacity);
            read_fields(
                form,
                &mut first.into_iter().chain(tokens),
                grammar,
                &mut rdata,
            )?;
            rdata
        }
    };
    match rdata.len() {
        0..=RDATA_BYTES_MAX => Ok(rdata),
        _ => Err(TOO_LONG),
    }
}

fn read_fields(
    form: &Form,
    tokens: Tokens<'_, '_>,
    grammar: Grammar<'_>,
    rdata: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let wrong = || form.wrong.clone();
    for &field in form.fields {
        match field {
            Field::Strings => {
                let first = tokens.next().ok_or_else(wrong)?;
                for token in iter::once(first).chain(&mut *tokens) {
                    read_string(token, grammar, rdata)?;
                }
            }
            Field::Hex => read_hex(tokens, rdata)?,
            Field::Base64 => read_base64(tokens, rdata)?,
            Field::Parameters => svcb::read(tokens, grammar, rdata)?,
            Field::Types => read_types(tokens, rdata)?,
            Field::String => read_string(tokens.next().ok_or_else(wrong)?, grammar, rdata)?,
            Field::Value => {
                let token = quoted(tokens.next().ok_or_else(wrong)?, grammar)?;
                unescape(token.text, grammar.escapes, rdata)?;
            }
            _ => {
                let token = tokens.next().ok_or_else(wrong)?;
                if token.kind != Kind::Plain {
                    return Err(wrong());
                }
                read_plain(field, token.text, grammar, rdata)?;
            }
        }
    }
    match tokens.next() {
        None => Ok(()),
        Some(_) => Err(wrong()),
    }
}

fn read_plain(
    field: Field,
    text: &str,
    grammar: Grammar<'_>,
    rdata: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let is_zone_file = grammar.escapes == Escapes::Decimal;
    match field {
        Field::Ipv4 => {
            let address: Ipv4Addr = text.parse().map_err(|_| NOT_IPV4)?;
            rdata.extend_from_slice(&address.octets());
        }
        Field::Ipv6 => {
            let address: Ipv6Addr = text.parse().map_err(|_| NOT_IPV6)?;
            rdata.extend_from_slice(&address.octets());
        }
        Field::Byte => {
            let number = decimal(text).and_then(|number| u8::try_from(number).ok());
            rdata.push(number.ok_or(NOT_BYTE)?);
        }
        Field::Number => {
            let number = decimal(text).and_then(|number| u16::try_from(number).ok());
            rdata.extend_from_slice(&number.ok_or(NOT_NUMBER)?.to_be_bytes());
        }
        Field::Period if is_zone_file => {
            rdata.extend_from_slice(&period(text).ok_or(NOT_SERIAL)?.to_be_bytes());
        }
        Field::Serial | Field::Period => {
            rdata.extend_from_slice(&decimal(text).ok_or(NOT_SERIAL)?.to_be_bytes());
        }
        Field::Time => {
            let time_secs = time::read(text).or_else(|| decimal(text));
            rdata.extend_from_slice(&time_secs.ok_or(NOT_TIME)?.to_be_bytes());
        }
        Field::Type => {
            let named: RecordType = text.parse().map_err(|()| NOT_TYPE)?;
            rdata.extend_from_slice(&named.0.to_be_bytes());
        }
        Field::Tag => {
            let is_tag = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let length = u8::try_from(text.len())
                .ok()
                .filter(|length| is_tag && *length > 0);
            rdata.push(length.ok_or(NOT_TAG)?);
            rdata.extend_from_slice(text.as_bytes());
        }
        Field::Name | Field::ExactName if text == "@" && is_zone_file => {
            rdata.extend_from_slice(grammar.origin);
        }
        // The other fields are no single plain token.
        _ => push_name(text, grammar.escapes, grammar.origin, rdata).map_err(name_error)?,
    }
    Ok(())
}

fn name_error(error: NameError) -> ValueError {
    let (code, message) = match error {
        NameError::EmptyLabel => ("DomainLabelEmpty", "Domain label is empty"),
        NameError::LabelTooLong => ("DomainLabelTooLong", "Domain label is too long"),
        NameError::TooLong => ("DomainNameTooLong", "Domain name is too long"),
        NameError::Escape | NameError::Unescaped | NameError::Wire => return UNSUPPORTED,
    };
    ValueError { code, message }
}

fn quoted<'t>(token: Token<'t>, grammar: Grammar<'_>) -> Result<Token<'t>, ValueError> {
    match token.kind {
        Kind::Quoted => Ok(token),
        Kind::Plain if grammar.escapes == Escapes::Decimal => Ok(token),
        Kind::Plain | Kind::Unclosed => Err(NOT_QUOTED),
    }
}

fn read_string(
    token: Token<'_>,
    grammar: Grammar<'_>,
    rdata: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let token = quoted(token, grammar)?;
    let start = rdata.len();
    rdata.push(0);
    unescape(token.text, grammar.escapes, rdata)?;
    match rdata.len() - start - 1 {
        length @ 0..=STRING_BYTES_MAX => rdata[start] = length as u8,
        _ => return Err(STRING_TOO_LONG),
    }
    Ok(())
}

/// Appends the bytes that a string's text stands for.
pub(super) fn unescape(
    text: &str,
    escapes: Escapes,
    bytes: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let text = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'\\' => {
                let (byte, after) = escapes.read(text, at).ok_or(UNSUPPORTED)?;
                bytes.push(byte);
                at = after;
            }
            0x20..=0x7e => bytes.push(byte),
            // Files have always had other characters in strings, as they are.
            b'\t' | 0x80.. if escapes == Escapes::Decimal => bytes.push(byte),
            _ => return Err(UNSUPPORTED),
        }
    }
    Ok(())
}

fn read_hex(tokens: Tokens<'_, '_>, rdata: &mut Vec<u8>) -> Result<(), ValueError> {
    let (start, mut high) = (rdata.len(), None);
    for token in tokens {
        if token.kind != Kind::Plain {
            return Err(NOT_HEX);
        }
        for digit in token.text.chars() {
            let digit = digit.to_digit(16).ok_or(NOT_HEX)? as u8;
            match high.take() {
                Some(high) => rdata.push(high << 4 | digit),
                None => high = Some(digit),
            }
        }
    }
    match high {
        None if rdata.len() > start => Ok(()),
        _ => Err(NOT_HEX),
    }
}

fn read_base64(tokens: Tokens<'_, '_>, rdata: &mut Vec<u8>) -> Result<(), ValueError> {
    let mut text = String::new();
    for token in tokens {
        if token.kind != Kind::Plain {
            return Err(NOT_BASE64);
        }
        text.push_str(token.text);
    }
    let start = rdata.len();
    STANDARD.decode_vec(&text, rdata).map_err(|_| NOT_BASE64)?;
    match rdata.len() > start {
        true => Ok(()),
        false => Err(NOT_BASE64),
    }
}

fn read_types(tokens: Tokens<'_, '_>, rdata: &mut Vec<u8>) -> Result<(), ValueError> {
    let mut types = Vec::new();
    for token in tokens {
        let named: RecordType = token.text.parse().map_err(|()| NOT_TYPE)?;
        types.push(named.0);
    }
    types.sort_unstable();
    for window in types.chunk_by(|a, b| a >> 8 == b >> 8) {
        let mut bits = [0u8; 32];
        for listed in window {
            bits[usize::from(listed >> 3 & 31)] |= 0x80 >> (listed & 7);
        }
        let length = usize::from(window[window.len() - 1] >> 3 & 31) + 1;
        rdata.extend_from_slice(&[(window[0] >> 8) as u8, length as u8]);
        rdata.extend_from_slice(&bits[..length]);
    }
    Ok(())
}

/// What follows `\#`.
fn read_generic(tokens: Tokens<'_, '_>) -> Result<Vec<u8>, ValueError> {
    let length = tokens.next().and_then(|token| decimal(token.text));
    let length = length.and_then(|length| u16::try_from(length).ok());
    let length = usize::from(length.ok_or(NOT_GENERIC)?);
    let mut rdata = Vec::new();
    let mut tokens = tokens.peekable();
    if length > 0 || tokens.peek().is_some() {
        read_hex(&mut tokens, &mut rdata).map_err(|_| NOT_GENERIC)?;
    }
    match rdata.len() == length {
        true => Ok(rdata),
        false => Err(NOT_GENERIC),
    }
}

/// A number of digits alone.
pub(super) fn decimal(text: &str) -> Option<u32> {
    if text.is_empty() || text.len() > 10 {
        return None;
    }
    let number = text.bytes().try_fold(0u64, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + u64::from(byte - b'0'))
    });
    u32::try_from(number?).ok()
}

/// Seconds, as a number or as `1w2d3h4m5s`.
pub(crate) fn period(text: &str) -> Option<u32> {
    if let Some(seconds) = decimal(text) {
        return Some(seconds);
    }
    let (mut total, mut rest) = (0u32, text);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let unit_secs = match rest.as_bytes().get(digits)? {
            b's' | b'S' => 1,
            b'm' | b'M' => 60,
            b'h' | b'H' => 3_600,
            b'd' | b'D' => 86_400,
            b'w' | b'W' => 604_800,
            _ => return None,
        };
        let seconds = decimal(&rest[..digits])?.checked_mul(unit_secs)?;
        total = total.checked_add(seconds)?;
        rest = &rest[digits + 1..];
    }
    (!text.is_empty()).then_some(total)
}
