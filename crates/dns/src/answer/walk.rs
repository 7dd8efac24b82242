//! From a name to the sections of its response (RFC 1034 §4.3.2).

use std::ops::ControlFlow;

use dnssec::limits::RRSIG_BYTES_MAX;
use dnssec::nsec::{self, Denial, NSEC_BYTES_MAX};
use dnssec::{Rrset, SignatureCache, ZoneKeys};
use records::limits::NAME_BYTES_MAX;
use records::{RecordType, rdata};
use smallvec::SmallVec;

use super::choose::{Chooser, Leaf};
use super::narrate::{Narrator, Step, type_names};
use crate::answer::Category;
use crate::limits::CNAMES_MAX;
use crate::message::{Full, Owner, Section, Writer, rcode};
use crate::zone::Found;
use crate::zone::names::Hashed;
use crate::zone::node::{Node, Rdatas, Simple};

/// Targets whose addresses are added to an answer.
const TARGETS_MAX: usize = 16;

/// Where the data of records was written whose targets' addresses are wanted.
type Spots = SmallVec<[(usize, usize); TARGETS_MAX]>;

/// How a walk ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub rcode: u16,
    pub category: Category,
    pub is_authoritative: bool,
    /// See [`crate::Facts::subject`].
    pub subject: u64,
}

/// Why a walk broke off.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// There is no room.
    Full,
    /// It cannot be answered.
    Failure,
}

impl From<Full> for Stop {
    fn from(Full: Full) -> Stop {
        Stop::Full
    }
}

/// The way of one query through a zone.
pub(super) struct Walk<'a, 'w, 'o, N> {
    pub chooser: Chooser<'a, 'w, N>,
    pub writer: Writer<'o>,
    /// The name that the walk is at.
    pub name: &'a mut Hashed,
    /// Where that stands in the response.
    pub name_at: usize,
    pub qtype: RecordType,
    /// What answers are signed with, if they are and the client wants that.
    pub keys: Option<&'w ZoneKeys>,
    pub signatures: &'a mut SignatureCache,
}

/// Records to be written, of one owner and type.
struct Records<'p, 'r> {
    section: Section,
    record_type: RecordType,
    ttl: u32,
    count: usize,
    parts: &'p [&'r [u8]],
}

impl<'w, N: Narrator> Walk<'_, 'w, '_, N> {
    pub fn run(&mut self) -> Result<End, Stop> {
        let mut been = [0; CNAMES_MAX + 1];
        for step in 0..=CNAMES_MAX {
            let here = self.name.hash(0);
            if been[..step].contains(&here) {
                // A circle: each of its records is there, once (RFC 2181 §5).
                break;
            }
            been[step] = here;
            let zone = self.chooser.zone;
            let (node, subject) = match zone.find(&self.chooser.world.hasher, self.name) {
                Found::Node(node) => {
                    let types = || type_names(types(node));
                    self.chooser.narrator.step(|| Step::Name {
                        name: zone.name_of(node).to_string(),
                        types: types(),
                    });
                    (node, self.name.hash(0))
                }
                Found::Wildcard(node) => {
                    self.chooser.narrator.step(|| Step::Wildcard {
                        name: zone.name_of(node).to_string(),
                        types: type_names(types(node)),
                    });
                    // Whatever it stands in for.
                    (
                        node,
                        zone.apex_hash ^ u64::from(crate::zone::table::Entry::tag(node)),
                    )
                }
                Found::Cut { node, label } => {
                    self.chooser.narrator.step(|| Step::Delegation {
                        name: zone.name_of(node).to_string(),
                    });
                    if self.qtype == RecordType::DS && label == 0 {
                        return self.parent_side(node);
                    }
                    return self.referral(node, label);
                }
                Found::Nothing => {
                    self.chooser.narrator.step(|| Step::NoName);
                    return self.denial(Denial::Name);
                }
            };
            match self.at_node(node, subject)? {
                ControlFlow::Break(end) => return Ok(end),
                ControlFlow::Continue(()) => {}
            }
        }
        // As much of the chain as there may be; who asked goes on from there.
        Ok(self.answered(self.name.hash(0)))
    }

