//! Rules of templates of tenants, and their placeholders: `{{name}}` in the domain names and paths
//! of origins (spec §1.9).

use std::collections::BTreeSet;

use documents::Resource;
use shapes::cloudfront::{self as cf, DistributionConfig, error};

use super::super::behavior;
use super::super::limits::*;
use super::{Rule, ensure, text};

fn is_template(config: &DistributionConfig) -> bool {
    config.connection_mode == Some(cf::ConnectionMode::TenantOnly)
}

/// The text around placeholders and the names in them.
fn parts(text: &str) -> (String, Vec<&str>) {
    let (mut plain, mut names) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            break;
        };
        plain.push_str(before);
        plain.push_str("parameter");
        names.push(name.trim());
        rest = after;
    }
    plain.push_str(rest);
    (plain, names)
}

/// A text with an example in the place of every placeholder.
pub fn without_placeholders(text: &str) -> String {
    parts(text).0
}

/// A template as a tenant might have it, so that edges can be asked whether they could serve it;
/// none of a distribution that is no template.
pub fn with_example_parameters(
    resource: &Resource<DistributionConfig>,
) -> Option<Resource<DistributionConfig>> {
    if !is_template(&resource.config) {
        return None;
    }
    let mut example = resource.clone();
    for origin in &mut example.config.origins.items {
        origin.domain_name = without_placeholders(&origin.domain_name);
        origin.origin_path = origin.origin_path.as_deref().map(without_placeholders);
    }
    Some(example)
}

pub fn check(config: &DistributionConfig) -> Rule {
    let parameters = parameters(config)?;
    for (index, origin) in config.origins.items.iter().enumerate() {
        let places = [
            ("DomainName", origin.domain_name.as_str()),
            ("OriginPath", text(&origin.origin_path)),
        ];
        for (member, text) in places {
            let unknown = parts(text)
                .1
                .into_iter()
                .find(|name| !parameters.contains(name));
            let member = format!("Origins.Items[{index}].{member}");
            ensure(unknown.is_none(), &error::INVALID_ARGUMENT, member, || {
                let name = unknown.unwrap_or_default();
                format!("has the placeholder '{name}', which TenantConfig does not define")
            })?;
        }
    }
    match is_template(config) {
        true => without(config),
        false => Ok(()),
    }
}

/// The names of the parameters that a template defines.
fn parameters(config: &DistributionConfig) -> Result<BTreeSet<&str>, crate::error::Failure> {
    let tenants = config.tenant_config.as_ref();
    let definitions = tenants.and_then(|tenants| tenants.parameter_definitions.as_deref());
    let definitions = definitions.unwrap_or_default();
    let member = "TenantConfig.ParameterDefinitions";
    let shape = &error::INVALID_ARGUMENT;
    ensure(
        definitions.is_empty() || is_template(config),
        shape,
        member,
        || "is for the ConnectionMode tenant-only".to_owned(),
    )?;
    let count = definitions.len();
    ensure(count <= PARAMETERS_MAX, shape, member, || {
        format!("has {count} items; {PARAMETERS_MAX} are allowed")
    })?;
    let mut names = BTreeSet::new();
    for definition in definitions {
        let name = definition.name.as_str();
        let is_name = (1..=PARAMETER_NAME_CHARS_MAX).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let is_new = names.insert(name);
        ensure(is_name && is_new, shape, member, || {
            format!("has '{name}'; allowed are letters, digits, - and _, and each name once")
        })?;
    }
    Ok(names)
}

/// What templates may not have.
fn without(config: &DistributionConfig) -> Rule {
    let certificate = config.viewer_certificate.as_ref();
    let classic = text(&config.web_acl_id);
    #[rustfmt::skip]
    let members = [
        ("Aliases", config.aliases.as_ref().is_some_and(|list| !list.items().is_empty())),
        ("ContinuousDeploymentPolicyId", !text(&config.continuous_deployment_policy_id).is_empty()),
        ("Staging", config.staging == Some(true)),
        ("Logging", config.logging.as_ref().is_some_and(|log| log.enabled == Some(true))),
        ("WebACLId", !classic.is_empty() && !classic.starts_with("arn:")),
        ("ViewerCertificate.IAMCertificateId",
            certificate.is_some_and(|certificate| certificate.iam_certificate_id.is_some())),
    ];
    let on_templates = || "is not for the ConnectionMode tenant-only".to_owned();
    for (member, is_there) in members {
        ensure(!is_there, &error::INVALID_ARGUMENT, member, on_templates)?;
    }
    for (index, origin) in config.origins.items.iter().enumerate() {
        let s3 = origin.s3_origin_config.as_ref();
        let has_identity = s3.is_some_and(|s3| !s3.origin_access_identity.is_empty());
        let member = format!("Origins.Items[{index}].S3OriginConfig.OriginAccessIdentity");
        ensure(
            !has_identity,
            &error::INVALID_ARGUMENT,
            member,
            on_templates,
        )?;
    }
    for (at, behavior) in behavior::all(config) {
        let trusts = behavior
            .trusted_signers
            .as_ref()
            .is_some_and(|signers| signers.enabled);
        let members = [
            ("ForwardedValues", behavior.forwarded_values.is_some()),
            ("SmoothStreaming", behavior.smooth_streaming == Some(true)),
            ("TrustedSigners", trusts),
        ];
        for (member, is_there) in members {
            let member = format!("{at}.{member}");
            ensure(!is_there, &error::INVALID_ARGUMENT, member, on_templates)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_from_the_text_around_them() {
        let (plain, names) = parts("{{ tenant }}.example.{{zone}}");
        assert_eq!(plain, "parameter.example.parameter");
        assert_eq!(names, ["tenant", "zone"]);
        assert_eq!(parts("a.{{b"), ("a.{{b".to_owned(), vec![]));
    }
}
