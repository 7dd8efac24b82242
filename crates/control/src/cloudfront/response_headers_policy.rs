//! Response headers policies (spec §11.1–11.4).

use std::collections::HashSet;

use documents::{keys, managed};
use shapes::cloudfront::{
    ResponseHeadersPolicyConfig, ResponseHeadersPolicyCorsConfig,
    ResponseHeadersPolicySecurityHeadersConfig, ResponseHeadersPolicyServerTimingHeadersConfig,
    ResponseHeadersPolicyXSSProtection, error,
};

use super::family::{self, Claim, Family, User, invalid, named_by_behaviors};
use super::name_lists::{self, is_token};
use crate::error::Failure;
use crate::ids::IdForm;
use crate::resource::Kind;
use crate::service::{Entry, served};

pub(super) const KIND: Kind = Kind {
    noun: "response headers policy",
    collection: keys::RESPONSE_HEADERS_POLICY,
    id: IdForm::Uuid,
    cfn_type: "AWS::CloudFront::ResponseHeadersPolicy",
    missing: &error::NO_SUCH_RESPONSE_HEADERS_POLICY,
};

static FAMILY: Family<ResponseHeadersPolicyConfig> = Family {
    kind: &KIND,
    claims: &[Claim {
        kind: "name/response-headers-policy",
        member: "Name",
        what: |config| &config.name,
    }],
    taken: &error::RESPONSE_HEADERS_POLICY_ALREADY_EXISTS,
    is_repeatable: false,
    quota: (20, &error::TOO_MANY_RESPONSE_HEADERS_POLICIES),
    check,
    check_change: family::all_may_change,
    needs: family::nothing_needed,
    users: &[User {
        collection: keys::DISTRIBUTION,
        noun: "distribution",
        names: |config| named_by_behaviors(config, "ResponseHeadersPolicyId"),
    }],
    in_use: &error::RESPONSE_HEADERS_POLICY_IN_USE,
    facts: family::no_facts,
    managed: || managed::response_headers().collect(),
};

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreateResponseHeadersPolicy", |call| {
        Box::pin(FAMILY.create(call))
    }),
    served("GetResponseHeadersPolicy", |call| {
        Box::pin(FAMILY.get(call))
    }),
    served("GetResponseHeadersPolicyConfig", |call| {
        Box::pin(FAMILY.get(call))
    }),
    served("UpdateResponseHeadersPolicy", |call| {
        Box::pin(FAMILY.update(call))
    }),
    served("DeleteResponseHeadersPolicy", |call| {
        Box::pin(FAMILY.delete(call))
    }),
    served("ListResponseHeadersPolicies", |call| {
        Box::pin(FAMILY.list(call))
    }),
];

/// Most custom headers of a policy (spec §1.4).
const CUSTOM_HEADERS_MAX: usize = 10;
/// Most headers that a policy removes.
const REMOVE_HEADERS_MAX: usize = 10;
/// Longest content security policy.
const CSP_BYTES_MAX: usize = 1_783;
/// Longest list of allowed origins, without the commas.
const ALLOW_ORIGINS_BYTES_MAX: usize = 1_783;
/// Most bytes of one header's value.
const VALUE_BYTES_MAX: usize = 1_783;

/// Headers that a policy cannot remove; `-*` at the end stands for a family (spec §11.3).
#[rustfmt::skip]
const NOT_REMOVABLE: &[&str] = &[
    "connection", "content-encoding", "content-length", "expect", "host", "keep-alive",
    "proxy-authenticate", "proxy-authorization", "proxy-connection", "trailer",
    "transfer-encoding", "upgrade", "via", "warning", "x-accel-buffering", "x-accel-charset",
    "x-accel-limit-rate", "x-accel-redirect", "x-amz-cf-*", "x-amzn-auth", "x-amzn-cf-billing",
    "x-amzn-cf-id", "x-amzn-cf-xff", "x-amzn-errortype", "x-amzn-fle-profile",
    "x-amzn-header-count", "x-amzn-header-order", "x-amzn-lambda-integration-tag",
    "x-amzn-requestid", "x-cache", "x-edge-*", "x-forwarded-proto", "x-real-ip",
];

/// Headers that a policy cannot add: they frame the message, or are the edge's own.
#[rustfmt::skip]
const NOT_ADDABLE: &[&str] = &[
    "connection", "content-encoding", "content-length", "keep-alive", "proxy-connection",
    "trailer", "transfer-encoding", "upgrade", "via", "x-amz-cf-*", "x-cache", "x-edge-*",
];

/// Headers that `CorsConfig` sets.
const CORS: &[&str] = &[
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
];

/// Headers that `SecurityHeadersConfig` sets.
const SECURITY: &[&str] = &[
    "content-security-policy",
    "referrer-policy",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "x-xss-protection",
];