    /// What a name has of what was asked; goes on if that is a CNAME to a name of the zone.
    #[inline]
    fn at_node(&mut self, node: &'w Node, subject: u64) -> Result<ControlFlow<End>, Stop> {
        let record_type = match self.qtype {
            RecordType::ANY => first_type(node),
            other => Some(other),
        };
        let is_apex = node.labels().is_empty();
        if let Some(record_type) = record_type {
            if record_type == RecordType::DNSKEY && is_apex && self.chooser.zone.keys.is_some() {
                return self.dnskeys().map(ControlFlow::Break);
            }
            if let Some(leaf) = self.chooser.node(node, record_type) {
                let is_answered = self.leaf(record_type, &leaf, true)?;
                return match is_answered {
                    true => Ok(ControlFlow::Break(self.answered(subject))),
                    false => self.no_data(node, is_apex),
                };
            }
        }
        // It is alone at its name, so whatever else was asked for leads to it.
        let Some(leaf) = self.chooser.node(node, RecordType::CNAME) else {
            return self.no_data(node, is_apex);
        };
        let target_at = self.writer.at() + 12;
        if !self.leaf(RecordType::CNAME, &leaf, false)? {
            return self.no_data(node, is_apex);
        }
        let Leaf::Records { parts, .. } = &leaf else {
            return Err(Stop::Failure);
        };
        let target = Rdatas { rest: parts[0] }.next();
        let target = target.filter(|target| (1..=NAME_BYTES_MAX).contains(&target.len()));
        let target = target.ok_or(Stop::Failure)?;
        self.name.set(&self.chooser.world.hasher, target);
        self.name_at = target_at;
        self.chooser.narrator.step(|| Step::Cname {
            target: rdata::print(RecordType::CNAME, target),
        });
        let apex = self.chooser.zone.apex_labels;
        let is_within = self.name.labels() >= apex && {
            let suffix = self.name.suffix(self.name.labels() - apex);
            suffix == self.chooser.zone.apex.wire()
        };
        Ok(match is_within {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(self.answered(subject)),
        })
    }

    fn answered(&self, subject: u64) -> End {
        End {
            rcode: rcode::NOERROR,
            category: Category::Answer,
            is_authoritative: true,
            subject,
        }
    }

    fn no_data(&mut self, node: &Node, is_apex: bool) -> Result<ControlFlow<End>, Stop> {
        self.chooser.narrator.step(|| Step::NoRecord);
        let denial = match () {
            () if is_apex => Denial::ApexType(self.qtype),
            () if node.is_empty() => Denial::EmptyNonTerminal,
            () => Denial::Type(self.qtype),
        };
        self.denial(denial).map(ControlFlow::Break)
    }

    /// Writes the records that were chosen; whether there are any.
    #[inline]
    fn leaf(
        &mut self,
        record_type: RecordType,
        leaf: &Leaf<'w>,
        wants_targets: bool,
    ) -> Result<bool, Stop> {
        match leaf {
            Leaf::Nothing => Ok(false),
            Leaf::Failure => Err(Stop::Failure),
            Leaf::Records { ttl, count, parts } => {
                self.answer(record_type, *ttl, *count, parts, wants_targets)?;
                Ok(true)
            }
            Leaf::Elsewhere(resolved) => {
                let Some(resolved) = &**resolved else {
                    return Err(Stop::Failure);
                };
                let (records, count) = resolved.records(record_type);
                if count > 0 {
                    let ttl = resolved.ttl_secs(self.chooser.now_ms);
                    self.answer(record_type, ttl, count, &[records], false)?;
                }
                Ok(count > 0)
            }
        }
    }

    #[inline]
    fn answer(
        &mut self,
        record_type: RecordType,
        ttl: u32,
        count: usize,
        parts: &[&[u8]],
        wants_targets: bool,
    ) -> Result<(), Stop> {
        let records = Records {
            section: Section::Answer,
            record_type,
            ttl: self.chooser.zone.ttl(ttl),
            count,
            parts,
        };
        let mut spots = Spots::new();
        let has_targets = matches!(
            record_type,
            RecordType::NS | RecordType::MX | RecordType::SRV
        );
        match wants_targets && has_targets {
            true => {
                self.records(0, &records, Some(&mut spots))?;
                // Additions that do not fit are left out.
                let mark = self.writer.mark();
                if self.addresses(record_type, &spots).is_err() {
                    self.writer.back_to(mark);
                }
                Ok(())
            }
            false => self.records(0, &records, None),
        }
    }

