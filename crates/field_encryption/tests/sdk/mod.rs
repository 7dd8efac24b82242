//! The other side: a pair of keys, and what reads messages, written from the format's description
//! and not from the code that writes them.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hkdf::{HKDF_SHA512, KeyType, Salt};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey,
};
use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use field_encryption::{Key, Profile};

static PRIVATE: LazyLock<PrivateDecryptingKey> =
    LazyLock::new(|| PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap());

pub fn public_pem() -> String {
    let der: PublicKeyX509Der<'_> = PRIVATE.public_key().as_der().unwrap();
    let base64 = STANDARD.encode(der.as_ref());
    format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n")
}

pub fn profile(patterns: &[&str]) -> Arc<Profile> {
    let key = Key::new("provider", "name", &public_pem()).unwrap();
    let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
    let mut profile = Profile::new();
    profile.add(key, &patterns).unwrap();
    Arc::new(profile)
}

/// A message that was opened.
#[derive(Debug)]
pub struct Opened {
    pub provider_id: Vec<u8>,
    pub key_name: Vec<u8>,
    pub frames: usize,
    pub plaintext: Vec<u8>,
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        let bytes = self.bytes(bytes)?;
        Some(bytes.iter().fold(0, |n, byte| n << 8 | usize::from(*byte)))
    }

    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = self.number(2)?;
        self.bytes(length)
    }
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        32
    }
}

fn derive(id: &[u8], data_key: &[u8], info: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    let secret = Salt::new(HKDF_SHA512, id).extract(data_key);
    secret
        .expand(&[info], Length)
        .unwrap()
        .fill(&mut out)
        .unwrap();
    out
}

fn open(
    cipher: &LessSafeKey,
    nonce: &[u8],
    aad: &[u8],
    text: &[u8],
    tag: &[u8],
) -> Option<Vec<u8>> {
    let mut text = [text, tag].concat();
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let plain = cipher
        .open_in_place(nonce, Aad::from(aad), &mut text)
        .ok()?;
    Some(plain.to_vec())
}

/// Opens a message of suite 0x0578 with the private key; nothing where anything at all is wrong.
pub fn decrypt(message: &[u8]) -> Option<Opened> {
    let mut reader = Reader(message);
    if reader.bytes(3)? != [2, 5, 0x78] {
        return None;
    }
    let id = reader.bytes(32)?;
    let mut context = Reader(reader.counted()?);
    let is_key = context.number(2)? == 1 && context.counted()? == b"aws-crypto-public-key";
    let point = STANDARD.decode(context.counted()?).ok()?;
    if !is_key || !context.0.is_empty() || reader.number(2)? != 1 {
        return None;
    }
    let (provider_id, key_name) = (reader.counted()?, reader.counted()?);
    let wrapped = reader.counted()?;
    let rsa = OaepPrivateDecryptingKey::new(PRIVATE.clone()).unwrap();
    let mut data_key = vec![0; rsa.min_output_size()];
    let data_key = rsa
        .decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut data_key, None)
        .ok()?;
    let (framed, frame_bytes) = (reader.number(1)?, reader.number(4)?);
    if framed != 2 || reader.bytes(32)? != derive(id, data_key, b"COMMITKEY") {
        return None;
    }
    let key = derive(id, data_key, b"\x05\x78DERIVEKEY");
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap());
    let header = &message[..message.len() - reader.0.len()];
    open(&cipher, &[0; 12], header, b"", reader.bytes(16)?)?;

    let (mut frames, mut plaintext) = (0, Vec::new());
    loop {
        frames += 1;
        let mut number = reader.number(4)?;
        let is_last = number == 0xffff_ffff;
        if is_last {
            number = reader.number(4)?;
        }
        let nonce = reader.bytes(12)?;
        let length = if is_last {
            reader.number(4)?
        } else {
            frame_bytes
        };
        let (text, tag) = (reader.bytes(length)?, reader.bytes(16)?);
        let kind = if is_last { "Final Frame" } else { "Frame" };
        let mut aad = [id, b"AWSKMSEncryptionClient ", kind.as_bytes()].concat();
        aad.extend((number as u32).to_be_bytes());
        aad.extend((length as u64).to_be_bytes());
        if number != frames || length > frame_bytes {
            return None;
        }
        plaintext.extend(open(&cipher, nonce, &aad, text, tag)?);
        if is_last {
            break;
        }
    }
    let signed = &message[..message.len() - reader.0.len()];
    let signature = reader.counted()?;
    UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, point)
        .verify(signed, signature)
        .ok()?;
    reader.0.is_empty().then(|| Opened {
        provider_id: provider_id.to_vec(),
        key_name: key_name.to_vec(),
        frames,
        plaintext,
    })
}

/// Opens the value of a field as it stands in a form.
pub fn decrypt_value(value: &str) -> Option<Opened> {
    let base64 = value
        .replace("%2B", "+")
        .replace("%2F", "/")
        .replace("%3D", "=");
    decrypt(&STANDARD.decode(base64).ok()?)
}
