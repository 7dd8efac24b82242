//! The sockets, with a real engine behind them: what a client sees of them.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use dns::cookie::CookieSecret;
use dns::query_log::QueryLog;
use dns::rrl::RateLimit;
use dns::server::{Server, ServerConfig, TcpLimits, Transfers};
use dns::zone::Zone;
use dns::{Asker, Builder, Settings, World};
use documents::Resource;
use documents::route53::Zone as ZoneDocument;
use shapes::route53::ResourceRecordSet;

const A: u16 = 1;
const SOA: u16 = 6;
const AXFR: u16 = 252;
const NOERROR: u8 = 0;
const NXDOMAIN: u8 = 3;
const REFUSED: u8 = 5;
const SECRET: [u8; 16] = [7; 16];

fn world(address: &str) -> World {
    let settings = Settings {
        cookie_secrets: vec![CookieSecret::new(SECRET)],
        ..Settings::default()
    };
    let mut builder = Builder::new(&World::empty(1, settings));
    let zone: Resource<ZoneDocument> = serde_json::from_value(serde_json::json!({
        "id": "Z1", "etag": "1", "version": 1, "created_ms": 0, "modified_ms": 0,
        "config": {"name": "example.com.", "caller_reference": "", "name_servers": []},
    }))
    .unwrap();
    builder.put_zone(&zone);
    let soa = "ns.example.com. h.example.com. 1 7200 900 1209600 86400";
    for (name, record_type, value) in [
        ("example.com.", "SOA", soa),
        ("example.com.", "NS", "ns.example.com."),
        ("www.example.com.", "A", address),
    ] {
        let record_set: ResourceRecordSet = serde_json::from_value(serde_json::json!({
            "Name": name, "Type": record_type, "TTL": 60, "ResourceRecords": [{"Value": value}],
        }))
        .unwrap();
        builder.put_record("Z1", &record_set, 1);
    }
    let (world, refusals) = builder.finish();
    assert_eq!(refusals, []);
    world
}

fn config(address: &str) -> ServerConfig {
    ServerConfig {
        addresses: vec![address.parse().unwrap()],
        ..ServerConfig::default()
    }
}

fn start(config: ServerConfig) -> (Server, Arc<ArcSwap<World>>, SocketAddr) {
    let world = Arc::new(ArcSwap::from_pointee(world("192.0.2.1")));
    let server = Server::start(config, world.clone()).unwrap();
    let address = server.addresses()[0];
    (server, world, address)
}

/// A query with an id, and a cookie option if there is one.
fn query(id: u16, name: &str, qtype: u16, cookie: Option<&[u8]>) -> Vec<u8> {
    let mut query = id.to_be_bytes().to_vec();
    let additional = u8::from(cookie.is_some());
    query.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, additional]);
    for label in name.split('.') {
        query.push(label.len() as u8);
        query.extend(label.as_bytes());
    }
    query.push(0);
    query.extend(qtype.to_be_bytes());
    query.extend([0, 1]);
    if let Some(cookie) = cookie {
        let length = cookie.len() as u8;
        query.extend([
            0,
            0,
            41,
            4,
            208,
            0,
            0,
            0,
            0,
            0,
            length + 4,
            0,
            10,
            0,
            length,
        ]);
        query.extend(cookie);
    }
    query
}

fn www(id: u16) -> Vec<u8> {
    query(id, "www.example.com", A, None)
}

fn rcode(response: &[u8]) -> u8 {
    assert_eq!(response[2] & 0x80, 0x80, "{response:?} is a response");
    response[3] & 15
}

fn is_truncated(response: &[u8]) -> bool {
    response[2] & 2 != 0
}

/// The address that ends the only answer of a response without EDNS and authority.
fn answered(response: &[u8]) -> IpAddr {
    assert_eq!((rcode(response), response[7]), (NOERROR, 1));
    let last: [u8; 4] = *response.last_chunk().unwrap();
    last.into()
}

fn udp(address: SocketAddr) -> UdpSocket {
    let any = if address.is_ipv4() {
        "127.0.0.1:0"
    } else {
        "[::1]:0"
    };
    let socket = UdpSocket::bind(any).unwrap();
    socket.connect(address).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    socket
}

fn ask(socket: &UdpSocket, query: &[u8]) -> Vec<u8> {
    socket.send(query).unwrap();
    let mut response = vec![0; 4096];
    let length = socket.recv(&mut response).unwrap();
    response.truncate(length);
    assert_eq!(response[..2], query[..2]);
    response
}

fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

/// The next message; nothing if the connection ended.
fn read(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).ok()?;
    Some(message)
}

/// Whether the server ended the connection, with or without regard for what we sent.
fn is_ended(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 1]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn one_port_answers_by_udp_and_tcp_over_both_families() {
    for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
        let (server, _, mut address) = start(config(address));
        if address.ip().is_unspecified() {
            let local = if address.is_ipv4() {
                "127.0.0.1"
            } else {
                "::1"
            };
            address.set_ip(local.parse().unwrap());
        }
        let expected: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!(answered(&ask(&udp(address), &www(7))), expected);
        let mut stream = tcp(address);
        stream.write_all(&framed(&www(8))).unwrap();
        assert_eq!(answered(&read(&mut stream).unwrap()), expected);
        assert_eq!(server.metrics().queries(), 2);
    }
}

#[test]
fn the_next_query_is_answered_out_of_the_world_that_was_put_there() {
    let (_server, current, address) = start(config("127.0.0.1:0"));
    let (socket, mut stream) = (udp(address), tcp(address));
    for text in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        current.store(Arc::new(world(text)));
        let expected: IpAddr = text.parse().unwrap();
        assert_eq!(answered(&ask(&socket, &www(1))), expected);
        stream.write_all(&framed(&www(1))).unwrap();
        assert_eq!(answered(&read(&mut stream).unwrap()), expected);
    }
}

#[test]
fn many_askers_are_answered_by_many_threads() {
    let (server, _, address) = start(ServerConfig {
        workers: 3,
        ..config("127.0.0.1:0")
    });
    for id in 0..200 {
        assert_eq!(rcode(&ask(&udp(address), &www(id))), NOERROR);
    }
    assert_eq!(server.metrics().queries(), 200);
}

