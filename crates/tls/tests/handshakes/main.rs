//! Whole handshakes in memory, with rustls' own client.

#![allow(clippy::unwrap_used)]

mod hosts;
mod policies;
mod resumption;
mod viewers;
mod world;
