//! The resources that a config names. They must be there when it is stored, and stay as long as it
//! names them: a write depends on them, and their deletions depend on that no distribution was
//! written meanwhile.

use std::collections::{BTreeMap, BTreeSet};

pub use documents::keys::{
    FIELD_LEVEL_ENCRYPTION, KEY_GROUP, ORIGIN_ACCESS_CONTROL, ORIGIN_ACCESS_IDENTITY,
};
use documents::private::named_by;
use documents::{FormError, Resource, keys, managed};
use serde::de::DeserializeOwned;
use shapes::cloudfront::{self as cf, error};
use shapes::schema::ErrorShape;
use store::{Document, Revision};

use super::behavior;
use crate::call::Call;
use crate::change::Change;
use crate::error::Failure;

/// Collection of functions as they are published.
pub const FUNCTION: &str = "function-live";
/// Collection of real-time log configs.
pub const REALTIME_LOG_CONFIG: &str = "realtime-log-config";
/// Collection of VPC origins.
pub const VPC_ORIGIN: &str = "vpc-origin";
/// Collection of trust stores.
pub const TRUST_STORE: &str = "trust-store";
/// Collection of connection functions as they are published.
pub const CONNECTION_FUNCTION: &str = "connection-function-live";
/// Collection of anycast IP lists.
pub const ANYCAST_IP_LIST: &str = "anycast-ip-list";

/// Up to so many resources are compared one by one; a transaction has room for
/// [`store::limits::TXN_OPERATIONS_COMMON`] comparisons, and aliases need most of them. Of more,
/// the collections are compared as a whole.
const COMPARED_MAX: usize = 12;

/// A resource that a config names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Where its kind lies.
    pub collection: &'static str,
    /// Which.
    pub id: String,
    /// Where in the config it is named.
    pub path: String,
}

/// Every resource that a config names, policies that AWS manages included. One that is named twice
/// is there twice.
pub fn of(config: &cf::DistributionConfig) -> Vec<Reference> {
    let mut references = References(Vec::new());
    for (index, origin) in config.origins.items.iter().enumerate() {
        references.of_origin(&format!("Origins.Items[{index}]"), origin);
    }
    for (path, behavior) in behavior::all(config) {
        references.of_behavior(&path, &behavior);
    }
    let anycast = config.anycast_ip_list_id.as_deref();
    references.add(ANYCAST_IP_LIST, anycast, "", "AnycastIpListId");
    let policy = config.continuous_deployment_policy_id.as_deref();
    let member = "ContinuousDeploymentPolicyId";
    references.add(keys::CONTINUOUS_DEPLOYMENT_POLICY, policy, "", member);
    let mtls = config.viewer_mtls_config.as_ref();
    let trust = mtls.and_then(|mtls| mtls.trust_store_config.as_ref());
    let trust = trust.map(|trust| trust.trust_store_id.as_str());
    let member = "ViewerMtlsConfig.TrustStoreConfig.TrustStoreId";
    references.add(TRUST_STORE, trust, "", member);
    let function = config.connection_function_association.as_ref();
    let function = function.map(|function| function.id.as_str());
    references.add(
        CONNECTION_FUNCTION,
        function,
        "",
        "ConnectionFunctionAssociation.Id",
    );
    references.0
}

struct References(Vec<Reference>);

impl References {
    fn add(&mut self, collection: &'static str, id: Option<&str>, at: &str, member: &str) {
        let Some(id) = id.filter(|id| !id.is_empty()) else {
            return;
        };
        let separator = if at.is_empty() { "" } else { "." };
        self.0.push(Reference {
            collection,
            id: id.to_owned(),
            path: format!("{at}{separator}{member}"),
        });
    }

    fn of_origin(&mut self, at: &str, origin: &cf::Origin) {
        let control = origin.origin_access_control_id.as_deref();
        self.add(ORIGIN_ACCESS_CONTROL, control, at, "OriginAccessControlId");
        let s3 = origin.s3_origin_config.as_ref();
        let identity = s3.map(|s3| last_part(&s3.origin_access_identity));
        let member = "S3OriginConfig.OriginAccessIdentity";
        self.add(ORIGIN_ACCESS_IDENTITY, identity, at, member);
        let vpc = origin.vpc_origin_config.as_ref();
        let vpc = vpc.map(|vpc| vpc.vpc_origin_id.as_str());
        self.add(VPC_ORIGIN, vpc, at, "VpcOriginConfig.VpcOriginId");
    }

