//! HTTP/2 origins, one call at a time: bodies both ways, trailers, windows, resets, timeouts.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::Reason;
use http::{HeaderValue, Response};
use origin::{BodyError, BodySource, FetchError, RequestBody};
use tokio::sync::Notify;

use crate::peer::{Peer, call, echo, fine, get2, grpc_status, status_of, streaming, unary};
use crate::script::{bytes, client, read, run};

#[test]
fn a_call_arrives_as_it_was_sent_and_its_status_comes_behind_the_body() {
    run(async || {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&seen);
        let peer = Peer::start(move |call| {
            let head = call.request.uri().to_string();
            let te = call.request.headers()["te"].to_str().unwrap().to_owned();
            log.borrow_mut().push((head, te));
            echo(call)
        })
        .await;
        let client = client();
        let mut response = client.fetch(&peer.spec(), unary("hello")).await.unwrap();
        assert_eq!((response.head.status, response.body.length()), (200, None));
        assert!(!response.body.is_close_delimited());
        assert_eq!(read(&mut response.body).await.unwrap(), "1:hello");
        assert_eq!(status_of(&mut response.body).as_deref(), Some("0"));
        assert!(response.body.take_trailers().is_none(), "taken once");
        let want = "http://origin.test/pkg.Service/Method";
        assert_eq!(*seen.borrow(), [(want.to_owned(), "trailers".to_owned())]);
    });
}

#[test]
fn messages_come_as_they_are_sent() {
    run(async || {
        let go_on = Rc::new(Notify::new());
        let wait = Rc::clone(&go_on);
        let peer = Peer::start(move |mut call| {
            let wait = Rc::clone(&wait);
            async move {
                let mut stream = call.head();
                for message in ["one", "two", "three"] {
                    stream.send_data(bytes(message), false).unwrap();
                    wait.notified().await;
                }
                stream.send_trailers(grpc_status("0")).unwrap();
            }
        })
        .await;
        let client = client();
        let mut response = client.fetch(&peer.spec(), unary("q")).await.unwrap();
        for message in ["one", "two", "three"] {
            let piece = response.body.next().await.unwrap().unwrap();
            assert_eq!(piece, message, "before the origin goes on");
            go_on.notify_one();
        }
        assert!(response.body.next().await.is_none());
        assert_eq!(status_of(&mut response.body).as_deref(), Some("0"));
        drop(response);
        assert_eq!(client.connections().idle, 1);
    });
}

#[test]
fn a_streamed_request_arrives_whole_with_its_trailers() {
    run(async || {
        let peer = Peer::start(|mut call| async move {
            let body = call.body().await;
            let trailers = call.request.body_mut().trailers().await.unwrap();
            let sum = trailers.map(|trailers| trailers["x-sum"].clone());
            call.ok(&format!("{body}+{:?}", sum.unwrap()));
        })
        .await;
        let client = client();
        for has_last_piece in [true, false] {
            let trailers = [("X-Sum", "7"), ("Connection", "close")];
            let (push, request) = streaming(Some(trailers.into_iter().collect()));
            let pushing = async move {
                for piece in ["a", "b", "c"] {
                    push.send(Ok(bytes(piece))).unwrap();
                    tokio::task::yield_now().await;
                }
                if has_last_piece {
                    push.send(Ok(Bytes::new())).unwrap();
                }
            };
            let spec = peer.spec();
            let (result, ()) = tokio::join!(call(&client, &spec, request), pushing);
            assert_eq!(result, fine("abc+\"7\""));
        }
        assert_eq!(peer.connections.get(), 1);
    });
}

