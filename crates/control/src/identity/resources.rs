//! What a call needs to be allowed: actions on resources, as AWS's service authorization reference
//! has them.
//!
//! Most follow from the operation's path: `/2020-05-31/distribution/{Id}/config` is about
//! `arn:aws:cloudfront::<account>:distribution/<Id>`. What is made has no id yet, so that making it
//! is about `distribution/*`; lists are about `*`. Where a client may name a resource by its id, by
//! its name or by its ARN, the ARN holds what the client sent: statements that deny should name
//! both.

use serde_json::Value;
use shapes::schema::Operation;

use crate::route53;
use crate::service::text;

/// An action on a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// `cloudfront:GetDistribution`.
    pub action: String,
    /// An ARN, or `*`.
    pub resource: String,
}

/// All that must be allowed for an operation with that input; the input need not be complete.
/// `arn` makes an ARN of its last part, such as `distribution/E1`.
pub(crate) fn needs(
    arn: impl Fn(&str) -> String,
    service: &str,
    operation: &Operation,
    input: &Value,
) -> Vec<Need> {
    let need = |action: &str, resource: String| Need {
        action: format!("{service}:{action}"),
        resource,
    };
    if service == "route53" {
        let resources = of_route53(operation, input).into_iter();
        return resources
            .map(|resource| need(operation.name, resource))
            .collect();
    }
    if service == "acm" {
        return of_acm(arn, operation, input);
    }
    let about = resource(operation, input);
    let resource = match &about {
        About::Everything => "*".to_owned(),
        About::Arn(named) => named.clone(),
        About::One(kind, id) => arn(&format!("{kind}/{id}")),
        About::NewOf(kind) => arn(&format!("{kind}/*")),
    };
    match operation.name {
        // These two are no actions of their own.
        "CreateDistributionWithTags" => vec![
            need("CreateDistribution", resource.clone()),
            need("TagResource", resource),
        ],
        "CreateStreamingDistributionWithTags" => vec![
            need("CreateStreamingDistribution", resource.clone()),
            need("TagResource", resource),
        ],
        // What it reads besides is not known before the policy is read: it is asked for there.
        "UpdateDistributionWithStagingConfig" => vec![need("UpdateDistribution", resource)],
        "CopyDistribution" => vec![
            need("CopyDistribution", resource.clone()),
            need("GetDistribution", resource),
            need("CreateDistribution", arn("distribution/*")),
        ],
        name => vec![need(name, resource)],
    }
}

/// What of ACM a call is about: the certificate that it names. To tag what is made is an action of
/// its own.
fn of_acm(arn: impl Fn(&str) -> String, operation: &Operation, input: &Value) -> Vec<Need> {
    let named = ["CertificateArn", "ResourceArn"];
    let named = named.iter().find_map(|member| text(input, member));
    let resource = match (named, operation.name) {
        (Some(named), _) => named.to_owned(),
        (None, "RequestCertificate" | "ImportCertificate") => arn("certificate/*"),
        (None, _) => "*".to_owned(),
    };
    let need = |action: &str| Need {
        action: format!("acm:{action}"),
        resource: resource.clone(),
    };
    let is_new = matches!(operation.name, "RequestCertificate" | "ImportCertificate");
    let has_tags = input["Tags"]
        .as_array()
        .is_some_and(|tags| !tags.is_empty());
    match is_new && has_tags {
        true => vec![need(operation.name), need("AddTagsToCertificate")],
        false => vec![need(operation.name)],
    }
}

