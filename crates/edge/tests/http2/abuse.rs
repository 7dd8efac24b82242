//! Viewers that mean harm: each costs little, and is told to calm down.

use crate::frames::{
    CONTINUATION, DATA, END_STREAM, ENHANCE_YOUR_CALM, Frame, GOAWAY, HEADERS, RST_STREAM, Raw,
    good, literals,
};
use crate::tls::Stage;
use crate::world::{Origin, distribution};

const KEEP: (&str, &str) = ("Cache-Control", "max-age=60");
const CANCEL: [u8; 4] = [0, 0, 0, 8];

fn goodbye(frames: &[Frame]) -> Option<u32> {
    let frame = frames.iter().find(|frame| frame.kind == GOAWAY);
    frame.and_then(Frame::code)
}

/// The memory of this process that is in use, in bytes.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

#[test]
fn streams_that_are_opened_and_reset_at_once_end_the_connection() {
    let origin = Origin::fixed("200 OK", &[KEEP], "hello");
    let world = Stage::new(&distribution(origin.address));
    let mut raw = Raw::connect(&world, &[]);
    let mut flood = Vec::new();
    for stream in (0..1_000).map(|number| number * 2 + 1) {
        flood.extend(Frame::head(stream, END_STREAM, &good("/")).wire());
        flood.extend(Frame::new(RST_STREAM, 0, stream, &CANCEL).wire());
    }
    let before = memory();
    raw.write(&flood);
    assert_eq!(goodbye(&raw.read_all()), Some(ENHANCE_YOUR_CALM));
    assert!(memory().saturating_sub(before) < 64 << 20);
}

#[test]
fn streams_that_are_reset_while_the_origin_works_end_the_connection_too() {
    let origin = Origin::scripted(|_, _, _| {
        std::thread::sleep(crate::PATIENCE);
        false
    });
    let world = Stage::new(&distribution(origin.address));
    let mut raw = Raw::connect(&world, &[]);
    let mut streams = 0;
    for number in 0..1_000 {
        let stream = number * 2 + 1;
        let target = format!("/{number}");
        let is_taken = raw.send(&Frame::head(stream, END_STREAM, &good(&target)))
            // An answer to a ping shows that the head was looked at.
            && raw.send(&Frame::new(crate::frames::PING, 0, 0, &[0; 8]))
            && raw
                .read_one(&[crate::frames::PING, GOAWAY])
                .is_some_and(|frame| frame.kind != GOAWAY)
            && raw.send(&Frame::new(RST_STREAM, 0, stream, &CANCEL));
        if !is_taken {
            break;
        }
        streams += 1;
    }
    assert!((200..400).contains(&streams), "{streams}");
}

#[test]
fn a_viewer_that_lets_most_come_to_their_end_may_give_some_up() {
    let origin = Origin::fixed("200 OK", &[KEEP], "hello");
    let world = Stage::new(&distribution(origin.address));
    let mut raw = Raw::connect(&world, &[]);
    for number in 0..600 {
        let stream = number * 2 + 1;
        raw.send(&Frame::head(stream, END_STREAM, &good("/")));
        let answer = raw.read_one(&[HEADERS, GOAWAY]).unwrap();
        assert_eq!(answer.kind, HEADERS, "after {number}");
        raw.send(&Frame::new(RST_STREAM, 0, stream, &CANCEL));
    }
}

/// Frames that make the server reset (CVE-2025-8671): it must not go on for ever.
#[test]
fn a_viewer_that_makes_us_reset_is_told_to_calm_down() {
    let origin = Origin::fixed("200 OK", &[KEEP], "hello");
    let world = Stage::new(&distribution(origin.address));
    let mut raw = Raw::connect(&world, &[]);
    let mut flood = Vec::new();
    for stream in (0..1_000).map(|number| number * 2 + 1) {
        flood.extend(Frame::head(stream, 0, &good("/")).wire());
        // An increment of nothing is an error of the stream.
        flood.extend(Frame::new(crate::frames::WINDOW_UPDATE, 0, stream, &[0; 4]).wire());
    }
    raw.write(&flood);
    assert!(goodbye(&raw.read_all()).is_some_and(|code| code != 0));
}

