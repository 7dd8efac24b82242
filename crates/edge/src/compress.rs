//! Compression at the edge (spec §6): which responses are worth it, the encoders, and what it
//! changes in a head.

use std::io::Write;

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use cache::conditional::weaken;
use flate2::Compression;
use flate2::write::GzEncoder;
use message::{Fields, ResponseHead, list_items};

/// The shortest body that is compressed (spec §6).
const BODY_BYTES_MIN: u64 = 1_000;
/// The longest body that is compressed (spec §6).
const BODY_BYTES_MAX: u64 = 10_000_000;

/// Compresses well at a speed that the first viewer of an object does not notice.
const BROTLI_QUALITY: i32 = 5;
/// For bodies that take long.
const BROTLI_QUALITY_LONG: i32 = 4;
const LONG_BODY_BYTES_MIN: u64 = 1 << 20;
const GZIP_LEVEL: u32 = 6;
const BROTLI_WINDOW_BITS_MIN: u32 = 17;
/// Brotli's own chunks; what it is given is in memory already.
const BROTLI_BUFFER_BYTES: usize = 4 << 10;

/// The types that compress well and are compressed (spec §6). Sorted.
const TYPES: [&str; 48] = [
    "application/dash+xml",
    "application/eot",
    "application/font",
    "application/font-sfnt",
    "application/javascript",
    "application/json",
    "application/opentype",
    "application/otf",
    "application/pdf",
    "application/pkcs7-mime",
    "application/protobuf",
    "application/rss+xml",
    "application/truetype",
    "application/ttf",
    "application/vnd.apple.mpegurl",
    "application/vnd.mapbox-vector-tile",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-font-opentype",
    "application/x-font-truetype",
    "application/x-font-ttf",
    "application/x-httpd-cgi",
    "application/x-javascript",
    "application/x-mpegurl",
    "application/x-opentype",
    "application/x-otf",
    "application/x-perl",
    "application/x-ttf",
    "application/xhtml+xml",
    "application/xml",
    "font/eot",
    "font/opentype",
    "font/otf",
    "font/ttf",
    "image/svg+xml",
    "text/css",
    "text/csv",
    "text/html",
    "text/javascript",
    "text/js",
    "text/plain",
    "text/richtext",
    "text/tab-separated-values",
    "text/x-component",
    "text/x-java-source",
    "text/x-script",
    "text/xml",
    "vnd.apple.mpegurl",
];
/// The longest of [`TYPES`].
const TYPE_BYTES_MAX: usize = 34;

/// Whether an origin's response may be compressed, as far as the response decides that. `length`
/// is its valid `Content-Length`.
pub fn eligible(head: &ResponseHead, length: Option<u64>) -> bool {
    matches!(head.status, 200 | 403 | 404)
        && length.is_some_and(|length| (BODY_BYTES_MIN..=BODY_BYTES_MAX).contains(&length))
        && !head.fields.contains("content-encoding")
        && head.fields.get("content-type").is_some_and(is_compressible)
}

/// Whether the type is in the list; parameters and case do not matter.
fn is_compressible(content_type: &[u8]) -> bool {
    let media_type = content_type
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default();
    let media_type = media_type.trim_ascii();
    let mut lower = [0_u8; TYPE_BYTES_MAX];
    let Some(lower) = lower.get_mut(..media_type.len()) else {
        return false;
    };
    lower.copy_from_slice(media_type);
    lower.make_ascii_lowercase();
    let lower = &*lower;
    TYPES
        .binary_search_by(|known| known.as_bytes().cmp(lower))
        .is_ok()
}

/// A content coding that the edge can apply.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[allow(missing_docs)]
pub enum Coding {
    Gzip,
    Brotli,
}

impl Coding {
    /// As `Content-Encoding` writes it.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Brotli => "br",
        }
    }
}

/// Compresses one body, piece by piece. Memory: at most a window and the encoder's tables, some
/// 300 KiB for gzip and a few MiB for the longest bodies with brotli.
pub struct Compressor {
    encoder: Encoder,
}

enum Encoder {
    Gzip(Box<GzEncoder<Vec<u8>>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
}

impl Compressor {
    /// For a body of so many bytes. The length steers effort and memory; a body of another length
    /// is compressed as correctly.
    pub fn new(coding: Coding, length: u64) -> Compressor {
        let encoder = match coding {
            Coding::Gzip => {
                let encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
                Encoder::Gzip(Box::new(encoder))
            }
            Coding::Brotli => {
                let params = brotli_params(length);
                let writer =
                    CompressorWriter::with_params(Vec::new(), BROTLI_BUFFER_BYTES, &params);
                Encoder::Brotli(Box::new(writer))
            }
        };
        Compressor { encoder }
    }

