//! What a name server keeps of its store besides the world, and how documents become its parts.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use documents::route53::{
    CIDR_COLLECTION, CidrCollection, KEY_SIGNING_KEY, KeySigningKey, QUERY_LOGGING, QueryLogging,
    RECORD, ROUTE53, TRAFFIC_POLICY_INSTANCE, TrafficPolicyInstance, ZONE, ZONE_SIGNING_KEYS, Zone,
    ZoneSigningKeys, parse, parse_record, resource,
};
use documents::{FormError, Refusal, Resource, decode};
use shapes::route53::ResourceRecordSet;
use store::replica::stream::{self, Head};
use store::{Batch, Document, Event, Revision};

use crate::compile::{self, Builder};
use crate::query_log::QueryLog;
use crate::world::World;

/// A copy of the store: the documents that are no record sets, and what it is a copy of.
#[derive(Clone)]
pub(super) struct Copy {
    path: PathBuf,
    head: Head,
    documents: BTreeMap<String, Document>,
    /// Documents that have no part in answers, by key.
    refused: BTreeMap<String, Refusal>,
    /// Zones whose keys have changed since [`Copy::settle`].
    unsettled: BTreeSet<String>,
    /// Whether it has changed since then which queries are logged.
    has_other_logs: bool,
    query_log: Option<Arc<QueryLog>>,
}

impl Copy {
    /// Reads the copy that lies at `path`, and puts what it has on top of `world`.
    pub fn open(
        path: PathBuf,
        query_log: Option<Arc<QueryLog>>,
        world: World,
    ) -> io::Result<(Copy, World)> {
        let mut copy = Copy::empty(path, query_log);
        let mut builder = Builder::new(&world);
        let path = copy.path.clone();
        let read = stream::read(&path, ROUTE53, |document| copy.put(document, &mut builder))?;
        let Some(head) = read else {
            return Ok((Copy::empty(path, copy.query_log), world));
        };
        copy.head = head;
        copy.settle(&mut builder);
        let (world, refusals) = builder.finish();
        copy.refuse(refusals);
        Ok((copy, world))
    }

    fn empty(path: PathBuf, query_log: Option<Arc<QueryLog>>) -> Copy {
        Copy {
            path,
            head: Head {
                prefix: ROUTE53.to_owned(),
                ..Head::default()
            },
            documents: BTreeMap::new(),
            refused: BTreeMap::new(),
            unsettled: BTreeSet::new(),
            has_other_logs: true,
            query_log,
        }
    }

    /// The last revision whose changes are here.
    pub fn revision(&self) -> Revision {
        self.head.revision
    }

    /// Whether it is one of the store of that id.
    pub fn is_of(&self, store_id: &str) -> bool {
        self.head.store_id == store_id
    }

    /// Documents that have no part in answers, by key.
    pub fn refused(&self) -> &BTreeMap<String, Refusal> {
        &self.refused
    }

    /// An empty copy, for all documents to come once more; the builder forgets what it has.
    pub fn begin_anew(&self, builder: &mut Builder) -> Copy {
        builder.clear();
        Copy::empty(self.path.clone(), self.query_log.clone())
    }

    /// Says what it is a copy of.
    pub fn is_now(&mut self, store_id: String, revision: Revision) {
        self.head.store_id = store_id;
        self.head.revision = revision;
    }

    /// Takes up a batch of changes.
    pub fn apply(&mut self, batch: &Batch, builder: &mut Builder) {
        for event in &batch.events {
            match event {
                Event::Put(document) => self.put(document.clone(), builder),
                Event::Deleted { key } => self.delete(key, builder),
            }
        }
        self.head.revision = self.head.revision.max(batch.revision);
    }

    /// Takes up a document.
    pub fn put(&mut self, document: Document, builder: &mut Builder) {
        self.refused.remove(&document.key);
        if let Err(error) = self.read(&document, builder) {
            self.note(&document.key, document.modified.0, error.message);
        }
        if !matches!(parse(&document.key), Some((RECORD, _))) {
            self.documents.insert(document.key.clone(), document);
        }
    }

