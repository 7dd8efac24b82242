//! Writing objects: PutObject, forms, CopyObject, DeleteObject(s), and the tags of objects.

use http::{HeaderMap, Method};
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, DeleteObjectInput, DeleteObjectOutput,
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, DeleteObjectsInput, DeleteObjectsOutput,
    DeletedObject, GetObjectTaggingInput, GetObjectTaggingOutput, MetadataDirective,
    PutObjectInput, PutObjectOutput, PutObjectTaggingInput, PutObjectTaggingOutput,
    TaggingDirective,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::body::{Promise, receive};
use super::caller::{Caller, Resource};
use super::convert::{self, set_checksum};
use super::error::{not_served, of_disk};
use super::reading::{Which, conditions, source_of};
use super::{Adapter, caller_of};
use crate::disk::{Attributes, Condition, CopyRequest, DeleteTarget, Deleted, Put, PutRequest};
use crate::limits;

/// What is kept with an object, out of an input; those of PutObject, of CopyObject and of uploads
/// are of many types.
macro_rules! attributes {
    ($input:expr) => {
        $crate::disk::Attributes {
            content_type: $input.content_type.clone(),
            cache_control: $input.cache_control.clone(),
            content_encoding: $crate::api::convert::content_encoding(
                $input.content_encoding.clone(),
            ),
            content_disposition: $input.content_disposition.clone(),
            content_language: $input.content_language.clone(),
            expires: $input.expires.as_ref().map($crate::api::convert::http_date),
            website_redirect: $input.website_redirect_location.clone(),
            metadata: $crate::api::convert::kept_metadata($input.metadata.clone()),
        }
    };
}
pub(super) use attributes;

impl Adapter {
    /// PutObject, and a browser's form, which s3s gives in the same shape.
    pub(super) async fn write_object(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let now_ms = caller_of(&request)?.now_ms as i64;
        let is_form = request.method == Method::POST;
        let promise = match is_form {
            true => {
                self.permit_form(&request).await?;
                Promise::default()
            }
            false => convert::promise(&request.headers, request.input.content_length)?,
        };
        let body = request.input.body.take();
        let trailers = request.trailing_headers.as_ref();
        let put = put_request(&request.input)?;
        let written = receive(&self.disk, body, &promise, trailers).await?;
        let put = self.disk.put(put, written, now_ms).await.map_err(of_disk)?;
        Ok(S3Response::new(put_output(&put)))
    }

    /// Judges a form by its key, which is a field of it. Its policy, if it is signed, has been held
    /// against its fields; a signature without one is none.
    async fn permit_form(&self, request: &S3Request<PutObjectInput>) -> S3Result<()> {
        let caller = caller_of(request)?;
        // Signatures of version 2 name no region.
        if caller.is_signed() && request.region.is_none() {
            return Err(s3_error!(
                InvalidRequest,
                "The authorization mechanism is not supported. Please use AWS4-HMAC-SHA256."
            ));
        }
        let input = &request.input;
        let settings = self.settings_of(&input.bucket)?;
        let object = Resource::Object(&input.bucket, &input.key);
        let which = Which {
            bucket: &input.bucket,
            key: &input.key,
            version: None,
        };
        let mut caller = self.with_tags(caller, &settings, which).await?;
        let tags = convert::header_tags(input.tagging.as_deref())?;
        if !tags.is_empty() {
            caller.to_mut().set_request_tags(&tags);
            caller.permit(Some(&settings), "s3:PutObjectTagging", object)?;
        }
        caller.permit(Some(&settings), "s3:PutObject", object)?;
        refuse_unserved_fields(input)
    }

