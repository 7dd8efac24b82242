//! Cache policies (spec §3.2).

use documents::{keys, managed};
use shapes::cloudfront::{
    CachePolicyConfig, CachePolicyCookieBehavior as Cookies, CachePolicyHeaderBehavior as Headers,
    CachePolicyQueryStringBehavior as Queries, ParametersInCacheKeyAndForwardedToOrigin, error,
};

use super::family::{self, Claim, Family, User, invalid, named_by_behaviors};
use super::name_lists::{self, NameList, is_hop_by_hop};
use crate::error::Failure;
use crate::ids::IdForm;
use crate::resource::Kind;
use crate::service::{Entry, served};

pub(super) const KIND: Kind = Kind {
    noun: "cache policy",
    collection: keys::CACHE_POLICY,
    id: IdForm::Uuid,
    cfn_type: "AWS::CloudFront::CachePolicy",
    missing: &error::NO_SUCH_CACHE_POLICY,
};

static FAMILY: Family<CachePolicyConfig> = Family {
    kind: &KIND,
    claims: &[Claim {
        kind: "name/cache-policy",
        member: "Name",
        what: |config| &config.name,
    }],
    taken: &error::CACHE_POLICY_ALREADY_EXISTS,
    is_repeatable: false,
    quota: (20, &error::TOO_MANY_CACHE_POLICIES),
    check,
    check_change: family::all_may_change,
    needs: family::nothing_needed,
    users: &[User {
        collection: keys::DISTRIBUTION,
        noun: "distribution",
        names: |config| named_by_behaviors(config, "CachePolicyId"),
    }],
    in_use: &error::CACHE_POLICY_IN_USE,
    facts: family::no_facts,
    managed: || managed::cache().collect(),
};

pub(super) const OPERATIONS: &[Entry] = &[
    served("CreateCachePolicy", |call| Box::pin(FAMILY.create(call))),
    served("GetCachePolicy", |call| Box::pin(FAMILY.get(call))),
    served("GetCachePolicyConfig", |call| Box::pin(FAMILY.get(call))),
    served("UpdateCachePolicy", |call| Box::pin(FAMILY.update(call))),
    served("DeleteCachePolicy", |call| Box::pin(FAMILY.delete(call))),
    served("ListCachePolicies", |call| Box::pin(FAMILY.list(call))),
];

const PARAMETERS: &str = "ParametersInCacheKeyAndForwardedToOrigin";

/// Generated headers that only an origin request policy may name (spec §3.6).
const NOT_IN_A_KEY: [&str; 9] = [
    "cloudfront-viewer-address",
    "cloudfront-viewer-asn",
    "cloudfront-viewer-header-order",
    "cloudfront-viewer-header-count",
    "cloudfront-viewer-ja3-fingerprint",
    "cloudfront-viewer-ja4-fingerprint",
    "cloudfront-viewer-tls",
    "cloudfront-error-uri",
    "cloudfront-error-args",
];

/// Refuses all that edges refuse, and more.
fn check(config: &CachePolicyConfig) -> Result<(), Failure> {
    name_lists::check_policy(&config.name, config.comment.as_deref())?;
    check_ttls(config)?;
    let Some(parameters) = &config.parameters_in_cache_key_and_forwarded_to_origin else {
        return Ok(());
    };
    name_lists::check(&lists(parameters))?;
    check_headers(parameters)?;
    // What is left out has a default above zero.
    match (config.min_ttl, config.default_ttl, config.max_ttl) {
        (0, Some(0), Some(0)) | (0, None, Some(0)) => check_uncached(parameters),
        _ => Ok(()),
    }
}

fn check_ttls(config: &CachePolicyConfig) -> Result<(), Failure> {
    let ttls = [
        ("MinTTL", Some(config.min_ttl)),
        ("DefaultTTL", config.default_ttl),
        ("MaxTTL", config.max_ttl),
    ];
    for (member, ttl) in ttls {
        if let Some(ttl) = ttl.filter(|ttl| *ttl < 0) {
            return Err(invalid(member, format!("{ttl} is negative")));
        }
    }
    // A default below the minimum is raised to it; a maximum below either is a mistake.
    let Some(max) = config.max_ttl else {
        return Ok(());
    };
    for (member, ttl) in &ttls[..2] {
        if let Some(ttl) = ttl.filter(|ttl| *ttl > max) {
            return Err(invalid(
                "MaxTTL",
                format!("{max} is less than {member}, {ttl}"),
            ));
        }
    }
    Ok(())
}

