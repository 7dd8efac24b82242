//! Sites: distributions compiled for serving.

mod compile;
mod encryption;
mod normal;
mod origin_access;
mod pattern;
mod policies;
mod rules;
mod signers;
mod tls;

use std::sync::Arc;

use cache::freshness::TtlBounds;
use message::{Known, Method, MethodSet, RequestHead};
use origin::group::FailoverRule;
use origin::{OriginSpec, Scheme};

pub use self::tls::{ClientAuthRule, SiteTls};
pub(crate) use compile::scope_of;
pub use compile::{compile, compile_tenant};
pub(crate) use normal::readings;
pub use origin_access::{AccessKey, OriginAccess, Service, Signing};
pub use pattern::{PathPattern, PatternError, wildcard_match};
pub use policies::{Policies, PolicyError, Private, bucket_of, website_of};
pub use signers::TrustedSigners;

pub use crate::deployment::{Deployment, Stickiness, Traffic};
use crate::forward::ForwardRule;
use crate::key::KeyRule;
use crate::response_headers::ResponseHeaders;

/// One distribution compiled for serving: immutable, everything that can be known beforehand is.
#[derive(Debug)]
pub struct Site {
    /// The distribution's id, `E…`.
    pub id: String,
    /// Which distribution a stored object belongs to, for sweeping.
    pub scope: u32,
    /// The distribution's own name, `d….<domain>`.
    pub domain: String,
    /// Names besides it, in lower case; `*.` starts a wildcard.
    pub aliases: Vec<String>,
    /// Whether viewers are served at all.
    pub enabled: bool,
    /// What `/` stands for, with its leading `/`; empty when nothing is put in.
    pub default_root_path: String,
    /// The origins.
    pub origins: Vec<Origin>,
    /// In the order of evaluation; the last one matches everything.
    pub behaviors: Vec<Behavior>,
    /// Custom error responses, at most one for a status.
    pub errors: Vec<ErrorRule>,
    /// Which countries are served.
    pub geo: GeoRule,
    /// The field by which origins tag responses, in lower case, where tags are on.
    pub cache_tag: Option<String>,
    /// Which viewers the staging distribution serves, while a continuous deployment is on.
    pub deployment: Option<Deployment>,
    /// Whether this is a staging distribution: no name leads to it.
    pub is_staging: bool,
    /// How it is reached over TLS.
    pub tls: SiteTls,
    /// Standard access logs, when they are on.
    pub logging: Option<Logging>,
}

/// An origin and how to ask it.
#[derive(Debug)]
pub struct Origin {
    /// How to reach it.
    pub spec: OriginSpec,
    /// Before every path; empty or `/…` without a `/` at the end.
    pub path_prefix: String,
    /// Which scheme to use.
    pub protocol: OriginProtocol,
    /// `Host` over HTTP and over HTTPS, with the port where it is not the usual one.
    pub host_fields: [String; 2],
    /// Fields that replace any of their name.
    pub custom_fields: Vec<(String, String)>,
    /// Id of the certificate that is shown to it, `<region>/<uuid>` (`OriginMtlsConfig`).
    pub client_certificate: Option<String>,
    /// Whether it is an S3 bucket (some answers are read differently).
    pub is_s3: bool,
    /// How requests to it are signed, where they are.
    pub access: Option<OriginAccess>,
    /// Whether it gets its own name as `Host` also where the behavior forwards the viewer's:
    /// signatures cover it, and a bucket of this installation is found by it.
    pub keeps_host: bool,
}

/// `OriginProtocolPolicy`.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[allow(missing_docs)]
pub enum OriginProtocol {
    HttpOnly,
    HttpsOnly,
    MatchViewer,
}

/// A cache behavior.
#[derive(Debug)]
pub struct Behavior {
    /// Which paths it takes.
    pub pattern: PathPattern,
    /// Where its misses go.
    pub target: Target,
    /// What HTTP viewers get.
    pub viewer_protocol: ViewerProtocol,
    /// Methods that are served.
    pub methods: MethodSet,
    /// Whether `OPTIONS` answers are cached; GET and HEAD always are.
    pub options_cached: bool,
    /// How keys are made.
    pub key: KeyRule,
    /// What is forwarded.
    pub forward: ForwardRule,
    /// For how long things are kept.
    pub ttl: TtlBounds,
    /// Whether nothing is ever stored nor collapsed.
    pub caching_disabled: bool,
    /// Whether eligible answers are compressed.
    pub compress: bool,
    /// Whether calls of gRPC are told from other requests, and go to the origin by HTTP/2.
    pub grpc: bool,
    /// What is done to the fields of answers.
    pub response_headers: Option<Arc<ResponseHeaders>>,
    /// Which fields of forms are encrypted on their way to the origin.
    pub encryption: Option<Arc<field_encryption::Rules>>,
    /// Whose signature viewers need, where they need one.
    pub signers: Option<Arc<TrustedSigners>>,
    /// What the operator calls its parts; serving does not need them.
    pub names: BehaviorNames,
}

/// What the operator calls the parts of a behavior, so that they can be told of by name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BehaviorNames {
    /// The id of the origin or of the origin group.
    pub target: String,
    /// The cache policy; none in the legacy style.
    pub cache_policy: Option<String>,
    /// The origin request policy.
    pub origin_request_policy: Option<String>,
    /// The response headers policy.
    pub response_headers_policy: Option<String>,
}

