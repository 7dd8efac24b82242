use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::{constant_time, digest};

use crate::canonical::{UNSIGNED_PAYLOAD, request_hash, sha256_hex};
use crate::keys::{KeyCache, VerifyingKey};
use crate::{Algorithm, Credential, Dialect, Form, Presented, Request, VerifyError, limits, time};

/// What a signature is judged by, besides the request and the secret.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Our time, seconds since the epoch.
    pub now_secs: u64,
    /// The rules of the service that was chosen.
    pub dialect: Dialect,
    /// The region that a SigV4A signature must be for; the region of another signature is in its
    /// credential, for the caller to compare.
    pub region: &'a str,
}

/// That a signature was good, and what a [`crate::ReplayGuard`] needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verified {
    /// A digest of the access key and of all that was signed. Two requests have the same one if
    /// and only if they are the same request of the same second. The signature would not do:
    /// from an ECDSA signature anyone can make a second one.
    pub fingerprint: [u8; 32],
    /// The last second in which the signature is accepted, seconds since the epoch.
    pub valid_until_secs: u64,
}

/// Verifies signatures and remembers the keys derived for it. Meant to be shared by threads; the
/// lock is held for a look into a table only.
#[derive(Default)]
pub struct Verifier {
    keys: Mutex<KeyCache>,
}

impl Verifier {
    /// Whether the signature that [`crate::parse`] found in the request was made for it with this
    /// secret. What comes after, such as the region, the session token's owner and permissions,
    /// is the caller's.
    ///
    /// # Errors
    /// The first thing that is wrong, in the order: what must be signed, time, body, signature.
    pub fn verify(
        &self,
        request: &Request<'_>,
        presented: &Presented,
        secret: &str,
        terms: &Terms<'_>,
    ) -> Result<Verified, VerifyError> {
        check_signed_headers(request, presented)?;
        check_region_set(presented, terms.region)?;
        let valid_until_secs = check_time(presented, terms)?;
        let payload = payload(request, presented, terms.dialect)?;
        let names: Vec<&str> = presented
            .signed_headers
            .iter()
            .map(String::as_str)
            .collect();
        let hash = request_hash(request, terms.dialect, &names, &payload);
        let (algorithm, credential) = (presented.algorithm, &presented.credential);
        let string_to_sign = string_to_sign(algorithm, presented.signed_secs, credential, &hash);
        self.check_signature(presented, secret, &string_to_sign)?;
        Ok(Verified {
            fingerprint: fingerprint(presented, &string_to_sign),
            valid_until_secs,
        })
    }

    fn check_signature(
        &self,
        presented: &Presented,
        secret: &str,
        string_to_sign: &str,
    ) -> Result<(), VerifyError> {
        let index = KeyCache::index(&presented.credential, secret);
        // Nothing that can panic happens under the lock.
        let keys = || self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let found = keys().find(&index);
        let is_new = found.is_none();
        let derived = || VerifyingKey::derive(&presented.credential, secret).map(Arc::new);
        let key = found
            .or_else(derived)
            .ok_or(VerifyError::SignatureMismatch)?;
        if !key.verifies(string_to_sign, &presented.signature) {
            return Err(VerifyError::SignatureMismatch);
        }
        if is_new {
            keys().remember(index, key);
        }
        Ok(())
    }
}

/// What the signature is made of: algorithm, time, scope and the canonical request's hash.
pub(crate) fn string_to_sign(
    algorithm: Algorithm,
    signed_secs: u64,
    credential: &Credential,
    request_hash: &str,
) -> String {
    let (name, time, scope) = (
        algorithm.name(),
        time::format(signed_secs),
        credential.scope(),
    );
    format!("{name}\n{time}\n{scope}\n{request_hash}")
}

