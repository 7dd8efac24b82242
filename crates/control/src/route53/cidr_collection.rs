//! CIDR collections (spec §19): networks by location, for IP-based routing.
//!
//! Which locations have records is counted by zone, in documents beside the records
//! ([`count_uses`]), so that nobody reads zones to learn it.

mod block;
mod lists;

use std::collections::BTreeMap;

use documents::route53::{self as forms, CidrCollection};
use documents::{Resource, decode, encode, keys};
use shapes::route53::{self as r53, CidrCollectionChangeAction, error};
use store::Range;

use self::block::Block;
use super::changes;
use super::inputs::{self, invalid_input};
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::Failure;
use crate::ids::IdForm;
use crate::resource::{Kind, Stored};
use crate::service::{Entry, served};

static KIND: Kind = Kind {
    noun: "CIDR collection",
    collection: forms::CIDR_COLLECTION,
    id: IdForm::Uuid,
    cfn_type: "AWS::Route53::CidrCollection",
    missing: &error::NO_SUCH_CIDR_COLLECTION_EXCEPTION,
};

/// Collections of an installation.
const COLLECTIONS_MAX: usize = 100;
/// Blocks of a collection, and of a change of one (spec §3).
const BLOCKS_MAX: usize = 1_000;
/// The location of those who are in none.
const DEFAULT: &str = "*";

const NAME_CLAIM: &str = "name/cidr-collection";

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreateCidrCollection", |call| Box::pin(create(call))),
    served("ChangeCidrCollection", |call| Box::pin(change(call))),
    served("DeleteCidrCollection", |call| Box::pin(delete(call))),
    served("ListCidrCollections", |call| {
        Box::pin(lists::collections(call))
    }),
    served("ListCidrLocations", |call| Box::pin(lists::locations(call))),
    served("ListCidrBlocks", |call| Box::pin(lists::blocks(call))),
];

fn arn(id: &str) -> String {
    format!("arn:aws:route53:::cidrcollection/{id}")
}

async fn create(call: &Call<'_>) -> Answer {
    let input: r53::CreateCidrCollectionRequest = call.input()?;
    inputs::check_bounds(call)?;
    inputs::check_word("CallerReference", &input.caller_reference)?;
    check_name("Name", &input.name)?;
    if let Some(id) = call.claimed(NAME_CLAIM, &input.name).await? {
        let known: Stored<CidrCollection> = KIND.load(call, &id).await?;
        // The same call again is no other collection.
        if known.resource.config.caller_reference == input.caller_reference {
            return Ok(created(&known.resource));
        }
        let message = format!("There is a CIDR collection '{}' already.", input.name);
        return Err(Failure::api(
            &error::CIDR_COLLECTION_ALREADY_EXISTS_EXCEPTION,
            message,
        ));
    }
    let guard = call.guard(KIND.collection).await?;
    let count = call.list_all(&KIND.prefix()).await?.len();
    if count >= COLLECTIONS_MAX {
        let message = format!("There are {count} CIDR collections, which is the most.");
        return Err(Failure::api(&error::LIMITS_EXCEEDED, message));
    }
    let collection = KIND.first_version(
        call,
        CidrCollection {
            name: input.name.clone(),
            caller_reference: input.caller_reference,
            locations: BTreeMap::new(),
        },
    );
    let change = KIND
        .creation(call, &collection)
        .if_still(keys::guard(KIND.collection), guard)
        .claim(NAME_CLAIM, &input.name, &collection.id);
    call.commit(change).await?;
    Ok(created(&collection))
}

fn created(collection: &Resource<CidrCollection>) -> Reply {
    Reply::of(&r53::CreateCidrCollectionResponse {
        location: Some(inputs::location(&format!(
            "cidrcollection/{}",
            collection.id
        ))),
        collection: Some(r53::CidrCollection {
            arn: Some(arn(&collection.id)),
            id: Some(collection.id.clone()),
            name: Some(collection.config.name.clone()),
            version: Some(collection.version as i64),
        }),
    })
}

/// Names of collections and locations are of `[0-9A-Za-z_-]`.
fn check_name(member: &str, name: &str) -> Result<(), Failure> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    match !name.is_empty() && name.bytes().all(is_allowed) {
        true => Ok(()),
        false => Err(invalid_input(format!(
            "{member} is '{name}'; allowed are letters, digits, '_' and '-'."
        ))),
    }
}

