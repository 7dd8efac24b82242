//! TLS to viewers: which certificate they see, which sites they reach over it, and what changes
//! while they are connected.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no tests to Clippy"
)]

mod world;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use certificates::authority::Authority;
use certificates::{KeyAlgorithm, PrivateKey};
use documents::tls::{self as form, HttpChallenge, Material, TrustBundle};
use documents::{Node, Resource, Role, encode, keys};
use edge::site::Policies;
use edge::{Follower, Following};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use secrets::{KEY_BYTES, Secrets};
use serde_json::{Value, json};
use shapes::cloudfront as cf;
use store::sqlite::Sqlite;
use store::{Store, Txn};
use world::{Origin, PATIENCE, World, distribution};

const NOW_SECS: u64 = 1_700_000_000;
const WWW: &str = "us-east-1/www";
const SHOP: &str = "us-east-1/shop";

/// An edge with TLS that follows a store, and the authority that its viewers trust.
struct Stage {
    world: World,
    store: Arc<dyn Store>,
    runtime: tokio::runtime::Runtime,
    authority: Authority,
    secrets: Secrets,
    following: Option<Following>,
    https: SocketAddr,
    origin: Origin,
    _directory: tempfile::TempDir,
}

impl Stage {
    fn new() -> Stage {
        let keep = [("Cache-Control", "max-age=60")];
        Stage::with(Origin::fixed("200 OK", &keep, "hello"))
    }

    fn with(origin: Origin) -> Stage {
        let world = World::with(
            &distribution(origin.address),
            &Policies::managed(),
            |config| config.https = vec!["127.0.0.1:0".parse().unwrap()],
        );
        let https = world.edge.as_ref().unwrap().https_addresses()[0];
        let directory = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let node = Node {
            id: "n1".to_owned(),
            roles: vec![Role::Edge],
            pop: "TST1-C1".to_owned(),
            region: None,
            http: Vec::new(),
            started_ms: 0,
            applied: 0,
            refused: Default::default(),
        };
        let follower = Follower::open(&directory.path().join("replica")).unwrap();
        let updates = world.edge.as_ref().unwrap().updates().clone();
        let following = follower.start(true, updates, Arc::clone(&store), node);
        Stage {
            world,
            store,
            runtime,
            authority: Authority::make("Test", now_secs()).unwrap(),
            secrets: Secrets::new([7; KEY_BYTES]),
            following: Some(following.unwrap()),
            https,
            origin,
            _directory: directory,
        }
    }

    fn commit(&self, txn: Txn) {
        let outcome = self.runtime.block_on(self.store.commit(txn)).unwrap();
        let store::Outcome::Committed(revision) = outcome else {
            panic!("nobody else writes");
        };
        world::eventually("the node has applied it", || {
            let document = self.runtime.block_on(self.store.get(&keys::node("n1")));
            let node: Option<Node> = document
                .unwrap()
                .and_then(|document| documents::decode("n1", &document.value).ok());
            node.is_some_and(|node| node.applied >= revision.0)
        });
    }

    fn issue(&self, id: &str, names: &[&str]) {
        let key = PrivateKey::generate(KeyAlgorithm::EcP256).unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let chain = self
            .authority
            .issue(&names, &key, now_secs(), 90 * 86_400)
            .unwrap();
        let material = Material {
            chain_pem: chain,
            sealed_key: self
                .secrets
                .seal(&form::sealing_purpose(id), key.pkcs8_der()),
            ocsp_response: None,
        };
        self.commit(Txn::new().put(form::key(form::CERTIFICATE, id), encode(&material)));
    }

    fn distribution(&self, id: &str, alias: &str, more: &Value) {
        let mut config = distribution(self.origin.address);
        config["Aliases"]["Items"] = json!([alias]);
        let members = more.as_object().unwrap().clone();
        config.as_object_mut().unwrap().extend(members);
        let config: cf::DistributionConfig = shapes::from_value(&config).unwrap();
        let resource = Resource {
            id: id.to_owned(),
            etag: "E".to_owned(),
            version: 1,
            created_ms: 0,
            modified_ms: 0,
            domain: Some(format!("{}.cdn.test", id.to_lowercase())),
            config,
        };
        let key = keys::resource(keys::DISTRIBUTION, id);
        self.commit(Txn::new().put(key, resource.encode()));
    }

