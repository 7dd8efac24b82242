//! Signed URLs and cookies: whatever is presented is read or refused; what one verification says,
//! another says, and what we sign is admitted. The key is made anew, so that policies are read
//! without a signature, too.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use certificates::{KeyAlgorithm, PrivateKey, pem};
use libfuzzer_sys::fuzz_target;
use signed::sign::{self, SigningKey, Terms};
use signed::{Grant, Presented, PublicKey, Signers, ViewerUrl, limits, spelling};
use warmfront_fuzz::{lines, number};

static KEYS: LazyLock<(SigningKey, Signers)> = LazyLock::new(|| {
    let key = PrivateKey::generate(KeyAlgorithm::EcP256).expect("keys can be made");
    let public = PublicKey::from_pem(&pem::write("PUBLIC KEY", key.public_key_der()));
    let private = SigningKey::from_pem(&pem::write("PRIVATE KEY", key.pkcs8_der()));
    (
        private.expect("it is a key"),
        Signers::new([("K1".to_owned(), public.expect("it is a key"))]),
    )
});

/// Query, cookies, host, path, resource, time, then a policy.
fn check(data: &[u8]) {
    let ([query, cookies, host, path, resource, now], policy) = lines::<6>(data);
    let now_secs = number(now);
    let url = ViewerUrl {
        is_https: true,
        host,
        path,
        query: Some(query),
    };
    check_spelling(path);
    let in_query = Presented::in_query(query);
    let in_cookies = Presented::in_cookies([cookies].into_iter());
    for presented in in_query.into_iter().chain([in_cookies]).flatten() {
        check_presented(&presented, &url);
    }
    if let Ok(grant) = Grant::read_unverified(policy) {
        check_grant(&grant, &url, now_secs);
    }
    check_signed(&url, resource, now_secs);
}

fuzz_target!(|data: &[u8]| check(data));

fn check_spelling(path: &[u8]) {
    let resolved = spelling::resolved(path);
    assert_eq!(resolved.first(), Some(&b'/'));
    let mut segments = resolved.split(|byte| *byte == b'/');
    assert!(segments.all(|segment| segment != b"." && segment != b".."));
    if !path.contains(&b'%') {
        assert_eq!(spelling::resolved(&resolved), resolved);
    }
}

fn check_presented(presented: &Presented<'_>, url: &ViewerUrl<'_>) {
    let verdict = presented.verify(url, &KEYS.1);
    assert_eq!(verdict, presented.verify(url, &KEYS.1));
    assert!(presented.verify(url, &Signers::default()).is_err());
    let mut material = Vec::new();
    presented.write_material(url, &mut material);
    assert!(!material.is_empty());
    // The key is new: no input has a signature of it.
    assert!(verdict.is_err());
}

fn check_grant(grant: &Grant, url: &ViewerUrl<'_>, now_secs: u64) {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let admitted = grant.admits(url, address, now_secs);
    assert_eq!(admitted, grant.admits(url, address, now_secs));
    assert!(grant.admits(url, address, limits::EPOCH_SECS_MAX).is_err());
    let host = &*url.host.to_ascii_uppercase();
    assert_eq!(
        admitted,
        grant.admits(&ViewerUrl { host, ..*url }, address, now_secs)
    );
}

/// Signs the URL, if it can be, for a resource, if that is about it.
fn check_signed(url: &ViewerUrl<'_>, resource: &[u8], now_secs: u64) {
    let (Ok(host), Ok(path), Ok(resource)) = (
        std::str::from_utf8(url.host),
        std::str::from_utf8(url.path),
        std::str::from_utf8(resource),
    ) else {
        return;
    };
    let is_one = !host.contains(['/', '?']) && !path.contains('?') && path.starts_with('/');
    if !is_one {
        return;
    }
    let terms = Terms {
        resource: (!resource.is_empty()).then_some(resource),
        expires_secs: now_secs.saturating_add(1),
        not_before_secs: None,
        cidr: None,
    };
    let Ok(signed) = sign::sign(&format!("https://{host}{path}"), &terms, "K1", &KEYS.0) else {
        return;
    };
    let text = signed.url();
    let query = text.split_once('?').map(|(_, query)| query.as_bytes());
    let url = ViewerUrl { query, ..*url };
    let presented = Presented::in_query(query.unwrap_or_default());
    let presented = presented.expect("it is signed").expect("it is whole");
    let grant = presented.verify(&url, &KEYS.1).expect("we signed it");
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    assert!(grant.admits(&url, address, now_secs).is_ok());
}
