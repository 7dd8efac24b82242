//! Calls of gRPC, to origins that speak HTTP/2 (spec §5.7).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use serde_json::{Value, json};
use tokio::task::LocalSet;

use crate::tls::Stage;
use crate::world::{Origin, distribution, origin_json};
use crate::{PATIENCE, Viewer, ask, pause, receive, run};

/// An origin that answers every call as the test says.
fn origin<F, Fut>(answer: F) -> SocketAddr
where
    F: Fn(Request<RecvStream>, SendResponse<Bytes>) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let answer = std::rc::Rc::new(answer);
        LocalSet::new().block_on(&runtime, async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let answer = std::rc::Rc::clone(&answer);
                tokio::task::spawn_local(async move {
                    let Ok(mut connection) = h2::server::handshake(stream).await else {
                        return;
                    };
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::task::spawn_local(answer(request, respond));
                    }
                });
            }
        });
    });
    address
}

fn calling(address: SocketAddr) -> Value {
    let mut config = distribution(address);
    config["DefaultCacheBehavior"]["GrpcConfig"] = json!({ "Enabled": true });
    config
}

fn call(target: &str) -> Request<()> {
    let mut request = ask("POST", target);
    let headers = request.headers_mut();
    headers.insert("content-type", "application/grpc+proto".parse().unwrap());
    headers.insert("te", "trailers".parse().unwrap());
    headers.insert("grpc-timeout", "10S".parse().unwrap());
    request
}

fn ok() -> Response<()> {
    let mut response = Response::new(());
    let kind = "application/grpc+proto".parse().unwrap();
    response.headers_mut().insert("content-type", kind);
    response
}

fn status(code: &str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.parse().unwrap());
    trailers.insert("grpc-message", "said so".parse().unwrap());
    trailers
}

async fn drain(body: &mut RecvStream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(Ok(bytes)) = body.data().await {
        body.flow_control().release_capacity(bytes.len()).unwrap();
        all.extend_from_slice(&bytes);
    }
    all
}

#[test]
fn a_call_has_its_body_its_reply_and_its_trailers() {
    let seen = Arc::new(Mutex::new(HeaderMap::new()));
    let note = Arc::clone(&seen);
    let address = origin(move |request, mut respond| {
        let note = Arc::clone(&note);
        async move {
            let (head, mut body) = request.into_parts();
            *note.lock().unwrap() = head.headers;
            let asked = drain(&mut body).await;
            let mut send = respond.send_response(ok(), false).unwrap();
            send.send_data(asked.into(), false).unwrap();
            send.send_trailers(status("0")).unwrap();
        }
    });
    let world = Stage::new(&calling(address));
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        for _ in 0..3 {
            let got = viewer.upload(call("/service/Echo"), b"message").await;
            assert_eq!((got.status, got.text().as_str()), (200, "message"));
            assert_eq!(got.cache(), "Miss");
            assert_eq!(got.get("content-type"), Some("application/grpc+proto"));
            assert_eq!(got.get("content-length"), None);
            let trailers = got.trailers.unwrap();
            assert_eq!(trailers.get("grpc-status").unwrap(), "0");
            assert_eq!(trailers.get("grpc-message").unwrap(), "said so");
        }
    });
    let seen = seen.lock().unwrap();
    assert_eq!(seen.get("te").unwrap(), "trailers");
    assert_eq!(seen.get("grpc-timeout").unwrap(), "10S");
}

#[test]
fn a_reply_that_is_trailers_alone_comes_as_one() {
    let address = origin(|_, mut respond| async move {
        let mut response = ok();
        response.headers_mut().extend(status("5"));
        respond.send_response(response, true).unwrap();
    });
    let world = Stage::new(&calling(address));
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        let got = viewer.upload(call("/service/None"), b"message").await;
        assert_eq!((got.status, got.get("grpc-status")), (200, Some("5")));
        assert_eq!((got.body.len(), got.broken), (0, None));
        assert_eq!(
            (got.trailers, got.headers.get("content-length")),
            (None, None)
        );
    });
}

