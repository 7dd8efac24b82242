//! What policies say is what is spoken.

use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use rustls::crypto::aws_lc_rs::{ALL_CIPHER_SUITES, cipher_suite as suite};
use rustls::version::{TLS12, TLS13};
use tls::{Negotiated, Policy, Spoken};

use crate::world::{Authority, Viewer, connect, hosts, policy, spec};

/// Every suite of this policy that the two kinds of keys can speak, in the order that the server
/// prefers: the best one is taken from what the viewer offers, until nothing is left.
fn spoken_by(policy: Policy) -> Vec<String> {
    let authority = Authority::new("root");
    let mut all = Vec::new();
    for version in [&TLS13, &TLS12] {
        for kind in [&PKCS_ECDSA_P256_SHA256, &PKCS_RSA_SHA256] {
            let identity = authority.identity_of(&["a.test"], kind);
            let mut spec = spec("A", &["a.test"], &identity);
            spec.policy = policy;
            let hosts = hosts(vec![spec]);
            // Last first: the viewer's order does not count.
            let mut offered: Vec<_> = ALL_CIPHER_SUITES.iter().rev().copied().collect();
            loop {
                offered.retain(|offered| !all.contains(&tls::cipher_name(offered.suite())));
                let is_left = |offered: &&rustls::SupportedCipherSuite| {
                    offered.version().version == version.version
                };
                if !offered.iter().any(|offered| is_left(&offered)) {
                    break;
                }
                let viewer = Viewer::new().versions(&[version]).suites(&offered);
                let viewer = viewer.config(&authority);
                let Ok((server, _)) = connect(&hosts, &viewer, "a.test") else {
                    break;
                };
                let negotiated = Negotiated::of(&server).unwrap();
                assert_eq!(
                    negotiated.protocol == "TLSv1.3",
                    version.version == TLS13.version
                );
                all.push(negotiated.cipher);
            }
        }
    }
    all.into_iter().map(str::to_owned).collect()
}

const OF_TLS13: [&str; 3] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];
const OF_TLS12: [&str; 6] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
];

#[test]
fn policies_of_tls_1_2_speak_all_suites_in_the_servers_order() {
    let expected = [&OF_TLS13[..], &OF_TLS12[..]].concat();
    for name in ["TLSv1.2_2018", "TLSv1.2_2019", "TLSv1.2_2021"] {
        assert_eq!(spoken_by(policy(name)), expected, "{name}");
    }
    assert_eq!(spoken_by(Policy::FORCED_DEFAULT), expected);
}

#[test]
fn the_policy_of_2025_with_tls_1_2_has_no_chacha20() {
    let mut expected = [&OF_TLS13[..], &OF_TLS12[..]].concat();
    expected.retain(|name| !name.contains("CHACHA20"));
    assert_eq!(spoken_by(policy("TLSv1.2_2025")), expected);
}

#[test]
fn the_policy_of_tls_1_3_speaks_nothing_older() {
    assert_eq!(spoken_by(policy("TLSv1.3_2025")), OF_TLS13);
}

#[test]
fn a_handshake_is_told_in_openssls_words() {
    let authority = Authority::new("root");
    let hosts = hosts(vec![spec(
        "A",
        &["a.test"],
        &authority.identity(&["a.test"]),
    )]);
    let viewer = Viewer::new().config(&authority);
    let (server, client) = connect(&hosts, &viewer, "a.test").unwrap();
    let negotiated = Negotiated::of(&server).unwrap();
    assert_eq!(negotiated.protocol, "TLSv1.3");
    assert_eq!(negotiated.cipher, "TLS_AES_128_GCM_SHA256");
    let group = client.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(negotiated.curve, group.as_str());
    assert_eq!(negotiated.server_name.as_deref(), Some("a.test"));
    assert_eq!(
        (negotiated.spoken, negotiated.resumed),
        (Spoken::Http2, false)
    );
    assert_eq!(negotiated.viewer_certificate, None);
}

#[test]
fn what_is_spoken_is_agreed_on() {
    let authority = Authority::new("root");
    let identity = authority.identity(&["a.test", "b.test"]);
    let mut without = spec("B", &["b.test"], &identity);
    without.http2 = false;
    let hosts = hosts(vec![spec("A", &["a.test"], &identity), without]);
    let cases: [(&str, &[&[u8]], Spoken); 6] = [
        ("a.test", &[b"http/1.1", b"h2"], Spoken::Http2),
        ("a.test", &[b"http/1.1"], Spoken::Http1),
        // `curl --http1.0` offers nothing else.
        ("a.test", &[b"http/1.0"], Spoken::Http1),
        ("a.test", &[], Spoken::Http1),
        ("b.test", &[b"h2", b"http/1.1"], Spoken::Http1),
        ("b.test", &[], Spoken::Http1),
    ];
    for (name, alpn, expected) in cases {
        let viewer = Viewer::new().alpn(alpn).config(&authority);
        let (server, _) = connect(&hosts, &viewer, name).unwrap();
        assert_eq!(
            Negotiated::of(&server).unwrap().spoken,
            expected,
            "{name} {alpn:?}"
        );
    }
    let viewer = Viewer::new().alpn(&[b"h2"]).config(&authority);
    assert!(connect(&hosts, &viewer, "b.test").is_err());
}

#[test]
fn a_viewer_with_chacha20_alone_is_served_where_the_policy_has_it() {
    let authority = Authority::new("root");
    let identity = authority.identity(&["a.test"]);
    let viewer = || Viewer::new().suites(&[suite::TLS13_CHACHA20_POLY1305_SHA256]);
    for (name, is_served) in [("TLSv1.3_2025", true), ("TLSv1.2_2025", false)] {
        let mut spec = spec("A", &["a.test"], &identity);
        spec.policy = policy(name);
        let viewer = viewer().versions(&[&TLS13]).config(&authority);
        assert_eq!(
            connect(&hosts(vec![spec]), &viewer, "a.test").is_ok(),
            is_served,
            "{name}"
        );
    }
}
