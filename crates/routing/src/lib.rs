//! Which of several answers a client gets: Route 53's routing policies (spec §10, §12).
//!
//! What it does: compiles the members of a group (weights, regions, places, …) once, so that a
//! query costs a look-up and no allocation, and chooses; says for how wide a network the choice
//! holds; and tells a [`Witness`] why, for those who ask. What it does not do: know records, zones
//! or messages; wait for health (it is asked of whoever calls).
//!
//! Read [`Group::choose`] first, then [`Atlas`].

mod atlas;
mod blocks;
mod dice;
mod draw;
mod group;
mod latencies;
pub mod limits;
mod map;
mod ordered;
mod plan;
mod rule;
mod witness;

use std::net::IpAddr;

use smallvec::{SmallVec, smallvec};

pub use atlas::{Atlas, Nearest, Place};
pub use dice::Dice;
pub use group::{Group, RoutingError};
pub use latencies::Latencies;
pub use rule::{GeoCode, Role, Rule};
pub use witness::{Considered, Distance, Located, Recording, Source, Verdict, Witness};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The resolver's address, or the one that it says its client has (RFC 7871).
    pub address: IpAddr,
    /// How many of the address's leading bits are known: the source prefix length of a client
    /// subnet, else all, 32 or 128.
    pub prefix_bits: u8,
}

impl Client {
    /// A client all of whose address is known.
    pub fn whole(address: IpAddr) -> Client {
        Client {
            address,
            prefix_bits: if address.is_ipv4() { 32 } else { 128 },
        }
    }
}

/// What [`Group::choose`] chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Places of members in the list that was compiled: one, or up to
    /// [`limits::MULTIVALUE_ANSWERS_MAX`] of a multivalue group. Empty if no member is for this
    /// client; that is answered with NOERROR and no record.
    pub members: SmallVec<[u16; limits::MULTIVALUE_ANSWERS_MAX]>,
    /// How many leading bits of the client's address the choice depends on, counted in the
    /// address's family: everyone with these bits is answered by the same choice, as long as
    /// nobody's health changes. 0 if it holds for everybody. May be more than the client's
    /// `prefix_bits`: then too few bits were known to choose as well as possible.
    pub scope_bits: u8,
    /// Whether nobody was healthy, and all were taken to be (spec §12).
    pub is_fallback: bool,
}

impl Choice {
    /// One member, for everybody.
    fn of(member: u16) -> Choice {
        Choice {
            members: smallvec![member],
            scope_bits: 0,
            is_fallback: false,
        }
    }
}
