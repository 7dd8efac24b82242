//! Objects on the disk of this machine: their bytes in files, all else in one SQLite database.
//!
//! | in the directory | is |
//! |---|---|
//! | `index.db` | buckets, versions of objects, uploads ([`schema`]) |
//! | `blobs/ab/ab…` | bytes of an object or of a part, named by 32 hex digits |
//! | `tmp/…` | bytes that are coming in |
//! | `lock` | is locked by the process that has the directory |
//!
//! A file is written in `tmp`, made durable, renamed into `blobs`, and only then named in the
//! index, in one transaction with all else that a request changes; a file whose last name goes is
//! removed after that transaction, and after the last reader that has it. So a crash at any point
//! leaves the old object or the new one, and at most files that nobody names, which are swept when
//! the directory is opened.
//!
//! Read [`Disk`] first; its methods are beside what they do: [`buckets`], [`objects`], [`list`],
//! [`uploads`].

mod checksum;
mod error;
mod types;

use std::{ops::Range, path::Path, sync::Arc};

use bytes::Bytes;

pub use self::{
    checksum::{Algorithm, Checksum, ChecksumKind},
    error::{DiskError, OpenError},
    types::*,
};

/// Buckets in a directory. Clones share it; the last one that goes ends its threads.
#[derive(Clone)]
pub struct Disk {}

impl Disk {
    /// Opens the directory, or makes it, readable for its owner alone; sweeps what a crash and
    /// forgotten uploads have left. Blocks.
    pub fn open(dir: &Path, now_ms: i64) -> Result<Disk, OpenError> {
        todo!()
    }

    // --- buckets.rs

    /// Makes a bucket. [`DiskError::BucketExists`] even if it is the same owner's.
    pub async fn create_bucket(
        &self,
        name: &str,
        region: &str,
        owner: &str,
        now_ms: i64,
    ) -> Result<(), DiskError> {
        todo!()
    }

    /// Deletes a bucket without objects, versions and markers; uploads that are open are aborted.
    pub async fn delete_bucket(&self, name: &str) -> Result<(), DiskError> {
        todo!()
    }

    /// A bucket as it is now, from memory.
    pub fn bucket(&self, name: &str) -> Option<Arc<Bucket>> {
        todo!()
    }

    /// All buckets, by name, from memory.
    pub fn buckets(&self) -> Vec<Arc<Bucket>> {
        todo!()
    }

    /// Sets, or with `None` removes, what a bucket is configured with. At most
    /// [`POLICY_BYTES_MAX`](crate::limits::POLICY_BYTES_MAX) for a policy,
    /// [`CONFIGURATION_BYTES_MAX`](crate::limits::CONFIGURATION_BYTES_MAX) for others. To be seen
    /// in [`Disk::bucket`] when this returns.
    pub async fn configure(
        &self,
        bucket: &str,
        configuration: Configuration,
        value: Option<String>,
    ) -> Result<(), DiskError> {
        todo!()
    }

    /// Enables or suspends versioning; it cannot become [`Versioning::Unversioned`] again.
    pub async fn set_versioning(
        &self,
        bucket: &str,
        versioning: Versioning,
    ) -> Result<(), DiskError> {
        todo!()
    }

    /// What each bucket holds, by name.
    pub async fn usage(&self) -> Result<Vec<(String, Usage)>, DiskError> {
        todo!()
    }

    // --- objects.rs

    /// Begins to take the bytes of an object or a part; nothing is done before they come.
    pub fn stage(&self, algorithm: Algorithm) -> Staged {
        todo!()
    }

    /// Puts an object that was written. When this returns it is durable; if it fails or is given
    /// up, what was there before is there.
    pub async fn put(
        &self,
        request: PutRequest,
        written: Written,
        now_ms: i64,
    ) -> Result<Put, DiskError> {
        todo!()
    }

