//! Request bodies: streamed, bounded, and never blamed on the wrong side.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use message::Method;
use origin::{BodyError, BodySource, FetchError, OriginRequest, RequestBody};

use crate::script::{Origin, Step, answer, bytes, client, fetch, get, ok, request, run, send};

/// Gives its pieces, then ends.
struct Pieces(VecDeque<Result<Bytes, BodyError>>);

impl BodySource for Pieces {
    fn poll_data(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Ready(self.0.pop_front())
    }
}

fn upload(length: Option<u64>, pieces: Vec<Result<Bytes, BodyError>>) -> OriginRequest {
    with_source(Method::Post, length, Pieces(pieces.into()))
}

fn with_source(
    method: Method,
    length: Option<u64>,
    source: impl BodySource + 'static,
) -> OriginRequest {
    let body = RequestBody::Stream {
        length,
        body: Box::new(source),
    };
    OriginRequest {
        body,
        ..request(method, "/upload")
    }
}

/// Gives pieces of 16 KiB without end, and counts them.
struct Endless(Rc<Cell<usize>>);

impl BodySource for Endless {
    fn poll_data(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.0.set(self.0.get() + 1);
        Poll::Ready(Some(Ok(Bytes::from_static(&[b'x'; 16_384]))))
    }
}

/// A piece, silence for a while, another piece, the end.
struct Hesitant {
    pieces: VecDeque<Bytes>,
    sleep: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
    silence: Duration,
}

impl BodySource for Hesitant {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let silence = self.silence;
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(silence)));
        std::task::ready!(sleep.as_mut().poll(cx));
        self.sleep = None;
        Poll::Ready(self.pieces.pop_front().map(Ok))
    }
}

#[test]
fn a_body_of_known_length_goes_out_with_its_length() {
    run(async || {
        for method in [
            Method::Post,
            Method::Put,
            Method::Patch,
            Method::Delete,
            Method::Get,
        ] {
            let origin = Origin::start(vec![vec![Step::Head, Step::Body(6), ok("done")]]).await;
            let source = Pieces([Ok(bytes("abc")), Ok(bytes("def"))].into());
            let request = with_source(method, Some(6), source);
            let result = answer(&client(), &origin.spec(), request).await;
            assert_eq!(result, Ok((200, "done".to_owned())), "{method:?}");
            assert!(origin.heads.borrow()[0].contains("\r\nContent-Length: 6\r\n"));
            assert_eq!(*origin.bodies.borrow(), b"abcdef");
        }
    });
}

#[test]
fn a_body_of_unknown_length_goes_out_in_chunks() {
    run(async || {
        for method in [Method::Post, Method::Get] {
            let wire = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
            let origin =
                Origin::start(vec![vec![Step::Head, Step::Body(wire.len()), ok("done")]]).await;
            let request = with_source(
                method,
                None,
                Pieces([Ok(bytes("abc")), Ok(bytes("de"))].into()),
            );
            let result = answer(&client(), &origin.spec(), request).await;
            assert_eq!(result, Ok((200, "done".to_owned())));
            assert!(origin.heads.borrow()[0].contains("\r\nTransfer-Encoding: chunked\r\n"));
            assert!(!origin.heads.borrow()[0].contains("Content-Length"));
            assert_eq!(*origin.bodies.borrow(), wire.as_bytes());
        }
    });
}

#[test]
fn a_large_upload_arrives_whole_and_leaves_its_connection_usable() {
    run(async || {
        let size = 8 << 20;
        let script = vec![
            Step::Head,
            Step::Body(size),
            ok("done"),
            Step::Head,
            ok("again"),
        ];
        let origin = Origin::start(vec![script]).await;
        let piece = Bytes::from(vec![b'z'; 64 * 1024]);
        let pieces = (0..size / piece.len()).map(|_| Ok(piece.clone())).collect();
        let (client, spec) = (client(), origin.spec());
        let result = answer(&client, &spec, upload(Some(size as u64), pieces)).await;
        assert_eq!(result, Ok((200, "done".to_owned())));
        assert_eq!(origin.bodies.borrow().len(), size);
        assert_eq!(
            answer(&client, &spec, get("/")).await,
            Ok((200, "again".to_owned()))
        );
        assert_eq!(origin.connections.get(), 1);
    });
}

#[test]
fn an_origin_that_takes_nothing_holds_the_upload_back_and_times_out() {
    run(async || {
        let origin = Origin::start(vec![vec![Step::Head, Step::Hold]]).await;
        let spec = origin.spec_with(|spec| spec.read_timeout_ms = 200);
        let taken = Rc::new(Cell::new(0));
        let request = with_source(Method::Put, None, Endless(Rc::clone(&taken)));
        let error = answer(&client(), &spec, request).await.unwrap_err();
        assert_eq!((error, error.status()), (FetchError::WriteTimeout, 504));
        // Socket buffers on both sides take some megabytes; more would be ours.
        assert!(taken.get() * 16_384 < 32 << 20, "{} pieces", taken.get());
    });
}

