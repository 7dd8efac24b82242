//! Heads that are no requests: each is refused, and the connection goes on (RFC 9113 §8).

use crate::frames::{
    DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, PROTOCOL_ERROR, RST_STREAM, Raw,
    good, status,
};
use crate::tls::Stage;
use crate::world::{Origin, distribution};

const KEEP: (&str, &str) = ("Cache-Control", "max-age=60");

/// What became of a stream: its status, or the code that it was reset with.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Answered(u16),
    Reset(u32),
    /// Its connection ended.
    Ended(u32),
}
use Outcome::{Answered, Ended, Reset};

/// Sends a head, and another that is good; gives what becomes of the first.
fn outcome(world: &Stage, frame: &Frame) -> Outcome {
    let mut raw = Raw::connect(world, &[]);
    raw.send(frame);
    let first = raw.read_one(&[HEADERS, RST_STREAM, GOAWAY]).unwrap();
    if first.kind == GOAWAY {
        return Ended(first.code().unwrap());
    }
    let outcome = match first.code() {
        Some(code) => Reset(code),
        None => Answered(status(&first).unwrap()),
    };
    raw.send(&Frame::head(3, END_STREAM, &good("/")));
    loop {
        let next = raw
            .read_one(&[HEADERS, GOAWAY])
            .expect("the connection goes on");
        assert_eq!(next.kind, HEADERS);
        if next.stream == 3 {
            assert_eq!(status(&next), Some(200));
            return outcome;
        }
    }
}

fn world() -> (Origin, Stage) {
    let origin = Origin::fixed("200 OK", &[KEEP], "hello");
    let world = Stage::new(&distribution(origin.address));
    (origin, world)
}

#[test]
fn a_good_head_is_good() {
    let (_origin, world) = world();
    let frame = Frame::head(1, END_STREAM, &good("/"));
    assert_eq!(outcome(&world, &frame), Answered(200));
}

#[test]
fn malformed_heads_are_refused_one_by_one() {
    let (origin, world) = world();
    let with = |name, value| {
        let mut fields = good("/");
        fields.push((name, value));
        fields
    };
    let without = |name: &str| {
        let mut fields = good("/");
        fields.retain(|(other, _)| *other != name);
        fields
    };
    let instead = |name: &'static str, value: &'static str| {
        let mut fields = good("/");
        for field in &mut fields {
            if field.0 == name {
                field.1 = value;
            }
        }
        fields
    };
    let mut others = Vec::new();
    for (fields, want) in [
        // §8.2: names are in lower case, and nothing starts a line. The library takes what can be
        // no field for an error of the connection, as it may (§5.4).
        (with("X-Upper", "1"), Ended(PROTOCOL_ERROR)),
        (with("x y", "1"), Ended(PROTOCOL_ERROR)),
        (with("x", "a\nb"), Ended(PROTOCOL_ERROR)),
        (with("x", "a\rb"), Ended(PROTOCOL_ERROR)),
        (with("x", "a\0b"), Ended(PROTOCOL_ERROR)),
        (with("x", " a"), Answered(400)),
        (with("x", "a\t"), Answered(400)),
        // §8.2.2: fields of connections.
        (with("connection", "close"), Reset(PROTOCOL_ERROR)),
        (with("keep-alive", "1"), Reset(PROTOCOL_ERROR)),
        (with("proxy-connection", "close"), Reset(PROTOCOL_ERROR)),
        (with("transfer-encoding", "chunked"), Reset(PROTOCOL_ERROR)),
        (with("upgrade", "websocket"), Reset(PROTOCOL_ERROR)),
        (with("te", "gzip"), Reset(PROTOCOL_ERROR)),
        // §8.3: pseudo-fields, each once, all of a request, before the others.
        (with(":path", "/again"), Reset(PROTOCOL_ERROR)),
        (with(":status", "200"), Reset(PROTOCOL_ERROR)),
        (with(":unknown", "1"), Ended(PROTOCOL_ERROR)),
        (without(":method"), Reset(PROTOCOL_ERROR)),
        (without(":scheme"), Reset(PROTOCOL_ERROR)),
        (without(":path"), Reset(PROTOCOL_ERROR)),
        (instead(":path", ""), Reset(PROTOCOL_ERROR)),
        (instead(":path", "no-path"), Reset(PROTOCOL_ERROR)),
        (instead(":path", "*"), Answered(400)),
        (instead(":path", "/a b"), Reset(PROTOCOL_ERROR)),
        (instead(":scheme", "ftp"), Answered(400)),
        (instead(":method", "G T"), Ended(PROTOCOL_ERROR)),
        // §8.3.1: one host.
        (without(":authority"), Answered(400)),
        (instead(":authority", "user@site.test"), Answered(400)),
        (with("host", "other.test"), Answered(400)),
        (
            instead(":authority", "other.test:1:2"),
            Reset(PROTOCOL_ERROR),
        ),
        // §8.1.1: the length is not what came.
        (with("content-length", "5"), Reset(PROTOCOL_ERROR)),
        (with("content-length", "+5"), Reset(PROTOCOL_ERROR)),
        // Nobody is connected anywhere.
        (
            vec![(":method", "CONNECT"), (":authority", "site.test:443")],
            Answered(400),
        ),
        (
            vec![
                (":method", "CONNECT"),
                (":protocol", "connect-udp"),
                (":scheme", "https"),
                (":authority", "site.test"),
                (":path", "/"),
            ],
            Answered(400),
        ),
    ] {
        let frame = Frame::head(1, END_STREAM, &fields);
        let outcome = outcome(&world, &frame);
        if outcome != want {
            others.push((fields, outcome, want));
        }
    }
    assert!(others.is_empty(), "{others:#?}");
    // Only the good ones were anybody's business.
    assert_eq!(origin.count(), 1);
}

