//! What a certificate says (RFC 5280).

use std::collections::HashSet;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::oid::Oid;
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName, KeyUsage, ParsedExtension};
use x509_parser::oid_registry as oids;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{AttributeTypeAndValue, SubjectPublicKeyInfo};

use crate::limits::CERTIFICATE_BYTES_MAX;
use crate::{KeyAlgorithm, chain, covers, is_certificate_name, signature};

/// What a certificate says, in the words of ACM's `DescribeCertificate`.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// All of it, in DER form.
    pub der: Vec<u8>,
    /// The DNS names of its subject, in lower case and its order, each once; the common name if
    /// it has none of them. What is no name (see [`is_certificate_name`]) is left out.
    pub names: Vec<String>,
    /// The subject's common name.
    pub common_name: Option<String>,
    /// The subject: `CN=example.com`. Values stand as they are, with whatever characters.
    pub subject: String,
    /// The issuer: `C=US, O=Amazon, CN=Amazon RSA 2048 M01`.
    pub issuer: String,
    /// The issuer's common name.
    pub issuer_common_name: Option<String>,
    /// The issuer's organization, which is what ACM tells as `Issuer`.
    pub issuer_organization: Option<String>,
    /// The serial number as hexadecimal bytes: `0a:1b:2c`.
    pub serial: String,
    /// From when on it holds, in seconds since 1970.
    pub not_before_secs: u64,
    /// The last second in which it holds, since 1970.
    pub not_after_secs: u64,
    /// Kind and size of its key, if it is one that ACM knows.
    pub key_algorithm: Option<KeyAlgorithm>,
    /// How it is signed: `SHA256WITHRSA`; `UNKNOWN` for what nobody uses for sites.
    pub signature_algorithm: &'static str,
    /// What its key is for, as ACM's `KeyUsageName`; nothing if it does not say, which ACM tells
    /// as `ANY`.
    pub key_usages: Vec<&'static str>,
    /// What it is for, as ACM's `ExtendedKeyUsageName`, and the object identifiers; nothing if it
    /// does not say, which ACM tells as `NONE`.
    pub extended_key_usages: Vec<(&'static str, String)>,
    /// Whether it may sign certificates.
    pub is_authority: bool,
    /// Where its authority tells of its state.
    pub ocsp_url: Option<String>,
    /// The digest that tells certificates apart.
    pub sha256: [u8; 32],
    /// The subject's name in DER form.
    pub subject_der: Vec<u8>,
    /// The issuer's name in DER form.
    pub issuer_der: Vec<u8>,
    /// The public key (`SubjectPublicKeyInfo`) in DER form.
    pub public_key_der: Vec<u8>,
    /// The bits of the public key.
    pub(crate) public_key: Vec<u8>,
    /// The serial number, as its INTEGER holds it.
    pub(crate) serial_bytes: Vec<u8>,
    /// The subject's key identifier.
    pub(crate) key_identifier: Option<Vec<u8>>,
}

/// A certificate cannot be read; the fault of who brought it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No certificate is there.
    #[error("it holds no certificate: PEM is expected, -----BEGIN CERTIFICATE----- and so on")]
    Missing,
    /// The text is not PEM.
    #[error("it is not PEM at line {line}")]
    Pem {
        /// The line, from 1.
        line: usize,
    },
    /// Something else is in it.
    #[error("it holds a block {label:?}, and certificates alone are expected")]
    Other {
        /// What the block is.
        label: String,
    },
    /// It is no X.509 certificate.
    #[error("certificate {number} is not in the form of X.509: {what}")]
    Form {
        /// Which one, from 1.
        number: usize,
        /// What is wrong.
        what: String,
    },
    /// It has more bytes than are read.
    #[error("it has {bytes} bytes, and at most {max} are read")]
    TooLong {
        /// How many it has.
        bytes: usize,
        /// How many are read.
        max: usize,
    },
    /// There are more certificates than are read.
    #[error("it holds more than {max} certificates")]
    TooMany {
        /// How many are read.
        max: usize,
    },
}

impl Certificate {
    /// Reads a certificate in DER form, with nothing after it.
    pub fn from_der(der: &[u8]) -> Result<Certificate, ReadError> {
        let bytes = der.len();
        if bytes > CERTIFICATE_BYTES_MAX {
            let max = CERTIFICATE_BYTES_MAX;
            return Err(ReadError::TooLong { bytes, max });
        }
        let form = |what: String| ReadError::Form { number: 1, what };
        let (rest, read) =
            X509Certificate::from_der(der).map_err(|error| form(error.to_string()))?;
        if !rest.is_empty() {
            return Err(form(format!("{} bytes follow it", rest.len())));
        }
        read_extensions(&read, from_fields(der, &read)).map_err(form)
    }

