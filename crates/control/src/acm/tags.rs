//! Tags of certificates; each operation has an older name and a newer one.

use documents::keys;
use shapes::acm::{self as model, error};
use shapes::cloudfront as cf;

use super::held::{self, Held};
use super::{check_bounds, invalid, known};
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::cloudfront::tags::{self, TagFault};
use crate::error::Failure;

/// Adds the tags of a new certificate to the change that makes it.
pub fn attach(
    call: &Call<'_>,
    change: Change,
    arn: &str,
    tags: Option<Vec<model::Tag>>,
) -> Result<Change, Failure> {
    let tags = merged(call, Vec::new(), tags.unwrap_or_default())?;
    Ok(match tags.is_empty() {
        true => change,
        false => change.put(keys::tags(arn), tags::document(tags)),
    })
}

fn merged(
    call: &Call<'_>,
    old: Vec<cf::Tag>,
    new: Vec<model::Tag>,
) -> Result<Vec<cf::Tag>, Failure> {
    let new = new.into_iter().map(|tag| cf::Tag {
        key: tag.key,
        value: Some(tag.value.unwrap_or_default()),
    });
    let new: Vec<cf::Tag> = new.collect();
    tags::merged(old, &new).map_err(|fault| {
        let (wanted, message) = match fault {
            TagFault::Invalid(message) => ([&error::INVALID_TAG_EXCEPTION; 2], message),
            TagFault::TooMany(message) => {
                let shapes = [
                    &error::TOO_MANY_TAGS_EXCEPTION,
                    &error::SERVICE_QUOTA_EXCEEDED_EXCEPTION,
                ];
                (shapes, message)
            }
        };
        match known(call.operation, &wanted) {
            Some(shape) => Failure::api(shape, message),
            None => invalid(call, message),
        }
    })
}

/// The certificate that the input names in one way or the other.
async fn named(call: &Call<'_>) -> Result<Held, Failure> {
    let arn = call.text("CertificateArn").or(call.text("ResourceArn"));
    held::load(call, arn.unwrap_or_default()).await
}

async fn replace(
    call: &Call<'_>,
    held: &Held,
    edit: impl FnOnce(Vec<cf::Tag>) -> Result<Vec<cf::Tag>, Failure>,
) -> Answer {
    let arn = &held.certificate.arn;
    let key = keys::tags(arn);
    let (old, revision) = tags::of(call, arn).await?;
    let tags = edit(old)?;
    let change = held.change().if_still(&key, revision);
    let change = match tags.is_empty() {
        true => change.delete(key),
        false => change.put(key, tags::document(tags)),
    };
    call.commit(change).await?;
    Ok(Reply::empty())
}

pub async fn add(call: &Call<'_>) -> Answer {
    check_bounds(call)?;
    let held = named(call).await?;
    let new = call.input.get("Tags").cloned().unwrap_or_default();
    let new: Vec<model::Tag> =
        serde_json::from_value(new).map_err(|error| invalid(call, format!("Tags: {error}")))?;
    replace(call, &held, |old| merged(call, old, new)).await
}

/// A tag that is named with a value goes only if it has that value.
pub async fn remove(call: &Call<'_>) -> Answer {
    check_bounds(call)?;
    let held = named(call).await?;
    let gone: Vec<(String, Option<String>)> = match call.operation.name {
        "UntagResource" => {
            let input: model::UntagResourceRequest = call.input()?;
            input.tag_keys.into_iter().map(|key| (key, None)).collect()
        }
        _ => {
            let input: model::RemoveTagsFromCertificateRequest = call.input()?;
            let tags = input.tags.into_iter();
            tags.map(|tag| (tag.key, tag.value)).collect()
        }
    };
    replace(call, &held, |mut tags| {
        tags.retain(|tag| {
            !gone.iter().any(|(key, value)| {
                let is_value = value.is_none() || *value == tag.value;
                *key == tag.key && is_value
            })
        });
        Ok(tags)
    })
    .await
}

pub async fn list(call: &Call<'_>) -> Answer {
    let held = named(call).await?;
    let (tags, _) = tags::of(call, &held.certificate.arn).await?;
    let tags = tags.into_iter().map(|tag| model::Tag {
        key: tag.key,
        value: tag.value,
    });
    Ok(Reply::of(&model::ListTagsForCertificateResponse {
        tags: Some(tags.collect()),
    }))
}
