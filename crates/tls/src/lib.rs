//! Handshakes with viewers: which certificate, protocols and suites they get by the name that they
//! ask for, how their sessions are resumed on any node, and which certificates of their own pass.
//!
//! It makes configurations for rustls and reads what a handshake came to. What it does not do:
//! open sockets, read the store, issue or renew certificates (crates `edge`, `certificates`,
//! `acme`).
//!
//! Read [`Hosts`] first, then [`Policy`], [`Tickets`] and [`ClientAuth`].

mod challenge;
mod client;
mod distinguished_name;
mod hosts;
mod identity;
pub mod limits;
mod policy;
mod session;
mod tickets;
mod viewer_certificate;

pub use challenge::{ALPN_ACME, alpn_config, is_alpn_challenge};
pub use client::{ClientAuth, ClientAuthSpec, Failure, Mode, TrustError};
pub use hosts::{
    ALPN_HTTP_1, ALPN_HTTP_2, ALPN_HTTP_3, Host, HostSpec, Hosts, UNRECOGNIZED_NAME, UnknownName,
};
pub use identity::{Identity, IdentityError};
pub use policy::{Policy, PolicyError};
pub use session::{Negotiated, Spoken, cipher_name, curve_name};
pub use tickets::Tickets;
pub use viewer_certificate::ViewerCertificate;
