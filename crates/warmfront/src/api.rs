//! The API's address. What is there so far: `/metrics` for Prometheus, and `/health`.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, RwLock};

use edge::Edge;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};

use crate::server;

/// The edge while it serves; nothing once it is stopping.
pub type EdgeSlot = Arc<RwLock<Option<Edge>>>;

/// Starts answering.
pub fn start(listener: TcpListener, edge: EdgeSlot) -> io::Result<SocketAddr> {
    server::spawn("api", listener, move |request: Request<Incoming>| {
        let answer = answer(request.method(), request.uri().path(), &edge);
        async move { answer }
    })
}

fn answer(method: &Method, path: &str, edge: &EdgeSlot) -> Response<Full<Bytes>> {
    // Nothing here panics while it holds the lock, so poison would mean nothing.
    let edge = edge
        .read()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if !matches!(path, "/metrics" | "/health") {
        return text(
            StatusCode::NOT_FOUND,
            "Here are /metrics and /health.\n".to_owned(),
        );
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut refusal = text(
            StatusCode::METHOD_NOT_ALLOWED,
            "Only GET and HEAD are allowed.\n".to_owned(),
        );
        refusal
            .headers_mut()
            .insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match (path, edge.as_ref()) {
        (_, None) => text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned()),
        ("/metrics", Some(edge)) => text(StatusCode::OK, edge.metrics()),
        (_, Some(_)) => text(StatusCode::OK, "ok\n".to_owned()),
    }
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")
        .header(CACHE_CONTROL, "no-store")
        .body(Full::from(text))
        .expect("status and fields are constants")
}
