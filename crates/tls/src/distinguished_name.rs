//! Names of X.500 as text (RFC 4514), in ASCII alone: the last part first, parts apart by commas.

use x509_parser::der_parser::asn1_rs::ToDer;
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Types that have a short name (RFC 4514 §3, and those that OpenSSL writes besides).
const TYPES: [(&str, &str); 14] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.42", "GN"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// Writes a name in DER form. None: it is none.
pub fn write(der: &[u8]) -> Option<String> {
    let (_, name) = X509Name::from_der(der).ok()?;
    let mut parts: Vec<String> = name
        .iter_rdn()
        .map(|part| part.iter().map(write_one).collect::<Vec<_>>().join("+"))
        .collect();
    parts.reverse();
    Some(parts.join(","))
}

fn write_one(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let known = TYPES.iter().find(|(id, _)| *id == oid);
    match (known, attribute.as_str()) {
        (Some((_, name)), Ok(text)) => format!("{name}={}", escape(text)),
        (known, _) => {
            let der = attribute.attr_value().to_der_vec_raw().unwrap_or_default();
            let hex: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{}=#{hex}", known.map_or(oid.as_str(), |(_, name)| name))
        }
    }
}

/// RFC 4514 §2.4; what is not printable ASCII byte by byte as `\C3`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (index, byte) in text.bytes().enumerate() {
        let is_end = index == 0 || index + 1 == text.len();
        match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' => {
                escaped.push('\\');
                escaped.push(char::from(byte));
            }
            b'#' if index == 0 => escaped.push_str("\\#"),
            b' ' if is_end => escaped.push_str("\\ "),
            b' '..=b'~' => escaped.push(char::from(byte)),
            other => escaped.push_str(&format!("\\{other:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_is_escaped() {
        assert_eq!(escape("plain name"), "plain name");
        assert_eq!(escape(" a, b+c "), "\\ a\\, b\\+c\\ ");
        assert_eq!(escape("#1 \"<x>;\\"), "\\#1 \\\"\\<x\\>\\;\\\\");
        assert_eq!(escape("é\r\n\0"), "\\C3\\A9\\0D\\0A\\00");
        assert_eq!(escape(""), "");
    }
}
