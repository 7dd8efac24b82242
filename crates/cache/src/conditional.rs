//! Preconditions: whether a conditional request gets the representation, a 304, or a 412
//! (RFC 9110 §13), and entity tags.

use std::sync::LazyLock;

use message::{Fields, parse_http_date};

use crate::headblock::NameSet;

/// The condition fields of a request. Where a field was sent several times, its values joined with
/// commas.
#[derive(Clone, Copy, Debug, Default)]
pub struct Preconditions<'a> {
    /// `If-Match`.
    pub if_match: Option<&'a [u8]>,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since: Option<&'a [u8]>,
    /// `If-None-Match`.
    pub if_none_match: Option<&'a [u8]>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<&'a [u8]>,
}

/// What a stored response is recognized by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Validators<'a> {
    /// `ETag`.
    pub etag: Option<&'a [u8]>,
    /// `Last-Modified`, in seconds since 1970.
    pub last_modified_secs: Option<u64>,
}

/// What a conditional request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The representation (or the part that its `Range` asks for).
    Proceed,
    /// 304, without a body: the viewer has it.
    NotModified,
    /// 412: the viewer expected another one.
    PreconditionFailed,
}

/// Evaluates the conditions of a GET or HEAD request, in the order of RFC 9110 §13.2.2, against a
/// stored response with status 200. Dates that are none are ignored.
pub fn evaluate(request: &Preconditions<'_>, stored: &Validators<'_>) -> Decision {
    if let Some(list) = request.if_match {
        if !matches_any(list, stored.etag, strong_eq) {
            return Decision::PreconditionFailed;
        }
    } else if let Some(since) = request.if_unmodified_since.and_then(parse_http_date)
        && stored
            .last_modified_secs
            .is_some_and(|modified| modified > since)
    {
        return Decision::PreconditionFailed;
    }
    if let Some(list) = request.if_none_match {
        if matches_any(list, stored.etag, weak_eq) {
            return Decision::NotModified;
        }
    } else if let Some(since) = request.if_modified_since.and_then(parse_http_date)
        && stored
            .last_modified_secs
            .is_some_and(|modified| modified <= since)
    {
        return Decision::NotModified;
    }
    Decision::Proceed
}

/// Whether `*` or a tag of the list matches. `*` matches any stored response, tag or none.
fn matches_any(list: &[u8], etag: Option<&[u8]>, equal: fn(&[u8], &[u8]) -> bool) -> bool {
    if list.trim_ascii() == b"*" {
        return true;
    }
    let Some(etag) = etag else { return false };
    let mut rest = list;
    while let Some(tag) = next_tag(&mut rest) {
        if equal(tag, etag) {
            return true;
        }
    }
    false
}

/// The next tag of a list. Between quotes a comma belongs to the tag, and a backslash is nothing
/// special, other than in the lists of other fields. What is not quoted ends at the comma.
fn next_tag<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let start = rest
        .iter()
        .position(|byte| !matches!(byte, b',' | b' ' | b'\t'))?;
    let list = &rest[start..];
    let opening = if list.starts_with(b"W/\"") { 2 } else { 0 };
    let closing = match list[opening..].strip_prefix(b"\"") {
        Some(tag) => tag
            .iter()
            .position(|byte| *byte == b'"')
            .map(|at| opening + at + 2),
        None => None,
    };
    let end = closing.or_else(|| list.iter().position(|byte| *byte == b','));
    let (tag, after) = list.split_at(end.unwrap_or(list.len()));
    *rest = after;
    Some(tag.trim_ascii())
}

/// Whether two tags are the same regardless of their strength.
pub(crate) fn weak_eq(one: &[u8], other: &[u8]) -> bool {
    let opaque = |tag| <[u8]>::strip_prefix(tag, b"W/").unwrap_or(tag);
    opaque(one) == opaque(other)
}

/// Whether two tags are the same and both strong.
pub(crate) fn strong_eq(one: &[u8], other: &[u8]) -> bool {
    one == other && !one.starts_with(b"W/")
}

/// The tag for a body that we compressed: a strong one becomes weak, a weak one stays, one that
/// does not start as a tag does is dropped (spec §6).
pub fn weaken(etag: &[u8]) -> Option<Vec<u8>> {
    if etag.starts_with(b"W/") {
        Some(etag.to_vec())
    } else if etag.starts_with(b"\"") {
        Some([b"W/", etag].concat())
    } else {
        None
    }
}

/// Fields that describe a body and therefore stay away from a 304.
const NOT_ON_304: [&str; 8] = [
    "content-length",
    "content-encoding",
    "content-language",
    "content-md5",
    "content-range",
    "content-type",
    "transfer-encoding",
    "trailer",
];

/// The fields that a 304 leaves out, for [`crate::headblock::write_wire_except`].
pub fn not_on_304() -> &'static NameSet {
    static SET: LazyLock<NameSet> = LazyLock::new(|| NameSet::new(NOT_ON_304));
    &SET
}

