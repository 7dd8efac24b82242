//! What is presented to authorities: signing requests, and the certificates of challenges.

use std::time::Duration;

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, SanType};

use crate::limits::{BACKDATED_SECS, CHALLENGE_LIFE_SECS, COMMON_NAME_CHARS_MAX, NAMES_MAX};
use crate::{KeyAlgorithm, KeyError, PrivateKey, is_certificate_name, pem};

/// The last second that certificates can tell: the end of the year 9999.
const LAST_SECS: u64 = 253_402_300_799;

/// A certificate or a request cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MakeError {
    /// No name is given.
    #[error("there must be a name")]
    NoName,
    /// More names than a certificate has.
    #[error("there are {names} names, and at most {NAMES_MAX} are allowed")]
    TooManyNames {
        /// How many are given.
        names: usize,
    },
    /// It is no name.
    #[error(
        "{name:?} is no name of a certificate: labels of letters, digits, - and _ are allowed, \
         the first of which may be *"
    )]
    Name {
        /// What was given.
        name: String,
    },
    /// The authority's own time is over, or has not come.
    #[error("the authority holds from {not_before_secs} to {not_after_secs}, in seconds of 1970")]
    AuthorityTime {
        /// From when on it holds, in seconds since 1970.
        not_before_secs: u64,
        /// Its last second, since 1970.
        not_after_secs: u64,
    },
    /// The certificate given for an authority is none, or not of the key: the operator's to mend.
    #[error("this is no authority that can sign: {what}")]
    Authority {
        /// Why.
        what: String,
    },
    /// No key can be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The library refuses: our fault.
    #[error("making it failed: {what}")]
    Making {
        /// What it says.
        what: String,
    },
}

impl From<rcgen::Error> for MakeError {
    fn from(error: rcgen::Error) -> MakeError {
        let what = error.to_string();
        MakeError::Making { what }
    }
}

/// A request for a certificate of these names, the first of which is the common name too, signed by
/// its key: PKCS #10 in DER form.
pub fn signing_request(names: &[String], key: &PrivateKey) -> Result<Vec<u8>, MakeError> {
    let request = parameters(names)?.serialize_request(&key.signer()?)?;
    Ok(request.der().to_vec())
}

/// The certificate that proves the control of a name in a handshake, in PEM form, and its key
/// (RFC 8737 §3): `key_authorization_sha256` is the digest of the challenge's key authorization.
pub fn alpn_challenge(
    name: &str,
    key_authorization_sha256: &[u8; 32],
    now_secs: u64,
) -> Result<(String, PrivateKey), MakeError> {
    let key = PrivateKey::generate(KeyAlgorithm::EcP256)?;
    let mut parameters = parameters(&[name.to_owned()])?;
    parameters.is_ca = IsCa::ExplicitNoCa;
    let extension = CustomExtension::new_acme_identifier(key_authorization_sha256);
    parameters.custom_extensions.push(extension);
    let from = now_secs.saturating_sub(BACKDATED_SECS);
    set_times(
        &mut parameters,
        from,
        now_secs.saturating_add(CHALLENGE_LIFE_SECS),
    );
    let certificate = parameters.self_signed(&key.signer()?)?;
    Ok((pem::write(pem::CERTIFICATE, certificate.der()), key))
}

/// What certificates and requests of these names have in common.
pub fn parameters(names: &[String]) -> Result<CertificateParams, MakeError> {
    if names.len() > NAMES_MAX {
        return Err(MakeError::TooManyNames { names: names.len() });
    }
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    for name in names {
        let lower = name.to_ascii_lowercase();
        let is_name = is_certificate_name(&lower);
        let san = lower
            .try_into()
            .ok()
            .filter(|_| is_name)
            .map(SanType::DnsName);
        let san = san.ok_or_else(|| MakeError::Name { name: name.clone() })?;
        if !parameters.subject_alt_names.contains(&san) {
            parameters.subject_alt_names.push(san);
        }
    }
    let first = names.first().ok_or(MakeError::NoName)?;
    if first.len() <= COMMON_NAME_CHARS_MAX {
        let common_name = first.to_ascii_lowercase();
        parameters
            .distinguished_name
            .push(DnType::CommonName, common_name);
    }
    Ok(parameters)
}

/// From when to when it holds, in seconds since 1970.
pub fn set_times(parameters: &mut CertificateParams, from_secs: u64, until_secs: u64) {
    let time =
        |secs: u64| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(secs.min(LAST_SECS));
    parameters.not_before = time(from_secs);
    parameters.not_after = time(until_secs);
}
