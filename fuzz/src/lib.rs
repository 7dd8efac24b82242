//! What fuzz targets have in common: inputs are text where they can be, so that corpora can be
//! read and written by hand. Their parts are lines, since no field of HTTP holds a line end.
//!
//! Each target asserts more than "does not panic": what parsers accept is written and parsed
//! again, fast ways are compared with slow ones. Start at `fuzz_targets/request_head.rs`.

use message::Fields;

/// The first lines of an input, and what follows them.
pub fn lines<const N: usize>(data: &[u8]) -> ([&[u8]; N], &[u8]) {
    let mut rest = data;
    let mut first = [&data[..0]; N];
    for line in &mut first {
        let at = rest.iter().position(|byte| *byte == b'\n');
        *line = &rest[..at.unwrap_or(rest.len())];
        rest = at.map_or(&[], |at| &rest[at + 1..]);
    }
    (first, rest)
}

/// Fields as they stand on lines. Names and values are such as parsers let through.
pub fn fields(data: &[u8]) -> Fields {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let is_value = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    let split = |line: &'_ [u8]| -> Option<(Vec<u8>, Vec<u8>)> {
        let at = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..at], line[at + 1..].trim_ascii());
        let fits = !name.is_empty() && name.iter().all(is_name) && value.iter().all(is_value);
        fits.then(|| (name.to_vec(), value.to_vec()))
    };
    data.split(|byte| *byte == b'\n')
        .filter_map(split)
        .collect()
}

/// The number that a line says; 0 if it says none.
pub fn number(line: &[u8]) -> u64 {
    let digits = std::str::from_utf8(line).ok();
    digits
        .and_then(|digits| digits.trim().parse().ok())
        .unwrap_or(0)
}
