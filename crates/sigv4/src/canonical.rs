//! The one spelling of a request that both sides sign.
//!
//! ```text
//! METHOD \n path \n query \n (name:value \n)* \n signed;headers \n hash-of-payload
//! ```

use aws_lc_rs::digest;

use crate::{Dialect, Request};

/// What stands for the hash of a body that is not signed.
pub(crate) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The query parameter that no signature covers: itself.
pub(crate) const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// SHA-256 of the canonical request, in hexadecimal. `signed_headers` are in lower case and
/// sorted; headers that the request lacks count as absent lines.
pub(crate) fn request_hash(
    request: &Request<'_>,
    dialect: Dialect,
    signed_headers: &[&str],
    payload: &str,
) -> String {
    let mut text = Vec::with_capacity(1_024);
    text.extend_from_slice(request.method.as_bytes());
    text.push(b'\n');
    match dialect {
        Dialect::Common => write_path(request.path, &mut text),
        Dialect::S3 if request.path.is_empty() => text.push(b'/'),
        Dialect::S3 => text.extend_from_slice(request.path.as_bytes()),
    }
    text.push(b'\n');
    write_query(request.query, &mut text);
    text.push(b'\n');
    for name in signed_headers {
        write_header(request, name, &mut text);
    }
    text.push(b'\n');
    text.extend_from_slice(signed_headers.join(";").as_bytes());
    text.push(b'\n');
    text.extend_from_slice(payload.as_bytes());
    sha256_hex(&text)
}

/// The path without `//` and dot segments, each segment percent-encoded once more.
fn write_path(path: &str, out: &mut Vec<u8>) {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    // What does not begin with a slash is no path of HTTP's, and must not pass for one.
    if path.starts_with('/') || path.is_empty() {
        out.push(b'/');
    }
    for (index, segment) in segments.iter().enumerate() {
        if index > 0 {
            out.push(b'/');
        }
        encode(segment.as_bytes(), out);
    }
    if !segments.is_empty() && path.ends_with('/') {
        out.push(b'/');
    }
}

/// Parameters in one spelling, sorted by name and then by value; never the signature itself.
fn write_query(query: &str, out: &mut Vec<u8>) {
    let spell = |raw: &str| {
        let mut spelt = Vec::with_capacity(raw.len());
        encode(&decode(raw), &mut spelt);
        spelt
    };
    let mut parameters: Vec<_> = parameters(query)
        .map(|(name, value)| (spell(name), spell(value)))
        .filter(|(name, _)| name != SIGNATURE_PARAMETER.as_bytes())
        .collect();
    parameters.sort_unstable();
    for (index, (name, value)) in parameters.iter().enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
    }
}

/// One line for all values of a header, with blanks around and runs of blanks within removed.
fn write_header(request: &Request<'_>, name: &str, out: &mut Vec<u8>) {
    let mut separator = b':';
    for value in request.values(name) {
        if separator == b':' {
            out.extend_from_slice(name.as_bytes());
        }
        out.push(separator);
        separator = b',';
        let words = value.split(|byte| matches!(byte, b' ' | b'\t'));
        for (index, word) in words.filter(|word| !word.is_empty()).enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(word);
        }
    }
    if separator == b',' {
        out.push(b'\n');
    }
}

/// Names and values of a query as they stand there; a name without `=` has an empty value, and
/// nothing between two `&` is no parameter.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Takes percent-encoding away. What is no escape stands for itself, `+` too.
pub(crate) fn decode(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut out = Vec::with_capacity(rest.len());
    while let [first, after @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => hex_digit(*high).zip(hex_digit(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                out.push(high << 4 | low);
                rest = &rest[3..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

/// Percent-encodes all but the unreserved characters of RFC 3986 §2.3.
pub(crate) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) {
            out.push(*byte);
        } else {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'%', DIGITS[high], DIGITS[low]]);
        }
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    Some(value as u8)
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// Bytes from lower-case hexadecimal: one spelling only, so that no signature has a second one.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| (!byte.is_ascii_uppercase()).then(|| hex_digit(byte))?;
    let byte = |pair: &[u8; 2]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    pairs.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(raw: &str) -> String {
        let mut out = Vec::new();
        write_path(raw, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn query(raw: &str) -> String {
        let mut out = Vec::new();
        write_query(raw, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_path_is_normalised_and_then_encoded_again() {
        for (raw, canonical) in [
            ("", "/"),
            ("/", "/"),
            ("//", "/"),
            ("/..", "/"),
            ("..", ""),
            ("a/", "a/"),
            ("/a/..", "/"),
            ("/a/b/..", "/a"),
            ("/a/./b//c/", "/a/b/c/"),
            ("/a%2Fb", "/a%252Fb"),
            ("/arn%3Aaws", "/arn%253Aaws"),
            ("/a b/~-_.", "/a%20b/~-_."),
            ("/é", "/%C3%A9"),
        ] {
            assert_eq!(path(raw), canonical, "{raw}");
        }
    }

    #[test]
    fn a_query_has_one_spelling_and_one_order() {
        for (raw, canonical) in [
            ("", ""),
            ("&&", ""),
            ("b&a", "a=&b="),
            ("a=2&a=1", "a=1&a=2"),
            ("a-=1&a=2", "a=2&a-=1"),
            ("%61=%2f", "a=%2F"),
            ("a=b+c", "a=b%2Bc"),
            ("a=b=c", "a=b%3Dc"),
            ("a=%zz%2", "a=%25zz%252"),
            ("X-Amz-Signature=0&X%2DAmz-Signature=1&a", "a="),
        ] {
            assert_eq!(query(raw), canonical, "{raw}");
        }
    }

    #[test]
    fn hexadecimal_has_one_spelling() {
        assert_eq!(unhex("00ff"), Some(vec![0, 255]));
        assert_eq!(hex(&[0, 255]), "00ff");
        for wrong in ["0", "0F", "0g", "é"] {
            assert_eq!(unhex(wrong), None, "{wrong}");
        }
    }
}
