//! The API without sockets: operations in, documents in the store out.

// A helper that cannot go on fails the test that called it.
#![allow(clippy::unwrap_used)]

mod anycast;
mod audit;
mod certificates;
mod concurrency;
mod connection_groups;
mod continuous_deployment;
mod distributions;
mod family;
mod field_level_encryption;
mod functions;
mod history;
mod http;
mod identity;
mod invalidations;
mod key_groups;
mod key_value_stores;
mod lists;
mod monitoring;
mod origin_access;
mod policies;
mod realtime_logs;
mod route53;
mod signed;
mod stored;
mod tags;
mod tenants;
mod trust_stores;
mod validation;
mod vpc_origins;
mod wire;
mod world;
