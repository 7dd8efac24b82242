//! Who serves which host name.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use telemetry::access_log::LogId;
use telemetry::metrics::SiteMetrics;

use crate::site::Site;

/// A site with what it reports to.
#[derive(Debug)]
pub struct Served {
    /// The compiled distribution.
    pub site: Site,
    /// Its counters.
    pub metrics: Arc<SiteMetrics>,
    /// Its access log, when it is on.
    pub log: Option<LogId>,
    /// The newest ban when another site took its place. Requests that began before may fetch by it
    /// for a while; bans that come from then on are meant for that, too.
    pub replaced_at: AtomicU64,
}

impl Served {
    /// Serves a site until it is replaced.
    pub fn new(site: Site, metrics: Arc<SiteMetrics>, log: Option<LogId>) -> Served {
        Served {
            site,
            metrics,
            log,
            replaced_at: AtomicU64::new(u64::MAX),
        }
    }
}

/// All sites by host name. Immutable; a change makes a new one, and readers go over to it whole.
#[derive(Debug, Default)]
pub struct Directory {
    /// Full names: aliases and distribution domains, in lower case.
    exact: HashMap<String, Arc<Served>>,
    /// `*.example.com` under `.example.com`.
    wildcard: HashMap<String, Arc<Served>>,
    /// Staging distributions, by the id of the one that sends them viewers.
    staging: HashMap<String, Arc<Served>>,
}

/// Two sites want the same name; the operator's fault.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "'{name}' is an alias of distribution {first} and of {second}: a name has one distribution"
)]
pub struct AliasConflict {
    /// The name.
    pub name: String,
    /// Who had it.
    pub first: String,
    /// Who wants it too.
    pub second: String,
}

impl Directory {
    /// The directory of these sites.
    pub fn new(sites: &[Arc<Served>]) -> Result<Directory, AliasConflict> {
        let mut directory = Directory::default();
        directory.find_staging(sites);
        for served in sites.iter().filter(|served| !served.site.is_staging) {
            let site = &served.site;
            // A tenant has no name of its own.
            let domain = Some(&site.domain).filter(|domain| !domain.is_empty());
            for name in domain.into_iter().chain(&site.aliases) {
                let (map, key) = match name.strip_prefix('*') {
                    Some(suffix) => (&mut directory.wildcard, suffix),
                    None => (&mut directory.exact, name.as_str()),
                };
                let earlier = map.insert(key.to_owned(), Arc::clone(served));
                if let Some(earlier) = earlier.filter(|earlier| earlier.site.id != site.id) {
                    return Err(AliasConflict {
                        name: name.clone(),
                        first: earlier.site.id.clone(),
                        second: site.id.clone(),
                    });
                }
            }
        }
        Ok(directory)
    }

    fn find_staging(&mut self, sites: &[Arc<Served>]) {
        for served in sites {
            let Some(deployment) = &served.site.deployment else {
                continue;
            };
            let is_meant = |other: &&Arc<Served>| {
                other.site.is_staging && other.site.domain == deployment.staging_domain
            };
            if let Some(staging) = sites.iter().find(is_meant) {
                let staging = Arc::clone(staging);
                self.staging.insert(served.site.id.clone(), staging);
            }
        }
    }

    /// The staging distribution that a site sends some of its viewers to.
    pub fn staging_of(&self, site: &Site) -> Option<&Arc<Served>> {
        self.staging.get(&site.id)
    }

    /// The site of a `Host`, with or without a port: a full name first, then the longest
    /// wildcard (spec §0.3).
    #[inline]
    pub fn find(&self, host: &[u8]) -> Option<&Arc<Served>> {
        let name = without_port(host);
        let mut lower = [0u8; 256];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        let name = std::str::from_utf8(lower).ok()?;
        let name = name.strip_suffix('.').unwrap_or(name);
        if let Some(served) = self.exact.get(name) {
            return Some(served);
        }
        if self.wildcard.is_empty() {
            return None;
        }
        let dots = name.match_indices('.').map(|(at, _)| &name[at..]);
        dots.filter_map(|suffix| self.wildcard.get(suffix)).next()
    }
}

/// A `Host` without its port.
pub(crate) fn without_port(host: &[u8]) -> &[u8] {
    if host.first() == Some(&b'[') {
        let end = memchr::memchr(b']', host).map_or(host.len(), |at| at + 1);
        return &host[..end];
    }
    let end = memchr::memchr(b':', host).unwrap_or(host.len());
    &host[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::site_with_aliases;

    fn directory(sites: &[(&str, &[&str])]) -> Result<Directory, AliasConflict> {
        let registry = telemetry::metrics::Registry::new(1);
        let served = sites.iter().map(|(id, aliases)| {
            let site = site_with_aliases(id, aliases);
            Arc::new(Served::new(site, registry.register(id), None))
        });
        Directory::new(&served.collect::<Vec<_>>())
    }

    #[test]
    fn a_full_name_wins_over_wildcards_and_the_longest_wildcard_wins() {
        let directory = directory(&[
            ("E1", &["www.example.com"]),
            ("E2", &["*.example.com"]),
            ("E3", &["*.b.example.com"]),
        ])
        .unwrap();
        let id = |host: &str| directory.find(host.as_bytes()).map(|s| s.site.id.clone());
        assert_eq!(id("www.example.com").as_deref(), Some("E1"));
        assert_eq!(id("WWW.Example.COM:8080").as_deref(), Some("E1"));
        assert_eq!(id("www.example.com.").as_deref(), Some("E1"));
        assert_eq!(id("a.example.com").as_deref(), Some("E2"));
        assert_eq!(id("a.b.example.com").as_deref(), Some("E3"));
        assert_eq!(id("b.example.com").as_deref(), Some("E2"));
        assert_eq!(id("example.com"), None);
        assert_eq!(
            id("de1.test").as_deref(),
            Some("E1"),
            "the distribution's own name"
        );
        assert_eq!(id(""), None);
    }

    #[test]
    fn one_name_cannot_belong_to_two() {
        let error = directory(&[("E1", &["a.test"]), ("E2", &["a.test"])]).unwrap_err();
        assert_eq!(
            (error.name.as_str(), error.second.as_str()),
            ("a.test", "E2")
        );
    }
}
