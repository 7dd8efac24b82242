//! Certificates and keys: X.509 certificates are read, checked and made, and it is told when they
//! are to be renewed and whether their authority still stands by them.
//!
//! Everything is computed from what is passed in, the time included. What it does not do: keep or
//! fetch anything, speak to an authority, speak TLS; it seals no keys (crate `secrets`), and does
//! not build trust from roots, which is what TLS libraries do.
//!
//! Read [`Certificate`] first, then [`PrivateKey`], then [`authority::Authority`].

mod algorithm;
pub mod authority;
mod certificate;
pub mod chain;
mod der;
pub mod import;
mod key;
pub mod limits;
mod names;
pub mod ocsp;
mod pbes2;
pub mod pem;
pub mod renewal;
mod request;
mod signature;

pub use algorithm::KeyAlgorithm;
pub use certificate::{Certificate, ReadError};
pub use key::{KeyError, PrivateKey};
pub use names::{covers, is_certificate_name};
pub use request::{MakeError, alpn_challenge, signing_request};
