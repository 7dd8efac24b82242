//! Warmfront's own operations, for its command line: what AWS has no API for.
//!
//! AWS's JSON protocol, signed for the service `warmfront`; `X-Amz-Target` is
//! `Warmfront.<Operation>`, and the permission `warmfront:<Operation>`.
//!
//! ```text
//! CreateAccessKey  {UserName, Policy}        Policy: a document, or the name of one
//! ListAccessKeys   {}
//! DeleteAccessKey  {AccessKeyId}
//! ListSites        {Marker?, MaxItems?}      distributions, and what nodes serve of them
//! History          {Id}                      versions of a resource, by its id or name
//! Rollback         {Id, ToRevision, IfMatch?}
//! Explain          {Url, …}                  answered by the edge in this process
//! ExplainDns       {Name, Type, From}        answered by the name server in this process
//! GetAuthority     {}                        the certificate of the local authority, PEM
//! ```

mod history;
mod sites;

use bytes::Bytes;
use http::{HeaderValue, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shapes::Timestamp;
use shapes::schema::{Operation, Protocol};

use crate::Control;
use crate::acm;
use crate::api::{self, Admitted};
use crate::call::{Answer, Call, Reply};
use crate::error::{ApiError, Failure};
use crate::identity::{self, AccessKey, Policy};
use crate::service::{Entry, served};

/// The service has no model of AWS's: its operations are these.
static OPERATIONS: [Operation; 9] = [
    operation("CreateAccessKey"),
    operation("DeleteAccessKey"),
    operation("Explain"),
    operation("ExplainDns"),
    operation("GetAuthority"),
    operation("History"),
    operation("ListAccessKeys"),
    operation("ListSites"),
    operation("Rollback"),
];

const ENTRIES: &[Entry] = &[
    served("CreateAccessKey", |call| Box::pin(create_access_key(call))),
    served("DeleteAccessKey", |call| Box::pin(delete_access_key(call))),
    served("Explain", |call| Box::pin(explain(call))),
    served("ExplainDns", |call| Box::pin(explain_dns(call))),
    served("GetAuthority", |call| Box::pin(get_authority(call))),
    served("History", |call| Box::pin(history::history(call))),
    served("ListAccessKeys", |call| Box::pin(list_access_keys(call))),
    served("ListSites", |call| Box::pin(sites::list(call))),
    served("Rollback", |call| Box::pin(history::roll_back(call))),
];

const fn operation(name: &'static str) -> Operation {
    Operation {
        name,
        protocol: Protocol::Json,
        method: "POST",
        uri: "/",
        status: 200,
        input: None,
        output: None,
        errors: &[],
    }
}

/// Answers a request.
pub(crate) async fn answer(
    control: &Control,
    admitted: &Admitted<'_>,
) -> Result<Response<Bytes>, Failure> {
    let name = api::target(admitted, "Warmfront")?;
    let known = OPERATIONS.iter().find(|operation| operation.name == name);
    let entry = ENTRIES.iter().find(|entry| entry.operation == name);
    let (Some(operation), Some(entry)) = (known, entry) else {
        let message = format!("Warmfront has no operation '{name}'.");
        return Err(ApiError::common("UnknownOperationException", 400, message).into());
    };
    let (input, fault) = match serde_json::from_slice(admitted.body) {
        Ok(Value::Object(input)) => (Value::Object(input), None),
        Ok(_) => (Value::Null, Some(invalid("The body is no JSON object."))),
        Err(error) => (
            Value::Null,
            Some(invalid(format!("The body is not JSON: {error}"))),
        ),
    };
    let call = admitted.call(control, operation, input);
    let reply = control.answer(&call, "warmfront", admitted, fault, Some(entry.run));
    let mut response = Response::new(Bytes::from(reply.await?.output.to_string()));
    let content_type = HeaderValue::from_static("application/x-amz-json-1.1");
    response.headers_mut().insert("content-type", content_type);
    Ok(response)
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::common("ValidationException", 400, message)
}

/// The input as its struct; members that it does not have are an error.
fn input<T: DeserializeOwned>(call: &Call<'_>) -> Result<T, Failure> {
    T::deserialize(&call.input).map_err(|error| invalid(error.to_string()).into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct CreateAccessKey {
    user_name: String,
    policy: Value,
}

async fn create_access_key(call: &Call<'_>) -> Answer {
    let input: CreateAccessKey = input(call)?;
    let policy = match &input.policy {
        Value::String(name) => Policy::named(name).ok_or_else(|| {
            invalid(format!(
                "Policy is '{name}'; allowed are {} and a document.",
                Policy::NAMES.join(", ")
            ))
        })?,
        document => {
            let policy = Policy::parse(&document.to_string());
            let message = |error| ApiError::common("MalformedPolicyDocument", 400, error);
            policy.map_err(|error| message(error.to_string()))?
        }
    };
    let key = identity::create(call, &input.user_name, policy).await?;
    let mut told = describe(&key);
    // Told here, once, and never again.
    told["SecretAccessKey"] = json!(key.secret);
    Ok(reply(json!({ "AccessKey": told })))
}

fn describe(key: &AccessKey) -> Value {
    let policy = match key.policy.name() {
        Some(name) => json!(name),
        None => json!(key.policy),
    };
    json!({
        "AccessKeyId": key.id,
        "UserName": key.user_name,
        "Policy": policy,
        "CreateDate": time(key.created_ms),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

async fn list_access_keys(call: &Call<'_>) -> Answer {
    let Nothing {} = input(call)?;
    let keys = identity::list(call).await?;
    let keys: Vec<Value> = keys.iter().map(describe).collect();
    Ok(reply(json!({ "AccessKeys": keys })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct DeleteAccessKey {
    access_key_id: String,
}

async fn delete_access_key(call: &Call<'_>) -> Answer {
    let input: DeleteAccessKey = input(call)?;
    identity::delete(call, &input.access_key_id).await?;
    Ok(Reply::empty())
}

async fn explain(call: &Call<'_>) -> Answer {
    match call.control.node.explain(&call.input) {
        Some(Ok(explanation)) => Ok(reply(explanation)),
        Some(Err(message)) => Err(invalid(message).into()),
        None => {
            let message = "This node serves no viewers; ask one that has the role 'edge'.";
            Err(ApiError::common("NoEdgeHere", 409, message).into())
        }
    }
}

async fn explain_dns(call: &Call<'_>) -> Answer {
    match call.control.node.explain_dns(&call.input) {
        Some(Ok(explanation)) => Ok(reply(explanation)),
        Some(Err(message)) => Err(invalid(message).into()),
        None => {
            let message = "This node answers no DNS; ask one that has the role 'dns'.";
            Err(ApiError::common("NoNameServerHere", 409, message).into())
        }
    }
}

/// The local authority; asked for before it has issued anything, it is made.
async fn get_authority(call: &Call<'_>) -> Answer {
    let authority = acm::local::authority(call.control, call.now_ms).await;
    let authority =
        authority.map_err(|error| ApiError::common("InternalFailure", 500, error.to_string()))?;
    Ok(reply(json!({ "Certificate": authority.certificate_pem() })))
}

fn reply(output: Value) -> Reply {
    Reply {
        output,
        headers: Vec::new(),
    }
}

fn time(unix_ms: u64) -> Timestamp {
    Timestamp::from_unix_ms(i64::try_from(unix_ms).unwrap_or(i64::MAX))
}