    /// Reads the first certificate of a text in PEM form.
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Certificate, ReadError> {
        let first = chain::read(pem.as_ref())?.into_iter().next();
        first.ok_or(ReadError::Missing)
    }

    /// In PEM form.
    pub fn to_pem(&self) -> String {
        chain::to_pem([&self.der])
    }

    /// Whether one of its names covers a name (see [`covers`]).
    pub fn covers(&self, name: &str) -> bool {
        self.names.iter().any(|pattern| covers(pattern, name))
    }

    /// Whether it holds at this time.
    pub fn holds_at(&self, now_secs: u64) -> bool {
        (self.not_before_secs..=self.not_after_secs).contains(&now_secs)
    }

    /// Whether its issuer has the name of this one, and the signature is by this one's key. Says
    /// nothing of what the issuer may do, nor of times.
    pub fn is_signed_by(&self, issuer: &Certificate) -> bool {
        self.issuer_der == issuer.subject_der
            && signature::of_signed(&self.der).is_some_and(|signed| signed.is_by(issuer))
    }

    /// Whether subject and issuer are the same.
    pub fn is_self_issued(&self) -> bool {
        self.subject_der == self.issuer_der
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = formatter.debug_struct("Certificate");
        text.field("subject", &self.subject)
            .field("names", &self.names)
            .field("serial", &self.serial)
            .field("not_before_secs", &self.not_before_secs)
            .field("not_after_secs", &self.not_after_secs)
            .finish_non_exhaustive()
    }
}

/// Extensions that say what a certificate is for: it is not read where these are not. Others may
/// be anything.
const COUNTING: [&Oid<'_>; 4] = [
    &oids::OID_X509_EXT_SUBJECT_ALT_NAME,
    &oids::OID_X509_EXT_BASIC_CONSTRAINTS,
    &oids::OID_X509_EXT_KEY_USAGE,
    &oids::OID_X509_EXT_EXTENDED_KEY_USAGE,
];

fn from_fields(der: &[u8], read: &X509Certificate<'_>) -> Certificate {
    let seconds = |seconds: i64| u64::try_from(seconds).unwrap_or(0);
    let common_name = first_text(read.subject().iter_common_name());
    let sha256 = digest(&SHA256, der).as_ref().try_into();
    Certificate {
        der: der.to_vec(),
        names: Vec::new(),
        common_name,
        subject: read.subject().to_string(),
        issuer: read.issuer().to_string(),
        issuer_common_name: first_text(read.issuer().iter_common_name()),
        issuer_organization: first_text(read.issuer().iter_organization()),
        serial: serial_text(read.raw_serial()),
        not_before_secs: seconds(read.validity().not_before.timestamp()),
        not_after_secs: seconds(read.validity().not_after.timestamp()),
        key_algorithm: key_algorithm(read.public_key()),
        signature_algorithm: signature::of_signed(der).map_or("UNKNOWN", |signed| signed.name()),
        key_usages: Vec::new(),
        extended_key_usages: Vec::new(),
        is_authority: false,
        ocsp_url: None,
        sha256: sha256.expect("a digest of SHA-256 is 32 bytes"),
        subject_der: read.subject().as_raw().to_vec(),
        issuer_der: read.issuer().as_raw().to_vec(),
        public_key_der: read.public_key().raw.to_vec(),
        public_key: read.public_key().subject_public_key.data.to_vec(),
        serial_bytes: read.raw_serial().to_vec(),
        key_identifier: None,
    }
}

fn read_extensions(
    read: &X509Certificate<'_>,
    mut certificate: Certificate,
) -> Result<Certificate, String> {
    // Twice the same extension is refused: which one counts would be for readers to choose.
    read.extensions_map().map_err(|error| error.to_string())?;
    for extension in read.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => {
                let names = names.general_names.iter().filter_map(|name| match name {
                    GeneralName::DNSName(name) => Some(*name),
                    _ => None,
                });
                certificate.names = certificate_names(names);
            }
            ParsedExtension::BasicConstraints(constraints) => {
                certificate.is_authority = constraints.ca;
            }
            ParsedExtension::KeyUsage(usage) => certificate.key_usages = key_usages(usage),
            ParsedExtension::ExtendedKeyUsage(usage) => {
                certificate.extended_key_usages = extended_key_usages(usage);
            }
            ParsedExtension::AuthorityInfoAccess(access) => {
                let responders = access.accessdescs.iter().filter(|description| {
                    description.access_method == oids::OID_PKIX_ACCESS_DESCRIPTOR_OCSP
                });
                let mut urls =
                    responders.filter_map(|description| match description.access_location {
                        GeneralName::URI(url) => Some(url.to_owned()),
                        _ => None,
                    });
                certificate.ocsp_url = urls.next();
            }
            ParsedExtension::SubjectKeyIdentifier(identifier) => {
                certificate.key_identifier = Some(identifier.0.to_vec());
            }
            ParsedExtension::ParseError { error } if COUNTING.contains(&&extension.oid) => {
                return Err(format!("extension {}: {error}", extension.oid));
            }
            _ => {}
        }
    }
    if certificate.names.is_empty() {
        certificate.names = certificate_names(certificate.common_name.as_deref());
    }
    Ok(certificate)
}

