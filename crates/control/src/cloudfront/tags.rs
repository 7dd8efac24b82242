//! Tags (spec §1.10): on any resource that has an ARN. They lie beside it and go with it.

use std::collections::BTreeSet;

use documents::{decode, encode, keys};
use shapes::cloudfront::{self as cf, error};
use store::Revision;

use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::Failure;
use crate::service::{Entry, served};

/// Most tags of a resource.
const TAGS_MAX: usize = 50;
/// Longest key of a tag.
const KEY_CHARS_MAX: usize = 128;
/// Longest value of a tag.
const VALUE_CHARS_MAX: usize = 256;

/// What can be tagged: how its ARN names the kind, its collection, its name in CloudTrail.
#[rustfmt::skip]
const KINDS: &[(&str, &str, &str)] = &[
    ("distribution", keys::DISTRIBUTION, "AWS::CloudFront::Distribution"),
    ("distribution-tenant", keys::DISTRIBUTION_TENANT, "AWS::CloudFront::DistributionTenant"),
    ("connection-group", keys::CONNECTION_GROUP, "AWS::CloudFront::ConnectionGroup"),
    ("connection-function", "connection-function", "AWS::CloudFront::ConnectionFunction"),
    ("vpcorigin", "vpc-origin", "AWS::CloudFront::VpcOrigin"),
    ("anycast-ip-list", "anycast-ip-list", "AWS::CloudFront::AnycastIpList"),
    ("trust-store", "trust-store", "AWS::CloudFront::TrustStore"),
    ("function", "function", "AWS::CloudFront::Function"),
    ("key-value-store", "key-value-store", "AWS::CloudFront::KeyValueStore"),
    ("realtime-log-config", "realtime-log-config", "AWS::CloudFront::RealtimeLogConfig"),
    ("streaming-distribution", "streaming-distribution", "AWS::CloudFront::StreamingDistribution"),
];

pub(super) const OPERATIONS: &[Entry] = &[
    served("TagResource", |call| Box::pin(tag(call))),
    served("UntagResource", |call| Box::pin(untag(call))),
    served("ListTagsForResource", |call| Box::pin(list(call))),
];

/// Adds the tags of a new resource to the change that makes it.
pub(super) fn attach(
    change: Change,
    arn: &str,
    tags: Option<&cf::Tags>,
) -> Result<Change, Failure> {
    let new = tags
        .and_then(|tags| tags.items.as_deref())
        .unwrap_or_default();
    match merged(Vec::new(), new)? {
        tags if tags.is_empty() => Ok(change),
        tags => Ok(change.put(keys::tags(arn), document(tags))),
    }
}

/// Adds to the change that deletes a resource that its tags go.
pub(super) fn forget(change: Change, arn: &str) -> Change {
    change.delete(keys::tags(arn))
}

/// Something that has tags, and the tags.
struct Tagged {
    cfn_type: &'static str,
    name: String,
    key: String,
    tags: Vec<cf::Tag>,
    modified: Option<Revision>,
}

impl Tagged {
    async fn load(call: &Call<'_>, arn: &str) -> Result<Tagged, Failure> {
        let missing = || {
            let message = format!("There is no resource '{arn}' that could have tags.");
            Failure::api(&error::NO_SUCH_RESOURCE, message)
        };
        let own = call.control.arn("");
        let Some(resource) = arn.strip_prefix(&own) else {
            let message = format!("Resource is '{arn}'; an ARN here begins with '{own}'.");
            return Err(match arn.starts_with("arn:") {
                true => missing(),
                false => Failure::api(&error::INVALID_ARGUMENT, message),
            });
        };
        let (kind, name) = resource.split_once('/').ok_or_else(missing)?;
        let known = KINDS.iter().find(|(known, ..)| *known == kind);
        let (_, collection, cfn_type) = known.ok_or_else(missing)?;
        if name.is_empty() || name.contains('/') {
            return Err(missing());
        }
        let key = keys::resource(collection, name);
        let tags_key = keys::tags(arn);
        let mut read = call.store().get_many(&[&tags_key, &key]).await?;
        read.pop().flatten().ok_or_else(missing)?;
        let stored = read.pop().flatten();
        let tags = match &stored {
            Some(document) => decode::<cf::Tags>(&tags_key, &document.value)?.items,
            None => None,
        };
        Ok(Tagged {
            cfn_type,
            name: name.to_owned(),
            key,
            tags: tags.unwrap_or_default(),
            modified: stored.map(|document| document.modified),
        })
    }

    async fn replace(self, call: &Call<'_>, arn: &str, tags: Vec<cf::Tag>) -> Answer {
        let change = Change::new()
            .about(self.cfn_type, self.name)
            .if_present(self.key)
            .if_still(keys::tags(arn), self.modified);
        let change = match tags.is_empty() {
            true => forget(change, arn),
            false => change.put(keys::tags(arn), document(tags)),
        };
        call.commit(change).await?;
        Ok(Reply::empty())
    }
}

async fn tag(call: &Call<'_>) -> Answer {
    let input: cf::TagResourceRequest = call.input()?;
    let mut tagged = Tagged::load(call, &input.resource).await?;
    let old = std::mem::take(&mut tagged.tags);
    let tags = merged(old, input.tags.items.as_deref().unwrap_or_default())?;
    tagged.replace(call, &input.resource, tags).await
}

