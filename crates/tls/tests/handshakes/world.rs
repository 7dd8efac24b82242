//! An authority, hosts, and viewers who come by handshakes in memory.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256, SignatureAlgorithm,
};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::Acceptor;
use rustls::{
    ClientConfig, ClientConnection, Error, RootCertStore, ServerConfig, ServerConnection,
    SupportedCipherSuite, SupportedProtocolVersion,
};
use secrets::Secrets;
use tls::{HostSpec, Hosts, Identity, Policy, Tickets, UnknownName};

/// The moment at which tickets are issued, in seconds since 1970.
pub const NOW: u64 = 1_800_000_000;

pub struct Authority {
    pub issuer: Issuer<'static, KeyPair>,
    pub pem: String,
    pub der: CertificateDer<'static>,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Authority {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    pub fn below(&self, name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Authority {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    pub fn identity_of(&self, names: &[&str], kind: &'static SignatureAlgorithm) -> Arc<Identity> {
        let key = KeyPair::generate_for(kind).unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).unwrap();
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Arc::new(Identity::new(&pem, key.serialized_der(), None).unwrap())
    }

    pub fn identity(&self, names: &[&str]) -> Arc<Identity> {
        self.identity_of(names, &PKCS_ECDSA_P256_SHA256)
    }

    /// Of a viewer, with whatever else is to be in it.
    pub fn viewer(&self, change: impl FnOnce(&mut CertificateParams)) -> ViewerKey {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "viewer");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        self.sign(&params, KeyPair::generate().unwrap())
    }

    pub fn sign(&self, params: &CertificateParams, key: KeyPair) -> ViewerKey {
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        ViewerKey {
            chain: vec![certificate.der().clone()],
            key: key.serialize_der(),
        }
    }
}

/// A viewer's certificate and key.
#[derive(Clone)]
pub struct ViewerKey {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: Vec<u8>,
}

pub fn policy(name: &str) -> Policy {
    Policy::from_name(name).unwrap()
}

pub fn spec(site: &str, names: &[&str], identity: &Arc<Identity>) -> HostSpec {
    HostSpec {
        site: site.to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        identity: Arc::clone(identity),
        policy: policy("TLSv1.2_2021"),
        http2: true,
        http3: true,
        client_auth: None,
    }
}

/// The tickets of a node of one installation, at a time.
pub fn tickets_at(now: u64) -> Arc<Tickets> {
    Tickets::with_clock(Arc::new(Secrets::new([7; secrets::KEY_BYTES])), move || now)
}

pub fn hosts(specs: Vec<HostSpec>) -> Hosts {
    Hosts::new(specs, None, UnknownName::Default, &tickets_at(NOW), None)
}

/// What a viewer offers.
pub struct Viewer {
    versions: Vec<&'static SupportedProtocolVersion>,
    suites: Vec<SupportedCipherSuite>,
    alpn: Vec<Vec<u8>>,
    key: Option<ViewerKey>,
}

impl Viewer {
    pub fn new() -> Viewer {
        Viewer {
            versions: rustls::ALL_VERSIONS.to_vec(),
            suites: aws_lc_rs::ALL_CIPHER_SUITES.to_vec(),
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            key: None,
        }
    }

    pub fn versions(mut self, versions: &[&'static SupportedProtocolVersion]) -> Viewer {
        self.versions = versions.to_vec();
        self
    }

    pub fn suites(mut self, suites: &[SupportedCipherSuite]) -> Viewer {
        self.suites = suites.to_vec();
        self
    }

    pub fn alpn(mut self, alpn: &[&[u8]]) -> Viewer {
        self.alpn = alpn.iter().map(|name| name.to_vec()).collect();
        self
    }

    pub fn key(mut self, key: &ViewerKey) -> Viewer {
        self.key = Some(key.clone());
        self
    }

    pub fn config(self, trusted: &Authority) -> Arc<ClientConfig> {
        let provider = CryptoProvider {
            cipher_suites: self.suites,
            ..aws_lc_rs::default_provider()
        };
        let mut roots = RootCertStore::empty();
        roots.add(trusted.der.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.key {
            None => builder.with_no_client_auth(),
            Some(ViewerKey { chain, key }) => {
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = self.alpn;
        config.resumption = Resumption::in_memory_sessions(64);
        Arc::new(config)
    }
}

/// A handshake the way listeners do it: the name that is asked for says by which configuration.
pub fn connect(
    hosts: &Hosts,
    viewer: &Arc<ClientConfig>,
    name: &str,
) -> Result<(ServerConnection, ClientConnection), Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(viewer), name).unwrap();
    let mut acceptor = Acceptor::default();
    let accepted = loop {
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        acceptor.read_tls(&mut &hello[..]).unwrap();
        if let Some(accepted) = acceptor.accept().map_err(|(error, _)| error)? {
            break accepted;
        }
    };
    let host = hosts.find(accepted.client_hello().server_name());
    let refused = || Error::General("nobody has this name".to_owned());
    let config = Arc::clone(&host.ok_or_else(refused)?.config);
    let server = accepted
        .into_connection(config)
        .map_err(|(error, _)| error)?;
    finish(server, client)
}

/// A handshake by one configuration.
pub fn connect_to(
    config: &Arc<ServerConfig>,
    viewer: &Arc<ClientConfig>,
    name: &str,
) -> Result<(ServerConnection, ClientConnection), Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let client = ClientConnection::new(Arc::clone(viewer), name).unwrap();
    finish(ServerConnection::new(Arc::clone(config)).unwrap(), client)
}

/// The server's error counts, where it has one.
fn finish(
    mut server: ServerConnection,
    mut client: ClientConnection,
) -> Result<(ServerConnection, ClientConnection), Error> {
    while server.wants_write() || client.wants_write() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut bytes = &bytes[..];
        while !bytes.is_empty() {
            server.read_tls(&mut bytes).unwrap();
            server.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut bytes = &bytes[..];
        while !bytes.is_empty() {
            client.read_tls(&mut bytes).unwrap();
            client.process_new_packets()?;
        }
    }
    assert!(!server.is_handshaking() && !client.is_handshaking());
    Ok((server, client))
}
