//! What goes to the origin: the tables of spec §3.4 and §3.7.

use message::{Fields, HOP_BY_HOP, Known, Method, RequestHead, Version, has_name, list_items};

use crate::accept_encoding::{EncodingRule, Encodings};
use crate::generated::Generated;
use crate::names::{NameRule, select_cookies, select_query};
use crate::{RequestId, Viewer};

/// How a behavior composes origin requests.
#[derive(Clone, Debug)]
pub struct ForwardRule {
    /// Query names that are forwarded.
    pub query: NameRule,
    /// Cookies that are forwarded.
    pub cookies: NameRule,
    /// Header fields beyond those that are forwarded by default.
    pub headers: HeaderRule,
    /// Fields that the edge makes.
    pub generated: Vec<Generated>,
    /// How `Accept-Encoding` is normalised.
    pub encoding: EncodingRule,
    /// `ForwardedValues` instead of policies: unlisted fields are forwarded.
    pub legacy: bool,
    /// Viewers' certificates, which nobody has judged, are handed to the origin (RFC 9440).
    pub passes_certificates: bool,
    /// `OPTIONS` responses are cached, so they must not depend on `Authorization`.
    pub options_cached: bool,
}

/// Which of the fields that are not forwarded by default are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HeaderRule {
    /// These, in lower case.
    Only(Vec<String>),
    /// All that end at the origin.
    All,
    /// All but `except`; `keyed` ones in spite of it, because what is in the key is forwarded.
    Except {
        /// Not forwarded, in lower case.
        except: Vec<String>,
        /// In the cache key, in lower case.
        keyed: Vec<String>,
    },
}

impl HeaderRule {
    fn selects(&self, name: &[u8]) -> bool {
        let listed = |names: &[String]| {
            names
                .iter()
                .any(|other| other.as_bytes().eq_ignore_ascii_case(name))
        };
        match self {
            HeaderRule::Only(names) => listed(names),
            HeaderRule::All => true,
            HeaderRule::Except { except, keyed } => !listed(except) || listed(keyed),
        }
    }
}

/// What the table of §3.7 says of a request field when no policy names it.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Default {
    /// Hop-by-hop, or the edge's own to set: a policy cannot change it.
    Never,
    /// Forwarded.
    Forwarded,
    /// Removed unless a policy names it.
    Removed,
    /// `Authorization`: depends on the method.
    Credentials,
    /// A validator or range: the fetch decides.
    Fetch,
    /// Any other field: forwarded in legacy mode only.
    Other,
}

fn default_of(name: &[u8]) -> Default {
    const NEVER: &[&str] = &[
        "content-length",
        "x-amz-cf-id",
        "x-forwarded-proto",
        "x-real-ip",
        "via",
        "cdn-loop",
        "http2-settings",
        "client-cert",
        "client-cert-chain",
        "expect",
        "cookie",
        "accept-encoding",
        "x-forwarded-for",
        "host",
        "user-agent",
    ];
    const FORWARDED: &[&str] = &[
        "cache-control",
        "pragma",
        "content-type",
        "content-md5",
        "content-encoding",
        "date",
        "from",
        "warning",
        "max-forwards",
        "request-range",
    ];
    const REMOVED: &[&str] = &[
        "accept",
        "accept-charset",
        "accept-language",
        "referer",
        "x-http-method-override",
    ];
    const FETCH: &[&str] = &[
        "range",
        "if-range",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
    ];
    let starts_with = |prefix: &[u8]| {
        name.len() >= prefix.len() && name[..prefix.len()].eq_ignore_ascii_case(prefix)
    };
    let is_in = |names: &[&str]| has_name(names, name);
    if is_in(HOP_BY_HOP) || is_in(NEVER) || starts_with(b"x-edge-") || starts_with(b"cloudfront-") {
        Default::Never
    } else if is_in(FORWARDED) {
        Default::Forwarded
    } else if is_in(REMOVED) {
        Default::Removed
    } else if name.eq_ignore_ascii_case(b"authorization") {
        Default::Credentials
    } else if is_in(FETCH) {
        Default::Fetch
    } else {
        Default::Other
    }
}

