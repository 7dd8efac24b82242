//! What the local authority issues, requests and challenges, judged by OpenSSL.

#![allow(clippy::unwrap_used)]

mod common;

use certificates::authority::Authority;
use certificates::limits::{AUTHORITY_LIFE_SECS, BACKDATED_SECS, LEAF_LIFE_SECS_MAX};
use certificates::signing_request;
use certificates::{Certificate, KeyAlgorithm, MakeError, PrivateKey, alpn_challenge, chain};
use common::{DAY, NOW, OpenSsl, key, names};

#[test]
fn an_issued_certificate_says_what_was_asked_for() {
    let authority = Authority::make("Warmfront of a test", NOW).unwrap();
    let root = authority.certificate();
    assert!(root.is_authority && root.is_signed_by(root));
    assert_eq!(root.subject, "O=Warmfront, CN=Warmfront of a test");
    assert_eq!(
        root.not_after_secs,
        NOW - BACKDATED_SECS + AUTHORITY_LIFE_SECS
    );
    let asked = names(&[
        "WWW.example.com",
        "*.example.com",
        "www.example.com",
        "localhost",
    ]);
    let key = key();
    let pem = authority.issue(&asked, &key, NOW, 90 * DAY).unwrap();
    let issued = chain::read(pem.as_bytes()).unwrap();
    let [leaf] = &issued[..] else {
        panic!("{issued:?}")
    };
    assert_eq!(
        leaf.names,
        ["www.example.com", "*.example.com", "localhost"]
    );
    assert_eq!(leaf.subject, "CN=www.example.com");
    assert_eq!(leaf.issuer_organization.as_deref(), Some("Warmfront"));
    assert_eq!(leaf.not_before_secs, NOW - BACKDATED_SECS);
    assert_eq!(leaf.not_after_secs - leaf.not_before_secs, 90 * DAY);
    assert_eq!(leaf.key_algorithm, Some(KeyAlgorithm::EcP256));
    assert_eq!(leaf.signature_algorithm, "SHA256WITHECDSA");
    assert_eq!(leaf.key_usages, ["DIGITAL_SIGNATURE"]);
    let usages = leaf.extended_key_usages.iter().map(|(name, _)| *name);
    let expected = [
        "TLS_WEB_SERVER_AUTHENTICATION",
        "TLS_WEB_CLIENT_AUTHENTICATION",
    ];
    assert!(usages.eq(expected));
    assert!(!leaf.is_authority && leaf.is_signed_by(root) && key.is_of(leaf));
    let other = authority.issue(&asked, &key, NOW, 90 * DAY).unwrap();
    assert_ne!(Certificate::from_pem(other).unwrap().serial, leaf.serial);
}

#[test]
fn no_certificate_lives_longer_than_it_may_or_than_its_authority() {
    let authority = Authority::make("Warmfront", NOW).unwrap();
    let (asked, key) = (names(&["example.com"]), key());
    let issue = |now| authority.issue(&asked, &key, now, u64::MAX);
    let leaf = Certificate::from_pem(issue(NOW).unwrap()).unwrap();
    assert_eq!(
        leaf.not_after_secs - leaf.not_before_secs,
        LEAF_LIFE_SECS_MAX
    );
    let end = authority.certificate().not_after_secs;
    let last = Certificate::from_pem(issue(end - DAY).unwrap()).unwrap();
    assert_eq!(last.not_after_secs, end);
    for other in [end + 1, NOW - 2 * BACKDATED_SECS] {
        let error = issue(other).unwrap_err();
        assert!(matches!(error, MakeError::AuthorityTime { .. }), "{error}");
    }
}

#[test]
fn an_authority_is_taken_up_again_from_its_certificate_and_key() {
    for common_name in ["Warmfront", "Bücher & Söhne", "a, b=c"] {
        let made = Authority::make(common_name, NOW).unwrap();
        let key = PrivateKey::from_pkcs8_der(made.key().pkcs8_der()).unwrap();
        let again = Authority::from_parts(made.certificate_pem(), key).unwrap();
        let (asked, key) = (names(&["example.com"]), key_of_rsa());
        let leaf = again.issue(&asked, &key, NOW, DAY).unwrap();
        let leaf = Certificate::from_pem(leaf).unwrap();
        assert!(leaf.is_signed_by(made.certificate()));
        assert_eq!(leaf.key_usages, ["DIGITAL_SIGNATURE", "KEY_ENCIPHERMENT"]);
    }
    let made = Authority::make("Warmfront", NOW).unwrap();
    let refused = [
        Authority::from_parts(made.certificate_pem(), key()),
        Authority::from_parts("", key()),
        Authority::make("", NOW),
        Authority::make(&"a".repeat(65), NOW),
    ];
    for refused in refused {
        assert!(
            matches!(refused, Err(MakeError::Authority { .. })),
            "{refused:?}"
        );
    }
    let key = key();
    let leaf = made
        .issue(&names(&["example.com"]), &key, NOW, DAY)
        .unwrap();
    let error = Authority::from_parts(&leaf, key).unwrap_err();
    assert!(matches!(error, MakeError::Authority { .. }), "{error}");
}

