//! Cache policies (spec §3.2).

use documents::{Resource, managed};
use shapes::Timestamp;
use shapes::cloudfront::{self as cf, error};

use crate::call::{Answer, Call, Reply};
use crate::error::Failure;
use crate::ids::IdForm;
use crate::resource::{self, Kind};
use crate::service::{Entry, served};

const NAME_CLAIM: &str = "name/cache-policy";

pub(super) const KIND: Kind = Kind {
    noun: "cache policy",
    collection: documents::keys::CACHE_POLICY,
    id: IdForm::Uuid,
    cfn_type: "AWS::CloudFront::CachePolicy",
    missing: &error::NO_SUCH_CACHE_POLICY,
};

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreateCachePolicy", |call| Box::pin(create(call))),
    served("GetCachePolicy", |call| Box::pin(get(call))),
    served("GetCachePolicyConfig", |call| Box::pin(get_config(call))),
    served("UpdateCachePolicy", |call| Box::pin(update(call))),
    served("DeleteCachePolicy", |call| Box::pin(delete(call))),
    served("ListCachePolicies", |call| Box::pin(list(call))),
];

async fn create(call: &Call<'_>) -> Answer {
    let input: cf::CreateCachePolicyRequest = call.input()?;
    let config = input.cache_policy_config;
    refuse_taken_name(call, &config.name).await?;
    let policy = KIND.first_version(call, config);
    let change = KIND.creation(call, &policy);
    let change = change.claim(NAME_CLAIM, &policy.config.name, &policy.id);
    call.commit(change).await?;
    Ok(Reply::of(&cf::CreateCachePolicyResult {
        location: Some(super::location("cache-policy", &policy.id)),
        etag: Some(policy.etag.clone()),
        cache_policy: Some(output(policy)),
    }))
}

async fn refuse_taken_name(call: &Call<'_>, name: &str) -> Result<(), Failure> {
    match call.claimed(NAME_CLAIM, name).await? {
        None => Ok(()),
        Some(id) => Err(Failure::api(
            &error::CACHE_POLICY_ALREADY_EXISTS,
            format!("The cache policy {id} is named '{name}' already."),
        )),
    }
}

fn output(policy: Resource<cf::CachePolicyConfig>) -> cf::CachePolicy {
    cf::CachePolicy {
        id: policy.id,
        last_modified_time: Timestamp::from_unix_ms(policy.modified_ms as i64),
        cache_policy_config: policy.config,
    }
}

/// A policy by its id, managed ones included.
async fn find(call: &Call<'_>, id: &str) -> Result<Resource<cf::CachePolicyConfig>, Failure> {
    if let Some((id, config)) = managed::cache().find(|(managed, _)| *managed == id) {
        return Ok(super::managed_resource(id, config));
    }
    Ok(KIND.load(call, id).await?.resource)
}

async fn get(call: &Call<'_>) -> Answer {
    let input: cf::GetCachePolicyRequest = call.input()?;
    let policy = find(call, &input.id).await?;
    Ok(Reply::of(&cf::GetCachePolicyResult {
        etag: Some(policy.etag.clone()),
        cache_policy: Some(output(policy)),
    }))
}

async fn get_config(call: &Call<'_>) -> Answer {
    let input: cf::GetCachePolicyConfigRequest = call.input()?;
    let policy = find(call, &input.id).await?;
    Ok(Reply::of(&cf::GetCachePolicyConfigResult {
        etag: Some(policy.etag),
        cache_policy_config: Some(policy.config),
    }))
}

async fn update(call: &Call<'_>) -> Answer {
    let input: cf::UpdateCachePolicyRequest = call.input()?;
    let stored = KIND.load::<cf::CachePolicyConfig>(call, &input.id).await?;
    stored.check_if_match(input.if_match.as_deref())?;
    let (old, new) = (
        &stored.resource.config.name,
        &input.cache_policy_config.name,
    );
    let mut change = stored.change(&KIND);
    if old != new {
        refuse_taken_name(call, new).await?;
        let id = &stored.resource.id;
        change = change.release(NAME_CLAIM, old).claim(NAME_CLAIM, new, id);
    }
    let policy = stored.next_version(call, input.cache_policy_config);
    call.commit(change.save(call, &stored.key, &policy)).await?;
    Ok(Reply::of(&cf::UpdateCachePolicyResult {
        etag: Some(policy.etag.clone()),
        cache_policy: Some(output(policy)),
    }))
}

async fn delete(call: &Call<'_>) -> Answer {
    let input: cf::DeleteCachePolicyRequest = call.input()?;
    let stored = KIND.load::<cf::CachePolicyConfig>(call, &input.id).await?;
    stored.check_if_match(input.if_match.as_deref())?;
    let change = stored
        .change(&KIND)
        .release(NAME_CLAIM, &stored.resource.config.name)
        .remove(call, &stored.key, stored.resource.version);
    call.commit(change).await?;
    Ok(Reply::empty())
}

async fn list(call: &Call<'_>) -> Answer {
    let input: cf::ListCachePoliciesRequest = call.input()?;
    let (managed_type, custom_type) = (cf::CachePolicyType::Managed, cf::CachePolicyType::Custom);
    let mut policies = Vec::new();
    if input.r#type != Some(custom_type) {
        let all = managed::cache().map(|(id, config)| super::managed_resource(id, config));
        policies.extend(all.map(|policy| (managed_type, policy)));
    }
    if input.r#type != Some(managed_type) {
        let all = KIND.load_all(call).await?.into_iter();
        policies.extend(all.map(|stored| (custom_type, stored.resource)));
    }
    let (marker, max_items) = (input.marker.as_deref(), input.max_items.as_deref());
    let page = resource::page(policies, |(_, policy)| &policy.id, marker, max_items)?;
    let items: Vec<cf::CachePolicySummary> = page
        .items
        .into_iter()
        .map(|(r#type, policy)| cf::CachePolicySummary {
            r#type,
            cache_policy: output(policy),
        })
        .collect();
    Ok(Reply::of(&cf::ListCachePoliciesResult {
        cache_policy_list: Some(cf::CachePolicyList {
            next_marker: page.next_marker,
            max_items: page.max_items,
            quantity: items.len() as i32,
            items: Some(items),
        }),
    }))
}
