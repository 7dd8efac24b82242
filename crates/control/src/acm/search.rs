//! `SearchCertificates`: statements of filters that are joined by and, or and not.

use shapes::acm::{
    self as model, ComparisonOperator, SearchCertificatesSortBy as By, SearchCertificatesSortOrder,
    ValidationMethod,
};

use super::list::{key_pair_origin, page};
use super::told::Told;
use super::{check_bounds, invalid};
use crate::call::{Answer, Call, Reply};

/// On a page where the client does not say.
const FOUND: usize = 500;

pub async fn search(call: &Call<'_>) -> Answer {
    check_bounds(call)?;
    let input: model::SearchCertificatesRequest = call.input()?;
    if let Some(statement) = &input.filter_statement {
        check(statement).map_err(|problem| invalid(call, problem))?;
    }
    let mut all = Told::all(call).await?;
    if let Some(statement) = &input.filter_statement {
        all.retain(|told| holds(statement, told));
    }
    let by = input.sort_by.unwrap_or(By::CreatedAt);
    all.sort_by_cached_key(|told| (rank(told, by), told.certificate.id.clone()));
    if input.sort_order == Some(SearchCertificatesSortOrder::Descending) {
        all.reverse();
    }
    let most = input.max_results.map_or(FOUND, |most| most as usize);
    let token = input.next_token.as_deref();
    let (all, next_token) = page(call, all, |told| &told.certificate.id, token, most)?;
    Ok(Reply::of(&model::SearchCertificatesResponse {
        results: Some(all.iter().map(result).collect()),
        next_token,
    }))
}

/// What is wrong with a statement: it, and each part of it, says exactly one thing.
fn check(statement: &model::CertificateFilterStatement) -> Result<(), String> {
    use model::CertificateFilterStatement as Statement;
    match statement {
        Statement {
            and: Some(parts),
            or: None,
            not: None,
            filter: None,
        }
        | Statement {
            and: None,
            or: Some(parts),
            not: None,
            filter: None,
        } => parts.iter().try_for_each(check),
        Statement {
            and: None,
            or: None,
            not: Some(part),
            filter: None,
        } => check(part),
        Statement {
            and: None,
            or: None,
            not: None,
            filter: Some(filter),
        } => {
            let value = serde_json::to_value(filter).unwrap_or_default();
            // Unions within unions, down to what is compared.
            match is_single(&value, 3) {
                true => Ok(()),
                false => Err("FilterStatement: each Filter has exactly one member.".to_owned()),
            }
        }
        _ => Err("FilterStatement has exactly one of And, Or, Not and Filter.".to_owned()),
    }
}

/// Whether a union has one member, and so on down to the depth at which unions end; ranges and
/// comparisons have several.
fn is_single(value: &serde_json::Value, depth: usize) -> bool {
    let Some(members) = value.as_object() else {
        return true;
    };
    let is_end =
        |name: &String| ["NotAfter", "NotBefore", "CommonName", "DnsName"].contains(&&**name);
    let mut named = members.iter();
    match (named.next(), named.next()) {
        (Some((name, _)), None) if is_end(name) || depth == 0 => true,
        (Some((_, value)), None) => is_single(value, depth - 1),
        _ => false,
    }
}

fn holds(statement: &model::CertificateFilterStatement, told: &Told) -> bool {
    if let Some(parts) = &statement.and {
        return parts.iter().all(|part| holds(part, told));
    }
    if let Some(parts) = &statement.or {
        return parts.iter().any(|part| holds(part, told));
    }
    if let Some(part) = &statement.not {
        return !holds(part, told);
    }
    statement
        .filter
        .as_ref()
        .is_some_and(|filter| meets(filter, told))
}

fn meets(filter: &model::CertificateFilter, told: &Told) -> bool {
    if let Some(arn) = &filter.certificate_arn {
        return told.certificate.arn == *arn;
    }
    if let Some(filter) = &filter.x509_attribute_filter {
        return meets_x509(filter, told);
    }
    let filter = filter.acm_certificate_metadata_filter.as_ref();
    filter.is_some_and(|filter| meets_metadata(filter, told))
}

