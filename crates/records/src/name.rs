use std::fmt;

use thiserror::Error;

use crate::limits::{LABEL_BYTES_MAX, NAME_BYTES_MAX};
use crate::text::{Escapes, push_name};

/// A domain name in wire form, letters folded to lower case: names that are equal in DNS are equal
/// here, bytewise.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(Box<[u8]>);

/// Why a text or bytes are no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// It is longer than 255 bytes in wire form.
    #[error("a name has at most {NAME_BYTES_MAX} bytes in wire form")]
    TooLong,
    /// One of its labels is longer than 63 bytes.
    #[error("a label has at most {LABEL_BYTES_MAX} bytes")]
    LabelTooLong,
    /// There is nothing between two dots, or before the first.
    #[error("a label is empty")]
    EmptyLabel,
    /// A backslash is not followed by what an escape has.
    #[error("a backslash is followed by three digits of a byte, or by the character itself")]
    Escape,
    /// A control character, a space or a byte beyond ASCII that is not escaped.
    #[error("a byte beyond printable ASCII must be escaped")]
    Unescaped,
    /// Wire form that ends within a label, goes on after the root, or is compressed.
    #[error("it is no name in wire form")]
    Wire,
}

impl Name {
    /// The root.
    pub fn root() -> Name {
        Name(Box::new([0]))
    }

    /// Out of Route 53's text: `www.example.com`, with or without a dot at the end; `\052` is the
    /// byte of these three **octal** digits (spec §7.2). Relative names do not exist.
    pub fn parse(text: &str) -> Result<Name, NameError> {
        Name::read(text, Escapes::Octal, &[0])
    }

    /// Out of a zone file's text, where `\042` is the byte of these three **decimal** digits and
    /// `\.` a dot within a label (RFC 1035 §5.1). The name is taken for a whole one, whether a dot
    /// ends it or not.
    pub fn parse_in_file(text: &str) -> Result<Name, NameError> {
        Name::read(text, Escapes::Decimal, &[0])
    }

    /// Out of a text; without a dot at its end, it goes on with `origin`, a name's wire form.
    pub(crate) fn read(text: &str, escapes: Escapes, origin: &[u8]) -> Result<Name, NameError> {
        let mut wire = Vec::with_capacity(text.len() + 1 + origin.len());
        push_name(text, escapes, origin, &mut wire)?;
        // Lengths are below the letters.
        wire.make_ascii_lowercase();
        Ok(Name(wire.into()))
    }

    /// Out of wire form without compression, which must be all of `wire`.
    pub fn from_wire(wire: &[u8]) -> Result<Name, NameError> {
        if wire.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong);
        }
        if Name::wire_length(wire) != Some(wire.len()) {
            return Err(NameError::Wire);
        }
        Ok(Name(wire.to_ascii_lowercase().into()))
    }

    /// How many bytes the name has with which `wire` begins; none if it is compressed, cut off or
    /// longer than a name may be.
    pub fn wire_length(wire: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            match wire.get(at)? {
                0 => return Some(at + 1).filter(|length| *length <= NAME_BYTES_MAX),
                length @ 1..=63 => at += 1 + usize::from(*length),
                _ => return None,
            }
        }
    }

    /// Its wire form: each label behind its length, and the root's 0.
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    /// Its labels, the leftmost first, without the root.
    pub fn labels(&self) -> Labels<'_> {
        Labels { rest: &self.0 }
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// Whether it is `zone` or below it.
    pub fn is_within(&self, zone: &Name) -> bool {
        let mut rest: &[u8] = &self.0;
        while rest.len() > zone.0.len() {
            rest = &rest[1 + usize::from(rest[0])..];
        }
        *rest == *zone.0
    }

    /// The name without its leftmost label; none of the root.
    pub fn parent(&self) -> Option<Name> {
        match self.0[0] {
            0 => None,
            length => Some(Name(self.0[1 + usize::from(length)..].into())),
        }
    }

    /// The name with one more label on its left.
    pub fn child(&self, label: &[u8]) -> Result<Name, NameError> {
        match label.len() {
            0 => return Err(NameError::EmptyLabel),
            1..=LABEL_BYTES_MAX => {}
            _ => return Err(NameError::LabelTooLong),
        }
        if self.0.len() + 1 + label.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong);
        }
        let mut wire = Vec::with_capacity(self.0.len() + 1 + label.len());
        wire.push(label.len() as u8);
        wire.extend(label.iter().map(u8::to_ascii_lowercase));
        wire.extend_from_slice(&self.0);
        Ok(Name(wire.into()))
    }

    /// Whether its leftmost label is `*`.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with(b"\x01*")
    }

    /// Its text with the labels in reverse order: `com.example.www.`. Names sort by it as Route 53
    /// lists them (spec §9).
    pub fn order_key(&self) -> String {
        let labels: Vec<&[u8]> = self.labels().collect();
        let mut key = String::with_capacity(self.0.len() + 8);
        for label in labels.into_iter().rev() {
            Escapes::Octal.write_label(label, &mut key);
            key.push('.');
        }
        key
    }
}