#[test]
fn a_head_that_never_ends_ends_the_connection() {
    let origin = Origin::fixed("200 OK", &[KEEP], "hello");
    let world = Stage::new(&distribution(origin.address));
    let mut raw = Raw::connect(&world, &[]);
    let before = memory();
    raw.send(&Frame::new(HEADERS, END_STREAM, 1, &literals(&good("/"))));
    let name = "n".repeat(100);
    let block: Vec<(&str, &str)> = vec![(&name, &name); 60];
    let more = Frame::new(CONTINUATION, 0, 1, &literals(&block)).wire();
    let mut sent = 0;
    while raw.write(&more) {
        sent += more.len();
        assert!(sent < 256 << 20, "nobody stops it");
    }
    assert!(memory().saturating_sub(before) < 64 << 20);
    // As do frames that bring nothing.
    let mut raw = Raw::connect(&world, &[]);
    raw.send(&Frame::new(HEADERS, END_STREAM, 1, &literals(&good("/"))));
    let empty = Frame::new(CONTINUATION, 0, 1, b"").wire().repeat(100);
    let mut sent = 0;
    while raw.write(&empty) {
        sent += empty.len();
        assert!(sent < 256 << 20, "nobody stops it");
    }
}

#[test]
fn a_small_block_that_decodes_to_much_is_not_kept() {
    let origin = Origin::fixed("200 OK", &[KEEP], "hello");
    let world = Stage::new(&distribution(origin.address));
    let mut raw = Raw::connect(&world, &[]);
    // One field of 3,900 bytes goes into the table (§6.2.1), and is named 10,000 times.
    let mut block = literals(&good("/"));
    block.extend([0x40, 1, b'x', 0x7f]);
    let mut rest = 3_900 - 127;
    while rest >= 128 {
        block.push((rest % 128) as u8 | 0x80);
        rest /= 128;
    }
    block.push(rest as u8);
    block.extend(vec![b'y'; 3_900]);
    block.extend(vec![0x80 | 62; 10_000]);
    let before = memory();
    for stream in (0..100).map(|number| number * 2 + 1) {
        if !raw.send(&Frame::new(HEADERS, END_STREAM | 4, stream, &block)) {
            break;
        }
    }
    let answer = raw.read_one(&[HEADERS, RST_STREAM, GOAWAY]);
    if let Some(answer) = answer.filter(|answer| answer.kind == HEADERS) {
        assert_eq!(crate::frames::status(&answer), Some(431));
    }
    assert!(memory().saturating_sub(before) < 64 << 20);
}

#[test]
fn frames_without_bytes_end_the_connection() {
    let origin = Origin::fixed("200 OK", &[], "hello");
    let world = Stage::new(&distribution(origin.address));
    let mut raw = Raw::connect(&world, &[]);
    let mut fields = good("/");
    fields[0].1 = "POST";
    raw.send(&Frame::head(1, 0, &fields));
    let empty = Frame::new(DATA, 0, 1, b"").wire().repeat(100);
    let mut sent = 0;
    while raw.write(&empty) {
        sent += empty.len();
        assert!(sent < 64 << 20, "nobody stops it");
    }
}

#[test]
fn what_is_no_http2_is_no_connection() {
    let origin = Origin::fixed("200 OK", &[], "hello");
    let world = Stage::new(&distribution(origin.address));
    // More streams than are allowed are refused, and the others go on.
    let mut raw = Raw::connect(&world, &[(4, 0)]);
    for stream in (0..400).map(|number| number * 2 + 1) {
        raw.send(&Frame::head(stream, END_STREAM, &good("/")));
    }
    let refused = raw.read_one(&[RST_STREAM]).unwrap();
    // REFUSED_STREAM
    assert_eq!(refused.code(), Some(7));
    // A frame that is too long is the connection's end.
    let mut raw = Raw::connect(&world, &[]);
    raw.send(&Frame::new(DATA, 0, 1, &vec![0; 20_000]));
    assert!(goodbye(&raw.read_all()).is_some_and(|code| code != 0));
}

#[test]
fn bodies_that_the_origin_does_not_end_are_not_held_against_the_viewer() {
    let origin = Origin::scripted(|_, _, stream| {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello";
        std::io::Write::write_all(stream, answer).unwrap();
        false
    });
    let world = Stage::new(&distribution(origin.address));
    let mut raw = Raw::connect(&world, &[]);
    for number in 0..300 {
        let stream = number * 2 + 1;
        raw.send(&Frame::head(stream, END_STREAM, &good("/")));
        let answer = raw.read_one(&[RST_STREAM, GOAWAY]).unwrap();
        assert_eq!(answer.kind, RST_STREAM, "after {number}");
    }
}
