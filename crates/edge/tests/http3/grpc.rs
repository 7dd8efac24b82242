//! Calls of gRPC: trailers come back, and messages go both ways at once.

use std::net::SocketAddr;

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, Response};
use serde_json::json;
use tokio::task::LocalSet;

use crate::world::distribution;
use crate::{Stage, ask, run};

/// An origin that echoes each message as it comes.
fn echo() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        LocalSet::new().block_on(&crate::runtime(), async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(serve(stream));
            }
        });
    });
    address
}

async fn serve(stream: tokio::net::TcpStream) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::task::spawn_local(async move {
            let mut response = Response::new(());
            let kind = "application/grpc".parse().unwrap();
            response.headers_mut().insert("content-type", kind);
            let mut send = respond.send_response(response, false).unwrap();
            let mut body = request.into_body();
            while let Some(Ok(bytes)) = body.data().await {
                body.flow_control().release_capacity(bytes.len()).unwrap();
                send.send_data(bytes, false).unwrap();
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            send.send_trailers(trailers).unwrap();
        });
    }
}

#[test]
fn messages_go_both_ways_at_once_and_trailers_come_at_the_end() {
    let mut config = distribution(echo());
    config["DefaultCacheBehavior"]["GrpcConfig"] = json!({ "Enabled": true });
    let stage = Stage::with(&config, |_| {});
    run(async {
        let mut viewer = stage.viewer().await;
        let mut request = ask("POST", "/service/Echo");
        let headers = request.headers_mut();
        headers.insert("content-type", "application/grpc".parse().unwrap());
        headers.insert("te", "trailers".parse().unwrap());
        let mut stream = viewer.send.send_request(request).await.unwrap();
        for message in ["one", "two", "three"] {
            stream.send_data(Bytes::from(message)).await.unwrap();
            if message == "one" {
                assert_eq!(stream.recv_response().await.unwrap().status(), 200);
            }
            let mut echoed = stream.recv_data().await.unwrap().unwrap();
            assert_eq!(echoed.copy_to_bytes(echoed.remaining()), message);
        }
        stream.finish().await.unwrap();
        assert!(stream.recv_data().await.unwrap().is_none());
        let trailers = stream.recv_trailers().await.unwrap().unwrap();
        assert_eq!(trailers.get("grpc-status").unwrap(), "0");
    });
}
