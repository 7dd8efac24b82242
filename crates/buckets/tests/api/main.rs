//! S3's API over a disk: each test asks a service of its own, without a socket between.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod access;
mod configuration;
mod objects;
mod signatures;
mod uploads;
mod websites;
mod world;
