//! Whole handshakes in memory, with rustls' own client.

mod hosts;
mod policies;
mod resumption;
mod viewers;
mod world;
