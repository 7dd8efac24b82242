use memchr::memchr;

/// Header fields in wire form, one `Name: value CR LF` after the other, in order, with
/// duplicates. The form that HTTP/1.1 writes; HTTP/2 and 3 iterate over it.
///
/// Invariant: only [`Fields::push`] adds, and it refuses names and values that would break a
/// line, so a line always ends at its first CR LF.
#[derive(Clone, Default)]
pub struct Fields {
    lines: Vec<u8>,
    /// Bits of the names that may be there (see [`name_bit`]); most look-ups find none and end
    /// here. A bit stays when its field goes.
    names: u64,
}

impl PartialEq for Fields {
    fn eq(&self, other: &Fields) -> bool {
        self.lines == other.lines
    }
}

impl Eq for Fields {}

/// A bit for a name, by its length and its first letter in any case.
#[inline]
fn name_bit(name: &[u8]) -> u64 {
    let first = name.first().map_or(0, |byte| byte | 0x20);
    1 << ((name.len() + usize::from(first) * 7) % 64)
}

impl Fields {
    /// No fields.
    pub fn new() -> Fields {
        Fields::default()
    }

    /// No fields, with room for that many bytes of lines.
    pub fn with_capacity(bytes: usize) -> Fields {
        Fields {
            lines: Vec::with_capacity(bytes),
            names: 0,
        }
    }

    /// Appends a field. A name that is no token, or a value with CR, LF or NUL, is dropped:
    /// nothing that came from outside can start a line of its own.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        if !is_token(name) || !is_value(value) {
            return;
        }
        self.push_trusted(name, value);
    }

    /// Appends a field whose name and value are known to be well formed (constants, numbers,
    /// values that a parser has already checked).
    #[inline]
    pub fn push_trusted(&mut self, name: &[u8], value: &[u8]) {
        debug_assert!(is_token(name) && is_value(value));
        self.names |= name_bit(name);
        self.lines.reserve(name.len() + value.len() + 4);
        self.lines.extend_from_slice(name);
        self.lines.extend_from_slice(b": ");
        self.lines.extend_from_slice(value);
        self.lines.extend_from_slice(b"\r\n");
    }

    /// Appends a field whose value `write` appends to the buffer; it must not write CR or LF.
    #[inline]
    pub fn push_with(&mut self, name: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        self.names |= name_bit(name);
        self.lines.extend_from_slice(name);
        self.lines.extend_from_slice(b": ");
        write(&mut self.lines);
        self.lines.extend_from_slice(b"\r\n");
    }

    /// Appends a field with a decimal value.
    pub fn push_number(&mut self, name: &[u8], value: u64) {
        self.push_with(name, |out| write_decimal(value, out));
    }

    /// Appends whole lines that `write` makes; each is well formed and ends in CR LF.
    #[inline]
    pub fn append_wire(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        // Any name may be among them.
        self.names = u64::MAX;
        write(&mut self.lines);
        debug_assert!(self.lines.is_empty() || self.lines.ends_with(b"\r\n"));
    }

    /// The first field of that name (case-insensitive), without surrounding white space.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// Every field of that name, in order.
    pub fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let rest = if self.may_have(name.as_bytes()) {
            self.lines.as_slice()
        } else {
            &[]
        };
        (Lines { rest })
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    #[inline]
    fn may_have(&self, name: &[u8]) -> bool {
        self.names & name_bit(name) != 0
    }

    /// Whether a field of that name is there.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Name and value of each field, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        Lines { rest: &self.lines }
    }

    /// Removes every field of that name; says whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.may_have(name.as_bytes())
            && self.retain(|other, _| !other.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// Keeps the fields for which `keep` says so; says whether any was removed.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) -> bool {
        let before = self.lines.len();
        let (mut read, mut written) = (0, 0);
        while read < before {
            let line_len = line_length(&self.lines[read..]);
            let (name, value) = split_line(&self.lines[read..read + line_len]);
            if keep(name, value) {
                self.lines.copy_within(read..read + line_len, written);
                written += line_len;
            }
            read += line_len;
        }
        self.lines.truncate(written);
        written != before
    }

    /// Replaces every field of that name by one.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        self.push(name.as_bytes(), value);
    }

    /// The lines as HTTP/1.1 writes them, without the empty line that ends a head.
    pub fn as_wire(&self) -> &[u8] {
        &self.lines
    }

    /// Appends fields that are already in wire form and came from a `Fields`.
    pub fn extend_from(&mut self, other: &Fields) {
        self.lines.extend_from_slice(&other.lines);
        self.names |= other.names;
    }

    /// Removes all fields and keeps the memory.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.names = 0;
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        f.debug_map()
            .entries(self.iter().map(|(n, v)| (text(n), text(v))))
            .finish()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(items: I) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in items {
            fields.push(name.as_ref(), value.as_ref());
        }
        fields
    }
}

