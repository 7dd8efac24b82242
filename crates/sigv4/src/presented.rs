use std::collections::BTreeMap;

use crate::canonical::{SIGNATURE_PARAMETER, decode, parameters, unhex};
use crate::{Request, VerifyError, limits, time};

/// How a request is signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// `AWS4-HMAC-SHA256`: for one region.
    HmacSha256,
    /// `AWS4-ECDSA-P256-SHA256`, SigV4A: for a set of regions.
    EcdsaP256Sha256,
}

impl Algorithm {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::HmacSha256 => "AWS4-HMAC-SHA256",
            Self::EcdsaP256Sha256 => "AWS4-ECDSA-P256-SHA256",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let all = [Self::HmacSha256, Self::EcdsaP256Sha256];
        all.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// Whose key signed, and what it was derived for: `AKID/day/region/service/aws4_request`, without
/// the region for SigV4A.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credential {
    /// The access key id. Not verified yet: a claim.
    pub access_key_id: String,
    /// The day, `YYYYMMDD`.
    pub date: String,
    /// The region; none for SigV4A.
    pub region: Option<String>,
    /// The service's signing name, such as `cloudfront`.
    pub service: String,
}

impl Credential {
    /// Everything but the access key: the scope that is signed.
    pub(crate) fn scope(&self) -> String {
        match &self.region {
            Some(region) => format!("{}/{region}/{}/aws4_request", self.date, self.service),
            None => format!("{}/{}/aws4_request", self.date, self.service),
        }
    }

    fn parse(text: &str, algorithm: Algorithm) -> Option<Self> {
        let mut parts = text.rsplit('/');
        if parts.next()? != "aws4_request" {
            return None;
        }
        let service = parts.next()?.to_owned();
        let region = match algorithm {
            Algorithm::HmacSha256 => Some(parts.next()?.to_owned()),
            Algorithm::EcdsaP256Sha256 => None,
        };
        let date = parts.next()?.to_owned();
        let access_key_id = parts.next()?.to_owned();
        let is_name = |name: &str, longest: usize| {
            !name.is_empty()
                && name.len() <= longest
                && name.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let fits = parts.next().is_none()
            && is_name(&access_key_id, limits::ACCESS_KEY_ID_BYTES_MAX)
            && is_name(&service, limits::SCOPE_PART_BYTES_MAX)
            && (region.as_deref()).is_none_or(|name| is_name(name, limits::SCOPE_PART_BYTES_MAX))
            && date.len() == 8
            && date.bytes().all(|byte| byte.is_ascii_digit());
        fits.then_some(Self {
            access_key_id,
            date,
            region,
            service,
        })
    }
}

/// Where a signature stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// In the `Authorization` header.
    Header,
    /// In the query: a presigned URL.
    Query {
        /// For how long it is valid from its time on, seconds; none if it does not say.
        expires_secs: Option<u64>,
    },
}

/// A signature as a request presents it, well-formed but not verified: claims all of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Presented {
    /// How it was made.
    pub algorithm: Algorithm,
    /// With whose key, for which service.
    pub credential: Credential,
    /// When, seconds since the epoch.
    pub signed_secs: u64,
    /// Header or query.
    pub form: Form,
    /// Names of the headers that it covers: lower case, ascending, `host` among them.
    pub signed_headers: Vec<String>,
    /// `X-Amz-Security-Token`, if the key is one of a session.
    pub session_token: Option<String>,
    /// `X-Amz-Region-Set` for SigV4A: region names or patterns with commas between.
    pub region_set: Option<String>,
    /// The signature's bytes: an HMAC, or ECDSA in DER.
    pub(crate) signature: Vec<u8>,
}

/// Finds the signature of a request, in its `Authorization` header or in its query, and says what
/// it claims, so that the caller can look the secret up.
///
/// # Errors
/// [`VerifyError::Missing`] if there is none; [`VerifyError::Incomplete`] if a part is missing or
/// malformed, or if there are two.
pub fn parse(request: &Request<'_>) -> Result<Presented, VerifyError> {
    let authorization = request.single_text("authorization")?;
    let query = query_parameters(request.query)?;
    let is_presigned =
        query.contains_key("X-Amz-Algorithm") || query.contains_key(SIGNATURE_PARAMETER);
    match (authorization, is_presigned) {
        (None, false) => Err(VerifyError::Missing),
        (Some(_), true) => Err(incomplete(
            "there is one in the Authorization header and one in the query",
        )),
        (Some(text), false) => from_header(request, text),
        (None, true) => from_query(&query),
    }
}

