//! Access keys: where they lie, and the rules by which they come and go.

use documents::{decode, encode, keys};
use serde::{Deserialize, Serialize};
use store::{Outcome, Store, StoreError, Txn};

use super::{Caller, Policy};
use crate::call::Call;
use crate::change::Change;
use crate::error::{ApiError, Failure};
use crate::{Control, ids, limits};

/// The name that the first key is made for.
pub const ROOT: &str = "root";

const CFN_TYPE: &str = "AWS::IAM::AccessKey";

/// Every write of an access key changes this guard, so that no two of them can each leave the
/// other's key as the last administrator, and then delete it.
const GUARD: &str = "access-key";

/// An access key as it is stored.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
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

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret must not get into a log.
        formatter
            .debug_struct("AccessKey")
            .field("id", &self.id)
            .field("user_name", &self.user_name)
            .finish_non_exhaustive()
    }
}

impl AccessKey {
    /// Who calls by it.
    pub(crate) fn caller(&self, account_id: &str) -> Caller {
        let arn = match self.user_name.as_str() {
            ROOT => format!("arn:aws:iam::{account_id}:root"),
            name => format!("arn:aws:iam::{account_id}:user/{name}"),
        };
        Caller {
            access_key_id: self.id.clone(),
            user_name: self.user_name.clone(),
            arn,
            policy: self.policy.clone(),
        }
    }

    /// Whether it can make keys at any time and from anywhere, and so give anybody any right.
    fn is_administrator(&self) -> bool {
        self.policy.always_allows("warmfront:CreateAccessKey", "*")
    }
}

/// The key of that id.
pub(crate) async fn find(control: &Control, id: &str) -> Result<Option<AccessKey>, Failure> {
    // An id with a slash would be a key of something else.
    if id.is_empty() || id.contains('/') {
        return Ok(None);
    }
    let key = keys::access_key(id);
    match control.store.get(&key).await? {
        Some(document) => Ok(Some(decode(&key, &document.value)?)),
        None => Ok(None),
    }
}

/// All keys, in the order of their making.
pub(crate) async fn list(call: &Call<'_>) -> Result<Vec<AccessKey>, Failure> {
    let mut all = Vec::new();
    for document in call.list_all(keys::ACCESS_KEYS).await? {
        all.push(decode::<AccessKey>(&document.key, &document.value)?);
    }
    all.sort_by(|a, b| (a.created_ms, &a.id).cmp(&(b.created_ms, &b.id)));
    Ok(all)
}

/// Makes a key.
pub(crate) async fn create(
    call: &Call<'_>,
    user_name: &str,
    policy: Policy,
) -> Result<AccessKey, Failure> {
    check_user_name(user_name)?;
    let guard = call.guard(GUARD).await?;
    if list(call).await?.len() >= limits::ACCESS_KEYS_MAX {
        let message = format!("There are {} access keys already.", limits::ACCESS_KEYS_MAX);
        return Err(ApiError::common("LimitExceeded", 409, message).into());
    }
    let (id, secret) = ids::access_key();
    let made = AccessKey {
        id,
        secret,
        user_name: user_name.to_owned(),
        policy,
        created_ms: call.now_ms,
    };
    let key = keys::access_key(&made.id);
    let change = Change::new()
        .about(CFN_TYPE, &made.id)
        .if_still(keys::guard(GUARD), guard)
        .touch(GUARD)
        .if_absent(&key)
        .put(&key, encode(&made));
    call.commit(change).await?;
    Ok(made)
}

/// Deletes a key; requests that are signed with it are refused from then on.
pub(crate) async fn delete(call: &Call<'_>, id: &str) -> Result<(), Failure> {
    let guard = call.guard(GUARD).await?;
    let all = list(call).await?;
    if !all.iter().any(|key| key.id == id) {
        let message = format!("There is no access key '{id}'.");
        return Err(ApiError::common("NoSuchEntity", 404, message).into());
    }
    let mut others = all.iter().filter(|key| key.id != id);
    if !others.any(AccessKey::is_administrator) {
        let message = format!(
            "{id} is the last access key that can make others: make another administrator first."
        );
        return Err(ApiError::common("DeleteConflict", 409, message).into());
    }
    let change = Change::new()
        .about(CFN_TYPE, id)
        .if_still(keys::guard(GUARD), guard)
        .touch(GUARD)
        .delete(keys::access_key(id));
    call.commit(change).await?;
    Ok(())
}

/// IAM's rule for names of users. `root` is the first key's alone.
fn check_user_name(name: &str) -> Result<(), ApiError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    let is_fine = (1..=64).contains(&name.len()) && name.bytes().all(is_allowed);
    match is_fine && name != ROOT {
        true => Ok(()),
        false => Err(ApiError::common(
            "ValidationError",
            400,
            format!(
                "UserName is '{}'; allowed are 1 to 64 of A-Z, a-z, 0-9 and _+=,.@-, but not \
                 'root'.",
                name.chars().take(64).collect::<String>()
            ),
        )),
    }
}

/// The id of the root key; it stays when that key is deleted, so that there is one only once.
const ROOT_KEY: &str = "access/root";

/// A root key for the first start of an installation. It is none before [`install_root_key`]: keep
/// it where it can be read again before that, since nobody can read it from the store.
pub fn new_root_key(now_ms: u64) -> AccessKey {
    let (id, secret) = ids::access_key();
    AccessKey {
        id,
        secret,
        user_name: ROOT.to_owned(),
        policy: Policy::administrator(),
        created_ms: now_ms,
    }
}

/// Whether there is, or was, a root key.
pub async fn has_root_key(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(store.get(ROOT_KEY).await?.is_some())
}

/// Makes a key the root key if there was none. Says whether it is the root key then: it may have
/// been made so before, and the answer been lost.
pub async fn install_root_key(store: &dyn Store, key: &AccessKey) -> Result<bool, StoreError> {
    let txn = Txn::new()
        .if_absent(ROOT_KEY)
        .put(ROOT_KEY, key.id.clone())
        .put(keys::access_key(&key.id), encode(key));
    if let Outcome::Committed(_) = store.commit(txn).await? {
        return Ok(true);
    }
    let root = store.get(ROOT_KEY).await?;
    Ok(root.is_some_and(|root| root.value == key.id))
}
