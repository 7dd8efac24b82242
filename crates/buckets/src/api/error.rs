//! The disk's errors as S3's.

use http::{HeaderMap, HeaderValue, StatusCode};
use s3s::{S3Error, S3ErrorCode};

use crate::disk::DiskError;

/// What S3 calls it. Whose fault it is follows from the status.
pub fn of_disk(error: DiskError) -> S3Error {
    let code = match &error {
        DiskError::NoSuchBucket(_) => S3ErrorCode::NoSuchBucket,
        DiskError::BucketExists(_) => S3ErrorCode::BucketAlreadyOwnedByYou,
        DiskError::BucketNotEmpty(_) => S3ErrorCode::BucketNotEmpty,
        DiskError::NoSuchKey | DiskError::IsDeleteMarker { .. } => S3ErrorCode::NoSuchKey,
        DiskError::NoSuchVersion => S3ErrorCode::NoSuchVersion,
        DiskError::PreconditionFailed => S3ErrorCode::PreconditionFailed,
        DiskError::NoSuchUpload => S3ErrorCode::NoSuchUpload,
        DiskError::InvalidPart(_) => S3ErrorCode::InvalidPart,
        DiskError::InvalidPartOrder => S3ErrorCode::InvalidPartOrder,
        DiskError::PartTooSmall(_) => S3ErrorCode::EntityTooSmall,
        DiskError::BadDigest(_) => S3ErrorCode::BadDigest,
        DiskError::TooLarge(_) => S3ErrorCode::EntityTooLarge,
        DiskError::Invalid { field, .. } => of_field(field),
        DiskError::TooMany { field, .. } if *field == "buckets" => S3ErrorCode::TooManyBuckets,
        DiskError::TooMany { .. } => S3ErrorCode::InvalidRequest,
        DiskError::Unavailable(_) => S3ErrorCode::ServiceUnavailable,
        DiskError::Damaged(_) => S3ErrorCode::InternalError,
    };
    if matches!(error, DiskError::Unavailable(_) | DiskError::Damaged(_)) {
        tracing::error!(%error, "buckets");
    }
    S3Error::with_message(code, sentence(&error.to_string()))
}

fn of_field(field: &str) -> S3ErrorCode {
    match field {
        "key" => S3ErrorCode::KeyTooLongError,
        "bucket" => S3ErrorCode::InvalidBucketName,
        "tags" | "tag" => S3ErrorCode::InvalidTag,
        "metadata" => S3ErrorCode::MetadataTooLarge,
        _ => S3ErrorCode::InvalidArgument,
    }
}

/// With a capital and a full stop, as S3 has it.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    let rest = letters.as_str();
    format!("{}{rest}.", first.map(String::from).unwrap_or_default())
}

/// An error whose code s3s does not know, with its status.
pub fn custom(code: &'static str, status: StatusCode, message: impl Into<String>) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message.into());
    error.set_status_code(status);
    error
}

/// An argument that is not taken.
pub fn invalid(message: impl Into<String>) -> S3Error {
    S3Error::with_message(S3ErrorCode::InvalidArgument, message.into())
}

/// What would be stored and then not be served.
pub fn not_served(message: impl Into<String>) -> S3Error {
    S3Error::with_message(S3ErrorCode::NotImplemented, message.into())
}

/// With fields in the answer.
pub fn with_fields(mut error: S3Error, fields: &[(&'static str, String)]) -> S3Error {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(*name, value);
        }
    }
    error.set_headers(headers);
    error
}

/// What a refusal says whose author left it out.
pub fn message_of(code: &str) -> &'static str {
    match code {
        "SignatureDoesNotMatch" => {
            "The request signature we calculated does not match the signature you provided. Check \
             your secret access key and signing method."
        }
        "AccessDenied" => "Access Denied",
        "NoSuchBucket" => "The specified bucket does not exist.",
        "NoSuchKey" => "The specified key does not exist.",
        "InvalidBucketName" => "The specified bucket is not valid.",
        "MalformedXML" => "The XML that was provided is not well-formed, or not of the schema.",
        "InvalidURI" => "The path cannot be read.",
        "KeyTooLongError" => "The key is too long: 1,024 bytes are allowed.",
        "MethodNotAllowed" => "The method is not allowed against this resource.",
        "IncompleteBody" => "The body has not as many bytes as Content-Length says.",
        "MaxMessageLengthExceeded" => "The body is too long.",
        _ => "The request is refused.",
    }
}
