//! One key, and the records that tell of it.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use records::Name;
use thiserror::Error;

/// ECDSA on P-256 with SHA-256 (RFC 6605).
pub const ALGORITHM: u8 = 13;
/// SHA-256, in DS records (RFC 4509).
pub const DIGEST_TYPE: u8 = 2;
/// Flags of a key signing key: it is a zone's, and an entry point (RFC 4034 §2.1.1).
pub const KSK_FLAGS: u16 = 257;
/// Flags of a zone signing key.
pub const ZSK_FLAGS: u16 = 256;
/// A public key: both coordinates of its point (RFC 6605 §4).
pub const PUBLIC_KEY_BYTES: usize = 64;

/// A signature: both its numbers (RFC 6605 §4).
pub const SIGNATURE_BYTES: usize = 64;

/// Why there is no key. The first two are about what the store has, the others about this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// A private key is not PKCS #8 of a key of P-256 in base64.
    #[error("the private key is not a P-256 key, PKCS #8 in base64")]
    PrivateKey,
    /// A zone without an active key signing key or without a zone signing key cannot be signed.
    #[error("a signed zone has at least one active key signing key and one zone signing key")]
    NoKey,
    /// A key could not be made.
    #[error("a key could not be made")]
    Generate,
    /// A signature could not be made.
    #[error("a signature could not be made")]
    Sign,
}

/// A private key of P-256 with its public half.
pub struct KeyPair {
    pair: EcdsaKeyPair,
    public: [u8; PUBLIC_KEY_BYTES],
}

impl KeyPair {
    /// A new one, from the system's randomness.
    pub fn generate() -> Result<KeyPair, KeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        KeyPair::of(pair.map_err(|_| KeyError::Generate)?)
    }

    /// Out of PKCS #8 in base64, the form of the store
    /// ([`private_key`](documents::route53::KeySigningKey::private_key)).
    pub fn from_base64(private_key: &str) -> Result<KeyPair, KeyError> {
        let pkcs8 = STANDARD
            .decode(private_key)
            .map_err(|_| KeyError::PrivateKey)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8);
        KeyPair::of(pair.map_err(|_| KeyError::PrivateKey)?)
    }

    /// The private key: PKCS #8 in base64.
    pub fn to_base64(&self) -> Result<String, KeyError> {
        let pkcs8 = self.pair.to_pkcs8v1().map_err(|_| KeyError::Generate)?;
        Ok(STANDARD.encode(pkcs8))
    }

    /// The public key: x and y.
    pub fn public_key(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.public
    }

    /// The public key in base64.
    pub fn public_key_base64(&self) -> String {
        STANDARD.encode(self.public)
    }

    /// The data of its DNSKEY record (RFC 4034 §2.1): flags, protocol 3, algorithm, key.
    pub fn dnskey_rdata(&self, flags: u16) -> Vec<u8> {
        let mut rdata = Vec::with_capacity(4 + PUBLIC_KEY_BYTES);
        rdata.extend_from_slice(&flags.to_be_bytes());
        rdata.extend_from_slice(&[3, ALGORITHM]);
        rdata.extend_from_slice(&self.public);
        rdata
    }

    /// What RRSIG and DS records call the key with these flags (RFC 4034 appendix B).
    pub fn key_tag(&self, flags: u16) -> u16 {
        let rdata = self.dnskey_rdata(flags);
        let words = rdata.chunks_exact(2);
        let sum: u32 = words
            .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
            .sum();
        (sum + (sum >> 16)) as u16
    }

    /// SHA-256 of the zone's name and the DNSKEY record's data, with the flags of a key signing key
    /// (RFC 4034 §5.1.4).
    pub fn ds_digest(&self, apex: &Name) -> [u8; 32] {
        let mut whole = apex.wire().to_vec();
        whole.extend_from_slice(&self.dnskey_rdata(KSK_FLAGS));
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, &whole).as_ref());
        bytes
    }

    /// The data of the DS record that its zone's parent has of it (RFC 4034 §5.1).
    pub fn ds_rdata(&self, apex: &Name) -> Vec<u8> {
        let mut rdata = self.key_tag(KSK_FLAGS).to_be_bytes().to_vec();
        rdata.extend_from_slice(&[ALGORITHM, DIGEST_TYPE]);
        rdata.extend_from_slice(&self.ds_digest(apex));
        rdata
    }

    /// `DigestValue` of a key signing key: the digest in upper-case hexadecimal digits.
    pub fn digest_value(&self, apex: &Name) -> String {
        let digest = self.ds_digest(apex);
        digest.iter().map(|byte| format!("{byte:02X}")).collect()
    }

    /// `DSRecord` of a key signing key: `55648 13 2 B4C8…`.
    pub fn ds_record(&self, apex: &Name) -> String {
        let tag = self.key_tag(KSK_FLAGS);
        format!(
            "{tag} {ALGORITHM} {DIGEST_TYPE} {}",
            self.digest_value(apex)
        )
    }

    /// `DNSKEYRecord` of a key signing key: `257 3 13 GojI…`.
    pub fn dnskey_record(&self) -> String {
        format!("{KSK_FLAGS} 3 {ALGORITHM} {}", self.public_key_base64())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_BYTES], KeyError> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        let signature = signature.map_err(|_| KeyError::Sign)?;
        signature.as_ref().try_into().map_err(|_| KeyError::Sign)
    }

    fn of(pair: EcdsaKeyPair) -> Result<KeyPair, KeyError> {
        // A point as X9.62 writes it: 4, x, y.
        let point = pair.public_key().as_ref();
        let public = point.strip_prefix(&[4]).and_then(|xy| xy.try_into().ok());
        let public = public.ok_or(KeyError::PrivateKey)?;
        Ok(KeyPair { pair, public })
    }
}

