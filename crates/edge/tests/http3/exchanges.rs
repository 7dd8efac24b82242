//! Requests and replies as they should be.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use h3::error::Code;

use crate::world::{Gate, Origin, distribution, eventually, response};
use crate::{Bytes, Stage, Viewer, ask, receive, receive_body, run};

const KEEP: (&str, &str) = ("Cache-Control", "max-age=60");

/// A body that no two bytes of which could be exchanged unseen.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// An origin whose every answer is that long and may be stored.
pub fn origin_of(length: usize) -> Origin {
    let head =
        format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {length}\r\n\r\n");
    let answer = [head.into_bytes(), pattern(length)].concat();
    Origin::scripted(move |_, _, stream| stream.write_all(&answer).is_ok())
}

#[test]
fn a_miss_and_a_hit_are_told_in_lower_case() {
    let origin = Origin::fixed("200 OK", &[KEEP, ("X-Own", "Yes")], "hello");
    let stage = Stage::new(origin.address);
    run(async {
        let mut viewer = stage.viewer().await;
        for want in ["Miss", "Hit", "Hit"] {
            let got = viewer.get("/a?b=c").await;
            assert_eq!((got.status, got.cache()), (200, want));
            assert_eq!(
                (&got.body[..], got.get("x-own")),
                (&b"hello"[..], Some("Yes"))
            );
            assert_eq!(got.get("content-length"), Some("5"));
            assert_eq!(got.get("connection"), None);
        }
    });
    assert_eq!(
        (origin.count(), origin.last().target.as_str()),
        (1, "/a?b=c")
    );
}

#[test]
fn head_has_the_length_and_no_body() {
    let origin = Origin::fixed("200 OK", &[KEEP], "hello");
    let stage = Stage::new(origin.address);
    run(async {
        let mut viewer = stage.viewer().await;
        assert_eq!(viewer.get("/").await.status, 200);
        let got = viewer.fetch(ask("HEAD", "/")).await;
        assert_eq!((got.status, got.get("content-length")), (200, Some("5")));
        assert!(got.body.is_empty() && got.broken.is_none());
    });
}

#[test]
fn bodies_reach_the_origin_with_and_without_their_length() {
    let origin = Origin::fixed("200 OK", &[], "taken");
    let stage = Stage::new(origin.address);
    let body = pattern(1 << 20);
    run(async {
        let mut viewer = stage.viewer().await;
        for length in [None, Some(body.len())] {
            let mut request = ask("POST", "/upload");
            if let Some(length) = length {
                request
                    .headers_mut()
                    .insert("content-length", length.into());
            }
            let got = viewer.upload(request, &body).await;
            assert_eq!((got.status, &got.body[..]), (200, &b"taken"[..]));
            assert!(origin.last().body == body);
        }
    });
}

#[test]
fn a_large_reply_comes_whole_as_it_is_fetched_and_from_the_store() {
    let length = 10 << 20;
    let origin = origin_of(length);
    let stage = Stage::new(origin.address);
    run(async {
        let mut viewer = stage.viewer().await;
        for want in ["Miss", "Hit"] {
            let got = viewer.get("/large").await;
            assert_eq!((got.status, got.cache()), (200, want));
            assert!(got.broken.is_none() && got.body == pattern(length));
        }
    });
}