    fn of_behavior(&mut self, at: &str, behavior: &cf::CacheBehavior) {
        #[rustfmt::skip]
        let members = [
            (keys::CACHE_POLICY, &behavior.cache_policy_id, "CachePolicyId"),
            (keys::ORIGIN_REQUEST_POLICY, &behavior.origin_request_policy_id,
                "OriginRequestPolicyId"),
            (keys::RESPONSE_HEADERS_POLICY, &behavior.response_headers_policy_id,
                "ResponseHeadersPolicyId"),
            (FIELD_LEVEL_ENCRYPTION, &behavior.field_level_encryption_id,
                "FieldLevelEncryptionId"),
        ];
        for (collection, id, member) in members {
            self.add(collection, id.as_deref(), at, member);
        }
        let log = behavior.realtime_log_config_arn.as_deref().map(last_part);
        self.add(REALTIME_LOG_CONFIG, log, at, "RealtimeLogConfigArn");
        let groups = behavior
            .trusted_key_groups
            .iter()
            .flat_map(|list| list.items());
        for (index, group) in groups.enumerate() {
            let member = format!("TrustedKeyGroups.Items[{index}]");
            self.add(KEY_GROUP, Some(group), at, &member);
        }
        let functions = behavior
            .function_associations
            .iter()
            .flat_map(|list| list.items());
        for (index, function) in functions.enumerate() {
            let member = format!("FunctionAssociations.Items[{index}].FunctionARN");
            self.add(
                FUNCTION,
                Some(last_part(&function.function_arn)),
                at,
                &member,
            );
        }
    }
}

/// Whether a config names a resource.
pub fn names(config: &cf::DistributionConfig, collection: &str, id: &str) -> bool {
    let references = of(config);
    references
        .iter()
        .any(|reference| reference.collection == collection && reference.id == id)
}

/// The id at the end of an ARN or a path.
pub fn last_part(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or_default()
}

/// Whether AWS manages that policy, so that it is always there.
pub fn is_managed(collection: &str, id: &str) -> bool {
    match collection {
        keys::CACHE_POLICY => managed::cache().any(|(managed, _)| managed == id),
        keys::ORIGIN_REQUEST_POLICY => managed::origin_request().any(|(managed, _)| managed == id),
        keys::RESPONSE_HEADERS_POLICY => {
            managed::response_headers().any(|(managed, _)| managed == id)
        }
        _ => false,
    }
}

/// The error when a config names what is not there, and what that is called in a sentence.
pub fn missing(collection: &str) -> (&'static ErrorShape, &'static str) {
    match collection {
        keys::CACHE_POLICY => (&error::NO_SUCH_CACHE_POLICY, "cache policy"),
        keys::ORIGIN_REQUEST_POLICY => (
            &error::NO_SUCH_ORIGIN_REQUEST_POLICY,
            "origin request policy",
        ),
        keys::RESPONSE_HEADERS_POLICY => (
            &error::NO_SUCH_RESPONSE_HEADERS_POLICY,
            "response headers policy",
        ),
        keys::CONTINUOUS_DEPLOYMENT_POLICY => (
            &error::NO_SUCH_CONTINUOUS_DEPLOYMENT_POLICY,
            "continuous deployment policy",
        ),
        ORIGIN_ACCESS_CONTROL => (
            &error::INVALID_ORIGIN_ACCESS_CONTROL,
            "origin access control",
        ),
        ORIGIN_ACCESS_IDENTITY => (
            &error::INVALID_ORIGIN_ACCESS_IDENTITY,
            "origin access identity",
        ),
        KEY_GROUP => (&error::TRUSTED_KEY_GROUP_DOES_NOT_EXIST, "key group"),
        FIELD_LEVEL_ENCRYPTION => (
            &error::NO_SUCH_FIELD_LEVEL_ENCRYPTION_CONFIG,
            "field-level encryption config",
        ),
        FUNCTION => (&error::INVALID_FUNCTION_ASSOCIATION, "published function"),
        REALTIME_LOG_CONFIG => (&error::NO_SUCH_REALTIME_LOG_CONFIG, "real-time log config"),
        VPC_ORIGIN => (&error::ENTITY_NOT_FOUND, "VPC origin"),
        TRUST_STORE => (&error::ENTITY_NOT_FOUND, "trust store"),
        CONNECTION_FUNCTION => (&error::ENTITY_NOT_FOUND, "connection function"),
        _ => (&error::ENTITY_NOT_FOUND, "anycast IP list"),
    }
}

