//! The catalogue of policies: those that AWS manages, and those that the operator brings along as
//! the JSON that the AWS CLI prints, keys and origin access controls among them.

mod check;
mod private;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use shapes::cloudfront::{
    CachePolicyConfig, ContinuousDeploymentPolicyConfig, FieldLevelEncryptionConfig,
    FieldLevelEncryptionProfileConfig, KeyGroupConfig, OriginAccessControlConfig,
    OriginRequestPolicyConfig, PublicKeyConfig, ResponseHeadersPolicyConfig,
};
use shapes::{ShapeError, Structure};

use check::{validate_cache, validate_origin_request};
use documents::{FormError, keys, managed};
use store::Document;

use private::config;
pub use private::{Private, bucket_of, website_of};

/// Longest policy file: a list of all policies that an account may have is far shorter.
const POLICY_FILE_BYTES_MAX: u64 = 4 << 20;
/// Most policies of one kind; AWS's quota is 20 custom ones (spec §1.4), which it raises.
const POLICIES_MAX: usize = 10_000;

/// Policies by id.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    cache: HashMap<String, CachePolicyConfig>,
    origin_request: HashMap<String, OriginRequestPolicyConfig>,
    response_headers: HashMap<String, ResponseHeadersPolicyConfig>,
    deployment: HashMap<String, ContinuousDeploymentPolicyConfig>,
    /// What private content goes by.
    pub private: Private,
}

/// Why policies could not be loaded; the operator's fault.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file or the directory cannot be read.
    #[error("{}: {source}", .file.display())]
    Read {
        /// The file or the directory.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not what the AWS CLI prints, or a policy in it is wrong.
    #[error("{}: {source}", .file.display())]
    Document {
        /// The file.
        file: PathBuf,
        /// The member, and what is wrong with it.
        source: ShapeError,
    },
    /// Two files define one policy, and not alike.
    #[error("{}: the policy {id} is in {} too, and differs", .file.display(), .other.display())]
    Twice {
        /// The file that was read later.
        file: PathBuf,
        /// The file that was read first.
        other: PathBuf,
        /// The policy.
        id: String,
    },
}

impl Policies {
    /// The policies that AWS manages.
    pub fn managed() -> Policies {
        let mut policies = Policies::default();
        for (id, config) in managed::cache() {
            policies.insert_cache(id, config);
        }
        for (id, config) in managed::origin_request() {
            policies.insert_origin_request(id, config);
        }
        for (id, config) in managed::response_headers() {
            policies.insert_response_headers(id, config);
        }
        policies
    }

    /// Adds the policies of every `*.json` in a directory: what `aws cloudfront` prints for
    /// `get-cache-policy`, `get-cache-policy-config` and `list-cache-policies`, and likewise for
    /// the two other kinds. A `…-config` output has no id; its file is named by it.
    pub fn load_dir(&mut self, dir: &Path) -> Result<(), PolicyError> {
        let read_error = |source| PolicyError::Read {
            file: dir.to_owned(),
            source,
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(read_error)? {
            let file = entry.map_err(read_error)?.path();
            if file
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                files.push(file);
            }
        }
        // The order of a directory is anybody's guess, and errors should not be.
        files.sort();
        let mut sources = Sources::default();
        for file in files {
            self.load_file(&file, &mut sources)?;
        }
        Ok(())
    }

