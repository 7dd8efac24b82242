//! What is read of certificates, whatever they hold.

#![allow(clippy::unwrap_used)]

mod common;

use certificates::{Certificate, KeyAlgorithm, ReadError, chain};
use common::{NOW, OpenSsl, make};
use proptest::prelude::*;
use rcgen::{CustomExtension, DnType, SanType};

#[test]
fn everything_that_openssl_puts_into_a_certificate_is_told() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    openssl.write(
        "leaf.cnf",
        "subjectAltName=DNS:WWW.Example.com,DNS:*.example.com,DNS:www.example.com,IP:192.0.2.1,\
         email:a@example.com\n\
         keyUsage=critical,digitalSignature,nonRepudiation,keyEncipherment,dataEncipherment,\
         keyAgreement,keyCertSign,cRLSign,decipherOnly\n\
         extendedKeyUsage=serverAuth,clientAuth,codeSigning,emailProtection,timeStamping,\
         OCSPSigning,ipsecTunnel,1.2.3.4\n\
         authorityInfoAccess=caIssuers;URI:http://ca.example.com/ca.der,\
         OCSP;URI:http://ocsp.example.com/,OCSP;URI:http://two.example.com/\n",
    );
    openssl.run("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem");
    openssl.run("req -x509 -key key.pem -subj /C=DE/O=Root/CN=Top -out root.pem");
    openssl.run("req -new -key key.pem -subj /C=DE/O=Example/CN=Example.com -out leaf.csr");
    openssl.run(
        "x509 -req -in leaf.csr -CA root.pem -CAkey key.pem -set_serial 0x0a1b2c -sha384 \
         -extfile leaf.cnf -days 9 -out leaf.pem",
    );
    let leaf = Certificate::from_pem(openssl.read("leaf.pem")).unwrap();
    assert_eq!(leaf.names, ["www.example.com", "*.example.com"]);
    assert!(leaf.covers("WWW.example.com") && leaf.covers("a.example.com."));
    assert!(!leaf.covers("example.com") && !leaf.covers("192.0.2.1"));
    assert_eq!(leaf.common_name.as_deref(), Some("Example.com"));
    assert_eq!(leaf.subject, "C=DE, O=Example, CN=Example.com");
    assert_eq!(leaf.issuer, "C=DE, O=Root, CN=Top");
    assert_eq!(leaf.issuer_common_name.as_deref(), Some("Top"));
    assert_eq!(leaf.issuer_organization.as_deref(), Some("Root"));
    assert_eq!(leaf.serial, "0a:1b:2c");
    assert_eq!(leaf.not_after_secs - leaf.not_before_secs, 9 * common::DAY);
    assert_eq!(leaf.key_algorithm, Some(KeyAlgorithm::Rsa2048));
    assert_eq!(leaf.signature_algorithm, "SHA384WITHRSA");
    assert_eq!(leaf.ocsp_url.as_deref(), Some("http://ocsp.example.com/"));
    assert!(!leaf.is_authority);
    let usages = "DIGITAL_SIGNATURE NON_REPUDIATION KEY_ENCIPHERMENT DATA_ENCIPHERMENT \
                  KEY_AGREEMENT CERTIFICATE_SIGNING CRL_SIGNING DECIPHER_ONLY";
    assert_eq!(leaf.key_usages.join(" "), usages);
    let usages = leaf.extended_key_usages.iter();
    let usages: Vec<String> = usages.map(|(name, oid)| format!("{name} {oid}")).collect();
    let expected = [
        "TLS_WEB_SERVER_AUTHENTICATION 1.3.6.1.5.5.7.3.1",
        "TLS_WEB_CLIENT_AUTHENTICATION 1.3.6.1.5.5.7.3.2",
        "CODE_SIGNING 1.3.6.1.5.5.7.3.3",
        "EMAIL_PROTECTION 1.3.6.1.5.5.7.3.4",
        "TIME_STAMPING 1.3.6.1.5.5.7.3.8",
        "OCSP_SIGNING 1.3.6.1.5.5.7.3.9",
        "IPSEC_TUNNEL 1.3.6.1.5.5.7.3.6",
        "CUSTOM 1.2.3.4",
    ];
    assert_eq!(usages, expected);
    let digest = openssl.run("x509 -in leaf.pem -noout -fingerprint -sha256");
    let ours: Vec<String> = leaf
        .sha256
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    assert!(digest.trim().ends_with(&ours.join(":")), "{digest}");
    let root = Certificate::from_pem(openssl.read("root.pem")).unwrap();
    assert!(root.is_authority && leaf.is_signed_by(&root) && !root.is_signed_by(&leaf));
    let both = chain::to_pem([&leaf.der, &root.der]);
    assert_eq!(chain::read(both.as_bytes()), Ok(vec![leaf.clone(), root]));
    // Whoever puts a text in front of it, as `openssl x509 -text` does, is read too.
    let text = openssl.run("x509 -in leaf.pem -text");
    assert_eq!(Certificate::from_pem(text), Ok(leaf));
}

