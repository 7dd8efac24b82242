//! Traffic policies (spec §14): versions of documents, which do nothing until an instance of one
//! is made.
//!
//! Beside the versions lies a state for each policy, which says which of them there are: those that
//! are deleted stay, to be looked at. Who writes a version compares the state and puts it.

mod lists;

use documents::route53::{self as forms, TrafficPolicy, TrafficPolicyState};
use documents::traffic_policy::{self as tree, Endpoint, Rule};
use documents::{Resource, decode, encode};
use records::{Name, RecordType, rdata};
use shapes::ShapeError;
use shapes::route53::{self as r53, RRType, error};
use store::Revision;

use super::inputs::{self, invalid_input};
use super::record_sets;
use super::traffic_policy_instance as instance;
use crate::call::{Answer, Call, Reply};
use crate::change::Change;
use crate::error::Failure;
use crate::ids::IdForm;
use crate::limits;
use crate::resource::{Kind, Stored};
use crate::service::{Entry, served};

/// A version is a resource: its id is the policy's and its number.
pub(super) static KIND: Kind = Kind {
    noun: "traffic policy",
    collection: forms::TRAFFIC_POLICY,
    id: IdForm::Uuid,
    cfn_type: "AWS::Route53::TrafficPolicy",
    missing: &error::NO_SUCH_TRAFFIC_POLICY,
};

/// Versions of a policy (spec §3).
const VERSIONS_MAX: i32 = 1_000;
/// Things wrong with a document that are told at most.
const ERRORS_MAX: usize = 20;
/// Longest name: it is part of a key. The model's bound is 512 characters.
const NAME_BYTES_MAX: usize = 900;

const NAME_CLAIM: &str = "name/traffic-policy";

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreateTrafficPolicy", |call| Box::pin(create(call))),
    served("CreateTrafficPolicyVersion", |call| {
        Box::pin(create_version(call))
    }),
    served("GetTrafficPolicy", |call| Box::pin(get(call))),
    served("UpdateTrafficPolicyComment", |call| {
        Box::pin(update_comment(call))
    }),
    served("DeleteTrafficPolicy", |call| Box::pin(delete(call))),
    served("ListTrafficPolicies", |call| {
        Box::pin(lists::policies(call))
    }),
    served("ListTrafficPolicyVersions", |call| {
        Box::pin(lists::versions(call))
    }),
];

const _: () = assert!(NAME_BYTES_MAX + 100 < store::limits::KEY_BYTES_MAX);

fn key(policy: &str, version: i32) -> String {
    KIND.key(&forms::traffic_policy_version(policy, version))
}

fn missing(policy: &str, version: i32) -> Failure {
    let message = format!("There is no traffic policy '{policy}' with a version {version}.");
    Failure::api(&error::NO_SUCH_TRAFFIC_POLICY, message)
}

/// A version, deleted or not.
pub(super) async fn load(
    call: &Call<'_>,
    policy: &str,
    version: i32,
) -> Result<Stored<TrafficPolicy>, Failure> {
    let is_id =
        !policy.is_empty() && policy.len() <= limits::ROUTE53_ID_BYTES_MAX && !policy.contains('/');
    if !is_id || version < 1 {
        return Err(missing(policy, version));
    }
    let key = key(policy, version);
    let document = call.store().get(&key).await?;
    let document = document.ok_or_else(|| missing(policy, version))?;
    Ok(Stored {
        resource: Resource::decode(&key, &document.value)?,
        modified: document.modified,
        key,
    })
}

/// What there is of a policy, and when that was put last.
async fn state(call: &Call<'_>, policy: &str) -> Result<(TrafficPolicyState, Revision), Failure> {
    let key = forms::traffic_policy_state(policy);
    let missing = || KIND.missing(policy);
    if policy.is_empty() || policy.len() > limits::ROUTE53_ID_BYTES_MAX {
        return Err(missing());
    }
    let document = call.store().get(&key).await?.ok_or_else(missing)?;
    Ok((decode(&key, &document.value)?, document.modified))
}

/// The type as the model has it; it was one when the policy was made.
pub(super) fn record_type(text: &str) -> RRType {
    let mut known = RRType::ALL.iter().copied();
    known
        .find(|known| known.as_str() == text)
        .unwrap_or(RRType::A)
}

fn output(version: &TrafficPolicy) -> r53::TrafficPolicy {
    r53::TrafficPolicy {
        id: version.policy.clone(),
        version: version.version,
        name: version.name.clone(),
        r#type: record_type(&version.record_type),
        document: version.document.clone(),
        comment: version.comment.clone(),
    }
}

