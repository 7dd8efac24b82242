//! The working copy of a batch: the record sets of the names that it touches, changed one after the
//! other (spec §8.2).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use documents::route53::{self as forms, Zone};
use documents::{Resource, decode};
use records::Name;
use shapes::route53::{self as r53, ChangeAction, RRType, ResourceRecordSet};
use store::{Document, Range, Store, StoreError};
use tokio::task::JoinSet;

use super::references::References;
use super::values::{self, Bounds, name_problem};
use super::{Problems, Writer, alias, group, named};
use crate::call::Call;
use crate::error::Failure;
use crate::limits;
use crate::route53::zone;

/// Which record set of a name.
type Member = (RRType, Option<String>);

/// Which record set of a zone; the first is the name's order key.
type Key = (String, Member);

/// One change.
struct Step {
    action: ChangeAction,
    set: ResourceRecordSet,
    /// Its name, if it is one of the zone; or what is wrong with it.
    name: Result<Name, String>,
    key: Key,
}

/// What was done to a record set.
struct Changed {
    /// What was there before the batch.
    before: Option<ResourceRecordSet>,
    /// The last change of it.
    action: ChangeAction,
    /// And that one's place in the batch.
    index: usize,
}

/// What a batch does to one document.
pub(super) struct Write {
    pub(super) key: String,
    /// What is there then; nothing, if it goes.
    pub(super) set: Option<ResourceRecordSet>,
    /// What was there before.
    pub(super) before: Option<ResourceRecordSet>,
}

/// The working copy.
pub(super) struct Working<'a> {
    zone: &'a Resource<Zone>,
    domain: &'a str,
    apex: Name,
    steps: Vec<Step>,
    /// All record sets of the names that were read, by order key.
    names: BTreeMap<String, BTreeMap<Member, ResourceRecordSet>>,
    changed: HashMap<Key, Changed>,
}