    fn viewer(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.authority.certificate_pem().as_bytes());
        roots.add(root.unwrap()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// What is answered over HTTP in the clear.
    fn get_plain(&self, host: &str, target: &str) -> String {
        let mut stream = TcpStream::connect(self.world.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    fn connect(&self, name: &str) -> Connection {
        self.connect_as(name, self.viewer())
    }

    fn connect_as(&self, name: &str, config: ClientConfig) -> Connection {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(self.https).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Connection(StreamOwned::new(session, stream))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.following.take();
    }
}

fn now_secs() -> u64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs().max(NOW_SECS)
}

/// A viewer's connection over TLS.
struct Connection(StreamOwned<ClientConnection, TcpStream>);

impl Connection {
    /// Head and body of what is answered; the error where there is no connection.
    fn get(&mut self, host: &str, target: &str) -> std::io::Result<String> {
        write!(self.0, "GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
        self.0.flush()?;
        let mut text = Vec::new();
        let mut byte = [0];
        while !text.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut byte)?;
            text.push(byte[0]);
        }
        let head = String::from_utf8(text).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(head + &String::from_utf8(body).unwrap())
    }

    /// All that comes until the edge says that this was all; the error where it only hangs up.
    fn get_to_the_end(&mut self, head: &str) -> std::io::Result<String> {
        write!(self.0, "{head}\r\n\r\n")?;
        self.0.flush()?;
        let mut text = String::new();
        self.0.read_to_string(&mut text).map(|_| text)
    }

    fn serial(&self) -> Vec<u8> {
        self.0.conn.peer_certificates().unwrap()[0].to_vec()
    }
}

fn own(id: &str) -> Value {
    let arn = id.replace('/', ":123456789012:certificate/");
    json!({"ViewerCertificate": {
        "ACMCertificateArn": format!("arn:aws:acm:{arn}"),
        "MinimumProtocolVersion": "TLSv1.2_2021", "SSLSupportMethod": "sni-only"}})
}

#[test]
fn a_site_is_served_under_its_own_certificate_and_others_under_the_default_one() {
    let stage = Stage::new();
    stage.issue(form::DEFAULT_CERTIFICATE, &["*.cdn.test"]);
    stage.issue(WWW, &["www.test"]);
    stage.distribution("EWWW", "www.test", &own(WWW));
    stage.distribution("EBARE", "bare.test", &json!({}));
    let mut own = stage.connect("www.test");
    let answer = own.get("www.test", "/").unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"),
        "{answer}"
    );
    let mut default = stage.connect("ebare.cdn.test");
    assert!(
        default
            .get("ebare.cdn.test", "/")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    // Its own name is not covered by its own certificate; nobody is told another name's.
    assert!(
        stage
            .connect("ewww.cdn.test")
            .get("ewww.cdn.test", "/")
            .is_err()
    );
    let mut unknown = stage.connect("nobody.cdn.test");
    assert!(
        unknown
            .get("nobody.cdn.test", "/")
            .unwrap()
            .starts_with("HTTP/1.1 403")
    );
}

#[test]
fn a_site_is_not_reached_under_the_name_of_another_that_does_not_cover_it() {
    let stage = Stage::new();
    stage.issue(WWW, &["www.test", "also.test"]);
    stage.issue(SHOP, &["shop.test"]);
    stage.distribution("EWWW", "www.test", &own(WWW));
    stage.distribution("EALSO", "also.test", &own(WWW));
    stage.distribution("ESHOP", "shop.test", &own(SHOP));
    let mut viewer = stage.connect("www.test");
    let refused = viewer.get("shop.test", "/").unwrap();
    assert!(refused.starts_with("HTTP/1.1 421"), "{refused}");
    let mut viewer = stage.connect("www.test");
    // The same certificate is good for both: browsers use one connection then.
    assert!(
        viewer
            .get("also.test", "/")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    // Another name of the same site is that site.
    assert!(
        viewer
            .get("ewww.cdn.test", "/")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
}

#[test]
fn a_new_certificate_is_for_new_handshakes_and_breaks_no_connection() {
    let stage = Stage::new();
    stage.issue(WWW, &["www.test"]);
    stage.distribution("EWWW", "www.test", &own(WWW));
    let mut before = stage.connect("www.test");
    assert!(
        before
            .get("www.test", "/")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    stage.issue(WWW, &["www.test"]);
    let mut after = stage.connect("www.test");
    assert!(
        after
            .get("www.test", "/")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    assert!(
        before
            .get("www.test", "/")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    assert_ne!(before.serial(), after.serial());
}

#[test]
fn viewers_without_a_certificate_do_not_reach_a_site_that_requires_one() {
    let stage = Stage::new();
    let bundle = TrustBundle {
        pem: stage.authority.certificate_pem().to_owned(),
        version: 1,
    };
    stage.commit(Txn::new().put(form::key(form::TRUST_STORE, "ts_1"), encode(&bundle)));
    stage.issue(WWW, &["www.test", "open.test"]);
    stage.distribution("EOPEN", "open.test", &own(WWW));
    let mut closed = own(WWW);
    closed["ViewerMtlsConfig"] =
        json!({"Mode": "required", "TrustStoreConfig": {"TrustStoreId": "ts_1"}});
    stage.distribution("EWWW", "www.test", &closed);
    assert!(stage.connect("www.test").get("www.test", "/").is_err());
    // Nor by way of another site with the same certificate.
    let answer = stage.connect("open.test").get("www.test", "/").unwrap();
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");

    let key = PrivateKey::generate(KeyAlgorithm::EcP256).unwrap();
    let names = ["viewer.test".to_owned()];
    let chain = stage.authority.issue(&names, &key, now_secs(), 86_400);
    let chain = CertificateDer::pem_slice_iter(chain.unwrap().as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let mut config = stage.viewer();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let der = PrivateKeyDer::try_from(key.pkcs8_der().to_vec()).unwrap();
    let signing = provider.key_provider.load_private_key(der).unwrap();
    let certified = rustls::sign::CertifiedKey::new(chain, signing);
    let resolver = rustls::sign::SingleCertAndKey::from(certified);
    config.client_auth_cert_resolver = Arc::new(resolver);
    let answer = stage.connect_as("www.test", config).get("www.test", "/");
    assert!(answer.unwrap().starts_with("HTTP/1.1 200"));
}

/// A site whose viewers show certificates of the trust store `ts_1`, and one that asks for none.
fn stage_with_trust(mode: &str) -> Stage {
    let stage = Stage::new();
    let bundle = TrustBundle {
        pem: stage.authority.certificate_pem().to_owned(),
        version: 1,
    };
    stage.commit(Txn::new().put(form::key(form::TRUST_STORE, "ts_1"), encode(&bundle)));
    stage.issue(WWW, &["www.test"]);
    stage.distribution("EWWW", "www.test", &closed(mode));
    stage
}

fn closed(mode: &str) -> Value {
    let mut config = own(WWW);
    config["ViewerMtlsConfig"] =
        json!({"Mode": mode, "TrustStoreConfig": {"TrustStoreId": "ts_1"}});
    config
}

#[test]
fn a_site_that_asks_for_certificates_is_not_served_in_the_clear() {
    for mode in ["required", "optional", "passthrough"] {
        let stage = stage_with_trust(mode);
        let answer = stage.get_plain("www.test", "/");
        assert!(answer.starts_with("HTTP/1.1 403"), "{mode}: {answer}");
        assert_eq!(stage.origin.count(), 0);
    }
}

#[test]
fn http_3_is_not_promised_where_viewers_show_certificates() {
    let stage = stage_with_trust("optional");
    let mut config = closed("optional");
    config["HttpVersion"] = json!("http2and3");
    stage.distribution("EWWW", "www.test", &config);
    let answer = stage.connect("www.test").get("www.test", "/").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.contains("Alt-Svc"), "{answer}");
}

#[test]
fn who_came_without_a_certificate_gets_nothing_any_more_once_there_must_be_one() {
    let stage = stage_with_trust("optional");
    let mut viewer = stage.connect("www.test");
    let answer = viewer.get("www.test", "/").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stage.distribution("EWWW", "www.test", &closed("required"));
    let answer = viewer.get("www.test", "/").unwrap();
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
}

#[test]
fn a_connection_that_ends_says_so_and_one_that_breaks_off_does_not() {
    let origin = Origin::scripted(|asked, _, stream| {
        let length = if asked.target == "/short" { 9 } else { 5 };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(format!("{head}hello").as_bytes()).is_ok() && length == 5
    });
    let stage = Stage::with(origin);
    stage.issue(WWW, &["www.test"]);
    stage.distribution("EWWW", "www.test", &own(WWW));
    let ask = |target: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nHost: www.test\r\nConnection: close");
        stage.connect("www.test").get_to_the_end(&head)
    };
    let answer = ask("/").unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
    let error = ask("/short").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn what_is_refused_for_its_host_has_no_body_for_who_asks_for_the_head() {
    let stage = Stage::new();
    stage.issue(WWW, &["www.test"]);
    stage.issue(SHOP, &["shop.test"]);
    stage.distribution("EWWW", "www.test", &own(WWW));
    stage.distribution("ESHOP", "shop.test", &own(SHOP));
    let mut viewer = stage.connect("www.test");
    let answer = viewer.get_to_the_end("HEAD / HTTP/1.1\r\nHost: shop.test");
    let answer = answer.unwrap();
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn a_guard_against_other_names_does_not_depend_on_how_a_host_is_written() {
    let stage = Stage::new();
    stage.issue(form::DEFAULT_CERTIFICATE, &["*.cdn.test", "cdn.test"]);
    stage.issue(WWW, &["www.test"]);
    stage.issue(SHOP, &["*.shop.test"]);
    stage.distribution("EWWW", "www.test", &own(WWW));
    stage.distribution("ESHOP", "*.shop.test", &own(SHOP));
    for (name, host, want) in [
        ("www.test", "WWW.Test", "200"),
        ("www.test", "www.test.", "200"),
        ("www.test", "www.test:8443", "200"),
        ("www.test", "A.SHOP.test", "421"),
        ("www.test", "a.shop.test.", "421"),
        ("www.test", "a.shop.test:443", "421"),
        ("www.test", "[::1]", "403"),
        ("a.shop.test", "b.shop.test", "200"),
        ("a.shop.test", "www.test", "421"),
        ("nobody.cdn.test", "www.test", "421"),
        ("nobody.cdn.test", "a.shop.test", "421"),
    ] {
        let answer = stage.connect(name).get(host, "/").unwrap();
        let status = answer.split(' ').nth(1).unwrap();
        assert_eq!(status, want, "{host} on a connection to {name}");
    }
}

#[test]
fn viewers_hear_of_http_3_where_it_is_spoken_and_are_redirected_to_the_port_of_https() {
    let stage = Stage::new();
    stage.issue(WWW, &["www.test"]);
    let mut config = own(WWW);
    config["HttpVersion"] = json!("http2and3");
    stage.distribution("EWWW", "www.test", &config);
    let port = stage.https.port();
    let answer = stage.connect("www.test").get("www.test", "/").unwrap();
    assert!(
        answer.contains(&format!("Alt-Svc: h3=\":{port}\"; ma=86400\r\n")),
        "{answer}"
    );
    config["HttpVersion"] = json!("http2");
    config["DefaultCacheBehavior"] = world::behavior("main");
    config["DefaultCacheBehavior"]["ViewerProtocolPolicy"] = json!("redirect-to-https");
    stage.distribution("EWWW", "www.test", &config);
    let answer = stage.connect("www.test").get("www.test", "/").unwrap();
    assert!(!answer.contains("Alt-Svc"), "{answer}");
    let with_port = stage.get_plain("www.test:8080", "/a?b");
    assert!(
        with_port.contains(&format!("Location: https://www.test:{port}/a?b\r\n")),
        "{with_port}"
    );
    let without = stage.get_plain("www.test", "/a?b");
    assert!(
        without.contains("Location: https://www.test/a?b\r\n"),
        "{without}"
    );
}

#[test]
fn a_challenge_is_answered_in_the_clear_for_whatever_host_while_it_stands() {
    let stage = Stage::new();
    let key = form::key(form::HTTP_CHALLENGE, "token1");
    let challenge = HttpChallenge {
        key_authorization: "token1.thumb".to_owned(),
        expires_ms: u64::MAX,
    };
    stage.commit(Txn::new().put(key.clone(), encode(&challenge)));
    let answer = stage.get_plain("new.test", "/.well-known/acme-challenge/token1");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("token1.thumb"),
        "{answer}"
    );
    let other = stage.get_plain("new.test", "/.well-known/acme-challenge/token2");
    assert!(other.starts_with("HTTP/1.1 403"), "{other}");
    stage.commit(Txn::new().delete(key));
    let gone = stage.get_plain("new.test", "/.well-known/acme-challenge/token1");
    assert!(gone.starts_with("HTTP/1.1 403"), "{gone}");
}
