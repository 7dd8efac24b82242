//! What an order, an account or a question about a renewal came to when it failed.

use std::time::Duration;

use instant_acme::{Error, Problem};

use crate::limits::DETAIL_CHARS_MAX;
use crate::transport::TransportError;

/// What all problem types of RFC 8555 §6.7 begin with.
const PROBLEM: &str = "urn:ietf:params:acme:error:";

/// Problems that the same request meets again, until its names, its key, the account or the
/// records of its names' owner change.
const LASTING: [&str; 12] = [
    "accountDoesNotExist",
    "badCSR",
    "badPublicKey",
    "badSignatureAlgorithm",
    "caa",
    "externalAccountRequired",
    "invalidContact",
    "malformed",
    "rejectedIdentifier",
    "unsupportedContact",
    "unsupportedIdentifier",
    "userActionRequired",
];

/// Why something could not be had of an ACME server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcmeError {
    /// What the operator set cannot be used.
    #[error("{0}")]
    Settings(String),
    /// The server refuses; for the owner of the names, mostly.
    #[error("the authority refuses{}: {detail} ({problem})", for_name(.name))]
    Rejected {
        /// The problem's type (RFC 8555 §6.7), such as `urn:ietf:params:acme:error:caa`.
        problem: String,
        /// What it says about it.
        detail: String,
        /// The name that it is about, with `*.` if it has it.
        name: Option<String>,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The server cannot be reached, or cannot do its work.
    #[error("the authority's server cannot be reached: {0}")]
    Unreachable(String),
    /// The server says what makes no sense here.
    #[error("the authority's server does not keep to the protocol: {0}")]
    Protocol(String),
    /// There is no way to prove control of a name that both sides know.
    #[error("control of {name} cannot be proven in a way that the authority offers ({offered})")]
    Unsolvable {
        /// The name, with `*.` if it has it.
        name: String,
        /// What the authority offers, as RFC 8555 names it, with commas.
        offered: String,
    },
    /// The solver could not make a proof available: ours.
    #[error("the proof of control of {name} cannot be shown: {detail}")]
    Unpresented {
        /// The name, with `*.` if it has it.
        name: String,
        /// What the solver says.
        detail: String,
    },
    /// It took too long.
    #[error("the order was not finished in time")]
    Deadline,
}

fn for_name(name: &Option<String>) -> String {
    name.as_ref()
        .map(|name| format!(" {name}"))
        .unwrap_or_default()
}

impl AcmeError {
    /// Whether trying the same again is pointless until somebody changes something.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Settings(_) => true,
            Self::Rejected { .. } => LASTING.into_iter().any(|kind| self.is_problem(kind)),
            _ => false,
        }
    }

    /// Whether the server named this problem: the part of its type after
    /// `urn:ietf:params:acme:error:`, such as `caa`.
    pub fn is_problem(&self, kind: &str) -> bool {
        let Self::Rejected { problem, .. } = self else {
            return false;
        };
        problem.strip_prefix(PROBLEM) == Some(kind)
    }

    /// Whether the same request may well go through now, in the middle of an order.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(_)) || self.is_problem("serverInternal") || self.is_nonce()
    }

    /// Whether only the nonce was wrong: there is nothing to wait for.
    pub(crate) fn is_nonce(&self) -> bool {
        self.is_problem("badNonce")
    }

    /// As it is, of this name, if it does not say another one.
    pub(crate) fn about(mut self, about: &str) -> Self {
        if let Self::Rejected {
            name: name @ None, ..
        } = &mut self
        {
            *name = Some(about.to_owned());
        }
        self
    }

    /// What the server says, with the `Retry-After` that it came with.
    pub(crate) fn of_problem(problem: &Problem, retry_after: Option<Duration>) -> Self {
        // A problem of several names tells of each apart; the first one stands for all.
        let of_name = problem
            .subproblems
            .iter()
            .find(|part| part.identifier.is_some());
        let name = of_name.and_then(|part| part.identifier.as_ref());
        let kind = of_name
            .and_then(|part| part.r#type.as_ref())
            .or(problem.r#type.as_ref());
        let detail = of_name
            .and_then(|part| part.detail.as_ref())
            .or(problem.detail.as_ref());
        let kind = kind.map_or("about:blank", String::as_str);
        let detail = detail.map_or("it does not say why", String::as_str);
        Self::Rejected {
            problem: kind.chars().take(DETAIL_CHARS_MAX).collect(),
            detail: detail.chars().take(DETAIL_CHARS_MAX).collect(),
            name: name.map(|name| name.authorized(false).to_string()),
            retry_after,
        }
    }

    /// What the client says, with the `Retry-After` of the last answer.
    pub(crate) fn of_client(error: Error, retry_after: Option<Duration>) -> Self {
        match error {
            Error::Api(problem) => Self::of_problem(&problem, retry_after),
            Error::Timeout(_) => Self::Deadline,
            Error::Other(error) => match error.downcast_ref::<TransportError>() {
                Some(transport) if transport.is_protocol() => Self::Protocol(transport.to_string()),
                _ => Self::Unreachable(error.to_string()),
            },
            error => Self::Protocol(error.to_string()),
        }
    }

    /// A limit of the server that it tells of without a problem document.
    pub(crate) fn rate_limited() -> Problem {
        Problem {
            r#type: Some(format!("{PROBLEM}rateLimited")),
            detail: Some("too many requests".to_owned()),
            status: Some(http::StatusCode::TOO_MANY_REQUESTS.as_u16()),
            subproblems: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use instant_acme::{Identifier, Subproblem};

    use super::*;

    fn rejected(kind: &str) -> AcmeError {
        AcmeError::Rejected {
            problem: format!("{PROBLEM}{kind}"),
            detail: "no".to_owned(),
            name: None,
            retry_after: None,
        }
    }

    #[test]
    fn only_what_somebody_must_change_is_lasting() {
        assert!(rejected("caa").is_lasting());
        assert!(rejected("rejectedIdentifier").is_lasting());
        assert!(AcmeError::Settings("no".to_owned()).is_lasting());
        for kind in [
            "dns",
            "connection",
            "unauthorized",
            "rateLimited",
            "serverInternal",
        ] {
            assert!(!rejected(kind).is_lasting(), "{kind}");
        }
        assert!(!AcmeError::Deadline.is_lasting());
        assert!(!AcmeError::Unreachable("refused".to_owned()).is_lasting());
    }

    #[test]
    fn a_problem_of_several_names_tells_of_the_first_one() {
        let problem = Problem {
            r#type: Some(format!("{PROBLEM}compound")),
            detail: Some("some names are refused".to_owned()),
            status: Some(403),
            subproblems: vec![Subproblem {
                identifier: Some(Identifier::Dns("a.example".to_owned())),
                r#type: Some(format!("{PROBLEM}caa")),
                detail: Some("its CAA forbids it".to_owned()),
            }],
        };
        let error = AcmeError::of_problem(&problem, Some(Duration::from_secs(7)));
        assert!(error.is_problem("caa"));
        assert_eq!(
            error.to_string(),
            "the authority refuses a.example: its CAA forbids it (urn:ietf:params:acme:error:caa)"
        );
    }

    #[test]
    fn a_long_detail_is_cut() {
        let problem = Problem {
            r#type: None,
            detail: Some("ä".repeat(DETAIL_CHARS_MAX + 1)),
            status: None,
            subproblems: Vec::new(),
        };
        let error = AcmeError::of_problem(&problem, None);
        let AcmeError::Rejected { detail, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(detail.chars().count(), DETAIL_CHARS_MAX);
    }
}
