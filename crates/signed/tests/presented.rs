//! What requests present: made by us, changed by others.

// Clippy sees a test only in what is marked as one.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use certificates::{KeyAlgorithm, PrivateKey, pem};
use signed::sign::{self, SignError, Signed, SigningKey, Terms};
use signed::{Algorithm, Grant, KeyError, Presented, PublicKey, Refusal, Signers, ViewerUrl};

const NOW_SECS: u64 = 1_000;
const VIEWER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const PAGE: &str = "https://example.com/a/b.jpg?x=1";

const TERMS: Terms<'_> = Terms {
    resource: None,
    expires_secs: 2_000,
    not_before_secs: None,
    cidr: None,
};

struct Keys {
    rsa: SigningKey,
    ec: SigningKey,
    signers: Signers,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let rsa = PrivateKey::generate(KeyAlgorithm::Rsa2048).unwrap();
    let ec = PrivateKey::generate(KeyAlgorithm::EcP256).unwrap();
    let public = |key: &PrivateKey| PublicKey::from_pem(&public_pem(key)).unwrap();
    Keys {
        signers: Signers::new([
            ("KRSA".to_owned(), public(&rsa)),
            ("KEC".to_owned(), public(&ec)),
        ]),
        rsa: SigningKey::from_pem(&private_pem(&rsa)).unwrap(),
        ec: SigningKey::from_pem(&private_pem(&ec)).unwrap(),
    }
});

fn private_pem(key: &PrivateKey) -> String {
    pem::write("PRIVATE KEY", key.pkcs8_der())
}

fn public_pem(key: &PrivateKey) -> String {
    pem::write("PUBLIC KEY", key.public_key_der())
}

fn viewer_url(url: &str) -> ViewerUrl<'_> {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (host, rest) = rest.split_at(rest.find('/').unwrap());
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query.as_bytes())),
        None => (rest, None),
    };
    ViewerUrl {
        is_https: scheme == "https",
        host: host.as_bytes(),
        path: path.as_bytes(),
        query,
    }
}

fn ec(url: &str, terms: &Terms<'_>) -> Signed {
    sign::sign(url, terms, "KEC", &KEYS.ec).unwrap()
}

fn field(signed: &Signed) -> String {
    let cookies = signed.cookies();
    let cookies: Vec<_> = cookies
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    cookies.join("; ")
}

fn admitted(grant: Grant, url: &ViewerUrl<'_>) -> Result<(), Refusal> {
    grant.admits(url, VIEWER, NOW_SECS)
}

/// By what the query presents, if it does, else by a field of cookies.
fn ask(url: &str, cookies: &str) -> Result<(), Refusal> {
    let url = viewer_url(url);
    let presented = match Presented::in_query(url.query.unwrap_or_default()) {
        Some(presented) => presented?,
        None => Presented::in_cookies([cookies.as_bytes()].into_iter())?,
    };
    admitted(presented.verify(&url, &KEYS.signers)?, &url)
}

fn query(url: &str) -> Result<(), Refusal> {
    ask(url, "")
}

#[test]
fn what_is_signed_is_admitted_in_every_form_with_every_key() {
    let custom = Terms {
        resource: Some("https://example.com/a/*"),
        not_before_secs: Some(NOW_SECS),
        cidr: Some("192.0.2.0/24"),
        ..TERMS
    };
    let urls = [
        PAGE,
        "https://example.com/a/",
        "https://example.com/a/?",
        "https://example.com/a/?x",
    ];
    for (id, key) in [("KRSA", &KEYS.rsa), ("KEC", &KEYS.ec)] {
        for terms in [TERMS, custom] {
            for page in urls {
                let signed = sign::sign(page, &terms, id, key).unwrap();
                assert_eq!(query(&signed.url()), Ok(()), "{page} {terms:?}");
                assert_eq!(ask(page, &field(&signed)), Ok(()), "{page} {terms:?}");
            }
        }
    }
}

