use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{FormError, decode, encode};

/// A resource as it is stored: what AWS calls its config, and what the API adds to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resource<C> {
    /// `E123`, a UUID, a name: by its kind.
    pub id: String,
    /// The opaque version that clients send back in `If-Match`.
    pub etag: String,
    /// Counts the versions from 1.
    pub version: u64,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it was changed last, in milliseconds since 1970.
    pub modified_ms: u64,
    /// Its own host name, where its kind has one: a distribution's `d….cdn.localhost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// What its owner says of it: an AWS shape.
    pub config: C,
}

impl<C: Serialize> Resource<C> {
    /// Its document.
    pub fn encode(&self) -> Bytes {
        encode(self)
    }
}

impl<C: DeserializeOwned> Resource<C> {
    /// Out of its document.
    pub fn decode(key: &str, bytes: &[u8]) -> Result<Resource<C>, FormError> {
        decode(key, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shapes::cloudfront::Aliases;

    #[test]
    fn a_resource_survives_its_document() {
        let resource = Resource {
            id: "E1".to_owned(),
            etag: "E2".to_owned(),
            version: 3,
            created_ms: 1_000,
            modified_ms: 2_000,
            domain: Some("d1.cdn.localhost".to_owned()),
            config: Aliases::from(vec!["www.example.com".to_owned()]),
        };
        let read = Resource::<Aliases>::decode("k", &resource.encode());
        assert_eq!(read.as_ref(), Ok(&resource));
    }

    #[test]
    fn what_is_no_resource_is_an_error_that_names_the_key() {
        let error = Resource::<Aliases>::decode("cloudfront/x/1", b"{").unwrap_err();
        assert!(error.to_string().contains("cloudfront/x/1"), "{error}");
    }
}
