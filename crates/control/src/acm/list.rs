//! `ListCertificates`, and pages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shapes::acm::{self as model, KeyAlgorithm, SortOrder};

use super::told::{Told, hyphened};
use super::{check_bounds, invalid};
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;

/// On a page where the client does not say.
const LISTED: usize = 1_000;

/// What is listed where nobody asks for other types.
const DEFAULT_KEY_TYPES: [KeyAlgorithm; 2] = [KeyAlgorithm::Rsa1024, KeyAlgorithm::Rsa2048];

/// At most `most` of the items after the one that a token names, and the token for the next ones.
/// If its item has gone meanwhile, nothing is after it: so clients stop rather than go round.
pub fn page<T>(
    call: &Call<'_>,
    mut items: Vec<T>,
    id: impl Fn(&T) -> &str,
    token: Option<&str>,
    most: usize,
) -> Result<(Vec<T>, Option<String>), Failure> {
    let mut start = 0;
    if let Some(token) = token {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok();
        let last = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let last = last.ok_or_else(|| invalid(call, "NextToken is none that was given."))?;
        let at = items.iter().position(|item| id(item) == last);
        start = at.map_or(items.len(), |at| at + 1);
    }
    items.drain(..start);
    let has_more = items.len() > most;
    items.truncate(most);
    let last = items.last().filter(|_| has_more);
    let next = last.map(|last| URL_SAFE_NO_PAD.encode(id(last)));
    Ok((items, next))
}

pub async fn list(call: &Call<'_>) -> Answer {
    check_bounds(call)?;
    let input: model::ListCertificatesRequest = call.input()?;
    if input.sort_by.is_some() != input.sort_order.is_some() {
        let message = "SortBy and SortOrder go together: one of them is missing.";
        return Err(invalid(call, message));
    }
    let mut all = Told::all(call).await?;
    all.retain(|told| is_wanted(told, &input));
    all.sort_by_key(|told| (told.certificate.created_ms, told.certificate.id.clone()));
    if input.sort_order == Some(SortOrder::Descending) {
        all.reverse();
    }
    let most = input.max_items.map_or(LISTED, |most| most as usize);
    let token = input.next_token.as_deref();
    let (all, next_token) = page(call, all, |told| &told.certificate.id, token, most)?;
    let mut reply = Reply::of(&model::ListCertificatesResponse {
        certificate_summary_list: Some(all.iter().map(summary).collect()),
        next_token,
    });
    let listed = reply.output["CertificateSummaryList"].as_array_mut();
    listed.into_iter().flatten().for_each(hyphened);
    Ok(reply)
}

fn is_wanted(told: &Told, input: &model::ListCertificatesRequest) -> bool {
    let statuses = input.certificate_statuses.as_deref().unwrap_or_default();
    let origins = input.certificate_key_pair_origins.as_deref();
    let default = model::Filters::default();
    let filters = input.includes.as_ref().unwrap_or(&default);
    let key_types = filters.key_types.as_deref();
    let key_types = key_types.filter(|types| !types.is_empty());
    let key_types = key_types.unwrap_or(&DEFAULT_KEY_TYPES);
    (statuses.is_empty() || statuses.contains(&told.status()))
        && origins.is_none_or(|origins| origins.contains(&key_pair_origin(told)))
        && told.key_algorithm().is_some_and(|key| key_types.contains(&key))
        && meet(filters.key_usage.as_deref(), &told.key_usages())
        && meet(filters.extended_key_usage.as_deref(), &told.extended_key_usages())
        && filters.export_option.is_none_or(|export| export == told.export())
        // CloudFront manages none.
        && filters.managed_by.is_none()
}

/// Whether one of the wanted ones is there; all are wanted if none is named.
fn meet<T: PartialEq>(wanted: Option<&[T]>, there: &[T]) -> bool {
    let wanted = wanted.unwrap_or_default();
    wanted.is_empty() || wanted.iter().any(|one| there.contains(one))
}

/// Who made the key.
pub fn key_pair_origin(told: &Told) -> model::CertificateKeyPairOrigin {
    match told.r#type() {
        model::CertificateType::Imported => model::CertificateKeyPairOrigin::CustomerProvided,
        _ => model::CertificateKeyPairOrigin::AwsManaged,
    }
}

fn summary(told: &Told) -> model::CertificateSummary {
    let certificate = &told.certificate;
    let x509 = told.x509.as_ref();
    model::CertificateSummary {
        certificate_arn: Some(certificate.arn.clone()),
        domain_name: certificate.names.first().cloned(),
        subject_alternative_name_summaries: Some(certificate.names.clone()),
        has_additional_subject_alternative_names: Some(false),
        status: Some(told.status()),
        r#type: Some(told.r#type()),
        key_algorithm: told.key_algorithm(),
        key_usages: x509.map(|_| told.key_usages()),
        extended_key_usages: x509.map(|_| told.extended_key_usages()),
        export_option: Some(told.export()),
        in_use: Some(!told.users.is_empty()),
        exported: Some(certificate.is_exported),
        renewal_eligibility: Some(told.eligibility()),
        not_before: told.not_before(),
        not_after: told.not_after(),
        created_at: Some(told.created_at()),
        issued_at: told.issued_at(),
        imported_at: told.imported_at(),
        revoked_at: told.revoked().map(|(at, _)| at),
        managed_by: None,
        certificate_key_pair_origin: Some(key_pair_origin(told)),
    }
}