#[test]
fn urls_are_signed_as_browsers_send_them() {
    for (given, sent) in [
        ("https://EXAMPLE.com", "https://example.com/?Expires="),
        (
            "https://Example.com?x=A",
            "https://example.com/?x=A&Expires=",
        ),
        (
            "http://127.0.0.1:8080/a",
            "http://127.0.0.1:8080/a?Expires=",
        ),
    ] {
        let url = ec(given, &TERMS).url();
        assert!(url.starts_with(sent), "{url}");
        assert_eq!(query(&url), Ok(()));
        let shouted = url.replace("example.com", "EXAMPLE.com");
        assert_eq!(
            query(&shouted),
            Ok(()),
            "hosts are compared without regard to case"
        );
    }
}

#[test]
fn a_canned_signature_is_for_its_url_alone() {
    let url = ec(PAGE, &TERMS).url();
    for (what, with) in [
        ("https:", "http:"),
        ("example.com", "example.org"),
        ("example.com", "example.com:443"),
        ("/a/b.jpg", "/a/B.jpg"),
        ("/a/b.jpg", "/a/%62.jpg"),
        ("/a/b.jpg", "/a/./b.jpg"),
        ("/a/b.jpg", "//a/b.jpg"),
        ("/a/b.jpg", "/a/b.jpg/"),
        ("x=1", "x=2"),
        ("x=1", "X=1"),
        ("x=1&", ""),
        ("x=1", "x=1&"),
        ("x=1", "x=1&y=2"),
        ("x=1", "x=%31"),
        ("Expires=2000", "Expires=2001"),
        ("Expires=2000", "Expires=2147483647"),
        ("Expires=2000", "Expires=2000&expires=3000"),
        ("&Hash-Algorithm=SHA256", ""),
        ("SHA256", "SHA1"),
    ] {
        let changed = url.replacen(what, with, 1);
        assert_ne!(changed, url);
        assert_eq!(
            query(&changed),
            Err(Refusal::SignatureMismatch),
            "{changed}"
        );
    }
    // Ours may stand before or among others, in any order.
    let (own, ours) = url.split_once("?x=1&").unwrap();
    let mut ours: Vec<_> = ours.split('&').collect();
    ours.reverse();
    assert_eq!(query(&format!("{own}?{}&x=1", ours.join("&"))), Ok(()));
}

#[test]
fn every_parameter_is_needed_and_none_may_stand_twice() {
    use Refusal::*;
    let canned = ec(PAGE, &TERMS);
    let custom = ec(
        PAGE,
        &Terms {
            cidr: Some("0.0.0.0/0"),
            ..TERMS
        },
    );
    for signed in [&canned, &custom] {
        let url = signed.url();
        let parts: Vec<_> = url.split_once("x=1&").unwrap().1.split('&').collect();
        for part in &parts {
            let name = part.split_once('=').unwrap().0;
            let refusal = match name {
                "Key-Pair-Id" => MissingKey,
                "Signature" => MissingSignature,
                "Hash-Algorithm" => SignatureMismatch,
                _ => MissingPolicy,
            };
            let without = url.replace(&format!("&{part}"), "");
            assert_eq!(query(&without), Err(refusal), "{without}");
            let empty = match name {
                "Hash-Algorithm" => MalformedSignature("Hash-Algorithm is neither SHA1 nor SHA256"),
                _ => refusal,
            };
            assert_eq!(query(&url.replace(part, &format!("{name}="))), Err(empty));
            assert_eq!(query(&url.replace(part, name)), Err(empty));
            let shouted = url.replace(part, &part.replacen(name, &name.to_lowercase(), 1));
            assert_eq!(query(&shouted), Err(refusal), "{shouted}");
            for twice in [
                format!("{url}&{part}"),
                format!("{url}&{name}"),
                url.replace("x=1", part),
            ] {
                let verdict = query(&twice);
                assert!(
                    matches!(verdict, Err(Repeated(twice)) if twice == name),
                    "{verdict:?}"
                );
            }
        }
    }
}

#[test]
fn a_policy_counts_before_expires() {
    let canned = ec(PAGE, &TERMS).url();
    let custom = ec(
        PAGE,
        &Terms {
            cidr: Some("192.0.2.7"),
            ..TERMS
        },
    )
    .url();
    assert_eq!(query(&format!("{custom}&Expires=1")), Ok(()));
    assert_eq!(
        query(&format!("{canned}&Policy=AAAA")),
        Err(Refusal::SignatureMismatch)
    );
    assert_eq!(
        query(&format!("{canned}&Policy=")),
        Err(Refusal::MissingPolicy)
    );
}

