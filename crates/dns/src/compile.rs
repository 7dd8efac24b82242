//! From documents to zones.

mod record;
mod routed;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use documents::Resource;
use documents::route53::{
    self, CidrCollection, DISTRIBUTIONS_ZONE, Pop, TrafficPolicyInstance, Zone as ZoneDocument,
    bare,
};
use records::{Name, RecordType};
use shapes::route53::{AliasTarget, RRType, ResourceRecord, ResourceRecordSet};

use crate::limits::PLATFORM_NS_TTL_SECS;
use crate::world::{Directory, Id, Settings, View, World};
use crate::zone::names::Hashed;
use crate::zone::node::{Node, Simple};
use crate::zone::routed::{Choice, Routed, RoutedSet, Stored};
use crate::zone::table::Table;
use crate::zone::{Keys, Namesakes, Zone, tag};
use record::{Form, Record};
use routed::Surroundings;

/// Why a document has no part in answers. What it was before stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The document's key in the store.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
}

/// The next world in the making. Nothing that it does is seen before [`Builder::finish`]; the order
/// of changes does not matter but for those of one key.
///
/// Zones are best put before their records, which otherwise wait for them in a form that takes more
/// memory.
#[derive(Debug)]
pub struct Builder {
    world: World,
    refusals: Vec<Refusal>,
    /// Changes of zones that are not there yet.
    waiting: HashMap<String, Vec<Change>>,
    /// Where more must be compiled than what was put.
    unsettled: BTreeSet<Place>,
    /// Collections that are new, changed or gone.
    collections: BTreeSet<String>,
    scratch: Box<Hashed>,
    /// See [`Builder::is_of`].
    revision: u64,
    /// Zones that are new, or of which something is gone.
    touched: BTreeSet<String>,
}

/// All record sets of a name and type of a zone.
type Place = (String, Vec<u8>, RecordType);

/// A change of one record set.
#[derive(Clone, Debug)]
enum Change {
    Put(Record),
    Delete {
        name: Name,
        record_type: RecordType,
        identifier: Option<Box<str>>,
    },
}

impl Builder {
    /// Begins with what is.
    pub fn new(world: &World) -> Builder {
        Builder {
            world: world.clone(),
            refusals: Vec::new(),
            waiting: HashMap::new(),
            unsettled: BTreeSet::new(),
            collections: BTreeSet::new(),
            scratch: Box::default(),
            revision: 0,
            touched: BTreeSet::new(),
        }
    }

    /// All that it is told is of this revision of the store at most: what is gone has no other.
    pub fn is_of(&mut self, revision: u64) {
        self.revision = self.revision.max(revision);
    }

    /// Ends: the next world, and the documents that are not in it.
    pub fn finish(mut self) -> (World, Vec<Refusal>) {
        self.unsettle_users_of_collections();
        for place in std::mem::take(&mut self.unsettled) {
            self.settle(&place);
        }
        for zone in std::mem::take(&mut self.touched) {
            let revision = self.revision;
            if let Some(zone) = self.zone_mut(&zone) {
                zone.modified = zone.modified.max(revision);
            }
        }
        for (zone, changes) in std::mem::take(&mut self.waiting) {
            for change in changes {
                if let Change::Put(record) = change {
                    let message = format!("its zone {zone} is not there");
                    self.refuse(key(&zone, &record), message);
                }
            }
        }
        (self.world, self.refusals)
    }

    /// A zone is new or changed. Records that came before it wait for it.
    pub fn put_zone(&mut self, document: &Resource<ZoneDocument>) {
        let (id, config) = (document.id.as_str(), &document.config);
        let apex = match Name::parse(&config.name) {
            Ok(apex) => apex,
            Err(error) => {
                let message = format!("Name {:?}: {error}", config.name);
                return self.refuse(route53::resource(route53::ZONE, id), message);
            }
        };
        let vpcs = config.is_private.then(|| {
            let vpcs = config.vpcs.iter().filter_map(|vpc| vpc.vpc_id.as_deref());
            vpcs.map(Arc::from).collect()
        });
        self.add_zone(id, apex, document.created_ms, vpcs);
        for change in self.waiting.remove(id).unwrap_or_default() {
            self.change(id, change);
        }
    }

    /// A zone and all its records are gone.
    pub fn delete_zone(&mut self, id: &str) {
        self.waiting.remove(id);
        self.remove_zone(id);
    }

