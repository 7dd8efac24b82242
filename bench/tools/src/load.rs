//! The load generator: keep-alive connections that each send the next request when the response
//! before it is complete, exact counts, and latencies from sending to the last byte.

use std::hash::{DefaultHasher, Hasher};
use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::histogram::Histogram;
use crate::http::{Finished, ResponseReader};
use crate::sys::{Epoll, Events, connect};
use crate::tls::{TlsClient, Transport, client_config};

const EVENTS_MAX: usize = 512;
const READ_BYTES: usize = 512 * 1024;
/// Connections from one source address: below the usual bounds per client, and far below the
/// number of ports.
const PER_SOURCE: usize = 256;
/// After this many errors the run is given up.
const ERRORS_MAX: u64 = 10_000;
/// How long a run may go on without any response.
const STALL: Duration = Duration::from_secs(30);

/// What to send, and how much of it.
pub struct Plan {
    /// The server.
    pub addr: SocketAddrV4,
    /// The path; `{}` in it stands for a number below `unique`.
    pub path: String,
    /// The Host field.
    pub host: String,
    /// Further header lines.
    pub headers: Vec<String>,
    /// Connections kept open.
    pub connections: usize,
    /// When to stop sending.
    pub duration: Option<Duration>,
    /// How many requests to send.
    pub requests: Option<u64>,
    /// How many different paths there are.
    pub unique: u64,
    /// Count up through the paths instead of choosing at random.
    pub is_in_order: bool,
    /// By TLS 1.3, with the name in `host`.
    pub is_tls: bool,
}

/// What came of a run.
pub struct Report {
    /// Complete answers.
    pub finished: u64,
    /// Requests without one.
    pub errors: u64,
    /// Answers that were not what was asked for.
    pub not_2xx: u64,
    body_bytes: u64,
    /// From the first request to the end.
    pub elapsed: Duration,
    /// From each request to its answer's last byte.
    pub latencies: Histogram,
    /// Distinct bodies seen, where they were compared.
    distinct_bodies: Option<usize>,
}

impl Report {
    /// One line of JSON.
    pub fn to_json(&self) -> String {
        let distinct = self
            .distinct_bodies
            .map_or(String::new(), |count| format!(", \"distinct\": {count}"));
        format!(
            "{{\"requests\": {}, \"errors\": {}, \"not_2xx\": {}, \"bytes\": {}, \
             \"seconds\": {:.4}, \"p50_us\": {:.1}, \"p99_us\": {:.1}, \"max_us\": {:.1}{distinct}}}",
            self.finished,
            self.errors,
            self.not_2xx,
            self.body_bytes,
            self.elapsed.as_secs_f64(),
            self.latencies.percentile_us(50.0),
            self.latencies.percentile_us(99.0),
            self.latencies.max_us(),
        )
    }

    /// Nothing counted yet.
    pub fn new() -> Report {
        Report {
            finished: 0,
            errors: 0,
            not_2xx: 0,
            body_bytes: 0,
            elapsed: Duration::ZERO,
            latencies: Histogram::new(),
            distinct_bodies: None,
        }
    }

    fn count(&mut self, finished: Finished, sent_at: Instant) {
        self.note(finished.status, finished.body_bytes, sent_at);
    }

    /// Counts an answer to what was asked at `sent_at`.
    pub fn note(&mut self, status: u16, body_bytes: u64, sent_at: Instant) {
        self.finished += 1;
        self.body_bytes += body_bytes;
        if !(200..300).contains(&status) {
            self.not_2xx += 1;
        }
        self.latencies.record_since(sent_at);
    }
}

/// Keeps `plan.connections` busy until the time or the number of requests is reached.
pub fn run(plan: &Plan) -> io::Result<Report> {
    let mut requests = Requests::new(plan);
    let epoll = Epoll::new()?;
    let mut viewers = open(plan, &epoll)?;
    let mut report = Report::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut events = Events::with_capacity(EVENTS_MAX);
    let begin = Instant::now();
    let deadline = plan.duration.map(|duration| begin + duration);
    let mut in_flight = 0_usize;
    for viewer in &mut viewers {
        in_flight += usize::from(viewer.send_next(&mut requests)?);
    }
    let mut last_progress = begin;
    while in_flight > 0 && report.errors < ERRORS_MAX {
        epoll.wait(&mut events, 100)?;
        let now = Instant::now();
        if deadline.is_some_and(|deadline| now >= deadline) {
            break;
        }
        if now - last_progress > STALL {
            report.errors += in_flight as u64;
            break;
        }
        let mut index = 0;
        while let Some(token) = events.token(index) {
            index += 1;
            let viewer = &mut viewers[token];
            if !viewer.is_waiting {
                continue;
            }
            let finished_before = report.finished;
            let outcome = viewer.advance(&mut buffer, &mut requests, &mut report);
            if report.finished > finished_before {
                last_progress = now;
            }
            match outcome {
                Ok(true) => {}
                Ok(false) => in_flight -= 1,
                Err(Closed { was_in_flight }) => {
                    report.errors += u64::from(was_in_flight);
                    in_flight -= usize::from(was_in_flight);
                    *viewer = Viewer::open(plan, token)?;
                    epoll.add(viewer.stream.socket(), token)?;
                    in_flight += usize::from(viewer.send_next(&mut requests)?);
                }
            }
        }
    }
    report.elapsed = begin.elapsed();
    Ok(report)
}

