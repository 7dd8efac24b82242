//! Verifying what is signed in X.509's way: what is signed, how, and the signature.

use aws_lc_rs::signature as lc;
use aws_lc_rs::signature::{UnparsedPublicKey, VerificationAlgorithm};

use crate::Certificate;
use crate::der::{self, BIT_STRING, OID, Reader, SEQUENCE, Value};

/// Something signed.
pub struct Signed<'a> {
    /// What is signed.
    pub bytes: &'a [u8],
    /// `AlgorithmIdentifier`.
    pub algorithm: Value<'a>,
    pub signature: &'a [u8],
}

/// How something is signed, and what verifies it by a key of which algorithm.
struct Method {
    name: &'static str,
    by: By,
}

enum By {
    Rsa(&'static lc::RsaParameters),
    /// On P-256, P-384, P-521.
    Ecdsa([&'static lc::EcdsaVerificationAlgorithm; 3]),
    Ed25519,
}

// 1.2.840.113549.1.1.*, 1.2.840.10045.4.3.*, 1.3.101.112, 2.16.840.1.101.3.4.2.*
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const HASHES: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];

// 1.2.840.113549.1.1.1, 1.2.840.10045.2.1, and the curves.
const RSA_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const CURVES: [&[u8]; 3] = [
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
    &[0x2b, 0x81, 0x04, 0x00, 0x22],
    &[0x2b, 0x81, 0x04, 0x00, 0x23],
];

/// Takes a certificate, or anything else of its outer form, apart.
pub fn of_signed(der: &[u8]) -> Option<Signed<'_>> {
    let mut reader = Reader::new(der).inside(SEQUENCE)?;
    Some(Signed {
        bytes: reader.expect(SEQUENCE)?.raw,
        algorithm: reader.expect(SEQUENCE)?,
        signature: der::bits(reader.expect(BIT_STRING)?)?,
    })
}

impl Signed<'_> {
    /// As ACM names the algorithm: `SHA256WITHRSA`.
    pub fn name(&self) -> &'static str {
        if let Some(method) = method(self.algorithm) {
            return method.name;
        }
        let oid = self.algorithm.inside().expect(OID).map(|oid| oid.content);
        // Roots of old are signed like this, which nobody verifies.
        match oid.and_then(<[u8]>::split_last) {
            Some((5, RSA)) => "SHA1WITHRSA",
            Some((1, ECDSA)) => "SHA1WITHECDSA",
            _ => "UNKNOWN",
        }
    }

    /// Whether the key of this certificate signed it.
    pub fn is_by(&self, signer: &Certificate) -> bool {
        self.is_by_key(&signer.public_key_der).unwrap_or(false)
    }

    fn is_by_key(&self, key_der: &[u8]) -> Option<bool> {
        let mut reader = Reader::new(key_der).inside(SEQUENCE)?;
        let mut kind = reader.inside(SEQUENCE)?;
        let key = der::bits(reader.expect(BIT_STRING)?)?;
        let kind_oid = kind.expect(OID)?.content;
        let verified_by: &'static dyn VerificationAlgorithm = match method(self.algorithm)?.by {
            By::Rsa(parameters) if kind_oid == RSA_KEY => parameters,
            By::Ecdsa(by_curve) if kind_oid == EC_KEY => {
                let curve = kind.expect(OID)?.content;
                by_curve[CURVES.iter().position(|known| *known == curve)?]
            }
            By::Ed25519 if kind_oid == ED25519 => &lc::ED25519,
            _ => return None,
        };
        let key = UnparsedPublicKey::new(verified_by, key);
        Some(key.verify(self.bytes, self.signature).is_ok())
    }
}

/// SHA-1 and keys of RSA below 2048 bits verify nothing.
fn method(algorithm: Value<'_>) -> Option<Method> {
    let mut reader = algorithm.inside();
    let oid = reader.expect(OID)?.content;
    let (parent, last) = oid.split_at_checked(oid.len().checked_sub(1)?)?;
    let (name, by) = match (parent, last[0]) {
        (RSA, 11) => ("SHA256WITHRSA", By::Rsa(&lc::RSA_PKCS1_2048_8192_SHA256)),
        (RSA, 12) => ("SHA384WITHRSA", By::Rsa(&lc::RSA_PKCS1_2048_8192_SHA384)),
        (RSA, 13) => ("SHA512WITHRSA", By::Rsa(&lc::RSA_PKCS1_2048_8192_SHA512)),
        (RSA, 10) => pss(reader)?,
        (ECDSA, 2) => {
            let p521 = &lc::ECDSA_P521_SHA256_ASN1;
            let by_curve = [
                &lc::ECDSA_P256_SHA256_ASN1,
                &lc::ECDSA_P384_SHA256_ASN1,
                p521,
            ];
            ("SHA256WITHECDSA", By::Ecdsa(by_curve))
        }
        (ECDSA, 3) => {
            let p521 = &lc::ECDSA_P521_SHA384_ASN1;
            let by_curve = [
                &lc::ECDSA_P256_SHA384_ASN1,
                &lc::ECDSA_P384_SHA384_ASN1,
                p521,
            ];
            ("SHA384WITHECDSA", By::Ecdsa(by_curve))
        }
        (ECDSA, 4) => {
            let p521 = &lc::ECDSA_P521_SHA512_ASN1;
            let by_curve = [
                &lc::ECDSA_P256_SHA512_ASN1,
                &lc::ECDSA_P384_SHA512_ASN1,
                p521,
            ];
            ("SHA512WITHECDSA", By::Ecdsa(by_curve))
        }
        _ if oid == ED25519 => ("ED25519", By::Ed25519),
        _ => return None,
    };
    Some(Method { name, by })
}

/// RSASSA-PSS by its hash; its mask is made by the same one, which the verification sees to.
fn pss(mut parameters: Reader<'_>) -> Option<(&'static str, By)> {
    let mut hash = parameters.inside(SEQUENCE)?.inside(der::context(0))?;
    let hash = hash.inside(SEQUENCE)?.expect(OID)?.content;
    let method = match hash.strip_prefix(HASHES)? {
        [1] => (
            "SHA256WITHRSAANDMGF1",
            By::Rsa(&lc::RSA_PSS_2048_8192_SHA256),
        ),
        [2] => (
            "SHA384WITHRSAANDMGF1",
            By::Rsa(&lc::RSA_PSS_2048_8192_SHA384),
        ),
        [3] => (
            "SHA512WITHRSAANDMGF1",
            By::Rsa(&lc::RSA_PSS_2048_8192_SHA512),
        ),
        _ => return None,
    };
    Some(method)
}
