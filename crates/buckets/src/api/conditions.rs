//! Conditions of requests: of reading (RFC 9110 §13.2.2, as S3 has it), of copying, of writing.

use http::StatusCode;
use s3s::dto::ETagCondition;

/// What a request asks of the object that is there. Times are seconds since 1970.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// `If-Match`.
    pub is_match: Option<ETagCondition>,
    /// `If-None-Match`.
    pub is_no_match: Option<ETagCondition>,
    /// `If-Modified-Since`.
    pub modified_since: Option<u64>,
    /// `If-Unmodified-Since`.
    pub unmodified_since: Option<u64>,
}

impl Conditions {
    /// The status that answers in place of the object, if a condition does not hold: 412, or 304
    /// where it asks for what has changed. `If-Match` outweighs `If-Unmodified-Since`, and
    /// `If-None-Match` outweighs `If-Modified-Since`.
    pub fn refusal(&self, etag: &str, modified_secs: u64) -> Option<StatusCode> {
        let failed = match (&self.is_match, self.unmodified_since) {
            (Some(condition), _) => !fits(condition, etag),
            (None, Some(since)) => modified_secs > since,
            (None, None) => false,
        };
        if failed {
            return Some(StatusCode::PRECONDITION_FAILED);
        }
        let is_unchanged = match (&self.is_no_match, self.modified_since) {
            (Some(condition), _) => fits(condition, etag),
            (None, Some(since)) => modified_secs <= since,
            (None, None) => false,
        };
        is_unchanged.then_some(StatusCode::NOT_MODIFIED)
    }

    /// Whether an object may be copied. Here a failed condition is always 412.
    pub fn allow_copy(&self, etag: &str, modified_secs: u64) -> bool {
        self.refusal(etag, modified_secs).is_none()
    }
}

/// Whether a condition names an entity tag, which is given without quotes.
pub fn fits(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(named) => named.value() == etag,
    }
}

#[cfg(test)]
mod tests {
    use s3s::dto::ETag;

    use super::*;

    fn tag(value: &str) -> Option<ETagCondition> {
        Some(ETagCondition::ETag(ETag::Strong(value.to_owned())))
    }

    #[test]
    fn entity_tags_outweigh_times() {
        let refusal = |conditions: Conditions| conditions.refusal("a", 100).map(|s| s.as_u16());
        assert_eq!(refusal(Conditions::default()), None);
        let of = |is_match, is_no_match, modified_since, unmodified_since| {
            refusal(Conditions {
                is_match,
                is_no_match,
                modified_since,
                unmodified_since,
            })
        };
        assert_eq!(of(tag("a"), None, None, None), None);
        assert_eq!(of(tag("b"), None, None, None), Some(412));
        assert_eq!(of(tag("a"), None, None, Some(99)), None);
        assert_eq!(of(None, None, None, Some(99)), Some(412));
        assert_eq!(of(None, None, None, Some(100)), None);
        assert_eq!(of(None, tag("a"), None, None), Some(304));
        assert_eq!(of(None, tag("b"), None, None), None);
        assert_eq!(of(None, tag("a"), Some(99), None), Some(304));
        assert_eq!(of(None, tag("b"), Some(100), None), None);
        assert_eq!(of(None, None, Some(100), None), Some(304));
        assert_eq!(of(None, None, Some(99), None), None);
        assert_eq!(of(tag("b"), tag("a"), None, None), Some(412));
        assert_eq!(of(Some(ETagCondition::Any), None, None, None), None);
        assert_eq!(of(None, Some(ETagCondition::Any), None, None), Some(304));
    }
}