/// Changes happen one after the other and all together (spec §19).
async fn change(call: &Call<'_>) -> Answer {
    let input: r53::ChangeCidrCollectionRequest = call.input()?;
    inputs::check_bounds(call)?;
    let stored: Stored<CidrCollection> = KIND.load(call, &input.id).await?;
    let old = &stored.resource;
    if let Some(version) = input.collection_version
        && u64::try_from(version) != Ok(old.version)
    {
        let message = format!(
            "CollectionVersion is {version}, but the CIDR collection {} is at version {}.",
            old.id, old.version
        );
        return Err(Failure::api(
            &error::CIDR_COLLECTION_VERSION_MISMATCH_EXCEPTION,
            message,
        ));
    }
    let mut collection = old.config.clone();
    collection.locations = changed(&old.config.locations, &input.changes)?;
    let mut change = stored.change(&KIND);
    let gone = old.config.locations.keys();
    let gone = gone.filter(|location| !collection.locations.contains_key(*location));
    let gone: Vec<&String> = gone.collect();
    if !gone.is_empty() {
        let guard = uses_guard(&old.id);
        let revision = call.guard(&guard).await?;
        change = change.if_still(keys::guard(&guard), revision);
    }
    for location in gone {
        if is_used(call, &old.id, Some(location)).await? {
            let message = format!(
                "The location '{location}' is in use by resource record sets; it must keep a block."
            );
            return Err(Failure::api(&error::CIDR_BLOCK_IN_USE_EXCEPTION, message));
        }
    }
    let collection = stored.next_version(call, collection);
    let change = change.save(call, &stored.key, &collection);
    let info = changes::commit(call, change, None).await?;
    Ok(Reply::of(&r53::ChangeCidrCollectionResponse {
        id: info.id,
    }))
}

/// Blocks by location after changes.
fn changed(
    old: &BTreeMap<String, Vec<String>>,
    changes: &[r53::CidrCollectionChange],
) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let given: usize = changes.iter().map(|change| change.cidr_list.len()).sum();
    if given > BLOCKS_MAX {
        return Err(invalid_input(format!(
            "Changes has {given} blocks; at most {BLOCKS_MAX} are allowed at once."
        )));
    }
    let mut owners: BTreeMap<Block, String> = BTreeMap::new();
    for (location, blocks) in old {
        let blocks = blocks.iter().filter_map(|block| Block::parse(block).ok());
        owners.extend(blocks.map(|block| (block, location.clone())));
    }
    for (index, change) in changes.iter().enumerate() {
        let location = &change.location_name;
        check_name(&format!("Changes[{index}].LocationName"), location)?;
        for (at, text) in change.cidr_list.iter().enumerate() {
            let block = Block::parse(text).map_err(|why| {
                let path = format!("Changes[{index}].CidrList[{at}]");
                invalid_input(format!("{path} is '{text}': {why}."))
            })?;
            let owner = owners.get(&block);
            match change.action {
                CidrCollectionChangeAction::Put => match owner {
                    Some(owner) if owner != location => {
                        let message = format!(
                            "The block {block} is in the location '{owner}' already, and can be in \
                             one only."
                        );
                        return Err(Failure::api(&error::CIDR_BLOCK_IN_USE_EXCEPTION, message));
                    }
                    _ => drop(owners.insert(block, location.clone())),
                },
                CidrCollectionChangeAction::DeleteIfExists => {
                    if owner == Some(location) {
                        owners.remove(&block);
                    }
                }
            }
        }
    }
    if owners.len() > BLOCKS_MAX {
        let message = format!(
            "The collection would have {} blocks; at most {BLOCKS_MAX} are allowed.",
            owners.len()
        );
        return Err(Failure::api(&error::LIMITS_EXCEEDED, message));
    }
    let mut locations: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (block, location) in owners {
        locations
            .entry(location)
            .or_default()
            .push(block.to_string());
    }
    Ok(locations)
}