#[test]
fn two_sides_talk_in_turn_over_one_call() {
    run(async || {
        let peer = Peer::start(|mut call| async move {
            let mut stream = call.head();
            let body = call.request.body_mut();
            while let Some(Ok(piece)) = body.data().await {
                let _ = body.flow_control().release_capacity(piece.len());
                if piece.is_empty() {
                    continue; // The end of the stream.
                }
                let answer = format!("re {}", String::from_utf8_lossy(&piece));
                stream.send_data(bytes(&answer), false).unwrap();
            }
            stream.send_trailers(grpc_status("0")).unwrap();
        })
        .await;
        let client = client();
        let (push, request) = streaming(None);
        // The head comes before there is any message.
        let mut response = client.fetch(&peer.spec(), request).await.unwrap();
        for number in 0..20 {
            push.send(Ok(bytes(&format!("{number}")))).unwrap();
            let piece = response.body.next().await.unwrap().unwrap();
            assert_eq!(piece, format!("re {number}"));
        }
        drop(push);
        assert!(response.body.next().await.is_none());
        assert_eq!(status_of(&mut response.body).as_deref(), Some("0"));
    });
}

#[test]
fn an_upload_goes_on_while_nobody_reads_the_response() {
    run(async || {
        let all_read = Rc::new(Notify::new());
        let tell = Rc::clone(&all_read);
        let peer = Peer::start(move |mut call| {
            let tell = Rc::clone(&tell);
            async move {
                let _stream = call.head();
                assert_eq!(call.body().await.len(), 1 << 20);
                tell.notify_one();
            }
        })
        .await;
        let client = client();
        let (push, request) = streaming(None);
        let response = client.fetch(&peer.spec(), request).await.unwrap();
        for _ in 0..16 {
            push.send(Ok(Bytes::from(vec![b'x'; 1 << 16]))).unwrap();
        }
        drop(push);
        all_read.notified().await;
        drop(response);
    });
}

#[test]
fn a_response_of_trailers_only_is_a_head_without_a_body() {
    run(async || {
        let peer = Peer::start(|mut call| async move {
            let mut head = Response::new(());
            *head.headers_mut() = grpc_status("12");
            call.respond.send_response(head, true).unwrap();
        })
        .await;
        let client = client();
        let mut response = client.fetch(&peer.spec(), unary("q")).await.unwrap();
        assert_eq!(response.head.fields.get("grpc-status"), Some(&b"12"[..]));
        assert_eq!(response.body.length(), Some(0));
        assert!(response.body.next().await.is_none());
        assert!(response.body.take_trailers().is_none());
        assert_eq!(
            client.connections().idle,
            1,
            "given back before it is dropped"
        );
    });
}

#[test]
fn a_reset_tells_its_code_before_and_within_the_body_and_is_not_retried() {
    run(async || {
        let peer = Peer::start(|mut call| async move {
            if call.number == 1 {
                call.respond.send_reset(Reason::INTERNAL_ERROR);
            } else {
                let mut stream = call.head();
                stream.send_data(bytes("some"), false).unwrap();
                call.body().await;
                stream.send_reset(Reason::ENHANCE_YOUR_CALM);
            }
        })
        .await;
        let client = client();
        let result = call(&client, &peer.spec(), unary("x")).await;
        assert_eq!(result, Err(FetchError::Reset(2)));
        assert_eq!(peer.calls.get(), 1);

        let (push, request) = streaming(None);
        let mut response = client.fetch(&peer.spec(), request).await.unwrap();
        assert_eq!(response.body.next().await.unwrap().unwrap(), "some");
        drop(push);
        let error = response.body.next().await.unwrap().unwrap_err();
        assert_eq!(error, FetchError::Reset(11));
        assert!(response.body.next().await.is_none());
        assert_eq!(
            peer.connections.get(),
            1,
            "the connection is as good as before"
        );
    });
}

