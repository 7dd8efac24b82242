//! What a viewer's `Accept-Encoding` means to the cache (spec §3.5).

use message::list_items;

/// Which encodings a behavior tells apart.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct EncodingRule {
    /// `EnableAcceptEncodingGzip`.
    pub gzip: bool,
    /// `EnableAcceptEncodingBrotli`.
    pub brotli: bool,
}

impl EncodingRule {
    /// Whether `Accept-Encoding` is normalised at all; if not it is an ordinary field.
    pub fn is_on(self) -> bool {
        self.gzip || self.brotli
    }

    /// The encodings that count for this viewer.
    #[inline]
    pub fn normalise(self, accept_encoding: Option<&[u8]>) -> Encodings {
        match accept_encoding {
            // What every current browser sends, and curl's list, without a parse.
            Some(b"gzip, deflate, br" | b"gzip, deflate, br, zstd") => Encodings {
                gzip: self.gzip,
                brotli: self.brotli,
                absent: false,
            },
            Some(value) if self.is_on() => Encodings {
                gzip: self.gzip && accepts(value, b"gzip"),
                brotli: self.brotli && accepts(value, b"br"),
                absent: false,
            },
            Some(_) => Encodings::default(),
            None => Encodings {
                absent: true,
                ..Encodings::default()
            },
        }
    }
}

/// The normalised `Accept-Encoding` of one request.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Encodings {
    /// gzip may be used.
    pub gzip: bool,
    /// Brotli may be used.
    pub brotli: bool,
    /// The viewer sent no such field.
    pub absent: bool,
}

impl Encodings {
    /// The value in the cache key; nothing when neither is accepted.
    pub fn key(self) -> Option<&'static [u8]> {
        match (self.brotli, self.gzip) {
            (true, true) => Some(b"br,gzip"),
            (true, false) => Some(b"br"),
            (false, true) => Some(b"gzip"),
            (false, false) => None,
        }
    }

    /// The value sent to the origin; no field when the viewer sent none.
    pub fn forwarded(self) -> Option<&'static [u8]> {
        if self.absent {
            None
        } else {
            Some(self.key().unwrap_or(b"identity"))
        }
    }
}

/// Whether the list names the coding with a weight other than 0. `*` counts for gzip alone: it is
/// what every client that sends it can decode.
fn accepts(value: &[u8], coding: &[u8]) -> bool {
    let mut star = false;
    for item in list_items(value) {
        let mut parts = item.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let refused = parts.any(is_zero_weight);
        if name.eq_ignore_ascii_case(coding) {
            return !refused;
        }
        star |= name == b"*" && !refused;
    }
    star && coding == b"gzip"
}

fn is_zero_weight(parameter: &[u8]) -> bool {
    let Some((b'q' | b'Q', rest)) = parameter.split_first() else {
        return false;
    };
    let Some(weight) = rest.trim_ascii_start().strip_prefix(b"=") else {
        return false;
    };
    let weight = weight.trim_ascii();
    !weight.is_empty() && weight.iter().all(|byte| matches!(byte, b'0' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: EncodingRule = EncodingRule {
        gzip: true,
        brotli: true,
    };
    const GZIP: EncodingRule = EncodingRule {
        gzip: true,
        brotli: false,
    };
    const BROTLI: EncodingRule = EncodingRule {
        gzip: false,
        brotli: true,
    };

    #[test]
    fn the_table_of_normalisation_holds() {
        let row = |rule: EncodingRule, value: Option<&str>| {
            let encodings = rule.normalise(value.map(str::as_bytes));
            let text =
                |bytes: Option<&'static [u8]>| bytes.map(|b| std::str::from_utf8(b).unwrap());
            (text(encodings.key()), text(encodings.forwarded()))
        };
        assert_eq!(row(BOTH, None), (None, None));
        assert_eq!(
            row(BOTH, Some("gzip, deflate, br")),
            (Some("br,gzip"), Some("br,gzip"))
        );
        assert_eq!(
            row(BOTH, Some("br;q=1.0, gzip;q=0.8")),
            (Some("br,gzip"), Some("br,gzip"))
        );
        assert_eq!(row(BOTH, Some("gzip")), (Some("gzip"), Some("gzip")));
        assert_eq!(row(BOTH, Some("br")), (Some("br"), Some("br")));
        assert_eq!(row(BOTH, Some("deflate")), (None, Some("identity")));
        assert_eq!(row(GZIP, Some("gzip, br")), (Some("gzip"), Some("gzip")));
        assert_eq!(row(GZIP, Some("br")), (None, Some("identity")));
        assert_eq!(row(BROTLI, Some("gzip, br")), (Some("br"), Some("br")));
    }

    #[test]
    fn a_weight_of_zero_refuses() {
        let gzip = |value: &str| GZIP.normalise(Some(value.as_bytes())).gzip;
        assert!(!gzip("gzip;q=0"));
        assert!(!gzip("gzip; Q=0.000"));
        assert!(gzip("gzip;q=0.001"));
        assert!(gzip("*"));
        assert!(!gzip("*;q=0"));
        assert!(!gzip("*, gzip;q=0"));
    }
}
