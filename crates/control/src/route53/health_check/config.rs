//! What a health check may be (spec §13.1).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use records::Name;
use shapes::route53::{HealthCheckConfig, HealthCheckType, InsufficientDataHealthStatus};

use crate::error::Failure;
use crate::route53::inputs::invalid_input;

const REQUEST_INTERVAL_SECS: i32 = 30;
const FAILURE_THRESHOLD: i32 = 3;
/// The model allows one more than the service (spec §3).
const CHILDREN_MAX: usize = 255;

/// What a check looks at.
fn has_endpoint(kind: HealthCheckType) -> bool {
    use HealthCheckType as Type;
    match kind {
        Type::Http | Type::Https | Type::HttpStrMatch | Type::HttpsStrMatch | Type::Tcp => true,
        Type::Calculated | Type::CloudwatchMetric | Type::RecoveryControl => false,
    }
}

fn is_http(kind: HealthCheckType) -> bool {
    has_endpoint(kind) && kind != HealthCheckType::Tcp
}

fn is_tls(kind: HealthCheckType) -> bool {
    use HealthCheckType as Type;
    matches!(kind, Type::Https | Type::HttpsStrMatch)
}

fn is_search(kind: HealthCheckType) -> bool {
    use HealthCheckType as Type;
    matches!(kind, Type::HttpStrMatch | Type::HttpsStrMatch)
}

