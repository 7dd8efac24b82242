//! Load by HTTP/3: so many connections with so many streams on each, all on one thread. Its own
//! cost is far above that of the HTTP/1.1 load: only the server's CPU time says anything.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Buf;
use h3::client::SendRequest;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint, TransportConfig, VarInt};
use tokio::task::LocalSet;

use crate::load::{Plan, Report, Requests};
use crate::tls::client_config;

/// Windows that never hold a server back here.
const STREAM_WINDOW_BYTES: u32 = 16 << 20;
const WINDOW_BYTES: u32 = 64 << 20;
/// Requests in flight may still end for so long; they are not counted.
const END_TIMEOUT: Duration = Duration::from_secs(1);

type Sender = SendRequest<h3_quinn::OpenStreams, bytes::Bytes>;

/// Keeps `streams` requests open on each of `plan.connections`.
pub fn run(plan: &Plan, streams: usize) -> io::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, drive(plan, streams))
}

async fn drive(plan: &Plan, streams: usize) -> io::Result<Report> {
    let endpoint = endpoint()?;
    let shared = Rc::new(RefCell::new((Requests::new(plan), Report::new())));
    let mut senders = Vec::new();
    for _ in 0..plan.connections {
        senders.push(connect(&endpoint, plan).await?);
    }
    let begin = Instant::now();
    let deadline = plan.duration.map(|duration| begin + duration);
    let authority = format!("https://{}", plan.host);
    let mut tasks = Vec::new();
    for sender in &senders {
        for _ in 0..streams {
            let (sender, shared, authority) =
                (sender.clone(), Rc::clone(&shared), authority.clone());
            tasks.push(tokio::task::spawn_local(async move {
                repeat(sender, &shared, &authority, deadline).await;
            }));
        }
    }
    let all = async {
        for task in &mut tasks {
            let _ = task.await;
        }
    };
    match plan.duration {
        None => all.await,
        Some(duration) => {
            let _ = tokio::time::timeout(duration, all).await;
        }
    }
    let elapsed = begin.elapsed();
    for task in &tasks {
        task.abort();
    }
    drop(senders);
    endpoint.close(VarInt::from_u32(0x100), b"");
    let _ = tokio::time::timeout(END_TIMEOUT, endpoint.wait_idle()).await;
    let mut report = std::mem::replace(&mut shared.borrow_mut().1, Report::new());
    report.elapsed = elapsed;
    Ok(report)
}

fn endpoint() -> io::Result<Endpoint> {
    let tls = client_config(b"h3", false).map_err(io::Error::other)?;
    let quic = QuicClientConfig::try_from(tls).map_err(io::Error::other)?;
    let mut transport = TransportConfig::default();
    transport
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(WINDOW_BYTES));
    let mut config = ClientConfig::new(Arc::new(quic));
    config.transport_config(Arc::new(transport));
    let mut endpoint = Endpoint::client(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0))?;
    endpoint.set_default_client_config(config);
    Ok(endpoint)
}

async fn connect(endpoint: &Endpoint, plan: &Plan) -> io::Result<Sender> {
    let name = plan.host.split(':').next().unwrap_or_default();
    let connecting = endpoint
        .connect(SocketAddr::V4(plan.addr), name)
        .map_err(io::Error::other)?;
    let connection = h3_quinn::Connection::new(connecting.await.map_err(io::Error::other)?);
    let (mut driver, sender) = h3::client::new(connection)
        .await
        .map_err(io::Error::other)?;
    tokio::task::spawn_local(async move {
        std::future::poll_fn(|cx| driver.poll_close(cx)).await;
    });
    Ok(sender)
}

async fn repeat(
    mut sender: Sender,
    shared: &RefCell<(Requests, Report)>,
    authority: &str,
    deadline: Option<Instant>,
) {
    while deadline.is_none_or(|deadline| Instant::now() < deadline) {
        let Some(path) = shared.borrow_mut().0.next_path() else {
            return;
        };
        let begin = Instant::now();
        let outcome = ask(&mut sender, &format!("{authority}{path}")).await;
        let report = &mut shared.borrow_mut().1;
        match outcome {
            Ok((status, bytes)) => report.note(status, bytes, begin),
            Err(_) => {
                report.errors += 1;
                return;
            }
        }
    }
}

/// Status, and bytes of the body.
async fn ask(sender: &mut Sender, url: &str) -> Result<(u16, u64), h3::error::StreamError> {
    let request = http::Request::get(url)
        .header("user-agent", "bench-load")
        .body(())
        .expect("the URL is one of ours");
    let mut stream = sender.send_request(request).await?;
    stream.finish().await?;
    let status = stream.recv_response().await?.status().as_u16();
    let mut bytes = 0;
    while let Some(data) = stream.recv_data().await? {
        bytes += data.remaining() as u64;
    }
    Ok((status, bytes))
}
