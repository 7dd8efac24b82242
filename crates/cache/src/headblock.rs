//! Header blocks: the fields of a stored response, small to keep and fast to write.
//!
//! ```text
//! block = field*
//! field = token (1)      │ length (varint) │ value      a known name, tokens 1–127
//!       │ token|0x80 (1) │ seconds (4, little-endian)   a known name, an IMF-fixdate value
//!       │ 0 (1) │ length (varint) │ name │ length (varint) │ value
//! varint = 7 bits a byte, low first, high bit set while more follow; at most 4 bytes
//! ```
//!
//! Known names come back in their customary spelling, others as they were sent. A block that is
//! damaged ends at the damage and harms nobody; [`decode_into`] also checks names and values, while
//! [`write_wire`] trusts them: check what was read from a disk (checksum) before.
//!
//! `Content-Length` and `Age` are written by whoever sends the response, and are best left out.

use std::borrow::Cow;

use message::{Fields, parse_http_date, write_http_date};

/// Names with a token, in the order of their tokens, from 1. Blocks live in memory and on disks:
/// append, never reorder.
const NAMES: [&str; 68] = [
    "Content-Type",
    "Date",
    "Last-Modified",
    "ETag",
    "Cache-Control",
    "Expires",
    "Vary",
    "Server",
    "Accept-Ranges",
    "Content-Encoding",
    "Content-Language",
    "Content-Disposition",
    "Content-Location",
    "Content-Length",
    "Content-Range",
    "Content-MD5",
    "Set-Cookie",
    "Location",
    "Link",
    "Via",
    "Age",
    "Pragma",
    "Allow",
    "Retry-After",
    "Refresh",
    "WWW-Authenticate",
    "Alt-Svc",
    "Accept-CH",
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Credentials",
    "Access-Control-Expose-Headers",
    "Access-Control-Max-Age",
    "Timing-Allow-Origin",
    "Strict-Transport-Security",
    "Content-Security-Policy",
    "Content-Security-Policy-Report-Only",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
    "Referrer-Policy",
    "Permissions-Policy",
    "Cross-Origin-Opener-Policy",
    "Cross-Origin-Embedder-Policy",
    "Cross-Origin-Resource-Policy",
    "Origin-Agent-Cluster",
    "Clear-Site-Data",
    "NEL",
    "Report-To",
    "Reporting-Endpoints",
    "Server-Timing",
    "X-Powered-By",
    "X-Request-Id",
    "X-Cache",
    "X-Amz-Cf-Id",
    "X-Amz-Cf-Pop",
    "X-Robots-Tag",
    "X-UA-Compatible",
    "x-amz-id-2",
    "x-amz-request-id",
    "x-amz-version-id",
    "x-amz-server-side-encryption",
    "x-amz-storage-class",
    "x-amz-meta-mtime",
    "x-amz-replication-status",
    "X-Runtime",
    "Transfer-Encoding",
];

/// A name that takes one byte in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(u8);

impl Token {
    /// `Date`.
    pub const DATE: Token = Token::known("Date");
    /// `Last-Modified`.
    pub const LAST_MODIFIED: Token = Token::known("Last-Modified");
    /// `Expires`.
    pub const EXPIRES: Token = Token::known("Expires");
    /// `ETag`.
    pub const ETAG: Token = Token::known("ETag");
    /// `Content-Type`.
    pub const CONTENT_TYPE: Token = Token::known("Content-Type");
    /// `Cache-Control`.
    pub const CACHE_CONTROL: Token = Token::known("Cache-Control");
    /// `Vary`.
    pub const VARY: Token = Token::known("Vary");
    /// `Server`.
    pub const SERVER: Token = Token::known("Server");
    /// `Via`.
    pub const VIA: Token = Token::known("Via");

    /// The token of a name, in any case; `None` if it has none.
    pub const fn of(name: &[u8]) -> Option<Token> {
        let mut at = 0;
        while at < NAMES.len() {
            if NAMES[at].as_bytes().eq_ignore_ascii_case(name) {
                return Some(Token(at as u8 + 1));
            }
            at += 1;
        }
        None
    }

    /// The customary spelling of its name.
    pub const fn name(self) -> &'static str {
        NAMES[self.0 as usize - 1]
    }

    const fn known(name: &str) -> Token {
        Token::of(name.as_bytes()).expect("the name is in the table")
    }

    fn from_byte(byte: u8) -> Option<Token> {
        (1..=NAMES.len() as u8)
            .contains(&byte)
            .then_some(Token(byte))
    }
}

const DATE_BIT: u8 = 0x80;
const VARINT_BYTES_MAX: usize = 4;

// A token needs room beside the date bit, and `NameSet` has a bit for each.
const _: () = assert!(NAMES.len() < DATE_BIT as usize);

