//! A certificate that is served, with its key.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use certificates::{Certificate, ReadError, chain};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use crate::policy::Policy;

/// A certificate that is served, with its key and what its authority says of it.
pub struct Identity {
    certificate: Certificate,
    certified_key: Arc<CertifiedKey>,
    digest: [u8; 32],
}

/// A certificate cannot be served; the fault of who stored it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The chain cannot be read.
    #[error("the certificate's chain cannot be read: {0}")]
    Chain(#[from] ReadError),
    /// The chain has no certificate.
    #[error("the certificate's chain is empty")]
    Empty,
    /// The key is none that signs handshakes, or it is another certificate's.
    #[error("the certificate's key cannot be used: {0}")]
    Key(String),
}

impl Identity {
    /// Of a chain in PEM form, the site's own certificate first, its key (PKCS #8 in DER form),
    /// and an OCSP response in DER form, which is stapled as it is.
    pub fn new(
        chain_pem: &str,
        key_der: &[u8],
        ocsp_response: Option<Vec<u8>>,
    ) -> Result<Identity, IdentityError> {
        let chain = read_chain(chain_pem)?;
        let mut context = Context::new(&SHA256);
        for certificate in &chain {
            context.update(&certificate.sha256);
        }
        context.update(ocsp_response.as_deref().unwrap_or_default());
        let digest = context.finish();
        let certificate = chain.first().ok_or(IdentityError::Empty)?.clone();
        let mut certified_key = certified_key(chain, key_der)?;
        certified_key.ocsp = ocsp_response;
        Ok(Identity {
            certificate,
            certified_key: Arc::new(certified_key),
            digest: digest.as_ref().try_into().expect("SHA-256 has 32 bytes"),
        })
    }

    /// What the certificate says.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// As handshakes use it.
    pub fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.certified_key
    }

    /// Whether the certificate is for this name.
    pub fn covers(&self, name: &str) -> bool {
        self.certificate.covers(name)
    }

    /// Tells apart what viewers see: the chain and the OCSP response.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = formatter.debug_struct("Identity");
        text.field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

pub(crate) fn read_chain(pem: &str) -> Result<Vec<Certificate>, IdentityError> {
    let chain = chain::read(pem.as_bytes())?;
    match chain.is_empty() {
        false => Ok(chain),
        true => Err(IdentityError::Empty),
    }
}

pub(crate) fn certified_key(
    chain: Vec<Certificate>,
    key_der: &[u8],
) -> Result<CertifiedKey, IdentityError> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key_der.to_vec()));
    let provider = Policy::FORCED_DEFAULT.provider();
    let key = provider.key_provider.load_private_key(key);
    let key = key.map_err(|error| IdentityError::Key(error.to_string()))?;
    // Not by `CertifiedKey::keys_match`, which also judges the certificate: those of challenges
    // have a critical extension that nobody else has to understand.
    let own = chain.first().ok_or(IdentityError::Empty)?;
    if key
        .public_key()
        .is_none_or(|public| public.as_ref() != own.public_key_der)
    {
        return Err(IdentityError::Key(
            "it is of another certificate".to_owned(),
        ));
    }
    let chain = chain
        .into_iter()
        .map(|certificate| CertificateDer::from(certificate.der));
    Ok(CertifiedKey::new(chain.collect(), key))
}
