//! Header fields that the edge makes from what it knows of the viewer (spec §3.6).

use std::io::Write as _;

use message::{Known, RequestHead};

use crate::Viewer;
use crate::device::Device;

macro_rules! generated_fields {
    ($($variant:ident $name:literal $keyable:literal,)*) => {
        /// A field that the edge makes when a policy names it; a viewer's own copy never counts.
        #[derive(Copy, Clone, Debug, Eq, PartialEq)]
        #[allow(missing_docs)]
        pub enum Generated { $($variant,)* }

        impl Generated {
            /// Every one of them.
            pub const ALL: &[Generated] = &[$(Generated::$variant,)*];

            /// The name as it is written to origins.
            pub fn name(self) -> &'static str {
                match self { $(Generated::$variant => $name,)* }
            }

            /// Whether a cache policy may name it; the others only an origin request policy.
            pub fn is_keyable(self) -> bool {
                match self { $(Generated::$variant => $keyable,)* }
            }
        }
    };
}

generated_fields! {
    IsDesktop "CloudFront-Is-Desktop-Viewer" true,
    IsMobile "CloudFront-Is-Mobile-Viewer" true,
    IsTablet "CloudFront-Is-Tablet-Viewer" true,
    IsSmartTv "CloudFront-Is-SmartTV-Viewer" true,
    IsAndroid "CloudFront-Is-Android-Viewer" true,
    IsIos "CloudFront-Is-IOS-Viewer" true,
    Country "CloudFront-Viewer-Country" true,
    City "CloudFront-Viewer-City" true,
    CountryName "CloudFront-Viewer-Country-Name" true,
    Region "CloudFront-Viewer-Country-Region" true,
    RegionName "CloudFront-Viewer-Country-Region-Name" true,
    Latitude "CloudFront-Viewer-Latitude" true,
    Longitude "CloudFront-Viewer-Longitude" true,
    MetroCode "CloudFront-Viewer-Metro-Code" true,
    PostalCode "CloudFront-Viewer-Postal-Code" true,
    TimeZone "CloudFront-Viewer-Time-Zone" true,
    Address "CloudFront-Viewer-Address" false,
    Asn "CloudFront-Viewer-ASN" false,
    ForwardedProto "CloudFront-Forwarded-Proto" true,
    HttpVersion "CloudFront-Viewer-Http-Version" true,
    HeaderOrder "CloudFront-Viewer-Header-Order" false,
    HeaderCount "CloudFront-Viewer-Header-Count" false,
    Tls "CloudFront-Viewer-TLS" false,
    CertSerialNumber "CloudFront-Viewer-Cert-Serial-Number" true,
    CertIssuer "CloudFront-Viewer-Cert-Issuer" true,
    CertSubject "CloudFront-Viewer-Cert-Subject" true,
    CertPresent "CloudFront-Viewer-Cert-Present" true,
    CertSha256 "CloudFront-Viewer-Cert-Sha256" true,
    CertValidity "CloudFront-Viewer-Cert-Validity" false,
    CertPem "CloudFront-Viewer-Cert-Pem" false,
}

/// Longest value of `CloudFront-Viewer-Header-Order` (spec §3.6).
const HEADER_ORDER_BYTES_MAX: usize = 7_680;

impl Generated {
    /// The field of that name, in any case.
    pub fn from_name(name: &str) -> Option<Generated> {
        Generated::ALL
            .iter()
            .copied()
            .find(|field| field.name().eq_ignore_ascii_case(name))
    }

