//! Key value stores (spec §12.10): the stores themselves. What is in them is `key_values.rs`.
//!
//! A store lies under its id, which its ARN holds; clients of this API name it by its name.

use documents::{Resource, keys};
use serde_json::Value;
use shapes::Timestamp;
use shapes::cloudfront::{self as cf, error};

use super::family::{self, Claim, Family, User, invalid};
use super::{inputs, tags};
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;
use crate::ids::IdForm;
use crate::key_values;
use crate::resource::{self, Kind, Stored};
use crate::service::{Entry, stored};

/// What lies in the store: name and comment. Tags and keys lie elsewhere.
pub(crate) type Config = cf::CreateKeyValueStoreRequest;

pub(crate) static KIND: Kind = Kind {
    noun: "key value store",
    collection: keys::KEY_VALUE_STORE,
    id: IdForm::Uuid,
    cfn_type: "AWS::CloudFront::KeyValueStore",
    missing: &error::ENTITY_NOT_FOUND,
};

const NAME_CLAIM: &str = "name/key-value-store";

static FAMILY: Family<Config> = Family {
    kind: &KIND,
    claims: &[Claim {
        kind: NAME_CLAIM,
        member: "Name",
        what: |config| &config.name,
    }],
    taken: &error::ENTITY_ALREADY_EXISTS,
    is_repeatable: false,
    quota: (50, &error::ENTITY_LIMIT_EXCEEDED),
    check: |_| Ok(()),
    check_change: family::all_may_change,
    needs: family::nothing_needed,
    users: &[
        user(super::function::KIND.collection, super::function::KIND.noun),
        user(super::function::LIVE.collection, super::function::LIVE.noun),
        user(
            super::connection_function::KIND.collection,
            super::connection_function::KIND.noun,
        ),
        user(
            super::connection_function::LIVE.collection,
            super::connection_function::LIVE.noun,
        ),
    ],
    in_use: &error::CANNOT_DELETE_ENTITY_WHILE_IN_USE,
    facts: family::no_facts,
    managed: family::none_managed,
};

/// Functions, which name stores.
const fn user(collection: &'static str, noun: &'static str) -> User {
    User {
        collection,
        noun,
        names: |function| {
            let associations = &function["FunctionConfig"]["KeyValueStoreAssociations"];
            let stores = family::items(associations);
            let arns = stores.filter_map(|store| store["KeyValueStoreARN"].as_str());
            arns.map(id_of_arn).collect()
        },
    }
}

const NOTE: &str = "no function reads key value stores yet";

pub(super) const OPERATIONS: &[Entry] = &[
    stored("CreateKeyValueStore", NOTE, |call| Box::pin(create(call))),
    stored("DescribeKeyValueStore", NOTE, |call| {
        Box::pin(describe(call))
    }),
    stored("UpdateKeyValueStore", NOTE, |call| Box::pin(update(call))),
    stored("DeleteKeyValueStore", NOTE, |call| Box::pin(delete(call))),
    stored("ListKeyValueStores", NOTE, |call| Box::pin(list(call))),
];

/// `Status`: a store has no import to wait for.
pub(crate) const READY: &str = "READY";

pub(crate) fn arn(call: &Call<'_>, id: &str) -> String {
    call.control.arn(&format!("key-value-store/{id}"))
}

/// The id in `arn:aws:cloudfront::123456789012:key-value-store/<id>`. What is no such ARN is the
/// id of none.
pub(crate) fn id_of_arn(arn: &str) -> &str {
    let id = arn.split_once(":key-value-store/").map(|(_, id)| id);
    id.unwrap_or(arn)
}

fn output(call: &Call<'_>, store: &Resource<Config>) -> cf::KeyValueStore {
    cf::KeyValueStore {
        name: store.config.name.clone(),
        id: store.id.clone(),
        comment: store.config.comment.clone().unwrap_or_default(),
        arn: arn(call, &store.id),
        status: Some(READY.to_owned()),
        last_modified_time: Timestamp::from_unix_ms(store.modified_ms as i64),
    }
}

/// A store that was made without a comment has none in answers, though AWS's model requires one:
/// to Terraform's provider an empty one is another value than the one that it has set.
fn leave_out_comment(told: &mut Value, store: &Resource<Config>) {
    if let (None, Some(members)) = (&store.config.comment, told.as_object_mut()) {
        members.remove("Comment");
    }
}

