//! Private keys under a passphrase: PBES2 (RFC 8018 §6.2) with PBKDF2-HMAC-SHA256 and AES-256-CBC.
//!
//! ```text
//! SEQUENCE {                                   EncryptedPrivateKeyInfo
//!   SEQUENCE { OID pbes2, SEQUENCE {
//!     SEQUENCE { OID pbkdf2, SEQUENCE { OCTET STRING salt, INTEGER rounds,
//!                                       SEQUENCE { OID hmacWithSHA256, NULL } } }
//!     SEQUENCE { OID aes256-cbc, OCTET STRING iv } } }
//!   OCTET STRING encrypted }
//! ```

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{pbkdf2, rand};

use crate::der::{self, NULL, OCTET_STRING, OID, SEQUENCE};
use crate::limits::PASSPHRASE_ROUNDS;

// 1.2.840.113549.1.5.13, 1.2.840.113549.1.5.12, 1.2.840.113549.2.9, 2.16.840.1.101.3.4.1.42
const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c];
const HMAC_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x09];
const AES_256_CBC: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a];

/// Encrypts; the answer is `EncryptedPrivateKeyInfo` in DER form.
pub fn encrypt(plain: &[u8], passphrase: &[u8]) -> Vec<u8> {
    let (mut salt, mut iv, mut key) = ([0; 16], [0; 16], [0; 32]);
    for bytes in [&mut salt, &mut iv] {
        rand::fill(bytes).expect("the system has a source of random numbers");
    }
    let rounds = NonZeroU32::new(PASSPHRASE_ROUNDS).expect("the bound is not 0");
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        rounds,
        &salt,
        passphrase,
        &mut key,
    );
    let mut bytes = plain.to_vec();
    UnboundCipherKey::new(&AES_256, &key)
        .and_then(PaddedBlockEncryptingKey::cbc_pkcs7)
        .and_then(|key| {
            let iv = EncryptionContext::Iv128(FixedLength::from(iv));
            key.less_safe_encrypt(&mut bytes, iv)
        })
        .expect("the key is 32 bytes, the IV one block");
    let oid = |oid: &[u8]| der::write(OID, &[oid]);
    let sequence = |parts: &[&[u8]]| der::write(SEQUENCE, parts);
    let octets = |bytes: &[u8]| der::write(OCTET_STRING, &[bytes]);
    let hash = sequence(&[&oid(HMAC_SHA256), &der::write(NULL, &[])]);
    let derivation = [octets(&salt), der::write_integer(PASSPHRASE_ROUNDS), hash].concat();
    let derivation = sequence(&[&oid(PBKDF2), &sequence(&[&derivation])]);
    let cipher = sequence(&[&oid(AES_256_CBC), &octets(&iv)]);
    let scheme = sequence(&[&oid(PBES2), &sequence(&[&derivation, &cipher])]);
    sequence(&[&scheme, &octets(&bytes)])
}
