//! The viewer's side of HTTP/1.1: a connection reads requests one after the other, walks each
//! through the pipeline, and writes the replies.

mod body;
mod connection;
mod io;
mod tunnel;
mod write;

pub(crate) use connection::serve;
pub(crate) use io::Io;
pub(crate) use tunnel::tunnel;
