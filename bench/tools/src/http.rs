//! The little HTTP/1.1 that the tools speak: where a head ends, what a request asks for, and a
//! reader that takes responses apart without copying their bodies.

use crate::sys::find_byte;

/// The longest head that the tools accept.
const HEAD_MAX_BYTES: usize = 64 * 1024;

/// Length of the head at the start of `bytes`, its empty line included.
pub fn head_length(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = find_byte(b'\n', &bytes[from..]) {
        let line_end = from + at + 1;
        if bytes[line_end..].starts_with(b"\r\n") {
            return Some(line_end + 2);
        }
        from = line_end;
    }
    None
}

/// The lines of a head after its first, as name and trimmed value.
pub fn fields(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = head
        .get(find_byte(b'\n', head).map_or(head.len(), |at| at + 1)..)
        .unwrap_or(&[]);
    std::iter::from_fn(move || {
        loop {
            let line_length = find_byte(b'\n', rest)? + 1;
            let (line, after) = rest.split_at(line_length);
            rest = after;
            if let Some(colon) = find_byte(b':', line) {
                return Some((&line[..colon], line[colon + 1..].trim_ascii()));
            }
        }
    })
}

/// The value of the first field called `name`.
pub fn field<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    fields(head)
        .find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value)
}

/// A decimal number without sign; anything else is `None`.
pub fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits)
        .ok()
        .filter(|text| !text.starts_with('+'))?
        .parse()
        .ok()
}

/// What a response was, once it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// The status code.
    pub status: u16,
    /// Bytes of content, without framing.
    pub body_bytes: u64,
    /// Whether the connection can carry another request.
    pub keeps_alive: bool,
}

/// A response that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// Takes one response after the other apart.
#[derive(Debug, Default)]
pub struct ResponseReader {
    state: State,
    /// A head (or chunk-size line, or trailer) of which only the beginning has arrived.
    partial: Vec<u8>,
    status: u16,
    body_bytes: u64,
    keeps_alive: bool,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Head,
    /// Content of a known length, of which this much is missing.
    Content(u64),
    /// Content up to the end of the connection.
    ContentToEnd,
    ChunkSize,
    /// Content of a chunk and the line end after it.
    Chunk(u64),
    Trailer,
}

impl ResponseReader {
    /// Reads from `input`, moves it past what was consumed, and hands content to `content`.
    /// Returns the response when it is complete, `None` when more input is needed.
    pub fn read(
        &mut self,
        input: &mut &[u8],
        mut content: impl FnMut(&[u8]),
    ) -> Result<Option<Finished>, Malformed> {
        loop {
            match self.state {
                State::Head => {
                    let Some(next) = self.read_head(input)? else {
                        return Ok(None);
                    };
                    self.state = next;
                }
                State::Content(0) => return Ok(Some(self.finish())),
                State::Content(missing) => {
                    let taken = take(input, missing);
                    if taken.is_empty() {
                        return Ok(None);
                    }
                    content(taken);
                    self.body_bytes += taken.len() as u64;
                    self.state = State::Content(missing - taken.len() as u64);
                }
                State::ContentToEnd => {
                    content(input);
                    self.body_bytes += input.len() as u64;
                    *input = &[];
                    return Ok(None);
                }
                State::ChunkSize => {
                    let Some(size) = self.read_line(input)?.map(|line| chunk_size(&line)) else {
                        return Ok(None);
                    };
                    let size = size.ok_or(Malformed("a chunk size is not a number"))?;
                    self.state = if size == 0 {
                        State::Trailer
                    } else {
                        State::Chunk(size.saturating_add(2))
                    };
                }
                State::Chunk(missing) => {
                    let taken = take(input, missing);
                    if taken.is_empty() {
                        return Ok(None);
                    }
                    let data = taken
                        .len()
                        .min(usize::try_from(missing.saturating_sub(2)).unwrap_or(usize::MAX));
                    if missing > 2 {
                        content(&taken[..data]);
                        self.body_bytes += data as u64;
                    }
                    let left = missing - taken.len() as u64;
                    self.state = if left == 0 {
                        State::ChunkSize
                    } else {
                        State::Chunk(left)
                    };
                }
                State::Trailer => match self.read_line(input)? {
                    None => return Ok(None),
                    Some(line) if line.is_empty() => return Ok(Some(self.finish())),
                    Some(_) => {}
                },
            }
        }
    }

    /// The connection has ended: a response that was to go on to the end is now complete.
    pub fn end(&mut self) -> Option<Finished> {
        matches!(self.state, State::ContentToEnd).then(|| self.finish())
    }

    fn finish(&mut self) -> Finished {
        let finished = Finished {
            status: self.status,
            body_bytes: self.body_bytes,
            keeps_alive: self.keeps_alive,
        };
        self.state = State::Head;
        self.body_bytes = 0;
        finished
    }

