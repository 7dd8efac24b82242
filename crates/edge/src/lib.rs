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
mod compress;
mod device;
pub mod directory;
mod error_page;
pub mod forward;
pub mod generated;
pub mod key;
pub mod limits;
pub mod names;
mod request_id;
pub mod response_headers;
pub mod site;
#[cfg(test)]
mod testing;
mod viewer;

pub use request_id::{Dice, RequestId};
pub use viewer::{Viewer, ViewerTls};
