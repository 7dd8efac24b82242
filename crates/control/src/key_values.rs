//! The data of key value stores: CloudFront KeyValueStore, API version 2022-07-26 (spec §12.10).
//!
//! ```text
//! cloudfront/key-values/<id>          Head: entity tag, count and size
//! cloudfront/key-values/<id>/<key>    a value, as JSON text
//! swept/key-values/<id>               a store that is gone, but not all of its keys yet
//! ```
//!
//! A key may be of any characters: nothing stands behind it, and the head, which has no slash
//! behind the id, is in no list of keys. Every write commits only if the head is as it was read,
//! so that its count and size are right, and of two writes with one entity tag one fails.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use documents::{Resource, decode, encode, keys};
use serde::{Deserialize, Serialize};
use shapes::Timestamp;
use shapes::cloudfront_keyvaluestore::{self as kvs, error};
use store::{Range, Revision, Store, StoreError, Txn};

use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::cloudfront::key_value_store::{self, Config, KIND, READY};
use crate::error::Failure;
use crate::service::{Entry, stored};
use crate::{ids, limits};

const NOTE: &str = "no function reads key value stores yet";

const OPERATIONS: &[Entry] = &[
    stored("DescribeKeyValueStore", NOTE, |call| {
        Box::pin(describe(call))
    }),
    stored("ListKeys", NOTE, |call| Box::pin(list(call))),
    stored("GetKey", NOTE, |call| Box::pin(get(call))),
    stored("PutKey", NOTE, |call| Box::pin(put(call))),
    stored("DeleteKey", NOTE, |call| Box::pin(delete(call))),
    stored("UpdateKeys", NOTE, |call| Box::pin(update(call))),
];

/// The implementation of an operation, if there is one.
pub(crate) fn find(operation: &str) -> Option<&'static Entry> {
    OPERATIONS.iter().find(|entry| entry.operation == operation)
}

/// Prefix of what is to be swept.
const SWEPT: &str = "swept/key-values/";

/// What is known of all keys of a store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Head {
    /// Another one after every write; not that of the store in CloudFront's API.
    etag: String,
    item_count: usize,
    /// Of keys and values.
    size_bytes: usize,
    /// The last write, in milliseconds since 1970.
    modified_ms: u64,
}

/// A store, and its head as it was read.
struct Opened {
    store: Resource<Config>,
    head: Head,
    revision: Revision,
}

/// Adds to the change that makes a store its head.
pub(crate) fn begin(change: Change, store: &Resource<Config>) -> Change {
    let head = Head {
        etag: ids::etag(),
        item_count: 0,
        size_bytes: 0,
        modified_ms: store.created_ms,
    };
    change.put(keys::resource(keys::KEY_VALUES, &store.id), encode(&head))
}

/// Adds to the change that deletes a store that its keys go: nobody sees them from then on, and
/// [`sweep`] removes them.
pub(crate) fn end(change: Change, id: &str) -> Change {
    let change = change.delete(keys::resource(keys::KEY_VALUES, id));
    change.put(format!("{SWEPT}{id}"), bytes::Bytes::new())
}

/// Removes the keys of stores that are gone, which may be more than fit one transaction. What it
/// does not come to, the next one does.
pub(crate) async fn sweep(store: &dyn Store) {
    if let Err(error) = try_sweep(store).await {
        tracing::warn!(%error, "keys of a deleted key value store are left for later");
    }
}

async fn try_sweep(store: &dyn Store) -> Result<(), StoreError> {
    let mut batches = 0;
    let range = |prefix: String, limit| Range {
        prefix,
        limit,
        ..Range::default()
    };
    while batches < limits::KEYS_SWEPT_BATCHES_MAX {
        let mut marks = store.list(range(SWEPT.to_owned(), 1)).await?.documents;
        let Some(mark) = marks.pop() else {
            return Ok(());
        };
        let id = mark.key.strip_prefix(SWEPT).unwrap_or_default();
        let prefix = keys::resource(keys::KEY_VALUES, &format!("{id}/"));
        let page = store
            .list(range(prefix, limits::KEYS_SWEPT_AT_ONCE))
            .await?;
        let mut txn = Txn::new();
        if !page.has_more {
            txn = txn.delete(&mark.key);
        }
        for document in page.documents {
            txn = txn.delete(document.key);
        }
        store.commit(txn).await?;
        batches += 1;
    }
    Ok(())
}

impl Opened {
    /// The store that an ARN names.
    async fn load(call: &Call<'_>, arn: &str) -> Result<Opened, Failure> {
        let missing = || {
            let message = format!("There is no key value store '{arn}'.");
            Failure::api(&error::RESOURCE_NOT_FOUND_EXCEPTION, message)
        };
        let id = key_value_store::id_of_arn(arn);
        if key_value_store::arn(call, id) != arn || id.contains('/') {
            return Err(missing());
        }
        let (store_key, head_key) = (KIND.key(id), keys::resource(keys::KEY_VALUES, id));
        let mut read = call.store().get_many(&[&store_key, &head_key]).await?;
        let (Some(head), Some(store)) = (read.pop().flatten(), read.pop().flatten()) else {
            return Err(missing());
        };
        Ok(Opened {
            store: Resource::decode(&store_key, &store.value)?,
            head: decode(&head_key, &head.value)?,
            revision: head.modified,
        })
    }

