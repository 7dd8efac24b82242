//! Viewers' certificates (spec §14.5): how they are asked for, and which ones pass.
//!
//! Revocation is not checked: a trust store is read from a bundle that has no lists.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::limits::{ADVERTISED_BYTES_MAX, CLIENT_CHAIN_BYTES_MAX, CLIENT_CHAIN_MAX};
use crate::policy::Policy;
use crate::viewer_certificate::ViewerCertificate;
use aws_lc_rs::digest::{Context, SHA256};
use certificates::{Certificate, KeyAlgorithm, ReadError, chain};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};

/// Whether viewers must have a certificate, and whether it is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Without one that the trust store vouches for there is no handshake.
    Required,
    /// A viewer may have none; if it has one, the trust store vouches for it.
    Optional,
    /// A viewer may have none; whatever it has is taken, if it is a certificate and the viewer has
    /// its key. The origin judges.
    Passthrough,
}

/// How viewers are asked for certificates, as the operator says.
#[derive(Clone, Debug)]
pub struct ClientAuthSpec {
    /// Whether they must have one.
    pub mode: Mode,
    /// Certificates of the authorities that may sign them, in PEM form; nobody looks at it in
    /// [`Mode::Passthrough`].
    pub trust_pem: String,
    /// Whether viewers are told the authorities' names.
    pub advertise_names: bool,
    /// Whether certificates pass whose time is over.
    pub ignore_expiry: bool,
    /// The trust store's id and version: sessions begun under other ones are not resumed.
    pub context: String,
}

/// How viewers are asked for certificates.
pub struct ClientAuth {
    mode: Mode,
    ignore_expiry: bool,
    verifier: Arc<Verifier>,
    digest: [u8; 32],
}

/// A trust store cannot be used; the operator's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// There is nobody to trust.
    #[error("the trust store's bundle holds no certificate in PEM form")]
    Empty,
    /// It is no bundle of certificates.
    #[error("the trust store's bundle cannot be read: {0}")]
    Read(#[from] ReadError),
    /// A certificate is none that others can be verified by.
    #[error("certificate {number} of the trust store's bundle is no authority's: {reason}")]
    Authority {
        /// Its place, from 1.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The names would not fit into a handshake.
    #[error(
        "the names of the trust store's authorities are {bytes} bytes long; no more than \
         {ADVERTISED_BYTES_MAX} can be advertised"
    )]
    TooManyNames {
        /// Bytes of all names.
        bytes: usize,
    },
}

/// Why a viewer's certificate does not pass; the viewer's fault. The names are those of the
/// connection log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is none.
    #[error("the viewer has no certificate")]
    Missing,
    /// Too many certificates.
    #[error("the viewer's chain is longer than {CLIENT_CHAIN_MAX} certificates")]
    MaxChainDepthExceeded,
    /// Too many bytes.
    #[error("the viewer's chain is larger than {CLIENT_CHAIN_BYTES_MAX} bytes")]
    MaxSizeExceeded,
    /// No authority of the trust store vouches for it.
    #[error("no authority of the trust store vouches for the viewer's certificate")]
    Untrusted,
    /// Its time has not come.
    #[error("the viewer's certificate is not valid yet")]
    NotYetValid,
    /// Its time is over.
    #[error("the viewer's certificate is expired")]
    Expired,
    /// A kind of key or signature that is not allowed.
    #[error("the viewer's key is neither RSA of 2048, 3072 or 4096 bits nor on P-256 or P-384")]
    TypeUnsupported,
    /// It is for something else than viewers.
    #[error("the viewer's certificate is not for clients")]
    IntentInvalid,
    /// It is no certificate, or a signature is wrong.
    #[error("the viewer's certificate is invalid")]
    Invalid,
}

impl Failure {
    /// As connection logs name it: `ClientCertUntrusted`.
    pub fn name(self) -> &'static str {
        match self {
            Failure::Missing => "ClientCertMissing",
            Failure::MaxChainDepthExceeded => "ClientCertMaxChainDepthExceeded",
            Failure::MaxSizeExceeded => "ClientCertMaxSizeExceeded",
            Failure::Untrusted => "ClientCertUntrusted",
            Failure::NotYetValid => "ClientCertNotYetValid",
            Failure::Expired => "ClientCertExpired",
            Failure::TypeUnsupported => "ClientCertTypeUnsupported",
            Failure::IntentInvalid => "ClientCertIntentInvalid",
            Failure::Invalid => "ClientCertInvalid",
        }
    }

    /// Of the error that a handshake ended with, if it was the certificate.
    pub fn of(error: &Error) -> Option<Failure> {
        let certificate = match error {
            Error::NoCertificatesPresented => return Some(Failure::Missing),
            Error::InvalidCertificate(certificate) => certificate,
            _ => return None,
        };
        Some(match certificate {
            CertificateError::Other(OtherError(inner)) => {
                *inner.downcast_ref::<Failure>().unwrap_or(&Failure::Invalid)
            }
            CertificateError::UnknownIssuer => Failure::Untrusted,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Failure::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Failure::NotYetValid
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Failure::IntentInvalid
            }
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                Failure::TypeUnsupported
            }
            _ => Failure::Invalid,
        })
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(failure))))
    }
}

