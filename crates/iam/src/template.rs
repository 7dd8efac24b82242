//! Texts with wildcards and variables, as resources and conditions have them.
//!
//! `*` stands for any characters, none included, `?` for one. `${aws:username}` stands for the
//! value of that key, in which nothing is a wildcard, and `${aws:username, 'nobody'}` for `nobody`
//! where the request does not have that key; `${*}`, `${?}` and `${$}` for these characters.
//! A variable without a value, or with several, makes its text one that nothing equals.

use std::borrow::Cow;

use crate::document::clipped;
use crate::{Request, keys};

/// A text with wildcards and variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
    /// The same for comparing; without it there are variables.
    atoms: Option<Vec<Atom>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    One,
    Any,
    Variable {
        /// In lower case.
        key: String,
        default: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Atom {
    Byte(u8),
    /// Any one character.
    One,
    /// Any characters.
    Any,
}

/// What of a text is more than its characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Syntax {
    pub has_wildcards: bool,
    /// Variables came with version 2012-10-17. Before, `${` is refused: it could be meant as one.
    pub has_variables: bool,
}

impl Template {
    /// Reads a text; the error says what is wrong with it.
    pub fn parse(text: &str, syntax: Syntax) -> Result<Template, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("${") {
                let (inside, after) = after
                    .split_once('}')
                    .ok_or("has '${' without '}'; write '${$}{' for the characters '${'")?;
                if !syntax.has_variables {
                    return Err("has '${', and variables need \"Version\": \"2012-10-17\"".into());
                }
                push(&mut pieces, variable(inside)?);
                rest = after;
                continue;
            }
            let piece = match first {
                '*' if syntax.has_wildcards => Piece::Any,
                '?' if syntax.has_wildcards => Piece::One,
                _ => Piece::Text(first.to_string()),
            };
            push(&mut pieces, piece);
            rest = &rest[first.len_utf8()..];
        }
        Ok(Template::of(pieces))
    }

    /// Reads an ARN with wildcards: its six parts, of which the last may have colons.
    pub fn parse_arn(text: &str, syntax: Syntax) -> Result<Vec<Template>, String> {
        let mut parts = vec![Vec::new()];
        for piece in Template::parse(text, syntax)?.pieces {
            let Piece::Text(text) = &piece else {
                parts.last_mut().expect("there is one").push(piece);
                continue;
            };
            let left = ARN_PARTS - parts.len();
            for (index, text) in text.splitn(left + 1, ':').enumerate() {
                if index > 0 {
                    parts.push(Vec::new());
                }
                if !text.is_empty() {
                    let last = parts.last_mut().expect("there is one");
                    last.push(Piece::Text(text.to_owned()));
                }
            }
        }
        let parts: Vec<Template> = parts.into_iter().map(Template::of).collect();
        match parts.len() == ARN_PARTS && text.starts_with("arn:") {
            true => Ok(parts),
            false => Err("is no ARN of six parts; allowed is \
                          arn:partition:service:region:account:resource, each part with wildcards"
                .into()),
        }
    }

    fn of(pieces: Vec<Piece>) -> Template {
        let has_variables = pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Variable { .. }));
        let atoms = (!has_variables).then(|| atoms(&pieces, |_, _| None).unwrap_or_default());
        Template { pieces, atoms }
    }

    /// Whether a text is one of those that it stands for; `None` if that depends on variables.
    pub fn always_matches(&self, text: &str) -> Option<bool> {
        let atoms = self.atoms.as_ref()?;
        Some(matches(atoms, text))
    }

    /// Whether it is one text only. Characters that are wildcards elsewhere count as such.
    pub fn is_fixed(&self) -> bool {
        let is_plain = |piece: &Piece| match piece {
            Piece::Text(text) => !text.contains(['*', '?']),
            _ => false,
        };
        self.pieces.iter().all(is_plain)
    }

    /// Whether a text is one of those that it stands for.
    pub fn matches(&self, text: &str, request: &Request<'_>) -> bool {
        match self.resolved(request) {
            Some(atoms) => matches(&atoms, text),
            None => false,
        }
    }

    /// The text that it is, where it has no wildcards; none if a variable has no value.
    pub fn text(&self, request: &Request<'_>) -> Option<String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Any => text.push('*'),
                Piece::One => text.push('?'),
                Piece::Variable { key, default } => {
                    text.push_str(&value(request, key, default.as_deref())?);
                }
            }
        }
        Some(text)
    }

    /// Whether it could stand for that text, or with `is_prefix` for one that begins so, whatever
    /// values its variables have.
    pub fn could_be(&self, text: &str, is_prefix: bool) -> bool {
        let anything = |_: &str, _: Option<&str>| Some(None);
        let atoms = atoms(&self.pieces, anything).unwrap_or_default();
        // Which of the atoms may be the next, the end included.
        let mut next = vec![false; atoms.len() + 1];
        next[0] = true;
        let skip_stars = |next: &mut [bool]| {
            for (index, atom) in atoms.iter().enumerate() {
                if next[index] && *atom == Atom::Any {
                    next[index + 1] = true;
                }
            }
        };
        for byte in text.bytes() {
            skip_stars(&mut next);
            let mut after = vec![false; atoms.len() + 1];
            for (index, atom) in atoms.iter().enumerate() {
                match atom {
                    _ if !next[index] => {}
                    Atom::Any => after[index] = true,
                    Atom::One => after[index + 1] = true,
                    Atom::Byte(expected) => after[index + 1] |= *expected == byte,
                }
            }
            next = after;
        }
        skip_stars(&mut next);
        match is_prefix {
            true => next.contains(&true),
            false => next[atoms.len()],
        }
    }

    fn resolved(&self, request: &Request<'_>) -> Option<Cow<'_, [Atom]>> {
        if let Some(atoms) = &self.atoms {
            return Some(Cow::Borrowed(atoms));
        }
        let value = |key: &str, default: Option<&str>| Some(Some(value(request, key, default)?));
        atoms(&self.pieces, value).map(Cow::Owned)
    }
}