    /// What is known of an object; `version` `None` for the newest.
    pub async fn head(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<ObjectInfo, DiskError> {
        todo!()
    }

    /// As [`Disk::head`], with its bytes, which stay whole while they are read even if the object
    /// is replaced or deleted.
    pub async fn open_object(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<(ObjectInfo, Body), DiskError> {
        todo!()
    }

    /// Up to `max` of an object's parts after the number `after` (0 for all), by number; none if it
    /// was not made of parts.
    pub async fn object_parts(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        after: u32,
        max: usize,
    ) -> Result<Vec<Part>, DiskError> {
        todo!()
    }

    /// Makes an object of another one; they share the bytes. Also onto itself, to change what is
    /// kept with it.
    pub async fn copy(&self, request: CopyRequest, now_ms: i64) -> Result<Put, DiskError> {
        todo!()
    }

    /// Deletes an object or a version.
    pub async fn delete(
        &self,
        bucket: &str,
        target: DeleteTarget,
        now_ms: i64,
    ) -> Result<Deleted, DiskError> {
        todo!()
    }

    /// Deletes up to [`DELETE_KEYS_MAX`](crate::limits::DELETE_KEYS_MAX), each for itself, all
    /// durable together. Answers in the targets' order.
    pub async fn delete_many(
        &self,
        bucket: &str,
        targets: Vec<DeleteTarget>,
        now_ms: i64,
    ) -> Result<Vec<Result<Deleted, DiskError>>, DiskError> {
        todo!()
    }

    /// Replaces an object's tags; none removes them. Returns [`ObjectInfo::version_id`]. (They are
    /// read by [`Disk::head`].)
    pub async fn set_tags(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        tags: Tags,
    ) -> Result<Option<String>, DiskError> {
        todo!()
    }

    // --- list.rs

    /// A page of the newest versions that are no delete markers.
    pub async fn list(&self, bucket: &str, request: ListRequest) -> Result<Listing, DiskError> {
        todo!()
    }

    /// A page of all versions and delete markers.
    pub async fn list_versions(
        &self,
        bucket: &str,
        request: VersionsRequest,
    ) -> Result<Versions, DiskError> {
        todo!()
    }

    /// A page of open uploads.
    pub async fn list_uploads(
        &self,
        bucket: &str,
        request: UploadsRequest,
    ) -> Result<Uploads, DiskError> {
        todo!()
    }

    // --- uploads.rs

    /// Begins an upload of parts.
    pub async fn create_upload(
        &self,
        request: UploadRequest,
        now_ms: i64,
    ) -> Result<Upload, DiskError> {
        todo!()
    }

    /// An open upload, to know with which algorithm its parts are staged.
    pub async fn upload(&self, bucket: &str, key: &str, id: &str) -> Result<Upload, DiskError> {
        todo!()
    }

    /// Puts a part, or puts it again. It must be staged with the upload's algorithm.
    pub async fn put_part(
        &self,
        bucket: &str,
        key: &str,
        upload_id: &str,
        number: u32,
        written: Written,
        now_ms: i64,
    ) -> Result<Part, DiskError> {
        todo!()
    }

    /// Up to `max` of an upload's parts after the number `after` (0 for all).
    pub async fn list_parts(
        &self,
        bucket: &str,
        key: &str,
        upload_id: &str,
        after: u32,
        max: usize,
    ) -> Result<Parts, DiskError> {
        todo!()
    }

    /// Makes an object of an upload's parts, without copying them; what parts it does not name go.
    pub async fn complete_upload(
        &self,
        request: CompleteRequest,
        now_ms: i64,
    ) -> Result<Put, DiskError> {
        todo!()
    }

    /// Gives an upload up; its parts go.
    pub async fn abort_upload(&self, bucket: &str, key: &str, id: &str) -> Result<(), DiskError> {
        todo!()
    }

    /// Aborts the uploads that began more than
    /// [`UPLOAD_AGE_MS_MAX`](crate::limits::UPLOAD_AGE_MS_MAX) ago. Returns how many. To be called
    /// now and then.
    pub async fn sweep_uploads(&self, now_ms: i64) -> Result<usize, DiskError> {
        todo!()
    }
}

/// Bytes that are coming in. What was written goes when it is dropped.
pub struct Staged {}

impl Staged {
    /// Takes the bytes that come next. [`DiskError::TooLarge`] beyond
    /// [`PUT_BYTES_MAX`](crate::limits::PUT_BYTES_MAX).
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), DiskError> {
        todo!()
    }

    /// Makes them durable. They are compared with the caller's digests then
    /// ([`Written::md5`], [`Written::checksum`]), and put.
    pub async fn finish(self) -> Result<Written, DiskError> {
        todo!()
    }
}

/// Bytes that are durable, to be put. They go when it is dropped.
pub struct Written {}

impl Written {
    /// How many there are.
    pub fn size_bytes(&self) -> u64 {
        todo!()
    }

    /// MD5.
    pub fn md5(&self) -> [u8; 16] {
        todo!()
    }

    /// By the algorithm that they were staged with.
    pub fn checksum(&self) -> &Checksum {
        todo!()
    }
}

/// The bytes of an object, to be read.
pub struct Body {}

impl Body {
    /// How many there are.
    pub fn size_bytes(&self) -> u64 {
        todo!()
    }

    /// Reads these bytes, which must be within; in chunks of at most
    /// [`READ_CHUNK_BYTES`](crate::limits::READ_CHUNK_BYTES).
    pub fn read(self, range: Range<u64>) -> Chunks {
        todo!()
    }
}

/// Bytes that are being read. They end early with an error alone.
pub struct Chunks {}

impl Chunks {
    /// The bytes that come next; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, DiskError>> {
        todo!()
    }
}
