//! The bare loop over TLS: rustls, and nothing besides. It looks for the end of each head, reads
//! nothing in it, and encrypts the same bytes every time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConfig, ServerConnection};

use crate::bare::response;
use crate::http::head_length;
use crate::sys::{Epoll, Events, listen};
use crate::tls::client_config;

const LISTENER: usize = usize::MAX;
const EVENTS_MAX: usize = 256;
const READ_BYTES: usize = 16 * 1024;
/// What is encrypted at a time: it still lies in the processor's cache when it is sent.
const PIECE_BYTES: usize = 64 * 1024;

/// Answers every request on `addr` with `size_bytes` bytes, for ever.
pub fn serve(addr: SocketAddrV4, size_bytes: usize, config: ServerConfig) -> io::Result<()> {
    let config = Arc::new(config);
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
                    let connection = Connection::new(stream, Arc::clone(&config))?;
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
    tls: ServerConnection,
    /// Heads come whole here, or the connection is closed: the tools' own are far below a record.
    owed: usize,
    /// How much of the response being written is encrypted.
    written: usize,
}

impl Connection {
    fn new(stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<Connection> {
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        tls.set_buffer_limit(None);
        Ok(Connection {
            stream,
            tls,
            owed: 0,
            written: 0,
        })
    }

    /// Reads and writes until both would block.
    fn advance(&mut self, buffer: &mut [u8], response: &[u8]) -> io::Result<()> {
        loop {
            self.write(response)?;
            match self.tls.read_tls(&mut self.stream) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            self.tls.process_new_packets().map_err(io::Error::other)?;
            // Tickets, also for who says in the same breath that it is done.
            self.write(response)?;
            let mut rest = match self.tls.reader().read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => &buffer[..count],
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            while let Some(length) = head_length(rest) {
                self.owed += 1;
                rest = &rest[length..];
            }
            if !rest.is_empty() {
                return Err(ErrorKind::InvalidData.into());
            }
        }
    }

    /// Encrypts what is owed, piece by piece, and sends it until it would block.
    fn write(&mut self, response: &[u8]) -> io::Result<()> {
        loop {
            while self.tls.wants_write() {
                match self.tls.write_tls(&mut self.stream) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            if self.owed == 0 {
                return Ok(());
            }
            let piece = (response.len() - self.written).min(PIECE_BYTES);
            let piece = &response[self.written..self.written + piece];
            self.tls.writer().write_all(piece)?;
            self.written += piece.len();
            if self.written == response.len() {
                self.written = 0;
                self.owed -= 1;
            }
        }
    }
}

/// Bytes a second that rustls encrypts in records of 16 KiB, sent nowhere: what no server that is
/// made with it can exceed.
pub fn encrypt(config: ServerConfig, duration: Duration) -> io::Result<f64> {
    let client = client_config(b"http/1.1", false).map_err(io::Error::other)?;
    let name = ServerName::try_from("bench.test").map_err(io::Error::other)?;
    let mut client = ClientConnection::new(Arc::new(client), name).map_err(io::Error::other)?;
    let mut server = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
    server.set_buffer_limit(None);
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire)?;
        server.read_tls(&mut wire.as_slice())?;
        server.process_new_packets().map_err(io::Error::other)?;
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire)?;
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest)?;
            client.process_new_packets().map_err(io::Error::other)?;
        }
    }
    let piece = vec![b'x'; PIECE_BYTES];
    let begin = Instant::now();
    let mut bytes = 0;
    while begin.elapsed() < duration {
        for _ in 0..64 {
            server.writer().write_all(&piece)?;
            while server.wants_write() {
                server.write_tls(&mut Nowhere)?;
            }
            bytes += piece.len();
        }
    }
    Ok(bytes as f64 / begin.elapsed().as_secs_f64())
}

/// Takes all slices at once; the standard library's sink takes them too, but says so only later.
struct Nowhere;

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