#[test]
fn the_query_counts_before_cookies() {
    let cookies = field(&ec(PAGE, &TERMS));
    assert_eq!(ask(PAGE, &cookies), Ok(()));
    for (part, refusal) in [
        ("Expires=5", Refusal::MissingKey),
        ("Policy=", Refusal::MissingKey),
        ("Signature", Refusal::MissingKey),
        ("Key-Pair-Id=KEC", Refusal::MissingPolicy),
    ] {
        assert_eq!(
            ask(&format!("{PAGE}&{part}"), &cookies),
            Err(refusal),
            "{part}"
        );
    }
    for part in [
        "expires=5",
        "%45xpires=5",
        "CloudFront-Policy=x",
        "Policies=1",
    ] {
        let verdict = ask(&format!("{PAGE}&{part}"), &cookies);
        assert_eq!(
            verdict,
            Err(Refusal::SignatureMismatch),
            "{part} is the viewer's own"
        );
    }
    let url = format!("{PAGE}&Hash-Algorithm=SHA1");
    assert_eq!(ask(&url, &cookies), Ok(()), "alone it presents nothing");
}

#[test]
fn cookies_are_read_from_all_fields_and_may_not_disagree() {
    let signed = ec(PAGE, &TERMS);
    let url = viewer_url(PAGE);
    let ask = |fields: &[String]| {
        let fields = fields.iter().map(|field| field.as_bytes());
        let presented = Presented::in_cookies(fields)?;
        assert!(presented.is_cookies());
        admitted(presented.verify(&url, &KEYS.signers)?, &url)
    };
    let all = field(&signed);
    let each: Vec<_> = all.split("; ").map(str::to_owned).collect();
    assert_eq!(ask(&each), Ok(()));
    assert_eq!(ask(&[format!("a=b;{};  c", all.replace(' ', ""))]), Ok(()));
    assert_eq!(
        ask(&[all.clone(), all.clone()]),
        Ok(()),
        "the same twice is no doubt"
    );
    let other = "CloudFront-Expires=2001".to_owned();
    assert_eq!(
        ask(&[all.clone(), other]),
        Err(Refusal::Repeated("Expires"))
    );
    assert_eq!(
        ask(&[all.replace("CloudFront-", "cloudfront-")]),
        Err(Refusal::MissingKey)
    );
    assert_eq!(
        ask(&[all.replace("CloudFront-", "")]),
        Err(Refusal::MissingKey)
    );
    assert_eq!(ask(&[]), Err(Refusal::MissingKey));
}

#[test]
fn values_of_the_query_may_be_percent_encoded() {
    let custom = ec(
        PAGE,
        &Terms {
            cidr: Some("192.0.2.7"),
            ..TERMS
        },
    )
    .url();
    let (page, ours) = custom.split_once("&Policy=").unwrap();
    let (policy, rest) = ours.split_once("&Signature=").unwrap();
    let (signature, rest) = rest.split_once("&Key-Pair-Id=").unwrap();
    let encode =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02x}")).collect() };
    let with = |policy: &str, signature: &str| {
        query(&format!(
            "{page}&Policy={policy}&Signature={signature}&Key-Pair-Id={rest}"
        ))
    };
    assert_eq!(with(&encode(policy), &encode(signature)), Ok(()));
    assert_eq!(
        with(policy, &encode(&encode(signature))),
        Err(Refusal::MalformedSignature("not base64"))
    );
    let standard = signature
        .replace('-', "+")
        .replace('_', "=")
        .replace('~', "/");
    assert!(matches!(
        with(policy, &standard),
        Err(Refusal::MalformedSignature(_))
    ));
    // Which is read only once it is known to be signed.
    assert!(matches!(
        with("%7B", signature),
        Err(Refusal::MalformedPolicy(_))
    ));
    assert_eq!(with("e30_", signature), Err(Refusal::SignatureMismatch));
}

