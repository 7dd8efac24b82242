//! How a request says which bucket it is about, and whether it is about one at all: by the host
//! (`site.s3.us-east-1.amazonaws.com`, `site.localhost`), by what it is signed for, by its path.

use http::{HeaderMap, Method, Uri, header};

/// What a host says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// The bucket's own host: the path is a key.
    Bucket(String),
    /// The bucket's website.
    Website(String),
    /// S3's host: the path begins with a bucket.
    Service,
    /// Nothing of S3: the path begins with a bucket, if S3 is meant at all.
    Other,
}

/// Reads hosts. Besides AWS's own forms it knows the domains that clients put a bucket's name in
/// front of, since they do that with every endpoint that is no address.
#[derive(Clone, Debug, Default)]
pub struct Domains {
    domains: Vec<String>,
}

impl Domains {
    /// `localhost` and the host of the endpoint that buckets are announced with, unless that is an
    /// address.
    pub fn new(endpoint_host: &str) -> Domains {
        let host = without_port(endpoint_host).to_ascii_lowercase();
        let is_address = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
        let mut domains = vec!["localhost".to_owned()];
        if !host.is_empty() && !is_address && host != "localhost" {
            domains.push(host);
        }
        Domains { domains }
    }

    /// What a host says, whose port does not matter.
    pub fn read(&self, host: &str) -> Host {
        let host = without_port(host);
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        for domain in &self.domains {
            if host == *domain {
                return Host::Other;
            }
            let before = host.strip_suffix(domain.as_str());
            if let Some(before) = before.and_then(|before| before.strip_suffix('.')) {
                return before_own_domain(before);
            }
        }
        let before = AWS_DOMAINS
            .iter()
            .find_map(|domain| host.strip_suffix(domain));
        before.map_or(Host::Other, before_aws_domain)
    }
}

/// AWS's domains. In no other domain does a label that looks like S3's say anything.
const AWS_DOMAINS: [&str; 2] = [".amazonaws.com", ".amazonaws.com.cn"];

/// What stands before a domain that clients put buckets in front of.
fn before_own_domain(before: &str) -> Host {
    let website = before.strip_suffix(".s3-website");
    match before.strip_suffix(".s3") {
        _ if matches!(before, "s3" | "s3-website") => Host::Service,
        Some(bucket) => Host::Bucket(bucket.to_owned()),
        None => match website {
            Some(bucket) => Host::Website(bucket.to_owned()),
            None if before.is_empty() => Host::Other,
            None => Host::Bucket(before.to_owned()),
        },
    }
}

/// What stands before AWS's domain. A bucket may itself have a label that looks like S3's: the last
/// one is S3's, but what is left of a label that says "website" is the bucket's name.
fn before_aws_domain(before: &str) -> Host {
    let labels: Vec<&str> = before.split('.').collect();
    let is_website = |label: &&str| *label == "s3-website" || label.starts_with("s3-website-");
    if let Some(at) = labels.iter().rposition(is_website)
        && at > 0
    {
        return Host::Website(labels[..at].join("."));
    }
    let is_service = |label: &&str| *label == "s3" || label.starts_with("s3-");
    match labels.iter().rposition(is_service) {
        Some(0) => Host::Service,
        Some(at) => Host::Bucket(labels[..at].join(".")),
        None => Host::Other,
    }
}

/// `[::1]:80` and `localhost:80` without `:80`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The host that a request asks.
pub fn host_of<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    let field = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let authority = || uri.authority().map(http::uri::Authority::as_str);
    field.or_else(authority).unwrap_or_default()
}

/// What a request is signed for: the service in the scope of its signature, if it has one.
pub fn service_signed_for(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let scope = |credential: &str| credential.split('/').rev().nth(1).map(str::to_owned);
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let value = value.to_str().ok()?;
        let credential = value.split([' ', ',']).find_map(|part| {
            let part: &str = part.trim();
            part.strip_prefix("Credential=")
        });
        return credential.and_then(scope);
    }
    let query = uri.query().unwrap_or_default();
    query.split('&').find_map(|parameter| {
        let value = parameter.strip_prefix("X-Amz-Credential=")?;
        scope(&value.replace("%2F", "/").replace("%2f", "/"))
    })
}

/// The first segment of a path.
pub fn first_segment(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split('/').next().unwrap_or_default()
}

/// Paths that other services here begin theirs with: what is not signed and begins so is theirs.
const OTHERS: &[&str] = &[
    "2020-05-31",
    "2013-04-01",
    "key-value-stores",
    "metrics",
    "health",
];