    /// Writes records of the suffix of the current name that begins at `label`, and their
    /// signatures.
    #[inline]
    fn records(
        &mut self,
        label: usize,
        records: &Records<'_, '_>,
        mut spots: Option<&mut Spots>,
    ) -> Result<(), Stop> {
        let owner = Owner {
            wire: self.name.suffix(label),
            at: self.name_at + self.name.start(label),
        };
        let all = records.parts.iter().flat_map(|part| Rdatas { rest: part });
        // Those that answer in turns; several parts come in an order by chance already.
        let is_turned = records.section == Section::Answer && records.parts.len() == 1;
        let first = match records.count {
            2.. if is_turned => self.chooser.dice.below(records.count as u32) as usize,
            _ => 0,
        };
        let turned = all.clone().skip(first).chain(all.clone().take(first));
        for rdata in turned {
            let Records {
                section,
                record_type,
                ttl,
                ..
            } = *records;
            let at = self
                .writer
                .record(section, owner, record_type, ttl, rdata)?;
            if let Some(spots) = &mut spots
                && spots.len() < TARGETS_MAX
            {
                spots.push((at, rdata.len()));
            }
        }
        if self.keys.is_some() {
            self.sign(label, records)?;
        }
        Ok(())
    }

    /// Writes the signatures of records that were written.
    fn sign(&mut self, label: usize, records: &Records<'_, '_>) -> Result<(), Stop> {
        let Some(keys) = self.keys else {
            return Ok(());
        };
        let wire = self.name.suffix(label);
        let owner = Owner {
            wire,
            at: self.name_at + self.name.start(label),
        };
        let set = Rrset {
            owner: wire,
            record_type: records.record_type,
            ttl: records.ttl,
            rdatas: records.parts.iter().flat_map(|part| Rdatas { rest: part }),
        };
        let now_secs = self.chooser.now_ms / 1000;
        for signer in keys.signers(records.record_type, now_secs) {
            let rrsig = self.signatures.rrsig(signer, &set, now_secs);
            let rrsig = rrsig.map_err(|_| Stop::Failure)?;
            let mut rdata = [0; RRSIG_BYTES_MAX];
            let bytes = rrsig.write(&mut rdata).ok_or(Stop::Failure)?;
            self.writer.record(
                records.section,
                owner,
                RecordType::RRSIG,
                records.ttl,
                &rdata[..bytes],
            )?;
        }
        Ok(())
    }

    /// The keys of the zone, at its apex.
    fn dnskeys(&mut self) -> Result<End, Stop> {
        let packed = self.chooser.zone.dnskeys();
        let Some((count, packed)) = packed else {
            return Err(Stop::Failure);
        };
        let ttl = dnssec::limits::DNSKEY_TTL_SECS;
        self.answer(RecordType::DNSKEY, ttl, count, &[packed], false)?;
        Ok(self.answered(self.name.hash(0)))
    }

    /// DS records, which are above the cut.
    fn parent_side(&mut self, node: &'w Node) -> Result<End, Stop> {
        match node.simple(RecordType::DS) {
            Some(set) => {
                let count = usize::from(set.count);
                self.answer(RecordType::DS, set.ttl, count, &[set.records], false)?;
                Ok(self.answered(self.name.hash(0)))
            }
            None => self.denial(Denial::Delegation),
        }
    }

    /// Says who has the name (RFC 1034 §4.3.2, 3b).
    fn referral(&mut self, node: &'w Node, label: usize) -> Result<End, Stop> {
        let ns = node.simple(RecordType::NS).ok_or(Stop::Failure)?;
        let keys = self.keys.take();
        let mut spots = Spots::new();
        // Not ours to sign.
        self.simple(label, Section::Authority, &ns, Some(&mut spots))?;
        self.keys = keys;
        if self.keys.is_some() {
            match node.simple(RecordType::DS) {
                Some(ds) => self.simple(label, Section::Authority, &ds, None)?,
                None => self.nsec(label, Denial::Delegation)?,
            }
        }
        // Without them nobody finds the servers: they must be there (RFC 9471).
        self.addresses(RecordType::NS, &spots)?;
        Ok(End {
            rcode: rcode::NOERROR,
            category: Category::NoData,
            // CNAMEs that led here are ours (RFC 1035 §4.1.1: of the first owner).
            is_authoritative: self.writer.count(Section::Answer) > 0,
            subject: self.name.hash(label),
        })
    }

    fn simple(
        &mut self,
        label: usize,
        section: Section,
        set: &Simple<'_>,
        spots: Option<&mut Spots>,
    ) -> Result<(), Stop> {
        let records = Records {
            section,
            record_type: set.record_type,
            ttl: self.chooser.zone.ttl(set.ttl),
            count: usize::from(set.count),
            parts: &[set.records],
        };
        self.records(label, &records, spots)
    }

