//! PEM (RFC 7468): the forms that are written in base64 between two lines of dashes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Label of certificates.
pub const CERTIFICATE: &str = "CERTIFICATE";

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
const LINE_CHARS: usize = 64;

/// What stands between a pair of lines.
pub struct Block {
    /// What the lines say that it is, such as `PUBLIC KEY`.
    pub label: String,
    /// The bytes.
    pub der: Vec<u8>,
    /// It has headers, as encrypted keys of old have (RFC 1421).
    pub has_headers: bool,
}

/// A text is not PEM; the number of the line, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Where, from 1.
    pub line: usize,
}

/// Reads all blocks; what is around them is passed over, as OpenSSL does.
pub fn read(pem: &[u8], blocks_max: usize) -> Result<Vec<Block>, Malformed> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String, bool)> = None;
    let mut last = 0;
    for (index, line) in pem.split(|byte| *byte == b'\n').enumerate() {
        last = index + 1;
        let malformed = Malformed { line: last };
        let Ok(line) = std::str::from_utf8(line) else {
            if open.is_some() {
                return Err(malformed);
            }
            continue;
        };
        let line = line.trim();
        match &mut open {
            None => {
                let label = line
                    .strip_prefix(BEGIN)
                    .and_then(|rest| rest.strip_suffix(DASHES));
                open = label.map(|label| (label.to_owned(), String::new(), false));
            }
            Some((label, text, has_headers)) => match line.strip_prefix(END) {
                Some(rest) => {
                    let is_same = rest.strip_suffix(DASHES) == Some(label);
                    let der = BASE64.decode(&text).map_err(|_| malformed)?;
                    if !is_same || der.is_empty() || blocks.len() == blocks_max {
                        return Err(malformed);
                    }
                    blocks.push(Block {
                        label: std::mem::take(label),
                        der,
                        has_headers: *has_headers,
                    });
                    open = None;
                }
                None if line.contains(':') => *has_headers = true,
                None if line.starts_with(DASHES) => return Err(malformed),
                None => text.push_str(line),
            },
        }
    }
    match open {
        None => Ok(blocks),
        Some(_) => Err(Malformed { line: last }),
    }
}

/// Writes a block, with its last line's end.
pub fn write(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let mut pem = format!("{BEGIN}{label}{DASHES}\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE_CHARS));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str(&format!("{END}{label}{DASHES}\n"));
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_among_other_text() {
        for length in [1, 47, 48, 49, 200] {
            let der: Vec<u8> = (0..length).collect();
            let pem = format!("Bag é \r\n{}\ntail", write("X Y", &der)).replace('\n', "\r\n");
            let blocks = read(pem.as_bytes(), 1).unwrap();
            assert_eq!(blocks.len(), 1);
            assert_eq!((&*blocks[0].label, &blocks[0].der), ("X Y", &der));
        }
    }

    #[test]
    fn what_is_cut_off_or_mixed_up_is_malformed_at_its_line() {
        let line = |text: &str| read(text.as_bytes(), 1).err().map(|error| error.line);
        assert_eq!(line("nothing"), None);
        assert_eq!(line("-----BEGIN A-----\nAAAA"), Some(2));
        assert_eq!(line("-----BEGIN A-----\nAAAA\n-----END B-----"), Some(3));
        assert_eq!(line("-----BEGIN A-----\n-----BEGIN A-----\n"), Some(2));
        assert_eq!(line("-----BEGIN A-----\nA?AA\n-----END A-----"), Some(3));
        assert_eq!(line("-----BEGIN A-----\n-----END A-----"), Some(2));
        let two = write("A", &[1]).repeat(2);
        assert_eq!(line(&two), Some(6));
    }
}
