//! What record sets name outside of their zone: health checks, CIDR collections, other zones.

use std::collections::{BTreeMap, BTreeSet};

use documents::Resource;
use documents::route53::{self as forms, DISTRIBUTIONS_ZONE, Zone};
use shapes::route53::{self as r53, ChangeAction, ResourceRecordSet, error};
use store::Document;

use crate::call::Call;
use crate::change::Change;
use crate::error::Failure;
use crate::route53::cidr_collection;
use crate::route53::inputs::bare_id;

/// What of it there is.
pub(super) struct References {
    /// Keys of the health checks that are named; they are there.
    health_checks: Vec<String>,
    /// What is wrong with collections and locations of them that are named and not there.
    wrong_locations: BTreeMap<(String, String), String>,
    /// Other hosted zones that aliases name and that are there, by id.
    zones: BTreeSet<String>,
}

impl References {
    /// Reads all that the changes name. A health check that is not there refuses the batch.
    pub(super) async fn load(
        call: &Call<'_>,
        zone: &Resource<Zone>,
        changes: &[r53::Change],
    ) -> Result<References, Failure> {
        let written = changes
            .iter()
            .filter(|change| change.action != ChangeAction::Delete);
        let written: Vec<_> = written.map(|change| &change.resource_record_set).collect();
        let ids = |of: fn(&ResourceRecordSet) -> Option<&str>| -> BTreeSet<String> {
            let ids = written.iter().filter_map(|set| of(set));
            let ids = ids.map(bare_id).filter(|id| !id.is_empty());
            ids.map(str::to_owned).collect()
        };
        let checks = ids(|set| set.health_check_id.as_deref());
        let mut health_checks = Vec::with_capacity(checks.len());
        for (id, found) in read(call, forms::HEALTH_CHECK, &checks).await? {
            let document = found.ok_or_else(|| {
                let message = format!("A health check with id {id} does not exist.");
                Failure::api(&error::NO_SUCH_HEALTH_CHECK, message)
            })?;
            health_checks.push(document.key);
        }
        let routings = written.iter();
        let routings = routings.filter_map(|set| set.cidr_routing_config.as_ref());
        let routings: BTreeMap<_, _> = routings.map(|routing| (place(routing), routing)).collect();
        let mut wrong_locations = BTreeMap::new();
        for (place, routing) in routings {
            if let Some(wrong) = cidr_collection::wrong(call, routing).await? {
                wrong_locations.insert(place, wrong);
            }
        }
        let mut named = ids(|set| Some(&set.alias_target.as_ref()?.hosted_zone_id));
        named.remove(DISTRIBUTIONS_ZONE);
        named.remove(&zone.id);
        let others = read(call, forms::ZONE, &named).await?.into_iter();
        let others = others.filter_map(|(id, found)| found.map(|_| id));
        Ok(References {
            health_checks,
            wrong_locations,
            zones: others.collect(),
        })
    }

    /// Whether there is a hosted zone of that id, besides the batch's own.
    pub(super) fn has_zone(&self, id: &str) -> bool {
        self.zones.contains(id)
    }

    /// What is wrong with the location that a record set is for.
    pub(super) fn check_cidr(&self, set: &ResourceRecordSet) -> Option<String> {
        let routing = set.cidr_routing_config.as_ref()?;
        self.wrong_locations.get(&place(routing)).cloned()
    }

    /// Adds that the health checks are still there.
    pub(super) fn hold(&self, change: Change) -> Change {
        let checks = self.health_checks.iter();
        checks.fold(change, |change, key| change.if_present(key))
    }
}

fn place(routing: &r53::CidrRoutingConfig) -> (String, String) {
    (routing.collection_id.clone(), routing.location_name.clone())
}

/// The documents of a collection with those ids; what cannot be an id has none.
async fn read(
    call: &Call<'_>,
    collection: &str,
    ids: &BTreeSet<String>,
) -> Result<Vec<(String, Option<Document>)>, Failure> {
    let ids: Vec<&String> = ids.iter().collect();
    let mut found = Vec::with_capacity(ids.len());
    for ids in ids.chunks(store::limits::GET_KEYS_MAX) {
        let key = |id: &&String| {
            let id = if id.contains('/') { "" } else { id.as_str() };
            forms::resource(collection, id)
        };
        let keys: Vec<String> = ids.iter().map(key).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let documents = call.store().get_many(&keys).await?;
        found.extend(ids.iter().map(|id| (*id).clone()).zip(documents));
    }
    Ok(found)
}