#[test]
fn dropping_a_body_cancels_its_stream_and_leaves_the_others_alone() {
    run(async || {
        let reasons = Rc::new(RefCell::new(Vec::new()));
        let told = Rc::new(Notify::new());
        let (log, tell) = (Rc::clone(&reasons), Rc::clone(&told));
        let peer = Peer::start(move |mut call| {
            let (log, tell) = (Rc::clone(&log), Rc::clone(&tell));
            async move {
                if call.request.uri().path() == "/endless" {
                    let mut stream = call.head();
                    stream.send_data(bytes("some"), false).unwrap();
                    let reason = poll_fn(|cx| stream.poll_reset(cx)).await.unwrap();
                    log.borrow_mut().push(reason);
                    tell.notify_one();
                } else {
                    echo(call).await;
                }
            }
        })
        .await;
        let client = client();
        let mut endless = client.fetch(&peer.spec(), get2("/endless")).await.unwrap();
        assert_eq!(endless.body.next().await.unwrap().unwrap(), "some");
        let (push, request) = streaming(None);
        let spec = peer.spec();
        let other = call(&client, &spec, request);
        let dropping = async {
            push.send(Ok(bytes("still "))).unwrap();
            drop(endless);
            told.notified().await;
            push.send(Ok(bytes("here"))).unwrap();
            drop(push);
        };
        let (other, ()) = tokio::join!(other, dropping);
        assert_eq!(other, fine("1:still here"));
        assert_eq!(*reasons.borrow(), [Reason::CANCEL]);

        // The same for a fetch that is given up before its head.
        let given_up = client.fetch(&spec, get2("/endless"));
        drop(tokio::time::timeout(std::time::Duration::ZERO, given_up).await);
        assert_eq!(call(&client, &spec, unary("x")).await, fine("1:x"));
    });
}

#[test]
fn an_origin_that_answers_early_stops_the_upload() {
    run(async || {
        let peer = Peer::start(|mut call| async move {
            let mut stream = call.head();
            stream.send_trailers(grpc_status("9")).unwrap();
        })
        .await;
        let client = client();
        let (push, request) = streaming(None);
        let (_, status) = call(&client, &peer.spec(), request).await.unwrap();
        assert_eq!(status.as_deref(), Some("9"));
        push.closed().await; // The source is dropped: nobody waits for the viewer.
        assert_eq!(client.connections().idle, 1);
    });
}

#[test]
fn a_viewer_that_fails_resets_the_stream_and_is_to_blame() {
    run(async || {
        let peer = Peer::start(|mut call| async move {
            let mut stream = call.head();
            stream.send_data(bytes("some"), false).unwrap();
            call.body().await;
        })
        .await;
        let client = client();
        let (push, request) = streaming(None);
        let mut response = client.fetch(&peer.spec(), request).await.unwrap();
        assert_eq!(response.body.next().await.unwrap().unwrap(), "some");
        push.send(Err(BodyError::Closed)).unwrap();
        let error = response.body.next().await.unwrap().unwrap_err();
        assert_eq!(error, FetchError::ViewerBody(BodyError::Closed));

        let (push, request) = streaming(None);
        push.send(Err(BodyError::TooLarge)).unwrap();
        let silent = Peer::start(|mut call| async move {
            call.body().await;
        })
        .await;
        let result = call(&client, &silent.spec(), request).await;
        assert_eq!(result, Err(FetchError::ViewerBody(BodyError::TooLarge)));
    });
}

#[test]
fn a_window_that_never_opens_is_a_write_timeout() {
    run(async || {
        let peer = Peer::start_with(
            |builder| {
                builder.initial_window_size(0);
            },
            |call| async move {
                let _call = call;
                std::future::pending::<()>().await;
            },
        )
        .await;
        let client = client();
        let mut spec = peer.spec();
        spec.read_timeout_ms = 200;
        let result = call(&client, &spec, unary("x")).await;
        assert_eq!(result, Err(FetchError::WriteTimeout));
        assert_eq!(
            client.connections().open,
            0,
            "a stuck connection is not used again"
        );
    });
}

#[test]
fn the_read_timeout_is_the_gap_between_frames() {
    run(async || {
        let peer = Peer::start(|mut call| async move {
            let mut stream = call.head();
            for _ in 0..4 {
                tokio::time::sleep(std::time::Duration::from_millis(250)).await;
                stream.send_data(bytes("x"), false).unwrap();
            }
            std::future::pending::<()>().await;
        })
        .await;
        let client = client();
        let mut spec = peer.spec();
        spec.read_timeout_ms = 600;
        let mut response = client.fetch(&spec, unary("q")).await.unwrap();
        for _ in 0..4 {
            assert_eq!(response.body.next().await.unwrap().unwrap(), "x");
        }
        let error = response.body.next().await.unwrap().unwrap_err();
        assert_eq!(error, FetchError::ReadTimeout);
    });
}

