//! Handshakes, one after the other on so many connections at once. Each ends in good order: the
//! viewer closes once the server has seen all and has sent its tickets, and the server after it.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::{ClientConfig, HandshakeKind};

use crate::histogram::Histogram;
use crate::load::Report;
use crate::sys::{Epoll, Events, connect};
use crate::tls::{TlsClient, client_config};

/// Sessions that a viewer keeps for its next handshake.
const SESSIONS_KEPT: usize = 8;
/// Source addresses taken in turns: ports of closed connections are not free at once.
const SOURCES: usize = 250;
const ERRORS_MAX: u64 = 1_000;

/// What to do, and how often.
pub struct Plan {
    /// The server.
    pub addr: SocketAddrV4,
    /// The name that is asked for.
    pub name: String,
    /// Handshakes at a time.
    pub connections: usize,
    /// For how long.
    pub duration: Duration,
    /// Resume the session of the handshake before.
    pub is_resuming: bool,
    /// By TLS 1.2 instead of 1.3.
    pub is_tls12: bool,
}

/// Shakes hands until the time is over. In the report, what is not of the kind that was asked for
/// counts among `not_2xx`.
pub fn run(plan: &Plan) -> io::Result<Report> {
    let epoll = Epoll::new()?;
    let mut events = Events::with_capacity(plan.connections.max(1));
    let mut viewers = (0..plan.connections)
        .map(|token| Viewer::new(plan, token))
        .collect::<io::Result<Vec<_>>>()?;
    let begin = Instant::now();
    let mut report = Report::new();
    let mut latencies = Histogram::new();
    for viewer in &mut viewers {
        viewer.begin(plan, &epoll)?;
    }
    while begin.elapsed() < plan.duration && report.errors < ERRORS_MAX {
        epoll.wait(&mut events, 100)?;
        let mut index = 0;
        while let Some(token) = events.token(index) {
            index += 1;
            let viewer = &mut viewers[token];
            match viewer.advance() {
                Ok(false) => continue,
                Ok(true) => {
                    report.finished += 1;
                    let is_first = !std::mem::replace(&mut viewer.has_session, true);
                    let expected = match plan.is_resuming && !is_first {
                        true => HandshakeKind::Resumed,
                        false => HandshakeKind::Full,
                    };
                    report.not_2xx += u64::from(viewer.kind != Some(expected));
                    latencies.record_since(viewer.begun);
                }
                Err(_) => report.errors += 1,
            }
            viewer.begin(plan, &epoll)?;
        }
    }
    report.elapsed = begin.elapsed();
    report.latencies = latencies;
    Ok(report)
}

struct Viewer {
    config: Arc<ClientConfig>,
    token: usize,
    sources: usize,
    client: Option<TlsClient>,
    begun: Instant,
    kind: Option<HandshakeKind>,
    has_session: bool,
    is_closing: bool,
}

impl Viewer {
    fn new(plan: &Plan, token: usize) -> io::Result<Viewer> {
        let mut config = client_config(b"http/1.1", plan.is_tls12).map_err(io::Error::other)?;
        if plan.is_resuming {
            config.resumption = Resumption::in_memory_sessions(SESSIONS_KEPT);
        }
        Ok(Viewer {
            config: Arc::new(config),
            token,
            sources: token,
            client: None,
            begun: Instant::now(),
            kind: None,
            has_session: false,
            is_closing: false,
        })
    }

    fn begin(&mut self, plan: &Plan, epoll: &Epoll) -> io::Result<()> {
        self.client = None;
        self.kind = None;
        self.is_closing = false;
        self.begun = Instant::now();
        self.sources += 1;
        let last = u8::try_from(self.sources % SOURCES + 1).expect("there are 250 at most");
        let socket = connect(Ipv4Addr::new(127, 0, 1, last), plan.addr)?;
        epoll.add(&socket, self.token)?;
        let mut client = TlsClient::new(Arc::clone(&self.config), &plan.name, socket)?;
        // What comes of it is seen when the server answers.
        let _ = client.shake();
        self.client = Some(client);
        Ok(())
    }

    /// Returns whether the server has closed the connection after a whole handshake.
    fn advance(&mut self) -> io::Result<bool> {
        let Some(client) = &mut self.client else {
            return Ok(false);
        };
        if self.kind.is_none() {
            self.kind = client.shake()?;
            if self.kind.is_none() {
                return Ok(false);
            }
        }
        let outcome = client.read(&mut [0; 64]);
        if !self.is_closing && client.is_settled() {
            self.is_closing = true;
            client.finish()?;
        }
        match outcome.map_err(|error| error.kind()) {
            Ok(0) if self.is_closing => Ok(true),
            Ok(_) => Err(ErrorKind::InvalidData.into()),
            Err(ErrorKind::WouldBlock) => Ok(false),
            // Some end it this way who have nothing to say.
            Err(ErrorKind::ConnectionReset) if self.is_closing => Ok(true),
            Err(kind) => Err(kind.into()),
        }
    }
}