/// Status and fields of a response.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ResponseHead {
    /// 100 to 599.
    pub status: u16,
    /// The header fields.
    pub fields: Fields,
}

struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_at(line_length(self.rest));
        self.rest = rest;
        Some(split_line(line))
    }
}

fn line_length(lines: &[u8]) -> usize {
    memchr(b'\n', lines).map_or(lines.len(), |at| at + 1)
}

fn split_line(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.strip_suffix(b"\r\n").unwrap_or(line);
    // A token holds no colon.
    match memchr(b':', line) {
        Some(colon) => (&line[..colon], line[colon + 1..].trim_ascii()),
        None => (line, b""),
    }
}

/// Fields that belong to one connection, in lower case; no proxy hands them on (RFC 9110 §7.6.1).
pub const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a list of lower-case names has this one, in any case.
pub fn has_name(names: &[&str], name: &[u8]) -> bool {
    let first = name.first().map_or(0, u8::to_ascii_lowercase);
    names.iter().any(|other| {
        other.len() == name.len()
            && other.as_bytes().first() == Some(&first)
            && other.as_bytes().eq_ignore_ascii_case(name)
    })
}

/// The items of a comma-separated list value, trimmed, empty ones left out (RFC 9110 §5.6.1).
/// Quoted strings may hold commas.
pub fn list_items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = value;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (mut quoted, mut escaped) = (false, false);
            let end = rest.iter().position(|byte| {
                if std::mem::take(&mut escaped) {
                    return false;
                }
                match byte {
                    b'\\' if quoted => escaped = true,
                    b'"' => quoted = !quoted,
                    b',' => return !quoted,
                    _ => {}
                }
                false
            });
            let (item, after) = match end {
                Some(at) => (&rest[..at], &rest[at + 1..]),
                None => (rest, &rest[rest.len()..]),
            };
            rest = after;
            let item = item.trim_ascii();
            if !item.is_empty() {
                return Some(item);
            }
        }
        None
    })
}

/// Whether the bytes are a token, the form of field names and methods (RFC 9110 §5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    const ALLOWED: [bool; 256] = {
        let (mut allowed, mut byte) = ([false; 256], 0);
        while byte < 256 {
            allowed[byte] = matches!(byte as u8,
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\''
                | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~');
            byte += 1;
        }
        allowed
    };
    !bytes.is_empty() && bytes.iter().all(|byte| ALLOWED[usize::from(*byte)])
}

/// Whether the bytes may stand in a field value: no CR, LF, NUL or other control but tab.
pub(crate) fn is_value(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|b| *b == b'\t' || (*b >= 0x20 && *b != 0x7f))
}

