//! What edges read to speak TLS.
//!
//! ```text
//! cloudfront/tls/certificate/<region>/<uuid>  Material: a certificate as it is served
//! cloudfront/tls/certificate/default          Material, for the distributions' own names
//! cloudfront/tls/trust-store/<id>             TrustBundle: who may sign viewers' certificates
//! cloudfront/tls/http-challenge/<token>       HttpChallenge, while an order is under way
//! cloudfront/tls/alpn-challenge/<name>        AlpnChallenge, while an order is under way
//! ```
//!
//! Edges watch all of it with what else is CloudFront's, so that a distribution and its certificate
//! come to them in the order in which they were written. Private keys are sealed (crate `secrets`),
//! for the purpose that [`sealing_purpose`] says.

use serde::{Deserialize, Serialize};

/// All that edges read of TLS.
pub const TLS: &str = "cloudfront/tls/";

/// Collection of certificates.
pub const CERTIFICATE: &str = "certificate";
/// Collection of the authorities of viewers' certificates.
pub const TRUST_STORE: &str = "trust-store";
/// Collection of answers over HTTP.
pub const HTTP_CHALLENGE: &str = "http-challenge";
/// Collection of answers in handshakes.
pub const ALPN_CHALLENGE: &str = "alpn-challenge";

/// Id of the certificate for the distributions' own names, `d….<domain>`.
pub const DEFAULT_CERTIFICATE: &str = "default";

/// Key of a member of a collection. The id of a certificate is `<region>/<uuid>`.
pub fn key(collection: &str, id: &str) -> String {
    format!("{TLS}{collection}/{id}")
}

/// Collection and id of a key below [`TLS`].
pub fn parse(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix(TLS)?.split_once('/')
}

/// Region and UUID of the ARN of a certificate: the id of its documents.
pub fn certificate_id(arn: &str) -> Option<String> {
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, region) = (parts.next()?, parts.next()?);
    let uuid = parts.nth(1)?.strip_prefix("certificate/")?;
    let is_certificate = service == "acm" && !region.is_empty() && !uuid.is_empty();
    is_certificate.then(|| format!("{region}/{uuid}"))
}

/// For what the private key of a certificate is sealed: so that it opens there alone.
pub fn sealing_purpose(certificate_id: &str) -> String {
    key(CERTIFICATE, certificate_id)
}

/// A certificate as edges serve it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Material {
    /// The certificate and what leads to its root, in PEM form, the viewer's own one first.
    pub chain_pem: String,
    /// Its private key, sealed: PKCS #8 in DER form.
    pub sealed_key: String,
    /// What its authority says of it, to be stapled: an OCSP response in DER form, as base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ocsp_response: Option<String>,
}

/// Who may sign viewers' certificates: a trust store as edges need it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrustBundle {
    /// Certificates of authorities, in PEM form.
    pub pem: String,
    /// Counts the bundles of this trust store: tickets of one do not hold for the next.
    pub version: u64,
}

/// What is answered to `GET /.well-known/acme-challenge/<token>` (RFC 8555 §8.3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpChallenge {
    /// The body.
    pub key_authorization: String,
    /// From when on nobody asks, in milliseconds since 1970.
    pub expires_ms: u64,
}

/// What is answered in a handshake for a name that offers `acme-tls/1` (RFC 8737).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlpnChallenge {
    /// The certificate that proves it, in PEM form.
    pub certificate_pem: String,
    /// Its private key, sealed for the key of this document.
    pub sealed_key: String,
    /// From when on nobody asks, in milliseconds since 1970.
    pub expires_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_found_by_its_arn() {
        let arn = "arn:aws:acm:us-east-1:123456789012:certificate/1b2c";
        let id = certificate_id(arn).unwrap();
        assert_eq!(id, "us-east-1/1b2c");
        let key = key(CERTIFICATE, &id);
        assert_eq!(parse(&key), Some((CERTIFICATE, "us-east-1/1b2c")));
        for other in [
            "",
            "arn:aws:acm",
            "arn:aws:iam::1:certificate/x",
            "arn:aws:acm:r:1:key/x",
        ] {
            assert_eq!(certificate_id(other), None, "{other}");
        }
    }
}
