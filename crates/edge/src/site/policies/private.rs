//! What private content goes by, as the store says it: keys and groups of keys that sign, the ways
//! to private origins, field-level encryption, and buckets of this installation.

use std::collections::{BTreeSet, HashMap, HashSet};

use documents::bucket::Bucket;
use documents::private::profiles_of;
use documents::{FormError, Resource, keys};
use serde::de::DeserializeOwned;
use shapes::cloudfront::{
    FieldLevelEncryptionConfig, FieldLevelEncryptionProfileConfig, KeyGroupConfig,
    OriginAccessControlConfig, PublicKeyConfig,
};
use store::Document;

/// The documents, by kind and id.
#[derive(Clone, Debug, Default)]
pub struct Private {
    /// Public keys: what signatures are checked by, and fields encrypted with.
    pub public_keys: HashMap<String, PublicKeyConfig>,
    /// Key groups.
    pub key_groups: HashMap<String, KeyGroupConfig>,
    /// Origin access controls.
    pub access_controls: HashMap<String, OriginAccessControlConfig>,
    /// Ids of origin access identities.
    pub access_identities: HashSet<String>,
    /// Field-level encryption configs.
    pub encryptions: HashMap<String, FieldLevelEncryptionConfig>,
    /// Field-level encryption profiles.
    pub encryption_profiles: HashMap<String, FieldLevelEncryptionProfileConfig>,
    /// Buckets of this installation, by name.
    pub buckets: HashMap<String, Bucket>,
}

