//! Frames written and read by hand, for viewers who do what no library does (RFC 9113 §4, §6).

use std::io::{Read, Write};
use std::net::TcpStream;

use rustls::{ClientConnection, StreamOwned};

use crate::tls::Stage;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const PROTOCOL_ERROR: u32 = 1;
pub const ENHANCE_YOUR_CALM: u32 = 11;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn new(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Frame {
        Frame {
            kind,
            flags,
            stream,
            payload: payload.to_vec(),
        }
    }

    /// The head of a request, each field as a literal that no table keeps.
    pub fn head(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Frame {
        Frame::new(HEADERS, flags | END_HEADERS, stream, &literals(fields))
    }

    pub fn wire(&self) -> Vec<u8> {
        let mut wire = (self.payload.len() as u32).to_be_bytes()[1..].to_vec();
        wire.extend([self.kind, self.flags]);
        wire.extend(self.stream.to_be_bytes());
        wire.extend(&self.payload);
        wire
    }

    /// The error code of RST_STREAM or GOAWAY.
    pub fn code(&self) -> Option<u32> {
        let at = match self.kind {
            RST_STREAM => 0,
            GOAWAY => 4,
            _ => return None,
        };
        let code = self.payload.get(at..at + 4)?;
        Some(u32::from_be_bytes(code.try_into().unwrap()))
    }
}

/// A block of header fields (RFC 7541 §6.2.2), none longer than 126 bytes.
pub fn literals(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        assert!(name.len() < 127 && value.len() < 127);
        block.extend([0, name.len() as u8]);
        block.extend(name.as_bytes());
        block.push(value.len() as u8);
        block.extend(value.as_bytes());
    }
    block
}

/// What every good request has.
pub fn good(target: &str) -> Vec<(&str, &str)> {
    vec![
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "site.test"),
        (":path", target),
    ]
}

/// A viewer who writes frames.
pub struct Raw {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Raw {
    /// With the preface and these settings.
    pub fn connect(world: &Stage, settings: &[(u16, u32)]) -> Raw {
        let mut raw = Raw {
            stream: world.connect_raw(),
        };
        raw.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut payload = Vec::new();
        for (id, value) in settings {
            payload.extend(id.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        raw.send(&Frame::new(SETTINGS, 0, 0, &payload));
        raw
    }

    /// Says whether the edge still takes it.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok() && self.stream.flush().is_ok()
    }

    pub fn send(&mut self, frame: &Frame) -> bool {
        self.write(&frame.wire())
    }

    /// The next frame; `None` at the end of the connection.
    pub fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff,
            payload,
        })
    }

    /// The next frame of one of these kinds.
    pub fn read_one(&mut self, kinds: &[u8]) -> Option<Frame> {
        loop {
            let frame = self.read()?;
            if kinds.contains(&frame.kind) {
                return Some(frame);
            }
        }
    }

    /// All frames to the end of the connection.
    pub fn read_all(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.read()).collect()
    }
}

/// The status of a reply, where it is one of the static table (RFC 7541 §A) or a literal with its
/// name from there.
pub fn status(frame: &Frame) -> Option<u16> {
    assert_eq!(frame.kind, HEADERS);
    let block = frame.payload.as_slice();
    // A change of the table's size may come first.
    let block = match block.first()? {
        0x20..=0x3e => &block[1..],
        0x3f => &block[block.iter().skip(1).position(|byte| byte & 0x80 == 0)? + 2..],
        _ => block,
    };
    match *block.first()? {
        0x88 => Some(200),
        0x89 => Some(204),
        0x8a => Some(206),
        0x8b => Some(304),
        0x8c => Some(400),
        0x8d => Some(404),
        0x8e => Some(500),
        0x48 => match block[1] {
            // Three digits in Huffman's code are two bytes of 5 or 6 bits each.
            length if length & 0x80 != 0 => {
                Some(huffman(&block[2..2 + usize::from(length & 0x7f)]))
            }
            length => std::str::from_utf8(&block[2..2 + usize::from(length)])
                .ok()?
                .parse()
                .ok(),
        },
        _ => None,
    }
}

/// Digits in Huffman's code (RFC 7541 §B): 0, 1 and 2 have five bits, the others six.
fn huffman(bytes: &[u8]) -> u16 {
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1))
        .collect();
    let (mut at, mut number) = (0, 0);
    let take = |from: usize, count: usize| {
        let bits = bits.get(from..from + count)?;
        Some(
            bits.iter()
                .fold(0u16, |all, bit| all << 1 | u16::from(*bit)),
        )
    };
    for _ in 0..3 {
        let (digit, length) = match (take(at, 5), take(at, 6)) {
            (Some(digit @ 0..=2), _) => (digit, 5),
            (_, Some(code)) => (code - 0x19 + 3, 6),
            _ => break,
        };
        number = number * 10 + digit;
        at += length;
    }
    number
}

/// Reads a head of HTTP/1.1 to its empty line, and not a byte more.
pub fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}
