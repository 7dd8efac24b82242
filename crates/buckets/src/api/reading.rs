//! Reading objects: GetObject, HeadObject, GetObjectAttributes, and the sources of copies.

use http::StatusCode;
use s3s::dto::{
    CopySource, ETagCondition, GetObjectAttributesInput, GetObjectAttributesOutput,
    GetObjectAttributesParts, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    ObjectAttributes, ObjectPart, Range, StorageClass, Timestamp,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::body::ObjectBody;
use super::caller::{Caller, Resource};
use super::conditions::Conditions;
use super::convert::{self, set_checksum};
use super::error::{custom, of_disk, with_fields};
use super::settings::Settings;
use super::{Adapter, caller_of};
use crate::disk::{DiskError, ObjectInfo};
use crate::limits;

/// Which object is read.
#[derive(Clone, Copy, Debug)]
pub struct Which<'a> {
    pub bucket: &'a str,
    pub key: &'a str,
    pub version: Option<&'a str>,
}

/// Which of its bytes.
struct Slice {
    range: std::ops::Range<u64>,
    /// As `Content-Range` has it; nothing for the whole object.
    told: Option<String>,
    parts_count: Option<i32>,
}

/// What GetObject and HeadObject have in common.
struct Wanted<'a> {
    which: Which<'a>,
    conditions: Conditions,
    range: Option<Range>,
    part_number: Option<i32>,
}