impl Private {
    /// Takes up a document of the store; says whether it is of a kind that is kept here.
    pub(super) fn put(
        &mut self,
        collection: &str,
        id: &str,
        document: &Document,
    ) -> Result<bool, FormError> {
        let owned = id.to_owned();
        match collection {
            keys::PUBLIC_KEY => drop(self.public_keys.insert(owned, config(document)?)),
            keys::KEY_GROUP => drop(self.key_groups.insert(owned, config(document)?)),
            keys::ORIGIN_ACCESS_CONTROL => {
                self.access_controls.insert(owned, config(document)?);
            }
            keys::ORIGIN_ACCESS_IDENTITY => drop(self.access_identities.insert(owned)),
            keys::FIELD_LEVEL_ENCRYPTION => {
                self.encryptions.insert(owned, config(document)?);
            }
            keys::FIELD_LEVEL_ENCRYPTION_PROFILE => {
                self.encryption_profiles.insert(owned, config(document)?);
            }
            keys::BUCKET => {
                let bucket = documents::decode(&document.key, &document.value)?;
                self.buckets.insert(owned, bucket);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Forgets a document; says whether it is of a kind that is kept here.
    pub(super) fn remove(&mut self, collection: &str, id: &str) -> bool {
        match collection {
            keys::PUBLIC_KEY => drop(self.public_keys.remove(id)),
            keys::KEY_GROUP => drop(self.key_groups.remove(id)),
            keys::ORIGIN_ACCESS_CONTROL => drop(self.access_controls.remove(id)),
            keys::ORIGIN_ACCESS_IDENTITY => drop(self.access_identities.remove(id)),
            keys::FIELD_LEVEL_ENCRYPTION => drop(self.encryptions.remove(id)),
            keys::FIELD_LEVEL_ENCRYPTION_PROFILE => drop(self.encryption_profiles.remove(id)),
            keys::BUCKET => drop(self.buckets.remove(id)),
            _ => return false,
        }
        true
    }

    /// Adds to ids that changed those of what is made of them, up to what distributions name.
    pub fn spread(&self, changed: &mut BTreeSet<String>) {
        let is_changed = |id: &String, changed: &BTreeSet<String>| changed.contains(id);
        for (id, group) in &self.key_groups {
            if group.items.iter().any(|key| is_changed(key, changed)) {
                changed.insert(id.clone());
            }
        }
        for (id, profile) in &self.encryption_profiles {
            let mut entities = profile.encryption_entities.items().iter();
            if entities.any(|entity| is_changed(&entity.public_key_id, changed)) {
                changed.insert(id.clone());
            }
        }
        for (id, config) in &self.encryptions {
            if profiles_of(config).any(|profile| changed.contains(profile)) {
                changed.insert(id.clone());
            }
        }
    }
}

pub(super) fn config<C: DeserializeOwned>(document: &Document) -> Result<C, FormError> {
    let resource: Resource<C> = Resource::decode(&document.key, &document.value)?;
    Ok(resource.config)
}

/// The bucket that an origin's domain name means by S3's naming: `site.s3.eu-west-1.…`,
/// `site.s3.…`. None for website endpoints and for what is named otherwise.
pub fn bucket_of(domain_name: &str) -> Option<&str> {
    let domain_name = in_s3s_domain(domain_name)?;
    // Names of buckets may have dots, and even `.s3.`: the last one parts.
    let at = domain_name
        .rfind(".s3.")
        .or_else(|| domain_name.rfind(".s3-"))?;
    let (name, rest) = domain_name.split_at(at);
    (!name.is_empty() && !rest.starts_with(".s3-website")).then_some(name)
}

/// The name, if it is in a domain in which S3's names mean S3: a store of somebody else's may be
/// named alike, and its buckets are not ours.
fn in_s3s_domain(domain_name: &str) -> Option<&str> {
    let domains = [".amazonaws.com", ".amazonaws.com.cn", ".localhost"];
    let is_in = domains.iter().any(|domain| domain_name.ends_with(domain));
    is_in.then_some(domain_name)
}

/// The bucket whose website an origin's domain name means: `site.s3-website-eu-west-1.…`,
/// `site.s3-website.eu-west-1.…`. It is a custom origin, which nobody signs for.
pub fn website_of(domain_name: &str) -> Option<&str> {
    let domain_name = in_s3s_domain(domain_name)?;
    let (name, rest) = domain_name.split_at(domain_name.rfind(".s3-website")?);
    let rest = &rest[".s3-website".len()..];
    (!name.is_empty() && rest.starts_with(['-', '.'])).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origins_name_says_its_bucket() {
        assert_eq!(bucket_of("site.s3.amazonaws.com"), Some("site"));
        assert_eq!(bucket_of("site.s3.eu-west-1.amazonaws.com"), Some("site"));
        assert_eq!(bucket_of("my.site.s3.localhost"), Some("my.site"));
        assert_eq!(bucket_of("site.s3-eu-west-1.amazonaws.com"), Some("site"));
        assert_eq!(bucket_of("site.s3-website-us-east-1.amazonaws.com"), None);
        assert_eq!(bucket_of("site.s3-website.us-east-1.amazonaws.com"), None);
        assert_eq!(bucket_of("origin.example.com"), None);
        assert_eq!(bucket_of("site.s3.example.com"), None);
        assert_eq!(
            website_of("site.s3-website-us-east-1.amazonaws.com"),
            Some("site")
        );
        assert_eq!(website_of("my.site.s3-website.localhost"), Some("my.site"));
        assert_eq!(website_of("site.s3.us-east-1.amazonaws.com"), None);
        assert_eq!(website_of("site.s3-websites.test"), None);
        assert_eq!(bucket_of(".s3.localhost"), None);
    }

    #[test]
    fn a_change_of_a_key_is_one_of_all_that_is_made_of_it() {
        let mut private = Private::default();
        let group = KeyGroupConfig {
            name: "g".into(),
            items: vec!["K1".into()],
            comment: None,
        };
        private.key_groups.insert("g1".into(), group);
        let mut changed = BTreeSet::from(["K1".to_owned()]);
        private.spread(&mut changed);
        assert!(changed.contains("g1"));
        let mut changed = BTreeSet::from(["K2".to_owned()]);
        private.spread(&mut changed);
        assert_eq!(changed.len(), 1);
    }
}
