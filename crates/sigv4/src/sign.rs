use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;

use crate::canonical::{
    UNSIGNED_PAYLOAD, decode, encode, hex, parameters, request_hash, sha256_hex,
};
use crate::keys::{hmac_key, key_pair};
use crate::verify::string_to_sign;
use crate::{Algorithm, Credential, Dialect, Form, Request, SignError, limits, time};

/// Headers that are not signed, since what carries a request may change them.
const NEVER_SIGNED: [&str; 12] = [
    "authorization",
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-amzn-trace-id",
];

/// Signs requests with one access key for one service. Has no `Debug`, for the sake of the secret.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    /// SigV4 or SigV4A.
    pub algorithm: Algorithm,
    /// The rules of the service.
    pub dialect: Dialect,
    /// The access key id.
    pub access_key_id: &'a str,
    /// Its secret.
    pub secret: &'a str,
    /// The token, if the key is one of a session.
    pub session_token: Option<&'a str>,
    /// The region; for SigV4A the region set, such as `*`.
    pub region: &'a str,
    /// The service's signing name.
    pub service: &'a str,
}

impl Signer<'_> {
    /// The headers that make a signed request of one that has `host`: date, token and region set
    /// as they apply, `x-amz-content-sha256` for S3 where the request lacks it, and
    /// `authorization` last. All headers of the request are signed but those that what carries it
    /// may change. A request that has `x-amz-content-sha256` is signed with that instead of the
    /// body's hash, such as `UNSIGNED-PAYLOAD`.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn sign(
        &self,
        request: &Request<'_>,
        now_secs: u64,
    ) -> Result<Vec<(&'static str, String)>, SignError> {
        let mut added = vec![("x-amz-date", time::format(now_secs))];
        if let Some(token) = self.session_token {
            added.push(("x-amz-security-token", token.to_owned()));
        }
        if self.algorithm == Algorithm::EcdsaP256Sha256 {
            added.push(("x-amz-region-set", self.region.to_owned()));
        }
        let ours = || added.iter().map(|(name, _)| *name);
        if let Some(name) = ours()
            .chain(["authorization"])
            .find(|name| has(request, name))
        {
            return Err(SignError::AlreadySigned(name.to_owned()));
        }
        refuse_signed_query(request)?;
        if self.dialect == Dialect::S3 && !has(request, "x-amz-content-sha256") {
            added.push(("x-amz-content-sha256", sha256_hex(request.body)));
        }
        let mut headers = request.headers.to_vec();
        headers.extend(added.iter().map(|(name, value)| (*name, value.as_bytes())));
        let request = Request {
            headers: &headers,
            ..*request
        };
        let signature = self.signature(&request, now_secs, Form::Header)?;
        let authorization = format!(
            "{} Credential={}/{}, SignedHeaders={}, Signature={signature}",
            self.algorithm.name(),
            self.access_key_id,
            self.credential(now_secs).scope(),
            signed_headers(&request).join(";"),
        );
        added.push(("authorization", authorization));
        Ok(added)
    }

    /// The query that makes a presigned URL of a request that has `host`, valid for so many
    /// seconds. Whoever uses it must send the headers that the request has. The body is signed,
    /// though not for S3.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn presign(
        &self,
        request: &Request<'_>,
        now_secs: u64,
        expires_secs: u64,
    ) -> Result<String, SignError> {
        if !(1..=limits::PRESIGNED_EXPIRES_SECS_MAX).contains(&expires_secs) {
            return Err(SignError::Expires(expires_secs));
        }
        let scope = self.credential(now_secs).scope();
        let mut added = vec![
            ("X-Amz-Algorithm", self.algorithm.name().to_owned()),
            (
                "X-Amz-Credential",
                format!("{}/{scope}", self.access_key_id),
            ),
            ("X-Amz-Date", time::format(now_secs)),
            ("X-Amz-Expires", expires_secs.to_string()),
            ("X-Amz-SignedHeaders", signed_headers(request).join(";")),
        ];
        if let Some(token) = self.session_token {
            added.push(("X-Amz-Security-Token", token.to_owned()));
        }
        if self.algorithm == Algorithm::EcdsaP256Sha256 {
            added.push(("X-Amz-Region-Set", self.region.to_owned()));
        }
        refuse_signed_query(request)?;
        let mut query = request.query.to_owned();
        for (name, value) in &added {
            let mut value_spelt = Vec::new();
            encode(value.as_bytes(), &mut value_spelt);
            let value = String::from_utf8(value_spelt).expect("percent-encoding is ASCII");
            let separator = if query.is_empty() { "" } else { "&" };
            query.push_str(&format!("{separator}{name}={value}"));
        }
        let request = Request {
            query: &query,
            ..*request
        };
        let expires_secs = Some(expires_secs);
        let signature = self.signature(&request, now_secs, Form::Query { expires_secs })?;
        Ok(format!("{query}&X-Amz-Signature={signature}"))
    }

    fn credential(&self, now_secs: u64) -> Credential {
        let is_regional = self.algorithm == Algorithm::HmacSha256;
        Credential {
            access_key_id: self.access_key_id.to_owned(),
            date: time::format(now_secs)[..8].to_owned(),
            region: is_regional.then(|| self.region.to_owned()),
            service: self.service.to_owned(),
        }
    }

    /// The signature over a request that has everything else.
    fn signature(
        &self,
        request: &Request<'_>,
        now_secs: u64,
        form: Form,
    ) -> Result<String, SignError> {
        if !has(request, "host") {
            return Err(SignError::NoHost);
        }
        let signed_headers = signed_headers(request);
        let names: Vec<&str> = signed_headers.iter().map(String::as_str).collect();
        let mut declared = request.values("x-amz-content-sha256");
        let payload = match (declared.next(), self.dialect, form) {
            (Some(value), ..) => String::from_utf8_lossy(value).trim().to_owned(),
            (None, Dialect::S3, Form::Query { .. }) => UNSIGNED_PAYLOAD.to_owned(),
            (None, ..) => sha256_hex(request.body),
        };
        let hash = request_hash(request, self.dialect, &names, &payload);
        let credential = self.credential(now_secs);
        let string = string_to_sign(self.algorithm, now_secs, &credential, &hash);
        match self.algorithm {
            Algorithm::HmacSha256 => {
                let date = &credential.date;
                let key = hmac_key(self.secret, date, self.region, self.service);
                Ok(hex(hmac::sign(&key, string.as_bytes()).as_ref()))
            }
            Algorithm::EcdsaP256Sha256 => {
                let pair = key_pair(self.access_key_id, self.secret).ok_or(SignError::NoKey)?;
                let signed = pair.sign(&SystemRandom::new(), string.as_bytes());
                Ok(hex(signed.map_err(|_| SignError::NoKey)?.as_ref()))
            }
        }
    }
}

fn has(request: &Request<'_>, name: &str) -> bool {
    request.values(name).next().is_some()
}

/// A query with any parameter of a signature would be taken for a presigned one.
fn refuse_signed_query(request: &Request<'_>) -> Result<(), SignError> {
    let mut names = parameters(request.query).map(|(name, _)| decode(name));
    match names.find(|name| name.starts_with(b"X-Amz-")) {
        None => Ok(()),
        Some(name) => {
            let name = String::from_utf8_lossy(&name).into_owned();
            Err(SignError::AlreadySigned(name))
        }
    }
}

/// The names of the headers to sign: lower case, sorted, each once.
fn signed_headers(request: &Request<'_>) -> Vec<String> {
    let names = request
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase());
    let mut signed: Vec<_> = names
        .filter(|name| !NEVER_SIGNED.contains(&name.as_str()))
        .collect();
    signed.sort_unstable();
    signed.dedup();
    signed
}
