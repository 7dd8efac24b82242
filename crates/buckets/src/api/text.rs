//! Percent-encoding, as S3 and its clients use it.

/// Decodes what stands in a query: `+` is a space there. What is no encoding stays as it is.
pub fn form_decoded(text: &str) -> String {
    let bytes: Vec<u8> = text
        .bytes()
        .map(|byte| if byte == b'+' { b' ' } else { byte })
        .collect();
    lossy(decode(&bytes))
}

/// Decodes what stands in a path.
pub fn path_decoded(text: &str) -> Option<String> {
    String::from_utf8(decode(text.as_bytes())).ok()
}

/// The value of a query's first parameter of that name, however both are encoded.
pub fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|parameter| {
        let (written, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        (form_decoded(written) == name).then(|| form_decoded(value))
    })
}

fn lossy(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

fn decode(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match (text[at], digit(text.get(at + 1)), digit(text.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

/// Encodes keys in listings with `encoding-type=url`, and paths of redirects: all but unreserved
/// characters and `/`.
pub fn url_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Whether a text fits a pattern in which `*` stands for any characters, none included.
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_undone() {
        assert_eq!(form_decoded("a+b%20c%2B%zz%"), "a b c+%zz%");
        assert_eq!(path_decoded("/a+b%C3%A4%2F").as_deref(), Some("/a+bä/"));
        assert_eq!(path_decoded("/%ff"), None);
        assert_eq!(parameter("b&%61=%31&a=2", "a").as_deref(), Some("1"));
        assert_eq!(parameter("b&a=1", "c"), None);
        assert_eq!(url_encoded("a b/ä+~"), "a%20b/%C3%A4%2B~");
    }

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, text, is_fit) in [
            ("*", "", true),
            ("*", "x", true),
            ("https://*.example.com", "https://www.example.com", true),
            ("https://*.example.com", "https://example.com", false),
            ("http://a", "http://a", true),
            ("http://a", "http://ab", false),
            ("a*b*a", "aba", true),
            ("a*a", "a", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(fits(pattern, text), is_fit, "{pattern} {text}");
        }
    }
}
