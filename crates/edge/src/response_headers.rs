//! Response headers policies (spec §11): what the edge removes from a response and adds to it on
//! the way to the viewer. Compiled once per site; [`ResponseHeaders::apply`] runs on every
//! response, hits included, and allocates only when the head outgrows its buffer.

use message::{Fields, Known, Method, RequestHead, list_items};
use shapes::cloudfront::{
    ResponseHeadersPolicyAccessControlAllowMethodsValues as AllowedMethod,
    ResponseHeadersPolicyConfig, ResponseHeadersPolicyCorsConfig,
    ResponseHeadersPolicySecurityHeadersConfig, ResponseHeadersPolicyServerTimingHeadersConfig,
    ResponseHeadersPolicyXSSProtection,
};

use crate::site::wildcard_match;

/// Most custom headers in a policy: with the security headers they fit a bit set.
const CUSTOM_HEADERS_MAX: usize = 58;
/// Most headers that a policy removes; every response header is compared with them.
const REMOVE_HEADERS_MAX: usize = 64;
/// How many security headers there are.
const SECURITY_HEADERS: usize = 6;
/// Longest content security policy that AWS takes (spec §11.3).
const CONTENT_SECURITY_POLICY_BYTES_MAX: usize = 1_783;
const _: () = assert!(CUSTOM_HEADERS_MAX + SECURITY_HEADERS <= u64::BITS as usize);

/// What stands in for an origin's `Server` that a policy removes.
const SERVER: &[u8] = b"Warmfront";

/// A policy, ready to be applied.
#[derive(Clone, Debug, Default)]
pub struct ResponseHeaders {
    rules: Vec<Rule>,
    /// Bit n: some rule's name has n bytes. Most fields of a response need no other look.
    rule_lengths: u64,
    replaces_server: bool,
    cors: Option<Cors>,
    /// The rule that adds `Vary`; with CORS its value has `Origin`.
    vary_rule: Option<usize>,
    /// Whether and how often the edge tells its timing; the pipeline knows what there is to tell.
    pub server_timing: Option<ServerTiming>,
}

#[derive(Clone, Debug)]
struct Rule {
    name: Box<[u8]>,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    /// The field is removed.
    Remove,
    /// The field is added in place of the origin's.
    Set(Box<[u8]>),
    /// The field is added if the origin sent none.
    Offer(Box<[u8]>),
    /// The origin's field is removed, and the policy's added.
    RemoveThenSet(Box<[u8]>),
}

impl ResponseHeaders {
    /// Compiles a policy; the error is the path of a member in its `…Config`, and what is wrong.
    pub fn compile(config: &ResponseHeadersPolicyConfig) -> Result<ResponseHeaders, String> {
        let mut policy = ResponseHeaders::default();
        if let Some(cors) = &config.cors_config {
            policy.cors = Some(Cors::compile(cors)?);
        }
        if let Some(security) = &config.security_headers_config {
            add_security(security, &mut policy.rules)?;
        }
        add_custom(config, &mut policy.rules)?;
        policy.vary_rule = policy
            .rules
            .iter()
            .position(|rule| rule.name.eq_ignore_ascii_case(b"vary"));
        policy.add_removals(config)?;
        if let Some(timing) = &config.server_timing_headers_config {
            policy.server_timing = ServerTiming::compile(timing)?;
        }
        policy.rule_lengths = policy
            .rules
            .iter()
            .fold(0, |bits, rule| bits | length_bit(&rule.name));
        Ok(policy)
    }

