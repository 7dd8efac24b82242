//! One exchange: what goes out, what comes in, names and addresses.

use message::{Fields, Method};
use origin::{DnsError, FetchError, FixedResolver, OriginSpec, PoolLimits, TlsRoots};
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::script::{
    Origin, Step, answer, client, client_with, fetch, get, ok, request, resolver, run, send,
};

#[test]
fn a_request_goes_out_in_title_case_and_in_order() {
    run(async || {
        let origin = Origin::start(vec![vec![Step::Head, ok("")]]).await;
        let mut get = get("/a%20b?c=d&c=e");
        get.fields = [
            ("host", "shop.example"),
            ("X-Amz-Cf-Id", "abc=="),
            ("user-agent", "Amazon CloudFront"),
            ("Via", "1.1 x.cloudfront.net (CloudFront)"),
            ("connection", "Keep-Alive"),
            ("Cookie", "a=1; b=2"),
            ("Transfer-Encoding", "chunked"),
            ("Content-Length", "5"),
        ]
        .into_iter()
        .collect::<Fields>();
        fetch(&client(), &origin.spec(), get).await.unwrap();
        assert_eq!(
            origin.heads.borrow()[0],
            "GET /a%20b?c=d&c=e HTTP/1.1\r\nHost: shop.example\r\nX-Amz-Cf-Id: abc==\r\n\
             User-Agent: Amazon CloudFront\r\nVia: 1.1 x.cloudfront.net (CloudFront)\r\n\
             Connection: Keep-Alive\r\nCookie: a=1; b=2\r\n\r\n"
        );
    });
}

#[test]
fn an_empty_post_says_that_it_is_empty() {
    run(async || {
        let origin = Origin::start(vec![vec![Step::Head, ok("")]]).await;
        fetch(&client(), &origin.spec(), request(Method::Post, "/"))
            .await
            .unwrap();
        assert!(origin.heads.borrow()[0].ends_with("Content-Length: 0\r\n\r\n"));
    });
}

#[test]
fn response_fields_have_their_customary_names_and_keep_duplicates() {
    run(async || {
        let head = "HTTP/1.1 404 Nope\r\ncontent-type: text/plain\r\nETAG: \"x\"\r\n\
                    set-cookie: a=1\r\nx-amz-request-id: R\r\nSet-Cookie: b=2\r\n\
                    X-Empty:\r\nContent-Length: 2\r\nX-Latin: caf\u{e9}\r\n\r\nno";
        let origin = Origin::start(vec![vec![Step::Head, send(head)]]).await;
        let (response, body) = fetch(&client(), &origin.spec(), get("/")).await.unwrap();
        assert_eq!((response.head.status, body.as_str()), (404, "no"));
        assert_eq!(
            String::from_utf8_lossy(response.head.fields.as_wire()),
            "Content-Type: text/plain\r\nETag: \"x\"\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
             x-amz-request-id: R\r\nX-Empty: \r\nContent-Length: 2\r\nX-Latin: caf\u{e9}\r\n"
        );
    });
}

#[test]
fn informational_responses_are_swallowed() {
    run(async || {
        let hints = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
                     HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        let origin = Origin::start(vec![vec![Step::Head, send(hints)]]).await;
        let (response, body) = fetch(&client(), &origin.spec(), get("/")).await.unwrap();
        assert_eq!((response.head.status, body.as_str()), (200, "hi"));
        assert!(!response.head.fields.contains("link"));
    });
}