/// The public half alone.
impl std::fmt::Debug for KeyPair {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "KeyPair({})", self.public_key_base64())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The key of RFC 6605 §6.1.
    pub(crate) fn example() -> KeyPair {
        let private = STANDARD.decode("GU6SnQ/Ou+xC5RumuIUIuJZteXT2z0O/ok1s38Et6mQ=");
        let public = STANDARD.decode(concat!(
            "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edb",
            "krSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA=="
        ));
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &private.unwrap(),
            &[&[4][..], &public.unwrap()].concat(),
        );
        KeyPair::of(pair.unwrap()).unwrap()
    }

    #[test]
    fn the_example_of_rfc_6605_has_its_tag_and_digest() {
        let key = example();
        let apex = Name::parse("example.net").unwrap();
        assert_eq!(key.key_tag(KSK_FLAGS), 55648);
        assert_eq!(
            key.ds_record(&apex),
            "55648 13 2 B4C8C1FE2E7477127B27115656AD6256F424625BF5C1E2770CE6D6E37DF61D17"
        );
        assert_eq!(
            key.dnskey_record(),
            concat!(
                "257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edb",
                "krSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA=="
            )
        );
        let ds = key.ds_rdata(&apex);
        assert_eq!(&ds[..6], [0xd9, 0x60, 13, 2, 0xb4, 0xc8]);
        assert_eq!(ds.len(), 36);
    }

    #[test]
    fn a_key_comes_back_from_its_text_and_no_two_are_equal() {
        let key = KeyPair::generate().unwrap();
        let again = KeyPair::from_base64(&key.to_base64().unwrap()).unwrap();
        assert_eq!(key.public_key(), again.public_key());
        assert_ne!(
            KeyPair::generate().unwrap().public_key(),
            again.public_key()
        );
    }

    #[test]
    fn what_is_no_private_key_is_refused() {
        let key = KeyPair::generate().unwrap().to_base64().unwrap();
        for text in ["", "!", "AAAA", &key[..key.len() - 8]] {
            assert_eq!(
                KeyPair::from_base64(text).unwrap_err(),
                KeyError::PrivateKey
            );
        }
        let other = EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING);
        let other = STANDARD.encode(other.unwrap().to_pkcs8v1().unwrap());
        assert_eq!(
            KeyPair::from_base64(&other).unwrap_err(),
            KeyError::PrivateKey
        );
    }

    #[test]
    fn a_private_key_is_not_in_what_is_printed() {
        let key = KeyPair::generate().unwrap();
        let private = key.to_base64().unwrap();
        assert!(!private.contains(&key.public_key_base64()[..40]) || private.len() > 100);
        assert!(!format!("{key:?}").contains(&private));
    }
}