fn certificate_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut seen = HashSet::new();
    let names = names.into_iter().filter(|name| is_certificate_name(name));
    let names = names.map(str::to_ascii_lowercase);
    names.filter(|name| seen.insert(name.clone())).collect()
}

fn first_text<'a>(
    mut attributes: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>,
) -> Option<String> {
    let text = attributes.next()?.as_str().ok()?;
    Some(text.to_owned())
}

fn serial_text(bytes: &[u8]) -> String {
    // A first zero is there for the sign alone.
    let bytes = match bytes {
        [0, rest @ ..] if !rest.is_empty() => rest,
        bytes => bytes,
    };
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(":")
}

fn key_algorithm(key: &SubjectPublicKeyInfo<'_>) -> Option<KeyAlgorithm> {
    if key.algorithm.algorithm == oids::OID_PKCS1_RSAENCRYPTION {
        let PublicKey::RSA(key) = key.parsed().ok()? else {
            return None;
        };
        return KeyAlgorithm::of_rsa(key.modulus);
    }
    if key.algorithm.algorithm != oids::OID_KEY_TYPE_EC_PUBLIC_KEY {
        return None;
    }
    let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?;
    let curves = [
        (oids::OID_EC_P256, KeyAlgorithm::EcP256),
        (oids::OID_NIST_EC_P384, KeyAlgorithm::EcP384),
        (oids::OID_NIST_EC_P521, KeyAlgorithm::EcP521),
    ];
    let found = curves.into_iter().find(|(oid, _)| *oid == curve);
    found.map(|(_, algorithm)| algorithm)
}

fn key_usages(usage: &KeyUsage) -> Vec<&'static str> {
    let usages = [
        (usage.digital_signature(), "DIGITAL_SIGNATURE"),
        (usage.non_repudiation(), "NON_REPUDIATION"),
        (usage.key_encipherment(), "KEY_ENCIPHERMENT"),
        (usage.data_encipherment(), "DATA_ENCIPHERMENT"),
        (usage.key_agreement(), "KEY_AGREEMENT"),
        (usage.key_cert_sign(), "CERTIFICATE_SIGNING"),
        (usage.crl_sign(), "CRL_SIGNING"),
        (usage.encipher_only(), "ENCIPHER_ONLY"),
        (usage.decipher_only(), "DECIPHER_ONLY"),
    ];
    let said = usages.into_iter().filter(|(is_said, _)| *is_said);
    said.map(|(_, name)| name).collect()
}

fn extended_key_usages(usage: &ExtendedKeyUsage<'_>) -> Vec<(&'static str, String)> {
    let usages = [
        (
            usage.server_auth,
            "TLS_WEB_SERVER_AUTHENTICATION",
            "1.3.6.1.5.5.7.3.1",
        ),
        (
            usage.client_auth,
            "TLS_WEB_CLIENT_AUTHENTICATION",
            "1.3.6.1.5.5.7.3.2",
        ),
        (usage.code_signing, "CODE_SIGNING", "1.3.6.1.5.5.7.3.3"),
        (
            usage.email_protection,
            "EMAIL_PROTECTION",
            "1.3.6.1.5.5.7.3.4",
        ),
        (usage.time_stamping, "TIME_STAMPING", "1.3.6.1.5.5.7.3.8"),
        (usage.ocsp_signing, "OCSP_SIGNING", "1.3.6.1.5.5.7.3.9"),
        (usage.any, "ANY", "2.5.29.37.0"),
    ];
    let said = usages.into_iter().filter(|(is_said, _, _)| *is_said);
    let known = said.map(|(_, name, oid)| (name, oid.to_owned()));
    let others = usage
        .other
        .iter()
        .map(|oid| (other_usage(oid), oid.to_id_string()));
    known.chain(others).collect()
}

fn other_usage(oid: &Oid<'_>) -> &'static str {
    match oid.to_id_string().as_str() {
        "1.3.6.1.5.5.7.3.5" => "IPSEC_END_SYSTEM",
        "1.3.6.1.5.5.7.3.6" => "IPSEC_TUNNEL",
        "1.3.6.1.5.5.7.3.7" => "IPSEC_USER",
        _ => "CUSTOM",
    }
}