/// What of Route 53 a call is about. Its ARNs have neither region nor account.
fn of_route53(operation: &Operation, input: &Value) -> Vec<String> {
    let arn = |kind: &str, id: &str| format!("arn:aws:route53:::{kind}/{}", route53::bare_id(id));
    let (path, _) = operation.uri.split_once('?').unwrap_or((operation.uri, ""));
    let mut segments = path.split('/').skip(2);
    let first = segments.next().unwrap_or_default();
    let placeholder = segments.find_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let id = placeholder.and_then(|name| text(input, name));
    let zone = text(input, "HostedZoneId").filter(|id| !id.is_empty());
    let of_zone = arn("hostedzone", zone.unwrap_or("*"));
    let kind = match first {
        "tags" => {
            let kind = text(input, "ResourceType").unwrap_or("*");
            return match (text(input, "ResourceId"), input["ResourceIds"].as_array()) {
                (Some(id), _) => vec![arn(kind, id)],
                (None, Some(ids)) => {
                    let ids = ids.iter().filter_map(Value::as_str);
                    ids.map(|id| arn(kind, id)).collect()
                }
                (None, None) => vec![arn(kind, "*")],
            };
        }
        // These write records of a zone, log its queries, and share its name servers.
        "trafficpolicyinstance" if operation.name.starts_with("Create") => {
            let policy = text(input, "TrafficPolicyId").unwrap_or("*");
            return vec![of_zone, arn("trafficpolicy", policy)];
        }
        "queryloggingconfig" if operation.name.starts_with("Create") => return vec![of_zone],
        "delegationset" if zone.is_some() => return vec![arn("delegationset", "*"), of_zone],
        "keysigningkey" | "hostedzonelimit" => "hostedzone",
        "reusabledelegationsetlimit" => "delegationset",
        "trafficpolicies" if id.is_some() => "trafficpolicy",
        "hostedzone"
        | "change"
        | "delegationset"
        | "healthcheck"
        | "cidrcollection"
        | "queryloggingconfig"
        | "trafficpolicy"
        | "trafficpolicyinstance" => first,
        "testdnsanswer" => "hostedzone",
        _ => return vec!["*".to_owned()],
    };
    // Where it stands in the body or the query.
    let id = id.or(zone.filter(|_| kind == "hostedzone"));
    match id {
        Some(id) => vec![arn(kind, id)],
        None if operation.name.starts_with("Create") => vec![arn(kind, "*")],
        None => vec!["*".to_owned()],
    }
}