#[test]
fn queries_that_come_together_or_in_pieces_are_answered_in_order() {
    let (_server, _, address) = start(config("127.0.0.1:0"));
    let mut stream = tcp(address);
    let together: Vec<u8> = (0..300).flat_map(|id| framed(&www(id))).collect();
    stream.write_all(&together).unwrap();
    for id in 0..300_u16 {
        assert_eq!(read(&mut stream).unwrap()[..2], id.to_be_bytes());
    }
    for byte in framed(&www(301)) {
        stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(read(&mut stream).unwrap()[..2], 301_u16.to_be_bytes());
}

#[test]
fn what_is_no_query_is_passed_over() {
    let (server, _, address) = start(config("127.0.0.1:0"));
    let (socket, mut stream) = (udp(address), tcp(address));
    let mut response = www(1);
    response[2] |= 0x80;
    for junk in [&b""[..], b"x", &[0; 11], &response, &[0xff; 1400]] {
        socket.send(junk).unwrap();
        stream.write_all(&framed(junk)).unwrap();
    }
    assert_eq!(rcode(&ask(&socket, &www(2))), NOERROR);
    stream.write_all(&framed(&www(3))).unwrap();
    let answer = std::iter::from_fn(|| read(&mut stream)).find(|it| it[..2] == [0, 3]);
    assert_eq!(rcode(&answer.unwrap()), NOERROR);
    let mut text = String::new();
    server.metrics().render(&mut text);
    assert!(
        text.contains("warmfront_dns_responses_total{rcode=\"NOERROR\"} 2\n"),
        "{text}"
    );
}

#[test]
fn over_the_limit_only_those_are_answered_who_prove_their_address() {
    let (server, _, address) = start(ServerConfig {
        rate_limit: RateLimit {
            responses_per_sec: Some(1),
            slip: 1,
            is_loopback_exempt: false,
        },
        ..config("127.0.0.1:0")
    });
    let socket = udp(address);
    assert!(!is_truncated(&ask(&socket, &www(0))));
    let limited = ask(&socket, &www(1));
    assert!(is_truncated(&limited));
    assert_eq!(limited.len(), www(1).len());
    assert_eq!(limited[12..], www(1)[12..]);
    // By a cookie.
    let now_ms = std::time::UNIX_EPOCH.elapsed().unwrap();
    let client = "127.0.0.1".parse().unwrap();
    let cookie = CookieSecret::new(SECRET).make([1; 8], client, now_ms.as_secs());
    for id in 2..6 {
        let proven = query(id, "www.example.com", A, Some(&cookie));
        assert!(!is_truncated(&ask(&socket, &proven)));
        let unproven = query(id, "www.example.com", A, Some(&cookie[..8]));
        assert!(is_truncated(&ask(&socket, &unproven)));
    }
    // By a connection.
    let mut stream = tcp(address);
    for id in 6..9 {
        stream.write_all(&framed(&www(id))).unwrap();
        assert!(!is_truncated(&read(&mut stream).unwrap()));
    }
    assert_eq!(server.metrics().limited(), 5);
}

#[test]
fn what_is_dropped_has_no_answer_and_others_have() {
    let (server, _, address) = start(ServerConfig {
        rate_limit: RateLimit {
            responses_per_sec: Some(1),
            slip: 0,
            is_loopback_exempt: false,
        },
        ..config("127.0.0.1:0")
    });
    let socket = udp(address);
    assert_eq!(rcode(&ask(&socket, &www(0))), NOERROR);
    for id in 1..4 {
        socket.send(&www(id)).unwrap();
    }
    // Denials are limited apart.
    let missing = query(9, "missing.example.com", A, None);
    assert_eq!(rcode(&ask(&socket, &missing)), NXDOMAIN);
    assert_eq!(server.metrics().limited(), 3);
}

#[test]
fn connections_are_limited_by_number_and_by_client() {
    let (_server, _, address) = start(ServerConfig {
        tcp: TcpLimits {
            connections_max: 3,
            connections_per_client_max: 2,
            ..TcpLimits::default()
        },
        ..config("127.0.0.1:0")
    });
    let is_served = |stream: &mut TcpStream| {
        let written = stream.write_all(&framed(&www(1)));
        written.is_ok() && read(stream).is_some()
    };
    let from = |client: &str| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        let client: SocketAddr = format!("{client}:0").parse().unwrap();
        socket.bind(&client.into()).unwrap();
        socket.connect(&address.into()).unwrap();
        let stream: TcpStream = socket.into();
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        stream
    };
    let mut first = from("127.0.0.1");
    assert!(is_served(&mut first));
    assert!(is_served(&mut from("127.0.0.1")));
    let mut kept = from("127.0.0.2");
    assert!(is_served(&mut kept));
    let mut second = from("127.0.0.1");
    while !is_served(&mut second) {
        // The one before was left, and the server may not have seen it yet.
        second = from("127.0.0.1");
    }
    assert!(!is_served(&mut from("127.0.0.1")), "a third of one client");
    assert!(!is_served(&mut from("127.0.0.3")), "a fourth of all");
    assert!(is_served(&mut first) && is_served(&mut kept));
}

#[test]
fn a_connection_ends_after_its_queries() {
    let (_server, _, address) = start(ServerConfig {
        tcp: TcpLimits {
            queries_per_connection_max: 3,
            ..TcpLimits::default()
        },
        ..config("127.0.0.1:0")
    });
    let mut stream = tcp(address);
    let queries: Vec<u8> = (0..3).flat_map(|id| framed(&www(id))).collect();
    stream.write_all(&queries).unwrap();
    for _ in 0..3 {
        assert!(read(&mut stream).is_some());
    }
    assert!(is_ended(&mut stream));
}

#[test]
fn silence_slowness_and_not_reading_end_a_connection() {
    let (_server, _, address) = start(ServerConfig {
        tcp: TcpLimits {
            idle_secs: 1,
            write_secs: 1,
            ..TcpLimits::default()
        },
        ..config("127.0.0.1:0")
    });
    let mut silent = tcp(address);
    let mut half = tcp(address);
    half.write_all(&framed(&www(1))[..9]).unwrap();
    // Asks without end and reads nothing: its own writes fail once the server has left it.
    let mut greedy = tcp(address);
    greedy
        .set_write_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let queries: Vec<u8> = (0..1000).flat_map(|id| framed(&www(id))).collect();
    let error = loop {
        if let Err(error) = greedy.write_all(&queries) {
            break error;
        }
    };
    let is_left = matches!(
        error.kind(),
        std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe
    );
    assert!(is_left, "{error}");
    assert!(is_ended(&mut silent) && is_ended(&mut half));
}

