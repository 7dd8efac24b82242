//! Trust stores (spec §14.5): who may sign the certificates of viewers.
//!
//! The certificates come from an object in a bucket ([`bundle`]). They are read once, when a trust
//! store is made or updated, and what edges need of them is put beside it
//! ([`documents::tls::TrustBundle`]) in the same transaction.

mod bundle;

use documents::tls::{self, TrustBundle};
use documents::{Resource, encode, keys};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shapes::Timestamp;
use shapes::cloudfront::{self as cf, error};

use super::connection_group;
use super::family::{check_name, invalid};
use super::{inputs, tags};
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;
use crate::ids::IdForm;
use crate::limits;
use crate::resource::{self, Kind, Stored};
use crate::service::{Entry, served, stored};

const NAME_CLAIM: &str = "name/trust-store";

const KIND: Kind = Kind {
    noun: "trust store",
    collection: "trust-store",
    id: IdForm::Prefixed("ts_"),
    cfn_type: "AWS::CloudFront::TrustStore",
    missing: &error::ENTITY_NOT_FOUND,
};

const NOTE: &str =
    "UseClientCertificateOCSPEndpoint: no responder is asked of viewers' certificates";

pub(super) const OPERATIONS: &[Entry] = &[
    stored("CreateTrustStore", NOTE, |call| Box::pin(create(call))),
    served("GetTrustStore", |call| Box::pin(get(call))),
    stored("UpdateTrustStore", NOTE, |call| Box::pin(update(call))),
    served("DeleteTrustStore", |call| Box::pin(delete(call))),
    served("ListTrustStores", |call| Box::pin(list(call))),
];

/// What is kept of a trust store besides its bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct TrustStore {
    name: String,
    /// Where its bundle was read.
    source: cf::CaCertificatesBundleSource,
    /// How many certificates it has.
    certificates: usize,
    /// As `UseClientCertificateOCSPEndpoint` says.
    asks_ocsp: bool,
}

fn arn(call: &Call<'_>, id: &str) -> String {
    call.control.arn(&format!("trust-store/{id}"))
}

fn bundle_key(id: &str) -> String {
    tls::key(tls::TRUST_STORE, id)
}

fn output(call: &Call<'_>, store: &Resource<TrustStore>) -> cf::TrustStore {
    let config = &store.config;
    cf::TrustStore {
        id: Some(store.id.clone()),
        arn: Some(arn(call, &store.id)),
        name: Some(config.name.clone()),
        status: Some(cf::TrustStoreStatus::Active),
        number_of_ca_certificates: Some(count(config)),
        last_modified_time: Some(Timestamp::from_unix_ms(store.modified_ms as i64)),
        reason: None,
        use_client_certificate_ocsp_endpoint: Some(config.asks_ocsp),
    }
}

fn count(config: &TrustStore) -> i32 {
    i32::try_from(config.certificates).unwrap_or(i32::MAX)
}

async fn create(call: &Call<'_>) -> Answer {
    let input: cf::CreateTrustStoreRequest = call.input()?;
    inputs::check_bounds(call)?;
    check_name("Name", &input.name, "-_")?;
    if let Some(id) = call.claimed(NAME_CLAIM, &input.name).await? {
        let message = format!("The trust store {id} is named '{}' already.", input.name);
        return Err(Failure::api(&error::ENTITY_ALREADY_EXISTS, message));
    }
    let guard = call.guard(KIND.collection).await?;
    let collection = keys::collection(KIND.collection);
    let number = call.list_all(&collection).await?.len();
    if number >= limits::TRUST_STORES_MAX {
        let message = format!("There are {number} trust stores already; no more may be.");
        return Err(Failure::api(&error::ENTITY_LIMIT_EXCEEDED, message));
    }
    let source = input.ca_certificates_bundle_source;
    let bundle = bundle::read(call, &source).await?;
    let store = KIND.first_version(
        call,
        TrustStore {
            name: input.name,
            source,
            certificates: bundle.certificates,
            asks_ocsp: input.use_client_certificate_ocsp_endpoint == Some(true),
        },
    );
    let change = KIND
        .creation(call, &store)
        .if_still(keys::guard(KIND.collection), guard)
        .claim(NAME_CLAIM, &store.config.name, &store.id)
        .put(bundle_key(&store.id), document(bundle.pem, &store));
    let change = tags::attach(change, &arn(call, &store.id), input.tags.as_ref())?;
    call.commit(change).await?;
    Ok(Reply::of(&cf::CreateTrustStoreResult {
        trust_store: Some(output(call, &store)),
        etag: Some(store.etag),
    }))
}