async fn load(call: &Call<'_>, name: &str) -> Result<Stored<Config>, Failure> {
    let id = call.claimed(NAME_CLAIM, name).await?;
    KIND.load(call, &id.ok_or_else(|| KIND.missing(name))?)
        .await
}

async fn create(call: &Call<'_>) -> Answer {
    let input: cf::CreateKeyValueStoreRequest = call.input()?;
    inputs::check_bounds(call)?;
    family::check_name("Name", &input.name, "-_")?;
    if input.import_source.is_some() {
        return Err(invalid(
            "ImportSource",
            "buckets are not reached yet; make the store without it and put its keys by UpdateKeys",
        ));
    }
    let config = Config {
        tags: None,
        ..input.clone()
    };
    let store = KIND.first_version(call, config);
    let change = FAMILY.creation(call, &store).await?;
    let change = tags::attach(change, &arn(call, &store.id), input.tags.as_ref())?;
    call.commit(key_values::begin(change, &store)).await?;
    let mut reply = Reply::of(&cf::CreateKeyValueStoreResult {
        location: Some(super::location("key-value-store", &store.config.name)),
        etag: Some(store.etag.clone()),
        key_value_store: Some(output(call, &store)),
    });
    leave_out_comment(&mut reply.output["KeyValueStore"], &store);
    Ok(reply)
}

async fn describe(call: &Call<'_>) -> Answer {
    let input: cf::DescribeKeyValueStoreRequest = call.input()?;
    let store = load(call, &input.name).await?.resource;
    let mut reply = Reply::of(&cf::DescribeKeyValueStoreResult {
        key_value_store: Some(output(call, &store)),
        etag: Some(store.etag.clone()),
    });
    leave_out_comment(&mut reply.output["KeyValueStore"], &store);
    Ok(reply)
}

async fn update(call: &Call<'_>) -> Answer {
    let input: cf::UpdateKeyValueStoreRequest = call.input()?;
    let stored = load(call, &input.name).await?;
    stored.check_if_match(Some(&input.if_match))?;
    inputs::check_bounds(call)?;
    let config = Config {
        comment: Some(input.comment),
        ..stored.resource.config.clone()
    };
    let store = stored.next_version(call, config);
    let change = FAMILY.change(call, &stored, &store).await?;
    call.commit(change).await?;
    Ok(Reply::of(&cf::UpdateKeyValueStoreResult {
        etag: Some(store.etag.clone()),
        key_value_store: Some(output(call, &store)),
    }))
}

async fn delete(call: &Call<'_>) -> Answer {
    let input: cf::DeleteKeyValueStoreRequest = call.input()?;
    let stored = load(call, &input.name).await?;
    stored.check_if_match(Some(&input.if_match))?;
    let Resource { id, version, .. } = &stored.resource;
    let change = FAMILY.unused(call, stored.change(&KIND), id).await?;
    let change = change
        .release(NAME_CLAIM, &input.name)
        .remove(call, &stored.key, *version);
    let change = tags::forget(change, &arn(call, id));
    call.commit(key_values::end(change, id)).await?;
    key_values::sweep(call.store()).await;
    Ok(Reply::empty())
}

async fn list(call: &Call<'_>) -> Answer {
    let input: cf::ListKeyValueStoresRequest = call.input()?;
    let wanted = input.status.as_deref().unwrap_or_default();
    let stores: Vec<Resource<Config>> = match wanted.is_empty() || wanted == READY {
        true => {
            let all = KIND.load_all(call).await?.into_iter();
            all.map(|stored| stored.resource).collect()
        }
        false => Vec::new(),
    };
    let (marker, max_items) = (input.marker.as_deref(), input.max_items.as_deref());
    let page = resource::page(stores, |store| &store.config.name, marker, max_items)?;
    let items: Vec<_> = page.items.iter().map(|store| output(call, store)).collect();
    let mut reply = Reply::of(&cf::ListKeyValueStoresResult {
        key_value_store_list: Some(cf::KeyValueStoreList {
            next_marker: page.next_marker,
            max_items: page.max_items,
            quantity: items.len() as i32,
            items: Some(items),
        }),
    });
    for (index, store) in page.items.iter().enumerate() {
        leave_out_comment(
            &mut reply.output["KeyValueStoreList"]["Items"][index],
            store,
        );
    }
    Ok(reply)
}
