//! HTTP/1.1 on the wire (RFC 9112), the viewer's side of it: a strict request parser, body
//! framing, and what a response needs around its fields.

mod body;
mod parse;
mod write;

pub use crate::fields::write_decimal;
pub use body::{BodyDecoder, BodyError, BodyStep};
pub use parse::{Framing, Parsed, RequestError, is_host, parse_length, parse_request};
pub use write::{LAST_CHUNK, reason, write_chunk_prefix, write_status_line};
