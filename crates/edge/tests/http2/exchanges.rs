//! Requests and replies as they should be.

use std::io::Write as _;

use crate::frames::{END_STREAM, Frame, GOAWAY, PING, Raw, good};
use crate::tls::Stage;
use crate::world::{Gate, Origin, behavior, distribution, origin_json, response};
use crate::{Viewer, ask, impatient, pause, receive, run};
use bytes::Bytes;
use h2::Reason;
use serde_json::json;

const KEEP: (&str, &str) = ("Cache-Control", "max-age=60");

#[test]
fn a_miss_and_a_hit_are_told_in_lower_case() {
    let origin = Origin::fixed("200 OK", &[KEEP, ("X-Own", "Yes")], "hello");
    let world = Stage::new(&distribution(origin.address));
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        for want in ["Miss", "Hit", "Hit"] {
            let got = viewer.get("/a?b=c").await;
            assert_eq!((got.status, got.cache()), (200, want));
            assert_eq!(
                (got.text().as_str(), got.get("x-own")),
                ("hello", Some("Yes"))
            );
            assert_eq!(got.get("content-length"), Some("5"));
            assert_eq!(got.get("connection"), None);
            assert_eq!(got.headers.get_all("via").iter().count(), 1);
        }
    });
    assert_eq!(
        (origin.count(), origin.last().target.as_str()),
        (1, "/a?b=c")
    );
}

#[test]
fn bodies_reach_the_origin_with_and_without_their_length() {
    let origin = Origin::fixed("200 OK", &[], "taken");
    let world = Stage::new(&distribution(origin.address));
    let body = vec![7; 300_000];
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        for length in [None, Some(body.len())] {
            let mut request = ask("POST", "/upload");
            if let Some(length) = length {
                request
                    .headers_mut()
                    .insert("content-length", length.into());
            }
            let got = viewer.upload(request, &body).await;
            assert_eq!((got.status, got.text().as_str()), (200, "taken"));
            let asked = origin.last();
            assert!(asked.body == body);
            assert_eq!(asked.get("content-length").is_some(), length.is_some());
        }
    });
}

#[test]
fn head_has_the_length_and_no_body_and_204_and_304_have_neither() {
    let origin = Origin::scripted(|asked, _, stream| {
        let answer = match (asked.target.as_str(), asked.get("if-none-match")) {
            ("/none", _) => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            _ if asked.method == "HEAD" => {
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"e\"\r\n\r\n".to_owned()
            }
            _ => response("200 OK", &[KEEP, ("ETag", "\"e\"")], "hello"),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let world = Stage::new(&distribution(origin.address));
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        let got = viewer.fetch(ask("HEAD", "/never-stored")).await;
        assert_eq!((got.status, got.get("content-length")), (200, Some("5")));
        assert!(got.body.is_empty() && got.broken.is_none());
        let got = viewer.get("/none").await;
        assert_eq!((got.status, got.get("content-length")), (204, None));
        assert_eq!(viewer.get("/a").await.status, 200);
        let mut request = ask("GET", "/a");
        request
            .headers_mut()
            .insert("if-none-match", "\"e\"".parse().unwrap());
        let got = viewer.fetch(request).await;
        assert_eq!((got.status, got.get("content-length")), (304, None));
        assert!(got.body.is_empty() && got.broken.is_none());
    });
}

#[test]
fn a_range_is_cut_out_of_what_is_stored() {
    let origin = Origin::fixed("200 OK", &[KEEP], "0123456789");
    let world = Stage::new(&distribution(origin.address));
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        viewer.get("/a").await;
        let mut request = ask("GET", "/a");
        request
            .headers_mut()
            .insert("range", "bytes=2-4".parse().unwrap());
        let got = viewer.fetch(request).await;
        assert_eq!((got.status, got.text().as_str()), (206, "234"));
        assert_eq!(got.get("content-range"), Some("bytes 2-4/10"));
        assert_eq!(got.get("content-length"), Some("3"));
    });
}

#[test]
fn a_hundred_streams_are_answered_beside_each_other() {
    let gate = Gate::default();
    let door = gate.clone();
    let origin = Origin::scripted(move |asked, _, stream| {
        if asked.target.starts_with("/slow") {
            door.wait();
        }
        let body = asked.target.repeat(5_000);
        stream
            .write_all(response("200 OK", &[KEEP], &body).as_bytes())
            .is_ok()
    });
    let world = Stage::new(&distribution(origin.address));
    run(async {
        let mut viewer = Viewer::with(&world, |builder| {
            builder.initial_connection_window_size(16 << 20);
        })
        .await;
        let mut slow = Vec::new();
        for number in 0..50 {
            let target = format!("/slow{number}");
            slow.push((viewer.send(ask("GET", &target)).await, target));
        }
        for number in 0..50 {
            let target = format!("/quick{number}");
            assert_eq!(viewer.get(&target).await.text(), target.repeat(5_000));
        }
        gate.open();
        for (response, target) in slow {
            assert_eq!(receive(response).await.text(), target.repeat(5_000));
        }
    });
}

