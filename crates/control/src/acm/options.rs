//! Changes of a certificate that is there, and its end.

use documents::acm::{self as forms, Certificate, Source, State};
use documents::{keys, tls};
use shapes::acm::{
    self as model, CertificateExport, CertificateTransparencyLoggingPreference as Logging,
    ValidationMethod, error,
};

use super::held::{self, Held};
use super::{check_bounds, invalid, known, uses};
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::Failure;

/// The change, as long as nobody is served with the certificate.
async fn if_unused(
    call: &Call<'_>,
    change: Change,
    certificate: &Certificate,
) -> Result<Change, Failure> {
    let arn = &certificate.arn;
    uses::unused(call, change, arn).await?.map_err(|users| {
        let message = format!("The certificate '{arn}' is in use by {}.", users.join(", "));
        Failure::api(&error::RESOURCE_IN_USE_EXCEPTION, message)
    })
}

pub async fn delete(call: &Call<'_>) -> Answer {
    let input: model::DeleteCertificateRequest = call.input()?;
    let held = held::load(call, &input.certificate_arn).await?;
    let certificate = &held.certificate;
    let change = if_unused(call, held.change(), certificate).await?;
    let change = change
        .delete(forms::certificate(&certificate.id))
        .delete(tls::key(tls::CERTIFICATE, &certificate.id))
        .delete(keys::tags(&certificate.arn));
    call.commit(change).await?;
    Ok(Reply::empty())
}

/// Refuses certificates that were not issued here, or are not issued now.
fn check_issued(call: &Call<'_>, certificate: &Certificate) -> Result<(), Failure> {
    let arn = &certificate.arn;
    if certificate.source == Source::Imported {
        let message = format!("The certificate '{arn}' was imported: its owner looks after it.");
        return Err(invalid(call, message));
    }
    let in_progress = known(call.operation, &[&error::REQUEST_IN_PROGRESS_EXCEPTION]);
    match (&certificate.state, in_progress) {
        (State::Issued, _) => Ok(()),
        (State::Pending, Some(shape)) => Err(Failure::api(
            shape,
            format!("The certificate '{arn}' is not issued yet."),
        )),
        _ => Err(invalid(
            call,
            format!("The certificate '{arn}' is not one that is issued."),
        )),
    }
}

/// The upkeep renews it soon.
pub async fn renew(call: &Call<'_>) -> Answer {
    let input: model::RenewCertificateRequest = call.input()?;
    let held = held::load(call, &input.certificate_arn).await?;
    check_issued(call, &held.certificate)?;
    let mut next = held.certificate.clone();
    next.work.is_wanted = true;
    next.work.not_before_ms = 0;
    next.work.updated_ms = call.now_ms;
    call.commit(held.put(&next)).await?;
    Ok(Reply::empty())
}

pub async fn revoke(call: &Call<'_>) -> Answer {
    let input: model::RevokeCertificateRequest = call.input()?;
    let held = held::load(call, &input.certificate_arn).await?;
    let old = &held.certificate;
    check_issued(call, old)?;
    if !old.is_exported {
        let message = format!(
            "The certificate '{}' was never exported: delete it, and nobody has its key.",
            old.arn
        );
        return Err(invalid(call, message));
    }
    let next = Certificate {
        state: State::Revoked {
            at_ms: call.now_ms,
            reason: input.revocation_reason.as_str().to_owned(),
        },
        ..old.clone()
    };
    let change = if_unused(call, held.put(&next), old).await?;
    call.commit(change).await?;
    Ok(Reply::of(&model::RevokeCertificateResponse {
        certificate_arn: Some(next.arn),
    }))
}

pub async fn update(call: &Call<'_>) -> Answer {
    check_bounds(call)?;
    let input: model::UpdateCertificateOptionsRequest = call.input()?;
    let held = held::load(call, &input.certificate_arn).await?;
    let old = &held.certificate;
    if old.source == Source::Imported {
        let message = format!(
            "The certificate '{}' was imported, and has no options.",
            old.arn
        );
        return Err(Failure::api(&error::INVALID_STATE_EXCEPTION, message));
    }
    let options = input.options;
    let export = options
        .export
        .map(|export| export == CertificateExport::Enabled);
    if export.is_some_and(|export| export != old.is_exportable) {
        let message = "Options.Export is decided when a certificate is requested, and stays.";
        return Err(invalid(call, message));
    }
    if options
        .validation_method
        .is_some_and(|method| method != ValidationMethod::Dns)
    {
        let message = "Options.ValidationMethod: names are validated by DNS alone.";
        return Err(invalid(call, message));
    }
    let logging = options.certificate_transparency_logging_preference;
    let next = Certificate {
        is_unlogged: logging.map_or(old.is_unlogged, |logging| logging == Logging::Disabled),
        ..old.clone()
    };
    call.commit(held.put(&next)).await?;
    Ok(Reply::empty())
}

pub async fn resend_mail(call: &Call<'_>) -> Answer {
    let input: model::ResendValidationEmailRequest = call.input()?;
    let Held { certificate, .. } = held::load(call, &input.certificate_arn).await?;
    let message = format!(
        "The names of the certificate '{}' are validated by DNS; no mail is sent.",
        certificate.arn
    );
    let shape = &error::INVALID_DOMAIN_VALIDATION_OPTIONS_EXCEPTION;
    Err(Failure::api(shape, message))
}
