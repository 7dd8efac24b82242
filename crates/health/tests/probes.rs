//! Probes of real endpoints on this machine: what is asked, and what is said of the answers.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no tests to Clippy"
)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use health::{Observation, Patience, Prober, Target};
use origin::FixedResolver;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, LocalSet};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// For endpoints that answer at all.
const LONG: Duration = Duration::from_secs(20);
/// For endpoints that do not.
const SHORT: Duration = Duration::from_millis(60);

fn patient() -> Patience {
    Patience {
        connect: LONG,
        tcp_connect: LONG,
        head: LONG,
        body: LONG,
    }
}

fn run(test: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test());
}

/// A check of the endpoint at this port; the address is in it unless a name is.
fn target(port: u16, mut config: Value) -> Target {
    config["Port"] = json!(port);
    if config.get("FullyQualifiedDomainName").is_none() {
        config["IPAddress"] = json!("127.0.0.1");
    }
    Target::new("check-1", &shapes::from_value(&config).unwrap()).unwrap()
}

async fn probe_with(patience: Patience, target: &Target) -> Observation {
    let resolver = FixedResolver::new()
        .with("here.example", &[LOCALHOST])
        .with("six.example", &["::1".parse().unwrap()]);
    Prober::new(Rc::new(resolver), patience).probe(target).await
}

async fn probe(target: &Target) -> Observation {
    probe_with(patient(), target).await
}

fn success(status: &str) -> Observation {
    Observation {
        is_success: true,
        status: format!("Success: {status}"),
    }
}

fn failure(status: &str) -> Observation {
    Observation {
        is_success: false,
        status: format!("Failure: {status}"),
    }
}

/// Reads a request, gives an answer, and keeps the connection until the other end has closed it.
/// Gives the request back.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, text: Vec<u8>) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            break;
        }
    }
    // The prober may have heard enough before all was said.
    let _ = stream.write_all(&text).await;
    let _ = stream.flush().await;
    let _ = stream.read(&mut [0; 1]).await;
    String::from_utf8(request).unwrap()
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind(SocketAddr::new(LOCALHOST, 0))
        .await
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// An endpoint that gives one answer.
async fn endpoint(text: impl Into<Vec<u8>>) -> (u16, JoinHandle<String>) {
    let (listener, port) = listen().await;
    let text = text.into();
    let task = tokio::task::spawn_local(async move {
        let (stream, _) = listener.accept().await.unwrap();
        answer(stream, text).await
    });
    (port, task)
}

#[test]
fn statuses_from_200_to_399_are_healthy_and_redirects_are_not_followed() {
    run(async || {
        for (line, want) in [
            ("200 OK", success("HTTP Status Code 200, OK")),
            ("302 x", success("HTTP Status Code 302, Found")),
            ("399 x", success("HTTP Status Code 399, Unknown")),
            ("400 x", failure("HTTP Status Code 400, Bad Request")),
            (
                "503 x",
                failure("HTTP Status Code 503, Service Unavailable"),
            ),
        ] {
            let text = format!("HTTP/1.1 {line}\r\nLocation: http://127.0.0.1:1/\r\n\r\n");
            let (port, _) = endpoint(text).await;
            assert_eq!(probe(&target(port, json!({"Type": "HTTP"}))).await, want);
        }
    });
}

#[test]
fn the_request_is_sent_as_it_was_composed() {
    run(async || {
        let (port, asked) = endpoint("HTTP/1.1 200 OK\r\n\r\n").await;
        let config = json!({
            "Type": "HTTP", "FullyQualifiedDomainName": "here.example", "ResourcePath": "/up?a",
        });
        assert!(probe(&target(port, config)).await.is_success);
        let request = asked.await.unwrap();
        let begin = format!("GET /up?a HTTP/1.1\r\nHost: here.example:{port}\r\n");
        assert!(request.starts_with(&begin), "{request}");
    });
}

#[test]
fn interim_responses_are_passed_over() {
    run(async || {
        let text = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 500 No\r\n\r\n";
        let (port, _) = endpoint(text).await;
        let seen = probe(&target(port, json!({"Type": "HTTP"}))).await;
        assert_eq!(seen, failure("HTTP Status Code 500, Internal Server Error"));
        let (port, _) = endpoint("HTTP/1.1 100 Continue\r\n\r\n".repeat(10)).await;
        let seen = probe(&target(port, json!({"Type": "HTTP"}))).await;
        assert_eq!(seen, failure("The response is not HTTP."));
    });
}

