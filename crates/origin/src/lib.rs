//! Fetching from origins: names resolved, connections pooled, requests sent, responses streamed.
//!
//! What it does: HTTP/1.1, and HTTP/2 for gRPC, over TCP and TLS with the timeouts, attempts and
//! retries of the distribution ([`OriginSpec`]), connection reuse, streamed bodies both ways with
//! backpressure, protocol upgrades, origin groups ([`group`]). Every failure is a [`FetchError`]
//! that knows its status and its word for the access log.
//! What it does not do: caching, composing requests (the caller says every field), following
//! redirects, anything about viewers beyond telling their failures from the origin's.
//! Field names are written in title case and read in their customary case, since hyper keeps them
//! in lower case. `1xx` responses are swallowed; a second `100 Continue` is an error where one
//! can be expected, on requests with a body.
//!
//! A worker has one [`Client`] and uses it inside a `LocalSet` of its own thread: futures and
//! pools are not `Send`, and nothing here takes a lock.
//! Read first: [`Client::fetch`], [`OriginRequest`], [`OriginBody`], [`FetchError`].

mod body;
mod client;
mod connect;
mod dns;
mod error;
pub mod group;
mod head;
mod http2;
mod identity;
pub mod limits;
mod pool;
mod spec;
mod timer;
mod tls;
mod transport;
mod upload;

pub use body::OriginBody;
pub use client::{Client, ClientConfig, ConnectionCounts, PoolLimits};
pub use dns::{Answer, FixedResolver, Resolve, ResolveFuture, SystemResolver};
pub use error::{DnsError, FetchError, NotSigned, TlsFailure};
pub use hickory_resolver::net::NetError as ResolverError;
pub use identity::{ClientIdentity, ClientIdentityError};
pub use spec::{
    AddressFamily, BodyError, BodySource, OriginRequest, OriginResponse, OriginSpec, Protocol,
    RequestBody, Scheme, Timing, TlsVersion,
};
pub use tls::{CaBundleError, TlsRoots};
pub use transport::Upgraded;
