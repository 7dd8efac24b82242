//! S3's API over the disk: what requests mean, who may what, websites and cross-origin requests.
//!
//! s3s reads requests, verifies signatures and writes answers; [`Service`] is around it. It judges
//! before s3s what signatures must cover (`signature.rs`), and gives s3s the operations (`s3.rs`),
//! of which each is permitted (`operations.rs`, `caller.rs`) before anything of its body is read.
//! Requests to a bucket's website (`website.rs`) become anonymous requests of S3.

mod addressing;
mod body;
mod caller;
mod conditions;
mod configuration;
mod convert;
mod cors;
mod error;
mod form;
pub mod limits;
mod listing;
mod multipart;
mod operations;
mod reading;
mod s3;
mod service;
mod settings;
mod signature;
mod site;
mod text;
mod unserved;
mod website;
mod writing;

use std::sync::Arc;

use async_trait::async_trait;
use s3s::{S3ErrorCode, S3Request, S3Result, s3_error};

pub use addressing::{Domains, Host};
pub use caller::{Key, Keyring, SERVICE, Sender, Who};
pub use s3s::Body;
pub use service::{Service, ServiceConfig};

use caller::Caller;
use settings::{AllSettings, Settings};

use crate::disk::Disk;

/// Where an installation's buckets are known by name.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// Announces that this node keeps a bucket of that name, which was made in that region, unless
    /// another node does. An error says why nobody knows at the moment.
    async fn claim(&self, bucket: &str, region: &str) -> Result<Claim, String>;

    /// Takes that back.
    async fn release(&self, bucket: &str) -> Result<(), String>;
}

/// Who has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This node.
    Ours,
    /// Another one.
    Elsewhere,
}

/// The operations, and what they need. Clones share it.
#[derive(Clone)]
struct Adapter {
    disk: Disk,
    settings: Arc<AllSettings>,
    registry: Arc<dyn Registry>,
    keyring: Arc<dyn Keyring>,
    /// Twelve digits.
    account_id: Arc<str>,
    /// As S3 names the account.
    owner_id: String,
    /// Where buckets are made whose maker names no region.
    default_region: String,
}

impl Adapter {
    /// What a bucket is set to.
    fn settings_of(&self, bucket: &str) -> S3Result<Arc<Settings>> {
        let settings = self.settings.of(&self.disk, bucket);
        settings.ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist."))
    }
}

/// Who sent a request; it is known since its permission was checked.
fn caller_of<T>(request: &S3Request<T>) -> S3Result<&Caller> {
    let caller = request.extensions.get::<Arc<Caller>>();
    let caller = caller.map(Arc::as_ref);
    caller.ok_or_else(|| S3ErrorCode::AccessDenied.into())
}
