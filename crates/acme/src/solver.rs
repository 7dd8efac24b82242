//! Proofs of control over names, as an authority asks for them.

use async_trait::async_trait;
use instant_acme::ChallengeType;

/// How control over a name is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// By an answer over HTTP at port 80 (RFC 8555 §8.3).
    Http01,
    /// By a certificate in a handshake at port 443 (RFC 8737).
    TlsAlpn01,
    /// By a TXT record below the name (RFC 8555 §8.4); the only one for wildcards.
    Dns01,
}

impl Kind {
    pub(crate) fn of_protocol(self) -> ChallengeType {
        match self {
            Self::Http01 => ChallengeType::Http01,
            Self::TlsAlpn01 => ChallengeType::TlsAlpn01,
            Self::Dns01 => ChallengeType::Dns01,
        }
    }
}

/// A kind of proof as the protocol names it, known here or not.
pub(crate) fn protocol_name(kind: &ChallengeType) -> &str {
    match kind {
        ChallengeType::Http01 => "http-01",
        ChallengeType::TlsAlpn01 => "tls-alpn-01",
        ChallengeType::Dns01 => "dns-01",
        ChallengeType::Unknown(name) => name,
        _ => "another one",
    }
}

/// What is to be shown so that an authority believes in the control over a name. Nothing of it
/// is secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge<'a> {
    /// `GET http://<name>/.well-known/acme-challenge/<token>` is answered with the key
    /// authorization.
    Http01 {
        /// The name, in lower case.
        name: &'a str,
        /// Last part of the path: letters, digits, `-` and `_`, as the server chose it.
        token: &'a str,
        /// The body.
        key_authorization: &'a str,
    },
    /// A handshake for the name that offers `acme-tls/1` is answered with a self-signed
    /// certificate for it with this digest in `acmeIdentifier`.
    TlsAlpn01 {
        /// The name, in lower case.
        name: &'a str,
        /// SHA-256 of the key authorization.
        key_authorization_sha256: [u8; 32],
    },
    /// `_acme-challenge.<name>` has a TXT record with this text. An order for a name and its
    /// wildcard asks for two texts at one name, both at a time.
    Dns01 {
        /// The name, in lower case, without `*.` and without `_acme-challenge.`.
        name: &'a str,
        /// The text.
        value: &'a str,
    },
}

/// Why a proof cannot be shown, for a log and for the owner of the certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SolveError(pub String);

/// Shows proofs of control where authorities look for them.
#[async_trait]
pub trait Solver: Send + Sync {
    /// Kinds of proof that can be shown for a name, the best one first; `name` is without `*.`.
    /// A wildcard can be proven with DNS-01 alone, and no authority offers another one.
    async fn kinds(&self, name: &str, is_wildcard: bool) -> Vec<Kind>;

    /// Shows a proof, and returns when it is seen wherever the authority may look, or as far as
    /// can be known. All proofs of an order are shown at a time, each of them once.
    ///
    /// # Errors
    /// When it cannot be shown; the order is given up then.
    async fn present(&self, challenge: &Challenge<'_>) -> Result<(), SolveError>;

    /// Takes a proof back. It is called for each that [`Self::present`] was called for, even if
    /// that failed or did not end.
    async fn withdraw(&self, challenge: &Challenge<'_>);
}

/// A challenge that was chosen, with all that its proof is made of.
pub(crate) struct Answer {
    /// Place in the order of the authorization that it is for.
    pub(crate) authorization: usize,
    /// The solver was asked to show it.
    pub(crate) may_be_shown: bool,
    /// The server knows that it is shown.
    pub(crate) is_told: bool,
    /// The name without `*.`.
    pub(crate) name: String,
    /// The name as it is in the certificate.
    pub(crate) full_name: String,
    pub(crate) kind: Kind,
    pub(crate) token: String,
    pub(crate) key_authorization: String,
    pub(crate) key_authorization_sha256: [u8; 32],
    pub(crate) dns_value: String,
}

impl Answer {
    pub(crate) fn challenge(&self) -> Challenge<'_> {
        let name = &self.name;
        match self.kind {
            Kind::Http01 => Challenge::Http01 {
                name,
                token: &self.token,
                key_authorization: &self.key_authorization,
            },
            Kind::TlsAlpn01 => Challenge::TlsAlpn01 {
                name,
                key_authorization_sha256: self.key_authorization_sha256,
            },
            Kind::Dns01 => Challenge::Dns01 {
                name,
                value: &self.dns_value,
            },
        }
    }
}
