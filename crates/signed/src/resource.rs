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
    /// whoever resolves it finds something else.
    fn admits_resolved(&self, path: &[u8]) -> bool {
        match &self.resolved_path {
            Some(pattern) if spelling::is_evasive(path) => {
                pattern.matches(&spelling::resolved(path))
            }
            _ => true,
        }
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
