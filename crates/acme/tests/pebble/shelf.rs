//! A solver: a shelf of proofs, which two servers and pebble's DNS show.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use acme::{Challenge, Kind, SolveError, Solver};
use async_trait::async_trait;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ServerConfig;
use rustls::server::Acceptor;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;

use crate::pebble::Pebble;

/// What is shown.
#[derive(Default)]
struct Shown {
    /// By token.
    http: HashMap<String, String>,
    /// By name.
    handshakes: HashMap<String, [u8; 32]>,
    /// All that was shown and taken back, such as `+http-01 a.example.com`.
    log: Vec<String>,
}

/// A shelf of proofs.
pub struct Shelf {
    shown: Arc<Mutex<Shown>>,
    pebble: Mutex<Option<Arc<Pebble>>>,
    /// Kinds by name; [`Kind::Http01`] for others.
    pub kinds: HashMap<String, Vec<Kind>>,
    /// A name whose proof is wrong.
    pub wrong: Option<String>,
    /// A name whose proof cannot be shown.
    pub refused: Option<String>,
    /// A name whose proof is shown at the end of time.
    pub endless: Option<String>,
    pub http_port: u16,
    pub tls_port: u16,
}

impl Shelf {
    /// With its servers, which end with the runtime.
    pub async fn start() -> Self {
        let shown = Arc::<Mutex<Shown>>::default();
        let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let tls = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (http_port, tls_port) = (
            http.local_addr().unwrap().port(),
            tls.local_addr().unwrap().port(),
        );
        let of_http = Arc::clone(&shown);
        tokio::spawn(async move {
            while let Ok((stream, _)) = http.accept().await {
                tokio::spawn(answer_http(stream, Arc::clone(&of_http)));
            }
        });
        let of_tls = Arc::clone(&shown);
        tokio::spawn(async move {
            while let Ok((stream, _)) = tls.accept().await {
                tokio::spawn(answer_handshake(stream, Arc::clone(&of_tls)));
            }
        });
        Self {
            shown,
            pebble: Mutex::default(),
            kinds: HashMap::new(),
            wrong: None,
            refused: None,
            endless: None,
            http_port,
            tls_port,
        }
    }

    /// Texts are shown by the DNS of this one from now on.
    pub fn attach(&self, pebble: &Arc<Pebble>) {
        *self.pebble.lock().unwrap() = Some(Arc::clone(pebble));
    }

    /// No DNS is there any more.
    pub fn detach(&self) {
        *self.pebble.lock().unwrap() = None;
    }

    /// What was shown and taken back since it was asked last.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.shown.lock().unwrap().log)
    }

    /// Whether nothing is left, but texts of DNS.
    pub fn is_empty(&self) -> bool {
        let shown = self.shown.lock().unwrap();
        shown.http.is_empty() && shown.handshakes.is_empty()
    }

    fn note(&self, sign: char, challenge: &Challenge<'_>) -> String {
        let (kind, name) = match challenge {
            Challenge::Http01 { name, .. } => ("http-01", name),
            Challenge::TlsAlpn01 { name, .. } => ("tls-alpn-01", name),
            Challenge::Dns01 { name, .. } => ("dns-01", name),
        };
        self.shown
            .lock()
            .unwrap()
            .log
            .push(format!("{sign}{kind} {name}"));
        (*name).to_owned()
    }
}

#[async_trait]
impl Solver for Shelf {
    async fn kinds(&self, name: &str, is_wildcard: bool) -> Vec<Kind> {
        let full_name = if is_wildcard {
            format!("*.{name}")
        } else {
            name.to_owned()
        };
        self.kinds
            .get(&full_name)
            .cloned()
            .unwrap_or_else(|| vec![Kind::Http01])
    }

    async fn present(&self, challenge: &Challenge<'_>) -> Result<(), SolveError> {
        let name = Some(self.note('+', challenge));
        if self.endless == name {
            std::future::pending::<()>().await;
        }
        if self.refused == name {
            return Err(SolveError("the shelf is full".to_owned()));
        }
        let is_wrong = self.wrong == name;
        let mut shown = self.shown.lock().unwrap();
        match *challenge {
            Challenge::Http01 {
                token,
                key_authorization,
                ..
            } => {
                let body = if is_wrong { "wrong" } else { key_authorization };
                shown.http.insert(token.to_owned(), body.to_owned());
            }
            Challenge::TlsAlpn01 {
                name,
                key_authorization_sha256,
            } => {
                let digest = if is_wrong {
                    [0; 32]
                } else {
                    key_authorization_sha256
                };
                shown.handshakes.insert(name.to_owned(), digest);
            }
            Challenge::Dns01 { name, value } => {
                let value = if is_wrong { "wrong" } else { value };
                let pebble = self.pebble.lock().unwrap().clone().unwrap();
                pebble.add_txt(&format!("_acme-challenge.{name}"), value);
            }
        }
        Ok(())
    }

    async fn withdraw(&self, challenge: &Challenge<'_>) {
        self.note('-', challenge);
        let mut shown = self.shown.lock().unwrap();
        match *challenge {
            Challenge::Http01 { token, .. } => drop(shown.http.remove(token)),
            Challenge::TlsAlpn01 { name, .. } => drop(shown.handshakes.remove(name)),
            Challenge::Dns01 { name, .. } => {
                let pebble = self.pebble.lock().unwrap().clone().unwrap();
                pebble.clear_txt(&format!("_acme-challenge.{name}"));
            }
        }
    }
}

async fn answer_http(mut stream: TcpStream, shown: Arc<Mutex<Shown>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap();
    let token = path.strip_prefix("/.well-known/acme-challenge/");
    let body = token.and_then(|token| shown.lock().unwrap().http.get(token).cloned());
    let (status, body) = match body {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", String::new()),
    };
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    let _ = stream.write_all(answer.as_bytes()).await;
}

async fn answer_handshake(stream: TcpStream, shown: Arc<Mutex<Shown>>) {
    let Ok(start) = LazyConfigAcceptor::new(Acceptor::default(), stream).await else {
        return;
    };
    let name = start
        .client_hello()
        .server_name()
        .unwrap_or_default()
        .to_owned();
    let Some(digest) = shown.lock().unwrap().handshakes.get(&name).copied() else {
        return;
    };
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new([name]).unwrap();
    parameters
        .custom_extensions
        .push(CustomExtension::new_acme_identifier(&digest));
    let certificate = parameters.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = provider.key_provider.load_private_key(key.into()).unwrap();
    // Not `with_single_cert`: it reads the certificate, and stumbles over its critical extension.
    let shown = CertifiedKey::new(vec![certificate.der().clone()], key);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    if let Ok(mut stream) = start.into_stream(Arc::new(config)).await {
        let _ = stream.shutdown().await;
    }
}
