use crate::limits::ENTRY_WORDS_MAX;
use crate::text::{Kind, Token, token};

/// Cuts a file into entries, which end with a line unless a parenthesis is open.
pub(super) struct Entries<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    /// Of the last entry; kept for its room.
    tokens: Vec<Token<'t>>,
}

pub(super) struct Entry<'e, 't> {
    /// Where it begins.
    pub line: usize,
    /// Whether a blank is before its first word, which is then no name.
    pub is_indented: bool,
    /// At least one.
    pub tokens: &'e [Token<'t>],
    /// What is wrong with its marks.
    pub fault: Option<&'static str>,
}

impl<'t> Entries<'t> {
    pub fn new(text: &'t str) -> Entries<'t> {
        Entries {
            // Some editors put a byte order mark there.
            text: text.strip_prefix('\u{feff}').unwrap_or(text),
            at: 0,
            line: 1,
            tokens: Vec::new(),
        }
    }

    /// The next entry that has words, or whose marks are wrong; none at the file's end.
    pub fn next(&mut self) -> Option<Entry<'_, 't>> {
        let bytes = self.text.as_bytes();
        self.tokens.clear();
        let (mut line, mut is_indented) = (self.line, is_blank(*bytes.get(self.at)?));
        let (mut depth, mut fault) = (0usize, None);
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'\n' => {
                    self.at += 1;
                    self.line += 1;
                    if depth > 0 {
                        continue;
                    }
                    if !self.tokens.is_empty() || fault.is_some() {
                        break;
                    }
                    line = self.line;
                    is_indented = bytes.get(self.at).is_some_and(|byte| is_blank(*byte));
                }
                b';' => self.at = line_end(bytes, self.at),
                b'(' => {
                    depth += 1;
                    self.at += 1;
                }
                b')' => {
                    match depth.checked_sub(1) {
                        Some(outer) => depth = outer,
                        None => fault = fault.or(Some("a parenthesis is closed but not open")),
                    }
                    self.at += 1;
                }
                _ if is_blank(byte) => self.at += 1,
                _ => {
                    let (token, after) = token(self.text, self.at, is_end);
                    self.at = after;
                    if token.kind == Kind::Unclosed {
                        fault = fault.or(Some("a quotation mark is not closed in its line"));
                    }
                    match self.tokens.len() {
                        0..ENTRY_WORDS_MAX => self.tokens.push(token),
                        _ => fault = fault.or(Some("an entry has more words than data can have")),
                    }
                }
            }
        }
        if depth > 0 {
            fault = fault.or(Some("a parenthesis is open at the file's end"));
        }
        (!self.tokens.is_empty() || fault.is_some()).then_some(Entry {
            line,
            is_indented,
            tokens: &self.tokens,
            fault,
        })
    }
}

/// Carriage returns are before the lines' ends of some files.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

fn is_end(byte: u8) -> bool {
    is_blank(byte) || matches!(byte, b';' | b'(' | b')')
}

fn line_end(bytes: &[u8], start: usize) -> usize {
    let rest = bytes[start..].iter();
    start + rest.take_while(|byte| **byte != b'\n').count()
}