#[test]
fn what_is_not_http_is_an_invalid_response() {
    run(async || {
        let ok = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
        for bytes in [
            "SSH-2.0-OpenSSH_9.6\r\n".to_owned(),
            "HTTP/2.0 200 OK\r\n\r\n".to_owned(),
            "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "HTTP/1.1 abc\r\n\r\n".to_owned(),
            ok("no colon\r\n"),
            ok("Content-Length: 1\r\nContent-Length: 2\r\n"),
            ok("Content-Length: -1\r\n"),
            ok("Content-Length: 99999999999999999999999\r\n"),
            ok("Transfer-Encoding: gzip\r\n"),
            ok("Transfer-Encoding: gzip, chunked\r\n"),
            ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            ok("X-Fold: a\r\n b\r\n"),
            ok("X-Nul: a\0b\r\n"),
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n".to_owned(),
        ] {
            let origin = Origin::start(vec![vec![Step::Head, send(&bytes), Step::Hold]]).await;
            let result = answer(&client(), &origin.spec(), get("/")).await;
            assert_eq!(result, Err(FetchError::InvalidResponse), "{bytes:?}");
            assert_eq!(origin.connections.get(), 1, "not retried: {bytes:?}");
        }
    });
}

#[test]
fn a_response_head_may_be_20480_bytes_and_100_fields_long_and_no_longer() {
    run(async || {
        let head_of = |size: usize| {
            let start = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
            let mut head = start.to_owned();
            while head.len() + 2 < size {
                let room = size - head.len() - 2;
                let line = if room < 1_200 { room } else { 1_000 };
                head.push_str(&format!("X-Pad: {}\r\n", "p".repeat(line - 9)));
            }
            head + "\r\n"
        };
        let many = |count: usize| {
            let lines: String = (1..count).map(|n| format!("X-{n}: v\r\n")).collect();
            format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{lines}\r\n")
        };
        for (head, is_taken) in [
            (head_of(20_480), true),
            (head_of(20_481), false),
            (head_of(200_000), false),
            (many(100), true),
            (many(101), false),
        ] {
            let origin = Origin::start(vec![vec![Step::Head, send(&head), Step::Hold]]).await;
            let result = answer(&client(), &origin.spec(), get("/")).await;
            let want = if is_taken {
                Ok((200, String::new()))
            } else {
                Err(FetchError::HeadTooBig)
            };
            assert_eq!(result, want, "{} bytes", head.len());
        }
    });
}

#[test]
fn a_head_without_end_is_too_big() {
    run(async || {
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(300_000));
        let origin = Origin::start(vec![vec![Step::Head, send(endless), Step::Hold]]).await;
        let result = answer(&client(), &origin.spec(), get("/")).await;
        assert_eq!(result, Err(FetchError::HeadTooBig));
    });
}

#[test]
fn a_request_that_is_no_http_is_not_sent() {
    run(async || {
        let origin = Origin::start(vec![]).await;
        for bad in [request(Method::Other, "/"), get("no-slash"), get("")] {
            let result = answer(&client(), &origin.spec(), bad).await;
            assert_eq!(result, Err(FetchError::InvalidRequest));
        }
        assert_eq!(origin.connections.get(), 0);
    });
}

#[test]
fn an_upgrade_hands_the_stream_over_with_what_came_early() {
    run(async || {
        let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                      Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\nearly";
        let script = vec![
            Step::Head,
            send(switch),
            Step::Body(5),
            send(" late"),
            Step::AwaitClose,
        ];
        let origin = Origin::start(vec![script]).await;
        let client = client();
        let mut handshake = get("/socket");
        handshake.upgrade = true;
        handshake.fields.push(b"Connection", b"Upgrade");
        handshake.fields.push(b"Upgrade", b"websocket");
        let mut response = client.fetch(&origin.spec(), handshake).await.unwrap();
        assert_eq!(response.head.status, 101);
        assert_eq!(
            response.head.fields.get("Sec-WebSocket-Accept"),
            Some(&b"x"[..])
        );
        assert_eq!(response.head.fields.get("upgrade"), Some(&b"websocket"[..]));
        assert!(response.body.next().await.is_none());
        let mut stream = response.upgraded.take().unwrap();
        stream.write_all(b"hello").await.unwrap();
        let mut got = [0; 10];
        stream.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"early late");
        assert_eq!(*origin.bodies.borrow(), b"hello");
        assert_eq!(client.connections().open, 1);
        drop(stream);
        origin.closed.notified().await;
        assert_eq!(client.connections().open, 0);
    });
}

