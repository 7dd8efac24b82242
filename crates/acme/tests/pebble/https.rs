//! What servers need for their own HTTPS.

use rcgen::{CertificateParams, KeyPair};

/// A certificate for the HTTPS of a server at 127.0.0.1, which is its own root, and its key; in
/// PEM form.
pub fn self_signed() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names)
        .unwrap()
        .self_signed(&key)
        .unwrap();
    (certificate.pem(), key.serialize_pem())
}
