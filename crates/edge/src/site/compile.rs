//! A `DistributionConfig` and the policies it names, compiled into a [`Site`].

use std::sync::Arc;

use cache::freshness::TtlBounds;
use documents::distribution::{RESERVED_ORIGIN_FIELDS, as_behavior};
use documents::tls::certificate_id;
use message::{Method, MethodSet};
use origin::group::FailoverRule;
use origin::{AddressFamily, OriginSpec, TlsVersion};
use shapes::ShapeError;
use shapes::cloudfront as cf;

use super::origin_access;
use super::rules::{self, Rules};
use super::{
    Behavior, BehaviorNames, Deployment, ErrorPage, ErrorRule, GeoRule, Logging, Origin,
    OriginAccess, OriginProtocol, PathPattern, Policies, Site, SiteTls, Target, ViewerProtocol,
};
use crate::generated::Generated;
use crate::response_headers::ResponseHeaders;

/// Compiles a distribution, or says of every field that is wrong what is there and what is
/// allowed. The operator's fault, always.
pub fn compile(
    id: &str,
    domain: &str,
    config: &cf::DistributionConfig,
    policies: &Policies,
) -> Result<Site, Vec<ShapeError>> {
    compile_as(id, id, domain, config, policies)
}

/// Compiles a tenant of that id from what it makes of its template. Origins know its requests as
/// those of the template, `distribution`.
pub fn compile_tenant(
    id: &str,
    distribution: &str,
    config: &cf::DistributionConfig,
    policies: &Policies,
) -> Result<Site, Vec<ShapeError>> {
    compile_as(id, distribution, "", config, policies)
}

fn compile_as(
    id: &str,
    distribution: &str,
    domain: &str,
    config: &cf::DistributionConfig,
    policies: &Policies,
) -> Result<Site, Vec<ShapeError>> {
    let mut compiler = Compiler {
        distribution,
        config,
        policies,
        errors: Vec::new(),
    };
    let aliases = compiler.aliases();
    let default_root_path = compiler.default_root_path();
    let origins = compiler.origins();
    let groups = compiler.groups();
    let behaviors = compiler.behaviors(&groups);
    let errors = compiler.error_rules();
    let geo = compiler.geo();
    let cache_tag = compiler.cache_tag();
    let deployment = compiler.deployment();
    let tls = compiler.tls();
    if !compiler.errors.is_empty() {
        return Err(compiler.errors);
    }
    let tls = tls.expect("what has no errors has all its parts");
    let logging = config
        .logging
        .as_ref()
        .filter(|logging| logging.enabled == Some(true));
    Ok(Site {
        id: id.to_owned(),
        scope: scope_of(id),
        domain: domain.to_ascii_lowercase(),
        aliases,
        enabled: config.enabled,
        default_root_path,
        origins,
        behaviors,
        errors,
        geo,
        cache_tag,
        deployment,
        is_staging: config.staging == Some(true),
        tls,
        logging: logging.map(|logging| Logging {
            prefix: logging.prefix.clone().unwrap_or_default(),
            include_cookies: logging.include_cookies.unwrap_or(false),
        }),
    })
}

/// FNV-1a of the id: the same at every start, and only a filter (a ban compares paths as well).
pub(crate) fn scope_of(id: &str) -> u32 {
    id.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

struct Compiler<'a> {
    /// The id that origins know the site by.
    distribution: &'a str,
    config: &'a cf::DistributionConfig,
    policies: &'a Policies,
    errors: Vec<ShapeError>,
}

