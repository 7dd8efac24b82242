//! Paths and queries: percent-encoding (RFC 3986 §2.1), taken apart and put together.

use std::fmt::Write;

/// Decodes `%2F` and its like; nothing where an escape is broken or the bytes are not UTF-8.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(*rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            bytes.push((high << 4 | low) as u8);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn encode(text: &str, also_plain: &[u8], encoded: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also_plain.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
}

/// The parameters of a query, decoded, in their order. A plus sign is itself, as signatures have
/// it: were it a space, somebody on the way could change one into the other. The error is the
/// parameter that cannot be decoded.
pub(super) fn parameters(query: &str) -> Result<Vec<(String, String)>, &str> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            decode(name).zip(decode(value)).ok_or(pair)
        })
        .collect()
}

/// The path and the query of a request: `template` with its placeholders filled, and with
/// `parameters` behind those that it has itself.
pub(super) fn target(
    template: &str,
    placeholders: &[(&str, String)],
    parameters: &[(&str, String)],
) -> String {
    let (path, constants) = template.split_once('?').unwrap_or((template, ""));
    let mut target = String::with_capacity(template.len() + 64);
    for segment in path.split('/').skip(1) {
        target.push('/');
        let Some(name) = placeholder(segment) else {
            target.push_str(segment);
            continue;
        };
        let (name, also_plain) = match name.strip_suffix('+') {
            Some(name) => (name, &b"/"[..]),
            None => (name, &b""[..]),
        };
        if let Some((_, value)) = placeholders.iter().find(|(other, _)| *other == name) {
            encode(value, also_plain, &mut target);
        }
    }
    let mut separator = '?';
    if !constants.is_empty() {
        target.push(separator);
        target.push_str(constants);
        separator = '&';
    }
    for (name, value) in parameters {
        target.push(separator);
        encode(name, b"", &mut target);
        target.push('=');
        encode(value, b"", &mut target);
        separator = '&';
    }
    target
}

/// `Id` of `{Id}`, `Rest+` of `{Rest+}`.
pub(super) fn placeholder(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}
