use smallvec::SmallVec;

use crate::Method;

/// The HTTP version of a message.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Ord, PartialOrd)]
#[allow(missing_docs)]
pub enum Version {
    Http10,
    #[default]
    Http11,
    Http2,
    Http3,
}

impl Version {
    /// The number as `Via` and `CloudFront-Viewer-Http-Version` write it.
    pub fn number(self) -> &'static str {
        match self {
            Version::Http10 => "1.0",
            Version::Http11 => "1.1",
            Version::Http2 => "2.0",
            Version::Http3 => "3.0",
        }
    }

    /// The name as the access log writes it.
    pub fn name(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
            Version::Http2 => "HTTP/2.0",
            Version::Http3 => "HTTP/3.0",
        }
    }
}

macro_rules! known_fields {
    ($($variant:ident $name:literal,)*) => {
        /// A request field that the pipeline looks up on every request; found while parsing, so
        /// that a look-up later costs one load.
        #[derive(Copy, Clone, Debug, Eq, PartialEq)]
        #[repr(u8)]
        #[allow(missing_docs)]
        pub enum Known { $($variant,)* Unlisted }

        impl Known {
            const NAMES: &[&[u8]] = &[$($name,)*];
            const ALL: &[Known] = &[$(Known::$variant,)*];

            /// Whether that is its name; each arm compares a length that is known beforehand.
            #[inline]
            fn is_named(self, name: &[u8]) -> bool {
                match self {
                    $(Known::$variant => {
                        name.len() == $name.len() && name.eq_ignore_ascii_case($name)
                    })*
                    Known::Unlisted => false,
                }
            }
        }
    };
}

known_fields! {
    Host b"host",
    Range b"range",
    Cookie b"cookie",
    Origin b"origin",
    Accept b"accept",
    Pragma b"pragma",
    Expect b"expect",
    Upgrade b"upgrade",
    Referer b"referer",
    IfRange b"if-range",
    IfMatch b"if-match",
    Connection b"connection",
    UserAgent b"user-agent",
    IfNoneMatch b"if-none-match",
    ContentType b"content-type",
    Authorization b"authorization",
    ContentLength b"content-length",
    CacheControl b"cache-control",
    AcceptEncoding b"accept-encoding",
    XForwardedFor b"x-forwarded-for",
    TransferEncoding b"transfer-encoding",
    IfModifiedSince b"if-modified-since",
    IfUnmodifiedSince b"if-unmodified-since",
}

const KNOWN_COUNT: usize = Known::Unlisted as usize;

/// Which known name has which hash; `ABSENT` where none has. That no two share one is checked
/// while this is compiled.
const KNOWN_BY_HASH: [u8; 64] = {
    let (mut table, mut index) = ([ABSENT; 64], 0);
    while index < Known::NAMES.len() {
        let hash = hash_of_name(Known::NAMES[index]);
        assert!(
            table[hash] == ABSENT,
            "two known names share a hash: choose other factors"
        );
        table[hash] = index as u8;
        index += 1;
    }
    table
};

/// A hash of length, first and last letter, in any case. The name is not empty.
const fn hash_of_name(name: &[u8]) -> usize {
    let (first, last) = (name[0] | 0x20, name[name.len() - 1] | 0x20);
    (name.len() + first as usize * 2 + last as usize * 39) % 64
}

impl Known {
    /// Recognises a field name, in any case.
    #[inline]
    pub fn from_name(name: &[u8]) -> Known {
        if name.is_empty() {
            return Known::Unlisted;
        }
        let index = usize::from(KNOWN_BY_HASH[hash_of_name(name)]);
        match Known::ALL.get(index) {
            Some(known) if known.is_named(name) => *known,
            _ => Known::Unlisted,
        }
    }
}
const ABSENT: u8 = u8::MAX;

/// Where one field stands in [`RequestHead`]'s bytes.
#[derive(Copy, Clone, Debug)]
pub struct Field {
    name: (u16, u16),
    value: (u16, u16),
    /// Which of the commonly read fields it is.
    pub known: Known,
}

