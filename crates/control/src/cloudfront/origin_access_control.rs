//! Origin access controls (spec §7.6).

use documents::keys;
use serde_json::Value;
use shapes::cloudfront::{
    OriginAccessControlConfig, OriginAccessControlOriginTypes as OriginType,
    OriginAccessControlSigningBehaviors as Signing, error,
};

use super::family::{self, Claim, Family, User, invalid, items};
use crate::error::Failure;
use crate::ids::IdForm;
use crate::resource::Kind;
use crate::service::{Entry, served};

pub(super) const KIND: Kind = Kind {
    noun: "origin access control",
    collection: keys::ORIGIN_ACCESS_CONTROL,
    id: IdForm::Letter('E'),
    cfn_type: "AWS::CloudFront::OriginAccessControl",
    missing: &error::NO_SUCH_ORIGIN_ACCESS_CONTROL,
};

static FAMILY: Family<OriginAccessControlConfig> = Family {
    kind: &KIND,
    claims: &[Claim {
        kind: "name/origin-access-control",
        member: "Name",
        what: |config| &config.name,
    }],
    taken: &error::ORIGIN_ACCESS_CONTROL_ALREADY_EXISTS,
    is_repeatable: false,
    quota: (100, &error::TOO_MANY_ORIGIN_ACCESS_CONTROLS),
    check,
    check_change: family::all_may_change,
    needs: family::nothing_needed,
    users: &[User {
        collection: keys::DISTRIBUTION,
        noun: "distribution",
        names: named_by_origins,
    }],
    in_use: &error::ORIGIN_ACCESS_CONTROL_IN_USE,
    facts: family::no_facts,
    managed: family::none_managed,
};

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreateOriginAccessControl", |call| {
        Box::pin(FAMILY.create(call))
    }),
    served("GetOriginAccessControl", |call| Box::pin(FAMILY.get(call))),
    served("GetOriginAccessControlConfig", |call| {
        Box::pin(FAMILY.get(call))
    }),
    served("UpdateOriginAccessControl", |call| {
        Box::pin(FAMILY.update(call))
    }),
    served("DeleteOriginAccessControl", |call| {
        Box::pin(FAMILY.delete(call))
    }),
    served("ListOriginAccessControls", |call| {
        Box::pin(FAMILY.list(call))
    }),
];

const NAME_CHARS_MAX: usize = 64;
const DESCRIPTION_CHARS_MAX: usize = 256;

fn check(config: &OriginAccessControlConfig) -> Result<(), Failure> {
    family::check_text("Name", Some(&config.name), NAME_CHARS_MAX)?;
    if config.name.trim().is_empty() {
        return Err(invalid("Name", "is empty"));
    }
    let description = config.description.as_deref();
    family::check_text("Description", description, DESCRIPTION_CHARS_MAX)?;
    let is_lambda = config.origin_access_control_origin_type == OriginType::Lambda;
    if config.signing_behavior == Signing::AlwaysAmzAuth && !is_lambda {
        return Err(invalid(
            "SigningBehavior",
            format!(
                "always-amz-auth is for lambda origins, and the type is {}",
                config.origin_access_control_origin_type.as_str()
            ),
        ));
    }
    Ok(())
}

fn named_by_origins(config: &Value) -> Vec<&str> {
    let origins = items(&config["Origins"]);
    origins
        .filter_map(|origin| origin["OriginAccessControlId"].as_str())
        .collect()
}
