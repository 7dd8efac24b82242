//! What a request presents, in its query or in its cookies (spec §9.2).

use std::borrow::Cow;

use memchr::memchr;

use crate::encoding;
use crate::grant::Grant;
use crate::key::{Hash, Signers};
use crate::limits::{EPOCH_SECS_MAX, POLICY_TEXT_BYTES_MAX, SIGNATURE_TEXT_BYTES_MAX};
use crate::policy;
use crate::refusal::Refusal;

/// The URL as the viewer sent it.
#[derive(Clone, Copy, Debug)]
pub struct ViewerUrl<'a> {
    /// The viewer's scheme is `https`.
    pub is_https: bool,
    /// As in the field Host or the pseudo-field `:authority`, with the port if that was sent.
    pub host: &'a [u8],
    /// The path, raw.
    pub path: &'a [u8],
    /// What is after the `?`, raw, with our parameters.
    pub query: Option<&'a [u8]>,
}

impl<'a> ViewerUrl<'a> {
    /// The query without our parameters, in its order; empty as well if there is none.
    pub(crate) fn own_query(&self) -> Cow<'a, [u8]> {
        let Some(query) = self.query else {
            return Cow::Borrowed(&[]);
        };
        let is_own = |part: &&[u8]| !is_query_name(name_and_value(part).0);
        // Ours usually are the last ones, or not there at all.
        let first = Parts::of(query).take_while(is_own);
        let first_bytes: usize = first.map(|part| part.len() + 1).sum();
        let rest = query.get(first_bytes..).unwrap_or_default();
        let first = &query[..first_bytes.saturating_sub(1)];
        if first_bytes > query.len() || !Parts::of(rest).any(|part| is_own(&part)) {
            return Cow::Borrowed(first);
        }
        let own: Vec<_> = Parts::of(query).filter(is_own).collect();
        Cow::Owned(own.join(&b'&'))
    }
}

/// The query parameters of signed URLs: neither cache keys nor origins see them.
pub const QUERY_NAMES: [&str; 5] = [
    "Expires",
    "Policy",
    "Signature",
    "Key-Pair-Id",
    "Hash-Algorithm",
];

const COOKIE_PREFIX: &[u8] = b"CloudFront-";

/// Whether a query parameter's name, raw, is one of [`QUERY_NAMES`].
pub fn is_query_name(name: &[u8]) -> bool {
    position(name).is_some()
}

/// Whether a query has a parameter of that name.
pub(crate) fn has_name(query: &[u8], name: &str) -> bool {
    Parts::of(query).any(|part| name_and_value(part).0 == name.as_bytes())
}

/// Where a name stands in [`QUERY_NAMES`]. Lengths tell them apart, so that most names are passed
/// over without being looked at.
fn position(name: &[u8]) -> Option<usize> {
    let at = match name.len() {
        7 => 0,
        6 => 1,
        9 => 2,
        11 => 3,
        14 => 4,
        _ => return None,
    };
    (name == QUERY_NAMES[at].as_bytes()).then_some(at)
}

const EXPIRES: usize = 0;
const POLICY: usize = 1;
const SIGNATURE: usize = 2;
const KEY: usize = 3;
const HASH: usize = 4;

/// What a request presents, as raw as it came.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    is_cookies: bool,
    terms: Terms<'a>,
    signature: &'a [u8],
    key_id: &'a [u8],
    hash: Hash,
}

#[derive(Clone, Copy, Debug)]
enum Terms<'a> {
    /// Seconds since 1970; the rest is the URL's.
    Canned(u64),
    /// Encoded.
    Custom(&'a [u8]),
}

