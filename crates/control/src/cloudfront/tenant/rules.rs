//! What a distribution tenant may say (spec §1.9).

use std::collections::HashSet;

use documents::tenant::Tenant;
use shapes::cloudfront::{
    CustomizationActionType, Customizations, DistributionConfig, DomainItem,
    GeoRestrictionCustomization, GeoRestrictionType, Parameter, WebAclCustomization,
};

use super::super::family::invalid;
use super::super::inputs::check_arn;
use crate::error::Failure;
use crate::limits;

/// Refuses names that are not 3 to 128 letters, digits, `-` and `.`, or that begin or end with
/// one of the last two.
pub fn check_name(name: &str) -> Result<(), Failure> {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let is_outer = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let is_name = (3..=128).contains(&bytes.len())
        && bytes.iter().all(|byte| is_inner(*byte))
        && is_outer(bytes.first())
        && is_outer(bytes.last());
    if is_name {
        return Ok(());
    }
    let allowed = "3 to 128 of a-z, A-Z, 0-9, '-' and '.', of which the last two are inside only";
    Err(invalid(
        "Name",
        format!("'{name}' is no name of a tenant; allowed are {allowed}"),
    ))
}

/// The domains in lower case, if all of them are host names, none is there twice, and none has the
/// form of the names that are given to distributions and groups below `own`.
pub fn domains(items: &[DomainItem], own: &str) -> Result<Vec<String>, Failure> {
    if items.is_empty() || items.len() > limits::TENANT_DOMAINS_MAX {
        let message = format!(
            "has {} items; 1 to {} are allowed",
            items.len(),
            limits::TENANT_DOMAINS_MAX
        );
        return Err(invalid("Domains", message));
    }
    let mut seen = HashSet::new();
    let mut domains = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let domain = item.domain.to_ascii_lowercase();
        let at = || format!("Domains[{index}].Domain");
        if !is_domain(&domain) {
            let message = format!(
                "'{}' is no host name, nor '*.' and a host name",
                item.domain
            );
            return Err(invalid(at(), message));
        }
        let is_own = domain
            .strip_suffix(own)
            .and_then(|label| label.strip_prefix('d')?.strip_suffix('.'))
            .is_some_and(|rest| rest.len() == 13 && !rest.contains(['.', '-', '_']));
        if is_own {
            let message = format!("'{domain}' has the form of distributions' own names");
            return Err(invalid(at(), message));
        }
        if !seen.insert(domain.clone()) {
            return Err(invalid(at(), format!("'{domain}' is there twice")));
        }
        domains.push(domain);
    }
    Ok(domains)
}

/// Spec §1.7: an exact host, or `*.` for the whole left-most label.
fn is_domain(domain: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let host = domain.strip_prefix("*.").unwrap_or(domain);
    domain.len() <= 253 && host.contains('.') && host.split('.').all(is_label)
}

/// Refuses parameters that the template does not define, and customizations that make no sense.
pub fn check(tenant: &Tenant, template: &DistributionConfig) -> Result<(), Failure> {
    check_parameters(&tenant.parameters, template)?;
    match &tenant.customizations {
        Some(customizations) => check_customizations(customizations),
        None => Ok(()),
    }
}

fn check_parameters(
    parameters: &[Parameter],
    template: &DistributionConfig,
) -> Result<(), Failure> {
    let tenant_config = template.tenant_config.as_ref();
    let definitions = tenant_config.and_then(|config| config.parameter_definitions.as_deref());
    let definitions = definitions.unwrap_or_default();
    let mut seen = HashSet::new();
    for (index, Parameter { name, value }) in parameters.iter().enumerate() {
        let at = |member: &str| format!("Parameters[{index}].{member}");
        if !definitions
            .iter()
            .any(|definition| definition.name == *name)
        {
            let message = format!("'{name}' is not defined by the distribution");
            return Err(invalid(at("Name"), message));
        }
        if !seen.insert(name) {
            return Err(invalid(at("Name"), format!("'{name}' is there twice")));
        }
        // It becomes part of a host name or of a path.
        if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = format!("'{value}' has other characters than visible ASCII ones");
            return Err(invalid(at("Value"), message));
        }
    }
    Ok(())
}

fn check_customizations(customizations: &Customizations) -> Result<(), Failure> {
    if let Some(web_acl) = &customizations.web_acl {
        check_web_acl(web_acl)?;
    }
    if let Some(certificate) = &customizations.certificate {
        check_arn("Customizations.Certificate.Arn", &certificate.arn, &["acm"])?;
    }
    match &customizations.geo_restrictions {
        Some(geo) => check_geo(geo),
        None => Ok(()),
    }
}