impl Compiler<'_> {
    fn error(&mut self, path: impl AsRef<str>, message: impl Into<String>) {
        let path = format!("DistributionConfig.{}", path.as_ref());
        self.errors.push(ShapeError {
            path,
            message: message.into(),
        });
    }

    fn aliases(&mut self) -> Vec<String> {
        let items = self
            .config
            .aliases
            .as_ref()
            .and_then(|aliases| aliases.items.clone());
        let aliases = items.unwrap_or_default();
        for (index, alias) in aliases.iter().enumerate() {
            let name = alias.strip_prefix("*.").unwrap_or(alias);
            let is_name = !name.is_empty()
                && alias.len() <= 253
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
            if !is_name {
                let message = format!("'{alias}' is no host name; a wildcard is '*.' and a name");
                self.error(format!("Aliases.Items[{index}]"), message);
            }
        }
        aliases
            .iter()
            .map(|alias| alias.to_ascii_lowercase())
            .collect()
    }

    fn deployment(&mut self) -> Option<Deployment> {
        let id = self.config.continuous_deployment_policy_id.as_deref()?;
        let policy = self.policies.deployment(id).filter(|_| !id.is_empty())?;
        Deployment::new(policy)
    }

    fn tls(&mut self) -> Option<SiteTls> {
        match super::tls::compile(self.config) {
            Ok(tls) => Some(tls),
            Err((member, message)) => {
                self.error(member, message);
                None
            }
        }
    }

    fn cache_tag(&mut self) -> Option<String> {
        let name = &self.config.cache_tag_config.as_ref()?.header_name;
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || name.len() > 256 || !name.bytes().all(is_token) {
            let message = format!("'{name}' is no header name of at most 256 characters");
            self.error("CacheTagConfig.HeaderName", message);
        }
        Some(name.to_ascii_lowercase())
    }

    fn default_root_path(&mut self) -> String {
        let object = self.config.default_root_object.clone().unwrap_or_default();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.*$/~\"'&".contains(c);
        if object.starts_with('/') || object.len() > 255 || !object.chars().all(allowed) {
            let message = format!(
                "'{object}' is no object name: up to 255 of A-Z a-z 0-9 _ - . * $ / ~ \" ' &, without a leading '/'"
            );
            self.error("DefaultRootObject", message);
        }
        if object.is_empty() {
            object
        } else {
            format!("/{object}")
        }
    }

    fn origins(&mut self) -> Vec<Origin> {
        let items = &self.config.origins.items;
        if items.is_empty() {
            self.error(
                "Origins.Items",
                "is empty; a distribution needs at least one origin",
            );
        }
        for (index, origin) in items.iter().enumerate() {
            if items[..index].iter().any(|other| other.id == origin.id) {
                let message = format!("'{}' is the id of an earlier origin too", origin.id);
                self.error(format!("Origins.Items[{index}].Id"), message);
            }
        }
        items
            .iter()
            .enumerate()
            .map(|(index, origin)| self.origin(index, origin))
            .collect()
    }

    fn origin(&mut self, index: usize, origin: &cf::Origin) -> Origin {
        let at = |field: &str| format!("Origins.Items[{index}].{field}");
        let path_prefix = origin.origin_path.clone().unwrap_or_default();
        if !path_prefix.is_empty() && (!path_prefix.starts_with('/') || path_prefix.ends_with('/'))
        {
            let message = format!("'{path_prefix}' must start with '/' and not end with one");
            self.error(at("OriginPath"), message);
        }
        let custom = origin.custom_origin_config.as_ref();
        let host = origin.domain_name.to_ascii_lowercase();
        let is_host = !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
            && (host.starts_with('[') || !host.contains(':'));
        if !is_host {
            let message = format!("'{host}' is no host name; no scheme, port or path belongs here");
            self.error(at("DomainName"), message);
        }
        let mut spec = OriginSpec::new(&origin.id, &host);
        let protocol = self.origin_kind(index, origin, &mut spec);
        self.connection(index, origin, &mut spec);
        let host_field = |port: u16, usual: u16| match port == usual {
            true => origin.domain_name.clone(),
            false => format!("{}:{port}", origin.domain_name),
        };
        let access = self.access(index, origin);
        let mut compiled = Origin {
            path_prefix,
            protocol,
            host_fields: [
                host_field(spec.http_port, 80),
                host_field(spec.https_port, 443),
            ],
            custom_fields: self.custom_fields(index, origin),
            client_certificate: custom
                .and_then(|custom| custom.origin_mtls_config.as_ref())
                .and_then(|mtls| certificate_id(&mtls.client_certificate_arn)),
            is_s3: origin.s3_origin_config.is_some(),
            keeps_host: access.is_some(),
            access,
            spec,
        };
        if let Some(bucket) = origin_access::bucket(origin, &self.policies.private)
            && let Err(message) = origin_access::lead(bucket, &mut compiled)
        {
            self.error(at("DomainName"), message);
        }
        compiled
    }

    fn access(&mut self, index: usize, origin: &cf::Origin) -> Option<OriginAccess> {
        let private = &self.policies.private;
        match origin_access::compile(origin, private, self.distribution) {
            Ok(access) => access,
            Err((member, message)) => {
                self.error(format!("Origins.Items[{index}].{member}"), message);
                None
            }
        }
    }

    /// After `origin_kind`, which sets the read timeout that another is compared with.
    fn connection(&mut self, index: usize, origin: &cf::Origin, spec: &mut OriginSpec) {
        let at = |field: &str| format!("Origins.Items[{index}].{field}");
        let attempts = origin.connection_attempts.unwrap_or(3);
        spec.connection_attempts = self.bounded(at("ConnectionAttempts"), attempts, 1, 3) as u8;
        let timeout = origin.connection_timeout.unwrap_or(10);
        spec.connection_timeout_ms =
            self.bounded(at("ConnectionTimeout"), timeout, 1, 10) as u32 * 1_000;
        if let Some(secs) = origin.response_completion_timeout.filter(|secs| *secs != 0) {
            let secs = self.bounded(at("ResponseCompletionTimeout"), secs, 1, 3_600);
            if (secs as u32) * 1_000 < spec.read_timeout_ms {
                let message = format!("{secs} is less than the origin's read timeout");
                self.error(at("ResponseCompletionTimeout"), message);
            }
            spec.response_completion_timeout_ms = Some(secs as u32 * 1_000);
        }
    }

    /// Exactly one of the three kinds; sets ports and timeouts.
    fn origin_kind(
        &mut self,
        index: usize,
        origin: &cf::Origin,
        spec: &mut OriginSpec,
    ) -> OriginProtocol {
        let at = |field: &str| format!("Origins.Items[{index}].{field}");
        let kinds = [
            origin.s3_origin_config.is_some(),
            origin.custom_origin_config.is_some(),
            origin.vpc_origin_config.is_some(),
        ];
        if kinds.iter().filter(|is_there| **is_there).count() != 1 {
            let message =
                "needs exactly one of S3OriginConfig, CustomOriginConfig, VpcOriginConfig";
            self.error(format!("Origins.Items[{index}]"), message);
        }
        let mut timeouts = (30, 5);
        let mut protocol = OriginProtocol::MatchViewer;
        if let Some(custom) = &origin.custom_origin_config {
            spec.http_port = self.port(at("CustomOriginConfig.HTTPPort"), custom.http_port);
            spec.https_port = self.port(at("CustomOriginConfig.HTTPSPort"), custom.https_port);
            protocol = match custom.origin_protocol_policy {
                cf::OriginProtocolPolicy::HttpOnly => OriginProtocol::HttpOnly,
                cf::OriginProtocolPolicy::HttpsOnly => OriginProtocol::HttpsOnly,
                cf::OriginProtocolPolicy::MatchViewer => OriginProtocol::MatchViewer,
            };
            timeouts.0 = custom.origin_read_timeout.unwrap_or(30);
            timeouts.1 = custom.origin_keepalive_timeout.unwrap_or(5);
            // What rustls cannot speak, older versions than 1.2, is raised to 1.2.
            spec.tls_minimum = TlsVersion::Tls12;
            spec.address_family = match custom.ip_address_type {
                Some(cf::IpAddressType::Ipv6) => AddressFamily::Ipv6,
                Some(cf::IpAddressType::Dualstack) => AddressFamily::DualStack,
                _ => AddressFamily::Ipv4,
            };
        }
        if let Some(s3) = &origin.s3_origin_config {
            timeouts.0 = s3.origin_read_timeout.unwrap_or(30);
        }
        if let Some(vpc) = &origin.vpc_origin_config {
            timeouts.0 = vpc.origin_read_timeout.unwrap_or(30);
            timeouts.1 = vpc.origin_keepalive_timeout.unwrap_or(5);
        }
        spec.read_timeout_ms =
            self.bounded(at("OriginReadTimeout"), timeouts.0, 1, 3_600) as u32 * 1_000;
        spec.keepalive_timeout_ms =
            self.bounded(at("OriginKeepaliveTimeout"), timeouts.1, 1, 3_600) as u32 * 1_000;
        protocol
    }

    fn bounded(&mut self, path: String, value: i32, min: i32, max: i32) -> i32 {
        if !(min..=max).contains(&value) {
            self.error(path, format!("{value} is not from {min} to {max}"));
        }
        value.clamp(min, max)
    }

    fn port(&mut self, path: String, port: i32) -> u16 {
        match u16::try_from(port) {
            Ok(port @ (80 | 443 | 1_024..)) => port,
            _ => {
                self.error(path, format!("{port} is not 80, 443 or from 1024 to 65535"));
                80
            }
        }
    }

    fn custom_fields(&mut self, index: usize, origin: &cf::Origin) -> Vec<(String, String)> {
        let items = origin
            .custom_headers
            .as_ref()
            .and_then(|headers| headers.items.as_ref());
        let mut fields = Vec::new();
        for (number, header) in items.into_iter().flatten().enumerate() {
            let name = header.header_name.to_ascii_lowercase();
            let is_reserved = RESERVED_ORIGIN_FIELDS.contains(&name.as_str())
                || name.starts_with("x-amz-")
                || name.starts_with("x-edge-");
            if is_reserved {
                let path =
                    format!("Origins.Items[{index}].CustomHeaders.Items[{number}].HeaderName");
                self.error(
                    path,
                    format!("'{}' is set by the edge alone", header.header_name),
                );
            }
            fields.push((header.header_name.clone(), header.header_value.clone()));
        }
        fields
    }

    /// Origin groups by id.
    fn groups(&mut self) -> Vec<(String, Target)> {
        let items = self
            .config
            .origin_groups
            .as_ref()
            .and_then(|groups| groups.items.as_ref());
        let mut groups = Vec::new();
        for (index, group) in items.into_iter().flatten().enumerate() {
            let mut members = Vec::new();
            for (number, member) in group.members.items.iter().enumerate() {
                match self
                    .config
                    .origins
                    .items
                    .iter()
                    .position(|o| o.id == member.origin_id)
                {
                    Some(origin) => members.push(origin),
                    None => {
                        let path =
                            format!("OriginGroups.Items[{index}].Members.Items[{number}].OriginId");
                        self.error(path, self.no_such_origin(&member.origin_id));
                    }
                }
            }
            if group.members.items.len() != 2 {
                let message = format!("has {} members; a group has 2", group.members.items.len());
                self.error(format!("OriginGroups.Items[{index}].Members"), message);
            }
            let statuses = &group.failover_criteria.status_codes.items;
            let known = [400, 403, 404, 416, 429, 500, 502, 503, 504];
            if let Some(wrong) = statuses.iter().find(|status| !known.contains(status)) {
                let path =
                    format!("OriginGroups.Items[{index}].FailoverCriteria.StatusCodes.Items");
                self.error(path, format!("{wrong} is not one of {known:?}"));
            }
            let statuses = statuses
                .iter()
                .filter_map(|s| u16::try_from(*s).ok())
                .collect();
            if !members.is_empty() {
                let failover = FailoverRule { statuses };
                groups.push((group.id.clone(), Target::Group { members, failover }));
            }
        }
        groups
    }

    fn no_such_origin(&self, id: &str) -> String {
        let ids: Vec<&str> = self
            .config
            .origins
            .items
            .iter()
            .map(|o| o.id.as_str())
            .collect();
        format!("'{id}' is not one of the origins: {}", ids.join(", "))
    }

    fn behaviors(&mut self, groups: &[(String, Target)]) -> Vec<Behavior> {
        let items = self
            .config
            .cache_behaviors
            .as_ref()
            .and_then(|b| b.items.as_ref());
        let mut behaviors = Vec::new();
        for (index, behavior) in items.into_iter().flatten().enumerate() {
            let at = format!("CacheBehaviors.Items[{index}]");
            match PathPattern::parse(&behavior.path_pattern) {
                Ok(pattern) => behaviors.extend(self.behavior(&at, pattern, behavior, groups)),
                Err(error) => self.error(format!("{at}.PathPattern"), error.to_string()),
            }
        }
        let default = as_behavior(self.config.default_cache_behavior.clone());
        let everything = PathPattern::everything();
        behaviors.extend(self.behavior("DefaultCacheBehavior", everything, &default, groups));
        behaviors
    }

    fn behavior(
        &mut self,
        at: &str,
        pattern: PathPattern,
        behavior: &cf::CacheBehavior,
        groups: &[(String, Target)],
    ) -> Option<Behavior> {
        let target = self.target(at, &behavior.target_origin_id, groups);
        let (methods, options_cached) = self.methods(at, behavior.allowed_methods.as_ref());
        let rules = self.rules(at, behavior, options_cached);
        let response_headers = self.response_headers(at, behavior);
        let (target, mut rules) = (target?, rules?);
        rules.forward.passes_certificates = self.passes_certificates();
        let signers = match super::signers::compile(behavior, self.policies) {
            Ok(signers) => signers,
            Err((member, message)) => {
                self.error(format!("{at}.{member}"), message);
                None
            }
        };
        let encryption = match super::encryption::compile(behavior, &self.policies.private) {
            Ok(encryption) => encryption,
            Err(message) => {
                self.error(format!("{at}.FieldLevelEncryptionId"), message);
                None
            }
        };
        if signers.is_some() {
            super::signers::strip(&mut rules);
        }
        Some(Behavior {
            pattern,
            target,
            viewer_protocol: match behavior.viewer_protocol_policy {
                // In the clear nobody shows a certificate (spec §14.5).
                cf::ViewerProtocolPolicy::AllowAll if self.config.viewer_mtls_config.is_some() => {
                    ViewerProtocol::HttpsOnly
                }
                cf::ViewerProtocolPolicy::AllowAll => ViewerProtocol::AllowAll,
                cf::ViewerProtocolPolicy::HttpsOnly => ViewerProtocol::HttpsOnly,
                cf::ViewerProtocolPolicy::RedirectToHttps => ViewerProtocol::RedirectToHttps,
            },
            methods,
            options_cached,
            key: rules.key,
            forward: rules.forward,
            ttl: rules.ttl,
            caching_disabled: rules.caching_disabled,
            compress: behavior.compress.unwrap_or(false),
            grpc: behavior
                .grpc_config
                .as_ref()
                .is_some_and(|grpc| grpc.enabled),
            response_headers,
            encryption,
            signers,
            names: self.names(behavior),
        })
    }

    fn passes_certificates(&self) -> bool {
        let mtls = self.config.viewer_mtls_config.as_ref();
        mtls.is_some_and(|mtls| mtls.mode == Some(cf::ViewerMtlsMode::Passthrough))
    }

    fn names(&self, behavior: &cf::CacheBehavior) -> BehaviorNames {
        let policies = self.policies;
        let cache = set(&behavior.cache_policy_id).and_then(|id| policies.cache(id));
        let origin_request =
            set(&behavior.origin_request_policy_id).and_then(|id| policies.origin_request(id));
        let response_headers =
            set(&behavior.response_headers_policy_id).and_then(|id| policies.response_headers(id));
        BehaviorNames {
            target: behavior.target_origin_id.clone(),
            cache_policy: cache.map(|policy| policy.name.clone()),
            origin_request_policy: origin_request.map(|policy| policy.name.clone()),
            response_headers_policy: response_headers.map(|policy| policy.name.clone()),
        }
    }

    fn target(&mut self, at: &str, id: &str, groups: &[(String, Target)]) -> Option<Target> {
        if let Some(index) = self
            .config
            .origins
            .items
            .iter()
            .position(|origin| origin.id == id)
        {
            return Some(Target::Origin(index));
        }
        let group = groups
            .iter()
            .find(|(group, _)| group == id)
            .map(|(_, target)| target.clone());
        if group.is_none() {
            let names: Vec<&str> = groups.iter().map(|(group, _)| group.as_str()).collect();
            let message = format!(
                "{} or origin groups: {}",
                self.no_such_origin(id),
                names.join(", ")
            );
            self.error(format!("{at}.TargetOriginId"), message);
        }
        group
    }

    fn methods(&mut self, at: &str, allowed: Option<&cf::AllowedMethods>) -> (MethodSet, bool) {
        let Some(allowed) = allowed else {
            return (MethodSet::of(&[Method::Get, Method::Head]), false);
        };
        let methods: Vec<Method> = allowed.items.iter().map(method_of).collect();
        let set = MethodSet::of(&methods);
        let two = [Method::Get, Method::Head];
        let three = [Method::Get, Method::Head, Method::Options];
        let is_full =
            set == MethodSet::of(&two) || set == MethodSet::of(&three) || methods.len() == 7;
        if !is_full {
            let message = "must be GET and HEAD; or these and OPTIONS; or all seven methods";
            self.error(format!("{at}.AllowedMethods.Items"), message);
        }
        let cached = allowed.cached_methods.as_ref();
        let options_cached = cached.is_some_and(|c| c.items.contains(&cf::Method::Options));
        if options_cached && !set.contains(Method::Options) {
            let message = "OPTIONS is cached but not allowed";
            self.error(format!("{at}.AllowedMethods.CachedMethods"), message);
        }
        (set, options_cached)
    }

    fn rules(
        &mut self,
        at: &str,
        behavior: &cf::CacheBehavior,
        options_cached: bool,
    ) -> Option<Rules> {
        let origin_request_id = set(&behavior.origin_request_policy_id);
        match (set(&behavior.cache_policy_id), &behavior.forwarded_values) {
            (Some(_), Some(_)) => {
                self.error(
                    format!("{at}.ForwardedValues"),
                    "cannot be used together with CachePolicyId: keep one of them",
                );
                None
            }
            (None, None) => {
                self.error(
                    at,
                    "needs CachePolicyId (or, in the legacy style, ForwardedValues)",
                );
                None
            }
            (None, Some(values)) => {
                if let Some(id) = origin_request_id {
                    let message = format!("'{id}' needs a CachePolicyId on the same behavior");
                    self.error(format!("{at}.OriginRequestPolicyId"), message);
                }
                let ttl = TtlBounds {
                    min_secs: rules::seconds(behavior.min_ttl, 0),
                    default_secs: rules::seconds(behavior.default_ttl, 86_400),
                    max_secs: rules::seconds(behavior.max_ttl, 31_536_000),
                };
                if ttl.min_secs > ttl.max_secs {
                    let message = format!("{} is more than MaxTTL {}", ttl.min_secs, ttl.max_secs);
                    self.error(format!("{at}.MinTTL"), message);
                }
                Some(rules::of_forwarded_values(values, ttl, options_cached))
            }
            (Some(id), None) => {
                let cache = self.cache_policy(at, id);
                let origin_request =
                    origin_request_id.and_then(|id| self.origin_request_policy(at, id));
                Some(rules::of_policies(
                    &cache?,
                    origin_request.as_ref(),
                    options_cached,
                ))
            }
        }
    }

    fn cache_policy(&mut self, at: &str, id: &str) -> Option<cf::CachePolicyConfig> {
        let Some(policy) = self.policies.cache(id).cloned() else {
            self.no_such_policy(&format!("{at}.CachePolicyId"), "cache policy", id);
            return None;
        };
        let parameters = policy
            .parameters_in_cache_key_and_forwarded_to_origin
            .as_ref();
        let names = parameters.and_then(|p| p.headers_config.headers.as_ref());
        for name in names
            .and_then(|names| names.items.as_ref())
            .into_iter()
            .flatten()
        {
            if Generated::from_name(name).is_some_and(|field| !field.is_keyable()) {
                let message = format!(
                    "cache policy '{id}' has '{name}' in the key; only an origin request policy may name it"
                );
                self.error(format!("{at}.CachePolicyId"), message);
            }
        }
        Some(policy)
    }

    fn origin_request_policy(
        &mut self,
        at: &str,
        id: &str,
    ) -> Option<cf::OriginRequestPolicyConfig> {
        let policy = self.policies.origin_request(id).cloned();
        if policy.is_none() {
            self.no_such_policy(
                &format!("{at}.OriginRequestPolicyId"),
                "origin request policy",
                id,
            );
        }
        policy
    }

    fn response_headers(
        &mut self,
        at: &str,
        behavior: &cf::CacheBehavior,
    ) -> Option<Arc<ResponseHeaders>> {
        let id = set(&behavior.response_headers_policy_id)?;
        let path = format!("{at}.ResponseHeadersPolicyId");
        let Some(policy) = self.policies.response_headers(id) else {
            self.no_such_policy(&path, "response headers policy", id);
            return None;
        };
        match ResponseHeaders::compile(policy) {
            Ok(compiled) => Some(Arc::new(compiled)),
            Err(message) => {
                self.error(path, format!("response headers policy '{id}': {message}"));
                None
            }
        }
    }

    fn no_such_policy(&mut self, path: &str, kind: &str, id: &str) {
        let message = format!(
            "there is no {kind} '{id}': neither managed by AWS nor in the directory of policies"
        );
        self.error(path, message);
    }

    fn error_rules(&mut self) -> Vec<ErrorRule> {
        const STATUSES: [i32; 11] = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504];
        let items = self
            .config
            .custom_error_responses
            .as_ref()
            .and_then(|r| r.items.as_ref());
        let mut rules: Vec<ErrorRule> = Vec::new();
        for (index, response) in items.into_iter().flatten().enumerate() {
            let at = format!("CustomErrorResponses.Items[{index}]");
            if !STATUSES.contains(&response.error_code) {
                let message = format!("{} is not one of {STATUSES:?}", response.error_code);
                self.error(format!("{at}.ErrorCode"), message);
            }
            let status = u16::try_from(response.error_code).unwrap_or(0);
            if rules.iter().any(|rule| rule.status == status) {
                self.error(
                    format!("{at}.ErrorCode"),
                    format!("{status} has a response already"),
                );
            }
            let page = match (
                set(&response.response_page_path),
                set(&response.response_code),
            ) {
                (None, None) => None,
                (Some(path), Some(code)) => self.error_page(&at, path, code),
                _ => {
                    self.error(at, "ResponsePagePath and ResponseCode go together");
                    None
                }
            };
            let min_secs = rules::seconds(response.error_caching_min_ttl, 10);
            rules.push(ErrorRule {
                status,
                page,
                min_secs,
            });
        }
        rules
    }

    fn error_page(&mut self, at: &str, path: &str, code: &str) -> Option<ErrorPage> {
        let status = code
            .parse()
            .ok()
            .filter(|status| (200..600).contains(status));
        if status.is_none() {
            self.error(
                format!("{at}.ResponseCode"),
                format!("'{code}' is no HTTP status"),
            );
        }
        let is_path = path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic());
        if !is_path {
            let message = format!("'{path}' must start with '/' and hold no space or control");
            self.error(format!("{at}.ResponsePagePath"), message);
        }
        Some(ErrorPage {
            path: path.to_owned(),
            status: status?,
        })
    }

    fn geo(&mut self) -> GeoRule {
        let Some(restrictions) = &self.config.restrictions else {
            return GeoRule::Unrestricted;
        };
        let restriction = &restrictions.geo_restriction;
        let mut countries = Vec::new();
        for (index, code) in restriction.items.iter().flatten().enumerate() {
            match <[u8; 2]>::try_from(code.as_bytes()) {
                Ok(country) if country.iter().all(u8::is_ascii_uppercase) => {
                    countries.push(country)
                }
                _ => {
                    let path = format!("Restrictions.GeoRestriction.Items[{index}]");
                    self.error(
                        path,
                        format!("'{code}' is not two capital letters (ISO 3166-1)"),
                    );
                }
            }
        }
        match restriction.restriction_type {
            cf::GeoRestrictionType::None => GeoRule::Unrestricted,
            cf::GeoRestrictionType::Whitelist => GeoRule::Only(countries),
            cf::GeoRestrictionType::Blacklist => GeoRule::Except(countries),
        }
    }
}

/// An optional text that is there and not empty: the API takes "" for "none".
fn set(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|text| !text.is_empty())
}

fn method_of(method: &cf::Method) -> Method {
    match method {
        cf::Method::Get => Method::Get,
        cf::Method::Head => Method::Head,
        cf::Method::Post => Method::Post,
        cf::Method::Put => Method::Put,
        cf::Method::Patch => Method::Patch,
        cf::Method::Options => Method::Options,
        cf::Method::Delete => Method::Delete,
    }
}
