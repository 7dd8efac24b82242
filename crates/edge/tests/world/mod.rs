//! A small world to test the edge in: origins that answer as a test says, the edge itself over
//! real sockets with a clock that the test sets, and viewers.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    reason = "Clippy sees a test only in what is marked as one"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "who waits for other threads sleeps"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edge::site::{Policies, compile};
use edge::{Clock, Edge, EdgeConfig, Timeouts};
use serde_json::{Value, json};

pub mod files;

/// No test waits longer than this for a byte.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A request as an origin got it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub target: String,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self
            .fields
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// An origin on a port of its own. Each request is answered by the test's function, which writes
/// whatever bytes it likes; it returns whether the connection stays open.
pub struct Origin {
    pub address: SocketAddr,
    pub asked: Arc<Mutex<Vec<Asked>>>,
    pub connections: Arc<AtomicUsize>,
}

impl Origin {
    pub fn scripted<F>(answer: F) -> Origin
    where
        F: Fn(&Asked, usize, &mut TcpStream) -> bool + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, connections) = (
            Arc::new(Mutex::new(Vec::new())),
            Arc::new(AtomicUsize::new(0)),
        );
        let (log, count, answer) = (
            Arc::clone(&asked),
            Arc::clone(&connections),
            Arc::new(answer),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                count.fetch_add(1, Ordering::SeqCst);
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut buffer = Vec::new();
                    while let Some(request) = read_request(&mut stream, &mut buffer) {
                        let number = {
                            let mut log = log.lock().unwrap();
                            log.push(request.clone());
                            log.len() - 1
                        };
                        if !answer(&request, number, &mut stream) {
                            return;
                        }
                    }
                });
            }
        });
        Origin {
            address,
            asked,
            connections,
        }
    }

    /// Answers every request with this head (without framing) and body.
    pub fn fixed(status: &str, fields: &[(&str, &str)], body: &str) -> Origin {
        let answer = response(status, fields, body);
        Origin::scripted(move |_, _, stream| stream.write_all(answer.as_bytes()).is_ok())
    }

    pub fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    pub fn last(&self) -> Asked {
        self.asked
            .lock()
            .unwrap()
            .last()
            .expect("the origin was asked")
            .clone()
    }
}

/// A response with a `Content-Length`.
pub fn response(status: &str, fields: &[(&str, &str)], body: &str) -> String {
    let fields: String = fields
        .iter()
        .map(|(n, v)| format!("{n}: {v}\r\n"))
        .collect();
    format!(
        "HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Asked> {
    let head_len = loop {
        if let Some(at) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break at + 4;
        }
        read_more(stream, buffer)?;
    };
    let head = String::from_utf8_lossy(&buffer[..head_len]).into_owned();
    buffer.drain(..head_len);
    let mut lines = head.trim_end().split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let fields: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut asked = Asked {
        method,
        target,
        fields,
        body: Vec::new(),
    };
    if let Some(length) = asked
        .get("content-length")
        .and_then(|v| v.parse::<usize>().ok())
    {
        while buffer.len() < length {
            read_more(stream, buffer)?;
        }
        asked.body = buffer.drain(..length).collect();
    } else if asked.get("transfer-encoding").is_some() {
        asked.body = read_chunked(stream, buffer)?;
    }
    Some(asked)
}

fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut bytes = [0; 64 * 1024];
    let count = stream.read(&mut bytes).ok().filter(|count| *count > 0)?;
    buffer.extend_from_slice(&bytes[..count]);
    Some(())
}

fn read_chunked(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = loop {
            match buffer.windows(2).position(|bytes| bytes == b"\r\n") {
                Some(at) => break at,
                None => read_more(stream, buffer)?,
            }
        };
        let size = usize::from_str_radix(std::str::from_utf8(&buffer[..line]).ok()?, 16).ok()?;
        while buffer.len() < line + 2 + size + 2 {
            read_more(stream, buffer)?;
        }
        body.extend_from_slice(&buffer[line + 2..line + 2 + size]);
        buffer.drain(..line + 2 + size + 2);
        if size == 0 {
            return Some(body);
        }
    }
}

