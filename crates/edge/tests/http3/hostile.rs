//! Viewers that mean no good, or are broken.

use std::net::UdpSocket;

use h3::error::Code;
use quinn::{ReadError, VarInt, WriteError};

use crate::world::{Origin, eventually};
use crate::{Stage, Viewer, ask, code, run};

/// Begins handshakes that go no further: first packets as clients write them, of which no answer
/// is read.
pub fn begin_handshakes(stage: &Stage, count: usize) -> Vec<UdpSocket> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let packet = first_packet(stage);
        socket.send_to(&packet, stage.address).unwrap();
        sockets.push(socket);
    }
    sockets
}

/// What a client sends first: taken from one that believes to speak to an edge.
fn first_packet(stage: &Stage) -> Vec<u8> {
    let listener = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let config = stage.client(|_| {});
    let receive = std::thread::spawn(move || {
        listener.set_read_timeout(Some(crate::PATIENCE)).unwrap();
        let mut packet = vec![0; 2000];
        let length = listener.recv(&mut packet).unwrap();
        packet.truncate(length);
        packet
    });
    let runtime = crate::runtime();
    let _guard = runtime.enter();
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let connecting = endpoint.connect_with(config, to, "site3.test").unwrap();
    let packet = std::thread::spawn(move || receive.join().unwrap());
    runtime.block_on(async {
        while !packet.is_finished() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
    drop(connecting);
    packet.join().unwrap()
}

/// A request by hand: fields of QPACK's static table and the authority.
fn head() -> Vec<u8> {
    let mut fields = vec![0, 0, 0xd1, 0xd7, 0xc1, 0x50, 10];
    fields.extend_from_slice(b"site3.test");
    [&[1, fields.len() as u8][..], &fields].concat()
}

async fn write(quic: &quinn::Connection, bytes: &[u8]) -> (quinn::SendStream, quinn::RecvStream) {
    let (mut send, recv) = quic.open_bi().await.unwrap();
    send.write_all(bytes).await.unwrap();
    (send, recv)
}

#[test]
fn garbage_does_no_harm() {
    let origin = Origin::fixed("200 OK", &[], "ok");
    let stage = Stage::new(origin.address);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut bits = 1u64;
    for length in (0..1500).step_by(7) {
        let garbage: Vec<u8> = (0..length)
            .map(|_| {
                bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (bits >> 56) as u8
            })
            .collect();
        socket.send_to(&garbage, stage.address).unwrap();
        // The same as if it were the first packet of version 1.
        let mut initial = garbage;
        for (byte, value) in initial.iter_mut().zip([0xc3, 0, 0, 0, 1, 8]) {
            *byte = value;
        }
        socket.send_to(&initial, stage.address).unwrap();
    }
    run(async {
        let mut viewer = stage.viewer().await;
        assert_eq!(viewer.get("/").await.status, 200);
    });
}

#[test]
fn a_head_that_is_too_large_is_refused_with_431_and_the_connection_goes_on() {
    let origin = Origin::fixed("200 OK", &[], "ok");
    let stage = Stage::new(origin.address);
    run(async {
        let quic = stage.connect(|_| {}).await;
        // A client of h3 would not send it: it is told the bound.
        let mut fields = vec![0, 0, 0xd1, 0xd7, 0xc1, 0x50, 10];
        fields.extend_from_slice(b"site3.test");
        // A field `a` with a value of 30,000 bytes.
        fields.extend_from_slice(&[0x21, b'a', 0x7f]);
        let mut left = 30_000 - 127;
        while left >= 128 {
            fields.push((left % 128) as u8 | 0x80);
            left /= 128;
        }
        fields.push(left as u8);
        fields.resize(fields.len() + 30_000, b'v');
        let length = (fields.len() as u32 | 2 << 30).to_be_bytes();
        let frame = [&[1][..], &length, &fields].concat();
        let (mut send, mut recv) = write(&quic, &frame).await;
        send.finish().unwrap();
        let answer = recv.read_to_end(10_000).await.unwrap();
        // HEADERS with `:status 431`, which is not in the static table.
        let shown = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer[0] == 1 && answer.len() > 3, "{shown:?}");
        let (mut send, mut recv) = write(&quic, &head()).await;
        send.finish().unwrap();
        assert!(recv.read_to_end(10_000).await.unwrap().ends_with(b"ok"));
    });
}

#[test]
fn a_frame_that_would_have_to_be_held_and_is_too_long_is_not() {
    let origin = Origin::fixed("200 OK", &[], "ok");
    let stage = Stage::new(origin.address);
    run(async {
        let quic = stage.connect(|_| {}).await;
        // HEADERS of 1 GB, and of a type that nobody knows; instead of a head, and behind it.
        let long = |kind: u8| [kind, 0xbf, 0xff, 0xff, 0xff];
        for kind in [1, 0x21] {
            for before in [Vec::new(), head()] {
                let bytes = [&before[..], &long(kind)].concat();
                let (mut send, _recv) = write(&quic, &bytes).await;
                let stopped = loop {
                    match send.write(&[0; 1000]).await {
                        Ok(_) => {}
                        Err(WriteError::Stopped(code)) => break code,
                        Err(other) => panic!("{other}"),
                    }
                };
                let expected = [Code::H3_EXCESSIVE_LOAD, Code::H3_NO_ERROR].map(code);
                assert!(expected.contains(&stopped), "{stopped}");
            }
        }
        let (mut send, mut recv) = write(&quic, &head()).await;
        send.finish().unwrap();
        assert!(recv.read_to_end(10_000).await.unwrap().ends_with(b"ok"));
    });
}

#[test]
fn a_body_that_ends_within_a_frame_is_not_taken_for_a_whole_one() {
    let origin = Origin::fixed("200 OK", &[], "ok");
    let stage = Stage::new(origin.address);
    run(async {
        let quic = stage.connect(|_| {}).await;
        let mut post = head();
        // :method POST.
        post[4] = 0xd4;
        let bytes = [&post[..], &[0, 10], b"half"].concat();
        let (mut send, mut recv) = write(&quic, &bytes).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        send.finish().unwrap();
        let answer = recv.read_to_end(10_000).await;
        assert!(!answer.is_ok_and(|answer| answer.ends_with(b"ok")));
    });
    let asked = origin.asked.lock().unwrap();
    assert!(asked.iter().all(|asked| asked.body != b"half"));
}

#[test]
fn a_head_that_never_comes_is_waited_for_no_longer_than_others() {
    let origin = Origin::fixed("200 OK", &[], "ok");
    let stage = Stage::with(&crate::distribution(origin.address), |settings| {
        settings.timeouts.head = std::time::Duration::from_millis(200);
    });
    run(async {
        let quic = stage.connect(|_| {}).await;
        for bytes in [&head()[..5], &head()] {
            let (_send, mut recv) = write(&quic, bytes).await;
            let error = recv.read_to_end(10_000).await.unwrap_err();
            let quinn::ReadToEndError::Read(ReadError::Reset(_)) = error else {
                panic!("{error}");
            };
        }
    });
}

#[test]
fn whoever_only_ever_gives_up_is_sent_away() {
    let origin = Origin::scripted(|_, _, stream| {
        // Never an answer: until the edge goes away.
        while std::io::Read::read(stream, &mut [0; 100]).is_ok_and(|count| count > 0) {}
        false
    });
    let stage = Stage::new(origin.address);
    run(async {
        let quic = stage.connect(|_| {}).await;
        let reason = loop {
            let Ok((mut send, mut recv)) = quic.open_bi().await else {
                break quic.closed().await;
            };
            let _ = send.write_all(&head()).await;
            let _ = send.finish();
            let _ = recv.stop(code(Code::H3_REQUEST_CANCELLED));
        };
        let quinn::ConnectionError::ApplicationClosed(close) = reason else {
            panic!("{reason}");
        };
        assert_eq!(close.error_code, code(Code::H3_EXCESSIVE_LOAD));
    });
}

#[test]
fn more_streams_than_are_allowed_have_to_wait() {
    let origin = Origin::fixed("200 OK", &[], "ok");
    let stage = Stage::new(origin.address);
    run(async {
        let quic = stage.connect(|_| {}).await;
        let mut open = Vec::new();
        for _ in 0..128 {
            open.push(write(&quic, &head()[..3]).await);
        }
        let waiting = std::time::Duration::from_millis(100);
        assert!(tokio::time::timeout(waiting, quic.open_bi()).await.is_err());
        drop(open);
        assert!(quic.open_bi().await.is_ok());
    });
}

#[test]
fn streams_of_an_unknown_kind_are_refused_and_do_no_harm() {
    let origin = Origin::fixed("200 OK", &[], "ok");
    let stage = Stage::new(origin.address);
    run(async {
        let mut viewer: Viewer = stage.viewer().await;
        for _ in 0..20 {
            let mut stream = viewer.quic.open_uni().await.unwrap();
            // 0x21, as who tries whether unknown kinds are tolerated.
            let _ = stream.write_all(&[0x21, 1, 2, 3]).await;
            let refused = stream.stopped().await.unwrap();
            assert!(refused.is_some_and(|code| code != VarInt::from_u32(0)));
        }
        assert_eq!(viewer.get("/").await.status, 200);
    });
}

#[test]
fn what_is_no_request_is_refused() {
    let origin = Origin::fixed("200 OK", &[], "ok");
    let stage = Stage::new(origin.address);
    run(async {
        let mut viewer = stage.viewer().await;
        let mut strange = ask("GET", "/");
        *strange.uri_mut() = "https://nobody.test/".parse().unwrap();
        assert_eq!(viewer.fetch(strange).await.status, 403);
        let mut long = ask("GET", "/");
        let target = format!("https://site3.test/{}", "a".repeat(9_000));
        *long.uri_mut() = target.parse().unwrap();
        assert_eq!(viewer.fetch(long).await.status, 413);
    });
    let edge = stage.world.edge.as_ref().unwrap();
    eventually("both are counted", || {
        let metrics = edge.metrics();
        let counted = |reason: &str| {
            let line = format!("reason=\"{reason}\"");
            metrics
                .lines()
                .any(|text| text.contains(&line) && text.ends_with(" 1"))
        };
        counted("url_too_long") && counted("unknown_host")
    });
}
