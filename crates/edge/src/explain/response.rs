//! What becomes of a response: failover, storing and its lifetime, `Vary`, compression, cookies,
//! error pages, response headers.

use cache::freshness::{self, CacheControl, Lifetime, StaleIfError, Terms, Verdict};
use cache::vary::{self, VaryRule};
use message::{Fields, Method, ResponseHead, format_http_date, list_items};
use origin::group::{Decision, Outcome};

use super::page::{Page, duration, list, text};
use super::{QuestionError, Subject};
use crate::accept_encoding::EncodingRule;
use crate::compress;
use crate::site::Target;

/// The given response, as the origin would send it.
pub(super) fn head_of(
    status: u16,
    given: &[(String, String)],
) -> Result<ResponseHead, QuestionError> {
    if !(200..600).contains(&status) {
        return Err(QuestionError::Status(status));
    }
    let mut fields = Fields::new();
    for (name, value) in given {
        let before = fields.as_wire().len();
        fields.push(name.as_bytes(), value.as_bytes());
        if fields.as_wire().len() == before {
            return Err(QuestionError::ResponseField(format!("{name}: {value}")));
        }
    }
    Ok(ResponseHead { status, fields })
}

pub(super) fn explain(subject: &Subject<'_>, head: &ResponseHead, page: &mut Page) {
    page.section("Response");
    page.row("status", head.status.to_string());
    failover(subject, head.status, page);
    let is_stored = storing(subject, head, page);
    if subject.is_cacheable() {
        vary(subject, head, is_stored, page);
    }
    compression(subject, head, page);
    set_cookie(subject, head, is_stored, page);
    error_page(subject, head.status, page);
    response_headers(subject, head, page);
}

fn failover(subject: &Subject<'_>, status: u16, page: &mut Page) {
    let Target::Group { members, failover } = &subject.behavior.target else {
        return;
    };
    let decision = failover.decide(Outcome::Status(status));
    if decision == Decision::Failover && subject.request.method.is_safe() && members.len() > 1 {
        let next = &subject.site.origins[members[1]].spec.id;
        page.row(
            "failover",
            format!(
                "from {} to {next}; what follows holds if {next} answers so",
                subject.site.origins[members[0]].spec.id
            ),
        );
    }
}

/// Says whether the response is stored, and for how long; gives whether it is.
fn storing(subject: &Subject<'_>, head: &ResponseHead, page: &mut Page) -> bool {
    if !subject.is_cacheable() {
        page.row("stored", "no: nothing is, for this request");
        return false;
    }
    let terms = Terms {
        bounds: subject.behavior.ttl,
        error_min_secs: subject.site.error_min_secs(head.status),
        is_s3_origin: subject.site.origins[subject.behavior.target.primary()].is_s3,
    };
    match freshness::judge(head.status, &head.fields, &terms, subject.now_secs) {
        Verdict::DoNotStore(reason) => {
            page.row("stored", format!("no: {reason}"));
            false
        }
        Verdict::Store(lifetime) => {
            lifetime_rows(subject, &lifetime, page);
            true
        }
    }
}

fn lifetime_rows(subject: &Subject<'_>, lifetime: &Lifetime, page: &mut Page) {
    page.row("stored", format!("yes: {}", lifetime.rule));
    let fresh_secs = u64::from(lifetime.fresh_secs);
    page.row(
        "fresh",
        match fresh_secs {
            0 => "for 0 s: the origin is asked each time whether it still holds".to_owned(),
            secs => {
                let until = format_http_date(subject.now_secs.saturating_add(secs));
                format!("for {}, until {until}", duration(secs))
            }
        },
    );
    if lifetime.initial_age_secs > 0 {
        page.row(
            "age",
            format!("{} s already when it came", lifetime.initial_age_secs),
        );
    }
    page.row(
        "then",
        match lifetime.stale_while_revalidate_secs {
            0 => "revalidated before it is served again".to_owned(),
            secs => format!(
                "served stale for {} while it is revalidated (stale-while-revalidate)",
                duration(u64::from(secs))
            ),
        },
    );
    page.row(
        "if the origin fails",
        match lifetime.stale_if_error {
            StaleIfError::Forbidden => "not served stale".to_owned(),
            StaleIfError::Seconds(secs) => {
                format!(
                    "served stale for {} (stale-if-error)",
                    duration(u64::from(secs))
                )
            }
            StaleIfError::UntilEvicted => {
                "served stale for as long as it is in the store".to_owned()
            }
        },
    );
}

