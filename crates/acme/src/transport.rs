//! Requests to an ACME server: HTTPS alone, with bounds on time and size. Each session has a
//! [`Transport`] of its own, as the last answer's `Retry-After` is its own; connections are
//! shared.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::error::AcmeError;
use crate::limits::{
    ANSWER_BYTES_MAX, IDLE_CONNECTIONS_MAX, REQUEST_SECS_MAX, RETRY_AFTER_SECS_MAX,
};

/// Servers want to know whom to write to when a client misbehaves (RFC 8555 §6.1).
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("warmfront/", env!("CARGO_PKG_VERSION")));

/// Connections to a server.
pub(crate) type Connections = HyperClient<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>;

/// Connections that trust the public authorities, and those in `root_pem`.
pub(crate) fn connections(root_pem: Option<&[u8]>) -> Result<Connections, AcmeError> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(pem) = root_pem {
        let before = roots.len();
        for root in CertificateDer::pem_slice_iter(pem) {
            let root = root.map_err(|error| bad_root(&error))?;
            roots.add(root).map_err(|error| bad_root(&error))?;
        }
        if roots.len() == before {
            return Err(bad_root(&"there is none in it"));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the suites of TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
        .enable_http1();
    let mut client = HyperClient::builder(TokioExecutor::new());
    Ok(client
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .build(https.build()))
}

fn bad_root(error: &dyn std::fmt::Display) -> AcmeError {
    AcmeError::Settings(format!(
        "the root of the ACME server must be certificates in PEM form: {error}"
    ))
}

/// Why there is no answer that could be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    #[error("{0}")]
    Connection(String),
    #[error("no answer within {REQUEST_SECS_MAX} seconds")]
    Slow,
    #[error("{0}")]
    Body(String),
    #[error("it answered {0}")]
    Status(StatusCode),
}

impl TransportError {
    /// Whether the server was there, and is no ACME server as it seems.
    pub(crate) fn is_protocol(&self) -> bool {
        matches!(self, Self::Status(status) if !status.is_server_error())
    }
}

/// The last answer's `Retry-After`.
#[derive(Clone, Default)]
pub(crate) struct RetryAfter(Arc<Mutex<Option<Duration>>>);

impl RetryAfter {
    pub(crate) fn last(&self) -> Option<Duration> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, after: Option<Duration>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = after;
    }
}

/// A `Retry-After` (RFC 9110 §10.2.3): seconds, or a date.
fn retry_after(fields: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = fields.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let most = Duration::from_secs(RETRY_AFTER_SECS_MAX);
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse().map_or(most, Duration::from_secs).min(most));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default().min(most))
}

/// What one session asks through.
pub(crate) struct Transport {
    pub(crate) connections: Connections,
    pub(crate) retry_after: RetryAfter,
}

impl HttpClient for Transport {
    fn request(
        &self,
        mut request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        request.headers_mut().insert(USER_AGENT, AGENT);
        let answer = self.connections.request(request);
        let retry_after = self.retry_after.clone();
        retry_after.set(None);
        Box::pin(async move {
            let answer = async {
                let answer = answer
                    .await
                    .map_err(|error| other(TransportError::Connection(with_causes(&error))))?;
                read(answer, &retry_after).await
            };
            let longest = Duration::from_secs(REQUEST_SECS_MAX);
            match tokio::time::timeout(longest, answer).await {
                Ok(answer) => answer,
                Err(_) => Err(other(TransportError::Slow)),
            }
        })
    }
}

/// The whole of an answer. What is neither a success nor a problem document is an error here, as
/// a proxy in front of the server may send it.
async fn read(answer: Response<Incoming>, hint: &RetryAfter) -> Result<BytesResponse, Error> {
    let (parts, body) = answer.into_parts();
    hint.set(retry_after(&parts.headers, SystemTime::now()));
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| other(TransportError::Body(with_causes(&*error))))?;
    let body = body.to_bytes();
    let kind = parts
        .headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let is_problem = kind.is_some_and(|kind| kind.contains("json")) && !body.is_empty();
    if parts.status.is_success() || is_problem {
        return Ok(BytesResponse::from(Response::from_parts(
            parts,
            Full::new(body),
        )));
    }
    if parts.status == StatusCode::TOO_MANY_REQUESTS {
        return Err(Error::Api(AcmeError::rate_limited()));
    }
    Err(other(TransportError::Status(parts.status)))
}

fn other(error: TransportError) -> Error {
    Error::Other(Box::new(error))
}

/// What an error says, with what it says of its causes: the client's own words are few.
fn with_causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(value: &str) -> Option<Duration> {
        let mut fields = HeaderMap::new();
        fields.insert(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        // Sun, 06 Nov 1994 08:49:37 GMT.
        retry_after(
            &fields,
            SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777),
        )
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_has_a_bound() {
        let most = Some(Duration::from_secs(RETRY_AFTER_SECS_MAX));
        assert_eq!(after("3"), Some(Duration::from_secs(3)));
        assert_eq!(
            after("Sun, 06 Nov 1994 08:50:37 GMT"),
            Some(Duration::from_secs(60))
        );
        assert_eq!(after("Sun, 06 Nov 1994 08:40:37 GMT"), Some(Duration::ZERO));
        assert_eq!(after("99999999999999999999999"), most);
        assert_eq!(after("Sun, 06 Nov 2044 08:50:37 GMT"), most);
        for wrong in ["", "soon", "-3", "+3", "3.5"] {
            assert_eq!(after(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_root_that_is_none_is_told_to_the_operator() {
        for wrong in [
            "",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let error = connections(Some(wrong.as_bytes())).err().unwrap();
            assert!(matches!(error, AcmeError::Settings(_)), "{error}");
        }
        assert!(connections(None).is_ok());
    }
}
