//! One look at an endpoint: connect, ask, and say what came (spec §13.1, §13.2, §13.5).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use message::http1::{Framing, reason};
use origin::{AddressFamily, DnsError, Resolve};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::body::{Coding, Search, Searcher};
use crate::checker::Observation;
use crate::limits::{
    BODY_BYTES_MAX, BODY_TIMEOUT, CONNECT_TIMEOUT, HEAD_BYTES_MAX, HEAD_FIELDS_MAX, HEAD_TIMEOUT,
    INTERIM_HEADS_MAX, READ_BYTES, RESOLVE_TIMEOUT, SEARCHED_BYTES, TCP_CONNECT_TIMEOUT,
};
use crate::target::{Place, Question, Target};
use crate::tls::{self, Tls};

/// How long each part of a probe may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Connecting, with the handshake of TLS.
    pub connect: Duration,
    /// Connecting, where that is all.
    pub tcp_connect: Duration,
    /// From there to the end of the response's head.
    pub head: Duration,
    /// From there to as much of the body as is needed.
    pub body: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            connect: CONNECT_TIMEOUT,
            tcp_connect: TCP_CONNECT_TIMEOUT,
            head: HEAD_TIMEOUT,
            body: BODY_TIMEOUT,
        }
    }
}

/// Looks at endpoints. Lives on one thread, as its resolver does.
pub struct Prober {
    resolver: Rc<dyn Resolve>,
    tls: Tls,
    patience: Patience,
}

/// What is wrong with an endpoint. The texts are AWS's where they are known, for those who read
/// them by programs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
enum Failure {
    #[error("DNS resolution failed: {0}")]
    Resolve(&'static str),
    #[error(
        "Connection timed out. The endpoint or the internet connection is down, or requests are \
         being blocked by your firewall. See https://docs.aws.amazon.com/Route53/latest/\
         DeveloperGuide/dns-failover-router-firewall-rules.html"
    )]
    ConnectTimeout,
    #[error("The connection was refused by the endpoint.")]
    Refused,
    #[error("The endpoint could not be connected to: {0}")]
    Unreachable(io::ErrorKind),
    #[error("The connection was closed by the endpoint.")]
    Closed,
    #[error("SSL alert {0}")]
    Alert(String),
    #[error("The TLS handshake failed.")]
    Handshake,
    #[error("The endpoint did not send a response within {} seconds.", .0.as_secs())]
    HeadTimeout(Duration),
    #[error("The response headers are longer than {HEAD_BYTES_MAX} bytes.")]
    HeadTooLong,
    #[error("The response is not HTTP.")]
    NotHttp,
    #[error("HTTP Status Code {}", status_text(*.0))]
    Status(u16),
    #[error(
        "HTTP Status Code {}. String match failed: the first {SEARCHED_BYTES} bytes of the \
         response body do not contain the search string.", status_text(*.0)
    )]
    NoMatch(u16),
    #[error(
        "HTTP Status Code {}. String match failed: the response body was not received within {} \
         seconds.", status_text(*.0), .1.as_secs()
    )]
    BodyTimeout(u16, Duration),
}

fn status_text(status: u16) -> String {
    format!("{status}, {}", reason(status))
}

impl Prober {
    /// Looks names up by this resolver.
    pub fn new(resolver: Rc<dyn Resolve>, patience: Patience) -> Prober {
        Prober {
            resolver,
            tls: Tls::new(),
            patience,
        }
    }

    /// Looks once. Takes no longer than the parts of its patience together, and a look-up.
    pub async fn probe(&self, target: &Target) -> Observation {
        let resolved = match &target.place {
            Place::Address(address) => Ok(*address),
            Place::Name(name) => self.resolve(name).await,
        };
        let (resolved, result) = match resolved {
            Ok(address) => {
                let address = SocketAddr::new(address, target.port);
                (Some(address.ip()), self.ask(target, address).await)
            }
            Err(failure) => (None, Err(failure)),
        };
        match result {
            Ok(success) => Observation {
                is_success: true,
                status: format!("Success: {success}"),
            },
            Err(failure) => Observation {
                is_success: false,
                status: match (&target.place, resolved) {
                    (Place::Name(_), Some(address)) => {
                        format!("Failure: Resolved IP: {address}. {failure}")
                    }
                    _ => format!("Failure: {failure}"),
                },
            },
        }
    }

