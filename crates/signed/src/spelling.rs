//! What a path means to whoever resolves what it spells: escapes, backslashes, empty and dot
//! segments. Origins differ in it, so that what is allowed by a path has to hold for both.

use std::borrow::Cow;

use memchr::memchr;

use crate::encoding::escaped;

/// The path with escapes decoded (once), `\` as `/`, empty segments collapsed and dot segments
/// resolved, never above the root; also those with parameters (`..;x`). A path in which there is
/// nothing to do is borrowed.
pub fn resolved(path: &[u8]) -> Cow<'_, [u8]> {
    if is_plain(path) {
        return Cow::Borrowed(path);
    }
    let decoded = decoded(path);
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut is_directory = true;
    for segment in decoded.split(|byte| matches!(byte, b'/' | b'\\')) {
        let meant = without_parameters(segment);
        is_directory = segment.is_empty() || matches!(meant, b"." | b"..");
        match meant {
            b"." => {}
            b".." => drop(segments.pop()),
            _ if segment.is_empty() => {}
            _ => segments.push(segment),
        }
    }
    let mut resolved = Vec::with_capacity(decoded.len() + 1);
    for segment in &segments {
        resolved.push(b'/');
        resolved.extend_from_slice(segment);
    }
    if is_directory {
        resolved.push(b'/');
    }
    match resolved == path {
        true => Cow::Borrowed(path),
        false => Cow::Owned(resolved),
    }
}

/// Whether others may find another directory in a path than its slashes tell: it has dot segments,
/// plain or escaped, escaped slashes, or backslashes.
pub fn is_evasive(path: &[u8]) -> bool {
    if is_plain(path) {
        return false;
    }
    let decoded = decoded(path);
    let slashes = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'/').count();
    decoded.contains(&b'\\')
        || slashes(&decoded) != slashes(path)
        || decoded
            .split(|byte| *byte == b'/')
            .any(|segment| matches!(without_parameters(segment), b"." | b".."))
}

/// Whether servers disagree where the dots of a path lead: it goes up (`..`) beside what is a
/// directory to some of them alone, such as escaped slashes, backslashes, empty segments, dots with
/// parameters and whatever needs decoding twice; or it goes above the root, where what an origin
/// has before all its paths is left.
pub fn is_ambiguous(path: &[u8]) -> bool {
    if is_plain(path) {
        return false;
    }
    let once = decoded(path);
    let twice = decoded(&once);
    let slashes = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'/').count();
    let mut is_unclear =
        twice != once || slashes(&twice) != slashes(path) || twice.contains(&b'\\');
    let (mut depth, mut goes_up) = (0_usize, false);
    let segments = twice.split(|byte| matches!(byte, b'/' | b'\\'));
    let mut segments = segments.skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match without_parameters(segment) {
            b".." => {
                goes_up = true;
                is_unclear |= depth == 0 || segment != b"..";
                depth = depth.saturating_sub(1);
            }
            b"." => is_unclear |= segment != b".",
            b"" => is_unclear |= !is_last,
            _ => depth += 1,
        }
    }
    goes_up && is_unclear
}

/// Servers written in Java pass over what follows a `;`, and resolve what is before it.
fn without_parameters(segment: &[u8]) -> &[u8] {
    match memchr(b';', segment) {
        Some(at) => &segment[..at],
        None => segment,
    }
}

/// Surely nothing is to be done: no escape, no backslash, no segment that is empty or begins with
/// a dot.
fn is_plain(path: &[u8]) -> bool {
    let mut before = 0;
    let is_plain = |byte: &u8| {
        let begins_segment = before == b'/';
        before = *byte;
        match byte {
            b'%' | b'\\' => false,
            b'/' | b'.' => !begins_segment,
            _ => true,
        }
    };
    path.first() == Some(&b'/') && path.iter().all(is_plain)
}

fn decoded(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, escaped(after)) {
            (b'%', Some(value)) => {
                decoded.push(value);
                rest = &after[2..];
            }
            _ => decoded.push(*byte),
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(path: &str) -> String {
        String::from_utf8(resolved(path.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn plain_paths_are_borrowed() {
        for path in [
            "/",
            "/a",
            "/a/b.c/",
            "/.well-known/x",
            "/a/..b/.c./...",
            "/a.b/c~d",
        ] {
            let resolved = resolved(path.as_bytes());
            assert!(matches!(resolved, Cow::Borrowed(_)), "{path}");
            assert_eq!(resolved, path.as_bytes());
            assert!(!is_evasive(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn dots_are_resolved_however_they_are_spelled() {
        for path in [
            "/a/../b",
            "/a/%2e%2e/b",
            "/a/.%2E/b",
            "/a/%2e./b",
            "/a/..%2fb",
            "/a%2F..%2Fb",
            "/a\\..\\b",
            "/a%5c..%5Cb",
            "/a/./../b",
            "/a//../b",
            "/../../b",
            "/a/%2e/%2e%2e/b",
            "/a/..;/b",
            "/a/..%3bx=1/.;/b",
        ] {
            assert_eq!(of(path), "/b", "{path}");
            assert!(is_evasive(path.as_bytes()), "{path}");
        }
        assert_eq!(of("/a/b/.."), "/a/");
        assert_eq!(of("/a/b/."), "/a/b/");
        assert_eq!(of("/a/b/%2e%2e/"), "/a/");
        assert_eq!(of("/.."), "/");
        assert_eq!(of("/a/..;x"), "/");
        assert_eq!(of("/a;x/b;/;c"), "/a;x/b;/;c");
    }

    #[test]
    fn where_dots_lead_is_clear_or_it_is_not() {
        for path in [
            "/a/../b",
            "/a/%2e%2e/b/",
            "/a/./b/.%2E/c",
            "/a//b/%2F\\",
            "/a;x/../b",
            "/..a/b..",
            "/a%2520b",
            "*",
        ] {
            assert!(!is_ambiguous(path.as_bytes()), "{path}");
        }
        for path in [
            "/../a",
            "/a/../../b",
            "/a%2Fb/../c",
            "/a/..%2fb",
            "/a%5Cb/../c",
            "/a/..\\b",
            "/a//../b",
            "/a/..;x/b",
            "/a/.;/../b",
            "/a/;x/../b",
            "/a/%252e%252e/b",
            "/a%252Fb/../c",
        ] {
            assert!(is_ambiguous(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn escapes_are_decoded_once_and_empty_segments_collapse() {
        assert_eq!(of("/a%20b//c///d/"), "/a b/c/d/");
        assert_eq!(of("/%252e%252e/%zz%2"), "/%2e%2e/%zz%2");
        assert!(!is_evasive(b"/a%20b//c"));
        assert!(is_evasive(b"/a%2Fb"));
        assert!(is_evasive(b"/a%5Cb"));
        assert_eq!(of("*"), "/*");
    }

    proptest! {
        #[test]
        fn no_dot_segment_is_left_and_nothing_is_left_to_resolve(path in r"/[a./\\]{0,12}") {
            let once = of(&path);
            prop_assert!(once.starts_with('/'));
            prop_assert!(!once.contains("//") && !once.contains('\\'));
            prop_assert!(once.split('/').all(|segment| segment != "." && segment != ".."));
            prop_assert_eq!(of(&once), once);
        }
    }
}
