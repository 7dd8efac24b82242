//! Names that prove the control of others, as the world sees them.

use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};

use crate::limits::{CNAME_CHAIN_MAX, LOOKUP_MS_MAX};

/// Looks CNAME records up.
#[async_trait]
pub trait Cnames: Send + Sync {
    /// The target of a name's CNAME record, if it has one; both names may end with a dot.
    async fn cname(&self, name: &str) -> Option<String>;
}

/// The system's name servers.
pub struct SystemCnames(TokioResolver);

impl SystemCnames {
    /// Those of `/etc/resolv.conf`; without it nothing is found.
    ///
    /// # Errors
    /// When what is in it cannot be used.
    pub fn new() -> Result<SystemCnames, NetError> {
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|error| {
            tracing::warn!(%error, "no usable /etc/resolv.conf: names are not validated by DNS");
            let nowhere = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
            TokioResolver::builder_with_config(nowhere, TokioRuntimeProvider::default())
        });
        // Who waits for a record asks anew.
        builder.options_mut().cache_size = 0;
        Ok(SystemCnames(builder.build()?))
    }
}

#[async_trait]
impl Cnames for SystemCnames {
    async fn cname(&self, name: &str) -> Option<String> {
        let found = self.0.lookup(name, RecordType::CNAME).await.ok()?;
        let mut targets = found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::CNAME(target) => Some(target.0.to_string()),
                _ => None,
            });
        targets.next()
    }
}

/// Whether a name leads to another, by one CNAME record or some.
pub async fn leads(cnames: &dyn Cnames, from: &str, to: &str) -> bool {
    let mut name = from.to_owned();
    let walk = async {
        for _ in 0..CNAME_CHAIN_MAX {
            match cnames.cname(&name).await {
                Some(target) if is_same(&target, to) => return true,
                Some(target) => name = target,
                None => return false,
            }
        }
        false
    };
    let longest = Duration::from_millis(LOOKUP_MS_MAX);
    tokio::time::timeout(longest, walk).await.unwrap_or(false)
}

/// Whether two texts are the same name, in any case, with or without a dot at the end.
pub fn is_same(one: &str, other: &str) -> bool {
    let bare = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    bare(one) == bare(other)
}
