use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

/// A certificate and its key, with which we answer origins that ask who we are
/// (`OriginMtlsConfig`, spec §7.2). Cheap to clone; made once and shared by the workers.
///
/// Connections and TLS sessions are pooled by it: two identities are equal when id and chain are.
#[derive(Clone)]
pub struct ClientIdentity(Arc<Inner>);

struct Inner {
    id: String,
    certified: Arc<CertifiedKey>,
    resolver: Arc<dyn ResolvesClientCert>,
}

/// Why a certificate and a key make no identity.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the client certificate for origins cannot be used: {0}")]
pub struct ClientIdentityError(rustls::Error);

impl ClientIdentity {
    /// An identity of a chain, the leaf first, and its key (PKCS#8, PKCS#1 or SEC 1). `id` names
    /// the certificate in messages (its ARN). Fails when the key is of no kind that we know, the
    /// chain is empty or no X.509, or the key is not the leaf's.
    pub fn new(
        id: &str,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<ClientIdentity, ClientIdentityError> {
        let provider = aws_lc_rs::default_provider();
        let certified =
            CertifiedKey::from_der(chain, key, &provider).map_err(ClientIdentityError)?;
        Ok(ClientIdentity::of(id, Arc::new(certified)))
    }

    /// The same, of what has been read already.
    pub fn of(id: &str, certified: Arc<CertifiedKey>) -> ClientIdentity {
        ClientIdentity(Arc::new(Inner {
            id: id.to_owned(),
            resolver: Arc::new(SingleCertAndKey::from(Arc::clone(&certified))),
            certified,
        }))
    }

    /// The name that it was given.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    pub(crate) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::clone(&self.0.resolver)
    }
}

impl PartialEq for ClientIdentity {
    fn eq(&self, other: &ClientIdentity) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.id == other.0.id && self.0.certified.cert == other.0.certified.cert)
    }
}

impl Eq for ClientIdentity {}

impl Hash for ClientIdentity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl std::fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ClientIdentity").field(&self.0.id).finish()
    }
}
