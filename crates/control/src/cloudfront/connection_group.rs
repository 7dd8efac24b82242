//! Connection groups: the host names that viewers reach distribution tenants by (spec §1.9).

use documents::tenant::{ConnectionGroup, Tenant};
use documents::{Resource, keys};
use serde::de::DeserializeOwned;
use shapes::Timestamp;
use shapes::cloudfront::{self as cf, error};

use super::family::check_name;
use super::tags;
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::Failure;
use crate::ids::{self, IdForm};
use crate::limits;
use crate::nodes::Living;
use crate::resource::{self, Kind, Stored};
use crate::service::{Entry, served, stored};

const NAME_CLAIM: &str = "name/connection-group";
/// There is one default group at most; it claims to be it.
const DEFAULT_CLAIM: (&str, &str) = ("default", "connection-group");
const ANYCAST_IP_LIST: &str = "anycast-ip-list";

pub(super) const KIND: Kind = Kind {
    noun: "connection group",
    collection: keys::CONNECTION_GROUP,
    id: IdForm::Prefixed("cg_"),
    cfn_type: "AWS::CloudFront::ConnectionGroup",
    missing: &error::ENTITY_NOT_FOUND,
};

const NOTE: &str = "Tenants are served by all addresses of a node, whatever their group says.";

pub(super) const OPERATIONS: &[Entry] = &[
    stored("CreateConnectionGroup", NOTE, |call| Box::pin(create(call))),
    served("GetConnectionGroup", |call| Box::pin(get(call))),
    served("GetConnectionGroupByRoutingEndpoint", |call| {
        Box::pin(get_by_endpoint(call))
    }),
    stored("UpdateConnectionGroup", NOTE, |call| Box::pin(update(call))),
    served("DeleteConnectionGroup", |call| Box::pin(delete(call))),
    served("ListConnectionGroups", |call| Box::pin(list(call))),
];

async fn create(call: &Call<'_>) -> Answer {
    let input: cf::CreateConnectionGroupRequest = call.input()?;
    check_name("Name", &input.name, "-_.")?;
    if let Some(id) = call.claimed(NAME_CLAIM, &input.name).await? {
        let message = format!(
            "The connection group {id} is named '{}' already.",
            input.name
        );
        return Err(Failure::api(&error::ENTITY_ALREADY_EXISTS, message));
    }
    let config = ConnectionGroup {
        name: input.name,
        ipv6_enabled: input.ipv6_enabled.unwrap_or(true),
        anycast_ip_list_id: input.anycast_ip_list_id.filter(|id| !id.is_empty()),
        enabled: input.enabled.unwrap_or(true),
        is_default: false,
    };
    let group = first_version(call, KIND.id.make(), config);
    let change = Change::new().about(KIND.cfn_type, &group.id);
    let change = with_new(call, change, &group).await?;
    let change = with_anycast(call, change, &group.config).await?;
    let change = tags::attach(change, &arn(call, &group.id), input.tags.as_ref())?;
    let stored = Stored {
        key: KIND.key(&group.id),
        modified: call.commit(change).await?,
        resource: group,
    };
    Ok(Reply::of(&cf::CreateConnectionGroupResult {
        connection_group: Some(output(call, &stored).await?),
        etag: Some(stored.resource.etag),
    }))
}

fn first_version(
    call: &Call<'_>,
    id: String,
    config: ConnectionGroup,
) -> Resource<ConnectionGroup> {
    let domain = format!("{}.{}", ids::domain_label(), call.control.config.domain);
    Resource {
        domain: Some(domain),
        ..KIND.first_version_named(call, id, config)
    }
}

/// Adds to a change that the group is made, if there may be one more.
async fn with_new(
    call: &Call<'_>,
    change: Change,
    group: &Resource<ConnectionGroup>,
) -> Result<Change, Failure> {
    let guard = call.guard(KIND.collection).await?;
    let groups = call.list_all(&keys::collection(KIND.collection)).await?;
    if groups.len() >= limits::CONNECTION_GROUPS_MAX {
        let message = format!(
            "There are {} connection groups already, and no more may be.",
            groups.len()
        );
        return Err(Failure::api(&error::ENTITY_LIMIT_EXCEEDED, message));
    }
    let key = KIND.key(&group.id);
    Ok(change
        .if_still(keys::guard(KIND.collection), guard)
        .if_absent(&key)
        .claim(NAME_CLAIM, &group.config.name, &group.id)
        .touch(KIND.collection)
        .save(call, &key, group))
}

/// Makes a change depend on that the addresses are there which the group names.
async fn with_anycast(
    call: &Call<'_>,
    change: Change,
    group: &ConnectionGroup,
) -> Result<Change, Failure> {
    let Some(id) = &group.anycast_ip_list_id else {
        return Ok(change);
    };
    let key = keys::resource(ANYCAST_IP_LIST, id);
    if call.store().get(&key).await?.is_none() {
        let message = format!("AnycastIpListId is '{id}'; there is no such list.");
        return Err(Failure::api(&error::ENTITY_NOT_FOUND, message));
    }
    Ok(change.if_present(key))
}

