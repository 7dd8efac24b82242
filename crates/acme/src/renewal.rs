//! When an authority wants a certificate to be renewed (ARI, RFC 9773).

use instant_acme::{CertificateIdentifier, Error};
use rustls::pki_types::CertificateDer;

use crate::account::Account;
use crate::error::AcmeError;
use crate::limits::RETRY_AFTER_SECS_MAX;

/// When an authority wants a certificate to be renewed: at a moment chosen at random between the
/// two, or now if that has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenewalWindow {
    /// Seconds since 1970; 0 at least.
    pub starts_secs: u64,
    /// Seconds since 1970; not before its start.
    pub ends_secs: u64,
    /// How many seconds later it should be asked again, as it may change.
    pub again_after_secs: u64,
}

/// When the authority wants a certificate (DER) to be renewed; nothing if it does not say.
///
/// # Errors
/// When the server cannot be reached, or answers what is no window.
pub async fn renewal_window(
    account: &Account,
    certificate_der: &[u8],
) -> Result<Option<RenewalWindow>, AcmeError> {
    let certificate = CertificateDer::from(certificate_der);
    // Without the key identifier of its authority it has no name that could be asked for.
    let Ok(id) = CertificateIdentifier::try_from(&certificate) else {
        return Ok(None);
    };
    let session = account.session().await?;
    let (info, again_after) = match session.account.renewal_info(&id).await {
        Ok(answer) => answer,
        Err(Error::Unsupported(_)) => return Ok(None),
        Err(error) => return Err(session.error(error)),
    };
    let window = info.suggested_window;
    let starts_secs = u64::try_from(window.start.unix_timestamp()).unwrap_or(0);
    let ends_secs = u64::try_from(window.end.unix_timestamp()).unwrap_or(0);
    if ends_secs < starts_secs {
        return Err(AcmeError::Protocol(
            "the window of a renewal ends before it starts".to_owned(),
        ));
    }
    let again_after_secs = again_after.as_secs().min(RETRY_AFTER_SECS_MAX);
    Ok(Some(RenewalWindow {
        starts_secs,
        ends_secs,
        again_after_secs,
    }))
}
