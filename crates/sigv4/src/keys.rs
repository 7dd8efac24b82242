//! Keys derived from secrets, and a bounded memory of them.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::agreement::{self, ECDH_P256};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, ParsedPublicKey,
};
use aws_lc_rs::{digest, hmac};

use crate::presented::Credential;
use crate::{Algorithm, limits};

/// What verifies signatures of one scope.
pub(crate) enum VerifyingKey {
    /// A kilobyte: the state of the hash after either pad.
    Hmac(Box<hmac::Key>),
    Ecdsa(ParsedPublicKey),
}

impl VerifyingKey {
    /// None for the one secret in 2^8000 that has no key pair.
    pub(crate) fn derive(credential: &Credential, secret: &str) -> Option<Self> {
        match &credential.region {
            Some(region) => {
                let key = hmac_key(secret, &credential.date, region, &credential.service);
                Some(Self::Hmac(Box::new(key)))
            }
            None => {
                let scalar = private_scalar(&credential.access_key_id, secret)?;
                let public = public_point(&scalar)?;
                let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public).ok()?;
                Some(Self::Ecdsa(key))
            }
        }
    }

    /// Constant in time for HMAC; for ECDSA nothing about it is secret.
    pub(crate) fn verifies(&self, string_to_sign: &str, signature: &[u8]) -> bool {
        match self {
            Self::Hmac(key) => hmac::verify(key, string_to_sign.as_bytes(), signature).is_ok(),
            Self::Ecdsa(key) => key.verify_sig(string_to_sign.as_bytes(), signature).is_ok(),
        }
    }
}

/// The signing key of one day, region and service.
pub(crate) fn hmac_key(secret: &str, date: &str, region: &str, service: &str) -> hmac::Key {
    let first = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret}").as_bytes());
    let steps = [date, region, service, "aws4_request"];
    steps.into_iter().fold(first, |key, step| {
        let tag = hmac::sign(&key, step.as_bytes());
        hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref())
    })
}

/// The key pair of SigV4A that follows from an access key.
pub(crate) fn key_pair(access_key_id: &str, secret: &str) -> Option<EcdsaKeyPair> {
    let scalar = private_scalar(access_key_id, secret)?;
    let public = public_point(&scalar)?;
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    EcdsaKeyPair::from_private_key_and_public_key(algorithm, &scalar, &public).ok()
}

/// The private scalar of SigV4A: NIST SP 800-108 in counter mode, until a candidate is below the
/// order of the curve less one; the scalar is the candidate plus one.
fn private_scalar(access_key_id: &str, secret: &str) -> Option<[u8; 32]> {
    /// The order of P-256, less two; big-endian.
    const ORDER_LESS_TWO: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
        0x25, 0x4f,
    ];
    let key = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4A{secret}").as_bytes());
    (1..=254_u8).find_map(|counter| {
        let mut input = vec![0, 0, 0, 1];
        input.extend_from_slice(Algorithm::EcdsaP256Sha256.name().as_bytes());
        input.push(0);
        input.extend_from_slice(access_key_id.as_bytes());
        input.push(counter);
        // The length of the output in bits.
        input.extend_from_slice(&256_u32.to_be_bytes());
        let tag = hmac::sign(&key, &input);
        let candidate: [u8; 32] = tag.as_ref().try_into().ok()?;
        (candidate <= ORDER_LESS_TWO).then(|| plus_one(candidate))
    })
}

/// One more than a number in big-endian form, which is not the largest there is.
fn plus_one(mut number: [u8; 32]) -> [u8; 32] {
    for byte in number.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    number
}

fn public_point(scalar: &[u8; 32]) -> Option<Vec<u8>> {
    let private = agreement::PrivateKey::from_private_key(&ECDH_P256, scalar).ok()?;
    Some(private.compute_public_key().ok()?.as_ref().to_vec())
}

