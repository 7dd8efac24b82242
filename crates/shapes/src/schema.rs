//! The tables that describe shapes at run time, as the model has them.
//!
//! Generated code holds one [`Shape`] a shape (`cloudfront::shape::ORIGIN`) and one [`Operation`]
//! an operation. Checks and codecs walk them, and so does the router of requests.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A generated struct: it knows the table that describes it.
pub trait Structure: Serialize + DeserializeOwned {
    /// The table of this struct's shape.
    const SHAPE: &'static Shape;
}

/// One service.
#[derive(Debug)]
pub struct Service {
    /// As botocore names it: `cloudfront`.
    pub name: &'static str,
    /// The version that its clients speak: `2020-05-31`.
    pub api_version: &'static str,
    /// How it writes requests and responses.
    pub protocol: Protocol,
    /// The XML namespace of its documents.
    pub xml_namespace: Option<&'static str>,
    /// What stands before an operation's name, and a dot, in `X-Amz-Target`.
    pub target_prefix: Option<&'static str>,
    /// What it can be asked to do, in name order.
    pub operations: &'static [Operation],
}

impl Service {
    /// The operation of that name.
    pub fn operation(&self, name: &str) -> Option<&'static Operation> {
        let found = self.operations.binary_search_by_key(&name, |o| o.name);
        found.ok().map(|index| &self.operations[index])
    }
}

/// How a service writes its requests and responses on HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Members have places on the message; bodies are XML.
    RestXml,
    /// Members have places on the message; bodies are JSON.
    RestJson,
    /// AWS JSON 1.1: every member is in a JSON body, and `X-Amz-Target` names the operation.
    Json,
}

/// One shape: a structure, a list, or a scalar with its constraints.
#[derive(Debug)]
pub struct Shape {
    /// AWS's name for it.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// How much.
    pub bounds: Bounds,
    /// Whether its values stay out of logs and messages.
    pub is_sensitive: bool,
}

/// What a shape holds.
#[derive(Debug)]
pub enum Kind {
    /// Named members.
    Structure {
        /// In the order that they have on the wire.
        members: &'static [Member],
        /// The member that is the whole body; without one, members with no location are.
        payload: Option<&'static str>,
        /// Exactly one member is set.
        is_union: bool,
    },
    /// Any number of one shape.
    List {
        /// The shape of each item.
        item: &'static Shape,
        /// The XML element around each item.
        wire_name: &'static str,
        /// No XML element around the list as a whole.
        is_flattened: bool,
    },
    /// Text.
    String {
        /// The only values allowed, if any are named.
        choices: &'static [&'static str],
        /// A regular expression for the whole text, which only the API enforces.
        pattern: Option<&'static str>,
    },
    /// A 32-bit integer.
    Integer,
    /// A 64-bit integer.
    Long,
    /// A 32-bit float.
    Float,
    /// A 64-bit float.
    Double,
    /// True or false.
    Boolean,
    /// A point in time: [`crate::Timestamp`].
    Timestamp,
    /// Bytes: [`crate::Blob`].
    Blob,
}

/// Inclusive bounds: of a number's value, of a text's characters, of a blob's bytes, of a list's
/// items.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The least allowed.
    pub min: Option<f64>,
    /// The most allowed.
    pub max: Option<f64>,
}

/// Where on an HTTP message a member travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// In the body, as the protocol writes it.
    Body,
    /// In a `{placeholder}` of the operation's path.
    Uri,
    /// In the query string.
    QueryString,
    /// In a header.
    Header,
}

/// One member of a structure.
#[derive(Debug)]
pub struct Member {
    /// The name in JSON.
    pub name: &'static str,
    /// What it holds.
    pub shape: &'static Shape,
    /// Whether a structure without it is refused.
    pub is_required: bool,
    /// Where it travels.
    pub location: Location,
    /// Its name there: the XML element, the header, the query parameter or the placeholder.
    pub wire_name: &'static str,
    /// Whether AWS advises against it.
    pub is_deprecated: bool,
}

impl Member {
    /// The items' shape, if the member is a list whose items stand beside its siblings in XML.
    pub(crate) fn flattened_item(&self) -> Option<&'static Shape> {
        match self.shape.kind {
            Kind::List {
                item,
                is_flattened: true,
                ..
            } => Some(item),
            _ => None,
        }
    }

    pub(crate) const fn new(name: &'static str, shape: &'static Shape) -> Self {
        Self {
            name,
            shape,
            is_required: false,
            location: Location::Body,
            wire_name: name,
            is_deprecated: false,
        }
    }

    pub(crate) const fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    pub(crate) const fn located(mut self, location: Location) -> Self {
        self.location = location;
        self
    }

    pub(crate) const fn wire_name(mut self, name: &'static str) -> Self {
        self.wire_name = name;
        self
    }

    pub(crate) const fn deprecated(mut self) -> Self {
        self.is_deprecated = true;
        self
    }
}

/// One operation of a service, as HTTP carries it.
#[derive(Debug)]
pub struct Operation {
    /// `CreateDistribution`.
    pub name: &'static str,
    /// How it is written, as every operation of its service.
    pub protocol: Protocol,
    /// `POST`.
    pub method: &'static str,
    /// The path, with `{placeholders}`, and the query that tells it from its like:
    /// `/2020-05-31/distribution?WithTags`.
    pub uri: &'static str,
    /// The status of success.
    pub status: u16,
    /// What it takes.
    pub input: Option<Body>,
    /// What it answers.
    pub output: Option<Body>,
    /// How it fails, beyond what every operation does.
    pub errors: &'static [&'static ErrorShape],
}

/// What a request or a response carries.
#[derive(Debug)]
pub struct Body {
    /// The structure of it, members outside the body included.
    pub shape: &'static Shape,
    /// The XML root, where no payload member is it.
    pub wire_name: &'static str,
    /// The XML namespace that the root declares.
    pub xml_namespace: Option<&'static str>,
}

/// One error that a service answers with.
#[derive(Debug, PartialEq, Eq)]
pub struct ErrorShape {
    /// `NoSuchDistribution`.
    pub code: &'static str,
    /// The HTTP status that carries it.
    pub status: u16,
    /// Whether the client is to blame.
    pub is_senders_fault: bool,
}
