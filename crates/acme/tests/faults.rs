//! Orders at a server whose answers are written down: what a real one does rarely.

#![allow(clippy::unwrap_used)]

#[path = "pebble/https.rs"]
mod https;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use acme::{
    Account, AcmeError, Challenge, Kind, RenewalWindow, Server, SolveError, Solver, issue,
    renewal_window,
};
use async_trait::async_trait;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Nobody is asked: the orders here need no proofs.
struct Nobody;

#[async_trait]
impl Solver for Nobody {
    async fn kinds(&self, name: &str, _: bool) -> Vec<Kind> {
        panic!("{name} needs no proof");
    }

    async fn present(&self, challenge: &Challenge<'_>) -> Result<(), SolveError> {
        panic!("{challenge:?} is not asked for");
    }

    async fn withdraw(&self, challenge: &Challenge<'_>) {
        panic!("{challenge:?} was not shown");
    }
}

/// All is shown over HTTP, to nobody.
struct Anybody;

#[async_trait]
impl Solver for Anybody {
    async fn kinds(&self, _: &str, _: bool) -> Vec<Kind> {
        vec![Kind::Http01]
    }

    async fn present(&self, _: &Challenge<'_>) -> Result<(), SolveError> {
        Ok(())
    }

    async fn withdraw(&self, _: &Challenge<'_>) {}
}

/// What is answered to a path, asked for the n-th time (from 1 on). Nothing: the connection is
/// closed, after the request was taken.
type Script = fn(&str, usize) -> Option<Answer>;

struct Answer {
    status: u16,
    fields: String,
    body: String,
}

fn json(status: u16, body: &str) -> Option<Answer> {
    let fields = "content-type: application/json\r\n".to_owned();
    Some(Answer {
        status,
        fields,
        body: body.to_owned(),
    })
}

fn with(field: &str, answer: Option<Answer>) -> Option<Answer> {
    answer.map(|mut answer| {
        answer.fields.push_str(field);
        answer.fields.push_str("\r\n");
        answer
    })
}

fn order(status: &str) -> Option<Answer> {
    let location = "location: https://{host}/order";
    let certificate = match status {
        "valid" => r#", "certificate": "https://{host}/certificate""#,
        _ => "",
    };
    let body = format!(
        r#"{{"status": "{status}", "authorizations": [], "finalize": "https://{{host}}/finalize"
            {certificate}}}"#
    );
    with(location, json(200, &body))
}

/// A server that does all at once, but for what a script says.
fn usual(path: &str, _: usize) -> Option<Answer> {
    match path {
        "/dir" => json(
            200,
            r#"{"newNonce": "https://{host}/nonce", "newAccount": "https://{host}/account",
                "newOrder": "https://{host}/new-order", "renewalInfo": "https://{host}/renewal"}"#,
        ),
        "/nonce" => json(200, ""),
        "/account" => with("location: https://{host}/me", json(201, "{}")),
        "/new-order" => order("ready"),
        "/finalize" | "/order" => order("valid"),
        "/certificate" => json(200, "CHAIN"),
        path => panic!("{path}"),
    }
}

struct Scripted {
    server: Server,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    async fn start(script: Script) -> Self {
        let (certificate, key) = https::self_signed();
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let server = Server {
            directory_url: format!("https://{host}/dir"),
            root_pem: Some(certificate.into_bytes()),
            ..Server::default()
        };
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let Some(path) = request(&mut stream).await else {
                    continue;
                };
                let count = {
                    let mut log = log.lock().unwrap();
                    log.push(path.clone());
                    log.iter().filter(|asked| **asked == path).count()
                };
                let Some(answer) = script(&path, count) else {
                    continue;
                };
                let head = format!(
                    "HTTP/1.1 {} X\r\nconnection: close\r\nreplay-nonce: n\r\n\
                     content-length: {}\r\n{}\r\n",
                    answer.status,
                    answer.body.replace("{host}", &host).len(),
                    answer.fields,
                );
                let answer = (head + &answer.body).replace("{host}", &host);
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { server, asked }
    }

    /// Paths that were asked for since it was called last.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    async fn issue(&self) -> Result<String, AcmeError> {
        self.issue_with(&Nobody).await
    }

    async fn issue_with(&self, solver: &dyn Solver) -> Result<String, AcmeError> {
        let (account, _) = Account::create(&self.server).await?;
        self.asked();
        let names = ["a.example.com".to_owned()];
        issue(&account, &names, b"csr", solver, Duration::from_secs(20)).await
    }
}

/// The path of a request that was read as a whole.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(head.split(' ').nth(1).unwrap().to_owned())
}

