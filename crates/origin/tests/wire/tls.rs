//! TLS: whom the client trusts, under which names, and what it says to the rest.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use origin::{
    Client, FetchError, OriginRequest, OriginSpec, PoolLimits, Scheme, TlsFailure, TlsRoots,
    TlsVersion,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::script::{Origin, answer, client_with, get, ok, resolver, run};

/// A certificate authority of our own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Authority {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    fn roots(&self) -> TlsRoots {
        TlsRoots::mozilla_and_pem(self.pem.as_bytes()).unwrap()
    }

    /// A server's configuration with a certificate for `name`, valid within those years.
    fn server(&self, name: &str, years: (i32, i32), versions: Versions) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        Arc::new(config)
    }
}

type Versions = &'static [&'static rustls::SupportedProtocolVersion];
const ALL: Versions = rustls::ALL_VERSIONS;
const ONLY_12: Versions = &[&rustls::version::TLS12];
const VALID: (i32, i32) = (2020, 4000);

/// An HTTPS origin that answers every request with `secure`; gives its port and the server
/// names that it was asked for.
async fn serve(config: Arc<ServerConfig>) -> (u16, Rc<RefCell<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let names = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&names);
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, seen) = (TlsAcceptor::from(config.clone()), Rc::clone(&seen));
            tokio::task::spawn_local(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let name = stream
                    .get_ref()
                    .1
                    .server_name()
                    .unwrap_or("none")
                    .to_owned();
                seen.borrow_mut().push(name);
                let mut buffer = [0; 4096];
                while matches!(stream.read(&mut buffer).await, Ok(1..)) {
                    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecure";
                    stream.write_all(response).await.unwrap();
                    stream.flush().await.unwrap();
                }
            });
        }
    });
    (port, names)
}

fn client_for(roots: TlsRoots) -> Client {
    client_with(
        resolver("origin.example", &["127.0.0.1"]),
        roots,
        PoolLimits::default(),
    )
}

fn spec(port: u16) -> OriginSpec {
    let mut spec = OriginSpec::new("test", "origin.example");
    spec.https_port = port;
    spec
}

fn https(sni: Option<&str>) -> OriginRequest {
    OriginRequest {
        scheme: Scheme::Https,
        sni: sni.map(str::to_owned),
        ..get("/")
    }
}

fn secure() -> Result<(u16, String), FetchError> {
    Ok((200, "secure".to_owned()))
}

fn fails(failure: TlsFailure) -> Result<(u16, String), FetchError> {
    Err(FetchError::Tls(failure))
}

#[test]
fn a_trusted_certificate_is_accepted_and_its_connection_reused() {
    run(async || {
        for versions in [ALL, ONLY_12] {
            let authority = Authority::new("ours");
            let (port, names) = serve(authority.server("origin.example", VALID, versions)).await;
            let client = client_for(authority.roots());
            for _ in 0..3 {
                assert_eq!(answer(&client, &spec(port), https(None)).await, secure());
            }
            assert_eq!(*names.borrow(), ["origin.example"]);
        }
    });
}

#[test]
fn certificates_that_prove_nothing_are_refused_at_once() {
    run(async || {
        let (authority, stranger) = (Authority::new("ours"), Authority::new("another"));
        let name = "origin.example";
        for (config, failure) in [
            (
                stranger.server(name, VALID, ALL),
                TlsFailure::UntrustedIssuer,
            ),
            (
                authority.server(name, (2001, 2002), ALL),
                TlsFailure::Expired,
            ),
            (
                authority.server(name, (3000, 4000), ALL),
                TlsFailure::NotYetValid,
            ),
            (
                authority.server("other.example", VALID, ALL),
                TlsFailure::WrongName,
            ),
        ] {
            let (port, names) = serve(config).await;
            let client = client_for(authority.roots());
            let result = answer(&client, &spec(port), https(None)).await;
            assert_eq!(result, fails(failure));
            assert!(names.borrow().is_empty(), "no request was sent");
            let error = result.unwrap_err();
            assert_eq!(
                (error.status(), error.detail()),
                (502, "OriginConnectError")
            );
        }
    });
}

#[test]
fn without_the_extra_bundle_our_own_authority_is_a_stranger() {
    run(async || {
        let (port, _) = serve(Authority::new("ours").server("origin.example", VALID, ALL)).await;
        let client = client_for(TlsRoots::mozilla());
        let result = answer(&client, &spec(port), https(None)).await;
        assert_eq!(result, fails(TlsFailure::UntrustedIssuer));
    });
}

#[test]
fn the_certificate_may_name_the_forwarded_host_or_the_origin_but_nothing_else() {
    run(async || {
        let authority = Authority::new("ours");
        for (certified, want) in [
            ("shop.site.example", secure()),
            ("origin.example", secure()),
            ("*.site.example", secure()),
            ("third.example", fails(TlsFailure::WrongName)),
        ] {
            let (port, names) = serve(authority.server(certified, VALID, ALL)).await;
            let client = client_for(authority.roots());
            let result = answer(&client, &spec(port), https(Some("shop.site.example"))).await;
            assert_eq!(result, want, "{certified}");
            if want.is_ok() {
                assert_eq!(
                    *names.borrow(),
                    ["shop.site.example"],
                    "asked for by the forwarded name"
                );
            }
        }
        // Two names are no waiver of the other checks.
        let (port, _) = serve(authority.server("origin.example", (2001, 2002), ALL)).await;
        let client = client_for(authority.roots());
        let result = answer(&client, &spec(port), https(Some("shop.site.example"))).await;
        assert_eq!(result, fails(TlsFailure::Expired));
    });
}

#[test]
fn connections_are_not_shared_between_server_names() {
    run(async || {
        let authority = Authority::new("ours");
        let (port, names) = serve(authority.server("*.site.example", VALID, ALL)).await;
        let client = client_for(authority.roots());
        for sni in ["a.site.example", "b.site.example", "a.site.example"] {
            assert_eq!(
                answer(&client, &spec(port), https(Some(sni))).await,
                secure()
            );
        }
        assert_eq!(*names.borrow(), ["a.site.example", "b.site.example"]);
    });
}

#[test]
fn an_ip_literal_is_certified_as_an_address() {
    run(async || {
        let authority = Authority::new("ours");
        let (port, _) = serve(authority.server("127.0.0.1", VALID, ALL)).await;
        let client = client_for(authority.roots());
        let mut spec = spec(port);
        spec.host = "127.0.0.1".to_owned();
        assert_eq!(answer(&client, &spec, https(None)).await, secure());
    });
}

#[test]
fn an_older_version_than_the_minimum_and_plain_http_fail_the_handshake() {
    run(async || {
        let authority = Authority::new("ours");
        let (port, _) = serve(authority.server("origin.example", VALID, ONLY_12)).await;
        let client = client_for(authority.roots());
        let mut spec = spec(port);
        spec.tls_minimum = TlsVersion::Tls13;
        let result = answer(&client, &spec, https(None)).await;
        assert_eq!(result, fails(TlsFailure::Handshake));

        let plain = Origin::start(vec![vec![ok("plain")]; 3]).await;
        spec.https_port = plain.port;
        let result = answer(&client, &spec, https(None)).await;
        assert_eq!(result, fails(TlsFailure::Handshake));
        assert_eq!(
            plain.connections.get(),
            3,
            "a handshake may fail in passing"
        );
    });
}