/// Appends a number in decimal.
pub fn write_decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// The customary spelling of a lower-case field name: `x-amz-cf-id` → `X-Amz-Cf-Id`, with the
/// exceptions that HTTP itself spells differently. Used where only lower case is known (HTTP/2
/// origins, configuration).
pub fn canonical_name(lower: &[u8], out: &mut Vec<u8>) {
    const SPECIAL: [(&[u8], &[u8]); 9] = [
        (b"etag", b"ETag"),
        (b"www-authenticate", b"WWW-Authenticate"),
        (b"te", b"TE"),
        (b"dnt", b"DNT"),
        (b"content-md5", b"Content-MD5"),
        (b"x-xss-protection", b"X-XSS-Protection"),
        (b"x-ua-compatible", b"X-UA-Compatible"),
        (b"sec-websocket-key", b"Sec-WebSocket-Key"),
        (b"sec-websocket-accept", b"Sec-WebSocket-Accept"),
    ];
    if let Some((_, special)) = SPECIAL.iter().find(|(name, _)| *name == lower) {
        out.extend_from_slice(special);
        return;
    }
    // The S3 family is lower case on the wire, and tools compare it so.
    if lower.starts_with(b"x-amz-") && !lower.starts_with(b"x-amz-cf-") {
        out.extend_from_slice(lower);
        return;
    }
    let mut start_of_word = true;
    for byte in lower {
        out.push(if start_of_word {
            byte.to_ascii_uppercase()
        } else {
            *byte
        });
        start_of_word = *byte == b'-';
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_keep_order_and_duplicates_and_ignore_case() {
        let fields: Fields = [("Set-Cookie", "a=1"), ("Vary", "x"), ("set-cookie", "b=2")]
            .into_iter()
            .collect();
        assert_eq!(fields.get("SET-COOKIE"), Some(&b"a=1"[..]));
        assert_eq!(
            fields.get_all("set-cookie").collect::<Vec<_>>(),
            [b"a=1", b"b=2"]
        );
        assert_eq!(
            fields.as_wire(),
            b"Set-Cookie: a=1\r\nVary: x\r\nset-cookie: b=2\r\n"
        );
    }

    #[test]
    fn a_value_cannot_start_a_line_of_its_own() {
        let mut fields = Fields::new();
        fields.push(b"X-A", b"1\r\nX-B: 2");
        fields.push(b"X A", b"1");
        fields.push(b"", b"1");
        assert!(fields.is_empty());
    }

    #[test]
    fn set_replaces_and_remove_removes_every_copy() {
        let mut fields: Fields = [("A", "1"), ("b", "2"), ("a", "3")].into_iter().collect();
        fields.set("a", b"4");
        assert_eq!(fields.as_wire(), b"b: 2\r\na: 4\r\n");
        assert!(fields.remove("B"));
        assert!(!fields.remove("B"));
    }

    #[test]
    fn list_items_skip_empty_ones_and_respect_quotes() {
        let items = |value: &'static [u8]| list_items(value).collect::<Vec<_>>();
        assert_eq!(items(b" a , ,b,"), [&b"a"[..], b"b"]);
        assert_eq!(
            items(b"no-cache=\"a, b\", c"),
            [&b"no-cache=\"a, b\""[..], b"c"]
        );
        assert_eq!(items(b"\"a\\\",b\",c"), [&b"\"a\\\",b\""[..], b"c"]);
        assert!(items(b"").is_empty());
    }

    #[test]
    fn names_get_their_customary_spelling() {
        for (lower, want) in [
            ("content-type", "Content-Type"),
            ("etag", "ETag"),
            ("x", "X"),
        ] {
            let mut out = Vec::new();
            canonical_name(lower.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), want);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_pushed_is_read_back_or_dropped(
            pairs in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..9),
                                            prop::collection::vec(any::<u8>(), 0..20)), 0..8)
        ) {
            let fields: Fields = pairs.iter().map(|(n, v)| (n, v)).collect();
            let want: Vec<_> = pairs.iter().filter(|(n, v)| is_token(n) && is_value(v))
                .map(|(n, v)| (n.as_slice(), v.trim_ascii())).collect();
            prop_assert_eq!(fields.iter().collect::<Vec<_>>(), want);
        }

        #[test]
        fn decimal_agrees_with_the_standard_library(number: u64) {
            let mut out = Vec::new();
            write_decimal(number, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }
}
