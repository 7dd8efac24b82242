//! What is refused of a signature before it is verified.
//!
//! s3s verifies that a signature fits what it covers. What it must cover, and which ways of signing
//! there are, is judged here: no signatures of version 2, which never end and rest on SHA-1; one
//! way at a time; and the host and every `x-amz-` field are covered, so that nobody can turn a
//! signed upload into a copy with the signer's rights by adding a field to it.

use http::{HeaderMap, Uri, header};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::limits;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Fields that need not be signed: what they say is held against the body, or is no matter of
/// rights. `x-amz-cf-id` is an edge's own, added to what a viewer signed.
const UNSIGNED: &[&str] = &["x-amz-content-sha256", "x-amz-user-agent", "x-amz-cf-id"];

/// Refuses what must not be verified at all.
pub fn check(uri: &Uri, headers: &HeaderMap) -> S3Result<()> {
    let query = Query::read(uri.query().unwrap_or_default());
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let (first, second) = (fields.next(), fields.next());
    if second.is_some() || (first.is_some() && query.is_signed) {
        return Err(s3_error!(
            InvalidArgument,
            "Only one way of signing is allowed: one Authorization header, or X-Amz-Signature in \
             the query."
        ));
    }
    if query.is_of_version_2 {
        return Err(not_version_4());
    }
    let token = headers.contains_key("x-amz-security-token") || query.has_token;
    if token && (first.is_some() || query.is_signed) {
        return Err(s3_error!(
            InvalidToken,
            "The request has a session token, and no access key of this installation is one of a \
             session: is AWS_SESSION_TOKEN set from elsewhere?"
        ));
    }
    match first {
        Some(value) => {
            let value = value.to_str().map_err(|_| not_version_4())?;
            check_field(value, headers)
        }
        None if query.is_signed => check_query(&query, headers),
        None => check_unsigned(headers),
    }
}

fn not_version_4() -> S3Error {
    s3_error!(
        InvalidRequest,
        "The authorization mechanism is not supported. Please use AWS4-HMAC-SHA256."
    )
}

fn check_field(value: &str, headers: &HeaderMap) -> S3Result<()> {
    let Some(rest) = value.strip_prefix(ALGORITHM) else {
        return Err(not_version_4());
    };
    let mut parts = rest.split(',').map(str::trim);
    let named = parts.find_map(|part| part.strip_prefix("SignedHeaders="));
    check_coverage(named.unwrap_or_default(), headers)
}

fn check_query(query: &Query, headers: &HeaderMap) -> S3Result<()> {
    let seconds: Option<u64> = query.expires.parse().ok();
    let most = limits::PRESIGNED_SECS_MAX;
    if !seconds.is_some_and(|seconds| (1..=most).contains(&seconds)) {
        return Err(S3Error::with_message(
            S3ErrorCode::AuthorizationQueryParametersError,
            format!(
                "X-Amz-Expires is '{}'; it must be a number of seconds from 1 to {most}.",
                query.expires
            ),
        ));
    }
    check_coverage(&query.signed_headers, headers)
}

/// A body in chunks that nobody signed is none that anybody takes apart.
fn check_unsigned(headers: &HeaderMap) -> S3Result<()> {
    let hash = headers.get("x-amz-content-sha256");
    if hash.is_some_and(|hash| hash.as_bytes().starts_with(b"STREAMING-")) {
        return Err(s3_error!(
            NotImplemented,
            "A body in chunks (x-amz-content-sha256: STREAMING-…) is taken with an Authorization \
             header alone."
        ));
    }
    Ok(())
}

fn check_coverage(signed: &str, headers: &HeaderMap) -> S3Result<()> {
    let is_signed = |name: &str| signed.split(';').any(|signed| signed == name);
    let is_required =
        |name: &&str| *name == "host" || (name.starts_with("x-amz-") && !UNSIGNED.contains(name));
    let names = headers.keys().map(header::HeaderName::as_str);
    let missing = names
        .chain(["host"])
        .filter(is_required)
        .find(|name| !is_signed(name));
    match missing {
        None => Ok(()),
        Some(name) => Err(S3Error::with_message(
            S3ErrorCode::AccessDenied,
            format!("There were headers present in the request which were not signed: {name}"),
        )),
    }
}

/// What a query says of signatures.
#[derive(Default)]
struct Query {
    is_signed: bool,
    is_of_version_2: bool,
    has_token: bool,
    expires: String,
    signed_headers: String,
}

impl Query {
    fn read(query: &str) -> Query {
        let mut read = Query::default();
        for parameter in query.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match &*decoded(name) {
                "X-Amz-Signature" => read.is_signed = true,
                "X-Amz-Security-Token" => read.has_token = true,
                "X-Amz-Expires" => read.expires = decoded(value),
                "X-Amz-SignedHeaders" => read.signed_headers = decoded(value),
                "Signature" | "AWSAccessKeyId" => read.is_of_version_2 = true,
                _ => {}
            }
        }
        read
    }
}

/// As s3s decodes queries, so that nothing passes here that means something there.
fn decoded(text: &str) -> String {
    super::text::form_decoded(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(uri: &str, fields: &[(&str, &str)]) -> Result<(), String> {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let code = |error: S3Error| error.code().as_str().to_owned();
        check(&parts.uri, &parts.headers).map_err(code)
    }

    fn signed(headers: &str) -> String {
        format!("AWS4-HMAC-SHA256 Credential=A/B, SignedHeaders={headers}, Signature=00")
    }

    #[test]
    fn what_is_not_signed_changes_nothing_that_is() {
        let signature = signed("host;x-amz-date");
        let plain = [("authorization", &*signature), ("x-amz-date", "now")];
        assert_eq!(checked("/b/k", &plain), Ok(()));
        let copy = [plain[0], plain[1], ("x-amz-copy-source", "/other/secret")];
        assert_eq!(checked("/b/k", &copy), Err("AccessDenied".into()));
        let without_host = signed("x-amz-date");
        let without_host = [("authorization", &*without_host)];
        assert_eq!(checked("/b/k", &without_host), Err("AccessDenied".into()));
    }

    #[test]
    fn a_presigned_upload_cannot_be_made_a_copy() {
        let link = "/b/k?X-Amz-Signature=00&X-Amz-Expires=60&X-Amz-SignedHeaders=host";
        assert_eq!(checked(link, &[]), Ok(()));
        let copy = [("x-amz-copy-source", "/other/secret")];
        assert_eq!(checked(link, &copy), Err("AccessDenied".into()));
        for expires in ["0", "604801", "-1", "x", ""] {
            let link = link.replace("=60", &format!("={expires}"));
            let code = "AuthorizationQueryParametersError".to_owned();
            assert_eq!(checked(&link, &[]), Err(code), "{expires}");
        }
    }

    #[test]
    fn there_is_one_way_of_signing_and_not_the_old_one() {
        let signature = signed("host");
        let field = [("authorization", &*signature)];
        let both = checked("/b/k?X-Amz-Signature=00", &field);
        assert_eq!(both, Err("InvalidArgument".into()));
        let twice = checked("/b/k", &[field[0], field[0]]);
        assert_eq!(twice, Err("InvalidArgument".into()));
        let old = Err("InvalidRequest".to_owned());
        assert_eq!(checked("/b/k", &[("authorization", "AWS AKIA:sig")]), old);
        for query in ["Signature=x", "%53ignature=x", "AWSAccessKeyId=x"] {
            assert_eq!(checked(&format!("/b/k?{query}"), &[]), old, "{query}");
        }
    }
}
