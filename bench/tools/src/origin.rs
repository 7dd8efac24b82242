//! The origin that every cache under test stands in front of. Bodies are computed from their
//! number, so each is distinct and a range can be cut anywhere without keeping anything.
//!
//! | path | answer |
//! | --- | --- |
//! | `/k/N` | 1 KiB, cacheable for an hour |
//! | `/size/BYTES/N` | that many bytes, cacheable for an hour |
//! | `/nocache/N` | 1 KiB with `Cache-Control: no-store` |
//! | `/slow/MS/N` | as `/k/N`, after a pause |
//! | `/stats` | requests answered so far, itself not counted |
//!
//! GET and HEAD, one byte range, `If-None-Match`, `If-Range` by ETag. Anything else is an error.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::{Duration, Instant, SystemTime};

use crate::http::{field, head_length, number};
use crate::sys::{Epoll, Events, listen};

const LISTENER: usize = usize::MAX;
const EVENTS_MAX: usize = 256;
const READ_BYTES: usize = 64 * 1024;
const PARTIAL_MAX_BYTES: usize = 64 * 1024;
/// How much of a large body is laid out before it is written.
const OUTPUT_BYTES: usize = 256 * 1024;
const SMALL_BODY_BYTES: u64 = 1024;
const BODY_MAX_BYTES: u64 = 1 << 40;
const SLOW_MAX_MS: u64 = 60_000;
/// A prime, so that the pattern does not line up with the sizes people ask for.
const PATTERN_BYTES: usize = 65_521;
const LAST_MODIFIED: &str = "Wed, 01 Jan 2025 00:00:00 GMT";

/// Serves on `addr`, for ever.
pub fn serve(addr: SocketAddrV4) -> io::Result<()> {
    let listener = listen(addr)?;
    let mut server = Server {
        epoll: Epoll::new()?,
        connections: Vec::new(),
        free: Vec::new(),
        pauses: BinaryHeap::new(),
        site: Site {
            pattern: pattern(),
            date: HttpDate::default(),
            requests: 0,
        },
        serial: 0,
    };
    server.epoll.add(&listener, LISTENER)?;
    let mut events = Events::with_capacity(EVENTS_MAX);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        server.epoll.wait(&mut events, server.next_pause_ms())?;
        server.site.date.refresh(SystemTime::now());
        let mut index = 0;
        while let Some(token) = events.token(index) {
            index += 1;
            if token == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    server.admit(stream)?;
                }
            } else {
                server.advance(token, &mut buffer);
            }
        }
        server.end_pauses(&mut buffer);
    }
}

struct Server {
    epoll: Epoll,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// When a slow answer is due, and on which connection (its serial guards against reuse).
    pauses: BinaryHeap<Reverse<(Instant, usize, u64)>>,
    site: Site,
    serial: u64,
}

impl Server {
    fn admit(&mut self, stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let token = self.free.pop().unwrap_or(self.connections.len());
        self.epoll.add(&stream, token)?;
        self.serial += 1;
        let connection = Some(Connection::new(stream, self.serial));
        if token == self.connections.len() {
            self.connections.push(connection);
        } else {
            self.connections[token] = connection;
        }
        Ok(())
    }

    fn advance(&mut self, token: usize, buffer: &mut [u8]) {
        let Some(connection) = &mut self.connections[token] else {
            return;
        };
        let was_paused = connection.paused_until.is_some();
        if connection.advance(buffer, &mut self.site).is_err() {
            self.connections[token] = None;
            self.free.push(token);
        } else if let Some(due) = connection.paused_until
            && !was_paused
        {
            self.pauses.push(Reverse((due, token, connection.serial)));
        }
    }

    fn next_pause_ms(&self) -> i32 {
        self.pauses.peek().map_or(-1, |Reverse((due, ..))| {
            let wait = due.saturating_duration_since(Instant::now());
            i32::try_from(wait.as_millis())
                .unwrap_or(i32::MAX)
                .saturating_add(1)
        })
    }

    fn end_pauses(&mut self, buffer: &mut [u8]) {
        let now = Instant::now();
        while let Some(&Reverse((due, token, serial))) = self.pauses.peek() {
            if due > now {
                return;
            }
            self.pauses.pop();
            if let Some(connection) = &mut self.connections[token]
                && connection.serial == serial
            {
                connection.paused_until = None;
                self.advance(token, buffer);
            }
        }
    }
}

