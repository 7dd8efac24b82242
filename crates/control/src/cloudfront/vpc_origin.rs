//! VPC origins (spec §7.1). Edges reach what they reach: there is nothing between them and a
//! private network that could be set up, so that a VPC origin is deployed when it is stored.

use documents::{Resource, keys};
use shapes::Timestamp;
use shapes::cloudfront::{self as cf, VpcOriginEndpointConfig, error};

use super::family::{self, Claim, Family, User, invalid};
use super::{inputs, resource_policy, tags};
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;
use crate::ids::IdForm;
use crate::resource::{self, Kind};
use crate::service::{Entry, stored};

pub(super) static KIND: Kind = Kind {
    noun: "VPC origin",
    collection: "vpc-origin",
    id: IdForm::Prefixed("vo_"),
    cfn_type: "AWS::CloudFront::VpcOrigin",
    missing: &error::ENTITY_NOT_FOUND,
};

const NAME_CLAIM: &str = "name/vpc-origin";

static FAMILY: Family<VpcOriginEndpointConfig> = Family {
    kind: &KIND,
    claims: &[Claim {
        kind: NAME_CLAIM,
        member: "Name",
        what: |config| &config.name,
    }],
    taken: &error::ENTITY_ALREADY_EXISTS,
    is_repeatable: false,
    quota: (25, &error::ENTITY_LIMIT_EXCEEDED),
    check,
    check_change: family::all_may_change,
    needs: family::nothing_needed,
    users: &[User {
        collection: keys::DISTRIBUTION,
        noun: "distribution",
        names: |config| {
            let origins = family::items(&config["Origins"]);
            let ids =
                origins.filter_map(|origin| origin["VpcOriginConfig"]["VpcOriginId"].as_str());
            ids.collect()
        },
    }],
    in_use: &error::CANNOT_DELETE_ENTITY_WHILE_IN_USE,
    facts: family::no_facts,
    managed: family::none_managed,
};

const NOTE: &str = "edges connect to no VPC origin yet";

pub(super) const OPERATIONS: &[Entry] = &[
    stored("CreateVpcOrigin", NOTE, |call| Box::pin(create(call))),
    stored("GetVpcOrigin", NOTE, |call| Box::pin(get(call))),
    stored("UpdateVpcOrigin", NOTE, |call| Box::pin(update(call))),
    stored("DeleteVpcOrigin", NOTE, |call| Box::pin(delete(call))),
    stored("ListVpcOrigins", NOTE, |call| Box::pin(list(call))),
];

/// `Status`.
const DEPLOYED: &str = "Deployed";

/// As those of custom origins, but for these (spec §1.3).
const PORTS_BELOW_1024: [i32; 2] = [80, 443];

fn check(config: &VpcOriginEndpointConfig) -> Result<(), Failure> {
    family::check_text("Name", Some(&config.name), family::NAME_CHARS_MAX)?;
    if config.name.is_empty() {
        return Err(invalid("Name", "is empty"));
    }
    inputs::check_arn("Arn", &config.arn, &["elasticloadbalancing", "ec2"])?;
    for (member, port) in [
        ("HTTPPort", config.http_port),
        ("HTTPSPort", config.https_port),
    ] {
        if !PORTS_BELOW_1024.contains(&port) && !(1_024..=65_535).contains(&port) {
            let message = format!("{port}; 80, 443 and 1024 to 65535 are allowed");
            return Err(invalid(member, message));
        }
    }
    let protocols = config.origin_ssl_protocols.as_ref();
    match protocols.is_some_and(|protocols| protocols.items.is_empty()) {
        true => Err(invalid("OriginSslProtocols", "names no protocol")),
        false => Ok(()),
    }
}

fn arn(call: &Call<'_>, id: &str) -> String {
    call.control.arn(&format!("vpcorigin/{id}"))
}

fn output(call: &Call<'_>, origin: Resource<VpcOriginEndpointConfig>) -> cf::VpcOrigin {
    cf::VpcOrigin {
        arn: arn(call, &origin.id),
        id: origin.id,
        account_id: Some(call.control.config.account_id.clone()),
        status: DEPLOYED.to_owned(),
        created_time: Timestamp::from_unix_ms(origin.created_ms as i64),
        last_modified_time: Timestamp::from_unix_ms(origin.modified_ms as i64),
        vpc_origin_endpoint_config: origin.config,
    }
}