    fn load_file(&mut self, file: &Path, sources: &mut Sources) -> Result<(), PolicyError> {
        let document_error = |source| PolicyError::Document {
            file: file.to_owned(),
            source,
        };
        let text = read(file)?;
        let document: Value = serde_json::from_str(&text)
            .map_err(|e| document_error(error("", format!("not JSON: {e}"))))?;
        let stem = file
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let mut found = false;
        found |= load_kind(&document, stem, &mut self.cache, file, sources)?;
        found |= load_kind(&document, stem, &mut self.origin_request, file, sources)?;
        found |= load_kind(&document, stem, &mut self.response_headers, file, sources)?;
        let private = &mut self.private;
        found |= load_kind(&document, stem, &mut private.public_keys, file, sources)?;
        found |= load_kind(&document, stem, &mut private.key_groups, file, sources)?;
        found |= load_kind(&document, stem, &mut private.access_controls, file, sources)?;
        found |= load_kind(&document, stem, &mut private.encryptions, file, sources)?;
        found |= load_kind(
            &document,
            stem,
            &mut private.encryption_profiles,
            file,
            sources,
        )?;
        let identity = document.pointer("/CloudFrontOriginAccessIdentity/Id");
        if let Some(id) = identity.and_then(Value::as_str) {
            private.access_identities.insert(id.to_owned());
            found = true;
        }
        match found {
            true => Ok(()),
            false => Err(document_error(error(
                "",
                "no policy; expected is what `aws cloudfront` prints for get-cache-policy, \
                 get-origin-request-policy, get-response-headers-policy, get-public-key, \
                 get-key-group, get-origin-access-control, get-field-level-encryption, \
                 get-field-level-encryption-profile, their -config forms, the list- forms of \
                 policies, and get-cloud-front-origin-access-identity",
            ))),
        }
    }

    /// The cache policy of that id.
    pub fn cache(&self, id: &str) -> Option<&CachePolicyConfig> {
        self.cache.get(id)
    }

    /// The origin request policy of that id.
    pub fn origin_request(&self, id: &str) -> Option<&OriginRequestPolicyConfig> {
        self.origin_request.get(id)
    }

    /// The response headers policy of that id.
    pub fn response_headers(&self, id: &str) -> Option<&ResponseHeadersPolicyConfig> {
        self.response_headers.get(id)
    }

    /// The continuous deployment policy of that id.
    pub fn deployment(&self, id: &str) -> Option<&ContinuousDeploymentPolicyConfig> {
        self.deployment.get(id)
    }

    /// Takes up a document of the store; says whether it is of a kind that sites are compiled with.
    pub fn put(
        &mut self,
        collection: &str,
        id: &str,
        document: &Document,
    ) -> Result<bool, FormError> {
        let owned = id.to_owned();
        match collection {
            keys::CACHE_POLICY => drop(self.cache.insert(owned, config(document)?)),
            keys::ORIGIN_REQUEST_POLICY => {
                self.origin_request.insert(owned, config(document)?);
            }
            keys::RESPONSE_HEADERS_POLICY => {
                self.response_headers.insert(owned, config(document)?);
            }
            keys::CONTINUOUS_DEPLOYMENT_POLICY => {
                self.deployment.insert(owned, config(document)?);
            }
            _ => return self.private.put(collection, id, document),
        }
        Ok(true)
    }

    /// Forgets a document; says whether it is of a kind that sites are compiled with.
    pub fn remove(&mut self, collection: &str, id: &str) -> bool {
        match collection {
            keys::CACHE_POLICY => drop(self.cache.remove(id)),
            keys::ORIGIN_REQUEST_POLICY => drop(self.origin_request.remove(id)),
            keys::RESPONSE_HEADERS_POLICY => drop(self.response_headers.remove(id)),
            keys::CONTINUOUS_DEPLOYMENT_POLICY => drop(self.deployment.remove(id)),
            _ => return self.private.remove(collection, id),
        }
        true
    }

    /// Adds a cache policy, in place of one with that id.
    pub fn insert_cache(&mut self, id: impl Into<String>, config: CachePolicyConfig) {
        self.cache.insert(id.into(), config);
    }

    /// Adds an origin request policy, in place of one with that id.
    pub fn insert_origin_request(
        &mut self,
        id: impl Into<String>,
        config: OriginRequestPolicyConfig,
    ) {
        self.origin_request.insert(id.into(), config);
    }

    /// Adds a response headers policy, in place of one with that id.
    pub fn insert_response_headers(
        &mut self,
        id: impl Into<String>,
        config: ResponseHeadersPolicyConfig,
    ) {
        self.response_headers.insert(id.into(), config);
    }
}

