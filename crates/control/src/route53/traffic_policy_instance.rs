//! Traffic policy instances (spec §14): a version of a policy at a name of a zone.
//!
//! An instance is two documents, which are put together: itself, with the tree that name servers
//! follow, and the record set at its name that names it. Only the second is the zone's, and only
//! instances write such record sets: `record_sets.rs`.

mod lists;

use std::collections::BTreeSet;

use documents::route53::{self as forms, TrafficPolicyInstance, Zone};
use documents::{Resource, Role, decode};
use records::Name;
use shapes::route53::{self as r53, ChangeAction, error};

use super::inputs::{self, invalid_input};
use super::record_sets::{self, Writer};
use super::{health_check, traffic_policy, zone};
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::{ApiError, Failure};
use crate::ids::IdForm;
use crate::limits;
use crate::nodes::Living;
use crate::resource::{Kind, Stored};
use crate::service::{Entry, served};

pub(super) static KIND: Kind = Kind {
    noun: "traffic policy instance",
    collection: forms::TRAFFIC_POLICY_INSTANCE,
    id: IdForm::Uuid,
    cfn_type: "AWS::Route53::TrafficPolicyInstance",
    missing: &error::NO_SUCH_TRAFFIC_POLICY_INSTANCE,
};

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreateTrafficPolicyInstance", |call| Box::pin(create(call))),
    served("GetTrafficPolicyInstance", |call| Box::pin(get(call))),
    served("UpdateTrafficPolicyInstance", |call| Box::pin(update(call))),
    served("DeleteTrafficPolicyInstance", |call| Box::pin(delete(call))),
    served("ListTrafficPolicyInstances", |call| {
        Box::pin(lists::all(call))
    }),
    served("ListTrafficPolicyInstancesByHostedZone", |call| {
        Box::pin(lists::by_zone(call))
    }),
    served("ListTrafficPolicyInstancesByPolicy", |call| {
        Box::pin(lists::by_policy(call))
    }),
    served("GetTrafficPolicyInstanceCount", |call| {
        Box::pin(lists::count(call))
    }),
];

type Instance = Stored<TrafficPolicyInstance>;

/// Whether an instance of a version exists.
pub(super) async fn uses(call: &Call<'_>, policy: &str, version: i32) -> Result<bool, Failure> {
    let instances = KIND.load_all::<TrafficPolicyInstance>(call).await?;
    let mut configs = instances.iter().map(|stored| &stored.resource.config);
    Ok(configs.any(|config| config.policy == policy && config.policy_version == version))
}

/// As clients are told of an instance: it is applied where every name server that lives has it.
fn output(instance: &Instance, servers: &Living) -> r53::TrafficPolicyInstance {
    let Resource { id, config, .. } = &instance.resource;
    let state = match servers.serve(&instance.key, instance.modified) {
        true => "Applied",
        false if instance.resource.version == 1 => "Creating",
        false => "Updating",
    };
    r53::TrafficPolicyInstance {
        id: id.clone(),
        hosted_zone_id: config.zone.clone(),
        name: config.name.clone(),
        ttl: config.ttl,
        state: state.to_owned(),
        message: String::new(),
        traffic_policy_id: config.policy.clone(),
        traffic_policy_version: config.policy_version,
        traffic_policy_type: traffic_policy::record_type(&config.record_type),
    }
}

/// A version that instances can be made of: it is not deleted, and stays so if the change comes
/// about.
async fn load_policy(
    call: &Call<'_>,
    change: Change,
    policy: &str,
    version: i32,
) -> Result<(Stored<documents::route53::TrafficPolicy>, Change), Failure> {
    let stored = traffic_policy::load(call, policy, version).await?;
    if stored.resource.config.is_deleted {
        let message = format!("Version {version} of the traffic policy {policy} is deleted.");
        return Err(Failure::api(&error::NO_SUCH_TRAFFIC_POLICY, message));
    }
    check_health_checks(call, &stored.resource.config.document).await?;
    let change = change.if_still(&stored.key, Some(stored.modified));
    Ok((stored, change))
}

