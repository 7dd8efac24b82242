//! As much of DER (X.690) as OCSP and encrypted keys take: values of short tags and of lengths
//! below 4 GiB.

pub const INTEGER: u8 = 0x02;
pub const BIT_STRING: u8 = 0x03;
pub const OCTET_STRING: u8 = 0x04;
pub const NULL: u8 = 0x05;
pub const OID: u8 = 0x06;
pub const ENUMERATED: u8 = 0x0a;
pub const GENERALIZED_TIME: u8 = 0x18;
pub const SEQUENCE: u8 = 0x30;

/// Tag of a constructed value `[number]`.
pub const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// Tag of a primitive value `[number] IMPLICIT`.
pub const fn context_primitive(number: u8) -> u8 {
    0x80 | number
}

/// Reads values one after the other.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

/// A value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    pub tag: u8,
    /// What it holds.
    pub content: &'a [u8],
    /// All of it, with tag and length.
    pub raw: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next value.
    pub fn value(&mut self) -> Option<Value<'a>> {
        let (&tag, rest) = self.rest.split_first()?;
        let (&first, rest) = rest.split_first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = bytes
                    .iter()
                    .fold(0u64, |all, byte| all << 8 | u64::from(*byte));
                // The shortest form alone is DER.
                if bytes[0] == 0 || length < 0x80 {
                    return None;
                }
                (usize::try_from(length).ok()?, rest)
            }
            _ => return None,
        };
        let (content, after) = rest.split_at_checked(length)?;
        let raw = &self.rest[..self.rest.len() - after.len()];
        self.rest = after;
        Some(Value { tag, content, raw })
    }

    /// The next value, which has this tag.
    pub fn expect(&mut self, tag: u8) -> Option<Value<'a>> {
        self.optional(tag)
    }

    /// The next value if it has this tag; it stays where it is otherwise.
    pub fn optional(&mut self, tag: u8) -> Option<Value<'a>> {
        if self.rest.first() != Some(&tag) {
            return None;
        }
        self.value()
    }

    /// What is in the next value, which has this tag.
    pub fn inside(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.expect(tag).map(|value| value.inside())
    }
}

impl<'a> Value<'a> {
    pub fn inside(&self) -> Reader<'a> {
        Reader::new(self.content)
    }
}

/// Bits of a BIT STRING that holds whole bytes.
pub fn bits<'a>(value: Value<'a>) -> Option<&'a [u8]> {
    let (unused, bytes) = value.content.split_first()?;
    (*unused == 0).then_some(bytes)
}

/// Writes a value that holds these parts.
pub fn write(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut bytes = vec![tag];
    if length < 0x80 {
        bytes.push(length as u8);
    } else {
        let length = length.to_be_bytes();
        let skipped = length.iter().take_while(|byte| **byte == 0).count();
        bytes.push(0x80 | (length.len() - skipped) as u8);
        bytes.extend_from_slice(&length[skipped..]);
    }
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

/// Writes a number.
pub fn write_integer(number: u32) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let skipped = bytes.iter().take_while(|byte| **byte == 0).count().min(3);
    // A first bit would be a sign.
    let sign: &[u8] = if bytes[skipped] & 0x80 == 0 {
        &[]
    } else {
        &[0]
    };
    write(INTEGER, &[sign, &bytes[skipped..]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let content = vec![7; length];
            let bytes = write(OCTET_STRING, &[&content, &[1]]);
            let mut reader = Reader::new(&bytes);
            let value = reader.expect(OCTET_STRING).unwrap();
            assert_eq!(value.content.len(), length + 1);
            assert_eq!(value.raw, bytes);
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be_and_positive() {
        let content = |number| write_integer(number)[2..].to_vec();
        assert_eq!(content(0), [0]);
        assert_eq!(content(127), [127]);
        assert_eq!(content(128), [0, 128]);
        assert_eq!(content(100_000), [1, 0x86, 0xa0]);
        assert_eq!(content(u32::MAX), [0, 255, 255, 255, 255]);
    }

    #[test]
    fn what_is_not_der_is_not_read() {
        let wrong: [&[u8]; 8] = [
            &[],
            &[4],
            &[4, 2, 0],
            &[4, 0x80, 0, 0],
            &[4, 0x81, 1, 0],
            &[4, 0x82, 0, 1, 0],
            &[4, 0x85, 1, 0, 0, 0, 0],
            &[0x1f, 0x20, 0],
        ];
        for bytes in wrong {
            assert!(Reader::new(bytes).value().is_none(), "{bytes:?}");
        }
    }
}
