use std::collections::BTreeMap;

use smallvec::smallvec;
use thiserror::Error;

use crate::{Atlas, Choice, Client, Dice, Rule, Witness};

/// Record sets of one name and type, one of which answers (spec §12).
#[derive(Debug)]
pub struct Group {
    count: u16,
}

impl Group {
    /// Compiles a group. `members` are set identifiers and rules, all of one kind. `blocks` is the
    /// CIDR collection of a group by CIDR: blocks by location.
    pub fn compile(
        members: &[(String, Rule)],
        _blocks: Option<&BTreeMap<String, Vec<String>>>,
        _atlas: &Atlas,
    ) -> Result<Group, RoutingError> {
        if members.is_empty() {
            return Err(RoutingError::Empty);
        }
        Ok(Group {
            count: members.len() as u16,
        })
    }

    /// Chooses who answers. `is_healthy` is asked for a member's health, by its place in the list
    /// that was compiled, until somebody is found; nobody is asked twice.
    #[inline]
    pub fn choose<W: Witness + ?Sized>(
        &self,
        _client: &Client,
        _dice: &mut Dice,
        mut is_healthy: impl FnMut(usize) -> bool,
        _witness: &mut W,
    ) -> Choice {
        let found = (0..self.count).find(|member| is_healthy(usize::from(*member)));
        Choice {
            members: smallvec![found.unwrap_or(0)],
            scope_bits: 0,
            is_fallback: found.is_none(),
        }
    }
}

/// Why members make no group. The API lets none of them in, so a document in the store is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RoutingError {
    /// There are no members.
    #[error("a group has no members")]
    Empty,
    /// There are too many.
    #[error("a group has {0} members; {max} are allowed", max = crate::limits::MEMBERS_MAX)]
    TooMany(usize),
    /// Their rules are of several kinds.
    #[error("the members {0:?} and {1:?} of a group have routing policies of different kinds")]
    Mixed(String, String),
    /// A region that we do not know.
    #[error("member {member:?} is for the region {region:?}, which is unknown")]
    Region {
        /// The set identifier.
        member: String,
        /// The region.
        region: String,
    },
    /// Coordinates or a bias that are none.
    #[error(
        "member {member:?} has coordinates or a bias out of range: latitude -90 to 90, longitude \
         -180 to 180, bias -99 to 99"
    )]
    Coordinates {
        /// The set identifier.
        member: String,
    },
    /// A group by CIDR without its collection.
    #[error("the group's CIDR collection is not there")]
    NoCollection,
    /// A block that is none.
    #[error("location {location:?} of the CIDR collection has the block {block:?}, which is none")]
    Block {
        /// The location.
        location: String,
        /// The block.
        block: String,
    },
}