/// Whether a request is for S3, judged by its head alone. `has_bucket` says whether there is a
/// bucket of a name here.
pub fn is_for_s3(
    domains: &Domains,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    has_bucket: impl Fn(&str) -> bool,
) -> bool {
    if let Some(service) = service_signed_for(uri, headers) {
        return service == "s3";
    }
    match domains.read(host_of(uri, headers)) {
        Host::Website(_) | Host::Service => return true,
        Host::Bucket(bucket) if has_bucket(&bucket) => return true,
        Host::Bucket(_) if is_aws(host_of(uri, headers)) => return true,
        _ => {}
    }
    // Signed in a way of other services, or of old: they tell best what is wrong with it.
    if headers.contains_key(header::AUTHORIZATION) && *method == Method::POST {
        return false;
    }
    let bucket = first_segment(uri.path());
    !OTHERS.contains(&bucket) && has_bucket(bucket)
}

fn is_aws(host: &str) -> bool {
    let host = without_port(host).to_ascii_lowercase();
    AWS_DOMAINS.iter().any(|domain| host.ends_with(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_name_buckets_as_clients_write_them() {
        let domains = Domains::new("s3api.example.com:4566");
        for (host, says) in [
            (
                "site.s3.us-east-1.amazonaws.com",
                Host::Bucket("site".into()),
            ),
            ("site.s3.amazonaws.com", Host::Bucket("site".into())),
            (
                "site.s3-eu-west-1.amazonaws.com",
                Host::Bucket("site".into()),
            ),
            (
                "www.example.com.s3.localhost:4566",
                Host::Bucket("www.example.com".into()),
            ),
            ("a.s3.b.s3.localhost", Host::Bucket("a.s3.b".into())),
            ("s3.us-east-1.amazonaws.com", Host::Service),
            ("s3.localhost:4566", Host::Service),
            ("SITE.localhost:4566", Host::Bucket("site".into())),
            ("site.s3api.example.com", Host::Bucket("site".into())),
            ("s3api.example.com", Host::Other),
            (
                "site.s3-website-us-east-1.amazonaws.com",
                Host::Website("site".into()),
            ),
            (
                "site.s3-website.localhost:4566",
                Host::Website("site".into()),
            ),
            ("s3-website.localhost", Host::Service),
            // A bucket of such a name, and hosts that only look like S3's.
            ("s3-assets.localhost", Host::Bucket("s3-assets".into())),
            ("my.s3-data.localhost", Host::Bucket("my.s3-data".into())),
            (
                "s3-assets.s3.us-east-1.amazonaws.com",
                Host::Bucket("s3-assets".into()),
            ),
            ("dev.s3.corp:4566", Host::Other),
            ("s3.corp", Host::Other),
            ("localhost:4566", Host::Other),
            ("127.0.0.1:4566", Host::Other),
            ("[::1]:4566", Host::Other),
            ("example.com", Host::Other),
            ("s3", Host::Other),
            ("", Host::Other),
        ] {
            assert_eq!(domains.read(host), says, "{host}");
        }
    }

    #[test]
    fn an_address_is_no_domain_of_buckets() {
        for endpoint in ["127.0.0.1:4566", "[::1]:4566", ""] {
            let host = Domains::new(endpoint).read("site.127.0.0.1");
            assert_eq!(host, Host::Other, "{endpoint}");
        }
    }

    #[test]
    fn requests_are_told_from_those_of_other_services() {
        let domains = Domains::new("");
        let is_for_s3 = |method: &str, uri: &str, fields: &[(&str, &str)]| {
            let mut request = http::Request::builder().method(method).uri(uri);
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let has_bucket = |name: &str| name == "site";
            is_for_s3(
                &domains,
                &parts.method,
                &parts.uri,
                &parts.headers,
                has_bucket,
            )
        };
        let signed = |service: &str| {
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/{service}/aws4_request, \
                 SignedHeaders=host, Signature=00"
            )
        };
        assert!(is_for_s3("GET", "/", &[("authorization", &signed("s3"))]));
        assert!(!is_for_s3(
            "GET",
            "/site/key",
            &[("authorization", &signed("cloudfront"))]
        ));
        let presigned = "X-Amz-Credential=AKIA%2F20260101%2Feu-west-1%2Fs3%2Faws4_request";
        assert!(is_for_s3("GET", &format!("/other/key?{presigned}"), &[]));
        assert!(is_for_s3("GET", "/site/key", &[]));
        assert!(is_for_s3("OPTIONS", "/site/key", &[]));
        assert!(is_for_s3("POST", "/site", &[]));
        assert!(!is_for_s3("GET", "/none/key", &[]));
        assert!(!is_for_s3("GET", "/2020-05-31/distribution", &[]));
        assert!(!is_for_s3("GET", "/metrics", &[("host", "localhost:4566")]));
        assert!(is_for_s3(
            "GET",
            "/metrics",
            &[("host", "site.localhost:4566")]
        ));
        assert!(!is_for_s3("GET", "/", &[("host", "none.localhost:4566")]));
        assert!(is_for_s3("GET", "/", &[("host", "none.s3.amazonaws.com")]));
        assert!(is_for_s3(
            "GET",
            "/",
            &[("host", "none.s3-website-us-east-1.amazonaws.com")]
        ));
    }
}
