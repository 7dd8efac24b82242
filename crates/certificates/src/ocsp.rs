//! What authorities say of the state of certificates (OCSP, RFC 6960): requests to their
//! responders, and what these answer.
//!
//! ```text
//! SEQUENCE { ENUMERATED status, [0] SEQUENCE { OID basic, OCTET STRING { BasicOCSPResponse } } }
//!
//! SEQUENCE {                                                       BasicOCSPResponse
//!   SEQUENCE {                                                     ResponseData
//!     [0] version OPTIONAL
//!     [1] Name or [2] OCTET STRING of the key's SHA-1              who answers
//!     GeneralizedTime
//!     SEQUENCE OF SEQUENCE {                                       SingleResponse
//!       SEQUENCE { AlgorithmIdentifier, OCTET STRING hash of the issuer's name,
//!                  OCTET STRING hash of its key, INTEGER serial }  CertID
//!       [0] good, [1] { GeneralizedTime, [0] ENUMERATED reason } revoked, [2] unknown
//!       GeneralizedTime thisUpdate, [0] GeneralizedTime nextUpdate OPTIONAL, … } }
//!   AlgorithmIdentifier, BIT STRING signature, [0] SEQUENCE OF Certificate OPTIONAL }
//! ```

use aws_lc_rs::digest::{self, Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use crate::Certificate;
use crate::der::{
    self, ENUMERATED, GENERALIZED_TIME, INTEGER, NULL, OCTET_STRING, OID, Reader, SEQUENCE, Value,
};
use crate::limits::{
    OCSP_CLOCK_SKEW_SECS, OCSP_LIFE_SECS, OCSP_PARTS_MAX, OCSP_RESPONSE_BYTES_MAX,
};
use crate::signature::{self, Signed};

// 1.3.14.3.2.26, 2.16.840.1.101.3.4.2.1, 1.3.6.1.5.5.7.48.1.1
const SHA1_OID: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
const SHA256_OID: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
const BASIC: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];

/// Reasons of revocation (RFC 5280 §5.3.1) as ACM's `RevocationReason` names them; 7 is not used.
const REASONS: [&str; 11] = [
    "UNSPECIFIED",
    "KEY_COMPROMISE",
    "CA_COMPROMISE",
    "AFFILIATION_CHANGED",
    "SUPERSEDED",
    "CESSATION_OF_OPERATION",
    "CERTIFICATE_HOLD",
    "UNSPECIFIED",
    "REMOVE_FROM_CRL",
    "PRIVILEGE_WITHDRAWN",
    "A_A_COMPROMISE",
];

/// What is said of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// How it stands.
    pub status: Status,
    /// Since when that is known, in seconds since 1970.
    pub this_update_secs: u64,
    /// When something newer will be known, in seconds since 1970.
    pub next_update_secs: Option<u64>,
}

/// How a certificate stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    Good,
    /// It was revoked.
    Revoked {
        /// When, in seconds since 1970.
        at_secs: u64,
        /// Why, as ACM's `RevocationReason` names it.
        reason: &'static str,
    },
    /// The responder does not know it.
    Unknown,
}

/// A response says nothing that can be relied on; the fault of the responder, or of who stands
/// between.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OcspError {
    /// It has more bytes than are read.
    #[error("it has {bytes} bytes, and at most {OCSP_RESPONSE_BYTES_MAX} are read")]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// It is not in the form of an OCSP response.
    #[error("it is not in the form of an OCSP response")]
    Form,
    /// The responder does not answer (RFC 6960 §4.2.1).
    #[error("the responder does not answer: status {status}, {}", refusal(*.status))]
    Refused {
        /// `OCSPResponseStatus`.
        status: u8,
    },
    /// It is not about this certificate.
    #[error("it is about another certificate")]
    Other,
    /// It is not signed by the issuer, nor by somebody whom the issuer lets answer.
    #[error("it is signed by nobody who may answer for the issuer")]
    Signer,
    /// Its time has not come.
    #[error("it is from {this_update_secs}, which is to come")]
    Early {
        /// Its time, in seconds since 1970.
        this_update_secs: u64,
    },
    /// Its time is over.
    #[error("it was outdated at {outdated_secs}")]
    Outdated {
        /// When something newer was to be known, in seconds since 1970.
        outdated_secs: u64,
    },
}

