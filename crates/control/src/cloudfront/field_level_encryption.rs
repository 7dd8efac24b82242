//! Field-level encryption (spec §10): profiles say which fields are encrypted with which key,
//! configs say which profile a request's body goes by.

use std::collections::HashSet;

use documents::keys;
use serde_json::Value;
use shapes::cloudfront::{
    EncryptionEntity, FieldLevelEncryptionConfig, FieldLevelEncryptionProfileConfig,
    QueryArgProfile, error,
};

use super::family::{
    self, COMMENT_CHARS_MAX, Claim, Family, NAME_CHARS_MAX, Need, User, invalid, items,
    named_by_behaviors,
};
use super::public_key;
use crate::error::Failure;
use crate::ids::IdForm;
use crate::resource::Kind;
use crate::service::{Entry, served};

pub(super) const CONFIG: Kind = Kind {
    noun: "field-level encryption config",
    collection: keys::FIELD_LEVEL_ENCRYPTION,
    id: IdForm::Letter('C'),
    cfn_type: "AWS::CloudFront::FieldLevelEncryptionConfig",
    missing: &error::NO_SUCH_FIELD_LEVEL_ENCRYPTION_CONFIG,
};

pub(super) const PROFILE: Kind = Kind {
    noun: "field-level encryption profile",
    collection: keys::FIELD_LEVEL_ENCRYPTION_PROFILE,
    id: IdForm::Letter('P'),
    cfn_type: "AWS::CloudFront::FieldLevelEncryptionProfile",
    missing: &error::NO_SUCH_FIELD_LEVEL_ENCRYPTION_PROFILE,
};

static CONFIGS: Family<FieldLevelEncryptionConfig> = Family {
    kind: &CONFIG,
    claims: &[Claim {
        kind: "reference/field-level-encryption-config",
        member: "CallerReference",
        what: |config| &config.caller_reference,
    }],
    taken: &error::FIELD_LEVEL_ENCRYPTION_CONFIG_ALREADY_EXISTS,
    is_repeatable: false,
    quota: (10, &error::TOO_MANY_FIELD_LEVEL_ENCRYPTION_CONFIGS),
    check: check_config,
    check_change: |old, new| {
        family::keep_caller_reference(&old.caller_reference, &new.caller_reference)
    },
    needs: profiles_of_config,
    users: &[User {
        collection: keys::DISTRIBUTION,
        noun: "distribution",
        names: |config| named_by_behaviors(config, "FieldLevelEncryptionId"),
    }],
    in_use: &error::FIELD_LEVEL_ENCRYPTION_CONFIG_IN_USE,
    facts: family::no_facts,
    managed: family::none_managed,
};

static PROFILES: Family<FieldLevelEncryptionProfileConfig> = Family {
    kind: &PROFILE,
    claims: &[
        Claim {
            kind: "name/field-level-encryption-profile",
            member: "Name",
            what: |config| &config.name,
        },
        Claim {
            kind: "reference/field-level-encryption-profile",
            member: "CallerReference",
            what: |config| &config.caller_reference,
        },
    ],
    taken: &error::FIELD_LEVEL_ENCRYPTION_PROFILE_ALREADY_EXISTS,
    is_repeatable: false,
    quota: (10, &error::TOO_MANY_FIELD_LEVEL_ENCRYPTION_PROFILES),
    check: check_profile,
    check_change: |old, new| {
        family::keep_caller_reference(&old.caller_reference, &new.caller_reference)
    },
    needs: keys_of_profile,
    users: &[User {
        collection: CONFIG.collection,
        noun: CONFIG.noun,
        names: named_by_config,
    }],
    in_use: &error::FIELD_LEVEL_ENCRYPTION_PROFILE_IN_USE,
    facts: family::no_facts,
    managed: family::none_managed,
};

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreateFieldLevelEncryptionConfig", |call| {
        Box::pin(CONFIGS.create(call))
    }),
    served("GetFieldLevelEncryption", |call| {
        Box::pin(CONFIGS.get(call))
    }),
    served("GetFieldLevelEncryptionConfig", |call| {
        Box::pin(CONFIGS.get(call))
    }),
    served("UpdateFieldLevelEncryptionConfig", |call| {
        Box::pin(CONFIGS.update(call))
    }),
    served("DeleteFieldLevelEncryptionConfig", |call| {
        Box::pin(CONFIGS.delete(call))
    }),
    served("ListFieldLevelEncryptionConfigs", |call| {
        Box::pin(CONFIGS.list(call))
    }),
    served("CreateFieldLevelEncryptionProfile", |call| {
        Box::pin(PROFILES.create(call))
    }),
    served("GetFieldLevelEncryptionProfile", |call| {
        Box::pin(PROFILES.get(call))
    }),
    served("GetFieldLevelEncryptionProfileConfig", |call| {
        Box::pin(PROFILES.get(call))
    }),
    served("UpdateFieldLevelEncryptionProfile", |call| {
        Box::pin(PROFILES.update(call))
    }),
    served("DeleteFieldLevelEncryptionProfile", |call| {
        Box::pin(PROFILES.delete(call))
    }),
    served("ListFieldLevelEncryptionProfiles", |call| {
        Box::pin(PROFILES.list(call))
    }),
];

