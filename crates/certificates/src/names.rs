//! Names of certificates, and which names they cover (RFC 6125 §6.4, RFC 9525 §6.3).
//!
//! A wildcard is the whole leftmost label and stands for exactly one label. Everything else that
//! somebody might take for a wildcard covers nothing.

use crate::limits::{LABEL_CHARS_MAX, NAME_CHARS_MAX};

/// Whether a certificate's name covers a name, in any case: the one that a viewer asks for (which
/// may end in a dot), or an alias, which may be a wildcard itself and then is covered by the same
/// wildcard alone.
pub fn covers(pattern: &str, name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    if !is_certificate_name(pattern) || !is_certificate_name(name) {
        return false;
    }
    if pattern.eq_ignore_ascii_case(name) {
        return true;
    }
    match (pattern.strip_prefix("*."), name.split_once('.')) {
        (Some(below), Some((label, parent))) => label != "*" && below.eq_ignore_ascii_case(parent),
        _ => false,
    }
}

/// Whether a text is a name that a certificate can have: labels of letters, digits, `-` and `_`,
/// the leftmost of which may be `*`; no address, no dot at its end.
pub fn is_certificate_name(name: &str) -> bool {
    let host = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        let mut bytes = label.bytes();
        (1..=LABEL_CHARS_MAX).contains(&label.len())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    // A last label of digits alone is the end of an IPv4 address, in one of its forms.
    let last = host.rsplit('.').next().unwrap_or_default();
    name.len() <= NAME_CHARS_MAX
        && host.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_covers_itself_in_any_case_and_in_absolute_form() {
        assert!(covers("example.com", "example.com"));
        assert!(covers("Example.COM", "eXample.com"));
        assert!(covers("example.com", "example.com."));
        assert!(covers("localhost", "localhost"));
        assert!(covers("xn--bcher-kva.example", "xn--bcher-kva.example"));
        assert!(!covers("example.com", "www.example.com"));
        assert!(!covers("example.com", "example.com.."));
        assert!(!covers("example.com.", "example.com"));
    }

    #[test]
    fn a_wildcard_covers_exactly_one_leftmost_label() {
        assert!(covers("*.example.com", "www.example.com"));
        assert!(covers("*.Example.com", "WWW.example.COM."));
        assert!(covers("*.example.com", "xn--bcher-kva.example.com"));
        assert!(covers("*.localhost", "d1.localhost"));
        for name in [
            "example.com",
            ".example.com",
            "a.b.example.com",
            "wwwexample.com",
            "www.example.com.evil.net",
            "www.example.org",
        ] {
            assert!(!covers("*.example.com", name), "{name}");
        }
    }

    #[test]
    fn a_wildcard_alias_is_covered_by_the_same_wildcard_alone() {
        assert!(covers("*.example.com", "*.example.com"));
        assert!(!covers("www.example.com", "*.example.com"));
        assert!(!covers("*.com", "*.example.com"));
        assert!(!covers("*.example.com", "*.a.example.com"));
        assert!(!covers("*.*.com", "*.example.com"));
    }

    #[test]
    fn what_only_looks_like_a_wildcard_covers_nothing() {
        for pattern in [
            "*",
            "*.",
            "w*.example.com",
            "*w.example.com",
            "www.*.com",
            "*.*.com",
            "**.example.com",
            "*example.com",
            "xn--*.example.com",
        ] {
            for name in [
                "www.example.com",
                "ww.example.com",
                "xn--a.example.com",
                pattern,
            ] {
                assert!(!covers(pattern, name), "{pattern} {name}");
            }
        }
    }

    #[test]
    fn what_is_no_name_is_not_covered() {
        for name in [
            "",
            ".",
            "www.example.com\0.evil.net",
            "www\0.example.com",
            "bücher.example.com",
            "www example.com",
            "192.0.2.1",
            "2001:db8::1",
            "[::1]",
        ] {
            assert!(!covers(name, name), "{name:?}");
            assert!(!covers("*.example.com", name), "{name:?}");
        }
        assert!(!covers("*.0.2.1", "192.0.2.1"));
        assert!(!covers(
            "*.example.com",
            &format!("{}.example.com", "a".repeat(64))
        ));
        let long = format!("{}example.com", "a.".repeat(122));
        assert!(!covers(&long, &long));
    }

    proptest! {
        #[test]
        fn covering_is_by_labels(pattern in "[*aB.]{0,6}", name in "[*Ab.]{0,6}") {
            let split = |text: &str| -> Vec<String> {
                text.split('.').map(str::to_ascii_lowercase).collect()
            };
            let is_name = |labels: &[String]| {
                let rest = &labels[usize::from(labels.len() > 1 && labels[0] == "*")..];
                rest.iter().all(|label| !label.is_empty() && !label.contains('*'))
            };
            let (wild, asked) = (split(&pattern), split(name.strip_suffix('.').unwrap_or(&name)));
            let is_equal = wild == asked;
            let is_wild = wild[0] == "*" && asked[0] != "*" && wild[1..] == asked[1..];
            let expected = is_name(&wild) && is_name(&asked) && (is_equal || is_wild);
            prop_assert_eq!(covers(&pattern, &name), expected);
        }

        #[test]
        fn any_text_may_be_asked_for(pattern in ".{0,20}", name in ".{0,20}") {
            let _ = covers(&pattern, &name);
        }
    }
}