/// Which file a policy came from, by kind and id.
type Sources = HashMap<(&'static str, String), PathBuf>;

/// What the kinds of policies have in common.
trait Kind: Structure + PartialEq {
    /// As in `CachePolicy`, `CachePolicyConfig` and `CachePolicyList`.
    const NAME: &'static str;

    /// What the shape alone does not say.
    fn check(&self) -> Result<(), ShapeError>;
}

impl Kind for CachePolicyConfig {
    const NAME: &'static str = "CachePolicy";

    fn check(&self) -> Result<(), ShapeError> {
        validate_cache(self)
    }
}

impl Kind for OriginRequestPolicyConfig {
    const NAME: &'static str = "OriginRequestPolicy";

    fn check(&self) -> Result<(), ShapeError> {
        validate_origin_request(self)
    }
}

impl Kind for ResponseHeadersPolicyConfig {
    const NAME: &'static str = "ResponseHeadersPolicy";

    // Compiling it says all there is to say.
    fn check(&self) -> Result<(), ShapeError> {
        match crate::response_headers::ResponseHeaders::compile(self) {
            Ok(_) => Ok(()),
            Err(problem) => Err(match problem.split_once(": ") {
                Some((path, message)) => error(path, message),
                None => error("", problem),
            }),
        }
    }
}

impl Kind for PublicKeyConfig {
    const NAME: &'static str = "PublicKey";

    // Whoever uses it reads it, and says what is wrong with it.
    fn check(&self) -> Result<(), ShapeError> {
        Ok(())
    }
}

impl Kind for KeyGroupConfig {
    const NAME: &'static str = "KeyGroup";

    fn check(&self) -> Result<(), ShapeError> {
        Ok(())
    }
}

impl Kind for OriginAccessControlConfig {
    const NAME: &'static str = "OriginAccessControl";

    fn check(&self) -> Result<(), ShapeError> {
        Ok(())
    }
}

impl Kind for FieldLevelEncryptionConfig {
    const NAME: &'static str = "FieldLevelEncryption";

    fn check(&self) -> Result<(), ShapeError> {
        Ok(())
    }
}

impl Kind for FieldLevelEncryptionProfileConfig {
    const NAME: &'static str = "FieldLevelEncryptionProfile";

    fn check(&self) -> Result<(), ShapeError> {
        Ok(())
    }
}

/// Adds the policies of one kind that a document holds; says whether there was one.
fn load_kind<K: Kind>(
    document: &Value,
    stem: &str,
    policies: &mut HashMap<String, K>,
    file: &Path,
    sources: &mut Sources,
) -> Result<bool, PolicyError> {
    let document_error = |source| PolicyError::Document {
        file: file.to_owned(),
        source,
    };
    let found = read_kind::<K>(document, stem).map_err(document_error)?;
    let is_there = !found.is_empty() || document.get(format!("{}List", K::NAME)).is_some();
    for (id, config) in found {
        match sources.get(&(K::NAME, id.clone())) {
            Some(other) if policies.get(&id) != Some(&config) => {
                return Err(PolicyError::Twice {
                    file: file.to_owned(),
                    other: other.clone(),
                    id,
                });
            }
            _ => sources.insert((K::NAME, id.clone()), file.to_owned()),
        };
        policies.insert(id, config);
        if policies.len() > POLICIES_MAX {
            let message = format!("more than {POLICIES_MAX} policies of one kind");
            return Err(document_error(error("", message)));
        }
    }
    Ok(is_there)
}

/// The policies of one kind in a document, in any of its three forms.
fn read_kind<K: Kind>(document: &Value, stem: &str) -> Result<Vec<(String, K)>, ShapeError> {
    let name = K::NAME;
    if let Some(config) = document.get(format!("{name}Config")) {
        let config = read_config(config, &format!("{name}Config"))?;
        return Ok(vec![(stem.to_owned(), config)]);
    }
    if let Some(policy) = document.get(name) {
        return Ok(vec![read_policy(policy, name)?]);
    }
    let Some(list) = document.get(format!("{name}List")) else {
        return Ok(Vec::new());
    };
    // An empty list has no `Items`.
    let items = match list.get("Items") {
        None => &[],
        Some(Value::Array(items)) => &items[..],
        Some(_) => return Err(error(format!("{name}List.Items"), "not a list")),
    };
    items
        .iter()
        .enumerate()
        .map(|(index, item)| {
            let path = format!("{name}List.Items[{index}].{name}");
            match item.get(name) {
                Some(policy) => read_policy(policy, &path),
                None => Err(error(path, "required and missing")),
            }
        })
        .collect()
}

/// A policy with its id. The time of its last change is not asked for: people write files, too.
fn read_policy<K: Kind>(policy: &Value, path: &str) -> Result<(String, K), ShapeError> {
    let id = policy
        .get("Id")
        .and_then(Value::as_str)
        .filter(|id| !id.is_empty());
    let Some(id) = id else {
        return Err(error(
            format!("{path}.Id"),
            "required, and no text is there",
        ));
    };
    let member = format!("{}Config", K::NAME);
    let path = format!("{path}.{member}");
    match policy.get(member) {
        Some(config) => Ok((id.to_owned(), read_config(config, &path)?)),
        None => Err(error(path, "required and missing")),
    }
}

fn read_config<K: Kind>(config: &Value, path: &str) -> Result<K, ShapeError> {
    let read = shapes::from_value::<K>(config).and_then(|config| {
        config.check()?;
        Ok(config)
    });
    read.map_err(|inner| ShapeError {
        path: match inner.path.is_empty() {
            true => path.to_owned(),
            false => format!("{path}.{}", inner.path),
        },
        message: inner.message,
    })
}

fn read(file: &Path) -> Result<String, PolicyError> {
    let read_error = |source| PolicyError::Read {
        file: file.to_owned(),
        source,
    };
    let size_bytes = std::fs::metadata(file).map_err(read_error)?.len();
    if size_bytes > POLICY_FILE_BYTES_MAX {
        let message = format!("{size_bytes} bytes, and {POLICY_FILE_BYTES_MAX} are allowed");
        let source = error("", message);
        return Err(PolicyError::Document {
            file: file.to_owned(),
            source,
        });
    }
    std::fs::read_to_string(file).map_err(read_error)
}

fn error(path: impl Into<String>, message: impl Into<String>) -> ShapeError {
    ShapeError {
        path: path.into(),
        message: message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::atomic::{AtomicU32, Ordering};

    const OPTIMIZED: &str = "658327ea-f89d-4fab-a63d-7e88639e58f6";

    pub(super) fn parameters() -> Value {
        json!({
            "EnableAcceptEncodingGzip": false,
            "HeadersConfig": {"HeaderBehavior": "none"},
            "CookiesConfig": {"CookieBehavior": "none"},
            "QueryStringsConfig": {"QueryStringBehavior": "none"},
        })
    }

    pub(super) fn cache_config() -> Value {
        json!({
            "Name": "mine",
            "MinTTL": 1,
            "ParametersInCacheKeyAndForwardedToOrigin": parameters(),
        })
    }

    /// A directory of a test's own, gone when the test is.
    struct Dir(PathBuf);

    impl Dir {
        fn new() -> Dir {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("warmfront-policies-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir(&path).unwrap();
            Dir(path)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn load(files: &[(&str, Value)]) -> Result<Policies, String> {
        let dir = Dir::new();
        for (name, document) in files {
            std::fs::write(dir.0.join(name), document.to_string()).unwrap();
        }
        let mut policies = Policies::managed();
        let prefix = format!("{}/", dir.0.display());
        match policies.load_dir(&dir.0) {
            Ok(()) => Ok(policies),
            Err(error) => Err(error.to_string().replace(&prefix, "")),
        }
    }

    #[test]
    fn managed_policies_are_there_and_in_order() {
        let policies = Policies::managed();
        assert_eq!(
            policies.cache(OPTIMIZED).unwrap().name,
            "Managed-CachingOptimized"
        );
        assert_eq!(policies.cache("unknown"), None);
        for (id, config) in &policies.cache {
            config.check().expect(id);
        }
        for (id, config) in &policies.origin_request {
            config.check().expect(id);
        }
        for (id, config) in &policies.response_headers {
            config.check().expect(id);
        }
    }

    #[test]
    fn every_form_that_the_cli_prints_is_read() {
        let request = json!({
            "Name": "all",
            "HeadersConfig": {"HeaderBehavior": "allViewer"},
            "CookiesConfig": {"CookieBehavior": "all"},
            "QueryStringsConfig": {"QueryStringBehavior": "all"},
        });
        let policies = load(&[
            (
                "get.json",
                json!({"ETag": "E1", "CachePolicy": {
                    "Id": "c-get",
                    "LastModifiedTime": "2024-05-01T12:00:00+00:00",
                    "CachePolicyConfig": cache_config(),
                }}),
            ),
            (
                "c-file.json",
                json!({"ETag": "E1", "CachePolicyConfig": cache_config()}),
            ),
            (
                "list.json",
                json!({"CachePolicyList": {"MaxItems": 100, "Quantity": 1, "Items": [
                    {"Type": "custom", "CachePolicy":
                        {"Id": "c-list", "CachePolicyConfig": cache_config()}}]}}),
            ),
            (
                "none.json",
                json!({"ResponseHeadersPolicyList": {"MaxItems": 100, "Quantity": 0}}),
            ),
            (
                "request.json",
                json!({"OriginRequestPolicy": {"Id": "o", "OriginRequestPolicyConfig": request}}),
            ),
            (
                "r-file.json",
                json!({"ResponseHeadersPolicyConfig": {"Name": "empty"}}),
            ),
            ("notes.txt", json!("not read")),
        ])
        .unwrap();
        for id in ["c-get", "c-file", "c-list", OPTIMIZED] {
            assert!(policies.cache(id).is_some(), "{id}");
        }
        assert!(policies.origin_request("o").is_some());
        assert!(policies.response_headers("r-file").is_some());
    }

    #[test]
    fn an_error_names_the_file_and_the_member() {
        let mut negative = cache_config();
        negative["MinTTL"] = json!(-1);
        let mut typed = cache_config();
        typed["MinTTL"] = json!("1");
        for (document, want) in [
            (
                json!({"CachePolicyConfig": negative}),
                "a.json: CachePolicyConfig.MinTTL: -1",
            ),
            (
                json!({"CachePolicyConfig": typed}),
                "a.json: CachePolicyConfig.MinTTL: ",
            ),
            (
                json!({"CachePolicy": {"CachePolicyConfig": {}}}),
                "a.json: CachePolicy.Id: required",
            ),
            (
                json!({"CachePolicyList": {"Items": [{"CachePolicy": {"Id": "x"}}]}}),
                "a.json: CachePolicyList.Items[0].CachePolicy.CachePolicyConfig: required",
            ),
            (
                json!({"ResponseHeadersPolicyConfig": {"Name": "x", "RemoveHeadersConfig":
                    {"Quantity": 1, "Items": [{"Header": "Via"}]}}}),
                "a.json: ResponseHeadersPolicyConfig.RemoveHeadersConfig.Items[0].Header: Via",
            ),
            (json!({"Distribution": {}}), "a.json: no policy; expected"),
            (json!([1]), "a.json: no policy; expected"),
        ] {
            let error = load(&[("a.json", document)]).unwrap_err();
            assert!(error.starts_with(want), "{error}");
        }
    }

    #[test]
    fn text_that_is_no_json_is_refused() {
        let dir = Dir::new();
        std::fs::write(dir.0.join("a.json"), "{").unwrap();
        let error = Policies::default().load_dir(&dir.0).unwrap_err();
        assert!(error.to_string().contains("a.json: not JSON: "), "{error}");
        let missing = dir.0.join("missing");
        let error = Policies::default().load_dir(&missing).unwrap_err();
        assert!(matches!(error, PolicyError::Read { .. }));
    }

    #[test]
    fn two_files_may_repeat_a_policy_but_not_contradict() {
        let named = |name: &str| {
            let mut config = cache_config();
            config["Name"] = json!(name);
            json!({"CachePolicy": {"Id": "x", "CachePolicyConfig": config}})
        };
        assert!(load(&[("a.json", named("n")), ("b.json", named("n"))]).is_ok());
        assert_eq!(
            load(&[("a.json", named("n")), ("b.json", named("m"))]).unwrap_err(),
            "b.json: the policy x is in a.json too, and differs"
        );
    }
}