fn incomplete(what: impl Into<String>) -> VerifyError {
    VerifyError::Incomplete(what.into())
}

fn from_header(request: &Request<'_>, text: &str) -> Result<Presented, VerifyError> {
    if text.len() > limits::AUTHORIZATION_BYTES_MAX {
        return Err(incomplete(format!(
            "the Authorization header has {} bytes, and {} are allowed",
            text.len(),
            limits::AUTHORIZATION_BYTES_MAX
        )));
    }
    let (name, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let algorithm = known_algorithm(name)?;
    let mut parts = [None; 3];
    const NAMES: [&str; 3] = ["Credential", "SignedHeaders", "Signature"];
    for pair in rest.split(',') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let known = NAMES.iter().position(|known| *known == name.trim());
        let Some(part) = known.map(|index| &mut parts[index]) else {
            return Err(incomplete(format!(
                "the Authorization header has a part {:?}; {} are known",
                name.trim(),
                NAMES.join(", ")
            )));
        };
        if part.replace(value.trim()).is_some() {
            return Err(incomplete(format!(
                "the Authorization header has {} twice",
                name.trim()
            )));
        }
    }
    let part = |index: usize| {
        let missing = || incomplete(format!("the Authorization header lacks {}", NAMES[index]));
        parts[index].ok_or_else(missing)
    };
    let text_of = |name: &str| Ok(request.single_text(name)?.map(str::to_owned));
    Ok(Presented {
        algorithm,
        credential: credential(part(0)?, algorithm)?,
        signed_headers: signed_headers(part(1)?)?,
        signature: signature(part(2)?, algorithm)?,
        signed_secs: header_time(request)?,
        form: Form::Header,
        session_token: text_of("x-amz-security-token")?,
        region_set: region_set(text_of("x-amz-region-set")?, algorithm)?,
    })
}

/// The time of a signature in the header: `X-Amz-Date`, or else `Date` in either of two forms.
fn header_time(request: &Request<'_>) -> Result<u64, VerifyError> {
    if let Some(text) = request.single_text("x-amz-date")? {
        return timestamp("X-Amz-Date", text);
    }
    let Some(text) = request.single_text("date")? else {
        return Err(incomplete("there is neither X-Amz-Date nor Date"));
    };
    // Python's library writes UTC as an offset of which nothing is known (RFC 5322 §3.3).
    let http_date = match text.strip_suffix("-0000") {
        Some(rest) => format!("{rest}GMT"),
        None => text.to_owned(),
    };
    match message::parse_http_date(http_date.as_bytes()) {
        Some(secs) => Ok(secs),
        None => timestamp("Date", text),
    }
}

fn from_query(query: &BTreeMap<String, String>) -> Result<Presented, VerifyError> {
    let optional = |name: &str| query.get(name).map(String::as_str);
    let required =
        |name: &str| optional(name).ok_or_else(|| incomplete(format!("the query lacks {name}")));
    let algorithm = known_algorithm(required("X-Amz-Algorithm")?)?;
    let expires_secs = optional("X-Amz-Expires").map(expires).transpose()?;
    let region_set_text = optional("X-Amz-Region-Set").map(str::to_owned);
    Ok(Presented {
        algorithm,
        credential: credential(required("X-Amz-Credential")?, algorithm)?,
        signed_headers: signed_headers(required("X-Amz-SignedHeaders")?)?,
        signature: signature(required(SIGNATURE_PARAMETER)?, algorithm)?,
        signed_secs: timestamp("X-Amz-Date", required("X-Amz-Date")?)?,
        form: Form::Query { expires_secs },
        session_token: optional("X-Amz-Security-Token").map(str::to_owned),
        region_set: region_set(region_set_text, algorithm)?,
    })
}

/// The parameters of a query that have to do with signatures, decoded. None may stand twice.
fn query_parameters(query: &str) -> Result<BTreeMap<String, String>, VerifyError> {
    let mut found = BTreeMap::new();
    for (name, value) in parameters(query) {
        let Ok(name) = String::from_utf8(decode(name)) else {
            continue;
        };
        if !name.starts_with("X-Amz-") {
            continue;
        }
        let Ok(value) = String::from_utf8(decode(value)) else {
            return Err(incomplete(format!("{name} in the query is not text")));
        };
        if found.insert(name.clone(), value).is_some() {
            return Err(incomplete(format!("{name} is in the query twice")));
        }
    }
    Ok(found)
}