#[test]
fn what_is_odd_but_right_is_answered() {
    let (_origin, world) = world();
    let with = |name, value| {
        let mut fields = good("/");
        fields.push((name, value));
        fields
    };
    let mut host_alone = good("/");
    host_alone[2] = ("host", "site.test");
    host_alone.swap(2, 3);
    for fields in [
        with("te", "trailers"),
        with("host", "SITE.test"),
        with("content-length", "0"),
        host_alone,
    ] {
        let frame = Frame::head(1, END_STREAM, &fields);
        assert_eq!(outcome(&world, &frame), Answered(200), "{fields:?}");
    }
}

#[test]
fn a_regular_field_before_a_pseudo_field_is_refused() {
    let (_origin, world) = world();
    let mut fields = vec![("x", "1")];
    fields.extend(good("/"));
    let frame = Frame::head(1, END_STREAM, &fields);
    assert_eq!(outcome(&world, &frame), Reset(PROTOCOL_ERROR));
}

#[test]
fn heads_over_the_bounds_are_refused_as_in_http1() {
    let (_origin, world) = world();
    let many: Vec<(String, String)> = (0..600)
        .map(|at| (format!("x-{at}"), "v".repeat(60)))
        .collect();
    let fields = |count: usize| {
        let mut fields = good("/");
        let more = many[..count].iter();
        fields.extend(more.map(|(name, value)| (name.as_str(), value.as_str())));
        fields
    };
    assert_eq!(
        outcome(&world, &Frame::head(1, END_STREAM, &fields(100))),
        Answered(200)
    );
    assert_eq!(
        outcome(&world, &Frame::head(1, END_STREAM, &fields(140))),
        Answered(413)
    );
    // Beyond what is decoded at all, the library says so itself.
    let block = crate::frames::literals(&fields(600));
    let mut raw = Raw::connect(&world, &[]);
    let parts: Vec<&[u8]> = block.chunks(16_000).collect();
    raw.send(&Frame::new(HEADERS, END_STREAM, 1, parts[0]));
    for (at, part) in parts.iter().enumerate().skip(1) {
        let flags = if at + 1 == parts.len() {
            END_HEADERS
        } else {
            0
        };
        raw.send(&Frame::new(crate::frames::CONTINUATION, flags, 1, part));
    }
    let answer = raw.read_one(&[HEADERS, GOAWAY]).unwrap();
    assert_eq!((answer.kind, status(&answer)), (HEADERS, Some(431)));
}

#[test]
fn a_body_of_another_length_than_announced_resets_its_stream() {
    let (_origin, world) = world();
    for (announced, end) in [("3", 0), ("9", END_STREAM)] {
        let mut raw = Raw::connect(&world, &[]);
        let mut fields = good("/");
        fields[0].1 = "POST";
        fields.push(("content-length", announced));
        raw.send(&Frame::head(1, 0, &fields));
        raw.send(&Frame::new(DATA, end, 1, b"hello"));
        let answer = raw.read_one(&[RST_STREAM, GOAWAY]).unwrap();
        assert_eq!(
            (answer.kind, answer.code()),
            (RST_STREAM, Some(PROTOCOL_ERROR))
        );
    }
}

#[test]
fn the_end_of_a_request_without_a_body_may_come_behind_its_head() {
    let origin = Origin::fixed("200 OK", &[("Cache-Control", "max-age=60")], "hello");
    let world = Stage::new(&distribution(origin.address));
    let mut raw = Raw::connect(&world, &[]);
    for (stream, body, want) in [(1, &b""[..], 200), (3, b"", 200), (5, b"x", 403)] {
        raw.send(&Frame::head(stream, 0, &good("/")));
        // An answer to a ping shows that the head was looked at.
        raw.send(&Frame::new(PING, 0, 0, &[0; 8]));
        let answer = raw.read_one(&[PING, HEADERS]).unwrap();
        assert_eq!(
            answer.kind, PING,
            "nobody knows yet whether there is a body"
        );
        raw.send(&Frame::new(DATA, END_STREAM, stream, body));
        let answer = raw.read_one(&[HEADERS, RST_STREAM, GOAWAY]).unwrap();
        assert_eq!(status(&answer), Some(want), "stream {stream}");
    }
}
