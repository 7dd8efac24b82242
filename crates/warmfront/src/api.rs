//! The API's address: the AWS-compatible API, S3's among it, `/metrics` for Prometheus, and
//! `/health`.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::{Arc, RwLock};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use buckets::api::Sender;
use control::Control;
use edge::Edge;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{limits, server};

/// The edge while it serves; nothing once it is stopping, or on a node that is none.
pub type EdgeSlot = Arc<RwLock<Option<Edge>>>;

/// What is answered by.
pub struct Api {
    /// This node's edge, if it is to have one.
    pub edge: Option<EdgeSlot>,
    /// This node's name server's counters, if it has one.
    pub name_server: Option<Arc<dns::server::Metrics>>,
    /// The API.
    pub control: Arc<Control>,
    /// S3's API, if this node keeps buckets.
    pub buckets: Option<buckets::api::Service>,
}

/// The body of an answer.
pub enum Answer {
    /// It is at hand.
    Whole(Full<Bytes>),
    /// It is read while it is sent: that of an object.
    Streamed(buckets::api::Body),
}

/// Starts answering.
pub fn start(listener: TcpListener, api: Arc<Api>) -> io::Result<SocketAddr> {
    let room = Arc::new(Semaphore::new(limits::API_BODIES_KIB_MAX));
    server::spawn("api", listener, move |request, peer| {
        let (api, room) = (Arc::clone(&api), Arc::clone(&room));
        async move { api.answer(request, peer, &room).await }
    })
}

impl Api {
    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        room: &Semaphore,
    ) -> Response<Answer> {
        // Before its body is read: objects are not held in memory.
        if let Some(buckets) = &self.buckets
            && buckets.is_for_s3(request.method(), request.uri(), request.headers())
        {
            let sender = Sender {
                address: peer.ip(),
                now_ms: now_ms(),
            };
            return buckets.handle(request, sender).await.map(Answer::Streamed);
        }
        self.answer_whole(request, peer, room)
            .await
            .map(Answer::Whole)
    }

    async fn answer_whole(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        room: &Semaphore,
    ) -> Response<Full<Bytes>> {
        if matches!(request.uri().path(), "/metrics" | "/health") {
            return self.operators(request.method(), request.uri().path());
        }
        let (parts, body) = request.into_parts();
        // Its room is given back with the answer.
        let (body, _held) = match read(body, room, limits::SERVER_BODY_TIMEOUT).await {
            Ok(read) => read,
            Err((status, problem)) => {
                return text(status, format!("The body cannot be read: {problem}\n"));
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
        let mut of_dns = String::new();
        if let Some(name_server) = &self.name_server {
            name_server.render(&mut of_dns);
        }
        let Some(edge) = &self.edge else {
            let page = match path {
                "/metrics" => of_dns,
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
            ("/metrics", Some(edge)) => text(StatusCode::OK, edge.metrics() + &of_dns),
            (_, Some(_)) => text(StatusCode::OK, "ok\n".to_owned()),
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Answer::Whole(body) => {
                let frame = Pin::new(body).poll_frame(context);
                frame.map(|frame| frame.map(|frame| frame.map_err(|never| match never {})))
            }
            Answer::Streamed(body) => {
                let frame = Pin::new(body).poll_frame(context);
                frame.map(|frame| frame.map(|frame| frame.map_err(io::Error::other)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Answer::Whole(body) => body.is_end_stream(),
            Answer::Streamed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Answer::Whole(body) => body.size_hint(),
            Answer::Streamed(body) => body.size_hint(),
        }
    }
}

/// Reads a body, if all of it comes in time. Who sends it is not known before it is read, so that
/// it waits for its room among all that are read at once.
async fn read<B>(
    body: B,
    room: &Semaphore,
    within: Duration,
) -> Result<(Bytes, SemaphorePermit<'_>), (StatusCode, String)>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // One byte more than is allowed, so that the API sees that it is too much and says so.
    let limit = control::limits::BODY_BYTES_MAX + 1;
    let longest = body.size_hint().upper();
    let longest = longest.map_or(limit, |bytes| bytes.min(limit as u64) as usize);
    let reading = async {
        let room = room.acquire_many(longest.div_ceil(1 << 10) as u32).await;
        let room = room.expect("nobody closes the semaphore");
        match Limited::new(body, limit).collect().await {
            Ok(body) => Ok((body.to_bytes(), room)),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                Err((StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))
            }
            Err(error) => Err((StatusCode::BAD_REQUEST, error.to_string())),
        }
    };
    match tokio::time::timeout(within, reading).await {
        Ok(read) => read,
        Err(_) => Err((
            StatusCode::REQUEST_TIMEOUT,
            format!("it did not come within {} seconds", within.as_secs()),
        )),
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// The body of a client that says nothing more.
    struct Silence;

    impl Body for Silence {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    const SOON: Duration = Duration::from_millis(10);
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let room = Semaphore::new(limits::API_BODIES_KIB_MAX);
        let (status, _) = read(Silence, &room, SOON).await.unwrap_err();
        assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(room.available_permits(), limits::API_BODIES_KIB_MAX);
    }

    #[tokio::test]
    async fn bodies_wait_for_their_room() {
        let room = Semaphore::new(4);
        let body = |kib: usize| Full::new(Bytes::from(vec![b'x'; kib << 10]));
        let (first, held) = read(body(3), &room, LONG).await.unwrap();
        assert_eq!(first.len(), 3 << 10);
        let (status, _) = read(body(2), &room, SOON).await.unwrap_err();
        assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
        assert!(read(body(0), &room, SOON).await.is_ok());
        drop(held);
        assert!(read(body(2), &room, LONG).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_is_read_as_far_as_the_api_needs_to_see_that_it_is_too_long() {
        let room = Semaphore::new(limits::API_BODIES_KIB_MAX);
        let most = control::limits::BODY_BYTES_MAX;
        let body = |bytes: usize| Full::new(Bytes::from(vec![b'x'; bytes]));
        let (read_body, _) = read(body(most + 1), &room, LONG).await.unwrap();
        assert_eq!(read_body.len(), most + 1);
        let (status, _) = read(body(most + 2), &room, LONG).await.unwrap_err();
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
