//! Mistakes about the cache key: too much in it, and too little.

use message::Method;

use super::{Entry, Subject, Warnings};
use crate::forward::HeaderRule;
use crate::names::NameRule;

/// All cookies, or all query strings, in the key.
pub(super) fn everything_in_the_key(_: &Subject<'_>, entry: &Entry<'_>, warnings: &mut Warnings) {
    let behavior = entry.compiled;
    if behavior.caching_disabled {
        return;
    }
    if matches!(behavior.key.cookies, NameRule::All | NameRule::Except(_)) {
        warnings.add(
            entry.policy_path(),
            "has all cookies in the cache key: every visitor with a cookie of their own, such as \
             an analytics id, fills the cache for themselves alone; list the cookies that change \
             the answer",
        );
    }
    if matches!(behavior.key.query, NameRule::All | NameRule::Except(_)) {
        warnings.add(
            entry.policy_path(),
            "has all query strings in the cache key: utm_source, fbclid and the like, and any \
             made-up name, store the same answer again; list the names that change the answer",
        );
    }
}

/// Headers with almost as many values as viewers, and many headers at once.
pub(super) fn telling_headers(_: &Subject<'_>, entry: &Entry<'_>, warnings: &mut Warnings) {
    const TELLING: &[(&str, &str)] = &[
        ("user-agent", "use CloudFront-Is-Mobile-Viewer and its kind"),
        (
            "accept",
            "leave it out, or have a function reduce it to the types that differ",
        ),
        (
            "accept-language",
            "leave it out, or have a function reduce it to the languages there are",
        ),
        (
            "referer",
            "leave it out; forward it by an origin request policy if the origin logs it",
        ),
        (
            "x-forwarded-for",
            "leave it out; the origin gets it in any case",
        ),
        ("cloudfront-viewer-city", "use CloudFront-Viewer-Country"),
        (
            "cloudfront-viewer-latitude",
            "use CloudFront-Viewer-Country",
        ),
        (
            "cloudfront-viewer-longitude",
            "use CloudFront-Viewer-Country",
        ),
        (
            "cloudfront-viewer-postal-code",
            "use CloudFront-Viewer-Country",
        ),
    ];
    const HEADERS_MAX: usize = 5;
    let headers = &entry.compiled.key.headers;
    for (name, advice) in TELLING {
        if headers.iter().any(|header| header.name == *name) {
            let message = format!(
                "has {name} in the cache key, which has nearly as many values as there are \
                 viewers, so that hardly any answer is found again; {advice}"
            );
            warnings.add(entry.policy_path(), message);
        }
    }
    if headers.len() > HEADERS_MAX {
        let message = format!(
            "has {} headers in the cache key: every combination of their values is stored apart; \
             keep those that change the answer",
            headers.len()
        );
        warnings.add(entry.policy_path(), message);
    }
}

/// `Accept-Encoding` as an ordinary header.
pub(super) fn raw_accept_encoding(_: &Subject<'_>, entry: &Entry<'_>, warnings: &mut Warnings) {
    let is_raw = entry
        .compiled
        .key
        .headers
        .iter()
        .any(|header| header.name == "accept-encoding");
    if is_raw {
        warnings.add(
            entry.policy_path(),
            "lists Accept-Encoding as a header: every browser's wording is stored apart, and the \
             edge compresses nothing; use EnableAcceptEncodingGzip and EnableAcceptEncodingBrotli",
        );
    }
}

/// Parts that reach the origin and are not in the key, where answers are stored by default.
pub(super) fn shared_answers(subject: &Subject<'_>, entry: &Entry<'_>, warnings: &mut Warnings) {
    if !entry.stores_by_default() {
        return;
    }
    let mut parts = unkeyed_parts(entry);
    let mut origins = entry.compiled.target.members().iter();
    if origins.all(|index| subject.site.origins[*index].is_s3) {
        // S3 says Vary where its answer depends on these, and variants are kept apart.
        parts.retain(|part| part != "header origin" && !part.starts_with("header access-control-"));
    }
    let path = match entry.config.origin_request_policy_id.as_deref() {
        Some(id) if !id.is_empty() => entry.at("OriginRequestPolicyId"),
        _ => entry.at("ForwardedValues"),
    };
    if !parts.is_empty() {
        let message = format!(
            "forwards {}, none of it in the cache key: if the origin's answer depends on it, one \
             viewer gets what was made for another; put what changes the answer into the cache \
             policy, and stop forwarding the rest",
            parts.join(", ")
        );
        warnings.add(&path, message);
    }
    let forward = &entry.compiled.forward;
    let authorization = "authorization";
    if forward.forwards(authorization, Method::Get) && !entry.compiled.key.has_header(authorization)
    {
        warnings.add(
            &path,
            "forwards Authorization on GET while it is not in the cache key: what one user may \
             see is stored and shown to everybody; use a cache policy with Authorization in the \
             key, or Managed-CachingDisabled",
        );
    }
}

fn unkeyed_parts(entry: &Entry<'_>) -> Vec<String> {
    let (key, forward) = (&entry.compiled.key, &entry.compiled.forward);
    let mut parts = Vec::new();
    parts.extend(unkeyed_names("cookies", &key.cookies, &forward.cookies));
    parts.extend(unkeyed_names("query strings", &key.query, &forward.query));
    match &forward.headers {
        HeaderRule::All => parts.push("all viewer headers".to_owned()),
        HeaderRule::Except { except, .. } => {
            parts.push(format!("all viewer headers but {}", except.join(", ")));
        }
        HeaderRule::Only(names) => {
            for name in names.iter().filter(|name| !key.has_header(name)) {
                parts.push(format!("header {name}"));
            }
        }
    }
    for field in &forward.generated {
        let name = field.name().to_ascii_lowercase();
        let is_told = parts.iter().any(|part| *part == format!("header {name}"));
        if !key.has_header(&name) && !is_told {
            parts.push(format!("header {name}"));
        }
    }
    parts
}

fn unkeyed_names(kind: &str, keyed: &NameRule, sent: &NameRule) -> Option<String> {
    if keyed == sent {
        return None;
    }
    Some(match sent {
        NameRule::None => return None,
        NameRule::All => format!("all {kind}"),
        NameRule::Except(names) => format!("all {kind} but {}", names.join(", ")),
        NameRule::Only(names) | NameRule::Patterns(names) => {
            let names: Vec<&str> = names
                .iter()
                .map(String::as_str)
                .filter(|name| !keyed.selects(name.as_bytes()))
                .collect();
            format!("{kind} {}", names.join(", "))
        }
    })
}