/// What edges read of it.
fn document(pem: String, store: &Resource<TrustStore>) -> bytes::Bytes {
    let version = store.version;
    encode(&TrustBundle { pem, version })
}

async fn get(call: &Call<'_>) -> Answer {
    let input: cf::GetTrustStoreRequest = call.input()?;
    let identifier = &input.identifier;
    let stored: Stored<TrustStore> =
        connection_group::find(call, &KIND, NAME_CLAIM, identifier).await?;
    Ok(Reply::of(&cf::GetTrustStoreResult {
        trust_store: Some(output(call, &stored.resource)),
        etag: Some(stored.resource.etag),
    }))
}

/// The bundle is read again where it is said to be. What the input leaves out stays as it is.
async fn update(call: &Call<'_>) -> Answer {
    let input: cf::UpdateTrustStoreRequest = call.input()?;
    inputs::check_bounds(call)?;
    let stored: Stored<TrustStore> = KIND.load(call, &input.id).await?;
    stored.check_if_match(Some(&input.if_match))?;
    let mut config = stored.resource.config.clone();
    if let Some(asks_ocsp) = input.use_client_certificate_ocsp_endpoint {
        config.asks_ocsp = asks_ocsp;
    }
    let mut pem = None;
    if let Some(source) = input.ca_certificates_bundle_source {
        let bundle = bundle::read(call, &source).await?;
        config.certificates = bundle.certificates;
        config.source = source;
        pem = Some(bundle.pem);
    }
    let next = stored.next_version(call, config);
    let mut change = stored.change(&KIND).save(call, &stored.key, &next);
    if let Some(pem) = pem {
        change = change.put(bundle_key(&next.id), document(pem, &next));
    }
    call.commit(change).await?;
    Ok(Reply::of(&cf::UpdateTrustStoreResult {
        trust_store: Some(output(call, &next)),
        etag: Some(next.etag),
    }))
}

async fn delete(call: &Call<'_>) -> Answer {
    let input: cf::DeleteTrustStoreRequest = call.input()?;
    let stored: Stored<TrustStore> = KIND.load(call, &input.id).await?;
    stored.check_if_match(Some(&input.if_match))?;
    let store = &stored.resource;
    let guard = call.guard(keys::DISTRIBUTION).await?;
    let distributions = keys::collection(keys::DISTRIBUTION);
    for document in call.list_all(&distributions).await? {
        let user = Resource::<Value>::decode(&document.key, &document.value)?;
        let named = "/ViewerMtlsConfig/TrustStoreConfig/TrustStoreId";
        if user.config.pointer(named).and_then(Value::as_str) == Some(&*store.id) {
            let message = format!(
                "The trust store {} is used by the distribution {}.",
                store.id, user.id
            );
            let shape = &error::CANNOT_DELETE_ENTITY_WHILE_IN_USE;
            return Err(Failure::api(shape, message));
        }
    }
    let change = stored
        .change(&KIND)
        .if_still(keys::guard(keys::DISTRIBUTION), guard)
        .release(NAME_CLAIM, &store.config.name)
        .delete(bundle_key(&store.id))
        .remove(call, &stored.key, store.version);
    call.commit(tags::forget(change, &arn(call, &store.id)))
        .await?;
    Ok(Reply::empty())
}

async fn list(call: &Call<'_>) -> Answer {
    let input: cf::ListTrustStoresRequest = call.input()?;
    let all = KIND.load_all::<TrustStore>(call).await?;
    let max_items = input.max_items.map(|number| number.to_string());
    let (marker, max_items) = (input.marker.as_deref(), max_items.as_deref());
    let page = resource::page(all, |stored| &stored.resource.id, marker, max_items)?;
    let summaries = page.items.iter().map(|Stored { resource, .. }| {
        let config = &resource.config;
        cf::TrustStoreSummary {
            id: resource.id.clone(),
            arn: arn(call, &resource.id),
            name: config.name.clone(),
            status: cf::TrustStoreStatus::Active,
            number_of_ca_certificates: count(config),
            last_modified_time: Timestamp::from_unix_ms(resource.modified_ms as i64),
            reason: None,
            etag: resource.etag.clone(),
        }
    });
    Ok(Reply::of(&cf::ListTrustStoresResult {
        trust_store_list: Some(summaries.collect()),
        next_marker: page.next_marker,
    }))
}

/// A bundle that cannot be taken, and why.
fn refused(message: impl AsRef<str>) -> Failure {
    invalid("CaCertificatesBundleSource", message)
}