/// Which validators and range an origin request carries.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Conditions {
    /// The viewer's own: nothing will be stored.
    #[default]
    Viewer,
    /// None: the whole representation is wanted for the store.
    None,
    /// Revalidation of a stored response.
    Revalidate {
        /// `If-None-Match`.
        etag: Option<Vec<u8>>,
        /// `If-Modified-Since`.
        last_modified: Option<Vec<u8>>,
    },
    /// One part; `if_range` makes sure that it is of the representation that is known.
    Range {
        /// First and last byte; no last byte asks for all that follows.
        bytes: (u64, Option<u64>),
        /// A validator.
        if_range: Option<Vec<u8>>,
    },
}

/// What an origin request is made of, besides the rule.
#[derive(Copy, Clone)]
pub struct ForwardSource<'a> {
    /// The viewer's request.
    pub request: &'a RequestHead,
    /// Who asks.
    pub viewer: &'a Viewer,
    /// The normalised `Accept-Encoding`.
    pub encodings: Encodings,
    /// The id that the request is known by.
    pub request_id: &'a RequestId,
    /// `Via` name of this edge.
    pub via: &'a str,
}

/// The `CDN-Loop` name of ours; one is added at each pass (RFC 8586).
pub const LOOP_NAME: &str = "warmfront";

impl ForwardRule {
    /// Whether the viewer's own field of that name reaches the origin. The basis of `Vary`: what
    /// does not reach the origin cannot make its responses differ.
    pub fn forwards(&self, name: &str, method: Method) -> bool {
        match name {
            "cookie" => !self.cookies.is_none(),
            "accept-encoding" => self.encoding.is_on() || self.headers.selects(name.as_bytes()),
            "host" | "user-agent" => self.headers.selects(name.as_bytes()),
            "x-forwarded-for" => true,
            _ if Generated::from_name(name).is_some() => self
                .generated
                .iter()
                .any(|field| field.name().eq_ignore_ascii_case(name)),
            _ => self.passes(name.as_bytes(), method),
        }
    }

    fn passes(&self, name: &[u8], method: Method) -> bool {
        match default_of(name) {
            Default::Never | Default::Fetch => false,
            Default::Forwarded => true,
            Default::Removed => self.headers.selects(name),
            Default::Other => self.legacy || self.headers.selects(name),
            Default::Credentials => {
                let by_default = match method {
                    Method::Get | Method::Head => false,
                    Method::Options => !self.options_cached,
                    _ => true,
                };
                by_default || self.headers.selects(name)
            }
        }
    }

    /// Whether the origin sees the viewer's host instead of its own name.
    pub fn forwards_host(&self) -> bool {
        self.headers.selects(b"host")
    }