#[test]
fn silence_before_the_head_is_a_read_timeout_and_a_get_gets_its_attempts() {
    run(async || {
        let peer = Peer::start(|call| async move {
            let _call = call;
            std::future::pending::<()>().await;
        })
        .await;
        let client = client();
        let mut spec = peer.spec();
        spec.read_timeout_ms = 100;
        let result = call(&client, &spec, unary("x")).await;
        assert_eq!(result, Err(FetchError::ReadTimeout));
        assert_eq!(peer.calls.get(), 1);
        assert_eq!(
            call(&client, &spec, get2("/")).await,
            Err(FetchError::ReadTimeout)
        );
        assert_eq!(peer.calls.get(), 4);
        spec.response_completion_timeout_ms = Some(50);
        let result = call(&client, &spec, unary("x")).await;
        assert_eq!(result, Err(FetchError::CompletionTimeout));
    });
}

#[test]
fn a_head_over_the_limit_is_refused_and_the_connection_goes_on() {
    run(async || {
        let peer = Peer::start(|mut call| async move {
            let size: usize = call.request.uri().path()[1..].parse().unwrap();
            let mut head = Response::new(());
            let value = HeaderValue::from_str(&"v".repeat(size)).unwrap();
            head.headers_mut().insert("x-large", value);
            call.respond.send_response(head, true).unwrap();
        })
        .await;
        let client = client();
        for (size, want) in [
            ("20000", Ok(())),
            ("21000", Err(FetchError::HeadTooBig)),
            ("100000", Err(FetchError::InvalidResponse)),
            ("1", Ok(())),
        ] {
            let result = call(&client, &peer.spec(), get2(&format!("/{size}"))).await;
            assert_eq!(result.map(|_| ()), want, "{size}");
        }
        assert_eq!(peer.connections.get(), 1);
    });
}

/// A viewer that sends without end, as fast as it is asked.
struct Endless {
    taken: Rc<Cell<usize>>,
}

impl BodySource for Endless {
    fn poll_data(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.taken.set(self.taken.get() + 10_000);
        Poll::Ready(Some(Ok(Bytes::from_static(&[b'x'; 10_000]))))
    }
}

#[test]
fn an_upload_is_taken_no_faster_than_the_origin_reads() {
    run(async || {
        let peer = Peer::start(|mut call| async move {
            let _stream = call.head();
            let _request = call.request; // Kept, and not read.
            std::future::pending::<()>().await;
        })
        .await;
        let client = client();
        let taken = Rc::new(Cell::new(0));
        let (_, mut request) = streaming(None);
        request.body = RequestBody::Stream {
            length: None,
            body: Box::new(Endless {
                taken: Rc::clone(&taken),
            }),
        };
        let mut spec = peer.spec();
        spec.read_timeout_ms = 300;
        let mut response = client.fetch(&spec, request).await.unwrap();
        let error = response.body.next().await.unwrap().unwrap_err();
        assert_eq!(error, FetchError::ReadTimeout);
        assert!(
            taken.get() < 200_000,
            "the window is 65,535 bytes: {}",
            taken.get()
        );
    });
}

#[test]
fn a_body_of_the_wrong_length_is_the_viewers_fault() {
    run(async || {
        let peer = Peer::start(echo).await;
        let client = client();
        for (message, length, want) in [
            ("hello", 5, fine("1:hello")),
            (
                "hello",
                4,
                Err(FetchError::ViewerBody(BodyError::WrongLength)),
            ),
            (
                "hello",
                6,
                Err(FetchError::ViewerBody(BodyError::WrongLength)),
            ),
        ] {
            let mut request = unary(message);
            if let RequestBody::Stream { length: said, .. } = &mut request.body {
                *said = Some(length);
            }
            assert_eq!(call(&client, &peer.spec(), request).await, want, "{length}");
        }
        assert_eq!(peer.connections.get(), 1);
    });
}
