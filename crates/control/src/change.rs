//! What a call is about to change, as one transaction.

use bytes::Bytes;
use documents::{Resource, encode, keys};
use serde::Serialize;
use serde_json::json;
use store::{Revision, Txn};

use crate::call::Call;
use crate::limits;

/// A resource that a change is about, as the audit record names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// `AWS::CloudFront::Distribution`.
    pub kind: &'static str,
    /// Its id.
    pub name: String,
}

/// Writes that happen together, if what they are based on still holds.
#[derive(Clone, Debug, Default)]
pub struct Change {
    txn: Txn,
    /// What the audit record says it is about.
    pub subjects: Vec<Subject>,
}

impl Change {
    /// A change of nothing yet.
    pub fn new() -> Change {
        Change::default()
    }

    /// Names a resource that it is about.
    pub fn about(mut self, kind: &'static str, name: impl Into<String>) -> Change {
        self.subjects.push(Subject {
            kind,
            name: name.into(),
        });
        self
    }

    /// Only if there is nothing under the key.
    pub fn if_absent(mut self, key: impl Into<String>) -> Change {
        self.txn = self.txn.if_absent(key);
        self
    }

    /// Only if there is something under the key.
    pub fn if_present(mut self, key: impl Into<String>) -> Change {
        self.txn = self.txn.if_present(key);
        self
    }

    /// Only if what is under the key is as it was at that revision; `None`: if nothing is there.
    pub fn if_still(mut self, key: impl Into<String>, revision: Option<Revision>) -> Change {
        self.txn = match revision {
            Some(revision) => self.txn.if_modified_at(key, revision),
            None => self.txn.if_absent(key),
        };
        self
    }

    /// Puts a document.
    pub fn put(mut self, key: impl Into<String>, value: impl Into<Bytes>) -> Change {
        self.txn = self.txn.put(key, value);
        self
    }

    /// Deletes a document.
    pub fn delete(mut self, key: impl Into<String>) -> Change {
        self.txn = self.txn.delete(key);
        self
    }

    /// Takes something that only one may have. See [`keys::claim`].
    pub fn claim(self, kind: &str, what: &str, owner: &str) -> Change {
        let key = keys::claim(kind, what);
        self.if_absent(&key).put(key, owner.to_owned())
    }

    /// Gives up what was claimed.
    pub fn release(self, kind: &str, what: &str) -> Change {
        self.delete(keys::claim(kind, what))
    }

    /// Tells everyone whose change depends on the collection as a whole that it is another one.
    /// Every write to a collection that others check does this; see [`Call::guard`].
    pub fn touch(self, collection: &str) -> Change {
        self.put(keys::guard(collection), Bytes::new())
    }

    /// Puts a resource, and its version into its history.
    pub fn save<C: Serialize>(self, call: &Call<'_>, key: &str, resource: &Resource<C>) -> Change {
        let change = self.put(key, resource.encode());
        change.remember(call, key, resource.version, Some(json!(resource)))
    }

    /// Deletes a resource of that version; its history stays.
    pub fn remove(self, call: &Call<'_>, key: &str, version: u64) -> Change {
        let change = self.delete(key);
        change.remember(call, key, version + 1, None)
    }

    fn remember(
        self,
        call: &Call<'_>,
        key: &str,
        version: u64,
        resource: Option<serde_json::Value>,
    ) -> Change {
        let past = json!({
            "operation": call.operation.name,
            "by": call.caller.arn,
            "at_ms": call.now_ms,
            "resource": resource,
        });
        let change = self.put(keys::history(key, version), encode(&past));
        match version.checked_sub(limits::VERSIONS_KEPT) {
            Some(old) if old > 0 => change.delete(keys::history(key, old)),
            _ => change,
        }
    }

    /// The transaction.
    pub fn into_txn(self) -> Txn {
        self.txn
    }
}

impl Call<'_> {
    /// The revision of a collection as a whole. Read it before the collection, and commit with
    /// `if_still(guard key, revision)`: then nothing was written to the collection in between.
    pub async fn guard(&self, collection: &str) -> Result<Option<Revision>, crate::error::Failure> {
        let guard = self.store().get(&keys::guard(collection)).await?;
        Ok(guard.map(|document| document.modified))
    }

    /// Who has what only one may have.
    pub async fn claimed(
        &self,
        kind: &str,
        what: &str,
    ) -> Result<Option<String>, crate::error::Failure> {
        let claim = self.store().get(&keys::claim(kind, what)).await?;
        Ok(claim.map(|document| String::from_utf8_lossy(&document.value).into_owned()))
    }
}
