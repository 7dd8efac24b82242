//! Keys: where documents lie.
//!
//! ```text
//! route53/…                                Route 53's, and name servers': [`crate::route53`]
//! cloudfront/tls/…                         what edges speak TLS with: [`crate::tls`]
//! acm/…                                    ACM's: [`crate::acm`]
//! cloudfront/distribution/E123             Resource<DistributionConfig>
//! cloudfront/cache-policy/<uuid>           Resource<CachePolicyConfig>, and so on by collection
//! cloudfront/invalidation/E123/I456        Resource<InvalidationBatch>
//! cloudfront/distribution-tenant/dt_1      Resource<Tenant>
//! cloudfront/connection-group/cg_1         Resource<ConnectionGroup>
//! cloudfront/function/<name>               Resource<CreateFunctionRequest>, code and all
//! cloudfront/function-live/<name>          the same, as it was published: what edges run
//! cloudfront/bucket/<name>                 where a bucket is kept: [`crate::bucket::Bucket`]
//! cloudfront/key-value-store/<uuid>        Resource<CreateKeyValueStoreRequest>
//! cloudfront/key-values/<uuid>             count and size of all keys of the store
//! cloudfront/key-values/<uuid>/<key>       the value of a key, as JSON text; the key is any text
//! invalidations/E123/0000000007            the seventh invalidation of E123, for the API alone
//! claims/<kind>/<what>                     the id of the one that has it: an alias, a name
//! guards/<collection>                      put with every write to the collection
//! history/<key>/0000000007                 a past version of what lies under the key
//! tags/<arn>                               tags
//! access/key/AKIA…                         access keys
//! audit/<time>-<event id>                  who changed what
//! nodes/<id>                               Node, bound to its lease
//! ```
//!
//! Edges watch everything below [`CLOUDFRONT`] and nothing else.

/// All that edges read.
pub const CLOUDFRONT: &str = "cloudfront/";
/// The nodes that live.
pub const NODES: &str = "nodes/";
/// Who changed what, by time.
pub const AUDIT: &str = "audit/";
/// Access keys.
pub const ACCESS_KEYS: &str = "access/key/";
/// Past versions.
pub const HISTORY: &str = "history/";

/// Collection of distributions.
pub const DISTRIBUTION: &str = "distribution";
/// Collection of cache policies.
pub const CACHE_POLICY: &str = "cache-policy";
/// Collection of origin request policies.
pub const ORIGIN_REQUEST_POLICY: &str = "origin-request-policy";
/// Collection of response headers policies.
pub const RESPONSE_HEADERS_POLICY: &str = "response-headers-policy";
/// Collection of continuous deployment policies.
pub const CONTINUOUS_DEPLOYMENT_POLICY: &str = "continuous-deployment-policy";
/// Collection of invalidations, by distribution.
pub const INVALIDATION: &str = "invalidation";
/// Collection of distribution tenants.
pub const DISTRIBUTION_TENANT: &str = "distribution-tenant";
/// Collection of connection groups.
pub const CONNECTION_GROUP: &str = "connection-group";
/// Collection of functions as they are worked on.
pub const FUNCTION: &str = "function";
/// Collection of functions as they are published.
pub const FUNCTION_LIVE: &str = "function-live";
/// Collection of connection functions as they are worked on.
pub const CONNECTION_FUNCTION: &str = "connection-function";
/// Collection of connection functions as they are published.
pub const CONNECTION_FUNCTION_LIVE: &str = "connection-function-live";
/// Collection of public keys.
pub const PUBLIC_KEY: &str = "public-key";
/// Collection of key groups.
pub const KEY_GROUP: &str = "key-group";
/// Collection of origin access controls.
pub const ORIGIN_ACCESS_CONTROL: &str = "origin-access-control";
/// Collection of origin access identities.
pub const ORIGIN_ACCESS_IDENTITY: &str = "origin-access-identity";
/// Collection of field-level encryption configs.
pub const FIELD_LEVEL_ENCRYPTION: &str = "field-level-encryption";
/// Collection of field-level encryption profiles.
pub const FIELD_LEVEL_ENCRYPTION_PROFILE: &str = "field-level-encryption-profile";
/// Collection of buckets that this installation keeps, by name: [`crate::bucket::Bucket`].
pub const BUCKET: &str = "bucket";
/// Collection of key value stores.
pub const KEY_VALUE_STORE: &str = "key-value-store";
/// Collection of the keys of these stores, by store. The id of one is `<uuid>/<key>`.
pub const KEY_VALUES: &str = "key-values";

/// Key of a member of a CloudFront collection. The id of an invalidation is `E123/I456`.
pub fn resource(collection: &str, id: &str) -> String {
    format!("{CLOUDFRONT}{collection}/{id}")
}

/// Prefix of a CloudFront collection.
pub fn collection(collection: &str) -> String {
    format!("{CLOUDFRONT}{collection}/")
}

/// Collection and id of a key below [`CLOUDFRONT`].
pub fn parse(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix(CLOUDFRONT)?.split_once('/')
}

/// Key of the claim on something that only one may have. What is claimed may be of any form.
pub fn claim(kind: &str, what: &str) -> String {
    format!("claims/{kind}/{what}")
}

/// Key that every write to a collection puts.
pub fn guard(collection: &str) -> String {
    format!("guards/{collection}")
}

/// Key of a version, counted from 1, of what lies under a key.
pub fn history(key: &str, version: u64) -> String {
    format!("{HISTORY}{key}/{version:010}")
}

/// Prefix of all versions of what lies under a key.
pub fn versions(key: &str) -> String {
    format!("{HISTORY}{key}/")
}

/// Key of what says which is the n-th invalidation of a distribution or tenant, from 1.
pub fn invalidation_entry(owner: &str, number: u64) -> String {
    format!("{}{number:010}", invalidation_entries(owner))
}

/// Prefix of these keys.
pub fn invalidation_entries(owner: &str) -> String {
    format!("invalidations/{owner}/")
}

/// Key of the tags of a resource.
pub fn tags(arn: &str) -> String {
    format!("tags/{arn}")
}

/// Key of an access key.
pub fn access_key(id: &str) -> String {
    format!("{ACCESS_KEYS}{id}")
}

/// Key of a node.
pub fn node(id: &str) -> String {
    format!("{NODES}{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_key_says_its_collection_and_id() {
        let key = resource(INVALIDATION, "E1/I2");
        assert_eq!(key, "cloudfront/invalidation/E1/I2");
        assert_eq!(parse(&key), Some(("invalidation", "E1/I2")));
        assert_eq!(parse("nodes/n1"), None);
    }

    #[test]
    fn versions_sort_by_number() {
        let key = resource(DISTRIBUTION, "E1");
        assert!(history(&key, 9) < history(&key, 10));
        assert!(history(&key, 10).starts_with(&versions(&key)));
    }
}
