//! The bounds of this crate.

/// Longest request body. The largest that a client has reason to send is an update of 50 keys of a
/// key value store, 3 MB.
pub const BODY_BYTES_MAX: usize = 4 << 20;

/// A call whose transaction meets another's is run so often beside others,
pub const CONFLICT_ATTEMPTS_AT_ONCE: usize = 3;

/// and then, when it is its turn among such calls, so often.
pub const CONFLICT_ATTEMPTS_MAX: usize = 50;

/// Past versions that are kept of a resource.
pub const VERSIONS_KEPT: u64 = 100;

/// Members of a page where the client does not say, and the most that it may ask for.
pub const PAGE_ITEMS_MAX: usize = 100;

/// Resources of one collection that a call reads at most.
pub const COLLECTION_ITEMS_MAX: usize = 100_000;

/// Audit records are kept so long, as CloudTrail does.
pub const AUDIT_DAYS: u64 = 90;

/// Paths without a wildcard, tags included, of one invalidation, and of all that are in progress
/// for one distribution or tenant (spec §8.4).
pub const INVALIDATION_PATHS_MAX: u64 = 3_000;

/// Paths with a wildcard that are in progress for one distribution or tenant (spec §8.4).
pub const INVALIDATION_WILDCARDS_MAX: u64 = 15;

/// Longest path of an invalidation.
pub const INVALIDATION_PATH_CHARS_MAX: usize = 4_000;

/// Longest cache tag (spec §8.5).
pub const CACHE_TAG_CHARS_MAX: usize = 256;

/// Largest invalidation as JSON, so that it is one document.
pub const INVALIDATION_BYTES_MAX: usize = 900_000;

/// Longest caller reference of an invalidation, which is part of a key.
pub const CALLER_REFERENCE_BYTES_MAX: usize = 512;

/// Past invalidations that are kept of a distribution or tenant.
pub const INVALIDATIONS_KEPT: u64 = 10_000;

// What is in progress is kept.
const _: () = assert!(INVALIDATION_PATHS_MAX + INVALIDATION_WILDCARDS_MAX < INVALIDATIONS_KEPT);
const _: () = assert!(INVALIDATION_BYTES_MAX + 10_000 < store::limits::VALUE_BYTES_MAX);

/// Connection groups (spec §1.4).
pub const CONNECTION_GROUPS_MAX: usize = 100;

/// Distribution tenants (spec §1.4).
pub const TENANTS_MAX: usize = 10_000;

/// Domains of a tenant (spec §1.4), and those that one change of it may give up and take, since
/// each is a write of one transaction.
pub const TENANT_DOMAINS_MAX: usize = 100;

const _: () = assert!(TENANT_DOMAINS_MAX + 15 <= store::limits::TXN_OPERATIONS_COMMON);

/// Longest policy of a resource that is shared.
pub const POLICY_BYTES_MAX: usize = 10_240;

/// Access keys of an installation.
pub const ACCESS_KEYS_MAX: usize = 1_000;

/// Parameters of a call that are longer are left out of its audit record, as CloudTrail does.
pub const AUDIT_PARAMETERS_BYTES_MAX: usize = 100_000;

/// Characters of a client's own words (its `User-Agent`) in an audit record.
pub const AUDIT_TEXT_CHARS_MAX: usize = 1_024;

/// Every so many records, old ones are removed.
pub const AUDIT_SWEEP_EVERY: u64 = 64;

/// And so many of them at most.
pub const AUDIT_SWEEP_RECORDS: usize = 100;

/// Records that one look at the audit record reads at most; the next page goes on from there.
pub const AUDIT_LOOKUP_RECORDS_MAX: usize = 10_000;

/// Longest body, or query, of a call in the query protocol.
pub const QUERY_BYTES_MAX: usize = 65_536;

/// Most parameters of a call in the query protocol.
pub const QUERY_PARAMETERS_MAX: usize = 1_000;

const _: () = assert!(AUDIT_SWEEP_RECORDS as u64 > AUDIT_SWEEP_EVERY);
const _: () = assert!(AUDIT_SWEEP_RECORDS <= store::limits::TXN_OPERATIONS_COMMON);
const _: () = assert!(4 * AUDIT_PARAMETERS_BYTES_MAX < store::limits::VALUE_BYTES_MAX);
const _: () = assert!(BODY_BYTES_MAX > 3_000_000);