/// What a name looks like on the wire, `Name: `, padded so that copying it has a fixed size.
#[derive(Clone, Copy)]
struct Prefix {
    bytes: [u8; Prefix::BYTES_MAX],
    length: u8,
}

impl Prefix {
    const BYTES_MAX: usize = 40;

    const fn new(name: &str) -> Prefix {
        let name = name.as_bytes();
        let mut bytes = [0; Prefix::BYTES_MAX];
        let mut at = 0;
        while at < name.len() {
            bytes[at] = name[at];
            at += 1;
        }
        bytes[at] = b':';
        bytes[at + 1] = b' ';
        Prefix {
            bytes,
            length: at as u8 + 2,
        }
    }
}

static PREFIXES: [Prefix; NAMES.len()] = {
    let mut prefixes = [Prefix::new(""); NAMES.len()];
    let mut at = 0;
    while at < NAMES.len() {
        prefixes[at] = Prefix::new(NAMES[at]);
        at += 1;
    }
    prefixes
};

/// The block of these fields.
pub fn encode(fields: &Fields) -> Vec<u8> {
    let mut block = Vec::with_capacity(fields.as_wire().len());
    for (name, value) in fields.iter() {
        push(&mut block, name, value);
    }
    block
}

/// Appends a field to a block. A name or value too long for the format (2²⁸ bytes) is left out.
pub fn push(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    const LENGTH_MAX: usize = (1 << (7 * VARINT_BYTES_MAX)) - 1;
    if name.len() > LENGTH_MAX || value.len() > LENGTH_MAX {
        return;
    }
    let token = Token::of(name);
    if let Some(token @ (Token::DATE | Token::LAST_MODIFIED | Token::EXPIRES)) = token
        && let Some(secs) = canonical_date(value)
    {
        block.push(token.0 | DATE_BIT);
        block.extend_from_slice(&secs.to_le_bytes());
        return;
    }
    match token {
        Some(token) => block.push(token.0),
        None => {
            block.push(0);
            push_bytes(block, name);
        }
    }
    push_bytes(block, value);
}

/// The seconds of a date that is written back exactly as it is here.
fn canonical_date(value: &[u8]) -> Option<u32> {
    let secs = u32::try_from(parse_http_date(value)?).ok()?;
    (date_text(secs) == value).then_some(secs)
}

fn date_text(secs: u32) -> Vec<u8> {
    let mut text = Vec::with_capacity(29);
    write_http_date(u64::from(secs), &mut text);
    text
}

fn push_bytes(block: &mut Vec<u8>, bytes: &[u8]) {
    let mut length = bytes.len();
    while length >= 0x80 {
        block.push(length as u8 | 0x80);
        length >>= 7;
    }
    block.push(length as u8);
    block.extend_from_slice(bytes);
}

/// A field's name in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'a> {
    /// One with a token.
    Known(Token),
    /// Any other, as it was sent.
    Literal(&'a [u8]),
}

impl<'a> Name<'a> {
    /// As it is written.
    pub fn as_bytes(&self) -> &'a [u8] {
        match *self {
            Name::Known(token) => token.name().as_bytes(),
            Name::Literal(name) => name,
        }
    }
}

/// A field's value in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// As it was sent.
    Bytes(&'a [u8]),
    /// An IMF-fixdate, in seconds since 1970.
    Date(u32),
}

impl<'a> Value<'a> {
    /// The value as it was sent; allocates for a date.
    pub fn to_bytes(&self) -> Cow<'a, [u8]> {
        match *self {
            Value::Bytes(bytes) => Cow::Borrowed(bytes),
            Value::Date(secs) => Cow::Owned(date_text(secs)),
        }
    }

    /// The time that it says, in seconds since 1970, if it is a date of any form.
    pub fn date_secs(&self) -> Option<u64> {
        match *self {
            Value::Bytes(bytes) => parse_http_date(bytes),
            Value::Date(secs) => Some(u64::from(secs)),
        }
    }

    /// Appends the value as it was sent.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Value::Bytes(bytes) => out.extend_from_slice(bytes),
            Value::Date(secs) => write_http_date(u64::from(secs), out),
        }
    }
}

/// The fields of a block, in order.
#[inline]
pub fn iter(block: &[u8]) -> Iter<'_> {
    Iter { rest: block }
}

/// The fields of a block, in order; ends at damage.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Name<'a>, Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        if first & DATE_BIT != 0 {
            let token = Token::from_byte(first & !DATE_BIT)?;
            let (secs, rest) = self.rest.split_first_chunk()?;
            self.rest = rest;
            return Some((Name::Known(token), Value::Date(u32::from_le_bytes(*secs))));
        }
        let name = match first {
            0 => Name::Literal(self.take_bytes()?),
            byte => Name::Known(Token::from_byte(byte)?),
        };
        Some((name, Value::Bytes(self.take_bytes()?)))
    }
}

