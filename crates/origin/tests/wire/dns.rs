//! Names, over the wire to a scripted name server.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use origin::{
    AddressFamily, Client, ClientConfig, DnsError, FetchError, PoolLimits, Resolve, SystemResolver,
    TlsRoots,
};
use tokio::net::UdpSocket;

use crate::script::{Origin, Step, answer, fetch, get, ok, run};

const A: u16 = 1;
const AAAA: u16 = 28;

/// A name server that decides by the first label: `missing`, `broken`, `only4`, or an address of
/// either family. Counts the questions it gets.
async fn name_server() -> (SocketAddr, Rc<Cell<usize>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let questions = Rc::new(Cell::new(0));
    let counted = Rc::clone(&questions);
    tokio::task::spawn_local(async move {
        let mut buffer = [0; 1500];
        while let Ok((size, peer)) = socket.recv_from(&mut buffer).await {
            counted.set(counted.get() + 1);
            socket.send_to(&reply(&buffer[..size]), peer).await.unwrap();
        }
    });
    (address, questions)
}

fn reply(query: &[u8]) -> Vec<u8> {
    let label_len = usize::from(query[12]);
    let label = query[13..13 + label_len].to_ascii_lowercase();
    let name_end = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
    let question = &query[12..name_end + 4];
    let kind = u16::from_be_bytes([query[name_end], query[name_end + 1]]);
    let (code, data): (u8, Option<Vec<u8>>) = match (label.as_slice(), kind) {
        (b"missing", _) => (3, None),
        (b"broken", _) => (2, None),
        (_, A) => (0, Some(vec![127, 0, 0, 1])),
        (b"only4", _) => (0, None),
        (_, AAAA) => (
            0,
            Some(vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ),
        _ => (4, None),
    };
    let mut reply = vec![query[0], query[1], 0x81, 0x80 | code, 0, 1, 0];
    reply.extend([u8::from(data.is_some()), 0, 0, 0, 0]);
    reply.extend(question);
    if let Some(data) = data {
        reply.extend([0xc0, 12]);
        reply.extend(kind.to_be_bytes());
        reply.extend([0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
        reply.extend(data);
    }
    reply
}

#[test]
fn a_name_is_asked_for_once_within_its_time_to_live() {
    run(async || {
        let (server, questions) = name_server().await;
        let script = vec![Step::Head, ok("x")]; // Closes, so that every fetch connects.
        let origin = Origin::start(vec![script; 3]).await;
        let client = Client::new(ClientConfig {
            resolver: Rc::new(SystemResolver::with_servers(&[server]).unwrap()),
            tls_roots: TlsRoots::mozilla(),
            pool_limits: PoolLimits::default(),
        });
        let spec = origin.spec_with(|spec| spec.host = "Origin.example".to_owned());
        let (first, _) = fetch(&client, &spec, get("/")).await.unwrap();
        let (second, _) = fetch(&client, &spec, get("/")).await.unwrap();
        assert!(first.timing.dns_us > second.timing.dns_us);
        assert_eq!((origin.connections.get(), questions.get()), (2, 1));

        for (host, fault) in [
            ("missing.example", DnsError::NoAddress),
            ("broken.example", DnsError::ResolverFailed),
        ] {
            let spec = origin.spec_with(|spec| spec.host = host.to_owned());
            let result = answer(&client, &spec, get("/")).await;
            assert_eq!(result, Err(FetchError::Dns(fault)), "{host}");
        }
    });
}

#[test]
fn families_are_asked_for_as_configured() {
    run(async || {
        let (server, _) = name_server().await;
        let resolver = SystemResolver::with_servers(&[server]).unwrap();
        for (name, family, want) in [
            ("a.example", AddressFamily::Ipv4, Ok(vec!["127.0.0.1"])),
            ("a.example", AddressFamily::Ipv6, Ok(vec!["::1"])),
            (
                "a.example",
                AddressFamily::DualStack,
                Ok(vec!["127.0.0.1", "::1"]),
            ),
            (
                "only4.example",
                AddressFamily::DualStack,
                Ok(vec!["127.0.0.1"]),
            ),
            (
                "only4.example",
                AddressFamily::Ipv6,
                Err(DnsError::NoAddress),
            ),
        ] {
            let got = resolver.resolve(name, family).await.map(|answer| {
                assert!(answer.ttl <= Duration::from_secs(60));
                assert!(answer.ttl > Duration::from_secs(50));
                answer
                    .addresses
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
            });
            let want = want.map(|list| list.into_iter().map(str::to_owned).collect());
            assert_eq!(got, want, "{name} {family:?}");
        }
    });
}