/// The resources that a config names, as they are.
pub struct Found {
    documents: BTreeMap<String, Document>,
    /// Collections with the revision of their guards.
    guards: BTreeMap<&'static str, Option<Revision>>,
}

impl Found {
    /// Reads them; refuses a config that names what is not there.
    pub async fn of(call: &Call<'_>, config: &cf::DistributionConfig) -> Result<Found, Failure> {
        let mut references = of(config);
        // These are always there.
        references.retain(|reference| !is_managed(reference.collection, &reference.id));
        let collections: BTreeSet<_> = references.iter().map(|r| r.collection).collect();
        let mut guards = BTreeMap::new();
        let mut documents = BTreeMap::new();
        // Before the resources: what is written in between is noticed.
        let guard_keys: Vec<String> = collections.iter().map(|name| keys::guard(name)).collect();
        let guard_keys: Vec<&str> = guard_keys.iter().map(String::as_str).collect();
        let found = call.store().get_many(&guard_keys).await?;
        for (collection, guard) in collections.into_iter().zip(found) {
            guards.insert(collection, guard.map(|document| document.modified));
        }
        let wanted: BTreeSet<String> = references.iter().map(Reference::key).collect();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        for keys in wanted.chunks(store::limits::GET_KEYS_MAX) {
            let found = call.store().get_many(keys).await?.into_iter().flatten();
            documents.extend(found.map(|document| (document.key.clone(), document)));
        }
        if let Some(lost) = references
            .iter()
            .find(|r| !documents.contains_key(&r.key()))
        {
            return Err(lost.missing());
        }
        Ok(Found { documents, guards })
    }

    /// Adds to a change that they are still there.
    pub fn hold(&self, mut change: Change) -> Change {
        if self.documents.len() <= COMPARED_MAX {
            for key in self.documents.keys() {
                change = change.if_present(key);
            }
            return change;
        }
        for (collection, revision) in &self.guards {
            change = change.if_still(keys::guard(collection), *revision);
        }
        change
    }

    /// One of them.
    pub fn get<C: DeserializeOwned>(
        &self,
        collection: &str,
        id: &str,
    ) -> Result<Option<Resource<C>>, FormError> {
        let key = keys::resource(collection, id);
        let document = self.documents.get(&key);
        document
            .map(|document| Resource::decode(&key, &document.value))
            .transpose()
    }

    /// They, and what they name.
    pub async fn with_what_they_name(&self, call: &Call<'_>) -> Result<Vec<Document>, Failure> {
        let mut all = self.documents.clone();
        let mut next: Vec<Document> = all.values().cloned().collect();
        while !next.is_empty() {
            let mut wanted = BTreeSet::new();
            for document in &next {
                wanted.extend(named_by(&document.key, &document.value)?);
            }
            wanted.retain(|key| !all.contains_key(key));
            let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
            next.clear();
            for keys in wanted.chunks(store::limits::GET_KEYS_MAX) {
                next.extend(call.store().get_many(keys).await?.into_iter().flatten());
            }
            let found = next.iter();
            all.extend(found.map(|document| (document.key.clone(), document.clone())));
        }
        Ok(all.into_values().collect())
    }
}

impl Reference {
    fn key(&self) -> String {
        keys::resource(self.collection, &self.id)
    }

    fn missing(&self) -> Failure {
        let (shape, noun) = missing(self.collection);
        let Reference { path, id, .. } = self;
        Failure::api(
            shape,
            format!("DistributionConfig.{path}: there is no {noun} '{id}'."),
        )
    }
}
