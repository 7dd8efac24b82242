//! An HTTP/2 origin of tests, and calls to it.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use message::{Fields, Method};
use origin::{
    BodyError, BodySource, Client, FetchError, OriginBody, OriginRequest, OriginSpec, Protocol,
    RequestBody,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_local};

use crate::script::{bytes, get, read, request};

/// One request as the peer sees it.
pub struct Call {
    pub request: Request<RecvStream>,
    pub respond: SendResponse<Bytes>,
    /// Which connection it came on, from 1.
    pub connection: usize,
    /// Which request of all it is, from 1.
    pub number: usize,
}

/// An HTTP/2 origin on 127.0.0.1, plain TCP.
#[derive(Clone)]
pub struct Peer {
    pub port: u16,
    pub connections: Rc<Cell<usize>>,
    pub calls: Rc<Cell<usize>>,
}

impl Peer {
    pub async fn start<F: Future<Output = ()> + 'static>(
        answer: impl Fn(Call) -> F + 'static,
    ) -> Peer {
        Peer::start_with(|_| {}, answer).await
    }

    pub async fn start_with<F: Future<Output = ()> + 'static>(
        change: impl Fn(&mut h2::server::Builder) + 'static,
        answer: impl Fn(Call) -> F + 'static,
    ) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Peer {
            port: listener.local_addr().unwrap().port(),
            connections: Rc::default(),
            calls: Rc::default(),
        };
        let counts = peer.clone();
        let answer = Rc::new(answer);
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = counts.connections.get() + 1;
                counts.connections.set(connection);
                let mut builder = h2::server::Builder::new();
                change(&mut builder);
                let (counts, answer) = (counts.clone(), Rc::clone(&answer));
                spawn_local(async move {
                    let Ok(mut server) = builder.handshake(stream).await else {
                        return;
                    };
                    while let Some(Ok((request, respond))) = server.accept().await {
                        let number = counts.calls.get() + 1;
                        counts.calls.set(number);
                        spawn_local(answer(Call {
                            request,
                            respond,
                            connection,
                            number,
                        }));
                    }
                });
            }
        });
        peer
    }

    pub fn spec(&self) -> OriginSpec {
        spec(self.port)
    }
}

pub fn spec(port: u16) -> OriginSpec {
    let mut spec = OriginSpec::new("test", "127.0.0.1");
    (spec.http_port, spec.https_port) = (port, port);
    (spec.read_timeout_ms, spec.connection_timeout_ms) = (5_000, 5_000);
    spec
}

impl Call {
    /// Reads the request's body to its end.
    pub async fn body(&mut self) -> String {
        let body = self.request.body_mut();
        let mut all = Vec::new();
        while let Some(Ok(piece)) = body.data().await {
            let _ = body.flow_control().release_capacity(piece.len());
            all.extend_from_slice(&piece);
        }
        String::from_utf8(all).unwrap()
    }

    pub fn head(&mut self) -> SendStream<Bytes> {
        self.respond
            .send_response(Response::new(()), false)
            .unwrap()
    }

    /// Answers with a body and the status of a call that went well.
    pub fn ok(&mut self, body: &str) {
        let mut stream = self.head();
        stream.send_data(bytes(body), false).unwrap();
        stream.send_trailers(grpc_status("0")).unwrap();
    }
}

pub fn grpc_status(status: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    trailers
}

/// Answers every call with what it sent.
pub async fn echo(mut call: Call) {
    let body = call.body().await;
    call.ok(&format!("{}:{body}", call.connection));
}

/// What a viewer sends: what the test pushes, then trailers.
struct Pushed {
    pieces: mpsc::UnboundedReceiver<Result<Bytes, BodyError>>,
    trailers: Option<Fields>,
}

impl BodySource for Pushed {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.pieces.poll_recv(cx)
    }

    fn trailers(&mut self) -> Option<Fields> {
        self.trailers.take()
    }
}

pub type Push = mpsc::UnboundedSender<Result<Bytes, BodyError>>;