/// The health checks that a tree names exist. (They may go later, as those of record sets may.)
async fn check_health_checks(call: &Call<'_>, document: &str) -> Result<(), Failure> {
    // What is stored was read when it came.
    let Ok(tree) = documents::traffic_policy::parse(document) else {
        return Ok(());
    };
    let branches = tree.rules.values().flat_map(|rule| rule.branches());
    let named: BTreeSet<&String> = branches.filter_map(|b| b.health_check.as_ref()).collect();
    for id in named {
        match health_check::load(call, id).await {
            Err(Failure::Api(_)) => {
                return Err(invalid_input(format!(
                    "The traffic policy names a health check '{id}', which does not exist."
                )));
            }
            found => drop(found?),
        }
    }
    Ok(())
}

/// Adds the writing of the record set of an instance to a change.
async fn with_record_set(
    call: &Call<'_>,
    change: Change,
    zone: &Resource<Zone>,
    action: ChangeAction,
    instance: &Resource<TrafficPolicyInstance>,
) -> Result<Change, Failure> {
    let record_type = traffic_policy::record_type(&instance.config.record_type);
    let set = r53::ResourceRecordSet {
        ttl: Some(instance.config.ttl),
        traffic_policy_instance_id: Some(instance.id.clone()),
        ..forms::bare(&instance.config.name, record_type)
    };
    let changes = [r53::Change {
        action,
        resource_record_set: set,
    }];
    let writer = Writer::TrafficPolicyInstance;
    let applied = record_sets::apply(call, zone, &changes, writer, change).await;
    // It was no batch of the client's that is invalid.
    applied.map_err(|failure| match failure {
        Failure::Api(wrong) if wrong.code == error::INVALID_CHANGE_BATCH.code => {
            ApiError::new(&error::INVALID_INPUT, wrong.message).into()
        }
        failure => failure,
    })
}

async fn create(call: &Call<'_>) -> Answer {
    let input: r53::CreateTrafficPolicyInstanceRequest = call.input()?;
    inputs::check_bounds(call)?;
    let zone = zone::load(call, &input.hosted_zone_id).await?.resource;
    let name = Name::parse(&input.name)
        .map_err(|error| invalid_input(format!("Name is '{}': {error}.", input.name)))?;
    if !name.is_within(&zone::apex(&zone)?) {
        return Err(invalid_input(format!(
            "Name is {name}, which is not within the hosted zone {}.",
            zone.config.name
        )));
    }
    let (id, number) = (&input.traffic_policy_id, input.traffic_policy_version);
    let (policy, change) = load_policy(call, Change::new(), id, number).await?;
    let policy = policy.resource.config;
    let guard = call.guard(KIND.collection).await?;
    let count = call.list_all(&KIND.prefix()).await?.len();
    if count >= limits::TRAFFIC_POLICY_INSTANCES_MAX {
        let message = format!("There are {count} traffic policy instances, which is the most.");
        let shape = &error::TOO_MANY_TRAFFIC_POLICY_INSTANCES;
        return Err(Failure::api(shape, message));
    }
    refuse_second(call, &zone.id, &name, &policy.record_type).await?;
    let instance = KIND.first_version(
        call,
        TrafficPolicyInstance {
            zone: zone.id.clone(),
            name: name.to_string(),
            ttl: input.ttl,
            policy: policy.policy,
            policy_version: policy.version,
            record_type: policy.record_type,
            document: policy.document,
        },
    );
    let key = KIND.key(&instance.id);
    let change = change
        .about(KIND.cfn_type, &instance.id)
        .if_absent(&key)
        .if_still(documents::keys::guard(KIND.collection), guard)
        .touch(KIND.collection)
        .save(call, &key, &instance);
    let change = with_record_set(call, change, &zone, ChangeAction::Create, &instance).await?;
    let modified = call.commit(change).await?;
    let instance = Stored {
        key,
        resource: instance,
        modified,
    };
    let servers = Living::of(call, Role::Dns).await?;
    Ok(Reply::of(&r53::CreateTrafficPolicyInstanceResponse {
        location: inputs::location(&format!("trafficpolicyinstance/{}", instance.resource.id)),
        traffic_policy_instance: output(&instance, &servers),
    }))
}