/// Most mappings of a query argument to a profile in a config.
const QUERY_ARGS_MAX: usize = 5;
/// Most content types in a config: there is one that can be encrypted.
const CONTENT_TYPES_MAX: usize = 1;
const CONTENT_TYPE: &str = "application/x-www-form-urlencoded";
/// Most patterns of a profile, in all its entities.
const PATTERNS_MAX: usize = 10;
/// Most entities of a profile: each has a pattern.
const ENTITIES_MAX: usize = PATTERNS_MAX;
/// Longest pattern.
const PATTERN_BYTES_MAX: usize = 128;

fn check_config(config: &FieldLevelEncryptionConfig) -> Result<(), Failure> {
    family::check_caller_reference(&config.caller_reference)?;
    let comment = config.comment.as_deref();
    family::check_text("Comment", comment, COMMENT_CHARS_MAX)?;
    check_query_args(query_args(config))?;
    let by_type = config.content_type_profile_config.as_ref();
    let by_type = by_type.and_then(|config| config.content_type_profiles.as_ref());
    let types = by_type.map_or(&[][..], |list| list.items());
    if types.len() > CONTENT_TYPES_MAX {
        return Err(Failure::api(
            &error::TOO_MANY_FIELD_LEVEL_ENCRYPTION_CONTENT_TYPE_PROFILES,
            format!(
                "ContentTypeProfiles has {} items; {CONTENT_TYPES_MAX} is allowed.",
                types.len()
            ),
        ));
    }
    match types
        .iter()
        .find(|entry| entry.content_type != CONTENT_TYPE)
    {
        None => Ok(()),
        Some(other) => Err(invalid(
            "ContentTypeProfileConfig.ContentTypeProfiles.Items[0].ContentType",
            format!("is '{}'; {CONTENT_TYPE} is allowed", other.content_type),
        )),
    }
}

fn query_args(config: &FieldLevelEncryptionConfig) -> &[QueryArgProfile] {
    let by_arg = config.query_arg_profile_config.as_ref();
    let by_arg = by_arg.and_then(|config| config.query_arg_profiles.as_ref());
    by_arg.map_or(&[], |list| list.items())
}

fn check_query_args(args: &[QueryArgProfile]) -> Result<(), Failure> {
    if args.len() > QUERY_ARGS_MAX {
        return Err(Failure::api(
            &error::TOO_MANY_FIELD_LEVEL_ENCRYPTION_QUERY_ARG_PROFILES,
            format!(
                "QueryArgProfiles has {} items; {QUERY_ARGS_MAX} are allowed.",
                args.len()
            ),
        ));
    }
    let mut seen = HashSet::new();
    for (index, entry) in args.iter().enumerate() {
        let path = format!("{}.QueryArg", query_arg_path(index));
        let arg = entry.query_arg.as_str();
        if arg.is_empty() || arg.len() > NAME_CHARS_MAX || !arg.bytes().all(is_graphic_arg) {
            let message = format!("'{arg}' cannot be the value of fle-profile in a query");
            return Err(invalid(path, message));
        }
        if !seen.insert(arg) {
            return Err(invalid(path, format!("'{arg}' is listed twice")));
        }
        if entry.profile_id.is_empty() {
            return Err(Failure::api(
                &error::QUERY_ARG_PROFILE_EMPTY,
                format!("{}.ProfileId: is empty", query_arg_path(index)),
            ));
        }
    }
    Ok(())
}

fn query_arg_path(index: usize) -> String {
    format!("QueryArgProfileConfig.QueryArgProfiles.Items[{index}]")
}

fn is_graphic_arg(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"&=#".contains(&byte)
}

fn profiles_of_config(config: &FieldLevelEncryptionConfig) -> Vec<Need> {
    let by_arg = query_args(config)
        .iter()
        .enumerate()
        .map(|(index, entry)| (query_arg_path(index), entry.profile_id.as_str()));
    let by_type = config.content_type_profile_config.as_ref();
    let by_type = by_type.and_then(|config| config.content_type_profiles.as_ref());
    let by_type = by_type.map_or(&[][..], |list| list.items());
    let by_type = by_type.iter().enumerate().map(|(index, entry)| {
        let path = format!("ContentTypeProfileConfig.ContentTypeProfiles.Items[{index}]");
        (path, entry.profile_id.as_deref().unwrap_or_default())
    });
    by_arg
        .chain(by_type)
        // A content type without a profile is forwarded as it is.
        .filter(|(_, id)| !id.is_empty())
        .map(|(path, id)| Need {
            kind: &PROFILE,
            id: id.to_owned(),
            path: format!("{path}.ProfileId"),
            missing: &error::NO_SUCH_FIELD_LEVEL_ENCRYPTION_PROFILE,
            fits: family::any_fits,
        })
        .collect()
}