#[test]
fn an_endpoint_that_refuses_or_closes_is_unhealthy() {
    run(async || {
        let (listener, port) = listen().await;
        let closing = tokio::task::spawn_local(async move {
            drop(listener.accept().await.unwrap());
        });
        let config = json!({"Type": "HTTP", "FullyQualifiedDomainName": "here.example"});
        let seen = probe(&target(port, config.clone())).await;
        let text = "Resolved IP: 127.0.0.1. The connection was closed by the endpoint.";
        assert_eq!(seen, failure(text));
        // The listener is gone with its task.
        closing.await.unwrap();
        for kind in ["HTTP", "HTTPS", "TCP"] {
            let seen = probe(&target(port, json!({"Type": kind}))).await;
            assert_eq!(seen, failure("The connection was refused by the endpoint."));
        }
    });
}

#[test]
fn names_are_looked_up_for_ipv4_alone() {
    run(async || {
        for name in ["six.example", "nowhere.example"] {
            let config = json!({"Type": "HTTP", "FullyQualifiedDomainName": name});
            let seen = probe(&target(80, config)).await;
            assert_eq!(
                seen,
                failure("DNS resolution failed: the name has no A record.")
            );
        }
    });
}

#[test]
fn a_tcp_check_wants_no_more_than_a_connection() {
    run(async || {
        let (_listener, port) = listen().await;
        let seen = probe(&target(port, json!({"Type": "TCP"}))).await;
        assert_eq!(seen, success("TCP connection established"));
    });
}

/// An endpoint whose queue of connections is full, so that nobody gets in. The connections fill it.
async fn deaf() -> (TcpListener, Vec<TcpStream>, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(LOCALHOST, 0)).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut streams = Vec::new();
    while let Ok(stream) = tokio::time::timeout(SHORT, TcpStream::connect(address)).await {
        streams.push(stream.unwrap());
        assert!(streams.len() < 10, "the queue never fills");
    }
    (listener, streams, address.port())
}

#[test]
fn who_does_not_connect_in_time_is_unhealthy() {
    run(async || {
        let (_listener, _streams, port) = deaf().await;
        let connect = Patience {
            connect: SHORT,
            ..patient()
        };
        let tcp_connect = Patience {
            tcp_connect: SHORT,
            ..patient()
        };
        for (kind, patience) in [("HTTP", connect), ("HTTPS", connect), ("TCP", tcp_connect)] {
            let seen = probe_with(patience, &target(port, json!({"Type": kind}))).await;
            assert!(!seen.is_success);
            let begin = "Failure: Connection timed out. The endpoint or the internet connection";
            assert!(seen.status.starts_with(begin), "{}", seen.status);
        }
        // Connecting is not all: a handshake that does not come counts as that too.
        let (_listener, port) = listen().await;
        let seen = probe_with(connect, &target(port, json!({"Type": "HTTPS"}))).await;
        assert!(
            seen.status.contains("Connection timed out"),
            "{}",
            seen.status
        );
    });
}

#[test]
fn who_does_not_answer_in_time_is_unhealthy() {
    run(async || {
        let patience = Patience {
            head: SHORT,
            ..patient()
        };
        for begun in ["", "HTTP/1.1 200 OK\r\nA: b\r\n"] {
            let (port, _) = endpoint(begun).await;
            let seen = probe_with(patience, &target(port, json!({"Type": "HTTP"}))).await;
            let text = "The endpoint did not send a response within 0 seconds.";
            assert_eq!(seen, failure(text));
        }
    });
}

#[test]
fn heads_of_up_to_16_kib_are_read() {
    run(async || {
        for (bytes, want) in [
            (16 << 10, success("HTTP Status Code 200, OK")),
            (
                (16 << 10) + 1,
                failure("The response headers are longer than 16384 bytes."),
            ),
            (
                1 << 20,
                failure("The response headers are longer than 16384 bytes."),
            ),
        ] {
            let (start, end) = ("HTTP/1.1 200 OK\r\nX: ", "\r\n\r\n");
            let filler = "x".repeat(bytes - start.len() - end.len());
            let (port, _) = endpoint(format!("{start}{filler}{end}")).await;
            let seen = probe(&target(port, json!({"Type": "HTTP"}))).await;
            assert_eq!(seen, want, "{bytes} bytes");
        }
    });
}

fn searching() -> Value {
    json!({"Type": "HTTP_STR_MATCH", "SearchString": "needle"})
}

