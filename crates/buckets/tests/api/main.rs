//! S3's API over a disk: each test asks a service of its own, without a socket between.

mod access;
mod configuration;
mod objects;
mod signatures;
mod uploads;
mod websites;
mod world;
