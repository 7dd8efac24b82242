use std::collections::BTreeMap;

use thiserror::Error;

use crate::blocks::Blocks;
use crate::draw::{self, Weights};
use crate::map::Mapped;
use crate::plan::{MicroDegrees, Plan, Spot};
use crate::{Atlas, Choice, Client, Dice, GeoCode, Rule, Witness, limits, ordered};

/// Record sets of one name and type, one of which answers (spec §12).
#[derive(Debug)]
pub struct Group {
    policy: Policy,
}

#[derive(Debug)]
enum Policy {
    Weighted(Weights),
    Mapped(Mapped),
    Failover(Box<[u16]>),
    Multivalue(u16),
    Cidr(Box<Blocks>),
}

impl Group {
    /// Compiles a group. `members` are set identifiers and rules, all of one kind. `blocks` is the
    /// CIDR collection of a group by CIDR: blocks by location.
    ///
    /// Of members between which nothing else decides, the one with the lower identifier is better.
    pub fn compile(
        members: &[(String, Rule)],
        blocks: Option<&BTreeMap<String, Vec<String>>>,
        atlas: &Atlas,
    ) -> Result<Group, RoutingError> {
        let Some((_, first)) = members.first() else {
            return Err(RoutingError::Empty);
        };
        if members.len() > limits::MEMBERS_MAX {
            return Err(RoutingError::TooMany(members.len()));
        }
        let kinds = Kinds { members };
        let policy = match first {
            Rule::Weighted(_) => Policy::Weighted(kinds.weights()?),
            Rule::Latency { .. } => Policy::Mapped(kinds.latency(atlas)?),
            Rule::Geolocation(_) => Policy::Mapped(kinds.geolocation(atlas)?),
            Rule::Geoproximity { .. } => Policy::Mapped(kinds.geoproximity(atlas)?),
            Rule::Failover(_) => Policy::Failover(kinds.failover()?),
            Rule::Multivalue => Policy::Multivalue(kinds.multivalue()?),
            Rule::Cidr { .. } => Policy::Cidr(Box::new(kinds.cidr(blocks)?)),
        };
        Ok(Group { policy })
    }

    /// Chooses who answers. `is_healthy` is asked for a member's health, by its place in the list
    /// that was compiled, until somebody is found; nobody is asked twice. A client of whom only a
    /// prefix is known is taken to be where the first address of that is.
    #[inline]
    pub fn choose<W: Witness + ?Sized>(
        &self,
        client: &Client,
        dice: &mut Dice,
        is_healthy: impl FnMut(usize) -> bool,
        witness: &mut W,
    ) -> Choice {
        match &self.policy {
            Policy::Weighted(weights) => weights.choose(dice, is_healthy, witness),
            Policy::Mapped(mapped) => mapped.choose(client, is_healthy, witness),
            Policy::Failover(order) => {
                ordered::choose(order, order.len() as u16, is_healthy, witness)
            }
            Policy::Multivalue(count) => draw::sample(*count, dice, is_healthy, witness),
            Policy::Cidr(blocks) => blocks.choose(client, is_healthy, witness),
        }
    }
}

/// The members of a group, to be compiled as those of one kind.
struct Kinds<'a> {
    members: &'a [(String, Rule)],
}

impl<'a> Kinds<'a> {
    fn weights(&self) -> Result<Weights, RoutingError> {
        let weights = self.all(|rule| match rule {
            Rule::Weighted(weight) => Some(*weight),
            _ => None,
        })?;
        Ok(Weights::new(weights.into()))
    }

    fn latency(&self, atlas: &Atlas) -> Result<Mapped, RoutingError> {
        let regions = self.all(|rule| match rule {
            Rule::Latency { region } => Some(region),
            _ => None,
        })?;
        let order = self.sorted_by(|member| regions[member]);
        let spots = order.iter().map(|member| {
            let region = regions[usize::from(*member)];
            let coordinates = geo::region(region).and_then(MicroDegrees::new);
            Ok(Spot {
                pop: None,
                region: Some(region.clone()),
                coordinates: Some(coordinates.ok_or_else(|| RoutingError::Region {
                    member: self.members[usize::from(*member)].0.clone(),
                    region: region.clone(),
                })?),
                bias: 0,
            })
        });
        let plan = Plan::Time(spots.collect::<Result<_, RoutingError>>()?);
        Ok(Mapped {
            map: atlas.map(plan),
            members: order,
        })
    }

