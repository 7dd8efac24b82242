//! An edge with a certificate, and viewers who trust it.

use std::net::{SocketAddr, TcpStream};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use certificates::authority::Authority;
use certificates::{KeyAlgorithm, PrivateKey};
use documents::tls::{self as form, Material};
use documents::{Node, Role, encode, keys};
use edge::site::Policies;
use edge::{EdgeConfig, Follower, Following};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use secrets::{KEY_BYTES, Secrets};
use serde_json::Value;
use store::sqlite::Sqlite;
use store::{Store, Txn};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::world::{PATIENCE, World, eventually};

/// A world whose edge speaks TLS.
pub struct Stage {
    world: World,
    https: SocketAddr,
    viewer: Arc<ClientConfig>,
    following: Option<Following>,
    _directory: tempfile::TempDir,
}

impl Stage {
    pub fn new(config: &Value) -> Stage {
        Stage::with(config, |_| {})
    }

    /// With other settings than usual.
    pub fn with(config: &Value, adjust: impl FnOnce(&mut EdgeConfig)) -> Stage {
        let world = World::with(config, &Policies::managed(), |settings| {
            settings.https = vec!["127.0.0.1:0".parse().unwrap()];
            adjust(settings);
        });
        let edge = world.edge.as_ref().unwrap();
        let https = edge.https_addresses()[0];
        let directory = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
        let authority = Authority::make("Test", now_secs()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        let certificate = Txn::new().put(
            form::key(form::CERTIFICATE, form::DEFAULT_CERTIFICATE),
            encode(&material(&authority)),
        );
        runtime.block_on(store.commit(certificate)).unwrap();
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
        let following = follower.start(true, edge.updates().clone(), Arc::clone(&store), node);
        eventually("the node has its certificate", || {
            let document = runtime.block_on(store.get(&keys::node("n1"))).unwrap();
            let node: Option<Node> =
                document.and_then(|document| documents::decode("n1", &document.value).ok());
            node.is_some_and(|node| node.applied >= 1)
        });
        Stage {
            world,
            https,
            viewer: Arc::new(viewer(&authority)),
            following: Some(following.unwrap()),
            _directory: directory,
        }
    }

    pub async fn connect(&self) -> TlsStream<tokio::net::TcpStream> {
        let stream = tokio::net::TcpStream::connect(self.https).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let connector = TlsConnector::from(Arc::clone(&self.viewer));
        connector.connect(name(), stream).await.unwrap()
    }

    pub fn connect_raw(&self) -> StreamOwned<ClientConnection, TcpStream> {
        let stream = TcpStream::connect(self.https).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let session = ClientConnection::new(Arc::clone(&self.viewer), name()).unwrap();
        StreamOwned::new(session, stream)
    }
}

impl Deref for Stage {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for Stage {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.following.take();
    }
}

fn name() -> ServerName<'static> {
    ServerName::try_from("site.test").unwrap()
}

fn material(authority: &Authority) -> Material {
    let id = form::DEFAULT_CERTIFICATE;
    let key = PrivateKey::generate(KeyAlgorithm::EcP256).unwrap();
    let names = ["site.test".to_owned(), "nobody.test".to_owned()];
    let chain = authority.issue(&names, &key, now_secs(), 90 * 86_400);
    let secrets = Secrets::new([7; KEY_BYTES]);
    Material {
        chain_pem: chain.unwrap(),
        sealed_key: secrets.seal(&form::sealing_purpose(id), key.pkcs8_der()),
        ocsp_response: None,
    }
}

fn viewer(authority: &Authority) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes());
    roots.add(root.unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

fn now_secs() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}
