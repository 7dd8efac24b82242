//! TLS: whom the client trusts, under which names, and what it says to the rest.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use origin::{
    Client, ClientIdentity, FetchError, OriginRequest, OriginSpec, PoolLimits, Protocol, Scheme,
    TlsFailure, TlsRoots, TlsVersion,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CipherSuite, ConfigBuilder, HandshakeKind, NamedGroup, RootCertStore, ServerConfig,
    ServerConnection, WantsVerifier,
};
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

    /// An authority that this one signed, and its certificate.
    fn intermediate(&self, name: &str) -> (Authority, CertificateDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let authority = Authority {
            issuer: Issuer::new(params, key),
            pem: certificate.pem(),
        };
        (authority, certificate.der().clone())
    }

    /// A certificate for `name`, valid within those years, and its key.
    fn certify(&self, name: &str, years: (i32, i32)) -> Certified {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (certificate.der().clone(), key)
    }

    /// A server's configuration with a certificate for `name`, valid within those years.
    fn server(&self, name: &str, years: (i32, i32), versions: Versions) -> Arc<ServerConfig> {
        let (certificate, key) = self.certify(name, years);
        let config = server_builder(versions)
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Arc::new(config)
    }

    /// A server's configuration that asks clients for a certificate of ours, or insists on one.
    fn asking_server(&self, versions: Versions, insists: bool) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.pem.as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let verifier = if insists {
            verifier.build()
        } else {
            verifier.allow_unauthenticated().build()
        };
        let (certificate, key) = self.certify("origin.example", VALID);
        let config = server_builder(versions)
            .with_client_cert_verifier(verifier.unwrap())
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Arc::new(config)
    }

    fn identity(&self, id: &str) -> ClientIdentity {
        let (certificate, key) = self.certify("edge.example", VALID);
        ClientIdentity::new(id, vec![certificate], key).unwrap()
    }
}

type Certified = (CertificateDer<'static>, PrivateKeyDer<'static>);

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn server_builder(versions: Versions) -> ConfigBuilder<ServerConfig, WantsVerifier> {
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
}

type Versions = &'static [&'static rustls::SupportedProtocolVersion];
const ALL: Versions = rustls::ALL_VERSIONS;
const ONLY_12: Versions = &[&rustls::version::TLS12];
const ONLY_13: Versions = &[&rustls::version::TLS13];
const VALID: (i32, i32) = (2020, 4000);

/// An HTTPS origin that answers every request with `secure`; gives its port and the server
/// names that it was asked for.
async fn serve(config: Arc<ServerConfig>) -> (u16, Rc<RefCell<Vec<String>>>) {
    let names = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&names);
    let port = serve_and("", config, move |connection| {
        let name = connection.server_name().unwrap_or("none").to_owned();
        seen.borrow_mut().push(name);
    })
    .await;
    (port, names)
}

/// The same with further fields in its responses; tells of every handshake.
async fn serve_and(
    fields: &'static str,
    config: Arc<ServerConfig>,
    tell: impl Fn(&ServerConnection) + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tell = Rc::new(tell);
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, tell) = (TlsAcceptor::from(config.clone()), Rc::clone(&tell));
            tokio::task::spawn_local(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                tell(stream.get_ref().1);
                let mut buffer = [0; 4096];
                while matches!(stream.read(&mut buffer).await, Ok(1..)) {
                    let head = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n";
                    let response = format!("{head}{fields}\r\nsecure");
                    stream.write_all(response.as_bytes()).await.unwrap();
                    stream.flush().await.unwrap();
                }
            });
        }
    });
    port
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

