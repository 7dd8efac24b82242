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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_but_the_alphabet_and_its_escapes_is_decoded() {
        assert_eq!(decode(b"AAA_", false), Ok(vec![0, 0]));
        assert_eq!(decode(b"-~-~", false), Ok(vec![0xfb, 0xff, 0xbf]));
        assert_eq!(decode(b"%2D%7e-%7E", true), Ok(vec![0xfb, 0xff, 0xbf]));
        assert_eq!(decode(b"AAA%5F", true), Ok(vec![0, 0]));
        for bad in [
            "AAA=",
            "AAA",
            "AA",
            "AAAA_",
            "+/+/",
            "AA A",
            "AAB_",
            "%2D%7e-%7",
            "%2B~-~",
            "%ZZAA",
            "AAA%3D",
            "%252D~-~",
            "A%00AA",
            "é",
        ] {
            assert!(decode(bad.as_bytes(), true).is_err(), "{bad}");
        }
        assert!(decode(b"%2D~-~", false).is_err(), "cookies have no escapes");
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(bytes: Vec<u8>) {
            let text = encode(&bytes);
            prop_assert!(!text.contains(['+', '=', '/']));
            prop_assert_eq!(decode(text.as_bytes(), false), Ok(bytes.clone()));
            prop_assert_eq!(decode(text.as_bytes(), true), Ok(bytes));
        }
    }
}
