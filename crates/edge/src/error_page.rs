//! The pages that the edge writes itself: errors and redirects. Each tells the visitor what to do
//! and the operator what to look at. Small, readable without anything else loaded, light or dark
//! as the visitor has it. Nothing is put into a page unescaped.

use message::http1::{RequestError, reason};
use signed::Refusal;
use telemetry::access_log::DetailedResult;

/// Longest address that a redirect's body links to; `Location` has it in any case.
const LINK_BYTES_MAX: usize = 1_024;

/// Why the edge answers in the origin's place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// No distribution has that host.
    UnknownHost,
    /// The host is another site's than the one whose certificate the viewer has seen.
    Misdirected,
    /// The distribution is switched off.
    DistributionDisabled,
    /// The viewer's country is not allowed.
    GeoBlocked,
    /// Countries are restricted, and the node has nothing that tells them.
    CountriesUnknown,
    /// Plain HTTP, where the behavior takes HTTPS alone.
    HttpsRequired,
    /// The behavior does not allow the method.
    MethodNotAllowed,
    /// The behavior serves signed requests alone, and no signature opened it.
    Signature(Refusal),
    /// A GET or HEAD request with a body.
    BodyNotAllowed,
    /// The request is not HTTP as it should be.
    Malformed(RequestError),
    /// Fields of its body are to be encrypted, and cannot be.
    FieldEncryption(field_encryption::Refusal),
    /// The request did not arrive in time.
    RequestTimeout,
    /// The request has passed through here before.
    LoopDetected,
    /// The origin's name does not resolve.
    OriginDns,
    /// The origin takes no connection.
    OriginConnect,
    /// The TLS handshake with the origin failed.
    OriginTls,
    /// Connecting to the origin took too long.
    OriginConnectTimeout,
    /// The origin took too long to answer.
    OriginTimeout,
    /// The origin's answer is not HTTP as it should be.
    OriginInvalidResponse,
    /// The head of the origin's answer is over its limit.
    OriginHeadTooBig,
    /// The origin wants signed requests, and this node has no key for it.
    OriginKeyMissing,
    /// A body whose chunks the viewer signed, for an origin that the edge signs for.
    ChunkSignatures,
    /// A copy of another object, from an origin that the edge signs for.
    SignedCopy,
    /// The request's body is longer than what is read to sign it.
    BodyTooLarge,
    /// The edge is at one of its limits.
    Overloaded,
    /// The edge's own fault.
    Internal,
}

impl Cause {
    /// The word of the access log (spec §7.3).
    pub fn detail(self) -> DetailedResult {
        match self {
            Cause::GeoBlocked => DetailedResult::ClientGeoBlocked,
            Cause::MethodNotAllowed => DetailedResult::InvalidRequestMethod,
            Cause::Malformed(RequestError::Host) => DetailedResult::InvalidRequestHeader,
            Cause::BodyNotAllowed | Cause::Malformed(_) | Cause::FieldEncryption(_) => {
                DetailedResult::InvalidRequest
            }
            Cause::RequestTimeout => DetailedResult::ClientCommError,
            Cause::OriginDns => DetailedResult::OriginDnsError,
            Cause::OriginConnect | Cause::OriginTls => DetailedResult::OriginConnectError,
            Cause::OriginConnectTimeout => DetailedResult::OriginCommError,
            Cause::OriginTimeout => DetailedResult::OriginReadError,
            Cause::OriginInvalidResponse => DetailedResult::OriginInvalidResponseError,
            Cause::OriginHeadTooBig => DetailedResult::OriginHeaderTooBigError,
            Cause::OriginKeyMissing => DetailedResult::OriginError,
            Cause::ChunkSignatures | Cause::SignedCopy | Cause::BodyTooLarge => {
                DetailedResult::InvalidRequest
            }
            // Field 14 says it all: `CapacityExceeded` or `LimitExceeded`.
            Cause::Overloaded => DetailedResult::AsResult,
            Cause::Internal => DetailedResult::InternalError,
            Cause::Misdirected => DetailedResult::InvalidRequestCertificate,
            Cause::UnknownHost
            | Cause::DistributionDisabled
            | Cause::CountriesUnknown
            | Cause::HttpsRequired
            | Cause::Signature(_)
            | Cause::LoopDetected => DetailedResult::Error,
        }
    }