async fn untag(call: &Call<'_>) -> Answer {
    let input: cf::UntagResourceRequest = call.input()?;
    let mut tagged = Tagged::load(call, &input.resource).await?;
    let gone = input.tag_keys.items.unwrap_or_default();
    let mut tags = std::mem::take(&mut tagged.tags);
    tags.retain(|tag| !gone.contains(&tag.key));
    tagged.replace(call, &input.resource, tags).await
}

async fn list(call: &Call<'_>) -> Answer {
    let input: cf::ListTagsForResourceRequest = call.input()?;
    let tagged = Tagged::load(call, &input.resource).await?;
    Ok(Reply::of(&cf::ListTagsForResourceResult {
        tags: cf::Tags {
            items: Some(tagged.tags),
        },
    }))
}

/// The tags of a resource, and when they were put last.
pub(crate) async fn of(
    call: &Call<'_>,
    arn: &str,
) -> Result<(Vec<cf::Tag>, Option<Revision>), Failure> {
    let key = keys::tags(arn);
    let Some(document) = call.store().get(&key).await? else {
        return Ok((Vec::new(), None));
    };
    let tags = decode::<cf::Tags>(&key, &document.value)?.items;
    Ok((tags.unwrap_or_default(), Some(document.modified)))
}

/// Tags as they are stored.
pub(crate) fn document(tags: Vec<cf::Tag>) -> bytes::Bytes {
    encode(&cf::Tags { items: Some(tags) })
}

/// What is wrong with tags; services have several errors for it.
#[derive(Debug)]
pub(crate) enum TagFault {
    /// One is not allowed.
    Invalid(String),
    /// There would be too many.
    TooMany(String),
}

impl From<TagFault> for Failure {
    fn from(fault: TagFault) -> Failure {
        let (TagFault::Invalid(message) | TagFault::TooMany(message)) = fault;
        Failure::api(&error::INVALID_TAGGING, message)
    }
}

/// The old tags with the new ones put over them.
pub(crate) fn merged(mut tags: Vec<cf::Tag>, new: &[cf::Tag]) -> Result<Vec<cf::Tag>, TagFault> {
    let invalid = |message: String| Err(TagFault::Invalid(message));
    let mut seen = BTreeSet::new();
    for tag in new {
        if let Some(problem) = problem(tag) {
            return invalid(problem);
        }
        if !seen.insert(&tag.key) {
            return invalid(format!("The tag '{}' is there twice.", tag.key));
        }
        match tags.iter_mut().find(|old| old.key == tag.key) {
            Some(old) => old.value = tag.value.clone(),
            None => tags.push(tag.clone()),
        }
    }
    match tags.len() {
        0..=TAGS_MAX => Ok(tags),
        count => Err(TagFault::TooMany(format!(
            "There would be {count} tags; {TAGS_MAX} are allowed."
        ))),
    }
}

fn problem(tag: &cf::Tag) -> Option<String> {
    let key = tag.key.as_str();
    let value = tag.value.as_deref().unwrap_or_default();
    let is_allowed = |c: char| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c);
    let is_reserved = key
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
    if key.is_empty() || key.chars().count() > KEY_CHARS_MAX {
        return Some(format!(
            "The tag '{key}' has a key of {} characters; 1 to {KEY_CHARS_MAX} are allowed.",
            key.chars().count()
        ));
    }
    if value.chars().count() > VALUE_CHARS_MAX {
        return Some(format!(
            "The tag '{key}' has a value of {} characters; {VALUE_CHARS_MAX} are allowed.",
            value.chars().count()
        ));
    }
    if is_reserved {
        return Some(format!(
            "The tag '{key}' begins with 'aws:', which is reserved."
        ));
    }
    let wrong = key.chars().chain(value.chars()).find(|c| !is_allowed(*c))?;
    Some(format!(
        "The tag '{key}' has the character {wrong:?}; allowed are letters, digits, space and \
         each of _ . : / = + - @"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> cf::Tag {
        cf::Tag {
            key: key.to_owned(),
            value: Some(value.to_owned()),
        }
    }

    #[test]
    fn new_tags_replace_those_of_the_same_key() {
        let old = vec![tag("a", "1"), tag("b", "2")];
        let tags = merged(old, &[tag("b", "3"), tag("c", "4")]).unwrap();
        assert_eq!(tags, [tag("a", "1"), tag("b", "3"), tag("c", "4")]);
    }

    #[test]
    fn tags_that_aws_refuses_are_refused() {
        let long = "k".repeat(129);
        for bad in [
            tag("", "v"),
            tag("aws:x", "v"),
            tag("a;b", "v"),
            tag("a", "\n"),
            tag(&long, ""),
        ] {
            assert!(
                merged(Vec::new(), std::slice::from_ref(&bad)).is_err(),
                "{bad:?}"
            );
        }
        assert!(merged(Vec::new(), &[tag("a", "1"), tag("a", "2")]).is_err());
        let many: Vec<_> = (0..51).map(|n| tag(&format!("k{n}"), "v")).collect();
        assert!(merged(Vec::new(), &many).is_err());
        assert!(merged(Vec::new(), &many[1..]).is_ok());
    }
}