    /// Takes a piece of the body, and gives what is compressed so far: often nothing.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        let (written, out) = match &mut self.encoder {
            Encoder::Gzip(encoder) => (encoder.write_all(piece), encoder.get_mut()),
            Encoder::Brotli(encoder) => (encoder.write_all(piece), encoder.get_mut()),
        };
        written.expect("an encoder that is not finished takes any bytes, and so does memory");
        std::mem::take(out)
    }

    /// Ends the body, and gives the rest of it.
    pub fn finish(self) -> Vec<u8> {
        match self.encoder {
            Encoder::Gzip(encoder) => encoder.finish().expect("memory takes any bytes"),
            Encoder::Brotli(encoder) => encoder.into_inner(),
        }
    }
}

/// A window no larger than the body, because it is what an encoder's memory goes to; but never
/// of 16 bits or fewer, for which this encoder has a match finder that is thirty times slower.
fn brotli_params(length: u64) -> BrotliEncoderParams {
    let window_bits = u64::BITS - length.max(1).leading_zeros();
    BrotliEncoderParams {
        quality: match length {
            LONG_BODY_BYTES_MIN.. => BROTLI_QUALITY_LONG,
            _ => BROTLI_QUALITY,
        },
        lgwin: window_bits.clamp(BROTLI_WINDOW_BITS_MIN, 22) as i32,
        size_hint: usize::try_from(length).unwrap_or(usize::MAX),
        ..BrotliEncoderParams::default()
    }
}

/// Makes an origin's fields those of the compressed response (spec §6): what describes the
/// uncompressed bytes goes.
pub fn transform_head(fields: &mut Fields, coding: Coding) {
    let etag = fields.get("etag").and_then(weaken);
    let vary = vary_with_accept_encoding(fields);
    fields.retain(|name, _| {
        !REMOVED
            .iter()
            .any(|removed| name.eq_ignore_ascii_case(removed.as_bytes()))
    });
    fields.push_trusted(b"Content-Encoding", coding.name().as_bytes());
    fields.push(b"Vary", &vary);
    if let Some(etag) = etag {
        fields.push(b"ETag", &etag);
    }
}

/// Fields that are true of the uncompressed body alone, and those that are written anew.
const REMOVED: [&str; 9] = [
    "accept-ranges",
    "content-digest",
    "content-encoding",
    "content-length",
    "content-md5",
    "digest",
    "etag",
    "repr-digest",
    "vary",
];

/// All `Vary` fields as one value, with `Accept-Encoding` if nothing says it yet.
fn vary_with_accept_encoding(fields: &Fields) -> Vec<u8> {
    let mut vary = Vec::new();
    let mut has_it = false;
    for item in fields.get_all("vary").flat_map(list_items) {
        has_it |= item == b"*" || item.eq_ignore_ascii_case(b"accept-encoding");
        push_item(item, &mut vary);
    }
    if !has_it {
        push_item(b"Accept-Encoding", &mut vary);
    }
    vary
}