    /// What the visitor can do.
    fn for_visitor(self) -> &'static str {
        match self {
            Cause::UnknownHost => "There is no site at this address. Check it for a typing error.",
            Cause::Misdirected => "This site has to be asked for on a connection of its own.",
            Cause::DistributionDisabled => "This site is switched off at the moment.",
            Cause::GeoBlocked => "This site is not available in your country.",
            Cause::HttpsRequired => {
                "This page is only available over a secure connection. Use an address that \
                 begins with https://."
            }
            Cause::MethodNotAllowed => "This page does not accept what was sent to it.",
            Cause::Signature(_) => "This page is only open to those who were given access.",
            Cause::BodyTooLarge => "What was sent is too large for this site.",
            Cause::FieldEncryption(refusal) if refusal.is_of_size() => {
                "More was filled in than this page accepts."
            }
            Cause::BodyNotAllowed
            | Cause::Malformed(_)
            | Cause::FieldEncryption(_)
            | Cause::ChunkSignatures
            | Cause::SignedCopy => {
                "Your browser or app sent a request that could not be understood."
            }
            Cause::RequestTimeout => "Your request took too long to arrive. Try again.",
            Cause::LoopDetected | Cause::CountriesUnknown => {
                "This site is not set up correctly. Its owner can repair it."
            }
            Cause::OriginDns
            | Cause::OriginConnect
            | Cause::OriginTls
            | Cause::OriginInvalidResponse
            | Cause::OriginHeadTooBig
            | Cause::OriginKeyMissing => {
                "The server behind this site has a problem. Try again in a few minutes."
            }
            Cause::OriginConnectTimeout | Cause::OriginTimeout => {
                "The server behind this site takes too long to answer. Try again in a few minutes."
            }
            Cause::Overloaded => "Too many people are here at once. Try again in a minute.",
            Cause::Internal => "Something went wrong on our side. Try again in a few minutes.",
        }
    }

    /// What the operator can look at.
    fn for_operator(self) -> &'static str {
        match self {
            Cause::UnknownHost => {
                "No distribution has this host as its domain name or among its Aliases."
            }
            Cause::Misdirected => {
                "The Host of the request belongs to another distribution than the server name of \
                 the TLS handshake, and the certificate does not cover it."
            }
            Cause::DistributionDisabled => "Enabled is false in this distribution.",
            Cause::GeoBlocked => {
                "Restrictions.GeoRestriction of this distribution excludes the viewer's country."
            }
            Cause::CountriesUnknown => {
                "This distribution restricts countries (Restrictions.GeoRestriction), and this \
                 node has no geographic database. Install one by \"warmfront geo fetch\", or name \
                 one by the setting geo."
            }
            Cause::HttpsRequired => {
                "ViewerProtocolPolicy of this behavior refuses this request over plain HTTP."
            }
            Cause::MethodNotAllowed => {
                "The request's method is not in AllowedMethods of this behavior."
            }
            Cause::Signature(_) => {
                "This behavior has trusted signers or key groups, and no signature was accepted."
            }
            Cause::BodyNotAllowed => "A GET or HEAD request came with a body.",
            Cause::Malformed(_) => "The request was refused before any behavior was chosen.",
            Cause::FieldEncryption(_) => {
                "FieldLevelEncryptionId of this behavior does not let this body through."
            }
            Cause::RequestTimeout => "The request was not complete when its time was over.",
            Cause::LoopDetected => {
                "The request came back to this edge: an origin leads to a distribution again."
            }
            Cause::OriginDns => "The DomainName of the origin does not resolve.",
            Cause::OriginConnect => {
                "The origin refuses connections or closes them; see its address, port and firewall."
            }
            Cause::OriginTls => {
                "The TLS handshake with the origin failed; see the certificate's name, chain and \
                 dates, and OriginSslProtocols."
            }
            Cause::OriginConnectTimeout => {
                "No connection to the origin within ConnectionTimeout: see address and firewall."
            }
            Cause::OriginTimeout => {
                "The origin sent nothing within OriginReadTimeout or ResponseCompletionTimeout."
            }
            Cause::OriginInvalidResponse => "The origin's response is not valid HTTP.",
            Cause::OriginHeadTooBig => "The head of the origin's response is over the limit.",
            Cause::OriginKeyMissing => {
                "Requests to this origin are signed, and the setting origin_keys of this node has \
                 no key for its DomainName; the node's log and explain name it."
            }
            Cause::ChunkSignatures => {
                "The body came in chunks that its sender signed (x-amz-content-sha256: STREAMING-) \
                 and the edge signs in its own name: send UNSIGNED-PAYLOAD or the body's SHA-256."
            }
            Cause::SignedCopy => {
                "x-amz-copy-source would copy what the edge may read, whoever asks: copy at the \
                 origin."
            }
            Cause::BodyTooLarge => {
                "The body is over 6 MiB, and the edge reads it to sign it: send its SHA-256 as \
                 x-amz-content-sha256."
            }
            Cause::Overloaded => "This edge is at a limit of connections, memory or requests.",
            Cause::Internal => "The edge failed; its own log has this request id.",
        }
    }
}

/// Appends the document that programs read who sign URLs (spec §9.6).
pub fn write_refusal(refusal: Refusal, out: &mut Vec<u8>) {
    text(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>",
        out,
    );
    text(refusal.code(), out);
    text("</Code><Message>", out);
    escape(refusal.message().as_bytes(), out);
    text("</Message></Error>", out);
}

