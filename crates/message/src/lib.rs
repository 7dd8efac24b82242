//! HTTP messages as every protocol version and every tier of the house sees them, and the
//! HTTP/1.1 framing of them. Sans-IO: bytes in, heads and bodies out.
//!
//! What it does: [`Fields`] (header fields in wire order, duplicates kept), [`RequestHead`]
//! parsed once per request into a reusable buffer with the common fields indexed, strict
//! HTTP/1.1 request parsing that refuses every smuggling shape ([`http1`]), body framing, dates.
//! What it does not do: sockets, caching, policy, URLs beyond splitting path from query.
//! Read first: [`Fields`], [`RequestHead`], [`http1::parse_request`].

mod date;
mod fields;
pub mod http1;
pub mod limits;
mod method;
mod request;

pub use date::{civil_from_days, format_http_date, parse_http_date, write_http_date};
pub use fields::{Fields, HOP_BY_HOP, ResponseHead, canonical_name, has_name, list_items};
pub use method::{Method, MethodSet};
pub use request::{Field, Known, RequestHead, Version};