impl Adapter {
    pub(super) async fn read_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let caller = caller_of(&request)?;
        let input = &request.input;
        refuse_overrides(caller, request.uri.query().unwrap_or_default())?;
        let wanted = Wanted {
            which: Which {
                bucket: &input.bucket,
                key: &input.key,
                version: input.version_id.as_deref(),
            },
            conditions: conditions(
                input.if_match.as_ref(),
                input.if_none_match.as_ref(),
                input.if_modified_since.as_ref(),
                input.if_unmodified_since.as_ref(),
            ),
            range: input.range,
            part_number: input.part_number,
        };
        let Which {
            bucket,
            key,
            version,
        } = wanted.which;
        let opened = self.disk.open_object(bucket, key, version).await;
        let (info, body) = match opened {
            Ok(opened) => opened,
            Err(error) => return Err(self.absence(caller, wanted.which, error)),
        };
        let slice = self.slice(&wanted, &info).await?;
        let size_bytes = slice.range.end - slice.range.start;
        let blob = ObjectBody::new(body.read(slice.range.clone()), size_bytes).into_blob();
        let attributes = info.attributes;
        let mut output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(blob),
            cache_control: attributes.cache_control,
            content_disposition: attributes.content_disposition,
            content_encoding: attributes.content_encoding,
            content_language: attributes.content_language,
            content_length: i64::try_from(size_bytes).ok(),
            content_range: slice.told,
            content_type: Some(attributes.content_type.unwrap_or_else(default_type)),
            e_tag: Some(convert::etag(&info.etag)),
            expires: attributes
                .expires
                .as_deref()
                .and_then(convert::http_timestamp),
            last_modified: Some(convert::timestamp(info.modified_ms)),
            metadata: convert::metadata(&attributes.metadata),
            parts_count: slice.parts_count,
            tag_count: i32::try_from(info.tags.len())
                .ok()
                .filter(|&count| count > 0),
            version_id: info.version_id,
            website_redirect_location: attributes.website_redirect,
            ..GetObjectOutput::default()
        };
        if input.checksum_mode.is_some() && output.content_range.is_none() {
            set_checksum!(output, &info.checksum);
            output.checksum_type = Some(info.checksum.kind.as_str().to_owned().into());
        }
        Ok(S3Response::new(output))
    }

    pub(super) async fn read_head(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let caller = caller_of(&request)?;
        let input = &request.input;
        let wanted = Wanted {
            which: Which {
                bucket: &input.bucket,
                key: &input.key,
                version: input.version_id.as_deref(),
            },
            conditions: conditions(
                input.if_match.as_ref(),
                input.if_none_match.as_ref(),
                input.if_modified_since.as_ref(),
                input.if_unmodified_since.as_ref(),
            ),
            range: input.range,
            part_number: input.part_number,
        };
        let info = self.info(caller, wanted.which).await?;
        let slice = self.slice(&wanted, &info).await?;
        let attributes = info.attributes;
        let size_bytes = slice.range.end - slice.range.start;
        let mut output = HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            cache_control: attributes.cache_control,
            content_disposition: attributes.content_disposition,
            content_encoding: attributes.content_encoding,
            content_language: attributes.content_language,
            content_length: i64::try_from(size_bytes).ok(),
            content_range: slice.told,
            content_type: Some(attributes.content_type.unwrap_or_else(default_type)),
            e_tag: Some(convert::etag(&info.etag)),
            expires: attributes
                .expires
                .as_deref()
                .and_then(convert::http_timestamp),
            last_modified: Some(convert::timestamp(info.modified_ms)),
            metadata: convert::metadata(&attributes.metadata),
            parts_count: slice.parts_count,
            version_id: info.version_id,
            website_redirect_location: attributes.website_redirect,
            ..HeadObjectOutput::default()
        };
        if input.checksum_mode.is_some() && output.content_range.is_none() {
            set_checksum!(output, &info.checksum);
            output.checksum_type = Some(info.checksum.kind.as_str().to_owned().into());
        }
        Ok(S3Response::new(output))
    }

    /// What is known of an object; its absence is told to those alone who may list.
    pub(super) async fn info(&self, caller: &Caller, which: Which<'_>) -> S3Result<ObjectInfo> {
        let Which {
            bucket,
            key,
            version,
        } = which;
        let info = self.disk.head(bucket, key, version).await;
        info.map_err(|error| self.absence(caller, which, error))
    }

    /// Why an object cannot be read, as far as the caller may know.
    pub(super) fn absence(&self, caller: &Caller, which: Which<'_>, error: DiskError) -> S3Error {
        let may_list = || {
            let settings = self.settings.of(&self.disk, which.bucket);
            let bucket = Resource::Bucket(which.bucket);
            caller.may(settings.as_deref(), "s3:ListBucket", bucket)
        };
        let is_absent = matches!(
            error,
            DiskError::NoSuchKey | DiskError::NoSuchVersion | DiskError::IsDeleteMarker { .. }
        );
        if is_absent && !may_list() {
            return S3Error::with_message(S3ErrorCode::AccessDenied, "Access Denied");
        }
        let DiskError::IsDeleteMarker {
            version_id,
            modified_ms,
        } = &error
        else {
            return of_disk(error);
        };
        let mut fields = vec![
            ("x-amz-delete-marker", "true".to_owned()),
            ("x-amz-version-id", version_id.clone()),
        ];
        if which.version.is_none() {
            return with_fields(of_disk(error), &fields);
        }
        let time = convert::timestamp(*modified_ms);
        fields.push(("last-modified", convert::http_date(&time)));
        fields.push(("allow", "DELETE".to_owned()));
        let message = "The version is a delete marker, which can only be deleted.";
        with_fields(s3_error!(MethodNotAllowed, "{message}"), &fields)
    }

    async fn slice(&self, wanted: &Wanted<'_>, info: &ObjectInfo) -> S3Result<Slice> {
        let modified_secs = u64::try_from(info.modified_ms / 1_000).unwrap_or(0);
        if let Some(status) = wanted.conditions.refusal(&info.etag, modified_secs) {
            return Err(refusal(status, info));
        }
        let size_bytes = info.size_bytes;
        if let Some(number) = wanted.part_number {
            if wanted.range.is_some() {
                let message = "Cannot specify both Range header and partNumber query parameter.";
                return Err(s3_error!(InvalidRequest, "{message}"));
            }
            return self.part(wanted.which, info, number).await;
        }
        let Some(range) = wanted.range else {
            return Ok(Slice {
                range: 0..size_bytes,
                told: None,
                parts_count: None,
            });
        };
        let range = range
            .check(size_bytes)
            .ok()
            .filter(|range| !range.is_empty());
        let range = range.ok_or_else(|| {
            let message = "The requested range is not satisfiable.";
            let error = s3_error!(InvalidRange, "{message}");
            with_fields(error, &[("content-range", format!("bytes */{size_bytes}"))])
        })?;
        Ok(Slice {
            told: Some(told(&range, size_bytes)),
            range,
            parts_count: None,
        })
    }

    /// The bytes of a part of an object that was made of parts; else there is one part.
    async fn part(&self, which: Which<'_>, info: &ObjectInfo, number: i32) -> S3Result<Slice> {
        let not_satisfiable = || {
            custom(
                "InvalidPartNumber",
                StatusCode::RANGE_NOT_SATISFIABLE,
                "The requested partnumber is not satisfiable.",
            )
        };
        let number = u32::try_from(number).ok().filter(|&number| number > 0);
        let number = number.ok_or_else(not_satisfiable)?;
        let count = info.parts_count.unwrap_or(1);
        if number > count {
            return Err(not_satisfiable());
        }
        let mut range = 0..info.size_bytes;
        if info.parts_count.is_some() {
            range = 0..0;
            let mut after = 0;
            while after < number {
                let most = (number - after) as usize;
                let parts = self.parts(which, info, after, most).await?;
                let Some(last) = parts.last() else {
                    return Err(not_satisfiable());
                };
                after = last.number;
                for part in &parts {
                    range = range.end..range.end + part.size_bytes;
                }
            }
        }
        let is_empty = range.is_empty();
        Ok(Slice {
            told: (!is_empty).then(|| told(&range, info.size_bytes)),
            range,
            parts_count: info.parts_count.and_then(|count| i32::try_from(count).ok()),
        })
    }

    async fn parts(
        &self,
        which: Which<'_>,
        info: &ObjectInfo,
        after: u32,
        most: usize,
    ) -> S3Result<Vec<crate::disk::Part>> {
        let version = info.version_id.as_deref().or(which.version);
        let most = most.min(limits::PAGE_ENTRIES_MAX);
        let parts = self
            .disk
            .object_parts(which.bucket, which.key, version, after, most);
        parts.await.map_err(of_disk)
    }

    pub(super) async fn read_attributes(
        &self,
        request: S3Request<GetObjectAttributesInput>,
    ) -> S3Result<S3Response<GetObjectAttributesOutput>> {
        let caller = caller_of(&request)?;
        let input = &request.input;
        let which = Which {
            bucket: &input.bucket,
            key: &input.key,
            version: input.version_id.as_deref(),
        };
        let info = self.info(caller, which).await?;
        let wants = |name: &str| {
            let mut wanted = input.object_attributes.iter();
            wanted.any(|wanted| wanted.as_str().split(',').any(|one| one.trim() == name))
        };
        let mut output = GetObjectAttributesOutput {
            last_modified: Some(convert::timestamp(info.modified_ms)),
            version_id: info.version_id.clone(),
            ..GetObjectAttributesOutput::default()
        };
        if wants(ObjectAttributes::ETAG) {
            output.e_tag = Some(convert::etag(&info.etag));
        }
        if wants(ObjectAttributes::OBJECT_SIZE) {
            output.object_size = i64::try_from(info.size_bytes).ok();
        }
        if wants(ObjectAttributes::STORAGE_CLASS) {
            output.storage_class = Some(StorageClass::from_static(StorageClass::STANDARD));
        }
        if wants(ObjectAttributes::CHECKSUM) {
            let mut checksum = s3s::dto::Checksum::default();
            set_checksum!(checksum, &info.checksum);
            checksum.checksum_type = Some(info.checksum.kind.as_str().to_owned().into());
            output.checksum = Some(checksum);
        }
        if wants(ObjectAttributes::OBJECT_PARTS)
            && let Some(count) = info.parts_count
        {
            let after = input.part_number_marker.unwrap_or(0).max(0) as u32;
            let most = input.max_parts.unwrap_or(1_000).clamp(0, 1_000);
            let parts = self.parts(which, &info, after, most as usize).await?;
            let last = parts.last().map_or(after, |part| part.number);
            let listed = parts.iter().map(|part| {
                let mut listed = ObjectPart {
                    part_number: i32::try_from(part.number).ok(),
                    size: i64::try_from(part.size_bytes).ok(),
                    ..ObjectPart::default()
                };
                set_checksum!(listed, &part.checksum);
                listed
            });
            output.object_parts = Some(GetObjectAttributesParts {
                is_truncated: Some(last < count && most > 0),
                max_parts: Some(most),
                next_part_number_marker: i32::try_from(last).ok(),
                part_number_marker: i32::try_from(after).ok(),
                parts: Some(listed.collect()),
                total_parts_count: i32::try_from(count).ok(),
            });
        }
        Ok(S3Response::new(output))
    }

    /// The source of a copy, if the caller may read it.
    pub(super) async fn source(
        &self,
        caller: &Caller,
        which: Which<'_>,
        conditions: &Conditions,
    ) -> S3Result<(ObjectInfo, std::sync::Arc<Settings>)> {
        let settings = self.settings_of(which.bucket)?;
        let action = match which.version {
            Some(_) => "s3:GetObjectVersion",
            None => "s3:GetObject",
        };
        let object = Resource::Object(which.bucket, which.key);
        let caller = self.with_tags(caller, &settings, which).await?;
        caller.permit(Some(&settings), action, object)?;
        let info = self.info(&caller, which).await?;
        let modified_secs = u64::try_from(info.modified_ms / 1_000).unwrap_or(0);
        if !conditions.allow_copy(&info.etag, modified_secs) {
            return Err(S3Error::with_message(
                S3ErrorCode::PreconditionFailed,
                "A condition of the copy does not hold for its source.",
            ));
        }
        Ok((info, settings))
    }
}

