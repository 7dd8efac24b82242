//! HTTP/2 origins, many calls: connections shared, filled up, refused, gone away and broken.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;

use bytes::Bytes;
use h2::Reason;
use message::Method;
use origin::{FetchError, OriginRequest, Protocol};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::spawn_local;

use crate::peer::{Peer, at_once, call, echo, fine, frames, get2, spec, unary};
use crate::script::{Origin, Step, client, request, run, send};

#[test]
fn one_connection_serves_calls_in_turn_and_is_closed_when_idle_for_long() {
    run(async || {
        let peer = Peer::start(echo).await;
        let client = client();
        let mut spec = peer.spec();
        spec.keepalive_timeout_ms = 200;
        for _ in 0..5 {
            assert_eq!(call(&client, &spec, unary("x")).await, fine("1:x"));
        }
        let counts = client.connections();
        assert_eq!((counts.open, counts.idle), (1, 1));
        while client.connections().open > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(client.connections().idle, 0);
        assert_eq!(call(&client, &spec, unary("x")).await, fine("2:x"));
    });
}

#[test]
fn calls_at_once_share_a_connection_even_while_it_is_being_opened() {
    run(async || {
        let peer = Peer::start(echo).await;
        let client = client();
        for round in 0..2 {
            for (number, result) in at_once(&client, &peer.spec(), 50)
                .await
                .into_iter()
                .enumerate()
            {
                assert_eq!(result, fine(&format!("1:{number}")), "round {round}");
            }
        }
        assert_eq!(peer.connections.get(), 1);
    });
}

#[test]
fn more_calls_than_the_origin_allows_streams_take_further_connections() {
    run(async || {
        for (streams_max, connections) in [(1, 3), (2, 2)] {
            let all_here = Rc::new(Notify::new());
            let calls = Rc::new(Cell::new(0));
            let peer = Peer::start_with(
                move |builder| {
                    builder.max_concurrent_streams(streams_max);
                },
                move |mut call| {
                    let (all_here, calls) = (Rc::clone(&all_here), Rc::clone(&calls));
                    async move {
                        let all = all_here.notified();
                        calls.set(calls.get() + 1);
                        if calls.get() < 3 {
                            all.await;
                        } else {
                            all_here.notify_waiters();
                        }
                        let body = call.body().await;
                        call.ok(&body);
                    }
                },
            )
            .await;
            let client = client();
            for (number, result) in at_once(&client, &peer.spec(), 3)
                .await
                .into_iter()
                .enumerate()
            {
                assert_eq!(result, fine(&number.to_string()));
            }
            assert_eq!(peer.connections.get(), connections);
        }
    });
}

#[test]
fn a_refused_call_is_sent_again_whole_and_not_for_ever() {
    run(async || {
        let refusals = Rc::new(Cell::new(2));
        let left = Rc::clone(&refusals);
        let peer = Peer::start(move |mut call| {
            let left = Rc::clone(&left);
            async move {
                if left.get() > 0 {
                    left.set(left.get() - 1);
                    // The body was taken from the viewer by now.
                    call.request.body_mut().data().await.unwrap().unwrap();
                    call.respond.send_reset(Reason::REFUSED_STREAM);
                } else {
                    echo(call).await;
                }
            }
        })
        .await;
        let client = client();
        let (body, status) = call(&client, &peer.spec(), unary("all of it"))
            .await
            .unwrap();
        assert_eq!((&body[2..], status.as_deref()), ("all of it", Some("0")));
        assert_eq!(peer.calls.get(), 3);

        refusals.set(usize::MAX);
        let result = call(&client, &peer.spec(), unary("x")).await;
        assert_eq!(result, Err(FetchError::Reset(7)));
        assert_eq!(peer.calls.get(), 6);
    });
}

#[test]
fn a_refused_call_whose_body_is_too_large_to_keep_is_not_sent_again() {
    run(async || {
        let peer = Peer::start(|mut call| async move {
            call.body().await;
            call.respond.send_reset(Reason::REFUSED_STREAM);
        })
        .await;
        let client = client();
        let large = "x".repeat(origin::limits::REPLAY_BYTES_MAX + 1);
        let result = call(&client, &peer.spec(), unary(&large)).await;
        assert_eq!(result, Err(FetchError::Reset(7)));
        assert_eq!(peer.calls.get(), 1);
    });
}

#[test]
fn windows_are_given_back_however_a_body_ends() {
    run(async || {
        const PIECE: usize = 100_000; // Under half the window of a stream.
        let peer = Peer::start(|mut call| async move {
            let pieces: usize = call.request.uri().path()[1..].parse().unwrap();
            let mut stream = call.head();
            for left in (0..pieces).rev() {
                stream.reserve_capacity(PIECE);
                while stream.capacity() < PIECE {
                    match poll_fn(|cx| stream.poll_capacity(cx)).await {
                        Some(Ok(_)) => {}
                        _ => return, // The client had enough.
                    }
                }
                let piece = Bytes::from(vec![b'x'; PIECE]);
                stream.send_data(piece, left == 0).unwrap();
            }
        })
        .await;
        let client = client();
        // More than the window of a connection, in one body, in many, and in many left unread.
        let pieces = origin::limits::CONNECTION_WINDOW_BYTES as usize / PIECE + 10;
        let whole = call(&client, &peer.spec(), get2(&format!("/{pieces}"))).await;
        assert_eq!(whole.unwrap().0.len(), pieces * PIECE);
        for number in 0..pieces {
            if number % 2 == 0 {
                let (body, _) = call(&client, &peer.spec(), get2("/1")).await.unwrap();
                assert_eq!(body.len(), PIECE);
            } else {
                let mut response = client.fetch(&peer.spec(), get2("/9")).await.unwrap();
                assert!(response.body.next().await.unwrap().is_ok());
            }
        }
        assert_eq!(peer.connections.get(), 1);
    });
}

