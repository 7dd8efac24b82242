//! What callers give and get: buckets, objects, uploads and pages of them.
//!
//! ETags are without their quotation marks. Times are in milliseconds since 1970.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::checksum::{Algorithm, Checksum, ChecksumKind};

/// Keys and values of tags, in the caller's order.
pub type Tags = Vec<(String, String)>;

/// The version id of objects that were put while versioning was not enabled.
pub const NULL_VERSION: &str = "null";

/// Whether a bucket keeps what is replaced and deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versioning {
    /// No, and it never did. A bucket cannot come back to this.
    #[default]
    Unversioned,
    /// Yes.
    Enabled,
    /// Not any more; the versions from before are there.
    Suspended,
}

/// What a bucket can be configured with. The text is the caller's; nothing here reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Configuration {
    /// The bucket's policy.
    Policy,
    /// The block of public access.
    PublicAccessBlock,
    /// Cross-origin rules.
    Cors,
    /// The website.
    Website,
    /// The bucket's tags.
    Tags,
    /// Who owns objects that others put.
    Ownership,
    /// Encryption at rest.
    Encryption,
    /// The access control list.
    Acl,
    /// Rules of expiry.
    Lifecycle,
}

impl Configuration {
    /// All of them.
    pub const ALL: [Configuration; 9] = [
        Configuration::Policy,
        Configuration::PublicAccessBlock,
        Configuration::Cors,
        Configuration::Website,
        Configuration::Tags,
        Configuration::Ownership,
        Configuration::Encryption,
        Configuration::Acl,
        Configuration::Lifecycle,
    ];

    /// Its name in the index, which never changes.
    pub fn as_str(self) -> &'static str {
        match self {
            Configuration::Policy => "policy",
            Configuration::PublicAccessBlock => "public-access-block",
            Configuration::Cors => "cors",
            Configuration::Website => "website",
            Configuration::Tags => "tags",
            Configuration::Ownership => "ownership",
            Configuration::Encryption => "encryption",
            Configuration::Acl => "acl",
            Configuration::Lifecycle => "lifecycle",
        }
    }
}

/// A bucket as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// The region that its maker named.
    pub region: String,
    /// The access key id or account of its maker, as the caller gave it.
    pub owner: String,
    /// When it was made.
    pub created_ms: i64,
    /// Whether it keeps versions.
    pub versioning: Versioning,
    /// What it is configured with.
    pub configurations: BTreeMap<Configuration, String>,
}

/// What a bucket, or the disk, holds. All versions count; delete markers and uploads do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Versions of objects.
    pub objects: u64,
    /// Their bytes; those that copies share count for each.
    pub bytes: u64,
}

/// What is kept with an object and given back with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attributes {
    /// `Content-Type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `Cache-Control`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// `Content-Encoding`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// `Content-Disposition`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    /// `Content-Language`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    /// `Expires`, as it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// `x-amz-website-redirect-location`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website_redirect: Option<String>,
    /// `x-amz-meta-`: names in lower case without the prefix, and values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// What is known of one version of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its key.
    pub key: String,
    /// `None` if the bucket never had versioning; else its version, perhaps [`NULL_VERSION`].
    pub version_id: Option<String>,
    /// Grows with every version that is made on this disk; no two have the same.
    pub sequence: i64,
    /// Its length.
    pub size_bytes: u64,
    /// MD5 in lower-case hex, with `-` and the number of parts if it was made of parts.
    pub etag: String,
    /// When it was put.
    pub modified_ms: i64,
    /// What is kept with it.
    pub attributes: Attributes,
    /// Its tags.
    pub tags: Tags,
    /// Its checksum.
    pub checksum: Checksum,
    /// Of how many parts it was made, if by an upload of parts.
    pub parts_count: Option<u32>,
}

/// What an object has to be for it to be replaced or deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Anything.
    #[default]
    None,
    /// `If-None-Match: *`: absent, or deleted by a marker.
    IsAbsent,
    /// `If-Match`: present and of this ETag.
    Matches(String),
}