/// Longest code of a function (spec §1.4).
pub const FUNCTION_CODE_BYTES_MAX: usize = 10 << 10;

/// Longest code of a connection function: the model's bound.
pub const CONNECTION_FUNCTION_CODE_BYTES_MAX: usize = 40 << 10;

/// Longest key of a key value store (spec §1.4).
pub const KEY_BYTES_MAX: usize = 512;

/// Longest value of a key value store.
pub const VALUE_BYTES_MAX: usize = 1 << 10;

/// Keys and values of a key value store.
pub const KEY_VALUE_STORE_BYTES_MAX: usize = 5 << 20;

/// Keys that are written at once. With their values they are far below AWS's other bound, 3 MB.
pub const KEYS_WRITTEN_MAX: usize = 50;

/// Keys on a page where the client does not say.
pub const KEYS_LISTED: usize = 10;

/// Keys that a client may ask for at once.
pub const KEYS_LISTED_MAX: usize = 50;

/// Keys of a deleted store that go at once.
pub const KEYS_SWEPT_AT_ONCE: usize = 100;

/// And so often, before a deletion is answered. The rest goes with the next one.
pub const KEYS_SWEPT_BATCHES_MAX: usize = 1_000;

const _: () = assert!(KEY_BYTES_MAX + 100 < store::limits::KEY_BYTES_MAX);
const _: () = assert!(KEYS_WRITTEN_MAX + 10 < store::limits::TXN_OPERATIONS_COMMON);
const _: () = assert!(KEYS_SWEPT_AT_ONCE < store::limits::TXN_OPERATIONS_COMMON);

/// Certificates of a region. AWS's quota is 2,500, until one asks for more; lists read them all.
pub const CERTIFICATES_MAX: usize = 10_000;

/// A certificate with its chain in PEM form, so that it is one document.
pub const CHAIN_BYTES_MAX: usize = 500_000;

/// Largest file of a bundle of certificates that is read: what of it are certificates must fit one
/// document too.
pub const BUNDLE_BYTES_MAX: u64 = 2 << 20;

/// Trust stores. Our own bound.
pub const TRUST_STORES_MAX: usize = 1_000;

/// Idempotency tokens of requests for certificates that are forgotten at once.
pub const TOKENS_SWEPT_AT_ONCE: usize = 50;

/// How long a certificate waits for its names to be validated: 72 hours, as ACM does.
pub const VALIDATION_MS: u64 = 72 * 3_600_000;

/// Names that are looked for in hosted zones at once, each second; the others come to their turn.
pub const VALIDATIONS_AT_ONCE: usize = 240;

/// Certificates whose names are looked up outside at a time.
pub const LOOKUPS_AT_ONCE: usize = 16;

/// CNAME records that are followed from the name that validates another.
pub const CNAME_CHAIN_MAX: usize = 5;

/// How long looking one name up may take.
pub const LOOKUP_MS_MAX: u64 = 10_000;

/// Names are looked up again after this long, and twice as long after each further time,
pub const LOOKUP_AGAIN_MS: u64 = 5_000;

/// but after this long at the latest.
pub const LOOKUP_AGAIN_MS_MAX: u64 = 60_000;

/// Certificates that one node issues, orders or asks about at a time.
pub const CERTIFICATES_AT_ONCE: usize = 6;

/// Orders of all nodes at a time,
pub const ORDERS_AT_ONCE: usize = 4;

/// and that are started in a minute.
pub const ORDERS_PER_MINUTE_MAX: u32 = 10;

/// While the ACME server is away, an order is tried after this long, and twice as long after each
/// further failure,
pub const ORDER_PAUSE_MS_MIN: u64 = 15_000;

/// but after this long at the latest.
pub const ORDER_PAUSE_MS_MAX: u64 = 900_000;

/// How long an order may take.
pub const ORDER_SECS_MAX: u64 = 300;

/// Proofs that were left behind go after this long.
pub const CHALLENGE_MS: u64 = 1_800_000;

/// How long a proof waits for all nodes to show it, before the ACME server is told all the same.
pub const CHALLENGE_SHOWN_MS_MAX: u64 = 10_000;

/// Longest token of a proof; it is part of a key.
pub const CHALLENGE_TOKEN_BYTES_MAX: usize = 256;

/// Values of a batch that lost against others are put together anew so often.
pub const CHALLENGE_ATTEMPTS_MAX: usize = 10;

