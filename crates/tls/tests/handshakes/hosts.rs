//! Who answers for a name.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::quic::{self, Version};
use rustls::{ClientConfig, Error};
use tls::{
    HostSpec, Hosts, Identity, IdentityError, Mode, Negotiated, Spoken, UnknownName, alpn_config,
};

use crate::viewers::auth;
use crate::world::{Authority, NOW, Viewer, connect, connect_to, hosts, policy, spec, tickets_at};

fn site<'a>(hosts: &'a Hosts, name: &str) -> Option<&'a str> {
    hosts.find(Some(name)).map(|host| host.site.as_str())
}

#[test]
fn a_full_name_comes_before_the_longest_wildcard_before_the_default() {
    let authority = Authority::new("root");
    let identity = authority.identity(&["*.test"]);
    let specs = || {
        vec![
            spec("wide", &["*.test"], &identity),
            spec("narrow", &["*.b.test"], &identity),
            spec("exact", &["a.b.test", "a.test"], &identity),
        ]
    };
    let default = || Some(spec("default", &["d.example"], &identity));
    let tickets = tickets_at(NOW);
    let hosts = Hosts::new(specs(), default(), UnknownName::Default, &tickets, None);
    for (name, expected) in [
        ("a.b.test", "exact"),
        ("A.B.Test", "exact"),
        ("a.test.", "exact"),
        ("x.b.test", "narrow"),
        ("b.test", "wide"),
        ("x.y.b.test", "narrow"),
        ("test", "default"),
        ("d.example", "default"),
        ("", "default"),
        (".", "default"),
        (&"a".repeat(300), "default"),
    ] {
        assert_eq!(site(&hosts, name), Some(expected), "{name}");
    }
    assert_eq!(hosts.find(None).unwrap().site, "default");
    assert!(hosts.find_known("x.example").is_none());

    let hosts = Hosts::new(specs(), default(), UnknownName::Alert, &tickets, None);
    assert_eq!(site(&hosts, "x.example"), None);
    assert_eq!(site(&hosts, "d.example"), Some("default"));
    assert!(hosts.find(None).is_none());
}

#[test]
fn each_name_gets_its_certificate() {
    let authority = Authority::new("root");
    let (a, b) = (
        authority.identity(&["a.test"]),
        authority.identity(&["*.b.test"]),
    );
    let hosts = hosts(vec![
        spec("A", &["a.test"], &a),
        spec("B", &["*.b.test"], &b),
    ]);
    let viewer = Viewer::new().config(&authority);
    for name in ["a.test", "x.b.test", "y.b.test"] {
        assert!(connect(&hosts, &viewer, name).is_ok(), "{name}");
    }
    // The wildcard's host answers, and its certificate is for one label alone.
    assert!(connect(&hosts, &viewer, "x.y.b.test").is_err());
    assert!(connect(&hosts, &viewer, "c.test").is_err());
}

#[test]
fn a_stored_ocsp_response_is_stapled() {
    let authority = Authority::new("root");
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    let pem = params.signed_by(&key, &authority.issuer).unwrap().pem();
    let of = |ocsp| Identity::new(&pem, key.serialized_der(), ocsp).unwrap();
    let (plain, stapled) = (of(None), of(Some(vec![0x30, 0x03, 0x0a, 0x01, 0x06])));
    assert_ne!(plain.digest(), stapled.digest());
    assert_eq!(
        stapled.certified_key().ocsp.as_deref(),
        Some(&[0x30, 0x03, 0x0a, 1, 6][..])
    );
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let authority = Authority::new("root");
    let keys = [KeyPair::generate().unwrap(), KeyPair::generate().unwrap()];
    let params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    let pem = params.signed_by(&keys[0], &authority.issuer).unwrap().pem();
    let error = |pem: &str, key: &[u8]| Identity::new(pem, key, None).unwrap_err();
    assert!(matches!(
        error(&pem, keys[1].serialized_der()),
        IdentityError::Key(_)
    ));
    assert!(matches!(error(&pem, b"no key"), IdentityError::Key(_)));
    assert_eq!(error("", keys[0].serialized_der()), IdentityError::Empty);
}

#[test]
fn a_connection_serves_other_names_of_its_certificate_on_equal_terms() {
    let authority = Authority::new("root");
    let identity = authority.identity(&["*.test"]);
    let with = |name, change: fn(&mut HostSpec)| {
        let mut spec = spec(name, &[name], &identity);
        change(&mut spec);
        spec
    };
    let trust = Authority::new("viewers");
    let mut closed = spec("closed.test", &["closed.test"], &identity);
    closed.client_auth = Some(Arc::new(auth(Mode::Required, &trust.pem, "s")));
    let hosts = hosts(vec![
        spec("a.test", &["a.test"], &identity),
        with("b.test", |spec| spec.policy = policy("TLSv1.2_2019")),
        with("c.test", |spec| spec.policy = policy("TLSv1.3_2025")),
        closed,
    ]);
    let host = |name| hosts.find_known(name).unwrap();
    let a = host("a.test");
    assert!(a.covers("b.test") && !a.covers("b.example"));
    assert!(a.same_terms(host("b.test")));
    assert!(!a.same_terms(host("c.test")));
    assert!(!a.same_terms(host("closed.test")));
}

