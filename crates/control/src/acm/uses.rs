//! Who is served with a certificate.
//!
//! A distribution, or a tenant of one, that names a certificate is committed only if the
//! certificate is still as it was read; a certificate is deleted only if nothing was written to
//! the collections of both since they were looked through. Whichever commits first, the other one
//! runs again and sees it.

use std::collections::BTreeMap;

use documents::{Resource, keys};
use serde_json::Value;

use crate::call::Call;
use crate::change::Change;
use crate::error::Failure;

/// Collections of the users, how their ARNs name them, and where a config names the certificate.
const USERS: [(&str, &str, &str); 2] = [
    (
        keys::DISTRIBUTION,
        "distribution",
        "/ViewerCertificate/ACMCertificateArn",
    ),
    (
        keys::DISTRIBUTION_TENANT,
        "distribution-tenant",
        "/customizations/Certificate/Arn",
    ),
];

/// The ARNs of the users of certificates, by the certificate's ARN.
pub(crate) type Uses = BTreeMap<String, Vec<String>>;

/// All of them.
pub(crate) async fn all(call: &Call<'_>) -> Result<Uses, Failure> {
    let mut uses = Uses::new();
    for (collection, kind, pointer) in USERS {
        for document in call.list_all(&keys::collection(collection)).await? {
            let user = Resource::<Value>::decode(&document.key, &document.value)?;
            if let Some(arn) = user.config.pointer(pointer).and_then(Value::as_str) {
                let user = call.control.arn(&format!("{kind}/{}", user.id));
                uses.entry(arn.to_owned()).or_default().push(user);
            }
        }
    }
    Ok(uses)
}

/// The change, if nobody uses the certificate and as long as nobody does; otherwise who does.
pub(crate) async fn unused(
    call: &Call<'_>,
    mut change: Change,
    arn: &str,
) -> Result<Result<Change, Vec<String>>, Failure> {
    // Before they are looked through.
    for (collection, _, _) in USERS {
        let guard = call.guard(collection).await?;
        change = change.if_still(keys::guard(collection), guard);
    }
    Ok(match all(call).await?.remove(arn) {
        Some(users) => Err(users),
        None => Ok(change),
    })
}