#[tokio::test]
async fn an_order_without_need_of_proofs_is_finished_at_once() {
    let scripted = Scripted::start(usual).await;
    assert_eq!(scripted.issue().await.as_deref(), Ok("CHAIN"));
    assert_eq!(
        scripted.asked(),
        ["/dir", "/nonce", "/new-order", "/finalize", "/certificate"]
    );
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_after_and_nothing_is_done_twice() {
    let scripted = Scripted::start(|path, count| match (path, count) {
        ("/finalize", 1) => None,
        _ => usual(path, count),
    })
    .await;
    assert_eq!(scripted.issue().await.as_deref(), Ok("CHAIN"));
    let asked = scripted.asked();
    assert_eq!(
        asked.iter().filter(|path| *path == "/finalize").count(),
        1,
        "{asked:?}"
    );
    assert!(asked.contains(&"/order".to_owned()), "{asked:?}");
}

fn authorization(status: &str, challenge: &str) -> Option<Answer> {
    let body = format!(
        r#"{{"identifier": {{"type": "dns", "value": "a.example.com"}}, "status": "{status}",
            "challenges": [{{"type": "http-01", "url": "https://{{host}}/challenge",
            "token": "t", "status": "{challenge}"}}]}}"#
    );
    json(200, &body)
}

fn pending(path: &str, count: usize) -> Option<Answer> {
    match path {
        "/new-order" => with(
            "location: https://{host}/order",
            json(
                200,
                r#"{"status": "pending", "authorizations": ["https://{host}/authorization"],
                    "finalize": "https://{host}/finalize"}"#,
            ),
        ),
        "/authorization" => authorization("pending", "pending"),
        "/challenge" => json(
            200,
            r#"{"type": "http-01", "url": "u", "token": "t", "status": "processing"}"#,
        ),
        _ => usual(path, count),
    }
}

#[tokio::test]
async fn a_server_that_may_have_been_told_of_a_proof_is_not_told_twice() {
    let taken = Scripted::start(|path, count| match (path, count) {
        ("/challenge", 1) => None,
        ("/authorization", 2) => authorization("pending", "processing"),
        _ => pending(path, count),
    })
    .await;
    assert_eq!(taken.issue_with(&Anybody).await.as_deref(), Ok("CHAIN"));
    assert_eq!(
        taken
            .asked()
            .iter()
            .filter(|path| *path == "/challenge")
            .count(),
        1
    );

    // It was not: it is told again.
    let lost = Scripted::start(|path, count| match (path, count) {
        ("/challenge", 1) => None,
        _ => pending(path, count),
    })
    .await;
    assert_eq!(lost.issue_with(&Anybody).await.as_deref(), Ok("CHAIN"));
    assert_eq!(
        lost.asked()
            .iter()
            .filter(|path| *path == "/challenge")
            .count(),
        2
    );
}

#[tokio::test]
async fn an_authorization_that_lapsed_before_it_was_used_is_no_ground_to_go_on() {
    let scripted = Scripted::start(|path, count| match path {
        "/authorization" => authorization("deactivated", "pending"),
        _ => pending(path, count),
    })
    .await;
    let error = scripted.issue_with(&Anybody).await.unwrap_err();
    assert!(matches!(error, AcmeError::Protocol(_)), "{error}");
    assert!(error.to_string().contains("a.example.com"), "{error}");
}

#[tokio::test]
async fn a_server_that_has_troubles_is_asked_again() {
    let scripted = Scripted::start(|path, count| match (path, count) {
        ("/new-order", 1) => Some(Answer {
            status: 503,
            fields: String::new(),
            body: "x".into(),
        }),
        ("/certificate", 1) => json(
            500,
            r#"{"type": "urn:ietf:params:acme:error:serverInternal", "detail": "oops"}"#,
        ),
        ("/certificate", 2) => None,
        _ => usual(path, count),
    })
    .await;
    assert_eq!(scripted.issue().await.as_deref(), Ok("CHAIN"));
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let scripted = Scripted::start(|path, count| match (path, count) {
        ("/finalize", _) => with("retry-after: 2", order("processing")),
        _ => usual(path, count),
    })
    .await;
    let started = Instant::now();
    assert_eq!(scripted.issue().await.as_deref(), Ok("CHAIN"));
    assert!(started.elapsed() >= Duration::from_secs(2));
    let asked = scripted.asked();
    assert_eq!(
        asked.iter().filter(|path| *path == "/order").count(),
        1,
        "{asked:?}"
    );
}

