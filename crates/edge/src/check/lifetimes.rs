//! Mistakes about how long things are kept, and about compression.

use super::{Entry, Subject, Warnings};
use crate::names::NameRule;

/// Above this a MinTTL is long wherever it stands.
const MIN_TTL_LONG_SECS: u64 = 60;
/// Above this a DefaultTTL is long for what a program answers.
const DEFAULT_TTL_LONG_SECS: u64 = 60;
/// Above this a failure outlives its cause by too much.
const FAILURE_TTL_LONG_SECS: u64 = 300;
/// The same for errors that are the viewer's.
const ERROR_TTL_LONG_SECS: u64 = 86_400;

/// A MinTTL overrides what the origin says against storing.
pub(super) fn least_lifetime(_: &Subject<'_>, entry: &Entry<'_>, warnings: &mut Warnings) {
    let behavior = entry.compiled;
    let min_secs = behavior.ttl.min_secs;
    if behavior.caching_disabled || min_secs == 0 {
        return;
    }
    let where_it_hurts = if entry.looks_dynamic() {
        format!("'{}' looks dynamic", behavior.pattern.as_str())
    } else if behavior.key.cookies != NameRule::None {
        "cookies are in the key, so answers are personal".to_owned()
    } else if min_secs > MIN_TTL_LONG_SECS {
        "nothing the origin says shortens that".to_owned()
    } else {
        return;
    };
    let message = format!(
        "MinTTL {min_secs}: answers are kept for at least {min_secs} s, even with Cache-Control: \
         no-store, no-cache or private ({where_it_hurts}); set MinTTL to 0"
    );
    warnings.add(entry.ttl_path("MinTTL"), message);
}

/// A DefaultTTL keeps what the origin says nothing about.
pub(super) fn default_lifetime(_: &Subject<'_>, entry: &Entry<'_>, warnings: &mut Warnings) {
    let default_secs = entry.compiled.ttl.default_secs;
    let is_long = default_secs > DEFAULT_TTL_LONG_SECS && !entry.compiled.caching_disabled;
    if is_long && entry.looks_dynamic() {
        let message = format!(
            "DefaultTTL {default_secs}: answers without Cache-Control are kept for {default_secs} \
             s, and '{}' looks dynamic; set DefaultTTL to 0 or use Managed-CachingDisabled",
            entry.compiled.pattern.as_str()
        );
        warnings.add(entry.ttl_path("DefaultTTL"), message);
    }
}

/// Compression that is off, or that cannot happen.
pub(super) fn compression(_: &Subject<'_>, entry: &Entry<'_>, warnings: &mut Warnings) {
    let behavior = entry.compiled;
    let is_legacy = behavior.names.cache_policy.is_none();
    match (
        behavior.compress,
        behavior.caching_disabled,
        behavior.key.encoding.is_on(),
    ) {
        (false, false, _) => warnings.add(
            entry.at("Compress"),
            "is false: HTML, CSS, JavaScript and JSON go out three to five times larger than \
             need be; set it to true",
        ),
        (true, true, _) => warnings.add(
            entry.at("Compress"),
            "has no effect, as caching is switched off: only what can be stored is compressed; \
             compress at the origin, or use a cache policy with a MaxTTL above 0",
        ),
        (true, false, false) if is_legacy => warnings.add(
            entry.at("Compress"),
            "has no effect while ForwardedValues lists Accept-Encoding; take it off the list",
        ),
        (true, false, false) => warnings.add(
            entry.at("Compress"),
            "has no effect: the cache policy sets neither EnableAcceptEncodingGzip nor \
             EnableAcceptEncodingBrotli; set both to true",
        ),
        (true, false, true) | (false, true, _) => {}
    }
}

/// Errors that are kept for long.
pub(super) fn long_lived_errors(subject: &Subject<'_>, warnings: &mut Warnings) {
    for (index, rule) in subject.site.errors.iter().enumerate() {
        let (limit_secs, consequence) = match rule.status {
            500.. => (FAILURE_TTL_LONG_SECS, "after the origin has recovered"),
            _ => (ERROR_TTL_LONG_SECS, "after the object is there"),
        };
        if rule.min_secs > limit_secs {
            let message = format!(
                "{} keeps status {} alive for {} s, even {consequence}; set it to {limit_secs} or \
                 less",
                rule.min_secs, rule.status, rule.min_secs
            );
            warnings.add(error_at(index, "ErrorCachingMinTTL"), message);
        }
    }
}

/// Failures that are dressed up as success.
pub(super) fn errors_as_success(subject: &Subject<'_>, warnings: &mut Warnings) {
    for (index, rule) in subject.site.errors.iter().enumerate() {
        let Some(page) = &rule.page else { continue };
        if rule.status >= 500 && page.status < 400 {
            let message = format!(
                "{} for an origin's {}: monitors, search engines and programs take the failure \
                 for success; keep {}",
                page.status, rule.status, rule.status
            );
            warnings.add(error_at(index, "ResponseCode"), message);
        }
    }
}

fn error_at(index: usize, member: &str) -> String {
    format!("CustomErrorResponses.Items[{index}].{member}")
}