fn named_by_config(config: &Value) -> Vec<&str> {
    let by_arg = items(&config["QueryArgProfileConfig"]["QueryArgProfiles"]);
    let by_type = items(&config["ContentTypeProfileConfig"]["ContentTypeProfiles"]);
    by_arg
        .chain(by_type)
        .filter_map(|entry| entry["ProfileId"].as_str())
        .collect()
}

fn check_profile(config: &FieldLevelEncryptionProfileConfig) -> Result<(), Failure> {
    family::check_caller_reference(&config.caller_reference)?;
    family::check_name("Name", &config.name, "-_. ")?;
    let comment = config.comment.as_deref();
    family::check_text("Comment", comment, COMMENT_CHARS_MAX)?;
    let entities = config.encryption_entities.items();
    if entities.is_empty() {
        let message = "is empty; without an entity there is nothing to encrypt";
        return Err(invalid("EncryptionEntities.Items", message));
    }
    if entities.len() > ENTITIES_MAX {
        return Err(Failure::api(
            &error::TOO_MANY_FIELD_LEVEL_ENCRYPTION_ENCRYPTION_ENTITIES,
            format!(
                "EncryptionEntities has {} items; {ENTITIES_MAX} are allowed.",
                entities.len()
            ),
        ));
    }
    let mut patterns: Vec<&str> = Vec::new();
    for (index, entity) in entities.iter().enumerate() {
        let path = format!("EncryptionEntities.Items[{index}]");
        check_entity(&path, entity)?;
        patterns.extend(entity.field_patterns.items().iter().map(String::as_str));
    }
    if patterns.len() > PATTERNS_MAX {
        return Err(Failure::api(
            &error::TOO_MANY_FIELD_LEVEL_ENCRYPTION_FIELD_PATTERNS,
            format!(
                "FieldPatterns has {} items in all; {PATTERNS_MAX} are allowed.",
                patterns.len()
            ),
        ));
    }
    for (index, pattern) in patterns.iter().enumerate() {
        if let Some(other) = patterns[..index]
            .iter()
            .find(|other| overlap(other, pattern))
        {
            let message = format!("'{pattern}' and '{other}' match the same fields");
            return Err(invalid("EncryptionEntities.Items.FieldPatterns", message));
        }
    }
    Ok(())
}

fn check_entity(path: &str, entity: &EncryptionEntity) -> Result<(), Failure> {
    let provider = format!("{path}.ProviderId");
    family::check_name(&provider, &entity.provider_id, "-_:. ")?;
    let patterns = entity.field_patterns.items();
    if patterns.is_empty() {
        let message = "is empty; without a pattern there is nothing to encrypt";
        return Err(invalid(format!("{path}.FieldPatterns.Items"), message));
    }
    match patterns.iter().position(|pattern| !is_pattern(pattern)) {
        None => Ok(()),
        Some(index) => Err(invalid(
            format!("{path}.FieldPatterns.Items[{index}]"),
            format!(
                "'{}' is no pattern: 1 to {PATTERN_BYTES_MAX} letters, digits and each of '[]._-', \
                 with a * at the end or none",
                patterns[index]
            ),
        )),
    }
}

fn is_pattern(pattern: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"[]._-".contains(&byte);
    let name = pattern.strip_suffix('*').unwrap_or(pattern);
    (1..=PATTERN_BYTES_MAX).contains(&pattern.len()) && name.bytes().all(is_allowed)
}

/// Whether two patterns match a field in common.
fn overlap(a: &str, b: &str) -> bool {
    match (a.strip_suffix('*'), b.strip_suffix('*')) {
        (Some(a), Some(b)) => a.starts_with(b) || b.starts_with(a),
        (Some(start), None) => b.starts_with(start),
        (None, Some(start)) => a.starts_with(start),
        (None, None) => a == b,
    }
}

fn keys_of_profile(config: &FieldLevelEncryptionProfileConfig) -> Vec<Need> {
    let entities = config.encryption_entities.items().iter().enumerate();
    entities
        .map(|(index, entity)| Need {
            kind: &public_key::KIND,
            id: entity.public_key_id.clone(),
            path: format!("EncryptionEntities.Items[{index}].PublicKeyId"),
            missing: &error::NO_SUCH_PUBLIC_KEY,
            fits: public_key::can_encrypt,
        })
        .collect()
}
