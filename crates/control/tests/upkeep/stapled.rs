//! What responders say, with OpenSSL as the responder. Skipped where it is not installed.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use certificates::ocsp::{Status, read};
use certificates::{Certificate as X509, PrivateKey, chain};
use documents::acm::{self as forms, Certificate, Source, State, Work};
use documents::encode;
use documents::tls::{self, Material};
use store::Txn;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::world::{World, config};

const ID: &str = "us-east-1/imported";
const DAY_MS: u64 = 86_400_000;
const GOOD: &str = "V\t491231235959Z\t\tF001\tunknown\t/O=Test/CN=leaf\n";
const REVOKED: &str = "R\t491231235959Z\t260102030405Z\tF001\tunknown\t/O=Test/CN=leaf\n";

fn openssl(directory: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    command
        .args(arguments.split_whitespace())
        .current_dir(directory);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.unwrap().success(), "openssl {arguments}");
}

/// A responder: what it says stands in `index.txt` of its directory.
async fn responder(directory: Arc<TempDir>, asked: Arc<AtomicUsize>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            let body = loop {
                bytes.push(stream.read_u8().await.unwrap());
                if bytes.ends_with(b"\r\n\r\n") {
                    let head = String::from_utf8(bytes.clone()).unwrap().to_lowercase();
                    assert!(head.starts_with("post /ocsp "), "{head}");
                    assert!(head.contains("content-type: application/ocsp-request"));
                    let length = head.split("content-length: ").nth(1).unwrap();
                    let length = length.split("\r\n").next().unwrap().parse().unwrap();
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body).await.unwrap();
                    break body;
                }
            };
            asked.fetch_add(1, Ordering::SeqCst);
            let path = directory.path();
            std::fs::write(path.join("request.der"), body).unwrap();
            openssl(
                path,
                "ocsp -index index.txt -CA issuer.pem -rsigner issuer.pem -rkey issuer.key \
                 -reqin request.der -respout response.der -ndays 4",
            );
            let answer = std::fs::read(path.join("response.der")).unwrap();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                answer.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    });
    port
}

#[tokio::test]
async fn what_a_responder_says_is_stapled_while_it_holds() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("skipped: openssl is not there");
        return;
    }
    let directory = Arc::new(TempDir::new().unwrap());
    let path = directory.path();
    let asked = Arc::new(AtomicUsize::new(0));
    let port = responder(Arc::clone(&directory), Arc::clone(&asked)).await;
    let extensions = format!(
        "subjectAltName=DNS:a.example.com\n\
         authorityInfoAccess=OCSP;URI:http://127.0.0.1:{port}/ocsp\n"
    );
    std::fs::write(path.join("leaf.cnf"), extensions).unwrap();
    std::fs::write(path.join("index.txt"), GOOD).unwrap();
    for name in ["issuer", "leaf"] {
        openssl(
            path,
            &format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}.key"),
        );
    }
    openssl(
        path,
        "req -x509 -key issuer.key -subj /O=Test/CN=issuer -days 90 -out issuer.pem",
    );
    openssl(
        path,
        "req -new -key leaf.key -subj /O=Test/CN=leaf -out leaf.csr",
    );
    openssl(
        path,
        "x509 -req -in leaf.csr -CA issuer.pem -CAkey issuer.key -set_serial 0xF001 \
         -extfile leaf.cnf -days 60 -out leaf.pem",
    );
    let text = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
    let world = World::new(config());
    put(
        &world,
        &(text("leaf.pem") + &text("issuer.pem")),
        &text("leaf.key"),
    )
    .await;
    let key = tls::key(tls::CERTIFICATE, ID);
    let stapled = |material: &Material| material.ocsp_response.is_some();
    let material = world.until(&key, stapled).await;
    let chain = chain::read(material.chain_pem.as_bytes()).unwrap();
    let der = BASE64
        .decode(material.ocsp_response.as_ref().unwrap())
        .unwrap();
    let response = read(&der, &chain[0], &chain[1], world.now_ms() / 1_000).unwrap();
    assert_eq!(response.status, Status::Good);
    let due_ms = world.certificate(ID).await.work.ocsp_due_ms;
    let half_ms = response.this_update_secs * 1_000 + 2 * DAY_MS;
    assert!((half_ms - DAY_MS..=half_ms).contains(&due_ms));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // It is revoked: what was said before is stapled until it ends, and nothing then.
    std::fs::write(path.join("index.txt"), REVOKED).unwrap();
    world.pass(2 * DAY_MS);
    let of = forms::certificate(ID);
    let is_asked = |found: &Certificate| found.work.ocsp_due_ms > due_ms;
    world.until(&of, is_asked).await;
    assert_eq!(world.served(ID).await.1, material);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    world.pass(2 * DAY_MS + 60_000);
    world
        .until(&key, |material: &Material| !stapled(material))
        .await;
    assert_eq!(world.certificate(ID).await.state, State::Issued);
}

/// An imported certificate.
async fn put(world: &World, chain_pem: &str, key: &str) {
    let x509 = X509::from_pem(chain_pem).unwrap();
    let private = PrivateKey::from_pem(key).unwrap();
    let certificate = Certificate {
        id: ID.to_owned(),
        arn: format!("arn:aws:acm:us-east-1:123456789012:certificate/{ID}"),
        names: x509.names.clone(),
        source: Source::Imported,
        state: State::Issued,
        key_algorithm: "EC_prime256v1".to_owned(),
        created_ms: world.now_ms(),
        issued_ms: world.now_ms(),
        validated: Vec::new(),
        is_exportable: false,
        is_exported: false,
        is_unlogged: false,
        not_before_secs: x509.not_before_secs,
        not_after_secs: x509.not_after_secs,
        work: Work::default(),
    };
    let material = Material {
        chain_pem: chain_pem.to_owned(),
        sealed_key: world
            .secrets
            .seal(&tls::sealing_purpose(ID), private.pkcs8_der()),
        ocsp_response: None,
    };
    let txn = Txn::new()
        .put(forms::certificate(ID), encode(&certificate))
        .put(tls::key(tls::CERTIFICATE, ID), encode(&material));
    world.store.commit(txn).await.unwrap();
}
