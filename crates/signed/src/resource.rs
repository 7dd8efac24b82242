//! `Resource` of a custom policy: a URL with wildcards, matched section by section (spec §9.5).
//!
//! Sections are scheme, host, path and query; no wildcard reaches into the next one, but a path
//! that ends in `*` leaves the query open, and a host that ends the text with `*` leaves both open.
//!
//! A `?` is one byte, or begins the query. It begins the query as `\?`; without a backslash where
//! the text after it looks like a query: it has `=` before the next `?` or `/`, or is a lone `*`.
//! If none does, both readings hold: every `?` is one byte, or the first begins the query.

use crate::limits::RESOURCE_BYTES_MAX;
use crate::presented::ViewerUrl;
use crate::spelling;
use crate::wildcard::{Pattern, Token};

/// Which URLs a policy is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    /// None is both.
    is_https: Option<bool>,
    /// In lower case.
    host: Pattern,
    first: Reading,
    second: Option<Reading>,
}

/// What may stand after the host.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reading {
    path: Pattern,
    /// What resolved paths must match besides, if the path has wildcards.
    resolved_path: Option<Pattern>,
    /// None is any.
    query: Option<Pattern>,
}

impl Resource {
    pub(crate) fn parse(text: &str) -> Result<Resource, &'static str> {
        if text.len() > RESOURCE_BYTES_MAX {
            return Err("Resource is too long");
        }
        let (is_https, rest) = if let Some(rest) = text.strip_prefix("https://") {
            (Some(true), rest)
        } else if let Some(rest) = text.strip_prefix("http://") {
            (Some(false), rest)
        } else if let Some(rest) = text.strip_prefix("*://") {
            (None, rest)
        } else if text.starts_with('*') {
            (None, text)
        } else {
            return Err("Resource begins with none of http://, https://, *:// and *");
        };
        let rest = rest.as_bytes();
        let slash = rest.iter().position(|byte| *byte == b'/');
        let (host, path) = rest.split_at(slash.unwrap_or(rest.len()));
        if host.is_empty() {
            return Err("Resource has no host");
        }
        let host = Pattern::new(&tokens(&host.to_ascii_lowercase()));
        let (first, second) = match slash {
            Some(_) => readings(path),
            None if host.ends_open() => (Reading::new(b"*", None), None),
            None => (Reading::new(b"/", None), None),
        };
        Ok(Resource {
            is_https,
            host,
            first,
            second,
        })
    }

    pub(crate) fn admits(&self, url: &ViewerUrl<'_>) -> bool {
        let is_scheme = self
            .is_https
            .is_none_or(|is_https| is_https == url.is_https);
        let is_host = || match url.host.iter().any(u8::is_ascii_uppercase) {
            false => self.host.matches(url.host),
            true => self.host.matches(&url.host.to_ascii_lowercase()),
        };
        let second = || {
            self.second
                .as_ref()
                .is_some_and(|reading| reading.admits(url))
        };
        is_scheme && is_host() && (self.first.admits(url) || second())
    }
}

impl Reading {
    fn new(path: &[u8], query: Option<&[u8]>) -> Reading {
        let tokens_of_path = tokens(path);
        let path = Pattern::new(&tokens_of_path);
        let query = match query {
            Some(query) => Some(Pattern::new(&tokens(query))),
            None if path.ends_open() => None,
            None => Some(Pattern::new(&[])),
        };
        let is_literal = path.is_literal();
        Reading {
            path,
            resolved_path: (!is_literal).then(|| Pattern::new(&resolved(&tokens_of_path))),
            query,
        }
    }

    fn admits(&self, url: &ViewerUrl<'_>) -> bool {
        self.path.matches(url.path)
            && self.admits_resolved(url.path)
            && match &self.query {
                None => true,
                Some(query) => query.matches(&url.own_query()),
            }
    }

    /// A path that leaves a directory by dots that wildcards would match is not what was signed:
    /// whoever resolves it finds something else. Where that is differs among origins if there are
    /// two ways to resolve it.
    fn admits_resolved(&self, path: &[u8]) -> bool {
        let Some(pattern) = &self.resolved_path else {
            return true;
        };
        !spelling::is_ambiguous(path)
            && (!spelling::is_evasive(path) || pattern.matches(&spelling::resolved(path)))
    }
}

