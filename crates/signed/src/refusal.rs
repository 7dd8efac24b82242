//! Why a request is refused (spec §9.6).

use thiserror::Error;

/// Why a request is refused, always with the status 403. Viewers are told [`Refusal::code`] and
/// [`Refusal::message`]; the finer reason is for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There is no id of a key, as in any request that is not signed.
    #[error("no Key-Pair-Id in the query, and no cookie CloudFront-Key-Pair-Id")]
    MissingKey,
    /// There is neither a policy nor a time that one could be rebuilt from.
    #[error("neither Policy nor Expires")]
    MissingPolicy,
    /// There is no signature.
    #[error("no Signature")]
    MissingSignature,
    /// A parameter stands twice, or a cookie with two values: none of them is chosen.
    #[error("{0} is given more than once")]
    Repeated(&'static str),
    /// The key is none of the behavior's.
    #[error("the key is in none of the trusted key groups")]
    UnknownKey,
    /// The signature cannot be read; the reason.
    #[error("malformed signature: {0}")]
    MalformedSignature(&'static str),
    /// The policy cannot be read, or says what is not understood; the reason.
    #[error("malformed policy: {0}")]
    MalformedPolicy(&'static str),
    /// The signature is not the key's for this policy, or for this URL.
    #[error("the signature does not match")]
    SignatureMismatch,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Its time has not come.
    #[error("not yet valid")]
    NotYetValid,
    /// The viewer has another address.
    #[error("not valid for the viewer's address")]
    Address,
    /// The policy is about other URLs.
    #[error("not valid for this URL")]
    Resource,
}

impl Refusal {
    /// `Code` of the answer.
    pub fn code(self) -> &'static str {
        match self {
            Refusal::MissingKey => "MissingKey",
            Refusal::MissingPolicy => "MissingPolicy",
            Refusal::MissingSignature => "MissingSignature",
            Refusal::UnknownKey => "InvalidKey",
            Refusal::MalformedSignature(_) => "MalformedSignature",
            Refusal::MalformedPolicy(_) => "MalformedPolicy",
            Refusal::Repeated(name) => match name {
                "Policy" | "Expires" => "MalformedPolicy",
                "Key-Pair-Id" => "InvalidKey",
                _ => "MalformedSignature",
            },
            Refusal::SignatureMismatch
            | Refusal::Expired
            | Refusal::NotYetValid
            | Refusal::Address
            | Refusal::Resource => "AccessDenied",
        }
    }

    /// `Message` of the answer: no more than the viewer needs to know.
    pub fn message(self) -> &'static str {
        match self.code() {
            "MissingKey" => "Missing Key-Pair-Id query parameter or cookie value",
            "MissingPolicy" => "Missing Policy or Expires query parameter or cookie value",
            "MissingSignature" => "Missing Signature query parameter or cookie value",
            "InvalidKey" => "Unknown Key",
            "MalformedSignature" => "Could not unencode Signature",
            "MalformedPolicy" => "Malformed Policy",
            _ => "Access denied",
        }
    }
}
