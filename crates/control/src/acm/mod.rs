//! AWS Certificate Manager, API version 2015-12-08 (companions spec §2).
//!
//! A certificate is two documents: what ACM tells of it ([`documents::acm::Certificate`]), which
//! is written here and by the upkeep, and, once there is one, what edges serve
//! ([`documents::tls::Material`]). Whoever issues or imports writes both in one transaction.
//!
//! A certificate's region is the one that the request is signed for. Any is taken; distributions
//! are served with certificates of `us-east-1` alone, as CloudFront's are.
//!
//! What it does not do: validate names, speak to ACME servers, renew. That is the upkeep's. The
//! local authority issues at once, within the request ([`local`]).
//!
//! Read [`find`] (the table of operations), `held.rs` (a certificate in the store), `told.rs` (what
//! is told of it) first.

mod account;
mod export;
pub(crate) mod held;
mod import;
mod list;
pub(crate) mod local;
mod names;
mod options;
mod request;
mod search;
mod tags;
pub(crate) mod told;
pub(crate) mod upkeep;
pub(crate) mod uses;
pub(crate) mod validation;

use shapes::acm::error;
use shapes::rest::RequestError;
use shapes::schema::{ErrorShape, Operation};

use crate::call::Call;
use crate::error::{ApiError, Failure};
use crate::service::{Entry, served, stored};

/// As CloudTrail names what the calls are about.
const CFN_TYPE: &str = "AWS::CertificateManager::Certificate";

const OPTIONS_NOTE: &str = "authorities log certificates in public logs as they see fit";
const REVOCATION_NOTE: &str = "its authority is not told; nothing here is served with it any more";
const EVENTS_NOTE: &str = "no events are sent before certificates expire";
const MAIL_NOTE: &str = "refused: names are validated by DNS alone";

const OPERATIONS: &[Entry] = &[
    served("RequestCertificate", |call| {
        Box::pin(request::request(call))
    }),
    served("ImportCertificate", |call| Box::pin(import::import(call))),
    served("DescribeCertificate", |call| Box::pin(told::describe(call))),
    served("ListCertificateDomainValidations", |call| {
        Box::pin(told::validations(call))
    }),
    served("GetCertificate", |call| Box::pin(export::get(call))),
    served("ExportCertificate", |call| Box::pin(export::export(call))),
    served("ListCertificates", |call| Box::pin(list::list(call))),
    served("SearchCertificates", |call| Box::pin(search::search(call))),
    served("DeleteCertificate", |call| Box::pin(options::delete(call))),
    served("RenewCertificate", |call| Box::pin(options::renew(call))),
    stored("RevokeCertificate", REVOCATION_NOTE, |call| {
        Box::pin(options::revoke(call))
    }),
    stored("UpdateCertificateOptions", OPTIONS_NOTE, |call| {
        Box::pin(options::update(call))
    }),
    stored("ResendValidationEmail", MAIL_NOTE, |call| {
        Box::pin(options::resend_mail(call))
    }),
    served("AddTagsToCertificate", |call| Box::pin(tags::add(call))),
    served("RemoveTagsFromCertificate", |call| {
        Box::pin(tags::remove(call))
    }),
    served("ListTagsForCertificate", |call| Box::pin(tags::list(call))),
    served("TagResource", |call| Box::pin(tags::add(call))),
    served("UntagResource", |call| Box::pin(tags::remove(call))),
    served("ListTagsForResource", |call| Box::pin(tags::list(call))),
    stored("GetAccountConfiguration", EVENTS_NOTE, |call| {
        Box::pin(account::get(call))
    }),
    stored("PutAccountConfiguration", EVENTS_NOTE, |call| {
        Box::pin(account::put(call))
    }),
];

/// The implementation of an operation, if there is one.
pub(crate) fn find(operation: &str) -> Option<&'static Entry> {
    OPERATIONS.iter().find(|entry| entry.operation == operation)
}

/// The first of these errors that the operation has: clients know those of an operation alone.
fn known(operation: &Operation, wanted: &[&'static ErrorShape]) -> Option<&'static ErrorShape> {
    let is_known = |shape: &&&'static ErrorShape| {
        let mut errors = operation.errors.iter();
        errors.any(|known| known.code == shape.code)
    };
    wanted.iter().find(is_known).copied()
}

/// An input that is not allowed, by the name that the operation has for that.
fn input_fault(operation: &Operation, message: String) -> ApiError {
    let wanted = [
        &error::VALIDATION_EXCEPTION,
        &error::INVALID_PARAMETER_EXCEPTION,
        &error::INVALID_ARGS_EXCEPTION,
    ];
    match known(operation, &wanted) {
        Some(shape) => ApiError::new(shape, message),
        None => ApiError::common("ValidationException", 400, message),
    }
}

/// The answer to a request that does not fit its operation.
pub(crate) fn input_error(operation: &'static Operation, error: &RequestError) -> ApiError {
    match error {
        RequestError::Body(errors) if errors.iter().all(|error| error.path.is_empty()) => {
            ApiError::common("SerializationException", 400, error.to_string())
        }
        _ => input_fault(operation, error.to_string()),
    }
}

fn invalid(call: &Call<'_>, message: impl Into<String>) -> Failure {
    input_fault(call.operation, message.into()).into()
}

/// Ours to mend, or the operator's.
fn internal(problem: &str) -> Failure {
    tracing::error!(problem, "a call fails");
    ApiError::common("InternalFailure", 500, problem).into()
}

/// Refuses an input that is out of the bounds that AWS's model states.
fn check_bounds(call: &Call<'_>) -> Result<(), Failure> {
    let Some(input) = &call.operation.input else {
        return Ok(());
    };
    match shapes::check_bounds(input.shape, &call.input).first() {
        None => Ok(()),
        Some(error) => Err(invalid(call, error.to_string())),
    }
}

/// A choice of AWS's model by its name; nothing if the model does not have it.
fn choice<T: serde::de::DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::from(name)).ok()
}

/// A time in milliseconds since 1970, as ACM tells it: in whole seconds.
fn whole_second(at_ms: u64) -> shapes::Timestamp {
    shapes::Timestamp::from_unix_ms((at_ms / 1_000 * 1_000) as i64)
}
