use std::fmt;

/// Why a request is refused with 400: what the viewer sent, or what the operator allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// `Content-Type` is no media type.
    MalformedContentType,
    /// The body is no form, or cannot be read.
    MalformedInput,
    /// `fle-profile` is empty, there twice or wrongly escaped.
    MalformedQueryArgs,
    /// No profile is set for this type of content, and such content is not forwarded.
    RejectedByContentType,
    /// No profile is set for this value of `fle-profile`, and such requests are not forwarded.
    RejectedByQueryArgs,
    /// A field to encrypt is longer than [`VALUE_BYTES_MAX`](crate::limits::VALUE_BYTES_MAX).
    FieldLength,
    /// The body has more fields than [`FIELDS_MAX`](crate::limits::FIELDS_MAX).
    FieldNumber,
    /// The body is longer than [`BODY_BYTES_MAX`](crate::limits::BODY_BYTES_MAX).
    RequestLength,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 8] = [
        Refusal::MalformedContentType,
        Refusal::MalformedInput,
        Refusal::MalformedQueryArgs,
        Refusal::RejectedByContentType,
        Refusal::RejectedByQueryArgs,
        Refusal::FieldLength,
        Refusal::FieldNumber,
        Refusal::RequestLength,
    ];

    /// Whether less of the same would be let through.
    pub fn is_of_size(self) -> bool {
        use Refusal::{FieldLength, FieldNumber, RequestLength};
        matches!(self, FieldLength | FieldNumber | RequestLength)
    }

    /// What is wrong and what is allowed, in a sentence.
    pub fn reason(self) -> &'static str {
        match self {
            Refusal::MalformedContentType => {
                "Content-Type is no single media type such as application/x-www-form-urlencoded."
            }
            Refusal::MalformedInput => {
                "The body is not application/x-www-form-urlencoded: an escape in the name of a \
                 field or in a value to encrypt is wrong, or the body is compressed."
            }
            Refusal::MalformedQueryArgs => {
                "fle-profile in the query is empty, there twice or wrongly escaped."
            }
            Refusal::RejectedByContentType => {
                "No profile is set for this Content-Type, and ForwardWhenContentTypeIsUnknown is \
                 false."
            }
            Refusal::RejectedByQueryArgs => {
                "No profile is set for this value of fle-profile, and \
                 ForwardWhenQueryArgProfileIsUnknown is false."
            }
            Refusal::FieldLength => "A field to encrypt is longer than 16 KB.",
            Refusal::FieldNumber => "The body has more than 10 fields.",
            Refusal::RequestLength => "The body is longer than 1 MB.",
        }
    }
}

/// What became of a request to a behavior with field-level encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// The body was read, and its fields encrypted if there were any to encrypt.
    Processed,
    /// Forwarded as it is: no profile is set for its type of content.
    ForwardedByContentType,
    /// Forwarded as it is: no profile is set for its `fle-profile`.
    ForwardedByQueryArgs,
    /// Forwarded as it is: its type of content is set, to no profile.
    ForwardedDueToNoProfile,
    /// Refused with 400.
    Refused(Refusal),
    /// The origin failed.
    ServerError,
}

impl Status {
    /// The word of the access log, `fle-status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Processed => "Processed",
            Status::ForwardedByContentType => "ForwardedByContentType",
            Status::ForwardedByQueryArgs => "ForwardedByQueryArgs",
            Status::ForwardedDueToNoProfile => "ForwardedDueToNoProfile",
            Status::Refused(Refusal::MalformedContentType) => "MalformedContentTypeClientError",
            Status::Refused(Refusal::MalformedInput) => "MalformedInputClientError",
            Status::Refused(Refusal::MalformedQueryArgs) => "MalformedQueryArgsClientError",
            Status::Refused(Refusal::RejectedByContentType) => "RejectedByContentType",
            Status::Refused(Refusal::RejectedByQueryArgs) => "RejectedByQueryArgs",
            Status::Refused(Refusal::FieldLength) => "FieldLengthLimitClientError",
            Status::Refused(Refusal::FieldNumber) => "FieldNumberLimitClientError",
            Status::Refused(Refusal::RequestLength) => "RequestLengthLimitClientError",
            Status::ServerError => "ServerError",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