#[test]
fn both_sides_talk_at_once() {
    let address = origin(|request, mut respond| async move {
        let mut body = request.into_body();
        let mut send = respond.send_response(ok(), false).unwrap();
        send.send_data(Bytes::from_static(b"welcome"), false)
            .unwrap();
        while let Some(Ok(bytes)) = body.data().await {
            body.flow_control().release_capacity(bytes.len()).unwrap();
            send.send_data(bytes, false).unwrap();
        }
        send.send_trailers(status("0")).unwrap();
    });
    let world = Stage::new(&calling(address));
    run(async {
        let viewer = Viewer::connect(&world).await;
        let mut send = viewer.send.clone().ready().await.unwrap();
        let (response, mut ours) = send.send_request(call("/service/Chat"), false).unwrap();
        // The reply begins before the first message.
        let mut theirs = response.await.unwrap().into_body();
        assert_eq!(theirs.data().await.unwrap().unwrap(), "welcome");
        for number in 0..100 {
            let message = format!("message {number}");
            ours.send_data(message.clone().into(), false).unwrap();
            assert_eq!(theirs.data().await.unwrap().unwrap(), message);
        }
        ours.send_data(Bytes::new(), true).unwrap();
        assert_eq!(drain(&mut theirs).await, b"");
        let trailers = theirs.trailers().await.unwrap().unwrap();
        assert_eq!(trailers.get("grpc-status").unwrap(), "0");
    });
}

#[test]
fn a_call_that_is_given_up_is_given_up_at_the_origin() {
    let (sender, gone) = mpsc::channel();
    let address = origin(move |request, mut respond| {
        let sender = sender.clone();
        async move {
            let mut send = respond.send_response(ok(), false).unwrap();
            send.send_data(Bytes::from_static(b"first"), false).unwrap();
            let reason = std::future::poll_fn(|cx| send.poll_reset(cx)).await;
            sender.send(reason.is_ok()).unwrap();
            drop(request);
        }
    });
    let world = Stage::new(&calling(address));
    run(async {
        let viewer = Viewer::connect(&world).await;
        let mut send = viewer.send.clone().ready().await.unwrap();
        let (response, mut ours) = send.send_request(call("/service/Watch"), false).unwrap();
        let mut theirs = response.await.unwrap().into_body();
        assert_eq!(theirs.data().await.unwrap().unwrap(), "first");
        ours.send_reset(Reason::CANCEL);
        drop(theirs);
        pause(50).await;
    });
    assert_eq!(gone.recv_timeout(PATIENCE), Ok(true));
}

#[test]
fn errors_of_the_edge_are_told_in_the_words_of_grpc() {
    let nowhere = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let page = Origin::fixed("200 OK", &[], "<p>sorry</p>");
    let mut config = calling(nowhere);
    config["Origins"] = json!({ "Quantity": 2, "Items": [
        origin_json("main", nowhere), origin_json("page", page.address),
    ]});
    config["CustomErrorResponses"] = json!({ "Quantity": 1, "Items": [{
        "ErrorCode": 502, "ResponsePagePath": "/sorry", "ResponseCode": "200",
    }]});
    let world = Stage::new(&config);
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        let got = viewer.upload(call("/service/Any"), b"message").await;
        // UNAVAILABLE
        assert_eq!((got.status, got.get("grpc-status")), (200, Some("14")));
        assert_eq!(got.get("grpc-message"), Some("Bad Gateway"));
        assert_eq!(got.get("content-type"), Some("application/grpc"));
        assert_eq!(
            (got.cache(), got.body.len(), got.broken),
            ("Error", 0, None)
        );
        assert_eq!(got.get("content-length"), None);
    });
    assert_eq!(page.count(), 0, "a call has no page");
}

#[test]
fn other_requests_of_the_behavior_are_requests_like_any() {
    let origin = Origin::fixed("200 OK", &[], "by HTTP/1.1");
    let world = Stage::new(&calling(origin.address));
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        assert_eq!(viewer.get("/").await.text(), "by HTTP/1.1");
        let got = viewer.upload(ask("POST", "/"), b"no call").await;
        assert_eq!(got.text(), "by HTTP/1.1");
        let response = viewer.send(ask("GET", "/again")).await;
        assert_eq!(receive(response).await.status, 200);
    });
}
