//! Private keys as OpenSSL writes and reads them.

#![allow(clippy::unwrap_used)]

mod common;

use certificates::{KeyAlgorithm, KeyError, PrivateKey};
use common::{OpenSsl, key, key_pem};

#[test]
fn every_kind_of_key_is_made_and_read_again() {
    for algorithm in KeyAlgorithm::all() {
        let made = PrivateKey::generate(algorithm);
        if algorithm == KeyAlgorithm::Rsa1024 {
            assert_eq!(made, Err(KeyError::NotMade { algorithm }));
            continue;
        }
        let made = made.unwrap();
        assert_eq!(made.algorithm(), algorithm);
        assert_eq!(
            PrivateKey::from_pkcs8_der(made.pkcs8_der()),
            Ok(made.clone())
        );
        assert_eq!(PrivateKey::from_pem(key_pem(&made)), Ok(made));
    }
}

#[test]
fn a_key_does_not_show_what_it_holds() {
    assert_eq!(
        format!("{:?}", key()),
        "PrivateKey { algorithm: EcP256, .. }"
    );
}

#[test]
fn what_is_no_key_is_refused_with_its_reason() {
    let whole = key_pem(&key());
    let read = |text: &str| PrivateKey::from_pem(text).unwrap_err();
    assert_eq!(read(""), KeyError::Missing);
    assert_eq!(
        read("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"),
        KeyError::Missing
    );
    assert_eq!(read(&whole.repeat(2)), KeyError::Several);
    assert_eq!(read(&whole[..whole.len() - 40]), KeyError::Pem { line: 4 });
    assert_eq!(
        read(&whole.replace("PRIVATE", "DSA PRIVATE")),
        KeyError::Kind
    );
    assert_eq!(
        read("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----"),
        KeyError::Kind
    );
    let long = format!("{whole}{}", " ".repeat(8_192));
    assert_eq!(read(&long), KeyError::TooLong { bytes: long.len() });
    assert_eq!(PrivateKey::from_pkcs8_der(&[0x30, 0]), Err(KeyError::Kind));
}

#[test]
fn keys_of_openssl_are_read_in_all_their_forms() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let made = [
        (
            "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048",
            KeyAlgorithm::Rsa2048,
        ),
        (
            "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072",
            KeyAlgorithm::Rsa3072,
        ),
        (
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
            KeyAlgorithm::EcP256,
        ),
        (
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384",
            KeyAlgorithm::EcP384,
        ),
        (
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521",
            KeyAlgorithm::EcP521,
        ),
    ];
    for (command, algorithm) in made {
        openssl.run(&format!("{command} -out key.pem"));
        let pkcs8 = openssl.read("key.pem");
        let old = openssl.run("pkey -in key.pem -traditional");
        assert!(
            old.contains("RSA PRIVATE") || old.contains("EC PRIVATE"),
            "{old}"
        );
        let read = PrivateKey::from_pem(&pkcs8).unwrap();
        assert_eq!(read.algorithm(), algorithm);
        assert_eq!(PrivateKey::from_pem(&old), Ok(read.clone()));
        openssl.run("pkey -in key.pem -pubout -outform DER -out public.der");
        assert_eq!(openssl.read("public.der"), read.public_key_der());
    }
    // `openssl ecparam` writes the curve in front of the key.
    let with_curve = openssl.run("ecparam -name prime256v1 -genkey");
    assert!(
        with_curve.starts_with("-----BEGIN EC PARAMETERS-----"),
        "{with_curve}"
    );
    assert_eq!(
        PrivateKey::from_pem(with_curve).unwrap().algorithm(),
        KeyAlgorithm::EcP256
    );
}

#[test]
fn encrypted_keys_and_keys_that_are_not_served_are_refused() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    openssl.run("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem");
    for form in ["", "-traditional"] {
        let command = format!("pkey -in key.pem {form} -aes256 -passout pass:secret");
        let encrypted = openssl.run(&command);
        assert_eq!(
            PrivateKey::from_pem(encrypted),
            Err(KeyError::Encrypted),
            "{form}"
        );
    }
    for other in [
        "genpkey -algorithm ED25519",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2560",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1",
    ] {
        let key = openssl.run(other);
        assert_eq!(PrivateKey::from_pem(key), Err(KeyError::Kind), "{other}");
    }
}

#[test]
fn openssl_reads_an_exported_key_with_its_passphrase_alone() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    for algorithm in [KeyAlgorithm::EcP256, KeyAlgorithm::Rsa2048] {
        let key = PrivateKey::generate(algorithm).unwrap();
        let encrypted = key.to_encrypted_pem("pässword".as_bytes());
        assert_eq!(PrivateKey::from_pem(&encrypted), Err(KeyError::Encrypted));
        assert_ne!(encrypted, key.to_encrypted_pem("pässword".as_bytes()));
        openssl.write("encrypted.pem", encrypted);
        openssl.write("passphrase", "pässword\n");
        openssl.run("pkcs8 -in encrypted.pem -passin file:passphrase -out key.pem");
        assert_eq!(PrivateKey::from_pem(openssl.read("key.pem")), Ok(key));
        let wrong = openssl.try_run("pkcs8 -in encrypted.pem -passin pass:password -out key.pem");
        assert!(!wrong.status.success());
    }
}