#[test]
fn malformed_values_are_refused_before_anything_is_computed() {
    let url = ec(PAGE, &TERMS).url();
    for expires in [
        "-1",
        "+2000",
        "02000",
        "2000.0",
        "2e3",
        "0x7d0",
        "2147483648",
        "99999999999999999999",
        "%32000",
        " 2000",
        "two",
    ] {
        let verdict = query(&url.replace("=2000", &format!("={expires}")));
        assert!(
            matches!(verdict, Err(Refusal::MalformedPolicy(_))),
            "{expires}: {verdict:?}"
        );
    }
    for hash in ["sha256", "SHA512", "SHA-256", "SHA256%20"] {
        let verdict = query(&url.replace("SHA256", hash));
        assert!(
            matches!(verdict, Err(Refusal::MalformedSignature(_))),
            "{hash}"
        );
    }
    for key in ["KOTHER", "kec", "KEC%20", "KE%43"] {
        assert_eq!(
            query(&url.replace("KEC", key)),
            Err(Refusal::UnknownKey),
            "{key}"
        );
    }
    let long = "A".repeat(100_000);
    let base = "https://h/?Key-Pair-Id=KEC";
    let verdict = query(&format!("{base}&Policy={long}&Signature=AAAA"));
    assert_eq!(verdict, Err(Refusal::MalformedPolicy("too long")));
    let verdict = query(&format!("{base}&Expires=1&Signature={long}"));
    assert_eq!(verdict, Err(Refusal::MalformedSignature("too long")));
}

#[test]
fn an_ecdsa_signature_has_one_form() {
    let url = ec(PAGE, &TERMS).url();
    let (before, rest) = url.split_once("Signature=").unwrap();
    let (_, after) = rest.split_once('&').unwrap();
    for other in [
        "AAAA",
        "MAA_",
        &"A".repeat(88),
        &format!("{}_", "A".repeat(87)),
    ] {
        let verdict = query(&format!("{before}Signature={other}&{after}"));
        let is_refused = matches!(
            verdict,
            Err(Refusal::SignatureMismatch | Refusal::MalformedSignature(_))
        );
        assert!(is_refused, "{other}");
    }
}

#[test]
fn material_tells_apart_whatever_verifies_differently() {
    let material = |url: &str, cookies: &str| {
        let url = viewer_url(url);
        let presented = match Presented::in_query(url.query.unwrap_or_default()) {
            Some(presented) => presented.unwrap(),
            None => Presented::in_cookies([cookies.as_bytes()].into_iter()).unwrap(),
        };
        let mut out = Vec::new();
        presented.write_material(&url, &mut out);
        out
    };
    let ours = "Expires=5&Signature=AAAA&Key-Pair-Id=K";
    let base = format!("https://h/a?x=1&{ours}");
    let of_base = material(&base, "");
    for (what, with) in [
        ("https", "http"),
        ("//h/a", "//h:1/a"),
        ("//h/a", "//ha/"),
        ("/a?", "/b?"),
        ("/a?x=1", "/?ax=1"),
        ("x=1", "x=2"),
        ("=5", "=6"),
        ("AAAA", "AAAB"),
        ("Id=K", "Id=KK"),
        ("Id=K", "Id=K&Hash-Algorithm=SHA256"),
        ("Expires=5", "Policy=5"),
    ] {
        assert_ne!(
            material(&base.replacen(what, with, 1), ""),
            of_base,
            "{what} {with}"
        );
    }
    let cookies = "CloudFront-Expires=5; CloudFront-Signature=AAAA; CloudFront-Key-Pair-Id=K";
    assert_ne!(material("https://h/a?x=1", cookies), of_base);
    assert_eq!(material(&format!("https://h/a?{ours}&x=1"), ""), of_base);
    // Custom policies are verified alike whatever they are presented for.
    let custom = |url: &str| material(&format!("{url}?{ours}&Policy=AAAA"), "");
    assert_eq!(custom("https://h/a"), custom("http://g/b"));
}