/// The source that a request names.
pub fn source_of(source: &CopySource) -> S3Result<Which<'_>> {
    match source {
        CopySource::Bucket {
            bucket,
            key,
            version_id,
        } => Ok(Which {
            bucket,
            key,
            version: version_id.as_deref(),
        }),
        _ => Err(super::error::not_served(
            "x-amz-copy-source names an access point; there are buckets alone.",
        )),
    }
}

/// From a request's fields.
pub fn conditions(
    is_match: Option<&ETagCondition>,
    is_no_match: Option<&ETagCondition>,
    modified_since: Option<&Timestamp>,
    unmodified_since: Option<&Timestamp>,
) -> Conditions {
    Conditions {
        is_match: is_match.cloned(),
        is_no_match: is_no_match.cloned(),
        modified_since: modified_since.map(convert::seconds),
        unmodified_since: unmodified_since.map(convert::seconds),
    }
}

fn refusal(status: StatusCode, info: &ObjectInfo) -> S3Error {
    if status == StatusCode::PRECONDITION_FAILED {
        let message = "At least one of the pre-conditions you specified did not hold";
        return S3Error::with_message(S3ErrorCode::PreconditionFailed, message);
    }
    let mut fields = vec![
        ("etag", format!("\"{}\"", info.etag)),
        (
            "last-modified",
            convert::http_date(&convert::timestamp(info.modified_ms)),
        ),
    ];
    if let Some(value) = &info.attributes.cache_control {
        fields.push(("cache-control", value.clone()));
    }
    if let Some(value) = &info.attributes.expires {
        fields.push(("expires", value.clone()));
    }
    if let Some(version) = &info.version_id {
        fields.push(("x-amz-version-id", version.clone()));
    }
    with_fields(S3Error::new(S3ErrorCode::NotModified), &fields)
}

/// `response-…` in the query makes a link say what its object is; that is for signers alone.
fn refuse_overrides(caller: &Caller, query: &str) -> S3Result<()> {
    let mut names = query.split('&').map(super::text::form_decoded);
    match !caller.is_signed() && names.any(|name| name.starts_with("response-")) {
        false => Ok(()),
        true => Err(s3_error!(
            InvalidRequest,
            "Request specific response headers cannot be used for anonymous GET requests."
        )),
    }
}

fn told(range: &std::ops::Range<u64>, size_bytes: u64) -> String {
    format!("bytes {}-{}/{size_bytes}", range.start, range.end - 1)
}

fn default_type() -> String {
    "binary/octet-stream".to_owned()
}