#[test]
fn an_origin_without_http2_is_called_that() {
    run(async || {
        let bad_request = send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        let origin = Origin::start(vec![vec![bad_request, Step::AwaitClose]]).await;
        let client = client();
        let result = call(&client, &origin.spec(), unary("x")).await;
        assert_eq!(result, Err(FetchError::NoHttp2));
        assert_eq!(
            origin.connections.get(),
            1,
            "another attempt would tell the same"
        );
        assert_eq!(client.connections().open, 0);
    });
}

#[test]
fn callers_of_a_dead_origin_fail_together() {
    run(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut spec = spec(listener.local_addr().unwrap().port());
        (spec.connection_timeout_ms, spec.connection_attempts) = (200, 2);
        let client = client();
        let started = std::time::Instant::now();
        for result in at_once(&client, &spec, 30).await {
            assert_eq!(
                result,
                Err(FetchError::ConnectTimeout),
                "no settings ever come"
            );
        }
        assert!(
            started.elapsed().as_millis() < 2_000,
            "not one after the other"
        );
    });
}

#[test]
fn who_waits_for_a_connection_opens_it_when_its_opener_leaves() {
    run(async || {
        let peer = Peer::start(echo).await;
        let (client, spec) = (client(), peer.spec());
        let opener = spawn_local({
            let (client, spec) = (client.clone(), spec.clone());
            async move { call(&client, &spec, unary("a")).await }
        });
        let waiter = spawn_local({
            let (client, spec) = (client.clone(), spec.clone());
            async move { call(&client, &spec, unary("b")).await }
        });
        tokio::task::yield_now().await;
        opener.abort();
        let (body, _) = waiter.await.unwrap().unwrap();
        assert!(body.ends_with(":b"));
        assert!(opener.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn when_an_origin_goes_away_unseen_calls_move_and_the_others_end_where_they_are() {
    run(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let spec = spec(listener.local_addr().unwrap().port());
        let origin = spawn_local(async move {
            let (mut first, _) = listener.accept().await.unwrap();
            frames::begin(&mut first).await;
            assert_eq!(frames::requests(&mut first, 2).await, [1, 3]);
            frames::go_away(&mut first, 1).await;

            let (mut second, _) = listener.accept().await.unwrap();
            frames::begin(&mut second).await;
            assert_eq!(frames::requests(&mut second, 1).await, [1]);
            frames::answer(&mut second, 1, b"second").await;
            frames::answer(&mut first, 1, b"first").await;
            // Whoever calls next does so on the second.
            assert_eq!(frames::requests(&mut second, 1).await, [3]);
            frames::answer(&mut second, 3, b"third").await;
            (frames::requests(&mut first, 1).await, second)
        });
        let client = client();
        let bodies: Vec<_> = at_once(&client, &spec, 2).await;
        assert_eq!(bodies[0].as_ref().unwrap().0, "first");
        assert_eq!(bodies[1].as_ref().unwrap().0, "second");
        let (body, _) = call(&client, &spec, unary("x")).await.unwrap();
        assert_eq!(body, "third");
        let (further, _second) = origin.await.unwrap();
        assert!(further.is_empty(), "the first is closed");
        assert_eq!(client.connections().open, 1);
    });
}

#[test]
fn a_connection_that_breaks_fails_what_cannot_be_repeated_and_repeats_the_rest() {
    run(async || {
        for (method, want) in [(Method::Post, None), (Method::Get, Some("again"))] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let spec = spec(listener.local_addr().unwrap().port());
            spawn_local(async move {
                for is_last in [false, true] {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    frames::begin(&mut stream).await;
                    while frames::read(&mut stream).await.unwrap().0 != frames::HEADERS {}
                    if is_last {
                        frames::answer(&mut stream, 1, b"again").await;
                        while frames::read(&mut stream).await.is_some() {}
                    }
                }
            });
            let client = client();
            let request = OriginRequest {
                protocol: Protocol::Http2,
                ..request(method, "/")
            };
            let result = call(&client, &spec, request).await;
            match want {
                None => assert_eq!(result, Err(FetchError::Closed)),
                Some(body) => assert_eq!(result.unwrap().0, body),
            }
        }
    });
}

#[test]
fn a_body_that_breaks_off_is_incomplete() {
    run(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let spec = spec(listener.local_addr().unwrap().port());
        spawn_local(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            frames::begin(&mut stream).await;
            frames::requests(&mut stream, 1).await;
            frames::write(
                &mut stream,
                frames::HEADERS,
                frames::END_HEADERS,
                1,
                &[0x88],
            )
            .await;
            frames::write(&mut stream, frames::DATA, 0, 1, b"half").await;
        });
        let client = client();
        let mut response = client.fetch(&spec, unary("x")).await.unwrap();
        assert_eq!(response.body.next().await.unwrap().unwrap(), "half");
        let error = response.body.next().await.unwrap().unwrap_err();
        assert_eq!(error, FetchError::Incomplete);
    });
}
