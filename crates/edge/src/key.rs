//! The cache key: which parts of a request make two requests the same (spec §3.1).

use message::{Known, Method, RequestHead};

use crate::accept_encoding::{EncodingRule, Encodings};
use crate::generated::Generated;
use crate::names::{NameRule, select_cookies, select_query};

/// How a behavior makes keys.
#[derive(Clone, Debug)]
pub struct KeyRule {
    /// Query names in the key.
    pub query: NameRule,
    /// Cookie names in the key.
    pub cookies: NameRule,
    /// Header fields in the key, sorted by name.
    pub headers: Vec<KeyHeader>,
    /// Which encodings are told apart.
    pub encoding: EncodingRule,
}

/// A header field in the key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyHeader {
    /// The name in lower case.
    pub name: String,
    /// Where its value comes from.
    pub source: HeaderSource,
}

/// Where a field's value comes from.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum HeaderSource {
    /// From the viewer.
    Viewer(Known),
    /// From what the edge knows of the viewer (`CloudFront-…`).
    Edge(Generated),
}

impl KeyHeader {
    /// The rule for a field of that name.
    pub fn new(name: &str) -> KeyHeader {
        let name = name.to_ascii_lowercase();
        let source = match Generated::from_name(&name) {
            Some(generated) => HeaderSource::Edge(generated),
            None => HeaderSource::Viewer(Known::from_name(name.as_bytes())),
        };
        KeyHeader { name, source }
    }
}

/// What kind of part of a key something is.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum PartKind {
    /// The distribution, never the viewer's host: aliases share objects.
    Distribution = 1,
    /// `OPTIONS`, which is stored apart from GET and HEAD.
    Method,
    /// The path as sent.
    Path,
    /// The selected part of the query.
    Query,
    /// A header field.
    Header,
    /// The selected cookies.
    Cookies,
    /// The normalised `Accept-Encoding`.
    Encoding,
}

/// What takes the parts of a key: bytes to hash, or lines to explain.
pub trait KeySink {
    /// Takes one part; `None` is a field that is absent, which differs from an empty one.
    fn part(&mut self, kind: PartKind, name: &[u8], value: Option<&[u8]>);
}

/// The unambiguous bytes of a key: each part with its kind and its lengths before it.
#[derive(Debug, Default)]
pub struct KeyMaterial {
    /// The bytes to hash.
    pub bytes: Vec<u8>,
}

impl KeySink for KeyMaterial {
    #[inline]
    fn part(&mut self, kind: PartKind, name: &[u8], value: Option<&[u8]>) {
        let [a, b] = (name.len() as u16).to_le_bytes();
        let [c, d] = value
            .map_or(u16::MAX, |value| value.len() as u16)
            .to_le_bytes();
        self.bytes.extend_from_slice(&[kind as u8, a, b, c, d]);
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value.unwrap_or_default());
    }
}

/// What a key is made of, besides the rule.
#[derive(Copy, Clone)]
pub struct KeySource<'a> {
    /// Id of the distribution.
    pub distribution: &'a str,
    /// The viewer's request.
    pub request: &'a RequestHead,
    /// The path after the default root object was put in.
    pub path: &'a [u8],
    /// The normalised `Accept-Encoding`.
    pub encodings: Encodings,
    /// What the edge knows of the viewer.
    pub viewer: &'a crate::Viewer,
}

impl KeyRule {
    /// Hands the parts of the key to `sink`, in a fixed order. `scratch` is cleared and used.
    pub fn write(&self, source: KeySource<'_>, scratch: &mut Vec<u8>, sink: &mut impl KeySink) {
        let request = source.request;
        sink.part(
            PartKind::Distribution,
            b"",
            Some(source.distribution.as_bytes()),
        );
        if request.method == Method::Options {
            sink.part(PartKind::Method, b"", Some(b"OPTIONS"));
        }
        sink.part(PartKind::Path, b"", Some(source.path));
        if !self.query.is_none() {
            scratch.clear();
            select_query(&self.query, request.query(), scratch);
            if !scratch.is_empty() {
                sink.part(PartKind::Query, b"", Some(scratch));
            }
        }
        for header in &self.headers {
            scratch.clear();
            let present = header_value(header, &source, scratch);
            let value = present.then_some(scratch.as_slice());
            sink.part(PartKind::Header, header.name.as_bytes(), value);
        }
        if !self.cookies.is_none() {
            scratch.clear();
            select_cookies(&self.cookies, request.known_all(Known::Cookie), scratch);
            if !scratch.is_empty() {
                sink.part(PartKind::Cookies, b"", Some(scratch));
            }
        }
        if self.encoding.is_on()
            && let Some(value) = source.encodings.key()
        {
            sink.part(PartKind::Encoding, b"accept-encoding", Some(value));
        }
    }

    /// Whether a header field of that lower-case name is in the key.
    pub fn has_header(&self, name: &str) -> bool {
        (self.encoding.is_on() && name == "accept-encoding")
            || (!self.cookies.is_none() && name == "cookie")
            || self.headers.iter().any(|header| header.name == name)
    }
}

/// Appends the value of a keyed field; several fields of one name are joined as a list.
fn header_value(header: &KeyHeader, source: &KeySource<'_>, out: &mut Vec<u8>) -> bool {
    let mut present = false;
    let mut append = |value: &[u8]| {
        if present {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(value);
        present = true;
    };
    match header.source {
        HeaderSource::Viewer(Known::Unlisted) => {
            source.request.get_all(&header.name).for_each(&mut append);
        }
        HeaderSource::Viewer(known) => source.request.known_all(known).for_each(&mut append),
        HeaderSource::Edge(generated) => {
            return generated.write(source.request, source.viewer, out);
        }
    }
    present
}