/// How path and query of a resource may be read.
fn readings(text: &[u8]) -> (Reading, Option<Reading>) {
    let marks = text.iter().enumerate().filter(|(_, byte)| **byte == b'?');
    let mut first_mark = None;
    for (at, _) in marks {
        let after = &text[at + 1..];
        if text[..at].ends_with(b"\\") {
            return (Reading::new(&text[..at - 1], Some(after)), None);
        }
        if looks_like_query(after) {
            return (Reading::new(&text[..at], Some(after)), None);
        }
        first_mark.get_or_insert(at);
    }
    let second = first_mark.map(|at| Reading::new(&text[..at], Some(&text[at + 1..])));
    (Reading::new(text, None), second)
}

fn looks_like_query(text: &[u8]) -> bool {
    let end = text.iter().position(|byte| matches!(byte, b'?' | b'/'));
    text == b"*" || text[..end.unwrap_or(text.len())].contains(&b'=')
}

/// Of one section. `\?` is a question mark.
fn tokens(text: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(text.len());
    for byte in text {
        match (byte, tokens.last()) {
            (b'*', _) => tokens.push(Token::Any),
            (b'?', Some(Token::Byte(b'\\'))) => {
                tokens.pop();
                tokens.push(Token::Byte(b'?'));
            }
            (b'?', _) => tokens.push(Token::One),
            (byte, _) => tokens.push(Token::Byte(*byte)),
        }
    }
    tokens
}