#[test]
fn a_certificate_that_signs_itself_is_refused() {
    run(async || {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["origin.example".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = server_builder(ALL)
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let (port, _) = serve(Arc::new(config)).await;
        let client = client_for(Authority::new("ours").roots());
        let result = answer(&client, &spec(port), https(None)).await;
        assert_eq!(result, fails(TlsFailure::UntrustedIssuer));
    });
}

#[test]
fn an_origin_sends_its_whole_chain_or_is_not_trusted() {
    run(async || {
        let root = Authority::new("ours");
        let (between, link) = root.intermediate("between");
        for (sends_it, want) in [
            (true, secure()),
            (false, fails(TlsFailure::UntrustedIssuer)),
        ] {
            let (certificate, key) = between.certify("origin.example", VALID);
            let mut chain = vec![certificate];
            chain.extend(sends_it.then(|| link.clone()));
            let config = server_builder(ALL)
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .unwrap();
            let (port, _) = serve(Arc::new(config)).await;
            let client = client_for(root.roots());
            assert_eq!(answer(&client, &spec(port), https(None)).await, want);
        }
    });
}

/// Remembers what clients offer.
#[derive(Debug)]
struct Listening {
    certified: SingleCertAndKey,
    offers: Mutex<Vec<(Vec<CipherSuite>, Vec<NamedGroup>)>>,
}

impl ResolvesServerCert for Listening {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let groups = hello.named_groups().unwrap_or_default().to_vec();
        let offer = (hello.cipher_suites().to_vec(), groups);
        self.offers.lock().unwrap().push(offer);
        ResolvesServerCert::resolve(&self.certified, hello)
    }
}

#[test]
fn the_ciphers_and_curves_offered_are_those_of_the_table() {
    run(async || {
        let authority = Authority::new("ours");
        let (certificate, key) = authority.certify("origin.example", VALID);
        let certified = CertifiedKey::from_der(vec![certificate], key, &provider()).unwrap();
        let listening = Arc::new(Listening {
            certified: SingleCertAndKey::from(certified),
            offers: Mutex::default(),
        });
        let config = server_builder(ALL)
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&listening) as _);
        let (port, _) = serve(Arc::new(config)).await;
        let client = client_for(authority.roots());
        assert_eq!(answer(&client, &spec(port), https(None)).await, secure());

        let (mut ciphers, groups) = listening.offers.lock().unwrap()[0].clone();
        ciphers.retain(|cipher| *cipher != CipherSuite::TLS_EMPTY_RENEGOTIATION_INFO_SCSV);
        assert_eq!(
            ciphers,
            [
                CipherSuite::TLS13_AES_256_GCM_SHA384,
                CipherSuite::TLS13_AES_128_GCM_SHA256,
                CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
                CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            ]
        );
        let want = [
            NamedGroup::X25519,
            NamedGroup::secp256r1,
            NamedGroup::secp384r1,
        ];
        assert_eq!(groups, want);
    });
}

#[test]
fn further_connections_resume_the_session_of_the_first() {
    run(async || {
        for versions in [ONLY_12, ONLY_13] {
            let authority = Authority::new("ours");
            let kinds = Rc::new(RefCell::new(Vec::new()));
            let log = Rc::clone(&kinds);
            let config = authority.server("origin.example", VALID, versions);
            let port = serve_and("Connection: close\r\n", config, move |connection| {
                log.borrow_mut().push(connection.handshake_kind().unwrap());
            })
            .await;
            let client = client_for(authority.roots());
            for _ in 0..4 {
                assert_eq!(answer(&client, &spec(port), https(None)).await, secure());
            }
            assert_eq!(kinds.borrow()[0], HandshakeKind::Full);
            assert_eq!(kinds.borrow()[1..], [HandshakeKind::Resumed; 3]);
            // Another server name is another session; the certificate still names the origin.
            let result = answer(&client, &spec(port), https(Some("site.example"))).await;
            assert_eq!(result, secure());
            assert_eq!(kinds.borrow()[4], HandshakeKind::Full);
        }
    });
}