    fn remove_zone(&mut self, id: &str) {
        let tag_of_id = self.world.id_tag(id);
        let Some(entry) = self.world.ids.remove(tag_of_id, |entry| *entry.id == *id) else {
            return;
        };
        let directory = self.directory_mut(entry.is_private);
        let is_it = |zones: &Namesakes| *zones.apex() == entry.apex;
        let Some(namesakes) = directory.zones.remove(tag(entry.apex_hash), is_it) else {
            return;
        };
        let zones = namesakes.zones.iter().filter(|zone| *zone.id != *id);
        let zones: Vec<Arc<Zone>> = zones.cloned().collect();
        if !zones.is_empty() {
            directory
                .zones
                .insert(Namesakes::new(entry.apex_hash, zones));
        }
    }

    /// A record set is new or changed; its name, type and identifier say which.
    pub fn put_record(&mut self, zone: &str, record_set: &ResourceRecordSet, modified: u64) {
        match record::read(record_set, modified) {
            Ok(record) => self.change(zone, Change::Put(record)),
            Err(message) => {
                let name = Name::parse(&record_set.name);
                let order_key = name.map_or(record_set.name.clone(), |name| name.order_key());
                let identifier = record_set.set_identifier.as_deref();
                let key = route53::record(zone, &order_key, record_set.r#type.as_str(), identifier);
                self.refuse(key, message);
            }
        }
    }

    /// A record set is gone. `key` is its key in the store.
    pub fn delete_record(&mut self, key: &str) {
        let Some((zone, order_key, record_type, identifier)) = route53::parse_record(key) else {
            return;
        };
        let labels: Vec<&str> = order_key.trim_end_matches('.').rsplit('.').collect();
        let (Ok(name), Ok(record_type)) = (Name::parse(&labels.join(".")), record_type.parse())
        else {
            return;
        };
        let change = Change::Delete {
            name,
            record_type,
            identifier: identifier.map(Box::from),
        };
        self.change(zone, change);
    }

    /// A traffic policy instance is new or changed.
    pub fn put_instance(&mut self, id: &str, instance: &TrafficPolicyInstance) {
        let instances = Arc::make_mut(&mut self.world.instances);
        let old = instances.insert(id.to_owned(), Arc::new(instance.clone()));
        for instance in old.as_deref().into_iter().chain([instance]) {
            self.unsettle_instance(instance);
        }
    }

    /// A traffic policy instance is gone.
    pub fn delete_instance(&mut self, id: &str) {
        let instances = Arc::make_mut(&mut self.world.instances);
        if let Some(instance) = instances.remove(id) {
            self.unsettle_instance(&instance);
        }
    }

    /// A CIDR collection is new or changed.
    pub fn put_collection(&mut self, id: &str, collection: &CidrCollection) {
        let collections = Arc::make_mut(&mut self.world.collections);
        collections.insert(id.to_owned(), Arc::new(collection.clone()));
        self.collections.insert(id.to_owned());
    }

    /// A CIDR collection is gone.
    pub fn delete_collection(&mut self, id: &str) {
        Arc::make_mut(&mut self.world.collections).remove(id);
        self.collections.insert(id.to_owned());
    }

    /// The points of presence are these, each with whether an edge lives there.
    pub fn set_pops(&mut self, pops: &[(Pop, bool)]) {
        let platform = Arc::make_mut(&mut self.world.platform);
        platform.set_pops(pops, &self.world.atlas);
    }

    /// The platform's domain, `cdn.localhost`, and the name servers of its zone. It comes before
    /// records: those that lead to distributions are compiled for it.
    pub fn set_platform(&mut self, domain: Option<&str>, name_servers: &[String]) {
        self.delete_zone(DISTRIBUTIONS_ZONE);
        let parsed = domain.map(Name::parse).transpose();
        let Ok(parsed) = parsed else {
            let message = format!("the domain {:?} is no name", domain.unwrap_or_default());
            return self.refuse("domain".to_owned(), message);
        };
        Arc::make_mut(&mut self.world.platform).domain = parsed.clone();
        let Some(apex) = parsed else {
            return;
        };
        // Older than any other of its name.
        self.add_zone(DISTRIBUTIONS_ZONE, apex.clone(), 0, None);
        for set in platform_records(&apex, name_servers) {
            self.put_record(DISTRIBUTIONS_ZONE, &set, 0);
        }
    }

    /// Which networks see which private zones.
    pub fn set_views(&mut self, views: Vec<View>) {
        self.world.views = views.into();
    }

    /// Where addresses are. It holds at once, in all worlds made from one.
    pub fn set_geo(&mut self, geo: Option<Arc<geo::Geo>>) {
        self.world.atlas.replace_geo(geo);
    }

    /// What edges measured. It holds at once, in all worlds made from one.
    pub fn set_latencies(&mut self, latencies: routing::Latencies) {
        self.world.atlas.replace_latencies(latencies);
    }

    /// What the operator says.
    pub fn set_settings(&mut self, settings: Settings) {
        self.world.settings = Arc::new(settings);
    }

    /// Forgets all zones, records, instances and collections: all of them come once more. What the
    /// operator says, and where PoPs are, stays.
    pub fn clear(&mut self) {
        let platform = self.world.zone(DISTRIBUTIONS_ZONE).cloned();
        let empty = World::empty(0, Settings::default());
        self.world.public = empty.public;
        self.world.private = empty.private;
        self.world.ids = Table::new();
        self.world.instances = Arc::default();
        self.world.collections = Arc::default();
        self.waiting.clear();
        self.unsettled.clear();
        self.collections.clear();
        if let Some(zone) = platform {
            self.insert_zone(zone);
        }
    }

    /// A zone's answers are signed with these keys, or with none.
    pub fn set_keys(&mut self, zone: &str, keys: Option<dnssec::ZoneKeys>) {
        if let Some(zone) = self.zone_mut(zone) {
            zone.keys = keys.map(|keys| Arc::new(Keys::new(keys)));
        }
    }

    fn refuse(&mut self, key: String, message: String) {
        self.refusals.push(Refusal { key, message });
    }

    fn directory_mut(&mut self, is_private: bool) -> &mut Directory {
        match is_private {
            true => &mut self.world.private,
            false => &mut self.world.public,
        }
    }

    fn zone_mut(&mut self, id: &str) -> Option<&mut Zone> {
        let entry = self.world.id(id)?;
        let (apex, hash, is_private) = (entry.apex.clone(), entry.apex_hash, entry.is_private);
        let directory = self.directory_mut(is_private);
        let is_it = |zones: &Namesakes| *zones.apex() == apex;
        let namesakes = directory.zones.find_mut(tag(hash), is_it)?;
        let mut zones = Arc::make_mut(&mut namesakes.zones).iter_mut();
        let zone = zones.find(|zone| *zone.id == *id)?;
        Some(Arc::make_mut(zone))
    }

    /// A new zone, or the same one with other particulars.
    fn add_zone(&mut self, id: &str, apex: Name, created_ms: u64, vpcs: Option<Arc<[Arc<str>]>>) {
        if let Some(zone) = self.zone_mut(id)
            && zone.apex == apex
            && zone.vpcs.is_some() == vpcs.is_some()
        {
            zone.vpcs = vpcs;
            return;
        }
        self.remove_zone(id);
        self.touched.insert(id.to_owned());
        self.insert_zone(Arc::new(Zone {
            id: id.into(),
            apex_hash: self.world.hasher.name(apex.wire()),
            apex_labels: apex.labels().count(),
            apex,
            number: self.world.numbers.fetch_add(1, Ordering::Relaxed),
            created_ms,
            keys: None,
            vpcs,
            nodes: Table::new(),
            cuts: 0,
            wildcards: 0,
            routed: 0,
            records: 0,
            modified: 0,
        }));
    }

    fn insert_zone(&mut self, zone: Arc<Zone>) {
        let hash = zone.apex_hash;
        self.world.ids.insert(Id {
            tag: self.world.id_tag(&zone.id),
            id: zone.id.clone(),
            apex: zone.apex.clone(),
            apex_hash: hash,
            is_private: zone.is_private(),
        });
        let directory = self.directory_mut(zone.is_private());
        directory.depths |= 1 << zone.apex_labels;
        let is_it = |zones: &Namesakes| *zones.apex() == zone.apex;
        let namesakes = directory.zones.remove(tag(hash), is_it);
        let mut zones = namesakes.map_or(Vec::new(), |namesakes| namesakes.zones.to_vec());
        zones.push(zone);
        zones.sort_by(|one, other| (one.created_ms, &one.id).cmp(&(other.created_ms, &other.id)));
        directory.zones.insert(Namesakes::new(hash, zones));
    }

    fn change(&mut self, id: &str, change: Change) {
        let hasher = self.world.hasher;
        let mut scratch = std::mem::take(&mut self.scratch);
        let Some(zone) = self.zone_mut(id) else {
            self.waiting.entry(id.to_owned()).or_default().push(change);
            self.scratch = scratch;
            return;
        };
        let name = match &change {
            Change::Put(record) => &record.name,
            Change::Delete { name, .. } => name,
        };
        if !name.is_within(&zone.apex) {
            if let Change::Put(record) = &change {
                let message = format!("Name {name} is not in the zone {}", zone.apex);
                self.refuse(key(id, record), message);
            }
            self.scratch = scratch;
            return;
        }
        scratch.set(&hasher, name.wire());
        let is_gone = match &change {
            Change::Put(record) => {
                zone.modified = zone.modified.max(record.modified);
                false
            }
            Change::Delete { .. } => true,
        };
        let (name, record_type, is_unsettled) = zone.change(&scratch, |node| match change {
            Change::Put(record) => {
                let is_unsettled = put(node, &record);
                (record.name, record.record_type, is_unsettled)
            }
            Change::Delete {
                name,
                record_type,
                identifier,
            } => {
                if identifier.is_none() {
                    node.remove_simple(record_type);
                }
                let is_unsettled = remove_stored(node, record_type, identifier.as_deref());
                (name, record_type, is_unsettled)
            }
        });
        if is_unsettled {
            let wire = name.wire().to_vec();
            self.unsettled.insert((id.to_owned(), wire, record_type));
        }
        if is_gone {
            self.touched.insert(id.to_owned());
        }
        self.scratch = scratch;
    }

    fn unsettle_instance(&mut self, instance: &TrafficPolicyInstance) {
        let name = Name::parse(&instance.name);
        if let (Ok(name), Ok(record_type)) = (name, instance.record_type.parse()) {
            let place = (instance.zone.clone(), name.wire().to_vec(), record_type);
            self.unsettled.insert(place);
        }
    }

    /// Groups by collections that have changed are compiled once more.
    fn unsettle_users_of_collections(&mut self) {
        let changed = std::mem::take(&mut self.collections);
        if changed.is_empty() {
            return;
        }
        let mut unsettled = Vec::new();
        for zone in self.world.zones().filter(|zone| zone.routed > 0) {
            for node in zone.nodes.iter() {
                let sets = node.routed.iter().flat_map(|routed| &routed.sets);
                for set in sets {
                    let mut texts = set.documents.iter().map(|stored| &stored.json);
                    if texts.any(|json| uses(json, &changed)) {
                        let wire = zone.name_of(node).wire().to_vec();
                        unsettled.push((zone.id.to_string(), wire, set.record_type));
                    }
                }
            }
        }
        self.unsettled.extend(unsettled);
    }

    /// Compiles the record sets of a place together.
    fn settle(&mut self, (id, wire, record_type): &Place) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.set(&self.world.hasher, wire);
        if let Err(refusal) = self.try_settle(id, &scratch, *record_type) {
            self.refusals.push(refusal);
        }
        self.scratch = scratch;
    }

