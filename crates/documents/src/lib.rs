//! What lies in the store: under which keys, and in which form.
//!
//! The API writes these documents, and edges and name servers read them; they have nothing
//! else in common. A document is JSON: an AWS shape within a [`Resource`], or a [`Node`] that says
//! what it serves. This crate knows forms only: what a document means is for its readers to know.
//!
//! Read [`keys`], [`Resource`] and [`Node`] first; then [`route53`], [`tls`] and [`acm`].

pub mod acm;
pub mod bucket;
pub mod distribution;
pub mod keys;
pub mod limits;
pub mod managed;
mod node;
pub mod private;
mod resource;
pub mod route53;
pub mod tenant;
pub mod tls;
pub mod traffic_policy;

pub use node::{Node, Refusal, Role};
pub use resource::Resource;
pub use tenant::{ConnectionGroup, Tenant};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// A document is not of the form that its key promises; whoever wrote it is to blame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the document {key} cannot be read: {message}")]
pub struct FormError {
    /// Where it lies.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
}

/// A document's bytes.
pub fn encode(document: &impl Serialize) -> Bytes {
    serde_json::to_vec(document)
        .expect("documents are structs with text keys, which JSON can always hold")
        .into()
}

/// A document out of its bytes.
pub fn decode<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, FormError> {
    serde_json::from_slice(bytes).map_err(|error| FormError {
        key: key.to_owned(),
        message: error.to_string(),
    })
}
