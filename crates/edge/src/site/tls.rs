//! How a distribution wants to be reached over TLS: certificate, security policy, protocols,
//! viewers' certificates (spec §5.6, §14.4, §14.5).

use documents::tls::certificate_id;
use shapes::cloudfront as cf;
use tls::{Mode, Policy};

/// How a site is reached over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteTls {
    /// Id of its own certificate, `<region>/<uuid>`; without one the default certificate is
    /// presented.
    pub certificate: Option<String>,
    /// Versions and cipher suites.
    pub policy: Policy,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// Whether HTTP/3 is spoken.
    pub http3: bool,
    /// What is asked of viewers' certificates.
    pub client_auth: Option<ClientAuthRule>,
}

impl Default for SiteTls {
    /// The default certificate, and HTTP/1.1 alone.
    fn default() -> SiteTls {
        SiteTls {
            certificate: None,
            policy: Policy::FORCED_DEFAULT,
            http2: false,
            http3: false,
            client_auth: None,
        }
    }
}

/// `ViewerMtlsConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientAuthRule {
    /// Whether there must be one, and whether it is checked.
    pub mode: Mode,
    /// Id of the trust store; none where nothing is checked.
    pub trust_store: Option<String>,
    /// Whether viewers are told which authorities are trusted.
    pub advertises_names: bool,
    /// Whether a certificate may have expired.
    pub ignores_expiry: bool,
}

/// A member that cannot be served, and why.
pub(super) type Fault = (&'static str, String);

/// Compiles what a distribution says of TLS.
pub(super) fn compile(config: &cf::DistributionConfig) -> Result<SiteTls, Fault> {
    let viewer = config.viewer_certificate.as_ref();
    let arn = viewer.and_then(|viewer| viewer.acm_certificate_arn.as_deref());
    let arn = arn.filter(|arn| !arn.is_empty());
    let certificate = match arn {
        Some(arn) => Some(certificate_id(arn).ok_or_else(|| {
            let message = format!(
                "'{arn}' is no ARN of a certificate: 'arn:aws:acm:us-east-1:<account>:certificate/<uuid>'"
            );
            ("ViewerCertificate.ACMCertificateArn", message)
        })?),
        None => None,
    };
    // With the default certificate the policy is the forced one, whatever is said (spec §14.4).
    let name = viewer.and_then(|viewer| viewer.minimum_protocol_version);
    let policy = match (&certificate, name) {
        (Some(_), Some(name)) => Policy::from_name(name.as_str()).map_err(|error| {
            let member = "ViewerCertificate.MinimumProtocolVersion";
            (member, error.to_string())
        })?,
        _ => Policy::FORCED_DEFAULT,
    };
    let version = config.http_version.unwrap_or(cf::HttpVersion::Http2);
    let client_auth = config.viewer_mtls_config.as_ref().map(client_auth);
    Ok(SiteTls {
        certificate,
        policy,
        http2: matches!(version, cf::HttpVersion::Http2 | cf::HttpVersion::Http2and3),
        // Viewers show certificates over TCP alone (spec §14.5), so they hear of nothing else.
        http3: client_auth.is_none()
            && matches!(version, cf::HttpVersion::Http3 | cf::HttpVersion::Http2and3),
        client_auth,
    })
}

fn client_auth(config: &cf::ViewerMtlsConfig) -> ClientAuthRule {
    let trust = config.trust_store_config.as_ref();
    let says =
        |member: fn(&cf::TrustStoreConfig) -> Option<bool>| trust.and_then(member).unwrap_or(false);
    ClientAuthRule {
        mode: match config.mode {
            Some(cf::ViewerMtlsMode::Optional) => Mode::Optional,
            Some(cf::ViewerMtlsMode::Passthrough) => Mode::Passthrough,
            Some(cf::ViewerMtlsMode::Required) | None => Mode::Required,
        },
        trust_store: trust.map(|trust| trust.trust_store_id.clone()),
        advertises_names: says(|trust| trust.advertise_trust_store_ca_names),
        ignores_expiry: says(|trust| trust.ignore_certificate_expiry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn compiled(more: serde_json::Value) -> Result<SiteTls, Fault> {
        let mut config = crate::testing::distribution(&[]);
        let members = more.as_object().unwrap().clone();
        config.as_object_mut().unwrap().extend(members);
        compile(&shapes::from_value(&config).unwrap())
    }

    const ARN: &str = "arn:aws:acm:us-east-1:123456789012:certificate/1b2c";

    #[test]
    fn an_own_certificate_comes_with_its_policy_and_the_default_one_with_the_forced_policy() {
        let own = compiled(json!({"ViewerCertificate": {
            "ACMCertificateArn": ARN, "MinimumProtocolVersion": "TLSv1.2_2021",
            "SSLSupportMethod": "sni-only"}}))
        .unwrap();
        assert_eq!(own.certificate.as_deref(), Some("us-east-1/1b2c"));
        assert_eq!(own.policy, Policy::from_name("TLSv1.2_2021").unwrap());
        let default = compiled(json!({"ViewerCertificate": {
            "CloudFrontDefaultCertificate": true, "MinimumProtocolVersion": "TLSv1"}}))
        .unwrap();
        assert_eq!(default.certificate, None);
        assert_eq!(default.policy, Policy::FORCED_DEFAULT);
    }

    #[test]
    fn versions_that_are_not_spoken_are_refused_by_name() {
        let (member, message) = compiled(json!({"ViewerCertificate": {
            "ACMCertificateArn": ARN, "MinimumProtocolVersion": "TLSv1.1_2016"}}))
        .unwrap_err();
        assert_eq!(member, "ViewerCertificate.MinimumProtocolVersion");
        assert!(message.contains("TLSv1.1_2016"), "{message}");
        assert!(message.contains("TLSv1.2_2021"), "{message}");
    }

    #[test]
    fn the_http_version_says_which_protocols_are_spoken_besides_the_first() {
        for (version, http2, http3) in [
            ("http1.1", false, false),
            ("http2", true, false),
            ("http3", false, true),
            ("http2and3", true, true),
        ] {
            let tls = compiled(json!({"HttpVersion": version})).unwrap();
            assert_eq!((tls.http2, tls.http3), (http2, http3), "{version}");
        }
    }
}
