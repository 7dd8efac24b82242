//! TLS as health checks speak it: any certificate will do (spec §13.1). What is checked is whether
//! the endpoint serves, not who it is.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Makes connections over TLS.
pub(crate) struct Tls {
    connector: TlsConnector,
}

/// Why there is none.
pub(crate) enum Failure {
    /// The endpoint refuses, and may not if another name is said, or none.
    Alert(String),
    /// Anything else.
    Other(io::Error),
}

impl Tls {
    pub fn new() -> Tls {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Anyone {
            provider: Arc::clone(&provider),
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider supports TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        // Each probe sees all of the handshake.
        config.resumption = Resumption::disabled();
        Tls {
            connector: Arc::new(config).into(),
        }
    }

    /// Shakes hands, and says `name` if it is one of DNS.
    pub async fn connect(
        &self,
        name: Option<&str>,
        address: IpAddr,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let name = name.and_then(|name| ServerName::try_from(name.to_owned()).ok());
        // Addresses are never said.
        let name = name.unwrap_or_else(|| ServerName::IpAddress(address.into()));
        let result = self.connector.connect(name, stream).await;
        result.map_err(|error| match rustls_error(&error) {
            Some(rustls::Error::AlertReceived(alert)) => Failure::Alert(format!("{alert:?}")),
            _ => Failure::Other(error),
        })
    }
}

/// What the handshake says was wrong, if it was the handshake.
pub(crate) fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Takes every certificate.
#[derive(Debug)]
struct Anyone {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
