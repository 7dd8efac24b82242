//! The edge by HTTP/2: what viewers get, what they may not do, and what origins see of it.

#![allow(
    clippy::unwrap_used,
    reason = "Clippy sees a test only in what is marked as one"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "a slow viewer or origin is one that really is slow"
)]

#[path = "../world/mod.rs"]
mod world;

mod abuse;
mod exchanges;
mod frames;
mod grpc;
mod heads;
mod limits;
mod tls;
mod websocket;

use std::future::Future;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use edge::Timeouts;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request};
use serde_json::Value;
use tls::Stage;
use tokio::task::LocalSet;
use tokio::time::timeout;
use world::PATIENCE;

/// An edge that has this little patience with viewers.
fn impatient(config: &Value, adjust: impl FnOnce(&mut Timeouts)) -> Stage {
    Stage::with(config, |settings| adjust(&mut settings.timeouts))
}

/// Runs a test that speaks to the edge by many streams at once.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let patience = async { timeout(3 * PATIENCE, test).await.expect("it ends") };
    LocalSet::new().block_on(&runtime, patience);
}

/// An origin that handles its connections itself, from the first byte on.
fn raw_origin(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let handle = Arc::new(handle);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.set_write_timeout(Some(PATIENCE)).unwrap();
            let handle = Arc::clone(&handle);
            std::thread::spawn(move || handle(stream));
        }
    });
    address
}

/// A viewer's connection.
struct Viewer {
    send: SendRequest<Bytes>,
    /// Ends with the connection: as its error says, if there was one.
    connection: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

/// A reply as a viewer got it.
#[derive(Debug)]
struct Got {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
    /// Why the stream broke off.
    broken: Option<Reason>,
}

impl Got {
    fn get(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("text"))
    }

    fn cache(&self) -> &str {
        let value = self.get("x-cache").unwrap_or("-");
        value.split(' ').next().unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A request for something at the site, without a body.
fn ask(method: &str, target: &str) -> Request<()> {
    Request::builder()
        .method(method)
        .uri(format!("https://site.test{target}"))
        .body(())
        .unwrap()
}

impl Viewer {
    async fn connect(world: &Stage) -> Viewer {
        Viewer::with(world, |_| {}).await
    }

    async fn with(world: &Stage, adjust: impl FnOnce(&mut h2::client::Builder)) -> Viewer {
        let mut builder = h2::client::Builder::new();
        adjust(&mut builder);
        let stream = world.connect().await;
        let (send, connection) = builder.handshake(stream).await.unwrap();
        let connection = tokio::task::spawn_local(connection);
        Viewer { send, connection }
    }

    /// Sends a request without a body.
    async fn send(&mut self, request: Request<()>) -> h2::client::ResponseFuture {
        let mut send = self.send.clone().ready().await.unwrap();
        send.send_request(request, true).unwrap().0
    }

    async fn fetch(&mut self, request: Request<()>) -> Got {
        let response = self.send(request).await;
        receive(response).await
    }

    async fn get(&mut self, target: &str) -> Got {
        self.fetch(ask("GET", target)).await
    }

    /// Sends a request with this body.
    async fn upload(&mut self, request: Request<()>, body: &[u8]) -> Got {
        let mut send = self.send.clone().ready().await.unwrap();
        let (response, mut stream) = send.send_request(request, false).unwrap();
        stream
            .send_data(Bytes::copy_from_slice(body), true)
            .unwrap();
        receive(response).await
    }
}

/// Takes a reply as fast as it comes.
async fn receive(response: h2::client::ResponseFuture) -> Got {
    let mut got = Got {
        status: 0,
        headers: HeaderMap::new(),
        body: Vec::new(),
        trailers: None,
        broken: None,
    };
    match response.await {
        Ok(response) => {
            let (head, mut body) = response.into_parts();
            got.status = head.status.as_u16();
            got.headers = head.headers;
            if let Err(error) = receive_body(&mut body, &mut got).await {
                got.broken = error.reason();
            }
        }
        Err(error) => got.broken = Some(error.reason().unwrap_or(Reason::NO_ERROR)),
    }
    got
}

async fn receive_body(body: &mut RecvStream, got: &mut Got) -> Result<(), h2::Error> {
    while let Some(bytes) = body.data().await {
        let bytes = bytes?;
        got.body.extend_from_slice(&bytes);
        body.flow_control().release_capacity(bytes.len())?;
    }
    got.trailers = body.trailers().await?;
    Ok(())
}

/// Waits a little; only as long as it must be.
async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
