//! ACM's documents, for the API and the upkeep of certificates alone. What edges read of a
//! certificate is in [`crate::tls`].
//!
//! ```text
//! acm/certificate/<region>/<uuid>          Certificate
//! acm/certificate/default                  Certificate, for the distributions' own names
//! acm/authority                            Authority: the local one
//! acm/acme-account                         AcmeAccount
//! acm/configuration                        AccountConfiguration
//! acm/pace                                 how many orders were started, for the upkeep alone
//! acm/challenge/<zone>/<name> <value>      a proof that is in a zone: until when, in milliseconds
//! claims/acm-token/<hour>/<region>/<token> the id of the certificate that was asked for with it
//! ```

use serde::{Deserialize, Serialize};

/// All that the upkeep of certificates watches.
pub const ACM: &str = "acm/";
/// Every certificate.
pub const CERTIFICATES: &str = "acm/certificate/";
/// The local authority.
pub const AUTHORITY: &str = "acm/authority";
/// The account at the ACME server.
pub const ACME_ACCOUNT: &str = "acm/acme-account";
/// What `PutAccountConfiguration` says.
pub const CONFIGURATION: &str = "acm/configuration";
/// How many orders were started.
pub const PACE: &str = "acm/pace";
/// Proofs that are in hosted zones.
pub const CHALLENGES: &str = "acm/challenge/";

/// Key of a certificate; its id is `<region>/<uuid>`.
pub fn certificate(id: &str) -> String {
    format!("{CERTIFICATES}{id}")
}

/// Where a certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// It was asked for, and is issued and renewed here (`AMAZON_ISSUED`).
    Requested,
    /// Its owner brought it (`IMPORTED`).
    Imported,
}

/// How far a certificate is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum State {
    /// Names are not validated, or its authority has not issued it yet.
    Pending,
    /// It is served; whether it has expired is for the clock to say.
    Issued,
    /// It never will be issued.
    Failed {
        /// As ACM's `FailureReason` names it.
        reason: String,
    },
    /// Nobody validated its names in time.
    TimedOut,
    /// It was revoked.
    Revoked {
        /// When, in milliseconds since 1970.
        at_ms: u64,
        /// As ACM's `RevocationReason` names it.
        reason: String,
    },
}

/// A certificate as ACM tells of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// `<region>/<uuid>`.
    pub id: String,
    /// Its ARN; empty for the default one, which the API does not tell of.
    pub arn: String,
    /// Its names in lower case, the first one being the domain name; wildcards with `*.`.
    pub names: Vec<String>,
    /// Where it comes from.
    pub source: Source,
    /// How far it is.
    pub state: State,
    /// As `KeyAlgorithm` names it in requests: `RSA_2048`, `EC_prime256v1`.
    pub key_algorithm: String,
    /// When it was asked for or brought, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it was issued, and imported last, in milliseconds since 1970; 0 before.
    pub issued_ms: u64,
    /// Names whose control is proven.
    #[serde(default)]
    pub validated: Vec<String>,
    /// As `Options.Export` says.
    #[serde(default)]
    pub is_exportable: bool,
    /// Whether it has been exported.
    #[serde(default)]
    pub is_exported: bool,
    /// Whether certificate transparency logging is not wanted.
    #[serde(default)]
    pub is_unlogged: bool,
    /// What is served: until when, and since when. Seconds since 1970; 0 before it is issued.
    #[serde(default)]
    pub not_before_secs: u64,
    /// Seconds since 1970; 0 before it is issued.
    #[serde(default)]
    pub not_after_secs: u64,
    /// What issuing and renewing have come to.
    #[serde(default)]
    pub work: Work,
}

/// What issuing or renewing a certificate has come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// Attempts that failed since the last success.
    pub failures: u32,
    /// When it is tried again, in milliseconds since 1970; 0 is at once when it is due.
    pub not_before_ms: u64,
    /// What the last failure said.
    #[serde(default)]
    pub last_error: String,
    /// Last change, in milliseconds since 1970.
    #[serde(default)]
    pub updated_ms: u64,
    /// The certificate was renewed at least once.
    #[serde(default)]
    pub is_renewed: bool,
    /// Renewal was asked for, however long it still holds.
    #[serde(default)]
    pub is_wanted: bool,
    /// When its responder is asked again, in milliseconds since 1970.
    #[serde(default)]
    pub ocsp_due_ms: u64,
}

/// The local authority.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Authority {
    /// Its certificate, in PEM form: what `warmfront trust` installs.
    pub certificate_pem: String,
    /// Its private key, sealed for [`AUTHORITY`]: PKCS #8 in DER form.
    pub sealed_key: String,
}

/// The account at an ACME server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AcmeAccount {
    /// The server's directory.
    pub directory_url: String,
    /// The account's credentials, sealed for [`ACME_ACCOUNT`]: JSON, as instant-acme has them.
    pub sealed_credentials: String,
}

/// What `PutAccountConfiguration` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountConfiguration {
    /// Days before expiry from which on events would be sent.
    pub days_before_expiry: i32,
}