#[test]
fn a_refused_upgrade_is_an_ordinary_response() {
    run(async || {
        let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
        let origin = Origin::start(vec![vec![Step::Head, send(refusal), Step::AwaitClose]]).await;
        let mut handshake = get("/socket");
        handshake.upgrade = true;
        let (response, body) = fetch(&client(), &origin.spec(), handshake).await.unwrap();
        assert_eq!((response.head.status, body.as_str()), (403, "no"));
        assert!(response.upgraded.is_none());
        origin.closed.notified().await;
    });
}

#[test]
fn localhost_and_what_is_below_it_is_this_machine() {
    run(async || {
        for host in ["localhost", "a.LOCALHOST", "127.0.0.1"] {
            let origin = Origin::start(vec![vec![Step::Head, ok("here")]]).await;
            let spec = origin.spec_with(|spec| spec.host = host.to_owned());
            assert_eq!(
                answer(&client(), &spec, get("/")).await,
                Ok((200, "here".to_owned()))
            );
        }
    });
}

#[test]
fn every_address_of_a_name_is_tried_within_one_attempt() {
    run(async || {
        let origin = Origin::start(vec![vec![Step::Head, ok("here")]]).await;
        let addresses = ["127.0.0.77", "127.0.0.78", "127.0.0.1"];
        let client = client_with(
            resolver("o.example", &addresses),
            TlsRoots::mozilla(),
            PoolLimits::default(),
        );
        let spec = origin.spec_with(|spec| {
            spec.host = "o.example".to_owned();
            spec.connection_attempts = 1;
        });
        assert_eq!(
            answer(&client, &spec, get("/")).await,
            Ok((200, "here".to_owned()))
        );
    });
}

#[test]
fn a_name_without_address_is_a_dns_error() {
    run(async || {
        let client = client_with(
            FixedResolver::new(),
            TlsRoots::mozilla(),
            PoolLimits::default(),
        );
        let spec = OriginSpec::new("test", "missing.example");
        let error = answer(&client, &spec, get("/")).await.unwrap_err();
        assert_eq!(error, FetchError::Dns(DnsError::NoAddress));
        assert_eq!((error.status(), error.detail()), (502, "OriginDnsError"));
    });
}

#[test]
fn a_closed_port_refuses() {
    run(async || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut spec = OriginSpec::new("test", "127.0.0.1");
        spec.http_port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = answer(&client(), &spec, get("/")).await.unwrap_err();
        assert_eq!(error, FetchError::Connect(ErrorKind::ConnectionRefused));
        assert!(error.is_connection_failure() && !error.is_timeout());
    });
}

#[test]
fn mangled_responses_neither_panic_nor_hang() {
    run(async || {
        let valid =
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\
                      ETag: \"x\"\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        let mut script = Vec::new();
        for _ in 0..500 {
            let mut bytes = valid.to_vec();
            for _ in 0..1 + random(4) {
                if bytes.len() < 2 {
                    break;
                }
                let at = random(bytes.len());
                match random(4) {
                    0 => bytes[at] = random(256) as u8,
                    1 => drop(bytes.remove(at)),
                    2 => bytes.insert(at, b"\r\n:; \0\xff0"[random(8)]),
                    _ => bytes.truncate(at + 1),
                }
            }
            script.push(vec![Step::Head, send(bytes)]);
        }
        let origin = Origin::start(script).await;
        let spec = origin.spec_with(|spec| spec.connection_attempts = 1);
        let client = client();
        let mut failures = 0;
        for _ in 0..500 {
            failures += usize::from(answer(&client, &spec, get("/")).await.is_err());
        }
        assert!((100..500).contains(&failures), "{failures} of 500 failed");
    });
}
