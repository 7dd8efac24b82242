//! What lies in the store, as tests look at it and put it there.

use documents::{Resource, encode, keys};
use serde_json::Value;
use store::{Document, Range, Txn};

use crate::world::{World, distribution};

/// Every document but the audit record: what a refused call must not change.
pub async fn documents(world: &World) -> Vec<Document> {
    let mut all: Vec<Document> = Vec::new();
    loop {
        let range = Range {
            after: all.last().map(|document| document.key.clone()),
            ..Range::default()
        };
        let page = world.store.list(range).await.unwrap();
        all.extend(page.documents);
        if !page.has_more {
            all.retain(|document| !document.key.starts_with(keys::AUDIT));
            return all;
        }
    }
}

/// A call that is refused with that status and code, and changes nothing.
pub async fn refused(world: &World, operation: &str, input: Value, error: (u16, &str)) {
    let before = documents(world).await;
    let (status, code) = world.fail(operation, input).await;
    assert_eq!((status, code.as_str()), error, "{operation}");
    assert_eq!(documents(world).await, before, "{operation}");
}

/// A distribution as it lies in the store, with `change` made to its config.
pub async fn distribution_with(world: &World, id: &str, change: impl FnOnce(&mut Value)) {
    let mut config = distribution(id);
    change(&mut config);
    let resource = Resource {
        id: id.to_owned(),
        etag: "E1111111111111".to_owned(),
        version: 1,
        created_ms: 0,
        modified_ms: 0,
        domain: None,
        config,
    };
    let txn = Txn::new()
        .put(keys::resource(keys::DISTRIBUTION, id), encode(&resource))
        .put(keys::guard(keys::DISTRIBUTION), "");
    world.store.commit(txn).await.unwrap();
}

/// The distribution goes.
pub async fn no_distribution(world: &World, id: &str) {
    let txn = Txn::new()
        .delete(keys::resource(keys::DISTRIBUTION, id))
        .put(keys::guard(keys::DISTRIBUTION), "");
    world.store.commit(txn).await.unwrap();
}