    fn read_head(&mut self, input: &mut &[u8]) -> Result<Option<State>, Malformed> {
        if self.partial.is_empty()
            && let Some(length) = head_length(input)
        {
            let (head, rest) = input.split_at(length);
            *input = rest;
            return self.understand(head).map(Some);
        }
        let before = self.partial.len();
        self.partial.extend_from_slice(input);
        let Some(length) = head_length(&self.partial) else {
            *input = &[];
            return if self.partial.len() > HEAD_MAX_BYTES {
                Err(Malformed("a response head is longer than 64 KiB"))
            } else {
                Ok(None)
            };
        };
        *input = &input[length - before..];
        let mut head = std::mem::take(&mut self.partial);
        head.truncate(length);
        self.understand(&head).map(Some)
    }

    fn understand(&mut self, head: &[u8]) -> Result<State, Malformed> {
        let status = head
            .strip_prefix(b"HTTP/1.")
            .and_then(|line| number(line.get(2..5)?))
            .ok_or(Malformed(
                "a response does not begin with HTTP/1.x and a status",
            ))?;
        self.status = u16::try_from(status).expect("three digits fit");
        if self.status < 200 {
            return Ok(State::Head);
        }
        self.keeps_alive = true;
        let mut length = None;
        let mut is_chunked = false;
        for (name, value) in fields(head) {
            // A cheap look at the length first: the load generator must outrun what it measures.
            match name.len() {
                14 if name.eq_ignore_ascii_case(b"content-length") => length = number(value),
                17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                    is_chunked = value.eq_ignore_ascii_case(b"chunked");
                }
                10 if name.eq_ignore_ascii_case(b"connection") => {
                    self.keeps_alive = !value.eq_ignore_ascii_case(b"close");
                }
                _ => {}
            }
        }
        if is_chunked {
            return Ok(State::ChunkSize);
        }
        Ok(match (self.status, length) {
            (204 | 304, _) => State::Content(0),
            (_, Some(length)) => State::Content(length),
            (_, None) => {
                self.keeps_alive = false;
                State::ContentToEnd
            }
        })
    }

    fn read_line(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
        let Some(at) = find_byte(b'\n', input) else {
            self.partial.extend_from_slice(input);
            *input = &[];
            return if self.partial.len() > HEAD_MAX_BYTES {
                Err(Malformed("a line is longer than 64 KiB"))
            } else {
                Ok(None)
            };
        };
        let mut line = std::mem::take(&mut self.partial);
        line.extend_from_slice(&input[..at]);
        *input = &input[at + 1..];
        Ok(Some(line.trim_ascii_end().to_vec()))
    }
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|&byte| byte == b';').next()?.trim_ascii();
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn take<'a>(input: &mut &'a [u8], at_most: u64) -> &'a [u8] {
    let length = input
        .len()
        .min(usize::try_from(at_most).unwrap_or(usize::MAX));
    let (taken, rest) = input.split_at(length);
    *input = rest;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` in pieces of `piece` bytes and returns the responses and all content.
    fn responses(bytes: &[u8], piece: usize) -> (Vec<Finished>, Vec<u8>) {
        let mut reader = ResponseReader::default();
        let (mut finished, mut content) = (Vec::new(), Vec::new());
        for mut part in bytes.chunks(piece) {
            loop {
                let done = reader.read(&mut part, |data| content.extend_from_slice(data));
                match done.expect("the test's responses are well formed") {
                    Some(response) => finished.push(response),
                    None => break,
                }
            }
        }
        (finished, content)
    }

    #[test]
    fn responses_are_read_alike_however_they_are_cut() {
        let wire = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\
            HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n\
            HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\nT: 1\r\n\r\n\
            HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nConnection: close\r\n\r\n";
        for piece in 1..wire.len() {
            let (finished, content) = responses(wire, piece);
            assert_eq!(content, b"helloabc0123456789", "in pieces of {piece}");
            assert_eq!(
                finished,
                [
                    Finished {
                        status: 200,
                        body_bytes: 5,
                        keeps_alive: true
                    },
                    Finished {
                        status: 200,
                        body_bytes: 13,
                        keeps_alive: true
                    },
                    Finished {
                        status: 404,
                        body_bytes: 0,
                        keeps_alive: false
                    },
                ],
                "in pieces of {piece}"
            );
        }
    }

    #[test]
    fn a_response_without_a_length_ends_with_its_connection() {
        let mut reader = ResponseReader::default();
        let mut input: &[u8] = b"HTTP/1.0 200 OK\r\n\r\nabc";
        assert_eq!(reader.read(&mut input, |_| {}), Ok(None));
        let finished = Finished {
            status: 200,
            body_bytes: 3,
            keeps_alive: false,
        };
        assert_eq!(reader.end(), Some(finished));
    }

    #[test]
    fn what_is_not_a_response_is_refused() {
        let mut reader = ResponseReader::default();
        let mut input: &[u8] = b"SMTP ready\r\n\r\n";
        assert!(reader.read(&mut input, |_| {}).is_err());
    }

    #[test]
    fn fields_are_found_by_name_in_any_case() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\nRANGE:  bytes=0-1 \r\n\r\n";
        assert_eq!(field(head, "range"), Some(&b"bytes=0-1"[..]));
        assert_eq!(field(head, "cookie"), None);
        assert_eq!(head_length(head), Some(head.len()));
        assert_eq!(head_length(&head[..head.len() - 1]), None);
    }
}