/// Appends the page for an error. `request_id` is what the access log has it under.
pub fn write(status: u16, cause: Cause, request_id: &str, out: &mut Vec<u8>) {
    head(status, out);
    text("<p>", out);
    text(cause.for_visitor(), out);
    text("</p>\n<hr>\n<p class=\"o\">For the operator: ", out);
    escape(cause.for_operator().as_bytes(), out);
    if let Cause::Malformed(error) = cause {
        text(" Reason: ", out);
        escape(error.to_string().as_bytes(), out);
        text(".", out);
    }
    if let Cause::FieldEncryption(refusal) = cause {
        text(" Reason: ", out);
        escape(refusal.reason().as_bytes(), out);
    }
    text("</p>\n<p class=\"o\">Request id: <code>", out);
    escape(request_id.as_bytes(), out);
    text("</code></p>\n</main>\n</body>\n</html>\n", out);
}

/// Appends the body of a redirect; few see it, since browsers follow `Location`.
pub fn write_redirect(status: u16, location: &[u8], out: &mut Vec<u8>) {
    head(status, out);
    if location.len() <= LINK_BYTES_MAX && is_web_address(location) {
        text("<p>This page is at <a href=\"", out);
        escape(location, out);
        text("\">", out);
        escape(location, out);
        text("</a>.</p>\n", out);
    } else {
        text(
            "<p>This page is at another address, given in the Location header.</p>\n",
            out,
        );
    }
    text("</main>\n</body>\n</html>\n", out);
}

/// Whether a link to it can only lead to a page, and not run a script.
fn is_web_address(location: &[u8]) -> bool {
    location.starts_with(b"https://") || location.starts_with(b"http://")
}

const STYLE: &str = "<style>:root{color-scheme:light dark}\
    body{font:1rem/1.5 system-ui,sans-serif;margin:0}\
    main{max-width:36rem;margin:15vh auto 0;padding:0 1.5rem;overflow-wrap:anywhere}\
    h1{font-size:1.5rem}hr{border:0;border-top:1px solid #8886;margin:2rem 0 1rem}\
    .o{font-size:.85rem;opacity:.75}</style>";

fn head(status: u16, out: &mut Vec<u8>) {
    let (number, title) = (status.to_string(), reason(status));
    let parts = [
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>",
        &number,
        " ",
        title,
        "</title>\n",
        STYLE,
        "\n</head>\n<body>\n<main>\n<h1>",
        &number,
        " ",
        title,
        "</h1>\n",
    ];
    parts.into_iter().for_each(|part| text(part, out));
}

fn text(part: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(part.as_bytes());
}

