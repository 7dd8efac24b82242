//! Response headers policies (spec §11): what the edge removes from a response and adds to it on
//! the way to the viewer. Compiled once per site; [`ResponseHeaders::apply`] runs on every
//! response, hits included, and allocates only when the head outgrows its buffer.

mod cors;

use message::{Fields, Known, RequestHead, list_items};
use shapes::cloudfront::{
    ResponseHeadersPolicyConfig, ResponseHeadersPolicySecurityHeadersConfig,
    ResponseHeadersPolicyServerTimingHeadersConfig, ResponseHeadersPolicyXSSProtection,
};

use cors::{Cors, is_cors};

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
                Action::Set(value) => {
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
            let same = |rule: &&mut Rule| rule.name.eq_ignore_ascii_case(name.as_bytes());
            match self.rules.iter_mut().find(same) {
                // What is removed and added is there afterwards, and only once.
                Some(rule) => {
                    let action = std::mem::replace(&mut rule.action, Action::Remove);
                    rule.action = match action {
                        Action::Set(value) | Action::Offer(value) => Action::Set(value),
                        Action::Remove => Action::Remove,
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
    pub(super) fn compile(
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

    pub(super) fn try_compile(config: Value) -> Result<ResponseHeaders, String> {
        let mut document = json!({"Name": "test"});
        for (member, value) in config.as_object().unwrap() {
            document[member] = value.clone();
        }
        ResponseHeaders::compile(&shapes::from_value(&document).expect("a policy's shape"))
    }

    pub(super) fn compile(config: Value) -> ResponseHeaders {
        try_compile(config).unwrap()
    }

    pub(super) fn request(method: &str, fields: &[(&str, &str)]) -> RequestHead {
        let mut head = RequestHead::default();
        head.start(method.as_bytes(), b"/", Version::Http11);
        for (name, value) in fields {
            head.push(name.as_bytes(), value.as_bytes());
        }
        head
    }

    pub(super) fn apply(
        policy: &ResponseHeaders,
        request: &RequestHead,
        fields: &[(&str, &str)],
    ) -> String {
        let mut fields: Fields = fields.iter().copied().collect();
        policy.apply(request, &mut fields);
        String::from_utf8(fields.as_wire().to_vec())
            .unwrap()
            .replace("\r\n", "\n")
    }

    pub(super) fn cors(members: Value) -> Value {
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

    pub(super) fn list(items: &[&str]) -> Value {
        json!({"Quantity": items.len(), "Items": items})
    }

    pub(super) fn custom(headers: &[(&str, &str, bool)]) -> Value {
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
        let fields = [
            ("referrer-policy", "origin"),
            ("x-frame-options", "SAMEORIGIN"),
        ];
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
            (
                true,
                Some(false),
                Some("https://r/"),
                Some("1; report=https://r/"),
            ),
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
        let fields = [
            ("cache-control", "max-age=5"),
            ("x-a", "origin"),
            ("X-A", "twice"),
        ];
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
        assert_eq!(
            apply(&policy, &request("GET", &[]), &fields),
            "B: 1\nX-A: policy\n"
        );
    }

    #[test]
    fn a_removed_server_is_replaced_and_a_removed_date_stays() {
        let policy = compile(json!({"RemoveHeadersConfig": removals(&["Server", "Date"])}));
        let fields = [("Server", "nginx"), ("Date", "x")];
        assert_eq!(
            apply(&policy, &request("GET", &[]), &fields),
            "Date: x\nServer: Warmfront\n"
        );
        let policy = compile(json!({
            "RemoveHeadersConfig": removals(&["server"]),
            "CustomHeadersConfig": custom(&[("Server", "mine", false)]),
        }));
        assert_eq!(
            apply(&policy, &request("GET", &[]), &fields),
            "Date: x\nServer: mine\n"
        );
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
        assert!(
            timing(true, json!(100.0))
                .unwrap()
                .should_send(&plain, u32::MAX)
        );
        let half = timing(true, json!(50.0)).unwrap();
        assert!(half.should_send(&plain, (1 << 31) - 1) && !half.should_send(&plain, 1 << 31));
        let never = timing(true, json!(0.0)).unwrap();
        assert!(!never.should_send(&plain, 0));
        let forced = request("GET", &[("Pragma", "no-cache, Server-Timing")]);
        assert!(never.should_send(&forced, u32::MAX));
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
                    let has_ours = values.iter().any(|value| value.starts_with(b"ours"));
                    prop_assert_ne!(has_ours, values.contains(&&b"sent"[..]));
                }
            }
            for name in &gone {
                prop_assert!(fields.get_all(name).all(|value| value != b"sent"), "{}", name);
            }
            prop_assert!(fields.get_all("access-control-allow-origin").count() <= 1);
        }
    }
}
