//! Names that are made up: ids, entity tags, domain names, in the forms that AWS gives them
//! (spec §16.6).

use aws_lc_rs::rand;

const UPPER: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const LOWER: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// How ids of a kind look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdForm {
    /// A letter and 13 of `A-Z0-9`: `E2QWRUHEXAMPLE`.
    Letter(char),
    /// `dt_` and 25 of `A-Za-z0-9`.
    Prefixed(&'static str),
    /// Version 4, in lower case.
    Uuid,
    /// Its owner names it.
    Name,
}

impl IdForm {
    /// A new id, which nobody has by any chance worth a thought. Resources that their owners name
    /// have none.
    pub fn make(self) -> String {
        match self {
            IdForm::Letter(letter) => format!("{letter}{}", text(UPPER, 13)),
            IdForm::Prefixed(prefix) => format!("{prefix}{}", text(LOWER, 25)),
            IdForm::Uuid | IdForm::Name => uuid(),
        }
    }
}

/// An entity tag: `E` and 13 of `A-Z0-9`.
pub fn etag() -> String {
    format!("E{}", text(UPPER, 13))
}

/// Whether something looks like an entity tag of ours.
pub fn is_etag(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next() == Some(b'E') && text.len() == 14 && bytes.all(|byte| UPPER.contains(&byte))
}

/// The first label of a distribution's own name: `d` and 13 of `a-z0-9`.
pub fn domain_label() -> String {
    format!("d{}", text(LOWER, 13))
}

/// A version 4 UUID.
pub fn uuid() -> String {
    let mut bytes = random::<16>();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// So many characters of an alphabet of 36.
pub fn text(alphabet: &[u8; 36], length: usize) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        for byte in random::<32>() {
            // 252 = 7 × 36: the bytes above it would favour some characters.
            if byte < 252 && text.len() < length {
                text.push(char::from(alphabet[usize::from(byte) % 36]));
            }
        }
    }
    text
}

/// An access key's id and its secret.
pub fn access_key() -> (String, String) {
    use base64::Engine as _;
    let secret = base64::engine::general_purpose::STANDARD.encode(random::<30>());
    (format!("AKIA{}", text(UPPER, 16)), secret)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system has random numbers, or nothing here is safe");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_forms_that_aws_gives_them() {
        let id = IdForm::Letter('I').make();
        assert!(id.len() == 14 && id.starts_with('I'), "{id}");
        let uuid = uuid();
        assert!(uuid.len() == 36 && uuid.as_bytes()[14] == b'4', "{uuid}");
        assert!(is_etag(&etag()));
        assert!(!is_etag("E123") && !is_etag("\"E2QWRUHEXAMPLE\""));
        assert!(domain_label().starts_with('d'));
        let (id, secret) = access_key();
        assert_eq!((id.len(), secret.len()), (20, 40));
    }
}