fn known_algorithm(name: &str) -> Result<Algorithm, VerifyError> {
    Algorithm::parse(name).ok_or_else(|| {
        incomplete(format!(
            "the algorithm is {:?}, and {} and {} are known",
            shortened(name),
            Algorithm::HmacSha256.name(),
            Algorithm::EcdsaP256Sha256.name()
        ))
    })
}

fn credential(text: &str, algorithm: Algorithm) -> Result<Credential, VerifyError> {
    let form = match algorithm {
        Algorithm::HmacSha256 => "KEY-ID/YYYYMMDD/REGION/SERVICE/aws4_request",
        Algorithm::EcdsaP256Sha256 => "KEY-ID/YYYYMMDD/SERVICE/aws4_request",
    };
    Credential::parse(text, algorithm).ok_or_else(|| {
        let text = shortened(text);
        incomplete(format!("the credential is {text:?}, and not {form}"))
    })
}

fn signed_headers(text: &str) -> Result<Vec<String>, VerifyError> {
    let names: Vec<String> = text.split(';').map(str::to_owned).collect();
    if names.len() > limits::SIGNED_HEADERS_MAX {
        return Err(incomplete(format!(
            "{} headers are signed, and {} may be",
            names.len(),
            limits::SIGNED_HEADERS_MAX
        )));
    }
    let is_token = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
    };
    if let Some(wrong) = names
        .iter()
        .find(|name| name.is_empty() || !name.bytes().all(is_token))
    {
        let wrong = shortened(wrong);
        return Err(incomplete(format!(
            "{wrong:?} in SignedHeaders is not a header name in lower case"
        )));
    }
    if let Some(pair) = names.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(incomplete(format!(
            "SignedHeaders must be sorted, without repetition: {:?} follows {:?}",
            shortened(&pair[1]),
            shortened(&pair[0])
        )));
    }
    Ok(names)
}

fn signature(text: &str, algorithm: Algorithm) -> Result<Vec<u8>, VerifyError> {
    let (fits, form) = match algorithm {
        Algorithm::HmacSha256 => (text.len() == 64, "64"),
        Algorithm::EcdsaP256Sha256 => (
            (16..=limits::SIGNATURE_HEX_BYTES_MAX).contains(&text.len()),
            "16 to 144",
        ),
    };
    let bytes = fits.then(|| unhex(text)).flatten();
    bytes.ok_or_else(|| {
        incomplete(format!(
            "the signature is not {form} lower-case hexadecimal digits"
        ))
    })
}

fn timestamp(name: &str, text: &str) -> Result<u64, VerifyError> {
    time::parse(text).ok_or_else(|| {
        let text = shortened(text);
        incomplete(format!("{name} is {text:?}, and not YYYYMMDDTHHMMSSZ"))
    })
}

fn expires(text: &str) -> Result<u64, VerifyError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let secs = text
        .parse()
        .ok()
        .filter(|secs| digits && (1..=limits::PRESIGNED_EXPIRES_SECS_MAX).contains(secs));
    secs.ok_or_else(|| {
        let (text, longest) = (shortened(text), limits::PRESIGNED_EXPIRES_SECS_MAX);
        incomplete(format!(
            "X-Amz-Expires is {text:?}, and 1 to {longest} seconds are allowed"
        ))
    })
}

fn region_set(text: Option<String>, algorithm: Algorithm) -> Result<Option<String>, VerifyError> {
    match (text, algorithm) {
        (_, Algorithm::HmacSha256) => Ok(None),
        (Some(text), _) if text.len() <= limits::SCOPE_PART_BYTES_MAX => Ok(Some(text)),
        (Some(text), _) => Err(incomplete(format!(
            "X-Amz-Region-Set has {} bytes, and {} are allowed",
            text.len(),
            limits::SCOPE_PART_BYTES_MAX
        ))),
        (None, _) => Err(incomplete("there is no X-Amz-Region-Set")),
    }
}

/// The beginning of something that a client sent, for a message.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(64)]
}