fn summary(call: &Call<'_>, origin: Resource<VpcOriginEndpointConfig>) -> cf::VpcOriginSummary {
    let origin = output(call, origin);
    let endpoint = origin.vpc_origin_endpoint_config;
    cf::VpcOriginSummary {
        id: origin.id,
        name: endpoint.name,
        status: origin.status,
        created_time: origin.created_time,
        last_modified_time: origin.last_modified_time,
        arn: origin.arn,
        account_id: origin.account_id,
        origin_endpoint_arn: endpoint.arn,
        ip_address_type: endpoint.ip_address_type,
    }
}

async fn create(call: &Call<'_>) -> Answer {
    let input: cf::CreateVpcOriginRequest = call.input()?;
    let origin = KIND.first_version(call, FAMILY.config(call)?);
    let change = FAMILY.creation(call, &origin).await?;
    let change = tags::attach(change, &arn(call, &origin.id), input.tags.as_ref())?;
    call.commit(change).await?;
    Ok(Reply::of(&cf::CreateVpcOriginResult {
        location: Some(super::location("vpc-origin", &origin.id)),
        etag: Some(origin.etag.clone()),
        vpc_origin: Some(output(call, origin)),
    }))
}

async fn get(call: &Call<'_>) -> Answer {
    let input: cf::GetVpcOriginRequest = call.input()?;
    let origin = FAMILY.find(call, &input.id).await?;
    Ok(Reply::of(&cf::GetVpcOriginResult {
        etag: Some(origin.etag.clone()),
        vpc_origin: Some(output(call, origin)),
    }))
}

async fn update(call: &Call<'_>) -> Answer {
    let stored = FAMILY.changeable(call, &error::ILLEGAL_UPDATE).await?;
    let origin = stored.next_version(call, FAMILY.config(call)?);
    let change = FAMILY.change(call, &stored, &origin).await?;
    let change = FAMILY.unused(call, change, &origin.id).await;
    // What distributions use is taken out of them first.
    let change = change.map_err(|failure| match failure {
        Failure::Api(in_use) => {
            Failure::api(&error::CANNOT_UPDATE_ENTITY_WHILE_IN_USE, in_use.message)
        }
        other => other,
    })?;
    call.commit(change).await?;
    Ok(Reply::of(&cf::UpdateVpcOriginResult {
        etag: Some(origin.etag.clone()),
        vpc_origin: Some(output(call, origin)),
    }))
}

async fn delete(call: &Call<'_>) -> Answer {
    let stored = FAMILY.changeable(call, &error::ILLEGAL_DELETE).await?;
    let origin = stored.resource.clone();
    let change = FAMILY
        .unused(call, stored.change(&KIND), &origin.id)
        .await?;
    let change =
        change
            .release(NAME_CLAIM, &origin.config.name)
            .remove(call, &stored.key, origin.version);
    let change = tags::forget(change, &arn(call, &origin.id));
    let change = resource_policy::forget(change, &arn(call, &origin.id));
    call.commit(change).await?;
    Ok(Reply::of(&cf::DeleteVpcOriginResult {
        etag: Some(origin.etag.clone()),
        vpc_origin: Some(output(call, origin)),
    }))
}

async fn list(call: &Call<'_>) -> Answer {
    let input: cf::ListVpcOriginsRequest = call.input()?;
    let all = KIND.load_all(call).await?.into_iter();
    let all: Vec<Resource<_>> = all.map(|stored| stored.resource).collect();
    let (marker, max_items) = (input.marker.as_deref(), input.max_items.as_deref());
    let page = resource::page(all, |origin| &origin.id, marker, max_items)?;
    let items = page.items.into_iter();
    let items: Vec<_> = items.map(|origin| summary(call, origin)).collect();
    Ok(Reply::of(&cf::ListVpcOriginsResult {
        vpc_origin_list: Some(cf::VpcOriginList {
            marker: input.marker.unwrap_or_default(),
            is_truncated: page.next_marker.is_some(),
            next_marker: page.next_marker,
            max_items: page.max_items,
            quantity: items.len() as i32,
            items: Some(items),
        }),
    }))
}