async fn delete(call: &Call<'_>) -> Answer {
    let input: r53::DeleteCidrCollectionRequest = call.input()?;
    let stored: Stored<CidrCollection> = KIND.load(call, &input.id).await?;
    let Resource {
        id,
        version,
        config,
        ..
    } = &stored.resource;
    let guard = uses_guard(id);
    let revision = call.guard(&guard).await?;
    let in_use = |what: &str| {
        let message = format!("The CIDR collection {id} cannot be deleted: it has {what}.");
        Failure::api(&error::CIDR_COLLECTION_IN_USE_EXCEPTION, message)
    };
    if !config.locations.is_empty() {
        return Err(in_use("locations"));
    }
    if is_used(call, id, None).await? {
        return Err(in_use("resource record sets that use it"));
    }
    let change = stored
        .change(&KIND)
        .if_still(keys::guard(&guard), revision)
        .delete(keys::guard(&guard))
        .release(NAME_CLAIM, &config.name)
        .remove(call, &stored.key, *version);
    call.commit(change).await?;
    Ok(Reply::empty())
}

/// Every write of uses of a collection touches it; who depends on there being none compares it.
fn uses_guard(collection: &str) -> String {
    format!("cidr-uses/{collection}")
}

/// Whether record sets use a collection, or a location of it.
async fn is_used(
    call: &Call<'_>,
    collection: &str,
    location: Option<&String>,
) -> Result<bool, Failure> {
    let prefix = match location {
        Some(location) => forms::cidr_uses_of(collection, location),
        None => forms::cidr_uses(collection),
    };
    let range = Range {
        prefix,
        limit: 1,
        ..Range::default()
    };
    Ok(!call.store().list(range).await?.documents.is_empty())
}

/// What is wrong with where a record set wants to be routed, if anything, for the list of what is
/// wrong with a batch. What is right is compared when the change is committed: [`count_uses`].
pub(super) async fn wrong(
    call: &Call<'_>,
    routing: &r53::CidrRoutingConfig,
) -> Result<Option<String>, Failure> {
    let id = &routing.collection_id;
    let stored: Stored<CidrCollection> = match KIND.load(call, id).await {
        Err(Failure::Api(_)) => {
            return Ok(Some(format!(
                "The CIDR collection with ID {id} was not found"
            )));
        }
        result => result?,
    };
    let location = &routing.location_name;
    Ok((!has_location(&stored.resource.config, location)).then(|| {
        format!("The location {location} was not found in the CIDR collection with ID {id}")
    }))
}

/// How many more record sets of a zone use a location, by collection and location; negative where
/// they become fewer.
pub(super) type Uses = BTreeMap<(String, String), i64>;

/// Notes in a change of a zone's record sets how their uses of locations change. It must be one
/// that compares the zone's state, as all such changes are: the counts are by zone. Fails with
/// [`Failure::Conflict`] where a location has gone meanwhile, so that [`wrong`] finds it.
pub(super) async fn count_uses(
    call: &Call<'_>,
    mut change: Change,
    zone: &str,
    uses: &Uses,
) -> Result<Change, Failure> {
    let mut collections: BTreeMap<&String, Vec<&String>> = BTreeMap::new();
    for ((collection, location), more) in uses.iter().filter(|(_, more)| **more != 0) {
        let key = forms::cidr_use(collection, location, zone);
        let document = call.store().get(&key).await?;
        let old: i64 = match &document {
            Some(document) => decode(&key, &document.value)?,
            None => 0,
        };
        change = match old + more {
            ..=0 => change.delete(key),
            new => change.put(key, encode(&new)),
        };
        let used_more = collections.entry(collection).or_default();
        used_more.extend((*more > 0).then_some(location));
    }
    for (collection, used_more) in collections {
        change = change.touch(&uses_guard(collection));
        if used_more.is_empty() {
            continue;
        }
        let key = KIND.key(collection);
        let document = call.store().get(&key).await?.ok_or(Failure::Conflict)?;
        let known = Resource::<CidrCollection>::decode(&key, &document.value)?;
        let mut used_more = used_more.into_iter();
        if used_more.any(|location| !has_location(&known.config, location)) {
            return Err(Failure::Conflict);
        }
        change = change.if_still(key, Some(document.modified));
    }
    Ok(change)
}

fn has_location(collection: &CidrCollection, location: &str) -> bool {
    location == DEFAULT || collection.locations.contains_key(location)
}
