//! What is said of buckets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use hyper::Uri;

use super::{Reader, SettingError};

const ENDPOINT: &str = "http://HOST or http://HOST:PORT, without a path";

/// What is said of buckets.
#[derive(Clone, Debug)]
pub struct BucketSettings {
    /// Where this node keeps its buckets.
    pub directory: PathBuf,
    /// Where edges ask for their objects; at the API's address, if absent.
    pub endpoint: Option<String>,
}

impl BucketSettings {
    pub(super) fn read(reader: &Reader<'_>, data: &Path) -> Result<BucketSettings, SettingError> {
        Ok(BucketSettings {
            directory: reader
                .path("buckets")?
                .unwrap_or_else(|| data.join("buckets")),
            endpoint: reader.parse("bucket_endpoint", endpoint, ENDPOINT)?,
        })
    }

    /// Where edges ask, if the API listens at that address.
    pub fn endpoint(&self, api: SocketAddr) -> String {
        let ip: IpAddr = match api.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let address = SocketAddr::new(ip, api.port());
        let endpoint = self.endpoint.clone();
        endpoint.unwrap_or_else(|| format!("http://{address}"))
    }
}

fn endpoint(text: &str) -> Option<String> {
    let url: Uri = text.parse().ok()?;
    let is_host = url.host().is_some_and(|host| !host.is_empty());
    let is_bare = url.path() == "/" && url.query().is_none();
    let is_http = url.scheme_str() == Some("http");
    let text = text.strip_suffix('/').unwrap_or(text);
    (is_host && is_bare && is_http).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_that_edges_reach() {
        for (text, taken) in [
            ("http://10.0.0.1:4566", Some("http://10.0.0.1:4566")),
            ("http://s3.internal/", Some("http://s3.internal")),
            ("https://s3.internal", None),
            ("http://s3.internal/path", None),
            ("s3.internal:4566", None),
            ("http://", None),
        ] {
            assert_eq!(endpoint(text).as_deref(), taken, "{text}");
        }
        let settings = BucketSettings {
            directory: PathBuf::new(),
            endpoint: None,
        };
        let endpoint = |api: &str| settings.endpoint(api.parse().unwrap());
        assert_eq!(endpoint("0.0.0.0:4566"), "http://127.0.0.1:4566");
        assert_eq!(endpoint("[::]:4566"), "http://[::1]:4566");
        assert_eq!(endpoint("10.0.0.1:80"), "http://10.0.0.1:80");
    }
}
