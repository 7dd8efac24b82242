//! gRPC (spec §5.7): its calls go to origins by HTTP/2, are never stored nor shared, and get errors
//! that its clients understand.

use message::http1::reason;
use message::{Fields, Known, Method, RequestHead, Version};

use crate::reply::{Body, Reply};
use crate::site::Behavior;

/// Whether a request is a call, and may be one here. By HTTP/1.1 there are none.
pub(crate) fn is_call(request: &RequestHead, behavior: &Behavior) -> bool {
    behavior.grpc && request.method == Method::Post && request.version >= Version::Http2 && {
        let kind = request.known(Known::ContentType).unwrap_or_default();
        let name = b"application/grpc";
        // `application/grpc-web` is not gRPC: it is made for HTTP/1.1.
        kind.len() >= name.len()
            && kind[..name.len()].eq_ignore_ascii_case(name)
            && matches!(kind.get(name.len()), None | Some(b'+' | b';' | b' '))
    }
}

/// Adds what an origin needs to know of a call and policies do not name.
pub(crate) fn forward(request: &RequestHead, fields: &mut Fields) {
    for (name, value) in request.iter() {
        let is_of_call = name.len() > 5 && name[..5].eq_ignore_ascii_case(b"grpc-");
        if is_of_call
            && !fields
                .iter()
                .any(|(other, _)| other.eq_ignore_ascii_case(name))
        {
            fields.push_trusted(name, value);
        }
    }
    // Servers take a client that does not say so for one that cannot read their status.
    fields.push_trusted(b"TE", b"trailers");
}

/// Turns an error of the edge's own into the answer to a call: a head that is the end as well.
pub(crate) fn fail(reply: &mut Reply) {
    let status = reply.status;
    reply.status = 200;
    reply.body = Body::Empty;
    reply.length = None;
    reply.cause = None;
    reply.fields.clear();
    let fields = &mut reply.fields;
    fields.push_trusted(b"Content-Type", b"application/grpc");
    fields.push_number(b"grpc-status", u64::from(code(status)));
    // These are letters and spaces alone, so that nothing is to be encoded.
    fields.push_trusted(b"grpc-message", reason(status).as_bytes());
}

/// What gRPC calls a status of HTTP; where its own table knows one, as that has it
/// (`http-grpc-status-mapping.md`).
fn code(status: u16) -> u8 {
    const UNKNOWN: u8 = 2;
    const DEADLINE_EXCEEDED: u8 = 4;
    const PERMISSION_DENIED: u8 = 7;
    const UNIMPLEMENTED: u8 = 12;
    const INTERNAL: u8 = 13;
    const UNAVAILABLE: u8 = 14;
    const UNAUTHENTICATED: u8 = 16;
    match status {
        400 | 413 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        408 | 504 => DEADLINE_EXCEEDED,
        429 | 502 | 503 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{distribution, site_of};
    use serde_json::json;

    fn behavior_with(is_enabled: bool) -> crate::site::Site {
        let mut config = distribution(&["site.test"]);
        config["DefaultCacheBehavior"]["GrpcConfig"] = json!({ "Enabled": is_enabled });
        site_of("E1", &config)
    }

    #[test]
    fn calls_are_known_by_method_version_and_type_where_they_are_on() {
        let (on, off) = (behavior_with(true), behavior_with(false));
        for (method, version, kind, want) in [
            ("POST", Version::Http2, "application/grpc", true),
            ("POST", Version::Http3, "Application/gRPC+proto", true),
            ("POST", Version::Http2, "application/grpc; charset=x", true),
            ("POST", Version::Http11, "application/grpc", false),
            ("GET", Version::Http2, "application/grpc", false),
            ("POST", Version::Http2, "application/grpc-web", false),
            ("POST", Version::Http2, "application/json", false),
        ] {
            let mut request = RequestHead::default();
            request.start(method.as_bytes(), b"/s/m", version);
            request.push(b"content-type", kind.as_bytes());
            assert_eq!(
                is_call(&request, on.behavior(b"/s/m").1),
                want,
                "{method} {kind}"
            );
            assert!(!is_call(&request, off.behavior(b"/s/m").1));
        }
    }

    #[test]
    fn reasons_need_no_encoding() {
        for status in 400..600 {
            let text = reason(status);
            assert!(
                text.bytes()
                    .all(|byte| matches!(byte, b' '..=b'~') && byte != b'%')
            );
        }
    }
}
