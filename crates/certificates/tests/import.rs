//! What may be imported, and what may not and why.

#![allow(clippy::unwrap_used)]

mod common;

use certificates::import::{ImportError, Imported, check};
use certificates::{Certificate, KeyError, ReadError, chain};
use common::{DAY, NOW, OpenSsl, Signer, key, key_pem, make};
use rcgen::SanType;

struct World {
    root: Signer,
    middle: Signer,
    leaf: Signer,
}

fn world() -> World {
    let root = make("root", true, None, |_| {});
    let middle = make("middle", true, Some(&root), |_| {});
    let name = |name: &str| SanType::DnsName(name.try_into().unwrap());
    let leaf = make("example.com", false, Some(&middle), |leaf| {
        leaf.subject_alt_names = vec![name("Example.com"), name("*.example.com")];
    });
    World { root, middle, leaf }
}

fn import(leaf: &Signer, chain: &str) -> Result<Imported, ImportError> {
    check(
        leaf.pem.as_bytes(),
        leaf.key_pem.as_bytes(),
        Some(chain.as_bytes()),
        NOW,
    )
}

#[test]
fn a_certificate_with_its_key_and_chain_is_imported() {
    let World { root, middle, leaf } = world();
    let whole = format!("{}{}", middle.pem, root.pem);
    for chain in [&whole, &middle.pem, " \n"] {
        let imported = import(&leaf, chain).unwrap();
        assert_eq!(imported.leaf.names, ["example.com", "*.example.com"]);
        assert!(imported.key.is_of(&imported.leaf));
        let served = chain::read(imported.chain_pem.as_bytes()).unwrap();
        assert_eq!(served[0], leaf.certificate);
        assert_eq!(served.len(), 1 + chain.matches("BEGIN").count());
    }
    let alone = check(leaf.pem.as_bytes(), leaf.key_pem.as_bytes(), None, NOW).unwrap();
    assert_eq!(alone.leaf, leaf.certificate);
    let itself = make("itself.example.com", true, None, |_| {});
    assert_eq!(
        import(&itself, "").unwrap().leaf.names,
        ["itself.example.com"]
    );
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let World { leaf, middle, .. } = world();
    let (pem, other) = (leaf.pem.as_bytes(), key_pem(&key()));
    let error = check(pem, other.as_bytes(), None, NOW).unwrap_err();
    assert_eq!(error, ImportError::OtherKey);
    let error = check(pem, middle.pem.as_bytes(), None, NOW).unwrap_err();
    assert_eq!(error, ImportError::Key(KeyError::Missing));
}

#[test]
fn a_certificate_out_of_its_time_is_refused() {
    let World { leaf, .. } = world();
    let at = |now| check(leaf.pem.as_bytes(), leaf.key_pem.as_bytes(), None, now).map(|_| ());
    let (from, until) = (
        leaf.certificate.not_before_secs,
        leaf.certificate.not_after_secs,
    );
    assert_eq!((from, until), (NOW - DAY, NOW + 90 * DAY));
    assert_eq!(
        at(from - 1),
        Err(ImportError::NotYet {
            not_before_secs: from
        })
    );
    assert_eq!(at(from), Ok(()));
    assert_eq!(at(until), Ok(()));
    assert_eq!(
        at(until + 1),
        Err(ImportError::Expired {
            not_after_secs: until
        })
    );
}