/// The fields of a response that its 304 carries as well: all but those that describe a body
/// (RFC 9110 §15.4.5).
pub fn fields_for_304(fields: &Fields) -> Fields {
    let mut kept = fields.clone();
    kept.retain(|name, _| {
        !NOT_ON_304
            .iter()
            .any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
    });
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const THEN: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";
    const THEN_SECS: u64 = 784_111_777;

    fn none_match(list: &[u8], etag: &[u8]) -> Decision {
        evaluate(
            &Preconditions {
                if_none_match: Some(list),
                ..Default::default()
            },
            &Validators {
                etag: Some(etag),
                ..Default::default()
            },
        )
    }

    #[test]
    fn if_none_match_compares_weakly_with_every_tag_of_the_list() {
        for (list, etag) in [
            (&b"\"a\""[..], &b"\"a\""[..]),
            (b"W/\"a\"", b"\"a\""),
            (b"\"a\"", b"W/\"a\""),
            (b"\"x\", \"a\"", b"\"a\""),
            (b"\"x,\" ,W/\"y\",\"a,b\"", b"\"a,b\""),
            (b"\"\\\",\"a\"", b"\"a\""),
            (b" * ", b"\"a\""),
            (b"bare", b"bare"),
        ] {
            assert_eq!(none_match(list, etag), Decision::NotModified, "{list:?}");
        }
        for list in [
            &b"\"b\""[..],
            b"",
            b"a",
            b"\"a",
            b"\"x, \"a\"x",
            b"\"A\"",
            b"*, \"b\"",
        ] {
            assert_eq!(none_match(list, b"\"a\""), Decision::Proceed, "{list:?}");
        }
    }

    #[test]
    fn if_modified_since_counts_only_without_if_none_match() {
        let stored = Validators {
            etag: Some(b"\"a\""),
            last_modified_secs: Some(THEN_SECS),
        };
        let mut request = Preconditions {
            if_modified_since: Some(THEN),
            ..Default::default()
        };
        assert_eq!(evaluate(&request, &stored), Decision::NotModified);
        request.if_none_match = Some(b"\"b\"");
        assert_eq!(evaluate(&request, &stored), Decision::Proceed);
        let newer = Validators {
            last_modified_secs: Some(THEN_SECS + 1),
            ..stored
        };
        request.if_none_match = None;
        assert_eq!(evaluate(&request, &newer), Decision::Proceed);
        request.if_modified_since = Some(b"yesterday");
        assert_eq!(evaluate(&request, &stored), Decision::Proceed);
    }

    #[test]
    fn if_match_wants_a_strong_match_and_comes_first() {
        let stored = Validators {
            etag: Some(b"\"a\""),
            last_modified_secs: Some(THEN_SECS),
        };
        let with = |list: &'static [u8]| Preconditions {
            if_match: Some(list),
            if_unmodified_since: Some(b"Sun, 06 Nov 1994 08:49:36 GMT"),
            ..Default::default()
        };
        assert_eq!(evaluate(&with(b"\"a\""), &stored), Decision::Proceed);
        assert_eq!(evaluate(&with(b"*"), &stored), Decision::Proceed);
        assert_eq!(
            evaluate(&with(b"W/\"a\""), &stored),
            Decision::PreconditionFailed
        );
        let since = Preconditions {
            if_match: None,
            ..with(b"")
        };
        assert_eq!(evaluate(&since, &stored), Decision::PreconditionFailed);
        assert_eq!(evaluate(&since, &Validators::default()), Decision::Proceed);
    }

    #[test]
    fn tags_are_weakened_for_compressed_bodies() {
        assert_eq!(weaken(b"\"a\"").as_deref(), Some(&b"W/\"a\""[..]));
        assert_eq!(weaken(b"W/\"a\"").as_deref(), Some(&b"W/\"a\""[..]));
        assert_eq!(weaken(b"a"), None);
        assert_eq!(weaken(b""), None);
    }

    #[test]
    fn a_304_carries_no_field_about_a_body() {
        let fields: Fields = [
            ("Content-Type", "x"),
            ("ETag", "\"a\""),
            ("content-encoding", "br"),
            ("Vary", "y"),
        ]
        .into_iter()
        .collect();
        assert_eq!(
            fields_for_304(&fields).as_wire(),
            b"ETag: \"a\"\r\nVary: y\r\n"
        );
        assert!(not_on_304().contains(b"Content-Type") && !not_on_304().contains(b"etag"));
    }

    proptest! {
        #[test]
        fn a_tag_is_found_in_any_list_that_has_it(
            before in prop::collection::vec("(W/)?\"[!#-~]{0,5}\"", 0..4), tag in "\"[!#-~]{0,5}\""
        ) {
            let mut list = before.join(" ,\t");
            list.push_str(", ");
            list.push_str(&tag);
            prop_assert_eq!(none_match(list.as_bytes(), tag.as_bytes()), Decision::NotModified);
        }

        #[test]
        fn no_list_panics(list in prop::collection::vec(any::<u8>(), 0..40)) {
            none_match(&list, b"\"a\"");
        }
    }
}
