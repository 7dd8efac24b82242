//! What all texts of DNS share: escapes, names, character strings, and where a token ends.

use crate::NameError;
use crate::limits::{LABEL_BYTES_MAX, NAME_BYTES_MAX, NAME_TEXT_BYTES_MAX};

/// How a text writes bytes that it cannot show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// Route 53's: `\052` has three octal digits, and all but `a-z A-Z 0-9 - _` of a name is
    /// written so (spec §7.2).
    Octal,
    /// Zone files': `\042` has three decimal digits, and of a name the characters that mean
    /// something in a file are behind a backslash (RFC 1035 §5.1).
    Decimal,
}

impl Escapes {
    fn radix(self) -> u32 {
        match self {
            Escapes::Octal => 8,
            Escapes::Decimal => 10,
        }
    }

    /// The byte whose escape begins at `at`, behind the backslash, and where the text goes on.
    pub(crate) fn read(self, text: &[u8], at: usize) -> Option<(u8, usize)> {
        let first = *text.get(at)?;
        if !first.is_ascii_digit() {
            return matches!(first, 0x20..=0x7e).then_some((first, at + 1));
        }
        let mut number = 0;
        for &byte in text.get(at..at + 3)? {
            number = number * self.radix() + char::from(byte).to_digit(self.radix())?;
        }
        Some((u8::try_from(number).ok()?, at + 3))
    }

    fn write(self, byte: u8, text: &mut String) {
        let radix = self.radix() as u8;
        text.push('\\');
        for digit in [byte / (radix * radix), byte / radix % radix, byte % radix] {
            text.push(char::from(b'0' + digit));
        }
    }

    /// Appends a label's text.
    pub(crate) fn write_label(self, label: &[u8], text: &mut String) {
        for &byte in label {
            match (byte, self) {
                (b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_', _) => {
                    text.push(char::from(byte));
                }
                // Not `\\`, whose second backslash NSD takes for one before the blank after it.
                (b'\\', Escapes::Decimal) => self.write(byte, text),
                (b'.' | b';' | b'(' | b')' | b'"' | b'@' | b'$', Escapes::Decimal) => {
                    text.push('\\');
                    text.push(char::from(byte));
                }
                (0x21..=0x7e, Escapes::Decimal) => text.push(char::from(byte)),
                _ => self.write(byte, text),
            }
        }
    }

    /// Appends a whole name's text, with the dot at its end. `wire` is a name's wire form.
    pub(crate) fn write_name(self, wire: &[u8], text: &mut String) {
        let mut rest = wire;
        while let Some((&length @ 1.., after)) = rest.split_first() {
            let (label, after) = after.split_at(usize::from(length).min(after.len()));
            self.write_label(label, text);
            text.push('.');
            rest = after;
        }
        if wire.len() <= 1 {
            text.push('.');
        }
    }

    /// Appends a character string in quotation marks.
    pub(crate) fn write_string(self, bytes: &[u8], text: &mut String) {
        text.push('"');
        for &byte in bytes {
            match byte {
                b'"' | b'\\' => {
                    text.push('\\');
                    text.push(char::from(byte));
                }
                0x20..=0x7e => text.push(char::from(byte)),
                _ => self.write(byte, text),
            }
        }
        text.push('"');
    }
}

/// Appends a name's wire form, its letters as they are. A name without a dot at its end goes on
/// with `origin`, which is a name's wire form. Upon an error `wire` has an unfinished name.
pub(crate) fn push_name(
    text: &str,
    escapes: Escapes,
    origin: &[u8],
    wire: &mut Vec<u8>,
) -> Result<(), NameError> {
    if text == "." {
        wire.push(0);
        return Ok(());
    }
    if text.len() > NAME_TEXT_BYTES_MAX {
        return Err(NameError::TooLong);
    }
    let (text, start) = (text.as_bytes(), wire.len());
    let (mut at, mut label_at) = (0, start);
    wire.push(0);
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'.' => {
                end_label(wire, label_at)?;
                label_at = wire.len();
                wire.push(0);
            }
            b'\\' => {
                let (byte, after) = escapes.read(text, at).ok_or(NameError::Escape)?;
                wire.push(byte);
                at = after;
            }
            0x21..=0x7e => wire.push(byte),
            _ => return Err(NameError::Unescaped),
        }
    }
    // Without a dot at the end, the last label is still open; with one, it is the root.
    if wire.len() > label_at + 1 {
        end_label(wire, label_at)?;
        wire.extend_from_slice(origin);
    } else if label_at == start {
        return Err(NameError::EmptyLabel);
    }
    match wire.len() - start {
        0..=NAME_BYTES_MAX => Ok(()),
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

/// A word of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'t> {
    /// Without the quotation marks around it, with all escapes.
    pub text: &'t str,
    pub kind: Kind,
    /// Whether nothing is between it and the word before, as in `key="value"`, which is two.
    pub is_glued: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    /// It was in quotation marks.
    Quoted,
    /// Its quotation mark is not closed in its line.
    Unclosed,
}

/// The token that begins at `start`, which is within `text`, and where the text goes on. A plain
/// token ends before a byte of `is_end`, before a line's end and before a quotation mark.
pub(crate) fn token(text: &str, start: usize, is_end: fn(u8) -> bool) -> (Token<'_>, usize) {
    let bytes = text.as_bytes();
    let is_between = |byte: &u8| is_end(*byte) || *byte == b'\n';
    let is_glued = start > 0 && !is_between(&bytes[start - 1]);
    let word = |from: usize, to: usize, kind| Token {
        text: &text[from..to],
        kind,
        is_glued,
    };
    if bytes[start] == b'"' {
        let end = quote_end(bytes, start + 1);
        return match bytes.get(end) {
            Some(b'"') => (word(start + 1, end, Kind::Quoted), end + 1),
            _ => (word(start + 1, end, Kind::Unclosed), end),
        };
    }
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if bytes.get(at + 1).is_some_and(|next| *next != b'\n') => at += 2,
            b'"' => break,
            _ if is_between(byte) => break,
            _ => at += 1,
        }
    }
    (word(start, at, Kind::Plain), at)
}

/// Where the quotation mark that closes is, or else the line's end.
fn quote_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' | b'\n' => return at,
            b'\\' if bytes.get(at + 1).is_some_and(|next| *next != b'\n') => at += 2,
            _ => at += 1,
        }
    }
    at
}