    fn try_settle(
        &mut self,
        id: &str,
        name: &Hashed,
        record_type: RecordType,
    ) -> Result<(), Refusal> {
        let Some(zone) = self.world.zone(id) else {
            return Ok(());
        };
        let node = (name.labels() >= zone.apex_labels)
            .then(|| zone.node(name, 0))
            .flatten();
        let routed = node.and_then(|node| node.routed.as_ref()?.set(record_type));
        let (Some(node), Some(set)) = (node, routed) else {
            return Ok(());
        };
        let sets = set.documents.iter();
        let sets: Vec<ResourceRecordSet> = sets
            .filter_map(|stored| serde_json::from_str(&stored.json).ok())
            .collect();
        let surroundings = Surroundings {
            world: &self.world,
            zone: id,
            apex: &zone.apex,
        };
        let choice = surroundings.choice(&sets).map_err(|message| {
            let order_key = zone.name_of(node).order_key();
            let first = set.documents.first();
            let identifier = first.and_then(|stored| stored.identifier.as_deref());
            Refusal {
                key: route53::record(id, &order_key, &record_type.to_string(), identifier),
                message,
            }
        })?;
        if let Some(zone) = self.zone_mut(id) {
            zone.change(name, |node| {
                if let Some(set) = set_mut(node, record_type) {
                    set.choice = choice;
                }
            });
        }
        Ok(())
    }
}