/// A path's tokens as [`spelling::resolved`] would have spelled them: escapes decoded, `\` as `/`,
/// slashes collapsed. Dot segments stay, and match no resolved path.
fn resolved(tokens: &[Token]) -> Vec<Token> {
    let mut resolved: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut rest = tokens;
    while let Some((token, after)) = rest.split_first() {
        rest = after;
        let mut token = *token;
        if let ([Token::Byte(high), Token::Byte(low), ..], Token::Byte(b'%')) = (rest, token)
            && let Some(byte) = crate::encoding::escaped(&[*high, *low])
        {
            token = Token::Byte(byte);
            rest = &rest[2..];
        }
        if token == Token::Byte(b'\\') {
            token = Token::Byte(b'/');
        }
        let is_repeated = token == Token::Byte(b'/') && resolved.last() == Some(&token);
        if !is_repeated {
            resolved.push(token);
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(resource: &str, url: &str) -> bool {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (host, rest) = rest.split_at(rest.find('/').unwrap());
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query.as_bytes())),
            None => (rest, None),
        };
        let url = ViewerUrl {
            is_https: scheme == "https",
            host: host.as_bytes(),
            path: path.as_bytes(),
            query,
        };
        Resource::parse(resource).unwrap().admits(&url)
    }

    /// A resource, URLs that it is about, and others.
    fn check(resource: &str, about: &[&str], others: &[&str]) {
        for url in about {
            assert!(admits(resource, url), "{resource} is about {url}");
        }
        for url in others {
            assert!(!admits(resource, url), "{resource} is not about {url}");
        }
    }

    #[test]
    fn without_wildcards_it_is_that_url_alone() {
        check(
            "https://Example.com/a/B.jpg?x=1",
            &[
                "https://example.com/a/B.jpg?x=1",
                "https://EXAMPLE.com/a/B.jpg?x=1",
                "https://example.com/a/B.jpg?Policy=p&x=1&Signature=s",
            ],
            &[
                "http://example.com/a/B.jpg?x=1",
                "https://example.com:8443/a/B.jpg?x=1",
                "https://example.com/a/b.jpg?x=1",
                "https://example.com/a/%42.jpg?x=1",
                "https://example.com/a/B.jpg",
                "https://example.com/a/B.jpg?x=1&y=2",
                "https://example.com/a/B.jpg?y=2&x=1",
                "https://example.com/a/B.jpg?x=1&policy=p",
                "https://example.com/a/../a/B.jpg?x=1",
                "https://example.comx/a/B.jpg?x=1",
            ],
        );
        check(
            "https://h",
            &["https://h/", "https://h/?"],
            &["https://h/a", "https://h/?a"],
        );
    }

    #[test]
    fn wildcards_stay_in_their_section() {
        check(
            "https://*.example.com/a/*.jpg",
            &[
                "https://x.y.example.com/a/b/c.jpg",
                "https://.example.com/a/.jpg",
            ],
            &[
                "https://example.com/a/b.jpg",
                "https://evil.net/.example.com/a/b.jpg",
                "https://x.example.com/a/b.jpg?size=1",
                "https://x.example.com/a/b?.jpg",
                "http://x.example.com/a/b.jpg",
            ],
        );
        check(
            "https://h/a?x=*",
            &["https://h/a?x=", "https://h/a?x=1&y=/b?"],
            &[
                "https://h/a",
                "https://h/ab?x=1",
                "https://h/a/x=1",
                "https://h/abx=1",
            ],
        );
        check(
            "https://?/a",
            &["https://h/a"],
            &["https://hh/a", "https://h//a"],
        );
    }

    #[test]
    fn an_open_end_leaves_open_what_follows_it() {
        check(
            "http://h/a*",
            &["http://h/a", "http://h/ab/c?x=1&y=2"],
            &["http://h/b", "https://h/a", "http://hh/a"],
        );
        check(
            "http://h*",
            &["http://h/", "http://h.net:80/a?b"],
            &["http://g/h", "https://h/"],
        );
        check(
            "http://h*/a",
            &["http://h.net/a"],
            &["http://h.net/b", "http://h.net/a?b"],
        );
        check("*", &["http://h/", "https://g/a?b"], &[]);
        check("*://h/a", &["http://h/a", "https://h/a"], &["https://g/a"]);
        check(
            "*example.com",
            &["http://www.example.com/"],
            &["http://example.com/a"],
        );
        check(
            "*/a",
            &["http://h/a", "https://g/a"],
            &["http://h/b", "http://h/b/a"],
        );
    }

    #[test]
    fn a_question_mark_begins_the_query_or_is_one_byte() {
        check(
            r"http://h/a\?b",
            &["http://h/a?b"],
            &["http://h/aXb", "http://h/a%3Fb"],
        );
        check(
            r"http://h/a?c\?b?",
            &["http://h/abc?bb"],
            &["http://h/ac?bb", "http://h/a?c?bb"],
        );
        check(
            "http://h/a?*",
            &["http://h/a", "http://h/a?b=c"],
            &["http://h/ab"],
        );
        check(
            "http://h/a??.jpg?x=*",
            &["http://h/abc.jpg?x=1"],
            &["http://h/a??.jpg?x=1", "http://h/abc.jpg"],
        );
        // It cannot be told what is meant.
        check(
            "http://h/a?b",
            &["http://h/a?b", "http://h/aXb"],
            &[
                "http://h/ab",
                "http://h/a",
                "http://h/a?",
                "http://h/aXb?c",
                "http://h/a?bc",
            ],
        );
        check(
            r"http://h/a\?x=1\?2",
            &["http://h/a?x=1?2"],
            &["http://h/a?x=1x2"],
        );
    }

    #[test]
    fn dots_do_not_lead_out_of_what_wildcards_match() {
        check(
            "https://h/a/*",
            &[
                "https://h/a/b",
                "https://h/a/b/../c",
                "https://h/a/x%2Fy",
                "https://h/a/%2e%2e.jpg",
            ],
            &[
                "https://h/a/../b",
                "https://h/a/%2e%2e/b",
                "https://h/a/%252e%252e/b",
                "https://h/a/.%2E/b",
                "https://h/a/..%2fb",
                "https://h/a%2Fb",
                r"https://h/a/..\b",
                r"https://h/a/b\..\..\c",
                "https://h/a/%2F..%2F..%2Fb",
                "https://h/a/b/../../c",
                "https://h/a//../../c",
                "https://h/a/%5c..%5c..%5cc",
                // A directory less for those to whom this is one segment, or one more.
                "https://h/a/x%2Fy/../../b",
                "https://h/a/x%5Cy/../../b",
                r"https://h/a/x\y/../../b",
                "https://h/a/x%252Fy/../../b",
                "https://h/a/x%5Cy%2F..%2F..%2Fb",
            ],
        );
        // Escapes and empty segments alone lead nowhere else.
        check(
            "https://h/a%20b//c/*",
            &["https://h/a%20b//c/d%20e//f", "https://h/a%20b//c/%2F"],
            &["https://h/a%20b//c/../d", "https://h/a b//c/d"],
        );
        // Whoever signs dots without wildcards gets what he signed, and no more.
        check("https://h/a/../b", &["https://h/a/../b"], &["https://h/b"]);
        // What an origin has before all its paths is not the signer's to leave.
        check(
            "https://h/*",
            &["https://h/a/../b"],
            &["https://h/a/../../b"],
        );
    }

    #[test]
    fn other_schemes_and_no_host_are_refused() {
        for resource in [
            "",
            "h/a",
            "/a",
            "ftp://h/a",
            "HTTPS://h/a",
            "http*://h/a",
            "http:/h",
            "https://",
            "https:///a",
            "//h/a",
            "?://h/a",
        ] {
            assert!(Resource::parse(resource).is_err(), "{resource}");
        }
        assert!(Resource::parse(&format!("https://h/{}", "a".repeat(RESOURCE_BYTES_MAX))).is_err());
    }
}