/// Refuses all that edges refuse when they compile a policy, and more.
fn check(config: &ResponseHeadersPolicyConfig) -> Result<(), Failure> {
    name_lists::check_policy(&config.name, config.comment.as_deref())?;
    let is_empty = config.cors_config.is_none()
        && config.security_headers_config.is_none()
        && config.server_timing_headers_config.is_none()
        && config.custom_headers_config.is_none()
        && config.remove_headers_config.is_none();
    if is_empty {
        return Err(invalid(
            "ResponseHeadersPolicyConfig",
            "says nothing; at least one of CorsConfig, SecurityHeadersConfig, \
             ServerTimingHeadersConfig, CustomHeadersConfig and RemoveHeadersConfig is needed",
        ));
    }
    if let Some(cors) = &config.cors_config {
        check_cors(cors)?;
    }
    if let Some(security) = &config.security_headers_config {
        check_security(security)?;
    }
    if let Some(timing) = &config.server_timing_headers_config {
        check_timing(timing)?;
    }
    check_custom(config)?;
    check_removals(config)
}

fn check_cors(cors: &ResponseHeadersPolicyCorsConfig) -> Result<(), Failure> {
    let at = |member: &str| format!("CorsConfig.{member}");
    let origins = cors.access_control_allow_origins.items();
    let path = at("AccessControlAllowOrigins.Items");
    if origins.is_empty() {
        return Err(invalid(
            path,
            "is empty; at least one origin, or *, is needed",
        ));
    }
    let bytes: usize = origins.iter().map(String::len).sum();
    if bytes > ALLOW_ORIGINS_BYTES_MAX {
        let message = format!("has {bytes} bytes in all; {ALLOW_ORIGINS_BYTES_MAX} are allowed");
        return Err(invalid(path, message));
    }
    for (index, origin) in origins.iter().enumerate() {
        if origin != "*" && !is_origin(origin) {
            return Err(invalid(
                format!("{path}[{index}]"),
                format!(
                    "'{origin}' is no origin; a * may stand for a whole origin, for the first \
                     labels of a host, or in a port"
                ),
            ));
        }
    }
    refuse_twice(&path, origins.iter().map(String::as_str))?;
    let exposed = cors.access_control_expose_headers.as_ref();
    let headers = [
        (
            at("AccessControlAllowHeaders.Items"),
            cors.access_control_allow_headers.items(),
        ),
        (
            at("AccessControlExposeHeaders.Items"),
            exposed.map_or(&[][..], |list| list.items()),
        ),
    ];
    for (path, names) in headers {
        for (index, name) in names.iter().enumerate() {
            check_header(&format!("{path}[{index}]"), name)?;
        }
        refuse_twice(&path, names.iter().map(String::as_str))?;
    }
    let methods = cors.access_control_allow_methods.items().iter();
    refuse_twice(
        &at("AccessControlAllowMethods.Items"),
        methods.map(|method| method.as_str()),
    )?;
    check_age(
        &at("AccessControlMaxAgeSec"),
        cors.access_control_max_age_sec,
    )
}

/// Whether a pattern of origins is one of spec §11.2: `[scheme://]host[:port]`, where the host may
/// be `*` or begin with `*.`, and the port may have `*`.
fn is_origin(text: &str) -> bool {
    let (scheme, authority) = text.split_once("://").unwrap_or(("http", text));
    let is_scheme = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    let host_end = match authority.strip_prefix('[') {
        Some(_) => authority.find(']').map(|end| end + 1),
        None => Some(authority.find(':').unwrap_or(authority.len())),
    };
    let Some((host, rest)) = host_end.and_then(|end| authority.split_at_checked(end)) else {
        return false;
    };
    let is_port = |port: &str| {
        let is_digit = |b: u8| b.is_ascii_digit() || b == b'*';
        (1..=5).contains(&port.len()) && port.bytes().all(is_digit)
    };
    !scheme.is_empty()
        && scheme.bytes().all(is_scheme)
        && (host == "*" || is_host(host.strip_prefix("*.").unwrap_or(host)))
        && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').unwrap_or_default();
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_name);
    host.len() <= 253 && host.split('.').all(is_label)
}

fn check_security(config: &ResponseHeadersPolicySecurityHeadersConfig) -> Result<(), Failure> {
    let at = |member: &str| format!("SecurityHeadersConfig.{member}");
    if let Some(csp) = &config.content_security_policy {
        let value = csp.content_security_policy.as_str();
        let path = at("ContentSecurityPolicy.ContentSecurityPolicy");
        if value.len() > CSP_BYTES_MAX {
            let message = format!(
                "{path}: has {} bytes; {CSP_BYTES_MAX} are allowed",
                value.len()
            );
            return Err(Failure::api(
                &error::TOO_LONG_CSP_IN_RESPONSE_HEADERS_POLICY,
                message,
            ));
        }
        if value.trim().is_empty() {
            return Err(invalid(path, "is empty"));
        }
        check_value(&path, value)?;
    }
    if let Some(hsts) = &config.strict_transport_security {
        let path = at("StrictTransportSecurity.AccessControlMaxAgeSec");
        check_age(&path, Some(hsts.access_control_max_age_sec))?;
    }
    match &config.xss_protection {
        Some(xss) => check_xss(&at("XSSProtection"), xss),
        None => Ok(()),
    }
}