#[test]
fn a_session_outlives_the_connections_of_its_origin() {
    run(async || {
        let authority = Authority::new("ours");
        let kinds = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&kinds);
        let config = authority.server("origin.example", VALID, ALL);
        let port = serve_and("", config, move |connection| {
            log.borrow_mut().push(connection.handshake_kind().unwrap());
        })
        .await;
        let client = client_for(authority.roots());
        let mut spec = spec(port);
        spec.keepalive_timeout_ms = 50;
        assert_eq!(answer(&client, &spec, https(None)).await, secure());
        while client.connections().open > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(answer(&client, &spec, https(None)).await, secure());
        assert_eq!(
            *kinds.borrow(),
            [HandshakeKind::Full, HandshakeKind::Resumed]
        );
    });
}

#[test]
fn an_origin_that_asks_who_we_are_is_told_or_not_spoken_to() {
    run(async || {
        let authority = Authority::new("ours");
        for versions in [ONLY_12, ONLY_13] {
            for insists in [true, false] {
                let (port, _) = serve(authority.asking_server(versions, insists)).await;
                let client = client_for(authority.roots());
                let nobody = spec(port);
                for _ in 0..2 {
                    // Never by resuming a session either.
                    let result = answer(&client, &nobody, https(None)).await;
                    assert_eq!(result, fails(TlsFailure::CertificateRequested));
                }
                let somebody = OriginSpec {
                    client_identity: Some(authority.identity("a")),
                    ..nobody.clone()
                };
                for _ in 0..2 {
                    assert_eq!(answer(&client, &somebody, https(None)).await, secure());
                }
                assert_eq!(client.connections().open, 1);
                // What one is trusted with is not for the others.
                let result = answer(&client, &nobody, https(None)).await;
                assert_eq!(result, fails(TlsFailure::CertificateRequested));
                let renewed = OriginSpec {
                    client_identity: Some(authority.identity("a")),
                    ..nobody.clone()
                };
                assert_eq!(answer(&client, &renewed, https(None)).await, secure());
                let stranger = OriginSpec {
                    client_identity: Some(Authority::new("other").identity("b")),
                    ..nobody.clone()
                };
                assert!(answer(&client, &stranger, https(None)).await.is_err());
            }
        }
    });
}

#[test]
fn a_key_that_is_not_the_certificates_makes_no_identity() {
    let authority = Authority::new("ours");
    let (certificate, _) = authority.certify("edge.example", VALID);
    let (_, key) = authority.certify("edge.example", VALID);
    assert!(ClientIdentity::new("a", vec![certificate], key.clone_key()).is_err());
    assert!(ClientIdentity::new("a", Vec::new(), key).is_err());
}

#[test]
fn http2_is_spoken_when_the_origin_chooses_it_and_nothing_else_will_do() {
    run(async || {
        let authority = Authority::new("ours");
        for (protocols, speaks_it) in [
            (&["http/1.1", "h2"][..], true),
            (&["http/1.1"][..], false),
            (&[][..], false),
        ] {
            let mut config = (*authority.server("origin.example", VALID, ALL)).clone();
            config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            tokio::task::spawn_local(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let acceptor = TlsAcceptor::from(Arc::new(config.clone()));
                    let Ok(stream) = acceptor.accept(stream).await else {
                        continue;
                    };
                    let Ok(mut server) = h2::server::handshake(stream).await else {
                        continue;
                    };
                    while let Some(Ok((request, mut respond))) = server.accept().await {
                        let status = match request.uri().scheme_str() {
                            Some("https") => 200,
                            _ => 400,
                        };
                        let mut head = http::Response::new(());
                        *head.status_mut() = http::StatusCode::from_u16(status).unwrap();
                        let _ = respond.send_response(head, true);
                    }
                }
            });
            let client = client_for(authority.roots());
            let request = OriginRequest {
                protocol: Protocol::Http2,
                ..https(None)
            };
            let result = answer(&client, &spec(port), request).await;
            let want = speaks_it.then(|| (200, String::new()));
            assert_eq!(result, want.ok_or(FetchError::NoHttp2), "{protocols:?}");
        }
    });
}
