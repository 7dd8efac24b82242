//! The cache key part by part, what is not in it, and what follows from that.

use message::{Fields, Known, Method};

use super::Subject;
use super::page::{Page, duration, list, text};
use crate::accept_encoding::EncodingRule;
use crate::forward::{ForwardRule, HeaderRule};
use crate::key::{HeaderSource, KeyHeader, KeySink, KeySource, PartKind};
use crate::names::{NameRule, select_cookies};

pub(super) fn explain(subject: &Subject<'_>, sent: &Fields, page: &mut Page) {
    page.section("Cache");
    storing(subject, page);
    if let Some(policy) = &subject.behavior.names.origin_request_policy {
        page.row(
            "forwarding",
            format!("what is in the key, and what origin request policy {policy} adds"),
        );
    }
    if !subject.is_cacheable() {
        return;
    }
    collapsing(subject, page);
    page.section(&format!("Cache key (by {})", subject.cache_policy()));
    page.table(&key_rows(subject));
    let absent = absent(subject, sent);
    if !absent.is_empty() {
        page.section("Not in the key");
        let rows: Vec<_> = absent.iter().map(Absent::row).collect();
        page.table(&rows);
    }
    warn_of_shared_answers(subject, &absent, sent, page);
}

fn storing(subject: &Subject<'_>, page: &mut Page) {
    let (behavior, policy) = (subject.behavior, subject.cache_policy());
    let ttl = behavior.ttl;
    let words = if behavior.caching_disabled && !ttl.is_caching_disabled() {
        "never: ForwardedValues forwards every header (*), which switches caching off".to_owned()
    } else if behavior.caching_disabled {
        format!("never: {policy} has MinTTL, DefaultTTL and MaxTTL 0, which switches caching off")
    } else {
        match (subject.is_cacheable(), subject.request.method) {
            (true, _) => "if the response allows it".to_owned(),
            (false, Method::Get) => "never: the request is for a WebSocket".to_owned(),
            (false, Method::Options) => "never: OPTIONS is not among CachedMethods".to_owned(),
            (false, method) => format!("never: answers to {} are not", method.as_str()),
        }
    };
    page.row("stored", words);
    if subject.is_cacheable() {
        let words = format!(
            "MinTTL {}, DefaultTTL {}, MaxTTL {} ({policy})",
            duration(ttl.min_secs),
            duration(ttl.default_secs),
            duration(ttl.max_secs)
        );
        page.row("lifetime", words);
    }
}

fn collapsing(subject: &Subject<'_>, page: &mut Page) {
    page.row("collapsing", match subject.behavior.collapses(subject.request) {
        true => "simultaneous misses with this key share one origin request",
        false => {
            "no: the request has cookies, and cookies are forwarded that are not in the key, so \
             every miss asks the origin itself"
        }
    });
}

/// Takes the parts of a key as text.
#[derive(Default)]
struct Parts(Vec<(PartKind, String, Option<String>)>);

impl KeySink for Parts {
    fn part(&mut self, kind: PartKind, name: &[u8], value: Option<&[u8]>) {
        self.0.push((kind, text(name), value.map(text)));
    }
}

fn key_rows(subject: &Subject<'_>) -> Vec<[String; 3]> {
    let source = KeySource {
        distribution: &subject.site.id,
        request: subject.request,
        path: subject.path,
        encodings: subject.encodings,
        viewer: subject.viewer,
    };
    let mut parts = Parts::default();
    subject
        .behavior
        .key
        .write(source, &mut Vec::new(), &mut parts);
    let key = &subject.behavior.key;
    let row = |(kind, name, value): (PartKind, String, Option<String>)| {
        let (label, reason) = match kind {
            PartKind::Distribution => (
                "distribution".to_owned(),
                "always; all its names share its objects".to_owned(),
            ),
            PartKind::Method => (
                "method".to_owned(),
                "OPTIONS is stored apart from GET and HEAD".to_owned(),
            ),
            PartKind::Path => (
                "path".to_owned(),
                match subject.path == subject.request.path() {
                    true => "always, byte for byte as sent".to_owned(),
                    false => "always; DefaultRootObject stands for /".to_owned(),
                },
            ),
            PartKind::Query => (
                "query".to_owned(),
                format!("keyed: {}", names_text(&key.query)),
            ),
            PartKind::Header => (format!("header {name}"), header_reason(&name)),
            PartKind::Cookies => (
                "cookies".to_owned(),
                format!("keyed: {}; sorted by name", names_text(&key.cookies)),
            ),
            PartKind::Encoding => ("accept-encoding".to_owned(), encoding_reason(key.encoding)),
        };
        [
            label,
            value.unwrap_or_else(|| "(absent)".to_owned()),
            reason,
        ]
    };
    parts.0.into_iter().map(row).collect()
}

