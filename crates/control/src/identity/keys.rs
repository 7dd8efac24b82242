//! Access keys. To be completed.

use documents::{decode, encode, keys};
use serde::{Deserialize, Serialize};
use store::{Outcome, Store, Txn};

use super::{Caller, Policy};
use crate::error::Failure;
use crate::{Control, ids};

/// An access key as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessKey {
    /// `AKIA…`.
    pub id: String,
    /// 40 characters.
    pub secret: String,
    /// Whom it was made for.
    pub user_name: String,
    /// What it may.
    pub policy: Policy,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
}

impl AccessKey {
    /// Who calls by it.
    pub(crate) fn caller(&self, account_id: &str) -> Caller {
        let arn = match self.user_name.as_str() {
            "root" => format!("arn:aws:iam::{account_id}:root"),
            name => format!("arn:aws:iam::{account_id}:user/{name}"),
        };
        Caller {
            access_key_id: self.id.clone(),
            user_name: self.user_name.clone(),
            arn,
            policy: self.policy.clone(),
        }
    }
}

/// The key of that id.
pub(crate) async fn find(control: &Control, id: &str) -> Result<Option<AccessKey>, Failure> {
    if id.contains('/') {
        return Ok(None);
    }
    let key = keys::access_key(id);
    match control.store.get(&key).await? {
        Some(document) => Ok(Some(decode(&key, &document.value)?)),
        None => Ok(None),
    }
}

/// Makes the root key at the first start of an installation. Returns it to the one that made it,
/// and nothing if there is one.
pub async fn root_key(
    store: &dyn Store,
    now_ms: u64,
) -> Result<Option<AccessKey>, store::StoreError> {
    let (id, secret) = ids::access_key();
    let key = AccessKey {
        id,
        secret,
        user_name: "root".to_owned(),
        policy: Policy::administrator(),
        created_ms: now_ms,
    };
    let txn = Txn::new()
        .if_absent("access/root")
        .put("access/root", key.id.clone())
        .put(keys::access_key(&key.id), encode(&key));
    match store.commit(txn).await? {
        Outcome::Committed(_) => Ok(Some(key)),
        Outcome::Conflict => Ok(None),
    }
}