struct Connection {
    stream: TcpStream,
    serial: u64,
    input: Vec<u8>,
    output: Vec<u8>,
    written: usize,
    /// Content that is not laid out in `output` yet.
    rest: Option<Content>,
    /// Nothing is written before this.
    paused_until: Option<Instant>,
}

/// A part of a body: that of object `number`, from `from` to before `to`.
#[derive(Debug, Clone, Copy)]
struct Content {
    number: u64,
    from: u64,
    to: u64,
}

impl Connection {
    fn new(stream: TcpStream, serial: u64) -> Connection {
        Connection {
            stream,
            serial,
            input: Vec::new(),
            output: Vec::new(),
            written: 0,
            rest: None,
            paused_until: None,
        }
    }

    /// Writes what is owed and reads until a short read; requests are answered one by one.
    fn advance(&mut self, buffer: &mut [u8], site: &mut Site) -> io::Result<()> {
        loop {
            if !self.answer_and_write(site)? {
                return Ok(());
            }
            let count = match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.input.extend_from_slice(&buffer[..count]);
            if self.input.len() > PARTIAL_MAX_BYTES {
                return Err(ErrorKind::InvalidData.into());
            }
            if count < buffer.len() {
                self.answer_and_write(site)?;
                return Ok(());
            }
        }
    }

    /// Returns whether everything that was asked for is answered and written.
    fn answer_and_write(&mut self, site: &mut Site) -> io::Result<bool> {
        loop {
            if self.paused_until.is_some() || !self.write(site)? {
                return Ok(false);
            }
            let Some(length) = head_length(&self.input) else {
                return Ok(true);
            };
            let answer = site.answer(&self.input[..length], &mut self.output);
            self.input.drain(..length);
            let Some(answer) = answer else {
                return Err(ErrorKind::InvalidData.into());
            };
            self.rest = answer.content;
            self.paused_until = answer.pause.map(|pause| Instant::now() + pause);
        }
    }

