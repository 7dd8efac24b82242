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
