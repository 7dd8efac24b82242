//! Counters, histograms, and their Prometheus text.
//!
//! Each worker has its own [`SiteCounters`] for each site, on cache lines of their own, so that
//! counting is a plain load and store; a scrape adds them up.

mod counters;
mod histogram;
mod registry;
mod render;

pub use counters::{Counter, OriginErrorKind, RejectReason, Rejections, SiteCounters};
pub use histogram::{BUCKETS, Histogram};
pub use registry::{NodeGauges, Registry, SiteMetrics};
