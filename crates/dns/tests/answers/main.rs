//! Answers of the name server, from documents to bytes, read by another's decoder.

#![allow(clippy::unwrap_used)]

mod aliases;
mod building;
mod edns;
mod lab;
mod malformed;
mod names;
mod private;
mod routed;
mod signed;
