use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::limits::NAME_BYTES_MAX;
use crate::message::EncryptionFailed;

/// A public key, and the names by which who decrypts finds the private one. For AWS's SDKs: a raw
/// RSA key of that provider id (or key namespace) and key name, RSA-OAEP with SHA-256 and MGF1
/// with SHA-256.
#[derive(Debug)]
pub struct Key {
    provider_id: String,
    name: String,
    rsa: OaepPublicEncryptingKey,
}

/// Why a key cannot encrypt: the operator's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not PEM of a public key.
    #[error(
        "is not PEM of a public key: -----BEGIN PUBLIC KEY-----, base64, -----END PUBLIC KEY-----"
    )]
    Pem,
    /// Some other public key.
    #[error("is not an RSA key of at least 2,048 bits; no other can encrypt")]
    Algorithm,
    /// The provider id or the name does not fit into a message.
    #[error("has a provider id or a name of more than {NAME_BYTES_MAX} bytes")]
    Name,
}

impl Key {
    /// A key in PEM (`PublicKeyConfig.EncodedKey`), with `ProviderId` of the profile's entity and
    /// `Name` of the public key.
    ///
    /// # Errors
    /// What is wrong with the key.
    pub fn new(provider_id: &str, name: &str, pem: &str) -> Result<Key, KeyError> {
        if provider_id.len() > NAME_BYTES_MAX || name.len() > NAME_BYTES_MAX {
            return Err(KeyError::Name);
        }
        let base64 = pem
            .trim()
            .strip_prefix("-----BEGIN PUBLIC KEY-----")
            .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"))
            .ok_or(KeyError::Pem)?;
        let base64: String = base64.split_ascii_whitespace().collect();
        let der = STANDARD.decode(base64).map_err(|_| KeyError::Pem)?;
        let rsa = PublicEncryptingKey::from_der(&der).map_err(|_| KeyError::Algorithm)?;
        let rsa = OaepPublicEncryptingKey::new(rsa).map_err(|_| KeyError::Algorithm)?;
        Ok(Key {
            provider_id: provider_id.to_owned(),
            name: name.to_owned(),
            rsa,
        })
    }

    /// The provider id, or namespace.
    pub fn provider_id(&self) -> &str {
        &self.provider_id
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A data key that only the private key opens.
    pub(crate) fn wrap(&self, data_key: &[u8]) -> Result<Vec<u8>, EncryptionFailed> {
        let mut wrapped = vec![0; self.rsa.ciphertext_size()];
        let length = self
            .rsa
            .encrypt(&OAEP_SHA256_MGF1SHA256, data_key, &mut wrapped, None)
            .map_err(|_| EncryptionFailed)?
            .len();
        wrapped.truncate(length);
        Ok(wrapped)
    }
}