impl<'a> Iter<'a> {
    #[inline]
    fn take_bytes(&mut self) -> Option<&'a [u8]> {
        let (&first, rest) = self.rest.split_first()?;
        let (mut length, mut rest, mut last) = (usize::from(first & 0x7f), rest, first);
        let mut shift = 7;
        while last & 0x80 != 0 {
            if shift == 7 * VARINT_BYTES_MAX {
                return None;
            }
            let (&byte, after) = rest.split_first()?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            (rest, last) = (after, byte);
        }
        let (bytes, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }
}

/// Appends the fields of a block.
pub fn decode_into(block: &[u8], out: &mut Fields) {
    for (name, value) in iter(block) {
        out.push(name.as_bytes(), &value.to_bytes());
    }
}

/// Appends the fields of a block as HTTP/1.1 writes them, without the empty line after them.
#[inline]
pub fn write_wire(block: &[u8], out: &mut Vec<u8>) {
    write_fields(block, |_| true, out);
}

/// As [`write_wire`], without the fields of those names.
#[inline]
pub fn write_wire_except(block: &[u8], except: &NameSet, out: &mut Vec<u8>) {
    write_fields(block, |name| !except.contains_name(name), out);
}

#[inline]
fn write_fields(block: &[u8], keep: impl Fn(Name<'_>) -> bool, out: &mut Vec<u8>) {
    for (name, value) in iter(block) {
        if !keep(name) {
            continue;
        }
        match name {
            Name::Known(token) => {
                // Copying the padding too and forgetting it beats a copy of the exact length.
                let prefix = &PREFIXES[usize::from(token.0) - 1];
                let end = out.len() + usize::from(prefix.length);
                out.extend_from_slice(&prefix.bytes);
                out.truncate(end);
            }
            Name::Literal(name) => {
                out.extend_from_slice(name);
                out.extend_from_slice(b": ");
            }
        }
        value.write(out);
        out.extend_from_slice(b"\r\n");
    }
}

/// The first field of that name, in any case.
pub fn find<'a>(block: &'a [u8], name: &str) -> Option<Value<'a>> {
    match Token::of(name.as_bytes()) {
        Some(token) => find_token(block, token),
        None => iter(block).find_map(|(other, value)| match other {
            Name::Literal(other) if other.eq_ignore_ascii_case(name.as_bytes()) => Some(value),
            _ => None,
        }),
    }
}

/// The first field of a known name: fast.
#[inline]
pub fn find_token(block: &[u8], token: Token) -> Option<Value<'_>> {
    iter(block)
        .find(|(name, _)| *name == Name::Known(token))
        .map(|(_, value)| value)
}

/// A set of field names, made once and asked for every field that is written.
#[derive(Clone, Debug, Default)]
pub struct NameSet {
    /// A bit for each token.
    tokens: u128,
    /// Names without a token.
    others: Vec<Box<[u8]>>,
}

impl NameSet {
    /// The set of these names, in any case.
    pub fn new<N: AsRef<[u8]>>(names: impl IntoIterator<Item = N>) -> NameSet {
        let mut set = NameSet::default();
        names.into_iter().for_each(|name| set.insert(name.as_ref()));
        set
    }

    /// Adds a name.
    pub fn insert(&mut self, name: &[u8]) {
        match Token::of(name) {
            Some(token) => self.tokens |= 1 << token.0,
            None if self.contains(name) => {}
            None => self.others.push(name.into()),
        }
    }

    /// Whether the name is in the set, in any case.
    pub fn contains(&self, name: &[u8]) -> bool {
        match Token::of(name) {
            Some(token) => self.contains_name(Name::Known(token)),
            None => self.contains_name(Name::Literal(name)),
        }
    }

    /// Whether the name of a block's field is in the set: fast.
    #[inline]
    pub fn contains_name(&self, name: Name<'_>) -> bool {
        match name {
            Name::Known(token) => self.tokens & 1 << token.0 != 0,
            Name::Literal(name) => self
                .others
                .iter()
                .any(|other| other.eq_ignore_ascii_case(name)),
        }
    }