/// A config with AWS's defaults, and without what is empty: texts without characters are what
/// clients send who mean none. Port and path stay absent where they are: checkers know theirs.
pub(super) fn normal(mut config: HealthCheckConfig) -> HealthCheckConfig {
    fn full(member: Option<String>) -> Option<String> {
        member.filter(|text| !text.is_empty())
    }
    config.ip_address = full(config.ip_address);
    config.fully_qualified_domain_name = full(config.fully_qualified_domain_name);
    config.search_string = full(config.search_string);
    config.resource_path = full(config.resource_path).map(|path| match path.starts_with('/') {
        true => path,
        false => format!("/{path}"),
    });
    config.regions = config.regions.filter(|regions| !regions.is_empty());
    if let Some(address) = config.ip_address.as_deref()
        && let Ok(address) = address.parse::<IpAddr>()
    {
        config.ip_address = Some(address.to_string());
    }
    config.inverted.get_or_insert(false);
    config.disabled.get_or_insert(false);
    if has_endpoint(config.r#type) {
        config.request_interval.get_or_insert(REQUEST_INTERVAL_SECS);
        config.failure_threshold.get_or_insert(FAILURE_THRESHOLD);
        config.measure_latency.get_or_insert(false);
        config.enable_sni.get_or_insert(is_tls(config.r#type));
    }
    if config.r#type == HealthCheckType::CloudwatchMetric {
        let unknown = &mut config.insufficient_data_health_status;
        unknown.get_or_insert(InsufficientDataHealthStatus::LastKnownStatus);
    }
    config
}

/// Refuses a normal config that no checker could act on. The model's bounds hold already.
pub(super) fn check(config: &HealthCheckConfig, are_private_allowed: bool) -> Result<(), Failure> {
    check_members(config)?;
    if has_endpoint(config.r#type) {
        check_place(config, are_private_allowed)?;
    }
    if let Some(interval) = config.request_interval
        && !matches!(interval, 10 | 30)
    {
        return Err(invalid_input(format!(
            "RequestInterval is {interval}; allowed are 10 and 30."
        )));
    }
    if let Some(search) = &config.search_string
        && search.len() > 255
    {
        return Err(invalid_input("SearchString has more than 255 bytes."));
    }
    let regions = config.regions.as_deref().unwrap_or_default();
    if regions.iter().collect::<BTreeSet<_>>().len() < regions.len() {
        return Err(invalid_input("Regions names a region twice."));
    }
    let children = config.child_health_checks.as_deref().unwrap_or_default();
    if children.len() > CHILDREN_MAX {
        return Err(invalid_input(format!(
            "ChildHealthChecks has {} members; at most {CHILDREN_MAX} are allowed.",
            children.len()
        )));
    }
    if children.iter().collect::<BTreeSet<_>>().len() < children.len() {
        return Err(invalid_input("ChildHealthChecks names a check twice."));
    }
    match children.iter().find(|id| id.is_empty() || id.contains('/')) {
        Some(id) => Err(invalid_input(format!(
            "ChildHealthChecks: there is no health check '{id}'."
        ))),
        None => Ok(()),
    }
}

/// Each type has members that it needs, and some that it cannot have.
fn check_members(config: &HealthCheckConfig) -> Result<(), Failure> {
    use HealthCheckType as Type;
    let kind = config.r#type;
    let (is_calculated, is_metric) = (kind == Type::Calculated, kind == Type::CloudwatchMetric);
    let has_endpoint = has_endpoint(kind);
    // A member, whether it is there, whether it may be, whether it must be.
    let members = [
        (
            "IPAddress",
            config.ip_address.is_some(),
            has_endpoint,
            false,
        ),
        (
            "Port",
            config.port.is_some(),
            has_endpoint,
            kind == Type::Tcp,
        ),
        (
            "ResourcePath",
            config.resource_path.is_some(),
            is_http(kind),
            false,
        ),
        (
            "FullyQualifiedDomainName",
            config.fully_qualified_domain_name.is_some(),
            has_endpoint,
            false,
        ),
        (
            "SearchString",
            config.search_string.is_some(),
            is_search(kind),
            is_search(kind),
        ),
        (
            "RequestInterval",
            config.request_interval.is_some(),
            has_endpoint,
            false,
        ),
        (
            "FailureThreshold",
            config.failure_threshold.is_some(),
            has_endpoint,
            false,
        ),
        (
            "MeasureLatency",
            config.measure_latency == Some(true),
            has_endpoint,
            false,
        ),
        (
            "EnableSNI",
            config.enable_sni == Some(true),
            is_tls(kind),
            false,
        ),
        ("Regions", config.regions.is_some(), has_endpoint, false),
        (
            "HealthThreshold",
            config.health_threshold.is_some(),
            is_calculated,
            is_calculated,
        ),
        (
            "ChildHealthChecks",
            config.child_health_checks.is_some(),
            is_calculated,
            is_calculated,
        ),
        (
            "AlarmIdentifier",
            config.alarm_identifier.is_some(),
            is_metric,
            is_metric,
        ),
        (
            "InsufficientDataHealthStatus",
            config.insufficient_data_health_status.is_some(),
            is_metric,
            false,
        ),
        (
            "RoutingControlArn",
            config.routing_control_arn.is_some(),
            kind == Type::RecoveryControl,
            kind == Type::RecoveryControl,
        ),
    ];
    for (member, is_there, may_be, must_be) in members {
        if is_there && !may_be {
            return Err(invalid_input(format!(
                "{member} is given, but a health check of type {kind} has none."
            )));
        }
        if must_be && !is_there {
            return Err(invalid_input(format!(
                "{member} is missing: a health check of type {kind} needs it."
            )));
        }
    }
    Ok(())
}

/// There is somewhere to connect to, and checkers may.
fn check_place(config: &HealthCheckConfig, are_private_allowed: bool) -> Result<(), Failure> {
    let name = config.fully_qualified_domain_name.as_deref();
    let address = match config.ip_address.as_deref() {
        Some(text) => Some(text.parse::<IpAddr>().map_err(|_| {
            invalid_input(format!(
                "IPAddress is '{text}', which is no IPv4 or IPv6 address."
            ))
        })?),
        // A name may be written that is none.
        None => name.and_then(|name| name.parse().ok()),
    };
    let member = match config.ip_address {
        Some(_) => "IPAddress",
        None => "FullyQualifiedDomainName",
    };
    match (address, name) {
        (Some(address), _) if !are_private_allowed && !is_public(address) => {
            return Err(invalid_input(format!(
                "{member} is {address}, which is private, reserved or of this machine; allowed \
                 are public addresses."
            )));
        }
        (None, None) => {
            return Err(invalid_input(
                "IPAddress or FullyQualifiedDomainName is needed: there is nothing to check.",
            ));
        }
        _ => {}
    }
    match name.map(|name| (name, Name::parse(name))) {
        Some((name, Err(error))) => Err(invalid_input(format!(
            "FullyQualifiedDomainName is '{name}': {error}."
        ))),
        Some((name, Ok(parsed))) if parsed.is_wildcard() || parsed.is_root() => Err(invalid_input(
            format!("FullyQualifiedDomainName is '{name}'; allowed is the name of a host."),
        )),
        _ => Ok(()),
    }
}

/// Whether an address can be reached from anywhere.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            let is_benchmark = a == 198 && matches!(b, 18 | 19);
            let is_protocol = (a, b, c) == (192, 0, 0);
            let is_relay = (a, b, c) == (192, 88, 99);
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_documentation()
                || a == 0
                || a >= 224
                || is_shared
                || is_benchmark
                || is_protocol
                || is_relay)
        }
        // Only this is given out, and within it some is set apart.
        IpAddr::V6(address) => {
            let segments = address.segments();
            let is_global = segments[0] & 0xe000 == 0x2000;
            let is_documentation = segments[..2] == [0x2001, 0xdb8] || segments[0] == 0x3fff;
            is_global && !is_documentation && !is_reserved(address)
        }
    }
}

/// Protocol assignments, `2001::/23`, and 6to4, which is an IPv4 address in another form.
fn is_reserved(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    (segments[0] == 0x2001 && segments[1] < 0x200) || segments[0] == 0x2002
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_only_some_can_reach_are_not_public() {
        for private in [
            "0.0.0.1",
            "10.0.0.1",
            "127.0.0.1",
            "100.64.0.1",
            "169.254.1.1",
            "172.31.0.1",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:10.0.0.1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
            "2002:a00:1::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in [
            "8.8.8.8",
            "100.128.0.1",
            "172.32.0.1",
            "2600::1",
            "2001:4860::8",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}
