//! The normal form of a path (RFC 3986 §6.2.2): escapes of unreserved characters decoded, the
//! others in capitals, dot segments removed. Behaviors are chosen by it; origins and cache keys
//! have the path as it was sent (spec §2.1). And what else an origin may take a path for.

use std::borrow::Cow;

use signed::spelling;

/// The path in its normal form. Mostly it is in it, and nothing is copied.
#[inline]
pub fn normal(path: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', path).is_none() && memchr::memmem::find(path, b"/.").is_none() {
        return Cow::Borrowed(path);
    }
    Cow::Owned(without_dots(&escapes(path)))
}

/// Other paths that an origin may take this one for: as it was sent; with every escape decoded;
/// with `//` and dot segments gone as well; and so once more, for origins that decode twice; all
/// that also without parameters (`/a;x/b`), which servers written in Java cut off. None for a path
/// that can be read in one way only.
pub fn readings(path: &[u8]) -> Vec<Vec<u8>> {
    let mut readings = Vec::new();
    add_readings(path, &mut readings);
    if memchr::memchr2(b';', b'%', path).is_some() {
        for path in [path, &decoded(path)] {
            if memchr::memchr(b';', path).is_some() {
                let cut = without_parameters(path);
                add_readings(&cut, &mut readings);
                readings.push(cut);
            }
        }
    }
    readings
}

fn add_readings(path: &[u8], readings: &mut Vec<Vec<u8>>) {
    if let Cow::Owned(resolved) = spelling::resolved(path) {
        let twice = spelling::resolved(&resolved).into_owned();
        readings.extend([path.to_vec(), decoded(path), resolved, twice]);
    }
}

/// Each segment up to its first `;`.
fn without_parameters(path: &[u8]) -> Vec<u8> {
    let segments = path.split(|byte| *byte == b'/').map(|segment| {
        let end = memchr::memchr(b';', segment).unwrap_or(segment.len());
        &segment[..end]
    });
    segments.collect::<Vec<_>>().join(&b'/')
}

/// With the escapes of unreserved characters decoded, and the others in capitals.
pub fn escapes(path: &[u8]) -> Vec<u8> {
    unescaped(path, |byte| {
        byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
    })
}

/// With every escape decoded, once.
pub fn decoded(path: &[u8]) -> Vec<u8> {
    unescaped(path, |_| true)
}

fn unescaped(path: &[u8], is_to_be: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match escape(byte, after) {
            Some(value) => {
                rest = &after[2..];
                match is_to_be(value) {
                    true => out.push(value),
                    false => out.extend_from_slice(format!("%{value:02X}").as_bytes()),
                }
            }
            None => out.push(byte),
        }
    }
    out
}

/// The byte that an escape stands for.
fn escape(byte: u8, after: &[u8]) -> Option<u8> {
    let digits = after.get(..2).filter(|_| byte == b'%')?;
    let value = |digit: u8| char::from(digit).to_digit(16);
    Some((value(digits[0])? * 16 + value(digits[1])?) as u8)
}

/// RFC 3986 §5.2.4, for paths that begin with a slash.
fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut segments = path
        .split(|byte| *byte == b'/')
        .skip(usize::from(path.starts_with(b"/")))
        .peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            b"." | b".." => {
                if segment == b".." {
                    let end = memchr::memrchr(b'/', &out).unwrap_or(0);
                    out.truncate(end);
                }
                if is_last {
                    out.push(b'/');
                }
            }
            _ => {
                out.push(b'/');
                out.extend_from_slice(segment);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> String {
        String::from_utf8(normal(path.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn a_plain_path_is_not_copied() {
        assert!(matches!(normal(b"/a/b.html"), Cow::Borrowed(_)));
        assert!(matches!(normal(b"//a//"), Cow::Borrowed(_)));
    }

    #[test]
    fn dot_segments_go() {
        assert_eq!(of("/public/../private/x"), "/private/x");
        assert_eq!(of("/a/./b/../c/"), "/a/c/");
        assert_eq!(of("/../../a"), "/a");
        assert_eq!(of("/a/.."), "/");
        assert_eq!(of("/a/."), "/a/");
        assert_eq!(of("/.hidden/..x/..."), "/.hidden/..x/...");
        assert_eq!(of("/a//../b"), "/a/b");
    }

    #[test]
    fn escapes_of_unreserved_characters_are_decoded_and_no_others() {
        assert_eq!(of("/%70rivate/%41%2d%5F"), "/private/A-_");
        assert_eq!(of("/a%2fb%20c"), "/a%2Fb%20c");
        assert_eq!(of("/a/%2e%2E/b"), "/b");
        assert_eq!(of("/100%/%zz/%2"), "/100%/%zz/%2");
        // Once: what comes out is not decoded again.
        assert_eq!(of("/%2570"), "/%2570");
    }

    #[test]
    fn a_path_is_read_in_every_way_that_an_origin_may() {
        assert!(readings(b"/a/b").is_empty());
        let has = |path: &[u8], wanted: &[u8]| readings(path).iter().any(|path| path == wanted);
        assert!(has(b"/private%2Fx", b"/private/x"));
        assert!(has(b"//private/x", b"/private/x"));
        assert!(has(b"/private/a/../../x", b"/private/a/../../x"));
        assert!(has(b"/private%2Fa/../../x", b"/private/a/../../x"));
        assert!(has(b"/%2570rivate/x", b"/private/x"));
        assert!(has(b"/a\\..\\private\\x", b"/private/x"));
        assert!(has(b"/private;a=b/x;c", b"/private/x"));
        assert!(has(b"/private%3Ba/x", b"/private/x"));
        assert!(has(b"/private;a%2Fx", b"/private/x"));
        assert!(has(b"/a;/..;b/%70rivate;c/x", b"/private/x"));
        assert!(has(b"/a;%2Fb/c", b"/a/c"));
    }
}
