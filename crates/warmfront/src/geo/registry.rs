//! Packages out of an npm registry: what it says of a package, and the archive that it names,
//! which counts only if it is the one that was meant by its hash.

use std::error::Error as StdError;
use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, LOCATION, USER_AGENT};
use hyper::{Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use thiserror::Error;

use super::Fetched;
use crate::arguments::GeoFetchArguments;
use crate::client::Variable;
use crate::limits;

/// Where npm's own packages are.
const REGISTRY: &str = "https://registry.npmjs.org";

/// Why a package could not be fetched.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// It is no place that would be asked.
    #[error("{0:?} is no address of a registry: it must be https://HOST, perhaps with a path")]
    Address(String),
    /// It is no name of a package.
    #[error("--package is {0:?}; it must be NAME or @SCOPE/NAME, in npm's small letters")]
    Name(String),
    /// The registry could not be asked.
    #[error("{url} gives nothing: {reason}")]
    Answer {
        /// What was asked for.
        url: Uri,
        /// What came instead.
        reason: String,
    },
    /// What it says is not what registries say.
    #[error("{url} says nothing that is of use: {missing} is missing")]
    Metadata {
        /// What was asked for.
        url: Uri,
        /// What a registry says.
        missing: &'static str,
    },
    /// Somebody has changed it.
    #[error("{url} is not what the registry says that it is (sha512): it is not taken")]
    Integrity {
        /// The archive.
        url: Uri,
    },
    /// This machine is at fault.
    #[error("nothing can be asked from here: {0}")]
    System(std::io::Error),
}

/// Fetches the newest version of the package that was asked for.
pub fn fetch(asked: &GeoFetchArguments, variable: Variable<'_>) -> Result<Fetched, RegistryError> {
    let registry = registry_of(asked, variable);
    let document = document_url(&registry, &asked.package)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RegistryError::System)?;
    runtime.block_on(async {
        let fetched = tokio::time::timeout(limits::GEO_FETCH_TIMEOUT, newest(&document));
        fetched.await.unwrap_or_else(|_| {
            Err(RegistryError::Answer {
                url: document.clone(),
                reason: format!("not all within {:?}", limits::GEO_FETCH_TIMEOUT),
            })
        })
    })
}

/// Where packages are: as said, or as the environment has it for npm, or npm's own.
fn registry_of(asked: &GeoFetchArguments, variable: Variable<'_>) -> String {
    let given = asked.registry.clone();
    let given = given.or_else(|| variable("npm_config_registry"));
    let given = given.or_else(|| variable("NPM_CONFIG_REGISTRY"));
    let given = given.filter(|url| !url.is_empty());
    given.unwrap_or_else(|| REGISTRY.to_owned())
}

/// Where the registry speaks of a package.
fn document_url(registry: &str, package: &str) -> Result<Uri, RegistryError> {
    let is_word = |word: &str| {
        let is_allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._~".contains(&byte)
        };
        !word.is_empty() && !word.starts_with('.') && word.bytes().all(is_allowed)
    };
    let is_name = match package.strip_prefix('@') {
        Some(scoped) => scoped
            .split_once('/')
            .is_some_and(|(scope, name)| is_word(scope) && is_word(name)),
        None => is_word(package),
    };
    if !is_name || package.len() > limits::GEO_PACKAGE_NAME_BYTES_MAX {
        return Err(RegistryError::Name(package.to_owned()));
    }
    let registry = registry.trim_end_matches('/');
    let url = format!("{registry}/{}", package.replace('/', "%2f"));
    let url = url.parse().ok().filter(|_| !registry.contains(['?', '#']));
    url.filter(is_allowed)
        .ok_or_else(|| RegistryError::Address(registry.to_owned()))
}

/// Whether it may be asked: by HTTPS, or on this machine.
fn is_allowed(url: &Uri) -> bool {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let host = url.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = host == "localhost"
        || address
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback());
    let is_safe = match url.scheme_str() {
        Some("https") => true,
        Some("http") => is_here,
        _ => false,
    };
    is_safe && !host.is_empty() && !authority.contains('@')
}

async fn newest(document: &Uri) -> Result<Fetched, RegistryError> {
    let connections = Connections::new();
    let told = connections
        .get(document, limits::GEO_METADATA_BYTES_MAX)
        .await?;
    let missing = |missing| RegistryError::Metadata {
        url: document.clone(),
        missing,
    };
    let told: Value = serde_json::from_slice(&told).map_err(|_| missing("a JSON document"))?;
    let version = told["dist-tags"]["latest"].as_str();
    let version = version.ok_or_else(|| missing("dist-tags.latest"))?;
    let dist = &told["versions"][version]["dist"];
    let archive = dist["tarball"].as_str();
    let archive = archive.and_then(|url| url.parse().ok()).filter(is_allowed);
    let archive: Uri = archive.ok_or_else(|| missing("an https:// address as dist.tarball"))?;
    let hashes = dist["integrity"].as_str().and_then(sha512);
    let hash = hashes.ok_or_else(|| missing("a sha512 as dist.integrity"))?;
    let bytes = connections
        .get(&archive, limits::GEO_PACKAGE_BYTES_MAX as usize)
        .await?;
    if digest::digest(&digest::SHA512, &bytes).as_ref() != hash {
        return Err(RegistryError::Integrity { url: archive });
    }
    Ok(Fetched {
        place: archive.to_string(),
        bytes: bytes.into(),
    })
}