fn meets_x509(filter: &model::X509AttributeFilter, told: &Told) -> bool {
    let subject = filter.subject.as_ref();
    if let Some(name) = subject.and_then(|subject| subject.common_name.as_ref()) {
        let there = common_name(told);
        return there.is_some_and(|there| compare(name.comparison_operator, there, &name.value));
    }
    let alternative = filter.subject_alternative_name.as_ref();
    if let Some(name) = alternative.and_then(|name| name.dns_name.as_ref()) {
        let mut names = told.certificate.names.iter();
        return names.any(|there| compare(name.comparison_operator, there, &name.value));
    }
    if let Some(usage) = filter.extended_key_usage {
        return told.extended_key_usages().contains(&usage);
    }
    if let Some(usage) = filter.key_usage {
        return told.key_usages().contains(&usage);
    }
    if let Some(algorithm) = filter.key_algorithm {
        return told.key_algorithm() == Some(algorithm);
    }
    if let Some(serial) = &filter.serial_number {
        let there = told.x509.as_ref();
        return there.is_some_and(|there| there.serial == *serial);
    }
    let (range, there) = match (&filter.not_after, &filter.not_before) {
        (Some(range), _) => (range, told.not_after()),
        (None, Some(range)) => (range, told.not_before()),
        (None, None) => return false,
    };
    let there = there.map(|there| there.unix_ms());
    there.is_some_and(|there| {
        range.start.is_none_or(|start| start.unix_ms() <= there)
            && range.end.is_none_or(|end| there <= end.unix_ms())
    })
}

fn meets_metadata(filter: &model::AcmCertificateMetadataFilter, told: &Told) -> bool {
    let certificate = &told.certificate;
    let is_ours = told.r#type() == model::CertificateType::AmazonIssued;
    if let Some(wanted) = filter.status {
        return told.status() == wanted;
    }
    if let Some(wanted) = filter.renewal_status {
        return told.renewal_status() == Some(wanted);
    }
    if let Some(wanted) = filter.r#type {
        return told.r#type() == wanted;
    }
    if let Some(wanted) = filter.in_use {
        return told.users.is_empty() != wanted;
    }
    if let Some(wanted) = filter.exported {
        return certificate.is_exported == wanted;
    }
    if let Some(wanted) = filter.export_option {
        return told.export() == wanted;
    }
    if let Some(wanted) = filter.validation_method {
        return is_ours && wanted == ValidationMethod::Dns;
    }
    // CloudFront manages none, and none is of an endpoint that speaks ACME.
    let wanted = filter.certificate_key_pair_origin;
    wanted.is_some_and(|wanted| key_pair_origin(told) == wanted)
}

fn compare(operator: ComparisonOperator, there: &str, wanted: &str) -> bool {
    let wanted = wanted.to_ascii_lowercase();
    match operator {
        ComparisonOperator::Contains => there.to_ascii_lowercase().contains(&wanted),
        ComparisonOperator::Equals => there.eq_ignore_ascii_case(&wanted),
    }
}

fn common_name(told: &Told) -> Option<&String> {
    let x509 = told.x509.as_ref();
    match x509 {
        Some(x509) => x509.common_name.as_ref(),
        None => told.certificate.names.first(),
    }
}