impl ClientAuth {
    /// As the operator says.
    pub fn new(spec: &ClientAuthSpec) -> Result<ClientAuth, TrustError> {
        let provider = Policy::FORCED_DEFAULT.provider();
        let (mut trust, mut names) = (None, Vec::new());
        if spec.mode != Mode::Passthrough {
            let roots = Arc::new(read_roots(&spec.trust_pem)?);
            if spec.advertise_names {
                names = roots.subjects();
                let bytes = names.iter().map(|name| name.as_ref().len() + 2).sum();
                if bytes > ADVERTISED_BYTES_MAX {
                    return Err(TrustError::TooManyNames { bytes });
                }
            }
            let provider = Arc::clone(provider);
            let builder = WebPkiClientVerifier::builder_with_provider(roots, provider);
            trust = Some(builder.build().map_err(|_| TrustError::Empty)?);
        }
        Ok(ClientAuth {
            mode: spec.mode,
            ignore_expiry: spec.ignore_expiry,
            verifier: Arc::new(Verifier {
                is_mandatory: spec.mode == Mode::Required,
                ignore_expiry: spec.ignore_expiry,
                trust,
                names,
                algorithms: provider.signature_verification_algorithms,
            }),
            digest: digest(spec),
        })
    }

    /// Whether viewers must have a certificate, and whether it is verified.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Tells ways of asking apart: what a session that was begun under another one must not have.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Whether the certificate of a resumed session still passes: its time may be over since the
    /// full handshake. `now_secs` counts from 1970.
    pub fn still_holds(&self, certificate: &ViewerCertificate, now_secs: u64) -> bool {
        let is_unchecked = self.ignore_expiry || self.mode == Mode::Passthrough;
        is_unchecked || now_secs <= certificate.not_after_secs
    }

    pub(crate) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.verifier) as Arc<dyn ClientCertVerifier>
    }
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = formatter.debug_struct("ClientAuth");
        text.field("mode", &self.mode).finish_non_exhaustive()
    }
}

fn read_roots(pem: &str) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in chain::read(pem.as_bytes())?.into_iter().enumerate() {
        let added = roots.add(certificate.der.into());
        added.map_err(|error| TrustError::Authority {
            number: index + 1,
            reason: error.to_string(),
        })?;
    }
    if roots.is_empty() {
        return Err(TrustError::Empty);
    }
    Ok(roots)
}

fn digest(spec: &ClientAuthSpec) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    let flags = [
        match spec.mode {
            Mode::Required => 0,
            Mode::Optional => 1,
            Mode::Passthrough => 2,
        },
        u8::from(spec.advertise_names),
        u8::from(spec.ignore_expiry),
    ];
    context.update(&flags);
    context.update(&(spec.context.len() as u64).to_be_bytes());
    context.update(spec.context.as_bytes());
    context.update(spec.trust_pem.as_bytes());
    let digest = context.finish();
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

struct Verifier {
    is_mandatory: bool,
    ignore_expiry: bool,
    /// None: no authority is asked.
    trust: Option<Arc<dyn ClientCertVerifier>>,
    names: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// What is asked in every mode.
    fn check_form(
        &self,
        viewer: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
    ) -> Result<(), Failure> {
        if others.len() >= CLIENT_CHAIN_MAX {
            return Err(Failure::MaxChainDepthExceeded);
        }
        let bytes = viewer.len() + others.iter().map(|other| other.len()).sum::<usize>();
        if bytes > CLIENT_CHAIN_BYTES_MAX {
            return Err(Failure::MaxSizeExceeded);
        }
        let read =
            |der: &CertificateDer<'_>| Certificate::from_der(der).map_err(|_| Failure::Invalid);
        for other in others {
            read(other)?;
        }
        match read(viewer)?.key_algorithm {
            Some(
                KeyAlgorithm::Rsa2048
                | KeyAlgorithm::Rsa3072
                | KeyAlgorithm::Rsa4096
                | KeyAlgorithm::EcP256
                | KeyAlgorithm::EcP384,
            ) => Ok(()),
            _ => Err(Failure::TypeUnsupported),
        }
    }

    /// Verifies a chain as of a time at which all of it was valid, if there was one; it may be
    /// over, but not still to come. The latest time at which a part began is such a time.
    fn verify_in_past(
        &self,
        trust: &dyn ClientCertVerifier,
        viewer: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Option<ClientCertVerified> {
        let parts = std::iter::once(viewer).chain(others);
        let begins = parts.filter_map(|der| {
            let begin = Certificate::from_der(der).ok()?.not_before_secs;
            (begin <= now.as_secs()).then_some(begin)
        });
        // No more than `CLIENT_CHAIN_MAX` times.
        let mut times = begins.map(|secs| UnixTime::since_unix_epoch(Duration::from_secs(secs)));
        times.find_map(|time| trust.verify_client_cert(viewer, others, time).ok())
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.names
    }

    fn verify_client_cert(
        &self,
        viewer: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check_form(viewer, others)?;
        let Some(trust) = &self.trust else {
            return Ok(ClientCertVerified::assertion());
        };
        let error = match trust.verify_client_cert(viewer, others, now) {
            Ok(verified) => return Ok(verified),
            Err(error) => error,
        };
        if self.ignore_expiry
            && Failure::of(&error) == Some(Failure::Expired)
            && let Some(verified) = self.verify_in_past(trust.as_ref(), viewer, others, now)
        {
            return Ok(verified);
        }
        Err(error)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
        ]
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Verifier").finish_non_exhaustive()
    }
}
