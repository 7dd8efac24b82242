//! The AWS-compatible API: CloudFront, its key value stores' data, Certificate Manager, Route 53,
//! CloudTrail's look at the audit record, what of STS and IAM clients ask at their start, and a few
//! operations of Warmfront's own.
//!
//! What it does: takes a whole HTTP request and gives the whole answer ([`Control::handle`]):
//! signature, permission, input by the service's model, then the operation, which reads and
//! commits documents in the store. There may be many: all that one keeps of its own is a memory of
//! the requests that it has taken, and whose turn it is when calls meet. What it does not do:
//! listen on sockets, serve viewers, know who is connected. Nodes learn of changes from the store
//! alone; whether a distribution can be served is asked of [`SiteCheck`].
//!
//! Read `api.rs` (life of a call), [`cloudfront`] (the table of operations), `resource.rs` (what
//! all resources have in common) first.

mod acm;
mod api;
mod audit;
mod call;
mod change;
pub mod cloudfront;
mod cloudtrail;
mod coverage;
mod error;
mod iam;
pub mod identity;
mod ids;
mod key_values;
pub mod limits;
mod nodes;
mod query;
mod resource;
mod route53;
mod service;
mod sts;
mod warmfront;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use documents::Resource;
use secrets::Secrets;
use shapes::ShapeError;
use shapes::cloudfront::DistributionConfig;
use store::{Document, Store};

pub use acm::upkeep::{CertificateUpkeep, Cnames, SystemCnames};
pub use call::Origin;
pub use coverage::markdown as coverage_markdown;
pub use error::ApiError;

/// What an installation is called by its clients.
#[derive(Clone, Debug)]
pub struct ControlConfig {
    /// Twelve digits.
    pub account_id: String,
    /// Distributions' own names lie under this one.
    pub domain: String,
    /// Whether health checks may be of addresses of private networks, and of this host.
    pub allow_private_health_checks: bool,
    /// Whether this node has the role `control`. One that does not have it tells of itself alone:
    /// it answers `Explain` and `ExplainDns`.
    pub is_control: bool,
    /// Seals private keys, and gives what all nodes must have alike: the installation's key.
    pub secrets: Arc<Secrets>,
    /// The ACME server that certificates are asked of; without one the local authority issues
    /// them.
    pub acme: Option<acme::Server>,
    /// Whether a certificate waits until the names that it is asked for are validated.
    pub validate_certificates: bool,
    /// The buckets that this node keeps: there the bundles of trust stores are read. Without it
    /// there are none.
    pub buckets: Option<Arc<dyn Objects>>,
}

/// Objects in buckets.
#[async_trait]
pub trait Objects: fmt::Debug + Send + Sync {
    /// Reads an object, or one version of it, if it is not longer than so many bytes; an error says
    /// why not.
    async fn read(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        bytes_max: u64,
    ) -> Result<Vec<u8>, String>;
}

/// Says whether edges could serve a distribution. Edges implement it; the API asks before it
/// accepts a change, so that what is accepted can be served.
pub trait SiteCheck: Send + Sync {
    /// Everything that keeps the distribution from being served, with where in the config it is.
    /// `named` are the documents that it names, and those that they name.
    fn check(
        &self,
        distribution: &Resource<DistributionConfig>,
        named: &[Document],
    ) -> Vec<ShapeError>;
}

/// What the node that this API runs on knows of what it serves.
pub trait LocalNode: Send + Sync {
    /// What became of a request, or would, as [`warmfront`] documents; `None` without an edge here.
    fn explain(&self, question: &serde_json::Value) -> Option<Result<serde_json::Value, String>>;

    /// How an answer of this node's name server comes about, as [`warmfront`] documents; `None`
    /// without one here.
    fn explain_dns(
        &self,
        question: &serde_json::Value,
    ) -> Option<Result<serde_json::Value, String>> {
        let _ = question;
        None
    }

    /// What name servers would answer; `None` without a name server here.
    fn test_answer(&self, question: &TestQuestion) -> Option<TestAnswer> {
        let _ = question;
        None
    }
}

/// A question of Route 53's `TestDNSAnswer` (spec §18).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestQuestion {
    /// The zone's id: it is asked even where another one would answer.
    pub zone: String,
    /// Within the zone.
    pub name: records::Name,
    /// What is asked for.
    pub record_type: records::RecordType,
    /// Who asks; nobody in particular, if absent.
    pub resolver: Option<std::net::IpAddr>,
    /// For whom it asks: an address, and how many of its bits count.
    pub client_subnet: Option<(std::net::IpAddr, u8)>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestAnswer {
    /// `NOERROR`, `NXDOMAIN`, `SERVFAIL`: as DNS calls it.
    pub response_code: String,
    /// The values of the records that answer, as Route 53 writes them; of a CNAME, its target.
    pub values: Vec<String>,
}

/// The API.
pub struct Control {
    store: Arc<dyn Store>,
    config: ControlConfig,
    sites: Arc<dyn SiteCheck>,
    node: Arc<dyn LocalNode>,
    signatures: sigv4::Verifier,
    /// Requests that changed something.
    seen: Mutex<sigv4::ReplayGuard>,
    /// Whose turn it is of those that met others: `Control::run`.
    turn: tokio::sync::Mutex<()>,
    /// Audit records that were written, for `audit::sweep`.
    records: AtomicU64,
}

impl Control {
    /// An API over a store.
    pub fn new(
        store: Arc<dyn Store>,
        config: ControlConfig,
        sites: Arc<dyn SiteCheck>,
        node: Arc<dyn LocalNode>,
    ) -> Control {
        Control {
            store,
            config,
            sites,
            node,
            signatures: sigv4::Verifier::default(),
            seen: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            records: AtomicU64::new(0),
        }
    }

    /// The access key of that id, for what is served beside this API; an error says why nobody
    /// knows at the moment.
    pub async fn access_key(&self, id: &str) -> Result<Option<identity::AccessKey>, String> {
        let found = identity::find(self, id).await;
        found.map_err(|failure| failure.into_api_error().message)
    }

    /// `arn:aws:cloudfront::<account>:<resource>`.
    fn arn(&self, resource: &str) -> String {
        format!("arn:aws:cloudfront::{}:{resource}", self.config.account_id)
    }
}