/// The group of a tenant: the one that it names, or the default one, which the change then makes
/// if this is the first tenant that needs it. The change depends on the group.
pub(super) async fn of_tenant(
    call: &Call<'_>,
    change: Change,
    named: Option<&str>,
) -> Result<(Change, String), Failure> {
    if let Some(identifier) = named.filter(|identifier| !identifier.is_empty()) {
        let group: Stored<ConnectionGroup> = find(call, &KIND, NAME_CLAIM, identifier).await?;
        return Ok((change.if_present(group.key), group.resource.id));
    }
    let (claim_kind, claim) = DEFAULT_CLAIM;
    if let Some(id) = call.claimed(claim_kind, claim).await? {
        return Ok((change.if_present(KIND.key(&id)), id));
    }
    let id = KIND.id.make();
    let config = ConnectionGroup {
        // Names are unique, and nobody else can know this one.
        name: format!("default-{id}"),
        ipv6_enabled: true,
        anycast_ip_list_id: None,
        enabled: true,
        is_default: true,
    };
    let group = first_version(call, id.clone(), config);
    let change = change.claim(claim_kind, claim, &id);
    Ok((with_new(call, change, &group).await?, id))
}

/// A resource by its id, its name or its ARN, as connection groups and tenants are asked for.
pub(super) async fn find<C: DeserializeOwned>(
    call: &Call<'_>,
    kind: &Kind,
    name_claim: &str,
    identifier: &str,
) -> Result<Stored<C>, Failure> {
    let arns = call.control.arn(&format!("{}/", kind.collection));
    match identifier.strip_prefix(&arns) {
        Some(id) => kind.load(call, id).await,
        None => {
            let named = call.claimed(name_claim, identifier).await?;
            kind.load(call, named.as_deref().unwrap_or(identifier))
                .await
        }
    }
}

fn arn(call: &Call<'_>, id: &str) -> String {
    call.control.arn(&format!("connection-group/{id}"))
}

async fn output(
    call: &Call<'_>,
    stored: &Stored<ConnectionGroup>,
) -> Result<cf::ConnectionGroup, Failure> {
    let group = &stored.resource;
    let arn = arn(call, &group.id);
    let status = Living::edges(call)
        .await?
        .status(&stored.key, stored.modified);
    Ok(cf::ConnectionGroup {
        id: Some(group.id.clone()),
        name: Some(group.config.name.clone()),
        tags: Some(tags_of(call, &arn).await?),
        arn: Some(arn),
        created_time: Some(Timestamp::from_unix_ms(group.created_ms as i64)),
        last_modified_time: Some(Timestamp::from_unix_ms(group.modified_ms as i64)),
        ipv6_enabled: Some(group.config.ipv6_enabled),
        routing_endpoint: group.domain.clone(),
        anycast_ip_list_id: group.config.anycast_ip_list_id.clone(),
        status: Some(status.to_owned()),
        enabled: Some(group.config.enabled),
        is_default: Some(group.config.is_default),
    })
}

/// The tags of a resource.
pub(super) async fn tags_of(call: &Call<'_>, arn: &str) -> Result<cf::Tags, Failure> {
    let key = keys::tags(arn);
    match call.store().get(&key).await? {
        Some(document) => Ok(documents::decode(&key, &document.value)?),
        None => Ok(cf::Tags {
            items: Some(Vec::new()),
        }),
    }
}

async fn get(call: &Call<'_>) -> Answer {
    let input: cf::GetConnectionGroupRequest = call.input()?;
    let stored: Stored<ConnectionGroup> = find(call, &KIND, NAME_CLAIM, &input.identifier).await?;
    Ok(Reply::of(&cf::GetConnectionGroupResult {
        connection_group: Some(output(call, &stored).await?),
        etag: Some(stored.resource.etag),
    }))
}

async fn get_by_endpoint(call: &Call<'_>) -> Answer {
    let input: cf::GetConnectionGroupByRoutingEndpointRequest = call.input()?;
    let endpoint = input.routing_endpoint.to_ascii_lowercase();
    let all = KIND.load_all::<ConnectionGroup>(call).await?;
    let found = all
        .into_iter()
        .find(|stored| stored.resource.domain.as_ref() == Some(&endpoint));
    let stored = found.ok_or_else(|| {
        let message = format!("There is no connection group with the endpoint '{endpoint}'.");
        Failure::api(&error::ENTITY_NOT_FOUND, message)
    })?;
    Ok(Reply::of(&cf::GetConnectionGroupByRoutingEndpointResult {
        connection_group: Some(output(call, &stored).await?),
        etag: Some(stored.resource.etag),
    }))
}