/// The question for a certificate and its issuer, in DER form: the body of a `POST` with
/// `Content-Type: application/ocsp-request`. There is no nonce, so that responders can answer
/// with what they have signed already.
pub fn request(leaf: &Certificate, issuer: &Certificate) -> Vec<u8> {
    let sequence = |parts: &[&[u8]]| der::write(SEQUENCE, parts);
    let hash = |bytes: &[u8]| {
        let hash = digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes);
        der::write(OCTET_STRING, &[hash.as_ref()])
    };
    let algorithm = sequence(&[&der::write(OID, &[SHA1_OID]), &der::write(NULL, &[])]);
    let (name, key) = (hash(&issuer.subject_der), hash(&issuer.public_key));
    let serial = der::write(INTEGER, &[&leaf.serial_bytes]);
    let certificate = sequence(&[&algorithm, &name, &key, &serial]);
    // OCSPRequest of TBSRequest of a list of Requests.
    let requests = sequence(&[&sequence(&[&certificate])]);
    sequence(&[&sequence(&[&requests])])
}

/// Reads a response in DER form: it must be about the certificate, signed by its issuer or by
/// somebody whom the issuer lets answer, and neither outdated nor from the future.
pub fn read(
    der: &[u8],
    leaf: &Certificate,
    issuer: &Certificate,
    now_secs: u64,
) -> Result<Response, OcspError> {
    if der.len() > OCSP_RESPONSE_BYTES_MAX {
        return Err(OcspError::TooLong { bytes: der.len() });
    }
    let basic = basic(der)?;
    let read = parts(basic).ok_or(OcspError::Form)?;
    let response = single(read.responses, leaf, issuer)?;
    let this_update_secs = response.this_update_secs;
    if this_update_secs > now_secs.saturating_add(OCSP_CLOCK_SKEW_SECS) {
        return Err(OcspError::Early { this_update_secs });
    }
    let unsaid_secs = this_update_secs.saturating_add(OCSP_LIFE_SECS);
    let outdated_secs = response.next_update_secs.unwrap_or(unsaid_secs);
    if now_secs > outdated_secs {
        return Err(OcspError::Outdated { outdated_secs });
    }
    if !is_signed(&read, issuer, now_secs) {
        return Err(OcspError::Signer);
    }
    Ok(response)
}

/// Who answers.
enum Responder<'a> {
    Name(&'a [u8]),
    Key(&'a [u8]),
}

struct Parts<'a> {
    signed: Signed<'a>,
    responder: Responder<'a>,
    responses: Reader<'a>,
    certificates: Reader<'a>,
}

fn refusal(status: u8) -> &'static str {
    match status {
        1 => "the request is malformed",
        2 => "internal error",
        3 => "try later",
        5 => "requests must be signed",
        6 => "unauthorized: it does not answer for this certificate",
        _ => "unknown",
    }
}

/// `BasicOCSPResponse`, out of what is around it.
fn basic(der: &[u8]) -> Result<&[u8], OcspError> {
    let mut reader = Reader::new(der);
    let mut outer = reader.inside(SEQUENCE).ok_or(OcspError::Form)?;
    if !reader.is_empty() {
        return Err(OcspError::Form);
    }
    match outer.expect(ENUMERATED).map(|status| status.content) {
        Some([0]) => {}
        Some([status]) => return Err(OcspError::Refused { status: *status }),
        _ => return Err(OcspError::Form),
    }
    let mut bytes = || {
        let mut bytes = outer.inside(der::context(0))?.inside(SEQUENCE)?;
        let is_basic = bytes.expect(OID)?.content == BASIC;
        let basic = bytes.expect(OCTET_STRING)?;
        is_basic.then_some(basic.content)
    };
    bytes().ok_or(OcspError::Form)
}

fn parts(basic: &[u8]) -> Option<Parts<'_>> {
    let signed = signature::of_signed(basic)?;
    let mut outer = Reader::new(basic).inside(SEQUENCE)?;
    let mut data = outer.inside(SEQUENCE)?;
    outer.expect(SEQUENCE)?;
    outer.value()?;
    let certificates = match outer.optional(der::context(0)) {
        Some(certificates) => certificates.inside().inside(SEQUENCE)?,
        None => Reader::new(&[]),
    };
    data.optional(der::context(0));
    let responder = match data.value()? {
        name if name.tag == der::context(1) => Responder::Name(name.content),
        key if key.tag == der::context(2) => {
            Responder::Key(key.inside().expect(OCTET_STRING)?.content)
        }
        _ => return None,
    };
    data.expect(GENERALIZED_TIME)?;
    let responses = data.inside(SEQUENCE)?;
    Some(Parts {
        signed,
        responder,
        responses,
        certificates,
    })
}