/// A request's first line and fields, copied once into a buffer that a connection reuses, so
/// that the hit path allocates nothing. Protocol-independent: HTTP/2 and 3 fill it by
/// [`RequestHead::start`] and [`RequestHead::push`].
#[derive(Clone, Debug)]
pub struct RequestHead {
    bytes: Vec<u8>,
    /// The method.
    pub method: Method,
    method_token: (u16, u16),
    /// The HTTP version that the viewer spoke.
    pub version: Version,
    target: (u16, u16),
    path_len: u16,
    fields: SmallVec<[Field; 32]>,
    first: [u8; KNOWN_COUNT],
    /// Bit n: some field's name has n bytes (63: or more). Most look-ups by name end here.
    name_lengths: u64,
}

impl Default for RequestHead {
    fn default() -> RequestHead {
        RequestHead {
            bytes: Vec::new(),
            method: Method::Other,
            method_token: (0, 0),
            version: Version::Http11,
            target: (0, 0),
            path_len: 0,
            fields: SmallVec::new(),
            first: [ABSENT; KNOWN_COUNT],
            name_lengths: 0,
        }
    }
}

impl RequestHead {
    /// Forgets the previous request and begins one. `target` is path and query, never empty.
    /// The caller keeps all parts within `limits::REQUEST_HEAD_BYTES_MAX` together.
    pub fn start(&mut self, method_token: &[u8], target: &[u8], version: Version) {
        self.bytes.clear();
        self.fields.clear();
        self.first = [ABSENT; KNOWN_COUNT];
        self.name_lengths = 0;
        self.method = Method::from_token(method_token);
        self.version = version;
        self.method_token = self.keep(method_token);
        self.target = self.keep(target);
        let path_len = memchr::memchr(b'?', target).unwrap_or(target.len());
        self.path_len = path_len as u16;
    }

    /// Appends a field.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let known = Known::from_name(name);
        let field = Field {
            name: self.keep(name),
            value: self.keep(value),
            known,
        };
        self.add(field);
    }

    /// As [`RequestHead::start`], for a head whose parts all lie within `wire`, which is copied
    /// in one piece; fields are added by [`RequestHead::push_within`].
    pub(crate) fn start_within(
        &mut self,
        wire: &[u8],
        method_token: &[u8],
        target: &[u8],
        version: Version,
    ) {
        assert!(
            wire.len() <= usize::from(u16::MAX),
            "a request head stays within its limit"
        );
        self.bytes.clear();
        self.bytes.extend_from_slice(wire);
        self.fields.clear();
        self.first = [ABSENT; KNOWN_COUNT];
        self.name_lengths = 0;
        self.method = Method::from_token(method_token);
        self.version = version;
        self.method_token = place_within(wire, method_token);
        self.target = place_within(wire, target);
        self.path_len = memchr::memchr(b'?', target).unwrap_or(target.len()) as u16;
    }

    /// Appends a field that lies within the `wire` of [`RequestHead::start_within`].
    pub(crate) fn push_within(&mut self, wire: &[u8], name: &[u8], value: &[u8]) {
        let field = Field {
            name: place_within(wire, name),
            value: place_within(wire, value),
            known: Known::from_name(name),
        };
        self.add(field);
    }

    fn add(&mut self, field: Field) {
        let index = field.known as usize;
        if field.known != Known::Unlisted && self.first[index] == ABSENT {
            self.first[index] = self.fields.len() as u8;
        }
        self.name_lengths |= length_bit(usize::from(field.name.1 - field.name.0));
        self.fields.push(field);
    }

    fn keep(&mut self, bytes: &[u8]) -> (u16, u16) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        let end = self.bytes.len();
        assert!(
            end <= usize::from(u16::MAX),
            "a request head stays within its limit"
        );
        (start as u16, end as u16)
    }

    fn slice(&self, (start, end): (u16, u16)) -> &[u8] {
        &self.bytes[usize::from(start)..usize::from(end)]
    }

    /// The method as the viewer wrote it.
    pub fn method_token(&self) -> &[u8] {
        self.slice(self.method_token)
    }

    /// Path and query, as sent.
    #[inline]
    pub fn target(&self) -> &[u8] {
        self.slice(self.target)
    }

    /// The path, as sent: not decoded, not normalised.
    #[inline]
    pub fn path(&self) -> &[u8] {
        &self.target()[..usize::from(self.path_len)]
    }

    /// The query without its `?`; `None` when there is no `?`.
    #[inline]
    pub fn query(&self) -> Option<&[u8]> {
        self.target().get(usize::from(self.path_len) + 1..)
    }

    /// The first field of a commonly read name.
    #[inline]
    pub fn known(&self, known: Known) -> Option<&[u8]> {
        let index = self.first[known as usize];
        (index != ABSENT).then(|| self.slice(self.fields[usize::from(index)].value))
    }

    /// Every field of a commonly read name, in order.
    pub fn known_all(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        // From the first one on; mostly there is none, and then nothing to look through.
        let first = self.first.get(known as usize).copied().unwrap_or(ABSENT);
        let fields = self.fields.get(usize::from(first)..).unwrap_or_default();
        fields
            .iter()
            .filter(move |field| field.known == known)
            .map(|field| self.slice(field.value))
    }

    /// The first field of that name, in any case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// Every field of that name, in any case, in order.
    pub fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let is_possible = self.name_lengths & length_bit(name.len()) != 0;
        let fields = if is_possible {
            self.fields.as_slice()
        } else {
            &[]
        };
        fields
            .iter()
            .filter(move |field| self.slice(field.name).eq_ignore_ascii_case(name.as_bytes()))
            .map(|field| self.slice(field.value))
    }

    /// Name and value of every field, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields
            .iter()
            .map(|field| (self.slice(field.name), self.slice(field.value)))
    }

    /// How many fields there are.
    pub fn fields_count(&self) -> usize {
        self.fields.len()
    }

    /// The host that the viewer asked for, with its port if it named one.
    #[inline]
    pub fn host(&self) -> Option<&[u8]> {
        self.known(Known::Host)
    }
}

fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}

/// Where `part` lies in `wire`. A part from elsewhere would be a bug here, not in the input.
fn place_within(wire: &[u8], part: &[u8]) -> (u16, u16) {
    let start = (part.as_ptr() as usize).wrapping_sub(wire.as_ptr() as usize);
    if part.is_empty() {
        return (0, 0);
    }
    assert!(
        start <= wire.len() && part.len() <= wire.len() - start,
        "a part lies within its head"
    );
    (start as u16, (start + part.len()) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_recognised_in_any_case_and_no_others() {
        for (index, name) in Known::NAMES.iter().enumerate() {
            assert_eq!(Known::from_name(name), Known::ALL[index]);
            assert_eq!(
                Known::from_name(&name.to_ascii_uppercase()),
                Known::ALL[index]
            );
            assert_eq!(
                Known::from_name(&[name, &b"x"[..]].concat()),
                Known::Unlisted
            );
        }
        assert_eq!(Known::from_name(b""), Known::Unlisted);
        assert_eq!(Known::from_name(b"hosts"), Known::Unlisted);
    }

    #[test]
    fn a_target_splits_at_its_first_question_mark() {
        let mut head = RequestHead::default();
        for (target, path, query) in [
            ("/a?b?c", "/a", Some("b?c")),
            ("/a?", "/a", Some("")),
            ("/a", "/a", None),
        ] {
            head.start(b"GET", target.as_bytes(), Version::Http11);
            assert_eq!(head.path(), path.as_bytes());
            assert_eq!(head.query(), query.map(str::as_bytes));
        }
    }

    #[test]
    fn a_reused_head_remembers_nothing_of_the_request_before() {
        let mut head = RequestHead::default();
        head.start(b"GET", b"/", Version::Http11);
        head.push(b"HOST", b"a");
        head.push(b"Cookie", b"x=1");
        head.push(b"cookie", b"y=2");
        assert_eq!(head.host(), Some(&b"a"[..]));
        assert_eq!(head.known_all(Known::Cookie).count(), 2);
        head.start(b"PUT", b"/b", Version::Http10);
        assert_eq!((head.host(), head.fields_count()), (None, 0));
        assert_eq!(head.get("cookie"), None);
    }
}