/// Opens all connections, then sends one request on each at once, and compares the bodies.
pub fn burst(plan: &Plan) -> io::Result<Report> {
    let mut viewers = {
        let epoll = Epoll::new()?;
        open(plan, &epoll)?
    };
    // Registered anew only now: events of the connecting phase would be old by the time we wait.
    let epoll = Epoll::new()?;
    let mut requests = Requests::new(&Plan {
        requests: Some(plan.connections as u64),
        ..plan.copy()
    });
    let begin = Instant::now();
    let mut in_flight = 0_usize;
    for (token, viewer) in viewers.iter_mut().enumerate() {
        in_flight += usize::from(viewer.send_next(&mut requests)?);
        viewer.digest = Some(DefaultHasher::new());
        epoll.add(viewer.stream.socket(), token)?;
    }
    let deadline = begin + plan.duration.unwrap_or(STALL);
    let mut report = Report::new();
    let mut digests = Vec::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut events = Events::with_capacity(EVENTS_MAX);
    while in_flight > 0 && Instant::now() < deadline {
        epoll.wait(&mut events, 100)?;
        let mut index = 0;
        while let Some(token) = events.token(index) {
            index += 1;
            let viewer = &mut viewers[token];
            if !viewer.is_waiting {
                continue;
            }
            match viewer.advance(&mut buffer, &mut requests, &mut report) {
                Ok(true) => continue,
                Ok(false) => in_flight -= 1,
                Err(Closed { was_in_flight }) => {
                    report.errors += u64::from(was_in_flight);
                    in_flight -= usize::from(was_in_flight);
                }
            }
            if let Some(digest) = viewer.digest.take() {
                digests.push(digest.finish());
            }
        }
    }
    report.errors += in_flight as u64;
    report.elapsed = begin.elapsed();
    digests.sort_unstable();
    digests.dedup();
    report.distinct_bodies = Some(digests.len());
    Ok(report)
}

/// Opens all connections, makes one request on each, prints the report, and keeps the connections
/// open for `hold`; then prints how many of them the server closed meanwhile.
pub fn hold(plan: &Plan, hold: Duration) -> io::Result<()> {
    let epoll = Epoll::new()?;
    let mut viewers = open(plan, &epoll)?;
    let mut requests = Requests::new(&Plan {
        requests: Some(plan.connections as u64),
        ..plan.copy()
    });
    let mut report = Report::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut events = Events::with_capacity(EVENTS_MAX);
    let begin = Instant::now();
    // One after the other: this is about idle connections, not about a rush.
    for viewer in &mut viewers {
        viewer.send_next(&mut requests)?;
        let sent = Instant::now();
        while viewer.is_waiting && sent.elapsed() < STALL {
            epoll.wait(&mut events, 10)?;
            if let Err(Closed { was_in_flight }) =
                viewer.advance(&mut buffer, &mut requests, &mut report)
            {
                report.errors += u64::from(was_in_flight);
            }
        }
    }
    report.elapsed = begin.elapsed();
    println!("{}", report.to_json());
    io::stdout().flush()?;
    let deadline = Instant::now() + hold;
    let mut closed = 0_usize;
    while Instant::now() < deadline {
        epoll.wait(&mut events, 100)?;
        let mut index = 0;
        while let Some(token) = events.token(index) {
            index += 1;
            let outcome = viewers[token].stream.read(&mut buffer);
            closed += usize::from(matches!(outcome, Ok(0)));
        }
    }
    println!("{{\"closed\": {closed}}}");
    Ok(())
}

impl Plan {
    fn copy(&self) -> Plan {
        Plan {
            path: self.path.clone(),
            host: self.host.clone(),
            headers: self.headers.clone(),
            ..*self
        }
    }
}

fn open(plan: &Plan, epoll: &Epoll) -> io::Result<Vec<Viewer>> {
    (0..plan.connections)
        .map(|token| {
            let viewer = Viewer::open(plan, token)?;
            epoll.add(viewer.stream.socket(), token)?;
            Ok(viewer)
        })
        .collect()
}

/// Writes the requests, one after the other.
pub struct Requests {
    before_number: Vec<u8>,
    after_number: Vec<u8>,
    has_number: bool,
    unique: u64,
    is_in_order: bool,
    left: Option<u64>,
    sent: u64,
    random: u64,
}