#[test]
fn many_requests_at_once_each_get_their_own_answer() {
    let origin = Origin::scripted(|asked, _, stream| {
        let answer = response("200 OK", &[KEEP], &asked.target.repeat(1000));
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let stage = Stage::new(origin.address);
    run(async {
        let mut viewer = stage.viewer().await;
        for _ in 0..2 {
            let mut running = Vec::new();
            for number in 0..50 {
                let target = format!("/{number}");
                let stream = viewer.send(ask("GET", &target)).await;
                running.push((target, tokio::task::spawn_local(receive(stream))));
            }
            for (target, got) in running {
                let got = got.await.unwrap();
                assert_eq!(got.status, 200);
                assert!(got.body == target.repeat(1000).as_bytes());
            }
        }
    });
}

#[test]
fn a_body_that_breaks_off_at_the_origin_breaks_off_at_the_viewer() {
    let origin = Origin::scripted(|_, _, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        false
    });
    let stage = Stage::new(origin.address);
    run(async {
        let mut viewer = stage.viewer().await;
        let got = viewer.get("/").await;
        // What had not left yet does not leave any more: the head may be missing, too.
        assert_eq!(got.code(), Some(Code::H3_INTERNAL_ERROR));
        assert!(got.body.len() < 100);
    });
}

#[test]
fn a_viewer_that_gives_up_stops_the_fetch_and_keeps_its_connection() {
    let (told, closed) = mpsc::channel();
    let told = Mutex::new(told);
    let origin = Origin::scripted(move |asked, _, stream| {
        if asked.target == "/other" {
            return stream
                .write_all(response("200 OK", &[], "ok").as_bytes())
                .is_ok();
        }
        // Without an end, until nobody takes it any more.
        let head =
            "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 9999999999\r\n\r\n";
        let mut is_open = stream.write_all(head.as_bytes()).is_ok();
        while is_open {
            is_open = stream.write_all(&[0; 10_000]).is_ok();
        }
        told.lock().unwrap().send(()).unwrap();
        false
    });
    let stage = Stage::new(origin.address);
    run(async {
        let mut viewer = stage.viewer().await;
        let mut stream = viewer.send(ask("GET", "/endless")).await;
        assert_eq!(stream.recv_response().await.unwrap().status(), 200);
        stream.stop_sending(Code::H3_REQUEST_CANCELLED);
        drop(stream);
        assert_eq!(viewer.get("/other").await.status, 200);
    });
    closed.recv_timeout(crate::PATIENCE).unwrap();
}

#[test]
fn a_viewer_that_gives_up_before_there_is_an_answer_is_noticed() {
    let gate = Gate::default();
    let door = gate.clone();
    let origin = Origin::scripted(move |asked, _, stream| {
        if asked.target == "/slow" {
            door.wait();
        }
        stream
            .write_all(response("200 OK", &[], "ok").as_bytes())
            .is_ok()
    });
    let stage = Stage::new(origin.address);
    run(async {
        let mut viewer = stage.viewer().await;
        let mut stream = viewer.send(ask("GET", "/slow")).await;
        while origin.count() == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stream.stop_sending(Code::H3_REQUEST_CANCELLED);
        drop(stream);
        assert_eq!(viewer.get("/other").await.status, 200);
    });
    let edge = stage.world.edge.as_ref().unwrap();
    eventually("both exchanges are over", || {
        let metrics = edge.metrics();
        let requests: u64 = metrics
            .lines()
            .filter(|line| line.starts_with("warmfront_requests_total{"))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum();
        requests == 2
    });
    gate.open();
}

#[test]
fn a_body_may_come_in_frames_of_any_size_even_of_none() {
    let origin = Origin::fixed("200 OK", &[], "taken");
    let stage = Stage::new(origin.address);
    run(async {
        let mut viewer = stage.viewer().await;
        let mut stream = viewer.send.send_request(ask("POST", "/")).await.unwrap();
        for piece in ["", "a", "", "", "bc", ""] {
            stream.send_data(Bytes::from(piece)).await.unwrap();
            tokio::task::yield_now().await;
        }
        stream.finish().await.unwrap();
        assert_eq!(receive(stream).await.status, 200);
        assert_eq!(origin.last().body, b"abc");
    });
}

#[test]
fn a_reply_that_comes_slowly_leaves_as_it_comes() {
    let gate = Gate::default();
    let door = gate.clone();
    let origin = Origin::scripted(move |_, _, stream| {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
        stream.write_all(head).unwrap();
        door.wait() && stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n").is_ok()
    });
    let stage = Stage::new(origin.address);
    run(async {
        let mut viewer = stage.viewer().await;
        let mut stream = viewer.send(ask("GET", "/")).await;
        assert_eq!(stream.recv_response().await.unwrap().status(), 200);
        let first = stream.recv_data().await.unwrap().unwrap();
        assert_eq!(bytes::Buf::remaining(&first), 5);
        drop(first);
        gate.open();
        let mut got = crate::Got::default();
        receive_body(&mut stream, &mut got).await;
        assert_eq!(
            (&got.body[..], got.broken.is_none()),
            (&b"second"[..], true)
        );
    });
}

#[test]
fn a_site_without_http_3_is_not_reached_by_it() {
    let origin = Origin::fixed("200 OK", &[], "ok");
    let stage = Stage::new(origin.address);
    run(async {
        let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let config = stage.client(|_| {});
        let connecting = endpoint.connect_with(config, stage.address, "old.test");
        assert!(connecting.unwrap().await.is_err());
    });
}

#[test]
fn the_log_says_http_3_and_how_it_was_encrypted() {
    let origin = Origin::fixed("200 OK", &[], "ok");
    let directory = tempfile::tempdir().unwrap();
    let logs = directory.path().to_owned();
    let mut config = distribution(origin.address);
    config["Logging"] = serde_json::json!({"Enabled": true, "IncludeCookies": false,
        "Bucket": "logs", "Prefix": ""});
    let stage = Stage::with(&config, |settings| settings.access_logs = Some(logs));
    run(async {
        let mut viewer: Viewer = stage.viewer().await;
        assert_eq!(viewer.get("/").await.status, 200);
    });
    drop(stage);
    let text = log_text(directory.path());
    assert!(
        text.contains("\tHTTP/3.0\t") && text.contains("\tTLSv1.3\tTLS_AES_128_GCM_SHA256\t"),
        "{text}"
    );
}

/// All log files below a directory, unpacked.
fn log_text(directory: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        if entry.path().is_dir() {
            text += &log_text(&entry.path());
        } else if entry.path().extension().is_some_and(|kind| kind == "gz") {
            let file = std::fs::File::open(entry.path()).unwrap();
            let mut unpacked = flate2::read::MultiGzDecoder::new(file);
            unpacked.read_to_string(&mut text).unwrap();
        }
    }
    text
}
