//! The edge by HTTP/3: what viewers get, what they may not do, and what becomes of connections.

#![allow(
    clippy::unwrap_used,
    reason = "Clippy sees a test only in what is marked as one"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "a slow viewer or origin is one that really is slow"
)]

#[path = "../world/mod.rs"]
mod world;

mod connections;
mod exchanges;
mod grpc;
mod hostile;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use certificates::authority::Authority;
use certificates::{KeyAlgorithm, PrivateKey};
use documents::tls::{self as form, Material};
use documents::{Node, Resource, Role, encode, keys};
use edge::site::Policies;
use edge::{EdgeConfig, Follower, Following};
use h3::client::{RequestStream, SendRequest};
use h3::error::{Code, StreamError};
use http::{HeaderMap, Request};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint, TransportConfig, VarInt};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use secrets::{KEY_BYTES, Secrets};
use serde_json::{Value, json};
use store::sqlite::Sqlite;
use store::{Store, Txn};
use tokio::task::LocalSet;
use tokio::time::timeout;
use world::{PATIENCE, World, distribution};

/// An edge that speaks HTTP/3 for `site3.test`, and the authority that its viewers trust.
struct Stage {
    world: World,
    address: SocketAddr,
    authority: Authority,
    following: Option<Following>,
    _directory: tempfile::TempDir,
}

impl Stage {
    fn new(origin: SocketAddr) -> Stage {
        Stage::with(&distribution(origin), |_| {})
    }

    fn with(config: &Value, adjust: impl FnOnce(&mut EdgeConfig)) -> Stage {
        let runtime = runtime();
        let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
        let authority = Authority::make("Test", now_secs()).unwrap();
        let txn = Txn::new()
            .put(form::key(form::CERTIFICATE, form::DEFAULT_CERTIFICATE), {
                encode(&material(&authority, &["site3.test", "old.test"]))
            })
            .put(
                keys::resource(keys::DISTRIBUTION, "ESITE"),
                site("ESITE", "site3.test", "http2and3", config),
            )
            .put(
                keys::resource(keys::DISTRIBUTION, "EOLD"),
                site("EOLD", "old.test", "http2", config),
            );
        runtime.block_on(store.commit(txn)).unwrap();
        let world = World::with(config, &Policies::managed(), |settings| {
            settings.https = vec!["127.0.0.1:0".parse().unwrap()];
            adjust(settings);
        });
        let edge = world.edge.as_ref().unwrap();
        let (address, updates) = (edge.https_addresses()[0], edge.updates().clone());
        let directory = tempfile::tempdir().unwrap();
        let follower = Follower::open(&directory.path().join("replica")).unwrap();
        let following = follower.start(true, updates, Arc::clone(&store), node());
        world::eventually("the node has applied it", || {
            let document = runtime.block_on(store.get(&keys::node("n1"))).unwrap();
            let node = document.map(|document| documents::decode::<Node>("n1", &document.value));
            node.is_some_and(|node| node.unwrap().applied > 0)
        });
        Stage {
            world,
            address,
            authority,
            following: Some(following.unwrap()),
            _directory: directory,
        }
    }

    /// What viewers connect with.
    fn client(&self, adjust: impl FnOnce(&mut TransportConfig)) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.authority.certificate_pem().as_bytes());
        roots.add(root.unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let crypto = QuicClientConfig::try_from(tls).unwrap();
        let mut config = ClientConfig::new(Arc::new(crypto));
        let mut transport = TransportConfig::default();
        adjust(&mut transport);
        config.transport_config(Arc::new(transport));
        config
    }

    /// Connects, and speaks no HTTP yet.
    async fn connect(&self, adjust: impl FnOnce(&mut TransportConfig)) -> quinn::Connection {
        let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        self.connect_from(&endpoint, adjust).await
    }

    async fn connect_from(
        &self,
        endpoint: &Endpoint,
        adjust: impl FnOnce(&mut TransportConfig),
    ) -> quinn::Connection {
        let config = self.client(adjust);
        let connecting = endpoint.connect_with(config, self.address, "site3.test");
        connecting.unwrap().await.unwrap()
    }

    async fn viewer(&self) -> Viewer {
        Viewer::new(self.connect(|_| {}).await).await
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.following.take();
    }
}

fn now_secs() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn material(authority: &Authority, names: &[&str]) -> Material {
    let key = PrivateKey::generate(KeyAlgorithm::EcP256).unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let chain = authority.issue(&names, &key, now_secs(), 90 * 86_400);
    let purpose = form::sealing_purpose(form::DEFAULT_CERTIFICATE);
    Material {
        chain_pem: chain.unwrap(),
        sealed_key: Secrets::new([7; KEY_BYTES]).seal(&purpose, key.pkcs8_der()),
        ocsp_response: None,
    }
}

