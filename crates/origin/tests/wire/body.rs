//! Bodies: framing, ends, reuse of the connection afterwards, and never mixing two exchanges.

use std::rc::Rc;
use std::time::Duration;

use message::Method;
use origin::{FetchError, FixedResolver, PoolLimits, TlsRoots};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::script::{
    Origin, Step, answer, client, client_with, fetch, get, ok, read, request, run, send,
};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                       3;x=y\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Trailer: t\r\n\r\n";

#[test]
fn every_framing_that_ends_by_itself_leaves_the_connection_for_the_next_request() {
    run(async || {
        let script = vec![
            Step::Head,
            ok("first"),
            Step::Head,
            send(CHUNKED),
            Step::Head,
            send("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"),
            Step::Head,
            send("HTTP/1.1 204 No Content\r\n\r\n"),
            Step::Head,
            send("HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\nContent-Length: 77\r\n\r\n"),
            Step::Head,
            send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            Step::Head,
            ok("last"),
            Step::Hold,
        ];
        let origin = Origin::start(vec![script]).await;
        let (client, spec) = (client(), origin.spec());
        let wants = [
            (Method::Get, 200, "first", Some(5), Some("5")),
            (Method::Get, 200, "abcdefg", None, None),
            (Method::Head, 200, "", Some(0), Some("1234")),
            (Method::Get, 204, "", Some(0), None),
            (Method::Get, 304, "", Some(0), Some("77")),
            (Method::Post, 200, "", Some(0), Some("0")),
            (Method::Get, 200, "last", Some(4), Some("4")),
        ];
        for (turn, (method, status, body, length, field)) in wants.into_iter().enumerate() {
            let mut response = client.fetch(&spec, request(method, "/")).await.unwrap();
            assert_eq!(response.head.status, status, "{turn}");
            assert_eq!(response.body.length(), length, "{turn}");
            assert!(!response.body.is_close_delimited());
            let field_got = response.head.fields.get("content-length");
            assert_eq!(field_got, field.map(str::as_bytes), "{turn}");
            assert!(!response.head.fields.contains("transfer-encoding"));
            assert_eq!(read(&mut response.body).await.unwrap(), body, "{turn}");
            assert!(response.body.next().await.is_none());
            assert_eq!(response.timing.connect_us == 0, turn > 0, "{turn}");
        }
        assert_eq!(origin.connections.get(), 1);
        assert_eq!(client.connections().idle, 1);
    });
}

#[test]
fn a_body_of_known_length_frees_the_connection_with_its_last_piece() {
    run(async || {
        let origin = Origin::start(vec![vec![Step::Head, ok("x"), Step::Hold]]).await;
        let client = client();
        let mut response = client.fetch(&origin.spec(), get("/")).await.unwrap();
        assert_eq!(client.connections().idle, 0);
        response.body.next().await.unwrap().unwrap();
        assert_eq!(client.connections().idle, 1);
    });
}

#[test]
fn a_body_that_ends_with_the_connection_is_complete_and_marked() {
    run(async || {
        for head in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.0 200 OK\r\nServer: x\r\n\r\n",
        ] {
            let origin = Origin::start(vec![vec![Step::Head, send(head), send("all of it")]]).await;
            let client = client();
            let (response, body) = fetch(&client, &origin.spec(), get("/")).await.unwrap();
            assert_eq!(body, "all of it");
            assert!(response.body.is_close_delimited() && response.body.length().is_none());
            assert_eq!(client.connections().open, 0);
        }
    });
}

#[test]
fn a_body_that_breaks_off_is_incomplete() {
    run(async || {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (bytes, read_before) in [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".to_owned(),
                "abc",
            ),
            (format!("{chunked}3\r\nabc\r\n"), "abc"),
            (format!("{chunked}3\r\nabc\r\n9\r\ndef"), "abcdef"),
            (format!("{chunked}3\r\nabc\r\nzz\r\n"), "abc"),
            (format!("{chunked}3\r\nabcXX4\r\n"), "abc"),
            (format!("{chunked}3\r\nabc\r\nfffffffffffffffff\r\n"), "abc"),
            (format!("{chunked}3\r\nabc\r\n0\r\n"), "abc"),
        ] {
            let origin = Origin::start(vec![vec![Step::Head, send(&bytes)]]).await;
            let client = client();
            let mut response = client.fetch(&origin.spec(), get("/")).await.unwrap();
            let mut got = Vec::new();
            let error = loop {
                match response.body.next().await {
                    Some(Ok(piece)) => got.extend_from_slice(&piece),
                    Some(Err(error)) => break Some(error),
                    None => break None,
                }
            };
            assert_eq!(error, Some(FetchError::Incomplete), "{bytes:?}");
            assert_eq!(String::from_utf8_lossy(&got), read_before, "{bytes:?}");
            assert!(
                response.body.next().await.is_none(),
                "nothing after an error"
            );
            assert_eq!(client.connections().open, 0);
        }
    });
}