/// What an update does not name stays as it is.
async fn update(call: &Call<'_>) -> Answer {
    let input: cf::UpdateConnectionGroupRequest = call.input()?;
    let stored = KIND.load::<ConnectionGroup>(call, &input.id).await?;
    stored.check_if_match(Some(&input.if_match))?;
    let old = stored.resource.config.clone();
    let config = ConnectionGroup {
        ipv6_enabled: input.ipv6_enabled.unwrap_or(old.ipv6_enabled),
        anycast_ip_list_id: match input.anycast_ip_list_id {
            Some(id) => Some(id).filter(|id| !id.is_empty()),
            None => old.anycast_ip_list_id.clone(),
        },
        enabled: input.enabled.unwrap_or(old.enabled),
        ..old
    };
    let group = stored.next_version(call, config);
    let change = stored.change(&KIND).save(call, &stored.key, &group);
    let change = with_anycast(call, change, &group.config).await?;
    let stored = Stored {
        modified: call.commit(change).await?,
        resource: group,
        ..stored
    };
    Ok(Reply::of(&cf::UpdateConnectionGroupResult {
        connection_group: Some(output(call, &stored).await?),
        etag: Some(stored.resource.etag),
    }))
}

async fn delete(call: &Call<'_>) -> Answer {
    let input: cf::DeleteConnectionGroupRequest = call.input()?;
    let stored = KIND.load::<ConnectionGroup>(call, &input.id).await?;
    stored.check_if_match(Some(&input.if_match))?;
    let group = &stored.resource;
    if group.config.is_default {
        let message = format!("{} is the default connection group, which stays.", group.id);
        return Err(Failure::api(
            &error::CANNOT_DELETE_ENTITY_WHILE_IN_USE,
            message,
        ));
    }
    if group.config.enabled {
        let message = format!(
            "The connection group {} is enabled; disable it first.",
            group.id
        );
        return Err(Failure::api(&error::RESOURCE_NOT_DISABLED, message));
    }
    let guard = call.guard(keys::DISTRIBUTION_TENANT).await?;
    let tenants = super::tenant::KIND.load_all::<Tenant>(call).await?;
    let mut tenants = tenants.iter().map(|stored| &stored.resource);
    if let Some(tenant) = tenants.find(|tenant| tenant.config.connection_group_id == group.id) {
        let message = format!(
            "The connection group {} is that of the distribution tenant {}.",
            group.id, tenant.id
        );
        return Err(Failure::api(
            &error::CANNOT_DELETE_ENTITY_WHILE_IN_USE,
            message,
        ));
    }
    let change = stored
        .change(&KIND)
        .if_still(keys::guard(keys::DISTRIBUTION_TENANT), guard)
        .release(NAME_CLAIM, &group.config.name)
        .remove(call, &stored.key, group.version);
    call.commit(tags::forget(change, &arn(call, &group.id)))
        .await?;
    Ok(Reply::empty())
}

async fn list(call: &Call<'_>) -> Answer {
    let input: cf::ListConnectionGroupsRequest = call.input()?;
    let wanted = input
        .association_filter
        .and_then(|filter| filter.anycast_ip_list_id);
    let mut groups = KIND.load_all::<ConnectionGroup>(call).await?;
    groups.retain(|stored| wanted.is_none() || stored.resource.config.anycast_ip_list_id == wanted);
    let max_items = input.max_items.map(|number| number.to_string());
    let (marker, max_items) = (input.marker.as_deref(), max_items.as_deref());
    let page = resource::page(groups, |stored| &stored.resource.id, marker, max_items)?;
    let edges = Living::edges(call).await?;
    let summaries = page
        .items
        .into_iter()
        .map(|stored| summary(call, &edges, stored));
    Ok(Reply::of(&cf::ListConnectionGroupsResult {
        next_marker: page.next_marker,
        connection_groups: Some(summaries.collect()),
    }))
}

fn summary(
    call: &Call<'_>,
    edges: &Living,
    stored: Stored<ConnectionGroup>,
) -> cf::ConnectionGroupSummary {
    let group = stored.resource;
    cf::ConnectionGroupSummary {
        arn: arn(call, &group.id),
        id: group.id,
        name: group.config.name,
        routing_endpoint: group.domain.unwrap_or_default(),
        created_time: Timestamp::from_unix_ms(group.created_ms as i64),
        last_modified_time: Timestamp::from_unix_ms(group.modified_ms as i64),
        etag: group.etag,
        anycast_ip_list_id: group.config.anycast_ip_list_id,
        enabled: Some(group.config.enabled),
        status: Some(edges.status(&stored.key, stored.modified).to_owned()),
        is_default: Some(group.config.is_default),
    }
}
