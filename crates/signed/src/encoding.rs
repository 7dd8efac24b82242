//! How policies and signatures stand in URLs and cookies (spec §9.3): base64 with `-`, `_` and `~`
//! for `+`, `=` and `/`, and nothing else, so that one text means one thing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(crate) fn encode(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes).into_bytes().into_iter();
    text.map(|byte| match byte {
        b'+' => '-',
        b'=' => '_',
        b'/' => '~',
        other => char::from(other),
    })
    .collect()
}

/// Query parameters may be percent-encoded, once; cookies may not.
pub(crate) fn decode(text: &[u8], is_query: bool) -> Result<Vec<u8>, &'static str> {
    let mut base64 = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let byte = match byte {
            b'%' if is_query => {
                let value = escaped(rest).ok_or("a % that begins no escape")?;
                rest = &rest[2..];
                value
            }
            other => *other,
        };
        base64.push(match byte {
            b'-' => b'+',
            b'_' => b'=',
            b'~' => b'/',
            b'+' | b'=' | b'/' => return Err("+, = and / are to be -, _ and ~"),
            other => other,
        });
    }
    STANDARD.decode(&base64).map_err(|_| "not base64")
}

/// What the two hexadecimal digits at the front mean.
pub(crate) fn escaped(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}
