//! The client against scripted origins over real sockets on the loopback interface: raw bytes
//! in, raw bytes out. Timeouts are real but short; nothing waits for a fixed time to pass where
//! an event can be awaited.

// All of it is test code, helpers included.
#![allow(clippy::unwrap_used)]

mod body;
mod dns;
mod exchange;
mod group;
mod multiplex;
mod peer;
mod retry;
mod script;
mod streams;
mod timeout;
mod tls;
mod upload;