#[test]
fn a_slow_reader_gets_ten_mebibytes_whole_and_holds_nobody_up() {
    let body: String = (0..10 << 20)
        .map(|at| char::from(b'a' + (at % 23) as u8))
        .collect();
    let whole = body.clone();
    let origin = Origin::scripted(move |asked, _, stream| {
        let body = if asked.target == "/big" {
            &*whole
        } else {
            "small"
        };
        stream
            .write_all(response("200 OK", &[KEEP], body).as_bytes())
            .is_ok()
    });
    let world = Stage::new(&distribution(origin.address));
    run(async {
        let mut viewer = Viewer::with(&world, |builder| {
            builder.initial_connection_window_size(1 << 20);
        })
        .await;
        // Once through a flight, once out of the store.
        for _ in 0..2 {
            let response = viewer.send(ask("GET", "/big")).await.await.unwrap();
            let mut stream = response.into_body();
            let mut got = Vec::new();
            while let Some(piece) = stream.data().await {
                let piece = piece.unwrap();
                got.extend_from_slice(&piece);
                if got.len() % 7 == 0 {
                    assert_eq!(viewer.get("/small").await.text(), "small");
                }
                stream.flow_control().release_capacity(piece.len()).unwrap();
            }
            assert!(got == body.as_bytes());
        }
    });
}

#[test]
fn a_body_that_breaks_off_resets_its_stream_alone() {
    let origin = Origin::scripted(|asked, _, stream| {
        if asked.target == "/broken" {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf");
            return false;
        }
        stream
            .write_all(response("200 OK", &[], "whole").as_bytes())
            .is_ok()
    });
    let world = Stage::new(&distribution(origin.address));
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        let got = viewer.get("/broken").await;
        assert_eq!(
            (got.text().as_str(), got.broken),
            ("half", Some(Reason::INTERNAL_ERROR))
        );
        assert_eq!(viewer.get("/whole").await.text(), "whole");
    });
}

#[test]
fn a_viewer_that_gives_up_is_waited_for_no_longer_by_the_origin() {
    let (sender, gone) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let origin = Origin::scripted(move |asked, _, stream| {
        if asked.target == "/quick" {
            return stream
                .write_all(response("200 OK", &[], "quick").as_bytes())
                .is_ok();
        }
        let mut byte = [0];
        let is_closed = std::io::Read::read(stream, &mut byte).is_ok_and(|count| count == 0);
        sender.lock().unwrap().send(is_closed).unwrap();
        false
    });
    let world = Stage::new(&distribution(origin.address));
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        let mut send = viewer.send.clone().ready().await.unwrap();
        let (response, mut stream) = send.send_request(ask("POST", "/slow"), false).unwrap();
        stream
            .send_data(Bytes::from_static(b"a part"), false)
            .unwrap();
        // The origin reads bodies whole: it is asked when it has seen the end.
        stream.send_data(Bytes::from_static(b"end"), true).unwrap();
        while origin.count() == 0 {
            pause(2).await;
        }
        stream.send_reset(Reason::CANCEL);
        drop(response);
        assert_eq!(viewer.get("/quick").await.text(), "quick");
    });
    assert_eq!(gone.recv_timeout(crate::PATIENCE), Ok(true));
}

#[test]
fn cookies_that_come_in_crumbs_are_one_field_to_the_origin() {
    let origin = Origin::fixed("200 OK", &[], "");
    let world = Stage::new(&distribution(origin.address));
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        let mut request = ask("GET", "/");
        for crumb in ["a=1", "b=2", "c=3"] {
            request
                .headers_mut()
                .append("cookie", crumb.parse().unwrap());
        }
        assert_eq!(viewer.fetch(request).await.status, 200);
    });
    assert_eq!(origin.last().get("cookie"), Some("a=1; b=2; c=3"));
}

#[test]
fn fields_reach_the_origin_in_their_order_and_via_says_by_which_version() {
    let origin = Origin::fixed("200 OK", &[], "");
    let world = Stage::new(&distribution(origin.address));
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        let mut request = ask("GET", "/");
        for name in ["x-first", "accept", "x-second"] {
            request.headers_mut().append(name, name.parse().unwrap());
        }
        viewer.fetch(request).await;
    });
    let asked = origin.last();
    assert!(asked.get("via").unwrap().starts_with("2.0 "));
    let names: Vec<&str> = asked.fields.iter().map(|(name, _)| name.as_str()).collect();
    let at = |name: &str| {
        names
            .iter()
            .position(|other| other.eq_ignore_ascii_case(name))
    };
    assert!(at("x-first") < at("accept") && at("accept") < at("x-second"));
    assert!(at("x-second").is_some(), "{names:?}");
}

