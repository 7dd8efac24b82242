//! `GetCertificate` and `ExportCertificate`: the certificate itself, and its key.

use certificates::{PrivateKey, chain};
use documents::acm::{Certificate, Source, State};
use documents::tls::{self, Material};
use shapes::acm::{self as model, error};

use super::held::{self, Held};
use super::{check_bounds, internal, invalid, local};
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;

/// What is served of a certificate; refused while there is nothing.
async fn issued(call: &Call<'_>, certificate: &Certificate) -> Result<Material, Failure> {
    let arn = &certificate.arn;
    let material = held::material(call, &certificate.id).await?;
    match (&certificate.state, material) {
        (State::Pending, _) => Err(Failure::api(
            &error::REQUEST_IN_PROGRESS_EXCEPTION,
            format!("The certificate '{arn}' is not issued yet."),
        )),
        (_, Some(material)) => Ok(material),
        (_, None) => Err(Failure::api(
            &error::RESOURCE_NOT_FOUND_EXCEPTION,
            format!("The certificate '{arn}' was never issued."),
        )),
    }
}

/// The certificate and what leads to its root, both in PEM form. The local authority's own
/// certificate is told with those that it issued, though it is not served with them.
async fn parts(call: &Call<'_>, material: &Material) -> Result<(String, Option<String>), Failure> {
    let broken = || internal("what is stored of the certificate cannot be read");
    let all = chain::read(material.chain_pem.as_bytes()).map_err(|_| broken())?;
    let (leaf, rest) = all.split_first().ok_or_else(broken)?;
    let mut chain_pem = chain::to_pem(rest.iter().map(|one| &one.der));
    if rest.is_empty() && !leaf.is_self_issued() {
        let authority = local::authority(call.control, call.now_ms).await;
        let authority = authority.map_err(|error| internal(&error.to_string()))?;
        if leaf.is_signed_by(authority.certificate()) {
            chain_pem = authority.certificate_pem().to_owned();
        }
    }
    Ok((leaf.to_pem(), (!chain_pem.is_empty()).then_some(chain_pem)))
}

pub async fn get(call: &Call<'_>) -> Answer {
    let input: model::GetCertificateRequest = call.input()?;
    let Held { certificate, .. } = held::load(call, &input.certificate_arn).await?;
    let material = issued(call, &certificate).await?;
    let (certificate, certificate_chain) = parts(call, &material).await?;
    Ok(Reply::of(&model::GetCertificateResponse {
        certificate: Some(certificate),
        certificate_chain,
    }))
}

pub async fn export(call: &Call<'_>) -> Answer {
    check_bounds(call)?;
    let input: model::ExportCertificateRequest = call.input()?;
    let passphrase = input.passphrase.0;
    if !(4..=128).contains(&passphrase.len()) {
        let message = format!(
            "Passphrase has {} bytes; 4 to 128 may be.",
            passphrase.len()
        );
        return Err(invalid(call, message));
    }
    let held = held::load(call, &input.certificate_arn).await?;
    let old = &held.certificate;
    if !old.is_exportable || old.source != Source::Requested {
        let message = format!(
            "The certificate '{}' cannot be exported: that is for those which were requested with \
             Options.Export ENABLED.",
            old.arn
        );
        return Err(invalid(call, message));
    }
    let material = issued(call, old).await?;
    let (certificate, certificate_chain) = parts(call, &material).await?;
    let purpose = tls::sealing_purpose(&old.id);
    let key = call
        .control
        .config
        .secrets
        .open(&purpose, &material.sealed_key);
    let key = key.map_err(|error| internal(&error.to_string()))?;
    let key = PrivateKey::from_pkcs8_der(&key).map_err(|error| internal(&error.to_string()))?;
    let encrypting = tokio::task::spawn_blocking(move || key.to_encrypted_pem(&passphrase));
    let private_key = encrypting.await.map_err(|_| internal("the process ends"))?;
    let next = Certificate {
        is_exported: true,
        ..old.clone()
    };
    call.commit(held.put(&next)).await?;
    Ok(Reply::of(&model::ExportCertificateResponse {
        certificate: Some(certificate),
        certificate_chain,
        private_key: Some(private_key),
    }))
}
