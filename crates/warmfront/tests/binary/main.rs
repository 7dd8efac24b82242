//! The real binary, from outside: its command line, its reloads, and what a newcomer sees.

// Clippy sees a test only in what is marked as one.
#![allow(clippy::unwrap_used)]

mod command_line;
mod demo;
mod geo;
mod reload;
mod world;