#[test]
fn hosts_of_nobody_are_refused_and_the_connection_goes_on() {
    let origin = Origin::fixed("200 OK", &[KEEP], "hello");
    let world = Stage::new(&distribution(origin.address));
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        let mut request = ask("GET", "/");
        *request.uri_mut() = "https://nobody.test/".parse().unwrap();
        let got = viewer.fetch(request).await;
        assert_eq!((got.status, got.cache()), (403, "Error"));
        assert_eq!(viewer.get("/").await.status, 200);
    });
}

#[test]
fn pages_of_errors_are_pages_of_http2_too() {
    let origin = Origin::fixed("200 OK", &[], "");
    let mut config = distribution(origin.address);
    config["DefaultCacheBehavior"]["AllowedMethods"] =
        json!({ "Quantity": 2, "Items": ["GET", "HEAD"] });
    let world = Stage::new(&config);
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        let got = viewer.upload(ask("POST", "/"), b"body").await;
        assert_eq!((got.status, got.cache()), (403, "Error"));
        assert!(got.text().starts_with("<!doctype html>"));
        assert_eq!(
            got.get("content-length"),
            Some(got.body.len().to_string().as_str())
        );
        assert_eq!(viewer.get("/").await.status, 200);
    });
}

#[test]
fn a_stop_lets_what_runs_finish_and_takes_no_more() {
    let gate = Gate::default();
    let door = gate.clone();
    let origin = Origin::scripted(move |_, _, stream| {
        door.wait();
        stream
            .write_all(response("200 OK", &[], "finished").as_bytes())
            .is_ok()
    });
    let mut world = Stage::new(&distribution(origin.address));
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        let other = Viewer::connect(&world).await;
        let response = viewer.send(ask("GET", "/slow")).await;
        while origin.count() == 0 {
            pause(2).await;
        }
        let edge = world.edge.take().unwrap();
        let stopping = std::thread::spawn(move || edge.stop());
        // Nothing runs on this one: it ends at once.
        let _ = other.connection.await;
        gate.open();
        assert_eq!(receive(response).await.text(), "finished");
        let _ = viewer.connection.await;
        stopping.join().unwrap();
    });
}

#[test]
fn an_idle_connection_is_closed_in_good_order() {
    let origin = Origin::fixed("200 OK", &[KEEP], "hello");
    let world = impatient(&distribution(origin.address), |timeouts| {
        timeouts.keep_alive = std::time::Duration::from_millis(100);
    });
    let mut raw = Raw::connect(&world, &[]);
    raw.send(&Frame::head(1, END_STREAM, &good("/")));
    let goodbye = raw.read_one(&[GOAWAY]).unwrap();
    assert_eq!(goodbye.code(), Some(0));
    let ping = raw.read_one(&[PING]).unwrap();
    raw.send(&Frame::new(PING, 1, 0, &ping.payload));
    // The last stream that was taken is named.
    let goodbye = raw.read_one(&[GOAWAY]).unwrap();
    assert_eq!(
        (goodbye.payload[..4].to_vec(), goodbye.code()),
        (vec![0, 0, 0, 1], Some(0))
    );
    assert_eq!(raw.read_all(), []);
}

#[test]
fn one_origin_that_hangs_holds_up_no_other_stream() {
    let hanging = Origin::scripted(|_, _, _| {
        std::thread::sleep(crate::PATIENCE);
        false
    });
    let quick = Origin::fixed("200 OK", &[], "quick");
    let mut config = distribution(quick.address);
    config["Origins"] = json!({ "Quantity": 2, "Items": [
        origin_json("main", quick.address), origin_json("hanging", hanging.address),
    ]});
    let mut hang = behavior("hanging");
    hang["PathPattern"] = json!("/hang/*");
    config["CacheBehaviors"] = json!({ "Quantity": 1, "Items": [hang] });
    let world = Stage::new(&config);
    run(async {
        let mut viewer = Viewer::connect(&world).await;
        let hanging: Vec<_> = {
            let mut responses = Vec::new();
            for number in 0..20 {
                responses.push(viewer.send(ask("GET", &format!("/hang/{number}"))).await);
            }
            responses
        };
        assert_eq!(viewer.get("/").await.text(), "quick");
        drop(hanging);
        assert_eq!(viewer.get("/").await.text(), "quick");
    });
}
