//! AWS's shapes: the structures that clients of its APIs send and receive, as Rust types with the
//! JSON form that the AWS CLI prints and takes.
//!
//! The types are generated at build time from the reduced models in `models/`, which
//! `cargo xtask shapes` refreshes. There is no second set of resource structs in Warmfront: what
//! the API stores and what the edge compiles are these.
//!
//! This crate has no behavior. It says what a document *is* (types, required members, choices) and
//! what its model bounds; it does not know what a distribution does, which origin an id names, or
//! which combinations AWS refuses.
//!
//! Read [`from_json`] first, then [`cloudfront::DistributionConfig`], then [`schema::Shape`], the
//! table that [`check`] and the codecs walk: [`xml`], and [`rest`] for requests and responses.
//!
//! ```
//! use shapes::cloudfront::Aliases;
//!
//! let aliases: Aliases = shapes::from_json(r#"{"Quantity": 1, "Items": ["www.example.com"]}"#)?;
//! assert_eq!(aliases.items(), ["www.example.com"]);
//!
//! let error = shapes::from_json::<Aliases>(r#"{"Quantity": 1, "Items": [7]}"#).unwrap_err();
//! assert_eq!(error.to_string(), "Items[0]: 7 is not a string");
//! # Ok::<(), shapes::ShapeError>(())
//! ```

pub mod check;
mod codec;
mod json;
pub mod limits;
mod path;
pub mod rest;
mod scalar;
pub mod schema;
mod wire_json;
pub mod xml;

pub use check::{check_bounds, check_types, unknown_members};
pub use codec::Decoded;
pub use json::{from_json, from_value};
pub use path::ShapeError;
pub use scalar::{Blob, Timestamp};
pub use schema::Structure;

/// AWS Certificate Manager, API version 2015-12-08: without the endpoints that speak ACME to
/// others.
#[allow(missing_docs, clippy::enum_variant_names)]
pub mod acm {
    use serde::{Deserialize, Serialize};

    use crate::scalar::{Blob, Timestamp};
    use crate::schema::{Body, Operation, Protocol, Service, Shape, Structure};

    include!(concat!(env!("OUT_DIR"), "/acm.rs"));
}

/// Amazon CloudFront, API version 2020-05-31.
// The names are AWS's own, and its manual is their documentation.
#[allow(missing_docs, clippy::enum_variant_names)]
pub mod cloudfront {
    use serde::{Deserialize, Serialize};

    use crate::scalar::{Blob, Timestamp, quantity};
    use crate::schema::{Body, Operation, Protocol, Service, Shape, Structure};

    include!(concat!(env!("OUT_DIR"), "/cloudfront.rs"));
}

/// The data plane of CloudFront's key value stores, API version 2022-07-26.
#[allow(missing_docs)]
pub mod cloudfront_keyvaluestore {
    use serde::{Deserialize, Serialize};

    use crate::scalar::Timestamp;
    use crate::schema::{Body, Operation, Protocol, Service, Shape, Structure};

    include!(concat!(env!("OUT_DIR"), "/cloudfront-keyvaluestore.rs"));
}

/// AWS CloudTrail, API version 2013-11-01: `LookupEvents` alone.
#[allow(missing_docs)]
pub mod cloudtrail {
    use serde::{Deserialize, Serialize};

    use crate::scalar::Timestamp;
    use crate::schema::{Body, Operation, Protocol, Service, Shape, Structure};

    include!(concat!(env!("OUT_DIR"), "/cloudtrail.rs"));
}

/// Amazon Route 53, API version 2013-04-01.
#[allow(missing_docs, clippy::enum_variant_names)]
pub mod route53 {
    use serde::{Deserialize, Serialize};

    use crate::scalar::Timestamp;
    use crate::schema::{Body, Operation, Protocol, Service, Shape, Structure};

    include!(concat!(env!("OUT_DIR"), "/route53.rs"));
}
