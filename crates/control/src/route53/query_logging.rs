//! Query logging configs (spec §17): one of a public zone. There are no log groups here: a group's
//! name is the directory that each name server logs to.

use documents::route53::{self as forms, QueryLogging};
use documents::{Resource, keys};
use shapes::route53::{self as r53, error};

use super::inputs::{self, PAGE_ITEMS_MAX, Page, bare_id, invalid_input};
use super::{arn, zone};
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::Failure;
use crate::ids::IdForm;
use crate::resource::{Kind, Stored};
use crate::service::{Entry, served};

static KIND: Kind = Kind {
    noun: "query logging config",
    collection: forms::QUERY_LOGGING,
    id: IdForm::Uuid,
    cfn_type: "AWS::Route53::QueryLoggingConfig",
    missing: &error::NO_SUCH_QUERY_LOGGING_CONFIG,
};

/// The config of a zone.
const ZONE_CLAIM: &str = "zone/query-logging";

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreateQueryLoggingConfig", |call| Box::pin(create(call))),
    served("GetQueryLoggingConfig", |call| Box::pin(get(call))),
    served("DeleteQueryLoggingConfig", |call| Box::pin(delete(call))),
    served("ListQueryLoggingConfigs", |call| Box::pin(list(call))),
];

fn output(config: &Resource<QueryLogging>) -> r53::QueryLoggingConfig {
    r53::QueryLoggingConfig {
        id: config.id.clone(),
        hosted_zone_id: config.config.zone.clone(),
        cloud_watch_logs_log_group_arn: config.config.log_group_arn.clone(),
    }
}

async fn load(call: &Call<'_>, id: &str) -> Result<Stored<QueryLogging>, Failure> {
    match KIND.load(call, id).await {
        Err(Failure::Api(error)) if error.code == KIND.missing.code => Err(Failure::api(
            KIND.missing,
            "The query logging configuration does not exist",
        )),
        result => result,
    }
}

/// A log group of the region that Route 53 is in.
fn check_log_group(log_group: &str) -> Result<(), Failure> {
    let group = arn::parse(log_group, "logs").filter(|(region, _)| *region == "us-east-1");
    let name = group.and_then(|(_, resource)| resource.strip_prefix("log-group:"));
    match name.map(|name| name.trim_end_matches(":*")) {
        Some(name) if !name.is_empty() && !name.contains(':') => Ok(()),
        _ => Err(invalid_input(
            "The ARN for the CloudWatch Logs log group is invalid",
        )),
    }
}

async fn create(call: &Call<'_>) -> Answer {
    let input: r53::CreateQueryLoggingConfigRequest = call.input()?;
    let zone = zone::load(call, &input.hosted_zone_id).await?.resource;
    check_log_group(&input.cloud_watch_logs_log_group_arn)?;
    if zone.config.is_private {
        return Err(invalid_input(format!(
            "The hosted zone {} is private; queries are logged for public ones.",
            zone.id
        )));
    }
    if call.claimed(ZONE_CLAIM, &zone.id).await?.is_some() {
        return Err(Failure::api(
            &error::QUERY_LOGGING_CONFIG_ALREADY_EXISTS,
            "A query logging configuration already exists for this hosted zone",
        ));
    }
    let config = KIND.first_version(
        call,
        QueryLogging {
            zone: zone.id.clone(),
            log_group_arn: input.cloud_watch_logs_log_group_arn,
        },
    );
    let change = KIND
        .creation(call, &config)
        .if_present(zone::KIND.key(&zone.id))
        .claim(ZONE_CLAIM, &zone.id, &config.id);
    call.commit(change).await?;
    Ok(Reply::of(&r53::CreateQueryLoggingConfigResponse {
        query_logging_config: output(&config),
        location: inputs::location(&format!("queryloggingconfig/{}", config.id)),
    }))
}

/// Adds to the change that deletes a zone that its config goes, if it has one.
pub(super) async fn forget(call: &Call<'_>, change: Change, zone: &str) -> Result<Change, Failure> {
    let key = keys::claim(ZONE_CLAIM, zone);
    Ok(match call.store().get(&key).await? {
        Some(claim) => {
            let id = String::from_utf8_lossy(&claim.value).into_owned();
            change
                .if_still(&key, Some(claim.modified))
                .delete(key)
                .delete(KIND.key(&id))
                .touch(KIND.collection)
        }
        None => change.if_absent(key),
    })
}

async fn get(call: &Call<'_>) -> Answer {
    let input: r53::GetQueryLoggingConfigRequest = call.input()?;
    let config = load(call, &input.id).await?.resource;
    Ok(Reply::of(&r53::GetQueryLoggingConfigResponse {
        query_logging_config: output(&config),
    }))
}

async fn delete(call: &Call<'_>) -> Answer {
    let input: r53::DeleteQueryLoggingConfigRequest = call.input()?;
    let stored = load(call, &input.id).await?;
    let config = &stored.resource;
    let change = stored
        .change(&KIND)
        .release(ZONE_CLAIM, &config.config.zone)
        .remove(call, &stored.key, config.version);
    call.commit(change).await?;
    Ok(Reply::empty())
}

async fn list(call: &Call<'_>) -> Answer {
    let input: r53::ListQueryLoggingConfigsRequest = call.input()?;
    let limit = inputs::page_size("MaxResults", input.max_results.as_deref(), PAGE_ITEMS_MAX)?;
    let token = input.next_token.filter(|token| !token.is_empty());
    let start = match &token {
        None => String::new(),
        Some(token) => inputs::read_token(token).ok_or_else(|| {
            let message = format!("NextToken is '{token}', which is none of this list's.");
            Failure::api(&error::INVALID_PAGINATION_TOKEN, message)
        })?,
    };
    let zone = input.hosted_zone_id.filter(|id| !id.is_empty());
    let zone = match zone {
        Some(id) => Some(zone::load(call, bare_id(&id)).await?.resource.id),
        None => None,
    };
    let mut configs: Vec<Resource<QueryLogging>> = Vec::new();
    for document in call.list_all(&KIND.prefix()).await? {
        configs.push(Resource::decode(&document.key, &document.value)?);
    }
    configs.retain(|config| zone.as_ref().is_none_or(|zone| config.config.zone == *zone));
    let page = Page::of(configs.iter().filter(|config| config.id >= start), limit);
    Ok(Reply::of(&r53::ListQueryLoggingConfigsResponse {
        query_logging_configs: page.items.into_iter().map(output).collect(),
        next_token: page.next.map(|next| inputs::token(&next.id)),
    }))
}
