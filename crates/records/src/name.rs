use std::fmt;

use thiserror::Error;

use crate::limits::{LABEL_BYTES_MAX, NAME_BYTES_MAX};

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
        parse(text, 8)
    }

    /// Out of a master file's text, where `\042` is the byte of these three **decimal** digits and
    /// `\.` a dot within a label (RFC 1035 §5.1). The name is taken for a whole one, whether a dot
    /// ends it or not.
    pub fn parse_master(text: &str) -> Result<Name, NameError> {
        parse(text, 10)
    }

    /// Out of wire form without compression, which must be all of `wire`.
    pub fn from_wire(wire: &[u8]) -> Result<Name, NameError> {
        if wire.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong);
        }
        let mut at = 0;
        loop {
            match wire.get(at) {
                Some(0) if at + 1 == wire.len() => break,
                Some(&length @ 1..=63) => at += 1 + usize::from(length),
                _ => return Err(NameError::Wire),
            }
        }
        Ok(Name(wire.to_ascii_lowercase().into()))
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
            write_label(label, &mut key);
            key.push('.');
        }
        key
    }
}

/// Route 53's text, with the dot at the end: every byte but `a-z 0-9 - _` is `\ooo`.
impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return formatter.write_str(".");
        }
        let mut text = String::with_capacity(self.0.len() + 8);
        for label in self.labels() {
            write_label(label, &mut text);
            text.push('.');
        }
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

fn write_label(label: &[u8], text: &mut String) {
    for &byte in label {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => text.push(char::from(byte)),
            _ => {
                for shift in [6, 3, 0] {
                    text.push(char::from(b'0' + (byte >> shift & 7)));
                }
                let at = text.len() - 3;
                text.insert(at, '\\');
            }
        }
    }
}

fn parse(text: &str, radix: u32) -> Result<Name, NameError> {
    if text == "." {
        return Ok(Name::root());
    }
    let mut wire = vec![0];
    let mut label_at = 0;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'.' => {
                end_label(&mut wire, label_at)?;
                label_at = wire.len();
                wire.push(0);
            }
            b'\\' => wire.push(escaped(&mut bytes, radix)?.to_ascii_lowercase()),
            0x21..=0x7e => wire.push(byte.to_ascii_lowercase()),
            _ => return Err(NameError::Unescaped),
        }
        if wire.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong);
        }
    }
    // Without a dot at the end, the last label is still open; with one, it is the root.
    if wire.len() > label_at + 1 {
        end_label(&mut wire, label_at)?;
        wire.push(0);
    } else if wire.len() == 1 {
        return Err(NameError::EmptyLabel);
    }
    match wire.len() {
        0..=NAME_BYTES_MAX => Ok(Name(wire.into())),
        _ => Err(NameError::TooLong),
    }
}

fn end_label(wire: &mut [u8], label_at: usize) -> Result<(), NameError> {
    match wire.len() - label_at - 1 {
        0 => Err(NameError::EmptyLabel),
        length @ 1..=LABEL_BYTES_MAX => {
            wire[label_at] = length as u8;
            Ok(())
        }
        _ => Err(NameError::LabelTooLong),
    }
}

/// What follows a backslash.
fn escaped(bytes: &mut std::str::Bytes<'_>, radix: u32) -> Result<u8, NameError> {
    let first = bytes.next().ok_or(NameError::Escape)?;
    if !first.is_ascii_digit() {
        return match first {
            0x21..=0x7e => Ok(first),
            _ => Err(NameError::Escape),
        };
    }
    let mut number = 0;
    for byte in [Some(first), bytes.next(), bytes.next()] {
        let digit = byte.and_then(|byte| char::from(byte).to_digit(radix));
        number = number * radix + digit.ok_or(NameError::Escape)?;
    }
    u8::try_from(number).map_err(|_| NameError::Escape)
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
    fn escapes_are_octal_for_route_53_and_decimal_in_master_files() {
        assert_eq!(Name::parse("\\052.a").unwrap(), Name::parse("*.a").unwrap());
        assert_eq!(
            Name::parse_master("\\042.a").unwrap(),
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