    async fn resolve(&self, name: &str) -> Result<IpAddr, Failure> {
        let looking = self.resolver.resolve(name, AddressFamily::Ipv4);
        let answer = match timeout(RESOLVE_TIMEOUT, looking).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(DnsError::NoAddress)) => {
                return Err(Failure::Resolve("the name has no A record."));
            }
            Ok(Err(_)) => return Err(Failure::Resolve("the name servers do not answer.")),
            Err(_) => return Err(Failure::Resolve("the name servers do not answer in time.")),
        };
        let address = answer.addresses.into_iter().find(IpAddr::is_ipv4);
        address.ok_or(Failure::Resolve("the name has no A record."))
    }

    async fn ask(&self, target: &Target, address: SocketAddr) -> Result<String, Failure> {
        let Some(question) = &target.question else {
            let connecting = connect(address);
            let connected = timeout(self.patience.tcp_connect, connecting).await;
            connected.map_err(|_| Failure::ConnectTimeout)??;
            return Ok("TCP connection established".to_owned());
        };
        let until = Instant::now() + self.patience.connect;
        let connecting = timeout_at(until, connect(address)).await;
        let stream = connecting.map_err(|_| Failure::ConnectTimeout)??;
        let status = if question.is_tls {
            let shaking = timeout_at(until, self.shake_hands(question, address, stream)).await;
            let stream = shaking.map_err(|_| Failure::ConnectTimeout)??;
            exchange(stream, question, self.patience).await
        } else {
            exchange(stream, question, self.patience).await
        };
        Ok(format!("HTTP Status Code {}", status_text(status?)))
    }

    /// Where the endpoint does not like the name that it hears, it is asked without one.
    async fn shake_hands(
        &self,
        question: &Question,
        address: SocketAddr,
        stream: TcpStream,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin, Failure> {
        let name = question.server_name.as_deref();
        let mut result = self.tls.connect(name, address.ip(), stream).await;
        if name.is_some() && matches!(result, Err(tls::Failure::Alert(_))) {
            let stream = connect(address).await?;
            result = self.tls.connect(None, address.ip(), stream).await;
        }
        result.map_err(|failure| match failure {
            tls::Failure::Alert(alert) => Failure::Alert(alert),
            tls::Failure::Other(error) if tls::rustls_error(&error).is_some() => Failure::Handshake,
            tls::Failure::Other(_) => Failure::Closed,
        })
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Refused,
        io::ErrorKind::TimedOut => Failure::ConnectTimeout,
        kind => Failure::Unreachable(kind),
    })?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Asks, and reads as much of the response as is needed; its status, if the endpoint is healthy.
async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    question: &Question,
    patience: Patience,
) -> Result<u16, Failure> {
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    let asking = async {
        let written = async {
            stream.write_all(&question.request).await?;
            stream.flush().await
        };
        written.await.map_err(|_| Failure::Closed)?;
        read_head(&mut stream, &mut buffer).await
    };
    let head = timeout(patience.head, asking).await;
    let head = head.map_err(|_| Failure::HeadTimeout(patience.head))??;
    let status = head.status;
    if !(200..400).contains(&status) {
        return Err(Failure::Status(status));
    }
    if let Some(string) = &question.search {
        let mut searcher = Searcher::new(string, head.framing, head.coding);
        let searching = search(&mut stream, &mut buffer, &mut searcher);
        match timeout(patience.body, searching).await {
            Ok(true) => {}
            Ok(false) => return Err(Failure::NoMatch(status)),
            Err(_) => return Err(Failure::BodyTimeout(status, patience.body)),
        }
    }
    Ok(status)
}

