//! Lists: of objects (both versions of the operation), of versions, of open uploads.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use s3s::dto::{
    CommonPrefix, DeleteMarkerEntry, EncodingType, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListObjectVersionsInput, ListObjectVersionsOutput,
    ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, MultipartUpload,
    Object, ObjectStorageClass, ObjectVersion, ObjectVersionStorageClass, StorageClass,
};
use s3s::{S3Request, S3Response, S3Result};

use super::error::{invalid, of_disk};
use super::{Adapter, convert, text};
use crate::disk::{Entry, ListRequest, Listing, UploadsRequest, VersionEntry, VersionsRequest};
use crate::limits;

/// How keys are written: `encoding-type=url` encodes them, since XML cannot have all characters.
struct Encoding(bool);

impl Encoding {
    fn of(asked: Option<&EncodingType>) -> S3Result<Encoding> {
        match asked.map(EncodingType::as_str) {
            None => Ok(Encoding(false)),
            Some("url") => Ok(Encoding(true)),
            Some(other) => Err(invalid(format!(
                "encoding-type is '{other}'; allowed is url."
            ))),
        }
    }

    fn write(&self, text: &str) -> String {
        match self.0 {
            true => text::url_encoded(text),
            false => text.to_owned(),
        }
    }

    fn maybe(&self, text: Option<&str>) -> Option<String> {
        text.map(|text| self.write(text))
    }

    fn prefixes(&self, prefixes: &[String]) -> Option<Vec<CommonPrefix>> {
        let prefix = |prefix: &String| CommonPrefix {
            prefix: Some(self.write(prefix)),
        };
        (!prefixes.is_empty()).then(|| prefixes.iter().map(prefix).collect())
    }
}

/// How many entries a page shall have.
fn page_size(asked: Option<i32>, name: &str) -> S3Result<usize> {
    match asked {
        None => Ok(limits::PAGE_ENTRIES_MAX),
        Some(asked) => match usize::try_from(asked) {
            Ok(asked) => Ok(asked.min(limits::PAGE_ENTRIES_MAX)),
            Err(_) => Err(invalid(format!(
                "{name} is {asked}; it must not be negative."
            ))),
        },
    }
}

