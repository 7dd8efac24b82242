use message::{Fields, list_items};
use smallvec::SmallVec;

use super::limits::{SECS_MAX, UNSTORED_FIELDS_MAX};

/// The directives of a response: every `Cache-Control` field joined, names without regard to case.
///
/// Of a directive sent twice the first counts (RFC 9111 §4.2.1). A `max-age` or `s-maxage` that is
/// no number of seconds counts as 0: the origin meant to limit reuse, and 0 is the safe reading.
/// Numbers are capped at 100 years.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheControl {
    /// `max-age`.
    pub max_age_secs: Option<u64>,
    /// `s-maxage`.
    pub s_maxage_secs: Option<u64>,
    /// `stale-while-revalidate`.
    pub stale_while_revalidate_secs: Option<u64>,
    /// `stale-if-error`.
    pub stale_if_error_secs: Option<u64>,
    /// `no-store`.
    pub no_store: bool,
    /// `no-cache` without field names.
    pub no_cache: bool,
    /// `private` without field names.
    pub private: bool,
    /// `public`.
    pub public: bool,
    /// `must-revalidate`.
    pub must_revalidate: bool,
    /// `proxy-revalidate`.
    pub proxy_revalidate: bool,
    /// Lower-case names of the fields that must not be stored with the response:
    /// `no-cache="Set-Cookie"` and `private="…"`.
    pub unstored_fields: SmallVec<[Box<str>; 1]>,
}

impl CacheControl {
    /// Reads the directives of a response.
    pub fn parse(fields: &Fields) -> CacheControl {
        let mut parsed = CacheControl::default();
        for value in fields.get_all("cache-control") {
            list_items(value).for_each(|directive| parsed.add(directive));
        }
        parsed
    }

    /// Whether a field of that name is stored with the response.
    pub fn stores_field(&self, name: &[u8]) -> bool {
        !self
            .unstored_fields
            .iter()
            .any(|other| other.as_bytes().eq_ignore_ascii_case(name))
    }

    fn add(&mut self, directive: &[u8]) {
        let (name, argument) = match directive.iter().position(|byte| *byte == b'=') {
            Some(at) => (
                directive[..at].trim_ascii(),
                Some(directive[at + 1..].trim_ascii()),
            ),
            None => (directive, None),
        };
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        let seconds = || argument.and_then(delta_seconds);
        if is("max-age") {
            self.max_age_secs.get_or_insert(seconds().unwrap_or(0));
        } else if is("s-maxage") {
            self.s_maxage_secs.get_or_insert(seconds().unwrap_or(0));
        } else if is("stale-while-revalidate") {
            self.stale_while_revalidate_secs = self.stale_while_revalidate_secs.or(seconds());
        } else if is("stale-if-error") {
            self.stale_if_error_secs = self.stale_if_error_secs.or(seconds());
        } else if is("no-store") {
            self.no_store = true;
        } else if is("no-cache") {
            self.no_cache |= !self.add_unstored(argument);
        } else if is("private") {
            self.private |= !self.add_unstored(argument);
        } else if is("public") {
            self.public = true;
        } else if is("must-revalidate") {
            self.must_revalidate = true;
        } else if is("proxy-revalidate") {
            self.proxy_revalidate = true;
        }
    }

    /// Takes the field names of `no-cache="…"`. False where there are none, or they are more than
    /// we keep, and the directive therefore stands for the whole response.
    fn add_unstored(&mut self, argument: Option<&[u8]>) -> bool {
        let Some(names) = argument.map(unquoted) else {
            return false;
        };
        let mut any = false;
        for name in list_items(names) {
            let Ok(name) = std::str::from_utf8(name) else {
                return false;
            };
            if self.unstored_fields.len() == UNSTORED_FIELDS_MAX {
                return false;
            }
            self.unstored_fields.push(name.to_ascii_lowercase().into());
            any = true;
        }
        any
    }
}

/// A number of seconds, plain or quoted, capped at 100 years; `None` for anything but digits.
pub(super) fn delta_seconds(value: &[u8]) -> Option<u64> {
    let digits = unquoted(value);
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |secs, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some((secs * 10 + digit).min(SECS_MAX))
    })
}

/// What is between quotes, or the value itself. Escapes are not resolved: no name and no number
/// needs one.
fn unquoted(value: &[u8]) -> &[u8] {
    value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(values: &[&str]) -> CacheControl {
        CacheControl::parse(
            &values
                .iter()
                .map(|value| ("Cache-Control", value))
                .collect(),
        )
    }

    #[test]
    fn directives_are_read_from_all_lines_without_regard_to_case() {
        let parsed = parse(&["Public, MAX-AGE=60", "s-maxage=\"30\" , stale-if-error=5,,"]);
        assert_eq!(parsed.max_age_secs, Some(60));
        assert_eq!(parsed.s_maxage_secs, Some(30));
        assert_eq!(parsed.stale_if_error_secs, Some(5));
        assert!(parsed.public && !parsed.private && !parsed.no_store);
    }

    #[test]
    fn a_number_that_is_none_means_zero_and_a_huge_one_means_a_hundred_years() {
        for (value, want) in [
            ("max-age=-1", 0),
            ("max-age=1.5", 0),
            ("max-age=", 0),
            ("max-age", 0),
            ("max-age=\"", 0),
            ("max-age='60'", 0),
            ("max-age=0060", 60),
            ("max-age = 60", 60),
            ("max-age=99999999999999999999999999", SECS_MAX),
        ] {
            assert_eq!(parse(&[value]).max_age_secs, Some(want), "{value}");
        }
        assert_eq!(parse(&["stale-if-error=x"]).stale_if_error_secs, None);
    }

    #[test]
    fn the_first_of_two_equal_directives_counts() {
        assert_eq!(
            parse(&["max-age=1, max-age=2", "max-age=3"]).max_age_secs,
            Some(1)
        );
    }

    #[test]
    fn directives_inside_quotes_are_none() {
        let parsed = parse(&["x=\"max-age=5, no-store\""]);
        assert_eq!(parsed, CacheControl::default());
    }

    #[test]
    fn no_cache_with_field_names_excludes_fields_and_not_the_response() {
        let parsed = parse(&["no-cache=\"Set-Cookie, X-A\", private=x-b"]);
        assert!(!parsed.no_cache && !parsed.private);
        assert!(!parsed.stores_field(b"set-cookie") && !parsed.stores_field(b"X-B"));
        assert!(parsed.stores_field(b"etag"));
        assert!(parse(&["no-cache=\"\""]).no_cache);
        assert!(parse(&["no-cache=\"a\", no-cache"]).no_cache);
    }

    #[test]
    fn more_field_names_than_we_keep_count_as_the_whole_response() {
        let names = vec!["x"; UNSTORED_FIELDS_MAX + 1].join(",");
        assert!(parse(&[&format!("no-cache=\"{names}\"")]).no_cache);
    }

    proptest! {
        #[test]
        fn nothing_panics_and_numbers_are_capped(value in "[a-z0-9=\", \\\\-]{0,60}") {
            let parsed = parse(&[&value, &format!("max-age={value}")]);
            prop_assert!(parsed.max_age_secs.is_some_and(|secs| secs <= SECS_MAX));
        }
    }
}
