//! What ACM checks of certificates that are brought.

use crate::limits::{
    CHAIN_PEM_BYTES_MAX, IMPORTED_CERTIFICATE_BYTES_MAX, IMPORTED_CHAIN_CERTIFICATES_MAX,
};
use crate::{Certificate, KeyError, PrivateKey, ReadError, chain};

/// A certificate that may be served.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The certificate.
    pub leaf: Certificate,
    /// The certificate and its chain, in PEM form.
    pub chain_pem: String,
    /// Its key.
    pub key: PrivateKey,
}

/// What was brought may not be served; the fault of who brought it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// `Certificate` cannot be read.
    #[error("Certificate cannot be read: {0}")]
    Certificate(ReadError),
    /// `Certificate` holds several.
    #[error(
        "Certificate holds {certificates} certificates, and 1 is expected: the others belong in \
         CertificateChain"
    )]
    SeveralCertificates {
        /// How many.
        certificates: usize,
    },
    /// It is for no DNS name.
    #[error("Certificate is for no name: it has no DNS name, and its common name is none")]
    NoName,
    /// `PrivateKey` cannot be read.
    #[error("PrivateKey cannot be read: {0}")]
    Key(KeyError),
    /// The key is another one's.
    #[error("PrivateKey is not the key of Certificate")]
    OtherKey,
    /// It has expired.
    #[error("Certificate has expired: it held until {not_after_secs}, in seconds since 1970")]
    Expired {
        /// Its last second, since 1970.
        not_after_secs: u64,
    },
    /// It does not hold yet.
    #[error("Certificate does not hold yet: it will from {not_before_secs}, in seconds since 1970")]
    NotYet {
        /// From when on it holds, in seconds since 1970.
        not_before_secs: u64,
    },
    /// `CertificateChain` cannot be read.
    #[error("CertificateChain cannot be read: {0}")]
    Chain(ReadError),
    /// `CertificateChain` is too long.
    #[error(
        "CertificateChain holds {certificates} certificates, and at most \
         {IMPORTED_CHAIN_CERTIFICATES_MAX} are allowed"
    )]
    LongChain {
        /// How many.
        certificates: usize,
    },
    /// A certificate of the chain did not sign the one before it.
    #[error(
        "CertificateChain is not in order: its certificate {number} ({subject}) did not sign the \
         one before it, or with an algorithm that is not accepted; begin with the issuer of \
         Certificate, and have each followed by its own issuer"
    )]
    ChainOrder {
        /// Which one, from 1.
        number: usize,
        /// Its subject.
        subject: String,
    },
    /// A certificate of the chain may not sign others.
    #[error("CertificateChain: its certificate {number} ({subject}) is not one of an authority")]
    NotAuthority {
        /// Which one, from 1.
        number: usize,
        /// Its subject.
        subject: String,
    },
}

/// Checks a certificate, its key, and its chain, all in PEM form. A self-signed certificate needs
/// no chain, and neither does one whose issuers viewers know.
pub fn check(
    certificate_pem: &[u8],
    key_pem: &[u8],
    chain_pem: Option<&[u8]>,
    now_secs: u64,
) -> Result<Imported, ImportError> {
    let leaf = read_leaf(certificate_pem)?;
    let key = PrivateKey::from_pem(key_pem).map_err(ImportError::Key)?;
    if !key.is_of(&leaf) {
        return Err(ImportError::OtherKey);
    }
    let (not_before_secs, not_after_secs) = (leaf.not_before_secs, leaf.not_after_secs);
    if now_secs < not_before_secs {
        return Err(ImportError::NotYet { not_before_secs });
    }
    if now_secs > not_after_secs {
        return Err(ImportError::Expired { not_after_secs });
    }
    let chain = read_chain(chain_pem.unwrap_or_default(), &leaf)?;
    let all = std::iter::once(&leaf).chain(&chain);
    let chain_pem = chain::to_pem(all.map(|certificate| &certificate.der));
    Ok(Imported {
        leaf,
        chain_pem,
        key,
    })
}

fn read_leaf(pem: &[u8]) -> Result<Certificate, ImportError> {
    let (bytes, max) = (pem.len(), IMPORTED_CERTIFICATE_BYTES_MAX);
    if bytes > max {
        return Err(ImportError::Certificate(ReadError::TooLong { bytes, max }));
    }
    let read = chain::read(pem).map_err(ImportError::Certificate)?;
    let certificates = read.len();
    if certificates > 1 {
        return Err(ImportError::SeveralCertificates { certificates });
    }
    let leaf = read.into_iter().next();
    let leaf = leaf.ok_or(ImportError::Certificate(ReadError::Missing))?;
    if leaf.names.is_empty() {
        return Err(ImportError::NoName);
    }
    Ok(leaf)
}

fn read_chain(pem: &[u8], leaf: &Certificate) -> Result<Vec<Certificate>, ImportError> {
    const { assert!(IMPORTED_CERTIFICATE_BYTES_MAX <= CHAIN_PEM_BYTES_MAX) };
    let chain = chain::read(pem).map_err(ImportError::Chain)?;
    let certificates = chain.len();
    if certificates == 0 && !pem.trim_ascii().is_empty() {
        return Err(ImportError::Chain(ReadError::Missing));
    }
    if certificates > IMPORTED_CHAIN_CERTIFICATES_MAX {
        return Err(ImportError::LongChain { certificates });
    }
    let mut signed = leaf;
    for (issuer, number) in chain.iter().zip(1..) {
        let subject = || issuer.subject.clone();
        if !signed.is_signed_by(issuer) {
            let subject = subject();
            return Err(ImportError::ChainOrder { number, subject });
        }
        // Roots from before version 3 cannot say so.
        if !issuer.is_authority && !issuer.is_self_issued() {
            let subject = subject();
            return Err(ImportError::NotAuthority { number, subject });
        }
        signed = issuer;
    }
    Ok(chain)
}