#[test]
fn what_cannot_be_signed_is_refused_with_the_reason() {
    let refused =
        |url: &str, terms: Terms<'_>, id: &str| sign::sign(url, &terms, id, &KEYS.ec).unwrap_err();
    for url in [
        "example.com/a",
        "ftp://h/a",
        "https://",
        "https:///a",
        "https://u@h/a",
        "https://h/a b",
        "https://h/é",
        "https://h/a#b",
        "https://h/\"",
        "https://h/\\",
        "https://h/*",
    ] {
        assert!(
            matches!(refused(url, TERMS, "K1"), SignError::Url(_)),
            "{url}"
        );
    }
    let verdict = refused("https://h/?Policy=x", TERMS, "K1");
    assert_eq!(verdict, SignError::OwnName("Policy"));
    for id in ["", "K 1", "K&x=1", &"K".repeat(200)] {
        assert_eq!(refused(PAGE, TERMS, id), SignError::KeyPairId);
    }
    let (resource, cidr) = (Some("https://example.org/*"), Some("2001:db8::/32"));
    assert_eq!(
        refused(PAGE, Terms { resource, ..TERMS }, "K"),
        SignError::OtherUrl
    );
    assert_eq!(refused(PAGE, Terms { cidr, ..TERMS }, "K"), SignError::Cidr);
    let resource = Some("h/*");
    let verdict = refused(PAGE, Terms { resource, ..TERMS }, "K");
    assert!(matches!(verdict, SignError::Resource(_)));
    let not_before_secs = Some(2_000);
    for terms in [
        Terms {
            not_before_secs,
            ..TERMS
        },
        Terms {
            expires_secs: 1 << 31,
            ..TERMS
        },
    ] {
        assert!(
            matches!(refused(PAGE, terms, "K1"), SignError::Time(_)),
            "{terms:?}"
        );
    }
}

#[test]
fn only_keys_that_clouds_take_sign_and_check() {
    for other in [KeyAlgorithm::Rsa3072, KeyAlgorithm::EcP384] {
        let key = PrivateKey::generate(other).unwrap();
        let refused = SigningKey::from_pem(&private_pem(&key)).unwrap_err();
        assert_eq!(refused, SignError::KeyAlgorithm(other));
        assert!(PublicKey::from_pem(&public_pem(&key)).is_err());
    }
    let key = PrivateKey::generate(KeyAlgorithm::EcP256).unwrap();
    let public = public_pem(&key);
    assert_eq!(
        PublicKey::from_pem(&public).unwrap().algorithm(),
        Algorithm::EcdsaP256
    );
    assert!(PublicKey::from_pem(public.trim_end()).is_ok());
    assert!(PublicKey::from_pem(&public.replace('\n', "\r\n")).is_ok());
    for (text, expected) in [
        (String::new(), "is not PEM"),
        (public.repeat(2), "is not PEM"),
        (private_pem(&key), "is not PEM"),
        (public.replace("PUBLIC", "RSA PUBLIC"), "is not PEM"),
        (pem::write("PUBLIC KEY", &[0x30, 0]), "is neither"),
        (" ".repeat(5_000), "is longer"),
    ] {
        let error: KeyError = PublicKey::from_pem(&text).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

#[test]
fn viewers_are_told_the_code_and_logs_the_reason() {
    use Refusal::*;
    for (refusal, code) in [
        (MissingKey, "MissingKey"),
        (MissingPolicy, "MissingPolicy"),
        (MissingSignature, "MissingSignature"),
        (UnknownKey, "InvalidKey"),
        (MalformedSignature("x"), "MalformedSignature"),
        (MalformedPolicy("x"), "MalformedPolicy"),
        (Repeated("Policy"), "MalformedPolicy"),
        (Repeated("Signature"), "MalformedSignature"),
        (SignatureMismatch, "AccessDenied"),
        (Expired, "AccessDenied"),
        (NotYetValid, "AccessDenied"),
        (Address, "AccessDenied"),
        (Resource, "AccessDenied"),
    ] {
        assert_eq!(refusal.code(), code);
        assert!(!refusal.message().is_empty() && !refusal.to_string().is_empty());
    }
    assert_eq!(Expired.message(), NotYetValid.message());
}
