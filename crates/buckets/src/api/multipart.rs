//! Uploads of parts.

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyPartResult, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, Initiator, ListPartsInput, ListPartsOutput, Part, Range,
    StorageClass, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::body::{Promise, receive};
use super::convert::{self, said_checksum, set_checksum};
use super::error::{invalid, of_disk};
use super::reading::{conditions, source_of};
use super::writing::attributes;
use super::{Adapter, caller_of};
use crate::disk::{ChecksumKind, CompleteRequest, PartChoice, UploadRequest};
use crate::limits;

impl Adapter {
    pub(super) async fn begin_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let caller = caller_of(&request)?;
        let input = &request.input;
        let algorithm = input.checksum_algorithm.as_ref();
        let kind = input.checksum_type.as_ref().map(|kind| {
            let known = ChecksumKind::of(kind.as_str());
            known.ok_or_else(|| {
                let name = kind.as_str();
                invalid(format!(
                    "x-amz-checksum-type is '{name}'; allowed are FULL_OBJECT and COMPOSITE."
                ))
            })
        });
        let algorithm = algorithm.map(|name| convert::algorithm(name.as_str()));
        let begun = UploadRequest {
            bucket: input.bucket.clone(),
            key: input.key.clone(),
            attributes: attributes!(input),
            tags: convert::header_tags(input.tagging.as_deref())?,
            algorithm: algorithm.transpose()?.unwrap_or_default(),
            checksum_kind: kind.transpose()?,
            owner: caller.name(),
        };
        let upload = self.disk.create_upload(begun, caller.now_ms as i64).await;
        let upload = upload.map_err(of_disk)?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket.clone()),
            // Clients take it for a wish of theirs that they then have to keep with each part.
            checksum_algorithm: input.checksum_algorithm.clone(),
            checksum_type: input.checksum_type.clone(),
            key: Some(upload.key),
            upload_id: Some(upload.id),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    pub(super) async fn write_part(
        &self,
        mut request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let now_ms = caller_of(&request)?.now_ms as i64;
        let number = part_number(request.input.part_number)?;
        let body = request.input.body.take();
        let input = &request.input;
        let upload = self
            .disk
            .upload(&input.bucket, &input.key, &input.upload_id)
            .await;
        let upload = upload.map_err(of_disk)?;
        let sent = convert::promise(&request.headers, input.content_length)?;
        // Clients sum parts up as they like, also where they began the upload without a word of it.
        let says_one = sent.checksum.is_some() || request.trailing_headers.is_some();
        let is_other = says_one && sent.algorithm != upload.algorithm;
        let promise = Promise {
            algorithm: upload.algorithm,
            other: is_other.then_some(sent.algorithm),
            ..sent
        };
        let trailers = request.trailing_headers.as_ref();
        let written = receive(&self.disk, body, &promise, trailers).await?;
        let part = self
            .disk
            .put_part(
                &input.bucket,
                &input.key,
                &input.upload_id,
                number,
                written,
                now_ms,
            )
            .await
            .map_err(of_disk)?;
        let mut output = UploadPartOutput {
            e_tag: Some(convert::etag(&part.etag)),
            ..UploadPartOutput::default()
        };
        set_checksum!(output, &part.checksum);
        Ok(S3Response::new(output))
    }

    pub(super) async fn copy_part(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let caller = caller_of(&request)?;
        let input = &request.input;
        let number = part_number(input.part_number)?;
        let which = source_of(&input.copy_source)?;
        let conditions = conditions(
            input.copy_source_if_match.as_ref(),
            input.copy_source_if_none_match.as_ref(),
            input.copy_source_if_modified_since.as_ref(),
            input.copy_source_if_unmodified_since.as_ref(),
        );
        let (judged, _) = self.source(caller, which, &conditions).await?;
        let upload = self
            .disk
            .upload(&input.bucket, &input.key, &input.upload_id)
            .await;
        let upload = upload.map_err(of_disk)?;
        let opened = self
            .disk
            .open_object(which.bucket, which.key, which.version)
            .await;
        let (info, body) = opened.map_err(of_disk)?;
        if info.sequence != judged.sequence {
            return Err(s3_error!(
                OperationAborted,
                "The source was replaced while it was being copied; try again."
            ));
        }
        let range = match input.copy_source_range.as_deref() {
            None => 0..info.size_bytes,
            Some(text) => copied_range(text, info.size_bytes)?,
        };
        let mut staged = self.disk.stage(upload.algorithm);
        let mut chunks = body.read(range);
        while let Some(bytes) = chunks.next().await {
            let bytes = bytes.map_err(of_disk)?;
            staged.write(bytes).await.map_err(of_disk)?;
        }
        let written = staged.finish().await.map_err(of_disk)?;
        let now_ms = caller.now_ms as i64;
        let part = self
            .disk
            .put_part(
                &input.bucket,
                &input.key,
                &input.upload_id,
                number,
                written,
                now_ms,
            )
            .await
            .map_err(of_disk)?;
        let mut result = CopyPartResult {
            e_tag: Some(convert::etag(&part.etag)),
            last_modified: Some(convert::timestamp(part.modified_ms)),
            ..CopyPartResult::default()
        };
        set_checksum!(result, &part.checksum);
        Ok(S3Response::new(UploadPartCopyOutput {
            copy_part_result: Some(result),
            copy_source_version_id: info.version_id,
            ..UploadPartCopyOutput::default()
        }))
    }

    pub(super) async fn complete(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let now_ms = caller_of(&request)?.now_ms as i64;
        let input = &request.input;
        let chosen = input.multipart_upload.as_ref();
        let chosen = chosen.and_then(|chosen| chosen.parts.as_deref());
        let chosen = chosen
            .filter(|parts| !parts.is_empty())
            .ok_or_else(|| s3_error!(MalformedXML, "You must specify at least one part"))?;
        let (bucket, key, id) = (&input.bucket, &input.key, &input.upload_id);
        let upload = self.disk.upload(bucket, key, id).await;
        let algorithm = upload.map_err(of_disk)?.algorithm;
        let parts = chosen.iter().map(|part| {
            Ok(PartChoice {
                number: part_number(part.part_number.unwrap_or(0))?,
                etag: part
                    .e_tag
                    .as_ref()
                    .map(|etag| etag.value().to_owned())
                    .unwrap_or_default(),
                checksum: said_checksum!(part, algorithm),
            })
        });
        let asked = CompleteRequest {
            bucket: input.bucket.clone(),
            key: input.key.clone(),
            upload_id: input.upload_id.clone(),
            parts: parts.collect::<S3Result<_>>()?,
            checksum: said_checksum!(input, algorithm),
            size_bytes: input
                .mpu_object_size
                .and_then(|size| u64::try_from(size).ok()),
            condition: convert::write_condition(
                input.if_match.as_ref(),
                input.if_none_match.as_ref(),
            )?,
        };
        let put = self
            .disk
            .complete_upload(asked, now_ms)
            .await
            .map_err(of_disk)?;
        let mut output = CompleteMultipartUploadOutput {
            bucket: Some(input.bucket.clone()),
            e_tag: Some(convert::etag(&put.etag)),
            key: Some(input.key.clone()),
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            version_id: put.version_id,
            checksum_type: Some(put.checksum.kind.as_str().to_owned().into()),
            ..CompleteMultipartUploadOutput::default()
        };
        set_checksum!(output, &put.checksum);
        Ok(S3Response::new(output))
    }

    pub(super) async fn abort(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = &request.input;
        let aborted = self
            .disk
            .abort_upload(&input.bucket, &input.key, &input.upload_id)
            .await;
        aborted.map_err(of_disk)?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    pub(super) async fn list_upload_parts(
        &self,
        request: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        let input = request.input;
        let after = u32::try_from(input.part_number_marker.unwrap_or(0)).unwrap_or(0);
        let most = input.max_parts.unwrap_or(limits::PAGE_ENTRIES_MAX as i32);
        let most = usize::try_from(most)
            .unwrap_or(0)
            .min(limits::PAGE_ENTRIES_MAX);
        let page = self
            .disk
            .list_parts(&input.bucket, &input.key, &input.upload_id, after, most)
            .await
            .map_err(of_disk)?;
        let parts = page.parts.iter().map(|part| {
            let mut listed = Part {
                e_tag: Some(convert::etag(&part.etag)),
                last_modified: Some(convert::timestamp(part.modified_ms)),
                part_number: i32::try_from(part.number).ok(),
                size: i64::try_from(part.size_bytes).ok(),
                ..Part::default()
            };
            set_checksum!(listed, &part.checksum);
            listed
        });
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            checksum_algorithm: Some(page.upload.algorithm.as_str().to_owned().into()),
            checksum_type: Some(page.upload.checksum_kind.as_str().to_owned().into()),
            initiator: Some(initiator(&page.upload.owner)),
            is_truncated: Some(page.next.is_some()),
            key: Some(input.key),
            max_parts: Some(most as i32),
            next_part_number_marker: page.next.and_then(|next| i32::try_from(next).ok()),
            owner: Some(convert::owner(&self.owner_id)),
            part_number_marker: input.part_number_marker.or(Some(0)),
            parts: Some(parts.collect()),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            upload_id: Some(input.upload_id),
            ..ListPartsOutput::default()
        }))
    }
}

/// Who began an upload.
pub fn initiator(name: &str) -> Initiator {
    Initiator {
        display_name: None,
        id: Some(name.to_owned()),
    }
}

fn part_number(number: i32) -> S3Result<u32> {
    let most = limits::PARTS_MAX;
    let known = u32::try_from(number).ok();
    known
        .filter(|number| (1..=most).contains(number))
        .ok_or_else(|| {
            invalid(format!(
                "Part number must be an integer between 1 and {most}, inclusive"
            ))
        })
}

/// Both ends are said, and lie within.
fn copied_range(text: &str, size_bytes: u64) -> S3Result<std::ops::Range<u64>> {
    let refuse = || {
        invalid(format!(
            "x-amz-copy-source-range is '{text}'; it must be bytes=first-last, within the \
             source's {size_bytes} bytes."
        ))
    };
    match Range::parse(text) {
        Ok(Range::Int {
            first,
            last: Some(last),
        }) if last < size_bytes => Ok(first..last + 1),
        _ => Err(refuse()),
    }
}
