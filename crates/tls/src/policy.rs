//! CloudFront's security policies: the lowest protocol, and the cipher suites in the order that
//! the server prefers (spec §14.4).
//!
//! Suites of its table that are not spoken here, since rustls has none of them: those with CBC
//! (`ECDHE-*-AES128-SHA256`, `ECDHE-*-AES256-SHA384`, `ECDHE-*-SHA`) and those whose key exchange
//! is RSA itself (`AES128-GCM-SHA256`, `AES256-GCM-SHA384`, `AES128-SHA256`, `AES*-SHA`). What is
//! left of `TLSv1.2_2018`, `TLSv1.2_2019` and `TLSv1.2_2021` is the same. Of the signature schemes
//! in the table, those with SHA-1 and SHA-224 are missing.

use std::fmt;
use std::sync::{Arc, LazyLock};

use rustls::crypto::aws_lc_rs::{self, cipher_suite as suite, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::version::{TLS12, TLS13};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

/// A security policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policy(Name);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Name {
    Tls12Of2018,
    Tls12Of2019,
    Tls12Of2021,
    Tls12Of2025,
    Tls13Of2025,
    Forced,
}

/// A policy that cannot be had; the operator's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It would allow protocols that are not spoken here.
    #[error(
        "MinimumProtocolVersion '{0}' allows TLS 1.1 or older, which is not spoken here; allowed \
         are {ALLOWED}"
    )]
    TooOld(String),
    /// CloudFront has none of this name.
    #[error("MinimumProtocolVersion '{0}' is unknown; allowed are {ALLOWED}")]
    Unknown(String),
}

const ALLOWED: &str = "TLSv1.2_2018, TLSv1.2_2019, TLSv1.2_2021, TLSv1.2_2025 and TLSv1.3_2025";

const NAMES: [(&str, Name); 5] = [
    ("TLSv1.2_2018", Name::Tls12Of2018),
    ("TLSv1.2_2019", Name::Tls12Of2019),
    ("TLSv1.2_2021", Name::Tls12Of2021),
    ("TLSv1.2_2025", Name::Tls12Of2025),
    ("TLSv1.3_2025", Name::Tls13Of2025),
];

/// Names of CloudFront that allow what is not spoken here.
const TOO_OLD: [&str; 4] = ["SSLv3", "TLSv1", "TLSv1_2016", "TLSv1.1_2016"];

impl Policy {
    /// What the default certificate comes with: CloudFront calls it `TLSv1`. TLS 1.2 and 1.3 are
    /// spoken, with every suite that there is.
    pub const FORCED_DEFAULT: Policy = Policy(Name::Forced);

    /// The policy of a `MinimumProtocolVersion`.
    pub fn from_name(name: &str) -> Result<Policy, PolicyError> {
        if TOO_OLD.contains(&name) {
            return Err(PolicyError::TooOld(name.to_owned()));
        }
        let found = NAMES.iter().find(|(known, _)| *known == name);
        let (_, policy) = found.ok_or_else(|| PolicyError::Unknown(name.to_owned()))?;
        Ok(Policy(*policy))
    }

    /// Its name in the API: `TLSv1.2_2021`.
    pub fn name(self) -> &'static str {
        let found = NAMES.iter().find(|(_, policy)| *policy == self.0);
        found.map_or("TLSv1", |(name, _)| name)
    }

    /// Whether viewers notice no difference between the two.
    pub fn serves_like(self, other: Policy) -> bool {
        self.terms() == other.terms()
    }

    /// Protocols that are spoken.
    pub fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static NEWEST: [&SupportedProtocolVersion; 1] = [&TLS13];
        static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match self.terms() {
            Terms::Tls13 => &NEWEST,
            Terms::Tls12 | Terms::Tls12WithoutChacha => &BOTH,
        }
    }

    /// Suites, key exchanges and the rest of what handshakes compute with.
    pub fn provider(self) -> &'static Arc<CryptoProvider> {
        static TLS13_ONLY: LazyLock<Arc<CryptoProvider>> =
            LazyLock::new(|| provider(&[SUITES_OF_TLS13]));
        static ALL: LazyLock<Arc<CryptoProvider>> =
            LazyLock::new(|| provider(&[SUITES_OF_TLS13, SUITES_OF_TLS12]));
        static WITHOUT_CHACHA: LazyLock<Arc<CryptoProvider>> =
            LazyLock::new(|| provider(&[&SUITES_OF_TLS13[..2], &AES_SUITES_OF_TLS12]));
        match self.terms() {
            Terms::Tls13 => &TLS13_ONLY,
            Terms::Tls12 => &ALL,
            Terms::Tls12WithoutChacha => &WITHOUT_CHACHA,
        }
    }

    fn terms(self) -> Terms {
        match self.0 {
            Name::Tls13Of2025 => Terms::Tls13,
            Name::Tls12Of2025 => Terms::Tls12WithoutChacha,
            Name::Tls12Of2018 | Name::Tls12Of2019 | Name::Tls12Of2021 | Name::Forced => {
                Terms::Tls12
            }
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What is left of the policies where suites are missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Terms {
    Tls12,
    Tls12WithoutChacha,
    Tls13,
}

const SUITES_OF_TLS13: &[SupportedCipherSuite] = &[
    suite::TLS13_AES_128_GCM_SHA256,
    suite::TLS13_AES_256_GCM_SHA384,
    suite::TLS13_CHACHA20_POLY1305_SHA256,
];

const SUITES_OF_TLS12: &[SupportedCipherSuite] = &[
    suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

const AES_SUITES_OF_TLS12: [SupportedCipherSuite; 4] = [
    suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
];

/// Of these the viewer's favourite is taken, not ours: another one would cost it a round trip.
const GROUPS: &[&dyn SupportedKxGroup] = &[
    kx_group::X25519MLKEM768,
    kx_group::SECP256R1MLKEM768,
    kx_group::SECP256R1,
    kx_group::X25519,
    kx_group::SECP384R1,
];

fn provider(suites: &[&[SupportedCipherSuite]]) -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: suites.concat(),
        kx_groups: GROUPS.to_vec(),
        ..aws_lc_rs::default_provider()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_policies_are_refused_and_the_message_says_why_and_what_is_allowed() {
        for name in TOO_OLD {
            let error = Policy::from_name(name).unwrap_err();
            assert_eq!(error, PolicyError::TooOld(name.to_owned()));
            let text = error.to_string();
            assert!(text.contains(name) && text.contains("TLS 1.1"), "{text}");
            assert!(NAMES.iter().all(|(allowed, _)| text.contains(allowed)));
        }
        let error = Policy::from_name("TLSv9").unwrap_err();
        assert_eq!(error, PolicyError::Unknown("TLSv9".to_owned()));
    }

    #[test]
    fn a_policy_keeps_its_name() {
        for (name, _) in NAMES {
            assert_eq!(Policy::from_name(name).unwrap().name(), name);
        }
        assert_eq!(Policy::FORCED_DEFAULT.name(), "TLSv1");
    }

    #[test]
    fn policies_are_alike_where_viewers_notice_no_difference() {
        let of = |name| Policy::from_name(name).unwrap();
        assert!(of("TLSv1.2_2018").serves_like(of("TLSv1.2_2021")));
        assert!(!of("TLSv1.2_2021").serves_like(of("TLSv1.2_2025")));
        assert!(!of("TLSv1.3_2025").serves_like(Policy::FORCED_DEFAULT));
    }
}
