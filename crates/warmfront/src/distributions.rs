//! Distribution documents: what the AWS CLI prints, read from files; and the default distribution.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use edge::site::{Policies, Site};
use serde_json::{Value, json};
use shapes::cloudfront::DistributionConfig;
use shapes::{ShapeError, Structure};

use crate::limits;
use crate::settings::OriginUrl;

/// `UseOriginCacheControlHeaders-QueryStrings`: the origin's headers say what is kept.
pub const CACHE_BY_ORIGIN: &str = "4cc15a8a-d715-48a4-82b8-cc0b614638fe";
/// `AllViewerExceptHostHeader`: the origin sees everything but the host.
const ALL_BUT_HOST: &str = "b689b0a8-53d0-40ab-baf2-68738e2966ac";

/// A distribution with its names.
#[derive(Clone, Debug)]
pub struct Document {
    /// Where it is from, for people: a file, a URL.
    pub source: String,
    /// `E…`.
    pub id: String,
    /// Its own name.
    pub domain: String,
    /// A name under this installation's domain, where its own is under another.
    pub local_name: Option<String>,
    /// What it says.
    pub config: DistributionConfig,
}

/// Something wrong in a document; whoever wrote it is to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, or whatever the document is from.
    pub source: String,
    /// Where and what.
    pub error: ShapeError,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.source, self.error)
    }
}

/// Everything that is wrong, a line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct Problems(pub Vec<Problem>);

