//! From a record set to the records that this client gets of it (spec §12).

use std::sync::Arc;

use arc_swap::Guard;
use records::RecordType;
use routing::{Client, Dice, Recording};
use smallvec::SmallVec;

use super::narrate::{Narrator, Step};
use crate::cells::Resolved;
use crate::limits::{ALIAS_DEPTH_MAX, EVALUATIONS_PER_QUERY_MAX, PLATFORM_TTL_SECS};
use crate::world::World;
use crate::zone::names::Hashed;
use crate::zone::node::Node;
use crate::zone::routed::{Choice, Content, Member, Target};
use crate::zone::{Found, Zone};

/// Packed records of one answer: a multivalue answer is of several record sets.
pub(super) type Parts<'w> = SmallVec<[&'w [u8]; routing::limits::MULTIVALUE_ANSWERS_MAX]>;

/// What a client gets.
pub(super) enum Leaf<'w> {
    Records {
        ttl: u32,
        /// In all parts together.
        count: usize,
        parts: Parts<'w>,
    },
    /// What a resolver found.
    Elsewhere(Guard<Option<Arc<Resolved>>>),
    /// No record, without an error.
    Nothing,
    /// It cannot be told: SERVFAIL.
    Failure,
}

/// Chooses for one query.
pub(super) struct Chooser<'a, 'w, N> {
    pub world: &'w World,
    pub zone: &'w Zone,
    pub client: Client,
    pub now_ms: u64,
    pub dice: &'a mut Dice,
    /// A place for names that aliases lead to.
    pub scratch: &'a mut Hashed,
    /// How many bits of the client's address the answer depends on so far.
    pub scope_bits: u8,
    /// How many members were asked for their health.
    pub evaluations: u32,
    pub narrator: &'a mut N,
}

impl<'w, N: Narrator> Chooser<'_, 'w, N> {
    /// The records of a type at a node; none if it has no such record set.
    #[inline]
    pub fn node(&mut self, node: &'w Node, record_type: RecordType) -> Option<Leaf<'w>> {
        self.node_at(node, record_type, 0)
    }

    #[inline]
    fn node_at(
        &mut self,
        node: &'w Node,
        record_type: RecordType,
        depth: usize,
    ) -> Option<Leaf<'w>> {
        if let Some(routed) = &node.routed
            && let Some(set) = routed.set(record_type)
        {
            return Some(self.choice(&set.choice, record_type, depth));
        }
        let simple = node.simple(record_type)?;
        Some(Leaf::Records {
            ttl: simple.ttl,
            count: usize::from(simple.count),
            parts: SmallVec::from_slice(&[simple.records]),
        })
    }

    fn choice(&mut self, choice: &'w Choice, record_type: RecordType, depth: usize) -> Leaf<'w> {
        if depth > ALIAS_DEPTH_MAX {
            self.narrator.step(|| Step::TooDeep);
            return Leaf::Failure;
        }
        let Some(group) = &choice.group else {
            return match choice.members.first() {
                Some(member) => self.member(member, record_type, depth),
                None => Leaf::Nothing,
            };
        };
        let mut health = Health {
            world: self.world,
            zone: self.zone,
            scratch: self.scratch,
            evaluations: &mut self.evaluations,
        };
        let is_healthy = |at: usize| health.member(&choice.members[at], record_type, depth);
        let chosen = if N::LISTENS {
            let mut recording = Recording::default();
            let chosen = group.choose(&self.client, self.dice, is_healthy, &mut recording);
            self.narrator
                .step(|| Step::group(&choice.members, &recording, &chosen));
            chosen
        } else {
            group.choose(&self.client, self.dice, is_healthy, &mut ())
        };
        self.scope_bits = self.scope_bits.max(chosen.scope_bits);
        match chosen.members[..] {
            [] => Leaf::Nothing,
            [one] => self.member(&choice.members[usize::from(one)], record_type, depth),
            _ => several(choice, &chosen.members),
        }
    }

    fn member(&mut self, member: &'w Member, record_type: RecordType, depth: usize) -> Leaf<'w> {
        match &member.content {
            Content::Values { count, records } => Leaf::Records {
                ttl: member.ttl,
                count: usize::from(*count),
                parts: SmallVec::from_slice(&[&records[..]]),
            },
            Content::Alias { target, .. } => self.alias(target, record_type, depth + 1),
            Content::Nested { choice, .. } => self.choice(choice, record_type, depth + 1),
        }
    }

    fn alias(&mut self, target: &'w Target, record_type: RecordType, depth: usize) -> Leaf<'w> {
        match target {
            Target::Here(name) => {
                self.narrator.step(|| Step::alias(name));
                self.scratch.set(&self.world.hasher, name.wire());
                let leaf = match self.zone.find(&self.world.hasher, self.scratch) {
                    Found::Node(node) | Found::Wildcard(node) => {
                        self.node_at(node, record_type, depth)
                    }
                    Found::Cut { .. } | Found::Nothing => None,
                };
                leaf.unwrap_or(Leaf::Nothing)
            }
            Target::Platform(name) => {
                self.narrator.step(|| Step::distribution(name));
                self.platform(record_type)
            }
            Target::Elsewhere(cell) => {
                self.narrator.step(|| Step::elsewhere(cell));
                cell.ask(self.now_ms);
                let resolved = cell.resolved();
                match &*resolved {
                    Some(_) => Leaf::Elsewhere(resolved),
                    // Nobody knows yet.
                    None => Leaf::Failure,
                }
            }
        }
    }

    /// The nearest PoP's addresses.
    fn platform(&mut self, record_type: RecordType) -> Leaf<'w> {
        let platform = &*self.world.platform;
        let given = if N::LISTENS {
            let mut recording = Recording::default();
            let given = platform.give(record_type, &self.client, &mut recording);
            self.narrator.step(|| Step::pops(platform, &recording));
            given
        } else {
            platform.give(record_type, &self.client, &mut ())
        };
        match given {
            // Without a PoP there is nowhere to send viewers.
            None => Leaf::Failure,
            Some(given) => {
                self.scope_bits = self.scope_bits.max(given.scope_bits);
                match given.count {
                    0 => Leaf::Nothing,
                    count => Leaf::Records {
                        ttl: PLATFORM_TTL_SECS,
                        count,
                        parts: SmallVec::from_slice(&[given.records]),
                    },
                }
            }
        }
    }
}

/// The values of several members: of a multivalue group, which has no aliases.
fn several<'w>(choice: &'w Choice, members: &[u16]) -> Leaf<'w> {
    let (mut parts, mut total, mut least_ttl) = (Parts::new(), 0, u32::MAX);
    for member in members {
        let member = &choice.members[usize::from(*member)];
        let Content::Values { count, records } = &member.content else {
            continue;
        };
        // Records of one name and type are all different, and live equally long (RFC 2181 §5).
        if parts.contains(&&records[..]) {
            continue;
        }
        parts.push(&records[..]);
        total += usize::from(*count);
        least_ttl = least_ttl.min(member.ttl);
    }
    match parts.is_empty() {
        true => Leaf::Nothing,
        false => Leaf::Records {
            ttl: least_ttl,
            count: total,
            parts,
        },
    }
}

