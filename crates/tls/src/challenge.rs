//! The handshake by which an ACME authority sees who has a name (TLS-ALPN-01, RFC 8737).

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ClientHello, NoServerSessionStorage};
use rustls::sign::SingleCertAndKey;

use crate::identity::{self, IdentityError};
use crate::policy::Policy;

/// What an authority offers in its handshake, and nothing else.
pub const ALPN_ACME: &[u8] = b"acme-tls/1";

/// Whether a handshake is an authority's. Then it is answered by [`alpn_config`], or by an alert.
pub fn is_alpn_challenge(hello: &ClientHello<'_>) -> bool {
    let Some(mut protocols) = hello.alpn() else {
        return false;
    };
    protocols.next() == Some(ALPN_ACME) && protocols.next().is_none()
}

/// For the handshake of an authority: the certificate with the answer, in PEM form, and its key,
/// PKCS #8 in DER form. Nothing is spoken after it.
pub fn alpn_config(
    certificate_pem: &str,
    key_der: &[u8],
) -> Result<Arc<ServerConfig>, IdentityError> {
    let policy = Policy::FORCED_DEFAULT;
    let chain = identity::read_chain(certificate_pem)?;
    let key = identity::certified_key(chain, key_der)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(policy.provider()))
        .with_protocol_versions(policy.versions())
        .expect("every policy has suites for each of its protocols");
    let resolver = Arc::new(SingleCertAndKey::from(key));
    let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = vec![ALPN_ACME.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}
