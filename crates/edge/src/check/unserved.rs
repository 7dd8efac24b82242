//! What a distribution asks for and the edge does not do yet, or not for one in a file.

use shapes::cloudfront as cf;

use super::{Entry, Subject, Warnings, set};

/// Says what is kept without effect, and what follows.
fn unserved(warnings: &mut Warnings, path: impl AsRef<str>, consequence: &str) {
    warnings.add(path, format!("stored, not served yet: {consequence}"));
}

/// Says what has an effect in distributions of the store alone, and what follows for one in a file.
fn of_the_store(warnings: &mut Warnings, path: &str, consequence: &str) {
    warnings.add(
        path,
        format!("has effect in distributions that the API made, not in files: {consequence}"),
    );
}

/// What a behavior asks for.
pub(super) fn behavior(_: &Subject<'_>, entry: &Entry<'_>, warnings: &mut Warnings) {
    let behavior = &entry.config;
    let functions = behavior.function_associations.as_ref();
    let lambdas = behavior.lambda_function_associations.as_ref();
    let asked = [
        (
            functions.is_some_and(|list| !list.items().is_empty()),
            "FunctionAssociations",
            "requests and responses pass unchanged by functions",
        ),
        (
            lambdas.is_some_and(|list| !list.items().is_empty()),
            "LambdaFunctionAssociations",
            "requests and responses pass unchanged by Lambda@Edge",
        ),
        (
            set(&behavior.realtime_log_config_arn).is_some(),
            "RealtimeLogConfigArn",
            "nothing is written to the stream",
        ),
        (
            behavior.smooth_streaming == Some(true),
            "SmoothStreaming",
            "requests for manifests and fragments reach the origin as they are",
        ),
    ];
    for (_, member, consequence) in asked.into_iter().filter(|(is_asked, _, _)| *is_asked) {
        unserved(warnings, entry.at(member), consequence);
    }
}

/// What the distribution itself, its origins and groups ask for.
pub(super) fn distribution(subject: &Subject<'_>, warnings: &mut Warnings) {
    let config = subject.config;
    for (index, item) in config.origins.items.iter().enumerate() {
        origin(index, item, warnings);
    }
    let groups = config
        .origin_groups
        .as_ref()
        .map_or(&[][..], |groups| groups.items());
    for (index, group) in groups.iter().enumerate() {
        if group.selection_criteria == Some(cf::OriginGroupSelectionCriteria::MediaQualityBased) {
            let path = format!("OriginGroups.Items[{index}].SelectionCriteria");
            unserved(warnings, path, "the first member is always asked first");
        }
    }
    viewers(config, warnings);
    operation(config, warnings);
}

fn origin(index: usize, origin: &cf::Origin, warnings: &mut Warnings) {
    let at = |member: &str| format!("Origins.Items[{index}].{member}");
    if origin
        .origin_shield
        .as_ref()
        .is_some_and(|shield| shield.enabled)
    {
        unserved(
            warnings,
            at("OriginShield"),
            "every node asks the origin itself",
        );
    }
    if origin.vpc_origin_config.is_some() {
        let consequence = "DomainName is asked like any other origin, on ports 80 and 443";
        unserved(warnings, at("VpcOriginConfig"), consequence);
    }
}

/// What concerns the way to viewers.
fn viewers(config: &cf::DistributionConfig, warnings: &mut Warnings) {
    if set(&config.web_acl_id).is_some() {
        unserved(warnings, "WebACLId", "no request is filtered");
    }
    let certificate = config.viewer_certificate.as_ref();
    if certificate.is_some_and(|certificate| set(&certificate.iam_certificate_id).is_some()) {
        let consequence = "there are no certificates of IAM, and the default one is presented";
        unserved(warnings, "ViewerCertificate.IAMCertificateId", consequence);
    }
    if config.connection_function_association.is_some() {
        unserved(
            warnings,
            "ConnectionFunctionAssociation",
            "connections pass unchecked by it",
        );
    }
    if set(&config.anycast_ip_list_id).is_some() {
        unserved(
            warnings,
            "AnycastIpListId",
            "the node's own addresses are used",
        );
    }
}

/// What concerns the distribution among others.
fn operation(config: &cf::DistributionConfig, warnings: &mut Warnings) {
    if set(&config.continuous_deployment_policy_id).is_some() {
        let consequence = "no viewer is sent to the staging distribution";
        of_the_store(warnings, "ContinuousDeploymentPolicyId", consequence);
    }
    if config.staging == Some(true) {
        warnings.add(
            "Staging",
            "is true: no name leads here, but the continuous deployment policy of a distribution \
             that the API made",
        );
    }
    if config.connection_mode == Some(cf::ConnectionMode::TenantOnly) {
        let consequence = "there are no tenants, and viewers are served by this document";
        of_the_store(warnings, "ConnectionMode", consequence);
    }
    let parameters = config
        .tenant_config
        .as_ref()
        .and_then(|t| t.parameter_definitions.as_ref());
    if parameters.is_some_and(|parameters| !parameters.is_empty()) {
        let consequence = "parameters are not put into anything";
        of_the_store(warnings, "TenantConfig", consequence);
    }
    let logging = config
        .logging
        .as_ref()
        .filter(|logging| logging.enabled == Some(true));
    if logging.is_some_and(|logging| set(&logging.bucket).is_some()) {
        let consequence = "logs go to the directory of logs of this node, not to the bucket";
        unserved(warnings, "Logging.Bucket", consequence);
    }
    let limited = [cf::PriceClass::PriceClass100, cf::PriceClass::PriceClass200];
    if config
        .price_class
        .is_some_and(|class| limited.contains(&class))
    {
        unserved(
            warnings,
            "PriceClass",
            "every node serves every distribution",
        );
    }
}