#[test]
fn a_string_must_lie_in_the_first_5120_bytes_of_the_body() {
    run(async || {
        for (end, is_found) in [(5_119, true), (5_120, true), (5_121, false)] {
            let body = format!("{}needle{}", "x".repeat(end - 6), "x".repeat(100_000));
            // Of known length, and of a length that only the end of the connection tells: the
            // endpoint waits for the prober to close, so that it must not wait for more.
            for length in [format!("Content-Length: {}\r\n", body.len()), String::new()] {
                let text = format!("HTTP/1.1 200 OK\r\n{length}\r\n{body}");
                let (port, _) = endpoint(text).await;
                let seen = probe(&target(port, searching())).await;
                let want = match is_found {
                    true => success("HTTP Status Code 200, OK"),
                    false => failure(
                        "HTTP Status Code 200, OK. String match failed: the first 5120 bytes of \
                         the response body do not contain the search string.",
                    ),
                };
                assert_eq!(seen, want, "ends at {end}");
            }
        }
    });
}

#[test]
fn a_body_that_does_not_come_in_time_is_unhealthy() {
    run(async || {
        let patience = Patience {
            body: SHORT,
            ..patient()
        };
        let (port, _) = endpoint("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nneed").await;
        let seen = probe_with(patience, &target(port, searching())).await;
        assert!(!seen.is_success);
        assert!(
            seen.status
                .contains("String match failed: the response body was not received"),
            "{}",
            seen.status
        );
        let (port, _) = endpoint("HTTP/1.1 404 No\r\nContent-Length: 6\r\n\r\nneedle").await;
        let seen = probe(&target(port, searching())).await;
        assert_eq!(seen, failure("HTTP Status Code 404, Not Found"));
    });
}

/// A certificate that nobody should trust, for whoever does not insist on a name that is not its.
#[derive(Debug)]
struct Certificate {
    key: Arc<CertifiedKey>,
    /// Whoever asks for a name is refused.
    wants_no_name: bool,
    /// What was asked for.
    names: Arc<parking_lot::Mutex<Vec<Option<String>>>>,
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_owned);
        let is_refused = self.wants_no_name && name.is_some();
        self.names.lock().push(name);
        (!is_refused).then(|| Arc::clone(&self.key))
    }
}

/// An endpoint with TLS whose certificate is its own, for another name, and long over. Gives the
/// names that it was asked for.
async fn tls_endpoint(wants_no_name: bool) -> (u16, Arc<parking_lot::Mutex<Vec<Option<String>>>>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["other.example".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let provider = aws_lc_rs::default_provider();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let key = CertifiedKey::from_der(vec![certificate], key, &provider).unwrap();
    let names = Arc::default();
    let certificate = Certificate {
        key: Arc::new(key),
        wants_no_name,
        names: Arc::clone(&names),
    };
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificate));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let (listener, port) = listen().await;
    tokio::task::spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                answer(stream, b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).await;
            }
        }
    });
    (port, names)
}

#[test]
fn any_certificate_will_do() {
    run(async || {
        let (port, names) = tls_endpoint(false).await;
        let config = json!({"Type": "HTTPS", "FullyQualifiedDomainName": "here.example"});
        let seen = probe(&target(port, config)).await;
        assert_eq!(seen, success("HTTP Status Code 200, OK"));
        let mut silent = json!({"Type": "HTTPS", "FullyQualifiedDomainName": "here.example"});
        silent["EnableSNI"] = json!(false);
        assert!(probe(&target(port, silent)).await.is_success);
        let by_address = json!({"Type": "HTTPS"});
        assert!(probe(&target(port, by_address)).await.is_success);
        let here = Some("here.example".to_owned());
        assert_eq!(*names.lock(), [here, None, None]);
    });
}

#[test]
fn who_does_not_know_the_name_is_asked_without_one() {
    run(async || {
        let (port, names) = tls_endpoint(true).await;
        let config = json!({"Type": "HTTPS", "FullyQualifiedDomainName": "here.example"});
        let seen = probe(&target(port, config)).await;
        assert_eq!(seen, success("HTTP Status Code 200, OK"));
        assert_eq!(*names.lock(), [Some("here.example".to_owned()), None]);
    });
}

#[test]
fn who_speaks_no_tls_is_unhealthy() {
    run(async || {
        let (listener, port) = listen().await;
        tokio::task::spawn_local(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream
                .write_all(b"HTTP/1.1 400 What?\r\n\r\n")
                .await
                .unwrap();
            let _ = stream.read(&mut [0; 1_000]).await;
        });
        let seen = probe(&target(port, json!({"Type": "HTTPS"}))).await;
        assert_eq!(seen, failure("The TLS handshake failed."));
    });
}