const ARN_PARTS: usize = 6;

/// Whether an ARN is one of those that six parts stand for. Wildcards of one part do not reach
/// into the next.
pub(crate) fn matches_arn(parts: &[Template], arn: &str, request: &Request<'_>) -> bool {
    let texts: Vec<&str> = arn.splitn(ARN_PARTS, ':').collect();
    let mut pairs = parts.iter().zip(&texts);
    parts.len() == texts.len() && pairs.all(|(part, text)| part.matches(text, request))
}

/// What stands between `${` and `}`.
fn variable(inside: &str) -> Result<Piece, String> {
    if matches!(inside, "*" | "?" | "$") {
        return Ok(Piece::Text(inside.to_owned()));
    }
    let (key, default) = match inside.split_once(',') {
        None => (inside, None),
        Some((key, default)) => {
            let quoted = default.trim();
            let text = quoted
                .strip_prefix('\'')
                .and_then(|text| text.strip_suffix('\''));
            let text = text.filter(|text| !text.contains('\''));
            let text = text.ok_or_else(|| {
                let inside = clipped(inside);
                format!("has '${{{inside}}}'; a default is written ${{key, 'default'}}")
            })?;
            (key.trim_end(), Some(text.to_owned()))
        }
    };
    match keys::is_among(key, keys::all()) {
        true => Ok(Piece::Variable {
            key: key.to_ascii_lowercase(),
            default,
        }),
        false => Err(format!(
            "has the variable '{}', which no request has a value of; allowed are the keys of \
             conditions, and ${{*}}, ${{?}} and ${{$}}",
            clipped(key)
        )),
    }
}

/// Adjacent texts become one, and adjacent stars, which mean no more than one.
fn push(pieces: &mut Vec<Piece>, piece: Piece) {
    match (pieces.last_mut(), piece) {
        (Some(Piece::Text(text)), Piece::Text(more)) => text.push_str(&more),
        (Some(Piece::Any), Piece::Any) => {}
        (_, piece) => pieces.push(piece),
    }
}

fn value(request: &Request<'_>, key: &str, default: Option<&str>) -> Option<String> {
    let mut values = request.values(key);
    match values.len() {
        1 => values.pop(),
        0 => default.map(str::to_owned),
        _ => None,
    }
}