    /// Whether no name is in the set.
    pub fn is_empty(&self) -> bool {
        self.tokens == 0 && self.others.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn typical() -> Fields {
        [
            ("content-type", "text/html; charset=utf-8"),
            ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("Server", "nginx/1.26.3"),
            ("Last-Modified", "Sat, 05 Nov 1994 08:49:37 GMT"),
            ("ETag", "\"672b0f5a-400\""),
            ("Cache-Control", "public, max-age=3600"),
            ("X-Served-By", "app-7"),
            ("Accept-Ranges", "bytes"),
        ]
        .into_iter()
        .collect()
    }

    #[test]
    fn known_names_get_their_customary_spelling_and_others_keep_theirs() {
        let mut out = Vec::new();
        write_wire(&encode(&typical()), &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("Content-Type: text/html; charset=utf-8\r\nDate: Sun, 06 Nov"));
        assert!(text.ends_with("X-Served-By: app-7\r\nAccept-Ranges: bytes\r\n"));
    }

    #[test]
    fn a_block_is_much_smaller_than_its_wire_form() {
        let fields = typical();
        assert!(encode(&fields).len() * 2 < fields.as_wire().len());
    }

    #[test]
    fn dates_that_are_not_canonical_come_back_as_sent() {
        for date in [
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "0",
            "",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Fri, 31 Dec 9999 23:59:59 GMT",
            "Thu, 01 Jan 1970 00:00:00 GMT",
            "Sun, 07 Feb 2106 06:28:15 GMT",
            "Sun, 07 Feb 2106 06:28:16 GMT",
        ] {
            let fields: Fields = [("Expires", date)].into_iter().collect();
            let mut decoded = Fields::new();
            decode_into(&encode(&fields), &mut decoded);
            assert_eq!(decoded, fields, "{date}");
        }
    }

    #[test]
    fn fields_are_found_by_name_in_any_case() {
        let block = encode(&typical());
        assert_eq!(
            find(&block, "etag"),
            Some(Value::Bytes(b"\"672b0f5a-400\""))
        );
        assert_eq!(find(&block, "x-served-by"), Some(Value::Bytes(b"app-7")));
        assert_eq!(
            find_token(&block, Token::DATE).unwrap().date_secs(),
            Some(784_111_777)
        );
        assert_eq!(find(&block, "vary"), None);
        assert_eq!(find(&block, "x-none"), None);
    }

    #[test]
    fn fields_of_a_name_set_are_left_out() {
        let except = NameSet::new(["x-served-by", "DATE", "X-Served-By"]);
        let mut out = Vec::new();
        write_wire_except(&encode(&typical()), &except, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains("Date") && !text.contains("X-Served-By") && text.contains("ETag"));
    }

    #[test]
    fn every_token_is_the_token_of_its_name() {
        for (at, name) in NAMES.iter().enumerate() {
            let token = Token::of(name.to_ascii_uppercase().as_bytes()).unwrap();
            assert_eq!((usize::from(token.0), token.name()), (at + 1, *name));
        }
    }

    fn any_name() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::sample::select(&NAMES[..]).prop_map(String::from),
            "[A-Za-z-]{1,12}"
        ]
    }

    fn any_value() -> impl Strategy<Value = String> {
        prop_oneof![
            "[!-~]{0,12}",
            "[!-~]{100,300}",
            (0u64..6_000_000_000).prop_map(message::format_http_date)
        ]
    }

    proptest! {
        #[test]
        fn fields_survive_the_block(
            pairs in prop::collection::vec((any_name(), any_value()), 0..12)
        ) {
            // Only spellings of known names change, so spell them as the block does.
            let fields: Fields = pairs.iter().map(|(name, value)| {
                let token = Token::of(name.as_bytes());
                (token.map_or(name.as_str(), |token| token.name()), value)
            }).collect();
            let block = encode(&fields);
            let mut decoded = Fields::new();
            decode_into(&block, &mut decoded);
            prop_assert_eq!(&decoded, &fields);
            let mut wire = Vec::new();
            write_wire(&block, &mut wire);
            prop_assert_eq!(&wire[..], fields.as_wire());
            for (name, _) in &pairs {
                let found = find(&block, name).map(|value| value.to_bytes().into_owned());
                prop_assert_eq!(found.as_deref(), fields.get(name));
            }
            let except = NameSet::new(pairs.iter().take(2).map(|(name, _)| name));
            let mut kept = fields.clone();
            kept.retain(|name, _| !except.contains(name));
            wire.clear();
            write_wire_except(&block, &except, &mut wire);
            prop_assert_eq!(&wire[..], kept.as_wire());
        }

        #[test]
        fn a_damaged_block_never_panics(
            pairs in prop::collection::vec((any_name(), any_value()), 0..6),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            length in any::<prop::sample::Index>(),
        ) {
            let mut block = encode(&pairs.iter().map(|(name, value)| (name, value)).collect());
            if !block.is_empty() {
                for (at, byte) in &damage {
                    let at = at.index(block.len());
                    block[at] = *byte;
                }
                block.truncate(length.index(block.len()) + 1);
            }
            let (mut fields, mut wire) = (Fields::new(), Vec::new());
            decode_into(&block, &mut fields);
            write_wire(&block, &mut wire);
            find(&block, "etag");
        }
    }
}
