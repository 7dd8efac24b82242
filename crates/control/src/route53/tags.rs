//! Tags of hosted zones and health checks (spec §19). They lie beside them and go with them.

use documents::{decode, encode, keys, route53 as forms};
use shapes::route53::{self as r53, TagResourceType, error};
use store::Revision;

use super::inputs::{self, bare_id, invalid_input};
use super::zone;
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::Failure;
use crate::limits;
use crate::service::{Entry, served};

/// Most tags of a resource. The model's ten are those of one call.
const TAGS_MAX: usize = 50;

pub(super) const OPERATIONS: &[Entry] = &[
    served("ChangeTagsForResource", |call| Box::pin(change(call))),
    served("ListTagsForResource", |call| Box::pin(list(call))),
    served("ListTagsForResources", |call| Box::pin(list_many(call))),
];

/// Adds to the change that deletes a resource that its tags go.
pub(super) fn forget(change: Change, kind: TagResourceType, id: &str) -> Change {
    change.delete(keys::tags(&arn(kind, id)))
}

fn arn(kind: TagResourceType, id: &str) -> String {
    format!("arn:aws:route53:::{kind}/{id}")
}

/// Something that has tags, and the tags.
struct Tagged {
    kind: TagResourceType,
    id: String,
    /// Where itself lies.
    key: String,
    tags: Vec<r53::Tag>,
    modified: Option<Revision>,
}

impl Tagged {
    async fn load(call: &Call<'_>, kind: TagResourceType, id: &str) -> Result<Tagged, Failure> {
        let id = bare_id(id);
        let collection = match kind {
            TagResourceType::Hostedzone => forms::ZONE,
            TagResourceType::Healthcheck => forms::HEALTH_CHECK,
        };
        let missing = || match kind {
            TagResourceType::Hostedzone => zone::missing(id),
            TagResourceType::Healthcheck => {
                let message = format!("A health check with id {id} does not exist.");
                Failure::api(&error::NO_SUCH_HEALTH_CHECK, message)
            }
        };
        if id.is_empty() || id.contains('/') || id.len() > limits::ROUTE53_ID_BYTES_MAX {
            return Err(missing());
        }
        let key = forms::resource(collection, id);
        let tags_key = keys::tags(&arn(kind, id));
        let mut read = call.store().get_many(&[&tags_key, &key]).await?;
        read.pop().flatten().ok_or_else(missing)?;
        let stored = read.pop().flatten();
        let tags = match &stored {
            Some(document) => decode(&tags_key, &document.value)?,
            None => Vec::new(),
        };
        Ok(Tagged {
            kind,
            id: id.to_owned(),
            key,
            tags,
            modified: stored.map(|document| document.modified),
        })
    }

    fn output(self) -> r53::ResourceTagSet {
        r53::ResourceTagSet {
            resource_type: Some(self.kind),
            resource_id: Some(self.id),
            tags: Some(self.tags),
        }
    }
}

async fn change(call: &Call<'_>) -> Answer {
    let input: r53::ChangeTagsForResourceRequest = call.input()?;
    let tagged = Tagged::load(call, input.resource_type, &input.resource_id).await?;
    inputs::check_bounds(call)?;
    let removed = input.remove_tag_keys.unwrap_or_default();
    let added = input.add_tags.unwrap_or_default();
    if removed.is_empty() && added.is_empty() {
        return Err(invalid_input(
            "AddTags and RemoveTagKeys are empty; one of them must say what changes.",
        ));
    }
    let tags = changed(tagged.tags, &added, &removed)?;
    let tags_key = keys::tags(&arn(tagged.kind, &tagged.id));
    let cfn_type = match tagged.kind {
        TagResourceType::Hostedzone => zone::KIND.cfn_type,
        TagResourceType::Healthcheck => "AWS::Route53::HealthCheck",
    };
    let change = Change::new()
        .about(cfn_type, &tagged.id)
        .if_present(&tagged.key)
        .if_still(&tags_key, tagged.modified);
    let change = match tags.is_empty() {
        true => change.delete(&tags_key),
        false => change.put(&tags_key, encode(&tags)),
    };
    call.commit(change).await?;
    Ok(Reply::empty())
}

/// The tags without the removed ones and with the added ones.
fn changed(
    mut tags: Vec<r53::Tag>,
    added: &[r53::Tag],
    removed: &[String],
) -> Result<Vec<r53::Tag>, Failure> {
    tags.retain(|tag| !tag.key.as_ref().is_some_and(|key| removed.contains(key)));
    for tag in added {
        let key = tag.key.as_deref().unwrap_or_default();
        if key.is_empty() || key.starts_with("aws:") {
            return Err(invalid_input(format!(
                "A tag's Key is '{key}'; it must not be empty or begin with 'aws:'."
            )));
        }
        let tag = r53::Tag {
            value: Some(tag.value.clone().unwrap_or_default()),
            ..tag.clone()
        };
        match tags.iter_mut().find(|known| known.key == tag.key) {
            Some(known) => *known = tag,
            None => tags.push(tag),
        }
    }
    match tags.len() {
        0..=TAGS_MAX => Ok(tags),
        count => Err(invalid_input(format!(
            "There would be {count} tags; {TAGS_MAX} are allowed."
        ))),
    }
}

async fn list(call: &Call<'_>) -> Answer {
    let input: r53::ListTagsForResourceRequest = call.input()?;
    let tagged = Tagged::load(call, input.resource_type, &input.resource_id).await?;
    Ok(Reply::of(&r53::ListTagsForResourceResponse {
        resource_tag_set: tagged.output(),
    }))
}

async fn list_many(call: &Call<'_>) -> Answer {
    let input: r53::ListTagsForResourcesRequest = call.input()?;
    inputs::check_bounds(call)?;
    let mut resource_tag_sets = Vec::with_capacity(input.resource_ids.len());
    for id in &input.resource_ids {
        let tagged = Tagged::load(call, input.resource_type, id).await?;
        resource_tag_sets.push(tagged.output());
    }
    Ok(Reply::of(&r53::ListTagsForResourcesResponse {
        resource_tag_sets,
    }))
}