fn header_reason(name: &str) -> String {
    let reason = match KeyHeader::new(name).source {
        HeaderSource::Viewer(_) => "listed",
        HeaderSource::Edge(_) => "listed; the edge makes its value",
    };
    reason.to_owned()
}

fn encoding_reason(rule: EncodingRule) -> String {
    let flags = match (rule.gzip, rule.brotli) {
        (true, true) => "gzip and brotli",
        (true, false) => "gzip",
        _ => "brotli",
    };
    format!("normalised; {flags} told apart")
}

fn names_text(rule: &NameRule) -> String {
    match rule {
        NameRule::None => "none".to_owned(),
        NameRule::All => "all".to_owned(),
        NameRule::Only(names) => format!("only {}", list(names)),
        NameRule::Except(names) => format!("all but {}", list(names)),
        NameRule::Patterns(patterns) => format!("only {}", list(patterns)),
    }
}

/// A part of the request that is not in the key.
struct Absent {
    label: String,
    /// What becomes of it.
    fate: String,
    reason: String,
    /// It reaches the origin because a policy says so, and can change the answer.
    may_change_answer: bool,
}

impl Absent {
    fn row(&self) -> [String; 3] {
        [self.label.clone(), self.fate.clone(), self.reason.clone()]
    }
}

fn absent(subject: &Subject<'_>, sent: &Fields) -> Vec<Absent> {
    let mut absent = absent_query(subject);
    absent.extend(absent_cookies(subject));
    absent.extend(absent_headers(subject, sent));
    absent
}

fn absent_query(subject: &Subject<'_>) -> Vec<Absent> {
    let behavior = subject.behavior;
    let pairs = subject
        .request
        .query()
        .unwrap_or_default()
        .split(|byte| *byte == b'&');
    let names = pairs.map(|pair| pair.split(|byte| *byte == b'=').next().unwrap_or_default());
    let mut unkeyed: Vec<&[u8]> = Vec::new();
    for name in names.filter(|name| !name.is_empty() && !behavior.key.query.selects(name)) {
        if !unkeyed.contains(&name) {
            unkeyed.push(name);
        }
    }
    let rules = (&behavior.key.query, &behavior.forward.query);
    unkeyed
        .into_iter()
        .map(|name| absent_name(subject, "query", name, rules))
        .collect()
}

fn absent_cookies(subject: &Subject<'_>) -> Vec<Absent> {
    let behavior = subject.behavior;
    let (mut all, fields) = (Vec::new(), subject.request.known_all(Known::Cookie));
    select_cookies(&NameRule::All, fields, &mut all);
    let rules = (&behavior.key.cookies, &behavior.forward.cookies);
    let mut absent: Vec<Absent> = Vec::new();
    if all.is_empty() && subject.request.known(Known::Cookie).is_some() {
        absent.push(Absent {
            label: "cookies".to_owned(),
            fate: "dropped".to_owned(),
            reason: "malformed: not a list of NAME=VALUE".to_owned(),
            may_change_answer: false,
        });
    }
    for pair in all.split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        if !name.is_empty() && !behavior.key.cookies.selects(name) {
            absent.push(absent_name(subject, "cookie", name, rules));
        }
    }
    absent
}

fn absent_name(
    subject: &Subject<'_>,
    kind: &str,
    name: &[u8],
    (keyed, sent): (&NameRule, &NameRule),
) -> Absent {
    let is_sent = sent.selects(name);
    let key_rule = format!("keyed: {}", names_text(keyed));
    let reason = match (is_sent, &subject.behavior.names.origin_request_policy) {
        (true, Some(_)) => format!("{key_rule}; the origin request policy adds it"),
        _ => key_rule,
    };
    Absent {
        label: format!("{kind} {}", text(name)),
        fate: if is_sent {
            "forwarded"
        } else {
            "not forwarded"
        }
        .to_owned(),
        reason,
        may_change_answer: is_sent,
    }
}