/// The strongest of the hashes of a Subresource Integrity text; weaker ones do not count.
fn sha512(integrity: &str) -> Option<Vec<u8>> {
    let mut hashes = integrity.split_ascii_whitespace();
    let hash = hashes.find_map(|hash| hash.strip_prefix("sha512-"))?;
    // Options may follow, of which none is known.
    BASE64.decode(hash.split('?').next()?).ok()
}

struct Connections(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

impl Connections {
    /// They trust the public authorities.
    fn new() -> Connections {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the suites of TLS 1.2 and 1.3")
            .with_root_certificates(RootCertStore::from_iter(roots))
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        Connections(Client::builder(TokioExecutor::new()).build(connector))
    }

    /// The body of a 200, behind redirects.
    async fn get(&self, url: &Uri, bytes_max: usize) -> Result<Bytes, RegistryError> {
        let mut url = url.clone();
        for _ in 0..=limits::GEO_REDIRECTS_MAX {
            let failed = |reason: String| RegistryError::Answer {
                url: url.clone(),
                reason,
            };
            let request = Request::get(&url)
                .header(ACCEPT, "*/*")
                .header(USER_AGENT, concat!("warmfront/", env!("CARGO_PKG_VERSION")))
                .body(Empty::new())
                .map_err(|error| failed(error.to_string()))?;
            let answer = self.0.request(request).await;
            let answer = answer.map_err(|error| failed(with_causes(&error)))?;
            let status = answer.status();
            if status.is_redirection() {
                let to = answer.headers().get(LOCATION);
                let to = to.and_then(|to| next(&url, to.to_str().ok()?));
                url = to.ok_or_else(|| failed("it leads to no https:// address".to_owned()))?;
                continue;
            }
            if status != 200 {
                return Err(failed(format!("it answers {status}")));
            }
            let body = Limited::new(answer.into_body(), bytes_max).collect().await;
            let body = body.map_err(|error| failed(with_causes(&*error)))?;
            return Ok(body.to_bytes());
        }
        Err(RegistryError::Answer {
            url,
            reason: format!("more than {} redirects", limits::GEO_REDIRECTS_MAX),
        })
    }
}

/// Where a redirect leads, if that may be asked: never from HTTPS to less.
fn next(from: &Uri, location: &str) -> Option<Uri> {
    let scheme = from.scheme_str()?;
    let to: Uri = match location.starts_with('/') && !location.starts_with("//") {
        true => format!("{scheme}://{}{location}", from.authority()?),
        false => location.to_owned(),
    }
    .parse()
    .ok()?;
    let is_weaker = scheme == "https" && to.scheme_str() != Some("https");
    (is_allowed(&to) && !is_weaker).then_some(to)
}

/// What an error says, with what it says of its causes: the client's own words are few.
fn with_causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_asked_for_by_their_names_alone() {
        let url = |registry: &str, package: &str| {
            document_url(registry, package)
                .map(|url| url.to_string())
                .map_err(|error| error.to_string())
        };
        for registry in ["https://r.test/npm", "https://r.test/npm/"] {
            assert_eq!(
                url(registry, "@a-b/c.d").unwrap(),
                "https://r.test/npm/@a-b%2fc.d"
            );
        }
        assert_eq!(
            url("http://[::1]:4873", "c").unwrap(),
            "http://[::1]:4873/c"
        );
        for package in [
            "", "@a", "@a/", "a/b", "../a", "@a/../b", "A", "a b", "a?b", "@a/b/c",
        ] {
            assert!(url("https://r.test", package).is_err(), "{package}");
        }
        for registry in [
            "r.test",
            "http://r.test",
            "ftp://r.test",
            "https://user@r.test",
            "https://r.test/?a=",
            "http://127.0.0.1.r.test",
            "http://localhost.r.test",
        ] {
            assert!(url(registry, "a").is_err(), "{registry}");
        }
    }

    #[test]
    fn redirects_lead_to_https_or_stay_on_this_machine() {
        let next = |from: &str, to: &str| next(&from.parse().unwrap(), to).map(|to| to.to_string());
        let (far, here) = ("https://r.test/a", "http://127.0.0.1:1/a");
        assert_eq!(next(far, "/b").as_deref(), Some("https://r.test/b"));
        assert_eq!(
            next(far, "https://s.test/b").as_deref(),
            Some("https://s.test/b")
        );
        assert_eq!(next(here, "/b").as_deref(), Some("http://127.0.0.1:1/b"));
        for to in ["http://r.test/b", "//s.test/b", "b", here, "file:///b", ""] {
            assert_eq!(next(far, to), None, "{to}");
        }
    }

    #[test]
    fn of_hashes_sha512_counts() {
        assert_eq!(sha512("sha1-AAAA sha512-AQID?x"), Some(vec![1, 2, 3]));
        assert_eq!(sha512("sha512-***"), None);
        assert_eq!(sha512("sha1-AAAA"), None);
    }
}