fn given(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

impl Adapter {
    /// A page; none is asked for where it must be empty.
    async fn page(&self, bucket: &str, request: ListRequest) -> S3Result<Listing> {
        self.settings_of(bucket)?;
        match request.max_entries {
            0 => Ok(Listing::default()),
            _ => self.disk.list(bucket, request).await.map_err(of_disk),
        }
    }

    pub(super) async fn list_v1(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = request.input;
        let encoding = Encoding::of(input.encoding_type.as_ref())?;
        let max_entries = page_size(input.max_keys, "max-keys")?;
        let asked = ListRequest {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: given(input.delimiter.as_deref()),
            after: given(input.marker.as_deref()),
            max_entries,
        };
        let listing = self.page(&input.bucket, asked).await?;
        let objects = listing
            .objects
            .iter()
            .map(|entry| self.object(entry, &encoding, true));
        // Without a delimiter clients go on from the last key.
        let next_marker = listing
            .next
            .as_deref()
            .filter(|_| input.delimiter.is_some());
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(encoding.write(input.prefix.as_deref().unwrap_or_default())),
            marker: Some(encoding.write(input.marker.as_deref().unwrap_or_default())),
            max_keys: Some(max_entries as i32),
            is_truncated: Some(listing.next.is_some()),
            contents: Some(objects.collect()),
            common_prefixes: encoding.prefixes(&listing.common_prefixes),
            delimiter: encoding.maybe(input.delimiter.as_deref()),
            next_marker: encoding.maybe(next_marker),
            encoding_type: input.encoding_type,
            ..ListObjectsOutput::default()
        }))
    }

    pub(super) async fn list_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let encoding = Encoding::of(input.encoding_type.as_ref())?;
        let max_entries = page_size(input.max_keys, "max-keys")?;
        let after = match input.continuation_token.as_deref() {
            Some(token) => Some(read_token(token)?),
            None => given(input.start_after.as_deref()),
        };
        let asked = ListRequest {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: given(input.delimiter.as_deref()),
            after,
            max_entries,
        };
        let listing = self.page(&input.bucket, asked).await?;
        let with_owner = input.fetch_owner == Some(true);
        let objects = listing
            .objects
            .iter()
            .map(|entry| self.object(entry, &encoding, with_owner));
        let count = listing.objects.len() + listing.common_prefixes.len();
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(encoding.write(input.prefix.as_deref().unwrap_or_default())),
            max_keys: Some(max_entries as i32),
            key_count: Some(count as i32),
            continuation_token: input.continuation_token,
            is_truncated: Some(listing.next.is_some()),
            next_continuation_token: listing.next.as_deref().map(token),
            contents: Some(objects.collect()),
            common_prefixes: encoding.prefixes(&listing.common_prefixes),
            delimiter: encoding.maybe(input.delimiter.as_deref()),
            encoding_type: input.encoding_type,
            start_after: encoding.maybe(input.start_after.as_deref()),
            ..ListObjectsV2Output::default()
        }))
    }

    fn object(&self, entry: &Entry, encoding: &Encoding, with_owner: bool) -> Object {
        Object {
            checksum_algorithm: Some(vec![entry.algorithm.as_str().to_owned().into()]),
            checksum_type: Some(entry.checksum_kind.as_str().to_owned().into()),
            e_tag: Some(convert::etag(&entry.etag)),
            key: Some(encoding.write(&entry.key)),
            last_modified: Some(convert::timestamp(entry.modified_ms)),
            owner: with_owner.then(|| convert::owner(&self.owner_id)),
            size: i64::try_from(entry.size_bytes).ok(),
            storage_class: Some(ObjectStorageClass::from_static(
                ObjectStorageClass::STANDARD,
            )),
            ..Object::default()
        }
    }

    pub(super) async fn list_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let input = request.input;
        let encoding = Encoding::of(input.encoding_type.as_ref())?;
        let max_entries = page_size(input.max_keys, "max-keys")?;
        let after_key = given(input.key_marker.as_deref());
        let after_version = given(input.version_id_marker.as_deref());
        if after_key.is_none() && after_version.is_some() {
            return Err(invalid(
                "A version-id marker cannot be specified without a key marker.",
            ));
        }
        self.settings_of(&input.bucket)?;
        let asked = VersionsRequest {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: given(input.delimiter.as_deref()),
            after_key,
            after_version,
            max_entries,
        };
        let page = match max_entries {
            0 => Default::default(),
            _ => self
                .disk
                .list_versions(&input.bucket, asked)
                .await
                .map_err(of_disk)?,
        };
        let (mut versions, mut markers) = (Vec::new(), Vec::new());
        for entry in &page.versions {
            match &entry.object {
                Some(object) => versions.push(self.version(entry, object, &encoding)),
                None => markers.push(self.marker(entry, &encoding)),
            }
        }
        let (next_key, next_version) = page.next.clone().unzip();
        Ok(S3Response::new(ListObjectVersionsOutput {
            common_prefixes: encoding.prefixes(&page.common_prefixes),
            delete_markers: Some(markers),
            delimiter: encoding.maybe(input.delimiter.as_deref()),
            encoding_type: input.encoding_type,
            is_truncated: Some(page.next.is_some()),
            key_marker: Some(encoding.write(input.key_marker.as_deref().unwrap_or_default())),
            max_keys: Some(max_entries as i32),
            name: Some(input.bucket),
            next_key_marker: encoding.maybe(next_key.as_deref()),
            next_version_id_marker: next_version.flatten(),
            prefix: Some(encoding.write(input.prefix.as_deref().unwrap_or_default())),
            version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
            versions: Some(versions),
            ..ListObjectVersionsOutput::default()
        }))
    }

    fn version(&self, entry: &VersionEntry, object: &Entry, encoding: &Encoding) -> ObjectVersion {
        let class = ObjectVersionStorageClass::STANDARD;
        ObjectVersion {
            checksum_algorithm: Some(vec![object.algorithm.as_str().to_owned().into()]),
            checksum_type: Some(object.checksum_kind.as_str().to_owned().into()),
            e_tag: Some(convert::etag(&object.etag)),
            is_latest: Some(entry.is_latest),
            key: Some(encoding.write(&entry.key)),
            last_modified: Some(convert::timestamp(entry.modified_ms)),
            owner: Some(convert::owner(&self.owner_id)),
            size: i64::try_from(object.size_bytes).ok(),
            storage_class: Some(ObjectVersionStorageClass::from_static(class)),
            version_id: Some(entry.version_id.clone()),
            ..ObjectVersion::default()
        }
    }

    fn marker(&self, entry: &VersionEntry, encoding: &Encoding) -> DeleteMarkerEntry {
        DeleteMarkerEntry {
            is_latest: Some(entry.is_latest),
            key: Some(encoding.write(&entry.key)),
            last_modified: Some(convert::timestamp(entry.modified_ms)),
            owner: Some(convert::owner(&self.owner_id)),
            version_id: Some(entry.version_id.clone()),
        }
    }

    pub(super) async fn list_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = request.input;
        let encoding = Encoding::of(input.encoding_type.as_ref())?;
        let max_entries = page_size(input.max_uploads, "max-uploads")?;
        self.settings_of(&input.bucket)?;
        let after_key = given(input.key_marker.as_deref());
        let asked = UploadsRequest {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: given(input.delimiter.as_deref()),
            // Without a key the marker of an upload means nothing: S3 passes over it.
            after_upload: given(input.upload_id_marker.as_deref()).filter(|_| after_key.is_some()),
            after_key,
            max_entries,
        };
        let page = match max_entries {
            0 => Default::default(),
            _ => self
                .disk
                .list_uploads(&input.bucket, asked)
                .await
                .map_err(of_disk)?,
        };
        let uploads = page.uploads.iter().map(|upload| MultipartUpload {
            checksum_algorithm: Some(upload.algorithm.as_str().to_owned().into()),
            checksum_type: Some(upload.checksum_kind.as_str().to_owned().into()),
            initiated: Some(convert::timestamp(upload.started_ms)),
            initiator: Some(super::multipart::initiator(&upload.owner)),
            key: Some(encoding.write(&upload.key)),
            owner: Some(convert::owner(&self.owner_id)),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            upload_id: Some(upload.id.clone()),
        });
        let uploads = uploads.collect();
        let (next_key, next_upload) = page.next.clone().unzip();
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            common_prefixes: encoding.prefixes(&page.common_prefixes),
            delimiter: encoding.maybe(input.delimiter.as_deref()),
            encoding_type: input.encoding_type,
            is_truncated: Some(page.next.is_some()),
            key_marker: Some(encoding.write(input.key_marker.as_deref().unwrap_or_default())),
            max_uploads: Some(max_entries as i32),
            next_key_marker: encoding.maybe(next_key.as_deref()),
            next_upload_id_marker: next_upload.flatten(),
            prefix: encoding.maybe(input.prefix.as_deref()),
            upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
            uploads: Some(uploads),
            ..ListMultipartUploadsOutput::default()
        }))
    }
}

/// Where the next page begins, in a form that nobody is tempted to read.
fn token(last: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(last)
}

fn read_token(token: &str) -> S3Result<String> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
    let last = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    last.ok_or_else(|| invalid("The continuation token provided is incorrect"))
}