/// Reads a document; gives the type of its records. Everything that is wrong with it is told.
fn check_document(document: &str) -> Result<RRType, Failure> {
    let read = tree::parse(document).map_err(|errors| invalid_document(&errors))?;
    let mut errors = Vec::new();
    for (name, endpoint) in &read.endpoints {
        if let Some(message) = wrong_value(read.record_type, endpoint) {
            let path = format!("Endpoints.{name}.Value");
            errors.push(ShapeError { path, message });
        }
    }
    for (name, rule) in &read.rules {
        for message in wrong_rule(read.record_type, rule) {
            let path = format!("Rules.{name}");
            errors.push(ShapeError { path, message });
        }
    }
    errors.truncate(ERRORS_MAX);
    match errors.is_empty() {
        true => Ok(read.record_type),
        false => Err(invalid_document(&errors)),
    }
}

/// What is wrong with the places of a rule, as with those of record sets.
fn wrong_rule(record_type: RRType, rule: &Rule) -> Vec<String> {
    let wrong: Vec<Result<(), String>> = match rule {
        Rule::Geo(items) => {
            let places = items.iter().map(|(place, _)| place);
            places.map(record_sets::check_geo_location).collect()
        }
        Rule::Geoproximity(items) => {
            let places = items.iter().map(|(place, _)| place);
            places.map(record_sets::check_geo_proximity).collect()
        }
        Rule::Multivalue(_) if record_type == RRType::Cname => {
            vec![Err("a name has one CNAME record, and no several".to_owned())]
        }
        _ => Vec::new(),
    };
    wrong.into_iter().filter_map(Result::err).collect()
}

fn wrong_value(record_type: RRType, endpoint: &Endpoint) -> Option<String> {
    match endpoint {
        Endpoint::Value(value) => {
            let Ok(record_type) = record_type.as_str().parse::<RecordType>() else {
                return Some("is of a type that is not known here".to_owned());
            };
            let error = rdata::parse(record_type, value).err()?;
            Some(format!(
                "'{value}' is no value of type {record_type}: {error}"
            ))
        }
        Endpoint::Distribution(name) | Endpoint::Alias { name, .. } => {
            let error = Name::parse(name).err()?;
            Some(format!("'{name}' is no domain name: {error}"))
        }
    }
}

fn invalid_document(errors: &[ShapeError]) -> Failure {
    let messages: Vec<String> = errors.iter().map(ShapeError::to_string).collect();
    let shape = &error::INVALID_TRAFFIC_POLICY_DOCUMENT;
    Failure::api(shape, messages.join("; "))
}

/// Adds a new version to a change, and the state that knows it.
fn with_version(
    call: &Call<'_>,
    change: Change,
    version: &Resource<TrafficPolicy>,
    state: &TrafficPolicyState,
) -> Change {
    let policy = &version.config.policy;
    let key = key(policy, version.config.version);
    change
        .about(KIND.cfn_type, policy)
        .if_absent(&key)
        .touch(KIND.collection)
        .put(forms::traffic_policy_state(policy), encode(state))
        .save(call, &key, version)
}

fn new_version(call: &Call<'_>, version: TrafficPolicy) -> Resource<TrafficPolicy> {
    let id = forms::traffic_policy_version(&version.policy, version.version);
    KIND.first_version_named(call, id, version)
}

async fn create(call: &Call<'_>) -> Answer {
    let input: r53::CreateTrafficPolicyRequest = call.input()?;
    inputs::check_bounds(call)?;
    inputs::check_word("Name", &input.name)?;
    if input.name.len() > NAME_BYTES_MAX {
        return Err(invalid_input(format!(
            "Name has {} bytes; at most {NAME_BYTES_MAX} are allowed.",
            input.name.len()
        )));
    }
    let record_type = check_document(&input.document)?;
    if call.claimed(NAME_CLAIM, &input.name).await?.is_some() {
        let message = format!("There is a traffic policy '{}' already.", input.name);
        return Err(Failure::api(&error::TRAFFIC_POLICY_ALREADY_EXISTS, message));
    }
    let guard = call.guard(KIND.collection).await?;
    let count = call.list_all(forms::TRAFFIC_POLICIES).await?.len();
    if count >= limits::TRAFFIC_POLICIES_MAX {
        let message = format!("There are {count} traffic policies, which is the most.");
        return Err(Failure::api(&error::TOO_MANY_TRAFFIC_POLICIES, message));
    }
    let version = new_version(
        call,
        TrafficPolicy {
            policy: KIND.id.make(),
            version: 1,
            name: input.name.clone(),
            record_type: record_type.to_string(),
            document: input.document,
            comment: input.comment,
            is_deleted: false,
        },
    );
    let state = TrafficPolicyState {
        name: input.name.clone(),
        record_type: record_type.to_string(),
        newest: 1,
        versions: vec![1],
    };
    let policy = &version.config.policy;
    let change = Change::new()
        .if_still(documents::keys::guard(KIND.collection), guard)
        .if_absent(forms::traffic_policy_state(policy))
        .claim(NAME_CLAIM, &input.name, policy);
    call.commit(with_version(call, change, &version, &state))
        .await?;
    Ok(Reply::of(&r53::CreateTrafficPolicyResponse {
        traffic_policy: output(&version.config),
        location: location(&version.config),
    }))
}