fn check_web_acl(web_acl: &WebAclCustomization) -> Result<(), Failure> {
    const PATH: &str = "Customizations.WebAcl.Arn";
    match (web_acl.action, &web_acl.arn) {
        (CustomizationActionType::Override, Some(arn)) => check_arn(PATH, arn, &["wafv2"]),
        (CustomizationActionType::Override, None) => {
            Err(invalid(PATH, "is needed by the action 'override'"))
        }
        (CustomizationActionType::Disable, None) => Ok(()),
        (CustomizationActionType::Disable, Some(_)) => {
            Err(invalid(PATH, "has no place with the action 'disable'"))
        }
    }
}

fn check_geo(geo: &GeoRestrictionCustomization) -> Result<(), Failure> {
    const PATH: &str = "Customizations.GeoRestrictions.Locations";
    let locations = geo.locations.as_deref().unwrap_or_default();
    if (geo.restriction_type == GeoRestrictionType::None) != locations.is_empty() {
        let message = format!(
            "has {} items; a whitelist and a blacklist need some, and 'none' has none",
            locations.len()
        );
        return Err(invalid(PATH, message));
    }
    let is_code = |code: &String| code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase());
    match locations.iter().find(|code| !is_code(code)) {
        Some(code) => Err(invalid(
            PATH,
            format!("'{code}' is no country's code of two capitals"),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_model() {
        for good in ["abc", "a.b-C", &"a".repeat(128)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "ab", "-bc", "ab.", "a_b", "a b", &"a".repeat(129)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn domains_are_host_names_with_a_wildcard_in_front_at_most() {
        for good in [
            "a.example.com",
            "*.example.com",
            "_x.example.com",
            "xn--4ca.example",
        ] {
            assert!(is_domain(good), "{good}");
        }
        for bad in [
            "",
            "localhost",
            "*",
            "*.",
            "*.com",
            "*x.example.com",
            "a.*.example.com",
            ".a.example",
            "a..example",
            "a.example.",
            "-a.example",
            "a b.example",
            "é.example",
            "a/b.example",
        ] {
            assert!(!is_domain(bad), "{bad}");
        }
    }

    #[test]
    fn domains_become_lower_case_and_are_there_once() {
        let items = |names: &[&str]| -> Vec<DomainItem> {
            let item = |name: &&str| DomainItem {
                domain: (*name).to_owned(),
            };
            names.iter().map(item).collect()
        };
        let domains = |names: &[&str]| domains(&items(names), "cdn.localhost");
        assert_eq!(domains(&["A.Example"]).unwrap(), ["a.example"]);
        assert!(domains(&["a.example", "A.EXAMPLE"]).is_err());
        assert!(domains(&[]).is_err());
        assert!(domains(&["d0123456789abc.cdn.localhost"]).is_err());
        assert!(domains(&["shop.cdn.localhost", "d0123456789abc.example"]).is_ok());
    }

    #[test]
    fn customizations_are_complete_or_refused() {
        let check = |json: serde_json::Value| {
            check_customizations(&shapes::from_value::<Customizations>(&json).unwrap()).is_ok()
        };
        let acl = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/x/1";
        for (is_good, json) in [
            (true, serde_json::json!({})),
            (
                true,
                serde_json::json!({ "WebAcl": { "Action": "override", "Arn": acl } }),
            ),
            (
                false,
                serde_json::json!({ "WebAcl": { "Action": "override" } }),
            ),
            (
                false,
                serde_json::json!({ "WebAcl": { "Action": "override", "Arn": "x" } }),
            ),
            (
                true,
                serde_json::json!({ "WebAcl": { "Action": "disable" } }),
            ),
            (
                false,
                serde_json::json!({ "WebAcl": { "Action": "disable", "Arn": acl } }),
            ),
            (
                true,
                serde_json::json!({ "GeoRestrictions": { "RestrictionType": "none" } }),
            ),
            (
                true,
                serde_json::json!({
                    "GeoRestrictions": { "RestrictionType": "whitelist", "Locations": ["DE"] },
                }),
            ),
            (
                false,
                serde_json::json!({
                    "GeoRestrictions": { "RestrictionType": "blacklist", "Locations": ["de"] },
                }),
            ),
            (
                false,
                serde_json::json!({ "GeoRestrictions": { "RestrictionType": "blacklist" } }),
            ),
            (false, serde_json::json!({ "Certificate": { "Arn": acl } })),
        ] {
            assert_eq!(check(json.clone()), is_good, "{json}");
        }
    }
}
