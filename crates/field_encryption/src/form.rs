//! The escapes of `application/x-www-form-urlencoded`, read byte by byte.

/// Reads `%XX` and `+`, wherever the pieces of the text are cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Escapes {
    #[default]
    None,
    /// After `%`.
    Begun,
    /// After `%` and a digit.
    Half(u8),
}

/// An escape that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl Escapes {
    /// Takes a byte and gives the one that is meant, once it is complete.
    #[inline]
    pub fn take(&mut self, byte: u8) -> Result<Option<u8>, Malformed> {
        let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
        match *self {
            Escapes::None => match byte {
                b'%' => {
                    *self = Escapes::Begun;
                    Ok(None)
                }
                b'+' => Ok(Some(b' ')),
                _ => Ok(Some(byte)),
            },
            Escapes::Begun => {
                *self = Escapes::Half(digit(byte).ok_or(Malformed)?);
                Ok(None)
            }
            Escapes::Half(high) => {
                *self = Escapes::None;
                Ok(Some(high << 4 | digit(byte).ok_or(Malformed)?))
            }
        }
    }

    /// The text ends here, or a field of it.
    pub fn end(&mut self) -> Result<(), Malformed> {
        match std::mem::take(self) {
            Escapes::None => Ok(()),
            _ => Err(Malformed),
        }
    }
}

/// What a text means.
pub(crate) fn decode(text: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut escapes = Escapes::None;
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        out.extend(escapes.take(*byte)?);
    }
    escapes.end()?;
    Ok(out)
}

/// Appends base64 as the value of a field: three of its letters mean something else in a form.
pub(crate) fn push_base64(base64: &str, out: &mut Vec<u8>) {
    for byte in base64.bytes() {
        match byte {
            b'+' => out.extend_from_slice(b"%2B"),
            b'/' => out.extend_from_slice(b"%2F"),
            b'=' => out.extend_from_slice(b"%3D"),
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read_and_wrong_ones_are_told() {
        assert_eq!(decode(b"a+b%2B%e4%C4").unwrap(), b"a b+\xe4\xc4");
        assert_eq!(decode(b"").unwrap(), b"");
        for wrong in [&b"%"[..], b"%4", b"a%zz", b"%4g", b"%%41"] {
            assert_eq!(decode(wrong), Err(Malformed));
        }
    }

    #[test]
    fn base64_survives_a_form() {
        let mut out = Vec::new();
        push_base64("aB0+/==", &mut out);
        assert_eq!(out, b"aB0%2B%2F%3D%3D");
        assert_eq!(decode(&out).unwrap(), b"aB0+/==");
    }
}
