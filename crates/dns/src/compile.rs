//! From documents to zones.

use std::sync::Arc;

use documents::Resource;
use documents::route53::{CidrCollection, Pop, TrafficPolicyInstance, Zone as ZoneDocument};
use shapes::route53::ResourceRecordSet;

use crate::world::{Settings, View, World};

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
#[derive(Debug)]
pub struct Builder {
    world: World,
}

impl Builder {
    /// Begins with what is.
    pub fn new(world: &World) -> Builder {
        Builder {
            world: world.clone(),
        }
    }

    /// Ends: the next world, and the documents that are not in it.
    pub fn finish(self) -> (World, Vec<Refusal>) {
        (self.world, Vec::new())
    }

    /// A zone is new or changed. Records that came before it wait for it.
    pub fn put_zone(&mut self, _zone: &Resource<ZoneDocument>) {}

    /// A zone and all its records are gone.
    pub fn delete_zone(&mut self, _id: &str) {}

    /// A record set is new or changed; its name, type and identifier say which.
    pub fn put_record(&mut self, _zone: &str, _record_set: &ResourceRecordSet, _modified: u64) {}

    /// A record set is gone. `key` is its key in the store.
    pub fn delete_record(&mut self, _key: &str) {}

    /// A traffic policy instance is new or changed.
    pub fn put_instance(&mut self, _id: &str, _instance: &TrafficPolicyInstance) {}

    /// A traffic policy instance is gone.
    pub fn delete_instance(&mut self, _id: &str) {}

    /// A CIDR collection is new or changed.
    pub fn put_collection(&mut self, _id: &str, _collection: &CidrCollection) {}

    /// A CIDR collection is gone.
    pub fn delete_collection(&mut self, _id: &str) {}

    /// The points of presence are these, each with whether an edge lives there.
    pub fn set_pops(&mut self, _pops: &[(Pop, bool)]) {}

    /// The platform's domain, `cdn.localhost`, and the name servers of its zone.
    pub fn set_platform(&mut self, _domain: Option<&str>, _name_servers: &[String]) {}

    /// Which networks see which private zones.
    pub fn set_views(&mut self, _views: Vec<View>) {}

    /// Where addresses are, and what latencies were measured.
    pub fn set_geo(&mut self, _geo: Option<Arc<geo::Geo>>) {}

    /// What the operator says.
    pub fn set_settings(&mut self, _settings: Settings) {}

    /// Forgets all zones, records, instances and collections: all of them come once more. What the
    /// operator says, and where PoPs are, stays.
    pub fn clear(&mut self) {}

    /// A zone's answers are signed with these keys, or with none.
    pub fn set_keys(&mut self, _zone: &str, _keys: Option<dnssec::ZoneKeys>) {}

    /// A zone's queries are logged to this log group, or to none.
    pub fn set_query_log(&mut self, _zone: &str, _log_group_arn: Option<&str>) {}

    /// What edges measured.
    pub fn set_latencies(&mut self, _latencies: routing::Latencies) {}
}
