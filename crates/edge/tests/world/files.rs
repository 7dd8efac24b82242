//! An origin that serves one file, by ranges and conditions, as good servers do.

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use super::{Asked, Origin};

/// What the file is at the moment, and how it is served.
#[derive(Clone)]
pub struct File {
    pub bytes: Arc<Vec<u8>>,
    /// With quotes.
    pub etag: &'static str,
    pub fields: &'static str,
    /// Whether `Range` is honored; without, everything is sent.
    pub serves_ranges: bool,
    /// Whether a range is sent of whatever is there, `If-Range` or not.
    pub ignores_if_range: bool,
    pub is_chunked: bool,
}

/// A file whose every byte tells its place.
pub fn file(size_bytes: usize) -> File {
    File {
        bytes: Arc::new(pattern(size_bytes, 0)),
        etag: "\"v1\"",
        fields: "Cache-Control: max-age=60\r\n",
        serves_ranges: true,
        ignores_if_range: false,
        is_chunked: false,
    }
}

/// Bytes that differ from place to place and from seed to seed.
pub fn pattern(size_bytes: usize, seed: u64) -> Vec<u8> {
    let word = |n: usize| {
        let bits = (n as u64 ^ seed << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (bits ^ bits >> 29).to_le_bytes()
    };
    (0..size_bytes.div_ceil(8))
        .flat_map(word)
        .take(size_bytes)
        .collect()
}

impl Origin {
    /// Serves the file as it is when a request comes.
    pub fn serving(file: &Arc<Mutex<File>>) -> Origin {
        let file = Arc::clone(file);
        Origin::scripted(move |asked, _, stream| {
            let file = file.lock().unwrap().clone();
            file.answer(asked, stream)
        })
    }
}

impl File {
    pub fn shared(self) -> Arc<Mutex<File>> {
        Arc::new(Mutex::new(self))
    }

    pub fn answer(&self, asked: &Asked, stream: &mut TcpStream) -> bool {
        let total = self.bytes.len();
        let mut head = self.fields.to_owned();
        if !self.etag.is_empty() {
            head += &format!("ETag: {}\r\n", self.etag);
        }
        if self.serves_ranges {
            head += "Accept-Ranges: bytes\r\n";
        }
        if !self.etag.is_empty() && asked.get("if-none-match") == Some(self.etag) {
            return send(
                stream,
                &format!("HTTP/1.1 304 Not Modified\r\n{head}\r\n"),
                b"",
            );
        }
        let is_same = asked.get("if-range").is_none_or(|etag| etag == self.etag);
        let range = asked
            .get("range")
            .filter(|_| self.serves_ranges && (is_same || self.ignores_if_range))
            .map(|value| parse_range(value, total));
        match range {
            Some(Some((first, last))) => {
                let length = last - first + 1;
                let head = format!(
                    "HTTP/1.1 206 Partial Content\r\n{head}Content-Range: bytes \
                     {first}-{last}/{total}\r\nContent-Length: {length}\r\n\r\n"
                );
                send(stream, &head, &self.bytes[first..=last])
            }
            Some(None) => {
                let head = format!(
                    "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{total}\r\n\
                     Content-Length: 0\r\n\r\n"
                );
                send(stream, &head, b"")
            }
            None if self.is_chunked => {
                let head = format!("HTTP/1.1 200 OK\r\n{head}Transfer-Encoding: chunked\r\n\r\n");
                if asked.method == "HEAD" {
                    return send(stream, &head, b"");
                }
                send(stream, &head, b"")
                    && self.bytes.chunks(100_000).all(|piece| {
                        send(stream, &format!("{:x}\r\n", piece.len()), piece)
                            && send(stream, "\r\n", b"")
                    })
                    && send(stream, "0\r\n\r\n", b"")
            }
            None => {
                let head = format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {total}\r\n\r\n");
                let body = if asked.method == "HEAD" {
                    &b""[..]
                } else {
                    &self.bytes
                };
                send(stream, &head, body)
            }
        }
    }
}

fn send(stream: &mut TcpStream, head: &str, body: &[u8]) -> bool {
    stream.write_all(head.as_bytes()).is_ok() && stream.write_all(body).is_ok()
}

/// `bytes=a-b` alone, which is all that the edge asks for on its own.
fn parse_range(value: &str, total: usize) -> Option<(usize, usize)> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let first: usize = first.parse().ok()?;
    let last = last
        .parse()
        .unwrap_or(usize::MAX)
        .min(total.checked_sub(1)?);
    (first <= last).then_some((first, last))
}
