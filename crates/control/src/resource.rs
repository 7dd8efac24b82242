//! What all resources have in common: a collection, an id, an entity tag, versions.

use documents::{Resource, keys};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shapes::cloudfront::error;
use shapes::schema::ErrorShape;
use store::Revision;

use crate::call::Call;
use crate::change::Change;
use crate::error::Failure;
use crate::ids::{self, IdForm};
use crate::limits;

/// A kind of resource.
#[derive(Debug)]
pub struct Kind {
    /// What it is called in a sentence: "cache policy".
    pub noun: &'static str,
    /// Where its documents lie: [`keys::resource`].
    pub collection: &'static str,
    /// How its ids look.
    pub id: IdForm,
    /// As CloudTrail names it: `AWS::CloudFront::CachePolicy`.
    pub cfn_type: &'static str,
    /// The error when there is none of that id.
    pub missing: &'static ErrorShape,
}

/// A resource as it lies in the store.
#[derive(Clone, Debug)]
pub struct Stored<C> {
    /// Where.
    pub key: String,
    /// What.
    pub resource: Resource<C>,
    /// When it was put last.
    pub modified: Revision,
}

impl<C> Stored<C> {
    /// Holds `If-Match` against the resource (spec §1.5). Every update and delete must send it.
    pub fn check_if_match(&self, if_match: Option<&str>) -> Result<(), Failure> {
        match if_match.map(str::trim) {
            Some(etag) if etag == self.resource.etag => Ok(()),
            Some(etag) if ids::is_etag(etag) => Err(Failure::api(
                &error::PRECONDITION_FAILED,
                format!(
                    "If-Match is '{etag}', but the resource {} has changed since; get it again.",
                    self.resource.id
                ),
            )),
            Some(etag) => Err(Failure::api(
                &error::INVALID_IF_MATCH_VERSION,
                format!("If-Match is '{etag}', which is no version of this resource."),
            )),
            None => Err(Failure::api(
                &error::INVALID_IF_MATCH_VERSION,
                "If-Match is missing: it must be the ETag of the resource that is changed.",
            )),
        }
    }

    /// A change that happens only if the resource is still as it was read.
    pub fn change(&self, kind: &Kind) -> Change {
        Change::new()
            .about(kind.cfn_type, &self.resource.id)
            .if_still(&self.key, Some(self.modified))
            .touch(kind.collection)
    }

    /// The next version of the resource, not yet stored.
    pub fn next_version<D>(&self, call: &Call<'_>, config: D) -> Resource<D> {
        Resource {
            id: self.resource.id.clone(),
            etag: ids::etag(),
            version: self.resource.version + 1,
            created_ms: self.resource.created_ms,
            modified_ms: call.now_ms,
            domain: self.resource.domain.clone(),
            config,
        }
    }
}

impl Kind {
    /// Where the resource of that id lies.
    pub fn key(&self, id: &str) -> String {
        format!("{}{id}", self.prefix())
    }

    /// Where all of them lie: Route 53's below another prefix than CloudFront's.
    pub fn prefix(&self) -> String {
        match self.cfn_type.starts_with("AWS::Route53::") {
            true => documents::route53::resource(self.collection, ""),
            false => keys::collection(self.collection),
        }
    }

    /// The error for an id that there is none of.
    pub fn missing(&self, id: &str) -> Failure {
        Failure::api(self.missing, format!("There is no {} '{id}'.", self.noun))
    }

    /// Reads a resource.
    pub async fn load<C: DeserializeOwned>(
        &self,
        call: &Call<'_>,
        id: &str,
    ) -> Result<Stored<C>, Failure> {
        let key = self.key(id);
        // An id with a slash would be a key of something else, and a long one is none at all.
        let is_key = key.len() <= store::limits::KEY_BYTES_MAX;
        if id.is_empty() || id.contains('/') || !is_key {
            return Err(self.missing(id));
        }
        let document = call.store().get(&key).await?;
        let document = document.ok_or_else(|| self.missing(id))?;
        Ok(Stored {
            resource: Resource::decode(&key, &document.value)?,
            modified: document.modified,
            key,
        })
    }