impl Behavior {
    /// Whether answers to the method may be stored and shared at all.
    #[inline]
    pub fn is_cacheable(&self, method: Method) -> bool {
        let by_method = match method {
            Method::Get | Method::Head => true,
            Method::Options => self.options_cached,
            _ => false,
        };
        by_method && !self.caching_disabled
    }

    /// Whether simultaneous requests share one fetch. Not when cookies reach the origin that are
    /// not in the key: one viewer's answer could be another's (spec §5.4).
    #[inline]
    pub fn collapses(&self, request: &RequestHead) -> bool {
        self.key.cookies == self.forward.cookies || request.known(Known::Cookie).is_none()
    }
}

impl Origin {
    /// The scheme that this origin is asked by, for a viewer who came over HTTPS or not.
    pub fn scheme(&self, viewer_is_https: bool) -> Scheme {
        match self.protocol {
            OriginProtocol::HttpOnly => Scheme::Http,
            OriginProtocol::HttpsOnly => Scheme::Https,
            OriginProtocol::MatchViewer if viewer_is_https => Scheme::Https,
            OriginProtocol::MatchViewer => Scheme::Http,
        }
    }

    /// `Host` for a scheme, where the viewer's is not forwarded.
    pub fn host_field(&self, scheme: Scheme) -> &str {
        &self.host_fields[usize::from(scheme == Scheme::Https)]
    }

    /// The target of an origin request: the path below the origin's, and what of the query is
    /// forwarded.
    pub fn target(&self, path: &[u8], request: &RequestHead, forward: &ForwardRule) -> Vec<u8> {
        let mut target = Vec::with_capacity(self.path_prefix.len() + path.len() + 64);
        target.extend_from_slice(self.path_prefix.as_bytes());
        target.extend_from_slice(path);
        let path_len = target.len();
        target.push(b'?');
        forward.query(request, &mut target);
        if target.len() == path_len + 1 {
            target.pop();
        }
        target
    }
}

/// Where a behavior's misses go: indexes into [`Site::origins`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// To one origin.
    Origin(usize),
    /// To the first member of a group, and to the next when it fails.
    Group {
        /// In the order of trial.
        members: Vec<usize>,
        /// When the next is tried.
        failover: FailoverRule,
    },
}

impl Target {
    /// The origin that is asked first.
    pub fn primary(&self) -> usize {
        match self {
            Target::Origin(index) => *index,
            Target::Group { members, .. } => members[0],
        }
    }

    /// All origins that may be asked, in their order.
    pub fn members(&self) -> &[usize] {
        match self {
            Target::Origin(index) => std::slice::from_ref(index),
            Target::Group { members, .. } => members,
        }
    }
}

/// `ViewerProtocolPolicy`.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[allow(missing_docs)]
pub enum ViewerProtocol {
    AllowAll,
    HttpsOnly,
    RedirectToHttps,
}

/// A custom error response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ErrorRule {
    /// The status that it is for.
    pub status: u16,
    /// What viewers get instead.
    pub page: Option<ErrorPage>,
    /// `ErrorCachingMinTTL`.
    pub min_secs: u64,
}

/// What viewers get instead of an error.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ErrorPage {
    /// Fetched as if a viewer had asked for it by GET; path and perhaps query.
    pub path: String,
    /// The status to send it with.
    pub status: u16,
}

/// `GeoRestriction`. Viewers of whom the country is not known are served (spec §14.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum GeoRule {
    /// Everybody is served.
    Unrestricted,
    /// Only viewers from these countries.
    Only(Vec<[u8; 2]>),
    /// All but viewers from these countries.
    Except(Vec<[u8; 2]>),
}

impl GeoRule {
    /// Whether viewers from there are served.
    pub fn allows(&self, country: Option<[u8; 2]>) -> bool {
        match (self, country) {
            (GeoRule::Unrestricted, _) | (_, None) => true,
            (GeoRule::Only(countries), Some(country)) => countries.contains(&country),
            (GeoRule::Except(countries), Some(country)) => !countries.contains(&country),
        }
    }
}

/// Where and how a site's access log is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Logging {
    /// Before the file name.
    pub prefix: String,
    /// Whether the `Cookie` field is written.
    pub include_cookies: bool,
}

impl Site {
    /// The path of the object that is meant: the default root object's for `/`.
    #[inline]
    pub fn object_path<'a>(&'a self, path: &'a [u8]) -> &'a [u8] {
        match path {
            b"/" if !self.default_root_path.is_empty() => self.default_root_path.as_bytes(),
            path => path,
        }
    }

    /// Whether viewers find it under that name.
    pub fn has_name(&self, name: &str) -> bool {
        self.domain == name || self.aliases.iter().any(|alias| alias == name)
    }

    /// The first behavior whose pattern matches the path's normal form, with its index.
    #[inline]
    pub fn behavior(&self, path: &[u8]) -> (usize, &Behavior) {
        let path = &*normal::normal(path);
        self.behaviors
            .iter()
            .enumerate()
            .find(|(_, behavior)| behavior.pattern.matches(path))
            .expect("the last behavior matches everything")
    }

    /// The custom error response for a status.
    pub fn error_rule(&self, status: u16) -> Option<&ErrorRule> {
        self.errors.iter().find(|rule| rule.status == status)
    }

    /// `ErrorCachingMinTTL` for a status: 10 s unless set (spec §4.5).
    pub fn error_min_secs(&self, status: u16) -> u64 {
        self.error_rule(status).map_or(10, |rule| rule.min_secs)
    }
}