/// The atoms of pieces. `value` gives what a variable stands for, `Some(None)` for anything; where
/// it gives nothing there are no atoms.
fn atoms(
    pieces: &[Piece],
    value: impl Fn(&str, Option<&str>) -> Option<Option<String>>,
) -> Option<Vec<Atom>> {
    let mut atoms = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => atoms.extend(text.bytes().map(Atom::Byte)),
            Piece::One => atoms.push(Atom::One),
            Piece::Any => atoms.push(Atom::Any),
            Piece::Variable { key, default } => match value(key, default.as_deref())? {
                Some(text) => atoms.extend(text.bytes().map(Atom::Byte)),
                None => atoms.push(Atom::Any),
            },
        }
    }
    Some(atoms)
}

/// Goes back to the last star only, so that no pattern costs more than its length times the
/// text's; one with more characters than the text has costs nothing.
fn matches(pattern: &[Atom], text: &str) -> bool {
    if pattern.iter().filter(|atom| **atom != Atom::Any).count() > text.len() {
        return false;
    }
    let bytes = text.as_bytes();
    // Where the next character begins; asked at beginnings of characters only.
    let after = |index: usize| {
        let next = text.get(index..).and_then(|rest| rest.chars().next());
        index + next.map_or(1, char::len_utf8)
    };
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < bytes.len() {
        match pattern.get(p) {
            Some(Atom::Any) => {
                star = Some((p, t));
                p += 1;
            }
            Some(Atom::One) => {
                t = after(t);
                p += 1;
            }
            Some(Atom::Byte(byte)) if *byte == bytes[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star_p, star_t)) = star else {
                    return false;
                };
                let star_t = after(star_t);
                star = Some((star_p, star_t));
                p = star_p + 1;
                t = star_t;
            }
        }
    }
    pattern[p..].iter().all(|atom| *atom == Atom::Any)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Principal;
    use crate::example::{ALICE, ROOT, context, context_with};
    use proptest::prelude::*;

    const BOTH: Syntax = Syntax {
        has_wildcards: true,
        has_variables: true,
    };

    fn is_match(principal: Principal<'_>, pattern: &str, text: &str) -> bool {
        let request = Request {
            principal,
            action: "s3:GetObject",
            resource: "*",
            context: &context_with(&[("s3:prefix", "a*b")]),
        };
        let template = Template::parse(pattern, BOTH).unwrap();
        template.matches(text, &request)
    }

    #[test]
    fn a_variable_stands_for_the_value_of_its_key() {
        for (pattern, text, fits) in [
            ("home/${aws:username}/*", "home/alice/x", true),
            ("home/${AWS:UserName}/*", "home/alice/x", true),
            ("home/${aws:username}/*", "home/bob/x", false),
            (
                "${aws:PrincipalArn}",
                "arn:aws:iam::123456789012:user/alice",
                true,
            ),
            // What it stands for has no wildcards.
            ("${s3:prefix}", "a*b", true),
            ("${s3:prefix}", "axb", false),
            // The characters themselves.
            ("${*}", "*", true),
            ("${*}", "a", false),
            ("${?}${$}{", "?${", true),
            ("$", "$", true),
            ("${aws:username, 'nobody'}", "alice", true),
            ("${s3:delimiter, 'nobody'}", "nobody", true),
            ("${s3:delimiter,''}x", "x", true),
        ] {
            assert_eq!(is_match(ALICE, pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn nothing_equals_a_variable_without_a_value() {
        assert!(!is_match(ROOT, "*${aws:username}*", ""));
        assert!(!is_match(ROOT, "${aws:username}", "${aws:username}"));
        let several = context_with(&[("s3:prefix", "a"), ("s3:prefix", "b")]);
        let request = Request {
            principal: ALICE,
            action: "s3:GetObject",
            resource: "*",
            context: &several,
        };
        let template = Template::parse("${s3:prefix, 'a'}", BOTH).unwrap();
        assert!(!template.matches("a", &request));
    }

    #[test]
    fn what_is_no_variable_is_refused() {
        for (text, word) in [
            ("${aws:username", "without '}'"),
            ("${}", "variable ''"),
            ("${user}", "'user'"),
            ("${aws:PrincipalTag/}", "'aws:PrincipalTag/'"),
            ("${aws:username, nobody}", "default"),
            ("${aws:username, 'a'b'}", "default"),
        ] {
            let message = Template::parse(text, BOTH).unwrap_err();
            assert!(message.contains(word), "{text}: {message}");
        }
        let old = Syntax {
            has_variables: false,
            ..BOTH
        };
        let message = Template::parse("${aws:username}", old).unwrap_err();
        assert!(message.contains("2012-10-17"), "{message}");
    }

    #[test]
    fn a_question_mark_is_one_character_however_long() {
        for (pattern, text, fits) in [
            ("?", "é", true),
            ("a?c", "a€c", true),
            ("*?", "€", true),
            ("*??", "€", false),
            ("?*€", "é€€", true),
            ("??", "é", false),
            ("*??bc", "€bc", false),
        ] {
            assert_eq!(is_match(ALICE, pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn wildcards_of_an_arns_part_do_not_reach_into_the_next() {
        let context = context();
        let request = Request {
            principal: ALICE,
            action: "s3:GetObject",
            resource: "*",
            context: &context,
        };
        let e1 = "arn:aws:cloudfront::123456789012:distribution/E1";
        for (pattern, arn, fits) in [
            (e1, e1, true),
            ("arn:aws:cloudfront::123456789012:distribution/*", e1, true),
            ("arn:*:*:*:*:*", e1, true),
            ("arn:aws:cloudfront:*:distribution/E1:", e1, false),
            ("arn:aws:*::distribution/E1:", e1, false),
            ("arn:aws:cloudfront::123456789012:distribution/E?", e1, true),
            (
                "arn:aws:cloudfront::123456789012:DISTRIBUTION/E1",
                e1,
                false,
            ),
            ("arn:aws:cloudfront::*:*:*", e1, false),
            // The last part may have colons.
            ("arn:aws:sns:*:*:a:*", "arn:aws:sns:x:1:a:b:c", true),
            (
                "arn:aws:iam::*:user/${aws:username}",
                "arn:aws:iam::1:user/alice",
                true,
            ),
            (e1, "E1", false),
        ] {
            let parts = Template::parse_arn(pattern, BOTH).unwrap();
            assert_eq!(matches_arn(&parts, arn, &request), fits, "{pattern} {arn}");
        }
        for text in [
            "*",
            "arn:*",
            "arn:aws:s3::bucket",
            "a:b:c:d:e:f",
            "${*}:a:b:c:d:e",
        ] {
            assert!(Template::parse_arn(text, BOTH).is_err(), "{text}");
        }
    }

    /// The slow, obvious one.
    fn plainly_matches(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => {
                (0..=text.len()).any(|length| plainly_matches(rest, &text[length..]))
            }
            Some((char, rest)) => text.split_first().is_some_and(|(first, text)| {
                (*char == '?' || char == first) && plainly_matches(rest, text)
            }),
        }
    }

    proptest! {
        #[test]
        fn patterns_match_as_the_obvious_matcher_says(
            pattern in "[abé€*?]{0,7}",
            text in "[abé€]{0,7}",
        ) {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let obvious = plainly_matches(&chars(&pattern), &chars(&text));
            prop_assert_eq!(is_match(ALICE, &pattern, &text), obvious);
        }

        #[test]
        fn what_matches_could_be_and_could_begin_so(
            pattern in "[ab*?]{0,7}",
            text in "[ab]{0,7}",
            length in 0_usize..8,
        ) {
            let template = Template::parse(&pattern, BOTH).unwrap();
            let is_match = is_match(ALICE, &pattern, &text);
            prop_assert_eq!(template.could_be(&text, false), is_match);
            let prefix = &text[..length.min(text.len())];
            prop_assert!(!is_match || template.could_be(prefix, true));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[*?$\\{\\}:,'a ]{0,20}|aws:username|\\PC{0,20}") {
            let _ = Template::parse(&text, BOTH);
            let _ = Template::parse_arn(&text, BOTH);
        }
    }
}