/// Text that came from elsewhere. What is no printable ASCII is percent-encoded, so that a page
/// is valid UTF-8 whatever was sent.
fn escape(part: &[u8], out: &mut Vec<u8>) {
    for byte in part {
        match byte {
            b'&' => text("&amp;", out),
            b'<' => text("&lt;", out),
            b'>' => text("&gt;", out),
            b'"' => text("&quot;", out),
            b'\'' => text("&#39;", out),
            b' '..=b'~' => out.push(*byte),
            _ => text(&format!("%{byte:02X}"), out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Every cause; for the malformed requests, one of them.
    const ALL: [Cause; 26] = [
        Cause::UnknownHost,
        Cause::Misdirected,
        Cause::DistributionDisabled,
        Cause::GeoBlocked,
        Cause::CountriesUnknown,
        Cause::HttpsRequired,
        Cause::MethodNotAllowed,
        Cause::BodyNotAllowed,
        Cause::Malformed(RequestError::Malformed),
        Cause::Signature(Refusal::MissingKey),
        Cause::FieldEncryption(field_encryption::Refusal::MalformedInput),
        Cause::RequestTimeout,
        Cause::LoopDetected,
        Cause::OriginDns,
        Cause::OriginConnect,
        Cause::OriginTls,
        Cause::OriginConnectTimeout,
        Cause::OriginTimeout,
        Cause::OriginInvalidResponse,
        Cause::OriginHeadTooBig,
        Cause::OriginKeyMissing,
        Cause::ChunkSignatures,
        Cause::SignedCopy,
        Cause::BodyTooLarge,
        Cause::Overloaded,
        Cause::Internal,
    ];

    fn page(status: u16, cause: Cause, request_id: &str) -> String {
        let mut out = Vec::new();
        write(status, cause, request_id, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn redirect(location: &[u8]) -> String {
        let mut out = Vec::new();
        write_redirect(301, location, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_page_tells_the_visitor_the_operator_and_the_request_id() {
        let page = page(502, Cause::OriginDns, "abc_-=123");
        assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">"));
        assert!(page.contains("<h1>502 Bad Gateway</h1>"));
        assert!(page.contains("Try again in a few minutes."));
        assert!(page.contains("The DomainName of the origin does not resolve."));
        assert!(page.contains("<code>abc_-=123</code>"));
    }

    #[test]
    fn every_page_is_small_and_loads_nothing() {
        for cause in ALL {
            let page = page(503, cause, &"x".repeat(64));
            assert!(page.len() < 2_048, "{cause:?} has {} bytes", page.len());
            for loading in ["src=", "url(", "<link", "<script", "@import"] {
                assert!(!page.contains(loading), "{cause:?}");
            }
            assert!(page.contains("color-scheme:light dark"));
        }
        assert!(redirect(b"https://a/").len() < 2_048);
        assert!(redirect(&[b'a'; 9_000]).len() < 2_048);
    }

    #[test]
    fn every_cause_has_its_own_sentence_for_the_operator() {
        let sentences: BTreeSet<_> = ALL.iter().map(|cause| cause.for_operator()).collect();
        assert_eq!(sentences.len(), ALL.len());
    }

    #[test]
    fn no_page_speaks_in_the_name_of_another_product() {
        for cause in ALL {
            let page = page(403, cause, "id").to_lowercase();
            assert!(
                !page.contains("cloudfront") && !page.contains("amazon"),
                "{cause:?}"
            );
        }
    }

    #[test]
    fn a_malformed_request_is_told_what_was_wrong() {
        let page = page(400, Cause::Malformed(RequestError::AmbiguousLength), "id");
        assert!(page.contains("Reason: the body&#39;s length is ambiguous."));
    }

    #[test]
    fn causes_have_the_words_of_the_access_log() {
        use DetailedResult as D;
        for (cause, want) in [
            (Cause::UnknownHost, D::Error),
            (Cause::Misdirected, D::InvalidRequestCertificate),
            (Cause::DistributionDisabled, D::Error),
            (Cause::GeoBlocked, D::ClientGeoBlocked),
            (Cause::CountriesUnknown, D::Error),
            (Cause::HttpsRequired, D::Error),
            (Cause::MethodNotAllowed, D::InvalidRequestMethod),
            (Cause::Signature(Refusal::MissingKey), D::Error),
            (Cause::BodyNotAllowed, D::InvalidRequest),
            (Cause::Malformed(RequestError::Malformed), D::InvalidRequest),
            (
                Cause::Malformed(RequestError::Host),
                D::InvalidRequestHeader,
            ),
            (
                Cause::FieldEncryption(field_encryption::Refusal::FieldLength),
                D::InvalidRequest,
            ),
            (Cause::RequestTimeout, D::ClientCommError),
            (Cause::LoopDetected, D::Error),
            (Cause::OriginDns, D::OriginDnsError),
            (Cause::OriginConnect, D::OriginConnectError),
            (Cause::OriginTls, D::OriginConnectError),
            (Cause::OriginConnectTimeout, D::OriginCommError),
            (Cause::OriginTimeout, D::OriginReadError),
            (Cause::OriginInvalidResponse, D::OriginInvalidResponseError),
            (Cause::OriginHeadTooBig, D::OriginHeaderTooBigError),
            (Cause::OriginKeyMissing, D::OriginError),
            (Cause::ChunkSignatures, D::InvalidRequest),
            (Cause::SignedCopy, D::InvalidRequest),
            (Cause::BodyTooLarge, D::InvalidRequest),
            (Cause::Overloaded, D::AsResult),
            (Cause::Internal, D::InternalError),
        ] {
            assert_eq!(cause.detail(), want, "{cause:?}");
        }
    }

    #[test]
    fn a_redirect_links_to_web_addresses_alone() {
        assert!(redirect(b"https://a/b?c=1&d").contains("<a href=\"https://a/b?c=1&amp;d\">"));
        for location in [&b"javascript:alert(1)"[..], b"//a", b"data:text/html,x"] {
            assert!(!redirect(location).contains("<a "));
        }
    }

    proptest! {
        #[test]
        fn nothing_from_outside_gets_into_a_page_unescaped(
            bytes in prop::collection::vec(any::<u8>(), 0..80), text in "\\PC{0,40}"
        ) {
            let location = [b"https://", &bytes[..]].concat();
            for (page, plain) in [
                (redirect(&location), redirect(b"https://")),
                (page(403, Cause::UnknownHost, &text), page(403, Cause::UnknownHost, "")),
            ] {
                for special in ['<', '>', '"', '\''] {
                    let count = |page: &str| page.matches(special).count();
                    prop_assert_eq!(count(&page), count(&plain));
                }
                let is_plain = |byte| byte == b'\n' || (b' '..=b'~').contains(&byte);
                prop_assert!(page.bytes().all(is_plain));
            }
        }
    }
}
