//! The bare epoll loop: the least that a keep-alive HTTP/1.1 server can do on one thread. It looks
//! for the end of each head, reads nothing in it, and writes the same bytes every time. What a
//! cache adds to this is its own cost.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddrV4, TcpStream};

use crate::http::head_length;
use crate::sys::{Epoll, Events, listen};

const LISTENER: usize = usize::MAX;
const EVENTS_MAX: usize = 256;
const READ_BYTES: usize = 64 * 1024;
/// A connection that sends this much without ending a head is closed.
const PARTIAL_MAX_BYTES: usize = 64 * 1024;

/// Answers every request on `addr` with `size_bytes` bytes, for ever.
pub fn serve(addr: SocketAddrV4, size_bytes: usize) -> io::Result<()> {
    let listener = listen(addr)?;
    let epoll = Epoll::new()?;
    epoll.add(&listener, LISTENER)?;
    let response = response(size_bytes);
    let mut events = Events::with_capacity(EVENTS_MAX);
    let mut buffer = vec![0; READ_BYTES];
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    loop {
        epoll.wait(&mut events, -1)?;
        let mut index = 0;
        while let Some(token) = events.token(index) {
            index += 1;
            if token == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let token = free.pop().unwrap_or(connections.len());
                    epoll.add(&stream, token)?;
                    let connection = Connection::new(stream);
                    if token == connections.len() {
                        connections.push(Some(connection));
                    } else {
                        connections[token] = Some(connection);
                    }
                }
            } else if let Some(connection) = &mut connections[token]
                && connection.advance(&mut buffer, &response).is_err()
            {
                connections[token] = None;
                free.push(token);
            }
        }
    }
}

struct Connection {
    stream: TcpStream,
    /// The beginning of a head whose end has not arrived.
    partial: Vec<u8>,
    /// Responses owed, the one being written included.
    owed: usize,
    /// How much of the response being written is written.
    written: usize,
}

impl Connection {
    fn new(stream: TcpStream) -> Connection {
        Connection {
            stream,
            partial: Vec::new(),
            owed: 0,
            written: 0,
        }
    }

    /// Reads until a short read, writes until it would block.
    fn advance(&mut self, buffer: &mut [u8], response: &[u8]) -> io::Result<()> {
        loop {
            self.write(response)?;
            let count = match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.count_heads(&buffer[..count])?;
            self.write(response)?;
            if count < buffer.len() {
                return Ok(());
            }
        }
    }

    fn count_heads(&mut self, input: &[u8]) -> io::Result<()> {
        let joined;
        let mut rest = input;
        if !self.partial.is_empty() {
            joined = [std::mem::take(&mut self.partial), input.to_vec()].concat();
            rest = &joined;
        }
        while let Some(length) = head_length(rest) {
            self.owed += 1;
            rest = &rest[length..];
        }
        if rest.len() > PARTIAL_MAX_BYTES {
            return Err(ErrorKind::InvalidData.into());
        }
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    fn write(&mut self, response: &[u8]) -> io::Result<()> {
        while self.owed > 0 {
            match self.stream.write(&response[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            if self.written == response.len() {
                self.written = 0;
                self.owed -= 1;
            }
        }
        Ok(())
    }
}

/// The one answer, with a body of `size_bytes`.
pub fn response(size_bytes: usize) -> Vec<u8> {
    let mut response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: {size_bytes}\r\n\r\n"
    )
    .into_bytes();
    response.resize(response.len() + size_bytes, b'x');
    response
}