impl<'a> Working<'a> {
    /// Reads the names that the changes are about.
    pub(super) async fn load(
        call: &Call<'a>,
        zone: &'a Resource<Zone>,
        changes: &[r53::Change],
    ) -> Result<Working<'a>, Failure> {
        let apex = zone::apex(zone)?;
        let steps = changes.iter().map(|change| Step::of(change, zone, &apex));
        let mut working = Working {
            zone,
            domain: &call.control.config.domain,
            steps: steps.collect(),
            apex,
            names: BTreeMap::new(),
            changed: HashMap::new(),
        };
        let names = working
            .touched()
            .map(|(_, order_key, _)| order_key.to_owned());
        let names: BTreeSet<String> = names.collect();
        working.load_names(call, &names).await?;
        Ok(working)
    }

    pub(super) fn zone_id(&self) -> &'a str {
        &self.zone.id
    }

    /// Changes of names of the zone: place in the batch, order key, record set.
    pub(super) fn touched(&self) -> impl Iterator<Item = (usize, &str, &ResourceRecordSet)> {
        let steps = self.steps.iter().enumerate();
        let steps = steps.filter(|(_, step)| step.name.is_ok());
        steps.map(|(index, step)| (index, step.key.0.as_str(), &step.set))
    }

    /// Record sets that the batch has written, each with the place of its last change.
    pub(super) fn written(&self) -> impl Iterator<Item = (usize, &ResourceRecordSet)> {
        self.changed.iter().filter_map(|((name, member), changed)| {
            let set = self.names.get(name)?.get(member)?;
            Some((changed.index, set))
        })
    }

    pub(super) fn is_loaded(&self, order_key: &str) -> bool {
        self.names.contains_key(order_key)
    }

    /// The record sets of a name that was read.
    pub(super) fn at_name(&self, order_key: &str) -> impl Iterator<Item = &ResourceRecordSet> {
        self.names
            .get(order_key)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// The record sets of a name that was read and a type.
    pub(super) fn group(
        &self,
        order_key: &str,
        kind: RRType,
    ) -> impl Iterator<Item = &ResourceRecordSet> {
        let sets = self.names.get(order_key).into_iter();
        let sets = sets.flat_map(move |sets| sets.range((kind, None)..));
        sets.take_while(move |((other, _), _)| *other == kind)
            .map(|(_, set)| set)
    }

    /// Reads names that were not read yet, several at once.
    pub(super) async fn load_names(
        &mut self,
        call: &Call<'_>,
        names: &BTreeSet<String>,
    ) -> Result<(), Failure> {
        let mut missing = names.iter().filter(|name| !self.names.contains_key(*name));
        let missing: Vec<String> = missing.by_ref().cloned().collect();
        if let [name] = missing.as_slice() {
            let documents = read_name(call.store(), &self.zone.id, name).await?;
            return self.take(name.clone(), documents);
        }
        let share = missing.len().div_ceil(limits::BATCH_READS_AT_ONCE).max(1);
        let mut reads = JoinSet::new();
        for names in missing.chunks(share) {
            let store = Arc::clone(&call.control.store);
            let (zone, names) = (self.zone.id.clone(), names.to_vec());
            reads.spawn(async move {
                let mut read = Vec::with_capacity(names.len());
                for name in names {
                    let documents = read_name(&*store, &zone, &name).await?;
                    read.push((name, documents));
                }
                Ok::<_, StoreError>(read)
            });
        }
        while let Some(read) = reads.join_next().await {
            let read = read.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            for (name, documents) in read? {
                self.take(name, documents)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, name: String, documents: Vec<Document>) -> Result<(), Failure> {
        let mut sets = BTreeMap::new();
        for document in documents {
            let set: ResourceRecordSet = decode(&document.key, &document.value)?;
            sets.insert((set.r#type, set.set_identifier.clone()), set);
        }
        self.names.insert(name, sets);
        Ok(())
    }

    /// Makes the changes one after the other, as far as they are right.
    pub(super) fn run(&mut self, references: &References, writer: Writer, problems: &mut Problems) {
        let steps = std::mem::take(&mut self.steps);
        for (index, step) in steps.iter().enumerate() {
            let found = self.check(step, references, writer);
            for message in found {
                problems.add(index, message);
            }
            if !problems.any_at(index) {
                self.make(index, step);
            }
        }
        self.steps = steps;
    }

    fn make(&mut self, index: usize, step: &Step) {
        let (name, member) = &step.key;
        let sets = self.names.entry(name.clone()).or_default();
        let before = match step.action {
            ChangeAction::Create | ChangeAction::Upsert => {
                sets.insert(member.clone(), step.set.clone())
            }
            ChangeAction::Delete => sets.remove(member),
        };
        let changed = self.changed.entry(step.key.clone());
        let changed = changed.or_insert(Changed {
            before,
            action: step.action,
            index,
        });
        (changed.action, changed.index) = (step.action, index);
    }

    /// All that keeps a change from being made now.
    fn check(&self, step: &Step, references: &References, writer: Writer) -> Vec<String> {
        let name = match &step.name {
            Ok(name) => name,
            Err(problem) => return vec![problem.clone()],
        };
        if let Some(problem) = self.check_sequence(step) {
            return vec![problem];
        }
        let there = self
            .names
            .get(&step.key.0)
            .and_then(|sets| sets.get(&step.key.1));
        if let Some(problem) = check_writer(step, there, writer) {
            return vec![problem];
        }
        let named = named(&step.set);
        match (step.action, there) {
            (ChangeAction::Create, Some(_)) => vec![format!(
                "Tried to create resource record set {named} but it already exists"
            )],
            (ChangeAction::Delete, None) => vec![format!(
                "Tried to delete resource record set {named} but it was not found"
            )],
            (ChangeAction::Delete, Some(there)) => {
                if let Some(problem) = values::check_deletion(step.set.r#type, *name == self.apex) {
                    return vec![problem];
                }
                match values::is_same(there, &step.set) {
                    true => Vec::new(),
                    false => vec![format!(
                        "Tried to delete resource record set {named} but the values provided do \
                         not match the current values"
                    )],
                }
            }
            (ChangeAction::Create | ChangeAction::Upsert, _) => {
                self.check_written(step, name, references)
            }
        }
    }

    /// All that is wrong with a record set that is to be written.
    fn check_written(&self, step: &Step, name: &Name, references: &References) -> Vec<String> {
        let set = &step.set;
        let bounds = Bounds {
            zone_name: &self.zone.config.name,
            apex: &self.apex,
            is_private: self.zone.config.is_private,
        };
        let mut problems = values::check(set, name, &bounds);
        problems.extend(alias::check(
            set,
            &self.zone.id,
            &bounds,
            self.domain,
            references,
        ));
        problems.extend(references.check_cidr(set));
        problems.extend(self.check_cname(step));
        let others = self.group(&step.key.0, set.r#type);
        let others = others.filter(|other| other.set_identifier != set.set_identifier);
        problems.extend(group::beside(set, others));
        problems
    }

    /// A CNAME is alone at its name (rules 6 and 7).
    fn check_cname(&self, step: &Step) -> Option<String> {
        let (set, zone) = (&step.set, &self.zone.config.name);
        let mut others = self.at_name(&step.key.0);
        if set.r#type == RRType::Cname {
            let other = others.find(|other| other.r#type != RRType::Cname);
            return other.map(|_| {
                format!(
                    "RRSet of type CNAME with DNS name {} is not permitted as it conflicts with \
                     other records with the same DNS name in zone {zone}",
                    set.name
                )
            });
        }
        let cname = others.find(|other| other.r#type == RRType::Cname);
        cname.map(|_| {
            format!(
                "RRSet of type {} with DNS name {} is not permitted because a conflicting RRSet of \
                 type CNAME with the same DNS name already exists in zone {zone}",
                set.r#type, set.name
            )
        })
    }

    /// One record set is not changed twice, but for a deletion before or after it is made.
    fn check_sequence(&self, step: &Step) -> Option<String> {
        let last = self.changed.get(&step.key)?.action;
        let is_deletion = |action: ChangeAction| action == ChangeAction::Delete;
        (is_deletion(last) == is_deletion(step.action)).then(|| {
            format!(
                "The request contains an invalid set of changes for a resource record set '{} {}'",
                step.set.r#type, step.set.name
            )
        })
    }

    /// Holds the members of every group that was written against each other, as they are now.
    pub(super) fn check_groups(&self, problems: &mut Problems) {
        for (key, Changed { index, .. }) in &self.changed {
            let (name, member) = key;
            let Some(set) = self.names.get(name).and_then(|sets| sets.get(member)) else {
                continue;
            };
            // Of two that are both new, the later one is told of.
            let is_earlier = |other: &&ResourceRecordSet| {
                let other = (name.clone(), (other.r#type, other.set_identifier.clone()));
                let at = self.changed.get(&other).map(|changed| changed.index);
                other != *key && at.is_none_or(|at| at < *index)
            };
            let others = self.group(name, member.0).filter(is_earlier);
            for message in group::among(set, others) {
                problems.add(*index, message);
            }
        }
    }

    /// What is to be written.
    pub(super) fn into_writes(mut self) -> Vec<Write> {
        let zone = &self.zone.id;
        let changed = self.changed.into_iter();
        let writes = changed.filter_map(|((name, member), Changed { before, .. })| {
            let sets = self.names.get_mut(&name);
            let set = sets.and_then(|sets| sets.remove(&member));
            let (kind, identifier) = &member;
            let key = forms::record(zone, &name, kind.as_str(), identifier.as_deref());
            // What was made and deleted again never was.
            (before.is_some() || set.is_some()).then_some(Write { key, set, before })
        });
        writes.collect()
    }
}

impl Step {
    fn of(change: &r53::Change, zone: &Resource<Zone>, apex: &Name) -> Step {
        let set = values::normalised(&change.resource_record_set);
        let parsed = Name::parse(&set.name).map_err(|error| name_problem(&set.name, error));
        let name = parsed.and_then(|name| match name.is_within(apex) {
            true => Ok(name),
            false => Err(format!(
                "RRSet with DNS name {name} is not permitted in zone {}",
                zone.config.name
            )),
        });
        let order_key = name.as_ref().map(Name::order_key).unwrap_or_default();
        let identifier = set.set_identifier.as_deref();
        let key = forms::record(&zone.id, &order_key, set.r#type.as_str(), identifier);
        let name = match key.len() > store::limits::KEY_BYTES_MAX {
            true => Err(format!(
                "RRSet with DNS name {} is not permitted as name and SetIdentifier are too long",
                set.name
            )),
            false => name,
        };
        Step {
            action: change.action,
            key: (order_key, (set.r#type, set.set_identifier.clone())),
            name,
            set,
        }
    }
}

/// Record sets that stand for a traffic policy are their instance's to write, and no others.
fn check_writer(step: &Step, there: Option<&ResourceRecordSet>, writer: Writer) -> Option<String> {
    let stands = |set: &ResourceRecordSet| set.traffic_policy_instance_id.is_some();
    let is_instances = stands(&step.set) || there.is_some_and(stands);
    let is_others = there.is_some_and(|there| !stands(there));
    let named = named(&step.set);
    match writer {
        Writer::Client if is_instances => Some(format!(
            "The resource record set {named} belongs to a traffic policy instance; change that one"
        )),
        Writer::TrafficPolicyInstance if is_others => Some(format!(
            "Tried to create resource record set {named} but it already exists"
        )),
        Writer::Client | Writer::TrafficPolicyInstance => None,
    }
}

/// All record sets of a name.
async fn read_name(
    store: &dyn Store,
    zone: &str,
    order_key: &str,
) -> Result<Vec<Document>, StoreError> {
    let mut all: Vec<Document> = Vec::new();
    loop {
        let page = store.list(Range {
            prefix: forms::records_at(zone, order_key),
            after: all.last().map(|document| document.key.clone()),
            limit: store::limits::PAGE_DOCUMENTS_MAX,
            is_descending: false,
        });
        let page = page.await?;
        let is_last = !page.has_more || page.documents.is_empty();
        all.extend(page.documents);
        if is_last {
            return Ok(all);
        }
    }
}
