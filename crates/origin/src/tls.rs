use std::future::poll_fn;
use std::io::{self, Read};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, ResolvesClientCert, Resumption,
    WebPkiServerVerifier,
};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore,
    SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::limits::{CA_BUNDLE_BYTES_MAX, TLS_SESSIONS_PER_POOL_MAX};
use crate::{ClientIdentity, FetchError, Protocol, TlsFailure, TlsVersion};

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
        let provider = Arc::new(provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
                .build()
                .expect("there are roots and no revocation lists");
        TlsRoots { provider, verifier }
    }

    /// How the connections of one pool speak TLS.
    pub(crate) fn pool_tls(&self, terms: TlsTerms<'_>) -> PoolTls {
        let versions: &[&rustls::SupportedProtocolVersion] = match terms.minimum {
            TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            TlsVersion::Tls13 => &[&rustls::version::TLS13],
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)
            .expect("the provider supports TLS 1.2 and 1.3");
        let builder = match terms.other_name {
            None => builder.with_webpki_verifier(Arc::clone(&self.verifier)),
            Some(other_name) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(EitherName {
                    verifier: Arc::clone(&self.verifier),
                    other_name,
                })),
        };
        let nobody = Arc::new(Nobody::default());
        let mut config = builder.with_client_cert_resolver(match terms.identity {
            Some(identity) => identity.resolver(),
            None => Arc::clone(&nobody) as Arc<dyn ResolvesClientCert>,
        });
        let sessions = Arc::new(ClientSessionMemoryCache::new(TLS_SESSIONS_PER_POOL_MAX));
        config.resumption = Resumption::store(Arc::clone(&sessions) as _);
        config.alpn_protocols = vec![match terms.protocol {
            Protocol::Http1 => b"http/1.1".to_vec(),
            Protocol::Http2 => b"h2".to_vec(),
        }];
        PoolTls {
            connector: TlsConnector::from(Arc::new(config)),
            server_name: terms.server_name,
            protocol: terms.protocol,
            sessions,
            nobody,
        }
    }
}

/// What the connections of a pool have in common about TLS.
pub(crate) struct TlsTerms<'a> {
    pub(crate) minimum: TlsVersion,
    pub(crate) protocol: Protocol,
    /// The name that the handshake asks for.
    pub(crate) server_name: ServerName<'static>,
    /// A second name that the certificate may match (spec §7.2: forwarded `Host`, or the
    /// origin's name).
    pub(crate) other_name: Option<ServerName<'static>>,
    pub(crate) identity: Option<&'a ClientIdentity>,
}

/// How the connections of a pool speak TLS, and the sessions that they may resume.
pub(crate) struct PoolTls {
    connector: TlsConnector,
    server_name: ServerName<'static>,
    protocol: Protocol,
    sessions: Arc<ClientSessionMemoryCache>,
    nobody: Arc<Nobody>,
}

impl PoolTls {
    /// Shakes hands over a fresh connection.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, FetchError> {
        let mut handshake = pin!(self.connector.connect(self.server_name.clone(), stream));
        let mut was_asked = false;
        // Pools are their thread's own: what the resolver is asked within a poll of this
        // handshake is about this handshake.
        let result = poll_fn(|cx| {
            self.nobody.was_asked.store(false, Ordering::Relaxed);
            let result = handshake.as_mut().poll(cx);
            was_asked |= self.nobody.was_asked.load(Ordering::Relaxed);
            result
        })
        .await;
        if was_asked {
            // Origins that can do without would let a resumed session pass, and the outcome
            // should not hang on that.
            self.sessions.remove_tls12_session(&self.server_name);
            return Err(TlsFailure::CertificateRequested.into());
        }
        let stream = result.map_err(|error| {
            tracing::debug!(%error, "TLS handshake failed");
            failure_of(&error)
        })?;
        let has_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        if self.protocol == Protocol::Http2 && !has_http2 {
            return Err(FetchError::NoHttp2);
        }
        Ok(stream)
    }
}

/// Who we are without an identity; remembers whether anybody asked.
#[derive(Debug, Default)]
struct Nobody {
    was_asked: AtomicBool,
}

impl ResolvesClientCert for Nobody {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.was_asked.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

impl std::fmt::Debug for TlsRoots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsRoots")
    }
}

/// The ciphers and curves of spec §7.2, as far as rustls has them: of TLS 1.2 those with AES-GCM
/// (CBC, 3DES and RC4 are not spoken), and all of TLS 1.3.
fn provider() -> CryptoProvider {
    use aws_lc_rs::{cipher_suite as suite, kx_group};
    CryptoProvider {
        cipher_suites: vec![
            suite::TLS13_AES_256_GCM_SHA384,
            suite::TLS13_AES_128_GCM_SHA256,
            suite::TLS13_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ],
        kx_groups: vec![kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1],
        ..aws_lc_rs::default_provider()
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
fn failure_of(error: &io::Error) -> FetchError {
    let Some(error) = error
        .get_ref()
        .and_then(|error| error.downcast_ref::<rustls::Error>())
    else {
        return TlsFailure::Handshake.into();
    };
    let failure = match error {
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            return FetchError::NoHttp2;
        }
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
    };
    failure.into()
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