    fn geolocation(&self, atlas: &Atlas) -> Result<Mapped, RoutingError> {
        let codes = self.all(|rule| match rule {
            Rule::Geolocation(code) => Some(code),
            _ => None,
        })?;
        let order = self.sorted_by(|member| codes[member]);
        let codes: Box<[GeoCode]> = (order.iter())
            .map(|member| codes[usize::from(*member)].clone())
            .collect();
        Ok(Mapped {
            map: atlas.map(Plan::Area(codes)),
            members: order,
        })
    }

    fn geoproximity(&self, atlas: &Atlas) -> Result<Mapped, RoutingError> {
        let places = self.all(|rule| match rule {
            Rule::Geoproximity {
                latitude,
                longitude,
                bias,
            } => Some(((*latitude, *longitude), *bias)),
            _ => None,
        })?;
        let order = self.sorted_by(|_| ());
        let spots = order.iter().map(|member| {
            let (coordinates, bias) = places[usize::from(*member)];
            let coordinates = MicroDegrees::new(coordinates).filter(|_| bias.abs() <= 99);
            Ok(Spot {
                pop: None,
                region: None,
                coordinates: Some(coordinates.ok_or_else(|| RoutingError::Coordinates {
                    member: self.members[usize::from(*member)].0.clone(),
                })?),
                bias,
            })
        });
        let plan = Plan::Space(spots.collect::<Result<_, RoutingError>>()?);
        Ok(Mapped {
            map: atlas.map(plan),
            members: order,
        })
    }

    fn failover(&self) -> Result<Box<[u16]>, RoutingError> {
        let roles = self.all(|rule| match rule {
            Rule::Failover(role) => Some(*role),
            _ => None,
        })?;
        Ok(self.sorted_by(|member| roles[member]))
    }

    fn multivalue(&self) -> Result<u16, RoutingError> {
        let all = self.all(|rule| matches!(rule, Rule::Multivalue).then_some(()))?;
        Ok(all.len() as u16)
    }

    fn cidr(&self, blocks: Option<&BTreeMap<String, Vec<String>>>) -> Result<Blocks, RoutingError> {
        let locations = self.all(|rule| match rule {
            Rule::Cidr { location } => Some(location.as_str()),
            _ => None,
        })?;
        Blocks::new(&locations, blocks.ok_or(RoutingError::NoCollection)?)
    }

    /// What `of` takes from each member's rule; it takes nothing from rules of other kinds.
    fn all<T>(&self, of: impl Fn(&'a Rule) -> Option<T>) -> Result<Vec<T>, RoutingError> {
        let members = self.members.iter();
        members
            .map(|(identifier, rule)| {
                let mixed = || RoutingError::Mixed(self.members[0].0.clone(), identifier.clone());
                of(rule).ok_or_else(mixed)
            })
            .collect()
    }

    /// The members by that key, and then by their identifiers.
    fn sorted_by<K: Ord>(&self, key: impl Fn(usize) -> K) -> Box<[u16]> {
        let mut order: Box<[u16]> = (0..self.members.len() as u16).collect();
        order.sort_by(|one, other| {
            let [one, other] = [one, other].map(|member| usize::from(*member));
            let by_name = || self.members[one].0.cmp(&self.members[other].0);
            key(one).cmp(&key(other)).then_with(by_name)
        });
        order
    }
}

/// Why members make no group. The API lets none of them in, so a document in the store is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RoutingError {
    /// There are no members.
    #[error("a group has no members")]
    Empty,
    /// There are too many.
    #[error("a group has {0} members; {max} are allowed", max = limits::MEMBERS_MAX)]
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