#[test]
fn a_reset_within_the_body_is_incomplete() {
    run(async || {
        let start = send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        let script = vec![Step::Head, start, Step::Pause(50), Step::Reset];
        let origin = Origin::start(vec![script]).await;
        let result = answer(&client(), &origin.spec(), get("/")).await;
        assert_eq!(result, Err(FetchError::Incomplete));
    });
}

#[test]
fn dropping_a_body_midway_closes_its_connection() {
    run(async || {
        let start = send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc");
        let script = vec![Step::Head, start, Step::AwaitClose];
        let origin = Origin::start(vec![script, vec![Step::Head, ok("new")]]).await;
        let (client, spec) = (client(), origin.spec());
        let mut response = client.fetch(&spec, get("/")).await.unwrap();
        assert_eq!(response.body.next().await.unwrap().unwrap(), "abc");
        drop(response);
        assert_eq!(client.connections().open, 0);
        origin.closed.notified().await;
        assert_eq!(
            answer(&client, &spec, get("/")).await,
            Ok((200, "new".to_owned()))
        );
    });
}

#[test]
fn dropping_a_fetch_closes_its_connection() {
    run(async || {
        let origin = Origin::start(vec![vec![Step::Head, Step::AwaitClose]]).await;
        let (client, spec) = (client(), origin.spec());
        let fetching = client.fetch(&spec, get("/"));
        assert!(
            tokio::time::timeout(Duration::from_millis(50), fetching)
                .await
                .is_err()
        );
        assert_eq!(client.connections().open, 0);
        origin.closed.notified().await;
    });
}

#[test]
fn responses_that_forbid_reuse_close_the_connection() {
    run(async || {
        for response in [
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n\
             2\r\nok\r\n0\r\n\r\n",
        ] {
            let script = vec![Step::Head, send(response), Step::AwaitClose];
            let origin = Origin::start(vec![script, vec![Step::Head, ok("new")]]).await;
            let (client, spec) = (client(), origin.spec());
            let (first, body) = fetch(&client, &spec, get("/")).await.unwrap();
            assert_eq!(body, "ok");
            if response.contains("chunked") {
                assert!(
                    !first.head.fields.contains("content-length"),
                    "it contradicts chunked"
                );
            }
            origin.closed.notified().await;
            assert_eq!(
                answer(&client, &spec, get("/")).await,
                Ok((200, "new".to_owned()))
            );
            assert_eq!(origin.connections.get(), 2, "{response:?}");
        }
    });
}

#[test]
fn bytes_behind_a_response_never_answer_the_next_request() {
    run(async || {
        let smuggled = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\
                        HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
        for bytes in [
            smuggled,
            "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\nevil",
        ] {
            let script = vec![Step::Head, send(bytes), Step::AwaitClose];
            let origin = Origin::start(vec![script, vec![Step::Head, ok("good")]]).await;
            let (client, spec) = (client(), origin.spec());
            answer(&client, &spec, get("/")).await.unwrap();
            assert_eq!(
                answer(&client, &spec, get("/")).await,
                Ok((200, "good".to_owned()))
            );
            assert_eq!(origin.connections.get(), 2);
        }
    });
}

#[test]
fn idle_connections_are_closed_after_the_keep_alive_timeout() {
    run(async || {
        let script = vec![Step::Head, ok("one"), Step::AwaitClose];
        let origin = Origin::start(vec![script, vec![Step::Head, ok("two")]]).await;
        let spec = origin.spec_with(|spec| spec.keepalive_timeout_ms = 100);
        let client = client();
        answer(&client, &spec, get("/")).await.unwrap();
        assert_eq!(client.connections().idle, 1);
        origin.closed.notified().await; // By the sweep: no request comes along.
        assert_eq!(
            (client.connections().idle, client.connections().open),
            (0, 0)
        );
        assert_eq!(
            answer(&client, &spec, get("/")).await,
            Ok((200, "two".to_owned()))
        );
    });
}