    /// Every resource of the kind, in the order of their making.
    pub async fn load_all<C: DeserializeOwned>(
        &self,
        call: &Call<'_>,
    ) -> Result<Vec<Stored<C>>, Failure> {
        let documents = call.list_all(&self.prefix()).await?;
        let mut all = Vec::with_capacity(documents.len());
        for document in documents {
            all.push(Stored {
                resource: Resource::decode(&document.key, &document.value)?,
                modified: document.modified,
                key: document.key,
            });
        }
        all.sort_by(|a: &Stored<C>, b| {
            let (a, b) = (&a.resource, &b.resource);
            (a.created_ms, &a.id).cmp(&(b.created_ms, &b.id))
        });
        Ok(all)
    }

    /// A first version with a new id, not yet stored.
    pub fn first_version<C>(&self, call: &Call<'_>, config: C) -> Resource<C> {
        self.first_version_named(call, self.id.make(), config)
    }

    /// A first version under a given id, not yet stored.
    pub fn first_version_named<C>(&self, call: &Call<'_>, id: String, config: C) -> Resource<C> {
        Resource {
            id,
            etag: ids::etag(),
            version: 1,
            created_ms: call.now_ms,
            modified_ms: call.now_ms,
            domain: None,
            config,
        }
    }

    /// A change that makes the resource. Add what it claims and needs, then commit it.
    pub fn creation<C: Serialize>(&self, call: &Call<'_>, resource: &Resource<C>) -> Change {
        let key = self.key(&resource.id);
        Change::new()
            .about(self.cfn_type, &resource.id)
            .if_absent(&key)
            .touch(self.collection)
            .save(call, &key, resource)
    }
}

/// A page of a list: `Marker` and `MaxItems` (spec §16.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paged<T> {
    /// What is on the page.
    pub items: Vec<T>,
    /// How many there may be.
    pub max_items: i32,
    /// What to send as `Marker` for the next page, if there is one.
    pub next_marker: Option<String>,
}

/// The page of `items` after the one with the id `marker`. A marker that is the id of none begins
/// behind everything: its item has gone meanwhile, so clients stop rather than go round.
pub fn page<T>(
    items: Vec<T>,
    id: impl Fn(&T) -> &str,
    marker: Option<&str>,
    max_items: Option<&str>,
) -> Result<Paged<T>, Failure> {
    let limit = match max_items.filter(|text| !text.is_empty()) {
        None => limits::PAGE_ITEMS_MAX,
        Some(text) => match text.parse::<usize>() {
            Ok(number) if number > 0 => number.min(limits::PAGE_ITEMS_MAX),
            _ => {
                return Err(Failure::api(
                    &error::INVALID_ARGUMENT,
                    format!("MaxItems is '{text}'; allowed is a number from 1 on."),
                ));
            }
        },
    };
    let start = match marker.filter(|marker| !marker.is_empty()) {
        None => 0,
        Some(marker) => items
            .iter()
            .position(|item| id(item) == marker)
            .map_or(items.len(), |at| at + 1),
    };
    let total = items.len();
    let items: Vec<T> = items.into_iter().skip(start).take(limit).collect();
    let next_marker = (start + items.len() < total)
        .then(|| items.last().map(|item| id(item).to_owned()))
        .flatten();
    Ok(Paged {
        items,
        max_items: limit as i32,
        next_marker,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another_until_the_last() {
        let items = || vec!["a", "b", "c"];
        fn id<'a>(item: &'a &'static str) -> &'a str {
            item
        }
        let first = page(items(), id, None, Some("2")).unwrap();
        assert_eq!(first.items, ["a", "b"]);
        assert_eq!(first.next_marker.as_deref(), Some("b"));
        let second = page(items(), id, Some("b"), Some("2")).unwrap();
        assert_eq!((second.items, second.next_marker), (vec!["c"], None));
        assert!(
            page(items(), id, Some("gone"), None)
                .unwrap()
                .items
                .is_empty()
        );
        assert!(page(items(), id, None, Some("0")).is_err());
    }
}
