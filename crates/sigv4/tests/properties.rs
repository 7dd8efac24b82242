//! Whatever is signed is accepted, and whatever differs from it in one place is refused.

#![allow(clippy::unwrap_used)] // In helpers too, which clippy does not see as tests.

use proptest::collection::vec;
use proptest::prelude::*;
use sigv4::{Algorithm, Dialect, Request, Signer, Terms, Verified, Verifier};

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A request that owns its parts.
#[derive(Clone, Debug)]
struct Sent {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Sent {
    fn with_request<T>(&self, then: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<_> = (self.headers.iter())
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect();
        then(&Request {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &headers,
            body: &self.body,
        })
    }

    /// As a server does it: the secret is looked up by the access key that is presented.
    fn accepted(&self, how: How) -> Option<Verified> {
        self.with_request(|request| {
            let presented = sigv4::parse(request).ok()?;
            let secret = (presented.credential.access_key_id == KEY).then_some(SECRET)?;
            let terms = Terms {
                now_secs: how.now_secs,
                dialect: how.dialect,
                region: "us-east-1",
            };
            Verifier::default()
                .verify(request, &presented, secret, &terms)
                .ok()
        })
    }

    fn sign(&mut self, how: How) {
        let signer = Signer {
            algorithm: how.algorithm,
            dialect: how.dialect,
            access_key_id: KEY,
            secret: SECRET,
            session_token: how.has_token.then_some("token/+=="),
            region: "us-east-1",
            service: "service",
        };
        if how.is_presigned {
            self.query =
                self.with_request(|request| signer.presign(request, how.now_secs, 60).unwrap());
        } else {
            let added = self.with_request(|request| signer.sign(request, how.now_secs).unwrap());
            let added = added.into_iter();
            self.headers
                .extend(added.map(|(name, value)| (name.to_owned(), value.into_bytes())));
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct How {
    algorithm: Algorithm,
    dialect: Dialect,
    has_token: bool,
    is_presigned: bool,
    now_secs: u64,
}

prop_compose! {
    fn how()(
        is_asymmetric in any::<bool>(),
        is_s3 in any::<bool>(),
        has_token in any::<bool>(),
        is_presigned in any::<bool>(),
        now_secs in 0..250_000_000_000_u64,
    ) -> How {
        let algorithms = [Algorithm::HmacSha256, Algorithm::EcdsaP256Sha256];
        let dialects = [Dialect::Common, Dialect::S3];
        How {
            algorithm: algorithms[usize::from(is_asymmetric)],
            dialect: dialects[usize::from(is_s3)],
            has_token,
            is_presigned,
            now_secs,
        }
    }
}

prop_compose! {
    fn sent(path: &'static str)(
        method in "GET|POST|PUT|DELETE|PURGE",
        path in path,
        query in vec("[a-z~+%=é]{0,4}(=[a-zA-Z0-9%+/: é]{0,6})?", 0..5),
        host in "[a-z0-9.:]{1,12}",
        headers in vec(("[xX]-[a-z]{1,3}|Content-Type", "[ \t!-~éü]{0,12}"), 0..6),
        body in vec(any::<u8>(), 0..64),
    ) -> Sent {
        let mut all = vec![("Host".to_owned(), host.into_bytes())];
        all.extend(headers.into_iter().map(|(name, value)| (name, value.into_bytes())));
        Sent { method, path, query: query.join("&"), headers: all, body }
    }
}

/// Puts another byte in the place of one; none if there is no byte. Stays text if it was.
fn substitute(bytes: &mut [u8], at: prop::sample::Index, with: u8) -> bool {
    let places: Vec<usize> = (0..bytes.len())
        .filter(|place| bytes[*place].is_ascii() && bytes[*place] != with)
        .collect();
    let Some(place) = (!places.is_empty()).then(|| places[at.index(places.len())]) else {
        return false;
    };
    bytes[place] = with;
    true
}

fn substitute_text(text: &mut String, at: prop::sample::Index, with: u8) -> bool {
    let mut bytes = std::mem::take(text).into_bytes();
    let is_changed = substitute(&mut bytes, at, with);
    *text = String::from_utf8(bytes).unwrap();
    is_changed
}

/// What a query says, for a reader that takes no part in signatures: its parameters in whatever
/// order, percent-encoding taken away.
fn meaning(query: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let plain = |text: &str| {
        let mut out = Vec::new();
        let mut bytes = text.bytes().peekable();
        let mut rest = text;
        while let Some(byte) = bytes.next() {
            let code = rest.get(1..3).filter(|_| byte == b'%');
            let is_hex = |code: &&str| code.bytes().all(|digit| digit.is_ascii_hexdigit());
            let code = code.filter(is_hex);
            let width = if code.is_some() { 3 } else { 1 };
            out.push(code.map_or(byte, |code| u8::from_str_radix(code, 16).unwrap()));
            for _ in 1..width {
                bytes.next();
            }
            // Not at a boundary within a character that has several bytes.
            rest = text.get(text.len() - bytes.len()..).unwrap_or("");
        }
        out
    };
    let mut all: Vec<_> = (query.split('&').filter(|pair| !pair.is_empty()))
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (plain(name), plain(value)))
        .collect();
    all.sort();
    all
}

// A path that is in normal form and one that is not.
const NORMAL: &str = "/|(/[a-zA-Z0-9%:+~é]{1,6}){1,4}/?";
const ANY: &str = "/[a-z0-9%:+~é./ ]{0,24}";

proptest! {
    #[test]
    fn what_is_signed_is_accepted(mut sent in sent(ANY), how in how()) {
        prop_assert_eq!(sent.accepted(how), None);
        sent.sign(how);
        prop_assert!(sent.accepted(how).is_some());
    }

    #[test]
    fn it_is_accepted_through_its_validity_and_no_longer(mut sent in sent(ANY), how in how()) {
        let how = How { now_secs: how.now_secs + 86_400, ..how };
        sent.sign(how);
        let skew_secs = if how.dialect == Dialect::S3 { 900 } else { 300 };
        let valid_secs = if how.is_presigned { 60 } else { skew_secs };
        let at = |now_secs: u64| sent.accepted(How { now_secs, ..how }).is_some();
        prop_assert!(at(how.now_secs + valid_secs) && at(how.now_secs - skew_secs));
        prop_assert!(!at(how.now_secs + valid_secs + 1) && !at(how.now_secs - skew_secs - 1));
    }

    #[test]
    fn another_method_or_path_is_refused(
        mut sent in sent(NORMAL), how in how(), at: prop::sample::Index, with in b'!'..=b'~',
    ) {
        sent.sign(how);
        let mut other = sent.clone();
        if substitute_text(&mut other.method, at, with) {
            prop_assert_eq!(other.accepted(how), None);
        }
        if substitute_text(&mut sent.path, at, with) {
            prop_assert_eq!(sent.accepted(how), None);
        }
    }

    #[test]
    fn another_query_is_refused_unless_it_says_the_same(
        mut sent in sent(ANY), how in how(), at: prop::sample::Index, with in b'!'..=b'~',
    ) {
        sent.sign(how);
        let before = meaning(&sent.query);
        if substitute_text(&mut sent.query, at, with) && meaning(&sent.query) != before {
            prop_assert_eq!(sent.accepted(how), None, "{}", sent.query);
        }
    }

    #[test]
    fn another_value_of_any_signed_header_is_refused(
        mut sent in sent(ANY), how in how(), at: prop::sample::Index, with in b'!'..=b'~',
    ) {
        sent.sign(how);
        for field in 0..sent.headers.len() {
            let mut other = sent.clone();
            if substitute(&mut other.headers[field].1, at, with) {
                prop_assert_eq!(other.accepted(how), None, "{:?}", other.headers);
            }
        }
    }

    #[test]
    fn a_header_more_or_fewer_is_refused_where_it_is_signed(
        mut sent in sent(ANY), how in how(), at: prop::sample::Index,
    ) {
        sent.sign(how);
        let field = at.index(sent.headers.len());
        let mut doubled = sent.clone();
        doubled.headers.push(sent.headers[field].clone());
        prop_assert_eq!(doubled.accepted(how), None);
        let mut more = sent.clone();
        more.headers.push(("x-amz-more".to_owned(), b"1".to_vec()));
        prop_assert_eq!(more.accepted(how), None);
        let mut free = sent.clone();
        free.headers.push(("via".to_owned(), b"proxy".to_vec()));
        prop_assert!(free.accepted(how).is_some());
        sent.headers.remove(field);
        prop_assert_eq!(sent.accepted(how), None);
    }

    #[test]
    fn another_body_is_refused_but_for_presigned_s3(
        mut sent in sent(ANY), how in how(), at: prop::sample::Index, bit in 0..8_u8,
    ) {
        sent.sign(how);
        let mut longer = sent.clone();
        longer.body.push(0);
        let is_free = how.is_presigned && how.dialect == Dialect::S3;
        prop_assert_eq!(longer.accepted(how).is_some(), is_free);
        if !sent.body.is_empty() {
            let place = at.index(sent.body.len());
            sent.body[place] ^= 1_u8 << bit;
            prop_assert_eq!(sent.accepted(how).is_some(), is_free);
        }
    }

    #[test]
    fn requests_are_told_apart_by_their_fingerprints(
        mut sent in sent(NORMAL), how in how(), later in 1..60_u64,
    ) {
        let mut retry = sent.clone();
        let mut other = sent.clone();
        let mut copy = sent.clone();
        copy.method.push('X');
        for one in [&mut sent, &mut retry, &mut copy] {
            one.sign(how);
        }
        let how_later = How { now_secs: how.now_secs + later, ..how };
        other.sign(how_later);
        let fingerprint = |sent: &Sent, how| sent.accepted(how).map(|found| found.fingerprint);
        let first = fingerprint(&sent, how);
        prop_assert!(first.is_some());
        prop_assert_eq!(first, fingerprint(&retry, how));
        prop_assert_ne!(first, fingerprint(&other, how_later));
        prop_assert_ne!(first, fingerprint(&copy, how));
    }
}
