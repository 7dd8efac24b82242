//! What becomes of connections: they move, lie idle, and end.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use h3::error::Code;
use quinn::Endpoint;

use crate::exchanges::{origin_of, pattern};
use crate::world::{Origin, distribution, eventually};
use crate::{Got, Stage, Viewer, ask, code, receive, receive_body, run};

/// The code that a connection was closed with by the edge.
fn closed_with(error: quinn::ConnectionError) -> quinn::VarInt {
    match error {
        quinn::ConnectionError::ApplicationClosed(close) => close.error_code,
        other => panic!("the edge closes in good order: {other}"),
    }
}

#[test]
fn a_connection_goes_on_when_the_viewers_address_changes() {
    let origin = Origin::fixed("200 OK", &[("Cache-Control", "max-age=60")], "hello");
    // Eight workers: who did not send packets to the one that has the keys would hardly get far.
    let stage = Stage::with(&distribution(origin.address), |settings| {
        settings.workers = 8
    });
    run(async {
        for _ in 0..4 {
            let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
            let mut viewer = Viewer::new(stage.connect_from(&endpoint, |_| {}).await).await;
            for _ in 0..5 {
                assert_eq!(viewer.get("/").await.status, 200);
                endpoint
                    .rebind(UdpSocket::bind("127.0.0.1:0").unwrap())
                    .unwrap();
            }
            assert_eq!(viewer.get("/").await.status, 200);
        }
    });
}

#[test]
fn what_is_under_way_when_the_edge_stops_comes_whole() {
    let length = 10 << 20;
    let origin = origin_of(length);
    let stage = Stage::new(origin.address);
    let mut stage = stage;
    run(async {
        let mut viewer = stage.viewer().await;
        assert_eq!(viewer.get("/large").await.body.len(), length);
        let mut stream = viewer.send(ask("GET", "/large")).await;
        assert_eq!(stream.recv_response().await.unwrap().status(), 200);
        let edge = stage.world.edge.take().unwrap();
        stage.following.take();
        let stopping = std::thread::spawn(move || edge.stop());
        let mut got = Got::default();
        receive_body(&mut stream, &mut got).await;
        assert!(got.broken.is_none() && got.body == pattern(length));
        let reason = viewer.quic.closed().await;
        assert_eq!(closed_with(reason), code(Code::H3_NO_ERROR));
        stopping.join().unwrap();
    });
}

#[test]
fn idle_viewers_do_not_hold_up_a_stop_and_are_told() {
    let origin = Origin::fixed("200 OK", &[], "ok");
    let mut stage = Stage::new(origin.address);
    run(async {
        let viewer = stage.viewer().await;
        let started = Instant::now();
        let edge = stage.world.edge.take().unwrap();
        stage.following.take();
        let stopping = std::thread::spawn(move || edge.stop());
        let reason = viewer.quic.closed().await;
        assert_eq!(closed_with(reason), code(Code::H3_NO_ERROR));
        stopping.join().unwrap();
        assert!(started.elapsed() < Duration::from_secs(5));
    });
}

#[test]
fn a_connection_that_nothing_is_asked_on_ends() {
    let origin = Origin::fixed("200 OK", &[], "ok");
    let stage = Stage::with(&distribution(origin.address), |settings| {
        settings.timeouts.keep_alive = Duration::from_millis(200);
        settings.timeouts.linger = Duration::from_millis(50);
    });
    run(async {
        let mut viewer = stage.viewer().await;
        assert_eq!(viewer.get("/").await.status, 200);
        let reason = viewer.quic.closed().await;
        assert_eq!(closed_with(reason), code(Code::H3_NO_ERROR));
        viewer.driver.await.unwrap();
    });
}

#[test]
fn one_client_has_no_more_connections_than_its_bound() {
    let origin = Origin::fixed("200 OK", &[], "ok");
    let stage = Stage::with(&distribution(origin.address), |settings| {
        settings.connections_per_client = 1;
    });
    run(async {
        let first_endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let first = Viewer::new(stage.connect_from(&first_endpoint, |_| {}).await).await;
        let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let second = endpoint.connect_with(stage.client(|_| {}), stage.address, "site3.test");
        assert!(second.unwrap().await.is_err());
        first.quic.close(code(Code::H3_NO_ERROR), b"");
        first_endpoint.wait_idle().await;
    });
    let edge = stage.world.edge.as_ref().unwrap();
    eventually("its place is free again", || {
        edge.metrics().contains("\nwarmfront_open_connections 0")
    });
}

#[test]
fn a_handshake_costs_a_round_trip_more_while_many_are_under_way() {
    let origin = Origin::fixed("200 OK", &[], "ok");
    let stage = Stage::with(&distribution(origin.address), |settings| {
        settings.workers = 1
    });
    // Each of these sends the beginning of a handshake, and never goes on.
    let begun = crate::hostile::begin_handshakes(&stage, 300);
    run(async {
        let mut viewer = stage.viewer().await;
        assert_eq!(viewer.get("/").await.status, 200);
    });
    let is_asked_to_prove = |socket: &UdpSocket| {
        socket.set_nonblocking(true).unwrap();
        let mut packet = [0; 2000];
        let length = socket.recv(&mut packet).unwrap_or(0);
        // A long header of type Retry (RFC 9000, section 17.2.5).
        length > 0 && packet[0] & 0xf0 == 0xf0
    };
    let asked = begun
        .iter()
        .filter(|socket| is_asked_to_prove(socket))
        .count();
    assert!((100..300).contains(&asked), "{asked} of 300");
}

#[test]
fn requests_go_on_beside_a_reply_that_nobody_reads() {
    let length = 10 << 20;
    let origin = origin_of(length);
    let stage = Stage::with(&distribution(origin.address), |settings| {
        settings.timeouts.write = Duration::from_millis(300);
    });
    run(async {
        let quic = stage
            .connect(|transport| {
                transport.stream_receive_window(100_000u32.into());
            })
            .await;
        let mut viewer = Viewer::new(quic).await;
        let mut slow = viewer.send(ask("GET", "/large")).await;
        assert_eq!(slow.recv_response().await.unwrap().status(), 200);
        let other = viewer.send(ask("GET", "/other")).await;
        let other = tokio::task::spawn_local(receive(other));
        // It is broken off, since nothing of it is taken; what is taken goes on.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut got = Got::default();
        receive_body(&mut slow, &mut got).await;
        assert_eq!(got.code(), Some(Code::H3_REQUEST_CANCELLED));
        assert_eq!(other.await.unwrap().body.len(), length);
    });
}
