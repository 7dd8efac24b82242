//! To be completed.

use bytes::Bytes;
use http::Response;

use crate::Control;
use crate::api::Admitted;
use crate::error::{ApiError, Failure};

pub(crate) const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Answers a request.
pub(crate) async fn answer(
    _control: &Control,
    _admitted: &Admitted<'_>,
) -> Result<Response<Bytes>, Failure> {
    Err(ApiError::common("NotImplemented", 501, "Not implemented.").into())
}