#[test]
fn a_chain_out_of_order_is_refused_at_the_first_certificate_that_does_not_fit() {
    let World { root, middle, leaf } = world();
    let number = |chain: &[&Signer]| {
        let chain: String = chain.iter().map(|signer| &*signer.pem).collect();
        match import(&leaf, &chain) {
            Err(ImportError::ChainOrder { number, .. }) => number,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(number(&[&root]), 1);
    assert_eq!(number(&[&root, &middle]), 1);
    assert_eq!(number(&[&leaf, &middle]), 1);
    assert_eq!(number(&[&middle, &leaf]), 2);
    assert_eq!(number(&[&middle, &middle]), 2);
    // Of the same name, and with another key.
    let impostor = make("middle", true, Some(&root), |_| {});
    assert_eq!(number(&[&impostor, &root]), 1);
}

#[test]
fn who_is_no_authority_signs_nothing() {
    let World { middle, .. } = world();
    let pretender = make("pretender", false, Some(&middle), |_| {});
    let leaf = make("example.com", false, Some(&pretender), |_| {});
    let error = import(&leaf, &pretender.pem).unwrap_err();
    assert!(
        matches!(error, ImportError::NotAuthority { number: 1, .. }),
        "{error}"
    );
}

#[test]
fn a_certificate_for_no_name_is_refused() {
    let nameless = make("Some Body", false, None, |leaf| {
        leaf.subject_alt_names = vec![SanType::IpAddress([192, 0, 2, 1].into())];
    });
    assert_eq!(import(&nameless, "").unwrap_err(), ImportError::NoName);
}

#[test]
fn what_is_too_much_or_something_else_is_refused() {
    let World { root, middle, leaf } = world();
    let check = |certificate: &str, chain: &str| {
        let key = leaf.key_pem.as_bytes();
        check(certificate.as_bytes(), key, Some(chain.as_bytes()), NOW).unwrap_err()
    };
    let both = format!("{}{}", leaf.pem, middle.pem);
    assert_eq!(
        check(&both, ""),
        ImportError::SeveralCertificates { certificates: 2 }
    );
    assert_eq!(check("", ""), ImportError::Certificate(ReadError::Missing));
    assert_eq!(
        check(&leaf.pem, "none"),
        ImportError::Chain(ReadError::Missing)
    );
    let label = "PRIVATE KEY".to_owned();
    let error = check(&leaf.key_pem, "");
    assert_eq!(error, ImportError::Certificate(ReadError::Other { label }));
    let long = format!("{}{}", leaf.pem, " ".repeat(32_768));
    let (bytes, max) = (long.len(), 32_768);
    let error = check(&long, "");
    assert_eq!(
        error,
        ImportError::Certificate(ReadError::TooLong { bytes, max })
    );
    let chain = root.pem.repeat(11);
    assert_eq!(
        check(&leaf.pem, &chain),
        ImportError::LongChain { certificates: 11 }
    );
    let error = check(&leaf.pem, &root.pem.repeat(1_001));
    assert_eq!(error, ImportError::Chain(ReadError::TooMany { max: 1_000 }));
    let error = check(
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        "",
    );
    let ImportError::Certificate(ReadError::Form { number: 1, .. }) = error else {
        panic!("{error}");
    };
}

#[test]
fn chains_of_openssl_are_imported_however_they_are_signed() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    openssl.write("authority.cnf", "basicConstraints=critical,CA:TRUE\n");
    openssl.write("leaf.cnf", "subjectAltName=DNS:example.com,IP:192.0.2.1\n");
    let signed = [
        (
            "RSA -pkeyopt rsa_keygen_bits:2048",
            "-sha256",
            "SHA256WITHRSA",
        ),
        (
            "RSA -pkeyopt rsa_keygen_bits:2048",
            "-sha384",
            "SHA384WITHRSA",
        ),
        (
            "RSA -pkeyopt rsa_keygen_bits:2048",
            "-sha512",
            "SHA512WITHRSA",
        ),
        (
            "RSA -pkeyopt rsa_keygen_bits:2048",
            "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1",
            "SHA256WITHRSAANDMGF1",
        ),
        (
            "EC -pkeyopt ec_paramgen_curve:P-256",
            "-sha256",
            "SHA256WITHECDSA",
        ),
        (
            "EC -pkeyopt ec_paramgen_curve:P-384",
            "-sha384",
            "SHA384WITHECDSA",
        ),
        (
            "EC -pkeyopt ec_paramgen_curve:P-384",
            "-sha256",
            "SHA256WITHECDSA",
        ),
        (
            "EC -pkeyopt ec_paramgen_curve:P-521",
            "-sha512",
            "SHA512WITHECDSA",
        ),
        ("ED25519", "", "ED25519"),
    ];
    let check = |openssl: &OpenSsl| {
        let (leaf, key) = (openssl.read("leaf.pem"), openssl.read("leaf.key"));
        // Made now, by the clock of the machine.
        let now = Certificate::from_pem(&leaf).unwrap().not_before_secs;
        check(&leaf, &key, Some(&openssl.read("root.pem")), now)
    };
    openssl.run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out leaf.key");
    openssl.run("req -new -key leaf.key -subj /CN=example.com -out leaf.csr");
    let sign = |how: &str| {
        openssl.run(&format!(
            "x509 -req -in leaf.csr -CA root.pem -CAkey root.key -CAcreateserial {how} \
             -extfile leaf.cnf -days 9 -out leaf.pem"
        ));
    };
    for (algorithm, how, name) in signed {
        openssl.run(&format!("genpkey -algorithm {algorithm} -out root.key"));
        openssl.run(&format!(
            "req -x509 -key root.key -subj /CN=root {how} -out root.pem"
        ));
        sign(how);
        let imported = check(&openssl).unwrap();
        assert_eq!(imported.leaf.signature_algorithm, name);
        assert_eq!(imported.leaf.names, ["example.com"]);
    }
    openssl.run("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out root.key");
    openssl.run("req -x509 -key root.key -subj /CN=root -out root.pem");
    sign("-sha1");
    let old = Certificate::from_pem(openssl.read("leaf.pem")).unwrap();
    assert_eq!(old.signature_algorithm, "SHA1WITHRSA");
    let error = check(&openssl).unwrap_err();
    assert!(
        matches!(error, ImportError::ChainOrder { number: 1, .. }),
        "{error}"
    );
}

#[test]
fn a_signature_that_was_touched_verifies_no_more() {
    let World { middle, leaf, .. } = world();
    assert!(leaf.certificate.is_signed_by(&middle.certificate));
    let mut touched = leaf.certificate.clone();
    let at = touched
        .der
        .windows(7)
        .position(|bytes| bytes == b"example")
        .unwrap();
    touched.der[at] ^= 1;
    assert!(!touched.is_signed_by(&middle.certificate));
    let mut touched = leaf.certificate.clone();
    *touched.der.last_mut().unwrap() ^= 1;
    assert!(!touched.is_signed_by(&middle.certificate));
    let mut other = middle.certificate.clone();
    other.subject_der = leaf.certificate.subject_der.clone();
    assert!(!leaf.certificate.is_signed_by(&other));
}