#[test]
fn what_is_no_name_is_not_issued() {
    let authority = Authority::make("Warmfront", NOW).unwrap();
    let key = key();
    let issue = |asked: &[&str]| authority.issue(&names(asked), &key, NOW, DAY).unwrap_err();
    assert_eq!(issue(&[]), MakeError::NoName);
    for name in [
        "",
        "127.0.0.1",
        "::1",
        "a b",
        "a\0b",
        "w*.example.com",
        "bücher.example",
        "a.",
    ] {
        let error = issue(&["example.com", name]);
        let name = name.to_owned();
        assert_eq!(error, MakeError::Name { name });
    }
    assert_eq!(
        issue(&["a.example"; 101]),
        MakeError::TooManyNames { names: 101 }
    );
}

#[test]
fn openssl_accepts_what_is_issued_and_for_its_names_alone() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let authority = Authority::make("Warmfront", NOW).unwrap();
    openssl.write("root.pem", authority.certificate_pem());
    let other = Authority::make("Warmfront", NOW).unwrap();
    openssl.write("other.pem", other.certificate_pem());
    // A name that is too long for a common name, so that the subject is empty.
    let long = format!("{}.{}.example.com", "a".repeat(60), "b".repeat(60));
    for (algorithm, first) in KeyAlgorithm::all()
        .skip(1)
        .zip(["example.com", &long].iter().cycle())
    {
        let asked = names(&[first, "*.example.com"]);
        let key = PrivateKey::generate(algorithm).unwrap();
        openssl.write(
            "leaf.pem",
            authority.issue(&asked, &key, NOW, 90 * DAY).unwrap(),
        );
        let verify = |root: &str, usage: &str, name: &str| {
            let output = openssl.try_run(&format!(
                "verify -x509_strict -attime {NOW} -purpose {usage} -verify_hostname {name} \
                 -CAfile {root} leaf.pem"
            ));
            output.status.success()
        };
        assert!(verify("root.pem", "sslserver", first), "{algorithm:?}");
        assert!(
            verify("root.pem", "sslclient", "www.example.com"),
            "{algorithm:?}"
        );
        assert!(!verify("root.pem", "sslserver", "a.b.example.com"));
        assert!(!verify("other.pem", "sslserver", first));
        assert!(!verify("root.pem", "smimesign", first));
    }
}

#[test]
fn openssl_verifies_a_signing_request_and_finds_its_names() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    for algorithm in [
        KeyAlgorithm::Rsa2048,
        KeyAlgorithm::EcP256,
        KeyAlgorithm::EcP384,
    ] {
        let key = PrivateKey::generate(algorithm).unwrap();
        let request = signing_request(&names(&["*.Example.com", "example.com"]), &key).unwrap();
        openssl.write("request.der", request);
        let text = openssl.run("req -inform DER -in request.der -verify -noout -text");
        assert!(
            text.contains("DNS:*.example.com, DNS:example.com\n"),
            "{text}"
        );
        assert!(text.contains("Subject: CN = *.example.com\n"), "{text}");
        let public = openssl.run("req -inform DER -in request.der -noout -pubkey");
        openssl.write("public.pem", public);
        openssl.run("pkey -pubin -in public.pem -outform DER -out public.der");
        assert_eq!(openssl.read("public.der"), key.public_key_der());
    }
}

#[test]
fn a_challenge_is_answered_with_a_critical_extension_that_holds_the_digest() {
    let (pem, key) = alpn_challenge("example.com", &[0xab; 32], NOW).unwrap();
    let read = Certificate::from_pem(&pem).unwrap();
    assert_eq!(read.names, ["example.com"]);
    assert!(key.is_of(&read) && read.is_signed_by(&read) && read.holds_at(NOW));
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    openssl.write("challenge.pem", pem);
    let text = openssl.run("x509 -in challenge.pem -noout -text");
    let (_, extension) = text
        .split_once("1.3.6.1.5.5.7.1.31: critical\n")
        .expect(&text);
    assert!(extension.trim_start().starts_with(". "), "{extension}");
    let parsed = openssl.run("asn1parse -in challenge.pem");
    let digest = format!("[HEX DUMP]:0420{}", "AB".repeat(32));
    assert!(parsed.contains(&digest), "{parsed}");
}

fn key_of_rsa() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::Rsa2048).unwrap()
}