/// Every name in `Vary`, and then what the cache makes of all of them.
fn vary(subject: &Subject<'_>, head: &ResponseHead, is_stored: bool, page: &mut Page) {
    let (key, forward) = (&subject.behavior.key, &subject.behavior.forward);
    let method = subject.request.method;
    let (forwarded, keyed) = (
        |name: &str| forward.forwards(name, method),
        |name: &str| key.has_header(name),
    );
    let mut variants = Vec::new();
    for name in head.fields.get_all("vary").flat_map(list_items) {
        let name = text(name).to_ascii_lowercase();
        let words = match (name.as_str(), forwarded(&name), keyed(&name)) {
            ("*", _, _) => "answers no other request",
            (_, _, true) => "in the cache key already",
            (_, true, false) => {
                variants.push(name.clone());
                "forwarded but not in the key: stored as a variant for each of its values"
            }
            (_, false, false) => "ignored: it is not forwarded, so the answer cannot depend on it",
        };
        page.row("vary", format!("{name}: {words}"));
    }
    match vary::relevant(&head.fields, forwarded, keyed) {
        VaryRule::None => {}
        // What is not stored has been said to be.
        _ if !is_stored => {}
        VaryRule::Star(_) => {
            page.warn("Vary: * is overridden by MinTTL: the answer is given to others too.");
        }
        VaryRule::On(_) => page.warn(format!(
            "Vary on {}, which is forwarded but not in the cache key: here every value of it makes \
             a variant, up to one for each viewer; CloudFront itself ignores Vary and would mix \
             them up. Put it into the cache policy, or stop forwarding it.",
            list(&variants)
        )),
    }
}

fn compression(subject: &Subject<'_>, head: &ResponseHead, page: &mut Page) {
    let behavior = subject.behavior;
    let encodings = subject.encodings;
    let mut against = Vec::new();
    if !behavior.compress {
        against.push("Compress is false".to_owned());
    }
    if subject.request.method != Method::Get {
        against.push("only answers to GET are".to_owned());
    }
    if behavior.caching_disabled {
        against.push("caching is switched off".to_owned());
    } else if !behavior.key.encoding.is_on() {
        against.push("the cache policy enables neither gzip nor brotli".to_owned());
    } else if !encodings.gzip && !encodings.brotli {
        let enabled = encoding_names(behavior.key.encoding);
        against.push(format!("the viewer's Accept-Encoding has no {enabled}"));
    }
    against.extend(conditions_against(head));
    page.row(
        "compressed",
        match against.as_slice() {
            [] if encodings.brotli => "yes, with brotli".to_owned(),
            [] => "yes, with gzip".to_owned(),
            _ => format!("no: {}", against.join("; ")),
        },
    );
}

fn encoding_names(rule: EncodingRule) -> &'static str {
    match (rule.gzip, rule.brotli) {
        (true, true) => "gzip or br",
        (false, true) => "br",
        _ => "gzip",
    }
}

