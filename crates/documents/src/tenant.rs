//! Distribution tenants: what is stored of them, and what becomes of their template (spec §1.9).

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use shapes::cloudfront::{
    CertificateSource, CustomizationActionType, Customizations, DistributionConfig, GeoRestriction,
    Origin, Parameter, Restrictions, SSLSupportMethod, ViewerCertificate,
};
use thiserror::Error;

/// A distribution tenant, as it lies under [`crate::keys::DISTRIBUTION_TENANT`]: what its owner
/// says of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tenant {
    /// The distribution that it is an instance of.
    pub distribution_id: String,
    /// Differs from that of every other tenant.
    pub name: String,
    /// The host names that it is served under, in lower case; a leading `*.` stands for any.
    pub domains: Vec<String>,
    /// What differs from the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customizations: Option<Customizations>,
    /// What the template's placeholders stand for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// The connection group that viewers reach it by.
    pub connection_group_id: String,
    /// Whether it is served.
    pub enabled: bool,
}

/// A connection group, as it lies under [`crate::keys::CONNECTION_GROUP`]. The host name that
/// viewers reach its tenants by is the resource's `domain`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectionGroup {
    /// Differs from that of every other group.
    pub name: String,
    /// Whether viewers may come by IPv6.
    pub ipv6_enabled: bool,
    /// The addresses that are its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anycast_ip_list_id: Option<String>,
    /// Whether its tenants are served.
    pub enabled: bool,
    /// Whether it is the group of tenants that name none.
    pub is_default: bool,
}

/// Why a tenant makes no distribution of its template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TenantError {
    /// The tenant says nothing of a parameter, and neither does the template: the tenant's owner
    /// must.
    #[error("the parameter '{0}' has no value, and the template has none for it")]
    MissingParameter(String),
    /// A placeholder names what the template does not define: the template's owner is to blame.
    #[error("{place} of the template has the placeholder '{name}', which it does not define")]
    UndefinedParameter {
        /// `Origins.Items[0].DomainName`.
        place: String,
        /// What is between the braces.
        name: String,
    },
}

/// What a tenant is served as: its template, with placeholders replaced in the origins' domain
/// names and paths, and with the tenant's domains and customizations.
///
/// Parameters that the template does not define are passed over: the template may have changed
/// since the tenant did.
pub fn config_of(
    template: &DistributionConfig,
    tenant: &Tenant,
) -> Result<DistributionConfig, TenantError> {
    let values = values(template, tenant)?;
    let mut config = template.clone();
    for (index, origin) in config.origins.items.iter_mut().enumerate() {
        fill_origin(origin, index, &values)?;
    }
    config.aliases = Some(tenant.domains.clone().into());
    config.enabled = template.enabled && tenant.enabled;
    // It is a distribution like any other now.
    config.tenant_config = None;
    config.connection_mode = None;
    if let Some(customizations) = &tenant.customizations {
        customize(&mut config, customizations);
    }
    Ok(config)
}

/// What each parameter stands for that the template defines. One that is not required and has no
/// value may be absent as long as no placeholder needs it.
fn values<'a>(
    template: &'a DistributionConfig,
    tenant: &'a Tenant,
) -> Result<HashMap<&'a str, Option<&'a str>>, TenantError> {
    let tenant_config = template.tenant_config.as_ref();
    let definitions = tenant_config.and_then(|config| config.parameter_definitions.as_deref());
    let mut values = HashMap::new();
    for definition in definitions.unwrap_or_default() {
        let name = definition.name.as_str();
        let given = tenant.parameters.iter().find(|given| given.name == name);
        let schema = definition.definition.string_schema.as_ref();
        let default = schema.and_then(|schema| schema.default_value.as_deref());
        let value = given.map(|given| given.value.as_str()).or(default);
        if value.is_none() && schema.is_some_and(|schema| schema.required) {
            return Err(TenantError::MissingParameter(name.to_owned()));
        }
        values.insert(name, value);
    }
    Ok(values)
}

fn fill_origin(
    origin: &mut Origin,
    index: usize,
    values: &HashMap<&str, Option<&str>>,
) -> Result<(), TenantError> {
    let place = |member: &str| format!("Origins.Items[{index}].{member}");
    origin.domain_name = fill(&origin.domain_name, values, || place("DomainName"))?;
    if let Some(path) = &mut origin.origin_path {
        *path = fill(path, values, || place("OriginPath"))?;
    }
    Ok(())
}

