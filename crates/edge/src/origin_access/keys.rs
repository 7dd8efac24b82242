//! The keys that requests are signed with.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use secrets::Secrets;

use crate::limits;
use crate::site::{AccessKey, OriginAccess};

/// An access key for an origin that is not this installation's, and the region to sign for.
#[derive(Clone, PartialEq, Eq)]
pub struct OriginKey {
    /// The region, or what the origin has for one: `eu-west-1`, `garage`.
    pub region: String,
    /// The access key id.
    pub access_key_id: String,
    /// Its secret.
    pub secret: String,
    /// The token of a session, where the key is of one.
    pub session_token: Option<String>,
}

impl OriginKey {
    /// From `region access-key-id secret`, and perhaps a session token, between blanks.
    pub fn parse(text: &str) -> Option<OriginKey> {
        let mut words = text.split_ascii_whitespace().map(str::to_owned);
        let key = OriginKey {
            region: words.next()?,
            access_key_id: words.next()?,
            secret: words.next()?,
            session_token: words.next(),
        };
        // The first two stand in a field, where `/`, `,` and `=` part its words.
        let is_name = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        let is_text = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let token = key.session_token.as_deref().unwrap_or_default();
        let is_key = is_name(&key.region) && is_name(&key.access_key_id);
        let is_key = is_key && is_text(&key.secret) && is_text(token);
        (is_key && words.next().is_none()).then_some(key)
    }
}

/// Never the secret.
impl fmt::Debug for OriginKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = formatter.debug_struct("OriginKey");
        text.field("region", &self.region);
        text.field("access_key_id", &self.access_key_id);
        text.finish_non_exhaustive()
    }
}

/// Keys by the names of origins.
#[derive(Clone, Debug, Default)]
pub struct OriginKeys {
    keys: HashMap<String, OriginKey>,
}

impl OriginKeys {
    /// Whether keys may have that name: a host's, or `*.suffix` for all that end in `.suffix`.
    pub fn is_name(name: &str) -> bool {
        let host = name.strip_prefix("*.").unwrap_or(name);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        !host.is_empty() && host.bytes().all(is_plain)
    }

    /// Adds a key, in place of one with that name.
    pub fn insert(&mut self, name: &str, key: OriginKey) {
        self.keys.insert(name.to_ascii_lowercase(), key);
    }

    /// The key of the most specific name for a host, which is in lower case.
    pub fn find(&self, host: &str) -> Option<&OriginKey> {
        if let Some(key) = self.keys.get(host) {
            return Some(key);
        }
        let mut rest = host;
        while let Some((_, suffix)) = rest.split_once('.') {
            if let Some(key) = self.keys.get(&format!("*.{suffix}")) {
                return Some(key);
            }
            rest = suffix;
        }
        None
    }
}

/// All keys of a node.
pub(crate) struct NodeKeys {
    given: OriginKeys,
    secrets: Arc<Secrets>,
    /// Hosts whose missing key was told of.
    told: Mutex<HashSet<String>>,
}

impl NodeKeys {
    pub fn new(given: OriginKeys, secrets: Arc<Secrets>) -> NodeKeys {
        NodeKeys {
            given,
            secrets,
            told: Mutex::default(),
        }
    }

    /// The key that requests are signed with; the host that has none.
    pub fn find<'a>(&self, access: &'a OriginAccess) -> Result<OriginKey, &'a str> {
        match &access.key {
            AccessKey::Installation { asker, region } => {
                let secret = self.secrets.derive(&asker.purpose(), 0);
                Ok(OriginKey {
                    region: region.clone(),
                    access_key_id: asker.access_key_id(),
                    secret: secret.iter().map(|byte| format!("{byte:02x}")).collect(),
                    session_token: None,
                })
            }
            AccessKey::Setting(host) => self.given.find(host).cloned().ok_or(host),
        }
    }

    /// Tells the operator of a missing key, once for a host.
    pub fn tell_missing(&self, host: &str, distribution: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < limits::MISSING_KEYS_TOLD_MAX && told.insert(host.to_owned()) {
            tracing::error!(
                distribution,
                "no request goes to {host}: it has to be signed, and the setting origin_keys of \
                 this node has no key for that name"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::{Service, Signing};
    use documents::bucket::Asker;

    fn key(id: &str) -> OriginKey {
        OriginKey::parse(&format!("us-east-1 {id} secret")).unwrap()
    }

    #[test]
    fn a_key_is_three_words_or_four() {
        let key = OriginKey::parse(" garage GK1  a/b+c== ").unwrap();
        assert_eq!((&*key.region, &*key.access_key_id), ("garage", "GK1"));
        assert_eq!((&*key.secret, key.session_token), ("a/b+c==", None));
        let key = OriginKey::parse("us-east-1 ASIA secret token=").unwrap();
        assert_eq!(key.session_token.as_deref(), Some("token="));
        for wrong in [
            "",
            "us-east-1 AKIA",
            "us-east-1 AKIA s t more",
            "us/east AKIA s",
            "us-east-1 AK,IA s",
            "us-east-1 AKIA sécret",
        ] {
            assert_eq!(OriginKey::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_most_specific_name_wins() {
        let mut keys = OriginKeys::default();
        for name in ["*.example.com", "*.s3.Example.com", "a.s3.example.com"] {
            assert!(OriginKeys::is_name(name));
            keys.insert(name, key(&name.replace(['*', '.'], "-")));
        }
        for wrong in ["", "*", "*.", "a b", "*.*.a", "a/b"] {
            assert!(!OriginKeys::is_name(wrong), "{wrong}");
        }
        let id = |host| keys.find(host).map(|key| key.access_key_id.as_str());
        assert_eq!(id("a.s3.example.com"), Some("a-s3-example-com"));
        assert_eq!(id("b.s3.example.com"), Some("--s3-Example-com"));
        assert_eq!(id("c.b.s3.example.com"), Some("--s3-Example-com"));
        assert_eq!(id("s3.example.com"), Some("--example-com"));
        assert_eq!(id("example.com"), None);
        assert_eq!(id("notexample.com"), None);
    }

    #[test]
    fn a_secret_is_not_shown() {
        let shown = format!("{:?}", OriginKey::parse("r ID hidden token"));
        assert!(shown.contains("ID") && !shown.contains("hidden") && !shown.contains("token"));
    }

    #[test]
    fn the_key_for_a_bucket_of_ours_follows_from_the_installations() {
        let secrets = Arc::new(Secrets::new([7; secrets::KEY_BYTES]));
        let asker = Asker::Identity("E2".to_owned());
        let want: String = secrets
            .derive(&asker.purpose(), 0)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let keys = NodeKeys::new(OriginKeys::default(), secrets);
        let access = |key| OriginAccess {
            signing: Signing::Always,
            service: Service::S3,
            key,
        };
        let region = "eu-west-1".to_owned();
        let found = access(AccessKey::Installation { asker, region });
        let found = keys.find(&found).unwrap();
        assert_eq!(
            (&*found.access_key_id, found.secret),
            ("CFOAIE2", want),
            "and both sides derive it alike"
        );
        let missing = access(AccessKey::Setting("a.test".to_owned()));
        assert_eq!(keys.find(&missing), Err("a.test"));
    }
}
