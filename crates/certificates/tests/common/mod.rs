//! What the tests of this crate have in common: authorities made by rcgen, and OpenSSL's command
//! line as a judge from outside.

#![allow(dead_code, reason = "each file of tests uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use certificates::{Certificate, KeyAlgorithm, PrivateKey};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// 2026-11-21, when nothing in particular happens.
pub const NOW: u64 = 1_795_219_200;
pub const DAY: u64 = 86_400;

/// A key that serves wherever a test does not care which.
pub fn key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::EcP256).unwrap()
}

pub fn key_pem(key: &PrivateKey) -> String {
    KeyPair::try_from(key.pkcs8_der()).unwrap().serialize_pem()
}

pub fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

/// Seconds since 1970 as the certificates of rcgen take them.
pub fn set_times(parameters: &mut CertificateParams, from: u64, until: u64) {
    let time = |secs| rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(secs);
    parameters.not_before = time(from);
    parameters.not_after = time(until);
}

/// Somebody who signs certificates.
pub struct Signer {
    pub pem: String,
    pub certificate: Certificate,
    pub issuer: Issuer<'static, KeyPair>,
    pub key_pem: String,
}

/// Makes a certificate, with a common name; the changes are made before it is signed. It signs
/// itself if nobody else does.
pub fn make(
    common_name: &str,
    is_authority: bool,
    by: Option<&Signer>,
    change: impl FnOnce(&mut CertificateParams),
) -> Signer {
    let mut parameters = CertificateParams::default();
    parameters
        .distinguished_name
        .push(DnType::CommonName, common_name);
    set_times(&mut parameters, NOW - DAY, NOW + 90 * DAY);
    if is_authority {
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    change(&mut parameters);
    let key = KeyPair::generate().unwrap();
    let made = match by {
        Some(signer) => parameters.signed_by(&key, &signer.issuer).unwrap(),
        None => parameters.self_signed(&key).unwrap(),
    };
    Signer {
        pem: made.pem(),
        certificate: Certificate::from_der(made.der()).unwrap(),
        key_pem: key.serialize_pem(),
        issuer: Issuer::new(parameters, key),
    }
}

/// OpenSSL's command line, in a directory of its own.
pub struct OpenSsl {
    directory: tempfile::TempDir,
}

impl OpenSsl {
    /// Nothing, and loudly so, where it is not installed.
    pub fn find() -> Option<OpenSsl> {
        if Command::new("openssl").arg("version").output().is_err() {
            eprintln!("SKIPPED: there is no `openssl` here to judge what was made");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        Some(OpenSsl { directory })
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).unwrap()
    }

    /// Runs it with arguments that are separated by spaces.
    pub fn try_run(&self, arguments: &str) -> Output {
        let mut command = Command::new("openssl");
        let command = command.args(arguments.split_whitespace());
        command.current_dir(self.path()).output().unwrap()
    }

    /// Runs it; it must succeed. The answer is what it prints.
    pub fn run(&self, arguments: &str) -> String {
        let output = self.try_run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
