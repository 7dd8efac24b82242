//! Certificates from public authorities, by ACME (RFC 8555): an [`Account`] at a [`Server`], and
//! [`issue`], which takes one order from its beginning to the chain of certificates. Proofs of
//! control are handed to a [`Solver`], which makes them available wherever the authority looks.
//!
//! What it does not do: keep anything (credentials are the caller's to keep), make keys or
//! requests for certificates (crate `certificates`), decide when a certificate is renewed or a
//! failed order is tried again; [`AcmeError`] says what the latter depends on.
//!
//! Read [`issue`] first, then [`Solver`].

mod account;
mod error;
pub mod limits;
mod order;
mod renewal;
mod solver;
mod transport;

pub use account::{Account, Server};
pub use error::AcmeError;
pub use order::issue;
pub use renewal::{RenewalWindow, renewal_window};
pub use solver::{Challenge, Kind, SolveError, Solver};