fn check_xss(path: &str, xss: &ResponseHeadersPolicyXSSProtection) -> Result<(), Failure> {
    let blocks = xss.mode_block == Some(true);
    let report = xss.report_uri.as_deref().filter(|uri| !uri.is_empty());
    if blocks && report.is_some() {
        return Err(invalid(path, "ModeBlock and ReportUri exclude each other"));
    }
    if !xss.protection && (blocks || report.is_some()) {
        return Err(invalid(path, "ModeBlock and ReportUri need Protection"));
    }
    match report {
        Some(uri) => check_value(&format!("{path}.ReportUri"), uri),
        None => Ok(()),
    }
}

fn check_timing(timing: &ResponseHeadersPolicyServerTimingHeadersConfig) -> Result<(), Failure> {
    let rate = timing.sampling_rate.unwrap_or(0.0);
    // Four decimals, as doubles have them.
    let ten_thousandths = rate * 10_000.0;
    let has_four_decimals = (ten_thousandths - ten_thousandths.round()).abs() < 1e-6;
    match (0.0..=100.0).contains(&rate) && has_four_decimals {
        true => Ok(()),
        false => Err(invalid(
            "ServerTimingHeadersConfig.SamplingRate",
            format!("is {rate}; allowed is 0 to 100 with up to four decimals"),
        )),
    }
}

fn check_custom(config: &ResponseHeadersPolicyConfig) -> Result<(), Failure> {
    let list = config.custom_headers_config.as_ref();
    let headers = list.map_or(&[][..], |list| list.items());
    let path = "CustomHeadersConfig.Items";
    if headers.len() > CUSTOM_HEADERS_MAX {
        return Err(Failure::api(
            &error::TOO_MANY_CUSTOM_HEADERS_IN_RESPONSE_HEADERS_POLICY,
            format!(
                "{path} has {} headers; {CUSTOM_HEADERS_MAX} are allowed.",
                headers.len()
            ),
        ));
    }
    for (index, header) in headers.iter().enumerate() {
        let name = header.header.as_str();
        let at = format!("{path}[{index}].Header");
        check_header(&at, name)?;
        if is_listed(NOT_ADDABLE, name) {
            return Err(invalid(at, format!("{name} belongs to the edge")));
        }
        if is_listed(SECURITY, name) {
            let message = format!("{name} is a security header; SecurityHeadersConfig sets it");
            return Err(invalid(at, message));
        }
        if config.cors_config.is_some() && is_listed(CORS, name) {
            return Err(invalid(at, format!("{name} belongs to CorsConfig")));
        }
        check_value(&format!("{path}[{index}].Value"), &header.value)?;
    }
    refuse_twice(path, headers.iter().map(|header| header.header.as_str()))
}

fn check_removals(config: &ResponseHeadersPolicyConfig) -> Result<(), Failure> {
    let list = config.remove_headers_config.as_ref();
    let headers = list.map_or(&[][..], |list| list.items());
    let path = "RemoveHeadersConfig.Items";
    if headers.len() > REMOVE_HEADERS_MAX {
        return Err(Failure::api(
            &error::TOO_MANY_REMOVE_HEADERS_IN_RESPONSE_HEADERS_POLICY,
            format!(
                "{path} has {} headers; {REMOVE_HEADERS_MAX} are allowed.",
                headers.len()
            ),
        ));
    }
    for (index, header) in headers.iter().enumerate() {
        let at = format!("{path}[{index}].Header");
        check_header(&at, &header.header)?;
        if is_listed(NOT_REMOVABLE, &header.header) {
            return Err(invalid(at, format!("{} cannot be removed", header.header)));
        }
    }
    refuse_twice(path, headers.iter().map(|header| header.header.as_str()))
}

fn check_header(path: &str, name: &str) -> Result<(), Failure> {
    match is_token(name) {
        true => Ok(()),
        false => Err(invalid(path, format!("'{name}' is no header name"))),
    }
}

fn check_value(path: &str, value: &str) -> Result<(), Failure> {
    if value.len() > VALUE_BYTES_MAX {
        let message = format!("has {} bytes; {VALUE_BYTES_MAX} are allowed", value.len());
        return Err(invalid(path, message));
    }
    let is_value = |b: u8| b == b'\t' || (b >= 0x20 && b != 0x7f);
    match value.bytes().all(is_value) {
        true => Ok(()),
        false => Err(invalid(path, "has a control character")),
    }
}

fn check_age(path: &str, age_secs: Option<i32>) -> Result<(), Failure> {
    match age_secs.filter(|secs| *secs < 0) {
        None => Ok(()),
        Some(secs) => Err(invalid(path, format!("{secs} is negative"))),
    }
}

/// Refuses a list that has something twice; letters' case makes no difference.
fn refuse_twice<'n>(path: &str, names: impl Iterator<Item = &'n str>) -> Result<(), Failure> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name.to_ascii_lowercase()) {
            return Err(invalid(path, format!("'{name}' is listed twice")));
        }
    }
    Ok(())
}

fn is_listed(list: &[&str], name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    list.iter().any(|entry| match entry.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == *entry,
    })
}
