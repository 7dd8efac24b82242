use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use crate::limits::{CA_BUNDLE_BYTES_MAX, TLS_SESSIONS_PER_POOL_MAX};
use crate::{TlsFailure, TlsVersion};

/// The authorities that origins' certificates may be signed by; made once a process and shared
/// by its workers.
#[derive(Clone)]
pub struct TlsRoots {
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
}

/// Why an extra CA bundle cannot be used: the operator's fault.
#[derive(Debug, thiserror::Error)]
pub enum CaBundleError {
    /// The file cannot be read.
    #[error("cannot read the CA bundle: {0}")]
    Read(#[from] io::Error),
    /// The file is larger than any bundle.
    #[error("the CA bundle is over {CA_BUNDLE_BYTES_MAX} bytes")]
    TooLarge,
    /// The file is not a list of certificates in PEM form, or one of them is broken.
    #[error("the CA bundle holds something that is no certificate in PEM form: {0}")]
    NotPem(String),
    /// The file holds no certificate.
    #[error("the CA bundle holds no certificate (expected `-----BEGIN CERTIFICATE-----`)")]
    Empty,
}

impl TlsRoots {
    /// Mozilla's roots.
    pub fn mozilla() -> TlsRoots {
        TlsRoots::from_store(mozilla_store())
    }

    /// Mozilla's roots and the certificates of a PEM file.
    pub fn mozilla_and_file(path: &Path) -> Result<TlsRoots, CaBundleError> {
        let mut pem = Vec::new();
        std::fs::File::open(path)?
            .take(CA_BUNDLE_BYTES_MAX + 1)
            .read_to_end(&mut pem)?;
        if pem.len() as u64 > CA_BUNDLE_BYTES_MAX {
            return Err(CaBundleError::TooLarge);
        }
        TlsRoots::mozilla_and_pem(&pem)
    }

    /// Mozilla's roots and certificates in PEM form.
    pub fn mozilla_and_pem(pem: &[u8]) -> Result<TlsRoots, CaBundleError> {
        let mut store = mozilla_store();
        let mut is_empty = true;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate =
                certificate.map_err(|error| CaBundleError::NotPem(error.to_string()))?;
            store
                .add(certificate)
                .map_err(|error| CaBundleError::NotPem(error.to_string()))?;
            is_empty = false;
        }
        if is_empty {
            Err(CaBundleError::Empty)
        } else {
            Ok(TlsRoots::from_store(store))
        }
    }

    fn from_store(store: RootCertStore) -> TlsRoots {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
                .build()
                .expect("there are roots and no revocation lists");
        TlsRoots { provider, verifier }
    }

    /// The client configuration of one pool. The certificate may match the name that the
    /// handshake asks for or `other_name` (spec §7.2: forwarded `Host`, or the origin's name).
    pub(crate) fn client_config(
        &self,
        minimum: TlsVersion,
        other_name: Option<ServerName<'static>>,
    ) -> Arc<ClientConfig> {
        let versions: &[&rustls::SupportedProtocolVersion] = match minimum {
            TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            TlsVersion::Tls13 => &[&rustls::version::TLS13],
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)
            .expect("the provider supports TLS 1.2 and 1.3");
        let builder = match other_name {
            None => builder.with_webpki_verifier(Arc::clone(&self.verifier)),
            Some(other_name) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(EitherName {
                    verifier: Arc::clone(&self.verifier),
                    other_name,
                })),
        };
        let mut config = builder.with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(TLS_SESSIONS_PER_POOL_MAX);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

impl std::fmt::Debug for TlsRoots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsRoots")
    }
}

fn mozilla_store() -> RootCertStore {
    RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    }
}

/// The usual checks, but with two acceptable names. Everything is delegated; nothing is waived.
#[derive(Debug)]
struct EitherName {
    verifier: Arc<WebPkiServerVerifier>,
    other_name: ServerName<'static>,
}

impl ServerCertVerifier for EitherName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verify = |name: &ServerName<'_>| {
            self.verifier
                .verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
        };
        match verify(server_name) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => verify(&self.other_name),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// What a failed handshake was about. Faults of the certificate stay what they are however often
/// one tries; the rest may be passing.
pub(crate) fn failure_of(error: &io::Error) -> TlsFailure {
    let Some(error) = error
        .get_ref()
        .and_then(|error| error.downcast_ref::<rustls::Error>())
    else {
        return TlsFailure::Handshake;
    };
    match error {
        rustls::Error::InvalidCertificate(fault) => match fault {
            CertificateError::UnknownIssuer => TlsFailure::UntrustedIssuer,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                TlsFailure::Expired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                TlsFailure::NotYetValid
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsFailure::WrongName
            }
            _ => TlsFailure::BadCertificate,
        },
        _ => TlsFailure::Handshake,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_bundle_without_a_certificate_is_refused() {
        assert!(matches!(
            TlsRoots::mozilla_and_pem(b""),
            Err(CaBundleError::Empty)
        ));
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            TlsRoots::mozilla_and_pem(broken),
            Err(CaBundleError::NotPem(_))
        ));
        let missing = TlsRoots::mozilla_and_file(Path::new("/nonexistent/ca.pem"));
        assert!(matches!(missing, Err(CaBundleError::Read(_))));
    }
}
