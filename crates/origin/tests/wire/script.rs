//! A scripted origin, and short forms for what every test does.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use message::{Fields, Method};
use origin::{
    Client, ClientConfig, FetchError, FixedResolver, OriginBody, OriginRequest, OriginResponse,
    OriginSpec, PoolLimits, Protocol, RequestBody, Scheme, TlsRoots,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What an origin does with a connection, in order; then it closes it.
#[derive(Clone)]
pub enum Step {
    /// Reads a request head and remembers it.
    Head,
    /// Reads that many bytes of body and remembers them.
    Body(usize),
    /// Sends bytes.
    Send(Vec<u8>),
    /// Waits until the client closes, and remembers that it did.
    AwaitClose,
    /// Leaves the connection open and silent.
    Hold,
    /// Closes with a reset.
    Reset,
    /// Lets time pass.
    Pause(u64),
}

pub fn send(bytes: impl AsRef<[u8]>) -> Step {
    Step::Send(bytes.as_ref().to_vec())
}

/// A response with a Content-Length.
pub fn ok(body: &str) -> Step {
    send(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// A scripted origin on 127.0.0.1. Connections beyond the script are closed at once.
pub struct Origin {
    pub port: u16,
    pub heads: Rc<RefCell<Vec<String>>>,
    pub bodies: Rc<RefCell<Vec<u8>>>,
    pub connections: Rc<Cell<usize>>,
    pub closed: Rc<Notify>,
}

impl Origin {
    pub async fn start(script: Vec<Vec<Step>>) -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = Origin {
            port: listener.local_addr().unwrap().port(),
            heads: Rc::default(),
            bodies: Rc::default(),
            connections: Rc::default(),
            closed: Rc::default(),
        };
        let (heads, bodies) = (Rc::clone(&origin.heads), Rc::clone(&origin.bodies));
        let (connections, closed) = (Rc::clone(&origin.connections), Rc::clone(&origin.closed));
        tokio::task::spawn_local(async move {
            let mut script = script.into_iter();
            while let Ok((stream, _)) = listener.accept().await {
                connections.set(connections.get() + 1);
                let steps = script.next().unwrap_or_default();
                let (heads, bodies) = (Rc::clone(&heads), Rc::clone(&bodies));
                let closed = Rc::clone(&closed);
                tokio::task::spawn_local(play(stream, steps, heads, bodies, closed));
            }
        });
        origin
    }

    pub fn spec(&self) -> OriginSpec {
        let mut spec = OriginSpec::new("test", "127.0.0.1");
        (spec.http_port, spec.https_port) = (self.port, self.port);
        spec.read_timeout_ms = 5_000;
        spec.connection_timeout_ms = 5_000;
        spec
    }

    pub fn spec_with(&self, change: impl FnOnce(&mut OriginSpec)) -> OriginSpec {
        let mut spec = self.spec();
        change(&mut spec);
        spec
    }

    /// The targets of the requests received, in order.
    pub fn targets(&self) -> Vec<String> {
        let heads = self.heads.borrow();
        heads
            .iter()
            .map(|head| head.split(' ').nth(1).unwrap_or("").to_owned())
            .collect()
    }
}

async fn play(
    mut stream: TcpStream,
    steps: Vec<Step>,
    heads: Rc<RefCell<Vec<String>>>,
    bodies: Rc<RefCell<Vec<u8>>>,
    closed: Rc<Notify>,
) {
    let mut buffer = Vec::new();
    for step in steps {
        match step {
            Step::Head => {
                let end = loop {
                    if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                        break at + 4;
                    }
                    if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                        return;
                    }
                };
                heads
                    .borrow_mut()
                    .push(String::from_utf8_lossy(&buffer[..end]).into_owned());
                buffer.drain(..end);
            }
            Step::Body(count) => {
                while buffer.len() < count {
                    if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                        return;
                    }
                }
                bodies.borrow_mut().extend(buffer.drain(..count));
            }
            Step::Send(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Step::AwaitClose => {
                let mut sink = [0; 4096];
                while matches!(stream.read(&mut sink).await, Ok(1..)) {}
                closed.notify_one();
            }
            Step::Hold => std::future::pending::<()>().await,
            #[allow(deprecated)] // Deprecated because it may block; with zero it never does.
            Step::Reset => stream.set_linger(Some(Duration::ZERO)).unwrap(),
            Step::Pause(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        }
    }
}

/// Runs a test as a worker runs: one thread, one runtime, one `LocalSet`; bound in time.
pub fn run(test: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(Duration::from_secs(30), test())
            .await
            .expect("the test hangs");
    });
}

pub fn client() -> Client {
    client_with(
        FixedResolver::new(),
        TlsRoots::mozilla(),
        PoolLimits::default(),
    )
}

pub fn client_with(
    resolver: FixedResolver,
    tls_roots: TlsRoots,
    pool_limits: PoolLimits,
) -> Client {
    Client::new(ClientConfig {
        resolver: Rc::new(resolver),
        tls_roots,
        pool_limits,
    })
}

pub fn resolver(name: &str, addresses: &[&str]) -> FixedResolver {
    let addresses: Vec<IpAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
    FixedResolver::new().with(name, &addresses)
}

pub fn request(method: Method, target: &str) -> OriginRequest {
    OriginRequest {
        method,
        scheme: Scheme::Http,
        protocol: Protocol::Http1,
        target: target.as_bytes().to_vec(),
        fields: [("Host", "origin.test")].into_iter().collect::<Fields>(),
        sni: None,
        body: RequestBody::Empty,
        upgrade: false,
    }
}

pub fn get(target: &str) -> OriginRequest {
    request(Method::Get, target)
}

pub async fn read(body: &mut OriginBody) -> Result<String, FetchError> {
    let mut all = Vec::new();
    while let Some(piece) = body.next().await {
        all.extend_from_slice(&piece?);
    }
    Ok(String::from_utf8_lossy(&all).into_owned())
}

/// Fetches and reads the whole body.
pub async fn fetch(
    client: &Client,
    spec: &OriginSpec,
    request: OriginRequest,
) -> Result<(OriginResponse, String), FetchError> {
    let mut response = client.fetch(spec, request).await?;
    let body = read(&mut response.body).await?;
    Ok((response, body))
}

/// Fetches and gives the status and body, or the error.
pub async fn answer(
    client: &Client,
    spec: &OriginSpec,
    request: OriginRequest,
) -> Result<(u16, String), FetchError> {
    fetch(client, spec, request)
        .await
        .map(|(response, body)| (response.head.status, body))
}

pub fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