#[test]
fn an_expired_connection_is_not_used_even_before_the_sweep() {
    run(async || {
        let one = vec![Step::Head, ok("one"), Step::Head, ok("stale"), Step::Hold];
        let origin = Origin::start(vec![one, vec![Step::Head, ok("two")]]).await;
        let spec = origin.spec_with(|spec| spec.keepalive_timeout_ms = 30);
        let client = client();
        answer(&client, &spec, get("/")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert_eq!(
            answer(&client, &spec, get("/")).await,
            Ok((200, "two".to_owned()))
        );
    });
}

#[test]
fn pools_keep_no_more_idle_connections_than_they_may() {
    run(async || {
        let script = vec![Step::Head, ok("x"), Step::Hold];
        let origin = Origin::start(vec![script; 5]).await;
        let limits = PoolLimits {
            idle_per_pool: 2,
            ..PoolLimits::default()
        };
        let client = client_with(FixedResolver::new(), TlsRoots::mozilla(), limits);
        let spec = origin.spec();
        let mut open = Vec::new();
        for _ in 0..5 {
            open.push(client.fetch(&spec, get("/")).await.unwrap());
        }
        assert_eq!(client.connections().open, 5);
        for mut response in open {
            read(&mut response.body).await.unwrap();
        }
        assert_eq!(
            (client.connections().open, client.connections().idle),
            (2, 2)
        );
    });
}

#[test]
fn more_connections_than_allowed_are_an_error_of_ours() {
    run(async || {
        let script = vec![Step::Head, ok("x"), Step::Hold];
        let origin = Origin::start(vec![script; 2]).await;
        let limits = PoolLimits {
            open_per_pool: 1,
            ..PoolLimits::default()
        };
        let client = client_with(FixedResolver::new(), TlsRoots::mozilla(), limits);
        let spec = origin.spec();
        let _held = client.fetch(&spec, get("/")).await.unwrap();
        let error = answer(&client, &spec, get("/")).await.unwrap_err();
        assert_eq!(
            (error, error.status()),
            (FetchError::TooManyConnections, 503)
        );
    });
}

/// An origin that answers each request with its own target, in a framing that depends on it.
async fn echo_origin() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(async move {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                let mut target = String::new();
                while matches!(stream.read_line(&mut line).await, Ok(1..)) {
                    if let Some(rest) = line.strip_prefix("GET ") {
                        target = rest.split(' ').next().unwrap().to_owned();
                    } else if line == "\r\n" {
                        let body = target.repeat(1 + target.len() % 700);
                        let response = if target.len().is_multiple_of(2) {
                            format!(
                                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                                body.len()
                            )
                        } else {
                            format!(
                                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                                 {:x}\r\n{body}\r\n0\r\n\r\n",
                                body.len()
                            )
                        };
                        if stream.write_all(response.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                    line.clear();
                }
            });
        }
    });
    port
}

#[test]
fn bodies_of_many_exchanges_at_once_are_never_mixed() {
    run(async || {
        let mut spec = origin::OriginSpec::new("echo", "127.0.0.1");
        spec.http_port = echo_origin().await;
        let (client, spec) = (client(), Rc::new(spec));
        let tasks: Vec<_> = (0..40usize)
            .map(|task| {
                let (client, spec) = (client.clone(), Rc::clone(&spec));
                tokio::task::spawn_local(async move {
                    for turn in 0..25usize {
                        let target = format!("/{task}/{turn}/{}", "x".repeat(task * turn % 97));
                        let mut response = client.fetch(&spec, get(&target)).await.unwrap();
                        if (task + turn) % 7 == 0 {
                            continue; // Walks away with the body unread.
                        }
                        let want = target.repeat(1 + target.len() % 700);
                        assert_eq!(read(&mut response.body).await.unwrap(), want);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let counts = client.connections();
        assert_eq!(counts.open, counts.idle);
    });
}