/// Lease of what a node works on.
pub const WORK_LEASE_SECS: u32 = 15;

/// Asking a responder may take so long.
pub const OCSP_MS_MAX: u64 = 10_000;

/// A responder that gave no good answer is asked again after this long.
pub const OCSP_AGAIN_MS: u64 = 3_600_000;

/// An ACME server is asked so often at most when a certificate is to be renewed.
pub const WINDOW_AGAIN_MS_MIN: u64 = 6 * 3_600_000;

/// A certificate is renewed for its authority's wish alone after this long at the earliest.
pub const RENEWED_AGAIN_MS_MIN: u64 = 6 * 3_600_000;

/// Characters that are kept of what a failure said.
pub const ERROR_CHARS_MAX: usize = 2_000;

/// Who is served with which certificate is looked at this often.
pub const USES_AGAIN_MS: u64 = 60_000;

const _: () = assert!(VALIDATIONS_AT_ONCE.is_multiple_of(store::limits::GET_KEYS_MAX));
const _: () = assert!(ORDER_SECS_MAX * 1_000 < CHALLENGE_MS);
const _: () = assert!(2 * CHAIN_BYTES_MAX <= store::limits::VALUE_BYTES_MAX);
const _: () = assert!(TOKENS_SWEPT_AT_ONCE + 10 < store::limits::TXN_OPERATIONS_COMMON);

/// Hosted zones. AWS's quota is 500, until one asks for more; lists read them all.
pub const HOSTED_ZONES_MAX: usize = 10_000;

/// Record sets of a zone. AWS's quota is 10,000, until one asks for more.
pub const RECORD_SETS_PER_ZONE_MAX: u64 = 2_000_000;

/// Values of a record set (spec §3).
pub const VALUES_PER_RECORD_SET_MAX: usize = 400;

/// Record sets of one name and type (spec §3).
pub const RECORD_SETS_PER_GROUP_MAX: usize = 100;

/// And of one name and type by geoproximity (spec §3).
pub const GEOPROXIMITY_PER_GROUP_MAX: usize = 30;

/// Records of a batch; an UPSERT's count twice (spec §8.2).
pub const BATCH_RECORDS_MAX: usize = 1_000;

/// Characters of the values of a batch; an UPSERT's count twice (spec §8.2).
pub const BATCH_CHARS_MAX: usize = 32_000;

/// Longest chain of aliases within a zone (spec §11).
pub const ALIAS_DEPTH_MAX: usize = 10;

/// Lists of names that a batch reads at once.
pub const BATCH_READS_AT_ONCE: usize = 16;

/// Networks of a private zone (spec §3).
pub const VPCS_PER_ZONE_MAX: usize = 300;

/// Networks that others may associate with a zone (spec §3).
pub const VPC_AUTHORIZATIONS_PER_ZONE_MAX: usize = 1_000;

/// Reusable delegation sets (spec §3).
pub const DELEGATION_SETS_MAX: usize = 100;

/// Zones of a reusable delegation set (spec §3).
pub const ZONES_PER_DELEGATION_SET_MAX: usize = 100;

/// Traffic policies, whatever their versions. AWS's quota is 50, until one asks for more.
pub const TRAFFIC_POLICIES_MAX: usize = 1_000;

/// Traffic policies in use. AWS's quota is 5, until one asks for more.
pub const TRAFFIC_POLICY_INSTANCES_MAX: usize = 1_000;

/// Longest id of Route 53's resources: the model's bound.
pub const ROUTE53_ID_BYTES_MAX: usize = 64;

/// Changes are kept so long (spec §8.1).
pub const CHANGES_KEPT_DAYS: u64 = 30;

/// About every so many revisions of the store, old ones are removed.
pub const CHANGES_SWEEP_EVERY: u64 = 64;

/// And so many of them at most.
pub const CHANGES_SWEPT_AT_ONCE: usize = 120;

const _: () = assert!(CHANGES_SWEPT_AT_ONCE <= store::limits::TXN_OPERATIONS_COMMON);
const _: () = assert!(CHANGES_SWEPT_AT_ONCE as u64 > CHANGES_SWEEP_EVERY);
// An alias has no records, and counts as one: changes are as few as records, and each writes one
// document and may need a health check to be there; with the zone's and the batch's own.
const _: () = assert!(BATCH_RECORDS_MAX + 50 < store::limits::TXN_OPERATIONS_MAX);
