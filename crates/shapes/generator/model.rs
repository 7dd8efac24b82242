//! The reduced model, as `cargo xtask shapes` writes it.
//!
//! Traits that no shape here has had yet are refused, not ignored: a new service that brings one
//! stops the build until somebody has decided what the generator makes of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Model {
    pub source: String,
    pub service: String,
    pub api_version: String,
    pub protocol: Protocol,
    pub target_prefix: Option<String>,
    pub shapes: BTreeMap<String, Shape>,
    pub operations: BTreeMap<String, Operation>,
}

impl Model {
    pub fn shape(&self, name: &str) -> Result<&Shape, String> {
        self.shapes
            .get(name)
            .ok_or_else(|| format!("shape {name} is named but absent"))
    }

    /// The one XML namespace that the service's documents have. Models name it at what clients
    /// write, and leave it out at what they read.
    pub fn xml_namespace(&self) -> Result<Option<&str>, String> {
        let bodies = self.operations.values().flat_map(|o| &o.input);
        let bodies = bodies.filter_map(|body| body.xml_namespace.as_ref());
        let members = self.shapes.values().flat_map(|shape| &shape.members);
        let members = members.filter_map(|member| member.xml_namespace.as_ref());
        let mut found = None;
        for Namespace { uri } in bodies.chain(members) {
            if found.is_some_and(|found| found != uri) {
                return Err(format!("two XML namespaces: {found:?} and {uri}"));
            }
            found = Some(uri);
        }
        Ok(found.map(String::as_str))
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub enum Protocol {
    #[serde(rename = "rest-xml")]
    RestXml,
    #[serde(rename = "rest-json")]
    RestJson,
    #[serde(rename = "json")]
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Structure,
    List,
    String,
    Integer,
    Long,
    Float,
    Double,
    Boolean,
    Timestamp,
    Blob,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shape {
    #[serde(rename = "type")]
    pub kind: Kind,
    #[serde(default)]
    pub members: Vec<Member>,
    pub payload: Option<String>,
    #[serde(default)]
    pub union: bool,
    #[serde(rename = "member")]
    pub item: Option<Item>,
    #[serde(default)]
    pub flattened: bool,
    #[serde(default, rename = "enum")]
    pub choices: Vec<String>,
    pub pattern: Option<String>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    #[serde(default)]
    pub sensitive: bool,
    #[serde(default)]
    pub exception: bool,
    pub error: Option<Fault>,
}

impl Shape {
    /// An error that says nothing but its message needs no struct: its table entry says it all.
    pub fn is_bare_error(&self) -> bool {
        self.exception
            && self
                .members
                .iter()
                .all(|m| m.name.eq_ignore_ascii_case("message"))
    }

    pub fn is_struct(&self) -> bool {
        self.kind == Kind::Structure && !self.is_bare_error()
    }

    pub fn is_enum(&self) -> bool {
        self.kind == Kind::String && !self.choices.is_empty()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Member {
    pub name: String,
    pub shape: String,
    #[serde(default)]
    pub required: bool,
    pub location: Option<Location>,
    pub location_name: Option<String>,
    pub xml_namespace: Option<Namespace>,
    #[serde(default)]
    pub deprecated: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Location {
    Uri,
    QueryString,
    Header,
}

/// What a list holds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Item {
    pub shape: String,
    pub location_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    pub uri: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    pub http_status_code: u16,
    #[serde(default)]
    pub sender_fault: bool,
    // Only the query protocol says it; the others say the shape's name.
    #[serde(rename = "code")]
    _code: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operation {
    pub method: String,
    pub request_uri: String,
    pub response_code: u16,
    pub input: Option<Body>,
    pub output: Option<Body>,
    pub errors: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Body {
    pub shape: String,
    pub location_name: Option<String>,
    pub xml_namespace: Option<Namespace>,
}
