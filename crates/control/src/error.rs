//! How a call fails.

use std::borrow::Cow;

use documents::FormError;
use shapes::ShapeError;
use shapes::schema::ErrorShape;
use store::StoreError;

/// What a client is told of a failure: a code of the service's, and words of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// `NoSuchDistribution`.
    pub code: Cow<'static, str>,
    /// HTTP status.
    pub status: u16,
    /// What is there, and what is allowed.
    pub message: String,
    /// Whether the client is to blame, not this service.
    pub is_senders_fault: bool,
}

impl ApiError {
    /// An error of the service's model.
    pub fn new(shape: &'static ErrorShape, message: impl Into<String>) -> ApiError {
        ApiError {
            code: Cow::Borrowed(shape.code),
            status: shape.status,
            message: message.into(),
            is_senders_fault: shape.status < 500,
        }
    }

    /// An error that every service has.
    pub fn common(code: &'static str, status: u16, message: impl Into<String>) -> ApiError {
        ApiError {
            code: Cow::Borrowed(code),
            status,
            message: message.into(),
            is_senders_fault: status < 500,
        }
    }
}

/// Why a call has no result.
#[derive(Debug)]
pub enum Failure {
    /// The client is told.
    Api(ApiError),
    /// Another call changed something first: run this one again.
    Conflict,
    /// The store does not answer or cannot be understood.
    Store(StoreError),
    /// A document in the store cannot be read.
    Form(FormError),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Failure {
        Failure::Api(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        match error {
            StoreError::TooLarge(message) => {
                ApiError::common("EntitySizeLimitExceeded", 413, message).into()
            }
            error => Failure::Store(error),
        }
    }
}

impl From<FormError> for Failure {
    fn from(error: FormError) -> Failure {
        Failure::Form(error)
    }
}

impl Failure {
    /// An error of the service's model.
    pub fn api(shape: &'static ErrorShape, message: impl Into<String>) -> Failure {
        ApiError::new(shape, message).into()
    }

    /// The first of what is wrong with a document, under a code.
    pub fn invalid(shape: &'static ErrorShape, errors: &[ShapeError]) -> Failure {
        let message = match errors {
            [] => String::new(),
            [one] => one.to_string(),
            [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
        };
        Failure::api(shape, message)
    }

    /// What the client is told.
    pub fn into_api_error(self) -> ApiError {
        match self {
            Failure::Api(error) => error,
            Failure::Conflict => ApiError::common(
                "ServiceUnavailable",
                503,
                "Too many others change the same at this moment. Try again.",
            ),
            Failure::Store(error) => {
                tracing::error!(%error, "a call fails");
                ApiError::common("ServiceUnavailable", 503, error.to_string())
            }
            Failure::Form(error) => {
                tracing::error!(%error, "a call fails");
                ApiError::common("InternalFailure", 500, error.to_string())
            }
        }
    }
}