    /// Where a key of the store lies.
    fn key(&self, key: &str) -> String {
        keys::resource(keys::KEY_VALUES, &format!("{}/{key}", self.store.id))
    }

    /// Where they all lie.
    fn prefix(&self) -> String {
        self.key("")
    }

    /// Puts values, then deletes keys: all of it, or nothing. Gives the head as it is then.
    async fn write(
        &self,
        call: &Call<'_>,
        if_match: &str,
        puts: Vec<kvs::PutKeyRequestListItem>,
        deletes: Vec<kvs::DeleteKeyRequestListItem>,
    ) -> Result<Head, Failure> {
        self.check_if_match(if_match)?;
        check_writes(&puts, &deletes)?;
        let mut writes = BTreeMap::new();
        for put in puts {
            writes.insert(put.key, Some(put.value));
        }
        // One that is in both is deleted, as by AWS.
        let mut must_be_there = Vec::new();
        for delete in deletes {
            if writes.insert(delete.key.clone(), None).is_none() {
                must_be_there.push(delete.key);
            }
        }
        let paths: Vec<String> = writes.keys().map(|key| self.key(key)).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let old = call.store().get_many(&paths).await?;
        let mut head = Head {
            etag: ids::etag(),
            modified_ms: call.now_ms,
            ..self.head.clone()
        };
        let head_key = keys::resource(keys::KEY_VALUES, &self.store.id);
        let mut change = Change::new()
            .about(KIND.cfn_type, &self.store.id)
            .if_still(&head_key, Some(self.revision));
        for ((key, value), (path, old)) in writes.iter().zip(paths.into_iter().zip(old)) {
            if let Some(old) = &old {
                let old: String = decode(path, &old.value)?;
                head.item_count = head.item_count.saturating_sub(1);
                head.size_bytes = head.size_bytes.saturating_sub(key.len() + old.len());
            } else if must_be_there.contains(key) {
                return Err(no_key(key));
            }
            change = match value {
                None => change.delete(path),
                Some(value) => {
                    head.item_count += 1;
                    head.size_bytes += key.len() + value.len();
                    change.put(path, encode(value))
                }
            };
        }
        if head.size_bytes > limits::KEY_VALUE_STORE_BYTES_MAX {
            let message = format!(
                "The store would have {} bytes of keys and values; at most {} are allowed.",
                head.size_bytes,
                limits::KEY_VALUE_STORE_BYTES_MAX
            );
            return Err(Failure::api(
                &error::SERVICE_QUOTA_EXCEEDED_EXCEPTION,
                message,
            ));
        }
        call.commit(change.put(head_key, encode(&head))).await?;
        Ok(head)
    }

