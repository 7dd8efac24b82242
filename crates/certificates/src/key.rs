//! Private keys: made, read in the forms that people have them in, written encrypted.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature as lc;
use aws_lc_rs::signature::{EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair, RsaKeyPair};

use crate::der::{INTEGER, Reader, SEQUENCE};
use crate::limits::KEY_PEM_BYTES_MAX;
use crate::{Certificate, KeyAlgorithm, MakeError, pbes2, pem};

const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

/// A private key that can be served. What it holds is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey {
    pkcs8_der: Vec<u8>,
    public_key_der: Vec<u8>,
    algorithm: KeyAlgorithm,
}

/// A private key cannot be read or made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No private key is there; the fault of who brought it.
    #[error("it holds no private key: PEM is expected, -----BEGIN PRIVATE KEY----- and so on")]
    Missing,
    /// There is more than one.
    #[error("it holds more than one private key")]
    Several,
    /// It has more bytes than are read.
    #[error("it has {bytes} bytes, and at most {KEY_PEM_BYTES_MAX} are read")]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// The text is not PEM.
    #[error("it is not PEM at line {line}")]
    Pem {
        /// The line, from 1.
        line: usize,
    },
    /// A passphrase is needed to read it.
    #[error("it is encrypted: it must be in the clear, as `openssl pkey -in KEY` writes it")]
    Encrypted,
    /// It is broken, or of a kind that is not served.
    #[error(
        "it is no whole key of a kind that is served: RSA of 2048, 3072 or 4096 bits, or EC on \
         prime256v1, secp384r1 or secp521r1, as PKCS #8, PKCS #1 or SEC 1"
    )]
    Kind,
    /// Keys of this kind are not made.
    #[error("keys of {} are not made", .algorithm.request_name())]
    NotMade {
        /// The kind.
        algorithm: KeyAlgorithm,
    },
    /// The library of cryptography refuses: our fault.
    #[error("making a key failed")]
    Making,
}

impl PrivateKey {
    /// Makes a key. Takes up to seconds for RSA of 4096 bits.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<PrivateKey, KeyError> {
        let size = match algorithm {
            KeyAlgorithm::Rsa1024 => return Err(KeyError::NotMade { algorithm }),
            KeyAlgorithm::Rsa2048 => KeySize::Rsa2048,
            KeyAlgorithm::Rsa3072 => KeySize::Rsa3072,
            KeyAlgorithm::Rsa4096 => KeySize::Rsa4096,
            _ => {
                let curve = curves().into_iter().find(|(of, _)| *of == algorithm);
                let (_, curve) = curve.expect("what is not RSA is a curve");
                let pair = EcdsaKeyPair::generate(curve).map_err(|_| KeyError::Making)?;
                return of_ec(algorithm, &pair).ok_or(KeyError::Making);
            }
        };
        let pair = RsaKeyPair::generate(size).map_err(|_| KeyError::Making)?;
        of_rsa(&pair).ok_or(KeyError::Making)
    }

    /// Reads the private key of a text in PEM form: PKCS #8 (`PRIVATE KEY`), PKCS #1
    /// (`RSA PRIVATE KEY`), SEC 1 (`EC PRIVATE KEY`).
    pub fn from_pem(text: impl AsRef<[u8]>) -> Result<PrivateKey, KeyError> {
        let text = text.as_ref();
        if text.len() > KEY_PEM_BYTES_MAX {
            return Err(KeyError::TooLong { bytes: text.len() });
        }
        let blocks = pem::read(text, usize::MAX).map_err(|malformed| KeyError::Pem {
            line: malformed.line,
        })?;
        let mut keys = blocks
            .iter()
            .filter(|block| block.label.ends_with("PRIVATE KEY"));
        let key = keys.next().ok_or(KeyError::Missing)?;
        if keys.next().is_some() {
            return Err(KeyError::Several);
        }
        match &*key.label {
            _ if key.has_headers => Err(KeyError::Encrypted),
            ENCRYPTED => Err(KeyError::Encrypted),
            "PRIVATE KEY" | "EC PRIVATE KEY" => from_der(&key.der),
            "RSA PRIVATE KEY" => {
                let pair = RsaKeyPair::from_der(&key.der).map_err(|_| KeyError::Kind)?;
                of_rsa(&pair).ok_or(KeyError::Kind)
            }
            _ => Err(KeyError::Kind),
        }
    }

    /// Reads a key in PKCS #8's DER form.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<PrivateKey, KeyError> {
        from_der(der)
    }

    /// In PKCS #8's DER form, in the clear: to be sealed before it is stored.
    pub fn pkcs8_der(&self) -> &[u8] {
        &self.pkcs8_der
    }

    /// In PEM form, encrypted with a passphrase (PKCS #8, PBES2 with PBKDF2 and AES-256-CBC) as
    /// OpenSSL reads it. Takes tens of milliseconds, and is meant to.
    pub fn to_encrypted_pem(&self, passphrase: &[u8]) -> String {
        pem::write(ENCRYPTED, &pbes2::encrypt(&self.pkcs8_der, passphrase))
    }

    /// Kind and size.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The public key (`SubjectPublicKeyInfo`) in DER form.
    pub fn public_key_der(&self) -> &[u8] {
        &self.public_key_der
    }

    /// Whether a certificate is for this key.
    pub fn is_of(&self, certificate: &Certificate) -> bool {
        self.public_key_der == certificate.public_key_der
    }

    pub(crate) fn signer(&self) -> Result<rcgen::KeyPair, MakeError> {
        rcgen::KeyPair::try_from(&*self.pkcs8_der).map_err(MakeError::from)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = formatter.debug_struct("PrivateKey");
        text.field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

fn curves() -> [(KeyAlgorithm, &'static EcdsaSigningAlgorithm); 3] {
    [
        (KeyAlgorithm::EcP256, &lc::ECDSA_P256_SHA256_ASN1_SIGNING),
        (KeyAlgorithm::EcP384, &lc::ECDSA_P384_SHA384_ASN1_SIGNING),
        (KeyAlgorithm::EcP521, &lc::ECDSA_P521_SHA512_ASN1_SIGNING),
    ]
}

/// PKCS #8 of any kind, or SEC 1.
fn from_der(der: &[u8]) -> Result<PrivateKey, KeyError> {
    for (algorithm, curve) in curves() {
        if let Ok(pair) = EcdsaKeyPair::from_private_key_der(curve, der) {
            return of_ec(algorithm, &pair).ok_or(KeyError::Kind);
        }
    }
    let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| KeyError::Kind)?;
    of_rsa(&pair).ok_or(KeyError::Kind)
}

fn of_ec(algorithm: KeyAlgorithm, pair: &EcdsaKeyPair) -> Option<PrivateKey> {
    Some(PrivateKey {
        pkcs8_der: pair.to_pkcs8v1().ok()?.as_ref().to_vec(),
        public_key_der: pair.public_key().as_der().ok()?.as_ref().to_vec(),
        algorithm,
    })
}

fn of_rsa(pair: &RsaKeyPair) -> Option<PrivateKey> {
    let public = pair.public_key();
    let modulus = Reader::new(public.as_ref())
        .inside(SEQUENCE)?
        .expect(INTEGER)?;
    Some(PrivateKey {
        pkcs8_der: pair.as_der().ok()?.as_ref().to_vec(),
        public_key_der: public.as_der().ok()?.as_ref().to_vec(),
        algorithm: KeyAlgorithm::of_rsa(modulus.content)?,
    })
}