#[test]
fn keys_that_acm_does_not_know_are_read_without_their_name() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let keys = [
        (
            "RSA -pkeyopt rsa_keygen_bits:1024",
            Some(KeyAlgorithm::Rsa1024),
        ),
        ("RSA -pkeyopt rsa_keygen_bits:2560", None),
        (
            "RSA -pkeyopt rsa_keygen_bits:4096",
            Some(KeyAlgorithm::Rsa4096),
        ),
        (
            "EC -pkeyopt ec_paramgen_curve:P-521",
            Some(KeyAlgorithm::EcP521),
        ),
        ("EC -pkeyopt ec_paramgen_curve:secp256k1", None),
        ("ED25519", None),
    ];
    for (algorithm, expected) in keys {
        openssl.run(&format!("genpkey -algorithm {algorithm} -out key.pem"));
        openssl.run("req -x509 -key key.pem -subj /CN=a.example -out certificate.pem");
        let read = Certificate::from_pem(openssl.read("certificate.pem")).unwrap();
        assert_eq!(read.key_algorithm, expected, "{algorithm}");
        assert_eq!(read.names, ["a.example"]);
        let is_weak = expected == Some(KeyAlgorithm::Rsa1024) || algorithm.contains("k1");
        assert_eq!(read.is_signed_by(&read), !is_weak, "{algorithm}");
    }
}

/// A certificate with DNS names as they stand, as nobody should make it.
fn with_names(common_name: &str, names: &[&[u8]]) -> Certificate {
    let mut content = Vec::new();
    for name in names {
        content.extend_from_slice(&[0x82, name.len() as u8]);
        content.extend_from_slice(name);
    }
    content.splice(0..0, [0x30, content.len() as u8]);
    let made = make(common_name, false, None, |leaf| {
        let extension = CustomExtension::from_oid_content(&[2, 5, 29, 17], content);
        leaf.custom_extensions.push(extension);
    });
    made.certificate
}

#[test]
fn names_that_are_none_are_left_out_and_cover_nothing() {
    let evil: [&[u8]; 9] = [
        b"bank.example\0.evil.example",
        b"*",
        b"w*.example",
        b"a..example",
        b".example",
        b"b\xc3\xbccher.example",
        b"\xff.example",
        b"127.0.0.1",
        b"",
    ];
    let read = with_names("ignored.example", &[&evil[..], &[b"good.example"]].concat());
    assert_eq!(read.names, ["good.example"]);
    assert!(!read.covers("bank.example") && !read.covers("ignored.example"));
}

#[test]
fn the_common_name_counts_if_there_is_no_other_name() {
    let none = |change: fn(&mut rcgen::CertificateParams)| {
        make("WWW.example.com", false, None, change)
            .certificate
            .names
    };
    assert_eq!(none(|_| {}), ["www.example.com"]);
    let address = none(|leaf| leaf.subject_alt_names = vec![SanType::IpAddress([9; 4].into())]);
    assert_eq!(address, ["www.example.com"]);
    let organization = none(|leaf| {
        leaf.distinguished_name
            .push(DnType::CommonName, "Example\0.com");
        leaf.distinguished_name
            .push(DnType::OrganizationName, "example.com");
    });
    assert!(organization.is_empty(), "{organization:?}");
}

#[test]
fn an_extension_that_stands_twice_or_is_broken_is_refused() {
    let build = |extensions: &[(&[u64], &[u8])]| {
        let mut parameters = rcgen::CertificateParams::default();
        common::set_times(&mut parameters, NOW, NOW + 1);
        for (oid, content) in extensions {
            let extension = CustomExtension::from_oid_content(oid, content.to_vec());
            parameters.custom_extensions.push(extension);
        }
        let key = rcgen::KeyPair::generate().unwrap();
        Certificate::from_der(parameters.self_signed(&key).unwrap().der())
    };
    let authority: (&[u64], &[u8]) = (&[2, 5, 29, 19], &[0x30, 3, 1, 1, 0xff]);
    assert!(build(&[authority]).unwrap().is_authority);
    // Nobody is harmed by a broken list of where to fetch revocations.
    assert!(build(&[(&[2, 5, 29, 31], &[0x30, 1, 0])]).is_ok());
    for wrong in [
        &[authority, authority][..],
        &[(&[2, 5, 29, 19], &[0x30, 9, 1])],
    ] {
        let error = build(wrong).unwrap_err();
        assert!(matches!(error, ReadError::Form { .. }), "{error}");
    }
}

#[test]
fn a_certificate_with_anything_after_it_or_cut_off_is_refused() {
    let whole = make("a.example", false, None, |_| {}).certificate.der;
    assert!(Certificate::from_der(&[&whole[..], &[0]].concat()).is_err());
    for length in 0..whole.len() {
        assert!(Certificate::from_der(&whole[..length]).is_err(), "{length}");
    }
    let long = vec![0x30; 70_000];
    let error = Certificate::from_der(&long).unwrap_err();
    assert!(
        matches!(error, ReadError::TooLong { bytes: 70_000, .. }),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_certificate_with_touched_bytes_is_read_or_refused(
        touched in prop::collection::vec((0usize..400, any::<u8>()), 1..4)
    ) {
        static WHOLE: std::sync::OnceLock<common::Signer> = std::sync::OnceLock::new();
        let whole = WHOLE.get_or_init(|| make("a.example", true, None, |_| {}));
        let mut der = whole.certificate.der.clone();
        for (at, byte) in touched {
            let at = at % der.len();
            der[at] = byte;
        }
        if let Ok(read) = Certificate::from_der(&der) {
            // Nothing but the signature's own padding could change and still verify.
            let is_whole = read == whole.certificate;
            prop_assert!(is_whole || !read.is_signed_by(&whole.certificate));
        }
    }
}
