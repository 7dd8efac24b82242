//! Past versions of resources, and the way back to one.

use documents::{Resource, decode, keys};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shapes::schema::{Kind, Location, Member, Operation};
use store::{Document, Range};

use super::{input, invalid, reply, time};
use crate::call::{Answer, Call, Origin};
use crate::cloudfront;
use crate::error::{ApiError, Failure};
use crate::identity;

/// Collections are found one by one, and there are some thirty kinds.
const COLLECTIONS_MAX: usize = 64;

/// A version, as `Change::save` and `Change::remove` write it.
#[derive(Deserialize)]
struct Past {
    operation: String,
    by: String,
    at_ms: u64,
    /// None if the resource was deleted.
    resource: Option<Resource<Value>>,
}

/// A resource that is or was there.
struct Subject {
    collection: String,
    id: String,
    /// Where it lies.
    key: String,
    /// What lies there now.
    now: Option<Document>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct History {
    id: String,
}

pub(super) async fn history(call: &Call<'_>) -> Answer {
    let input: History = input(call)?;
    let subject = find(call, &input.id).await?;
    let mut versions = Vec::new();
    for (number, document, past) in subject.versions(call).await?.iter().rev() {
        let etag = past.resource.as_ref().map(|resource| &resource.etag);
        versions.push(json!({
            "Version": number,
            "Revision": document.modified.0,
            "Time": time(past.at_ms),
            "By": past.by,
            "Operation": past.operation,
            "ETag": etag,
        }));
    }
    Ok(reply(json!({
        "Collection": subject.collection,
        "Id": subject.id,
        "IsDeleted": subject.now.is_none(),
        "Versions": versions,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Rollback {
    id: String,
    to_revision: u64,
    /// Only if the resource still is of this ETag.
    if_match: Option<String>,
}

/// An update to what a past version was, by the operation that everybody updates with: what that
/// checks, records and asks permission for holds here too.
pub(super) async fn roll_back(call: &Call<'_>) -> Answer {
    let input: Rollback = input(call)?;
    let subject = find(call, &input.id).await?;
    let versions = subject.versions(call).await?;
    let meant = versions
        .into_iter()
        .find(|(_, document, _)| document.modified.0 == input.to_revision);
    let Some((_, _, past)) = meant else {
        return Err(invalid(format!(
            "{} has no version of revision {}; `warmfront history {}` lists them.",
            subject.id, input.to_revision, subject.id
        ))
        .into());
    };
    let (Some(past), Some(now)) = (past.resource, &subject.now) else {
        return Err(invalid(format!(
            "{} is deleted, or was at revision {}: what is deleted must be created anew.",
            subject.id, input.to_revision
        ))
        .into());
    };
    let now = Resource::<Value>::decode(&subject.key, &now.value)?;
    let if_match = input.if_match.unwrap_or(now.etag);
    let update = Update::of(&subject.collection).and_then(|update| {
        let arguments = update.input(&subject.id, &if_match, &past.config)?;
        Some((update.operation, arguments))
    });
    let (operation, arguments) = update.ok_or_else(|| {
        let kind = &subject.collection;
        let message = format!("A {kind} cannot be rolled back; update it instead.");
        ApiError::common("NotImplemented", 501, message)
    })?;
    let arn = |resource: &str| call.control.arn(resource);
    for need in identity::needs(arn, "cloudfront", operation, &arguments) {
        call.permit(&need.action, &need.resource)?;
    }
    let origin = Origin {
        event_source: "cloudfront.amazonaws.com",
        ..call.origin.clone()
    };
    let name = operation.name;
    let done = call
        .control
        .invoke(name, arguments, call.caller, &origin, call.now_ms);
    let done = done.await?;
    Ok(reply(json!({
        "Id": subject.id,
        "Operation": name,
        "ETag": done.get("ETag"),
    })))
}

/// How a kind of resource is updated: by an operation with its id, `IfMatch` and the config.
struct Update {
    operation: &'static Operation,
    /// The member that is the id.
    id: &'static str,
    members: &'static [Member],
    /// The member that is all of the config.
    payload: Option<&'static str>,
}

impl Update {
    /// By the model: `PUT /<version>/<collection>/{Id}`, or the same with `/config`.
    fn of(collection: &str) -> Option<Update> {
        let operations = shapes::cloudfront::SERVICE.operations.iter();
        let mut updates = operations.filter(|operation| operation.method == "PUT");
        updates.find_map(|operation| {
            let path = operation.uri.strip_prefix("/2020-05-31/")?;
            let path = path.strip_suffix("/config").unwrap_or(path);
            let (kind, id) = path.strip_suffix('}')?.split_once("/{")?;
            // The identities' path has a second part.
            let kind = kind.strip_suffix("/cloudfront").unwrap_or(kind);
            let Kind::Structure {
                members, payload, ..
            } = operation.input.as_ref()?.shape.kind
            else {
                return None;
            };
            (kind == collection).then_some(Update {
                operation,
                id,
                members,
                payload,
            })
        })
    }

    /// The operation's input. None if what is stored of the kind is not what updates take.
    fn input(&self, id: &str, if_match: &str, config: &Value) -> Option<Value> {
        let mut input = match self.payload {
            Some(payload) => json!({ payload: config }),
            None => {
                let body = self.members.iter();
                let body = body.filter(|member| member.location == Location::Body);
                let stored = body.filter_map(|member| {
                    let value = config.get(member.name)?;
                    Some((member.name.to_owned(), value.clone()))
                });
                let stored: Map<String, Value> = stored.collect();
                (!stored.is_empty()).then_some(Value::Object(stored))?
            }
        };
        input[self.id] = json!(id);
        input["IfMatch"] = json!(if_match);
        Some(input)
    }
}

impl Subject {
    /// Number, document and content of each version that is kept, in the order of their making.
    async fn versions(&self, call: &Call<'_>) -> Result<Vec<(u64, Document, Past)>, Failure> {
        let prefix = keys::versions(&self.key);
        let mut versions = Vec::new();
        for document in call.list_all(&prefix).await? {
            let number = document.key.strip_prefix(&prefix);
            // What lies deeper is of another resource, such as an invalidation's.
            let Some(number) = number.and_then(|number| number.parse().ok()) else {
                continue;
            };
            let past = decode(&document.key, &document.value)?;
            versions.push((number, document, past));
        }
        // One that was made again under its name counts its versions anew.
        versions.sort_by_key(|(_, document, _)| document.modified);
        Ok(versions)
    }
}

/// The resource that is or was called so in any collection, or that has it as its host name.
async fn find(call: &Call<'_>, name: &str) -> Result<Subject, Failure> {
    let missing = || {
        let message = format!("There is no resource '{name}', and none is known to have been.");
        Failure::from(ApiError::common("NoSuchResource", 404, message))
    };
    if name.is_empty() || name.contains('/') {
        return Err(missing());
    }
    let owner = cloudfront::owner_of_host(call, name).await?;
    let name = owner.as_deref().unwrap_or(name);
    for collection in collections(call).await? {
        let claim = call.claimed(&format!("name/{collection}"), name).await?;
        let id = claim.unwrap_or_else(|| name.to_owned());
        let key = keys::resource(&collection, &id);
        let now = call.store().get(&key).await?;
        let subject = Subject {
            collection,
            id,
            key,
            now,
        };
        if subject.now.is_some() || subject.has_past(call).await? {
            return Ok(subject);
        }
    }
    Err(missing())
}

impl Subject {
    async fn has_past(&self, call: &Call<'_>) -> Result<bool, Failure> {
        let page = call.store().list(Range {
            prefix: keys::versions(&self.key),
            limit: 1,
            ..Range::default()
        });
        Ok(!page.await?.documents.is_empty())
    }
}

/// The collections that have a history: found by reading the first key of each.
async fn collections(call: &Call<'_>) -> Result<Vec<String>, Failure> {
    let prefix = format!("{}{}", keys::HISTORY, keys::CLOUDFRONT);
    let mut collections: Vec<String> = Vec::new();
    while collections.len() < COLLECTIONS_MAX {
        // Ids are ASCII, so that this is behind all of a collection's keys.
        let after = collections
            .last()
            .map(|last| format!("{prefix}{last}/\u{10ffff}"));
        let page = call.store().list(Range {
            prefix: prefix.clone(),
            after,
            limit: 1,
            is_descending: false,
        });
        let first = page.await?.documents.pop();
        let Some(first) = first else { break };
        let rest = first.key.strip_prefix(&prefix);
        let Some((collection, _)) = rest.and_then(|rest| rest.split_once('/')) else {
            break;
        };
        collections.push(collection.to_owned());
    }
    Ok(collections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_says_how_each_kind_is_updated() {
        for (collection, operation, id, config) in [
            (
                "distribution",
                "UpdateDistribution",
                "Id",
                "DistributionConfig",
            ),
            (
                "cache-policy",
                "UpdateCachePolicy",
                "Id",
                "CachePolicyConfig",
            ),
            ("key-group", "UpdateKeyGroup", "Id", "KeyGroupConfig"),
            (
                "origin-access-identity",
                "UpdateCloudFrontOriginAccessIdentity",
                "Id",
                "CloudFrontOriginAccessIdentityConfig",
            ),
            (
                "continuous-deployment-policy",
                "UpdateContinuousDeploymentPolicy",
                "Id",
                "ContinuousDeploymentPolicyConfig",
            ),
        ] {
            let update = Update::of(collection).unwrap();
            let told = (update.operation.name, update.id, update.payload);
            assert_eq!(told, (operation, id, Some(config)));
        }
        let update = Update::of("function").unwrap();
        assert_eq!(update.operation.name, "UpdateFunction");
        let config = json!({ "Name": "f", "FunctionCode": "eA==", "Tags": {} });
        let input = update.input("f", "E1", &config).unwrap();
        let expected = json!({ "Name": "f", "IfMatch": "E1", "FunctionCode": "eA==" });
        assert_eq!(input, expected);
        assert_eq!(update.input("f", "E1", &json!({ "other": 1 })), None);
        assert!(Update::of("audit").is_none());
    }
}