    /// Removes what the policy removes, then adds what it adds (spec §11.1).
    pub fn apply(&self, request: &RequestHead, fields: &mut Fields) {
        let origin = self
            .cors
            .as_ref()
            .and_then(|_| request.known(Known::Origin));
        let drops_cors =
            origin.is_some() && self.cors.as_ref().is_some_and(|cors| cors.origin_override);
        let (mut kept, mut has_cors, mut varies_by_origin) = (0_u64, false, false);
        fields.retain(|name, value| {
            let is_cors = is_cors(name);
            if is_cors && drops_cors {
                return false;
            }
            if let Some((index, rule)) = self.rule(name) {
                if !matches!(rule.action, Action::Offer(_)) {
                    return false;
                }
                kept |= 1 << index;
            }
            has_cors |= is_cors;
            if self.cors.is_some() && name.eq_ignore_ascii_case(b"vary") {
                varies_by_origin |= list_items(value)
                    .any(|item| item == b"*" || item.eq_ignore_ascii_case(b"origin"));
            }
            true
        });
        if let Some(cors) = &self.cors
            && !has_cors
        {
            let depends_on_origin = cors.write(request, origin, fields);
            let adds_vary = self.vary_rule.is_some_and(|index| kept & (1 << index) == 0);
            if depends_on_origin && !varies_by_origin && !adds_vary {
                fields.push_trusted(b"Vary", b"Origin");
            }
        }
        for (index, rule) in self.rules.iter().enumerate() {
            match &rule.action {
                Action::Set(value) | Action::RemoveThenSet(value) => {
                    fields.push_trusted(&rule.name, value);
                }
                Action::Offer(value) if kept & (1 << index) == 0 => {
                    fields.push_trusted(&rule.name, value);
                }
                Action::Offer(_) | Action::Remove => {}
            }
        }
        if self.replaces_server {
            fields.push_trusted(b"Server", SERVER);
        }
    }

    #[inline]
    fn rule(&self, name: &[u8]) -> Option<(usize, &Rule)> {
        if self.rule_lengths & length_bit(name) == 0 {
            return None;
        }
        self.rules
            .iter()
            .enumerate()
            .find(|(_, rule)| rule.name.eq_ignore_ascii_case(name))
    }

    fn add_removals(&mut self, config: &ResponseHeadersPolicyConfig) -> Result<(), String> {
        let removals = config
            .remove_headers_config
            .as_ref()
            .map_or(&[][..], |list| list.items());
        if removals.len() > REMOVE_HEADERS_MAX {
            return Err(format!(
                "RemoveHeadersConfig.Items: {} headers, and {REMOVE_HEADERS_MAX} are allowed",
                removals.len()
            ));
        }
        for (index, removal) in removals.iter().enumerate() {
            let name = removal.header.as_str();
            let path = || format!("RemoveHeadersConfig.Items[{index}].Header");
            if !is_token(name.as_bytes()) {
                return Err(format!("{}: '{name}' is no header name", path()));
            }
            if is_listed(NOT_REMOVABLE, name) {
                return Err(format!("{}: {name} cannot be removed", path()));
            }
            // A response always has a date: without the origin's it would have ours.
            if name.eq_ignore_ascii_case("date") {
                continue;
            }
            match self.rule(name.as_bytes()).map(|(at, _)| at) {
                // What is removed and added is there afterwards, and only once.
                Some(at) => {
                    let action = std::mem::replace(&mut self.rules[at].action, Action::Remove);
                    self.rules[at].action = match action {
                        Action::Set(value) | Action::Offer(value) => Action::RemoveThenSet(value),
                        done => done,
                    };
                }
                None => {
                    self.replaces_server |= name.eq_ignore_ascii_case("server");
                    add(&mut self.rules, name, Action::Remove);
                }
            }
        }
        Ok(())
    }
}

/// How many bytes a name has, as a bit; all long ones share the last.
#[inline]
fn length_bit(name: &[u8]) -> u64 {
    1 << name.len().min(63)
}

fn add(rules: &mut Vec<Rule>, name: &str, action: Action) {
    rules.push(Rule {
        name: name.as_bytes().into(),
        action,
    });
}

fn action(value: &str, overrides: bool) -> Action {
    match overrides {
        true => Action::Set(value.as_bytes().into()),
        false => Action::Offer(value.as_bytes().into()),
    }
}

/// Headers that a policy cannot remove, lower-case, sorted; `-*` at the end stands for a family
/// (spec §11.3).
const NOT_REMOVABLE: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "warning",
    "x-accel-buffering",
    "x-accel-charset",
    "x-accel-limit-rate",
    "x-accel-redirect",
    "x-amz-cf-*",
    "x-amzn-auth",
    "x-amzn-cf-billing",
    "x-amzn-cf-id",
    "x-amzn-cf-xff",
    "x-amzn-errortype",
    "x-amzn-fle-profile",
    "x-amzn-header-count",
    "x-amzn-header-order",
    "x-amzn-lambda-integration-tag",
    "x-amzn-requestid",
    "x-cache",
    "x-edge-*",
    "x-forwarded-proto",
    "x-real-ip",
];