/// Whether an endpoint is healthy that says just these bytes and closes, and whose body is to hold
/// a string, if any. Fuzzed: any bytes are given an answer.
pub fn is_healthy_response(bytes: &[u8], string: Option<&[u8]>) -> bool {
    let mut stream = bytes;
    let judged = pin!(async {
        let mut buffer = BytesMut::new();
        let Ok(head) = read_head(&mut stream, &mut buffer).await else {
            return false;
        };
        let mut is_healthy = (200..400).contains(&head.status);
        if let Some(string) = string.filter(|_| is_healthy) {
            let mut searcher = Searcher::new(string, head.framing, head.coding);
            is_healthy = search(&mut stream, &mut buffer, &mut searcher).await;
        }
        is_healthy
    });
    // Nothing is ever waited for.
    let polled = judged.poll(&mut Context::from_waker(Waker::noop()));
    polled == Poll::Ready(true)
}

/// What matters of a response's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    framing: Framing,
    coding: Coding,
}

/// Reads the head of the response, and takes it off the buffer.
async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> Result<Head, Failure> {
    let mut interim_heads = 0;
    loop {
        match parse_head(buffer)? {
            Some((head, head_bytes)) => {
                let _ = buffer.split_to(head_bytes);
                if !matches!(head.status, 100 | 102..=199) {
                    return Ok(head);
                }
                interim_heads += 1;
                if interim_heads > INTERIM_HEADS_MAX {
                    return Err(Failure::NotHttp);
                }
            }
            None => {
                if read(stream, buffer).await.map_err(|_| Failure::Closed)? == 0 {
                    return Err(Failure::Closed);
                }
            }
        }
    }
}

/// A head and its length, or none while it is not complete. Any bytes are given an answer.
fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, Failure> {
    let mut fields = [httparse::EMPTY_HEADER; HEAD_FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let head_bytes = match response.parse(bytes) {
        Ok(httparse::Status::Complete(head_bytes)) if head_bytes <= HEAD_BYTES_MAX => head_bytes,
        Ok(httparse::Status::Partial) if bytes.len() <= HEAD_BYTES_MAX => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Failure::HeadTooLong),
        Err(_) => return Err(Failure::NotHttp),
    };
    let status = response.code.ok_or(Failure::NotHttp)?;
    let values = |name: &'static str| {
        let fields = response.headers.iter();
        fields
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value.trim_ascii())
    };
    let framing = if matches!(status, 204 | 304) {
        Framing::Empty
    } else if values("transfer-encoding")
        .next_back()
        .is_some_and(|value| value.to_ascii_lowercase().ends_with(b"chunked"))
    {
        Framing::Chunked
    } else {
        let length = values("content-length").next();
        let length = length.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        match length {
            Some(0) => Framing::Empty,
            Some(length) => Framing::Length(length),
            // Until the connection ends.
            None => Framing::Length(u64::MAX),
        }
    };
    let coding = match values("content-encoding").next() {
        Some(value) if value.eq_ignore_ascii_case(b"gzip") => Coding::Gzip,
        Some(value) if value.eq_ignore_ascii_case(b"x-gzip") => Coding::Gzip,
        Some(value) if value.eq_ignore_ascii_case(b"deflate") => Coding::Deflate,
        _ => Coding::Identity,
    };
    let head = Head {
        status,
        framing,
        coding,
    };
    Ok(Some((head, head_bytes)))
}