fn fingerprint(presented: &Presented, string_to_sign: &str) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(presented.credential.access_key_id.as_bytes());
    context.update(b"\n");
    context.update(string_to_sign.as_bytes());
    let digest = context.finish();
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// `host`, the date and every `x-amz-*` header must be covered, and what is covered must be there.
fn check_signed_headers(request: &Request<'_>, presented: &Presented) -> Result<(), VerifyError> {
    let is_signed = |name: &str| {
        let found = presented
            .signed_headers
            .iter()
            .find(|signed| *signed == name);
        found.is_some()
    };
    let absent = presented
        .signed_headers
        .iter()
        .find(|name| request.values(name).next().is_none());
    if let Some(name) = absent {
        return Err(VerifyError::NotSent(name.clone()));
    }
    request.single("host")?;
    if !is_signed("host") {
        return Err(VerifyError::NotSigned("host".to_owned()));
    }
    for (name, _) in request.headers {
        let name = name.to_ascii_lowercase();
        if name.starts_with("x-amz-") && !is_signed(&name) {
            return Err(VerifyError::NotSigned(name));
        }
    }
    let has_date = presented.form != Form::Header || is_signed("x-amz-date") || is_signed("date");
    match has_date {
        true => Ok(()),
        false => Err(VerifyError::NotSigned("date".to_owned())),
    }
}

/// A region set holds names, or patterns that end in `*`.
fn check_region_set(presented: &Presented, region: &str) -> Result<(), VerifyError> {
    let Some(set) = &presented.region_set else {
        return Ok(());
    };
    let covers = |pattern: &str| match pattern.trim().strip_suffix('*') {
        Some(prefix) => region.starts_with(prefix),
        None => pattern.trim() == region,
    };
    match set.split(',').any(covers) {
        true => Ok(()),
        false => Err(VerifyError::WrongRegionSet {
            presented: set.clone(),
            wanted: region.to_owned(),
        }),
    }
}

/// The last second of the signature's validity, if now lies within it.
fn check_time(presented: &Presented, terms: &Terms<'_>) -> Result<u64, VerifyError> {
    let (signed_secs, now_secs) = (presented.signed_secs, terms.now_secs);
    let time = time::format(signed_secs);
    if !time.starts_with(&presented.credential.date) {
        let scope = presented.credential.date.clone();
        return Err(VerifyError::WrongScopeDate { scope, time });
    }
    let skew_secs = terms.dialect.skew_secs_max();
    if signed_secs > now_secs.saturating_add(skew_secs) {
        return Err(VerifyError::NotYetValid {
            signed_secs,
            now_secs,
        });
    }
    let valid_secs = match (presented.form, terms.dialect) {
        (Form::Header, _) => skew_secs,
        (Form::Query { expires_secs: None }, Dialect::S3) => {
            let what = "the query lacks X-Amz-Expires".to_owned();
            return Err(VerifyError::Incomplete(what));
        }
        (Form::Query { expires_secs }, _) => {
            expires_secs.unwrap_or(limits::PRESIGNED_EXPIRES_SECS_DEFAULT)
        }
    };
    let until_secs = signed_secs + valid_secs;
    if now_secs > until_secs {
        return Err(VerifyError::Expired {
            signed_secs,
            until_secs,
            now_secs,
            is_presigned: presented.form != Form::Header,
        });
    }
    Ok(until_secs)
}

/// What stands for the body in the canonical request, after it was compared with the body.
fn payload(
    request: &Request<'_>,
    presented: &Presented,
    dialect: Dialect,
) -> Result<String, VerifyError> {
    let is_presigned = presented.form != Form::Header;
    let Some(declared) = request.single_text("x-amz-content-sha256")? else {
        return Ok(match (dialect, is_presigned) {
            (Dialect::S3, true) => UNSIGNED_PAYLOAD.to_owned(),
            _ => sha256_hex(request.body),
        });
    };
    if declared == UNSIGNED_PAYLOAD && dialect == Dialect::S3 {
        return Ok(declared.to_owned());
    }
    let is_hash = declared.len() == 64 && declared.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hash {
        return Err(VerifyError::PayloadForm(
            declared.chars().take(64).collect(),
        ));
    }
    let hash = sha256_hex(request.body);
    match constant_time::verify_slices_are_equal(hash.as_bytes(), declared.as_bytes()) {
        Ok(()) => Ok(hash),
        Err(_) => Err(VerifyError::PayloadMismatch),
    }
}