/// Derived keys by a digest of all that they are derived from, the secret too: a secret that was
/// replaced finds no key. Only keys that have verified something get in, so that no stranger can
/// fill it; when it is full it starts over, since most of it is of past days by then.
#[derive(Default)]
pub(crate) struct KeyCache {
    keys: HashMap<[u8; 32], Arc<VerifyingKey>>,
}

impl KeyCache {
    /// What a key is found by.
    pub(crate) fn index(credential: &Credential, secret: &str) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        let (date, region) = match &credential.region {
            Some(region) => (credential.date.as_str(), region.as_str()),
            // The key pair does not depend on the scope.
            None => ("", ""),
        };
        let service = credential.region.as_ref().map(|_| &*credential.service);
        let parts = [
            secret,
            &credential.access_key_id,
            date,
            region,
            service.unwrap_or(""),
        ];
        for part in parts {
            context.update(&part.len().to_be_bytes());
            context.update(part.as_bytes());
        }
        let digest = context.finish();
        digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    pub(crate) fn find(&self, index: &[u8; 32]) -> Option<Arc<VerifyingKey>> {
        self.keys.get(index).cloned()
    }

    pub(crate) fn remember(&mut self, index: [u8; 32], key: Arc<VerifyingKey>) {
        if self.keys.len() >= limits::DERIVED_KEYS_MAX {
            self.keys.clear();
        }
        self.keys.insert(index, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::hex;

    fn credential(service: &str, region: Option<&str>) -> Credential {
        Credential {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            date: "20150830".to_owned(),
            region: region.map(str::to_owned),
            service: service.to_owned(),
        }
    }

    #[test]
    fn the_key_pair_is_the_one_that_the_sdks_derive() {
        let secret = "q+jcrXGc+0zWN6uzclKVhvMmUsIfRPa4rlRandom";
        let scalar = private_scalar("AKISORANDOMAASORANDOM", secret).unwrap();
        assert_eq!(
            hex(&scalar),
            "7fd3bd010c0d9c292141c2b77bfbde1042c92e6836fff749d1269ec890fca1bd"
        );
        assert_eq!(
            hex(&public_point(&scalar).unwrap()),
            "0415d242ceebf8d8169fd6a8b5a746c41140414c3b07579038da06af89190fffcb\
             0515242cedd82e94799482e4c0514b505afccf2c0c98d6a553bf539f424c5ec0"
        );
        assert!(key_pair("AKISORANDOMAASORANDOM", secret).is_some());
    }

    #[test]
    fn one_more_is_carried() {
        let mut number = [0xff; 32];
        number[0] = 0;
        let mut next = [0; 32];
        next[0] = 1;
        assert_eq!(plus_one(number), next);
        assert_eq!(plus_one([0; 32])[31], 1);
    }

    #[test]
    fn keys_differ_by_all_that_they_are_derived_from() {
        let here = credential("sts", Some("us-east-1"));
        let index = KeyCache::index(&here, "secret");
        assert_eq!(index, KeyCache::index(&here.clone(), "secret"));
        assert_ne!(index, KeyCache::index(&here, "other"));
        for other in [
            credential("iam", Some("us-east-1")),
            credential("sts", Some("us-east-2")),
            credential("us-east-1", Some("sts")),
            credential("sts", None),
        ] {
            assert_ne!(index, KeyCache::index(&other, "secret"));
        }
        // A key pair serves every service.
        let (one, another) = (credential("sts", None), credential("iam", None));
        assert_eq!(KeyCache::index(&one, "s"), KeyCache::index(&another, "s"));
    }

    #[test]
    fn the_cache_is_bounded() {
        let mut cache = KeyCache::default();
        let key = VerifyingKey::derive(&credential("sts", Some("us-east-1")), "secret").unwrap();
        let key = Arc::new(key);
        for number in 0..=limits::DERIVED_KEYS_MAX as u64 {
            let mut index = [0; 32];
            index[..8].copy_from_slice(&number.to_be_bytes());
            cache.remember(index, Arc::clone(&key));
            assert!(cache.find(&index).is_some());
        }
        assert_eq!(cache.keys.len(), 1);
    }
}