/// Route 53's text, with the dot at the end: every byte but `a-z 0-9 - _` is `\ooo`.
impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.0.len() + 8);
        Escapes::Octal.write_name(&self.0, &mut text);
        formatter.write_str(&text)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Name({self})")
    }
}

/// Labels from left to right.
#[derive(Clone, Debug)]
pub struct Labels<'n> {
    rest: &'n [u8],
}

impl<'n> Iterator for Labels<'n> {
    type Item = &'n [u8];

    fn next(&mut self) -> Option<&'n [u8]> {
        let (&length, rest) = self.rest.split_first()?;
        let (label, rest) = rest.split_at(usize::from(length));
        self.rest = rest;
        (length > 0).then_some(label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_folded_to_lower_case_and_ends_in_a_dot() {
        for text in ["WWW.Example.com", "www.example.com."] {
            let name = Name::parse(text).unwrap();
            assert_eq!(name.to_string(), "www.example.com.");
            assert_eq!(name.wire(), b"\x03www\x07example\x03com\0");
        }
    }

    #[test]
    fn escapes_are_octal_for_route_53_and_decimal_in_zone_files() {
        assert_eq!(Name::parse("\\052.a").unwrap(), Name::parse("*.a").unwrap());
        assert_eq!(
            Name::parse_in_file("\\042.a").unwrap(),
            Name::parse("*.a").unwrap()
        );
        assert_eq!(Name::parse("*.a").unwrap().to_string(), "\\052.a.");
        assert_eq!(Name::parse("a\\056b.c").unwrap().labels().count(), 2);
    }

    #[test]
    fn what_is_no_name_says_why() {
        let long = "a".repeat(64);
        for (text, error) in [
            ("", NameError::EmptyLabel),
            ("..", NameError::EmptyLabel),
            (".a", NameError::EmptyLabel),
            ("a..b", NameError::EmptyLabel),
            ("a b", NameError::Unescaped),
            ("\\9", NameError::Escape),
            ("\\400", NameError::Escape),
            (long.as_str(), NameError::LabelTooLong),
            ("é", NameError::Unescaped),
        ] {
            assert_eq!(Name::parse(text), Err(error), "{text:?}");
        }
        let label = "a".repeat(63);
        let most = [label.as_str(); 3].join(".") + "." + &label[..61];
        assert!(Name::parse(&most).is_ok());
        assert_eq!(Name::parse(&(most + "a")), Err(NameError::TooLong));
    }

    #[test]
    fn a_name_is_within_a_zone_by_whole_labels() {
        let zone = Name::parse("example.com").unwrap();
        let within = |text: &str| Name::parse(text).unwrap().is_within(&zone);
        assert!(within("example.com") && within("a.b.example.com"));
        assert!(!within("badexample.com") && !within("com") && !within("."));
        assert!(zone.is_within(&Name::root()));
    }

    #[test]
    fn names_sort_by_their_labels_from_the_right() {
        let key = |text: &str| Name::parse(text).unwrap().order_key();
        assert_eq!(key("www.example.com"), "com.example.www.");
        assert!(key("www-x.example.com") < key("www.example.com"));
        assert!(key("www.example.com") < key("a.www.example.com"));
    }
}