fn lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(Problem::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

impl Problems {
    /// One problem.
    pub fn one(source: impl fmt::Display, path: &str, message: impl Into<String>) -> Problems {
        let error = ShapeError {
            path: path.to_owned(),
            message: message.into(),
        };
        Problems(vec![Problem {
            source: source.to_string(),
            error,
        }])
    }
}

/// A file's JSON, of which the distribution's config is a part.
pub struct Raw {
    /// The whole.
    pub value: Value,
    /// JSON pointer of the `DistributionConfig` in it.
    config_at: &'static str,
}

impl Raw {
    /// Reads a file.
    pub fn read(file: &Path) -> Result<Raw, Problems> {
        let wrong = |message: String| Problems::one(file.display(), "", message);
        let text = read_text(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let value: Value =
            serde_json::from_str(&text).map_err(|error| wrong(format!("not JSON: {error}")))?;
        // From `get-distribution`, `get-distribution-config` and the skeletons; else bare.
        let places = [
            "/Distribution/DistributionConfig",
            "/DistributionConfigWithTags/DistributionConfig",
            "/DistributionConfig",
        ];
        let place = places
            .into_iter()
            .find(|place| value.pointer(place).is_some());
        let config_at = match place {
            Some(place) => place,
            None if value.get("Origins").is_some() => "",
            None => {
                return Err(wrong(
                    "no distribution; expected is what `aws cloudfront` prints for \
                     get-distribution, get-distribution-config or create-distribution \
                     --generate-cli-skeleton, or a DistributionConfig alone"
                        .to_owned(),
                ));
            }
        };
        Ok(Raw { value, config_at })
    }

    /// The `DistributionConfig`.
    pub fn config(&self) -> &Value {
        self.value.pointer(self.config_at).unwrap_or(&Value::Null)
    }

    /// A member of the `Distribution` around the config, if there is one and it says something.
    fn around(&self, name: &str) -> Option<&str> {
        let text = self.value.get("Distribution")?.get(name)?.as_str()?;
        (!text.is_empty()).then_some(text)
    }

    /// Moves it into shapes, or says everything that keeps it from fitting.
    pub fn document(&self, file: &Path, domain: &str) -> Result<Document, Problems> {
        let source = file.display().to_string();
        let errors = shapes::check_types(DistributionConfig::SHAPE, self.config());
        if !errors.is_empty() {
            return Err(in_config(&source, errors));
        }
        let config: DistributionConfig =
            shapes::from_value(self.config()).map_err(|error| in_config(&source, vec![error]))?;
        let seed = match config.caller_reference.as_str() {
            "" => file
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
                .unwrap_or_default(),
            reference => reference.to_owned(),
        };
        let id = self
            .around("Id")
            .map_or_else(|| derived_id(&seed), str::to_owned);
        let is_id = id.len() <= 32 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_id {
            let message = format!("{id:?} is no id: letters and digits, at most 32");
            return Err(Problems::one(source, "Distribution.Id", message));
        }
        let own = self.around("DomainName").map(str::to_ascii_lowercase);
        let is_name = |name: &String| {
            name.len() <= 253
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
        };
        if let Some(own) = own.as_ref().filter(|own| !is_name(own)) {
            let message = format!("{own:?} is no host name");
            return Err(Problems::one(source, "Distribution.DomainName", message));
        }
        let suffix = format!(".{domain}");
        let local_name = own
            .as_ref()
            .filter(|own| !own.ends_with(&suffix))
            .map(|own| {
                let label = own.split('.').next().unwrap_or(own);
                format!("{label}{suffix}")
            });
        let domain = own.unwrap_or_else(|| domain_of(&id, domain));
        Ok(Document {
            source,
            id,
            domain,
            local_name,
            config,
        })
    }
}

fn read_text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    let max = limits::DISTRIBUTION_FILE_BYTES_MAX;
    let read = File::open(file)?.take(max + 1).read_to_string(&mut text)?;
    match read as u64 > max {
        true => Err(io::Error::other(format!("it is longer than {max} bytes"))),
        false => Ok(text),
    }
}

/// Errors about a config, with paths as the compiler of sites has them.
pub fn in_config(source: &str, errors: Vec<ShapeError>) -> Problems {
    let locate = |error: ShapeError| {
        let path = match error.path.as_str() {
            "" => "DistributionConfig".to_owned(),
            path if path.starts_with("DistributionConfig") => path.to_owned(),
            path => format!("DistributionConfig.{path}"),
        };
        Problem {
            source: source.to_owned(),
            error: ShapeError { path, ..error },
        }
    };
    Problems(errors.into_iter().map(locate).collect())
}

impl Document {
    /// The default distribution in front of an origin: everything forwarded, kept as the origin
    /// says, answering on this machine's names.
    pub fn in_front_of(origin: &OriginUrl, domain: &str) -> Document {
        let config = json!({
            "CallerReference": origin.to_string(),
            "Comment": format!("Default distribution of {origin}"),
            "Enabled": true,
            "Aliases": listed(vec!["localhost".into(), "127.0.0.1".into()]),
            "Origins": listed(vec![custom_origin(origin)]),
            "DefaultCacheBehavior": default_behavior(),
            "Logging": logging(),
        });
        Document::made(origin.to_string(), &config, domain)
    }

    /// From JSON that this program wrote.
    pub fn made(source: String, config: &Value, domain: &str) -> Document {
        let id = derived_id(&source);
        let domain = domain_of(&id, domain);
        let config = shapes::from_value(config).expect("our own distributions fit their shape");
        Document {
            source,
            id,
            domain,
            local_name: None,
            config,
        }
    }

    /// Compiles it.
    pub fn compile(&self, policies: &Policies) -> Result<Site, Problems> {
        let mut site = edge::site::compile(&self.id, &self.domain, &self.config, policies)
            .map_err(|errors| in_config(&self.source, errors))?;
        site.aliases.extend(self.local_name.clone());
        Ok(site)
    }
}

/// `{Quantity, Items}`.
pub fn listed(items: Vec<Value>) -> Value {
    json!({ "Quantity": items.len(), "Items": items })
}

/// The origin, under the id `origin`.
pub fn custom_origin(origin: &OriginUrl) -> Value {
    let (http, https, protocol) = match origin.is_https {
        true => (80, origin.port, "https-only"),
        false => (origin.port, 443, "http-only"),
    };
    json!({
        "Id": "origin",
        "DomainName": origin.host,
        "OriginPath": origin.path,
        "CustomOriginConfig": {
            "HTTPPort": http,
            "HTTPSPort": https,
            "OriginProtocolPolicy": protocol,
            "OriginSslProtocols": listed(vec!["TLSv1.2".into()]),
            // Development servers often listen on `::1` alone.
            "IpAddressType": "dualstack",
        },
    })
}

/// All methods to the origin `origin`, kept as it says.
pub fn default_behavior() -> Value {
    json!({
        "TargetOriginId": "origin",
        "ViewerProtocolPolicy": "allow-all",
        "AllowedMethods": all_methods(),
        "Compress": true,
        "CachePolicyId": CACHE_BY_ORIGIN,
        "OriginRequestPolicyId": ALL_BUT_HOST,
    })
}

/// All seven; GET and HEAD are cached.
pub fn all_methods() -> Value {
    let methods = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"];
    let mut methods = listed(methods.map(Value::from).to_vec());
    methods["CachedMethods"] = listed(vec!["GET".into(), "HEAD".into()]);
    methods
}

/// Standard access logs.
pub fn logging() -> Value {
    json!({ "Enabled": true, "IncludeCookies": false, "Bucket": "", "Prefix": "" })
}

/// An id for a document that has none: `E` and 13 capital letters and digits, the same at every
/// start.
pub fn derived_id(seed: &str) -> String {
    const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    // FNV-1a of 128 bits: 13 digits of 36 are 67 of them, so that chance makes no two alike.
    let hash = seed.bytes().fold(
        0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128,
        |hash, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        },
    );
    let mut rest = hash ^ (hash >> 61);
    let digits = std::iter::repeat_with(|| {
        let digit = DIGITS[(rest % 36) as usize];
        rest /= 36;
        char::from(digit)
    });
    std::iter::once('E').chain(digits.take(13)).collect()
}