    /// The value of a field as it is forwarded, for `Vary`; `None` where it is not sent.
    pub fn forwarded_value(&self, name: &str, source: ForwardSource<'_>) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        match name {
            "cookie" => {
                select_cookies(
                    &self.cookies,
                    source.request.known_all(Known::Cookie),
                    &mut out,
                );
                return (!out.is_empty()).then_some(out);
            }
            // With the address that the viewer has for the origin.
            "x-forwarded-for" => {
                let ip = source.viewer.ip().to_string();
                return Some(joined(source.request, "x-forwarded-for", &ip));
            }
            "accept-encoding" if self.encoding.is_on() => {
                return source.encodings.forwarded().map(<[u8]>::to_vec);
            }
            _ => {}
        }
        if let Some(generated) = Generated::from_name(name) {
            return generated
                .write(source.request, source.viewer, &mut out)
                .then_some(out);
        }
        let values: Vec<&[u8]> = source.request.get_all(name).collect();
        (!values.is_empty()).then(|| values.join(&b", "[..]))
    }

    /// The query that is forwarded, without `?`; empty when there is none.
    pub fn query(&self, request: &RequestHead, out: &mut Vec<u8>) {
        select_query(&self.query, request.query(), out);
    }

    /// The fields of an origin request. `custom` ones replace whatever has their name.
    pub fn fields(
        &self,
        source: ForwardSource<'_>,
        origin_host: &[u8],
        conditions: &Conditions,
        custom: &[(String, String)],
    ) -> Fields {
        let request = source.request;
        let mut fields = Fields::with_capacity(1_024);
        let host = if self.forwards_host() {
            request.host()
        } else {
            None
        };
        fields.push(b"Host", host.unwrap_or(origin_host));
        let is_upgrade = is_websocket_upgrade(request);
        let nominated = nominated(request);
        for (name, value) in request.iter() {
            let own = match default_of(name) {
                Default::Fetch => *conditions == Conditions::Viewer,
                _ => {
                    self.passes(name, request.method)
                    // A handshake without them would fail at every origin.
                    || (is_upgrade && name.len() > 14
                        && name[..14].eq_ignore_ascii_case(b"sec-websocket-"))
                }
            };
            if own
                && !nominated
                    .iter()
                    .any(|other| other.eq_ignore_ascii_case(name))
            {
                fields.push_trusted(name, value);
            }
        }
        self.push_cookies(request, &mut fields);
        self.push_encoding(source, &mut fields);
        match request
            .known(Known::UserAgent)
            .filter(|_| self.headers.selects(b"user-agent"))
        {
            Some(user_agent) => fields.push_trusted(b"User-Agent", user_agent),
            None => fields.push_trusted(b"User-Agent", b"Amazon CloudFront"),
        }
        self.push_generated(source, &mut fields);
        if self.passes_certificates {
            push_certificate(source.viewer, &mut fields);
        }
        push_conditions(conditions, &mut fields);
        push_path(source, &mut fields);
        if is_upgrade {
            fields.push_trusted(b"Connection", b"Upgrade");
            fields.push_trusted(b"Upgrade", b"websocket");
        } else {
            fields.push_trusted(b"Connection", b"Keep-Alive");
        }
        for (name, value) in custom {
            fields.set(name, value.as_bytes());
        }
        fields
    }

    fn push_cookies(&self, request: &RequestHead, fields: &mut Fields) {
        if self.cookies.is_none() {
            return;
        }
        let mut cookies = Vec::new();
        select_cookies(
            &self.cookies,
            request.known_all(Known::Cookie),
            &mut cookies,
        );
        if !cookies.is_empty() {
            fields.push(b"Cookie", &cookies);
        }
    }

    fn push_encoding(&self, source: ForwardSource<'_>, fields: &mut Fields) {
        if source.request.version == Version::Http10 {
            return;
        }
        if self.encoding.is_on() {
            if let Some(value) = source.encodings.forwarded() {
                fields.push_trusted(b"Accept-Encoding", value);
            }
        } else if self.headers.selects(b"accept-encoding") {
            for value in source.request.known_all(Known::AcceptEncoding) {
                fields.push_trusted(b"Accept-Encoding", value);
            }
        }
    }

    fn push_generated(&self, source: ForwardSource<'_>, fields: &mut Fields) {
        let mut value = Vec::new();
        for field in &self.generated {
            value.clear();
            if field.write(source.request, source.viewer, &mut value) {
                fields.push(field.name().as_bytes(), &value);
            }
        }
    }
}

/// Names that the viewer's `Connection` makes hop-by-hop too; mostly none.
fn nominated(request: &RequestHead) -> Vec<&[u8]> {
    request
        .known_all(Known::Connection)
        .flat_map(list_items)
        .filter(|item| !has_name(&["keep-alive", "close", "upgrade"], item))
        .collect()
}

/// The viewer's certificate and those that it sent with it (RFC 9440 §2).
fn push_certificate(viewer: &Viewer, fields: &mut Fields) {
    let Some(certificate) = viewer.certificate() else {
        return;
    };
    fields.push(b"Client-Cert", certificate.client_cert().as_bytes());
    if let Some(chain) = certificate.client_cert_chain() {
        fields.push(b"Client-Cert-Chain", chain.as_bytes());
    }
}

fn push_conditions(conditions: &Conditions, fields: &mut Fields) {
    match conditions {
        Conditions::Viewer | Conditions::None => {}
        Conditions::Revalidate {
            etag,
            last_modified,
        } => {
            if let Some(etag) = etag {
                fields.push(b"If-None-Match", etag);
            }
            if let Some(last_modified) = last_modified {
                fields.push(b"If-Modified-Since", last_modified);
            }
        }
        Conditions::Range {
            bytes: (first, last),
            if_range,
        } => {
            let range = match last {
                Some(last) => format!("bytes={first}-{last}"),
                None => format!("bytes={first}-"),
            };
            fields.push(b"Range", range.as_bytes());
            if let Some(validator) = if_range {
                fields.push(b"If-Range", validator);
            }
        }
    }
}

