//! Authoritative DNS that routes.
//!
//! What it does: compiles hosted zones and record sets into immutable trees ([`compile`]), finds
//! and writes the answer to a query without an allocation or a lock ([`Responder::respond`]), and
//! tells how it came to it ([`explain`]). What it does not do: recurse, cache, or take updates by
//! DNS.
//!
//! Read [`World`] first, then [`Builder`], then [`Responder`].

pub mod answer;
pub mod cells;
pub mod compile;
pub mod cookie;
pub mod explain;
mod follow;
pub mod limits;
pub mod message;
pub mod platform;
pub mod query_log;
pub mod rrl;
pub mod server;
pub mod transfer;
pub mod world;
pub mod zone;

pub use answer::{Asker, Category, Cookie, Facts, Outcome, Responder, Transport};
pub use cells::{Elsewhere, Elsewheres};
pub use compile::{Builder, Refusal};
pub use follow::{FollowConfig, Follower, Following};
pub use world::{Settings, View, World};
pub use zone::Zone;
