//! The key of an installation, and what is done with it: private keys are sealed before they are
//! written to the store, and what all nodes must share without a word to each other (the keys of
//! session tickets) is derived from it.
//!
//! Every node of an installation has the same key, in a file of its own; the first one makes it.
//! What it does not do: know what is sealed, or where that lies.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Bytes of the key, and of every derived one.
pub const KEY_BYTES: usize = 32;

/// What a sealed text begins with: the form's version.
const FORM: &str = "sealed1";

/// The key of an installation.
pub struct Secrets {
    key: [u8; KEY_BYTES],
    sealing: LessSafeKey,
    id: String,
}

/// The file of the key cannot be used; the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The system refuses.
    #[error("{}: {error}", .path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It holds something else.
    #[error("{} holds no key: it must be 64 hexadecimal digits", .path.display())]
    Form {
        /// The file.
        path: PathBuf,
    },
}

/// Why something sealed cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another key sealed it: the node has the wrong one.
    #[error("it was sealed with the key {sealed}, and this node has the key {ours}")]
    OtherKey {
        /// Id of the key that it was sealed with.
        sealed: String,
        /// Id of the key of this node.
        ours: String,
    },
    /// It is not what was sealed, or not what it was sealed for.
    #[error("it is not what was sealed here")]
    Broken,
}

impl Secrets {
    /// Of a key.
    pub fn new(key: [u8; KEY_BYTES]) -> Secrets {
        let derived = derive(&key, "seal", 0);
        let sealing =
            UnboundKey::new(&AES_256_GCM, &derived).expect("a key of AES-256 is 32 bytes");
        let id = hex(&derive(&key, "id", 0)[..8]);
        Secrets {
            key,
            sealing: LessSafeKey::new(sealing),
            id,
        }
    }

    /// Reads the key, or makes one, in a file that its owner alone can read. Says whether it was
    /// made.
    pub fn read_or_make(path: &Path) -> Result<(Secrets, bool), KeyFileError> {
        let system = |error| KeyFileError::System {
            path: path.to_owned(),
            error,
        };
        match std::fs::File::open(path) {
            Ok(file) => {
                let mut text = String::new();
                file.take(1_024).read_to_string(&mut text).map_err(system)?;
                let key = unhex(text.trim()).ok_or_else(|| KeyFileError::Form {
                    path: path.to_owned(),
                })?;
                Ok((Secrets::new(key), false))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut key = [0; KEY_BYTES];
                random(&mut key);
                let mut options = std::fs::OpenOptions::new();
                let options = options.write(true).create_new(true).mode(0o600);
                let mut file = options.open(path).map_err(system)?;
                writeln!(file, "{}", hex(&key)).map_err(system)?;
                file.sync_all().map_err(system)?;
                Ok((Secrets::new(key), true))
            }
            Err(error) => Err(system(error)),
        }
    }

    /// Tells keys apart, and says nothing of them: 16 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals bytes. `purpose` is part of what is sealed: where it lies, what it belongs to. It
    /// must be the same when it is opened.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> String {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce);
        let mut bytes = plain.to_vec();
        let sealed = self.sealing.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(purpose.as_bytes()),
            &mut bytes,
        );
        sealed.expect("what is sealed is far below the cipher's bound of 64 GiB");
        let bytes = [&nonce[..], &bytes].concat();
        format!("{FORM}:{}:{}", self.id, BASE64.encode(bytes))
    }

    /// Opens what [`Secrets::seal`] made.
    pub fn open(&self, purpose: &str, sealed: &str) -> Result<Vec<u8>, OpenError> {
        let rest = sealed.strip_prefix(FORM).ok_or(OpenError::Broken)?;
        let rest = rest.strip_prefix(':').ok_or(OpenError::Broken)?;
        let (id, text) = rest.split_once(':').ok_or(OpenError::Broken)?;
        if id != self.id {
            return Err(OpenError::OtherKey {
                sealed: id.chars().take(2 * KEY_BYTES).collect(),
                ours: self.id.clone(),
            });
        }
        let mut bytes = BASE64.decode(text).map_err(|_| OpenError::Broken)?;
        let (nonce, sealed) = bytes
            .split_at_mut_checked(NONCE_LEN)
            .ok_or(OpenError::Broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenError::Broken)?;
        let aad = Aad::from(purpose.as_bytes());
        let plain = self.sealing.open_in_place(nonce, aad, sealed);
        Ok(plain.map_err(|_| OpenError::Broken)?.to_vec())
    }

    /// A key for a purpose, the `number`th of its kind: the same on every node.
    pub fn derive(&self, purpose: &str, number: u64) -> [u8; KEY_BYTES] {
        derive(&self.key, purpose, number)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = formatter.debug_struct("Secrets");
        text.field("id", &self.id).finish_non_exhaustive()
    }
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

fn derive(key: &[u8; KEY_BYTES], purpose: &str, number: u64) -> [u8; KEY_BYTES] {
    let secret = Salt::new(HKDF_SHA256, b"warmfront secrets 1").extract(key);
    let number = number.to_be_bytes();
    let info = [purpose.as_bytes(), &number];
    let mut derived = [0; KEY_BYTES];
    secret
        .expand(&info, Length)
        .and_then(|okm| okm.fill(&mut derived))
        .expect("32 bytes are within what HKDF-SHA256 gives");
    derived
}

fn random(bytes: &mut [u8]) {
    aws_lc_rs::rand::fill(bytes).expect("the system has a source of random numbers");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    if text.len() != 2 * KEY_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened_by_its_key_and_for_its_purpose_alone() {
        let secrets = Secrets::new([7; KEY_BYTES]);
        let sealed = secrets.seal("tls/certificate/1", b"private");
        assert!(!sealed.contains("private"));
        assert_eq!(
            secrets.open("tls/certificate/1", &sealed).unwrap(),
            b"private"
        );
        let elsewhere = secrets.open("tls/certificate/2", &sealed);
        assert_eq!(elsewhere, Err(OpenError::Broken));
        let other = Secrets::new([8; KEY_BYTES]);
        let error = other.open("tls/certificate/1", &sealed).unwrap_err();
        assert!(matches!(error, OpenError::OtherKey { .. }), "{error}");
        assert_ne!(sealed, secrets.seal("tls/certificate/1", b"private"));
    }

    #[test]
    fn what_is_broken_is_not_opened() {
        let secrets = Secrets::new([7; KEY_BYTES]);
        let sealed = secrets.seal("p", b"private");
        for broken in [
            "",
            "sealed1",
            "sealed1:",
            &sealed[..sealed.len() - 8],
            "sealed2:a:b",
        ] {
            assert!(secrets.open("p", broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_key_is_made_once_and_read_from_then_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secrets.key");
        let (made, is_new) = Secrets::read_or_make(&path).unwrap();
        let (read, is_new_again) = Secrets::read_or_make(&path).unwrap();
        assert!(is_new && !is_new_again);
        assert_eq!(made.derive("tickets", 3), read.derive("tickets", 3));
        assert_ne!(made.derive("tickets", 3), read.derive("tickets", 4));
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&path, "something else").unwrap();
        let error = Secrets::read_or_make(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Form { .. }), "{error}");
    }
}