/// Says by which way the request came: `X-Forwarded-For`, `Via`, `X-Amz-Cf-Id`, `CDN-Loop`.
fn push_path(source: ForwardSource<'_>, fields: &mut Fields) {
    let request = source.request;
    let ip = source.viewer.ip().to_string();
    fields.push(b"X-Forwarded-For", &joined(request, "x-forwarded-for", &ip));
    let via = format!("{} {} (Warmfront)", request.version.number(), source.via);
    fields.push(b"Via", &joined(request, "via", &via));
    fields.push_trusted(b"X-Amz-Cf-Id", source.request_id.as_bytes());
    fields.push(b"CDN-Loop", &joined(request, "cdn-loop", LOOP_NAME));
}

/// The viewer's own values, and the edge's behind them.
fn joined(request: &RequestHead, name: &str, own: &str) -> Vec<u8> {
    let mut value = Vec::new();
    for earlier in request.get_all(name) {
        value.extend_from_slice(earlier);
        value.extend_from_slice(b", ");
    }
    value.extend_from_slice(own.as_bytes());
    value
}

/// Whether the viewer asks for a WebSocket (RFC 6455 §4.1). By HTTP/2 and 3 the fields cannot come
/// from the viewer: they say that it asked in their way (RFC 8441 §4).
pub fn is_websocket_upgrade(request: &RequestHead) -> bool {
    request.method == Method::Get
        && request.version >= Version::Http11
        && request
            .known(Known::Upgrade)
            .is_some_and(|v| v.eq_ignore_ascii_case(b"websocket"))
        && request
            .known_all(Known::Connection)
            .flat_map(message::list_items)
            .any(|item| item.eq_ignore_ascii_case(b"upgrade"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> ForwardRule {
        ForwardRule {
            query: NameRule::None,
            cookies: NameRule::None,
            headers: HeaderRule::Only(Vec::new()),
            generated: Vec::new(),
            encoding: EncodingRule {
                gzip: true,
                brotli: true,
            },
            legacy: false,
            passes_certificates: false,
            options_cached: false,
        }
    }

    fn compose(rule: &ForwardRule, method: &str, fields: &[(&str, &str)]) -> Fields {
        let mut request = RequestHead::default();
        request.start(method.as_bytes(), b"/p?q=1", Version::Http11);
        request.push(b"Host", b"viewer.test");
        for (name, value) in fields {
            request.push(name.as_bytes(), value.as_bytes());
        }
        let viewer = Viewer::new("192.0.2.7:1234".parse().unwrap());
        let encodings = rule
            .encoding
            .normalise(request.known(Known::AcceptEncoding));
        let source = ForwardSource {
            request: &request,
            viewer: &viewer,
            encodings,
            request_id: &RequestId::from_bits(1, 2),
            via: "edge.test",
        };
        rule.fields(source, b"origin.test", &Conditions::None, &[])
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_default_removes_what_the_table_removes() {
        let fields = compose(
            &rule(),
            "GET",
            &[
                ("Accept", "*/*"),
                ("Accept-Language", "de"),
                ("Referer", "r"),
                ("Authorization", "a"),
                ("Cookie", "a=1"),
                ("X-Custom", "x"),
                ("User-Agent", "curl"),
                ("TE", "trailers"),
                ("Keep-Alive", "1"),
                ("X-Real-IP", "1.1.1.1"),
                ("X-Edge-Foo", "1"),
                ("X-Forwarded-Proto", "https"),
                ("CloudFront-Viewer-Country", "XX"),
                ("If-None-Match", "\"x\""),
                ("Range", "bytes=0-1"),
                ("Expect", "100-continue"),
                ("Cache-Control", "no-cache"),
                ("Pragma", "x"),
                ("From", "f"),
                ("Accept-Encoding", "gzip"),
            ],
        );
        let sent: Vec<String> = fields
            .iter()
            .map(|(name, _)| String::from_utf8_lossy(name).to_lowercase())
            .collect();
        assert_eq!(
            sent,
            [
                "host",
                "cache-control",
                "pragma",
                "from",
                "accept-encoding",
                "user-agent",
                "x-forwarded-for",
                "via",
                "x-amz-cf-id",
                "cdn-loop",
                "connection",
            ]
        );
        assert_eq!(fields.get("host"), Some(&b"origin.test"[..]));
        assert_eq!(fields.get("user-agent"), Some(&b"Amazon CloudFront"[..]));
        assert_eq!(fields.get("accept-encoding"), Some(&b"gzip"[..]));
    }

    #[test]
    fn all_viewer_forwards_end_to_end_fields_and_the_host() {
        let rule = ForwardRule {
            headers: HeaderRule::All,
            ..rule()
        };
        let fields = compose(
            &rule,
            "GET",
            &[
                ("Accept", "*/*"),
                ("Authorization", "a"),
                ("X-Custom", "x"),
                ("User-Agent", "curl"),
                ("Connection", "close"),
                ("X-Real-IP", "1.1.1.1"),
            ],
        );
        assert_eq!(fields.get("host"), Some(&b"viewer.test"[..]));
        assert_eq!(fields.get("user-agent"), Some(&b"curl"[..]));
        assert_eq!(fields.get("authorization"), Some(&b"a"[..]));
        assert_eq!(fields.get("x-custom"), Some(&b"x"[..]));
        assert_eq!(fields.get("x-real-ip"), None);
        assert_eq!(fields.get("connection"), Some(&b"Keep-Alive"[..]));
    }

    #[test]
    fn all_but_the_host_leaves_the_origin_its_own_name() {
        let except = HeaderRule::Except {
            except: names(&["host"]),
            keyed: Vec::new(),
        };
        let rule = ForwardRule {
            headers: except,
            ..rule()
        };
        let fields = compose(&rule, "GET", &[("X-Custom", "x")]);
        assert_eq!(fields.get("host"), Some(&b"origin.test"[..]));
        assert_eq!(fields.get("x-custom"), Some(&b"x"[..]));
    }

    #[test]
    fn credentials_reach_the_origin_when_the_method_writes() {
        let sends = |rule: &ForwardRule, method: &str| {
            compose(rule, method, &[("Authorization", "a")]).contains("authorization")
        };
        assert!(!sends(&rule(), "GET"));
        assert!(!sends(&rule(), "HEAD"));
        assert!(sends(&rule(), "POST"));
        assert!(sends(&rule(), "OPTIONS"));
        assert!(!sends(
            &ForwardRule {
                options_cached: true,
                ..rule()
            },
            "OPTIONS"
        ));
        let listed = HeaderRule::Only(names(&["authorization"]));
        assert!(sends(
            &ForwardRule {
                headers: listed,
                ..rule()
            },
            "GET"
        ));
    }

    #[test]
    fn what_the_viewers_connection_names_goes_no_further() {
        let rule = ForwardRule {
            headers: HeaderRule::All,
            ..rule()
        };
        let fields = compose(
            &rule,
            "GET",
            &[
                ("Connection", "close, X-Hop"),
                ("X-Hop", "1"),
                ("X-End", "2"),
            ],
        );
        assert!(!fields.contains("x-hop"));
        assert!(fields.contains("x-end"));
    }

    #[test]
    fn legacy_settings_forward_unlisted_fields() {
        let rule = ForwardRule {
            legacy: true,
            ..rule()
        };
        let fields = compose(
            &rule,
            "GET",
            &[("X-Custom", "x"), ("Origin", "o"), ("Accept", "a")],
        );
        assert!(fields.contains("x-custom") && fields.contains("origin"));
        assert!(!fields.contains("accept"));
    }

    #[test]
    fn the_way_is_recorded_after_what_the_viewer_claimed() {
        let fields = compose(
            &rule(),
            "GET",
            &[("X-Forwarded-For", "10.0.0.1"), ("Via", "1.0 x")],
        );
        assert_eq!(
            fields.get("x-forwarded-for"),
            Some(&b"10.0.0.1, 192.0.2.7"[..])
        );
        assert_eq!(
            fields.get("via"),
            Some(&b"1.0 x, 1.1 edge.test (Warmfront)"[..])
        );
    }
}
