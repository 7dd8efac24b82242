//! The edge: viewers' requests walk the pipeline and are answered from the cache where they can
//! be, and from the origin where they must.
//!
//! What it does: compiles distributions into [`site::Site`]s, finds the site of a host
//! ([`directory::Directory`]), walks the stages (`pipeline.rs` lists them in their order), fetches
//! misses once for all who wait, speaks HTTP/1.1 to viewers, and logs and counts every exchange.
//! What it does not do: the API and its store (`control`), DNS, certificates. It learns of
//! changes by being handed sites.
//! Read first: `pipeline.rs`, [`site::Site`], `fetch.rs`, [`Edge`].

pub mod accept_encoding;
mod arriving;
mod ask;
pub mod check;
mod chunks;
mod clients;
mod clock;
mod compress;
mod deployment;
mod device;
pub mod directory;
mod encryption;
mod error_page;
mod exchange;
pub mod explain;
mod fetch;
mod fill;
mod follow;
pub mod forward;
mod front;
pub mod generated;
mod grpc;
mod http1;
mod http2;
mod http3;
pub mod key;
mod keyring;
mod latency;
pub mod limits;
mod listen;
mod lookup;
pub mod names;
mod objects;
mod origin_access;
mod origin_health;
mod pipeline;
mod prepare;
mod reply;
mod request_id;
mod respond;
pub mod response_headers;
mod server;
mod signed_access;
pub mod site;
mod stopping;
mod storing;
mod stream;
pub mod streams;
#[cfg(test)]
mod testing;
mod timeouts;
mod updates;
mod viewer;
mod watchdog;
mod worker;

pub use cache::bans::Ban;
pub use clock::Clock;
pub use follow::{Follower, Following};
pub use origin_access::{OriginKey, OriginKeys};
pub use request_id::{Dice, RequestId};
pub use server::{Edge, EdgeConfig, StartError};
pub use timeouts::Timeouts;
pub use updates::{UpdateError, Updates};
pub use viewer::Viewer;