/// `d…` under the domain, from the id.
fn domain_of(id: &str, domain: &str) -> String {
    let tail = id.strip_prefix('E').unwrap_or(id).to_ascii_lowercase();
    format!("d{tail}.{domain}")
}

/// Loads AWS's policies and those of a directory.
pub fn policies(directory: Option<&PathBuf>) -> Result<Policies, edge::site::PolicyError> {
    let mut policies = Policies::managed();
    if let Some(directory) = directory {
        policies.load_dir(directory)?;
    }
    Ok(policies)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn origin() -> OriginUrl {
        OriginUrl {
            is_https: false,
            host: "127.0.0.1".to_owned(),
            port: 3000,
            path: String::new(),
        }
    }

    /// Reads a document from a file of that name.
    fn read(name: &str, value: &Value) -> Result<Document, Problems> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(name);
        fs::write(&file, value.to_string()).unwrap();
        Raw::read(&file)?.document(&file, "cdn.test")
    }

    fn config() -> Value {
        serde_json::to_value(Document::in_front_of(&origin(), "cdn.test").config).unwrap()
    }

    #[test]
    fn the_default_distribution_compiles() {
        let document = Document::in_front_of(&origin(), "cdn.localhost");
        let site = document.compile(&Policies::managed()).unwrap();
        assert_eq!(site.aliases, ["localhost", "127.0.0.1"]);
        assert!(site.logging.is_some());
        assert_eq!(site.origins[0].spec.http_port, 3000);
        assert!(site.domain.starts_with('d') && site.domain.ends_with(".cdn.localhost"));
        let https = OriginUrl {
            is_https: true,
            host: "[::1]".to_owned(),
            port: 8443,
            path: "/site".to_owned(),
        };
        let site = Document::in_front_of(&https, "cdn.localhost")
            .compile(&Policies::managed())
            .unwrap();
        assert_eq!(site.origins[0].path_prefix, "/site");
        assert_eq!(site.origins[0].spec.https_port, 8443);
    }

    #[test]
    fn every_form_that_the_cli_prints_is_a_distribution() {
        let distribution = json!({
            "ETag": "E1",
            "Distribution": {
                "Id": "EDFDVBD6EXAMPLE",
                "DomainName": "d111111abcdef8.cloudfront.net",
                "DistributionConfig": config(),
            },
        });
        let whole = read("a.json", &distribution).unwrap();
        assert_eq!(whole.id, "EDFDVBD6EXAMPLE");
        assert_eq!(whole.domain, "d111111abcdef8.cloudfront.net");
        assert_eq!(whole.local_name.as_deref(), Some("d111111abcdef8.cdn.test"));
        for form in [
            config(),
            json!({ "ETag": "E1", "DistributionConfig": config() }),
            json!({ "DistributionConfigWithTags": { "DistributionConfig": config(), "Tags": {} } }),
        ] {
            let document = read("a.json", &form).unwrap();
            assert_eq!(document.config, whole.config);
            assert_eq!(
                document.id,
                derived_id("http://127.0.0.1:3000"),
                "by CallerReference"
            );
            assert_eq!(document.local_name, None);
        }
    }

    #[test]
    fn ids_are_derived_the_same_way_every_time() {
        let id = derived_id("shop");
        assert_eq!(id, derived_id("shop"));
        assert_ne!(id, derived_id("shoq"));
        assert_eq!(id.len(), 14);
        assert!(id.starts_with('E'));
        assert!(
            id.bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        );
        let mut nameless = config();
        nameless["CallerReference"] = "".into();
        assert_eq!(read("shop.json", &nameless).unwrap().id, id);
        let domain = read("shop.json", &nameless).unwrap().domain;
        assert_eq!(
            domain,
            format!("d{}.cdn.test", id[1..].to_ascii_lowercase())
        );
    }

    #[test]
    fn problems_name_the_file_the_member_and_what_is_allowed() {
        let mut wrong = config();
        wrong["Enabled"] = "yes".into();
        wrong["DefaultCacheBehavior"]["ViewerProtocolPolicy"] = "https".into();
        let problems = read("shop.json", &json!({ "DistributionConfig": wrong })).unwrap_err();
        let text = problems.to_string();
        assert_eq!(problems.0.len(), 2, "{text}");
        assert!(
            text.contains("shop.json: DistributionConfig.Enabled: "),
            "{text}"
        );
        assert!(
            text.contains("DefaultCacheBehavior.ViewerProtocolPolicy: "),
            "{text}"
        );
        assert!(text.contains("redirect-to-https"), "{text}");

        let text = read("shop.json", &json!({ "Zone": 1 }))
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("shop.json: no distribution; expected is "),
            "{text}"
        );
        let id = json!({ "Distribution": { "Id": "../x", "DistributionConfig": config() } });
        let text = read("shop.json", &id).unwrap_err().to_string();
        assert!(
            text.contains("Distribution.Id: \"../x\" is no id"),
            "{text}"
        );
    }
}