enum About {
    Everything,
    Arn(String),
    /// A kind's part of an ARN, and an id.
    One(&'static str, String),
    NewOf(&'static str),
}

/// The first segment of a path, and what an ARN has in its place. Public keys, key groups and
/// monitoring subscriptions have no ARNs; the last are about their distribution.
const KINDS: [(&str, &str); 20] = [
    ("anycast-ip-list", "anycast-ip-list"),
    ("cache-policy", "cache-policy"),
    ("connection-function", "connection-function"),
    ("connection-group", "connection-group"),
    (
        "continuous-deployment-policy",
        "continuous-deployment-policy",
    ),
    ("distribution", "distribution"),
    ("distribution-tenant", "distribution-tenant"),
    ("distributions", "distribution"),
    ("field-level-encryption", "field-level-encryption-config"),
    (
        "field-level-encryption-profile",
        "field-level-encryption-profile",
    ),
    ("function", "function"),
    ("key-value-store", "key-value-store"),
    ("managed-certificate", "distribution-tenant"),
    ("origin-access-control", "origin-access-control"),
    ("origin-access-identity", "origin-access-identity"),
    ("origin-request-policy", "origin-request-policy"),
    ("response-headers-policy", "response-headers-policy"),
    ("streaming-distribution", "streaming-distribution"),
    ("trust-store", "trust-store"),
    ("vpc-origin", "vpcorigin"),
];

fn resource(operation: &Operation, input: &Value) -> About {
    let named = |members: &[&str]| {
        let mut members = members.iter();
        members.find_map(|member| text(input, member).filter(|arn| !arn.is_empty()))
    };
    // Where the input itself has the ARN.
    let arn = match operation.name {
        "TagResource" | "UntagResource" | "ListTagsForResource" => named(&["Resource"]),
        "GetResourcePolicy" | "PutResourcePolicy" | "DeleteResourcePolicy" => {
            named(&["ResourceArn"])
        }
        name if name.ends_with("RealtimeLogConfig") && !name.starts_with("List") => {
            match named(&["ARN"]) {
                Some(arn) => Some(arn),
                None => match named(&["Name"]) {
                    Some(name) => return About::One("realtime-log-config", name.to_owned()),
                    None => return About::NewOf("realtime-log-config"),
                },
            }
        }
        _ => named(&["KvsARN"]),
    };
    if let Some(arn) = arn {
        return About::Arn(arn.to_owned());
    }
    if operation.name == "UpdateDomainAssociation" {
        return domain_target(input);
    }
    by_path(operation, input)
}

/// Where a domain is moved to.
fn domain_target(input: &Value) -> About {
    let target = input.get("TargetResource").unwrap_or(&Value::Null);
    match (
        text(target, "DistributionId"),
        text(target, "DistributionTenantId"),
    ) {
        (Some(id), None) => About::One("distribution", id.to_owned()),
        (None, Some(id)) => About::One("distribution-tenant", id.to_owned()),
        _ => About::Everything,
    }
}

fn by_path(operation: &Operation, input: &Value) -> About {
    let (path, _) = operation.uri.split_once('?').unwrap_or((operation.uri, ""));
    // The first segment is the version.
    let mut segments = path.split('/').skip(2);
    let first = segments.next().unwrap_or_default();
    let Some((_, kind)) = KINDS.iter().find(|(segment, _)| *segment == first) else {
        return About::Everything;
    };
    let placeholder = segments.find_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    match placeholder.map(|name| text(input, name)) {
        Some(Some(arn)) if arn.starts_with("arn:") => About::Arn(arn.to_owned()),
        Some(Some(id)) => About::One(kind, id.to_owned()),
        None if operation.name.starts_with("Create") => match (*kind, text(input, "Name")) {
            // Their owners name them, so that it is known what will be made.
            ("function" | "key-value-store", Some(name)) => About::One(kind, name.to_owned()),
            _ => About::NewOf(kind),
        },
        _ => About::Everything,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(operation: &str, input: Value) -> Vec<(String, String)> {
        let service = &shapes::cloudfront::SERVICE;
        let operation = service.operation(operation).unwrap();
        let arn = |resource: &str| format!("…{resource}");
        let needs = needs(arn, "cloudfront", operation, &input).into_iter();
        let short = |text: String| text.replace("arn:aws:cloudfront::123456789012:", "…");
        needs
            .map(|need| (need.action.replace("cloudfront:", ""), short(need.resource)))
            .collect()
    }

    fn one(operation: &str, input: Value) -> String {
        let needs = told(operation, input);
        assert_eq!(needs.len(), 1, "{operation}");
        assert_eq!(needs[0].0, operation);
        needs[0].1.clone()
    }

    #[test]
    fn a_path_with_an_id_is_about_that_resource() {
        for (operation, input, resource) in [
            ("GetDistribution", json!({ "Id": "E1" }), "…distribution/E1"),
            (
                "UpdateDistribution",
                json!({ "Id": "E1" }),
                "…distribution/E1",
            ),
            (
                "CreateInvalidation",
                json!({ "DistributionId": "E1" }),
                "…distribution/E1",
            ),
            (
                "GetInvalidation",
                json!({ "DistributionId": "E1", "Id": "I1" }),
                "…distribution/E1",
            ),
            (
                "CreateMonitoringSubscription",
                json!({ "DistributionId": "E1" }),
                "…distribution/E1",
            ),
            (
                "AssociateAlias",
                json!({ "TargetDistributionId": "E1" }),
                "…distribution/E1",
            ),
            ("DeleteFunction", json!({ "Name": "f" }), "…function/f"),
            ("GetVpcOrigin", json!({ "Id": "vo_1" }), "…vpcorigin/vo_1"),
            (
                "GetCloudFrontOriginAccessIdentity",
                json!({ "Id": "E9" }),
                "…origin-access-identity/E9",
            ),
            (
                "GetFieldLevelEncryptionConfig",
                json!({ "Id": "C1" }),
                "…field-level-encryption-config/C1",
            ),
            (
                "GetDistributionTenant",
                json!({ "Identifier": "arn:aws:cloudfront::1:distribution-tenant/dt_1" }),
                "arn:aws:cloudfront::1:distribution-tenant/dt_1",
            ),
            (
                "TagResource",
                json!({ "Resource": "arn:aws:cloudfront::123456789012:distribution/E1" }),
                "…distribution/E1",
            ),
            (
                "UpdateRealtimeLogConfig",
                json!({ "Name": "r" }),
                "…realtime-log-config/r",
            ),
            (
                "UpdateDomainAssociation",
                json!({ "TargetResource": { "DistributionTenantId": "dt_2" } }),
                "…distribution-tenant/dt_2",
            ),
        ] {
            assert_eq!(one(operation, input), resource, "{operation}");
        }
    }

    #[test]
    fn creations_are_about_the_kind_and_lists_about_everything() {
        for (operation, input, resource) in [
            ("CreateDistribution", json!({}), "…distribution/*"),
            ("CreateCachePolicy", json!({}), "…cache-policy/*"),
            ("CreateFunction", json!({ "Name": "f" }), "…function/f"),
            ("CreateKeyGroup", json!({}), "*"),
            ("GetPublicKey", json!({ "Id": "K1" }), "*"),
            ("ListDistributions", json!({}), "*"),
            (
                "ListDistributionsByCachePolicyId",
                json!({ "CachePolicyId": "p" }),
                "*",
            ),
            ("ListVpcOrigins", json!({}), "*"),
        ] {
            assert_eq!(one(operation, input), resource, "{operation}");
        }
    }

    #[test]
    fn calls_of_route_53_are_about_zones_changes_and_checks() {
        let resources = |operation: &str, input: Value| -> Vec<String> {
            let operation = shapes::route53::SERVICE.operation(operation).unwrap();
            let needs = needs(str::to_owned, "route53", operation, &input).into_iter();
            let short = needs.map(|need| need.resource.replace("arn:aws:route53:::", ":"));
            short.collect()
        };
        for (operation, input, resource) in [
            (
                "GetHostedZone",
                json!({ "Id": "/hostedzone/Z1" }),
                ":hostedzone/Z1",
            ),
            (
                "ChangeResourceRecordSets",
                json!({ "HostedZoneId": "Z1" }),
                ":hostedzone/Z1",
            ),
            (
                "TestDNSAnswer",
                json!({ "HostedZoneId": "Z1" }),
                ":hostedzone/Z1",
            ),
            (
                "CreateKeySigningKey",
                json!({ "HostedZoneId": "Z1" }),
                ":hostedzone/Z1",
            ),
            (
                "GetHostedZoneLimit",
                json!({ "HostedZoneId": "Z1" }),
                ":hostedzone/Z1",
            ),
            ("GetChange", json!({ "Id": "C1" }), ":change/C1"),
            (
                "GetTrafficPolicy",
                json!({ "Id": "p", "Version": 1 }),
                ":trafficpolicy/p",
            ),
            ("CreateHostedZone", json!({}), ":hostedzone/*"),
            ("CreateHealthCheck", json!({}), ":healthcheck/*"),
            ("ListHostedZones", json!({}), "*"),
            ("GetHostedZoneCount", json!({}), "*"),
            (
                "ListTagsForResource",
                json!({ "ResourceType": "healthcheck", "ResourceId": "h" }),
                ":healthcheck/h",
            ),
        ] {
            assert_eq!(resources(operation, input), [resource], "{operation}");
        }
        // What is made in a zone, or out of it, is about the zone too.
        for (operation, input, expected) in [
            (
                "CreateTrafficPolicyInstance",
                json!({ "HostedZoneId": "Z1", "TrafficPolicyId": "p" }),
                [":hostedzone/Z1", ":trafficpolicy/p"].as_slice(),
            ),
            (
                "CreateQueryLoggingConfig",
                json!({ "HostedZoneId": "/hostedzone/Z1" }),
                &[":hostedzone/Z1"],
            ),
            (
                "CreateReusableDelegationSet",
                json!({ "HostedZoneId": "Z1" }),
                &[":delegationset/*", ":hostedzone/Z1"],
            ),
            (
                "CreateReusableDelegationSet",
                json!({}),
                &[":delegationset/*"],
            ),
        ] {
            assert_eq!(resources(operation, input), expected, "{operation}");
        }
        let several = json!({ "ResourceType": "hostedzone", "ResourceIds": ["Z1", "Z2"] });
        assert_eq!(
            resources("ListTagsForResources", several),
            [":hostedzone/Z1", ":hostedzone/Z2"]
        );
    }

    #[test]
    fn what_does_several_things_needs_them_all() {
        let actions = |operation: &str, input: Value| -> Vec<String> {
            told(operation, input)
                .into_iter()
                .map(|need| need.0)
                .collect()
        };
        assert_eq!(
            actions("CreateDistributionWithTags", json!({})),
            ["CreateDistribution", "TagResource"]
        );
        assert_eq!(
            actions("CopyDistribution", json!({ "PrimaryDistributionId": "E1" })),
            ["CopyDistribution", "GetDistribution", "CreateDistribution"]
        );
        assert_eq!(
            told(
                "UpdateDistributionWithStagingConfig",
                json!({ "Id": "E1", "StagingDistributionId": "E2" })
            ),
            [(
                "UpdateDistribution".to_owned(),
                "…distribution/E1".to_owned()
            )]
        );
    }

    #[test]
    fn calls_of_acm_are_about_the_certificate_that_they_name() {
        let told = |operation: &str, input: Value| {
            let operation = shapes::acm::SERVICE.operation(operation).unwrap();
            let arn = |resource: &str| format!("…{resource}");
            let needs = needs(arn, "acm", operation, &input).into_iter();
            let needs = needs.map(|need| format!("{} {}", need.action, need.resource));
            needs.collect::<Vec<_>>()
        };
        let arn = "arn:aws:acm:us-east-1:123456789012:certificate/x";
        for (operation, input, needed) in [
            (
                "DeleteCertificate",
                json!({ "CertificateArn": arn }),
                vec![format!("acm:DeleteCertificate {arn}")],
            ),
            (
                "TagResource",
                json!({ "ResourceArn": arn }),
                vec![format!("acm:TagResource {arn}")],
            ),
            (
                "ListCertificates",
                json!({}),
                vec!["acm:ListCertificates *".to_owned()],
            ),
            (
                "RequestCertificate",
                json!({ "Tags": [] }),
                vec!["acm:RequestCertificate …certificate/*".to_owned()],
            ),
            (
                "ImportCertificate",
                json!({ "Tags": [{ "Key": "a" }] }),
                vec![
                    "acm:ImportCertificate …certificate/*".to_owned(),
                    "acm:AddTagsToCertificate …certificate/*".to_owned(),
                ],
            ),
        ] {
            assert_eq!(told(operation, input), needed, "{operation}");
        }
    }

    #[test]
    fn an_operation_with_an_id_in_its_path_is_never_about_everything() {
        // Those of which AWS has no ARNs, and searches.
        let without = ["key-group", "public-key", "distributionsBy"];
        for operation in shapes::cloudfront::SERVICE.operations {
            let Some((_, after)) = operation.uri.split_once('{') else {
                continue;
            };
            if without
                .iter()
                .any(|kind| operation.uri.contains(&format!("31/{kind}")))
            {
                continue;
            }
            let (name, _) = after.split_once('}').unwrap();
            for need in told(operation.name, json!({ name: "X" })) {
                assert!(need.1.starts_with('…'), "{}: {need:?}", operation.name);
            }
        }
    }
}