#[test]
fn a_dropped_server_leaves_its_address() {
    let (server, current, address) = start(config("127.0.0.1:0"));
    let taken = Server::start(config(&address.to_string()), current.clone());
    let error = taken
        .err()
        .expect("two servers do not share an address")
        .to_string();
    assert!(error.contains(&address.to_string()), "{error}");
    let mut stream = tcp(address);
    drop(server);
    assert!(is_ended(&mut stream));
    assert_eq!(Arc::strong_count(&current), 1, "no thread has it any more");
    let again = Server::start(config(&address.to_string()), current).unwrap();
    assert_eq!(again.addresses(), [address]);
}

#[test]
fn queries_of_logged_zones_are_logged() {
    let directory = tempfile::tempdir().unwrap();
    let log = QueryLog::start(directory.path().to_owned(), "FRA6").unwrap();
    log.set_zones([("Z1", "/aws/route53/example.com")]);
    let log = Arc::new(log);
    let (server, _, address) = start(ServerConfig {
        query_log: Some(log.clone()),
        ..config("127.0.0.1:0")
    });
    ask(&udp(address), &www(1));
    ask(&udp(address), &query(2, "other.test", A, None));
    let mut stream = tcp(address);
    stream
        .write_all(&framed(&query(3, "missing.example.com", A, None)))
        .unwrap();
    read(&mut stream).unwrap();
    drop(server);
    drop(log);
    let path = directory.path().join("aws/route53/example.com/Z1/FRA6.log");
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines: Vec<&str> = text
        .lines()
        .map(|line| &line["1.0 2026-01-01T00:00:00.000Z ".len()..])
        .collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "Z1 missing.example.com A NXDOMAIN TCP FRA6 127.0.0.1 -",
            "Z1 www.example.com A NOERROR UDP FRA6 127.0.0.1 -",
        ]
    );
}

/// Sends the query back so many times. Secondaries are those that have a cookie.
struct Repeated(usize);

impl Transfers for Repeated {
    fn is_secondary(&self, query: &[u8], _asker: &Asker) -> bool {
        query[11] == 1
    }

    fn begin<'w>(
        &self,
        zone: &'w Zone,
        query: &[u8],
        _asker: &Asker,
        _is_incremental: bool,
    ) -> Box<dyn Iterator<Item = Vec<u8>> + 'w> {
        assert_eq!(**zone.id(), *"Z1");
        let message = query.to_vec();
        Box::new((0..self.0).map(move |_| message.clone()))
    }
}

#[test]
fn a_transfer_is_sent_message_by_message_between_other_answers() {
    let (_server, _, address) = start(ServerConfig {
        transfers: Some(Arc::new(Repeated(10_000))),
        ..config("127.0.0.1:0")
    });
    let mut stream = tcp(address);
    let transfer = query(2, "example.com", AXFR, None);
    let queries = [framed(&www(1)), framed(&transfer), framed(&www(3))].concat();
    stream.write_all(&queries).unwrap();
    assert_eq!(rcode(&read(&mut stream).unwrap()), NOERROR);
    for _ in 0..10_000 {
        assert_eq!(read(&mut stream).unwrap(), transfer);
    }
    assert_eq!(read(&mut stream).unwrap()[..2], [0, 3]);
}

#[test]
fn a_secondary_that_looks_for_news_is_answered_as_those_who_transfer() {
    let (_server, _, address) = start(ServerConfig {
        transfers: Some(Arc::new(Repeated(1))),
        ..config("127.0.0.1:0")
    });
    let mut of_secondary = query(1, "example.com", SOA, None);
    of_secondary[11] = 1;
    // A signature (TSIG, class ANY), which those who transfer look into.
    of_secondary.extend_from_slice(&[0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 0]);
    let socket = udp(address);
    assert_eq!(ask(&socket, &of_secondary), of_secondary);
    let mut stream = tcp(address);
    stream.write_all(&framed(&of_secondary)).unwrap();
    assert_eq!(read(&mut stream).unwrap(), of_secondary);
    let of_others = query(1, "example.com", SOA, None);
    assert_eq!(rcode(&ask(&socket, &of_others)), NOERROR);
}

#[test]
fn without_anybody_who_makes_them_transfers_are_refused() {
    let (_server, _, address) = start(config("127.0.0.1:0"));
    let mut stream = tcp(address);
    stream
        .write_all(&framed(&query(2, "example.com", AXFR, None)))
        .unwrap();
    assert_eq!(rcode(&read(&mut stream).unwrap()), REFUSED);
}
