//! CloudFront origin access identities (spec §7.7), which origin access controls have replaced.

use documents::keys;
use serde_json::{Value, json};
use shapes::cloudfront::{CloudFrontOriginAccessIdentityConfig, error};

use super::family::{self, COMMENT_CHARS_MAX, Claim, Family, User, items};
use crate::error::Failure;
use crate::ids::IdForm;
use crate::resource::Kind;
use crate::service::{Entry, served};

pub(super) const KIND: Kind = Kind {
    noun: "origin access identity",
    collection: keys::ORIGIN_ACCESS_IDENTITY,
    id: IdForm::Letter('E'),
    cfn_type: "AWS::CloudFront::CloudFrontOriginAccessIdentity",
    missing: &error::NO_SUCH_CLOUD_FRONT_ORIGIN_ACCESS_IDENTITY,
};

static FAMILY: Family<CloudFrontOriginAccessIdentityConfig> = Family {
    kind: &KIND,
    claims: &[Claim {
        kind: "reference/origin-access-identity",
        member: "CallerReference",
        what: |config| &config.caller_reference,
    }],
    taken: &error::CLOUD_FRONT_ORIGIN_ACCESS_IDENTITY_ALREADY_EXISTS,
    is_repeatable: true,
    quota: (100, &error::TOO_MANY_CLOUD_FRONT_ORIGIN_ACCESS_IDENTITIES),
    check,
    check_change: |old, new| {
        family::keep_caller_reference(&old.caller_reference, &new.caller_reference)
    },
    needs: family::nothing_needed,
    users: &[User {
        collection: keys::DISTRIBUTION,
        noun: "distribution",
        names: named_by_origins,
    }],
    in_use: &error::CLOUD_FRONT_ORIGIN_ACCESS_IDENTITY_IN_USE,
    facts: |identity| json!({ "S3CanonicalUserId": iam::canonical_user(&identity.id) }),
    managed: family::none_managed,
};

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreateCloudFrontOriginAccessIdentity", |call| {
        Box::pin(FAMILY.create(call))
    }),
    served("GetCloudFrontOriginAccessIdentity", |call| {
        Box::pin(FAMILY.get(call))
    }),
    served("GetCloudFrontOriginAccessIdentityConfig", |call| {
        Box::pin(FAMILY.get(call))
    }),
    served("UpdateCloudFrontOriginAccessIdentity", |call| {
        Box::pin(FAMILY.update(call))
    }),
    served("DeleteCloudFrontOriginAccessIdentity", |call| {
        Box::pin(FAMILY.delete(call))
    }),
    served("ListCloudFrontOriginAccessIdentities", |call| {
        Box::pin(FAMILY.list(call))
    }),
];

/// How origins name an identity: `origin-access-identity/cloudfront/E123`.
pub(super) const ORIGIN_PREFIX: &str = "origin-access-identity/cloudfront/";

fn check(config: &CloudFrontOriginAccessIdentityConfig) -> Result<(), Failure> {
    family::check_caller_reference(&config.caller_reference)?;
    family::check_text("Comment", Some(&config.comment), COMMENT_CHARS_MAX)
}

fn named_by_origins(config: &Value) -> Vec<&str> {
    let origins = items(&config["Origins"]);
    origins
        .filter_map(|origin| origin["S3OriginConfig"]["OriginAccessIdentity"].as_str())
        .filter_map(|path| path.strip_prefix(ORIGIN_PREFIX))
        .collect()
}