    pub(super) async fn copy(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let caller = caller_of(&request)?;
        let input = &request.input;
        let which = source_of(&input.copy_source)?;
        let conditions = conditions(
            input.copy_source_if_match.as_ref(),
            input.copy_source_if_none_match.as_ref(),
            input.copy_source_if_modified_since.as_ref(),
            input.copy_source_if_unmodified_since.as_ref(),
        );
        let (source, settings) = self.source(caller, which, &conditions).await?;
        if source.size_bytes > limits::PUT_BYTES_MAX {
            return Err(s3_error!(
                InvalidRequest,
                "The source has more than 5 GiB; it is copied in parts."
            ));
        }
        let new_metadata = directive(
            input
                .metadata_directive
                .as_ref()
                .map(MetadataDirective::as_str),
            "x-amz-metadata-directive",
        )?;
        let new_tags = directive(
            input
                .tagging_directive
                .as_ref()
                .map(TaggingDirective::as_str),
            "x-amz-tagging-directive",
        )?;
        let is_onto_itself = which.bucket == input.bucket && which.key == input.key;
        if is_onto_itself && which.version.is_none() && !new_metadata && !new_tags {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself \
                 without changing the object's metadata or tags."
            ));
        }
        if !new_tags && !source.tags.is_empty() {
            let action = match which.version {
                Some(_) => "s3:GetObjectVersionTagging",
                None => "s3:GetObjectTagging",
            };
            let object = Resource::Object(which.bucket, which.key);
            let reader = self.with_tags(caller, &settings, which).await?;
            reader.permit(Some(&settings), action, object)?;
            let mut writer = caller.clone();
            writer.set_request_tags(&source.tags);
            let settings = self.settings_of(&input.bucket)?;
            let object = Resource::Object(&input.bucket, &input.key);
            writer.permit(Some(&settings), "s3:PutObjectTagging", object)?;
        }
        let mut attributes = attributes!(input);
        // Redirects are never copied along.
        let website_redirect = attributes.website_redirect.take();
        let kept = if new_metadata {
            attributes
        } else {
            source.attributes.clone()
        };
        let copy = CopyRequest {
            source_bucket: which.bucket.to_owned(),
            source_key: which.key.to_owned(),
            source_version: which.version.map(str::to_owned),
            source_sequence: Some(source.sequence),
            bucket: input.bucket.clone(),
            key: input.key.clone(),
            attributes: Some(Attributes {
                website_redirect,
                ..kept
            }),
            tags: match new_tags {
                true => Some(convert::header_tags(input.tagging.as_deref())?),
                false => None,
            },
            condition: header_condition(&request.headers)?,
        };
        let put = self
            .disk
            .copy(copy, caller.now_ms as i64)
            .await
            .map_err(of_disk)?;
        let mut result = CopyObjectResult {
            e_tag: Some(convert::etag(&put.etag)),
            last_modified: Some(convert::timestamp(put.modified_ms)),
            checksum_type: Some(put.checksum.kind.as_str().to_owned().into()),
            ..CopyObjectResult::default()
        };
        set_checksum!(result, &put.checksum);
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            copy_source_version_id: source.version_id,
            version_id: put.version_id,
            ..CopyObjectOutput::default()
        }))
    }

    pub(super) async fn remove(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let caller = caller_of(&request)?;
        let input = &request.input;
        if input.if_match_size.is_some() || input.if_match_last_modified_time.is_some() {
            return Err(not_served("Of conditions, deletion takes If-Match alone."));
        }
        let target = DeleteTarget {
            key: input.key.clone(),
            version_id: input.version_id.clone(),
            condition: convert::write_condition(input.if_match.as_ref(), None)?,
        };
        let deleted = self
            .disk
            .delete(&input.bucket, target, caller.now_ms as i64)
            .await;
        let deleted = deleted.map_err(of_disk)?;
        Ok(S3Response::new(DeleteObjectOutput {
            delete_marker: deleted.is_delete_marker.then_some(true),
            version_id: deleted.version_id,
            ..DeleteObjectOutput::default()
        }))
    }

    pub(super) async fn remove_many(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let caller = caller_of(&request)?;
        let input = &request.input;
        let settings = self.settings_of(&input.bucket)?;
        let objects = &input.delete.objects;
        if objects.is_empty() || objects.len() > limits::DELETE_KEYS_MAX {
            let most = limits::DELETE_KEYS_MAX;
            return Err(s3_error!(
                MalformedXML,
                "There are {} keys to delete; allowed are 1 to {most}.",
                objects.len()
            ));
        }
        let mut output = DeleteObjectsOutput::default();
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        let mut targets = Vec::new();
        for object in objects {
            let target = DeleteTarget {
                key: object.key.clone(),
                version_id: object.version_id.clone(),
                condition: match &object.e_tag {
                    Some(etag) => Condition::Matches(etag.value().to_owned()),
                    None => Condition::None,
                },
            };
            let action = match target.version_id {
                Some(_) => "s3:DeleteObjectVersion",
                None => "s3:DeleteObject",
            };
            let which = Which {
                bucket: &input.bucket,
                key: &target.key,
                version: target.version_id.as_deref(),
            };
            let caller = self.with_tags(caller, &settings, which).await?;
            let object = Resource::Object(&input.bucket, &target.key);
            match caller.permit(Some(&settings), action, object) {
                Ok(()) => targets.push(target),
                Err(error) => errors.push(failure(&target, &error)),
            }
        }
        let now_ms = caller.now_ms as i64;
        let outcomes = self
            .disk
            .delete_many(&input.bucket, targets.clone(), now_ms)
            .await;
        for (target, outcome) in targets.iter().zip(outcomes.map_err(of_disk)?) {
            match outcome {
                Ok(outcome) => deleted.push(told(target, outcome)),
                Err(error) => errors.push(failure(target, &of_disk(error))),
            }
        }
        if input.delete.quiet != Some(true) {
            output.deleted = Some(deleted);
        }
        output.errors = (!errors.is_empty()).then_some(errors);
        Ok(S3Response::new(output))
    }

    pub(super) async fn read_tags(
        &self,
        request: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        let caller = caller_of(&request)?;
        let input = &request.input;
        let which = Which {
            bucket: &input.bucket,
            key: &input.key,
            version: input.version_id.as_deref(),
        };
        let info = self.info(caller, which).await?;
        Ok(S3Response::new(GetObjectTaggingOutput {
            tag_set: convert::tag_set(&info.tags),
            version_id: info.version_id,
        }))
    }

    pub(super) async fn write_tags(
        &self,
        request: S3Request<PutObjectTaggingInput>,
    ) -> S3Result<S3Response<PutObjectTaggingOutput>> {
        let mut caller = caller_of(&request)?.clone();
        let input = request.input;
        let which = Which {
            bucket: &input.bucket,
            key: &input.key,
            version: input.version_id.as_deref(),
        };
        let tags = convert::tags(input.tagging.tag_set)?;
        // Once more: only now are the tags known, which may be denied.
        caller.set_request_tags(&tags);
        let action = match which.version {
            Some(_) => "s3:PutObjectVersionTagging",
            None => "s3:PutObjectTagging",
        };
        let settings = self.settings_of(which.bucket)?;
        let asking = self.with_tags(&caller, &settings, which).await?;
        let object = Resource::Object(which.bucket, which.key);
        asking.permit(Some(&settings), action, object)?;
        let version_id = self.set_tags(&caller, which, tags).await?;
        Ok(S3Response::new(PutObjectTaggingOutput { version_id }))
    }

    pub(super) async fn remove_tags(
        &self,
        request: S3Request<DeleteObjectTaggingInput>,
    ) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
        let caller = caller_of(&request)?;
        let input = &request.input;
        let which = Which {
            bucket: &input.bucket,
            key: &input.key,
            version: input.version_id.as_deref(),
        };
        let version_id = self.set_tags(caller, which, Vec::new()).await?;
        Ok(S3Response::new(DeleteObjectTaggingOutput { version_id }))
    }

    async fn set_tags(
        &self,
        caller: &Caller,
        which: Which<'_>,
        tags: crate::disk::Tags,
    ) -> S3Result<Option<String>> {
        let Which {
            bucket,
            key,
            version,
        } = which;
        let set = self.disk.set_tags(bucket, key, version, tags).await;
        set.map_err(|error| self.absence(caller, which, error))
    }
}