fn lists(parameters: &ParametersInCacheKeyAndForwardedToOrigin) -> [NameList<'_>; 3] {
    let headers = &parameters.headers_config;
    let cookies = &parameters.cookies_config;
    let queries = &parameters.query_strings_config;
    [
        NameList {
            path: format!("{PARAMETERS}.HeadersConfig.Headers"),
            behavior: headers.header_behavior.as_str(),
            takes_list: headers.header_behavior == Headers::Whitelist,
            names: headers.headers.as_ref().map_or(&[], |list| list.items()),
            of: name_lists::Of::Headers,
            too_many: &error::TOO_MANY_HEADERS_IN_CACHE_POLICY,
        },
        NameList {
            path: format!("{PARAMETERS}.CookiesConfig.Cookies"),
            behavior: cookies.cookie_behavior.as_str(),
            takes_list: matches!(
                cookies.cookie_behavior,
                Cookies::Whitelist | Cookies::AllExcept
            ),
            names: cookies.cookies.as_ref().map_or(&[], |list| list.items()),
            of: name_lists::Of::Cookies,
            too_many: &error::TOO_MANY_COOKIES_IN_CACHE_POLICY,
        },
        NameList {
            path: format!("{PARAMETERS}.QueryStringsConfig.QueryStrings"),
            behavior: queries.query_string_behavior.as_str(),
            takes_list: matches!(
                queries.query_string_behavior,
                Queries::Whitelist | Queries::AllExcept
            ),
            names: queries
                .query_strings
                .as_ref()
                .map_or(&[], |list| list.items()),
            of: name_lists::Of::QueryStrings,
            too_many: &error::TOO_MANY_QUERY_STRINGS_IN_CACHE_POLICY,
        },
    ]
}

fn check_headers(parameters: &ParametersInCacheKeyAndForwardedToOrigin) -> Result<(), Failure> {
    let is_encoded = parameters.enable_accept_encoding_gzip
        || parameters.enable_accept_encoding_brotli == Some(true);
    let headers = parameters.headers_config.headers.as_ref();
    let names = headers.map_or(&[][..], |list| list.items());
    for (index, name) in names.iter().enumerate() {
        let path = || format!("{PARAMETERS}.HeadersConfig.Headers.Items[{index}]");
        let lower = name.to_ascii_lowercase();
        if is_encoded && lower == "accept-encoding" {
            return Err(invalid(
                path(),
                "Accept-Encoding cannot be listed while EnableAcceptEncodingGzip or \
                 EnableAcceptEncodingBrotli is true",
            ));
        }
        if lower == "cookie" || is_hop_by_hop(&lower) {
            return Err(invalid(path(), format!("{name} cannot be part of a key")));
        }
        if NOT_IN_A_KEY.contains(&lower.as_str()) {
            let message = format!("only an origin request policy may name {name}");
            return Err(invalid(path(), message));
        }
    }
    Ok(())
}

/// Without caching there is no key to put anything into.
fn check_uncached(parameters: &ParametersInCacheKeyAndForwardedToOrigin) -> Result<(), Failure> {
    let wrong = [
        (
            "EnableAcceptEncodingGzip",
            parameters.enable_accept_encoding_gzip,
        ),
        (
            "EnableAcceptEncodingBrotli",
            parameters.enable_accept_encoding_brotli == Some(true),
        ),
        (
            "HeaderBehavior",
            parameters.headers_config.header_behavior != Headers::None,
        ),
        (
            "CookieBehavior",
            parameters.cookies_config.cookie_behavior != Cookies::None,
        ),
        (
            "QueryStringBehavior",
            parameters.query_strings_config.query_string_behavior != Queries::None,
        ),
    ];
    match wrong.into_iter().find(|(_, is_wrong)| *is_wrong) {
        None => Ok(()),
        Some((member, _)) => Err(Failure::api(
            &error::INVALID_ARGUMENT,
            format!(
                "The parameter {member} is invalid for policy with caching disabled: it must be \
                 false or none where MaxTTL is 0."
            ),
        )),
    }
}