#[tokio::test]
async fn what_cannot_come_in_time_is_not_waited_for() {
    let scripted = Scripted::start(|path, count| match (path, count) {
        ("/finalize", _) => with("retry-after: 3600", order("processing")),
        _ => usual(path, count),
    })
    .await;
    let started = Instant::now();
    assert_eq!(scripted.issue().await, Err(AcmeError::Deadline));
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_limit_is_told_with_the_time_that_it_lasts() {
    let as_problem: Script = |path, count| match path {
        "/new-order" => with(
            "retry-after: 7",
            json(
                429,
                r#"{"type": "urn:ietf:params:acme:error:rateLimited", "detail": "slow"}"#,
            ),
        ),
        _ => usual(path, count),
    };
    // As a proxy in front of it says it.
    let as_text: Script = |path, count| match path {
        "/new-order" => {
            let fields = "retry-after: 7\r\n".to_owned();
            Some(Answer {
                status: 429,
                fields,
                body: "slow".to_owned(),
            })
        }
        _ => usual(path, count),
    };
    for script in [as_problem, as_text] {
        let scripted = Scripted::start(script).await;
        let error = scripted.issue().await.unwrap_err();
        assert!(
            error.is_problem("rateLimited") && !error.is_lasting(),
            "{error}"
        );
        let AcmeError::Rejected { retry_after, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(retry_after, Some(Duration::from_secs(7)));
        assert_eq!(scripted.asked().last().unwrap(), "/new-order");
    }
}

#[tokio::test]
async fn a_server_that_is_none_does_not_keep_to_the_protocol() {
    let scripts: [Script; 4] = [
        |_, _| {
            Some(Answer {
                status: 404,
                fields: String::new(),
                body: "no".to_owned(),
            })
        },
        |_, _| json(200, "<html>"),
        |_, _| json(200, "{}"),
        |path, count| match path {
            "/new-order" => json(200, r#"{"status": "strange"}"#),
            _ => usual(path, count),
        },
    ];
    for script in scripts {
        let scripted = Scripted::start(script).await;
        let error = scripted.issue().await.unwrap_err();
        assert!(matches!(error, AcmeError::Protocol(_)), "{error}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_it() {
    let scripted = Scripted::start(|_, _| {
        let body = "x".repeat(acme::limits::ANSWER_BYTES_MAX + 1);
        Some(Answer {
            status: 200,
            fields: String::new(),
            body,
        })
    })
    .await;
    let error = scripted.issue().await.unwrap_err();
    assert!(error.to_string().contains("limit"), "{error}");
}

#[tokio::test]
async fn an_order_that_failed_after_its_request_says_why() {
    let scripted = Scripted::start(|path, count| match path {
        "/finalize" => json(
            200,
            r#"{"status": "invalid", "authorizations": [], "finalize": "https://{host}/finalize",
                "error": {"type": "urn:ietf:params:acme:error:caa", "detail": "forbidden",
                "subproblems": [{"type": "urn:ietf:params:acme:error:caa",
                    "detail": "CAA says no", "identifier": {"type": "dns", "value": "b.test"}}]}}"#,
        ),
        _ => usual(path, count),
    })
    .await;
    let error = scripted.issue().await.unwrap_err();
    assert!(error.is_problem("caa") && error.is_lasting(), "{error}");
    assert_eq!(
        error.to_string(),
        "the authority refuses b.test: CAA says no (urn:ietf:params:acme:error:caa)"
    );
}

/// A certificate that names its authority's key.
fn leaf() -> Vec<u8> {
    let mut root = CertificateParams::new([]).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = Issuer::new(root, KeyPair::generate().unwrap());
    let mut leaf = CertificateParams::new(["a.example.com".to_owned()]).unwrap();
    leaf.use_authority_key_identifier_extension = true;
    leaf.signed_by(&KeyPair::generate().unwrap(), &root)
        .unwrap()
        .der()
        .to_vec()
}

async fn window(script: Script) -> Result<Option<RenewalWindow>, AcmeError> {
    let scripted = Scripted::start(script).await;
    let (account, _) = Account::create(&scripted.server).await.unwrap();
    renewal_window(&account, &leaf()).await
}

#[tokio::test]
async fn an_authority_says_when_it_wants_a_renewal() {
    let answered = window(|path, count| match path.starts_with("/renewal/") {
        true => with(
            "retry-after: 600",
            json(
                200,
                r#"{"suggestedWindow":
                    {"start": "2025-01-02T04:00:00Z", "end": "2025-01-03T04:00:00Z"}}"#,
            ),
        ),
        false => usual(path, count),
    })
    .await
    .unwrap()
    .unwrap();
    assert_eq!(answered.starts_secs, 1_735_790_400);
    assert_eq!(answered.ends_secs, 1_735_876_800);
    assert!(
        (590..=600).contains(&answered.again_after_secs),
        "{answered:?}"
    );
}

#[tokio::test]
async fn a_window_that_ends_before_it_starts_is_none() {
    let answered = window(|path, count| match path.starts_with("/renewal/") {
        true => with(
            "retry-after: 600",
            json(
                200,
                r#"{"suggestedWindow":
                    {"start": "2025-01-03T04:00:00Z", "end": "2025-01-02T04:00:00Z"}}"#,
            ),
        ),
        false => usual(path, count),
    })
    .await;
    assert!(
        matches!(answered, Err(AcmeError::Protocol(_))),
        "{answered:?}"
    );
}

#[tokio::test]
async fn an_authority_that_does_not_know_of_renewals_is_not_asked() {
    let answered = window(|path, count| match path {
        "/dir" => json(
            200,
            r#"{"newNonce": "https://{host}/nonce", "newAccount": "https://{host}/account",
                "newOrder": "https://{host}/new-order"}"#,
        ),
        _ => usual(path, count),
    })
    .await;
    assert_eq!(answered, Ok(None));
}
