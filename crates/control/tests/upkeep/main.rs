//! Certificates are looked after: over a store in memory, with a clock of the test's own, and with
//! a real ACME server where one is installed.

// A helper that cannot go on fails the test that called it.
#![allow(clippy::unwrap_used)]

#[path = "../../../acme/tests/pebble/https.rs"]
mod https;
#[allow(dead_code, reason = "the crate acme's own tests use the rest")]
#[path = "../../../acme/tests/pebble/mod.rs"]
mod pebble;

mod edge;
mod local;
mod once;
mod ordered;
mod stapled;
mod stranger;
mod switched;
mod world;