fn put_request(input: &PutObjectInput) -> S3Result<PutRequest> {
    Ok(PutRequest {
        bucket: input.bucket.clone(),
        key: input.key.clone(),
        attributes: attributes!(input),
        tags: convert::header_tags(input.tagging.as_deref())?,
        condition: convert::write_condition(input.if_match.as_ref(), input.if_none_match.as_ref())?,
    })
}

fn put_output(put: &Put) -> PutObjectOutput {
    let mut output = PutObjectOutput {
        e_tag: Some(convert::etag(&put.etag)),
        checksum_type: Some(put.checksum.kind.as_str().to_owned().into()),
        version_id: put.version_id.clone(),
        ..PutObjectOutput::default()
    };
    set_checksum!(output, &put.checksum);
    output
}

/// What a form asks for in its fields, as others do in the head.
fn refuse_unserved_fields(input: &PutObjectInput) -> S3Result<()> {
    let acl = input.acl.as_ref().map(|acl| acl.as_str());
    super::unserved::acl(acl)?;
    let is_unserved = input.server_side_encryption.is_some()
        || input.sse_customer_algorithm.is_some()
        || input.object_lock_mode.is_some()
        || input.object_lock_legal_hold_status.is_some()
        || input.grant_full_control.is_some()
        || input.grant_read.is_some()
        || input.grant_read_acp.is_some()
        || input.grant_write_acp.is_some();
    match is_unserved {
        true => Err(not_served(
            "The form asks for encryption, grants or a lock, which there are not.",
        )),
        false => Ok(()),
    }
}

/// CopyObject takes conditions of its destination that s3s does not know of.
fn header_condition(headers: &HeaderMap) -> S3Result<Condition> {
    let condition = |name: &str| {
        let value = headers.get(name)?;
        let read = s3s::dto::ETagCondition::parse_http_header(value.as_bytes());
        Some(read.map_err(|_| super::error::invalid(format!("{name} is no entity tag"))))
    };
    let is_match = condition("if-match").transpose()?;
    let is_no_match = condition("if-none-match").transpose()?;
    convert::write_condition(is_match.as_ref(), is_no_match.as_ref())
}

/// Whether what is kept is that of the request, not of the source.
fn directive(value: Option<&str>, name: &str) -> S3Result<bool> {
    match value {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(super::error::invalid(format!(
            "{name} is '{other}'; allowed are COPY and REPLACE."
        ))),
    }
}

fn told(target: &DeleteTarget, deleted: Deleted) -> DeletedObject {
    let is_marker = deleted.is_delete_marker;
    DeletedObject {
        key: Some(target.key.clone()),
        version_id: target.version_id.clone(),
        delete_marker: is_marker.then_some(true),
        delete_marker_version_id: deleted.version_id.filter(|_| is_marker),
    }
}

fn failure(target: &DeleteTarget, error: &S3Error) -> s3s::dto::Error {
    s3s::dto::Error {
        code: Some(error.code().as_str().to_owned()),
        key: Some(target.key.clone()),
        message: error.message().map(str::to_owned),
        version_id: target.version_id.clone(),
    }
}