/// Whether the string lies where it should. A connection that ends, ends the body.
async fn search(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    searcher: &mut Searcher<'_>,
) -> bool {
    let mut body_bytes = buffer.len();
    loop {
        match searcher.take(buffer) {
            Search::Found => return true,
            Search::Absent => return false,
            Search::Open if body_bytes > BODY_BYTES_MAX => return false,
            Search::Open => match read(stream, buffer).await {
                Ok(read_bytes @ 1..) => body_bytes += read_bytes,
                Ok(0) | Err(_) => return false,
            },
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> io::Result<usize> {
    buffer.reserve(READ_BYTES);
    stream.read_buf(buffer).await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_given_an_answer(
            start in prop::sample::select(vec![
                "", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 10",
            ]),
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut bytes = start.as_bytes().to_vec();
            bytes.extend(rest);
            is_healthy_response(&bytes, Some(b"x"));
            is_healthy_response(&bytes, None);
        }
    }

    #[test]
    fn a_response_that_ends_where_its_connection_ends_is_judged_as_it_is() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\na needle";
        assert!(is_healthy_response(text, Some(b"needle")));
        assert!(!is_healthy_response(text, Some(b"thread")));
        assert!(is_healthy_response(text, None));
        assert!(!is_healthy_response(&text[..30], None));
    }

    fn parse(text: &str) -> Result<Option<Head>, Failure> {
        Ok(parse_head(text.as_bytes())?.map(|(head, _)| head))
    }

    #[test]
    fn the_framing_and_the_coding_of_a_body_come_from_the_head() {
        let endless = Framing::Length(u64::MAX);
        for (fields, framing, coding) in [
            ("", endless, Coding::Identity),
            (
                "Content-Length: 7\r\n",
                Framing::Length(7),
                Coding::Identity,
            ),
            ("Content-Length: 0\r\n", Framing::Empty, Coding::Identity),
            ("Content-Length: x\r\n", endless, Coding::Identity),
            (
                "content-length: 7\r\ntransfer-encoding: Chunked\r\n",
                Framing::Chunked,
                Coding::Identity,
            ),
            ("Content-Encoding: GZIP\r\n", endless, Coding::Gzip),
            ("Content-Encoding: deflate\r\n", endless, Coding::Deflate),
            ("Content-Encoding: br\r\n", endless, Coding::Identity),
        ] {
            let want = Head {
                status: 200,
                framing,
                coding,
            };
            let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
            assert_eq!(parse(&text), Ok(Some(want)), "{fields}");
        }
        let nothing = parse("HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap();
        assert_eq!(nothing.framing, Framing::Empty);
    }

    #[test]
    fn a_head_has_at_most_16_kib_and_so_many_fields() {
        let head = |bytes: usize| {
            let (start, end) = ("HTTP/1.1 200 OK\r\nX: ", "\r\n\r\n");
            format!(
                "{start}{}{end}",
                "x".repeat(bytes - start.len() - end.len())
            )
        };
        assert!(parse(&head(HEAD_BYTES_MAX)).unwrap().is_some());
        assert_eq!(parse(&head(HEAD_BYTES_MAX + 1)), Err(Failure::HeadTooLong));
        let begun = &head(HEAD_BYTES_MAX + 9)[..HEAD_BYTES_MAX];
        assert_eq!(parse(begun), Ok(None));
        let begun = &head(HEAD_BYTES_MAX + 9)[..HEAD_BYTES_MAX + 1];
        assert_eq!(parse(begun), Err(Failure::HeadTooLong));
        let fields = "X: y\r\n".repeat(HEAD_FIELDS_MAX + 1);
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        assert_eq!(parse(&text), Err(Failure::HeadTooLong));
    }

    #[test]
    fn what_is_not_http_is_said_to_be_that() {
        assert_eq!(parse("SSH-2.0-OpenSSH_9.9\r\n"), Err(Failure::NotHttp));
        assert_eq!(parse("HTTP/1.1 2000 OK\r\n\r\n"), Err(Failure::NotHttp));
    }

    #[test]
    fn the_texts_of_failures_are_those_that_clients_look_for() {
        assert_eq!(
            Failure::Status(503).to_string(),
            "HTTP Status Code 503, Service Unavailable"
        );
        assert_eq!(
            Failure::ConnectTimeout.to_string(),
            "Connection timed out. The endpoint or the internet connection is down, or requests \
             are being blocked by your firewall. See https://docs.aws.amazon.com/Route53/latest/\
             DeveloperGuide/dns-failover-router-firewall-rules.html"
        );
        assert!(Failure::NoMatch(200).to_string().contains("String match"));
    }
}
