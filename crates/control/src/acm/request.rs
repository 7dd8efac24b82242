//! `RequestCertificate`.

use documents::acm::{self as forms, Certificate, Source, State, Work};
use documents::{decode, encode, keys};
use shapes::acm::{
    self as model, CertificateExport, CertificateTransparencyLoggingPreference as Logging,
    KeyAlgorithm, ValidationMethod, error,
};
use store::{Range, Revision};

use super::{CFN_TYPE, check_bounds, held, invalid, local, names, tags};
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::Failure;
use crate::{ids, limits};

/// The same token within an hour is the same request.
const HOUR_MS: u64 = 3_600_000;
const TOKEN: &str = "acm-token";

/// Algorithms that keys are made with. Others can be imported.
const KEY_ALGORITHMS: [KeyAlgorithm; 3] = [
    KeyAlgorithm::Rsa2048,
    KeyAlgorithm::EcPrime256v1,
    KeyAlgorithm::EcSecp384r1,
];

pub async fn request(call: &Call<'_>) -> Answer {
    check_bounds(call)?;
    let input: model::RequestCertificateRequest = call.input()?;
    let certificate = wanted(call, &input)?;
    let mut change = Change::new();
    if let Some(token) = &input.idempotency_token {
        let claim = match Claim::read(call, token, &certificate).await? {
            Ok(claim) => claim,
            Err(arn) => return Ok(reply(arn)),
        };
        change = claim.hold(change, &certificate.id);
        change = forget_tokens(call, change).await?;
    }
    check_quota(call).await?;
    let key = forms::certificate(&certificate.id);
    let change = change
        .about(CFN_TYPE, &certificate.arn)
        .if_absent(&key)
        .put(&key, encode(&certificate));
    let change = tags::attach(call, change, &certificate.arn, input.tags)?;
    local::check_key(call).await?;
    call.commit(change).await?;
    let config = &call.control.config;
    if config.acme.is_none() && !config.validate_certificates {
        let issued = local::issue_now(call.control, &certificate.id, call.now_ms).await;
        // It stays pending, and the upkeep tries again.
        if let Err(error) = issued {
            tracing::warn!(%error, id = certificate.id, "a certificate is not issued yet");
        }
    }
    Ok(reply(certificate.arn))
}

fn reply(arn: String) -> Reply {
    Reply::of(&model::RequestCertificateResponse {
        certificate_arn: Some(arn),
    })
}

/// Refuses one more certificate than there may be in a region.
pub async fn check_quota(call: &Call<'_>) -> Result<(), Failure> {
    let region = held::region(call)?;
    let prefix = format!("{}{region}/", forms::CERTIFICATES);
    let count = call.list_all(&prefix).await?.len();
    match count < limits::CERTIFICATES_MAX {
        true => Ok(()),
        false => Err(Failure::api(
            &error::LIMIT_EXCEEDED_EXCEPTION,
            format!("There are {count} certificates in {region} already; no more may be."),
        )),
    }
}

/// The certificate that is asked for, as long as it is not issued.
fn wanted(
    call: &Call<'_>,
    input: &model::RequestCertificateRequest,
) -> Result<Certificate, Failure> {
    let others = input.subject_alternative_names.as_deref();
    let names = names::read(&input.domain_name, others.unwrap_or_default())
        .map_err(|problem| invalid(call, problem))?;
    check_validation(call, input, &names)?;
    check_authority(call, input)?;
    let algorithm = input.key_algorithm.unwrap_or(KeyAlgorithm::Rsa2048);
    if !KEY_ALGORITHMS.contains(&algorithm) {
        let allowed = KEY_ALGORITHMS.map(KeyAlgorithm::as_str).join(", ");
        let message = format!("KeyAlgorithm is {algorithm}; keys are made of {allowed}.");
        return Err(invalid(call, message));
    }
    let options = input.options.clone().unwrap_or_default();
    let logging = options.certificate_transparency_logging_preference;
    let uuid = ids::uuid();
    Ok(Certificate {
        id: format!("{}/{uuid}", held::region(call)?),
        arn: held::arn(call, &uuid),
        names,
        source: Source::Requested,
        state: State::Pending,
        key_algorithm: algorithm.as_str().to_owned(),
        created_ms: call.now_ms,
        issued_ms: 0,
        validated: Vec::new(),
        is_exportable: options.export == Some(CertificateExport::Enabled),
        is_exported: false,
        is_unlogged: logging == Some(Logging::Disabled),
        not_before_secs: 0,
        not_after_secs: 0,
        work: Work::default(),
    })
}

