//! Field-level encryption of a behavior: its config, the profiles that this names, and their keys.

use std::collections::HashMap;
use std::sync::Arc;

use field_encryption::{ContentTypes, Key, Profile, QueryArgs, Rules};
use shapes::cloudfront as cf;

use super::policies::Private;

/// The rules of a behavior, where it has any; or what is wrong with `FieldLevelEncryptionId`. A
/// behavior whose keys are not there must not be served: its fields would go on in the clear.
pub(super) fn compile(
    behavior: &cf::CacheBehavior,
    private: &Private,
) -> Result<Option<Arc<Rules>>, String> {
    let id = behavior.field_level_encryption_id.as_deref();
    let Some(id) = id.filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    let config = private.encryptions.get(id);
    let config = config.ok_or_else(|| format!("'{id}' is no field-level encryption config"))?;
    let mut profiles = Profiles {
        private,
        compiled: HashMap::new(),
    };
    let rules = profiles.rules(config);
    let rules = rules.map_err(|message| format!("field-level encryption config '{id}': {message}"));
    rules.map(|rules| Some(Arc::new(rules)))
}

/// Profiles by id, each compiled once for a config.
struct Profiles<'a> {
    private: &'a Private,
    compiled: HashMap<&'a str, Arc<Profile>>,
}

impl<'a> Profiles<'a> {
    fn rules(&mut self, config: &'a cf::FieldLevelEncryptionConfig) -> Result<Rules, String> {
        let by_arg = config.query_arg_profile_config.as_ref();
        let query_args = by_arg.map(|by_arg| {
            let profiles = by_arg.query_arg_profiles.as_ref();
            let profiles = profiles.map_or(&[][..], |profiles| profiles.items());
            let profiles = profiles.iter().map(|entry| {
                let profile = self.profile(&entry.profile_id)?;
                Ok::<_, String>((entry.query_arg.clone(), profile))
            });
            Ok::<_, String>(QueryArgs {
                forwards_unknown: by_arg.forward_when_query_arg_profile_is_unknown,
                profiles: profiles.collect::<Result<_, _>>()?,
            })
        });
        let query_args = query_args.transpose()?;
        let mut content_types = ContentTypes::default();
        if let Some(by_type) = &config.content_type_profile_config {
            content_types.forwards_unknown = by_type.forward_when_content_type_is_unknown;
            let profiles = by_type.content_type_profiles.as_ref();
            for entry in profiles.map_or(&[][..], |profiles| profiles.items()) {
                let id = entry.profile_id.as_deref().filter(|id| !id.is_empty());
                let profile = id.map(|id| self.profile(id)).transpose()?;
                let content_type = entry.content_type.clone();
                content_types.profiles.push((content_type, profile));
            }
        }
        Ok(Rules {
            query_args,
            content_types,
        })
    }

    fn profile(&mut self, id: &'a str) -> Result<Arc<Profile>, String> {
        if let Some(profile) = self.compiled.get(id) {
            return Ok(Arc::clone(profile));
        }
        let config = self.private.encryption_profiles.get(id);
        let config = config.ok_or_else(|| format!("its profile '{id}' is missing"))?;
        let mut profile = Profile::new();
        for entity in config.encryption_entities.items() {
            let key_id = &entity.public_key_id;
            let wrong =
                |what: String| format!("public key '{key_id}' of its profile '{id}' {what}");
            let key = self.private.public_keys.get(key_id);
            let key = key.ok_or_else(|| wrong("is missing".to_owned()))?;
            let key = Key::new(&entity.provider_id, &key.name, &key.encoded_key);
            let key = key.map_err(|error| wrong(error.to_string()))?;
            let added = profile.add(key, entity.field_patterns.items());
            added.map_err(|long| format!("pattern '{long}' of its profile '{id}' is too long"))?;
        }
        let profile = Arc::new(profile);
        self.compiled.insert(id, Arc::clone(&profile));
        Ok(profile)
    }
}