/// An object that shall be put.
#[derive(Clone, Debug, Default)]
pub struct PutRequest {
    /// Where.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// What is kept with it.
    pub attributes: Attributes,
    /// Its tags.
    pub tags: Tags,
    /// What has to be there.
    pub condition: Condition,
}

/// An object that was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// See [`ObjectInfo::version_id`].
    pub version_id: Option<String>,
    /// See [`ObjectInfo::etag`].
    pub etag: String,
    /// Its length.
    pub size_bytes: u64,
    /// Its checksum.
    pub checksum: Checksum,
    /// When it was put.
    pub modified_ms: i64,
}

/// An object that shall be made of another one.
#[derive(Clone, Debug, Default)]
pub struct CopyRequest {
    /// The source's bucket.
    pub source_bucket: String,
    /// The source's key.
    pub source_key: String,
    /// The source's version; `None` for the newest.
    pub source_version: Option<String>,
    /// [`ObjectInfo::sequence`] of the source as the caller judged it: another one is refused with
    /// [`PreconditionFailed`](super::DiskError::PreconditionFailed).
    pub source_sequence: Option<i64>,
    /// Where to.
    pub bucket: String,
    /// The key there.
    pub key: String,
    /// What is kept with it; `None` for what is kept with the source.
    pub attributes: Option<Attributes>,
    /// Its tags; `None` for the source's.
    pub tags: Option<Tags>,
    /// What has to be there.
    pub condition: Condition,
}

/// What shall be deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteTarget {
    /// Its key.
    pub key: String,
    /// The version that goes for good; `None` for the object as S3's versioning says.
    pub version_id: Option<String>,
    /// What has to be there.
    pub condition: Condition,
}

/// What was deleted. What is not there counts as deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The marker that was made, or the version that was named.
    pub version_id: Option<String>,
    /// Whether that is a delete marker: one that was made, or one that is gone.
    pub is_delete_marker: bool,
}

/// Which keys a list shall give.
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    /// What they begin with.
    pub prefix: String,
    /// Keys that agree up to and with its first place after the prefix are given as one. Not
    /// empty.
    pub delimiter: Option<String>,
    /// Only what comes after this key, or after this common prefix and all that is in it.
    pub after: Option<String>,
    /// Most entries; [`PAGE_ENTRIES_MAX`](crate::limits::PAGE_ENTRIES_MAX) is never passed.
    pub max_entries: usize,
}

/// A page of objects and common prefixes, each in the order of their UTF-8 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The newest versions.
    pub objects: Vec<Entry>,
    /// Each ends with the delimiter.
    pub common_prefixes: Vec<String>,
    /// What the next page is after, if there is one: the last key or common prefix of this one.
    pub next: Option<String>,
}

/// An object in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Its length.
    pub size_bytes: u64,
    /// See [`ObjectInfo::etag`].
    pub etag: String,
    /// When it was put.
    pub modified_ms: i64,
    /// The algorithm of its checksum.
    pub algorithm: Algorithm,
    /// What its checksum is of.
    pub checksum_kind: ChecksumKind,
}

/// Which versions a list shall give.
#[derive(Clone, Debug, Default)]
pub struct VersionsRequest {
    /// What their keys begin with.
    pub prefix: String,
    /// As [`ListRequest::delimiter`].
    pub delimiter: Option<String>,
    /// Only what comes after this key, or, with a version, after that version of this key.
    pub after_key: Option<String>,
    /// The version that the page before ended with. Needs `after_key`.
    pub after_version: Option<String>,
    /// Most entries; [`PAGE_ENTRIES_MAX`](crate::limits::PAGE_ENTRIES_MAX) is never passed.
    pub max_entries: usize,
}