    fn write(&mut self, site: &Site) -> io::Result<bool> {
        loop {
            if let Some(rest) = &mut self.rest {
                let room = (OUTPUT_BYTES.saturating_sub(self.output.len())) as u64;
                let upto = rest.to.min(rest.from + room);
                site.lay_out(Content { to: upto, ..*rest }, &mut self.output);
                rest.from = upto;
                if rest.from == rest.to {
                    self.rest = None;
                }
            }
            if self.output.is_empty() {
                return Ok(true);
            }
            match self.stream.write(&self.output[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
            if self.written == self.output.len() {
                self.output.clear();
                self.written = 0;
            }
        }
    }
}

struct Site {
    pattern: Vec<u8>,
    date: HttpDate,
    requests: u64,
}

struct Answer {
    content: Option<Content>,
    pause: Option<Duration>,
}

impl Site {
    /// Writes the head of the answer to `output`; the content comes after it. `None` closes the
    /// connection: the request is none that the benchmark makes.
    fn answer(&mut self, head: &[u8], output: &mut Vec<u8>) -> Option<Answer> {
        let mut words = head.split(|&byte| byte == b' ' || byte == b'\r');
        let is_head = match words.next()? {
            b"GET" => false,
            b"HEAD" => true,
            _ => return None,
        };
        let path = std::str::from_utf8(words.next()?).ok()?;
        let path = path.split('?').next()?;
        if path == "/stats" {
            let body = format!("{{\"requests\": {}}}\n", self.requests);
            write!(
                output,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Cache-Control: no-store\r\n\r\n{body}",
                body.len()
            )
            .expect("a vector takes all that is written");
            return Some(Answer {
                content: None,
                pause: None,
            });
        }
        self.requests += 1;
        let Some(resource) = Resource::parse(path) else {
            output.extend_from_slice(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nCache-Control: no-store\r\n\r\n",
            );
            return Some(Answer {
                content: None,
                pause: None,
            });
        };
        let content = self.write_head(head, &resource, output);
        Some(Answer {
            content: content.filter(|_| !is_head),
            pause: resource.pause,
        })
    }

    /// Returns the content that goes with the head (also for HEAD, where it is not sent).
    fn write_head(
        &self,
        head: &[u8],
        resource: &Resource,
        output: &mut Vec<u8>,
    ) -> Option<Content> {
        let Resource {
            number, size_bytes, ..
        } = *resource;
        let etag = format!("\"{number:x}-{size_bytes:x}\"");
        let is_known = field(head, "if-none-match").is_some_and(|known| known == etag.as_bytes());
        let range = field(head, "range")
            .filter(|_| field(head, "if-range").is_none_or(|expected| expected == etag.as_bytes()))
            .and_then(|value| parse_range(value, size_bytes));
        let (status, content, content_range) = match range {
            _ if is_known => ("304 Not Modified", None, String::new()),
            None => ("200 OK", Some((0, size_bytes)), String::new()),
            Some(Some((from, to))) => (
                "206 Partial Content",
                Some((from, to)),
                format!("Content-Range: bytes {from}-{}/{size_bytes}\r\n", to - 1),
            ),
            Some(None) => (
                "416 Range Not Satisfiable",
                Some((0, 0)),
                format!("Content-Range: bytes */{size_bytes}\r\n"),
            ),
        };
        let length = content.map_or(String::new(), |(from, to)| {
            format!("Content-Length: {}\r\n", to - from)
        });
        write!(
            output,
            "HTTP/1.1 {status}\r\nServer: bench-origin\r\nDate: {}\r\n\
             Content-Type: application/octet-stream\r\n{length}{content_range}\
             Cache-Control: {}\r\nETag: {etag}\r\nLast-Modified: {LAST_MODIFIED}\r\n\
             Accept-Ranges: bytes\r\n\r\n",
            self.date.text,
            if resource.is_cacheable {
                "max-age=3600"
            } else {
                "no-store"
            },
        )
        .expect("a vector takes all that is written");
        content.map(|(from, to)| Content { number, from, to })
    }

    /// The body of an object is its number in 16 hexadecimal digits, then the pattern, begun at a
    /// place that depends on the number.
    fn lay_out(&self, content: Content, output: &mut Vec<u8>) {
        let Content {
            number,
            mut from,
            to,
        } = content;
        let title = format!("{number:016x}");
        if from < title.len() as u64 {
            let title_to = to.min(title.len() as u64);
            output.extend_from_slice(&title.as_bytes()[from as usize..title_to as usize]);
            from = title_to;
        }
        while from < to {
            let at =
                ((from + number.wrapping_mul(7919) % (1 << 32)) % PATTERN_BYTES as u64) as usize;
            let count = (PATTERN_BYTES - at).min((to - from) as usize);
            output.extend_from_slice(&self.pattern[at..at + count]);
            from += count as u64;
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Resource {
    number: u64,
    size_bytes: u64,
    is_cacheable: bool,
    pause: Option<Duration>,
}

impl Resource {
    fn parse(path: &str) -> Option<Resource> {
        let mut segments = path.strip_prefix('/')?.split('/');
        let kind = segments.next()?;
        let mut numbers = segments.map(|segment| number(segment.as_bytes()));
        let mut resource = Resource {
            number: 0,
            size_bytes: SMALL_BODY_BYTES,
            is_cacheable: kind != "nocache",
            pause: None,
        };
        match kind {
            "k" | "nocache" => {}
            "size" => resource.size_bytes = numbers.next()??,
            "slow" => {
                let pause_ms = numbers.next()??.min(SLOW_MAX_MS);
                resource.pause = Some(Duration::from_millis(pause_ms));
            }
            _ => return None,
        }
        resource.number = numbers.next()??;
        let is_whole = numbers.next().is_none() && resource.size_bytes <= BODY_MAX_BYTES;
        is_whole.then_some(resource)
    }
}

/// `None`: serve the whole; `Some(None)`: not satisfiable; otherwise from and before which byte.
fn parse_range(value: &[u8], size_bytes: u64) -> Option<Option<(u64, u64)>> {
    let spec = value.strip_prefix(b"bytes=")?;
    let dash = spec.iter().position(|&byte| byte == b'-')?;
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    let (from, to) = if first.is_empty() {
        (size_bytes.saturating_sub(number(last)?), size_bytes)
    } else if last.is_empty() {
        (number(first)?, size_bytes)
    } else {
        let (from, last) = (number(first)?, number(last)?);
        if last < from {
            return None;
        }
        (from, last.saturating_add(1).min(size_bytes))
    };
    Some((from < to).then_some((from, to)))
}

/// The `Date` field's value, written anew when the second changes.
#[derive(Default)]
struct HttpDate {
    second: u64,
    text: String,
}

impl HttpDate {
    fn refresh(&mut self, now: SystemTime) {
        let since_epoch = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        if since_epoch.as_secs() != self.second || self.text.is_empty() {
            self.second = since_epoch.as_secs();
            self.text = http_date(self.second);
        }
    }
}

fn http_date(since_epoch_secs: u64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (days, second) = (since_epoch_secs / 86_400, since_epoch_secs % 86_400);
    // The civil calendar from a day count: years are taken to begin in March, so that the leap day
    // is the last of its year; an era has 400 years.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    format!(
        "{}, {day:02} {} {year} {:02}:{:02}:{:02} GMT",
        WEEKDAYS[(days % 7) as usize],
        MONTHS[month as usize],
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

fn pattern() -> Vec<u8> {
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b' ' + (state % 95) as u8
    })
    .take(PATTERN_BYTES)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        Site {
            pattern: pattern(),
            date: HttpDate::default(),
            requests: 0,
        }
    }

    fn body(number: u64, from: u64, to: u64) -> Vec<u8> {
        let mut output = Vec::new();
        site().lay_out(Content { number, from, to }, &mut output);
        output
    }

    #[test]
    fn a_part_of_a_body_is_the_same_part_of_the_whole() {
        let whole = body(42, 0, 200_000);
        assert_eq!(whole.len(), 200_000);
        for (from, to) in [(0, 1), (3, 40), (16, 17), (65_000, 66_000), (100, 200_000)] {
            assert_eq!(
                body(42, from, to),
                whole[from as usize..to as usize],
                "{from}..{to}"
            );
        }
        assert_ne!(body(1, 0, 1024), body(2, 0, 1024));
        assert_ne!(body(1, 100, 1024), body(2, 100, 1024));
    }

    #[test]
    fn paths_say_size_pause_and_cacheability() {
        let plain = Resource {
            number: 7,
            size_bytes: 1024,
            is_cacheable: true,
            pause: None,
        };
        assert_eq!(Resource::parse("/k/7"), Some(plain));
        assert_eq!(
            Resource::parse("/size/65536/7").map(|found| found.size_bytes),
            Some(65_536)
        );
        assert_eq!(
            Resource::parse("/nocache/7").map(|found| found.is_cacheable),
            Some(false)
        );
        let pause = Resource::parse("/slow/500/7").and_then(|found| found.pause);
        assert_eq!(pause, Some(Duration::from_millis(500)));
        for path in ["/", "/k", "/k/x", "/k/1/2", "/size/1", "/other/1", "k/1"] {
            assert_eq!(Resource::parse(path), None, "{path}");
        }
    }

    #[test]
    fn ranges_are_cut_refused_or_ignored() {
        assert_eq!(parse_range(b"bytes=0-0", 10), Some(Some((0, 1))));
        assert_eq!(parse_range(b"bytes=5-", 10), Some(Some((5, 10))));
        assert_eq!(parse_range(b"bytes=-3", 10), Some(Some((7, 10))));
        assert_eq!(parse_range(b"bytes=5-99", 10), Some(Some((5, 10))));
        assert_eq!(parse_range(b"bytes=10-", 10), Some(None));
        assert_eq!(parse_range(b"bytes=5-1", 10), None);
        assert_eq!(parse_range(b"bytes=0-1,3-4", 10), None);
        assert_eq!(parse_range(b"lines=1-2", 10), None);
    }

    #[test]
    fn a_request_is_answered_by_head_and_content() {
        let mut site = site();
        let mut output = Vec::new();
        let answer = site.answer(b"GET /k/3 HTTP/1.1\r\nHost: a\r\n\r\n", &mut output);
        let content = answer
            .and_then(|answer| answer.content)
            .expect("a GET has content");
        assert_eq!((content.from, content.to), (0, 1024));
        let head = String::from_utf8(output).expect("heads are ASCII");
        assert!(
            head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"),
            "{head}"
        );
        let known = b"GET /k/3 HTTP/1.1\r\nIf-None-Match: \"3-400\"\r\n\r\n";
        let mut output = Vec::new();
        let answer = site
            .answer(known, &mut output)
            .expect("the request is well formed");
        assert!(answer.content.is_none() && output.starts_with(b"HTTP/1.1 304"));
        assert_eq!(site.requests, 2);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(1_709_208_000), "Thu, 29 Feb 2024 12:00:00 GMT");
        assert_eq!(http_date(1_735_689_600), "Wed, 01 Jan 2025 00:00:00 GMT");
    }
}