/// Which conditions the response does not meet. Each is tried alone, in a response that meets all
/// others, so that what decides is what decides when serving.
fn conditions_against(head: &ResponseHead) -> Vec<String> {
    const LENGTH: Option<u64> = Some(4_096);
    let probe = |status: u16, names: &[&str]| {
        let mut fields = Fields::new();
        for (name, value) in head.fields.iter() {
            if names
                .iter()
                .any(|wanted| name.eq_ignore_ascii_case(wanted.as_bytes()))
            {
                fields.push(name, value);
            }
        }
        if !names.contains(&"content-type") {
            fields.push(b"Content-Type", b"text/html");
        }
        ResponseHead { status, fields }
    };
    let field = |name: &str| head.fields.get(name).map(text);
    let length = head.fields.get("content-length").and_then(|value| {
        std::str::from_utf8(value)
            .ok()
            .and_then(|value| value.parse::<u64>().ok())
    });
    let mut against = Vec::new();
    if !compress::eligible(&probe(head.status, &[]), LENGTH) {
        against.push(format!("its status is {}", head.status));
    }
    if !compress::eligible(&probe(200, &["content-encoding"]), LENGTH) {
        let encoding = field("content-encoding").unwrap_or_default();
        against.push(format!("it has Content-Encoding {encoding} already"));
    }
    if !compress::eligible(&probe(200, &[]), length) {
        against.push(match length {
            None => "it has no valid Content-Length".to_owned(),
            Some(length) => format!("{length} bytes are too few or too many"),
        });
    }
    if !compress::eligible(&probe(200, &["content-type"]), LENGTH) {
        against.push(match field("content-type") {
            None => "it has no Content-Type".to_owned(),
            Some(kind) => format!("{kind} is not a type that is compressed"),
        });
    }
    against
}

fn set_cookie(subject: &Subject<'_>, head: &ResponseHead, is_stored: bool, page: &mut Page) {
    if !head.fields.contains("set-cookie") {
        return;
    }
    let is_stored = is_stored && CacheControl::parse(&head.fields).stores_field(b"set-cookie");
    let forwards_cookies = !subject.behavior.forward.cookies.is_none();
    page.row(
        "set-cookie",
        match (forwards_cookies, is_stored) {
            (false, _) => "removed: the behavior forwards no cookies",
            (true, true) => "passed on, and stored with the response",
            (true, false) => "passed on to this viewer, not stored",
        },
    );
    if forwards_cookies && is_stored {
        page.warn(
            "Set-Cookie is stored with the response: everybody who gets it from the cache gets \
             that same cookie. Answer with Cache-Control: no-cache=\"Set-Cookie\" or private.",
        );
    }
}

fn error_page(subject: &Subject<'_>, status: u16, page: &mut Page) {
    let Some(found) = subject
        .site
        .error_rule(status)
        .and_then(|rule| rule.page.as_ref())
    else {
        return;
    };
    let path = found.path.split('?').next().unwrap_or_default();
    let (index, behavior) = subject.site.behavior(path.as_bytes());
    page.row(
        "error page",
        format!(
            "{} in its place, with status {}; behavior {} ({}) and origin {} provide it",
            found.path,
            found.status,
            index + 1,
            behavior.pattern.as_str(),
            behavior.names.target
        ),
    );
}

/// What the policy removes and adds, seen by applying it.
fn response_headers(subject: &Subject<'_>, head: &ResponseHead, page: &mut Page) {
    let Some(policy) = &subject.behavior.response_headers else {
        return;
    };
    let name = subject
        .behavior
        .names
        .response_headers_policy
        .as_deref()
        .unwrap_or_default();
    page.row("response headers", format!("policy {name}"));
    let mut after = head.fields.clone();
    policy.apply(subject.request, &mut after);
    let lines = |fields: &Fields| -> Vec<String> {
        let line = |(name, value)| format!("{}: {}", text(name), text(value));
        fields.iter().map(line).collect()
    };
    let (before, after) = (lines(&head.fields), lines(&after));
    for line in before.iter().filter(|line| !after.contains(line)) {
        page.row("  removes", line);
    }
    for line in after.iter().filter(|line| !before.contains(line)) {
        page.row("  adds", line);
    }
    if policy.server_timing.is_some() {
        page.row("  adds", "Server-Timing, by its sampling rate");
    }
}