/// A text with `{{name}}` replaced, once: what a value has in it is no placeholder.
fn fill(
    text: &str,
    values: &HashMap<&str, Option<&str>>,
    place: impl Fn() -> String,
) -> Result<String, TenantError> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, name, after)) = next_placeholder(rest) {
        let value = values
            .get(name)
            .ok_or_else(|| TenantError::UndefinedParameter {
                place: place(),
                name: name.to_owned(),
            })?;
        let value = value.ok_or_else(|| TenantError::MissingParameter(name.to_owned()))?;
        filled.push_str(before);
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// What is before the first placeholder, its name without blanks around it, and what is after it.
fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (name, after) = rest.split_once("}}")?;
    Some((before, name.trim(), after))
}

fn customize(config: &mut DistributionConfig, customizations: &Customizations) {
    if let Some(web_acl) = &customizations.web_acl {
        config.web_acl_id = match web_acl.action {
            CustomizationActionType::Override => web_acl.arn.clone(),
            CustomizationActionType::Disable => None,
        };
    }
    if let Some(certificate) = &customizations.certificate {
        let template = config.viewer_certificate.take();
        config.viewer_certificate = Some(ViewerCertificate {
            acm_certificate_arn: Some(certificate.arn.clone()),
            certificate: Some(certificate.arn.clone()),
            certificate_source: Some(CertificateSource::Acm),
            ssl_support_method: Some(SSLSupportMethod::SniOnly),
            minimum_protocol_version: template.and_then(|old| old.minimum_protocol_version),
            cloud_front_default_certificate: Some(false),
            iam_certificate_id: None,
        });
    }
    if let Some(geo) = &customizations.geo_restrictions {
        let locations = geo
            .locations
            .clone()
            .filter(|locations| !locations.is_empty());
        config.restrictions = Some(Restrictions {
            geo_restriction: GeoRestriction {
                restriction_type: geo.restriction_type,
                quantity: locations.as_ref().map_or(0, |l| l.len() as i32),
                items: locations,
            },
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A template with two origins and the parameters `tenant` (required), `region` (`eu` unless
    /// said) and `extra` (neither).
    fn template() -> Value {
        let parameter = |name: &str, required: bool, default: Value| {
            json!({ "Name": name, "Definition": {
                "StringSchema": { "Required": required, "DefaultValue": default },
            }})
        };
        json!({
            "CallerReference": "r",
            "Comment": "{{tenant}}",
            "Enabled": true,
            "ConnectionMode": "tenant-only",
            "Aliases": { "Quantity": 0 },
            "WebACLId": "arn:acl:template",
            "TenantConfig": { "ParameterDefinitions": [
                parameter("tenant", true, Value::Null),
                parameter("region", false, json!("eu")),
                parameter("extra", false, Value::Null),
            ]},
            "Origins": { "Quantity": 2, "Items": [
                { "Id": "{{tenant}}", "DomainName": "{{tenant}}.{{region}}.example.com",
                  "OriginPath": "/of/{{tenant}}" },
                { "Id": "plain", "DomainName": "static.example.com", "OriginPath": "" },
            ]},
            "DefaultCacheBehavior": {
                "TargetOriginId": "plain",
                "ViewerProtocolPolicy": "allow-all",
            },
        })
    }

    fn read(template: Value) -> DistributionConfig {
        shapes::from_value(&template).unwrap()
    }

    fn tenant(parameters: &[(&str, &str)]) -> Tenant {
        let parameter = |(name, value): &(&str, &str)| Parameter {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        };
        Tenant {
            distribution_id: "E1".to_owned(),
            name: "acme".to_owned(),
            domains: vec!["shop.acme.example".to_owned(), "*.acme.example".to_owned()],
            parameters: parameters.iter().map(parameter).collect(),
            connection_group_id: "cg_1".to_owned(),
            enabled: true,
            ..Tenant::default()
        }
    }

    fn domain_of(parameters: &[(&str, &str)]) -> Result<String, TenantError> {
        let config = config_of(&read(template()), &tenant(parameters))?;
        Ok(config.origins.items[0].domain_name.clone())
    }

    #[test]
    fn placeholders_in_origins_become_the_tenants_values_or_the_defaults() {
        let config = config_of(&read(template()), &tenant(&[("tenant", "acme")])).unwrap();
        let [first, second] = &config.origins.items[..] else {
            panic!("{:?}", config.origins);
        };
        assert_eq!(first.domain_name, "acme.eu.example.com");
        assert_eq!(first.origin_path.as_deref(), Some("/of/acme"));
        assert_eq!(second.domain_name, "static.example.com");
        let both = [("region", "us"), ("tenant", "acme")];
        assert_eq!(domain_of(&both).unwrap(), "acme.us.example.com");
    }

    #[test]
    fn placeholders_elsewhere_are_left_alone() {
        let config = config_of(&read(template()), &tenant(&[("tenant", "acme")])).unwrap();
        assert_eq!(config.comment, "{{tenant}}");
        assert_eq!(config.origins.items[0].id, "{{tenant}}");
    }

    #[test]
    fn a_missing_parameter_is_named() {
        let missing = |name: &str| Err(TenantError::MissingParameter(name.to_owned()));
        assert_eq!(domain_of(&[]), missing("tenant"));
        assert_eq!(domain_of(&[("region", "us")]), missing("tenant"));

        let mut needing = template();
        needing["Origins"]["Items"][1]["OriginPath"] = json!("/{{extra}}");
        let config = config_of(&read(needing.clone()), &tenant(&[("tenant", "acme")]));
        assert_eq!(
            config,
            Err(TenantError::MissingParameter("extra".to_owned()))
        );
        let given = tenant(&[("tenant", "acme"), ("extra", "x")]);
        let config = config_of(&read(needing), &given).unwrap();
        assert_eq!(config.origins.items[1].origin_path.as_deref(), Some("/x"));
    }

    #[test]
    fn a_placeholder_that_nobody_defines_is_the_templates_fault() {
        let mut wrong = template();
        wrong["Origins"]["Items"][1]["DomainName"] = json!("{{nobody}}.example.com");
        let error = config_of(&read(wrong), &tenant(&[("tenant", "acme")])).unwrap_err();
        let expected = TenantError::UndefinedParameter {
            place: "Origins.Items[1].DomainName".to_owned(),
            name: "nobody".to_owned(),
        };
        assert_eq!(error, expected);
    }

    #[test]
    fn a_value_is_not_looked_at_for_placeholders_and_superfluous_ones_are_passed_over() {
        let parameters = [("tenant", "{{region}}"), ("unknown", "x")];
        assert_eq!(domain_of(&parameters).unwrap(), "{{region}}.eu.example.com");
    }

    #[test]
    fn braces_that_are_no_placeholder_stay() {
        let values = HashMap::from([("a", Some("1"))]);
        let fill = |text| fill(text, &values, String::new);
        assert_eq!(fill("{{a}}{{ a }}").unwrap(), "11");
        assert_eq!(fill("x{a}{{a").unwrap(), "x{a}{{a");
        assert_eq!(fill("").unwrap(), "");
    }

    #[test]
    fn a_tenant_is_served_under_its_domains_while_both_are_enabled() {
        let acme = tenant(&[("tenant", "acme")]);
        let config = config_of(&read(template()), &acme).unwrap();
        assert_eq!(
            config.aliases.unwrap().items(),
            ["shop.acme.example", "*.acme.example"]
        );
        assert!(config.enabled && config.connection_mode.is_none());
        assert!(config.tenant_config.is_none());

        let disabled = Tenant {
            enabled: false,
            ..acme.clone()
        };
        assert!(!config_of(&read(template()), &disabled).unwrap().enabled);
        let mut template = template();
        template["Enabled"] = json!(false);
        assert!(!config_of(&read(template), &acme).unwrap().enabled);
    }

    #[test]
    fn customizations_take_the_place_of_what_the_template_says() {
        let customized = |customizations: Value| {
            let customized = Tenant {
                customizations: Some(shapes::from_value(&customizations).unwrap()),
                ..tenant(&[("tenant", "acme")])
            };
            config_of(&read(template()), &customized).unwrap()
        };
        let config = customized(json!({
            "WebAcl": { "Action": "override", "Arn": "arn:acl:tenant" },
            "GeoRestrictions": { "RestrictionType": "whitelist", "Locations": ["DE", "FR"] },
            "Certificate": { "Arn": "arn:certificate" },
        }));
        assert_eq!(config.web_acl_id.as_deref(), Some("arn:acl:tenant"));
        let geo = config.restrictions.unwrap().geo_restriction;
        assert_eq!(
            (geo.quantity, geo.items()),
            (2, &["DE".to_owned(), "FR".to_owned()][..])
        );
        let certificate = config.viewer_certificate.unwrap();
        assert_eq!(
            certificate.acm_certificate_arn.as_deref(),
            Some("arn:certificate")
        );

        let config = customized(json!({ "WebAcl": { "Action": "disable" } }));
        assert_eq!(config.web_acl_id, None);
        let config = customized(json!({}));
        assert_eq!(config.web_acl_id.as_deref(), Some("arn:acl:template"));
    }

    #[test]
    fn a_tenant_survives_its_document() {
        let tenant = tenant(&[("tenant", "acme")]);
        let read: Tenant = crate::decode("k", &crate::encode(&tenant)).unwrap();
        assert_eq!(read, tenant);
    }
}