/// By what certificates are sorted: times by their number, all else as text.
fn rank(told: &Told, by: By) -> (i64, String) {
    let time =
        |time: Option<shapes::Timestamp>| (time.map_or(0, |time| time.unix_ms()), String::new());
    let text = |text: &str| (0, text.to_owned());
    let certificate = &told.certificate;
    match by {
        By::CreatedAt => (certificate.created_ms as i64, String::new()),
        By::NotAfter => time(told.not_after()),
        By::NotBefore => time(told.not_before()),
        By::IssuedAt => time(told.issued_at()),
        By::ImportedAt => time(told.imported_at()),
        By::RevokedAt => time(told.revoked().map(|(at, _)| at)),
        By::Status => text(told.status().as_str()),
        By::RenewalStatus => text(told.renewal_status().map_or("", |status| status.as_str())),
        By::Exported => (i64::from(certificate.is_exported), String::new()),
        By::InUse => (i64::from(!told.users.is_empty()), String::new()),
        By::KeyAlgorithm => text(&certificate.key_algorithm),
        By::Type => text(told.r#type().as_str()),
        By::CertificateArn => text(&certificate.arn),
        By::CommonName => text(common_name(told).map_or("", |name| name)),
        By::RenewalEligibility => text(told.eligibility().as_str()),
        By::ExportOption => text(told.export().as_str()),
        By::CertificateKeyPairOrigin => text(key_pair_origin(told).as_str()),
        // They are all alike.
        By::ManagedBy | By::ValidationMethod | By::AcmeEndpointArn | By::AcmeAccountId => text(""),
    }
}

fn result(told: &Told) -> model::CertificateSearchResult {
    let certificate = &told.certificate;
    let is_ours = told.r#type() == model::CertificateType::AmazonIssued;
    let metadata = model::AcmCertificateMetadata {
        created_at: Some(told.created_at()),
        exported: Some(certificate.is_exported),
        imported_at: told.imported_at(),
        in_use: Some(!told.users.is_empty()),
        issued_at: told.issued_at(),
        renewal_eligibility: Some(told.eligibility()),
        revoked_at: told.revoked().map(|(at, _)| at),
        status: Some(told.status()),
        renewal_status: told.renewal_status(),
        r#type: Some(told.r#type()),
        export_option: Some(told.export()),
        validation_method: is_ours.then_some(ValidationMethod::Dns),
        certificate_key_pair_origin: Some(key_pair_origin(told)),
        ..model::AcmCertificateMetadata::default()
    };
    model::CertificateSearchResult {
        certificate_arn: Some(certificate.arn.clone()),
        x509_attributes: Some(attributes(told)),
        certificate_metadata: Some(model::CertificateMetadata {
            acm_certificate_metadata: Some(metadata),
        }),
    }
}

fn attributes(told: &Told) -> model::X509Attributes {
    let x509 = told.x509.as_ref();
    let names = told.certificate.names.iter();
    let names = names.map(|name| model::GeneralName {
        dns_name: Some(name.clone()),
        ..model::GeneralName::default()
    });
    model::X509Attributes {
        issuer: x509.map(|x509| model::DistinguishedName {
            common_name: x509.issuer_common_name.clone(),
            organization: x509.issuer_organization.clone(),
            ..model::DistinguishedName::default()
        }),
        subject: x509.map(|x509| model::DistinguishedName {
            common_name: x509.common_name.clone(),
            ..model::DistinguishedName::default()
        }),
        subject_alternative_names: Some(names.collect()),
        extended_key_usages: x509.map(|_| told.extended_key_usages()),
        key_algorithm: told.key_algorithm(),
        key_usages: x509.map(|_| told.key_usages()),
        serial_number: x509.map(|x509| x509.serial.clone()),
        not_after: told.not_after(),
        not_before: told.not_before(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_statement_says_exactly_one_thing_at_every_depth() {
        let arn = json!({ "Filter": { "CertificateArn": "arn" } });
        let name = json!({ "Value": "a", "ComparisonOperator": "EQUALS" });
        let name = json!({ "Filter": { "X509AttributeFilter": {
            "SubjectAlternativeName": { "DnsName": name },
        }}});
        let range = json!({ "Filter": { "X509AttributeFilter": {
            "NotAfter": { "Start": "2026-01-01T00:00:00Z", "End": "2027-01-01T00:00:00Z" },
        }}});
        for (is_good, statement) in [
            (true, arn.clone()),
            (true, range),
            (true, json!({ "And": [arn, { "Or": [{ "Not": name }] }] })),
            (false, json!({})),
            (false, json!({ "And": [{}] })),
            (false, json!({ "Not": arn, "Or": [arn] })),
            (false, json!({ "Filter": {} })),
            (
                false,
                json!({ "Filter": { "AcmCertificateMetadataFilter": {} } }),
            ),
            (
                false,
                json!({ "Filter": { "AcmCertificateMetadataFilter": {
                    "InUse": true, "Exported": true,
                }}}),
            ),
        ] {
            let read: model::CertificateFilterStatement = shapes::from_value(&statement).unwrap();
            assert_eq!(check(&read).is_ok(), is_good, "{statement}");
        }
    }
}
