//! Messages of the AWS Encryption SDK, format version 2, algorithm suite 0x0578: AES-256-GCM, the
//! data key derived by HKDF with SHA-512 and committed to, signed with ECDSA on P-384. It is what
//! AWS's SDKs write and accept unless told otherwise ("AWS Encryption SDK message format
//! reference" and "algorithms reference" in AWS's documentation). Numbers are big-endian.
//!
//! | Bytes | What |
//! |------:|------|
//! | 1     | 0x02, the version of the format |
//! | 2     | 0x0578, the suite |
//! | 32    | the message's id, at random |
//! | 2 + n | the encryption context: number of entries (2); keys and values, length (2) first |
//! | 2     | 1, the number of encrypted data keys |
//! | 2 + n | provider id |
//! | 2 + n | provider info: the name of the key |
//! | 2 + n | the data key, encrypted with RSA-OAEP |
//! | 1     | 2, framed content |
//! | 4     | 4096, plaintext of a frame |
//! | 32    | the commitment to the data key |
//! | 16    | GCM's tag over all of the above, nonce 0 |
//! |       | frames: number from 1 (4), nonce = number (12), ciphertext, tag (16) |
//! |       | the last frame: 0xFFFFFFFF (4), number (4), nonce (12), length (4), ciphertext, tag |
//! | 2 + n | signature over all of the above, ASN.1 |
//!
//! The data key and the pair of keys of the signature are used for one message alone.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::encoding::{AsBigEndian, EcPublicKeyCompressedBin};
use aws_lc_rs::hkdf::{HKDF_SHA512, KeyType, Prk, Salt};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Key;
use crate::limits::{FRAME_BYTES, VALUE_BYTES_MAX};

/// No message was made: there is no randomness, or the cryptographic library fails. Our fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a value could not be encrypted")]
pub struct EncryptionFailed;

impl From<aws_lc_rs::error::Unspecified> for EncryptionFailed {
    fn from(_: aws_lc_rs::error::Unspecified) -> EncryptionFailed {
        EncryptionFailed
    }
}

const VERSION: u8 = 2;
const SUITE: [u8; 2] = 0x0578_u16.to_be_bytes();
const FRAMED: u8 = 2;
const LAST_FRAME: u32 = u32::MAX;
const PUBLIC_KEY: &[u8] = b"aws-crypto-public-key";
const FRAME_AAD: &[u8] = b"AWSKMSEncryptionClient Frame";
const LAST_FRAME_AAD: &[u8] = b"AWSKMSEncryptionClient Final Frame";

const ID_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
/// Frame number, nonce and tag; of the last one also its mark and length.
const FRAME_OVERHEAD_BYTES: usize = 4 + 4 + 12 + 4 + 16;

/// Encrypts a value for who has the private key of `key`.
pub(crate) fn encrypt(plaintext: &[u8], key: &Key) -> Result<Vec<u8>, EncryptionFailed> {
    debug_assert!(plaintext.len() <= VALUE_BYTES_MAX);
    let mut id = [0; ID_BYTES];
    rand::fill(&mut id)?;
    let mut data_key = [0; KEY_BYTES];
    rand::fill(&mut data_key)?;
    let signing_key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING)?;
    let keys = Derived::new(&id, &data_key)?;

    let frames = plaintext.len() / FRAME_BYTES + 1;
    let mut out = Vec::with_capacity(plaintext.len() + frames * FRAME_OVERHEAD_BYTES + 1_024);
    let wrapped = key.wrap(&data_key)?;
    header(&id, &signing_key, key, &wrapped, &keys.commitment, &mut out)?;
    let tag = keys
        .cipher
        .seal_in_place_separate_tag(nonce(0), Aad::from(&out), &mut [])?;
    out.extend_from_slice(tag.as_ref());
    body(&id, &keys.cipher, plaintext, &mut out)?;
    let signature = signing_key.sign(&SystemRandom::new(), &out)?;
    counted(signature.as_ref(), &mut out);
    Ok(out)
}

/// What is made of the data key.
struct Derived {
    cipher: LessSafeKey,
    commitment: [u8; KEY_BYTES],
}

/// 32 bytes out of HKDF.
struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

impl Derived {
    fn new(id: &[u8; ID_BYTES], data_key: &[u8]) -> Result<Derived, EncryptionFailed> {
        let secret = Salt::new(HKDF_SHA512, id).extract(data_key);
        let key = expand(&secret, &[&SUITE, b"DERIVEKEY"])?;
        Ok(Derived {
            cipher: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key)?),
            commitment: expand(&secret, &[b"COMMITKEY"])?,
        })
    }
}

fn expand(secret: &Prk, info: &[&[u8]]) -> Result<[u8; KEY_BYTES], EncryptionFailed> {
    let mut out = [0; KEY_BYTES];
    secret.expand(info, Length)?.fill(&mut out)?;
    Ok(out)
}

fn header(
    id: &[u8; ID_BYTES],
    signing_key: &EcdsaKeyPair,
    key: &Key,
    wrapped: &[u8],
    commitment: &[u8; KEY_BYTES],
    out: &mut Vec<u8>,
) -> Result<(), EncryptionFailed> {
    out.push(VERSION);
    out.extend_from_slice(&SUITE);
    out.extend_from_slice(id);
    let point: EcPublicKeyCompressedBin<'_> = signing_key.public_key().as_be_bytes()?;
    let mut context = 1_u16.to_be_bytes().to_vec();
    counted(PUBLIC_KEY, &mut context);
    counted(STANDARD.encode(point.as_ref()).as_bytes(), &mut context);
    counted(&context, out);
    out.extend_from_slice(&1_u16.to_be_bytes());
    counted(key.provider_id().as_bytes(), out);
    counted(key.name().as_bytes(), out);
    counted(wrapped, out);
    out.push(FRAMED);
    out.extend_from_slice(&(FRAME_BYTES as u32).to_be_bytes());
    out.extend_from_slice(commitment);
    Ok(())
}

/// Whole frames, and the last one with what is left, perhaps nothing.
fn body(
    id: &[u8; ID_BYTES],
    cipher: &LessSafeKey,
    plaintext: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), EncryptionFailed> {
    let whole = plaintext.chunks_exact(FRAME_BYTES);
    let rest = whole.remainder();
    let mut number = 0_u32;
    for (frame, is_last) in whole.map(|frame| (frame, false)).chain([(rest, true)]) {
        number += 1;
        if is_last {
            out.extend_from_slice(&LAST_FRAME.to_be_bytes());
        }
        out.extend_from_slice(&number.to_be_bytes());
        let nonce = nonce(number);
        out.extend_from_slice(nonce.as_ref());
        if is_last {
            out.extend_from_slice(&(frame.len() as u32).to_be_bytes());
        }
        let mut aad = id.to_vec();
        aad.extend_from_slice(if is_last { LAST_FRAME_AAD } else { FRAME_AAD });
        aad.extend_from_slice(&number.to_be_bytes());
        aad.extend_from_slice(&(frame.len() as u64).to_be_bytes());
        let start = out.len();
        out.extend_from_slice(frame);
        let tag = cipher.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut out[start..])?;
        out.extend_from_slice(tag.as_ref());
    }
    Ok(())
}

fn nonce(number: u32) -> Nonce {
    let mut nonce = [0; 12];
    nonce[8..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// Appends bytes with their length in two bytes before them.
fn counted(bytes: &[u8], out: &mut Vec<u8>) {
    let length = u16::try_from(bytes.len()).expect("all that is counted has a bound below 64 KiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}
