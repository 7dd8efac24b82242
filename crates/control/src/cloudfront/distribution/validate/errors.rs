//! Rules of custom error responses (spec §4.6).

use std::collections::BTreeSet;

use shapes::cloudfront::{DistributionConfig, error};

use super::super::limits::ERROR_PAGE_PATH_CHARS_MAX;
use super::{Rule, ensure, text};

/// Statuses that a page may be put in place of; `ResponseCode` may be 200 as well.
const STATUSES: &[i32] = &[400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504];

pub fn check(config: &DistributionConfig) -> Rule {
    let responses = config
        .custom_error_responses
        .iter()
        .flat_map(|list| list.items());
    let mut codes = BTreeSet::new();
    for (index, response) in responses.enumerate() {
        let at = format!("CustomErrorResponses.Items[{index}]");
        let status = response.error_code;
        let is_status = STATUSES.contains(&status);
        ensure(
            is_status,
            &error::INVALID_ERROR_CODE,
            format!("{at}.ErrorCode"),
            || format!("is {status}; allowed are {STATUSES:?}"),
        )?;
        let is_new = codes.insert(status);
        ensure(
            is_new,
            &error::INVALID_ARGUMENT,
            format!("{at}.ErrorCode"),
            || format!("is {status} a second time"),
        )?;
        let (path, code) = (
            text(&response.response_page_path),
            text(&response.response_code),
        );
        ensure(
            path.is_empty() == code.is_empty(),
            &error::INVALID_ARGUMENT,
            &at,
            || "has one of ResponsePagePath and ResponseCode; they go together".to_owned(),
        )?;
        let is_path = path.is_empty()
            || path.starts_with('/')
                && path.len() <= ERROR_PAGE_PATH_CHARS_MAX
                && path.bytes().all(|byte| byte.is_ascii_graphic());
        let member = format!("{at}.ResponsePagePath");
        ensure(is_path, &error::INVALID_RELATIVE_PATH, member, || {
            format!("is '{path}'; allowed is a path that begins with '/' and has no blanks")
        })?;
        let number = code.parse::<i32>().ok();
        let is_code = code.is_empty()
            || number.is_some_and(|number| number == 200 || STATUSES.contains(&number));
        ensure(
            is_code,
            &error::INVALID_RESPONSE_CODE,
            format!("{at}.ResponseCode"),
            || format!("is '{code}'; allowed are 200 and {STATUSES:?}"),
        )?;
        let secs = response.error_caching_min_ttl.unwrap_or_default();
        let member = format!("{at}.ErrorCachingMinTTL");
        ensure(secs >= 0, &error::INVALID_ARGUMENT, member, || {
            format!("is {secs}; 0 and more are allowed")
        })?;
    }
    Ok(())
}