/// A response as a viewer got it.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The body broke off before its announced end.
    pub is_broken: bool,
}

impl Answer {
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self
            .fields
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn get_all(&self, name: &str) -> Vec<&str> {
        let all = self
            .fields
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        all.map(|(_, value)| value.as_str()).collect()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// `Hit`, `Miss`, `RefreshHit`, `Error`, …: what `X-Cache` begins with.
    pub fn cache(&self) -> &str {
        self.get("x-cache")
            .and_then(|value| value.split(' ').next())
            .unwrap_or("-")
    }
}

/// A viewer's connection.
pub struct Client {
    pub stream: TcpStream,
    pub buffer: Vec<u8>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client {
            stream,
            buffer: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends a request without a body.
    pub fn ask(&mut self, method: &str, target: &str, fields: &[(&str, &str)]) {
        let mut request = format!("{method} {target} HTTP/1.1\r\n");
        if !fields
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            request.push_str("Host: site.test\r\n");
        }
        for (name, value) in fields {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        self.send(request + "\r\n");
    }

    /// Reads until a response head is complete, and the bytes of the head alone.
    pub fn read_head(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self
                .buffer
                .windows(4)
                .position(|bytes| bytes == b"\r\n\r\n")
            {
                break at + 4;
            }
            read_more(&mut self.stream, &mut self.buffer)?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end);
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let fields = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        Some(Answer {
            status,
            fields,
            body: Vec::new(),
            is_broken: false,
        })
    }

    /// Reads one response to a request of that method; `None` when the connection ended first.
    pub fn read_answer(&mut self, method: &str) -> Option<Answer> {
        let mut answer = self.read_head()?;
        if method == "HEAD" || matches!(answer.status, 100..200 | 204 | 304) {
            return Some(answer);
        }
        if let Some(length) = answer
            .get("content-length")
            .and_then(|v| v.parse::<usize>().ok())
        {
            while self.buffer.len() < length {
                if read_more(&mut self.stream, &mut self.buffer).is_none() {
                    answer.is_broken = true;
                    break;
                }
            }
            let length = length.min(self.buffer.len());
            answer.body = self.buffer.drain(..length).collect();
        } else if answer.get("transfer-encoding").is_some() {
            match read_chunked(&mut self.stream, &mut self.buffer) {
                Some(body) => answer.body = body,
                None => answer.is_broken = true,
            }
        } else {
            while read_more(&mut self.stream, &mut self.buffer).is_some() {}
            answer.body = std::mem::take(&mut self.buffer);
        }
        Some(answer)
    }

    pub fn get(&mut self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.ask("GET", target, fields);
        self.read_answer("GET").expect("an answer")
    }
}

/// A running edge with one distribution, and the clock that it goes by.
pub struct World {
    pub edge: Option<Edge>,
    pub address: SocketAddr,
    pub clock: Clock,
}

impl World {
    /// An edge in front of this origin with nothing but the path in the key, and these TTLs.
    pub fn caching(origin: SocketAddr, (min, default, max): (u64, u64, u64)) -> World {
        World::caching_with(&distribution(origin), (min, default, max))
    }

    /// An edge that serves this distribution, with a cache policy of these TTLs.
    pub fn caching_with(config: &Value, (min, default, max): (u64, u64, u64)) -> World {
        let mut config = config.clone();
        config["DefaultCacheBehavior"]["CachePolicyId"] = json!("test");
        let mut policies = Policies::managed();
        policies.insert_cache("test", cache_policy(min, default, max));
        World::with(&config, &policies, |_| {})
    }

    /// An edge that serves this distribution (see [`distribution`]) for every host of `Aliases`.
    pub fn new(config: &Value) -> World {
        World::with(config, &Policies::managed(), |_| {})
    }

