//! The bounds of this crate. Where S3 has one, it is S3's.

/// Longest key, in bytes of UTF-8.
pub const KEY_BYTES_MAX: usize = 1_024;

/// Most bytes of an object that is put at once, and of a part.
pub const PUT_BYTES_MAX: u64 = 5 << 30;

/// Fewest bytes of a part that is not the last.
pub const PART_BYTES_MIN: u64 = 5 << 20;

/// Most parts of an upload; their numbers are 1 to this.
pub const PARTS_MAX: u32 = 10_000;

const _: () = assert!(PART_BYTES_MIN < PUT_BYTES_MAX);

/// All names and values of an object's own metadata (`x-amz-meta-`).
pub const METADATA_BYTES_MAX: usize = 2 << 10;

/// Each of the other headers that are kept with an object, such as its content type.
pub const HEADER_BYTES_MAX: usize = 2 << 10;

/// Most tags of an object.
pub const OBJECT_TAGS_MAX: usize = 10;

/// Longest key of a tag, in characters.
pub const TAG_KEY_CHARS_MAX: usize = 128;

/// Longest value of a tag, in characters.
pub const TAG_VALUE_CHARS_MAX: usize = 256;

/// Most tags of a bucket.
pub const BUCKET_TAGS_MAX: usize = 50;

/// Most buckets of a disk.
pub const BUCKETS_MAX: usize = 1_000;

/// Most uploads of a bucket that are neither completed nor aborted.
pub const UPLOADS_OPEN_MAX: usize = 10_000;

/// What is left of an upload after this is swept away.
pub const UPLOAD_AGE_MS_MAX: i64 = 7 * 24 * 3_600 * 1_000;

/// Most bytes of a bucket's policy.
pub const POLICY_BYTES_MAX: usize = 20 << 10;

/// Most bytes of each other configuration of a bucket.
pub const CONFIGURATION_BYTES_MAX: usize = 64 << 10;

/// Most entries of a page of a list.
pub const PAGE_ENTRIES_MAX: usize = 1_000;

/// Most keys that are deleted at once.
pub const DELETE_KEYS_MAX: usize = 1_000;

/// Bytes that are read from a file at once.
pub const READ_CHUNK_BYTES: usize = 256 << 10;

/// Bytes that are gathered before they are written to a file.
pub const WRITE_CHUNK_BYTES: usize = 1 << 20;

/// Connections that read the index.
pub const READERS: usize = 4;

/// Most changes of the index that wait for its writer; further ones wait outside.
pub const CHANGES_WAITING_MAX: usize = 1_024;

/// Most changes of the index that become durable together.
pub const GROUP_CHANGES_MAX: usize = 256;

/// How often an object that is replaced while it is being opened is looked up again.
pub const OPEN_ATTEMPTS_MAX: usize = 16;