/// There is one instance of a name and a type.
async fn refuse_second(
    call: &Call<'_>,
    zone: &str,
    name: &Name,
    record_type: &str,
) -> Result<(), Failure> {
    let key = forms::record(zone, &name.order_key(), record_type, None);
    let Some(document) = call.store().get(&key).await? else {
        return Ok(());
    };
    let set: r53::ResourceRecordSet = decode(&key, &document.value)?;
    match set.traffic_policy_instance_id {
        Some(id) => {
            let message = format!(
                "There is a traffic policy instance {id} of {name} with the type {record_type} \
                 already."
            );
            let shape = &error::TRAFFIC_POLICY_INSTANCE_ALREADY_EXISTS;
            Err(Failure::api(shape, message))
        }
        None => Ok(()),
    }
}

async fn get(call: &Call<'_>) -> Answer {
    let input: r53::GetTrafficPolicyInstanceRequest = call.input()?;
    let instance: Instance = KIND.load(call, &input.id).await?;
    let servers = Living::of(call, Role::Dns).await?;
    Ok(Reply::of(&r53::GetTrafficPolicyInstanceResponse {
        traffic_policy_instance: output(&instance, &servers),
    }))
}

async fn update(call: &Call<'_>) -> Answer {
    let input: r53::UpdateTrafficPolicyInstanceRequest = call.input()?;
    inputs::check_bounds(call)?;
    let stored: Instance = KIND.load(call, &input.id).await?;
    let old = &stored.resource.config;
    let zone = zone::load(call, &old.zone).await?.resource;
    let (id, number) = (&input.traffic_policy_id, input.traffic_policy_version);
    let (policy, change) = load_policy(call, stored.change(&KIND), id, number).await?;
    let policy = policy.resource.config;
    if policy.record_type != old.record_type {
        let message = format!(
            "The instance is of type {}, and version {number} of the traffic policy {id} is of \
             type {}.",
            old.record_type, policy.record_type
        );
        return Err(Failure::api(&error::CONFLICTING_TYPES, message));
    }
    let instance = stored.next_version(
        call,
        TrafficPolicyInstance {
            ttl: input.ttl,
            policy: policy.policy,
            policy_version: policy.version,
            document: policy.document,
            ..old.clone()
        },
    );
    let change = change.save(call, &stored.key, &instance);
    let change = with_record_set(call, change, &zone, ChangeAction::Upsert, &instance).await?;
    let modified = call.commit(change).await?;
    let instance = Stored {
        key: stored.key,
        resource: instance,
        modified,
    };
    let servers = Living::of(call, Role::Dns).await?;
    Ok(Reply::of(&r53::UpdateTrafficPolicyInstanceResponse {
        traffic_policy_instance: output(&instance, &servers),
    }))
}

/// The record set goes too, if it is still there.
async fn delete(call: &Call<'_>) -> Answer {
    let input: r53::DeleteTrafficPolicyInstanceRequest = call.input()?;
    let stored: Instance = KIND.load(call, &input.id).await?;
    let instance = &stored.resource;
    let mut change = stored
        .change(&KIND)
        .remove(call, &stored.key, instance.version);
    if let Some(zone) = zone_of_record_set(call, instance).await? {
        change = with_record_set(call, change, &zone, ChangeAction::Delete, instance).await?;
    }
    call.commit(change).await?;
    Ok(Reply::empty())
}

/// The zone of an instance, if its record set is in it.
async fn zone_of_record_set(
    call: &Call<'_>,
    instance: &Resource<TrafficPolicyInstance>,
) -> Result<Option<Resource<Zone>>, Failure> {
    let config = &instance.config;
    let Ok(name) = Name::parse(&config.name) else {
        return Ok(None);
    };
    let key = forms::record(&config.zone, &name.order_key(), &config.record_type, None);
    let Some(document) = call.store().get(&key).await? else {
        return Ok(None);
    };
    let set: r53::ResourceRecordSet = decode(&key, &document.value)?;
    if set.traffic_policy_instance_id.as_deref() != Some(&instance.id) {
        return Ok(None);
    }
    Ok(Some(zone::load(call, &config.zone).await?.resource))
}