    fn check_if_match(&self, if_match: &str) -> Result<(), Failure> {
        match if_match.trim() {
            "" => Err(invalid("If-Match is empty: it must be the store's ETag.")),
            etag if etag == self.head.etag => Ok(()),
            etag => Err(Failure::api(
                &error::CONFLICT_EXCEPTION,
                format!(
                    "If-Match is '{etag}', but the store's keys have changed since; describe it \
                     again."
                ),
            )),
        }
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::api(&error::VALIDATION_EXCEPTION, message)
}

fn no_key(key: &str) -> Failure {
    let key: String = key.chars().take(limits::KEY_BYTES_MAX).collect();
    let message = format!("There is no key '{key}' in the store.");
    Failure::api(&error::RESOURCE_NOT_FOUND_EXCEPTION, message)
}

fn check_writes(
    puts: &[kvs::PutKeyRequestListItem],
    deletes: &[kvs::DeleteKeyRequestListItem],
) -> Result<(), Failure> {
    let count = puts.len() + deletes.len();
    if !(1..=limits::KEYS_WRITTEN_MAX).contains(&count) {
        return Err(invalid(format!(
            "Puts and Deletes have {count} keys; 1 to {} are allowed.",
            limits::KEYS_WRITTEN_MAX
        )));
    }
    let put_keys = puts.iter().map(|put| &put.key);
    for key in put_keys.chain(deletes.iter().map(|delete| &delete.key)) {
        if !(1..=limits::KEY_BYTES_MAX).contains(&key.len()) {
            return Err(invalid(format!(
                "A key has {} bytes; 1 to {} are allowed.",
                key.len(),
                limits::KEY_BYTES_MAX
            )));
        }
    }
    match puts
        .iter()
        .find(|put| put.value.len() > limits::VALUE_BYTES_MAX)
    {
        None => Ok(()),
        Some(put) => Err(invalid(format!(
            "The value of key '{}' has {} bytes; at most {} are allowed.",
            put.key,
            put.value.len(),
            limits::VALUE_BYTES_MAX
        ))),
    }
}

/// Numbers of the API, which no store exceeds.
fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

async fn describe(call: &Call<'_>) -> Answer {
    let input: kvs::DescribeKeyValueStoreRequest = call.input()?;
    let Opened { store, head, .. } = Opened::load(call, &input.kvs_arn).await?;
    Ok(Reply::of(&kvs::DescribeKeyValueStoreResponse {
        item_count: count(head.item_count),
        total_size_in_bytes: head.size_bytes as i64,
        kvs_arn: input.kvs_arn,
        created: Timestamp::from_unix_ms(store.created_ms as i64),
        etag: head.etag,
        last_modified: Some(Timestamp::from_unix_ms(head.modified_ms as i64)),
        status: Some(READY.to_owned()),
        failure_reason: None,
    }))
}

async fn list(call: &Call<'_>) -> Answer {
    let input: kvs::ListKeysRequest = call.input()?;
    let opened = Opened::load(call, &input.kvs_arn).await?;
    let limit = match input.max_results {
        None => limits::KEYS_LISTED,
        Some(number) => usize::try_from(number).unwrap_or_default(),
    };
    if !(1..=limits::KEYS_LISTED_MAX).contains(&limit) {
        return Err(invalid(format!(
            "MaxResults is {limit}; 1 to {} are allowed.",
            limits::KEYS_LISTED_MAX
        )));
    }
    let token = input.next_token.filter(|token| !token.is_empty());
    let after = match token {
        None => None,
        Some(token) => {
            let bytes = BASE64.decode(&token).ok();
            let key = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            let key = key.ok_or_else(|| invalid("NextToken is none that ListKeys gave."))?;
            Some(opened.key(&key))
        }
    };
    let prefix = opened.prefix();
    let range = Range {
        prefix: prefix.clone(),
        after,
        limit,
        is_descending: false,
    };
    let page = call.store().list(range).await?;
    let mut items = Vec::with_capacity(page.documents.len());
    for document in page.documents {
        items.push(kvs::ListKeysResponseListItem {
            value: decode(&document.key, &document.value)?,
            key: document.key[prefix.len()..].to_owned(),
        });
    }
    let last = items.last().filter(|_| page.has_more);
    Ok(Reply::of(&kvs::ListKeysResponse {
        next_token: last.map(|item| BASE64.encode(&item.key)),
        items: Some(items),
    }))
}

async fn get(call: &Call<'_>) -> Answer {
    let input: kvs::GetKeyRequest = call.input()?;
    let opened = Opened::load(call, &input.kvs_arn).await?;
    if input.key.len() > limits::KEY_BYTES_MAX {
        return Err(no_key(&input.key));
    }
    let path = opened.key(&input.key);
    let document = call.store().get(&path).await?;
    let document = document.ok_or_else(|| no_key(&input.key))?;
    Ok(Reply::of(&kvs::GetKeyResponse {
        value: decode(&path, &document.value)?,
        key: input.key,
        item_count: count(opened.head.item_count),
        total_size_in_bytes: opened.head.size_bytes as i64,
    }))
}

async fn put(call: &Call<'_>) -> Answer {
    let input: kvs::PutKeyRequest = call.input()?;
    let opened = Opened::load(call, &input.kvs_arn).await?;
    let put = kvs::PutKeyRequestListItem {
        key: input.key,
        value: input.value,
    };
    let head = opened
        .write(call, &input.if_match, vec![put], Vec::new())
        .await?;
    Ok(Reply::of(&kvs::PutKeyResponse {
        item_count: count(head.item_count),
        total_size_in_bytes: head.size_bytes as i64,
        etag: head.etag,
    }))
}

async fn delete(call: &Call<'_>) -> Answer {
    let input: kvs::DeleteKeyRequest = call.input()?;
    let opened = Opened::load(call, &input.kvs_arn).await?;
    let delete = kvs::DeleteKeyRequestListItem { key: input.key };
    let head = opened
        .write(call, &input.if_match, Vec::new(), vec![delete])
        .await?;
    Ok(Reply::of(&kvs::DeleteKeyResponse {
        item_count: count(head.item_count),
        total_size_in_bytes: head.size_bytes as i64,
        etag: head.etag,
    }))
}

async fn update(call: &Call<'_>) -> Answer {
    let input: kvs::UpdateKeysRequest = call.input()?;
    let opened = Opened::load(call, &input.kvs_arn).await?;
    let (puts, deletes) = (
        input.puts.unwrap_or_default(),
        input.deletes.unwrap_or_default(),
    );
    let head = opened.write(call, &input.if_match, puts, deletes).await?;
    Ok(Reply::of(&kvs::UpdateKeysResponse {
        item_count: count(head.item_count),
        total_size_in_bytes: head.size_bytes as i64,
        etag: head.etag,
    }))
}
