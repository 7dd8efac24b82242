//! Rules of the legacy style: `ForwardedValues` and three lifetimes (spec §3.3).

use shapes::cloudfront::{self as cf, DistributionConfig, error};

use super::super::limits::*;
use super::{Rule, ensure, is_token};

pub fn check(config: &DistributionConfig, at: &str, behavior: &cf::CacheBehavior) -> Rule {
    let Some(values) = &behavior.forwarded_values else {
        return Ok(());
    };
    lifetimes(at, behavior, values)?;
    cookies(at, &values.cookies)?;
    headers(config, at, behavior, values)?;
    query_strings(at, values)
}

fn header_names(values: &cf::ForwardedValues) -> &[String] {
    values
        .headers
        .as_ref()
        .map(|list| list.items())
        .unwrap_or_default()
}

fn lifetimes(at: &str, behavior: &cf::CacheBehavior, values: &cf::ForwardedValues) -> Rule {
    let min = behavior.min_ttl.unwrap_or(0);
    let default = behavior.default_ttl.unwrap_or(min);
    let max = behavior.max_ttl.unwrap_or(default);
    ensure(
        min >= 0,
        &error::INVALID_ARGUMENT,
        format!("{at}.MinTTL"),
        || format!("is {min}; 0 and more are allowed"),
    )?;
    ensure(
        min <= default && default <= max,
        &error::INVALID_TTL_ORDER,
        at,
        || {
            format!(
                "has MinTTL {min}, DefaultTTL {default}, MaxTTL {max}; each is at most the next"
            )
        },
    )?;
    let forwards_all = header_names(values).iter().any(|name| name == "*");
    ensure(
        !forwards_all || min == 0,
        &error::INVALID_ARGUMENT,
        format!("{at}.MinTTL"),
        || format!("is {min}; it must be 0 where all headers are forwarded"),
    )
}

fn cookies(at: &str, cookies: &cf::CookiePreference) -> Rule {
    let at = format!("{at}.ForwardedValues.Cookies");
    let names = cookies
        .whitelisted_names
        .as_ref()
        .map(|list| list.items())
        .unwrap_or_default();
    let count = names.len();
    let shape = &error::TOO_MANY_COOKIE_NAMES_IN_WHITE_LIST;
    ensure(count <= FORWARDED_NAMES_MAX, shape, &at, || {
        format!("names {count} cookies; {FORWARDED_NAMES_MAX} are allowed")
    })?;
    let is_whitelist = cookies.forward == cf::ItemSelection::Whitelist;
    ensure(
        is_whitelist != names.is_empty(),
        &error::INVALID_FORWARD_COOKIES,
        &at,
        || "must have WhitelistedNames if, and only if, Forward is whitelist".to_owned(),
    )?;
    // '?' besides the characters of names: both wildcards are allowed.
    let is_name = |name: &String| is_token(&name.replace('?', "*"));
    let wrong = names.iter().find(|name| !is_name(name));
    ensure(
        wrong.is_none(),
        &error::INVALID_FORWARD_COOKIES,
        &at,
        || {
            format!(
                "names '{}', which is no cookie's name",
                wrong.map_or("", String::as_str)
            )
        },
    )
}

fn headers(
    config: &DistributionConfig,
    at: &str,
    behavior: &cf::CacheBehavior,
    values: &cf::ForwardedValues,
) -> Rule {
    let names = header_names(values);
    let at = format!("{at}.ForwardedValues.Headers");
    let count = names.len();
    let shape = &error::TOO_MANY_HEADERS_IN_FORWARDED_VALUES;
    ensure(count <= FORWARDED_NAMES_MAX, shape, &at, || {
        format!("has {count} names; {FORWARDED_NAMES_MAX} are allowed")
    })?;
    let wrong = names.iter().find(|name| !is_token(name));
    ensure(wrong.is_none(), &error::INVALID_ARGUMENT, &at, || {
        format!(
            "has '{}', which is no header's name",
            wrong.map_or("", String::as_str)
        )
    })?;
    let has_all = names.iter().any(|name| name == "*");
    ensure(
        !has_all || count == 1,
        &error::INVALID_ARGUMENT,
        &at,
        || "has '*' and other names; '*' stands alone".to_owned(),
    )?;
    // A bucket is found by its own host name.
    let target = config
        .origins
        .items
        .iter()
        .find(|o| o.id == behavior.target_origin_id);
    let is_s3 = target.is_some_and(|origin| origin.s3_origin_config.is_some());
    let wrong = names
        .iter()
        .find(|name| *name == "*" || name.eq_ignore_ascii_case("host"));
    let fits = !is_s3 || wrong.is_none();
    ensure(fits, &error::INVALID_HEADERS_FOR_S3_ORIGIN, &at, || {
        format!(
            "has '{}', which no S3 origin takes",
            wrong.map_or("", String::as_str)
        )
    })
}

fn query_strings(at: &str, values: &cf::ForwardedValues) -> Rule {
    let names = values.query_string_cache_keys.as_ref();
    let names = names.map(|list| list.items()).unwrap_or_default();
    let at = format!("{at}.ForwardedValues.QueryStringCacheKeys");
    let count = names.len();
    let shape = &error::TOO_MANY_QUERY_STRING_PARAMETERS;
    ensure(count <= FORWARDED_NAMES_MAX, shape, &at, || {
        format!("has {count} names; {FORWARDED_NAMES_MAX} are allowed")
    })?;
    let shape = &error::INVALID_QUERY_STRING_PARAMETERS;
    ensure(values.query_string || names.is_empty(), shape, &at, || {
        "has names, but QueryString is false".to_owned()
    })?;
    let is_name = |name: &String| {
        let length = name.chars().count();
        (1..=QUERY_NAME_CHARS_MAX).contains(&length) && name.bytes().all(|b| b.is_ascii_graphic())
    };
    let wrong = names.iter().find(|name| !is_name(name));
    ensure(wrong.is_none(), shape, &at, || {
        format!(
            "has '{}', which is no parameter's name",
            wrong.map_or("", String::as_str)
        )
    })
}
