//! An edge of a few lines: it answers challenges with what lies in the store. And name servers that
//! are pebble's, with the texts that lie in hosted zones.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use certificates::PrivateKey;
use documents::tls::{self, AlpnChallenge, HttpChallenge};
use documents::{Node, Role, decode, encode, keys, route53};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::Acceptor;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use secrets::Secrets;
use shapes::route53::ResourceRecordSet;
use store::{Event, Revision, Store, Txn};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;

use crate::pebble::Pebble;

/// Where it listens.
pub struct Edge {
    pub http_port: u16,
    pub tls_port: u16,
    /// Whether it answers over HTTP.
    pub has_http: Arc<AtomicBool>,
}

impl Edge {
    pub async fn start(store: Arc<dyn Store>, secrets: Arc<Secrets>) -> Edge {
        let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let tls = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let edge = Edge {
            http_port: http.local_addr().unwrap().port(),
            tls_port: tls.local_addr().unwrap().port(),
            has_http: Arc::new(AtomicBool::new(true)),
        };
        let (of_http, has_http) = (Arc::clone(&store), Arc::clone(&edge.has_http));
        tokio::spawn(async move {
            while let Ok((stream, _)) = http.accept().await {
                let is_silent = !has_http.load(Ordering::Relaxed);
                if !is_silent {
                    tokio::spawn(answer_http(stream, Arc::clone(&of_http)));
                }
            }
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = tls.accept().await {
                tokio::spawn(answer_handshake(
                    stream,
                    Arc::clone(&store),
                    Arc::clone(&secrets),
                ));
            }
        });
        edge
    }
}

async fn answer_http(mut stream: TcpStream, store: Arc<dyn Store>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap();
    let token = path.strip_prefix("/.well-known/acme-challenge/").unwrap();
    let key = tls::key(tls::HTTP_CHALLENGE, token);
    let found = store.get(&key).await.unwrap();
    let found = found.map(|found| decode::<HttpChallenge>(&key, &found.value).unwrap());
    let (status, body) = match found {
        Some(answer) => ("200 OK", answer.key_authorization),
        None => ("404 Not Found", String::new()),
    };
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    let _ = stream.write_all(answer.as_bytes()).await;
}

async fn answer_handshake(stream: TcpStream, store: Arc<dyn Store>, secrets: Arc<Secrets>) {
    let Ok(start) = LazyConfigAcceptor::new(Acceptor::default(), stream).await else {
        return;
    };
    let name = start
        .client_hello()
        .server_name()
        .unwrap_or_default()
        .to_owned();
    let key = tls::key(tls::ALPN_CHALLENGE, &name);
    let Some(document) = store.get(&key).await.unwrap() else {
        return;
    };
    let answer: AlpnChallenge = decode(&key, &document.value).unwrap();
    let private = secrets.open(&key, &answer.sealed_key).unwrap();
    assert!(PrivateKey::from_pkcs8_der(&private).is_ok());
    let certificate = CertificateDer::from_pem_slice(answer.certificate_pem.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let private = PrivateKeyDer::try_from(private).unwrap();
    let private = provider.key_provider.load_private_key(private).unwrap();
    let shown = CertifiedKey::new(vec![certificate], private);
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

/// Says of a node that it has applied all that there is, a little after it is there. With pebble's
/// DNS, that one answers with the texts of hosted zones first.
pub async fn apply(store: Arc<dyn Store>, role: Role, dns: Option<Arc<Pebble>>) {
    let mut node = Node {
        id: format!("{role:?}").to_lowercase(),
        roles: vec![role],
        pop: "LOC1-C1".to_owned(),
        region: None,
        http: Vec::new(),
        started_ms: 0,
        applied: 0,
        refused: Default::default(),
    };
    let mut watch = store.watch("", Revision(0)).await.unwrap();
    while let Ok(batches) = watch.next().await {
        let mut is_news = false;
        for batch in batches {
            for event in batch.events {
                if event.key().starts_with(keys::NODES) {
                    continue;
                }
                (is_news, node.applied) = (true, batch.revision.0);
                if let Some(pebble) = &dns {
                    answer_dns(&event, Arc::clone(pebble)).await;
                }
            }
        }
        if is_news {
            let put = Txn::new().put(keys::node(&node.id), encode(&node));
            store.commit(put).await.unwrap();
        }
    }
}

async fn answer_dns(event: &Event, pebble: Arc<Pebble>) {
    let Some((_, order_key, "TXT", None)) = route53::parse_record(event.key()) else {
        return;
    };
    let mut labels: Vec<&str> = order_key.trim_end_matches('.').split('.').collect();
    labels.reverse();
    let name = labels.join(".");
    let values = match event {
        Event::Put(document) => {
            let set: ResourceRecordSet = decode(&document.key, &document.value).unwrap();
            set.resource_records.unwrap_or_default()
        }
        Event::Deleted { .. } => Vec::new(),
    };
    let told = tokio::task::spawn_blocking(move || {
        pebble.clear_txt(&name);
        for record in values {
            pebble.add_txt(&name, record.value.trim_matches('"'));
        }
    });
    told.await.unwrap();
}
