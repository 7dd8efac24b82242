//! What requests may ask of S3 that is not here: it is refused, not stored.

use http::HeaderMap;
use s3s::{S3Result, s3_error};

use super::error::{custom, not_served};

/// Refuses what a request's fields ask for and would not get.
pub fn check(operation: &str, headers: &HeaderMap) -> S3Result<()> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_write = matches!(
        operation,
        "PutObject"
            | "CopyObject"
            | "CreateMultipartUpload"
            | "UploadPart"
            | "UploadPartCopy"
            | "CreateBucket"
            | "PutBucketAcl"
            | "PutObjectAcl"
    );
    if !is_write {
        return Ok(());
    }
    acl(header("x-amz-acl"))?;
    for name in headers.keys().map(|name| name.as_str()) {
        if name.starts_with("x-amz-grant-") {
            return Err(no_acls());
        }
        if name.starts_with("x-amz-server-side-encryption") {
            return Err(not_served(format!(
                "{name}: objects are not encrypted by the store; encrypt its disk."
            )));
        }
        if name.starts_with("x-amz-object-lock-") || name == "x-amz-write-offset-bytes" {
            return Err(not_served(format!("{name}: there is no such thing here.")));
        }
    }
    if header("x-amz-bucket-object-lock-enabled").is_some_and(|value| value == "true") {
        return Err(not_served("Buckets have no object lock here."));
    }
    if header("x-amz-object-ownership").is_some_and(|value| value != "BucketOwnerEnforced") {
        return Err(no_acls());
    }
    match header("x-amz-storage-class") {
        None | Some("STANDARD") => Ok(()),
        Some(class) => Err(custom(
            "InvalidStorageClass",
            http::StatusCode::BAD_REQUEST,
            format!("The storage class is '{class}'; there is STANDARD alone."),
        )),
    }
}

/// Refuses what grants more than the owner has anyway.
pub fn acl(canned: Option<&str>) -> S3Result<()> {
    match canned {
        None | Some("private" | "bucket-owner-full-control") => Ok(()),
        Some(_) => Err(no_acls()),
    }
}

/// Buckets' owners own all objects, as is S3's default since 2023.
pub fn no_acls() -> s3s::S3Error {
    s3_error!(
        AccessControlListNotSupported,
        "The bucket does not allow ACLs: write a bucket policy."
    )
}
