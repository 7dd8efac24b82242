//! What is told of a viewer's certificate: `CloudFront-Viewer-Cert-*`, `Client-Cert` (RFC 9440),
//! connection logs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use certificates::Certificate;
use rustls::pki_types::CertificateDer;

use crate::distinguished_name;

/// A viewer's certificate. All texts are ASCII without control characters, fit for headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewerCertificate {
    /// `4a:3f:5c`, without a leading zero byte.
    pub serial_number: String,
    /// Who signed it: `CN=…,O=…,C=…` (RFC 4514).
    pub issuer: String,
    /// Whose it is (RFC 4514).
    pub subject: String,
    /// From when on it is valid, in seconds since 1970.
    pub not_before_secs: u64,
    /// Its last valid second since 1970.
    pub not_after_secs: u64,
    /// `NotBefore=2023-09-21T01:50:17Z;NotAfter=2024-09-20T01:50:17Z`.
    pub validity: String,
    /// SHA-256 of it in DER form: 64 hexadecimal digits in lower case.
    pub sha256: String,
    /// It and the certificates that the viewer sent with it, in DER form. Never empty.
    pub chain: Vec<CertificateDer<'static>>,
}

impl ViewerCertificate {
    /// Of the certificates that a viewer sent, its own one first. None: the first one is none.
    pub fn read(chain: &[CertificateDer<'_>]) -> Option<ViewerCertificate> {
        let der = chain.first()?;
        let certificate = Certificate::from_der(der).ok()?;
        let (not_before, not_after) = (certificate.not_before_secs, certificate.not_after_secs);
        let digest = certificate.sha256.iter();
        Some(ViewerCertificate {
            issuer: distinguished_name::write(&certificate.issuer_der)?,
            subject: distinguished_name::write(&certificate.subject_der)?,
            serial_number: certificate.serial,
            not_before_secs: not_before,
            not_after_secs: not_after,
            validity: format!("NotBefore={};NotAfter={}", iso(not_before), iso(not_after)),
            sha256: digest.map(|byte| format!("{byte:02x}")).collect(),
            chain: chain.iter().map(|der| der.clone().into_owned()).collect(),
        })
    }

    /// Its PEM form with what URLs do not bear as `%0A`: `CloudFront-Viewer-Cert-Pem`.
    pub fn pem_url_encoded(&self) -> String {
        let text = BASE64.encode(&self.chain[0]);
        let mut encoded = String::with_capacity(text.len() + text.len() / 8 + 128);
        encoded.push_str("-----BEGIN%20CERTIFICATE-----%0A");
        for (index, byte) in text.chars().enumerate() {
            if index > 0 && index % 64 == 0 {
                encoded.push_str("%0A");
            }
            match byte {
                '+' => encoded.push_str("%2B"),
                '/' => encoded.push_str("%2F"),
                '=' => encoded.push_str("%3D"),
                other => encoded.push(other),
            }
        }
        encoded.push_str("%0A-----END%20CERTIFICATE-----%0A");
        encoded
    }

    /// `Client-Cert` (RFC 9440 §2.2): a byte sequence of structured fields, `:base64:`.
    pub fn client_cert(&self) -> String {
        byte_sequence(&self.chain[0])
    }

    /// `Client-Cert-Chain` (RFC 9440 §2.3): the others, in a list. None: the viewer sent no more
    /// than its own one.
    pub fn client_cert_chain(&self) -> Option<String> {
        let others = self.chain[1..].iter().map(|der| byte_sequence(der));
        let list = others.collect::<Vec<_>>().join(", ");
        (!list.is_empty()).then_some(list)
    }
}

fn byte_sequence(der: &[u8]) -> String {
    format!(":{}:", BASE64.encode(der))
}

/// `2023-09-21T01:50:17Z`. Years of more than four digits do not occur in certificates.
fn iso(secs: u64) -> String {
    let (days, of_day) = (secs / 86_400, secs % 86_400);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day, counted from 1970. Years are taken to begin in March, so that the
/// leap day is the last one.
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_ERA: u64 = 146_097;
    let days = days + 719_468;
    let (era, day) = (days / DAYS_OF_ERA, days % DAYS_OF_ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / (DAYS_OF_ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (400 * era + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_dates() {
        for (secs, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_695_261_017, "2023-09-21T01:50:17Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(iso(secs), text);
        }
    }
}
