//! STS, API version 2011-06-15: `GetCallerIdentity`, which clients ask first to learn whether their
//! key is good and whose account it is. It needs no permission.

use bytes::Bytes;
use http::Response;
use shapes::xml::escape;

use crate::Control;
use crate::api::{self, Admitted};
use crate::error::Failure;
use crate::identity::principal_id;
use crate::query::{self, Parameters};

pub(crate) const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Answers a request.
pub(crate) async fn answer(
    control: &Control,
    admitted: &Admitted<'_>,
) -> Result<Response<Bytes>, Failure> {
    let parameters = Parameters::of(admitted)?;
    let operation = parameters.operation("2011-06-15")?;
    if operation != "GetCallerIdentity" {
        return Err(api::not_implemented(operation).into());
    }
    let (caller, account) = (&admitted.caller, &control.config.account_id);
    let result = format!(
        "<Arn>{}</Arn><UserId>{}</UserId><Account>{account}</Account>",
        escape(&caller.arn),
        principal_id(account, &caller.user_name),
    );
    let request_id = &admitted.origin.request_id;
    Ok(query::answer(NAMESPACE, operation, &result, request_id))
}
