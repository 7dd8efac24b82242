//! Sessions go on where they may.

use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};
use tls::limits::TICKET_LIFETIME_SECS;
use tls::{ClientAuth, HostSpec, Hosts, Negotiated, UnknownName};

use crate::viewers::auth;
use crate::world::{Authority, NOW, Viewer, connect, policy, spec, tickets_at};

fn node_at(now: u64, specs: Vec<HostSpec>) -> Hosts {
    Hosts::new(specs, None, UnknownName::Default, &tickets_at(now), None)
}

fn is_resumed(hosts: &Hosts, viewer: &Arc<ClientConfig>, name: &str) -> bool {
    let (server, _) = connect(hosts, viewer, name).unwrap();
    Negotiated::of(&server).unwrap().resumed
}

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

#[test]
fn a_session_goes_on_at_another_node_until_its_ticket_is_old() {
    let authority = Authority::new("root");
    let identity = authority.identity(&["a.test"]);
    let node = |now| node_at(now, vec![spec("A", &["a.test"], &identity)]);
    for version in VERSIONS {
        let viewer = Viewer::new().versions(&[version]).config(&authority);
        assert!(!is_resumed(&node(NOW), &viewer, "a.test"));
        assert!(is_resumed(&node(NOW), &viewer, "a.test"), "{version:?}");
        assert!(
            is_resumed(&node(NOW + 3_600), &viewer, "a.test"),
            "{version:?}"
        );
        assert!(!is_resumed(
            &node(NOW + 2 * TICKET_LIFETIME_SECS),
            &viewer,
            "a.test"
        ));
    }
}

#[test]
fn a_session_goes_on_when_the_certificate_is_renewed() {
    let authority = Authority::new("root");
    let node = || {
        node_at(
            NOW,
            vec![spec("A", &["a.test"], &authority.identity(&["a.test"]))],
        )
    };
    let viewer = Viewer::new().config(&authority);
    assert!(!is_resumed(&node(), &viewer, "a.test"));
    assert!(is_resumed(&node(), &viewer, "a.test"));
}

#[test]
fn a_session_under_a_weaker_policy_does_not_go_on() {
    let authority = Authority::new("root");
    let identity = authority.identity(&["a.test"]);
    let node = |name| {
        let mut spec = spec("A", &["a.test"], &identity);
        spec.policy = policy(name);
        node_at(NOW, vec![spec])
    };
    let viewer = Viewer::new().config(&authority);
    assert!(!is_resumed(&node("TLSv1.2_2021"), &viewer, "a.test"));
    assert!(!is_resumed(&node("TLSv1.3_2025"), &viewer, "a.test"));
    assert!(is_resumed(&node("TLSv1.3_2025"), &viewer, "a.test"));
}

#[test]
fn a_session_of_a_verified_viewer_goes_on_under_the_same_trust_store_alone() {
    let authority = Authority::new("root");
    let identity = authority.identity(&["a.test"]);
    let trust = Authority::new("viewers");
    let node = |auth: ClientAuth| {
        let mut spec = spec("A", &["a.test"], &identity);
        spec.client_auth = Some(Arc::new(auth));
        node_at(NOW, vec![spec])
    };
    for version in VERSIONS {
        let viewer = Viewer::new()
            .versions(&[version])
            .key(&trust.viewer(|_| {}));
        let viewer = viewer.config(&authority);
        let required = |version| auth(tls::Mode::Required, &trust.pem, version);
        assert!(!is_resumed(&node(required("store 1")), &viewer, "a.test"));
        let (server, _) = connect(&node(required("store 1")), &viewer, "a.test").unwrap();
        let negotiated = Negotiated::of(&server).unwrap();
        assert!(negotiated.resumed);
        let certificate = negotiated.viewer_certificate.unwrap();
        assert_eq!(certificate.subject, "CN=viewer");
        assert!(!is_resumed(&node(required("store 2")), &viewer, "a.test"));
    }
}

#[test]
fn a_session_without_a_certificate_does_not_go_on_where_one_is_required() {
    let authority = Authority::new("root");
    let identity = authority.identity(&["a.test"]);
    let trust = Authority::new("viewers");
    let viewer = Viewer::new().config(&authority);
    let open = node_at(NOW, vec![spec("A", &["a.test"], &identity)]);
    assert!(!is_resumed(&open, &viewer, "a.test"));
    let mut closed = spec("A", &["a.test"], &identity);
    closed.client_auth = Some(Arc::new(auth(tls::Mode::Required, &trust.pem, "s")));
    assert!(connect(&node_at(NOW, vec![closed]), &viewer, "a.test").is_err());
}