    fn read(&mut self, document: &Document, builder: &mut Builder) -> Result<(), FormError> {
        let (key, value) = (document.key.as_str(), &document.value[..]);
        let Some((collection, id)) = parse(key) else {
            return Ok(());
        };
        match collection {
            RECORD => {
                let record_set: ResourceRecordSet = decode(key, value)?;
                let zone = parse_record(key).map_or("", |(zone, ..)| zone);
                builder.put_record(zone, &record_set, document.modified.0);
            }
            ZONE => {
                let zone = Resource::<Zone>::decode(key, value)?;
                builder.put_zone(&zone);
                self.unsettled.insert(zone.id);
            }
            TRAFFIC_POLICY_INSTANCE => {
                let instance = Resource::<TrafficPolicyInstance>::decode(key, value)?;
                builder.put_instance(id, &instance.config);
            }
            CIDR_COLLECTION => {
                let collection = Resource::<CidrCollection>::decode(key, value)?;
                builder.put_collection(id, &collection.config);
            }
            QUERY_LOGGING => self.has_other_logs = true,
            KEY_SIGNING_KEY | ZONE_SIGNING_KEYS => self.unsettle(id),
            _ => {}
        }
        Ok(())
    }

    fn delete(&mut self, key: &str, builder: &mut Builder) {
        self.refused.remove(key);
        self.documents.remove(key);
        let Some((collection, id)) = parse(key) else {
            return;
        };
        match collection {
            RECORD => builder.delete_record(key),
            ZONE => builder.delete_zone(id),
            TRAFFIC_POLICY_INSTANCE => builder.delete_instance(id),
            CIDR_COLLECTION => builder.delete_collection(id),
            QUERY_LOGGING => self.has_other_logs = true,
            KEY_SIGNING_KEY | ZONE_SIGNING_KEYS => self.unsettle(id),
            _ => {}
        }
    }

    fn unsettle(&mut self, id: &str) {
        let zone = id.split_once('/').map_or(id, |(zone, _)| zone);
        self.unsettled.insert(zone.to_owned());
    }

    /// Gives zones the keys that belong to them, and the log its zones, now that all changes of a
    /// batch are here.
    pub fn settle(&mut self, builder: &mut Builder) {
        builder.is_of(self.head.revision.0);
        if std::mem::take(&mut self.has_other_logs) {
            self.tell_log();
        }
        for zone in std::mem::take(&mut self.unsettled) {
            // Where missing keys are noted: no document need be there that could be put again.
            self.refused.remove(&resource(ZONE_SIGNING_KEYS, &zone));
            match self.keys(&zone) {
                Ok(keys) => builder.set_keys(&zone, keys),
                Err(error) => {
                    let revision = self.head.revision.0;
                    self.note(&error.key, revision, error.message);
                }
            }
        }
    }

    fn tell_log(&self) {
        let Some(log) = &self.query_log else { return };
        let prefix = resource(QUERY_LOGGING, "");
        let range = self.documents.range(prefix.clone()..);
        let documents = range.take_while(|(key, _)| key.starts_with(&prefix));
        let configs = documents.filter_map(|(key, document)| {
            let logging = Resource::<QueryLogging>::decode(key, &document.value);
            logging.ok().map(|logging| logging.config)
        });
        let configs: Vec<QueryLogging> = configs.collect();
        log.set_zones(configs.iter().map(|config| {
            // `arn:aws:logs:us-east-1:123456789012:log-group:/aws/route53/example.com:*`
            let group = config.log_group_arn.split(':').nth(6).unwrap_or_default();
            (config.zone.as_str(), group)
        }));
    }

    /// A zone's keys, if its answers are signed.
    fn keys(&self, zone: &str) -> Result<Option<dnssec::ZoneKeys>, FormError> {
        let key = resource(ZONE, zone);
        let Some(document) = self.documents.get(&key) else {
            return Ok(None);
        };
        let config = Resource::<Zone>::decode(&key, &document.value)?.config;
        if !config.is_signing {
            return Ok(None);
        }
        let mut ksks: Vec<KeySigningKey> = Vec::new();
        let prefix = resource(KEY_SIGNING_KEY, zone) + "/";
        let range = self.documents.range(prefix.clone()..);
        for (key, document) in range.take_while(|(key, _)| key.starts_with(&prefix)) {
            ksks.push(decode(key, &document.value)?);
        }
        let key = resource(ZONE_SIGNING_KEYS, zone);
        let zsks: ZoneSigningKeys = match self.documents.get(&key) {
            Some(document) => decode(&key, &document.value)?,
            None => ZoneSigningKeys::default(),
        };
        let wrong = |message: String| FormError { key, message };
        let apex = match records::Name::parse(&config.name) {
            Ok(apex) => apex,
            Err(error) => return Err(wrong(error.to_string())),
        };
        let keys = dnssec::ZoneKeys::of_documents(apex, &ksks, &zsks);
        keys.map(Some).map_err(|error| wrong(error.to_string()))
    }