/// The key of a record set.
fn key(zone: &str, record: &Record) -> String {
    let identifier = match &record.form {
        Form::Simple(_) => None,
        Form::Routed { identifier, .. } => identifier.as_deref(),
    };
    let order_key = record.name.order_key();
    route53::record(
        zone,
        &order_key,
        &record.record_type.to_string(),
        identifier,
    )
}

/// Puts a record set into its node; whether those of its type must be compiled together.
fn put(node: &mut Node, record: &Record) -> bool {
    match &record.form {
        Form::Simple(values) => {
            node.put_simple(Simple {
                record_type: record.record_type,
                count: values.count,
                ttl: values.ttl,
                modified: record.modified,
                records: &values.records,
            });
            // It may have been an alias.
            remove_stored(node, record.record_type, None)
        }
        Form::Routed { identifier, json } => {
            if identifier.is_none() {
                node.remove_simple(record.record_type);
            }
            let routed = Arc::make_mut(node.routed.get_or_insert_default());
            let sets = &mut routed.sets;
            let at = sets.binary_search_by_key(&record.record_type, |set| set.record_type);
            let at = at.unwrap_or_else(|at| {
                let set = RoutedSet {
                    record_type: record.record_type,
                    choice: Choice::default(),
                    documents: Vec::new(),
                };
                sets.insert(at, set);
                at
            });
            let stored = Stored {
                identifier: identifier.clone(),
                json: json.clone(),
                modified: record.modified,
            };
            let documents = &mut sets[at].documents;
            match documents.binary_search_by(|old| old.identifier.cmp(identifier)) {
                Ok(at) => documents[at] = stored,
                Err(at) => documents.insert(at, stored),
            }
            true
        }
    }
}

