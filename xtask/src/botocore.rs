//! botocore's service models: where they come from, and the form that they have there.
//!
//! Every trait is named here, and an unknown one is refused: a trait that a later botocore adds
//! must be kept or dropped by decision, never by accident.

use std::fmt;
use std::io::Read;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use thiserror::Error;

/// A model far larger than any that AWS publishes (EC2's is some 4 MiB) is not a model.
const MODEL_SIZE_BYTES_MAX: u64 = 64 << 20;

/// Why a service model could not be had.
#[derive(Debug, Error)]
pub enum BotocoreError {
    #[error("cannot run `python3 -m pip`: {0}")]
    Python(std::io::Error),
    #[error("`python3 -m pip install botocore` failed:\n{0}")]
    Pip(String),
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    #[error("{0}: {1}")]
    Model(PathBuf, serde_json::Error),
    #[error("{0}: no service model service-2.json[.gz] there")]
    Absent(PathBuf),
}

/// An installed botocore.
pub struct Package {
    directory: PathBuf,
    /// `botocore 1.44.5`.
    pub release: String,
}

/// Installs the newest botocore, without its dependencies, into `directory`.
pub fn install(directory: &Path) -> Result<Package, BotocoreError> {
    let pip = Command::new("python3")
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--upgrade",
            "--target",
        ])
        .arg(directory)
        .arg("botocore")
        .output()
        .map_err(BotocoreError::Python)?;
    if !pip.status.success() {
        return Err(BotocoreError::Pip(
            String::from_utf8_lossy(&pip.stderr).into_owned(),
        ));
    }
    let entry = directory.join("botocore/__init__.py");
    let text = std::fs::read_to_string(&entry).map_err(|e| BotocoreError::File(entry, e))?;
    let version = text
        .lines()
        .find_map(|line| line.strip_prefix("__version__ = '")?.strip_suffix('\''))
        .unwrap_or("of an unknown version");
    Ok(Package {
        directory: directory.into(),
        release: format!("botocore {version}"),
    })
}

impl Package {
    /// The file that holds one service's model.
    pub fn model(&self, service: &str, api_version: &str) -> Result<PathBuf, BotocoreError> {
        let directory = self
            .directory
            .join("botocore/data")
            .join(service)
            .join(api_version);
        ["service-2.json.gz", "service-2.json"]
            .iter()
            .map(|name| directory.join(name))
            .find(|path| path.is_file())
            .ok_or(BotocoreError::Absent(directory))
    }
}

/// Reads a service model; one whose name ends in `.gz` is unpacked.
pub fn read(path: &Path) -> Result<Service, BotocoreError> {
    let file_error = |error| BotocoreError::File(path.into(), error);
    let file = std::fs::File::open(path).map_err(file_error)?;
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        let unpacked = flate2::read::GzDecoder::new(file);
        unpacked
            .take(MODEL_SIZE_BYTES_MAX)
            .read_to_string(&mut text)
    } else {
        file.take(MODEL_SIZE_BYTES_MAX).read_to_string(&mut text)
    }
    .map_err(file_error)?;
    serde_json::from_str(&text).map_err(|error| BotocoreError::Model(path.into(), error))
}