    /// Appends the value; `false` where the edge does not know it, and then there is no field.
    pub fn write(self, request: &RequestHead, viewer: &Viewer, out: &mut Vec<u8>) -> bool {
        let device = || Device::of(request.known(Known::UserAgent).unwrap_or_default());
        let location = viewer.location.as_deref();
        let certificate = viewer.certificate();
        match self {
            Generated::IsDesktop => write_bool(device().desktop, out),
            Generated::IsMobile => write_bool(device().mobile, out),
            Generated::IsTablet => write_bool(device().tablet, out),
            Generated::IsSmartTv => write_bool(device().smart_tv, out),
            Generated::IsAndroid => write_bool(device().android, out),
            Generated::IsIos => write_bool(device().ios, out),
            Generated::Country => write_bytes(location.and_then(|l| l.country).as_ref(), out),
            Generated::City => write_encoded(location.and_then(|l| l.city.as_deref()), out),
            Generated::CountryName => {
                write_encoded(location.and_then(|l| l.country_name.as_deref()), out)
            }
            Generated::Region => write_encoded(location.and_then(|l| l.region.as_deref()), out),
            Generated::RegionName => {
                write_encoded(location.and_then(|l| l.region_name.as_deref()), out)
            }
            Generated::Latitude => write_degrees(location.and_then(|l| l.latitude), out),
            Generated::Longitude => write_degrees(location.and_then(|l| l.longitude), out),
            Generated::MetroCode => write_display(location.and_then(|l| l.metro_code), out),
            Generated::PostalCode => {
                write_encoded(location.and_then(|l| l.postal_code.as_deref()), out)
            }
            Generated::TimeZone => {
                write_encoded(location.and_then(|l| l.time_zone.as_deref()), out)
            }
            Generated::Address => write_display(
                Some(format_args!("{}:{}", viewer.ip(), viewer.peer.port())),
                out,
            ),
            Generated::Asn => write_display(location.and_then(|l| l.asn), out),
            Generated::ForwardedProto => write_bytes(Some(viewer.scheme()), out),
            Generated::HttpVersion => write_bytes(Some(request.version.number()), out),
            Generated::HeaderOrder => {
                let start = out.len();
                for (name, _) in request.iter() {
                    if out.len() > start {
                        out.push(b':');
                    }
                    out.extend_from_slice(name);
                }
                out.truncate(start + HEADER_ORDER_BYTES_MAX);
                true
            }
            Generated::HeaderCount => write_display(Some(request.fields_count()), out),
            Generated::Tls => match &viewer.tls {
                Some(tls) => {
                    let handshake = match tls.resumed {
                        true => "sessionResumed",
                        false => "fullHandshake",
                    };
                    let text = format_args!("{}:{}:{handshake}", tls.protocol, tls.cipher);
                    write_display(Some(text), out)
                }
                None => false,
            },
            Generated::CertPresent => match &viewer.tls {
                Some(_) => write_bytes(Some(certificate.map_or("0", |_| "1")), out),
                None => false,
            },
            Generated::CertSerialNumber => write_bytes(certificate.map(|c| &c.serial_number), out),
            Generated::CertIssuer => write_bytes(certificate.map(|c| &c.issuer), out),
            Generated::CertSubject => write_bytes(certificate.map(|c| &c.subject), out),
            Generated::CertSha256 => write_bytes(certificate.map(|c| &c.sha256), out),
            Generated::CertValidity => write_bytes(certificate.map(|c| &c.validity), out),
            Generated::CertPem => write_bytes(certificate.map(|c| c.pem_url_encoded()), out),
        }
    }
}

fn write_bool(value: bool, out: &mut Vec<u8>) -> bool {
    write_bytes(Some(if value { "true" } else { "false" }), out)
}

fn write_bytes(value: Option<impl AsRef<[u8]>>, out: &mut Vec<u8>) -> bool {
    value.is_some_and(|value| {
        out.extend_from_slice(value.as_ref());
        true
    })
}

fn write_display(value: Option<impl std::fmt::Display>, out: &mut Vec<u8>) -> bool {
    value.is_some_and(|value| write!(out, "{value}").is_ok())
}

fn write_degrees(value: Option<f64>, out: &mut Vec<u8>) -> bool {
    write_display(value.map(|degrees| format!("{degrees:.5}")), out)
}

/// Non-ASCII text is percent-encoded as UTF-8 (spec §3.6).
fn write_encoded(value: Option<&str>, out: &mut Vec<u8>) -> bool {
    let Some(value) = value else { return false };
    for byte in value.bytes() {
        match byte {
            0x20..=0x7e if byte != b'%' => out.push(byte),
            _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::Version;

    fn value(field: Generated) -> Option<String> {
        let mut request = RequestHead::default();
        request.start(b"GET", b"/", Version::Http11);
        request.push(b"Host", b"a");
        request.push(b"X-B", b"c");
        let viewer = Viewer::new("192.0.2.1:4711".parse().unwrap());
        let mut out = Vec::new();
        field
            .write(&request, &viewer, &mut out)
            .then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn what_is_not_known_makes_no_field() {
        assert_eq!(value(Generated::Country), None);
        assert_eq!(value(Generated::Tls), None);
    }

    #[test]
    fn connection_facts_are_told() {
        assert_eq!(value(Generated::Address).as_deref(), Some("192.0.2.1:4711"));
        assert_eq!(value(Generated::ForwardedProto).as_deref(), Some("http"));
        assert_eq!(value(Generated::HttpVersion).as_deref(), Some("1.1"));
        assert_eq!(value(Generated::HeaderOrder).as_deref(), Some("Host:X-B"));
        assert_eq!(value(Generated::HeaderCount).as_deref(), Some("2"));
    }

    #[test]
    fn text_outside_ascii_is_percent_encoded() {
        let mut out = Vec::new();
        assert!(write_encoded(Some("Zürich 8%"), &mut out));
        assert_eq!(String::from_utf8(out).unwrap(), "Z%C3%BCrich 8%25");
    }

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(
            Generated::from_name("cloudfront-viewer-country"),
            Some(Generated::Country)
        );
        assert_eq!(Generated::from_name("X-Viewer-Country"), None);
    }
}