fn push_item(item: &[u8], list: &mut Vec<u8>) {
    if !list.is_empty() {
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(item);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;

    fn head(status: u16, fields: &[(&str, &str)]) -> ResponseHead {
        ResponseHead {
            status,
            fields: fields.iter().copied().collect(),
        }
    }

    fn compress(coding: Coding, pieces: &[&[u8]], length: u64) -> Vec<u8> {
        let mut compressor = Compressor::new(coding, length);
        let mut out = Vec::new();
        for piece in pieces {
            out.extend(compressor.push(piece));
        }
        out.extend(compressor.finish());
        out
    }

    fn decode(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let read = match coding {
            Coding::Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut out),
            Coding::Brotli => brotli::Decompressor::new(bytes, 4_096).read_to_end(&mut out),
        };
        read.expect("what was compressed can be decoded");
        out
    }

    fn transform(fields: &[(&str, &str)]) -> String {
        let mut fields: Fields = fields.iter().copied().collect();
        transform_head(&mut fields, Coding::Brotli);
        String::from_utf8(fields.as_wire().to_vec())
            .unwrap()
            .replace("\r\n", "\n")
    }

    #[test]
    fn the_types_are_sorted_and_the_longest_fits() {
        assert!(TYPES.is_sorted());
        assert_eq!(
            TYPES.iter().map(|known| known.len()).max(),
            Some(TYPE_BYTES_MAX)
        );
        assert!(TYPES.iter().all(|known| is_compressible(known.as_bytes())));
    }

    #[test]
    fn a_type_is_found_in_any_case_and_with_parameters() {
        for (content_type, want) in [
            ("text/html; charset=utf-8", true),
            ("Text/HTML;charset=utf-8", true),
            (" application/json ", true),
            ("image/svg+xml", true),
            ("vnd.apple.mpegurl", true),
            ("application/vnd.mapbox-vector-tile", true),
            ("text/markdown", false),
            ("application/ld+json", false),
            ("font/woff2", false),
            ("image/png", false),
            ("text/html-but-very-much-longer-than-any-type", false),
            ("", false),
        ] {
            assert_eq!(
                is_compressible(content_type.as_bytes()),
                want,
                "{content_type}"
            );
        }
    }

    #[test]
    fn status_length_and_encoding_decide() {
        let html = ("Content-Type", "text/html");
        for (status, length, want) in [
            (200, Some(1_000), true),
            (403, Some(10_000_000), true),
            (404, Some(5_000), true),
            (200, Some(999), false),
            (200, Some(10_000_001), false),
            (200, None, false),
            (206, Some(5_000), false),
            (203, Some(5_000), false),
            (500, Some(5_000), false),
        ] {
            assert_eq!(
                eligible(&head(status, &[html]), length),
                want,
                "{status} {length:?}"
            );
        }
        for encoding in ["gzip", "identity", ""] {
            let head = head(200, &[html, ("content-encoding", encoding)]);
            assert!(!eligible(&head, Some(5_000)), "{encoding}");
        }
        assert!(!eligible(&head(200, &[]), Some(5_000)));
    }

    #[test]
    fn a_compressed_head_describes_the_compressed_body() {
        assert_eq!(
            transform(&[
                ("Content-Type", "text/html"),
                ("Content-Length", "5000"),
                ("Accept-Ranges", "bytes"),
                ("Content-MD5", "x"),
                ("ETag", "\"a\""),
                ("X-A", "1"),
            ]),
            "Content-Type: text/html\nX-A: 1\nContent-Encoding: br\n\
             Vary: Accept-Encoding\nETag: W/\"a\"\n"
        );
    }

    #[test]
    fn etags_are_weakened_and_malformed_ones_dropped() {
        for (etag, want) in [
            ("\"a\"", Some("W/\"a\"")),
            ("W/\"a\"", Some("W/\"a\"")),
            ("a", None),
            ("", None),
        ] {
            let fields = transform(&[("etag", etag)]);
            let got = fields.lines().find_map(|line| line.strip_prefix("ETag: "));
            assert_eq!(got, want, "{etag}");
        }
    }

    #[test]
    fn vary_is_merged_into_one_field() {
        for (vary, want) in [
            (&["Cookie", "Origin"][..], "Cookie, Origin, Accept-Encoding"),
            (&["accept-encoding, Origin"], "accept-encoding, Origin"),
            (&["*"], "*"),
            (&[""], "Accept-Encoding"),
        ] {
            let fields: Vec<_> = vary.iter().map(|value| ("vary", *value)).collect();
            assert_eq!(
                transform(&fields),
                format!("Content-Encoding: br\nVary: {want}\n")
            );
        }
    }

    #[test]
    fn text_shrinks_and_comes_back() {
        let text = "<p>All work and no play makes Jack a dull boy.</p>\n".repeat(100_000);
        for coding in [Coding::Gzip, Coding::Brotli] {
            let pieces: Vec<_> = text.as_bytes().chunks(16 << 10).collect();
            let small = compress(coding, &pieces, text.len() as u64);
            assert!(small.len() < text.len() / 50, "{coding:?}: {}", small.len());
            assert!(decode(coding, &small) == text.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn any_body_in_any_pieces_comes_back(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3_000), 0..6),
            length in prop_oneof![Just(0), 0..20_000_u64, Just(u64::MAX)],
        ) {
            let body = pieces.concat();
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            for coding in [Coding::Gzip, Coding::Brotli] {
                prop_assert_eq!(&decode(coding, &compress(coding, &pieces, length)), &body);
            }
        }
    }
}