#[test]
fn an_early_response_arrives_while_the_upload_still_runs() {
    run(async || {
        let refusal = "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig";
        let script = vec![Step::Head, Step::Body(10), send(refusal), Step::AwaitClose];
        let origin = Origin::start(vec![script, vec![Step::Head, ok("new")]]).await;
        let (client, spec) = (client(), origin.spec());
        let request = with_source(Method::Post, None, Endless(Rc::default()));
        let (response, body) = fetch(&client, &spec, request).await.unwrap();
        assert_eq!((response.head.status, body.as_str()), (413, "big"));
        // With the upload cut off, nothing may follow it.
        origin.closed.notified().await;
        assert_eq!(client.connections().open, 0);
        assert_eq!(
            answer(&client, &spec, get("/")).await,
            Ok((200, "new".to_owned()))
        );
    });
}

#[test]
fn a_viewer_that_fails_is_not_the_origins_fault() {
    run(async || {
        for error in [BodyError::Closed, BodyError::Timeout, BodyError::Invalid] {
            let script = vec![Step::Head, Step::Body(3), Step::AwaitClose];
            let origin = Origin::start(vec![script]).await;
            let request = upload(Some(10), vec![Ok(bytes("abc")), Err(error)]);
            let client = client();
            let failure = answer(&client, &origin.spec(), request).await.unwrap_err();
            assert_eq!(failure, FetchError::ViewerBody(error));
            assert!(!failure.is_origin_failure());
            assert_eq!(client.connections().open, 0);
            assert_eq!(origin.connections.get(), 1);
        }
    });
}

#[test]
fn a_body_that_is_not_as_long_as_announced_is_cut_off() {
    run(async || {
        for pieces in [
            vec![Ok(bytes("abc"))],
            vec![Ok(bytes("abcdef")), Ok(bytes("ghijklm"))],
        ] {
            let origin = Origin::start(vec![vec![Step::Head, Step::AwaitClose]]).await;
            let failure = answer(&client(), &origin.spec(), upload(Some(10), pieces)).await;
            assert_eq!(failure, Err(FetchError::ViewerBody(BodyError::WrongLength)));
        }
    });
}

#[test]
fn a_hesitant_viewer_is_no_silence_of_the_origin() {
    run(async || {
        let script = vec![Step::Head, Step::Body(6), ok("done")];
        let origin = Origin::start(vec![script]).await;
        let spec = origin.spec_with(|spec| spec.read_timeout_ms = 80);
        let source = Hesitant {
            pieces: [bytes("abc"), bytes("def")].into(),
            sleep: None,
            silence: Duration::from_millis(200),
        };
        let result = answer(&client(), &spec, with_source(Method::Post, Some(6), source)).await;
        assert_eq!(result, Ok((200, "done".to_owned())));
    });
}

#[test]
fn the_read_timeout_starts_after_the_upload() {
    run(async || {
        let origin = Origin::start(vec![vec![Step::Head, Step::Body(3), Step::Hold]]).await;
        let spec = origin.spec_with(|spec| spec.read_timeout_ms = 80);
        let failure = answer(&client(), &spec, upload(Some(3), vec![Ok(bytes("abc"))])).await;
        assert_eq!(failure, Err(FetchError::ReadTimeout));
    });
}

#[test]
fn one_continue_is_swallowed_and_two_are_an_error() {
    run(async || {
        let go = "HTTP/1.1 100 Continue\r\n\r\n";
        let script = vec![Step::Head, send(go), Step::Body(3), ok("done")];
        let origin = Origin::start(vec![script]).await;
        let result = answer(
            &client(),
            &origin.spec(),
            upload(Some(3), vec![Ok(bytes("abc"))]),
        )
        .await;
        assert_eq!(result, Ok((200, "done".to_owned())));

        let script = vec![Step::Head, send(go), Step::Body(3), send(go), ok("done")];
        let origin = Origin::start(vec![script]).await;
        let result = answer(
            &client(),
            &origin.spec(),
            upload(Some(3), vec![Ok(bytes("abc"))]),
        )
        .await;
        assert_eq!(result, Err(FetchError::InvalidResponse));
    });
}

#[test]
fn an_upload_whose_body_was_taken_is_not_sent_twice() {
    run(async || {
        let stale = vec![Step::Head, ok("one"), Step::Head, Step::Body(3)];
        let origin = Origin::start(vec![stale, vec![Step::Head, ok("two")]]).await;
        let client = client();
        answer(&client, &origin.spec(), get("/")).await.unwrap();
        let source = Pieces([Ok(bytes("abc"))].into());
        let request = with_source(Method::Put, Some(3), source);
        let result = answer(&client, &origin.spec(), request).await;
        assert_eq!(
            (result, origin.connections.get()),
            (Err(FetchError::Closed), 1)
        );
    });
}

#[test]
fn an_upload_whose_body_was_not_touched_moves_to_a_fresh_connection() {
    run(async || {
        // The viewer is slow; the pooled connection closes after the head and before the body.
        let stale = vec![Step::Head, ok("one"), Step::Head];
        let origin = Origin::start(vec![stale, vec![Step::Head, Step::Body(3), ok("two")]]).await;
        let client = client();
        answer(&client, &origin.spec(), get("/")).await.unwrap();
        let source = Hesitant {
            pieces: [bytes("abc")].into(),
            sleep: None,
            silence: Duration::from_millis(150),
        };
        let request = with_source(Method::Post, Some(3), source);
        let result = answer(&client, &origin.spec(), request).await;
        assert_eq!(result, Ok((200, "two".to_owned())));
        assert_eq!(*origin.bodies.borrow(), b"abc");
    });
}
