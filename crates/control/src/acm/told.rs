//! What is told of a certificate: what ACM's documents say, what stands in the certificate itself,
//! and who is served with it.

use std::collections::BTreeMap;

use certificates::{Certificate as X509, KeyAlgorithm};
use documents::acm::{Certificate, Source, State};
use documents::decode;
use documents::tls::{self, Material};
use serde_json::Value;
use shapes::Timestamp;
use shapes::acm::{
    self as model, CertificateExport, CertificateStatus, CertificateType, DomainStatus,
    RenewalEligibility, RenewalStatus, ValidationMethod,
};

use super::held::{self, Held};
use super::list::page;
use super::{check_bounds, choice, uses, validation, whole_second};
use crate::ControlConfig;
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;

/// A certificate with all that is known of it.
pub struct Told {
    /// What ACM keeps of it.
    pub certificate: Certificate,
    /// What it says itself, once it is issued.
    pub x509: Option<X509>,
    /// The ARNs of those who are served with it.
    pub users: Vec<String>,
    now_ms: u64,
}

impl Told {
    async fn of(call: &Call<'_>, certificate: Certificate) -> Result<Told, Failure> {
        let material = held::material(call, &certificate.id).await?;
        let users = uses::all(call).await?.remove(&certificate.arn);
        Ok(Told {
            x509: material.and_then(|material| X509::from_pem(material.chain_pem).ok()),
            users: users.unwrap_or_default(),
            certificate,
            now_ms: call.now_ms,
        })
    }

    /// Every certificate of the call's region.
    pub async fn all(call: &Call<'_>) -> Result<Vec<Told>, Failure> {
        let region = held::region(call)?;
        let mut uses = uses::all(call).await?;
        let prefix = tls::key(tls::CERTIFICATE, &format!("{region}/"));
        let mut served = BTreeMap::new();
        for document in call.list_all(&prefix).await? {
            let material: Material = decode(&document.key, &document.value)?;
            served.insert(document.key, material.chain_pem);
        }
        let certificates = held::all(call, region).await?.into_iter();
        let told = certificates.map(|certificate| {
            let chain = served.remove(&tls::key(tls::CERTIFICATE, &certificate.id));
            Told {
                x509: chain.and_then(|pem| X509::from_pem(pem).ok()),
                users: uses.remove(&certificate.arn).unwrap_or_default(),
                certificate,
                now_ms: call.now_ms,
            }
        });
        Ok(told.collect())
    }

    pub fn status(&self) -> CertificateStatus {
        status(&self.certificate, self.now_ms)
    }