#[test]
fn configurations_are_shared_and_kept_where_nothing_changed() {
    let authority = Authority::new("root");
    let (first, second) = (
        authority.identity(&["a.test"]),
        authority.identity(&["a.test"]),
    );
    let trust = Authority::new("viewers");
    let asking = |context: &str, identity: &Arc<Identity>| {
        let mut asking = spec("C", &["c.test"], identity);
        asking.client_auth = Some(Arc::new(auth(Mode::Optional, &trust.pem, context)));
        asking
    };
    let tickets = tickets_at(NOW);
    let make = |specs, previous: Option<&Hosts>| {
        Hosts::new(specs, None, UnknownName::Default, &tickets, previous)
    };
    let config = |hosts: &Hosts, name| Arc::clone(&hosts.find_known(name).unwrap().config);
    let before = make(
        vec![
            spec("A", &["a.test"], &first),
            spec("B", &["b.test"], &first),
            asking("1", &first),
        ],
        None,
    );
    assert!(Arc::ptr_eq(
        &config(&before, "a.test"),
        &config(&before, "b.test")
    ));
    assert!(!Arc::ptr_eq(
        &config(&before, "a.test"),
        &config(&before, "c.test")
    ));
    // All is read anew; one has another certificate, one another version of its trust store.
    let after = make(
        vec![
            spec("A", &["a.test"], &first),
            spec("B", &["b.test"], &second),
            asking("2", &first),
        ],
        Some(&before),
    );
    assert!(Arc::ptr_eq(
        &config(&before, "a.test"),
        &config(&after, "a.test")
    ));
    assert!(!Arc::ptr_eq(
        &config(&before, "b.test"),
        &config(&after, "b.test")
    ));
    assert!(!Arc::ptr_eq(
        &config(&before, "c.test"),
        &config(&after, "c.test")
    ));
    let same = make(vec![asking("2", &first)], Some(&after));
    assert!(Arc::ptr_eq(
        &config(&same, "c.test"),
        &config(&after, "c.test")
    ));
}

/// A handshake of QUIC, without packets.
fn connect_quic(
    config: &Arc<rustls::ServerConfig>,
    viewer: &Arc<ClientConfig>,
    name: &str,
) -> Result<quic::ServerConnection, Error> {
    let name = name.to_owned().try_into().unwrap();
    let mut client =
        quic::ClientConnection::new(Arc::clone(viewer), Version::V1, name, vec![1]).unwrap();
    let mut server = quic::ServerConnection::new(Arc::clone(config), Version::V1, vec![2]).unwrap();
    // What is written under one key is handed over before the next one is in use.
    while client.is_handshaking() || server.is_handshaking() {
        let mut is_more = true;
        while is_more {
            let mut bytes = Vec::new();
            is_more = client.write_hs(&mut bytes).is_some();
            server.read_hs(&bytes)?;
        }
        is_more = true;
        while is_more {
            let mut bytes = Vec::new();
            is_more = server.write_hs(&mut bytes).is_some();
            client.read_hs(&bytes)?;
        }
    }
    Ok(server)
}

#[test]
fn http_3_is_for_the_hosts_that_offer_it() {
    let authority = Authority::new("root");
    let names = [
        "a.test",
        "off.test",
        "closed.test",
        "narrow.test",
        "unknown.test",
    ];
    let identity = authority.identity(&names);
    let trust = Authority::new("viewers");
    let (mut off, mut closed) = (
        spec("off", &["off.test"], &identity),
        spec("closed", &["closed.test"], &identity),
    );
    off.http3 = false;
    closed.client_auth = Some(Arc::new(auth(Mode::Optional, &trust.pem, "s")));
    let mut narrow = spec("narrow", &["narrow.test"], &identity);
    narrow.policy = policy("TLSv1.2_2025");
    let specs = vec![spec("A", &["a.test"], &identity), off, closed, narrow];
    let all = Arc::new(ArcSwap::from_pointee(hosts(specs)));
    let config = Hosts::quic_config(Arc::clone(&all), &tickets_at(NOW));
    assert_eq!(config.max_early_data_size, 0);
    let versions = [&rustls::version::TLS13];
    let viewer = || Viewer::new().versions(&versions).alpn(&[b"h3"]);
    let come = |name| connect_quic(&config, &viewer().config(&authority), name);
    assert_eq!(come("a.test").unwrap().alpn_protocol(), Some(&b"h3"[..]));
    assert!(come("narrow.test").is_ok());
    for name in ["off.test", "closed.test", "unknown.test"] {
        assert!(come(name).is_err(), "{name}");
    }
    let other = viewer().alpn(&[b"h2"]).config(&authority);
    assert!(connect_quic(&config, &other, "a.test").is_err());
    // What changes is seen by the next handshake.
    all.store(Arc::new(Hosts::default()));
    assert!(come("a.test").is_err());
}

#[test]
fn an_authoritys_handshake_gets_the_answer_and_nothing_else() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&[7; 32])];
    let own = params.self_signed(&key).unwrap();
    let config = alpn_config(&own.pem(), key.serialized_der()).unwrap();
    let mut authority = Authority::new("root");
    authority.der = own.der().clone();
    let viewer = Viewer::new().alpn(&[tls::ALPN_ACME]).config(&authority);
    // Authorities look at the certificate themselves; this viewer trusts it as a root, and finds
    // the extension that it does not know.
    let error = connect_to(&config, &viewer, "a.test").unwrap_err();
    assert!(matches!(error, Error::InvalidCertificate(_)), "{error}");
    params.custom_extensions.clear();
    let own = params.self_signed(&key).unwrap();
    authority.der = own.der().clone();
    let config = alpn_config(&own.pem(), key.serialized_der()).unwrap();
    let viewer = Viewer::new().alpn(&[tls::ALPN_ACME]).config(&authority);
    let (server, _) = connect_to(&config, &viewer, "a.test").unwrap();
    assert_eq!(
        Negotiated::of(&server).unwrap().spoken,
        Spoken::AlpnChallenge
    );
    let viewer = Viewer::new().config(&authority);
    assert!(connect_to(&config, &viewer, "a.test").is_err());
}