/// Takes a stored record set out of its node; whether it was there.
fn remove_stored(node: &mut Node, record_type: RecordType, identifier: Option<&str>) -> bool {
    let Some(set) = set_mut(node, record_type) else {
        return false;
    };
    let before = set.documents.len();
    set.documents
        .retain(|stored| stored.identifier.as_deref() != identifier);
    let is_removed = set.documents.len() < before;
    if set.documents.is_empty()
        && let Some(routed) = &mut node.routed
    {
        let routed: &mut Routed = Arc::make_mut(routed);
        routed.sets.retain(|set| !set.documents.is_empty());
        if routed.sets.is_empty() {
            node.routed = None;
        }
    }
    is_removed
}

fn set_mut(node: &mut Node, record_type: RecordType) -> Option<&mut RoutedSet> {
    let routed = node.routed.as_mut()?;
    // Not copied for nothing.
    routed.set(record_type)?;
    let mut sets = Arc::make_mut(routed).sets.iter_mut();
    sets.find(|set| set.record_type == record_type)
}

/// Whether a stored record set is chosen by one of these collections.
fn uses(json: &str, collections: &BTreeSet<String>) -> bool {
    if !json.contains("CidrRoutingConfig") {
        return false;
    }
    let set: Option<ResourceRecordSet> = serde_json::from_str(json).ok();
    let cidr = set.and_then(|set| set.cidr_routing_config);
    cidr.is_some_and(|cidr| collections.contains(&cidr.collection_id))
}

/// The records of the platform's zone.
fn platform_records(apex: &Name, name_servers: &[String]) -> Vec<ResourceRecordSet> {
    let set = |name: &Name, record_type| bare(&name.to_string(), record_type);
    let values = |record_type, ttl: u32, values: Vec<String>| ResourceRecordSet {
        ttl: Some(ttl.into()),
        resource_records: Some(
            values
                .into_iter()
                .map(|value| ResourceRecord { value })
                .collect(),
        ),
        ..set(apex, record_type)
    };
    let server = match name_servers.first() {
        Some(server) => server.clone(),
        None => apex.to_string(),
    };
    let soa = format!("{server} hostmaster.{apex} 1 7200 900 1209600 60");
    let mut records = vec![values(RRType::Soa, 900, vec![soa])];
    if !name_servers.is_empty() {
        records.push(values(
            RRType::Ns,
            PLATFORM_NS_TTL_SECS,
            name_servers.to_vec(),
        ));
    }
    if let Ok(any) = apex.child(b"*") {
        for record_type in [RRType::A, RRType::Aaaa] {
            records.push(ResourceRecordSet {
                alias_target: Some(AliasTarget {
                    hosted_zone_id: DISTRIBUTIONS_ZONE.to_owned(),
                    dns_name: any.to_string(),
                    evaluate_target_health: false,
                }),
                ..set(&any, record_type)
            });
        }
    }
    records
}