/// A page of versions: by key, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// Versions and delete markers.
    pub versions: Vec<VersionEntry>,
    /// Each ends with the delimiter.
    pub common_prefixes: Vec<String>,
    /// Where the next page begins, if there is one: the last key or common prefix, and the version
    /// if it is a key.
    pub next: Option<(String, Option<String>)>,
}

/// A version in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionEntry {
    /// Its version, perhaps [`NULL_VERSION`].
    pub version_id: String,
    /// Whether it is its key's newest.
    pub is_latest: bool,
    /// Its key.
    pub key: String,
    /// When it was made.
    pub modified_ms: i64,
    /// What it is; `None` if it is a delete marker.
    pub object: Option<Entry>,
}

/// An upload of parts that shall begin.
#[derive(Clone, Debug, Default)]
pub struct UploadRequest {
    /// Where.
    pub bucket: String,
    /// The key that the object will have.
    pub key: String,
    /// What is kept with it.
    pub attributes: Attributes,
    /// Its tags.
    pub tags: Tags,
    /// The checksum of its parts and of itself.
    pub algorithm: Algorithm,
    /// What the object's checksum is of; `None` for what S3 does by itself with the algorithm.
    pub checksum_kind: Option<ChecksumKind>,
    /// Who begins it, as the caller names them.
    pub owner: String,
}

/// An upload that is neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its id.
    pub id: String,
    /// The key that the object will have.
    pub key: String,
    /// When it began.
    pub started_ms: i64,
    /// Who began it.
    pub owner: String,
    /// The checksum that its parts have to be staged with.
    pub algorithm: Algorithm,
    /// What the object's checksum will be of.
    pub checksum_kind: ChecksumKind,
}

/// Which uploads a list shall give: by key, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct UploadsRequest {
    /// What their keys begin with.
    pub prefix: String,
    /// As [`ListRequest::delimiter`].
    pub delimiter: Option<String>,
    /// Only keys after this one, or, with an upload, what comes after that upload of this key.
    pub after_key: Option<String>,
    /// The upload that the page before ended with. Needs `after_key`.
    pub after_upload: Option<String>,
    /// Most entries; [`PAGE_ENTRIES_MAX`](crate::limits::PAGE_ENTRIES_MAX) is never passed.
    pub max_entries: usize,
}

/// A page of uploads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uploads {
    /// The uploads.
    pub uploads: Vec<Upload>,
    /// Each ends with the delimiter.
    pub common_prefixes: Vec<String>,
    /// Where the next page begins, if there is one: the last key or common prefix, and the upload
    /// if it is a key.
    pub next: Option<(String, Option<String>)>,
}

/// A part of an upload or of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its number; in an object they are 1, 2, 3…
    pub number: u32,
    /// Its length.
    pub size_bytes: u64,
    /// MD5 in lower-case hex.
    pub etag: String,
    /// Its checksum.
    pub checksum: Checksum,
    /// When it was put.
    pub modified_ms: i64,
}

/// A page of an upload's parts, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The upload.
    pub upload: Upload,
    /// The parts.
    pub parts: Vec<Part>,
    /// The number that the next page is after, if there is one.
    pub next: Option<u32>,
}

/// A part of which an object shall be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartChoice {
    /// Its number.
    pub number: u32,
    /// Its ETag.
    pub etag: String,
    /// Its checksum in base64, if the caller says it.
    pub checksum: Option<String>,
}

/// An upload that shall become an object.
#[derive(Clone, Debug, Default)]
pub struct CompleteRequest {
    /// Where.
    pub bucket: String,
    /// The key with which it began.
    pub key: String,
    /// Its id.
    pub upload_id: String,
    /// The parts that the object is made of, by ascending numbers.
    pub parts: Vec<PartChoice>,
    /// The object's checksum, if the caller says it; a composite one with or without `-` and the
    /// number of parts.
    pub checksum: Option<String>,
    /// The object's length, if the caller says it.
    pub size_bytes: Option<u64>,
    /// What has to be there.
    pub condition: Condition,
}
