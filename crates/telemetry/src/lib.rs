//! What operators see of an edge: access logs and metrics.
//!
//! - [`access_log`] formats one line of 33 fields for each exchange and writes it, off the serving
//!   threads, to files by distribution and hour. Read [`access_log::Record`],
//!   [`access_log::LogHandle`] and [`access_log::AccessLog`] first.
//! - [`metrics`] counts without contention and prints the Prometheus text format. Read
//!   [`metrics::SiteCounters`] and [`metrics::Registry`] first.
//!
//! This crate opens no sockets, runs no async code and reads no clock: times come in with the
//! records. The one thread that it starts is the log's writer, and nothing here ever makes a
//! serving thread wait for a disk. It installs no tracing subscriber; the binary does that.

pub mod access_log;
pub mod limits;
pub mod metrics;
