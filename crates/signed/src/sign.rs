//! Making signed URLs and cookies: canned policies where an end is all that is asked for, custom
//! ones for everything else. Signatures are over SHA-256, and `Hash-Algorithm` says so: nothing new
//! is signed over SHA-1.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256};
use certificates::{KeyAlgorithm, PrivateKey};
use serde_json::Value;
use thiserror::Error;

use crate::encoding;
use crate::grant::Network;
use crate::limits::{EPOCH_SECS_MAX, KEY_ID_BYTES_MAX};
use crate::policy;
use crate::presented::{QUERY_NAMES, ViewerUrl, has_name};
use crate::resource::Resource;

/// Nothing can be signed with a key, or not what is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignError {
    /// The text is no private key.
    #[error("the key cannot be read: {0}")]
    Key(#[from] certificates::KeyError),
    /// Signatures of such a key are not accepted anywhere.
    #[error(
        "keys of {} do not sign URLs; RSA of 2048 bits and EC on prime256v1 do",
        .0.request_name()
    )]
    KeyAlgorithm(KeyAlgorithm),
    /// It would not stand in a URL or a cookie as it is.
    #[error("the id of a key pair is of letters, digits and -, at most {KEY_ID_BYTES_MAX}")]
    KeyPairId,
    /// The URL cannot be signed; the reason.
    #[error("the URL {0}")]
    Url(&'static str),
    /// The URL has a parameter already that signing adds.
    #[error("the URL has the parameter {0} already")]
    OwnName(&'static str),
    /// Start or end would be refused; the reason.
    #[error("the time {0}")]
    Time(&'static str),
    /// The network would be refused.
    #[error("the network is neither an IPv4 address nor a network of them, such as 192.0.2.0/24")]
    Cidr,
    /// The resource would be refused; the reason.
    #[error("{0}")]
    Resource(&'static str),
    /// The policy as a whole would be refused; the reason.
    #[error("the policy would be refused: {0}")]
    Policy(&'static str),
    /// The URL itself would be refused.
    #[error("the resource does not match the URL")]
    OtherUrl,
    /// The library of cryptography refuses: our fault.
    #[error("signing failed")]
    Making,
}

/// A private key to sign with.
pub struct SigningKey(Pair);

enum Pair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
}

impl SigningKey {
    /// Reads PEM: PKCS #8 (`PRIVATE KEY`), PKCS #1 (`RSA PRIVATE KEY`), SEC 1 (`EC PRIVATE KEY`).
    pub fn from_pem(text: &str) -> Result<SigningKey, SignError> {
        let key = PrivateKey::from_pem(text)?;
        let der = key.pkcs8_der();
        let pair = match key.algorithm() {
            KeyAlgorithm::Rsa2048 => RsaKeyPair::from_pkcs8(der).map(Pair::Rsa),
            KeyAlgorithm::EcP256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der).map(Pair::Ecdsa)
            }
            other => return Err(SignError::KeyAlgorithm(other)),
        };
        pair.map(SigningKey).map_err(|_| SignError::Making)
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, SignError> {
        let random = SystemRandom::new();
        let signature = match &self.0 {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature);
                signed.map(|()| signature)
            }
            Pair::Ecdsa(pair) => {
                let signature = pair.sign(&random, text);
                signature.map(|signature| signature.as_ref().to_vec())
            }
        };
        signature.map_err(|_| SignError::Making)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey")
    }
}

/// What is to be allowed.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// URLs, with wildcards as in `Resource`; without, it is the one that is signed.
    pub resource: Option<&'a str>,
    /// The end, in seconds since 1970; at most [`EPOCH_SECS_MAX`].
    pub expires_secs: u64,
    /// The start, in seconds since 1970; before the end.
    pub not_before_secs: Option<u64>,
    /// An IPv4 address, or a network of them: `192.0.2.0/24`.
    pub cidr: Option<&'a str>,
}

