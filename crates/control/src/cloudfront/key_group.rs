//! Key groups (spec §9.4): the public keys that a behavior's signed URLs may be signed for.

use std::collections::HashSet;

use documents::keys;
use serde_json::Value;
use shapes::cloudfront::{KeyGroupConfig, error};

use super::family::{
    self, COMMENT_CHARS_MAX, Claim, Family, Need, User, behaviors, invalid, items,
};
use super::public_key;
use crate::error::Failure;
use crate::ids::IdForm;
use crate::resource::Kind;
use crate::service::{Entry, stored};

pub(super) const KIND: Kind = Kind {
    noun: "key group",
    collection: keys::KEY_GROUP,
    id: IdForm::Uuid,
    cfn_type: "AWS::CloudFront::KeyGroup",
    missing: &error::NO_SUCH_RESOURCE,
};

static FAMILY: Family<KeyGroupConfig> = Family {
    kind: &KIND,
    claims: &[Claim {
        kind: "name/key-group",
        member: "Name",
        what: |config| &config.name,
    }],
    taken: &error::KEY_GROUP_ALREADY_EXISTS,
    is_repeatable: false,
    quota: (10, &error::TOO_MANY_KEY_GROUPS),
    check,
    check_change: family::all_may_change,
    needs,
    users: &[User {
        collection: keys::DISTRIBUTION,
        noun: "distribution",
        names: trusted_by_behaviors,
    }],
    in_use: &error::RESOURCE_IN_USE,
    facts: family::no_facts,
    managed: family::none_managed,
};

const NOTE: &str = "edges do not check signatures yet";

pub(super) const OPERATIONS: &[Entry] = &[
    stored("CreateKeyGroup", NOTE, |call| Box::pin(FAMILY.create(call))),
    stored("GetKeyGroup", NOTE, |call| Box::pin(FAMILY.get(call))),
    stored("GetKeyGroupConfig", NOTE, |call| Box::pin(FAMILY.get(call))),
    stored("UpdateKeyGroup", NOTE, |call| Box::pin(FAMILY.update(call))),
    stored("DeleteKeyGroup", NOTE, |call| Box::pin(FAMILY.delete(call))),
    stored("ListKeyGroups", NOTE, |call| Box::pin(FAMILY.list(call))),
];

/// Most keys of a group.
const KEYS_MAX: usize = 5;

fn check(config: &KeyGroupConfig) -> Result<(), Failure> {
    family::check_name("Name", &config.name, "-_.")?;
    let comment = config.comment.as_deref();
    family::check_text("Comment", comment, COMMENT_CHARS_MAX)?;
    let keys = &config.items;
    if keys.is_empty() {
        return Err(invalid("Items", "is empty; 1 to 5 public keys are needed"));
    }
    if keys.len() > KEYS_MAX {
        return Err(Failure::api(
            &error::TOO_MANY_PUBLIC_KEYS_IN_KEY_GROUP,
            format!(
                "Items has {} public keys; {KEYS_MAX} are allowed.",
                keys.len()
            ),
        ));
    }
    let mut seen = HashSet::new();
    match keys.iter().find(|key| !seen.insert(key.as_str())) {
        None => Ok(()),
        Some(twice) => Err(invalid("Items", format!("'{twice}' is listed twice"))),
    }
}

fn needs(config: &KeyGroupConfig) -> Vec<Need> {
    let keys = config.items.iter().enumerate();
    keys.map(|(index, id)| Need {
        kind: &public_key::KIND,
        id: id.clone(),
        path: format!("Items[{index}]"),
        missing: &error::INVALID_ARGUMENT,
        fits: family::any_fits,
    })
    .collect()
}

fn trusted_by_behaviors(config: &Value) -> Vec<&str> {
    behaviors(config)
        .flat_map(|behavior| items(&behavior["TrustedKeyGroups"]))
        .filter_map(Value::as_str)
        .collect()
}