/// Looks at the health of members (spec §12: H, HC and TH).
struct Health<'a, 'w> {
    world: &'w World,
    zone: &'w Zone,
    scratch: &'a mut Hashed,
    evaluations: &'a mut u32,
}

impl<'w> Health<'_, 'w> {
    /// Whether a member may be chosen: its check is healthy, and what it leads to.
    fn member(&mut self, member: &'w Member, record_type: RecordType, depth: usize) -> bool {
        *self.evaluations += 1;
        if *self.evaluations > EVALUATIONS_PER_QUERY_MAX || depth > ALIAS_DEPTH_MAX {
            return true;
        }
        if member
            .health
            .as_ref()
            .is_some_and(|cell| !cell.is_healthy())
        {
            return false;
        }
        match &member.content {
            Content::Alias {
                target,
                is_health_evaluated: true,
            } => self.target(target, record_type, depth + 1),
            Content::Nested {
                choice,
                is_health_evaluated: true,
            } => self.some(choice, record_type, depth + 1),
            _ => true,
        }
    }

    /// Whether any member is healthy.
    fn some(&mut self, choice: &'w Choice, record_type: RecordType, depth: usize) -> bool {
        let mut members = choice.members.iter();
        members.any(|member| self.member(member, record_type, depth))
    }

    fn target(&mut self, target: &'w Target, record_type: RecordType, depth: usize) -> bool {
        match target {
            Target::Here(name) => {
                self.scratch.set(&self.world.hasher, name.wire());
                let found = self.zone.find(&self.world.hasher, self.scratch);
                let (Found::Node(node) | Found::Wildcard(node)) = found else {
                    return false;
                };
                let routed = node.routed.as_ref();
                match routed.and_then(|routed| routed.set(record_type)) {
                    Some(set) => self.some(&set.choice, record_type, depth),
                    None => node.simple(record_type).is_some(),
                }
            }
            Target::Platform(_) => self.world.platform.is_healthy(),
            Target::Elsewhere(cell) => {
                let resolved = cell.resolved();
                let found = resolved.as_ref();
                found.is_some_and(|found| found.records(record_type).1 > 0)
            }
        }
    }
}
