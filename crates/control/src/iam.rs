//! IAM, API version 2010-05-08: what Terraform's provider and the AWS SDKs ask at their start.
//!
//! Users are the names that access keys were made for. There are no roles, no groups and no
//! account aliases here, and the answers say so. Everything else answers 501.

use bytes::Bytes;
use http::Response;
use shapes::Timestamp;
use shapes::xml::escape;

use crate::Control;
use crate::api::{self, Admitted};
use crate::error::{ApiError, Failure};
use crate::identity::{self, ROOT, principal_id};
use crate::query::{self, Parameters};

pub(crate) const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";

/// Answers a request.
pub(crate) async fn answer(
    control: &Control,
    admitted: &Admitted<'_>,
) -> Result<Response<Bytes>, Failure> {
    let parameters = Parameters::of(admitted)?;
    let operation = parameters.operation("2010-05-08")?;
    let caller = &admitted.caller;
    let result = match operation {
        "GetUser" => {
            admitted.permit(control, "iam:GetUser", &caller.arn)?;
            user(control, admitted, parameters.text("UserName")).await?
        }
        "ListRoles" => {
            admitted.permit(control, "iam:ListRoles", "*")?;
            "<Roles/><IsTruncated>false</IsTruncated>".to_owned()
        }
        "ListAccountAliases" => {
            admitted.permit(control, "iam:ListAccountAliases", "*")?;
            "<AccountAliases/><IsTruncated>false</IsTruncated>".to_owned()
        }
        other => return Err(api::not_implemented(other).into()),
    };
    let request_id = &admitted.origin.request_id;
    Ok(query::answer(NAMESPACE, operation, &result, request_id))
}

/// The caller. Of others nothing is told.
async fn user(
    control: &Control,
    admitted: &Admitted<'_>,
    asked: Option<&str>,
) -> Result<String, Failure> {
    let (caller, account) = (&admitted.caller, &control.config.account_id);
    if let Some(other) = asked.filter(|name| *name != caller.user_name) {
        let message = format!("The user '{other}' is not the caller, and only that one is known.");
        return Err(ApiError::common("NoSuchEntity", 404, message).into());
    }
    let key = identity::find(control, &caller.access_key_id).await?;
    let created_ms = key.map_or(0, |key| key.created_ms);
    // The root of an account is no user, and has neither a path nor a name.
    let name = match caller.user_name.as_str() {
        ROOT => String::new(),
        name => format!("<Path>/</Path><UserName>{}</UserName>", escape(name)),
    };
    Ok(format!(
        "<User>{name}<UserId>{}</UserId><Arn>{}</Arn><CreateDate>{}</CreateDate></User>",
        principal_id(account, &caller.user_name),
        escape(&caller.arn),
        Timestamp::from_unix_ms((created_ms / 1_000 * 1_000) as i64),
    ))
}
