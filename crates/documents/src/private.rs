//! What private content is made of, and what of it names what: key groups name public keys,
//! field-level encryption configs name profiles, and these name public keys.

use shapes::cloudfront::{
    FieldLevelEncryptionConfig, FieldLevelEncryptionProfileConfig, KeyGroupConfig,
};

use crate::{FormError, Resource, keys};

/// Keys of the documents that the one with this key names; none for documents of other kinds.
pub fn named_by(key: &str, bytes: &[u8]) -> Result<Vec<String>, FormError> {
    let all = |collection, ids: Vec<&str>| {
        let ids = ids.into_iter();
        ids.map(|id| keys::resource(collection, id)).collect()
    };
    Ok(match keys::parse(key) {
        Some((keys::KEY_GROUP, _)) => {
            let group: Resource<KeyGroupConfig> = Resource::decode(key, bytes)?;
            let ids = group.config.items.iter().map(String::as_str).collect();
            all(keys::PUBLIC_KEY, ids)
        }
        Some((keys::FIELD_LEVEL_ENCRYPTION, _)) => {
            let config: Resource<FieldLevelEncryptionConfig> = Resource::decode(key, bytes)?;
            let ids = profiles_of(&config.config).collect();
            all(keys::FIELD_LEVEL_ENCRYPTION_PROFILE, ids)
        }
        Some((keys::FIELD_LEVEL_ENCRYPTION_PROFILE, _)) => {
            let profile: Resource<FieldLevelEncryptionProfileConfig> =
                Resource::decode(key, bytes)?;
            let entities = profile.config.encryption_entities.items();
            let ids = entities.iter().map(|entity| entity.public_key_id.as_str());
            all(keys::PUBLIC_KEY, ids.collect())
        }
        _ => Vec::new(),
    })
}

/// Ids of the profiles that a config names.
pub fn profiles_of(config: &FieldLevelEncryptionConfig) -> impl Iterator<Item = &str> {
    let by_arg = config.query_arg_profile_config.as_ref();
    let by_arg = by_arg.and_then(|config| config.query_arg_profiles.as_ref());
    let by_arg = by_arg.map_or(&[][..], |profiles| profiles.items());
    let by_type = config.content_type_profile_config.as_ref();
    let by_type = by_type.and_then(|config| config.content_type_profiles.as_ref());
    let by_type = by_type.map_or(&[][..], |profiles| profiles.items());
    let by_arg = by_arg.iter().map(|profile| profile.profile_id.as_str());
    let by_type = by_type.iter();
    by_arg.chain(by_type.filter_map(|profile| profile.profile_id.as_deref()))
}