impl<'a> Presented<'a> {
    /// None when none of the names `Expires`, `Policy`, `Signature` and `Key-Pair-Id` stands in
    /// the query; if one does, cookies do not count (spec §9.1).
    pub fn in_query(query: &'a [u8]) -> Option<Result<Presented<'a>, Refusal>> {
        let mut values = Values::default();
        for part in Parts::of(query) {
            let (name, value) = name_and_value(part);
            if let Some(at) = position(name) {
                values.put(at, value, true);
            }
        }
        let is_signed = values.found[..HASH].iter().any(Option::is_some);
        is_signed.then(|| values.read(false))
    }

    /// Out of all fields `Cookie` of a request.
    pub fn in_cookies(fields: impl Iterator<Item = &'a [u8]>) -> Result<Presented<'a>, Refusal> {
        let mut values = Values::default();
        for field in fields {
            for pair in field.split(|byte| *byte == b';') {
                let (name, value) = name_and_value(pair.trim_ascii());
                let name = name.strip_prefix(COOKIE_PREFIX);
                if let Some(at) = name.and_then(position) {
                    values.put(at, value, false);
                }
            }
        }
        values.read(true)
    }

    /// It came in cookies, not in the query.
    pub fn is_cookies(&self) -> bool {
        self.is_cookies
    }

    /// Appends all that the result of [`Presented::verify`] depends on besides the signers,
    /// unambiguously: lengths (four bytes, little-endian) before parts. Of the URL, that is what
    /// canned policies are rebuilt from; custom policies depend on none of it.
    pub fn write_material(&self, url: &ViewerUrl<'_>, out: &mut Vec<u8>) {
        let mut part = |bytes: &[u8]| {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(bytes);
        };
        let is_sha256 = self.hash == Hash::Sha256;
        let is_canned = matches!(self.terms, Terms::Canned(_));
        part(&[self.is_cookies, is_sha256, is_canned].map(u8::from));
        part(self.key_id);
        part(self.signature);
        match self.terms {
            Terms::Custom(policy) => part(policy),
            Terms::Canned(expires_secs) => {
                part(&expires_secs.to_le_bytes());
                part(&[u8::from(url.is_https)]);
                part(url.host);
                part(url.path);
                part(&url.own_query());
            }
        }
    }

    /// Checks the signature, and reads the policy once it is known to be signed: the key is one of
    /// the signers', the signature is its own, the policy says nothing that is not understood.
    pub fn verify(&self, url: &ViewerUrl<'_>, signers: &Signers) -> Result<Grant, Refusal> {
        let key = signers.key(self.key_id).ok_or(Refusal::UnknownKey)?;
        let signature = encoding::decode(self.signature, !self.is_cookies)
            .map_err(Refusal::MalformedSignature)?;
        let (text, grant) = match self.terms {
            Terms::Canned(expires_secs) => (
                policy::canned(url, expires_secs).ok_or(Refusal::SignatureMismatch)?,
                Some(Grant::canned(expires_secs)),
            ),
            Terms::Custom(encoded) => {
                let text = encoding::decode(encoded, !self.is_cookies);
                (text.map_err(Refusal::MalformedPolicy)?, None)
            }
        };
        if !key.is_signature(self.hash, &text, &signature) {
            return Err(Refusal::SignatureMismatch);
        }
        match grant {
            Some(grant) => Ok(grant),
            None => policy::read(&text).map_err(Refusal::MalformedPolicy),
        }
    }
}

/// The values found, in the order of [`QUERY_NAMES`].
#[derive(Default)]
struct Values<'a> {
    found: [Option<&'a [u8]>; QUERY_NAMES.len()],
    repeated: Option<&'static str>,
}

impl<'a> Values<'a> {
    fn put(&mut self, at: usize, value: &'a [u8], is_once: bool) {
        match self.found[at] {
            Some(other) if is_once || other != value => self.repeated = Some(QUERY_NAMES[at]),
            _ => self.found[at] = Some(value),
        }
    }

    fn read(self, is_cookies: bool) -> Result<Presented<'a>, Refusal> {
        if let Some(name) = self.repeated {
            return Err(Refusal::Repeated(name));
        }
        let value = |at: usize| self.found[at].filter(|value| !value.is_empty());
        let key_id = value(KEY).ok_or(Refusal::MissingKey)?;
        let terms = match (self.found[POLICY], self.found[EXPIRES]) {
            (Some(policy), _) if policy.len() > POLICY_TEXT_BYTES_MAX => {
                return Err(Refusal::MalformedPolicy("too long"));
            }
            (Some(policy), _) if !policy.is_empty() => Terms::Custom(policy),
            (None, Some(expires)) if !expires.is_empty() => Terms::Canned(epoch_secs(expires)?),
            _ => return Err(Refusal::MissingPolicy),
        };
        let signature = value(SIGNATURE).ok_or(Refusal::MissingSignature)?;
        if signature.len() > SIGNATURE_TEXT_BYTES_MAX {
            return Err(Refusal::MalformedSignature("too long"));
        }
        let hash = match self.found[HASH] {
            None | Some(b"SHA1") => Hash::Sha1,
            Some(b"SHA256") => Hash::Sha256,
            Some(_) => {
                let reason = "Hash-Algorithm is neither SHA1 nor SHA256";
                return Err(Refusal::MalformedSignature(reason));
            }
        };
        Ok(Presented {
            is_cookies,
            terms,
            signature,
            key_id,
            hash,
        })
    }
}

/// Digits as JSON has them: no sign, and no zeros before others.
fn epoch_secs(text: &[u8]) -> Result<u64, Refusal> {
    let is_number = text.iter().all(u8::is_ascii_digit) && (text[0] != b'0' || text.len() == 1);
    let number = std::str::from_utf8(text).ok().filter(|_| is_number);
    number
        .and_then(|digits| digits.parse().ok())
        .filter(|secs| *secs <= EPOCH_SECS_MAX)
        .ok_or(Refusal::MalformedPolicy(
            "Expires is not a number of seconds from 0 to 2147483647",
        ))
}

fn name_and_value(part: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b'=', part) {
        Some(at) => (&part[..at], &part[at + 1..]),
        None => (part, &[]),
    }
}

/// The parts of a query between `&`.
struct Parts<'a>(Option<&'a [u8]>);

impl<'a> Parts<'a> {
    fn of(query: &'a [u8]) -> Parts<'a> {
        Parts(Some(query))
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0?;
        match memchr(b'&', rest) {
            Some(at) => {
                self.0 = Some(&rest[at + 1..]);
                Some(&rest[..at])
            }
            None => self.0.take(),
        }
    }
}