/// A JSON object in the order of its file: the order of members is the order on the wire.
pub struct Ordered<T>(pub Vec<(String, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}

#[derive(Deserialize)]
pub struct Service {
    pub metadata: Metadata,
    pub operations: Ordered<Operation>,
    pub shapes: Ordered<Shape>,
}

impl Service {
    /// As botocore names it: `cloudfront-keyvaluestore`.
    pub fn name(&self) -> &str {
        let Metadata {
            uid, api_version, ..
        } = &self.metadata;
        let name = uid.strip_suffix(api_version.as_str()).unwrap_or(uid);
        name.trim_end_matches('-')
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The name and the version: `cloudfront-2020-05-31`.
    pub uid: String,
    pub api_version: String,
    pub protocol: String,
    pub target_prefix: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    pub http: Http,
    pub input: Option<Body>,
    pub output: Option<Body>,
    #[serde(default)]
    pub errors: Vec<Body>,
    // The key in the table is the name; this one may carry a version.
    #[serde(rename = "name")]
    _name: IgnoredAny,
    #[serde(rename = "documentation")]
    _documentation: Option<IgnoredAny>,
    #[serde(rename = "idempotent")]
    _idempotent: Option<IgnoredAny>,
    // Names decide that here (control's `service::is_read_only`), for every service alike.
    #[serde(rename = "readonly")]
    _readonly: Option<IgnoredAny>,
    // Tells clients which endpoint to call; whoever was called has no use for it.
    #[serde(rename = "staticContextParams")]
    _static_context_params: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Http {
    pub method: String,
    pub request_uri: String,
    pub response_code: Option<u16>,
}

/// What a request or a response carries.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Body {
    pub shape: String,
    pub location_name: Option<String>,
    pub xml_namespace: Option<Namespace>,
    #[serde(rename = "documentation")]
    _documentation: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    pub uri: String,
    pub prefix: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shape {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub members: Ordered<Member>,
    #[serde(default)]
    pub required: Vec<String>,
    pub payload: Option<String>,
    pub location_name: Option<String>,
    pub xml_namespace: Option<Namespace>,
    #[serde(default)]
    pub union: bool,
    #[serde(default)]
    pub flattened: bool,
    pub member: Option<Member>,
    pub key: Option<Member>,
    pub value: Option<Member>,
    #[serde(default, rename = "enum")]
    pub choices: Vec<String>,
    pub min: Option<serde_json::Number>,
    pub max: Option<serde_json::Number>,
    pub pattern: Option<String>,
    #[serde(default)]
    pub sensitive: bool,
    pub timestamp_format: Option<String>,
    #[serde(default)]
    pub exception: bool,
    pub error: Option<Fault>,
    // Says for errors without a status that the service is to blame; the status says it too.
    #[serde(rename = "fault")]
    _fault: Option<IgnoredAny>,
    // Says to clients whether to try again; the status says it too.
    #[serde(rename = "retryable")]
    _retryable: Option<IgnoredAny>,
    // Whether a zero and an absent number differ; `required` decides that here.
    #[serde(rename = "box")]
    _box: Option<IgnoredAny>,
    #[serde(rename = "deprecated")]
    _deprecated: Option<IgnoredAny>,
    #[serde(rename = "deprecatedMessage")]
    _deprecated_message: Option<IgnoredAny>,
    #[serde(rename = "deprecatedSince")]
    _deprecated_since: Option<IgnoredAny>,
    #[serde(rename = "documentation")]
    _documentation: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Member {
    pub shape: String,
    pub location: Option<String>,
    pub location_name: Option<String>,
    #[serde(default)]
    pub flattened: bool,
    #[serde(default)]
    pub xml_attribute: bool,
    pub xml_namespace: Option<Namespace>,
    #[serde(default)]
    pub streaming: bool,
    #[serde(default)]
    pub deprecated: bool,
    #[serde(rename = "deprecatedMessage")]
    _deprecated_message: Option<IgnoredAny>,
    #[serde(rename = "deprecatedSince")]
    _deprecated_since: Option<IgnoredAny>,
    // As above.
    #[serde(rename = "contextParam")]
    _context_param: Option<IgnoredAny>,
    // Says that clients make one up where their users do not.
    #[serde(rename = "idempotencyToken")]
    _idempotency_token: Option<IgnoredAny>,
    #[serde(rename = "box")]
    _box: Option<IgnoredAny>,
    #[serde(rename = "documentation")]
    _documentation: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    pub code: Option<String>,
    pub http_status_code: u16,
    #[serde(default)]
    pub sender_fault: bool,
}