/// A call whose body the test pushes.
pub fn streaming(trailers: Option<Fields>) -> (Push, OriginRequest) {
    let (push, pieces) = mpsc::unbounded_channel();
    let body = Pushed { pieces, trailers };
    let mut request = OriginRequest {
        protocol: Protocol::Http2,
        body: RequestBody::Stream {
            length: None,
            body: Box::new(body),
        },
        ..request(Method::Post, "/pkg.Service/Method")
    };
    for (name, value) in [("Content-Type", "application/grpc"), ("TE", "trailers")] {
        request.fields.push(name.as_bytes(), value.as_bytes());
    }
    (push, request)
}

/// A call with one message.
pub fn unary(message: &str) -> OriginRequest {
    let (push, request) = streaming(None);
    push.send(Ok(bytes(message))).unwrap();
    request
}

pub fn get2(target: &str) -> OriginRequest {
    OriginRequest {
        protocol: Protocol::Http2,
        ..get(target)
    }
}

/// Makes a call and reads its answer, with the `grpc-status` behind it.
pub async fn call(
    client: &Client,
    spec: &OriginSpec,
    request: OriginRequest,
) -> Result<(String, Option<String>), FetchError> {
    let mut response = client.fetch(spec, request).await?;
    let body = read(&mut response.body).await?;
    Ok((body, status_of(&mut response.body)))
}

pub fn status_of(body: &mut OriginBody) -> Option<String> {
    let trailers = body.take_trailers()?;
    let status = trailers.get("grpc-status")?;
    Some(String::from_utf8(status.to_vec()).unwrap())
}

pub fn fine(body: &str) -> Result<(String, Option<String>), FetchError> {
    Ok((body.to_owned(), Some("0".to_owned())))
}

/// Calls at once, answered in the order of their messages.
pub async fn at_once(
    client: &Client,
    spec: &OriginSpec,
    count: usize,
) -> Vec<Result<(String, Option<String>), FetchError>> {
    let calls: Vec<JoinHandle<_>> = (0..count)
        .map(|number| {
            let (client, spec) = (client.clone(), spec.clone());
            spawn_local(async move { call(&client, &spec, unary(&number.to_string())).await })
        })
        .collect();
    let mut results = Vec::new();
    for call in calls {
        results.push(call.await.unwrap());
    }
    results
}

/// Frames by hand, for what no server does on purpose.
pub mod frames {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const SETTINGS: u8 = 4;
    pub const GOAWAY: u8 = 7;
    pub const END_STREAM: u8 = 1;
    pub const END_HEADERS: u8 = 4;

    /// Reads the preface and sends settings.
    pub async fn begin(stream: &mut TcpStream) {
        stream.read_exact(&mut [0; 24]).await.unwrap();
        write(stream, SETTINGS, 0, 0, &[]).await;
    }

    pub async fn write(stream: &mut TcpStream, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(id.to_be_bytes());
        frame.extend(payload);
        stream.write_all(&frame).await.unwrap();
    }

    /// Kind and stream of the next frame.
    pub async fn read(stream: &mut TcpStream) -> Option<(u8, u32)> {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        stream
            .read_exact(&mut vec![0; length as usize])
            .await
            .ok()?;
        Some((head[3], u32::from_be_bytes(head[5..].try_into().unwrap())))
    }

    /// Reads until that many bodies have ended or begun to come; gives their streams.
    pub async fn requests(stream: &mut TcpStream, count: usize) -> Vec<u32> {
        let mut ids = Vec::new();
        while ids.len() < count {
            match read(stream).await {
                Some((DATA, id)) => ids.push(id),
                Some(_) => {}
                None => break,
            }
        }
        ids
    }

    /// Answers with `200` and a body.
    pub async fn answer(stream: &mut TcpStream, id: u32, body: &[u8]) {
        write(stream, HEADERS, END_HEADERS, id, &[0x88]).await;
        write(stream, DATA, END_STREAM, id, body).await;
    }

    /// Says that streams above `last` were not looked at.
    pub async fn go_away(stream: &mut TcpStream, last: u32) {
        let mut payload = last.to_be_bytes().to_vec();
        payload.extend([0; 4]);
        write(stream, GOAWAY, 0, 0, &payload).await;
    }
}
