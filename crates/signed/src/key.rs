//! The keys that signatures are checked by (spec §9.4).

use std::fmt;

use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA1_ASN1, ECDSA_P256_SHA256_ASN1, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    VerificationAlgorithm,
};
use certificates::pem;
use thiserror::Error;

use crate::limits::KEY_PEM_BYTES_MAX;

/// Which digest is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    /// The default of CloudFront and its signers.
    Sha1,
    Sha256,
}

/// What a key is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA of 2,048 bits; signatures are PKCS #1 v1.5.
    Rsa2048,
    /// ECDSA on the curve P-256; signatures are DER.
    EcdsaP256,
}

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Longer than [`KEY_PEM_BYTES_MAX`].
    #[error("is longer than any key that is allowed")]
    TooLong,
    /// Not PEM, or not of a key of that sort.
    #[error("is not PEM of one {0}")]
    NotPem(&'static str),
    /// RSA, but not of 2,048 bits.
    #[error("is an RSA key of another size than 2,048 bits")]
    OtherSize,
    /// A key of something else.
    #[error("is neither an RSA key of 2,048 bits nor an ECDSA key on the curve P-256")]
    OtherKind,
}

/// A key that signatures are checked by.
pub struct PublicKey {
    algorithm: Algorithm,
    sha1: ParsedPublicKey,
    sha256: ParsedPublicKey,
}

impl PublicKey {
    /// Reads `EncodedKey` of a public key's document: PEM of a SubjectPublicKeyInfo.
    pub fn from_pem(text: &str) -> Result<PublicKey, KeyError> {
        const NOT_PEM: KeyError = KeyError::NotPem("public key: -----BEGIN PUBLIC KEY-----");
        if text.len() > KEY_PEM_BYTES_MAX {
            return Err(KeyError::TooLong);
        }
        let blocks = pem::read(text.as_bytes(), 1).map_err(|_| NOT_PEM)?;
        let block = blocks.first().ok_or(NOT_PEM)?;
        // A lone point of a curve would be accepted, too; what PEM promises is a sequence.
        if block.label != "PUBLIC KEY" || block.has_headers || block.der.first() != Some(&0x30) {
            return Err(NOT_PEM);
        }
        let der = &block.der;
        if let Ok(key) = PublicEncryptingKey::from_der(der) {
            return match key.key_size_bits() {
                2_048 => PublicKey::parse(
                    Algorithm::Rsa2048,
                    &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
                    &RSA_PKCS1_2048_8192_SHA256,
                    der,
                ),
                _ => Err(KeyError::OtherSize),
            };
        }
        PublicKey::parse(
            Algorithm::EcdsaP256,
            &ECDSA_P256_SHA1_ASN1,
            &ECDSA_P256_SHA256_ASN1,
            der,
        )
    }

    fn parse(
        algorithm: Algorithm,
        sha1: &'static dyn VerificationAlgorithm,
        sha256: &'static dyn VerificationAlgorithm,
        der: &[u8],
    ) -> Result<PublicKey, KeyError> {
        let parse = |with| ParsedPublicKey::new(with, der).map_err(|_| KeyError::OtherKind);
        Ok(PublicKey {
            algorithm,
            sha1: parse(sha1)?,
            sha256: parse(sha256)?,
        })
    }

    /// What the key is of.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn is_signature(&self, hash: Hash, text: &[u8], signature: &[u8]) -> bool {
        let key = match hash {
            Hash::Sha1 => &self.sha1,
            Hash::Sha256 => &self.sha256,
        };
        key.verify_sig(text, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.algorithm.fmt(formatter)
    }
}

/// The keys that a behavior trusts, by their ids.
#[derive(Debug, Default)]
pub struct Signers {
    /// A handful: five in a group.
    keys: Box<[(String, PublicKey)]>,
}

impl Signers {
    /// Of an id that is given twice, the first counts.
    pub fn new(keys: impl IntoIterator<Item = (String, PublicKey)>) -> Signers {
        Signers {
            keys: keys.into_iter().collect(),
        }
    }

    /// Nobody can sign.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Ids of the keys.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(id, _)| &**id)
    }

    pub(crate) fn key(&self, id: &[u8]) -> Option<&PublicKey> {
        let mut keys = self.keys.iter();
        let found = keys.find(|(known, _)| known.as_bytes() == id);
        found.map(|(_, key)| key)
    }
}
