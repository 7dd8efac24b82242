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
            /// Recognises a field name, in any case.
            #[inline]
            pub fn from_name(name: &[u8]) -> Known {
                match name.len() {
                    $(len if len == $name.len() && name.eq_ignore_ascii_case($name) => Known::$variant,)*
                    _ => Known::Unlisted,
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
        if known != Known::Unlisted && self.first[known as usize] == ABSENT {
            self.first[known as usize] = self.fields.len() as u8;
        }
        let field = Field {
            name: self.keep(name),
            value: self.keep(value),
            known,
        };
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
        self.fields
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
        self.iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
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

#[cfg(test)]
mod tests {
    use super::*;

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