    pub fn r#type(&self) -> CertificateType {
        match self.certificate.source {
            Source::Requested => CertificateType::AmazonIssued,
            Source::Imported => CertificateType::Imported,
        }
    }

    pub fn key_algorithm(&self) -> Option<model::KeyAlgorithm> {
        choice(&self.certificate.key_algorithm)
    }

    pub fn key_usages(&self) -> Vec<model::KeyUsageName> {
        let usages = self.x509.iter().flat_map(|x509| &x509.key_usages);
        usages.filter_map(|name| choice(name)).collect()
    }

    pub fn extended_key_usages(&self) -> Vec<model::ExtendedKeyUsageName> {
        let usages = self.x509.iter().flat_map(|x509| &x509.extended_key_usages);
        usages.filter_map(|(name, _)| choice(name)).collect()
    }

    pub fn export(&self) -> CertificateExport {
        match self.certificate.is_exportable {
            true => CertificateExport::Enabled,
            false => CertificateExport::Disabled,
        }
    }

    /// Those that are issued here are renewed while somebody has a use for them.
    pub fn eligibility(&self) -> RenewalEligibility {
        let is_used = !self.users.is_empty() || self.certificate.is_exported;
        match is_used && self.certificate.source == Source::Requested {
            true => RenewalEligibility::Eligible,
            false => RenewalEligibility::Ineligible,
        }
    }

    /// Nothing, as long as it was never tried.
    pub fn renewal_status(&self) -> Option<RenewalStatus> {
        let Certificate { state, work, .. } = &self.certificate;
        match work {
            _ if *state != State::Issued => None,
            work if work.is_wanted || work.failures > 0 => Some(RenewalStatus::PendingAutoRenewal),
            work if work.is_renewed => Some(RenewalStatus::Success),
            _ => None,
        }
    }

    pub fn created_at(&self) -> Timestamp {
        whole_second(self.certificate.created_ms)
    }

    /// When it was issued here.
    pub fn issued_at(&self) -> Option<Timestamp> {
        let is_ours = self.certificate.source == Source::Requested;
        self.since().filter(|_| is_ours)
    }

    /// When its owner brought it last.
    pub fn imported_at(&self) -> Option<Timestamp> {
        let is_brought = self.certificate.source == Source::Imported;
        self.since().filter(|_| is_brought)
    }

    fn since(&self) -> Option<Timestamp> {
        let at_ms = self.certificate.issued_ms;
        (at_ms > 0).then(|| whole_second(at_ms))
    }

    pub fn revoked(&self) -> Option<(Timestamp, Option<model::RevocationReason>)> {
        match &self.certificate.state {
            State::Revoked { at_ms, reason } => Some((whole_second(*at_ms), choice(reason))),
            _ => None,
        }
    }

    pub fn not_before(&self) -> Option<Timestamp> {
        let x509 = self.x509.as_ref()?;
        Some(seconds(x509.not_before_secs))
    }

    pub fn not_after(&self) -> Option<Timestamp> {
        let x509 = self.x509.as_ref()?;
        Some(seconds(x509.not_after_secs))
    }

    fn detail(&self, config: &ControlConfig) -> model::CertificateDetail {
        let Certificate { names, state, .. } = &self.certificate;
        let (x509, revoked) = (self.x509.as_ref(), self.revoked());
        let validations = validations_of(config, &self.certificate);
        let extended = x509.iter().flat_map(|x509| &x509.extended_key_usages);
        let extended = extended.map(|(name, oid)| model::ExtendedKeyUsage {
            name: choice(name),
            oid: Some(oid.clone()),
        });
        let usages = self.key_usages().into_iter();
        let usages = usages.map(|name| model::KeyUsage { name: Some(name) });
        model::CertificateDetail {
            certificate_arn: Some(self.certificate.arn.clone()),
            domain_name: names.first().cloned(),
            subject_alternative_names: Some(names.clone()),
            renewal_summary: self.renewal_summary(&validations),
            domain_validation_options: (!validations.is_empty()).then_some(validations),
            serial: x509.map(|x509| x509.serial.clone()),
            subject: x509.map(|x509| x509.subject.clone()),
            issuer: x509.map(|x509| {
                let organization = x509.issuer_organization.as_ref();
                let issuer = organization.or(x509.issuer_common_name.as_ref());
                issuer.unwrap_or(&x509.issuer).clone()
            }),
            created_at: Some(self.created_at()),
            issued_at: self.issued_at(),
            imported_at: self.imported_at(),
            status: Some(self.status()),
            revoked_at: revoked.as_ref().map(|(at, _)| *at),
            revocation_reason: revoked.and_then(|(_, reason)| reason),
            not_before: self.not_before(),
            not_after: self.not_after(),
            key_algorithm: self.key_algorithm(),
            signature_algorithm: x509.map(|x509| x509.signature_algorithm.to_owned()),
            in_use_by: Some(self.users.clone()),
            failure_reason: match state {
                State::Failed { reason } => choice(reason),
                _ => None,
            },
            r#type: Some(self.r#type()),
            key_usages: x509.map(|_| usages.collect()),
            extended_key_usages: x509.map(|_| extended.collect()),
            renewal_eligibility: Some(self.eligibility()),
            options: Some(self.options()),
            ..model::CertificateDetail::default()
        }
    }

    fn options(&self) -> model::CertificateOptions {
        use model::CertificateTransparencyLoggingPreference as Logging;
        model::CertificateOptions {
            certificate_transparency_logging_preference: Some(match self.certificate.is_unlogged {
                true => Logging::Disabled,
                false => Logging::Enabled,
            }),
            export: Some(self.export()),
            validation_method: None,
        }
    }

    fn renewal_summary(
        &self,
        validations: &[model::DomainValidation],
    ) -> Option<model::RenewalSummary> {
        let work = &self.certificate.work;
        Some(model::RenewalSummary {
            renewal_status: self.renewal_status()?,
            domain_validation_options: validations.to_vec(),
            renewal_status_reason: (work.failures > 0).then_some(model::FailureReason::Other),
            updated_at: whole_second(work.updated_ms),
        })
    }
}

