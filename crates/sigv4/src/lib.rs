//! AWS Signature Version 4 (HMAC) and 4A (ECDSA, for several regions): who sent a request, and
//! is it what they sent? And the other side: signing requests of our own.
//!
//! No sockets, no clock, no store of keys: the request comes in as borrowed parts, the time and
//! the secret as arguments. A server first asks [`parse`] who claims to have signed what, looks
//! the secret up, chooses the service, and then lets a [`Verifier`] judge. [`Signer`] makes the
//! headers or the query of a signed request. Nothing here knows policies, accounts or whether a
//! session token belongs to its access key: those are the caller's.
//!
//! What a signature covers: method, path, query, the signed headers, and the body by its hash.
//! Headers that it does not cover can be changed on the way, so that `host` and every `x-amz-*`
//! header are required to be covered. Some things that differ byte by byte are equal under a
//! signature: a path with `//`, `.` or `..` and its normal form (not by the rules of S3), a query
//! in another order or with other spellings of its escapes, a header's values on several lines or
//! on one with commas, runs of blanks in them. Nothing that was signed for one service reaches
//! another by such means if the service is chosen by [`Credential::service`], which is signed too.
//! In a query, `+` is a plus and never a space: whoever reads it must agree, or `+` and `%2B`,
//! which are equal here, become two things.
//!
//! # Replays
//!
//! A signature has no nonce. AWS accepts a second copy of a request as long as its time is within
//! the window (five minutes; fifteen for S3; the validity of a presigned URL), since it cannot be
//! told from a retry; altered copies fail. A [`ReplayGuard`] is stricter: it refuses a copy that
//! arrives more than [`limits::REPLAY_GRACE_SECS`] after the first. Use it for requests that
//! change something.
//!
//! # Use
//!
//! ```
//! use sigv4::{Algorithm, Dialect, Request, Signer, Terms, Verifier, parse};
//!
//! let now_secs = 1_440_938_160;
//! let signer = Signer {
//!     algorithm: Algorithm::HmacSha256,
//!     dialect: Dialect::Common,
//!     access_key_id: "AKIDEXAMPLE",
//!     secret: "secret",
//!     session_token: None,
//!     region: "us-east-1",
//!     service: "cloudfront",
//! };
//! let mut headers: Vec<(&str, &[u8])> = vec![("Host", b"localhost:4566")];
//! let path = "/2020-05-31/distribution";
//! let request = Request { method: "GET", path, query: "", headers: &headers, body: b"" };
//! let added = signer.sign(&request, now_secs).unwrap();
//! headers.extend(added.iter().map(|(name, value)| (*name, value.as_bytes())));
//!
//! let request = Request { method: "GET", path, query: "", headers: &headers, body: b"" };
//! let presented = parse(&request).unwrap();
//! assert_eq!(presented.credential.access_key_id, "AKIDEXAMPLE");
//! let terms = Terms { now_secs, dialect: Dialect::Common, region: "us-east-1" };
//! assert!(Verifier::default().verify(&request, &presented, "secret", &terms).is_ok());
//! assert!(Verifier::default().verify(&request, &presented, "other", &terms).is_err());
//! ```
//!
//! Read [`Request`], [`Presented`] and [`Verifier`] first. Source: the reference for API
//! requests in AWS's IAM guide; the vectors in `tests` come from botocore and from AWS's CRT.

mod canonical;
mod error;
mod keys;
pub mod limits;
mod presented;
mod replay;
mod sign;
mod time;
mod verify;

pub use error::{ErrorStyle, SignError, VerifyError};
pub use presented::{Algorithm, Credential, Form, Presented, parse};
pub use replay::ReplayGuard;
pub use sign::Signer;
pub use verify::{Terms, Verified, Verifier};

/// What `x-amz-content-sha256` says of this body: its SHA-256 in lower-case hexadecimal.
pub fn payload_hash(body: &[u8]) -> String {
    canonical::sha256_hex(body)
}

/// A request as it is on the wire; what is signed or verified. No part of the head has a line end:
/// HTTP parsers see to that, and canonical requests rely on it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method, in the case in which it was sent.
    pub method: &'a str,
    /// The path, percent-encoded as it was sent, without the query.
    pub path: &'a str,
    /// The query as it was sent, without `?`; empty if there is none.
    pub query: &'a str,
    /// Fields in the order in which they were sent; names in any case. Over HTTP/2 the caller
    /// adds `host` from `:authority`.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The whole body, without any transfer coding.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// All values of a header, whose name is given in lower case.
    fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let same = move |field: &&(&str, &[u8])| field.0.eq_ignore_ascii_case(name);
        self.headers.iter().filter(same).map(|field| field.1)
    }

    /// The value of a header that may stand only once.
    fn single(&self, name: &str) -> Result<Option<&'a [u8]>, VerifyError> {
        let mut values = self.values(name);
        let first = values.next();
        match values.next() {
            None => Ok(first),
            Some(_) => Err(VerifyError::Incomplete(format!(
                "the header {name} stands there more than once"
            ))),
        }
    }

    /// The same as text without surrounding blanks.
    fn single_text(&self, name: &str) -> Result<Option<&'a str>, VerifyError> {
        let Some(value) = self.single(name)? else {
            return Ok(None);
        };
        match std::str::from_utf8(value) {
            Ok(text) => Ok(Some(text.trim_matches([' ', '\t']))),
            Err(_) => Err(VerifyError::Incomplete(format!(
                "the header {name} is not text"
            ))),
        }
    }
}

/// By whose rules a request is canonicalised and judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    /// All services but S3: the path is normalised and encoded once more, the body's hash is
    /// always signed, clocks may differ by five minutes.
    Common,
    /// S3: the path stands as it was sent, `UNSIGNED-PAYLOAD` is allowed, clocks may differ by
    /// fifteen minutes.
    S3,
}

impl Dialect {
    /// How far a signature's time may lie from ours, seconds.
    fn skew_secs_max(self) -> u64 {
        match self {
            Self::Common => limits::SKEW_SECS_MAX,
            Self::S3 => limits::S3_SKEW_SECS_MAX,
        }
    }
}