    /// Says that there is nothing: with SOA, and proof if that is wanted.
    fn denial(&mut self, denial: Denial) -> Result<End, Stop> {
        let zone = self.chooser.zone;
        let soa = zone
            .apex_node()
            .and_then(|apex| apex.simple(RecordType::SOA));
        // A zone is not complete without.
        let mut soa = soa.ok_or(Stop::Failure)?;
        soa.ttl = negative_ttl(&soa).ok_or(Stop::Failure)?;
        let apex_label = self.name.labels() - zone.apex_labels;
        self.simple(apex_label, Section::Authority, &soa, None)?;
        let is_name_error = matches!(denial, Denial::Name);
        if self.keys.is_some() {
            self.nsec_for(0, denial, soa.ttl)?;
        }
        Ok(End {
            rcode: match is_name_error && self.keys.is_none() {
                true => rcode::NXDOMAIN,
                false => rcode::NOERROR,
            },
            category: match is_name_error {
                true => Category::NameError,
                false => Category::NoData,
            },
            is_authoritative: true,
            subject: zone.apex_hash,
        })
    }

    fn nsec(&mut self, label: usize, denial: Denial) -> Result<(), Stop> {
        let zone = self.chooser.zone;
        let soa = zone
            .apex_node()
            .and_then(|apex| apex.simple(RecordType::SOA));
        let ttl = soa.as_ref().and_then(negative_ttl).ok_or(Stop::Failure)?;
        self.nsec_for(label, denial, ttl)
    }

    fn nsec_for(&mut self, label: usize, denial: Denial, ttl: u32) -> Result<(), Stop> {
        let mut packed = [0; 2 + NSEC_BYTES_MAX];
        let (length, data) = packed.split_at_mut(2);
        let data: &mut [u8; NSEC_BYTES_MAX] = data.try_into().map_err(|_| Stop::Failure)?;
        let apex = self.chooser.zone.apex.wire();
        let bytes = nsec::write(self.name.suffix(label), apex, denial, data);
        length.copy_from_slice(&(bytes as u16).to_be_bytes());
        let records = Records {
            section: Section::Authority,
            record_type: RecordType::NSEC,
            ttl: self.chooser.zone.ttl(ttl),
            count: 1,
            parts: &[&packed[..2 + bytes]],
        };
        self.records(label, &records, None)
    }

    /// Adds the addresses that the zone has of the targets of records.
    fn addresses(&mut self, record_type: RecordType, spots: &Spots) -> Result<(), Stop> {
        let zone = self.chooser.zone;
        for (place, &(at, bytes)) in spots.iter().enumerate() {
            let written = self.writer.written();
            let data = |at: usize, bytes: usize| written.get(at..at + bytes);
            let Some(target) = data(at, bytes).and_then(|rdata| target(record_type, rdata)) else {
                continue;
            };
            let before = spots[..place].iter();
            let is_again = before.into_iter().any(|&(at, bytes)| {
                let earlier = data(at, bytes).and_then(|rdata| self::target(record_type, rdata));
                earlier == Some(target)
            });
            if is_again {
                continue;
            }
            let target_at = at + bytes - target.len();
            self.chooser.scratch.set(&self.chooser.world.hasher, target);
            let name = &*self.chooser.scratch;
            if name.labels() < zone.apex_labels
                || name.suffix(name.labels() - zone.apex_labels) != zone.apex.wire()
            {
                continue;
            }
            let Some(node) = zone.node(name, 0) else {
                continue;
            };
            let owner = Owner {
                wire: name.suffix(0),
                at: target_at,
            };
            for record_type in [RecordType::A, RecordType::AAAA] {
                let Some(set) = node.simple(record_type) else {
                    continue;
                };
                let ttl = zone.ttl(set.ttl);
                for rdata in set.rdatas() {
                    let section = Section::Additional;
                    self.writer
                        .record(section, owner, record_type, ttl, rdata)?;
                }
            }
        }
        Ok(())
    }
}

/// The types that a node has.
fn types(node: &Node) -> impl Iterator<Item = RecordType> {
    let routed = node.routed.iter().flat_map(|routed| &routed.sets);
    let simple = node.simple_sets().map(|set| set.record_type);
    simple.chain(routed.map(|set| set.record_type))
}

/// What is told of a name to those who want anything (RFC 8482 §4.1).
fn first_type(node: &Node) -> Option<RecordType> {
    types(node).next()
}

/// How long a denial holds: the SOA record's own time, or its minimum (RFC 2308 §3).
fn negative_ttl(soa: &Simple<'_>) -> Option<u32> {
    let rdata = soa.rdatas().next()?;
    let minimum = u32::from_be_bytes(*rdata.last_chunk()?);
    Some(soa.ttl.min(minimum))
}

/// The name at the end of a record's data, in wire form.
fn target(record_type: RecordType, rdata: &[u8]) -> Option<&[u8]> {
    let target = rdata::target_names(record_type, rdata)?;
    rdata.ends_with(target).then_some(target)
}