/// How far a certificate is.
pub fn status(certificate: &Certificate, now_ms: u64) -> CertificateStatus {
    match certificate.state {
        State::Pending => CertificateStatus::PendingValidation,
        State::Issued if certificate.not_after_secs < now_ms / 1_000 => CertificateStatus::Expired,
        State::Issued => CertificateStatus::Issued,
        State::Failed { .. } => CertificateStatus::Failed,
        State::TimedOut => CertificateStatus::ValidationTimedOut,
        State::Revoked { .. } => CertificateStatus::Revoked,
    }
}

fn seconds(secs: u64) -> Timestamp {
    Timestamp::from_unix_ms(secs.saturating_mul(1_000) as i64)
}

fn validation_status(certificate: &Certificate, name: &String) -> DomainStatus {
    match certificate.state {
        _ if certificate.validated.contains(name) => DomainStatus::Success,
        State::Failed { .. } | State::TimedOut => DomainStatus::Failed,
        _ => DomainStatus::PendingValidation,
    }
}

/// How its names are validated; those of imported ones are not.
fn validations_of(
    config: &ControlConfig,
    certificate: &Certificate,
) -> Vec<model::DomainValidation> {
    if certificate.source == Source::Imported {
        return Vec::new();
    }
    let names = certificate.names.iter();
    let validation = |name: &String| model::DomainValidation {
        domain_name: name.clone(),
        validation_domain: Some(name.clone()),
        validation_status: Some(validation_status(certificate, name)),
        resource_record: Some(validation::record(config, name)),
        validation_method: Some(ValidationMethod::Dns),
        ..model::DomainValidation::default()
    };
    names.map(validation).collect()
}

/// The names of key algorithms as ACM answers with them: `RSA-2048` for `RSA_2048`.
pub fn hyphened(told: &mut Value) {
    let name = told["KeyAlgorithm"]
        .as_str()
        .and_then(KeyAlgorithm::from_name);
    if let Some(algorithm) = name {
        told["KeyAlgorithm"] = algorithm.describe_name().into();
    }
}

pub async fn describe(call: &Call<'_>) -> Answer {
    let input: model::DescribeCertificateRequest = call.input()?;
    let Held { certificate, .. } = held::load(call, &input.certificate_arn).await?;
    let told = Told::of(call, certificate).await?;
    let mut reply = Reply::of(&model::DescribeCertificateResponse {
        certificate: Some(told.detail(&call.control.config)),
    });
    hyphened(&mut reply.output["Certificate"]);
    Ok(reply)
}

pub async fn validations(call: &Call<'_>) -> Answer {
    const NAMES_LISTED: usize = 1_000;
    check_bounds(call)?;
    let input: model::ListCertificateDomainValidationsRequest = call.input()?;
    let Held { certificate, .. } = held::load(call, &input.certificate_arn).await?;
    let all = validations_of(&call.control.config, &certificate);
    let most = input.max_items.map_or(NAMES_LISTED, |most| most as usize);
    let token = input.next_token.as_deref();
    let (all, next_token) = page(call, all, |one| &one.domain_name, token, most)?;
    let all = all.into_iter().map(|one| model::DomainValidationSummary {
        domain_name: one.domain_name,
        active_validation_configuration: Some(model::ValidationConfiguration {
            validation_method: one.validation_method,
            validation_challenge: Some(model::ValidationChallenge {
                dns_validation_challenge: Some(model::DnsValidationChallenge {
                    resource_record: one.resource_record,
                }),
                email_validation_challenge: None,
            }),
            validation_status: one.validation_status,
        }),
        requested_validation_configuration: None,
    });
    Ok(Reply::of(
        &model::ListCertificateDomainValidationsResponse {
            domain_validation_summary_list: Some(all.collect()),
            next_token,
        },
    ))
}
