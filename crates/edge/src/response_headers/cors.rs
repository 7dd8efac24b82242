//! The CORS part of a response headers policy (spec §11.2): which origins may read a response,
//! and what a preflight may be told.

use message::{Fields, Method, RequestHead, list_items};
use shapes::cloudfront::{
    ResponseHeadersPolicyAccessControlAllowMethodsValues as AllowedMethod,
    ResponseHeadersPolicyCorsConfig,
};

use super::is_token;
use crate::site::wildcard_match;

/// The CORS part of a policy (spec §11.2).
#[derive(Clone, Debug)]
pub(super) struct Cors {
    /// Whether the list of origins has `*`.
    any_origin: bool,
    origins: Vec<OriginPattern>,
    credentials: bool,
    /// `Access-Control-Expose-Headers`; empty: none.
    expose: Box<[u8]>,
    /// `Access-Control-Allow-Methods`; empty: none.
    methods: Box<[u8]>,
    headers: AllowedHeaders,
    max_age_secs: Option<u64>,
    pub(super) origin_override: bool,
}

impl Cors {
    /// Compiles it, as `ResponseHeaders::compile` does.
    pub(super) fn compile(config: &ResponseHeadersPolicyCorsConfig) -> Result<Cors, String> {
        let mut origins = Vec::new();
        let listed = config.access_control_allow_origins.items();
        for (index, text) in listed.iter().enumerate().filter(|(_, text)| *text != "*") {
            origins.push(OriginPattern::parse(text).ok_or_else(|| {
                format!(
                    "CorsConfig.AccessControlAllowOrigins.Items[{index}]: '{text}' is no origin; \
                     a * may stand for a whole origin, for the first labels of a host, \
                     or in a port"
                )
            })?);
        }
        let expose = config
            .access_control_expose_headers
            .as_ref()
            .map_or(&[][..], |list| list.items());
        check_names("AccessControlExposeHeaders", expose)?;
        let headers = config.access_control_allow_headers.items();
        check_names("AccessControlAllowHeaders", headers)?;
        let max_age_secs =
            match config.access_control_max_age_sec {
                None => None,
                Some(secs) => Some(u64::try_from(secs).map_err(|_| {
                    format!("CorsConfig.AccessControlMaxAgeSec: {secs} is negative")
                })?),
            };
        let credentials = config.access_control_allow_credentials;
        Ok(Cors {
            any_origin: listed.iter().any(|text| text == "*"),
            origins,
            credentials,
            expose: expose.join(", ").into_bytes().into(),
            methods: methods(config.access_control_allow_methods.items())
                .into_bytes()
                .into(),
            headers: AllowedHeaders::new(headers, credentials),
            max_age_secs,
            origin_override: config.origin_override,
        })
    }

    /// Adds the CORS fields; says whether another `Origin` could have had other ones.
    pub(super) fn write(
        &self,
        request: &RequestHead,
        origin: Option<&[u8]>,
        fields: &mut Fields,
    ) -> bool {
        let Some(origin) = origin else { return true };
        if self.any_origin {
            fields.push_trusted(b"Access-Control-Allow-Origin", b"*");
        } else if self.origins.iter().any(|pattern| pattern.matches(origin)) {
            fields.push(b"Access-Control-Allow-Origin", origin);
        } else {
            return true;
        }
        if self.credentials {
            fields.push_trusted(b"Access-Control-Allow-Credentials", b"true");
        }
        let is_preflight = request.method == Method::Options
            && request.get("access-control-request-method").is_some();
        if is_preflight {
            if !self.methods.is_empty() {
                fields.push_trusted(b"Access-Control-Allow-Methods", &self.methods);
            }
            self.headers.write(request, fields);
            if let Some(secs) = self.max_age_secs {
                fields.push_number(b"Access-Control-Max-Age", secs);
            }
        }
        if !self.expose.is_empty() {
            fields.push_trusted(b"Access-Control-Expose-Headers", &self.expose);
        }
        !self.any_origin
    }
}

/// Whether a response field of that name belongs to CORS.
pub(super) fn is_cors(name: &[u8]) -> bool {
    const PREFIX: &[u8] = b"access-control-";
    name.len() > PREFIX.len() && name[..PREFIX.len()].eq_ignore_ascii_case(PREFIX)
}