/// Names are validated by DNS, whether the request says so or says nothing.
fn check_validation(
    call: &Call<'_>,
    input: &model::RequestCertificateRequest,
    names: &[String],
) -> Result<(), Failure> {
    let refused = |message: &str| {
        let shape = &error::INVALID_DOMAIN_VALIDATION_OPTIONS_EXCEPTION;
        Failure::api(shape, message)
    };
    let in_options = input
        .options
        .as_ref()
        .and_then(|options| options.validation_method);
    for method in [input.validation_method, in_options].into_iter().flatten() {
        match method {
            ValidationMethod::Dns => {}
            ValidationMethod::Email => {
                let message =
                    "ValidationMethod is EMAIL, and no mail is sent here; allowed is DNS.";
                return Err(refused(message));
            }
            ValidationMethod::Http => {
                let message = "ValidationMethod is HTTP, which is for certificates that CloudFront \
                               manages; allowed is DNS.";
                return Err(invalid(call, message));
            }
        }
    }
    for option in input.domain_validation_options.iter().flatten() {
        let name = option.domain_name.to_ascii_lowercase();
        let domain = option.validation_domain.to_ascii_lowercase();
        let is_above = name == domain || name.ends_with(&format!(".{domain}"));
        if !names.contains(&name) || !is_above {
            return Err(refused(&format!(
                "DomainValidationOptions: '{domain}' is to validate '{name}'; allowed are names of \
                 the certificate, each with itself or a domain above it."
            )));
        }
    }
    Ok(())
}

/// There are no private authorities, and none of CloudFront's.
fn check_authority(
    call: &Call<'_>,
    input: &model::RequestCertificateRequest,
) -> Result<(), Failure> {
    if let Some(arn) = &input.certificate_authority_arn {
        let message = format!("CertificateAuthorityArn is '{arn}'; there is no such authority.");
        return Err(Failure::api(&error::INVALID_ARN_EXCEPTION, message));
    }
    match input.managed_by {
        None => Ok(()),
        Some(by) => Err(invalid(
            call,
            format!("ManagedBy is {by}: only CloudFront itself asks for those."),
        )),
    }
}

/// A token, which one request of an hour has.
struct Claim {
    key: String,
    revision: Option<Revision>,
}

impl Claim {
    /// The claim that a new certificate takes; or the ARN of the one that the token stands for.
    async fn read(
        call: &Call<'_>,
        token: &str,
        wanted: &Certificate,
    ) -> Result<Result<Claim, String>, Failure> {
        let (region, hour) = (held::region(call)?, call.now_ms / HOUR_MS);
        if !token
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_')
        {
            let message = format!("IdempotencyToken is '{token}'; letters, digits and '_' may be.");
            return Err(invalid(call, message));
        }
        let key = |hour: u64| keys::claim(TOKEN, &format!("{hour:010}/{region}/{token}"));
        let now = key(hour);
        let earlier = key(hour.saturating_sub(1));
        let mut found = call.store().get_many(&[&now, &earlier]).await?;
        found.truncate(2);
        let revision = found[0].as_ref().map(|document| document.modified);
        for claim in found.into_iter().flatten() {
            let id = String::from_utf8_lossy(&claim.value).into_owned();
            let key = forms::certificate(&id);
            let Some(document) = call.store().get(&key).await? else {
                continue;
            };
            let made: Certificate = decode(&key, &document.value)?;
            let is_recent = call.now_ms < made.created_ms + HOUR_MS;
            let is_same = made.names == wanted.names
                && made.key_algorithm == wanted.key_algorithm
                && made.is_exportable == wanted.is_exportable;
            if is_recent && is_same {
                return Ok(Err(made.arn));
            }
        }
        Ok(Ok(Claim { key: now, revision }))
    }

    fn hold(self, change: Change, id: &str) -> Change {
        let change = change.if_still(&self.key, self.revision);
        change.put(self.key, id.to_owned())
    }
}

/// Adds to a change that some tokens go which stand for nothing any more: more than one request
/// brings.
async fn forget_tokens(call: &Call<'_>, change: Change) -> Result<Change, Failure> {
    let oldest = Range {
        prefix: keys::claim(TOKEN, ""),
        limit: limits::TOKENS_SWEPT_AT_ONCE,
        ..Range::default()
    };
    let hour = (call.now_ms / HOUR_MS).saturating_sub(1);
    let first_kept = keys::claim(TOKEN, &format!("{hour:010}"));
    let old = call.store().list(oldest).await?.documents.into_iter();
    let old = old.filter(|document| document.key < first_kept);
    Ok(old.fold(change, |change, document| change.delete(document.key)))
}
