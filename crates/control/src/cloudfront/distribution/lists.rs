//! Lists of distributions: all of them, and those that name something. In the order of their
//! making (spec §16.3).

use documents::keys;
use serde_json::{Value, json};
use shapes::cloudfront::{self as cf, DistributionConfig, error};

use super::references::{self, last_part};
use super::{Distribution, KIND, output, validate};
use crate::call::{Answer, Call, Reply};
use crate::error::Failure;
use crate::nodes::Living;
use crate::resource;

/// What a list tells of each distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Much.
    Summaries,
    /// Its id.
    Ids,
    /// Its id and its owner.
    Owners,
}

/// `ListDistributions`.
pub async fn all(call: &Call<'_>) -> Answer {
    list(call, Form::Summaries, |_| true).await
}

/// Those that name the resource of a collection that a member of the input names, by its id or by
/// its ARN.
pub async fn by_id(call: &Call<'_>, member: &str, collection: &'static str, form: Form) -> Answer {
    let id = last_part(call.text(member).unwrap_or_default());
    let is_there = references::is_managed(collection, id)
        || call
            .store()
            .get(&keys::resource(collection, id))
            .await?
            .is_some();
    if !is_there {
        let (shape, noun) = references::missing(collection);
        let shape = match collection {
            references::KEY_GROUP => &error::NO_SUCH_RESOURCE,
            _ => shape,
        };
        return Err(Failure::api(
            shape,
            format!("{member}: there is no {noun} '{id}'."),
        ));
    }
    list(call, form, |config| {
        references::names(config, collection, id)
    })
    .await
}

/// `ListDistributionsByRealtimeLogConfig`: by name or by ARN.
pub async fn by_realtime_log_config(call: &Call<'_>) -> Answer {
    let input: cf::ListDistributionsByRealtimeLogConfigRequest = call.input()?;
    let named = input.realtime_log_config_name.as_deref();
    let named = named.or(input.realtime_log_config_arn.as_deref().map(last_part));
    let Some(name) = named else {
        let message = "RealtimeLogConfigName or RealtimeLogConfigArn is required.";
        return Err(Failure::api(&error::INVALID_ARGUMENT, message));
    };
    list(call, Form::Summaries, |config| {
        references::names(config, references::REALTIME_LOG_CONFIG, name)
    })
    .await
}

/// `ListDistributionsByWebACLId`: `null` asks for those without one.
pub async fn by_web_acl(call: &Call<'_>) -> Answer {
    let wanted = match call.text("WebACLId").unwrap_or_default() {
        "null" => "",
        id => id,
    };
    validate::web_acl_id(wanted)?;
    list(call, Form::Summaries, |config| {
        config.web_acl_id.as_deref().unwrap_or_default() == wanted
    })
    .await
}

/// `ListDistributionsByConnectionMode`.
pub async fn by_connection_mode(call: &Call<'_>) -> Answer {
    let input: cf::ListDistributionsByConnectionModeRequest = call.input()?;
    list(call, Form::Summaries, |config| {
        config.connection_mode.unwrap_or(cf::ConnectionMode::Direct) == input.connection_mode
    })
    .await
}

/// `ListDistributionsByOwnedResource`: resources that accounts share, by ARN.
pub async fn by_owned_resource(call: &Call<'_>) -> Answer {
    const SHARED: &[(&str, &str)] = &[
        ("anycast-ip-list", references::ANYCAST_IP_LIST),
        ("vpcorigin", references::VPC_ORIGIN),
        ("trust-store", references::TRUST_STORE),
    ];
    let arn = call.text("ResourceArn").unwrap_or_default();
    let own = call.control.arn("");
    let resource = arn.strip_prefix(&own).and_then(|rest| rest.split_once('/'));
    let known = resource.and_then(|(kind, id)| {
        let (_, collection) = SHARED.iter().find(|(shared, _)| *shared == kind)?;
        Some((*collection, id))
    });
    let missing = || Failure::api(&error::ENTITY_NOT_FOUND, format!("There is no '{arn}'."));
    let (collection, id) = known.ok_or_else(missing)?;
    let key = keys::resource(collection, id);
    call.store().get(&key).await?.ok_or_else(missing)?;
    list(call, Form::Owners, |config| {
        references::names(config, collection, id)
    })
    .await
}

async fn list(
    call: &Call<'_>,
    form: Form,
    is_wanted: impl Fn(&DistributionConfig) -> bool,
) -> Answer {
    let edges = Living::edges(call).await?;
    let all = KIND.load_all::<DistributionConfig>(call).await?.into_iter();
    let wanted: Vec<Distribution> = all
        .filter(|stored| is_wanted(&stored.resource.config))
        .collect();
    // The model has it as text in some lists, and as a number in others.
    let max_items = match call.input.get("MaxItems") {
        Some(Value::Number(number)) => Some(number.to_string()),
        value => value.and_then(Value::as_str).map(str::to_owned),
    };
    let marker = call.text("Marker").unwrap_or_default();
    let max_items = max_items.as_deref();
    let page = resource::page(
        wanted,
        |stored| &stored.resource.id,
        Some(marker),
        max_items,
    )?;
    let items = page.items.into_iter();
    let items: Vec<Value> = items
        .map(|stored| match form {
            Form::Ids => json!(stored.resource.id),
            Form::Owners => json!({
                "DistributionId": stored.resource.id,
                "OwnerAccountId": call.control.config.account_id,
            }),
            Form::Summaries => {
                json!(output::summary(
                    call,
                    &edges,
                    stored.resource,
                    stored.modified
                ))
            }
        })
        .collect();
    let member = match form {
        Form::Ids => "DistributionIdList",
        Form::Summaries | Form::Owners => "DistributionList",
    };
    let mut list = json!({
        "Marker": marker,
        "MaxItems": page.max_items,
        "IsTruncated": page.next_marker.is_some(),
        "Quantity": items.len(),
    });
    if let Some(next_marker) = page.next_marker {
        list["NextMarker"] = next_marker.into();
    }
    if !items.is_empty() {
        list["Items"] = items.into();
    }
    Ok(Reply::of(&json!({ member: list })))
}