fn check_names(list: &str, names: &[String]) -> Result<(), String> {
    match names.iter().position(|name| !is_token(name.as_bytes())) {
        Some(at) => Err(format!(
            "CorsConfig.{list}.Items[{at}]: '{}' is no header name",
            names[at]
        )),
        None => Ok(()),
    }
}

fn methods(allowed: &[AllowedMethod]) -> String {
    if allowed.contains(&AllowedMethod::All) {
        return "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT".to_owned();
    }
    allowed
        .iter()
        .map(|method| method.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// The request headers that a preflight allows.
#[derive(Clone, Debug)]
struct AllowedHeaders {
    /// The names without a wildcard, or all of the answer where it is the same for everybody.
    fixed: Box<[u8]>,
    /// Names with a wildcard, in lower case: browsers know none but `*`, so that the requested
    /// names that match are told instead.
    patterns: Vec<Box<[u8]>>,
}

impl AllowedHeaders {
    fn new(names: &[String], credentials: bool) -> AllowedHeaders {
        // With credentials, browsers take `*` for an ordinary name.
        let is_fixed = |name: &&String| !name.contains('*') || (*name == "*" && !credentials);
        let fixed: Vec<_> = names.iter().filter(is_fixed).map(String::as_str).collect();
        let mut patterns: Vec<Box<[u8]>> = names
            .iter()
            .filter(|name| !is_fixed(name))
            .map(|name| name.to_ascii_lowercase().into_bytes().into())
            .collect();
        // `*` covers all that a pattern could, for no browser's `*` covers `Authorization`.
        if fixed.contains(&"*") {
            patterns.retain(|pattern| wildcard_match(pattern, b"authorization"));
        }
        AllowedHeaders {
            fixed: fixed.join(", ").into_bytes().into(),
            patterns,
        }
    }

    fn write(&self, request: &RequestHead, fields: &mut Fields) {
        let requested = || {
            request
                .get_all("access-control-request-headers")
                .flat_map(list_items)
                .filter(|name| self.allows(name))
        };
        if self.fixed.is_empty() && (self.patterns.is_empty() || requested().next().is_none()) {
            return;
        }
        fields.push_with(b"Access-Control-Allow-Headers", |out| {
            out.extend_from_slice(&self.fixed);
            let mut is_first = self.fixed.is_empty();
            for name in requested() {
                if !std::mem::take(&mut is_first) {
                    out.extend_from_slice(b", ");
                }
                out.extend_from_slice(name);
            }
        });
    }

    /// Whether a requested name is allowed by a pattern. Only a token may be told back.
    fn allows(&self, name: &[u8]) -> bool {
        let mut lower = [0_u8; 128];
        let Some(lower) = lower.get_mut(..name.len()).filter(|_| is_token(name)) else {
            return false;
        };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        self.patterns.iter().any(|pattern| match &**pattern {
            b"*" => lower != b"authorization",
            pattern => wildcard_match(pattern, lower),
        })
    }
}

/// An item of `AccessControlAllowOrigins` other than `*`: scheme, host and port, each exact or
/// open (the table of spec §11.2).
#[derive(Clone, Debug, Eq, PartialEq)]
struct OriginPattern {
    /// In lower case; `None`: http or https.
    scheme: Option<Box<[u8]>>,
    host: HostPattern,
    port: PortPattern,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum HostPattern {
    Any,
    Exact(Box<[u8]>),
    /// Any subdomain; the suffix begins with its dot.
    Below(Box<[u8]>),
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum PortPattern {
    /// The default port of the scheme.
    Default,
    /// Digits, with `*` for any of them.
    Matching(Box<[u8]>),
}

impl OriginPattern {
    fn parse(text: &str) -> Option<OriginPattern> {
        let lower = text.to_ascii_lowercase().into_bytes();
        let (scheme, authority) = match split_scheme(&lower) {
            Some((scheme, authority)) => (Some(scheme.into()), authority),
            None => (None, &lower[..]),
        };
        let (host, port) = split_port(authority)?;
        let port = match port {
            None => PortPattern::Default,
            Some(port) if is_port(port, b"*") => PortPattern::Matching(port.into()),
            Some(_) => return None,
        };
        let host = match host {
            b"*" => HostPattern::Any,
            [b'*', rest @ ..] if rest.len() > 1 && rest[0] == b'.' && is_host(&rest[1..]) => {
                HostPattern::Below(rest.into())
            }
            exact if is_host(exact) => HostPattern::Exact(exact.into()),
            _ => return None,
        };
        Some(OriginPattern { scheme, host, port })
    }

    fn matches(&self, origin: &[u8]) -> bool {
        let Some((scheme, authority)) = split_scheme(origin) else {
            return false;
        };
        let Some((host, port)) = split_port(authority) else {
            return false;
        };
        if !is_host(host) || port.is_some_and(|port| !is_port(port, b"")) {
            return false;
        }
        let default_port = default_port(scheme);
        let scheme_matches = match &self.scheme {
            Some(wanted) => wanted.eq_ignore_ascii_case(scheme),
            None => default_port.is_some(),
        };
        let host_matches = match &self.host {
            HostPattern::Any => true,
            HostPattern::Exact(wanted) => wanted.eq_ignore_ascii_case(host),
            HostPattern::Below(suffix) => host
                .len()
                .checked_sub(suffix.len())
                .is_some_and(|at| at > 0 && suffix.eq_ignore_ascii_case(&host[at..])),
        };
        let port_matches = match &self.port {
            PortPattern::Default => port.is_none() || port == default_port,
            PortPattern::Matching(wanted) => {
                wildcard_match(wanted, port.or(default_port).unwrap_or_default())
            }
        };
        scheme_matches && host_matches && port_matches
    }
}

fn default_port(scheme: &[u8]) -> Option<&'static [u8]> {
    match scheme {
        _ if scheme.eq_ignore_ascii_case(b"http") => Some(b"80"),
        _ if scheme.eq_ignore_ascii_case(b"https") => Some(b"443"),
        _ => None,
    }
}

fn split_scheme(origin: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memmem::find(origin, b"://")?;
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    (at > 0 && origin[..at].iter().all(is_scheme)).then(|| (&origin[..at], &origin[at + 3..]))
}

/// Host and port of an authority; the host of an IPv6 address keeps its brackets.
fn split_port(authority: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let host_end = match authority.first()? {
        b'[' => memchr::memchr(b']', authority)? + 1,
        _ => memchr::memchr(b':', authority).unwrap_or(authority.len()),
    };
    match authority.split_at(host_end) {
        (host, []) => Some((host, None)),
        (host, [b':', port @ ..]) => Some((host, Some(port))),
        _ => None,
    }
}

fn is_host(host: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    match host {
        [b'[', address @ .., b']'] => {
            !address.is_empty()
                && address
                    .iter()
                    .all(|byte| byte.is_ascii_hexdigit() || b":.".contains(byte))
        }
        name => !name.is_empty() && name.iter().all(is_name),
    }
}

fn is_port(port: &[u8], also: &[u8]) -> bool {
    (1..=8).contains(&port.len())
        && port
            .iter()
            .all(|byte| byte.is_ascii_digit() || also.contains(byte))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{apply, compile, cors, custom, list, request, try_compile};
    use super::*;
    use serde_json::json;

    const PREFLIGHT: &[(&str, &str)] = &[
        ("Origin", "https://a.example"),
        ("Access-Control-Request-Method", "PUT"),
        (
            "Access-Control-Request-Headers",
            "X-Amz-Date, authorization,x-other",
        ),
    ];

    #[test]
    fn an_origin_pattern_matches_what_the_table_says() {
        for (pattern, origin, want) in [
            ("http://www.example.com", "http://www.example.com", true),
            ("http://www.example.com", "http://www.example.com:80", true),
            ("http://www.example.com", "https://www.example.com", false),
            (
                "http://www.example.com",
                "http://www.example.com:8080",
                false,
            ),
            ("example.org", "http://example.org", true),
            ("example.org", "https://example.org", true),
            ("example.org", "https://EXAMPLE.org", true),
            ("example.org", "https://a.example.org", false),
            ("example.org", "https://example.org:8443", false),
            ("example.org", "ftp://example.org", false),
            ("*.example.org", "http://a.example.org", true),
            ("*.example.org", "https://a.b.example.org", true),
            ("*.example.org", "https://example.org", false),
            ("*.example.org", "https://.example.org", false),
            ("*.example.org", "https://badexample.org", false),
            ("*.example.org", "https://a.example.org:444", false),
            ("http://*.example.org", "http://a.example.org", true),
            ("http://*.example.org", "https://a.example.org", false),
            ("http://*.example.org", "http://a.example.org:81", false),
            ("http://example.org:*", "http://example.org", true),
            ("http://example.org:*", "http://example.org:8080", true),
            ("http://example.org:*", "https://example.org:8080", false),
            ("http://example.org:1*3", "http://example.org:13", true),
            ("http://example.org:1*3", "http://example.org:1003", true),
            ("http://example.org:1*3", "http://example.org:1030", false),
            ("http://example.org:1*3", "http://example.org", false),
            ("https://*", "https://anything.example", true),
            ("http://[::1]:*", "http://[::1]:3000", true),
            ("capacitor://localhost", "capacitor://localhost", true),
            ("capacitor://localhost", "https://localhost", false),
            ("example.org", "null", false),
            ("example.org", "https://example.org/", false),
            ("*.example.org", "https://evil/.example.org", false),
            ("*.example.org", "https://e@a.example.org", false),
        ] {
            let parsed = OriginPattern::parse(pattern).expect(pattern);
            assert_eq!(
                parsed.matches(origin.as_bytes()),
                want,
                "{pattern} {origin}"
            );
        }
    }

    #[test]
    fn a_star_elsewhere_in_an_origin_is_refused() {
        for pattern in [
            "example.*",
            "test.*.example.org",
            "exa*mple.org",
            "*example.org",
            "*.",
            "a b",
            "",
            ":1",
        ] {
            assert_eq!(OriginPattern::parse(pattern), None, "{pattern}");
            let config = cors(json!({"AccessControlAllowOrigins": list(&["*", pattern])}));
            let error = try_compile(config).unwrap_err();
            let path = "CorsConfig.AccessControlAllowOrigins.Items[1]: ";
            assert!(error.starts_with(path), "{error}");
        }
    }

    #[test]
    fn a_request_without_origin_gets_no_cors_fields_but_its_vary() {
        let policy = compile(cors(json!({})));
        assert_eq!(
            apply(&policy, &request("GET", &[]), &[("A", "1")]),
            "A: 1\nVary: Origin\n"
        );
    }

    #[test]
    fn a_listed_origin_is_echoed_and_another_gets_nothing() {
        let policy = compile(cors(json!({
            "AccessControlAllowCredentials": true,
            "AccessControlExposeHeaders": list(&["X-A", "X-B"]),
        })));
        let listed = request("GET", &[("Origin", "https://a.example")]);
        assert_eq!(
            apply(&policy, &listed, &[]),
            "Access-Control-Allow-Origin: https://a.example\n\
             Access-Control-Allow-Credentials: true\n\
             Access-Control-Expose-Headers: X-A, X-B\n\
             Vary: Origin\n"
        );
        let other = request("GET", &[("Origin", "https://b.example")]);
        assert_eq!(apply(&policy, &other, &[]), "Vary: Origin\n");
    }

    #[test]
    fn any_origin_is_answered_with_a_star() {
        let policy = compile(cors(json!({
            "AccessControlAllowOrigins": list(&["https://a.example", "*"]),
        })));
        let request = request("GET", &[("Origin", "null")]);
        assert_eq!(
            apply(&policy, &request, &[]),
            "Access-Control-Allow-Origin: *\n"
        );
    }

    #[test]
    fn vary_gets_origin_once() {
        let policy = compile(cors(json!({})));
        let plain = request("GET", &[]);
        for vary in ["origin", "Accept-Encoding, Origin", "*"] {
            assert_eq!(
                apply(&policy, &plain, &[("vary", vary)]),
                format!("vary: {vary}\n")
            );
        }
        assert_eq!(
            apply(&policy, &plain, &[("Vary", "Accept-Encoding")]),
            "Vary: Accept-Encoding\nVary: Origin\n"
        );
        for overrides in [false, true] {
            let mut config = cors(json!({}));
            config["CustomHeadersConfig"] = custom(&[("Vary", "X-A", overrides)]);
            assert_eq!(apply(&compile(config), &plain, &[]), "Vary: X-A, Origin\n");
        }
    }

    #[test]
    fn only_a_real_preflight_gets_methods_headers_and_max_age() {
        let policy = compile(cors(json!({
            "AccessControlAllowMethods": list(&["ALL"]),
            "AccessControlAllowHeaders": list(&["X-A", "Authorization"]),
            "AccessControlMaxAgeSec": 600,
        })));
        let want = "Access-Control-Allow-Origin: https://a.example\n\
             Access-Control-Allow-Methods: DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT\n\
             Access-Control-Allow-Headers: X-A, Authorization\n\
             Access-Control-Max-Age: 600\n\
             Vary: Origin\n";
        assert_eq!(apply(&policy, &request("OPTIONS", PREFLIGHT), &[]), want);
        let actual = "Access-Control-Allow-Origin: https://a.example\nVary: Origin\n";
        assert_eq!(apply(&policy, &request("GET", PREFLIGHT), &[]), actual);
        assert_eq!(
            apply(&policy, &request("OPTIONS", &PREFLIGHT[..1]), &[]),
            actual
        );
        assert_eq!(
            apply(&policy, &request("OPTIONS", &PREFLIGHT[1..]), &[]),
            "Vary: Origin\n"
        );
    }

    #[test]
    fn allowed_headers_with_a_wildcard_are_told_as_they_were_asked_for() {
        for (names, credentials, want) in [
            (&["*"][..], false, Some("*")),
            (&["*", "Authorization"], false, Some("*, Authorization")),
            (&["*", "auth*"], false, Some("*, authorization")),
            (&["*"], true, Some("X-Amz-Date, x-other")),
            (
                &["*", "Authorization"],
                true,
                Some("Authorization, X-Amz-Date, x-other"),
            ),
            (&["x-amz-*"], false, Some("X-Amz-Date")),
            (&["X-*-DATE", "X-B"], false, Some("X-B, X-Amz-Date")),
            (&["x-none-*"], false, None),
            (&[], false, None),
        ] {
            let policy = compile(cors(json!({
                "AccessControlAllowHeaders": list(names),
                "AccessControlAllowCredentials": credentials,
            })));
            let mut fields = Fields::new();
            policy.apply(&request("OPTIONS", PREFLIGHT), &mut fields);
            let told = fields.get("access-control-allow-headers");
            assert_eq!(told, want.map(str::as_bytes), "{names:?} {credentials}");
        }
    }

    #[test]
    fn what_is_no_header_name_is_not_told_back() {
        let policy = compile(cors(json!({"AccessControlAllowHeaders": list(&["x-*"])})));
        let mut fields = PREFLIGHT[..2].to_vec();
        let long = format!("x-{}", "a".repeat(200));
        let requested = format!("x-a b, x-\"q\", {long}, x-ok");
        fields.push(("Access-Control-Request-Headers", &requested));
        assert!(
            apply(&policy, &request("OPTIONS", &fields), &[])
                .contains("Access-Control-Allow-Headers: x-ok\n")
        );
    }

    #[test]
    fn without_override_the_origins_cors_fields_win_as_a_whole() {
        let policy = compile(cors(json!({})));
        let request = request("GET", &[("Origin", "https://a.example")]);
        let fields = [("access-control-max-age", "5")];
        assert_eq!(
            apply(&policy, &request, &fields),
            "access-control-max-age: 5\n"
        );
    }

    #[test]
    fn with_override_the_origins_cors_fields_go_as_a_whole() {
        let policy = compile(cors(json!({"OriginOverride": true})));
        let fields = [
            ("access-control-allow-origin", "*"),
            ("Access-Control-Allow-Methods", "GET"),
            ("A", "1"),
        ];
        let listed = request("GET", &[("Origin", "https://a.example")]);
        assert_eq!(
            apply(&policy, &listed, &fields),
            "A: 1\nAccess-Control-Allow-Origin: https://a.example\nVary: Origin\n"
        );
        let other = request("GET", &[("Origin", "https://b.example")]);
        assert_eq!(apply(&policy, &other, &fields), "A: 1\nVary: Origin\n");
    }
}
