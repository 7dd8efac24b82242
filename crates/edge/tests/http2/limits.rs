//! Viewers that are slow, or take nothing.

use std::time::Duration;

use crate::frames::{
    DATA, END_STREAM, Frame, HEADERS, PING, RST_STREAM, Raw, WINDOW_UPDATE, good, status,
};
use crate::tls::Stage;
use crate::world::{Origin, distribution, eventually, let_them_arrive};
use crate::{Viewer, ask, impatient, raw_origin, run};
use std::io::{Read as _, Write as _};

const KEEP: (&str, &str) = ("Cache-Control", "max-age=60");

fn open_connections(world: &Stage) -> u64 {
    let text = world.edge.as_ref().unwrap().metrics();
    let line = text
        .lines()
        .find(|line| line.contains("open_connections") && !line.starts_with('#'));
    line.and_then(|line| line.rsplit(' ').next())
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn a_stream_whose_window_stays_shut_is_reset_and_the_others_go_on() {
    let origin = Origin::fixed("200 OK", &[KEEP], "hello");
    let world = impatient(&distribution(origin.address), |timeouts| {
        timeouts.write = Duration::from_millis(200);
    });
    // SETTINGS_INITIAL_WINDOW_SIZE: nothing.
    let mut raw = Raw::connect(&world, &[(4, 0)]);
    raw.send(&Frame::head(1, END_STREAM, &good("/")));
    assert_eq!(status(&raw.read_one(&[HEADERS]).unwrap()), Some(200));
    let reset = raw.read_one(&[RST_STREAM, DATA]).unwrap();
    // CANCEL
    assert_eq!(
        (reset.kind, reset.stream, reset.code()),
        (RST_STREAM, 1, Some(8))
    );
    raw.send(&Frame::head(3, END_STREAM, &good("/")));
    raw.send(&Frame::new(WINDOW_UPDATE, 0, 3, &[0, 0, 1, 0]));
    assert_eq!(raw.read_one(&[DATA]).unwrap().payload, b"hello");
}

#[test]
fn a_window_that_opens_byte_by_byte_gets_byte_by_byte() {
    let origin = Origin::fixed("200 OK", &[KEEP], "hello");
    let world = Stage::new(&distribution(origin.address));
    let mut raw = Raw::connect(&world, &[(4, 0)]);
    raw.send(&Frame::head(1, END_STREAM, &good("/")));
    let mut got = Vec::new();
    for at in 0..5 {
        raw.send(&Frame::new(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]));
        let data = raw.read_one(&[DATA]).unwrap();
        assert_eq!(
            (data.payload.len(), data.flags & END_STREAM),
            (1, u8::from(at == 4))
        );
        got.extend(data.payload);
    }
    assert_eq!(got, b"hello");
}

#[test]
fn a_connection_that_takes_nothing_is_closed() {
    let body = "x".repeat(20 << 20);
    let origin = Origin::fixed("200 OK", &[KEEP], &body);
    let world = impatient(&distribution(origin.address), |timeouts| {
        timeouts.write = Duration::from_millis(300);
    });
    // Windows as wide as they go, and nobody reads.
    let mut raw = Raw::connect(&world, &[(4, 0x7fff_ffff)]);
    raw.send(&Frame::new(
        WINDOW_UPDATE,
        0,
        0,
        &0x7fff_0000u32.to_be_bytes(),
    ));
    for stream in 0..20 {
        raw.send(&Frame::head(stream * 2 + 1, END_STREAM, &good("/")));
    }
    eventually("it is open", || open_connections(&world) == 1);
    eventually("it is closed", || open_connections(&world) == 0);
}

#[test]
fn a_viewer_that_says_nothing_is_not_waited_for() {
    let origin = Origin::fixed("200 OK", &[KEEP], "hello");
    let world = impatient(&distribution(origin.address), |timeouts| {
        timeouts.head = Duration::from_millis(200);
        timeouts.keep_alive = Duration::from_millis(200);
        timeouts.linger = Duration::from_millis(200);
    });
    let mut raw = Raw::connect(&world, &[]);
    // Not even an answer to the farewell comes.
    assert!(raw.read_all().iter().any(|frame| frame.kind == PING));
    eventually("it is closed", || open_connections(&world) == 0);
}

#[test]
fn an_upload_that_stops_is_ended_and_the_connection_goes_on() {
    let address = raw_origin(|mut stream| {
        let mut bytes = [0; 4096];
        while stream.read(&mut bytes).is_ok_and(|count| count > 0) {}
    });
    let mut config = distribution(address);
    config["DefaultCacheBehavior"]["MinTTL"] = serde_json::Value::Null;
    let world = impatient(&distribution(address), |timeouts| {
        timeouts.body_read = Duration::from_millis(200);
    });
    let mut raw = Raw::connect(&world, &[]);
    let mut fields = good("/");
    fields[0].1 = "POST";
    raw.send(&Frame::head(1, 0, &fields));
    raw.send(&Frame::new(DATA, 0, 1, b"a part"));
    assert_eq!(status(&raw.read_one(&[HEADERS]).unwrap()), Some(408));
    raw.send(&Frame::new(PING, 0, 0, b"whocares"));
    assert_eq!(raw.read_one(&[PING]).unwrap().payload, b"whocares");
}

#[test]
fn a_viewer_may_send_no_more_than_the_origin_takes() {
    let (sender, taken) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let address = raw_origin(move |mut stream| {
        let head = crate::frames::read_head(&mut stream);
        assert!(head.starts_with("POST"));
        // Nothing of the body is taken until the test says so.
        let (open, door) = std::sync::mpsc::channel::<()>();
        sender.lock().unwrap().send(open).unwrap();
        let _ = door.recv_timeout(crate::PATIENCE);
        let mut left = 64 << 20;
        let mut bytes = vec![0; 1 << 16];
        while left > 0 {
            match stream.read(&mut bytes) {
                Ok(count @ 1..) => left -= count,
                _ => return,
            }
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let world = Stage::new(&distribution(address));
    run(async {
        let viewer = Viewer::connect(&world).await;
        let mut send = viewer.send.clone().ready().await.unwrap();
        let mut request = ask("POST", "/");
        let length: usize = 64 << 20;
        request
            .headers_mut()
            .insert("content-length", length.into());
        let (response, mut body) = send.send_request(request, false).unwrap();
        let mut sent = 0;
        let mut door = None;
        while sent < length {
            body.reserve_capacity(length - sent);
            let capacity = tokio::time::timeout(
                Duration::from_millis(300),
                std::future::poll_fn(|cx| body.poll_capacity(cx)),
            );
            match capacity.await {
                Ok(Some(Ok(count))) => {
                    body.send_data(vec![0; count].into(), sent + count == length)
                        .unwrap();
                    sent += count;
                }
                Ok(_) => panic!("the stream is gone after {sent} bytes"),
                Err(_) => {
                    assert!(door.is_none(), "stuck after {sent} bytes");
                    // What the kernel holds between us and the origin, and the windows.
                    assert!(sent < 32 << 20, "{sent} bytes were taken");
                    door = Some(taken.recv().unwrap());
                    door.as_ref().unwrap().send(()).unwrap();
                }
            }
        }
        assert!(door.is_some(), "nothing held the viewer up");
        assert_eq!(response.await.unwrap().status(), 200);
    });
    let_them_arrive();
}
