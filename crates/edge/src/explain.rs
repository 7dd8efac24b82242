//! What happens to a request, in words: which site and behavior take it, what its cache key is
//! made of and why, what the origin gets, and what becomes of a response. Decided by the code that
//! serves, told for people; no server, no network, no clock. A running edge adds what it has stored
//! ([`Live`]).

mod key;
pub(crate) mod live;
mod origin;
mod page;
mod response;
mod site;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ::origin::Scheme;
use message::http1::{self, Parsed, RequestError};
use message::{Known, RequestHead, Version};

use crate::accept_encoding::Encodings;
use crate::forward::is_websocket_upgrade;
use crate::site::{Behavior, Site};
use tls::{Negotiated, Spoken};

use crate::Viewer;

use page::Page;

pub use live::{Live, LiveError, Stored};

/// The viewer's port where nobody says one.
const VIEWER_PORT: u16 = 50_000;

/// A request, and perhaps the response that the origin would give.
#[derive(Clone, Debug)]
pub struct Question {
    /// `https://www.example.com/path?query`.
    pub url: String,
    /// The method's token.
    pub method: String,
    /// The viewer's fields. `Host` replaces the URL's host.
    pub headers: Vec<(String, String)>,
    /// Status and fields of the origin's response.
    pub response: Option<(u16, Vec<(String, String)>)>,
    /// Where the viewer asks from.
    pub viewer: IpAddr,
    /// The viewer's country, ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// The time of the response, in seconds since 1970.
    pub now_secs: u64,
}

impl Question {
    /// A GET from this machine without fields of its own.
    pub fn new(url: &str, now_secs: u64) -> Question {
        Question {
            url: url.to_owned(),
            method: "GET".to_owned(),
            headers: Vec::new(),
            response: None,
            viewer: IpAddr::from([127, 0, 0, 1]),
            country: None,
            now_secs,
        }
    }
}

/// Why a question cannot be explained; the fault of whoever asks.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum QuestionError {
    /// It is no URL of a web page.
    #[error("'{0}' is no URL: expected is http://HOST/PATH or https://HOST/PATH")]
    Url(String),
    /// The edge would not read the request.
    #[error("the edge answers {} to this request: {reason}", .reason.status())]
    Request {
        /// What is wrong with it.
        reason: RequestError,
    },
    /// It is no country's code.
    #[error("'{0}' is no country: expected are two letters (ISO 3166-1)")]
    Country(String),
    /// It is no final status of HTTP.
    #[error("{0} is no status of a response: expected is 200 to 599")]
    Status(u16),
    /// It is no field of a response.
    #[error("'{0}' is no response header: expected is NAME: VALUE without line ends")]
    ResponseField(String),
}

/// Explains what the site does with the request.
pub fn explain(site: &Site, question: &Question) -> Result<String, QuestionError> {
    let (scheme, request) = request_of(question)?;
    let viewer = viewer_of(question, scheme)?;
    let subject = subject(site, &request, &viewer, question.now_secs);
    Ok(page_of(&subject, question)?.finish())
}

fn subject<'a>(
    site: &'a Site,
    request: &'a RequestHead,
    viewer: &'a Viewer,
    now_secs: u64,
) -> Subject<'a> {
    let path = site.object_path(request.path());
    let (behavior_index, behavior) = site.behavior(path);
    Subject {
        site,
        request,
        viewer,
        path,
        behavior_index,
        behavior,
        encodings: behavior
            .key
            .encoding
            .normalise(request.known(Known::AcceptEncoding)),
        now_secs,
        knows_countries: true,
    }
}

fn page_of(subject: &Subject<'_>, question: &Question) -> Result<Page, QuestionError> {
    let mut page = Page::default();
    page.title(&format!(
        "{} {}",
        page::text(subject.request.method_token()),
        question.url
    ));
    site::explain(subject, &mut page);
    let sent = origin::compose(subject, subject.behavior.target.primary());
    key::explain(subject, &sent.fields, &mut page);
    origin::explain(subject, &sent, &mut page);
    if let Some((status, fields)) = &question.response {
        let head = response::head_of(*status, fields)?;
        response::explain(subject, &head, &mut page);
    }
    Ok(page)
}

/// A request that is being explained, and what takes it.
struct Subject<'a> {
    site: &'a Site,
    request: &'a RequestHead,
    viewer: &'a Viewer,
    /// The path after the default root object was put in.
    path: &'a [u8],
    behavior_index: usize,
    behavior: &'a Behavior,
    encodings: Encodings,
    now_secs: u64,
    /// Whether there is a database that tells countries; without an edge, that is not the question.
    knows_countries: bool,
}