/// Whether the issuer signed it, or a responder whom the issuer says may do so (§4.2.2.2).
fn is_signed(parts: &Parts<'_>, issuer: &Certificate, now_secs: u64) -> bool {
    let is_responder = |certificate: &Certificate| match parts.responder {
        Responder::Name(name) => name == certificate.subject_der,
        Responder::Key(hash) => {
            digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, &certificate.public_key).as_ref() == hash
        }
    };
    let may_answer = |certificate: &Certificate| {
        let mut usages = certificate.extended_key_usages.iter();
        usages.any(|(usage, _)| *usage == "OCSP_SIGNING")
            && certificate.holds_at(now_secs)
            && certificate.is_signed_by(issuer)
    };
    if is_responder(issuer) && parts.signed.is_by(issuer) {
        return true;
    }
    let mut certificates = parts.certificates;
    let delegates = std::iter::from_fn(|| certificates.expect(SEQUENCE)).take(OCSP_PARTS_MAX);
    let mut delegates = delegates.filter_map(|der| Certificate::from_der(der.raw).ok());
    delegates.any(|delegate| {
        is_responder(&delegate) && may_answer(&delegate) && parts.signed.is_by(&delegate)
    })
}

/// What is said of this certificate among what is said.
fn single(
    mut responses: Reader<'_>,
    leaf: &Certificate,
    issuer: &Certificate,
) -> Result<Response, OcspError> {
    for _ in 0..OCSP_PARTS_MAX {
        if responses.is_empty() {
            break;
        }
        let mut response = responses.inside(SEQUENCE).ok_or(OcspError::Form)?;
        let id = response.inside(SEQUENCE).ok_or(OcspError::Form)?;
        if is_about(id, leaf, issuer).ok_or(OcspError::Form)? {
            return said(response).ok_or(OcspError::Form);
        }
    }
    Err(OcspError::Other)
}

fn is_about(mut id: Reader<'_>, leaf: &Certificate, issuer: &Certificate) -> Option<bool> {
    let oid = id.inside(SEQUENCE)?.expect(OID)?.content;
    let name = id.expect(OCTET_STRING)?.content;
    let key = id.expect(OCTET_STRING)?.content;
    let serial = id.expect(INTEGER)?.content;
    let algorithm: &'static Algorithm = match oid {
        SHA1_OID => &SHA1_FOR_LEGACY_USE_ONLY,
        SHA256_OID => &SHA256,
        _ => return Some(false),
    };
    let is_hash = |hash: &[u8], of: &[u8]| digest::digest(algorithm, of).as_ref() == hash;
    let is_serial = serial == leaf.serial_bytes;
    Some(is_serial && is_hash(name, &issuer.subject_der) && is_hash(key, &issuer.public_key))
}

fn said(mut response: Reader<'_>) -> Option<Response> {
    let status = response.value()?;
    let this_update_secs = seconds(response.expect(GENERALIZED_TIME)?)?;
    let next_update_secs = match response.optional(der::context(0)) {
        Some(next) => Some(seconds(next.inside().expect(GENERALIZED_TIME)?)?),
        None => None,
    };
    let status = match status.tag {
        tag if tag == der::context_primitive(0) => Status::Good,
        tag if tag == der::context_primitive(2) => Status::Unknown,
        tag if tag == der::context(1) => {
            let mut revoked = status.inside();
            let at_secs = seconds(revoked.expect(GENERALIZED_TIME)?)?;
            let number = match revoked.optional(der::context(0)) {
                Some(reason) => *reason.inside().expect(ENUMERATED)?.content.first()?,
                None => 0,
            };
            let reason = REASONS.get(usize::from(number)).copied();
            let reason = reason.unwrap_or(REASONS[0]);
            Status::Revoked { at_secs, reason }
        }
        _ => return None,
    };
    Some(Response {
        status,
        this_update_secs,
        next_update_secs,
    })
}

/// Seconds since 1970 of `YYYYMMDDHHMMSSZ`, the one form of a time in certificates and responses
/// (RFC 5280 §4.1.2.5.2).
fn seconds(time: Value<'_>) -> Option<u64> {
    let digits = time.content.strip_suffix(b"Z")?;
    if digits.len() != 14 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = digits[from..to].iter();
        digits.fold(0u64, |all, digit| all * 10 + u64::from(digit - b'0'))
    };
    let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
    let (hour, minute, second) = (number(8, 10), number(10, 12), number(12, 14));
    let is_time = (1..=12).contains(&month) && (1..=31).contains(&day);
    if year < 1970 || !is_time || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Years from March on have their odd day at their end.
    let (year, month) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1;
    // Days from March of the year 0 to 1970.
    let days = days.checked_sub(719_468)?;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}