impl Requests {
    /// As `plan` has it.
    pub fn new(plan: &Plan) -> Requests {
        let mut headers = String::new();
        for line in &plan.headers {
            headers.push_str(line);
            headers.push_str("\r\n");
        }
        let whole = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: bench-load\r\nAccept: */*\r\n{headers}\r\n",
            plan.path, plan.host
        );
        let (before, after) = whole.split_once("{}").unwrap_or((&whole, ""));
        Requests {
            before_number: before.as_bytes().to_vec(),
            after_number: after.as_bytes().to_vec(),
            has_number: !after.is_empty(),
            unique: plan.unique.max(1),
            is_in_order: plan.is_in_order,
            left: plan.requests,
            sent: 0,
            random: 0x2545_F491_4F6C_DD1D,
        }
    }

    /// The path of the next request, or `None` when all are sent.
    pub fn next_path(&mut self) -> Option<String> {
        let mut request = Vec::new();
        self.write_next(&mut request).then_some(())?;
        let request = String::from_utf8(request).ok()?;
        request.split(' ').nth(1).map(str::to_owned)
    }

    /// Appends the next request to `output`, or returns false when all are sent.
    fn write_next(&mut self, output: &mut Vec<u8>) -> bool {
        match &mut self.left {
            Some(0) => return false,
            Some(left) => *left -= 1,
            None => {}
        }
        output.extend_from_slice(&self.before_number);
        if self.has_number {
            write!(output, "{}", self.number()).expect("a vector takes all that is written");
            output.extend_from_slice(&self.after_number);
        }
        self.sent += 1;
        true
    }

    fn number(&mut self) -> u64 {
        if self.is_in_order {
            return self.sent % self.unique;
        }
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % self.unique
    }
}

/// One connection to the server under test.
struct Viewer {
    stream: Transport,
    reader: ResponseReader,
    sent_at: Instant,
    is_waiting: bool,
    output: Vec<u8>,
    /// Set to compare bodies.
    digest: Option<DefaultHasher>,
}

/// The server has closed the connection, or what came is no HTTP.
struct Closed {
    was_in_flight: bool,
}

impl Viewer {
    fn open(plan: &Plan, index: usize) -> io::Result<Viewer> {
        let source = u16::try_from(index / PER_SOURCE + 1).unwrap_or(u16::MAX);
        let [high, low] = source.to_be_bytes();
        let source = Ipv4Addr::new(127, 0, high, low);
        let socket = connect(source, plan.addr)?;
        let stream = if plan.is_tls {
            let config = client_config(b"http/1.1", false).map_err(io::Error::other)?;
            let name = plan.host.split(':').next().unwrap_or_default();
            let mut client = TlsClient::new(Arc::new(config), name, socket)?;
            client.shake_to_the_end()?;
            Transport::Tls(Box::new(client))
        } else {
            Transport::Plain(socket)
        };
        Ok(Viewer {
            stream,
            reader: ResponseReader::default(),
            sent_at: Instant::now(),
            is_waiting: false,
            output: Vec::new(),
            digest: None,
        })
    }

    /// Returns whether there was a request to send. Requests are far smaller than a socket's
    /// buffer, which is empty here, so that a partial write means something is wrong.
    fn send_next(&mut self, requests: &mut Requests) -> io::Result<bool> {
        self.output.clear();
        self.is_waiting = requests.write_next(&mut self.output);
        if self.is_waiting {
            self.sent_at = Instant::now();
            self.stream.write_all(&self.output)?;
        }
        Ok(self.is_waiting)
    }

    /// Reads until a short read. Returns whether a response is still awaited.
    fn advance(
        &mut self,
        buffer: &mut [u8],
        requests: &mut Requests,
        report: &mut Report,
    ) -> Result<bool, Closed> {
        let outcome = self.read(buffer, requests, report);
        if outcome.is_err() {
            self.is_waiting = false;
        }
        outcome
    }

    fn read(
        &mut self,
        buffer: &mut [u8],
        requests: &mut Requests,
        report: &mut Report,
    ) -> Result<bool, Closed> {
        loop {
            let count = match self.stream.read(buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(_) => {
                    return Err(Closed {
                        was_in_flight: true,
                    });
                }
            };
            if count == 0 {
                let finished = self.reader.end();
                if let Some(finished) = finished {
                    report.count(finished, self.sent_at);
                }
                return Err(Closed {
                    was_in_flight: finished.is_none(),
                });
            }
            let mut input = &buffer[..count];
            let digest = &mut self.digest;
            let outcome = self.reader.read(&mut input, |content| {
                if let Some(digest) = digest {
                    digest.write(content);
                }
            });
            match outcome {
                Ok(None) => {}
                Ok(Some(finished)) => {
                    report.count(finished, self.sent_at);
                    if !finished.keeps_alive || !input.is_empty() {
                        return Err(Closed {
                            was_in_flight: false,
                        });
                    }
                    let sent = self.send_next(requests);
                    if !sent.map_err(|_| Closed {
                        was_in_flight: true,
                    })? {
                        return Ok(false);
                    }
                }
                Err(_) => {
                    return Err(Closed {
                        was_in_flight: true,
                    });
                }
            }
            if count < buffer.len() && self.stream.is_drained_by_short_reads() {
                return Ok(true);
            }
        }
    }
}