fn location(version: &TrafficPolicy) -> String {
    inputs::location(&format!(
        "trafficpolicy/{}/{}",
        version.policy, version.version
    ))
}

async fn create_version(call: &Call<'_>) -> Answer {
    let input: r53::CreateTrafficPolicyVersionRequest = call.input()?;
    inputs::check_bounds(call)?;
    let (mut state, read) = state(call, &input.id).await?;
    let record_type = check_document(&input.document)?;
    if state.newest >= VERSIONS_MAX {
        let message = format!(
            "The traffic policy {} has had {VERSIONS_MAX} versions, which is the most.",
            input.id
        );
        let shape = &error::TOO_MANY_TRAFFIC_POLICY_VERSIONS_FOR_CURRENT_POLICY;
        return Err(Failure::api(shape, message));
    }
    state.newest += 1;
    state.versions.push(state.newest);
    state.record_type = record_type.to_string();
    let version = new_version(
        call,
        TrafficPolicy {
            policy: input.id,
            version: state.newest,
            name: state.name.clone(),
            record_type: record_type.to_string(),
            document: input.document,
            comment: input.comment,
            is_deleted: false,
        },
    );
    let state_key = forms::traffic_policy_state(&version.config.policy);
    let change = Change::new().if_still(state_key, Some(read));
    call.commit(with_version(call, change, &version, &state))
        .await?;
    Ok(Reply::of(&r53::CreateTrafficPolicyVersionResponse {
        traffic_policy: output(&version.config),
        location: location(&version.config),
    }))
}

async fn get(call: &Call<'_>) -> Answer {
    let input: r53::GetTrafficPolicyRequest = call.input()?;
    let version = load(call, &input.id, input.version).await?.resource;
    Ok(Reply::of(&r53::GetTrafficPolicyResponse {
        traffic_policy: output(&version.config),
    }))
}

async fn update_comment(call: &Call<'_>) -> Answer {
    let input: r53::UpdateTrafficPolicyCommentRequest = call.input()?;
    inputs::check_bounds(call)?;
    let stored = load(call, &input.id, input.version).await?;
    if stored.resource.config.is_deleted {
        return Err(missing(&input.id, input.version));
    }
    let version = stored.next_version(
        call,
        TrafficPolicy {
            comment: Some(input.comment).filter(|comment| !comment.is_empty()),
            ..stored.resource.config.clone()
        },
    );
    let change = stored.change(&KIND).save(call, &stored.key, &version);
    call.commit(change).await?;
    Ok(Reply::of(&r53::UpdateTrafficPolicyCommentResponse {
        traffic_policy: output(&version.config),
    }))
}

/// The version stays, to be looked at; with the last one the policy's name is free again.
async fn delete(call: &Call<'_>) -> Answer {
    let input: r53::DeleteTrafficPolicyRequest = call.input()?;
    let stored = load(call, &input.id, input.version).await?;
    if stored.resource.config.is_deleted {
        return Err(missing(&input.id, input.version));
    }
    let guard = call.guard(instance::KIND.collection).await?;
    if instance::uses(call, &input.id, input.version).await? {
        let message = format!(
            "Version {} of the traffic policy {} is in use by traffic policy instances.",
            input.version, input.id
        );
        return Err(Failure::api(&error::TRAFFIC_POLICY_IN_USE, message));
    }
    let (mut state, read) = state(call, &input.id).await?;
    state.versions.retain(|version| *version != input.version);
    let state_key = forms::traffic_policy_state(&input.id);
    let mut change = stored
        .change(&KIND)
        .if_still(documents::keys::guard(instance::KIND.collection), guard)
        .if_still(&state_key, Some(read));
    change = match state.versions.last() {
        Some(latest) => {
            let latest = load(call, &input.id, *latest).await?.resource.config;
            state.record_type = latest.record_type;
            change.put(state_key, encode(&state))
        }
        None => change.delete(state_key).release(NAME_CLAIM, &state.name),
    };
    let version = stored.next_version(
        call,
        TrafficPolicy {
            is_deleted: true,
            ..stored.resource.config.clone()
        },
    );
    call.commit(change.save(call, &stored.key, &version))
        .await?;
    Ok(Reply::empty())
}