/// Headers that a policy cannot add, because they frame the message or are the edge's own.
const NOT_ADDABLE: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-amz-cf-*",
    "x-cache",
    "x-edge-*",
];

/// Headers that `CorsConfig` adds, so that the same policy's custom headers cannot.
const CORS_ADDED: &[&str] = &[
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
];

fn is_listed(list: &[&str], name: &str) -> bool {
    list.iter().any(|entry| match entry.strip_suffix('*') {
        Some(prefix) => name
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix)),
        None => name.eq_ignore_ascii_case(entry),
    })
}

fn add_security(
    config: &ResponseHeadersPolicySecurityHeadersConfig,
    rules: &mut Vec<Rule>,
) -> Result<(), String> {
    let at = |member: &str, message: &str| format!("SecurityHeadersConfig.{member}: {message}");
    if let Some(csp) = &config.content_security_policy {
        let value = csp.content_security_policy.as_str();
        let member = "ContentSecurityPolicy.ContentSecurityPolicy";
        if value.len() > CONTENT_SECURITY_POLICY_BYTES_MAX {
            let message = format!(
                "{} bytes, and {CONTENT_SECURITY_POLICY_BYTES_MAX} are allowed",
                value.len()
            );
            return Err(at(member, &message));
        }
        if !is_value(value.as_bytes()) {
            return Err(at(member, "has a control character"));
        }
        add(
            rules,
            "Content-Security-Policy",
            action(value, csp.r#override),
        );
    }
    if let Some(options) = &config.content_type_options {
        add(
            rules,
            "X-Content-Type-Options",
            action("nosniff", options.r#override),
        );
    }
    if let Some(frame) = &config.frame_options {
        add(
            rules,
            "X-Frame-Options",
            action(frame.frame_option.as_str(), frame.r#override),
        );
    }
    if let Some(referrer) = &config.referrer_policy {
        let value = referrer.referrer_policy.as_str();
        add(rules, "Referrer-Policy", action(value, referrer.r#override));
    }
    if let Some(hsts) = &config.strict_transport_security {
        let max_age = hsts.access_control_max_age_sec;
        if max_age < 0 {
            let message = format!("{max_age} is negative");
            return Err(at(
                "StrictTransportSecurity.AccessControlMaxAgeSec",
                &message,
            ));
        }
        let subdomains = hsts.include_subdomains.unwrap_or(false);
        let value = format!(
            "max-age={max_age}{}{}",
            if subdomains {
                "; includeSubDomains"
            } else {
                ""
            },
            if hsts.preload.unwrap_or(false) {
                "; preload"
            } else {
                ""
            },
        );
        add(
            rules,
            "Strict-Transport-Security",
            action(&value, hsts.r#override),
        );
    }
    if let Some(xss) = &config.xss_protection {
        let value = xss_protection(xss).map_err(|message| at("XSSProtection", &message))?;
        add(rules, "X-XSS-Protection", action(&value, xss.r#override));
    }
    Ok(())
}

fn xss_protection(config: &ResponseHeadersPolicyXSSProtection) -> Result<String, String> {
    let block = config.mode_block.unwrap_or(false);
    let report = config.report_uri.as_deref().filter(|uri| !uri.is_empty());
    match (config.protection, block, report) {
        (_, true, Some(_)) => Err("ModeBlock and ReportUri exclude each other".to_owned()),
        (false, true, _) | (false, _, Some(_)) => {
            Err("ModeBlock and ReportUri need Protection".to_owned())
        }
        (false, false, None) => Ok("0".to_owned()),
        (true, true, None) => Ok("1; mode=block".to_owned()),
        (true, false, None) => Ok("1".to_owned()),
        (true, false, Some(uri)) if is_value(uri.as_bytes()) => Ok(format!("1; report={uri}")),
        (true, false, Some(_)) => Err("ReportUri has a control character".to_owned()),
    }
}

fn add_custom(config: &ResponseHeadersPolicyConfig, rules: &mut Vec<Rule>) -> Result<(), String> {
    let custom = config
        .custom_headers_config
        .as_ref()
        .map_or(&[][..], |list| list.items());
    if custom.len() > CUSTOM_HEADERS_MAX {
        return Err(format!(
            "CustomHeadersConfig.Items: {} headers, and {CUSTOM_HEADERS_MAX} are allowed",
            custom.len()
        ));
    }
    for (index, header) in custom.iter().enumerate() {
        let path = format!("CustomHeadersConfig.Items[{index}]");
        let name = header.header.as_str();
        if !is_token(name.as_bytes()) {
            return Err(format!("{path}.Header: '{name}' is no header name"));
        }
        if is_listed(NOT_ADDABLE, name) {
            return Err(format!("{path}.Header: {name} belongs to the edge"));
        }
        if config.cors_config.is_some() && is_listed(CORS_ADDED, name) {
            return Err(format!("{path}.Header: {name} belongs to CorsConfig"));
        }
        if rules
            .iter()
            .any(|rule| rule.name.eq_ignore_ascii_case(name.as_bytes()))
        {
            return Err(format!("{path}.Header: {name} is in the policy twice"));
        }
        if !is_value(header.value.as_bytes()) {
            return Err(format!("{path}.Value: has a control character"));
        }
        let mut value = header.value.trim().to_owned();
        if config.cors_config.is_some() && name.eq_ignore_ascii_case("vary") {
            add_origin_to_vary(&mut value);
        }
        add(rules, name, action(&value, header.r#override));
    }
    Ok(())
}

fn add_origin_to_vary(value: &mut String) {
    let has_it = |item: &[u8]| item == b"*" || item.eq_ignore_ascii_case(b"origin");
    if !list_items(value.as_bytes()).any(has_it) {
        value.push_str(if value.is_empty() {
            "Origin"
        } else {
            ", Origin"
        });
    }
}

/// The CORS part of a policy (spec §11.2).
#[derive(Clone, Debug)]
struct Cors {
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
    origin_override: bool,
}

impl Cors {
    fn compile(config: &ResponseHeadersPolicyCorsConfig) -> Result<Cors, String> {
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
    fn write(&self, request: &RequestHead, origin: Option<&[u8]>, fields: &mut Fields) -> bool {
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
fn is_cors(name: &[u8]) -> bool {
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

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

fn is_value(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|b| *b == b'\t' || (*b >= 0x20 && *b != 0x7f))
}

/// How often responses carry `Server-Timing` (spec §11.4).
#[derive(Clone, Debug, PartialEq)]
pub struct ServerTiming {
    /// A response carries it when its random number is below.
    sampled_below: u64,
}

impl ServerTiming {
    fn compile(
        config: &ResponseHeadersPolicyServerTimingHeadersConfig,
    ) -> Result<Option<ServerTiming>, String> {
        let rate = config.sampling_rate.unwrap_or(0.0);
        if !(0.0..=100.0).contains(&rate) {
            return Err(format!(
                "ServerTimingHeadersConfig.SamplingRate: {rate} is not between 0 and 100"
            ));
        }
        let sampled_below = (rate / 100.0 * (f64::from(u32::MAX) + 1.0)) as u64;
        Ok(config.enabled.then_some(ServerTiming { sampled_below }))
    }

    /// Whether this response carries it. `random` is uniform over all its values; a viewer forces
    /// it with `Pragma: server-timing`.
    pub fn should_send(&self, request: &RequestHead, random: u32) -> bool {
        u64::from(random) < self.sampled_below
            || request
                .known_all(Known::Pragma)
                .flat_map(list_items)
                .any(|item| item.eq_ignore_ascii_case(b"server-timing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::Version;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn try_compile(config: Value) -> Result<ResponseHeaders, String> {
        let mut document = json!({"Name": "test"});
        for (member, value) in config.as_object().unwrap() {
            document[member] = value.clone();
        }
        ResponseHeaders::compile(&shapes::from_value(&document).expect("a policy's shape"))
    }

    fn compile(config: Value) -> ResponseHeaders {
        try_compile(config).unwrap()
    }

    fn request(method: &str, fields: &[(&str, &str)]) -> RequestHead {
        let mut head = RequestHead::default();
        head.start(method.as_bytes(), b"/", Version::Http11);
        for (name, value) in fields {
            head.push(name.as_bytes(), value.as_bytes());
        }
        head
    }

    fn apply(policy: &ResponseHeaders, request: &RequestHead, fields: &[(&str, &str)]) -> String {
        let mut fields: Fields = fields.iter().copied().collect();
        policy.apply(request, &mut fields);
        String::from_utf8(fields.as_wire().to_vec()).unwrap().replace("\r\n", "\n")
    }

    fn cors(members: Value) -> Value {
        let mut config = json!({
            "AccessControlAllowOrigins": {"Quantity": 1, "Items": ["https://a.example"]},
            "AccessControlAllowHeaders": {"Quantity": 0, "Items": []},
            "AccessControlAllowMethods": {"Quantity": 0, "Items": []},
            "AccessControlAllowCredentials": false,
            "OriginOverride": false,
        });
        for (member, value) in members.as_object().unwrap() {
            config[member] = value.clone();
        }
        json!({"CorsConfig": config})
    }

    fn list(items: &[&str]) -> Value {
        json!({"Quantity": items.len(), "Items": items})
    }

    fn custom(headers: &[(&str, &str, bool)]) -> Value {
        let items: Vec<_> = headers
            .iter()
            .map(|(name, value, overrides)| {
                json!({"Header": name, "Value": value, "Override": overrides})
            })
            .collect();
        json!({"Quantity": items.len(), "Items": items})
    }

    fn removals(names: &[&str]) -> Value {
        let items: Vec<_> = names.iter().map(|name| json!({"Header": name})).collect();
        json!({"Quantity": items.len(), "Items": items})
    }

    const PREFLIGHT: &[(&str, &str)] = &[
        ("Origin", "https://a.example"),
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "X-Amz-Date, authorization,x-other"),
    ];

    #[test]
    fn an_origin_pattern_matches_what_the_table_says() {
        for (pattern, origin, want) in [
            ("http://www.example.com", "http://www.example.com", true),
            ("http://www.example.com", "http://www.example.com:80", true),
            ("http://www.example.com", "https://www.example.com", false),
            ("http://www.example.com", "http://www.example.com:8080", false),
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
            assert_eq!(parsed.matches(origin.as_bytes()), want, "{pattern} {origin}");
        }
    }

    #[test]
    fn a_star_elsewhere_in_an_origin_is_refused() {
        for pattern in
            ["example.*", "test.*.example.org", "exa*mple.org", "*example.org", "*.", "a b", "", ":1"]
        {
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
        assert_eq!(apply(&policy, &request("GET", &[]), &[("A", "1")]), "A: 1\nVary: Origin\n");
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
        assert_eq!(apply(&policy, &request, &[]), "Access-Control-Allow-Origin: *\n");
    }

    #[test]
    fn vary_gets_origin_once() {
        let policy = compile(cors(json!({})));
        let plain = request("GET", &[]);
        for vary in ["origin", "Accept-Encoding, Origin", "*"] {
            assert_eq!(apply(&policy, &plain, &[("vary", vary)]), format!("vary: {vary}\n"));
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
        assert_eq!(apply(&policy, &request("OPTIONS", &PREFLIGHT[..1]), &[]), actual);
        assert_eq!(apply(&policy, &request("OPTIONS", &PREFLIGHT[1..]), &[]), "Vary: Origin\n");
    }

    #[test]
    fn allowed_headers_with_a_wildcard_are_told_as_they_were_asked_for() {
        for (names, credentials, want) in [
            (&["*"][..], false, Some("*")),
            (&["*", "Authorization"], false, Some("*, Authorization")),
            (&["*", "auth*"], false, Some("*, authorization")),
            (&["*"], true, Some("X-Amz-Date, x-other")),
            (&["*", "Authorization"], true, Some("Authorization, X-Amz-Date, x-other")),
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
        assert_eq!(apply(&policy, &request, &fields), "access-control-max-age: 5\n");
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

    #[test]
    fn security_headers_have_their_standard_values() {
        let policy = compile(json!({"SecurityHeadersConfig": {
            "ContentSecurityPolicy":
                {"Override": true, "ContentSecurityPolicy": "default-src 'self'"},
            "ContentTypeOptions": {"Override": true},
            "FrameOptions": {"Override": true, "FrameOption": "DENY"},
            "ReferrerPolicy": {"Override": false, "ReferrerPolicy": "no-referrer"},
            "StrictTransportSecurity": {"Override": false, "AccessControlMaxAgeSec": 5,
                "IncludeSubdomains": true, "Preload": true},
            "XSSProtection": {"Override": true, "Protection": true, "ModeBlock": true},
        }}));
        let fields = [("referrer-policy", "origin"), ("x-frame-options", "SAMEORIGIN")];
        assert_eq!(
            apply(&policy, &request("GET", &[]), &fields),
            "referrer-policy: origin\n\
             Content-Security-Policy: default-src 'self'\n\
             X-Content-Type-Options: nosniff\n\
             X-Frame-Options: DENY\n\
             Strict-Transport-Security: max-age=5; includeSubDomains; preload\n\
             X-XSS-Protection: 1; mode=block\n"
        );
    }

    #[test]
    fn xss_protection_has_four_forms() {
        for (protection, block, report, want) in [
            (false, None, None, Some("0")),
            (true, None, None, Some("1")),
            (true, Some(true), None, Some("1; mode=block")),
            (true, Some(false), Some("https://r/"), Some("1; report=https://r/")),
            (true, Some(true), Some("https://r/"), None),
            (false, Some(true), None, None),
        ] {
            let value = xss_protection(&ResponseHeadersPolicyXSSProtection {
                r#override: true,
                protection,
                mode_block: block,
                report_uri: report.map(str::to_owned),
            });
            assert_eq!(value.ok().as_deref(), want);
        }
    }

    #[test]
    fn custom_headers_override_or_give_way() {
        let policy = compile(json!({"CustomHeadersConfig": custom(&[
            ("Cache-Control", "no-store", true), ("X-A", "policy", false), ("X-Empty", "", false),
        ])}));
        let fields = [("cache-control", "max-age=5"), ("x-a", "origin"), ("X-A", "twice")];
        assert_eq!(
            apply(&policy, &request("GET", &[]), &fields),
            "x-a: origin\nX-A: twice\nCache-Control: no-store\nX-Empty: \n"
        );
    }

    #[test]
    fn what_is_removed_and_added_is_there_once() {
        let policy = compile(json!({
            "CustomHeadersConfig": custom(&[("X-A", "policy", false)]),
            "RemoveHeadersConfig": removals(&["x-a", "X-Powered-By"]),
        }));
        let fields = [("X-A", "origin"), ("x-powered-by", "y"), ("B", "1")];
        assert_eq!(apply(&policy, &request("GET", &[]), &fields), "B: 1\nX-A: policy\n");
    }

    #[test]
    fn a_removed_server_is_replaced_and_a_removed_date_stays() {
        let policy = compile(json!({"RemoveHeadersConfig": removals(&["Server", "Date"])}));
        let fields = [("Server", "nginx"), ("Date", "x")];
        assert_eq!(apply(&policy, &request("GET", &[]), &fields), "Date: x\nServer: Warmfront\n");
        let policy = compile(json!({
            "RemoveHeadersConfig": removals(&["server"]),
            "CustomHeadersConfig": custom(&[("Server", "mine", false)]),
        }));
        assert_eq!(apply(&policy, &request("GET", &[]), &fields), "Date: x\nServer: mine\n");
    }

    #[test]
    fn what_a_policy_cannot_do_is_refused_with_its_place() {
        let hsts = json!({"Override": true, "AccessControlMaxAgeSec": -1});
        let csp = json!({"Override": true, "ContentSecurityPolicy": "x".repeat(1_784)});
        let with_cors = |headers| {
            let mut config = cors(json!({}));
            config["CustomHeadersConfig"] = headers;
            config
        };
        for (config, want) in [
            (
                json!({"RemoveHeadersConfig": removals(&["A", "X-Amz-Cf-Pop"])}),
                "RemoveHeadersConfig.Items[1].Header: X-Amz-Cf-Pop cannot be removed",
            ),
            (
                json!({"RemoveHeadersConfig": removals(&["a b"])}),
                "RemoveHeadersConfig.Items[0].Header: 'a b' is no header name",
            ),
            (
                json!({"CustomHeadersConfig": custom(&[("Content-Length", "0", true)])}),
                "CustomHeadersConfig.Items[0].Header: Content-Length belongs to the edge",
            ),
            (
                json!({"CustomHeadersConfig": custom(&[("A", "0", true), ("a", "1", true)])}),
                "CustomHeadersConfig.Items[1].Header: a is in the policy twice",
            ),
            (
                json!({"CustomHeadersConfig": custom(&[("A", "0\r\nB: 1", true)])}),
                "CustomHeadersConfig.Items[0].Value: has a control character",
            ),
            (
                with_cors(custom(&[("Access-Control-Max-Age", "0", true)])),
                "CustomHeadersConfig.Items[0].Header: Access-Control-Max-Age belongs to CorsConfig",
            ),
            (
                json!({"SecurityHeadersConfig": {"StrictTransportSecurity": hsts}}),
                "SecurityHeadersConfig.StrictTransportSecurity.AccessControlMaxAgeSec: \
                 -1 is negative",
            ),
            (
                json!({"SecurityHeadersConfig": {"ContentSecurityPolicy": csp}}),
                "SecurityHeadersConfig.ContentSecurityPolicy.ContentSecurityPolicy: \
                 1784 bytes, and 1783 are allowed",
            ),
            (
                json!({"ServerTimingHeadersConfig": {"Enabled": true, "SamplingRate": 100.5}}),
                "ServerTimingHeadersConfig.SamplingRate: 100.5 is not between 0 and 100",
            ),
            (
                cors(json!({"AccessControlMaxAgeSec": -5})),
                "CorsConfig.AccessControlMaxAgeSec: -5 is negative",
            ),
        ] {
            assert_eq!(try_compile(config).unwrap_err(), want);
        }
    }

    #[test]
    fn server_timing_is_sampled_and_can_be_forced() {
        let timing = |enabled: bool, rate: Value| {
            let config = json!({"Enabled": enabled, "SamplingRate": rate});
            compile(json!({"ServerTimingHeadersConfig": config})).server_timing
        };
        let plain = request("GET", &[]);
        assert_eq!(timing(false, json!(100.0)), None);
        assert!(timing(true, json!(100.0)).unwrap().should_send(&plain, u32::MAX));
        let half = timing(true, json!(50.0)).unwrap();
        assert!(half.should_send(&plain, (1 << 31) - 1) && !half.should_send(&plain, 1 << 31));
        let never = timing(true, json!(0.0)).unwrap();
        assert!(!never.should_send(&plain, 0));
        let forced = request("GET", &[("Pragma", "no-cache, Server-Timing")]);
        assert!(never.should_send(&forced, u32::MAX));
    }

    #[test]
    fn the_managed_policies_compile() {
        let all: Vec<_> = crate::site::managed::response_headers().collect();
        assert_eq!(all.len(), 5);
        for (id, config) in all {
            ResponseHeaders::compile(&config).expect(id);
        }
    }

    proptest! {
        #[test]
        fn an_overridden_header_is_there_exactly_once(
            sent in prop::collection::vec("[abAB]|Server|vary|access-control-max-age", 0..8),
            ours in prop::collection::vec(("[abc]|vary", any::<bool>()), 0..4),
            gone in prop::collection::vec("[abcd]|server|Vary", 0..3),
            with_cors: bool, overrides: bool, origin in "https://[ab]\\.example|null",
        ) {
            let mut config = match with_cors {
                true => cors(json!({"OriginOverride": overrides})),
                false => json!({}),
            };
            let mut ours = ours;
            ours.sort();
            ours.dedup_by(|a, b| a.0 == b.0);
            let headers: Vec<_> = ours.iter().map(|(n, o)| (n.as_str(), "ours", *o)).collect();
            config["CustomHeadersConfig"] = custom(&headers);
            let removed: Vec<_> = gone.iter().map(String::as_str).collect();
            config["RemoveHeadersConfig"] = removals(&removed);
            let mut fields: Fields = sent.iter().map(|name| (name, "sent")).collect();
            compile(config).apply(&request("GET", &[("Origin", &origin)]), &mut fields);

            for (name, overrides) in &ours {
                let values: Vec<_> = fields.get_all(name).collect();
                let is_removed = gone.iter().any(|other| other.eq_ignore_ascii_case(name));
                if *overrides || is_removed {
                    prop_assert_eq!(values.len(), 1, "{}", name);
                    prop_assert!(values[0].starts_with(b"ours"));
                } else {
                    prop_assert!(!values.is_empty());
                    prop_assert!(values.contains(&&b"sent"[..]) == values.iter().all(|v| !v.starts_with(b"ours")));
                }
            }
            for name in &gone {
                prop_assert!(fields.get_all(name).all(|value| value != b"sent"), "{}", name);
            }
            prop_assert!(fields.get_all("access-control-allow-origin").count() <= 1);
        }
    }
}