    /// Notes documents that the builder has no use for.
    pub fn refuse(&mut self, refusals: Vec<compile::Refusal>) {
        let revision = self.head.revision.0;
        for compile::Refusal { key, message } in refusals {
            self.note(&key, revision, message);
        }
    }

    fn note(&mut self, key: &str, revision: u64, message: String) {
        tracing::error!(key, message, "has no part in answers");
        let refusal = Refusal { revision, message };
        self.refused.insert(key.to_owned(), refusal);
    }

    /// Writes the copy to its file, whole or not at all.
    pub fn save(&self, world: &World) -> io::Result<()> {
        let mut head = self.head.clone();
        let is_record = |key: &String| matches!(parse(key), Some((RECORD, _)));
        if self.refused.keys().any(is_record) {
            // They are not in the world. Whoever starts with the copy shall ask for them again: it
            // may be a version that has a use for them.
            head.store_id.clear();
        }
        let documents = self.documents.values().cloned();
        stream::write(&self.path, &head, documents.chain(world.documents()))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use documents::route53::record;
    use serde_json::json;

    use super::*;
    use crate::world::Settings;

    fn document(key: String, value: &serde_json::Value) -> Document {
        Document {
            key,
            value: Bytes::from(value.to_string()),
            created: Revision(1),
            modified: Revision(1),
        }
    }

    fn zone(is_signing: bool) -> Document {
        let config = Zone {
            name: "example.com.".to_owned(),
            caller_reference: "test".to_owned(),
            comment: None,
            is_private: false,
            vpcs: Vec::new(),
            delegation_set: None,
            name_servers: Vec::new(),
            is_signing,
            accelerated_recovery: None,
        };
        let zone = Resource {
            id: "Z1".to_owned(),
            etag: String::new(),
            version: 1,
            created_ms: 0,
            modified_ms: 0,
            domain: None,
            config,
        };
        Document {
            value: zone.encode(),
            ..document(resource(ZONE, "Z1"), &json!(null))
        }
    }

    fn address(value: &str) -> Document {
        let values = json!([{"Value": value}]);
        let set = json!({
            "Name": "www.example.com.", "Type": "A", "TTL": 60, "ResourceRecords": values,
        });
        document(record("Z1", "com.example.www.", "A", None), &set)
    }

    fn world() -> World {
        World::empty(1, Settings::default())
    }

    fn take(copy: &mut Copy, documents: Vec<Document>) -> World {
        let mut builder = Builder::new(&world());
        for document in documents {
            copy.put(document, &mut builder);
        }
        copy.settle(&mut builder);
        let (world, refusals) = builder.finish();
        copy.refuse(refusals);
        world
    }

    #[test]
    fn a_copy_without_what_was_refused_is_not_taken_for_the_whole_store() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("copy");
        for (value, is_whole) in [("192.0.2.1", true), ("no address", false)] {
            let mut copy = Copy::empty(path.clone(), None);
            copy.is_now("store".to_owned(), Revision(5));
            let saved = take(&mut copy, vec![zone(false), address(value)]);
            assert_eq!(copy.refused().is_empty(), is_whole);
            copy.save(&saved).unwrap();
            let (copy, world) = Copy::open(path.clone(), None, world()).unwrap();
            assert_eq!(copy.is_of("store"), is_whole, "{value}");
            assert!(world.zone("Z1").is_some());
        }
    }

    #[test]
    fn keys_that_are_missing_are_no_longer_complained_of_when_they_are_not_needed() {
        let mut copy = Copy::empty(PathBuf::new(), None);
        take(&mut copy, vec![zone(true)]);
        assert_eq!(copy.refused().len(), 1);
        take(&mut copy, vec![zone(false)]);
        assert_eq!(copy.refused().len(), 0);
    }
}
