//! Signed URLs and signed cookies: who may see what, until when, and from where.
//!
//! A request presents a policy, or what one is rebuilt from, with a signature ([`Presented`]); the
//! signature is checked against the keys of a behavior ([`Signers`]), which costs an operation of
//! public keys; what it allows ([`Grant`]) is asked again by every request, which costs next to
//! nothing. [`sign`] makes what is presented.
//!
//! Everything is computed from what is passed in, the time included. What it does not do: keep
//! verified signatures (crate `edge` does), read requests, answer them. Formats are those of
//! CloudFront: docs/signed-urls.md tells what is accepted and what differs.
//!
//! Read [`Presented`] first, then `policy.rs`, then `resource.rs`.

mod encoding;
mod grant;
mod key;
pub mod limits;
mod policy;
mod presented;
mod refusal;
mod resource;
pub mod sign;
pub mod spelling;
mod wildcard;

pub use grant::Grant;
pub use key::{Algorithm, KeyError, PublicKey, Signers};
pub use presented::{Presented, QUERY_NAMES, ViewerUrl, is_query_name};
pub use refusal::Refusal;
