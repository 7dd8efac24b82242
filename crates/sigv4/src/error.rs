use thiserror::Error;

use crate::{limits, time};

/// Why a request is not taken for its signer's. All but none are the client's fault; messages
/// name the header or the difference, and never contain what an attacker could use to sign.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum VerifyError {
    /// There is no signature at all.
    #[error(
        "the request is not signed: it has neither an Authorization header nor X-Amz-Signature in \
         its query"
    )]
    Missing,
    /// There is a signature, but a part of it is missing, malformed or stands there twice.
    #[error("the signature is incomplete: {0}")]
    Incomplete(String),
    /// A header that must be signed is not among the signed ones; its name.
    #[error("the header {0} is in the request and must be signed, but SignedHeaders lacks it")]
    NotSigned(String),
    /// A header that is named among the signed ones is not in the request; its name.
    #[error("SignedHeaders names {0}, but the request has no such header")]
    NotSent(String),
    /// The day in the credential's scope is not the day of the signature's time.
    #[error("the credential is scoped to the day {scope}, but the request is of {time}")]
    WrongScopeDate {
        /// The day in the scope, `YYYYMMDD`.
        scope: String,
        /// The time of the signature, `YYYYMMDDTHHMMSSZ`.
        time: String,
    },
    /// A signature for several regions is not for the one that is asked for.
    #[error("the signature is for the regions {presented}, but this is {wanted}")]
    WrongRegionSet {
        /// `X-Amz-Region-Set` as it was sent.
        presented: String,
        /// The region that the request came to.
        wanted: String,
    },
    /// The request is too old.
    #[error(
        "the signature of {} expired at {}, and now it is {} ({} seconds later): check the \
         client's clock",
        time::format(*.signed_secs), time::format(*.until_secs), time::format(*.now_secs),
        .now_secs.saturating_sub(*.until_secs)
    )]
    Expired {
        /// The signature's time, seconds since the epoch.
        signed_secs: u64,
        /// When its validity ended, seconds since the epoch.
        until_secs: u64,
        /// Our time, seconds since the epoch.
        now_secs: u64,
        /// The signature is in the query, with a validity of its own.
        is_presigned: bool,
    },
    /// The request comes from too far in the future.
    #[error(
        "the signature of {} is not yet valid: it is {} seconds ahead of {}, our time: check the \
         client's clock",
        time::format(*.signed_secs), .signed_secs.saturating_sub(*.now_secs),
        time::format(*.now_secs)
    )]
    NotYetValid {
        /// The signature's time, seconds since the epoch.
        signed_secs: u64,
        /// Our time, seconds since the epoch.
        now_secs: u64,
    },
    /// The body is not the one whose hash is in `x-amz-content-sha256`.
    #[error("the body's SHA-256 is not the one in x-amz-content-sha256")]
    PayloadMismatch,
    /// `x-amz-content-sha256` holds something that is not accepted here.
    #[error(
        "x-amz-content-sha256 is {0:?}; allowed is the SHA-256 of the body in lower-case \
         hexadecimal, and for S3 also UNSIGNED-PAYLOAD"
    )]
    PayloadForm(String),
    /// The signature does not fit the request, or the secret is another one.
    #[error(
        "the signature that the request has is not the one that its secret access key gives for \
         it: check the secret, and whether something changed the request on its way"
    )]
    SignatureMismatch,
}

/// In whose words an error is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorStyle {
    /// Services with XML errors: CloudFront, Route 53, STS, IAM, CloudFormation.
    Xml,
    /// Services with JSON errors.
    Json,
    /// S3.
    S3,
}

impl VerifyError {
    /// AWS's code for this. Where one service answers differently from another of its style, the
    /// commonest is taken.
    pub fn code(&self, style: ErrorStyle) -> &'static str {
        use ErrorStyle::{Json, S3, Xml};
        match (self, style) {
            (Self::Missing, Xml) => "MissingAuthenticationToken",
            (Self::Missing, Json) => "MissingAuthenticationTokenException",
            (Self::Missing | Self::NotSigned(_), S3) => "AccessDenied",
            (Self::Incomplete(_), Xml) => "IncompleteSignature",
            (Self::Incomplete(_), Json) => "IncompleteSignatureException",
            (Self::Incomplete(_), S3) => "AuthorizationHeaderMalformed",
            (Self::PayloadForm(_), S3) => "InvalidArgument",
            (Self::PayloadMismatch, S3) => "XAmzContentSHA256Mismatch",
            (Self::Expired { is_presigned, .. }, S3) if *is_presigned => "AccessDenied",
            (Self::Expired { .. } | Self::NotYetValid { .. }, S3) => "RequestTimeTooSkewed",
            (_, Xml | S3) => "SignatureDoesNotMatch",
            (_, Json) => "InvalidSignatureException",
        }
    }

    /// The status that goes with the code.
    pub fn status(&self, style: ErrorStyle) -> u16 {
        match (self, style) {
            (Self::Incomplete(_), _)
            | (Self::PayloadForm(_) | Self::PayloadMismatch, ErrorStyle::S3) => 400,
            _ => 403,
        }
    }
}

/// Why a request cannot be signed; always the caller's fault.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum SignError {
    /// Every signature covers the host.
    #[error("a request without a host header cannot be signed")]
    NoHost,
    /// What signing adds is there already; its name.
    #[error("the request has {0} already")]
    AlreadySigned(String),
    /// The validity asked for is not one that services accept, seconds.
    #[error("a presigned URL is valid for 1 to {max} seconds, not {0}",
            max = limits::PRESIGNED_EXPIRES_SECS_MAX)]
    Expires(u64),
    /// No key pair follows from the credentials; happens to one pair in 2^8000.
    #[error("no signing key can be derived from these credentials")]
    NoKey,
}
