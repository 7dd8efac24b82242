//! The one spelling in which a signed request goes to its origin.
//!
//! A signature covers the path and the query in a canonical spelling, which servers derive from
//! what arrives, each in its way: some take the bytes as they are, some decode them and encode
//! them again. They agree where what is sent is canonical already. So every escape is decoded
//! once and everything but RFC 3986's unreserved characters is escaped again, whatever the viewer
//! wrote: `/a b`, `/a%20b` and `/%61%20b` all become `/a%20b`.

use super::Service;

/// The target with path and query respelt, and without parameters of a viewer's own signature: a
/// request must not have two.
pub(super) fn respell(target: &[u8], service: Service) -> Vec<u8> {
    let (path, query) = match memchr::memchr(b'?', target) {
        Some(at) => (&target[..at], &target[at + 1..]),
        None => (target, &[][..]),
    };
    let mut out = Vec::with_capacity(target.len() + 32);
    write_path(path, service, &mut out);
    let start = out.len();
    for parameter in query.split(|byte| *byte == b'&') {
        if parameter.is_empty() || is_of_signature(parameter) {
            continue;
        }
        out.push(if out.len() == start { b'?' } else { b'&' });
        let mut sides = parameter.splitn(2, |byte| *byte == b'=');
        encode(sides.next().unwrap_or_default(), &[], &mut out);
        if let Some(value) = sides.next() {
            out.push(b'=');
            encode(value, &[], &mut out);
        }
    }
    out
}

/// For S3 `%2F` is a `/` of the key like any other, and dot segments and empty ones are parts of
/// keys. For all others `%2F` is something else than `/`, and stays escaped.
fn write_path(path: &[u8], service: Service, out: &mut Vec<u8>) {
    if service == Service::S3 {
        return encode(path, b"/", out);
    }
    for (index, segment) in path.split(|byte| *byte == b'/').enumerate() {
        if index > 0 {
            out.push(b'/');
        }
        encode(segment, &[], out);
    }
}

/// Whether a parameter belongs to a signature in the query: `X-Amz-…` of version 4, and what
/// version 2 is known by.
fn is_of_signature(parameter: &[u8]) -> bool {
    let name = parameter.split(|byte| *byte == b'=').next();
    let name: Vec<u8> = Decoded(name.unwrap_or_default()).collect();
    let prefix = b"x-amz-";
    let is_amz = name.len() >= prefix.len() && name[..prefix.len()].eq_ignore_ascii_case(prefix);
    is_amz || name.eq_ignore_ascii_case(b"awsaccesskeyid")
}

/// Writes what the text means, with all but unreserved characters and `bare` escaped. What is no
/// escape stands for itself, `+` too.
fn encode(text: &[u8], bare: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in Decoded(text) {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || bare.contains(&byte) {
            out.push(byte);
        } else {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'%', DIGITS[high], DIGITS[low]]);
        }
    }
}

/// The bytes that a percent-encoded text means.
struct Decoded<'a>(&'a [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (first, after) = self.0.split_first()?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        if let [b'%', high, low, rest @ ..] = self.0
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            self.0 = rest;
            return Some((high << 4 | low) as u8);
        }
        self.0 = after;
        Some(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn s3(target: &str) -> String {
        String::from_utf8(respell(target.as_bytes(), Service::S3)).unwrap()
    }

    fn lambda(target: &str) -> String {
        String::from_utf8(respell(target.as_bytes(), Service::Lambda)).unwrap()
    }

    #[test]
    fn a_key_has_one_spelling_however_the_viewer_wrote_it() {
        for (written, sent) in [
            ("/", "/"),
            ("/a b", "/a%20b"),
            ("/a%20b", "/a%20b"),
            ("/%61%20b", "/a%20b"),
            ("/a+b", "/a%2Bb"),
            ("/a%2bb", "/a%2Bb"),
            ("/é", "/%C3%A9"),
            ("/%c3%A9", "/%C3%A9"),
            ("/a//b/", "/a//b/"),
            ("//", "//"),
            ("/a/../b/./c", "/a/../b/./c"),
            ("/a%2Fb", "/a/b"),
            ("/a%2e%2E%2fb", "/a../b"),
            ("/%zz%", "/%25zz%25"),
            ("/%2525", "/%2525"),
            ("/a%00b", "/a%00b"),
            ("/a%3Fb?c", "/a%3Fb?c"),
            (
                "/a*b'(c)!;:@&=$,",
                "/a%2Ab%27%28c%29%21%3B%3A%40%26%3D%24%2C",
            ),
        ] {
            assert_eq!(s3(written), sent, "{written}");
        }
    }

    #[test]
    fn an_escaped_slash_is_a_slash_for_s3_alone() {
        assert_eq!(lambda("/a%2fb//c?d=e/f"), "/a%2Fb//c?d=e%2Ff");
    }

    #[test]
    fn a_query_has_one_spelling_and_keeps_its_order() {
        for (written, sent) in [
            ("/?", "/"),
            ("/?b=1&a=%61", "/?b=1&a=a"),
            ("/?acl", "/?acl"),
            ("/?acl=", "/?acl="),
            ("/?a=b=c&&d=/ +", "/?a=b%3Dc&d=%2F%20%2B"),
            ("/?a?b", "/?a%3Fb"),
        ] {
            assert_eq!(s3(written), sent, "{written}");
        }
    }

    #[test]
    fn a_viewers_own_signature_in_the_query_is_left_out() {
        for parameter in [
            "X-Amz-Signature=00",
            "x-amz-credential=AKIA",
            "X%2DAmz-Algorithm=x",
            "%58-Amz-Date",
            "AWSAccessKeyId=AKIA",
            "awsaccesskeyid",
        ] {
            assert_eq!(s3(&format!("/a?{parameter}&b=1")), "/a?b=1", "{parameter}");
            assert_eq!(s3(&format!("/a?{parameter}")), "/a", "{parameter}");
        }
        assert_eq!(s3("/a?X-Am=1&amz-X-Amz-=2"), "/a?X-Am=1&amz-X-Amz-=2");
    }

    proptest! {
        #[test]
        fn what_is_respelt_is_ascii_and_stays_as_it_is(
            bytes in prop::collection::vec(any::<u8>(), 0..60)
        ) {
            let target = [b"/", &bytes[..]].concat();
            for service in [Service::S3, Service::Lambda] {
                let once = respell(&target, service);
                prop_assert!(once.iter().all(u8::is_ascii_graphic));
                prop_assert_eq!(&respell(&once, service), &once);
            }
        }
    }
}