    pub fn with(
        config: &Value,
        policies: &Policies,
        adjust: impl FnOnce(&mut EdgeConfig),
    ) -> World {
        let clock = Clock::by_hand(1_700_000_000_000);
        let mut settings = EdgeConfig {
            http: vec!["127.0.0.1:0".parse().unwrap()],
            https: Vec::new(),
            http3: true,
            secrets: std::sync::Arc::new(secrets::Secrets::new([7; secrets::KEY_BYTES])),
            unknown_names: tls::UnknownName::Default,
            workers: 2,
            cache_bytes: 256 << 20,
            pop: "TST1-C1".into(),
            node: "0123456789abcdef.test".into(),
            access_logs: None,
            geo: None,
            connections_per_client: 10_000,
            origin_ca_bundle: None,
            origin_keys: Default::default(),
            clock: clock.clone(),
            timeouts: Timeouts::default(),
        };
        adjust(&mut settings);
        let shape = shapes::from_value(config).unwrap();
        let site = compile("ETEST", "dtest.cdn.test", &shape, policies).unwrap();
        let edge = Edge::start(settings, vec![site]).unwrap();
        let address = edge.addresses()[0];
        World {
            edge: Some(edge),
            address,
            clock,
        }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// One GET on a connection of its own.
    pub fn get(&self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.client().get(target, fields)
    }

    /// One request without a body on a connection of its own.
    pub fn ask(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
        let mut client = self.client();
        client.ask(method, target, fields);
        client.read_answer(method).expect("an answer")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(edge) = self.edge.take() {
            edge.stop();
        }
    }
}

/// The JSON of a distribution in front of one origin, which a test changes as it likes.
/// Cache policy: UseOriginCacheControlHeaders-QueryStrings; origin request policy:
/// AllViewerExceptHostHeader; all methods; no compression.
pub fn distribution(origin: SocketAddr) -> Value {
    json!({
        "CallerReference": "test",
        "Comment": "",
        "Enabled": true,
        "Aliases": { "Quantity": 1, "Items": ["site.test"] },
        "Origins": { "Quantity": 1, "Items": [origin_json("main", origin)] },
        "DefaultCacheBehavior": behavior("main"),
    })
}

pub fn origin_json(id: &str, address: SocketAddr) -> Value {
    json!({
        "Id": id,
        "DomainName": address.ip().to_string(),
        "CustomOriginConfig": {
            "HTTPPort": address.port(), "HTTPSPort": 443, "OriginProtocolPolicy": "http-only",
        },
    })
}

pub fn behavior(origin: &str) -> Value {
    json!({
        "TargetOriginId": origin,
        "ViewerProtocolPolicy": "allow-all",
        "AllowedMethods": {
            "Quantity": 7,
            "Items": ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"],
            "CachedMethods": { "Quantity": 2, "Items": ["GET", "HEAD"] },
        },
        "Compress": false,
        "CachePolicyId": "4cc15a8a-d715-48a4-82b8-cc0b614638fe",
        "OriginRequestPolicyId": "b689b0a8-53d0-40ab-baf2-68738e2966ac",
    })
}

/// A cache policy by its TTLs and nothing in the key besides the path, to be inserted by
/// `Policies::insert_cache`.
pub fn cache_policy(min: u64, default: u64, max: u64) -> shapes::cloudfront::CachePolicyConfig {
    shapes::from_value(&json!({
        "Name": "test",
        "MinTTL": min, "DefaultTTL": default, "MaxTTL": max,
        "ParametersInCacheKeyAndForwardedToOrigin": {
            "EnableAcceptEncodingGzip": false,
            "HeadersConfig": { "HeaderBehavior": "none" },
            "CookiesConfig": { "CookieBehavior": "none" },
            "QueryStringsConfig": { "QueryStringBehavior": "none" },
        },
    }))
    .unwrap()
}

/// Waits until something is so.
pub fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A door that origins wait at until a test opens it.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, std::sync::Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits for the door to open; `false` when nobody opens it for too long.
    pub fn wait(&self) -> bool {
        let is_open = self.0.0.lock().unwrap();
        let result = self
            .0
            .1
            .wait_timeout_while(is_open, PATIENCE, |open| !*open);
        !result.unwrap().1.timed_out()
    }
}

/// Time for requests that were sent to be with the edge. Nothing waits for longer than it must;
/// were it too short, a test would only test less.
pub fn let_them_arrive() {
    std::thread::sleep(Duration::from_millis(50));
}