/// Fields of the viewer, judged by what the composed request has of them.
fn absent_headers(subject: &Subject<'_>, sent: &Fields) -> Vec<Absent> {
    let request = subject.request;
    let mut names: Vec<String> = Vec::new();
    for (name, _) in request.iter() {
        let name = text(name).to_ascii_lowercase();
        let is_keyed = subject.behavior.key.has_header(&name);
        if name != "cookie" && !is_keyed && !names.contains(&name) {
            names.push(name);
        }
    }
    names
        .iter()
        .map(|name| absent_header(subject, sent, name))
        .collect()
}

fn absent_header(subject: &Subject<'_>, sent: &Fields, name: &str) -> Absent {
    let own: Vec<&[u8]> = subject.request.get_all(name).collect();
    let values: Vec<&[u8]> = sent.get_all(name).collect();
    let by_default = forwards_by_default(name, subject.request.method);
    let is_validator = matches!(
        name,
        "range"
            | "if-range"
            | "if-match"
            | "if-none-match"
            | "if-modified-since"
            | "if-unmodified-since"
    );
    let policy = subject.behavior.names.origin_request_policy.as_deref();
    let (fate, reason) = if is_validator {
        (
            "answered by the edge".to_owned(),
            match name {
                "range" => "the origin is asked for the chunk that has its first byte",
                _ => "the origin is asked for what is to be stored",
            },
        )
    } else if values == own {
        (
            "forwarded".to_owned(),
            match (by_default, policy) {
                (true, _) => "forwarded by default",
                (false, Some(_)) => "the origin request policy adds it",
                (false, None) => "the legacy style forwards every other header",
            },
        )
    } else if let Some(value) = values.first() {
        let reason = match name {
            "host" => "the origin's own name",
            "x-forwarded-for" | "via" | "cdn-loop" => "the edge adds itself",
            "user-agent" => "no policy forwards the viewer's",
            _ => "the edge or a custom header of the origin sets it",
        };
        (format!("sent as {}", text(value)), reason)
    } else {
        ("not forwarded".to_owned(), "no policy forwards it")
    };
    Absent {
        label: format!("header {name}"),
        may_change_answer: values == own && !by_default && !is_validator,
        fate,
        reason: reason.to_owned(),
    }
}

/// Whether the field is forwarded where no policy says anything.
fn forwards_by_default(name: &str, method: Method) -> bool {
    let nothing = ForwardRule {
        query: NameRule::None,
        cookies: NameRule::None,
        headers: HeaderRule::Only(Vec::new()),
        generated: Vec::new(),
        encoding: EncodingRule::default(),
        legacy: false,
        passes_certificates: false,
        options_cached: false,
    };
    nothing.forwards(name, method)
}

/// The heart of the matter: the origin sees something by which the cache does not tell requests
/// apart.
fn warn_of_shared_answers(
    subject: &Subject<'_>,
    absent: &[Absent],
    sent: &Fields,
    page: &mut Page,
) {
    let mut labels: Vec<String> = absent
        .iter()
        .filter(|part| part.may_change_answer)
        .map(|part| part.label.clone())
        .collect();
    let behavior = subject.behavior;
    for field in &behavior.forward.generated {
        let name = field.name().to_ascii_lowercase();
        if !behavior.key.has_header(&name) && sent.contains(&name) {
            labels.push(format!("header {name}"));
        }
    }
    if labels.is_empty() {
        return;
    }
    page.warn(format!(
        "Forwarded but not in the key: {}. The origin's answer may differ by it while the cache \
         does not, so that one viewer gets what was made for another. Put it into the cache \
         policy or stop forwarding it; for headers, the origin can also answer with Vary.",
        list(&labels)
    ));
    if labels.iter().any(|label| label == "header authorization") {
        page.warn(
            "Authorization reaches the origin and is not in the key: what the origin shows to one \
             user is stored and shown to all, unless it answers with Cache-Control: private.",
        );
    }
}
