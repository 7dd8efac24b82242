//! The cache: what makes two requests the same, for how long a response is good, where it is kept,
//! and how one fetch serves many.
//!
//! What it does: keys ([`key`]), stored objects ([`object`]) and their compact heads
//! ([`headblock`]), freshness ([`freshness`]), conditions and ranges ([`conditional`], [`range`]),
//! variants ([`vary`]), flights ([`flight`]), bans ([`bans`]), and the store in memory ([`ram`])
//! whose policy can be judged offline ([`trace`]).
//! What it does not do: sockets, clocks, tasks; deciding which parts of a request are in a key, or
//! what is sent to an origin. Time and randomness come in as arguments.
//! Read first: [`object::Object`], [`freshness::judge`], [`flight::FlightTable`],
//! [`ram::RamStore`].

pub mod bans;
mod block;
pub mod conditional;
pub mod flight;
pub mod freshness;
pub mod headblock;
pub mod key;
pub mod limits;
pub mod object;
pub mod ram;
pub mod range;
pub mod store;
pub mod trace;
pub mod vary;
