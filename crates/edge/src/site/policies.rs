//! The catalogue of policies: those that AWS manages, and those that the operator brings along as
//! the JSON that the AWS CLI prints.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use shapes::cloudfront::{
    CachePolicyConfig, CachePolicyCookieBehavior, CachePolicyHeaderBehavior,
    CachePolicyQueryStringBehavior, OriginRequestPolicyConfig, OriginRequestPolicyHeaderBehavior,
    ParametersInCacheKeyAndForwardedToOrigin, ResponseHeadersPolicyConfig,
};
use shapes::{ShapeError, Structure};

use super::managed;

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
        match found {
            true => Ok(()),
            false => Err(document_error(error(
                "",
                "no policy; expected is what `aws cloudfront` prints for get-cache-policy, \
                 get-origin-request-policy, get-response-headers-policy, their -config and \
                 their list- forms",
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

/// A cache policy's times to live, with AWS's defaults filled in (spec §3.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ttls {
    /// The least time that an object is kept.
    pub min_secs: u64,
    /// How long it is kept where the origin says nothing.
    pub default_secs: u64,
    /// The most time that it is kept.
    pub max_secs: u64,
}

impl Ttls {
    /// Of a policy; what is negative is taken as zero, and [`validate_cache`] refuses it.
    pub fn of(config: &CachePolicyConfig) -> Ttls {
        let secs = |ttl: i64| u64::try_from(ttl).unwrap_or(0);
        let min_secs = secs(config.min_ttl);
        // The default for the one that is left out gives way to what is said about the others.
        let default_secs = match (config.default_ttl, config.max_ttl) {
            (Some(ttl), _) => secs(ttl),
            (None, Some(max)) => secs(max).min(86_400),
            (None, None) => 86_400,
        };
        let default_secs = default_secs.max(min_secs);
        let max_secs = config.max_ttl.map_or(31_536_000, secs).max(default_secs);
        Ttls {
            min_secs,
            default_secs,
            max_secs,
        }
    }

    /// Whether nothing is ever kept: no collapsing, no compression, no error caching.
    pub fn is_caching_disabled(self) -> bool {
        self.max_secs == 0
    }
}

/// Refuses what AWS refuses in a cache policy (spec §3.2), except for names of generated headers
/// that belong to no key.
pub fn validate_cache(config: &CachePolicyConfig) -> Result<(), ShapeError> {
    check_ttls(config)?;
    let Some(parameters) = &config.parameters_in_cache_key_and_forwarded_to_origin else {
        return Ok(());
    };
    let at = |member: &str| format!("ParametersInCacheKeyAndForwardedToOrigin.{member}");
    check_lists(parameters, at)?;
    let brotli = parameters.enable_accept_encoding_brotli.unwrap_or(false);
    let encoded = parameters.enable_accept_encoding_gzip || brotli;
    let headers = parameters
        .headers_config
        .headers
        .as_ref()
        .map_or(&[][..], |list| list.items());
    for (index, name) in headers.iter().enumerate() {
        let path = || at(&format!("HeadersConfig.Headers.Items[{index}]"));
        if encoded && name.eq_ignore_ascii_case("accept-encoding") {
            let message = "Accept-Encoding cannot be listed while EnableAcceptEncodingGzip or \
                           EnableAcceptEncodingBrotli is true";
            return Err(error(path(), message));
        }
        if is_hop_by_hop(name) || name.eq_ignore_ascii_case("cookie") {
            return Err(error(
                path(),
                format!("{name} cannot be part of a cache key"),
            ));
        }
    }
    if Ttls::of(config).is_caching_disabled() {
        check_disabled(parameters, at)?;
    }
    Ok(())
}

fn check_ttls(config: &CachePolicyConfig) -> Result<(), ShapeError> {
    let ttls = [
        ("MinTTL", Some(config.min_ttl)),
        ("DefaultTTL", config.default_ttl),
        ("MaxTTL", config.max_ttl),
    ];
    for (member, ttl) in ttls {
        if let Some(ttl) = ttl.filter(|ttl| *ttl < 0) {
            return Err(error(member, format!("{ttl} is negative")));
        }
    }
    // A default below the minimum is raised to it; a maximum below either is a mistake.
    let Some(max) = config.max_ttl else {
        return Ok(());
    };
    for (member, ttl) in &ttls[..2] {
        if let Some(ttl) = ttl.filter(|ttl| *ttl > max) {
            return Err(error(
                "MaxTTL",
                format!("{max} is less than {member}, {ttl}"),
            ));
        }
    }
    Ok(())
}

/// A behavior that takes a list has one, and the others have none.
fn check_lists(
    parameters: &ParametersInCacheKeyAndForwardedToOrigin,
    at: impl Fn(&str) -> String,
) -> Result<(), ShapeError> {
    use {
        CachePolicyCookieBehavior as Cookies, CachePolicyHeaderBehavior as Headers,
        CachePolicyQueryStringBehavior as Queries,
    };
    let headers = &parameters.headers_config;
    let cookies = &parameters.cookies_config;
    let queries = &parameters.query_strings_config;
    let lists = [
        (
            "HeadersConfig.Headers",
            headers.header_behavior.as_str(),
            headers.header_behavior == Headers::Whitelist,
            headers
                .headers
                .as_ref()
                .map_or(0, |list| list.items().len()),
        ),
        (
            "CookiesConfig.Cookies",
            cookies.cookie_behavior.as_str(),
            matches!(
                cookies.cookie_behavior,
                Cookies::Whitelist | Cookies::AllExcept
            ),
            cookies
                .cookies
                .as_ref()
                .map_or(0, |list| list.items().len()),
        ),
        (
            "QueryStringsConfig.QueryStrings",
            queries.query_string_behavior.as_str(),
            matches!(
                queries.query_string_behavior,
                Queries::Whitelist | Queries::AllExcept
            ),
            queries
                .query_strings
                .as_ref()
                .map_or(0, |list| list.items().len()),
        ),
    ];
    lists
        .into_iter()
        .try_for_each(|(member, behavior, takes_list, names)| {
            check_list(at(member), behavior, takes_list, names)
        })
}

fn check_list(
    path: String,
    behavior: &str,
    takes_list: bool,
    names: usize,
) -> Result<(), ShapeError> {
    match (takes_list, names) {
        (true, 0) => Err(error(
            path,
            format!("empty, and the behavior is {behavior}"),
        )),
        (false, 1..) => Err(error(
            path,
            format!("{names} names, and the behavior is {behavior}"),
        )),
        _ => Ok(()),
    }
}

/// Without caching there is no key to put anything into.
fn check_disabled(
    parameters: &ParametersInCacheKeyAndForwardedToOrigin,
    at: impl Fn(&str) -> String,
) -> Result<(), ShapeError> {
    let header_behavior = parameters.headers_config.header_behavior;
    let cookie_behavior = parameters.cookies_config.cookie_behavior;
    let query_behavior = parameters.query_strings_config.query_string_behavior;
    let wrong = [
        (
            "EnableAcceptEncodingGzip",
            parameters.enable_accept_encoding_gzip,
        ),
        (
            "EnableAcceptEncodingBrotli",
            parameters.enable_accept_encoding_brotli.unwrap_or(false),
        ),
        (
            "HeadersConfig.HeaderBehavior",
            header_behavior != CachePolicyHeaderBehavior::None,
        ),
        (
            "CookiesConfig.CookieBehavior",
            cookie_behavior != CachePolicyCookieBehavior::None,
        ),
        (
            "QueryStringsConfig.QueryStringBehavior",
            query_behavior != CachePolicyQueryStringBehavior::None,
        ),
    ];
    match wrong.into_iter().find(|(_, is_wrong)| *is_wrong) {
        Some((member, _)) => Err(error(
            at(member),
            "must be false or none, because MinTTL, DefaultTTL and MaxTTL are 0, which disables \
             caching; an origin request policy forwards without caching",
        )),
        None => Ok(()),
    }
}

/// Refuses what AWS refuses in an origin request policy (spec §3.4).
pub fn validate_origin_request(config: &OriginRequestPolicyConfig) -> Result<(), ShapeError> {
    use OriginRequestPolicyHeaderBehavior::{
        AllExcept, AllViewerAndWhitelistCloudFront, Whitelist,
    };
    let behavior = config.headers_config.header_behavior;
    let headers = config
        .headers_config
        .headers
        .as_ref()
        .map_or(&[][..], |list| list.items());
    let takes_list = matches!(
        behavior,
        Whitelist | AllExcept | AllViewerAndWhitelistCloudFront
    );
    check_list(
        "HeadersConfig.Headers".into(),
        behavior.as_str(),
        takes_list,
        headers.len(),
    )?;
    for (index, name) in headers.iter().enumerate().filter(|_| behavior == Whitelist) {
        let path = format!("HeadersConfig.Headers.Items[{index}]");
        let is_refused = ["authorization", "accept-encoding", "cookie"]
            .iter()
            .any(|refused| name.eq_ignore_ascii_case(refused));
        if is_refused || is_hop_by_hop(name) {
            return Err(error(path, format!("{name} cannot be listed here")));
        }
    }
    Ok(())
}

/// Headers that end at the edge.
fn is_hop_by_hop(name: &str) -> bool {
    const NAMES: [&str; 6] = [
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    NAMES.iter().any(|other| name.eq_ignore_ascii_case(other))
        || name
            .get(..6)
            .is_some_and(|start| start.eq_ignore_ascii_case("proxy-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const OPTIMIZED: &str = "658327ea-f89d-4fab-a63d-7e88639e58f6";

    fn parameters() -> Value {
        json!({
            "EnableAcceptEncodingGzip": false,
            "HeadersConfig": {"HeaderBehavior": "none"},
            "CookiesConfig": {"CookieBehavior": "none"},
            "QueryStringsConfig": {"QueryStringBehavior": "none"},
        })
    }

    fn cache_config() -> Value {
        json!({"Name": "mine", "MinTTL": 1, "ParametersInCacheKeyAndForwardedToOrigin": parameters()})
    }

    fn cache(members: Value) -> CachePolicyConfig {
        let mut config = cache_config();
        for (member, value) in members.as_object().unwrap() {
            config[member] = value.clone();
        }
        shapes::from_value(&config).unwrap()
    }

    fn load(files: &[(&str, Value)]) -> Result<Policies, String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, document) in files {
            std::fs::write(dir.path().join(name), document.to_string()).unwrap();
        }
        let mut policies = Policies::managed();
        let prefix = format!("{}/", dir.path().display());
        match policies.load_dir(dir.path()) {
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
                json!({"ETag": "E1", "CachePolicy": {"Id": "c-get", "CachePolicyConfig": cache_config(),
                    "LastModifiedTime": "2024-05-01T12:00:00+00:00"}}),
            ),
            ("c-file.json", json!({"ETag": "E1", "CachePolicyConfig": cache_config()})),
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
            ("r-file.json", json!({"ResponseHeadersPolicyConfig": {"Name": "empty"}})),
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
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.json"), "{").unwrap();
        let error = Policies::default().load_dir(dir.path()).unwrap_err();
        assert!(error.to_string().contains("a.json: not JSON: "), "{error}");
        let missing = dir.path().join("missing");
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

    #[test]
    fn the_times_to_live_are_in_order() {
        for (ttls, want) in [
            (json!({"MinTTL": 0}), Ok((0, 86_400, 31_536_000))),
            (
                json!({"MinTTL": 100_000}),
                Ok((100_000, 100_000, 31_536_000)),
            ),
            (
                json!({"MinTTL": 5, "DefaultTTL": 1, "MaxTTL": 9}),
                Ok((5, 5, 9)),
            ),
            (json!({"MinTTL": 0, "MaxTTL": 60}), Ok((0, 60, 60))),
            (
                json!({"MinTTL": 40_000_000}),
                Ok((40_000_000, 40_000_000, 40_000_000)),
            ),
            (
                json!({"MinTTL": 0, "DefaultTTL": 0, "MaxTTL": 0}),
                Ok((0, 0, 0)),
            ),
            (
                json!({"MinTTL": 5, "MaxTTL": 4}),
                Err("MaxTTL: 4 is less than MinTTL, 5"),
            ),
            (
                json!({"MinTTL": 0, "DefaultTTL": 5, "MaxTTL": 4}),
                Err("MaxTTL: 4 is less than DefaultTTL, 5"),
            ),
            (
                json!({"MinTTL": 0, "DefaultTTL": -2}),
                Err("DefaultTTL: -2 is negative"),
            ),
        ] {
            let config = cache(ttls);
            let got = validate_cache(&config)
                .map_err(|error| error.to_string())
                .map(|()| {
                    let ttls = Ttls::of(&config);
                    (ttls.min_secs, ttls.default_secs, ttls.max_secs)
                });
            assert_eq!(got, want.map_err(str::to_owned));
        }
    }

    #[test]
    fn a_policy_that_disables_caching_has_no_key() {
        let whitelist = |list: &str, behavior: &str| json!({behavior: "whitelist", list: {"Quantity": 1, "Items": ["a"]}});
        for (member, value) in [
            ("EnableAcceptEncodingGzip", json!(true)),
            ("EnableAcceptEncodingBrotli", json!(true)),
            ("HeadersConfig", whitelist("Headers", "HeaderBehavior")),
            ("CookiesConfig", json!({"CookieBehavior": "all"})),
            (
                "QueryStringsConfig",
                whitelist("QueryStrings", "QueryStringBehavior"),
            ),
        ] {
            let mut parameters = parameters();
            parameters[member] = value;
            let with = |ttls: Value| {
                let mut members = ttls;
                members["ParametersInCacheKeyAndForwardedToOrigin"] = parameters.clone();
                validate_cache(&cache(members))
            };
            assert_eq!(
                with(json!({"MinTTL": 0, "DefaultTTL": 0, "MaxTTL": 1})),
                Ok(())
            );
            let error = with(json!({"MinTTL": 0, "DefaultTTL": 0, "MaxTTL": 0})).unwrap_err();
            let want = format!("ParametersInCacheKeyAndForwardedToOrigin.{member}");
            assert!(error.path.starts_with(&want), "{error}");
        }
    }

    #[test]
    fn lists_fit_their_behaviors_and_names_fit_a_key() {
        let headers = |names: &[&str], gzip: bool| {
            let mut parameters = parameters();
            parameters["EnableAcceptEncodingGzip"] = json!(gzip);
            parameters["HeadersConfig"] = json!({"HeaderBehavior": "whitelist",
                "Headers": {"Quantity": names.len(), "Items": names}});
            validate_cache(&cache(
                json!({"ParametersInCacheKeyAndForwardedToOrigin": parameters}),
            ))
            .map_err(|error| {
                error
                    .path
                    .rsplit("HeadersConfig.")
                    .next()
                    .unwrap()
                    .to_owned()
            })
        };
        assert_eq!(
            headers(&["Host", "Authorization", "Accept-Encoding"], false),
            Ok(())
        );
        assert_eq!(
            headers(&["Host", "accept-encoding"], true),
            Err("Headers.Items[1]".into())
        );
        for name in [
            "Connection",
            "cookie",
            "TE",
            "Upgrade",
            "Proxy-Authorization",
        ] {
            assert_eq!(
                headers(&[name], false),
                Err("Headers.Items[0]".into()),
                "{name}"
            );
        }
        assert_eq!(headers(&[], false), Err("Headers".into()));
        let mut parameters = parameters();
        parameters["CookiesConfig"] =
            json!({"CookieBehavior": "all", "Cookies": {"Quantity": 1, "Items": ["a"]}});
        let config = cache(json!({"ParametersInCacheKeyAndForwardedToOrigin": parameters}));
        assert_eq!(
            validate_cache(&config).unwrap_err().message,
            "1 names, and the behavior is all"
        );
    }

    #[test]
    fn an_origin_request_policy_cannot_list_authorization() {
        let config = |behavior: &str, names: &[&str]| {
            let config: OriginRequestPolicyConfig = shapes::from_value(&json!({
                "Name": "x",
                "HeadersConfig": {"HeaderBehavior": behavior,
                    "Headers": {"Quantity": names.len(), "Items": names}},
                "CookiesConfig": {"CookieBehavior": "none"},
                "QueryStringsConfig": {"QueryStringBehavior": "none"},
            }))
            .unwrap();
            validate_origin_request(&config).map_err(|error| error.path)
        };
        assert_eq!(config("whitelist", &["Host", "Origin"]), Ok(()));
        let second = || Err("HeadersConfig.Headers.Items[1]".to_owned());
        assert_eq!(config("whitelist", &["Host", "authorization"]), second());
        assert_eq!(config("whitelist", &["Host", "Accept-Encoding"]), second());
        assert_eq!(config("allExcept", &["Host", "Authorization"]), Ok(()));
        assert_eq!(
            config("allExcept", &[]),
            Err("HeadersConfig.Headers".to_owned())
        );
        assert_eq!(
            config("allViewer", &["A"]),
            Err("HeadersConfig.Headers".to_owned())
        );
    }
}
