//! The viewer's side of HTTP/2 (RFC 9113): one connection, many exchanges at once. Frames, header
//! compression and flow control are the `h2` crate's; heads, replies and bodies are those of
//! [`crate::streams`]. Here are the bounds, and who waits for whom.
//!
//! Read first: `connection.rs`.

mod connection;
mod stream;
mod watched;

pub(crate) use connection::serve;