impl Terms<'_> {
    fn is_canned(&self) -> bool {
        self.resource.is_none() && self.not_before_secs.is_none() && self.cidr.is_none()
    }

    fn custom_policy(&self, url: &str) -> String {
        let text = |text: &str| Value::from(text).to_string();
        let resource = text(self.resource.unwrap_or(url));
        let expires_secs = self.expires_secs;
        let mut policy = format!(r#"{{"Statement":[{{"Resource":{resource},"Condition":{{"#);
        policy += &format!(r#""DateLessThan":{{"AWS:EpochTime":{expires_secs}}}"#);
        if let Some(secs) = self.not_before_secs {
            policy += &format!(r#","DateGreaterThan":{{"AWS:EpochTime":{secs}}}"#);
        }
        if let Some(cidr) = self.cidr {
            policy += &format!(r#","IpAddress":{{"AWS:SourceIp":{}}}"#, text(cidr));
        }
        policy + "}}]}"
    }
}

/// A URL with what allows to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    url: String,
    parameters: [(&'static str, String); 4],
}

impl Signed {
    /// The URL as a viewer asks for it.
    pub fn url(&self) -> String {
        let parameters = self.parameters.iter();
        let parameters: Vec<_> = parameters
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let separator = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{separator}{}", self.url, parameters.join("&"))
    }

    /// Names and values of the cookies that allow the same.
    pub fn cookies(&self) -> impl Iterator<Item = (String, &str)> {
        let parameters = self.parameters.iter();
        parameters.map(|(name, value)| (format!("CloudFront-{name}"), &**value))
    }
}

/// Signs for a URL, `http` or `https`, which is the one that viewers will send: with escapes, with
/// the port if it is not the scheme's own. Its host is put in lower case, as browsers do.
pub fn sign(
    url: &str,
    terms: &Terms<'_>,
    key_pair_id: &str,
    key: &SigningKey,
) -> Result<Signed, SignError> {
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let bytes = 1..=KEY_ID_BYTES_MAX;
    if !bytes.contains(&key_pair_id.len()) || !key_pair_id.bytes().all(is_id) {
        return Err(SignError::KeyPairId);
    }
    check(terms)?;
    let url = normal(url)?;
    let viewer = viewer_url(&url);
    let query = viewer.query.unwrap_or_default();
    if let Some(name) = QUERY_NAMES.into_iter().find(|name| has_name(query, name)) {
        return Err(SignError::OwnName(name));
    }
    let is_open = terms.resource.is_none() && url.contains('*');
    if is_open {
        return Err(SignError::Url(
            "has a *, which would be a wildcard: write %2A",
        ));
    }
    let (text, first) = if terms.is_canned() {
        let text = policy::canned(&viewer, terms.expires_secs);
        let text = text.expect("a URL that was checked needs no escapes in JSON");
        (text, ("Expires", terms.expires_secs.to_string()))
    } else {
        let text = terms.custom_policy(&url).into_bytes();
        let grant = policy::read(&text).map_err(SignError::Policy)?;
        if !grant.is_about(&viewer) {
            return Err(SignError::OtherUrl);
        }
        let encoded = encoding::encode(&text);
        (text, ("Policy", encoded))
    };
    let signature = encoding::encode(&key.sign(&text)?);
    let parameters = [
        first,
        ("Signature", signature),
        ("Key-Pair-Id", key_pair_id.to_owned()),
        ("Hash-Algorithm", "SHA256".to_owned()),
    ];
    Ok(Signed { url, parameters })
}

fn check(terms: &Terms<'_>) -> Result<(), SignError> {
    if terms.expires_secs > EPOCH_SECS_MAX {
        return Err(SignError::Time("ends after 2038-01-19T03:14:07Z"));
    }
    let start_secs = terms.not_before_secs;
    if start_secs.is_some_and(|secs| secs >= terms.expires_secs) {
        return Err(SignError::Time("ends before it starts"));
    }
    if terms
        .cidr
        .is_some_and(|cidr| Network::parse(cidr).is_none())
    {
        return Err(SignError::Cidr);
    }
    let resource = terms.resource.map(Resource::parse).transpose();
    resource.map(|_| ()).map_err(SignError::Resource)
}

/// The URL as clients send it: host in lower case, and a path.
fn normal(url: &str) -> Result<String, SignError> {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => (scheme, rest),
        _ => return Err(SignError::Url("begins with neither http:// nor https://")),
    };
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\#".contains(&byte);
    if !rest.bytes().all(is_plain) {
        let reason = "has a blank, a quotation mark, \\, # or what is not ASCII: percent-encode it";
        return Err(SignError::Url(reason));
    }
    let (host, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if host.is_empty() || host.contains('@') {
        return Err(SignError::Url("has no host, or a user before it"));
    }
    let slash = if rest.starts_with('/') { "" } else { "/" };
    Ok(format!(
        "{scheme}://{}{slash}{rest}",
        host.to_ascii_lowercase()
    ))
}

/// The parts of a URL that is [`normal`].
fn viewer_url(url: &str) -> ViewerUrl<'_> {
    let (scheme, rest) = url.split_once("://").expect("it begins with a scheme");
    let (host, rest) = rest.split_at(rest.find('/').expect("it has a path"));
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query.as_bytes())),
        None => (rest, None),
    };
    ViewerUrl {
        is_https: scheme == "https",
        host: host.as_bytes(),
        path: path.as_bytes(),
        query,
    }
}