impl Subject<'_> {
    /// Whether the answer can be stored, as far as the request decides that. The way to a
    /// WebSocket leads past the store.
    fn is_cacheable(&self) -> bool {
        self.behavior.is_cacheable(self.request.method) && !is_websocket_upgrade(self.request)
    }

    /// The cache policy by its name.
    fn cache_policy(&self) -> String {
        match &self.behavior.names.cache_policy {
            Some(name) => format!("cache policy {name}"),
            None => "ForwardedValues".to_owned(),
        }
    }
}

/// Has the edge's own parser read the request.
fn request_of(question: &Question) -> Result<(Scheme, RequestHead), QuestionError> {
    let wrong = || QuestionError::Url(question.url.clone());
    let malformed = || QuestionError::Request {
        reason: RequestError::Malformed,
    };
    let (scheme, rest) = match question.url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
        _ => return Err(wrong()),
    };
    // A fragment stays with the viewer.
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, target) = rest.split_at(end);
    if host.is_empty() || host.contains('@') || !target.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(wrong());
    }
    let slash = if target.starts_with('/') { "" } else { "/" };
    let mut wire = format!("{} {slash}{target} HTTP/1.1\r\n", question.method);
    let mut add = |name: &str, value: &str| wire.extend([name, ": ", value, "\r\n"]);
    if !question
        .headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        add("Host", host);
    }
    for (name, value) in &question.headers {
        if value.contains(['\r', '\n']) {
            return Err(malformed());
        }
        add(name, value);
    }
    wire.push_str("\r\n");
    let mut head = RequestHead::default();
    match http1::parse_request(wire.as_bytes(), &mut head) {
        Ok(Parsed::Complete { .. }) if head.version == Version::Http11 => Ok((scheme, head)),
        Ok(_) => Err(malformed()),
        Err(reason) => Err(QuestionError::Request { reason }),
    }
}

fn viewer_of(question: &Question, scheme: Scheme) -> Result<Viewer, QuestionError> {
    let mut viewer = Viewer::new(SocketAddr::new(question.viewer, VIEWER_PORT));
    if scheme == Scheme::Https {
        viewer.tls = Some(Arc::new(Negotiated {
            protocol: "TLSv1.3",
            cipher: "TLS_AES_128_GCM_SHA256",
            curve: Some("X25519"),
            resumed: false,
            spoken: Spoken::Http1,
            server_name: None,
            viewer_certificate: None,
        }));
    }
    if let Some(country) = &question.country {
        let code = <[u8; 2]>::try_from(country.to_ascii_uppercase().as_bytes())
            .ok()
            .filter(|code| code.iter().all(u8::is_ascii_uppercase))
            .ok_or_else(|| QuestionError::Country(country.clone()))?;
        viewer.location = Some(Arc::new(geo::Location {
            country: Some(code),
            ..geo::Location::default()
        }));
    }
    Ok(viewer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::site_with_aliases;

    fn ask(change: impl FnOnce(&mut Question)) -> Result<String, QuestionError> {
        let mut question = Question::new("http://www.example.com/a", 0);
        change(&mut question);
        explain(&site_with_aliases("E1", &["www.example.com"]), &question)
    }

    #[test]
    fn a_wrong_question_says_what_is_expected() {
        for url in [
            "www.example.com",
            "ftp://a/",
            "http://",
            "http://u:p@a/",
            "http://a/b c",
        ] {
            let error = ask(|question| question.url = url.to_owned()).unwrap_err();
            assert_eq!(error, QuestionError::Url(url.to_owned()));
        }
        let field = |name: &str, value: &str| {
            let pair = (name.to_owned(), value.to_owned());
            ask(|question| question.headers.push(pair)).unwrap_err()
        };
        let malformed = QuestionError::Request {
            reason: RequestError::Malformed,
        };
        assert_eq!(field("A", "b\r\nHost: c"), malformed);
        assert_eq!(field("A b", "c"), malformed);
        let too_large = QuestionError::Request {
            reason: RequestError::HeadTooLarge,
        };
        assert_eq!(field("A", &"b".repeat(30_000)), too_large);
        let error = ask(|question| question.country = Some("GER".to_owned())).unwrap_err();
        assert!(error.to_string().contains("two letters"));
        let error = ask(|question| question.response = Some((99, Vec::new()))).unwrap_err();
        assert_eq!(error, QuestionError::Status(99));
    }

    #[test]
    fn a_range_is_answered_from_chunks() {
        let range = ("Range".to_owned(), "bytes=5-9".to_owned());
        let text = ask(|question| question.headers.push(range)).unwrap();
        assert!(text.contains("Range: <the chunk"), "{text}");
        assert!(!text.contains("bytes=5-9"), "{text}");
    }

    #[test]
    fn a_url_without_a_path_means_the_root() {
        let text = ask(|question| question.url = "HTTP://www.example.com?a=1#b".to_owned());
        assert!(text.unwrap().contains("GET / HTTP/1.1"));
    }
}
