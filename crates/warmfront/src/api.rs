//! The API's address: the AWS-compatible API, `/metrics` for Prometheus, and `/health`.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, RwLock};
use std::time::SystemTime;

use control::Control;
use edge::Edge;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};

use crate::server;

/// The edge while it serves; nothing once it is stopping, or on a node that is none.
pub type EdgeSlot = Arc<RwLock<Option<Edge>>>;

/// What is answered by.
pub struct Api {
    /// This node's edge, if it is to have one.
    pub edge: Option<EdgeSlot>,
    /// The API.
    pub control: Control,
}

/// Starts answering.
pub fn start(listener: TcpListener, api: Arc<Api>) -> io::Result<SocketAddr> {
    server::spawn("api", listener, move |request, peer| {
        let api = Arc::clone(&api);
        async move { api.answer(request, peer).await }
    })
}

impl Api {
    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
        if matches!(request.uri().path(), "/metrics" | "/health") {
            return self.operators(request.method(), request.uri().path());
        }
        let (parts, body) = request.into_parts();
        // One byte more than is allowed, so that the API sees that it is too much and says so.
        let limit = control::limits::BODY_BYTES_MAX + 1;
        let body = match Limited::new(body, limit).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                let status = match error.is::<http_body_util::LengthLimitError>() {
                    true => StatusCode::PAYLOAD_TOO_LARGE,
                    false => StatusCode::BAD_REQUEST,
                };
                return text(status, format!("The body cannot be read: {error}\n"));
            }
        };
        let request = Request::from_parts(parts, body);
        let answer = self.control.handle(request, peer.ip(), now_ms()).await;
        answer.map(Full::from)
    }

    fn operators(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let refusal = "Only GET and HEAD are allowed.\n".to_owned();
            let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, refusal);
            let allowed = hyper::header::HeaderValue::from_static("GET, HEAD");
            refusal.headers_mut().insert(ALLOW, allowed);
            return refusal;
        }
        let Some(edge) = &self.edge else {
            let page = match path {
                "/metrics" => String::new(),
                _ => "ok\n".to_owned(),
            };
            return text(StatusCode::OK, page);
        };
        // Nothing here panics while it holds the lock, so poison would mean nothing.
        let edge = edge
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match (path, edge.as_ref()) {
            (_, None) => text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned()),
            ("/metrics", Some(edge)) => text(StatusCode::OK, edge.metrics()),
            (_, Some(_)) => text(StatusCode::OK, "ok\n".to_owned()),
        }
    }
}

/// The time, in milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")
        .header(CACHE_CONTROL, "no-store")
        .body(Full::from(text))
        .expect("status and fields are constants")
}
