//! What the disk engine promises, against real directories.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod buckets;
mod crashes;
mod lists;
mod many;
mod model;
mod objects;
mod uploads;
mod versions;
mod world;