fn site(id: &str, alias: &str, http_version: &str, config: &Value) -> Bytes {
    let mut config = config.clone();
    config["Aliases"]["Items"] = json!([alias]);
    config["HttpVersion"] = json!(http_version);
    let resource = Resource {
        id: id.to_owned(),
        etag: "E".to_owned(),
        version: 1,
        created_ms: 0,
        modified_ms: 0,
        domain: Some(format!("{}.cdn.test", id.to_lowercase())),
        config: shapes::from_value::<shapes::cloudfront::DistributionConfig>(&config).unwrap(),
    };
    resource.encode()
}

fn node() -> Node {
    Node {
        id: "n1".to_owned(),
        roles: vec![Role::Edge],
        pop: "TST1-C1".to_owned(),
        region: None,
        http: Vec::new(),
        started_ms: 0,
        applied: 0,
        refused: Default::default(),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// Runs a viewer's side of a test.
fn run<T>(test: impl Future<Output = T>) -> T {
    let patience = async { timeout(3 * PATIENCE, test).await.expect("it ends") };
    LocalSet::new().block_on(&runtime(), patience)
}

/// A viewer's connection.
struct Viewer {
    quic: quinn::Connection,
    send: SendRequest<h3_quinn::OpenStreams, Bytes>,
    /// Ends with the connection.
    driver: tokio::task::JoinHandle<()>,
}

/// A reply as a viewer got it.
#[derive(Debug, Default)]
struct Got {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    /// The stream or the connection broke off.
    broken: Option<StreamError>,
}

impl Got {
    fn get(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn cache(&self) -> &str {
        let value = self.get("x-cache").unwrap_or("-");
        value.split(' ').next().unwrap()
    }

    /// What the edge said when it broke the stream off.
    fn code(&self) -> Option<Code> {
        match &self.broken {
            Some(StreamError::RemoteTerminate { code, .. }) => Some(*code),
            _ => None,
        }
    }
}

/// A request for something at the site.
fn ask(method: &str, target: &str) -> Request<()> {
    let request = Request::builder().method(method);
    let request = request.uri(format!("https://site3.test{target}"));
    request.body(()).unwrap()
}

type Stream = RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

impl Viewer {
    async fn new(quic: quinn::Connection) -> Viewer {
        let connection = h3_quinn::Connection::new(quic.clone());
        let (mut driver, send) = h3::client::new(connection).await.unwrap();
        let driver = tokio::task::spawn_local(async move {
            let _ = std::future::poll_fn(|cx| driver.poll_close(cx)).await;
        });
        Viewer { quic, send, driver }
    }

    /// Sends a request without a body.
    async fn send(&mut self, request: Request<()>) -> Stream {
        let mut stream = self.send.send_request(request).await.unwrap();
        stream.finish().await.unwrap();
        stream
    }

    async fn fetch(&mut self, request: Request<()>) -> Got {
        let stream = self.send(request).await;
        receive(stream).await
    }

    async fn get(&mut self, target: &str) -> Got {
        self.fetch(ask("GET", target)).await
    }

    /// Sends a request with this body, in pieces of 100 kB.
    async fn upload(&mut self, request: Request<()>, body: &[u8]) -> Got {
        let mut stream = self.send.send_request(request).await.unwrap();
        for piece in body.chunks(100_000) {
            let piece = Bytes::copy_from_slice(piece);
            stream.send_data(piece).await.unwrap();
        }
        stream.finish().await.unwrap();
        receive(stream).await
    }
}

/// Takes a reply as fast as it comes.
async fn receive(mut stream: Stream) -> Got {
    let mut got = Got::default();
    match stream.recv_response().await {
        Ok(response) => {
            got.status = response.status().as_u16();
            got.headers = response.headers().clone();
        }
        Err(error) => {
            got.broken = Some(error);
            return got;
        }
    }
    receive_body(&mut stream, &mut got).await;
    got
}

async fn receive_body(stream: &mut Stream, got: &mut Got) {
    loop {
        match stream.recv_data().await {
            Ok(Some(mut data)) => {
                let bytes = data.copy_to_bytes(data.remaining());
                got.body.extend_from_slice(&bytes);
            }
            Ok(None) => return,
            Err(error) => {
                got.broken = Some(error);
                return;
            }
        }
    }
}

/// A number as a code of QUIC.
fn code(code: Code) -> VarInt {
    VarInt::from_u64(code.value()).unwrap()
}
